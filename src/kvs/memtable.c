#include "kvs/memtable.h"

#include "base/arena.h"
#include "base/clock.h"

#include <stdatomic.h>

#define HEIGHT_MAX KVS_MEMTABLE_HEIGHT_MAX /* branching 4: good for 4^12 entries */

struct kvs_node {
    uint64_t word; /* kvs_entry_word */
    uint32_t key_size;
    uint32_t value_size;
    uint32_t height;
    _Atomic(struct kvs_node *) next[]; /* height of them, then key, then value */
};
struct kvs_memtable {
    atomic_uint refs;
    struct sc_arena arena;
    struct sc_prng prng;
    atomic_size_t size;
    _Atomic uint64_t count;
    _Atomic uint64_t seq_max;
    _Atomic(struct kvs_memtable_range *) ranges;
    _Atomic(struct kvs_node *) head[HEIGHT_MAX];
};

static const uint8_t *key_ptr(const struct kvs_node *n)
{
    return (const uint8_t *)(n->next + n->height);
}

static struct sc_slice key_of(const struct kvs_node *n)
{
    return (struct sc_slice){key_ptr(n), n->key_size};
}

static struct kvs_node *load(const _Atomic(struct kvs_node *) *p)
{
    return atomic_load_explicit(p, memory_order_acquire);
}

sc_err kvs_memtable_new(struct kvs_memtable **out)
{
    struct kvs_memtable *mt = calloc(1, sizeof *mt);
    if (mt == NULL)
        return SC_E_NOMEM;
    atomic_init(&mt->refs, 1);
    sc_arena_init(&mt->arena, (size_t)8 << 30); /* bounded by the engine's stall, not here */
    sc_prng_init(&mt->prng, 0x6b76736d656d);    /* heights only: any seed does */
    *out = mt;
    return SC_OK;
}

struct kvs_memtable *kvs_memtable_ref(struct kvs_memtable *mt)
{
    atomic_fetch_add_explicit(&mt->refs, 1, memory_order_relaxed);
    return mt;
}

void kvs_memtable_unref(struct kvs_memtable *mt)
{
    if (mt == NULL || atomic_fetch_sub_explicit(&mt->refs, 1, memory_order_acq_rel) != 1)
        return;
    sc_arena_deinit(&mt->arena);
    free(mt);
}

void kvs_memtable_unrefp(struct kvs_memtable **mt)
{
    kvs_memtable_unref(*mt);
}

static const _Atomic(struct kvs_node *) *link_of(const struct kvs_memtable *mt, const struct kvs_node *at, size_t level)
{
    return at != NULL ? &at->next[level] : &mt->head[level];
}

/* From node `at` (NULL: the head) of `level` down: fills prev_out below with the last node < (key, seq) of each level
 * and returns what follows on the lowest. */
static struct kvs_node *descend(const struct kvs_memtable *mt, const struct kvs_node *at, size_t level,
                                struct sc_slice key, uint64_t seq, const struct kvs_node **prev_out)
{
    struct kvs_node *next = NULL;
    const struct kvs_node *not_below = NULL; /* was compared one level higher already */
    for (level++; level-- > 0;) {
        for (;;) {
            next = load(link_of(mt, at, level));
            if (next == NULL || next == not_below || kvs_entry_cmp(key_of(next), next->word >> 1, key, seq) >= 0) {
                not_below = next;
                if (prev_out != NULL)
                    prev_out[level] = at;
                break;
            }
            at = next;
        }
    }
    return next;
}

static struct kvs_node *find(const struct kvs_memtable *mt, struct sc_slice key, uint64_t seq,
                             const struct kvs_node **prev_out)
{
    return descend(mt, NULL, HEIGHT_MAX - 1, key, seq, prev_out);
}

/* As find(), from where the last addition was, if the key lies behind: climbs only as high as the distance asks for. */
static void find_near(const struct kvs_memtable *mt, struct sc_slice key, uint64_t seq, struct kvs_memtable_hint *hint)
{
    const struct kvs_node *last = hint->last;
    if (last == NULL || kvs_entry_cmp(key_of(last), last->word >> 1, key, seq) >= 0) {
        find(mt, key, seq, hint->prev);
        return;
    }
    size_t level = 0;
    while (level + 1 < HEIGHT_MAX) {
        const struct kvs_node *next = load(link_of(mt, hint->prev[level], level));
        if (next == NULL || kvs_entry_cmp(key_of(next), next->word >> 1, key, seq) >= 0)
            break;
        level++;
    }
    descend(mt, hint->prev[level], level, key, seq, hint->prev);
}

static uint32_t random_height(struct kvs_memtable *mt)
{
    uint32_t h = 1;
    for (uint64_t r = sc_prng_u64(&mt->prng); h < HEIGHT_MAX && (r & 3) == 0; r >>= 2)
        h++;
    return h;
}

sc_err kvs_memtable_add(struct kvs_memtable *mt, const struct kvs_entry *e, struct kvs_memtable_hint *hint,
                        const struct kvs_node **node_out)
{
    struct kvs_memtable_hint none = {0};
    const uint32_t height = random_height(mt);
    const size_t links = height * sizeof(_Atomic(struct kvs_node *));
    struct kvs_node *n = sc_arena_alloc_raw(&mt->arena, sizeof *n + links + e->key.size + e->value.size);
    if (n == NULL)
        return SC_E_NOMEM;
    SC_ASSERT(e->key.size <= UINT32_MAX && e->value.size <= UINT32_MAX && e->seq <= KVS_SEQ_MAX);
    n->word = kvs_entry_word(e->seq, e->is_put);
    n->key_size = (uint32_t)e->key.size;
    n->value_size = (uint32_t)e->value.size;
    n->height = height;
    memcpy((uint8_t *)key_ptr(n), e->key.ptr, e->key.size);
    memcpy((uint8_t *)key_ptr(n) + e->key.size, e->value.ptr, e->value.size);
    hint = hint != NULL ? hint : &none;
    find_near(mt, e->key, e->seq, hint);
    for (uint32_t level = 0; level < height; level++) {
        _Atomic(struct kvs_node *) *link = (_Atomic(struct kvs_node *) *)link_of(mt, hint->prev[level], level);
        atomic_init(&n->next[level], load(link));
        atomic_store_explicit(link, n, memory_order_release);
        hint->prev[level] = n;
    }
    hint->last = n;
    atomic_store_explicit(&mt->size, mt->arena.size, memory_order_relaxed);
    atomic_store_explicit(&mt->count, atomic_load_explicit(&mt->count, memory_order_relaxed) + 1, memory_order_relaxed);
    if (e->seq > atomic_load_explicit(&mt->seq_max, memory_order_relaxed))
        atomic_store_explicit(&mt->seq_max, e->seq, memory_order_relaxed);
    if (node_out != NULL)
        *node_out = n;
    return SC_OK;
}

void kvs_memtable_remove(struct kvs_memtable *mt, const struct kvs_node *node)
{
    const struct kvs_node *prev[HEIGHT_MAX];
    SC_ASSERT(find(mt, key_of(node), node->word >> 1, prev) == node);
    for (uint32_t level = 0; level < node->height; level++)
        atomic_store((_Atomic(struct kvs_node *) *)link_of(mt, prev[level], level), load(&node->next[level]));
    atomic_fetch_sub(&mt->count, 1);
}

sc_err kvs_memtable_add_range(struct kvs_memtable *mt, const struct kvs_range_del *d)
{
    struct kvs_memtable_range *r = sc_arena_alloc_raw(&mt->arena, sizeof *r + d->lower.size + d->upper.size);
    if (r == NULL)
        return SC_E_NOMEM;
    uint8_t *p = (uint8_t *)(r + 1);
    memcpy(p, d->lower.ptr, d->lower.size);
    memcpy(p + d->lower.size, d->upper.ptr, d->upper.size);
    r->del =
        (struct kvs_range_del){.lower = {p, d->lower.size}, .upper = {p + d->lower.size, d->upper.size}, .seq = d->seq};
    r->next = atomic_load_explicit(&mt->ranges, memory_order_relaxed);
    atomic_store_explicit(&mt->ranges, r, memory_order_release);
    atomic_store_explicit(&mt->size, mt->arena.size, memory_order_relaxed);
    if (d->seq > atomic_load_explicit(&mt->seq_max, memory_order_relaxed))
        atomic_store_explicit(&mt->seq_max, d->seq, memory_order_relaxed);
    return SC_OK;
}

const struct kvs_memtable_range *kvs_memtable_ranges(const struct kvs_memtable *mt)
{
    return atomic_load_explicit(&mt->ranges, memory_order_acquire);
}

uint64_t kvs_memtable_cover(const struct kvs_memtable *mt, struct sc_slice key, uint64_t seq)
{
    uint64_t newest = 0;
    for (const struct kvs_memtable_range *r = kvs_memtable_ranges(mt); r != NULL; r = r->next)
        if (r->del.seq <= seq && r->del.seq > newest && kvs_range_has(r->del.lower, r->del.upper, key))
            newest = r->del.seq;
    return newest;
}

void kvs_memtable_remove_ranges(struct kvs_memtable *mt, uint64_t seq)
{
    struct kvs_memtable_range *r = atomic_load(&mt->ranges);
    while (r != NULL && r->del.seq > seq)
        r = r->next;
    atomic_store(&mt->ranges, r);
}

bool kvs_memtable_is_empty(const struct kvs_memtable *mt)
{
    return kvs_memtable_count(mt) == 0 && kvs_memtable_ranges(mt) == NULL;
}

size_t kvs_memtable_size(const struct kvs_memtable *mt)
{
    return atomic_load_explicit(&mt->size, memory_order_relaxed);
}

uint64_t kvs_memtable_count(const struct kvs_memtable *mt)
{
    return atomic_load_explicit(&mt->count, memory_order_relaxed);
}

uint64_t kvs_memtable_seq_max(const struct kvs_memtable *mt)
{
    return atomic_load_explicit(&mt->seq_max, memory_order_relaxed);
}

const struct kvs_node *kvs_memtable_first(const struct kvs_memtable *mt)
{
    return load(&mt->head[0]);
}

const struct kvs_node *kvs_memtable_next(const struct kvs_node *node)
{
    return load(&node->next[0]);
}

const struct kvs_node *kvs_memtable_seek(const struct kvs_memtable *mt, struct sc_slice key, uint64_t seq)
{
    return find(mt, key, seq, NULL);
}

/* The last node that `stays`: below (key, infinity), or simply the last when key is NULL. */
static const struct kvs_node *last_below(const struct kvs_memtable *mt, const struct sc_slice *key)
{
    const struct kvs_node *at = NULL;
    for (size_t level = HEIGHT_MAX; level-- > 0;) {
        for (;;) {
            const struct kvs_node *next = load(at != NULL ? &at->next[level] : &mt->head[level]);
            if (next == NULL || (key != NULL && sc_slice_cmp(key_of(next), *key) >= 0))
                break;
            at = next;
        }
    }
    return at;
}

const struct kvs_node *kvs_memtable_last(const struct kvs_memtable *mt)
{
    return last_below(mt, NULL);
}

const struct kvs_node *kvs_memtable_before(const struct kvs_memtable *mt, struct sc_slice key)
{
    return last_below(mt, &key);
}

void kvs_node_entry(const struct kvs_node *n, struct kvs_entry *out)
{
    *out = (struct kvs_entry){
        .key = key_of(n),
        .value = {key_ptr(n) + n->key_size, n->value_size},
        .seq = n->word >> 1,
        .is_put = (n->word & 1) != 0,
    };
}
