/* base/bytes.h - bytes with a length: borrowed slices, owned growing buffers with a cap, bounded readers.
 *
 * A failed read moves nothing and yields SC_E_MALFORMED.  Writers are sticky: put calls return nothing, the first
 * failure (cap reached, no memory) is remembered and told by sc_buf_status(), so that an encoder reads like its
 * message's grammar.  Nothing here is thread-safe; a slice lives as long as what it borrows from. */
#ifndef SC_BASE_BYTES_H
#define SC_BASE_BYTES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- borrowed ---- */
struct sc_slice {
    const uint8_t *ptr; /* never NULL, even when empty */
    size_t size;
};
#define SC_SLICE_EMPTY ((struct sc_slice){ (const uint8_t *)"", 0 })

static inline struct sc_slice sc_slice_of(const void *ptr, size_t size)
{
    return (struct sc_slice){ ptr != NULL ? (const uint8_t *)ptr : (const uint8_t *)"", ptr != NULL ? size : 0 };
}
static inline struct sc_slice sc_slice_str(const char *s)
{
    return sc_slice_of(s, strlen(s));
}
/* Lexicographic, shorter first: <0, 0, >0.  Not for secrets. */
static inline int sc_slice_cmp(struct sc_slice a, struct sc_slice b)
{
    const size_t n = a.size < b.size ? a.size : b.size;
    const int c = n != 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return c != 0 ? c : (a.size > b.size) - (a.size < b.size);
}
static inline bool sc_slice_eq(struct sc_slice a, struct sc_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.ptr, b.ptr, a.size) == 0);
}

/* ---- checked sizes: refused, never wrapped ---- */
static inline sc_err sc_size_add(size_t a, size_t b, size_t *out)
{
    return __builtin_add_overflow(a, b, out) ? SC_E_LIMIT : SC_OK;
}
static inline sc_err sc_size_mul(size_t a, size_t b, size_t *out)
{
    return __builtin_mul_overflow(a, b, out) ? SC_E_LIMIT : SC_OK;
}

/* ---- owned ---- */
struct sc_buf {
    uint8_t *ptr;
    size_t size;
    size_t capacity;
    size_t size_max; /* cap; 0 means SC_BUF_SIZE_MAX */
    sc_err failed;   /* sticky */
};
#define SC_BUF_SIZE_MAX ((size_t)1 << 30)

void sc_buf_init(struct sc_buf *buf, size_t size_max);
void sc_buf_deinit(struct sc_buf *buf);       /* frees; NULL and zeroed are fine */
void sc_buf_wipe(struct sc_buf *buf);         /* zeroises, then frees: for secrets */
void sc_buf_reset(struct sc_buf *buf);        /* empty again, keeps memory, clears the sticky error */
sc_err sc_buf_status(const struct sc_buf *buf) SC_MUST_CHECK;
/* Makes room for `more` bytes and returns where they go (size grows by `more`); NULL if it failed. */
uint8_t *sc_buf_extend(struct sc_buf *buf, size_t more);
void sc_buf_put_bytes(struct sc_buf *buf, struct sc_slice s);
void sc_buf_put_str(struct sc_buf *buf, const char *s); /* without the NUL */
void sc_buf_put_fmt(struct sc_buf *buf, const char *fmt, ...) SC_PRINTF(2, 3);
void sc_buf_put_u8(struct sc_buf *buf, uint8_t v);
void sc_buf_put_u16be(struct sc_buf *buf, uint16_t v);
void sc_buf_put_u32be(struct sc_buf *buf, uint32_t v);
void sc_buf_put_u64be(struct sc_buf *buf, uint64_t v);
void sc_buf_put_f32be(struct sc_buf *buf, float v);
void sc_buf_put_f64be(struct sc_buf *buf, double v);
void sc_buf_put_varint(struct sc_buf *buf, uint64_t v);            /* LEB128, at most 10 bytes */
void sc_buf_put_lv16(struct sc_buf *buf, struct sc_slice s);       /* u16be length, bytes */
void sc_buf_put_lv32(struct sc_buf *buf, struct sc_slice s);       /* u32be length, bytes */
void sc_buf_put_lvar(struct sc_buf *buf, struct sc_slice s);       /* varint length, bytes */
/* Appends a NUL that does not count in size and returns the text; "" if the buffer failed. */
const char *sc_buf_cstr(struct sc_buf *buf);
static inline struct sc_slice sc_buf_slice(const struct sc_buf *buf)
{
    return sc_slice_of(buf->ptr, buf->size);
}

/* ---- bounded reading ---- */
struct sc_reader {
    const uint8_t *cur;
    const uint8_t *end;
};
static inline struct sc_reader sc_reader_of(struct sc_slice s)
{
    return (struct sc_reader){ s.ptr, s.ptr + s.size };
}
static inline size_t sc_reader_left(const struct sc_reader *r)
{
    return (size_t)(r->end - r->cur);
}
sc_err sc_reader_get_bytes(struct sc_reader *r, size_t size, struct sc_slice *out) SC_MUST_CHECK;
sc_err sc_reader_copy(struct sc_reader *r, void *to, size_t size) SC_MUST_CHECK;
sc_err sc_reader_get_u8(struct sc_reader *r, uint8_t *out) SC_MUST_CHECK;
sc_err sc_reader_get_u16be(struct sc_reader *r, uint16_t *out) SC_MUST_CHECK;
sc_err sc_reader_get_u32be(struct sc_reader *r, uint32_t *out) SC_MUST_CHECK;
sc_err sc_reader_get_u64be(struct sc_reader *r, uint64_t *out) SC_MUST_CHECK;
sc_err sc_reader_get_f32be(struct sc_reader *r, float *out) SC_MUST_CHECK;
sc_err sc_reader_get_f64be(struct sc_reader *r, double *out) SC_MUST_CHECK;
sc_err sc_reader_get_varint(struct sc_reader *r, uint64_t *out) SC_MUST_CHECK; /* minimal encodings only */
sc_err sc_reader_get_lv16(struct sc_reader *r, struct sc_slice *out) SC_MUST_CHECK;
sc_err sc_reader_get_lv32(struct sc_reader *r, struct sc_slice *out) SC_MUST_CHECK;
sc_err sc_reader_get_lvar(struct sc_reader *r, struct sc_slice *out) SC_MUST_CHECK;
sc_err sc_reader_expect_end(const struct sc_reader *r) SC_MUST_CHECK; /* trailing bytes are refused */

/* ---- unaligned big-endian words in memory ---- */
static inline uint16_t sc_load_u16be(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t sc_load_u32be(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline uint64_t sc_load_u64be(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
static inline void sc_store_u32be(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}
static inline void sc_store_u64be(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

/* ---- and little-endian ones, as the processors of others write them ---- */
static inline uint16_t sc_load_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t sc_load_u32le(const uint8_t *p)
{
    return (uint32_t)sc_load_u16le(p) | (uint32_t)sc_load_u16le(p + 2) << 16;
}
static inline uint64_t sc_load_u64le(const uint8_t *p)
{
    return (uint64_t)sc_load_u32le(p) | (uint64_t)sc_load_u32le(p + 4) << 32;
}

/* ---- hex ---- */
/* Lower-case hex of s into text, which holds 2 * s.size + 1. */
void sc_hex_encode(struct sc_slice s, char *text);
/* Decodes exactly size bytes from text (2 * size digits, nothing else). */
sc_err sc_hex_decode(const char *text, uint8_t *out, size_t size) SC_MUST_CHECK;

#endif
