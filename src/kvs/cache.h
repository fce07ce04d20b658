/* kvs/cache.h - what has been read and verified: blocks and table indexes, up to a byte bound.  Thread-safe; sharded,
 * each shard one lock and one clock hand (second chance).  Things are reference-counted, so evicting one that is in use
 * frees it later. */
#ifndef SC_KVS_CACHE_H
#define SC_KVS_CACHE_H

#include "base/bytes.h"

#include <stdatomic.h>

/* What can be kept: structs that begin with it.  Immutable once made. */
struct kvs_cached {
    atomic_uint refs;
    size_t size; /* bytes of memory held */
    void (*destroy)(struct kvs_cached *c);
};
static inline void kvs_cached_ref(struct kvs_cached *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}
static inline void kvs_cached_unref(struct kvs_cached *c)
{
    if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        c->destroy(c);
}

struct kvs_cache;
sc_err kvs_cache_new(size_t size_max, struct kvs_cache **out) SC_MUST_CHECK;
void kvs_cache_free(struct kvs_cache *c); /* NULL is fine */
/* A reference for the caller, or NULL. */
struct kvs_cached *kvs_cache_get(struct kvs_cache *c, uint64_t table_number, uint32_t part);
/* Takes a reference of its own; keeps nothing that is larger than a shard or for which there is no memory. */
void kvs_cache_put(struct kvs_cache *c, uint64_t table_number, uint32_t part, struct kvs_cached *thing);
size_t kvs_cache_size(struct kvs_cache *c);
void kvs_cache_counts(struct kvs_cache *c, uint64_t *hits_out, uint64_t *misses_out);

#endif
