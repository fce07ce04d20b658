/* tests/pki.h - a CA and identities as PEM files in a directory, for tests of TLS and services. */
#ifndef TESTS_PKI_H
#define TESTS_PKI_H

#include "crypto/x509.h"
#include "test.h"

struct test_ca {
    struct sc_signer *key;
    struct sc_cert *cert;
};

static inline void test_ca_new(struct test_ca *ca, const char *name)
{
    *ca = (struct test_ca){ 0 };
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    assert_ok(sc_signer_generate(SC_SIGN_ED25519, &ca->key, NULL));
    assert_ok(sc_verifier_of_signer(ca->key, &v));
    const int64_t now = sc_wall_ms(&sc_clock_system);
    const struct sc_cert_request req = { .common_name = name, .subject_key = v, .not_before_ms = now - 3600000,
                                         .not_after_ms = now + 3600000, .is_ca = true };
    assert_ok(sc_cert_issue(&req, NULL, ca->key, &ca->cert, NULL));
}

static inline void test_ca_free(struct test_ca *ca)
{
    sc_signer_free(ca->key);
    sc_cert_free(ca->cert);
}

static inline void test_cert_write(const char *dir, const char *name, const struct sc_cert *cert)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = { 0 };
    assert_ok(sc_cert_to_pem(cert, &pem));
    test_write(dir, name, sc_buf_slice(&pem));
}

/* dir/{cert,key,ca}.pem for the SPIFFE ID `uri` (NULL: a certificate without one) under ca; trusts `trusted`. */
static inline void test_identity_write(const char *dir, const char *uri, const struct test_ca *ca,
                                       const struct test_ca *trusted)
{
    SC_CLEANUP(sc_signer_freep) struct sc_signer *key = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_freep) char *key_path = test_path(dir, "key.pem");
    assert_ok(sc_dir_make(dir, 0700, NULL));
    assert_ok(sc_signer_generate(SC_SIGN_P256, &key, NULL));
    assert_ok(sc_verifier_of_signer(key, &v));
    const int64_t now = sc_wall_ms(&sc_clock_system);
    const struct sc_cert_request req = { .common_name = "test", .uri = uri, .dns = "localhost", .subject_key = v,
                                         .not_before_ms = now - 3600000, .not_after_ms = now + 3600000, .is_tls = true };
    assert_ok(sc_cert_issue(&req, ca->cert, ca->key, &cert, NULL));
    test_cert_write(dir, "cert.pem", cert);
    test_cert_write(dir, "ca.pem", trusted->cert);
    assert_ok(sc_signer_write_pem(key, key_path, NULL));
}

#endif
