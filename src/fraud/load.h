/* fraud/load.h - daily load curves of many customers: the table that the fraud analysis reads.
 *
 * kw(customer, day, slot) is the mean power in the slot, kW; NAN where nothing was measured.  Slots divide the day
 * evenly.  Memory is customer_count * day_count * slot_count * 4 bytes, never above size_max.  Not thread-safe while
 * filled. */
#ifndef SC_FRAUD_LOAD_H
#define SC_FRAUD_LOAD_H

#include "base/err.h"
#include "metering/schema.h"

#include <stddef.h>
#include <stdint.h>

#define SC_LOAD_SLOTS_MAX 96
#define SC_LOAD_DAYS_MAX  400
#define SC_LOAD_DAY_MS    ((int64_t)86400000)
#define SC_LOAD_NAME_SIZE 96

struct sc_load_customer {
    int64_t client_id;
    char name[SC_LOAD_NAME_SIZE]; /* UTF-8, cut at SC_LOAD_NAME_SIZE - 1 bytes between characters */
    enum sc_customer_class customer_class;
};

struct sc_load_table {
    int64_t first_ms;      /* midnight of the first day */
    size_t day_count;      /* 1..SC_LOAD_DAYS_MAX */
    size_t slot_count;     /* per day, 1..SC_LOAD_SLOTS_MAX, a divisor of 86400 */
    size_t customer_count;
    size_t customer_capacity;
    size_t size_max;       /* bytes for curves */
    struct sc_load_customer *customer;
    float *kw;             /* [customer][day][slot] */
};

/* size_max 0 = 1 GiB.  SC_E_USAGE for a day or slot count out of range. */
sc_err sc_load_init(struct sc_load_table *t, int64_t first_ms, size_t day_count, size_t slot_count, size_t size_max)
    SC_MUST_CHECK;
void sc_load_deinit(struct sc_load_table *t); /* NULL and zeroed are fine */
/* Adds a customer whose slots are all missing; SC_E_LIMIT when size_max is reached. */
sc_err sc_load_add(struct sc_load_table *t, int64_t client_id, const char *name, enum sc_customer_class c,
                   size_t *customer_out) SC_MUST_CHECK;
/* The day's slot_count values. */
static inline float *sc_load_curve(const struct sc_load_table *t, size_t customer, size_t day)
{
    return t->kw + (customer * t->day_count + day) * t->slot_count;
}

/* Gathers one customer's readings into slots: readings may be shorter or longer than a slot, and come in any order.
 * A slot counts as measured when readings cover at least half of it. */
struct sc_load_gather {
    const struct sc_load_table *table;
    double *energy_kws;    /* [day][slot] kilowatt seconds */
    double *covered_s;
};
sc_err sc_load_gather_init(struct sc_load_gather *g, const struct sc_load_table *t) SC_MUST_CHECK;
void sc_load_gather_deinit(struct sc_load_gather *g);
/* Outside the table's days, or with a NaN, infinite or negative power: ignored. */
void sc_load_gather_add(struct sc_load_gather *g, int64_t start_ms, uint32_t interval_s, double kw);
/* Writes the customer's curves and starts afresh. */
void sc_load_gather_finish(struct sc_load_gather *g, struct sc_load_table *t, size_t customer);

#endif
