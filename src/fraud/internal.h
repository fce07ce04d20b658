/* fraud/internal.h - what the files of the fraud analysis share.  Everything lives in one arena. */
#ifndef SC_FRAUD_INTERNAL_H
#define SC_FRAUD_INTERNAL_H

#include "base/arena.h"
#include "fraud/fraud.h"
#include "fraud/robust.h"

#define BAND_HOURS    6
#define BAND_STEP     3
#define BAND_COUNT    7   /* 0-6, 3-9, ... 18-24 h */
#define PART_DAYS_MAX 28  /* a part reaches this far: further away, seasons speak louder than thieves */
#define DAY_SHARE_MIN 0.75

enum { SERIES_LEVEL, SERIES_BASE, SERIES_BAND, SERIES_COUNT = SERIES_BAND + BAND_COUNT };

struct group {
    size_t first, count; /* in fraud.member */
};

struct sc_fraud {
    const struct sc_load_table *table;
    struct sc_arena arena;
    uint8_t *stratum;             /* [day], per kind of day */
    size_t series_count;          /* 1 or SERIES_COUNT */
    float *series;                /* [customer][series][day]; NAN = day not usable */
    float *deviation;             /* the same less its median over the days of the stratum */
    float *day_mean;              /* [customer][day] kW; NAN = day not usable */
    size_t group_count;
    struct group *group;
    size_t *member;               /* customers, group by group */
    size_t *group_of;             /* [customer] */
    float *group_shape;           /* [group][day][slot]: median of curve / mean */
    size_t shape_size;            /* components of a curve on the map */
    struct sc_som *map;
    uint16_t *unit;               /* [customer][day], UINT16_MAX = none */
    float *unit_distance;         /* [customer][day], NAN = none */
    size_t *hits;                 /* [unit] */
    struct sc_som_quality quality;
    double noise[SERIES_COUNT];   /* usual variance of a day, over all customers */
    struct sc_fraud_finding *finding;
};

static inline float *fraud_series(const struct sc_fraud *f, float *of, size_t customer, size_t series)
{
    return of + (customer * f->series_count + series) * f->table->day_count;
}

/* series.c */
sc_err fraud_series_make(struct sc_fraud *f) SC_MUST_CHECK;   /* stratum, series, deviation, mean_kw, day_count, noise */
sc_err fraud_groups_make(struct sc_fraud *f) SC_MUST_CHECK;   /* needs findings' mean_kw, by customer */
sc_err fraud_group_shapes_make(struct sc_fraud *f) SC_MUST_CHECK;
/* The group's movement on each day, the customer itself left out; 0 where nobody else is there. */
void fraud_movement(const struct sc_fraud *f, size_t customer, size_t series, double *scratch, double *day_out);

/* shape.c */
sc_err fraud_map_make(struct sc_fraud *f, const struct sc_fraud_options *opt) SC_MUST_CHECK;
/* Fills the four features of shape for the parts [from, at) and [at, to). */
void fraud_shape_measure(const struct sc_fraud *f, struct sc_fraud_finding *finding, size_t from, size_t to);

bool fraud_day_usable(const struct sc_fraud *f, size_t customer, size_t day);

#endif
