#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t system_wall_ms(void *self)
{
    (void)self;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_mono_us(void *self)
{
    (void)self;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

const struct sc_clock sc_clock_system = {system_wall_ms, system_mono_us, NULL};

static int64_t manual_wall_ms(void *self)
{
    return ((const struct sc_clock_manual *)self)->wall_ms;
}

static int64_t manual_mono_us(void *self)
{
    return ((const struct sc_clock_manual *)self)->mono_us;
}

struct sc_clock sc_clock_of_manual(struct sc_clock_manual *m)
{
    return (struct sc_clock){manual_wall_ms, manual_mono_us, m};
}

static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void sc_prng_init(struct sc_prng *p, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++)
        p->s[i] = splitmix64(&seed);
}

void sc_prng_init_stream(struct sc_prng *p, uint64_t seed, uint64_t stream)
{
    uint64_t mix = splitmix64(&seed) ^ (stream * 0xd1342543de82ef95u + 1);
    sc_prng_init(p, splitmix64(&mix));
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t sc_prng_u64(struct sc_prng *p)
{
    uint64_t *s = p->s;
    const uint64_t result = rotl(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t sc_prng_below(struct sc_prng *p, uint64_t bound)
{
    SC_ASSERT(bound > 0);
    const uint64_t reject_below = -bound % bound; /* makes the rest a multiple of bound */
    for (;;) {
        const uint64_t v = sc_prng_u64(p);
        if (v >= reject_below)
            return v % bound;
    }
}

double sc_prng_uniform(struct sc_prng *p)
{
    return (double)(sc_prng_u64(p) >> 11) * 0x1p-53;
}

double sc_prng_normal(struct sc_prng *p)
{
    const double u = 1.0 - sc_prng_uniform(p); /* (0, 1]: the logarithm is finite */
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * sc_prng_uniform(p));
}

/* Days since 1970-01-01 and back: the era arithmetic of H. Hinnant, "chrono-compatible low-level date algorithms". */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t yoe = y - era * 400;
    const int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

void sc_civil_from_ms(int64_t wall_ms, struct sc_civil *out)
{
    const int64_t day_ms = 86400000;
    int64_t days = wall_ms / day_ms;
    int64_t rest = wall_ms % day_ms;
    if (rest < 0) {
        rest += day_ms;
        days--;
    }
    const int64_t z = days + 719468;
    const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    const int64_t doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;
    out->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    out->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    out->year = (int)(yoe + era * 400 + (out->month <= 2));
    out->hour = (int)(rest / 3600000);
    out->minute = (int)(rest / 60000 % 60);
    out->second = (int)(rest / 1000 % 60);
    out->ms = (int)(rest % 1000);
    out->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

int64_t sc_civil_to_ms(const struct sc_civil *c)
{
    return days_from_civil(c->year, c->month, c->day) * 86400000 + c->hour * 3600000LL + c->minute * 60000LL +
           c->second * 1000LL + c->ms;
}

/* Exactly `digits` digits at *p: sscanf() would take blanks and signs as well. */
static bool take_digits(const char **p, int digits, int *out)
{
    int v = 0;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *out = v;
    return true;
}

static bool take_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

sc_err sc_civil_parse(const char *text, int64_t *wall_ms_out)
{
    struct sc_civil c = {0};
    const char *p = text;
    if (!take_digits(&p, 4, &c.year) || !take_char(&p, '-') || !take_digits(&p, 2, &c.month) || !take_char(&p, '-') ||
        !take_digits(&p, 2, &c.day))
        return SC_E_MALFORMED;
    if (take_char(&p, 'T') || take_char(&p, ' ')) {
        if (!take_digits(&p, 2, &c.hour) || !take_char(&p, ':') || !take_digits(&p, 2, &c.minute) ||
            (take_char(&p, ':') && !take_digits(&p, 2, &c.second)))
            return SC_E_MALFORMED;
    }
    p += *p == 'Z'; /* it is UTC in any case */
    if (*p != '\0' || c.hour > 23 || c.minute > 59 || c.second > 59)
        return SC_E_MALFORMED;
    const int64_t ms = sc_civil_to_ms(&c);
    struct sc_civil back;
    sc_civil_from_ms(ms, &back); /* refuses 2023-02-29 and month 13 */
    if (back.year != c.year || back.month != c.month || back.day != c.day)
        return SC_E_MALFORMED;
    *wall_ms_out = ms;
    return SC_OK;
}

const char *sc_time_text(int64_t wall_ms, char text[static SC_TIME_TEXT_SIZE])
{
    struct sc_civil c;
    sc_civil_from_ms(wall_ms, &c);
    if (c.ms != 0)
        snprintf(text, SC_TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year % 10000, c.month, c.day, c.hour,
                 c.minute, c.second, c.ms);
    else
        snprintf(text, SC_TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year % 10000, c.month, c.day, c.hour,
                 c.minute, c.second);
    return text;
}
