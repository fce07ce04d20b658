/* cascadb/http.h - SQL over HTTP: POST /sql with JSON in and out, GET /openapi.json.  One connection, from its first byte
 * to its last, over an abstract stream; one thread a connection.  docs/services/cascadb.md has the interface. */
#ifndef SC_CASCADB_HTTP_H
#define SC_CASCADB_HTTP_H

#include "cascadb/connection.h"

/* Options as for PostgreSQL's protocol; principal NULL: user and password come with each request (HTTP Basic).  refused:
 * answers every request with 503.  SC_OK when the client ended it in order, else why it was closed. */
sc_err pg_http_run(const struct pg_connection_options *opt, bool refused, struct sc_diag *diag) SC_MUST_CHECK;

#endif
