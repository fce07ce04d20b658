/* The software backend end to end: a real daemon under its own uid, real processes that ask it. */
#include "quotingd.h"

#include "attest/policy.h"
#include "crypto/crypto.h"
#include "tee/signature.h"

#define REPORT_DATA                                                                                                    \
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637" \
    "38"                                                                                                               \
    "393a3b3c3d3e3f"

static int start(void **state)
{
    if (geteuid() != 0) {
        print_message("SKIPPED: measuring processes of other users needs root\n");
        *state = NULL;
        return 0;
    }
    struct quotingd *q = quotingd_new();
    assert_int_equal(quotingd_start(q), 0);
    *state = q;
    return 0;
}

static int stop(void **state)
{
    if (*state != NULL)
        quotingd_free(*state);
    return 0;
}

#define DAEMON(state)                                                                                                  \
    struct quotingd *q = *(state);                                                                                     \
    if (q == NULL)                                                                                                     \
    skip()

static void measurement_of(struct quotingd *q, const char *path, char hex[65])
{
    char out[1024];
    assert_int_equal(PROBE_RUN(q, 0, path, out, "identity"), 0);
    memcpy(hex, out, 64);
    hex[64] = '\0';
}

static void verify(struct quotingd *q, const char *quote_path, struct sc_attest_result *result)
{
    struct sc_roots roots = {0};
    SC_CLEANUP(sc_freep) char *root = test_path(q->state, "public/root.pem");
    SC_CLEANUP(sc_freep) char *dir = test_path(q->state, "public/collateral");
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *collateral = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf quote = {0};
    assert_ok(sc_roots_add_files(&roots, SC_ROOT_SIMULATION, root, NULL));
    assert_ok(sc_collateral_read(dir, &collateral, NULL));
    assert_ok(sc_file_read(quote_path, 65536, &quote, NULL));
    assert_ok(sc_attest_verifier_new(&roots, &v));
    const struct sc_attest_request req = {
        .evidence = sc_buf_slice(&quote), .collateral = collateral, .now_s = sc_wall_ms(&sc_clock_system) / 1000};
    assert_ok(sc_attest_verify(v, &req, result));
}

static void a_quote_is_genuine_under_the_simulation_root_and_says_simulated(void **state)
{
    DAEMON(state);
    char out[1024];
    char measured[65];
    char told[65];
    uint8_t data[64];
    SC_CLEANUP(sc_freep) char *quote = test_path(q->dir, "quote");
    SC_CLEANUP(sc_freep) struct sc_attest_result *r = calloc(1, sizeof *r);
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "quote", REPORT_DATA, quote), 0);
    verify(q, quote, r);
    if (r->reason != SC_ATTEST_OK)
        fail_msg("%s: %s", sc_attest_reason_name(r->reason), r->detail);
    assert_int_equal(r->kind, SC_ATTEST_SOFTWARE);
    assert_true(r->simulated);
    assert_false(r->debug);
    assert_int_equal(r->tcb_status, SC_TCB_UP_TO_DATE);
    assert_ok(sc_hex_decode(REPORT_DATA, data, 64));
    assert_memory_equal(r->report_data, data, 64);
    measurement_of(q, getenv("SC_TEE_PROBE"), measured);
    sc_hex_encode(sc_slice_of(r->measurement, 32), told);
    assert_string_equal(told, measured);
    /* and what the front door says before the program runs is what the daemon sees when it does */
    const char *const argv[] = {getenv("SC_TEE_COMMAND"), "measure", getenv("SC_TEE_PROBE"), NULL};
    assert_int_equal(run_as(0, argv, out, sizeof out), 0);
    assert_memory_equal(out, measured, 64);
}

static void a_policy_without_the_word_software_refuses_the_quote(void **state)
{
    DAEMON(state);
    char out[1024];
    SC_CLEANUP(sc_freep) char *quote = test_path(q->dir, "quote");
    SC_CLEANUP(sc_freep) struct sc_attest_result *r = calloc(1, sizeof *r);
    SC_CLEANUP(sc_freep) struct sc_appraisal *a = calloc(1, sizeof *a);
    SC_CLEANUP(sc_policy_freep) struct sc_policy *p = NULL;
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "quote", REPORT_DATA, quote), 0);
    verify(q, quote, r);
    assert_ok(sc_policy_default(&p));
    sc_policy_appraise(p, r, a);
    assert_false(a->accepted);
}

static void one_byte_more_in_the_executable_is_another_enclave(void **state)
{
    DAEMON(state);
    char a[65];
    char b[65];
    SC_CLEANUP(sc_freep) char *same = probe_copy(q->dir, "same", "");
    SC_CLEANUP(sc_freep) char *other = probe_copy(q->dir, "other", "x");
    measurement_of(q, getenv("SC_TEE_PROBE"), a);
    measurement_of(q, same, b);
    assert_string_equal(a, b); /* content counts, not the place */
    measurement_of(q, other, b);
    assert_string_not_equal(a, b);
}

static void a_file_that_changes_in_place_is_measured_anew(void **state)
{
    DAEMON(state);
    char a[65];
    char b[65];
    SC_CLEANUP(sc_freep) char *path = probe_copy(q->dir, "changing", "x");
    measurement_of(q, path, a);
    const int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "y", 1), 1);
    close(fd);
    measurement_of(q, path, b);
    assert_string_not_equal(a, b);
}

static void a_preloaded_library_is_measured(void **state)
{
    DAEMON(state);
    char a[65];
    char b[65];
    measurement_of(q, getenv("SC_TEE_PROBE"), a);
    setenv("LD_PRELOAD", getenv("SC_PRELOAD"), 1);
    measurement_of(q, getenv("SC_TEE_PROBE"), b);
    unsetenv("LD_PRELOAD");
    assert_string_not_equal(a, b);
}

static void executable_memory_that_no_file_backs_is_refused(void **state)
{
    DAEMON(state);
    char out[1024];
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "jit", "identity"), 1);
    assert_contains(out, "no file backs");
}

static void a_child_cannot_ask_over_its_parents_connection(void **state)
{
    DAEMON(state);
    char out[1024];
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "child-asks"), 1);
    assert_contains(out, "another process than the one that connected");
}

static void a_process_that_others_can_read_is_certified_as_debuggable(void **state)
{
    DAEMON(state);
    char out[1024];
    char line[1024];
    SC_CLEANUP(sc_freep) char *sealed = test_path(q->dir, "sealed");
    SC_CLEANUP(sc_freep) char *probe = probe_copy(q->dir, "probe", ""); /* where that user can reach it */
    assert_int_equal(chmod(q->dir, 0777), 0);
    assert_int_equal(PROBE_RUN(q, 64124, probe, out, "identity"), 0);
    assert_contains(out, "production");
    assert_int_equal(PROBE_RUN(q, 64124, probe, out, "dumpable", "identity"), 0);
    assert_contains(out, "debug");
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "traced", "identity"), 0);
    assert_contains(out, "debug");
    /* what it seals is its own: the same code undebugged does not open it, nor the other way round */
    assert_int_equal(PROBE_RUN(q, 64124, probe, line, "seal", "code", sealed, "for me"), 0);
    assert_int_equal(PROBE_RUN(q, 64124, probe, line, "unseal", sealed), 0);
    assert_string_equal(line, "for me\n");
    assert_int_equal(PROBE_RUN(q, 64124, probe, line, "dumpable", "unseal", sealed), 1);
    assert_contains(line, "ERROR not authentic");
}

static void what_code_seals_other_code_does_not_open(void **state)
{
    DAEMON(state);
    char out[1024];
    SC_CLEANUP(sc_freep) char *sealed = test_path(q->dir, "sealed");
    SC_CLEANUP(sc_freep) char *other = probe_copy(q->dir, "other", "x");
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "seal", "code", sealed, "secret"), 0);
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "unseal", sealed), 0);
    assert_string_equal(out, "secret\n");
    assert_int_equal(PROBE_RUN(q, 0, other, out, "unseal", sealed), 1);
    assert_contains(out, "sealed by other code");
    /* one bit flipped */
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    assert_ok(sc_file_read(sealed, 65536, &bytes, NULL));
    bytes.ptr[bytes.size - 20] ^= 1;
    assert_ok(sc_file_write(sealed, sc_buf_slice(&bytes), 0644, NULL));
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "unseal", sealed), 1);
}

static void sign(const char *key, const char *path, const char *product, const char *svn)
{
    char out[1024];
    const char *const argv[] = {
        getenv("SC_TEE_COMMAND"), "sign", path, "--key", key, "--product", product, "--svn", svn, NULL};
    assert_int_equal(run_as(0, argv, out, sizeof out), 0);
}

static void signed_code_hands_its_secrets_to_its_successor_and_to_nobody_else(void **state)
{
    DAEMON(state);
    char out[1024];
    SC_CLEANUP(sc_freep) char *sealed = test_path(q->dir, "sealed");
    SC_CLEANUP(sc_freep) char *key = test_path(q->dir, "vendor.pem");
    SC_CLEANUP(sc_freep) char *v1 = probe_copy(q->dir, "v1", "1");
    SC_CLEANUP(sc_freep) char *v2 = probe_copy(q->dir, "v2", "2");
    SC_CLEANUP(sc_freep) char *product8 = probe_copy(q->dir, "product8", "3");
    SC_CLEANUP(sc_freep) char *unsigned_copy = probe_copy(q->dir, "unsigned", "4");
    SC_CLEANUP(sc_signer_freep) struct sc_signer *signer = NULL;
    assert_ok(sc_signer_generate(SC_SIGN_P256, &signer, NULL));
    assert_ok(sc_signer_write_pem(signer, key, NULL));
    sign(key, v1, "7", "1");
    sign(key, v2, "7", "2");
    sign(key, product8, "8", "2");
    assert_int_equal(PROBE_RUN(q, 0, v2, out, "identity"), 0);
    assert_contains(out, " 7 2 production");
    assert_int_equal(PROBE_RUN(q, 0, v1, out, "seal", "signer", sealed, "heirloom"), 0);
    assert_int_equal(PROBE_RUN(q, 0, v2, out, "unseal", sealed), 0);
    assert_string_equal(out, "heirloom\n");
    assert_int_equal(PROBE_RUN(q, 0, product8, out, "unseal", sealed), 1);
    assert_int_equal(PROBE_RUN(q, 0, unsigned_copy, out, "unseal", sealed), 1);
    assert_contains(out, "nobody signed this code");
}

static void a_signature_of_other_code_is_refused(void **state)
{
    DAEMON(state);
    char out[1024];
    SC_CLEANUP(sc_freep) char *key = test_path(q->dir, "vendor.pem");
    SC_CLEANUP(sc_freep) char *path = probe_copy(q->dir, "patched", "1");
    SC_CLEANUP(sc_signer_freep) struct sc_signer *signer = NULL;
    assert_ok(sc_signer_generate(SC_SIGN_ED25519, &signer, NULL));
    assert_ok(sc_signer_write_pem(signer, key, NULL));
    sign(key, path, "7", "1");
    free(probe_copy(q->dir, "patched", "2"));
    assert_int_equal(PROBE_RUN(q, 0, path, out, "identity"), 1);
    assert_contains(out, "for other code than what runs");
}

static void counters_compare_and_set_per_code_and_survive_a_restart(void **state)
{
    DAEMON(state);
    char out[1024];
    const char *probe = getenv("SC_TEE_PROBE");
    SC_CLEANUP(sc_freep) char *other = probe_copy(q->dir, "other", "x");
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume"), 0);
    assert_string_equal(out, "0\n");
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume", "0", "5"), 0);
    assert_string_equal(out, "5\n");
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume", "0", "6"),
                     1); /* the other of two writers */
    assert_contains(out, "stands at 5, not at 0");
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume", "5", "4"), 1);
    assert_int_equal(PROBE_RUN(q, 0, other, out, "counter", "code", "volume"), 0);
    assert_string_equal(out, "0\n");
    quotingd_stop(q);
    assert_int_equal(quotingd_start(q), 0);
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume"), 0);
    assert_string_equal(out, "5\n");
}

static void sealed_bytes_open_after_a_restart_and_not_with_another_daemon(void **state)
{
    DAEMON(state);
    char out[1024];
    SC_CLEANUP(sc_freep) char *sealed = test_path(q->dir, "sealed");
    const char *probe = getenv("SC_TEE_PROBE");
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "seal", "code", sealed, "kept"), 0);
    quotingd_stop(q);
    assert_int_equal(quotingd_start(q), 0);
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "unseal", sealed), 0);
    assert_string_equal(out, "kept\n");
    struct quotingd *elsewhere = quotingd_new();
    assert_int_equal(quotingd_start(elsewhere), 0);
    assert_int_equal(PROBE_RUN(elsewhere, 0, probe, out, "unseal", sealed), 1);
    quotingd_free(elsewhere);
}

static void silent_connections_do_not_keep_others_waiting(void **state)
{
    DAEMON(state);
    char out[1024];
    int fd = -1;
    const char *const argv[] = {getenv("SC_TEE_PROBE"), q->socket, "hold", NULL};
    const pid_t pid = spawn(argv, &fd, 0);
    assert_true(read(fd, out, sizeof out) > 0); /* all are connected */
    assert_int_equal(PROBE_RUN(q, 0, getenv("SC_TEE_PROBE"), out, "identity"), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fd);
}

static void damaged_state_is_refused(void **state)
{
    DAEMON(state);
    quotingd_stop(q);
    SC_CLEANUP(sc_freep) char *path = test_path(q->state, "platform.sealed");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    assert_ok(sc_file_read(path, 65536, &bytes, NULL));
    bytes.ptr[100] ^= 1;
    assert_ok(sc_file_write(path, sc_buf_slice(&bytes), 0644, NULL));
    assert_int_equal(quotingd_start(q), 1);
    bytes.ptr[100] ^= 1;
    assert_ok(sc_file_write(path, sc_buf_slice(&bytes), 0644, NULL));
    assert_int_equal(quotingd_start(q), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quote_is_genuine_under_the_simulation_root_and_says_simulated),
        cmocka_unit_test(a_policy_without_the_word_software_refuses_the_quote),
        cmocka_unit_test(one_byte_more_in_the_executable_is_another_enclave),
        cmocka_unit_test(a_file_that_changes_in_place_is_measured_anew),
        cmocka_unit_test(a_preloaded_library_is_measured),
        cmocka_unit_test(executable_memory_that_no_file_backs_is_refused),
        cmocka_unit_test(a_child_cannot_ask_over_its_parents_connection),
        cmocka_unit_test(a_process_that_others_can_read_is_certified_as_debuggable),
        cmocka_unit_test(what_code_seals_other_code_does_not_open),
        cmocka_unit_test(signed_code_hands_its_secrets_to_its_successor_and_to_nobody_else),
        cmocka_unit_test(a_signature_of_other_code_is_refused),
        cmocka_unit_test(counters_compare_and_set_per_code_and_survive_a_restart),
        cmocka_unit_test(sealed_bytes_open_after_a_restart_and_not_with_another_daemon),
        cmocka_unit_test(silent_connections_do_not_keep_others_waiting),
        cmocka_unit_test(damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
