/* Generated statements on our tables and on SQLite's own: the same rows, or both refuse.
 * SC_DIFFERENTIAL_QUERIES: how many queries (default 20,000; 2,000 with sanitizers; 0: until something differs). */
#include "generate.h"
#include "slt/engine.h"
#include "test.h"

#include <math.h>

#define QUERIES_PER_WORLD 250
#define STATEMENT_MS_MAX  20000

#if defined(__SANITIZE_ADDRESS__)
#define QUERIES_DEFAULT 2000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUERIES_DEFAULT 2000
#endif
#endif
#ifndef QUERIES_DEFAULT
#define QUERIES_DEFAULT 20000
#endif

struct side {
    const struct sc_slt_engine_ops *ops;
    struct sc_slt_engine *engine;
    char **rows; /* each as text */
    size_t row_count, row_capacity;
    sc_err err;
    struct sc_diag diag;
};
struct counts {
    uint64_t queries, rows, refused, empty, changes, failed_changes, worlds, indexes, views, unsupported;
};
struct world {
    struct gen gen;
    struct side ours, native;
    struct counts *counts;
    uint64_t seed;
    struct sc_buf script; /* all statements so far, to repeat a failure by hand */
};

/* ---- running ---- */
static void put_value(struct sc_buf *out, const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_NULL:
        sc_buf_put_str(out, "NULL");
        break;
    case SC_SQL_INTEGER:
        sc_buf_put_fmt(out, "%" PRId64, v->integer);
        break;
    case SC_SQL_REAL: /* 1 and 1.0 may stand for each other in a group; -0.0 is 0 */
        if (v->real == floor(v->real) && fabs(v->real) < 1e15)
            sc_buf_put_fmt(out, "%" PRId64, (int64_t)v->real);
        else
            sc_buf_put_fmt(out, "%.14g", v->real);
        break;
    default:
        sc_buf_put_str(out, "'");
        sc_buf_put_bytes(out, v->bytes);
        sc_buf_put_str(out, "'");
    }
}

static sc_err row_take(void *arg, const struct sc_sql_value *values, size_t count)
{
    struct side *s = arg;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    for (size_t i = 0; i < count; i++) {
        sc_buf_put_str(&text, i == 0 ? "" : "|");
        put_value(&text, &values[i]);
    }
    if (s->row_count == s->row_capacity) {
        s->row_capacity = 2 * s->row_capacity + 64;
        s->rows = reallocarray(s->rows, s->row_capacity, sizeof *s->rows);
        assert_non_null(s->rows);
    }
    s->rows[s->row_count] = strdup(sc_buf_cstr(&text));
    assert_non_null(s->rows[s->row_count++]);
    return SC_OK;
}

static void rows_drop(struct side *s)
{
    while (s->row_count != 0)
        free(s->rows[--s->row_count]);
}

static void side_run(struct side *s, struct sc_slice sql)
{
    rows_drop(s);
    s->diag = (struct sc_diag){0};
    s->err = s->ops->run(s->engine, sql, row_take, s, &s->diag);
}

static int rows_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void rows_sort(struct side *s)
{
    qsort(s->rows, s->row_count, sizeof *s->rows, rows_compare);
}

/* ---- judging ---- */
/* Prints what to type to see the difference again. */
static void script_save(struct world *w)
{
    const char *path = getenv("SC_DIFFERENTIAL_SCRIPT");
    struct sc_diag diag = {0};
    if (path == NULL)
        print_message("SC_DIFFERENTIAL_SCRIPT=FILE keeps the statements that led here\n");
    else
        assert_ok_diag(sc_file_write(path, sc_buf_slice(&w->script), 0600, &diag), &diag);
}

static void differ(struct world *w, const char *sql, const char *what)
{
    script_save(w);
    print_message("ours:\n");
    for (size_t i = 0; i < w->ours.row_count && i < 20; i++)
        print_message("  %s\n", w->ours.rows[i]);
    print_message("SQLite:\n");
    for (size_t i = 0; i < w->native.row_count && i < 20; i++)
        print_message("  %s\n", w->native.rows[i]);
    fail_msg("world of seed %" PRIu64 ", %" PRIu64 " queries on: %s\n%s\nours: %s\nSQLite: %s", w->seed,
             w->counts->queries, what, sql, w->ours.err == SC_OK ? "fine" : w->ours.diag.text,
             w->native.err == SC_OK ? "fine" : w->native.diag.text);
}

static bool rows_equal(const struct world *w)
{
    if (w->ours.row_count != w->native.row_count)
        return false;
    for (size_t i = 0; i < w->ours.row_count; i++)
        if (strcmp(w->ours.rows[i], w->native.rows[i]) != 0)
            return false;
    return true;
}

static void both_run(struct world *w, struct sc_buf *sql)
{
    side_run(&w->ours, sc_buf_slice(sql));
    side_run(&w->native, sc_buf_slice(sql));
    sc_buf_put_bytes(&w->script, sc_buf_slice(sql));
    sc_buf_put_str(&w->script, ";\n");
    if ((w->ours.err == SC_OK) != (w->native.err == SC_OK))
        differ(w, sc_buf_cstr(sql), "one refused, the other did not");
}

static void query_compare(struct world *w)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    bool ordered = false;
    gen_query(&w->gen, &sql, &ordered);
    both_run(w, &sql);
    /* Joins are compared without their order: where x.number = y.text and x is one row, stock SQLite (3.40) takes
     * y.text for a constant and drops it from ORDER BY, though '10' and '10.0' both equal 10. */
    if (!ordered || strstr(sc_buf_cstr(&sql), "JOIN") != NULL || strstr(sc_buf_cstr(&sql), ", t") != NULL) {
        rows_sort(&w->ours);
        rows_sort(&w->native);
    }
    if (!rows_equal(w))
        differ(w, sc_buf_cstr(&sql), "other rows");
    w->counts->queries++;
    w->counts->rows += w->ours.row_count;
    w->counts->refused += w->ours.err != SC_OK;
    w->counts->empty += w->ours.err == SC_OK && w->ours.row_count == 0;
}

/* After each change, so that a difference is told where it begins. */
static void tables_compare(struct world *w, const char *change)
{
    for (size_t i = 0; i < w->gen.table_count; i++) {
        char sql[32];
        snprintf(sql, sizeof sql, "SELECT * FROM %s", w->gen.tables[i].name);
        side_run(&w->ours, sc_slice_str(sql));
        side_run(&w->native, sc_slice_str(sql));
        rows_sort(&w->ours);
        rows_sort(&w->native);
        if (w->ours.err != SC_OK || !rows_equal(w))
            differ(w, change, sql);
    }
}

static void change_both(struct world *w)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    gen_change(&w->gen, &sql);
    both_run(w, &sql);
    rows_sort(&w->ours); /* of RETURNING */
    rows_sort(&w->native);
    if (!rows_equal(w) && w->ours.err == SC_OK)
        differ(w, sc_buf_cstr(&sql), "RETURNING gives other rows");
    w->counts->changes++;
    w->counts->failed_changes += w->ours.err != SC_OK;
    tables_compare(w, sc_buf_cstr(&sql));
}

/* ---- worlds ---- */
static void table_make(struct world *w)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    gen_create_table(&w->gen, &sql);
    both_run(w, &sql);
    if (w->ours.err != SC_OK)
        differ(w, sc_buf_cstr(&sql), "no table");
}

/* false: not offered here (yet); then the reference goes without as well. */
static bool define_both(struct world *w, struct sc_buf *sql)
{
    side_run(&w->ours, sc_buf_slice(sql));
    if (w->ours.err == SC_E_UNSUPPORTED) {
        w->counts->unsupported++;
        return false;
    }
    sc_buf_put_bytes(&w->script, sc_buf_slice(sql));
    sc_buf_put_str(&w->script, ";\n");
    side_run(&w->native, sc_buf_slice(sql));
    if ((w->ours.err == SC_OK) != (w->native.err == SC_OK))
        differ(w, sc_buf_cstr(sql), "one refused, the other did not");
    return w->ours.err == SC_OK;
}

static void index_make(struct world *w)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    gen_create_index(&w->gen, &sql);
    w->counts->indexes += define_both(w, &sql);
}

static void view_make(struct world *w)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    gen_create_view(&w->gen, &sql);
    const bool worked = define_both(w, &sql);
    gen_view_known(&w->gen, worked);
    w->counts->views += worked;
}

static void world_open(struct world *w, uint64_t seed)
{
    const struct sc_slt_engine_options opt = {.statement_ms_max = STATEMENT_MS_MAX};
    struct sc_diag diag = {0};
    w->seed = seed;
    gen_init(&w->gen, seed);
    w->ours.ops = &sc_slt_engine_cascadb;
    w->native.ops = &sc_slt_engine_sqlite;
    assert_ok_diag(w->ours.ops->open(&opt, &w->ours.engine, &diag), &diag);
    assert_ok_diag(w->native.ops->open(&opt, &w->native.engine, &diag), &diag);
    for (int i = 0; i < TABLES_MAX; i++)
        table_make(w);
    for (int i = 0; i < 3; i++) /* before there are rows; others come when there are some */
        index_make(w);
    for (int i = 0; i < 40; i++)
        change_both(w);
    for (int i = 0; i < 2; i++)
        view_make(w);
}

static void side_close(struct side *s)
{
    rows_drop(s);
    free(s->rows);
    s->ops->close(s->engine);
    *s = (struct side){0};
}

static void world_run(uint64_t seed, uint64_t queries, struct counts *counts)
{
    struct world w = {.counts = counts};
    world_open(&w, seed);
    for (uint64_t i = 0; i < queries; i++) {
        if (i % 4 == 0)
            change_both(&w);
        if (i % 50 == 49)
            index_make(&w);
        query_compare(&w);
    }
    side_close(&w.ours);
    side_close(&w.native);
    sc_buf_deinit(&w.script);
    counts->worlds++;
}

static void generated_statements_do_what_sqlite_does(void **state)
{
    const char *env = getenv("SC_DIFFERENTIAL_QUERIES");
    const uint64_t wanted = env != NULL ? strtoull(env, NULL, 10) : QUERIES_DEFAULT;
    const uint64_t seed = test_seed(4200);
    struct counts c = {0};
    (void)state;
    while (wanted == 0 || c.queries < wanted)
        world_run(seed + c.worlds, QUERIES_PER_WORLD, &c);
    print_message("%" PRIu64 " queries in %" PRIu64 " databases: %" PRIu64 " rows, %" PRIu64 " without rows, %" PRIu64
                  " refused by both; %" PRIu64 " changes, %" PRIu64 " refused by both; %" PRIu64 " indexes, %" PRIu64
                  " views, %" PRIu64 " definitions not offered\n",
                  c.queries, c.worlds, c.rows, c.empty, c.refused, c.changes, c.failed_changes, c.indexes, c.views,
                  c.unsupported);
    /* Queries that are all empty or all refused would prove nothing. */
    assert_true(c.refused < c.queries / 20 && c.empty < c.queries * 3 / 5 && c.rows > c.queries);
    assert_true(c.failed_changes < c.changes / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_statements_do_what_sqlite_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
