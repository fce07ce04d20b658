#include "test_metering.h"

#include "metering/electrical.h"

#include <math.h>

static struct sc_electrical model(enum sc_customer_class class, unsigned phases, double rated_kw)
{
    const struct sc_electrical_config cfg = {.customer_class = class,
                                             .phases = phases,
                                             .nominal_v = 127,
                                             .rated_kw = rated_kw,
                                             .seed = 3,
                                             .stream = 4};
    struct sc_electrical m;
    assert_ok(sc_electrical_init(&m, &cfg));
    return m;
}

static bool valid(const struct sc_reading *r, unsigned attr)
{
    return (r->validity >> attr & 1) != 0;
}

/* The laws that tie the 27 values together, within the rounding of a float. */
static void laws_hold(const struct sc_reading *r, const struct sc_electrical_interval *in, unsigned phases,
                      uint64_t ind, uint64_t cap)
{
    const double p = (double)r->value[SC_ATTR_ACTIVE_POWER_W];
    const double q = (double)r->value[SC_ATTR_REACTIVE_POWER_VAR];
    const double s = (double)r->value[SC_ATTR_APPARENT_POWER_VA];
    double p_sum = 0;
    double q_sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(valid(r, SC_ATTR_VOLTAGE_A_V + i) == (i < phases));
        if (i >= phases || !valid(r, SC_ATTR_CURRENT_ANGLE_A_DEG + i))
            continue;
        const double v = (double)r->value[SC_ATTR_VOLTAGE_A_V + i];
        const double a = (double)r->value[SC_ATTR_CURRENT_A_A + i];
        const double phi = ((double)r->value[SC_ATTR_VOLTAGE_ANGLE_A_DEG + i] -
                            (double)r->value[SC_ATTR_CURRENT_ANGLE_A_DEG + i]) *
                           M_PI / 180;
        assert_true(v > 127 * 0.88 && v < 127 * 1.06);
        assert_near(cos(phi), (double)r->value[SC_ATTR_POWER_FACTOR_A + i], 1e-5);
        p_sum += v * a * cos(phi);
        q_sum += v * a * sin(phi);
    }
    assert_near(p_sum, p, 1e-5 * s + 1e-6);
    assert_near(q_sum, q, 1e-5 * s + 1e-6);
    assert_near(s * s, p * p + q * q, 1e-5 * s * s + 1e-6);
    assert_near(q, ((double)ind - (double)cap) * 3600 / in->interval_s, 1e-5 * s + 1e-6);
    assert_int_equal(sc_reading_energy_wh(r), in->energy_wh);
    if (s > 0)
        assert_near((double)r->value[SC_ATTR_POWER_FACTOR], p / s, 1e-5);
    assert_true(r->value[SC_ATTR_FREQUENCY_HZ] > 59.9f && r->value[SC_ATTR_FREQUENCY_HZ] < 60.1f);
}

static void the_values_obey_the_laws_they_are_named_after(void **state)
{
    (void)state;
    for (unsigned phases = 1; phases <= 3; phases++) {
        struct sc_electrical m = model((enum sc_customer_class)(phases % SC_CLASS_COUNT), phases, 20);
        struct sc_prng prng;
        sc_prng_init(&prng, phases);
        for (unsigned i = 0; i < 5000; i++) {
            const struct sc_electrical_interval in = {
                .energy_wh = i % 10 == 0 ? i % 3 : sc_prng_below(&prng, 6000), .interval_s = 900};
            struct sc_reading r = {.interval_s = 900};
            uint64_t ind;
            uint64_t cap;
            sc_electrical_step(&m, &in, &r, &ind, &cap);
            assert_int_equal(cap, 0);
            laws_hold(&r, &in, phases, ind, cap);
        }
    }
}

static void measured_reactive_energy_is_kept(void **state)
{
    (void)state;
    struct sc_electrical m = model(SC_CLASS_INDUSTRIAL, 3, 200);
    for (unsigned i = 0; i < 2000; i++) {
        const struct sc_electrical_interval in = {.energy_wh = i * 10,
                                                  .interval_s = 900,
                                                  .has_reactive = true,
                                                  .inductive_varh = i % 700,
                                                  .capacitive_varh = i % 13 * 40};
        struct sc_reading r = {.interval_s = 900};
        uint64_t ind;
        uint64_t cap;
        sc_electrical_step(&m, &in, &r, &ind, &cap);
        assert_int_equal(ind, in.inductive_varh);
        assert_int_equal(cap, in.capacitive_varh);
        laws_hold(&r, &in, 3, ind, cap);
    }
}

static void without_load_there_is_voltage_but_no_angle(void **state)
{
    (void)state;
    struct sc_electrical m = model(SC_CLASS_RESIDENTIAL, 1, 5);
    const struct sc_electrical_interval in = {.interval_s = 1800};
    struct sc_reading r = {.interval_s = 1800, .validity = UINT32_MAX >> 2};
    uint64_t ind;
    uint64_t cap;
    sc_electrical_step(&m, &in, &r, &ind, &cap);
    assert_true(valid(&r, SC_ATTR_VOLTAGE_A_V) && valid(&r, SC_ATTR_CURRENT_A_A) &&
                valid(&r, SC_ATTR_DEMAND_KW));
    assert_false(valid(&r, SC_ATTR_CURRENT_ANGLE_A_DEG) || valid(&r, SC_ATTR_POWER_FACTOR) ||
                 valid(&r, SC_ATTR_VOLTAGE_B_V));
    assert_true(r.validity >> SC_READING_FLOAT_COUNT == 7); /* the registers' bits are the caller's */
    assert_int_equal(ind, 0);
}

static void load_pulls_the_voltage_down_and_seeds_repeat(void **state)
{
    (void)state;
    double sum[2] = {0};
    for (unsigned heavy = 0; heavy < 2; heavy++) {
        struct sc_electrical m = model(SC_CLASS_COMMERCIAL, 3, 20);
        for (unsigned i = 0; i < 200; i++) {
            const struct sc_electrical_interval in = {.energy_wh = heavy ? 5000 : 50, .interval_s = 900};
            struct sc_reading r = {.interval_s = 900};
            uint64_t ind;
            uint64_t cap;
            sc_electrical_step(&m, &in, &r, &ind, &cap);
            sum[heavy] += (double)r.value[SC_ATTR_VOLTAGE_A_V] / 200;
        }
    }
    assert_true(sum[0] - sum[1] > 127 * 0.02 &&
                sum[0] - sum[1] < 127 * 0.08); /* same seed, so only the drop differs */
}

static void senseless_configurations_are_refused(void **state)
{
    (void)state;
    struct sc_electrical m;
    struct sc_electrical_config good = {
        .customer_class = SC_CLASS_PUBLIC, .phases = 3, .nominal_v = 127, .rated_kw = 10};
    struct sc_electrical_config c;
    assert_ok(sc_electrical_init(&m, &good));
    c = good, c.phases = 0, assert_int_equal(sc_electrical_init(&m, &c), SC_E_USAGE);
    c = good, c.nominal_v = NAN, assert_int_equal(sc_electrical_init(&m, &c), SC_E_USAGE);
    c = good, c.rated_kw = 0, assert_int_equal(sc_electrical_init(&m, &c), SC_E_USAGE);
    sc_electrical_suggest(SC_CLASS_INDUSTRIAL, 170, &c);
    assert_true(c.phases == 3 && c.nominal_v > 7000);
    sc_electrical_suggest(SC_CLASS_RESIDENTIAL, 5, &c);
    assert_true(c.phases == 1 && c.nominal_v < 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_values_obey_the_laws_they_are_named_after),
        cmocka_unit_test(measured_reactive_energy_is_kept),
        cmocka_unit_test(without_load_there_is_voltage_but_no_angle),
        cmocka_unit_test(load_pulls_the_voltage_down_and_seeds_repeat),
        cmocka_unit_test(senseless_configurations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
