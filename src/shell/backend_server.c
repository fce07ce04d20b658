/* A server over libpq. */
#include "service/db.h"
#include "shell/backend.h"

#include <stdio.h>

struct server {
    struct shell_backend base;
    PGconn *db;
    PGcancel *volatile cancel_handle; /* of the running statement */
    bool importing;
};

/* ---- errors ---- */
static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from != NULL ? from : "");
}

static bool failed(const PGresult *res, struct shell_error *e)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
    unsigned long long line = 0;
    *e = (struct shell_error){0};
    copy_text(e->message, sizeof e->message, text != NULL ? text : "connection lost");
    copy_text(e->sqlstate, sizeof e->sqlstate, state != NULL ? state : "08006");
    copy_text(e->context, sizeof e->context, PQresultErrorField(res, PG_DIAG_CONTEXT));
    e->position = position != NULL ? strtoul(position, NULL, 10) : 0;
    /* "COPY table, line 3, column x": the table's name may hold anything, so from the end. */
    const char *at = strstr(e->context, ", line ");
    for (const char *next = at; next != NULL; next = strstr(next + 1, ", line "))
        at = next;
    if (at != NULL && sscanf(at, ", line %llu, column %127[^\n]", &line, e->column) >= 1)
        e->line = line;
    return false;
}

static bool connection_failed(struct server *s, struct shell_error *e)
{
    *e = (struct shell_error){.sqlstate = "08006"};
    copy_text(e->message, sizeof e->message, PQerrorMessage(s->db));
    e->message[strcspn(e->message, "\n")] = '\0';
    return false;
}

/* ---- COPY ---- */
static void copy_in(struct server *s, const struct shell_sink *sink)
{
    struct sc_slice line;
    while (sink->copy_line(sink->arg, &line))
        if (PQputCopyData(s->db, (const char *)line.ptr, (int)line.size) != 1 || PQputCopyData(s->db, "\n", 1) != 1)
            break;
    if (PQputCopyEnd(s->db, NULL) != 1) /* what is wrong shows as the next result */
        return;
}

static void copy_out(struct server *s, const struct shell_sink *sink)
{
    char *data = NULL;
    for (int n; (n = PQgetCopyData(s->db, &data, 0)) > 0; PQfreemem(data))
        sink->copy_data(sink->arg, sc_slice_of(data, (size_t)n));
}

/* ---- rows ---- */
struct result {
    const struct shell_sink *sink;
    bool begun;
    const char **values;
    struct shell_column *columns;
};

static bool rows_begin(struct result *r, const PGresult *res)
{
    const size_t count = (size_t)PQnfields(res);
    if (r->begun)
        return true;
    free(r->values);
    free(r->columns);
    r->values = calloc(count + 1, sizeof *r->values);
    r->columns = calloc(count + 1, sizeof *r->columns);
    if (r->values == NULL || r->columns == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const Oid type = PQftype(res, (int)i);
        r->columns[i].name = PQfname(res, (int)i);
        r->columns[i].number = type == PG_OID_INT8 || type == PG_OID_FLOAT8 || type == PG_OID_NUMERIC;
    }
    r->sink->begin(r->sink->arg, r->columns, count);
    r->begun = true;
    return true;
}

static void rows_hand(struct result *r, const PGresult *res)
{
    const int columns = PQnfields(res);
    if (!rows_begin(r, res))
        return;
    for (int i = 0; i < PQntuples(res); i++) {
        for (int c = 0; c < columns; c++)
            r->values[c] = PQgetisnull(res, i, c) ? NULL : PQgetvalue(res, i, c);
        r->sink->row(r->sink->arg, r->values);
    }
}

/* false: a failure, which e has. */
static bool result_take(struct server *s, struct result *r, PGresult *res, struct shell_error *e)
{
    switch (PQresultStatus(res)) {
    case PGRES_SINGLE_TUPLE:
        rows_hand(r, res);
        return true;
    case PGRES_TUPLES_OK:
        rows_hand(r, res);
        r->begun = false;
        r->sink->done(r->sink->arg, PQcmdStatus(res));
        return true;
    case PGRES_COMMAND_OK:
        r->sink->done(r->sink->arg, PQcmdStatus(res));
        return true;
    case PGRES_COPY_IN:
        copy_in(s, r->sink);
        return true;
    case PGRES_COPY_OUT:
        copy_out(s, r->sink);
        return true;
    case PGRES_EMPTY_QUERY:
        return true;
    default:
        return failed(res, e);
    }
}

static bool server_run(struct shell_backend *b, const char *statement, const struct shell_sink *sink,
                       struct shell_error *e)
{
    struct server *s = (struct server *)b;
    struct result r = {.sink = sink};
    bool good = true;
    if (PQsendQuery(s->db, statement) != 1)
        return connection_failed(s, e);
    PQsetSingleRowMode(s->db);
    s->cancel_handle = PQgetCancel(s->db);
    for (PGresult *res; (res = PQgetResult(s->db)) != NULL; PQclear(res)) {
        good = result_take(s, &r, res, e) && good;
        if (PQstatus(s->db) != CONNECTION_OK) {
            PQclear(res);
            break;
        }
    }
    PGcancel *cancel = s->cancel_handle;
    s->cancel_handle = NULL;
    PQfreeCancel(cancel);
    free(r.values);
    free(r.columns);
    return good;
}

static void server_cancel(struct shell_backend *b)
{
    const struct server *s = (const struct server *)b;
    char why[128];
    if (s->cancel_handle != NULL)
        PQcancel(s->cancel_handle, why, sizeof why); /* safe in a signal handler, says libpq's documentation */
}

static bool server_lost(const struct shell_backend *b)
{
    return PQstatus(((const struct server *)b)->db) != CONNECTION_OK;
}

/* ---- import ---- */
static void put_name(struct server *s, struct sc_buf *sql, const char *name)
{
    char *quoted = PQescapeIdentifier(s->db, name, strlen(name));
    sc_buf_put_str(sql, quoted != NULL ? quoted : "");
    PQfreemem(quoted);
}

static void put_literal(struct server *s, struct sc_buf *sql, const char *text)
{
    char *quoted = PQescapeLiteral(s->db, text, strlen(text));
    sc_buf_put_str(sql, quoted != NULL ? quoted : "''");
    PQfreemem(quoted);
}

static void put_copy_statement(struct server *s, struct sc_buf *sql, const struct pg_copy_statement *st)
{
    const char delimiter[2] = {(char)st->delimiter, '\0'};
    sc_buf_put_str(sql, "COPY ");
    put_name(s, sql, st->table);
    for (size_t i = 0; i < st->column_count; i++) {
        sc_buf_put_str(sql, i == 0 ? " (" : ", ");
        put_name(s, sql, st->columns[i]);
    }
    sc_buf_put_fmt(sql, "%s FROM STDIN WITH (FORMAT csv, HEADER %s, DELIMITER ", st->column_count != 0 ? ")" : "",
                   st->header ? "true" : "false");
    put_literal(s, sql, delimiter);
    sc_buf_put_str(sql, ", NULL ");
    put_literal(s, sql, st->null_text);
    sc_buf_put_str(sql, ")");
}

static bool server_import_begin(struct shell_backend *b, const struct pg_copy_statement *st, struct shell_error *e)
{
    struct server *s = (struct server *)b;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    put_copy_statement(s, &sql, st);
    PGresult *res = PQexec(s->db, sc_buf_cstr(&sql));
    const bool good = PQresultStatus(res) == PGRES_COPY_IN || failed(res, e);
    PQclear(res);
    s->importing = good;
    return good;
}

/* What the server says at the end of COPY, or before it when it refuses the data. */
static bool import_result(struct server *s, int64_t *rows_out, struct shell_error *e)
{
    bool good = true;
    for (PGresult *res; (res = PQgetResult(s->db)) != NULL; PQclear(res)) {
        if (PQresultStatus(res) == PGRES_COMMAND_OK)
            *rows_out = strtoll(PQcmdTuples(res), NULL, 10);
        else if (good)
            good = failed(res, e);
        if (PQstatus(s->db) != CONNECTION_OK) {
            PQclear(res);
            break;
        }
    }
    s->importing = false;
    return good;
}

static bool server_import_feed(struct shell_backend *b, struct sc_slice bytes, struct shell_error *e)
{
    struct server *s = (struct server *)b;
    return PQputCopyData(s->db, (const char *)bytes.ptr, (int)bytes.size) == 1 || connection_failed(s, e);
}

static bool server_import_end(struct shell_backend *b, bool commit, int64_t *rows_out, struct shell_error *e)
{
    struct server *s = (struct server *)b;
    struct shell_error ignored;
    if (!s->importing)
        return true;
    if (PQputCopyEnd(s->db, commit ? NULL : "stopped by the shell") != 1)
        return connection_failed(s, commit ? e : &ignored) || !commit;
    return import_result(s, rows_out, commit ? e : &ignored) || !commit;
}

static void server_free(struct shell_backend *b)
{
    struct server *s = (struct server *)b;
    PQfinish(s->db);
    free(s);
}

static const struct shell_backend_ops server_ops = {
    server_run, server_cancel, server_lost, server_import_begin, server_import_feed, server_import_end, server_free,
};

sc_err shell_backend_server(const char *identity, struct shell_backend **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    SC_TRY(sc_identity_load(identity, &id, diag));
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    s->base.ops = &server_ops;
    const sc_err err = sc_db_connect(id, &s->db, diag);
    if (err != SC_OK) {
        free(s);
        return err;
    }
    *out = &s->base;
    return SC_OK;
}
