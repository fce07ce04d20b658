/* kvs/keeper.h - which versions a flush or a merge keeps: the newest of every key, what a snapshot sees, deletions as
 * long as they hide something below, and nothing that a range tombstone hides from everybody. */
#ifndef SC_KVS_KEEPER_H
#define SC_KVS_KEEPER_H

#include "kvs/engine.h"

struct kvs_keeper {
    uint64_t *snapshots; /* ascending; the last is what was visible when we began */
    size_t snapshot_count;
    const struct kvs_version *below; /* deletions: levels > level are looked at; NULL: all deletions stay */
    size_t level;
    struct kvs_range_list ranges; /* tombstones that may cover what is written; filled by the user */
    struct sc_buf key;            /* of the entry before */
    uint64_t newer_seq;           /* of the entry before, if of the same key */
    bool any;
};
sc_err kvs_keeper_init(struct kvs_keeper *k, struct sc_kvs *kvs, const struct kvs_version *below, size_t level)
    SC_MUST_CHECK;
void kvs_keeper_deinit(struct kvs_keeper *k);
/* Entries come in entry order. */
sc_err kvs_keeper_judge(struct kvs_keeper *k, const struct kvs_entry *e, bool *keep_out) SC_MUST_CHECK;

#endif
