/* Bills from readings: real data (E9, E10 of our tariff sheet), gaps, registers, refused rows, the document. */
#include "fixture.h"

#include <inttypes.h>
#include <zlib.h>

static void bill_of(struct sc_biller *b, struct sc_bill **out)
{
    struct sc_diag diag = { 0 };
    if (sc_biller_finish(b, out, &diag) != SC_OK)
        fail_msg("%s", diag.text);
}

static struct sc_biller *biller_of(const struct sc_tariff *t, const struct sc_contract *k, const char *from, const char *to,
                                   uint32_t interval_s)
{
    struct sc_biller *b = NULL;
    struct sc_diag diag = { 0 };
    const struct sc_bill_period p = { fixture_ms(from), fixture_ms(to), interval_s };
    if (sc_biller_new(t, k, &p, &b, &diag) != SC_OK)
        fail_msg("%s", diag.text);
    return b;
}

/* "12.345" in thousandths, exactly. */
static uint64_t milli(const char *text)
{
    char copy[32];
    int64_t nano = 0;
    snprintf(copy, sizeof copy, "%.*s", (int)strcspn(text, ",\n"), text);
    assert_ok(sc_decimal_parse(copy, &nano));
    assert_int_equal(nano % 1000000, 0);
    return (uint64_t)nano / 1000000;
}

static const char *field(const char *line, size_t index)
{
    for (; index > 0; index--) {
        line = strchr(line, ',');
        assert_non_null(line);
        line++;
    }
    return line;
}

static int64_t line_cents(const struct sc_bill *b, const char *code, const char *slot)
{
    for (size_t i = 0; i < b->charges.line_count; i++) {
        const struct sc_charge_line *l = &b->charges.lines[i];
        if (strcmp(l->code, code) == 0 && (slot == NULL || strcmp(l->detail, slot) == 0))
            return l->amount_cents;
    }
    return 0;
}

static void e9_a_real_plant_month_by_month(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int64_t wh[2], w[2]; /* peak, off-peak */
        uint32_t below;
        int64_t excess_mwh, ere, demand[2], overshoot[2], energy[2], sum, taxed;
    } months[] = {
        { "2018-01-01", "2018-02-01", { 19314190, 106924100 }, { 581200, 612560 }, 231, 2395915989, 71104,
          { 3964365, 1397249 }, { 2471930, 0 }, { 1215133, 4811585 }, 13860262, 17715919 },
        { "2018-02-01", "2018-03-01", { 13108310, 78389030 }, { 543600, 582040 }, 184, 1660508258, 49279,
          { 3707896, 1368600 }, { 1958991, 0 }, { 824696, 3527506 }, 11387689, 14555524 },
        { "2018-03-01", "2018-04-01", { 10773280, 69457130 }, { 549640, 605240 }, 230, 2042546902, 60617,
          { 3749094, 1380552 }, { 2041389, 0 }, { 677790, 3125571 }, 10974396, 14027261 },
    };
    const char *path = fixture_shared("data/steel_15min_train.csv.gz");
    if (path == NULL) {
        print_message("skipped: no shared data; set SC_SHARED\n");
        skip();
    }
    gzFile f = gzopen(path, "rb");
    assert_non_null(f);
    struct sc_tariff t;
    fixture_tariff(fixture_azul, &t);
    const struct sc_contract k = { .client_id = 1, .meter = 7, .phases = 3,
                                   .contracted_w = { [SC_SLOT_PEAK] = 400000, [SC_SLOT_OFF_PEAK] = 600000 } };
    struct fixture_meter m = { .serial = 7, .interval_s = 900, .t0_ms = fixture_ms("2018-01-01") };
    struct sc_reading last = { 0 };
    char line[256];
    assert_non_null(gzgets(f, line, sizeof line));
    for (size_t i = 0; i < 3; i++) {
        struct sc_biller *b = biller_of(&t, &k, months[i].from, months[i].to, 900);
        if (i > 0)
            assert_ok(sc_biller_add(b, &last, NULL)); /* the registers at the end of the month before */
        while (last.start_ms + 900000 < fixture_ms(months[i].to)) {
            assert_non_null(gzgets(f, line, sizeof line));
            fixture_meter_read(&m, milli(field(line, 2)), milli(field(line, 3)), milli(field(line, 4)), &last);
            assert_ok(sc_biller_add(b, &last, NULL));
        }
        struct sc_bill *bill = NULL;
        bill_of(b, &bill);
        assert_int_equal(bill->missing_count, 0);
        assert_int_equal(bill->register_checks, bill->reading_count);
        assert_int_equal(bill->register_mismatches, 0);
        assert_int_equal(bill->usage.inductive_hours, months[i].below);
        assert_int_equal(bill->usage.capacitive_hours, 0);
        assert_int_equal((bill->usage.reactive_excess_uwh + 500) / 1000, months[i].excess_mwh);
        assert_int_equal(line_cents(bill, "reactive_energy", NULL), months[i].ere);
        assert_int_equal(line_cents(bill, "reactive_demand", NULL), 0);
        if (i == 0) {
            assert_int_equal((bill->usage.reactive_demand_uw[SC_SLOT_PEAK] + 5000000) / 10000000, 49511);
            assert_int_equal((bill->usage.reactive_demand_uw[SC_SLOT_OFF_PEAK] + 5000000) / 10000000, 59293);
        }
        for (size_t s = 0; s < 2; s++) {
            const char *name = s == 0 ? "peak" : "off_peak";
            const enum sc_slot slot = s == 0 ? SC_SLOT_PEAK : SC_SLOT_OFF_PEAK;
            assert_int_equal(bill->usage.energy_wh[slot], months[i].wh[s]);
            assert_int_equal(bill->usage.demand_w[slot], months[i].w[s]);
            assert_int_equal(line_cents(bill, "demand", name), months[i].demand[s]);
            assert_int_equal(line_cents(bill, "overshoot", name), months[i].overshoot[s]);
            assert_int_equal(line_cents(bill, "energy", name), months[i].energy[s]);
        }
        assert_int_equal(bill->charges.subtotal_cents, months[i].sum + months[i].ere);
        struct sc_tariff without = t; /* the sheet's sum leaves ERE out */
        struct sc_charges c;
        without.reactive_energy_price = 0;
        assert_ok(sc_charges_compute(&without, &k, &bill->usage, &c, NULL));
        assert_int_equal(c.subtotal_cents, months[i].sum);
        assert_int_equal(c.taxed_cents, months[i].taxed);
        sc_bill_free(bill);
        sc_biller_free(b);
    }
    gzclose(f);
}

static void e10_real_households_under_branca(void **state)
{
    (void)state;
    static const struct {
        const char *meter;
        int64_t wh[3], cents[3], total; /* peak, intermediate, off-peak */
    } homes[] = { { "E0001", { 26499, 16517, 197191 }, { 3533, 1454, 11252 }, 16239 },
                  { "E0004", { 23291, 12283, 133873 }, { 3105, 1081, 7639 }, 11825 },
                  { "E0006", { 26995, 18489, 188466 }, { 3599, 1627, 10754 }, 15980 } };
    const char *path = fixture_shared("data/edrp_halfhour_train.csv.gz");
    if (path == NULL) {
        print_message("skipped: no shared data; set SC_SHARED\n");
        skip();
    }
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    t.national_holidays = false;
    for (size_t i = 0; i < 3; i++) {
        const struct sc_contract k = { .client_id = 1, .meter = 9, .phases = 1 };
        struct fixture_meter m = { .serial = 9, .interval_s = 1800, .t0_ms = fixture_ms("2009-03-01") };
        struct sc_biller *b = biller_of(&t, &k, "2009-03-01", "2009-04-01", 1800);
        gzFile f = gzopen(path, "rb");
        assert_non_null(f);
        char line[1024];
        while (gzgets(f, line, sizeof line) != NULL) {
            if (strncmp(line, homes[i].meter, 5) != 0 || strncmp(field(line, 1), "2009-03", 7) != 0)
                continue;
            for (size_t v = 0; v < 48; v++) {
                struct sc_reading r;
                fixture_meter_read(&m, milli(field(line, 2 + v)), 0, 0, &r);
                assert_ok(sc_biller_add(b, &r, NULL));
            }
        }
        gzclose(f);
        struct sc_bill *bill = NULL;
        bill_of(b, &bill);
        assert_int_equal(bill->reading_count, 31 * 48);
        assert_int_equal(bill->day_count, 31);
        static const enum sc_slot slots[] = { SC_SLOT_PEAK, SC_SLOT_INTERMEDIATE, SC_SLOT_OFF_PEAK };
        for (size_t s = 0; s < 3; s++) {
            assert_int_equal(bill->usage.energy_wh[slots[s]], homes[i].wh[s]);
            assert_int_equal(line_cents(bill, "energy", sc_slot_name(slots[s])), homes[i].cents[s]);
        }
        assert_int_equal(bill->charges.total_cents, homes[i].total);
        sc_bill_free(bill);
        sc_biller_free(b);
    }
}

static const struct sc_contract home = { .client_id = 5, .meter = 17, .phases = 1 };
static struct fixture_meter new_meter(void)
{
    return (struct fixture_meter){ .serial = 17, .interval_s = 3600, .t0_ms = fixture_ms("2024-07-01") };
}

static void the_hash_is_the_merkle_root_of_the_statements(void **state)
{
    (void)state;
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    struct fixture_meter m = new_meter();
    struct sc_biller *b = biller_of(&t, &home, "2024-07-01", "2024-08-01", 3600);
    struct sc_merkle tree;
    sc_merkle_init(&tree);
    for (size_t i = 0; i < 100; i++) {
        struct sc_reading r;
        struct sc_hash leaf;
        fixture_meter_read(&m, 100 + i, 0, 0, &r);
        assert_ok(sc_biller_add(b, &r, NULL));
        fixture_statement_hash(&r, &leaf);
        sc_merkle_add(&tree, &leaf);
    }
    struct sc_bill *bill = NULL;
    struct sc_hash root;
    bill_of(b, &bill);
    sc_merkle_root(&tree, &root);
    assert_memory_equal(bill->measurement_hash.bytes, root.bytes, 32);
    assert_int_equal(bill->reading_count, 100);
    assert_int_equal(bill->first_sequence, 1);
    assert_int_equal(bill->last_sequence, 100);
    assert_int_equal(bill->to_ms, fixture_ms("2024-07-05T04:00"));
    sc_bill_free(bill);
    sc_biller_free(b);
}

static void gaps_and_unmeasured_intervals_are_counted_and_not_billed(void **state)
{
    (void)state;
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    struct fixture_meter m = new_meter();
    struct sc_biller *b = biller_of(&t, &home, "2024-07-01", "2024-08-01", 3600);
    int64_t billed = 0;
    for (size_t i = 0; i < 48; i++) {
        struct sc_reading r;
        if (i == 7)
            fixture_meter_skip(&m, &r);
        else
            fixture_meter_read(&m, 1000 + i, 0, 0, &r);
        if (i == 0 || (i >= 20 && i < 23))
            continue; /* the database does not have them */
        billed += i == 7 ? 0 : 1000 + (int64_t)i;
        assert_ok(sc_biller_add(b, &r, NULL));
    }
    struct sc_bill *bill = NULL;
    bill_of(b, &bill);
    assert_int_equal(bill->energy_wh, billed);
    assert_int_equal(bill->missing_count, 3);
    assert_int_equal(bill->not_measured_count, 1);
    assert_int_equal(bill->reading_count, 44);
    assert_int_equal(bill->from_ms, fixture_ms("2024-07-01T01:00"));
    assert_false(bill->opening.known);
    assert_int_equal(bill->register_checks, 44 - 1 - 1); /* not the first, not the one after the gap */
    assert_int_equal(bill->register_mismatches, 0);
    sc_bill_free(bill);
    sc_biller_free(b);
}

static void rows_that_do_not_belong_are_left_out_and_counted(void **state)
{
    (void)state;
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    struct fixture_meter m = new_meter();
    struct sc_biller *b = biller_of(&t, &home, "2024-07-01", "2024-08-01", 3600);
    struct sc_reading r, wrong;
    fixture_meter_read(&m, 500, 0, 0, &r);
    assert_ok(sc_biller_add(b, &r, NULL));
    fixture_meter_read(&m, 500, 0, 0, &r);
    assert_ok(sc_biller_add(b, &r, NULL));
    wrong = r; /* twice the same */
    assert_ok(sc_biller_add(b, &wrong, NULL));
    wrong.start_ms += 3600000;
    wrong.meter = 18;
    assert_ok(sc_biller_add(b, &wrong, NULL));
    wrong = r;
    wrong.start_ms += 1;
    assert_ok(sc_biller_add(b, &wrong, NULL));
    wrong = r;
    wrong.start_ms += 3600000;
    wrong.interval_s = 900;
    assert_ok(sc_biller_add(b, &wrong, NULL));
    wrong = r;
    wrong.start_ms = fixture_ms("2024-08-01");
    assert_ok(sc_biller_add(b, &wrong, NULL));
    sc_biller_refuse(b);
    struct sc_bill *bill = NULL;
    bill_of(b, &bill);
    assert_int_equal(bill->refused_count, 6);
    assert_int_equal(bill->reading_count, 2);
    assert_int_equal(bill->energy_wh, 1000);
    sc_bill_free(bill);
    sc_biller_free(b);
}

static void registers_that_disagree_are_told(void **state)
{
    (void)state;
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    struct fixture_meter m = new_meter();
    struct sc_biller *b = biller_of(&t, &home, "2024-07-01", "2024-08-01", 3600);
    for (size_t i = 0; i < 10; i++) {
        struct sc_reading r;
        if (i == 6)
            m.reg[0] += 1;
        fixture_meter_read(&m, 500, 0, 0, &r);
        assert_ok(sc_biller_add(b, &r, NULL));
    }
    struct sc_bill *bill = NULL;
    bill_of(b, &bill);
    assert_int_equal(bill->register_checks, 10);
    assert_int_equal(bill->register_mismatches, 1);
    assert_int_equal(bill->register_mismatch_ms, fixture_ms("2024-07-01T06:00"));
    sc_bill_free(bill);
    sc_biller_free(b);
}

static void an_empty_period_is_an_error_and_so_is_an_absurd_one(void **state)
{
    (void)state;
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    struct sc_biller *b = biller_of(&t, &home, "2024-07-01", "2024-08-01", 3600);
    struct sc_bill *bill = NULL;
    assert_int_equal(sc_biller_finish(b, &bill, NULL), SC_E_NOT_FOUND);
    sc_biller_free(b);
    b = NULL;
    static const struct sc_bill_period wrong[] = { { 0, 0, 900 },
                                                   { 0, 86400000, 7 },
                                                   { 0, 86400000, 86399 },
                                                   { 900000, 86400001, 900 },
                                                   { -86400000, 0, 900 },
                                                   { 0, 400 * SC_DAY_MS, 900 },
                                                   { INT64_MAX / 2, INT64_MAX, 900 } };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(sc_biller_new(&t, &home, &wrong[i], &b, NULL), SC_E_USAGE);
}

static void the_document_comes_back_as_a_claim(void **state)
{
    (void)state;
    struct sc_tariff t;
    fixture_tariff(fixture_branca, &t);
    struct fixture_meter m = new_meter();
    struct sc_biller *b = biller_of(&t, &home, "2024-07-01", "2024-08-01", 3600);
    for (size_t i = 0; i < 31 * 24; i++) {
        struct sc_reading r;
        fixture_meter_read(&m, 250, 0, 0, &r);
        assert_ok(sc_biller_add(b, &r, NULL));
    }
    struct sc_bill *bill = NULL;
    json_t *doc = NULL;
    struct sc_bill_claim claim;
    bill_of(b, &bill);
    assert_ok(sc_bill_to_json(bill, "Zoë", &doc));
    assert_ok(sc_bill_claim_parse(doc, &claim, NULL));
    assert_int_equal(claim.client_id, 5);
    assert_int_equal(claim.meter, 17);
    assert_int_equal(claim.reading_count, 744);
    assert_int_equal(claim.last_sequence, 744);
    assert_memory_equal(claim.measurement_hash.bytes, bill->measurement_hash.bytes, 32);
    assert_string_equal(json_string_value(json_object_get(doc, "energy_kwh")), "186.000");
    assert_string_equal(json_string_value(json_object_get(doc, "meter")), "00000017");
    const json_t *curve = json_object_get(doc, "curve");
    assert_int_equal(json_array_size(json_object_get(curve, "daily_kwh")), 31);
    assert_true(json_real_value(json_array_get(json_object_get(curve, "daily_kwh"), 30)) == 6.0);
    assert_true(json_real_value(json_array_get(json_object_get(curve, "weekend_mean_kw"), 23)) == 0.25);
    /* each member that the claim needs is missed by name */
    static const char *const needed[] = { "format", "version", "customer", "meter", "interval_s", "period", "contract", "readings",
                                          "tariff", "measurement_hash" };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        json_t *copy = json_copy(doc);
        json_object_del(copy, needed[i]);
        assert_int_equal(sc_bill_claim_parse(copy, &claim, NULL), SC_E_MALFORMED);
        json_decref(copy);
    }
    json_decref(doc);
    sc_bill_free(bill);
    sc_biller_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e9_a_real_plant_month_by_month),
        cmocka_unit_test(e10_real_households_under_branca),
        cmocka_unit_test(the_hash_is_the_merkle_root_of_the_statements),
        cmocka_unit_test(gaps_and_unmeasured_intervals_are_counted_and_not_billed),
        cmocka_unit_test(rows_that_do_not_belong_are_left_out_and_counted),
        cmocka_unit_test(registers_that_disagree_are_told),
        cmocka_unit_test(an_empty_period_is_an_error_and_so_is_an_absurd_one),
        cmocka_unit_test(the_document_comes_back_as_a_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
