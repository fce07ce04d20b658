/* Judging SNP reports that the forge makes. */
#include "fixture.h"

static void every_product_and_key_is_accepted_and_told(void **state)
{
    struct fixture *f = *state;
    static const char *const products[] = { "Milan", "Genoa", "Turin" };
    for (size_t i = 0; i < 3; i++) {
        for (int vlek = 0; vlek < 2; vlek++) {
            struct forge_snp_spec s;
            forge_snp_spec_default(&s, products[i], vlek);
            s.hardware_id_wrapped = i == 1;
            s.current_tcb[7]++; /* ahead of what the certificate is for: fine */
            assert_reason(fixture_judge_snp(f, &s, FORGE_NOW_S), SC_ATTEST_OK);
            assert_string_equal(sc_attest_verdict(&f->r), "OK");
            assert_string_equal(f->r.snp_product, products[i]);
            assert_int_equal(f->r.kind, SC_ATTEST_SNP);
            assert_int_equal(f->r.svn, 4);
            assert_int_equal(f->r.measurement[47], 0x3e);
            assert_false(f->r.debug);
        }
    }
}

static void versions_2_to_5_are_accepted_and_no_others(void **state)
{
    struct fixture *f = *state;
    for (uint32_t version = 0; version < 8; version++) {
        struct forge_snp_spec s;
        forge_snp_spec_default(&s, "Genoa", false);
        s.version = version;
        s.product_extension = "Genoa-B1";
        assert_reason(fixture_judge_snp(f, &s, FORGE_NOW_S),
                      version >= 2 && version <= 5 ? SC_ATTEST_OK : SC_ATTEST_VERSION);
    }
}

#define FAULT(name, code)                                                                                              \
    static void name(struct forge_snp_spec *s)                                                                         \
    {                                                                                                                  \
        code;                                                                                                          \
    }
FAULT(algorithm, s->algorithm = 2)
FAULT(expired, s->cert.until_s = FORGE_NOW_S - 1)
FAULT(early, s->cert.from_s = FORGE_NOW_S + 1)
FAULT(ca_expired, s->ca_cert.until_s = FORGE_NOW_S - 1)
FAULT(other_kind_of_ca, s->ca_for_other_kind = true)
FAULT(other_product_ca, s->ca_product = "Genoa")
FAULT(other_product_root, s->root_product = "Genoa")
FAULT(product_extension, s->product_extension = "Turin")
FAULT(no_product_extension, s->product_extension = "")
FAULT(cpuid, s->model = 0x11)
FAULT(unsigned_report, s->signing_key = SC_SNP_UNSIGNED)
FAULT(says_vlek, s->signing_key = SC_SNP_VLEK)
FAULT(tcb_boot_loader, s->certified_tcb[0]++)
FAULT(tcb_microcode, s->certified_tcb[7]--)
FAULT(tcb_snp, s->reported_tcb[6]++)
FAULT(chip, s->chip_id[63] ^= 1)
FAULT(masked, (s->masked = true, memset(s->chip_id, 0, 64)))
FAULT(crl, s->with_crl = true)
FAULT(crl_revoked, s->with_crl = s->ca_revoked = true)
FAULT(crl_expired, (s->with_crl = true, s->crl.until_s = FORGE_NOW_S - 1))
FAULT(crl_early, (s->with_crl = true, s->crl.from_s = FORGE_NOW_S + 1))
FAULT(crl_issuer, s->with_crl = s->crl_by_ca = true)

static const struct {
    void (*spoil)(struct forge_snp_spec *s);
    enum sc_attest_reason reason;
} faults[] = {
    { algorithm, SC_ATTEST_ALGORITHM },
    { expired, SC_ATTEST_CERT_EXPIRED },
    { early, SC_ATTEST_CERT_NOT_YET },
    { ca_expired, SC_ATTEST_CERT_EXPIRED },
    { other_kind_of_ca, SC_ATTEST_SNP_CHAIN },
    { other_product_ca, SC_ATTEST_SNP_CHAIN },
    { other_product_root, SC_ATTEST_SNP_PRODUCT },
    { product_extension, SC_ATTEST_SNP_PRODUCT },
    { no_product_extension, SC_ATTEST_OK },
    { cpuid, SC_ATTEST_SNP_PRODUCT },
    { unsigned_report, SC_ATTEST_UNSIGNED },
    { says_vlek, SC_ATTEST_SNP_KEY_KIND },
    { tcb_boot_loader, SC_ATTEST_SNP_TCB },
    { tcb_microcode, SC_ATTEST_SNP_TCB },
    { tcb_snp, SC_ATTEST_SNP_TCB },
    { chip, SC_ATTEST_SNP_CHIP },
    { masked, SC_ATTEST_OK },
    { crl, SC_ATTEST_OK },
    { crl_revoked, SC_ATTEST_CA_REVOKED },
    { crl_expired, SC_ATTEST_CRL_EXPIRED },
    { crl_early, SC_ATTEST_CRL_NOT_YET },
    { crl_issuer, SC_ATTEST_CRL_MISMATCH },
};

static void each_fault_is_refused_for_its_own_reason(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct forge_snp_spec s;
        forge_snp_spec_default(&s, "Milan", false);
        faults[i].spoil(&s);
        const enum sc_attest_reason got = fixture_judge_snp(f, &s, FORGE_NOW_S);
        if (got != faults[i].reason)
            fail_msg("fault %zu: %s (%s), not %s", i, sc_attest_reason_name(got), f->r.detail,
                     sc_attest_reason_name(faults[i].reason));
    }
}

static void turin_is_read_in_its_own_order(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 8; i++) {
        struct forge_snp_spec s;
        forge_snp_spec_default(&s, "Turin", false);
        s.certified_tcb[i]++;
        const bool counts = i < 4 || i == 7; /* FMC, boot loader, TEE, SNP; microcode */
        assert_reason(fixture_judge_snp(f, &s, FORGE_NOW_S), counts ? SC_ATTEST_SNP_TCB : SC_ATTEST_OK);
    }
}

static void no_bit_of_a_report_can_be_flipped(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_snp_set_deinit) struct forge_snp_set set;
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    struct sc_roots roots = { 0 };
    struct sc_collateral_bytes b;
    struct forge_snp_spec s;
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(11));
    forge_snp_spec_default(&s, "Milan", false);
    forge_snp_make(f->forge, &s, &set);
    assert_ok(sc_roots_add_pem(&roots, SC_ROOT_AMD, sc_buf_slice(&set.root_pem), NULL));
    sc_collateral_bytes_init(&b);
    b.vek = sc_buf_slice(&set.vek);
    b.amd_chain = sc_buf_slice(&set.chain);
    assert_ok(sc_collateral_new(&b, &c, NULL));
    assert_ok(sc_attest_verifier_new(&roots, &v));
    for (int i = 0; i < 300; i++) {
        const size_t at = (size_t)sc_prng_below(&prng, SC_SNP_REPORT_SIZE); /* unsigned bytes must be zero */
        struct sc_attest_request req = { .evidence = sc_buf_slice(&set.report), .collateral = c, .kind = SC_ATTEST_SNP,
                                         .now_s = FORGE_NOW_S };
        set.report.ptr[at] ^= (uint8_t)(1u << (i % 8));
        assert_ok(sc_attest_verify(v, &req, &f->r));
        set.report.ptr[at] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(f->r.reason, SC_ATTEST_OK);
    }
    for (size_t size = 0; size <= SC_SNP_REPORT_SIZE + 1; size += size < 8 ? 1 : 98) {
        uint8_t bytes[SC_SNP_REPORT_SIZE + 1] = { 0 };
        struct sc_snp_report r;
        if (size != SC_SNP_REPORT_SIZE)
            assert_int_equal(sc_snp_report_parse(sc_slice_of(bytes, size), &r, NULL), SC_SNP_BAD_SIZE);
    }
}

static void hardware_ids_and_small_numbers_are_read_exactly(void **state)
{
    (void)state;
    struct sc_snp_vek v;
    uint8_t n;
    uint8_t id[66] = { 0x04, 0x40 };
    assert_ok(sc_snp_extension_hardware_id(sc_slice_of(id, 66), &v));
    assert_int_equal(v.hardware_id_size, 64);
    assert_ok(sc_snp_extension_hardware_id(sc_slice_of(id, 64), &v)); /* raw */
    assert_ok(sc_snp_extension_hardware_id(sc_slice_of("\x04\x08" "12345678", 10), &v));
    assert_int_equal(v.hardware_id_size, 8);
    assert_err(sc_snp_extension_hardware_id(sc_slice_of(id, 65), &v), SC_E_MALFORMED);
    assert_err(sc_snp_extension_hardware_id(SC_SLICE_EMPTY, &v), SC_E_MALFORMED);
    assert_ok(sc_snp_extension_u8(sc_slice_of("\x02\x02\x00\xff", 4), &n));
    assert_int_equal(n, 255);
    assert_err(sc_snp_extension_u8(sc_slice_of("\x02\x02\x01\x00", 4), &n), SC_E_MALFORMED);
    assert_err(sc_snp_extension_u8(sc_slice_of("\x02\x01\xff", 3), &n), SC_E_MALFORMED); /* negative */
    assert_err(sc_snp_extension_u8(sc_slice_of("\x02\x01\x01\x00", 4), &n), SC_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_product_and_key_is_accepted_and_told),
        cmocka_unit_test(versions_2_to_5_are_accepted_and_no_others),
        cmocka_unit_test(each_fault_is_refused_for_its_own_reason),
        cmocka_unit_test(turin_is_read_in_its_own_order),
        cmocka_unit_test(no_bit_of_a_report_can_be_flipped),
        cmocka_unit_test(hardware_ids_and_small_numbers_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_drop);
}
