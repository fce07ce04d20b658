/* The table's bytes: building them, and parsing the index. */
#include "kvs/table.h"

#include <pthread.h>
#include <zstd.h>

#define FILTER_BITS_PER_KEY 10
#define FILTER_PROBES       7 /* ln 2 * bits per key */
#define FILTER_PROBES_MAX   30
#define ZSTD_LEVEL          1

/* Seeded so that nobody can choose keys that collide: FNV-1a over words, finished as in MurmurHash3 (Appleby). */
static uint64_t filter_hash(uint64_t seed, struct sc_slice key)
{
    uint64_t h = seed ^ (key.size * UINT64_C(0x9e3779b97f4a7c15));
    size_t i = 0;
    for (; i + 8 <= key.size; i += 8) {
        uint64_t w;
        memcpy(&w, key.ptr + i, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    for (; i < key.size; i++)
        h = (h ^ key.ptr[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

/* Bit of probe i by double hashing (Kirsch & Mitzenmacher 2006). */
static uint64_t filter_bit(uint64_t hash, uint32_t i, uint64_t bit_count)
{
    const uint64_t step = (hash >> 17 | hash << 47) | 1;
    return (hash + i * step) % bit_count;
}

bool kvs_table_index_may_have(const struct kvs_table_index *index, struct sc_slice key)
{
    const uint64_t bit_count = (uint64_t)index->filter.size * 8;
    if (bit_count == 0)
        return true;
    const uint64_t hash = filter_hash(index->filter_seed, key);
    for (uint32_t i = 0; i < index->filter_probes; i++) {
        const uint64_t bit = filter_bit(hash, i, bit_count);
        if ((index->filter.ptr[bit / 8] >> (bit % 8) & 1) == 0)
            return false;
    }
    return true;
}

uint32_t kvs_table_index_seek(const struct kvs_table_index *index, struct sc_slice key)
{
    uint32_t lo = 0, hi = index->block_count;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (sc_slice_cmp(index->blocks[mid].last_key, key) < 0)
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
    if (out->codec > KVS_CODEC_ZSTD || out->plain_size > SC_BUF_SIZE_MAX || out->last_key.size == 0 ||
        (out->codec == KVS_CODEC_PLAIN && out->plain_size != out->stored_size))
        return SC_E_MALFORMED;
    return SC_OK;
}

#define BLOCK_REF_WIRE_SIZE_MIN ((size_t)27)

static sc_err index_parse(struct kvs_table_index *x, uint64_t blocks_size)
{
    struct sc_reader r = sc_reader_of(sc_buf_slice(&x->plain));
    uint8_t probes;
    SC_TRY(sc_reader_get_u64be(&r, &x->filter_seed));
    SC_TRY(sc_reader_get_u8(&r, &probes));
    SC_TRY(sc_reader_get_lv32(&r, &x->filter));
    SC_TRY(sc_reader_get_u32be(&r, &x->block_count));
    x->filter_probes = probes;
    if (probes > FILTER_PROBES_MAX || x->block_count == 0 ||
        x->block_count > sc_reader_left(&r) / BLOCK_REF_WIRE_SIZE_MIN)
        return SC_E_MALFORMED;
    x->blocks = calloc(x->block_count, sizeof *x->blocks);
    if (x->blocks == NULL)
        return SC_E_NOMEM;
    uint64_t offset = KVS_HEADER_SIZE;
    for (uint32_t i = 0; i < x->block_count; i++) {
        struct kvs_block_ref *b = &x->blocks[i];
        SC_TRY(block_ref_get(&r, b));
        b->offset = offset;
        offset += b->stored_size;
        if (i != 0 && sc_slice_cmp(x->blocks[i - 1].last_key, b->last_key) > 0) /* equal: versions of one key */
            return SC_E_MALFORMED;
    }
    SC_TRY(sc_reader_expect_end(&r));
    return offset == blocks_size ? SC_OK : SC_E_MALFORMED;
}

sc_err kvs_table_index_parse(struct sc_buf *plain, uint64_t blocks_size, struct kvs_table_index *out)
{
    struct kvs_table_index x = {.plain = *plain};
    *plain = (struct sc_buf){0};
    const sc_err err = index_parse(&x, blocks_size);
    if (err != SC_OK) {
        kvs_table_index_deinit(&x);
        return err;
    }
    *out = x;
    return SC_OK;
}

void kvs_table_index_deinit(struct kvs_table_index *x)
{
    if (x == NULL)
        return;
    sc_buf_deinit(&x->plain);
    free(x->blocks);
    *x = (struct kvs_table_index){0};
}

/* A decompression context weighs 160 KiB: making one for each 8 KiB block costs more than the block.  So a few idle
 * ones are kept for the life of the process, shared by all volumes. */
#define IDLE_MAX 8
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static ZSTD_DCtx *idle[IDLE_MAX];
static size_t idle_count;

static ZSTD_DCtx *dctx_take(void)
{
    pthread_mutex_lock(&idle_lock);
    ZSTD_DCtx *dctx = idle_count != 0 ? idle[--idle_count] : NULL;
    pthread_mutex_unlock(&idle_lock);
    return dctx != NULL ? dctx : ZSTD_createDCtx();
}

static void dctx_give(ZSTD_DCtx *dctx)
{
    pthread_mutex_lock(&idle_lock);
    if (idle_count < IDLE_MAX)
        idle[idle_count++] = SC_TAKE(dctx);
    pthread_mutex_unlock(&idle_lock);
    ZSTD_freeDCtx(dctx); /* NULL is fine */
}

sc_err kvs_table_block_decode(const struct kvs_block_ref *ref, struct sc_buf *stored, struct sc_buf *plain_out)
{
    if (ref->codec == KVS_CODEC_PLAIN) {
        *plain_out = *stored;
        *stored = (struct sc_buf){0};
        return SC_OK;
    }
    uint8_t *p = sc_buf_extend(plain_out, ref->plain_size);
    if (p == NULL)
        return sc_buf_status(plain_out);
    ZSTD_DCtx *dctx = dctx_take();
    if (dctx == NULL)
        return SC_E_NOMEM;
    const size_t n = ZSTD_decompressDCtx(dctx, p, ref->plain_size, stored->ptr, stored->size);
    dctx_give(dctx);
    return ZSTD_isError(n) || n != ref->plain_size ? SC_E_MALFORMED : SC_OK;
}

/* ---- building ---- */

struct kvs_table_builder {
    const struct kvs_io *io;
    size_t block_size;
    struct kvs_id id;
    struct sc_aead *aead;
    struct kvs_block_builder block;
    struct sc_buf object; /* header and sealed blocks */
    struct sc_buf refs;   /* the index's block entries */
    struct sc_buf hashes; /* u64 each: of every key, for the filter */
    struct sc_buf packed; /* one compressed block */
    ZSTD_CCtx *zstd;
    uint64_t filter_seed;
    uint32_t block_count;
    struct sc_buf smallest, last_key;
    uint64_t entry_count, seq_max;
};

void kvs_table_builder_free(struct kvs_table_builder *b)
{
    if (b == NULL)
        return;
    sc_aead_free(b->aead);
    kvs_block_builder_deinit(&b->block);
    sc_buf_deinit(&b->object);
    sc_buf_deinit(&b->refs);
    sc_buf_deinit(&b->hashes);
    sc_buf_deinit(&b->packed);
    ZSTD_freeCCtx(b->zstd);
    sc_buf_deinit(&b->smallest);
    sc_buf_deinit(&b->last_key);
    free(b);
}

void kvs_table_builder_freep(struct kvs_table_builder **b)
{
    kvs_table_builder_free(*b);
}

sc_err kvs_table_builder_new(const struct kvs_io *io, size_t block_size, struct kvs_table_builder **out)
{
    SC_CLEANUP(kvs_table_builder_freep) struct kvs_table_builder *b = calloc(1, sizeof *b);
    if (b == NULL || (b->zstd = ZSTD_createCCtx()) == NULL)
        return SC_E_NOMEM;
    b->io = io;
    b->block_size = block_size;
    kvs_id_random(&b->id);
    sc_random(&b->filter_seed, sizeof b->filter_seed);
    SC_TRY(kvs_io_aead(io, KVS_TABLE_PURPOSE, &b->id, &b->aead));
    uint8_t *header = sc_buf_extend(&b->object, KVS_HEADER_SIZE);
    if (header == NULL)
        return SC_E_NOMEM;
    kvs_header_make(header, KVS_MAGIC_TABLE);
    *out = SC_TAKE(b);
    return SC_OK;
}

/* Seals bytes at the object's end. */
static sc_err chunk_seal(struct kvs_table_builder *b, uint32_t nonce_prefix, uint64_t nonce_count,
                         struct sc_slice bytes, uint8_t tag_out[static SC_TAG_SIZE])
{
    uint8_t nonce[SC_NONCE_SIZE];
    uint8_t header[KVS_HEADER_SIZE];
    kvs_header_make(header, KVS_MAGIC_TABLE);
    sc_nonce_make(nonce, nonce_prefix, nonce_count);
    uint8_t *p = sc_buf_extend(&b->object, bytes.size);
    if (p == NULL)
        return sc_buf_status(&b->object);
    return sc_aead_seal(b->aead, nonce, sc_slice_of(header, sizeof header), bytes, p, tag_out);
}

/* Compressed if that saves at least an eighth. */
static sc_err block_pack(struct kvs_table_builder *b, struct sc_slice *bytes_out, uint8_t *codec_out)
{
    const struct sc_slice plain = sc_buf_slice(&b->block.body);
    *bytes_out = plain;
    *codec_out = KVS_CODEC_PLAIN;
    const size_t bound = ZSTD_compressBound(plain.size);
    sc_buf_reset(&b->packed);
    uint8_t *p = sc_buf_extend(&b->packed, bound);
    if (p == NULL)
        return sc_buf_status(&b->packed);
    const size_t n = ZSTD_compressCCtx(b->zstd, p, bound, plain.ptr, plain.size, ZSTD_LEVEL);
    if (!ZSTD_isError(n) && n < plain.size - plain.size / 8) {
        *bytes_out = sc_slice_of(p, n);
        *codec_out = KVS_CODEC_ZSTD;
    }
    return SC_OK;
}

static sc_err block_close(struct kvs_table_builder *b)
{
    if (b->block.count == 0)
        return SC_OK;
    SC_TRY(sc_buf_status(&b->block.body));
    struct sc_slice bytes;
    uint8_t codec;
    uint8_t tag[SC_TAG_SIZE];
    SC_TRY(block_pack(b, &bytes, &codec));
    SC_TRY(chunk_seal(b, KVS_TABLE_NONCE_BLOCK, b->block_count, bytes, tag));
    sc_buf_put_u32be(&b->refs, (uint32_t)bytes.size);
    sc_buf_put_u32be(&b->refs, (uint32_t)b->block.body.size);
    sc_buf_put_u8(&b->refs, codec);
    sc_buf_put_bytes(&b->refs, sc_slice_of(tag, sizeof tag));
    sc_buf_put_lvar(&b->refs, sc_buf_slice(&b->block.last_key));
    b->block_count++;
    kvs_block_builder_reset(&b->block);
    return sc_buf_status(&b->refs);
}

sc_err kvs_table_builder_add(struct kvs_table_builder *b, const struct kvs_entry *e)
{
    const bool new_key = b->entry_count == 0 || !sc_slice_eq(sc_buf_slice(&b->last_key), e->key);
    if (b->block.count != 0 && b->block.body.size + e->key.size + e->value.size > b->block_size + b->block_size / 4)
        SC_TRY(block_close(b)); /* before a large entry rather than behind it */
    kvs_block_builder_add(&b->block, e);
    SC_TRY(sc_buf_status(&b->block.body));
    if (b->entry_count++ == 0)
        sc_buf_put_bytes(&b->smallest, e->key);
    if (new_key) {
        const uint64_t hash = filter_hash(b->filter_seed, e->key);
        sc_buf_put_bytes(&b->hashes, sc_slice_of(&hash, sizeof hash));
        sc_buf_reset(&b->last_key);
        sc_buf_put_bytes(&b->last_key, e->key);
    }
    if (e->seq > b->seq_max)
        b->seq_max = e->seq;
    SC_TRY(sc_buf_status(&b->hashes));
    SC_TRY(sc_buf_status(&b->last_key));
    SC_TRY(sc_buf_status(&b->smallest));
    if (b->block.body.size >= b->block_size || b->block.keys_size >= 4 * b->block_size)
        return block_close(b);
    return SC_OK;
}

size_t kvs_table_builder_size(const struct kvs_table_builder *b)
{
    return b->object.size + b->block.body.size;
}

static void filter_put(const struct kvs_table_builder *b, struct sc_buf *index)
{
    const size_t key_count = b->hashes.size / sizeof(uint64_t);
    const size_t size = (key_count * FILTER_BITS_PER_KEY + 63) / 64 * 8;
    sc_buf_put_u64be(index, b->filter_seed);
    sc_buf_put_u8(index, FILTER_PROBES);
    sc_buf_put_u32be(index, (uint32_t)size);
    uint8_t *bits = sc_buf_extend(index, size);
    if (bits == NULL)
        return;
    memset(bits, 0, size);
    for (size_t k = 0; k < key_count; k++) {
        uint64_t hash;
        memcpy(&hash, b->hashes.ptr + k * sizeof hash, sizeof hash);
        for (uint32_t i = 0; i < FILTER_PROBES; i++) {
            const uint64_t bit = filter_bit(hash, i, (uint64_t)size * 8);
            bits[bit / 8] = (uint8_t)(bits[bit / 8] | 1u << (bit % 8));
        }
    }
}

sc_err kvs_table_builder_finish(struct kvs_table_builder *b, struct kvs_table_meta *meta_out, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    struct kvs_table_meta meta = {.id = b->id, .entry_count = b->entry_count, .seq_max = b->seq_max};
    SC_ASSERT(b->entry_count != 0);
    SC_TRY(block_close(b));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf index = {0};
    filter_put(b, &index);
    sc_buf_put_u32be(&index, b->block_count);
    sc_buf_put_bytes(&index, sc_buf_slice(&b->refs));
    SC_TRY(sc_buf_status(&index));
    SC_TRY(chunk_seal(b, KVS_TABLE_NONCE_INDEX, 0, sc_buf_slice(&index), meta.index_tag));
    SC_TRY(b->io->store->ops->put(b->io->store, kvs_id_name(&b->id, name), sc_buf_slice(&b->object), diag));
    meta.size = b->object.size;
    meta.index_size = (uint32_t)index.size;
    meta.smallest = sc_buf_slice(&b->smallest);
    meta.largest = sc_buf_slice(&b->last_key);
    *meta_out = meta;
    return SC_OK;
}
