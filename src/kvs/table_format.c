/* The table's bytes: parsing the index and the blocks. */
#include "kvs/pack.h"
#include "kvs/table_internal.h"

#define FILTER_PROBES_MAX 30

bool kvs_table_index_may_have(const struct kvs_table_index *index, struct sc_slice key)
{
    if (index->filter.size == 0)
        return true;
    const uint64_t hash = kvs_filter_hash(index->filter_seed, key);
    const uint8_t *line = index->filter.ptr + kvs_filter_line(hash, index->filter.size);
    for (uint32_t i = 0; i < index->filter_probes; i++) {
        const uint32_t bit = kvs_filter_bit(hash, i);
        if ((line[bit / 8] >> (bit % 8) & 1) == 0)
            return false;
    }
    return true;
}

/* The 8 bytes of key behind the first `skip`, zeros beyond its end: keeps the order of keys that share those. */
static uint64_t digest_of(struct sc_slice key, size_t skip)
{
    uint8_t be[8] = {0};
    const size_t n = key.size - skip < 8 ? key.size - skip : 8;
    memcpy(be, key.ptr + skip, n);
    return sc_load_u64be(be);
}

uint32_t kvs_table_index_seek(const struct kvs_table_index *index, struct sc_slice key)
{
    const size_t skip = index->shared_size;
    const size_t n = key.size < skip ? key.size : skip;
    const int c = memcmp(key.ptr, index->blocks[0].last_key.ptr, n);
    if (c != 0 || key.size < skip)
        return c > 0 ? index->block_count : 0;
    const uint64_t digest = digest_of(key, skip);
    uint32_t lo = 0, hi = index->block_count;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (index->digests[mid] < digest ||
            (index->digests[mid] == digest && sc_slice_cmp(index->blocks[mid].last_key, key) < 0))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- index: u64 filter seed, u8 probes, lv32 filter, u32 block count, block*;
 *      block = u32 stored size, u32 plain size, u8 codec, tag (16), lvar last key ---- */

static sc_err block_ref_get(struct sc_reader *r, struct kvs_block_ref *out)
{
    SC_TRY(sc_reader_get_u32be(r, &out->stored_size));
    SC_TRY(sc_reader_get_u32be(r, &out->plain_size));
    SC_TRY(sc_reader_get_u8(r, &out->codec));
    SC_TRY(sc_reader_copy(r, out->tag, sizeof out->tag));
    SC_TRY(sc_reader_get_lvar(r, &out->last_key));
    if (out->codec > KVS_CODEC_COLUMNS || out->plain_size > SC_BUF_SIZE_MAX || out->last_key.size == 0 ||
        (out->codec != KVS_CODEC_ROWS_ZSTD && out->plain_size != out->stored_size))
        return SC_E_MALFORMED;
    return SC_OK;
}

#define BLOCK_REF_WIRE_SIZE_MIN ((size_t)27)

static sc_err refs_parse(struct kvs_table_index *x, struct sc_reader *r, uint64_t blocks_size)
{
    uint64_t offset = KVS_HEADER_SIZE;
    for (uint32_t i = 0; i < x->block_count; i++) {
        struct kvs_block_ref *b = &x->blocks[i];
        SC_TRY(block_ref_get(r, b));
        b->offset = offset;
        offset += b->stored_size;
        if (i != 0 && sc_slice_cmp(x->blocks[i - 1].last_key, b->last_key) > 0) /* equal: versions of one key */
            return SC_E_MALFORMED;
    }
    SC_TRY(sc_reader_expect_end(r));
    return offset == blocks_size ? SC_OK : SC_E_MALFORMED;
}

static void digests_make(struct kvs_table_index *x)
{
    x->shared_size = sc_slice_shared(x->blocks[0].last_key, x->blocks[x->block_count - 1].last_key);
    for (uint32_t i = 0; i < x->block_count; i++)
        x->digests[i] = digest_of(x->blocks[i].last_key, x->shared_size);
}

static sc_err index_parse(struct kvs_table_index *x, uint64_t blocks_size)
{
    struct sc_reader r = sc_reader_of(sc_buf_slice(&x->plain));
    uint8_t probes;
    SC_TRY(sc_reader_get_u64be(&r, &x->filter_seed));
    SC_TRY(sc_reader_get_u8(&r, &probes));
    SC_TRY(sc_reader_get_lv32(&r, &x->filter));
    SC_TRY(sc_reader_get_u32be(&r, &x->block_count));
    x->filter_probes = probes;
    if (probes > FILTER_PROBES_MAX || x->filter.size % KVS_FILTER_LINE_SIZE != 0 || x->block_count == 0 ||
        x->block_count > sc_reader_left(&r) / BLOCK_REF_WIRE_SIZE_MIN)
        return SC_E_MALFORMED;
    x->blocks = calloc(x->block_count, sizeof *x->blocks);
    x->digests = calloc(x->block_count, sizeof *x->digests);
    if (x->blocks == NULL || x->digests == NULL)
        return SC_E_NOMEM;
    SC_TRY(refs_parse(x, &r, blocks_size));
    digests_make(x);
    x->cached.size = sizeof *x + x->plain.capacity + x->block_count * (sizeof *x->blocks + sizeof *x->digests);
    return SC_OK;
}

static void index_destroy(struct kvs_cached *c)
{
    struct kvs_table_index *x = (struct kvs_table_index *)c;
    sc_buf_deinit(&x->plain);
    free(x->blocks);
    free(x->digests);
    free(x);
}

sc_err kvs_table_index_parse(struct sc_buf *plain, uint64_t blocks_size, struct kvs_table_index **out)
{
    struct kvs_table_index *x = calloc(1, sizeof *x);
    if (x == NULL) {
        sc_buf_deinit(plain);
        return SC_E_NOMEM;
    }
    atomic_init(&x->cached.refs, 1);
    x->cached.destroy = index_destroy;
    x->plain = *plain;
    *plain = (struct sc_buf){0};
    const sc_err err = index_parse(x, blocks_size);
    if (err != SC_OK) {
        kvs_table_index_unref(x);
        return err;
    }
    *out = x;
    return SC_OK;
}

sc_err kvs_table_block_parse(const struct kvs_block_ref *ref, struct sc_buf *stored, struct kvs_block **out)
{
    if (ref->codec == KVS_CODEC_COLUMNS)
        return kvs_columns_parse(sc_buf_slice(stored), out);
    if (ref->codec == KVS_CODEC_ROWS)
        return kvs_rows_parse(stored, out);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    uint8_t *p = sc_buf_extend(&plain, ref->plain_size);
    if (p == NULL)
        return sc_buf_status(&plain);
    SC_TRY(kvs_unpack(sc_buf_slice(stored), p, ref->plain_size));
    return kvs_rows_parse(&plain, out);
}
