#include "kvs/series.h"

#include <math.h>

const double kvs_series_power[KVS_SERIES_EXPONENT_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};

#define DECIMAL_MAX 0x1p51 /* beyond it the rounding below is not exact */

static unsigned bits_of(uint64_t v)
{
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(v);
}

/* ---- integers ---- */

/* Frame of reference about a line: the residuals' span decides the width. */
static uint64_t line_span(const uint64_t *k, size_t n, int64_t slope, uint64_t *base_out)
{
    int64_t lo = INT64_MAX, hi = INT64_MIN;
    uint64_t line = 0;
    for (size_t i = 0; i < n; i++, line += (uint64_t)slope) {
        const int64_t v = (int64_t)(k[i] - line);
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
    }
    *base_out = (uint64_t)lo;
    return (uint64_t)hi - (uint64_t)lo;
}

/* Chooses base, slope and width for integers k. */
static void line_fit(const uint64_t *k, size_t n, struct kvs_series *s)
{
    uint64_t base, base_flat;
    const uint64_t flat = line_span(k, n, 0, &base_flat);
    *s = (struct kvs_series){.base = base_flat, .width = (uint8_t)bits_of(flat)};
    const int64_t slope = n > 1 ? (int64_t)(k[n - 1] - k[0]) / (int64_t)(n - 1) : 0;
    if (flat == 0 || slope == 0)
        return;
    const unsigned width = bits_of(line_span(k, n, slope, &base));
    if (width < s->width)
        *s = (struct kvs_series){.base = base, .slope = slope, .width = (uint8_t)width};
}

static void residuals_make(const uint64_t *k, size_t n, const struct kvs_series *s, uint64_t *out)
{
    uint64_t line = s->base;
    for (size_t i = 0; i < n; i++, line += (uint64_t)s->slope)
        out[i] = k[i] - line;
}

/* ---- decimals ---- */

/* k such that (double)k / 10^e has exactly the bits of word.  Rounds by adding and taking away 1.5 * 2^52. */
static inline bool decimal_of(uint64_t word, unsigned e, uint64_t *k_out)
{
    double d;
    memcpy(&d, &word, sizeof d);
    const double scaled = d * kvs_series_power[e];
    if (!(fabs(scaled) < DECIMAL_MAX)) /* NaN and infinities, too */
        return false;
    const double rounded = (scaled + 0x1.8p52) - 0x1.8p52;
    const double back = rounded / kvs_series_power[e];
    if (memcmp(&back, &word, sizeof back) != 0) /* also refuses -0.0 where it would come back as 0.0 */
        return false;
    *k_out = (uint64_t)(int64_t)rounded;
    /* -0.0 survives the arithmetic above, but not the integer */
    return rounded != 0 || word == 0;
}

/* All words with one exponent, the least that does. */
static bool decimals_make(const uint64_t *words, size_t n, unsigned *e_out, uint64_t *k)
{
    unsigned e = 0;
    for (size_t i = 0; i < n; i++) {
        if (decimal_of(words[i], e, &k[i]))
            continue;
        do
            if (++e > KVS_SERIES_EXPONENT_MAX)
                return false;
        while (!decimal_of(words[i], e, &k[i]));
        i = (size_t)-1; /* the ones before were made with another exponent */
    }
    *e_out = e;
    return true;
}

/* ---- choosing ---- */

static bool all_equal(const uint64_t *words, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (words[i] != words[0])
            return false;
    return true;
}

void kvs_series_fit(const uint64_t *words, size_t n, struct kvs_series *out, uint64_t *residuals_out)
{
    SC_ASSERT(n != 0);
    if (all_equal(words, n)) {
        *out = (struct kvs_series){.base = words[0]};
        memset(residuals_out, 0, n * sizeof *residuals_out);
        return;
    }
    line_fit(words, n, out);
    unsigned e;
    if (out->width > 8 && decimals_make(words, n, &e, residuals_out)) { /* the output serves as scratch */
        struct kvs_series decimal;
        line_fit(residuals_out, n, &decimal);
        if (decimal.width < out->width) {
            decimal.form = (uint8_t)(1 + e);
            *out = decimal;
            residuals_make(residuals_out, n, out, residuals_out);
            return;
        }
    }
    residuals_make(words, n, out, residuals_out);
}

/* ---- bytes ---- */

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

void kvs_series_put(struct sc_buf *out, const struct kvs_series *s)
{
    sc_buf_put_u8(out, s->width);
    sc_buf_put_u8(out, s->form);
    sc_buf_put_varint(out, s->form == 0 ? s->base : zigzag((int64_t)s->base));
    sc_buf_put_varint(out, zigzag(s->slope));
}

sc_err kvs_series_get(struct sc_reader *r, struct kvs_series *out)
{
    uint64_t slope;
    SC_TRY(sc_reader_get_u8(r, &out->width));
    SC_TRY(sc_reader_get_u8(r, &out->form));
    SC_TRY(sc_reader_get_varint(r, &out->base));
    SC_TRY(sc_reader_get_varint(r, &slope));
    if (out->width > 64 || out->form > KVS_SERIES_FORM_MAX)
        return SC_E_MALFORMED;
    if (out->form != 0)
        out->base = (uint64_t)unzigzag(out->base);
    out->slope = unzigzag(slope);
    return SC_OK;
}

void kvs_bits_set(uint8_t *p, uint64_t bit, unsigned width, uint64_t v)
{
    if (width == 0)
        return;
    uint64_t word;
    const unsigned shift = bit & 7;
    p += bit / 8;
    memcpy(&word, p, 8);
    word |= v << shift;
    memcpy(p, &word, 8);
    if (width + shift > 64)
        p[8] = (uint8_t)(p[8] | v >> (64 - shift));
}
