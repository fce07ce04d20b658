#include "test.h"

#include <dirent.h>
#include <sys/stat.h>

static size_t entry_count(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    size_t n = 0;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

static void a_file_is_replaced_as_a_whole(void **state)
{
    const char *dir = *state;
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "f");
    assert_ok(sc_file_write(path, sc_slice_str("old and long"), 0600, NULL));
    struct stat before;
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(before.st_mode & 0777, 0600);
    FILE *old = fopen(path, "r"); /* who has it open keeps the old content */
    assert_ok(sc_file_write(path, sc_slice_str("new"), 0640, NULL));
    char line[32];
    assert_non_null(fgets(line, sizeof line, old));
    fclose(old);
    assert_string_equal(line, "old and long");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    assert_ok(sc_file_read(path, 3, &b, NULL));
    assert_true(sc_slice_eq(sc_buf_slice(&b), sc_slice_str("new")));
    assert_int_equal(entry_count(dir), 1); /* no temporary file stays */
}

static void a_failed_write_leaves_the_old_file_and_nothing_else(void **state)
{
    const char *dir = *state;
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "d");
    assert_ok(sc_dir_make(path, 0700, NULL)); /* rename() onto a directory fails */
    struct sc_diag diag = { 0 };
    assert_err(sc_file_write(path, sc_slice_str("x"), 0600, &diag), SC_E_IO);
    assert_contains(diag.text, path);
    assert_int_equal(entry_count(dir), 1);
    SC_CLEANUP(sc_freep) char *nowhere = test_path(dir, "no/such/f");
    assert_err(sc_file_write(nowhere, sc_slice_str("x"), 0600, NULL), SC_E_IO);
}

static void reading_is_capped_and_appends(void **state)
{
    const char *dir = *state;
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "f");
    uint8_t *big = malloc(50000);
    memset(big, 'b', 50000);
    assert_ok(sc_file_write(path, sc_slice_of(big, 50000), 0600, NULL));
    free(big);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct sc_diag diag = { 0 };
    assert_err(sc_file_read(path, 49999, &b, &diag), SC_E_LIMIT);
    assert_contains(diag.text, path);
    sc_buf_reset(&b);
    sc_buf_put_u8(&b, 'a');
    assert_ok(sc_file_read(path, 50000, &b, NULL));
    assert_int_equal(b.size, 50001);
    assert_int_equal(b.ptr[0], 'a');
    SC_CLEANUP(sc_buf_deinit) struct sc_buf small = { .size_max = 100 };
    assert_err(sc_file_read(path, 50000, &small, NULL), SC_E_LIMIT);
}

static void what_is_no_file_is_refused_by_name(void **state)
{
    const char *dir = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct sc_diag diag = { 0 };
    assert_err(sc_file_read(dir, 100, &b, &diag), SC_E_USAGE);
    assert_contains(diag.text, "not a regular file");
    SC_CLEANUP(sc_freep) char *path = test_path(dir, "absent");
    diag = (struct sc_diag){ 0 };
    assert_err(sc_file_read(path, 100, &b, &diag), SC_E_NOT_FOUND);
    assert_contains(diag.text, "absent");
    assert_err(sc_file_read("/dev/zero", 100, &b, NULL), SC_E_USAGE);
}

static void directories_are_made_and_removed_with_all_below(void **state)
{
    const char *dir = *state;
    SC_CLEANUP(sc_freep) char *deep = test_path(dir, "a/b/c/d");
    SC_CLEANUP(sc_freep) char *outside = test_path(dir, "outside");
    SC_CLEANUP(sc_freep) char *link = test_path(dir, "a/link");
    SC_CLEANUP(sc_freep) char *top = test_path(dir, "a");
    assert_ok(sc_dir_make(deep, 0700, NULL));
    assert_ok(sc_dir_make(deep, 0700, NULL)); /* there already */
    test_write(dir, "a/b/f", sc_slice_str("x"));
    assert_ok(sc_dir_make(outside, 0700, NULL));
    test_write(dir, "outside/keep", sc_slice_str("x"));
    assert_int_equal(symlink(outside, link), 0);
    assert_ok(sc_dir_remove(top, NULL));
    assert_int_equal(access(top, F_OK), -1);
    assert_int_equal(entry_count(outside), 1); /* links are removed, not followed */
    assert_ok(sc_dir_remove(top, NULL)); /* not there is fine */
    test_write(dir, "file", sc_slice_str("x"));
    SC_CLEANUP(sc_freep) char *through = test_path(dir, "file/x");
    assert_err(sc_dir_make(through, 0700, NULL), SC_E_IO);
}

static int setup(void **state)
{
    *state = test_dir_new();
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
        cmocka_unit_test_setup_teardown(a_file_is_replaced_as_a_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_is_capped_and_appends, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(directories_are_made_and_removed_with_all_below, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
