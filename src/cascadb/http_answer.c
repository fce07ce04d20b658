#include "cascadb/http_internal.h"

#define ANSWER_SIZE_MAX ((size_t)64 << 20) /* one row may be large */

void http_answer_init(struct http_answer *a, const struct pg_connection_options *opt, struct sc_diag *diag)
{
    *a = (struct http_answer){.opt = opt, .diag = diag, .content_type = "application/json"};
    sc_buf_init(&a->body, ANSWER_SIZE_MAX);
    sc_buf_init(&a->packed, 2 * ANSWER_SIZE_MAX);
}

void http_answer_deinit(struct http_answer *a)
{
    sc_buf_deinit(&a->body);
    sc_buf_deinit(&a->packed);
    sc_gzip_free(a->gzip);
}

void http_answer_drop(struct http_answer *a)
{
    SC_ASSERT(!a->head_sent);
    sc_buf_reset(&a->body);
}

static sc_err write_out(struct http_answer *a, struct sc_slice bytes)
{
    const struct pg_stream *s = &a->opt->stream;
    const sc_err err = bytes.size != 0 ? s->write(s->self, bytes, a->opt->write_ms_max, a->diag) : SC_OK;
    a->failed = a->failed || err != SC_OK;
    return err;
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "Internal Server Error";
    }
}

static sc_err head_send(struct http_answer *a, int status, const char *more, bool whole)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf head = {0};
    if (a->accepts_gzip && (!whole || a->body.size > 1024)) /* small answers do not gain by it */
        SC_TRY(sc_gzip_new(&a->gzip));
    if (!whole && a->is_1_0)
        a->keep_alive = false; /* it does not know chunks: the end of the connection ends the body */
    if (whole && a->gzip != NULL) {
        SC_TRY(sc_gzip_put(a->gzip, sc_buf_slice(&a->body), true, &a->packed));
    }
    sc_buf_put_fmt(&head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n", status,
                   reason_of(status), a->content_type);
    sc_buf_put_str(&head, "X-Content-Type-Options: nosniff\r\nVary: Accept-Encoding\r\n");
    sc_buf_put_str(&head, a->gzip != NULL ? "Content-Encoding: gzip\r\n" : "");
    if (whole)
        sc_buf_put_fmt(&head, "Content-Length: %zu\r\n", a->gzip != NULL ? a->packed.size : a->body.size);
    else if (!a->is_1_0)
        sc_buf_put_str(&head, "Transfer-Encoding: chunked\r\n");
    sc_buf_put_fmt(&head, "Connection: %s\r\n%s\r\n", a->keep_alive ? "keep-alive" : "close", more);
    SC_TRY(sc_buf_status(&head));
    a->head_sent = true;
    return write_out(a, sc_buf_slice(&head));
}

/* One piece of a body whose size is not known. */
static sc_err piece_send(struct http_answer *a, bool last)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    sc_buf_init(&out, 2 * ANSWER_SIZE_MAX);
    SC_TRY(sc_buf_status(&a->body));
    sc_buf_reset(&a->packed);
    if (a->gzip != NULL)
        SC_TRY(sc_gzip_put(a->gzip, sc_buf_slice(&a->body), last, &a->packed));
    const struct sc_slice bytes = sc_buf_slice(a->gzip != NULL ? &a->packed : &a->body);
    if (bytes.size != 0 && !a->is_1_0)
        sc_buf_put_fmt(&out, "%zx\r\n", bytes.size);
    sc_buf_put_bytes(&out, bytes);
    if (bytes.size != 0 && !a->is_1_0)
        sc_buf_put_str(&out, "\r\n");
    if (last && !a->is_1_0)
        sc_buf_put_str(&out, "0\r\n\r\n");
    a->size += a->body.size;
    sc_buf_reset(&a->body);
    SC_TRY(sc_buf_status(&out));
    return write_out(a, sc_buf_slice(&out));
}

sc_err http_answer_flow(struct http_answer *a)
{
    SC_TRY(sc_buf_status(&a->body));
    if (a->body.size < (a->head_sent ? HTTP_PIECE_SIZE : HTTP_HOLD_SIZE))
        return SC_OK;
    if (!a->head_sent)
        SC_TRY(head_send(a, 200, "", false));
    return piece_send(a, false);
}

sc_err http_answer_end(struct http_answer *a, int status, const char *more_headers)
{
    SC_TRY(sc_buf_status(&a->body));
    if (a->head_sent)
        return piece_send(a, true);
    SC_TRY(head_send(a, status, more_headers, true));
    return write_out(a, sc_buf_slice(a->gzip != NULL ? &a->packed : &a->body));
}
