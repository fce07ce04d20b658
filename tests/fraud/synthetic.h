/* tests/fraud/synthetic.h - seeded customers with a morning and an evening peak, who differ in level, habit and noise. */
#ifndef SC_TESTS_FRAUD_SYNTHETIC_H
#define SC_TESTS_FRAUD_SYNTHETIC_H

#include "base/clock.h"
#include "fraud/load.h"

#include <math.h>
#include <stdio.h>

#define MONDAY_MS ((int64_t)17476 * SC_LOAD_DAY_MS) /* 2017-11-06 */

static inline double bump(double hour, double at, double width)
{
    return exp(-(hour - at) * (hour - at) / (2.0 * width * width));
}

/* Weather moves everybody alike; weekends start later. */
static inline void synthetic_customers(struct sc_load_table *t, size_t customers, size_t days, size_t slots, uint64_t seed)
{
    SC_ASSERT(sc_load_init(t, MONDAY_MS, days, slots, 0) == SC_OK);
    for (size_t c = 0; c < customers; c++) {
        char name[32];
        size_t index;
        struct sc_prng p, weather;
        sc_prng_init_stream(&p, seed, c);
        sc_prng_init_stream(&weather, seed, 1u << 20);
        snprintf(name, sizeof name, "customer %zu", c);
        SC_ASSERT(sc_load_add(t, (int64_t)c + 100, name, SC_CLASS_RESIDENTIAL, &index) == SC_OK);
        const double level = exp(0.5 * sc_prng_normal(&p)), morning = 7.0 + sc_prng_normal(&p),
                     evening = 19.0 + sc_prng_normal(&p);
        for (size_t d = 0; d < days; d++) {
            const double day = exp(0.15 * sc_prng_normal(&p) + 0.1 * sc_prng_normal(&weather));
            const double late = (d % 7) >= 5 ? 2.0 : 0.0;
            for (size_t s = 0; s < slots; s++) {
                const double hour = 24.0 * (double)s / (double)slots;
                const double shape = 0.3 + bump(hour, morning + late, 1.2) + 1.5 * bump(hour, evening, 2.0);
                sc_load_curve(t, index, d)[s] = (float)(level * day * shape * exp(0.3 * sc_prng_normal(&p)));
            }
        }
    }
}

#endif
