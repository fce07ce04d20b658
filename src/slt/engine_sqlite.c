/* SQLite with tables of its own: the reference that scripts and our answers are held against. */
#include "slt/engine.h"

#include "base/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define PROGRESS_STEPS 10000 /* virtual-machine steps between looks at the clock */

struct sc_slt_engine {
    sqlite3 *db;
    char *path; /* removed at the end; NULL: in memory */
    int64_t statement_ms_max;
    int64_t deadline_us; /* 0: none */
    struct sc_sql_value *values;
    size_t value_capacity;
};

static void engine_close(struct sc_slt_engine *e)
{
    if (e == NULL)
        return;
    sqlite3_close(e->db);
    if (e->path != NULL)
        unlink(e->path);
    free(e->path);
    free(e->values);
    free(e);
}

static void engine_closep(struct sc_slt_engine **e)
{
    engine_close(*e);
}

static int is_late(void *arg)
{
    const struct sc_slt_engine *e = arg;
    return e->deadline_us != 0 && sc_mono_us(&sc_clock_system) > e->deadline_us;
}

static sc_err scratch_make(const char *dir, struct sc_slt_engine *e, struct sc_diag *diag)
{
    if (asprintf(&e->path, "%s/slt-XXXXXX", dir) < 0) {
        e->path = NULL;
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    }
    const int fd = mkstemp(e->path);
    if (fd < 0) {
        const sc_err err = sc_fail_errno(diag, SC_E_IO, "%s", e->path);
        free(SC_TAKE(e->path));
        return err;
    }
    close(fd);
    return SC_OK;
}

static sc_err engine_open(const struct sc_slt_engine_options *opt, struct sc_slt_engine **out, struct sc_diag *diag)
{
    SC_CLEANUP(engine_closep) struct sc_slt_engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    if (opt->scratch != NULL)
        SC_TRY(scratch_make(opt->scratch, e, diag));
    if (sqlite3_open(e->path != NULL ? e->path : ":memory:", &e->db) != SQLITE_OK)
        return sc_fail(diag, SC_E_IO, "SQLite: %s", sqlite3_errmsg(e->db));
    e->statement_ms_max = opt->statement_ms_max;
    sqlite3_progress_handler(e->db, PROGRESS_STEPS, is_late, e);
    *out = SC_TAKE(e);
    return SC_OK;
}

static sc_err engine_failed(struct sc_slt_engine *e, struct sc_diag *diag)
{
    const bool late = sqlite3_errcode(e->db) == SQLITE_INTERRUPT;
    return sc_fail(diag, late ? SC_E_LIMIT : SC_E_USAGE, "%s", late ? "took too long" : sqlite3_errmsg(e->db));
}

static struct sc_sql_value column(sqlite3_stmt *st, int i)
{
    const void *bytes;
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        return sc_sql_integer(sqlite3_column_int64(st, i));
    case SQLITE_FLOAT:
        return sc_sql_real(sqlite3_column_double(st, i));
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(st, i);
        return sc_sql_text(sc_slice_of(bytes, (size_t)sqlite3_column_bytes(st, i)));
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(st, i);
        return sc_sql_blob(sc_slice_of(bytes, (size_t)sqlite3_column_bytes(st, i)));
    default:
        return sc_sql_null();
    }
}

static sc_err row_hand(struct sc_slt_engine *e, sqlite3_stmt *st, sc_slt_row_fn row, void *arg)
{
    const size_t count = (size_t)sqlite3_column_count(st);
    if (count > e->value_capacity) {
        struct sc_sql_value *values = reallocarray(e->values, count, sizeof *values);
        if (values == NULL)
            return SC_E_NOMEM;
        e->values = values;
        e->value_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        e->values[i] = column(st, (int)i);
    return row(arg, e->values, count);
}

static sc_err statement_run(struct sc_slt_engine *e, sqlite3_stmt *st, sc_slt_row_fn row, void *arg,
                            struct sc_diag *diag)
{
    int rc;
    e->deadline_us = e->statement_ms_max != 0 ? sc_mono_us(&sc_clock_system) + 1000 * e->statement_ms_max : 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        if (row != NULL)
            SC_TRY(row_hand(e, st, row, arg));
    return rc == SQLITE_DONE ? SC_OK : engine_failed(e, diag);
}

static sc_err engine_run(struct sc_slt_engine *e, struct sc_slice sql, sc_slt_row_fn row, void *arg,
                         struct sc_diag *diag)
{
    const char *at = (const char *)sql.ptr;
    const char *end = at + sql.size;
    while (at < end) {
        sqlite3_stmt *st = NULL;
        if (sqlite3_prepare_v2(e->db, at, (int)(end - at), &st, &at) != SQLITE_OK)
            return engine_failed(e, diag);
        if (st == NULL)
            continue; /* blanks, comments */
        const sc_err err = statement_run(e, st, row, arg, diag);
        sqlite3_finalize(st);
        if (err != SC_OK)
            return err;
    }
    return SC_OK;
}

const struct sc_slt_engine_ops sc_slt_engine_sqlite = {"sqlite", engine_open, engine_run, engine_close};
