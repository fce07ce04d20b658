/* Verification: every byte reachable from the root, read from the store past all caches. */
#include "kvs/engine.h"

#include <inttypes.h>

struct progress {
    void (*report)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    uint64_t done, total;
};

static void progress_add(struct progress *p, uint64_t bytes)
{
    p->done += bytes;
    if (p->report != NULL)
        p->report(p->arg, p->done, p->total);
}

static sc_err group_check(void *arg, struct sc_slice body, struct sc_diag *diag)
{
    struct kvs_wal_group g;
    (void)arg;
    return sc_context(diag, kvs_wal_group_parse(body, &g, NULL, NULL), "log group");
}

/* Behind the end there may be zeros; of a live log nobody has promised what else. */
static sc_err log_verify(struct sc_kvs *kvs, const struct kvs_root_log *log, const struct kvs_wal_end *end, bool live,
                         struct sc_diag *diag)
{
    const struct kvs_id *id = &log->id;
    struct kvs_wal_found found;
    SC_TRY(
        kvs_wal_read(&kvs->io, id, log->key_id, live ? end->group_count : UINT64_MAX, group_check, NULL, &found, diag));
    const uint64_t size = found.object_size > end->size ? found.object_size : end->size;
    if (found.end.group_count != end->group_count || found.end.size != end->size ||
        !sc_ct_equal(found.end.tag, end->tag, SC_TAG_SIZE) ||
        (!live && found.tail != KVS_WAL_TAIL_CLEAN && found.tail != KVS_WAL_TAIL_ZEROS))
        return kvs_io_not_ours(diag, id, found.end.size, size - found.end.size, "not authentic, or missing");
    return SC_OK;
}

/* Caller holds anchor.lock: the root and the logs stand still. */
static sc_err root_and_logs_verify(struct sc_kvs *kvs, struct progress *p, struct sc_diag *diag)
{
    const struct kvs_root *root = &kvs->anchor.root;
    SC_TRY(kvs_anchor_fence(&kvs->anchor, diag));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    SC_TRY(kvs_io_get_sealed(&kvs->io, KVS_MAGIC_MANIFEST, KVS_MANIFEST_PURPOSE, &root->manifest, &plain, diag));
    progress_add(p, plain.size);
    for (size_t i = 0; i < root->log_count; i++) {
        const struct kvs_root_log *log = &root->logs[i];
        const bool live = i + 1 == root->log_count;
        if (live && kvs->wal == NULL) /* read-only: another process may be writing it; opening has judged it */
            break;
        if (live)
            SC_TRY(kvs_wal_sync(kvs->wal, diag)); /* what is not synced is not in the store */
        const struct kvs_wal_end end = live ? kvs_wal_end(kvs->wal) : log->end;
        SC_TRY(log_verify(kvs, log, &end, live, diag));
        progress_add(p, end.size);
    }
    return SC_OK;
}

sc_err sc_kvs_verify(struct sc_kvs *kvs, void (*report)(void *arg, uint64_t done, uint64_t total), void *arg,
                     struct sc_diag *diag)
{
    struct sc_kvs_stats stats;
    sc_kvs_stats(kvs, &stats);
    struct progress p = {.report = report, .arg = arg, .total = stats.table_bytes + stats.log_bytes};
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    pthread_mutex_lock(&kvs->anchor.lock);
    const sc_err err = root_and_logs_verify(kvs, &p, diag);
    pthread_mutex_unlock(&kvs->anchor.lock);
    SC_TRY(err);
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++) {
        for (size_t i = 0; i < view->version->levels[l].count; i++) {
            struct kvs_table *t = view->version->levels[l].tables[i];
            SC_TRY(kvs_table_verify(t, diag));
            progress_add(&p, kvs_table_meta(t)->size);
        }
    }
    return SC_OK;
}
