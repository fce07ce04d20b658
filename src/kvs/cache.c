#include "kvs/cache.h"

#include <pthread.h>

struct item {
    struct item *chain; /* of its bucket */
    struct item *newer, *older;
    uint64_t table_number;
    uint32_t block_index;
    size_t size;
    struct kvs_block *block;
};
struct kvs_cache {
    pthread_mutex_t lock; /* guards all below */
    size_t size, size_max;
    uint64_t hits, misses;
    struct item *newest, *oldest;
    size_t bucket_mask;
    struct item **buckets;
};

sc_err kvs_cache_new(size_t size_max, struct kvs_cache **out)
{
    struct kvs_cache *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SC_E_NOMEM;
    size_t buckets = 64;
    while (buckets < size_max / 8192)
        buckets *= 2;
    c->buckets = calloc(buckets, sizeof *c->buckets);
    if (c->buckets == NULL) {
        free(c);
        return SC_E_NOMEM;
    }
    c->bucket_mask = buckets - 1;
    c->size_max = size_max;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return SC_OK;
}

static struct item **bucket_of(struct kvs_cache *c, uint64_t table_number, uint32_t block_index)
{
    const uint64_t h = (table_number * UINT64_C(0x9e3779b97f4a7c15) + block_index) * UINT64_C(0xd6e8feb86659fd93);
    return &c->buckets[(h >> 32) & c->bucket_mask];
}

static void unlink_age(struct kvs_cache *c, struct item *it)
{
    *(it->newer != NULL ? &it->newer->older : &c->newest) = it->older;
    *(it->older != NULL ? &it->older->newer : &c->oldest) = it->newer;
    it->newer = it->older = NULL;
}

static void link_newest(struct kvs_cache *c, struct item *it)
{
    it->older = c->newest;
    it->newer = NULL;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = it;
    c->newest = it;
}

static void evict(struct kvs_cache *c, struct item *it)
{
    struct item **p = bucket_of(c, it->table_number, it->block_index);
    while (*p != it)
        p = &(*p)->chain;
    *p = it->chain;
    unlink_age(c, it);
    c->size -= it->size;
    kvs_block_unref(it->block);
    free(it);
}

void kvs_cache_free(struct kvs_cache *c)
{
    if (c == NULL)
        return;
    while (c->oldest != NULL)
        evict(c, c->oldest);
    pthread_mutex_destroy(&c->lock);
    free(c->buckets);
    free(c);
}

static struct item *lookup(struct kvs_cache *c, uint64_t table_number, uint32_t block_index)
{
    struct item *it = *bucket_of(c, table_number, block_index);
    while (it != NULL && (it->table_number != table_number || it->block_index != block_index))
        it = it->chain;
    return it;
}

struct kvs_block *kvs_cache_get(struct kvs_cache *c, uint64_t table_number, uint32_t block_index)
{
    struct kvs_block *b = NULL;
    pthread_mutex_lock(&c->lock);
    struct item *it = lookup(c, table_number, block_index);
    if (it != NULL) {
        b = kvs_block_ref(it->block);
        unlink_age(c, it);
        link_newest(c, it);
        c->hits++;
    } else {
        c->misses++;
    }
    pthread_mutex_unlock(&c->lock);
    return b;
}

void kvs_cache_put(struct kvs_cache *c, uint64_t table_number, uint32_t block_index, struct kvs_block *b)
{
    const size_t size = kvs_block_size(b) + sizeof(struct item);
    if (size > c->size_max / 8)
        return;
    struct item *it = malloc(sizeof *it);
    if (it == NULL)
        return;
    *it = (struct item){.table_number = table_number, .block_index = block_index, .size = size};
    pthread_mutex_lock(&c->lock);
    if (lookup(c, table_number, block_index) != NULL) { /* another reader was quicker */
        free(it);
    } else {
        it->block = kvs_block_ref(b);
        struct item **bucket = bucket_of(c, table_number, block_index);
        it->chain = *bucket;
        *bucket = it;
        link_newest(c, it);
        c->size += size;
        while (c->size > c->size_max)
            evict(c, c->oldest);
    }
    pthread_mutex_unlock(&c->lock);
}

size_t kvs_cache_size(struct kvs_cache *c)
{
    pthread_mutex_lock(&c->lock);
    const size_t size = c->size;
    pthread_mutex_unlock(&c->lock);
    return size;
}

void kvs_cache_counts(struct kvs_cache *c, uint64_t *hits_out, uint64_t *misses_out)
{
    pthread_mutex_lock(&c->lock);
    *hits_out = c->hits;
    *misses_out = c->misses;
    pthread_mutex_unlock(&c->lock);
}
