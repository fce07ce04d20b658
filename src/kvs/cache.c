#include "kvs/cache.h"

#include <pthread.h>

#define SHARD_COUNT     16
#define SHARD_SIZE_MIN  ((size_t)512 << 10) /* small caches have fewer shards, so that an index still fits into one */
#define BUCKETS_INITIAL 64

/* Items of a shard stand in a ring, over which the clock hand goes: what was used since its last visit gets a second
 * chance (Corbato 1968).  Unlike a list by age, a hit writes one flag and moves nothing. */
struct item {
    struct item *chain; /* of its bucket */
    struct item *next, *prev;
    uint64_t table_number;
    uint32_t part;
    bool used;
    size_t size;
    struct kvs_cached *thing;
};
struct shard {
    pthread_mutex_t lock; /* guards all below */
    size_t size, size_max;
    uint64_t hits, misses;
    size_t count;
    struct item *hand; /* NULL: empty */
    size_t bucket_mask;
    struct item **buckets;
} __attribute__((aligned(64)));
struct kvs_cache {
    size_t shard_count; /* a power of two */
    struct shard shards[SHARD_COUNT];
};

static uint64_t hash_of(uint64_t table_number, uint32_t part)
{
    const uint64_t h = (table_number * UINT64_C(0x9e3779b97f4a7c15) + part) * UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

sc_err kvs_cache_new(size_t size_max, struct kvs_cache **out)
{
    struct kvs_cache *c = aligned_alloc(64, sizeof *c);
    if (c == NULL)
        return SC_E_NOMEM;
    memset(c, 0, sizeof *c);
    c->shard_count = SHARD_COUNT;
    while (c->shard_count > 1 && size_max / c->shard_count < SHARD_SIZE_MIN)
        c->shard_count /= 2;
    for (size_t i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];
        pthread_mutex_init(&s->lock, NULL);
        s->size_max = size_max / c->shard_count;
        s->bucket_mask = BUCKETS_INITIAL - 1;
        s->buckets = calloc(BUCKETS_INITIAL, sizeof *s->buckets);
        if (s->buckets == NULL) {
            c->shard_count = i + 1;
            kvs_cache_free(c);
            return SC_E_NOMEM;
        }
    }
    *out = c;
    return SC_OK;
}

static struct item **bucket_of(struct shard *s, uint64_t hash)
{
    return &s->buckets[(hash >> 8) & s->bucket_mask];
}

static struct item *lookup(struct shard *s, uint64_t hash, uint64_t table_number, uint32_t part)
{
    struct item *it = *bucket_of(s, hash);
    while (it != NULL && (it->table_number != table_number || it->part != part))
        it = it->chain;
    return it;
}

static void evict(struct shard *s, struct item *it)
{
    struct item **p = bucket_of(s, hash_of(it->table_number, it->part));
    while (*p != it)
        p = &(*p)->chain;
    *p = it->chain;
    if (it->next == it) {
        s->hand = NULL;
    } else {
        it->next->prev = it->prev;
        it->prev->next = it->next;
        if (s->hand == it)
            s->hand = it->next;
    }
    s->size -= it->size;
    s->count--;
    kvs_cached_unref(it->thing);
    free(it);
}

static void evict_one(struct shard *s)
{
    while (s->hand->used) {
        s->hand->used = false;
        s->hand = s->hand->next;
    }
    evict(s, s->hand);
}

void kvs_cache_free(struct kvs_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];
        while (s->hand != NULL)
            evict(s, s->hand);
        pthread_mutex_destroy(&s->lock);
        free(s->buckets);
    }
    free(c);
}

struct kvs_cached *kvs_cache_get(struct kvs_cache *c, uint64_t table_number, uint32_t part)
{
    const uint64_t hash = hash_of(table_number, part);
    struct shard *s = &c->shards[hash & (c->shard_count - 1)];
    struct kvs_cached *thing = NULL;
    pthread_mutex_lock(&s->lock);
    struct item *it = lookup(s, hash, table_number, part);
    if (it != NULL) {
        thing = it->thing;
        kvs_cached_ref(thing);
        it->used = true;
        s->hits++;
    } else {
        s->misses++;
    }
    pthread_mutex_unlock(&s->lock);
    return thing;
}

/* Twice the buckets; without memory for them the chains grow. */
static void grow(struct shard *s)
{
    const size_t count = (s->bucket_mask + 1) * 2;
    struct item **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL)
        return;
    free(s->buckets);
    s->buckets = buckets;
    s->bucket_mask = count - 1;
    struct item *it = s->hand;
    do {
        struct item **bucket = bucket_of(s, hash_of(it->table_number, it->part));
        it->chain = *bucket;
        *bucket = it;
        it = it->next;
    } while (it != s->hand);
}

static void insert(struct shard *s, uint64_t hash, struct item *it)
{
    struct item **bucket = bucket_of(s, hash);
    it->chain = *bucket;
    *bucket = it;
    if (s->hand == NULL) {
        s->hand = it->next = it->prev = it;
    } else { /* behind the hand: the last it will visit */
        it->next = s->hand;
        it->prev = s->hand->prev;
        it->prev->next = it->next->prev = it;
    }
    s->size += it->size;
    if (++s->count > s->bucket_mask)
        grow(s);
}

void kvs_cache_put(struct kvs_cache *c, uint64_t table_number, uint32_t part, struct kvs_cached *thing)
{
    const uint64_t hash = hash_of(table_number, part);
    struct shard *s = &c->shards[hash & (c->shard_count - 1)];
    const size_t size = thing->size + sizeof(struct item);
    if (size > s->size_max)
        return;
    struct item *it = malloc(sizeof *it);
    if (it == NULL)
        return;
    *it = (struct item){.table_number = table_number, .part = part, .size = size, .thing = thing};
    pthread_mutex_lock(&s->lock);
    if (lookup(s, hash, table_number, part) != NULL) { /* another reader was quicker */
        free(it);
    } else {
        while (s->size + size > s->size_max)
            evict_one(s);
        kvs_cached_ref(thing);
        insert(s, hash, it);
    }
    pthread_mutex_unlock(&s->lock);
}

size_t kvs_cache_size(struct kvs_cache *c)
{
    size_t size = 0;
    for (size_t i = 0; i < c->shard_count; i++) {
        pthread_mutex_lock(&c->shards[i].lock);
        size += c->shards[i].size;
        pthread_mutex_unlock(&c->shards[i].lock);
    }
    return size;
}

void kvs_cache_counts(struct kvs_cache *c, uint64_t *hits_out, uint64_t *misses_out)
{
    *hits_out = *misses_out = 0;
    for (size_t i = 0; i < c->shard_count; i++) {
        pthread_mutex_lock(&c->shards[i].lock);
        *hits_out += c->shards[i].hits;
        *misses_out += c->shards[i].misses;
        pthread_mutex_unlock(&c->shards[i].lock);
    }
}
