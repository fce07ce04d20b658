#include "fraud/internal.h"

#include "base/clock.h"

#include <math.h>

#define GROUP_SIZE     30 /* enough for a steady median, few enough to be alike */
#define GROUP_SIZE_MIN 3
#define FLOOR_SHARE    0.05 /* of the usual level: below, logarithms only measure noise */
#define FLOOR_KW       1e-6

bool fraud_day_usable(const struct sc_fraud *f, size_t customer, size_t day)
{
    const float *kw = sc_load_curve(f->table, customer, day);
    size_t present = 0;
    for (size_t s = 0; s < f->table->slot_count; s++)
        present += !isnan(kw[s]);
    return (double)present >= DAY_SHARE_MIN * (double)f->table->slot_count;
}

/* Mean of the slots in [from_h, to_h) hours; NAN without any. */
static double mean_between(const struct sc_load_table *t, const float *kw, size_t from_h, size_t to_h, bool outside)
{
    double sum = 0.0;
    size_t n = 0;
    for (size_t s = 0; s < t->slot_count; s++) {
        const size_t hour = s * 24 / t->slot_count;
        if ((hour >= from_h && hour < to_h) != outside && !isnan(kw[s])) {
            sum += (double)kw[s];
            n++;
        }
    }
    return n == 0 ? NAN : sum / (double)n;
}

static double lowest_quarter_mean(const struct sc_load_table *t, const float *kw)
{
    double v[SC_LOAD_SLOTS_MAX];
    size_t n = 0;
    for (size_t s = 0; s < t->slot_count; s++)
        if (!isnan(kw[s]))
            v[n++] = (double)kw[s];
    fraud_median(v, n); /* orders into halves */
    fraud_median(v, (n + 1) / 2);
    const size_t quarter = n >= 4 ? n / 4 : 1;
    double sum = 0.0;
    for (size_t i = 0; i < quarter; i++)
        sum += v[i];
    return sum / (double)quarter;
}

static void day_values(const struct sc_fraud *f, const float *kw, double floor_kw, float *values)
{
    const struct sc_load_table *t = f->table;
    values[SERIES_LEVEL] = (float)log(mean_between(t, kw, 0, 24, false) + floor_kw);
    if (f->series_count == 1)
        return;
    values[SERIES_BASE] = (float)log(lowest_quarter_mean(t, kw) + floor_kw);
    for (size_t b = 0; b < BAND_COUNT; b++) {
        const double in = mean_between(t, kw, b * BAND_STEP, b * BAND_STEP + BAND_HOURS, false);
        const double out = mean_between(t, kw, b * BAND_STEP, b * BAND_STEP + BAND_HOURS, true);
        values[SERIES_BAND + b] = (float)(log(in + floor_kw) - log(out + floor_kw));
    }
}

/* The median of the customer's daily means: the yardstick for what is next to nothing. */
static double usual_level(const struct sc_fraud *f, size_t customer, double *days, struct sc_fraud_finding *finding)
{
    const struct sc_load_table *t = f->table;
    double sum = 0.0;
    size_t slots = 0, n = 0;
    for (size_t d = 0; d < t->day_count; d++) {
        const float *kw = sc_load_curve(t, customer, d);
        for (size_t s = 0; s < t->slot_count; s++) {
            if (!isnan(kw[s])) {
                sum += (double)kw[s];
                slots++;
            }
        }
        if (fraud_day_usable(f, customer, d))
            days[n++] = mean_between(t, kw, 0, 24, false);
    }
    finding->mean_kw = slots == 0 ? NAN : sum / (double)slots;
    finding->day_count = n;
    return n == 0 ? 0.0 : fraud_median(days, n);
}

static void customer_series(struct sc_fraud *f, size_t customer, double *days)
{
    const struct sc_load_table *t = f->table;
    const double floor_kw = FLOOR_SHARE * usual_level(f, customer, days, &f->finding[customer]) + FLOOR_KW;
    for (size_t d = 0; d < t->day_count; d++) {
        float values[SERIES_COUNT];
        const bool usable = fraud_day_usable(f, customer, d);
        f->day_mean[customer * t->day_count + d] =
            usable ? (float)mean_between(t, sc_load_curve(t, customer, d), 0, 24, false) : NAN;
        if (usable)
            day_values(f, sc_load_curve(t, customer, d), floor_kw, values);
        for (size_t s = 0; s < f->series_count; s++)
            fraud_series(f, f->series, customer, s)[d] = usable ? values[s] : NAN;
    }
}

/* Takes each stratum's median out of a series. */
static void deviate(const struct sc_fraud *f, const float *y, float *out, double *days)
{
    for (uint8_t stratum = 0; stratum < FRAUD_STRATA_MAX; stratum++) {
        size_t n = 0;
        for (size_t d = 0; d < f->table->day_count; d++)
            if (f->stratum[d] == stratum && !isnan(y[d]))
                days[n++] = (double)y[d];
        const double usual = fraud_median(days, n);
        for (size_t d = 0; d < f->table->day_count; d++)
            if (f->stratum[d] == stratum)
                out[d] = (float)((double)y[d] - usual);
    }
}

/* The usual spread of one day: median over customers of the (squared, scaled) median absolute deviation. */
static double usual_variance(const struct sc_fraud *f, size_t series, double *customers, double *days)
{
    size_t n = 0;
    for (size_t c = 0; c < f->table->customer_count; c++) {
        const float *dev = fraud_series(f, f->deviation, c, series);
        size_t m = 0;
        for (size_t d = 0; d < f->table->day_count; d++)
            if (!isnan(dev[d]))
                days[m++] = fabs((double)dev[d]);
        if (m >= SC_FRAUD_DAYS_MIN)
            customers[n++] = 1.4826 * fraud_median(days, m);
    }
    const double sd_min = 0.05;
    const double sd = fmax(n == 0 ? 0.0 : fraud_median(customers, n), sd_min);
    return sd * sd;
}

sc_err fraud_series_make(struct sc_fraud *f)
{
    const struct sc_load_table *t = f->table;
    f->series_count = t->slot_count >= 8 ? SERIES_COUNT : 1;
    const size_t cells = t->customer_count * f->series_count * t->day_count;
    f->series = sc_arena_alloc(&f->arena, cells * sizeof *f->series);
    f->deviation = sc_arena_alloc(&f->arena, cells * sizeof *f->deviation);
    f->day_mean = sc_arena_alloc(&f->arena, t->customer_count * t->day_count * sizeof *f->day_mean);
    f->stratum = sc_arena_alloc(&f->arena, t->day_count);
    double *days = sc_arena_alloc(&f->arena, t->day_count * sizeof *days);
    double *customers = sc_arena_alloc(&f->arena, t->customer_count * sizeof *customers);
    if (f->series == NULL || f->deviation == NULL || f->day_mean == NULL || f->stratum == NULL || days == NULL ||
        customers == NULL)
        return SC_E_NOMEM;
    for (size_t d = 0; d < t->day_count; d++) {
        struct sc_civil day;
        sc_civil_from_ms(t->first_ms + (int64_t)d * SC_LOAD_DAY_MS, &day);
        f->stratum[d] = day.weekday == 0 ? 2 : day.weekday == 6 ? 1 : 0;
    }
    for (size_t c = 0; c < t->customer_count; c++) {
        customer_series(f, c, days);
        for (size_t s = 0; s < f->series_count; s++)
            deviate(f, fraud_series(f, f->series, c, s), fraud_series(f, f->deviation, c, s), days);
    }
    for (size_t s = 0; s < f->series_count; s++)
        f->noise[s] = usual_variance(f, s, customers, days);
    return SC_OK;
}

/* ---- groups ---- */
static int by_class_and_level(const void *a, const void *b, void *self)
{
    const struct sc_fraud *f = self;
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const int cx = (int)f->table->customer[x].customer_class, cy = (int)f->table->customer[y].customer_class;
    if (cx != cy)
        return cx - cy;
    const double lx = isnan(f->finding[x].mean_kw) ? -1.0 : f->finding[x].mean_kw;
    const double ly = isnan(f->finding[y].mean_kw) ? -1.0 : f->finding[y].mean_kw;
    if (lx != ly)
        return lx < ly ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void group_add(struct sc_fraud *f, size_t first, size_t count)
{
    const size_t group = f->group_count++;
    f->group[group] = (struct group){first, count};
    for (size_t i = first; i < first + count; i++)
        f->group_of[f->member[i]] = group;
}

/* Customers in order of class and level, cut into pieces of 30 to 59 of one class; a class of its own with fewer than
 * three members is measured against everybody (group 0). */
sc_err fraud_groups_make(struct sc_fraud *f)
{
    const size_t n = f->table->customer_count;
    f->group = sc_arena_alloc(&f->arena, (n + 1) * sizeof *f->group);
    f->member = sc_arena_alloc(&f->arena, n * sizeof *f->member);
    f->group_of = sc_arena_alloc(&f->arena, n * sizeof *f->group_of);
    if (f->group == NULL || f->member == NULL || f->group_of == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        f->member[i] = i;
    qsort_r(f->member, n, sizeof *f->member, by_class_and_level, f);
    group_add(f, 0, n);
    for (size_t first = 0, end; first < n; first = end) {
        const enum sc_customer_class of = f->table->customer[f->member[first]].customer_class;
        for (end = first; end < n && f->table->customer[f->member[end]].customer_class == of; end++)
            ;
        const size_t count = end - first;
        const size_t pieces = count < 2 * GROUP_SIZE ? 1 : count / GROUP_SIZE;
        for (size_t p = 0; p < pieces && count >= GROUP_SIZE_MIN; p++) {
            const size_t from = first + p * count / pieces;
            group_add(f, from, first + (p + 1) * count / pieces - from);
        }
    }
    return SC_OK;
}

void fraud_movement(const struct sc_fraud *f, size_t customer, size_t series, double *scratch, double *day_out)
{
    const struct group *g = &f->group[f->group_of[customer]];
    for (size_t d = 0; d < f->table->day_count; d++) {
        size_t n = 0;
        for (size_t i = g->first; i < g->first + g->count; i++) {
            const size_t other = f->member[i];
            const float dev = fraud_series(f, f->deviation, other, series)[d];
            if (other != customer && !isnan(dev))
                scratch[n++] = (double)dev;
        }
        /* Few others tell little: their median is believed in proportion. */
        day_out[d] = n == 0 ? 0.0 : fraud_median(scratch, n) * (double)n / (double)(n + 4);
    }
}

static double shape_median(const struct sc_fraud *f, const struct group *g, size_t day, size_t slot, double *scratch)
{
    const struct sc_load_table *t = f->table;
    size_t n = 0;
    for (size_t i = g->first; i < g->first + g->count; i++) {
        const size_t c = f->member[i];
        const float kw = sc_load_curve(t, c, day)[slot], mean = f->day_mean[c * t->day_count + day];
        if (!isnan(kw) && mean > 0.0f)
            scratch[n++] = (double)kw / (double)mean;
    }
    return fraud_median(scratch, n);
}

sc_err fraud_group_shapes_make(struct sc_fraud *f)
{
    const struct sc_load_table *t = f->table;
    f->group_shape = sc_arena_alloc(&f->arena, f->group_count * t->day_count * t->slot_count * sizeof *f->group_shape);
    double *scratch = sc_arena_alloc(&f->arena, t->customer_count * sizeof *scratch);
    if (f->group_shape == NULL || scratch == NULL)
        return SC_E_NOMEM;
    SC_CLEANUP(sc_freep) bool *used = calloc(f->group_count, sizeof *used);
    if (used == NULL)
        return SC_E_NOMEM;
    for (size_t c = 0; c < t->customer_count; c++)
        used[f->group_of[c]] = true;
    float *to = f->group_shape;
    for (size_t g = 0; g < f->group_count; g++)
        for (size_t d = 0; d < t->day_count; d++)
            for (size_t s = 0; s < t->slot_count; s++)
                *to++ = used[g] ? (float)shape_median(f, &f->group[g], d, s, scratch) : NAN;
    return SC_OK;
}
