/* Making an edit so: a new manifest, the root that names it, the view that readers take from then on; what is no longer
 * named becomes garbage when nobody reads it any more. */
#include "kvs/engine.h"

sc_err kvs_manifest_write(struct sc_kvs *kvs, const struct kvs_version *v, struct kvs_root *root, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    kvs_version_to_manifest(v, &plain);
    SC_TRY(sc_buf_status(&plain));
    atomic_fetch_add(&kvs->stats.bytes_written, plain.size);
    return kvs_io_put_sealed(&kvs->io, kvs->io.store, KVS_MAGIC_MANIFEST, KVS_MANIFEST_PURPOSE, sc_buf_slice(&plain),
                             &root->manifest, diag);
}

/* Data keys that nothing is sealed under any more leave the root record.  Caller holds anchor.lock. */
static void keys_prune(struct sc_kvs *kvs, const struct kvs_version *v, const struct kvs_root *root)
{
    struct kvs_keys *keys = kvs->io.keys;
    if (atomic_load(&kvs->copies) != 0)
        return;
    pthread_mutex_lock(&kvs->io.keys_lock);
    uint32_t stay = 0;
    for (uint32_t i = 0; i < keys->data_count; i++) {
        const uint32_t id = keys->data[i].id;
        bool used = i + 1 == keys->data_count || root->manifest.key_id == id;
        for (size_t k = 0; k < root->log_count && !used; k++)
            used = root->logs[k].key_id == id;
        for (size_t l = 0; l < KVS_LEVEL_COUNT && !used; l++)
            for (size_t k = 0; k < v->levels[l].count && !used; k++)
                used = kvs_table_meta(v->levels[l].tables[k])->key_id == id;
        if (used)
            keys->data[stay++] = keys->data[i];
    }
    for (uint32_t i = stay; i < keys->data_count; i++)
        sc_key_wipe(&keys->data[i].key);
    keys->data_count = stay;
    pthread_mutex_unlock(&kvs->io.keys_lock);
}

/* The root with the new manifest; of the logs only the live one stays when a memtable was flushed. */
static sc_err root_install(struct sc_kvs *kvs, const struct kvs_version *v, const struct kvs_sealed_ref *manifest,
                           bool flushed, struct sc_diag *diag)
{
    pthread_mutex_lock(&kvs->anchor.lock);
    const struct kvs_root old = kvs->anchor.root;
    struct kvs_root next = old;
    next.manifest = *manifest;
    if (flushed) {
        next.logs[0] = old.logs[old.log_count - 1];
        next.log_count = 1;
    }
    next.logs[next.log_count - 1].end.group_count = kvs_wal_synced(kvs->wal);
    keys_prune(kvs, v, &next);
    const sc_err err = kvs_anchor_swap_fresh(&kvs->anchor, &next, diag);
    pthread_mutex_unlock(&kvs->anchor.lock);
    SC_TRY(err);
    kvs_garbage_add(kvs->garbage, &old.manifest.id);
    for (size_t i = 0; flushed && i + 1 < old.log_count; i++)
        kvs_garbage_add(kvs->garbage, &old.logs[i].id);
    return SC_OK;
}

static bool is_added(const struct kvs_edit *edit, const struct kvs_table *t)
{
    for (size_t i = 0; i < edit->add_count; i++)
        if (edit->add[i] == t)
            return true;
    return false;
}

sc_err kvs_install(struct sc_kvs *kvs, const struct kvs_edit *edit, bool flushed, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *now = kvs_view_now(kvs, NULL);
    SC_CLEANUP(kvs_version_unrefp) struct kvs_version *version = NULL;
    struct kvs_root root = {0};
    struct kvs_view *next = NULL;
    SC_TRY(kvs_version_apply(now->version, edit, &version));
    SC_TRY(kvs_manifest_write(kvs, version, &root, diag));
    SC_TRY(root_install(kvs, version, &root.manifest, flushed, diag));
    kvs->seq_flushed = edit->seq_flushed;
    pthread_mutex_lock(&kvs->lock); /* the memtables may have changed meanwhile: take the present ones */
    const sc_err err = kvs_view_new(kvs->view->mem, flushed ? NULL : kvs->view->imm, version, &next);
    if (err == SC_OK)
        kvs_view_replace(kvs, next);
    pthread_mutex_unlock(&kvs->lock);
    SC_TRY(err);
    for (size_t i = 0; i < edit->remove_count; i++)
        if (!is_added(edit, edit->remove[i]))
            kvs_table_obsolete(edit->remove[i]);
    return SC_OK;
}
