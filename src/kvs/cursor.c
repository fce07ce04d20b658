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

static struct sc_slice mem_value(struct kvs_cursor *base)
{
    return base->entry.value;
}

static struct sc_slice mem_value_part(struct kvs_cursor *base, size_t offset, size_t size)
{
    return (struct sc_slice){base->entry.value.ptr + offset, size};
}

static size_t mem_value_size(struct kvs_cursor *base)
{
    return base->entry.value.size;
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
    .value = mem_value,
    .value_part = mem_value_part,
    .value_size = mem_value_size,
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
    size_t table_index; /* these five: while PLACE_AT */
    struct kvs_table_index *index;
    uint32_t block_index;
    size_t entry_index;
    struct kvs_block *block;
    struct kvs_scratch scratch; /* of block */
    struct sc_buf key;          /* a copy of the key that is being left: its block may go */
};

static void leave(struct run_cursor *c, enum place place)
{
    kvs_block_unref(c->block);
    kvs_table_index_unref(c->index);
    c->block = NULL;
    c->index = NULL;
    c->place = place;
    c->base.valid = false;
}

/* c->index becomes that of the table. */
static sc_err enter_table(struct run_cursor *c, size_t table_index, struct sc_diag *diag)
{
    struct kvs_table_index *index;
    if (c->index != NULL && c->place == PLACE_AT && c->table_index == table_index)
        return SC_OK;
    SC_TRY(kvs_table_index(c->tables[table_index], &index, diag));
    leave(c, c->place);
    c->index = index;
    c->table_index = table_index;
    return SC_OK;
}

/* Of the table that was entered. */
static sc_err enter_block(struct run_cursor *c, uint32_t block_index, struct sc_diag *diag)
{
    struct kvs_block *b;
    if (c->block != NULL && c->block_index == block_index) {
        c->place = PLACE_AT;
        return SC_OK;
    }
    SC_TRY(kvs_table_block(c->tables[c->table_index], c->index, block_index, c->mode == KVS_RUN_READ, &b, diag));
    kvs_block_unref(c->block);
    c->block = b;
    c->block_index = block_index;
    SC_TRY(b->ops->enter(b, &c->scratch));
    c->place = PLACE_AT;
    return SC_OK;
}

static void show(struct run_cursor *c)
{
    c->block->ops->head(c->block, c->entry_index, &c->scratch, &c->base.entry);
}

/* ---- entry by entry ---- */

static sc_err enter_first(struct run_cursor *c, size_t table_index, struct sc_diag *diag)
{
    if (table_index == c->table_count) {
        leave(c, PLACE_AFTER);
        return SC_OK;
    }
    SC_TRY(enter_table(c, table_index, diag));
    SC_TRY(enter_block(c, 0, diag));
    c->entry_index = 0;
    show(c);
    return SC_OK;
}

static sc_err enter_last(struct run_cursor *c, size_t table_index, struct sc_diag *diag)
{
    SC_TRY(enter_table(c, table_index, diag));
    SC_TRY(enter_block(c, c->index->block_count - 1, diag));
    c->entry_index = c->block->count - 1;
    show(c);
    return SC_OK;
}

static sc_err step_forward(struct run_cursor *c, struct sc_diag *diag)
{
    if (c->place != PLACE_AT)
        return c->place == PLACE_BEFORE ? enter_first(c, 0, diag) : SC_OK;
    if (c->entry_index + 1 < c->block->count) {
        c->entry_index++;
    } else {
        if (c->block_index + 1 == c->index->block_count)
            return enter_first(c, c->table_index + 1, diag);
        SC_TRY(enter_block(c, c->block_index + 1, diag));
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
        SC_TRY(enter_block(c, c->block_index - 1, diag));
        c->entry_index = c->block->count - 1;
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
    const size_t at = kvs_tables_seek(c->tables, c->table_count, key);
    if (at == c->table_count) {
        leave(c, PLACE_AFTER);
        return SC_OK;
    }
    SC_TRY(enter_table(c, at, diag));
    const uint32_t block_index = kvs_table_index_seek(c->index, key);
    if (block_index == c->index->block_count)
        return enter_first(c, at + 1, diag);
    SC_TRY(enter_block(c, block_index, diag));
    c->entry_index = c->block->ops->seek(c->block, key, seq);
    if (c->entry_index == c->block->count) {
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
    if (c->mode == KVS_RUN_MERGE || (c->block->distinct && c->entry_index + 1 < c->block->count)) {
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

static struct sc_slice run_value(struct kvs_cursor *base)
{
    struct run_cursor *c = (struct run_cursor *)base;
    return base->entry.is_put ? c->block->ops->value(c->block, c->entry_index, &c->scratch) : SC_SLICE_EMPTY;
}

static struct sc_slice run_value_part(struct kvs_cursor *base, size_t offset, size_t size)
{
    struct run_cursor *c = (struct run_cursor *)base;
    return c->block->ops->value_part(c->block, c->entry_index, offset, size, &c->scratch);
}

static size_t run_value_size(struct kvs_cursor *base)
{
    struct run_cursor *c = (struct run_cursor *)base;
    return c->block->ops->value_size(c->block, c->entry_index);
}

static void run_free(struct kvs_cursor *base)
{
    struct run_cursor *c = (struct run_cursor *)base;
    kvs_block_unref(c->block);
    kvs_table_index_unref(c->index);
    kvs_scratch_deinit(&c->scratch);
    sc_buf_deinit(&c->key);
    free(c);
}

static const struct kvs_cursor_ops run_ops = {
    .seek_ge = run_seek_ge,
    .seek_lt = run_seek_lt,
    .seek_last = run_seek_last,
    .next = run_next,
    .prev = run_prev,
    .value = run_value,
    .value_part = run_value_part,
    .value_size = run_value_size,
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
