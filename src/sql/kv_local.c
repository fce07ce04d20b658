/* The seam's side towards the engine in the same process: its handles under our names. */
#include "kvs/kvs.h"
#include "sql/kv.h"

_Static_assert(SQL_KV_KEY_SIZE_MAX == SC_KVS_KEY_SIZE_MAX, "limits of the engine");
_Static_assert(SQL_KV_VALUE_SIZE_MAX == SC_KVS_VALUE_SIZE_MAX, "limits of the engine");

static struct sc_kvs_range range_of(const struct sql_kv_range *r)
{
    return (struct sc_kvs_range){r->lower, r->upper};
}

static sc_err snapshot_new(void *self, struct sql_kv_snapshot **out)
{
    return sc_kvs_snapshot_new(self, (struct sc_kvs_snapshot **)out);
}

static void snapshot_free(struct sql_kv_snapshot *snap)
{
    sc_kvs_snapshot_free((struct sc_kvs_snapshot *)snap);
}

static sc_err get(void *self, const struct sql_kv_snapshot *snap, struct sc_slice key, struct sc_buf *value_out,
                  struct sc_diag *diag)
{
    return sc_kvs_get(self, (const struct sc_kvs_snapshot *)snap, key, value_out, diag);
}

static sc_err iter_new(void *self, const struct sql_kv_snapshot *snap, const struct sql_kv_range *range,
                       struct sql_kv_iter **out, struct sc_diag *diag)
{
    const struct sc_kvs_range r = range_of(range);
    return sc_kvs_iter_new(self, (const struct sc_kvs_snapshot *)snap, &r, (struct sc_kvs_iter **)out, diag);
}

static sc_err clear(void *self, const struct sql_kv_range *ranges, size_t range_count, struct sc_slice key,
                    struct sc_diag *diag)
{
    SC_CLEANUP(sc_kvs_batch_freep) struct sc_kvs_batch *batch = NULL;
    SC_TRY(sc_kvs_batch_new(&batch));
    for (size_t i = 0; i < range_count; i++) {
        const struct sc_kvs_range r = range_of(&ranges[i]);
        SC_TRY(sc_kvs_batch_delete_range(batch, &r));
    }
    SC_TRY(sc_kvs_batch_delete(batch, key));
    return sc_kvs_write(self, batch, true, diag);
}

static sc_err txn_begin(void *self, struct sql_kv_txn **out)
{
    return sc_kvs_txn_begin(self, (struct sc_kvs_txn **)out);
}

static sc_err txn_track_reads(struct sql_kv_txn *txn)
{
    sc_kvs_txn_track_reads((struct sc_kvs_txn *)txn);
    return SC_OK;
}

static sc_err txn_put(struct sql_kv_txn *txn, struct sc_slice key, struct sc_slice value)
{
    return sc_kvs_txn_put((struct sc_kvs_txn *)txn, key, value);
}

static sc_err txn_delete(struct sql_kv_txn *txn, struct sc_slice key)
{
    return sc_kvs_txn_delete((struct sc_kvs_txn *)txn, key);
}

static sc_err txn_get(struct sql_kv_txn *txn, struct sc_slice key, struct sc_buf *value_out, struct sc_diag *diag)
{
    return sc_kvs_txn_get((struct sc_kvs_txn *)txn, key, value_out, diag);
}

static sc_err txn_iter(struct sql_kv_txn *txn, const struct sql_kv_range *range, struct sql_kv_iter **out,
                       struct sc_diag *diag)
{
    const struct sc_kvs_range r = range_of(range);
    return sc_kvs_txn_iter((struct sc_kvs_txn *)txn, &r, (struct sc_kvs_iter **)out, diag);
}

static size_t txn_mark(const struct sql_kv_txn *txn)
{
    return sc_kvs_txn_mark((const struct sc_kvs_txn *)txn);
}

static void txn_rollback_to(struct sql_kv_txn *txn, size_t mark)
{
    sc_kvs_txn_rollback_to((struct sc_kvs_txn *)txn, mark);
}

static sc_err txn_commit(struct sql_kv_txn *txn, bool sync, struct sc_diag *diag)
{
    return sc_kvs_txn_commit((struct sc_kvs_txn *)txn, sync, diag);
}

static void txn_abort(struct sql_kv_txn *txn)
{
    sc_kvs_txn_abort((struct sc_kvs_txn *)txn);
}

static void iter_free(struct sql_kv_iter *it)
{
    sc_kvs_iter_free((struct sc_kvs_iter *)it);
}

static sc_err iter_move(struct sql_kv_iter *iter, enum sql_kv_move move, struct sc_slice key, bool *valid_out,
                        struct sc_diag *diag)
{
    struct sc_kvs_iter *it = (struct sc_kvs_iter *)iter;
    switch (move) {
    case SQL_KV_NEXT:
        return sc_kvs_iter_next(it, valid_out, diag);
    case SQL_KV_PREV:
        return sc_kvs_iter_prev(it, valid_out, diag);
    case SQL_KV_SEEK:
        return sc_kvs_iter_seek(it, key, valid_out, diag);
    default:
        return sc_kvs_iter_seek_back(it, key, valid_out, diag);
    }
}

static struct sc_slice iter_key(const struct sql_kv_iter *it)
{
    return sc_kvs_iter_key((const struct sc_kvs_iter *)it);
}

static struct sc_slice iter_value(struct sql_kv_iter *it)
{
    return sc_kvs_iter_value((struct sc_kvs_iter *)it);
}

static size_t iter_value_size(struct sql_kv_iter *it)
{
    return sc_kvs_iter_value_size((struct sc_kvs_iter *)it);
}

static struct sc_slice iter_part(struct sql_kv_iter *it, size_t offset, size_t size)
{
    return sc_kvs_iter_value_part((struct sc_kvs_iter *)it, offset, size);
}

struct sql_kv sql_kv_local(struct sc_kvs *kvs)
{
    static const struct sql_kv_ops ops = {
        .snapshot_new = snapshot_new,
        .snapshot_free = snapshot_free,
        .get = get,
        .iter_new = iter_new,
        .clear = clear,
        .txn_begin = txn_begin,
        .txn_track_reads = txn_track_reads,
        .txn_put = txn_put,
        .txn_delete = txn_delete,
        .txn_get = txn_get,
        .txn_iter = txn_iter,
        .txn_mark = txn_mark,
        .txn_rollback_to = txn_rollback_to,
        .txn_commit = txn_commit,
        .txn_abort = txn_abort,
        .iter_free = iter_free,
        .iter_move = iter_move,
        .iter_key = iter_key,
        .iter_value = iter_value,
        .iter_value_size = iter_value_size,
        .iter_part = iter_part,
    };
    return (struct sql_kv){&ops, kvs};
}
