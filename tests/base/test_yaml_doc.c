#include "base/yaml_doc.h"
#include "test.h"

static struct sc_yaml *parse(const char *text)
{
    struct sc_yaml *y = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_yaml_parse(sc_slice_str(text), &y, &diag), &diag);
    return y;
}

static void a_document_becomes_a_tree_with_places(void **state)
{
    (void)state;
    SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = parse("# a comment\nname: a thing\nlist:\n  - one\n  - {two: 0x10, three: \"3\"}\n"
                                                        "nothing: []\n");
    const struct sc_yaml_node *root = sc_yaml_root(y);
    const char *text = NULL;
    uint64_t n;
    assert_int_equal(root->kind, SC_YAML_MAPPING);
    assert_int_equal(root->count, 3);
    assert_ok(sc_yaml_get_text(sc_yaml_get(root, "name"), &text, NULL));
    assert_string_equal(text, "a thing");
    const struct sc_yaml_node *list = sc_yaml_get(root, "list");
    assert_int_equal(list->count, 2);
    assert_int_equal(list->first->line, 4);
    assert_int_equal(list->first->column, 5);
    const struct sc_yaml_node *second = list->first->next;
    assert_ok(sc_yaml_get_uint(sc_yaml_get(second, "two"), 16, &n, NULL));
    assert_int_equal(n, 16);
    assert_err(sc_yaml_get_uint(sc_yaml_get(second, "two"), 15, &n, NULL), SC_E_MALFORMED);
    assert_err(sc_yaml_get_uint(sc_yaml_get(second, "three"), 16, &n, NULL), SC_E_MALFORMED); /* quoted: text */
    assert_int_equal(sc_yaml_get(root, "nothing")->count, 0);
    assert_null(sc_yaml_get(root, "else"));
    assert_null(sc_yaml_get(list, "name"));
}

static void scalars_are_read_whole_or_refused(void **state)
{
    (void)state;
    static const char *const no_numbers[] = { "-1", "1x", "0x", "1 2", "''", "18446744073709551616", "1.0", "+1" };
    static const struct {
        const char *text;
        int64_t seconds;
    } durations[] = { { "90s", 90 }, { "15m", 900 }, { "12h", 43200 }, { "30d", 2592000 } };
    uint64_t n;
    int64_t s;
    bool b;
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++) {
        SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = parse(no_numbers[i]);
        assert_err(sc_yaml_get_uint(sc_yaml_root(y), UINT64_MAX, &n, NULL), SC_E_MALFORMED);
        assert_err(sc_yaml_get_duration_s(sc_yaml_root(y), &s, NULL), SC_E_MALFORMED);
        assert_err(sc_yaml_get_bool(sc_yaml_root(y), &b, NULL), SC_E_MALFORMED);
    }
    for (size_t i = 0; i < 4; i++) {
        SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = parse(durations[i].text);
        assert_ok(sc_yaml_get_duration_s(sc_yaml_root(y), &s, NULL));
        assert_int_equal(s, durations[i].seconds);
    }
    SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = parse("00fF");
    uint8_t hex[2];
    assert_ok(sc_yaml_get_hex(sc_yaml_root(y), hex, 2, NULL));
    assert_int_equal(hex[1], 255);
    assert_err(sc_yaml_get_hex(sc_yaml_root(y), hex, 1, NULL), SC_E_MALFORMED);
}

static void what_could_grow_or_surprise_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *where;
        sc_err err;
    } all[] = {
        { "a: &x 1\n", "line 1, column 4", SC_E_UNSUPPORTED },
        { "a: [1]\nb: *a\n", "line 2, column 4", SC_E_UNSUPPORTED },
        { "a: !!str 1\n", "line 1, column 4", SC_E_UNSUPPORTED },
        { "a: 1\n---\nb: 1\n", "line 2, column 1", SC_E_UNSUPPORTED },
        { "a: 1\na: 2\n", "line 2, column 1", SC_E_MALFORMED },
        { "[a]: 1\n", "line 1, column 1", SC_E_UNSUPPORTED },
        { "a: [1,\n", "line 2", SC_E_MALFORMED },
        { "a:\n\t- 1\n", "line 2", SC_E_MALFORMED },
        { "\xff\xfe", "line 1", SC_E_MALFORMED },
        { "[[[[[[[[[[[[[[[[[[[[", "line 1, column 17", SC_E_LIMIT },
        { "", "line 1", SC_E_MALFORMED },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct sc_yaml *y = NULL;
        struct sc_diag diag = { 0 };
        assert_err(sc_yaml_parse(sc_slice_str(all[i].yaml), &y, &diag), all[i].err);
        assert_null(y);
        if (strncmp(diag.text, all[i].where, strlen(all[i].where)) != 0)
            fail_msg("%s: \"%s\", not at %s", all[i].yaml, diag.text, all[i].where);
    }
}

static void size_and_number_of_elements_have_limits(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
    struct sc_yaml *y = NULL;
    sc_buf_put_str(&text, "[");
    for (size_t i = 0; i < SC_YAML_NODES_MAX; i++)
        sc_buf_put_str(&text, "1,");
    sc_buf_put_str(&text, "]");
    assert_err(sc_yaml_parse(sc_buf_slice(&text), &y, NULL), SC_E_LIMIT);
    sc_buf_reset(&text);
    for (size_t i = 0; i <= SC_YAML_MEMBERS_MAX; i++)
        sc_buf_put_fmt(&text, "m%zu: 1\n", i);
    assert_err(sc_yaml_parse(sc_buf_slice(&text), &y, NULL), SC_E_LIMIT);
    sc_buf_reset(&text);
    memset(sc_buf_extend(&text, SC_YAML_SIZE_MAX + 1), ' ', SC_YAML_SIZE_MAX + 1);
    assert_err(sc_yaml_parse(sc_buf_slice(&text), &y, NULL), SC_E_LIMIT);
}

static void unknown_members_are_found(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "b", NULL };
    struct sc_diag diag = { 0 };
    SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = parse("a: 1\nc: 2\n");
    assert_err(sc_yaml_expect_members(sc_yaml_root(y), names, &diag), SC_E_MALFORMED);
    assert_string_equal(diag.text, "line 2, column 1: unknown member \"c\"");
    assert_err(sc_yaml_expect(sc_yaml_root(y), SC_YAML_SEQUENCE, NULL), SC_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_tree_with_places),
        cmocka_unit_test(scalars_are_read_whole_or_refused),
        cmocka_unit_test(what_could_grow_or_surprise_is_refused_with_its_place),
        cmocka_unit_test(size_and_number_of_elements_have_limits),
        cmocka_unit_test(unknown_members_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
