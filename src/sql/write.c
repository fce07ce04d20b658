/* Rows written: defaults, affinity, constraints, then the row and its index entries.
 *
 * All that may refuse a row comes before the first write of it, so that stepping over it (OR IGNORE) leaves nothing. */
#include "sql/eval.h"

#include <stdio.h>

/* Numbers turned into text live in texts, one slot a column, until the row is encoded. */
typedef char number_text[SQL_NUMBER_TEXT_SIZE];

struct row_write { /* what one row needs while it is written */
    struct sc_sql_session *s;
    struct sql_table *t;
    struct sc_sql_value *values;
    enum sql_conflict conflict;
    struct sql_dml *dml;           /* NULL: nobody asks for the row */
    const struct sql_dml *upserts; /* whose ON CONFLICT clauses count: only those of an INSERT */
    struct sc_arena arena;
    number_text texts[SQL_COLUMN_COUNT_MAX];
};

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

static sc_err check_values(struct row_write *w)
{
    const struct sql_table *t = w->t;
    for (size_t i = 0; i < t->column_count; i++) {
        const struct sql_column *c = &t->columns[i];
        if (w->values[i].type == SC_SQL_NULL) {
            if (!c->not_null && c->pk_index < 0)
                continue;
            if (w->conflict == SQL_CONFLICT_IGNORE) {
                w->s->ignore_row = true;
                return SC_OK;
            }
            return sql_fail(w->s, "23502",
                            "null value in column \"%s\" of relation \"%s\" violates not-null constraint", c->name,
                            t->name);
        }
        if (c->strict != SC_SQL_NULL && w->values[i].type != c->strict)
            return sql_fail(w->s, "42804", "datatype mismatch: %s(%s) takes %s", t->name, c->name, c->type);
    }
    if (t->autonumber && w->values[t->primary.parts[0].column].type != SC_SQL_INTEGER)
        return sql_fail(w->s, "42804", "datatype mismatch: %s(%s) takes integers", t->name,
                        t->columns[t->primary.parts[0].column].name);
    return SC_OK;
}

static sc_err check_expressions(struct row_write *w)
{
    const bool failed = w->s->failed;
    const sc_err err = sql_eval_checks(w->s, w->t, w->values);
    if (err != SC_OK && w->conflict == SQL_CONFLICT_IGNORE && strcmp(w->s->error.sqlstate, "23514") == 0) {
        w->s->failed = failed;
        w->s->ignore_row = true;
        return SC_OK;
    }
    return err;
}

/* ---- numbers for rows that have none ---- */
sc_err sql_next_number(struct sc_sql_session *s, struct sql_table *t, int64_t *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    const struct sql_kv_ops *ops = s->kv.ops;
    struct sql_kv_iter *it = NULL;
    struct sc_diag diag = {0};
    bool valid = false;
    int64_t last = 0;
    sql_key_prefix(&bounds, SQL_KEY_ROWS, t->id);
    sql_key_prefix(&bounds, SQL_KEY_ROWS, t->id);
    sc_buf_put_u8(&bounds, SQL_TUPLE_AFTER);
    if (sc_buf_status(&bounds) != SC_OK)
        return sql_no_memory(s);
    const struct sql_kv_range range = {sc_slice_of(bounds.ptr, SQL_KEY_PREFIX_SIZE),
                                       sc_slice_of(bounds.ptr + SQL_KEY_PREFIX_SIZE, SQL_KEY_PREFIX_SIZE + 1)};
    SC_TRY(sql_range(s, &range, &it));
    sc_err err = ops->iter_move(it, SQL_KV_SEEK_BACK, range.upper, &valid, &diag);
    if (err == SC_OK && valid)
        err = sql_table_key_number(t, ops->iter_key(it), &last);
    ops->iter_free(it);
    if (err != SC_OK)
        return sql_fail_storage(s, err, &diag, t->name);
    if (last == INT64_MAX)
        return sql_fail(s, "2200H", "no number left for the primary key of \"%s\"", t->name);
    *out = last < 0 ? 1 : last + 1;
    return SC_OK;
}

/* The process's counter of a table, made with `first` when it is not there; 0: not there. */
static int64_t *number_of(struct sc_sql_db *db, uint32_t table_id, int64_t first)
{
    for (size_t i = 0; i < db->number_count; i++)
        if (db->numbers[i].table_id == table_id)
            return &db->numbers[i].next;
    if (first == 0)
        return NULL;
    struct sql_number *grown = realloc(db->numbers, (db->number_count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    db->numbers = grown;
    db->numbers[db->number_count] = (struct sql_number){table_id, first};
    return &db->numbers[db->number_count++].next;
}

/* Takes a number of a counter that all sessions of the process share, so that their rows never collide; at least: a
 * number that is taken already. */
static sc_err take_shared(struct sc_sql_session *s, struct sql_table *t, int64_t at_least, int64_t *out)
{
    struct sc_sql_db *db = s->db;
    pthread_mutex_lock(&db->numbers_lock);
    int64_t *next = number_of(db, t->id, 0);
    pthread_mutex_unlock(&db->numbers_lock);
    int64_t first = 0;
    if (next == NULL)
        SC_TRY(sql_next_number(s, t, &first));
    pthread_mutex_lock(&db->numbers_lock);
    next = number_of(db, t->id, first > at_least ? first : at_least + 1);
    if (next != NULL && *next <= at_least)
        *next = at_least + 1;
    const bool full = next != NULL && *next == INT64_MAX;
    if (next != NULL && !full)
        *out = (*next)++;
    pthread_mutex_unlock(&db->numbers_lock);
    if (next == NULL)
        return sql_no_memory(s);
    return full ? sql_fail(s, "2200H", "no number left for \"%s\"", t->name) : SC_OK;
}

/* AUTOINCREMENT remembers the highest number ever used. */
static sc_err sequence(struct sc_sql_session *s, struct sql_table *t, int64_t used, int64_t *highest_out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    struct sc_diag diag = {0};
    uint8_t bytes[8];
    sql_key_prefix(&key, SQL_KEY_SEQUENCE, t->id);
    if (sc_buf_status(&key) != SC_OK)
        return sql_no_memory(s);
    const sc_err err = s->kv.ops->txn_get(s->txn, sc_buf_slice(&key), &value, &diag);
    if (err != SC_OK && err != SC_E_NOT_FOUND)
        return sql_fail_storage(s, err, &diag, t->name);
    int64_t highest = 0;
    if (err == SC_OK && value.size == 8)
        highest = (int64_t)sc_load_u64be(value.ptr);
    if (highest_out != NULL)
        *highest_out = highest;
    if (used <= highest)
        return SC_OK;
    sc_store_u64be(bytes, (uint64_t)used);
    const sc_err put = s->kv.ops->txn_put(s->txn, sc_buf_slice(&key), sc_slice_of(bytes, 8));
    return put == SC_OK ? SC_OK : sql_fail_storage(s, put, NULL, t->name);
}

/* A row's number: given, or the next one; for tables with a primary key of another kind 0. */
static sc_err choose_number(struct row_write *w, const int64_t *asked, int64_t *out)
{
    struct sql_table *t = w->t;
    struct sc_sql_value *id = t->autonumber ? &w->values[t->primary.parts[0].column] : NULL;
    int64_t highest = 0;
    *out = 0;
    if (id != NULL && id->type == SC_SQL_NULL && asked != NULL)
        *id = sc_sql_integer(*asked);
    if (t->hidden) {
        *out = asked != NULL ? *asked : 0;
        return asked != NULL ? SC_OK : take_shared(w->s, t, 0, out);
    }
    if (id == NULL)
        return SC_OK;
    if (id->type == SC_SQL_NULL) {
        if (t->autoincrement) {
            SC_TRY(sequence(w->s, t, 0, &highest));
            SC_TRY(take_shared(w->s, t, highest, out));
        } else {
            SC_TRY(sql_next_number(w->s, t, out));
        }
        *id = sc_sql_integer(*out);
    } else if (id->type == SC_SQL_INTEGER) {
        *out = id->integer;
    }
    return t->autoincrement && id->type == SC_SQL_INTEGER ? sequence(w->s, t, *out, NULL) : SC_OK;
}

/* ---- index entries ---- */
/* Key: prefix, the parts, then the row's key; of a unique index without NULLs: prefix, the parts, 01, and the row's key
 * is the value, so that two transactions with the same values write the same key. */
sc_err sql_entry(struct sc_sql_session *s, struct sql_table *t, size_t index, const struct sc_sql_value *values,
                 struct sc_slice row_key, struct sc_buf *key_out, struct sc_slice *value_out, bool *in_out)
{
    const struct sql_index *ix = &t->indexes[index];
    struct sc_sql_value computed[SQL_PK_COUNT_MAX];
    SC_CLEANUP(sc_arena_deinit) struct sc_arena arena;
    bool nulls = false;
    *in_out = true;
    sc_arena_init(&arena, SQL_KV_VALUE_SIZE_MAX);
    bool expressions = ix->where != NULL;
    for (size_t k = 0; k < ix->part_count; k++)
        expressions = expressions || ix->parts[k].column == SQL_COLUMN_EXPR;
    if (expressions)
        SC_TRY(sql_eval_index(s, t, index, values, &arena, computed, in_out));
    if (!*in_out)
        return SC_OK;
    sql_key_prefix(key_out, SQL_KEY_INDEX, ix->id);
    for (size_t k = 0; k < ix->part_count; k++) {
        const struct sql_part *p = &ix->parts[k];
        struct sc_sql_value number = sc_sql_null();
        if (p->column == SQL_COLUMN_HIDDEN && (t->hidden || t->autonumber)) {
            number.type = SC_SQL_INTEGER;
            if (sql_table_key_number(t, row_key, &number.integer) != SC_OK)
                return sql_fail(s, "XX001", "row number of \"%s\"", t->name);
        }
        const struct sc_sql_value *v = p->column >= 0                   ? &values[p->column]
                                       : p->column == SQL_COLUMN_HIDDEN ? &number
                                                                        : &computed[k];
        nulls = nulls || v->type == SC_SQL_NULL;
        sql_tuple_put_ordered(key_out, v, p->collation, p->descending);
    }
    const struct sc_slice pk = sc_slice_of(row_key.ptr + SQL_KEY_PREFIX_SIZE, row_key.size - SQL_KEY_PREFIX_SIZE);
    if (ix->unique && !nulls) {
        sc_buf_put_u8(key_out, SQL_TUPLE_BEFORE);
        *value_out = pk;
    } else {
        sc_buf_put_bytes(key_out, pk);
        *value_out = SC_SLICE_EMPTY;
    }
    if (sc_buf_status(key_out) != SC_OK || key_out->size > SQL_KV_KEY_SIZE_MAX)
        return sql_fail(s, "54000", "index \"%s\": an entry of more than %zu bytes", ix->name, SQL_KV_KEY_SIZE_MAX);
    return SC_OK;
}

static sc_err store(struct sc_sql_session *s, struct sql_table *t, struct sc_slice key, struct sc_slice value)
{
    SC_TRY(sql_tx_wrote(s, t, key.size + value.size, 0));
    const sc_err err = s->kv.ops->txn_put(s->txn, key, value);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, NULL, t->name);
}

static sc_err erase(struct sc_sql_session *s, struct sql_table *t, struct sc_slice key)
{
    SC_TRY(sql_tx_wrote(s, t, key.size, 0));
    const sc_err err = s->kv.ops->txn_delete(s->txn, key);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, NULL, t->name);
}

/* Removes the entries of the old values (NULL: none) and puts those of the new ones; equal ones stay. */
static sc_err move_entries(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *old_values,
                           struct sc_slice old_key, const struct sc_sql_value *values, struct sc_slice key)
{
    for (size_t i = 0; i < t->index_count; i++) {
        struct sc_slice old_value = SC_SLICE_EMPTY;
        struct sc_slice value = SC_SLICE_EMPTY;
        bool had = false;
        bool has = false;
        sc_buf_reset(&s->entry);
        sc_buf_reset(&s->other);
        if (old_values != NULL)
            SC_TRY(sql_entry(s, t, i, old_values, old_key, &s->other, &old_value, &had));
        if (values != NULL)
            SC_TRY(sql_entry(s, t, i, values, key, &s->entry, &value, &has));
        const struct sc_slice from = sc_buf_slice(&s->other);
        const struct sc_slice to = sc_buf_slice(&s->entry);
        if (had && has && sc_slice_eq(from, to) && sc_slice_eq(old_value, value))
            continue;
        if (had && !(has && sc_slice_eq(from, to)))
            SC_TRY(erase(s, t, from));
        if (has)
            SC_TRY(store(s, t, to, value));
    }
    return SC_OK;
}

/* ---- uniqueness ---- */
static sc_err fail_duplicate(struct sc_sql_session *s, const struct sql_table *t, const struct sql_index *ix)
{
    char columns[256] = "";
    size_t n = 0;
    for (size_t k = 0; k < ix->part_count && n < sizeof columns; k++)
        n += (size_t)snprintf(columns + n, sizeof columns - n, "%s%s", k != 0 ? ", " : "",
                              ix->parts[k].column >= 0 ? t->columns[ix->parts[k].column].name : ix->name);
    return sql_fail(s, "23505", "duplicate key value violates unique constraint: %s(%s)", t->name, columns);
}

static sc_err look(struct sc_sql_session *s, const struct sql_table *t, struct sc_slice key, struct sc_buf *value_out,
                   bool *there_out)
{
    struct sc_diag *diag = sql_diag(s);
    const sc_err err = s->kv.ops->txn_get(s->txn, key, value_out, diag);
    *there_out = err == SC_OK;
    return err == SC_OK || err == SC_E_NOT_FOUND ? SC_OK : sql_fail_storage(s, err, diag, t->name);
}

static const struct sql_upsert *upsert_for(const struct sql_dml *dml, const struct sql_index *ix)
{
    for (size_t i = 0; dml != NULL && i < dml->upsert_count; i++)
        if (dml->upserts[i].target == NULL || dml->upserts[i].target == ix)
            return &dml->upserts[i];
    return NULL;
}

static sc_err do_update(struct row_write *w, const struct sql_upsert *u, struct sc_slice other_key);

/* Another row has the values of ix: what is to be done.  s->ignore_row: the new row is not written. */
static sc_err collide(struct row_write *w, const struct sql_index *ix, struct sc_slice other_key)
{
    const struct sql_upsert *u = upsert_for(w->upserts, ix);
    if (u != NULL && u->update) {
        w->s->ignore_row = true;
        return do_update(w, u, other_key);
    }
    if (u != NULL || w->conflict == SQL_CONFLICT_IGNORE) {
        w->s->ignore_row = true;
        return SC_OK;
    }
    if (w->conflict == SQL_CONFLICT_REPLACE)
        return sql_row_delete(w->s, w->t, other_key, NULL);
    return fail_duplicate(w->s, w->t, ix);
}

/* Key of the row that a unique index's entry names, in out. */
static sc_err check_index(struct row_write *w, size_t index, struct sc_slice key, struct sc_slice own_key)
{
    struct sc_sql_session *s = w->s;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf other = {0};
    struct sc_slice value = SC_SLICE_EMPTY;
    bool in = false;
    bool there = false;
    sc_buf_reset(&s->entry);
    SC_TRY(sql_entry(s, w->t, index, w->values, key, &s->entry, &value, &in));
    if (!in || value.size == 0)
        return SC_OK;
    sql_key_prefix(&other, SQL_KEY_ROWS, w->t->id);
    SC_TRY(look(s, w->t, sc_buf_slice(&s->entry), &other, &there));
    if (!there || (own_key.size != 0 && sc_slice_eq(sc_buf_slice(&other), own_key)))
        return SC_OK;
    return collide(w, &w->t->indexes[index], sc_buf_slice(&other));
}

/* own_key: of the row being updated, or empty.  key is s->key's, which a collision may use for another row. */
static sc_err check_unique(struct row_write *w, struct sc_slice key, struct sc_slice own_key)
{
    struct sc_sql_session *s = w->s;
    bool there = false;
    if (own_key.size == 0 || !sc_slice_eq(key, own_key)) {
        SC_TRY(look(s, w->t, key, NULL, &there));
        if (there)
            SC_TRY(collide(w, &w->t->primary, key));
    }
    for (size_t i = 0; i < w->t->index_count && !s->ignore_row; i++)
        if (w->t->indexes[i].unique)
            SC_TRY(check_index(w, i, key, own_key));
    return SC_OK;
}

/* ---- rows ---- */
sc_err sql_row_values(struct sc_sql_session *s, const struct sql_table *t, struct sc_slice key, struct sc_slice value,
                      struct sc_arena *arena, struct sc_sql_value *out)
{
    struct sql_row row;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = {0};
    sc_err err = sql_row_open(&row, value, t->id, &diag);
    for (size_t i = 0; i < t->column_count && err == SC_OK; i++) {
        const struct sql_column *c = &t->columns[i];
        if (c->in_row) {
            err = sql_row_get(&row, (size_t)c->slot, &out[i]);
            if (err == SC_E_NOT_FOUND) {
                out[i] = c->default_value;
                err = SC_OK;
            }
            continue;
        }
        err = sql_index_key_value(&t->primary, SQL_KEY_ROWS, key, (size_t)c->pk_index, &scratch, &out[i]);
        if (err == SC_OK && (out[i].type == SC_SQL_TEXT || out[i].type == SC_SQL_BLOB)) {
            out[i].bytes = out[i].bytes.size != 0 ? sc_arena_copy(arena, out[i].bytes) : SC_SLICE_EMPTY;
            err = out[i].bytes.ptr != NULL ? SC_OK : SC_E_NOMEM;
        }
    }
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, &diag, t->name);
}

static sc_err put_row(struct row_write *w, struct sc_slice key, int64_t rows)
{
    struct sc_sql_session *s = w->s;
    sc_buf_reset(&s->row);
    sql_table_row(w->t, w->values, &s->row);
    if (sc_buf_status(&s->row) != SC_OK || key.size > SQL_KV_KEY_SIZE_MAX || s->row.size > SQL_KV_VALUE_SIZE_MAX)
        return sql_fail(s, "54000", "row of table \"%s\" is too large: key %zu, value %zu bytes", w->t->name, key.size,
                        s->row.size);
    SC_TRY(sql_tx_wrote(s, w->t, key.size + s->row.size, rows));
    const sc_err err = s->kv.ops->txn_put(s->txn, key, sc_buf_slice(&s->row));
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, NULL, w->t->name);
}

static sc_err fill_defaults(struct row_write *w, const uint8_t *omitted)
{
    for (size_t i = 0; omitted != NULL && i < w->t->column_count; i++) {
        const struct sql_column *c = &w->t->columns[i];
        if ((omitted[i / 8] >> i % 8 & 1) == 0 || c->generated_sql != NULL)
            continue;
        if (c->default_sql == NULL || c->default_constant)
            w->values[i] = c->default_value;
        else
            SC_TRY(sql_eval_default(w->s, w->t, i, &w->arena, &w->values[i]));
    }
    return SC_OK;
}

static sc_err judge(struct row_write *w)
{
    if (w->conflict == SQL_CONFLICT_REPLACE)
        replace_nulls(w->t, w->values);
    SC_TRY(check_values(w));
    return w->s->ignore_row ? SC_OK : check_expressions(w);
}

static sc_err insert(struct row_write *w, const uint8_t *omitted, const int64_t *asked, int64_t *number_out)
{
    struct sc_sql_session *s = w->s;
    struct sql_table *t = w->t;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf own = {0};
    int64_t number = 0;
    SC_TRY(fill_defaults(w, omitted));
    apply_affinities(t, w->values, w->texts);
    if (t->trigger_count != 0)
        SC_TRY(sql_trigger_fire(s, t, SQL_EVENT_INSERT, true, NULL, w->values, NULL));
    if (s->ignore_row)
        return SC_OK;
    SC_TRY(choose_number(w, asked, &number));
    SC_TRY(sql_eval_generated(s, t, w->values, &w->arena));
    SC_TRY(judge(w));
    if (s->ignore_row)
        return SC_OK;
    sc_buf_reset(&s->key);
    sql_table_key(t, w->values, number, &s->key);
    struct sc_slice key = sc_buf_slice(&s->key);
    if (sc_buf_status(&s->key) != SC_OK)
        return sql_fail(s, "54000", "row of table \"%s\" is too large", t->name);
    if (!t->plain || w->conflict == SQL_CONFLICT_REPLACE || (w->upserts != NULL && w->upserts->upsert_count != 0)) {
        /* others use s->key while this row is being written */
        sc_buf_put_bytes(&own, key);
        SC_TRY(sc_buf_status(&own));
        key = sc_buf_slice(&own);
    }
    SC_TRY(check_unique(w, key, SC_SLICE_EMPTY));
    if (s->ignore_row)
        return SC_OK;
    SC_TRY(put_row(w, key, 1));
    if (t->index_count != 0)
        SC_TRY(move_entries(s, t, NULL, key, w->values, key));
    *number_out = number;
    if (t->fk_count != 0)
        SC_TRY(sql_fk_inserted(s, t, w->values));
    if (t->trigger_count != 0)
        SC_TRY(sql_trigger_fire(s, t, SQL_EVENT_INSERT, false, NULL, w->values, NULL));
    return w->dml != NULL && w->dml->returning != NULL ? sql_dml_keep_row(s, w->dml, w->values) : SC_OK;
}

sc_err sql_row_insert(struct sc_sql_session *s, struct sql_table *t, struct sc_sql_value *values,
                      const uint8_t *omitted, const int64_t *number, enum sql_conflict conflict, struct sql_dml *dml,
                      int64_t *number_out)
{
    struct row_write w; /* texts and arena need no zeroing */
    int64_t given = 0;
    w.s = s;
    w.t = t;
    w.values = values;
    w.conflict = conflict;
    w.dml = dml;
    w.upserts = dml;
    sc_arena_init(&w.arena, SQL_KV_VALUE_SIZE_MAX);
    const sc_err err = insert(&w, omitted, number, &given);
    sc_arena_deinit(&w.arena);
    if (err == SC_OK && number_out != NULL)
        *number_out = given;
    return err;
}

/* The row's stored values before the change, in w's arena. */
static sc_err old_row(struct row_write *w, struct sc_slice key, struct sc_buf *value, struct sc_sql_value *out,
                      bool *there_out)
{
    SC_TRY(look(w->s, w->t, key, value, there_out));
    return *there_out ? sql_row_values(w->s, w->t, key, sc_buf_slice(value), &w->arena, out) : SC_OK;
}

static sc_err write_update(struct row_write *w, struct sc_slice old_key, const struct sc_sql_value *old_values,
                           const bool *set)
{
    struct sc_sql_session *s = w->s;
    struct sql_table *t = w->t;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf own = {0};
    if (t->hidden)
        sc_buf_put_bytes(&own, old_key);
    else
        sql_table_key(t, w->values, 0, &own);
    if (sc_buf_status(&own) != SC_OK)
        return sql_fail(s, "54000", "row of table \"%s\" is too large", t->name);
    const struct sc_slice key = sc_buf_slice(&own);
    SC_TRY(check_unique(w, key, old_key));
    if (s->ignore_row)
        return SC_OK;
    if (!sc_slice_eq(key, old_key))
        SC_TRY(erase(s, t, old_key));
    SC_TRY(put_row(w, key, 0));
    if (t->index_count != 0)
        SC_TRY(move_entries(s, t, old_values, old_key, w->values, key));
    if (t->autoincrement)
        SC_TRY(sequence(s, t, w->values[t->primary.parts[0].column].integer, NULL));
    if (t->fk_count != 0)
        SC_TRY(sql_fk_inserted(s, t, w->values));
    if (sql_fk_is_parent(s, t))
        SC_TRY(sql_fk_changed(s, t, old_values, w->values));
    if (t->trigger_count != 0)
        SC_TRY(sql_trigger_fire(s, t, SQL_EVENT_UPDATE, false, old_values, w->values, set));
    return w->dml != NULL && w->dml->returning != NULL ? sql_dml_keep_row(s, w->dml, w->values) : SC_OK;
}

static sc_err update(struct row_write *w, struct sc_slice old_key, const bool *set)
{
    struct sc_sql_session *s = w->s;
    struct sql_table *t = w->t;
    struct sc_sql_value old_values[SQL_COLUMN_COUNT_MAX];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    bool there = false;
    SC_TRY(old_row(w, old_key, &value, old_values, &there));
    if (!there) {
        s->ignore_row = true; /* a trigger or cascade of this statement removed it */
        return SC_OK;
    }
    for (size_t i = 0; i < t->column_count; i++)
        if (!set[i])
            w->values[i] = old_values[i];
        else if (t->columns[i].generated_sql != NULL)
            return sql_fail(s, "428C9", "cannot UPDATE generated column \"%s\"", t->columns[i].name);
    apply_affinities(t, w->values, w->texts);
    if (t->trigger_count != 0)
        SC_TRY(sql_trigger_fire(s, t, SQL_EVENT_UPDATE, true, old_values, w->values, set));
    if (s->ignore_row)
        return SC_OK;
    SC_TRY(sql_eval_generated(s, t, w->values, &w->arena));
    SC_TRY(judge(w));
    return s->ignore_row ? SC_OK : write_update(w, old_key, old_values, set);
}

sc_err sql_row_update(struct sc_sql_session *s, struct sql_table *t, struct sc_slice old_key,
                      struct sc_sql_value *values, const bool *set, enum sql_conflict conflict, struct sql_dml *dml)
{
    struct row_write w;
    w.s = s;
    w.t = t;
    w.values = values;
    w.conflict = conflict;
    w.dml = dml;
    w.upserts = NULL;
    sc_arena_init(&w.arena, 4 * SQL_KV_VALUE_SIZE_MAX);
    const sc_err err = update(&w, old_key, set);
    sc_arena_deinit(&w.arena);
    return err;
}

static sc_err delete (struct row_write *w, struct sc_slice row_key)
{
    struct sc_sql_session *s = w->s;
    struct sql_table *t = w->t;
    struct sc_sql_value old_values[SQL_COLUMN_COUNT_MAX];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf own = {0};
    bool there = false;
    sc_buf_put_bytes(&own, row_key); /* it may be borrowed from what triggers and cascades use too */
    SC_TRY(sc_buf_status(&own));
    const struct sc_slice key = sc_buf_slice(&own);
    SC_TRY(old_row(w, key, &value, old_values, &there));
    if (there && t->trigger_count != 0) {
        SC_TRY(sql_trigger_fire(s, t, SQL_EVENT_DELETE, true, old_values, NULL, NULL));
        if (!s->ignore_row)
            SC_TRY(look(s, t, key, NULL, &there));
    }
    if (!there || s->ignore_row) {
        s->ignore_row = true;
        return SC_OK;
    }
    SC_TRY(erase(s, t, key));
    SC_TRY(sql_tx_wrote(s, t, 0, -1));
    if (t->index_count != 0)
        SC_TRY(move_entries(s, t, old_values, key, NULL, key));
    if (sql_fk_is_parent(s, t))
        SC_TRY(sql_fk_changed(s, t, old_values, NULL));
    if (t->trigger_count != 0)
        SC_TRY(sql_trigger_fire(s, t, SQL_EVENT_DELETE, false, old_values, NULL, NULL));
    return w->dml != NULL && w->dml->returning != NULL ? sql_dml_keep_row(s, w->dml, old_values) : SC_OK;
}

sc_err sql_row_delete(struct sc_sql_session *s, struct sql_table *t, struct sc_slice key, struct sql_dml *dml)
{
    if (t->plain && t->index_count == 0 && (dml == NULL || dml->returning == NULL) && !sql_fk_is_parent(s, t)) {
        SC_TRY(erase(s, t, key)); /* found by a scan of this statement: it is there */
        return sql_tx_wrote(s, t, 0, -1);
    }
    struct row_write w;
    const bool ignored = s->ignore_row;
    w.s = s;
    w.t = t;
    w.values = NULL;
    w.conflict = SQL_CONFLICT_FAIL;
    w.dml = dml;
    w.upserts = NULL;
    s->ignore_row = false;
    sc_arena_init(&w.arena, 4 * SQL_KV_VALUE_SIZE_MAX);
    const sc_err err = delete (&w, key);
    sc_arena_deinit(&w.arena);
    s->ignore_row = ignored;
    return err;
}

/* ON CONFLICT DO UPDATE: the program computes WHERE and the new values over the row that is there and the one that was
 * to be inserted. */
static sc_err do_update(struct row_write *w, const struct sql_upsert *u, struct sc_slice other_key)
{
    struct sc_sql_session *s = w->s;
    struct sc_sql_value old_values[SQL_COLUMN_COUNT_MAX];
    struct sc_sql_value values[SQL_COLUMN_COUNT_MAX];
    bool set[SQL_COLUMN_COUNT_MAX] = {false};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    bool there = false;
    bool row = false;
    sc_buf_put_bytes(&key, other_key);
    SC_TRY(old_row(w, other_key, &value, old_values, &there));
    if (!there || sc_buf_status(&key) != SC_OK)
        return sql_fail(s, "XX001", "index of \"%s\" names a row that is not there", w->t->name);
    const struct sc_sql_value *was[2] = {s->eval_rows[0], s->eval_rows[1]};
    s->eval_rows[0] = old_values;
    s->eval_rows[1] = w->values;
    sc_err err = sql_nested_step(u->program, &row);
    s->eval_rows[0] = was[0];
    s->eval_rows[1] = was[1];
    if (err == SC_OK && row) {
        sqlite3_stmt *st = u->program->sqlite;
        const bool wanted = sqlite3_column_type(st, 0) != SQLITE_NULL && sqlite3_column_double(st, 0) != 0;
        for (size_t i = 0; i < u->set_count; i++) {
            const struct sc_sql_value v = sc_sql_column(u->program, i + 1);
            values[u->set_columns[i]] = v;
            set[u->set_columns[i]] = true;
        }
        s->ignore_row = false;
        if (wanted)
            err = sql_row_update(s, w->t, sc_buf_slice(&key), values, set, SQL_CONFLICT_FAIL, w->dml);
        if (wanted && err == SC_OK && !s->ignore_row && s->running != NULL)
            s->running->changes++;
        s->ignore_row = true;
    }
    const sc_err reset = sql_nested_reset(u->program);
    return err != SC_OK ? err : reset;
}
