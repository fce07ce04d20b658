#include "billing/charges.h"

#include <string.h>

/* Watts and watt hours are thousandths of the billed unit, their millionths are its nanos. */
#define NANO_OF_MILLI ((int64_t)1000000)
#define QUANTITY_MAX  ((int64_t)9000000000000) /* Wh, W: what fits in nanos of the unit */

static sc_err add_line(struct sc_charges *c, const struct sc_charge_line *line)
{
    SC_ASSERT(c->line_count < SC_CHARGE_LINES_MAX);
    struct sc_charge_line *l = &c->lines[c->line_count];
    *l = *line;
    SC_TRY(sc_money_mul(l->quantity, l->unit_price, &l->amount_cents));
    c->line_count++;
    c->subtotal_cents += l->amount_cents;
    return SC_OK;
}

static sc_err milli_line(struct sc_charges *c, const char *code, const char *detail, const char *unit, int64_t milli,
                         int64_t unit_price)
{
    if (milli > QUANTITY_MAX)
        return SC_E_LIMIT;
    return add_line(
        c,
        &(struct sc_charge_line){
            .code = code, .detail = detail, .unit = unit, .quantity = milli * NANO_OF_MILLI, .unit_price = unit_price});
}

static sc_err energy_lines(const struct sc_tariff *t, const struct sc_contract *contract, const struct sc_usage *u,
                           struct sc_charges *c)
{
    for (size_t i = SC_SLOT_COUNT; i-- > 0;) { /* peak first, as bills are printed */
        if (u->energy_wh[i] == 0 && (i != SC_SLOT_OFF_PEAK || c->line_count != 0))
            continue;
        SC_TRY(milli_line(c, "energy", t->one_price ? NULL : sc_slot_name((enum sc_slot)i), "kWh", u->energy_wh[i],
                          t->energy_price[i]));
        c->billed_wh += u->energy_wh[i];
    }
    const int64_t missing = t->minimum_wh[contract->phases] - c->billed_wh;
    if (missing <= 0)
        return SC_OK;
    if (t->one_price) { /* one line of the billed energy: two rounded lines could differ by a centavo */
        c->line_count = 0;
        c->subtotal_cents = 0;
        SC_TRY(milli_line(c, "minimum", NULL, "kWh", c->billed_wh + missing, t->energy_price[SC_SLOT_OFF_PEAK]));
    } else {
        SC_TRY(milli_line(c, "minimum", sc_slot_name(SC_SLOT_OFF_PEAK), "kWh", missing,
                          t->energy_price[SC_SLOT_OFF_PEAK]));
    }
    c->billed_wh += missing;
    return SC_OK;
}

/* Flags are charged on the consumption measured in their month, not on the minimum. */
static sc_err flag_lines(const struct sc_tariff *t, const struct sc_usage *u, struct sc_charges *c)
{
    for (size_t i = 0; i < u->month_count; i++) {
        const enum sc_flag flag = sc_tariff_flag(t, u->months[i].month);
        if (t->flag_price[flag] == 0 || u->months[i].wh == 0)
            continue;
        if (u->months[i].wh > QUANTITY_MAX)
            return SC_E_LIMIT;
        SC_TRY(add_line(c, &(struct sc_charge_line){.code = "flag",
                                                    .detail = sc_flag_name(flag),
                                                    .month = u->months[i].month,
                                                    .unit = "kWh",
                                                    .quantity = u->months[i].wh * NANO_OF_MILLI,
                                                    .unit_price = t->flag_price[flag]}));
    }
    return SC_OK;
}

struct demand_case {
    const char *slot; /* NULL: all hours */
    int64_t measured_w, contracted_w, price;
    int64_t reactive_uw;
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static sc_err demand_lines(const struct sc_tariff *t, const struct demand_case *d, struct sc_charges *c)
{
    const int64_t billed_w = larger(d->measured_w, d->contracted_w);
    SC_TRY(milli_line(c, "demand", d->slot, "kW", billed_w, d->price));
    /* measured > contracted * (1 + tolerance); then the whole excess over the contract is charged again */
    const __int128 limit = (__int128)d->contracted_w * (SC_RATE_ONE + t->tolerance);
    if ((__int128)d->measured_w * SC_RATE_ONE > limit) {
        const __int128 price = (__int128)d->price * t->overshoot_factor / SC_NANO;
        if (price > INT64_MAX)
            return SC_E_LIMIT;
        SC_TRY(milli_line(c, "overshoot", d->slot, "kW", d->measured_w - d->contracted_w, (int64_t)price));
    }
    const int64_t reactive_over_uw = d->reactive_uw - billed_w * NANO_OF_MILLI;
    if (reactive_over_uw > 0 && t->reactive_demand_price != 0)
        SC_TRY(add_line(c, &(struct sc_charge_line){.code = "reactive_demand",
                                                    .detail = d->slot,
                                                    .unit = "kW",
                                                    .quantity = reactive_over_uw,
                                                    .unit_price = t->reactive_demand_price}));
    return SC_OK;
}

static sc_err group_a_lines(const struct sc_tariff *t, const struct sc_contract *k, const struct sc_usage *u,
                            struct sc_charges *c)
{
    if (t->modality == SC_MODALITY_AZUL) {
        static const enum sc_slot slots[] = {SC_SLOT_PEAK, SC_SLOT_OFF_PEAK};
        for (size_t i = 0; i < 2; i++) {
            const enum sc_slot s = slots[i];
            SC_TRY(demand_lines(t,
                                &(struct demand_case){sc_slot_name(s), u->demand_w[s], k->contracted_w[s],
                                                      t->demand_price[s], u->reactive_demand_uw[s]},
                                c));
        }
    } else {
        const struct demand_case all = {
            NULL, larger(u->demand_w[SC_SLOT_PEAK], u->demand_w[SC_SLOT_OFF_PEAK]), k->contracted_w[SC_SLOT_OFF_PEAK],
            t->demand_price[SC_SLOT_OFF_PEAK],
            larger(u->reactive_demand_uw[SC_SLOT_PEAK], u->reactive_demand_uw[SC_SLOT_OFF_PEAK])};
        SC_TRY(demand_lines(t, &all, c));
    }
    if (u->reactive_excess_uwh > 0 && t->reactive_energy_price != 0)
        SC_TRY(add_line(c, &(struct sc_charge_line){.code = "reactive_energy",
                                                    .unit = "kWh",
                                                    .quantity = u->reactive_excess_uwh,
                                                    .unit_price = t->reactive_energy_price}));
    return SC_OK;
}

static sc_err add_taxes(const struct sc_tariff *t, struct sc_charges *c)
{
    c->taxed_cents = c->subtotal_cents;
    if (t->tax_rule == SC_TAX_NONE)
        return SC_OK;
    c->pis_rate = t->pis;
    c->cofins_rate = t->cofins;
    c->icms_rate = sc_tariff_icms(t, c->billed_wh);
    const int64_t federal = t->pis + t->cofins;
    int64_t federal_base;
    if (t->tax_rule == SC_TAX_TEMA_69) {
        SC_TRY(sc_money_gross(c->subtotal_cents, SC_RATE_ONE - federal, SC_RATE_ONE - c->icms_rate, &c->taxed_cents));
        SC_TRY(sc_money_rate(c->taxed_cents, c->icms_rate, &c->icms_cents));
        federal_base = c->taxed_cents - c->icms_cents; /* Tema 69: ICMS is not part of their base */
    } else {
        SC_TRY(sc_money_gross(c->subtotal_cents, SC_RATE_ONE - federal - c->icms_rate, SC_RATE_ONE, &c->taxed_cents));
        SC_TRY(sc_money_rate(c->taxed_cents, c->icms_rate, &c->icms_cents));
        federal_base = c->taxed_cents;
    }
    SC_TRY(sc_money_rate(federal_base, c->pis_rate, &c->pis_cents));
    return sc_money_rate(federal_base, c->cofins_rate, &c->cofins_cents);
}

static sc_err check_contract(const struct sc_tariff *t, const struct sc_contract *k, struct sc_diag *diag)
{
    if (k->phases < 1 || k->phases > 3)
        return sc_fail(diag, SC_E_USAGE, "customer %lld: %d phases", (long long)k->client_id, k->phases);
    if (!sc_modality_is_group_a(t->modality))
        return SC_OK;
    for (size_t s = 0; s < SC_SLOT_COUNT; s++)
        if (k->contracted_w[s] < 0 || k->contracted_w[s] > QUANTITY_MAX)
            return sc_fail(diag, SC_E_USAGE, "customer %lld: contracted demand", (long long)k->client_id);
    if (k->contracted_w[SC_SLOT_OFF_PEAK] == 0)
        return sc_fail(diag, SC_E_USAGE, "customer %lld has no contracted demand, tariff %s needs one",
                       (long long)k->client_id, t->id);
    return SC_OK;
}

sc_err sc_charges_compute(const struct sc_tariff *t, const struct sc_contract *contract, const struct sc_usage *usage,
                          struct sc_charges *out, struct sc_diag *diag)
{
    struct sc_charges c = {.cosip_cents = t->cosip_cents};
    SC_TRY(check_contract(t, contract, diag));
    sc_err err = SC_OK;
    if (sc_modality_is_group_a(t->modality))
        err = group_a_lines(t, contract, usage, &c);
    if (err == SC_OK)
        err = energy_lines(t, contract, usage, &c);
    if (err == SC_OK)
        err = flag_lines(t, usage, &c);
    if (err == SC_OK)
        err = add_taxes(t, &c);
    if (err != SC_OK)
        return sc_fail(diag, err, "customer %lld: amounts beyond what a bill can hold", (long long)contract->client_id);
    c.total_cents = c.taxed_cents + c.cosip_cents;
    *out = c;
    return SC_OK;
}
