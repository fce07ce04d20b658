/* Many sessions at once, one a thread: writers that conflict, readers, changes of schema.  No order of theirs may break
 * a constraint, lose a row or make an index disagree.  (Run under ThreadSanitizer, too.) */
#include "fixture.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <pthread.h>

#define WRITERS  4
#define ROUNDS   150
#define ACCOUNTS 10

struct shared {
    struct fixture *f;
    _Atomic unsigned commits, conflicts, others, changes;
    _Atomic bool writers_done;
};
struct worker {
    struct shared *shared;
    pthread_t thread;
    unsigned number;
};

static bool try_run(struct sc_sql_session *s, const char *fmt, ...) SC_PRINTF(2, 3);
static bool try_run(struct sc_sql_session *s, const char *fmt, ...)
{
    char sql[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    return sc_sql_exec(s, sql) == SC_OK;
}

/* Only what a caller is told to retry may happen. */
static void count_failure(struct shared *x, struct sc_sql_session *s)
{
    if (strcmp(sc_sql_session_error(s)->sqlstate, "40001") == 0)
        x->conflicts++;
    else {
        x->others++;
        fprintf(stderr, "%s %s\n", sc_sql_session_error(s)->sqlstate, sc_sql_session_error(s)->message);
    }
    if (sc_sql_session_tx(s) != SC_SQL_TX_NONE)
        (void)try_run(s, "ROLLBACK");
}

static void *write_rows(void *arg)
{
    const struct worker *w = arg;
    struct shared *x = w->shared;
    struct sc_sql_session *s = NULL;
    struct sc_prng prng;
    struct sc_diag diag = {0};
    sc_prng_init(&prng, w->number);
    if (sc_sql_session_new(x->f->db, &(struct sc_sql_session_options){0}, &s, &diag) != SC_OK) {
        x->others++;
        return NULL;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        const unsigned from = (unsigned)sc_prng_below(&prng, ACCOUNTS);
        const unsigned to = (unsigned)sc_prng_below(&prng, ACCOUNTS);
        const bool worked =
            try_run(s, "BEGIN") && try_run(s, "UPDATE account SET balance = balance - 1 WHERE id = %u", from) &&
            try_run(s, "UPDATE account SET balance = balance + 1 WHERE id = %u", to) &&
            try_run(s, "INSERT INTO entry(account, writer, round) VALUES(%u, %u, %u)", from, w->number, i) &&
            try_run(s, "COMMIT");
        if (worked)
            x->commits++;
        else
            count_failure(x, s);
    }
    sc_sql_session_free(s);
    return NULL;
}

static void *change_schema(void *arg)
{
    const struct worker *w = arg;
    struct shared *x = w->shared;
    struct sc_sql_session *s = NULL;
    struct sc_diag diag = {0};
    if (sc_sql_session_new(x->f->db, &(struct sc_sql_session_options){0}, &s, &diag) != SC_OK) {
        x->others++;
        return NULL;
    }
    for (unsigned i = 0; !x->writers_done || i < 6; i++) { /* however quick the writers are, it has a go */
        if (try_run(s, i % 2 == 0 ? "CREATE INDEX more ON entry(writer, round DESC)" : "DROP INDEX more"))
            x->changes++;
        else
            count_failure(x, s);
        if (!try_run(
                s,
                "SELECT count(*), sum(balance) FROM account; SELECT * FROM entry WHERE writer = 1 ORDER BY round DESC"))
            count_failure(x, s);
        sched_yield();
    }
    sc_sql_session_free(s);
    return NULL;
}

static void sessions_in_threads_keep_all_constraints(void **state)
{
    struct shared x = {.f = *state};
    struct worker workers[WRITERS + 1];
    char text[64];
    struct sc_sql_session *s = session_new(x.f);
    run(s, "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT NOT NULL)");
    run(s, "CREATE TABLE entry(account INT REFERENCES account, writer INT, round INT, UNIQUE(writer, round))");
    for (unsigned i = 0; i < ACCOUNTS; i++)
        assert_true(try_run(s, "INSERT INTO account VALUES(%u, 100)", i));
    for (unsigned i = 0; i <= WRITERS; i++) {
        workers[i] = (struct worker){.shared = &x, .number = i};
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, i < WRITERS ? write_rows : change_schema, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(workers[i].thread, NULL);
    x.writers_done = true;
    pthread_join(workers[WRITERS].thread, NULL);
    print_message("%u commits, %u conflicts, %u changes of schema\n", x.commits, x.conflicts, x.changes);
    assert_int_equal(x.others, 0);
    assert_true(x.commits > 0 && x.changes > 1);
    assert_string_equal(query(s, "PRAGMA integrity_check"), "ok");
    assert_string_equal(query(s, "SELECT sum(balance) FROM account"), "1000");
    snprintf(text, sizeof text, "%u", x.commits);
    assert_string_equal(query(s, "SELECT count(*) FROM entry"), text);
    assert_string_equal(query(s, "SELECT count(*) FROM entry WHERE writer >= 0"), text);
    sc_sql_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_in_threads_keep_all_constraints, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
