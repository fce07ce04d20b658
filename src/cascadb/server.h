/* cascadb/server.h - CascaDB's server: PostgreSQL's protocol over TLS, HTTPS, and a Unix socket where that is wanted.
 * One thread a connection.  Who may connect is told by the SPIFFE ID of the client's certificate, or by user and
 * password (SCRAM). */
#ifndef SC_CASCADB_SERVER_H
#define SC_CASCADB_SERVER_H

#include "base/json.h"
#include "net/tls.h"
#include "service/metrics.h"
#include "sql/sql.h"

struct pg_journal;
struct pg_server_options {
    const char *host;          /* numeric address */
    uint16_t port;             /* 0: any free one */
    const char *https_host;    /* POST /sql; NULL: not served */
    uint16_t https_port;
    const char *unix_path;     /* NULL: no Unix socket */
    const struct sc_tls *tls;  /* these are borrowed and must outlive the server */
    struct sc_sql_db *db;
    const json_t *rights;      /* {"spiffe://...": "read" | "write"} */
    const char *users_path;    /* file of users with passwords (see auth.h); NULL: certificates only */
    struct sc_metrics *metrics;
    struct pg_journal *journal; /* NULL: none is kept */
    size_t connections_max;
    int idle_ms_max;           /* < 0: no limit */
    int64_t statement_ms_max;  /* 0: no limit */
    uint64_t result_size_max;  /* bytes; 0: no limit */
};
struct pg_server;
sc_err pg_server_start(const struct pg_server_options *opt, struct pg_server **out, struct sc_diag *diag) SC_MUST_CHECK;
uint16_t pg_server_port(const struct pg_server *s); /* of PostgreSQL's protocol */
/* Ends all connections, telling their clients, and frees s; takes up to 4.5 s.  false: a connection did not end in time;
 * s and what it borrows are then still in use. */
bool pg_server_stop(struct pg_server *s);

#endif
