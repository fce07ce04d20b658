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
    const struct kvs_cursor *current;
    struct sc_buf key; /* the key being left, plus room for the zero */
};

void sc_kvs_iter_free(struct sc_kvs_iter *it)
{
    if (it == NULL)
        return;
    for (size_t i = 0; i < it->cursor_count; i++)
        kvs_cursor_free(it->cursors[i]);
    free(it->cursors);
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

static sc_err cursors_make(struct sc_kvs_iter *it, uint64_t seq)
{
    const struct kvs_version *v = it->view->version;
    it->cursors = calloc(3 + v->levels[0].count + KVS_LEVEL_COUNT, sizeof(struct kvs_cursor *));
    if (it->cursors == NULL)
        return SC_E_NOMEM;
    if (it->own != NULL) {
        SC_TRY(kvs_cursor_memtable(it->own, KVS_SEQ_MAX, true, &it->cursors[it->cursor_count]));
        it->cursor_count++;
    }
    SC_TRY(kvs_cursor_memtable(it->view->mem, seq, false, &it->cursors[it->cursor_count]));
    it->cursor_count++;
    if (it->view->imm != NULL) {
        SC_TRY(kvs_cursor_memtable(it->view->imm, seq, false, &it->cursors[it->cursor_count]));
        it->cursor_count++;
    }
    for (size_t i = v->levels[0].count; i-- > 0; it->cursor_count++)
        SC_TRY(kvs_cursor_run(&v->levels[0].tables[i], 1, seq, KVS_RUN_READ, &it->cursors[it->cursor_count]));
    for (size_t l = 1; l < KVS_LEVEL_COUNT; l++) {
        if (v->levels[l].count == 0)
            continue;
        SC_TRY(
            kvs_cursor_run(v->levels[l].tables, v->levels[l].count, seq, KVS_RUN_READ, &it->cursors[it->cursor_count]));
        it->cursor_count++;
    }
    return SC_OK;
}

sc_err kvs_iter_make(struct sc_kvs *kvs, uint64_t seq, struct kvs_view *view, struct kvs_memtable *own,
                     const struct sc_kvs_range *range, struct sc_kvs_iter **out)
{
    (void)kvs;
    SC_CLEANUP(iter_freep) struct sc_kvs_iter *it = calloc(1, sizeof *it);
    if (it == NULL)
        return SC_E_NOMEM;
    atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    it->view = view;
    it->own = own != NULL ? kvs_memtable_ref(own) : NULL;
    if (range != NULL && range->lower.size != 0)
        sc_buf_put_bytes(&it->lower, range->lower);
    if (range != NULL && range->upper.size != 0)
        sc_buf_put_bytes(&it->upper, range->upper);
    SC_TRY(sc_buf_status(&it->lower));
    SC_TRY(sc_buf_status(&it->upper));
    SC_TRY(cursors_make(it, seq));
    *out = SC_TAKE(it);
    return SC_OK;
}

sc_err sc_kvs_iter_new(struct sc_kvs *kvs, const struct sc_kvs_snapshot *snap, const struct sc_kvs_range *range,
                       struct sc_kvs_iter **out, struct sc_diag *diag)
{
    (void)diag;
    uint64_t seq;
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, &seq);
    return kvs_iter_make(kvs, snap != NULL ? snap->seq : seq, view, NULL, range, out);
}

/* ---- choosing ---- */

static const struct kvs_cursor *extreme(const struct sc_kvs_iter *it)
{
    const struct kvs_cursor *best = NULL;
    for (size_t i = 0; i < it->cursor_count; i++) {
        const struct kvs_cursor *c = it->cursors[i];
        if (!c->valid)
            continue;
        const int cmp = best != NULL ? sc_slice_cmp(c->entry.key, best->entry.key) : -1;
        if (best == NULL || (it->forward ? cmp < 0 : cmp > 0)) /* equal: the newer source stays */
            best = c;
    }
    return best;
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

static sc_err settle(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
    const struct kvs_cursor *c;
    while ((c = extreme(it)) != NULL && within(it, c->entry.key) && !c->entry.is_put) {
        SC_TRY(leaving_key(it, c->entry.key));
        SC_TRY(move_past(it, diag));
    }
    it->valid = c != NULL && within(it, c->entry.key);
    it->current = c;
    *valid_out = it->valid;
    return SC_OK;
}

/* ---- moving ---- */

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
    SC_TRY(seek_all_ge(it, sc_slice_cmp(key, lower) > 0 ? key : lower, diag));
    return settle(it, valid_out, diag);
}

sc_err sc_kvs_iter_first(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
    return sc_kvs_iter_seek(it, SC_SLICE_EMPTY, valid_out, diag);
}

sc_err sc_kvs_iter_last(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag)
{
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
    SC_TRY(leaving_key(it, it->current->entry.key));
    it->valid = false;
    if (!it->forward) {
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
    SC_TRY(leaving_key(it, it->current->entry.key));
    it->valid = false;
    if (it->forward) {
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

struct sc_slice sc_kvs_iter_value(const struct sc_kvs_iter *it)
{
    SC_ASSERT(it->valid);
    return it->current->entry.value;
}
