/* crypto/internal.h - what the files of this folder share: OpenSSL's types, never seen outside crypto/ and net/. */
#ifndef SC_CRYPTO_INTERNAL_H
#define SC_CRYPTO_INTERNAL_H

#include "crypto/pki.h"
#include "crypto/x509.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct sc_signer {
    EVP_PKEY *pkey;
    enum sc_sign_alg alg;
};
struct sc_verifier {
    EVP_PKEY *pkey;
    enum sc_sign_alg alg;
};
struct sc_cert {
    X509 *x509;
};
struct sc_pubkey {
    EVP_PKEY *pkey;
    enum sc_pubkey_kind kind;
};

/* diag = what + ": " + OpenSSL's newest error; empties OpenSSL's queue. */
sc_err sc_fail_openssl(struct sc_diag *diag, sc_err code, const char *what);
/* The algorithm of pkey, or SC_E_UNSUPPORTED. */
sc_err crypto_pkey_alg(const EVP_PKEY *pkey, enum sc_sign_alg *out, struct sc_diag *diag);
/* Takes pkey over, also when it fails. */
sc_err crypto_pubkey_wrap(EVP_PKEY *pkey, struct sc_pubkey **out);
/* Seconds since 1970; SC_E_MALFORMED: absent or unreadable. */
sc_err crypto_time_s(const ASN1_TIME *t, int64_t *out);

#endif
