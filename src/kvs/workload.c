#include "kvs/workload.h"

#include "base/bytes.h"

#include <math.h>
#include <time.h>

#define FIRST_CLIENT UINT64_C(10000000)
#define FIRST_S      UINT64_C(1719792000) /* 2024-07-01 */
#define TICK_S       900

/* ---- randomness by place: the finaliser of MurmurHash3 (Appleby) ---- */

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static uint64_t mix2(uint64_t a, uint64_t b)
{
    return mix(mix(a) + b * UINT64_C(0x9e3779b97f4a7c15));
}

/* [0, 1) from 16 bits of h, the part-th of four. */
static double part(uint64_t h, unsigned which)
{
    return (double)(h >> (16 * which) & 0xffff) / 65536.0;
}

static double decimals(double v, double scale)
{
    return rint(v * scale) / scale;
}

/* ---- rows ---- */

/* A household's day: low at night, a shoulder in the morning, a peak in the evening. */
void workload_init(struct workload *w, uint64_t seed, uint64_t client_count)
{
    *w = (struct workload){.seed = seed, .client_count = client_count};
    for (size_t q = 0; q < WORKLOAD_DAY_ROWS; q++) {
        const double hour = (double)q / 4, morning = (hour - 7.5) / 1.6, evening = (hour - 19.5) / 2.4;
        w->until[q] = w->day_total;
        w->day[q] = 0.5 + 0.7 * exp(-morning * morning) + 1.6 * exp(-evening * evening);
        w->day_total += w->day[q];
    }
}

void workload_key(const struct workload *w, uint64_t row, uint8_t out[static WORKLOAD_KEY_SIZE])
{
    memcpy(out, "reading|", 8);
    sc_store_u64be(out + 8, FIRST_CLIENT + row % w->client_count);
    sc_store_u64be(out + 16, FIRST_S + row / w->client_count * TICK_S);
}

/* What is measured on each of three phases; energy_kwh is the quarter's. */
static void phases_fill(double *v, uint64_t h, double energy_kwh)
{
    for (size_t phase = 0; phase < 3; phase++) {
        const uint64_t p = mix2(h, phase);
        const double share = phase == 0 ? 0.5 : 0.25;
        const double kwh = energy_kwh * share * (0.9 + 0.2 * part(p, 0));
        const double factor = 0.9 + 0.09 * part(p, 1);
        const double volts = 222 + 6 * part(p, 2);
        v[phase] = decimals(kwh, 10000);
        v[3 + phase] = decimals(kwh * 0.35 * (0.8 + 0.4 * part(p, 3)), 10000);
        v[6 + phase] = decimals(volts, 100);
        v[9 + phase] = decimals(kwh * 4000 / volts / factor, 1000);
        v[12 + phase] = decimals(factor, 1000);
    }
}

void workload_value(const struct workload *w, uint64_t row, uint8_t out[static WORKLOAD_VALUE_SIZE])
{
    const uint64_t client = row % w->client_count, tick = row / w->client_count;
    const uint64_t day = tick / WORKLOAD_DAY_ROWS, quarter = tick % WORKLOAD_DAY_ROWS;
    const uint64_t house = mix2(w->seed, client), h = mix2(house, tick + 1);
    const double scale = 0.05 + 0.3 * part(house, 0); /* kWh of a mean quarter of an hour */
    const double energy = scale * w->day[quarter] * (0.6 + 0.8 * part(h, 0));
    /* The registers climb as the curve says; a household's whims, which would need all rows before, are left out. */
    const double total = 1000 * part(house, 1) + scale * ((double)day * w->day_total + w->until[quarter]);
    double v[WORKLOAD_WORD_COUNT] = {0};
    phases_fill(v, h, energy);
    v[15] = decimals(59.95 + 0.1 * part(mix2(w->seed, ~tick), 0), 100); /* one grid, one frequency */
    v[16] = decimals(total, 1000);
    v[17] = decimals(total * 0.31, 1000);
    v[18] = decimals(4 * scale * (2.4 + 0.3 * (double)(day % 30) / 30), 100);
    v[19] = decimals(18 + 8 * w->day[quarter] / 2.2 + 2 * part(mix2(w->seed, tick / 4), 1), 10);
    v[20] = part(h, 1) > 0.995 ? 4 : 0; /* flags */
    v[21] = (double)(quarter >= 72 && quarter < 84);
    v[22] = 120;
    v[23] = 1;
    v[24] = 220;
    v[25] = (double)(house >> 48 & 3);
    memcpy(out, v, sizeof v);
}

/* ---- Zipf: Gray, Sundaresan, Englert, Baclawski, Weinberger, "Quickly generating billion-record synthetic databases",
 * SIGMOD 1994 ---- */

void workload_zipf_init(struct workload_zipf *z, uint64_t n)
{
    *z = (struct workload_zipf){.n = n, .theta = 0.99, .alpha = 1 / (1 - 0.99)};
    for (uint64_t i = 1; i <= n; i++)
        z->zeta_n += pow(1 / (double)i, z->theta);
    const double zeta_2 = 1 + pow(0.5, z->theta);
    z->eta = (1 - pow(2 / (double)n, 1 - z->theta)) / (1 - zeta_2 / z->zeta_n);
}

static uint64_t zipf_rank(const struct workload_zipf *z, double u)
{
    const double uz = u * z->zeta_n;
    if (uz < 1 || z->n < 2)
        return 0;
    if (uz < 1 + pow(0.5, z->theta))
        return 1;
    const uint64_t rank = (uint64_t)((double)z->n * pow(z->eta * u - z->eta + 1, z->alpha));
    return rank < z->n ? rank : z->n - 1;
}

uint64_t workload_zipf_next(const struct workload_zipf *z, struct sc_prng *random)
{
    return mix(zipf_rank(z, sc_prng_uniform(random)) + 1) % z->n;
}

/* ---- measuring ---- */

static size_t bucket_of(uint64_t ns)
{
    if (ns < 16)
        return (size_t)ns;
    const unsigned log = 63 - (unsigned)__builtin_clzll(ns);
    return (size_t)(log - 3) * 16 + (ns >> (log - 4) & 15);
}

static uint64_t bucket_end(size_t bucket)
{
    if (bucket < 16)
        return bucket;
    const unsigned log = (unsigned)(bucket / 16) + 3;
    return ((UINT64_C(16) + bucket % 16 + 1) << (log - 4)) - 1;
}

void workload_latency_add(struct workload_latency *l, uint64_t ns)
{
    l->count++;
    l->buckets[bucket_of(ns)]++;
}

uint64_t workload_latency_ns(const struct workload_latency *l, double percent)
{
    const double wanted = percent / 100 * (double)l->count;
    uint64_t seen = 0;
    for (size_t b = 0; b < WORKLOAD_LATENCY_BUCKETS; b++) {
        seen += l->buckets[b];
        if (seen != 0 && (double)seen >= wanted)
            return bucket_end(b);
    }
    return 0;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t workload_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t workload_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}
