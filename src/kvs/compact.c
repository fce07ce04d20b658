/* Flush and compaction.
 *
 * Level 0 holds what memtables became, one table each, oldest first, overlapping; levels 1.. are each one sorted run of
 * smaller tables, ten times the size of the one before.  A compaction merges all of level 0, or one table of a fuller
 * level (round robin by key), with what it overlaps below.  While it merges, full memtables are still flushed in
 * between, so that writers wait for a flush and not for a compaction.  Which versions stay: keeper.h. */
#include "kvs/cursor.h"
#include "kvs/keeper.h"

#define LEVEL0_TRIGGER   4
#define LEVEL_FACTOR     10
#define LEVEL1_FACTOR    4 /* level 1 may hold so many memtables */
#define TABLE_FACTOR     4 /* a merged table is so much smaller than a memtable: it is built in memory */
#define TABLE_SIZE_MIN   ((size_t)4 << 10)
#define TABLE_SIZE_MAX   ((size_t)32 << 20)
#define FLUSH_CHECK_MASK 0xff /* look for a full memtable every so many entries */

static size_t table_size_target(const struct sc_kvs *kvs)
{
    const size_t size = kvs->memtable_size_max / TABLE_FACTOR;
    return size < TABLE_SIZE_MIN ? TABLE_SIZE_MIN : size > TABLE_SIZE_MAX ? TABLE_SIZE_MAX : size;
}

void kvs_table_list_deinit(struct kvs_table_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        kvs_table_unref(l->tables[i]);
    free(l->tables);
    *l = (struct kvs_table_list){0};
}

sc_err kvs_table_list_add(struct kvs_table_list *l, struct kvs_table *t)
{
    if (l->count == l->capacity) {
        const size_t capacity = l->capacity != 0 ? l->capacity * 2 : 8;
        struct kvs_table **tables = realloc(l->tables, capacity * sizeof *tables);
        if (tables == NULL) {
            kvs_table_unref(t);
            return SC_E_NOMEM;
        }
        l->tables = tables;
        l->capacity = capacity;
    }
    l->tables[l->count++] = t;
    return SC_OK;
}

/* ---- output: tables of about the target size, cut between keys only ---- */

struct output {
    struct sc_kvs *kvs;
    struct kvs_table_list *tables;
    size_t table_size;                 /* of one, about */
    struct kvs_table_builder *builder; /* NULL between tables */
};

static void output_deinit(struct output *o)
{
    kvs_table_builder_free(o->builder);
}

static sc_err output_close(struct output *o, struct sc_diag *diag)
{
    struct kvs_table_meta meta;
    struct kvs_table *t;
    if (o->builder == NULL)
        return SC_OK;
    SC_TRY(kvs_table_builder_finish(o->builder, &meta, diag));
    atomic_fetch_add(&o->kvs->stats.bytes_written, meta.size);
    SC_TRY(kvs_table_new(&o->kvs->io, &meta, o->kvs->cache, o->kvs->garbage, &t));
    kvs_table_builder_free(SC_TAKE(o->builder));
    return kvs_table_list_add(o->tables, t);
}

static sc_err output_add(struct output *o, const struct kvs_entry *e, struct sc_diag *diag)
{
    if (o->builder != NULL && kvs_table_builder_size(o->builder) >= o->table_size &&
        !sc_slice_eq(e->key, kvs_table_builder_last_key(o->builder)))
        SC_TRY(output_close(o, diag));
    if (o->builder == NULL)
        SC_TRY(kvs_table_builder_new(&o->kvs->io, o->kvs->block_size, &o->builder));
    const sc_err err = kvs_table_builder_add(o->builder, e);
    return err == SC_E_MALFORMED ? sc_fail(diag, err, "entries out of order in a table: verify the volume") : err;
}

sc_err kvs_tables_from_memtable(struct sc_kvs *kvs, const struct kvs_memtable *mt, struct kvs_table_list *out,
                                struct sc_diag *diag)
{
    SC_CLEANUP(kvs_keeper_deinit) struct kvs_keeper keeper = {0};
    SC_CLEANUP(output_deinit) struct output output = {.kvs = kvs, .tables = out, .table_size = SIZE_MAX};
    SC_TRY(kvs_keeper_init(&keeper, kvs, NULL, 0));
    for (const struct kvs_memtable_range *r = kvs_memtable_ranges(mt); r != NULL; r = r->next)
        SC_TRY(kvs_range_list_add(&keeper.ranges, &r->del));
    for (const struct kvs_node *n = kvs_memtable_first(mt); n != NULL; n = kvs_memtable_next(n)) {
        struct kvs_entry e;
        bool stays;
        kvs_node_entry(n, &e);
        SC_TRY(kvs_keeper_judge(&keeper, &e, &stays));
        if (stays)
            SC_TRY(output_add(&output, &e, diag));
    }
    return output_close(&output, diag);
}

sc_err kvs_flush(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    SC_CLEANUP(kvs_table_list_deinit) struct kvs_table_list tables = {0};
    SC_TRY(kvs_tables_from_memtable(kvs, view->imm, &tables, diag));
    const uint64_t seq_max = kvs_memtable_seq_max(view->imm);
    const struct kvs_edit edit = {.add = tables.tables,
                                  .add_count = tables.count,
                                  .add_level = 0,
                                  .add_ranges = kvs_memtable_ranges(view->imm),
                                  .seq_flushed = seq_max > kvs->seq_flushed ? seq_max : kvs->seq_flushed};
    SC_TRY(kvs_install(kvs, &edit, true, diag));
    atomic_fetch_add(&kvs->stats.flushes, 1);
    return SC_OK;
}

sc_err kvs_flush_if_pending(struct sc_kvs *kvs, struct sc_diag *diag)
{
    pthread_mutex_lock(&kvs->lock);
    const bool pending = kvs->view->imm != NULL;
    pthread_mutex_unlock(&kvs->lock);
    return pending ? kvs_flush(kvs, diag) : SC_OK;
}

/* ---- merging ---- */

struct merge {
    struct kvs_cursor **cursors;
    size_t count;
};

static void merge_deinit(struct merge *m)
{
    for (size_t i = 0; i < m->count; i++)
        kvs_cursor_free(m->cursors[i]);
    free(m->cursors);
}

static sc_err merge_add(struct merge *m, struct kvs_table *const *tables, size_t count, struct sc_diag *diag)
{
    struct kvs_cursor *c;
    if (count == 0)
        return SC_OK;
    SC_TRY(kvs_cursor_run(tables, count, KVS_SEQ_MAX, KVS_RUN_MERGE, &c));
    m->cursors[m->count++] = c;
    return c->ops->seek_ge(c, SC_SLICE_EMPTY, diag);
}

static struct kvs_cursor *merge_first(const struct merge *m)
{
    struct kvs_cursor *best = NULL;
    for (size_t i = 0; i < m->count; i++) {
        struct kvs_cursor *c = m->cursors[i];
        if (c->valid &&
            (best == NULL || kvs_entry_cmp(c->entry.key, c->entry.seq, best->entry.key, best->entry.seq) < 0))
            best = c;
    }
    return best;
}

static bool is_stopping(struct sc_kvs *kvs)
{
    pthread_mutex_lock(&kvs->lock);
    const bool stop = kvs->stop;
    pthread_mutex_unlock(&kvs->lock);
    return stop;
}

/* SC_E_AGAIN: the volume is being closed. */
static sc_err merge_run(struct sc_kvs *kvs, struct merge *m, struct kvs_keeper *keeper, struct kvs_table_list *out,
                        struct sc_diag *diag)
{
    SC_CLEANUP(output_deinit) struct output output = {.kvs = kvs, .tables = out, .table_size = table_size_target(kvs)};
    struct kvs_cursor *c;
    for (uint64_t n = 1; (c = merge_first(m)) != NULL; n++) {
        bool stays;
        SC_TRY(kvs_keeper_judge(keeper, &c->entry, &stays));
        if (stays) {
            c->entry.value = c->ops->value(c);
            SC_TRY(output_add(&output, &c->entry, diag));
        }
        SC_TRY(c->ops->next(c, diag));
        if ((n & FLUSH_CHECK_MASK) != 0)
            continue;
        if (is_stopping(kvs))
            return SC_E_AGAIN;
        SC_TRY(kvs_flush_if_pending(kvs, diag));
    }
    return output_close(&output, diag);
}

/* ---- what to compact ---- */

struct job {
    struct kvs_version *version;  /* borrowed */
    struct kvs_table_list inputs; /* references; upper ones first */
    size_t upper_count;
    bool upper_overlaps; /* the upper ones are no run */
    size_t level_out;
    uint64_t snapshot_min; /* the oldest that the merge respected; 0: nothing was merged */
};

static void job_deinit(struct job *j)
{
    kvs_table_list_deinit(&j->inputs);
}

static uint64_t level_size_max(const struct sc_kvs *kvs, size_t level)
{
    uint64_t size = (uint64_t)LEVEL1_FACTOR * kvs->memtable_size_max;
    for (size_t l = 1; l < level; l++)
        size *= LEVEL_FACTOR;
    return size;
}

/* The level that most needs compaction; KVS_LEVEL_COUNT when none does. */
static size_t level_pick(const struct sc_kvs *kvs, const struct kvs_version *v)
{
    if (v->levels[0].count >= LEVEL0_TRIGGER)
        return 0;
    for (size_t l = 1; l + 1 < KVS_LEVEL_COUNT; l++)
        if (v->levels[l].size > level_size_max(kvs, l))
            return l;
    return KVS_LEVEL_COUNT;
}

bool kvs_compaction_needed(const struct sc_kvs *kvs, const struct kvs_version *v)
{
    return level_pick(kvs, v) != KVS_LEVEL_COUNT;
}

static sc_err job_add(struct job *j, struct kvs_table *const *tables, size_t count)
{
    for (size_t i = 0; i < count; i++)
        SC_TRY(kvs_table_list_add(&j->inputs, kvs_table_ref(tables[i])));
    return SC_OK;
}

/* The range of the upper inputs, and what it meets below. */
static sc_err job_add_lower(struct job *j)
{
    struct sc_slice smallest = kvs_table_meta(j->inputs.tables[0])->smallest;
    struct sc_slice largest = kvs_table_meta(j->inputs.tables[0])->largest;
    for (size_t i = 1; i < j->upper_count; i++) {
        const struct kvs_table_meta *m = kvs_table_meta(j->inputs.tables[i]);
        smallest = sc_slice_cmp(m->smallest, smallest) < 0 ? m->smallest : smallest;
        largest = sc_slice_cmp(m->largest, largest) > 0 ? m->largest : largest;
    }
    size_t first;
    const struct kvs_level *lower = &j->version->levels[j->level_out];
    const size_t count = kvs_level_overlap(lower, smallest, largest, &first);
    return count == 0 ? SC_OK : job_add(j, lower->tables + first, count); /* an empty level has no array */
}

static sc_err job_pick(struct sc_kvs *kvs, struct job *j)
{
    const size_t level = level_pick(kvs, j->version);
    if (level == KVS_LEVEL_COUNT)
        return SC_OK;
    const struct kvs_level *from = &j->version->levels[level];
    j->level_out = level + 1;
    if (level == 0) {
        SC_TRY(job_add(j, from->tables, from->count));
    } else {
        size_t i = 0; /* the first behind where the last compaction of this level ended */
        while (i < from->count &&
               sc_slice_cmp(kvs_table_meta(from->tables[i])->smallest, sc_buf_slice(&kvs->compact_at[level])) <= 0)
            i++;
        i = i < from->count ? i : 0;
        SC_TRY(job_add(j, &from->tables[i], 1));
        sc_buf_reset(&kvs->compact_at[level]);
        sc_buf_put_bytes(&kvs->compact_at[level], kvs_table_meta(from->tables[i])->largest);
        SC_TRY(sc_buf_status(&kvs->compact_at[level]));
    }
    j->upper_count = j->inputs.count;
    j->upper_overlaps = level == 0;
    return job_add_lower(j);
}

static int by_smallest(const void *a, const void *b)
{
    return sc_slice_cmp(kvs_table_meta(*(struct kvs_table *const *)a)->smallest,
                        kvs_table_meta(*(struct kvs_table *const *)b)->smallest);
}

/* Inputs that meet nothing, nor each other, sink as they are: a load in key order is written once. */
static bool job_sinks(struct job *j)
{
    if (j->inputs.count != j->upper_count)
        return false;
    qsort(j->inputs.tables, j->upper_count, sizeof(struct kvs_table *), by_smallest);
    for (size_t i = 1; i < j->upper_count; i++)
        if (sc_slice_cmp(kvs_table_meta(j->inputs.tables[i - 1])->largest,
                         kvs_table_meta(j->inputs.tables[i])->smallest) >= 0)
            return false;
    return true;
}

static sc_err job_merge(struct sc_kvs *kvs, struct job *j, struct kvs_table_list *out, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_keeper_deinit) struct kvs_keeper keeper = {0};
    SC_CLEANUP(merge_deinit) struct merge merge = {0};
    merge.cursors = calloc(j->inputs.count + 1, sizeof *merge.cursors);
    if (merge.cursors == NULL)
        return SC_E_NOMEM;
    SC_TRY(kvs_keeper_init(&keeper, kvs, j->version, j->level_out));
    for (size_t i = 0; i < j->version->ranges.count; i++)
        SC_TRY(kvs_range_list_add(&keeper.ranges, &j->version->ranges.items[i]));
    /* tombstones of memtables that are flushed while we merge were not looked at */
    j->snapshot_min = keeper.snapshots[0] < kvs->seq_flushed ? keeper.snapshots[0] : kvs->seq_flushed;
    for (size_t i = 0; j->upper_overlaps && i < j->upper_count; i++)
        SC_TRY(merge_add(&merge, &j->inputs.tables[i], 1, diag));
    if (!j->upper_overlaps)
        SC_TRY(merge_add(&merge, j->inputs.tables, j->upper_count, diag));
    SC_TRY(merge_add(&merge, j->inputs.tables + j->upper_count, j->inputs.count - j->upper_count, diag));
    return merge_run(kvs, &merge, &keeper, out, diag);
}

static sc_err job_run(struct sc_kvs *kvs, struct job *j, bool may_sink, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_table_list_deinit) struct kvs_table_list out = {0};
    struct kvs_edit edit = {
        .remove = j->inputs.tables, .remove_count = j->inputs.count, .add_level = (uint8_t)j->level_out};
    if (may_sink && job_sinks(j)) {
        edit.add = j->inputs.tables;
        edit.add_count = j->inputs.count;
    } else {
        SC_TRY(job_merge(kvs, j, &out, diag));
        edit.add = out.tables;
        edit.add_count = out.count;
        edit.snapshot_min = j->snapshot_min;
    }
    edit.seq_flushed = kvs->seq_flushed; /* memtables may have been flushed meanwhile */
    SC_TRY(kvs_install(kvs, &edit, false, diag));
    atomic_fetch_add(&kvs->stats.compactions, 1);
    return SC_OK;
}

sc_err kvs_compact_step(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    SC_CLEANUP(job_deinit) struct job job = {.version = view->version};
    SC_TRY(job_pick(kvs, &job));
    return job.inputs.count != 0 ? job_run(kvs, &job, true, diag) : SC_OK;
}

/* Everything into one run at the deepest level in use. */
sc_err kvs_compact_all(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    SC_CLEANUP(job_deinit) struct job job = {.version = view->version, .upper_overlaps = true, .level_out = 1};
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++) {
        SC_TRY(job_add(&job, view->version->levels[l].tables, view->version->levels[l].count));
        if (view->version->levels[l].count != 0 && l > 1)
            job.level_out = l;
    }
    job.upper_count = job.inputs.count;
    if (job.inputs.count != 0 || view->version->ranges.count != 0)
        SC_TRY(job_run(kvs, &job, false, diag));
    return SC_OK;
}
