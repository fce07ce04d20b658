#include "crypto/crypto.h"
#include "test.h"

#include <sys/stat.h>

#define HEX(out, text) assert_ok(sc_hex_decode((text), (out), strlen(text) / 2))

static void assert_hex(const void *bytes, size_t size, const char *hex)
{
    char text[1025];
    sc_hex_encode(sc_slice_of(bytes, size), text);
    assert_string_equal(text, hex);
}

/* RFC 7748, 5.2 (first vector) and 6.1. */
static void x25519_gives_the_answers_of_rfc_7748(void **state)
{
    (void)state;
    struct sc_key k;
    struct sc_dh_public u;
    struct sc_key shared;
    HEX(k.bytes, "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    HEX(u.bytes, "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    assert_ok(sc_dh_agree(&k, &u, &shared));
    assert_hex(shared.bytes, 32, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
}

static void alice_and_bob_agree(void **state)
{
    (void)state;
    struct sc_key alice;
    struct sc_key bob;
    struct sc_dh_public alice_public;
    struct sc_dh_public bob_public;
    struct sc_key a;
    struct sc_key b;
    HEX(alice.bytes, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    HEX(bob.bytes, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    assert_ok(sc_dh_public_of(&bob, &bob_public));
    assert_hex(bob_public.bytes, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_ok(sc_dh_public_of(&alice, &alice_public));
    assert_hex(alice_public.bytes, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_ok(sc_dh_agree(&alice, &bob_public, &a));
    assert_hex(a.bytes, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_ok(sc_dh_agree(&bob, &alice_public, &b));
    assert_memory_equal(a.bytes, b.bytes, 32);
    sc_dh_generate(&alice, &alice_public);
    assert_ok(sc_dh_agree(&alice, &bob_public, &a));
    assert_ok(sc_dh_agree(&bob, &alice_public, &b));
    assert_memory_equal(a.bytes, b.bytes, 32);
}

/* The points of small order (RFC 7748, section 6.1; D. J. Bernstein's list): the shared secret would be known to all. */
static void points_of_low_order_are_refused(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    static const uint8_t zeros[32];
    struct sc_key mine;
    struct sc_dh_public unused;
    sc_dh_generate(&mine, &unused);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        struct sc_dh_public p;
        struct sc_key shared;
        memset(&shared, 0x55, sizeof shared);
        HEX(p.bytes, points[i]);
        assert_err(sc_dh_agree(&mine, &p, &shared), SC_E_AUTH);
        assert_memory_equal(shared.bytes, zeros, 32);
    }
}

/* RFC 8032, 7.1, tests 1 and 2. */
static void ed25519_gives_the_answers_of_rfc_8032(void **state)
{
    (void)state;
    static const struct {
        const char *seed, *message, *signature;
    } cases[] = {
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
          "d25bf5f0595bbe24655141438e7a100b" },
        { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "r",
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
          "387b2eaeb4302aeeb00d291612bb0c00" },
    };
    for (size_t i = 0; i < 2; i++) {
        struct sc_key seed;
        SC_CLEANUP(sc_signer_freep) struct sc_signer *s = NULL;
        SC_CLEANUP(sc_buf_deinit) struct sc_buf sig = { 0 };
        HEX(seed.bytes, cases[i].seed);
        assert_ok(sc_signer_from_ed25519_seed(&seed, &s));
        assert_ok(sc_signer_sign(s, sc_slice_str(cases[i].message), &sig));
        assert_hex(sig.ptr, sig.size, cases[i].signature);
    }
}

static void a_signature_holds_for_its_message_and_key_only(void **state)
{
    (void)state;
    for (int alg = SC_SIGN_ED25519; alg <= SC_SIGN_RSA2048; alg++) {
        SC_CLEANUP(sc_signer_freep) struct sc_signer *s = NULL;
        SC_CLEANUP(sc_signer_freep) struct sc_signer *other = NULL;
        SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
        SC_CLEANUP(sc_verifier_freep) struct sc_verifier *w = NULL;
        SC_CLEANUP(sc_buf_deinit) struct sc_buf sig = { 0 };
        assert_ok(sc_signer_generate((enum sc_sign_alg)alg, &s, NULL));
        assert_ok(sc_signer_generate((enum sc_sign_alg)alg, &other, NULL));
        assert_int_equal(sc_signer_alg(s), alg);
        assert_ok(sc_verifier_of_signer(s, &v));
        assert_ok(sc_verifier_of_signer(other, &w));
        assert_int_equal(sc_verifier_alg(v), alg);
        char message[] = "42 Wh";
        assert_ok(sc_signer_sign(s, sc_slice_str(message), &sig));
        assert_true(sig.size <= SC_SIGNATURE_SIZE_MAX);
        assert_ok(sc_verifier_check(v, sc_slice_str(message), sc_buf_slice(&sig)));
        assert_err(sc_verifier_check(w, sc_slice_str(message), sc_buf_slice(&sig)), SC_E_AUTH);
        assert_err(sc_verifier_check(v, sc_slice_str("43 Wh"), sc_buf_slice(&sig)), SC_E_AUTH);
        assert_err(sc_verifier_check(v, SC_SLICE_EMPTY, sc_buf_slice(&sig)), SC_E_AUTH);
        assert_err(sc_verifier_check(v, sc_slice_str(message), SC_SLICE_EMPTY), SC_E_AUTH);
        for (size_t size = 0; size < sig.size; size++)
            assert_err(sc_verifier_check(v, sc_slice_str(message), sc_slice_of(sig.ptr, size)), SC_E_AUTH);
        for (size_t bit = 0; bit < sig.size * 8; bit += 5) {
            sig.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_err(sc_verifier_check(v, sc_slice_str(message), sc_buf_slice(&sig)), SC_E_AUTH);
            sig.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        sc_buf_put_u8(&sig, 0); /* one byte too many */
        assert_err(sc_verifier_check(v, sc_slice_str(message), sc_buf_slice(&sig)), SC_E_AUTH);
    }
}

static void public_keys_survive_their_encoding_exactly(void **state)
{
    (void)state;
    for (int alg = SC_SIGN_ED25519; alg <= SC_SIGN_RSA2048; alg++) {
        SC_CLEANUP(sc_signer_freep) struct sc_signer *s = NULL;
        SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
        SC_CLEANUP(sc_verifier_freep) struct sc_verifier *back = NULL;
        SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
        SC_CLEANUP(sc_buf_deinit) struct sc_buf sig = { 0 };
        assert_ok(sc_signer_generate((enum sc_sign_alg)alg, &s, NULL));
        assert_ok(sc_verifier_of_signer(s, &v));
        assert_ok(sc_verifier_to_spki(v, &der));
        assert_ok(sc_verifier_from_spki(sc_buf_slice(&der), &back, NULL));
        assert_ok(sc_signer_sign(s, sc_slice_str("m"), &sig));
        assert_ok(sc_verifier_check(back, sc_slice_str("m"), sc_buf_slice(&sig)));
        for (size_t size = 0; size < der.size; size++) {
            struct sc_verifier *none = NULL;
            assert_err(sc_verifier_from_spki(sc_slice_of(der.ptr, size), &none, NULL), SC_E_MALFORMED);
        }
        sc_buf_put_u8(&der, 0);
        struct sc_verifier *none = NULL;
        assert_err(sc_verifier_from_spki(sc_buf_slice(&der), &none, NULL), SC_E_MALFORMED);
    }
}

static void private_keys_survive_pem_and_are_readable_by_the_owner_only(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    for (int alg = SC_SIGN_ED25519; alg <= SC_SIGN_RSA2048; alg++) {
        SC_CLEANUP(sc_signer_freep) struct sc_signer *s = NULL;
        SC_CLEANUP(sc_signer_freep) struct sc_signer *back = NULL;
        SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
        SC_CLEANUP(sc_buf_deinit) struct sc_buf sig = { 0 };
        SC_CLEANUP(sc_freep) char *path = test_path(dir, sc_sign_alg_name((enum sc_sign_alg)alg));
        assert_ok(sc_signer_generate((enum sc_sign_alg)alg, &s, NULL));
        assert_ok(sc_signer_write_pem(s, path, NULL));
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_ok(sc_signer_read_pem(path, &back, NULL));
        assert_ok(sc_verifier_of_signer(s, &v));
        assert_ok(sc_signer_sign(back, sc_slice_str("m"), &sig));
        assert_ok(sc_verifier_check(v, sc_slice_str("m"), sc_buf_slice(&sig)));
        enum sc_sign_alg parsed;
        assert_ok(sc_sign_alg_parse(sc_sign_alg_name((enum sc_sign_alg)alg), &parsed));
        assert_int_equal(parsed, alg);
    }
    enum sc_sign_alg parsed;
    assert_err(sc_sign_alg_parse("md5", &parsed), SC_E_USAGE);
    test_dir_free(dir);
}

/* The last one is `openssl genpkey -algorithm ED25519 -aes256` with an *empty* password: encrypted all the same. */
static void senseless_and_encrypted_keys_are_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "",
        "no key at all",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGpPNzXDj2hVFVEyPfWCDsYeCsd7tgJOYzbmxxkGfGz8\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgrIGL+WE7TYAICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEMWJUWHMH0h0qHHcqJ+h/OYEQGEJ\n"
        "ofs/TsotPO7hk8nOLBB/aLuyXWTV+jB4n35RyUaQ505PLsKSQPpPIuvGXHG6Us2J\n"
        "gmpqbd1lfF8w/V6M+J4=\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct sc_signer *s = NULL;
        struct sc_diag diag = { 0 };
        assert_err(sc_signer_from_pem(sc_slice_str(refused[i]), &s, &diag), SC_E_MALFORMED);
        assert_null(s);
        assert_contains(diag.text, "private key");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_gives_the_answers_of_rfc_7748),
        cmocka_unit_test(alice_and_bob_agree),
        cmocka_unit_test(points_of_low_order_are_refused),
        cmocka_unit_test(ed25519_gives_the_answers_of_rfc_8032),
        cmocka_unit_test(a_signature_holds_for_its_message_and_key_only),
        cmocka_unit_test(public_keys_survive_their_encoding_exactly),
        cmocka_unit_test(private_keys_survive_pem_and_are_readable_by_the_owner_only),
        cmocka_unit_test(senseless_and_encrypted_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
