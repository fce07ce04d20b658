/* Signatures of code, lines of /proc/PID/maps, the platform's state, boxes. */
#include "test.h"

#include "attest/attest.h"
#include "tee/box.h"
#include "tee/measure.h"
#include "tee/platform.h"
#include "tee/signature.h"

static void a_code_signature_is_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    SC_CLEANUP(sc_signer_freep) struct sc_signer *key = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    struct sc_hash measurement;
    struct tee_signature s;
    sc_hash_of(sc_slice_str("code"), &measurement);
    assert_ok(sc_signer_generate(SC_SIGN_ED25519, &key, NULL));
    assert_ok(tee_signature_make(&measurement, 7, 3, key, &bytes, NULL));
    assert_ok(tee_signature_check(sc_buf_slice(&bytes), &s, NULL));
    assert_memory_equal(s.measurement.bytes, measurement.bytes, 32);
    assert_int_equal(s.product_id, 7);
    assert_int_equal(s.svn, 3);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_not_equal(tee_signature_check(sc_slice_of(bytes.ptr, size), &s, NULL), SC_OK);
    for (size_t i = 0; i < bytes.size * 8; i++) {
        bytes.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_not_equal(tee_signature_check(sc_buf_slice(&bytes), &s, NULL), SC_OK);
        bytes.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    sc_buf_put_u8(&bytes, 0);
    assert_err(tee_signature_check(sc_buf_slice(&bytes), &s, NULL), SC_E_MALFORMED);
}

static void lines_of_maps_are_read(void **state)
{
    (void)state;
    struct tee_map m;
    assert_ok(tee_map_parse("7f0b1000-7f0b2000 r-xp 00001000 fe:01 123456    /usr/lib/x y.so", &m));
    assert_int_equal(m.start, 0x7f0b1000);
    assert_int_equal(m.end, 0x7f0b2000);
    assert_true(m.executable);
    assert_false(m.writable);
    assert_int_equal(m.inode, 123456);
    assert_string_equal(m.name, "/usr/lib/x y.so");
    assert_ok(tee_map_parse("7ffd1000-7ffd2000 rwxp 00000000 00:00 0 ", &m));
    assert_true(m.executable && m.writable);
    assert_string_equal(m.name, "");
    assert_ok(tee_map_parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]", &m));
    assert_string_equal(m.name, "[vsyscall]");
    static const char *const bad[] = {"",
                                      "7f-",
                                      "7f-80",
                                      "7f-80 r-x",
                                      "7f-80 r-xp 0 0",
                                      "7f-80 r-xp 0 fe:01",
                                      "x-80 r-xp 0 fe:01 1",
                                      "11112222333344445-80 r-xp 0 fe:01 1",
                                      "7f-80 r-xp 0 fe:01 1x",
                                      "7f-80 r-xp 0 fe:01 99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(tee_map_parse(bad[i], &m), SC_E_MALFORMED);
}

static void a_platform_survives_its_storage_and_still_signs_what_verifies(void **state)
{
    (void)state;
    const int64_t now_ms = sc_wall_ms(&sc_clock_system);
    SC_CLEANUP(tee_platform_freep) struct tee_platform *made = NULL;
    SC_CLEANUP(tee_platform_freep) struct tee_platform *loaded = NULL;
    SC_CLEANUP(sc_buf_wipe) struct sc_buf bytes = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf quote = {0};
    struct sc_diag diag = {0};
    assert_ok_diag(tee_platform_new(now_ms, &made, &diag), &diag);
    assert_ok(tee_platform_encode(made, &bytes));
    assert_ok_diag(tee_platform_decode(sc_buf_slice(&bytes), &loaded, &diag), &diag);
    for (size_t size = 0; size < bytes.size; size += 17) {
        struct tee_platform *p = NULL;
        assert_int_not_equal(tee_platform_decode(sc_slice_of(bytes.ptr, size), &p, NULL), SC_OK);
        assert_null(p);
    }
    struct tee_report report = {.product_id = 513, .svn = 258, .debug = true};
    memset(report.measurement.bytes, 0xaa, 32);
    memset(report.report_data, 0xbb, 64);
    assert_ok(tee_platform_quote(loaded, &report, &quote, NULL));
    char *dir = test_dir_new();
    assert_ok(tee_platform_publish(made, now_ms, dir, NULL));
    struct sc_roots roots = {0};
    SC_CLEANUP(sc_freep) char *root = test_path(dir, "root.pem");
    SC_CLEANUP(sc_freep) char *collateral_dir = test_path(dir, "collateral");
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *collateral = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    SC_CLEANUP(sc_freep) struct sc_attest_result *r = calloc(1, sizeof *r);
    assert_ok(sc_roots_add_files(&roots, SC_ROOT_SIMULATION, root, NULL));
    assert_ok(sc_collateral_read(collateral_dir, &collateral, NULL));
    assert_ok(sc_attest_verifier_new(&roots, &v));
    struct sc_attest_request req = {.evidence = sc_buf_slice(&quote), .collateral = collateral, .now_s = now_ms / 1000};
    assert_ok(sc_attest_verify(v, &req, r));
    assert_int_equal(r->reason, SC_ATTEST_OK);
    assert_true(r->debug);
    assert_int_equal(r->product_id, 513);
    assert_int_equal(r->svn, 258);
    assert_int_equal(r->tcb_status, SC_TCB_UP_TO_DATE);
    req.now_s = now_ms / 1000 + (TEE_COLLATERAL_DAYS + 1) * INT64_C(86400); /* expired collateral */
    assert_ok(sc_attest_verify(v, &req, r));
    assert_int_equal(r->reason, SC_ATTEST_CRL_EXPIRED);
    roots.count = 0; /* whoever does not know this root believes nothing */
    assert_ok(sc_attest_verify(v, &req, r));
    assert_int_equal(r->reason, SC_ATTEST_UNTRUSTED_ROOT);
    sc_roots_add_builtin(&roots);
    assert_ok(sc_attest_verify(v, &req, r));
    assert_int_equal(r->reason, SC_ATTEST_UNTRUSTED_ROOT);
    test_dir_free(dir);
}

static void a_box_opens_with_its_own_key_purpose_and_data_only(void **state)
{
    (void)state;
    const struct sc_key key = {.bytes = {1}};
    const struct sc_key other = {.bytes = {2}};
    const struct sc_slice aad = sc_slice_str("data");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf box = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {0};
    assert_ok(tee_box_seal(&key, "test v1", aad, sc_slice_str("inside"), &box));
    assert_int_equal(box.size, 6 + TEE_BOX_EXTRA);
    assert_err(tee_box_open(&other, "test v1", aad, sc_buf_slice(&box), &plain), SC_E_AUTH);
    assert_err(tee_box_open(&key, "test v2", aad, sc_buf_slice(&box), &plain), SC_E_AUTH);
    assert_err(tee_box_open(&key, "test v1", sc_slice_str("other"), sc_buf_slice(&box), &plain), SC_E_AUTH);
    assert_int_equal(plain.size, 0);
    assert_ok(tee_box_open(&key, "test v1", aad, sc_buf_slice(&box), &plain));
    assert_true(sc_slice_eq(sc_buf_slice(&plain), sc_slice_str("inside")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_signature_is_taken_whole_or_not_at_all),
        cmocka_unit_test(lines_of_maps_are_read),
        cmocka_unit_test(a_platform_survives_its_storage_and_still_signs_what_verifies),
        cmocka_unit_test(a_box_opens_with_its_own_key_purpose_and_data_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
