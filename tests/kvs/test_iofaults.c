/* Every call to the store fails in turn in each way that a store can fail, lies in turn in each way that it can lie,
 * and fails again and again in storms (design D9). */
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
    uint64_t slept_us;
};

static void machine_sleep(void *arg, uint64_t us)
{
    __atomic_fetch_add(&((struct machine *)arg)->slept_us, us, __ATOMIC_RELAXED); /* nobody really sleeps */
}

static void machine_make(struct machine *m, uint64_t seed)
{
    *m = (struct machine){0};
    assert_int_equal(sc_store_memory_new(&m->disk), SC_OK);
    const struct sc_store_fault_options opt = {.below = m->disk, .seed = seed, .sleep = machine_sleep, .arg = m};
    assert_int_equal(sc_store_fault_new(&opt, &m->store), SC_OK);
    m->options = (struct volume_options){.store = m->store, .counter = &m->counter};
}

static void machine_free(struct machine *m)
{
    sc_store_free(m->store);
    sc_store_free(m->disk);
}

static struct {
    uint64_t injected, told, retried;
} by_call[SC_STORE_CALL_COUNT], by_fault[SC_STORE_FAULT_COUNT];

/* False: the trace ended before call nth. */
static bool fail_at(const struct trace *t, uint64_t nth, enum sc_store_fault fault, bool power_cut)
{
    struct machine m;
    struct trace_outcome out;
    char what[140];
    machine_make(&m, t->seed * 1000 + nth);
    sc_store_fault_arm(m.store, nth, fault);
    trace_run(t, &m.options, 0, t->steps, &out);
    const bool fired = sc_store_fault_fired(m.store) != 0;
    const enum sc_store_call call = sc_store_fault_last(m.store);
    sc_store_fault_arm(m.store, 0, fault);
    snprintf(what, sizeof what, "seed %" PRIu64 ", %s at call %" PRIu64 " (%s)%s", t->seed, sc_store_fault_name(fault),
             nth, sc_store_call_name(call), power_cut ? ", then a power cut" : "");
    if (power_cut)
        sc_store_memory_power_cycle(m.disk, SC_STORE_CUT_DROP, NULL);
    trace_check(t, &m.options, power_cut ? out.synced : out.committed, out.attempted, what);
    if (fired) {
        by_call[call].injected++;
        by_call[call].told += out.failed;
        by_fault[fault].injected++;
        by_fault[fault].told += out.failed;
        by_fault[fault].retried += out.acknowledged_after_failure;
        if (call == SC_STORE_CALL_SYNC && !out.failed)
            fail_msg("%s: nobody was told of a failed sync", what);
        /* a reading call's failure changes nothing and may be got over; a writing one's never */
        if ((call == SC_STORE_CALL_SYNC || call == SC_STORE_CALL_APPEND) && out.acknowledged_after_failure != 0)
            fail_msg("%s: a commit succeeded after it", what);
    }
    machine_free(&m);
    return fired;
}

static void whatever_call_fails_in_whatever_way_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(23);
    const uint64_t seeds = suite_size(2, 20);
    struct suite_count c = {.injected_what = "failed calls", .detected_what = "told to the caller"};
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        trace_init(&t, seed + s, suite_soak() ? 240 : 60);
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            if (!suite_mine(nth))
                continue;
            fired = false;
            for (unsigned f = 0; f <= SC_STORE_FAULT_SYNC_ONCE; f++)
                fired |= fail_at(&t, nth, (enum sc_store_fault)f, (nth + f) % 2 == 0);
        }
        trace_deinit(&t);
        suite_progress("failing calls, seeds", s + 1, seeds);
    }
    for (unsigned i = 0; i < SC_STORE_CALL_COUNT; i++)
        printf("%-12s %6" PRIu64 " failed, %6" PRIu64 " told\n", sc_store_call_name((enum sc_store_call)i),
               by_call[i].injected, by_call[i].told);
    for (unsigned i = 0; i <= SC_STORE_FAULT_SYNC_ONCE; i++) {
        printf("%-22s %6" PRIu64 " injected, %6" PRIu64 " told, %" PRIu64 " commits got over it\n",
               sc_store_fault_name((enum sc_store_fault)i), by_fault[i].injected, by_fault[i].told,
               by_fault[i].retried);
        c.injected += by_fault[i].injected;
        c.detected += by_fault[i].told;
        assert_true(by_fault[i].injected > 50);
    }
    suite_report("failing calls", &c, c.injected / 2);
    /* what cannot go unnoticed */
    assert_true(by_call[SC_STORE_CALL_APPEND].injected > 50 &&
                by_call[SC_STORE_CALL_APPEND].told == by_call[SC_STORE_CALL_APPEND].injected);
    assert_true(by_call[SC_STORE_CALL_SYNC].injected > 50);
}

/* ---- lies ---- */

enum lie_result { LIE_REFUSED, LIE_HARMLESS };

static void expect_error_of_lies(sc_err err, const struct sc_diag *diag, const char *what)
{
    if (err != SC_E_AUTH && err != SC_E_CONFLICT)
        fail_msg("%s: refused by %s: %s", what, sc_err_name(err), diag->text);
}

/* Writes and reads everything back at each step; the first error ends it. */
static sc_err liar_run(const struct trace *t, struct machine *m, struct trace_outcome *out, const char *what,
                       struct sc_diag *diag)
{
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *kvs = NULL;
    SC_CLEANUP(model_deinit) struct model seen = {0};
    *out = (struct trace_outcome){0};
    SC_TRY(volume_open_with(&m->options, &kvs, diag));
    for (unsigned i = 0; i < t->steps; i++) {
        struct trace_step step;
        trace_step_make(t->seed, i, &step);
        out->attempted = i + 1;
        SC_TRY(trace_step_commit(&step, kvs, diag));
        out->committed = i + 1;
        if (step.sync)
            out->synced = i + 1;
        SC_TRY(model_read(kvs, NULL, &seen, diag));
        if (!model_equal(&seen, &t->states[i + 1]))
            fail_msg("%s: wrong data at step %u", what, i);
        if (i == t->steps / 2)
            SC_TRY(sc_kvs_compact(kvs, diag));
    }
    return SC_OK;
}

static bool lie_at(const struct trace *t, uint64_t nth, enum sc_store_fault lie, bool power_cut, struct suite_count *c)
{
    struct machine m;
    struct trace_outcome out;
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *kvs = NULL;
    SC_CLEANUP(model_deinit) struct model seen = {0};
    char what[120];
    machine_make(&m, t->seed * 1000 + nth);
    sc_store_fault_arm(m.store, nth, lie);
    snprintf(what, sizeof what, "seed %" PRIu64 ", the answer to call %" PRIu64 " is a lie: %s", t->seed, nth,
             sc_store_fault_name(lie));
    sc_err err = liar_run(t, &m, &out, what, &diag);
    const bool fired = sc_store_fault_fired(m.store) != 0;
    if (fired)
        snprintf(what + strlen(what), sizeof what - strlen(what), " %s",
                 sc_store_call_name(sc_store_fault_last(m.store)));
    if (err != SC_OK)
        expect_error_of_lies(err, &diag, what);
    bool refused = err != SC_OK;
    sc_store_fault_arm(m.store, 0, lie); /* honest again */
    if (power_cut)
        sc_store_memory_power_cycle(m.disk, SC_STORE_CUT_DROP, NULL);
    diag = (struct sc_diag){0};
    err = volume_open_with(&m.options, &kvs, &diag);
    if (err == SC_OK)
        err = model_read(kvs, NULL, &seen, &diag);
    if (err != SC_OK)
        expect_error_of_lies(err, &diag, what);
    else if (trace_find(t, &seen, power_cut ? out.synced : out.committed, out.attempted) == UINT32_MAX)
        fail_msg("%s: after another open %zu pairs are none of the states %u..%u", what, seen.count, out.committed,
                 out.attempted);
    refused |= err != SC_OK;
    if (fired) {
        c->injected++;
        *(refused ? &c->detected : &c->harmless) += 1;
    }
    sc_kvs_close(SC_TAKE(kvs));
    machine_free(&m);
    return fired;
}

static void whatever_answer_is_a_lie_it_is_refused_or_changes_nothing(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(29);
    const uint64_t seeds = suite_size(1, 20);
    struct suite_count c = {.injected_what = "lies", .detected_what = "refused"};
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        trace_init(&t, seed + s, suite_soak() ? 120 : 40);
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            if (!suite_mine(nth))
                continue;
            fired = false;
            for (unsigned power_cut = 0; power_cut < 2; power_cut++) {
                fired |= lie_at(&t, nth, SC_STORE_FAULT_FLIP, power_cut != 0, &c);
                fired |= lie_at(&t, nth, SC_STORE_FAULT_LOST, power_cut != 0, &c);
            }
        }
        trace_deinit(&t);
        suite_progress("lies, seeds", s + 1, seeds);
    }
    suite_report("lies", &c, c.injected / 3);
}

/* ---- storms ---- */

/* Faults with odds 1 : one_in and delays all the time: open, write until something fails, open again, until all steps
 * are in. */
static void storm(const struct trace *t, uint64_t one_in, uint64_t *fired, uint64_t *reopens)
{
    struct machine m;
    struct trace_outcome out = {0};
    machine_make(&m, t->seed);
    unsigned at = 0;
    for (unsigned round = 0; at < t->steps; round++) {
        if (round == 2000)
            fail_msg("seed %" PRIu64 ": no end of the storm", t->seed);
        char what[80];
        snprintf(what, sizeof what, "seed %" PRIu64 ", storm, round %u", t->seed, round);
        sc_store_fault_storm(m.store, (1u << (SC_STORE_FAULT_SYNC_ONCE + 1)) - 1, one_in);
        sc_store_fault_delay(m.store, 5000);
        trace_run(t, &m.options, at, t->steps, &out);
        sc_store_fault_arm(m.store, 0, SC_STORE_FAULT_EIO);
        if (round % 3 == 0)
            sc_store_memory_power_cycle(m.disk, SC_STORE_CUT_DROP, NULL);
        at = trace_check(t, &m.options, round % 3 == 0 ? out.synced : out.committed, out.attempted, what);
        ++*reopens;
    }
    assert_true(m.slept_us != 0 && m.slept_us == sc_store_fault_delayed_us(m.store));
    *fired += sc_store_fault_fired(m.store);
    machine_free(&m);
}

static void a_storm_of_faults_and_delays_is_survived(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(31);
    const uint64_t seeds = suite_size(30, 2000);
    uint64_t fired = 0, reopens = 0, mine = 0;
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        if (!suite_mine(s))
            continue;
        mine++;
        trace_init(&t, seed + s, 80);
        storm(&t, 20 + s % 100, &fired, &reopens);
        trace_deinit(&t);
        suite_progress("storms", s + 1, seeds);
    }
    const struct suite_count c = {
        .injected_what = "faults", .detected_what = "reopens", .injected = fired, .detected = reopens};
    suite_report("storms", &c, mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_call_fails_in_whatever_way_nothing_acknowledged_is_lost),
        cmocka_unit_test(whatever_answer_is_a_lie_it_is_refused_or_changes_nothing),
        cmocka_unit_test(a_storm_of_faults_and_delays_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
