/* The line that long work shows. */
#include "base/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void the_line_tells_percent_rate_and_time_left(void **state)
{
    char text[SC_PROGRESS_LINE_SIZE];
    struct sc_progress p = {.what = "verify", .begun_us = 1000000, .done = 256 << 20, .total = 1 << 30};
    (void)state;
    assert_string_equal(sc_progress_line(&p, 5000000, false, 200, text),
                        "verify  [##########..............................]  25 %  256.0 MiB of 1.0 GiB  64.0 MiB/s  "
                        "0:12 left");
    assert_string_equal(sc_progress_line(&p, 5000000, false, 60, text),
                        "verify   25 %  256.0 MiB of 1.0 GiB  64.0 MiB/s  0:12 left");
    p.total = 0; /* from a pipe: nobody knows how much there will be */
    assert_string_equal(sc_progress_line(&p, 5000000, false, 200, text), "verify  256.0 MiB  64.0 MiB/s  in 0:04");
    p.unit = SC_PROGRESS_STEPS;
    p.done = 3;
    p.total = 4;
    assert_non_null(strstr(sc_progress_line(&p, 5000000, false, 60, text), " 75 %  3 of 4  "));
    p.unit = SC_PROGRESS_ROWS;
    p.done = p.total = 1000;
    assert_string_equal(sc_progress_line(&p, 3000000, true, 70, text),
                        "verify  [#################] 100 %  1000 of 1000 rows  500/s  in 0:02");
}

static void a_line_never_is_wider_than_the_terminal_nor_divides_by_nothing(void **state)
{
    char text[SC_PROGRESS_LINE_SIZE];
    static const uint64_t amounts[] = {0, 1, 99, 100, UINT64_MAX};
    (void)state;
    for (size_t d = 0; d < sizeof amounts / sizeof amounts[0]; d++) {
        for (size_t t = 0; t < sizeof amounts / sizeof amounts[0]; t++) {
            for (size_t columns = 1; columns < 200; columns++) {
                const struct sc_progress p = {.what = "copy", .done = amounts[d], .total = amounts[t]};
                assert_true(strlen(sc_progress_line(&p, 0, false, columns, text)) <= columns);
                assert_true(strlen(sc_progress_line(&p, 1, true, columns, text)) <= columns);
            }
        }
    }
}

static void not_everything_is_never_called_100_percent(void **state)
{
    char text[SC_PROGRESS_LINE_SIZE];
    const struct sc_progress p = {.what = "copy", .done = 999999, .total = 1000000};
    (void)state;
    assert_non_null(strstr(sc_progress_line(&p, 1000, false, 200, text), " 99 %"));
}

static void without_a_terminal_nothing_is_shown(void **state)
{
    struct sc_progress p;
    (void)state;
    sc_progress_begin(&p, "copy", SC_PROGRESS_BYTES);
    p.shown = false; /* also when the test runs on one */
    sc_progress_report(&p, 1, 2);
    assert_true(p.done == 1 && p.total == 2);
    sc_progress_clear(&p);
    sc_progress_end(&p);
    sc_progress_clear(&(struct sc_progress){0});
    sc_progress_end(&(struct sc_progress){0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_tells_percent_rate_and_time_left),
        cmocka_unit_test(a_line_never_is_wider_than_the_terminal_nor_divides_by_nothing),
        cmocka_unit_test(not_everything_is_never_called_100_percent),
        cmocka_unit_test(without_a_terminal_nothing_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
