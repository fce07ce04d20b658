/* sql/kv.h - all that SQL asks of a key-value store: snapshots, ranges, transactions with conflict detection.
 *
 * The one seam between SQL and storage: nothing above it knows an engine's types, so that a server reached over the
 * network can stand behind it as well as the engine in this process (kv_local.c).  Keys are ordered bytewise.  A sql_kv
 * is thread-safe; a snapshot may be shared; iterators and transactions belong to one thread at a time.
 *
 * Errors are those of the engine: SC_E_NOT_FOUND, SC_E_CONFLICT (40001: start over), SC_E_AUTH (the store lies),
 * SC_E_IO. */
#ifndef SC_SQL_KV_H
#define SC_SQL_KV_H

#include "base/bytes.h"

#define SQL_KV_KEY_SIZE_MAX   ((size_t)64 << 10)
#define SQL_KV_VALUE_SIZE_MAX ((size_t)64 << 20)

struct sql_kv_snapshot;
struct sql_kv_txn;
struct sql_kv_iter;
struct sql_kv_range { /* upper is exclusive */
    struct sc_slice lower, upper;
};
enum sql_kv_move {
    SQL_KV_SEEK,      /* first key >= key */
    SQL_KV_SEEK_BACK, /* last key <= key */
    SQL_KV_NEXT,
    SQL_KV_PREV,
};

struct sql_kv_ops {
    sc_err (*snapshot_new)(void *self, struct sql_kv_snapshot **out);
    void (*snapshot_free)(struct sql_kv_snapshot *snap);
    /* Appends the value to value_out (NULL: existence only); snap NULL: the newest state. */
    sc_err (*get)(void *self, const struct sql_kv_snapshot *snap, struct sc_slice key, struct sc_buf *value_out,
                  struct sc_diag *diag);
    sc_err (*iter_new)(void *self, const struct sql_kv_snapshot *snap, const struct sql_kv_range *range,
                       struct sql_kv_iter **out, struct sc_diag *diag);
    /* Deletes ranges and a key, durably and outside any transaction: for what nobody reads any more. */
    sc_err (*clear)(void *self, const struct sql_kv_range *ranges, size_t range_count, struct sc_slice key,
                    struct sc_diag *diag);

    /* Snapshot isolation, first committer wins; track_reads: serialisable from here on, SC_E_UNSUPPORTED if it cannot
     * be. */
    sc_err (*txn_begin)(void *self, struct sql_kv_txn **out);
    sc_err (*txn_track_reads)(struct sql_kv_txn *txn);
    sc_err (*txn_put)(struct sql_kv_txn *txn, struct sc_slice key, struct sc_slice value);
    sc_err (*txn_delete)(struct sql_kv_txn *txn, struct sc_slice key);
    sc_err (*txn_get)(struct sql_kv_txn *txn, struct sc_slice key, struct sc_buf *value_out, struct sc_diag *diag);
    sc_err (*txn_iter)(struct sql_kv_txn *txn, const struct sql_kv_range *range, struct sql_kv_iter **out,
                       struct sc_diag *diag);
    size_t (*txn_mark)(const struct sql_kv_txn *txn);
    void (*txn_rollback_to)(struct sql_kv_txn *txn, size_t mark);
    sc_err (*txn_commit)(struct sql_kv_txn *txn, bool sync, struct sc_diag *diag); /* frees txn whatever the result */
    void (*txn_abort)(struct sql_kv_txn *txn);                                     /* NULL is fine */

    void (*iter_free)(struct sql_kv_iter *it); /* NULL is fine */
    sc_err (*iter_move)(struct sql_kv_iter *it, enum sql_kv_move move, struct sc_slice key, bool *valid_out,
                        struct sc_diag *diag);
    /* Of the current entry; borrowed until the iterator moves (a part: or is asked for another). */
    struct sc_slice (*iter_key)(const struct sql_kv_iter *it);
    struct sc_slice (*iter_value)(struct sql_kv_iter *it);
    size_t (*iter_value_size)(struct sql_kv_iter *it);
    struct sc_slice (*iter_part)(struct sql_kv_iter *it, size_t offset, size_t size);
};
struct sql_kv {
    const struct sql_kv_ops *ops;
    void *self;
};

/* The engine in this process; kvs is borrowed. */
struct sc_kvs;
struct sql_kv sql_kv_local(struct sc_kvs *kvs);

#endif
