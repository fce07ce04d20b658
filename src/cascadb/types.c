#include "cascadb/types.h"

#include "cascadb/real_text.h"

#include <stdio.h>
#include <strings.h>

#define NUMBER_TEXT_SIZE_MAX 400

sc_err pg_fail(struct sc_sql_error *e, sc_err code, const char *sqlstate, const char *fmt, ...)
{
    snprintf(e->sqlstate, sizeof e->sqlstate, "%s", sqlstate);
    e->position = 0;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
    return code;
}

/* ---- types ---- */
uint32_t pg_oid_of_declared(const char *type)
{
    if (type == NULL || type[0] == '\0')
        return PG_OID_NONE;
    if (strncasecmp(type, "bool", 4) == 0)
        return PG_OID_BOOL;
    if (strcasecmp(type, "bytea") == 0)
        return PG_OID_BYTEA;
    switch (sql_affinity_of(type)) {
    case SQL_AFFINITY_INTEGER:
        return PG_OID_INT8;
    case SQL_AFFINITY_REAL:
        return PG_OID_FLOAT8;
    case SQL_AFFINITY_BLOB:
        return PG_OID_BYTEA;
    case SQL_AFFINITY_NUMERIC: /* also DATE and the like, which SQLite keeps as the text they are */
        return strcasestr(type, "num") != NULL || strcasestr(type, "dec") != NULL ? PG_OID_NUMERIC : PG_OID_TEXT;
    case SQL_AFFINITY_TEXT:
        break;
    }
    return PG_OID_TEXT;
}

uint32_t pg_oid_of_value(const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_INTEGER:
        return PG_OID_INT8;
    case SC_SQL_REAL:
        return PG_OID_FLOAT8;
    case SC_SQL_TEXT:
        return PG_OID_TEXT;
    case SC_SQL_BLOB:
        return PG_OID_BYTEA;
    case SC_SQL_NULL:
        break;
    }
    return PG_OID_NONE;
}

int16_t pg_oid_size(uint32_t oid)
{
    switch (oid) {
    case PG_OID_BOOL:
        return 1;
    case PG_OID_INT2:
        return 2;
    case PG_OID_INT4:
    case PG_OID_FLOAT4:
        return 4;
    case PG_OID_INT8:
    case PG_OID_FLOAT8:
        return 8;
    default:
        return -1;
    }
}

/* ---- text ---- */
bool pg_utf8_valid(struct sc_slice s)
{
    for (size_t i = 0; i < s.size;) {
        const uint8_t c = s.ptr[i];
        if (c != 0 && c < 0x80) {
            i++;
            continue;
        }
        const size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (c < 0xc2 || c > 0xf4 || s.size - i < n)
            return false;
        for (size_t k = 1; k < n; k++)
            if ((s.ptr[i + k] & 0xc0) != 0x80)
                return false;
        const uint8_t d = s.ptr[i + 1];
        if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
            return false; /* overlong, surrogate, beyond U+10FFFF */
        i += n;
    }
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct sc_slice trim(struct sc_slice s)
{
    while (s.size != 0 && is_blank(s.ptr[0]))
        s = (struct sc_slice){s.ptr + 1, s.size - 1};
    while (s.size != 0 && is_blank(s.ptr[s.size - 1]))
        s.size--;
    return s;
}

/* A few bytes of untrusted text for a message. */
#define QUOTE_ARGS(s) (int)((s).size < 60 ? (s).size : 60), (const char *)(s).ptr

static sc_err fail_syntax(struct sc_sql_error *e, const char *type, struct sc_slice s)
{
    if (!pg_utf8_valid((struct sc_slice){s.ptr, s.size < 60 ? s.size : 60}))
        s.size = 0; /* what we answer must be UTF-8, and a cut may fall into a character */
    return pg_fail(e, SC_E_MALFORMED, "22P02", "invalid input syntax for type %s: \"%.*s\"", type, QUOTE_ARGS(s));
}

static sc_err parse_text(struct sc_slice s, struct sc_sql_value *out, struct sc_sql_error *e)
{
    if (!pg_utf8_valid(s))
        return pg_fail(e, SC_E_MALFORMED, "22021", "invalid byte sequence for encoding \"UTF8\"");
    *out = sc_sql_text(s);
    return SC_OK;
}

static sc_err parse_int(struct sc_slice wire, int64_t min, int64_t max, const char *type, struct sc_sql_value *out,
                        struct sc_sql_error *e)
{
    struct sc_slice s = trim(wire);
    const bool negative = s.size != 0 && s.ptr[0] == '-';
    size_t i = s.size != 0 && (s.ptr[0] == '-' || s.ptr[0] == '+') ? 1 : 0;
    int64_t v = 0;
    if (i == s.size)
        return fail_syntax(e, type, wire);
    for (; i < s.size; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return fail_syntax(e, type, wire);
        const int64_t digit = s.ptr[i] - '0';
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, negative ? -digit : digit, &v))
            return pg_fail(e, SC_E_LIMIT, "22003", "value \"%.*s\" is out of range for type %s", QUOTE_ARGS(s), type);
    }
    if (v < min || v > max)
        return pg_fail(e, SC_E_LIMIT, "22003", "value \"%.*s\" is out of range for type %s", QUOTE_ARGS(s), type);
    *out = sc_sql_integer(v);
    return SC_OK;
}

static sc_err parse_float(struct sc_slice wire, struct sc_sql_value *out, struct sc_sql_error *e)
{
    char copy[NUMBER_TEXT_SIZE_MAX];
    const struct sc_slice s = trim(wire);
    if (s.size == 0 || s.size >= sizeof copy || memchr(s.ptr, 'x', s.size) != NULL ||
        memchr(s.ptr, 'X', s.size) != NULL ||
        memchr(s.ptr, '(', s.size) != NULL) /* hexadecimal and "nan(...)" are C's, not SQL's */
        return fail_syntax(e, "double precision", wire);
    memcpy(copy, s.ptr, s.size);
    copy[s.size] = '\0';
    char *end = NULL;
    const double v = strtod(copy, &end);
    if (end != copy + s.size)
        return fail_syntax(e, "double precision", wire);
    *out = sc_sql_real(v);
    return SC_OK;
}

static sc_err parse_bool(struct sc_slice wire, struct sc_sql_value *out, struct sc_sql_error *e)
{
    static const char *const words[] = {"f", "false", "n", "no", "off", "0", "t", "true", "y", "yes", "on", "1"};
    const struct sc_slice s = trim(wire);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) == s.size && strncasecmp(words[i], (const char *)s.ptr, s.size) == 0) {
            *out = sc_sql_integer(i >= 6);
            return SC_OK;
        }
    }
    return fail_syntax(e, "boolean", wire);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool octal(const uint8_t *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* "\x0aff", or PostgreSQL's older escape form: \\ for a backslash, \ooo for a byte. */
static sc_err parse_bytea(struct sc_slice s, struct sc_buf *scratch, struct sc_sql_value *out, struct sc_sql_error *e)
{
    sc_buf_reset(scratch);
    if (s.size >= 2 && s.ptr[0] == '\\' && s.ptr[1] == 'x') {
        if (s.size % 2 != 0)
            return fail_syntax(e, "bytea", s);
        uint8_t *to = sc_buf_extend(scratch, s.size / 2 - 1);
        for (size_t i = 2; to != NULL && i < s.size; i += 2) {
            const int hi = hex_digit(s.ptr[i]);
            const int lo = hex_digit(s.ptr[i + 1]);
            if (hi < 0 || lo < 0)
                return fail_syntax(e, "bytea", s);
            *to++ = (uint8_t)(hi << 4 | lo);
        }
    } else {
        uint8_t *to = sc_buf_extend(scratch, s.size);
        const uint8_t *start = to;
        for (size_t i = 0; to != NULL && i < s.size; i++) {
            if (s.ptr[i] != '\\') {
                *to++ = s.ptr[i];
            } else if (s.size - i > 1 && s.ptr[i + 1] == '\\') {
                *to++ = s.ptr[++i];
            } else if (s.size - i > 3 && octal(s.ptr + i + 1)) {
                *to++ = (uint8_t)((s.ptr[i + 1] - '0') << 6 | (s.ptr[i + 2] - '0') << 3 | (s.ptr[i + 3] - '0'));
                i += 3;
            } else {
                return fail_syntax(e, "bytea", s);
            }
        }
        if (to != NULL)
            scratch->size = (size_t)(to - start);
    }
    if (sc_buf_status(scratch) != SC_OK)
        return pg_fail(e, SC_E_NOMEM, "53200", "out of memory");
    *out = sc_sql_blob(sc_buf_slice(scratch));
    return SC_OK;
}

static sc_err value_of_text(uint32_t oid, struct sc_slice wire, struct sc_buf *scratch, struct sc_sql_value *out,
                            struct sc_sql_error *e)
{
    switch (oid) {
    case PG_OID_BOOL:
        return parse_bool(wire, out, e);
    case PG_OID_INT2:
        return parse_int(wire, INT16_MIN, INT16_MAX, "smallint", out, e);
    case PG_OID_INT4:
        return parse_int(wire, INT32_MIN, INT32_MAX, "integer", out, e);
    case PG_OID_INT8:
        return parse_int(wire, INT64_MIN, INT64_MAX, "bigint", out, e);
    case PG_OID_FLOAT4:
    case PG_OID_FLOAT8:
        return parse_float(wire, out, e);
    case PG_OID_NUMERIC:
        return sql_number_of_text(wire, out) ? SC_OK : fail_syntax(e, "numeric", wire);
    case PG_OID_BYTEA:
        return parse_bytea(wire, scratch, out, e);
    default:
        return parse_text(wire, out, e);
    }
}

static sc_err value_of_binary(uint32_t oid, struct sc_slice wire, struct sc_sql_value *out, struct sc_sql_error *e)
{
    const int16_t size = pg_oid_size(oid);
    if (size >= 0 && wire.size != (size_t)size)
        return pg_fail(e, SC_E_MALFORMED, "22P03", "incorrect binary data format: %zu bytes for type %u", wire.size,
                       oid);
    switch (oid) {
    case PG_OID_BOOL:
        *out = sc_sql_integer(wire.ptr[0] != 0);
        return SC_OK;
    case PG_OID_INT2:
        *out = sc_sql_integer((int16_t)sc_load_u16be(wire.ptr));
        return SC_OK;
    case PG_OID_INT4:
        *out = sc_sql_integer((int32_t)sc_load_u32be(wire.ptr));
        return SC_OK;
    case PG_OID_INT8:
        *out = sc_sql_integer((int64_t)sc_load_u64be(wire.ptr));
        return SC_OK;
    case PG_OID_FLOAT4: {
        const uint32_t word = sc_load_u32be(wire.ptr);
        float v;
        memcpy(&v, &word, sizeof v);
        *out = sc_sql_real((double)v);
        return SC_OK;
    }
    case PG_OID_FLOAT8: {
        const uint64_t word = sc_load_u64be(wire.ptr);
        double v;
        memcpy(&v, &word, sizeof v);
        *out = sc_sql_real(v);
        return SC_OK;
    }
    case PG_OID_BYTEA:
        *out = sc_sql_blob(wire);
        return SC_OK;
    case PG_OID_NONE:
    case PG_OID_TEXT:
    case PG_OID_UNKNOWN:
    case PG_OID_VARCHAR:
    case PG_OID_BPCHAR:
    case PG_OID_JSON:
        return parse_text(wire, out, e);
    default:
        return pg_fail(e, SC_E_UNSUPPORTED, "0A000", "no binary format for type %u: send it as text", oid);
    }
}

sc_err pg_value_parse(uint32_t oid, bool binary, struct sc_slice wire, struct sc_buf *scratch, struct sc_sql_value *out,
                      struct sc_sql_error *e)
{
    return binary ? value_of_binary(oid, wire, out, e) : value_of_text(oid, wire, scratch, out, e);
}

/* ---- writing ---- */
static size_t u64_text(uint64_t v, char *end) /* writes before end */
{
    size_t n = 0;
    do {
        end[-1 - (ptrdiff_t)n++] = (char)('0' + v % 10);
    } while ((v /= 10) != 0);
    return n;
}

static void put_int_text(struct sc_buf *out, int64_t v)
{
    char text[24];
    char *end = text + sizeof text;
    size_t n = u64_text(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, end);
    if (v < 0)
        end[-1 - (ptrdiff_t)n++] = '-';
    sc_buf_put_bytes(out, sc_slice_of(end - n, n));
}

static void put_real_text(struct sc_buf *out, double v)
{
    char text[SQL_NUMBER_TEXT_SIZE];
    sc_buf_put_bytes(out, sc_slice_of(text, pg_real_text(v, text)));
}

static void put_bytea_text(struct sc_buf *out, struct sc_slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    sc_buf_put_str(out, "\\x");
    uint8_t *to = sc_buf_extend(out, 2 * bytes.size);
    for (size_t i = 0; to != NULL && i < bytes.size; i++) {
        *to++ = (uint8_t)digits[bytes.ptr[i] >> 4];
        *to++ = (uint8_t)digits[bytes.ptr[i] & 15];
    }
}

void pg_value_put_text(struct sc_buf *out, uint32_t oid, const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_INTEGER:
        if (oid == PG_OID_BOOL && (v->integer == 0 || v->integer == 1))
            sc_buf_put_u8(out, v->integer != 0 ? 't' : 'f');
        else
            put_int_text(out, v->integer);
        break;
    case SC_SQL_REAL:
        put_real_text(out, v->real);
        break;
    case SC_SQL_TEXT:
        if (oid == PG_OID_BYTEA)
            put_bytea_text(out, v->bytes);
        else
            sc_buf_put_bytes(out, v->bytes);
        break;
    case SC_SQL_BLOB:
        put_bytea_text(out, v->bytes);
        break;
    case SC_SQL_NULL:
        break;
    }
}

static sc_err fail_binary(struct sc_sql_error *e, uint32_t oid)
{
    return pg_fail(e, SC_E_MALFORMED, "22P03", "a value in this column does not fit type %u: ask for text format", oid);
}

/* v as a number, as SQLite would take it. */
static bool number_of(const struct sc_sql_value *v, struct sc_sql_value *out)
{
    *out = *v;
    if (v->type == SC_SQL_TEXT)
        return sql_number_of_text(v->bytes, out);
    return v->type == SC_SQL_INTEGER || v->type == SC_SQL_REAL;
}

static sc_err put_binary_int(struct sc_buf *out, uint32_t oid, int16_t size, const struct sc_sql_value *v,
                             struct sc_sql_error *e)
{
    struct sc_sql_value n;
    if (!number_of(v, &n))
        return fail_binary(e, oid);
    if (n.type == SC_SQL_REAL) {
        if (!(n.real >= -0x1p63 && n.real < 0x1p63) || (double)(int64_t)n.real != n.real)
            return fail_binary(e, oid);
        n = sc_sql_integer((int64_t)n.real);
    }
    const int64_t max = size == 1 ? 1 : size == 8 ? INT64_MAX : (INT64_C(1) << (8 * size - 1)) - 1;
    const int64_t min = size == 1 ? 0 : -max - 1;
    if (n.integer < min || n.integer > max)
        return fail_binary(e, oid);
    sc_buf_put_u32be(out, (uint32_t)size);
    const uint64_t word = (uint64_t)n.integer;
    switch (size) {
    case 1:
        sc_buf_put_u8(out, (uint8_t)word);
        break;
    case 2:
        sc_buf_put_u16be(out, (uint16_t)word);
        break;
    case 4:
        sc_buf_put_u32be(out, (uint32_t)word);
        break;
    default:
        sc_buf_put_u64be(out, word);
    }
    return SC_OK;
}

static sc_err put_binary_float(struct sc_buf *out, uint32_t oid, const struct sc_sql_value *v, struct sc_sql_error *e)
{
    struct sc_sql_value n;
    if (!number_of(v, &n))
        return fail_binary(e, oid);
    const double d = n.type == SC_SQL_REAL ? n.real : (double)n.integer;
    if (oid == PG_OID_FLOAT8) {
        sc_buf_put_u32be(out, 8);
        sc_buf_put_f64be(out, d);
    } else {
        sc_buf_put_u32be(out, 4);
        sc_buf_put_f32be(out, (float)d);
    }
    return SC_OK;
}

/* A length, to be known only after what follows is written. */
static void put_text_counted(struct sc_buf *out, uint32_t oid, const struct sc_sql_value *v)
{
    const size_t at = out->size;
    sc_buf_put_u32be(out, 0);
    pg_value_put_text(out, oid, v);
    if (sc_buf_status(out) == SC_OK)
        sc_store_u32be(out->ptr + at, (uint32_t)(out->size - at - 4));
}

sc_err pg_value_put(struct sc_buf *out, uint32_t oid, bool binary, const struct sc_sql_value *v, struct sc_sql_error *e)
{
    if (v->type == SC_SQL_NULL) {
        sc_buf_put_u32be(out, UINT32_MAX);
        return SC_OK;
    }
    if (!binary) {
        put_text_counted(out, oid, v);
        return SC_OK;
    }
    switch (oid) {
    case PG_OID_BOOL:
    case PG_OID_INT2:
    case PG_OID_INT4:
    case PG_OID_INT8:
        return put_binary_int(out, oid, pg_oid_size(oid), v, e);
    case PG_OID_FLOAT4:
    case PG_OID_FLOAT8:
        return put_binary_float(out, oid, v, e);
    case PG_OID_NUMERIC:
        return pg_fail(e, SC_E_UNSUPPORTED, "0A000", "no binary format for type numeric: ask for text format");
    case PG_OID_BYTEA:
        if (v->type == SC_SQL_BLOB || v->type == SC_SQL_TEXT) {
            sc_buf_put_lv32(out, v->bytes);
            return SC_OK;
        }
        break;
    default:
        break;
    }
    put_text_counted(out, PG_OID_TEXT, v);
    return SC_OK;
}
