/* metering/profile.h - consumption: measured data files, typical-day figures derived from them, series drawn from those
 * figures, and theft.
 *
 * Objects are immutable once made and may be shared between threads. */
#ifndef SC_METERING_PROFILE_H
#define SC_METERING_PROFILE_H

#include "base/clock.h"
#include "base/json.h"
#include "metering/schema.h"

/* ---- (a) data sets ---- */
struct sc_dataset;

#define SC_DATASET_CUSTOMERS_MAX 100000
#define SC_DATASET_DAYS_MAX      4000
#define SC_WH_MISSING            UINT32_MAX

struct sc_dataset_options {
    double annual_mwh;       /* of each site, for normalised files (W per MWh/a); 0 = a default by site name */
    size_t customers_max;    /* 0 = all; the first in file order that cover the window */
    size_t days;             /* length of the window; 0 = from the first to the last day of the file */
    const char *first_day;   /* "2009-03-01", or NULL: chosen (see docs/services/profile.md) */
    bool one_calendar;       /* meters measured in other years than the first one are moved beside it, by whole weeks */
};
/* gz or plain CSV, told by its header line:
 *   meter,date,v00..v47   kWh per half hour that starts there
 *   meter,date,v00..v95   mean W per MWh/a of a quarter hour
 *   date,start,kwh,kvarh_lag,kvarh_lead,...   one steel works, quarter hours
 * Empty cells and absent days are missing.  SC_E_MALFORMED names path:line:column; a truncated gz or row is one. */
sc_err sc_dataset_load(const char *path, const struct sc_dataset_options *opt, struct sc_dataset **out,
                       struct sc_diag *diag) SC_MUST_CHECK;
/* The same from memory (already unpacked); name stands for the path in errors. */
sc_err sc_dataset_parse(struct sc_slice csv, const char *name, const struct sc_dataset_options *opt,
                        struct sc_dataset **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_dataset_free(struct sc_dataset *d); /* NULL is fine */
void sc_dataset_freep(struct sc_dataset **d);

size_t sc_dataset_customer_count(const struct sc_dataset *d);
size_t sc_dataset_day_count(const struct sc_dataset *d);
uint32_t sc_dataset_interval_s(const struct sc_dataset *d);
size_t sc_dataset_interval_count(const struct sc_dataset *d); /* day_count * 86400 / interval_s */
int64_t sc_dataset_first_ms(const struct sc_dataset *d);      /* midnight of the first day, the file's clock */
bool sc_dataset_has_reactive(const struct sc_dataset *d);
/* Customers are named kinds of site ("metal", "school_small"), not anonymous households. */
bool sc_dataset_has_sites(const struct sc_dataset *d);
const char *sc_dataset_customer_name(const struct sc_dataset *d, size_t customer); /* as in the file: "E0001", "metal" */
enum sc_customer_class sc_dataset_customer_class(const struct sc_dataset *d, size_t customer);
double sc_dataset_peak_kw(const struct sc_dataset *d, size_t customer); /* highest interval, 0 when all are missing */
/* Energy of one interval, Wh, or SC_WH_MISSING. */
uint32_t sc_dataset_wh(const struct sc_dataset *d, size_t customer, size_t interval);
/* Reactive energy, varh; 0 without or when missing. */
uint32_t sc_dataset_inductive_varh(const struct sc_dataset *d, size_t customer, size_t interval);
uint32_t sc_dataset_capacitive_varh(const struct sc_dataset *d, size_t customer, size_t interval);

/* ---- (b) typical-day figures ---- */
enum sc_day_type { SC_DAY_WEEKDAY, SC_DAY_SATURDAY, SC_DAY_SUNDAY, SC_DAY_TYPE_COUNT };
enum sc_day_type sc_day_type_of(int64_t start_ms);

#define SC_PROFILE_SLOTS_MAX  96
#define SC_PROFILE_KINDS_MAX  32
#define SC_PROFILE_QUANTILES  21 /* 0 %, 5 % ... 100 % */

/* One kind of customer ("household", "metal"): aggregate statistics only, nobody's rows. */
struct sc_profile_kind {
    char name[32];
    enum sc_customer_class customer_class;
    uint32_t customers;                       /* how many it was derived from */
    double level_wh[SC_PROFILE_QUANTILES];    /* quantiles over customers of the mean Wh per day; ends: 2.5, 97.5 % */
    double day_factor[SC_DAY_TYPE_COUNT];     /* mean energy of a day of the type / mean of all days */
    double shape[SC_DAY_TYPE_COUNT][SC_PROFILE_SLOTS_MAX];  /* share of the slot in its day, sum 1 */
    double spread[SC_DAY_TYPE_COUNT][SC_PROFILE_SLOTS_MAX]; /* standard deviation of ln(value / expected), per slot */
    double customer_spread;                   /* standard deviation of ln(customer's own shape / shape) */
    double day_spread;                        /* standard deviation of ln(day's energy / expected) */
    double day_correlation[SC_DAY_TYPE_COUNT];/* of that between a day and the one before, by the day's type */
    double slot_correlation;                  /* lag-1 correlation of the slots' deviations */
    double zero_share;                        /* share of intervals with no energy at all */
};
struct sc_profile {
    char source[256];  /* data set and licence */
    uint32_t interval_s;
    size_t kind_count;
    struct sc_profile_kind kind[SC_PROFILE_KINDS_MAX];
};
/* Figures of d: one kind for all customers of a household file, one kind a site for a file of named sites.
 * SC_E_USAGE: no customer with enough days. */
sc_err sc_profile_derive(const struct sc_dataset *d, const char *source, struct sc_profile **out, struct sc_diag *diag)
    SC_MUST_CHECK;
void sc_profile_free(struct sc_profile *p);
void sc_profile_freep(struct sc_profile **p);
sc_err sc_profile_to_json(const struct sc_profile *p, json_t **out) SC_MUST_CHECK;
sc_err sc_profile_from_json(const json_t *doc, struct sc_profile **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_profile_read(const char *path, struct sc_profile **out, struct sc_diag *diag) SC_MUST_CHECK;

/* One synthetic customer's endless series, interval by interval; independent of all other customers. */
struct sc_profile_draw;
struct sc_profile_draw_options {
    size_t kind;
    uint64_t seed, customer;
    int64_t first_day_ms;   /* midnight UTC of the first day */
    double mean_wh_per_day; /* 0 = drawn from the level distribution */
};
/* p is borrowed and must outlive the draw. */
sc_err sc_profile_draw_new(const struct sc_profile *p, const struct sc_profile_draw_options *opt,
                           struct sc_profile_draw **out) SC_MUST_CHECK;
void sc_profile_draw_free(struct sc_profile_draw *d);
void sc_profile_draw_freep(struct sc_profile_draw **d);
/* The next interval's energy, Wh; starts with the first of the first day. */
uint32_t sc_profile_draw_next(struct sc_profile_draw *d);
double sc_profile_draw_mean_wh_per_day(const struct sc_profile_draw *d);

/* ---- (c) theft ---- */
enum sc_theft_kind {
    SC_THEFT_NONE,
    SC_THEFT_BYPASS,        /* a fraction passes beside the meter, always */
    SC_THEFT_BYPASS_EVENING /* the same, only from 17 to 23 h */
};
struct sc_theft {
    enum sc_theft_kind kind;
    int64_t from_ms;
    double fraction;        /* that is not metered, 0..1 */
};
/* Kind, first day (inside [first_ms, last_ms)) and fraction (0.60..0.75) of a thief, by (seed, customer). */
void sc_theft_draw(uint64_t seed, uint64_t customer, int64_t first_ms, int64_t last_ms, struct sc_theft *out);
/* What the meter sees of true_wh in the interval that starts at start_ms (the data's clock). */
uint64_t sc_theft_metered_wh(const struct sc_theft *t, int64_t start_ms, uint64_t true_wh);

#endif
