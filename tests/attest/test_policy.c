/* Policies: what they refuse, and what they say of their own mistakes. */
#include "attest/policy.h"
#include "fixture.h"

#define HEAD "version: 1\nkinds: [sgx, tdx, snp]\n"
#define E1   "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1"
#define S51  "5151515151515151515151515151515151515151515151515151515151515151"
#define Z48  "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
#define Z47_1 "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001"

/* The names of the findings, joined by blanks; "accepted" without any. */
static void appraise(const struct sc_attest_result *r, const char *yaml, char *out, size_t size)
{
    SC_CLEANUP(sc_policy_freep) struct sc_policy *p = NULL;
    struct sc_appraisal a;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_policy_parse(sc_slice_str(yaml), &p, &diag), &diag);
    sc_policy_appraise(p, r, &a);
    assert_int_equal(a.accepted, a.count == 0);
    snprintf(out, size, "%s", a.accepted ? "accepted" : "");
    for (size_t i = 0; i < a.count; i++) {
        const size_t at = strlen(out);
        snprintf(out + at, size - at, "%s%s", i != 0 ? " " : "", a.findings[i].name);
        assert_true(strlen(a.findings[i].text) > 5);
    }
}

struct expectation {
    const char *yaml, *findings;
};

static void expect_all(const struct sc_attest_result *r, const struct expectation *list, size_t count)
{
    char got[400];
    for (size_t i = 0; i < count; i++) {
        appraise(r, list[i].yaml, got, sizeof got);
        if (strcmp(got, list[i].findings) != 0)
            fail_msg("%s\n  finds \"%s\", not \"%s\"", list[i].yaml, got, list[i].findings);
    }
}

static void sgx_evidence_is_held_against_each_rule(void **state)
{
    static const struct expectation all[] = {
        { HEAD "code: any\n", "accepted" },
        { "version: 1\nkinds: [tdx]\ncode: any\n", "kind" },
        { HEAD "code: [{measurement: " E1 "}]\n", "accepted" },
        { HEAD "code: [{measurement: " S51 "}]\n", "code" },
        { HEAD "code: [{measurement: " S51 "}, {signer: " S51 ", product: 7, min_svn: 3}]\n", "accepted" },
        { HEAD "code: [{signer: " S51 ", product: 8}]\n", "code" },
        { HEAD "code: [{signer: " S51 ", min_svn: 4}]\n", "code" },
        { HEAD "code: [{signer: " E1 "}]\n", "code" },
        { HEAD "code: any\ntcb: {min_evaluation_number: 20}\n", "accepted" },
        { HEAD "code: any\ntcb: {min_evaluation_number: 21}\n", "evaluation-number" },
        { HEAD "code: any\ncollateral: {max_age: 15d}\n", "accepted" },
        { HEAD "code: any\ncollateral: {max_age: 359h}\n", "collateral-age" },
        { HEAD "code: any\nsgx: {attributes: {require: [MODE64BIT]}}\n", "accepted" },
        { HEAD "code: any\nsgx: {attributes: {forbid: [MODE64BIT], require: [KSS]}}\n", "sgx-attributes sgx-attributes" },
        { HEAD "code: any\nreport_data: dadada\n", "accepted" },
        { HEAD "code: any\nreport_data: ['00', dadb]\n", "report-data" },
        { HEAD "code: any\nconfig_id: " S51 "\n", "config-id" },
        { HEAD "code: any\nconfig_id: [" E1 E1 ", '" Z48 Z48 "']\n", NULL },
    };
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    expect_all(&f->r, all, sizeof all / sizeof all[0] - 1);
    SC_CLEANUP(sc_policy_freep) struct sc_policy *p = NULL; /* the last has a wrong size */
    assert_err(sc_policy_parse(sc_slice_str(all[17].yaml), &p, NULL), SC_E_MALFORMED);
}

static void an_outdated_platform_is_accepted_only_where_it_is_tolerated(void **state)
{
    static const struct expectation all[] = {
        { HEAD "code: any\n", "tcb-status" },
        { HEAD "code: any\ntcb: {statuses: [UpToDate, SWHardeningNeeded]}\n", "tcb-status" },
        { HEAD "code: any\ntcb: {statuses: [OutOfDate]}\n", "accepted" },
        { HEAD "code: any\ntcb: {statuses: [OutOfDate], advisories: [INTEL-SA-00001]}\n", "advisory" },
        { HEAD "code: any\ntcb: {statuses: [OutOfDate], advisories: []}\n", "advisory advisory" },
        { HEAD "code: any\ntcb: {statuses: [OutOfDate], advisories: [INTEL-SA-00002, INTEL-SA-00001]}\n", "accepted" },
    };
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    s.qe.svn = 6;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    expect_all(&f->r, all, sizeof all / sizeof all[0]);
}

static void debug_needs_the_option_that_is_called_insecure(void **state)
{
    static const struct expectation all[] = {
        { HEAD "code: any\n", "debug" },
        { HEAD "code: any\ninsecure_allow_debug: false\n", "debug" },
        { HEAD "code: any\ninsecure_allow_debug: true\n", "accepted" },
    };
    struct fixture *f = *state;
    struct forge_spec s;
    struct forge_snp_spec snp;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    s.sgx.attributes |= SC_SGX_ATTR_DEBUG;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    expect_all(&f->r, all, 3);
    forge_spec_default(&s, 5, SC_BODY_TD15);
    s.td.attributes |= SC_TD_ATTR_DEBUG;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    expect_all(&f->r, all, 3);
    forge_snp_spec_default(&snp, "Genoa", false);
    snp.policy |= SC_SNP_POLICY_DEBUG;
    assert_reason(fixture_judge_snp(f, &snp, FORGE_NOW_S), SC_ATTEST_OK);
    expect_all(&f->r, all, 3);
}

static void td_evidence_is_held_against_each_rule(void **state)
{
    static const struct expectation all[] = {
        { HEAD "code: any\ntdx: {attributes: {require: [SEPT_VE_DISABLE], forbid: [PERFMON, PKS, KL]}}\n", "accepted" },
        { HEAD "code: any\ntdx: {attributes: {require: [PKS], forbid: [SEPT_VE_DISABLE]}}\n",
          "tdx-attributes tdx-attributes" },
        { HEAD "code: any\ntdx: {mr_seam: " Z48 ", mr_owner: " Z48 ", mr_owner_config: " Z48 ", rtmr0: " Z48 "}\n",
          "accepted" },
        { HEAD "code: any\ntdx: {mr_seam: " Z47_1 ", mr_owner: " Z47_1 ", mr_owner_config: " Z47_1 ", rtmr3: [" Z47_1 "]}\n",
          "mr-seam mr-owner mr-owner-config rtmr3" },
        { HEAD "code: any\nconfig_id: '" Z48 "'\n", "accepted" },
    };
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 5, SC_BODY_TD15);
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    expect_all(&f->r, all, sizeof all / sizeof all[0]);
}

static void snp_evidence_is_held_against_each_rule(void **state)
{
    static const struct expectation all[] = {
        { HEAD "code: any\n", "accepted" },
        { HEAD "code: any\ntcb: {statuses: [OutOfDate]}\n", "accepted" }, /* AMD has no statuses */
        { HEAD "code: any\nsnp: {policy: {require: [SMT], forbid: [MIGRATION]}}\n", "accepted" },
        { HEAD "code: any\nsnp: {policy: {require: [SINGLE_SOCKET], forbid: [SMT]}}\n", "snp-policy snp-policy" },
        { HEAD "code: any\nsnp: {platform: {require: [ECC]}}\n", "snp-platform" },
        { HEAD "code: any\nsnp: {min_tcb: {boot_loader: 3, snp: 8, microcode: 0x73}}\n", "accepted" },
        { HEAD "code: any\nsnp: {min_tcb: {boot_loader: 4, tee: 1, snp: 9, microcode: 0x74, fmc: 1}}\n",
          "snp-tcb snp-tcb snp-tcb snp-tcb snp-tcb" },
        { HEAD "code: any\nsnp: {allow_vlek: false}\n", "vlek" },
        { HEAD "code: any\nsnp: {family_id: '01000000000000000000000000000000'}\n", "family-id" },
        { HEAD "code: any\nsnp: {image_id: '01000000000000000000000000000000'}\n", "image-id" },
        { HEAD "code: any\nsnp: {author_key: " Z47_1 "}\n", "author-key" },
        { HEAD "code: any\nconfig_id: 4040404040404040404040404040404040404040404040404040404040404040\n", "accepted" },
    };
    struct fixture *f = *state;
    struct forge_snp_spec s;
    char got[100];
    forge_snp_spec_default(&s, "Milan", true);
    assert_reason(fixture_judge_snp(f, &s, FORGE_NOW_S), SC_ATTEST_OK);
    expect_all(&f->r, all, sizeof all / sizeof all[0]);
    s.vmpl = 2;
    assert_reason(fixture_judge_snp(f, &s, FORGE_NOW_S), SC_ATTEST_OK);
    appraise(&f->r, HEAD "code: any\nsnp: {max_vmpl: 1}\n", got, sizeof got);
    assert_string_equal(got, "vmpl");
    appraise(&f->r, HEAD "code: any\nsnp: {max_vmpl: 2}\n", got, sizeof got);
    assert_string_equal(got, "accepted");
}

static void simulated_evidence_must_be_allowed_by_name(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    char got[100];
    forge_spec_default(&s, 3, SC_BODY_SGX);
    s.simulated = true;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_OK);
    appraise(&f->r, HEAD "code: any\n", got, sizeof got);
    assert_string_equal(got, "kind");
    appraise(&f->r, "version: 1\nkinds: [software]\ncode: any\n", got, sizeof got);
    assert_string_equal(got, "accepted");
    SC_CLEANUP(sc_policy_freep) struct sc_policy *p = NULL;
    struct sc_appraisal a;
    assert_ok(sc_policy_default(&p));
    sc_policy_appraise(p, &f->r, &a);
    assert_false(a.accepted);
}

static void what_is_not_genuine_or_not_fully_checked_is_never_accepted(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_set_deinit) struct forge_set set;
    struct forge_spec s;
    char got[100];
    forge_spec_default(&s, 3, SC_BODY_SGX);
    forge_make(f->forge, &s, &set);
    assert_reason(fixture_judge_bytes(f, &set, SC_ROOT_INTEL, sc_buf_slice(&set.quote), SC_ATTEST_SIGNATURES, FORGE_NOW_S),
                  SC_ATTEST_OK);
    appraise(&f->r, HEAD "code: any\n", got, sizeof got);
    assert_string_equal(got, "not-checked");
    s.pck_revoked = true;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_PCK_REVOKED);
    appraise(&f->r, HEAD "code: any\n", got, sizeof got);
    assert_string_equal(got, "not-genuine");
}

static void a_mistake_is_told_with_line_and_column(void **state)
{
    static const struct {
        const char *yaml, *where, *what;
    } mistakes[] = {
        { "", "line 1, column 1", "empty" },
        { "version: 1\n", "line 1, column 1", "\"kinds\" is missing" },
        { "kinds: [sgx]\ncode: any\n", "line 1, column 1", "\"version\" is missing" },
        { "version: 2\nkinds: [sgx]\ncode: any\n", "line 1, column 10", "version 1" },
        { "version: \"1\"\nkinds: [sgx]\ncode: any\n", "line 1, column 10", "a number" },
        { "version: 1\nkinds: [sgx]\n", "line 1, column 1", "\"code\" is missing" },
        { "version: 1\nkinds: [sgx, sev]\ncode: any\n", "line 2, column 14", "sgx, tdx, snp or software" },
        { "version: 1\nkinds: []\ncode: any\n", "line 2, column 8", "no kind" },
        { "version: 1\nkinds: sgx\ncode: any\n", "line 2, column 8", "a list" },
        { HEAD "code: []\n", "line 3, column 7", "identities" },
        { HEAD "code:\n  - product: 1\n", "line 4, column 5", "measurement or signer" },
        { HEAD "code:\n  - measurement: 00ff\n", "line 4, column 18", "64 or 96" },
        { HEAD "code:\n  - measurment: 00ff\n", "line 4, column 5", "unknown member \"measurment\"" },
        { HEAD "code: any\ntcb:\n  statuses: [UpToDate, Fine]\n", "line 5, column 24", "no TCB status" },
        { HEAD "code: any\ntcb:\n  statuses: [Revoked]\n", "line 5, column 14", "cannot be tolerated" },
        { HEAD "code: any\ninsecure_allow_debug: yes\n", "line 4, column 23", "true or false" },
        { HEAD "code: any\ncollateral:\n  max_age: 30\n", "line 5, column 12", "a duration" },
        { HEAD "code: any\nsnp:\n  policy: {require: [FAST]}\n", "line 5, column 22", "unknown bit \"FAST\"" },
        { HEAD "code: any\nsnp:\n  policy: {require: [SMT], forbid: [SMT]}\n", "line 5, column 11", "both" },
        { HEAD "code: any\nsnp:\n  min_tcb: {snp: 256}\n", "line 5, column 18", "0 to 255" },
        { HEAD "code: any\ncode: any\n", "line 4, column 1", "there twice" },
        { HEAD "code: any\n tcb: {\n", "line 4", "" },
        { HEAD "code: &a any\n", "line 3, column 7", "anchors" },
        { HEAD "code: any\n---\nversion: 1\n", "line 4, column 1", "one document" },
        { HEAD "code: \"\\x00\"\n", "line 3, column 7", "zero byte" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        SC_CLEANUP(sc_policy_freep) struct sc_policy *p = NULL;
        struct sc_diag diag = { 0 };
        const sc_err err = sc_policy_parse(sc_slice_str(mistakes[i].yaml), &p, &diag);
        if (err == SC_OK || strncmp(diag.text, mistakes[i].where, strlen(mistakes[i].where)) != 0 ||
            strstr(diag.text, mistakes[i].what) == NULL)
            fail_msg("%s\n  says \"%s\", not \"%s: ...%s\"", mistakes[i].yaml, diag.text, mistakes[i].where,
                     mistakes[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgx_evidence_is_held_against_each_rule),
        cmocka_unit_test(an_outdated_platform_is_accepted_only_where_it_is_tolerated),
        cmocka_unit_test(debug_needs_the_option_that_is_called_insecure),
        cmocka_unit_test(td_evidence_is_held_against_each_rule),
        cmocka_unit_test(snp_evidence_is_held_against_each_rule),
        cmocka_unit_test(simulated_evidence_must_be_allowed_by_name),
        cmocka_unit_test(what_is_not_genuine_or_not_fully_checked_is_never_accepted),
        cmocka_unit_test(a_mistake_is_told_with_line_and_column),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_drop);
}
