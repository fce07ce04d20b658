/* kvs/cursor.h - one sorted source (a memtable, or a run of disjoint tables) as a sequence of *keys*: each with its
 * newest version not newer than the cursor's seq; keys without one are skipped, deletions are shown.
 *
 * Belongs to one thread.  The entry's key borrows from the cursor and lives until it moves; its value is not set, but
 * asked for: most keys that a merge passes need none. */
#ifndef SC_KVS_CURSOR_H
#define SC_KVS_CURSOR_H

#include "kvs/block.h"
#include "kvs/memtable.h"
#include "kvs/version.h"

struct kvs_cursor;
struct kvs_cursor_ops {
    sc_err (*seek_ge)(struct kvs_cursor *c, struct sc_slice key, struct sc_diag *diag); /* empty key: the first */
    sc_err (*seek_lt)(struct kvs_cursor *c, struct sc_slice key, struct sc_diag *diag);
    sc_err (*seek_last)(struct kvs_cursor *c, struct sc_diag *diag);
    sc_err (*next)(struct kvs_cursor *c, struct sc_diag *diag);
    sc_err (*prev)(struct kvs_cursor *c, struct sc_diag *diag);
    /* Of the present entry, which is a put (value() of a deletion is empty); borrowed until the cursor moves. */
    struct sc_slice (*value)(struct kvs_cursor *c);
    struct sc_slice (*value_part)(struct kvs_cursor *c, size_t offset, size_t size);
    size_t (*value_size)(struct kvs_cursor *c);
    void (*free)(struct kvs_cursor *c);
};
struct kvs_cursor {
    const struct kvs_cursor_ops *ops;
    uint64_t seq;
    bool live;  /* the source changes under the cursor (a transaction's own writes): it is sought anew at each move */
    bool valid;
    struct kvs_entry entry; /* while valid; without its value */
};
void kvs_cursor_free(struct kvs_cursor *c); /* NULL is fine */

/* Borrows mt. */
sc_err kvs_cursor_memtable(const struct kvs_memtable *mt, uint64_t seq, bool live, struct kvs_cursor **out)
    SC_MUST_CHECK;
enum kvs_run_mode {
    KVS_RUN_READ,  /* as said above, filling the cache */
    KVS_RUN_MERGE, /* every version, forward only (seek_ge, next), leaving the cache alone: for compaction */
};
/* Borrows the tables, which are disjoint and in key order. */
sc_err kvs_cursor_run(struct kvs_table *const *tables, size_t table_count, uint64_t seq, enum kvs_run_mode mode,
                      struct kvs_cursor **out) SC_MUST_CHECK;

#endif
