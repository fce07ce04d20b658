/* cascadb/internal.h - what the parts of a connection share.
 *
 * Failures inside: a function that fails has filled c->error (the client's mistake, or the statement's: it is told and
 * the connection goes on) or set c->fatal (the stream is broken, or the peer's bytes are: the connection ends). */
#ifndef SC_CASCADB_INTERNAL_H
#define SC_CASCADB_INTERNAL_H

#include "cascadb/connection.h"
#include "cascadb/copy.h"
#include "cascadb/message.h"
#include "cascadb/prepare.h"
#include "cascadb/settings.h"
#include "cascadb/types.h"

#define PG_STATEMENT_COUNT_MAX 256
#define PG_PORTAL_COUNT_MAX    64
#define PG_FLUSH_SIZE          ((size_t)32 << 10)

struct pg_portal;
struct pg_statement {
    struct pg_statement *next;
    struct sc_slice name; /* owned */
    struct sc_sql_stmt *stmt;
    uint32_t *param_oids;
    size_t param_count;
    bool described;         /* the client was told column types by what is known without running */
    struct pg_portal *user; /* the portal that runs stmt; others need one of their own */
};
struct pg_portal {
    struct pg_portal *next;
    struct sc_slice name; /* owned */
    struct pg_statement *statement;
    struct sc_sql_stmt *stmt; /* the statement's, or own */
    struct sc_sql_stmt *own;
    struct sc_buf result_formats;
    uint32_t *column_oids;  /* NULL: not known yet */
    size_t column_count;
    bool begun, row_ready, done;
    uint64_t row_count;     /* sent so far */
    uint64_t size;          /* bytes of them */
};

struct pg_connection {
    const struct pg_connection_options *opt;
    struct pg_principal who;  /* once logged in */
    int64_t startup_until_us; /* of the monotonic clock */
    struct sc_sql_session *session;
    struct sc_buf in;
    size_t in_used;  /* bytes of `in` behind us */
    struct sc_buf out;
    struct sc_diag *diag;
    bool fatal;
    struct sc_sql_error error;
    struct sc_buf where; /* the error's context; empty: none */
    bool tx_failed;  /* a mistake that the session did not see broke the open transaction */
    bool skipping;   /* after an error in the extended protocol: to the next Sync */
    bool terminated;
    struct pg_statement *statements;
    size_t statement_count;
    struct pg_portal *portals;
    size_t portal_count;
    struct sc_buf query, scratch, scratch_row;
    char application_name[64];
};

/* ---- connection.c ---- */
/* The next message; it borrows from c->in until the next call. */
sc_err pg_read_message(struct pg_connection *c, int timeout_ms, struct pg_frame *out) SC_MUST_CHECK;
/* As above before the client is known: short messages only, and by the end of the startup's time. */
sc_err pg_read_login(struct pg_connection *c, struct pg_frame *out) SC_MUST_CHECK;
sc_err pg_flush(struct pg_connection *c) SC_MUST_CHECK;
sc_err pg_flush_if_full(struct pg_connection *c) SC_MUST_CHECK;
/* Ends the connection: tells the client and returns code. */
sc_err pg_fatal(struct pg_connection *c, sc_err code, const char *sqlstate, const char *fmt, ...) SC_PRINTF(4, 5);
/* c->error = what the session said about the failed call. */
sc_err pg_session_failed(struct pg_connection *c, sc_err err);
/* Sends c->error as ErrorResponse; query (may be empty) is the text its position counts in, from byte offset on. */
void pg_report(struct pg_connection *c, struct sc_slice query, size_t offset);
void pg_notice_send(struct pg_connection *c, const char *sqlstate, const char *fmt, ...) SC_PRINTF(3, 4);
bool pg_stopping(const struct pg_connection *c);
/* For the journal: a statement that ran, or (duration 0) did not get that far; err tells whether c->error says why not. */
void pg_note(struct pg_connection *c, struct sc_slice statement, int64_t begun_us, int64_t rows, sc_err err);
/* Is the open transaction broken, so that only its end is allowed?  Fills the error. */
sc_err pg_check_transaction(struct pg_connection *c, enum sql_kind kind) SC_MUST_CHECK;

/* ---- login.c: who is it? ---- */
/* Asks for a password (SCRAM) and fills c->who. */
sc_err pg_login(struct pg_connection *c, struct sc_slice user) SC_MUST_CHECK;

/* ---- portal.c: running one statement and sending what comes of it ---- */
/* Space for the longest CommandComplete tag. */
#define PG_TAG_SIZE ((size_t)64)
void pg_portal_deinit(struct pg_portal *p);
/* Sends RowDescription or NoData.  May run a reading statement up to its first row, to know the types. */
sc_err pg_portal_describe(struct pg_connection *c, struct pg_portal *p) SC_MUST_CHECK;
/* Settles the column types by what is known without running, as pg_statement_describe() told them. */
sc_err pg_portal_types_static(struct pg_portal *p) SC_MUST_CHECK;
sc_err pg_statement_describe(struct pg_connection *c, struct pg_statement *s) SC_MUST_CHECK;
/* Runs up to row_count_max rows (0: all).  *more_out: suspended.  tag: for CommandComplete when done; "": the statement
 * was empty.  with_description: as the simple protocol wants it. */
sc_err pg_portal_run(struct pg_connection *c, struct pg_portal *p, uint64_t row_count_max, bool with_description,
                     bool *more_out, char tag[static PG_TAG_SIZE]) SC_MUST_CHECK;

/* ---- extended.c: the extended query protocol ---- */
sc_err pg_extended(struct pg_connection *c, const struct pg_frame *f) SC_MUST_CHECK;
void pg_portals_close(struct pg_connection *c);
void pg_statements_close(struct pg_connection *c);
void pg_unnamed_close(struct pg_connection *c);

/* ---- settings.c: SET and SHOW ---- */
void pg_settings_send(struct pg_connection *c);
sc_err pg_set_run(struct pg_connection *c, struct sc_slice text) SC_MUST_CHECK;
/* Name and value of what SHOW asks for; borrowed. */
sc_err pg_show_find(struct pg_connection *c, struct sc_slice text, const char **name_out, const char **value_out) SC_MUST_CHECK;

/* ---- copy_run.c: COPY ---- */
sc_err pg_copy_run(struct pg_connection *c, struct sc_slice text, char tag[static PG_TAG_SIZE]) SC_MUST_CHECK;

#endif
