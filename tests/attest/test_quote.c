/* Judging quotes that the forge makes: every kind that is accepted, every fault with its own reason. */
#include "fixture.h"

struct form {
    uint16_t version;
    enum sc_quote_body body;
};
static const struct form forms[] = { { 3, SC_BODY_SGX },  { 4, SC_BODY_SGX },  { 5, SC_BODY_SGX },
                                     { 4, SC_BODY_TD10 }, { 5, SC_BODY_TD10 }, { 5, SC_BODY_TD15 } };
#define FORM_COUNT (sizeof forms / sizeof forms[0])

static void every_version_and_body_is_accepted_and_told(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < FORM_COUNT; i++) {
        struct forge_spec s;
        forge_spec_default(&s, forms[i].version, forms[i].body);
        assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
        assert_int_equal(f->r.tcb_status, SC_TCB_UP_TO_DATE);
        assert_string_equal(sc_attest_verdict(&f->r), "UpToDate");
        const bool sgx = forms[i].body == SC_BODY_SGX;
        assert_int_equal(f->r.kind, sgx ? SC_ATTEST_SGX : SC_ATTEST_TDX);
        assert_memory_equal(f->r.measurement, sgx ? s.sgx.mr_enclave : s.td.mr_td, sgx ? 32 : 48);
        assert_int_equal(f->r.measurement_size, sgx ? 32 : 48);
        assert_memory_equal(f->r.report_data, s.sgx.report_data, 64);
        assert_int_equal(f->r.product_id, sgx ? 7 : 0);
        assert_memory_equal(f->r.fmspc, s.pck.fmspc, 6);
        assert_int_equal(f->r.collateral_expires_s, FORGE_NOW_S + 15 * FORGE_DAY_S);
        assert_int_equal(f->r.tcb_evaluation_number, 20);
        assert_false(f->r.debug || f->r.simulated);
    }
}

static void padding_order_and_a_zero_at_the_end_do_no_harm(void **state)
{
    struct forge_spec s;
    forge_spec_default(&s, 4, SC_BODY_TD10);
    s.padding = 3000;
    s.chain_reordered = s.chain_zero_ended = true;
    assert_reason(fixture_judge(*state, &s), SC_ATTEST_OK);
}

static void software_evidence_is_judged_by_the_same_code_and_labelled(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_set_deinit) struct forge_set set;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    s.simulated = true;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    assert_int_equal(f->r.kind, SC_ATTEST_SOFTWARE);
    assert_true(f->r.simulated);
    /* a simulation root vouches for no hardware, nor Intel's for a simulation */
    forge_make(f->forge, &s, &set);
    assert_reason(fixture_judge_bytes(f, &set, SC_ROOT_INTEL, sc_buf_slice(&set.quote), SC_ATTEST_FULL, FORGE_NOW_S),
                  SC_ATTEST_UNTRUSTED_ROOT);
    forge_set_deinit(&set);
    s.simulated = false;
    forge_make(f->forge, &s, &set);
    assert_reason(fixture_judge_bytes(f, &set, SC_ROOT_SIMULATION, sc_buf_slice(&set.quote), SC_ATTEST_FULL, FORGE_NOW_S),
                  SC_ATTEST_UNTRUSTED_ROOT);
}

static void debug_is_told_and_leaves_the_verdict_alone(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    s.sgx.attributes |= SC_SGX_ATTR_DEBUG;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    assert_true(f->r.debug);
    forge_spec_default(&s, 5, SC_BODY_TD15);
    s.td.attributes |= SC_TD_ATTR_DEBUG;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    assert_true(f->r.debug);
}

/* ---- faults in what is signed ---- */
static const uint8_t other_vendor[16] = "somebody else";
static char bad_tcb_info[] = "{\"id\":\"SGX\",\"version\":3}";
static char qve_identity[] = "{\"id\":\"QVE\",\"version\":2,\"issueDate\":\"2025-01-01T00:00:00Z\",\"nextUpdate\":\"2025-03-01T00:00:00Z\","
                             "\"tcbEvaluationDataNumber\":20,\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
                             "\"attributes\":\"01000000000000000000000000000000\",\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
                             "\"mrsigner\":\"9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e9e\",\"isvprodid\":1,\"tcbLevels\":[]}";
static char bad_identity[] = "{\"id\":\"QE\",\"version\":2,\"tcbLevels\":7}";

#define FAULT(name, code)                                                                                              \
    static void name(struct forge_spec *s)                                                                             \
    {                                                                                                                  \
        code;                                                                                                          \
    }
FAULT(vendor, s->vendor = other_vendor)
FAULT(version, s->version = 6)
FAULT(key_type, s->key_type = 3)
FAULT(cert_type, s->cert_type = 4)
FAULT(reserved_tee, s->tee = SC_TEE_TDX)
FAULT(no_root, s->chain_without_root = true)
FAULT(ca_is_leaf, s->ca_is_leaf = true)
FAULT(pck_may_not_sign, s->pck_may_not_sign = true)
FAULT(pck_extension, s->pck_extension = sc_slice_str("\x30\x02\x05"))
FAULT(pck_expired, s->cert.until_s = FORGE_NOW_S - 1)
FAULT(pck_early, s->cert.from_s = FORGE_NOW_S + 1)
FAULT(ca_expired, s->ca_cert.until_s = FORGE_NOW_S - 1)
FAULT(root_expired, s->root_cert.until_s = FORGE_NOW_S - 1)
FAULT(signer_expired, s->signer_cert.until_s = FORGE_NOW_S - 1)
FAULT(signer_early, s->signer_cert.from_s = FORGE_NOW_S + 1)
FAULT(pck_crl_issuer, s->pck_crl_by_root = true)
FAULT(root_crl_issuer, s->root_crl_by_ca = true)
FAULT(pck_crl_expired, s->pck_crl.until_s = FORGE_NOW_S - 1)
FAULT(pck_crl_early, s->pck_crl.from_s = FORGE_NOW_S + 1)
FAULT(root_crl_expired, s->root_crl.until_s = FORGE_NOW_S - 1)
FAULT(pck_revoked, s->pck_revoked = true)
FAULT(ca_revoked, s->ca_revoked = true)
FAULT(signer_revoked, s->signer_revoked = true)
FAULT(signer_by_ca, s->signer_by_ca = true)
FAULT(signer_is_ca, s->signer_is_ca = true)
FAULT(tcb_info_format, s->tcb_info_text = bad_tcb_info)
FAULT(tcb_info_expired, s->tcb_info.until_s = FORGE_NOW_S - 1)
FAULT(tcb_info_early, s->tcb_info.from_s = FORGE_NOW_S + 1)
FAULT(tcb_info_tee, s->collateral_tdx = true)
FAULT(tcb_info_fmspc, s->collateral_fmspc[5] ^= 1)
FAULT(tcb_info_pce, s->collateral_pce_id[0] ^= 1)
FAULT(identity_format, s->qe_identity_text = bad_identity)
FAULT(identity_of_qve, s->qe_identity_text = qve_identity)
FAULT(identity_expired, s->qe_identity.until_s = FORGE_NOW_S - 1)
FAULT(identity_early, s->qe_identity.from_s = FORGE_NOW_S + 1)
FAULT(qe_signer, s->qe.mr_signer[0] ^= 1)
FAULT(qe_product, s->qe.prod_id++)
FAULT(qe_misc, s->qe.misc_select = 1)
FAULT(qe_attributes, s->qe.attributes |= SC_SGX_ATTR_DEBUG)
FAULT(qe_xfrm, s->qe.xfrm ^= 0x80)
FAULT(key_binding, s->wrong_key_binding = true)
FAULT(report_data_tail, s->report_data_tail = true)

static const struct {
    void (*spoil)(struct forge_spec *s);
    enum sc_attest_reason reason;
} faults[] = {
    { vendor, SC_ATTEST_VENDOR },
    { version, SC_ATTEST_VERSION },
    { key_type, SC_ATTEST_KEY_TYPE },
    { cert_type, SC_ATTEST_CERT_DATA },
    { reserved_tee, SC_ATTEST_TEE_TYPE },
    { no_root, SC_ATTEST_PCK_CHAIN },
    { ca_is_leaf, SC_ATTEST_PCK_CHAIN },
    { pck_may_not_sign, SC_ATTEST_PCK_CHAIN },
    { pck_extension, SC_ATTEST_PCK_EXTENSION },
    { pck_expired, SC_ATTEST_CERT_EXPIRED },
    { pck_early, SC_ATTEST_CERT_NOT_YET },
    { ca_expired, SC_ATTEST_CERT_EXPIRED },
    { root_expired, SC_ATTEST_CERT_EXPIRED },
    { signer_expired, SC_ATTEST_CERT_EXPIRED },
    { signer_early, SC_ATTEST_CERT_NOT_YET },
    { pck_crl_issuer, SC_ATTEST_CRL_MISMATCH },
    { root_crl_issuer, SC_ATTEST_CRL_MISMATCH },
    { pck_crl_expired, SC_ATTEST_CRL_EXPIRED },
    { pck_crl_early, SC_ATTEST_CRL_NOT_YET },
    { root_crl_expired, SC_ATTEST_CRL_EXPIRED },
    { pck_revoked, SC_ATTEST_PCK_REVOKED },
    { ca_revoked, SC_ATTEST_CA_REVOKED },
    { signer_revoked, SC_ATTEST_TCB_SIGNER_REVOKED },
    { signer_by_ca, SC_ATTEST_TCB_SIGNER },
    { signer_is_ca, SC_ATTEST_TCB_SIGNER },
    { tcb_info_format, SC_ATTEST_TCBINFO_FORMAT },
    { tcb_info_expired, SC_ATTEST_TCBINFO_EXPIRED },
    { tcb_info_early, SC_ATTEST_TCBINFO_NOT_YET },
    { tcb_info_tee, SC_ATTEST_TCBINFO_TEE },
    { tcb_info_fmspc, SC_ATTEST_TCBINFO_FMSPC },
    { tcb_info_pce, SC_ATTEST_TCBINFO_PCEID },
    { identity_format, SC_ATTEST_QEID_FORMAT },
    { identity_of_qve, SC_ATTEST_QEID_TEE },
    { identity_expired, SC_ATTEST_QEID_EXPIRED },
    { identity_early, SC_ATTEST_QEID_NOT_YET },
    { qe_signer, SC_ATTEST_QEID_SIGNER },
    { qe_product, SC_ATTEST_QEID_PRODUCT },
    { qe_misc, SC_ATTEST_QEID_MISCSELECT },
    { qe_attributes, SC_ATTEST_QEID_ATTRIBUTES },
    { qe_xfrm, SC_ATTEST_QEID_ATTRIBUTES },
    { key_binding, SC_ATTEST_KEY_UNBOUND },
    { report_data_tail, SC_ATTEST_KEY_UNBOUND },
};

static void each_fault_is_refused_for_its_own_reason(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct forge_spec s;
        forge_spec_default(&s, 3, SC_BODY_SGX);
        faults[i].spoil(&s);
        const enum sc_attest_reason got = fixture_judge(f, &s);
        if (got != faults[i].reason)
            fail_msg("fault %zu: %s (%s), not %s", i, sc_attest_reason_name(got), f->r.detail,
                     sc_attest_reason_name(faults[i].reason));
        assert_int_not_equal(sc_attest_verdict(&f->r)[0], 'U'); /* no TCB status beside a refusal */
    }
}

static void both_ends_of_every_period_count(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    const struct forge_dates instant = { FORGE_NOW_S, FORGE_NOW_S };
    s.cert = s.ca_cert = s.root_cert = s.signer_cert = s.pck_crl = s.root_crl = s.tcb_info = s.qe_identity = instant;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
}

static void a_signer_of_another_root_and_the_tdx_identity_are_refused(void **state)
{
    struct fixture *f = *state;
    struct forge *other = forge_new();
    SC_CLEANUP(forge_set_deinit) struct forge_set mine;
    SC_CLEANUP(forge_set_deinit) struct forge_set theirs;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    forge_make(f->forge, &s, &mine);
    forge_make(other, &s, &theirs);
    struct forge_set mixed = mine;
    mixed.signing_chain = theirs.signing_chain;
    assert_reason(fixture_judge_bytes(f, &mixed, SC_ROOT_INTEL, sc_buf_slice(&mine.quote), SC_ATTEST_FULL, FORGE_NOW_S),
                  SC_ATTEST_UNTRUSTED_ROOT);
    mixed = mine;
    mixed.tcb_info = theirs.tcb_info;
    assert_reason(fixture_judge_bytes(f, &mixed, SC_ROOT_INTEL, sc_buf_slice(&mine.quote), SC_ATTEST_FULL, FORGE_NOW_S),
                  SC_ATTEST_TCBINFO_SIGNATURE);
    mixed = mine;
    mixed.qe_identity = theirs.qe_identity;
    assert_reason(fixture_judge_bytes(f, &mixed, SC_ROOT_INTEL, sc_buf_slice(&mine.quote), SC_ATTEST_FULL, FORGE_NOW_S),
                  SC_ATTEST_QEID_SIGNATURE);
    mixed = mine;
    mixed.pck_crl = theirs.pck_crl; /* the same name, another key */
    assert_reason(fixture_judge_bytes(f, &mixed, SC_ROOT_INTEL, sc_buf_slice(&mine.quote), SC_ATTEST_FULL, FORGE_NOW_S),
                  SC_ATTEST_CRL_SIGNATURE);
    forge_free(other);
}

/* One character of base64 in each certificate: wherever it is, something must break. */
static void no_certificate_of_the_signing_chain_can_be_altered(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_set_deinit) struct forge_set set;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    forge_make(f->forge, &s, &set);
    for (size_t i = 0; i + 1 < set.signing_chain.size; i += 37) {
        uint8_t *c = &set.signing_chain.ptr[i];
        if (((*c < 'A' || *c > 'Y') && (*c < 'a' || *c > 'y')) || c[1] == '=') /* that one has bits to spare */
            continue;
        (*c)++;
        const enum sc_attest_reason got =
            fixture_judge_bytes(f, &set, SC_ROOT_INTEL, sc_buf_slice(&set.quote), SC_ATTEST_FULL, FORGE_NOW_S);
        (*c)--;
        if (got == SC_ATTEST_OK)
            fail_msg("byte %zu of the signing chain changed, and the quote is accepted", i);
    }
}

static void whatever_is_missing_is_named(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_set_deinit) struct forge_set set;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    forge_make(f->forge, &s, &set);
    static const enum sc_attest_reason reasons[] = { SC_ATTEST_CRL_MISSING, SC_ATTEST_CRL_MISSING, SC_ATTEST_TCB_SIGNER,
                                                     SC_ATTEST_TCBINFO_MISSING, SC_ATTEST_QEID_MISSING };
    for (size_t i = 0; i < 5; i++) {
        struct forge_set without = set;
        struct sc_buf *const parts[] = { &without.root_crl, &without.pck_crl, &without.signing_chain, &without.tcb_info,
                                         &without.qe_identity };
        *parts[i] = (struct sc_buf){ 0 };
        assert_reason(fixture_judge_bytes(f, &without, SC_ROOT_INTEL, sc_buf_slice(&set.quote), SC_ATTEST_FULL, FORGE_NOW_S),
                      reasons[i]);
    }
    /* the signatures alone need none of it, and say so */
    struct forge_set nothing = { .root_pem = set.root_pem };
    assert_reason(fixture_judge_bytes(f, &nothing, SC_ROOT_INTEL, sc_buf_slice(&set.quote), SC_ATTEST_SIGNATURES, FORGE_NOW_S),
                  SC_ATTEST_OK);
    assert_string_equal(sc_attest_verdict(&f->r), "SigOK");
}

/* ---- every bit and every length ---- */
static void no_bit_of_a_quote_can_be_flipped(void **state)
{
    struct fixture *f = *state;
    for (size_t k = 0; k < FORM_COUNT; k++) {
        SC_CLEANUP(forge_set_deinit) struct forge_set set;
        struct sc_prng prng;
        struct forge_spec s;
        sc_prng_init(&prng, test_seed(7 + k));
        forge_spec_default(&s, forms[k].version, forms[k].body);
        forge_make(f->forge, &s, &set);
        for (int i = 0; i < 60; i++) {
            const size_t at = (size_t)sc_prng_below(&prng, 1100 + 600 * (forms[k].body != SC_BODY_SGX));
            set.quote.ptr[at] ^= (uint8_t)(1u << (i % 8));
            const enum sc_attest_reason got = fixture_judge_bytes(f, &set, SC_ROOT_INTEL, sc_buf_slice(&set.quote),
                                                                  SC_ATTEST_FULL, FORGE_NOW_S);
            set.quote.ptr[at] ^= (uint8_t)(1u << (i % 8));
            if (got == SC_ATTEST_OK)
                fail_msg("form %zu: bit %d of byte %zu flipped, and the quote is accepted", k, i % 8, at);
        }
    }
}

static void a_quote_cut_anywhere_is_malformed(void **state)
{
    struct fixture *f = *state;
    for (size_t k = 0; k < FORM_COUNT; k++) {
        SC_CLEANUP(forge_set_deinit) struct forge_set set;
        struct forge_spec s;
        struct sc_quote q;
        forge_spec_default(&s, forms[k].version, forms[k].body);
        forge_make(f->forge, &s, &set);
        for (size_t size = 0; size < set.quote.size; size++) {
            uint8_t *exact = malloc(size + (size == 0)); /* ASan sees any read past the cut */
            assert_non_null(exact);
            memcpy(exact, set.quote.ptr, size);
            assert_int_not_equal(sc_quote_parse(sc_slice_of(exact, size), &q, NULL), SC_QUOTE_FINE);
            free(exact);
        }
        assert_int_equal(sc_quote_parse(sc_buf_slice(&set.quote), &q, NULL), SC_QUOTE_FINE);
        assert_int_equal(q.size, set.quote.size);
    }
}

static void lengths_that_do_not_fit_what_encloses_them_are_malformed(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_set_deinit) struct forge_set set;
    struct forge_spec s;
    struct sc_quote q;
    forge_spec_default(&s, 4, SC_BODY_TD10);
    forge_make(f->forge, &s, &set);
    const size_t body_end = 48 + 584;
    const size_t lengths[] = { body_end, body_end + 4 + 128 + 2, body_end + 4 + 128 + 6 + 448, body_end + 4 + 128 + 6 + 448 + 34 + 2 };
    for (size_t i = 0; i < 4; i++) {
        for (int delta = -1; delta <= 1; delta += 2) {
            set.quote.ptr[lengths[i]] = (uint8_t)(set.quote.ptr[lengths[i]] + delta);
            assert_int_not_equal(sc_quote_parse(sc_buf_slice(&set.quote), &q, NULL), SC_QUOTE_FINE);
            set.quote.ptr[lengths[i]] = (uint8_t)(set.quote.ptr[lengths[i]] - delta);
        }
    }
    assert_int_equal(sc_quote_parse(sc_buf_slice(&set.quote), &q, NULL), SC_QUOTE_FINE);
}

/* ---- memory of what was verified ---- */
static void a_verifier_remembers_chains_and_still_looks_at_dates_and_trust(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_set_deinit) struct forge_set set;
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    struct sc_roots roots = { 0 };
    struct sc_collateral_bytes b;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    forge_make(f->forge, &s, &set);
    assert_ok(sc_roots_add_pem(&roots, SC_ROOT_INTEL, sc_buf_slice(&set.root_pem), NULL));
    forge_collateral_bytes(&set, &b);
    assert_ok(sc_collateral_new(&b, &c, NULL));
    assert_ok(sc_attest_verifier_new(&roots, &v));
    struct sc_attest_request req = { .evidence = sc_buf_slice(&set.quote), .collateral = c, .now_s = FORGE_NOW_S };
    for (int i = 0; i < 3; i++) {
        assert_ok(sc_attest_verify(v, &req, &f->r));
        assert_reason(f->r.reason, SC_ATTEST_OK);
    }
    req.now_s = FORGE_NOW_S + 20 * FORGE_DAY_S;
    assert_ok(sc_attest_verify(v, &req, &f->r));
    assert_reason(f->r.reason, SC_ATTEST_CRL_EXPIRED);
    req.now_s = FORGE_NOW_S + 5000 * FORGE_DAY_S;
    assert_ok(sc_attest_verify(v, &req, &f->r));
    assert_reason(f->r.reason, SC_ATTEST_CERT_EXPIRED);
    req.now_s = FORGE_NOW_S;
    set.quote.ptr[100] ^= 1;
    assert_ok(sc_attest_verify(v, &req, &f->r));
    assert_reason(f->r.reason, SC_ATTEST_QUOTE_SIGNATURE);
    set.quote.ptr[100] ^= 1;
    roots.count = 0; /* trust withdrawn */
    assert_ok(sc_attest_verify(v, &req, &f->r));
    assert_reason(f->r.reason, SC_ATTEST_UNTRUSTED_ROOT);
}

static void more_platforms_than_a_verifier_remembers_are_judged_all_the_same(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    struct sc_roots roots = { 0 };
    assert_ok(sc_attest_verifier_new(&roots, &v));
    for (int i = 0; i < 70; i++) {
        SC_CLEANUP(forge_set_deinit) struct forge_set set;
        struct forge_spec s;
        forge_spec_default(&s, 3, SC_BODY_SGX);
        s.pck.ppid[0] = (uint8_t)i;
        forge_make(f->forge, &s, &set);
        assert_ok(sc_roots_add_pem(&roots, SC_ROOT_INTEL, sc_buf_slice(&set.root_pem), NULL));
        const struct sc_attest_request req = { .evidence = sc_buf_slice(&set.quote), .depth = SC_ATTEST_SIGNATURES,
                                               .now_s = FORGE_NOW_S };
        assert_ok(sc_attest_verify(v, &req, &f->r));
        assert_reason(f->r.reason, SC_ATTEST_OK);
    }
    assert_int_equal(roots.count, 1); /* one key, however many certificates */
}

static void a_result_is_told_in_words_and_as_json(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    struct forge_spec s;
    forge_spec_default(&s, 5, SC_BODY_TD15);
    s.qe.svn = 7;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    sc_attest_to_text(&f->r, &text);
    assert_contains(sc_buf_cstr(&text), "verdict        OutOfDate");
    assert_contains(sc_buf_cstr(&text), "INTEL-SA-00002");
    assert_ok(sc_attest_to_json(&f->r, &doc));
    assert_string_equal(json_string_value(json_object_get(doc, "verdict")), "OutOfDate");
    const json_t *platform = json_object_get(doc, "platform");
    assert_int_equal(json_array_size(json_object_get(platform, "advisories")), 2);
    assert_string_equal(json_string_value(json_object_get(platform, "qe_status")), "OutOfDate");
    const json_t *body = json_object_get(json_object_get(doc, "evidence"), "body");
    assert_string_equal(json_string_value(json_object_get(body, "kind")), "TD report 1.5");
}

static void every_reason_has_a_code_a_name_of_its_own_and_a_sentence(void **state)
{
    (void)state;
    for (int i = 0; i < SC_ATTEST_REASON_COUNT; i++) {
        assert_non_null(sc_attest_reason_code((enum sc_attest_reason)i));
        assert_non_null(sc_attest_reason_text((enum sc_attest_reason)i));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(sc_attest_reason_name((enum sc_attest_reason)i),
                                    sc_attest_reason_name((enum sc_attest_reason)k));
    }
    for (int i = 0; i < SC_CHECK_COUNT; i++)
        assert_non_null(sc_attest_check_name((enum sc_attest_check)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_and_body_is_accepted_and_told),
        cmocka_unit_test(padding_order_and_a_zero_at_the_end_do_no_harm),
        cmocka_unit_test(software_evidence_is_judged_by_the_same_code_and_labelled),
        cmocka_unit_test(debug_is_told_and_leaves_the_verdict_alone),
        cmocka_unit_test(each_fault_is_refused_for_its_own_reason),
        cmocka_unit_test(both_ends_of_every_period_count),
        cmocka_unit_test(a_signer_of_another_root_and_the_tdx_identity_are_refused),
        cmocka_unit_test(no_certificate_of_the_signing_chain_can_be_altered),
        cmocka_unit_test(whatever_is_missing_is_named),
        cmocka_unit_test(no_bit_of_a_quote_can_be_flipped),
        cmocka_unit_test(a_quote_cut_anywhere_is_malformed),
        cmocka_unit_test(lengths_that_do_not_fit_what_encloses_them_are_malformed),
        cmocka_unit_test(a_verifier_remembers_chains_and_still_looks_at_dates_and_trust),
        cmocka_unit_test(more_platforms_than_a_verifier_remembers_are_judged_all_the_same),
        cmocka_unit_test(a_result_is_told_in_words_and_as_json),
        cmocka_unit_test(every_reason_has_a_code_a_name_of_its_own_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_drop);
}
