/* Certificate revocation lists (RFC 5280, section 5): complete ones of one issuer only. */
#include "crypto/internal.h"
#include "crypto/pki.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define CRL_SIZE_MAX      ((size_t)8 << 20)
#define SECURITY_BITS_MIN 112

struct sc_crl {
    X509_CRL *crl;
    int64_t this_update_s, next_update_s;
};

void sc_crl_free(struct sc_crl *crl)
{
    if (crl == NULL)
        return;
    X509_CRL_free(crl->crl);
    free(crl);
}

void sc_crl_freep(struct sc_crl **crl)
{
    sc_crl_free(*crl);
}

static X509_CRL *decode(struct sc_slice bytes)
{
    static const char pem_start[] = "-----BEGIN";
    if (bytes.size >= sizeof pem_start - 1 && memcmp(bytes.ptr, pem_start, sizeof pem_start - 1) == 0) {
        BIO *bio = BIO_new_mem_buf(bytes.ptr, (int)bytes.size);
        X509_CRL *crl = bio != NULL ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
        return crl;
    }
    const uint8_t *p = bytes.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)bytes.size);
    if (crl != NULL && p != bytes.ptr + bytes.size) { /* bytes after it */
        X509_CRL_free(crl);
        return NULL;
    }
    return crl;
}

/* A critical extension changes what the list means: it may cover some reasons or other issuers only, or be a delta. */
static bool is_partial(const X509_CRL *crl)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)))
            return true;
    return X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
}

sc_err sc_crl_parse(struct sc_slice bytes, struct sc_crl **out, struct sc_diag *diag)
{
    if (bytes.size > CRL_SIZE_MAX)
        return sc_fail(diag, SC_E_LIMIT, "CRL of %zu bytes", bytes.size);
    SC_CLEANUP(sc_crl_freep) struct sc_crl *crl = calloc(1, sizeof *crl);
    if (crl == NULL)
        return sc_fail(diag, SC_E_NOMEM, "CRL");
    crl->crl = decode(bytes);
    if (crl->crl == NULL)
        return sc_fail_openssl(diag, SC_E_MALFORMED, "CRL");
    if (is_partial(crl->crl))
        return sc_fail(diag, SC_E_MALFORMED, "CRL: not a complete one (a critical extension, or a delta)");
    if (crypto_time_s(X509_CRL_get0_lastUpdate(crl->crl), &crl->this_update_s) != SC_OK ||
        crypto_time_s(X509_CRL_get0_nextUpdate(crl->crl), &crl->next_update_s) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "CRL: update times are missing or unreadable");
    *out = SC_TAKE(crl);
    return SC_OK;
}

bool sc_crl_names_issuer(const struct sc_crl *crl, const struct sc_cert *issuer)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(crl->crl), X509_get_subject_name(issuer->x509)) == 0;
}

sc_err sc_crl_signed_by(const struct sc_crl *crl, const struct sc_pubkey *issuer)
{
    /* OpenSSL tells the strength of a certificate's signature, not of a list's: the algorithm's name has to do. */
    const X509_ALGOR *alg = NULL;
    int digest = NID_undef;
    int key = NID_undef;
    X509_CRL_get0_signature(crl->crl, NULL, &alg);
    const int nid = X509_CRL_get_signature_nid(crl->crl);
    const bool known = OBJ_find_sigid_algs(nid, &digest, &key) == 1;
    const bool strong =
        nid == NID_rsassaPss || (known && (digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512));
    const bool ok = strong && X509_CRL_verify(crl->crl, issuer->pkey) == 1;
    ERR_clear_error();
    return ok ? SC_OK : SC_E_AUTH;
}

int64_t sc_crl_this_update_s(const struct sc_crl *crl)
{
    return crl->this_update_s;
}

int64_t sc_crl_next_update_s(const struct sc_crl *crl)
{
    return crl->next_update_s;
}

size_t sc_crl_count(const struct sc_crl *crl)
{
    const int count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl->crl));
    return count > 0 ? (size_t)count : 0;
}

bool sc_crl_lists(const struct sc_crl *crl, struct sc_slice serial)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    X509_REVOKED *entry = NULL;
    if (number == NULL || ASN1_STRING_set(number, serial.ptr, (int)serial.size) != 1) {
        ASN1_INTEGER_free(number);
        return true; /* fail closed: what cannot be looked up counts as revoked */
    }
    const int found = X509_CRL_get0_by_serial(crl->crl, &entry, number);
    ASN1_INTEGER_free(number);
    return found != 0;
}
