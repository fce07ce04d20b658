/* slt/engine.h - what a script is run on: a database that starts empty and takes SQL. */
#ifndef SC_SLT_ENGINE_H
#define SC_SLT_ENGINE_H

#include "sql/value.h"

struct sc_slt_engine_options {
    const char *scratch;      /* keep the data in new directories below this one, removed afterwards; NULL: in memory */
    int64_t statement_ms_max; /* 0: no limit */
};
struct sc_slt_engine; /* opaque; belongs to one thread at a time */
/* A row; values are borrowed until it returns.  Its error ends the query and is returned. */
typedef sc_err (*sc_slt_row_fn)(void *arg, const struct sc_sql_value *values, size_t count);

struct sc_slt_engine_ops {
    const char *name;
    sc_err (*open)(const struct sc_slt_engine_options *opt, struct sc_slt_engine **out, struct sc_diag *diag);
    /* Runs all statements of sql one after another up to the first that fails (diag says why).  row may be NULL. */
    sc_err (*run)(struct sc_slt_engine *e, struct sc_slice sql, sc_slt_row_fn row, void *arg, struct sc_diag *diag);
    void (*close)(struct sc_slt_engine *e); /* NULL is fine; the data goes away */
};
extern const struct sc_slt_engine_ops sc_slt_engine_cascadb;
/* SQLite with its own tables, as a reference: what differs from it is ours. */
extern const struct sc_slt_engine_ops sc_slt_engine_sqlite;
/* "cascadb" or "sqlite"; NULL for others. */
const struct sc_slt_engine_ops *sc_slt_engine_find(const char *name);

#endif
