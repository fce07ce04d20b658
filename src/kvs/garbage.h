/* kvs/garbage.h - ids of objects that no root names and no reader holds any more, waiting to be removed.  Thread-safe. */
#ifndef SC_KVS_GARBAGE_H
#define SC_KVS_GARBAGE_H

#include "kvs/format.h"

struct kvs_garbage;
sc_err kvs_garbage_new(struct kvs_garbage **out) SC_MUST_CHECK;
void kvs_garbage_free(struct kvs_garbage *g); /* NULL is fine */
/* Out of memory: forgotten here, found as an orphan at the next open. */
void kvs_garbage_add(struct kvs_garbage *g, const struct kvs_id *id);
/* Removes all from the store; a failure leaves the rest for the next open. */
sc_err kvs_garbage_collect(struct kvs_garbage *g, const struct kvs_io *io, struct sc_diag *diag) SC_MUST_CHECK;

#endif
