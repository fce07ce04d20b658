/* The provider's hand: every byte flipped, every object cut, exchanged, removed or put back as it once was. */
#include "model.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define CANARY_KEY   "CANARY-key-5f1d"
#define CANARY_VALUE "CANARY-value-93b7-in-the-clear"
#define PAST_COUNT   6

struct volume {
    struct sc_store *store;
    struct test_counter counter;
    struct model model;
    struct sc_store *past[PAST_COUNT]; /* copies of the whole store on the way */
    uint64_t past_counter[PAST_COUNT];
    bool counted;
};

static sc_err volume_open(struct sc_store *store, struct test_counter *counter, bool read_only, struct sc_kvs **out,
                          struct sc_diag *diag)
{
    const struct sc_kvs_options opt = {
        .store = store,
        .root_key = &test_root_key,
        .counter = counter != NULL ? test_counter_of(counter) : (struct sc_kvs_counter){ 0 },
        .create = true,
        .read_only = read_only,
        .memtable_size_max = 4 << 10,
        .block_cache_size_max = 16 << 10,
        .block_size = 256,
    };
    return sc_kvs_open(&opt, out, diag);
}

/* A few tables on two levels and a log with groups in it; every commit synced. */
static void volume_make(struct volume *v, bool counted)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    *v = (struct volume){ .counted = counted };
    assert_int_equal(sc_store_memory_new(&v->store), SC_OK);
    for (unsigned round = 0; round < PAST_COUNT; round++) {
        assert_int_equal(volume_open(v->store, counted ? &v->counter : NULL, false, &kvs, &diag), SC_OK);
        for (unsigned i = 0; i < 6; i++) {
            struct trace_step step;
            trace_step_make(99, round * 100 + i, &step);
            step.sync = true;
            assert_int_equal(trace_step_commit(&step, kvs, &diag), SC_OK);
            trace_step_apply(&step, &v->model);
        }
        assert_int_equal(put_one(kvs, CANARY_KEY, CANARY_VALUE, true, &diag), SC_OK);
        model_put(&v->model, sc_slice_str(CANARY_KEY), sc_slice_str(CANARY_VALUE));
        if (round == 2)
            assert_int_equal(sc_kvs_compact(kvs, &diag), SC_OK);
        if (round == 4)
            assert_int_equal(put_one(kvs, "key/007", NULL, true, &diag), SC_OK);
        if (round == 4)
            model_delete(&v->model, sc_slice_str("key/007"));
        sc_kvs_close(kvs);
        assert_int_equal(sc_store_memory_clone(v->store, &v->past[round]), SC_OK);
        v->past_counter[round] = v->counter.value;
    }
}

static void volume_free(struct volume *v)
{
    sc_store_free(v->store);
    for (size_t i = 0; i < PAST_COUNT; i++)
        sc_store_free(v->past[i]);
    model_deinit(&v->model);
}

enum verdict { REFUSED, RIGHT };

/* Opens read-only, reads everything both ways and verifies.  A wrong answer fails the test. */
static enum verdict judge(const struct volume *v, struct sc_store *store, sc_err *err_out, struct sc_diag *diag)
{
    struct sc_kvs *kvs = NULL;
    SC_CLEANUP(model_deinit) struct model seen = { 0 };
    struct test_counter counter = v->counter;
    *diag = (struct sc_diag){ 0 };
    sc_err err = volume_open(store, v->counted ? &counter : NULL, true, &kvs, diag);
    if (err == SC_OK)
        err = model_read(kvs, NULL, &seen, diag);
    if (err == SC_OK && !model_equal(&seen, &v->model))
        fail_msg("wrong data was given out");
    if (err == SC_OK)
        err = sc_kvs_verify(kvs, NULL, NULL, diag);
    sc_kvs_close(kvs);
    *err_out = err;
    return err == SC_OK ? RIGHT : REFUSED;
}

/* The objects' names, then "root". */
static void names_get(struct sc_store *store, char (**names_out)[65], size_t *count_out)
{
    assert_int_equal(sc_store_memory_names(store, names_out, count_out), SC_OK);
    snprintf((*names_out)[(*count_out)++], 65, "root"); /* there is room for one more */
}

static size_t size_of(struct sc_store *store, const char *name)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf content = { 0 };
    assert_int_equal(sc_store_memory_content(store, name, &content), SC_OK);
    return content.size;
}

static void expect_named(const struct sc_diag *diag, const char *name, sc_err err, const char *what)
{
    if (err != SC_E_AUTH || strstr(diag->text, strcmp(name, "root") == 0 ? "root record" : name) == NULL ||
        strstr(diag->text, "bytes [") == NULL)
        fail_msg("%s of %s: %s: %s", what, name, sc_err_name(err), diag->text);
}

static void flip_all(bool counted)
{
    struct volume v;
    char(*names)[65];
    size_t count;
    uint64_t flips = 0, detected = 0;
    volume_make(&v, counted);
    names_get(v.store, &names, &count);
    for (size_t n = 0; n < count; n++) {
        const size_t size = size_of(v.store, names[n]);
        for (size_t at = 0; at < size; at++) {
            struct sc_diag diag;
            sc_err err;
            const uint8_t mask = (uint8_t)(1u << (at * 5 % 8));
            sc_store_memory_flip(v.store, names[n], at, mask);
            flips++;
            if (judge(&v, v.store, &err, &diag) == REFUSED) {
                detected++;
                expect_named(&diag, names[n], err, "flip");
            }
            sc_store_memory_flip(v.store, names[n], at, mask);
        }
    }
    printf("%s counter: %zu objects, %" PRIu64 " flips, %" PRIu64 " detected\n", counted ? "with" : "without", count,
           flips, detected);
    assert_true(flips > 2000);
    assert_int_equal(detected, flips); /* there is no byte that nobody looks at */
    free(names);
    volume_free(&v);
}

static void every_flipped_byte_is_refused_and_named(void **state)
{
    (void)state;
    flip_all(true);
}

static void every_flipped_byte_is_refused_even_without_a_counter(void **state)
{
    (void)state;
    flip_all(false);
}

static void every_truncation_is_refused(void **state)
{
    struct volume v;
    char(*names)[65];
    size_t count;
    uint64_t cuts = 0, detected = 0;
    (void)state;
    volume_make(&v, true);
    names_get(v.store, &names, &count);
    for (size_t n = 0; n < count; n++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf content = { 0 };
        assert_int_equal(sc_store_memory_content(v.store, names[n], &content), SC_OK);
        for (size_t size = 0; size < content.size; size += 1 + size / 64) {
            struct sc_diag diag;
            sc_err err;
            sc_store_memory_truncate(v.store, names[n], size);
            cuts++;
            if (judge(&v, v.store, &err, &diag) == REFUSED) {
                detected++;
                assert_int_equal(err, SC_E_AUTH);
            }
            sc_store_memory_replace(v.store, names[n], sc_buf_slice(&content));
        }
    }
    printf("%" PRIu64 " truncations, %" PRIu64 " detected\n", cuts, detected);
    assert_true(cuts > 100);
    assert_int_equal(detected, cuts);
    free(names);
    volume_free(&v);
}

static void bytes_appended_to_any_object_change_nothing_or_are_refused(void **state)
{
    struct volume v;
    char(*names)[65];
    size_t count;
    uint64_t detected = 0;
    (void)state;
    volume_make(&v, true);
    names_get(v.store, &names, &count);
    for (size_t n = 0; n < count; n++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf content = { 0 };
        struct sc_diag diag;
        sc_err err;
        assert_int_equal(sc_store_memory_content(v.store, names[n], &content), SC_OK);
        const size_t size = content.size;
        for (unsigned i = 0; i < 40; i++)
            sc_buf_put_u8(&content, (uint8_t)(i * 7 + 1));
        sc_store_memory_replace(v.store, names[n], sc_buf_slice(&content));
        detected += judge(&v, v.store, &err, &diag) == REFUSED;
        content.size = size;
        sc_store_memory_replace(v.store, names[n], sc_buf_slice(&content));
    }
    printf("%zu objects lengthened, %" PRIu64 " refused\n", count, detected);
    assert_int_equal(detected, count - 1); /* all but the live log: a power cut may leave anything behind its end */
    free(names);
    volume_free(&v);
}

static void exchanged_and_removed_objects_are_refused(void **state)
{
    struct volume v;
    char(*names)[65];
    size_t count;
    uint64_t swaps = 0, detected = 0;
    struct sc_diag diag;
    sc_err err;
    (void)state;
    volume_make(&v, true);
    assert_int_equal(sc_store_memory_names(v.store, &names, &count), SC_OK);
    for (size_t a = 0; a < count; a++) {
        for (size_t b = a + 1; b < count; b++) {
            sc_store_memory_swap(v.store, names[a], names[b]);
            swaps++;
            detected += judge(&v, v.store, &err, &diag) == REFUSED && err == SC_E_AUTH;
            sc_store_memory_swap(v.store, names[a], names[b]);
        }
        struct sc_store *copy;
        assert_int_equal(sc_store_memory_clone(v.store, &copy), SC_OK);
        assert_int_equal(copy->ops->remove(copy, names[a], NULL), SC_OK);
        swaps++;
        detected += judge(&v, copy, &err, &diag) == REFUSED && err == SC_E_AUTH;
        sc_store_free(copy);
    }
    printf("%" PRIu64 " exchanges and removals, %" PRIu64 " detected\n", swaps, detected);
    assert_true(swaps > 5);
    assert_int_equal(detected, swaps);
    free(names);
    volume_free(&v);
}

/* Blocks of one table among themselves: their places are part of what is authenticated. */
static void blocks_exchanged_within_a_table_are_refused(void **state)
{
    struct volume v;
    char(*names)[65];
    size_t count;
    uint64_t tries = 0;
    (void)state;
    volume_make(&v, true);
    names_get(v.store, &names, &count);
    for (size_t n = 0; n < count; n++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf content = { 0 };
        assert_int_equal(sc_store_memory_content(v.store, names[n], &content), SC_OK);
        for (size_t span = 16; 8 + 2 * span <= content.size; span *= 2) {
            uint8_t *a = content.ptr + 8;
            struct sc_diag diag;
            sc_err err;
            uint8_t *copy = malloc(span);
            assert_non_null(copy);
            memcpy(copy, a, span);
            memcpy(a, a + span, span);
            memcpy(a + span, copy, span);
            sc_store_memory_replace(v.store, names[n], sc_buf_slice(&content));
            assert_int_equal(judge(&v, v.store, &err, &diag), REFUSED);
            tries++;
            memcpy(a + span, a, span);
            memcpy(a, copy, span);
            free(copy);
            sc_store_memory_replace(v.store, names[n], sc_buf_slice(&content));
        }
    }
    printf("%" PRIu64 " exchanged spans\n", tries);
    assert_true(tries > 10);
    free(names);
    volume_free(&v);
}

static void an_old_state_of_one_object_or_of_all_is_refused(void **state)
{
    struct volume v;
    uint64_t tries = 0, refused = 0, harmless = 0;
    struct sc_diag diag;
    sc_err err;
    (void)state;
    volume_make(&v, true);
    for (size_t p = 0; p + 1 < PAST_COUNT; p++) {
        assert_int_equal(judge(&v, v.past[p], &err, &diag), REFUSED); /* the whole volume rolled back */
        assert_int_equal(err, SC_E_AUTH);
        assert_non_null(strstr(diag.text, "counter"));
        tries++;
        refused++;
        char(*names)[65];
        size_t count;
        names_get(v.past[p], &names, &count);
        for (size_t n = 0; n < count; n++) {
            SC_CLEANUP(sc_buf_deinit) struct sc_buf old = { 0 };
            struct sc_store *copy;
            assert_int_equal(sc_store_memory_content(v.past[p], names[n], &old), SC_OK);
            assert_int_equal(sc_store_memory_clone(v.store, &copy), SC_OK);
            sc_store_memory_replace(copy, names[n], sc_buf_slice(&old));
            const enum verdict verdict = judge(&v, copy, &err, &diag);
            if (strcmp(names[n], "root") == 0)
                assert_int_equal(verdict, REFUSED);
            tries++;
            *(verdict == REFUSED ? &refused : &harmless) += 1; /* an object that nothing names any more is harmless */
            sc_store_free(copy);
        }
        free(names);
    }
    printf("%" PRIu64 " old states put back, %" PRIu64 " refused, %" PRIu64 " without effect\n", tries, refused, harmless);
    assert_true(refused >= 2 * (PAST_COUNT - 1));
    volume_free(&v);
}

/* The live log as it was between any two groups: acknowledged groups cut off at their border. */
static void a_log_cut_between_two_groups_is_refused(void **state)
{
    struct sc_store *store;
    struct test_counter counter = { 0 };
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    unsigned refused = 0;
    (void)state;
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    assert_int_equal(volume_open(store, &counter, false, &kvs, &diag), SC_OK);
    char(*names)[65];
    size_t count;
    assert_int_equal(sc_store_memory_names(store, &names, &count), SC_OK);
    const char *log = size_of(store, names[0]) == 0 ? names[0] : names[1];
    size_t ends[12];
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(put_one(kvs, "k", "v", i % 3 == 2, &diag), SC_OK); /* synced: the third, sixth, ... */
        ends[i] = size_of(store, log);
    }
    sc_kvs_close(kvs);
    for (unsigned i = 11; i-- > 0;) {
        sc_store_memory_truncate(store, log, ends[i]);
        diag = (struct sc_diag){ 0 };
        const sc_err err = volume_open(store, &counter, true, &kvs, &diag);
        assert_int_equal(err, SC_E_AUTH);
        assert_non_null(strstr(diag.text, log));
        refused++;
    }
    printf("%u cuts at group borders refused\n", refused);
    free(names);
    sc_store_free(store);
}

/* The root record of before a compaction, with the tables of then, under the log as it is now. */
static void an_old_root_under_a_newer_log_is_refused(void **state)
{
    struct volume v;
    struct sc_store *old;
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    char(*names)[65];
    size_t count, replaced = 0;
    (void)state;
    volume_make(&v, true);
    assert_int_equal(volume_open(v.store, &v.counter, false, &kvs, &diag), SC_OK);
    assert_int_equal(sc_store_memory_clone(v.store, &old), SC_OK);
    assert_int_equal(sc_kvs_compact(kvs, &diag), SC_OK); /* with an empty memtable: the log stays, the root changes */
    assert_int_equal(put_one(kvs, "new", "1", true, &diag), SC_OK);
    sc_kvs_close(kvs);
    assert_int_equal(sc_store_memory_names(old, &names, &count), SC_OK);
    for (size_t n = 0; n < count; n++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf now = { 0 };
        if (sc_store_memory_content(v.store, names[n], &now) != SC_OK || size_of(old, names[n]) == now.size)
            continue;
        sc_store_memory_replace(old, names[n], sc_buf_slice(&now));
        replaced++;
    }
    assert_int_equal(replaced, 1);
    assert_int_equal(volume_open(old, &v.counter, true, &kvs, &diag), SC_E_AUTH);
    assert_non_null(strstr(diag.text, "root record: older"));
    free(names);
    sc_store_free(old);
    volume_free(&v);
}

static void a_removed_root_is_no_empty_volume(void **state)
{
    struct volume v;
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    (void)state;
    volume_make(&v, true);
    sc_store_memory_replace(v.store, "root", SC_SLICE_EMPTY);
    assert_int_equal(volume_open(v.store, &v.counter, false, &kvs, &diag), SC_E_AUTH);
    diag = (struct sc_diag){ 0 };
    assert_int_equal(volume_open(v.store, NULL, false, &kvs, &diag), SC_E_AUTH); /* without a counter, too */
    volume_free(&v);
}

static void another_key_opens_nothing(void **state)
{
    struct volume v;
    struct sc_diag diag = { 0 };
    struct sc_kvs *kvs;
    const struct sc_key other = { "another key, as dull as one" };
    (void)state;
    volume_make(&v, true);
    const struct sc_kvs_options opt = { .store = v.store, .root_key = &other };
    assert_int_equal(sc_kvs_open(&opt, &kvs, &diag), SC_E_AUTH);
    assert_int_equal(judge(&v, v.store, &(sc_err){ 0 }, &diag), RIGHT); /* and harms nothing */
    volume_free(&v);
}

static bool contains(struct sc_slice s, const char *text)
{
    return s.size >= strlen(text) && memmem(s.ptr, s.size, text, strlen(text)) != NULL;
}

static void nothing_stored_is_readable_nor_does_a_name_tell_anything(void **state)
{
    struct volume v;
    uint64_t bytes = 0;
    (void)state;
    volume_make(&v, true);
    for (size_t p = 0; p < PAST_COUNT; p++) {
        char(*names)[65];
        size_t count;
        names_get(v.past[p], &names, &count);
        for (size_t n = 0; n < count; n++) {
            SC_CLEANUP(sc_buf_deinit) struct sc_buf content = { 0 };
            assert_int_equal(sc_store_memory_content(v.past[p], names[n], &content), SC_OK);
            assert_false(contains(sc_buf_slice(&content), "CANARY"));
            assert_false(contains(sc_buf_slice(&content), "key/0"));
            assert_false(contains(sc_buf_slice(&content), (const char *)"dull root key"));
            bytes += content.size;
        }
        free(names);
    }
    printf("%" PRIu64 " stored bytes searched\n", bytes);
    assert_true(bytes > 5000);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_byte_is_refused_and_named),
        cmocka_unit_test(every_flipped_byte_is_refused_even_without_a_counter),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(bytes_appended_to_any_object_change_nothing_or_are_refused),
        cmocka_unit_test(exchanged_and_removed_objects_are_refused),
        cmocka_unit_test(blocks_exchanged_within_a_table_are_refused),
        cmocka_unit_test(an_old_state_of_one_object_or_of_all_is_refused),
        cmocka_unit_test(a_log_cut_between_two_groups_is_refused),
        cmocka_unit_test(an_old_root_under_a_newer_log_is_refused),
        cmocka_unit_test(a_removed_root_is_no_empty_volume),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(nothing_stored_is_readable_nor_does_a_name_tell_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
