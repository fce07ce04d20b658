/* A table's parts after decryption; the first byte says which: block of rows, index, block of columns. */
#include "kvs/table.h"

static void fuzz_rows(struct sc_buf *plain)
{
    struct kvs_block *b;
    if (kvs_rows_parse(plain, &b) != SC_OK)
        return;
    struct kvs_entry e;
    for (size_t i = 0; i < b->count; i++) {
        b->ops->head(b, i, NULL, &e);
        SC_ASSERT(b->ops->seek(b, e.key, e.seq) == i);
    }
    kvs_block_unref(b);
}

/* Whatever the order of its keys, every entry can be read and stays within its bounds. */
static void fuzz_columns(struct sc_buf *plain)
{
    struct kvs_block *b;
    struct kvs_scratch s = { 0 };
    if (kvs_columns_parse(sc_buf_slice(plain), &b) != SC_OK)
        return;
    SC_ASSERT(b->ops->enter(b, &s) == SC_OK);
    for (size_t i = 0; i < b->count; i++) {
        struct kvs_entry e;
        uint64_t seq;
        bool is_put;
        b->ops->head(b, i, &s, &e);
        SC_ASSERT(b->ops->match(b, i, e.key, &seq, &is_put) && seq == e.seq);
        SC_ASSERT(b->ops->seek(b, e.key, e.seq) <= b->count);
        if (!e.is_put)
            continue;
        const struct sc_slice value = b->ops->value(b, i, &s);
        SC_ASSERT(value.size == b->ops->value_size(b, i));
        for (size_t from = 0; from < value.size; from += 7)
            (void)b->ops->value_part(b, i, from, value.size - from < 9 ? value.size - from : 9, &s);
    }
    kvs_scratch_deinit(&s);
    kvs_block_unref(b);
}

static void fuzz_index(struct sc_buf *plain, uint64_t blocks_size)
{
    struct kvs_table_index *x;
    if (kvs_table_index_parse(plain, blocks_size, &x) != SC_OK)
        return;
    for (uint32_t i = 0; i < x->block_count; i++) {
        SC_ASSERT(kvs_table_index_seek(x, x->blocks[i].last_key) <= i);
        if (kvs_table_index_may_have(x, x->blocks[i].last_key))
            continue;
    }
    kvs_table_index_unref(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct sc_buf plain = { 0 };
    sc_buf_put_bytes(&plain, sc_slice_of(data + 3, size - 3));
    if (data[0] % 3 == 0)
        fuzz_rows(&plain);
    else if (data[0] % 3 == 1)
        fuzz_index(&plain, (uint64_t)data[1] << 8 | data[2]);
    else
        fuzz_columns(&plain);
    sc_buf_deinit(&plain);
    return 0;
}
