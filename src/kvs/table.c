#include "kvs/table.h"

#include "kvs/garbage.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

struct kvs_table {
    atomic_uint refs;
    atomic_bool obsolete;
    uint64_t number; /* unique in the process: the cache's name for it */
    struct kvs_io *io;
    struct kvs_cache *cache;
    struct kvs_garbage *garbage;
    struct kvs_table_meta meta;
    struct sc_buf keys;   /* meta's */
    pthread_mutex_t lock; /* guards aead */
    struct sc_aead *aead; /* made at once: its data key may be gone later */
};

#define PART_INDEX UINT32_MAX /* the cache's name for the index; blocks have their number */

static _Atomic uint64_t next_number = 1;

sc_err kvs_table_new(struct kvs_io *io, const struct kvs_table_meta *meta, struct kvs_cache *cache,
                     struct kvs_garbage *garbage, struct kvs_table **out)
{
    struct kvs_table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return SC_E_NOMEM;
    atomic_init(&t->refs, 1);
    t->number = atomic_fetch_add(&next_number, 1);
    t->io = io;
    t->cache = cache;
    t->garbage = garbage;
    t->meta = *meta;
    pthread_mutex_init(&t->lock, NULL);
    sc_buf_put_bytes(&t->keys, meta->smallest);
    sc_buf_put_bytes(&t->keys, meta->largest);
    sc_err err = sc_buf_status(&t->keys);
    if (err == SC_OK)
        err = kvs_io_aead(io, KVS_TABLE_PURPOSE, meta->key_id, &meta->id, &t->aead);
    if (err != SC_OK) {
        kvs_table_unref(t);
        return err;
    }
    t->meta.smallest = sc_slice_of(t->keys.ptr, meta->smallest.size);
    t->meta.largest = sc_slice_of(t->keys.ptr + meta->smallest.size, meta->largest.size);
    *out = t;
    return SC_OK;
}

struct kvs_table *kvs_table_ref(struct kvs_table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void kvs_table_unref(struct kvs_table *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (atomic_load(&t->obsolete))
        kvs_garbage_add(t->garbage, &t->meta.id);
    sc_aead_free(t->aead);
    sc_buf_deinit(&t->keys);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

const struct kvs_table_meta *kvs_table_meta(const struct kvs_table *t)
{
    return &t->meta;
}

size_t kvs_tables_seek(struct kvs_table *const *tables, size_t count, struct sc_slice key)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (sc_slice_cmp(tables[mid]->meta.largest, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void kvs_table_obsolete(struct kvs_table *t)
{
    atomic_store(&t->obsolete, true);
}

/* Opens [offset, offset + size), read into bytes, in place. */
static sc_err chunk_open(struct kvs_table *t, uint32_t nonce_prefix, uint64_t nonce_count, uint64_t offset,
                         const uint8_t tag[static SC_TAG_SIZE], uint8_t *bytes, size_t size, struct sc_diag *diag)
{
    uint8_t nonce[SC_NONCE_SIZE];
    uint8_t header[KVS_HEADER_SIZE];
    kvs_header_make(header, KVS_MAGIC_TABLE);
    sc_nonce_make(nonce, nonce_prefix, nonce_count);
    pthread_mutex_lock(&t->lock);
    const sc_err err =
        sc_aead_open(t->aead, nonce, sc_slice_of(header, sizeof header), sc_slice_of(bytes, size), tag, bytes);
    pthread_mutex_unlock(&t->lock);
    return err == SC_E_AUTH ? kvs_io_not_ours(diag, &t->meta.id, offset, size, "not authentic") : err;
}

/* Genuine, and yet not what the format says: our own mistake, or another program with our key. */
static sc_err malformed(const struct kvs_table *t, uint64_t offset, uint64_t size, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    return sc_fail(diag, SC_E_MALFORMED, "object %s, bytes [%" PRIu64 ", %" PRIu64 "): malformed",
                   kvs_id_name(&t->meta.id, name), offset, offset + size);
}

static sc_err header_check(struct kvs_table *t, struct sc_diag *diag)
{
    uint8_t header[KVS_HEADER_SIZE];
    uint8_t expected[KVS_HEADER_SIZE];
    uint64_t size;
    SC_TRY(kvs_io_size(t->io, &t->meta.id, &size, diag));
    if (size != t->meta.size)
        return kvs_io_not_ours(diag, &t->meta.id, 0, size, "wrong size");
    SC_TRY(kvs_io_get(t->io, &t->meta.id, 0, sizeof header, header, diag));
    kvs_header_make(expected, KVS_MAGIC_TABLE);
    if (memcmp(header, expected, sizeof header) != 0)
        return kvs_io_not_ours(diag, &t->meta.id, 0, sizeof header, "wrong header or version");
    return SC_OK;
}

static sc_err index_read(struct kvs_table *t, struct kvs_table_index **out, struct sc_diag *diag)
{
    SC_TRY(header_check(t, diag));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    const uint64_t offset = t->meta.size - t->meta.index_size;
    uint8_t *p = sc_buf_extend(&plain, t->meta.index_size);
    if (p == NULL)
        return sc_buf_status(&plain);
    SC_TRY(kvs_io_get(t->io, &t->meta.id, offset, t->meta.index_size, p, diag));
    SC_TRY(chunk_open(t, KVS_TABLE_NONCE_INDEX, 0, offset, t->meta.index_tag, p, t->meta.index_size, diag));
    const sc_err err = kvs_table_index_parse(&plain, offset, out);
    return err == SC_E_MALFORMED ? malformed(t, offset, t->meta.index_size, diag) : err;
}

sc_err kvs_table_index(struct kvs_table *t, struct kvs_table_index **out, struct sc_diag *diag)
{
    *out = (struct kvs_table_index *)kvs_cache_get(t->cache, t->number, PART_INDEX);
    if (*out != NULL)
        return SC_OK;
    SC_TRY(index_read(t, out, diag));
    kvs_cache_put(t->cache, t->number, PART_INDEX, &(*out)->cached);
    return SC_OK;
}

/* Reads and decodes one block from the store. */
static sc_err block_read(struct kvs_table *t, const struct kvs_table_index *index, uint32_t block_index,
                         struct kvs_block **out, struct sc_diag *diag)
{
    const struct kvs_block_ref *ref = &index->blocks[block_index];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf stored = {0};
    uint8_t *p = sc_buf_extend(&stored, ref->stored_size);
    if (p == NULL)
        return sc_buf_status(&stored);
    SC_TRY(kvs_io_get(t->io, &t->meta.id, ref->offset, ref->stored_size, p, diag));
    SC_TRY(chunk_open(t, KVS_TABLE_NONCE_BLOCK, block_index, ref->offset, ref->tag, p, ref->stored_size, diag));
    const sc_err err = kvs_table_block_parse(ref, &stored, out);
    return err == SC_E_MALFORMED ? malformed(t, ref->offset, ref->stored_size, diag) : err;
}

sc_err kvs_table_block(struct kvs_table *t, const struct kvs_table_index *index, uint32_t block_index, bool fill,
                       struct kvs_block **out, struct sc_diag *diag)
{
    SC_ASSERT(block_index < index->block_count);
    *out = (struct kvs_block *)kvs_cache_get(t->cache, t->number, block_index);
    if (*out != NULL)
        return SC_OK;
    SC_TRY(block_read(t, index, block_index, out, diag));
    if (fill)
        kvs_cache_put(t->cache, t->number, block_index, &(*out)->cached);
    return SC_OK;
}

static sc_err value_append(const struct kvs_block *b, size_t i, struct sc_buf *value_out)
{
    const size_t size = b->ops->value_size(b, i);
    uint8_t *p = sc_buf_extend(value_out, size);
    if (p != NULL && size != 0)
        b->ops->value_copy(b, i, p);
    return sc_buf_status(value_out);
}

/* *done_out: entry (key, <= seq) is in this block, or it is nowhere. */
static sc_err block_get(const struct kvs_block *b, struct sc_slice key, uint64_t seq, struct kvs_found *found,
                        struct sc_buf *value_out, bool *done_out)
{
    const size_t i = b->ops->seek(b, key, seq);
    *done_out = i < b->count;
    if (!*done_out)
        return SC_OK;
    found->any = b->ops->match(b, i, key, &found->seq, &found->is_put);
    return found->any && found->is_put && value_out != NULL ? value_append(b, i, value_out) : SC_OK;
}

sc_err kvs_table_get(struct kvs_table *t, struct sc_slice key, uint64_t seq, struct kvs_found *found,
                     struct sc_buf *value_out, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_table_index_unrefp) struct kvs_table_index *index = NULL;
    found->any = false;
    if (sc_slice_cmp(key, t->meta.smallest) < 0 || sc_slice_cmp(key, t->meta.largest) > 0)
        return SC_OK;
    SC_TRY(kvs_table_index(t, &index, diag));
    if (!kvs_table_index_may_have(index, key))
        return SC_OK;
    bool done = false;
    /* more than one block only where versions of one key fill blocks */
    for (uint32_t at = kvs_table_index_seek(index, key); at < index->block_count && !done; at++) {
        struct kvs_block *b;
        SC_TRY(kvs_table_block(t, index, at, true, &b, diag));
        const sc_err err = block_get(b, key, seq, found, value_out, &done);
        kvs_block_unref(b);
        SC_TRY(err);
    }
    return SC_OK;
}

struct verify_state {
    struct kvs_scratch scratch;
    struct sc_buf last_key;
    uint64_t last_seq, entry_count, seq_max;
};

static void verify_state_deinit(struct verify_state *v)
{
    sc_buf_deinit(&v->last_key);
    kvs_scratch_deinit(&v->scratch);
}

static sc_err block_verify(struct kvs_table *t, const struct kvs_block *b, const struct kvs_block_ref *ref,
                           struct verify_state *v, struct sc_diag *diag)
{
    struct kvs_entry e;
    SC_TRY(b->ops->enter(b, &v->scratch));
    for (size_t i = 0; i < b->count; i++) {
        b->ops->head(b, i, &v->scratch, &e);
        if (v->entry_count == 0 ? !sc_slice_eq(e.key, t->meta.smallest)
                                : kvs_entry_cmp(sc_buf_slice(&v->last_key), v->last_seq, e.key, e.seq) >= 0)
            return kvs_io_not_ours(diag, &t->meta.id, ref->offset, ref->stored_size, "keys out of order");
        if (e.seq > b->seq_max)
            return kvs_io_not_ours(diag, &t->meta.id, ref->offset, ref->stored_size, "an entry is too new");
        v->entry_count++;
        v->seq_max = e.seq > v->seq_max ? e.seq : v->seq_max;
        sc_buf_reset(&v->last_key);
        sc_buf_put_bytes(&v->last_key, e.key);
        v->last_seq = e.seq;
        SC_TRY(sc_buf_status(&v->last_key));
    }
    if (!sc_slice_eq(e.key, ref->last_key))
        return kvs_io_not_ours(diag, &t->meta.id, ref->offset, ref->stored_size, "last key differs from the index");
    return SC_OK;
}

sc_err kvs_table_verify(struct kvs_table *t, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_table_index_unrefp) struct kvs_table_index *index = NULL;
    SC_CLEANUP(verify_state_deinit) struct verify_state v = {0};
    SC_TRY(index_read(t, &index, diag));
    for (uint32_t i = 0; i < index->block_count; i++) {
        struct kvs_block *b;
        SC_TRY(block_read(t, index, i, &b, diag));
        const sc_err bad = block_verify(t, b, &index->blocks[i], &v, diag);
        kvs_block_unref(b);
        SC_TRY(bad);
    }
    if (v.entry_count != t->meta.entry_count || v.seq_max != t->meta.seq_max ||
        !sc_slice_eq(sc_buf_slice(&v.last_key), t->meta.largest))
        return kvs_io_not_ours(diag, &t->meta.id, 0, t->meta.size, "content differs from the manifest");
    return SC_OK;
}
