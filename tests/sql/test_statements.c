/* CREATE TABLE, constraints, defaults, affinities, conflict clauses, schema changes. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void rows_come_back_in_key_order_both_ways(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(c INTEGER, t INTEGER, v REAL, PRIMARY KEY(c, t))");
    run(s, "INSERT INTO r VALUES(2, 10, 1.5), (1, 20, 2), (1, 10, NULL), (-3, 5, 0.1)");
    assert_string_equal(query(s, "SELECT * FROM r"), "-3|5|0.1r\n1|10|-\n1|20|2r\n2|10|1.5r");
    assert_string_equal(query(s, "SELECT c, t FROM r ORDER BY c DESC, t DESC"), "2|10\n1|20\n1|10\n-3|5");
    assert_string_equal(query(s, "SELECT t FROM r WHERE c = 1 ORDER BY t DESC"), "20\n10");
    assert_string_equal(query(s, "SELECT t FROM r WHERE c IN (2, 1, 1, 7) AND t >= 10 ORDER BY c DESC, t"),
                        "10\n10\n20");
    assert_string_equal(query(s, "SELECT count(*), sum(v) FROM r WHERE c = 1 AND t = 20"), "1|2r");
    assert_string_equal(query(s, "SELECT count(*) FROM r WHERE c = 1 AND t > 20 AND t < 3"), "0");
}

static void plans_use_the_key_for_equality_range_and_order(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(c INTEGER, t INTEGER, v REAL, PRIMARY KEY(c, t))");
    assert_non_null(strstr(query(s, "EXPLAIN QUERY PLAN SELECT * FROM r WHERE c = 1 AND t = 2"), "INDEX 0:wee"));
    assert_non_null(
        strstr(query(s, "EXPLAIN QUERY PLAN SELECT * FROM r WHERE c = 1 AND t >= 2 AND t < 9"), "INDEX 0:weGl"));
    assert_non_null(strstr(query(s, "EXPLAIN QUERY PLAN SELECT * FROM r WHERE c IN (1, 2) AND t > 5"), "INDEX 0:wig"));
    const char *plan = query(s, "EXPLAIN QUERY PLAN SELECT * FROM r WHERE c = 1 ORDER BY t DESC");
    assert_non_null(strstr(plan, "INDEX 1:we"));
    assert_null(strstr(plan, "TEMP B-TREE"));
    assert_null(strstr(query(s, "EXPLAIN QUERY PLAN SELECT c, sum(v) FROM r GROUP BY c"), "TEMP B-TREE"));
    assert_non_null(strstr(query(s, "EXPLAIN QUERY PLAN SELECT * FROM r ORDER BY t"), "TEMP B-TREE"));
}

static void what_stands_in_double_quotes_is_a_name_and_never_a_string(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE q(\"a b\" TEXT PRIMARY KEY)");
    run(s, "INSERT INTO q VALUES('x')");
    assert_string_equal(query(s, "SELECT \"a b\" FROM q"), "x");
    run_fails(s, "SELECT \"a c\" FROM q", "42703");
    run_fails(s, "INSERT INTO q VALUES(\"y\")", "42703");
    run_fails(s, "DELETE FROM q WHERE \"a b\" = \"x\"", "42703");
    run_fails(s, "CREATE TABLE d(a TEXT PRIMARY KEY, b TEXT CHECK (b <> \"no\"))", "42703");
    assert_string_equal(query(s, "SELECT count(*) FROM q"), "1");
}

static void duplicate_keys_and_nulls_are_refused_whole_statement(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(a TEXT, b INTEGER NOT NULL, c TEXT DEFAULT 'x', PRIMARY KEY(a))");
    run(s, "INSERT INTO r(a, b) VALUES('k', 1)");
    run_fails(s, "INSERT INTO r(a, b) VALUES('l', 1), ('k', 2)", "23505");
    assert_string_equal(query(s, "SELECT * FROM r"), "k|1|x");
    run_fails(s, "INSERT INTO r(a) VALUES('m')", "23502");
    run_fails(s, "INSERT INTO r(b) VALUES(1)", "23502");
    run_fails(s, "UPDATE r SET b = NULL", "23502");
    run(s, "INSERT OR IGNORE INTO r(a, b) VALUES('l', 5), ('k', 6), ('n', NULL)");
    assert_string_equal(query(s, "SELECT a, b FROM r"), "k|1\nl|5");
    run(s, "INSERT INTO r(a, b) VALUES('k', 9), ('o', 1) ON CONFLICT (a) DO NOTHING");
    run_fails(s, "INSERT INTO r(a, b) VALUES('p', NULL) ON CONFLICT DO NOTHING", "23502");
    run(s, "REPLACE INTO r VALUES('k', 7, NULL)");
    assert_string_equal(query(s, "SELECT * FROM r"), "k|7|-\nl|5|x\no|1|x");
    run_fails(s, "UPDATE r SET a = 'l' WHERE a = 'k'", "23505");
    run(s, "UPDATE r SET a = 'z' WHERE a = 'k'");
    run(s, "UPDATE OR REPLACE r SET a = 'l' WHERE a = 'z'");
    assert_string_equal(query(s, "SELECT a, b FROM r"), "l|7\no|1");
}

static void columns_left_out_get_their_defaults(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE d(id INTEGER PRIMARY KEY, n INTEGER DEFAULT -5, r REAL DEFAULT 1, t TEXT DEFAULT 'it''s', "
           "b BLOB DEFAULT x'00ff', z DEFAULT NULL)");
    run(s, "INSERT INTO d(id) VALUES(1)");
    run(s, "INSERT INTO d(t, id) SELECT 'a', 2");
    run(s, "INSERT INTO d(n) VALUES(NULL)"); /* an explicit NULL stays one; the key numbers itself */
    run(s, "INSERT INTO d DEFAULT VALUES");
    assert_string_equal(query(s, "SELECT * FROM d"),
                        "1|-5|1r|it's|x'00ff'|-\n2|-5|1r|a|x'00ff'|-\n3|-|1r|it's|x'00ff'|-\n4|-5|1r|it's|x'00ff'|-");
    run(s,
        "CREATE TABLE e(a INTEGER PRIMARY KEY, b TEXT DEFAULT CURRENT_TIMESTAMP, c DEFAULT (abs(random()) % 5 + 10))");
    run(s, "INSERT INTO e(a) VALUES(1), (2)");
    run(s, "INSERT INTO e(a, c) SELECT 3, 0");
    assert_string_equal(query(s, "SELECT a, length(b), c BETWEEN 10 AND 14 FROM e"), "1|19|1\n2|19|1\n3|19|0");
}

static void values_take_the_affinity_of_their_column(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE a(k INTEGER, i INTEGER, r REAL, t TEXT, n NUMERIC, b, PRIMARY KEY(k))");
    run(s, "INSERT INTO a VALUES('12', '7', '3', 5, '2.50', '9')");
    run(s, "INSERT INTO a VALUES(13.0, 'x', 'y', 1.5, '1e3', 4)");
    assert_string_equal(query(s, "SELECT *, typeof(b) FROM a"), "12|7|3r|5|2.5r|9|text\n13|x|y|1.5|1000|4|integer");
    assert_string_equal(query(s, "SELECT i FROM a WHERE k = '12'"), "7");
    assert_string_equal(query(s, "SELECT i FROM a WHERE k = 13.0"), "x");
    assert_string_equal(query(s, "SELECT count(*) FROM a WHERE k > 12.5 AND k < 'abc'"), "1");
    run_fails(s, "INSERT INTO a(k) VALUES(12.0)", "23505");
    run(s, "CREATE TABLE t(k TEXT PRIMARY KEY, v)");
    run(s, "INSERT INTO t VALUES(5, 1), ('05', 2)");
    assert_string_equal(query(s, "SELECT v FROM t WHERE k = 5"), "1");
    assert_string_equal(query(s, "SELECT v FROM t WHERE k = '05'"), "2");
    assert_string_equal(query(s, "SELECT v FROM t, a WHERE t.k = a.i"), "");
    run(s, "UPDATE a SET i = 5 WHERE k = 12");
    assert_string_equal(query(s, "SELECT v FROM t, a WHERE t.k = a.i ORDER BY v"), "1\n2"); /* numbers: '05' = 5 */
}

static void a_key_without_affinity_keeps_one_and_one_point_zero_apart_in_type_only(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE b(k PRIMARY KEY, v)");
    run(s, "INSERT INTO b VALUES(1.0, 'real'), (2, 'int'), ('2', 'text'), (x'32', 'blob')");
    run_fails(s, "INSERT INTO b VALUES(1, 'int')", "23505");
    assert_string_equal(query(s, "SELECT k, typeof(k), v FROM b"),
                        "1r|real|real\n2|integer|int\n2|text|text\nx'32'|blob|blob");
}

static void tables_without_a_key_keep_equal_rows_apart(void **state)
{
    struct fixture *f = *state;
    struct sc_sql_session *s = session_new(f);
    run(s, "CREATE TABLE h(a, b)");
    run(s, "INSERT INTO h VALUES(1, 2), (1, 2), (3, 4)");
    sc_sql_session_free(s);
    fixture_reopen(f);
    s = session_new(f);
    run(s, "INSERT INTO h VALUES(5, 6)");
    run(s, "UPDATE h SET b = b + 1 WHERE a = 1");
    run(s, "DELETE FROM h WHERE a = 3");
    assert_string_equal(query(s, "SELECT * FROM h ORDER BY a"), "1|3\n1|3\n5|6");
    sc_sql_session_free(s);
}

static void what_is_not_honoured_is_refused(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    static const char *const unsupported[] = {
        "CREATE TABLE x(a UNIQUE ON CONFLICT IGNORE)", "EXPLAIN SELECT 1", "PRAGMA table_list", "ATTACH '/tmp/x' AS y",
        "CREATE VIRTUAL TABLE x USING fts5(a)",
    };
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++)
        run_fails(s, unsupported[i], "0A000");
    run_fails(s, "SELECT load_extension('x')", "42501");
    run_fails(s, "SELECT * FROM pragma_table_list", "42501");
    run_fails(s, "DELETE FROM sqlite_schema", "42501");
    assert_string_equal(query(s, "SELECT count(*) FROM cascadb_tables"), "0");
}

static void mistakes_are_named_and_placed(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(a INTEGER PRIMARY KEY)");
    run_fails(s, "SELECT 1 FROM nowhere", "42P01");
    run_fails(s, "SELECT missing FROM r", "42703");
    assert_int_equal(sc_sql_session_error(s)->position, 8);
    run_fails(s, "SELECT nofunc(1)", "42883");
    run_fails(s, "SELEC 1", "42601");
    run_fails(s, "INSERT INTO r(b) VALUES(1)", "42703");
    run_fails(s, "INSERT INTO r VALUES(1, 2)", "42601");
    run_fails(s, "INSERT INTO r VALUES('abc')", "42804");
    run_fails(s, "CREATE TABLE r(a)", "42P07");
    run_fails(s, "CREATE TABLE q(a, A)", "42701");
    run_fails(s, "CREATE TABLE cascadb_x(a)", "42939");
    run_fails(s, "DROP TABLE q", "42P01");
    run_fails(s, "DELETE FROM cascadb_tables", "42501");
    run_fails(s, "SELECT \"a", "42601");
    run_fails(s, "INSERT INTO r(a) VALUES(1) ON CONFLICT (b) DO UPDATE SET a = 2", "0A000");
    run(s, "CREATE TABLE IF NOT EXISTS r(x)");
    run(s, "DROP TABLE IF EXISTS q; ; -- nothing\n /* at all */;");
}

static void other_sessions_see_schema_changes_at_their_next_statement(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *a = session_new(*state);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *b = session_new(*state);
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    bool row = false;
    run_fails(b, "SELECT * FROM r", "42P01");
    run(a, "CREATE TABLE r(a INTEGER PRIMARY KEY, b TEXT DEFAULT 'one')");
    const char insert[] = "INSERT INTO r(a) VALUES(1)";
    assert_int_equal(sc_sql_prepare(b, sc_slice_str(insert), &st, &used), SC_OK);
    assert_int_equal(sc_sql_step(st, &row), SC_OK);
    assert_string_equal(query(a, "SELECT * FROM r"), "1|one");
    run(a, "DROP TABLE r");
    assert_int_equal(sc_sql_step(st, &row), SC_E_NOT_FOUND);
    run(a, "CREATE TABLE r(x TEXT, a INTEGER, b TEXT DEFAULT 'two', PRIMARY KEY(a))");
    assert_int_equal(sc_sql_step(st, &row), SC_OK); /* prepared against the old table, runs against the new */
    assert_string_equal(query(a, "SELECT * FROM r"), "-|1|two");
    assert_string_equal(
        query(b, "SELECT column_name, data_type, primary_key FROM cascadb_columns WHERE table_name = 'r'"),
        "x|TEXT|0\na|INTEGER|1\nb|TEXT|0");
}

static void a_dropped_table_leaves_nothing_and_survives_reopening(void **state)
{
    struct fixture *f = *state;
    struct sc_sql_session *s = session_new(f);
    run(s, "CREATE TABLE keep(a INTEGER PRIMARY KEY, b)");
    run(s, "CREATE TABLE gone(a INTEGER PRIMARY KEY, b)");
    run(s, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) "
           "INSERT INTO gone SELECT i, 'row ' || i FROM n");
    run(s, "INSERT INTO keep SELECT a, b FROM gone WHERE a <= 3");
    assert_string_equal(query(s, "SELECT count(*), min(a), max(a) FROM gone"), "25000|1|25000");
    run(s, "DROP TABLE gone");
    run(s, "CREATE TABLE gone(c TEXT PRIMARY KEY)");
    assert_string_equal(query(s, "SELECT count(*) FROM gone"), "0");
    sc_sql_session_free(s);
    fixture_reopen(f);
    s = session_new(f);
    assert_string_equal(query(s, "SELECT * FROM keep"), "1|row 1\n2|row 2\n3|row 3");
    assert_string_equal(query(s, "SELECT table_name, primary_key FROM cascadb_tables ORDER BY 1"), "gone|c\nkeep|a");
    sc_sql_session_free(s);
    struct sc_diag diag = {0};
    struct sc_kvs_iter *it = NULL; /* keep's 3 rows and their count, 2 definitions, the state: nothing else */
    bool valid = false;
    size_t count = 0;
    assert_int_equal(sc_kvs_iter_new(f->kvs, NULL, &(struct sc_kvs_range){SC_SLICE_EMPTY, SC_SLICE_EMPTY}, &it, &diag),
                     SC_OK);
    for (sc_err err = sc_kvs_iter_first(it, &valid, &diag); err == SC_OK && valid;
         err = sc_kvs_iter_next(it, &valid, &diag))
        count++;
    sc_kvs_iter_free(it);
    assert_int_equal(count, 7);
}

static void updates_and_deletes_reading_their_own_table_are_stable(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(a INTEGER PRIMARY KEY, b INTEGER)");
    run(s, "INSERT INTO r VALUES(1, 10), (2, 20), (3, 30)");
    run(s, "INSERT INTO r SELECT a + 10, b FROM r");
    run(s, "UPDATE r SET b = (SELECT sum(b) FROM r) WHERE a IN (1, 11)");
    run(s, "UPDATE r SET a = a + 100");
    run(s, "DELETE FROM r WHERE b = (SELECT max(b) FROM r)");
    assert_string_equal(query(s, "SELECT * FROM r"), "102|20\n103|30\n112|20\n113|30");
    run(s, "DELETE FROM r WHERE a = 102 OR a = 113 OR b = 20");
    assert_string_equal(query(s, "SELECT * FROM r"), "103|30");
    assert_string_equal(query(s, "INSERT INTO r VALUES(1, 2), (3, 4) RETURNING a, b * 2"), "1|4\n3|8");
    assert_string_equal(query(s, "UPDATE r SET b = b + 1 WHERE a < 4 RETURNING a, b"), "1|3\n3|5");
    assert_string_equal(query(s, "DELETE FROM r WHERE a = 103 RETURNING *"), "103|30");
    run(s, "INSERT INTO r VALUES(103, 30)");
    assert_string_equal(query(s, "SELECT rowid, a FROM r WHERE a = 1 OR a = 3 OR b = 30 ORDER BY a"),
                        "1|1\n3|3\n103|103");
}

static void parameters_are_numbered_and_know_the_column_they_fill(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    bool row = false;
    run(s, "CREATE TABLE r(a INTEGER PRIMARY KEY, b DOUBLE PRECISION, c TEXT)");
    const char text[] = "INSERT INTO r(c, a, b) VALUES($3, $1, $2), ('$9', $1 + 1, /* $8 */ $2)";
    assert_int_equal(sc_sql_prepare(s, sc_slice_str(text), &st, &used), SC_OK);
    assert_int_equal(sc_sql_param_count(st), 3);
    assert_string_equal(sc_sql_param_type(st, 1), "INTEGER");
    assert_string_equal(sc_sql_param_type(st, 2), "DOUBLE PRECISION");
    assert_string_equal(sc_sql_param_type(st, 3), "TEXT");
    assert_null(sc_sql_param_type(st, 4));
    assert_int_equal(sc_sql_bind(st, 1, &(struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = 7}), SC_OK);
    assert_int_equal(sc_sql_bind(st, 2, &(struct sc_sql_value){.type = SC_SQL_REAL, .real = 0.5}), SC_OK);
    const struct sc_sql_value c = sc_sql_text(sc_slice_str("see"));
    assert_int_equal(sc_sql_bind(st, 3, &c), SC_OK);
    assert_int_equal(sc_sql_bind(st, 4, &c), SC_E_USAGE);
    assert_int_equal(sc_sql_step(st, &row), SC_OK);
    assert_int_equal(sc_sql_changes(st), 2);
    assert_string_equal(query(s, "SELECT * FROM r"), "7|0.5r|see\n8|0.5r|$9");
}

static void a_session_can_be_read_only_timed_and_cancelled(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(f);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *r = NULL;
    struct sc_diag diag = {0};
    const struct sc_sql_session_options opt = {.read_only = true, .statement_ms_max = 50};
    assert_int_equal(sc_sql_session_new(f->db, &opt, &r, &diag), SC_OK);
    run(s, "CREATE TABLE r(a INTEGER PRIMARY KEY)");
    run(s, "INSERT INTO r VALUES(1)");
    assert_string_equal(query(r, "SELECT * FROM r"), "1");
    run_fails(r, "INSERT INTO r VALUES(2)", "25006");
    run_fails(r, "DELETE FROM r", "25006");
    run_fails(r, "CREATE TABLE q(a)", "25006");
    run_fails(r, "DROP TABLE r", "25006");
    run_fails(r, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", "57014");
    assert_string_equal(query(r, "SELECT * FROM r"), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        T(rows_come_back_in_key_order_both_ways),
        T(plans_use_the_key_for_equality_range_and_order),
        T(what_stands_in_double_quotes_is_a_name_and_never_a_string),
        T(duplicate_keys_and_nulls_are_refused_whole_statement),
        T(columns_left_out_get_their_defaults),
        T(values_take_the_affinity_of_their_column),
        T(a_key_without_affinity_keeps_one_and_one_point_zero_apart_in_type_only),
        T(tables_without_a_key_keep_equal_rows_apart),
        T(what_is_not_honoured_is_refused),
        T(mistakes_are_named_and_placed),
        T(other_sessions_see_schema_changes_at_their_next_statement),
        T(a_dropped_table_leaves_nothing_and_survives_reopening),
        T(updates_and_deletes_reading_their_own_table_are_stable),
        T(parameters_are_numbered_and_know_the_column_they_fill),
        T(a_session_can_be_read_only_timed_and_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
