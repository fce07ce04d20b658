/* crypto/crypto.h - the only door to cryptography: thin, typed wrappers over OpenSSL 3 (EVP_*), no algorithm of our own.
 *
 * Suites are fixed: AES-256-GCM, SHA-256, HMAC-SHA-256, HKDF-SHA-256, X25519; signatures RSA-2048 (PKCS#1 v1.5, SHA-256),
 * ECDSA P-256 (SHA-256, DER), Ed25519.  Failures to authenticate all look alike: SC_E_AUTH.  A function without a
 * struct argument of its own is thread-safe; an object (aead, hash, key pair) belongs to one thread at a time unless
 * its comment says otherwise. */
#ifndef SC_CRYPTO_CRYPTO_H
#define SC_CRYPTO_CRYPTO_H

#include "base/bytes.h"

#define SC_KEY_SIZE   ((size_t)32)
#define SC_NONCE_SIZE ((size_t)12)
#define SC_TAG_SIZE   ((size_t)16)
#define SC_HASH_SIZE  ((size_t)32)

/* ---- secret bytes ---- */
struct sc_key {
    uint8_t bytes[32];
};
static inline void sc_key_wipe(struct sc_key *key)
{
    explicit_bzero(key, sizeof *key);
}
/* Constant time. */
bool sc_ct_equal(const void *a, const void *b, size_t size) SC_MUST_CHECK;
/* Fills out from the operating system's generator; aborts if there is none (nothing could be done safely). */
void sc_random(void *out, size_t size);
static inline void sc_key_random(struct sc_key *out)
{
    sc_random(out->bytes, sizeof out->bytes);
}

/* Appends bytes in base64 (RFC 4648, 4), without line ends. */
void sc_base64_put(struct sc_buf *out, struct sc_slice bytes);

/* ---- secret memory (secmem.c) ----
 * Pages that are not swapped, not dumped and, where the kernel has memfd_secret(2), not mapped in the kernel's own
 * map either.  Falls back to mlock(2) with MADV_DONTDUMP; sc_secmem_kind() tells which, for the start-up log. */
struct sc_secmem;
sc_err sc_secmem_new(struct sc_secmem **out, size_t size, struct sc_diag *diag) SC_MUST_CHECK;
void sc_secmem_free(struct sc_secmem *mem); /* zeroises first */
void sc_secmem_freep(struct sc_secmem **mem);
uint8_t *sc_secmem_ptr(struct sc_secmem *mem);
const char *sc_secmem_kind(const struct sc_secmem *mem); /* "memfd_secret", "mlock" or "unlocked" */
/* No core dumps, no ptrace by the same user: every service calls it first. */
void sc_process_harden(void);

/* ---- hash, MAC, derivation ---- */
struct sc_hash {
    uint8_t bytes[32];
};
struct sc_hash_ctx; /* incremental SHA-256 */
sc_err sc_hash_ctx_new(struct sc_hash_ctx **out) SC_MUST_CHECK;
void sc_hash_ctx_free(struct sc_hash_ctx *ctx);
void sc_hash_ctx_freep(struct sc_hash_ctx **ctx);
void sc_hash_ctx_update(struct sc_hash_ctx *ctx, struct sc_slice s);
void sc_hash_ctx_final(struct sc_hash_ctx *ctx, struct sc_hash *out); /* and starts over */
void sc_hash_of(struct sc_slice s, struct sc_hash *out);
/* MD5 protects nothing (collisions are made in seconds).  It is here for one purpose: sqllogictest scripts name long
 * results by it.  SC_E_UNSUPPORTED where OpenSSL runs without it (FIPS). */
#define SC_MD5_SIZE ((size_t)16)
sc_err sc_md5(struct sc_slice s, uint8_t out[static 16]) SC_MUST_CHECK;
/* SHA-256 over the parts one after another. */
void sc_hash_of_parts(const struct sc_slice *parts, size_t part_count, struct sc_hash *out);
void sc_hmac(const struct sc_key *key, struct sc_slice s, uint8_t mac_out[static 32]);
/* One key, one purpose: HKDF-Expand of `from` with info = purpose || context (may be empty). */
sc_err sc_key_derive(struct sc_key *out, const struct sc_key *from, const char *purpose, struct sc_slice context)
    SC_MUST_CHECK;
/* HKDF (RFC 5869), whole: ikm of any length to out_size <= 255 * 32 bytes. */
sc_err sc_hkdf(struct sc_slice salt, struct sc_slice ikm, struct sc_slice info, uint8_t *out, size_t out_size)
    SC_MUST_CHECK;

/* ---- AEAD: AES-256-GCM ----
 * One keyed context for sealing and opening.  The caller owns nonce uniqueness under a key. */
struct sc_aead;
sc_err sc_aead_new(struct sc_aead **out, const struct sc_key *key) SC_MUST_CHECK;
void sc_aead_free(struct sc_aead *aead);
void sc_aead_freep(struct sc_aead **aead);
/* out holds plain.size bytes (may be plain.ptr itself), tag_out SC_TAG_SIZE. */
sc_err sc_aead_seal(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad, struct sc_slice plain,
                    uint8_t *out, uint8_t tag_out[static 16]) SC_MUST_CHECK;
/* out holds sealed.size bytes (may be sealed.ptr itself) and is zeroed when the tag is wrong (SC_E_AUTH). */
sc_err sc_aead_open(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad, struct sc_slice sealed,
                    const uint8_t tag[static 16], uint8_t *out) SC_MUST_CHECK;
/* nonce = 4 bytes of prefix, 8 bytes of counter, big-endian */
static inline void sc_nonce_make(uint8_t nonce[static 12], uint32_t prefix, uint64_t counter)
{
    sc_store_u32be(nonce, prefix);
    sc_store_u64be(nonce + 4, counter);
}

/* ---- key agreement: X25519 ---- */
struct sc_dh_public {
    uint8_t bytes[32];
};
void sc_dh_generate(struct sc_key *private_out, struct sc_dh_public *public_out);
sc_err sc_dh_public_of(const struct sc_key *private_key, struct sc_dh_public *out) SC_MUST_CHECK;
/* SC_E_AUTH when the peer's point is of low order. */
sc_err sc_dh_agree(const struct sc_key *private_key, const struct sc_dh_public *peer, struct sc_key *shared_out)
    SC_MUST_CHECK;

/* ---- signatures ---- */
enum sc_sign_alg { SC_SIGN_ED25519 = 1, SC_SIGN_P256 = 2, SC_SIGN_RSA2048 = 3 };
#define SC_SIGNATURE_SIZE_MAX ((size_t)256)
const char *sc_sign_alg_name(enum sc_sign_alg alg); /* "ed25519", "p256", "rsa2048" */
sc_err sc_sign_alg_parse(const char *name, enum sc_sign_alg *out) SC_MUST_CHECK;

struct sc_signer; /* a private key */
struct sc_verifier; /* a public key; verification is thread-safe */
sc_err sc_signer_generate(enum sc_sign_alg alg, struct sc_signer **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_signer_read_pem(const char *path, struct sc_signer **out, struct sc_diag *diag) SC_MUST_CHECK;
/* The 32-byte seed form of Ed25519 only: what a simulator derives its many meters' keys from. */
sc_err sc_signer_from_ed25519_seed(const struct sc_key *seed, struct sc_signer **out) SC_MUST_CHECK;
sc_err sc_signer_write_pem(const struct sc_signer *signer, const char *path, struct sc_diag *diag) SC_MUST_CHECK; /* PKCS#8, mode 0600 */
sc_err sc_signer_from_pem(struct sc_slice pem, struct sc_signer **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_signer_to_pem(const struct sc_signer *signer, struct sc_buf *out) SC_MUST_CHECK; /* wipe out afterwards */
void sc_signer_free(struct sc_signer *signer);
void sc_signer_freep(struct sc_signer **signer);
enum sc_sign_alg sc_signer_alg(const struct sc_signer *signer);
/* Appends the signature over message to out. */
sc_err sc_signer_sign(const struct sc_signer *signer, struct sc_slice message, struct sc_buf *out) SC_MUST_CHECK;

/* P-256 only (else SC_E_UNSUPPORTED): the signature as r || s, and the public point as x || y, big-endian, as the quotes
 * of processors have them. */
sc_err sc_signer_sign_raw(const struct sc_signer *signer, struct sc_slice message, uint8_t rs_out[static 64]) SC_MUST_CHECK;
sc_err sc_signer_point(const struct sc_signer *signer, uint8_t xy_out[static 64]) SC_MUST_CHECK;

/* SubjectPublicKeyInfo, DER */
sc_err sc_verifier_from_spki(struct sc_slice der, struct sc_verifier **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_verifier_from_pem(struct sc_slice pem, struct sc_verifier **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_verifier_to_spki(const struct sc_verifier *v, struct sc_buf *out) SC_MUST_CHECK;
sc_err sc_verifier_of_signer(const struct sc_signer *signer, struct sc_verifier **out) SC_MUST_CHECK;
void sc_verifier_free(struct sc_verifier *v);
void sc_verifier_freep(struct sc_verifier **v);
enum sc_sign_alg sc_verifier_alg(const struct sc_verifier *v);
/* SC_OK or SC_E_AUTH. */
sc_err sc_verifier_check(const struct sc_verifier *v, struct sc_slice message, struct sc_slice signature) SC_MUST_CHECK;

#endif
