/* A table's block (first byte even) or index (odd) after decryption. */
#include "kvs/table.h"

static void fuzz_block(struct sc_buf *plain)
{
    struct kvs_block *b;
    if (kvs_block_parse(plain, &b) != SC_OK)
        return;
    struct kvs_entry e;
    for (size_t i = 0; i < kvs_block_count(b); i++) {
        kvs_block_entry(b, i, &e);
        SC_ASSERT(kvs_block_seek(b, e.key, e.seq) == i);
    }
    kvs_block_unref(b);
}

static void fuzz_index(struct sc_buf *plain, uint64_t blocks_size)
{
    struct kvs_table_index x;
    if (kvs_table_index_parse(plain, blocks_size, &x) != SC_OK)
        return;
    for (uint32_t i = 0; i < x.block_count; i++) {
        SC_ASSERT(kvs_table_index_seek(&x, x.blocks[i].last_key) <= i);
        if (kvs_table_index_may_have(&x, x.blocks[i].last_key))
            continue;
    }
    kvs_table_index_deinit(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct sc_buf plain = { 0 };
    sc_buf_put_bytes(&plain, sc_slice_of(data + 3, size - 3));
    if (data[0] % 2 == 0)
        fuzz_block(&plain);
    else
        fuzz_index(&plain, (uint64_t)data[1] << 8 | data[2]);
    sc_buf_deinit(&plain);
    return 0;
}
