/* What a store returns is never believed beyond what it is: damaged, foreign and contradicting rows end in errors. */
#include "fixture.h"
#include "liar.h"

#include "sql/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void put(struct fixture *f, uint8_t kind, uint32_t id, int64_t number, struct sc_slice value)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    struct sc_kvs_txn *txn = NULL;
    sql_key_prefix(&key, kind, id);
    sql_tuple_put(&key, &(struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = number});
    assert_int_equal(sc_kvs_txn_begin(f->kvs, &txn), SC_OK);
    assert_int_equal(sc_kvs_txn_put(txn, sc_buf_slice(&key), value), SC_OK);
    assert_int_equal(sc_kvs_txn_commit(txn, true, NULL), SC_OK);
}

static void another_tables_row_and_an_index_entry_without_its_row_are_refused(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(f);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf row = {0};
    run(s, "CREATE TABLE a(id INTEGER PRIMARY KEY, x INT); CREATE TABLE b(id INTEGER PRIMARY KEY, x INT)");
    run(s, "CREATE UNIQUE INDEX a_x ON a(x)");
    run(s, "INSERT INTO a VALUES(1, 10), (2, 20); INSERT INTO b VALUES(1, 7), (2, 8)");
    sql_key_prefix(&key, SQL_KEY_ROWS, 2); /* b's row 1 as a's row 2 */
    sql_tuple_put(&key, &(struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = 1});
    assert_int_equal(sc_kvs_get(f->kvs, NULL, sc_buf_slice(&key), &row, NULL), SC_OK);
    put(f, SQL_KEY_ROWS, 1, 2, sc_buf_slice(&row));
    run_fails(s, "SELECT * FROM a WHERE id = 2", "XX001");
    run_fails(s, "SELECT sum(x) FROM a NOT INDEXED WHERE id > 0", "XX001");
    run_fails(s, "UPDATE a SET x = 5 WHERE id = 2", "XX001");
    assert_string_equal(query(s, "SELECT * FROM a WHERE id = 1"), "1|10");
    assert_string_equal(query(s, "PRAGMA integrity_check(a)"), "a: a row is damaged\na_x: entries without a row");
    assert_string_equal(query(s, "PRAGMA integrity_check(b)"), "ok");
    run_fails(s, "INSERT INTO a VALUES(9, 20) ON CONFLICT(x) DO UPDATE SET id = 3", "XX001");
}

static void lies_end_in_errors_and_never_in_a_crash(void **state)
{
    struct fixture *f = *state;
    static const char *const statements[] = {
        "SELECT * FROM r",
        "SELECT sum(b), count(c) FROM r WHERE a > 3",
        "SELECT a FROM r WHERE b = 3 ORDER BY c DESC",
        "SELECT r.a, s.note FROM r JOIN s ON s.r = r.a WHERE r.c > 'k'",
        "UPDATE r SET b = b + 1 WHERE b < 5",
        "INSERT INTO r VALUES(7, 1, 'x') ON CONFLICT DO UPDATE SET c = 'again' RETURNING *",
        "DELETE FROM r WHERE a = 4",
        "SELECT count(*) FROM r",
        "PRAGMA integrity_check",
        "ANALYZE",
        "CREATE INDEX more ON r(c, b)",
        "DROP INDEX IF EXISTS more",
    };
    struct sc_sql_session *s = session_new(f);
    run(s, "CREATE TABLE r(a INTEGER PRIMARY KEY, b INT CHECK (b < 1000), c TEXT UNIQUE)");
    run(s, "CREATE TABLE s(r INT REFERENCES r ON DELETE CASCADE, note TEXT DEFAULT 'n', PRIMARY KEY(r, note))");
    run(s, "CREATE INDEX r_b ON r(b DESC)");
    for (int i = 0; i < 50; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "INSERT INTO r VALUES(%d, %d, 'text %d'); INSERT INTO s(r) VALUES(%d)", i, i % 9, i,
                 i);
        run(s, sql);
    }
    sc_sql_session_free(s);
    unsigned errors = 0;
    uint64_t lies = 0;
    unsigned refused = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct liar l;
        struct sc_sql_db *db = NULL;
        struct sc_diag diag = {0};
        const struct sql_kv kv = liar_init(&l, sql_kv_local(f->kvs));
        l.seed = seed;
        l.rate = seed % 3 == 0 ? 4 : 30;
        l.kind = seed % 2 == 0 ? 0 : (uint8_t)(2 + seed / 2 % 3);
        if (sql_db_open(kv, &db, &diag) != SC_OK) {
            refused++;
        } else if (sc_sql_session_new(db, &(struct sc_sql_session_options){0}, &s, &diag) == SC_OK) {
            for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
                run(s, "BEGIN");
                errors += sc_sql_exec(s, statements[i]) != SC_OK;
                run(s, "ROLLBACK");
            }
            sc_sql_session_free(s);
        }
        sc_sql_db_close(db);
        lies += l.lies;
        liar_deinit(&l);
    }
    print_message("%u databases refused, %u errors, %llu lies\n", refused, errors, (unsigned long long)lies);
    assert_true(refused > 20 && errors > 200 && lies > 5000);
    s = session_new(f);
    assert_string_equal(query(s, "PRAGMA integrity_check"), "ok"); /* all was rolled back */
    sc_sql_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_tables_row_and_an_index_entry_without_its_row_are_refused,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(lies_end_in_errors_and_never_in_a_crash, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
