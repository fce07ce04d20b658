#include "kvs/version.h"

struct kvs_version *kvs_version_ref(struct kvs_version *v)
{
    __atomic_fetch_add(&v->refs, 1, __ATOMIC_RELAXED);
    return v;
}

void kvs_version_unref(struct kvs_version *v)
{
    if (v == NULL || __atomic_fetch_sub(&v->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++) {
        for (size_t i = 0; i < v->levels[l].count; i++)
            kvs_table_unref(v->levels[l].tables[i]);
        free(v->levels[l].tables);
    }
    kvs_range_list_deinit(&v->ranges);
    free(v);
}

void kvs_version_unrefp(struct kvs_version **v)
{
    kvs_version_unref(*v);
}

static sc_err version_new(struct kvs_version **out)
{
    struct kvs_version *v = calloc(1, sizeof *v);
    if (v == NULL)
        return SC_E_NOMEM;
    v->refs = 1;
    *out = v;
    return SC_OK;
}

static void level_append(struct kvs_level *level, struct kvs_table *t)
{
    level->tables[level->count++] = kvs_table_ref(t);
    level->size += kvs_table_meta(t)->size;
}

static bool is_removed(const struct kvs_edit *edit, const struct kvs_table *t)
{
    for (size_t i = 0; i < edit->remove_count; i++)
        if (edit->remove[i] == t)
            return true;
    return false;
}

static bool goes_before(const struct kvs_table *a, const struct kvs_table *b)
{
    return sc_slice_cmp(kvs_table_meta(a)->smallest, kvs_table_meta(b)->smallest) < 0;
}

static sc_err level_apply(const struct kvs_level *from, const struct kvs_edit *edit, bool gets, bool sorted,
                          struct kvs_level *to)
{
    const size_t from_count = from != NULL ? from->count : 0;
    const size_t add_count = gets ? edit->add_count : 0;
    if (from_count + add_count == 0)
        return SC_OK;
    to->tables = calloc(from_count + add_count, sizeof(struct kvs_table *));
    if (to->tables == NULL)
        return SC_E_NOMEM;
    size_t a = 0;
    for (size_t i = 0; i < from_count; i++) {
        if (is_removed(edit, from->tables[i]))
            continue;
        for (; sorted && a < add_count && goes_before(edit->add[a], from->tables[i]); a++)
            level_append(to, edit->add[a]);
        level_append(to, from->tables[i]);
    }
    for (; a < add_count; a++)
        level_append(to, edit->add[a]);
    return SC_OK;
}

/* Whether a table of v could hold something older than d in its range, now that edit->add replaces edit->remove.  What
 * a merge has written has lost what d hides. */
static bool still_hides(const struct kvs_version *v, const struct kvs_edit *edit, const struct kvs_range_del *d)
{
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++) {
        for (size_t i = 0; i < v->levels[l].count; i++) {
            const struct kvs_table_meta *m = kvs_table_meta(v->levels[l].tables[i]);
            if (m->seq_min < d->seq && kvs_range_meets(d, m->smallest, m->largest) &&
                !is_removed(edit, v->levels[l].tables[i]))
                return true;
        }
    }
    return false;
}

static sc_err ranges_apply(const struct kvs_version *v, const struct kvs_edit *edit, struct kvs_range_list *to)
{
    for (size_t i = 0; v != NULL && i < v->ranges.count; i++) {
        const struct kvs_range_del *d = &v->ranges.items[i];
        if (d->seq > edit->snapshot_min || still_hides(v, edit, d))
            SC_TRY(kvs_range_list_add(to, d));
    }
    for (const struct kvs_memtable_range *r = edit->add_ranges; r != NULL; r = r->next)
        SC_TRY(kvs_range_list_add(to, &r->del));
    return SC_OK;
}

sc_err kvs_version_apply(const struct kvs_version *v, const struct kvs_edit *edit, struct kvs_version **out)
{
    SC_CLEANUP(kvs_version_unrefp) struct kvs_version *next = NULL;
    SC_TRY(version_new(&next));
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        SC_TRY(level_apply(v != NULL ? &v->levels[l] : NULL, edit, l == edit->add_level, l != 0, &next->levels[l]));
    SC_TRY(ranges_apply(v, edit, &next->ranges));
    next->seq_flushed = edit->seq_flushed;
    *out = SC_TAKE(next);
    return SC_OK;
}

sc_err kvs_version_from_manifest(const struct kvs_manifest *m, struct kvs_io *io, struct kvs_cache *cache,
                                 struct kvs_garbage *garbage, struct kvs_version **out)
{
    SC_CLEANUP(kvs_version_unrefp) struct kvs_version *v = NULL;
    SC_TRY(version_new(&v));
    size_t counts[KVS_LEVEL_COUNT] = {0};
    for (uint32_t i = 0; i < m->table_count; i++)
        counts[m->tables[i].level]++;
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++) {
        v->levels[l].tables = counts[l] != 0 ? calloc(counts[l], sizeof(struct kvs_table *)) : NULL;
        if (v->levels[l].tables == NULL && counts[l] != 0)
            return SC_E_NOMEM;
    }
    for (uint32_t i = 0; i < m->table_count; i++) {
        struct kvs_table *t;
        SC_TRY(kvs_table_new(io, &m->tables[i].meta, cache, garbage, &t));
        level_append(&v->levels[m->tables[i].level], t);
        kvs_table_unref(t);
    }
    v->seq_flushed = m->seq_flushed;
    for (uint32_t i = 0; i < m->range_count; i++)
        SC_TRY(kvs_range_list_add(&v->ranges, &m->ranges[i]));
    *out = SC_TAKE(v);
    return SC_OK;
}

void kvs_version_to_manifest(const struct kvs_version *v, struct sc_buf *plain_out)
{
    kvs_manifest_begin(plain_out, v->seq_flushed, kvs_version_table_count(v));
    for (uint8_t l = 0; l < KVS_LEVEL_COUNT; l++)
        for (size_t i = 0; i < v->levels[l].count; i++)
            kvs_manifest_table_put(plain_out, l, kvs_table_meta(v->levels[l].tables[i]));
    kvs_manifest_ranges_put(plain_out, &v->ranges);
}

size_t kvs_level_overlap(const struct kvs_level *level, struct sc_slice smallest, struct sc_slice largest,
                         size_t *first_out)
{
    const size_t first = kvs_tables_seek(level->tables, level->count, smallest);
    size_t end = first;
    while (end < level->count && sc_slice_cmp(kvs_table_meta(level->tables[end])->smallest, largest) <= 0)
        end++;
    *first_out = first;
    return end - first;
}

uint32_t kvs_version_table_count(const struct kvs_version *v)
{
    size_t n = 0;
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        n += v->levels[l].count;
    return (uint32_t)n;
}
