/* fraud/evaluate.h - how well the ranking finds thefts whose truth is known: seeded thefts put into honest curves, and
 * the usual figures over a ranking.  Pure; not thread-safe on one table. */
#ifndef SC_FRAUD_EVALUATE_H
#define SC_FRAUD_EVALUATE_H

#include "base/clock.h"
#include "fraud/fraud.h"

enum sc_theft_sort {
    SC_THEFT_UNDER_REPORT, /* the meter sees a constant 25..60 % of every interval */
    SC_THEFT_EVENING,      /* 17 to 23 h: the meter sees 10..40 % */
    SC_THEFT_ZERO_HOURS,   /* a window of 4..8 hours, the same every day, reads zero */
    SC_THEFT_SORT_COUNT
};
extern const char *const sc_theft_sort_names[SC_THEFT_SORT_COUNT]; /* "under-report", "evening", "zero-hours" */

struct sc_theft_truth {
    bool thief;
    enum sc_theft_sort sort;
    size_t first_day; /* of the table */
};

/* Makes count of the table's customers thieves, drawn from seed: who, which sort (SC_THEFT_SORT_COUNT = any), first day
 * (in the middle half of the table's days), how much.  Only customers with some use on most days are drawn, since
 * nothing can be stolen from nothing.  truth has customer_count elements.  Returns how many were made. */
size_t sc_theft_inject(struct sc_load_table *table, size_t count, enum sc_theft_sort sort, uint64_t seed,
                       struct sc_theft_truth *truth);

struct sc_ranking_quality {
    double auc;       /* chance that a random thief stands before a random honest customer; NAN without both */
    double mean_rank; /* of the thieves, 1 = most suspicious; NAN without */
    size_t thieves;
    size_t top10;     /* thieves among the first ten */
    size_t judged;
};
/* only: SC_THEFT_SORT_COUNT = all thieves, else the thieves of that sort against the honest ones. */
struct sc_ranking_quality sc_ranking_judge(const struct sc_fraud *f, const struct sc_theft_truth *truth,
                                           enum sc_theft_sort only);
/* Area under the curve of any score (higher = more suspicious), ties counted half. */
sc_err sc_ranking_auc(const double *score, const bool *thief, size_t count, double *auc_out) SC_MUST_CHECK;

#endif
