#include "billing/bill.h"

#include <inttypes.h>
#include <stdio.h>

/* json_object_set_new() eats a NULL value as an error, so one flag at the end tells whether memory sufficed. */
static void put(json_t *obj, bool *ok, const char *name, json_t *value)
{
    if (json_object_set_new(obj, name, value) != 0)
        *ok = false;
}

static json_t *text_of(const char *s)
{
    return json_string(s);
}

static json_t *decimal_of(int64_t nano, unsigned decimals_min)
{
    char text[SC_DECIMAL_TEXT_SIZE];
    return json_string(sc_decimal_text(nano, decimals_min, text));
}

static json_t *money_of(int64_t cents)
{
    char text[SC_DECIMAL_TEXT_SIZE];
    return json_string(sc_money_text(cents, text));
}

static json_t *kilo_of(int64_t milli)
{
    return decimal_of(milli * 1000000, 3);
}

static json_t *time_of(int64_t ms)
{
    char text[SC_TIME_TEXT_SIZE];
    return json_string(sc_time_text(ms, text));
}

static json_t *hash_of(const struct sc_hash *hash)
{
    char text[2 * SC_HASH_SIZE + 1];
    sc_hex_encode(sc_slice_of(hash->bytes, sizeof hash->bytes), text);
    return json_string(text);
}

static json_t *count_of(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *period_json(const struct sc_bill *b, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "from", time_of(b->from_ms));
    put(o, ok, "to", time_of(b->to_ms));
    put(o, ok, "requested_from", time_of(b->requested.from_ms));
    put(o, ok, "requested_to", time_of(b->requested.to_ms));
    return o;
}

static json_t *contract_json(const struct sc_bill *b, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "phases", json_integer(b->contract.phases));
    if (sc_modality_is_group_a(b->modality)) {
        put(o, ok, "contracted_kw", kilo_of(b->contract.contracted_w[SC_SLOT_OFF_PEAK]));
        if (b->modality == SC_MODALITY_AZUL)
            put(o, ok, "contracted_peak_kw", kilo_of(b->contract.contracted_w[SC_SLOT_PEAK]));
    }
    return o;
}

static json_t *tariff_json(const struct sc_bill *b, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "id", text_of(b->tariff_id));
    put(o, ok, "hash", hash_of(&b->tariff_hash));
    put(o, ok, "modality", text_of(sc_modality_name(b->modality)));
    put(o, ok, "utc_offset_minutes", json_integer(b->utc_offset_min));
    return o;
}

static json_t *readings_json(const struct sc_bill *b, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "count", count_of(b->reading_count));
    put(o, ok, "not_measured", count_of(b->not_measured_count));
    put(o, ok, "missing", count_of(b->missing_count));
    put(o, ok, "refused_rows", count_of(b->refused_count));
    put(o, ok, "first_sequence", count_of(b->first_sequence));
    put(o, ok, "last_sequence", count_of(b->last_sequence));
    put(o, ok, "opening_sequence", b->opening.known ? count_of(b->opening.sequence) : json_null());
    put(o, ok, "registers_compared", count_of(b->register_checks));
    put(o, ok, "registers_disagree", count_of(b->register_mismatches));
    return o;
}

static json_t *line_json(const struct sc_charge_line *l, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "code", text_of(l->code));
    if (l->detail != NULL)
        put(o, ok, strcmp(l->code, "flag") == 0 ? "flag" : "slot", text_of(l->detail));
    if (l->month != 0) {
        char month[32];
        snprintf(month, sizeof month, "%04" PRId32 "-%02" PRId32, l->month / 12, l->month % 12 + 1);
        put(o, ok, "month", text_of(month));
    }
    put(o, ok, "quantity", decimal_of(l->quantity, 3));
    put(o, ok, "unit", text_of(l->unit));
    put(o, ok, "unit_price", decimal_of(l->unit_price, 2));
    put(o, ok, "amount", money_of(l->amount_cents));
    return o;
}

static json_t *taxes_json(const struct sc_charges *c, bool *ok)
{
    const struct {
        const char *name;
        int64_t rate, cents;
    } taxes[] = {{"icms", c->icms_rate, c->icms_cents},
                 {"pis", c->pis_rate, c->pis_cents},
                 {"cofins", c->cofins_rate, c->cofins_cents}};
    json_t *list = json_array();
    for (size_t i = 0; i < 3; i++) {
        if (taxes[i].rate == 0)
            continue;
        json_t *o = json_object();
        put(o, ok, "name", text_of(taxes[i].name));
        put(o, ok, "percent", decimal_of(taxes[i].rate, 2));
        put(o, ok, "amount", money_of(taxes[i].cents));
        *ok = json_array_append_new(list, o) == 0 && *ok;
    }
    return list;
}

static json_t *mean_json(const struct sc_bill *b, size_t kind, bool *ok)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->slot_count; i++) {
        json_t *mean = json_null();
        if (b->curve[kind][i].measured != 0)
            mean = json_real((double)b->curve[kind][i].wh * 3.6 / (double)b->requested.interval_s /
                             (double)b->curve[kind][i].measured);
        *ok = json_array_append_new(list, mean) == 0 && *ok;
    }
    return list;
}

/* Figures for plots only: binary floats, never compared. */
static json_t *curve_json(const struct sc_bill *b, bool *ok)
{
    json_t *o = json_object(), *days = json_array();
    for (size_t i = 0; i < b->day_count; i++)
        *ok = json_array_append_new(days, json_real((double)b->day_wh[i] / 1000.0)) == 0 && *ok;
    char text[SC_TIME_TEXT_SIZE];
    sc_time_text(b->first_day * SC_DAY_MS, text);
    text[10] = '\0';
    put(o, ok, "first_day", text_of(text));
    put(o, ok, "daily_kwh", days);
    put(o, ok, "weekday_mean_kw", mean_json(b, 0, ok));
    put(o, ok, "weekend_mean_kw", mean_json(b, 1, ok));
    return o;
}

sc_err sc_bill_to_json(const struct sc_bill *b, const char *customer_name, json_t **out)
{
    bool ok = true;
    SC_CLEANUP(sc_json_freep) json_t *doc = json_object();
    char meter[16];
    snprintf(meter, sizeof meter, "%08" PRIu32, b->contract.meter);
    put(doc, &ok, "format", text_of("securecloud-bill"));
    put(doc, &ok, "version", json_integer(1));
    put(doc, &ok, "customer", json_integer(b->contract.client_id));
    json_t *name = customer_name != NULL ? json_string(customer_name) : NULL;
    if (name != NULL) /* a name that is not UTF-8 is left out */
        put(doc, &ok, "name", name);
    put(doc, &ok, "meter", text_of(meter));
    put(doc, &ok, "contract", contract_json(b, &ok));
    put(doc, &ok, "tariff", tariff_json(b, &ok));
    put(doc, &ok, "period", period_json(b, &ok));
    put(doc, &ok, "interval_s", json_integer(b->requested.interval_s));
    put(doc, &ok, "complete",
        json_boolean(b->missing_count == 0 && b->refused_count == 0 && b->register_mismatches == 0));
    put(doc, &ok, "readings", readings_json(b, &ok));
    put(doc, &ok, "energy_kwh", kilo_of(b->energy_wh));
    json_t *lines = json_array();
    for (size_t i = 0; i < b->charges.line_count; i++)
        ok = json_array_append_new(lines, line_json(&b->charges.lines[i], &ok)) == 0 && ok;
    put(doc, &ok, "lines", lines);
    put(doc, &ok, "subtotal", money_of(b->charges.subtotal_cents));
    put(doc, &ok, "taxes", taxes_json(&b->charges, &ok));
    put(doc, &ok, "taxed", money_of(b->charges.taxed_cents));
    put(doc, &ok, "cosip", money_of(b->charges.cosip_cents));
    put(doc, &ok, "total", money_of(b->charges.total_cents));
    put(doc, &ok, "currency", text_of("BRL"));
    put(doc, &ok, "measurement_hash", hash_of(&b->measurement_hash));
    put(doc, &ok, "tree_size", count_of(b->reading_count));
    put(doc, &ok, "curve", curve_json(b, &ok));
    if (!ok)
        return SC_E_NOMEM;
    *out = SC_TAKE(doc);
    return SC_OK;
}

/* ---- reading one back ---- */

static sc_err get_time(const json_t *obj, const char *name, int64_t *out, struct sc_diag *diag)
{
    const char *text;
    SC_TRY(sc_json_get_str(obj, name, &text, diag));
    if (sc_civil_parse(text, out) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": a time expected", name);
    return SC_OK;
}

static sc_err get_hash(const json_t *obj, const char *name, struct sc_hash *out, struct sc_diag *diag)
{
    const char *text;
    SC_TRY(sc_json_get_str(obj, name, &text, diag));
    if (sc_hex_decode(text, out->bytes, sizeof out->bytes) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": 64 hexadecimal digits expected", name);
    return SC_OK;
}

static sc_err get_count(const json_t *obj, const char *name, uint64_t *out, struct sc_diag *diag)
{
    int64_t v;
    SC_TRY(sc_json_get_int(obj, name, 0, INT64_MAX, &v, diag));
    *out = (uint64_t)v;
    return SC_OK;
}

static sc_err claim_head(const json_t *doc, struct sc_bill_claim *c, struct sc_diag *diag)
{
    const char *text;
    int64_t n;
    SC_TRY(sc_json_get_str(doc, "format", &text, diag));
    if (strcmp(text, "securecloud-bill") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"format\": not a bill");
    SC_TRY(sc_json_get_int(doc, "version", 1, 1, &n, diag));
    SC_TRY(sc_json_get_int(doc, "customer", 0, INT64_MAX, &c->client_id, diag));
    SC_TRY(sc_json_get_str(doc, "meter", &text, diag));
    if (strlen(text) != 8 || strspn(text, "0123456789") != 8)
        return sc_fail(diag, SC_E_MALFORMED, "member \"meter\": 8 digits expected");
    c->meter = (uint32_t)strtoul(text, NULL, 10);
    SC_TRY(sc_json_get_int(doc, "interval_s", 60, 86400, &n, diag));
    c->requested.interval_s = (uint32_t)n;
    return SC_OK;
}

static sc_err claim_period(const json_t *doc, struct sc_bill_claim *c, struct sc_diag *diag)
{
    const json_t *period = json_object_get(doc, "period");
    SC_TRY(get_time(period, "requested_from", &c->requested.from_ms, diag));
    SC_TRY(get_time(period, "requested_to", &c->requested.to_ms, diag));
    SC_TRY(get_time(period, "from", &c->from_ms, diag));
    SC_TRY(get_time(period, "to", &c->to_ms, diag));
    if (sc_bill_period_check(&c->requested, diag) != SC_OK)
        return SC_E_MALFORMED;
    const struct sc_bill_period part = {c->from_ms, c->to_ms, c->requested.interval_s};
    if (sc_bill_period_check(&part, diag) != SC_OK)
        return SC_E_MALFORMED;
    if (c->from_ms < c->requested.from_ms || c->to_ms > c->requested.to_ms)
        return sc_fail(diag, SC_E_MALFORMED, "\"period\": from..to exceeds what was requested");
    return SC_OK;
}

static sc_err opt_watts(const json_t *contract, const char *name, int64_t *w_out, struct sc_diag *diag)
{
    const char *text = NULL;
    int64_t nano = 0;
    SC_TRY(sc_json_opt_str(contract, name, &text, diag));
    if (text != NULL && (sc_decimal_parse(text, &nano) != SC_OK || nano % 1000000 != 0))
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": kW with at most 3 decimals expected", name);
    *w_out = nano / 1000000;
    return SC_OK;
}

static sc_err claim_contract(const json_t *doc, struct sc_bill_claim *c, struct sc_diag *diag)
{
    const json_t *contract = json_object_get(doc, "contract");
    int64_t phases;
    SC_TRY(sc_json_get_int(contract, "phases", 1, 3, &phases, diag));
    SC_TRY(opt_watts(contract, "contracted_kw", &c->contract.contracted_w[SC_SLOT_OFF_PEAK], diag));
    SC_TRY(opt_watts(contract, "contracted_peak_kw", &c->contract.contracted_w[SC_SLOT_PEAK], diag));
    c->contract.phases = (int)phases;
    c->contract.client_id = c->client_id;
    c->contract.meter = c->meter;
    return SC_OK;
}

sc_err sc_bill_claim_parse(const json_t *doc, struct sc_bill_claim *out, struct sc_diag *diag)
{
    struct sc_bill_claim c = {.doc = doc};
    SC_TRY(claim_head(doc, &c, diag));
    SC_TRY(claim_period(doc, &c, diag));
    SC_TRY(claim_contract(doc, &c, diag));
    const json_t *readings = json_object_get(doc, "readings");
    SC_TRY(get_count(readings, "count", &c.reading_count, diag));
    SC_TRY(get_count(readings, "first_sequence", &c.first_sequence, diag));
    SC_TRY(get_count(readings, "last_sequence", &c.last_sequence, diag));
    const json_t *tariff = json_object_get(doc, "tariff");
    const char *id;
    SC_TRY(sc_json_get_str(tariff, "id", &id, diag));
    if (strlen(id) >= sizeof c.tariff_id)
        return sc_fail(diag, SC_E_MALFORMED, "member \"id\": too long");
    memcpy(c.tariff_id, id, strlen(id) + 1);
    SC_TRY(get_hash(tariff, "hash", &c.tariff_hash, diag));
    SC_TRY(get_hash(doc, "measurement_hash", &c.measurement_hash, diag));
    *out = c;
    return SC_OK;
}
