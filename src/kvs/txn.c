/* Transactions: an overlay of own writes, kept as versions by order of writing, over one snapshot. */
#include "kvs/engine.h"

struct sc_kvs_txn {
    struct sc_kvs *kvs;
    struct sc_kvs_snapshot *snap;
    struct kvs_memtable *writes;   /* seq = 1 + index in nodes */
    const struct kvs_node **nodes; /* NULL for a range deletion */
    size_t count, capacity;
    size_t size; /* bytes written, rolled back ones included: their memory stays */
    bool tracks_reads;
    struct kvs_reads reads;
};

void sc_kvs_txn_abort(struct sc_kvs_txn *txn)
{
    if (txn == NULL)
        return;
    sc_kvs_snapshot_free(txn->snap);
    kvs_memtable_unref(txn->writes);
    kvs_reads_deinit(&txn->reads);
    free(txn->nodes);
    free(txn);
}

static void txn_abortp(struct sc_kvs_txn **txn)
{
    sc_kvs_txn_abort(*txn);
}

sc_err sc_kvs_txn_begin(struct sc_kvs *kvs, struct sc_kvs_txn **out)
{
    SC_CLEANUP(txn_abortp) struct sc_kvs_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL)
        return SC_E_NOMEM;
    txn->kvs = kvs;
    SC_TRY(kvs_memtable_new(&txn->writes));
    SC_TRY(sc_kvs_snapshot_new(kvs, &txn->snap));
    *out = SC_TAKE(txn);
    return SC_OK;
}

void sc_kvs_txn_track_reads(struct sc_kvs_txn *txn)
{
    txn->tracks_reads = true;
}

static sc_err txn_write(struct sc_kvs_txn *txn, const struct kvs_entry *e)
{
    if (!e->is_range)
        SC_TRY(kvs_key_check(e->key));
    const size_t size = e->key.size + e->value.size + KVS_WAL_RECORD_OVERHEAD;
    if (e->value.size > SC_KVS_VALUE_SIZE_MAX || size > txn->kvs->commit_size_max ||
        txn->size > txn->kvs->commit_size_max - size)
        return SC_E_LIMIT;
    if (txn->count == txn->capacity) {
        const size_t capacity = txn->capacity != 0 ? txn->capacity * 2 : 16;
        const struct kvs_node **nodes = realloc(txn->nodes, capacity * sizeof *nodes);
        if (nodes == NULL)
            return SC_E_NOMEM;
        txn->nodes = nodes;
        txn->capacity = capacity;
    }
    struct kvs_entry mine = *e;
    mine.seq = txn->count + 1;
    if (e->is_range) {
        const struct kvs_range_del d = {.lower = e->key, .upper = e->value, .seq = mine.seq};
        SC_TRY(kvs_memtable_add_range(txn->writes, &d));
        txn->nodes[txn->count] = NULL;
    } else {
        SC_TRY(kvs_memtable_add(txn->writes, &mine, NULL, &txn->nodes[txn->count]));
    }
    txn->count++;
    txn->size += size;
    return SC_OK;
}

sc_err sc_kvs_txn_put(struct sc_kvs_txn *txn, struct sc_slice key, struct sc_slice value)
{
    return txn_write(txn, &(struct kvs_entry){.key = key, .value = value, .is_put = true});
}

sc_err sc_kvs_txn_delete(struct sc_kvs_txn *txn, struct sc_slice key)
{
    return txn_write(txn, &(struct kvs_entry){.key = key, .value = SC_SLICE_EMPTY});
}

sc_err sc_kvs_txn_delete_range(struct sc_kvs_txn *txn, const struct sc_kvs_range *range)
{
    if (range->upper.size != 0 && sc_slice_cmp(range->lower, range->upper) >= 0)
        return SC_OK; /* empty */
    if (range->lower.size > SC_KVS_KEY_SIZE_MAX || range->upper.size > SC_KVS_KEY_SIZE_MAX)
        return SC_E_LIMIT;
    return txn_write(txn, &(struct kvs_entry){.key = range->lower, .value = range->upper, .is_range = true});
}

sc_err sc_kvs_txn_get(struct sc_kvs_txn *txn, struct sc_slice key, struct sc_buf *value_out, struct sc_diag *diag)
{
    SC_TRY(kvs_key_check(key));
    const struct kvs_node *n = kvs_memtable_seek(txn->writes, key, KVS_SEQ_MAX);
    struct kvs_entry e;
    if (n != NULL)
        kvs_node_entry(n, &e);
    const bool own = n != NULL && sc_slice_eq(e.key, key);
    const uint64_t cover = kvs_memtable_cover(txn->writes, key, KVS_SEQ_MAX);
    if (!own && cover == 0) {
        if (txn->tracks_reads)
            kvs_reads_add_key(&txn->reads, key);
        return sc_kvs_get(txn->kvs, txn->snap, key, value_out, diag);
    }
    if (!own || !e.is_put || cover > e.seq)
        return SC_E_NOT_FOUND;
    if (value_out == NULL)
        return SC_OK;
    sc_buf_put_bytes(value_out, e.value);
    return sc_buf_status(value_out);
}

sc_err sc_kvs_txn_iter(struct sc_kvs_txn *txn, const struct sc_kvs_range *range, struct sc_kvs_iter **out,
                       struct sc_diag *diag)
{
    (void)diag;
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(txn->kvs, NULL);
    return kvs_iter_make(txn->snap->seq, view, txn->writes, txn->tracks_reads ? &txn->reads : NULL, range, out);
}

size_t sc_kvs_txn_mark(const struct sc_kvs_txn *txn)
{
    return txn->count;
}

void sc_kvs_txn_rollback_to(struct sc_kvs_txn *txn, size_t mark)
{
    SC_ASSERT(mark <= txn->count);
    while (txn->count > mark)
        if (txn->nodes[--txn->count] != NULL)
            kvs_memtable_remove(txn->writes, txn->nodes[txn->count]);
    kvs_memtable_remove_ranges(txn->writes, mark);
}

/* The range deletions, then the last write of every key that was made behind those that cover it, in key order. */
static sc_err batch_fill(const struct kvs_memtable *writes, struct sc_kvs_batch *b)
{
    struct sc_slice last = SC_SLICE_EMPTY;
    for (const struct kvs_memtable_range *r = kvs_memtable_ranges(writes); r != NULL; r = r->next) {
        kvs_wal_record_put(&b->records,
                           &(struct kvs_entry){.key = r->del.lower, .value = r->del.upper, .is_range = true});
        b->count++;
    }
    for (const struct kvs_node *n = kvs_memtable_first(writes); n != NULL; n = kvs_memtable_next(n)) {
        struct kvs_entry e;
        kvs_node_entry(n, &e);
        if (sc_slice_eq(e.key, last)) /* an older write of the same key; no key is empty */
            continue;
        last = e.key;
        if (kvs_memtable_cover(writes, e.key, KVS_SEQ_MAX) > e.seq)
            continue;
        kvs_wal_record_put(&b->records, &e);
        b->count++;
    }
    return sc_buf_status(&b->records);
}

sc_err sc_kvs_txn_commit(struct sc_kvs_txn *txn, bool sync, struct sc_diag *diag)
{
    SC_CLEANUP(txn_abortp) struct sc_kvs_txn *mine = txn;
    SC_CLEANUP(kvs_batch_deinit) struct sc_kvs_batch batch;
    kvs_batch_init(&batch);
    SC_TRY(kvs_reads_status(&mine->reads));
    SC_TRY(batch_fill(mine->writes, &batch));
    if (batch.count == 0 && !sync)
        return SC_OK;
    const struct kvs_claims claims = {
        .writes = mine->writes, .reads = mine->tracks_reads ? &mine->reads : NULL, .snapshot_seq = mine->snap->seq};
    const struct kvs_write_set set = {.batch = &batch, .claims = &claims};
    return kvs_commit(mine->kvs, &set, sync, diag);
}
