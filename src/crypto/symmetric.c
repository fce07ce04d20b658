/* AEAD, hash, MAC, derivation and randomness. */
#include "crypto/internal.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <pthread.h>
#include <sys/random.h>

sc_err sc_fail_openssl(struct sc_diag *diag, sc_err code, const char *what)
{
    char text[200] = "no reason given";
    const unsigned long e = ERR_peek_last_error();
    if (e != 0)
        ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return sc_fail(diag, code, "%s: %s", what, text);
}

bool sc_ct_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void sc_random(void *out, size_t size)
{
    uint8_t *p = out;
    while (size != 0) {
        const ssize_t n = getrandom(p, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        SC_ASSERT(n > 0);
        p += n;
        size -= (size_t)n;
    }
}

/* ---- hash ---- */
/* Fetched once: EVP_sha256() is looked up by name at every use otherwise, which costs more than hashing a tag. */
static EVP_MD *sha256_md;
static EVP_CIPHER *gcm_cipher;
static EVP_KDF *hkdf_kdf;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch_all(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    gcm_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    hkdf_kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    SC_ASSERT(sha256_md != NULL && gcm_cipher != NULL && hkdf_kdf != NULL);
}

struct sc_hash_ctx {
    EVP_MD_CTX *md;
};

sc_err sc_hash_ctx_new(struct sc_hash_ctx **out)
{
    pthread_once(&fetched, fetch_all);
    SC_CLEANUP(sc_hash_ctx_freep) struct sc_hash_ctx *ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL || (ctx->md = EVP_MD_CTX_new()) == NULL || EVP_DigestInit_ex2(ctx->md, sha256_md, NULL) != 1)
        return SC_E_NOMEM;
    *out = SC_TAKE(ctx);
    return SC_OK;
}

void sc_hash_ctx_free(struct sc_hash_ctx *ctx)
{
    if (ctx == NULL)
        return;
    EVP_MD_CTX_free(ctx->md);
    free(ctx);
}

void sc_hash_ctx_freep(struct sc_hash_ctx **ctx)
{
    sc_hash_ctx_free(*ctx);
}

void sc_hash_ctx_update(struct sc_hash_ctx *ctx, struct sc_slice s)
{
    SC_ASSERT(EVP_DigestUpdate(ctx->md, s.ptr, s.size) == 1);
}

void sc_hash_ctx_final(struct sc_hash_ctx *ctx, struct sc_hash *out)
{
    SC_ASSERT(EVP_DigestFinal_ex(ctx->md, out->bytes, NULL) == 1);
    SC_ASSERT(EVP_DigestInit_ex2(ctx->md, NULL, NULL) == 1);
}

void sc_hash_of_parts(const struct sc_slice *parts, size_t part_count, struct sc_hash *out)
{
    pthread_once(&fetched, fetch_all);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    SC_ASSERT(md != NULL && EVP_DigestInit_ex2(md, sha256_md, NULL) == 1);
    for (size_t i = 0; i < part_count; i++)
        SC_ASSERT(EVP_DigestUpdate(md, parts[i].ptr, parts[i].size) == 1);
    SC_ASSERT(EVP_DigestFinal_ex(md, out->bytes, NULL) == 1);
    EVP_MD_CTX_free(md);
}

void sc_hash_of(struct sc_slice s, struct sc_hash *out)
{
    sc_hash_of_parts(&s, 1, out);
}

sc_err sc_md5(struct sc_slice s, uint8_t out[static 16])
{
    /* Not fetched once as the others: nothing that matters asks for it often, and FIPS providers lack it. */
    return EVP_Digest(s.ptr, s.size, out, NULL, EVP_md5(), NULL) == 1 ? SC_OK : SC_E_UNSUPPORTED;
}

void sc_hmac(const struct sc_key *key, struct sc_slice s, uint8_t mac_out[static 32])
{
    unsigned size = 32;
    SC_ASSERT(HMAC(EVP_sha256(), key->bytes, (int)sizeof key->bytes, s.ptr, s.size, mac_out, &size) != NULL);
}

static sc_err hkdf(int mode, struct sc_slice salt, struct sc_slice ikm, struct sc_slice info, uint8_t *out,
                   size_t out_size)
{
    pthread_once(&fetched, fetch_all);
    OSSL_PARAM params[6];
    size_t n = 0;
    params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
    params[n++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)ikm.ptr, ikm.size);
    if (salt.size != 0)
        params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt.ptr, salt.size);
    params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info.ptr, info.size);
    params[n] = OSSL_PARAM_construct_end();
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(hkdf_kdf);
    if (ctx == NULL)
        return SC_E_NOMEM;
    const int ok = EVP_KDF_derive(ctx, out, out_size, params);
    EVP_KDF_CTX_free(ctx);
    if (ok != 1) {
        ERR_clear_error();
        return SC_E_LIMIT;
    }
    return SC_OK;
}

sc_err sc_hkdf(struct sc_slice salt, struct sc_slice ikm, struct sc_slice info, uint8_t *out, size_t out_size)
{
    return hkdf(EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, salt, ikm, info, out, out_size);
}

sc_err sc_key_derive(struct sc_key *out, const struct sc_key *from, const char *purpose, struct sc_slice context)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf info = {0};
    sc_buf_put_lv16(&info, sc_slice_str(purpose)); /* length first: no purpose is another's prefix */
    sc_buf_put_bytes(&info, context);
    SC_TRY(sc_buf_status(&info));
    return hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, SC_SLICE_EMPTY, sc_slice_of(from->bytes, sizeof from->bytes),
                sc_buf_slice(&info), out->bytes, sizeof out->bytes);
}

/* ---- AEAD ---- */
struct sc_aead {
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

sc_err sc_aead_new(struct sc_aead **out, const struct sc_key *key)
{
    pthread_once(&fetched, fetch_all);
    SC_CLEANUP(sc_aead_freep) struct sc_aead *a = calloc(1, sizeof *a);
    if (a == NULL)
        return SC_E_NOMEM;
    a->seal = EVP_CIPHER_CTX_new();
    a->open = EVP_CIPHER_CTX_new();
    if (a->seal == NULL || a->open == NULL || EVP_EncryptInit_ex2(a->seal, gcm_cipher, key->bytes, NULL, NULL) != 1 ||
        EVP_DecryptInit_ex2(a->open, gcm_cipher, key->bytes, NULL, NULL) != 1)
        return SC_E_NOMEM;
    *out = SC_TAKE(a);
    return SC_OK;
}

void sc_aead_free(struct sc_aead *a)
{
    if (a == NULL)
        return;
    EVP_CIPHER_CTX_free(a->seal); /* cleanses the key schedule */
    EVP_CIPHER_CTX_free(a->open);
    free(a);
}

void sc_aead_freep(struct sc_aead **a)
{
    sc_aead_free(*a);
}

sc_err sc_aead_seal(struct sc_aead *a, const uint8_t nonce[static 12], struct sc_slice aad, struct sc_slice plain,
                    uint8_t *out, uint8_t tag_out[static 16])
{
    int n = 0;
    if (plain.size > (size_t)1 << 30 || aad.size > (size_t)1 << 30)
        return SC_E_LIMIT;
    if (EVP_EncryptInit_ex2(a->seal, NULL, NULL, nonce, NULL) != 1 ||
        (aad.size != 0 && EVP_EncryptUpdate(a->seal, NULL, &n, aad.ptr, (int)aad.size) != 1) ||
        (plain.size != 0 && EVP_EncryptUpdate(a->seal, out, &n, plain.ptr, (int)plain.size) != 1) ||
        EVP_EncryptFinal_ex(a->seal, tag_out, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->seal, EVP_CTRL_AEAD_GET_TAG, (int)SC_TAG_SIZE, tag_out) != 1) {
        ERR_clear_error();
        return SC_E_NOMEM; /* GCM itself cannot refuse; only a provider's allocation can */
    }
    return SC_OK;
}

sc_err sc_aead_open(struct sc_aead *a, const uint8_t nonce[static 12], struct sc_slice aad, struct sc_slice sealed,
                    const uint8_t tag[static 16], uint8_t *out)
{
    int n = 0;
    uint8_t none[16];
    if (sealed.size > (size_t)1 << 30 || aad.size > (size_t)1 << 30)
        return SC_E_LIMIT;
    if (EVP_DecryptInit_ex2(a->open, NULL, NULL, nonce, NULL) != 1 ||
        (aad.size != 0 && EVP_DecryptUpdate(a->open, NULL, &n, aad.ptr, (int)aad.size) != 1) ||
        (sealed.size != 0 && EVP_DecryptUpdate(a->open, out, &n, sealed.ptr, (int)sealed.size) != 1) ||
        EVP_CIPHER_CTX_ctrl(a->open, EVP_CTRL_AEAD_SET_TAG, (int)SC_TAG_SIZE, (void *)tag) != 1 ||
        EVP_DecryptFinal_ex(a->open, none, &n) != 1) {
        ERR_clear_error();
        if (sealed.size != 0) /* plaintext leaves only after its tag verified */
            explicit_bzero(out, sealed.size);
        return SC_E_AUTH;
    }
    return SC_OK;
}

void sc_base64_put(struct sc_buf *out, struct sc_slice bytes)
{
    const size_t groups = bytes.size / 3 + (bytes.size % 3 != 0);
    if (bytes.size > INT_MAX / 2) {
        out->failed = SC_E_LIMIT;
        return;
    }
    uint8_t *to = sc_buf_extend(out, 4 * groups + 1); /* OpenSSL ends it with a NUL */
    if (to == NULL)
        return;
    EVP_EncodeBlock(to, bytes.ptr, (int)bytes.size);
    out->size--;
}
