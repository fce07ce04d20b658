/* Typical-day figures: derived from measured customers, and series of synthetic customers drawn from them.
 *
 * The model, for customer c on day d of type t, slot s:
 *   day energy  E = level_c * day_factor[t] * exp(day_spread * z_d - day_spread^2 / 2),   z an AR(1) over
 * days weights     w_s = shape[t][s] * own_c[s] * exp(spread[t][s] * e_s - spread^2 / 2),    e an AR(1) over
 * slots interval    E * w_s / sum w, and nothing at all with probability zero_share own_c[s] is the
 * customer's lasting deviation from the common shape.  Derivation measures each figure as it is used. */
#include "metering/profile.h"

#include <inttypes.h>
#include <math.h>

#define DAY_MS          INT64_C(86400000)
#define DAYS_MIN        7 /* complete days a customer must have to count */
#define FLOOR           0.02 /* deviations below this share of the expected value count as this: ln() of a trickle is noise */
#define OWN_CORRELATION 0.8 /* a customer's habits last longer than one slot */

enum sc_day_type sc_day_type_of(int64_t start_ms)
{
    struct sc_civil c;
    sc_civil_from_ms(start_ms, &c);
    return c.weekday == 0 ? SC_DAY_SUNDAY : c.weekday == 6 ? SC_DAY_SATURDAY : SC_DAY_WEEKDAY;
}

static const char *const day_type_names[SC_DAY_TYPE_COUNT] = {"weekday", "saturday", "sunday"};

void sc_profile_free(struct sc_profile *p)
{
    free(p);
}

void sc_profile_freep(struct sc_profile **p)
{
    sc_profile_free(*p);
}

/* ---- derivation ---- */
struct moments {
    double n, sum, squares;
};

static void moments_add(struct moments *m, double x)
{
    m->n++;
    m->sum += x;
    m->squares += x * x;
}

static double moments_mean(const struct moments *m)
{
    return m->n > 0 ? m->sum / m->n : 0;
}

static double moments_var(const struct moments *m)
{
    const double mean = moments_mean(m);
    return m->n > 1 ? fmax(0, (m->squares - m->n * mean * mean) / (m->n - 1)) : 0;
}

struct pairs { /* for a correlation */
    double n, x, y, xx, yy, xy;
};

static void pairs_add(struct pairs *p, double x, double y)
{
    p->n++;
    p->x += x;
    p->y += y;
    p->xx += x * x;
    p->yy += y * y;
    p->xy += x * y;
}

static double pairs_correlation(const struct pairs *p)
{
    if (p->n < 3)
        return 0;
    const double vx = p->xx - p->x * p->x / p->n;
    const double vy = p->yy - p->y * p->y / p->n;
    const double r = vx > 0 && vy > 0 ? (p->xy - p->x * p->y / p->n) / sqrt(vx * vy) : 0;
    return fmin(fmax(r, 0), 0.98);
}

/* One customer's own figures, from its complete days. */
struct customer_figures {
    size_t customer;
    size_t day_count;
    double mean_wh;                   /* a day */
    double day_wh[SC_DAY_TYPE_COUNT]; /* mean of the type */
    size_t type_count[SC_DAY_TYPE_COUNT];
    double shape[SC_DAY_TYPE_COUNT]
                [SC_PROFILE_SLOTS_MAX]; /* sums to 1; the mean of all days where the type is missing */
};

struct derivation {
    const struct sc_dataset *d;
    size_t slots;
    struct customer_figures *customer;
    size_t customer_count;
    struct sc_profile_kind *kind;
    struct moments spread[SC_DAY_TYPE_COUNT][SC_PROFILE_SLOTS_MAX];
    struct moments day;
    struct pairs day_pairs[SC_DAY_TYPE_COUNT], slot_pairs;
    double zero_count, interval_count;
};

/* The day's slots into wh, and their sum; false unless the day is complete and not all zero. */
static bool day_read(const struct derivation *v, size_t customer, size_t day, double *wh, double *sum_out)
{
    double sum = 0;
    for (size_t s = 0; s < v->slots; s++) {
        const uint32_t e = sc_dataset_wh(v->d, customer, day * v->slots + s);
        if (e == SC_WH_MISSING)
            return false;
        wh[s] = e;
        sum += e;
    }
    *sum_out = sum;
    return sum > 0;
}

static enum sc_day_type type_of_day(const struct derivation *v, size_t day)
{
    return sc_day_type_of(sc_dataset_first_ms(v->d) + (int64_t)day * DAY_MS);
}

static void shapes_finish(struct customer_figures *f, size_t slots, const double *all)
{
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++) {
        double sum = 0;
        for (size_t s = 0; s < slots; s++)
            sum += f->shape[t][s];
        for (size_t s = 0; s < slots; s++)
            f->shape[t][s] = sum > 0 ? f->shape[t][s] / sum : all[s];
    }
}

static void customer_measure(struct derivation *v, size_t customer, struct customer_figures *f)
{
    double wh[SC_PROFILE_SLOTS_MAX];
    double all[SC_PROFILE_SLOTS_MAX] = {0};
    double total = 0;
    memset(f, 0, sizeof *f);
    f->customer = customer;
    for (size_t day = 0; day < sc_dataset_day_count(v->d); day++) {
        double sum;
        if (!day_read(v, customer, day, wh, &sum))
            continue;
        const enum sc_day_type t = type_of_day(v, day);
        f->day_count++;
        f->type_count[t]++;
        f->day_wh[t] += sum;
        total += sum;
        for (size_t s = 0; s < v->slots; s++) {
            f->shape[t][s] += wh[s];
            all[s] += wh[s];
        }
    }
    if (f->day_count == 0)
        return;
    f->mean_wh = total / (double)f->day_count;
    for (size_t s = 0; s < v->slots; s++)
        all[s] /= total;
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++)
        f->day_wh[t] = f->type_count[t] != 0 ? f->day_wh[t] / (double)f->type_count[t] : f->mean_wh;
    shapes_finish(f, v->slots, all);
}

static int compare_double(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static sc_err levels_derive(struct derivation *v)
{
    SC_CLEANUP(sc_freep) double *level = calloc(v->customer_count, sizeof *level);
    if (level == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < v->customer_count; i++)
        level[i] = v->customer[i].mean_wh;
    qsort(level, v->customer_count, sizeof *level, compare_double);
    for (size_t q = 0; q < SC_PROFILE_QUANTILES; q++) {
        /* the ends are the 2.5 % and 97.5 % quantiles: the least and the greatest are single customers */
        const double share = fmin(fmax((double)q / (SC_PROFILE_QUANTILES - 1), 0.025), 0.975);
        const double at = share * (double)(v->customer_count - 1);
        const size_t low = (size_t)at;
        const size_t high = low + 1 < v->customer_count ? low + 1 : low;
        v->kind->level_wh[q] = level[low] + (at - (double)low) * (level[high] - level[low]);
    }
    return SC_OK;
}

/* Means over customers, each weighing the same: a household's habits do not count more because it uses more.
 */
static void shapes_derive(struct derivation *v)
{
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++) {
        for (size_t i = 0; i < v->customer_count; i++) {
            const struct customer_figures *f = &v->customer[i];
            v->kind->day_factor[t] += f->day_wh[t] / f->mean_wh / (double)v->customer_count;
            for (size_t s = 0; s < v->slots; s++)
                v->kind->shape[t][s] += f->shape[t][s] / (double)v->customer_count;
        }
    }
}

/* The expected share of a slot: the customer's own shape, pulled to the common one where it has none. */
static double expected_share(const struct derivation *v, const struct customer_figures *f, enum sc_day_type t, size_t s)
{
    return fmax(f->shape[t][s], FLOOR * v->kind->shape[t][s]);
}

static void day_slots_measure(struct derivation *v, const struct customer_figures *f, enum sc_day_type t,
                              const double *wh, double sum)
{
    double before = NAN;
    for (size_t s = 0; s < v->slots; s++) {
        v->interval_count++;
        v->zero_count += wh[s] == 0;
        if (wh[s] == 0) {
            before = NAN;
            continue;
        }
        const double x = log(fmax(wh[s] / (sum * expected_share(v, f, t, s)), FLOOR));
        moments_add(&v->spread[t][s], x);
        if (!isnan(before))
            pairs_add(&v->slot_pairs, before, x);
        before = x;
    }
}

static void customer_spreads(struct derivation *v, const struct customer_figures *f)
{
    double wh[SC_PROFILE_SLOTS_MAX];
    double yesterday = NAN;
    for (size_t day = 0; day < sc_dataset_day_count(v->d); day++) {
        double sum;
        if (!day_read(v, f->customer, day, wh, &sum)) {
            yesterday = NAN;
            continue;
        }
        const enum sc_day_type t = type_of_day(v, day);
        const double x = log(fmax(sum / f->day_wh[t], FLOOR));
        moments_add(&v->day, x);
        if (!isnan(yesterday))
            pairs_add(&v->day_pairs[t], yesterday, x);
        yesterday = x;
        day_slots_measure(v, f, t, wh, sum);
    }
}

/* How lasting habits differ: the spread of ln(own / common), less what a mean over few days must show by
 * chance. */
static double customer_spread_derive(const struct derivation *v)
{
    struct moments own = {0};
    struct moments chance = {0};
    for (size_t i = 0; i < v->customer_count; i++) {
        const struct customer_figures *f = &v->customer[i];
        for (size_t s = 0; s < v->slots; s++) {
            const double spread = v->kind->spread[SC_DAY_WEEKDAY][s];
            if (f->type_count[SC_DAY_WEEKDAY] == 0 || v->kind->shape[SC_DAY_WEEKDAY][s] <= 0)
                continue;
            moments_add(&own, log(fmax(f->shape[SC_DAY_WEEKDAY][s] / v->kind->shape[SC_DAY_WEEKDAY][s], FLOOR)));
            moments_add(&chance, (exp(spread * spread) - 1) / (double)f->type_count[SC_DAY_WEEKDAY]);
        }
    }
    return sqrt(fmax(0, moments_var(&own) - moments_mean(&chance)));
}

/* A correlation found after subtracting means of n days is too low by about (1 + 3 r) / n (Kendall 1954). */
static double unbiased_correlation(double r, double n)
{
    return n > 6 ? fmin(fmax((n * r + 1) / (n - 3), 0), 0.98) : r;
}

static double days_mean(const struct derivation *v)
{
    double days = 0;
    for (size_t i = 0; i < v->customer_count; i++)
        days += (double)v->customer[i].day_count;
    return days / (double)v->customer_count;
}

static sc_err kind_derive(struct derivation *v)
{
    SC_TRY(levels_derive(v));
    shapes_derive(v);
    for (size_t i = 0; i < v->customer_count; i++)
        customer_spreads(v, &v->customer[i]);
    struct sc_profile_kind *k = v->kind;
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++) {
        for (size_t s = 0; s < v->slots; s++)
            k->spread[t][s] = sqrt(moments_var(&v->spread[t][s]));
        k->day_correlation[t] = unbiased_correlation(pairs_correlation(&v->day_pairs[t]), days_mean(v));
    }
    k->day_spread = sqrt(moments_var(&v->day));
    k->slot_correlation = pairs_correlation(&v->slot_pairs);
    k->zero_share = v->interval_count > 0 ? v->zero_count / v->interval_count : 0;
    k->customer_spread = v->customer_count > 1 ? customer_spread_derive(v) : 0;
    k->customers = (uint32_t)v->customer_count;
    return SC_OK;
}

/* Derives one kind from the customers first..last-1 that have enough days. */
static sc_err kind_of_customers(const struct sc_dataset *d, size_t first, size_t last, struct sc_profile_kind *k)
{
    struct derivation v = {.d = d, .slots = 86400 / sc_dataset_interval_s(d), .kind = k};
    SC_CLEANUP(sc_freep) struct customer_figures *figures = calloc(last - first, sizeof *figures);
    if (figures == NULL)
        return SC_E_NOMEM;
    v.customer = figures;
    for (size_t c = first; c < last; c++) {
        customer_measure(&v, c, &figures[v.customer_count]);
        if (figures[v.customer_count].day_count >= DAYS_MIN)
            v.customer_count++;
    }
    return v.customer_count == 0 ? SC_E_NOT_FOUND : kind_derive(&v);
}

static sc_err sites_derive(const struct sc_dataset *d, struct sc_profile *p, struct sc_diag *diag)
{
    for (size_t c = 0; c < sc_dataset_customer_count(d); c++) {
        if (p->kind_count == SC_PROFILE_KINDS_MAX)
            return sc_fail(diag, SC_E_LIMIT, "more than %d kinds of site", SC_PROFILE_KINDS_MAX);
        struct sc_profile_kind *k = &p->kind[p->kind_count];
        snprintf(k->name, sizeof k->name, "%s", sc_dataset_customer_name(d, c));
        k->customer_class = sc_dataset_customer_class(d, c);
        const sc_err err = kind_of_customers(d, c, c + 1, k);
        if (err == SC_OK)
            p->kind_count++;
        else if (err == SC_E_NOT_FOUND)
            memset(k, 0, sizeof *k);
        else
            return err;
    }
    return SC_OK;
}

sc_err sc_profile_derive(const struct sc_dataset *d, const char *source, struct sc_profile **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_profile_freep) struct sc_profile *p = calloc(1, sizeof *p);
    if (p == NULL)
        return SC_E_NOMEM;
    snprintf(p->source, sizeof p->source, "%s", source);
    p->interval_s = sc_dataset_interval_s(d);
    if (sc_dataset_has_sites(d)) {
        SC_TRY(sites_derive(d, p, diag));
    } else {
        struct sc_profile_kind *k = &p->kind[0];
        snprintf(k->name, sizeof k->name, "household");
        k->customer_class = SC_CLASS_RESIDENTIAL;
        const sc_err err = kind_of_customers(d, 0, sc_dataset_customer_count(d), k);
        if (err != SC_OK && err != SC_E_NOT_FOUND)
            return err;
        p->kind_count = err == SC_OK ? 1 : 0;
    }
    if (p->kind_count == 0)
        return sc_fail(diag, SC_E_USAGE, "no customer has %d complete days", DAYS_MIN);
    *out = SC_TAKE(p);
    return SC_OK;
}

/* ---- JSON ---- */
static json_t *number(double v, double digits)
{
    return json_real(round(v * digits) / digits);
}

static json_t *numbers(const double *v, size_t count, double digits)
{
    json_t *a = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(a, number(v[i], digits));
    return a;
}

static json_t *by_type(const double v[][SC_PROFILE_SLOTS_MAX], size_t slots, double digits)
{
    json_t *o = json_object();
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++)
        json_object_set_new(o, day_type_names[t], numbers(v[t], slots, digits));
    return o;
}

static json_t *kind_to_json(const struct sc_profile_kind *k, size_t slots)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(k->name));
    json_object_set_new(o, "class", json_string(sc_customer_class_name(k->customer_class)));
    json_object_set_new(o, "customers", json_integer(k->customers));
    json_object_set_new(o, "level_wh_per_day_quantiles", numbers(k->level_wh, SC_PROFILE_QUANTILES, 10));
    json_object_set_new(o, "day_factor", numbers(k->day_factor, SC_DAY_TYPE_COUNT, 1e5));
    json_object_set_new(o, "shape", by_type(k->shape, slots, 1e6));
    json_object_set_new(o, "spread", by_type(k->spread, slots, 1e4));
    json_object_set_new(o, "customer_spread", number(k->customer_spread, 1e4));
    json_object_set_new(o, "day_spread", number(k->day_spread, 1e4));
    json_object_set_new(o, "day_correlation", numbers(k->day_correlation, SC_DAY_TYPE_COUNT, 1e4));
    json_object_set_new(o, "slot_correlation", number(k->slot_correlation, 1e4));
    json_object_set_new(o, "zero_share", number(k->zero_share, 1e6));
    return o;
}

sc_err sc_profile_to_json(const struct sc_profile *p, json_t **out)
{
    json_t *doc = json_object();
    json_t *kinds = json_array();
    json_object_set_new(doc, "format", json_string("securecloud-profile"));
    json_object_set_new(doc, "version", json_integer(1));
    json_object_set_new(doc, "source", json_string(p->source));
    json_object_set_new(doc, "interval_s", json_integer(p->interval_s));
    for (size_t i = 0; i < p->kind_count; i++)
        json_array_append_new(kinds, kind_to_json(&p->kind[i], 86400 / p->interval_s));
    if (doc == NULL || kinds == NULL || json_object_set_new(doc, "kinds", kinds) != 0) {
        json_decref(doc);
        return SC_E_NOMEM;
    }
    *out = doc;
    return SC_OK;
}

static sc_err numbers_get(const json_t *obj, const char *name, size_t count, double min, double max, double *out,
                          struct sc_diag *diag)
{
    const json_t *a = json_object_get(obj, name);
    if (!json_is_array(a) || json_array_size(a) != count)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": array of %zu numbers expected", name, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *v = json_array_get(a, i);
        out[i] = json_number_value(v);
        if (!json_is_number(v) || !(out[i] >= min && out[i] <= max))
            return sc_fail(diag, SC_E_MALFORMED, "member \"%s\"[%zu]: number in %g..%g expected", name, i, min, max);
    }
    return SC_OK;
}

static sc_err number_get(const json_t *obj, const char *name, double min, double max, double *out, struct sc_diag *diag)
{
    SC_TRY(sc_json_get_num(obj, name, out, diag));
    return *out >= min && *out <= max ? SC_OK
                                      : sc_fail(diag, SC_E_MALFORMED, "member \"%s\": %g..%g expected", name, min, max);
}

static sc_err by_type_get(const json_t *obj, const char *name, size_t slots, double max,
                          double out[][SC_PROFILE_SLOTS_MAX], struct sc_diag *diag)
{
    const json_t *o = json_object_get(obj, name);
    if (!json_is_object(o))
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": object expected", name);
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++)
        SC_TRY(sc_context(diag, numbers_get(o, day_type_names[t], slots, 0, max, out[t], diag), "%s", name));
    return SC_OK;
}

static sc_err kind_check(const struct sc_profile_kind *k, size_t slots, struct sc_diag *diag)
{
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++) {
        double sum = 0;
        for (size_t s = 0; s < slots; s++)
            sum += k->shape[t][s];
        if (fabs(sum - 1) > 0.01)
            return sc_fail(diag, SC_E_MALFORMED, "shape of %s sums to %g instead of 1", day_type_names[t], sum);
    }
    for (size_t q = 1; q < SC_PROFILE_QUANTILES; q++) {
        if (k->level_wh[q] < k->level_wh[q - 1])
            return sc_fail(diag, SC_E_MALFORMED, "level_wh_per_day_quantiles: not ascending at %zu", q);
    }
    return SC_OK;
}

static sc_err kind_from_json(const json_t *o, size_t slots, struct sc_profile_kind *k, struct sc_diag *diag)
{
    const char *name;
    const char *class_name;
    int64_t customers;
    SC_TRY(sc_json_get_str(o, "name", &name, diag));
    if (name[0] == '\0' || strlen(name) >= sizeof k->name)
        return sc_fail(diag, SC_E_MALFORMED, "member \"name\": 1 to 31 characters expected");
    snprintf(k->name, sizeof k->name, "%s", name);
    SC_TRY(sc_json_get_str(o, "class", &class_name, diag));
    if (sc_customer_class_parse(class_name, &k->customer_class) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"class\": unknown class \"%s\"", class_name);
    SC_TRY(sc_json_get_int(o, "customers", 1, SC_DATASET_CUSTOMERS_MAX, &customers, diag));
    k->customers = (uint32_t)customers;
    SC_TRY(numbers_get(o, "level_wh_per_day_quantiles", SC_PROFILE_QUANTILES, 0, 1e11, k->level_wh, diag));
    SC_TRY(numbers_get(o, "day_factor", SC_DAY_TYPE_COUNT, 0, 100, k->day_factor, diag));
    SC_TRY(by_type_get(o, "shape", slots, 1, k->shape, diag));
    SC_TRY(by_type_get(o, "spread", slots, 5, k->spread, diag));
    SC_TRY(number_get(o, "customer_spread", 0, 5, &k->customer_spread, diag));
    SC_TRY(number_get(o, "day_spread", 0, 5, &k->day_spread, diag));
    SC_TRY(numbers_get(o, "day_correlation", SC_DAY_TYPE_COUNT, 0, 0.99, k->day_correlation, diag));
    SC_TRY(number_get(o, "slot_correlation", 0, 0.99, &k->slot_correlation, diag));
    SC_TRY(number_get(o, "zero_share", 0, 1, &k->zero_share, diag));
    return kind_check(k, slots, diag);
}

sc_err sc_profile_from_json(const json_t *doc, struct sc_profile **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_profile_freep) struct sc_profile *p = calloc(1, sizeof *p);
    const char *text;
    int64_t n;
    if (p == NULL)
        return SC_E_NOMEM;
    SC_TRY(sc_json_get_str(doc, "format", &text, diag));
    if (strcmp(text, "securecloud-profile") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "member \"format\": \"securecloud-profile\" expected");
    SC_TRY(sc_json_get_int(doc, "version", 1, 1, &n, diag));
    SC_TRY(sc_json_get_str(doc, "source", &text, diag));
    snprintf(p->source, sizeof p->source, "%s", text);
    SC_TRY(sc_json_get_int(doc, "interval_s", 86400 / SC_PROFILE_SLOTS_MAX, 86400, &n, diag));
    if (86400 % n != 0)
        return sc_fail(diag, SC_E_MALFORMED, "member \"interval_s\": %" PRId64 " does not divide the day", n);
    p->interval_s = (uint32_t)n;
    const json_t *kinds = json_object_get(doc, "kinds");
    p->kind_count = json_array_size(kinds); /* 0 for what is no array */
    if (p->kind_count == 0 || p->kind_count > SC_PROFILE_KINDS_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "member \"kinds\": array of 1 to %d expected", SC_PROFILE_KINDS_MAX);
    for (size_t i = 0; i < p->kind_count; i++)
        SC_TRY(sc_context(diag, kind_from_json(json_array_get(kinds, i), 86400 / p->interval_s, &p->kind[i], diag),
                          "kinds[%zu]", i));
    *out = SC_TAKE(p);
    return SC_OK;
}

sc_err sc_profile_read(const char *path, struct sc_profile **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_TRY(sc_json_read(path, (size_t)16 << 20, &doc, diag));
    return sc_context(diag, sc_profile_from_json(doc, out, diag), "%s", path);
}

/* ---- drawing ---- */
struct sc_profile_draw {
    const struct sc_profile_kind *kind;
    struct sc_prng prng;
    size_t slots, slot;
    int64_t day_ms;
    double level_wh;
    double own[SC_PROFILE_SLOTS_MAX];
    double day_ar;
    double wh[SC_PROFILE_SLOTS_MAX]; /* today */
    double sum;                      /* the fraction of a Wh carried on */
};

static double ar_next(double x, double rho, struct sc_prng *prng)
{
    return rho * x + sqrt(1 - rho * rho) * sc_prng_normal(prng);
}

static double level_draw(const struct sc_profile_kind *k, struct sc_prng *prng)
{
    const double at = sc_prng_uniform(prng) * (SC_PROFILE_QUANTILES - 1);
    const size_t low = (size_t)at;
    return k->level_wh[low] + (at - (double)low) * (k->level_wh[low + 1] - k->level_wh[low]);
}

sc_err sc_profile_draw_new(const struct sc_profile *p, const struct sc_profile_draw_options *opt,
                           struct sc_profile_draw **out)
{
    if (opt->kind >= p->kind_count || opt->first_day_ms % DAY_MS != 0 || !(opt->mean_wh_per_day >= 0))
        return SC_E_USAGE;
    struct sc_profile_draw *d = calloc(1, sizeof *d);
    if (d == NULL)
        return SC_E_NOMEM;
    d->kind = &p->kind[opt->kind];
    d->slots = 86400 / p->interval_s;
    d->day_ms = opt->first_day_ms;
    sc_prng_init_stream(&d->prng, opt->seed, opt->customer);
    d->level_wh = level_draw(d->kind, &d->prng); /* drawn in any case: the rest of the stream stays the same */
    if (opt->mean_wh_per_day > 0)
        d->level_wh = opt->mean_wh_per_day;
    double a = sc_prng_normal(&d->prng);
    const double spread = d->kind->customer_spread;
    for (size_t s = 0; s < d->slots; s++) {
        d->own[s] = exp(spread * a - spread * spread / 2);
        a = ar_next(a, OWN_CORRELATION, &d->prng);
    }
    d->day_ar = sc_prng_normal(&d->prng);
    *out = d;
    return SC_OK;
}

void sc_profile_draw_free(struct sc_profile_draw *d)
{
    free(d);
}

void sc_profile_draw_freep(struct sc_profile_draw **d)
{
    sc_profile_draw_free(*d);
}

static void day_draw(struct sc_profile_draw *d)
{
    const struct sc_profile_kind *k = d->kind;
    const enum sc_day_type t = sc_day_type_of(d->day_ms);
    double e = sc_prng_normal(&d->prng);
    double sum = 0;
    d->day_ar = ar_next(d->day_ar, k->day_correlation[t], &d->prng);
    const double day_wh =
        d->level_wh * k->day_factor[t] * exp(k->day_spread * d->day_ar - k->day_spread * k->day_spread / 2);
    for (size_t s = 0; s < d->slots; s++) {
        const double spread = k->spread[t][s];
        const bool nothing = sc_prng_uniform(&d->prng) < k->zero_share;
        d->wh[s] = nothing ? 0 : k->shape[t][s] * d->own[s] * exp(spread * e - spread * spread / 2);
        sum += d->wh[s];
        e = ar_next(e, k->slot_correlation, &d->prng);
    }
    for (size_t s = 0; s < d->slots; s++)
        d->wh[s] = sum > 0 ? d->wh[s] / sum * day_wh : 0;
}

uint32_t sc_profile_draw_next(struct sc_profile_draw *d)
{
    if (d->slot == 0)
        day_draw(d);
    const double wh = fmin(d->wh[d->slot], 4.0e9);
    double whole = 0;
    if (wh > 0) { /* the carried fraction waits while there is no load: zero stays zero */
        d->sum += wh;
        whole = floor(d->sum);
        d->sum -= whole;
    }
    d->slot = (d->slot + 1) % d->slots;
    if (d->slot == 0)
        d->day_ms += DAY_MS;
    return (uint32_t)whole;
}

double sc_profile_draw_mean_wh_per_day(const struct sc_profile_draw *d)
{
    return d->level_wh;
}

/* ---- theft ---- */
void sc_theft_draw(uint64_t seed, uint64_t customer, int64_t first_ms, int64_t last_ms, struct sc_theft *out)
{
    struct sc_prng prng;
    sc_prng_init_stream(&prng, seed ^ UINT64_C(0x7468656674), customer); /* another stream than the consumption's */
    const uint64_t days = last_ms > first_ms ? (uint64_t)((last_ms - first_ms) / DAY_MS) : 0;
    /* from the second quarter to the middle of the window, so that there is honest behaviour to compare with
     */
    const uint64_t day = days / 4 + (days >= 4 ? sc_prng_below(&prng, days / 4) : 0);
    out->from_ms = first_ms + (int64_t)day * DAY_MS;
    out->kind = sc_prng_below(&prng, 4) == 0 ? SC_THEFT_BYPASS_EVENING : SC_THEFT_BYPASS;
    out->fraction = 0.60 + 0.15 * sc_prng_uniform(&prng);
}

uint64_t sc_theft_metered_wh(const struct sc_theft *t, int64_t start_ms, uint64_t true_wh)
{
    struct sc_civil c;
    if (t->kind == SC_THEFT_NONE || start_ms < t->from_ms)
        return true_wh;
    sc_civil_from_ms(start_ms, &c);
    if (t->kind == SC_THEFT_BYPASS_EVENING && (c.hour < 17 || c.hour >= 23))
        return true_wh;
    const uint64_t aside = (uint64_t)llround((double)true_wh * fmin(fmax(t->fraction, 0), 1));
    return true_wh - aside;
}
