/* The counter in a file: only forward, through torn writes, and never silently from the start again. */
#include "model.h"

#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[80], path[100];

static int dir_make(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.50s/sc-counter-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/counter", dir);
    return 0;
}

static int dir_drop(void **state)
{
    (void)state;
    return sc_dir_remove(dir, NULL) == SC_OK ? 0 : -1;
}

static uint64_t value_of(struct sc_kvs_counter *c)
{
    uint64_t value = 0;
    assert_int_equal(c->read(c->self, &value, NULL), SC_OK);
    return value;
}

static void scribble(off_t at, size_t size)
{
    uint8_t bytes[32];
    memset(bytes, 0x5a, sizeof bytes);
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
    close(fd);
}

static void it_starts_at_zero_goes_forward_only_and_is_remembered(void **state)
{
    struct sc_kvs_counter c, other;
    (void)state;
    assert_int_equal(sc_kvs_counter_insecure_file(path, &c, NULL), SC_OK);
    assert_int_equal(value_of(&c), 0);
    assert_int_equal(c.advance(c.self, 0, 0, NULL), SC_E_CONFLICT);
    assert_int_equal(c.advance(c.self, 0, 7, NULL), SC_OK);
    assert_int_equal(c.advance(c.self, 0, 8, NULL), SC_E_CONFLICT); /* somebody who did not see the 7 */
    assert_int_equal(c.advance(c.self, 7, 7, NULL), SC_E_CONFLICT);
    assert_int_equal(c.advance(c.self, 7, 9, NULL), SC_OK);
    assert_int_equal(sc_kvs_counter_insecure_file(path, &other, NULL), SC_E_CONFLICT); /* in use */
    sc_kvs_counter_file_close(&c);
    assert_int_equal(sc_kvs_counter_insecure_file(path, &c, NULL), SC_OK);
    assert_int_equal(value_of(&c), 9);
    sc_kvs_counter_file_close(&c);
}

static void a_torn_slot_leaves_the_value_before(void **state)
{
    struct sc_kvs_counter c;
    unsigned before = 0;
    (void)state;
    for (unsigned slot = 0; slot < 2; slot++) {
        unlink(path);
        assert_int_equal(sc_kvs_counter_insecure_file(path, &c, NULL), SC_OK);
        assert_int_equal(c.advance(c.self, 0, 1, NULL), SC_OK);
        assert_int_equal(c.advance(c.self, 1, 2, NULL), SC_OK);
        sc_kvs_counter_file_close(&c);
        scribble((off_t)slot * 4096 + 10, 3);
        assert_int_equal(sc_kvs_counter_insecure_file(path, &c, NULL), SC_OK);
        before += value_of(&c) == 1;
        assert_in_range(value_of(&c), 1, 2);
        sc_kvs_counter_file_close(&c);
    }
    assert_int_equal(before, 1); /* only one of them held the newest value */
}

static void a_damaged_file_is_an_error_and_not_zero(void **state)
{
    struct sc_kvs_counter c;
    (void)state;
    assert_int_equal(sc_kvs_counter_insecure_file(path, &c, NULL), SC_OK);
    sc_kvs_counter_file_close(&c);
    scribble(0, 32);
    scribble(4096, 32);
    assert_int_equal(sc_kvs_counter_insecure_file(path, &c, NULL), SC_E_MALFORMED);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(sc_kvs_counter_insecure_file(path, &c, NULL), SC_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_starts_at_zero_goes_forward_only_and_is_remembered, dir_make, dir_drop),
        cmocka_unit_test_setup_teardown(a_torn_slot_leaves_the_value_before, dir_make, dir_drop),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_an_error_and_not_zero, dir_make, dir_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
