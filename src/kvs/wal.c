#include "kvs/wal.h"

#define PURPOSE     "kvs/log v2"
#define WINDOW_SIZE ((size_t)256 << 10)
enum { NONCE_HEAD = 0, NONCE_BODY = 1 };
enum { RECORD_DELETE = 0, RECORD_PUT = 1, RECORD_RANGE = 2 };

struct kvs_wal {
    struct sc_store *store;
    struct sc_store_append *append;
    struct sc_aead *aead;
    struct kvs_id id;
    uint32_t key_id;
    struct kvs_wal_end end;
    uint64_t synced; /* groups */
    struct sc_buf out;
};

/* AAD of a head: header || tag of the group before || body size */
#define HEAD_AAD_SIZE (KVS_HEADER_SIZE + SC_TAG_SIZE + 4)
static void head_aad(uint8_t out[static HEAD_AAD_SIZE], const uint8_t prev_tag[static SC_TAG_SIZE], uint32_t body_size)
{
    kvs_header_make(out, KVS_MAGIC_LOG);
    memcpy(out + KVS_HEADER_SIZE, prev_tag, SC_TAG_SIZE);
    sc_store_u32be(out + KVS_HEADER_SIZE + SC_TAG_SIZE, body_size);
}

void kvs_wal_free(struct kvs_wal *wal)
{
    if (wal == NULL)
        return;
    if (wal->append != NULL)
        wal->store->ops->append_close(wal->append);
    sc_aead_free(wal->aead);
    sc_buf_deinit(&wal->out);
    free(wal);
}

static void wal_freep(struct kvs_wal **wal)
{
    kvs_wal_free(*wal);
}

sc_err kvs_wal_create(struct kvs_io *io, struct kvs_wal **out, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    SC_CLEANUP(wal_freep) struct kvs_wal *wal = calloc(1, sizeof *wal);
    if (wal == NULL)
        return SC_E_NOMEM;
    wal->store = io->store;
    kvs_id_random(&wal->id);
    wal->key_id = kvs_io_newest_key(io);
    SC_TRY(kvs_io_aead(io, PURPOSE, wal->key_id, &wal->id, &wal->aead));
    SC_TRY(io->store->ops->append_open(io->store, kvs_id_name(&wal->id, name), &wal->append, diag));
    *out = SC_TAKE(wal);
    return SC_OK;
}

static sc_err group_seal(struct kvs_wal *wal, struct sc_slice body, uint8_t *at)
{
    uint8_t nonce[SC_NONCE_SIZE];
    uint8_t aad[HEAD_AAD_SIZE];
    sc_store_u32be(at, (uint32_t)body.size);
    head_aad(aad, wal->end.tag, (uint32_t)body.size);
    sc_nonce_make(nonce, NONCE_HEAD, wal->end.group_count);
    uint8_t *head_tag = at + 4;
    SC_TRY(sc_aead_seal(wal->aead, nonce, sc_slice_of(aad, sizeof aad), SC_SLICE_EMPTY, head_tag, head_tag));
    sc_nonce_make(nonce, NONCE_BODY, wal->end.group_count);
    uint8_t *sealed = at + KVS_WAL_HEAD_SIZE;
    return sc_aead_seal(wal->aead, nonce, sc_slice_of(head_tag, SC_TAG_SIZE), body, sealed, sealed + body.size);
}

sc_err kvs_wal_append(struct kvs_wal *wal, struct sc_slice body, struct sc_diag *diag)
{
    if (body.size > KVS_WAL_BODY_SIZE_MAX)
        return sc_fail(diag, SC_E_LIMIT, "commit group of %zu bytes", body.size);
    const bool first = wal->end.group_count == 0;
    const size_t group_size = KVS_WAL_HEAD_SIZE + body.size + SC_TAG_SIZE;
    sc_buf_reset(&wal->out);
    uint8_t *p = sc_buf_extend(&wal->out, group_size + (first ? KVS_HEADER_SIZE : 0));
    if (p == NULL)
        return sc_buf_status(&wal->out);
    if (first) {
        kvs_header_make(p, KVS_MAGIC_LOG);
        p += KVS_HEADER_SIZE;
    }
    SC_TRY(group_seal(wal, body, p));
    SC_TRY(wal->store->ops->append(wal->append, sc_buf_slice(&wal->out), diag));
    wal->end.group_count++;
    wal->end.size += wal->out.size;
    memcpy(wal->end.tag, p + group_size - SC_TAG_SIZE, SC_TAG_SIZE);
    if (wal->out.capacity > WINDOW_SIZE * 16) /* one giant commit must not hold its memory for ever */
        sc_buf_deinit(&wal->out);
    return SC_OK;
}

sc_err kvs_wal_sync(struct kvs_wal *wal, struct sc_diag *diag)
{
    if (wal->synced == wal->end.group_count)
        return SC_OK;
    SC_TRY(wal->store->ops->append_sync(wal->append, diag));
    wal->synced = wal->end.group_count;
    return SC_OK;
}

const struct kvs_id *kvs_wal_id(const struct kvs_wal *wal)
{
    return &wal->id;
}

uint32_t kvs_wal_key_id(const struct kvs_wal *wal)
{
    return wal->key_id;
}

struct kvs_wal_end kvs_wal_end(const struct kvs_wal *wal)
{
    return wal->end;
}

uint64_t kvs_wal_synced(const struct kvs_wal *wal)
{
    return wal->synced;
}

/* ---- reading ---- */

struct log_reader {
    struct kvs_io *io;
    const struct kvs_id *id;
    struct sc_aead *aead;
    uint64_t size;        /* of the object */
    struct sc_buf window; /* bytes [window_offset, window_offset + window.size) */
    uint64_t window_offset;
    struct sc_buf body;
};

static void log_reader_deinit(struct log_reader *r)
{
    sc_aead_free(r->aead);
    sc_buf_deinit(&r->window);
    sc_buf_deinit(&r->body);
}

/* Bytes [offset, offset + size), which lie within the object; borrowed until the next call. */
static sc_err window_get(struct log_reader *r, uint64_t offset, size_t size, const uint8_t **out, struct sc_diag *diag)
{
    SC_ASSERT(offset <= r->size && size <= r->size - offset);
    if (offset < r->window_offset || offset + size > r->window_offset + r->window.size) {
        uint64_t want = size > WINDOW_SIZE ? size : WINDOW_SIZE;
        if (want > r->size - offset)
            want = r->size - offset;
        sc_buf_reset(&r->window);
        uint8_t *p = sc_buf_extend(&r->window, (size_t)want);
        if (p == NULL)
            return sc_buf_status(&r->window);
        SC_TRY(kvs_io_get(r->io, r->id, offset, (size_t)want, p, diag));
        r->window_offset = offset;
    }
    *out = r->window.ptr + (offset - r->window_offset);
    return SC_OK;
}

/* Reads the group at end->size.  *whole_out = false: it is not a genuine whole group; *tail_out says what it is. */
static sc_err group_read(struct log_reader *r, const struct kvs_wal_end *end, uint64_t *next_out, uint8_t tag_out[16],
                         bool *whole_out, enum kvs_wal_tail *tail_out, struct sc_diag *diag)
{
    uint8_t nonce[SC_NONCE_SIZE];
    uint8_t aad[HEAD_AAD_SIZE];
    uint8_t none[1];
    const uint8_t *p;
    const uint64_t at = end->size;
    const uint64_t left = r->size - at;
    *whole_out = false;
    *tail_out = KVS_WAL_TAIL_SHORT;
    if (left < KVS_WAL_HEAD_SIZE)
        return SC_OK;
    SC_TRY(window_get(r, at, KVS_WAL_HEAD_SIZE, &p, diag));
    const uint32_t body_size = sc_load_u32be(p);
    uint8_t head_tag[SC_TAG_SIZE];
    memcpy(head_tag, p + 4, sizeof head_tag);
    head_aad(aad, end->tag, body_size);
    sc_nonce_make(nonce, NONCE_HEAD, end->group_count);
    sc_err err = sc_aead_open(r->aead, nonce, sc_slice_of(aad, sizeof aad), SC_SLICE_EMPTY, head_tag, none);
    if (err == SC_E_AUTH) {
        *tail_out = KVS_WAL_TAIL_BAD;
        return SC_OK;
    }
    SC_TRY(err);
    if (left - KVS_WAL_HEAD_SIZE < (uint64_t)body_size + SC_TAG_SIZE)
        return SC_OK;
    SC_TRY(window_get(r, at + KVS_WAL_HEAD_SIZE, body_size + SC_TAG_SIZE, &p, diag));
    sc_buf_reset(&r->body);
    uint8_t *body = sc_buf_extend(&r->body, body_size);
    if (body == NULL)
        return sc_buf_status(&r->body);
    sc_nonce_make(nonce, NONCE_BODY, end->group_count);
    err = sc_aead_open(r->aead, nonce, sc_slice_of(head_tag, sizeof head_tag), sc_slice_of(p, body_size), p + body_size,
                       body);
    if (err == SC_E_AUTH) {
        *tail_out = KVS_WAL_TAIL_BAD;
        return SC_OK;
    }
    SC_TRY(err);
    memcpy(tag_out, p + body_size, SC_TAG_SIZE);
    *next_out = at + KVS_WAL_HEAD_SIZE + body_size + SC_TAG_SIZE;
    *whole_out = true;
    return SC_OK;
}

static sc_err zeros_to_end(struct log_reader *r, uint64_t from, bool *zeros_out, struct sc_diag *diag)
{
    *zeros_out = false;
    for (uint64_t at = from; at < r->size;) {
        const size_t n = r->size - at < WINDOW_SIZE ? (size_t)(r->size - at) : WINDOW_SIZE;
        const uint8_t *p;
        SC_TRY(window_get(r, at, n, &p, diag));
        for (size_t i = 0; i < n; i++)
            if (p[i] != 0)
                return SC_OK;
        at += n;
    }
    *zeros_out = true;
    return SC_OK;
}

/* The log's header; absent or cut, there can be no group. */
static sc_err header_check(struct log_reader *r, struct kvs_wal_found *found, bool *good_out, struct sc_diag *diag)
{
    uint8_t expected[KVS_HEADER_SIZE];
    const uint8_t *p;
    *good_out = false;
    if (r->size < KVS_HEADER_SIZE) {
        found->tail = r->size == 0 ? KVS_WAL_TAIL_CLEAN : KVS_WAL_TAIL_SHORT;
        return SC_OK;
    }
    SC_TRY(window_get(r, 0, KVS_HEADER_SIZE, &p, diag));
    kvs_header_make(expected, KVS_MAGIC_LOG);
    *good_out = memcmp(p, expected, sizeof expected) == 0;
    found->tail = *good_out ? KVS_WAL_TAIL_CLEAN : KVS_WAL_TAIL_BAD;
    return SC_OK;
}

sc_err kvs_wal_read(struct kvs_io *io, const struct kvs_id *id, uint32_t key_id, uint64_t group_count_max,
                    sc_err (*each)(void *arg, struct sc_slice body, struct sc_diag *diag), void *arg,
                    struct kvs_wal_found *out, struct sc_diag *diag)
{
    SC_CLEANUP(log_reader_deinit) struct log_reader r = {.io = io, .id = id};
    struct kvs_wal_found found = {0};
    SC_TRY(kvs_io_aead(io, PURPOSE, key_id, id, &r.aead));
    SC_TRY(kvs_io_size(io, id, &r.size, diag));
    found.object_size = r.size;
    bool whole;
    SC_TRY(header_check(&r, &found, &whole, diag));
    if (whole && r.size > KVS_HEADER_SIZE)
        found.end.size = KVS_HEADER_SIZE;
    while (whole && found.end.size != 0 && found.end.size < r.size && found.end.group_count < group_count_max) {
        uint64_t next = 0;
        uint8_t tag[SC_TAG_SIZE];
        SC_TRY(group_read(&r, &found.end, &next, tag, &whole, &found.tail, diag));
        if (!whole)
            break;
        found.tail = KVS_WAL_TAIL_CLEAN;
        found.end.size = next;
        found.end.group_count++;
        memcpy(found.end.tag, tag, sizeof tag);
        SC_TRY(each(arg, sc_buf_slice(&r.body), diag));
    }
    if (found.tail != KVS_WAL_TAIL_CLEAN) {
        bool zeros;
        SC_TRY(zeros_to_end(&r, found.end.size, &zeros, diag));
        if (zeros)
            found.tail = KVS_WAL_TAIL_ZEROS;
    }
    if (found.end.group_count == 0) /* a header alone is as good as nothing */
        found.end.size = 0;
    *out = found;
    return SC_OK;
}

/* ---- what a group says ---- */

void kvs_wal_group_begin(struct sc_buf *body, const struct kvs_wal_group *g)
{
    sc_buf_put_u64be(body, g->fresh);
    sc_buf_put_u64be(body, g->generation);
    sc_buf_put_u64be(body, g->first_seq);
    sc_buf_put_varint(body, g->commit_count);
}

void kvs_wal_record_put(struct sc_buf *body, const struct kvs_entry *e)
{
    sc_buf_put_u8(body, e->is_range ? RECORD_RANGE : e->is_put ? RECORD_PUT : RECORD_DELETE);
    sc_buf_put_lvar(body, e->key);
    if (e->is_put || e->is_range)
        sc_buf_put_lvar(body, e->value);
}

sc_err kvs_wal_record_get(struct sc_reader *r, struct kvs_entry *out)
{
    uint8_t kind;
    SC_TRY(sc_reader_get_u8(r, &kind));
    SC_TRY(sc_reader_get_lvar(r, &out->key));
    out->value = SC_SLICE_EMPTY;
    if (kind == RECORD_PUT || kind == RECORD_RANGE)
        SC_TRY(sc_reader_get_lvar(r, &out->value));
    out->is_put = kind == RECORD_PUT;
    out->is_range = kind == RECORD_RANGE;
    return kind <= RECORD_RANGE && (out->key.size != 0 || out->is_range) ? SC_OK : SC_E_MALFORMED;
}

sc_err kvs_wal_group_parse(struct sc_slice body, struct kvs_wal_group *group_out,
                           sc_err (*each)(void *arg, const struct kvs_wal_commit *c), void *arg)
{
    struct sc_reader r = sc_reader_of(body);
    struct kvs_wal_group g;
    SC_TRY(sc_reader_get_u64be(&r, &g.fresh));
    SC_TRY(sc_reader_get_u64be(&r, &g.generation));
    SC_TRY(sc_reader_get_u64be(&r, &g.first_seq));
    SC_TRY(sc_reader_get_varint(&r, &g.commit_count));
    if (g.first_seq > KVS_SEQ_MAX || g.commit_count > KVS_SEQ_MAX - g.first_seq)
        return SC_E_MALFORMED;
    for (uint64_t c = 0; c < g.commit_count; c++) {
        struct kvs_wal_commit commit = {.seq = g.first_seq + c};
        struct kvs_entry e;
        SC_TRY(sc_reader_get_varint(&r, &commit.record_count));
        const uint8_t *start = r.cur;
        for (uint64_t i = 0; i < commit.record_count; i++)
            SC_TRY(kvs_wal_record_get(&r, &e));
        commit.records = (struct sc_slice){start, (size_t)(r.cur - start)};
        if (each != NULL)
            SC_TRY(each(arg, &commit));
    }
    SC_TRY(sc_reader_expect_end(&r));
    *group_out = g;
    return SC_OK;
}
