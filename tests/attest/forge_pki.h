/* tests/attest/forge_pki.h - certificates, revocation lists and signatures for the forge. */
#ifndef TESTS_ATTEST_FORGE_PKI_H
#define TESTS_ATTEST_FORGE_PKI_H

#include "base/bytes.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct pki_extension {
    const char *oid;
    struct sc_slice value;
};
struct pki_cert {
    const char *cn;
    EVP_PKEY *key;
    const char *issuer_cn;
    EVP_PKEY *issuer_key;
    uint32_t serial;
    int64_t from_s, until_s;
    bool is_ca;
    int path_len;             /* -1: none */
    const char *usage;        /* NULL: no extension */
    bool bare;                /* no basic constraints: AMD's leaf certificates */
    const struct pki_extension *extensions;
    size_t extension_count;
};
#define PKI_ASSERT(cond) ((cond) ? (void)0 : sc_assert_failed(#cond, __FILE__, __LINE__))
EVP_PKEY *pki_key(const char *type, const char *group); /* "EC", "P-256"; "RSA", NULL: 2048 bits */
/* ECDSA keys sign with SHA-256; RSA keys with PSS, SHA-384 and a salt of 48 bytes. */
void pki_cert_der(const struct pki_cert *c, struct sc_buf *out);
void pki_der_to_pem(struct sc_slice der, struct sc_buf *out); /* appends */
void pki_crl_der(const char *issuer_cn, EVP_PKEY *issuer_key, int64_t from_s, int64_t until_s, const uint32_t *serials,
                 size_t serial_count, struct sc_buf *out);
/* r || s, big-endian, size bytes each */
void pki_sign_raw(EVP_PKEY *key, const char *hash, struct sc_slice message, size_t size, uint8_t *rs);
/* x || y, big-endian */
void pki_point(EVP_PKEY *key, size_t size, uint8_t *xy);
/* One DER element. */
void pki_der_put(struct sc_buf *out, uint8_t tag, struct sc_slice content);

#endif
