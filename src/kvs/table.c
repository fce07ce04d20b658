#include "kvs/table.h"

#include "kvs/garbage.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

struct kvs_table {
    atomic_uint refs;
    atomic_bool obsolete;
    uint64_t number; /* unique in the process: the cache's name for it */
    const struct kvs_io *io;
    struct kvs_cache *cache;
    struct kvs_garbage *garbage;
    struct kvs_table_meta meta;
    struct sc_buf keys;   /* meta's */
    pthread_mutex_t lock; /* guards aead and the loading of index */
    struct sc_aead *aead;
    atomic_bool loaded;
    struct kvs_table_index index; /* immutable once loaded */
};

static _Atomic uint64_t next_number = 1;

sc_err kvs_table_new(const struct kvs_io *io, const struct kvs_table_meta *meta, struct kvs_cache *cache,
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
    const sc_err err = sc_buf_status(&t->keys);
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
    kvs_table_index_deinit(&t->index);
    sc_buf_deinit(&t->keys);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

const struct kvs_table_meta *kvs_table_meta(const struct kvs_table *t)
{
    return &t->meta;
}

void kvs_table_obsolete(struct kvs_table *t)
{
    atomic_store(&t->obsolete, true);
}

size_t kvs_table_index_memory(struct kvs_table *t)
{
    if (!atomic_load_explicit(&t->loaded, memory_order_acquire))
        return 0;
    return t->index.plain.capacity + t->index.block_count * sizeof(struct kvs_block_ref);
}

/* Reads [offset, offset + stored_size) and opens it in place.  Caller holds t->lock when t->aead may be shared. */
static sc_err chunk_open(struct kvs_table *t, uint32_t nonce_prefix, uint64_t nonce_count, uint64_t offset,
                         const uint8_t tag[static SC_TAG_SIZE], uint8_t *bytes, size_t size, struct sc_diag *diag)
{
    uint8_t nonce[SC_NONCE_SIZE];
    uint8_t header[KVS_HEADER_SIZE];
    kvs_header_make(header, KVS_MAGIC_TABLE);
    sc_nonce_make(nonce, nonce_prefix, nonce_count);
    const sc_err err =
        sc_aead_open(t->aead, nonce, sc_slice_of(header, sizeof header), sc_slice_of(bytes, size), tag, bytes);
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

/* Caller holds t->lock. */
static sc_err index_read(struct kvs_table *t, struct kvs_table_index *out, struct sc_diag *diag)
{
    if (t->aead == NULL)
        SC_TRY(kvs_io_aead(t->io, KVS_TABLE_PURPOSE, &t->meta.id, &t->aead));
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

sc_err kvs_table_index(struct kvs_table *t, const struct kvs_table_index **out, struct sc_diag *diag)
{
    sc_err err = SC_OK;
    if (!atomic_load_explicit(&t->loaded, memory_order_acquire)) {
        pthread_mutex_lock(&t->lock);
        if (!atomic_load(&t->loaded)) {
            err = index_read(t, &t->index, diag);
            atomic_store_explicit(&t->loaded, err == SC_OK, memory_order_release);
        }
        pthread_mutex_unlock(&t->lock);
    }
    if (err == SC_OK)
        *out = &t->index;
    return err;
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
    pthread_mutex_lock(&t->lock);
    sc_err err = chunk_open(t, KVS_TABLE_NONCE_BLOCK, block_index, ref->offset, ref->tag, p, ref->stored_size, diag);
    pthread_mutex_unlock(&t->lock);
    SC_TRY(err);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    err = kvs_table_block_decode(ref, &stored, &plain);
    if (err == SC_OK)
        err = kvs_block_parse(&plain, out);
    return err == SC_E_MALFORMED ? malformed(t, ref->offset, ref->stored_size, diag) : err;
}

sc_err kvs_table_block(struct kvs_table *t, uint32_t block_index, bool fill, struct kvs_block **out,
                       struct sc_diag *diag)
{
    const struct kvs_table_index *index;
    SC_TRY(kvs_table_index(t, &index, diag));
    SC_ASSERT(block_index < index->block_count);
    struct kvs_block *b = kvs_cache_get(t->cache, t->number, block_index);
    if (b == NULL) {
        SC_TRY(block_read(t, index, block_index, &b, diag));
        if (fill)
            kvs_cache_put(t->cache, t->number, block_index, b);
    }
    *out = b;
    return SC_OK;
}

/* The first entry >= (key, seq) from block `at` on. */
static sc_err entry_seek(struct kvs_table *t, const struct kvs_table_index *index, struct sc_slice key, uint64_t seq,
                         struct kvs_block **block_out, struct kvs_entry *e, struct sc_diag *diag)
{
    for (uint32_t at = kvs_table_index_seek(index, key); at < index->block_count; at++) {
        struct kvs_block *b;
        SC_TRY(kvs_table_block(t, at, true, &b, diag));
        const size_t i = kvs_block_seek(b, key, seq);
        if (i < kvs_block_count(b)) {
            kvs_block_entry(b, i, e);
            *block_out = b;
            return SC_OK;
        }
        kvs_block_unref(b); /* versions newer than seq filled it: on to the next */
    }
    *block_out = NULL;
    return SC_OK;
}

sc_err kvs_table_get(struct kvs_table *t, struct sc_slice key, uint64_t seq, bool *found_out, bool *is_put_out,
                     uint64_t *seq_out, struct sc_buf *value_out, struct sc_diag *diag)
{
    *found_out = false;
    if (sc_slice_cmp(key, t->meta.smallest) < 0 || sc_slice_cmp(key, t->meta.largest) > 0)
        return SC_OK;
    const struct kvs_table_index *index;
    SC_TRY(kvs_table_index(t, &index, diag));
    if (!kvs_table_index_may_have(index, key))
        return SC_OK;
    struct kvs_block *b;
    struct kvs_entry e;
    SC_TRY(entry_seek(t, index, key, seq, &b, &e, diag));
    if (b == NULL)
        return SC_OK;
    if (sc_slice_eq(e.key, key)) {
        *found_out = true;
        *is_put_out = e.is_put;
        *seq_out = e.seq;
        if (e.is_put && value_out != NULL)
            sc_buf_put_bytes(value_out, e.value);
    }
    kvs_block_unref(b);
    return value_out != NULL ? sc_buf_status(value_out) : SC_OK;
}

struct verify_state {
    struct sc_buf last_key;
    uint64_t last_seq, entry_count, seq_max;
};

static void verify_state_deinit(struct verify_state *v)
{
    sc_buf_deinit(&v->last_key);
}

static sc_err block_verify(struct kvs_table *t, const struct kvs_block *b, const struct kvs_block_ref *ref,
                           struct verify_state *v, struct sc_diag *diag)
{
    struct kvs_entry e;
    for (size_t i = 0; i < kvs_block_count(b); i++) {
        kvs_block_entry(b, i, &e);
        const bool first = v->entry_count == 0;
        if (first ? !sc_slice_eq(e.key, t->meta.smallest)
                  : i == 0 && kvs_entry_cmp(sc_buf_slice(&v->last_key), v->last_seq, e.key, e.seq) >= 0)
            return kvs_io_not_ours(diag, &t->meta.id, ref->offset, ref->stored_size, "keys out of order");
        v->entry_count++;
        v->seq_max = e.seq > v->seq_max ? e.seq : v->seq_max;
    }
    if (!sc_slice_eq(e.key, ref->last_key))
        return kvs_io_not_ours(diag, &t->meta.id, ref->offset, ref->stored_size, "last key differs from the index");
    sc_buf_reset(&v->last_key);
    sc_buf_put_bytes(&v->last_key, e.key);
    v->last_seq = e.seq;
    return sc_buf_status(&v->last_key);
}

sc_err kvs_table_verify(struct kvs_table *t, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_table_index_deinit) struct kvs_table_index index = {0};
    pthread_mutex_lock(&t->lock);
    const sc_err err = index_read(t, &index, diag);
    pthread_mutex_unlock(&t->lock);
    SC_TRY(err);
    SC_CLEANUP(verify_state_deinit) struct verify_state v = {0};
    for (uint32_t i = 0; i < index.block_count; i++) {
        struct kvs_block *b;
        SC_TRY(block_read(t, &index, i, &b, diag));
        const sc_err bad = block_verify(t, b, &index.blocks[i], &v, diag);
        kvs_block_unref(b);
        SC_TRY(bad);
    }
    if (v.entry_count != t->meta.entry_count || v.seq_max != t->meta.seq_max ||
        !sc_slice_eq(sc_buf_slice(&v.last_key), t->meta.largest))
        return kvs_io_not_ours(diag, &t->meta.id, 0, t->meta.size, "content differs from the manifest");
    return SC_OK;
}
