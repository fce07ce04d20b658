/* Copies of a running volume, restoring them, and changing keys. */
#include "model.h"

#include "base/file.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void must_(const char *what, sc_err err, const struct sc_diag *diag)
{
    if (err != SC_OK)
        fail_msg("%s: %s", what, sc_diag_text(diag, err));
}
#define MUST(expr) must_(#expr, (expr), &diag)

static const struct sc_key other_key = { "another key of the same volume.." };

static struct sc_kvs *volume_open(struct sc_store *store, const struct sc_key *key, struct test_counter *counter, bool read_only)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    const struct sc_kvs_options opt = { .store = store,
                                        .root_key = key,
                                        .counter = counter != NULL ? test_counter_of(counter) : (struct sc_kvs_counter){ 0 },
                                        .create = !read_only,
                                        .read_only = read_only,
                                        .memtable_size_max = 16 << 10,
                                        .block_size = 512 };
    MUST(sc_kvs_open(&opt, &kvs, &diag));
    return kvs;
}

static void fill(struct sc_kvs *kvs, struct model *m, unsigned from, unsigned to)
{
    struct sc_diag diag = { 0 };
    for (unsigned i = from; i < to; i++) {
        char key[32], value[64];
        snprintf(key, sizeof key, "key/%04u", i % 300);
        snprintf(value, sizeof value, "value %u of a row that is a little longer", i);
        MUST(put_one(kvs, key, value, i % 16 == 0, &diag));
        if (m != NULL)
            model_put(m, sc_slice_str(key), sc_slice_str(value));
    }
}

static void assert_holds(struct sc_kvs *kvs, const struct model *expected)
{
    struct sc_diag diag = { 0 };
    struct model found = { 0 };
    MUST(sc_kvs_verify(kvs, NULL, NULL, &diag));
    MUST(model_read(kvs, NULL, &found, &diag));
    assert_true(model_equal(&found, expected));
    model_deinit(&found);
}

static void count_progress(void *arg, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    ++*(unsigned *)arg;
}

static void a_copy_holds_what_was_committed_and_a_second_one_copies_only_what_is_new(void **state)
{
    struct sc_store *store, *backup;
    struct sc_diag diag = { 0 };
    struct test_counter counter = { 0 };
    struct model m = { 0 };
    unsigned reports = 0;
    const struct sc_kvs_copy_options opt = { .progress = count_progress, .progress_arg = &reports };
    (void)state;
    MUST(sc_store_memory_new(&store));
    MUST(sc_store_memory_new(&backup));
    struct sc_kvs *kvs = volume_open(store, &test_root_key, &counter, false);
    fill(kvs, &m, 0, 1000);
    MUST(sc_kvs_copy(kvs, backup, &opt, &diag));
    assert_true(reports != 0);
    struct sc_kvs *copy = volume_open(backup, &test_root_key, NULL, true);
    assert_holds(copy, &m);
    sc_kvs_close(copy);

    MUST(sc_kvs_compact(kvs, &diag));
    MUST(sc_kvs_copy(kvs, backup, &opt, &diag));
    fill(kvs, &m, 1000, 1100); /* one small table more */
    struct sc_kvs_stats stats;
    sc_kvs_stats(kvs, &stats);
    reports = 0;
    const uint64_t calls = sc_store_memory_calls(backup);
    MUST(sc_kvs_copy(kvs, backup, &opt, &diag));
    print_message("%u tables looked at, %" PRIu64 " calls of the target\n", reports, sc_store_memory_calls(backup) - calls);
    copy = volume_open(backup, &test_root_key, NULL, true);
    assert_holds(copy, &m);
    sc_kvs_close(copy);

    struct sc_store *foreign;
    MUST(sc_store_memory_new(&foreign));
    struct sc_kvs *stranger = volume_open(foreign, &test_root_key, NULL, false);
    assert_int_equal(sc_kvs_copy(kvs, foreign, NULL, &diag), SC_E_EXISTS);
    sc_kvs_close(stranger);
    sc_store_free(foreign);
    sc_kvs_close(kvs);
    sc_store_free(backup);
    sc_store_free(store);
    model_deinit(&m);
}

static void *write_on(void *arg)
{
    fill(arg, NULL, 5000, 6500);
    return NULL;
}

static void a_copy_made_while_others_write_is_one_moment_of_the_volume(void **state)
{
    struct sc_store *store, *backup;
    struct sc_diag diag = { 0 };
    pthread_t thread;
    (void)state;
    MUST(sc_store_memory_new(&store));
    struct sc_kvs *kvs = volume_open(store, &test_root_key, NULL, false);
    fill(kvs, NULL, 0, 600);
    assert_int_equal(pthread_create(&thread, NULL, write_on, kvs), 0);
    for (unsigned i = 0; i < 10; i++) {
        MUST(sc_store_memory_new(&backup));
        MUST(sc_kvs_copy(kvs, backup, NULL, &diag));
        struct sc_kvs *copy = volume_open(backup, &test_root_key, NULL, true);
        struct model m = { 0 };
        MUST(sc_kvs_verify(copy, NULL, NULL, &diag));
        MUST(model_read(copy, NULL, &m, &diag));
        assert_int_equal(m.count, 300);
        model_deinit(&m);
        sc_kvs_close(copy);
        sc_store_free(backup);
    }
    pthread_join(thread, NULL);
    sc_kvs_close(kvs);
    sc_store_free(store);
}

/* The counter refuses an old state that somebody puts back; a restore is an old state that the owner puts back. */
static void a_restored_copy_opens_with_the_old_counter_and_a_copy_put_back_does_not(void **state)
{
    struct sc_store *store, *backup, *fresh;
    struct sc_diag diag = { 0 };
    struct test_counter counter = { 0 };
    struct model m = { 0 };
    (void)state;
    MUST(sc_store_memory_new(&store));
    MUST(sc_store_memory_new(&backup));
    MUST(sc_store_memory_new(&fresh));
    struct sc_kvs *kvs = volume_open(store, &test_root_key, &counter, false);
    fill(kvs, &m, 0, 400);
    MUST(sc_kvs_copy(kvs, backup, NULL, &diag));
    fill(kvs, NULL, 400, 800);
    sc_kvs_close(kvs);
    const struct sc_kvs_options opt = { .store = backup, .root_key = &test_root_key, .counter = test_counter_of(&counter) };
    assert_int_equal(sc_kvs_open(&opt, &kvs, &diag), SC_E_AUTH);

    struct sc_kvs *source = volume_open(backup, &test_root_key, NULL, true);
    const struct sc_kvs_counter c = test_counter_of(&counter);
    MUST(sc_kvs_copy(source, fresh, &(struct sc_kvs_copy_options){ .counter = &c }, &diag));
    sc_kvs_close(source);
    kvs = volume_open(fresh, &test_root_key, &counter, false);
    assert_holds(kvs, &m);
    fill(kvs, &m, 800, 900);
    sc_kvs_close(kvs);
    kvs = volume_open(fresh, &test_root_key, &counter, false);
    assert_holds(kvs, &m);
    sc_kvs_close(kvs);
    sc_store_free(fresh);
    sc_store_free(backup);
    sc_store_free(store);
    model_deinit(&m);
}

static void tables_of_two_directories_are_shared_and_live_without_each_other(void **state)
{
    char base[] = "/tmp/sc_kvs_copy_XXXXXX", a[64], b[64];
    struct sc_store *store, *copy_store;
    struct sc_diag diag = { 0 };
    struct model m = { 0 };
    (void)state;
    assert_non_null(mkdtemp(base));
    snprintf(a, sizeof a, "%s/a", base);
    snprintf(b, sizeof b, "%s/b", base);
    MUST(sc_store_dir_open(a, &store, &diag));
    MUST(sc_store_dir_open(b, &copy_store, &diag));
    struct sc_kvs *kvs = volume_open(store, &test_root_key, NULL, false);
    fill(kvs, &m, 0, 500);
    MUST(sc_kvs_copy(kvs, copy_store, NULL, &diag));
    fill(kvs, NULL, 500, 900);
    MUST(sc_kvs_compact(kvs, &diag)); /* removes the tables that the copy shares */
    sc_kvs_close(kvs);
    sc_store_free(store);
    MUST(sc_dir_remove(a, &diag));
    kvs = volume_open(copy_store, &test_root_key, NULL, false);
    assert_holds(kvs, &m);
    sc_kvs_close(kvs);
    sc_store_free(copy_store);
    MUST(sc_dir_remove(base, &diag));
    model_deinit(&m);
}

static void after_a_change_of_keys_only_the_new_root_key_opens_and_old_data_keys_go_with_the_last_table(void **state)
{
    struct sc_store *store;
    struct sc_diag diag = { 0 };
    struct test_counter counter = { 0 };
    struct model m = { 0 };
    struct sc_kvs_stats stats;
    (void)state;
    MUST(sc_store_memory_new(&store));
    struct sc_kvs *kvs = volume_open(store, &test_root_key, &counter, false);
    fill(kvs, &m, 0, 500);
    MUST(sc_kvs_rotate(kvs, &other_key, &diag));
    sc_kvs_stats(kvs, &stats);
    assert_int_equal((int)stats.data_key_count, 2);
    fill(kvs, &m, 500, 700);
    assert_holds(kvs, &m);
    sc_kvs_close(kvs);
    const struct sc_kvs_options opt = { .store = store, .root_key = &test_root_key, .counter = test_counter_of(&counter) };
    assert_int_equal(sc_kvs_open(&opt, &kvs, &diag), SC_E_AUTH);
    kvs = volume_open(store, &other_key, &counter, false);
    assert_holds(kvs, &m);
    fill(kvs, &m, 700, 720);
    MUST(sc_kvs_compact(kvs, &diag));
    fill(kvs, &m, 720, 740);
    MUST(sc_kvs_compact(kvs, &diag)); /* the log of before is gone, too */
    sc_kvs_stats(kvs, &stats);
    assert_int_equal((int)stats.data_key_count, 1);
    assert_holds(kvs, &m);
    for (unsigned i = 0; i < 7; i++)
        MUST(sc_kvs_rotate(kvs, NULL, &diag));
    assert_int_equal(sc_kvs_rotate(kvs, NULL, &diag), SC_E_LIMIT);
    sc_kvs_close(kvs);
    kvs = volume_open(store, &other_key, &counter, false);
    assert_holds(kvs, &m);
    sc_kvs_close(kvs);
    sc_store_free(store);
    model_deinit(&m);
}

static void what_is_larger_than_a_commit_may_be_is_refused_and_changes_nothing(void **state)
{
    struct sc_store *store;
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    struct sc_kvs_txn *txn;
    struct sc_kvs_batch *batch;
    static const uint8_t value[3000];
    (void)state;
    MUST(sc_store_memory_new(&store));
    const struct sc_kvs_options opt = { .store = store, .root_key = &test_root_key, .create = true, .commit_size_max = 10000 };
    MUST(sc_kvs_open(&opt, &kvs, &diag));
    MUST(sc_kvs_txn_begin(kvs, &txn));
    for (unsigned i = 0; i < 3; i++)
        MUST(sc_kvs_txn_put(txn, sc_slice_of(&i, sizeof i), sc_slice_of(value, sizeof value)));
    assert_int_equal(sc_kvs_txn_put(txn, sc_slice_str("one more"), sc_slice_of(value, sizeof value)), SC_E_LIMIT);
    MUST(sc_kvs_txn_commit(txn, true, &diag)); /* what fitted is there */
    MUST(sc_kvs_batch_new(&batch));
    for (unsigned i = 0; i < 4; i++)
        MUST(sc_kvs_batch_put(batch, sc_slice_str("batch"), sc_slice_of(value, sizeof value)));
    assert_int_equal(sc_kvs_write(kvs, batch, true, &diag), SC_E_LIMIT);
    assert_int_equal(sc_kvs_get(kvs, NULL, sc_slice_str("batch"), NULL, &diag), SC_E_NOT_FOUND);
    sc_kvs_batch_free(batch);
    sc_kvs_close(kvs);
    sc_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_holds_what_was_committed_and_a_second_one_copies_only_what_is_new),
        cmocka_unit_test(a_copy_made_while_others_write_is_one_moment_of_the_volume),
        cmocka_unit_test(a_restored_copy_opens_with_the_old_counter_and_a_copy_put_back_does_not),
        cmocka_unit_test(tables_of_two_directories_are_shared_and_live_without_each_other),
        cmocka_unit_test(after_a_change_of_keys_only_the_new_root_key_opens_and_old_data_keys_go_with_the_last_table),
        cmocka_unit_test(what_is_larger_than_a_commit_may_be_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
