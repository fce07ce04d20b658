/* Certificates that carry evidence: an impostor is told by them, whatever he copies. */
#include "test.h"

#include "cas/evidence_cert.h"
#include "forge.h"

struct fixture {
    struct forge *forge;
    struct forge_spec spec;
    struct forge_set set;
    struct sc_collateral *collateral;
    struct sc_roots roots;
    struct sc_attest_verifier *verifier;
    struct sc_signer *key;
    struct sc_attest_result *result;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->forge = forge_new();
    forge_spec_default(&f->spec, 3, SC_BODY_SGX);
    f->spec.simulated = true;
    assert_ok(sc_signer_generate(SC_SIGN_P256, &f->key, NULL));
    assert_ok(sc_attest_verifier_new(&f->roots, &f->verifier));
    f->result = calloc(1, sizeof *f->result);
    *state = f;
    return 0;
}

static void forget(struct fixture *f)
{
    forge_set_deinit(&f->set);
    f->set = (struct forge_set){0};
    sc_collateral_free(f->collateral);
    f->collateral = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    forget(f);
    forge_free(f->forge);
    sc_attest_verifier_free(f->verifier);
    sc_signer_free(f->key);
    free(f->result);
    free(f);
    return 0;
}

static sc_err forged_evidence(void *arg, const uint8_t report_data[static 64], struct sc_buf *out, struct sc_diag *diag)
{
    struct fixture *f = arg;
    struct sc_collateral_bytes bytes;
    forget(f);
    memcpy(f->spec.sgx.report_data, report_data, 64);
    forge_make(f->forge, &f->spec, &f->set);
    forge_collateral_bytes(&f->set, &bytes);
    SC_TRY(sc_collateral_new(&bytes, &f->collateral, diag));
    f->roots.count = 0;
    SC_TRY(sc_roots_add_pem(&f->roots, SC_ROOT_SIMULATION, sc_buf_slice(&f->set.root_pem), diag));
    sc_buf_put_bytes(out, sc_buf_slice(&f->set.quote));
    return sc_buf_status(out);
}

static struct sc_cert *certificate(struct fixture *f, enum sc_evidence_form form)
{
    const struct sc_evidence_cert_options opt = {.request = {.common_name = "cas",
                                                             .dns = "localhost",
                                                             .not_before_ms = FORGE_NOW_S * 1000 - 1000,
                                                             .not_after_ms = FORGE_NOW_S * 1000 + 3600000,
                                                             .is_tls = true},
                                                 .form = form,
                                                 .evidence = forged_evidence,
                                                 .evidence_arg = f};
    struct sc_cert *cert = NULL;
    struct sc_diag diag = {0};
    assert_ok_diag(sc_evidence_cert_issue(&opt, f->key, &cert, &diag), &diag);
    return cert;
}

static sc_err verify(struct fixture *f, const struct sc_cert *cert, struct sc_diag *diag)
{
    return sc_evidence_cert_verify(cert, f->verifier, f->collateral, FORGE_NOW_S, f->result, diag);
}

static void both_forms_verify_and_tell_whose_key_it_is(void **state)
{
    struct fixture *f = *state;
    for (int form = SC_EVIDENCE_DICE; form <= SC_EVIDENCE_LEGACY; form++) {
        SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = certificate(f, (enum sc_evidence_form)form);
        struct sc_carried_evidence e;
        struct sc_diag diag = {0};
        assert_ok(sc_evidence_cert_read(cert, &e, NULL));
        assert_int_equal(e.form, form);
        assert_ok_diag(verify(f, cert, &diag), &diag);
        assert_int_equal(f->result->measurement[0], 0xe1);
        assert_true(f->result->simulated);
    }
}

static void a_certificate_without_evidence_is_an_impostors(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    struct sc_diag diag = {0};
    assert_ok(sc_verifier_of_signer(f->key, &v));
    const struct sc_cert_request req = {.common_name = "cas", .subject_key = v, .not_after_ms = 1000};
    assert_ok(sc_cert_issue(&req, NULL, f->key, &cert, NULL));
    assert_err(verify(f, cert, &diag), SC_E_NOT_FOUND);
    assert_contains(diag.text, "no evidence");
}

/* The impostor copies the true CAS's extension, evidence and all, into a certificate of his own key. */
static void copied_evidence_does_not_vouch_for_another_key(void **state)
{
    struct fixture *f = *state;
    static const char *const oids[] = {"2.23.133.5.4.9", "0.6.9.42.840.113741.1337.6", "1.2.840.113741.1337.6"};
    SC_CLEANUP(sc_signer_freep) struct sc_signer *his = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    assert_ok(sc_signer_generate(SC_SIGN_P256, &his, NULL));
    assert_ok(sc_verifier_of_signer(his, &v));
    for (size_t i = 0; i < 3; i++) {
        SC_CLEANUP(sc_cert_freep)
        struct sc_cert *genuine = certificate(f, i == 0 ? SC_EVIDENCE_DICE : SC_EVIDENCE_LEGACY);
        SC_CLEANUP(sc_cert_freep) struct sc_cert *copy = NULL;
        struct sc_cert_extension ext = {.oid = oids[i]};
        struct sc_diag diag = {0};
        assert_ok(sc_cert_extension(genuine, i == 0 ? oids[0] : oids[1], &ext.value));
        const struct sc_cert_request req = {.common_name = "cas",
                                            .subject_key = v,
                                            .not_after_ms = FORGE_NOW_S * 1000,
                                            .extensions = &ext,
                                            .extension_count = 1};
        assert_ok(sc_cert_issue(&req, NULL, his, &copy, NULL));
        assert_err(verify(f, copy, &diag), SC_E_AUTH);
        assert_contains(diag.text, i == 0 ? "another key" : "other claims");
    }
}

static void the_proper_legacy_identifier_is_read_too(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *genuine = certificate(f, SC_EVIDENCE_LEGACY);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *other = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    struct sc_cert_extension ext = {.oid = "1.2.840.113741.1337.6"};
    struct sc_diag diag = {0};
    assert_ok(sc_cert_extension(genuine, "0.6.9.42.840.113741.1337.6", &ext.value));
    assert_ok(sc_verifier_of_signer(f->key, &v));
    const struct sc_cert_request req = {.common_name = "cas",
                                        .subject_key = v,
                                        .not_after_ms = FORGE_NOW_S * 1000,
                                        .extensions = &ext,
                                        .extension_count = 1};
    assert_ok(sc_cert_issue(&req, NULL, f->key, &other, NULL));
    assert_ok_diag(verify(f, other, &diag), &diag);
}

static void evidence_that_is_not_genuine_is_refused(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = certificate(f, SC_EVIDENCE_DICE);
    struct sc_diag diag = {0};
    f->roots.count = 0;
    assert_err(verify(f, cert, &diag), SC_E_AUTH);
    assert_contains(diag.text, "evidence: ");
}

static void every_byte_of_the_extension_counts(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = certificate(f, SC_EVIDENCE_DICE);
    struct sc_slice value;
    struct sc_carried_evidence e;
    assert_ok(sc_cert_extension(cert, "2.23.133.5.4.9", &value));
    for (size_t size = 0; size < value.size; size++)
        assert_err(sc_evidence_dice_parse(sc_slice_of(value.ptr, size), &e, NULL), SC_E_MALFORMED);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    sc_buf_put_bytes(&bytes, value);
    sc_buf_put_u8(&bytes, 0);
    assert_err(sc_evidence_dice_parse(sc_buf_slice(&bytes), &e, NULL), SC_E_MALFORMED);
    const size_t claims_at = value.size - 51; /* map, key (12), bytes of [1, bytes (32)] (38) */
    for (size_t i = 0; i < value.size; i++) {
        if (i >= 7 && i < claims_at - 2) /* the evidence: a signature's business */
            continue;
        bytes.size = value.size;
        bytes.ptr[i] ^= 1;
        const bool parsed = sc_evidence_dice_parse(sc_buf_slice(&bytes), &e, NULL) == SC_OK;
        /* what still has the form is over other claims */
        assert_true(!parsed || memcmp(e.report_data, f->spec.sgx.report_data, 64) != 0);
        bytes.ptr[i] ^= 1;
    }
}

static void other_claims_are_passed_over_and_a_second_key_is_not(void **state)
{
    (void)state;
    struct sc_carried_evidence e;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf claims = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    static const uint8_t key[] = "\x6bpubkey-hash\x58\x24\x82\x01\x58\x20"
                                 "0123456789abcdef0123456789abcdef";
    for (int twice = 0; twice < 2; twice++) {
        sc_buf_reset(&claims);
        sc_buf_reset(&value);
        sc_buf_put_u8(&claims, (uint8_t)(0xa2 + twice));
        sc_buf_put_str(&claims, "\x65nonce\x43"
                                "abc");
        for (int i = 0; i <= twice; i++)
            sc_buf_put_bytes(&claims, sc_slice_of(key, sizeof key - 1));
        sc_buf_put_str(&value, "\xd9\xea\x60\x82\x41x\x58");
        sc_buf_put_u8(&value, (uint8_t)claims.size);
        sc_buf_put_bytes(&value, sc_buf_slice(&claims));
        assert_err(sc_evidence_dice_parse(sc_buf_slice(&value), &e, NULL), twice ? SC_E_MALFORMED : SC_OK);
    }
    assert_memory_equal(e.key_hash, "0123456789abcdef0123456789abcdef", 32);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_forms_verify_and_tell_whose_key_it_is),
        TEST(a_certificate_without_evidence_is_an_impostors),
        TEST(copied_evidence_does_not_vouch_for_another_key),
        TEST(the_proper_legacy_identifier_is_read_too),
        TEST(evidence_that_is_not_genuine_is_refused),
        TEST(every_byte_of_the_extension_counts),
        TEST(other_claims_are_passed_over_and_a_second_key_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
