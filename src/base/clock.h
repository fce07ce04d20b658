/* base/clock.h - time and randomness through tables, so that tests set the clock and print their seed.
 * The system instances are thread-safe; a test's are whatever the test makes them. */
#ifndef SC_BASE_CLOCK_H
#define SC_BASE_CLOCK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct sc_clock {
    int64_t (*wall_ms)(void *self);  /* ms since 1970-01-01T00:00Z */
    int64_t (*mono_us)(void *self);  /* us since an arbitrary start, never backwards */
    void *self;
};
extern const struct sc_clock sc_clock_system;

static inline int64_t sc_wall_ms(const struct sc_clock *c)
{
    return c->wall_ms(c->self);
}
static inline int64_t sc_mono_us(const struct sc_clock *c)
{
    return c->mono_us(c->self);
}

/* A clock that stands still until told: for tests. */
struct sc_clock_manual {
    int64_t wall_ms;
    int64_t mono_us;
};
struct sc_clock sc_clock_of_manual(struct sc_clock_manual *m); /* m must outlive it */

/* ---- seeded randomness for models and tests: xoshiro256** (Blackman & Vigna 2018).  Never for keys: see crypto/rand.h. ---- */
struct sc_prng {
    uint64_t s[4];
};
void sc_prng_init(struct sc_prng *p, uint64_t seed);
/* An independent stream for (seed, stream): a customer's randomness does not depend on how many others there are. */
void sc_prng_init_stream(struct sc_prng *p, uint64_t seed, uint64_t stream);
uint64_t sc_prng_u64(struct sc_prng *p);
uint64_t sc_prng_below(struct sc_prng *p, uint64_t bound); /* uniform in [0, bound), bound > 0 */
double sc_prng_uniform(struct sc_prng *p);                 /* [0, 1) */
double sc_prng_normal(struct sc_prng *p);                  /* mean 0, variance 1 */

/* ---- calendar, proleptic Gregorian, UTC ---- */
struct sc_civil {
    int year, month, day;         /* month 1..12, day 1..31 */
    int hour, minute, second, ms;
    int weekday;                  /* 0 = Sunday */
};
void sc_civil_from_ms(int64_t wall_ms, struct sc_civil *out);
int64_t sc_civil_to_ms(const struct sc_civil *c); /* weekday ignored */
/* "2024-07-03", "2024-07-03T16:15", "...:00", optional "Z"; exact, bounded. */
sc_err sc_civil_parse(const char *text, int64_t *wall_ms_out) SC_MUST_CHECK;
#define SC_TIME_TEXT_SIZE 32
/* "2024-07-03T16:15:00Z" (with .mmm only when not zero) into text. */
const char *sc_time_text(int64_t wall_ms, char text[static SC_TIME_TEXT_SIZE]);

#endif
