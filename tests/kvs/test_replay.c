/* Objects exchanged for older ones, for other ones, for those of another volume or tenant, duplicated, emptied,
 * removed, resurrected; log groups in another order (design D6).  The whole volume put back as it was (design D7). */
#include "suite.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct content {
    char name[65];
    struct sc_buf bytes;
};
struct list {
    size_t count;
    struct content *items;
};
struct volume {
    struct sc_store *store;
    struct test_counter counter;
    struct model model;
    size_t memtable_size_max;
    struct list now;  /* every object, and "root" */
    struct list past; /* every object and root record that is no more, and logs as they were before later appends */
};

static void list_add(struct list *l, const char *name, struct sc_slice bytes)
{
    l->items = realloc(l->items, (l->count + 1) * sizeof *l->items);
    assert_non_null(l->items);
    struct content *c = &l->items[l->count++];
    *c = (struct content){0};
    snprintf(c->name, sizeof c->name, "%s", name);
    sc_buf_put_bytes(&c->bytes, bytes);
    assert_int_equal(sc_buf_status(&c->bytes), SC_OK);
}

static void list_free(struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        sc_buf_deinit(&l->items[i].bytes);
    free(l->items);
}

static struct sc_slice bytes_of(const struct content *c)
{
    return sc_buf_slice(&c->bytes);
}

static void now_take(struct volume *v)
{
    char(*names)[65];
    size_t count;
    assert_int_equal(sc_store_memory_names(v->store, &names, &count), SC_OK);
    snprintf(names[count++], 65, "root");
    for (size_t i = 0; i < count; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
        size_t ends[64];
        assert_int_equal(sc_store_memory_content(v->store, names[i], &bytes), SC_OK);
        list_add(&v->now, names[i], sc_buf_slice(&bytes));
        const size_t appends = sc_store_memory_appends(v->store, names[i], ends, 64);
        for (size_t a = 0; a + 1 < appends && a < 64; a++)
            list_add(&v->past, names[i], sc_slice_of(bytes.ptr, ends[a]));
    }
    free(names);
}

static void past_take(struct volume *v)
{
    for (size_t i = 0; i < sc_store_memory_history_count(v->store); i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
        char name[65];
        assert_int_equal(sc_store_memory_history(v->store, i, name, &bytes), SC_OK);
        list_add(&v->past, name, sc_buf_slice(&bytes));
    }
}

static sc_err volume_open(struct volume *v, const struct sc_key *key, bool read_only, struct sc_kvs **out,
                          struct sc_diag *diag)
{
    const struct sc_kvs_options opt = {
        .store = v->store,
        .root_key = key,
        .counter = test_counter_of(&v->counter),
        .create = true,
        .read_only = read_only,
        .memtable_size_max = v->memtable_size_max,
        .block_cache_size_max = 16 << 10,
        .block_size = 256,
    };
    return sc_kvs_open(&opt, out, diag);
}

/* Rows beside the trace's, so that there are many tables. */
static void rows_add(struct volume *v, struct sc_kvs *kvs, uint64_t seed, unsigned count)
{
    struct sc_prng prng;
    sc_prng_init(&prng, seed);
    for (unsigned i = 0; i < count; i++) {
        char key[32], value[140];
        snprintf(key, sizeof key, "row/%05u", (unsigned)sc_prng_below(&prng, 600));
        snprintf(value, sizeof value, "%016" PRIx64 "%016" PRIx64 "%-90s", sc_prng_u64(&prng), sc_prng_u64(&prng), key);
        assert_int_equal(put_one(kvs, key, value, i + 1 == count, NULL), SC_OK);
        model_put(&v->model, sc_slice_str(key), sc_slice_str(value));
    }
}

static void volume_make(struct volume *v, const struct sc_key *key, size_t memtable_size_max, uint64_t seed,
                        unsigned rounds, unsigned steps)
{
    *v = (struct volume){.memtable_size_max = memtable_size_max};
    assert_int_equal(sc_store_memory_new(&v->store), SC_OK);
    sc_store_memory_keep_history(v->store);
    for (unsigned round = 0; round < rounds; round++) {
        struct sc_kvs *kvs;
        assert_int_equal(volume_open(v, key, false, &kvs, NULL), SC_OK);
        if (memtable_size_max < 8 << 10)
            rows_add(v, kvs, seed * 1000 + round, 60);
        for (unsigned i = 0; i < steps; i++) {
            struct trace_step step;
            trace_step_make(seed, round * steps + i, &step);
            step.sync = true;
            assert_int_equal(trace_step_commit(&step, kvs, NULL), SC_OK);
            trace_step_apply(&step, &v->model);
        }
        sc_kvs_close(kvs);
    }
    now_take(v);
    past_take(v);
}

static void volume_free(struct volume *v)
{
    sc_store_free(v->store);
    model_deinit(&v->model);
    list_free(&v->now);
    list_free(&v->past);
}

/* SC_OK: everything was read, right. */
static sc_err judge(struct volume *v, const char *what, const char *name)
{
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *kvs = NULL;
    SC_CLEANUP(model_deinit) struct model seen = {0};
    struct sc_diag diag = {0};
    sc_err err = volume_open(v, &test_root_key, true, &kvs, &diag);
    if (err == SC_OK)
        err = model_read(kvs, NULL, &seen, &diag);
    if (err == SC_OK && !model_equal(&seen, &v->model))
        fail_msg("%s %s: wrong data was given out", name, what);
    if (err == SC_OK)
        err = sc_kvs_verify(kvs, NULL, NULL, &diag);
    if (err != SC_OK && err != SC_E_AUTH)
        fail_msg("%s %s: refused by %s: %s", name, what, sc_err_name(err), diag.text);
    return err;
}

static void count_of(struct suite_count *c, sc_err err)
{
    c->injected++;
    *(err == SC_OK ? &c->harmless : &c->detected) += 1;
}

/* Drops from now what no root names: what a compaction was writing when the volume was closed, and a live log without
 * a group, which may be followed by anything. */
static void dead_drop(struct volume *v)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->now.count; i++) {
        struct content *x = &v->now.items[i];
        sc_err err = SC_E_AUTH;
        if (strcmp(x->name, "root") != 0) {
            sc_store_memory_replace(v->store, x->name, SC_SLICE_EMPTY);
            err = judge(v, "emptied", x->name);
            sc_store_memory_replace(v->store, x->name, bytes_of(x));
        }
        if (err == SC_OK)
            sc_buf_deinit(&x->bytes);
        else
            v->now.items[kept++] = *x;
    }
    assert_true(kept > 2);
    v->now.count = kept;
}

/* Each object of now replaced by each content of `by`, but its own. */
static void replace_all(struct volume *v, const struct list *by, const char *what, uint64_t *number,
                        struct suite_count *c)
{
    for (size_t i = 0; i < v->now.count; i++) {
        const struct content *mine = &v->now.items[i];
        for (size_t j = 0; j < by->count; j++) {
            if (sc_slice_eq(bytes_of(mine), bytes_of(&by->items[j])) || !suite_mine((*number)++))
                continue;
            sc_store_memory_replace(v->store, mine->name, bytes_of(&by->items[j]));
            const sc_err err = judge(v, what, mine->name);
            count_of(c, err);
            if (err == SC_OK)
                fail_msg("%s (%zu bytes) replaced by %s (%zu bytes; %s): not noticed", mine->name, mine->bytes.size,
                         by->items[j].name, by->items[j].bytes.size, what);
        }
        sc_store_memory_replace(v->store, mine->name, bytes_of(mine));
        suite_progress(what, i + 1, v->now.count);
    }
}

static void no_object_can_be_taken_for_another_or_an_older_one(void **state)
{
    (void)state;
    static const struct sc_key other_key = {"another tenant's dull root key.."};
    struct volume v, sister, tenant;
    struct suite_count c = {.injected_what = "exchanges", .detected_what = "refused"};
    uint64_t number = 0;
    const uint64_t seed = test_seed(53);
    const unsigned rounds = (unsigned)suite_size(20, 100), steps = (unsigned)suite_size(12, 30);
    volume_make(&v, &test_root_key, 2 << 10, seed, rounds, steps);
    volume_make(&sister, &test_root_key, 2 << 10, seed, 2, steps); /* the same data under the same root key */
    volume_make(&tenant, &other_key, 2 << 10, seed, 2, steps);
    printf("%zu objects, %zu contents of the past\n", v.now.count, v.past.count);
    assert_int_equal(judge(&v, "untouched", "volume"), SC_OK);
    dead_drop(&v);
    replace_all(&v, &v.past, "older contents", &number, &c);
    replace_all(&v, &v.now, "each other's contents", &number, &c);
    replace_all(&v, &sister.now, "a sister volume's contents", &number, &c);
    replace_all(&v, &sister.past, "a sister volume's old contents", &number, &c);
    replace_all(&v, &tenant.now, "another tenant's contents", &number, &c);
    suite_report("exchanged objects", &c, c.injected);
    assert_true(c.injected > 500);
    volume_free(&v);
    volume_free(&sister);
    volume_free(&tenant);
}

static void swapped_emptied_removed_or_resurrected_objects_are_refused_or_harmless(void **state)
{
    (void)state;
    struct volume v;
    struct suite_count c = {.injected_what = "swaps, removals and resurrections", .detected_what = "refused"};
    struct sc_store *copy;
    volume_make(&v, &test_root_key, 2 << 10, test_seed(59), 6, 15);
    struct sc_store *original = v.store;
    dead_drop(&v);
    for (size_t i = 0; i < v.now.count; i++) {
        const char *name = v.now.items[i].name;
        const bool is_root = strcmp(name, "root") == 0;
        for (size_t j = i + 1; j < v.now.count && !is_root; j++) {
            if (strcmp(v.now.items[j].name, "root") == 0)
                continue;
            sc_store_memory_swap(v.store, name, v.now.items[j].name);
            const sc_err err = judge(&v, "swapped", name);
            assert_int_equal(err, SC_E_AUTH);
            count_of(&c, err);
            sc_store_memory_swap(v.store, name, v.now.items[j].name);
        }
        if (is_root)
            continue;
        for (unsigned gone = 0; gone < 2; gone++) {
            assert_int_equal(sc_store_memory_clone(original, &copy), SC_OK);
            if (gone != 0)
                assert_int_equal(copy->ops->remove(copy, name, NULL), SC_OK);
            else
                sc_store_memory_truncate(copy, name, 0);
            v.store = copy;
            const sc_err err = judge(&v, gone != 0 ? "removed" : "emptied", name);
            v.store = original;
            sc_store_free(copy);
            assert_int_equal(err, SC_E_AUTH);
            count_of(&c, err);
        }
    }
    /* what nobody names any more, put back beside the rest, changes nothing; nor do copies under new names */
    assert_int_equal(sc_store_memory_clone(original, &copy), SC_OK);
    v.store = copy;
    for (size_t i = 0; i < v.past.count + v.now.count; i++) {
        const struct content *x = i < v.past.count ? &v.past.items[i] : &v.now.items[i - v.past.count];
        char name[65];
        snprintf(name, sizeof name, "%.64s", x->name);
        if (i >= v.past.count)
            snprintf(name, sizeof name, "%032zx", i);
        uint64_t size;
        if (strcmp(name, "root") == 0 || copy->ops->size(copy, name, &size, NULL) == SC_OK)
            continue;
        sc_store_memory_replace(copy, name, bytes_of(x));
        assert_int_equal(judge(&v, "resurrected", name), SC_OK);
        count_of(&c, SC_OK);
    }
    /* all of them there, under each old root: what an attacker who kept everything can build */
    for (size_t i = 0; i < v.past.count; i++) {
        if (strcmp(v.past.items[i].name, "root") != 0)
            continue;
        sc_store_memory_replace(copy, "root", bytes_of(&v.past.items[i]));
        const sc_err err = judge(&v, "with everything resurrected", "an old root");
        assert_int_equal(err, SC_E_AUTH);
        count_of(&c, err);
    }
    sc_store_free(copy);
    v.store = original;
    suite_report("swapped, removed, resurrected objects", &c, 50);
    volume_free(&v);
}

/* The log's groups, as they were appended, in another order, twice, or with one missing. */
static void log_groups_out_of_order_are_refused(void **state)
{
    (void)state;
    struct volume v;
    struct suite_count c = {.injected_what = "logs rearranged", .detected_what = "refused"};
    size_t ends[65] = {0};
    volume_make(&v, &test_root_key, 1 << 20, test_seed(61), 2, (unsigned)suite_size(20, 60));
    for (size_t i = 0; i < v.now.count; i++) {
        const struct content *log = &v.now.items[i];
        size_t n = sc_store_memory_appends(v.store, log->name, ends + 1, 64);
        for (size_t a = 0; a < n; a++) {
            for (size_t b = 0; b < n; b++) { /* group a moved to (or, again, copied to) where b was */
                for (unsigned keep = 0; keep < 2; keep++) {
                    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
                    for (size_t g = 0; g < n; g++) {
                        if (g == b)
                            sc_buf_put_bytes(&bytes, sc_slice_of(log->bytes.ptr + ends[a], ends[a + 1] - ends[a]));
                        if (g != a || keep != 0)
                            sc_buf_put_bytes(&bytes, sc_slice_of(log->bytes.ptr + ends[g], ends[g + 1] - ends[g]));
                    }
                    if (sc_slice_eq(sc_buf_slice(&bytes), bytes_of(log)) || (keep != 0 && a == n - 1 && b == n - 1))
                        continue; /* the last one twice: garbage behind the end, which a power cut may leave */
                    sc_store_memory_replace(v.store, log->name, sc_buf_slice(&bytes));
                    const sc_err err = judge(&v, "rearranged", log->name);
                    if (err != SC_E_AUTH)
                        fail_msg("log group %zu of %zu put before %zu: not noticed", a, n, b);
                    count_of(&c, err);
                }
            }
        }
        for (size_t a = 0; a < n; a++) { /* group a missing */
            SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
            sc_buf_put_bytes(&bytes, sc_slice_of(log->bytes.ptr, ends[a]));
            sc_buf_put_bytes(&bytes, sc_slice_of(log->bytes.ptr + ends[a + 1], log->bytes.size - ends[a + 1]));
            sc_store_memory_replace(v.store, log->name, sc_buf_slice(&bytes));
            const sc_err err = judge(&v, "with a group missing", log->name);
            assert_int_equal(err, SC_E_AUTH);
            count_of(&c, err);
        }
        sc_store_memory_replace(v.store, log->name, bytes_of(log));
    }
    suite_report("rearranged logs", &c, 80);
    volume_free(&v);
}

/* ---- D7: the whole volume ---- */

static void every_older_state_of_the_whole_volume_is_refused(void **state)
{
    (void)state;
    const unsigned points = (unsigned)suite_size(200, 200);
    struct suite_count c = {.injected_what = "states put back", .detected_what = "refused"};
    struct trace t;
    struct sc_kvs *kvs;
    struct test_counter counter = {0};
    struct sc_store *store, **past = calloc(points + 1, sizeof *past);
    uint64_t *counted = calloc(points + 1, sizeof *counted);
    assert_true(past != NULL && counted != NULL);
    trace_init(&t, test_seed(67), points);
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    struct volume_options o = {.store = store, .counter = &counter};
    assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_OK);
    for (unsigned i = 0; i < points; i++) {
        struct trace_step step;
        trace_step_make(t.seed, i, &step);
        step.sync = true;
        assert_int_equal(trace_step_commit(&step, kvs, NULL), SC_OK);
        if (i % 13 == 12) {
            if (i % 2 == 0)
                assert_int_equal(sc_kvs_compact(kvs, NULL), SC_OK);
            sc_kvs_close(kvs);
            assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_OK);
        }
        /* a picture between two store calls of a background job would be a power cut: test_powercut.c */
        sc_kvs_close(kvs);
        assert_int_equal(sc_store_memory_clone(store, &past[i + 1]), SC_OK);
        counted[i + 1] = counter.value;
        assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_OK);
    }
    sc_kvs_close(kvs);
    for (unsigned old = 1; old <= points; old++) {
        for (unsigned now = old; now <= points; now++) {
            SC_CLEANUP(model_deinit) struct model seen = {0};
            struct test_counter at = {.value = counted[now]};
            struct sc_diag diag = {0};
            o = (struct volume_options){.store = past[old], .counter = &at, .read_only = now % 2 == 0 || now == old};
            sc_err err = volume_open_with(&o, &kvs, &diag);
            if (now == old) {
                assert_int_equal(err, SC_OK);
                assert_int_equal(model_read(kvs, NULL, &seen, &diag), SC_OK);
                assert_true(model_equal(&seen, &t.states[old]));
                sc_kvs_close(kvs);
                continue;
            }
            if (err == SC_OK)
                fail_msg("the state after %u steps was accepted after %u", old, now);
            assert_int_equal(err, SC_E_AUTH);
            assert_non_null(strstr(diag.text, "counter"));
            count_of(&c, err);
        }
        suite_progress("rollbacks, states", old, points);
    }
    suite_report("rollbacks", &c, (uint64_t)points * (points - 1) / 2);
    for (unsigned i = 0; i <= points; i++)
        sc_store_free(past[i]);
    free(past);
    free(counted);
    sc_store_free(store);
    trace_deinit(&t);
}

/* The provider runs two copies of one volume under one counter.  Whatever he does, the writes that were acknowledged
 * are all in one of the copies, and the other one is found out. */
static void of_two_forks_only_one_lives(void **state)
{
    (void)state;
    struct suite_count c = {.injected_what = "forks", .detected_what = "found out"};
    struct sc_prng prng;
    const uint64_t rounds = suite_size(300, 20000);
    sc_prng_init(&prng, test_seed(71));
    for (uint64_t round = 0; round < rounds; round++) {
        struct test_counter counter = {0};
        struct sc_store *stores[2];
        struct sc_kvs *kvs[2] = {NULL, NULL};
        unsigned acknowledged[2] = {0, 0};
        bool refused = false;
        assert_int_equal(sc_store_memory_new(&stores[0]), SC_OK);
        struct volume_options o = {.store = stores[0], .counter = &counter};
        assert_int_equal(volume_open_with(&o, &kvs[0], NULL), SC_OK);
        assert_int_equal(put_one(kvs[0], "a", "1", true, NULL), SC_OK);
        assert_int_equal(sc_store_memory_clone(stores[0], &stores[1]), SC_OK);
        for (unsigned i = 0; i < 8; i++) { /* either one writes, and syncs every time (unsynced ones: test_bugs.c) */
            const size_t side = (size_t)sc_prng_below(&prng, 2);
            o.store = stores[side];
            if (kvs[side] == NULL && volume_open_with(&o, &kvs[side], NULL) != SC_OK) {
                refused = true;
                continue;
            }
            const sc_err err = put_one(kvs[side], "b", side == 0 ? "first" : "second", true, NULL);
            refused |= err != SC_OK;
            acknowledged[side] += err == SC_OK;
        }
        sc_kvs_close(kvs[0]);
        sc_kvs_close(kvs[1]);
        unsigned living = 0;
        for (size_t side = 0; side < 2; side++) {
            o = (struct volume_options){.store = stores[side], .counter = &counter, .read_only = true};
            SC_CLEANUP(sc_kvs_closep) struct sc_kvs *again = NULL;
            if (volume_open_with(&o, &again, NULL) == SC_OK)
                living++;
            else if (acknowledged[side] != 0 && acknowledged[1 - side] == 0)
                fail_msg("round %" PRIu64 ": the fork that acknowledged is the one that died", round);
            sc_store_free(stores[side]);
        }
        count_of(&c, refused || living < 2 ? SC_E_AUTH : SC_OK);
    }
    suite_report("forks", &c, rounds / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_object_can_be_taken_for_another_or_an_older_one),
        cmocka_unit_test(swapped_emptied_removed_or_resurrected_objects_are_refused_or_harmless),
        cmocka_unit_test(log_groups_out_of_order_are_refused),
        cmocka_unit_test(every_older_state_of_the_whole_volume_is_refused),
        cmocka_unit_test(of_two_forks_only_one_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
