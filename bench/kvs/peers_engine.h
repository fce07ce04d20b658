/* peers_engine.h - the table of functions that an engine offers to the ordered key-value harness: what a plug-in exports
 * under the symbol "peers_engine".  Layout fixed by the harness. */
#ifndef PEERS_ENGINE_H
#define PEERS_ENGINE_H

#include <stddef.h>
#include <stdint.h>

struct kv_row {
    const void *k, *v;
    uint32_t klen, vlen;
};
typedef void (*kv_row_cb)(void *arg, const void *k, uint32_t klen, const void *v, uint32_t vlen);

struct peers_engine {
    const char *name;
    const char *settings; /* one line for the log */
    void *(*open)(const char *dir, size_t cache_mib, const char *opt);
    void (*close)(void *db);
    void *(*thread_begin)(void *db); /* a reader's or writer's own handle */
    void (*thread_end)(void *th);
    int (*write)(void *th, const struct kv_row *rows, int n, int sync); /* atomically, 0 = done (durable if sync) */
    int (*get)(void *th, const void *k, uint32_t klen, void *buf, uint32_t cap, uint32_t *vlen); /* 1, 0 absent, -1 */
    /* Rows from lo on, at most limit, while the first plen bytes equal lo's; their count or -1. */
    long (*scan)(void *th, const void *lo, uint32_t lolen, uint32_t plen, long limit, kv_row_cb cb, void *arg);
    void (*settle)(void *db); /* lets background work end */
};

#endif
