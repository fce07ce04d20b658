/* cascadb/connection.h - one client's connection, from its startup message to its end: the PostgreSQL protocol's state
 * machine over an abstract stream of bytes.  One thread a connection. */
#ifndef SC_CASCADB_CONNECTION_H
#define SC_CASCADB_CONNECTION_H

#include "cascadb/auth.h"
#include "cascadb/journal.h"
#include "service/metrics.h"
#include "sql/sql.h"

struct pg_stream {
    /* At least one byte into out; *size_out = 0 at the peer's end.  SC_E_AGAIN: nothing came within timeout_ms (< 0: for
     * ever). */
    sc_err (*read)(void *self, uint8_t *out, size_t size, int timeout_ms, size_t *size_out, struct sc_diag *diag);
    sc_err (*write)(void *self, struct sc_slice bytes, int timeout_ms, struct sc_diag *diag);
    void *self;
};

/* What all connections count together. */
struct pg_metrics {
    struct sc_metric *statements, *errors, *rows_in, *rows_out;
};

struct pg_connection_options {
    struct pg_stream stream;
    struct sc_sql_db *db;             /* borrowed */
    const struct pg_principal *principal; /* whom the certificate names, borrowed; NULL: a password login is demanded */
    const struct pg_auth *auth;       /* judges that; borrowed; NULL (HTTP only): nobody may log in */
    struct sc_slice end_point;        /* tls-server-end-point of the channel; empty: no channel binding */
    uint32_t process, key;            /* for CancelRequest */
    const struct pg_metrics *metrics; /* borrowed */
    struct pg_journal *journal;       /* borrowed; NULL: none is kept */
    uint64_t result_size_max;         /* bytes of rows a statement may send; 0: no limit */
    const _Atomic bool *stopping;     /* the server ends: so does this connection, after the statement in hand */
    int startup_ms_max;               /* for all up to the end of the login */
    int idle_ms_max;                  /* < 0: no limit */
    int write_ms_max;                 /* a client that does not read */
    int64_t statement_ms_max;         /* 0: no limit */
    /* Tells the session that a cancel request may reach; NULL: no longer. */
    void (*session_changed)(void *arg, struct sc_sql_session *session);
    void (*cancel)(void *arg, uint32_t process, uint32_t key); /* a CancelRequest came this way */
    void *arg;
};
/* Serves the connection to its end.  SC_OK when the client said goodbye (or only cancelled), else why it was closed;
 * what can be told the client was told. */
sc_err pg_connection_run(const struct pg_connection_options *opt, struct sc_diag *diag) SC_MUST_CHECK;

/* For connections that end before they begin: one FATAL ErrorResponse into out. */
void pg_refusal(struct sc_buf *out, const char *sqlstate, const char *message);

#endif
