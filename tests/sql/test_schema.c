/* Indexes, constraints, triggers, views and ALTER, each against what SQLite itself says of them or PostgreSQL's states.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void checks_uniques_and_generated_columns_hold(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INT CHECK (b > 0), c TEXT UNIQUE, d AS (b * 2) STORED, "
           "e TEXT AS (c || '-' || d), CONSTRAINT small CHECK (b < 100 AND d < 150))");
    run(s, "INSERT INTO t VALUES(1, 5, 'x')");
    run(s, "INSERT INTO t(b, c) VALUES(6, NULL), (7, NULL)");
    assert_string_equal(query(s, "SELECT * FROM t"), "1|5|x|10|x-10\n2|6|-|12|-\n3|7|-|14|-");
    run_fails(s, "INSERT INTO t VALUES(9, 0, 'y')", "23514");
    run_fails(s, "INSERT INTO t VALUES(9, 80, 'y')", "23514");
    run_fails(s, "INSERT INTO t VALUES(9, 1, 'x')", "23505");
    run_fails(s, "INSERT INTO t(d) VALUES(9)", "428C9");
    run_fails(s, "UPDATE t SET d = 1", "428C9");
    run_fails(s, "UPDATE t SET b = b - 6", "23514");
    run(s, "INSERT OR IGNORE INTO t VALUES(9, 1, 'x'), (10, 0, 'z'), (11, 1, 'w')");
    run(s, "UPDATE t SET b = 50 WHERE a = 2");
    assert_string_equal(query(s, "SELECT a, d, e FROM t WHERE c IS NOT NULL OR a = 2"), "1|10|x-10\n2|100|-\n11|2|w-2");
    run(s, "REPLACE INTO t VALUES(20, 9, 'x')");
    assert_string_equal(query(s, "SELECT a FROM t WHERE c = 'x'"), "20");
    assert_string_equal(query(s, "SELECT count(*) FROM t"), "4");
    assert_string_equal(query(s, "SELECT count(*) FROM t WHERE b > 0"), "4");
    run(s, "UPDATE OR REPLACE t SET c = 'w' WHERE a = 20");
    assert_string_equal(query(s, "SELECT a FROM t ORDER BY a"), "2\n3\n20");
    assert_string_equal(query(s, "SELECT count(*) FROM t"), "3");
}

static void indexes_find_what_scans_find_in_both_directions(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INT, c TEXT COLLATE NOCASE, d REAL)");
    run(s, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t "
           "SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE i % 50 END, "
           "CASE i % 3 WHEN 0 THEN 'Ab' || char(i % 5) WHEN 1 THEN 'aB' ELSE char(65 + i % 20) END, i / 4.0 FROM n");
    run(s, "CREATE INDEX b_desc ON t(b DESC, a)");
    run(s, "CREATE INDEX c_b ON t(c, b DESC)");
    run(s, "CREATE INDEX partial ON t(d) WHERE b IS NOT NULL");
    run(s, "CREATE UNIQUE INDEX expr ON t(a + d)");
    run(s, "CREATE TEMP TABLE plain(a INTEGER PRIMARY KEY, b INT, c TEXT COLLATE NOCASE, d REAL)"); /* SQLite's own */
    run(s, "INSERT INTO plain SELECT * FROM t");
    static const char *const wheres[] = {
        "b = 3",
        "b IS NULL",
        "b < 5",
        "b >= 45",
        "b > 10 AND b <= 12",
        "b IN (1, 2, 49, 60)",
        "c = 'ab'",
        "c = 'AB' AND b > 9",
        "c > 'b'",
        "c <= 'AB'",
        "d = 7.25",
        "d > 490 AND b > 0",
        "c = 'ab' AND b IS NULL",
        "b IS 3",
        "b BETWEEN 3 AND 4 AND d < 100",
        "c IN ('x', 'AB') AND b < 4",
        "b = 2.0 OR b = '3'",
    };
    static const char *const orders[] = {"a", "b, a", "b DESC, a DESC", "b DESC, a", "c, b DESC, a", "d DESC"};
    for (size_t w = 0; w < sizeof wheres / sizeof wheres[0]; w++)
        for (size_t o = 0; o < sizeof orders / sizeof orders[0]; o++) {
            char sql[512];
            snprintf(sql, sizeof sql, "SELECT a, b, c, d FROM t WHERE %s ORDER BY %s", wheres[w], orders[o]);
            char *with = strdup(query(s, sql));
            snprintf(sql, sizeof sql, "SELECT a, b, c, d FROM plain WHERE %s ORDER BY %s", wheres[w], orders[o]);
            assert_string_equal(with, query(s, sql));
            free(with);
        }
    assert_string_equal(query(s, "SELECT count(*) FROM t WHERE c = 'ab'"), "667");
    run_fails(s, "INSERT INTO t(a, d) VALUES(5001, -3751)", "23505");
    run(s, "UPDATE t SET b = 1000 WHERE b = 3");
    assert_string_equal(query(s, "SELECT count(*), min(b), max(b) FROM t WHERE b > 48"), "68|49|1000");
    run(s, "DELETE FROM t WHERE b = 1000");
    assert_string_equal(query(s, "SELECT count(*) FROM t WHERE b = 1000"), "0");
    run(s, "DROP INDEX b_desc");
    run_fails(s, "DROP INDEX b_desc", "42704");
    run_fails(s, "CREATE INDEX c_b ON t(a)", "42P07");
    run_fails(s, "CREATE UNIQUE INDEX u ON t(b)", "23505");
    run(s, "INSERT INTO t VALUES(9999, 49, 'q', 0)");
    assert_non_null(strstr(query(s, "EXPLAIN QUERY PLAN SELECT a FROM t WHERE c = 'x'"), ":pe"));
    assert_string_equal(query(s, "EXPLAIN KEYS SELECT a FROM t WHERE c = 'x' AND b > 3"), "scan t.c_b|x .. t.c_b|x|3");
}

static void foreign_keys_hold_and_act(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE p(a INT, b TEXT, c INT UNIQUE, PRIMARY KEY(a, b))");
    run(s, "CREATE TABLE cascade_(x INT, y TEXT, z INT, FOREIGN KEY(x, y) REFERENCES p ON DELETE CASCADE ON UPDATE "
           "CASCADE)");
    run(s, "CREATE TABLE null_(x INT REFERENCES p(c) ON DELETE SET NULL ON UPDATE SET DEFAULT)");
    run(s, "CREATE TABLE late(x INT REFERENCES p(c) DEFERRABLE INITIALLY DEFERRED)");
    run(s, "INSERT INTO p VALUES(1, 'a', 10), (2, 'b', 20), (3, 'c', 30)");
    run(s, "INSERT INTO cascade_ VALUES(1, 'a', 1), (1, 'a', 2), (2, 'b', 3), (NULL, 'q', 4)");
    run(s, "INSERT INTO null_ VALUES(10), (20)");
    run_fails(s, "INSERT INTO cascade_ VALUES(1, 'b', 0)", "23503");
    run_fails(s, "INSERT INTO null_ VALUES(11)", "23503");
    run(s, "UPDATE p SET a = 7 WHERE a = 1");
    assert_string_equal(query(s, "SELECT x, z FROM cascade_ WHERE y = 'a'"), "7|1\n7|2");
    run(s, "DELETE FROM p WHERE a = 7");
    assert_string_equal(query(s, "SELECT z FROM cascade_"), "3\n4");
    assert_string_equal(query(s, "SELECT x FROM null_"), "-\n20");
    run(s, "BEGIN");
    run(s, "INSERT INTO late VALUES(99)");
    run(s, "INSERT INTO p VALUES(9, 'n', 99)");
    run(s, "COMMIT");
    run(s, "BEGIN");
    run(s, "INSERT INTO late VALUES(100)");
    run_fails(s, "COMMIT", "23503");
    assert_string_equal(query(s, "SELECT * FROM late"), "99");
    run_fails(s, "DELETE FROM p WHERE c = 99", "23503");
    run(s, "BEGIN");
    run(s, "DELETE FROM p WHERE c = 99");
    run(s, "SAVEPOINT a");
    run(s, "DELETE FROM late");
    run(s, "ROLLBACK TO a");
    run_fails(s, "COMMIT", "23503");
    run(s, "BEGIN; DELETE FROM p WHERE c = 99; DELETE FROM late; COMMIT");
    run_fails(s, "DROP TABLE p", "2BP01");
    run(s, "CREATE TABLE tree(id INTEGER PRIMARY KEY, up INT REFERENCES tree ON DELETE CASCADE)");
    run(s, "INSERT INTO tree VALUES(3, 2), (1, NULL), (2, 1)"); /* judged at the statement's end */
    run(s, "DELETE FROM tree WHERE id = 1");
    assert_string_equal(query(s, "SELECT count(*) FROM tree"), "0");
    run_fails(s, "INSERT INTO tree VALUES(5, 6)", "23503");
}

static void upserts_and_returning_tell_what_was_written(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE w(id INTEGER PRIMARY KEY, word TEXT UNIQUE, n INT DEFAULT 1, note TEXT)");
    assert_string_equal(query(s, "INSERT INTO w(word) VALUES('a'), ('b') RETURNING id, word, n"), "1|a|1\n2|b|1");
    assert_string_equal(
        query(s, "INSERT INTO w(word) VALUES('a'), ('c'), ('a') ON CONFLICT(word) DO UPDATE SET n = n + excluded.n, "
                 "note = word || '/' || excluded.word RETURNING id, n, note"),
        "1|2|a/a\n3|1|-\n1|3|a/a");
    assert_string_equal(query(s, "INSERT INTO w AS old(id, word) VALUES(2, 'z') ON CONFLICT(id) DO UPDATE SET (word, "
                                 "n) = (excluded.word, old.n * 5) "
                                 "WHERE old.word <> 'q' RETURNING *"),
                        "2|z|5|-");
    assert_string_equal(query(s, "INSERT INTO w(id, word) VALUES(2, 'y') ON CONFLICT(id) DO UPDATE SET word = 'no' "
                                 "WHERE n > 100 RETURNING id"),
                        "");
    run_fails(s, "INSERT INTO w(id, word) VALUES(2, 'q') ON CONFLICT(id) DO UPDATE SET word = 'a'", "23505");
    assert_string_equal(query(s, "INSERT INTO w(word) VALUES('a'), ('new') ON CONFLICT DO NOTHING RETURNING word"),
                        "new");
    assert_string_equal(query(s, "INSERT INTO w SELECT 1, 'k', 1, NULL WHERE true ON CONFLICT(id) DO UPDATE SET n = 0 "
                                 "ON CONFLICT(word) DO NOTHING RETURNING n"),
                        "0");
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used = 0;
    bool row = false;
    assert_int_equal(
        sc_sql_prepare(s,
                       sc_slice_str("INSERT INTO w(word, n) VALUES(?, ?) ON CONFLICT(word) DO UPDATE SET n = ? "
                                    "RETURNING n, ?"),
                       &st, &used),
        SC_OK);
    assert_int_equal(sc_sql_param_count(st), 4);
    for (int i = 0; i < 2; i++) {
        const struct sc_sql_value v[4] = {sc_sql_text(sc_slice_str("p")), sc_sql_integer(1), sc_sql_integer(2),
                                          sc_sql_integer(3)};
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(sc_sql_bind(st, k + 1, &v[k]), SC_OK);
        assert_int_equal(sc_sql_step(st, &row), SC_OK);
        assert_true(row);
        assert_int_equal(sc_sql_column(st, 0).integer, i + 1);
        assert_int_equal(sc_sql_column(st, 1).integer, 3);
        assert_int_equal(sc_sql_step(st, &row), SC_OK);
        assert_false(row);
        assert_int_equal(sc_sql_changes(st), 1);
    }
}

static void triggers_run_where_rows_are_written(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INT)");
    run(s, "CREATE TABLE log(n INTEGER PRIMARY KEY, what TEXT DEFAULT 'nothing', at TEXT DEFAULT (upper('x')))");
    run(s, "CREATE TRIGGER ai AFTER INSERT ON t WHEN new.b > 0 BEGIN "
           "INSERT INTO log(what) VALUES('ins ' || new.a || '=' || new.b); INSERT INTO log(what) SELECT 'also; ' || "
           "new.a; END");
    run(s, "CREATE TRIGGER bu BEFORE UPDATE OF b ON t BEGIN SELECT CASE WHEN new.b < 0 THEN RAISE(ABORT, 'negative b') "
           "END; "
           "INSERT INTO log(what) VALUES('upd ' || old.b || '>' || new.b); END;");
    run(s, "CREATE TRIGGER ad AFTER DELETE ON t BEGIN INSERT INTO log(what) VALUES('del ' || old.a); END");
    run(s, "CREATE TRIGGER skip BEFORE INSERT ON t WHEN new.b = 13 BEGIN SELECT RAISE(IGNORE); END");
    run(s, "INSERT INTO t VALUES(1, 10), (2, 0), (3, 13), (4, 1)");
    assert_string_equal(query(s, "SELECT * FROM t"), "1|10\n2|0\n4|1");
    assert_string_equal(query(s, "SELECT * FROM log"), "1|ins 1=10|X\n2|also; 1|X\n3|ins 4=1|X\n4|also; 4|X");
    run(s, "DELETE FROM log");
    run_fails(s, "UPDATE t SET b = b - 5", "P0001");
    assert_string_equal(query(s, "SELECT count(*) FROM log"), "0");
    run(s, "UPDATE t SET a = a + 10 WHERE a = 4");
    run(s, "UPDATE t SET b = 7 WHERE a = 14");
    run(s, "DELETE FROM t WHERE a < 3");
    assert_string_equal(query(s, "SELECT what FROM log"), "upd 1>7\ndel 1\ndel 2");
    run(s, "CREATE VIEW v AS SELECT a, b * 2 AS double FROM t");
    run(s, "CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO t(a, b) VALUES(new.a, new.double / 2); END");
    run(s, "INSERT INTO v VALUES(50, 8)");
    assert_string_equal(query(s, "SELECT * FROM v"), "14|14\n50|8");
    run_fails(s, "DELETE FROM v", "0A000");
    run(s, "DROP TRIGGER ai");
    run(s, "INSERT INTO t VALUES(60, 6)");
    assert_string_equal(query(s, "SELECT count(*) FROM log WHERE what LIKE 'ins%'"), "1");
    run_fails(s, "DROP TRIGGER ai", "42704");
}

static void altering_keeps_rows_and_all_sessions_see_it_at_once(void **state)
{
    struct fixture *f = *state;
    struct sc_sql_session *s = session_new(f);
    struct sc_sql_session *other = session_new(f);
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used = 0;
    bool row = false;
    run(s, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INT CHECK (c <> 5))");
    run(s, "CREATE INDEX i ON t(b)");
    run(s, "CREATE VIEW v AS SELECT b, c FROM t");
    run(s, "INSERT INTO t VALUES(1, 'x', 2), (2, 'y', 3)");
    assert_int_equal(sc_sql_prepare(other, sc_slice_str("INSERT INTO t(a, b) VALUES(?, ?)"), &st, &used), SC_OK);
    run(s, "ALTER TABLE t ADD COLUMN d REAL DEFAULT 1.5");
    assert_string_equal(query(other, "SELECT * FROM t"), "1|x|2|1.5r\n2|y|3|1.5r");
    run(s, "ALTER TABLE t RENAME COLUMN b TO name");
    assert_string_equal(query(other, "SELECT name FROM t WHERE name = 'y'"), "y");
    assert_string_equal(query(other, "SELECT name FROM v"), "x\ny");
    run(s, "UPDATE t SET d = 9 WHERE a = 1");
    run(s, "ALTER TABLE t DROP COLUMN d");
    run(s, "ALTER TABLE t ADD COLUMN e DEFAULT 'e'");
    assert_string_equal(query(other, "SELECT * FROM t"), "1|x|2|e\n2|y|3|e");
    run_fails(s, "ALTER TABLE t DROP COLUMN name", "2BP01"); /* the index has it */
    run_fails(s, "ALTER TABLE t ADD COLUMN z NOT NULL", "23502");
    run(s, "ALTER TABLE t RENAME TO u");
    assert_string_equal(query(other, "SELECT * FROM v"), "x|2\ny|3");
    run_fails(other, "SELECT * FROM t", "42P01");
    run_fails(other, "INSERT INTO u VALUES(3, 'z', 5, 0)", "23514");
    run(s, "ALTER TABLE u RENAME TO t");
    run(s, "ALTER TABLE t RENAME COLUMN name TO b");
    assert_int_equal(sc_sql_bind(st, 1, &(struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = 7}), SC_OK);
    assert_int_equal(sc_sql_step(st, &row), SC_OK); /* prepared before all that */
    assert_string_equal(query(s, "SELECT * FROM t WHERE a = 7"), "7|-|-|e");
    sc_sql_stmt_free(SC_TAKE(st));
    sc_sql_session_free(s);
    sc_sql_session_free(other);
    fixture_reopen(f);
    s = session_new(f);
    assert_string_equal(query(s, "SELECT * FROM t"), "1|x|2|e\n2|y|3|e\n7|-|-|e");
    assert_string_equal(query(s, "SELECT * FROM v WHERE b = 'x'"), "x|2");
    assert_string_equal(query(s, "SELECT count(*) FROM t"), "3");
    run(s, "DROP VIEW v");
    run(s, "CREATE TABLE copy AS SELECT a, upper(b) AS big FROM t WHERE b IS NOT NULL");
    assert_string_equal(query(s, "SELECT * FROM copy"), "1|X\n2|Y");
    run(s, "CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO auto(x) VALUES(1), (2); DELETE "
           "FROM auto");
    run(s, "INSERT INTO auto(x) VALUES(3)");
    assert_string_equal(query(s, "SELECT * FROM auto"), "3|3");
    run(s, "ANALYZE");
    run(s, "REINDEX i");
    run_fails(s, "REINDEX zzz", "42000");
    sc_sql_session_free(s);
}

static void a_large_index_is_built_beside_writers_and_counts_stay_exact(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(f);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *other = session_new(f);
    run(s, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INT)");
    run(s, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) INSERT INTO t SELECT i, i "
           "% 1000 FROM n");
    run(other, "BEGIN");
    run(other, "INSERT INTO t VALUES(-1, 5)");
    run(s, "CREATE INDEX i ON t(b)");
    run_fails(other, "COMMIT", "40001"); /* it did not know the index */
    run(other, "INSERT INTO t VALUES(-1, 5)");
    assert_string_equal(query(s, "SELECT count(*) FROM t WHERE b = 5"), "31");
    assert_non_null(strstr(query(s, "EXPLAIN QUERY PLAN SELECT a FROM t WHERE b = 5"), "INDEX 2:ce"));
    run_fails(s, "CREATE UNIQUE INDEX u ON t(b)", "23505");
    run(s, "CREATE INDEX u ON t(b, a DESC)"); /* the name is free again */
    run(s, "BEGIN; INSERT INTO t VALUES(-2, 0); SAVEPOINT x; INSERT INTO t VALUES(-3, 0)");
    assert_string_equal(query(s, "SELECT count(*) FROM t"), "30003");
    assert_string_equal(query(other, "SELECT count(*) AS n FROM t"), "30001");
    run(s, "ROLLBACK TO x");
    assert_string_equal(query(s, "SELECT count(*) FROM t"), "30002");
    run(s, "COMMIT; DELETE FROM t WHERE b = 0");
    assert_string_equal(query(other, "SELECT count(*) FROM t"), "29971");
    assert_string_equal(query(other, "SELECT count(*) FROM t WHERE b >= 0"), "29971");
    assert_string_equal(query(other, "SELECT count(*) FROM t WHERE a > -100"), "29971");
}

static void serialisable_transactions_refuse_write_skew(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *a = session_new(f);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *b = session_new(f);
    run(a, "CREATE TABLE on_call(who TEXT PRIMARY KEY, is_on INT); INSERT INTO on_call VALUES('x', 1), ('y', 1)");
    for (int serializable = 0; serializable < 2; serializable++) {
        const char *begin = serializable ? "BEGIN ISOLATION LEVEL SERIALIZABLE" : "BEGIN";
        run(a, "UPDATE on_call SET is_on = 1");
        run(a, begin);
        run(b, begin);
        assert_string_equal(query(a, "SELECT sum(is_on) FROM on_call"), "2");
        assert_string_equal(query(b, "SELECT sum(is_on) FROM on_call"), "2");
        run(a, "UPDATE on_call SET is_on = 0 WHERE who = 'x'");
        run(b, "UPDATE on_call SET is_on = 0 WHERE who = 'y'");
        run(a, "COMMIT");
        if (serializable)
            run_fails(b, "COMMIT", "40001");
        else
            run(b, "COMMIT");
        assert_string_equal(query(a, "SELECT sum(is_on) FROM on_call"), serializable ? "1" : "0");
    }
    run(a, "BEGIN TRANSACTION READ ONLY");
    run_fails(a, "DELETE FROM on_call", "25006");
    run(a, "ROLLBACK");
    run(a, "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; COMMIT");
    run_fails(a, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "25P01");
}

/* Two sessions, a child inserted while its parent goes: whichever commits first, no orphan. */
static void foreign_keys_hold_between_transactions(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *a = session_new(f);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *b = session_new(f);
    run(a, "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p)");
    run(a, "CREATE INDEX c_p ON c(p)");
    for (int first = 0; first < 2; first++) {
        run(a, "DELETE FROM c; DELETE FROM p; INSERT INTO p VALUES(1)");
        run(a, "BEGIN; INSERT INTO c VALUES(1, 1)");
        run(b, "BEGIN; DELETE FROM p");
        run(first == 0 ? a : b, "COMMIT");
        run_fails(first == 0 ? b : a, "COMMIT", "40001");
        assert_string_equal(query(a, "SELECT count(*) FROM c WHERE p NOT IN (SELECT id FROM p)"), "0");
    }
    run(a, "INSERT OR IGNORE INTO p VALUES(1)");
    run(a, "BEGIN; INSERT INTO c VALUES(10, 1)");
    run(b, "BEGIN; INSERT INTO c VALUES(11, 1)"); /* two children of one parent are no conflict */
    run(a, "COMMIT");
    run(b, "COMMIT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks_uniques_and_generated_columns_hold, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(indexes_find_what_scans_find_in_both_directions, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(foreign_keys_hold_and_act, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(upserts_and_returning_tell_what_was_written, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(triggers_run_where_rows_are_written, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(altering_keeps_rows_and_all_sessions_see_it_at_once, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_large_index_is_built_beside_writers_and_counts_stay_exact, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(serialisable_transactions_refuse_write_skew, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(foreign_keys_hold_between_transactions, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
