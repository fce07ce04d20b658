#include "service/db.h"

#include <stdio.h>
#include <time.h>

void sc_db_freep(PGconn **conn)
{
    if (*conn != NULL)
        PQfinish(*conn);
}

void sc_db_result_freep(PGresult **res)
{
    PQclear(*res);
}

/* libpq ends its messages with a line end; ours go into one line. */
static sc_err fail_pq(struct sc_diag *diag, sc_err code, const char *what, const char *message)
{
    return sc_fail(diag, code, "%s: %.*s", what, (int)strcspn(message, "\n"), message);
}

sc_err sc_db_connect(const struct sc_identity *id, PGconn **out, struct sc_diag *diag)
{
    struct sc_endpoint db;
    SC_TRY(sc_identity_endpoint(id, "database", &db, diag));
    char port[8];
    snprintf(port, sizeof port, "%u", db.port);
    const char *user = strrchr(sc_identity_spiffe_id(id), '/') + 1;
    const char *const names[] = {"host",
                                 "hostaddr",
                                 "port",
                                 "dbname",
                                 "user",
                                 "sslmode",
                                 "sslcert",
                                 "sslkey",
                                 "sslrootcert",
                                 "gssencmode",
                                 "ssl_min_protocol_version",
                                 "application_name",
                                 "connect_timeout",
                                 NULL};
    const char *const values[] = {"localhost",
                                  db.host,
                                  port,
                                  "securecloud",
                                  user,
                                  "verify-full",
                                  sc_identity_cert_path(id),
                                  sc_identity_key_path(id),
                                  sc_identity_ca_path(id),
                                  "disable",
                                  "TLSv1.3",
                                  user,
                                  "10",
                                  NULL};
    PGconn *conn = PQconnectdbParams(names, values, 0);
    if (conn == NULL)
        return sc_fail(diag, SC_E_NOMEM, "database connection");
    if (PQstatus(conn) != CONNECTION_OK) {
        const char *message = PQerrorMessage(conn);
        const bool transient = strstr(message, "refused") != NULL || strstr(message, "closed the connection") != NULL ||
                               strstr(message, "timeout") != NULL || strstr(message, "reset by peer") != NULL;
        const sc_err err = fail_pq(diag, transient ? SC_E_AGAIN : SC_E_AUTH, "database", message);
        PQfinish(conn);
        return err;
    }
    *out = conn;
    return SC_OK;
}

sc_err sc_db_connect_wait(const struct sc_identity *id, int timeout_ms, PGconn **out, struct sc_diag *diag)
{
    for (int waited_ms = 0;; waited_ms += 100) {
        struct sc_diag why = {0};
        const sc_err err = sc_db_connect(id, out, &why);
        if (err != SC_E_AGAIN || waited_ms >= timeout_ms) {
            if (err != SC_OK && diag != NULL && diag->code == SC_OK)
                *diag = why;
            return err;
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

sc_err sc_db_check(PGconn *conn, const PGresult *res, const char *what, struct sc_diag *diag)
{
    switch (PQresultStatus(res)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_PIPELINE_SYNC:
        return SC_OK;
    default:
        break;
    }
    const char *state = res != NULL ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *message =
        res != NULL && PQresultErrorMessage(res)[0] != '\0' ? PQresultErrorMessage(res) : PQerrorMessage(conn);
    sc_err code = SC_E_IO;
    if (PQstatus(conn) != CONNECTION_OK || state == NULL)
        code = SC_E_AGAIN;
    else if (strcmp(state, "40001") == 0)
        code = SC_E_CONFLICT;
    else if (strncmp(state, "28", 2) == 0 || strcmp(state, "42501") == 0)
        code = SC_E_AUTH;
    else if (strcmp(state, "23505") == 0)
        code = SC_E_EXISTS;
    return fail_pq(diag, code, what, message);
}

sc_err sc_db_exec(PGconn *conn, const char *sql, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_result_freep) PGresult *res = PQexec(conn, sql);
    return sc_db_check(conn, res, "database", diag);
}
