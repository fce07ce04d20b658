#include "crypto/x509.h"
#include "pki.h"

#define NOW_MS INT64_C(1764000000000) /* 2025-11-24: certificates are judged at a time we give */
#define DAY_MS INT64_C(86400000)
#define URN    "urn:securecloud:meter:10000001"

struct keys {
    struct sc_signer *root, *leaf;
    struct sc_verifier *root_public, *leaf_public;
};

static struct sc_cert_request request(const struct sc_verifier *key, bool is_ca)
{
    return (struct sc_cert_request){ .common_name = is_ca ? "Institute" : "Meter", .uri = is_ca ? NULL : URN, .subject_key = key,
                                     .not_before_ms = NOW_MS - DAY_MS, .not_after_ms = NOW_MS + DAY_MS, .is_ca = is_ca };
}

static struct sc_cert *issue(const struct sc_cert_request *req, const struct sc_cert *issuer, const struct sc_signer *key)
{
    struct sc_cert *cert = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_cert_issue(req, issuer, key, &cert, &diag), &diag);
    return cert;
}

static void an_issued_certificate_is_accepted_by_its_root_only(void **state)
{
    const struct keys *k = *state;
    const struct sc_cert_request ca = request(k->root_public, true);
    const struct sc_cert_request leaf = request(k->leaf_public, false);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *root = issue(&ca, NULL, k->root);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = issue(&leaf, root, k->root);
    assert_ok(sc_cert_verify(cert, root, NOW_MS, NULL));
    struct test_ca other; /* same name, another key */
    test_ca_new(&other, "Institute");
    struct sc_diag diag = { 0 };
    assert_err(sc_cert_verify(cert, other.cert, sc_wall_ms(&sc_clock_system), &diag), SC_E_AUTH);
    assert_contains(diag.text, "certificate: ");
    test_ca_free(&other);
    assert_err(sc_cert_verify(root, cert, NOW_MS, NULL), SC_E_AUTH);
}

static void dates_are_judged_at_the_given_time(void **state)
{
    const struct keys *k = *state;
    const struct sc_cert_request ca = request(k->root_public, true);
    const struct sc_cert_request leaf = request(k->leaf_public, false);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *root = issue(&ca, NULL, k->root);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = issue(&leaf, root, k->root);
    struct sc_diag diag = { 0 };
    assert_err(sc_cert_verify(cert, root, NOW_MS + DAY_MS + 2000, &diag), SC_E_AUTH);
    assert_contains(diag.text, "expired");
    diag = (struct sc_diag){ 0 };
    assert_err(sc_cert_verify(cert, root, NOW_MS - DAY_MS - 2000, &diag), SC_E_AUTH);
    assert_contains(diag.text, "not yet valid");
    assert_ok(sc_cert_verify(cert, root, NOW_MS + DAY_MS - 2000, NULL));
    assert_ok(sc_cert_verify(cert, root, NOW_MS - DAY_MS + 2000, NULL));
}

static void only_a_ca_may_issue(void **state)
{
    const struct keys *k = *state;
    struct sc_cert_request plain = request(k->root_public, false); /* self-signed, but no CA */
    plain.common_name = "No CA";
    const struct sc_cert_request leaf = request(k->leaf_public, false);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *root = issue(&plain, NULL, k->root);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = issue(&leaf, root, k->root);
    struct sc_diag diag = { 0 };
    assert_err(sc_cert_verify(cert, root, NOW_MS, &diag), SC_E_AUTH);
    assert_true(diag.text[0] != '\0');
}

static void every_flipped_bit_of_a_certificate_is_refused(void **state)
{
    const struct keys *k = *state;
    const struct sc_cert_request ca = request(k->root_public, true);
    const struct sc_cert_request leaf = request(k->leaf_public, false);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *root = issue(&ca, NULL, k->root);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = issue(&leaf, root, k->root);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
    assert_ok(sc_cert_to_der(cert, &der));
    unsigned parsed = 0;
    for (size_t bit = 0; bit < der.size * 8; bit += 3) {
        der.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        SC_CLEANUP(sc_cert_freep) struct sc_cert *bad = NULL;
        if (sc_cert_from_der(sc_buf_slice(&der), &bad, NULL) == SC_OK) {
            parsed++;
            assert_err(sc_cert_verify(bad, root, NOW_MS, NULL), SC_E_AUTH);
        }
        der.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(parsed > 100); /* the signature refused them, not only the parser */
    for (size_t size = 0; size < der.size; size += 7) {
        struct sc_cert *none = NULL;
        assert_err(sc_cert_from_der(sc_slice_of(der.ptr, size), &none, NULL), SC_E_MALFORMED);
    }
    sc_buf_put_u8(&der, 0);
    struct sc_cert *none = NULL;
    assert_err(sc_cert_from_der(sc_buf_slice(&der), &none, NULL), SC_E_MALFORMED);
}

static void names_and_keys_are_read_back(void **state)
{
    const struct keys *k = *state;
    const struct sc_cert_request ca = request(k->root_public, true);
    struct sc_cert_request leaf = request(k->leaf_public, false);
    leaf.dns = "localhost";
    leaf.is_tls = true;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *root = issue(&ca, NULL, k->root);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = issue(&leaf, root, k->root);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = { 0 };
    assert_ok(sc_cert_to_pem(cert, &pem));
    SC_CLEANUP(sc_cert_freep) struct sc_cert *back = NULL;
    assert_ok(sc_cert_from_pem(sc_buf_slice(&pem), &back, NULL));
    char uri[64];
    struct sc_diag diag = { 0 };
    assert_ok(sc_cert_uri(back, uri, sizeof uri, &diag));
    assert_string_equal(uri, URN);
    assert_err(sc_cert_uri(back, uri, sizeof URN - 1, &diag), SC_E_MALFORMED); /* no room: never cut */
    assert_string_equal(diag.text, "certificate's URI name");
    diag = (struct sc_diag){ 0 };
    assert_err(sc_cert_uri(root, uri, sizeof uri, &diag), SC_E_NOT_FOUND);
    assert_contains(diag.text, "without a URI");
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sig = { 0 };
    assert_ok(sc_cert_verifier(back, &v, NULL));
    assert_ok(sc_signer_sign(k->leaf, sc_slice_str("m"), &sig));
    assert_ok(sc_verifier_check(v, sc_slice_str("m"), sc_buf_slice(&sig)));
    assert_ok(sc_cert_verify(back, root, NOW_MS, NULL));
}

/* A comma would smuggle in a further name. */
static void names_that_would_smuggle_another_are_refused(void **state)
{
    const struct keys *k = *state;
    struct sc_cert *none = NULL;
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    const char *const refused[] = { "spiffe://a,URI:spiffe://b", "spiffe://a\nURI:b", "spiffe://a\r", long_name };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct sc_cert_request req = request(k->leaf_public, false);
        req.uri = refused[i];
        assert_err(sc_cert_issue(&req, NULL, k->leaf, &none, NULL), SC_E_USAGE);
        req.uri = NULL;
        req.dns = refused[i];
        assert_err(sc_cert_issue(&req, NULL, k->leaf, &none, NULL), SC_E_USAGE);
    }
    struct sc_cert_request req = request(k->leaf_public, false);
    req.common_name = long_name; /* X.520: at most 64 */
    assert_err(sc_cert_issue(&req, NULL, k->leaf, &none, NULL), SC_E_USAGE);
    assert_null(none);
}

static int setup(void **state)
{
    struct keys *k = calloc(1, sizeof *k);
    *state = k;
    assert_ok(sc_signer_generate(SC_SIGN_ED25519, &k->root, NULL));
    assert_ok(sc_signer_generate(SC_SIGN_P256, &k->leaf, NULL));
    assert_ok(sc_verifier_of_signer(k->root, &k->root_public));
    assert_ok(sc_verifier_of_signer(k->leaf, &k->leaf_public));
    return 0;
}

static int teardown(void **state)
{
    struct keys *k = *state;
    sc_signer_free(k->root);
    sc_signer_free(k->leaf);
    sc_verifier_free(k->root_public);
    sc_verifier_free(k->leaf_public);
    free(k);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_issued_certificate_is_accepted_by_its_root_only),
        cmocka_unit_test(dates_are_judged_at_the_given_time),
        cmocka_unit_test(only_a_ca_may_issue),
        cmocka_unit_test(every_flipped_bit_of_a_certificate_is_refused),
        cmocka_unit_test(names_and_keys_are_read_back),
        cmocka_unit_test(names_that_would_smuggle_another_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
