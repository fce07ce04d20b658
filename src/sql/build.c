/* Filling a new index, and clearing what is dropped. */
#include "sql/eval.h"

#define BUILD_STEP_ROWS 2000

struct build {
    struct sc_sql_session *s;
    struct sql_table *t;
    size_t index;
    struct sc_arena arena;
    struct sc_buf last; /* key of the last row done */
    size_t rows;
};

static void table_bounds(const struct sql_table *t, struct sc_buf *bounds, struct sql_kv_range *out)
{
    sql_key_prefix(bounds, SQL_KEY_ROWS, t->id);
    sql_key_prefix(bounds, SQL_KEY_ROWS, t->id);
    sc_buf_put_u8(bounds, SQL_TUPLE_AFTER);
    *out = (struct sql_kv_range){sc_slice_of(bounds->ptr, SQL_KEY_PREFIX_SIZE),
                                 sc_slice_of(bounds->ptr + SQL_KEY_PREFIX_SIZE, SQL_KEY_PREFIX_SIZE + 1)};
}

static sc_err build_row(void *arg, struct sc_slice key, struct sc_slice value, bool *done)
{
    struct build *b = arg;
    struct sc_sql_session *s = b->s;
    struct sc_sql_value values[SQL_COLUMN_COUNT_MAX];
    struct sc_slice entry_value = SC_SLICE_EMPTY;
    const struct sql_index *ix = &b->t->indexes[b->index];
    struct sc_diag diag = {0};
    bool in = false;
    sc_arena_reset(&b->arena);
    SC_TRY(sql_row_values(s, b->t, key, value, &b->arena, values));
    sc_buf_reset(&s->entry);
    SC_TRY(sql_entry(s, b->t, b->index, values, key, &s->entry, &entry_value, &in));
    if (in && entry_value.size != 0) { /* unique: nobody else may have it */
        SC_CLEANUP(sc_buf_deinit) struct sc_buf there = {0};
        sc_err err = s->kv.ops->txn_get(s->txn, sc_buf_slice(&s->entry), &there, &diag);
        if (err == SC_OK && !sc_slice_eq(sc_buf_slice(&there), entry_value))
            return sql_fail(s, "23505", "could not create unique index \"%s\": UNIQUE constraint failed", ix->name);
        if (err != SC_OK && err != SC_E_NOT_FOUND)
            return sql_fail_storage(s, err, &diag, ix->name);
    }
    if (in) {
        const sc_err err = s->kv.ops->txn_put(s->txn, sc_buf_slice(&s->entry), entry_value);
        if (err != SC_OK)
            return sql_fail_storage(s, err, NULL, ix->name);
    }
    b->rows++;
    *done = b->rows % BUILD_STEP_ROWS == 0 && b->last.size_max != 0;
    if (*done) {
        sc_buf_reset(&b->last);
        sc_buf_put_bytes(&b->last, key);
        sc_buf_put_u8(&b->last, 0); /* the next key */
    }
    return SC_OK;
}

sc_err sql_build_at_once(struct sc_sql_session *s, struct sql_table *t, size_t index)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    struct sql_kv_range range;
    struct build b = {.s = s, .t = t, .index = index};
    sc_arena_init(&b.arena, (size_t)256 << 20);
    table_bounds(t, &bounds, &range);
    sc_err err = sc_buf_status(&bounds);
    if (err == SC_OK)
        err = sql_scan(s, range.lower, range.upper, build_row, &b);
    sc_arena_deinit(&b.arena);
    sql_eval_forget(s, t); /* it was prepared over the table as the session still knows it */
    return err;
}

static sc_err build_step(struct build *b, struct sql_kv_range range, bool *more_out)
{
    struct sc_sql_session *s = b->s;
    struct sc_diag diag = {0};
    const size_t before = b->rows;
    sc_err err = s->kv.ops->txn_begin(s->kv.self, &s->txn);
    if (err != SC_OK)
        return sql_fail_storage(s, err, NULL, "create index");
    s->tx = SQL_TX_STATEMENT;
    err = sql_scan(s, range.lower, range.upper, build_row, b);
    s->tx = SQL_TX_NONE;
    if (err != SC_OK) {
        s->kv.ops->txn_abort(SC_TAKE(s->txn));
        return err;
    }
    err = s->kv.ops->txn_commit(SC_TAKE(s->txn), false, &diag);
    *more_out = b->rows - before == BUILD_STEP_ROWS;
    if (err == SC_E_CONFLICT)
        b->rows = before;
    else if (err != SC_OK)
        return sql_fail_storage(s, err, &diag, "create index");
    return err;
}

sc_err sql_build_online(struct sc_sql_session *s, struct sql_table *t, size_t index)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    struct sql_kv_range range;
    struct build b = {.s = s, .t = t, .index = index};
    bool more = true;
    sc_err err = SC_OK;
    table_bounds(t, &bounds, &range);
    SC_TRY(sc_buf_status(&bounds));
    sc_arena_init(&b.arena, (size_t)256 << 20);
    sc_buf_init(&b.last, 2 * SQL_KV_KEY_SIZE_MAX);
    while (more && err == SC_OK) {
        err = build_step(&b, range, &more);
        if (err == SC_E_CONFLICT) { /* a writer was there first: the step again */
            more = true;
            err = SC_OK;
            continue;
        }
        sc_buf_reset(&from);
        sc_buf_put_bytes(&from, sc_buf_slice(&b.last));
        if (err == SC_OK)
            err = sc_buf_status(&from);
        if (more)
            range.lower = sc_buf_slice(&from);
        if (err == SC_OK && sql_progress(s))
            err = sql_fail_sqlite(s, SQLITE_INTERRUPT);
    }
    sc_arena_deinit(&b.arena);
    sql_eval_forget(s, t);
    sc_buf_deinit(&b.last);
    return err;
}

sc_err sql_clear_object(struct sc_sql_db *db, uint32_t id, struct sc_diag *diag)
{
    static const uint8_t kinds[] = {SQL_KEY_ROWS, SQL_KEY_INDEX, SQL_KEY_COUNT, SQL_KEY_SEQUENCE, SQL_KEY_STATISTICS};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf mark = {0};
    uint8_t bounds[sizeof kinds][2 * SQL_KEY_PREFIX_SIZE + 1];
    struct sql_kv_range ranges[sizeof kinds];
    for (size_t i = 0; i < sizeof kinds; i++) {
        bounds[i][0] = kinds[i];
        sc_store_u32be(bounds[i] + 1, id);
        memcpy(bounds[i] + SQL_KEY_PREFIX_SIZE, bounds[i], SQL_KEY_PREFIX_SIZE);
        bounds[i][2 * SQL_KEY_PREFIX_SIZE] = SQL_TUPLE_AFTER;
        ranges[i] = (struct sql_kv_range){sc_slice_of(bounds[i], SQL_KEY_PREFIX_SIZE),
                                          sc_slice_of(bounds[i] + SQL_KEY_PREFIX_SIZE, SQL_KEY_PREFIX_SIZE + 1)};
    }
    sql_key_dropped(&mark, id);
    SC_TRY(sc_buf_status(&mark));
    return db->kv.ops->clear(db->kv.self, ranges, sizeof kinds, sc_buf_slice(&mark), diag);
}
