#include "kvs/cursor.h"

void kvs_cursor_free(struct kvs_cursor *c)
{
    if (c != NULL)
        c->ops->free(c);
}

/* ---- over a memtable ---- */

struct mem_cursor {
    struct kvs_cursor base;
    const struct kvs_memtable *mt;
    const struct kvs_node *node;
};

/* From the newest version of some key (or a visible one) on to the first key with a visible version. */
static sc_err mem_settle_forward(struct mem_cursor *c, const struct kvs_node *n)
{
    for (; n != NULL; n = kvs_memtable_seek(c->mt, c->base.entry.key, c->base.seq)) {
        kvs_node_entry(n, &c->base.entry);
        if (c->base.entry.seq <= c->base.seq)
            break;
    }
    c->node = n;
    c->base.valid = n != NULL;
    return SC_OK;
}

/* From any version of some key back to the last key with a visible version. */
static sc_err mem_settle_back(struct mem_cursor *c, const struct kvs_node *n)
{
    c->base.valid = false;
    for (; n != NULL; n = kvs_memtable_before(c->mt, c->base.entry.key)) {
        kvs_node_entry(n, &c->base.entry);
        const struct sc_slice key = c->base.entry.key;
        const struct kvs_node *seen = kvs_memtable_seek(c->mt, key, c->base.seq);
        if (seen == NULL)
            continue;
        struct kvs_entry e;
        kvs_node_entry(seen, &e);
        if (!sc_slice_eq(e.key, key))
            continue;
        c->base.entry = e;
        c->base.valid = true;
        c->node = seen;
        break;
    }
    return SC_OK;
}

static sc_err mem_seek_ge(struct kvs_cursor *base, struct sc_slice key, struct sc_diag *diag)
{
    struct mem_cursor *c = (struct mem_cursor *)base;
    (void)diag;
    return mem_settle_forward(c, kvs_memtable_seek(c->mt, key, base->seq));
}

static sc_err mem_seek_lt(struct kvs_cursor *base, struct sc_slice key, struct sc_diag *diag)
{
    struct mem_cursor *c = (struct mem_cursor *)base;
    (void)diag;
    return mem_settle_back(c, kvs_memtable_before(c->mt, key));
}

static sc_err mem_seek_last(struct kvs_cursor *base, struct sc_diag *diag)
{
    struct mem_cursor *c = (struct mem_cursor *)base;
    (void)diag;
    return mem_settle_back(c, kvs_memtable_last(c->mt));
}

static sc_err mem_next(struct kvs_cursor *base, struct sc_diag *diag)
{
    struct mem_cursor *c = (struct mem_cursor *)base;
    (void)diag;
    const struct kvs_node *n = c->node;
    struct kvs_entry e;
    do {
        n = kvs_memtable_next(n);
        if (n == NULL)
            break;
        kvs_node_entry(n, &e);
    } while (sc_slice_eq(e.key, base->entry.key));
    return mem_settle_forward(c, n);
}

static sc_err mem_prev(struct kvs_cursor *base, struct sc_diag *diag)
{
    return mem_seek_lt(base, base->entry.key, diag);
}

static void mem_free(struct kvs_cursor *base)
{
    free(base);
}

static const struct kvs_cursor_ops mem_ops = {
    .seek_ge = mem_seek_ge,
    .seek_lt = mem_seek_lt,
    .seek_last = mem_seek_last,
    .next = mem_next,
    .prev = mem_prev,
    .free = mem_free,
};

sc_err kvs_cursor_memtable(const struct kvs_memtable *mt, uint64_t seq, bool live, struct kvs_cursor **out)
{
    struct mem_cursor *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SC_E_NOMEM;
    c->base = (struct kvs_cursor){.ops = &mem_ops, .seq = seq, .live = live};
    c->mt = mt;
    *out = &c->base;
    return SC_OK;
}

/* ---- over a run of tables ---- */

enum place { PLACE_BEFORE, PLACE_AT, PLACE_AFTER };
struct run_cursor {
    struct kvs_cursor base;
    struct kvs_table *const *tables;
    size_t table_count;
    enum kvs_run_mode mode;
    enum place place;
    size_t table_index; /* these four: while PLACE_AT */
    uint32_t block_index;
    size_t entry_index;
    struct kvs_block *block;
    struct sc_buf key; /* a copy of the key that is being left: its block may go */
};

static void leave(struct run_cursor *c, enum place place)
{
    kvs_block_unref(c->block);
    c->block = NULL;
    c->place = place;
    c->base.valid = false;
}

static sc_err enter_block(struct run_cursor *c, size_t table_index, uint32_t block_index, struct sc_diag *diag)
{
    struct kvs_block *b;
    SC_TRY(kvs_table_block(c->tables[table_index], block_index, c->mode == KVS_RUN_READ, &b, diag));
    kvs_block_unref(c->block);
    c->block = b;
    c->table_index = table_index;
    c->block_index = block_index;
    c->place = PLACE_AT;
    return SC_OK;
}

static void show(struct run_cursor *c)
{
    kvs_block_entry(c->block, c->entry_index, &c->base.entry);
}

/* ---- entry by entry ---- */

static sc_err enter_first(struct run_cursor *c, size_t table_index, struct sc_diag *diag)
{
    if (table_index == c->table_count) {
        leave(c, PLACE_AFTER);
        return SC_OK;
    }
    SC_TRY(enter_block(c, table_index, 0, diag));
    c->entry_index = 0;
    show(c);
    return SC_OK;
}

static sc_err enter_last(struct run_cursor *c, size_t table_index, struct sc_diag *diag)
{
    const struct kvs_table_index *index;
    SC_TRY(kvs_table_index(c->tables[table_index], &index, diag));
    SC_TRY(enter_block(c, table_index, index->block_count - 1, diag));
    c->entry_index = kvs_block_count(c->block) - 1;
    show(c);
    return SC_OK;
}

static sc_err step_forward(struct run_cursor *c, struct sc_diag *diag)
{
    if (c->place != PLACE_AT)
        return c->place == PLACE_BEFORE ? enter_first(c, 0, diag) : SC_OK;
    if (++c->entry_index == kvs_block_count(c->block)) {
        const struct kvs_table_index *index;
        SC_TRY(kvs_table_index(c->tables[c->table_index], &index, diag));
        if (c->block_index + 1 == index->block_count)
            return enter_first(c, c->table_index + 1, diag);
        SC_TRY(enter_block(c, c->table_index, c->block_index + 1, diag));
        c->entry_index = 0;
    }
    show(c);
    return SC_OK;
}

static sc_err step_back(struct run_cursor *c, struct sc_diag *diag)
{
    if (c->place != PLACE_AT) {
        if (c->place == PLACE_BEFORE || c->table_count == 0)
            return SC_OK;
        return enter_last(c, c->table_count - 1, diag);
    }
    if (c->entry_index != 0) {
        c->entry_index--;
    } else if (c->block_index != 0) {
        SC_TRY(enter_block(c, c->table_index, c->block_index - 1, diag));
        c->entry_index = kvs_block_count(c->block) - 1;
    } else if (c->table_index != 0) {
        return enter_last(c, c->table_index - 1, diag);
    } else {
        leave(c, PLACE_BEFORE);
        return SC_OK;
    }
    show(c);
    return SC_OK;
}

/* To the first entry >= (key, seq). */
static sc_err entry_seek(struct run_cursor *c, struct sc_slice key, uint64_t seq, struct sc_diag *diag)
{
    size_t lo = 0, hi = c->table_count; /* first table whose largest key is >= key */
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (sc_slice_cmp(kvs_table_meta(c->tables[mid])->largest, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == c->table_count) {
        leave(c, PLACE_AFTER);
        return SC_OK;
    }
    const struct kvs_table_index *index;
    SC_TRY(kvs_table_index(c->tables[lo], &index, diag));
    const uint32_t block_index = kvs_table_index_seek(index, key);
    if (block_index == index->block_count)
        return enter_first(c, lo + 1, diag);
    SC_TRY(enter_block(c, lo, block_index, diag));
    c->entry_index = kvs_block_seek(c->block, key, seq);
    if (c->entry_index == kvs_block_count(c->block)) {
        c->entry_index--; /* the last one is below: the next is it */
        return step_forward(c, diag);
    }
    show(c);
    return SC_OK;
}

/* ---- key by key ---- */

static sc_err key_copy(struct run_cursor *c)
{
    sc_buf_reset(&c->key);
    sc_buf_put_bytes(&c->key, c->base.entry.key);
    return sc_buf_status(&c->key);
}

static bool at_copied_key(const struct run_cursor *c)
{
    return c->place == PLACE_AT && sc_slice_eq(c->base.entry.key, sc_buf_slice(&c->key));
}

static sc_err run_settle_forward(struct run_cursor *c, struct sc_diag *diag)
{
    while (c->place == PLACE_AT && c->base.entry.seq > c->base.seq)
        SC_TRY(step_forward(c, diag));
    c->base.valid = c->place == PLACE_AT;
    return SC_OK;
}

/* From the oldest version of a key. */
static sc_err run_settle_back(struct run_cursor *c, struct sc_diag *diag)
{
    c->base.valid = false;
    while (c->place == PLACE_AT) {
        bool found = false;
        SC_TRY(key_copy(c));
        for (; at_copied_key(c) && c->base.entry.seq <= c->base.seq; found = true)
            SC_TRY(step_back(c, diag));
        if (found) { /* one too far */
            SC_TRY(step_forward(c, diag));
            c->base.valid = true;
            break;
        }
        while (at_copied_key(c))
            SC_TRY(step_back(c, diag));
    }
    return SC_OK;
}

static sc_err run_seek_ge(struct kvs_cursor *base, struct sc_slice key, struct sc_diag *diag)
{
    struct run_cursor *c = (struct run_cursor *)base;
    base->valid = false;
    SC_TRY(entry_seek(c, key, base->seq, diag));
    return run_settle_forward(c, diag);
}

static sc_err run_seek_lt(struct kvs_cursor *base, struct sc_slice key, struct sc_diag *diag)
{
    struct run_cursor *c = (struct run_cursor *)base;
    base->valid = false;
    SC_TRY(entry_seek(c, key, KVS_SEQ_MAX, diag));
    SC_TRY(step_back(c, diag));
    return run_settle_back(c, diag);
}

static sc_err run_seek_last(struct kvs_cursor *base, struct sc_diag *diag)
{
    struct run_cursor *c = (struct run_cursor *)base;
    leave(c, PLACE_AFTER);
    SC_TRY(step_back(c, diag));
    return run_settle_back(c, diag);
}

static sc_err run_next(struct kvs_cursor *base, struct sc_diag *diag)
{
    struct run_cursor *c = (struct run_cursor *)base;
    base->valid = false;
    if (c->mode == KVS_RUN_MERGE) {
        SC_TRY(step_forward(c, diag));
    } else {
        SC_TRY(key_copy(c));
        while (at_copied_key(c))
            SC_TRY(step_forward(c, diag));
    }
    return run_settle_forward(c, diag);
}

static sc_err run_prev(struct kvs_cursor *base, struct sc_diag *diag)
{
    struct run_cursor *c = (struct run_cursor *)base;
    SC_ASSERT(c->mode == KVS_RUN_READ);
    base->valid = false;
    SC_TRY(key_copy(c));
    while (at_copied_key(c))
        SC_TRY(step_back(c, diag));
    return run_settle_back(c, diag);
}

static void run_free(struct kvs_cursor *base)
{
    struct run_cursor *c = (struct run_cursor *)base;
    kvs_block_unref(c->block);
    sc_buf_deinit(&c->key);
    free(c);
}

static const struct kvs_cursor_ops run_ops = {
    .seek_ge = run_seek_ge,
    .seek_lt = run_seek_lt,
    .seek_last = run_seek_last,
    .next = run_next,
    .prev = run_prev,
    .free = run_free,
};

sc_err kvs_cursor_run(struct kvs_table *const *tables, size_t table_count, uint64_t seq, enum kvs_run_mode mode,
                      struct kvs_cursor **out)
{
    struct run_cursor *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SC_E_NOMEM;
    c->base = (struct kvs_cursor){.ops = &run_ops, .seq = seq};
    c->tables = tables;
    c->table_count = table_count;
    c->mode = mode;
    *out = &c->base;
    return SC_OK;
}
