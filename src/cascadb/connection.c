/* A connection's life: startup, then messages until Terminate; and the simple query protocol. */
#include "cascadb/internal.h"

#include "base/clock.h"

#include <stdio.h>

#define READ_SIZE       ((size_t)64 << 10)
#define BUFFER_KEEP_MAX ((size_t)1 << 20)
#define OUT_SIZE_MAX    ((size_t)512 << 20)

/* ---- reading and writing ---- */
bool pg_stopping(const struct pg_connection *c)
{
    return atomic_load_explicit(c->opt->stopping, memory_order_relaxed);
}

sc_err pg_flush(struct pg_connection *c)
{
    sc_err err = sc_buf_status(&c->out);
    if (err != SC_OK)
        sc_ignore(sc_fail(c->diag, err, "an answer of more than %zu bytes", OUT_SIZE_MAX));
    else if (c->out.size != 0)
        err = c->opt->stream.write(c->opt->stream.self, sc_buf_slice(&c->out), c->opt->write_ms_max, c->diag);
    sc_buf_reset(&c->out);
    if (c->out.capacity > BUFFER_KEEP_MAX)
        sc_buf_deinit(&c->out);
    c->fatal = c->fatal || err != SC_OK;
    return err;
}

sc_err pg_flush_if_full(struct pg_connection *c)
{
    return c->out.size >= PG_FLUSH_SIZE || sc_buf_status(&c->out) != SC_OK ? pg_flush(c) : SC_OK;
}

sc_err pg_fatal(struct pg_connection *c, sc_err code, const char *sqlstate, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pg_refusal(&c->out, sqlstate, text);
    sc_ignore(pg_flush(c)); /* the connection ends anyway */
    c->fatal = true;
    return sc_fail(c->diag, code, "%s", text);
}

void pg_refusal(struct sc_buf *out, const char *sqlstate, const char *message)
{
    pg_put_notice(out, &(struct pg_notice){.severity = "FATAL", .sqlstate = sqlstate, .message = message});
}

static void in_compact(struct pg_connection *c)
{
    memmove(c->in.ptr, c->in.ptr + c->in_used, c->in.size - c->in_used);
    c->in.size -= c->in_used;
    c->in_used = 0;
    if (c->in.size == 0 && c->in.capacity > BUFFER_KEEP_MAX)
        sc_buf_deinit(&c->in);
}

static sc_err in_read(struct pg_connection *c, int timeout_ms)
{
    if (c->in_used != 0)
        in_compact(c);
    const size_t before = c->in.size;
    uint8_t *to = sc_buf_extend(&c->in, READ_SIZE);
    if (to == NULL)
        return pg_fatal(c, sc_buf_status(&c->in), "53200", "out of memory");
    size_t n = 0;
    const sc_err err = c->opt->stream.read(c->opt->stream.self, to, READ_SIZE, timeout_ms, &n, c->diag);
    c->in.size = before + (err == SC_OK ? n : 0);
    if (pg_stopping(c))
        return pg_fatal(c, SC_E_AGAIN, "57P01", "the server is shutting down");
    if (err == SC_E_AGAIN)
        return c->session == NULL
                   ? pg_fatal(c, SC_E_LIMIT, "08006", "the login took too long")
                   : pg_fatal(c, SC_E_LIMIT, "57P05", "closed after %d s without a message", timeout_ms / 1000);
    if (err == SC_OK && n != 0)
        return SC_OK;
    c->fatal = true;
    return err != SC_OK ? err : sc_fail(c->diag, SC_E_IO, "the client went away without a goodbye");
}

static struct sc_slice in_rest(const struct pg_connection *c)
{
    return sc_slice_of(c->in.ptr != NULL ? c->in.ptr + c->in_used : NULL, c->in.size - c->in_used);
}

enum phase { FIRST, LOGIN, LATER }; /* the untyped first packet; before the client is known; after */

static int startup_ms_left(const struct pg_connection *c)
{
    const int64_t left_us = c->startup_until_us - sc_mono_us(&sc_clock_system);
    return left_us > 0 ? (int)(left_us / 1000) : 0;
}

static sc_err read_frame(struct pg_connection *c, enum phase phase, int timeout_ms, struct pg_frame *out)
{
    const size_t size_max = phase == LATER ? PG_MESSAGE_SIZE_MAX : PG_STARTUP_SIZE_MAX;
    for (;;) {
        size_t used = 0;
        const sc_err err =
            phase == FIRST ? pg_frame_first(in_rest(c), out, &used) : pg_frame_next(in_rest(c), size_max, out, &used);
        c->in_used += used;
        if (err == SC_OK)
            return SC_OK;
        if (err != SC_E_AGAIN)
            return pg_fatal(c, err, "08P01", "a message of impossible or excessive length");
        SC_TRY(in_read(c, phase == LATER ? timeout_ms : startup_ms_left(c)));
    }
}

sc_err pg_read_message(struct pg_connection *c, int timeout_ms, struct pg_frame *out)
{
    if (pg_stopping(c))
        return pg_fatal(c, SC_E_AGAIN, "57P01", "the server is shutting down");
    return read_frame(c, LATER, timeout_ms, out);
}

sc_err pg_read_login(struct pg_connection *c, struct pg_frame *out)
{
    return read_frame(c, LOGIN, 0, out);
}

/* ---- errors ---- */
sc_err pg_session_failed(struct pg_connection *c, sc_err err)
{
    c->error = *sc_sql_session_error(c->session);
    return err;
}

/* Characters, not bytes, are what a client counts. */
static size_t position_in(struct sc_slice query, size_t byte)
{
    size_t characters = 0;
    for (size_t i = 0; i < query.size && i < byte; i++)
        characters += (query.ptr[i] & 0xc0) != 0x80;
    return characters;
}

/* What to do about it, where the code alone tells. */
static const char *hint_of(const char *sqlstate)
{
    static const char *const hints[][2] = {
        {"40001", "Another transaction won. Start this one over."},
        {"25P02", "Send ROLLBACK, or ROLLBACK TO a savepoint."},
        {"25006", "The right of this user is \"read\"."},
        {"22P03", "Ask for this column in text format."},
        {"53200", "Ask for less at once: a narrower WHERE, LIMIT, or COPY."},
        {"57014", "The server's limit of time, or a request to cancel, ended the statement."},
    };
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (strcmp(hints[i][0], sqlstate) == 0)
            return hints[i][1];
    return NULL;
}

void pg_report(struct pg_connection *c, struct sc_slice query, size_t offset)
{
    const size_t position =
        c->error.position != 0 && query.size != 0 ? position_in(query, offset + c->error.position) : 0;
    pg_put_notice(&c->out, &(struct pg_notice){.severity = "ERROR",
                                               .sqlstate = c->error.sqlstate,
                                               .message = c->error.message,
                                               .position = position,
                                               .hint = hint_of(c->error.sqlstate),
                                               .where = c->where.size != 0 ? sc_buf_cstr(&c->where) : NULL});
    sc_buf_reset(&c->where);
    if (sc_sql_session_tx(c->session) != SC_SQL_TX_NONE)
        c->tx_failed = true;
    sc_metric_add(c->opt->metrics->errors, 1);
}

void pg_notice_send(struct pg_connection *c, const char *sqlstate, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pg_put_notice(&c->out, &(struct pg_notice){.severity = "NOTICE", .sqlstate = sqlstate, .message = text});
}

sc_err pg_check_transaction(struct pg_connection *c, enum sql_kind kind)
{
    const bool ends =
        kind == SQL_KIND_COMMIT || kind == SQL_KIND_ROLLBACK || kind == SQL_KIND_ROLLBACK_TO || kind == SQL_KIND_EMPTY;
    if (ends || (!c->tx_failed && sc_sql_session_tx(c->session) != SC_SQL_TX_FAILED))
        return SC_OK;
    return pg_fail(&c->error, SC_E_USAGE, "25P02",
                   "current transaction is aborted, commands ignored until end of transaction block");
}

void pg_note(struct pg_connection *c, struct sc_slice statement, int64_t begun_us, int64_t rows, sc_err err)
{
    if (c->opt->journal == NULL)
        return;
    pg_journal_note(c->opt->journal, &(struct pg_event){.who = c->who.name,
                                                        .statement = statement,
                                                        .sqlstate = err == SC_OK ? "00000"
                                                                    : c->fatal   ? "08006"
                                                                                 : c->error.sqlstate,
                                                        .rows = rows,
                                                        .duration_us = sc_mono_us(&sc_clock_system) - begun_us});
}

/* ---- the end of a transaction outside BEGIN..COMMIT, and ReadyForQuery ---- */
static sc_err settle(struct pg_connection *c, bool commit)
{
    const sc_err err = sc_sql_session_settle(c->session, commit);
    return err == SC_OK ? SC_OK : pg_session_failed(c, err);
}

static sc_err ready(struct pg_connection *c)
{
    const enum sc_sql_tx tx = sc_sql_session_tx(c->session);
    if (tx == SC_SQL_TX_NONE)
        c->tx_failed = false;
    pg_put_ready(&c->out, tx == SC_SQL_TX_NONE ? 'I' : tx == SC_SQL_TX_FAILED || c->tx_failed ? 'E' : 'T');
    return pg_flush(c);
}

/* ---- simple query: several statements, one transaction ---- */
/* tag: of the statement before, on return that of this one; "" for an empty one. */
static sc_err simple_statement(struct pg_connection *c, struct sc_slice text, char tag[static PG_TAG_SIZE])
{
    struct pg_portal p = {.result_formats = {0}};
    bool more = false;
    size_t used = 0;
    if (tag[0] != '\0')
        pg_put_command(&c->out, tag);
    tag[0] = '\0';
    SC_TRY(pg_check_transaction(c, sql_kind_of(text)));
    const int64_t begun_us = sc_mono_us(&sc_clock_system);
    sc_err err = pg_prepare(c->session, text, &p.own, &used, &c->error);
    if (err != SC_OK) {
        pg_note(c, text, begun_us, 0, err);
        return err;
    }
    p.stmt = p.own;
    if (sc_sql_param_count(p.stmt) != 0)
        err = pg_fail(&c->error, SC_E_USAGE, "42P02", "there is no parameter $1 in a simple query");
    else
        err = pg_portal_run(c, &p, 0, true, &more, tag);
    pg_portal_deinit(&p);
    return err;
}

static sc_err simple_query(struct pg_connection *c, struct sc_slice text)
{
    char tag[PG_TAG_SIZE] = ""; /* of the last statement: held back until its transaction is durable */
    size_t at = 0;
    sc_err err = SC_OK;
    bool any = false;
    while (err == SC_OK && at < text.size) {
        size_t used = 0;
        const struct sc_slice first = sql_statement_first((struct sc_slice){text.ptr + at, text.size - at}, &used);
        if (sql_kind_of(first) != SQL_KIND_EMPTY) {
            any = true;
            err = simple_statement(c, first, tag);
            SC_TRY(c->fatal ? err : SC_OK);
        }
        if (err == SC_OK)
            at += used;
    }
    const sc_err settled = settle(c, err == SC_OK);
    err = err != SC_OK ? err : settled;
    if (err != SC_OK)
        pg_report(c, text, at);
    else if (tag[0] != '\0')
        pg_put_command(&c->out, tag);
    else if (!any)
        pg_put_empty(&c->out, 'I');
    return ready(c);
}

static sc_err query(struct pg_connection *c, const struct pg_frame *f)
{
    struct sc_slice text;
    if (pg_query_parse(f->body, &text) != SC_OK)
        return pg_fatal(c, SC_E_MALFORMED, "08P01", "malformed Query message");
    /* COPY reads on from the connection, which moves the buffer that text lies in */
    sc_buf_reset(&c->query);
    sc_buf_put_bytes(&c->query, text);
    if (sc_buf_status(&c->query) != SC_OK)
        return pg_fatal(c, SC_E_NOMEM, "53200", "out of memory");
    pg_unnamed_close(c);
    const sc_err err = simple_query(c, sc_buf_slice(&c->query));
    if (c->query.capacity > BUFFER_KEEP_MAX)
        sc_buf_deinit(&c->query);
    return err;
}

/* ---- messages ---- */
static sc_err sync(struct pg_connection *c)
{
    const bool failed = c->skipping;
    c->skipping = false;
    if (sc_sql_session_tx(c->session) == SC_SQL_TX_NONE)
        pg_portals_close(c); /* they live as long as their transaction */
    if (settle(c, !failed) != SC_OK)
        pg_report(c, SC_SLICE_EMPTY, 0);
    return ready(c);
}

static sc_err dispatch(struct pg_connection *c, const struct pg_frame *f)
{
    switch (f->type) {
    case 'S':
        return f->body.size == 0 ? sync(c) : pg_fatal(c, SC_E_MALFORMED, "08P01", "malformed Sync message");
    case 'X':
        c->terminated = true;
        return SC_OK;
    case 'Q':
        c->skipping = false;
        return query(c, f);
    case 'H':
        return pg_flush(c);
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
        return c->skipping ? SC_OK : pg_extended(c, f);
    case 'd': /* what was on its way when a COPY failed */
    case 'c':
    case 'f':
        return SC_OK;
    default:
        return pg_fatal(c, SC_E_MALFORMED, "08P01", "unexpected message of type 0x%02x", f->type);
    }
}

/* ---- startup ---- */
/* NegotiateProtocolVersion: we speak 3.0 */
static void negotiate_put(struct pg_connection *c, const struct pg_startup *s)
{
    const size_t at = pg_begin(&c->out, 'v');
    sc_buf_put_u32be(&c->out, 3u << 16);
    sc_buf_put_u32be(&c->out, (uint32_t)s->unknown_count);
    for (size_t i = 0; i < s->unknown_count; i++) {
        sc_buf_put_bytes(&c->out, s->unknown[i]);
        sc_buf_put_u8(&c->out, 0);
    }
    pg_end(&c->out, at);
}

static sc_err greet(struct pg_connection *c)
{
    size_t at = pg_begin(&c->out, 'R'); /* AuthenticationOk */
    sc_buf_put_u32be(&c->out, 0);
    pg_end(&c->out, at);
    pg_settings_send(c);
    at = pg_begin(&c->out, 'K');
    sc_buf_put_u32be(&c->out, c->opt->process);
    sc_buf_put_u32be(&c->out, c->opt->key);
    pg_end(&c->out, at);
    return ready(c);
}

static sc_err session_open(struct pg_connection *c)
{
    struct sc_diag diag = {0};
    const struct sc_sql_session_options opt = {
        .read_only = c->who.read_only, .deferred_commit = true, .statement_ms_max = c->opt->statement_ms_max};
    const sc_err err = sc_sql_session_new(c->opt->db, &opt, &c->session, &diag);
    if (err != SC_OK)
        return pg_fatal(c, err, "53200", "no session: %s", sc_diag_text(&diag, err));
    c->opt->session_changed(c->opt->arg, c->session);
    const struct sc_sql_pg_host host = {
        .user = c->who.name, .process = c->opt->process, .setting = pg_setting, .arg = c};
    if (sc_sql_pg_catalog_attach(c->session, &host) != SC_OK)
        return pg_fatal(c, SC_E_NOMEM, "53200", "out of memory");
    return SC_OK;
}

static sc_err startup(struct pg_connection *c)
{
    unsigned asked = 0;
    c->startup_until_us = sc_mono_us(&sc_clock_system) + (int64_t)c->opt->startup_ms_max * 1000;
    for (;;) {
        struct pg_frame f;
        struct pg_startup s;
        SC_TRY(read_frame(c, FIRST, 0, &f));
        const sc_err err = pg_startup_parse(f.body, &s);
        if (err == SC_E_UNSUPPORTED)
            return pg_fatal(c, err, "0A000", "this server speaks version 3 of the protocol");
        if (err != SC_OK)
            return pg_fatal(c, SC_E_MALFORMED, "08P01", "malformed startup message");
        if (s.kind == PG_STARTUP_CANCEL) {
            c->opt->cancel(c->opt->arg, s.cancel_process, s.cancel_key);
            c->terminated = true;
            return SC_OK;
        }
        if (s.kind == PG_STARTUP_GSS || s.kind == PG_STARTUP_SSL) { /* there is TLS already, or none is to be had */
            if (++asked > 2)
                return pg_fatal(c, SC_E_MALFORMED, "08P01", "encryption was asked for again and again");
            sc_buf_put_u8(&c->out, 'N');
            SC_TRY(pg_flush(c));
            continue;
        }
        snprintf(c->application_name, sizeof c->application_name, "%.*s", (int)s.application_name.size,
                 (const char *)s.application_name.ptr);
        if (!pg_utf8_valid(sc_slice_str(c->application_name))) /* it is sent back */
            c->application_name[0] = '\0';
        if (s.minor != 0 || s.unknown_count != 0)
            negotiate_put(c, &s);
        if (c->opt->principal != NULL)
            c->who = *c->opt->principal; /* the certificate has said all */
        else
            SC_TRY(pg_login(c, s.user));
        SC_TRY(session_open(c));
        return greet(c);
    }
}

static sc_err serve(struct pg_connection *c)
{
    SC_TRY(startup(c));
    while (!c->terminated) {
        struct pg_frame f;
        SC_TRY(pg_read_message(c, c->opt->idle_ms_max, &f));
        SC_TRY(dispatch(c, &f));
        SC_TRY(pg_flush_if_full(c));
    }
    return SC_OK;
}

sc_err pg_connection_run(const struct pg_connection_options *opt, struct sc_diag *diag)
{
    struct pg_connection c = {.opt = opt, .diag = diag};
    sc_buf_init(&c.in, PG_MESSAGE_SIZE_MAX + 2 * READ_SIZE);
    sc_buf_init(&c.out, OUT_SIZE_MAX);
    sc_buf_init(&c.query, PG_MESSAGE_SIZE_MAX);
    sc_buf_init(&c.scratch, OUT_SIZE_MAX);
    sc_buf_init(&c.scratch_row, OUT_SIZE_MAX);
    const sc_err err = serve(&c);
    pg_portals_close(&c);
    pg_statements_close(&c);
    if (c.session != NULL)
        opt->session_changed(opt->arg, NULL);
    sc_sql_session_free(c.session);
    sc_buf_deinit(&c.in);
    sc_buf_deinit(&c.out);
    sc_buf_deinit(&c.query);
    sc_buf_deinit(&c.scratch);
    sc_buf_deinit(&c.scratch_row);
    sc_buf_deinit(&c.where);
    return err;
}
