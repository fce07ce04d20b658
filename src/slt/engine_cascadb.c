/* CascaDB in this process, on a volume in memory or in a scratch directory. */
#include "slt/engine.h"

#include "base/file.h"
#include "cascadb/local.h"

#include <stdio.h>
#include <string.h>

struct sc_slt_engine {
    char *dir; /* ours, removed at the end; NULL: in memory */
    struct sc_local *local;
    struct sc_sql_session *session;
    struct sc_sql_value *values; /* of a row */
    size_t value_capacity;
};

static void engine_close(struct sc_slt_engine *e)
{
    if (e == NULL)
        return;
    sc_sql_session_free(e->session);
    sc_local_close(e->local);
    if (e->dir != NULL)
        sc_ignore(sc_dir_remove(e->dir, NULL)); /* scratch: whoever gave us the directory cleans it */
    free(e->dir);
    free(e->values);
    free(e);
}

static void engine_closep(struct sc_slt_engine **e)
{
    engine_close(*e);
}

static sc_err scratch_make(const char *parent, char **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = NULL;
    SC_TRY(sc_dir_make(parent, 0700, diag));
    if (asprintf(&path, "%s/slt-XXXXXX", parent) < 0) {
        path = NULL;
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    }
    if (mkdtemp(path) == NULL)
        return sc_fail_errno(diag, SC_E_IO, "%s", parent);
    *out = SC_TAKE(path);
    return SC_OK;
}

static sc_err engine_open(const struct sc_slt_engine_options *opt, struct sc_slt_engine **out, struct sc_diag *diag)
{
    SC_CLEANUP(engine_closep) struct sc_slt_engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    if (opt->scratch != NULL)
        SC_TRY(scratch_make(opt->scratch, &e->dir, diag));
    const struct sc_local_options local = {.dir = e->dir, .create = true};
    SC_TRY(sc_local_open(&local, &e->local, diag));
    const struct sc_sql_session_options session = {.statement_ms_max = opt->statement_ms_max};
    SC_TRY(sc_sql_session_new(sc_local_db(e->local), &session, &e->session, diag));
    *out = SC_TAKE(e);
    return SC_OK;
}

static sc_err session_failed(struct sc_slt_engine *e, sc_err err, struct sc_diag *diag)
{
    const struct sc_sql_error *error = sc_sql_session_error(e->session);
    return sc_fail(diag, err, "%s (%s)", error->message, error->sqlstate);
}

static sc_err row_hand(struct sc_slt_engine *e, struct sc_sql_stmt *st, sc_slt_row_fn row, void *arg)
{
    const size_t count = sc_sql_column_count(st);
    if (count > e->value_capacity) {
        struct sc_sql_value *values = reallocarray(e->values, count, sizeof *values);
        if (values == NULL)
            return SC_E_NOMEM;
        e->values = values;
        e->value_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        e->values[i] = sc_sql_column(st, i);
    return row(arg, e->values, count);
}

static sc_err statement_run(struct sc_slt_engine *e, struct sc_sql_stmt *st, sc_slt_row_fn row, void *arg,
                            struct sc_diag *diag)
{
    for (;;) {
        bool there = false;
        sc_err err = sc_sql_step(st, &there);
        if (err != SC_OK)
            return session_failed(e, err, diag);
        if (!there)
            return SC_OK;
        if (row != NULL)
            SC_TRY(row_hand(e, st, row, arg));
    }
}

static sc_err engine_run(struct sc_slt_engine *e, struct sc_slice sql, sc_slt_row_fn row, void *arg,
                         struct sc_diag *diag)
{
    while (sql.size != 0) {
        SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
        size_t used = 0;
        const sc_err err = sc_sql_prepare(e->session, sql, &st, &used);
        if (err != SC_OK)
            return session_failed(e, err, diag);
        SC_TRY(statement_run(e, st, row, arg, diag));
        sql = sc_slice_of(sql.ptr + used, sql.size - used);
    }
    return SC_OK;
}

const struct sc_slt_engine_ops sc_slt_engine_cascadb = {"cascadb", engine_open, engine_run, engine_close};

const struct sc_slt_engine_ops *sc_slt_engine_find(const char *name)
{
    if (strcmp(name, sc_slt_engine_cascadb.name) == 0)
        return &sc_slt_engine_cascadb;
    return strcmp(name, sc_slt_engine_sqlite.name) == 0 ? &sc_slt_engine_sqlite : NULL;
}
