/* How many rows: counters kept up exactly, and the estimates that plans are made from.
 *
 * One counter a table would make every two writers conflict.  So a table has a summand for each session slot: a session
 * changes its own only, within its transaction, and the sum that a snapshot sees is exact. */
#include "sql/internal.h"

#include <stdio.h>
#include <strings.h>

#define ESTIMATE_MANY  1000000
#define ANALYZE_SAMPLE 100000 /* entries of an index looked at */

static void counter_key(struct sc_buf *out, uint32_t table_id, size_t slot)
{
    sql_key_prefix(out, SQL_KEY_COUNT, table_id);
    sc_buf_put_u32be(out, (uint32_t)slot);
}

static sc_err add_summand(void *arg, struct sc_slice key, struct sc_slice value, bool *done)
{
    int64_t *sum = arg;
    (void)key;
    (void)done;
    if (value.size != 8)
        return SC_E_MALFORMED;
    *sum = (int64_t)((uint64_t)*sum + sc_load_u64be(value.ptr));
    return SC_OK;
}

sc_err sql_count(struct sc_sql_session *s, struct sql_table *t, int64_t *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    int64_t sum = 0;
    sql_key_prefix(&bounds, SQL_KEY_COUNT, t->id);
    sql_key_prefix(&bounds, SQL_KEY_COUNT, t->id);
    sc_buf_put_u8(&bounds, SQL_TUPLE_AFTER);
    if (sc_buf_status(&bounds) != SC_OK)
        return sql_no_memory(s);
    const sc_err err =
        sql_scan(s, sc_slice_of(bounds.ptr, SQL_KEY_PREFIX_SIZE),
                 sc_slice_of(bounds.ptr + SQL_KEY_PREFIX_SIZE, SQL_KEY_PREFIX_SIZE + 1), add_summand, &sum);
    if (err != SC_OK)
        return sql_fail_storage(s, err, NULL, "count of rows");
    for (size_t i = 0; i < s->written_count; i++)
        if (s->written[i].table->id == t->id)
            sum += s->written[i].delta;
    atomic_store_explicit(&t->rows_estimate, sum < 0 ? 0 : sum, memory_order_relaxed);
    *out = sum;
    return SC_OK;
}

static sc_err flush_one(struct sc_sql_session *s, struct sql_written *w)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    struct sc_diag diag = {0};
    uint8_t bytes[8];
    int64_t sum = w->delta;
    counter_key(&key, w->table->id, s->slot);
    SC_TRY(sc_buf_status(&key));
    const sc_err err = s->kv.ops->txn_get(s->txn, sc_buf_slice(&key), &value, &diag);
    if (err == SC_OK && value.size == 8)
        sum = (int64_t)((uint64_t)sum + sc_load_u64be(value.ptr));
    else if (err != SC_E_NOT_FOUND)
        return sql_fail_storage(s, err == SC_OK ? SC_E_MALFORMED : err, &diag, "count of rows");
    sc_store_u64be(bytes, (uint64_t)sum);
    const sc_err put = s->kv.ops->txn_put(s->txn, sc_buf_slice(&key), sc_slice_of(bytes, 8));
    if (put != SC_OK)
        return sql_fail_storage(s, put, NULL, "count of rows");
    const int64_t known = atomic_load_explicit(&w->table->rows_estimate, memory_order_relaxed);
    if (known >= 0)
        atomic_store_explicit(&w->table->rows_estimate, known + w->delta > 0 ? known + w->delta : 0,
                              memory_order_relaxed);
    w->delta = w->delta_mark = 0;
    return SC_OK;
}

sc_err sql_count_flush(struct sc_sql_session *s)
{
    for (size_t i = 0; i < s->written_count; i++)
        if (s->written[i].delta != 0)
            SC_TRY(flush_one(s, &s->written[i]));
    return SC_OK;
}

int64_t sql_rows_estimate(struct sc_sql_session *s, struct sql_table *t)
{
    int64_t n = atomic_load_explicit(&t->rows_estimate, memory_order_relaxed);
    const bool failed = s->failed;
    if (n < 0 && sql_count(s, t, &n) != SC_OK) {
        s->failed = failed; /* only the plan suffers */
        n = ESTIMATE_MANY;
    }
    for (size_t i = 0; i < s->written_count; i++)
        if (s->written[i].table == t)
            n += s->written[i].delta;
    return n < 0 ? 0 : n;
}

/* ---- SELECT count(*) FROM table ---- */
static void count_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct sc_sql_session *s = sqlite3_user_data(ctx);
    struct sql_table *t = sql_schema_find_id(s, (uint32_t)sqlite3_value_int64(argv[0]));
    int64_t n = 0;
    if (t == NULL || sql_count(s, t, &n) != SC_OK)
        sqlite3_result_error(ctx, "count of rows", -1);
    else
        sqlite3_result_int64(ctx, n);
}

sc_err sql_count_register(struct sc_sql_session *s)
{
    return sqlite3_create_function(s->sqlite, "cascadb_row_count", 1, SQLITE_UTF8, s, count_function, NULL, NULL) ==
                   SQLITE_OK
               ? SC_OK
               : sql_no_memory(s);
}

bool sql_count_rewrite(struct sc_sql_session *s, struct sc_slice statement, struct sc_buf *out)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    char name[SQL_NAME_SIZE_MAX];
    if (!sql_token_is(sql_lex(&lx), "SELECT"))
        return false;
    struct sql_token t = sql_lex(&lx);
    const uint8_t *from = t.text.ptr;
    if (!sql_token_is(t, "COUNT") || !sql_token_is_punct(sql_lex(&lx), '(') || !sql_token_is_punct(sql_lex(&lx), '*'))
        return false;
    t = sql_lex(&lx);
    if (!sql_token_is_punct(t, ')'))
        return false;
    const struct sc_slice typed = sc_slice_of(from, (size_t)(t.text.ptr + 1 - from));
    t = sql_lex(&lx);
    char alias[SQL_NAME_SIZE_MAX] = "";
    if (sql_token_is(t, "AS")) {
        if (sql_token_name(sql_lex(&lx), alias, sizeof alias) != SC_OK)
            return false;
        t = sql_lex(&lx);
    }
    if (!sql_token_is(t, "FROM") || sql_token_name(sql_lex(&lx), name, sizeof name) != SC_OK ||
        sql_lex(&lx).kind != SQL_TOKEN_END)
        return false;
    const struct sql_table *table = sql_schema_find(s, name);
    if (table == NULL)
        return false;
    char *sql = alias[0] != '\0' ? sqlite3_mprintf("SELECT cascadb_row_count(%u) AS \"%w\"", (unsigned)table->id, alias)
                                 : sqlite3_mprintf("SELECT cascadb_row_count(%u) AS \"%.*w\"", (unsigned)table->id,
                                                   (int)typed.size, (const char *)typed.ptr);
    sc_buf_put_str(out, sql != NULL ? sql : "");
    sqlite3_free(sql);
    return sql != NULL;
}

/* ---- ANALYZE ---- */
struct sample {
    const struct sql_index *ix;
    uint8_t kind;
    struct sc_buf last; /* the key before */
    int64_t entries;
    int64_t distinct[SQL_PK_COUNT_MAX];
};

/* How many parts two neighbouring keys share: the first part's end that lies behind their first difference. */
static sc_err sample_key(void *arg, struct sc_slice key, struct sc_slice value, bool *done)
{
    struct sample *x = arg;
    (void)value;
    size_t same = 0;
    const size_t n = key.size < x->last.size ? key.size : x->last.size;
    while (same < n && key.ptr[same] == x->last.ptr[same])
        same++;
    struct sc_reader r = {key.ptr + SQL_KEY_PREFIX_SIZE, key.ptr + key.size};
    size_t k = 0;
    for (; k < x->ix->part_count && x->entries != 0; k++) {
        if (x->ix->parts[k].descending || sql_tuple_skip(&r) != SC_OK || (size_t)(r.cur - key.ptr) > same)
            break; /* behind a descending part nothing is known */
    }
    for (; k < x->ix->part_count; k++)
        x->distinct[k]++;
    x->entries++;
    *done = x->entries == ANALYZE_SAMPLE;
    sc_buf_reset(&x->last);
    sc_buf_put_bytes(&x->last, key);
    return sc_buf_status(&x->last);
}

static sc_err analyze_index(struct sc_sql_session *s, struct sql_index *ix, uint8_t kind)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    struct sample x = {.ix = ix, .kind = kind};
    sql_key_prefix(&bounds, kind, ix->id);
    sql_key_prefix(&bounds, kind, ix->id);
    sc_buf_put_u8(&bounds, SQL_TUPLE_AFTER);
    sql_key_prefix(&key, SQL_KEY_STATISTICS, ix->id);
    if (sc_buf_status(&bounds) != SC_OK)
        return sql_no_memory(s);
    const sc_err err = sql_scan(s, sc_slice_of(bounds.ptr, SQL_KEY_PREFIX_SIZE),
                                sc_slice_of(bounds.ptr + SQL_KEY_PREFIX_SIZE, SQL_KEY_PREFIX_SIZE + 1), sample_key, &x);
    sc_buf_deinit(&x.last);
    SC_TRY(err);
    sc_buf_put_u8(&record, SQL_DICTIONARY_VERSION);
    for (size_t k = 0; k < ix->part_count; k++) {
        const int64_t per = x.distinct[k] == 0 ? 1 : (x.entries + x.distinct[k] - 1) / x.distinct[k];
        ix->rows_per[k] = per < 1 ? 1 : per;
        sc_buf_put_varint(&record, (uint64_t)ix->rows_per[k]);
    }
    if (sc_buf_status(&key) != SC_OK || sc_buf_status(&record) != SC_OK)
        return sql_no_memory(s);
    SC_TRY(sql_tx_need(s));
    const sc_err put = s->kv.ops->txn_put(s->txn, sc_buf_slice(&key), sc_buf_slice(&record));
    return put == SC_OK ? SC_OK : sql_fail_storage(s, put, NULL, "analyze");
}

static sc_err analyze_table(struct sc_sql_session *s, struct sql_table *t)
{
    int64_t rows;
    SC_TRY(sql_count(s, t, &rows));
    SC_TRY(analyze_index(s, &t->primary, SQL_KEY_ROWS));
    for (size_t i = 0; i < t->index_count; i++)
        SC_TRY(analyze_index(s, &t->indexes[i], SQL_KEY_INDEX));
    return SC_OK;
}

/* ANALYZE [schema.][table or index] */
sc_err sql_analyze(struct sc_sql_session *s, const struct sc_sql_stmt *st)
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    char name[SQL_NAME_SIZE_MAX] = "";
    sql_lex(&lx);
    for (struct sql_token t = sql_lex(&lx); t.kind != SQL_TOKEN_END; t = sql_lex(&lx))
        if (!sql_token_is_punct(t, '.') && sql_token_name(t, name, sizeof name) != SC_OK)
            return sql_fail(s, "42601", "syntax error: a table's name expected");
    if (strcasecmp(name, "main") == 0)
        name[0] = '\0';
    bool found = name[0] == '\0';
    for (size_t i = 0; i < s->table_count; i++) {
        struct sql_table *t = s->tables[i];
        bool mine = name[0] == '\0' || strcasecmp(t->name, name) == 0;
        for (size_t k = 0; !mine && k < t->index_count; k++)
            mine = strcasecmp(t->indexes[k].name, name) == 0;
        if (mine)
            SC_TRY(analyze_table(s, t));
        found = found || mine;
    }
    return found ? SC_OK : sql_fail(s, "42P01", "no such table: %s", name);
}

static sc_err load_index(struct sc_sql_db *db, struct sql_index *ix, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    uint8_t version;
    sql_key_prefix(&key, SQL_KEY_STATISTICS, ix->id);
    SC_TRY(sc_buf_status(&key));
    const sc_err err = db->kv.ops->get(db->kv.self, NULL, sc_buf_slice(&key), &record, diag);
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    SC_TRY(err);
    struct sc_reader r = sc_reader_of(sc_buf_slice(&record));
    if (sc_reader_get_u8(&r, &version) != SC_OK || version != SQL_DICTIONARY_VERSION)
        return sc_fail(diag, SC_E_MALFORMED, "statistics of index %s", ix->name);
    for (size_t k = 0; k < ix->part_count; k++) {
        uint64_t per;
        if (sc_reader_get_varint(&r, &per) != SC_OK || per == 0 || per > INT64_MAX)
            return sc_fail(diag, SC_E_MALFORMED, "statistics of index %s", ix->name);
        ix->rows_per[k] = (int64_t)per;
    }
    return SC_OK;
}

sc_err sql_statistics_load(struct sc_sql_db *db, struct sql_table *t, struct sc_diag *diag)
{
    SC_TRY(load_index(db, &t->primary, diag));
    for (size_t i = 0; i < t->index_count; i++)
        SC_TRY(load_index(db, &t->indexes[i], diag));
    return SC_OK;
}
