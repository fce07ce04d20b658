/* `securecloud attest` on forged evidence: exit codes, words, JSON, case lists. */
#include "base/json.h"
#include "fixture.h"

#include <sys/wait.h>

struct desk {
    struct forge *forge;
    char *dir;
    char out[65536];
};

/* Runs the command (with $D for the folder) and keeps what it says; returns the exit code. */
static int run(struct desk *d, const char *arguments)
{
    char command[4096];
    snprintf(command, sizeof command, "D='%s'; cd \"$D\" && '%s' %s 2>&1", d->dir, getenv("SC_ATTEST_COMMAND"), arguments);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    const size_t n = fread(d->out, 1, sizeof d->out - 1, f);
    d->out[n] = '\0';
    const int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void write_collateral(const char *dir, const char *name, const struct forge_set *s)
{
    SC_CLEANUP(sc_freep) char *path = test_path(dir, name);
    assert_ok(sc_dir_make(path, 0755, NULL));
    test_write(path, "tcb_info.json", sc_buf_slice(&s->tcb_info));
    test_write(path, "qe_identity.json", sc_buf_slice(&s->qe_identity));
    test_write(path, "pck_crl.der", sc_buf_slice(&s->pck_crl));
    test_write(path, "root_ca_crl.der", sc_buf_slice(&s->root_crl));
    test_write(path, "tcb_signing_chain.pem", sc_buf_slice(&s->signing_chain));
}

static void write_sgx(struct desk *d, bool simulated)
{
    SC_CLEANUP(forge_set_deinit) struct forge_set s;
    struct forge_spec spec;
    forge_spec_default(&spec, 3, SC_BODY_SGX);
    spec.simulated = simulated;
    spec.qe.svn = simulated ? 8 : 6; /* the hardware one is out of date */
    forge_make(d->forge, &spec, &s);
    test_write(d->dir, simulated ? "software.bin" : "sgx.bin", sc_buf_slice(&s.quote));
    test_write(d->dir, "root.pem", sc_buf_slice(&s.root_pem));
    write_collateral(d->dir, simulated ? "software" : "sgx", &s);
}

static void write_snp(struct desk *d)
{
    SC_CLEANUP(forge_snp_set_deinit) struct forge_snp_set s;
    struct forge_snp_spec spec;
    forge_snp_spec_default(&spec, "Genoa", false);
    forge_snp_make(d->forge, &spec, &s);
    SC_CLEANUP(sc_freep) char *path = test_path(d->dir, "snp");
    assert_ok(sc_dir_make(path, 0755, NULL));
    test_write(path, "report.bin", sc_buf_slice(&s.report));
    test_write(path, "vek.der", sc_buf_slice(&s.vek));
    test_write(path, "chain.pem", sc_buf_slice(&s.chain));
    test_write(d->dir, "ark.pem", sc_buf_slice(&s.root_pem));
}

static int desk_make(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    d->forge = forge_new();
    d->dir = test_dir_new();
    write_sgx(d, false);
    write_sgx(d, true);
    write_snp(d);
    test_write(d->dir, "tolerant.yaml", sc_slice_str("version: 1\nkinds: [sgx]\ncode: any\ntcb: {statuses: [OutOfDate]}\n"));
    test_write(d->dir, "software.yaml", sc_slice_str("version: 1\nkinds: [software]\ncode: any\n"));
    test_write(d->dir, "wrong.yaml", sc_slice_str("version: 1\nkinds: [sgx]\ncode: anything\n"));
    *state = d;
    return 0;
}

static int desk_drop(void **state)
{
    struct desk *d = *state;
    forge_free(d->forge);
    test_dir_free(d->dir);
    free(d);
    return 0;
}

#define AT " --at 2025-02-01T00:00:00Z"

static void evidence_is_accepted_or_refused_by_exit_code(void **state)
{
    struct desk *d = *state;
    assert_int_equal(run(d, "verify sgx.bin --collateral sgx --root root.pem" AT), 3);
    assert_contains(d->out, "REFUSED\n  tcb-status");
    assert_contains(d->out, "verdict        OutOfDate");
    assert_int_equal(run(d, "verify sgx.bin --collateral sgx --root root.pem --policy tolerant.yaml" AT), 0);
    assert_contains(d->out, "ACCEPTED\n");
    assert_int_equal(run(d, "verify snp/report.bin --collateral snp --amd-root ark.pem" AT), 0);
    assert_contains(d->out, "product        Genoa");
    assert_int_equal(run(d, "verify sgx.bin --collateral sgx" AT), 3); /* Intel's own root */
    assert_contains(d->out, "E_UNTRUSTED_ROOT");
    assert_int_equal(run(d, "verify sgx.bin --collateral sgx --root root.pem --at 1800000000"), 3);
    assert_contains(d->out, "E_CRL_EXPIRED");
    assert_int_equal(run(d, "verify sgx.bin --root root.pem" AT), 3);
    assert_contains(d->out, "a revocation list is missing");
    assert_int_equal(run(d, "verify sgx.bin --signatures-only --root root.pem" AT), 3);
    assert_contains(d->out, "verdict        SigOK");
}

static void simulated_evidence_is_labelled_and_must_be_allowed(void **state)
{
    struct desk *d = *state;
    assert_int_equal(run(d, "verify software.bin --collateral software --simulation-root root.pem" AT), 3);
    assert_contains(d->out, "REFUSED (SIMULATED evidence)\n  kind");
    assert_int_equal(run(d, "verify software.bin --collateral software --root root.pem" AT), 3);
    assert_contains(d->out, "E_UNTRUSTED_ROOT");
    assert_int_equal(run(d, "verify software.bin --collateral software --simulation-root root.pem --policy software.yaml" AT), 0);
    assert_contains(d->out, "ACCEPTED (SIMULATED evidence)");
}

static void the_result_is_json_on_demand(void **state)
{
    struct desk *d = *state;
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    assert_int_equal(run(d, "verify sgx.bin --collateral sgx --root root.pem --json" AT), 3);
    assert_ok(sc_json_parse(sc_slice_str(d->out), &doc, NULL));
    assert_string_equal(json_string_value(json_object_get(doc, "verdict")), "OutOfDate");
    assert_true(json_is_true(json_object_get(doc, "genuine")));
    assert_true(json_is_false(json_object_get(json_object_get(doc, "policy"), "accepted")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(doc, "code"), "signer")),
                        "5151515151515151515151515151515151515151515151515151515151515151");
}

static void show_prints_every_field(void **state)
{
    struct desk *d = *state;
    assert_int_equal(run(d, "show sgx.bin"), 0);
    assert_contains(d->out, "mr_enclave");
    assert_contains(d->out, "Forge SGX PCK Certificate");
    assert_contains(d->out, "fmspc                        aabbcc000000");
    assert_int_equal(run(d, "show software.bin"), 0);
    assert_contains(d->out, "SecureCloud, SIMULATED");
    assert_int_equal(run(d, "show snp/report.bin"), 0);
    assert_contains(d->out, "family 0x19 model 0x11");
    assert_int_equal(run(d, "show root.pem"), 1);
    assert_contains(d->out, "root.pem: ");
}

static void a_case_list_is_run_to_its_end_and_mismatches_are_named(void **state)
{
    struct desk *d = *state;
    static const char good[] = "#id\tkind\n"
                               "one\tsgx\tfull\troot.pem\tsgx.bin\tsgx\t1738368000\tUpToDate|OutOfDate\n"
                               "two\tsgx\tsig\troot.pem\tsgx.bin\t-\t1738368000\tSigOK\r\n"
                               "three\tsnp\tfull\tark*.pem\tsnp/report.bin\tsnp\t1738368000\tOK\n"
                               "four\tsoftware\tfull\troot.pem\tsoftware.bin\tsoftware\t1738368000\tUpToDate\n";
    static const char bad[] = "one\tsgx\tfull\troot.pem\tsgx.bin\tsgx\t1738368000\tOutOfDateConfigurationNeeded|Out\n"
                              "two\tsgx\tfull\troot.pem\tsgx.bin\tsgx\t1800000000\tE_CRL_EXPIRED";
    test_write(d->dir, "good.tsv", sc_slice_str(good));
    test_write(d->dir, "bad.tsv", sc_slice_str(bad));
    assert_int_equal(run(d, "verify --cases good.tsv"), 0);
    assert_string_equal(d->out, "4 passed, 0 failed\n");
    assert_int_equal(run(d, "verify --cases bad.tsv"), 3);
    assert_contains(d->out, "one: expected OutOfDateConfigurationNeeded|Out, got OutOfDate");
    assert_contains(d->out, "1 passed, 1 failed\n");
    static const char *const broken[] = { "one\tsgx\n", "a\tsgx\tfull\troot.pem\tmissing.bin\t-\t1\tOK\n",
                                          "a\tsev\tfull\troot.pem\tsgx.bin\t-\t1\tOK\n",
                                          "a\tsgx\tfull\tnone*.pem\tsgx.bin\t-\t1\tOK\n",
                                          "a\tsgx\tfull\troot.pem\tsgx.bin\tnowhere\t1\tOK\n",
                                          "a\tsgx\tfull\troot.pem\tsgx.bin\t-\tnoon\tOK\n" };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        test_write(d->dir, "broken.tsv", sc_slice_str(broken[i]));
        assert_int_equal(run(d, "verify --cases broken.tsv"), 3);
        assert_contains(d->out, "cannot be run: line 1");
        assert_contains(d->out, "0 passed, 1 failed");
    }
    test_write(d->dir, "empty.tsv", sc_slice_str("# nothing\n"));
    assert_int_equal(run(d, "verify --cases empty.tsv"), 1);
    assert_contains(d->out, "empty.tsv: no cases");
}

static void a_cache_is_filled_from_a_folder_and_then_stands_alone(void **state)
{
    struct desk *d = *state;
    assert_int_equal(run(d, "verify sgx.bin --cache cache --offline --root root.pem" AT), 1);
    assert_contains(d->out, "no collateral for sgx-aabbcc000000-platform");
    assert_int_equal(run(d, "show sgx.bin > /dev/null; mkdir -p from && cp -r sgx from/sgx-aabbcc000000-platform"), 0);
    assert_int_equal(run(d, "verify sgx.bin --cache cache --from from --offline --root root.pem --policy tolerant.yaml" AT), 0);
    assert_int_equal(run(d, "verify sgx.bin --cache cache --offline --root root.pem --policy tolerant.yaml" AT), 0);
    assert_int_equal(run(d, "verify root.pem --cache cache --offline"), 3);
    assert_contains(d->out, "E_FORMAT");
    assert_int_equal(run(d, "verify snp/report.bin --cache cache --kds http://127.0.0.1:1 --amd-root ark.pem" AT), 1);
    assert_contains(d->out, "http://127.0.0.1:1/vcek/v1/Genoa/c1c1");
}

static void mistakes_of_the_caller_are_told(void **state)
{
    struct desk *d = *state;
    assert_int_equal(run(d, "verify sgx.bin --policy wrong.yaml"), 1);
    assert_contains(d->out, "wrong.yaml: line 3, column 7");
    assert_int_equal(run(d, ""), 2);
    assert_int_equal(run(d, "verify"), 2);
    assert_int_equal(run(d, "judge sgx.bin"), 2);
    assert_int_equal(run(d, "verify sgx.bin software.bin"), 2);
    assert_int_equal(run(d, "verify sgx.bin --at yesterday"), 2);
    assert_int_equal(run(d, "verify sgx.bin --cache a --collateral b"), 2);
    assert_int_equal(run(d, "verify absent.bin"), 1);
    assert_int_equal(run(d, "--help"), 0);
    assert_contains(d->out, "--cases FILE.tsv");
    assert_int_equal(run(d, "--version"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_accepted_or_refused_by_exit_code),
        cmocka_unit_test(simulated_evidence_is_labelled_and_must_be_allowed),
        cmocka_unit_test(the_result_is_json_on_demand),
        cmocka_unit_test(show_prints_every_field),
        cmocka_unit_test(a_case_list_is_run_to_its_end_and_mismatches_are_named),
        cmocka_unit_test(a_cache_is_filled_from_a_folder_and_then_stands_alone),
        cmocka_unit_test(mistakes_of_the_caller_are_told),
    };
    return cmocka_run_group_tests(tests, desk_make, desk_drop);
}
