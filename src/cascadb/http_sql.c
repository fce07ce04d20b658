/* The statements of one HTTP request: read from JSON, run as one transaction, answered in JSON or, a line a row,
 * NDJSON. */
#include "base/clock.h"
#include "cascadb/http_internal.h"
#include "cascadb/json_text.h"
#include "cascadb/message.h"
#include "cascadb/prepare.h"

#include <stdio.h>

#define STATEMENT_COUNT_MAX 1000
#define PARAM_COUNT_MAX     32766

struct run {
    struct http_answer *a;
    struct sc_sql_session *session;
    const char *who;
    bool ndjson;
    size_t index;                /* of the statement in hand */
    bool object_open, rows_open; /* of its result, in JSON */
    struct sc_sql_error error;
    struct sc_buf scratch;
};

/* ---- errors ---- */
int http_status_of(const char *sqlstate)
{
    static const struct {
        const char *state; /* or its class */
        int status;
    } map[] = {{"40001", 409}, {"23", 409},    {"25006", 403}, {"42501", 403}, {"28", 401}, {"57014", 504},
               {"57P01", 503}, {"54000", 413}, {"53", 503},    {"58", 500},    {"XX", 500}};
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (strncmp(sqlstate, map[i].state, strlen(map[i].state)) == 0)
            return map[i].status;
    return 400;
}

void http_put_error(struct sc_buf *out, const struct sc_sql_error *e, int statement)
{
    sc_buf_put_str(out, "{\"sqlstate\":");
    json_put_string(out, sc_slice_str(e->sqlstate));
    sc_buf_put_str(out, ",\"message\":");
    json_put_string(out, sc_slice_str(e->message));
    if (statement >= 0)
        sc_buf_put_fmt(out, ",\"statement\":%d", statement);
    if (e->position != 0)
        sc_buf_put_fmt(out, ",\"position\":%zu", e->position);
    sc_buf_put_u8(out, '}');
}

static sc_err session_failed(struct run *r, sc_err err)
{
    r->error = *sc_sql_session_error(r->session);
    return err;
}

/* ---- parameters ---- */
static sc_err param_bytes(struct run *r, const json_t *value, struct sc_sql_value *out)
{
    const char *hex = json_string_value(json_object_get(value, "hex"));
    if (hex == NULL || json_object_size(value) != 1)
        return pg_fail(&r->error, SC_E_USAGE, "22023",
                       "a parameter is null, true, false, a number, a string or {\"hex\": \"...\"}");
    const size_t size = strlen(hex) / 2;
    sc_buf_reset(&r->scratch);
    uint8_t *to = sc_buf_extend(&r->scratch, size);
    if (size != 0 && to == NULL)
        return pg_fail(&r->error, SC_E_NOMEM, "53200", "out of memory");
    if (strlen(hex) % 2 != 0 || (size != 0 && sc_hex_decode(hex, to, size) != SC_OK))
        return pg_fail(&r->error, SC_E_MALFORMED, "22P02", "\"hex\" is not pairs of hexadecimal digits");
    *out = sc_sql_blob(sc_buf_slice(&r->scratch));
    return SC_OK;
}

static sc_err param_value(struct run *r, const json_t *value, const char *declared, struct sc_sql_value *out)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        *out = sc_sql_null();
        return SC_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = sc_sql_integer(json_is_true(value));
        return SC_OK;
    case JSON_INTEGER:
        *out = sc_sql_integer(json_integer_value(value));
        return SC_OK;
    case JSON_REAL:
        *out = sc_sql_real(json_real_value(value));
        return SC_OK;
    case JSON_STRING: /* in the form of the column that it is for, as PostgreSQL's clients may send it */
        return pg_value_parse(pg_oid_of_declared(declared), false,
                              sc_slice_of(json_string_value(value), json_string_length(value)), &r->scratch, out,
                              &r->error);
    default:
        return param_bytes(r, value, out);
    }
}

static sc_err params_bind(struct run *r, struct sc_sql_stmt *st, const json_t *params)
{
    const size_t wanted = sc_sql_param_count(st);
    const size_t given = json_array_size(params);
    if (given != wanted)
        return pg_fail(&r->error, SC_E_USAGE, "08P01", "%zu parameters are given, but the statement requires %zu",
                       given, wanted);
    for (size_t i = 0; i < given; i++) {
        struct sc_sql_value v = sc_sql_null();
        SC_TRY(param_value(r, json_array_get(params, i), sc_sql_param_type(st, i + 1), &v));
        const sc_err err = sc_sql_bind(st, i + 1, &v);
        if (err != SC_OK)
            return session_failed(r, err);
    }
    return SC_OK;
}

/* ---- rows ---- */
static const char *type_name(uint32_t oid)
{
    switch (oid) {
    case PG_OID_BOOL:
        return "bool";
    case PG_OID_INT8:
        return "int8";
    case PG_OID_FLOAT8:
        return "float8";
    case PG_OID_BYTEA:
        return "bytea";
    case PG_OID_NUMERIC:
        return "numeric";
    default:
        return "text";
    }
}

static void put_columns(struct run *r, const struct sc_sql_stmt *st, const uint32_t *oids, size_t count)
{
    struct sc_buf *out = &r->a->body;
    sc_buf_put_str(out, r->ndjson ? "{\"columns\":[" : "\"columns\":[");
    for (size_t i = 0; i < count; i++) {
        sc_buf_put_str(out, i != 0 ? ",{\"name\":" : "{\"name\":");
        json_put_string(out, sc_slice_str(sc_sql_column_name(st, i)));
        sc_buf_put_fmt(out, ",\"type\":\"%s\"}", type_name(oids[i]));
    }
    sc_buf_put_str(out, r->ndjson ? "]}\n" : "],\"rows\":[");
    r->rows_open = !r->ndjson;
}

static void put_row(struct run *r, const struct sc_sql_stmt *st, const uint32_t *oids, size_t count, bool first)
{
    struct sc_buf *out = &r->a->body;
    sc_buf_put_str(out, first || r->ndjson ? "[" : ",[");
    for (size_t i = 0; i < count; i++) {
        const struct sc_sql_value v = sc_sql_column(st, i);
        if (i != 0)
            sc_buf_put_u8(out, ',');
        json_put_value(out, oids[i], &v);
    }
    sc_buf_put_str(out, r->ndjson ? "]\n" : "]");
}

static sc_err flow(struct run *r)
{
    const uint64_t size_max = r->a->opt->result_size_max;
    if (size_max != 0 && r->a->size + r->a->body.size > size_max)
        return pg_fail(&r->error, SC_E_LIMIT, "54000", "the result is larger than %llu bytes",
                       (unsigned long long)size_max);
    const size_t before = r->a->body.size;
    const sc_err err = http_answer_flow(r->a);
    if (err == SC_E_LIMIT && before != 0)
        return pg_fail(&r->error, err, "54000", "a row is too large");
    return err == SC_OK ? SC_OK : pg_fail(&r->error, err, "08006", "the client does not take the answer");
}

static sc_err rows_run(struct run *r, struct sc_sql_stmt *st, uint64_t *count_out)
{
    const size_t count = sc_sql_column_count(st);
    SC_CLEANUP(sc_freep) uint32_t *oids = calloc(count + 1, sizeof *oids);
    if (oids == NULL)
        return pg_fail(&r->error, SC_E_NOMEM, "53200", "out of memory");
    for (uint64_t n = 0;; n++) {
        bool row = false;
        if (atomic_load_explicit(r->a->opt->stopping, memory_order_relaxed))
            return pg_fail(&r->error, SC_E_AGAIN, "57P01", "the server is shutting down");
        const sc_err err = sc_sql_step(st, &row);
        if (err != SC_OK)
            return session_failed(r, err);
        if (n == 0 && count != 0) {
            for (size_t i = 0; i < count; i++)
                oids[i] = pg_column_oid(st, i, row);
            put_columns(r, st, oids, count);
        }
        if (!row) {
            *count_out = n;
            return SC_OK;
        }
        put_row(r, st, oids, count, n == 0);
        SC_TRY(flow(r));
    }
}

/* ---- statements ---- */
/* A request is a transaction; what else changes the session would leak into the next request. */
static sc_err kind_check(struct run *r, enum sql_kind kind)
{
    switch (kind) {
    case SQL_KIND_EMPTY:
        return pg_fail(&r->error, SC_E_USAGE, "42601", "there is no statement");
    case SQL_KIND_BEGIN:
    case SQL_KIND_COMMIT:
    case SQL_KIND_ROLLBACK:
    case SQL_KIND_ROLLBACK_TO:
    case SQL_KIND_SAVEPOINT:
    case SQL_KIND_RELEASE:
    case SQL_KIND_SET_TRANSACTION:
        return pg_fail(&r->error, SC_E_UNSUPPORTED, "0A000",
                       "a request is a transaction of its own: send its statements together");
    case SQL_KIND_SET:
    case SQL_KIND_SHOW:
    case SQL_KIND_COPY:
        return pg_fail(&r->error, SC_E_UNSUPPORTED, "0A000", "SET, SHOW and COPY need PostgreSQL's protocol");
    default:
        return SC_OK;
    }
}

static void command_of(struct sc_slice text, char out[static 32])
{
    struct sql_lexer lx = sql_lexer_of(text);
    const struct sql_token t = sql_lex(&lx);
    size_t n = 0;
    for (; n < t.text.size && n < 31; n++)
        out[n] = (char)(t.text.ptr[n] >= 'a' && t.text.ptr[n] <= 'z' ? t.text.ptr[n] - 32 : t.text.ptr[n]);
    out[n] = '\0';
}

static void put_end(struct run *r, const struct sc_sql_stmt *st, uint64_t rows)
{
    char command[32];
    struct sc_buf *out = &r->a->body;
    const bool reads = sc_sql_stmt_read_only(st);
    const int64_t changes = sc_sql_changes(st);
    command_of(sc_sql_stmt_text(st), command);
    if (r->rows_open)
        sc_buf_put_str(out, "],");
    r->object_open = r->rows_open = false;
    sc_buf_put_str(out, r->ndjson ? "{\"command\":" : "\"command\":");
    json_put_string(out, sc_slice_str(command));
    sc_buf_put_fmt(out, ",\"row_count\":%lld}%s", reads ? (long long)rows : (long long)changes, r->ndjson ? "\n" : "");
    sc_metric_add(r->a->opt->metrics->rows_out, (int64_t)rows);
    if (!reads)
        sc_metric_add(r->a->opt->metrics->rows_in, changes);
}

static sc_err text_run(struct run *r, struct sc_slice text, const json_t *params, int64_t *rows_out)
{
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    uint64_t rows = 0;
    size_t used = 0;
    if (!pg_journal_ready(r->a->opt->journal))
        return pg_fail(&r->error, SC_E_IO, "58030", "the audit log cannot be written: no statement is run");
    SC_TRY(kind_check(r, sql_kind_of(text)));
    sc_metric_add(r->a->opt->metrics->statements, 1);
    SC_TRY(pg_prepare(r->session, text, &st, &used, &r->error));
    if (sql_kind_of((struct sc_slice){text.ptr + used, text.size - used}) != SQL_KIND_EMPTY)
        return pg_fail(&r->error, SC_E_USAGE, "42601", "one statement at a time: use \"statements\"");
    SC_TRY(params_bind(r, st, params));
    if (!r->ndjson)
        sc_buf_put_str(&r->a->body, r->index != 0 ? ",{" : "{");
    r->object_open = !r->ndjson;
    SC_TRY(rows_run(r, st, &rows));
    put_end(r, st, rows);
    *rows_out = sc_sql_stmt_read_only(st) ? (int64_t)rows : sc_sql_changes(st);
    return flow(r);
}

static sc_err statement_run(struct run *r, const json_t *item)
{
    const json_t *statement = json_object_get(item, "statement");
    const json_t *params = json_object_get(item, "parameters");
    const int64_t begun_us = sc_mono_us(&sc_clock_system);
    int64_t rows = 0;
    if (!json_is_string(statement) || (params != NULL && !json_is_array(params)))
        return pg_fail(&r->error, SC_E_USAGE, "22023",
                       "a statement is {\"statement\": \"...\", \"parameters\": [...]}");
    const struct sc_slice text = sc_slice_of(json_string_value(statement), json_string_length(statement));
    const sc_err err = text_run(r, text, params, &rows);
    pg_journal_note(r->a->opt->journal, &(struct pg_event){.who = r->who,
                                                           .statement = text,
                                                           .sqlstate = err == SC_OK ? "00000" : r->error.sqlstate,
                                                           .rows = rows,
                                                           .duration_us = sc_mono_us(&sc_clock_system) - begun_us});
    return err;
}

static sc_err statements_run(struct run *r, const json_t *request)
{
    const json_t *list = json_object_get(request, "statements");
    if (list == NULL)
        return statement_run(r, request);
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > STATEMENT_COUNT_MAX)
        return pg_fail(&r->error, SC_E_USAGE, "22023", "\"statements\" is an array of 1 to %d statements",
                       STATEMENT_COUNT_MAX);
    for (r->index = 0; r->index < json_array_size(list); r->index++)
        SC_TRY(statement_run(r, json_array_get(list, r->index)));
    return SC_OK;
}

/* What the answer ends with when part of it is out already, or all is well. */
static void put_verdict(struct run *r, sc_err err)
{
    struct sc_buf *out = &r->a->body;
    if (err == SC_OK) {
        sc_buf_put_str(out, r->ndjson ? "{\"committed\":true}\n" : "],\"committed\":true}\n");
        return;
    }
    sc_buf_put_str(out, r->rows_open ? "]" : "");
    sc_buf_put_str(out, r->object_open ? "}" : "");
    sc_buf_put_str(out, r->ndjson ? "{\"committed\":false,\"error\":" : "],\"committed\":false,\"error\":");
    http_put_error(out, &r->error, (int)r->index);
    sc_buf_put_str(out, "}\n");
}

static sc_err request_run(struct run *r, struct sc_slice text)
{
    SC_CLEANUP(sc_json_freep) json_t *request = NULL;
    struct sc_diag diag = {0};
    sc_err err = sc_json_parse(text, &request, &diag);
    if (err != SC_OK)
        return pg_fail(&r->error, err, "22P02", "the request is not JSON: %s", sc_diag_text(&diag, err));
    if (!r->ndjson)
        sc_buf_put_str(&r->a->body, "{\"results\":[");
    err = statements_run(r, request);
    const sc_err settled = sc_sql_session_settle(r->session, err == SC_OK);
    if (err == SC_OK && settled != SC_OK)
        err = session_failed(r, settled);
    return err;
}

sc_err http_sql_run(struct http_answer *a, struct sc_sql_session *session, const char *who, struct sc_slice request,
                    bool ndjson, int *status_out)
{
    struct run r = {.a = a, .session = session, .who = who, .ndjson = ndjson};
    const sc_err err = request_run(&r, request);
    sc_buf_deinit(&r.scratch);
    if (a->failed)
        return err; /* nobody is there to be told */
    if (err != SC_OK)
        sc_metric_add(a->opt->metrics->errors, 1);
    if (err == SC_OK || a->head_sent) {
        put_verdict(&r, err);
        *status_out = 200;
        a->keep_alive = a->keep_alive && err == SC_OK;
        return SC_OK;
    }
    http_answer_drop(a);
    a->content_type = "application/json";
    sc_buf_put_str(&a->body, "{\"committed\":false,\"error\":");
    http_put_error(&a->body, &r.error, (int)r.index);
    sc_buf_put_str(&a->body, "}\n");
    *status_out = http_status_of(r.error.sqlstate);
    return SC_OK;
}
