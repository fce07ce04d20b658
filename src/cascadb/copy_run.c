/* COPY between a client and a table. */
#include "cascadb/copy_load.h"
#include "cascadb/internal.h"

#include <stdio.h>

/* CopyInResponse 'G', CopyOutResponse 'H' */
static void put_response(struct pg_connection *c, char type, const struct pg_copy_statement *st, size_t column_count)
{
    const uint16_t format = st->format == PG_COPY_BINARY;
    const size_t at = pg_begin(&c->out, type);
    sc_buf_put_u8(&c->out, (uint8_t)format);
    sc_buf_put_u16be(&c->out, (uint16_t)column_count);
    for (size_t i = 0; i < column_count; i++)
        sc_buf_put_u16be(&c->out, format);
    pg_end(&c->out, at);
}

/* ---- FROM STDIN ---- */
/* An error tells where in the data it is, as PostgreSQL's does. */
static sc_err load_feed(struct pg_connection *c, struct pg_copy_load *l, struct sc_slice bytes, bool final)
{
    const sc_err err = pg_copy_load_feed(l, bytes, final, &c->error);
    if (err == SC_OK)
        return SC_OK;
    const char *column = pg_copy_load_column(l);
    sc_buf_reset(&c->where);
    sc_buf_put_fmt(&c->where, "COPY %s, line %llu", pg_copy_load_table(l), (unsigned long long)pg_copy_load_line(l));
    if (column != NULL)
        sc_buf_put_fmt(&c->where, ", column %s", column);
    return err;
}

/* Reads messages to the end of the data.  After a mistake in the rows the rest is left to the main loop, which drops
 * stray copy messages. */
static sc_err load_messages(struct pg_connection *c, struct pg_copy_load *l)
{
    for (;;) {
        struct pg_frame f;
        SC_TRY(pg_read_message(c, c->opt->idle_ms_max, &f));
        switch (f.type) {
        case 'd':
            SC_TRY(load_feed(c, l, f.body, false));
            break;
        case 'c':
            return load_feed(c, l, SC_SLICE_EMPTY, true);
        case 'f': {
            const int size = (int)(f.body.size < 200 ? f.body.size : 200);
            const bool valid = pg_utf8_valid(sc_slice_of(f.body.ptr, strnlen((const char *)f.body.ptr, (size_t)size)));
            return pg_fail(&c->error, SC_E_USAGE, "57014", "COPY from stdin failed: %.*s", valid ? size : 0,
                           (const char *)f.body.ptr);
        }
        case 'H': /* the documentation lets a client send these blindly */
        case 'S':
            break;
        default:
            return pg_fatal(c, SC_E_MALFORMED, "08P01", "unexpected message of type 0x%02x during COPY from stdin",
                            f.type);
        }
    }
}

static sc_err copy_from(struct pg_connection *c, const struct pg_copy_statement *st, char tag[static PG_TAG_SIZE])
{
    struct pg_copy_load *l = NULL;
    int64_t stored = 0;
    struct sc_sql_error ignored;
    SC_TRY(pg_copy_load_begin(c->session, st, &l, &c->error));
    put_response(c, 'G', st, pg_copy_load_column_count(l));
    sc_err err = pg_flush(c);
    if (err == SC_OK)
        err = load_messages(c, l);
    const sc_err ended = pg_copy_load_end(l, err == SC_OK, &stored, err == SC_OK ? &c->error : &ignored);
    SC_TRY(err);
    SC_TRY(ended);
    sc_metric_add(c->opt->metrics->rows_in, stored);
    snprintf(tag, PG_TAG_SIZE, "COPY %lld", (long long)stored);
    return SC_OK;
}

/* ---- TO STDOUT ---- */
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

static sc_err source_prepare(struct pg_connection *c, const struct pg_copy_statement *st, struct sc_sql_stmt **out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    if (st->table == NULL) {
        sc_buf_put_bytes(&sql, st->query);
    } else {
        sc_buf_put_str(&sql, "SELECT ");
        for (size_t i = 0; i < st->column_count; i++) {
            sc_buf_put_str(&sql, i != 0 ? ", " : "");
            put_name(&sql, st->columns[i]);
        }
        sc_buf_put_str(&sql, st->column_count == 0 ? "* FROM " : " FROM ");
        put_name(&sql, st->table);
    }
    if (sc_buf_status(&sql) != SC_OK)
        return pg_fail(&c->error, SC_E_NOMEM, "53200", "out of memory");
    size_t used = 0;
    const sc_err err = pg_prepare(c->session, sc_buf_slice(&sql), out, &used, &c->error);
    if (err != SC_OK) {
        c->error.position = 0; /* it counts in a text the client did not send */
        return err;
    }
    if (!sc_sql_stmt_read_only(*out) || sc_sql_column_count(*out) == 0 || used != sql.size)
        return pg_fail(&c->error, SC_E_USAGE, "42601", "COPY TO needs a query that returns rows");
    return SC_OK;
}

static void put_data(struct pg_connection *c, const struct sc_buf *row)
{
    const size_t at = pg_begin(&c->out, 'd');
    sc_buf_put_bytes(&c->out, sc_buf_slice(row));
    pg_end(&c->out, at);
}

/* The types must be known before the first row: an untyped expression goes out as what its first value is. */
static void oids_of(const struct sc_sql_stmt *src, bool have_row, uint32_t *oids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        oids[i] = pg_oid_of_declared(sc_sql_column_type(src, i));
        if (oids[i] == PG_OID_NONE && have_row) {
            const struct sc_sql_value v = sc_sql_column(src, i);
            oids[i] = pg_oid_of_value(&v);
        }
        if (oids[i] == PG_OID_NONE)
            oids[i] = PG_OID_TEXT;
    }
}

static sc_err put_rows(struct pg_connection *c, const struct pg_copy_statement *st, struct sc_sql_stmt *src, bool row,
                       const uint32_t *oids, size_t count, uint64_t *rows_out)
{
    struct sc_buf *line = &c->scratch_row;
    while (row) {
        sc_buf_reset(line);
        if (*rows_out == 0 && st->format == PG_COPY_BINARY)
            pg_copy_put_head(line, st, NULL, 0);
        for (size_t i = 0; i < count; i++) {
            const struct sc_sql_value v = sc_sql_column(src, i);
            SC_TRY(pg_copy_put_field(line, st, i, count, oids[i], &v, &c->scratch, &c->error));
        }
        put_data(c, line);
        SC_TRY(pg_flush_if_full(c));
        ++*rows_out;
        if (pg_stopping(c))
            return pg_fail(&c->error, SC_E_AGAIN, "57P01", "the server is shutting down");
        const sc_err err = sc_sql_step(src, &row);
        if (err != SC_OK)
            return pg_session_failed(c, err);
    }
    return SC_OK;
}

static void put_head(struct pg_connection *c, const struct pg_copy_statement *st, const struct sc_sql_stmt *src,
                     size_t count, const char **names)
{
    for (size_t i = 0; i < count; i++)
        names[i] = sc_sql_column_name(src, i);
    sc_buf_reset(&c->scratch_row);
    pg_copy_put_head(&c->scratch_row, st, names, count);
    if (c->scratch_row.size != 0)
        put_data(c, &c->scratch_row);
}

static sc_err copy_out(struct pg_connection *c, const struct pg_copy_statement *st, struct sc_sql_stmt *src,
                       uint64_t *rows_out)
{
    const size_t count = sc_sql_column_count(src);
    SC_CLEANUP(sc_freep) uint32_t *oids = calloc(count, sizeof *oids);
    SC_CLEANUP(sc_freep) const char **names = calloc(count, sizeof *names);
    bool row = false;
    if (oids == NULL || names == NULL)
        return pg_fail(&c->error, SC_E_NOMEM, "53200", "out of memory");
    const sc_err err = sc_sql_step(src, &row);
    if (err != SC_OK)
        return pg_session_failed(c, err);
    oids_of(src, row, oids, count);
    put_response(c, 'H', st, count);
    if (st->format != PG_COPY_BINARY || !row)
        put_head(c, st, src, count, names);
    SC_TRY(put_rows(c, st, src, row, oids, count, rows_out));
    sc_buf_reset(&c->scratch_row);
    pg_copy_put_tail(&c->scratch_row, st);
    if (c->scratch_row.size != 0)
        put_data(c, &c->scratch_row);
    pg_put_empty(&c->out, 'c');
    return SC_OK;
}

static sc_err copy_to(struct pg_connection *c, const struct pg_copy_statement *st, char tag[static PG_TAG_SIZE])
{
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *src = NULL;
    uint64_t rows = 0;
    SC_TRY(source_prepare(c, st, &src));
    const sc_err err = copy_out(c, st, src, &rows);
    sc_ignore(sc_sql_reset(src)); /* a reading statement has nothing to lose */
    sc_metric_add(c->opt->metrics->rows_out, (int64_t)rows);
    snprintf(tag, PG_TAG_SIZE, "COPY %llu", (unsigned long long)rows);
    return err;
}

sc_err pg_copy_run(struct pg_connection *c, struct sc_slice text, char tag[static PG_TAG_SIZE])
{
    SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
    SC_TRY(pg_copy_statement_parse(text, &st, &c->error));
    return st.from ? copy_from(c, &st, tag) : copy_to(c, &st, tag);
}
