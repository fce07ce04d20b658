/* tee/signature.h - a signature over code: who vouches for a measurement, as which product and version.
 * It stands beside the executable as <executable>.sig and proves itself, so anybody may hand it over.
 *   "SCSIGN1\0" | measurement (32) | u32be product | u32be svn | u16be size, SubjectPublicKeyInfo | u16be size, signature
 * The signature covers "securecloud code signature v1" and what is before the key; signer = SHA-256 of the key's
 * SubjectPublicKeyInfo. */
#ifndef SC_TEE_SIGNATURE_H
#define SC_TEE_SIGNATURE_H

#include "crypto/crypto.h"

#define TEE_SIGNATURE_SIZE_MAX ((size_t)1024)

struct tee_signature {
    struct sc_hash measurement;
    struct sc_hash signer;
    uint32_t product_id, svn;
};
sc_err tee_signature_make(const struct sc_hash *measurement, uint32_t product_id, uint32_t svn,
                          const struct sc_signer *key, struct sc_buf *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Parses and verifies.  SC_E_MALFORMED, SC_E_AUTH. */
sc_err tee_signature_check(struct sc_slice bytes, struct tee_signature *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
