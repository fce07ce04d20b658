#include "fraud/output.h"

#include "base/clock.h"
#include "fraud/internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Scores that about 1 in 20 and 1 in 100 customers reach without any theft (docs/services/fraud.md). */
#define SCORE_WEAK   8.0
#define SCORE_STRONG 13.0
#define REASON_Z     2.0
#define REASONS_MAX  5

static const char *const units[SC_FRAUD_FEATURE_COUNT] = {
    "ln kW, less the group's movement",
    "ln kW, less the group's movement",
    "ln ratio, less the group's movement",
    "Fisher z",
    "Fisher z",
    "distance",
    "grid steps",
    "ln kW",
};

enum sc_fraud_grade sc_fraud_grade(const struct sc_fraud_finding *finding)
{
    if (!finding->judged)
        return SC_FRAUD_UNJUDGED;
    return finding->score >= SCORE_STRONG ? SC_FRAUD_STRONG
           : finding->score >= SCORE_WEAK ? SC_FRAUD_WEAK
                                          : SC_FRAUD_NOTHING;
}

const char *sc_fraud_grade_name(enum sc_fraud_grade g)
{
    static const char *const names[] = {"unjudged", "nothing", "weak", "strong"};
    return names[g];
}

/* ---- words ---- */

static const char *date_text(const struct sc_load_table *t, size_t day, char text[static 16])
{
    struct sc_civil c;
    sc_civil_from_ms(t->first_ms + (int64_t)day * SC_LOAD_DAY_MS, &c);
    snprintf(text, 16, "%04d-%02d-%02d", c.year % 10000, c.month, c.day);
    return text;
}

/* Change between the parts in per cent, of a feature that is a logarithm. */
static double change_pct(const struct sc_fraud_measure *m)
{
    return 100.0 * expm1(m->after - m->before);
}

static void reason_text(const struct sc_fraud *f, const struct sc_fraud_finding *v, size_t feature, struct sc_buf *out)
{
    const struct sc_fraud_measure *m = &v->feature[feature];
    char date[16];
    switch ((enum sc_fraud_feature)feature) {
    case SC_FRAUD_LEVEL:
        sc_buf_put_fmt(out, "from %s on, use is %.0f %% below the own days before (the group moved by %+.0f %%)",
                       date_text(f->table, v->change_day, date), -change_pct(m), 100.0 * expm1(v->group_level));
        break;
    case SC_FRAUD_BASE:
        sc_buf_put_fmt(out, "what always runs fell by %.0f %%", -change_pct(m));
        break;
    case SC_FRAUD_BAND:
        sc_buf_put_fmt(out, "%zu to %zu h fell by %.0f %% against the rest of the day", v->band_hour, v->band_hour + 6,
                       -change_pct(m));
        break;
    case SC_FRAUD_OWN_CORRELATION:
        sc_buf_put_fmt(out, "days follow the own regular curve less: correlation %.2f, before %.2f", tanh(m->after),
                       tanh(m->before));
        break;
    case SC_FRAUD_GROUP_CORRELATION:
        sc_buf_put_fmt(out, "days follow the group's curve less: correlation %.2f, before %.2f", tanh(m->after),
                       tanh(m->before));
        break;
    case SC_FRAUD_MAP_DISTANCE:
        sc_buf_put_fmt(out, "curves fit no neuron of the map as well as before: distance %.2f, before %.2f", m->after,
                       m->before);
        break;
    case SC_FRAUD_MAP_MOVE:
        sc_buf_put_fmt(out, "moved on the map: %.1f steps from its regular neurons, before %.1f", m->after, m->before);
        break;
    case SC_FRAUD_STAKE:
    case SC_FRAUD_FEATURE_COUNT:
        break;
    }
}

static void reason_append(json_t *list, struct sc_buf *text)
{
    json_array_append_new(list, json_string(sc_buf_cstr(text)));
    sc_buf_reset(text);
}

/* Why a customer is not judged. */
static void reason_unjudged(const struct sc_fraud_finding *v, struct sc_buf *text)
{
    if (v->day_count < SC_FRAUD_DAYS_MIN)
        sc_buf_put_fmt(text, "too little to judge: %zu days with data, %d needed", v->day_count, SC_FRAUD_DAYS_MIN);
    else if (!(v->mean_kw > 0.0))
        sc_buf_put_fmt(text, "no use at all on %zu days: an empty place or a full bypass, to be seen on site",
                       v->day_count);
    else
        sc_buf_put_fmt(text, "too little to judge: no day leaves days of one kind on both sides");
}

json_t *sc_fraud_reasons(const struct sc_fraud *f, const struct sc_fraud_finding *v)
{
    json_t *list = json_array();
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {.size_max = 4096};
    if (list == NULL)
        return NULL;
    if (!v->judged) {
        reason_unjudged(v, &text);
        reason_append(list, &text);
        return list;
    }
    bool told[SC_FRAUD_FEATURE_COUNT] = {[SC_FRAUD_STAKE] = true}; /* a stake is no reason to suspect anybody */
    for (size_t n = 0; n < REASONS_MAX; n++) {
        size_t best = SC_FRAUD_FEATURE_COUNT;
        double best_weight = 0.0;
        for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT; i++) {
            /* The level's sentence names the day from which the others hold: it goes first. */
            const double weight = sc_fraud_feature_weights[i] * v->feature[i].z * (i == SC_FRAUD_LEVEL ? 1e3 : 1.0);
            if (!told[i] && v->feature[i].z >= REASON_Z && weight > best_weight) {
                best = i;
                best_weight = weight;
            }
        }
        if (best == SC_FRAUD_FEATURE_COUNT)
            break;
        told[best] = true;
        reason_text(f, v, best, &text);
        reason_append(list, &text);
    }
    if (json_array_size(list) == 0)
        json_array_append_new(list, json_string("nothing stands out"));
    return list;
}

/* ---- CSV ---- */

void sc_fraud_csv_text(struct sc_buf *out, const char *text)
{
    sc_buf_put_u8(out, '"');
    if (*text != '\0' && strchr("=+-@\t\r", *text) != NULL)
        sc_buf_put_u8(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            sc_buf_put_u8(out, '"');
        sc_buf_put_u8(out, (uint8_t)*text);
    }
    sc_buf_put_u8(out, '"');
}

static void csv_number(struct sc_buf *out, double v, int decimals)
{
    sc_buf_put_u8(out, ',');
    if (isfinite(v)) /* empty = unknown */
        sc_buf_put_fmt(out, "%.*f", decimals, v);
}

static void csv_row(const struct sc_fraud *f, size_t rank, struct sc_buf *out)
{
    const struct sc_fraud_finding *v = sc_fraud_finding(f, rank);
    const struct sc_load_customer *c = &f->table->customer[v->customer];
    char date[16];
    sc_buf_put_fmt(out, "%zu,%" PRId64 ",", rank + 1, c->client_id);
    sc_fraud_csv_text(out, c->name);
    sc_buf_put_fmt(out, ",%s,%.2f,%s,%zu,%s", sc_customer_class_name(c->customer_class), v->score,
                   sc_fraud_grade_name(sc_fraud_grade(v)), v->day_count,
                   v->judged ? date_text(f->table, v->change_day, date) : "");
    csv_number(out, v->mean_kw, 4);
    for (size_t i = SC_FRAUD_LEVEL; i <= SC_FRAUD_BAND; i++)
        csv_number(out, change_pct(&v->feature[i]), 1);
    csv_number(out, v->judged ? 100.0 * expm1(v->group_level) : NAN, 1);
    for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT; i++)
        csv_number(out, isnan(v->feature[i].statistic) ? NAN : v->feature[i].z, 2);
    sc_buf_put_u8(out, ',');
    json_t *reasons = sc_fraud_reasons(f, v);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {.size_max = 16384};
    for (size_t i = 0; i < json_array_size(reasons); i++)
        sc_buf_put_fmt(&text, "%s%s", i == 0 ? "" : "; ", json_string_value(json_array_get(reasons, i)));
    json_decref(reasons);
    sc_fraud_csv_text(out, sc_buf_cstr(&text));
    sc_buf_put_str(out, "\r\n");
}

void sc_fraud_csv(const struct sc_fraud *f, struct sc_buf *out)
{
    sc_buf_put_str(out, "rank,client_id,name,class,score,grade,days,change_day,mean_kw,level_change_pct,"
                        "base_change_pct,band_change_pct,group_change_pct");
    for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT; i++)
        sc_buf_put_fmt(out, ",z_%s", sc_fraud_feature_names[i]);
    sc_buf_put_str(out, ",reasons\r\n");
    for (size_t r = 0; r < f->table->customer_count; r++)
        csv_row(f, r, out);
}

/* ---- JSON ---- */

/* Rounded to 0.1 W (or 1e-4 of a figure): files of curves stay readable. */
static json_t *number(double v)
{
    return isfinite(v) ? json_real(round(v * 1e4) / 1e4) : json_null();
}

static json_t *numbers(const float *v, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, number((double)v[i]));
    return list;
}

/* A name from the database need not be UTF-8. */
static json_t *name_json(const char *name)
{
    json_t *as_is = json_string(name);
    if (as_is != NULL)
        return as_is;
    char ascii[SC_LOAD_NAME_SIZE];
    snprintf(ascii, sizeof ascii, "%s", name);
    for (char *p = ascii; *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    return json_string(ascii);
}

static json_t *days_json(const struct sc_fraud *f, const struct sc_fraud_finding *v)
{
    const struct sc_load_table *t = f->table;
    json_t *list = json_array();
    for (size_t i = 0; i < v->shown_count; i++) {
        float regular[SC_LOAD_SLOTS_MAX], group[SC_LOAD_SLOTS_MAX];
        char date[16];
        const size_t day = v->shown_day[i], unit = sc_fraud_map_unit(f, v->customer, day);
        sc_fraud_regular_curve(f, v, day, regular);
        sc_fraud_group_curve(f, v, day, group);
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "date", date_text(t, day, date), "unit",
                                              unit == SC_SOM_NO_UNIT ? json_null() : json_integer((json_int_t)unit),
                                              "curve_kw", numbers(sc_load_curve(t, v->customer, day), t->slot_count),
                                              "regular_kw", numbers(regular, t->slot_count), "group_kw",
                                              numbers(group, t->slot_count)));
    }
    return list;
}

static json_t *features_json(const struct sc_fraud_finding *v)
{
    json_t *object = json_object();
    for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT; i++) {
        const struct sc_fraud_measure *m = &v->feature[i];
        if (!isnan(m->statistic))
            json_object_set_new(object, sc_fraud_feature_names[i],
                                json_pack("{s:o, s:o, s:o, s:o}", "before", number(m->before), "after",
                                          number(m->after), "statistic", number(m->statistic), "z", number(m->z)));
    }
    return object;
}

static json_t *customer_json(const struct sc_fraud *f, size_t rank, bool detailed)
{
    const struct sc_fraud_finding *v = sc_fraud_finding(f, rank);
    const struct sc_load_customer *c = &f->table->customer[v->customer];
    char date[16];
    json_t *object = json_pack("{s:I, s:I, s:o, s:s, s:o, s:s, s:I, s:o, s:I, s:o}", "rank", (json_int_t)rank + 1,
                               "client_id", (json_int_t)c->client_id, "name", name_json(c->name), "class",
                               sc_customer_class_name(c->customer_class), "score", number(v->score), "grade",
                               sc_fraud_grade_name(sc_fraud_grade(v)), "days", (json_int_t)v->day_count, "mean_kw",
                               number(v->mean_kw), "group_size", (json_int_t)sc_fraud_group_size(f, v->group),
                               "reasons", sc_fraud_reasons(f, v));
    if (object == NULL || !v->judged)
        return object;
    json_object_set_new(object, "change_day", json_string(date_text(f->table, v->change_day, date)));
    json_object_set_new(object, "level_change_pct", number(change_pct(&v->feature[SC_FRAUD_LEVEL])));
    json_object_set_new(object, "group_change_pct", number(100.0 * expm1(v->group_level)));
    if (!isnan(v->feature[SC_FRAUD_BAND].statistic))
        json_object_set_new(object, "band_hours",
                            json_pack("[I, I]", (json_int_t)v->band_hour, (json_int_t)v->band_hour + 6));
    json_object_set_new(object, "features", features_json(v));
    if (detailed)
        json_object_set_new(object, "suspicious_days", days_json(f, v));
    return object;
}

static json_t *map_json(const struct sc_fraud *f)
{
    const struct sc_som *map = sc_fraud_map(f);
    if (map == NULL)
        return json_null();
    json_t *unit = json_array();
    for (size_t u = 0; u < sc_som_unit_count(map); u++)
        json_array_append_new(unit, json_pack("{s:I, s:o}", "hits", (json_int_t)sc_fraud_map_hits(f, u), "codebook",
                                              numbers(sc_som_codebook(map, u), sc_som_dimension(map))));
    const struct sc_som_quality q = sc_fraud_map_quality(f);
    return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "grid",
                     sc_som_grid(map) == SC_SOM_HEXAGONAL ? "hexagonal" : "rectangular", "columns",
                     (json_int_t)sc_som_columns(map), "rows", (json_int_t)sc_som_rows(map), "quantisation_error",
                     number(q.quantisation), "topographic_error", number(q.topographic), "units", unit);
}

sc_err sc_fraud_json(const struct sc_fraud *f, size_t detail_count, uint64_t seed, json_t **out)
{
    const struct sc_load_table *t = f->table;
    char from[16], to[16];
    json_t *feature = json_array(), *customer = json_array();
    for (size_t i = 0; i < SC_FRAUD_FEATURE_COUNT; i++)
        json_array_append_new(feature, json_pack("{s:s, s:f, s:s}", "name", sc_fraud_feature_names[i], "weight",
                                                 sc_fraud_feature_weights[i], "unit", units[i]));
    for (size_t r = 0; r < t->customer_count; r++)
        json_array_append_new(customer, customer_json(f, r, r < detail_count));
    /* The last day is named as in a bill's period: the first that is not in it. */
    json_t *doc = json_pack("{s:i, s:{s:s, s:s}, s:I, s:I, s:I, s:o, s:o, s:o}", "version", 1, "period", "from",
                            date_text(t, 0, from), "to", date_text(t, t->day_count, to), "days",
                            (json_int_t)t->day_count, "slots", (json_int_t)t->slot_count, "seed", (json_int_t)seed,
                            "features", feature, "customers", customer, "map", map_json(f));
    if (doc == NULL || json_array_size(customer) != t->customer_count) {
        json_decref(doc);
        return SC_E_NOMEM;
    }
    *out = doc;
    return SC_OK;
}
