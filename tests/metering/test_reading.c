#include "test_metering.h"

#include "metering/reading.h"
#include "metering/schema.h"

#include <math.h>

#define JULY_2024 INT64_C(1720000800000) /* 2024-07-03T10:00Z */

static struct sc_reading sample(void)
{
    struct sc_reading r = {.meter = 12345678,
                           .sequence = 42,
                           .start_ms = JULY_2024,
                           .interval_s = 900,
                           .status = SC_READING_STATUS_TAMPER,
                           .validity = (1u << SC_READING_ATTR_COUNT) - 1};
    for (unsigned i = 0; i < SC_READING_FLOAT_COUNT; i++)
        r.value[i] = (float)i * 1.25f + 0.5f;
    for (unsigned i = 0; i < SC_READING_REGISTER_COUNT; i++)
        r.reg[i] = UINT64_C(1) << (20 + 13 * i);
    return r;
}

static struct sc_buf encoded(const struct sc_reading *r)
{
    struct sc_buf b = {0};
    sc_reading_encode(r, &b);
    assert_ok(sc_buf_status(&b));
    return b;
}

static void a_reading_survives_encoding_and_decoding(void **state)
{
    (void)state;
    const struct sc_reading r = sample();
    struct sc_buf b = encoded(&r);
    struct sc_reading back;
    assert_int_equal(b.size, SC_READING_STATEMENT_SIZE);
    assert_memory_equal(b.ptr, "SCRD\x01", 5);
    assert_ok(sc_reading_decode(sc_buf_slice(&b), &back));
    struct sc_buf again = encoded(&back);
    assert_memory_equal(b.ptr, again.ptr, b.size);
    assert_int_equal(back.sequence, 42);
    assert_near(back.value[SC_ATTR_DEMAND_KW], r.value[SC_ATTR_DEMAND_KW], 0);
    sc_buf_deinit(&b);
    sc_buf_deinit(&again);
}

static void every_truncation_and_one_byte_more_are_refused(void **state)
{
    (void)state;
    const struct sc_reading r = sample();
    struct sc_buf b = encoded(&r);
    struct sc_reading back;
    for (size_t n = 0; n < b.size; n++)
        assert_int_equal(sc_reading_decode(sc_slice_of(b.ptr, n), &back), SC_E_MALFORMED);
    sc_buf_put_u8(&b, 0);
    assert_int_equal(sc_reading_decode(sc_buf_slice(&b), &back), SC_E_MALFORMED);
    sc_buf_deinit(&b);
}

/* One statement, one reading: what decodes after a flip encodes to exactly the flipped bytes, so a signature
 * over the re-encoded row can never cover another reading. */
static void every_flipped_bit_is_refused_or_changes_the_reading(void **state)
{
    (void)state;
    const struct sc_reading r = sample();
    struct sc_buf b = encoded(&r);
    size_t refused = 0;
    FOR_EACH_FLIP(b.ptr, b.size, {
        struct sc_reading back;
        if (sc_reading_decode(sc_buf_slice(&b), &back) != SC_OK) {
            refused++;
        } else {
            struct sc_buf again = encoded(&back);
            assert_memory_equal(again.ptr, b.ptr, b.size);
            sc_buf_deinit(&again);
        }
    })
    assert_true(refused >= 5 * 8);
    sc_buf_deinit(&b);
}

static void refuse(const struct sc_reading *r)
{
    struct sc_buf b = encoded(r);
    struct sc_reading back;
    assert_int_equal(sc_reading_decode(sc_buf_slice(&b), &back), SC_E_MALFORMED);
    sc_buf_deinit(&b);
}

static void senseless_readings_are_refused(void **state)
{
    (void)state;
    struct sc_reading r;
#define WITH(change)                                                                                         \
    r = sample();                                                                                            \
    change;                                                                                                  \
    refuse(&r);
    WITH(r.meter = 100000000)
    WITH(r.sequence = 0)
    WITH(r.interval_s = 59)
    WITH(r.interval_s = 86401)
    WITH(r.start_ms += 1000)
    WITH(r.start_ms += 1)
    WITH(r.value[0] = NAN)
    WITH(r.value[26] = INFINITY)
    WITH(r.validity &= ~1u) /* invalid, yet not zero */
    WITH(r.validity &= ~(1u << 27))
    WITH(r.validity |= 1u << 30)
    WITH(r.validity &= ~1u; r.value[0] = -0.0f) /* a row's NULL stands for +0 alone */
#undef WITH
    r = sample();
    r.start_ms = -900000; /* before 1970, on the grid */
    struct sc_buf b = encoded(&r);
    assert_ok(sc_reading_decode(sc_buf_slice(&b), &r));
    sc_buf_deinit(&b);
}

static void energy_is_the_whole_watt_hours_the_demand_was_made_from(void **state)
{
    (void)state;
    struct sc_prng prng;
    sc_prng_init(&prng, 7);
    static const uint32_t intervals[] = {60, 300, 900, 1800, 3600, 86400};
    for (unsigned i = 0; i < 200000; i++) {
        struct sc_reading r = sample();
        const uint64_t wh = sc_prng_below(&prng, i % 2 == 0 ? 5000 : 1u << 23);
        r.interval_s = intervals[i % 6];
        r.value[SC_ATTR_DEMAND_KW] = (float)((double)wh * 3.6 / r.interval_s);
        assert_int_equal(sc_reading_energy_wh(&r), wh);
    }
    struct sc_reading r = sample();
    r.status |= SC_READING_STATUS_NOT_MEASURED;
    assert_int_equal(sc_reading_energy_wh(&r), 0);
    r = sample();
    r.validity &= ~(1u << SC_ATTR_DEMAND_KW);
    assert_int_equal(sc_reading_energy_wh(&r), 0);
}

static void the_table_names_every_attribute_in_order(void **state)
{
    (void)state;
    const char *at = sc_reading_columns;
    const char *table = sc_reading_create_table;
    unsigned commas = 0;
    for (const char *p = at; *p != '\0'; p++)
        commas += *p == ',';
    assert_int_equal(commas + 1, SC_READING_COLUMN_COUNT);
    for (unsigned i = 0; i < SC_READING_ATTR_COUNT; i++) {
        char column[64];
        snprintf(column, sizeof column, ",%s,", sc_reading_attr_names[i]);
        at = strstr(at, column);
        assert_non_null(at);
        snprintf(column, sizeof column, " %s %s,", sc_reading_attr_names[i],
                 i < SC_READING_FLOAT_COUNT ? "REAL" : "INTEGER");
        table = strstr(table, column);
        assert_non_null(table);
    }
}

static void a_meters_urn_has_one_spelling(void **state)
{
    (void)state;
    char text[SC_METER_URN_SIZE];
    uint32_t serial;
    uint64_t client;
    assert_string_equal(sc_meter_urn_format(17, 4711, text), "urn:securecloud:meter:00000017:customer:4711");
    assert_ok(sc_meter_urn_parse(text, &serial, &client));
    assert_int_equal(serial, 17);
    assert_int_equal(client, 4711);
    assert_ok(sc_meter_urn_parse(sc_meter_urn_format(99999999, INT64_MAX, text), &serial, &client));
    assert_true(client == INT64_MAX);
    static const char *const bad[] = {
        "",
        "urn:securecloud:meter:",
        "urn:securecloud:meter:17:customer:4711",
        "urn:securecloud:meter:00000017",
        "urn:securecloud:meter:00000017:customer:",
        "urn:securecloud:meter:00000017:customer:04711",
        "urn:securecloud:meter:00000017:customer:-1",
        "urn:securecloud:meter:00000017:customer:4711 ",
        "urn:securecloud:meter:+0000017:customer:4711",
        "urn:securecloud:meter: 0000017:customer:4711",
        "urn:securecloud:meter:00000017:customer:9223372036854775808",
        "urn:securecloud:meter:00000017:customer:99999999999999999999",
        "URN:securecloud:meter:00000017:customer:4711",
        "spiffe://securecloud.local/service/mdc",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(sc_meter_urn_parse(bad[i], &serial, &client), SC_E_MALFORMED);
}

static void classes_and_modalities_have_names_and_back(void **state)
{
    (void)state;
    for (int i = 0; i < SC_CLASS_COUNT; i++) {
        enum sc_customer_class c;
        assert_ok(sc_customer_class_parse(sc_customer_class_name((enum sc_customer_class)i), &c));
        assert_int_equal(c, i);
    }
    for (int i = 0; i < SC_MODALITY_COUNT; i++) {
        enum sc_modality m;
        assert_ok(sc_modality_parse(sc_modality_name((enum sc_modality)i), &m));
        assert_int_equal(m, i);
    }
    enum sc_modality m;
    assert_int_equal(sc_modality_parse("white", &m), SC_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reading_survives_encoding_and_decoding),
        cmocka_unit_test(every_truncation_and_one_byte_more_are_refused),
        cmocka_unit_test(every_flipped_bit_is_refused_or_changes_the_reading),
        cmocka_unit_test(senseless_readings_are_refused),
        cmocka_unit_test(energy_is_the_whole_watt_hours_the_demand_was_made_from),
        cmocka_unit_test(the_table_names_every_attribute_in_order),
        cmocka_unit_test(a_meters_urn_has_one_spelling),
        cmocka_unit_test(classes_and_modalities_have_names_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
