/* Databases and sessions: the front end over SQLite.  Statements are in stmt.c. */
#include "sql/eval.h"

#include "base/clock.h"

#include <stdio.h>

#define TRANSACTION_SIZE_MAX ((size_t)256 << 20)
#define PROGRESS_STEPS       2000 /* virtual machine instructions between two looks at the clock: about 0.1 ms */

/* ---- database ---- */
sc_err sc_sql_db_open(struct sc_kvs *kvs, struct sc_sql_db **out, struct sc_diag *diag)
{
    return sql_db_open(sql_kv_local(kvs), out, diag);
}

sc_err sql_db_open(struct sql_kv kv, struct sc_sql_db **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_sql_db_closep) struct sc_sql_db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return sc_fail(diag, SC_E_NOMEM, "sql database");
    pthread_rwlock_init(&db->lock, NULL); /* these fail on no system that we run on: attributes are the default ones */
    pthread_mutex_init(&db->ddl, NULL);
    pthread_mutex_init(&db->slots_lock, NULL);
    pthread_mutex_init(&db->numbers_lock, NULL);
    db->kv = kv;
    SC_TRY(sql_schema_load(db, diag));
    *out = SC_TAKE(db);
    return SC_OK;
}

void sc_sql_db_close(struct sc_sql_db *db)
{
    if (db == NULL)
        return;
    sql_schema_free(db);
    free(db->numbers);
    pthread_mutex_destroy(&db->numbers_lock);
    pthread_mutex_destroy(&db->slots_lock);
    pthread_mutex_destroy(&db->ddl);
    pthread_rwlock_destroy(&db->lock);
    free(db);
}

void sc_sql_db_closep(struct sc_sql_db **db)
{
    sc_sql_db_close(*db);
}

size_t sc_sql_db_table_count(struct sc_sql_db *db)
{
    pthread_rwlock_rdlock(&db->lock);
    const size_t n = db->table_count;
    pthread_rwlock_unlock(&db->lock);
    return n;
}

void sc_sql_heap_limit_set(int64_t bytes)
{
    sqlite3_hard_heap_limit64(bytes);
}

/* ---- sessions ---- */
/* What reaches SQLite may read, write rows and call functions; its own schema is ours alone. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *dbname, const char *trigger)
{
    static const char *const refused[] = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"};
    const struct sc_sql_session *s = arg;
    (void)a;
    (void)trigger;
    if (s->internal)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    /* what is the session's own, in memory */
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_DROP_TEMP_TABLE:
    case SQLITE_DROP_TEMP_INDEX:
    case SQLITE_DROP_TEMP_VIEW:
    case SQLITE_DROP_TEMP_TRIGGER:
        return SQLITE_OK;
    case SQLITE_REINDEX:
    case SQLITE_ALTER_TABLE:
        return dbname != NULL && strcmp(dbname, "temp") == 0 ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_FUNCTION:
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
            if (b != NULL && sqlite3_stricmp(b, refused[i]) == 0)
                return SQLITE_DENY;
        return SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

void sql_session_authorizer(struct sc_sql_session *s)
{
    sqlite3_set_authorizer(s->sqlite, authorize, s);
}

int sql_progress(void *session)
{
    const struct sc_sql_session *s = session;
    return s->cancelled || (s->deadline_us != 0 && sc_mono_us(&sc_clock_system) > s->deadline_us);
}

static void version_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx,
                        "CascaDB " SC_VERSION " (SecureCloud; SQLite " SQLITE_VERSION "; PostgreSQL wire protocol 3)",
                        -1, SQLITE_STATIC);
}

static void database_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, "securecloud", -1, SQLITE_STATIC);
}

static sc_err connection_open(struct sc_sql_session *s)
{
    static const int limits[][2] = {
        {SQLITE_LIMIT_SQL_LENGTH, (int)SQL_TEXT_SIZE_MAX},
        {SQLITE_LIMIT_LENGTH, (int)SQL_KV_VALUE_SIZE_MAX},
        {SQLITE_LIMIT_VARIABLE_NUMBER, SQL_PARAM_NUMBER_MAX},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_MEMORY;
    if (sqlite3_open_v2(":memory:", &s->sqlite, flags, NULL) != SQLITE_OK)
        return sql_fail(s, "53200", "out of memory");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(s->sqlite, limits[i][0], limits[i][1]);
    sql_names_only_in_double_quotes(s->sqlite);
    /* Sorters and materialised views would spill plaintext into files otherwise. */
    int rc = sqlite3_exec(s->sqlite, "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_module(s->sqlite, "cascadb", &sql_table_module, s);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(s->sqlite, "version", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                     version_function, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(s->sqlite, "current_database", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                     database_function, NULL, NULL);
    if (rc != SQLITE_OK)
        return sql_fail_sqlite(s, rc);
    SC_TRY(sql_catalog_register(s));
    SC_TRY(sql_eval_register(s));
    SC_TRY(sql_count_register(s));
    SC_TRY(sql_check_register(s));
    SC_TRY(sql_trigger_register(s));
    sql_session_authorizer(s);
    sqlite3_progress_handler(s->sqlite, PROGRESS_STEPS, sql_progress, s);
    return sql_schema_refresh(s);
}

/* A summand of row counters that no other session uses; when all are taken, one is shared (and may conflict). */
static size_t slot_take(struct sc_sql_db *db)
{
    size_t slot = 0;
    pthread_mutex_lock(&db->slots_lock);
    while (slot + 1 < SQL_COUNT_SLOTS && (db->slots[slot / 8] >> slot % 8 & 1) != 0)
        slot++;
    db->slots[slot / 8] |= (uint8_t)(1u << slot % 8);
    pthread_mutex_unlock(&db->slots_lock);
    return slot;
}

static void slot_give(struct sc_sql_db *db, size_t slot)
{
    pthread_mutex_lock(&db->slots_lock);
    if (slot + 1 < SQL_COUNT_SLOTS)
        db->slots[slot / 8] &= (uint8_t) ~(1u << slot % 8);
    pthread_mutex_unlock(&db->slots_lock);
}

sc_err sc_sql_session_new(struct sc_sql_db *db, const struct sc_sql_session_options *opt, struct sc_sql_session **out,
                          struct sc_diag *diag)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "sql session");
    s->db = db;
    s->kv = db->kv;
    s->slot = slot_take(db);
    s->opt = *opt;
    if (s->opt.transaction_size_max == 0)
        s->opt.transaction_size_max = TRANSACTION_SIZE_MAX;
    sc_buf_init(&s->key, 2 * SQL_KV_KEY_SIZE_MAX);
    sc_buf_init(&s->entry, 2 * SQL_KV_KEY_SIZE_MAX);
    sc_buf_init(&s->other, 2 * SQL_KV_KEY_SIZE_MAX);
    sc_buf_init(&s->row, 2 * SQL_KV_VALUE_SIZE_MAX);
    sql_rowids_init(&s->rowids);
    const sc_err err = connection_open(s);
    if (err != SC_OK)
        return sc_fail(diag, err, "sql session: %s", s->error.message);
    *out = SC_TAKE(s);
    return SC_OK;
}

void sc_sql_session_free(struct sc_sql_session *s)
{
    if (s == NULL)
        return;
    sql_tx_abort(s);
    if (s->snapshot != NULL)
        s->kv.ops->snapshot_free(s->snapshot);
    sql_stmt_cache_clear(s);
    sql_eval_forget_all(s);
    sql_cursors_free(s);
    const int rc = sqlite3_close(s->sqlite);
    SC_ASSERT(rc == SQLITE_OK); /* a statement was left open */
    sql_schema_forget(s);
    slot_give(s->db, s->slot);
    free(s->written);
    free(s->savepoints);
    sql_rowids_deinit(&s->rowids);
    sc_buf_deinit(&s->key);
    sc_buf_deinit(&s->entry);
    sc_buf_deinit(&s->other);
    sc_buf_deinit(&s->row);
    free(s);
}

void sc_sql_session_freep(struct sc_sql_session **s)
{
    sc_sql_session_free(*s);
}

const struct sc_sql_error *sc_sql_session_error(const struct sc_sql_session *s)
{
    return &s->error;
}

void sc_sql_session_cancel(struct sc_sql_session *s)
{
    s->cancelled = true;
}

enum sc_sql_tx sc_sql_session_tx(const struct sc_sql_session *s)
{
    return s->tx != SQL_TX_EXPLICIT ? SC_SQL_TX_NONE : s->tx_failed ? SC_SQL_TX_FAILED : SC_SQL_TX_OPEN;
}

void sc_sql_session_spoil(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_EXPLICIT)
        s->tx_failed = true;
}

sc_err sc_sql_session_settle(struct sc_sql_session *s, bool commit)
{
    s->failed = false;
    if (s->tx != SQL_TX_DEFERRED)
        return SC_OK;
    if (s->active != 0)
        return sql_fail(s, "55006", "cannot end the transaction while a query's rows are being read");
    if (commit)
        return sql_tx_commit(s);
    sql_tx_abort(s);
    return SC_OK;
}
