#include "test.h"

#include <math.h>
#include <time.h>

static void every_day_of_four_centuries_survives_the_calendar_and_back(void **state)
{
    (void)state;
    const int64_t day_ms = 86400000;
    for (int64_t day = -100000; day < 150000; day++) { /* 1696 .. 2380 */
        const int64_t ms = day * day_ms + (day & 1 ? day_ms - 1 : 0);
        struct sc_civil c;
        sc_civil_from_ms(ms, &c);
        assert_true(sc_civil_to_ms(&c) == ms);
        if (day % 37 == 0) { /* libc agrees */
            const time_t t = (time_t)(day * 86400);
            struct tm tm;
            gmtime_r(&t, &tm);
            assert_int_equal(c.year, tm.tm_year + 1900);
            assert_int_equal(c.month, tm.tm_mon + 1);
            assert_int_equal(c.day, tm.tm_mday);
            assert_int_equal(c.weekday, tm.tm_wday);
        }
    }
}

static void time_text_and_parsing_agree(void **state)
{
    (void)state;
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(3));
    for (unsigned i = 0; i < 20000; i++) {
        const int64_t ms = (int64_t)sc_prng_below(&prng, UINT64_C(253402300799)) * 1000; /* 1970..9999 */
        char text[SC_TIME_TEXT_SIZE];
        int64_t back;
        assert_ok(sc_civil_parse(sc_time_text(ms, text), &back));
        assert_true(back == ms);
    }
    char text[SC_TIME_TEXT_SIZE];
    assert_string_equal(sc_time_text(INT64_C(1720023300000), text), "2024-07-03T16:15:00Z");
    assert_string_equal(sc_time_text(INT64_C(1720023300007), text), "2024-07-03T16:15:00.007Z");
}

static void short_forms_are_understood(void **state)
{
    (void)state;
    int64_t ms;
    assert_ok(sc_civil_parse("2024-07-03", &ms));
    assert_true(ms == INT64_C(1719964800000));
    assert_ok(sc_civil_parse("2024-07-03T16:15", &ms));
    assert_true(ms == INT64_C(1720023300000));
    assert_ok(sc_civil_parse("2024-07-03 16:15:00", &ms));
    assert_true(ms == INT64_C(1720023300000));
    assert_ok(sc_civil_parse("2024-02-29", &ms));
    assert_ok(sc_civil_parse("2000-02-29Z", &ms));
}

static void senseless_times_are_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "", "2024", "2024-07", "2024-07-", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-04-31",
        "2024-01-00", "2024-07-03T", "2024-07-03T24:00", "2024-07-03T16", "2024-07-03T16:60", "2024-07-03T16:15:60",
        "2024-07-03T16:15:00ZZ", "2024-07-03x", " 2024-07-03", "2024-7-3", "2024-07- 3", "2024-+7-03", "-024-07-03",
        "24-07-03", "2024-07-03T-1:00", "2024-07-03T16:15:00+02:00", "2024-07-03T16:15:00.5Z",
        "2024-07-03T16:15:00Z                        ",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        int64_t ms = 42;
        if (sc_civil_parse(refused[i], &ms) != SC_E_MALFORMED)
            fail_msg("\"%s\" was accepted", refused[i]);
        assert_true(ms == 42);
    }
}

static void a_manual_clock_stands_still_until_told(void **state)
{
    (void)state;
    struct sc_clock_manual m = { 5, 7 };
    const struct sc_clock c = sc_clock_of_manual(&m);
    assert_true(sc_wall_ms(&c) == 5 && sc_mono_us(&c) == 7);
    m.wall_ms = 6;
    assert_true(sc_wall_ms(&c) == 6 && sc_mono_us(&c) == 7);
    const int64_t a = sc_mono_us(&sc_clock_system);
    assert_true(sc_mono_us(&sc_clock_system) >= a);
}

/* ---- randomness ---- */
static void a_seed_repeats_its_numbers_and_streams_differ(void **state)
{
    (void)state;
    struct sc_prng a;
    struct sc_prng b;
    sc_prng_init(&a, 99);
    sc_prng_init(&b, 99);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(sc_prng_u64(&a) == sc_prng_u64(&b));
    uint64_t first[512];
    for (uint64_t stream = 0; stream < 256; stream++) {
        sc_prng_init_stream(&a, 99, stream);
        first[stream] = sc_prng_u64(&a);
        sc_prng_init_stream(&a, 100, stream);
        first[256 + stream] = sc_prng_u64(&a);
    }
    for (size_t i = 0; i < 512; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(first[i] != first[k]);
}

static void numbers_below_a_bound_are_uniform(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, test_seed(4));
    const unsigned draws = 200000;
    unsigned count[10] = { 0 };
    for (unsigned i = 0; i < draws; i++)
        count[sc_prng_below(&p, 10)]++;
    double chi2 = 0;
    for (size_t i = 0; i < 10; i++)
        chi2 += (count[i] - draws / 10.0) * (count[i] - draws / 10.0) / (draws / 10.0);
    assert_true(chi2 < 33.7); /* 9 degrees of freedom: 1 in 10000 */
    for (unsigned i = 0; i < 1000; i++)
        assert_true(sc_prng_below(&p, 1) == 0);
    const uint64_t huge = UINT64_C(1) << 63;
    unsigned above = 0;
    for (unsigned i = 0; i < 10000; i++)
        above += sc_prng_below(&p, huge + 1) > huge / 2;
    assert_in_range(above, 4700, 5300);
}

static void normal_numbers_have_their_moments(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, test_seed(5));
    double sum = 0;
    double squares = 0;
    const int draws = 200000;
    for (int i = 0; i < draws; i++) {
        const double u = sc_prng_uniform(&p);
        assert_true(u >= 0 && u < 1);
        const double x = sc_prng_normal(&p);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / draws) < 0.02);
    assert_true(fabs(squares / draws - 1) < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_four_centuries_survives_the_calendar_and_back),
        cmocka_unit_test(time_text_and_parsing_agree),
        cmocka_unit_test(short_forms_are_understood),
        cmocka_unit_test(senseless_times_are_refused),
        cmocka_unit_test(a_manual_clock_stands_still_until_told),
        cmocka_unit_test(a_seed_repeats_its_numbers_and_streams_differ),
        cmocka_unit_test(numbers_below_a_bound_are_uniform),
        cmocka_unit_test(normal_numbers_have_their_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
