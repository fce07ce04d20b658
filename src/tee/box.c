#include "tee/box.h"

static const uint8_t zero_nonce[12];

static sc_err box_aead(const struct sc_key *base, const char *purpose, const uint8_t *salt, struct sc_aead **out)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_TRY(sc_key_derive(&key, base, purpose, sc_slice_of(salt, TEE_BOX_SALT_SIZE)));
    return sc_aead_new(out, &key);
}

sc_err tee_box_seal(const struct sc_key *base, const char *purpose, struct sc_slice aad, struct sc_slice plain,
                    struct sc_buf *out)
{
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    uint8_t *to = sc_buf_extend(out, plain.size + TEE_BOX_EXTRA);
    if (to == NULL)
        return sc_buf_status(out);
    sc_random(to, TEE_BOX_SALT_SIZE);
    SC_TRY(box_aead(base, purpose, to, &aead));
    to += TEE_BOX_SALT_SIZE;
    return sc_aead_seal(aead, zero_nonce, aad, plain, to, to + plain.size);
}

sc_err tee_box_open(const struct sc_key *base, const char *purpose, struct sc_slice aad, struct sc_slice box,
                    struct sc_buf *out)
{
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    if (box.size < TEE_BOX_EXTRA)
        return SC_E_MALFORMED;
    const struct sc_slice cipher = {box.ptr + TEE_BOX_SALT_SIZE, box.size - TEE_BOX_EXTRA};
    SC_TRY(box_aead(base, purpose, box.ptr, &aead));
    const size_t size_before = out->size;
    uint8_t *to = sc_buf_extend(out, cipher.size);
    if (to == NULL)
        return sc_buf_status(out);
    const sc_err err = sc_aead_open(aead, zero_nonce, aad, cipher, cipher.ptr + cipher.size, to);
    if (err != SC_OK)
        out->size = size_before;
    return err;
}
