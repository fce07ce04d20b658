#include "cascadb/copy.h"

#include "cascadb/message.h"

static const uint8_t binary_head[19] = {'P',  'G',  'C',  'O',  'P', 'Y',
                                        '\n', 0xff, '\r', '\n', 0}; /* flags, extension: 0 */
#define BINARY_SIGNATURE_SIZE ((size_t)11)
#define BINARY_FLAG_OIDS      ((uint32_t)1 << 16)

/* ---- writing ---- */
static void put_text_escaped(struct sc_buf *out, uint8_t delimiter, struct sc_slice s)
{
    static const char plain[] = "\b\f\n\r\t\v\\";
    static const char letter[] = "bfnrtv\\";
    for (size_t i = 0; i < s.size; i++) {
        const uint8_t c = s.ptr[i];
        const char *special = c != 0 ? strchr(plain, c) : NULL;
        if (special != NULL || c == delimiter)
            sc_buf_put_u8(out, '\\');
        sc_buf_put_u8(out, special != NULL ? (uint8_t)letter[special - plain] : c);
    }
}

/* Quoted where it must be: also when it would be taken for NULL or for the end mark. */
static void put_csv(struct sc_buf *out, const struct pg_copy_statement *st, struct sc_slice s)
{
    bool quoted = sc_slice_eq(s, sc_slice_str(st->null_text)) || sc_slice_eq(s, sc_slice_str("\\."));
    for (size_t i = 0; i < s.size && !quoted; i++)
        quoted = s.ptr[i] == st->delimiter || s.ptr[i] == st->quote || s.ptr[i] == '\n' || s.ptr[i] == '\r';
    if (!quoted) {
        sc_buf_put_bytes(out, s);
        return;
    }
    sc_buf_put_u8(out, st->quote);
    for (size_t i = 0; i < s.size; i++) {
        if (s.ptr[i] == st->quote || s.ptr[i] == st->escape)
            sc_buf_put_u8(out, st->escape);
        sc_buf_put_u8(out, s.ptr[i]);
    }
    sc_buf_put_u8(out, st->quote);
}

static void put_chars(struct sc_buf *out, const struct pg_copy_statement *st, struct sc_slice s)
{
    if (st->format == PG_COPY_CSV)
        put_csv(out, st, s);
    else
        put_text_escaped(out, st->delimiter, s);
}

void pg_copy_put_head(struct sc_buf *out, const struct pg_copy_statement *st, const char *const *names, size_t count)
{
    if (st->format == PG_COPY_BINARY) {
        sc_buf_put_bytes(out, sc_slice_of(binary_head, sizeof binary_head));
        return;
    }
    for (size_t i = 0; st->header && i < count; i++) {
        put_chars(out, st, sc_slice_str(names[i]));
        sc_buf_put_u8(out, i + 1 < count ? st->delimiter : '\n');
    }
}

void pg_copy_put_tail(struct sc_buf *out, const struct pg_copy_statement *st)
{
    if (st->format == PG_COPY_BINARY)
        sc_buf_put_u16be(out, UINT16_MAX);
}

sc_err pg_copy_put_field(struct sc_buf *out, const struct pg_copy_statement *st, size_t i, size_t count, uint32_t oid,
                         const struct sc_sql_value *v, struct sc_buf *scratch, struct sc_sql_error *e)
{
    if (st->format == PG_COPY_BINARY) {
        if (i == 0)
            sc_buf_put_u16be(out, (uint16_t)count);
        return pg_value_put(out, oid, true, v, e);
    }
    if (v->type == SC_SQL_NULL) {
        sc_buf_put_str(out, st->null_text);
    } else {
        sc_buf_reset(scratch);
        pg_value_put_text(scratch, oid, v);
        if (sc_buf_status(scratch) != SC_OK)
            return pg_fail(e, SC_E_NOMEM, "53200", "out of memory");
        put_chars(out, st, sc_buf_slice(scratch));
    }
    sc_buf_put_u8(out, i + 1 < count ? st->delimiter : '\n');
    return SC_OK;
}

/* ---- reading ---- */
void pg_copy_reader_init(struct pg_copy_reader *r, const struct pg_copy_statement *st)
{
    *r = (struct pg_copy_reader){.statement = st, .line_next = 1};
    sc_buf_init(&r->in, 2 * PG_COPY_ROW_SIZE_MAX);
}

void pg_copy_reader_deinit(struct pg_copy_reader *r)
{
    sc_buf_deinit(&r->in);
    free(r->fields);
    r->fields = NULL;
}

sc_err pg_copy_reader_feed(struct pg_copy_reader *r, struct sc_slice bytes, struct sc_sql_error *e)
{
    if (r->at != 0) {
        memmove(r->in.ptr, r->in.ptr + r->at, r->in.size - r->at);
        r->in.size -= r->at;
        r->at = 0;
    }
    if (r->in.size > PG_COPY_ROW_SIZE_MAX)
        return pg_fail(e, SC_E_LIMIT, "54000", "a row is longer than %zu bytes", PG_COPY_ROW_SIZE_MAX);
    sc_buf_put_bytes(&r->in, bytes);
    return sc_buf_status(&r->in) == SC_OK ? SC_OK : pg_fail(e, SC_E_NOMEM, "53200", "out of memory");
}

static sc_err field_add(struct pg_copy_reader *r, struct sc_slice bytes, bool null, struct sc_sql_error *e)
{
    if (r->field_count == r->field_capacity) {
        const size_t capacity = r->field_capacity != 0 ? r->field_capacity * 2 : 64;
        struct pg_copy_field *p = r->field_count < UINT16_MAX ? realloc(r->fields, capacity * sizeof *p) : NULL;
        if (p == NULL)
            return pg_fail(e, SC_E_LIMIT, "54000", "too many columns in a row");
        r->fields = p;
        r->field_capacity = capacity;
    }
    r->fields[r->field_count++] = (struct pg_copy_field){bytes, null};
    return SC_OK;
}

/* Continues the search for the line end that ends the row; true: `scanned` is its offset from `at`. */
static bool row_end_find(struct pg_copy_reader *r)
{
    const struct pg_copy_statement *st = r->statement;
    const bool csv = st->format == PG_COPY_CSV;
    const size_t size = r->in.size - r->at;
    const uint8_t *p = size != 0 ? r->in.ptr + r->at : NULL;
    for (; r->scanned < size; r->scanned++) {
        const uint8_t c = p[r->scanned];
        if (c == '\n')
            r->line_next++;
        if (r->escaped)
            r->escaped = false;
        else if (c == '\n' && !r->in_quotes)
            return true;
        else if (!csv)
            r->escaped = c == '\\';
        else if (r->in_quotes && c == st->escape && st->escape != st->quote)
            r->escaped = true;
        else if (c == st->quote)
            r->in_quotes = !r->in_quotes; /* a doubled quote closes and opens again */
    }
    return false;
}

static uint8_t unescape_digits(const uint8_t **p, const uint8_t *end, unsigned base, int digits_max)
{
    unsigned v = 0;
    for (int n = 0; n < digits_max && *p < end; n++, (*p)++) {
        const uint8_t c = **p;
        const uint8_t lower = c | 0x20;
        unsigned digit = base;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            digit = (unsigned)(lower - 'a') + 10;
        if (digit >= base)
            break;
        v = v * base + digit;
    }
    return (uint8_t)v;
}

/* One escape sequence; *p is behind the backslash and not at the end. */
static uint8_t unescape(const uint8_t **p, const uint8_t *end)
{
    static const char letter[] = "bfnrtv";
    static const char plain[] = "\b\f\n\r\t\v";
    const uint8_t c = **p;
    if (c >= '0' && c <= '7')
        return unescape_digits(p, end, 8, 3);
    (*p)++;
    if (c == 'x' && *p < end) {
        const uint8_t *start = *p;
        const uint8_t v = unescape_digits(p, end, 16, 2);
        return *p != start ? v : c;
    }
    const char *known = c != 0 ? strchr(letter, c) : NULL;
    return known != NULL ? (uint8_t)plain[known - letter] : c;
}

/* Fields are unescaped in place: what is unescaped is never longer. */
static sc_err split_text(struct pg_copy_reader *r, uint8_t *row, size_t size, struct sc_sql_error *e)
{
    const struct sc_slice null_text = sc_slice_str(r->statement->null_text);
    const uint8_t delimiter = r->statement->delimiter;
    const uint8_t *p = row;
    const uint8_t *const end = row + size;
    for (;;) {
        const uint8_t *raw = p;
        const uint8_t *raw_end = p;
        while (raw_end < end && *raw_end != delimiter)
            raw_end += *raw_end == '\\' && end - raw_end > 1 ? 2 : 1;
        const bool null = sc_slice_eq(sc_slice_of(raw, (size_t)(raw_end - raw)), null_text);
        uint8_t *to = row + (raw - row);
        uint8_t *const start = to;
        while (p < raw_end) {
            if (*p == '\\' && raw_end - p > 1) {
                p++;
                *to++ = unescape(&p, raw_end);
            } else {
                *to++ = *p++;
            }
        }
        SC_TRY(field_add(r, null ? SC_SLICE_EMPTY : sc_slice_of(start, (size_t)(to - start)), null, e));
        if (raw_end == end)
            return SC_OK;
        p = raw_end + 1;
    }
}

static sc_err split_csv(struct pg_copy_reader *r, uint8_t *row, size_t size, struct sc_sql_error *e)
{
    const struct pg_copy_statement *st = r->statement;
    const uint8_t *p = row;
    const uint8_t *const end = row + size;
    for (;;) {
        uint8_t *to = row + (p - row);
        uint8_t *const start = to;
        bool quotes = false;
        bool any_quote = false;
        for (; p < end && (quotes || *p != st->delimiter); p++) {
            if (quotes && *p == st->escape && end - p > 1 && (p[1] == st->quote || p[1] == st->escape)) {
                *to++ = *++p;
            } else if (*p == st->quote) {
                quotes = !quotes;
                any_quote = true;
            } else {
                *to++ = *p;
            }
        }
        if (quotes)
            return pg_fail(e, SC_E_MALFORMED, "22P04", "unterminated CSV quoted field");
        const struct sc_slice value = sc_slice_of(start, (size_t)(to - start));
        const bool null = !any_quote && sc_slice_eq(value, sc_slice_str(st->null_text));
        SC_TRY(field_add(r, null ? SC_SLICE_EMPTY : value, null, e));
        if (p == end)
            return SC_OK;
        p++;
    }
}

static sc_err next_line(struct pg_copy_reader *r, bool final, struct sc_sql_error *e)
{
    for (;;) {
        const uint64_t line = r->scanned == 0 ? r->line_next : r->line;
        r->line = line; /* rows that span lines are named by their first */
        const bool found = row_end_find(r);
        if (!found && (!final || r->scanned == 0))
            return SC_E_AGAIN;
        uint8_t *row = r->in.ptr + r->at;
        size_t size = r->scanned;
        r->at += size + (found ? 1 : 0);
        r->scanned = 0;
        r->escaped = false;
        if (r->in_quotes)
            return pg_fail(e, SC_E_MALFORMED, "22P04", "unterminated CSV quoted field");
        if (size != 0 && row[size - 1] == '\r')
            size--;
        if (size == 2 && memcmp(row, "\\.", 2) == 0) {
            r->ended = true;
            return SC_E_AGAIN;
        }
        const bool head = !r->begun && r->statement->header;
        r->begun = true;
        if (head)
            continue;
        r->field_count = 0;
        return r->statement->format == PG_COPY_CSV ? split_csv(r, row, size, e) : split_text(r, row, size, e);
    }
}

/* A binary file is a head, rows and an end mark; SC_E_AGAIN: what is there is its beginning. */
static sc_err binary_head_read(struct sc_reader *in, struct sc_sql_error *e)
{
    struct sc_slice s;
    uint32_t flags;
    uint32_t extension;
    const size_t n = sc_reader_left(in) < BINARY_SIGNATURE_SIZE ? sc_reader_left(in) : BINARY_SIGNATURE_SIZE;
    if (memcmp(in->cur, binary_head, n) != 0)
        return pg_fail(e, SC_E_MALFORMED, "22P04", "COPY file signature not recognized");
    if (sc_reader_get_bytes(in, BINARY_SIGNATURE_SIZE, &s) != SC_OK || sc_reader_get_u32be(in, &flags) != SC_OK ||
        sc_reader_get_u32be(in, &extension) != SC_OK)
        return SC_E_AGAIN;
    if ((flags & 0xffff0000u) != 0)
        return pg_fail(e, SC_E_MALFORMED, "22P04",
                       (flags & BINARY_FLAG_OIDS) != 0 ? "COPY file with OIDs is not supported"
                                                       : "unrecognized flags in COPY file header");
    if (extension > PG_COPY_ROW_SIZE_MAX)
        return pg_fail(e, SC_E_MALFORMED, "22P04", "invalid COPY file header");
    return sc_reader_get_bytes(in, extension, &s) == SC_OK ? SC_OK : SC_E_AGAIN;
}

static sc_err binary_row_read(struct pg_copy_reader *r, struct sc_reader *in, struct sc_sql_error *e)
{
    uint16_t count;
    if (sc_reader_get_u16be(in, &count) != SC_OK)
        return SC_E_AGAIN;
    if (count == UINT16_MAX) {
        r->ended = true;
        return SC_OK;
    }
    if (count > INT16_MAX)
        return pg_fail(e, SC_E_MALFORMED, "22P04", "invalid field count in COPY data");
    r->field_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct sc_reader size_at = *in;
        uint32_t size;
        bool null;
        struct sc_slice bytes;
        if (sc_reader_get_u32be(&size_at, &size) != SC_OK)
            return SC_E_AGAIN;
        if (size != UINT32_MAX && size > PG_COPY_ROW_SIZE_MAX)
            return pg_fail(e, SC_E_MALFORMED, "22P04", "invalid field size in COPY data");
        if (pg_param_next(in, &null, &bytes) != SC_OK)
            return SC_E_AGAIN;
        SC_TRY(field_add(r, bytes, null, e));
    }
    return SC_OK;
}

static sc_err next_binary(struct pg_copy_reader *r, bool final, struct sc_sql_error *e)
{
    if (r->in.size == r->at)
        return final ? pg_fail(e, SC_E_MALFORMED, "22P04", "unexpected end of COPY data") : SC_E_AGAIN;
    struct sc_reader in = sc_reader_of(sc_slice_of(r->in.ptr + r->at, r->in.size - r->at));
    sc_err err = r->begun ? SC_OK : binary_head_read(&in, e);
    if (err == SC_OK) {
        r->begun = true;
        r->at = (size_t)(in.cur - r->in.ptr);
        err = binary_row_read(r, &in, e);
    }
    if (err == SC_E_AGAIN && final)
        return pg_fail(e, SC_E_MALFORMED, "22P04", "unexpected end of COPY data");
    if (err != SC_OK)
        return err;
    r->at = (size_t)(in.cur - r->in.ptr);
    r->line = r->line_next++;
    if (!r->ended)
        return SC_OK;
    return r->at == r->in.size ? SC_E_AGAIN
                               : pg_fail(e, SC_E_MALFORMED, "22P04", "received copy data after EOF marker");
}

sc_err pg_copy_reader_next(struct pg_copy_reader *r, bool final, struct sc_sql_error *e)
{
    const bool binary = r->statement->format == PG_COPY_BINARY;
    if (r->ended) {
        if (binary && r->at != r->in.size)
            return pg_fail(e, SC_E_MALFORMED, "22P04", "received copy data after EOF marker");
        r->at = r->in.size; /* text after the end mark is ignored, as PostgreSQL does */
        return SC_E_AGAIN;
    }
    return binary ? next_binary(r, final, e) : next_line(r, final, e);
}
