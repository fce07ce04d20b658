#include "crypto/internal.h"

#include "base/file.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

void sc_cert_free(struct sc_cert *cert)
{
    if (cert == NULL)
        return;
    X509_free(cert->x509);
    free(cert);
}

void sc_cert_freep(struct sc_cert **cert)
{
    sc_cert_free(*cert);
}

static sc_err cert_wrap(X509 *x509, struct sc_cert **out)
{
    struct sc_cert *cert = calloc(1, sizeof *cert);
    if (cert == NULL) {
        X509_free(x509);
        return SC_E_NOMEM;
    }
    cert->x509 = x509;
    *out = cert;
    return SC_OK;
}

sc_err sc_cert_from_der(struct sc_slice der, struct sc_cert **out, struct sc_diag *diag)
{
    const uint8_t *p = der.ptr;
    if (der.size > 65536)
        return sc_fail(diag, SC_E_LIMIT, "certificate of %zu bytes", der.size);
    X509 *x = d2i_X509(NULL, &p, (long)der.size);
    if (x == NULL || p != der.ptr + der.size) {
        X509_free(x);
        return sc_fail_openssl(diag, SC_E_MALFORMED, "certificate");
    }
    return cert_wrap(x, out);
}

sc_err sc_cert_from_pem(struct sc_slice pem, struct sc_cert **out, struct sc_diag *diag)
{
    if (pem.size > INT_MAX)
        return sc_fail(diag, SC_E_LIMIT, "certificate of %zu bytes", pem.size);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.size);
    X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (x == NULL)
        return sc_fail_openssl(diag, SC_E_MALFORMED, "certificate");
    return cert_wrap(x, out);
}

sc_err sc_cert_read_pem(const char *path, struct sc_cert **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = {0};
    SC_TRY(sc_file_read(path, 65536, &pem, diag));
    return sc_context(diag, sc_cert_from_pem(sc_buf_slice(&pem), out, diag), "%s", path);
}

sc_err sc_cert_to_der(const struct sc_cert *cert, struct sc_buf *out)
{
    uint8_t *der = NULL;
    const int size = i2d_X509(cert->x509, &der);
    if (size <= 0)
        return SC_E_NOMEM;
    sc_buf_put_bytes(out, sc_slice_of(der, (size_t)size));
    OPENSSL_free(der);
    return sc_buf_status(out);
}

sc_err sc_cert_to_pem(const struct sc_cert *cert, struct sc_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_X509(bio, cert->x509) != 1) {
        BIO_free(bio);
        return SC_E_NOMEM;
    }
    char *data = NULL;
    const long size = BIO_get_mem_data(bio, &data);
    sc_buf_put_bytes(out, sc_slice_of(data, (size_t)size));
    BIO_free(bio);
    return sc_buf_status(out);
}

sc_err sc_cert_uri(const struct sc_cert *cert, char *out, size_t out_size, struct sc_diag *diag)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert->x509, NID_subject_alt_name, NULL, NULL);
    sc_err err = SC_E_NOT_FOUND;
    for (int i = 0; err == SC_E_NOT_FOUND && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        if (n->type != GEN_URI)
            continue;
        const int size = ASN1_STRING_length(n->d.uniformResourceIdentifier);
        const unsigned char *data = ASN1_STRING_get0_data(n->d.uniformResourceIdentifier);
        err = SC_E_MALFORMED;
        if (size >= 0 && (size_t)size < out_size && memchr(data, 0, (size_t)size) == NULL) {
            memcpy(out, data, (size_t)size);
            out[size] = '\0';
            err = SC_OK;
        }
    }
    GENERAL_NAMES_free(names);
    if (err == SC_E_NOT_FOUND)
        return sc_fail(diag, err, "certificate without a URI name");
    return err == SC_OK ? SC_OK : sc_fail(diag, err, "certificate's URI name");
}

sc_err sc_cert_verifier(const struct sc_cert *cert, struct sc_verifier **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = calloc(1, sizeof *v);
    if (v == NULL)
        return SC_E_NOMEM;
    v->pkey = X509_get_pubkey(cert->x509);
    if (v->pkey == NULL)
        return sc_fail_openssl(diag, SC_E_MALFORMED, "certificate's public key");
    SC_TRY(crypto_pkey_alg(v->pkey, &v->alg, diag));
    *out = SC_TAKE(v);
    return SC_OK;
}

static bool add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    const bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool add_raw_ext(X509 *x, const struct sc_cert_extension *e)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(e->oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    const bool ok = oid != NULL && value != NULL && e->value.size <= INT_MAX &&
                    ASN1_OCTET_STRING_set(value, e->value.ptr, (int)e->value.size) == 1 &&
                    (ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value)) != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok;
}

static bool add_basic_constraints(X509 *x, X509 *issuer, const struct sc_cert_request *req)
{
    char text[48] = "critical,CA:FALSE";
    if (req->is_ca)
        snprintf(text, sizeof text, "critical,CA:TRUE,pathlen:%u", req->path_len);
    return add_ext(x, issuer, NID_basic_constraints, text);
}

static bool set_serial(X509 *x)
{
    uint8_t bytes[16];
    sc_random(bytes, sizeof bytes);
    bytes[0] &= 0x7f; /* positive (RFC 5280, 4.1.2.2) */
    BIGNUM *bn = BN_bin2bn(bytes, sizeof bytes, NULL);
    const bool ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;
    BN_free(bn);
    return ok;
}

static bool set_names(X509 *x, X509 *issuer, const struct sc_cert_request *req)
{
    X509_NAME *name = X509_get_subject_name(x);
    if (X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"SecureCloud", -1, -1, 0) != 1 ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)req->common_name, -1, -1, 0) != 1 ||
        X509_set_issuer_name(x, X509_get_subject_name(issuer)) != 1)
        return false;
    char alt[512] = "";
    if (req->uri != NULL)
        snprintf(alt, sizeof alt, "URI:%s", req->uri);
    if (req->dns != NULL)
        snprintf(alt + strlen(alt), sizeof alt - strlen(alt), "%sDNS:%s,IP:127.0.0.1", alt[0] != '\0' ? "," : "",
                 req->dns);
    return alt[0] == '\0' || add_ext(x, issuer, NID_subject_alt_name, alt);
}

sc_err sc_cert_issue(const struct sc_cert_request *req, const struct sc_cert *issuer_cert,
                     const struct sc_signer *issuer_key, struct sc_cert **out, struct sc_diag *diag)
{
    if ((req->uri != NULL && (strlen(req->uri) > 200 || strpbrk(req->uri, ",\n\r") != NULL)) ||
        (req->dns != NULL && (strlen(req->dns) > 200 || strpbrk(req->dns, ",\n\r") != NULL)))
        return sc_fail(diag, SC_E_USAGE, "certificate request: name too long or with a comma");
    X509 *x = X509_new();
    if (x == NULL)
        return SC_E_NOMEM;
    X509 *issuer = issuer_cert != NULL ? issuer_cert->x509 : x;
    bool ok =
        X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_names(x, issuer, req) &&
        ASN1_TIME_set(X509_getm_notBefore(x), req->not_before_ms / 1000) != NULL &&
        ASN1_TIME_set(X509_getm_notAfter(x), req->not_after_ms / 1000) != NULL &&
        X509_set_pubkey(x, req->subject_key->pkey) == 1 && add_basic_constraints(x, issuer, req) &&
        add_ext(x, issuer, NID_key_usage, req->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
        add_ext(x, issuer, NID_subject_key_identifier, "hash") &&
        add_ext(x, issuer, NID_authority_key_identifier, "keyid:always") &&
        (!req->is_tls || add_ext(x, issuer, NID_ext_key_usage, "serverAuth,clientAuth"));
    for (size_t i = 0; ok && i < req->extension_count; i++)
        ok = add_raw_ext(x, &req->extensions[i]);
    ok = ok && X509_sign(x, issuer_key->pkey, issuer_key->alg == SC_SIGN_ED25519 ? NULL : EVP_sha256()) > 0;
    if (!ok) {
        X509_free(x);
        return sc_fail_openssl(diag, SC_E_USAGE, "issuing a certificate");
    }
    return cert_wrap(x, out);
}

sc_err sc_crl_issue_empty(const struct sc_cert *issuer_cert, const struct sc_signer *issuer_key, int64_t this_update_s,
                          int64_t next_update_s, struct sc_buf *der_out, struct sc_diag *diag)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, this_update_s);
    ASN1_TIME *until = ASN1_TIME_set(NULL, next_update_s);
    uint8_t *der = NULL;
    int size = 0;
    const bool ok =
        crl != NULL && from != NULL && until != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer_cert->x509)) == 1 &&
        X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1 &&
        X509_CRL_sign(crl, issuer_key->pkey, issuer_key->alg == SC_SIGN_ED25519 ? NULL : EVP_sha256()) > 0 &&
        (size = i2d_X509_CRL(crl, &der)) > 0;
    if (ok)
        sc_buf_put_bytes(der_out, sc_slice_of(der, (size_t)size));
    OPENSSL_free(der);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_CRL_free(crl);
    return ok ? sc_buf_status(der_out) : sc_fail_openssl(diag, SC_E_USAGE, "issuing a revocation list");
}

sc_err sc_cert_verify(const struct sc_cert *cert, const struct sc_cert *root, int64_t now_ms, struct sc_diag *diag)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    sc_err err = SC_E_NOMEM;
    if (store != NULL && ctx != NULL && X509_STORE_add_cert(store, root->x509) == 1 &&
        X509_STORE_CTX_init(ctx, store, cert->x509, NULL) == 1) {
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), now_ms / 1000);
        X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
        if (X509_verify_cert(ctx) == 1)
            err = SC_OK;
        else
            err = sc_fail(diag, SC_E_AUTH, "certificate: %s",
                          X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    }
    ERR_clear_error();
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return err;
}
