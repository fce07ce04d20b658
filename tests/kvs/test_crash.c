/* The power goes, or one call fails, at every call to the store of a trace that flushes, switches logs and compacts. */
#include "model.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STEPS 70

static struct model states[STEPS + 1]; /* after so many steps */
static uint64_t seed;
static size_t orphan_count; /* objects beyond what the root names, after recovery */

static int states_make(void **state)
{
    (void)state;
    seed = test_seed(7);
    for (unsigned i = 0; i < STEPS; i++) {
        struct trace_step step;
        trace_step_make(seed, i, &step);
        model_copy(&states[i], &states[i + 1]);
        trace_step_apply(&step, &states[i + 1]);
    }
    return 0;
}

static int states_free(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= STEPS; i++)
        model_deinit(&states[i]);
    return 0;
}

static sc_err volume_open(struct sc_store *store, struct test_counter *counter, struct sc_kvs **out,
                          struct sc_diag *diag)
{
    const struct sc_kvs_options opt = {
        .store = store,
        .root_key = &test_root_key,
        .counter = test_counter_of(counter),
        .create = true,
        .memtable_size_max = 4 << 10,
        .block_cache_size_max = 16 << 10,
        .block_size = 256,
    };
    return sc_kvs_open(&opt, out, diag);
}

struct outcome {
    unsigned synced;    /* steps known durable */
    unsigned committed; /* steps that returned SC_OK */
    unsigned attempted; /* steps that may be there */
    uint64_t calls;     /* all calls to the store */
};

/* Until the first failure, with a compaction of everything and a reopen on the way. */
static void trace_run(struct sc_store *store, struct test_counter *counter, struct outcome *out)
{
    struct sc_kvs *kvs = NULL;
    *out = (struct outcome){ 0 };
    sc_err err = volume_open(store, counter, &kvs, NULL);
    for (unsigned i = 0; i < STEPS && err == SC_OK; i++) {
        struct trace_step step;
        trace_step_make(seed, i, &step);
        out->attempted = i + 1;
        err = trace_step_commit(&step, kvs, NULL);
        if (err == SC_OK)
            out->committed = i + 1;
        if (err == SC_OK && step.sync)
            out->synced = i + 1;
        if (err == SC_OK && i == STEPS / 3)
            err = sc_kvs_compact(kvs, NULL);
        if (err == SC_OK && i == STEPS / 2) {
            sc_kvs_close(kvs);
            kvs = NULL;
            err = volume_open(store, counter, &kvs, NULL);
        }
    }
    sc_kvs_close(kvs);
    out->calls = sc_store_memory_calls(store);
}

static size_t object_count(struct sc_store *store)
{
    char(*names)[65] = NULL;
    size_t count = 0;
    assert_int_equal(sc_store_memory_names(store, &names, &count), SC_OK);
    free(names);
    return count;
}

/* Opens, checks that the state is one of those between from and to, that nothing is left over, and that it still works. */
static void check(struct sc_store *store, struct test_counter *counter, unsigned from, unsigned to, const char *what)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    SC_CLEANUP(model_deinit) struct model seen = { 0 };
    sc_err err = volume_open(store, counter, &kvs, &diag);
    if (err != SC_OK)
        fail_msg("%s: open: %s", what, sc_diag_text(&diag, err));
    err = model_read(kvs, NULL, &seen, &diag);
    if (err != SC_OK)
        fail_msg("%s: read: %s", what, sc_diag_text(&diag, err));
    bool found = false;
    for (unsigned i = from; i <= to && !found; i++)
        found = model_equal(&seen, &states[i]);
    if (!found)
        fail_msg("%s: %zu pairs are none of the states %u..%u", what, seen.count, from, to);
    err = put_one(kvs, "afterwards", "it works", true, &diag);
    if (err == SC_OK)
        err = sc_kvs_verify(kvs, NULL, NULL, &diag);
    if (err != SC_OK)
        fail_msg("%s: afterwards: %s", what, sc_diag_text(&diag, err));
    struct sc_kvs_stats stats;
    sc_kvs_close(kvs); /* and again, so that no compaction is under way when the objects are counted */
    const struct sc_kvs_options read_only = {
        .store = store, .root_key = &test_root_key, .counter = test_counter_of(counter), .read_only = true
    };
    err = sc_kvs_open(&read_only, &kvs, &diag);
    if (err != SC_OK)
        fail_msg("%s: second open: %s", what, sc_diag_text(&diag, err));
    sc_kvs_stats(kvs, &stats);
    sc_kvs_close(kvs);
    orphan_count += object_count(store) - (stats.table_count + 2); /* manifest and log */
}

/* One schedule: the power goes at call nth, and perhaps once more while the volume is being recovered. */
static void cut_once(uint64_t nth, bool with_effect, enum sc_store_cut cut, uint64_t again_at, bool *fired_out)
{
    struct sc_store *store;
    struct test_counter counter = { 0 };
    struct outcome out;
    struct sc_prng prng;
    char what[120];
    sc_prng_init_stream(&prng, seed, nth * 8 + with_effect * 4 + cut);
    snprintf(what, sizeof what, "seed %" PRIu64 ", power cut at call %" PRIu64 "%s, unsynced bytes %s", seed, nth,
             with_effect ? " (done)" : "", cut == SC_STORE_CUT_DROP ? "lost" : cut == SC_STORE_CUT_KEEP ? "kept" : "torn");
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    sc_store_memory_fail_at(store, nth, false, with_effect);
    trace_run(store, &counter, &out);
    *fired_out = sc_store_memory_failed(store);
    sc_store_memory_power_cycle(store, cut, &prng);
    if (again_at != 0) {
        struct sc_kvs *kvs;
        sc_store_memory_fail_at(store, again_at, false, with_effect);
        if (volume_open(store, &counter, &kvs, NULL) == SC_OK)
            sc_kvs_close(kvs);
        sc_store_memory_power_cycle(store, cut, &prng);
    }
    check(store, &counter, out.synced, out.attempted, what);
    sc_store_free(store);
}

static void whatever_call_the_power_goes_at_what_was_synced_is_there_and_the_rest_whole_or_absent(void **state)
{
    (void)state;
    uint64_t schedules = 0, fired_count = 0;
    struct sc_prng prng;
    sc_prng_init(&prng, seed);
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        fired = false;
        for (unsigned variant = 0; variant < 6; variant++) {
            bool one;
            const uint64_t again_at = sc_prng_below(&prng, 2) == 0 ? 1 + sc_prng_below(&prng, 12) : 0;
            cut_once(nth, variant >= 3, (enum sc_store_cut)(variant % 3), again_at, &one);
            fired |= one; /* threads: the same call number need not be the same call */
            fired_count += one;
            schedules++;
        }
    }
    printf("%" PRIu64 " schedules, %" PRIu64 " power cuts\n", schedules, fired_count);
    assert_true(fired_count > 500);
    assert_int_equal(orphan_count, 0);
}

static void whatever_call_fails_nothing_acknowledged_is_lost_and_nothing_is_half_done(void **state)
{
    (void)state;
    uint64_t schedules = 0, fired_count = 0, told = 0;
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        fired = false;
        for (unsigned with_effect = 0; with_effect < 2; with_effect++) {
            struct sc_store *store;
            struct test_counter counter = { 0 };
            struct outcome out;
            char what[80];
            snprintf(what, sizeof what, "seed %" PRIu64 ", EIO at call %" PRIu64, seed, nth);
            assert_int_equal(sc_store_memory_new(&store), SC_OK);
            sc_store_memory_fail_at(store, nth, true, with_effect != 0);
            trace_run(store, &counter, &out);
            fired |= sc_store_memory_failed(store);
            fired_count += sc_store_memory_failed(store);
            told += out.committed < STEPS;
            sc_store_memory_fail_at(store, 0, false, false);
            check(store, &counter, out.committed, out.attempted, what);
            schedules++;
            sc_store_free(store);
        }
    }
    printf("%" PRIu64 " schedules, %" PRIu64 " failed calls, %" PRIu64 " told to the caller\n", schedules, fired_count, told);
    assert_true(fired_count > 200 && told > 100);
    assert_int_equal(orphan_count, 0);
}

static void after_a_failed_sync_the_volume_is_read_only_and_says_why(void **state)
{
    (void)state;
    struct sc_store *store;
    struct test_counter counter = { 0 };
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = { 0 };
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    assert_int_equal(volume_open(store, &counter, &kvs, &diag), SC_OK);
    assert_int_equal(put_one(kvs, "a", "1", true, &diag), SC_OK);
    sc_store_memory_fail_at(store, 2, true, false); /* append, then sync */
    assert_int_equal(put_one(kvs, "a", "2", true, &diag), SC_E_IO);
    assert_true(sc_store_memory_failed(store));
    diag = (struct sc_diag){ 0 };
    assert_int_equal(put_one(kvs, "b", "1", true, &diag), SC_E_IO); /* though the store would obey again */
    assert_non_null(strstr(diag.text, "read-only since"));
    assert_int_equal(sc_kvs_get(kvs, NULL, sc_slice_str("a"), &value, &diag), SC_OK);
    assert_true(sc_slice_eq(sc_buf_slice(&value), sc_slice_str("1")));
    sc_kvs_close(kvs);
    sc_store_free(store);
}

static void a_counter_that_fails_makes_the_volume_read_only_too(void **state)
{
    (void)state;
    struct sc_store *store;
    struct test_counter counter = { 0 };
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    assert_int_equal(volume_open(store, &counter, &kvs, &diag), SC_OK);
    counter.fail_after = 1;
    assert_int_equal(put_one(kvs, "a", "1", true, &diag), SC_E_IO);
    assert_int_equal(put_one(kvs, "a", "2", false, NULL), SC_E_IO);
    sc_kvs_close(kvs);
    counter.fail_after = 0;
    assert_int_equal(volume_open(store, &counter, &kvs, &diag), SC_OK); /* durable, not counted: there or not */
    sc_kvs_close(kvs);
    sc_store_free(store);
}

static void a_writer_that_was_taken_over_is_refused_at_its_next_sync(void **state)
{
    (void)state;
    struct sc_store *store;
    struct test_counter counter = { 0 };
    struct sc_diag diag = { 0 };
    struct sc_kvs *first, *second;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = { 0 };
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    assert_int_equal(volume_open(store, &counter, &first, &diag), SC_OK);
    assert_int_equal(put_one(first, "a", "first", true, &diag), SC_OK);
    assert_int_equal(volume_open(store, &counter, &second, &diag), SC_OK);
    assert_int_equal(put_one(first, "a", "stale", true, &diag), SC_E_CONFLICT);
    assert_int_equal(put_one(first, "a", "stale", false, NULL), SC_E_CONFLICT); /* and for good */
    assert_int_equal(put_one(second, "b", "second", true, &diag), SC_OK);
    sc_kvs_close(first);
    sc_kvs_close(second);
    assert_int_equal(volume_open(store, &counter, &second, &diag), SC_OK);
    assert_int_equal(sc_kvs_get(second, NULL, sc_slice_str("a"), &value, &diag), SC_OK);
    assert_true(sc_slice_eq(sc_buf_slice(&value), sc_slice_str("first")));
    sc_kvs_close(second);
    sc_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_call_the_power_goes_at_what_was_synced_is_there_and_the_rest_whole_or_absent),
        cmocka_unit_test(whatever_call_fails_nothing_acknowledged_is_lost_and_nothing_is_half_done),
        cmocka_unit_test(after_a_failed_sync_the_volume_is_read_only_and_says_why),
        cmocka_unit_test(a_counter_that_fails_makes_the_volume_read_only_too),
        cmocka_unit_test(a_writer_that_was_taken_over_is_refused_at_its_next_sync),
    };
    return cmocka_run_group_tests(tests, states_make, states_free);
}
