/* The worked bills E1..E8 of our tariff sheet, to the centavo. */
#include "fixture.h"

static const char conventional[] =
    "{'format':'securecloud-tariff','version':1,'id':'b1','name':'b1','modality':'conventional',"
    "'energy':{'unit':'kWh','all':{'te':'0.35','tusd':'0.45'}},"
    "'flags':{'default':'green','months':{'2024-11':'yellow'},"
    "'prices':{'yellow':'0.01885','red_1':'0.04463','red_2':'0.07877'}},"
    "'minimum_kwh':{'1':30,'2':50,'3':100},"
    "'taxes':{'rule':'tema_69','pis_percent':'0.82','cofins_percent':'3.77','icms':[{'percent':'18'}]},'cosip':'12.00'}";

static void compute(const struct sc_tariff *t, const struct sc_contract *k, const struct sc_usage *u,
                    struct sc_charges *out)
{
    struct sc_diag diag = { 0 };
    if (sc_charges_compute(t, k, u, out, &diag) != SC_OK)
        fail_msg("%s", diag.text);
}

static int64_t amount(const struct sc_charges *c, const char *code, const char *detail)
{
    for (size_t i = 0; i < c->line_count; i++)
        if (strcmp(c->lines[i].code, code) == 0 &&
            (detail == NULL ? c->lines[i].detail == NULL
                            : c->lines[i].detail != NULL && strcmp(c->lines[i].detail, detail) == 0))
            return c->lines[i].amount_cents;
    return -1;
}

static const struct sc_contract three_phase = { .client_id = 1, .meter = 1, .phases = 3 };

static struct sc_usage usage_of(int64_t peak_wh, int64_t mid_wh, int64_t off_wh)
{
    return (struct sc_usage){ .energy_wh = { off_wh, mid_wh, peak_wh },
                              .month_count = 1,
                              .months = { { 2024 * 12 + 10, peak_wh + mid_wh + off_wh } } };
}

static void e1_conventional_with_yellow_flag_and_new_taxes(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_charges c;
    fixture_tariff(conventional, &t);
    const struct sc_usage u = usage_of(0, 0, 250000);
    compute(&t, &three_phase, &u, &c);
    assert_int_equal(c.line_count, 2);
    assert_int_equal(amount(&c, "energy", NULL), 20000);
    assert_int_equal(amount(&c, "flag", "yellow"), 471);
    assert_int_equal(c.subtotal_cents, 20471);
    assert_int_equal(c.taxed_cents, 26166);
    assert_int_equal(c.icms_cents, 4710);
    assert_int_equal(c.pis_cents, 176);
    assert_int_equal(c.cofins_cents, 809);
    assert_int_equal(c.total_cents, 27366);
}

static void e2_the_same_under_the_old_tax_rule(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_charges c;
    fixture_tariff(conventional, &t);
    t.tax_rule = SC_TAX_TOGETHER;
    t.cosip_cents = 0;
    const struct sc_usage u = usage_of(0, 0, 250000);
    compute(&t, &three_phase, &u, &c);
    assert_int_equal(c.taxed_cents, 26445);
    assert_int_equal(c.icms_cents, 4760);
    assert_int_equal(c.pis_cents, 217);
    assert_int_equal(c.cofins_cents, 997);
    assert_int_equal(c.total_cents, 26445);
}

static void e3_branca_rounds_every_line(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_charges c;
    fixture_tariff(fixture_branca, &t);
    struct sc_usage u = usage_of(60000, 45000, 195000);
    compute(&t, &three_phase, &u, &c);
    assert_int_equal(amount(&c, "energy", "peak"), 8000);
    assert_int_equal(amount(&c, "energy", "intermediate"), 3961);
    assert_int_equal(amount(&c, "energy", "off_peak"), 11127);
    assert_int_equal(c.total_cents, 23088);
    u = usage_of(20000, 30000, 250000);
    compute(&t, &three_phase, &u, &c);
    assert_int_equal(amount(&c, "energy", "peak"), 2667);
    assert_int_equal(amount(&c, "energy", "intermediate"), 2641);
    assert_int_equal(amount(&c, "energy", "off_peak"), 14265);
    assert_int_equal(c.total_cents, 19573);
}

static void e4_the_minimum_is_billed(void **state)
{
    (void)state;
    static const struct {
        int phases;
        int64_t wh, subtotal, total;
    } cases[] = { { 3, 18000, 8000, 10225 }, { 1, 18000, 2400, 3068 }, { 2, 45000, 4000, 5113 }, { 3, 120000, 9600, 12271 },
                  { 3, 100000, 8000, 10225 }, { 3, 99999, 8000, 10225 } };
    struct sc_tariff t;
    fixture_tariff(conventional, &t);
    t.cosip_cents = 0;
    t.flag_month_count = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sc_charges c;
        const struct sc_contract k = { .client_id = 1, .phases = cases[i].phases };
        const struct sc_usage u = usage_of(0, 0, cases[i].wh);
        compute(&t, &k, &u, &c);
        assert_int_equal(c.line_count, 1);
        assert_int_equal(c.subtotal_cents, cases[i].subtotal);
        assert_int_equal(c.total_cents, cases[i].total);
    }
}

static void the_minimum_of_branca_is_topped_up_at_the_off_peak_price(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_charges c;
    fixture_tariff(fixture_branca, &t);
    t.minimum_wh[3] = 100000;
    const struct sc_usage u = usage_of(10000, 0, 30000);
    compute(&t, &three_phase, &u, &c);
    assert_int_equal(amount(&c, "minimum", "off_peak"), 3424); /* 60 kWh */
    assert_int_equal(c.billed_wh, 100000);
}

static void e5_and_e6_azul_with_and_without_overshoot(void **state)
{
    (void)state;
    static const struct {
        int64_t w[2], demand[2], overshoot[2], sum, total; /* peak, off-peak */
    } cases[] = {
        { { 190000, 312000 }, { 1364200, 711672 }, { -1, -1 }, 6363555, 8133773 },
        { { 190000, 330000 }, { 1364200, 752730 }, { -1, 136860 }, 6541473, 8361184 },
        { { 210000, 315000 }, { 1432410, 718515 }, { -1, -1 }, 6438608, 8229704 },
        { { 210010, 315010 }, { 1432478, 718538 }, { 136556, 68476 }, 6643731, 8491889 },
    };
    const struct sc_contract k = { .client_id = 1, .phases = 3,
                                   .contracted_w = { [SC_SLOT_PEAK] = 200000, [SC_SLOT_OFF_PEAK] = 300000 } };
    struct sc_tariff t;
    fixture_tariff(fixture_azul, &t);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sc_charges c;
        struct sc_usage u = usage_of(9500000, 0, 82000000);
        u.demand_w[SC_SLOT_PEAK] = cases[i].w[0];
        u.demand_w[SC_SLOT_OFF_PEAK] = cases[i].w[1];
        compute(&t, &k, &u, &c);
        assert_int_equal(amount(&c, "energy", "peak"), 597683);
        assert_int_equal(amount(&c, "energy", "off_peak"), 3690000);
        for (size_t s = 0; s < 2; s++) {
            assert_int_equal(amount(&c, "demand", s == 0 ? "peak" : "off_peak"), cases[i].demand[s]);
            assert_int_equal(amount(&c, "overshoot", s == 0 ? "peak" : "off_peak"), cases[i].overshoot[s]);
        }
        assert_int_equal(c.subtotal_cents, cases[i].sum);
        assert_int_equal(c.total_cents, cases[i].total);
    }
}

static void e7_a_year_of_overshoot_under_verde(void **state)
{
    (void)state;
    static const int64_t kw[12] = { 408, 686, 771, 789, 660, 435, 294, 250, 519, 549, 630, 678 };
    const struct sc_contract k = { .client_id = 1, .phases = 3, .contracted_w = { 650000 } };
    struct sc_tariff t;
    fixture_tariff(fixture_azul, &t);
    t.modality = SC_MODALITY_VERDE;
    int64_t over_cents = 0, over_kw_nano = 0;
    for (size_t month = 0; month < 12; month++) {
        struct sc_charges c;
        struct sc_usage u = usage_of(0, 0, 1000);
        u.demand_w[month % 2 == 0 ? SC_SLOT_PEAK : SC_SLOT_OFF_PEAK] = kw[month] * 1000; /* one demand for all hours */
        compute(&t, &k, &u, &c);
        assert_int_equal(c.lines[0].quantity, (kw[month] > 650 ? kw[month] : 650) * SC_NANO);
        if (strcmp(c.lines[1].code, "overshoot") != 0)
            continue;
        over_cents += c.lines[1].amount_cents;
        over_kw_nano += c.lines[1].quantity;
    }
    assert_int_equal(over_kw_nano, 296 * SC_NANO);
    assert_int_equal(over_cents, 1350352);
}

static void add_hour(struct sc_usage_meter *m, int hour, int64_t wh, int64_t inductive, int64_t capacitive)
{
    const struct sc_usage_interval in = { fixture_ms("2024-07-06T00:00") + hour * 3600000LL, 3600, wh, inductive,
                                          capacitive };
    assert_ok(sc_usage_add(m, &in));
}

static void e8_reactive_excess_by_hours(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_usage_meter m;
    struct sc_charges c;
    fixture_tariff(fixture_azul, &t);
    t.tax_rule = SC_TAX_NONE;
    sc_usage_init(&m, &t);
    add_hour(&m, 9, 100000, 30000, 0);
    add_hour(&m, 10, 100000, 42600, 0);
    add_hour(&m, 11, 100000, 60000, 0);
    add_hour(&m, 12, 80000, 80000, 0);
    sc_usage_finish(&m);
    assert_int_equal(m.usage.inductive_hours, 3);
    assert_int_equal((m.usage.reactive_excess_uwh + 500) / 1000, 31375697);
    assert_int_equal((m.usage.reactive_demand_uw[SC_SLOT_OFF_PEAK] + 500) / 1000, 107289515);
    const struct sc_contract k = { .client_id = 1, .phases = 3, .contracted_w = { [SC_SLOT_OFF_PEAK] = 90000 } };
    compute(&t, &k, &m.usage, &c); /* billed demand 100 kW: the highest measured */
    assert_int_equal(amount(&c, "reactive_energy", NULL), 931);
    assert_int_equal(amount(&c, "reactive_demand", "off_peak"), 16627);
}

static void each_kind_of_reactive_energy_counts_in_its_hours_only(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_usage_meter m;
    fixture_tariff(fixture_azul, &t);
    sc_usage_init(&m, &t);
    add_hour(&m, 3, 100000, 90000, 0);  /* inductive at night: no */
    add_hour(&m, 4, 100000, 0, 60000);  /* capacitive at night: yes */
    add_hour(&m, 9, 100000, 0, 90000);  /* capacitive by day: no */
    add_hour(&m, 10, 100000, 42599, 0); /* just inside 0.92 */
    add_hour(&m, 11, 0, 0, 0);
    sc_usage_finish(&m);
    assert_int_equal(m.usage.capacitive_hours, 1);
    assert_int_equal(m.usage.inductive_hours, 0);
    assert_int_equal((m.usage.reactive_excess_uwh + 500) / 1000, 7289515);
}

static void demand_is_integrated_over_a_quarter_of_an_hour(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_usage_meter m;
    fixture_tariff(fixture_azul, &t);
    sc_usage_init(&m, &t);
    static const int64_t wh[] = { 0, 900, 0, 600, 600, 600, 0, 0, 0 }; /* 5 min each: 3.6 kW, 7.2 kW, 0 */
    for (size_t i = 0; i < 9; i++) {
        const struct sc_usage_interval in = { fixture_ms("2024-07-03T10:00") + (int64_t)i * 300000, 300, wh[i], 0, 0 };
        assert_ok(sc_usage_add(&m, &in));
    }
    assert_int_equal(m.usage.demand_w[SC_SLOT_OFF_PEAK], 7200);
    assert_int_equal(m.usage.demand_w[SC_SLOT_PEAK], 0);
}

static void icms_follows_the_consumption(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_charges c;
    fixture_tariff(conventional, &t);
    t.icms_count = 2;
    t.icms[0].up_to_wh = 200000;
    t.icms[0].rate = 12 * SC_NANO;
    t.icms[1].up_to_wh = INT64_MAX;
    t.icms[1].rate = 18 * SC_NANO;
    struct sc_usage u = usage_of(0, 0, 200000);
    compute(&t, &three_phase, &u, &c);
    assert_int_equal(c.icms_rate, 12 * SC_NANO);
    u = usage_of(0, 0, 200001);
    compute(&t, &three_phase, &u, &c);
    assert_int_equal(c.icms_rate, 18 * SC_NANO);
}

static void flags_are_charged_month_by_month(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_usage_meter m;
    struct sc_charges c;
    fixture_tariff(conventional, &t);
    sc_usage_init(&m, &t);
    static const char *const days[] = { "2024-10-31T23:00", "2024-11-01T00:00", "2024-11-30T23:00", "2024-12-01T00:00" };
    for (size_t i = 0; i < 4; i++) {
        const struct sc_usage_interval in = { fixture_ms(days[i]), 3600, 100000, 0, 0 };
        assert_ok(sc_usage_add(&m, &in));
    }
    sc_usage_finish(&m);
    compute(&t, &three_phase, &m.usage, &c);
    assert_int_equal(c.line_count, 2);
    assert_int_equal(amount(&c, "flag", "yellow"), 377); /* 200 kWh of November */
}

static void absurd_amounts_and_contracts_are_refused(void **state)
{
    (void)state;
    struct sc_tariff t;
    struct sc_usage_meter m;
    struct sc_charges c;
    fixture_tariff(fixture_azul, &t);
    const struct sc_contract none = { .client_id = 1, .phases = 3 };
    struct sc_contract k = { .client_id = 1, .phases = 3, .contracted_w = { [SC_SLOT_OFF_PEAK] = 1000 } };
    struct sc_usage u = usage_of(0, 0, 1000);
    assert_int_equal(sc_charges_compute(&t, &none, &u, &c, NULL), SC_E_USAGE);
    assert_ok(sc_charges_compute(&t, &k, &u, &c, NULL));
    u.energy_wh[0] = INT64_MAX / 2;
    assert_int_equal(sc_charges_compute(&t, &k, &u, &c, NULL), SC_E_LIMIT);
    k.phases = 0;
    assert_int_equal(sc_charges_compute(&t, &k, &u, &c, NULL), SC_E_USAGE);
    sc_usage_init(&m, &t);
    struct sc_usage_interval in = { fixture_ms("2024-07-06"), 900, SC_USAGE_HOUR_WH_MAX, 0, 0 };
    assert_ok(sc_usage_add(&m, &in));
    in.start_ms += 900000;
    in.energy_wh = 1;
    assert_int_equal(sc_usage_add(&m, &in), SC_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e1_conventional_with_yellow_flag_and_new_taxes),
        cmocka_unit_test(e2_the_same_under_the_old_tax_rule),
        cmocka_unit_test(e3_branca_rounds_every_line),
        cmocka_unit_test(e4_the_minimum_is_billed),
        cmocka_unit_test(the_minimum_of_branca_is_topped_up_at_the_off_peak_price),
        cmocka_unit_test(e5_and_e6_azul_with_and_without_overshoot),
        cmocka_unit_test(e7_a_year_of_overshoot_under_verde),
        cmocka_unit_test(e8_reactive_excess_by_hours),
        cmocka_unit_test(each_kind_of_reactive_energy_counts_in_its_hours_only),
        cmocka_unit_test(demand_is_integrated_over_a_quarter_of_an_hour),
        cmocka_unit_test(icms_follows_the_consumption),
        cmocka_unit_test(flags_are_charged_month_by_month),
        cmocka_unit_test(absurd_amounts_and_contracts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
