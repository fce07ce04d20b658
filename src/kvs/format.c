#include "kvs/format.h"

#include <inttypes.h>

void kvs_id_random(struct kvs_id *out)
{
    sc_random(out->bytes, sizeof out->bytes);
}

bool kvs_id_eq(const struct kvs_id *a, const struct kvs_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

const char *kvs_id_name(const struct kvs_id *id, char name[static KVS_NAME_SIZE])
{
    sc_hex_encode(sc_slice_of(id->bytes, sizeof id->bytes), name);
    return name;
}

bool kvs_name_is_id(const char *name)
{
    return strlen(name) == KVS_NAME_SIZE - 1 && strspn(name, "0123456789abcdef") == KVS_NAME_SIZE - 1;
}

void kvs_header_make(uint8_t out[static KVS_HEADER_SIZE], uint32_t magic)
{
    sc_store_u32be(out, magic);
    sc_store_u32be(out + 4, (uint32_t)KVS_FORMAT_VERSION << 16);
}

uint32_t kvs_io_newest_key(struct kvs_io *io)
{
    pthread_mutex_lock(&io->keys_lock);
    const uint32_t count = io->keys->data_count;
    const uint32_t id = count != 0 ? io->keys->data[count - 1].id : KVS_KEY_ROOT;
    pthread_mutex_unlock(&io->keys_lock);
    return id;
}

static sc_err key_copy(struct kvs_io *io, uint32_t key_id, struct sc_key *out)
{
    bool found = key_id == KVS_KEY_ROOT;
    pthread_mutex_lock(&io->keys_lock);
    if (found)
        *out = io->keys->root;
    for (uint32_t i = 0; i < io->keys->data_count && !found; i++) {
        found = io->keys->data[i].id == key_id;
        if (found)
            *out = io->keys->data[i].key;
    }
    pthread_mutex_unlock(&io->keys_lock);
    return found ? SC_OK : SC_E_AUTH;
}

sc_err kvs_io_aead(struct kvs_io *io, const char *purpose, uint32_t key_id, const struct kvs_id *id,
                   struct sc_aead **out)
{
    uint8_t context[32];
    memcpy(context, io->volume.bytes, 16);
    memcpy(context + 16, id->bytes, 16);
    SC_CLEANUP(sc_key_wipe) struct sc_key from = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_TRY(key_copy(io, key_id, &from));
    SC_TRY(sc_key_derive(&key, &from, purpose, sc_slice_of(context, sizeof context)));
    return sc_aead_new(out, &key);
}

sc_err kvs_io_not_ours(struct sc_diag *diag, const struct kvs_id *id, uint64_t offset, uint64_t size, const char *what)
{
    char name[KVS_NAME_SIZE];
    return sc_fail(diag, SC_E_AUTH, "object %s, bytes [%" PRIu64 ", %" PRIu64 "): %s", kvs_id_name(id, name), offset,
                   offset + size, what);
}

sc_err kvs_io_get(struct kvs_io *io, const struct kvs_id *id, uint64_t offset, size_t size, uint8_t *out,
                  struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    const sc_err err = io->store->ops->get(io->store, kvs_id_name(id, name), offset, size, out, diag);
    if (err != SC_E_NOT_FOUND && err != SC_E_MALFORMED)
        return err;
    return sc_context(diag, SC_E_AUTH, "object %s, bytes [%" PRIu64 ", %" PRIu64 "): missing", name, offset,
                      offset + size);
}

sc_err kvs_io_size(struct kvs_io *io, const struct kvs_id *id, uint64_t *size_out, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    const sc_err err = io->store->ops->size(io->store, kvs_id_name(id, name), size_out, diag);
    return err == SC_E_NOT_FOUND ? sc_context(diag, SC_E_AUTH, "object %s: missing", name) : err;
}

sc_err kvs_io_put_sealed(struct kvs_io *io, struct sc_store *to, uint32_t magic, const char *purpose,
                         struct sc_slice plain, struct kvs_sealed_ref *ref_out, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    const uint8_t nonce[SC_NONCE_SIZE] = {0}; /* the key is the object's own and seals once */
    struct kvs_sealed_ref ref = {.key_id = kvs_io_newest_key(io), .plain_size = plain.size};
    kvs_id_random(&ref.id);
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    SC_TRY(kvs_io_aead(io, purpose, ref.key_id, &ref.id, &aead));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    uint8_t *p = sc_buf_extend(&out, KVS_HEADER_SIZE + plain.size);
    if (p == NULL)
        return sc_buf_status(&out);
    kvs_header_make(p, magic);
    SC_TRY(sc_aead_seal(aead, nonce, sc_slice_of(p, KVS_HEADER_SIZE), plain, p + KVS_HEADER_SIZE, ref.tag));
    SC_TRY(to->ops->put(to, kvs_id_name(&ref.id, name), sc_buf_slice(&out), diag));
    *ref_out = ref;
    return SC_OK;
}

sc_err kvs_io_get_sealed(struct kvs_io *io, uint32_t magic, const char *purpose, const struct kvs_sealed_ref *ref,
                         struct sc_buf *plain_out, struct sc_diag *diag)
{
    const uint8_t nonce[SC_NONCE_SIZE] = {0};
    uint8_t header[KVS_HEADER_SIZE];
    uint8_t expected[KVS_HEADER_SIZE];
    uint64_t stored_size;
    const struct kvs_id *id = &ref->id;
    const size_t size = (size_t)ref->plain_size;
    SC_TRY(kvs_io_size(io, id, &stored_size, diag));
    if (ref->plain_size > SC_BUF_SIZE_MAX || stored_size != KVS_HEADER_SIZE + ref->plain_size)
        return kvs_io_not_ours(diag, id, 0, stored_size, "wrong size");
    SC_TRY(kvs_io_get(io, id, 0, sizeof header, header, diag));
    kvs_header_make(expected, magic);
    if (memcmp(header, expected, sizeof header) != 0)
        return kvs_io_not_ours(diag, id, 0, sizeof header, "wrong header or version");
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    SC_TRY(kvs_io_aead(io, purpose, ref->key_id, id, &aead));
    sc_buf_reset(plain_out);
    uint8_t *p = sc_buf_extend(plain_out, size);
    if (p == NULL)
        return sc_buf_status(plain_out);
    SC_TRY(kvs_io_get(io, id, KVS_HEADER_SIZE, size, p, diag));
    const sc_err err = sc_aead_open(aead, nonce, sc_slice_of(header, sizeof header), sc_slice_of(p, size), ref->tag, p);
    return err == SC_E_AUTH ? kvs_io_not_ours(diag, id, KVS_HEADER_SIZE, size, "not authentic") : err;
}
