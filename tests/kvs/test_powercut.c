/* The power goes at every call to the store, and what was not synced is lost, kept, torn or written in another order;
 * the volume is opened, perhaps with another cut on the way, checked, written on, cut again and checked again (design
 * D2). */
#include "suite.h"

#include "store/fault.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct machine {
    struct sc_store *disk, *store;
    struct test_counter counter;
    struct volume_options options;
};

static void machine_make(struct machine *m, uint64_t seed)
{
    *m = (struct machine){0};
    assert_int_equal(sc_store_memory_new(&m->disk), SC_OK);
    sc_store_memory_keep_history(m->disk);
    const struct sc_store_fault_options opt = {.below = m->disk, .seed = seed};
    assert_int_equal(sc_store_fault_new(&opt, &m->store), SC_OK);
    m->options = (struct volume_options){.store = m->store, .counter = &m->counter};
}

static void machine_free(struct machine *m)
{
    sc_store_free(m->store);
    sc_store_free(m->disk);
}

static void power_back(struct machine *m, enum sc_store_cut cut, struct sc_prng *prng)
{
    sc_store_memory_power_cycle(m->disk, cut, prng);
    sc_store_fault_arm(m->store, 0, SC_STORE_FAULT_OFF);
}

static const char *const cut_names[] = {"lost", "kept", "torn", "reordered"};
static struct {
    uint64_t cuts, in_recovery, second, recoveries;
} counts;

/* One schedule.  False: the trace ended before call nth. */
static bool cut_at(const struct trace *t, uint64_t nth, enum sc_store_cut cut)
{
    struct machine m;
    struct trace_outcome out;
    struct sc_prng prng;
    char what[120];
    sc_prng_init_stream(&prng, t->seed, nth * SC_STORE_CUT_COUNT + cut);
    machine_make(&m, sc_prng_u64(&prng));
    sc_store_fault_arm(m.store, nth, SC_STORE_FAULT_OFF);
    trace_run(t, &m.options, 0, t->steps, &out);
    const bool fired = sc_store_fault_fired(m.store) != 0;
    snprintf(what, sizeof what, "seed %" PRIu64 ", power cut at call %" PRIu64 " (%s), unsynced writes %s", t->seed,
             nth, sc_store_call_name(sc_store_fault_last(m.store)), cut_names[cut]);
    power_back(&m, cut, &prng);
    counts.cuts += fired;
    if (sc_prng_below(&prng, 2) == 0) { /* and while it is being opened */
        struct sc_kvs *kvs;
        const uint64_t before = sc_store_fault_fired(m.store);
        sc_store_fault_arm(m.store, 1 + sc_prng_below(&prng, 14), SC_STORE_FAULT_OFF);
        if (volume_open_with(&m.options, &kvs, NULL) == SC_OK)
            sc_kvs_close(kvs);
        counts.in_recovery += sc_store_fault_fired(m.store) != before;
        power_back(&m, cut, &prng);
    }
    const unsigned at = trace_check(t, &m.options, out.synced, out.attempted, what);
    counts.recoveries++;
    if (at < t->steps) { /* write on from there, and once more */
        const uint64_t before = sc_store_fault_fired(m.store);
        sc_store_fault_arm(m.store, 1 + sc_prng_below(&prng, 60), SC_STORE_FAULT_OFF);
        trace_run(t, &m.options, at, t->steps, &out);
        counts.second += sc_store_fault_fired(m.store) != before;
        power_back(&m, (enum sc_store_cut)sc_prng_below(&prng, SC_STORE_CUT_COUNT), &prng);
        trace_check(t, &m.options, out.synced, out.attempted, what);
        counts.recoveries++;
    }
    machine_free(&m);
    return fired;
}

static void whatever_call_the_power_goes_at_all_that_was_synced_is_there_and_nothing_by_half(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(17);
    const uint64_t seeds = suite_size(3, 50);
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        trace_init(&t, seed + s, suite_soak() ? 240 : 60);
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            if (!suite_mine(nth))
                continue;
            fired = false;
            for (unsigned cut = 0; cut < SC_STORE_CUT_COUNT; cut++)
                fired |= cut_at(&t, nth, (enum sc_store_cut)cut);
        }
        trace_deinit(&t);
        suite_progress("power cuts, seeds", s + 1, seeds);
    }
    printf("%" PRIu64 " seeds; %" PRIu64 " cuts during recovery, %" PRIu64 " second cuts\n", seeds, counts.in_recovery,
           counts.second);
    const struct suite_count c = {.injected_what = "power cuts",
                                  .detected_what = "recoveries checked",
                                  .injected = counts.cuts + counts.in_recovery + counts.second,
                                  .detected = counts.recoveries};
    suite_report("power cuts", &c, counts.cuts);
    assert_true(counts.cuts > 200 && counts.in_recovery > 50 && counts.second > 100);
}

/* ---- copies ---- */

/* A copy to a store whose power goes at call nth: there is no volume, the older copy, or the new one; another try makes
 * it the new one.  False: it was finished before. */
static bool copy_cut_at(const struct trace *t, struct sc_kvs *kvs, unsigned steps, bool older, uint64_t nth,
                        struct suite_count *c)
{
    struct machine m;
    struct sc_prng prng;
    struct sc_diag diag = {0};
    struct sc_kvs *copy = NULL;
    SC_CLEANUP(model_deinit) struct model seen = {0};
    char what[100];
    machine_make(&m, t->seed + nth);
    sc_prng_init_stream(&prng, t->seed, nth);
    snprintf(what, sizeof what, "seed %" PRIu64 ", copy cut at call %" PRIu64, t->seed, nth);
    unsigned now = steps;
    if (older) { /* there is one, of one step before */
        assert_int_equal(sc_kvs_copy(kvs, m.store, &(struct sc_kvs_copy_options){0}, NULL), SC_OK);
        struct trace_step step;
        trace_step_make(t->seed, now++, &step);
        assert_int_equal(trace_step_commit(&step, kvs, NULL), SC_OK);
    }
    sc_store_fault_arm(m.store, nth, SC_STORE_FAULT_OFF);
    const uint64_t before = sc_store_fault_fired(m.store);
    const sc_err copied = sc_kvs_copy(kvs, m.store, &(struct sc_kvs_copy_options){0}, NULL);
    const bool fired = sc_store_fault_fired(m.store) != before;
    if (fired != (copied != SC_OK))
        fail_msg("%s: it said %s", what, sc_err_name(copied));
    power_back(&m, (enum sc_store_cut)(nth % SC_STORE_CUT_COUNT), &prng);
    const struct volume_options o = {.store = m.store, .read_only = true};
    sc_err err = volume_open_with(&o, &copy, &diag);
    if (err == SC_OK) {
        assert_int_equal(model_read(copy, NULL, &seen, &diag), SC_OK);
        assert_int_equal(sc_kvs_verify(copy, NULL, NULL, &diag), SC_OK);
        if (trace_find(t, &seen, steps, now) == UINT32_MAX)
            fail_msg("%s: the copy is of no moment", what);
        sc_kvs_close(copy);
    } else if (older || !fired || (err != SC_E_NOT_FOUND && err != SC_E_AUTH)) {
        fail_msg("%s: open: %s", what, sc_diag_text(&diag, err));
    }
    c->injected += fired;
    err = sc_kvs_copy(kvs, m.store, &(struct sc_kvs_copy_options){0}, &diag); /* again, and whole */
    if (err == SC_OK)
        err = volume_open_with(&o, &copy, &diag);
    if (err != SC_OK)
        fail_msg("%s: again: %s", what, sc_diag_text(&diag, err));
    assert_int_equal(model_read(copy, NULL, &seen, &diag), SC_OK);
    assert_true(model_equal(&seen, &t->states[now]));
    sc_kvs_close(copy);
    c->detected++;
    machine_free(&m);
    return fired;
}

static void a_copy_that_is_cut_short_is_no_volume_or_the_older_copy_and_can_be_made_again(void **state)
{
    (void)state;
    struct suite_count c = {.injected_what = "power cuts", .detected_what = "copies checked"};
    const uint64_t seeds = suite_size(3, 60);
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        trace_init(&t, test_seed(19) + s, 60);
        for (unsigned older = 0; older < 2; older++) {
            bool fired = true;
            for (uint64_t nth = 1; fired; nth++) {
                struct sc_store *store;
                struct test_counter counter = {0};
                struct trace_outcome out;
                struct sc_kvs *kvs;
                assert_int_equal(sc_store_memory_new(&store), SC_OK);
                const struct volume_options o = {.store = store, .counter = &counter};
                trace_run(&t, &o, 0, 50, &out);
                assert_false(out.failed);
                assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_OK);
                fired = copy_cut_at(&t, kvs, 50, older != 0, nth, &c);
                sc_kvs_close(kvs);
                sc_store_free(store);
            }
        }
        trace_deinit(&t);
        suite_progress("copies, seeds", s + 1, seeds);
    }
    suite_report("copies cut short", &c, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_call_the_power_goes_at_all_that_was_synced_is_there_and_nothing_by_half),
        cmocka_unit_test(a_copy_that_is_cut_short_is_no_volume_or_the_older_copy_and_can_be_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
