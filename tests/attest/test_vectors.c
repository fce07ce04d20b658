/* The recorded evidence of real machines, where it is at hand: verdicts, and the fields that a verifier must tell. */
#include "attest/cases.h"
#include "base/json.h"
#include "fixture.h"

#include <sys/stat.h>

static char vectors[4000];


static void tell(void *arg, const struct sc_case *c)
{
    (void)arg;
    if (!c->passed)
        print_error("%s: expected %s, got %s (%s)\n", c->id, c->expected, c->got,
                    c->result != NULL ? c->result->detail : "not run");
}

static void every_case_is_judged_as_expected(void **state)
{
    (void)state;
    struct sc_cases_outcome outcome = { 0 };
    struct sc_diag diag = { 0 };
    SC_CLEANUP(sc_freep) char *path = test_path(vectors, "cases.tsv");
    assert_ok_diag(sc_cases_run(path, tell, NULL, &outcome, &diag), &diag);
    assert_int_equal(outcome.failed, 0);
    assert_true(outcome.passed >= 113);
}

/* ---- fields ---- */
struct field_check {
    const json_t *cases;
    size_t compared;
};

static const json_t *case_of(const json_t *cases, const char *id)
{
    size_t i;
    json_t *c;
    json_array_foreach(cases, i, c) {
        if (strcmp(json_string_value(json_object_get(c, "id")), id) == 0)
            return c;
    }
    return NULL;
}

static void expect_hex(struct field_check *k, const char *id, const json_t *fields, const char *name, const void *bytes,
                       size_t size)
{
    const char *want = json_string_value(json_object_get(fields, name));
    char got[2 * 64 + 1];
    if (want == NULL)
        return;
    sc_hex_encode(sc_slice_of(bytes, size), got);
    if (strcasecmp(want, got) != 0)
        fail_msg("%s: %s is %s, not %s", id, name, got, want);
    k->compared++;
}

static void expect_int(struct field_check *k, const char *id, const json_t *fields, const char *name, int64_t got)
{
    const json_t *want = json_object_get(fields, name);
    if (want == NULL)
        return;
    const int64_t v = json_is_boolean(want) ? json_is_true(want) : json_integer_value(want);
    if (v != got)
        fail_msg("%s: %s is %" PRId64 ", not %" PRId64, id, name, got, v);
    k->compared++;
}

static void expect_text(struct field_check *k, const char *id, const json_t *fields, const char *name, const char *got)
{
    const char *want = json_string_value(json_object_get(fields, name));
    if (want == NULL)
        return;
    if (strcmp(want, got) != 0)
        fail_msg("%s: %s is %s, not %s", id, name, got, want);
    k->compared++;
}

static void expect_advisories(struct field_check *k, const char *id, const json_t *fields, const char *name,
                              const struct sc_attest_advisories *got)
{
    size_t i;
    json_t *want;
    json_array_foreach(json_object_get(fields, name), i, want) {
        bool found = false;
        for (size_t n = 0; n < got->count && !found; n++)
            found = strcmp(got->id[n], json_string_value(want)) == 0;
        if (!found)
            fail_msg("%s: %s lacks %s", id, name, json_string_value(want));
        k->compared++;
    }
}

static void expect_intel(struct field_check *k, const char *id, const json_t *f, const struct sc_attest_result *r)
{
    static const char *const rtmr[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
    const struct sc_quote *q = &r->evidence.quote;
    char date[SC_TIME_TEXT_SIZE];
    expect_hex(k, id, f, "fmspc", r->fmspc, 6);
    expect_text(k, id, f, "pck_issuer", r->issuer_cn);
    expect_int(k, id, f, "tcb_eval", r->tcb_evaluation_number);
    expect_int(k, id, f, "version", q->version);
    expect_int(k, id, f, "qe_isvsvn", q->qe_report.svn);
    expect_int(k, id, f, "pcesvn", r->pce_svn);
    expect_hex(k, id, f, "mrenclave", r->measurement, 32);
    expect_hex(k, id, f, "mrsigner", r->signer, 32);
    expect_int(k, id, f, "isvprodid", r->product_id);
    expect_int(k, id, f, "isvsvn", r->svn);
    expect_hex(k, id, f, "mrtd", r->measurement, 48);
    for (size_t i = 0; i < 4; i++)
        expect_hex(k, id, f, rtmr[i], q->report.td.rtmr[i], 48);
    expect_hex(k, id, f, "tee_tcb_svn", q->report.td.tee_tcb_svn, 16);
    expect_hex(k, id, f, "mrseam", q->report.td.mr_seam, 48);
    expect_text(k, id, f, "qe_status", sc_tcb_status_name(r->qe_status));
    expect_text(k, id, f, "platform_status", sc_tcb_status_name(r->platform_status));
    expect_text(k, id, f, "module_status",
                r->module_status != SC_TCB_NONE ? sc_tcb_status_name(r->module_status) : "n/a");
    expect_text(k, id, f, "tcb_date", sc_time_text(r->tcb_date_s * 1000, date));
    expect_advisories(k, id, f, "advisories", &r->advisories);
    expect_advisories(k, id, f, "module_advisories", &r->advisories);
    expect_advisories(k, id, f, "qe_advisories", &r->advisories);
}

static void expect_amd(struct field_check *k, const char *id, const json_t *f, const struct sc_attest_result *r)
{
    const struct sc_snp_report *s = &r->evidence.snp;
    expect_int(k, id, f, "version", s->version);
    expect_int(k, id, f, "guest_svn", s->guest_svn);
    expect_int(k, id, f, "policy", (int64_t)s->policy);
    expect_int(k, id, f, "vmpl", s->vmpl);
    expect_int(k, id, f, "signing_key", s->signing_key);
    expect_int(k, id, f, "platform_info", (int64_t)s->platform_info);
    expect_hex(k, id, f, "measurement", r->measurement, 48);
    expect_hex(k, id, f, "host_data", r->config_id, 32);
    expect_hex(k, id, f, "chip_id", s->chip_id, 64);
    expect_hex(k, id, f, "reported_tcb", s->reported_tcb, 8);
    expect_hex(k, id, f, "current_tcb", s->current_tcb, 8);
    expect_hex(k, id, f, "committed_tcb", s->committed_tcb, 8);
    expect_hex(k, id, f, "launch_tcb", s->launch_tcb, 8);
    expect_text(k, id, f, "product", r->issuer_cn);
}

static void compare_fields(void *arg, const struct sc_case *c)
{
    struct field_check *k = arg;
    const json_t *f = json_object_get(case_of(k->cases, c->id), "fields");
    assert_non_null(c->result);
    if (c->result->reason != SC_ATTEST_OK || f == NULL)
        return;
    expect_int(k, c->id, f, "debug", c->result->debug);
    expect_hex(k, c->id, f, "report_data", c->result->report_data, 64);
    if (c->result->kind == SC_ATTEST_SNP)
        expect_amd(k, c->id, f, c->result);
    else
        expect_intel(k, c->id, f, c->result);
}

static void every_field_is_told_as_expected(void **state)
{
    (void)state;
    SC_CLEANUP(sc_json_freep) json_t *cases = NULL;
    struct sc_cases_outcome outcome = { 0 };
    struct sc_diag diag = { 0 };
    SC_CLEANUP(sc_freep) char *list = test_path(vectors, "cases.tsv");
    SC_CLEANUP(sc_freep) char *path = test_path(vectors, "cases.json");
    assert_ok_diag(sc_json_read(path, (size_t)16 << 20, &cases, &diag), &diag);
    struct field_check k = { .cases = cases };
    assert_ok_diag(sc_cases_run(list, compare_fields, &k, &outcome, &diag), &diag);
    assert_true(k.compared > 800);
    print_message("%zu fields compared\n", k.compared);
}

/* crl_serials.tsv: list, serial number, revoked or not-revoked */
static void recorded_revocation_lists_list_what_they_should(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    size_t compared = 0;
    SC_CLEANUP(sc_freep) char *path = test_path(vectors, "crl_serials.tsv");
    assert_ok(sc_file_read(path, 1u << 20, &text, NULL));
    sc_buf_put_u8(&text, 0);
    char *rest = (char *)text.ptr;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] == '#' || line[0] == '\0')
            continue;
        const char *file = strsep(&line, "\t");
        const char *serial = strsep(&line, "\t");
        const char *expect = strsep(&line, "\t");
        uint8_t bytes[64];
        SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
        SC_CLEANUP(sc_crl_freep) struct sc_crl *crl = NULL;
        SC_CLEANUP(sc_freep) char *crl_path = test_path(vectors, file);
        char even[130];
        snprintf(even, sizeof even, "%s%s", strlen(serial) % 2 != 0 ? "0" : "", serial);
        assert_ok(sc_hex_decode(even, bytes, strlen(even) / 2));
        assert_ok(sc_file_read(crl_path, 1u << 20, &der, NULL));
        assert_ok(sc_crl_parse(sc_buf_slice(&der), &crl, NULL));
        assert_int_equal(sc_crl_lists(crl, sc_slice_of(bytes, strlen(even) / 2)), strcmp(expect, "revoked") == 0);
        compared++;
    }
    assert_true(compared >= 10);
}

/* The roots that are built in are the ones that the recorded evidence ends in. */
static void the_built_in_roots_are_the_makers(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum sc_root_kind kind;
        bool trusted;
    } files[] = { { "roots/intel_sgx_root_ca.pem", SC_ROOT_INTEL, true },
                  { "roots/intel_sgx_root_ca_2033.pem", SC_ROOT_INTEL, true },
                  { "roots/amd_ark_milan.pem", SC_ROOT_AMD, true },
                  { "roots/amd_ark_genoa.pem", SC_ROOT_AMD, true },
                  { "roots/amd_ark_turin.pem", SC_ROOT_AMD, true },
                  { "roots/synth_root_ca.pem", SC_ROOT_INTEL, false } };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct sc_roots builtin = { 0 };
        struct sc_roots read = { 0 };
        SC_CLEANUP(sc_freep) char *path = test_path(vectors, files[i].file);
        sc_roots_add_builtin(&builtin);
        assert_ok(sc_roots_add_files(&read, files[i].kind, path, NULL));
        assert_int_equal(sc_roots_trust(&builtin, files[i].kind, &read.list[0].spki), files[i].trusted);
        assert_false(sc_roots_trust(&builtin, SC_ROOT_SIMULATION, &read.list[0].spki));
    }
}

/* A real Turin certificate, without a report: its 8-byte hardware id and the extra FMC version. */
static void a_turin_certificate_is_read(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    struct sc_snp_vek v;
    struct sc_diag diag = { 0 };
    SC_CLEANUP(sc_freep) char *path = test_path(vectors, "snp/turin_chain_only/vek.der");
    assert_ok(sc_file_read(path, 65536, &der, NULL));
    assert_ok(sc_cert_from_der(sc_buf_slice(&der), &cert, NULL));
    assert_ok_diag(sc_snp_vek_parse(cert, &v, &diag), &diag);
    assert_int_equal(v.product, SC_SNP_TURIN);
    assert_int_equal(v.hardware_id_size, 8);
    assert_false(v.is_vlek);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_judged_as_expected),
        cmocka_unit_test(every_field_is_told_as_expected),
        cmocka_unit_test(recorded_revocation_lists_list_what_they_should),
        cmocka_unit_test(the_built_in_roots_are_the_makers),
        cmocka_unit_test(a_turin_certificate_is_read),
    };
    const char *shared = getenv("SC_SHARED");
    struct stat st;
    snprintf(vectors, sizeof vectors, "%s/vectors/attestation", shared != NULL ? shared : SC_SHARED_DEFAULT);
    if (stat(vectors, &st) != 0) {
        printf("no %s on this machine: skipped\n", vectors);
        return 77; /* meson: skipped */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
