/* crypto/x509.h - X.509 certificates: a small issuer (local CA, metrology institute) and a strict judge.
 *
 * Names: a service is its SPIFFE ID (URI subject alternative name, e.g. spiffe://securecloud.local/service/mdc); a meter
 * is urn:securecloud:meter:<8 digits>.  Objects are immutable once made and may be shared between threads. */
#ifndef SC_CRYPTO_X509_H
#define SC_CRYPTO_X509_H

#include "crypto/crypto.h"

struct sc_cert;
void sc_cert_free(struct sc_cert *cert);
void sc_cert_freep(struct sc_cert **cert);
sc_err sc_cert_from_der(struct sc_slice der, struct sc_cert **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_cert_from_pem(struct sc_slice pem, struct sc_cert **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_cert_read_pem(const char *path, struct sc_cert **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_cert_to_der(const struct sc_cert *cert, struct sc_buf *out) SC_MUST_CHECK;
sc_err sc_cert_to_pem(const struct sc_cert *cert, struct sc_buf *out) SC_MUST_CHECK;
/* The first URI subject alternative name; SC_E_NOT_FOUND without one. */
sc_err sc_cert_uri(const struct sc_cert *cert, char *out, size_t out_size, struct sc_diag *diag) SC_MUST_CHECK;
/* A verifier over the certified key (owned by the caller). */
sc_err sc_cert_verifier(const struct sc_cert *cert, struct sc_verifier **out, struct sc_diag *diag) SC_MUST_CHECK;

/* A further extension, not critical: its value is put in as it stands. */
struct sc_cert_extension {
    const char *oid; /* "1.2.3" */
    struct sc_slice value;
};
struct sc_cert_request {
    const char *common_name; /* required */
    const char *uri;         /* NULL: none */
    const char *dns;         /* NULL: none; services here get "localhost" plus the address 127.0.0.1 */
    const struct sc_verifier *subject_key;
    int64_t not_before_ms, not_after_ms; /* wall clock, ms since 1970 */
    bool is_ca;
    bool is_tls; /* extended key usage: server and client authentication */
    unsigned path_len; /* of a CA: how many further CAs may stand below it */
    const struct sc_cert_extension *extensions;
    size_t extension_count;
};
/* Issues a certificate: self-signed when issuer_cert is NULL (issuer_key's own certificate), else under it. */
sc_err sc_cert_issue(const struct sc_cert_request *req, const struct sc_cert *issuer_cert,
                     const struct sc_signer *issuer_key, struct sc_cert **out, struct sc_diag *diag) SC_MUST_CHECK;
/* Issues an empty revocation list (RFC 5280, 5) under a CA: "nothing is revoked, and this is true until".  Appends DER. */
sc_err sc_crl_issue_empty(const struct sc_cert *issuer_cert, const struct sc_signer *issuer_key, int64_t this_update_s,
                          int64_t next_update_s, struct sc_buf *der_out, struct sc_diag *diag) SC_MUST_CHECK;
/* Judges cert against exactly one trusted root at time now_ms: chain, dates, basic constraints.  SC_E_AUTH with the
 * reason in diag. */
sc_err sc_cert_verify(const struct sc_cert *cert, const struct sc_cert *root, int64_t now_ms, struct sc_diag *diag)
    SC_MUST_CHECK;

#endif
