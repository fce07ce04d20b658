#include "kvs/batch.h"

#include "kvs/engine.h"

void kvs_batch_init(struct sc_kvs_batch *b)
{
    *b = (struct sc_kvs_batch){.records = {.size_max = KVS_COMMIT_SIZE_MAX + KVS_WAL_RECORD_OVERHEAD}};
}

void kvs_batch_deinit(struct sc_kvs_batch *b)
{
    sc_buf_deinit(&b->records);
}

sc_err sc_kvs_batch_new(struct sc_kvs_batch **out)
{
    struct sc_kvs_batch *b = malloc(sizeof *b);
    if (b == NULL)
        return SC_E_NOMEM;
    kvs_batch_init(b);
    *out = b;
    return SC_OK;
}

void sc_kvs_batch_free(struct sc_kvs_batch *b)
{
    if (b == NULL)
        return;
    kvs_batch_deinit(b);
    free(b);
}

void sc_kvs_batch_freep(struct sc_kvs_batch **b)
{
    sc_kvs_batch_free(*b);
}

void sc_kvs_batch_reset(struct sc_kvs_batch *b)
{
    sc_buf_reset(&b->records);
    b->count = 0;
    b->failed = SC_OK;
}

static sc_err batch_add(struct sc_kvs_batch *b, const struct kvs_entry *e)
{
    sc_err err = e->is_range ? SC_OK : kvs_key_check(e->key);
    if (err == SC_OK && e->value.size > SC_KVS_VALUE_SIZE_MAX)
        err = SC_E_LIMIT;
    if (err == SC_OK) {
        kvs_wal_record_put(&b->records, e);
        err = sc_buf_status(&b->records);
    }
    if (err == SC_OK)
        b->count++;
    else if (b->failed == SC_OK)
        b->failed = err;
    return err;
}

sc_err sc_kvs_batch_put(struct sc_kvs_batch *b, struct sc_slice key, struct sc_slice value)
{
    return batch_add(b, &(struct kvs_entry){.key = key, .value = value, .is_put = true});
}

sc_err sc_kvs_batch_delete(struct sc_kvs_batch *b, struct sc_slice key)
{
    return batch_add(b, &(struct kvs_entry){.key = key, .value = SC_SLICE_EMPTY});
}

sc_err sc_kvs_batch_delete_range(struct sc_kvs_batch *b, const struct sc_kvs_range *range)
{
    if (range->upper.size != 0 && sc_slice_cmp(range->lower, range->upper) >= 0)
        return SC_OK; /* empty */
    if (range->lower.size > SC_KVS_KEY_SIZE_MAX || range->upper.size > SC_KVS_KEY_SIZE_MAX)
        return b->failed = SC_E_LIMIT;
    return batch_add(b, &(struct kvs_entry){.key = range->lower, .value = range->upper, .is_range = true});
}

sc_err sc_kvs_write(struct sc_kvs *kvs, const struct sc_kvs_batch *b, bool sync, struct sc_diag *diag)
{
    if (b->failed != SC_OK)
        return sc_fail(diag, b->failed, "the batch holds a write that was refused");
    if (b->records.size > kvs->commit_size_max)
        return sc_fail(diag, SC_E_LIMIT, "a batch of %zu bytes; at most %zu", b->records.size, kvs->commit_size_max);
    const struct kvs_write_set set = {.batch = b};
    if (b->count == 0 && !sync)
        return SC_OK;
    return kvs_commit(kvs, &set, sync, diag);
}
