#include "cascadb/message.h"

#include <stdio.h>

#define VERSION_MAJOR 3u
#define CODE_CANCEL   80877102u
#define CODE_SSL      80877103u
#define CODE_GSS      80877104u

/* ---- frames ---- */
static sc_err frame(struct sc_slice buffered, size_t head_size, size_t size_max, struct pg_frame *out, size_t *used_out)
{
    if (buffered.size < head_size)
        return SC_E_AGAIN;
    const uint32_t length = sc_load_u32be(buffered.ptr + head_size - 4); /* counts itself, not the type */
    if (length < 4)
        return SC_E_MALFORMED;
    if (length - 4 > size_max)
        return SC_E_LIMIT;
    const size_t body_size = length - 4;
    if (buffered.size - head_size < body_size)
        return SC_E_AGAIN;
    *out = (struct pg_frame){head_size == 5 ? buffered.ptr[0] : 0, {buffered.ptr + head_size, body_size}};
    *used_out = head_size + body_size;
    return SC_OK;
}

sc_err pg_frame_next(struct sc_slice buffered, size_t size_max, struct pg_frame *out, size_t *used_out)
{
    return frame(buffered, 5, size_max, out, used_out);
}

sc_err pg_frame_first(struct sc_slice buffered, struct pg_frame *out, size_t *used_out)
{
    return frame(buffered, 4, PG_STARTUP_SIZE_MAX, out, used_out);
}

/* ---- parts ---- */
static sc_err get_cstr(struct sc_reader *r, struct sc_slice *out)
{
    const uint8_t *nul = memchr(r->cur, 0, sc_reader_left(r));
    if (nul == NULL)
        return SC_E_MALFORMED;
    *out = (struct sc_slice){r->cur, (size_t)(nul - r->cur)};
    r->cur = nul + 1;
    return SC_OK;
}

/* u16 count, count * width bytes */
static sc_err get_list(struct sc_reader *r, size_t width, struct sc_slice *out)
{
    uint16_t count;
    SC_TRY(sc_reader_get_u16be(r, &count));
    return sc_reader_get_bytes(r, count * width, out);
}

static sc_err get_formats(struct sc_reader *r, struct sc_slice *out)
{
    struct sc_slice formats;
    SC_TRY(get_list(r, 2, &formats));
    for (size_t i = 0; i < formats.size; i += 2)
        if (sc_load_u16be(formats.ptr + i) > 1)
            return SC_E_MALFORMED;
    *out = formats;
    return SC_OK;
}

sc_err pg_param_next(struct sc_reader *r, bool *null_out, struct sc_slice *out)
{
    uint32_t size;
    struct sc_reader at = *r;
    SC_TRY(sc_reader_get_u32be(&at, &size));
    const bool null = size == UINT32_MAX;
    struct sc_slice value = SC_SLICE_EMPTY;
    if (!null)
        SC_TRY(sc_reader_get_bytes(&at, size, &value));
    *r = at;
    *null_out = null;
    *out = value;
    return SC_OK;
}

uint16_t pg_format_of(struct sc_slice formats, size_t i)
{
    const size_t count = formats.size / 2;
    if (count == 0)
        return 0;
    return sc_load_u16be(formats.ptr + 2 * (count == 1 ? 0 : i));
}

/* ---- startup ---- */
static sc_err startup_options(struct sc_reader *r, struct pg_startup *s)
{
    for (;;) {
        struct sc_slice name;
        struct sc_slice value;
        SC_TRY(get_cstr(r, &name));
        if (name.size == 0)
            return sc_reader_expect_end(r);
        SC_TRY(get_cstr(r, &value));
        if (sc_slice_eq(name, sc_slice_str("user")))
            s->user = value;
        else if (sc_slice_eq(name, sc_slice_str("database")))
            s->database = value;
        else if (sc_slice_eq(name, sc_slice_str("application_name")))
            s->application_name = value;
        else if (sc_slice_eq(name, sc_slice_str("client_encoding")))
            s->client_encoding = value;
        else if (name.size > 5 && memcmp(name.ptr, "_pq_.", 5) == 0) {
            if (s->unknown_count == PG_STARTUP_OPTION_COUNT_MAX)
                return SC_E_LIMIT;
            s->unknown[s->unknown_count++] = name;
        } /* other settings of a PostgreSQL server mean nothing here */
    }
}

sc_err pg_startup_parse(struct sc_slice body, struct pg_startup *out)
{
    struct sc_reader r = sc_reader_of(body);
    struct pg_startup s = {.user = SC_SLICE_EMPTY,
                           .database = SC_SLICE_EMPTY,
                           .application_name = SC_SLICE_EMPTY,
                           .client_encoding = SC_SLICE_EMPTY};
    uint32_t code;
    SC_TRY(sc_reader_get_u32be(&r, &code));
    switch (code) {
    case CODE_SSL:
    case CODE_GSS:
        s.kind = code == CODE_SSL ? PG_STARTUP_SSL : PG_STARTUP_GSS;
        SC_TRY(sc_reader_expect_end(&r));
        break;
    case CODE_CANCEL:
        s.kind = PG_STARTUP_CANCEL;
        SC_TRY(sc_reader_get_u32be(&r, &s.cancel_process));
        SC_TRY(sc_reader_get_u32be(&r, &s.cancel_key));
        SC_TRY(sc_reader_expect_end(&r));
        break;
    default:
        if (code >> 16 != VERSION_MAJOR)
            return SC_E_UNSUPPORTED;
        s.kind = PG_STARTUP_SESSION;
        s.minor = code & 0xffff;
        SC_TRY(startup_options(&r, &s));
    }
    *out = s;
    return SC_OK;
}

/* ---- from the client ---- */
sc_err pg_query_parse(struct sc_slice body, struct sc_slice *text_out)
{
    struct sc_reader r = sc_reader_of(body);
    struct sc_slice text;
    SC_TRY(get_cstr(&r, &text));
    SC_TRY(sc_reader_expect_end(&r));
    *text_out = text;
    return SC_OK;
}

sc_err pg_parse_parse(struct sc_slice body, struct pg_parse *out)
{
    struct sc_reader r = sc_reader_of(body);
    struct pg_parse p;
    SC_TRY(get_cstr(&r, &p.name));
    SC_TRY(get_cstr(&r, &p.text));
    SC_TRY(get_list(&r, 4, &p.type_oids));
    SC_TRY(sc_reader_expect_end(&r));
    *out = p;
    return SC_OK;
}

sc_err pg_bind_parse(struct sc_slice body, struct pg_bind *out)
{
    struct sc_reader r = sc_reader_of(body);
    struct pg_bind b;
    SC_TRY(get_cstr(&r, &b.portal));
    SC_TRY(get_cstr(&r, &b.statement));
    SC_TRY(get_formats(&r, &b.formats));
    SC_TRY(sc_reader_get_u16be(&r, &b.param_count));
    if (b.formats.size > 2 && b.formats.size / 2 != b.param_count)
        return SC_E_MALFORMED;
    const uint8_t *first = r.cur;
    for (unsigned i = 0; i < b.param_count; i++) {
        bool null;
        struct sc_slice value;
        SC_TRY(pg_param_next(&r, &null, &value));
    }
    b.params = (struct sc_slice){first, (size_t)(r.cur - first)};
    SC_TRY(get_formats(&r, &b.result_formats));
    SC_TRY(sc_reader_expect_end(&r));
    *out = b;
    return SC_OK;
}

sc_err pg_target_parse(struct sc_slice body, struct pg_target *out)
{
    struct sc_reader r = sc_reader_of(body);
    struct pg_target t;
    uint8_t kind;
    SC_TRY(sc_reader_get_u8(&r, &kind));
    if (kind != 'S' && kind != 'P')
        return SC_E_MALFORMED;
    t.portal = kind == 'P';
    SC_TRY(get_cstr(&r, &t.name));
    SC_TRY(sc_reader_expect_end(&r));
    *out = t;
    return SC_OK;
}

sc_err pg_execute_parse(struct sc_slice body, struct pg_execute *out)
{
    struct sc_reader r = sc_reader_of(body);
    struct pg_execute e;
    SC_TRY(get_cstr(&r, &e.portal));
    SC_TRY(sc_reader_get_u32be(&r, &e.row_count_max));
    SC_TRY(sc_reader_expect_end(&r));
    if (e.row_count_max > INT32_MAX)
        e.row_count_max = 0; /* negative: PostgreSQL takes it for "all" */
    *out = e;
    return SC_OK;
}

sc_err pg_sasl_first_parse(struct sc_slice body, struct pg_sasl_first *out)
{
    struct sc_reader r = sc_reader_of(body);
    struct pg_sasl_first s;
    bool none;
    SC_TRY(get_cstr(&r, &s.mechanism));
    SC_TRY(pg_param_next(&r, &none, &s.response));
    SC_TRY(sc_reader_expect_end(&r));
    *out = s;
    return SC_OK;
}

/* ---- to the client ---- */
size_t pg_begin(struct sc_buf *out, char type)
{
    sc_buf_put_u8(out, (uint8_t)type);
    const size_t at = out->size;
    sc_buf_put_u32be(out, 0);
    return at;
}

void pg_end(struct sc_buf *out, size_t at)
{
    if (sc_buf_status(out) == SC_OK)
        sc_store_u32be(out->ptr + at, (uint32_t)(out->size - at));
}

void pg_put_cstr(struct sc_buf *out, const char *s)
{
    sc_buf_put_bytes(out, sc_slice_of(s, strlen(s) + 1));
}

void pg_put_empty(struct sc_buf *out, char type)
{
    sc_buf_put_u8(out, (uint8_t)type);
    sc_buf_put_u32be(out, 4);
}

void pg_put_parameter(struct sc_buf *out, const char *name, const char *value)
{
    const size_t at = pg_begin(out, 'S');
    pg_put_cstr(out, name);
    pg_put_cstr(out, value);
    pg_end(out, at);
}

void pg_put_command(struct sc_buf *out, const char *tag)
{
    const size_t at = pg_begin(out, 'C');
    pg_put_cstr(out, tag);
    pg_end(out, at);
}

void pg_put_ready(struct sc_buf *out, char transaction)
{
    const size_t at = pg_begin(out, 'Z');
    sc_buf_put_u8(out, (uint8_t)transaction);
    pg_end(out, at);
}

static void put_field(struct sc_buf *out, char field, const char *value)
{
    if (value == NULL)
        return;
    sc_buf_put_u8(out, (uint8_t)field);
    pg_put_cstr(out, value);
}

void pg_put_notice(struct sc_buf *out, const struct pg_notice *n)
{
    const size_t at = pg_begin(out, strcmp(n->severity, "NOTICE") == 0 ? 'N' : 'E');
    put_field(out, 'S', n->severity);
    put_field(out, 'V', n->severity);
    put_field(out, 'C', n->sqlstate);
    put_field(out, 'M', n->message);
    put_field(out, 'D', n->detail);
    put_field(out, 'H', n->hint);
    put_field(out, 'W', n->where);
    if (n->position != 0) {
        char number[24];
        snprintf(number, sizeof number, "%zu", n->position);
        put_field(out, 'P', number);
    }
    sc_buf_put_u8(out, 0);
    pg_end(out, at);
}
