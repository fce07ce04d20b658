#include "cascadb/copy_load.h"

#include <stdio.h>

#define NAME_SIZE ((size_t)128)

struct pg_copy_load {
    struct sc_sql_session *session;
    struct sc_sql_bulk *bulk;
    struct pg_copy_reader reader;
    size_t column_count;
    struct sc_sql_value *values;
    uint32_t *oids;
    struct sc_buf *decoded; /* one a column: what a bytea was decoded to must live until its row is stored */
    char column[NAME_SIZE]; /* that did not fit */
};

static void load_free(struct pg_copy_load *l)
{
    for (size_t i = 0; l->decoded != NULL && i < l->column_count; i++)
        sc_buf_deinit(&l->decoded[i]);
    free(l->decoded);
    free(l->values);
    free(l->oids);
    pg_copy_reader_deinit(&l->reader);
    free(l);
}

static sc_err session_failed(struct pg_copy_load *l, sc_err err, struct sc_sql_error *e)
{
    *e = *sc_sql_session_error(l->session);
    return err;
}

static sc_err columns_know(struct pg_copy_load *l, struct sc_sql_error *e)
{
    l->column_count = sc_sql_bulk_column_count(l->bulk);
    l->values = calloc(l->column_count + 1, sizeof *l->values);
    l->oids = calloc(l->column_count + 1, sizeof *l->oids);
    l->decoded = calloc(l->column_count + 1, sizeof *l->decoded);
    if (l->values == NULL || l->oids == NULL || l->decoded == NULL)
        return pg_fail(e, SC_E_NOMEM, "53200", "out of memory");
    for (size_t i = 0; i < l->column_count; i++) {
        const uint32_t oid = pg_oid_of_declared(sc_sql_bulk_column_type(l->bulk, i));
        l->oids[i] = oid != PG_OID_NONE ? oid : PG_OID_TEXT;
    }
    return SC_OK;
}

sc_err pg_copy_load_begin(struct sc_sql_session *session, const struct pg_copy_statement *st, struct pg_copy_load **out,
                          struct sc_sql_error *e)
{
    struct pg_copy_load *l = calloc(1, sizeof *l);
    if (l == NULL)
        return pg_fail(e, SC_E_NOMEM, "53200", "out of memory");
    l->session = session;
    pg_copy_reader_init(&l->reader, st);
    sc_err err = sc_sql_bulk_begin(session, st->table, st->columns, st->column_count, &l->bulk);
    if (err != SC_OK) {
        session_failed(l, err, e);
        load_free(l);
        return err;
    }
    err = columns_know(l, e);
    if (err != SC_OK) {
        int64_t none;
        sc_ignore(sc_sql_bulk_end(l->bulk, false, &none)); /* out of memory is what counts */
        load_free(l);
        return err;
    }
    *out = l;
    return SC_OK;
}

const char *pg_copy_load_table(const struct pg_copy_load *l)
{
    return l->reader.statement->table;
}

size_t pg_copy_load_column_count(const struct pg_copy_load *l)
{
    return l->column_count;
}

uint64_t pg_copy_load_line(const struct pg_copy_load *l)
{
    return l->reader.line;
}

const char *pg_copy_load_column(const struct pg_copy_load *l)
{
    return l->column[0] != '\0' ? l->column : NULL;
}

/* The bulk load knows types only, so names that the statement does not say are asked for: the rare, failing case. */
static void column_name_find(struct pg_copy_load *l, size_t i)
{
    const struct pg_copy_statement *st = l->reader.statement;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *query = NULL;
    size_t used;
    snprintf(l->column, sizeof l->column, "%zu", i + 1);
    if (st->columns != NULL) {
        snprintf(l->column, sizeof l->column, "%s", st->columns[i]);
        return;
    }
    sc_buf_put_str(&sql, "SELECT * FROM \"");
    for (const char *p = st->table; *p != '\0'; p++) {
        if (*p == '"')
            sc_buf_put_u8(&sql, '"');
        sc_buf_put_u8(&sql, (uint8_t)*p);
    }
    sc_buf_put_str(&sql, "\"");
    if (sc_buf_status(&sql) == SC_OK && sc_sql_prepare(l->session, sc_buf_slice(&sql), &query, &used) == SC_OK &&
        i < sc_sql_column_count(query))
        snprintf(l->column, sizeof l->column, "%s", sc_sql_column_name(query, i));
}

static sc_err row_store(struct pg_copy_load *l, struct sc_sql_error *e)
{
    const struct pg_copy_reader *r = &l->reader;
    if (r->field_count != l->column_count)
        return pg_fail(e, SC_E_MALFORMED, "22P04", "%s: %zu fields for %zu columns",
                       r->field_count < l->column_count ? "missing data" : "extra data after last expected column",
                       r->field_count, l->column_count);
    for (size_t i = 0; i < l->column_count; i++) {
        l->values[i] = sc_sql_null();
        if (r->fields[i].null)
            continue;
        const sc_err err = pg_value_parse(l->oids[i], r->statement->format == PG_COPY_BINARY, r->fields[i].bytes,
                                          &l->decoded[i], &l->values[i], e);
        if (err != SC_OK) {
            column_name_find(l, i);
            return err;
        }
    }
    const sc_err err = sc_sql_bulk_row(l->bulk, l->values);
    return err == SC_OK ? SC_OK : session_failed(l, err, e);
}

sc_err pg_copy_load_feed(struct pg_copy_load *l, struct sc_slice bytes, bool final, struct sc_sql_error *e)
{
    SC_TRY(pg_copy_reader_feed(&l->reader, bytes, e));
    for (;;) {
        const sc_err err = pg_copy_reader_next(&l->reader, final, e);
        if (err == SC_E_AGAIN)
            return SC_OK;
        if (err != SC_OK)
            return err;
        SC_TRY(row_store(l, e));
    }
}

sc_err pg_copy_load_end(struct pg_copy_load *l, bool commit, int64_t *rows_out, struct sc_sql_error *e)
{
    const sc_err err = sc_sql_bulk_end(l->bulk, commit, rows_out);
    if (err != SC_OK)
        session_failed(l, err, e);
    load_free(l);
    return err;
}
