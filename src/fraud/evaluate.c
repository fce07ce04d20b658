#include "fraud/evaluate.h"

#include <math.h>
#include <stdlib.h>

const char *const sc_theft_sort_names[SC_THEFT_SORT_COUNT] = {"under-report", "evening", "zero-hours"};

struct theft {
    size_t first_day;
    double from_h, to_h; /* hours of the day */
    double seen;         /* what the meter sees in them */
};

static void theft_apply(struct sc_load_table *t, size_t customer, const struct theft *theft)
{
    for (size_t d = theft->first_day; d < t->day_count; d++) {
        float *kw = sc_load_curve(t, customer, d);
        for (size_t s = 0; s < t->slot_count; s++) {
            const double hour = 24.0 * (double)s / (double)t->slot_count;
            if (hour >= theft->from_h && hour < theft->to_h)
                kw[s] = (float)((double)kw[s] * theft->seen); /* missing stays missing */
        }
    }
}

static struct theft theft_draw(struct sc_prng *prng, const struct sc_load_table *t, enum sc_theft_sort sort)
{
    struct theft theft = {.from_h = 0.0, .to_h = 24.0};
    const size_t quarter = t->day_count / 4;
    theft.first_day = quarter + (size_t)sc_prng_below(prng, t->day_count - 2 * quarter);
    switch (sort) {
    case SC_THEFT_UNDER_REPORT:
        theft.seen = 0.25 + 0.35 * sc_prng_uniform(prng);
        break;
    case SC_THEFT_EVENING:
        theft.from_h = 17.0;
        theft.to_h = 23.0;
        theft.seen = 0.1 + 0.3 * sc_prng_uniform(prng);
        break;
    default:
        theft.from_h = floor(20.0 * sc_prng_uniform(prng));
        theft.to_h = fmin(24.0, theft.from_h + 4.0 + floor(5.0 * sc_prng_uniform(prng)));
        theft.seen = 0.0;
        break;
    }
    return theft;
}

static bool uses_something(const struct sc_load_table *t, size_t customer)
{
    size_t days = 0;
    for (size_t d = 0; d < t->day_count; d++) {
        const float *kw = sc_load_curve(t, customer, d);
        size_t used = 0;
        for (size_t s = 0; s < t->slot_count; s++)
            used += kw[s] > 0.0f;
        days += 2 * used > t->slot_count;
    }
    return 4 * days > 3 * t->day_count;
}

size_t sc_theft_inject(struct sc_load_table *table, size_t count, enum sc_theft_sort sort, uint64_t seed,
                       struct sc_theft_truth *truth)
{
    struct sc_prng prng;
    sc_prng_init(&prng, seed);
    for (size_t c = 0; c < table->customer_count; c++)
        truth[c] = (struct sc_theft_truth){0};
    size_t made = 0;
    /* Draws with rejection; gives up where hardly anybody is fit. */
    for (size_t tries = 0; made < count && tries < 100 * table->customer_count; tries++) {
        const size_t c = (size_t)sc_prng_below(&prng, table->customer_count);
        if (truth[c].thief || !uses_something(table, c))
            continue;
        const enum sc_theft_sort drawn = (enum sc_theft_sort)sc_prng_below(&prng, SC_THEFT_SORT_COUNT);
        truth[c].thief = true;
        truth[c].sort = sort == SC_THEFT_SORT_COUNT ? drawn : sort;
        const struct theft theft = theft_draw(&prng, table, truth[c].sort);
        truth[c].first_day = theft.first_day;
        theft_apply(table, c, &theft);
        made++;
    }
    return made;
}

struct sc_ranking_quality sc_ranking_judge(const struct sc_fraud *f, const struct sc_theft_truth *truth,
                                           enum sc_theft_sort only)
{
    struct sc_ranking_quality q = {.auc = NAN, .mean_rank = NAN};
    const size_t n = sc_fraud_table(f)->customer_count;
    double rank_sum = 0.0, pairs_won = 0.0, honest_seen = 0.0;
    for (size_t r = n; r-- > 0;) { /* from the least suspicious */
        const struct sc_fraud_finding *finding = sc_fraud_finding(f, r);
        const struct sc_theft_truth *is = &truth[finding->customer];
        q.judged += finding->judged;
        if (!is->thief) {
            honest_seen += 1.0;
            continue;
        }
        if (only != SC_THEFT_SORT_COUNT && is->sort != only)
            continue;
        q.thieves++;
        q.top10 += r < 10;
        rank_sum += (double)(r + 1);
        pairs_won += honest_seen;
    }
    if (q.thieves == 0)
        return q;
    q.mean_rank = rank_sum / (double)q.thieves;
    if (honest_seen > 0.0)
        q.auc = pairs_won / ((double)q.thieves * honest_seen);
    return q;
}

struct scored {
    double score;
    bool thief;
};

static int by_score(const void *a, const void *b)
{
    const double x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;
    return (x > y) - (x < y);
}

sc_err sc_ranking_auc(const double *score, const bool *thief, size_t count, double *auc_out)
{
    SC_CLEANUP(sc_freep) struct scored *s = calloc(count == 0 ? 1 : count, sizeof *s);
    if (s == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        s[i] = (struct scored){score[i], thief[i]};
    qsort(s, count, sizeof *s, by_score);
    double honest_below = 0.0, honest = 0.0, thieves = 0.0, won = 0.0;
    for (size_t i = 0, end; i < count; i = end) {
        double tied_thieves = 0.0, tied_honest = 0.0;
        for (end = i; end < count && s[end].score == s[i].score; end++)
            *(s[end].thief ? &tied_thieves : &tied_honest) += 1.0;
        won += tied_thieves * (honest_below + 0.5 * tied_honest);
        honest_below += tied_honest;
        honest += tied_honest;
        thieves += tied_thieves;
    }
    if (honest == 0.0 || thieves == 0.0)
        return SC_E_USAGE;
    *auc_out = won / (honest * thieves);
    return SC_OK;
}
