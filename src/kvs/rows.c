/* Blocks of rows: unfolded when they are read, so that afterwards moving in one is arithmetic. */
#include "kvs/block.h"

struct slot {
    const uint8_t *key;
    const uint8_t *value;
    uint32_t key_size;
    uint32_t value_size;
    uint64_t word;
};
struct rows {
    struct kvs_block base;
    struct sc_buf plain;
    uint8_t *keys; /* keys that share bytes with their neighbour, unfolded */
    struct slot slots[];
};

void kvs_scratch_deinit(struct kvs_scratch *s)
{
    sc_buf_deinit(&s->key);
    sc_buf_deinit(&s->value);
}

void kvs_rows_builder_reset(struct kvs_rows_builder *b)
{
    sc_buf_reset(&b->body);
    sc_buf_reset(&b->last_key);
    b->last_seq = 0;
    b->count = 0;
    b->keys_size = 0;
}

void kvs_rows_builder_deinit(struct kvs_rows_builder *b)
{
    sc_buf_deinit(&b->body);
    sc_buf_deinit(&b->last_key);
}

void kvs_rows_builder_add(struct kvs_rows_builder *b, const struct kvs_entry *e)
{
    const struct sc_slice last = sc_buf_slice(&b->last_key);
    SC_ASSERT(b->count == 0 || kvs_entry_cmp(last, b->last_seq, e->key, e->seq) < 0);
    const size_t shared = sc_slice_shared(last, e->key);
    sc_buf_put_varint(&b->body, shared);
    sc_buf_put_lvar(&b->body, sc_slice_of(e->key.ptr + shared, e->key.size - shared));
    sc_buf_put_varint(&b->body, kvs_entry_word(e->seq, e->is_put));
    sc_buf_put_lvar(&b->body, e->value);
    b->last_key.size = shared;
    sc_buf_put_bytes(&b->last_key, sc_slice_of(e->key.ptr + shared, e->key.size - shared));
    if (b->last_key.failed != SC_OK)
        b->body.failed = b->last_key.failed;
    b->last_seq = e->seq;
    b->count++;
    b->keys_size += e->key.size;
}

struct wire_entry {
    uint64_t shared, word;
    struct sc_slice rest, value;
};

static sc_err wire_entry_get(struct sc_reader *r, size_t last_key_size, struct wire_entry *out)
{
    SC_TRY(sc_reader_get_varint(r, &out->shared));
    SC_TRY(sc_reader_get_lvar(r, &out->rest));
    SC_TRY(sc_reader_get_varint(r, &out->word));
    SC_TRY(sc_reader_get_lvar(r, &out->value));
    if (out->shared > last_key_size || out->rest.size > UINT32_MAX || out->value.size > UINT32_MAX ||
        out->shared + out->rest.size == 0 || ((out->word & 1) == 0 && out->value.size != 0))
        return SC_E_MALFORMED;
    return SC_OK;
}

/* First pass: is it entries and nothing else, how many, and how large do the keys unfold? */
static sc_err measure(struct sc_slice plain, size_t *count_out, size_t *keys_size_out)
{
    struct sc_reader r = sc_reader_of(plain);
    size_t count = 0, keys_size = 0, last_key_size = 0;
    while (sc_reader_left(&r) != 0) {
        struct wire_entry w;
        SC_TRY(wire_entry_get(&r, last_key_size, &w));
        last_key_size = (size_t)w.shared + w.rest.size;
        if (w.shared != 0)
            keys_size += last_key_size;
        if (keys_size > KVS_BLOCK_KEYS_SIZE_MAX)
            return SC_E_MALFORMED;
        count++;
    }
    *count_out = count;
    *keys_size_out = keys_size;
    return count != 0 ? SC_OK : SC_E_MALFORMED;
}

static sc_err fill(struct rows *b)
{
    struct sc_reader r = sc_reader_of(sc_buf_slice(&b->plain));
    struct sc_slice last = SC_SLICE_EMPTY;
    uint8_t *unfold = b->keys;
    for (size_t i = 0; i < b->base.count; i++) {
        struct wire_entry w;
        SC_TRY(wire_entry_get(&r, last.size, &w));
        struct sc_slice key = w.rest;
        if (w.shared != 0) {
            key = (struct sc_slice){unfold, (size_t)w.shared + w.rest.size};
            memcpy(unfold, last.ptr, (size_t)w.shared);
            memcpy(unfold + w.shared, w.rest.ptr, w.rest.size);
            unfold += key.size;
        }
        if (i != 0 && kvs_entry_cmp(last, b->slots[i - 1].word >> 1, key, w.word >> 1) >= 0)
            return SC_E_MALFORMED;
        if (i != 0 && sc_slice_eq(last, key))
            b->base.distinct = false;
        if (w.word >> 1 > b->base.seq_max)
            b->base.seq_max = w.word >> 1;
        b->slots[i] = (struct slot){key.ptr, w.value.ptr, (uint32_t)key.size, (uint32_t)w.value.size, w.word};
        last = key;
    }
    return SC_OK;
}

/* ---- ownership ---- */

static void rows_destroy(struct kvs_cached *c)
{
    struct rows *b = (struct rows *)c;
    sc_buf_deinit(&b->plain);
    free(b->keys);
    free(b);
}

/* ---- reading ---- */

static void rows_head(const struct kvs_block *base, size_t index, struct kvs_scratch *scratch, struct kvs_entry *out)
{
    (void)scratch;
    const struct slot *s = &((const struct rows *)base)->slots[index];
    out->key = (struct sc_slice){s->key, s->key_size};
    out->seq = s->word >> 1;
    out->is_put = (s->word & 1) != 0;
}

static struct sc_slice rows_value(const struct kvs_block *base, size_t index, struct kvs_scratch *scratch)
{
    (void)scratch;
    const struct slot *s = &((const struct rows *)base)->slots[index];
    return (struct sc_slice){s->value, s->value_size};
}

static struct sc_slice rows_value_part(const struct kvs_block *base, size_t index, size_t offset, size_t size,
                                       struct kvs_scratch *scratch)
{
    (void)scratch;
    return (struct sc_slice){((const struct rows *)base)->slots[index].value + offset, size};
}

static size_t rows_value_size(const struct kvs_block *base, size_t index)
{
    return ((const struct rows *)base)->slots[index].value_size;
}

static bool rows_match(const struct kvs_block *base, size_t index, struct sc_slice key, uint64_t *seq_out,
                       bool *is_put_out)
{
    const struct slot *s = &((const struct rows *)base)->slots[index];
    *seq_out = s->word >> 1;
    *is_put_out = (s->word & 1) != 0;
    return sc_slice_eq((struct sc_slice){s->key, s->key_size}, key);
}

static void rows_value_copy(const struct kvs_block *base, size_t index, uint8_t *out)
{
    const struct slot *s = &((const struct rows *)base)->slots[index];
    memcpy(out, s->value, s->value_size);
}

static size_t rows_seek(const struct kvs_block *base, struct sc_slice key, uint64_t seq)
{
    const struct rows *b = (const struct rows *)base;
    size_t lo = 0, hi = base->count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const struct slot *s = &b->slots[mid];
        if (kvs_entry_cmp((struct sc_slice){s->key, s->key_size}, s->word >> 1, key, seq) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static sc_err rows_enter(const struct kvs_block *b, struct kvs_scratch *s)
{
    (void)b;
    (void)s;
    return SC_OK;
}

static const struct kvs_block_ops rows_ops = {
    .head = rows_head,
    .value = rows_value,
    .value_part = rows_value_part,
    .value_size = rows_value_size,
    .seek = rows_seek,
    .match = rows_match,
    .value_copy = rows_value_copy,
    .enter = rows_enter,
};

sc_err kvs_rows_parse(struct sc_buf *plain, struct kvs_block **out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf mine = *plain;
    *plain = (struct sc_buf){0};
    size_t count, keys_size;
    SC_TRY(measure(sc_buf_slice(&mine), &count, &keys_size));
    struct rows *b = calloc(1, sizeof *b + count * sizeof(struct slot));
    if (b == NULL)
        return SC_E_NOMEM;
    atomic_init(&b->base.cached.refs, 1);
    b->base.cached.destroy = rows_destroy;
    b->base.cached.size = sizeof *b + count * sizeof(struct slot) + mine.capacity + keys_size;
    b->base.ops = &rows_ops;
    b->base.count = count;
    b->base.distinct = true;
    b->plain = mine;
    mine = (struct sc_buf){0};
    b->keys = keys_size != 0 ? malloc(keys_size) : NULL;
    const sc_err err = b->keys == NULL && keys_size != 0 ? SC_E_NOMEM : fill(b);
    if (err != SC_OK) {
        rows_destroy(&b->base.cached);
        return err;
    }
    *out = &b->base;
    return SC_OK;
}
