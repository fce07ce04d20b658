/* SQL over HTTP: a client's bytes into a whole connection over a database in memory; or a request's body into statements.
 * What comes back as JSON must be JSON. */
#include "../cascadb/memory_client.h"
#include "base/json.h"
#include "cascadb/http.h"
#include "store/memory.h"

#define RUNS_PER_DATABASE 500

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

/* The body of an answer with a Content-Length is JSON. */
static void check_answer(struct sc_slice out)
{
    if (out.size > 25 && memcmp(out.ptr, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0)
        out = (struct sc_slice){ out.ptr + 25, out.size - 25 };
    const uint8_t *body = memmem(out.ptr, out.size, "\r\n\r\n", 4);
    const uint8_t *length = memmem(out.ptr, out.size, "Content-Length: ", 16);
    json_t *doc = NULL;
    if (out.size == 0)
        return;
    if (body == NULL || memcmp(out.ptr, "HTTP/1.1 ", 9) != 0)
        abort();
    const size_t head_size = (size_t)(body - out.ptr);
    if (length == NULL || length > body || memmem(out.ptr, head_size, "Content-Encoding: ", 18) != NULL ||
        memmem(out.ptr, head_size, "application/json\r\n", 18) == NULL)
        return;
    const size_t size = strtoul((const char *)length + 16, NULL, 10);
    if (size > (size_t)(out.ptr + out.size - body - 4) || sc_json_parse((struct sc_slice){ body + 4, size }, &doc, NULL) != SC_OK)
        abort();
    json_decref(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pg_principal who = { .name = "spiffe://securecloud.local/test" };
    static unsigned runs;
    if (size < 2)
        return 0;
    if (runs++ % RUNS_PER_DATABASE == 0)
        database_new();
    struct memory_client c = { .piece = data[1] };
    struct sc_diag diag = { 0 };
    const struct sc_slice in = { data + 2, size - 2 };
    if (data[0] % 2 == 0)
        sc_buf_put_fmt(&c.in, "POST /sql HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", in.size);
    sc_buf_put_bytes(&c.in, in);
    const struct pg_connection_options opt = {
        .stream = { memory_read, memory_write, &c }, .db = db, .principal = &who, .end_point = SC_SLICE_EMPTY, .metrics = &counters,
        .stopping = &c.stopping, .startup_ms_max = 1000, .idle_ms_max = 1000, .write_ms_max = 1000, .statement_ms_max = 50,
        .session_changed = memory_session_changed, .cancel = memory_cancel, .arg = &c,
    };
    sc_ignore(pg_http_run(&opt, false, &diag)); /* however it ends */
    check_answer(sc_buf_slice(&c.out));
    memory_client_deinit(&c);
    return 0;
}
