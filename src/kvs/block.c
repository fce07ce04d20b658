#include "kvs/block.h"

#include <stdatomic.h>

struct slot {
    const uint8_t *key;
    const uint8_t *value;
    uint32_t key_size;
    uint32_t value_size;
    uint64_t word;
};
struct kvs_block {
    atomic_uint refs;
    struct sc_buf plain;
    uint8_t *keys; /* keys that share bytes with their neighbour, unfolded */
    size_t keys_size;
    size_t count;
    struct slot slots[];
};

void kvs_block_builder_reset(struct kvs_block_builder *b)
{
    sc_buf_reset(&b->body);
    sc_buf_reset(&b->last_key);
    b->last_seq = 0;
    b->count = 0;
    b->keys_size = 0;
}

void kvs_block_builder_deinit(struct kvs_block_builder *b)
{
    sc_buf_deinit(&b->body);
    sc_buf_deinit(&b->last_key);
}

static size_t shared_size(struct sc_slice a, struct sc_slice b)
{
    const size_t n = a.size < b.size ? a.size : b.size;
    size_t i = 0;
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

void kvs_block_builder_add(struct kvs_block_builder *b, const struct kvs_entry *e)
{
    const struct sc_slice last = sc_buf_slice(&b->last_key);
    SC_ASSERT(b->count == 0 || kvs_entry_cmp(last, b->last_seq, e->key, e->seq) < 0);
    const size_t shared = shared_size(last, e->key);
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

static sc_err fill(struct kvs_block *b)
{
    struct sc_reader r = sc_reader_of(sc_buf_slice(&b->plain));
    struct sc_slice last = SC_SLICE_EMPTY;
    uint8_t *unfold = b->keys;
    for (size_t i = 0; i < b->count; i++) {
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
        b->slots[i] = (struct slot){key.ptr, w.value.ptr, (uint32_t)key.size, (uint32_t)w.value.size, w.word};
        last = key;
    }
    return SC_OK;
}

sc_err kvs_block_parse(struct sc_buf *plain, struct kvs_block **out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf mine = *plain;
    *plain = (struct sc_buf){0};
    size_t count, keys_size;
    SC_TRY(measure(sc_buf_slice(&mine), &count, &keys_size));
    struct kvs_block *b = calloc(1, sizeof *b + count * sizeof(struct slot));
    if (b == NULL)
        return SC_E_NOMEM;
    atomic_init(&b->refs, 1);
    b->plain = mine;
    mine = (struct sc_buf){0};
    b->count = count;
    b->keys_size = keys_size;
    b->keys = keys_size != 0 ? malloc(keys_size) : NULL;
    const sc_err err = b->keys == NULL && keys_size != 0 ? SC_E_NOMEM : fill(b);
    if (err != SC_OK) {
        kvs_block_unref(b);
        return err;
    }
    *out = b;
    return SC_OK;
}

struct kvs_block *kvs_block_ref(struct kvs_block *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void kvs_block_unref(struct kvs_block *b)
{
    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    sc_buf_deinit(&b->plain);
    free(b->keys);
    free(b);
}

size_t kvs_block_size(const struct kvs_block *b)
{
    return sizeof *b + b->count * sizeof(struct slot) + b->plain.capacity + b->keys_size;
}

size_t kvs_block_count(const struct kvs_block *b)
{
    return b->count;
}

void kvs_block_entry(const struct kvs_block *b, size_t index, struct kvs_entry *out)
{
    const struct slot *s = &b->slots[index];
    *out = (struct kvs_entry){
        .key = {s->key, s->key_size},
        .value = {s->value, s->value_size},
        .seq = s->word >> 1,
        .is_put = (s->word & 1) != 0,
    };
}

size_t kvs_block_seek(const struct kvs_block *b, struct sc_slice key, uint64_t seq)
{
    size_t lo = 0, hi = b->count;
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
