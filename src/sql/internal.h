/* sql/internal.h - what session, virtual tables and DDL share.
 *
 * Transactions are ours, not SQLite's: SQLite always runs in autocommit mode, so that each statement is one SQLite
 * transaction, whose failure xRollback() maps to a mark in the session's transaction.  BEGIN, SAVEPOINT and their
 * like never reach it.  That keeps one list of marks in one place, whichever way (SQL or bulk) rows are written. */
#ifndef SC_SQL_INTERNAL_H
#define SC_SQL_INTERNAL_H

#include "sql/dict.h"
#include "sql/rowids.h"
#include "sql/sql.h"

#include <pthread.h>
#include <sqlite3.h>

#define SQL_TEXT_SIZE_MAX    ((size_t)4 << 20)
#define SQL_PARAM_NUMBER_MAX 32766 /* SQLite's own limit */

/* A view, or an INSTEAD OF trigger of one: declared to each session's SQLite as it is. */
struct sql_view {
    _Atomic unsigned refs;
    uint32_t id;
    enum sql_object_type type;
    char *name, *sql;
};

#define SQL_COUNT_SLOTS 1024 /* sessions that write at the same time without sharing a summand */
struct sc_sql_db {
    struct sql_kv kv;
    pthread_mutex_t ddl; /* one DDL statement at a time; guards mirror */
    sqlite3 *mirror;
    pthread_rwlock_t lock;       /* guards the lists and id_next; commits hold it shared, DDL exclusively to publish */
    struct sql_object **objects; /* by id */
    size_t object_count;
    struct sql_table **tables;
    size_t table_count;
    struct sql_view **views;
    size_t view_count;
    uint32_t id_next;
    _Atomic uint64_t schema_version;
    pthread_mutex_t slots_lock;
    uint8_t slots[SQL_COUNT_SLOTS / 8]; /* taken by sessions */
    pthread_mutex_t numbers_lock;       /* guards numbers */
    struct sql_number *numbers; /* next hidden or AUTOINCREMENT number of each table, given out in this process */
    size_t number_count;
};
struct sql_number {
    uint32_t table_id;
    int64_t next;
};

#define SQL_SAVEPOINT_COUNT_MAX 64
struct sql_savepoint {
    char name[SQL_NAME_SIZE_MAX];
    size_t mark;
    size_t fk_count;
};

enum sql_tx_kind { SQL_TX_NONE, SQL_TX_STATEMENT, SQL_TX_DEFERRED, SQL_TX_EXPLICIT };

struct sql_written {
    struct sql_table *table;
    int64_t delta, delta_mark; /* rows more than the transaction's counter says; the same at the statement's start */
};

/* A foreign key to be looked at again at the end of the statement or transaction: fk.c. */
struct sql_fk_check {
    struct sql_table *child;
    uint16_t fk;
    struct sc_slice key; /* tuple of the values, heap */
};

struct sql_program; /* eval.c: prepared expressions of a table */

struct sc_sql_session {
    struct sc_sql_db *db;
    struct sql_kv kv; /* the db's */
    struct sc_sql_session_options opt;
    sqlite3 *sqlite;
    bool internal; /* our own DDL on the connection is running */
    size_t slot;   /* of row counters */

    /* the schema as this session declared it to SQLite */
    struct sql_table **tables;
    size_t table_count;
    struct sql_view **views;
    size_t view_count;
    uint64_t schema_version;
    struct sql_program **programs; /* in the order of use */
    size_t program_count;

    /* transaction */
    enum sql_tx_kind tx;
    bool tx_failed, tx_read_only, serializable, serializable_next, tracking;
    struct sql_kv_txn *txn;           /* NULL when tx is SQL_TX_NONE */
    struct sql_kv_snapshot *snapshot; /* what reading statements outside transactions see */
    struct sql_written *written;      /* tables this transaction wrote: a change of one must fail the commit */
    size_t written_count;
    size_t tx_size;
    struct sql_savepoint *savepoints;
    size_t savepoint_count;
    struct sql_fk_check *fk_checks; /* immediate ones of the statement behind fk_statement, deferred ones before */
    size_t fk_check_count, fk_statement;

    /* statements */
    unsigned active;             /* executions begun and not finished */
    struct sc_sql_stmt *running; /* the one inside sqlite3_step() */
    size_t statement_mark;
    struct sql_rowids rowids;
    _Atomic bool cancelled;
    int64_t deadline_us;                     /* 0: none */
    const struct sc_sql_value *eval_rows[2]; /* what row tables show: eval.h */
    const struct sql_dml *answering;         /* whose rows RETURNING shows */
    unsigned trigger_depth;
    const struct sql_trigger *firing[32];
    size_t firing_count;
    bool raised_ignore;      /* RAISE(IGNORE) is on its way up */
    bool ignore_row;         /* the row being written is stepped over */
    int64_t last_number;     /* last_insert_rowid() */
    struct sql_trace *trace; /* EXPLAIN KEYS */
    void *spare_cursors[8];  /* of vtab.c */
    size_t spare_count;
    struct sc_diag diag;           /* sql_diag() */
    bool no_fast;                  /* what is being prepared shall be SQLite's to run */
    struct sc_sql_stmt *cache[16]; /* freed statements that may be prepared again; newest first */

    bool failed; /* error is that of the call in progress */
    struct sc_sql_error error;

    struct sc_buf key, row, entry, other; /* scratch of writes */
};

/* What the front end must know of a statement that writes (dml.c): SQLite hands a virtual table NULL for a column that
 * an INSERT does not name, and no type for a parameter; RETURNING and ON CONFLICT DO UPDATE it cannot do on one. */
struct sql_upsert {
    const struct sql_index *target; /* NULL: any */
    bool update;
    uint16_t set_count;
    uint16_t set_columns[SQL_COLUMN_COUNT_MAX];
    struct sc_sql_stmt *program; /* SELECT where, value... FROM row, excluded */
};
struct sql_dml {
    struct sql_table *table; /* NULL: not understood */
    uint8_t omitted[SQL_COLUMN_COUNT_MAX / 8];
    uint16_t *param_column; /* [n - 1] = column + 1, 0 unknown */
    size_t param_count;
    size_t upsert_count;
    struct sql_upsert *upserts;
    struct sc_sql_stmt *returning; /* SELECT ... over the rows written */
    struct sc_arena *rows;         /* of them */
    struct sc_sql_value **row_values;
    size_t row_count, row_capacity;
    /* INSERT INTO t [(columns)] VALUES (parameter or literal, ...): run without SQLite */
    struct sql_fast *fast;
};

struct sc_sql_stmt {
    struct sc_sql_session *session;
    enum sql_kind kind;
    char *text;
    size_t text_size;
    sqlite3_stmt *sqlite;          /* NULL for what the front end does itself */
    struct sc_sql_stmt *answer;    /* another statement's rows are this one's: RETURNING, EXPLAIN KEYS */
    struct sc_sql_stmt *explained; /* EXPLAIN KEYS: what is run */
    bool read_only;
    bool executing;
    bool answering; /* the work is done, answer is being stepped through */
    bool nested;    /* part of another statement: a trigger's, an upsert's */
    uint64_t schema_version;
    struct sql_dml dml;
    size_t param_count;   /* the highest number */
    int *params;          /* [n - 1] = SQLite's index of parameter n, 0: does not occur */
    bool rewritten;       /* positions of errors would point into another text */
    bool bound_to_schema; /* prepared again when the schema changes; SQLite does that by itself for others */
    bool keep_partial;    /* OR FAIL: what was written before the error stays */
    int64_t changes;      /* -1: a COMMIT that rolled back */
};

/* sc_sql_db_open() on any store. */
sc_err sql_db_open(struct sql_kv kv, struct sc_sql_db **out, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- errors (error.c) ---- */
/* An empty diag for one call to the store: zeroing one of its own for each column read would cost more than the
 * reading. */
static inline struct sc_diag *sql_diag(struct sc_sql_session *s)
{
    s->diag.code = SC_OK;
    s->diag.text[0] = '\0';
    return &s->diag;
}
sc_err sql_fail(struct sc_sql_session *s, const char *sqlstate, const char *fmt, ...) SC_PRINTF(3, 4);
/* As the storage told it. */
sc_err sql_fail_storage(struct sc_sql_session *s, sc_err err, const struct sc_diag *diag, const char *what);
/* As SQLite (the session's, or the mirror) told it. */
sc_err sql_fail_sqlite(struct sc_sql_session *s, int rc);
sc_err sql_fail_sqlite_of(struct sc_sql_session *s, sqlite3 *sqlite, int rc);
sc_err sql_err_of_state(const char *sqlstate);
static inline sc_err sql_no_memory(struct sc_sql_session *s)
{
    return sql_fail(s, "53200", "out of memory");
}

/* ---- transactions (tx.c) ---- */
/* A transaction to write in: the open one, or one for the statement (or until settled). */
sc_err sql_tx_need(struct sc_sql_session *s) SC_MUST_CHECK;
/* A snapshot to read from where no transaction is open. */
sc_err sql_snapshot_need(struct sc_sql_session *s) SC_MUST_CHECK;
sc_err sql_tx_commit(struct sc_sql_session *s) SC_MUST_CHECK;
void sql_tx_abort(struct sc_sql_session *s);
/* BEGIN ... ROLLBACK TO, SET TRANSACTION. */
sc_err sql_tx_control(struct sc_sql_session *s, struct sc_sql_stmt *st) SC_MUST_CHECK;
/* Counts size bytes against the limit and rows more (or fewer) in t. */
sc_err sql_tx_wrote(struct sc_sql_session *s, struct sql_table *t, size_t size, int64_t rows) SC_MUST_CHECK;
void sql_tx_statement_begin(struct sc_sql_session *s);
/* Undoes what the statement wrote so far. */
void sql_tx_statement_undo(struct sc_sql_session *s);
/* Reads from here on count as written, so that what a foreign key relies on stays. */
void sql_tx_track(struct sc_sql_session *s);

/* ---- reading (tx.c) ---- */
sc_err sql_read(struct sc_sql_session *s, struct sc_slice key, struct sc_buf *value_out) SC_MUST_CHECK;
sc_err sql_range(struct sc_sql_session *s, const struct sql_kv_range *range, struct sql_kv_iter **out) SC_MUST_CHECK;
/* All keys of a kind and id; calls each() until it says done or fails. */
sc_err sql_scan(struct sc_sql_session *s, struct sc_slice lower, struct sc_slice upper,
                sc_err (*each)(void *arg, struct sc_slice key, struct sc_slice value, bool *done),
                void *arg) SC_MUST_CHECK;

/* ---- counts and statistics (count.c) ---- */
/* Rows of t as the session sees it now, exact. */
sc_err sql_count(struct sc_sql_session *s, struct sql_table *t, int64_t *out) SC_MUST_CHECK;
/* Writes what written tables owe their counters; before a savepoint and a commit. */
sc_err sql_count_flush(struct sc_sql_session *s) SC_MUST_CHECK;
int64_t sql_rows_estimate(struct sc_sql_session *s, struct sql_table *t);
sc_err sql_analyze(struct sc_sql_session *s, const struct sc_sql_stmt *st) SC_MUST_CHECK;
sc_err sql_statistics_load(struct sc_sql_db *db, struct sql_table *t, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sql_count_register(struct sc_sql_session *s) SC_MUST_CHECK;
/* SELECT count(*) FROM table, as a call of cascadb_row_count() in out; false: something else. */
bool sql_count_rewrite(struct sc_sql_session *s, struct sc_slice statement, struct sc_buf *out);

/* ---- PRAGMA integrity_check (check.c) ---- */
sc_err sql_check_register(struct sc_sql_session *s) SC_MUST_CHECK;
/* PRAGMA integrity_check [(table)], as a call of our function in out; false: something else. */
bool sql_check_rewrite(struct sc_slice statement, struct sc_buf *out);

/* ---- rows (write.c) ---- */
enum sql_conflict { SQL_CONFLICT_FAIL, SQL_CONFLICT_REPLACE, SQL_CONFLICT_IGNORE };
/* Values in declaration order, changed in place by affinity, defaults (omitted may be NULL) and generated columns;
 * number: the hidden number asked for, or NULL; *number_out (may be NULL) gets the row's.  dml (may be NULL): upserts
 * and RETURNING. With SQL_CONFLICT_IGNORE a row may be stepped over: s->ignore_row. */
sc_err sql_row_insert(struct sc_sql_session *s, struct sql_table *t, struct sc_sql_value *values,
                      const uint8_t *omitted, const int64_t *number, enum sql_conflict conflict, struct sql_dml *dml,
                      int64_t *number_out) SC_MUST_CHECK;
/* set[i]: values[i] is given; others stay.  values has room for all. */
sc_err sql_row_update(struct sc_sql_session *s, struct sql_table *t, struct sc_slice old_key,
                      struct sc_sql_value *values, const bool *set, enum sql_conflict conflict,
                      struct sql_dml *dml) SC_MUST_CHECK;
sc_err sql_row_delete(struct sc_sql_session *s, struct sql_table *t, struct sc_slice key,
                      struct sql_dml *dml) SC_MUST_CHECK;
/* All columns of a stored row; bytes are borrowed from key, value or go into arena. */
sc_err sql_row_values(struct sc_sql_session *s, const struct sql_table *t, struct sc_slice key, struct sc_slice value,
                      struct sc_arena *arena, struct sc_sql_value *out) SC_MUST_CHECK;
/* Entry of index ix for a row: key and value; *in_out = false when a partial index does not have it. */
sc_err sql_entry(struct sc_sql_session *s, struct sql_table *t, size_t index, const struct sc_sql_value *values,
                 struct sc_slice row_key, struct sc_buf *key_out, struct sc_slice *value_out,
                 bool *in_out) SC_MUST_CHECK;
/* Number behind the last row of t as the session sees it. */
sc_err sql_next_number(struct sc_sql_session *s, struct sql_table *t, int64_t *out) SC_MUST_CHECK;

/* ---- foreign keys (fk.c) ---- */
sc_err sql_fk_inserted(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *values) SC_MUST_CHECK;
/* new_values NULL: deleted.  Acts on children. */
sc_err sql_fk_changed(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *old_values,
                      const struct sc_sql_value *new_values) SC_MUST_CHECK;
/* At the end of a statement (false) or transaction (true). */
sc_err sql_fk_judge(struct sc_sql_session *s, bool commit) SC_MUST_CHECK;
void sql_fk_forget(struct sc_sql_session *s, size_t from);
/* Whether some table of the session references t. */
bool sql_fk_is_parent(const struct sc_sql_session *s, const struct sql_table *t);

/* ---- triggers (trigger.c) ---- */
sc_err sql_trigger_fire(struct sc_sql_session *s, struct sql_table *t, enum sql_event event, bool before,
                        const struct sc_sql_value *old_values, const struct sc_sql_value *new_values,
                        const bool *set) SC_MUST_CHECK;
sc_err sql_trigger_register(struct sc_sql_session *s) SC_MUST_CHECK;

/* ---- schema (schema.c, ddl.c, build.c) ---- */
sc_err sql_schema_load(struct sc_sql_db *db, struct sc_diag *diag) SC_MUST_CHECK;
void sql_schema_free(struct sc_sql_db *db);
/* Declares to SQLite what others created, forgets what they dropped.  Only while no statement is active. */
sc_err sql_schema_refresh(struct sc_sql_session *s) SC_MUST_CHECK;
void sql_schema_forget(struct sc_sql_session *s);
struct sql_table *sql_schema_find(struct sc_sql_session *s, const char *name);
struct sql_table *sql_schema_find_id(struct sc_sql_session *s, uint32_t id);
/* CREATE, DROP, ALTER, REINDEX. */
sc_err sql_ddl(struct sc_sql_session *s, struct sc_sql_stmt *st) SC_MUST_CHECK;
sc_err sql_mirror_open(sqlite3 **out, struct sc_diag *diag) SC_MUST_CHECK;
/* A word in double quotes is a name, as in the standard, never a string by SQLite's leniency: a misspelt column would
 * silently become its own name's text, and what logs keep as a name would be a literal. */
void sql_names_only_in_double_quotes(sqlite3 *db);
void sql_view_unref(struct sql_view *v);
sc_err sql_run_internal(struct sc_sql_session *s, char *sql) SC_MUST_CHECK; /* frees sql */
/* Entries of index number `index` of t for all rows, within txn (already behind a barrier against writers). */
sc_err sql_build_at_once(struct sc_sql_session *s, struct sql_table *t, size_t index) SC_MUST_CHECK;
/* The same in steps beside writers, who keep it up already. */
sc_err sql_build_online(struct sc_sql_session *s, struct sql_table *t, size_t index) SC_MUST_CHECK;
/* Deletes all keys of a dropped object and its mark. */
sc_err sql_clear_object(struct sc_sql_db *db, uint32_t id, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- DML texts (dml.c) ---- */
/* What st's text says; *text_out is what SQLite shall prepare (in out when it differs). */
sc_err sql_dml_look(struct sc_sql_stmt *st, struct sc_buf *out, struct sc_slice *text_out) SC_MUST_CHECK;
void sql_dml_deinit(struct sql_dml *dml);
sc_err sql_dml_keep_row(struct sc_sql_session *s, struct sql_dml *dml, const struct sc_sql_value *values) SC_MUST_CHECK;

/* ---- INSERT without SQLite (fast.c) ---- */
/* Makes st->dml.fast if st is such a statement. */
sc_err sql_fast_look(struct sc_sql_stmt *st) SC_MUST_CHECK;
void sql_fast_free(struct sql_fast *f); /* NULL is fine */
sc_err sql_fast_bind(struct sc_sql_stmt *st, size_t n, const struct sc_sql_value *v) SC_MUST_CHECK;
const struct sc_sql_value *sql_fast_value(const struct sql_fast *f, size_t n);
sc_err sql_fast_run(struct sc_sql_stmt *st) SC_MUST_CHECK;

/* ---- statements of our own within statements (stmt.c) ---- */
sc_err sql_nested_prepare(struct sc_sql_session *s, struct sc_slice text, struct sc_sql_stmt **out) SC_MUST_CHECK;
sc_err sql_nested_step(struct sc_sql_stmt *st, bool *row_out) SC_MUST_CHECK;
sc_err sql_nested_reset(struct sc_sql_stmt *st) SC_MUST_CHECK;
int sql_progress(void *session);
void sql_stmt_cache_clear(struct sc_sql_session *s);
/* What every execution begins with, and ends with; err is what the work itself said. */
sc_err sql_execution_begin(struct sc_sql_session *s, enum sql_kind kind, bool read_only) SC_MUST_CHECK;
sc_err sql_execution_end(struct sc_sql_session *s, sc_err err, bool keep_partial) SC_MUST_CHECK;
void sql_session_authorizer(struct sc_sql_session *s); /* puts ours back */

/* ---- virtual tables (vtab.c, plan.c, catalog.c) ---- */
extern const sqlite3_module sql_table_module;
void sql_cursors_free(struct sc_sql_session *s);
int sql_best_index(sqlite3_vtab *base, sqlite3_index_info *info);
sc_err sql_catalog_register(struct sc_sql_session *s) SC_MUST_CHECK;
void sql_value_from(sqlite3_value *v, struct sc_sql_value *out);
void sql_value_result(sqlite3_context *ctx, const struct sc_sql_value *v);
int sql_value_bind(sqlite3_stmt *st, int i, const struct sc_sql_value *v);
/* "col type, ..." for sqlite3_declare_vtab(), with collations. */
char *sql_declaration(const struct sql_table *t, const char *more);
struct sql_vtab {
    sqlite3_vtab base;
    struct sc_sql_session *session;
    struct sql_table *table;
};

#endif
