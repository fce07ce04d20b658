/* BEGIN to COMMIT, savepoints, conflicts between sessions, deferred commit, bulk loads, durability. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_transaction_sees_its_own_writes_and_others_do_not_until_commit(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *a = session_new(*state);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *b = session_new(*state);
    run(a, "CREATE TABLE r(k INTEGER PRIMARY KEY, v); CREATE TABLE q(k INTEGER PRIMARY KEY, v)");
    run(a, "BEGIN; INSERT INTO r VALUES(1, 'a'); INSERT INTO q VALUES(1, 'b')");
    assert_string_equal(query(a, "SELECT r.v, q.v FROM r, q"), "a|b");
    assert_string_equal(query(b, "SELECT count(*) FROM r"), "0");
    run(a, "COMMIT");
    assert_string_equal(query(b, "SELECT r.v, q.v FROM r, q"), "a|b");
    run(a, "BEGIN; DELETE FROM r; UPDATE q SET v = 'c'; ROLLBACK");
    assert_string_equal(query(a, "SELECT r.v, q.v FROM r, q"), "a|b");
    run(b, "BEGIN");
    assert_string_equal(query(b, "SELECT count(*) FROM r"), "1");
    run(a, "INSERT INTO r VALUES(2, 'later')");
    assert_string_equal(query(b, "SELECT count(*) FROM r"), "1"); /* one snapshot for the whole transaction */
    run(b, "COMMIT");
    assert_string_equal(query(b, "SELECT count(*) FROM r"), "2");
}

static void the_first_committer_wins_and_the_other_may_start_over(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *a = session_new(*state);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *b = session_new(*state);
    run(a, "CREATE TABLE r(k INTEGER PRIMARY KEY, v INTEGER)");
    run(a, "INSERT INTO r VALUES(1, 10), (2, 20)");
    run(a, "BEGIN; UPDATE r SET v = v + 1 WHERE k = 1");
    run(b, "BEGIN; UPDATE r SET v = v + 5 WHERE k = 1");
    run(b, "COMMIT");
    run_fails(a, "COMMIT", "40001");
    assert_int_equal(sc_sql_session_tx(a), SC_SQL_TX_NONE);
    assert_string_equal(query(a, "SELECT v FROM r WHERE k = 1"), "15");
    run(a, "BEGIN; UPDATE r SET v = v + 1 WHERE k = 1");
    run(b, "BEGIN; UPDATE r SET v = v + 1 WHERE k = 2; COMMIT"); /* other rows do not collide */
    run(a, "COMMIT");
    assert_string_equal(query(a, "SELECT v FROM r"), "16\n21");
    run(a, "BEGIN; INSERT INTO r VALUES(3, 1)");
    run(b, "INSERT INTO r VALUES(3, 2)");
    run_fails(a, "COMMIT", "40001");
}

static void savepoints_undo_what_came_after_them(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(k INTEGER PRIMARY KEY)");
    run_fails(s, "SAVEPOINT x", "25P01");
    run(s, "BEGIN; INSERT INTO r VALUES(1); SAVEPOINT a; INSERT INTO r VALUES(2); SAVEPOINT \"B\"; INSERT INTO r "
           "VALUES(3)");
    run(s, "ROLLBACK TO b");
    assert_string_equal(query(s, "SELECT * FROM r"), "1\n2");
    run(s, "INSERT INTO r VALUES(4); ROLLBACK TO SAVEPOINT b; INSERT INTO r VALUES(5); RELEASE b");
    run_fails(s, "ROLLBACK TO b", "3B001");
    assert_int_equal(sc_sql_session_tx(s), SC_SQL_TX_FAILED);
    run_fails(s, "SELECT 1", "25P02");
    run(s, "ROLLBACK TO a");
    run(s, "INSERT INTO r VALUES(6); COMMIT");
    assert_string_equal(query(s, "SELECT * FROM r"), "1\n6");
}

static void after_an_error_only_rollback_helps(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(k INTEGER PRIMARY KEY)");
    run(s, "BEGIN; INSERT INTO r VALUES(1)");
    run_fails(s, "INSERT INTO r VALUES(2), (1)", "23505");
    run_fails(s, "INSERT INTO r VALUES(3)", "25P02");
    run_fails(s, "SELECT 1 FROM r", "25P02");
    run(s, "COMMIT"); /* is a rollback */
    assert_int_equal(sc_sql_session_tx(s), SC_SQL_TX_NONE);
    assert_string_equal(query(s, "SELECT count(*) FROM r"), "0");
    run(s, "BEGIN");
    run_fails(s, "CREATE TABLE q(a)", "25001");
    run(s, "ROLLBACK");
}

static void a_failing_statement_in_a_transaction_undoes_only_itself(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    run(s, "CREATE TABLE r(k INTEGER PRIMARY KEY)");
    run(s, "BEGIN; INSERT INTO r VALUES(1); SAVEPOINT a");
    run_fails(s, "INSERT INTO r VALUES(2), (3), (1)", "23505");
    run(s, "ROLLBACK TO a");
    assert_string_equal(query(s, "SELECT * FROM r"), "1");
    run(s, "INSERT OR IGNORE INTO r VALUES(1), (2), (1), (3)");
    run(s, "COMMIT");
    assert_string_equal(query(s, "SELECT * FROM r"), "1\n2\n3");
}

static void committing_into_a_table_dropped_meanwhile_fails(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *a = session_new(*state);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *b = session_new(*state);
    run(a, "CREATE TABLE r(k INTEGER PRIMARY KEY)");
    run(a, "BEGIN; INSERT INTO r VALUES(1)");
    run(b, "DROP TABLE r");
    run_fails(a, "COMMIT", "40001");
    run_fails(a, "SELECT * FROM r", "42P01");
}

static void deferred_statements_commit_together_when_settled(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *a = session_new(f);
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *d = NULL;
    assert_int_equal(sc_sql_session_new(f->db, &(struct sc_sql_session_options){.deferred_commit = true}, &d, NULL),
                     SC_OK);
    run(a, "CREATE TABLE r(k INTEGER PRIMARY KEY)");
    run(d, "INSERT INTO r VALUES(1)");
    run(d, "INSERT INTO r VALUES(2)");
    assert_string_equal(query(d, "SELECT count(*) FROM r"), "2");
    assert_string_equal(query(a, "SELECT count(*) FROM r"), "0");
    assert_int_equal(sc_sql_session_settle(d, true), SC_OK);
    assert_string_equal(query(a, "SELECT count(*) FROM r"), "2");
    run(d, "INSERT INTO r VALUES(3)");
    assert_int_equal(sc_sql_session_settle(d, false), SC_OK);
    run(d, "BEGIN; INSERT INTO r VALUES(4)");
    assert_int_equal(sc_sql_session_settle(d, true), SC_OK); /* not while BEGIN is open */
    assert_string_equal(query(a, "SELECT count(*) FROM r"), "2");
    run(d, "COMMIT");
    assert_string_equal(query(a, "SELECT max(k) FROM r"), "4");
}

static void bulk_rows_are_all_or_none(void **state)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    struct sc_sql_bulk *b = NULL;
    int64_t rows = 0;
    run(s, "CREATE TABLE r(k INTEGER PRIMARY KEY, v TEXT DEFAULT 'd', w REAL)");
    const char *const columns[] = {"w", "k"};
    assert_int_equal(sc_sql_bulk_begin(s, "r", columns, 2, &b), SC_OK);
    for (int i = 0; i < 1000; i++) {
        const struct sc_sql_value v[] = {sc_sql_text(sc_slice_str("2.5")), sc_sql_integer(i)};
        assert_int_equal(sc_sql_bulk_row(b, v), SC_OK);
    }
    assert_int_equal(sc_sql_bulk_end(b, true, &rows), SC_OK);
    assert_int_equal(rows, 1000);
    assert_string_equal(query(s, "SELECT count(*), sum(w), min(v) FROM r"), "1000|2500r|d");
    assert_int_equal(sc_sql_bulk_begin(s, "r", columns, 2, &b), SC_OK);
    const struct sc_sql_value fresh[] = {sc_sql_null(), sc_sql_integer(5000)};
    const struct sc_sql_value duplicate[] = {sc_sql_null(), sc_sql_integer(5)};
    assert_int_equal(sc_sql_bulk_row(b, fresh), SC_OK);
    assert_int_equal(sc_sql_bulk_row(b, duplicate), SC_E_EXISTS);
    assert_int_not_equal(sc_sql_bulk_end(b, true, &rows), SC_OK);
    assert_string_equal(query(s, "SELECT count(*) FROM r"), "1000");
    assert_int_equal(sc_sql_bulk_begin(s, "nowhere", NULL, 0, &b), SC_E_NOT_FOUND);
}

static void committed_rows_survive_power_loss_and_open_transactions_do_not(void **state)
{
    struct fixture *f = *state;
    struct sc_sql_session *s = session_new(f);
    run(s, "CREATE TABLE r(k INTEGER PRIMARY KEY)");
    run(s, "INSERT INTO r VALUES(1)");
    run(s, "BEGIN; INSERT INTO r VALUES(2)");
    sc_sql_session_free(s);
    fixture_power_cycle(f);
    s = session_new(f);
    assert_string_equal(query(s, "SELECT * FROM r"), "1");
    sc_sql_session_free(s);
}

static void a_transaction_has_a_size_limit(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = NULL;
    const struct sc_sql_session_options opt = {.transaction_size_max = 10000};
    assert_int_equal(sc_sql_session_new(f->db, &opt, &s, NULL), SC_OK);
    run(s, "CREATE TABLE r(k INTEGER PRIMARY KEY, v)");
    run(s, "INSERT INTO r VALUES(1, zeroblob(5000))");
    run_fails(s, "INSERT INTO r VALUES(2, zeroblob(5000)), (3, zeroblob(5000))", "54000");
    run_fails(s, "INSERT INTO r VALUES(2, zeroblob(100000000))", "54000");
    assert_string_equal(query(s, "SELECT count(*) FROM r"), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        T(a_transaction_sees_its_own_writes_and_others_do_not_until_commit),
        T(the_first_committer_wins_and_the_other_may_start_over),
        T(savepoints_undo_what_came_after_them),
        T(after_an_error_only_rollback_helps),
        T(a_failing_statement_in_a_transaction_undoes_only_itself),
        T(committing_into_a_table_dropped_meanwhile_fails),
        T(deferred_statements_commit_together_when_settled),
        T(bulk_rows_are_all_or_none),
        T(committed_rows_survive_power_loss_and_open_transactions_do_not),
        T(a_transaction_has_a_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
