/* A database in this process, through CascaDB's C API: nothing leaves the process but what the volume seals. */
#include "cascadb/copy_load.h"
#include "shell/backend.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

struct local {
    struct shell_backend base;
    struct sc_local *local;
    struct sc_sql_session *session;
    struct pg_copy_load *load;
};

/* ---- errors ---- */
static bool told(const struct sc_sql_error *from, const char *statement, struct shell_error *e)
{
    *e = (struct shell_error){0};
    memcpy(e->sqlstate, from->sqlstate, sizeof e->sqlstate);
    snprintf(e->message, sizeof e->message, "%s", from->message);
    for (size_t i = 0; from->position != 0 && i < from->position && statement[i] != '\0'; i++)
        e->position += ((uint8_t)statement[i] & 0xc0) != 0x80; /* characters, not bytes */
    return false;
}

static bool session_failed(const struct local *l, const char *statement, struct shell_error *e)
{
    return told(sc_sql_session_error(l->session), statement, e);
}

static bool no_memory(struct shell_error *e)
{
    *e = (struct shell_error){.sqlstate = "53200", .message = "out of memory"};
    return false;
}

/* ---- rows ---- */
struct rows {
    size_t count;
    uint32_t *oids;
    struct shell_column *columns;
    struct sc_buf *texts; /* one a column */
    const char **values;
};

static void rows_deinit(struct rows *r)
{
    for (size_t i = 0; r->texts != NULL && i < r->count; i++)
        sc_buf_deinit(&r->texts[i]);
    free(r->texts);
    free(r->values);
    free(r->columns);
    free(r->oids);
}

/* An expression's type is that of its first value. */
static uint32_t column_oid(const struct sc_sql_stmt *st, size_t i, bool have_row)
{
    uint32_t oid = pg_oid_of_declared(sc_sql_column_type(st, i));
    if (oid == PG_OID_NONE && have_row) {
        const struct sc_sql_value v = sc_sql_column(st, i);
        oid = pg_oid_of_value(&v);
    }
    return oid != PG_OID_NONE ? oid : PG_OID_TEXT;
}

static bool rows_init(struct rows *r, const struct sc_sql_stmt *st, bool have_row)
{
    r->count = sc_sql_column_count(st);
    r->oids = calloc(r->count + 1, sizeof *r->oids);
    r->columns = calloc(r->count + 1, sizeof *r->columns);
    r->texts = calloc(r->count + 1, sizeof *r->texts);
    r->values = calloc(r->count + 1, sizeof *r->values);
    if (r->oids == NULL || r->columns == NULL || r->texts == NULL || r->values == NULL)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        const uint32_t oid = r->oids[i] = column_oid(st, i, have_row);
        r->columns[i].name = sc_sql_column_name(st, i);
        r->columns[i].number = oid == PG_OID_INT8 || oid == PG_OID_FLOAT8 || oid == PG_OID_NUMERIC;
    }
    return true;
}

static void row_hand(struct rows *r, const struct sc_sql_stmt *st, const struct shell_sink *sink)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct sc_sql_value v = sc_sql_column(st, i);
        r->values[i] = NULL;
        if (v.type == SC_SQL_NULL)
            continue;
        sc_buf_reset(&r->texts[i]);
        pg_value_put_text(&r->texts[i], r->oids[i], &v);
        r->values[i] = sc_buf_cstr(&r->texts[i]);
    }
    sink->row(sink->arg, r->values);
}

static bool select_run(struct local *l, struct sc_sql_stmt *st, const char *statement, const struct shell_sink *sink,
                       struct shell_error *e)
{
    SC_CLEANUP(rows_deinit) struct rows r = {0};
    bool row = false;
    uint64_t count = 0;
    char tag[40];
    if (sc_sql_step(st, &row) != SC_OK)
        return session_failed(l, statement, e);
    if (!rows_init(&r, st, row))
        return no_memory(e);
    sink->begin(sink->arg, r.columns, r.count);
    for (; row; count++) {
        row_hand(&r, st, sink);
        if (sc_sql_step(st, &row) != SC_OK)
            return session_failed(l, statement, e);
    }
    snprintf(tag, sizeof tag, "SELECT %" PRIu64, count);
    sink->done(sink->arg, tag);
    return true;
}

/* ---- COPY ---- */
static bool copy_from(struct local *l, const struct pg_copy_statement *st, const struct shell_sink *sink,
                      struct shell_error *e)
{
    int64_t rows = 0;
    struct sc_slice line;
    char tag[40];
    struct shell_backend *b = &l->base;
    bool good = b->ops->import_begin(b, st, e);
    while (good && sink->copy_line(sink->arg, &line))
        good = b->ops->import_feed(b, line, e) && b->ops->import_feed(b, sc_slice_str("\n"), e);
    struct sc_slice rest;
    while (!good && l->load != NULL && sink->copy_line(sink->arg, &rest)) {
        /* the rest of the data is not statements */
    }
    good = b->ops->import_end(b, good, &rows, good ? e : &(struct shell_error){0}) && good;
    snprintf(tag, sizeof tag, "COPY %" PRId64, rows);
    if (good)
        sink->done(sink->arg, tag);
    return good;
}

static void put_name(struct sc_buf *out, const char *name)
{
    sc_buf_put_u8(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            sc_buf_put_u8(out, '"');
        sc_buf_put_u8(out, (uint8_t)*name);
    }
    sc_buf_put_u8(out, '"');
}

static void put_source(struct sc_buf *sql, const struct pg_copy_statement *st)
{
    if (st->table == NULL) {
        sc_buf_put_bytes(sql, st->query);
        return;
    }
    sc_buf_put_str(sql, "SELECT ");
    for (size_t i = 0; i < st->column_count; i++) {
        sc_buf_put_str(sql, i != 0 ? ", " : "");
        put_name(sql, st->columns[i]);
    }
    sc_buf_put_str(sql, st->column_count == 0 ? "* FROM " : " FROM ");
    put_name(sql, st->table);
}

static bool copy_rows(struct local *l, const struct pg_copy_statement *st, struct sc_sql_stmt *src, uint64_t *count,
                      const struct shell_sink *sink, struct shell_error *e)
{
    SC_CLEANUP(rows_deinit) struct rows r = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf line = {0}, scratch = {0};
    struct sc_sql_error error;
    bool row = false;
    if (sc_sql_step(src, &row) != SC_OK)
        return session_failed(l, "", e);
    if (!rows_init(&r, src, row))
        return no_memory(e);
    for (size_t i = 0; i < r.count; i++)
        r.values[i] = r.columns[i].name;
    pg_copy_put_head(&line, st, r.values, r.count);
    for (; row; ++*count) {
        for (size_t i = 0; i < r.count; i++) {
            const struct sc_sql_value v = sc_sql_column(src, i);
            if (pg_copy_put_field(&line, st, i, r.count, r.oids[i], &v, &scratch, &error) != SC_OK)
                return told(&error, "", e);
        }
        sink->copy_data(sink->arg, sc_buf_slice(&line));
        sc_buf_reset(&line);
        if (sc_sql_step(src, &row) != SC_OK)
            return session_failed(l, "", e);
    }
    pg_copy_put_tail(&line, st);
    sink->copy_data(sink->arg, sc_buf_slice(&line));
    return true;
}

static bool copy_to(struct local *l, const struct pg_copy_statement *st, const struct shell_sink *sink,
                    struct shell_error *e)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *src = NULL;
    size_t used;
    uint64_t count = 0;
    char tag[40];
    put_source(&sql, st);
    if (sc_sql_prepare(l->session, sc_buf_slice(&sql), &src, &used) != SC_OK)
        return session_failed(l, "", e);
    if (!copy_rows(l, st, src, &count, sink, e))
        return false;
    snprintf(tag, sizeof tag, "COPY %" PRIu64, count);
    sink->done(sink->arg, tag);
    return true;
}

static bool copy_run(struct local *l, const char *statement, const struct shell_sink *sink, struct shell_error *e)
{
    SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
    struct sc_sql_error error;
    if (pg_copy_statement_parse(sc_slice_str(statement), &st, &error) != SC_OK)
        return told(&error, statement, e);
    return st.from ? copy_from(l, &st, sink, e) : copy_to(l, &st, sink, e);
}

/* ---- statements without rows ---- */
/* As the server's CommandComplete: the first word, "CREATE TABLE" and the like with the second, and how many rows. */
static void tag_make(const struct sc_sql_stmt *st, char *tag, size_t size)
{
    struct sql_lexer lx = sql_lexer_of(sc_sql_stmt_text(st));
    const struct sql_token first = sql_lex(&lx);
    const bool counts = sql_token_is(first, "INSERT") || sql_token_is(first, "REPLACE") ||
                        sql_token_is(first, "UPDATE") || sql_token_is(first, "DELETE") || sql_token_is(first, "WITH");
    const bool names = sql_token_is(first, "CREATE") || sql_token_is(first, "DROP") || sql_token_is(first, "ALTER");
    size_t n = 0;
    const struct sql_token words[2] = {first, names ? sql_lex(&lx) : (struct sql_token){.text = SC_SLICE_EMPTY}};
    for (int w = 0; w < (names ? 2 : 1); w++) {
        if (w != 0 && n + 1 < size)
            tag[n++] = ' ';
        for (size_t i = 0; i < words[w].text.size && n + 30 < size; i++) {
            const char c = (char)words[w].text.ptr[i];
            tag[n++] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
    }
    tag[n] = '\0';
    if (sql_token_is(first, "COMMIT") && sc_sql_changes(st) < 0)
        snprintf(tag, size, "ROLLBACK");
    else if (counts)
        snprintf(tag + n, size - n, " %s%" PRId64, sql_token_is(first, "INSERT") ? "0 " : "", sc_sql_changes(st));
}

static bool other_run(struct local *l, struct sc_sql_stmt *st, const char *statement, const struct shell_sink *sink,
                      struct shell_error *e)
{
    char tag[80];
    bool row = true;
    while (row)
        if (sc_sql_step(st, &row) != SC_OK)
            return session_failed(l, statement, e);
    tag_make(st, tag, sizeof tag);
    sink->done(sink->arg, tag);
    return true;
}

static bool local_run(struct shell_backend *b, const char *statement, const struct shell_sink *sink,
                      struct shell_error *e)
{
    struct local *l = (struct local *)b;
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
    size_t used;
    if (sql_kind_of(sc_slice_str(statement)) == SQL_KIND_COPY)
        return copy_run(l, statement, sink, e);
    if (sc_sql_prepare(l->session, sc_slice_str(statement), &st, &used) != SC_OK)
        return session_failed(l, statement, e);
    return sc_sql_column_count(st) != 0 ? select_run(l, st, statement, sink, e) : other_run(l, st, statement, sink, e);
}

static void local_cancel(struct shell_backend *b)
{
    sc_sql_session_cancel(((struct local *)b)->session); /* sets flags, no more */
}

static bool local_lost(const struct shell_backend *b)
{
    (void)b;
    return false;
}

/* ---- import ---- */
static bool local_import_begin(struct shell_backend *b, const struct pg_copy_statement *st, struct shell_error *e)
{
    struct local *l = (struct local *)b;
    struct sc_sql_error error;
    return pg_copy_load_begin(l->session, st, &l->load, &error) == SC_OK || told(&error, "", e);
}

static bool feed(struct local *l, struct sc_slice bytes, bool final, struct shell_error *e)
{
    struct sc_sql_error error;
    if (pg_copy_load_feed(l->load, bytes, final, &error) == SC_OK)
        return true;
    const char *column = pg_copy_load_column(l->load);
    told(&error, "", e);
    e->line = pg_copy_load_line(l->load);
    snprintf(e->column, sizeof e->column, "%s", column != NULL ? column : "");
    snprintf(e->context, sizeof e->context, "COPY %.60s, line %" PRIu64 "%s%.60s", pg_copy_load_table(l->load), e->line,
             column != NULL ? ", column " : "", e->column);
    return false;
}

static bool local_import_feed(struct shell_backend *b, struct sc_slice bytes, struct shell_error *e)
{
    return feed((struct local *)b, bytes, false, e);
}

static bool local_import_end(struct shell_backend *b, bool commit, int64_t *rows_out, struct shell_error *e)
{
    struct local *l = (struct local *)b;
    struct sc_sql_error error;
    if (l->load == NULL)
        return true;
    const bool good = !commit || feed(l, SC_SLICE_EMPTY, true, e);
    struct pg_copy_load *load = SC_TAKE(l->load);
    if (pg_copy_load_end(load, commit && good, rows_out, &error) == SC_OK || !good)
        return good;
    return told(&error, "", e);
}

static void local_free(struct shell_backend *b)
{
    struct local *l = (struct local *)b;
    sc_sql_session_free(l->session);
    sc_local_close(l->local);
    free(l);
}

static const struct shell_backend_ops local_ops = {
    local_run, local_cancel, local_lost, local_import_begin, local_import_feed, local_import_end, local_free,
};

sc_err shell_backend_local(struct sc_local *local, bool read_only, struct shell_backend **out, struct sc_diag *diag)
{
    const struct sc_sql_session_options opt = {.read_only = read_only};
    struct local *l = calloc(1, sizeof *l);
    if (l == NULL)
        return sc_fail(diag, SC_E_NOMEM, "out of memory");
    l->base.ops = &local_ops;
    const sc_err err = sc_sql_session_new(sc_local_db(local), &opt, &l->session, diag);
    if (err != SC_OK) {
        free(l);
        return err;
    }
    l->local = local;
    *out = &l->base;
    return SC_OK;
}
