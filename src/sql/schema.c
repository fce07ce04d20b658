/* The dictionary of the database, shared by all sessions of the process, and each session's view of it. */
#include "sql/internal.h"

#include <strings.h>

#define ESTIMATE_PROBE   2000
#define ESTIMATE_MANY    1000000
#define DROP_BATCH_COUNT 10000

/* ---- the database's list ---- */
static sc_err list_add(struct sc_sql_db *db, struct sql_table *t)
{
    struct sql_table **grown = realloc(db->tables, (db->table_count + 1) * sizeof *grown);
    if (grown == NULL)
        return SC_E_NOMEM;
    db->tables = grown;
    db->tables[db->table_count++] = t;
    return SC_OK;
}

static void list_remove(struct sc_sql_db *db, size_t i)
{
    sql_table_unref(db->tables[i]);
    db->tables[i] = db->tables[--db->table_count];
}

static int list_find(const struct sc_sql_db *db, const char *name)
{
    for (size_t i = 0; i < db->table_count; i++)
        if (strcasecmp(db->tables[i]->name, name) == 0)
            return (int)i;
    return -1;
}

/* State record: u64 schema version, u32 next table id. */
static void encode_state(uint64_t version, uint32_t next, struct sc_buf *out)
{
    sc_buf_put_u64be(out, version);
    sc_buf_put_u32be(out, next);
}

static sc_err load_state(struct sc_sql_db *db, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    uint64_t version;
    db->table_id_next = 1;
    db->schema_version = 1;
    sql_key_state(&key);
    SC_TRY(sc_buf_status(&key));
    const sc_err err = sc_kvs_get(db->kvs, NULL, sc_buf_slice(&key), &value, diag);
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    SC_TRY(err);
    struct sc_reader r = sc_reader_of(sc_buf_slice(&value));
    if (sc_reader_get_u64be(&r, &version) != SC_OK || sc_reader_get_u32be(&r, &db->table_id_next) != SC_OK ||
        sc_reader_expect_end(&r) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "dictionary state is malformed");
    db->schema_version = version;
    return SC_OK;
}

/* Calls each(key, value) for all dictionary records of one kind. */
static sc_err each_record(struct sc_sql_db *db, void (*key_of)(struct sc_buf *, uint32_t),
                          sc_err (*each)(struct sc_sql_db *, uint32_t, struct sc_slice, struct sc_diag *),
                          struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    key_of(&bounds, 0);
    const size_t size = bounds.size;
    key_of(&bounds, UINT32_MAX);
    sc_buf_put_u8(&bounds, 0xff);
    SC_TRY(sc_buf_status(&bounds));
    const struct sc_kvs_range range = {sc_slice_of(bounds.ptr, size), sc_slice_of(bounds.ptr + size, size + 1)};
    struct sc_kvs_iter *it = NULL;
    bool valid = false;
    SC_TRY(sc_kvs_iter_new(db->kvs, NULL, &range, &it, diag));
    sc_err err = sc_kvs_iter_first(it, &valid, diag);
    while (err == SC_OK && valid) {
        uint32_t id = 0;
        err = sql_key_dictionary_id(sc_kvs_iter_key(it), &id);
        if (err == SC_OK)
            err = each(db, id, sc_kvs_iter_value(it), diag);
        if (err == SC_OK)
            err = sc_kvs_iter_next(it, &valid, diag);
    }
    sc_kvs_iter_free(it);
    return err;
}

static sc_err load_table(struct sc_sql_db *db, uint32_t id, struct sc_slice record, struct sc_diag *diag)
{
    SC_CLEANUP(sql_table_unrefp) struct sql_table *t = NULL;
    SC_TRY(sql_table_decode(id, record, &t, diag));
    if (id >= db->table_id_next || list_find(db, t->name) >= 0)
        return sc_fail(diag, SC_E_MALFORMED, "dictionary: table %s appears twice or too early", t->name);
    SC_TRY(list_add(db, t));
    (void)SC_TAKE(t);
    return SC_OK;
}

/* Deletes the rows of a dropped table batch by batch, then its mark.  A crash in between is finished at the next open.
 */
static sc_err delete_batch(struct sc_sql_db *db, uint32_t id, bool *done_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    sql_key_rows(&bounds, id);
    sql_key_rows(&bounds, id);
    sc_buf_put_u8(&bounds, 0xff);
    sql_key_dropped(&bounds, id);
    SC_TRY(sc_buf_status(&bounds));
    const struct sc_kvs_range range = {sc_slice_of(bounds.ptr, SQL_KEY_ROWS_SIZE),
                                       sc_slice_of(bounds.ptr + SQL_KEY_ROWS_SIZE, SQL_KEY_ROWS_SIZE + 1)};
    const size_t mark_at = 2 * SQL_KEY_ROWS_SIZE + 1;
    struct sc_kvs_iter *it = NULL;
    struct sc_kvs_txn *txn = NULL;
    bool valid = false;
    size_t count = 0;
    SC_TRY(sc_kvs_iter_new(db->kvs, NULL, &range, &it, diag));
    sc_err err = sc_kvs_txn_begin(db->kvs, &txn);
    if (err == SC_OK)
        err = sc_kvs_iter_first(it, &valid, diag);
    for (; err == SC_OK && valid && count < DROP_BATCH_COUNT; count++) {
        err = sc_kvs_txn_delete(txn, sc_kvs_iter_key(it));
        if (err == SC_OK)
            err = sc_kvs_iter_next(it, &valid, diag);
    }
    sc_kvs_iter_free(it);
    if (err == SC_OK && !valid)
        err = sc_kvs_txn_delete(txn, sc_slice_of(bounds.ptr + mark_at, bounds.size - mark_at));
    *done_out = !valid;
    if (err == SC_OK)
        return sc_kvs_txn_commit(txn, false, diag);
    sc_kvs_txn_abort(txn);
    return err;
}

static sc_err delete_rows(struct sc_sql_db *db, uint32_t id, struct sc_slice record, struct sc_diag *diag)
{
    (void)record;
    bool done = false;
    while (!done)
        SC_TRY(delete_batch(db, id, &done, diag));
    return SC_OK;
}

sc_err sql_schema_load(struct sc_sql_db *db, struct sc_diag *diag)
{
    SC_TRY(load_state(db, diag));
    SC_TRY(each_record(db, sql_key_table, load_table, diag));
    return each_record(db, sql_key_dropped, delete_rows, diag);
}

/* Writes a change of the dictionary: `key` = record, or deleted when record is NULL; with the new state. */
static sc_err write_change(struct sc_sql_db *db, uint32_t id, const struct sql_table *t, uint32_t next,
                           struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf mark = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf state_key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf state = {0};
    sql_key_table(&key, id);
    sql_key_dropped(&mark, id);
    sql_key_state(&state_key);
    encode_state(db->schema_version + 1, next, &state);
    if (t != NULL)
        sql_table_encode(t, &record);
    SC_TRY(sc_buf_status(&key));
    SC_TRY(sc_buf_status(&mark));
    SC_TRY(sc_buf_status(&state_key));
    SC_TRY(sc_buf_status(&state));
    SC_TRY(sc_buf_status(&record));
    struct sc_kvs_txn *txn = NULL;
    SC_TRY(sc_kvs_txn_begin(db->kvs, &txn));
    sc_err err = sc_kvs_txn_put(txn, sc_buf_slice(&state_key), sc_buf_slice(&state));
    if (err == SC_OK)
        err = t != NULL ? sc_kvs_txn_put(txn, sc_buf_slice(&key), sc_buf_slice(&record))
                        : sc_kvs_txn_delete(txn, sc_buf_slice(&key));
    if (err == SC_OK && t == NULL)
        err = sc_kvs_txn_put(txn, sc_buf_slice(&mark), SC_SLICE_EMPTY);
    if (err == SC_OK)
        return sc_kvs_txn_commit(txn, true, diag);
    sc_kvs_txn_abort(txn);
    return err;
}

/* ---- CREATE and DROP ---- */
/* DDL stands alone: it ends a deferred transaction and is refused in an explicit one. */
static sc_err ddl_begin(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_EXPLICIT)
        return sql_fail(s, "25001", "CREATE TABLE and DROP TABLE cannot run inside a transaction block");
    if (s->opt.read_only)
        return sql_fail(s, "25006", "cannot change the schema in a read-only session");
    if (s->active != 0)
        return sql_fail(s, "55006", "cannot change the schema while a query's rows are being read");
    return sql_tx_commit(s);
}

static sc_err create(struct sc_sql_session *s, struct sql_table **t, bool if_not_exists)
{
    struct sc_sql_db *db = s->db;
    if (list_find(db, (*t)->name) >= 0)
        return if_not_exists ? SC_OK : sql_fail(s, "42P07", "table \"%s\" already exists", (*t)->name);
    struct sc_diag diag = {0};
    (*t)->id = db->table_id_next;
    if (list_add(db, *t) != SC_OK)
        return sql_fail(s, "53200", "out of memory");
    const sc_err err = write_change(db, (*t)->id, *t, db->table_id_next + 1, &diag);
    if (err != SC_OK) {
        db->table_count--; /* *t stays the caller's */
        return sql_fail_storage(s, err, &diag, "create table");
    }
    *t = NULL;
    db->table_id_next++;
    db->schema_version++;
    return SC_OK;
}

/* Words after CREATE TABLE or DROP TABLE: [IF [NOT] EXISTS]. */
static bool has_if(struct sc_slice statement)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    sql_lex(&lx);
    sql_lex(&lx);
    return sql_token_is(sql_lex(&lx), "IF");
}

sc_err sql_schema_create(struct sc_sql_session *s, struct sc_sql_stmt *st)
{
    const struct sc_slice text = sc_slice_of(st->text, st->text_size);
    SC_CLEANUP(sql_table_unrefp) struct sql_table *t = NULL;
    SC_TRY(ddl_begin(s));
    SC_TRY(sql_define(s, text, &t));
    pthread_rwlock_wrlock(&s->db->lock);
    const sc_err err = create(s, &t, has_if(text));
    pthread_rwlock_unlock(&s->db->lock);
    return err;
}

/* DROP TABLE [IF EXISTS] [schema.]name */
static sc_err drop_name(struct sc_sql_session *s, struct sc_slice statement, char name[static SQL_NAME_SIZE_MAX])
{
    struct sql_lexer lx = sql_lexer_of(statement);
    sql_lex(&lx);
    sql_lex(&lx);
    struct sql_token t = sql_lex(&lx);
    if (sql_token_is(t, "IF")) {
        if (!sql_token_is(sql_lex(&lx), "EXISTS"))
            return sql_fail(s, "42601", "syntax error: EXISTS expected after IF");
        t = sql_lex(&lx);
    }
    if (sql_token_name(t, name, SQL_NAME_SIZE_MAX) != SC_OK)
        return sql_fail(s, "42601", "syntax error: a table's name expected");
    t = sql_lex(&lx);
    if (sql_token_is_punct(t, '.')) {
        if (sql_token_name(sql_lex(&lx), name, SQL_NAME_SIZE_MAX) != SC_OK)
            return sql_fail(s, "42601", "syntax error: a table's name expected");
        t = sql_lex(&lx);
    }
    if (t.kind != SQL_TOKEN_END)
        return sql_fail(s, "42601", "syntax error after the table's name");
    return SC_OK;
}

sc_err sql_schema_drop(struct sc_sql_session *s, struct sc_sql_stmt *st)
{
    struct sc_sql_db *db = s->db;
    const struct sc_slice text = sc_slice_of(st->text, st->text_size);
    char name[SQL_NAME_SIZE_MAX];
    struct sc_diag diag = {0};
    SC_TRY(drop_name(s, text, name));
    SC_TRY(ddl_begin(s));
    pthread_rwlock_wrlock(&db->lock);
    const int i = list_find(db, name);
    const uint32_t id = i >= 0 ? db->tables[i]->id : 0;
    sc_err err = i >= 0 ? write_change(db, id, NULL, db->table_id_next, &diag) : SC_E_NOT_FOUND;
    if (err == SC_OK) {
        list_remove(db, (size_t)i);
        db->schema_version++;
    }
    pthread_rwlock_unlock(&db->lock);
    if (i < 0)
        return has_if(text) ? SC_OK : sql_fail(s, "42P01", "no such table: %s", name);
    if (err == SC_OK) /* the table is gone for everybody; its rows go without holding anybody up */
        err = delete_rows(db, id, SC_SLICE_EMPTY, &diag);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, &diag, "drop table");
}

/* ---- a session's view ---- */
struct sql_table *sql_schema_find(struct sc_sql_session *s, const char *name)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (strcasecmp(s->tables[i]->name, name) == 0)
            return s->tables[i];
    return NULL;
}

struct sql_table *sql_schema_find_id(struct sc_sql_session *s, uint32_t id)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (s->tables[i]->id == id)
            return s->tables[i];
    return NULL;
}

static sc_err run_internal(struct sc_sql_session *s, char *sql)
{
    if (sql == NULL)
        return sql_fail(s, "53200", "out of memory");
    s->internal = true;
    const int rc = sqlite3_exec(s->sqlite, sql, NULL, NULL, NULL);
    s->internal = false;
    sqlite3_free(sql);
    return rc == SQLITE_OK ? SC_OK : sql_fail_sqlite(s, rc);
}

static bool contains(struct sql_table *const *tables, size_t count, const struct sql_table *t)
{
    for (size_t i = 0; i < count; i++)
        if (tables[i] == t)
            return true;
    return false;
}

static sc_err copy_list(struct sc_sql_session *s, struct sql_table ***out, size_t *count_out, uint64_t *version_out)
{
    struct sc_sql_db *db = s->db;
    pthread_rwlock_rdlock(&db->lock);
    struct sql_table **tables = malloc((db->table_count + 1) * sizeof *tables);
    const size_t count = tables != NULL ? db->table_count : 0;
    for (size_t i = 0; i < count; i++)
        tables[i] = sql_table_ref(db->tables[i]);
    *version_out = db->schema_version;
    pthread_rwlock_unlock(&db->lock);
    if (tables == NULL)
        return sql_fail(s, "53200", "out of memory");
    *out = tables;
    *count_out = count;
    return SC_OK;
}

sc_err sql_schema_refresh(struct sc_sql_session *s)
{
    if (s->schema_version == s->db->schema_version)
        return SC_OK;
    struct sql_table **old = s->tables;
    const size_t old_count = s->table_count;
    struct sql_table **tables = NULL;
    size_t count = 0;
    uint64_t version = 0;
    SC_TRY(copy_list(s, &tables, &count, &version));
    s->tables = tables; /* xConnect looks here */
    s->table_count = count;
    sc_err err = SC_OK;
    for (size_t i = 0; i < old_count && err == SC_OK; i++)
        if (!contains(tables, count, old[i]))
            err = run_internal(s, sqlite3_mprintf("DROP TABLE IF EXISTS main.\"%w\"", old[i]->name));
    for (size_t i = 0; i < count && err == SC_OK; i++)
        if (!contains(old, old_count, tables[i]))
            err = run_internal(s, sqlite3_mprintf("CREATE VIRTUAL TABLE IF NOT EXISTS main.\"%w\" USING cascadb(%u)",
                                                  tables[i]->name, (unsigned)tables[i]->id));
    for (size_t i = 0; i < old_count; i++)
        sql_table_unref(old[i]);
    free(old);
    s->schema_version = err == SC_OK ? version : 0; /* half-declared: tried again at the next statement */
    return err;
}

/* Counts up to a limit once a process; beyond it, "many". */
int64_t sql_rows_estimate(struct sc_sql_session *s, struct sql_table *t)
{
    int64_t n = atomic_load(&t->rows_estimate);
    if (n >= 0)
        return n;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    sql_key_rows(&bounds, t->id);
    sql_key_rows(&bounds, t->id);
    sc_buf_put_u8(&bounds, SQL_TUPLE_AFTER);
    if (sc_buf_status(&bounds) != SC_OK)
        return ESTIMATE_MANY;
    const struct sc_kvs_range range = {sc_slice_of(bounds.ptr, SQL_KEY_ROWS_SIZE),
                                       sc_slice_of(bounds.ptr + SQL_KEY_ROWS_SIZE, SQL_KEY_ROWS_SIZE + 1)};
    struct sc_kvs_iter *it = NULL;
    struct sc_diag diag = {0};
    bool valid = false;
    if (sc_kvs_iter_new(s->db->kvs, NULL, &range, &it, &diag) != SC_OK)
        return ESTIMATE_MANY;
    n = 0;
    sc_err err = sc_kvs_iter_first(it, &valid, &diag);
    while (err == SC_OK && valid && n < ESTIMATE_PROBE) {
        n++;
        err = sc_kvs_iter_next(it, &valid, &diag);
    }
    sc_kvs_iter_free(it);
    if (err != SC_OK)
        return ESTIMATE_MANY; /* planning goes on; reading will tell */
    if (n == ESTIMATE_PROBE)
        n = ESTIMATE_MANY;
    int64_t unknown = -1;
    atomic_compare_exchange_strong(&t->rows_estimate, &unknown, n);
    return n;
}
