#include "kvs/engine.h"

sc_err kvs_view_new(struct kvs_memtable *mem, struct kvs_memtable *imm, struct kvs_version *version,
                    struct kvs_view **out)
{
    struct kvs_view *v = calloc(1, sizeof *v);
    if (v == NULL)
        return SC_E_NOMEM;
    atomic_init(&v->refs, 1);
    v->mem = kvs_memtable_ref(mem);
    v->imm = imm != NULL ? kvs_memtable_ref(imm) : NULL;
    v->version = kvs_version_ref(version);
    *out = v;
    return SC_OK;
}

void kvs_view_unref(struct kvs_view *v)
{
    if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    kvs_memtable_unref(v->mem);
    kvs_memtable_unref(v->imm);
    kvs_version_unref(v->version);
    free(v);
}

void kvs_view_unrefp(struct kvs_view **v)
{
    kvs_view_unref(*v);
}

struct kvs_view *kvs_view_now(struct sc_kvs *kvs, uint64_t *seq_out)
{
    pthread_mutex_lock(&kvs->lock);
    struct kvs_view *v = kvs->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    if (seq_out != NULL)
        *seq_out = kvs->seq_visible;
    pthread_mutex_unlock(&kvs->lock);
    return v;
}

static bool memtable_get(const struct kvs_memtable *mt, struct sc_slice key, uint64_t seq, struct kvs_entry *out)
{
    const struct kvs_node *n = mt != NULL && kvs_memtable_count(mt) != 0 ? kvs_memtable_seek(mt, key, seq) : NULL;
    if (n == NULL)
        return false;
    kvs_node_entry(n, out);
    return sc_slice_eq(out->key, key);
}

/* Newer than `since` is all that matters: tables that end before are not asked. */
static sc_err tables_get(const struct kvs_version *v, struct sc_slice key, uint64_t seq, uint64_t since,
                         struct kvs_found *found, struct sc_buf *value_out, struct sc_diag *diag)
{
    found->any = false;
    for (size_t i = v->levels[0].count; i-- > 0 && !found->any;) {
        struct kvs_table *t = v->levels[0].tables[i];
        if (kvs_table_meta(t)->seq_max > since)
            SC_TRY(kvs_table_get(t, key, seq, found, value_out, diag));
    }
    for (size_t l = 1; l < KVS_LEVEL_COUNT && !found->any; l++) {
        const struct kvs_level *level = &v->levels[l];
        const size_t at = kvs_level_seek(level, key);
        if (at < level->count && kvs_table_meta(level->tables[at])->seq_max > since)
            SC_TRY(kvs_table_get(level->tables[at], key, seq, found, value_out, diag));
    }
    return SC_OK;
}

sc_err kvs_view_get(struct kvs_view *v, struct sc_slice key, uint64_t seq, struct kvs_found *found,
                    struct sc_buf *value_out, struct sc_diag *diag)
{
    struct kvs_entry e;
    if (!memtable_get(v->mem, key, seq, &e) && !memtable_get(v->imm, key, seq, &e))
        return tables_get(v->version, key, seq, 0, found, value_out, diag);
    *found = (struct kvs_found){.any = true, .is_put = e.is_put, .seq = e.seq};
    if (value_out == NULL || !e.is_put)
        return SC_OK;
    sc_buf_put_bytes(value_out, e.value);
    return sc_buf_status(value_out);
}

sc_err kvs_view_changed_since(struct kvs_view *v, struct sc_slice key, uint64_t seq, bool *changed_out,
                              struct sc_diag *diag)
{
    struct kvs_entry e;
    struct kvs_found found;
    if (memtable_get(v->mem, key, KVS_SEQ_MAX, &e) || memtable_get(v->imm, key, KVS_SEQ_MAX, &e)) {
        *changed_out = e.seq > seq;
        return SC_OK;
    }
    SC_TRY(tables_get(v->version, key, KVS_SEQ_MAX, seq, &found, NULL, diag));
    *changed_out = found.any && found.seq > seq;
    return SC_OK;
}
