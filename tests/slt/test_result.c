/* Values as the format prints them, and what counts as the expected result. */
#include "slt/result.h"
#include "test.h"

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct slt_result));
    assert_non_null(*state);
    slt_result_reset(*state);
    return 0;
}

static int teardown(void **state)
{
    slt_result_deinit(*state);
    free(*state);
    return 0;
}

static struct sc_sql_value text(const char *s)
{
    return sc_sql_text(sc_slice_str(s));
}

static void add(struct slt_result *r, const char *types, const struct sc_sql_value *values)
{
    assert_ok(slt_result_add(r, sc_slice_str(types), values, strlen(types)));
}

static void values_are_printed_by_the_type_of_their_column(void **state)
{
    const struct {
        const char *type;
        struct sc_sql_value value;
        const char *printed;
    } cases[] = {
        {"T", sc_sql_null(), "NULL"},
        {"I", sc_sql_null(), "NULL"},
        {"R", sc_sql_null(), "NULL"},
        {"T", text(""), "(empty)"},
        {"T", text("a\tb\xc3\xa9~"), "a@b@@~"},
        {"T", sc_sql_integer(-7), "-7"},
        {"T", sc_sql_real(2), "2.0"},
        {"I", sc_sql_real(-2.9), "-2"},
        {"I", sc_sql_real(1e300), "9223372036854775807"},
        {"I", text(" 12abc"), "12"},
        {"I", text("12.9"), "12"},
        {"I", text("abc"), "0"},
        {"R", text("1.5e2x"), "150.000"},
        {"R", text("inf"), "0.000"},
        {"R", text("0x10"), "0.000"},
        {"R", sc_sql_integer(3), "3.000"},
        {"R", sc_sql_real(-0.0005), "-0.001"},
    };
    struct slt_result *r = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        add(r, cases[i].type, &cases[i].value);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(slt_result_value(r, i), cases[i].printed);
}

static void a_row_of_another_width_is_refused(void **state)
{
    const struct sc_sql_value one = sc_sql_integer(1);
    assert_err(slt_result_add(*state, sc_slice_str("II"), &one, 1), SC_E_USAGE);
}

static void rows_are_sorted_whole_and_values_one_by_one(void **state)
{
    struct slt_result *r = *state;
    const struct sc_sql_value rows[3][2] = {
        {text("b"), sc_sql_integer(1)}, {text("a"), sc_sql_integer(10)}, {text("a"), sc_sql_integer(9)}};
    bool same = false;
    for (int i = 0; i < 3; i++)
        add(r, "TI", rows[i]);
    assert_ok(slt_result_matches(r, sc_slice_str("b\n1\na\n10\na\n9\n"), &same));
    assert_true(same);
    assert_ok(slt_result_sort(r, SLT_ROWSORT));
    assert_ok(slt_result_matches(r, sc_slice_str("a\n10\na\n9\nb\n1"), &same)); /* as text: "10" is before "9" */
    assert_true(same);
    assert_ok(slt_result_sort(r, SLT_VALUESORT));
    assert_ok(slt_result_matches(r, sc_slice_str("1\n10\n9\na\na\nb"), &same));
    assert_true(same);
}

/* The MD5 of "1\n2\n3\n", from md5sum. */
#define MD5_OF_123 "c0710d6b4f15dfa88f600b0e6b624077"

static void a_long_result_is_named_by_its_md5(void **state)
{
    struct slt_result *r = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf shown = {0};
    bool same = false;
    for (int i = 1; i <= 3; i++)
        add(r, "I", (struct sc_sql_value[]){sc_sql_integer(i)});
    assert_ok(slt_result_matches(r, sc_slice_str("3 values hashing to " MD5_OF_123), &same));
    assert_true(same);
    assert_ok(slt_result_matches(r, sc_slice_str("2 values hashing to " MD5_OF_123), &same));
    assert_false(same);
    assert_ok(slt_result_matches(r, sc_slice_str("3 values hashing to " MD5_OF_123 "\n0"), &same));
    assert_false(same);
    assert_ok(slt_result_put(r, 2, &shown));
    assert_string_equal(sc_buf_cstr(&shown), "3 values hashing to " MD5_OF_123 "\n");
    sc_buf_reset(&shown);
    assert_ok(slt_result_put(r, 0, &shown));
    assert_string_equal(sc_buf_cstr(&shown), "1\n2\n3\n");
}

static void one_value_more_or_less_or_other_is_another_result(void **state)
{
    static const char *const wrong[] = {"", "1", "1\n2\n3", "1\n3", "1\n2\n\n", "1 \n2", "12", "NULL"};
    bool same = true;
    for (int i = 1; i <= 2; i++)
        add(*state, "I", (struct sc_sql_value[]){sc_sql_integer(i)});
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_ok(slt_result_matches(*state, sc_slice_str(wrong[i]), &same));
        assert_false(same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_printed_by_the_type_of_their_column, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_of_another_width_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_are_sorted_whole_and_values_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_result_is_named_by_its_md5, setup, teardown),
        cmocka_unit_test_setup_teardown(one_value_more_or_less_or_other_is_another_result, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
