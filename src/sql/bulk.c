/* Bulk loading: straight to the row encoder. */
#include "sql/eval.h"

#include <stdio.h>

struct sc_sql_bulk {
    struct sc_sql_session *session;
    struct sql_table *table;
    size_t column_count;
    uint16_t columns[SQL_COLUMN_COUNT_MAX];
    uint8_t omitted[SQL_COLUMN_COUNT_MAX / 8];
    bool some_omitted;
    int64_t rows;
    bool failed;
};

static sc_err bulk_columns(struct sc_sql_bulk *b, const char *const *columns, size_t column_count)
{
    struct sc_sql_session *s = b->session;
    bool named[SQL_COLUMN_COUNT_MAX] = {false};
    const struct sql_table *t = b->table;
    if (columns != NULL && column_count > SQL_COLUMN_COUNT_MAX)
        return sql_fail(s, "54011", "too many columns");
    memset(b->omitted, 0xff, sizeof b->omitted);
    for (size_t i = 0; i < (columns != NULL ? column_count : t->column_count); i++) {
        const int c = columns != NULL ? sql_table_column(t, columns[i]) : (int)i;
        if (columns == NULL && t->columns[c].generated_sql != NULL)
            continue;
        if (c < 0)
            return sql_fail(s, "42703", "table \"%s\" has no column named \"%s\"", b->table->name, columns[i]);
        if (named[c])
            return sql_fail(s, "42701", "column \"%s\" is named twice", columns[i]);
        if (t->columns[c].generated_sql != NULL)
            return sql_fail(s, "428C9", "cannot write generated column \"%s\"", t->columns[c].name);
        named[c] = true;
        b->omitted[c / 8] &= (uint8_t) ~(1u << c % 8);
        b->columns[b->column_count++] = (uint16_t)c;
    }
    b->some_omitted = b->column_count < t->column_count;
    return SC_OK;
}

static void bulk_free(struct sc_sql_bulk *b)
{
    sql_table_unref(b->table);
    free(b);
}

sc_err sc_sql_bulk_begin(struct sc_sql_session *s, const char *table, const char *const *columns, size_t column_count,
                         struct sc_sql_bulk **out)
{
    s->failed = false;
    sc_err err = sql_execution_begin(s, SQL_KIND_COPY, false);
    if (err != SC_OK)
        return sql_execution_end(s, err, false);
    struct sql_table *t = sql_schema_find(s, table);
    if (t == NULL)
        return sql_execution_end(s, sql_fail(s, "42P01", "no such table: %s", table), false);
    struct sc_sql_bulk *b = calloc(1, sizeof *b);
    if (b == NULL)
        return sql_execution_end(s, sql_fail(s, "53200", "out of memory"), false);
    b->session = s;
    b->table = sql_table_ref(t);
    err = bulk_columns(b, columns, column_count);
    if (err == SC_OK)
        err = sql_tx_need(s);
    if (err != SC_OK) {
        bulk_free(b);
        return sql_execution_end(s, err, false);
    }
    s->active++;
    *out = b;
    return SC_OK;
}

size_t sc_sql_bulk_column_count(const struct sc_sql_bulk *b)
{
    return b->column_count;
}

const char *sc_sql_bulk_column_type(const struct sc_sql_bulk *b, size_t i)
{
    return b->table->columns[b->columns[i]].type;
}

sc_err sc_sql_bulk_row(struct sc_sql_bulk *b, const struct sc_sql_value *values)
{
    struct sc_sql_session *s = b->session;
    struct sc_sql_value row[SQL_COLUMN_COUNT_MAX];
    s->failed = false;
    for (size_t i = 0; i < b->column_count; i++)
        row[b->columns[i]] = values[i];
    s->ignore_row = false;
    const sc_err err = sql_progress(s) ? sql_fail_sqlite(s, SQLITE_INTERRUPT)
                                       : sql_row_insert(s, b->table, row, b->some_omitted ? b->omitted : NULL, NULL,
                                                        SQL_CONFLICT_FAIL, NULL, NULL);
    b->failed = b->failed || err != SC_OK;
    b->rows += err == SC_OK;
    return err;
}

sc_err sc_sql_bulk_end(struct sc_sql_bulk *b, bool commit, int64_t *rows_out)
{
    struct sc_sql_session *s = b->session;
    sc_err err = SC_OK;
    s->failed = false;
    s->active--;
    if (b->failed || !commit) {
        const sc_err rolled_back = sql_execution_end(s, SC_E_USAGE, false);
        err = commit ? rolled_back : SC_OK;
    } else {
        *rows_out = b->rows;
        err = sql_execution_end(s, SC_OK, false);
    }
    bulk_free(b);
    return err;
}
