#include "billing/tariff.h"

#include <stdio.h>

static const char *const slot_names[SC_SLOT_COUNT] = {"off_peak", "intermediate", "peak"};
static const char *const flag_names[SC_FLAG_COUNT] = {"green", "yellow", "red_1", "red_2"};

const char *sc_slot_name(enum sc_slot slot)
{
    return slot_names[slot];
}

const char *sc_flag_name(enum sc_flag flag)
{
    return flag_names[flag];
}

static bool name_index(const char *name, const char *const *names, size_t count, size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* ---- reading the document, member by member ---- */

static sc_err only_known(const json_t *obj, const char *where, const char *const *known, struct sc_diag *diag)
{
    if (!json_is_object(obj))
        return sc_fail(diag, SC_E_MALFORMED, "\"%s\": an object expected", where);
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)obj, name, v)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], name) != 0)
            i++;
        if (known[i] == NULL)
            return sc_fail(diag, SC_E_MALFORMED, "\"%s\": member \"%.40s\" is not known", where, name);
    }
    return SC_OK;
}
#define KNOWN(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Decimals are strings ("0.35"): a JSON number would pass through a binary float. */
static sc_err get_decimal(const json_t *obj, const char *name, int64_t *nano_out, struct sc_diag *diag)
{
    const char *text;
    SC_TRY(sc_json_get_str(obj, name, &text, diag));
    int64_t nano;
    if (sc_decimal_parse(text, &nano) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": \"%.40s\" is not a decimal such as \"0.35\"", name, text);
    *nano_out = nano;
    return SC_OK;
}

static sc_err opt_decimal(const json_t *obj, const char *name, int64_t *nano_out, struct sc_diag *diag)
{
    return json_object_get(obj, name) == NULL ? SC_OK : get_decimal(obj, name, nano_out, diag);
}

/* A decimal per unit of 1/divisor kWh: prices are published per MWh as well. */
static sc_err opt_price(const json_t *obj, const char *name, int64_t divisor, int64_t *price_out, struct sc_diag *diag)
{
    int64_t nano = 0;
    if (json_object_get(obj, name) == NULL)
        return SC_OK;
    SC_TRY(get_decimal(obj, name, &nano, diag));
    if (nano % divisor != 0)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": more decimals than a price can have", name);
    *price_out = nano / divisor;
    return SC_OK;
}

static sc_err get_rate(const json_t *obj, const char *name, int64_t *rate_out, struct sc_diag *diag)
{
    int64_t rate = 0;
    SC_TRY(get_decimal(obj, name, &rate, diag));
    if (rate >= SC_RATE_ONE)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": a rate below 100 (per cent) expected", name);
    *rate_out = rate;
    return SC_OK;
}

static sc_err get_text(const json_t *obj, const char *name, char *out, size_t out_size, struct sc_diag *diag)
{
    const char *text;
    SC_TRY(sc_json_get_str(obj, name, &text, diag));
    if (text[0] == '\0' || strlen(text) >= out_size)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": 1..%zu bytes expected", name, out_size - 1);
    memcpy(out, text, strlen(text) + 1);
    return SC_OK;
}

/* "17:30" to half hours since midnight; "24:00" is 48. */
static sc_err half_hour(const json_t *v, size_t *out, struct sc_diag *diag)
{
    const char *s = json_string_value(v);
    if (s != NULL && strlen(s) == 5 && s[0] >= '0' && s[0] <= '2' && s[1] >= '0' && s[1] <= '9' && s[2] == ':' &&
        (s[3] == '0' || s[3] == '3') && s[4] == '0') {
        const size_t n = (size_t)((s[0] - '0') * 10 + s[1] - '0') * 2 + (s[3] == '3');
        if (n <= 48) {
            *out = n;
            return SC_OK;
        }
    }
    return sc_fail(diag, SC_E_MALFORMED, "\"hours\": a full or half hour such as \"17:30\" expected");
}

static sc_err half_hours(const json_t *range, size_t *from_out, size_t *to_out, struct sc_diag *diag)
{
    size_t from, to;
    if (!json_is_array(range) || json_array_size(range) != 2)
        return sc_fail(diag, SC_E_MALFORMED, "\"hours\": [from, to] expected");
    SC_TRY(half_hour(json_array_get(range, 0), &from, diag));
    SC_TRY(half_hour(json_array_get(range, 1), &to, diag));
    *from_out = from;
    *to_out = to;
    return SC_OK;
}

static sc_err parse_hours(const json_t *hours, struct sc_tariff *t, struct sc_diag *diag)
{
    if (hours == NULL)
        return SC_OK;
    SC_TRY(only_known(hours, "hours", KNOWN("peak", "intermediate"), diag));
    for (size_t slot = SC_SLOT_INTERMEDIATE; slot < SC_SLOT_COUNT; slot++) {
        const json_t *ranges = json_object_get(hours, slot_names[slot]);
        if (ranges == NULL)
            continue;
        if (!json_is_array(ranges))
            return sc_fail(diag, SC_E_MALFORMED, "\"hours\": a list of [from, to] expected");
        for (size_t i = 0; i < json_array_size(ranges); i++) {
            size_t from, to;
            SC_TRY(half_hours(json_array_get(ranges, i), &from, &to, diag));
            if (from >= to)
                return sc_fail(diag, SC_E_MALFORMED, "\"hours\": %s ends before it starts", slot_names[slot]);
            for (size_t h = from; h < to; h++) {
                if (t->slot_of_half_hour[h] != SC_SLOT_OFF_PEAK)
                    return sc_fail(diag, SC_E_MALFORMED, "\"hours\": two slots overlap");
                t->slot_of_half_hour[h] = (uint8_t)slot;
            }
        }
    }
    return SC_OK;
}

static sc_err parse_holidays(const json_t *holidays, struct sc_tariff *t, struct sc_diag *diag)
{
    t->national_holidays = true;
    if (holidays == NULL)
        return SC_OK;
    SC_TRY(only_known(holidays, "holidays", KNOWN("national", "extra"), diag));
    const json_t *national = json_object_get(holidays, "national");
    if (national != NULL && !json_is_boolean(national))
        return sc_fail(diag, SC_E_MALFORMED, "\"holidays\": \"national\" is true or false");
    t->national_holidays = national == NULL || json_is_true(national);
    const json_t *extra = json_object_get(holidays, "extra");
    if (extra != NULL && (!json_is_array(extra) || json_array_size(extra) > SC_TARIFF_HOLIDAYS_MAX))
        return sc_fail(diag, SC_E_MALFORMED, "\"holidays\": \"extra\" is a list of at most %d dates",
                       SC_TARIFF_HOLIDAYS_MAX);
    for (size_t i = 0; i < json_array_size(extra); i++) {
        const char *text = json_string_value(json_array_get(extra, i));
        int64_t ms;
        if (text == NULL || strlen(text) != 10 || sc_civil_parse(text, &ms) != SC_OK)
            return sc_fail(diag, SC_E_MALFORMED, "\"holidays\": a date such as \"2024-07-09\" expected");
        t->holidays[t->holiday_count++] = sc_day_of_ms(ms);
    }
    return SC_OK;
}

/* {"unit": "kWh"|"MWh", "all"| each slot: {"te": , "tusd": }} */
static sc_err parse_energy(const json_t *energy, struct sc_tariff *t, struct sc_diag *diag)
{
    SC_TRY(only_known(energy, "energy", KNOWN("unit", "all", "peak", "intermediate", "off_peak"), diag));
    const char *unit;
    SC_TRY(sc_json_get_str(energy, "unit", &unit, diag));
    if (strcmp(unit, "kWh") != 0 && strcmp(unit, "MWh") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"energy\": unit kWh or MWh expected");
    const int64_t divisor = unit[0] == 'M' ? 1000 : 1;
    t->one_price = json_object_get(energy, "all") != NULL;
    if (t->one_price && json_object_size(energy) != 2)
        return sc_fail(diag, SC_E_MALFORMED, "\"energy\": either \"all\" or prices by slot");
    for (size_t slot = 0; slot < SC_SLOT_COUNT; slot++) {
        const char *name = t->one_price ? "all" : slot_names[slot];
        const json_t *price = json_object_get(energy, name);
        bool needed = slot == SC_SLOT_OFF_PEAK;
        for (size_t h = 0; !t->one_price && h < 48; h++)
            needed = needed || t->slot_of_half_hour[h] == slot;
        if (price == NULL && !needed)
            continue;
        SC_TRY(only_known(price, name, KNOWN("te", "tusd"), diag));
        int64_t te = 0, tusd = 0;
        SC_TRY(opt_price(price, "te", divisor, &te, diag));
        SC_TRY(opt_price(price, "tusd", divisor, &tusd, diag));
        if (json_object_size(price) == 0 || __builtin_add_overflow(te, tusd, &t->energy_price[slot]))
            return sc_fail(diag, SC_E_MALFORMED, "\"energy\": price of \"%s\"", name);
    }
    return SC_OK;
}

static sc_err parse_flag_months(const json_t *months, struct sc_tariff *t, struct sc_diag *diag)
{
    if (months == NULL)
        return SC_OK;
    if (!json_is_object(months) || json_object_size(months) > SC_TARIFF_FLAG_MONTHS_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "\"flags\": \"months\" has at most %d members", SC_TARIFF_FLAG_MONTHS_MAX);
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)months, name, v)
    {
        char date[16];
        int64_t ms;
        size_t flag;
        snprintf(date, sizeof date, "%.7s-01", name);
        if (strlen(name) != 7 || sc_civil_parse(date, &ms) != SC_OK || !json_is_string(v) ||
            !name_index(json_string_value(v), flag_names, SC_FLAG_COUNT, &flag))
            return sc_fail(diag, SC_E_MALFORMED,
                           "\"flags\": \"%.10s\": a month such as \"2024-09\" and a flag expected", name);
        struct sc_civil c;
        sc_civil_from_ms(ms, &c);
        t->flag_months[t->flag_month_count].month = c.year * 12 + c.month - 1;
        t->flag_months[t->flag_month_count++].flag = (enum sc_flag)flag;
    }
    return SC_OK;
}

static sc_err parse_flags(const json_t *flags, struct sc_tariff *t, struct sc_diag *diag)
{
    if (flags == NULL)
        return SC_OK;
    SC_TRY(only_known(flags, "flags", KNOWN("default", "months", "prices"), diag));
    const char *name = "green";
    size_t flag;
    SC_TRY(sc_json_opt_str(flags, "default", &name, diag));
    if (!name_index(name, flag_names, SC_FLAG_COUNT, &flag))
        return sc_fail(diag, SC_E_MALFORMED, "\"flags\": \"%.20s\" is no flag", name);
    t->flag_default = (enum sc_flag)flag;
    const json_t *prices = json_object_get(flags, "prices");
    SC_TRY(only_known(prices, "prices", KNOWN("green", "yellow", "red_1", "red_2"), diag));
    for (size_t i = 0; i < SC_FLAG_COUNT; i++)
        SC_TRY(opt_decimal(prices, flag_names[i], &t->flag_price[i], diag));
    return parse_flag_months(json_object_get(flags, "months"), t, diag);
}

static sc_err parse_minimum(const json_t *minimum, struct sc_tariff *t, struct sc_diag *diag)
{
    if (minimum == NULL)
        return SC_OK;
    SC_TRY(only_known(minimum, "minimum_kwh", KNOWN("1", "2", "3"), diag));
    for (int phases = 1; phases <= 3; phases++) {
        const char name[2] = {(char)('0' + phases), '\0'};
        int64_t kwh = 0;
        SC_TRY(sc_json_opt_int(minimum, name, 0, 1000000, &kwh, diag));
        t->minimum_wh[phases] = kwh * 1000;
    }
    return SC_OK;
}

static sc_err parse_demand(const json_t *demand, struct sc_tariff *t, struct sc_diag *diag)
{
    if (demand == NULL)
        return SC_OK;
    if (!sc_modality_is_group_a(t->modality))
        return sc_fail(diag, SC_E_MALFORMED, "\"demand\" is for group A only");
    SC_TRY(
        only_known(demand, "demand", KNOWN("all", "peak", "off_peak", "tolerance_percent", "overshoot_factor"), diag));
    if (t->modality == SC_MODALITY_AZUL) {
        SC_TRY(get_decimal(demand, "peak", &t->demand_price[SC_SLOT_PEAK], diag));
        SC_TRY(get_decimal(demand, "off_peak", &t->demand_price[SC_SLOT_OFF_PEAK], diag));
    } else {
        SC_TRY(get_decimal(demand, "all", &t->demand_price[SC_SLOT_OFF_PEAK], diag));
    }
    if ((json_object_get(demand, "all") != NULL) != (t->modality == SC_MODALITY_VERDE))
        return sc_fail(diag, SC_E_MALFORMED, "\"demand\": azul has prices by slot, verde one for \"all\" hours");
    t->tolerance = 5 * SC_NANO;
    t->overshoot_factor = 2 * SC_NANO;
    if (json_object_get(demand, "tolerance_percent") != NULL)
        SC_TRY(get_rate(demand, "tolerance_percent", &t->tolerance, diag));
    SC_TRY(opt_decimal(demand, "overshoot_factor", &t->overshoot_factor, diag));
    if (t->overshoot_factor > 100 * SC_NANO)
        return sc_fail(diag, SC_E_MALFORMED, "\"demand\": overshoot factor above 100");
    return SC_OK;
}

static sc_err parse_reactive(const json_t *reactive, struct sc_tariff *t, struct sc_diag *diag)
{
    if (reactive == NULL)
        return SC_OK;
    SC_TRY(only_known(reactive, "reactive",
                      KNOWN("energy_per_mwh", "demand_per_kw", "reference_factor", "capacitive_hours"), diag));
    SC_TRY(opt_price(reactive, "energy_per_mwh", 1000, &t->reactive_energy_price, diag));
    SC_TRY(opt_decimal(reactive, "demand_per_kw", &t->reactive_demand_price, diag));
    int64_t factor = 920 * SC_NANO / 1000;
    SC_TRY(opt_decimal(reactive, "reference_factor", &factor, diag));
    if (factor > SC_NANO || factor < SC_NANO / 2 || factor % (SC_NANO / 1000) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"reactive\": reference factor 0.500 .. 1.000 expected");
    t->reference_factor_milli = (int32_t)(factor / (SC_NANO / 1000));
    size_t from, to;
    SC_TRY(half_hours(json_object_get(reactive, "capacitive_hours"), &from, &to, diag));
    if (from % 2 != 0 || to % 2 != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"reactive\": capacitive hours are full hours");
    t->capacitive_from_hour = (int32_t)from / 2;
    t->capacitive_to_hour = (int32_t)to / 2;
    return SC_OK;
}

static sc_err parse_icms(const json_t *icms, struct sc_tariff *t, struct sc_diag *diag)
{
    if (!json_is_array(icms) || json_array_size(icms) == 0 || json_array_size(icms) > SC_TARIFF_ICMS_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "\"icms\": a list of 1..%d rates expected", SC_TARIFF_ICMS_MAX);
    t->icms_count = json_array_size(icms);
    int64_t below = -1;
    for (size_t i = 0; i < t->icms_count; i++) {
        const json_t *step = json_array_get(icms, i);
        const bool last = i + 1 == t->icms_count;
        int64_t kwh = 0;
        SC_TRY(only_known(step, "icms", KNOWN("up_to_kwh", "percent"), diag));
        SC_TRY(get_rate(step, "percent", &t->icms[i].rate, diag));
        if (!last)
            SC_TRY(sc_json_get_int(step, "up_to_kwh", below + 1, 1000000000, &kwh, diag));
        else if (json_object_get(step, "up_to_kwh") != NULL)
            return sc_fail(diag, SC_E_MALFORMED, "\"icms\": the last rate has no upper end");
        t->icms[i].up_to_wh = last ? INT64_MAX : kwh * 1000;
        below = kwh;
    }
    return SC_OK;
}

static sc_err parse_taxes(const json_t *taxes, struct sc_tariff *t, struct sc_diag *diag)
{
    if (taxes == NULL)
        return SC_OK;
    SC_TRY(only_known(taxes, "taxes", KNOWN("rule", "pis_percent", "cofins_percent", "icms"), diag));
    const char *rule;
    SC_TRY(sc_json_get_str(taxes, "rule", &rule, diag));
    if (strcmp(rule, "tema_69") != 0 && strcmp(rule, "together") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"taxes\": rule tema_69 or together expected");
    t->tax_rule = rule[1] == 'e' ? SC_TAX_TEMA_69 : SC_TAX_TOGETHER;
    SC_TRY(get_rate(taxes, "pis_percent", &t->pis, diag));
    SC_TRY(get_rate(taxes, "cofins_percent", &t->cofins, diag));
    SC_TRY(parse_icms(json_object_get(taxes, "icms"), t, diag));
    for (size_t i = 0; i < t->icms_count; i++)
        if (t->pis + t->cofins + t->icms[i].rate >= SC_RATE_ONE)
            return sc_fail(diag, SC_E_MALFORMED, "\"taxes\": the rates reach 100 per cent");
    return SC_OK;
}

/* What the members say together must make sense for the modality. */
static sc_err check_whole(const struct sc_tariff *t, struct sc_diag *diag)
{
    bool has[SC_SLOT_COUNT] = {false};
    for (size_t h = 0; h < 48; h++)
        has[t->slot_of_half_hour[h]] = true;
    const char *why = NULL;
    if (t->modality == SC_MODALITY_CONVENTIONAL && !t->one_price)
        why = "conventional has one price for all hours";
    else if (t->modality != SC_MODALITY_CONVENTIONAL && (t->one_price || !has[SC_SLOT_PEAK]))
        why = "hours of the peak, and prices by slot, are needed";
    else if (t->modality != SC_MODALITY_BRANCA && has[SC_SLOT_INTERMEDIATE])
        why = "intermediate hours are for branca only";
    else if (sc_modality_is_group_a(t->modality) && t->demand_price[SC_SLOT_OFF_PEAK] == 0)
        why = "group A needs \"demand\"";
    else if (!sc_modality_is_group_a(t->modality) && t->reference_factor_milli != 0)
        why = "\"reactive\" is for group A only";
    else if (sc_modality_is_group_a(t->modality) && (t->minimum_wh[1] | t->minimum_wh[2] | t->minimum_wh[3]) != 0)
        why = "the minimum is for group B only";
    return why == NULL ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "%s tariff: %s", sc_modality_name(t->modality), why);
}

static sc_err parse_head(const json_t *doc, struct sc_tariff *t, struct sc_diag *diag)
{
    const char *text;
    int64_t version, offset = 0;
    SC_TRY(sc_json_get_str(doc, "format", &text, diag));
    if (strcmp(text, "securecloud-tariff") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"format\": not a tariff");
    SC_TRY(sc_json_get_int(doc, "version", 1, 1, &version, diag));
    SC_TRY(get_text(doc, "id", t->id, sizeof t->id, diag));
    SC_TRY(get_text(doc, "name", t->name, sizeof t->name, diag));
    SC_TRY(sc_json_opt_int(doc, "utc_offset_minutes", -720, 840, &offset, diag));
    t->utc_offset_min = (int32_t)offset;
    SC_TRY(sc_json_get_str(doc, "modality", &text, diag));
    if (sc_modality_parse(text, &t->modality) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "\"modality\": \"%.20s\" is not known", text);
    return SC_OK;
}

sc_err sc_json_canonical(const json_t *doc, struct sc_buf *out)
{
    SC_CLEANUP(sc_freep) char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL)
        return SC_E_NOMEM;
    sc_buf_put_str(out, text);
    return sc_buf_status(out);
}

static sc_err parse_members(const json_t *doc, struct sc_tariff *t, struct sc_diag *diag)
{
    SC_TRY(
        only_known(doc, "tariff",
                   KNOWN("format", "version", "id", "name", "source", "note", "modality", "utc_offset_minutes", "hours",
                         "holidays", "energy", "flags", "minimum_kwh", "demand", "reactive", "taxes", "cosip"),
                   diag));
    SC_TRY(parse_head(doc, t, diag));
    SC_TRY(parse_hours(json_object_get(doc, "hours"), t, diag));
    SC_TRY(parse_holidays(json_object_get(doc, "holidays"), t, diag));
    SC_TRY(parse_energy(json_object_get(doc, "energy"), t, diag));
    SC_TRY(parse_flags(json_object_get(doc, "flags"), t, diag));
    SC_TRY(parse_minimum(json_object_get(doc, "minimum_kwh"), t, diag));
    SC_TRY(parse_demand(json_object_get(doc, "demand"), t, diag));
    SC_TRY(parse_reactive(json_object_get(doc, "reactive"), t, diag));
    SC_TRY(parse_taxes(json_object_get(doc, "taxes"), t, diag));
    int64_t cosip = 0;
    SC_TRY(opt_decimal(doc, "cosip", &cosip, diag));
    if (cosip % (SC_NANO / 100) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "\"cosip\": whole centavos expected");
    t->cosip_cents = cosip / (SC_NANO / 100);
    return check_whole(t, diag);
}

sc_err sc_tariff_parse(const json_t *doc, struct sc_tariff *out, struct sc_diag *diag)
{
    struct sc_tariff t = {0};
    SC_TRY(parse_members(doc, &t, diag));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf canonical = {0};
    SC_TRY(sc_json_canonical(doc, &canonical));
    sc_hash_of(sc_buf_slice(&canonical), &t.hash);
    *out = t;
    return SC_OK;
}

sc_err sc_tariff_read(const char *path, struct sc_tariff *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_TRY(sc_json_read(path, SC_TARIFF_SIZE_MAX, &doc, diag));
    return sc_context(diag, sc_tariff_parse(doc, out, diag), "%s", path);
}

/* ---- using it ---- */

bool sc_tariff_is_working_day(const struct sc_tariff *t, int32_t local_day)
{
    const int weekday = sc_day_weekday(local_day);
    if (weekday == 0 || weekday == 6 || (t->national_holidays && sc_day_is_national_holiday(local_day)))
        return false;
    for (size_t i = 0; i < t->holiday_count; i++)
        if (t->holidays[i] == local_day)
            return false;
    return true;
}

enum sc_slot sc_tariff_slot(const struct sc_tariff *t, int64_t wall_ms)
{
    const int64_t local = sc_tariff_local_ms(t, wall_ms);
    const int32_t day = sc_day_of_ms(local);
    if (!sc_tariff_is_working_day(t, day))
        return SC_SLOT_OFF_PEAK;
    return (enum sc_slot)t->slot_of_half_hour[(local - day * SC_DAY_MS) / 1800000];
}

enum sc_flag sc_tariff_flag(const struct sc_tariff *t, int32_t month)
{
    for (size_t i = 0; i < t->flag_month_count; i++)
        if (t->flag_months[i].month == month)
            return t->flag_months[i].flag;
    return t->flag_default;
}

int64_t sc_tariff_icms(const struct sc_tariff *t, int64_t billed_wh)
{
    for (size_t i = 0; i < t->icms_count; i++)
        if (billed_wh <= t->icms[i].up_to_wh)
            return t->icms[i].rate;
    return 0;
}

sc_err sc_tariff_month(const struct sc_tariff *t, const char *text, int64_t *from_ms_out, int64_t *to_ms_out)
{
    char date[16];
    int64_t first;
    snprintf(date, sizeof date, "%.7s-01", text);
    if (strlen(text) != 7 || sc_civil_parse(date, &first) != SC_OK)
        return SC_E_USAGE;
    struct sc_civil c;
    sc_civil_from_ms(first, &c);
    c.year += c.month == 12;
    c.month = c.month % 12 + 1;
    const int64_t offset = (int64_t)t->utc_offset_min * 60000;
    *from_ms_out = first - offset;
    *to_ms_out = sc_civil_to_ms(&c) - offset;
    return SC_OK;
}

bool sc_tariff_hour_is_capacitive(const struct sc_tariff *t, int hour)
{
    if (t->capacitive_from_hour <= t->capacitive_to_hour)
        return hour >= t->capacitive_from_hour && hour < t->capacitive_to_hour;
    return hour >= t->capacitive_from_hour || hour < t->capacitive_to_hour;
}
