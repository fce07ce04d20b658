/* Numbers and sizes: whole or refused. */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void sizes_have_units_of_1024_and_nothing_else_behind_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},        {"4096", 4096},  {"64K", 64 << 10},           {"64KiB", 64 << 10},
                {"8M", 8 << 20}, {"8m", 8 << 20}, {"3GiB", UINT64_C(3) << 30}, {"1T", UINT64_C(1) << 40}};
    static const char *const bad[] = {"",    "K",     "-1",   "+1",   " 1", "1 K", "1KB",
                                      "1Ki", "1KiBs", "1.5M", "0x10", "1P", "1B"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t v = 1;
        assert_int_equal(sc_size_parse(good[i].text, UINT64_MAX, &v), SC_OK);
        assert_true(v == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t v = 7;
        assert_int_equal(sc_size_parse(bad[i], UINT64_MAX, &v), SC_E_USAGE);
        assert_true(v == 7);
    }
}

static void what_does_not_fit_is_refused_and_never_wraps(void **state)
{
    uint64_t v = 7;
    (void)state;
    assert_int_equal(sc_number_parse("18446744073709551615", UINT64_MAX, &v), SC_OK);
    assert_true(v == UINT64_MAX);
    assert_int_equal(sc_number_parse("18446744073709551616", UINT64_MAX, &v), SC_E_LIMIT);
    assert_int_equal(sc_number_parse("11", 10, &v), SC_E_LIMIT);
    assert_int_equal(sc_number_parse("12x", 100, &v), SC_E_USAGE);
    assert_int_equal(sc_size_parse("16777216T", UINT64_MAX, &v), SC_E_LIMIT);
    assert_int_equal(sc_size_parse("2K", 2047, &v), SC_E_LIMIT);
    assert_int_equal(sc_size_parse("2K", 2048, &v), SC_OK);
}

static void sizes_and_durations_read_well(void **state)
{
    char text[SC_UNITS_TEXT_SIZE];
    (void)state;
    assert_string_equal(sc_size_text(0, text), "0 B");
    assert_string_equal(sc_size_text(1023, text), "1023 B");
    assert_string_equal(sc_size_text(1024, text), "1.0 KiB");
    assert_string_equal(sc_size_text((1 << 20) - 1, text), "1.0 MiB");
    assert_string_equal(sc_size_text(UINT64_MAX, text), "16.0 EiB");
    assert_string_equal(sc_duration_text(7, text), "0:07");
    assert_string_equal(sc_duration_text(750, text), "12:30");
    assert_string_equal(sc_duration_text(11100, text), "3:05:00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_units_of_1024_and_nothing_else_behind_them),
        cmocka_unit_test(what_does_not_fit_is_refused_and_never_wraps),
        cmocka_unit_test(sizes_and_durations_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
