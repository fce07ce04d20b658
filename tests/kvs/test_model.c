/* The engine against a sorted array: random operations, every answer compared. */
#include "model.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SNAPSHOTS 4

struct world {
    struct sc_store *store;
    struct test_counter counter;
    struct sc_kvs *kvs;
    struct model model;
    struct sc_prng prng;
    struct sc_kvs_snapshot *snaps[SNAPSHOTS];
    struct model snap_models[SNAPSHOTS];
    unsigned key_space;
    uint64_t reopens, commits, conflicts, iterations, flushes, compactions;
};

static void must_(const char *what, sc_err err, const struct sc_diag *diag)
{
    if (err != SC_OK)
        fail_msg("%s: %s", what, sc_diag_text(diag, err));
}
#define MUST(expr) must_(#expr, (expr), &diag)

static void world_open(struct world *w)
{
    struct sc_diag diag = { 0 };
    const struct sc_kvs_options opt = {
        .store = w->store,
        .root_key = &test_root_key,
        .counter = test_counter_of(&w->counter),
        .create = true,
        .memtable_size_max = 24 << 10,
        .block_cache_size_max = 64 << 10,
        .block_size = 512,
    };
    MUST(sc_kvs_open(&opt, &w->kvs, &diag));
}

static void snaps_free(struct world *w)
{
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        sc_kvs_snapshot_free(w->snaps[i]);
        w->snaps[i] = NULL;
        model_deinit(&w->snap_models[i]);
    }
}

static void world_close(struct world *w)
{
    struct sc_kvs_stats stats;
    sc_kvs_stats(w->kvs, &stats);
    w->flushes += stats.flush_count;
    w->compactions += stats.compaction_count;
    snaps_free(w);
    sc_kvs_close(w->kvs);
    w->kvs = NULL;
}

/* Keys of several lengths that share prefixes, some with zero and 0xff bytes. */
static struct sc_slice random_key(struct world *w, uint8_t out[40])
{
    const unsigned n = (unsigned)sc_prng_below(&w->prng, w->key_space);
    int size = snprintf((char *)out, 40, "meter/%03u/%s", n / 3, n % 3 == 0 ? "" : n % 3 == 1 ? "energy" : "flags");
    if (n % 7 == 0)
        out[size++] = 0;
    if (n % 11 == 0)
        out[size++] = 0xff;
    return sc_slice_of(out, (size_t)size);
}

static struct sc_slice random_value(struct world *w, struct sc_buf *out)
{
    const uint64_t kind = sc_prng_below(&w->prng, 100);
    const size_t size = (size_t)sc_prng_below(&w->prng, kind < 90 ? 40 : kind < 99 ? 600 : 5000);
    sc_buf_reset(out);
    const bool dull = sc_prng_below(&w->prng, 2) == 0;
    for (size_t i = 0; i < size; i++)
        sc_buf_put_u8(out, dull ? (uint8_t)'a' : (uint8_t)sc_prng_u64(&w->prng));
    return sc_buf_slice(out);
}

static void do_transaction(struct world *w)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs_txn *txn;
    SC_CLEANUP(model_deinit) struct model view = { 0 };
    SC_CLEANUP(model_deinit) struct model marked = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = { 0 };
    uint8_t key[40];
    bool have_mark = false;
    size_t mark = 0;
    model_copy(&w->model, &view);
    MUST(sc_kvs_txn_begin(w->kvs, &txn));
    for (uint64_t i = sc_prng_below(&w->prng, 12); i-- > 0;) {
        const struct sc_slice k = random_key(w, key);
        switch (sc_prng_below(&w->prng, 8)) {
        case 0:
        case 1:
            MUST(sc_kvs_txn_delete(txn, k));
            model_delete(&view, k);
            break;
        case 2:
            mark = sc_kvs_txn_mark(txn);
            have_mark = true;
            model_copy(&view, &marked);
            break;
        case 3:
            if (have_mark) {
                sc_kvs_txn_rollback_to(txn, mark);
                model_copy(&marked, &view);
            }
            break;
        default:
            MUST(sc_kvs_txn_put(txn, k, random_value(w, &value)));
            model_put(&view, k, sc_buf_slice(&value));
        }
        const struct sc_slice probe = random_key(w, key);
        const struct model_pair *expected = model_get(&view, probe);
        sc_buf_reset(&value);
        const sc_err err = sc_kvs_txn_get(txn, probe, &value, &diag);
        assert_int_equal(err, expected != NULL ? SC_OK : SC_E_NOT_FOUND);
        if (expected != NULL)
            assert_true(sc_slice_eq(sc_buf_slice(&value), model_value(expected)));
    }
    if (sc_prng_below(&w->prng, 4) == 0) { /* what the transaction sees as a whole */
        SC_CLEANUP(model_deinit) struct model seen = { 0 };
        struct sc_kvs_iter *it;
        bool valid;
        MUST(sc_kvs_txn_iter(txn, NULL, &it, &diag));
        for (MUST(sc_kvs_iter_last(it, &valid, &diag)); valid; MUST(sc_kvs_iter_prev(it, &valid, &diag)))
            model_put(&seen, sc_kvs_iter_key(it), sc_kvs_iter_value(it));
        sc_kvs_iter_free(it);
        assert_true(model_equal(&seen, &view));
    }
    if (sc_prng_below(&w->prng, 10) == 0) {
        sc_kvs_txn_abort(txn);
        return;
    }
    MUST(sc_kvs_txn_commit(txn, sc_prng_below(&w->prng, 3) == 0, &diag));
    model_copy(&view, &w->model);
    w->commits++;
}

/* Two transactions write the same key: the second to commit fails and changes nothing. */
static void do_conflict(struct world *w)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs_txn *first, *second;
    uint8_t key[40], other[40];
    const struct sc_slice k = random_key(w, key);
    const struct sc_slice o = random_key(w, other);
    MUST(sc_kvs_txn_begin(w->kvs, &first));
    MUST(sc_kvs_txn_begin(w->kvs, &second));
    MUST(sc_kvs_txn_put(second, o, sc_slice_str("second")));
    MUST(sc_kvs_txn_put(second, k, sc_slice_str("second")));
    const bool deletes = sc_prng_below(&w->prng, 2) == 0;
    MUST(deletes ? sc_kvs_txn_delete(first, k) : sc_kvs_txn_put(first, k, sc_slice_str("first")));
    MUST(sc_kvs_txn_commit(first, false, &diag));
    deletes ? model_delete(&w->model, k) : model_put(&w->model, k, sc_slice_str("first"));
    if (sc_prng_below(&w->prng, 6) == 0)
        MUST(sc_kvs_compact(w->kvs, &diag)); /* a compaction must not forget who wrote last */
    assert_int_equal(sc_kvs_txn_commit(second, false, &diag), SC_E_CONFLICT);
    w->conflicts++;
}

static void check_iterator(struct world *w, struct sc_kvs_iter *it, const struct model *m, size_t lo, size_t hi)
{
    struct sc_diag diag = { 0 };
    bool valid = false;
    size_t at = lo; /* where the model's iterator stands; only meaningful while valid */
    uint8_t key[40];
    for (int i = 0; i < 40; i++) {
        const uint64_t move = sc_prng_below(&w->prng, valid ? 10 : 4);
        const struct sc_slice k = random_key(w, key);
        bool expected;
        switch (move) {
        case 0:
            MUST(sc_kvs_iter_first(it, &valid, &diag));
            at = lo;
            expected = lo < hi;
            break;
        case 1:
            MUST(sc_kvs_iter_last(it, &valid, &diag));
            at = hi - 1;
            expected = lo < hi;
            break;
        case 2:
            MUST(sc_kvs_iter_seek(it, k, &valid, &diag));
            at = model_lower(m, k);
            at = at < lo ? lo : at;
            expected = at < hi;
            break;
        case 3:
            MUST(sc_kvs_iter_seek_back(it, k, &valid, &diag));
            at = model_lower(m, k);
            if (at < m->count && sc_slice_eq(model_key(&m->pairs[at]), k))
                at++;
            at = at > hi ? hi : at;
            expected = at > lo;
            at--;
            break;
        default:
            if (move % 2 == 0) {
                MUST(sc_kvs_iter_next(it, &valid, &diag));
                expected = ++at < hi;
            } else {
                MUST(sc_kvs_iter_prev(it, &valid, &diag));
                expected = at-- > lo;
            }
        }
        assert_int_equal(valid, expected);
        if (!valid)
            continue;
        assert_true(sc_slice_eq(sc_kvs_iter_key(it), model_key(&m->pairs[at])));
        assert_true(sc_slice_eq(sc_kvs_iter_value(it), model_value(&m->pairs[at])));
    }
    w->iterations++;
}

static void do_iterate(struct world *w)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs_iter *it;
    uint8_t lower_key[40], upper_key[40];
    const size_t s = (size_t)sc_prng_below(&w->prng, SNAPSHOTS * 2);
    const struct sc_kvs_snapshot *snap = s < SNAPSHOTS ? w->snaps[s] : NULL;
    const struct model *m = snap != NULL ? &w->snap_models[s] : &w->model;
    struct sc_kvs_range range = { SC_SLICE_EMPTY, SC_SLICE_EMPTY };
    if (sc_prng_below(&w->prng, 2) == 0)
        range.lower = random_key(w, lower_key);
    if (sc_prng_below(&w->prng, 2) == 0)
        range.upper = random_key(w, upper_key);
    const size_t lo = range.lower.size != 0 ? model_lower(m, range.lower) : 0;
    const size_t hi = range.upper.size != 0 ? model_lower(m, range.upper) : m->count;
    MUST(sc_kvs_iter_new(w->kvs, snap, &range, &it, &diag));
    check_iterator(w, it, m, lo, hi > lo ? hi : lo);
    sc_kvs_iter_free(it);
}

static void do_get(struct world *w)
{
    struct sc_diag diag = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = { 0 };
    uint8_t key[40];
    const size_t s = (size_t)sc_prng_below(&w->prng, SNAPSHOTS * 2);
    const struct sc_kvs_snapshot *snap = s < SNAPSHOTS ? w->snaps[s] : NULL;
    const struct sc_slice k = random_key(w, key);
    const struct model_pair *expected = model_get(snap != NULL ? &w->snap_models[s] : &w->model, k);
    const sc_err err = sc_kvs_get(w->kvs, snap, k, &value, &diag);
    assert_int_equal(err, expected != NULL ? SC_OK : SC_E_NOT_FOUND);
    if (expected != NULL)
        assert_true(sc_slice_eq(sc_buf_slice(&value), model_value(expected)));
}

static void do_snapshot(struct world *w)
{
    struct sc_diag diag = { 0 };
    const size_t s = (size_t)sc_prng_below(&w->prng, SNAPSHOTS);
    sc_kvs_snapshot_free(w->snaps[s]);
    w->snaps[s] = NULL;
    model_deinit(&w->snap_models[s]);
    if (sc_prng_below(&w->prng, 3) == 0)
        return;
    MUST(sc_kvs_snapshot_new(w->kvs, &w->snaps[s]));
    model_copy(&w->model, &w->snap_models[s]);
}

static void do_reopen(struct world *w)
{
    world_close(w);
    world_open(w);
    w->reopens++;
}

static void compare_all(struct world *w)
{
    struct sc_diag diag = { 0 };
    SC_CLEANUP(model_deinit) struct model seen = { 0 };
    MUST(model_read(w->kvs, NULL, &seen, &diag));
    assert_true(model_equal(&seen, &w->model));
    MUST(sc_kvs_verify(w->kvs, NULL, NULL, &diag));
}

static void run(uint64_t seed, unsigned ops, unsigned key_space)
{
    struct world w = { .key_space = key_space };
    struct sc_diag diag = { 0 };
    sc_prng_init(&w.prng, seed);
    MUST(sc_store_memory_new(&w.store));
    world_open(&w);
    for (unsigned i = 0; i < ops; i++) {
        const uint64_t op = sc_prng_below(&w.prng, 1000);
        if (op < 500)
            do_transaction(&w);
        else if (op < 700)
            do_get(&w);
        else if (op < 900)
            do_iterate(&w);
        else if (op < 950)
            do_snapshot(&w);
        else if (op < 990)
            do_conflict(&w);
        else if (op < 992)
            MUST(sc_kvs_compact(w.kvs, &diag));
        else if (op < 996)
            do_reopen(&w);
        else
            compare_all(&w);
    }
    compare_all(&w);
    world_close(&w);
    printf("seed %" PRIu64 ": %u operations, %" PRIu64 " commits, %" PRIu64 " conflicts, %" PRIu64 " iterators, %" PRIu64
           " reopens, %" PRIu64 " flushes, %" PRIu64 " compactions\n",
           seed, ops, w.commits, w.conflicts, w.iterations, w.reopens, w.flushes, w.compactions);
    assert_true(w.commits != 0 && w.conflicts != 0 && w.iterations != 0 && w.reopens != 0);
    assert_true(w.flushes != 0 && w.compactions != 0);
    model_deinit(&w.model);
    sc_store_free(w.store);
}

static void random_operations_answer_as_the_model_does(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(20261122);
    run(seed, 6000, 300);
    run(seed + 1, 4000, 40);   /* many versions of few keys */
    run(seed + 2, 2500, 2000); /* larger, deeper */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_answer_as_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
