/* tee/box.h - bytes under a key, for storage that is not trusted: salt (32) | ciphertext | tag (16).
 * Each box has a key of its own (HKDF of base, purpose and the random salt), so its nonce may be zero. */
#ifndef SC_TEE_BOX_H
#define SC_TEE_BOX_H

#include "crypto/crypto.h"

#define TEE_BOX_SALT_SIZE ((size_t)32)
#define TEE_BOX_EXTRA     (TEE_BOX_SALT_SIZE + SC_TAG_SIZE)
/* Appends. */
sc_err tee_box_seal(const struct sc_key *base, const char *purpose, struct sc_slice aad, struct sc_slice plain,
                    struct sc_buf *out) SC_MUST_CHECK;
/* Appends; SC_E_AUTH leaves out as it was.  Wipe out afterwards. */
sc_err tee_box_open(const struct sc_key *base, const char *purpose, struct sc_slice aad, struct sc_slice box,
                    struct sc_buf *out) SC_MUST_CHECK;

#endif
