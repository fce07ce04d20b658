/* Bits flipped in every object of a small volume: every byte in `make test`, every bit in a soak; and larger damage at
 * random (design D5). */
#include "mvcc.h"
#include "suite.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct volume {
    struct sc_store *store;
    struct test_counter counter;
    struct model model;
    char (*names)[65];
    size_t count; /* with "root" */
};

/* Rows with values of all kinds, some deleted, in several tables; the newest in the log only. */
static void volume_fill(struct volume *v, struct sc_kvs *kvs, struct sc_prng *prng, unsigned rows)
{
    struct mvcc numbers = {.next_value = 1 + sc_prng_below(prng, 1000)};
    uint8_t bytes[MVCC_VALUE_SIZE_MAX];
    for (unsigned i = 0; i < rows; i += 8) {
        struct sc_kvs_txn *txn;
        assert_int_equal(sc_kvs_txn_begin(kvs, &txn), SC_OK);
        for (unsigned n = i; n < i + 8; n++) {
            char key[32];
            const unsigned row = (unsigned)sc_prng_below(prng, rows);
            snprintf(key, sizeof key, "reading|%06u", row);
            const struct sc_slice value = mvcc_value_bytes(row, mvcc_value_new(&numbers, prng), bytes);
            const bool deletes = sc_prng_below(prng, 12) == 0;
            assert_int_equal(deletes ? sc_kvs_txn_delete(txn, sc_slice_str(key))
                                     : sc_kvs_txn_put(txn, sc_slice_str(key), value),
                             SC_OK);
            deletes ? model_delete(&v->model, sc_slice_str(key)) : model_put(&v->model, sc_slice_str(key), value);
        }
        assert_int_equal(sc_kvs_txn_commit(txn, true, NULL), SC_OK);
    }
}

static void volume_make(struct volume *v, uint64_t seed, unsigned rows)
{
    struct sc_kvs *kvs;
    struct sc_prng prng;
    *v = (struct volume){0};
    sc_prng_init(&prng, seed);
    assert_int_equal(sc_store_memory_new(&v->store), SC_OK);
    const struct volume_options o = {
        .store = v->store, .counter = &v->counter, .memtable_size_max = 16 << 10, .block_size = 1024};
    assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_OK);
    volume_fill(v, kvs, &prng, rows);
    assert_int_equal(sc_kvs_compact(kvs, NULL), SC_OK);
    volume_fill(v, kvs, &prng, rows / 2);
    sc_kvs_close(kvs);
    assert_int_equal(volume_open_with(&o, &kvs, NULL), SC_OK);
    assert_int_equal(sc_kvs_settle(kvs, NULL),
                     SC_OK); /* else half a merge's tables may lie about, which nobody reads */
    volume_fill(v, kvs, &prng, 16);
    sc_kvs_close(kvs);
    assert_int_equal(sc_store_memory_names(v->store, &v->names, &v->count), SC_OK);
    snprintf(v->names[v->count++], 65, "root");
}

static void volume_free(struct volume *v)
{
    sc_store_free(v->store);
    model_deinit(&v->model);
    free(v->names);
}

static size_t size_of(const struct volume *v, const char *name)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf content = {0};
    assert_int_equal(sc_store_memory_content(v->store, name, &content), SC_OK);
    return content.size;
}

static sc_err backward_read(struct sc_kvs *kvs, const struct model *m, struct sc_diag *diag)
{
    struct sc_kvs_iter *it;
    bool valid, same = true;
    size_t i = m->count;
    SC_TRY(sc_kvs_iter_new(kvs, NULL, NULL, &it, diag));
    sc_err err = sc_kvs_iter_last(it, &valid, diag);
    while (err == SC_OK && valid && same) {
        same = i != 0 && sc_slice_eq(sc_kvs_iter_key(it), model_key(&m->pairs[i - 1])) &&
               sc_slice_eq(sc_kvs_iter_value(it), model_value(&m->pairs[i - 1]));
        i--;
        err = sc_kvs_iter_prev(it, &valid, diag);
    }
    sc_kvs_iter_free(it);
    if (!same || (err == SC_OK && i != 0))
        fail_msg("wrong data was given out, backward");
    return err;
}

/* Everything is read, and read right, or something says SC_E_AUTH. */
static sc_err judge(const struct volume *v, bool counted, bool backward, struct sc_diag *diag)
{
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *kvs = NULL;
    struct test_counter counter = v->counter;
    const struct volume_options o = {.store = v->store, .counter = counted ? &counter : NULL, .read_only = true};
    SC_TRY(volume_open_with(&o, &kvs, diag));
    if (backward) {
        SC_TRY(backward_read(kvs, &v->model, diag));
    } else {
        SC_CLEANUP(model_deinit) struct model seen = {0};
        SC_TRY(model_read(kvs, NULL, &seen, diag));
        if (!model_equal(&seen, &v->model))
            fail_msg("wrong data was given out");
    }
    return sc_kvs_verify(kvs, NULL, NULL, diag);
}

static void expect_named(const struct sc_diag *diag, const char *name, sc_err err, size_t at)
{
    if (err != SC_E_AUTH || strstr(diag->text, strcmp(name, "root") == 0 ? "root record" : name) == NULL ||
        strstr(diag->text, "bytes [") == NULL)
        fail_msg("byte %zu of %s flipped: %s: %s", at, name, sc_err_name(err), diag->text);
}

static void whatever_bit_is_flipped_it_is_refused_and_the_object_is_named(void **state)
{
    (void)state;
    struct volume v;
    struct suite_count c = {.injected_what = "flips", .detected_what = "refused"};
    volume_make(&v, test_seed(43), (unsigned)suite_size(700, 4500));
    uint64_t total = 0, done = 0;
    for (size_t n = 0; n < v.count; n++)
        total += size_of(&v, v.names[n]);
    struct sc_diag diag = {0};
    assert_int_equal(judge(&v, true, false, &diag), SC_OK);
    for (size_t n = 0; n < v.count; n++) {
        const size_t size = size_of(&v, v.names[n]);
        for (size_t at = 0; at < size; at++, done++) {
            if (!suite_mine(done))
                continue;
            for (unsigned bit = 0; bit < 8; bit++) {
                if (!suite_soak() && bit != (at * 5 + n) % 8)
                    continue;
                sc_store_memory_flip(v.store, v.names[n], at, (uint8_t)(1u << bit));
                diag = (struct sc_diag){0};
                const sc_err err = judge(&v, (at + bit) % 2 == 0, (at + bit) % 3 == 0, &diag);
                sc_store_memory_flip(v.store, v.names[n], at, (uint8_t)(1u << bit));
                c.injected++;
                c.detected += err != SC_OK;
                expect_named(&diag, v.names[n], err, at);
            }
            if (done % 64 == 0)
                suite_progress("flips, bytes", done, total);
        }
    }
    diag = (struct sc_diag){0};
    assert_int_equal(judge(&v, true, false, &diag), SC_OK);
    printf("%zu objects, %" PRIu64 " bytes\n", v.count, total);
    suite_report("flips", &c, c.injected); /* there is no byte that nobody looks at */
    assert_true(c.injected > 3000);
    volume_free(&v);
}

static void larger_damage_at_random_is_refused(void **state)
{
    (void)state;
    struct volume v;
    struct suite_count c = {.injected_what = "damaged volumes", .detected_what = "refused"};
    struct sc_prng prng;
    volume_make(&v, test_seed(47), (unsigned)suite_size(600, 6000));
    const uint64_t rounds = suite_size(1500, 100000);
    for (uint64_t round = 0; round < rounds; round++) {
        struct sc_diag diag = {0};
        if (!suite_mine(round))
            continue;
        sc_prng_init_stream(&prng, 47, round);
        const char *name = v.names[sc_prng_below(&prng, v.count)];
        SC_CLEANUP(sc_buf_deinit) struct sc_buf before = {0};
        SC_CLEANUP(sc_buf_deinit) struct sc_buf after = {0};
        assert_int_equal(sc_store_memory_content(v.store, name, &before), SC_OK);
        sc_buf_put_bytes(&after, sc_buf_slice(&before));
        for (uint64_t spot = 1 + sc_prng_below(&prng, 3); spot-- > 0;) {
            const size_t at = (size_t)sc_prng_below(&prng, after.size);
            const uint64_t kind = sc_prng_below(&prng, 3);
            for (size_t i = at; i < after.size && i < at + 1 + sc_prng_below(&prng, 600); i++)
                after.ptr[i] = kind == 0 ? 0 : kind == 1 ? (uint8_t)sc_prng_u64(&prng) : after.ptr[i / 2];
        }
        if (sc_slice_eq(sc_buf_slice(&before), sc_buf_slice(&after)))
            continue;
        sc_store_memory_replace(v.store, name, sc_buf_slice(&after));
        const sc_err err = judge(&v, true, round % 2 == 0, &diag);
        sc_store_memory_replace(v.store, name, sc_buf_slice(&before));
        c.injected++;
        c.detected += err == SC_E_AUTH;
        suite_progress("damaged volumes", round + 1, rounds);
    }
    suite_report("larger damage", &c, c.injected);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_bit_is_flipped_it_is_refused_and_the_object_is_named),
        cmocka_unit_test(larger_damage_at_random_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
