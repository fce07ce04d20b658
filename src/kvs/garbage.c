#include "kvs/garbage.h"

#include <pthread.h>

struct kvs_garbage {
    pthread_mutex_t lock; /* guards ids */
    struct sc_buf ids;    /* 16 bytes each */
};

sc_err kvs_garbage_new(struct kvs_garbage **out)
{
    struct kvs_garbage *g = calloc(1, sizeof *g);
    if (g == NULL)
        return SC_E_NOMEM;
    pthread_mutex_init(&g->lock, NULL);
    *out = g;
    return SC_OK;
}

void kvs_garbage_free(struct kvs_garbage *g)
{
    if (g == NULL)
        return;
    pthread_mutex_destroy(&g->lock);
    sc_buf_deinit(&g->ids);
    free(g);
}

void kvs_garbage_add(struct kvs_garbage *g, const struct kvs_id *id)
{
    pthread_mutex_lock(&g->lock);
    sc_buf_put_bytes(&g->ids, sc_slice_of(id->bytes, sizeof id->bytes));
    g->ids.failed = SC_OK;
    pthread_mutex_unlock(&g->lock);
}

sc_err kvs_garbage_collect(struct kvs_garbage *g, const struct kvs_io *io, struct sc_diag *diag)
{
    pthread_mutex_lock(&g->lock);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf ids = g->ids;
    g->ids = (struct sc_buf){0};
    pthread_mutex_unlock(&g->lock);
    for (size_t at = 0; at + sizeof(struct kvs_id) <= ids.size; at += sizeof(struct kvs_id)) {
        char name[KVS_NAME_SIZE];
        struct kvs_id id;
        memcpy(id.bytes, ids.ptr + at, sizeof id.bytes);
        SC_TRY(io->store->ops->remove(io->store, kvs_id_name(&id, name), diag));
    }
    return SC_OK;
}
