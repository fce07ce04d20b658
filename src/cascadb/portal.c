/* Running a statement that has its parameters: column types, rows, CommandComplete tags. */
#include "cascadb/internal.h"

#include "base/clock.h"

#include <stdio.h>
#include <strings.h>

void pg_portal_deinit(struct pg_portal *p)
{
    if (p->begun && !p->done)
        sc_ignore(sc_sql_reset(p->stmt)); /* rows the client did not want */
    sc_sql_stmt_free(p->own);
    sc_buf_deinit(&p->result_formats);
    free(p->column_oids);
    p->own = NULL;
    p->column_oids = NULL;
}

/* ---- columns ---- */
/* What an expression will be, as far as its name tells: only for clients that ask before anything has run. */
static uint32_t oid_of_name(const char *name)
{
    if (strncasecmp(name, "count(", 6) == 0)
        return PG_OID_INT8;
    if (strncasecmp(name, "sum(", 4) == 0 || strncasecmp(name, "avg(", 4) == 0 || strncasecmp(name, "total(", 6) == 0)
        return PG_OID_FLOAT8;
    return PG_OID_TEXT;
}

uint32_t pg_column_oid(const struct sc_sql_stmt *st, size_t i, bool have_row)
{
    uint32_t oid = pg_oid_of_declared(sc_sql_column_type(st, i));
    if (oid == PG_OID_NONE && have_row) {
        const struct sc_sql_value v = sc_sql_column(st, i);
        oid = pg_oid_of_value(&v);
    }
    return oid != PG_OID_NONE ? oid : oid_of_name(sc_sql_column_name(st, i));
}

static sc_err columns_know(struct pg_connection *c, struct pg_portal *p, bool have_row)
{
    if (p->column_oids != NULL)
        return SC_OK;
    const size_t count = sc_sql_column_count(p->stmt);
    p->column_oids = calloc(count + 1, sizeof *p->column_oids);
    if (p->column_oids == NULL)
        return pg_fail(&c->error, SC_E_NOMEM, "53200", "out of memory");
    p->column_count = count;
    for (size_t i = 0; i < count; i++)
        p->column_oids[i] = pg_column_oid(p->stmt, i, have_row);
    return SC_OK;
}

sc_err pg_portal_types_static(struct pg_portal *p)
{
    p->column_count = sc_sql_column_count(p->stmt);
    p->column_oids = calloc(p->column_count + 1, sizeof *p->column_oids);
    if (p->column_oids == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < p->column_count; i++)
        p->column_oids[i] = pg_column_oid(p->stmt, i, false);
    return SC_OK;
}

static void put_column(struct sc_buf *out, const char *name, uint32_t oid, uint16_t format)
{
    pg_put_cstr(out, name);
    sc_buf_put_u32be(out, 0); /* no table that a client could look up */
    sc_buf_put_u16be(out, 0);
    sc_buf_put_u32be(out, oid);
    sc_buf_put_u16be(out, (uint16_t)pg_oid_size(oid));
    sc_buf_put_u32be(out, UINT32_MAX); /* no type modifier */
    sc_buf_put_u16be(out, format);
}

static void put_description(struct sc_buf *out, const struct sc_sql_stmt *st, const uint32_t *oids, size_t count,
                            struct sc_slice formats)
{
    const size_t at = pg_begin(out, 'T');
    sc_buf_put_u16be(out, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        put_column(out, sc_sql_column_name(st, i), oids[i], pg_format_of(formats, i));
    pg_end(out, at);
}

/* ---- SHOW: a table of one row and column ---- */
static sc_err show_describe(struct pg_connection *c, struct sc_slice text)
{
    const char *name;
    const char *value;
    SC_TRY(pg_show_find(c, text, &name, &value));
    const size_t at = pg_begin(&c->out, 'T');
    sc_buf_put_u16be(&c->out, 1);
    put_column(&c->out, name, PG_OID_TEXT, 0);
    pg_end(&c->out, at);
    return SC_OK;
}

static sc_err show_run(struct pg_connection *c, struct pg_portal *p, bool with_description,
                       char tag[static PG_TAG_SIZE])
{
    const char *name;
    const char *value;
    if (with_description)
        SC_TRY(show_describe(c, sc_sql_stmt_text(p->stmt)));
    SC_TRY(pg_show_find(c, sc_sql_stmt_text(p->stmt), &name, &value));
    const size_t at = pg_begin(&c->out, 'D');
    sc_buf_put_u16be(&c->out, 1);
    sc_buf_put_lv32(&c->out, sc_slice_str(value));
    pg_end(&c->out, at);
    snprintf(tag, PG_TAG_SIZE, "SHOW");
    return SC_OK;
}

/* ---- describing ---- */
static sc_err step(struct pg_connection *c, struct pg_portal *p, bool *row_out)
{
    if (p->row_ready) {
        p->row_ready = false;
        *row_out = true;
        return SC_OK;
    }
    if (pg_stopping(c))
        return pg_fail(&c->error, SC_E_AGAIN, "57P01", "the server is shutting down");
    p->begun = true;
    const sc_err err = sc_sql_step(p->stmt, row_out);
    if (err != SC_OK || !*row_out)
        p->done = true;
    return err == SC_OK ? SC_OK : pg_session_failed(c, err);
}

sc_err pg_portal_describe(struct pg_connection *c, struct pg_portal *p)
{
    if (sc_sql_stmt_kind(p->stmt) == SQL_KIND_SHOW)
        return show_describe(c, sc_sql_stmt_text(p->stmt));
    const size_t count = sc_sql_column_count(p->stmt);
    if (count == 0) {
        pg_put_empty(&c->out, 'n');
        return SC_OK;
    }
    if (p->column_oids == NULL && !p->begun && sc_sql_stmt_read_only(p->stmt)) {
        bool row = false;
        SC_TRY(pg_check_transaction(c, sc_sql_stmt_kind(p->stmt)));
        SC_TRY(step(c, p, &row));
        p->row_ready = row;
    }
    SC_TRY(columns_know(c, p, p->row_ready));
    put_description(&c->out, p->stmt, p->column_oids, p->column_count, sc_buf_slice(&p->result_formats));
    return SC_OK;
}

sc_err pg_statement_describe(struct pg_connection *c, struct pg_statement *s)
{
    size_t at = pg_begin(&c->out, 't');
    sc_buf_put_u16be(&c->out, (uint16_t)s->param_count);
    for (size_t i = 0; i < s->param_count; i++)
        sc_buf_put_u32be(&c->out, s->param_oids[i] != PG_OID_NONE ? s->param_oids[i] : PG_OID_TEXT);
    pg_end(&c->out, at);
    if (sc_sql_stmt_kind(s->stmt) == SQL_KIND_SHOW)
        return show_describe(c, sc_sql_stmt_text(s->stmt));
    const size_t count = sc_sql_column_count(s->stmt);
    s->described = true;
    if (count == 0) {
        pg_put_empty(&c->out, 'n');
        return SC_OK;
    }
    at = pg_begin(&c->out, 'T');
    sc_buf_put_u16be(&c->out, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        put_column(&c->out, sc_sql_column_name(s->stmt, i), pg_column_oid(s->stmt, i, false), 0);
    pg_end(&c->out, at);
    return SC_OK;
}

/* ---- rows ---- */
static sc_err row_send(struct pg_connection *c, struct pg_portal *p)
{
    const size_t before = c->out.size;
    const struct sc_slice formats = sc_buf_slice(&p->result_formats);
    const size_t at = pg_begin(&c->out, 'D');
    sc_buf_put_u16be(&c->out, (uint16_t)p->column_count);
    for (size_t i = 0; i < p->column_count; i++) {
        const struct sc_sql_value v = sc_sql_column(p->stmt, i);
        const sc_err err = pg_value_put(&c->out, p->column_oids[i], pg_format_of(formats, i) == 1, &v, &c->error);
        if (err != SC_OK) {
            c->out.size = before; /* no half row */
            return err;
        }
    }
    pg_end(&c->out, at);
    p->size += c->out.size - before;
    if (c->opt->result_size_max != 0 && p->size > c->opt->result_size_max) {
        c->out.size = before;
        return pg_fail(&c->error, SC_E_LIMIT, "54000", "the result is larger than %llu bytes",
                       (unsigned long long)c->opt->result_size_max);
    }
    return pg_flush_if_full(c);
}

static sc_err rows_run(struct pg_connection *c, struct pg_portal *p, uint64_t row_count_max, bool with_description,
                       bool *more_out)
{
    uint64_t count = 0;
    sc_err err = SC_OK;
    for (;;) {
        bool row = false;
        err = step(c, p, &row);
        if (err == SC_OK && sc_sql_column_count(p->stmt) != 0)
            err = columns_know(c, p, row);
        if (err != SC_OK)
            break;
        if (with_description && count == 0 && p->column_count != 0) {
            put_description(&c->out, p->stmt, p->column_oids, p->column_count, SC_SLICE_EMPTY);
            with_description = false;
        }
        if (!row)
            break;
        err = row_send(c, p);
        if (err != SC_OK)
            break;
        if (++count == row_count_max) {
            *more_out = true; /* even when none follows: PostgreSQL does not look ahead either */
            break;
        }
    }
    p->row_count += count;
    sc_metric_add(c->opt->metrics->rows_out, (int64_t)count);
    return err;
}

/* ---- tags ---- */
static const char *const verbs[] = {
    [SQL_KIND_UPDATE] = "UPDATE",         [SQL_KIND_DELETE] = "DELETE",
    [SQL_KIND_EXPLAIN] = "EXPLAIN",       [SQL_KIND_CREATE_TABLE] = "CREATE TABLE",
    [SQL_KIND_DROP_TABLE] = "DROP TABLE", [SQL_KIND_BEGIN] = "BEGIN",
    [SQL_KIND_COMMIT] = "COMMIT",         [SQL_KIND_ROLLBACK] = "ROLLBACK",
    [SQL_KIND_SAVEPOINT] = "SAVEPOINT",   [SQL_KIND_RELEASE] = "RELEASE",
    [SQL_KIND_ROLLBACK_TO] = "ROLLBACK",  [SQL_KIND_SET] = "SET",
    [SQL_KIND_SET_TRANSACTION] = "SET",
};

/* The first word in capitals, as PostgreSQL names commands without a count. */
static void tag_of_text(struct sc_slice text, char tag[static PG_TAG_SIZE])
{
    struct sql_lexer lx = sql_lexer_of(text);
    const struct sql_token t = sql_lex(&lx);
    size_t n = 0;
    for (; n < t.text.size && n + 1 < 32; n++)
        tag[n] = (char)(t.text.ptr[n] >= 'a' && t.text.ptr[n] <= 'z' ? t.text.ptr[n] - 'a' + 'A' : t.text.ptr[n]);
    tag[n] = '\0';
}

/* CREATE INDEX, ALTER TABLE ... */
static void tag_of_ddl(struct sc_slice text, char tag[static PG_TAG_SIZE])
{
    struct sql_lexer lx = sql_lexer_of(text);
    char second[PG_TAG_SIZE];
    sql_lex(&lx);
    struct sql_token t = sql_lex(&lx);
    if (sql_token_is(t, "UNIQUE"))
        t = sql_lex(&lx);
    tag_of_text(text, tag);
    tag_of_text(t.text, second);
    const size_t n = strlen(tag);
    if (second[0] != '\0')
        snprintf(tag + n, PG_TAG_SIZE - n, " %s", second);
}

static void tag_make(struct pg_connection *c, const struct pg_portal *p, char tag[static PG_TAG_SIZE])
{
    const enum sql_kind kind = sc_sql_stmt_kind(p->stmt);
    const long long changes = sc_sql_changes(p->stmt);
    switch (kind) {
    case SQL_KIND_SELECT:
        snprintf(tag, PG_TAG_SIZE, "SELECT %llu", (unsigned long long)p->row_count);
        break;
    case SQL_KIND_INSERT:
        snprintf(tag, PG_TAG_SIZE, "INSERT 0 %lld", changes);
        sc_metric_add(c->opt->metrics->rows_in, changes);
        break;
    case SQL_KIND_UPDATE:
    case SQL_KIND_DELETE:
        snprintf(tag, PG_TAG_SIZE, "%s %lld", verbs[kind], changes);
        sc_metric_add(c->opt->metrics->rows_in, changes);
        break;
    case SQL_KIND_COMMIT:
        snprintf(tag, PG_TAG_SIZE, "%s", changes < 0 ? "ROLLBACK" : "COMMIT");
        break;
    case SQL_KIND_DDL:
        tag_of_ddl(sc_sql_stmt_text(p->stmt), tag);
        break;
    default:
        if ((size_t)kind < sizeof verbs / sizeof verbs[0] && verbs[kind] != NULL)
            snprintf(tag, PG_TAG_SIZE, "%s", verbs[kind]);
        else
            tag_of_text(sc_sql_stmt_text(p->stmt), tag);
    }
}

/* COMMIT of a transaction that only we know to be broken must not commit. */
static sc_err commit_broken(struct pg_connection *c, char tag[static PG_TAG_SIZE])
{
    const sc_err err = sc_sql_exec(c->session, "ROLLBACK");
    snprintf(tag, PG_TAG_SIZE, "ROLLBACK");
    c->tx_failed = false;
    return err == SC_OK ? SC_OK : pg_session_failed(c, err);
}

static sc_err portal_run(struct pg_connection *c, struct pg_portal *p, uint64_t row_count_max, bool with_description,
                         bool *more_out, char tag[static PG_TAG_SIZE])
{
    const enum sql_kind kind = sc_sql_stmt_kind(p->stmt);
    if (!pg_journal_ready(c->opt->journal) && kind != SQL_KIND_ROLLBACK)
        return pg_fail(&c->error, SC_E_IO, "58030", "the audit log cannot be written: no statement is run");
    SC_TRY(pg_check_transaction(c, kind));
    sc_metric_add(c->opt->metrics->statements, 1);
    if (p->done) { /* at its end before, or found empty by Describe */
        if (sc_sql_column_count(p->stmt) == 0)
            return pg_fail(&c->error, SC_E_USAGE, "55000", "portal has been run already");
        p->row_count = 0;
        tag_make(c, p, tag);
        return SC_OK;
    }
    switch (kind) {
    case SQL_KIND_SHOW:
        return show_run(c, p, with_description, tag);
    case SQL_KIND_COPY:
        return pg_copy_run(c, sc_sql_stmt_text(p->stmt), tag);
    case SQL_KIND_SET:
        snprintf(tag, PG_TAG_SIZE, "SET");
        return pg_set_run(c, sc_sql_stmt_text(p->stmt));
    case SQL_KIND_COMMIT:
        if (c->tx_failed)
            return commit_broken(c, tag);
        break;
    default:
        break;
    }
    SC_TRY(rows_run(c, p, row_count_max, with_description, more_out));
    if (kind == SQL_KIND_ROLLBACK || kind == SQL_KIND_ROLLBACK_TO)
        c->tx_failed = false;
    if (!*more_out)
        tag_make(c, p, tag);
    return SC_OK;
}

sc_err pg_portal_run(struct pg_connection *c, struct pg_portal *p, uint64_t row_count_max, bool with_description,
                     bool *more_out, char tag[static PG_TAG_SIZE])
{
    const int64_t begun_us = sc_mono_us(&sc_clock_system);
    const uint64_t before = p->row_count;
    *more_out = false;
    tag[0] = '\0';
    if (sc_sql_stmt_kind(p->stmt) == SQL_KIND_EMPTY)
        return SC_OK;
    const sc_err err = portal_run(c, p, row_count_max, with_description, more_out, tag);
    const uint64_t sent = p->row_count >= before ? p->row_count - before : 0;
    int64_t rows = (int64_t)sent;
    if (err == SC_OK && sc_sql_stmt_kind(p->stmt) == SQL_KIND_COPY)
        rows = strtoll(tag + strlen("COPY "), NULL, 10);
    else if (err == SC_OK && sent == 0 && !sc_sql_stmt_read_only(p->stmt))
        rows = sc_sql_changes(p->stmt);
    pg_note(c, sc_sql_stmt_text(p->stmt), begun_us, rows, err);
    return err;
}
