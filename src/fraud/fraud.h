/* fraud/fraud.h - whose consumption changed in a way that theft would explain: ranking of customers with reasons.
 *
 * Pure: no files, no sockets, no threads.  After the idea of the original platform: a self-organising map of daily load
 * curves and the correlation with regular behaviour in windows of one day.  For each customer and each possible first
 * day of a theft, the days before it ("regular part") are compared with those from it on ("changed part"), weekdays
 * with weekdays, Saturdays with Saturdays, Sundays with Sundays, after taking out what the customer's group (same class,
 * similar level) did on the same day.  The day with the strongest evidence is kept; all features are measured there.
 *
 * Each feature is a drop or a rise between the parts in natural units (enum below), divided by its uncertainty
 * ("statistic"), then placed among all customers (robust z-score from median and MAD, shrunk towards fixed values when
 * the customers are few).  score = sum of weight * ln(1 + e^z), z clipped: what is usual adds next to nothing.  docs/services/fraud.md tells what that finds
 * and what not. */
#ifndef SC_FRAUD_FRAUD_H
#define SC_FRAUD_FRAUD_H

#include "fraud/load.h"
#include "fraud/som.h"

enum sc_fraud_feature {
    SC_FRAUD_LEVEL,             /* ln of the day's mean power, against own regular part, less the group's movement */
    SC_FRAUD_BASE,              /* ln of the mean of the day's lowest quarter of slots, likewise: what always runs */
    SC_FRAUD_BAND,              /* ln of a six-hour band against the rest of the same day; the worst band */
    SC_FRAUD_OWN_CORRELATION,   /* Fisher z of the correlation with the own regular curve */
    SC_FRAUD_GROUP_CORRELATION, /* Fisher z of the correlation with the group's median curve of that day */
    SC_FRAUD_MAP_DISTANCE,      /* distance of the day's curve to the best-matching unit of the map */
    SC_FRAUD_MAP_MOVE,          /* median grid distance to the units of the regular part */
    SC_FRAUD_STAKE,             /* ln of the highest day's mean power over the class's median: what a theft is worth;
                                 * no change between parts, so `before` is the class's figure, `after` the customer's */
    SC_FRAUD_FEATURE_COUNT
};
extern const char *const sc_fraud_feature_names[SC_FRAUD_FEATURE_COUNT];   /* "level", "base", ... */
extern const double sc_fraud_feature_weights[SC_FRAUD_FEATURE_COUNT];

struct sc_fraud_measure {
    double before, after;  /* median over the days of each part, natural units; NAN when not measurable */
    double statistic;      /* change in the suspicious direction / its uncertainty; NAN likewise */
    double z;              /* among all customers, 0 when not measurable */
};

#define SC_FRAUD_DAYS_SHOWN 5
#define SC_FRAUD_NO_DAY     SIZE_MAX

struct sc_fraud_finding {
    size_t customer;               /* index in the load table */
    bool judged;                   /* false: too little to judge; score is 0, ranks behind all judged */
    double score;                  /* >= 0 */
    size_t day_count;              /* days with at least three quarters of their slots measured */
    size_t change_day;             /* first day of the changed part; SC_FRAUD_NO_DAY if not judged */
    size_t group;                  /* see sc_fraud_group_size() */
    size_t band_hour;              /* the worst band is [band_hour, band_hour + 6) h */
    double mean_kw;                /* over all measured slots; NAN without any */
    double group_level;            /* the group's movement between the parts: ln after - ln before */
    struct sc_fraud_measure feature[SC_FRAUD_FEATURE_COUNT];
    size_t shown_count;            /* days of the changed part that speak loudest, in order of time */
    size_t shown_day[SC_FRAUD_DAYS_SHOWN];
};

struct sc_fraud_options {
    uint64_t seed;                 /* of the map's first codebook */
    enum sc_som_grid grid;
    size_t map_side;               /* columns = rows; 0 = from the number of curves, 3..10 */
    void (*progress)(void *self, size_t done, size_t total); /* may be NULL */
    void *progress_self;
};

struct sc_fraud;
#define SC_FRAUD_DAYS_MIN 4 /* fewer days with data: too little to judge */

/* table is borrowed and must outlive the result.  SC_E_USAGE: not a single customer. */
sc_err sc_fraud_analyse(const struct sc_load_table *table, const struct sc_fraud_options *opt, struct sc_fraud **out,
                        struct sc_diag *diag) SC_MUST_CHECK;
void sc_fraud_free(struct sc_fraud *f); /* NULL is fine */
void sc_fraud_freep(struct sc_fraud **f);

/* Findings, most suspicious first; as many as customers.  Equal scores stand in the table's order. */
const struct sc_fraud_finding *sc_fraud_finding(const struct sc_fraud *f, size_t rank_index);
const struct sc_load_table *sc_fraud_table(const struct sc_fraud *f);
size_t sc_fraud_group_size(const struct sc_fraud *f, size_t group); /* members, the customer itself included */

/* The map, or NULL when curves have fewer than four slots or none is complete enough. */
const struct sc_som *sc_fraud_map(const struct sc_fraud *f);
struct sc_som_quality sc_fraud_map_quality(const struct sc_fraud *f);
size_t sc_fraud_map_hits(const struct sc_fraud *f, size_t unit);                 /* daily curves that it matches best */
size_t sc_fraud_map_unit(const struct sc_fraud *f, size_t customer, size_t day); /* or SC_SOM_NO_UNIT */

/* The curves that explain a finding; slot_count floats, kW, NAN where unknown.  The regular curve is the slotwise median
 * of the regular part's days of the same kind (weekday or weekend; all days when there are none). */
void sc_fraud_regular_curve(const struct sc_fraud *f, const struct sc_fraud_finding *finding, size_t day, float *out);
/* The group's median curve of that day, scaled to the customer's regular level. */
void sc_fraud_group_curve(const struct sc_fraud *f, const struct sc_fraud_finding *finding, size_t day, float *out);

#endif
