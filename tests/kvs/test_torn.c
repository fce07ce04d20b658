/* Torn writes: the log's newest groups end, or go wrong, at every byte; every other object at every sector (design D4).
 */
#include "suite.h"

#include "store/fault.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STEPS_MAX 1200
#define SECTOR    ((size_t)512)

/* What stands behind the tear. */
enum behind { BEHIND_NOTHING, BEHIND_ZEROS, BEHIND_OLD, BEHIND_GARBAGE, BEHIND_COUNT };

struct volume {
    struct sc_store *store;
    struct sc_buf foreign; /* a log of another volume: what the disk held there before */
    struct trace trace;
    char log[65];
    struct sc_buf content;      /* the log's */
    size_t size[STEPS_MAX + 1]; /* of the log after so many steps; all synced */
    uint64_t counter[STEPS_MAX + 1];
};

static struct volume_options options_of(struct sc_store *store, struct test_counter *counter, bool read_only)
{
    return (struct volume_options){
        .store = store, .counter = counter, .read_only = read_only, .memtable_size_max = 1 << 20};
}

/* The object that has been appended to. */
static void log_find(struct sc_store *store, char out[65])
{
    char(*names)[65];
    size_t count, found = 0;
    assert_int_equal(sc_store_memory_names(store, &names, &count), SC_OK);
    for (size_t i = 0; i < count; i++) {
        if (sc_store_memory_appends(store, names[i], NULL, 0) == 0)
            continue;
        memcpy(out, names[i], 65);
        found++;
    }
    free(names);
    assert_int_equal(found, 1);
}

static size_t size_of(struct sc_store *store, const char *name)
{
    uint64_t size = 0;
    assert_int_equal(store->ops->size(store, name, &size, NULL), SC_OK);
    return (size_t)size;
}

/* Some tables from the first session, then a log of `steps` groups, all synced. */
static void volume_make(struct volume *v, uint64_t seed, unsigned settled, unsigned steps)
{
    struct test_counter counter = {0};
    struct sc_diag diag = {0};
    struct sc_kvs *kvs;
    assert_true(steps <= STEPS_MAX);
    *v = (struct volume){0};
    assert_int_equal(sc_store_memory_new(&v->store), SC_OK);
    trace_init(&v->trace, seed, steps);
    struct volume_options o = options_of(v->store, &counter, false);
    assert_int_equal(volume_open_with(&o, &kvs, &diag), SC_OK);
    for (unsigned i = 0; i < steps; i++) {
        struct trace_step step;
        trace_step_make(seed, i, &step);
        step.sync = true;
        assert_int_equal(trace_step_commit(&step, kvs, &diag), SC_OK);
        if (i + 1 == settled) { /* what is before stands in tables */
            sc_kvs_close(kvs);
            assert_int_equal(volume_open_with(&o, &kvs, &diag), SC_OK);
        }
        v->counter[i + 1] = counter.value;
        if (i + 1 > settled) {
            log_find(v->store, v->log);
            v->size[i + 1] = size_of(v->store, v->log);
        }
    }
    sc_kvs_close(kvs);
    assert_int_equal(sc_store_memory_content(v->store, v->log, &v->content), SC_OK);
}

static void volume_free(struct volume *v)
{
    sc_store_free(v->store);
    sc_buf_deinit(&v->content);
    sc_buf_deinit(&v->foreign);
    trace_deinit(&v->trace);
}

static void foreign_take(struct volume *v)
{
    struct volume other;
    volume_make(&other, 4711, 5, v->trace.steps);
    sc_buf_put_bytes(&v->foreign, sc_buf_slice(&other.content));
    while (v->foreign.size < v->content.size) /* as long as ours */
        sc_buf_put_bytes(&v->foreign, sc_slice_of(other.content.ptr, other.content.size));
    assert_int_equal(sc_buf_status(&v->foreign), SC_OK);
    volume_free(&other);
}

/* content torn at `at`.  False: the result is what it was. */
static bool torn(const struct sc_buf *content, const struct sc_buf *foreign, size_t at, enum behind behind,
                 struct sc_prng *prng, struct sc_buf *out)
{
    sc_buf_reset(out);
    sc_buf_put_bytes(out, sc_slice_of(content->ptr, at));
    for (size_t i = at; behind != BEHIND_NOTHING && i < content->size; i++)
        sc_buf_put_u8(out, behind == BEHIND_ZEROS ? 0
                           : behind == BEHIND_OLD ? foreign->ptr[i % foreign->size]
                                                  : (uint8_t)sc_prng_u64(prng));
    assert_int_equal(sc_buf_status(out), SC_OK);
    return !sc_slice_eq(sc_buf_slice(out), sc_buf_slice(content));
}

/* Steps whose groups end at or before byte `at`. */
static unsigned whole_steps(const struct volume *v, unsigned settled, size_t at)
{
    unsigned n = settled;
    while (n < v->trace.steps && v->size[n + 1] <= at)
        n++;
    return n;
}

static sc_err read_all(const struct volume_options *o, struct model *seen, struct sc_diag *diag)
{
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *kvs = NULL;
    SC_TRY(volume_open_with(o, &kvs, diag));
    return model_read(kvs, NULL, seen, diag);
}

static void the_logs_newest_groups_may_be_torn_at_any_byte_and_older_ones_at_none(void **state)
{
    (void)state;
    static struct volume v; /* large */
    const unsigned settled = 20, steps = settled + (unsigned)suite_size(30, 680),
                   counted = settled + (steps - settled) / 2;
    struct suite_count discarded = {.injected_what = "torn tails", .detected_what = "discarded without a loss"};
    struct suite_count refused = {.injected_what = "tears before the last counted group", .detected_what = "refused"};
    struct suite_count uncounted = {.injected_what = "torn tails without a counter", .detected_what = "discarded"};
    uint64_t written_on = 0;
    struct sc_prng prng;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf content = {0};
    SC_CLEANUP(model_deinit) struct model seen = {0};
    volume_make(&v, test_seed(37), settled, steps);
    foreign_take(&v);
    sc_prng_init(&prng, v.trace.seed);
    const size_t stride = suite_soak() ? 1 : 1 + v.size[counted] / 1500; /* of the tears that must be refused */
    for (size_t at = 0; at < v.content.size; at++) {
        const bool is_tail = at >= v.size[counted];
        if (!suite_mine(at) || (!is_tail && at % stride != 0))
            continue;
        for (unsigned b = 0; b < BEHIND_COUNT; b++) {
            struct test_counter counter = {.value = v.counter[counted]};
            struct sc_diag diag = {0};
            struct volume_options o = options_of(v.store, &counter, true);
            if (!torn(&v.content, &v.foreign, at, (enum behind)b, &prng, &content))
                continue;
            sc_store_memory_replace(v.store, v.log, sc_buf_slice(&content));
            sc_err err = read_all(&o, &seen, &diag);
            if (!is_tail) {
                refused.injected++;
                refused.detected += err == SC_E_AUTH;
                if (err != SC_E_AUTH)
                    fail_msg("tear at byte %zu, kind %u: %s", at, b, sc_err_name(err));
                continue;
            }
            size_t same = at; /* what stands behind may by chance be what stood there */
            while (same < content.size && same < v.content.size && content.ptr[same] == v.content.ptr[same])
                same++;
            const unsigned expected = whole_steps(&v, settled, same);
            discarded.injected++;
            if (err != SC_OK || !model_equal(&seen, &v.trace.states[expected]))
                fail_msg("torn at byte %zu, kind %u: expected the %u steps before it: %s", at, b, expected,
                         sc_diag_text(&diag, err));
            discarded.detected++;
            o.counter = NULL;
            err = read_all(&o, &seen, &diag);
            uncounted.injected++;
            uncounted.detected += err == SC_OK;
            if (err == SC_OK ? !model_equal(&seen, &v.trace.states[expected]) : err != SC_E_AUTH)
                fail_msg("torn at byte %zu, kind %u, without a counter: %s", at, b, sc_diag_text(&diag, err));
            const bool at_border = at == v.size[expected]; /* docs/formats/kvs.md: what may follow the last group */
            if (err != SC_OK && (b == BEHIND_NOTHING || (b == BEHIND_ZEROS && at_border)))
                fail_msg("cut at byte %zu, kind %u, without a counter: %s", at, b, sc_diag_text(&diag, err));
            if ((at + b) % 41 == 0) { /* the writer's way, and on */
                struct sc_store *copy;
                assert_int_equal(sc_store_memory_clone(v.store, &copy), SC_OK);
                o = options_of(copy, &counter, false);
                trace_check(&v.trace, &o, expected, expected, "torn tail");
                sc_store_free(copy);
                written_on++;
            }
        }
        sc_store_memory_replace(v.store, v.log, sc_buf_slice(&v.content));
        if (at % 256 == 0)
            suite_progress("torn tails, bytes", at, v.content.size);
    }
    printf("log of %zu bytes, the last %zu not counted; %" PRIu64 " volumes written on\n", v.content.size,
           v.content.size - v.size[counted], written_on);
    suite_report("torn tails", &discarded, discarded.injected);
    suite_report("torn logs", &refused, refused.injected);
    suite_report("torn tails without a counter", &uncounted, uncounted.injected / 5);
    volume_free(&v);
}

static void no_other_object_may_be_torn_at_any_sector(void **state)
{
    (void)state;
    static struct volume v;
    struct suite_count c = {.injected_what = "torn objects", .detected_what = "refused"};
    struct sc_prng prng;
    char(*names)[65];
    size_t count;
    SC_CLEANUP(model_deinit) struct model seen = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf torn_content = {0};
    const unsigned steps = 20 + (unsigned)suite_size(120, 1000);
    volume_make(&v, test_seed(41), steps - 10, steps);
    foreign_take(&v);
    sc_prng_init(&prng, v.trace.seed);
    assert_int_equal(sc_store_memory_names(v.store, &names, &count), SC_OK);
    snprintf(names[count++], 65, "root");
    for (size_t n = 0; n < count; n++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf content = {0};
        if (strcmp(names[n], v.log) == 0)
            continue;
        assert_int_equal(sc_store_memory_content(v.store, names[n], &content), SC_OK);
        for (size_t at = 0; at < content.size; at = content.size < SECTOR ? at + 16 : at + SECTOR) {
            for (unsigned b = 0; b < BEHIND_COUNT; b++) {
                struct test_counter counter = {.value = v.counter[v.trace.steps]};
                struct sc_diag diag = {0};
                struct sc_kvs *kvs = NULL;
                const struct volume_options o = options_of(v.store, &counter, true);
                if (!torn(&content, &v.foreign, at, (enum behind)b, &prng, &torn_content))
                    continue;
                if (torn_content.size == 0 && strcmp(names[n], "root") == 0)
                    continue; /* a root record of no bytes is no root record: test_tamper.c */
                sc_store_memory_replace(v.store, names[n], sc_buf_slice(&torn_content));
                sc_err err = volume_open_with(&o, &kvs, &diag);
                if (err == SC_OK)
                    err = model_read(kvs, NULL, &seen, &diag);
                if (err == SC_OK && !model_equal(&seen, &v.trace.states[v.trace.steps]))
                    fail_msg("object %s torn at byte %zu: wrong data", names[n], at);
                if (err == SC_OK)
                    err = sc_kvs_verify(kvs, NULL, NULL, &diag);
                sc_kvs_close(kvs);
                c.injected++;
                c.detected += err == SC_E_AUTH;
                if (err != SC_E_AUTH)
                    fail_msg("object %s torn at byte %zu: %s", names[n], at, sc_err_name(err));
            }
        }
        sc_store_memory_replace(v.store, names[n], sc_buf_slice(&content));
    }
    suite_report("torn objects", &c, c.injected);
    assert_true(c.injected > 50);
    free(names);
    volume_free(&v);
}

/* Every log that is there, sealed or live, shortened to every border between its groups. */
static void logs_shorten(const struct trace *t, struct sc_store *disk, const struct test_counter *counter,
                         const struct trace_outcome *out, const char *what, struct suite_count *c)
{
    char(*names)[65];
    size_t count;
    assert_int_equal(sc_store_memory_names(disk, &names, &count), SC_OK);
    for (size_t n = 0; n < count; n++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf content = {0};
        size_t ends[128];
        size_t appends = sc_store_memory_appends(disk, names[n], ends, 128);
        assert_true(appends <= 128);
        assert_int_equal(sc_store_memory_content(disk, names[n], &content), SC_OK);
        for (size_t a = 0; a < appends; a++) { /* to where group a begins */
            SC_CLEANUP(model_deinit) struct model seen = {0};
            struct test_counter now = *counter;
            struct sc_diag diag = {0};
            const struct volume_options o = {.store = disk, .counter = &now, .read_only = true};
            sc_store_memory_truncate(disk, names[n], a != 0 ? ends[a - 1] : 0);
            const sc_err err = read_all(&o, &seen, &diag);
            sc_store_memory_replace(disk, names[n], sc_buf_slice(&content));
            c->injected++;
            *(err == SC_OK ? &c->harmless : &c->detected) += 1;
            if (err != SC_OK && err != SC_E_AUTH)
                fail_msg("%s, log without its groups from %zu on: %s", what, a, sc_diag_text(&diag, err));
            if (err == SC_OK && trace_find(t, &seen, out->synced, out->attempted) == UINT32_MAX)
                fail_msg("%s, log without its groups from %zu on: acknowledged commits are gone unnoticed", what, a);
        }
    }
    free(names);
}

static void at_whatever_moment_no_log_can_be_shortened_below_what_was_acknowledged(void **state)
{
    (void)state;
    struct suite_count c = {.injected_what = "shortened logs", .detected_what = "refused"};
    const uint64_t seeds = suite_size(1, 20);
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        bool fired = true;
        trace_init(&t, test_seed(103) + s, suite_soak() ? 120 : 60);
        for (uint64_t nth = 1; fired; nth++) {
            struct sc_store *disk, *store;
            struct test_counter counter = {0};
            struct trace_outcome out;
            char what[80];
            if (!suite_mine(nth))
                continue;
            snprintf(what, sizeof what, "seed %" PRIu64 ", at call %" PRIu64, t.seed, nth);
            assert_int_equal(sc_store_memory_new(&disk), SC_OK);
            assert_int_equal(sc_store_fault_new(&(struct sc_store_fault_options){.below = disk, .seed = nth}, &store),
                             SC_OK);
            const struct volume_options o = {.store = store, .counter = &counter, .memtable_size_max = 2 << 10};
            sc_store_fault_arm(store, nth, SC_STORE_FAULT_OFF);
            trace_run(&t, &o, 0, t.steps, &out);
            fired = sc_store_fault_fired(store) != 0;
            logs_shorten(&t, disk, &counter, &out, what, &c);
            sc_store_free(store);
            sc_store_free(disk);
        }
        trace_deinit(&t);
        suite_progress("shortened logs, seeds", s + 1, seeds);
    }
    suite_report("shortened logs", &c, c.injected / 3);
}

static void new_keys_open_no_window_for_cutting_the_log(void **state)
{
    (void)state;
    struct sc_store *store;
    struct test_counter counter = {0};
    struct sc_kvs *kvs;
    char log[65];
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    struct volume_options o = {.store = store, .counter = &counter};
    assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_OK);
    assert_int_equal(put_one(kvs, "a", "acknowledged", true, NULL), SC_OK);
    assert_int_equal(sc_kvs_rotate(kvs, NULL, NULL), SC_OK);
    sc_kvs_close(kvs);
    log_find(store, log);
    sc_store_memory_truncate(store, log, 0);
    o.read_only = true;
    assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_E_AUTH);
    sc_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_logs_newest_groups_may_be_torn_at_any_byte_and_older_ones_at_none),
        cmocka_unit_test(no_other_object_may_be_torn_at_any_sector),
        cmocka_unit_test(new_keys_open_no_window_for_cutting_the_log),
        cmocka_unit_test(at_whatever_moment_no_log_can_be_shortened_below_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
