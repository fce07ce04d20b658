/* The PostgreSQL wire server: a client's bytes into a whole connection over a database in memory; or COPY statements and
 * data into their parsers. */
#include "../cascadb/memory_client.h"
#include "cascadb/copy.h"
#include "store/memory.h"

#define RUNS_PER_DATABASE 500 /* what earlier inputs left behind makes later ones harder to repeat */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sc_store *store;
static struct sc_kvs *kvs;
static struct sc_sql_db *db;
static struct pg_metrics counters;

static void database_new(void)
{
    static const struct sc_key root = { { 1 } };
    struct sc_metrics *m = NULL;
    sc_sql_db_close(db);
    sc_kvs_close(kvs);
    sc_store_free(store);
    struct sc_sql_session *s = NULL;
    const struct sc_sql_session_options none = { 0 };
    if (sc_store_memory_new(&store) != SC_OK)
        abort();
    const struct sc_kvs_options opt = { .store = store, .root_key = &root, .create = true };
    if (sc_kvs_open(&opt, &kvs, NULL) != SC_OK || sc_sql_db_open(kvs, &db, NULL) != SC_OK ||
        sc_sql_session_new(db, &none, &s, NULL) != SC_OK ||
        sc_sql_exec(s, "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, x REAL, b BLOB); INSERT INTO t VALUES(1,'a',0.5,x'00')") != SC_OK)
        abort();
    sc_sql_session_free(s);
    if (counters.statements == NULL && sc_metrics_new(&m) == SC_OK)
        counters = (struct pg_metrics){ sc_metrics_counter(m, "s", "", ""), sc_metrics_counter(m, "e", "", ""),
                                        sc_metrics_counter(m, "i", "", ""), sc_metrics_counter(m, "o", "", "") };
    sc_sql_heap_limit_set((int64_t)64 << 20);
}

static void fuzz_connection(struct sc_slice in, bool with_startup, size_t piece)
{
    static unsigned runs;
    struct memory_client c = { .piece = piece, .statement_ms_max = 50 };
    struct sc_diag diag = { 0 };
    if (runs++ % RUNS_PER_DATABASE == 0)
        database_new();
    if (with_startup)
        say_startup(&c.in, 3u << 16);
    sc_buf_put_bytes(&c.in, in);
    sc_ignore(memory_client_serve(&c, db, &counters, false, &diag)); /* however it ends */
    struct sc_slice rest = sc_buf_slice(&c.out);
    if (rest.size == 1) /* 'N' to a GSSENCRequest */
        rest.size = 0;
    while (with_startup && rest.size != 0) { /* what it answers is whole messages */
        struct pg_frame f;
        size_t used;
        if (pg_frame_next(rest, (size_t)1 << 30, &f, &used) != SC_OK)
            abort();
        rest = (struct sc_slice){ rest.ptr + used, rest.size - used };
    }
    memory_client_deinit(&c);
}

/* The statement up to the first NUL, its data behind. */
static void fuzz_copy(struct sc_slice in)
{
    struct pg_copy_statement st;
    struct sc_sql_error e = { 0 };
    const uint8_t *nul = memchr(in.ptr, 0, in.size);
    const size_t n = nul != NULL ? (size_t)(nul - in.ptr) : in.size;
    if (pg_copy_statement_parse((struct sc_slice){ in.ptr, n }, &st, &e) == SC_OK && nul != NULL) {
        const struct sc_slice data = { nul + 1, in.size - n - 1 };
        struct pg_copy_reader r;
        const size_t cut = data.size / 2;
        pg_copy_reader_init(&r, &st);
        sc_err err = pg_copy_reader_feed(&r, (struct sc_slice){ data.ptr, cut }, &e);
        while (err == SC_OK)
            err = pg_copy_reader_next(&r, false, &e);
        if (err == SC_E_AGAIN)
            err = pg_copy_reader_feed(&r, (struct sc_slice){ data.ptr + cut, data.size - cut }, &e);
        while (err == SC_OK)
            err = pg_copy_reader_next(&r, true, &e);
        pg_copy_reader_deinit(&r);
    }
    pg_copy_statement_deinit(&st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct sc_slice in = { data + 2, size - 2 };
    if (data[0] % 4 == 0)
        fuzz_copy(in);
    else
        fuzz_connection(in, data[0] % 4 != 1, data[1]);
    return 0;
}
