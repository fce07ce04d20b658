/* The Secure KVS as a plug-in of the ordered key-value harness (peers_engine.h): a directory store with a freshness
 * counter in a file, AES-256-GCM and the tag tree checked on every read, a log sync for every synced batch.
 *
 * opt: "memtable=MIB,block=BYTES"; the harness gives the cache size. */
#include "peers_engine.h"

#include "kvs/kvs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench_db {
    struct sc_store *store;
    struct sc_kvs_counter counter;
    struct sc_kvs *kvs;
};
struct bench_thread {
    struct bench_db *db;
    struct sc_kvs_batch *batch;
    struct sc_buf value;
};

static void must(sc_err err, const struct sc_diag *diag)
{
    if (err == SC_OK)
        return;
    fprintf(stderr, "securecloud: %s\n", sc_diag_text(diag, err));
    exit(1);
}

static size_t option(const char *opt, const char *name, size_t fallback)
{
    const char *at = opt != NULL ? strstr(opt, name) : NULL;
    return at != NULL ? strtoul(at + strlen(name), NULL, 10) : fallback;
}

static void *bench_open(const char *dir, size_t cache_mib, const char *opt)
{
    static const struct sc_key root_key = {"a key of a benchmark, not secret"};
    struct sc_diag diag = {0};
    struct bench_db *db = calloc(1, sizeof *db);
    char path[4096];
    if (db == NULL)
        exit(1);
    must(sc_store_dir_open(dir, &db->store, &diag), &diag);
    snprintf(path, sizeof path, "%s/counter", dir);
    must(sc_kvs_counter_insecure_file(path, &db->counter, &diag), &diag);
    const struct sc_kvs_options options = {
        .store = db->store,
        .root_key = &root_key,
        .counter = db->counter,
        .create = true,
        .memtable_size_max = option(opt, "memtable=", 64) << 20,
        .block_cache_size_max = cache_mib << 20,
        .block_size = option(opt, "block=", 8192),
    };
    must(sc_kvs_open(&options, &db->kvs, &diag), &diag);
    return db;
}

static void bench_close(void *p)
{
    struct bench_db *db = p;
    sc_kvs_close(db->kvs);
    sc_kvs_counter_file_close(&db->counter);
    sc_store_free(db->store);
    free(db);
}

static void *bench_thread_begin(void *p)
{
    struct bench_thread *t = calloc(1, sizeof *t);
    if (t == NULL)
        exit(1);
    t->db = p;
    must(sc_kvs_batch_new(&t->batch), NULL);
    return t;
}

static void bench_thread_end(void *p)
{
    struct bench_thread *t = p;
    sc_kvs_batch_free(t->batch);
    sc_buf_deinit(&t->value);
    free(t);
}

static int bench_write(void *p, const struct kv_row *rows, int n, int sync)
{
    struct bench_thread *t = p;
    struct sc_diag diag = {0};
    sc_kvs_batch_reset(t->batch);
    for (int i = 0; i < n; i++)
        must(sc_kvs_batch_put(t->batch, sc_slice_of(rows[i].k, rows[i].klen), sc_slice_of(rows[i].v, rows[i].vlen)),
             NULL);
    must(sc_kvs_write(t->db->kvs, t->batch, sync != 0, &diag), &diag);
    return 0;
}

static int bench_get(void *p, const void *k, uint32_t klen, void *buf, uint32_t cap, uint32_t *vlen)
{
    struct bench_thread *t = p;
    struct sc_diag diag = {0};
    sc_buf_reset(&t->value);
    const sc_err err = sc_kvs_get(t->db->kvs, NULL, sc_slice_of(k, klen), &t->value, &diag);
    if (err == SC_E_NOT_FOUND)
        return 0;
    must(err, &diag);
    memcpy(buf, t->value.ptr, t->value.size < cap ? t->value.size : cap);
    *vlen = (uint32_t)t->value.size;
    return 1;
}

static long bench_scan(void *p, const void *lo, uint32_t lolen, uint32_t plen, long limit, kv_row_cb cb, void *arg)
{
    struct bench_thread *t = p;
    struct sc_diag diag = {0};
    struct sc_kvs_iter *it;
    uint8_t upper[256];
    long n = 0;
    bool valid;
    memcpy(upper, lo, plen);
    while (plen != 0 && ++upper[plen - 1] == 0) /* the first key behind all that begin like lo */
        plen--;
    const struct sc_kvs_range range = {.lower = sc_slice_of(lo, lolen), .upper = sc_slice_of(upper, plen)};
    must(sc_kvs_iter_new(t->db->kvs, NULL, &range, &it, &diag), &diag);
    for (must(sc_kvs_iter_first(it, &valid, &diag), &diag); valid && n < limit; n++) {
        const struct sc_slice key = sc_kvs_iter_key(it), value = sc_kvs_iter_value(it);
        cb(arg, key.ptr, (uint32_t)key.size, value.ptr, (uint32_t)value.size);
        must(sc_kvs_iter_next(it, &valid, &diag), &diag);
    }
    sc_kvs_iter_free(it);
    return n;
}

static void bench_settle(void *p)
{
    struct bench_db *db = p;
    struct sc_diag diag = {0};
    must(sc_kvs_settle(db->kvs, &diag), &diag);
}

extern const struct peers_engine peers_engine;
__attribute__((visibility("default"))) const struct peers_engine peers_engine = {
    .name = "securecloud",
    .settings = "directory store, AES-256-GCM, freshness counter in a file, memtable 64 MiB, blocks 8 KiB (columns 32 "
                "KiB), sync per batch",
    .open = bench_open,
    .close = bench_close,
    .thread_begin = bench_thread_begin,
    .thread_end = bench_thread_end,
    .write = bench_write,
    .get = bench_get,
    .scan = bench_scan,
    .settle = bench_settle,
};
