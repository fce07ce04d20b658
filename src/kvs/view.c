#include "kvs/cursor.h"
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

uint64_t kvs_view_cover(const struct kvs_view *v, struct sc_slice key, uint64_t seq)
{
    uint64_t newest = kvs_memtable_cover(v->mem, key, seq);
    if (newest == 0 && v->imm != NULL) /* what a newer source says is newer */
        newest = kvs_memtable_cover(v->imm, key, seq);
    return newest != 0 ? newest : kvs_range_list_cover(&v->version->ranges, key, seq);
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
        const size_t at = kvs_tables_seek(level->tables, level->count, key);
        if (at < level->count && kvs_table_meta(level->tables[at])->seq_max > since)
            SC_TRY(kvs_table_get(level->tables[at], key, seq, found, value_out, diag));
    }
    return SC_OK;
}

sc_err kvs_view_get(struct kvs_view *v, struct sc_slice key, uint64_t seq, struct kvs_found *found,
                    struct sc_buf *value_out, struct sc_diag *diag)
{
    struct kvs_entry e;
    const size_t size = value_out != NULL ? value_out->size : 0;
    if (!memtable_get(v->mem, key, seq, &e) && !memtable_get(v->imm, key, seq, &e)) {
        SC_TRY(tables_get(v->version, key, seq, 0, found, value_out, diag));
        if (found->any && kvs_view_cover(v, key, seq) > found->seq) {
            found->any = false;
            if (value_out != NULL)
                value_out->size = size;
        }
        return SC_OK;
    }
    if (kvs_view_cover(v, key, seq) > e.seq) {
        found->any = false;
        return SC_OK;
    }
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
    *changed_out = true;
    if (kvs_view_cover(v, key, KVS_SEQ_MAX) > seq)
        return SC_OK;
    if (memtable_get(v->mem, key, KVS_SEQ_MAX, &e) || memtable_get(v->imm, key, KVS_SEQ_MAX, &e)) {
        *changed_out = e.seq > seq;
        return SC_OK;
    }
    SC_TRY(tables_get(v->version, key, KVS_SEQ_MAX, seq, &found, NULL, diag));
    *changed_out = found.any && found.seq > seq;
    return SC_OK;
}

/* ---- whether anything in a range is newer than seq ---- */

static bool memtable_range_changed(const struct kvs_memtable *mt, const struct sc_kvs_range *range, uint64_t seq)
{
    if (mt == NULL || kvs_memtable_seq_max(mt) <= seq)
        return false;
    for (const struct kvs_memtable_range *r = kvs_memtable_ranges(mt); r != NULL; r = r->next)
        if (r->del.seq > seq && kvs_ranges_meet(r->del.lower, r->del.upper, range->lower, range->upper))
            return true;
    for (const struct kvs_node *n = kvs_memtable_seek(mt, range->lower, KVS_SEQ_MAX); n != NULL;
         n = kvs_memtable_next(n)) {
        struct kvs_entry e;
        kvs_node_entry(n, &e);
        if (!kvs_range_has(range->lower, range->upper, e.key))
            return false;
        if (e.seq > seq)
            return true;
    }
    return false;
}

static sc_err table_range_changed(struct kvs_table *t, const struct sc_kvs_range *range, uint64_t seq,
                                  bool *changed_out, struct sc_diag *diag)
{
    struct kvs_cursor *c;
    SC_TRY(kvs_cursor_run(&t, 1, KVS_SEQ_MAX, KVS_RUN_MERGE, &c));
    sc_err err = c->ops->seek_ge(c, range->lower, diag);
    while (err == SC_OK && c->valid && !*changed_out && kvs_range_has(range->lower, range->upper, c->entry.key)) {
        *changed_out = c->entry.seq > seq;
        err = c->ops->next(c, diag);
    }
    kvs_cursor_free(c);
    return err;
}

sc_err kvs_view_range_changed_since(struct kvs_view *v, const struct sc_kvs_range *range, uint64_t seq,
                                    bool *changed_out, struct sc_diag *diag)
{
    *changed_out = memtable_range_changed(v->mem, range, seq) || memtable_range_changed(v->imm, range, seq);
    for (size_t i = 0; i < v->version->ranges.count && !*changed_out; i++) {
        const struct kvs_range_del *d = &v->version->ranges.items[i];
        *changed_out = d->seq > seq && kvs_ranges_meet(d->lower, d->upper, range->lower, range->upper);
    }
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++) {
        for (size_t i = 0; i < v->version->levels[l].count && !*changed_out; i++) {
            struct kvs_table *t = v->version->levels[l].tables[i];
            const struct kvs_table_meta *m = kvs_table_meta(t);
            if (m->seq_max > seq && sc_slice_cmp(m->largest, range->lower) >= 0 &&
                (range->upper.size == 0 || sc_slice_cmp(m->smallest, range->upper) < 0))
                SC_TRY(table_range_changed(t, range, seq, changed_out, diag));
        }
    }
    return SC_OK;
}
