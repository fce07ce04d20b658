#include "kvs/anchor.h"

#include <inttypes.h>

void kvs_anchor_init(struct kvs_anchor *a, struct kvs_io *io, const struct sc_kvs_counter *counter)
{
    *a = (struct kvs_anchor){.io = io, .counter = counter};
    pthread_mutex_init(&a->lock, NULL);
}

void kvs_anchor_deinit(struct kvs_anchor *a)
{
    pthread_mutex_destroy(&a->lock);
    sc_buf_deinit(&a->record);
}

sc_err kvs_anchor_load(struct kvs_anchor *a, bool *exists_out, struct sc_diag *diag)
{
    uint8_t record[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 0;
    a->counted = 0;
    if (a->counter->read != NULL)
        SC_TRY(a->counter->read(a->counter->self, &a->counted, diag));
    const sc_err err = a->io->store->ops->root_get(a->io->store, record, &size, diag);
    if (err == SC_E_MALFORMED)
        return sc_context(diag, SC_E_AUTH, "root record");
    SC_TRY(err);
    if (size == 0 && a->counted != 0)
        return sc_fail(diag, SC_E_AUTH, "root record: missing, though the counter stands at %" PRIu64, a->counted);
    *exists_out = size != 0;
    if (size == 0)
        return SC_OK;
    SC_TRY(kvs_root_open(a->io, sc_slice_of(record, size), &a->root, diag));
    sc_buf_reset(&a->record);
    sc_buf_put_bytes(&a->record, sc_slice_of(record, size));
    a->fresh = a->root.fresh;
    return sc_buf_status(&a->record);
}

sc_err kvs_anchor_swap(struct kvs_anchor *a, struct kvs_root *next, struct sc_diag *diag)
{
    next->generation = a->root.generation + 1;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    SC_TRY(kvs_root_seal(a->io, next, &record));
    SC_TRY(a->io->store->ops->root_cas(a->io->store, sc_buf_slice(&a->record), sc_buf_slice(&record), diag));
    sc_buf_deinit(&a->record);
    a->record = record;
    record = (struct sc_buf){0};
    a->root = *next;
    return SC_OK;
}

sc_err kvs_anchor_swap_fresh(struct kvs_anchor *a, struct kvs_root *next, struct sc_diag *diag)
{
    next->fresh = ++a->fresh;
    SC_TRY(kvs_anchor_swap(a, next, diag));
    return kvs_anchor_count(a, next->fresh, diag);
}

sc_err kvs_anchor_fence(struct kvs_anchor *a, struct sc_diag *diag)
{
    uint8_t record[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 0;
    SC_TRY(a->io->store->ops->root_get(a->io->store, record, &size, diag));
    if (!sc_slice_eq(sc_slice_of(record, size), sc_buf_slice(&a->record)))
        return sc_fail(diag, SC_E_CONFLICT, "the volume was taken over by another writer");
    return SC_OK;
}

sc_err kvs_anchor_count(struct kvs_anchor *a, uint64_t fresh, struct sc_diag *diag)
{
    SC_ASSERT(fresh > a->counted || a->counter->read == NULL);
    if (a->counter->read != NULL)
        SC_TRY(a->counter->advance(a->counter->self, a->counted, fresh, diag));
    a->counted = fresh;
    return SC_OK;
}
