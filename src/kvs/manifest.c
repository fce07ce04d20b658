#include "kvs/manifest.h"

#define ROOT_PURPOSE        "kvs/root v2"
#define ROOT_PREFIX_SIZE    (KVS_HEADER_SIZE + 16 + 16)
#define TABLE_WIRE_SIZE_MIN ((size_t)77)
#define RANGE_WIRE_SIZE_MIN ((size_t)10)
static const uint8_t zero_nonce[SC_NONCE_SIZE]; /* every root record has a key of its own */

static void id_put(struct sc_buf *b, const struct kvs_id *id)
{
    sc_buf_put_bytes(b, sc_slice_of(id->bytes, sizeof id->bytes));
}

/* ---- manifest ---- */

void kvs_manifest_begin(struct sc_buf *plain, uint64_t seq_flushed, uint32_t table_count)
{
    sc_buf_put_u64be(plain, seq_flushed);
    sc_buf_put_u32be(plain, table_count);
}

void kvs_manifest_table_put(struct sc_buf *plain, uint8_t level, const struct kvs_table_meta *m)
{
    sc_buf_put_u8(plain, level);
    id_put(plain, &m->id);
    sc_buf_put_u32be(plain, m->key_id);
    sc_buf_put_u64be(plain, m->size);
    sc_buf_put_u32be(plain, m->index_size);
    sc_buf_put_bytes(plain, sc_slice_of(m->index_tag, sizeof m->index_tag));
    sc_buf_put_u64be(plain, m->entry_count);
    sc_buf_put_u64be(plain, m->seq_min);
    sc_buf_put_u64be(plain, m->seq_max);
    sc_buf_put_lvar(plain, m->smallest);
    sc_buf_put_lvar(plain, m->largest);
}

void kvs_manifest_ranges_put(struct sc_buf *plain, const struct kvs_range_list *ranges)
{
    sc_buf_put_u32be(plain, (uint32_t)ranges->count);
    for (size_t i = 0; i < ranges->count; i++) {
        sc_buf_put_u64be(plain, ranges->items[i].seq);
        sc_buf_put_lvar(plain, ranges->items[i].lower);
        sc_buf_put_lvar(plain, ranges->items[i].upper);
    }
}

static sc_err ranges_get(struct sc_reader *r, struct kvs_manifest *m)
{
    SC_TRY(sc_reader_get_u32be(r, &m->range_count));
    if (m->range_count > sc_reader_left(r) / RANGE_WIRE_SIZE_MIN)
        return SC_E_MALFORMED;
    m->ranges = calloc((size_t)m->range_count + 1, sizeof *m->ranges);
    if (m->ranges == NULL)
        return SC_E_NOMEM;
    for (uint32_t i = 0; i < m->range_count; i++) {
        SC_TRY(sc_reader_get_u64be(r, &m->ranges[i].seq));
        SC_TRY(sc_reader_get_lvar(r, &m->ranges[i].lower));
        SC_TRY(sc_reader_get_lvar(r, &m->ranges[i].upper));
        if (m->ranges[i].seq > m->seq_flushed)
            return SC_E_MALFORMED;
    }
    return SC_OK;
}

static sc_err table_get(struct sc_reader *r, struct kvs_manifest_table *out)
{
    struct kvs_table_meta *m = &out->meta;
    SC_TRY(sc_reader_get_u8(r, &out->level));
    SC_TRY(sc_reader_copy(r, m->id.bytes, sizeof m->id.bytes));
    SC_TRY(sc_reader_get_u32be(r, &m->key_id));
    SC_TRY(sc_reader_get_u64be(r, &m->size));
    SC_TRY(sc_reader_get_u32be(r, &m->index_size));
    SC_TRY(sc_reader_copy(r, m->index_tag, sizeof m->index_tag));
    SC_TRY(sc_reader_get_u64be(r, &m->entry_count));
    SC_TRY(sc_reader_get_u64be(r, &m->seq_min));
    SC_TRY(sc_reader_get_u64be(r, &m->seq_max));
    SC_TRY(sc_reader_get_lvar(r, &m->smallest));
    SC_TRY(sc_reader_get_lvar(r, &m->largest));
    if (out->level >= KVS_LEVEL_COUNT || m->size < KVS_HEADER_SIZE + m->index_size || m->smallest.size == 0 ||
        m->seq_max > KVS_SEQ_MAX || m->seq_min > m->seq_max || sc_slice_cmp(m->smallest, m->largest) > 0)
        return SC_E_MALFORMED;
    return SC_OK;
}

static sc_err manifest_parse(struct sc_slice plain, struct kvs_manifest *m)
{
    struct sc_reader r = sc_reader_of(plain);
    SC_TRY(sc_reader_get_u64be(&r, &m->seq_flushed));
    SC_TRY(sc_reader_get_u32be(&r, &m->table_count));
    if (m->table_count > sc_reader_left(&r) / TABLE_WIRE_SIZE_MIN || m->seq_flushed > KVS_SEQ_MAX)
        return SC_E_MALFORMED;
    m->tables = calloc((size_t)m->table_count + 1, sizeof *m->tables);
    if (m->tables == NULL)
        return SC_E_NOMEM;
    for (uint32_t i = 0; i < m->table_count; i++) {
        struct kvs_manifest_table *t = &m->tables[i];
        SC_TRY(table_get(&r, t));
        if (t->meta.seq_max > m->seq_flushed || (i != 0 && t[-1].level > t->level))
            return SC_E_MALFORMED;
        if (i != 0 && t->level > 0 && t[-1].level == t->level &&
            sc_slice_cmp(t[-1].meta.largest, t->meta.smallest) >= 0)
            return SC_E_MALFORMED;
    }
    SC_TRY(ranges_get(&r, m));
    return sc_reader_expect_end(&r);
}

sc_err kvs_manifest_parse(struct sc_slice plain, struct kvs_manifest *out)
{
    struct kvs_manifest m = {0};
    const sc_err err = manifest_parse(plain, &m);
    if (err != SC_OK) {
        kvs_manifest_deinit(&m);
        return err;
    }
    *out = m;
    return SC_OK;
}

void kvs_manifest_deinit(struct kvs_manifest *m)
{
    free(m->tables);
    free(m->ranges);
    *m = (struct kvs_manifest){0};
}

/* ---- root ---- */

static void keys_put(struct sc_buf *b, struct kvs_io *io)
{
    pthread_mutex_lock(&io->keys_lock);
    sc_buf_put_u8(b, (uint8_t)io->keys->data_count);
    for (uint32_t i = 0; i < io->keys->data_count; i++) {
        sc_buf_put_u32be(b, io->keys->data[i].id);
        sc_buf_put_bytes(b, sc_slice_of(io->keys->data[i].key.bytes, SC_KEY_SIZE));
    }
    pthread_mutex_unlock(&io->keys_lock);
}

static void root_put(struct sc_buf *b, struct kvs_io *io, const struct kvs_root *root)
{
    sc_buf_put_u64be(b, root->generation);
    sc_buf_put_u64be(b, root->epoch);
    sc_buf_put_u64be(b, root->fresh);
    keys_put(b, io);
    id_put(b, &root->manifest.id);
    sc_buf_put_u32be(b, root->manifest.key_id);
    sc_buf_put_u64be(b, root->manifest.plain_size);
    sc_buf_put_bytes(b, sc_slice_of(root->manifest.tag, SC_TAG_SIZE));
    sc_buf_put_u8(b, (uint8_t)root->log_count);
    for (size_t i = 0; i < root->log_count; i++) {
        const struct kvs_root_log *log = &root->logs[i];
        id_put(b, &log->id);
        sc_buf_put_u32be(b, log->key_id);
        sc_buf_put_u8(b, log->sealed);
        sc_buf_put_u64be(b, log->end.group_count);
        sc_buf_put_u64be(b, log->end.size);
        sc_buf_put_bytes(b, sc_slice_of(log->end.tag, SC_TAG_SIZE));
    }
}

static sc_err keys_get(struct sc_reader *r, struct kvs_keys *out)
{
    uint8_t count;
    SC_TRY(sc_reader_get_u8(r, &count));
    if (count == 0 || count > KVS_DATA_KEYS_MAX)
        return SC_E_MALFORMED;
    for (uint32_t i = 0; i < count; i++) {
        SC_TRY(sc_reader_get_u32be(r, &out->data[i].id));
        SC_TRY(sc_reader_copy(r, out->data[i].key.bytes, SC_KEY_SIZE));
        if (out->data[i].id <= (i != 0 ? out->data[i - 1].id : KVS_KEY_ROOT))
            return SC_E_MALFORMED;
    }
    out->data_count = count;
    return SC_OK;
}

static sc_err root_log_get(struct sc_reader *r, struct kvs_root_log *out)
{
    uint8_t sealed;
    SC_TRY(sc_reader_copy(r, out->id.bytes, sizeof out->id.bytes));
    SC_TRY(sc_reader_get_u32be(r, &out->key_id));
    SC_TRY(sc_reader_get_u8(r, &sealed));
    SC_TRY(sc_reader_get_u64be(r, &out->end.group_count));
    SC_TRY(sc_reader_get_u64be(r, &out->end.size));
    SC_TRY(sc_reader_copy(r, out->end.tag, SC_TAG_SIZE));
    out->sealed = sealed == 1;
    return sealed <= 1 ? SC_OK : SC_E_MALFORMED;
}

sc_err kvs_root_parse(struct sc_slice body, struct kvs_root *out, struct kvs_keys *keys_out)
{
    struct sc_reader r = sc_reader_of(body);
    struct kvs_root root = {0};
    uint8_t log_count;
    SC_TRY(sc_reader_get_u64be(&r, &root.generation));
    SC_TRY(sc_reader_get_u64be(&r, &root.epoch));
    SC_TRY(sc_reader_get_u64be(&r, &root.fresh));
    SC_TRY(keys_get(&r, keys_out));
    SC_TRY(sc_reader_copy(&r, root.manifest.id.bytes, sizeof root.manifest.id.bytes));
    SC_TRY(sc_reader_get_u32be(&r, &root.manifest.key_id));
    SC_TRY(sc_reader_get_u64be(&r, &root.manifest.plain_size));
    SC_TRY(sc_reader_copy(&r, root.manifest.tag, SC_TAG_SIZE));
    SC_TRY(sc_reader_get_u8(&r, &log_count));
    if (log_count > KVS_ROOT_LOGS_MAX)
        return SC_E_LIMIT;
    root.log_count = log_count;
    for (size_t i = 0; i < log_count; i++) {
        SC_TRY(root_log_get(&r, &root.logs[i]));
        if (!root.logs[i].sealed && i + 1 != log_count)
            return SC_E_MALFORMED;
    }
    SC_TRY(sc_reader_expect_end(&r));
    *out = root;
    return SC_OK;
}

sc_err kvs_root_seal(struct kvs_io *io, const struct kvs_root *root, struct sc_buf *out)
{
    struct kvs_id salt;
    uint8_t prefix[ROOT_PREFIX_SIZE];
    uint8_t tag[SC_TAG_SIZE];
    kvs_id_random(&salt);
    kvs_header_make(prefix, KVS_MAGIC_ROOT);
    memcpy(prefix + KVS_HEADER_SIZE, io->volume.bytes, 16);
    memcpy(prefix + KVS_HEADER_SIZE + 16, salt.bytes, 16);
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    SC_TRY(kvs_io_aead(io, ROOT_PURPOSE, KVS_KEY_ROOT, &salt, &aead));
    SC_CLEANUP(sc_buf_wipe) struct sc_buf body = {0};
    root_put(&body, io, root);
    SC_TRY(sc_buf_status(&body));
    SC_TRY(sc_aead_seal(aead, zero_nonce, sc_slice_of(prefix, sizeof prefix), sc_buf_slice(&body), body.ptr, tag));
    sc_buf_reset(out);
    sc_buf_put_bytes(out, sc_slice_of(prefix, sizeof prefix));
    sc_buf_put_bytes(out, sc_buf_slice(&body));
    sc_buf_put_bytes(out, sc_slice_of(tag, sizeof tag));
    SC_ASSERT(out->size <= SC_STORE_ROOT_SIZE_MAX);
    return sc_buf_status(out);
}

sc_err kvs_root_open(struct kvs_io *io, struct sc_slice record, struct kvs_root *out, struct sc_diag *diag)
{
    uint8_t header[KVS_HEADER_SIZE];
    struct kvs_id salt;
    kvs_header_make(header, KVS_MAGIC_ROOT);
    if (record.size < ROOT_PREFIX_SIZE + SC_TAG_SIZE || record.size > SC_STORE_ROOT_SIZE_MAX ||
        memcmp(record.ptr, header, sizeof header) != 0)
        return sc_fail(diag, SC_E_AUTH, "root record, bytes [0, %zu): no root record of this version", record.size);
    memcpy(io->volume.bytes, record.ptr + KVS_HEADER_SIZE, 16);
    memcpy(salt.bytes, record.ptr + KVS_HEADER_SIZE + 16, 16);
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    SC_TRY(kvs_io_aead(io, ROOT_PURPOSE, KVS_KEY_ROOT, &salt, &aead));
    uint8_t body[SC_STORE_ROOT_SIZE_MAX];
    const size_t body_size = record.size - ROOT_PREFIX_SIZE - SC_TAG_SIZE;
    sc_err err = sc_aead_open(aead, zero_nonce, sc_slice_of(record.ptr, ROOT_PREFIX_SIZE),
                              sc_slice_of(record.ptr + ROOT_PREFIX_SIZE, body_size),
                              record.ptr + record.size - SC_TAG_SIZE, body);
    if (err == SC_E_AUTH)
        return sc_fail(diag, err, "root record, bytes [0, %zu): not authentic, or of another key", record.size);
    SC_TRY(err);
    pthread_mutex_lock(&io->keys_lock);
    err = kvs_root_parse(sc_slice_of(body, body_size), out, io->keys);
    pthread_mutex_unlock(&io->keys_lock);
    explicit_bzero(body, sizeof body);
    return sc_context(diag, err, "root record");
}
