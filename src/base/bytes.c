#include "base/bytes.h"

#include <stdio.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the loads and stores swap unconditionally");

void sc_buf_init(struct sc_buf *buf, size_t size_max)
{
    *buf = (struct sc_buf){.size_max = size_max};
}

void sc_buf_deinit(struct sc_buf *buf)
{
    if (buf == NULL)
        return;
    free(buf->ptr);
    *buf = (struct sc_buf){.size_max = buf->size_max};
}

void sc_buf_wipe(struct sc_buf *buf)
{
    if (buf != NULL && buf->ptr != NULL)
        explicit_bzero(buf->ptr, buf->capacity);
    sc_buf_deinit(buf);
}

void sc_buf_reset(struct sc_buf *buf)
{
    buf->size = 0;
    buf->failed = SC_OK;
}

sc_err sc_buf_status(const struct sc_buf *buf)
{
    return buf->failed;
}

static bool reserve(struct sc_buf *buf, size_t more)
{
    if (buf->failed != SC_OK)
        return false;
    const size_t cap_max = buf->size_max != 0 ? buf->size_max : SC_BUF_SIZE_MAX;
    size_t want;
    if (sc_size_add(buf->size, more, &want) != SC_OK || want > cap_max) {
        buf->failed = SC_E_LIMIT;
        return false;
    }
    if (want < buf->capacity) /* strictly: sc_buf_cstr() always has its byte */
        return true;
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity * 2;
    if (capacity < want + 1)
        capacity = want + 1;
    uint8_t *p = realloc(buf->ptr, capacity);
    if (p == NULL) {
        buf->failed = SC_E_NOMEM;
        return false;
    }
    buf->ptr = p;
    buf->capacity = capacity;
    return true;
}

uint8_t *sc_buf_extend(struct sc_buf *buf, size_t more)
{
    if (!reserve(buf, more))
        return NULL;
    uint8_t *p = buf->ptr + buf->size;
    buf->size += more;
    return p;
}

void sc_buf_put_bytes(struct sc_buf *buf, struct sc_slice s)
{
    uint8_t *p = sc_buf_extend(buf, s.size);
    if (p != NULL && s.size != 0)
        memcpy(p, s.ptr, s.size);
}

void sc_buf_put_str(struct sc_buf *buf, const char *s)
{
    sc_buf_put_bytes(buf, sc_slice_str(s));
}

void sc_buf_put_fmt(struct sc_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        buf->failed = SC_E_USAGE;
    else if (reserve(buf, (size_t)n)) { /* reserve() leaves one byte more, for the NUL */
        vsnprintf((char *)buf->ptr + buf->size, (size_t)n + 1, fmt, again);
        buf->size += (size_t)n;
    }
    va_end(again);
}

void sc_buf_put_u8(struct sc_buf *buf, uint8_t v)
{
    sc_buf_put_bytes(buf, sc_slice_of(&v, 1));
}

void sc_buf_put_u16be(struct sc_buf *buf, uint16_t v)
{
    const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    sc_buf_put_bytes(buf, sc_slice_of(b, sizeof b));
}

void sc_buf_put_u32be(struct sc_buf *buf, uint32_t v)
{
    uint8_t b[4];
    sc_store_u32be(b, v);
    sc_buf_put_bytes(buf, sc_slice_of(b, sizeof b));
}

void sc_buf_put_u64be(struct sc_buf *buf, uint64_t v)
{
    uint8_t b[8];
    sc_store_u64be(b, v);
    sc_buf_put_bytes(buf, sc_slice_of(b, sizeof b));
}

void sc_buf_put_f32be(struct sc_buf *buf, float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    sc_buf_put_u32be(buf, u);
}

void sc_buf_put_f64be(struct sc_buf *buf, double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    sc_buf_put_u64be(buf, u);
}

void sc_buf_put_varint(struct sc_buf *buf, uint64_t v)
{
    uint8_t b[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    sc_buf_put_bytes(buf, sc_slice_of(b, n));
}

void sc_buf_put_lv16(struct sc_buf *buf, struct sc_slice s)
{
    if (s.size > UINT16_MAX && buf->failed == SC_OK)
        buf->failed = SC_E_LIMIT;
    sc_buf_put_u16be(buf, (uint16_t)s.size);
    sc_buf_put_bytes(buf, s);
}

void sc_buf_put_lv32(struct sc_buf *buf, struct sc_slice s)
{
    if (s.size > UINT32_MAX && buf->failed == SC_OK)
        buf->failed = SC_E_LIMIT;
    sc_buf_put_u32be(buf, (uint32_t)s.size);
    sc_buf_put_bytes(buf, s);
}

void sc_buf_put_lvar(struct sc_buf *buf, struct sc_slice s)
{
    sc_buf_put_varint(buf, s.size);
    sc_buf_put_bytes(buf, s);
}

const char *sc_buf_cstr(struct sc_buf *buf)
{
    if (!reserve(buf, 0))
        return "";
    buf->ptr[buf->size] = '\0';
    return (const char *)buf->ptr;
}

sc_err sc_reader_get_bytes(struct sc_reader *r, size_t size, struct sc_slice *out)
{
    if (size > (size_t)(r->end - r->cur)) /* compare with what is left; never add what was read */
        return SC_E_MALFORMED;
    *out = (struct sc_slice){r->cur, size};
    r->cur += size;
    return SC_OK;
}

sc_err sc_reader_copy(struct sc_reader *r, void *to, size_t size)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_bytes(r, size, &s));
    if (size != 0)
        memcpy(to, s.ptr, size);
    return SC_OK;
}

sc_err sc_reader_get_u8(struct sc_reader *r, uint8_t *out)
{
    return sc_reader_copy(r, out, 1);
}

sc_err sc_reader_get_u16be(struct sc_reader *r, uint16_t *out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_bytes(r, 2, &s));
    *out = sc_load_u16be(s.ptr);
    return SC_OK;
}

sc_err sc_reader_get_u32be(struct sc_reader *r, uint32_t *out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_bytes(r, 4, &s));
    *out = sc_load_u32be(s.ptr);
    return SC_OK;
}

sc_err sc_reader_get_u64be(struct sc_reader *r, uint64_t *out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_bytes(r, 8, &s));
    *out = sc_load_u64be(s.ptr);
    return SC_OK;
}

sc_err sc_reader_get_f32be(struct sc_reader *r, float *out)
{
    uint32_t u;
    SC_TRY(sc_reader_get_u32be(r, &u));
    memcpy(out, &u, sizeof u);
    return SC_OK;
}

sc_err sc_reader_get_f64be(struct sc_reader *r, double *out)
{
    uint64_t u;
    SC_TRY(sc_reader_get_u64be(r, &u));
    memcpy(out, &u, sizeof u);
    return SC_OK;
}

sc_err sc_reader_get_varint(struct sc_reader *r, uint64_t *out)
{
    uint64_t v = 0;
    const uint8_t *p = r->cur;
    for (unsigned shift = 0; shift < 64 && p < r->end; shift += 7) {
        const uint8_t b = *p++;
        if (shift == 63 && b > 1)
            return SC_E_MALFORMED;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            if (b == 0 && shift != 0) /* one value, one encoding */
                return SC_E_MALFORMED;
            r->cur = p;
            *out = v;
            return SC_OK;
        }
    }
    return SC_E_MALFORMED;
}

static sc_err get_counted(struct sc_reader *r, struct sc_reader after_length, uint64_t size, struct sc_slice *out)
{
    if (size > sc_reader_left(&after_length))
        return SC_E_MALFORMED;
    SC_TRY(sc_reader_get_bytes(&after_length, (size_t)size, out));
    *r = after_length;
    return SC_OK;
}

sc_err sc_reader_get_lv16(struct sc_reader *r, struct sc_slice *out)
{
    struct sc_reader ahead = *r;
    uint16_t size;
    SC_TRY(sc_reader_get_u16be(&ahead, &size));
    return get_counted(r, ahead, size, out);
}

sc_err sc_reader_get_lv32(struct sc_reader *r, struct sc_slice *out)
{
    struct sc_reader ahead = *r;
    uint32_t size;
    SC_TRY(sc_reader_get_u32be(&ahead, &size));
    return get_counted(r, ahead, size, out);
}

sc_err sc_reader_get_lvar(struct sc_reader *r, struct sc_slice *out)
{
    struct sc_reader ahead = *r;
    uint64_t size;
    SC_TRY(sc_reader_get_varint(&ahead, &size));
    return get_counted(r, ahead, size, out);
}

sc_err sc_reader_expect_end(const struct sc_reader *r)
{
    return r->cur == r->end ? SC_OK : SC_E_MALFORMED;
}

void sc_hex_encode(struct sc_slice s, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < s.size; i++) {
        text[2 * i] = digits[s.ptr[i] >> 4];
        text[2 * i + 1] = digits[s.ptr[i] & 15];
    }
    text[2 * s.size] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

sc_err sc_hex_decode(const char *text, uint8_t *out, size_t size)
{
    if (strlen(text) != 2 * size)
        return SC_E_MALFORMED;
    for (size_t i = 0; i < size; i++) {
        const int hi = hex_digit(text[2 * i]);
        const int lo = hex_digit(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return SC_E_MALFORMED;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return SC_OK;
}
