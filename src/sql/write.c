/* Rows written: affinity, NOT NULL, the primary key's uniqueness, then the KVS. */
#include "sql/internal.h"

#include <stdio.h>

/* Numbers turned into text live in texts, one slot a column, until the row is encoded. */
typedef char number_text[SQL_NUMBER_TEXT_SIZE];

static void apply_affinities(const struct sql_table *t, struct sc_sql_value *values, number_text *texts)
{
    for (size_t i = 0; i < t->column_count; i++)
        sql_affinity_apply(t->columns[i].affinity, &values[i], texts[i]);
}

/* REPLACE puts the default where NULL is not allowed (https://sqlite.org/lang_conflict.html). */
static void replace_nulls(const struct sql_table *t, struct sc_sql_value *values)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (values[i].type == SC_SQL_NULL && t->columns[i].not_null)
            values[i] = t->columns[i].default_value;
}

static sc_err check_not_null(struct sc_sql_session *s, const struct sql_table *t, const struct sc_sql_value *values)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (values[i].type == SC_SQL_NULL && (t->columns[i].not_null || t->columns[i].pk_index >= 0))
            return sql_fail(s, "23502", "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
                            t->columns[i].name, t->name);
    return SC_OK;
}

/* The number behind the last row: what SQLite gives an INTEGER PRIMARY KEY that is NULL. */
static sc_err next_number(struct sc_sql_session *s, struct sql_table *t, int64_t *out)
{
    uint8_t lower[SQL_KEY_ROWS_SIZE];
    uint8_t upper[SQL_KEY_ROWS_SIZE + 1];
    struct sc_buf prefix = {0};
    sql_key_rows(&prefix, t->id);
    sc_err err = sc_buf_status(&prefix);
    if (err != SC_OK)
        return sql_fail(s, "53200", "out of memory");
    memcpy(lower, prefix.ptr, sizeof lower);
    memcpy(upper, prefix.ptr, sizeof lower);
    upper[SQL_KEY_ROWS_SIZE] = SQL_TUPLE_AFTER;
    sc_buf_deinit(&prefix);
    const struct sc_kvs_range range = {sc_slice_of(lower, sizeof lower), sc_slice_of(upper, sizeof upper)};
    struct sc_kvs_iter *it = NULL;
    SC_TRY(sql_range(s, &range, &it));
    struct sc_diag diag = {0};
    bool valid = false;
    struct sc_sql_value last = sc_sql_integer(0);
    err = sc_kvs_iter_last(it, &valid, &diag);
    if (err == SC_OK && valid) {
        const struct sc_slice key = sc_kvs_iter_key(it);
        struct sc_reader r = {key.ptr + SQL_KEY_ROWS_SIZE, key.ptr + key.size};
        struct sc_buf scratch = {0};
        err = sql_tuple_get(&r, &scratch, &last);
        sc_buf_deinit(&scratch);
    }
    sc_kvs_iter_free(it);
    if (err != SC_OK)
        return sql_fail_storage(s, err, &diag, t->name);
    if (last.type != SC_SQL_INTEGER || last.integer == INT64_MAX)
        return sql_fail(s, "2200H", "no number left for the primary key of \"%s\"", t->name);
    *out = last.integer < 0 ? 1 : last.integer + 1;
    return SC_OK;
}

/* Tables without a primary key: a counter that all sessions of the process share, so that their rows never collide. */
static sc_err next_hidden(struct sc_sql_session *s, struct sql_table *t, int64_t *out)
{
    if (atomic_load(&t->hidden_next) == 0) {
        int64_t first;
        int64_t unset = 0;
        SC_TRY(next_number(s, t, &first));
        atomic_compare_exchange_strong(&t->hidden_next, &unset, first);
    }
    *out = atomic_fetch_add(&t->hidden_next, 1);
    return SC_OK;
}

static sc_err fail_duplicate(struct sc_sql_session *s, const struct sql_table *t)
{
    char columns[256] = "";
    size_t n = 0;
    for (size_t k = 0; k < t->pk_count && n < sizeof columns; k++)
        n += (size_t)snprintf(columns + n, sizeof columns - n, "%s%s", k != 0 ? ", " : "", t->columns[t->pk[k]].name);
    return sql_fail(s, "23505", "duplicate key value violates unique constraint: %s(%s)", t->name, columns);
}

static sc_err check_unique(struct sc_sql_session *s, const struct sql_table *t, struct sc_slice key, bool *there_out)
{
    struct sc_diag diag = {0};
    const sc_err err = sc_kvs_txn_get(s->txn, key, NULL, &diag);
    *there_out = err == SC_OK;
    return err == SC_OK || err == SC_E_NOT_FOUND ? SC_OK : sql_fail_storage(s, err, &diag, t->name);
}

static sc_err put(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *values)
{
    sc_buf_reset(&s->row);
    sql_table_row(t, sc_buf_slice(&s->key), values, &s->row);
    if (sc_buf_status(&s->row) != SC_OK || sc_buf_status(&s->key) != SC_OK)
        return sql_fail(s, "54000", "row of table \"%s\" is too large", t->name);
    if (s->key.size > SC_KVS_KEY_SIZE_MAX || s->row.size > SC_KVS_VALUE_SIZE_MAX)
        return sql_fail(s, "54000", "row of table \"%s\" is too large: key %zu, value %zu bytes", t->name, s->key.size,
                        s->row.size);
    SC_TRY(sql_tx_wrote(s, t, s->key.size + s->row.size));
    const sc_err err = sc_kvs_txn_put(s->txn, sc_buf_slice(&s->key), sc_buf_slice(&s->row));
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, NULL, t->name);
}

sc_err sql_row_insert(struct sc_sql_session *s, struct sql_table *t, struct sc_sql_value *values,
                      enum sql_conflict conflict, int64_t *number_out)
{
    number_text texts[SQL_COLUMN_COUNT_MAX];
    int64_t number = 0;
    apply_affinities(t, values, texts);
    if (conflict == SQL_CONFLICT_REPLACE)
        replace_nulls(t, values);
    if (t->autonumber && values[t->pk[0]].type == SC_SQL_NULL) {
        SC_TRY(next_number(s, t, &number));
        values[t->pk[0]] = sc_sql_integer(number);
    } else if (t->pk_count == 0) {
        SC_TRY(next_hidden(s, t, &number));
    } else if (t->autonumber && values[t->pk[0]].type == SC_SQL_INTEGER) {
        number = values[t->pk[0]].integer;
    }
    SC_TRY(check_not_null(s, t, values));
    if (t->autonumber && values[t->pk[0]].type != SC_SQL_INTEGER)
        return sql_fail(s, "42804", "datatype mismatch: %s(%s) takes integers", t->name, t->columns[t->pk[0]].name);
    sc_buf_reset(&s->key);
    sql_table_key(t, values, number, &s->key);
    bool there = false;
    SC_TRY(check_unique(s, t, sc_buf_slice(&s->key), &there));
    if (there && conflict == SQL_CONFLICT_FAIL)
        return fail_duplicate(s, t);
    SC_TRY(put(s, t, values));
    if (!there && atomic_load_explicit(&t->rows_estimate, memory_order_relaxed) >= 0)
        atomic_fetch_add_explicit(&t->rows_estimate, 1, memory_order_relaxed);
    if (number_out != NULL)
        *number_out = number;
    return SC_OK;
}

sc_err sql_row_update(struct sc_sql_session *s, struct sql_table *t, struct sc_slice old_key,
                      struct sc_sql_value *values, enum sql_conflict conflict)
{
    number_text texts[SQL_COLUMN_COUNT_MAX];
    apply_affinities(t, values, texts);
    if (conflict == SQL_CONFLICT_REPLACE)
        replace_nulls(t, values);
    SC_TRY(check_not_null(s, t, values));
    if (t->autonumber && values[t->pk[0]].type != SC_SQL_INTEGER)
        return sql_fail(s, "42804", "datatype mismatch: %s(%s) takes integers", t->name, t->columns[t->pk[0]].name);
    sc_buf_reset(&s->key);
    if (t->pk_count == 0)
        sc_buf_put_bytes(&s->key, old_key);
    else
        sql_table_key(t, values, 0, &s->key);
    if (!sc_slice_eq(sc_buf_slice(&s->key), old_key)) {
        bool there = false;
        SC_TRY(check_unique(s, t, sc_buf_slice(&s->key), &there));
        if (there && conflict == SQL_CONFLICT_FAIL)
            return fail_duplicate(s, t);
        SC_TRY(sql_row_delete(s, t, old_key));
    }
    return put(s, t, values);
}

sc_err sql_row_delete(struct sc_sql_session *s, struct sql_table *t, struct sc_slice key)
{
    SC_TRY(sql_tx_wrote(s, t, key.size));
    const sc_err err = sc_kvs_txn_delete(s->txn, key);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, NULL, t->name);
}
