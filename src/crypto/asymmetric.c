/* Signatures and key agreement. */
#include "crypto/internal.h"

#include "base/file.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static const char *const alg_names[] = {
    [SC_SIGN_ED25519] = "ed25519", [SC_SIGN_P256] = "p256", [SC_SIGN_RSA2048] = "rsa2048"};

const char *sc_sign_alg_name(enum sc_sign_alg alg)
{
    return alg_names[alg];
}

sc_err sc_sign_alg_parse(const char *name, enum sc_sign_alg *out)
{
    for (int i = SC_SIGN_ED25519; i <= SC_SIGN_RSA2048; i++) {
        if (strcmp(name, alg_names[i]) == 0) {
            *out = (enum sc_sign_alg)i;
            return SC_OK;
        }
    }
    return SC_E_USAGE;
}

sc_err crypto_pkey_alg(const EVP_PKEY *pkey, enum sc_sign_alg *out, struct sc_diag *diag)
{
    char group[32] = "";
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_ED25519:
        *out = SC_SIGN_ED25519;
        return SC_OK;
    case EVP_PKEY_RSA:
        if (EVP_PKEY_get_bits(pkey) != 2048)
            return sc_fail(diag, SC_E_UNSUPPORTED, "RSA key of %d bits (2048 is supported)", EVP_PKEY_get_bits(pkey));
        *out = SC_SIGN_RSA2048;
        return SC_OK;
    case EVP_PKEY_EC:
        if (EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1 || strcmp(group, "prime256v1") != 0)
            return sc_fail(diag, SC_E_UNSUPPORTED, "elliptic curve \"%s\" (P-256 is supported)", group);
        *out = SC_SIGN_P256;
        return SC_OK;
    default:
        return sc_fail(diag, SC_E_UNSUPPORTED, "key type %d (Ed25519, P-256, RSA-2048 are supported)",
                       EVP_PKEY_get_base_id(pkey));
    }
}

/* ---- private keys ---- */
static sc_err signer_wrap(EVP_PKEY *pkey, struct sc_signer **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_signer_freep) struct sc_signer *s = calloc(1, sizeof *s);
    if (s == NULL) {
        EVP_PKEY_free(pkey);
        return SC_E_NOMEM;
    }
    s->pkey = pkey;
    SC_TRY(crypto_pkey_alg(pkey, &s->alg, diag));
    *out = SC_TAKE(s);
    return SC_OK;
}

sc_err sc_signer_generate(enum sc_sign_alg alg, struct sc_signer **out, struct sc_diag *diag)
{
    EVP_PKEY *pkey = NULL;
    switch (alg) {
    case SC_SIGN_ED25519:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    case SC_SIGN_P256:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        break;
    case SC_SIGN_RSA2048:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        break;
    }
    if (pkey == NULL)
        return sc_fail_openssl(diag, SC_E_NOMEM, "key generation");
    return signer_wrap(pkey, out, diag);
}

sc_err sc_signer_from_ed25519_seed(const struct sc_key *seed, struct sc_signer **out)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed->bytes, sizeof seed->bytes);
    return pkey == NULL ? SC_E_NOMEM : signer_wrap(pkey, out, NULL);
}

/* Refuses an encrypted key instead of asking the terminal for its password. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)u;
    return -1; /* 0 would mean: the empty password */
}

sc_err sc_signer_from_pem(struct sc_slice pem, struct sc_signer **out, struct sc_diag *diag)
{
    if (pem.size > 65536) /* also: no size may turn negative below */
        return sc_fail(diag, SC_E_LIMIT, "private key of %zu bytes", pem.size);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.size);
    if (bio == NULL)
        return SC_E_NOMEM;
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (pkey == NULL)
        return sc_fail_openssl(diag, SC_E_MALFORMED, "private key");
    return signer_wrap(pkey, out, diag);
}

sc_err sc_signer_read_pem(const char *path, struct sc_signer **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf pem = {0};
    SC_TRY(sc_file_read(path, 65536, &pem, diag));
    return sc_context(diag, sc_signer_from_pem(sc_buf_slice(&pem), out, diag), "%s", path);
}

sc_err sc_signer_to_pem(const struct sc_signer *signer, struct sc_buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL)
        return SC_E_NOMEM;
    sc_err err = PEM_write_bio_PKCS8PrivateKey(bio, signer->pkey, NULL, NULL, 0, NULL, NULL) == 1 ? SC_OK : SC_E_NOMEM;
    char *data = NULL;
    const long size = BIO_get_mem_data(bio, &data);
    if (err == SC_OK && size > 0)
        sc_buf_put_bytes(out, sc_slice_of(data, (size_t)size));
    BIO_free(bio);
    return err != SC_OK ? err : sc_buf_status(out);
}

sc_err sc_signer_write_pem(const struct sc_signer *signer, const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf pem = {0};
    SC_TRY(sc_signer_to_pem(signer, &pem));
    return sc_file_write(path, sc_buf_slice(&pem), 0600, diag);
}

void sc_signer_free(struct sc_signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_free(signer->pkey);
    free(signer);
}

void sc_signer_freep(struct sc_signer **signer)
{
    sc_signer_free(*signer);
}

enum sc_sign_alg sc_signer_alg(const struct sc_signer *signer)
{
    return signer->alg;
}

static const char *digest_name(enum sc_sign_alg alg)
{
    return alg == SC_SIGN_ED25519 ? NULL : "SHA256"; /* Ed25519 hashes by itself */
}

sc_err sc_signer_sign(const struct sc_signer *signer, struct sc_slice message, struct sc_buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return SC_E_NOMEM;
    uint8_t sig[SC_SIGNATURE_SIZE_MAX];
    size_t size = sizeof sig;
    const bool ok = EVP_DigestSignInit_ex(ctx, NULL, digest_name(signer->alg), NULL, NULL, signer->pkey, NULL) == 1 &&
                    EVP_DigestSign(ctx, sig, &size, message.ptr, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        return SC_E_NOMEM;
    }
    sc_buf_put_bytes(out, sc_slice_of(sig, size));
    return sc_buf_status(out);
}

sc_err sc_signer_sign_raw(const struct sc_signer *signer, struct sc_slice message, uint8_t rs_out[static 64])
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    if (signer->alg != SC_SIGN_P256)
        return SC_E_UNSUPPORTED;
    SC_TRY(sc_signer_sign(signer, message, &der));
    const uint8_t *p = der.ptr;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.size);
    const bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs_out, 32) == 32 &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs_out + 32, 32) == 32;
    ECDSA_SIG_free(sig);
    return ok ? SC_OK : SC_E_NOMEM;
}

sc_err sc_signer_point(const struct sc_signer *signer, uint8_t xy_out[static 64])
{
    uint8_t *point = NULL;
    if (signer->alg != SC_SIGN_P256)
        return SC_E_UNSUPPORTED;
    const size_t size = EVP_PKEY_get1_encoded_public_key(signer->pkey, &point);
    const bool ok = size == 65 && point[0] == 4; /* uncompressed (SEC 1, 2.3.3) */
    if (ok)
        memcpy(xy_out, point + 1, 64);
    OPENSSL_free(point);
    return ok ? SC_OK : SC_E_NOMEM;
}

/* ---- public keys ---- */
static sc_err verifier_wrap(EVP_PKEY *pkey, struct sc_verifier **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = calloc(1, sizeof *v);
    if (v == NULL) {
        EVP_PKEY_free(pkey);
        return SC_E_NOMEM;
    }
    v->pkey = pkey;
    SC_TRY(crypto_pkey_alg(pkey, &v->alg, diag));
    *out = SC_TAKE(v);
    return SC_OK;
}

sc_err sc_verifier_from_spki(struct sc_slice der, struct sc_verifier **out, struct sc_diag *diag)
{
    const uint8_t *p = der.ptr;
    if (der.size > 4096)
        return sc_fail(diag, SC_E_LIMIT, "public key of %zu bytes", der.size);
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)der.size);
    if (pkey == NULL || p != der.ptr + der.size) {
        EVP_PKEY_free(pkey);
        return sc_fail_openssl(diag, SC_E_MALFORMED, "public key");
    }
    return verifier_wrap(pkey, out, diag);
}

sc_err sc_verifier_from_pem(struct sc_slice pem, struct sc_verifier **out, struct sc_diag *diag)
{
    if (pem.size > 8192)
        return sc_fail(diag, SC_E_LIMIT, "public key of %zu bytes", pem.size);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.size);
    if (bio == NULL)
        return SC_E_NOMEM;
    EVP_PKEY *pkey = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (pkey == NULL)
        return sc_fail_openssl(diag, SC_E_MALFORMED, "public key");
    return verifier_wrap(pkey, out, diag);
}

sc_err sc_verifier_to_spki(const struct sc_verifier *v, struct sc_buf *out)
{
    uint8_t *der = NULL;
    const int size = i2d_PUBKEY(v->pkey, &der);
    if (size <= 0)
        return SC_E_NOMEM;
    sc_buf_put_bytes(out, sc_slice_of(der, (size_t)size));
    OPENSSL_free(der);
    return sc_buf_status(out);
}

sc_err sc_verifier_of_signer(const struct sc_signer *signer, struct sc_verifier **out)
{
    uint8_t *der = NULL;
    const int size = i2d_PUBKEY(signer->pkey, &der);
    if (size <= 0)
        return SC_E_NOMEM;
    const sc_err err = sc_verifier_from_spki(sc_slice_of(der, (size_t)size), out, NULL);
    OPENSSL_free(der);
    return err;
}

void sc_verifier_free(struct sc_verifier *v)
{
    if (v == NULL)
        return;
    EVP_PKEY_free(v->pkey);
    free(v);
}

void sc_verifier_freep(struct sc_verifier **v)
{
    sc_verifier_free(*v);
}

enum sc_sign_alg sc_verifier_alg(const struct sc_verifier *v)
{
    return v->alg;
}

sc_err sc_verifier_check(const struct sc_verifier *v, struct sc_slice message, struct sc_slice signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return SC_E_NOMEM;
    const bool ok = EVP_DigestVerifyInit_ex(ctx, NULL, digest_name(v->alg), NULL, NULL, v->pkey, NULL) == 1 &&
                    EVP_DigestVerify(ctx, signature.ptr, signature.size, message.ptr, message.size) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        ERR_clear_error();
    return ok ? SC_OK : SC_E_AUTH;
}

/* ---- X25519 ---- */
sc_err sc_dh_public_of(const struct sc_key *private_key, struct sc_dh_public *out)
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, private_key->bytes, sizeof private_key->bytes);
    size_t size = sizeof out->bytes;
    const bool ok = pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, out->bytes, &size) == 1;
    EVP_PKEY_free(pkey);
    return ok ? SC_OK : SC_E_NOMEM;
}

void sc_dh_generate(struct sc_key *private_out, struct sc_dh_public *public_out)
{
    sc_key_random(private_out); /* X25519 clamps any 32 bytes into a scalar (RFC 7748, section 5) */
    SC_ASSERT(sc_dh_public_of(private_out, public_out) == SC_OK);
}

sc_err sc_dh_agree(const struct sc_key *private_key, const struct sc_dh_public *peer, struct sc_key *shared_out)
{
    EVP_PKEY *mine =
        EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, private_key->bytes, sizeof private_key->bytes);
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, peer->bytes, sizeof peer->bytes);
    EVP_PKEY_CTX *ctx = mine != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL) : NULL;
    size_t size = sizeof shared_out->bytes;
    const bool ready =
        theirs != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1;
    const bool ok = ready && EVP_PKEY_derive(ctx, shared_out->bytes, &size) == 1; /* refuses the all-zero result */
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(mine);
    EVP_PKEY_free(theirs);
    if (!ok) {
        ERR_clear_error();
        sc_key_wipe(shared_out);
    }
    return ok ? SC_OK : ready ? SC_E_AUTH : SC_E_NOMEM;
}
