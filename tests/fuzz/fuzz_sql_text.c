/* SQL text together with a damaged store (dbsqlfuzz's idea: mutate both).  Byte 0 chooses how often the store lies,
 * byte 1 about which keys, byte 2 how; the rest is SQL, run on a small schema with one of everything.  Whatever happens
 * must be an error with a SQLSTATE, and a session in which the next statement works. */
#include "store/memory.h"

#include "sql/internal.h"
#include "sql/liar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema[] =
    "CREATE TABLE r(a INTEGER PRIMARY KEY, b INT CHECK (b < 1000), c TEXT UNIQUE, d AS (b + 1));"
    "CREATE TABLE s(r INT REFERENCES r ON DELETE CASCADE, note TEXT DEFAULT 'n' COLLATE NOCASE, x REAL, PRIMARY KEY(r, "
    "note));"
    "CREATE TABLE log(what, at DEFAULT (abs(-1)));"
    "CREATE INDEX r_b ON r(b DESC, c); CREATE INDEX s_x ON s(x) WHERE x IS NOT NULL; CREATE INDEX s_e ON s(x * 2);"
    "CREATE VIEW v AS SELECT r.a, s.note FROM r JOIN s ON s.r = r.a;"
    "CREATE TRIGGER g AFTER UPDATE ON r BEGIN INSERT INTO log(what) VALUES(old.c || new.c); END;"
    "INSERT INTO r(a, b, c) VALUES(1, 10, 'x'), (2, 20, NULL), (3, 30, 'z');"
    "INSERT INTO s VALUES(1, 'one', 1.5), (2, 'Two', NULL), (3, 'three', 2);";

static struct sc_store *prepared; /* made once */
static const struct sc_key root;

static void prepare(void)
{
    const struct sc_kvs_options opt = {.root_key = &root, .create = true};
    struct sc_kvs_options mine = opt;
    struct sc_kvs *kvs = NULL;
    struct sc_sql_db *db = NULL;
    struct sc_sql_session *s = NULL;
    SC_ASSERT(sc_store_memory_new(&prepared) == SC_OK);
    mine.store = prepared;
    SC_ASSERT(sc_kvs_open(&mine, &kvs, NULL) == SC_OK && sc_sql_db_open(kvs, &db, NULL) == SC_OK);
    SC_ASSERT(sc_sql_session_new(db, &(struct sc_sql_session_options){0}, &s, NULL) == SC_OK);
    SC_ASSERT(sc_sql_exec(s, schema) == SC_OK);
    sc_sql_session_free(s);
    sc_sql_db_close(db);
    sc_kvs_close(kvs);
    sc_sql_heap_limit_set((int64_t)256 << 20);
}

/* Statement by statement; an error ends one, not the session. */
static void run(struct sc_sql_session *s, struct sc_slice text)
{
    for (int n = 0; n < 50 && text.size != 0; n++) {
        struct sc_sql_stmt *st = NULL;
        size_t used = 0;
        bool row = true;
        sc_err err = sc_sql_prepare(s, text, &st, &used);
        if (err != SC_OK) {
            SC_ASSERT(strlen(sc_sql_session_error(s)->sqlstate) == 5);
            sc_ignore(sc_sql_exec(s, "ROLLBACK"));
            sql_statement_first(text, &used);
        }
        for (int rows = 0; err == SC_OK && row && rows < 1000; rows++) {
            err = sc_sql_step(st, &row);
            for (size_t i = 0; err == SC_OK && row && i < sc_sql_column_count(st); i++)
                sc_sql_column(st, i);
        }
        if (err != SC_OK)
            SC_ASSERT(strlen(sc_sql_session_error(s)->sqlstate) == 5);
        sc_sql_stmt_free(st);
        text = (struct sc_slice){text.ptr + used, text.size - used};
    }
    sc_ignore(sc_sql_exec(s, "ROLLBACK"));
    SC_ASSERT(sc_sql_exec(s, "SELECT 1") == SC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 4096)
        return 0;
    if (prepared == NULL)
        prepare();
    struct sc_store *store = NULL;
    struct sc_kvs *kvs = NULL;
    struct sc_sql_db *db = NULL;
    struct sc_sql_session *s = NULL;
    struct liar l;
    SC_ASSERT(sc_store_memory_clone(prepared, &store) == SC_OK);
    const struct sc_kvs_options opt = {.store = store, .root_key = &root};
    const struct sc_sql_session_options limits = {.statement_ms_max = 300, .transaction_size_max = (size_t)1 << 20};
    SC_ASSERT(sc_kvs_open(&opt, &kvs, NULL) == SC_OK);
    const struct sql_kv kv = liar_init(&l, sql_kv_local(kvs));
    l.seed = data[2];
    l.kind = data[1] % 8;
    SC_ASSERT(sql_db_open(kv, &db, NULL) == SC_OK);
    SC_ASSERT(sc_sql_session_new(db, &limits, &s, NULL) == SC_OK);
    l.rate = data[0] % 16;
    run(s, sc_slice_of(data + 3, size - 3));
    sc_sql_session_free(s);
    sc_sql_db_close(db);
    liar_deinit(&l);
    sc_kvs_close(kvs);
    sc_store_free(store);
    return 0;
}
