#include "kvs/keeper.h"

void kvs_keeper_deinit(struct kvs_keeper *k)
{
    free(k->snapshots);
    kvs_range_list_deinit(&k->ranges);
    sc_buf_deinit(&k->key);
}

/* The list is in order of creation, hence of seq. */
sc_err kvs_keeper_init(struct kvs_keeper *k, struct sc_kvs *kvs, const struct kvs_version *below, size_t level)
{
    *k = (struct kvs_keeper){.below = below, .level = level};
    pthread_mutex_lock(&kvs->lock);
    size_t count = 1;
    for (const struct sc_kvs_snapshot *s = kvs->snapshots.next; s != &kvs->snapshots; s = s->next)
        count++;
    k->snapshots = calloc(count, sizeof *k->snapshots);
    if (k->snapshots != NULL) {
        for (const struct sc_kvs_snapshot *s = kvs->snapshots.next; s != &kvs->snapshots; s = s->next)
            k->snapshots[k->snapshot_count++] = s->seq;
        k->snapshots[k->snapshot_count++] = kvs->seq_visible;
    }
    pthread_mutex_unlock(&kvs->lock);
    return k->snapshots != NULL ? SC_OK : SC_E_NOMEM;
}

static bool nothing_below(const struct kvs_keeper *k, struct sc_slice key)
{
    for (size_t l = k->level + 1; l < KVS_LEVEL_COUNT; l++) {
        size_t first;
        if (kvs_level_overlap(&k->below->levels[l], key, key, &first) != 0)
            return false;
    }
    return true;
}

/* Does a snapshot see seq, when the next newer version is newer_seq? */
static bool is_seen(const struct kvs_keeper *k, uint64_t seq, uint64_t newer_seq)
{
    size_t lo = 0, hi = k->snapshot_count; /* first snapshot >= seq */
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (k->snapshots[mid] < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < k->snapshot_count && k->snapshots[lo] < newer_seq;
}

/* Is there a tombstone over e, and nobody who sees e and not the tombstone? */
static bool is_covered(const struct kvs_keeper *k, const struct kvs_entry *e)
{
    if (k->ranges.count == 0)
        return false;
    const uint64_t from = kvs_range_list_hides_from(&k->ranges, e->key, e->seq);
    return from != UINT64_MAX && !is_seen(k, e->seq, from);
}

sc_err kvs_keeper_judge(struct kvs_keeper *k, const struct kvs_entry *e, bool *keep_out)
{
    const bool newest = !k->any || !sc_slice_eq(sc_buf_slice(&k->key), e->key);
    const uint64_t newer_seq = k->newer_seq;
    if (newest) {
        sc_buf_reset(&k->key);
        sc_buf_put_bytes(&k->key, e->key);
        SC_TRY(sc_buf_status(&k->key));
    }
    k->any = true;
    k->newer_seq = e->seq;
    *keep_out = newest || is_seen(k, e->seq, newer_seq);
    if (*keep_out && !e->is_put && k->below != NULL && e->seq <= k->snapshots[0] && nothing_below(k, e->key))
        *keep_out = false;
    if (*keep_out && is_covered(k, e))
        *keep_out = false;
    return SC_OK;
}
