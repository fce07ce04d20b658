/* crypto/pki.h - other people's public keys, certificates and revocation lists, part by part.
 *
 * For judges of foreign hierarchies (the makers of processors) who must say exactly what is wrong: which signature, which
 * date, which name.  sc_cert_verify() of x509.h answers yes or no for our own certificates; here each check is a call.
 * Slices borrow from the object.  Objects are immutable once made and may be shared between threads. */
#ifndef SC_CRYPTO_PKI_H
#define SC_CRYPTO_PKI_H

#include "crypto/x509.h"

/* ---- public keys ---- */
enum sc_pubkey_kind { SC_PUBKEY_OTHER, SC_PUBKEY_P256, SC_PUBKEY_P384, SC_PUBKEY_RSA };
struct sc_pubkey;
void sc_pubkey_free(struct sc_pubkey *key);
void sc_pubkey_freep(struct sc_pubkey **key);
enum sc_pubkey_kind sc_pubkey_kind(const struct sc_pubkey *key);
/* From the affine coordinates x || y, big-endian (64 bytes for P-256, 96 for P-384).  SC_E_MALFORMED: wrong size, or
 * not a point of the curve. */
sc_err sc_pubkey_from_point(enum sc_pubkey_kind kind, struct sc_slice xy, struct sc_pubkey **out) SC_MUST_CHECK;
/* ECDSA with the signature as r || s, big-endian, each as long as the curve's order; the hash is SHA-256 on P-256 and
 * SHA-384 on P-384.  SC_E_AUTH: wrong signature, or a key that makes no such signatures. */
sc_err sc_pubkey_check_raw(const struct sc_pubkey *key, struct sc_slice message, struct sc_slice rs) SC_MUST_CHECK;

/* ---- certificates ---- */
#define SC_CERT_CN_SIZE_MAX ((size_t)128)
enum sc_cert_usage { SC_CERT_SIGNS_DATA = 1, SC_CERT_SIGNS_CERTS = 2, SC_CERT_SIGNS_CRLS = 4 };
/* What the checks below need, taken out of the certificate once. */
struct sc_cert_facts {
    struct sc_slice serial; /* magnitude, big-endian */
    int64_t not_before_s, not_after_s;
    bool is_ca;         /* basic constraints say so */
    long path_len;      /* how many further CAs may follow; -1: not limited */
    unsigned usages;    /* of enum sc_cert_usage; all of them where the extension is absent */
    bool self_issued;   /* subject and issuer are one name */
    struct sc_hash spki; /* SHA-256 of the SubjectPublicKeyInfo */
};
/* SC_E_MALFORMED: unusable dates or extensions, or a critical extension that is unknown (RFC 5280, 4.2). */
sc_err sc_cert_facts(const struct sc_cert *cert, struct sc_cert_facts *out, struct sc_diag *diag) SC_MUST_CHECK;
/* The subject's (or issuer's) common name; "" without one; cut where it does not fit, unprintable bytes as '?'. */
void sc_cert_subject_cn(const struct sc_cert *cert, char out[static SC_CERT_CN_SIZE_MAX]);
void sc_cert_issuer_cn(const struct sc_cert *cert, char out[static SC_CERT_CN_SIZE_MAX]);
/* Is cert's issuer name the other's subject name? */
bool sc_cert_names_issuer(const struct sc_cert *cert, const struct sc_cert *issuer);
/* The value of the extension with this OID ("1.2.3").  SC_E_NOT_FOUND: none; SC_E_MALFORMED: more than one. */
sc_err sc_cert_extension(const struct sc_cert *cert, const char *oid, struct sc_slice *value_out) SC_MUST_CHECK;
sc_err sc_cert_pubkey(const struct sc_cert *cert, struct sc_pubkey **out, struct sc_diag *diag) SC_MUST_CHECK;
/* SC_E_AUTH: not signed by this key, or with less than 112 bits of security (SHA-1 and the like). */
sc_err sc_cert_signed_by(const struct sc_cert *cert, const struct sc_pubkey *issuer) SC_MUST_CHECK;
/* Every certificate of a PEM text, in its order: at most max.  Other text between the blocks is allowed, other blocks
 * are not.  SC_E_LIMIT: more than max; SC_E_MALFORMED: a broken block, or none.  On failure nothing is left in out. */
sc_err sc_certs_from_pem(struct sc_slice pem, struct sc_cert *out[], size_t max, size_t *count_out,
                         struct sc_diag *diag) SC_MUST_CHECK;

/* ---- revocation lists ---- */
struct sc_crl;
void sc_crl_free(struct sc_crl *crl);
void sc_crl_freep(struct sc_crl **crl);
/* DER, or PEM where it starts so.  SC_E_MALFORMED also: no next update, a critical extension (a partial list). */
sc_err sc_crl_parse(struct sc_slice bytes, struct sc_crl **out, struct sc_diag *diag) SC_MUST_CHECK;
bool sc_crl_names_issuer(const struct sc_crl *crl, const struct sc_cert *issuer);
sc_err sc_crl_signed_by(const struct sc_crl *crl, const struct sc_pubkey *issuer) SC_MUST_CHECK; /* as for certificates */
int64_t sc_crl_this_update_s(const struct sc_crl *crl);
int64_t sc_crl_next_update_s(const struct sc_crl *crl);
size_t sc_crl_count(const struct sc_crl *crl);
/* Is the serial number (magnitude, big-endian) in the list? */
bool sc_crl_lists(const struct sc_crl *crl, struct sc_slice serial);

#endif
