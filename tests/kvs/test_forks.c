/* Two copies of one volume run under one counter: once a copy's write was acknowledged, no write of the other may be.
 */
#include "suite.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The first copy has commits that nobody waited for, so its next number lies ahead of all that the second has counted.
 */
static void unsynced_commits_do_not_let_two_forks_both_acknowledge(void **state)
{
    (void)state;
    struct test_counter counter = {0};
    struct sc_store *store, *copy;
    struct sc_kvs *first, *second;
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    struct volume_options o = {.store = store, .counter = &counter};
    assert_int_equal(volume_open_with(&o, &first, NULL), SC_OK);
    assert_int_equal(put_one(first, "a", "1", true, NULL), SC_OK);
    assert_int_equal(sc_store_memory_clone(store, &copy), SC_OK);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(put_one(first, "b", "nobody waits", false, NULL), SC_OK);
    o.store = copy;
    assert_int_equal(volume_open_with(&o, &second, NULL), SC_OK);
    const sc_err in_second = put_one(second, "c", "acknowledged in the second", true, NULL);
    const sc_err in_first = put_one(first, "c", "acknowledged in the first", true, NULL);
    sc_kvs_close(first);
    sc_kvs_close(second);
    sc_store_free(store);
    sc_store_free(copy);
    printf("second: %s, first: %s\n", sc_err_name(in_second), sc_err_name(in_first));
    assert_false(in_second == SC_OK && in_first == SC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsynced_commits_do_not_let_two_forks_both_acknowledge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
