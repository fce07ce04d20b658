/* kvs/memtable.h - the newest versions, in memory: a skip list that one thread writes while any number read.
 *
 * Memory comes from one arena and is freed with the memtable; nodes never move.  Reference-counted.
 * Skip list: Pugh 1990; publication by release stores of the next pointers, lowest level first (as in LevelDB). */
#ifndef SC_KVS_MEMTABLE_H
#define SC_KVS_MEMTABLE_H

#include "kvs/ranges.h"

struct kvs_memtable;
struct kvs_node; /* an entry's place; valid as long as the memtable */

sc_err kvs_memtable_new(struct kvs_memtable **out) SC_MUST_CHECK;
struct kvs_memtable *kvs_memtable_ref(struct kvs_memtable *mt);
void kvs_memtable_unref(struct kvs_memtable *mt); /* NULL is fine */
void kvs_memtable_unrefp(struct kvs_memtable **mt);

/* Where the last addition was: additions in ascending order find their place from there.  Zeroed to begin with; of one
 * memtable, from which nothing is removed meanwhile. */
#define KVS_MEMTABLE_HEIGHT_MAX 12
struct kvs_memtable_hint {
    const struct kvs_node *last;
    const struct kvs_node *prev[KVS_MEMTABLE_HEIGHT_MAX];
};
/* Copies e.  Of equal (key, seq) the one added last comes first.  One writer at a time.  hint and node_out may be NULL. */
sc_err kvs_memtable_add(struct kvs_memtable *mt, const struct kvs_entry *e, struct kvs_memtable_hint *hint,
                        const struct kvs_node **node_out) SC_MUST_CHECK;
/* Takes the entry out again (its memory stays).  Only while nobody else holds the memtable: transactions' rollback. */
void kvs_memtable_remove(struct kvs_memtable *mt, const struct kvs_node *node);

/* A range tombstone; copies its bounds.  Published when it returns. */
struct kvs_memtable_range {
    struct kvs_range_del del;
    struct kvs_memtable_range *next; /* an older one */
};
sc_err kvs_memtable_add_range(struct kvs_memtable *mt, const struct kvs_range_del *d) SC_MUST_CHECK;
/* The newest; NULL when there is none. */
const struct kvs_memtable_range *kvs_memtable_ranges(const struct kvs_memtable *mt);
/* The newest seq <= seq of tombstones that have key; 0: none. */
uint64_t kvs_memtable_cover(const struct kvs_memtable *mt, struct sc_slice key, uint64_t seq);
/* Forgets tombstones newer than seq.  As kvs_memtable_remove(). */
void kvs_memtable_remove_ranges(struct kvs_memtable *mt, uint64_t seq);
bool kvs_memtable_is_empty(const struct kvs_memtable *mt); /* no entry and no tombstone */

size_t kvs_memtable_size(const struct kvs_memtable *mt);    /* bytes held */
uint64_t kvs_memtable_count(const struct kvs_memtable *mt); /* entries */
uint64_t kvs_memtable_seq_max(const struct kvs_memtable *mt);

/* NULL when there is none. */
const struct kvs_node *kvs_memtable_first(const struct kvs_memtable *mt);
const struct kvs_node *kvs_memtable_last(const struct kvs_memtable *mt);
const struct kvs_node *kvs_memtable_next(const struct kvs_node *node);
/* First entry >= (key, seq) in entry order: the newest version of key not newer than seq, or a later key's first. */
const struct kvs_node *kvs_memtable_seek(const struct kvs_memtable *mt, struct sc_slice key, uint64_t seq);
/* Last entry of all keys < key. */
const struct kvs_node *kvs_memtable_before(const struct kvs_memtable *mt, struct sc_slice key);
void kvs_node_entry(const struct kvs_node *node, struct kvs_entry *out);

#endif
