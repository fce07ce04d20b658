/* sql/internal.h - what session, virtual tables and DDL share.
 *
 * Transactions are ours, not SQLite's: SQLite always runs in autocommit mode, so that each statement is one SQLite
 * transaction, whose failure xRollback() maps to a mark in the session's KVS transaction.  BEGIN, SAVEPOINT and their
 * like never reach it.  That keeps one list of marks in one place, whichever way (SQL or bulk) rows are written. */
#ifndef SC_SQL_INTERNAL_H
#define SC_SQL_INTERNAL_H

#include "sql/dict.h"
#include "sql/rowids.h"
#include "sql/sql.h"

#include <pthread.h>
#include <sqlite3.h>

struct sc_sql_db {
    struct sc_kvs *kvs;
    pthread_rwlock_t lock; /* guards tables, table_count, table_id_next; commits hold it shared, DDL exclusively */
    struct sql_table **tables;
    size_t table_count;
    uint32_t table_id_next;
    _Atomic uint64_t schema_version;
};

#define SQL_SAVEPOINT_COUNT_MAX 64
struct sql_savepoint {
    char name[SQL_NAME_SIZE_MAX];
    size_t mark;
};

enum sql_tx_kind { SQL_TX_NONE, SQL_TX_STATEMENT, SQL_TX_DEFERRED, SQL_TX_EXPLICIT };

struct sc_sql_session {
    struct sc_sql_db *db;
    struct sc_sql_session_options opt;
    sqlite3 *sqlite;
    bool internal; /* our own DDL on the connection is running */

    /* the schema as this session declared it to SQLite */
    struct sql_table **tables;
    size_t table_count;
    uint64_t schema_version;

    /* transaction */
    enum sql_tx_kind tx;
    bool tx_failed;
    struct sc_kvs_txn *txn;           /* NULL when tx is SQL_TX_NONE */
    struct sc_kvs_snapshot *snapshot; /* what reading statements outside transactions see */
    struct sql_table **written;       /* tables this transaction wrote: a drop of one must fail the commit */
    size_t written_count;
    size_t tx_size;
    struct sql_savepoint *savepoints;
    size_t savepoint_count;

    /* statements */
    unsigned active;             /* executions begun and not finished */
    struct sc_sql_stmt *running; /* the one inside sqlite3_step() */
    size_t statement_mark;
    struct sql_rowids rowids;
    _Atomic bool cancelled;
    int64_t deadline_us; /* 0: none */

    bool failed; /* error is that of the call in progress */
    struct sc_sql_error error;

    struct sc_buf key, other_key, row; /* scratch of writes */
};

/* What the front end must know of an INSERT (insert.c): SQLite hands a virtual table NULL for a column that the
 * statement does not name, and no type for a parameter. */
struct sql_insert {
    struct sql_table *table; /* NULL: not understood, or no INSERT */
    uint8_t omitted[SQL_COLUMN_COUNT_MAX / 8];
    uint16_t *param_column; /* [n - 1] = column + 1, 0 unknown */
    size_t param_count;
};

struct sc_sql_stmt {
    struct sc_sql_session *session;
    enum sql_kind kind;
    char *text;
    size_t text_size;
    sqlite3_stmt *sqlite; /* NULL for what the front end does itself */
    bool read_only;
    bool executing;
    bool do_nothing; /* ON CONFLICT DO NOTHING: ignores duplicates, not NULLs */
    uint64_t schema_version;
    struct sql_insert insert;
    size_t param_count;  /* the highest number */
    int *params;         /* [n - 1] = SQLite's index of parameter n, 0: does not occur */
    size_t insert_shift; /* bytes that " OR IGNORE" moved what follows */
    size_t insert_shift_at;
    int64_t changes; /* -1: a COMMIT that rolled back */
};

/* ---- errors (error.c) ---- */
sc_err sql_fail(struct sc_sql_session *s, const char *sqlstate, const char *fmt, ...) SC_PRINTF(3, 4);
/* As the storage told it; table may be NULL. */
sc_err sql_fail_storage(struct sc_sql_session *s, sc_err err, const struct sc_diag *diag, const char *what);
/* As SQLite told it. */
sc_err sql_fail_sqlite(struct sc_sql_session *s, int rc);
sc_err sql_err_of_state(const char *sqlstate);

/* ---- transactions (tx.c) ---- */
/* A transaction to write in: the open one, or one for the statement (or until settled). */
sc_err sql_tx_need(struct sc_sql_session *s) SC_MUST_CHECK;
/* A snapshot to read from where no transaction is open. */
sc_err sql_snapshot_need(struct sc_sql_session *s) SC_MUST_CHECK;
sc_err sql_tx_commit(struct sc_sql_session *s) SC_MUST_CHECK;
void sql_tx_abort(struct sc_sql_session *s);
/* BEGIN ... ROLLBACK TO. */
sc_err sql_tx_control(struct sc_sql_session *s, struct sc_sql_stmt *st) SC_MUST_CHECK;
sc_err sql_tx_wrote(struct sc_sql_session *s, struct sql_table *t, size_t size) SC_MUST_CHECK;

/* ---- rows (write.c) ---- */
enum sql_conflict { SQL_CONFLICT_FAIL, SQL_CONFLICT_REPLACE };
/* Values in declaration order, changed in place by affinity; *number_out (may be NULL) gets a number given by us. */
sc_err sql_row_insert(struct sc_sql_session *s, struct sql_table *t, struct sc_sql_value *values,
                      enum sql_conflict conflict, int64_t *number_out) SC_MUST_CHECK;
sc_err sql_row_update(struct sc_sql_session *s, struct sql_table *t, struct sc_slice old_key,
                      struct sc_sql_value *values, enum sql_conflict conflict) SC_MUST_CHECK;
sc_err sql_row_delete(struct sc_sql_session *s, struct sql_table *t, struct sc_slice key) SC_MUST_CHECK;

/* ---- reading (tx.c) ---- */
sc_err sql_read(struct sc_sql_session *s, struct sc_slice key, struct sc_buf *value_out) SC_MUST_CHECK;
sc_err sql_range(struct sc_sql_session *s, const struct sc_kvs_range *range, struct sc_kvs_iter **out) SC_MUST_CHECK;

/* ---- schema (schema.c) ---- */
sc_err sql_schema_load(struct sc_sql_db *db, struct sc_diag *diag) SC_MUST_CHECK;
/* Declares to SQLite what others created, forgets what they dropped.  Only while no statement is active. */
sc_err sql_schema_refresh(struct sc_sql_session *s) SC_MUST_CHECK;
struct sql_table *sql_schema_find(struct sc_sql_session *s, const char *name);
struct sql_table *sql_schema_find_id(struct sc_sql_session *s, uint32_t id);
sc_err sql_schema_create(struct sc_sql_session *s, struct sc_sql_stmt *st) SC_MUST_CHECK;
sc_err sql_schema_drop(struct sc_sql_session *s, struct sc_sql_stmt *st) SC_MUST_CHECK;
int64_t sql_rows_estimate(struct sc_sql_session *s, struct sql_table *t);

/* ---- CREATE TABLE (define.c) ---- */
/* Lets SQLite parse the statement in a scratch database and reads back what it understood; id 0. */
sc_err sql_define(struct sc_sql_session *s, struct sc_slice statement, struct sql_table **out) SC_MUST_CHECK;

/* ---- INSERT (insert.c) ---- */
sc_err sql_insert_look(struct sc_sql_session *s, struct sc_slice statement, struct sql_insert *out) SC_MUST_CHECK;
void sql_insert_deinit(struct sql_insert *in);
/* INSERT ... ON CONFLICT [(...)] DO NOTHING, which SQLite refuses for virtual tables, as INSERT OR IGNORE ... in out.
 * false: the statement is something else, out is unchanged. */
bool sql_insert_do_nothing(struct sc_slice statement, struct sc_buf *out);

/* ---- virtual tables (vtab.c, catalog.c) ---- */
extern const sqlite3_module sql_table_module;
sc_err sql_catalog_register(struct sc_sql_session *s) SC_MUST_CHECK;
void sql_value_from(sqlite3_value *v, struct sc_sql_value *out);
void sql_value_result(sqlite3_context *ctx, const struct sc_sql_value *v);

#endif
