#include "report/html.h"
#include "report/svg.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

static void foreign_text_becomes_harmless(void **state)
{
    (void)state;
    const struct {
        const char *text, *expected;
    } cases[] = {
        { "plain", "plain" },
        { "<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" },
        { "\" onload=\"x", "&quot; onload=&quot;x" },
        { "a&b&amp;", "a&amp;b&amp;amp;" },
        { "]]>", "]]&gt;" },
        { "S\xC3\xA3o Paulo \xE2\x82\xAC \xF0\x9F\x98\x80", "S\xC3\xA3o Paulo \xE2\x82\xAC \xF0\x9F\x98\x80" },
        { "\x01\x1f", "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xC3", "\xEF\xBF\xBD" },                     /* cut */
        { "\xC0\xBC" "x", "\xEF\xBF\xBD\xEF\xBF\xBDx" },  /* overlong < */
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" }, /* surrogate */
        { "\xE2\x80\xAE" "abc", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" "abc" }, /* right-to-left override */
        { "\xF5\x80\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
        sc_html_text(&out, cases[i].text);
        assert_string_equal(sc_buf_cstr(&out), cases[i].expected);
    }
}

#define S "\xE2\x80\xAF"
static void numbers_are_grouped_by_three(void **state)
{
    (void)state;
    const struct {
        const char *text, *expected;
    } cases[] = {
        { "0", "0" }, { "999", "999" }, { "1000", "1" S "000" }, { "1234567.891", "1" S "234" S "567.891" },
        { "-12345.60", "\xE2\x88\x92" "12" S "345.60" }, { "1.2.3", "1.2.3" }, { "<b>", "&lt;b&gt;" }, { "", "" }, { "-", "-" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
        sc_html_decimal(&out, cases[i].text);
        assert_string_equal(sc_buf_cstr(&out), cases[i].expected);
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    sc_html_number(&out, NAN, 2);
    sc_html_number(&out, -1234.5, 1);
    assert_string_equal(sc_buf_cstr(&out), "\xE2\x80\x93\xE2\x88\x92" "1" S "234.5");
}

static void ticks_are_round_and_few(void **state)
{
    (void)state;
    for (double max = 1e-6; max < 1e9; max *= 1.37) {
        const double step = sc_svg_tick_step(max, 4);
        assert_true(step * 4.0 >= max * (1.0 - 1e-9));
        assert_true(step * 4.0 <= max * 2.6); /* not wasteful */
        const double mantissa = step / pow(10.0, floor(log10(step) + 1e-9));
        assert_true(fabs(mantissa - 1) < 1e-6 || fabs(mantissa - 2) < 1e-6 || fabs(mantissa - 2.5) < 1e-6 ||
                    fabs(mantissa - 5) < 1e-6);
    }
    assert_true(sc_svg_tick_step(0.0, 4) == 1.0);
    assert_true(sc_svg_tick_step(NAN, 4) == 1.0);
    assert_true(sc_svg_tick_step(INFINITY, 4) == 1.0);
}

static size_t occurrences(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static void a_chart_has_title_description_and_a_value_per_bar(void **state)
{
    (void)state;
    const double y[] = { 1.0, NAN, 3.0, 0.0 };
    const char *const x[] = { "<a>", "b", "c", "d" };
    const struct sc_svg_chart chart = { .title = "Energy & <more>", .unit = "kWh", .x = x, .count = 4 };
    const struct sc_svg_series series = { .name = "\"energy\"", .y = y };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    sc_svg_bars(&out, &chart, &series);
    const char *svg = sc_buf_cstr(&out);
    assert_int_equal(occurrences(svg, "<rect "), 3); /* the gap has no bar */
    assert_int_equal(occurrences(svg, "<title>"), 4);
    assert_int_equal(occurrences(svg, "<desc>"), 1);
    assert_non_null(strstr(svg, "Energy &amp; &lt;more&gt;"));
    assert_non_null(strstr(svg, "<title>&lt;a&gt;: 1.00 kWh</title>"));
    assert_null(strstr(svg, "nan"));
}

static void a_gap_lifts_the_pen(void **state)
{
    (void)state;
    const double y[] = { 1.0, 2.0, NAN, 3.0 };
    const struct sc_svg_chart chart = { .title = "t", .unit = "kW", .count = 4 };
    const struct sc_svg_series series = { .name = "s", .y = y };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    sc_svg_lines(&out, &chart, &series, 1);
    const char *path = strstr(sc_buf_cstr(&out), "d=\"");
    assert_non_null(path);
    assert_int_equal(occurrences(path, "M"), 2);
    assert_int_equal(occurrences(path, "L"), 1);
}

static void charts_of_nothing_are_still_charts(void **state)
{
    (void)state;
    const double y[] = { NAN, NAN }, zero[] = { 0.0, 0.0 };
    const struct sc_svg_chart chart = { .title = "t", .unit = "kW", .count = 2 };
    const struct sc_svg_series series[] = { { .name = "s", .y = y }, { .name = "z", .y = zero } };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    sc_svg_lines(&out, &chart, series, 2);
    sc_svg_map(&out, &(struct sc_svg_map){ .title = "m", .columns = 1, .rows = 1, .dimension = 1, .curve = y, .weight = zero });
    assert_null(strstr(sc_buf_cstr(&out), "nan"));
    assert_null(strstr(sc_buf_cstr(&out), "inf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_text_becomes_harmless),
        cmocka_unit_test(numbers_are_grouped_by_three),
        cmocka_unit_test(ticks_are_round_and_few),
        cmocka_unit_test(a_chart_has_title_description_and_a_value_per_bar),
        cmocka_unit_test(a_gap_lifts_the_pen),
        cmocka_unit_test(charts_of_nothing_are_still_charts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
