/* The background thread: flushes full memtables, merges what needs merging, removes garbage. */
#include "kvs/engine.h"

#define RANGES_MAX 64 /* tombstones that wait for a merge; with more, everything is merged */

/* Tombstones that a full merge would make superfluous: those that every snapshot sees.  Caller holds kvs->lock. */
static bool has_many_ranges(const struct sc_kvs *kvs)
{
    const struct kvs_range_list *ranges = &kvs->view->version->ranges;
    const struct sc_kvs_snapshot *oldest = kvs->snapshots.next;
    const uint64_t seq = oldest != &kvs->snapshots ? oldest->seq : kvs->seq_visible;
    size_t count = 0;
    for (size_t i = 0; i < ranges->count; i++)
        count += ranges->items[i].seq <= seq;
    return count > RANGES_MAX;
}

bool kvs_background_has_work(const struct sc_kvs *kvs)
{
    if (kvs->poison != SC_OK)
        return false;
    return kvs->view->imm != NULL || kvs->compact_wanted != kvs->compact_done ||
           kvs_compaction_needed(kvs, kvs->view->version) || has_many_ranges(kvs);
}

static sc_err work_once(struct sc_kvs *kvs, uint64_t compact_wanted, struct sc_diag *diag)
{
    SC_TRY(kvs_flush_if_pending(kvs, diag));
    pthread_mutex_lock(&kvs->lock);
    const bool many_ranges = has_many_ranges(kvs);
    pthread_mutex_unlock(&kvs->lock);
    if (many_ranges || compact_wanted != kvs->compact_done) /* only we change compact_done */
        SC_TRY(kvs_compact_all(kvs, diag));
    else
        SC_TRY(kvs_compact_step(kvs, diag));
    sc_ignore(kvs_garbage_collect(kvs->garbage, &kvs->io, NULL)); /* what stays is an orphan of the next open */
    return SC_OK;
}

void *kvs_background(void *arg)
{
    struct sc_kvs *kvs = arg;
    pthread_mutex_lock(&kvs->lock);
    while (!kvs->stop) {
        if (!kvs_background_has_work(kvs)) {
            pthread_cond_wait(&kvs->work, &kvs->lock);
            continue;
        }
        const uint64_t wanted = kvs->compact_wanted;
        struct sc_diag diag = {0};
        kvs->busy = true;
        pthread_mutex_unlock(&kvs->lock);
        const sc_err err = work_once(kvs, wanted, &diag);
        if (err != SC_OK && err != SC_E_AGAIN)
            sc_ignore(kvs_poison(kvs, err, &diag));
        pthread_mutex_lock(&kvs->lock);
        kvs->busy = false;
        if (err == SC_OK)
            kvs->compact_done = wanted;
        pthread_cond_broadcast(&kvs->change);
    }
    pthread_mutex_unlock(&kvs->lock);
    return NULL;
}
