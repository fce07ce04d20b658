/* The volume: opening and closing, snapshots, reading, statistics. */
#include "kvs/engine.h"

#define MEMTABLE_SIZE_DEFAULT ((size_t)8 << 20)
#define CACHE_SIZE_DEFAULT    ((size_t)32 << 20)
#define BLOCK_SIZE_DEFAULT    ((size_t)8 << 10)

sc_err kvs_key_check(struct sc_slice key)
{
    if (key.size == 0)
        return SC_E_USAGE;
    return key.size <= SC_KVS_KEY_SIZE_MAX ? SC_OK : SC_E_LIMIT;
}

sc_err kvs_poison(struct sc_kvs *kvs, sc_err err, const struct sc_diag *diag)
{
    pthread_mutex_lock(&kvs->lock);
    if (kvs->poison == SC_OK) {
        kvs->poison = err;
        sc_ignore(sc_fail(&kvs->poison_diag, err, "%s", sc_diag_text(diag, err)));
    }
    pthread_cond_broadcast(&kvs->change);
    pthread_mutex_unlock(&kvs->lock);
    return err;
}

sc_err kvs_writable(struct sc_kvs *kvs, struct sc_diag *diag)
{
    if (kvs->read_only)
        return sc_fail(diag, SC_E_USAGE, "the volume was opened read-only");
    if (kvs->poison == SC_OK)
        return SC_OK;
    return sc_fail(diag, kvs->poison, "the volume is read-only since: %s",
                   sc_diag_text(&kvs->poison_diag, kvs->poison));
}

void kvs_view_replace(struct sc_kvs *kvs, struct kvs_view *next)
{
    kvs_view_unref(kvs->view); /* readers have references of their own; freeing here touches no store */
    kvs->view = next;
    pthread_cond_signal(&kvs->work);
    pthread_cond_broadcast(&kvs->change);
}

/* ---- opening ---- */

static size_t or_default(size_t value, size_t fallback)
{
    return value != 0 ? value : fallback;
}

static sc_err key_keep(struct sc_kvs *kvs, const struct sc_key *root_key, struct sc_diag *diag)
{
    SC_TRY(sc_secmem_new(&kvs->key_memory, sizeof *kvs->io.keys, diag));
    kvs->io.keys = (struct kvs_keys *)sc_secmem_ptr(kvs->key_memory);
    *kvs->io.keys = (struct kvs_keys){0};
    memcpy(&kvs->io.keys->root, root_key, sizeof *root_key);
    return SC_OK;
}

static sc_err volume_open(struct sc_kvs *kvs, const struct sc_kvs_options *opt, struct sc_diag *diag)
{
    bool exists;
    kvs->block_size = or_default(opt->block_size, BLOCK_SIZE_DEFAULT);
    if (kvs->block_size < KVS_BLOCK_SIZE_MIN || kvs->block_size > KVS_BLOCK_SIZE_MAX)
        return sc_fail(diag, SC_E_USAGE, "block size %zu: not within [%zu, %zu]", kvs->block_size, KVS_BLOCK_SIZE_MIN,
                       KVS_BLOCK_SIZE_MAX);
    SC_TRY(key_keep(kvs, opt->root_key, diag));
    SC_TRY(kvs_cache_new(or_default(opt->block_cache_size_max, CACHE_SIZE_DEFAULT), &kvs->cache));
    SC_TRY(kvs_garbage_new(&kvs->garbage));
    SC_TRY(kvs_apply_new(&kvs->apply));
    SC_TRY(kvs_anchor_load(&kvs->anchor, &exists, diag));
    if (exists)
        SC_TRY(kvs_recover(kvs, diag));
    else if (opt->create && !opt->read_only)
        SC_TRY(kvs_create(kvs, diag));
    else
        return sc_fail(diag, SC_E_NOT_FOUND, "there is no volume in this store");
    if (opt->read_only)
        return SC_OK;
    if (pthread_create(&kvs->thread, NULL, kvs_background, kvs) != 0)
        return sc_fail(diag, SC_E_NOMEM, "background thread");
    kvs->thread_runs = true;
    return SC_OK;
}

sc_err sc_kvs_open(const struct sc_kvs_options *opt, struct sc_kvs **out, struct sc_diag *diag)
{
    struct sc_kvs *kvs = calloc(1, sizeof *kvs);
    if (kvs == NULL)
        return sc_fail(diag, SC_E_NOMEM, "volume");
    kvs->io.store = opt->store;
    kvs->counter = opt->counter;
    kvs->read_only = opt->read_only;
    kvs->memtable_size_max = or_default(opt->memtable_size_max, MEMTABLE_SIZE_DEFAULT);
    kvs->commit_size_max = or_default(opt->commit_size_max, KVS_COMMIT_SIZE_MAX);
    if (kvs->commit_size_max > KVS_COMMIT_SIZE_MAX)
        kvs->commit_size_max = KVS_COMMIT_SIZE_MAX;
    kvs->snapshots.next = kvs->snapshots.prev = &kvs->snapshots;
    kvs->committers_end = &kvs->committers;
    kvs_anchor_init(&kvs->anchor, &kvs->io, &kvs->counter);
    pthread_mutex_init(&kvs->io.keys_lock, NULL);
    pthread_mutex_init(&kvs->lock, NULL);
    pthread_cond_init(&kvs->work, NULL);
    pthread_cond_init(&kvs->change, NULL);
    const sc_err err = volume_open(kvs, opt, diag);
    if (err != SC_OK) {
        sc_kvs_close(kvs);
        return err;
    }
    *out = kvs;
    return SC_OK;
}

static void background_stop(struct sc_kvs *kvs)
{
    if (!kvs->thread_runs)
        return;
    pthread_mutex_lock(&kvs->lock);
    kvs->stop = true;
    pthread_cond_signal(&kvs->work);
    pthread_mutex_unlock(&kvs->lock);
    pthread_join(kvs->thread, NULL);
}

void sc_kvs_close(struct sc_kvs *kvs)
{
    if (kvs == NULL)
        return;
    background_stop(kvs);
    SC_ASSERT(kvs->snapshots.next == &kvs->snapshots); /* a snapshot or transaction outlives its volume */
    kvs_view_unref(kvs->view);
    if (kvs->thread_runs && kvs->poison == SC_OK)
        sc_ignore(kvs_garbage_collect(kvs->garbage, &kvs->io, NULL)); /* what stays is an orphan of the next open */
    kvs_garbage_free(kvs->garbage);
    kvs_apply_free(kvs->apply);
    kvs_cache_free(kvs->cache);
    kvs_wal_free(kvs->wal);
    kvs_anchor_deinit(&kvs->anchor);
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        sc_buf_deinit(&kvs->compact_at[l]);
    sc_secmem_free(kvs->key_memory);
    pthread_cond_destroy(&kvs->change);
    pthread_cond_destroy(&kvs->work);
    pthread_mutex_destroy(&kvs->lock);
    pthread_mutex_destroy(&kvs->io.keys_lock);
    free(kvs);
}

void sc_kvs_closep(struct sc_kvs **kvs)
{
    sc_kvs_close(*kvs);
}

/* ---- snapshots ---- */

sc_err sc_kvs_snapshot_new(struct sc_kvs *kvs, struct sc_kvs_snapshot **out)
{
    struct sc_kvs_snapshot *s = calloc(1, sizeof *s);
    if (s == NULL)
        return SC_E_NOMEM;
    s->kvs = kvs;
    pthread_mutex_lock(&kvs->lock);
    s->seq = kvs->seq_visible;
    s->next = &kvs->snapshots;
    s->prev = kvs->snapshots.prev;
    s->prev->next = s->next->prev = s;
    pthread_mutex_unlock(&kvs->lock);
    *out = s;
    return SC_OK;
}

void sc_kvs_snapshot_free(struct sc_kvs_snapshot *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->kvs->lock);
    s->prev->next = s->next;
    s->next->prev = s->prev;
    pthread_mutex_unlock(&s->kvs->lock);
    free(s);
}

/* ---- reading ---- */

sc_err sc_kvs_get(struct sc_kvs *kvs, const struct sc_kvs_snapshot *snap, struct sc_slice key, struct sc_buf *value_out,
                  struct sc_diag *diag)
{
    SC_TRY(kvs_key_check(key));
    uint64_t seq;
    struct kvs_found found;
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, &seq);
    SC_TRY(kvs_view_get(view, key, snap != NULL ? snap->seq : seq, &found, value_out, diag));
    return found.any && found.is_put ? SC_OK : SC_E_NOT_FOUND;
}

/* ---- maintenance ---- */

static uint64_t memory_of(const struct kvs_memtable *mt)
{
    return mt != NULL ? kvs_memtable_size(mt) : 0;
}

void sc_kvs_stats(struct sc_kvs *kvs, struct sc_kvs_stats *out)
{
    *out = (struct sc_kvs_stats){0};
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++) {
        out->table_count += view->version->levels[l].count;
        out->table_bytes += view->version->levels[l].size;
    }
    pthread_mutex_lock(&kvs->io.keys_lock);
    out->data_key_count = kvs->io.keys->data_count;
    pthread_mutex_unlock(&kvs->io.keys_lock);
    out->range_count = view->version->ranges.count;
    out->memtable_bytes = memory_of(view->mem) + memory_of(view->imm);
    out->cache_bytes = kvs_cache_size(kvs->cache);
    kvs_cache_counts(kvs->cache, &out->cache_hits, &out->block_reads);
    out->commit_count = atomic_load(&kvs->stats.commits);
    out->sync_count = atomic_load(&kvs->stats.syncs);
    out->flush_count = atomic_load(&kvs->stats.flushes);
    out->compaction_count = atomic_load(&kvs->stats.compactions);
    out->bytes_written = atomic_load(&kvs->stats.bytes_written);
    pthread_mutex_lock(&kvs->anchor.lock);
    out->epoch = kvs->anchor.root.epoch;
    out->counter = kvs->anchor.counted;
    out->fresh = kvs->anchor.fresh;
    memcpy(out->volume_id, kvs->io.volume.bytes, sizeof out->volume_id);
    for (size_t i = 0; i + 1 < kvs->anchor.root.log_count; i++)
        out->log_bytes += kvs->anchor.root.logs[i].end.size;
    if (kvs->wal != NULL)
        out->log_bytes += kvs_wal_end(kvs->wal).size;
    pthread_mutex_unlock(&kvs->anchor.lock);
}

sc_err sc_kvs_rotate(struct sc_kvs *kvs, const struct sc_key *root_key, struct sc_diag *diag)
{
    struct kvs_keys *keys = kvs->io.keys;
    pthread_mutex_lock(&kvs->lock);
    sc_err err = kvs_writable(kvs, diag);
    pthread_mutex_unlock(&kvs->lock);
    SC_TRY(err);
    pthread_mutex_lock(&kvs->anchor.lock);
    pthread_mutex_lock(&kvs->io.keys_lock);
    if (keys->data_count == KVS_DATA_KEYS_MAX) {
        err = sc_fail(diag, SC_E_LIMIT, "%d data keys are in use: compact the volume first", KVS_DATA_KEYS_MAX);
    } else {
        struct kvs_data_key *next = &keys->data[keys->data_count];
        next->id = next[-1].id + 1;
        sc_key_random(&next->key);
        keys->data_count++;
        if (root_key != NULL)
            keys->root = *root_key;
    }
    pthread_mutex_unlock(&kvs->io.keys_lock);
    struct kvs_root root = kvs->anchor.root;
    struct sc_diag why = {0};
    if (err == SC_OK) {
        /* a root that counts as newest must say what it stands on, or the log could be cut behind it */
        root.logs[root.log_count - 1].end.group_count = kvs_wal_synced(kvs->wal);
        err = kvs_anchor_swap_fresh(&kvs->anchor, &root, &why);
        if (err != SC_OK) { /* which record stands is unknown, and so what opens it */
            sc_ignore(kvs_poison(kvs, err, &why));
            sc_ignore(sc_fail(diag, err, "%s", sc_diag_text(&why, err)));
        }
    }
    pthread_mutex_unlock(&kvs->anchor.lock);
    return err;
}

sc_err sc_kvs_settle(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_TRY(kvs_memtable_seal(kvs, diag));
    pthread_mutex_lock(&kvs->lock);
    sc_err err;
    while ((err = kvs_writable(kvs, diag)) == SC_OK && (kvs->busy || kvs_background_has_work(kvs)))
        pthread_cond_wait(&kvs->change, &kvs->lock);
    pthread_mutex_unlock(&kvs->lock);
    return err;
}

sc_err sc_kvs_compact(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_TRY(kvs_memtable_seal(kvs, diag));
    pthread_mutex_lock(&kvs->lock);
    const uint64_t wanted = ++kvs->compact_wanted;
    pthread_cond_signal(&kvs->work);
    sc_err err;
    while ((err = kvs_writable(kvs, diag)) == SC_OK && kvs->compact_done < wanted)
        pthread_cond_wait(&kvs->change, &kvs->lock);
    pthread_mutex_unlock(&kvs->lock);
    return err;
}
