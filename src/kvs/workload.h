/* kvs/workload.h - what a field of meters asks of a key-value store: rows of load profiles, and measuring with them.
 *
 * Every row is a pure function of (seed, row number), so whoever reads can check without remembering.  Rows are numbered
 * in order of arrival: all clients at one moment, then all at the next.
 *
 *   key   "reading|", client (u64 big-endian), seconds since 1970 (u64 big-endian): 24 bytes, so a client's rows are one
 *         range in order of time
 *   value 30 doubles, little-endian: three phases' energy, reactive energy, voltage, current, power factor; registers
 *         that climb; temperature; flags; a third of them constant or zero, all with few decimals, as meters send them
 *
 * Used by `securecloud kvs bench` and by bench/kvs; not by the engine.  Thread-safe. */
#ifndef SC_KVS_WORKLOAD_H
#define SC_KVS_WORKLOAD_H

#include "base/clock.h"

#include <stddef.h>

#define WORKLOAD_KEY_SIZE      ((size_t)24)
#define WORKLOAD_CLIENT_PREFIX ((size_t)16) /* bytes of a key that name the client */
#define WORKLOAD_WORD_COUNT    30
#define WORKLOAD_VALUE_SIZE    ((size_t)(WORKLOAD_WORD_COUNT * 8))
#define WORKLOAD_DAY_ROWS      96 /* of one client, every 15 minutes */

struct workload {
    uint64_t seed;
    uint64_t client_count;
    double day[WORKLOAD_DAY_ROWS];   /* energy by quarter of an hour, share of the day's mean */
    double until[WORKLOAD_DAY_ROWS]; /* sum of day[] before */
    double day_total;
};
/* client_count >= 1 */
void workload_init(struct workload *w, uint64_t seed, uint64_t client_count);
void workload_key(const struct workload *w, uint64_t row, uint8_t out[static WORKLOAD_KEY_SIZE]);
void workload_value(const struct workload *w, uint64_t row, uint8_t out[static WORKLOAD_VALUE_SIZE]);
/* The row of one client's `tick`-th moment. */
static inline uint64_t workload_row(const struct workload *w, uint64_t client, uint64_t tick)
{
    return tick * w->client_count + client;
}

/* ---- Zipf's law over [0, n), theta 0.99, scrambled so that the frequent ones are not neighbours ---- */
struct workload_zipf {
    uint64_t n;
    double theta, zeta_n, alpha, eta;
};
void workload_zipf_init(struct workload_zipf *z, uint64_t n);
uint64_t workload_zipf_next(const struct workload_zipf *z, struct sc_prng *random);

/* ---- measuring ---- */
#define WORKLOAD_LATENCY_BUCKETS 1024
/* Latencies in buckets 1/16 of a power of two wide: percentiles within 6 %. */
struct workload_latency {
    uint64_t count;
    uint64_t buckets[WORKLOAD_LATENCY_BUCKETS];
};
void workload_latency_add(struct workload_latency *l, uint64_t ns);
/* Upper bound of the bucket that holds it; percent within [0, 100]; 0 when nothing was added. */
uint64_t workload_latency_ns(const struct workload_latency *l, double percent);
uint64_t workload_now_ns(void);
uint64_t workload_cpu_ns(void); /* of all threads of the process */

#endif
