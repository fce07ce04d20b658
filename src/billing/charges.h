/* billing/charges.h - from consumption to money, in two steps that know nothing of readings:
 * usage (what was consumed when: energy, demand, reactive excess) and charges (lines, taxes, total).
 *
 * Not thread-safe; plain data. */
#ifndef SC_BILLING_CHARGES_H
#define SC_BILLING_CHARGES_H

#include "billing/tariff.h"

/* ---- usage ---- */
#define SC_USAGE_MONTHS_MAX 15
struct sc_usage {
    int64_t energy_wh[SC_SLOT_COUNT]; /* with one price for all hours, everything is off-peak */
    size_t month_count;
    struct {
        int32_t month; /* year * 12 + month - 1, of the tariff's clock */
        int64_t wh;
    } months[SC_USAGE_MONTHS_MAX]; /* for the flags */
    int64_t demand_w[SC_SLOT_COUNT];      /* highest mean power over 15 min (or an interval, if longer) */
    int64_t reactive_excess_uwh;          /* sum over hours with f < fr of E (fr/f - 1), in millionths of a Wh */
    int64_t reactive_demand_uw[SC_SLOT_COUNT]; /* max over hours of P max(fr/f, 1), in millionths of a W */
    uint32_t inductive_hours, capacitive_hours; /* hours below the reference factor, by kind */
};

/* Collects usage from intervals in rising order of time. */
struct sc_usage_meter {
    const struct sc_tariff *tariff; /* borrowed */
    struct sc_usage usage;
    /* the running quarter of an hour and hour; start INT64_MIN = none */
    int64_t quarter_start_ms, quarter_wh;
    int64_t hour_start_ms, hour_wh, hour_varh[2]; /* [0] inductive, [1] capacitive */
};
struct sc_usage_interval {
    int64_t start_ms;
    uint32_t interval_s;
    int64_t energy_wh, inductive_varh, capacitive_varh; /* >= 0 */
};
void sc_usage_init(struct sc_usage_meter *m, const struct sc_tariff *tariff);
/* SC_E_LIMIT: more than SC_USAGE_HOUR_WH_MAX in one hour (or interval, if longer), or more months than fit. */
#define SC_USAGE_HOUR_WH_MAX ((int64_t)500000000) /* 500 MWh; so that a year's sums of millionths fit in 63 bits */
sc_err sc_usage_add(struct sc_usage_meter *m, const struct sc_usage_interval *in) SC_MUST_CHECK;
/* Ends the running hour; call once, then read m->usage. */
void sc_usage_finish(struct sc_usage_meter *m);

/* ---- charges ---- */
struct sc_contract {
    int64_t client_id;
    uint32_t meter;
    int phases;                        /* 1..3 */
    int64_t contracted_w[SC_SLOT_COUNT]; /* azul: peak and off-peak; verde: off-peak holds the one value */
};

#define SC_CHARGE_LINES_MAX 32
struct sc_charge_line {
    const char *code;      /* "energy", "minimum", "flag", "demand", "overshoot", "reactive_energy", "reactive_demand" */
    const char *detail;    /* slot or flag; NULL: none */
    int32_t month;         /* flags: year * 12 + month - 1; else 0 */
    const char *unit;      /* "kWh", "kW" */
    int64_t quantity;      /* nanos of the unit */
    int64_t unit_price;    /* nanos of a real */
    int64_t amount_cents;
};
struct sc_charges {
    size_t line_count;
    struct sc_charge_line lines[SC_CHARGE_LINES_MAX];
    int64_t billed_wh;      /* energy lines together, with the minimum */
    int64_t subtotal_cents; /* sum of the lines, without taxes */
    int64_t pis_rate, cofins_rate, icms_rate;
    int64_t taxed_cents;    /* with taxes inside */
    int64_t icms_cents, pis_cents, cofins_cents;
    int64_t cosip_cents;
    int64_t total_cents;
};
/* Prices usage: every line rounded to the centavo, taxes once on their sum, COSIP last.  SC_E_LIMIT: absurd amounts;
 * SC_E_USAGE: the contract lacks what the tariff needs (phases 1..3, contracted demand). */
sc_err sc_charges_compute(const struct sc_tariff *t, const struct sc_contract *contract, const struct sc_usage *usage,
                          struct sc_charges *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
