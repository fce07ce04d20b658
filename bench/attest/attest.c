/* bench/attest: quotes verified per second on one core, beside the bare ECDSA verifications in OpenSSL.
 *
 * usage: attest [ROUNDS]
 *
 * Many quotes of one platform, all different, under throw-away keys.  Three things are timed in turn, ROUNDS times, and
 * medians are printed:
 *   bare    what cannot be avoided for a quote: two ECDSA P-256 verifications with OpenSSL, the QE's report under the PCK
 *           and the quote under the attestation key, with keys and DER signatures made ready before the clock starts;
 *   cached  sc_attest_verify() with a verifier and collateral that have seen the platform before;
 *   cold    a new verifier and collateral from bytes for every quote: everything is parsed and every signature checked,
 *           beside the bare ten verifications of that (leaf, CA and root certificate, two CRLs, TCB signer, TCB info, QE
 *           identity, and the two above). */
#include "base/clock.h"
#include "forge.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <stdio.h>

#define QUOTES     64
#define ROUNDS_MAX 101
#define COLD_SIGNATURES 10
#define REPEATS_CACHED  16 /* passes over the quotes in one timing */
#define REPEATS_COLD    2

struct bare {
    EVP_PKEY *key;
    struct sc_slice message;
    uint8_t der[80];
    size_t der_size;
};
struct bench {
    struct forge_set set;
    struct sc_buf quotes[QUOTES];
    struct bare bare[2 * QUOTES];
    struct sc_roots roots;
};

static EVP_PKEY *key_of_point(const uint8_t *xy)
{
    uint8_t point[65] = {POINT_CONVERSION_UNCOMPRESSED};
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    memcpy(point + 1, xy, 64);
    SC_ASSERT(key != NULL && EVP_PKEY_set1_encoded_public_key(key, point, sizeof point) == 1);
    return key;
}

static void bare_make(struct bare *b, EVP_PKEY *key, struct sc_slice message, struct sc_slice rs)
{
    uint8_t *p = b->der;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    SC_ASSERT(sig != NULL && ECDSA_SIG_set0(sig, BN_bin2bn(rs.ptr, 32, NULL), BN_bin2bn(rs.ptr + 32, 32, NULL)) == 1);
    b->key = key;
    b->message = message;
    b->der_size = (size_t)i2d_ECDSA_SIG(sig, &p);
    ECDSA_SIG_free(sig);
}

static void bare_run(const struct bare *b)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    SC_ASSERT(ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, b->key) == 1);
    SC_ASSERT(EVP_DigestVerify(ctx, b->der, b->der_size, b->message.ptr, b->message.size) == 1);
    EVP_MD_CTX_free(ctx);
}

static EVP_PKEY *pck_key(struct sc_slice pem)
{
    struct sc_cert *certs[3] = {NULL};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    size_t count = 0;
    SC_ASSERT(sc_certs_from_pem(pem, certs, 3, &count, NULL) == SC_OK && count == 3);
    SC_ASSERT(sc_cert_to_der(certs[0], &der) == SC_OK);
    const uint8_t *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.size);
    EVP_PKEY *key = x != NULL ? X509_get_pubkey(x) : NULL;
    SC_ASSERT(key != NULL);
    X509_free(x);
    for (size_t i = 0; i < count; i++)
        sc_cert_free(certs[i]);
    return key;
}

static void prepare(struct bench *b)
{
    struct forge *f = forge_new();
    EVP_PKEY *attestation = NULL;
    EVP_PKEY *pck = NULL;
    for (size_t i = 0; i < QUOTES; i++) {
        struct forge_spec s;
        struct forge_set set;
        struct sc_quote q;
        forge_spec_default(&s, 4, SC_BODY_TD10);
        s.td.report_data[0] = (uint8_t)i;
        forge_make(f, &s, &set);
        if (i == 0)
            b->set = set;
        /* one platform: the certificates of the first quote in all of them, since the forge makes new ones each time */
        SC_ASSERT(sc_quote_parse(sc_buf_slice(&set.quote), &q, NULL) == SC_QUOTE_FINE);
        struct sc_quote first;
        SC_ASSERT(sc_quote_parse(sc_buf_slice(&b->set.quote), &first, NULL) == SC_QUOTE_FINE);
        sc_buf_put_bytes(&b->quotes[i], sc_buf_slice(&b->set.quote));
        memcpy(b->quotes[i].ptr, q.signed_part.ptr, q.signed_part.size);
        memcpy(b->quotes[i].ptr + (first.signature.ptr - b->set.quote.ptr), q.signature.ptr, q.signature.size);
        SC_ASSERT(sc_quote_parse(sc_buf_slice(&b->quotes[i]), &q, NULL) == SC_QUOTE_FINE);
        if (i == 0) {
            attestation = key_of_point(q.attestation_key.ptr);
            pck = pck_key(q.cert_data);
        } else {
            forge_set_deinit(&set);
        }
        bare_make(&b->bare[2 * i], pck, q.qe_report_bytes, q.qe_report_signature);
        bare_make(&b->bare[2 * i + 1], attestation, q.signed_part, q.signature);
    }
    SC_ASSERT(sc_roots_add_pem(&b->roots, SC_ROOT_INTEL, sc_buf_slice(&b->set.root_pem), NULL) == SC_OK);
    forge_free(f);
}

static void verify(struct sc_attest_verifier *v, struct sc_collateral *c, const struct sc_buf *quote)
{
    static struct sc_attest_result r;
    const struct sc_attest_request req = {.evidence = sc_buf_slice(quote), .collateral = c, .now_s = FORGE_NOW_S};
    SC_ASSERT(sc_attest_verify(v, &req, &r) == SC_OK);
    SC_ASSERT(r.reason == SC_ATTEST_OK && r.tcb_status == SC_TCB_UP_TO_DATE);
}

static struct sc_collateral *collateral(const struct bench *b)
{
    struct sc_collateral_bytes bytes;
    struct sc_collateral *c = NULL;
    forge_collateral_bytes(&b->set, &bytes);
    SC_ASSERT(sc_collateral_new(&bytes, &c, NULL) == SC_OK);
    return c;
}

/* Each returns the microseconds for one quote. */
static double time_bare(const struct bench *b)
{
    const int64_t start = sc_mono_us(&sc_clock_system);
    for (int k = 0; k < REPEATS_CACHED; k++)
        for (size_t i = 0; i < 2 * QUOTES; i++)
            bare_run(&b->bare[i]);
    return (double)(sc_mono_us(&sc_clock_system) - start) / (QUOTES * REPEATS_CACHED);
}

static double time_cached(const struct bench *b, struct sc_attest_verifier *v, struct sc_collateral *c)
{
    const int64_t start = sc_mono_us(&sc_clock_system);
    for (int k = 0; k < REPEATS_CACHED; k++)
        for (size_t i = 0; i < QUOTES; i++)
            verify(v, c, &b->quotes[i]);
    return (double)(sc_mono_us(&sc_clock_system) - start) / (QUOTES * REPEATS_CACHED);
}

static double time_cold(const struct bench *b)
{
    const int64_t start = sc_mono_us(&sc_clock_system);
    for (int k = 0; k < REPEATS_COLD; k++) {
        for (size_t i = 0; i < QUOTES; i++) {
            struct sc_attest_verifier *v = NULL;
            struct sc_collateral *c = collateral(b);
            SC_ASSERT(sc_attest_verifier_new(&b->roots, &v) == SC_OK);
            verify(v, c, &b->quotes[i]);
            sc_attest_verifier_free(v);
            sc_collateral_free(c);
        }
    }
    return (double)(sc_mono_us(&sc_clock_system) - start) / (QUOTES * REPEATS_COLD);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *list, size_t count)
{
    qsort(list, count, sizeof *list, by_size);
    return list[count / 2];
}

int main(int argc, char **argv)
{
    static struct bench b;
    static double bare[ROUNDS_MAX];
    static double cached[ROUNDS_MAX];
    static double cold[ROUNDS_MAX];
    const long asked = argc > 1 ? strtol(argv[1], NULL, 10) : 11;
    const size_t rounds = asked >= 1 && asked <= ROUNDS_MAX ? (size_t)asked : 11;
    struct sc_attest_verifier *v = NULL;
    prepare(&b);
    struct sc_collateral *c = collateral(&b);
    SC_ASSERT(sc_attest_verifier_new(&b.roots, &v) == SC_OK);
    time_bare(&b); /* warm up */
    time_cached(&b, v, c);
    for (size_t i = 0; i < rounds; i++) {
        bare[i] = time_bare(&b);
        cached[i] = time_cached(&b, v, c);
        cold[i] = time_cold(&b);
    }
    const double bare_us = median(bare, rounds);
    const double cached_us = median(cached, rounds);
    const double cold_us = median(cold, rounds);
    printf("quotes of %zu bytes (TDX, version 4), one core, medians of %zu rounds\n", b.quotes[0].size, rounds);
    printf("%-44s %8.1f us %10.0f /s\n", "bare: 2 ECDSA P-256 verifications", bare_us, 1e6 / bare_us);
    printf("%-44s %8.1f us %10.0f /s   %.2f times bare\n", "cached: verifier knows platform, collateral", cached_us,
           1e6 / cached_us, cached_us / bare_us);
    printf("%-44s %8.1f us %10.0f /s   %.2f times the bare %d verifications\n", "cold: everything from bytes", cold_us,
           1e6 / cold_us, cold_us / (bare_us / 2 * COLD_SIGNATURES), COLD_SIGNATURES);
    return 0;
}
