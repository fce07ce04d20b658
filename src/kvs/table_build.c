/* Building a table.  Entries are gathered to blocks of several times the block size, which is what columns want; those
 * that turn out too unlike are cut into blocks of rows of the block size. */
#include "kvs/pack.h"
#include "kvs/table_internal.h"

#define FILTER_BITS_PER_KEY 10
#define FILTER_PROBES       6
#define COLUMNS_FACTOR      4
#define COLUMNS_COUNT_MIN   8
#define COLUMNS_SKIP        7 /* blocks that are not tried as columns after one that did not fit */

struct kvs_table_builder {
    struct kvs_io *io;
    size_t block_size;
    struct kvs_id id;
    uint32_t key_id;
    struct sc_aead *aead;
    struct kvs_packer *packer;
    struct kvs_columns_builder *columns;
    struct kvs_rows_builder rows;
    size_t columns_skip;
    uint8_t *pending_bytes; /* keys and values of: */
    size_t pending_size, pending_capacity;
    struct kvs_entry *pending;
    size_t pending_count;
    struct sc_buf object; /* header and sealed blocks */
    struct sc_buf refs;   /* the index's block entries */
    struct sc_buf hashes; /* u64 each: of every key, for the filter */
    struct sc_buf packed; /* one block */
    uint64_t filter_seed;
    uint32_t block_count;
    struct sc_buf smallest, last_key;
    uint64_t last_seq, entry_count, seq_min, seq_max;
};

void kvs_table_builder_free(struct kvs_table_builder *b)
{
    if (b == NULL)
        return;
    sc_aead_free(b->aead);
    kvs_packer_free(b->packer);
    kvs_columns_builder_free(b->columns);
    kvs_rows_builder_deinit(&b->rows);
    free(b->pending_bytes);
    free(b->pending);
    sc_buf_deinit(&b->object);
    sc_buf_deinit(&b->refs);
    sc_buf_deinit(&b->hashes);
    sc_buf_deinit(&b->packed);
    sc_buf_deinit(&b->smallest);
    sc_buf_deinit(&b->last_key);
    free(b);
}

void kvs_table_builder_freep(struct kvs_table_builder **b)
{
    kvs_table_builder_free(*b);
}

sc_err kvs_table_builder_new(struct kvs_io *io, size_t block_size, struct kvs_table_builder **out)
{
    SC_CLEANUP(kvs_table_builder_freep) struct kvs_table_builder *b = calloc(1, sizeof *b);
    if (b == NULL)
        return SC_E_NOMEM;
    b->io = io;
    b->block_size = block_size;
    b->seq_min = UINT64_MAX;
    b->pending_capacity = COLUMNS_FACTOR * block_size + block_size;
    b->pending_bytes = malloc(b->pending_capacity);
    b->pending = calloc(KVS_COLUMNS_ROWS_MAX, sizeof *b->pending);
    if (b->pending_bytes == NULL || b->pending == NULL)
        return SC_E_NOMEM;
    SC_TRY(kvs_packer_new(&b->packer));
    SC_TRY(kvs_columns_builder_new(&b->columns));
    kvs_id_random(&b->id);
    b->key_id = kvs_io_newest_key(io);
    sc_random(&b->filter_seed, sizeof b->filter_seed);
    SC_TRY(kvs_io_aead(io, KVS_TABLE_PURPOSE, b->key_id, &b->id, &b->aead));
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

static sc_err block_put(struct kvs_table_builder *b, struct sc_slice bytes, size_t plain_size, uint8_t codec,
                        struct sc_slice last_key)
{
    uint8_t tag[SC_TAG_SIZE];
    SC_TRY(chunk_seal(b, KVS_TABLE_NONCE_BLOCK, b->block_count, bytes, tag));
    sc_buf_put_u32be(&b->refs, (uint32_t)bytes.size);
    sc_buf_put_u32be(&b->refs, (uint32_t)plain_size);
    sc_buf_put_u8(&b->refs, codec);
    sc_buf_put_bytes(&b->refs, sc_slice_of(tag, sizeof tag));
    sc_buf_put_lvar(&b->refs, last_key);
    b->block_count++;
    return sc_buf_status(&b->refs);
}

/* ---- blocks of rows ---- */

static sc_err rows_close(struct kvs_table_builder *b)
{
    if (b->rows.count == 0)
        return SC_OK;
    SC_TRY(sc_buf_status(&b->rows.body));
    bool packed;
    const struct sc_slice plain = sc_buf_slice(&b->rows.body);
    SC_TRY(kvs_pack(b->packer, plain, &b->packed, &packed));
    SC_TRY(block_put(b, packed ? sc_buf_slice(&b->packed) : plain, plain.size,
                     packed ? KVS_CODEC_ROWS_ZSTD : KVS_CODEC_ROWS, sc_buf_slice(&b->rows.last_key)));
    kvs_rows_builder_reset(&b->rows);
    return SC_OK;
}

static sc_err rows_add(struct kvs_table_builder *b, const struct kvs_entry *e)
{
    if (b->rows.count != 0 && b->rows.body.size + e->key.size + e->value.size > b->block_size + b->block_size / 4)
        SC_TRY(rows_close(b)); /* before a large entry rather than behind it */
    kvs_rows_builder_add(&b->rows, e);
    SC_TRY(sc_buf_status(&b->rows.body));
    return b->rows.body.size >= b->block_size || b->rows.keys_size >= 4 * b->block_size ? rows_close(b) : SC_OK;
}

/* ---- pending entries ---- */

static sc_err pending_as_columns(struct kvs_table_builder *b, bool *done_out)
{
    *done_out = false;
    if (b->pending_count < COLUMNS_COUNT_MIN)
        return SC_OK;
    if (b->columns_skip != 0) {
        b->columns_skip--;
        return SC_OK;
    }
    sc_buf_reset(&b->packed);
    SC_TRY(kvs_columns_encode(b->columns, b->pending, b->pending_count, &b->packed, done_out));
    if (!*done_out) {
        b->columns_skip = COLUMNS_SKIP;
        return SC_OK;
    }
    return block_put(b, sc_buf_slice(&b->packed), b->packed.size, KVS_CODEC_COLUMNS,
                     b->pending[b->pending_count - 1].key);
}

static sc_err pending_close(struct kvs_table_builder *b)
{
    bool done;
    if (b->pending_count == 0)
        return SC_OK;
    SC_TRY(pending_as_columns(b, &done));
    for (size_t i = 0; !done && i < b->pending_count; i++)
        SC_TRY(rows_add(b, &b->pending[i]));
    SC_TRY(rows_close(b));
    b->pending_count = 0;
    b->pending_size = 0;
    return SC_OK;
}

static struct sc_slice pending_copy(struct kvs_table_builder *b, struct sc_slice s)
{
    uint8_t *p = b->pending_bytes + b->pending_size;
    memcpy(p, s.ptr, s.size);
    b->pending_size += s.size;
    return (struct sc_slice){p, s.size};
}

static sc_err pending_add(struct kvs_table_builder *b, const struct kvs_entry *e)
{
    const size_t size = e->key.size + e->value.size;
    if (size > b->block_size) { /* large: a block of its own */
        SC_TRY(pending_close(b));
        SC_TRY(rows_add(b, e));
        return rows_close(b);
    }
    b->pending[b->pending_count++] = (struct kvs_entry){
        .key = pending_copy(b, e->key), .value = pending_copy(b, e->value), .seq = e->seq, .is_put = e->is_put};
    if (b->pending_count == KVS_COLUMNS_ROWS_MAX || b->pending_size >= COLUMNS_FACTOR * b->block_size)
        return pending_close(b);
    return SC_OK;
}

sc_err kvs_table_builder_add(struct kvs_table_builder *b, const struct kvs_entry *e)
{
    const int order = b->entry_count != 0 ? sc_slice_cmp(sc_buf_slice(&b->last_key), e->key) : -1;
    const bool new_key = order < 0;
    if (order > 0 || (order == 0 && e->seq >= b->last_seq))
        return SC_E_MALFORMED;
    b->last_seq = e->seq;
    if (b->entry_count++ == 0)
        sc_buf_put_bytes(&b->smallest, e->key);
    if (new_key) {
        const uint64_t hash = kvs_filter_hash(b->filter_seed, e->key);
        sc_buf_put_bytes(&b->hashes, sc_slice_of(&hash, sizeof hash));
        sc_buf_reset(&b->last_key);
        sc_buf_put_bytes(&b->last_key, e->key);
    }
    if (e->seq > b->seq_max)
        b->seq_max = e->seq;
    if (e->seq < b->seq_min)
        b->seq_min = e->seq;
    SC_TRY(sc_buf_status(&b->hashes));
    SC_TRY(sc_buf_status(&b->last_key));
    SC_TRY(sc_buf_status(&b->smallest));
    return pending_add(b, e);
}

size_t kvs_table_builder_size(const struct kvs_table_builder *b)
{
    return b->object.size;
}

struct sc_slice kvs_table_builder_last_key(const struct kvs_table_builder *b)
{
    return sc_buf_slice(&b->last_key);
}

/* ---- the end ---- */

static void filter_put(const struct kvs_table_builder *b, struct sc_buf *index)
{
    const size_t key_count = b->hashes.size / sizeof(uint64_t);
    const size_t line_bits = (size_t)KVS_FILTER_LINE_SIZE * 8;
    const size_t size = (key_count * FILTER_BITS_PER_KEY + line_bits - 1) / line_bits * KVS_FILTER_LINE_SIZE;
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
        uint8_t *line = bits + kvs_filter_line(hash, size);
        for (uint32_t i = 0; i < FILTER_PROBES; i++) {
            const uint32_t bit = kvs_filter_bit(hash, i);
            line[bit / 8] = (uint8_t)(line[bit / 8] | 1u << (bit % 8));
        }
    }
}

sc_err kvs_table_builder_finish(struct kvs_table_builder *b, struct kvs_table_meta *meta_out, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    struct kvs_table_meta meta = {
        .id = b->id, .key_id = b->key_id, .entry_count = b->entry_count, .seq_min = b->seq_min, .seq_max = b->seq_max};
    SC_ASSERT(b->entry_count != 0);
    SC_TRY(pending_close(b));
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
