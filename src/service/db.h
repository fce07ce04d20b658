/* service/db.h - a connection to CascaDB over mutual TLS with libpq, from an identity.
 * config.json's member "database" = {"host", "port"}.  A connection belongs to one thread at a time. */
#ifndef SC_SERVICE_DB_H
#define SC_SERVICE_DB_H

#include "service/identity.h"

#include <libpq-fe.h>

/* Connects; SC_E_AGAIN when nobody listens (yet), SC_E_AUTH when refused. */
sc_err sc_db_connect(const struct sc_identity *id, PGconn **out, struct sc_diag *diag) SC_MUST_CHECK;
/* As above, but tries again for up to timeout_ms while nobody listens. */
sc_err sc_db_connect_wait(const struct sc_identity *id, int timeout_ms, PGconn **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_db_freep(PGconn **conn);        /* cleanup helpers */
void sc_db_result_freep(PGresult **res);

/* Runs one statement without parameters and drops its rows. */
sc_err sc_db_exec(PGconn *conn, const char *sql, struct sc_diag *diag) SC_MUST_CHECK;
/* SC_OK for a result that worked, else its message with SQLSTATE: 40001 -> SC_E_CONFLICT, 28xxx/42501 -> SC_E_AUTH,
 * 23505 -> SC_E_EXISTS, lost connection -> SC_E_AGAIN, others SC_E_IO. */
sc_err sc_db_check(PGconn *conn, const PGresult *res, const char *what, struct sc_diag *diag) SC_MUST_CHECK;

#endif
