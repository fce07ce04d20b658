#include "fixture.h"

static void decimals_are_exact_and_bounded(void **state)
{
    (void)state;
    int64_t v = -1;
    char text[SC_DECIMAL_TEXT_SIZE];
    assert_ok(sc_decimal_parse("0.01885", &v));
    assert_int_equal(v, 18850000);
    assert_string_equal(sc_decimal_text(v, 2, text), "0.01885");
    assert_ok(sc_decimal_parse("12", &v));
    assert_string_equal(sc_decimal_text(v, 2, text), "12.00");
    assert_string_equal(sc_decimal_text(v, 0, text), "12");
    assert_ok(sc_decimal_parse("9223372035.999999999", &v));
    assert_string_equal(sc_decimal_text(v, 0, text), "9223372035.999999999");
    static const char *const wrong[] = { "", "-1", "+1", ".5", "1.", "1e3", " 1", "1 ", "1,5", "0.1234567890", "x" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(sc_decimal_parse(wrong[i], &v), SC_E_MALFORMED);
    assert_int_equal(sc_decimal_parse("9223372037", &v), SC_E_LIMIT);
    assert_int_equal(sc_decimal_parse("99999999999999999999", &v), SC_E_LIMIT);
}

static void money_is_rounded_half_up(void **state)
{
    (void)state;
    int64_t cents;
    assert_ok(sc_money_mul(SC_NANO, 5000000, &cents)); /* 0.005 */
    assert_int_equal(cents, 1);
    assert_ok(sc_money_mul(SC_NANO, 4999999, &cents));
    assert_int_equal(cents, 0);
    assert_ok(sc_money_gross(8500, SC_RATE_ONE - 9250000000 - 22750000000, SC_RATE_ONE, &cents)); /* the exam question */
    assert_int_equal(cents, 12500);
    assert_int_equal(sc_money_mul(INT64_MAX, INT64_MAX, &cents), SC_E_LIMIT);
    assert_int_equal(sc_money_gross(SC_CENTS_MAX + 1, 1, 1, &cents), SC_E_LIMIT);
    assert_int_equal(sc_money_gross(SC_CENTS_MAX, 1, 1, &cents), SC_E_LIMIT);
}

static void easter_falls_on_known_days(void **state)
{
    (void)state;
    static const int known[][3] = { { 1818, 3, 22 }, { 1943, 4, 25 }, { 1999, 4, 4 },  { 2000, 4, 23 }, { 2008, 3, 23 },
                                    { 2009, 4, 12 }, { 2011, 4, 24 }, { 2016, 3, 27 }, { 2018, 4, 1 },  { 2019, 4, 21 },
                                    { 2023, 4, 9 },  { 2024, 3, 31 }, { 2025, 4, 20 }, { 2026, 4, 5 },  { 2038, 4, 25 },
                                    { 2049, 4, 18 }, { 2285, 3, 22 } };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(sc_day_easter(known[i][0]), sc_day_of(known[i][0], known[i][1], known[i][2]));
    for (int year = 1583; year < 9999; year++)
        assert_int_equal(sc_day_weekday(sc_day_easter(year)), 0);
}

static void national_holidays_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *date;
        bool holiday;
    } days[] = { { "2018-01-01", true },  { "2018-02-13", true }, { "2018-03-30", true },  { "2018-05-31", true },
                 { "2018-02-12", false }, { "2018-04-01", false }, { "2023-11-20", false }, { "2024-11-20", true },
                 { "2024-04-21", true },  { "2024-05-01", true },  { "2024-09-07", true },  { "2024-10-12", true },
                 { "2024-11-02", true },  { "2024-11-15", true },  { "2024-12-25", true },  { "2024-07-09", false } };
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++)
        assert_int_equal(sc_day_is_national_holiday(sc_day_of_ms(fixture_ms(days[i].date))), days[i].holiday);
}

static void instants_fall_into_the_slots_of_the_oracle(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        char slot;
    } vectors[] = { { "2024-07-03T16:15", 'F' }, { "2024-07-03T16:30", 'I' }, { "2024-07-03T17:15", 'I' },
                    { "2024-07-03T17:30", 'P' }, { "2024-07-03T20:15", 'P' }, { "2024-07-03T20:30", 'I' },
                    { "2024-07-03T21:15", 'I' }, { "2024-07-03T21:30", 'F' }, { "2024-07-06T18:00", 'F' },
                    { "2024-04-01T18:00", 'P' }, { "2024-03-29T18:00", 'F' }, { "2024-11-15T18:00", 'F' },
                    { "2024-12-25T18:00", 'F' } };
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_int_equal("FIP"[sc_tariff_slot(&t, fixture_ms(vectors[i].start))], vectors[i].slot);
    t.utc_offset_min = -180; /* 20:30 UTC is 17:30 there */
    assert_int_equal(sc_tariff_slot(&t, fixture_ms("2024-07-03T20:15")), SC_SLOT_INTERMEDIATE);
    assert_int_equal(sc_tariff_slot(&t, fixture_ms("2024-07-03T20:30")), SC_SLOT_PEAK);
    t.holidays[t.holiday_count++] = sc_day_of(2024, 7, 3);
    assert_int_equal(sc_tariff_slot(&t, fixture_ms("2024-07-03T20:30")), SC_SLOT_OFF_PEAK);
}

static void months_begin_on_the_clock_of_the_tariff(void **state)
{
    (void)state;
    struct sc_tariff t;
    int64_t from, to;
    fixture_tariff(fixture_branca, &t);
    assert_ok(sc_tariff_month(&t, "2023-12", &from, &to));
    assert_int_equal(from, fixture_ms("2023-12-01"));
    assert_int_equal(to, fixture_ms("2024-01-01"));
    t.utc_offset_min = -180;
    assert_ok(sc_tariff_month(&t, "2024-02", &from, &to));
    assert_int_equal(from, fixture_ms("2024-02-01T03:00"));
    assert_int_equal(to, fixture_ms("2024-03-01T03:00"));
    assert_int_equal(sc_tariff_month(&t, "2024-13", &from, &to), SC_E_USAGE);
    assert_int_equal(sc_tariff_month(&t, "2024-2", &from, &to), SC_E_USAGE);
    assert_int_equal(sc_tariff_month(&t, "2024-02-01", &from, &to), SC_E_USAGE);
}

static void capacitive_hours_may_wrap_midnight(void **state)
{
    (void)state;
    struct sc_tariff t = { .capacitive_from_hour = 23, .capacitive_to_hour = 5 };
    assert_true(sc_tariff_hour_is_capacitive(&t, 23));
    assert_true(sc_tariff_hour_is_capacitive(&t, 4));
    assert_false(sc_tariff_hour_is_capacitive(&t, 5));
    assert_false(sc_tariff_hour_is_capacitive(&t, 22));
}

/* text with one member replaced or added must be refused, and the reason must name it */
static void assert_refused(const char *base, const char *member, const char *value, const char *named)
{
    json_t *doc = fixture_json(base);
    char text[512];
    snprintf(text, sizeof text, "{'v':%s}", value);
    json_t *wrap = fixture_json(text);
    json_object_set(doc, member, json_object_get(wrap, "v"));
    struct sc_tariff t;
    struct sc_diag diag = { 0 };
    assert_int_equal(sc_tariff_parse(doc, &t, &diag), SC_E_MALFORMED);
    if (strstr(diag.text, named) == NULL)
        fail_msg("\"%s\" does not name %s", diag.text, named);
    json_decref(wrap);
    json_decref(doc);
}

static void senseless_tariffs_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused(fixture_branca, "enrgy", "1", "enrgy");
    assert_refused(fixture_branca, "version", "2", "version");
    assert_refused(fixture_branca, "modality", "'gold'", "modality");
    assert_refused(fixture_branca, "modality", "'conventional'", "conventional");
    assert_refused(fixture_branca, "hours", "{'peak':[['17:15','20:30']]}", "hours");
    assert_refused(fixture_branca, "hours", "{'peak':[['20:30','17:30']]}", "ends before");
    assert_refused(fixture_branca, "hours", "{'peak':[['17:30','20:30'],['20:00','21:00']]}", "overlap");
    assert_refused(fixture_branca, "hours", "{'peak':[['17:30','25:00']]}", "hours");
    assert_refused(fixture_branca, "energy", "{'unit':'kWh','peak':{'te':'1'},'off_peak':{'te':'1'}}", "intermediate");
    assert_refused(fixture_branca, "energy", "{'unit':'kWh','all':{'te':'1'},'peak':{'te':'1'}}", "all");
    assert_refused(fixture_branca, "energy", "{'unit':'J','all':{'te':'1'}}", "unit");
    assert_refused(fixture_branca, "energy",
                   "{'unit':'kWh','peak':{'te':1.5},'off_peak':{'te':'1'},'intermediate':{'te':'1'}}", "te");
    assert_refused(fixture_branca, "energy",
                   "{'unit':'MWh','peak':{'te':'0.0000001'},'off_peak':{'te':'1'},'intermediate':{'te':'1'}}", "te");
    assert_refused(fixture_branca, "demand", "{'all':'1'}", "group A");
    assert_refused(fixture_branca, "flags", "{'prices':{},'months':{'2024-13':'green'}}", "2024-13");
    assert_refused(fixture_branca, "flags", "{'prices':{'blue':'1'}}", "blue");
    assert_refused(fixture_branca, "minimum_kwh", "{'4':10}", "4");
    assert_refused(fixture_branca, "cosip", "'1.005'", "cosip");
    assert_refused(fixture_branca, "cosip", "'-1'", "cosip");
    assert_refused(fixture_branca, "taxes", "{'rule':'none','pis_percent':'1','cofins_percent':'1','icms':[]}", "rule");
    assert_refused(fixture_branca, "taxes",
                   "{'rule':'together','pis_percent':'1','cofins_percent':'1','icms':[{'percent':'98'}]}", "100");
    assert_refused(fixture_branca, "taxes",
                   "{'rule':'together','pis_percent':'1','cofins_percent':'1','icms':[{'percent':'1'},{'percent':'9'}]}",
                   "up_to_kwh");
    assert_refused(fixture_azul, "demand", "{'all':'1'}", "peak");
    assert_refused(fixture_azul, "minimum_kwh", "{'3':100}", "minimum");
    assert_refused(fixture_azul, "reactive", "{'capacitive_hours':['00:30','06:00']}", "full hours");
    assert_refused(fixture_azul, "reactive", "{'reference_factor':'1.5','capacitive_hours':['00:00','06:00']}", "factor");
    assert_refused(fixture_azul, "hours", "{'peak':[['18:00','21:00']],'intermediate':[['17:00','18:00']]}", "intermediate");
}

static void the_hash_depends_on_content_and_not_on_layout(void **state)
{
    (void)state;
    struct sc_tariff a, b, c;
    fixture_tariff("{'format':'securecloud-tariff','version':1,'id':'x','name':'y','modality':'conventional',"
                   "'energy':{'unit':'kWh','all':{'te':'0.8'}}}", &a);
    fixture_tariff("{ 'energy':{'all':{'te':'0.8'}, 'unit':'kWh'},\n 'format':'securecloud-tariff','version':1,"
                   "'modality':'conventional','name':'y','id':'x'}", &b);
    fixture_tariff("{'format':'securecloud-tariff','version':1,'id':'x','name':'y','modality':'conventional',"
                   "'energy':{'unit':'kWh','all':{'te':'0.81'}}}", &c);
    assert_memory_equal(a.hash.bytes, b.hash.bytes, 32);
    assert_memory_not_equal(a.hash.bytes, c.hash.bytes, 32);
}

static void the_tariffs_that_we_ship_load(void **state)
{
    (void)state;
    static const char *const names[] = { "branca-enel-rj-2021-03", "example-b1-conventional", "azul-a4-cemig-2026",
                                         "example-a4-verde" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[4096];
        struct sc_tariff t;
        struct sc_diag diag = { 0 };
        snprintf(path, sizeof path, "%s/data/tariffs/%s.json", SC_SOURCE_ROOT, names[i]);
        if (sc_tariff_read(path, &t, &diag) != SC_OK)
            fail_msg("%s", diag.text);
        assert_string_equal(t.id, names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_exact_and_bounded),
        cmocka_unit_test(money_is_rounded_half_up),
        cmocka_unit_test(easter_falls_on_known_days),
        cmocka_unit_test(national_holidays_are_counted),
        cmocka_unit_test(instants_fall_into_the_slots_of_the_oracle),
        cmocka_unit_test(months_begin_on_the_clock_of_the_tariff),
        cmocka_unit_test(capacitive_hours_may_wrap_midnight),
        cmocka_unit_test(senseless_tariffs_are_refused_by_name),
        cmocka_unit_test(the_hash_depends_on_content_and_not_on_layout),
        cmocka_unit_test(the_tariffs_that_we_ship_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
