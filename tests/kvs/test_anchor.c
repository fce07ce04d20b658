/* The trusted counter is slow, fails, answers twice, forgets its last step, jumps ahead, or the power goes just before
 * or after it moves: no acknowledged write is lost, no older state accepted (design D8). */
#include "suite.h"

#include "store/fault.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum trouble {
    FAILS,      /* not moved, SC_E_IO */
    DONE_FAILS, /* moved, SC_E_IO: the answer was lost */
    TWICE,      /* moved; the request was sent again and is told SC_E_CONFLICT */
    FORGETS,    /* SC_OK, and not moved */
    JUMPS,      /* moved further than asked */
    WRAPS,      /* stands at its largest value */
    READ_FAILS, /* (of a read) SC_E_IO */
    READ_OLD,   /* (of a read) one step behind */
    CUT_BEFORE, /* the power goes, the counter has not moved */
    CUT_AFTER,  /* the power goes, the counter has moved */
    TROUBLE_COUNT
};
static const char *const trouble_names[] = {"fails",      "done but fails", "answered twice", "forgets",
                                            "jumps",      "at its end",     "read fails",     "read is old",
                                            "cut before", "cut after"};

struct counter {
    uint64_t value;
    uint64_t calls, at; /* the at-th call of all (reads and advances) suffers; 0: none */
    enum trouble trouble;
    bool fired, inconsistent; /* it stands where no honest one would */
    struct sc_store *store;   /* whose power goes */
    uint64_t slept_us;
};

static bool suffers(struct counter *c, bool is_read)
{
    const bool about_reads = c->trouble == READ_FAILS || c->trouble == READ_OLD;
    c->slept_us += 200000; /* a TPM takes its time; nobody really waits */
    if (++c->calls != c->at || is_read != about_reads)
        return false;
    c->fired = true;
    return true;
}

static sc_err counter_read(void *self, uint64_t *value_out, struct sc_diag *diag)
{
    struct counter *c = self;
    const bool now = suffers(c, true);
    if (now && c->trouble == READ_FAILS)
        return sc_fail(diag, SC_E_IO, "counter: injected fault");
    *value_out = now && c->value != 0 ? c->value - 1 : c->value;
    return SC_OK;
}

static void power_off(struct counter *c)
{
    sc_store_fault_arm(c->store, 1, SC_STORE_FAULT_OFF);
}

static sc_err counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    struct counter *c = self;
    const bool now = suffers(c, false);
    if (from != c->value || to <= from)
        return sc_fail(diag, SC_E_CONFLICT, "counter");
    if (!now) {
        c->value = to;
        return SC_OK;
    }
    switch (c->trouble) {
    case FORGETS:
        return SC_OK;
    case FAILS:
        return sc_fail(diag, SC_E_IO, "counter: injected fault");
    case CUT_BEFORE:
        power_off(c);
        return sc_fail(diag, SC_E_IO, "counter: injected power cut");
    case CUT_AFTER:
        power_off(c);
        break;
    case JUMPS:
        c->value = to + 5;
        c->inconsistent = true;
        return SC_OK;
    case WRAPS:
        c->value = UINT64_MAX;
        c->inconsistent = true;
        return SC_OK;
    default:
        break;
    }
    c->value = to;
    return c->trouble == TWICE ? sc_fail(diag, SC_E_CONFLICT, "counter: injected second answer")
                               : sc_fail(diag, SC_E_IO, "counter: injected fault");
}

static sc_err volume_open(struct sc_store *store, struct counter *c, bool read_only, struct sc_kvs **out,
                          struct sc_diag *diag)
{
    const struct sc_kvs_options opt = {
        .store = store,
        .root_key = &test_root_key,
        .counter = {.read = counter_read, .advance = counter_advance, .self = c},
        .create = !read_only,
        .read_only = read_only,
        .memtable_size_max = 4 << 10,
        .block_cache_size_max = 16 << 10,
        .block_size = 256,
    };
    return sc_kvs_open(&opt, out, diag);
}

/* As trace_run(), until the first failure. */
static void run(const struct trace *t, struct sc_store *store, struct counter *c, struct trace_outcome *out)
{
    struct sc_kvs *kvs = NULL;
    *out = (struct trace_outcome){0};
    sc_err err = volume_open(store, c, false, &kvs, NULL);
    for (unsigned i = 0; i < t->steps && err == SC_OK; i++) {
        struct trace_step step;
        trace_step_make(t->seed, i, &step);
        out->attempted = i + 1;
        err = trace_step_commit(&step, kvs, NULL);
        if (err != SC_OK)
            break;
        out->committed = i + 1;
        if (step.sync)
            out->synced = i + 1;
        if (i == t->steps / 3)
            err = sc_kvs_compact(kvs, NULL);
        if (err == SC_OK && i == t->steps * 2 / 3) {
            sc_kvs_close(kvs);
            kvs = NULL;
            err = volume_open(store, c, false, &kvs, NULL);
        }
    }
    out->failed = err != SC_OK;
    sc_kvs_close(kvs);
}

static struct {
    uint64_t injected, told, refused;
} counts[TROUBLE_COUNT];

static bool trouble_at(const struct trace *t, uint64_t nth, enum trouble trouble, enum sc_store_cut cut)
{
    struct sc_store *disk, *store;
    struct trace_outcome out;
    struct sc_diag diag = {0};
    struct sc_prng prng;
    SC_CLEANUP(model_deinit) struct model seen = {0};
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *kvs = NULL;
    char what[120];
    assert_int_equal(sc_store_memory_new(&disk), SC_OK);
    sc_store_memory_keep_history(disk);
    sc_prng_init_stream(&prng, t->seed, nth);
    assert_int_equal(
        sc_store_fault_new(&(struct sc_store_fault_options){.below = disk, .seed = sc_prng_u64(&prng)}, &store), SC_OK);
    struct counter c = {.at = nth, .trouble = trouble, .store = store};
    run(t, store, &c, &out);
    snprintf(what, sizeof what, "seed %" PRIu64 ", counter %s at call %" PRIu64 ", unsynced writes: %u", t->seed,
             trouble_names[trouble], nth, cut);
    const bool fired = c.fired;
    const bool told = out.failed;
    c.at = 0;
    sc_store_memory_power_cycle(disk, cut, &prng);
    sc_store_fault_arm(store, 0, SC_STORE_FAULT_OFF);
    sc_err err = volume_open(store, &c, false, &kvs, &diag);
    if (c.inconsistent) {
        if (err == SC_OK && c.value == UINT64_MAX)
            fail_msg("%s: a volume older than its counter was opened", what);
        if (err != SC_OK) /* else it had gone on, and overtaken the jump */
            assert_true(err == SC_E_AUTH || err == SC_E_CONFLICT);
    } else if (err != SC_OK) {
        fail_msg("%s: open: %s", what, sc_diag_text(&diag, err));
    }
    if (err == SC_OK) {
        assert_int_equal(model_read(kvs, NULL, &seen, &diag), SC_OK);
        if (trace_find(t, &seen, out.synced, out.attempted) == UINT32_MAX)
            fail_msg("%s: %zu pairs are none of the states %u..%u", what, seen.count, out.synced, out.attempted);
        if (!c.inconsistent)
            assert_int_equal(put_one(kvs, "zz", "on it goes", true, &diag), SC_OK);
    }
    if (fired) {
        counts[trouble].injected++;
        counts[trouble].told += told;
        counts[trouble].refused += err != SC_OK;
        assert_true(c.slept_us != 0);
        if (!told && out.committed < t->steps &&
            (trouble == FAILS || trouble == DONE_FAILS || trouble == TWICE || trouble == READ_FAILS))
            fail_msg("%s: nobody was told", what);
    }
    sc_kvs_close(SC_TAKE(kvs));
    sc_store_free(store);
    sc_store_free(disk);
    return fired;
}

static void whatever_the_counter_does_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(73);
    const uint64_t seeds = suite_size(4, 1000);
    struct suite_count c = {.injected_what = "counter faults", .detected_what = "told or refused"};
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        if (!suite_mine(s))
            continue;
        trace_init(&t, seed + s, 40);
        for (unsigned trouble = 0; trouble < TROUBLE_COUNT; trouble++) {
            unsigned missed = 0; /* reads and advances are counted together: a few numbers are of the other kind */
            for (uint64_t nth = 1; missed < 40; nth++) {
                const enum sc_store_cut cut = (enum sc_store_cut)((nth + s) % SC_STORE_CUT_COUNT);
                missed = trouble_at(&t, nth, (enum trouble)trouble, cut) ? 0 : missed + 1;
            }
        }
        trace_deinit(&t);
        suite_progress("counter faults, seeds", s + 1, seeds);
    }
    for (unsigned i = 0; i < TROUBLE_COUNT; i++) {
        printf("%-15s %6" PRIu64 " injected, %6" PRIu64 " told at once, %6" PRIu64 " refused at the next open\n",
               trouble_names[i], counts[i].injected, counts[i].told, counts[i].refused);
        c.injected += counts[i].injected;
        c.detected += counts[i].told > counts[i].refused ? counts[i].told : counts[i].refused;
        assert_true(counts[i].injected != 0);
    }
    suite_report("counter faults", &c, c.injected / 2);
    assert_true(counts[WRAPS].refused == counts[WRAPS].injected);
}

/* A counter that lost its last step (or was put back with the volume) leaves a window of that one step, and no more. */
static void a_counter_that_lost_one_step_lets_through_one_step_and_no_more(void **state)
{
    (void)state;
    struct suite_count c = {.injected_what = "states put back under a counter one step behind",
                            .detected_what = "refused"};
    struct sc_store *store, *past[30];
    uint64_t values[30];
    struct counter counter = {0};
    struct sc_kvs *kvs;
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    assert_int_equal(volume_open(store, &counter, false, &kvs, NULL), SC_OK);
    for (unsigned i = 0; i < 30; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        assert_int_equal(put_one(kvs, "n", value, true, NULL), SC_OK);
        assert_int_equal(sc_store_memory_clone(store, &past[i]), SC_OK);
        values[i] = counter.value;
    }
    sc_kvs_close(kvs);
    for (unsigned now = 1; now < 30; now++) {
        for (unsigned old = 0; old <= now; old++) {
            struct counter behind = {.value = values[now - 1]};
            const sc_err err = volume_open(past[old], &behind, true, &kvs, NULL);
            c.injected++;
            c.detected += err == SC_E_AUTH;
            assert_int_equal(err, old + 1 >= now ? SC_OK : SC_E_AUTH);
            if (err == SC_OK)
                sc_kvs_close(kvs);
        }
    }
    suite_report("lost steps", &c, 29 * 28 / 2);
    for (unsigned i = 0; i < 30; i++)
        sc_store_free(past[i]);
    sc_store_free(store);
}

/* The file counter is no longer synced with each step: after a power cut it may stand far behind. */
static void a_volume_ahead_of_its_counter_opens_with_all_it_has(void **state)
{
    (void)state;
    struct trace t;
    struct trace_outcome out;
    uint64_t opened = 0;
    trace_init(&t, test_seed(79), 60);
    for (uint64_t behind = 0; behind < 80; behind++) {
        struct sc_store *store;
        struct counter c = {0};
        struct sc_kvs *kvs;
        SC_CLEANUP(model_deinit) struct model seen = {0};
        assert_int_equal(sc_store_memory_new(&store), SC_OK);
        run(&t, store, &c, &out);
        assert_false(out.failed);
        c.value = c.value > behind ? c.value - behind : 0;
        assert_int_equal(volume_open(store, &c, false, &kvs, NULL), SC_OK);
        assert_int_equal(model_read(kvs, NULL, &seen, NULL), SC_OK);
        assert_true(model_equal(&seen, &t.states[60]));
        assert_int_equal(put_one(kvs, "zz", "on it goes", true, NULL), SC_OK);
        sc_kvs_close(kvs);
        sc_store_free(store);
        opened++;
    }
    printf("%" PRIu64 " volumes ahead of their counters opened\n", opened);
    trace_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_counter_does_nothing_acknowledged_is_lost),
        cmocka_unit_test(a_counter_that_lost_one_step_lets_through_one_step_and_no_more),
        cmocka_unit_test(a_volume_ahead_of_its_counter_opens_with_all_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
