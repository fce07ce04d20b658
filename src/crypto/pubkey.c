/* Public keys of other people: ECDSA over raw signatures, and the keys of certificates. */
#include "crypto/internal.h"
#include "crypto/pki.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <pthread.h>

void sc_pubkey_free(struct sc_pubkey *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

void sc_pubkey_freep(struct sc_pubkey **key)
{
    sc_pubkey_free(*key);
}

enum sc_pubkey_kind sc_pubkey_kind(const struct sc_pubkey *key)
{
    return key->kind;
}

static enum sc_pubkey_kind kind_of(const EVP_PKEY *pkey)
{
    char group[32] = "";
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA)
        return SC_PUBKEY_RSA;
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC || EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1)
        return SC_PUBKEY_OTHER;
    if (strcmp(group, "prime256v1") == 0)
        return SC_PUBKEY_P256;
    return strcmp(group, "secp384r1") == 0 ? SC_PUBKEY_P384 : SC_PUBKEY_OTHER;
}

sc_err crypto_pubkey_wrap(EVP_PKEY *pkey, struct sc_pubkey **out)
{
    struct sc_pubkey *key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return SC_E_NOMEM;
    }
    key->pkey = pkey;
    key->kind = kind_of(pkey);
    *out = key;
    return SC_OK;
}

/* Size in bytes of a coordinate, and of r and s. */
static size_t field_size(enum sc_pubkey_kind kind)
{
    return kind == SC_PUBKEY_P256 ? 32 : kind == SC_PUBKEY_P384 ? 48 : 0;
}

/* A key of each curve, made once: a new key starts as its copy and takes another point, which costs a fraction of
 * what building one from parameters or from SubjectPublicKeyInfo costs. */
static EVP_PKEY *curve_model[2];
static const EVP_MD *curve_hash[2];

static void models_make(void)
{
    curve_model[0] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    curve_model[1] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    curve_hash[0] = EVP_MD_fetch(NULL, "SHA256", NULL);
    curve_hash[1] = EVP_MD_fetch(NULL, "SHA384", NULL);
}

static bool models_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, models_make);
    return curve_model[0] != NULL && curve_model[1] != NULL && curve_hash[0] != NULL && curve_hash[1] != NULL;
}

sc_err sc_pubkey_from_point(enum sc_pubkey_kind kind, struct sc_slice xy, struct sc_pubkey **out)
{
    const size_t size = field_size(kind);
    if (size == 0 || xy.size != 2 * size)
        return SC_E_MALFORMED;
    if (!models_ready())
        return SC_E_NOMEM;
    uint8_t point[1 + 2 * 48];
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, xy.ptr, xy.size);
    EVP_PKEY *pkey = EVP_PKEY_new();
    if (pkey == NULL || EVP_PKEY_copy_parameters(pkey, curve_model[kind == SC_PUBKEY_P384]) != 1) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return SC_E_NOMEM;
    }
    if (EVP_PKEY_set1_encoded_public_key(pkey, point, 1 + xy.size) != 1) { /* checks the curve's equation */
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return SC_E_MALFORMED;
    }
    struct sc_pubkey *key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return SC_E_NOMEM;
    }
    key->pkey = pkey;
    key->kind = kind;
    *out = key;
    return SC_OK;
}

/* The DER form that OpenSSL wants of r || s.  The returned size is 0 when memory is spent. */
static size_t signature_der(struct sc_slice rs, uint8_t *der)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(rs.ptr, (int)(rs.size / 2), NULL);
    BIGNUM *s = BN_bin2bn(rs.ptr + rs.size / 2, (int)(rs.size / 2), NULL);
    if (sig == NULL || r == NULL || s == NULL) {
        ECDSA_SIG_free(sig);
        BN_free(r);
        BN_free(s);
        return 0;
    }
    ECDSA_SIG_set0(sig, r, s); /* owns both */
    const int size = i2d_ECDSA_SIG(sig, &der);
    ECDSA_SIG_free(sig);
    return size > 0 ? (size_t)size : 0;
}

sc_err sc_pubkey_check_raw(const struct sc_pubkey *key, struct sc_slice message, struct sc_slice rs)
{
    const size_t size = field_size(key->kind);
    uint8_t der[2 * (48 + 3) + 3];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    if (size == 0 || rs.size != 2 * size)
        return SC_E_AUTH;
    if (!models_ready())
        return SC_E_NOMEM;
    const size_t der_size = signature_der(rs, der);
    const EVP_MD *hash = curve_hash[key->kind == SC_PUBKEY_P384];
    EVP_PKEY_CTX *ctx = der_size != 0 ? EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL) : NULL;
    if (ctx == NULL || EVP_Digest(message.ptr, message.size, digest, &digest_size, hash, NULL) != 1) {
        EVP_PKEY_CTX_free(ctx);
        ERR_clear_error();
        return SC_E_NOMEM;
    }
    const bool ok = EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_verify(ctx, der, der_size, digest, digest_size) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok)
        ERR_clear_error();
    return ok ? SC_OK : SC_E_AUTH;
}
