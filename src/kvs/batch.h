/* kvs/batch.h - a set of writes as the log records them (wal.h): what a commit carries. */
#ifndef SC_KVS_BATCH_H
#define SC_KVS_BATCH_H

#include "kvs/entry.h"
#include "kvs/kvs.h"

struct sc_kvs_batch {
    struct sc_buf records;
    uint64_t count; /* of them */
    sc_err failed;  /* sticky */
};
void kvs_batch_init(struct sc_kvs_batch *b);
void kvs_batch_deinit(struct sc_kvs_batch *b);

#endif
