/* Scripts run on both engines: what passes, what fails and where it is told. */
#include "slt/slt.h"
#include "test.h"

struct run {
    struct sc_slt_totals totals;
    char *report;
};

static void run_deinit(struct run *r)
{
    free(r->report);
}

static void run_path(const char *path, const struct sc_slt_engine_ops *engine, const char *scratch, size_t jobs,
                     struct run *out)
{
    size_t size = 0;
    struct sc_diag diag = {0};
    FILE *f = open_memstream(&out->report, &size);
    assert_non_null(f);
    const struct sc_slt_options opt = {
        .engine = engine, .engine_options.scratch = scratch, .job_count = jobs, .out = f};
    assert_ok_diag(sc_slt_run(&path, 1, &opt, &out->totals, &diag), &diag);
    fclose(f);
}

static const char good[] = "statement ok\n"
                           "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)\n"
                           "\n"
                           "statement ok\n"
                           "INSERT INTO t VALUES(2, 'two'); INSERT INTO t VALUES(1, NULL)\n"
                           "\n"
                           "statement error\n"
                           "INSERT INTO t VALUES(2, 'again')\n"
                           "\n"
                           "query IT nosort by-key\n"
                           "SELECT * FROM t ORDER BY a\n"
                           "----\n"
                           "1\nNULL\n2\ntwo\n"
                           "\n"
                           "skipif sqlite\n"
                           "query I\n"
                           "SELECT 1 DIV 0\n"
                           "----\n"
                           "\n"
                           "query IT rowsort by-key\n"
                           "SELECT * FROM t WHERE a > 0\n"
                           "----\n"
                           "1\nNULL\n2\ntwo\n"
                           "\n"
                           "halt\n"
                           "not a record\n";

static const struct sc_slt_engine_ops *const engines[] = {&sc_slt_engine_cascadb, &sc_slt_engine_sqlite};

static void a_good_script_passes_on_both_engines_and_leaves_nothing(void **state)
{
    char *dir = test_dir_new();
    SC_CLEANUP(sc_freep) char *scratch = test_path(dir, "scratch");
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "good.test");
    (void)state;
    assert_ok(sc_dir_make(scratch, 0700, NULL));
    test_write(dir, "good.test", sc_slice_str(good));
    for (int i = 0; i < 4; i++) {
        SC_CLEANUP(run_deinit) struct run r = {0};
        run_path(path, engines[i % 2], i < 2 ? NULL : scratch, 1, &r);
        assert_string_equal(r.report, "");
        assert_int_equal(r.totals.passed, 5);
        assert_int_equal(r.totals.failed, 0);
        assert_int_equal(r.totals.skipped, 1);
    }
    assert_int_equal(rmdir(scratch), 0); /* it is empty */
    test_dir_free(dir);
}

/* Each of these must be counted as failed, with file and line. */
static const struct {
    const char *text, *told;
} bad[] = {
    {"statement ok\nSELECT nothing\n", ":1: the statement failed: "},
    {"\nstatement error\nSELECT 1\n", ":2: the statement worked, but must fail"},
    {"query I\nSELECT 1\n----\n2\n", ":1: the query gives other values"},
    {"query I\nSELECT 1\n----\n", ":1: the query gives other values"},
    {"query I\nSELECT 1 WHERE 0\n----\n1\n", ":1: the query gives other values"},
    {"query II\nSELECT 1\n----\n1\n", ":1: the query gives 1 columns, not 2"},
    {"query I\nSELECT x FROM nowhere\n----\n1\n", ":1: the query failed: "},
    {"query I nosort a\nSELECT 1\n----\n1\n\nquery I nosort a\nSELECT 2\n----\n2\n",
     ":6: the result differs from that of line 1, which has the same label \"a\""},
    {"statement ok\nSELECT 1\n\nquery X\nSELECT 1\n", "line 4: types of columns"},
};

static void what_fails_is_counted_and_told_with_its_place(void **state)
{
    char *dir = test_dir_new();
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "bad.slt");
    (void)state;
    for (size_t i = 0; i < 2 * sizeof bad / sizeof bad[0]; i++) {
        SC_CLEANUP(run_deinit) struct run r = {0};
        test_write(dir, "bad.slt", sc_slice_str(bad[i / 2].text));
        run_path(dir, engines[i % 2], NULL, 1, &r);
        assert_contains(r.report, path);
        assert_contains(r.report, bad[i / 2].told);
        assert_int_equal(r.totals.failed, 1);
    }
    test_dir_free(dir);
}

static void scripts_side_by_side_have_databases_of_their_own(void **state)
{
    char *dir = test_dir_new();
    char name[32];
    SC_CLEANUP(run_deinit) struct run r = {0};
    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "%d.test", i);
        test_write(dir, name, sc_slice_str(good));
    }
    test_write(dir, "readme.txt", sc_slice_str("not a script"));
    run_path(dir, &sc_slt_engine_cascadb, NULL, 4, &r);
    assert_int_equal(r.totals.scripts, 8);
    assert_int_equal(r.totals.passed, 8 * 5);
    assert_int_equal(r.totals.failed, 0);
    test_dir_free(dir);
}

static void a_statement_that_takes_too_long_fails(void **state)
{
    static const char endless[] =
        "query I\n"
        "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n\n"
        "----\n"
        "0\n";
    char *dir = test_dir_new();
    (void)state;
    test_write(dir, "endless.test", sc_slice_str(endless));
    for (int i = 0; i < 2; i++) {
        const char *const paths[] = {dir};
        struct sc_slt_totals totals;
        SC_CLEANUP(sc_freep) char *report = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&report, &size);
        const struct sc_slt_options opt = {.engine = engines[i], .engine_options.statement_ms_max = 20, .out = f};
        assert_ok(sc_slt_run(paths, 1, &opt, &totals, NULL));
        fclose(f);
        assert_int_equal(totals.failed, 1);
        assert_contains(report, ":1: the query failed: ");
    }
    test_dir_free(dir);
}

static void a_path_without_scripts_is_an_error(void **state)
{
    char *dir = test_dir_new();
    SC_CLEANUP(sc_freep) char *missing = test_path(dir, "missing.test");
    const char *const paths[] = {dir, missing};
    const struct sc_slt_options opt = {.engine = &sc_slt_engine_sqlite, .out = stdout};
    struct sc_slt_totals totals;
    struct sc_diag diag = {0};
    (void)state;
    assert_err(sc_slt_run(&paths[0], 1, &opt, &totals, &diag), SC_E_NOT_FOUND);
    assert_contains(diag.text, "no file that ends in");
    assert_err(sc_slt_run(&paths[1], 1, &opt, &totals, NULL), SC_E_NOT_FOUND);
    test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_script_passes_on_both_engines_and_leaves_nothing),
        cmocka_unit_test(what_fails_is_counted_and_told_with_its_place),
        cmocka_unit_test(scripts_side_by_side_have_databases_of_their_own),
        cmocka_unit_test(a_statement_that_takes_too_long_fails),
        cmocka_unit_test(a_path_without_scripts_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
