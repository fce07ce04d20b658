/* What store.h promises, kept by both stores; what only the directory does; and the faults of the one in memory. */
#include "base/file.h"
#include "store/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[80];

static void dir_make(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.50s/sc-store-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static void dir_drop(void)
{
    assert_int_equal(sc_dir_remove(dir, NULL), SC_OK);
}

static sc_err count_name(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
    return SC_OK;
}

static void expect_content(struct sc_store *s, const char *name, const char *text)
{
    uint8_t out[64];
    uint64_t size = 0;
    assert_int_equal(s->ops->size(s, name, &size, NULL), SC_OK);
    assert_int_equal(size, strlen(text));
    assert_int_equal(s->ops->get(s, name, 0, (size_t)size, out, NULL), SC_OK);
    assert_memory_equal(out, text, (size_t)size);
}

static void expect_contract(struct sc_store *s)
{
    uint8_t out[64];
    uint64_t size;
    struct sc_store_append *a;
    assert_int_equal(s->ops->get(s, "none", 0, 1, out, NULL), SC_E_NOT_FOUND);
    assert_int_equal(s->ops->size(s, "none", &size, NULL), SC_E_NOT_FOUND);
    assert_int_equal(s->ops->remove(s, "none", NULL), SC_OK);
    assert_int_equal(s->ops->put(s, "a", sc_slice_str("one"), NULL), SC_OK);
    assert_int_equal(s->ops->put(s, "a", sc_slice_str("another"), NULL), SC_OK);
    expect_content(s, "a", "another");
    assert_int_equal(s->ops->get(s, "a", 2, 3, out, NULL), SC_OK);
    assert_memory_equal(out, "oth", 3);
    assert_int_equal(s->ops->get(s, "a", 5, 3, out, NULL), SC_E_MALFORMED);
    assert_int_equal(s->ops->get(s, "a", UINT64_MAX - 1, 3, out, NULL), SC_E_MALFORMED);
    assert_int_equal(s->ops->append_open(s, "log", &a, NULL), SC_OK);
    expect_content(s, "log", "");
    assert_int_equal(s->ops->append(a, sc_slice_str("to"), NULL), SC_OK);
    assert_int_equal(s->ops->append(a, sc_slice_str("gether"), NULL), SC_OK);
    assert_int_equal(s->ops->append_sync(a, NULL), SC_OK);
    s->ops->append_close(a);
    expect_content(s, "log", "together");
    assert_int_equal(s->ops->append_open(s, "log", &a, NULL), SC_E_EXISTS);
    unsigned count = 0;
    assert_int_equal(s->ops->list(s, count_name, &count, NULL), SC_OK);
    assert_int_equal(count, 2);
    assert_int_equal(s->ops->remove(s, "a", NULL), SC_OK);
    assert_int_equal(s->ops->get(s, "a", 0, 1, out, NULL), SC_E_NOT_FOUND);
}

static void expect_root_contract(struct sc_store *s)
{
    uint8_t out[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 1;
    assert_int_equal(s->ops->root_get(s, out, &size, NULL), SC_OK);
    assert_int_equal(size, 0);
    assert_int_equal(s->ops->root_cas(s, sc_slice_str("x"), sc_slice_str("r1"), NULL), SC_E_CONFLICT);
    assert_int_equal(s->ops->root_cas(s, SC_SLICE_EMPTY, sc_slice_str("r1"), NULL), SC_OK);
    assert_int_equal(s->ops->root_cas(s, SC_SLICE_EMPTY, sc_slice_str("r2"), NULL), SC_E_CONFLICT);
    assert_int_equal(s->ops->root_cas(s, sc_slice_str("r1"), sc_slice_str("r2"), NULL), SC_OK);
    assert_int_equal(s->ops->root_get(s, out, &size, NULL), SC_OK);
    assert_true(sc_slice_eq(sc_slice_of(out, size), sc_slice_str("r2")));
}

static void a_directory_keeps_the_contract_and_what_it_was_given(void **state)
{
    struct sc_store *s;
    uint8_t out[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 0;
    (void)state;
    dir_make();
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    expect_contract(s);
    expect_root_contract(s);
    sc_store_free(s);
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    expect_content(s, "log", "together");
    assert_int_equal(s->ops->root_get(s, out, &size, NULL), SC_OK);
    assert_int_equal(size, 2);
    sc_store_free(s);
    dir_drop();
}

static void a_directory_in_use_is_refused(void **state)
{
    struct sc_store *first, *second;
    struct sc_diag diag = { 0 };
    (void)state;
    dir_make();
    assert_int_equal(sc_store_dir_open(dir, &first, NULL), SC_OK);
    assert_int_equal(sc_store_dir_open(dir, &second, &diag), SC_E_CONFLICT);
    assert_non_null(strstr(diag.text, "in use"));
    sc_store_free(first);
    assert_int_equal(sc_store_dir_open(dir, &second, NULL), SC_OK);
    sc_store_free(second);
    dir_drop();
}

static void a_half_put_object_is_gone_after_the_next_open(void **state)
{
    struct sc_store *s;
    char path[120];
    (void)state;
    dir_make();
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    sc_store_free(s);
    snprintf(path, sizeof path, "%s/t.half", dir);
    assert_int_equal(sc_file_write(path, sc_slice_str("ha"), 0600, NULL), SC_OK);
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    sc_store_free(s);
    dir_drop();
}

static void memory_keeps_the_contract(void **state)
{
    struct sc_store *s;
    (void)state;
    assert_int_equal(sc_store_memory_new(&s), SC_OK);
    expect_contract(s);
    expect_root_contract(s);
    sc_store_free(s);
}

static void a_power_cut_takes_what_was_not_synced(void **state)
{
    struct sc_store *s;
    struct sc_store_append *a;
    struct sc_prng prng;
    unsigned shorter = 0, changed = 0, whole = 0;
    (void)state;
    sc_prng_init(&prng, 3);
    for (unsigned i = 0; i < 200; i++) {
        uint8_t tail[600], out[605];
        uint64_t size;
        memset(tail, 'x', sizeof tail);
        assert_int_equal(sc_store_memory_new(&s), SC_OK);
        assert_int_equal(s->ops->append_open(s, "log", &a, NULL), SC_OK);
        assert_int_equal(s->ops->append(a, sc_slice_str("firm,"), NULL), SC_OK);
        assert_int_equal(s->ops->append_sync(a, NULL), SC_OK);
        assert_int_equal(s->ops->append(a, sc_slice_of(tail, sizeof tail), NULL), SC_OK);
        s->ops->append_close(a);
        sc_store_memory_power_cycle(s, i == 0 ? SC_STORE_CUT_DROP : i == 1 ? SC_STORE_CUT_KEEP : SC_STORE_CUT_TORN, &prng);
        assert_int_equal(s->ops->size(s, "log", &size, NULL), SC_OK);
        assert_in_range(size, i == 1 ? 605 : 5, i == 0 ? 5 : 605);
        assert_int_equal(s->ops->get(s, "log", 0, (size_t)size, out, NULL), SC_OK);
        assert_memory_equal(out, "firm,", 5);
        if (size < 605)
            shorter++;
        else if (memcmp(out + 5, tail, sizeof tail) != 0)
            changed++;
        else
            whole++;
        sc_store_free(s);
    }
    assert_true(shorter > 10 && changed > 10 && whole > 1);
}

static void the_nth_call_fails_with_or_without_effect(void **state)
{
    struct sc_store *s;
    (void)state;
    for (unsigned with_effect = 0; with_effect < 2; with_effect++) {
        uint64_t size;
        assert_int_equal(sc_store_memory_new(&s), SC_OK);
        sc_store_memory_fail_at(s, 2, true, with_effect != 0);
        assert_int_equal(s->ops->put(s, "a", sc_slice_str("1"), NULL), SC_OK);
        assert_false(sc_store_memory_failed(s));
        assert_int_equal(s->ops->put(s, "b", sc_slice_str("2"), NULL), SC_E_IO);
        assert_true(sc_store_memory_failed(s));
        assert_int_equal(s->ops->size(s, "b", &size, NULL), with_effect != 0 ? SC_OK : SC_E_NOT_FOUND);
        assert_int_equal(sc_store_memory_calls(s), 3);
        sc_store_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_keeps_the_contract_and_what_it_was_given),
        cmocka_unit_test(a_directory_in_use_is_refused),
        cmocka_unit_test(a_half_put_object_is_gone_after_the_next_open),
        cmocka_unit_test(memory_keeps_the_contract),
        cmocka_unit_test(a_power_cut_takes_what_was_not_synced),
        cmocka_unit_test(the_nth_call_fails_with_or_without_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
