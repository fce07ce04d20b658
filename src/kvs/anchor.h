/* kvs/anchor.h - what makes an old state visible and a second writer harmless: the root record, the trusted counter and
 * the order of everything that becomes durable.
 *
 * Freshness numbers.  Every log group and every root record that changes something takes the next *fresh* number, under
 * the anchor's lock, which is held until the thing is durable and counted:
 *   group that a committer waits for: append, sync, fence check, counter := fresh, acknowledge
 *   group that nobody waits for:      append (fresh is consumed, the counter stays)
 *   root record:                      compare-and-set, counter := fresh
 * The root also carries how many groups of the live log were durable when it was written, so that a newer root never
 * hides an older lost group.  Therefore, at open:
 *   max(fresh of root, fresh of the last genuine group) >= counter   and   groups in live log >= the root's minimum,
 * or something acknowledged is missing and the volume is refused.  The only window: what was durable but not yet counted
 * when the machine stopped, and that nobody was told of.
 *
 * The counter moves by compare-and-set from where this writer left it: a second writer on another copy of the store, which
 * the root record cannot fence, is noticed at the next count by whichever counts second.
 *
 * Fencing.  A writer takes the volume over by compare-and-set of the root (epoch + 1) *before* it reads the logs; a
 * writer acknowledges only after it has seen, past its sync, that the root is still its own. */
#ifndef SC_KVS_ANCHOR_H
#define SC_KVS_ANCHOR_H

#include "kvs/kvs.h"
#include "kvs/manifest.h"

#include <pthread.h>

struct kvs_anchor {
    struct kvs_io *io;
    const struct sc_kvs_counter *counter;
    pthread_mutex_t lock;  /* guards all below and the live log; taken before the engine's lock */
    struct kvs_root root;  /* the record as we last read or wrote it */
    struct sc_buf record;  /* its bytes; empty: none */
    uint64_t fresh;        /* the last one handed out */
    uint64_t counted;      /* the counter, as we last read or set it */
};
void kvs_anchor_init(struct kvs_anchor *a, struct kvs_io *io, const struct sc_kvs_counter *counter);
void kvs_anchor_deinit(struct kvs_anchor *a);

/* All below: the caller holds a->lock (or is alone). */

/* Reads root and counter.  *exists_out = false: no root and a counter that was never used. */
sc_err kvs_anchor_load(struct kvs_anchor *a, bool *exists_out, struct sc_diag *diag) SC_MUST_CHECK;
/* Replaces the root by *next (generation is set here).  SC_E_CONFLICT: another writer has the volume. */
sc_err kvs_anchor_swap(struct kvs_anchor *a, struct kvs_root *next, struct sc_diag *diag) SC_MUST_CHECK;
/* As above, with a fresh number, and counts it. */
sc_err kvs_anchor_swap_fresh(struct kvs_anchor *a, struct kvs_root *next, struct sc_diag *diag) SC_MUST_CHECK;
/* SC_E_CONFLICT when the root is not ours any more. */
sc_err kvs_anchor_fence(struct kvs_anchor *a, struct sc_diag *diag) SC_MUST_CHECK;
/* counter := fresh */
sc_err kvs_anchor_count(struct kvs_anchor *a, uint64_t fresh, struct sc_diag *diag) SC_MUST_CHECK;

#endif
