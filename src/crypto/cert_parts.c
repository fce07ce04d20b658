/* Certificates of other people, part by part. */
#include "crypto/internal.h"
#include "crypto/pki.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define SECURITY_BITS_MIN 112

sc_err crypto_time_s(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;
    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
        return SC_E_MALFORMED;
    *out = (int64_t)timegm(&tm);
    return SC_OK;
}

static unsigned usages_of(X509 *x)
{
    const uint32_t bits = X509_get_key_usage(x); /* UINT32_MAX without the extension */
    return ((bits & KU_DIGITAL_SIGNATURE) != 0 ? SC_CERT_SIGNS_DATA : 0u) |
           ((bits & KU_KEY_CERT_SIGN) != 0 ? SC_CERT_SIGNS_CERTS : 0u) |
           ((bits & KU_CRL_SIGN) != 0 ? SC_CERT_SIGNS_CRLS : 0u);
}

static bool has_unknown_critical(const X509 *x)
{
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *ext = X509_get_ext(x, i);
        if (X509_EXTENSION_get_critical(ext) && !X509_supported_extension(ext))
            return true;
    }
    return false;
}

static sc_err spki_hash(const struct sc_cert *cert, struct sc_hash *out)
{
    uint8_t *der = NULL;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert->x509), &der);
    if (size <= 0)
        return SC_E_NOMEM;
    sc_hash_of(sc_slice_of(der, (size_t)size), out);
    OPENSSL_free(der);
    return SC_OK;
}

sc_err sc_cert_facts(const struct sc_cert *cert, struct sc_cert_facts *out, struct sc_diag *diag)
{
    X509 *x = cert->x509;
    const uint32_t flags = X509_get_extension_flags(x); /* parses and caches the extensions */
    struct sc_cert_facts f = {.path_len = -1};
    if ((flags & EXFLAG_INVALID) != 0 || X509_get_version(x) != X509_VERSION_3)
        return sc_fail(diag, SC_E_MALFORMED, "certificate: version or extensions are not usable");
    if (has_unknown_critical(x))
        return sc_fail(diag, SC_E_MALFORMED, "certificate: an unknown extension is critical");
    if (crypto_time_s(X509_get0_notBefore(x), &f.not_before_s) != SC_OK ||
        crypto_time_s(X509_get0_notAfter(x), &f.not_after_s) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "certificate: unreadable dates");
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        return sc_fail(diag, SC_E_MALFORMED, "certificate: a negative serial number");
    f.serial = sc_slice_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    f.is_ca = (flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0;
    f.path_len = X509_get_pathlen(x);
    f.usages = usages_of(x);
    f.self_issued = sc_cert_names_issuer(cert, cert);
    SC_TRY(spki_hash(cert, &f.spki));
    *out = f;
    return SC_OK;
}

static void cn_of(X509_NAME *name, char *out)
{
    out[0] = '\0';
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0)
        return;
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    const unsigned char *data = ASN1_STRING_get0_data(s);
    size_t size = (size_t)ASN1_STRING_length(s);
    if (size > SC_CERT_CN_SIZE_MAX - 1)
        size = SC_CERT_CN_SIZE_MAX - 1;
    for (size_t i = 0; i < size; i++) {
        out[i] = '?';
        if (data[i] >= ' ' && data[i] < 0x7f)
            out[i] = (char)data[i];
    }
    out[size] = '\0';
}

void sc_cert_subject_cn(const struct sc_cert *cert, char out[static SC_CERT_CN_SIZE_MAX])
{
    cn_of(X509_get_subject_name(cert->x509), out);
}

void sc_cert_issuer_cn(const struct sc_cert *cert, char out[static SC_CERT_CN_SIZE_MAX])
{
    cn_of(X509_get_issuer_name(cert->x509), out);
}

bool sc_cert_names_issuer(const struct sc_cert *cert, const struct sc_cert *issuer)
{
    return X509_NAME_cmp(X509_get_issuer_name(cert->x509), X509_get_subject_name(issuer->x509)) == 0;
}

sc_err sc_cert_extension(const struct sc_cert *cert, const char *oid, struct sc_slice *value_out)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
    if (obj == NULL)
        return SC_E_NOMEM;
    const int at = X509_get_ext_by_OBJ(cert->x509, obj, -1);
    const int again = at >= 0 ? X509_get_ext_by_OBJ(cert->x509, obj, at) : -1;
    ASN1_OBJECT_free(obj);
    if (at < 0)
        return SC_E_NOT_FOUND;
    if (again >= 0) /* RFC 5280, 4.2: at most one of each */
        return SC_E_MALFORMED;
    const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(X509_get_ext(cert->x509, at));
    *value_out = sc_slice_of(ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data));
    return SC_OK;
}

sc_err sc_cert_pubkey(const struct sc_cert *cert, struct sc_pubkey **out, struct sc_diag *diag)
{
    EVP_PKEY *pkey = X509_get_pubkey(cert->x509);
    if (pkey == NULL)
        return sc_fail_openssl(diag, SC_E_MALFORMED, "certificate's public key");
    return crypto_pubkey_wrap(pkey, out);
}

sc_err sc_cert_signed_by(const struct sc_cert *cert, const struct sc_pubkey *issuer)
{
    int bits = 0;
    const bool ok = X509_get_signature_info(cert->x509, NULL, NULL, &bits, NULL) == 1 && bits >= SECURITY_BITS_MIN &&
                    X509_verify(cert->x509, issuer->pkey) == 1;
    ERR_clear_error();
    return ok ? SC_OK : SC_E_AUTH;
}

/* The next PEM block as a certificate; *out stays NULL at the end of the text. */
static sc_err next_cert(BIO *bio, struct sc_cert **out, struct sc_diag *diag)
{
    char *name = NULL;
    char *header = NULL;
    unsigned char *data = NULL;
    long size = 0;
    if (PEM_read_bio(bio, &name, &header, &data, &size) != 1) {
        const int reason = ERR_GET_REASON(ERR_peek_last_error());
        if (reason != PEM_R_NO_START_LINE)
            return sc_fail_openssl(diag, SC_E_MALFORMED, "PEM");
        ERR_clear_error();
        return SC_OK;
    }
    const bool is_cert = strcmp(name, PEM_STRING_X509) == 0 && header[0] == '\0';
    const sc_err err = is_cert ? sc_cert_from_der(sc_slice_of(data, (size_t)size), out, diag)
                               : sc_fail(diag, SC_E_MALFORMED, "PEM: a certificate expected");
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    return err;
}

sc_err sc_certs_from_pem(struct sc_slice pem, struct sc_cert *out[], size_t max, size_t *count_out,
                         struct sc_diag *diag)
{
    if (pem.size > 1u << 20)
        return sc_fail(diag, SC_E_LIMIT, "PEM of %zu bytes", pem.size);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.size);
    if (bio == NULL)
        return SC_E_NOMEM;
    size_t count = 0;
    sc_err err = SC_OK;
    for (;;) {
        struct sc_cert *cert = NULL;
        err = next_cert(bio, &cert, diag);
        if (err != SC_OK || cert == NULL)
            break;
        if (count == max) {
            sc_cert_free(cert);
            err = sc_fail(diag, SC_E_LIMIT, "PEM: more than %zu certificates", max);
            break;
        }
        out[count++] = cert;
    }
    BIO_free(bio);
    if (err == SC_OK && count == 0)
        err = sc_fail(diag, SC_E_MALFORMED, "PEM: no certificate");
    for (size_t i = 0; err != SC_OK && i < count; i++) {
        sc_cert_free(out[i]);
        out[i] = NULL;
    }
    if (err == SC_OK)
        *count_out = count;
    return err;
}
