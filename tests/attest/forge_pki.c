#include "forge_pki.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>

EVP_PKEY *pki_key(const char *type, const char *group)
{
    EVP_PKEY *key = group != NULL ? EVP_PKEY_Q_keygen(NULL, NULL, type, group)
                                  : EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t)2048);
    PKI_ASSERT(key != NULL);
    return key;
}

static X509_NAME *name_of(const char *cn)
{
    X509_NAME *name = X509_NAME_new();
    PKI_ASSERT(name != NULL);
    PKI_ASSERT(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const uint8_t *)"Forge", -1, -1, 0) == 1);
    PKI_ASSERT(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0) == 1);
    return name;
}

static EVP_MD_CTX *signing_context(EVP_PKEY *key)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    const bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    PKI_ASSERT(ctx != NULL && EVP_DigestSignInit(ctx, &pctx, rsa ? EVP_sha384() : EVP_sha256(), NULL, key) == 1);
    if (rsa) {
        PKI_ASSERT(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1);
        PKI_ASSERT(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 48) == 1);
        PKI_ASSERT(EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, EVP_sha384()) == 1);
    }
    return ctx;
}

static void add_known(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    PKI_ASSERT(ext != NULL && X509_add_ext(x, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static void add_raw(X509 *x, const struct pki_extension *e)
{
    ASN1_OBJECT *obj = OBJ_txt2obj(e->oid, 1);
    ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
    PKI_ASSERT(obj != NULL && data != NULL && ASN1_OCTET_STRING_set(data, e->value.ptr, (int)e->value.size) == 1);
    X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ(NULL, obj, 0, data);
    PKI_ASSERT(ext != NULL && X509_add_ext(x, ext, -1) == 1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(data);
    ASN1_OBJECT_free(obj);
}

static void add_extensions(X509 *x, const struct pki_cert *c)
{
    char constraints[64];
    snprintf(constraints, sizeof constraints, c->path_len >= 0 ? "critical,CA:TRUE,pathlen:%d" : "critical,CA:TRUE",
             c->path_len);
    if (!c->bare)
        add_known(x, NID_basic_constraints, c->is_ca ? constraints : "critical,CA:FALSE");
    if (c->usage != NULL)
        add_known(x, NID_key_usage, c->usage);
    for (size_t i = 0; i < c->extension_count; i++)
        add_raw(x, &c->extensions[i]);
}

void pki_cert_der(const struct pki_cert *c, struct sc_buf *out)
{
    X509 *x = X509_new();
    X509_NAME *subject = name_of(c->cn);
    X509_NAME *issuer = name_of(c->issuer_cn);
    PKI_ASSERT(x != NULL && X509_set_version(x, X509_VERSION_3) == 1);
    PKI_ASSERT(ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), c->serial) == 1);
    PKI_ASSERT(X509_set_subject_name(x, subject) == 1 && X509_set_issuer_name(x, issuer) == 1);
    PKI_ASSERT(ASN1_TIME_set(X509_getm_notBefore(x), c->from_s) != NULL);
    PKI_ASSERT(ASN1_TIME_set(X509_getm_notAfter(x), c->until_s) != NULL);
    PKI_ASSERT(X509_set_pubkey(x, c->key) == 1);
    add_extensions(x, c);
    EVP_MD_CTX *ctx = signing_context(c->issuer_key);
    PKI_ASSERT(X509_sign_ctx(x, ctx) > 0);
    uint8_t *der = NULL;
    const int size = i2d_X509(x, &der);
    PKI_ASSERT(size > 0);
    sc_buf_put_bytes(out, sc_slice_of(der, (size_t)size));
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    X509_NAME_free(subject);
    X509_NAME_free(issuer);
    X509_free(x);
}

void pki_der_to_pem(struct sc_slice der, struct sc_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    PKI_ASSERT(bio != NULL && PEM_write_bio(bio, PEM_STRING_X509, "", der.ptr, (long)der.size) > 0);
    const long size = BIO_get_mem_data(bio, &data);
    sc_buf_put_bytes(out, sc_slice_of(data, (size_t)size));
    BIO_free(bio);
}

static void crl_revoke(X509_CRL *crl, uint32_t serial, int64_t at_s)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, at_s);
    PKI_ASSERT(entry != NULL && number != NULL && at != NULL && ASN1_INTEGER_set_uint64(number, serial) == 1);
    PKI_ASSERT(X509_REVOKED_set_serialNumber(entry, number) == 1 && X509_REVOKED_set_revocationDate(entry, at) == 1);
    PKI_ASSERT(X509_CRL_add0_revoked(crl, entry) == 1);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(at);
}

void pki_crl_der(const char *issuer_cn, EVP_PKEY *issuer_key, int64_t from_s, int64_t until_s, const uint32_t *serials,
                 size_t serial_count, struct sc_buf *out)
{
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *issuer = name_of(issuer_cn);
    ASN1_TIME *from = ASN1_TIME_set(NULL, from_s);
    ASN1_TIME *until = ASN1_TIME_set(NULL, until_s);
    PKI_ASSERT(crl != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
    PKI_ASSERT(X509_CRL_set_issuer_name(crl, issuer) == 1);
    PKI_ASSERT(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1);
    for (size_t i = 0; i < serial_count; i++)
        crl_revoke(crl, serials[i], from_s);
    PKI_ASSERT(X509_CRL_sort(crl) == 1);
    EVP_MD_CTX *ctx = signing_context(issuer_key);
    PKI_ASSERT(X509_CRL_sign_ctx(crl, ctx) > 0);
    uint8_t *der = NULL;
    const int size = i2d_X509_CRL(crl, &der);
    PKI_ASSERT(size > 0);
    sc_buf_put_bytes(out, sc_slice_of(der, (size_t)size));
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_NAME_free(issuer);
    X509_CRL_free(crl);
}

void pki_sign_raw(EVP_PKEY *key, const char *hash, struct sc_slice message, size_t size, uint8_t *rs)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t der[256];
    size_t der_size = sizeof der;
    PKI_ASSERT(ctx != NULL && EVP_DigestSignInit_ex(ctx, NULL, hash, NULL, NULL, key, NULL) == 1);
    PKI_ASSERT(EVP_DigestSign(ctx, der, &der_size, message.ptr, message.size) == 1);
    const uint8_t *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der_size);
    PKI_ASSERT(sig != NULL);
    PKI_ASSERT(BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, (int)size) == (int)size);
    PKI_ASSERT(BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + size, (int)size) == (int)size);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
}

void pki_point(EVP_PKEY *key, size_t size, uint8_t *xy)
{
    uint8_t *point = NULL;
    PKI_ASSERT(EVP_PKEY_get1_encoded_public_key(key, &point) == 1 + 2 * size);
    memcpy(xy, point + 1, 2 * size);
    OPENSSL_free(point);
}

void pki_der_put(struct sc_buf *out, uint8_t tag, struct sc_slice content)
{
    sc_buf_put_u8(out, tag);
    if (content.size < 0x80) {
        sc_buf_put_u8(out, (uint8_t)content.size);
    } else if (content.size < 0x100) {
        sc_buf_put_u8(out, 0x81);
        sc_buf_put_u8(out, (uint8_t)content.size);
    } else {
        sc_buf_put_u8(out, 0x82);
        sc_buf_put_u16be(out, (uint16_t)content.size);
    }
    sc_buf_put_bytes(out, content);
}
