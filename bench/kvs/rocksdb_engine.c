/* RocksDB behind the same table of functions as our engine: lz4, blocks of 8 KiB, Bloom filters of 10 bits, memtables
 * of 64 MiB, two background jobs, a log sync for every synced batch.  Neither encrypted nor authenticated (blocks carry
 * a CRC, which is checked). */
#include "peers_engine.h"

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rocks {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_block_based_table_options_t *tables;
    rocksdb_writeoptions_t *synced, *unsynced;
    rocksdb_readoptions_t *read;
};

static void must(char *error)
{
    if (error == NULL)
        return;
    fprintf(stderr, "rocksdb: %s\n", error);
    exit(1);
}

static void tables_set(struct rocks *r, size_t cache_mib)
{
    r->cache = rocksdb_cache_create_lru(cache_mib << 20);
    r->tables = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(r->tables, r->cache);
    rocksdb_block_based_options_set_block_size(r->tables, 8192);
    rocksdb_block_based_options_set_filter_policy(r->tables, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_format_version(r->tables, 5);
    rocksdb_options_set_block_based_table_factory(r->options, r->tables);
}

static void *rocks_open(const char *dir, size_t cache_mib, const char *opt)
{
    struct rocks *r = calloc(1, sizeof *r);
    char *error = NULL;
    (void)opt;
    if (r == NULL)
        exit(1);
    r->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(r->options, 1);
    rocksdb_options_set_write_buffer_size(r->options, (size_t)64 << 20);
    rocksdb_options_set_max_write_buffer_number(r->options, 4);
    rocksdb_options_set_max_background_jobs(r->options, 2);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(r->options, 1);
    rocksdb_options_set_bytes_per_sync(r->options, 1 << 20);
    rocksdb_options_set_recycle_log_file_num(r->options, 4);
    rocksdb_options_set_compression(r->options, rocksdb_lz4_compression);
    tables_set(r, cache_mib);
    r->db = rocksdb_open(r->options, dir, &error);
    must(error);
    r->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->synced, 1);
    r->unsynced = rocksdb_writeoptions_create();
    r->read = rocksdb_readoptions_create();
    return r;
}

static void rocks_close(void *p)
{
    struct rocks *r = p;
    rocksdb_close(r->db);
    rocksdb_readoptions_destroy(r->read);
    rocksdb_writeoptions_destroy(r->unsynced);
    rocksdb_writeoptions_destroy(r->synced);
    rocksdb_block_based_options_destroy(r->tables);
    rocksdb_cache_destroy(r->cache);
    rocksdb_options_destroy(r->options);
    free(r);
}

static void *rocks_thread_begin(void *db)
{
    return db;
}

static void rocks_thread_end(void *thread)
{
    (void)thread;
}

static int rocks_write(void *p, const struct kv_row *rows, int n, int sync)
{
    struct rocks *r = p;
    char *error = NULL;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (int i = 0; i < n; i++)
        rocksdb_writebatch_put(batch, rows[i].k, rows[i].klen, rows[i].v, rows[i].vlen);
    rocksdb_write(r->db, sync != 0 ? r->synced : r->unsynced, batch, &error);
    rocksdb_writebatch_destroy(batch);
    must(error);
    return 0;
}

static int rocks_get(void *p, const void *k, uint32_t klen, void *buf, uint32_t cap, uint32_t *vlen)
{
    struct rocks *r = p;
    char *error = NULL;
    size_t size;
    rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(r->db, r->read, k, klen, &error);
    must(error);
    if (slice == NULL)
        return 0;
    const char *value = rocksdb_pinnableslice_value(slice, &size);
    memcpy(buf, value, size < cap ? size : cap);
    *vlen = (uint32_t)size;
    rocksdb_pinnableslice_destroy(slice);
    return 1;
}

static long rocks_scan(void *p, const void *lo, uint32_t lolen, uint32_t plen, long limit, kv_row_cb cb, void *arg)
{
    struct rocks *r = p;
    char *error = NULL;
    long n = 0;
    rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->read);
    for (rocksdb_iter_seek(it, lo, lolen); n < limit && rocksdb_iter_valid(it); rocksdb_iter_next(it), n++) {
        size_t klen, vlen;
        const char *k = rocksdb_iter_key(it, &klen);
        if (klen < plen || memcmp(k, lo, plen) != 0)
            break;
        const char *v = rocksdb_iter_value(it, &vlen);
        cb(arg, k, (uint32_t)klen, v, (uint32_t)vlen);
    }
    rocksdb_iter_get_error(it, &error);
    must(error);
    rocksdb_iter_destroy(it);
    return n;
}

/* Flushes, then asks until nothing runs or waits. */
static void rocks_settle(void *p)
{
    static const char *const busy[] = {"rocksdb.num-running-compactions", "rocksdb.compaction-pending",
                                       "rocksdb.num-running-flushes", "rocksdb.mem-table-flush-pending"};
    struct rocks *r = p;
    char *error = NULL;
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flush(r->db, flush, &error);
    rocksdb_flushoptions_destroy(flush);
    must(error);
    for (size_t i = 0; i < sizeof busy / sizeof busy[0];) {
        uint64_t count = 0;
        if (rocksdb_property_int(r->db, busy[i], &count) == 0 && count != 0) {
            usleep(10000);
            i = 0;
        } else {
            i++;
        }
    }
}

extern const struct peers_engine rocksdb_engine;
const struct peers_engine rocksdb_engine = {
    .name = "rocksdb",
    .settings = "lz4, blocks 8 KiB, filters 10 bits, memtable 64 MiB, 2 background jobs, sync per batch; no encryption",
    .open = rocks_open,
    .close = rocks_close,
    .thread_begin = rocks_thread_begin,
    .thread_end = rocks_thread_end,
    .write = rocks_write,
    .get = rocks_get,
    .scan = rocks_scan,
    .settle = rocks_settle,
};
