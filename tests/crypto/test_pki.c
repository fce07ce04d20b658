#include "crypto/pki.h"
#include "pki.h"

/* RFC 6979, A.2.5 and A.2.6: message "sample" with SHA-256 on P-256 and SHA-384 on P-384. */
static const struct {
    enum sc_pubkey_kind kind;
    const char *xy, *rs;
} known[] = {
    { SC_PUBKEY_P256,
      "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177"
      "a3c294d4462299",
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064d"
      "c4ab2f843acda8" },
    { SC_PUBKEY_P384,
      "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc138015d9b72d7d57244"
      "ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
      "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe4699ef4aeb15f178cea1"
      "fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8" },
};

static void published_signatures_are_accepted_and_altered_ones_are_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const size_t size = strlen(known[i].xy) / 2;
        uint8_t xy[96];
        uint8_t rs[96];
        SC_CLEANUP(sc_pubkey_freep) struct sc_pubkey *key = NULL;
        assert_ok(sc_hex_decode(known[i].xy, xy, size));
        assert_ok(sc_hex_decode(known[i].rs, rs, size));
        assert_ok(sc_pubkey_from_point(known[i].kind, sc_slice_of(xy, size), &key));
        assert_int_equal(sc_pubkey_kind(key), known[i].kind);
        assert_ok(sc_pubkey_check_raw(key, sc_slice_str("sample"), sc_slice_of(rs, size)));
        assert_err(sc_pubkey_check_raw(key, sc_slice_str("Sample"), sc_slice_of(rs, size)), SC_E_AUTH);
        assert_err(sc_pubkey_check_raw(key, sc_slice_str("sample"), sc_slice_of(rs, size - 1)), SC_E_AUTH);
        for (size_t k = 0; k < size; k++) {
            rs[k] ^= 1;
            assert_err(sc_pubkey_check_raw(key, sc_slice_str("sample"), sc_slice_of(rs, size)), SC_E_AUTH);
            rs[k] ^= 1;
        }
        memset(rs, 0, size);
        assert_err(sc_pubkey_check_raw(key, sc_slice_str("sample"), sc_slice_of(rs, size)), SC_E_AUTH);
    }
}

static void only_points_of_the_curve_are_keys(void **state)
{
    (void)state;
    uint8_t xy[96] = { 0 };
    struct sc_pubkey *key = NULL;
    assert_err(sc_pubkey_from_point(SC_PUBKEY_P256, sc_slice_of(xy, 64), &key), SC_E_MALFORMED);
    assert_err(sc_pubkey_from_point(SC_PUBKEY_P384, sc_slice_of(xy, 96), &key), SC_E_MALFORMED);
    assert_ok(sc_hex_decode(known[0].xy, xy, 64));
    assert_err(sc_pubkey_from_point(SC_PUBKEY_P256, sc_slice_of(xy, 63), &key), SC_E_MALFORMED);
    assert_err(sc_pubkey_from_point(SC_PUBKEY_RSA, sc_slice_of(xy, 64), &key), SC_E_MALFORMED);
    xy[63] ^= 1;
    assert_err(sc_pubkey_from_point(SC_PUBKEY_P256, sc_slice_of(xy, 64), &key), SC_E_MALFORMED);
    memset(xy, 0xff, 64); /* beyond the field */
    assert_err(sc_pubkey_from_point(SC_PUBKEY_P256, sc_slice_of(xy, 64), &key), SC_E_MALFORMED);
    assert_null(key);
}

static void the_parts_of_a_certificate_are_told(void **state)
{
    (void)state;
    struct test_ca ca;
    struct sc_cert_facts facts;
    struct sc_slice value;
    char cn[SC_CERT_CN_SIZE_MAX];
    SC_CLEANUP(sc_pubkey_freep) struct sc_pubkey *key = NULL;
    test_ca_new(&ca, "An Authority");
    assert_ok(sc_cert_facts(ca.cert, &facts, NULL));
    assert_true(facts.is_ca && facts.self_issued);
    assert_int_equal(facts.path_len, 0);
    assert_int_equal(facts.usages, SC_CERT_SIGNS_CERTS | SC_CERT_SIGNS_CRLS);
    assert_int_equal(facts.not_after_s - facts.not_before_s, 7200);
    sc_cert_subject_cn(ca.cert, cn);
    assert_string_equal(cn, "An Authority");
    assert_true(sc_cert_names_issuer(ca.cert, ca.cert));
    assert_err(sc_cert_extension(ca.cert, "1.2.3.4", &value), SC_E_NOT_FOUND);
    assert_ok(sc_cert_extension(ca.cert, "2.5.29.19", &value));
    assert_ok(sc_cert_pubkey(ca.cert, &key, NULL));
    assert_int_equal(sc_pubkey_kind(key), SC_PUBKEY_OTHER); /* Ed25519 */
    assert_ok(sc_cert_signed_by(ca.cert, key));
    struct test_ca other;
    SC_CLEANUP(sc_pubkey_freep) struct sc_pubkey *other_key = NULL;
    test_ca_new(&other, "An Authority");
    assert_ok(sc_cert_pubkey(other.cert, &other_key, NULL));
    assert_err(sc_cert_signed_by(ca.cert, other_key), SC_E_AUTH);
    assert_err(sc_pubkey_check_raw(key, sc_slice_str("x"), sc_slice_of("", 0)), SC_E_AUTH);
    test_ca_free(&other);
    test_ca_free(&ca);
}

static void pem_with_several_certificates_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    struct test_ca ca;
    struct sc_cert *certs[3] = { NULL };
    size_t count = 0;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = { 0 };
    struct sc_diag diag = { 0 };
    test_ca_new(&ca, "An Authority");
    sc_buf_put_str(&pem, "something before\n");
    for (int i = 0; i < 3; i++)
        assert_ok(sc_cert_to_pem(ca.cert, &pem));
    sc_buf_put_u8(&pem, 0);
    assert_ok_diag(sc_certs_from_pem(sc_buf_slice(&pem), certs, 3, &count, &diag), &diag);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        sc_cert_free(certs[i]);
        certs[i] = NULL;
    }
    assert_err(sc_certs_from_pem(sc_buf_slice(&pem), certs, 2, &count, NULL), SC_E_LIMIT);
    assert_null(certs[0]);
    pem.ptr[pem.size / 2] = '*'; /* in the second block */
    assert_err(sc_certs_from_pem(sc_buf_slice(&pem), certs, 3, &count, NULL), SC_E_MALFORMED);
    assert_null(certs[0]);
    assert_err(sc_certs_from_pem(SC_SLICE_EMPTY, certs, 3, &count, NULL), SC_E_MALFORMED);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key_pem = { 0 };
    assert_ok(sc_signer_to_pem(ca.key, &key_pem));
    assert_err(sc_certs_from_pem(sc_buf_slice(&key_pem), certs, 3, &count, NULL), SC_E_MALFORMED);
    test_ca_free(&ca);
}

static void rubbish_is_no_revocation_list(void **state)
{
    (void)state;
    struct sc_crl *crl = NULL;
    assert_err(sc_crl_parse(SC_SLICE_EMPTY, &crl, NULL), SC_E_MALFORMED);
    assert_err(sc_crl_parse(sc_slice_str("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), &crl, NULL),
               SC_E_MALFORMED);
    assert_err(sc_crl_parse(sc_slice_str("0\x82\xff\xff"), &crl, NULL), SC_E_MALFORMED);
    assert_null(crl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_signatures_are_accepted_and_altered_ones_are_not),
        cmocka_unit_test(only_points_of_the_curve_are_keys),
        cmocka_unit_test(the_parts_of_a_certificate_are_told),
        cmocka_unit_test(pem_with_several_certificates_is_read_whole_or_not_at_all),
        cmocka_unit_test(rubbish_is_no_revocation_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
