/* The merging iterator: all sources of a view side by side, newest first.
 *
 * Invariants between moves, while valid and forward: every source stands at its first key >= the current one; the
 * current entry is that of the newest source among those at the smallest key.  Backward: mirrored.  A turn seeks all
 * sources anew.  The successor of a key in bytewise order is the key followed by a zero byte: so "after key" is
 * seek_ge(key 00) and "not after key" is seek_lt(key 00). */
#include "kvs/cursor.h"
#include "kvs/engine.h"

struct sc_kvs_iter {
    struct kvs_view *view;
    struct kvs_memtable *own;
    size_t cursor_count;
    struct kvs_cursor **cursors; /* newest first */
    struct sc_buf lower, upper;
    bool valid, forward;
    struct kvs_cursor *current;
    const struct kvs_cursor *rival;   /* the next in line after current, NULL: none; see alone */
    struct kvs_range_list ranges;     /* tombstones that we see, of the view */
    struct kvs_reads *reads;          /* NULL: nobody asks */
    struct sc_buf read_from, read_to; /* first and last key passed since the last seek: see note_* */
    bool reading;
    bool alone;        /* no other source stands at current's key, nor changes meanwhile */
    struct sc_buf key; /* the key being left, plus room for the zero */
};

/* ---- what a serialisable transaction has read ----
 * A stretch goes from where a seek or a turn began to where the iterator stood last, both ends counting; past an end,
 * to the bound. */

static void note_begin(struct sc_kvs_iter *it, struct sc_slice at)
{
    if (it->reads == NULL)
        return;
    sc_buf_reset(&it->read_from);
    sc_buf_put_bytes(&it->read_from, at);
    if (sc_buf_status(&it->read_from) != SC_OK)
        it->reads->keys.failed = SC_E_NOMEM;
    it->reading = true;
}

static void note_end(struct sc_kvs_iter *it)
{
    if (it->reads == NULL || !it->reading)
        return;
    it->reading = false;
    const struct sc_slice from = sc_buf_slice(&it->read_from);
    struct sc_slice lower = it->forward ? from : it->valid ? it->current->entry.key : sc_buf_slice(&it->lower);
    struct sc_slice upper = sc_buf_slice(&it->upper);
    sc_buf_reset(&it->read_to);
    if (!it->forward || it->valid) { /* the last key passed, and nothing behind it */
        sc_buf_put_bytes(&it->read_to, it->forward ? it->current->entry.key : from);
        sc_buf_put_u8(&it->read_to, 0);
        upper = it->forward || from.size != 0 ? sc_buf_slice(&it->read_to) : upper;
    }
    if (sc_buf_status(&it->read_to) != SC_OK)
        it->reads->keys.failed = SC_E_NOMEM;
    kvs_reads_add_range(it->reads, lower, upper);
}

void sc_kvs_iter_free(struct sc_kvs_iter *it)
{
    if (it == NULL)
        return;
    note_end(it);
    for (size_t i = 0; i < it->cursor_count; i++)
        kvs_cursor_free(it->cursors[i]);
    free(it->cursors);
    kvs_range_list_deinit(&it->ranges);
    sc_buf_deinit(&it->read_from);
    sc_buf_deinit(&it->read_to);
    kvs_view_unref(it->view);
    kvs_memtable_unref(it->own);
    sc_buf_deinit(&it->lower);
    sc_buf_deinit(&it->upper);
    sc_buf_deinit(&it->key);
    free(it);
}

static void iter_freep(struct sc_kvs_iter **it)
{
    sc_kvs_iter_free(*it);
}

static bool table_meets(const struct kvs_table *t, struct sc_slice lower, struct sc_slice upper)
{
    const struct kvs_table_meta *m = kvs_table_meta(t);
    return sc_slice_cmp(m->largest, lower) >= 0 && (upper.size == 0 || sc_slice_cmp(m->smallest, upper) < 0);
}

static sc_err cursor_add_memtable(struct sc_kvs_iter *it, const struct kvs_memtable *mt, uint64_t seq, bool live)
{
    if (mt == NULL || (!live && kvs_memtable_count(mt) == 0)) /* what comes later is newer than we see */
        return SC_OK;
    SC_TRY(kvs_cursor_memtable(mt, seq, live, &it->cursors[it->cursor_count]));
    it->cursor_count++;
    return SC_OK;
}

static sc_err cursor_add_run(struct sc_kvs_iter *it, struct kvs_table *const *tables, size_t count, uint64_t seq)
{
    if (count == 0)
        return SC_OK;
    SC_TRY(kvs_cursor_run(tables, count, seq, KVS_RUN_READ, &it->cursors[it->cursor_count]));
    it->cursor_count++;
    return SC_OK;
}

/* Only what meets the range is asked at all. */
static sc_err cursors_make(struct sc_kvs_iter *it, uint64_t seq)
{
    const struct kvs_version *v = it->view->version;
    const struct sc_slice lower = sc_buf_slice(&it->lower), upper = sc_buf_slice(&it->upper);
    it->cursors = calloc(3 + v->levels[0].count + KVS_LEVEL_COUNT, sizeof(struct kvs_cursor *));
    if (it->cursors == NULL)
        return SC_E_NOMEM;
    SC_TRY(cursor_add_memtable(it, it->own, KVS_SEQ_MAX, true));
    SC_TRY(cursor_add_memtable(it, it->view->mem, seq, false));
    SC_TRY(cursor_add_memtable(it, it->view->imm, seq, false));
    for (size_t i = v->levels[0].count; i-- > 0;)
        if (table_meets(v->levels[0].tables[i], lower, upper))
            SC_TRY(cursor_add_run(it, &v->levels[0].tables[i], 1, seq));
    for (size_t l = 1; l < KVS_LEVEL_COUNT; l++) {
        const struct kvs_level *level = &v->levels[l];
        const size_t first = kvs_tables_seek(level->tables, level->count, lower);
        size_t end = first;
        while (end < level->count && table_meets(level->tables[end], lower, upper))
            end++;
        if (end != first) /* an empty level has no array */
            SC_TRY(cursor_add_run(it, level->tables + first, end - first, seq));
    }
    return SC_OK;
}

static sc_err ranges_add(struct sc_kvs_iter *it, const struct kvs_range_del *d, uint64_t seq)
{
    if (d->seq > seq || !kvs_ranges_meet(d->lower, d->upper, sc_buf_slice(&it->lower), sc_buf_slice(&it->upper)))
        return SC_OK;
    return kvs_range_list_add(&it->ranges, d);
}

static sc_err ranges_collect(struct sc_kvs_iter *it, uint64_t seq)
{
    const struct kvs_memtable *memtables[] = {it->view->mem, it->view->imm};
    for (size_t i = 0; i < 2; i++)
        for (const struct kvs_memtable_range *r = memtables[i] != NULL ? kvs_memtable_ranges(memtables[i]) : NULL;
             r != NULL; r = r->next)
            SC_TRY(ranges_add(it, &r->del, seq));
    for (size_t i = 0; i < it->view->version->ranges.count; i++)
        SC_TRY(ranges_add(it, &it->view->version->ranges.items[i], seq));
    return SC_OK;
}

sc_err kvs_iter_make(uint64_t seq, struct kvs_view *view, struct kvs_memtable *own, struct kvs_reads *reads,
                     const struct sc_kvs_range *range, struct sc_kvs_iter **out)
{
    SC_CLEANUP(iter_freep) struct sc_kvs_iter *it = calloc(1, sizeof *it);
    if (it == NULL)
        return SC_E_NOMEM;
    atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    it->view = view;
    it->own = own != NULL ? kvs_memtable_ref(own) : NULL;
    it->reads = reads;
    if (range != NULL && range->lower.size != 0)
        sc_buf_put_bytes(&it->lower, range->lower);
    if (range != NULL && range->upper.size != 0)
        sc_buf_put_bytes(&it->upper, range->upper);
    SC_TRY(sc_buf_status(&it->lower));
    SC_TRY(sc_buf_status(&it->upper));
    SC_TRY(cursors_make(it, seq));
    SC_TRY(ranges_collect(it, seq));
    *out = SC_TAKE(it);
    return SC_OK;
}

sc_err sc_kvs_iter_new(struct sc_kvs *kvs, const struct sc_kvs_snapshot *snap, const struct sc_kvs_range *range,
                       struct sc_kvs_iter **out, struct sc_diag *diag)
{
    (void)diag;
    uint64_t seq;
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, &seq);
    return kvs_iter_make(snap != NULL ? snap->seq : seq, view, NULL, NULL, range, out);
}

/* ---- choosing ---- */

/* Finds current and rival. */
static void choose(struct sc_kvs_iter *it)
{
    struct kvs_cursor *best = NULL, *second = NULL;
    bool tie = false;
    for (size_t i = 0; i < it->cursor_count; i++) {
        struct kvs_cursor *c = it->cursors[i];
        if (!c->valid)
            continue;
        const int cmp = best != NULL ? sc_slice_cmp(c->entry.key, best->entry.key) : -1;
        if (best == NULL || (it->forward ? cmp < 0 : cmp > 0)) { /* equal: the newer source stays */
            second = best;
            best = c;
            tie = false;
        } else if (cmp == 0) {
            tie = true;
        } else if (second == NULL || (sc_slice_cmp(c->entry.key, second->entry.key) < 0) == it->forward) {
            second = c;
        }
    }
    it->current = best;
    it->rival = second;
    it->alone = !tie && it->cursor_count != 0 && !it->cursors[0]->live;
}

static bool within(const struct sc_kvs_iter *it, struct sc_slice key)
{
    if (it->forward)
        return it->upper.size == 0 || sc_slice_cmp(key, sc_buf_slice(&it->upper)) < 0;
    return it->lower.size == 0 || sc_slice_cmp(key, sc_buf_slice(&it->lower)) >= 0;
}

static sc_err leaving_key(struct sc_kvs_iter *it, struct sc_slice key)
{
    sc_buf_reset(&it->key);
    sc_buf_put_bytes(&it->key, key);
    return sc_buf_status(&it->key);
}

/* All sources away from it->key, in the direction of travel. */
static sc_err move_past(struct sc_kvs_iter *it, struct sc_diag *diag)
{
    const struct sc_slice key = sc_buf_slice(&it->key);
    for (size_t i = 0; i < it->cursor_count; i++) {
        struct kvs_cursor *c = it->cursors[i];
        if (c->valid && sc_slice_eq(c->entry.key, key))
            SC_TRY(it->forward ? c->ops->next(c, diag) : c->ops->prev(c, diag));
    }
    return SC_OK;
}

/* Whether the cursor stands at nothing that anybody should see: a deletion, or a key in a deleted range. */
static bool is_hidden(const struct sc_kvs_iter *it, const struct kvs_cursor *c)
{
    if (!c->entry.is_put)
        return true;
    if (it->own != NULL) { /* own writes have a seq of their own: the order of writing */
        const uint64_t cover = kvs_memtable_cover(it->own, c->entry.key, KVS_SEQ_MAX);
        if (c->live || cover != 0)
            return cover != 0 && (!c->live || cover > c->entry.seq);
    }
    return it->ranges.count != 0 && kvs_range_list_cover(&it->ranges, c->entry.key, KVS_SEQ_MAX) > c->entry.seq;
}

static sc_err settle(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
    for (choose(it); it->current != NULL && within(it, it->current->entry.key) && is_hidden(it, it->current);
         choose(it)) {
        SC_TRY(leaving_key(it, it->current->entry.key));
        SC_TRY(move_past(it, diag));
    }
    it->valid = it->current != NULL && within(it, it->current->entry.key);
    *valid_out = it->valid;
    return SC_OK;
}

/* While one source alone leads, only it moves.  *done_out = false: it is overtaken or at a deletion, settle() must
 * look. */
static sc_err run_ahead(struct sc_kvs_iter *it, bool *done_out, struct sc_diag *diag)
{
    struct kvs_cursor *c = it->current;
    it->valid = false;
    SC_TRY(it->forward ? c->ops->next(c, diag) : c->ops->prev(c, diag));
    const bool shown = c->valid && !is_hidden(it, c);
    if (shown && it->rival != NULL) {
        const int cmp = sc_slice_cmp(c->entry.key, it->rival->entry.key);
        *done_out = it->forward ? cmp < 0 : cmp > 0;
    } else {
        *done_out = shown;
    }
    it->valid = *done_out && within(it, c->entry.key);
    return SC_OK;
}

/* ---- moving ---- */

/* The stretch so far ends at it->key, where the next begins. */
static void note_turn(struct sc_kvs_iter *it)
{
    it->valid = true; /* current is still the one being left */
    note_end(it);
    it->valid = false;
    note_begin(it, sc_buf_slice(&it->key));
}

static sc_err seek_all_ge(struct sc_kvs_iter *it, struct sc_slice key, struct sc_diag *diag)
{
    it->valid = false;
    it->forward = true;
    for (size_t i = 0; i < it->cursor_count; i++)
        SC_TRY(it->cursors[i]->ops->seek_ge(it->cursors[i], key, diag));
    return SC_OK;
}

static sc_err seek_all_lt(struct sc_kvs_iter *it, struct sc_slice key, struct sc_diag *diag)
{
    it->valid = false;
    it->forward = false;
    for (size_t i = 0; i < it->cursor_count; i++)
        SC_TRY(it->cursors[i]->ops->seek_lt(it->cursors[i], key, diag));
    return SC_OK;
}

sc_err sc_kvs_iter_seek(struct sc_kvs_iter *it, struct sc_slice key, bool *valid_out, struct sc_diag *diag)
{
    const struct sc_slice lower = sc_buf_slice(&it->lower);
    const struct sc_slice from = sc_slice_cmp(key, lower) > 0 ? key : lower;
    note_end(it);
    note_begin(it, from);
    SC_TRY(seek_all_ge(it, from, diag));
    return settle(it, valid_out, diag);
}

sc_err sc_kvs_iter_first(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
    return sc_kvs_iter_seek(it, SC_SLICE_EMPTY, valid_out, diag);
}

sc_err sc_kvs_iter_last(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
    note_end(it);
    note_begin(it, sc_buf_slice(&it->upper));
    if (it->upper.size != 0) {
        SC_TRY(seek_all_lt(it, sc_buf_slice(&it->upper), diag));
        return settle(it, valid_out, diag);
    }
    it->valid = false;
    it->forward = false;
    for (size_t i = 0; i < it->cursor_count; i++)
        SC_TRY(it->cursors[i]->ops->seek_last(it->cursors[i], diag));
    return settle(it, valid_out, diag);
}

sc_err sc_kvs_iter_seek_back(struct sc_kvs_iter *it, struct sc_slice key, bool *valid_out, struct sc_diag *diag)
{
    if (it->upper.size != 0 && sc_slice_cmp(key, sc_buf_slice(&it->upper)) >= 0)
        return sc_kvs_iter_last(it, valid_out, diag);
    note_end(it);
    note_begin(it, key);
    SC_TRY(leaving_key(it, key));
    sc_buf_put_u8(&it->key, 0);
    SC_TRY(sc_buf_status(&it->key));
    SC_TRY(seek_all_lt(it, sc_buf_slice(&it->key), diag));
    return settle(it, valid_out, diag);
}

/* Sources that changed since the last move are sought anew, past it->key. */
static sc_err seek_live(struct sc_kvs_iter *it, struct sc_diag *diag)
{
    if (it->cursor_count == 0 || !it->cursors[0]->live)
        return SC_OK;
    struct kvs_cursor *c = it->cursors[0];
    if (!it->forward)
        return c->ops->seek_lt(c, sc_buf_slice(&it->key), diag);
    sc_buf_put_u8(&it->key, 0);
    SC_TRY(sc_buf_status(&it->key));
    return c->ops->seek_ge(c, sc_buf_slice(&it->key), diag);
}

sc_err sc_kvs_iter_next(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
    SC_ASSERT(it->valid);
    if (it->alone && it->forward) {
        bool done;
        SC_TRY(run_ahead(it, &done, diag));
        *valid_out = it->valid;
        return done ? SC_OK : settle(it, valid_out, diag);
    }
    SC_TRY(leaving_key(it, it->current->entry.key));
    it->valid = false;
    if (!it->forward) {
        note_turn(it);
        sc_buf_put_u8(&it->key, 0);
        SC_TRY(sc_buf_status(&it->key));
        SC_TRY(seek_all_ge(it, sc_buf_slice(&it->key), diag));
    } else {
        SC_TRY(move_past(it, diag));
        SC_TRY(seek_live(it, diag));
    }
    return settle(it, valid_out, diag);
}

sc_err sc_kvs_iter_prev(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
    SC_ASSERT(it->valid);
    if (it->alone && !it->forward) {
        bool done;
        SC_TRY(run_ahead(it, &done, diag));
        *valid_out = it->valid;
        return done ? SC_OK : settle(it, valid_out, diag);
    }
    SC_TRY(leaving_key(it, it->current->entry.key));
    it->valid = false;
    if (it->forward) {
        note_turn(it);
        SC_TRY(seek_all_lt(it, sc_buf_slice(&it->key), diag));
    } else {
        SC_TRY(move_past(it, diag));
        SC_TRY(seek_live(it, diag));
    }
    return settle(it, valid_out, diag);
}

struct sc_slice sc_kvs_iter_key(const struct sc_kvs_iter *it)
{
    SC_ASSERT(it->valid);
    return it->current->entry.key;
}

struct sc_slice sc_kvs_iter_value(struct sc_kvs_iter *it)
{
    SC_ASSERT(it->valid);
    return it->current->ops->value(it->current);
}

struct sc_slice sc_kvs_iter_value_part(struct sc_kvs_iter *it, size_t offset, size_t size)
{
    SC_ASSERT(it->valid);
    return it->current->ops->value_part(it->current, offset, size);
}

size_t sc_kvs_iter_value_size(struct sc_kvs_iter *it)
{
    SC_ASSERT(it->valid);
    return it->current->ops->value_size(it->current);
}
