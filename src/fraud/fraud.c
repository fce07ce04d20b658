#include "fraud/internal.h"

#include <math.h>

const char *const sc_fraud_feature_names[SC_FRAUD_FEATURE_COUNT] = {
    [SC_FRAUD_LEVEL] = "level",
    [SC_FRAUD_BASE] = "base",
    [SC_FRAUD_BAND] = "band",
    [SC_FRAUD_OWN_CORRELATION] = "own_correlation",
    [SC_FRAUD_GROUP_CORRELATION] = "group_correlation",
    [SC_FRAUD_MAP_DISTANCE] = "map_distance",
    [SC_FRAUD_MAP_MOVE] = "map_move",
    [SC_FRAUD_STAKE] = "stake",
};

/* What is paid less is what thieves are after, so the three features of level carry the score; the course of the day
 * tells kinds of theft apart and adds evidence.  Chosen on seeded thefts in measured data (docs/services/fraud.md). */
const double sc_fraud_feature_weights[SC_FRAUD_FEATURE_COUNT] = {
    [SC_FRAUD_LEVEL] = 1.0,
    [SC_FRAUD_BASE] = 1.0,
    [SC_FRAUD_BAND] = 1.0,
    [SC_FRAUD_OWN_CORRELATION] = 0.25,
    [SC_FRAUD_GROUP_CORRELATION] = 0.25,
    [SC_FRAUD_MAP_DISTANCE] = 0.25,
    [SC_FRAUD_MAP_MOVE] = 0.25,
    [SC_FRAUD_STAKE] = 0.8,
};

#define Z_MAX           8.0
#define PRIOR_CUSTOMERS 10.0 /* how many customers the fixed median and spread below count for */

/* Median and 1.4826 * MAD of each statistic at the strongest day, where nobody steals: what the population's own
 * figures are shrunk towards when the customers are few. */
static const struct {
    double median, spread;
} usual[SC_FRAUD_FEATURE_COUNT] = {
    [SC_FRAUD_LEVEL] = {0.3, 0.9},
    [SC_FRAUD_BASE] = {0.2, 0.8},
    [SC_FRAUD_BAND] = {1.5, 0.6},
    [SC_FRAUD_OWN_CORRELATION] = {0.2, 1.3},
    [SC_FRAUD_GROUP_CORRELATION] = {0.1, 1.2},
    [SC_FRAUD_MAP_DISTANCE] = {0.0, 1.0},
    [SC_FRAUD_MAP_MOVE] = {0.1, 1.2},
    [SC_FRAUD_STAKE] = {0.0, 0.6},
};

void sc_fraud_free(struct sc_fraud *f)
{
    if (f == NULL)
        return;
    sc_som_free(f->map);
    sc_arena_deinit(&f->arena);
    free(f);
}

void sc_fraud_freep(struct sc_fraud **f)
{
    sc_fraud_free(*f);
}

/* ---- the strongest day ---- */

/* One customer's series without the group's movement, as doubles. */
struct moved {
    double y[SERIES_COUNT][SC_LOAD_DAYS_MAX];
    double movement[SC_LOAD_DAYS_MAX]; /* of the level */
};

static void moved_make(const struct sc_fraud *f, size_t customer, double *scratch, struct moved *out)
{
    for (size_t s = 0; s < f->series_count; s++) {
        double movement[SC_LOAD_DAYS_MAX];
        fraud_movement(f, customer, s, scratch, movement);
        const float *y = fraud_series(f, f->series, customer, s);
        for (size_t d = 0; d < f->table->day_count; d++) {
            out->y[s][d] = (double)y[d] - movement[d];
            if (s == SERIES_LEVEL)
                out->movement[d] = movement[d];
        }
    }
}

struct split {
    size_t from, at, to;
    double evidence;
    size_t band;
    struct fraud_change change[3];
    double statistic[3]; /* level, base, band */
};

static double positive(double v)
{
    return v > 0.0 ? v : 0.0; /* NAN too */
}

static void split_measure(const struct sc_fraud *f, const struct moved *m, struct split *s)
{
    static const double wobble[3] = {0.15, 0.15, 0.2};
    s->evidence = 0.0;
    s->statistic[0] = s->statistic[1] = s->statistic[2] = NAN;
    for (size_t i = 0; i < f->series_count; i++) {
        const struct fraud_change c = fraud_change_at(m->y[i], f->stratum, s->from, s->at, s->to, f->noise[i]);
        const size_t feature = i < SERIES_BAND ? i : SERIES_BAND;
        const double statistic = fraud_change_statistic(&c, wobble[feature]);
        if (isnan(s->statistic[feature]) || statistic > s->statistic[feature]) {
            s->statistic[feature] = statistic;
            s->change[feature] = c;
            if (feature == SERIES_BAND)
                s->band = i - SERIES_BAND;
        }
    }
    for (size_t i = 0; i < 3; i++)
        s->evidence += sc_fraud_feature_weights[i] * positive(s->statistic[i]);
}

static size_t usable_between(const double *y, size_t from, size_t to)
{
    size_t n = 0;
    for (size_t d = from; d < to; d++)
        n += !isnan(y[d]);
    return n;
}

/* The first day of a theft for which most speaks; false when no day leaves enough on both sides. */
static bool strongest_split(const struct sc_fraud *f, const struct moved *m, struct split *best)
{
    const size_t days = f->table->day_count;
    const size_t part_min = days < 10 ? 2 : 3;
    bool found = false;
    for (size_t at = 1; at < days; at++) {
        struct split s = {.at = at};
        s.from = at > PART_DAYS_MAX ? at - PART_DAYS_MAX : 0;
        s.to = days - at > PART_DAYS_MAX ? at + PART_DAYS_MAX : days;
        if (usable_between(m->y[SERIES_LEVEL], s.from, at) < part_min ||
            usable_between(m->y[SERIES_LEVEL], at, s.to) < part_min)
            continue;
        split_measure(f, m, &s);
        if (!isnan(s.statistic[SC_FRAUD_LEVEL]) && (!found || s.evidence > best->evidence)) {
            *best = s;
            found = true;
        }
    }
    return found;
}

/* ---- one customer ---- */

/* The days of the changed part that fell furthest, each by its worst series, in order of time. */
static void days_show(const struct sc_fraud *f, const struct moved *m, const struct split *s,
                      struct sc_fraud_finding *out)
{
    double depth[SC_FRAUD_DAYS_SHOWN];
    size_t n = 0;
    for (size_t d = s->at; d < s->to; d++) {
        if (isnan(m->y[SERIES_LEVEL][d]))
            continue;
        const size_t band = SERIES_BAND + s->band;
        double deepest = s->change[0].before - m->y[SERIES_LEVEL][d];
        if (f->series_count > 1)
            deepest =
                fmax(deepest, fmax(s->change[1].before - m->y[SERIES_BASE][d], s->change[2].before - m->y[band][d]));
        size_t at = n < SC_FRAUD_DAYS_SHOWN ? n++ : SC_FRAUD_DAYS_SHOWN;
        for (; at > 0 && depth[at - 1] < deepest; at--) { /* insertion by depth */
            if (at == SC_FRAUD_DAYS_SHOWN)
                continue;
            depth[at] = depth[at - 1];
            out->shown_day[at] = out->shown_day[at - 1];
        }
        if (at < SC_FRAUD_DAYS_SHOWN) {
            depth[at] = deepest;
            out->shown_day[at] = d;
        }
    }
    out->shown_count = n;
    for (size_t i = 1; i < n; i++) {
        for (size_t j = i; j > 0 && out->shown_day[j - 1] > out->shown_day[j]; j--) {
            const size_t t = out->shown_day[j];
            out->shown_day[j] = out->shown_day[j - 1];
            out->shown_day[j - 1] = t;
        }
    }
}

static void customer_measure(const struct sc_fraud *f, struct sc_fraud_finding *out, struct moved *m, double *scratch)
{
    for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT; i++)
        out->feature[i] = (struct sc_fraud_measure){NAN, NAN, NAN, 0.0};
    out->change_day = SC_FRAUD_NO_DAY;
    out->group = f->group_of[out->customer];
    /* Nothing used on any day: an empty flat or a full bypass, which these figures cannot tell apart. */
    if (out->day_count < SC_FRAUD_DAYS_MIN || !(out->mean_kw > 0.0))
        return;
    moved_make(f, out->customer, scratch, m);
    struct split s;
    if (!strongest_split(f, m, &s))
        return;
    out->judged = true;
    out->change_day = s.at;
    out->band_hour = s.band * BAND_STEP;
    for (size_t i = 0; i < (f->series_count > 1 ? 3u : 1u); i++)
        out->feature[i] =
            (struct sc_fraud_measure){s.change[i].before, s.change[i].before - s.change[i].drop, s.statistic[i], 0.0};
    const struct fraud_change moved =
        fraud_change_at(m->movement, f->stratum, s.from, s.at, s.to, f->noise[SERIES_LEVEL]);
    out->group_level = -moved.drop;
    days_show(f, m, &s, out);
    fraud_shape_measure(f, out, s.from, s.to);
}

/* ---- all customers ---- */

static void feature_place(struct sc_fraud *f, size_t feature, double *values)
{
    const size_t customers = f->table->customer_count;
    size_t n = 0;
    for (size_t c = 0; c < customers; c++)
        if (!isnan(f->finding[c].feature[feature].statistic))
            values[n++] = f->finding[c].feature[feature].statistic;
    if (n == 0)
        return;
    const double own_median = fraud_median(values, n);
    for (size_t i = 0; i < n; i++)
        values[i] = fabs(values[i] - own_median);
    const double own_spread = 1.4826 * fraud_median(values, n);
    const double share = (double)n / ((double)n + PRIOR_CUSTOMERS);
    const double median = share * own_median + (1.0 - share) * usual[feature].median;
    const double spread = share * own_spread + (1.0 - share) * usual[feature].spread;
    for (size_t c = 0; c < customers; c++) {
        struct sc_fraud_measure *m = &f->finding[c].feature[feature];
        if (!isnan(m->statistic))
            m->z = (m->statistic - median) / fmax(spread, 0.3);
    }
}

static double highest_day(const struct sc_fraud *f, size_t customer)
{
    double highest = 0.0;
    for (size_t d = 0; d < f->table->day_count; d++)
        highest = fmax(highest, (double)f->day_mean[customer * f->table->day_count + d]); /* fmax drops NAN */
    return highest;
}

/* What there is to steal: an inspector's way pays most where much is used.  It is no evidence, so it weighs little. */
static void stake_measure(struct sc_fraud *f, double *values)
{
    for (int class = 0; class < SC_CLASS_COUNT; class ++) {
        size_t n = 0;
        for (size_t c = 0; c < f->table->customer_count; c++)
            if ((int)f->table->customer[c].customer_class == class && f->finding[c].judged)
                values[n++] = log(highest_day(f, c));
        const double usual_stake = fraud_median(values, n);
        for (size_t c = 0; c < f->table->customer_count; c++) {
            struct sc_fraud_measure *m = &f->finding[c].feature[SC_FRAUD_STAKE];
            if ((int)f->table->customer[c].customer_class != class || !f->finding[c].judged)
                continue;
            m->before = usual_stake;
            m->after = log(highest_day(f, c));
            m->statistic = m->after - m->before;
        }
    }
}

static void score(struct sc_fraud_finding *finding)
{
    finding->score = 0.0;
    for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT && finding->judged; i++)
        if (!isnan(finding->feature[i].statistic))
            finding->score += sc_fraud_feature_weights[i] * log1p(exp(fmin(finding->feature[i].z, Z_MAX)));
}

static int by_score(const void *a, const void *b)
{
    const struct sc_fraud_finding *x = a, *y = b;
    if (x->judged != y->judged)
        return x->judged ? -1 : 1;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->customer < y->customer ? -1 : x->customer > y->customer;
}

static sc_err findings_make(struct sc_fraud *f, const struct sc_fraud_options *opt)
{
    const size_t customers = f->table->customer_count;
    double *scratch = sc_arena_alloc(&f->arena, customers * sizeof *scratch);
    struct moved *moved = sc_arena_alloc(&f->arena, sizeof *moved);
    if (scratch == NULL || moved == NULL)
        return SC_E_NOMEM;
    for (size_t c = 0; c < customers; c++) {
        customer_measure(f, &f->finding[c], moved, scratch);
        if (opt->progress != NULL)
            opt->progress(opt->progress_self, c + 1, customers);
    }
    stake_measure(f, scratch);
    for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT; i++)
        feature_place(f, i, scratch);
    for (size_t c = 0; c < customers; c++)
        score(&f->finding[c]);
    qsort(f->finding, customers, sizeof *f->finding, by_score);
    return SC_OK;
}

static sc_err analyse(struct sc_fraud *f, const struct sc_fraud_options *opt)
{
    const size_t customers = f->table->customer_count;
    f->finding = sc_arena_alloc(&f->arena, customers * sizeof *f->finding);
    if (f->finding == NULL)
        return SC_E_NOMEM;
    for (size_t c = 0; c < customers; c++)
        f->finding[c].customer = c;
    SC_TRY(fraud_series_make(f));
    SC_TRY(fraud_groups_make(f));
    SC_TRY(fraud_group_shapes_make(f));
    SC_TRY(fraud_map_make(f, opt));
    return findings_make(f, opt);
}

sc_err sc_fraud_analyse(const struct sc_load_table *table, const struct sc_fraud_options *opt, struct sc_fraud **out,
                        struct sc_diag *diag)
{
    if (table->customer_count == 0)
        return sc_fail(diag, SC_E_USAGE, "no customers to rank");
    SC_CLEANUP(sc_fraud_freep) struct sc_fraud *f = calloc(1, sizeof *f);
    if (f == NULL)
        return sc_fail(diag, SC_E_NOMEM, "fraud analysis");
    f->table = table;
    sc_arena_init(&f->arena, (size_t)4 << 30);
    const sc_err err = analyse(f, opt);
    if (err != SC_OK)
        return sc_fail(diag, err, "fraud analysis of %zu customers and %zu days", table->customer_count,
                       table->day_count);
    *out = SC_TAKE(f);
    return SC_OK;
}

const struct sc_fraud_finding *sc_fraud_finding(const struct sc_fraud *f, size_t rank_index)
{
    SC_ASSERT(rank_index < f->table->customer_count);
    return &f->finding[rank_index];
}

const struct sc_load_table *sc_fraud_table(const struct sc_fraud *f)
{
    return f->table;
}

size_t sc_fraud_group_size(const struct sc_fraud *f, size_t group)
{
    SC_ASSERT(group < f->group_count);
    return f->group[group].count;
}

const struct sc_som *sc_fraud_map(const struct sc_fraud *f)
{
    return f->map;
}

struct sc_som_quality sc_fraud_map_quality(const struct sc_fraud *f)
{
    return f->quality;
}

size_t sc_fraud_map_hits(const struct sc_fraud *f, size_t unit)
{
    SC_ASSERT(f->map != NULL && unit < sc_som_unit_count(f->map));
    return f->hits[unit];
}

size_t sc_fraud_map_unit(const struct sc_fraud *f, size_t customer, size_t day)
{
    const uint16_t unit = f->unit[customer * f->table->day_count + day];
    return unit == UINT16_MAX ? SC_SOM_NO_UNIT : unit;
}
