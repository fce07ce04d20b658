/* fraud/robust.h - medians and the like, and how far a series fell from one part to the next.  Pure, thread-safe. */
#ifndef SC_FRAUD_ROBUST_H
#define SC_FRAUD_ROBUST_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Median; reorders values.  NAN for none.  Values must not be NAN. */
double fraud_median(double *values, size_t count);
/* Pearson's correlation over the places where both are numbers; NAN with fewer than 4 or without variance. */
double fraud_correlation(const double *a, const double *b, size_t count);

/* A daily series falls from the days [from, at) to the days [at, to).  Days are compared within their stratum (kind of
 * day) only, so that weekends do not look like a change. */
#define FRAUD_STRATA_MAX 3
struct fraud_change {
    double before, after;  /* medians of the parts */
    double drop;           /* weighted mean over strata of (median before - median after) */
    double variance;       /* of one day about its part's median, shrunk towards prior_variance */
    double weight;         /* sum of n1*n2/(n1+n2): how many days the comparison is worth */
};
/* NAN days are left out; count <= 400.  weight is 0 when no stratum has days on both sides. */
struct fraud_change fraud_change_at(const double *y, const uint8_t *stratum, size_t from, size_t at, size_t to,
                                    double prior_variance);
/* drop / its uncertainty; the wobble is what levels do over days anyway: no number of days makes it certain. */
double fraud_change_statistic(const struct fraud_change *c, double wobble);

#endif
