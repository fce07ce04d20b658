/* Design D15: after every crash the tables are as the last commit left them, each index entry has its row and the
 * reverse, counters are right.  The store fails at a random call in the middle of a transaction, of DDL, of a commit,
 * then loses all, none or some of what was not synced.  What was acknowledged is compared with a model outside. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define CRASHES  500
#define ROWS     40
#define ACCOUNTS 8
#define BALANCE  1000

struct model { /* of table r; b is -1 where there is no row */
    int b[ROWS];
};

struct world {
    struct fixture *f;
    struct sc_prng prng;
    struct model committed; /* acknowledged */
    struct model maybe;     /* what the commit in flight would make of it */
    bool in_flight;
    unsigned crashes, in_flight_kept, in_flight_lost, conflicts, ddl;
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

static bool change_row(struct world *w, struct sc_sql_session *s, struct model *m)
{
    const unsigned a = (unsigned)sc_prng_below(&w->prng, ROWS);
    const int b = (int)sc_prng_below(&w->prng, 10);
    switch (sc_prng_below(&w->prng, 4)) {
    case 0:
        m->b[a] = -1;
        return try_run(s, "DELETE FROM r WHERE a = %u", a);
    case 1:
        for (unsigned i = 0; i < ROWS; i++)
            if (m->b[i] == b)
                m->b[i] = (b + 1) % 10;
        return try_run(s, "UPDATE r SET b = %d WHERE b = %d", (b + 1) % 10, b);
    case 2:
        m->b[a] = b;
        return try_run(s, "INSERT INTO r VALUES(%u, %d, 'u%u', 'text %d') ON CONFLICT(a) DO UPDATE SET b = excluded.b",
                       a, b, a, b);
    default:
        m->b[a] = b;
        return try_run(s, "REPLACE INTO r VALUES(%u, %d, 'u%u', 'again')", a, b, a);
    }
}

/* One transaction of changes and a transfer; false when the store failed. */
static bool transaction(struct world *w, struct sc_sql_session *s)
{
    struct model m = w->committed;
    const unsigned from = (unsigned)sc_prng_below(&w->prng, ACCOUNTS);
    const unsigned to = (unsigned)sc_prng_below(&w->prng, ACCOUNTS);
    if (!try_run(s, "BEGIN"))
        return false;
    for (unsigned n = 1 + (unsigned)sc_prng_below(&w->prng, 5); n > 0; n--)
        if (!change_row(w, s, &m))
            return false;
    if (!try_run(s, "UPDATE account SET balance = balance - 7 WHERE id = %u", from) ||
        !try_run(s, "UPDATE account SET balance = balance + 7 WHERE id = %u", to))
        return false;
    w->maybe = m;
    w->in_flight = true;
    if (!try_run(s, "COMMIT"))
        return false;
    w->in_flight = false;
    w->committed = m;
    return true;
}

static bool change_schema(struct world *w, struct sc_sql_session *s)
{
    w->ddl++;
    if (sc_prng_below(&w->prng, 2) != 0)
        return try_run(s, "DROP INDEX IF EXISTS extra");
    return try_run(s, "CREATE INDEX IF NOT EXISTS extra ON r(b DESC, c)");
}

static bool equals(struct sc_sql_session *s, const struct model *m)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wanted = {0};
    for (int a = 0; a < ROWS; a++)
        if (m->b[a] >= 0)
            sc_buf_put_fmt(&wanted, "%s%d|%d", wanted.size != 0 ? "\n" : "", a, m->b[a]);
    return strcmp(query(s, "SELECT a, b FROM r ORDER BY a"), sc_buf_cstr(&wanted)) == 0;
}

static void look_after_the_crash(struct world *w)
{
    char total[32];
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(w->f);
    assert_string_equal(query(s, "PRAGMA integrity_check"), "ok");
    snprintf(total, sizeof total, "%d", ACCOUNTS * BALANCE);
    assert_string_equal(query(s, "SELECT sum(balance) FROM account"), total);
    if (equals(s, &w->committed)) {
        w->in_flight_lost += w->in_flight;
    } else {
        if (!w->in_flight || !equals(s, &w->maybe))
            fail_msg("crash %u: the table is neither as acknowledged nor as the commit in flight made it", w->crashes);
        w->committed = w->maybe;
        w->in_flight_kept++;
    }
    w->in_flight = false;
}

static void indexes_agree_with_tables_after_every_crash(void **state)
{
    struct world w = {.f = *state};
    const uint64_t seed = 20261125;
    sc_prng_init(&w.prng, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    struct sc_sql_session *s = session_new(w.f);
    run(s, "CREATE TABLE r(a INTEGER PRIMARY KEY, b INT, c TEXT UNIQUE, d TEXT)");
    run(s, "CREATE INDEX r_b ON r(b)");
    run(s, "CREATE UNIQUE INDEX r_ba ON r(b, a DESC) WHERE b IS NOT NULL");
    run(s, "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT)");
    for (int i = 0; i < ACCOUNTS; i++)
        assert_true(try_run(s, "INSERT INTO account VALUES(%d, %d)", i, BALANCE));
    for (int i = 0; i < ROWS; i++)
        w.committed.b[i] = -1;
    for (; w.crashes < CRASHES; w.crashes++) {
        sc_store_memory_fail_at(w.f->store, 1 + sc_prng_below(&w.prng, 60), false, sc_prng_below(&w.prng, 2) != 0);
        bool alive = true;
        for (int n = 0; alive && n < 60; n++)
            alive = sc_prng_below(&w.prng, 8) == 0 ? change_schema(&w, s) : transaction(&w, s);
        sc_sql_session_free(s);
        fixture_crash(w.f, (enum sc_store_cut)sc_prng_below(&w.prng, 3), &w.prng);
        look_after_the_crash(&w);
        s = session_new(w.f);
    }
    sc_sql_session_free(s);
    print_message("%u crashes, %u commits in flight kept, %u lost, %u changes of schema\n", w.crashes, w.in_flight_kept,
                  w.in_flight_lost, w.ddl);
    assert_true(w.in_flight_kept > 10 && w.in_flight_lost > 10 && w.ddl > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(indexes_agree_with_tables_after_every_crash, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
