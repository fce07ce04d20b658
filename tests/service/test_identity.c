#include "pki.h"
#include "service/identity.h"

static char *dir_of(void **state)
{
    return *state;
}

static void refused(const char *dir, sc_err code, const char *says)
{
    struct sc_identity *id = NULL;
    struct sc_diag diag = { 0 };
    assert_err(sc_identity_load(dir, &id, &diag), code);
    assert_null(id);
    assert_contains(diag.text, says);
}

static void a_whole_identity_is_loaded(void **state)
{
    const char *dir = dir_of(state);
    test_write(dir, "kvs-root.key", sc_slice_str("0123456789abcdef0123456789abcdef"));
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_identity_load(dir, &id, &diag), &diag);
    assert_string_equal(sc_identity_spiffe_id(id), "spiffe://securecloud.local/x");
    struct sc_endpoint at;
    assert_ok(sc_identity_endpoint(id, "up", &at, NULL));
    assert_string_equal(at.host, "127.0.0.1");
    assert_int_equal(at.port, 4711);
    assert_string_equal(at.id, "spiffe://securecloud.local/y");
    assert_err(sc_identity_endpoint(id, "down", &at, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "\"down\"");
    SC_CLEANUP(sc_key_wipe) struct sc_key key = { 0 };
    assert_ok(sc_identity_secret(id, "kvs-root", &key, NULL));
    assert_memory_equal(key.bytes, "0123456789abcdef0123456789abcdef", 32);
    SC_CLEANUP(sc_signer_freep) struct sc_signer *signer = NULL;
    assert_ok(sc_identity_signer(id, &signer, NULL));
    const char *path = NULL;
    assert_ok(sc_identity_file(id, "institute.pem", &path));
    assert_contains(path, "/institute.pem");
}

static void a_secret_of_another_size_is_refused(void **state)
{
    const char *dir = dir_of(state);
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    assert_ok(sc_identity_load(dir, &id, NULL));
    struct sc_key key = { .bytes = { 7 } };
    struct sc_diag diag = { 0 };
    assert_err(sc_identity_secret(id, "absent", &key, &diag), SC_E_NOT_FOUND);
    assert_contains(diag.text, "secret absent");
    test_write(dir, "short.key", sc_slice_str("0123456789abcdef0123456789abcde"));
    test_write(dir, "long.key", sc_slice_str("0123456789abcdef0123456789abcdef\n"));
    diag = (struct sc_diag){ 0 };
    assert_err(sc_identity_secret(id, "short", &key, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "31 bytes instead of 32");
    assert_int_not_equal(sc_identity_secret(id, "long", &key, NULL), SC_OK);
    assert_int_equal(key.bytes[0], 7); /* untouched */
}

static void what_is_missing_or_senseless_is_named(void **state)
{
    const char *dir = dir_of(state);
    refused("/nowhere", SC_E_NOT_FOUND, "/nowhere/cert.pem");
    test_write(dir, "config.json", sc_slice_str("{\"a\": oops}"));
    refused(dir, SC_E_MALFORMED, "config.json");
    test_write(dir, "config.json", sc_slice_str("[1]"));
    refused(dir, SC_E_MALFORMED, "not a JSON object");
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "config.json");
    assert_int_equal(unlink(path), 0);
    refused(dir, SC_E_NOT_FOUND, "config.json");
    test_write(dir, "cert.pem", sc_slice_str("no certificate"));
    refused(dir, SC_E_MALFORMED, "cert.pem");
    struct test_ca ca;
    test_ca_new(&ca, "ours");
    test_identity_write(dir, "https://securecloud.local/x", &ca, &ca);
    refused(dir, SC_E_MALFORMED, "not a SPIFFE ID");
    test_identity_write(dir, NULL, &ca, &ca);
    refused(dir, SC_E_NOT_FOUND, "without a URI");
    test_ca_free(&ca);
}

static int setup(void **state)
{
    struct test_ca ca;
    test_ca_new(&ca, "ours");
    *state = test_dir_new();
    test_identity_write(*state, "spiffe://securecloud.local/x", &ca, &ca);
    test_write(*state, "config.json",
               sc_slice_str("{\"up\":{\"host\":\"127.0.0.1\",\"port\":4711,\"id\":\"spiffe://securecloud.local/y\"}}"));
    test_ca_free(&ca);
    return 0;
}

static int teardown(void **state)
{
    test_dir_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_identity_is_loaded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_secret_of_another_size_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_or_senseless_is_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
