/* The same random statements on our tables and on SQLite's own: the same rows, counts and constraint failures. */
#include "base/clock.h"
#include "fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SEED 77001u

static struct sc_prng prng;

static unsigned below(unsigned n)
{
    return (unsigned)sc_prng_below(&prng, n);
}

static const char *literal(void)
{
    static const char *const values[] = {"0",     "1",   "2",   "3",  "-1",  "4.0",   "2.5", "-0.5", "'1'",
                                         "'2.0'", "'a'", "'b'", "''", "'A'", "x'61'", "1e3", "7",    "NULL"};
    return values[below(sizeof values / sizeof values[0])];
}

static const char *columns[] = {"a", "b", "c", "d"};

static void put_term(struct sc_buf *q, const char *table)
{
    static const char *const ops[] = {"=", "<", "<=", ">", ">=", "<>", "IS", "IS NOT"};
    const char *column = columns[below(4)];
    switch (below(6)) {
    case 0:
        sc_buf_put_fmt(q, "%s.%s IN (%s, %s, %s)", table, column, literal(), literal(), literal());
        break;
    case 1:
        sc_buf_put_fmt(q, "%s.%s BETWEEN %s AND %s", table, column, literal(), literal());
        break;
    case 2:
        sc_buf_put_fmt(q, "%s %s %s.%s", literal(), ops[below(8)], table, column);
        break;
    default:
        sc_buf_put_fmt(q, "%s.%s %s %s", table, column, ops[below(8)], literal());
    }
}

static void put_where(struct sc_buf *q, const char *table)
{
    const unsigned n = below(4);
    for (unsigned i = 0; i < n; i++) {
        sc_buf_put_str(q, i == 0 ? " WHERE " : below(4) == 0 ? " OR " : " AND ");
        put_term(q, table);
    }
}

/* Ordered by the key as much as by anything, and totally ordered at the end so that results compare. */
static void put_order(struct sc_buf *q, const char *table)
{
    const unsigned n = below(3);
    const char *all = below(2) ? " DESC" : "";
    sc_buf_put_str(q, " ORDER BY ");
    for (unsigned i = 0; i < n; i++)
        sc_buf_put_fmt(q, "%s.%s%s, ", table, columns[below(2) ? i : below(4)], below(5) == 0 ? " DESC" : all);
    sc_buf_put_fmt(q, "%s.a%s, %s.b%s, typeof(%s.c), %s.c, %s.d", table, all, table, all, table, table, table);
}

/* 1 and 1.0 are one group: which of them represents it is nobody's promise. */
#define NUMBER(x) "CASE WHEN typeof(" x ") IN ('integer', 'real') THEN 1.0 * " x " ELSE " x " END"

static const char *random_select(struct sc_buf *q, const char *t, const char *u)
{
    switch (below(6)) {
    case 0:
        sc_buf_put_fmt(
            q, "SELECT count(*), total(a), " NUMBER("min(b)") ", " NUMBER("max(b)") ", count(c), total(d) FROM %s", t);
        put_where(q, t);
        break;
    case 1:
        sc_buf_put_fmt(q, "SELECT " NUMBER("a") ", count(*), " NUMBER("max(d)") " FROM %s", t);
        put_where(q, t);
        sc_buf_put_str(q, below(2) ? " GROUP BY a ORDER BY a" : " GROUP BY a ORDER BY a DESC");
        break;
    case 2:
        sc_buf_put_fmt(q, "SELECT " NUMBER("a") ", " NUMBER("b") " FROM (SELECT DISTINCT a, b FROM %s", t);
        put_where(q, t);
        sc_buf_put_str(q, ") ORDER BY a, b");
        break;
    case 3: {
        static const char *const joins[] = {"x.a = y.a", "x.a = y.b",
                                            "x.b = y.b", "x.a = y.c",
                                            "x.c = y.a", "x.a = y.a AND x.b = y.b",
                                            "x.d = y.a", "x.a = y.a AND y.b > x.b",
                                            "x.b = y.a", "x.c = y.b"};
        sc_buf_put_fmt(q, "SELECT x.a, x.b, y.a, y.b FROM %s x %s JOIN %s y ON %s", t, below(3) == 0 ? "LEFT" : "", u,
                       joins[below(10)]);
        put_where(q, "x");
        sc_buf_put_str(q, " ORDER BY 1, 2, 3, 4");
        break;
    }
    case 4:
        sc_buf_put_fmt(q, "SELECT a, b, typeof(a), typeof(b), c, d FROM %s WHERE %s IN (SELECT %s FROM %s", t,
                       columns[below(4)], columns[below(4)], u);
        put_where(q, u);
        sc_buf_put_str(q, ")");
        put_order(q, t);
        break;
    default:
        sc_buf_put_fmt(q, "SELECT a, typeof(a), b, typeof(b), c, typeof(c), d FROM %s", t);
        put_where(q, t);
        put_order(q, t);
        if (below(3) == 0)
            sc_buf_put_fmt(q, " LIMIT %u OFFSET %u", below(6), below(4));
    }
    return sc_buf_cstr(q);
}

static const char *random_change(struct sc_buf *q, const char *t, const char *u)
{
    static const char *const ors[] = {"", " OR IGNORE", " OR REPLACE"};
    switch (below(8)) {
    case 0:
        sc_buf_put_fmt(q, "UPDATE%s %s SET %s = %s", ors[below(2)], t, columns[2 + below(2)], literal());
        put_where(q, t);
        break;
    case 1: /* one row at most: the order in which rows are visited must not matter */
        sc_buf_put_fmt(q, "UPDATE%s %s SET %s = %s WHERE a = %s AND b = %s", ors[below(3)], t, columns[below(2)],
                       literal(), literal(), literal());
        break;
    case 2:
        sc_buf_put_fmt(q, "DELETE FROM %s WHERE a = %s AND ", t, literal());
        put_term(q, t);
        break;
    case 3:
        sc_buf_put_fmt(q, "INSERT OR IGNORE INTO %s SELECT b, a, d, c FROM %s", t, u);
        put_where(q, u);
        sc_buf_put_str(q, " ORDER BY a, b");
        break;
    case 4:
        sc_buf_put_fmt(q, "INSERT%s INTO %s(b, a) VALUES(%s, %s)", ors[below(3)], t, literal(), literal());
        break;
    default:
        sc_buf_put_fmt(q, "INSERT%s INTO %s VALUES(%s, %s, %s, %s), (%s, %s, %s, %s)", ors[below(3)], t, literal(),
                       literal(), literal(), literal(), literal(), literal(), literal(), literal());
    }
    return sc_buf_cstr(q);
}

static void put_native(struct sc_buf *out, sqlite3_stmt *st, int i)
{
    char hex[2 * 64 + 1];
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        sc_buf_put_fmt(out, "%lld", (long long)sqlite3_column_int64(st, i));
        break;
    case SQLITE_FLOAT:
        sc_buf_put_fmt(out, "%.15gr", sqlite3_column_double(st, i));
        break;
    case SQLITE_TEXT:
        sc_buf_put_str(out, (const char *)sqlite3_column_text(st, i));
        break;
    case SQLITE_BLOB:
        sc_hex_encode(sc_slice_of(sqlite3_column_blob(st, i), (size_t)sqlite3_column_bytes(st, i)), hex);
        sc_buf_put_fmt(out, "x'%s'", hex);
        break;
    default:
        sc_buf_put_str(out, "-");
    }
}

static int native(sqlite3 *db, const char *text, struct sc_buf *out)
{
    sqlite3_stmt *st = NULL;
    sc_buf_reset(out);
    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (out->size != 0)
            sc_buf_put_str(out, "\n");
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            if (i != 0)
                sc_buf_put_str(out, "|");
            put_native(out, st, i);
        }
    }
    sqlite3_finalize(st);
    return rc;
}

static void compare_changes(struct sc_sql_session *s, sqlite3 *db, const char *text)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf unused = {0};
    const int rc = native(db, text, &unused);
    const sc_err err = sc_sql_exec(s, text);
    if ((rc == SQLITE_DONE) != (err == SC_OK))
        fail_msg("seed %u: %s\nnative: %s\nours: %s", SEED, text, sqlite3_errmsg(db),
                 err == SC_OK ? "fine" : sc_sql_session_error(s)->message);
    if (err != SC_OK)
        assert_memory_equal(sc_sql_session_error(s)->sqlstate, "23", 2);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lines of text sorted, each ended. */
static void put_sorted(struct sc_buf *out, const char *text)
{
    SC_CLEANUP(sc_freep) char *copy = strdup(text);
    SC_CLEANUP(sc_freep) char **lines = calloc(strlen(text) + 1, sizeof *lines);
    size_t count = 0;
    assert_true(copy != NULL && lines != NULL);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;)
        lines[count++] = line;
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++)
        sc_buf_put_fmt(out, "%s\n", lines[i]);
}

/* Joins are compared without their order: where x.number = y.text and x is one row, stock SQLite (3.40) takes y.text
 * for a constant and drops it from ORDER BY, though '10' and '10.0' both equal 10. */
static void compare_rows(struct sc_sql_session *s, sqlite3 *db, const char *text)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf expected = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf expected_sorted = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf got_sorted = {0};
    assert_int_equal(native(db, text, &expected), SQLITE_DONE);
    const char *got = query(s, text);
    bool same = strcmp(sc_buf_cstr(&expected), got) == 0;
    if (!same && strstr(text, "JOIN") != NULL) {
        put_sorted(&expected_sorted, sc_buf_cstr(&expected));
        put_sorted(&got_sorted, got);
        same = strcmp(sc_buf_cstr(&expected_sorted), sc_buf_cstr(&got_sorted)) == 0;
    }
    if (!same)
        fail_msg("seed %u: %s\nnative:\n%s\nours:\n%s", SEED, text, sc_buf_cstr(&expected), got);
}

static void random_statements_do_what_sqlite_does(void **state)
{
    /* All types of keys: numbers, text, none; composite ones in another order than the columns; nothing NULL, since
     * SQLite's own rowid tables let NULL into primary keys and WITHOUT ROWID tables, ours and PostgreSQL's do not. */
    static const char *const tables[] = {
        "CREATE TABLE %s(a INTEGER, b INTEGER, c TEXT, d REAL, PRIMARY KEY(a, b)) WITHOUT ROWID",
        "CREATE TABLE %s(a TEXT, b REAL, c INTEGER, d NUMERIC DEFAULT 3, PRIMARY KEY(b, a)) WITHOUT ROWID",
        "CREATE TABLE %s(a, b TEXT, c TEXT DEFAULT 'z', d, PRIMARY KEY(a, b)) WITHOUT ROWID",
        "CREATE TABLE %s(a NUMERIC PRIMARY KEY, b NOT NULL, c, d REAL) WITHOUT ROWID",
        "CREATE TABLE %s(a INT, b TEXT, c INTEGER NOT NULL DEFAULT 1, d TEXT, PRIMARY KEY(b)) WITHOUT ROWID",
    };
    const size_t count = sizeof tables / sizeof tables[0];
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = session_new(*state);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sc_prng_init(&prng, SEED);
    char names[5][8];
    for (size_t i = 0; i < count; i++) {
        char text[200];
        snprintf(names[i], sizeof names[i], "t%zu", i);
        snprintf(text, sizeof text, tables[i], names[i]);
        run(s, text);
        assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    }
    for (int round = 0; round < 2500; round++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf q = {0};
        const char *t = names[below((unsigned)count)];
        const char *u = names[below((unsigned)count)];
        if (below(3) == 0)
            compare_changes(s, db, random_change(&q, t, u));
        else
            compare_rows(s, db, random_select(&q, t, u));
    }
    for (size_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "SELECT * FROM %s", names[i]);
        compare_rows(s, db, text);
    }
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_statements_do_what_sqlite_does, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
