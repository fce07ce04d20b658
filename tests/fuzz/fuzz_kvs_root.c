/* A root record.  First byte even: as the store gives it, sealed with who knows what.  Odd: what follows the first byte
 * stands in place of the genuine record's decrypted body, past the tag (the linker puts the function below in place of
 * sc_aead_open). */
#include "kvs/manifest.h"

static const struct sc_key key = {"a root key that everybody knows"};
static struct sc_slice forged; /* empty: nothing is forged */

sc_err __real_sc_aead_open(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice sealed, const uint8_t tag[static 16], uint8_t *out);
sc_err __wrap_sc_aead_open(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice sealed, const uint8_t tag[static 16], uint8_t *out);
sc_err __wrap_sc_aead_open(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice sealed, const uint8_t tag[static 16], uint8_t *out)
{
    if (forged.size == 0)
        return __real_sc_aead_open(aead, nonce, aad, sealed, tag, out);
    for (size_t i = 0; i < sealed.size; i++)
        out[i] = i < forged.size ? forged.ptr[i] : 0;
    return SC_OK;
}

struct opener {
    struct kvs_io io;
    struct kvs_keys keys;
};

static void opener_init(struct opener *o)
{
    *o = (struct opener){.keys = {.root = key, .data_count = 1, .data = {{.id = 1, .key = key}}}};
    pthread_mutex_init(&o->io.keys_lock, NULL);
    o->io.keys = &o->keys;
}

/* What is accepted says the same after sealing and opening again. */
static void expect_round_trip(struct opener *o, const struct kvs_root *root)
{
    struct kvs_root again;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    SC_ASSERT(root->log_count <= KVS_ROOT_LOGS_MAX && o->keys.data_count <= KVS_DATA_KEYS_MAX);
    SC_ASSERT(kvs_root_seal(&o->io, root, &record) == SC_OK);
    SC_ASSERT(kvs_root_open(&o->io, sc_buf_slice(&record), &again, NULL) == SC_OK);
    SC_ASSERT(again.generation == root->generation && again.epoch == root->epoch && again.fresh == root->fresh);
    SC_ASSERT(again.log_count == root->log_count && again.manifest.plain_size == root->manifest.plain_size);
}

static void open_forged(struct opener *o, struct sc_slice body)
{
    struct kvs_root root = {.generation = 1};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    sc_random(&o->io.volume, sizeof o->io.volume);
    root.log_count =
        1 + body.ptr[body.size - 1] % KVS_ROOT_LOGS_MAX; /* so that bodies of several sizes are asked for */
    SC_ASSERT(kvs_root_seal(&o->io, &root, &record) == SC_OK);
    forged = body;
    const sc_err err = kvs_root_open(&o->io, sc_buf_slice(&record), &root, NULL);
    forged = SC_SLICE_EMPTY;
    if (err == SC_OK)
        expect_round_trip(o, &root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opener o;
    struct kvs_root root;
    if (size < 2)
        return 0;
    opener_init(&o);
    const struct sc_slice rest = sc_slice_of(data + 1, size - 1);
    if (data[0] % 2 != 0)
        open_forged(&o, rest);
    else if (kvs_root_open(&o.io, rest, &root, NULL) == SC_OK)
        expect_round_trip(&o, &root);
    pthread_mutex_destroy(&o.io.keys_lock);
    return 0;
}
