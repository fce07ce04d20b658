#include "report/model.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *report_text(const json_t *obj, const char *name)
{
    const char *text = json_string_value(json_object_get(obj, name));
    return text != NULL ? text : "";
}

static sc_err get_array(const json_t *obj, const char *name, const json_t **out, struct sc_diag *diag)
{
    *out = json_object_get(obj, name);
    return json_is_array(*out) ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "member \"%s\": an array expected", name);
}

static sc_err get_object(const json_t *obj, const char *name, const json_t **out, struct sc_diag *diag)
{
    *out = json_object_get(obj, name);
    return json_is_object(*out) ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "member \"%s\": an object expected", name);
}

static sc_err get_count(const json_t *obj, const char *name, int64_t *out, struct sc_diag *diag)
{
    return sc_json_get_int(obj, name, 0, INT64_MAX, out, diag);
}

/* Each element of the array must have these members as strings. */
static sc_err each_has_texts(const json_t *array, const char *what, const char *const *names, struct sc_diag *diag)
{
    size_t i;
    const json_t *element;
    json_array_foreach(array, i, element)
    {
        for (const char *const *name = names; *name != NULL; name++) {
            const char *text;
            SC_TRY(sc_context(diag, sc_json_get_str(element, *name, &text, diag), "\"%s\", element %zu", what, i));
        }
    }
    return SC_OK;
}

/* ---- run.json ---- */

static sc_err stations_check(const json_t *stations, struct sc_diag *diag)
{
    static const char *const texts[] = {"id", "title", NULL};
    SC_TRY(each_has_texts(stations, "stations", texts, diag));
    size_t i;
    const json_t *station;
    json_array_foreach(stations, i, station)
    {
        const json_t *counts;
        int64_t instances;
        SC_TRY(sc_json_get_int(station, "instances", 0, 1000000, &instances, diag));
        SC_TRY(get_object(station, "counts", &counts, diag));
        const char *label;
        json_t *count;
        json_object_foreach((json_t *)counts, label, count) if (!json_is_number(count)) return sc_fail(
            diag, SC_E_MALFORMED, "\"stations\", element %zu, count \"%.60s\": a number expected", i, label);
    }
    return SC_OK;
}

static sc_err run_parse(struct report_run *r, struct sc_diag *diag)
{
    const json_t *data, *period, *attack = json_object_get(r->doc, "attack");
    int64_t version;
    SC_TRY(sc_json_get_int(r->doc, "version", 1, 1, &version, diag));
    SC_TRY(sc_json_get_str(r->doc, "title", &r->title, diag));
    SC_TRY(get_object(r->doc, "data", &data, diag));
    SC_TRY(sc_json_get_str(data, "source", &r->data_source, diag));
    SC_TRY(sc_json_get_str(data, "name", &r->data_name, diag));
    SC_TRY(sc_json_opt_str(data, "licence", &r->licence, diag));
    SC_TRY(sc_json_get_int(r->doc, "seed", INT64_MIN, INT64_MAX, &r->seed, diag));
    SC_TRY(get_count(r->doc, "customers", &r->customers, diag));
    SC_TRY(get_count(r->doc, "days", &r->days, diag));
    SC_TRY(sc_json_get_int(r->doc, "interval_s", 1, 86400, &r->interval_s, diag));
    SC_TRY(get_object(r->doc, "period", &period, diag));
    SC_TRY(sc_json_get_str(period, "from", &r->from, diag));
    SC_TRY(sc_json_get_str(period, "to", &r->to, diag));
    SC_TRY(sc_json_get_num(r->doc, "duration_s", &r->duration_s, diag));
    SC_TRY(sc_json_get_str(r->doc, "backend", &r->backend, diag));
    SC_TRY(sc_json_opt_int(r->doc, "restarts", 0, INT64_MAX, &r->restarts, diag));
    SC_TRY(get_array(r->doc, "stations", &r->stations, diag));
    SC_TRY(stations_check(r->stations, diag));
    if (attack == NULL || json_is_null(attack))
        return SC_OK;
    SC_TRY(sc_json_get_str(attack, "kind", &r->attack_kind, diag));
    SC_TRY(sc_json_get_str(attack, "description", &r->attack_description, diag));
    return sc_json_get_int(attack, "customer", INT64_MIN, INT64_MAX, &r->attack_customer, diag);
}

sc_err report_run_read(const char *path, struct report_run *out, struct sc_diag *diag)
{
    SC_CLEANUP(report_run_deinit) struct report_run r = {0};
    SC_TRY(sc_json_read(path, REPORT_FILE_SIZE_MAX, &r.doc, diag));
    SC_TRY(sc_context(diag, run_parse(&r, diag), "%s", path));
    *out = r;
    r = (struct report_run){0};
    return SC_OK;
}

void report_run_deinit(struct report_run *run)
{
    json_decref(run->doc);
    *run = (struct report_run){0};
}

/* ---- curves ---- */

sc_err report_curve_get(const json_t *obj, const char *name, struct report_curve *out, struct sc_diag *diag)
{
    const json_t *array;
    SC_TRY(get_array(obj, name, &array, diag));
    const size_t count = json_array_size(array);
    if (count > REPORT_POINTS_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": more than %d values", name, REPORT_POINTS_MAX);
    SC_CLEANUP(sc_freep) double *v = calloc(count == 0 ? 1 : count, sizeof *v);
    if (v == NULL)
        return sc_fail(diag, SC_E_NOMEM, "member \"%s\"", name);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_number(value) && !json_is_null(value))
            return sc_fail(diag, SC_E_MALFORMED, "member \"%s\", element %zu: a number or null expected", name, i);
        v[i] = json_is_null(value) ? NAN : json_number_value(value);
        if (fabs(v[i]) > 1e15) /* no grid carries that; a chart of it would say nothing */
            return sc_fail(diag, SC_E_MALFORMED, "member \"%s\", element %zu: out of range", name, i);
    }
    *out = (struct report_curve){SC_TAKE(v), count};
    return SC_OK;
}

void report_curve_deinit(struct report_curve *c)
{
    free(c->v);
    *c = (struct report_curve){0};
}

/* ---- bill ---- */

static sc_err bill_head(struct report_bill *b, struct sc_diag *diag)
{
    const json_t *period, *tariff;
    int64_t version;
    SC_TRY(sc_json_get_int(b->doc, "version", 1, 1, &version, diag));
    SC_TRY(sc_json_get_int(b->doc, "customer", 0, INT64_MAX, &b->customer, diag));
    snprintf(b->name_storage, sizeof b->name_storage, "customer %" PRId64, b->customer);
    SC_TRY(sc_json_opt_str(b->doc, "name", &b->name, diag));
    SC_TRY(sc_json_get_str(b->doc, "meter", &b->meter, diag));
    SC_TRY(get_object(b->doc, "period", &period, diag));
    SC_TRY(sc_json_get_str(period, "from", &b->from, diag));
    SC_TRY(sc_json_get_str(period, "to", &b->to, diag));
    SC_TRY(get_object(b->doc, "tariff", &tariff, diag));
    SC_TRY(sc_json_get_str(tariff, "id", &b->tariff_id, diag));
    return sc_json_get_str(tariff, "modality", &b->modality, diag);
}

static sc_err bill_amounts(struct report_bill *b, struct sc_diag *diag)
{
    static const char *const line_texts[] = {"code", "quantity", "unit", "unit_price", "amount", NULL};
    static const char *const tax_texts[] = {"name", "percent", "amount", NULL};
    SC_TRY(sc_json_get_str(b->doc, "energy_kwh", &b->energy_kwh, diag));
    SC_TRY(get_array(b->doc, "lines", &b->lines, diag));
    SC_TRY(each_has_texts(b->lines, "lines", line_texts, diag));
    SC_TRY(sc_json_get_str(b->doc, "subtotal", &b->subtotal, diag));
    SC_TRY(get_array(b->doc, "taxes", &b->taxes, diag));
    SC_TRY(each_has_texts(b->taxes, "taxes", tax_texts, diag));
    SC_TRY(sc_json_get_str(b->doc, "taxed", &b->taxed, diag));
    SC_TRY(sc_json_get_str(b->doc, "cosip", &b->cosip, diag));
    SC_TRY(sc_json_get_str(b->doc, "total", &b->total, diag));
    SC_TRY(sc_json_get_str(b->doc, "currency", &b->currency, diag));
    SC_TRY(sc_json_get_str(b->doc, "measurement_hash", &b->hash, diag));
    return get_count(b->doc, "tree_size", &b->tree_size, diag);
}

static sc_err bill_measurement(struct report_bill *b, struct sc_diag *diag)
{
    const json_t *readings, *curve;
    SC_TRY(sc_json_get_int(b->doc, "interval_s", 1, 86400, &b->interval_s, diag));
    SC_TRY(get_object(b->doc, "readings", &readings, diag));
    SC_TRY(get_count(readings, "count", &b->reading_count, diag));
    SC_TRY(get_count(readings, "not_measured", &b->not_measured_count, diag));
    SC_TRY(get_count(readings, "missing", &b->missing_count, diag));
    b->complete = json_is_true(json_object_get(b->doc, "complete"));
    SC_TRY(get_object(b->doc, "curve", &curve, diag));
    SC_TRY(sc_json_get_str(curve, "first_day", &b->first_day, diag));
    int64_t ms;
    if (sc_civil_parse(b->first_day, &ms) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"first_day\": a day expected");
    SC_TRY(report_curve_get(curve, "daily_kwh", &b->daily_kwh, diag));
    SC_TRY(report_curve_get(curve, "weekday_mean_kw", &b->weekday_kw, diag));
    return report_curve_get(curve, "weekend_mean_kw", &b->weekend_kw, diag);
}

sc_err report_bill_read(const char *path, struct report_bill *out, struct sc_diag *diag)
{
    SC_CLEANUP(report_bill_deinit) struct report_bill b = {0};
    SC_TRY(sc_json_read(path, REPORT_FILE_SIZE_MAX, &b.doc, diag));
    SC_TRY(sc_context(diag, bill_head(&b, diag), "%s", path));
    SC_TRY(sc_context(diag, bill_amounts(&b, diag), "%s", path));
    SC_TRY(sc_context(diag, bill_measurement(&b, diag), "%s", path));
    *out = b;
    b = (struct report_bill){0};
    if (out->name == NULL)
        out->name = out->name_storage;
    return SC_OK;
}

void report_bill_deinit(struct report_bill *b)
{
    json_decref(b->doc);
    report_curve_deinit(&b->daily_kwh);
    report_curve_deinit(&b->weekday_kw);
    report_curve_deinit(&b->weekend_kw);
    *b = (struct report_bill){0};
}

/* ---- verdict ---- */

static sc_err audit_parse(struct report_audit *a, struct sc_diag *diag)
{
    static const char *const check_texts[] = {"check", "result", "detail", NULL};
    static const char *const finding_texts[] = {"kind", "explanation", NULL};
    const json_t *v;
    int64_t version;
    SC_TRY(sc_json_get_int(a->doc, "version", 1, 1, &version, diag));
    SC_TRY(get_object(a->doc, "verdict", &v, diag));
    if (!json_is_boolean(json_object_get(v, "passed")))
        return sc_fail(diag, SC_E_MALFORMED, "member \"passed\": true or false expected");
    a->passed = json_is_true(json_object_get(v, "passed"));
    SC_TRY(get_count(v, "customer", &a->customer, diag));
    SC_TRY(sc_json_opt_str(v, "auditor", &a->auditor, diag));
    SC_TRY(sc_json_get_str(v, "audited_at", &a->audited_at, diag));
    SC_TRY(get_object(v, "counts", &a->counts, diag));
    SC_TRY(get_array(v, "checks", &a->checks, diag));
    SC_TRY(each_has_texts(a->checks, "checks", check_texts, diag));
    SC_TRY(get_array(v, "findings", &a->findings, diag));
    return each_has_texts(a->findings, "findings", finding_texts, diag);
}

sc_err report_audit_read(const char *path, struct report_audit *out, struct sc_diag *diag)
{
    SC_CLEANUP(report_audit_deinit) struct report_audit a = {0};
    SC_TRY(sc_json_read(path, REPORT_FILE_SIZE_MAX, &a.doc, diag));
    SC_TRY(sc_context(diag, audit_parse(&a, diag), "%s", path));
    *out = a;
    a = (struct report_audit){0};
    return SC_OK;
}

void report_audit_deinit(struct report_audit *a)
{
    json_decref(a->doc);
    *a = (struct report_audit){0};
}

/* ---- ranking ---- */

static sc_err days_check(const json_t *customer, int64_t slots, struct sc_diag *diag)
{
    static const char *const texts[] = {"date", NULL}, *const curves[] = {"curve_kw", "regular_kw", "group_kw"};
    const json_t *days = json_object_get(customer, "suspicious_days");
    if (days == NULL)
        return SC_OK;
    SC_TRY(get_array(customer, "suspicious_days", &days, diag));
    SC_TRY(each_has_texts(days, "suspicious_days", texts, diag));
    size_t i;
    const json_t *day;
    json_array_foreach(days, i, day)
    {
        for (size_t k = 0; k < 3; k++) {
            SC_CLEANUP(report_curve_deinit) struct report_curve c = {0};
            SC_TRY(report_curve_get(day, curves[k], &c, diag));
            if ((int64_t)c.count != slots)
                return sc_fail(diag, SC_E_MALFORMED, "\"%s\" has %zu values, \"slots\" says %" PRId64, curves[k],
                               c.count, slots);
        }
    }
    return SC_OK;
}

static sc_err ranked_check(const json_t *customer, const struct report_ranking *r, struct sc_diag *diag)
{
    const json_t *reasons;
    const char *text;
    int64_t n;
    double score;
    SC_TRY(get_count(customer, "rank", &n, diag));
    SC_TRY(sc_json_get_int(customer, "client_id", INT64_MIN, INT64_MAX, &n, diag));
    SC_TRY(sc_json_get_str(customer, "name", &text, diag));
    SC_TRY(sc_json_get_str(customer, "class", &text, diag));
    SC_TRY(sc_json_get_num(customer, "score", &score, diag));
    SC_TRY(sc_json_get_str(customer, "grade", &text, diag));
    SC_TRY(get_array(customer, "reasons", &reasons, diag));
    size_t i;
    const json_t *reason;
    json_array_foreach(reasons, i, reason) if (!json_is_string(reason)) return sc_fail(
        diag, SC_E_MALFORMED, "\"reasons\", element %zu: a string expected", i);
    return days_check(customer, r->slots, diag);
}

static sc_err map_check(struct report_ranking *r, struct sc_diag *diag)
{
    const json_t *units, *map = json_object_get(r->doc, "map");
    const char *grid;
    int64_t columns, rows, hits;
    double error;
    if (map == NULL || json_is_null(map))
        return SC_OK;
    SC_TRY(sc_json_get_str(map, "grid", &grid, diag));
    SC_TRY(sc_json_get_int(map, "columns", 1, 64, &columns, diag));
    SC_TRY(sc_json_get_int(map, "rows", 1, 64, &rows, diag));
    SC_TRY(sc_json_get_num(map, "quantisation_error", &error, diag));
    SC_TRY(sc_json_get_num(map, "topographic_error", &error, diag));
    SC_TRY(get_array(map, "units", &units, diag));
    if ((int64_t)json_array_size(units) != columns * rows)
        return sc_fail(diag, SC_E_MALFORMED, "\"map\" has %zu units, not columns times rows", json_array_size(units));
    size_t i, dimension = 0;
    const json_t *unit;
    json_array_foreach(units, i, unit)
    {
        SC_CLEANUP(report_curve_deinit) struct report_curve c = {0};
        SC_TRY(get_count(unit, "hits", &hits, diag));
        SC_TRY(report_curve_get(unit, "codebook", &c, diag));
        if (c.count == 0 || c.count > 1024 || (i != 0 && c.count != dimension))
            return sc_fail(diag, SC_E_MALFORMED, "\"map\", unit %zu: %zu components", i, c.count);
        dimension = c.count;
    }
    r->map = map;
    return SC_OK;
}

static sc_err ranking_parse(struct report_ranking *r, struct sc_diag *diag)
{
    const json_t *period;
    int64_t version;
    SC_TRY(sc_json_get_int(r->doc, "version", 1, 1, &version, diag));
    SC_TRY(get_object(r->doc, "period", &period, diag));
    SC_TRY(sc_json_get_str(period, "from", &r->from, diag));
    SC_TRY(sc_json_get_str(period, "to", &r->to, diag));
    SC_TRY(sc_json_get_int(r->doc, "slots", 1, REPORT_POINTS_MAX, &r->slots, diag));
    SC_TRY(get_array(r->doc, "customers", &r->customers, diag));
    size_t i;
    const json_t *customer;
    json_array_foreach(r->customers, i, customer)
    {
        SC_TRY(sc_context(diag, ranked_check(customer, r, diag), "\"customers\", element %zu", i));
        const char *grade = report_text(customer, "grade");
        r->strong_count += strcmp(grade, "strong") == 0;
        r->weak_count += strcmp(grade, "weak") == 0;
        r->unjudged_count += strcmp(grade, "unjudged") == 0;
    }
    return map_check(r, diag);
}

static int64_t entry_customer(const json_t *entry)
{
    return json_integer_value(json_object_get(entry, "client_id"));
}

static int by_customer(const void *a, const void *b)
{
    const int64_t x = entry_customer(*(const json_t *const *)a), y = entry_customer(*(const json_t *const *)b);
    return (x > y) - (x < y);
}

static sc_err index_make(struct report_ranking *r, struct sc_diag *diag)
{
    const size_t count = json_array_size(r->customers);
    r->by_customer = calloc(count == 0 ? 1 : count, sizeof *r->by_customer);
    if (r->by_customer == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%zu customers", count);
    for (size_t i = 0; i < count; i++)
        r->by_customer[i] = json_array_get(r->customers, i);
    qsort(r->by_customer, count, sizeof *r->by_customer, by_customer);
    return SC_OK;
}

sc_err report_ranking_read(const char *path, struct report_ranking *out, struct sc_diag *diag)
{
    SC_CLEANUP(report_ranking_deinit) struct report_ranking r = {0};
    SC_TRY(sc_json_read(path, 4 * REPORT_FILE_SIZE_MAX, &r.doc, diag));
    SC_TRY(sc_context(diag, ranking_parse(&r, diag), "%s", path));
    SC_TRY(index_make(&r, diag));
    *out = r;
    r = (struct report_ranking){0};
    return SC_OK;
}

void report_ranking_deinit(struct report_ranking *r)
{
    free(r->by_customer);
    json_decref(r->doc);
    *r = (struct report_ranking){0};
}

const json_t *report_ranking_find(const struct report_ranking *r, int64_t customer)
{
    size_t from = 0, to = r->customers == NULL ? 0 : json_array_size(r->customers);
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const int64_t at = entry_customer(r->by_customer[middle]);
        if (at == customer)
            return r->by_customer[middle];
        if (at < customer)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}
