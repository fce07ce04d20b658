/* kvs/ranges.h - deleted ranges: a range tombstone hides every version of a key within [lower, upper) that is older than it.
 *
 * They are few: readers look through all of a view's.  A memtable keeps those of its commits; when it is flushed they go
 * into the version (and so the manifest), where they stay until nothing that they hide is left in any table. */
#ifndef SC_KVS_RANGES_H
#define SC_KVS_RANGES_H

#include "kvs/entry.h"
#include "kvs/kvs.h"

struct kvs_range_del {
    struct sc_slice lower, upper; /* empty upper: to the end */
    uint64_t seq;
};

static inline bool kvs_range_has(struct sc_slice lower, struct sc_slice upper, struct sc_slice key)
{
    return sc_slice_cmp(key, lower) >= 0 && (upper.size == 0 || sc_slice_cmp(key, upper) < 0);
}
/* Whether [lower, upper) meets [from, to], both ends of the latter counting. */
static inline bool kvs_range_meets(const struct kvs_range_del *d, struct sc_slice from, struct sc_slice to)
{
    return sc_slice_cmp(d->lower, to) <= 0 && (d->upper.size == 0 || sc_slice_cmp(from, d->upper) < 0);
}
/* Whether two half-open ranges meet. */
static inline bool kvs_ranges_meet(struct sc_slice lower_a, struct sc_slice upper_a, struct sc_slice lower_b,
                                   struct sc_slice upper_b)
{
    return (upper_b.size == 0 || sc_slice_cmp(lower_a, upper_b) < 0) &&
           (upper_a.size == 0 || sc_slice_cmp(lower_b, upper_a) < 0);
}

/* A growing list that owns its keys. */
struct kvs_range_list {
    size_t count, capacity;
    struct kvs_range_del *items;
};
void kvs_range_list_deinit(struct kvs_range_list *l);
/* Copies the bounds. */
sc_err kvs_range_list_add(struct kvs_range_list *l, const struct kvs_range_del *d) SC_MUST_CHECK;
void kvs_range_list_truncate(struct kvs_range_list *l, size_t count);
/* The newest seq <= seq of those that have key; 0: none. */
uint64_t kvs_range_list_cover(const struct kvs_range_list *l, struct sc_slice key, uint64_t seq);
/* The oldest seq > seq of those that have key: from which on a version of that seq is hidden.  UINT64_MAX: none. */
uint64_t kvs_range_list_hides_from(const struct kvs_range_list *l, struct sc_slice key, uint64_t seq);

/* What a serialisable transaction has read: keys, and ranges that its iterators passed.  Bounded: beyond, `failed` says
 * so for good. */
struct kvs_reads {
    struct sc_buf keys;   /* lvar each */
    struct sc_buf ranges; /* lvar lower, lvar upper each */
};
void kvs_reads_deinit(struct kvs_reads *r);
void kvs_reads_add_key(struct kvs_reads *r, struct sc_slice key);
void kvs_reads_add_range(struct kvs_reads *r, struct sc_slice lower, struct sc_slice upper);
sc_err kvs_reads_status(const struct kvs_reads *r) SC_MUST_CHECK;

#endif
