/* Scripts as records: each form, each mistake with its line, every truncation. */
#include "slt/script.h"
#include "test.h"

static const char all_forms[] = "# a comment\n"
                                "hash-threshold 8\n"
                                "\n"
                                "statement ok\n"
                                "CREATE TABLE t(\n"
                                "  a)\n"
                                "\r\n"
                                "skipif mysql # not there\n"
                                "statement error\n"
                                "SELECT nothing\n"
                                "\n"
                                "onlyif mysql\n"
                                "query I\n"
                                "SELECT 1 DIV 2\n"
                                "----\n"
                                "0\n"
                                "\n"
                                "query TIR rowsort label-7\n"
                                "SELECT a,\n"
                                "b, c FROM t\n"
                                "----\n"
                                "x y\n"
                                "1\n"
                                "\n"
                                "query T # no sort\n"
                                "VALUES(1)\n"
                                "----\n"
                                "\n"
                                "skipif sqlite\n"
                                "halt\n"
                                "halt\n"
                                "never read\n";

static struct slt_record next(struct slt_script *s)
{
    struct sc_diag diag = {0};
    struct slt_record r;
    assert_ok_diag(slt_script_next(s, &r, &diag), &diag);
    return r;
}

static void assert_text(struct sc_slice got, const char *expected)
{
    assert_int_equal(got.size, strlen(expected));
    assert_memory_equal(got.ptr, expected, got.size);
}

static void every_form_of_record_is_read(void **state)
{
    (void)state;
    struct slt_script s = slt_script_of(sc_slice_str(all_forms));
    struct slt_record r = next(&s);
    assert_int_equal(r.action, SLT_HASH_THRESHOLD);
    assert_int_equal(r.hash_threshold, 8);
    r = next(&s);
    assert_int_equal(r.action, SLT_STATEMENT);
    assert_int_equal(r.line, 4);
    assert_false(r.error_expected);
    assert_text(r.sql, "CREATE TABLE t(\n  a)");
    r = next(&s);
    assert_true(r.error_expected && !r.skipped);
    assert_int_equal(r.line, 9);
    r = next(&s);
    assert_true(r.action == SLT_QUERY && r.skipped);
    r = next(&s);
    assert_int_equal(r.sort, SLT_ROWSORT);
    assert_text(r.types, "TIR");
    assert_text(r.label, "label-7");
    assert_text(r.sql, "SELECT a,\nb, c FROM t");
    assert_text(r.expected, "x y\n1");
    r = next(&s);
    assert_int_equal(r.sort, SLT_NOSORT);
    assert_text(r.label, "");
    assert_text(r.expected, "");
    r = next(&s);
    assert_true(r.action == SLT_HALT && r.skipped);
    r = next(&s);
    assert_true(r.action == SLT_HALT && !r.skipped);
}

static void a_mistake_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"\nstatment ok\nx\n", "line 2: no record begins with \"statment\""},
        {"statement maybe\nx\n", "line 1: a statement is \"ok\" or \"error\", not \"maybe\""},
        {"query\nx\n----\n", "line 1: a query names the types of its columns, not \"\""},
        {"query IX\nx\n----\n", "line 1: types of columns are T, I and R, not \"IX\""},
        {"query I\nSELECT 1\n\n----\n1\n", "a query without \"----\""},
        {"hash-threshold many\n", "line 1: hash-threshold takes a number, not \"many\""},
        {"hash-threshold 1234567890\n", "hash-threshold takes a number"},
        {"skipif\nhalt\n", "line 1: skipif and onlyif name a dialect, not \"\""},
        {"onlyif sqlite\n", "skipif or onlyif without a record"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slt_script s = slt_script_of(sc_slice_str(cases[i].text));
        struct slt_record r;
        struct sc_diag diag = {0};
        assert_err(slt_script_next(&s, &r, &diag), SC_E_MALFORMED);
        assert_contains(diag.text, cases[i].told);
    }
}

/* A script that is cut reads as its records up to the cut, then ends or says what is missing; it never runs on. */
static void every_truncation_ends(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof all_forms; size++) {
        SC_CLEANUP(sc_freep) uint8_t *exact = malloc(size + 1); /* so that a read too far is seen by ASan */
        memcpy(exact, all_forms, size);
        exact = realloc(exact, size != 0 ? size : 1);
        struct slt_script s = slt_script_of(sc_slice_of(exact, size));
        struct slt_record r = {0};
        size_t records = 0;
        while (slt_script_next(&s, &r, NULL) == SC_OK && r.action != SLT_END)
            assert_true(++records < 12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_record_is_read),
        cmocka_unit_test(a_mistake_is_told_with_its_line),
        cmocka_unit_test(every_truncation_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
