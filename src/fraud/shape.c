#include "fraud/internal.h"

#include "base/clock.h"

#include <math.h>

#define MAP_SIDE_MIN      3
#define MAP_SIDE_MAX      10
#define MAP_SHAPE_MAX     24    /* hours: finer, the map would learn when kettles boil */
#define TRAINING_MAX      20000 /* curves; more do not change a map of a hundred units */
#define CORRELATION_LIMIT 0.98  /* Fisher's z goes to infinity */

/* ---- the map ---- */

/* The day's curve as the map sees it: hourly means divided by the day's mean, under a square root so that single peaks
 * do not outweigh the rest.  All NAN when the day is not usable or without any use. */
static void shape_of(const struct sc_fraud *f, size_t customer, size_t day, float *out)
{
    const struct sc_load_table *t = f->table;
    const float *kw = sc_load_curve(t, customer, day);
    const float mean = f->day_mean[customer * t->day_count + day];
    const size_t per = t->slot_count / f->shape_size;
    for (size_t i = 0; i < f->shape_size; i++) {
        double sum = 0.0;
        size_t n = 0;
        for (size_t s = i * per; s < (i + 1) * per; s++) {
            if (!isnan(kw[s])) {
                sum += (double)kw[s];
                n++;
            }
        }
        out[i] = n == 0 || !(mean > 0.0f) ? NAN : (float)sqrt(sum / (double)n / (double)mean);
    }
}

static size_t map_side(const struct sc_fraud_options *opt, size_t curves)
{
    if (opt->map_side != 0)
        return opt->map_side;
    const double units = 5.0 * sqrt((double)curves); /* Vesanto's rule of thumb */
    const double side = round(sqrt(units));
    return side < MAP_SIDE_MIN ? MAP_SIDE_MIN : side > MAP_SIDE_MAX ? MAP_SIDE_MAX : (size_t)side;
}

static sc_err map_train(struct sc_fraud *f, const struct sc_fraud_options *opt)
{
    const struct sc_load_table *t = f->table;
    const size_t days = t->customer_count * t->day_count;
    const size_t count = days < TRAINING_MAX ? days : TRAINING_MAX;
    SC_CLEANUP(sc_freep) float *vectors = calloc(count * f->shape_size, sizeof *vectors);
    if (vectors == NULL)
        return SC_E_NOMEM;
    size_t usable = 0;
    struct sc_prng prng;
    sc_prng_init_stream(&prng, opt->seed, 1);
    for (size_t i = 0; i < count; i++) {
        const size_t pick = count == days ? i : (size_t)sc_prng_below(&prng, days);
        if (f->day_mean[pick] > 0.0f)
            shape_of(f, pick / t->day_count, pick % t->day_count, vectors + usable++ * f->shape_size);
    }
    if (usable == 0)
        return SC_OK; /* nobody used anything: no map */
    const size_t side = map_side(opt, usable);
    const struct sc_som_options som = {
        .grid = opt->grid, .columns = side, .rows = side, .dimension = f->shape_size, .seed = opt->seed};
    SC_TRY(sc_som_train(&som, vectors, usable, &f->map));
    f->quality = sc_som_quality(f->map, vectors, usable);
    return SC_OK;
}

sc_err fraud_map_make(struct sc_fraud *f, const struct sc_fraud_options *opt)
{
    const struct sc_load_table *t = f->table;
    const size_t days = t->customer_count * t->day_count;
    f->unit = sc_arena_alloc(&f->arena, days * sizeof *f->unit);
    f->unit_distance = sc_arena_alloc(&f->arena, days * sizeof *f->unit_distance);
    if (f->unit == NULL || f->unit_distance == NULL)
        return SC_E_NOMEM;
    f->shape_size = t->slot_count % MAP_SHAPE_MAX == 0 ? MAP_SHAPE_MAX : t->slot_count;
    if (t->slot_count >= 4)
        SC_TRY(map_train(f, opt));
    f->hits = sc_arena_alloc(&f->arena, (f->map == NULL ? 1 : sc_som_unit_count(f->map)) * sizeof *f->hits);
    if (f->hits == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < days; i++) {
        float shape[SC_LOAD_SLOTS_MAX];
        f->unit[i] = UINT16_MAX;
        f->unit_distance[i] = NAN;
        if (f->map == NULL || !(f->day_mean[i] > 0.0f))
            continue;
        shape_of(f, i / t->day_count, i % t->day_count, shape);
        const struct sc_som_match m = sc_som_match(f->map, shape);
        f->unit[i] = (uint16_t)m.best;
        f->unit_distance[i] = (float)m.distance;
        f->hits[m.best]++;
    }
    return SC_OK;
}

/* ---- regular curves ---- */

static bool is_weekend(const struct sc_fraud *f, size_t day)
{
    return f->stratum[day] != 0;
}

/* Slotwise median of the customer's usable days in [from, to) of one kind, `without` left out; false without any. */
static bool regular(const struct sc_fraud *f, size_t customer, size_t from, size_t to, bool weekend, size_t without,
                    double *out)
{
    const struct sc_load_table *t = f->table;
    size_t day[SC_LOAD_DAYS_MAX], day_count = 0;
    for (size_t d = from; d < to; d++)
        if (d != without && is_weekend(f, d) == weekend && !isnan(f->day_mean[customer * t->day_count + d]))
            day[day_count++] = d;
    for (size_t s = 0; s < t->slot_count; s++) {
        double v[SC_LOAD_DAYS_MAX];
        size_t n = 0;
        for (size_t i = 0; i < day_count; i++) {
            const float kw = sc_load_curve(t, customer, day[i])[s];
            if (!isnan(kw))
                v[n++] = (double)kw;
        }
        out[s] = fraud_median(v, n);
    }
    return day_count != 0;
}

/* The same, falling back on the other kind of day when there is none of this. */
static void regular_or_other(const struct sc_fraud *f, size_t customer, size_t from, size_t to, size_t day, double *out)
{
    if (!regular(f, customer, from, to, is_weekend(f, day), SC_FRAUD_NO_DAY, out))
        regular(f, customer, from, to, !is_weekend(f, day), SC_FRAUD_NO_DAY, out);
}

/* Half hours jitter; what is compared is the course of the day: a running mean over about an hour and a half. */
static void smooth(const double *in, size_t count, double *out)
{
    const size_t reach = count >= 96 ? 3 : count >= 48 ? 1 : 0;
    for (size_t s = 0; s < count; s++) {
        double sum = 0.0;
        size_t n = 0;
        for (size_t i = s > reach ? s - reach : 0; i <= s + reach && i < count; i++) {
            if (!isnan(in[i])) {
                sum += in[i];
                n++;
            }
        }
        out[s] = n == 0 ? NAN : sum / (double)n;
    }
}

static double fisher(double r)
{
    return isnan(r) ? NAN : atanh(fmax(-CORRELATION_LIMIT, fmin(CORRELATION_LIMIT, r)));
}

static double correlation_z(const struct sc_fraud *f, const double *day_smooth, const double *other)
{
    double other_smooth[SC_LOAD_SLOTS_MAX];
    smooth(other, f->table->slot_count, other_smooth);
    return fisher(fraud_correlation(day_smooth, other_smooth, f->table->slot_count));
}

/* ---- the features of shape ---- */

struct shape_series {
    double own[SC_LOAD_DAYS_MAX], group[SC_LOAD_DAYS_MAX], distance[SC_LOAD_DAYS_MAX], move[SC_LOAD_DAYS_MAX];
};

static double grid_move(const struct sc_fraud *f, size_t customer, size_t from, size_t to, size_t day)
{
    const uint16_t *unit = f->unit + customer * f->table->day_count;
    double v[SC_LOAD_DAYS_MAX];
    size_t n = 0;
    for (size_t d = from; d < to; d++)
        if (d != day && unit[d] != UINT16_MAX && is_weekend(f, d) == is_weekend(f, day))
            v[n++] = sc_som_unit_distance(f->map, unit[day], unit[d]);
    return fraud_median(v, n);
}

static void shape_day(const struct sc_fraud *f, size_t customer, size_t from, size_t at, size_t day,
                      const double regular_curve[2][SC_LOAD_SLOTS_MAX], struct shape_series *to)
{
    const struct sc_load_table *t = f->table;
    double curve[SC_LOAD_SLOTS_MAX], smoothed[SC_LOAD_SLOTS_MAX], other[SC_LOAD_SLOTS_MAX];
    const size_t cell = customer * t->day_count + day;
    to->own[day] = to->group[day] = to->distance[day] = to->move[day] = NAN;
    if (isnan(f->day_mean[cell]))
        return;
    for (size_t s = 0; s < t->slot_count; s++)
        curve[s] = (double)sc_load_curve(t, customer, day)[s];
    smooth(curve, t->slot_count, smoothed);
    /* A day of the regular part is compared with the others of it, not with itself. */
    if (day < at)
        regular(f, customer, from, at, is_weekend(f, day), day, other);
    to->own[day] = correlation_z(f, smoothed, day < at ? other : regular_curve[is_weekend(f, day)]);
    const float *shape = f->group_shape + (f->group_of[customer] * t->day_count + day) * t->slot_count;
    for (size_t s = 0; s < t->slot_count; s++)
        other[s] = (double)shape[s];
    to->group[day] = correlation_z(f, smoothed, other);
    if (f->map == NULL || f->unit[cell] == UINT16_MAX)
        return;
    to->distance[day] = -(double)f->unit_distance[cell]; /* all series fall when it gets suspicious */
    to->move[day] = -grid_move(f, customer, from, at, day);
}

static void measure(const struct sc_fraud *f, const double *y, double sign, double spread, double wobble, size_t from,
                    size_t at, size_t to, struct sc_fraud_measure *out)
{
    const struct fraud_change c = fraud_change_at(y, f->stratum, from, at, to, spread * spread);
    out->before = sign * c.before;
    out->after = sign * c.after;
    out->statistic = fraud_change_statistic(&c, wobble);
}

void fraud_shape_measure(const struct sc_fraud *f, struct sc_fraud_finding *finding, size_t from, size_t to)
{
    const struct sc_load_table *t = f->table;
    const size_t at = finding->change_day;
    if (t->slot_count < 8)
        return;
    double regular_curve[2][SC_LOAD_SLOTS_MAX];
    regular(f, finding->customer, from, at, false, SC_FRAUD_NO_DAY, regular_curve[0]);
    regular(f, finding->customer, from, at, true, SC_FRAUD_NO_DAY, regular_curve[1]);
    struct shape_series y;
    for (size_t d = from; d < to; d++)
        shape_day(f, finding->customer, from, at, d, regular_curve, &y);
    struct sc_fraud_measure *m = finding->feature;
    measure(f, y.own, 1.0, 0.2, 0.1, from, at, to, &m[SC_FRAUD_OWN_CORRELATION]);
    measure(f, y.group, 1.0, 0.2, 0.1, from, at, to, &m[SC_FRAUD_GROUP_CORRELATION]);
    measure(f, y.distance, -1.0, 0.2, 0.1, from, at, to, &m[SC_FRAUD_MAP_DISTANCE]);
    measure(f, y.move, -1.0, 1.0, 0.5, from, at, to, &m[SC_FRAUD_MAP_MOVE]);
}

void sc_fraud_regular_curve(const struct sc_fraud *f, const struct sc_fraud_finding *finding, size_t day, float *out)
{
    const size_t at = finding->change_day == SC_FRAUD_NO_DAY ? f->table->day_count : finding->change_day;
    double v[SC_LOAD_SLOTS_MAX];
    regular_or_other(f, finding->customer, at > PART_DAYS_MAX ? at - PART_DAYS_MAX : 0, at, day, v);
    for (size_t s = 0; s < f->table->slot_count; s++)
        out[s] = (float)v[s];
}

void sc_fraud_group_curve(const struct sc_fraud *f, const struct sc_fraud_finding *finding, size_t day, float *out)
{
    const struct sc_load_table *t = f->table;
    sc_fraud_regular_curve(f, finding, day, out);
    double sum = 0.0, n = 0.0;
    for (size_t s = 0; s < t->slot_count; s++) {
        if (!isnan(out[s])) {
            sum += (double)out[s];
            n += 1.0;
        }
    }
    const float *shape = f->group_shape + (f->group_of[finding->customer] * t->day_count + day) * t->slot_count;
    for (size_t s = 0; s < t->slot_count; s++)
        out[s] = n == 0.0 ? NAN : (float)(sum / n * (double)shape[s]);
}
