#include "test.h"

#include "base/json.h"

static json_t *parse(const char *text)
{
    json_t *doc = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_json_parse(sc_slice_str(text), &doc, &diag), &diag);
    return doc;
}

static void broken_text_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "", "{", "{\"a\":1,}", "{\"a\":1}x", "[1 2]", "{\"a\":\"\xff\"}", "{\"a\":1,\"a\":2}", "nul", "{\"a\":\"\\u0000\"}",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        json_t *doc = NULL;
        struct sc_diag diag = { 0 };
        assert_err(sc_json_parse(sc_slice_str(refused[i]), &doc, &diag), SC_E_MALFORMED);
        assert_null(doc);
        assert_contains(diag.text, "line ");
    }
    char deep[10001];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    json_t *doc = NULL;
    assert_err(sc_json_parse(sc_slice_str(deep), &doc, NULL), SC_E_MALFORMED); /* bounded recursion */
}

static void an_error_names_the_member(void **state)
{
    (void)state;
    SC_CLEANUP(sc_json_freep) json_t *doc = parse("{\"host\":5,\"port\":70000,\"rate\":\"x\",\"n\":null}");
    const char *s = "untouched";
    int64_t i = 42;
    double d = 1;
    struct sc_diag diag = { 0 };
    assert_err(sc_json_get_str(doc, "host", &s, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "\"host\"");
    assert_string_equal(s, "untouched");
    diag = (struct sc_diag){ 0 };
    assert_err(sc_json_get_int(doc, "port", 0, 65535, &i, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "\"port\": 70000 is outside 0..65535");
    assert_true(i == 42);
    diag = (struct sc_diag){ 0 };
    assert_err(sc_json_get_num(doc, "rate", &d, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "\"rate\"");
    diag = (struct sc_diag){ 0 };
    assert_err(sc_json_get_str(doc, "missing", &s, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "\"missing\"");
    assert_err(sc_json_opt_str(doc, "n", &s, NULL), SC_E_MALFORMED); /* there, but no string */
    assert_ok(sc_json_opt_str(doc, "missing", &s, NULL));
    assert_string_equal(s, "untouched");
    assert_ok(sc_json_opt_int(doc, "missing", 0, 1, &i, NULL));
    assert_true(i == 42);
    assert_err(sc_json_get_str(NULL, "host", &s, NULL), SC_E_MALFORMED);
}

static void a_document_survives_the_disk(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "doc.json");
    const char *text = "{\"z\":1,\"a\":[0.1,9007199254740993,\"\xc3\xa9\"],\"m\":{\"x\":true}}";
    SC_CLEANUP(sc_json_freep) json_t *doc = parse(text);
    assert_ok(sc_json_write(path, doc, NULL));
    SC_CLEANUP(sc_json_freep) json_t *back = NULL;
    assert_ok(sc_json_read(path, 4096, &back, NULL));
    assert_true(json_equal(doc, back));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    assert_ok(sc_file_read(path, 4096, &b, NULL));
    const char *written = sc_buf_cstr(&b);
    assert_true(strstr(written, "\"z\"") < strstr(written, "\"a\"")); /* order kept */
    test_dir_free(dir);
}

static void reading_tells_the_path(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    test_write(dir, "bad.json", sc_slice_str("{\n  \"a\": oops\n}"));
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "bad.json");
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    struct sc_diag diag = { 0 };
    assert_err(sc_json_read(path, 4096, &doc, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, path);
    assert_contains(diag.text, "line 2");
    assert_err(sc_json_read(path, 5, &doc, NULL), SC_E_LIMIT);
    test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_text_is_refused_with_its_place),
        cmocka_unit_test(an_error_names_the_member),
        cmocka_unit_test(a_document_survives_the_disk),
        cmocka_unit_test(reading_tells_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
