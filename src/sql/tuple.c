/* Encoding, after the tag byte:
 *   number, |x| < 2^64: tag says sign and size n of the whole part; n bytes whole part (no leading zero), then 00, or
 *           01 and the 8 bytes of the fraction as a double (positive doubles sort as their bits).  Negative numbers:
 *           all bytes behind the tag complemented.
 *   number, |x| >= 2^64 (infinite too): 8 bytes of the double |x|, complemented when negative.
 *   text, blob: bytes with 00 written as 00 ff, then 00.  What follows a value is a tag, never ff, so 00 is the end
 *           (the FoundationDB tuple layer's way).
 * -0.0 is 0, and 1.0 is 1: equal numbers are one key. */
#include "sql/tuple.h"

#include <math.h>

enum {
    TAG_NULL = 0x05,
    TAG_NEGATIVE_HUGE = 0x16,
    TAG_NEGATIVE = 0x1f, /* minus n */
    TAG_POSITIVE = 0x21, /* plus n */
    TAG_POSITIVE_HUGE = 0x2a,
    TAG_TEXT = 0x40,
    TAG_BLOB = 0x50,
};

static uint64_t bits_of(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static double double_of(uint64_t u)
{
    double v;
    memcpy(&v, &u, sizeof v);
    return v;
}

static void put_number(struct sc_buf *key, bool negative, uint64_t whole, double fraction)
{
    uint8_t b[18];
    const unsigned n = whole == 0 ? 0 : (71 - (unsigned)__builtin_clzll(whole)) / 8;
    size_t size = 0;
    b[size++] = (uint8_t)(negative ? TAG_NEGATIVE - n : TAG_POSITIVE + n);
    for (unsigned i = n; i-- > 0;)
        b[size++] = (uint8_t)(whole >> (8 * i));
    b[size++] = fraction != 0;
    if (fraction != 0) {
        sc_store_u64be(b + size, bits_of(fraction));
        size += 8;
    }
    for (size_t i = 1; negative && i < size; i++)
        b[i] = (uint8_t)~b[i];
    sc_buf_put_bytes(key, sc_slice_of(b, size));
}

static void put_real(struct sc_buf *key, double v)
{
    const bool negative = v < 0;
    const double m = fabs(v);
    if (m < 0x1p64) {
        const uint64_t whole = (uint64_t)m;
        put_number(key, negative, whole, m - (double)whole); /* exact: a double with a fraction is below 2^53 */
        return;
    }
    sc_buf_put_u8(key, negative ? TAG_NEGATIVE_HUGE : TAG_POSITIVE_HUGE);
    sc_buf_put_u64be(key, negative ? ~bits_of(m) : bits_of(m));
}

static void put_escaped(struct sc_buf *key, uint8_t tag, struct sc_slice s)
{
    sc_buf_put_u8(key, tag);
    while (s.size != 0) {
        const uint8_t *nul = memchr(s.ptr, 0, s.size);
        const size_t n = nul != NULL ? (size_t)(nul - s.ptr) + 1 : s.size;
        sc_buf_put_bytes(key, sc_slice_of(s.ptr, n));
        if (nul != NULL)
            sc_buf_put_u8(key, 0xff);
        s = (struct sc_slice){s.ptr + n, s.size - n};
    }
    sc_buf_put_u8(key, 0);
}

void sql_tuple_put(struct sc_buf *key, const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_NULL:
        sc_buf_put_u8(key, TAG_NULL);
        break;
    case SC_SQL_INTEGER:
        put_number(key, v->integer < 0, v->integer < 0 ? -(uint64_t)v->integer : (uint64_t)v->integer, 0);
        break;
    case SC_SQL_REAL:
        put_real(key, v->real);
        break;
    case SC_SQL_TEXT:
        put_escaped(key, TAG_TEXT, v->bytes);
        break;
    case SC_SQL_BLOB:
        put_escaped(key, TAG_BLOB, v->bytes);
        break;
    }
}

void sql_tuple_put_ordered(struct sc_buf *key, const struct sc_sql_value *v, enum sql_collation collation,
                           bool descending)
{
    const size_t from = key->size;
    struct sc_sql_value trimmed = *v;
    if (v->type == SC_SQL_TEXT && collation == SQL_COLLATION_RTRIM)
        while (trimmed.bytes.size != 0 && trimmed.bytes.ptr[trimmed.bytes.size - 1] == ' ')
            trimmed.bytes.size--;
    sql_tuple_put(key, &trimmed);
    if (v->type == SC_SQL_TEXT && collation == SQL_COLLATION_NOCASE)
        for (size_t i = from + 1; i < key->size; i++) /* behind the tag; the escapes have no letters */
            if (key->ptr[i] >= 'A' && key->ptr[i] <= 'Z')
                key->ptr[i] |= 0x20;
    for (size_t i = from; descending && i < key->size; i++)
        key->ptr[i] = (uint8_t)~key->ptr[i];
}

/* One byte of a number's body, complemented back. */
static sc_err get_flipped(struct sc_reader *r, uint8_t flip, uint8_t *out)
{
    SC_TRY(sc_reader_get_u8(r, out));
    *out ^= flip;
    return SC_OK;
}

static sc_err get_number(struct sc_reader *r, uint8_t tag, struct sc_sql_value *out)
{
    const bool negative = tag <= TAG_NEGATIVE;
    const uint8_t flip = negative ? 0xff : 0;
    const unsigned n = negative ? (unsigned)(TAG_NEGATIVE - tag) : (unsigned)(tag - TAG_POSITIVE);
    uint64_t whole = 0;
    for (unsigned i = 0; i < n; i++) {
        uint8_t b;
        SC_TRY(get_flipped(r, flip, &b));
        if (i == 0 && b == 0)
            return SC_E_MALFORMED;
        whole = whole << 8 | b;
    }
    uint8_t marker;
    SC_TRY(get_flipped(r, flip, &marker));
    if (marker > 1 || (negative && marker == 0 && whole == 0))
        return SC_E_MALFORMED;
    if (marker == 1) {
        uint64_t u;
        SC_TRY(sc_reader_get_u64be(r, &u));
        const double f = double_of(negative ? ~u : u);
        const double m = (double)whole + f;
        if (!(f > 0 && f < 1) || m - (double)whole != f || m >= 0x1p53)
            return SC_E_MALFORMED;
        *out = sc_sql_real(negative ? -m : m);
    } else if (whole <= INT64_MAX || (negative && whole == (uint64_t)1 << 63)) {
        *out = sc_sql_integer(negative ? (int64_t)-whole : (int64_t)whole);
    } else if ((whole & 0x7ff) != 0) { /* not a double's whole part, and no int64 either */
        return SC_E_MALFORMED;
    } else {
        *out = sc_sql_real(negative ? -(double)whole : (double)whole);
    }
    return SC_OK;
}

static sc_err get_huge(struct sc_reader *r, bool negative, struct sc_sql_value *out)
{
    uint64_t u;
    SC_TRY(sc_reader_get_u64be(r, &u));
    const double m = double_of(negative ? ~u : u);
    if (!(m >= 0x1p64))
        return SC_E_MALFORMED;
    *out = sc_sql_real(negative ? -m : m);
    return SC_OK;
}

/* Finds the terminator; *escapes_out tells how many NULs lie before it. */
static sc_err get_escaped(struct sc_reader *r, struct sc_slice *raw_out, size_t *escapes_out)
{
    const uint8_t *p = r->cur;
    size_t escapes = 0;
    for (;;) {
        p = memchr(p, 0, (size_t)(r->end - p));
        if (p == NULL)
            return SC_E_MALFORMED;
        if (p + 1 == r->end || p[1] != 0xff)
            break;
        escapes++;
        p += 2;
    }
    *raw_out = sc_slice_of(r->cur, (size_t)(p - r->cur));
    *escapes_out = escapes;
    r->cur = p + 1;
    return SC_OK;
}

static sc_err get_bytes(struct sc_reader *r, struct sc_buf *scratch, struct sc_slice *out)
{
    struct sc_slice raw = SC_SLICE_EMPTY;
    size_t escapes;
    SC_TRY(get_escaped(r, &raw, &escapes));
    if (escapes == 0) {
        *out = raw;
        return SC_OK;
    }
    sc_buf_reset(scratch);
    uint8_t *to = sc_buf_extend(scratch, raw.size - escapes);
    if (to == NULL)
        return sc_buf_status(scratch);
    for (size_t i = 0; i < raw.size; i++) {
        *to++ = raw.ptr[i];
        if (raw.ptr[i] == 0)
            i++; /* its ff */
    }
    *out = sc_buf_slice(scratch);
    return SC_OK;
}

sc_err sql_tuple_get(struct sc_reader *r, struct sc_buf *scratch, struct sc_sql_value *out)
{
    struct sc_reader at = *r;
    uint8_t tag;
    struct sc_slice bytes = SC_SLICE_EMPTY;
    SC_TRY(sc_reader_get_u8(&at, &tag));
    switch (tag) {
    case TAG_NULL:
        *out = sc_sql_null();
        break;
    case TAG_NEGATIVE_HUGE:
    case TAG_POSITIVE_HUGE:
        SC_TRY(get_huge(&at, tag == TAG_NEGATIVE_HUGE, out));
        break;
    case TAG_TEXT:
    case TAG_BLOB:
        SC_TRY(get_bytes(&at, scratch, &bytes));
        *out = tag == TAG_TEXT ? sc_sql_text(bytes) : sc_sql_blob(bytes);
        break;
    default:
        if ((tag < TAG_NEGATIVE - 8 || tag > TAG_NEGATIVE) && (tag < TAG_POSITIVE || tag > TAG_POSITIVE + 8))
            return SC_E_MALFORMED;
        SC_TRY(get_number(&at, tag, out));
    }
    *r = at;
    return SC_OK;
}

sc_err sql_tuple_skip(struct sc_reader *r)
{
    struct sc_reader at = *r;
    uint8_t tag;
    uint8_t marker;
    struct sc_slice bytes = SC_SLICE_EMPTY;
    size_t escapes;
    SC_TRY(sc_reader_get_u8(&at, &tag));
    if (tag == TAG_TEXT || tag == TAG_BLOB) {
        SC_TRY(get_escaped(&at, &bytes, &escapes));
    } else if (tag == TAG_NEGATIVE_HUGE || tag == TAG_POSITIVE_HUGE) {
        SC_TRY(sc_reader_get_bytes(&at, 8, &bytes));
    } else if (tag >= TAG_NEGATIVE - 8 && tag <= TAG_POSITIVE + 8 && tag != TAG_NEGATIVE + 1) {
        const size_t n = tag <= TAG_NEGATIVE ? (size_t)(TAG_NEGATIVE - tag) : (size_t)(tag - TAG_POSITIVE);
        SC_TRY(sc_reader_get_bytes(&at, n, &bytes));
        SC_TRY(sc_reader_get_u8(&at, &marker));
        if (marker == (tag <= TAG_NEGATIVE ? 0xfe : 0x01))
            SC_TRY(sc_reader_get_bytes(&at, 8, &bytes));
    } else if (tag != TAG_NULL) {
        return SC_E_MALFORMED;
    }
    *r = at;
    return SC_OK;
}
