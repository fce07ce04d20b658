/* kvs/series.h - a column of 64-bit words as base + slope * row + a few bits.
 *
 * Numbers that stand below each other in neighbouring rows are alike: meter registers climb by about the same step,
 * voltages vary by a few tenths, timestamps by exactly 900.  A series stores row i of a column as
 *
 *     k(i) = base + slope * i + residual(i)      (mod 2^64), residual in `width` bits, 0..64
 *     word = k(i)                                 form 0: the word is an integer
 *     word = bits of (double)k(i) / 10^(form-1)   form 1..: the word is a double that has few decimals
 *
 * The decimal form is the idea of ALP (Afroozeh, Kuffo, Boncz: "ALP: Adaptive Lossless floating-Point compression",
 * SIGMOD 2024), frame of reference that of Zukowski et al. 2006; both reproduce every bit or are not chosen.  Any row
 * decodes by itself: that is what point reads need and general compressors lack. */
#ifndef SC_KVS_SERIES_H
#define SC_KVS_SERIES_H

#include "base/bytes.h"

#define KVS_SERIES_EXPONENT_MAX 8
#define KVS_SERIES_FORM_MAX     (1 + KVS_SERIES_EXPONENT_MAX)

struct kvs_series {
    uint64_t base;
    int64_t slope;
    uint32_t bit_offset; /* of the residual within its row */
    uint8_t width;       /* bits, 0..64 */
    uint8_t form;        /* 0: integer; 1 + e: double with e decimals */
};

/* The best series for n (> 0) words; residuals_out[i] belongs to row i.  bit_offset is the caller's. */
void kvs_series_fit(const uint64_t *words, size_t n, struct kvs_series *out, uint64_t *residuals_out);

/* u8 width, u8 form, varint base, varint zigzag slope */
void kvs_series_put(struct sc_buf *out, const struct kvs_series *s);
sc_err kvs_series_get(struct sc_reader *r, struct kvs_series *out) SC_MUST_CHECK;

/* Writes width low bits of v at bit position `bit` of p, whose bits there are zero.  9 bytes from bit / 8 are touched. */
void kvs_bits_set(uint8_t *p, uint64_t bit, unsigned width, uint64_t v);

/* 9 bytes from bit / 8 must be readable. */
static inline uint64_t kvs_bits_get(const uint8_t *p, uint64_t bit, unsigned width)
{
    uint64_t v;
    const unsigned shift = bit & 7;
    memcpy(&v, p + bit / 8, 8);
    v >>= shift;
    if (width + shift > 64)
        v |= (uint64_t)p[bit / 8 + 8] << (64 - shift);
    return width < 64 ? v & ((UINT64_C(1) << width) - 1) : v;
}

extern const double kvs_series_power[KVS_SERIES_EXPONENT_MAX + 1];

static inline uint64_t kvs_series_word(const struct kvs_series *s, size_t row, uint64_t residual)
{
    const uint64_t k = s->base + (uint64_t)s->slope * row + residual;
    if (s->form == 0)
        return k;
    const double d = (double)(int64_t)k / kvs_series_power[s->form - 1];
    uint64_t word;
    memcpy(&word, &d, sizeof word);
    return word;
}

#endif
