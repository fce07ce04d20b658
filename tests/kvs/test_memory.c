/* Every allocation fails in turn, alone and with all that follow, through the whole interface (design D10). */
#include "allocshim.h"
#include "suite.h"

#include "store/fault.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct {
    uint64_t runs, failures, told, other;
} counts;

/* The store is not the engine's memory: it does not fail with it. */
static void store_watch(void *arg, enum sc_store_call call, bool done)
{
    (void)arg;
    (void)call;
    allocshim_exempt(!done);
}

struct session {
    const struct trace *t;
    struct volume_options o;
    struct trace_outcome out;
    sc_err worst; /* the first error */
    const char *what;
};

/* SC_OK and SC_E_NOMEM are the honest answers while memory fails; what poisoned the volume is told again. */
static bool good(struct session *s, sc_err err, const char *doing)
{
    if (err == SC_OK)
        return true;
    if (s->worst == SC_OK)
        s->worst = err;
    if (err != SC_E_NOMEM)
        fail_msg("%s: %s: %s", s->what, doing, sc_err_name(err));
    return false;
}

static bool iterate(struct session *s, struct sc_kvs_iter *it, bool backward)
{
    bool valid = false;
    size_t bytes = 0;
    sc_err err = backward ? sc_kvs_iter_last(it, &valid, NULL) : sc_kvs_iter_first(it, &valid, NULL);
    while (err == SC_OK && valid) {
        bytes += sc_kvs_iter_key(it).size + sc_kvs_iter_value(it).size;
        err = backward ? sc_kvs_iter_prev(it, &valid, NULL) : sc_kvs_iter_next(it, &valid, NULL);
    }
    return good(s, err, "iterator") && bytes < SIZE_MAX;
}

static void read_everything(struct session *s, struct sc_kvs *kvs)
{
    struct sc_kvs_snapshot *snap;
    struct sc_kvs_iter *it;
    if (!good(s, sc_kvs_snapshot_new(kvs, &snap), "snapshot"))
        return;
    if (good(s, sc_kvs_iter_new(kvs, snap, NULL, &it, NULL), "iter_new")) {
        if (iterate(s, it, false))
            iterate(s, it, true);
        sc_kvs_iter_free(it);
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    const sc_err err = sc_kvs_get(kvs, snap, sc_slice_str("key/007"), &value, NULL);
    good(s, err == SC_E_NOT_FOUND ? SC_OK : err, "get");
    sc_kvs_snapshot_free(snap);
}

static void transact(struct session *s, struct sc_kvs *kvs)
{
    struct sc_kvs_txn *txn;
    struct sc_kvs_iter *it;
    if (!good(s, sc_kvs_txn_begin(kvs, &txn), "begin"))
        return;
    const size_t mark = sc_kvs_txn_mark(txn);
    if (good(s, sc_kvs_txn_put(txn, sc_slice_str("never"), sc_slice_str("to be seen")), "put") &&
        good(s, sc_kvs_txn_iter(txn, NULL, &it, NULL), "txn_iter")) {
        iterate(s, it, false);
        sc_kvs_iter_free(it);
    }
    const sc_err err = sc_kvs_txn_get(txn, sc_slice_str("key/011"), NULL, NULL);
    good(s, err == SC_E_NOT_FOUND ? SC_OK : err, "txn_get");
    sc_kvs_txn_rollback_to(txn, mark);
    sc_kvs_txn_abort(txn);
}

static void steps(struct session *s, struct sc_kvs **kvs)
{
    for (unsigned i = 0; i < s->t->steps; i++) {
        struct trace_step step;
        trace_step_make(s->t->seed, i, &step);
        s->out.attempted = i + 1;
        bool done = false;
        for (unsigned attempt = 0; attempt < 3 && !done; attempt++) /* memory may be back, or the volume read-only */
            done = good(s, trace_step_commit(&step, *kvs, NULL), "commit");
        if (!done)
            return;
        s->out.committed = i + 1;
        read_everything(s, *kvs);
        if (i % 4 == 1)
            transact(s, *kvs);
        if (i == s->t->steps / 2) {
            if (!good(s, sc_kvs_compact(*kvs, NULL), "compact") ||
                !good(s, sc_kvs_verify(*kvs, NULL, NULL, NULL), "verify"))
                return;
            sc_kvs_close(SC_TAKE(*kvs));
            if (!good(s, volume_open_with(&s->o, kvs, NULL), "second open"))
                return;
        }
    }
}

static bool fail_at(const struct trace *t, uint64_t nth, bool all)
{
    struct sc_store *disk, *store;
    struct test_counter counter = {0};
    struct sc_kvs *kvs = NULL;
    char what[100];
    snprintf(what, sizeof what, "seed %" PRIu64 ", allocation %" PRIu64 "%s fails", t->seed, nth,
             all ? " and all after it" : "");
    assert_int_equal(sc_store_memory_new(&disk), SC_OK);
    assert_int_equal(sc_store_fault_new(&(struct sc_store_fault_options){.below = disk, .watch = store_watch}, &store),
                     SC_OK);
    struct session s = {.t = t, .o = {.store = store, .counter = &counter}, .what = what};
    allocshim_begin();
    allocshim_arm(nth, all);
    if (good(&s, volume_open_with(&s.o, &kvs, NULL), "open"))
        steps(&s, &kvs);
    sc_kvs_close(kvs);
    const uint64_t failures = allocshim_disarm();
    if (allocshim_held() != 0)
        fail_msg("%s: %zu blocks are never freed", what, allocshim_held());
    counts.runs++;
    counts.failures += failures;
    counts.told += failures != 0 && s.worst != SC_OK;
    counts.other += failures != 0 && s.worst == SC_OK;
    trace_check(t, &s.o, s.out.committed, s.out.attempted, what);
    sc_store_free(store);
    sc_store_free(disk);
    return failures != 0;
}

static void whichever_allocation_fails_it_is_told_nothing_leaks_and_the_store_is_whole(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(83);
    const uint64_t seeds = suite_size(1, 10);
    for (uint64_t n = 0; n < seeds; n++) {
        struct trace t;
        trace_init(&t, seed + n, suite_soak() ? 80 : 36);
        unsigned beyond = 0; /* the background thread's allocations come when they come */
        for (uint64_t nth = 1; beyond < 5; nth++) {
            if (!suite_mine(nth))
                continue;
            bool fired = fail_at(&t, nth, false);
            fired |= fail_at(&t, nth, true);
            beyond = fired ? 0 : beyond + 1;
            if (nth % 64 == 0)
                suite_progress("allocations", nth, nth);
        }
        trace_deinit(&t);
    }
    printf("%" PRIu64 " runs, %" PRIu64 " allocations refused, told %" PRIu64 " times\n", counts.runs, counts.failures,
           counts.told);
    const struct suite_count c = {.injected_what = "runs with failing allocations",
                                  .detected_what = "told by SC_E_NOMEM",
                                  .injected = counts.told + counts.other,
                                  .detected = counts.told,
                                  .harmless = counts.other};
    suite_report("failing allocations", &c, c.injected * 8 / 10);
    assert_true(c.injected > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_allocation_fails_it_is_told_nothing_leaks_and_the_store_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
