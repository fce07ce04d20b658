/* sql/sql.h - CascaDB: SQL over the Secure KVS.
 *
 * SQLite parses, plans and runs; each table is a virtual table whose rows live in the KVS (docs/services/cascadb.md
 * says which SQL is offered).  A sc_sql_db is thread-safe; a session with its statements belongs to one thread at a
 * time, except sc_sql_session_cancel().  Statements are freed before their session, sessions before the db.
 *
 * Errors: the sc_err says what a caller can do, sc_sql_session_error() has SQLSTATE, text and place for a human:
 *   SC_E_CONFLICT   40001  another transaction won: start over
 *   SC_E_EXISTS     23505, 42P07
 *   SC_E_NOT_FOUND  42P01, 42703 ...
 *   SC_E_USAGE      the statement is wrong           SC_E_UNSUPPORTED  0A000
 *   SC_E_LIMIT      a time, memory or size limit     SC_E_AUTH         25006, 42501, or the storage lies (XX001)
 * After an error inside BEGIN..COMMIT only ROLLBACK (TO) helps; other statements fail with 25P02. */
#ifndef SC_SQL_SQL_H
#define SC_SQL_SQL_H

#include "kvs/kvs.h"
#include "sql/lex.h"
#include "sql/value.h"

/* ---- database ---- */
struct sc_sql_db;
/* Reads the dictionary of kvs (borrowed; must outlive the db) and finishes deletions that a crash interrupted. */
sc_err sc_sql_db_open(struct sc_kvs *kvs, struct sc_sql_db **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_sql_db_close(struct sc_sql_db *db); /* NULL is fine */
void sc_sql_db_closep(struct sc_sql_db **db);
size_t sc_sql_db_table_count(struct sc_sql_db *db);
/* All sessions of the process together; a statement beyond it fails with 53200. */
void sc_sql_heap_limit_set(int64_t bytes);

/* ---- sessions ---- */
struct sc_sql_error {
    char sqlstate[6];
    size_t position; /* of the offending token: 1-based byte in the statement's text; 0: unknown */
    char message[500];
};
struct sc_sql_session_options {
    bool read_only;
    /* false: each statement outside BEGIN..COMMIT commits by itself.  true: such statements share one transaction until
     * sc_sql_session_settle() - what a PostgreSQL pipeline expects, and what makes it fast. */
    bool deferred_commit;
    int64_t statement_ms_max;    /* 0: no limit */
    size_t transaction_size_max; /* bytes of keys and values written; 0: 256 MiB */
};
struct sc_sql_session;
sc_err sc_sql_session_new(struct sc_sql_db *db, const struct sc_sql_session_options *opt, struct sc_sql_session **out,
                          struct sc_diag *diag) SC_MUST_CHECK;
void sc_sql_session_free(struct sc_sql_session *s); /* rolls back; NULL is fine */
void sc_sql_session_freep(struct sc_sql_session **s);
const struct sc_sql_error *sc_sql_session_error(const struct sc_sql_session *s); /* of the last failed call */
/* Makes the running statement fail with 57014; from any thread. */
void sc_sql_session_cancel(struct sc_sql_session *s);

enum sc_sql_tx { SC_SQL_TX_NONE, SC_SQL_TX_OPEN, SC_SQL_TX_FAILED }; /* of explicit transactions */
enum sc_sql_tx sc_sql_session_tx(const struct sc_sql_session *s);
/* An error outside the session (a malformed parameter, say) spoils an open BEGIN..COMMIT as one inside does. */
void sc_sql_session_spoil(struct sc_sql_session *s);
/* Ends the transaction of deferred_commit, durably when commit; does nothing inside BEGIN..COMMIT. */
sc_err sc_sql_session_settle(struct sc_sql_session *s, bool commit) SC_MUST_CHECK;

/* ---- statements ---- */
struct sc_sql_stmt;
/* Prepares the first statement of text; *used_out = bytes consumed, its semicolon included.  A text without a statement
 * gives one of kind SQL_KIND_EMPTY. */
sc_err sc_sql_prepare(struct sc_sql_session *s, struct sc_slice text, struct sc_sql_stmt **out,
                      size_t *used_out) SC_MUST_CHECK;
void sc_sql_stmt_free(struct sc_sql_stmt *st); /* NULL is fine; an unfinished one is finished first */
void sc_sql_stmt_freep(struct sc_sql_stmt **st);
enum sql_kind sc_sql_stmt_kind(const struct sc_sql_stmt *st);
bool sc_sql_stmt_read_only(const struct sc_sql_stmt *st);
/* The statement's text, as SHOW and SET are left to the server. */
struct sc_slice sc_sql_stmt_text(const struct sc_sql_stmt *st);
size_t sc_sql_param_count(const struct sc_sql_stmt *st); /* the highest n of ?n or $n */
/* Declared type of the column that INSERT ... VALUES gives parameter n (1-based) to; NULL when not known. */
const char *sc_sql_param_type(const struct sc_sql_stmt *st, size_t n);
/* Copies v.  Parameters count from 1.  Only between executions (SC_E_USAGE). */
sc_err sc_sql_bind(struct sc_sql_stmt *st, size_t n, const struct sc_sql_value *v) SC_MUST_CHECK;
/* Runs to the next row; *row_out = false when done (and, outside a transaction, committed durably). */
sc_err sc_sql_step(struct sc_sql_stmt *st, bool *row_out) SC_MUST_CHECK;
/* Ends an execution early and makes it ready to run again; bindings stay.  After done or an error it is implied. */
sc_err sc_sql_reset(struct sc_sql_stmt *st) SC_MUST_CHECK;
size_t sc_sql_column_count(const struct sc_sql_stmt *st);
const char *sc_sql_column_name(const struct sc_sql_stmt *st, size_t i);
const char *sc_sql_column_type(const struct sc_sql_stmt *st, size_t i); /* as declared; NULL for an expression */
/* Of the current row; bytes are borrowed until the next call on st. */
struct sc_sql_value sc_sql_column(const struct sc_sql_stmt *st, size_t i);
/* Rows inserted, updated or deleted by the last execution; -1 for a COMMIT that rolled back. */
int64_t sc_sql_changes(const struct sc_sql_stmt *st);
/* Runs all statements of text, dropping rows. */
sc_err sc_sql_exec(struct sc_sql_session *s, const char *text) SC_MUST_CHECK;

/* ---- bulk loading: straight to the row encoder ---- */
struct sc_sql_bulk;
/* columns NULL: all, in order.  Columns left out get their defaults.  Within the session's transaction, or one of its
 * own that sc_sql_bulk_end() commits. */
sc_err sc_sql_bulk_begin(struct sc_sql_session *s, const char *table, const char *const *columns, size_t column_count,
                         struct sc_sql_bulk **out) SC_MUST_CHECK;
size_t sc_sql_bulk_column_count(const struct sc_sql_bulk *b);
const char *sc_sql_bulk_column_type(const struct sc_sql_bulk *b, size_t i);
/* Copies. */
sc_err sc_sql_bulk_row(struct sc_sql_bulk *b, const struct sc_sql_value *values) SC_MUST_CHECK;
/* Frees b.  commit false, or an earlier failure of bulk_row: nothing of it stays. */
sc_err sc_sql_bulk_end(struct sc_sql_bulk *b, bool commit, int64_t *rows_out) SC_MUST_CHECK;

#endif
