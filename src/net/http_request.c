#include "net/http_request.h"

#include <http_parser.h>
#include <strings.h>

struct header {
    size_t name_at, name_size, value_at, value_size; /* in head */
};
struct sc_http_reader {
    http_parser parser;
    size_t body_size_max;
    sc_err (*judge)(void *arg, struct sc_http_reader *r);
    void *arg;
    struct sc_buf head; /* target, then names and values one after another */
    size_t target_size;
    struct header headers[SC_HTTP_HEADER_COUNT_MAX];
    size_t header_count;
    bool in_value, headed, done, begun;
    sc_err failed; /* the reason when a callback ended the parser */
    struct sc_buf body;
};

static int refuse(struct sc_http_reader *r, sc_err err)
{
    r->failed = err;
    return -1;
}

static int put_head(struct sc_http_reader *r, const char *at, size_t size)
{
    sc_buf_put_bytes(&r->head, sc_slice_of(at, size));
    const sc_err err = sc_buf_status(&r->head);
    return err == SC_OK ? 0 : refuse(r, err);
}

static int on_begin(http_parser *p)
{
    ((struct sc_http_reader *)p->data)->begun = true;
    return 0;
}

static int on_url(http_parser *p, const char *at, size_t size)
{
    struct sc_http_reader *r = p->data;
    r->target_size += size;
    return put_head(r, at, size);
}

static int on_field(http_parser *p, const char *at, size_t size)
{
    struct sc_http_reader *r = p->data;
    if (r->headed)
        return 0; /* trailers mean nothing to us */
    if (r->header_count == 0 || r->in_value) {
        if (r->header_count == SC_HTTP_HEADER_COUNT_MAX)
            return refuse(r, SC_E_LIMIT);
        r->headers[r->header_count++] = (struct header){.name_at = r->head.size};
        r->in_value = false;
    }
    r->headers[r->header_count - 1].name_size += size;
    return put_head(r, at, size);
}

static int on_value(http_parser *p, const char *at, size_t size)
{
    struct sc_http_reader *r = p->data;
    if (r->headed)
        return 0;
    SC_ASSERT(r->header_count != 0);
    struct header *h = &r->headers[r->header_count - 1];
    if (!r->in_value)
        h->value_at = r->head.size;
    r->in_value = true;
    h->value_size += size;
    return put_head(r, at, size);
}

static int on_headers_complete(http_parser *p)
{
    struct sc_http_reader *r = p->data;
    r->headed = true;
    if (p->upgrade)
        return refuse(r, SC_E_MALFORMED); /* CONNECT, or another protocol */
    if (p->content_length != UINT64_MAX && p->content_length > r->body_size_max)
        return refuse(r, SC_E_LIMIT);
    const sc_err err = r->judge(r->arg, r);
    return err == SC_OK ? 0 : refuse(r, err);
}

static int on_body(http_parser *p, const char *at, size_t size)
{
    struct sc_http_reader *r = p->data;
    sc_buf_put_bytes(&r->body, sc_slice_of(at, size));
    const sc_err err = sc_buf_status(&r->body);
    return err == SC_OK ? 0 : refuse(r, err);
}

static int on_complete(http_parser *p)
{
    ((struct sc_http_reader *)p->data)->done = true;
    http_parser_pause(p, 1); /* a pipelined request waits */
    return 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

sc_err sc_http_reader_new(size_t body_size_max, sc_err (*judge)(void *arg, struct sc_http_reader *r), void *arg,
                          struct sc_http_reader **out)
{
    struct sc_http_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return SC_E_NOMEM;
    r->body_size_max = body_size_max;
    r->judge = judge;
    r->arg = arg;
    sc_buf_init(&r->head, SC_HTTP_HEAD_SIZE_MAX);
    sc_buf_init(&r->body, body_size_max);
    http_parser_init(&r->parser, HTTP_REQUEST);
    r->parser.data = r;
    *out = r;
    return SC_OK;
}

void sc_http_reader_free(struct sc_http_reader *r)
{
    if (r == NULL)
        return;
    sc_buf_wipe(&r->head); /* it may hold a password */
    sc_buf_deinit(&r->body);
    free(r);
}

void sc_http_reader_freep(struct sc_http_reader **r)
{
    sc_http_reader_free(*r);
}

sc_err sc_http_reader_feed(struct sc_http_reader *r, struct sc_slice bytes, size_t *used_out)
{
    if (r->done || r->failed != SC_OK)
        return r->done ? SC_OK : r->failed;
    if (bytes.size == 0)
        return SC_E_AGAIN; /* no bytes would mean the end of the stream to the parser */
    *used_out = http_parser_execute(&r->parser, &callbacks, (const char *)bytes.ptr, bytes.size);
    if (r->done)
        return SC_OK;
    if (r->failed == SC_OK && HTTP_PARSER_ERRNO(&r->parser) != HPE_OK)
        r->failed = HTTP_PARSER_ERRNO(&r->parser) == HPE_HEADER_OVERFLOW ? SC_E_LIMIT : SC_E_MALFORMED;
    return r->failed != SC_OK ? r->failed : SC_E_AGAIN;
}

void sc_http_reader_next(struct sc_http_reader *r)
{
    http_parser_pause(&r->parser, 0);
    sc_buf_reset(&r->head);
    sc_buf_deinit(&r->body);
    sc_buf_init(&r->body, r->body_size_max);
    r->target_size = r->header_count = 0;
    r->in_value = r->headed = r->done = r->begun = false;
}

const char *sc_http_reader_method(const struct sc_http_reader *r)
{
    return http_method_str((enum http_method)r->parser.method);
}

struct sc_slice sc_http_reader_path(const struct sc_http_reader *r)
{
    const uint8_t *query = r->target_size != 0 ? memchr(r->head.ptr, '?', r->target_size) : NULL;
    return sc_slice_of(r->head.ptr, query != NULL ? (size_t)(query - r->head.ptr) : r->target_size);
}

bool sc_http_reader_header(const struct sc_http_reader *r, const char *name, struct sc_slice *out)
{
    for (size_t i = 0; i < r->header_count; i++) {
        const struct header *h = &r->headers[i];
        if (h->name_size == strlen(name) &&
            strncasecmp((const char *)r->head.ptr + h->name_at, name, h->name_size) == 0) {
            *out = sc_slice_of(r->head.ptr + h->value_at, h->value_size);
            return true;
        }
    }
    return false;
}

struct sc_slice sc_http_reader_body(const struct sc_http_reader *r)
{
    return sc_buf_slice(&r->body);
}

bool sc_http_reader_keep_alive(const struct sc_http_reader *r)
{
    return r->done && http_should_keep_alive(&r->parser) != 0;
}

bool sc_http_reader_is_1_0(const struct sc_http_reader *r)
{
    return r->parser.http_major < 1 || (r->parser.http_major == 1 && r->parser.http_minor == 0);
}

bool sc_http_reader_begun(const struct sc_http_reader *r)
{
    return r->begun;
}
