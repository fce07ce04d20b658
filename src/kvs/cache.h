/* kvs/cache.h - decoded blocks by (table, block), least recently used out first, bounded in bytes.  Thread-safe. */
#ifndef SC_KVS_CACHE_H
#define SC_KVS_CACHE_H

#include "kvs/block.h"

struct kvs_cache;
sc_err kvs_cache_new(size_t size_max, struct kvs_cache **out) SC_MUST_CHECK;
void kvs_cache_free(struct kvs_cache *c); /* NULL is fine; no block handed out need be back */
/* A reference to the block, or NULL. */
struct kvs_block *kvs_cache_get(struct kvs_cache *c, uint64_t table_number, uint32_t block_index);
/* Keeps a reference of its own; a block larger than 1/8 of the cache, or no memory for the slot: not kept. */
void kvs_cache_put(struct kvs_cache *c, uint64_t table_number, uint32_t block_index, struct kvs_block *b);
size_t kvs_cache_size(struct kvs_cache *c);
void kvs_cache_counts(struct kvs_cache *c, uint64_t *hits_out, uint64_t *misses_out);

#endif
