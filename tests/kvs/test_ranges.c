/* Deleted ranges against a sorted array, through flushes, merges, snapshots and reopening; and what a transaction that
 * tracks its reads may not commit after. */
#include "model.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define KEYS   60
#define ROUNDS 6000

static void must_(const char *what, sc_err err, const struct sc_diag *diag)
{
    if (err != SC_OK)
        fail_msg("%s: %s", what, sc_diag_text(diag, err));
}
#define MUST(expr) must_(#expr, (expr), &diag)

struct world {
    struct sc_store *store;
    struct test_counter counter;
    struct sc_kvs *kvs;
    struct model model;
    struct sc_kvs_snapshot *snap;
    struct model snap_model;
    struct sc_prng prng;
};

static void world_open(struct world *w)
{
    struct sc_diag diag = { 0 };
    const struct sc_kvs_options opt = { .store = w->store,
                                        .root_key = &test_root_key,
                                        .counter = test_counter_of(&w->counter),
                                        .create = true,
                                        .memtable_size_max = 8 << 10,
                                        .block_cache_size_max = 1 << 20,
                                        .block_size = 512 };
    MUST(sc_kvs_open(&opt, &w->kvs, &diag));
}

static void world_deinit(struct world *w)
{
    sc_kvs_snapshot_free(w->snap);
    sc_kvs_close(w->kvs);
    model_deinit(&w->model);
    model_deinit(&w->snap_model);
    sc_store_free(w->store);
}

static struct sc_slice key_of(uint64_t n, char out[16])
{
    snprintf(out, 16, "k/%03u", (unsigned)n);
    return sc_slice_str(out);
}

static void model_delete_range(struct model *m, const struct sc_kvs_range *r)
{
    for (size_t i = model_lower(m, r->lower); i < m->count;) {
        const struct model_pair *p = &m->pairs[i];
        if (r->upper.size != 0 && sc_slice_cmp(model_key(p), r->upper) >= 0)
            break;
        struct sc_slice key = model_key(p);
        uint8_t copy[40];
        memcpy(copy, key.ptr, key.size);
        model_delete(m, sc_slice_of(copy, key.size));
    }
}

/* A few writes and a range deletion or two among them, by batch or transaction. */
static void step(struct world *w)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs_batch *batch = NULL;
    struct sc_kvs_txn *txn = NULL;
    struct model after = { 0 }, marked = { 0 };
    size_t mark = SIZE_MAX;
    const bool by_batch = sc_prng_below(&w->prng, 2) == 0;
    model_copy(&w->model, &after);
    if (by_batch)
        MUST(sc_kvs_batch_new(&batch));
    else
        MUST(sc_kvs_txn_begin(w->kvs, &txn));
    for (uint64_t n = 1 + sc_prng_below(&w->prng, 5); n != 0; n--) {
        char a[16], b[16], value[40];
        const uint64_t at = sc_prng_below(&w->prng, KEYS), kind = sc_prng_below(&w->prng, 8);
        const struct sc_slice key = key_of(at, a);
        snprintf(value, sizeof value, "value %" PRIu64, sc_prng_u64(&w->prng));
        const struct sc_kvs_range range = {
            .lower = sc_prng_below(&w->prng, 20) == 0 ? SC_SLICE_EMPTY : key,
            .upper = sc_prng_below(&w->prng, 20) == 0 ? SC_SLICE_EMPTY : key_of(at + sc_prng_below(&w->prng, 12), b),
        };
        if (kind < 5) {
            MUST(by_batch ? sc_kvs_batch_put(batch, key, sc_slice_str(value)) : sc_kvs_txn_put(txn, key, sc_slice_str(value)));
            model_put(&after, key, sc_slice_str(value));
        } else if (kind < 6) {
            MUST(by_batch ? sc_kvs_batch_delete(batch, key) : sc_kvs_txn_delete(txn, key));
            model_delete(&after, key);
        } else {
            MUST(by_batch ? sc_kvs_batch_delete_range(batch, &range) : sc_kvs_txn_delete_range(txn, &range));
            model_delete_range(&after, &range);
        }
        if (!by_batch && mark == SIZE_MAX && sc_prng_below(&w->prng, 4) == 0) {
            mark = sc_kvs_txn_mark(txn);
            model_copy(&after, &marked);
        }
    }
    if (mark != SIZE_MAX && sc_prng_below(&w->prng, 2) == 0) {
        sc_kvs_txn_rollback_to(txn, mark);
        model_copy(&marked, &after);
    }
    if (!by_batch) { /* the transaction sees what it did */
        struct sc_kvs_iter *it;
        bool valid;
        size_t i = 0;
        MUST(sc_kvs_txn_iter(txn, NULL, &it, &diag));
        for (MUST(sc_kvs_iter_first(it, &valid, &diag)); valid; i++) {
            assert_true(i < after.count && sc_slice_eq(sc_kvs_iter_key(it), model_key(&after.pairs[i])));
            assert_true(sc_slice_eq(sc_kvs_iter_value(it), model_value(&after.pairs[i])));
            MUST(sc_kvs_iter_next(it, &valid, &diag));
        }
        assert_int_equal(i, after.count);
        sc_kvs_iter_free(it);
        for (uint64_t n = 0; n < KEYS; n += 7) {
            char a[16];
            const struct sc_slice key = key_of(n, a);
            assert_int_equal(sc_kvs_txn_get(txn, key, NULL, &diag), model_get(&after, key) != NULL ? SC_OK : SC_E_NOT_FOUND);
        }
    }
    MUST(by_batch ? sc_kvs_write(w->kvs, batch, sc_prng_below(&w->prng, 4) == 0, &diag)
                  : sc_kvs_txn_commit(txn, sc_prng_below(&w->prng, 4) == 0, &diag));
    sc_kvs_batch_free(batch);
    model_copy(&after, &w->model);
    model_deinit(&after);
    model_deinit(&marked);
}

static void assert_equal(struct world *w, const struct sc_kvs_snapshot *snap, const struct model *expected)
{
    struct sc_diag diag = { 0 };
    struct model found = { 0 };
    MUST(model_read(w->kvs, snap, &found, &diag));
    assert_true(model_equal(&found, expected));
    model_deinit(&found);
    for (uint64_t n = 0; n < KEYS; n++) {
        char a[16];
        SC_CLEANUP(sc_buf_deinit) struct sc_buf value = { 0 };
        const struct sc_slice key = key_of(n, a);
        const struct model_pair *p = model_get(expected, key);
        assert_int_equal(sc_kvs_get(w->kvs, snap, key, &value, &diag), p != NULL ? SC_OK : SC_E_NOT_FOUND);
        assert_true(sc_slice_eq(sc_buf_slice(&value), p != NULL ? model_value(p) : SC_SLICE_EMPTY));
    }
}

static void random_range_deletions_answer_as_the_model_does(void **state)
{
    struct world w = { 0 };
    struct sc_diag diag = { 0 };
    const uint64_t seed = 311;
    unsigned reopens = 0, compactions = 0;
    (void)state;
    sc_prng_init(&w.prng, seed);
    MUST(sc_store_memory_new(&w.store));
    world_open(&w);
    for (unsigned i = 0; i < ROUNDS; i++) {
        step(&w);
        const uint64_t what = sc_prng_below(&w.prng, 200);
        if (what == 0) {
            sc_kvs_snapshot_free(w.snap);
            w.snap = NULL;
            sc_kvs_close(w.kvs);
            world_open(&w);
            reopens++;
        } else if (what == 1) {
            MUST(sc_kvs_compact(w.kvs, &diag));
            compactions++;
        } else if (what == 2) {
            sc_kvs_snapshot_free(w.snap);
            MUST(sc_kvs_snapshot_new(w.kvs, &w.snap));
            model_copy(&w.model, &w.snap_model);
        }
        if (i % 20 == 0)
            assert_equal(&w, NULL, &w.model);
        if (i % 20 == 10 && w.snap != NULL)
            assert_equal(&w, w.snap, &w.snap_model);
    }
    sc_kvs_snapshot_free(SC_TAKE(w.snap));
    MUST(sc_kvs_compact(w.kvs, &diag));
    assert_equal(&w, NULL, &w.model);
    MUST(sc_kvs_verify(w.kvs, NULL, NULL, &diag));
    struct sc_kvs_stats stats;
    sc_kvs_stats(w.kvs, &stats);
    assert_int_equal((int)stats.range_count, 0); /* what hides nothing any more is gone */
    print_message("seed %" PRIu64 ": %d commits, %u reopens, %u full merges, %u flushes since the last\n", seed, ROUNDS, reopens,
                  compactions, (unsigned)stats.flush_count);
    world_deinit(&w);
}

/* One transaction reads, another commits a write, the first commits a write elsewhere. */
enum { READ_NOTHING, READ_KEY, READ_ABSENT, READ_RANGE, READ_BACK, READ_END };
static sc_err read_then_write(struct world *w, int what, bool track, const char *other_key, bool other_range)
{
    struct sc_diag diag = { 0 };
    struct sc_kvs_txn *txn;
    struct sc_kvs_iter *it;
    struct sc_kvs_batch *other;
    bool valid;
    const struct sc_kvs_range range = { .lower = sc_slice_str("b"), .upper = sc_slice_str("f") };
    MUST(sc_kvs_txn_begin(w->kvs, &txn));
    if (track)
        sc_kvs_txn_track_reads(txn);
    if (what == READ_KEY || what == READ_ABSENT) {
        const sc_err err = sc_kvs_txn_get(txn, sc_slice_str(what == READ_KEY ? "c" : "cc"), NULL, &diag);
        assert_true(err == SC_OK || err == SC_E_NOT_FOUND);
    }
    if (what >= READ_RANGE) {
        MUST(sc_kvs_txn_iter(txn, &range, &it, &diag));
        MUST(what == READ_BACK ? sc_kvs_iter_last(it, &valid, &diag) : sc_kvs_iter_first(it, &valid, &diag));
        for (unsigned i = 0; valid && (i < 1 || what == READ_END); i++)
            MUST(what == READ_BACK ? sc_kvs_iter_prev(it, &valid, &diag) : sc_kvs_iter_next(it, &valid, &diag));
        sc_kvs_iter_free(it);
    }
    MUST(sc_kvs_txn_put(txn, sc_slice_str("z"), sc_slice_str("mine")));
    MUST(sc_kvs_batch_new(&other));
    if (other_range)
        MUST(sc_kvs_batch_delete_range(other, &(struct sc_kvs_range){ .lower = sc_slice_str(other_key), .upper = sc_slice_str("e") }));
    else
        MUST(sc_kvs_batch_put(other, sc_slice_str(other_key), sc_slice_str("theirs")));
    MUST(sc_kvs_write(w->kvs, other, false, &diag));
    sc_kvs_batch_free(other);
    return sc_kvs_txn_commit(txn, false, &diag);
}

static void a_transaction_that_tracks_its_reads_does_not_outlive_a_write_to_them(void **state)
{
    static const struct {
        int what;
        const char *other_key;
        bool other_range, conflict;
    } cases[] = {
        { READ_NOTHING, "c", false, false }, { READ_KEY, "c", false, true },     { READ_KEY, "d", false, false },
        { READ_KEY, "a", true, true },       { READ_ABSENT, "cc", false, true }, { READ_ABSENT, "c", false, false },
        { READ_RANGE, "b", false, true }, /* from b: b is there; then c */
        { READ_RANGE, "bb", false, true },   { READ_RANGE, "c", false, true },   { READ_RANGE, "cc", false, false },
        { READ_RANGE, "a", false, false },   { READ_BACK, "e", false, true },    { READ_BACK, "dd", false, true },
        { READ_BACK, "d", false, true },     { READ_BACK, "cc", false, false },  { READ_END, "ez", false, true },
        { READ_END, "f", false, false },
    };
    (void)state;
    for (unsigned flushed = 0; flushed < 2; flushed++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct world w = { 0 };
            struct sc_diag diag = { 0 };
            MUST(sc_store_memory_new(&w.store));
            world_open(&w);
            for (const char *k = "abcdefg"; *k != '\0'; k++)
                MUST(put_one(w.kvs, (char[]){ *k, '\0' }, "x", false, &diag));
            if (flushed != 0)
                MUST(sc_kvs_compact(w.kvs, &diag));
            const sc_err err = read_then_write(&w, cases[i].what, true, cases[i].other_key, cases[i].other_range);
            if (err != (cases[i].conflict ? SC_E_CONFLICT : SC_OK))
                fail_msg("case %zu: %d", i, (int)err);
            assert_int_equal(read_then_write(&w, cases[i].what, false, cases[i].other_key, cases[i].other_range), SC_OK);
            world_deinit(&w);
        }
    }
}

static void a_range_deletion_conflicts_with_a_write_in_the_range(void **state)
{
    struct world w = { 0 };
    struct sc_diag diag = { 0 };
    struct sc_kvs_txn *txn;
    (void)state;
    MUST(sc_store_memory_new(&w.store));
    world_open(&w);
    const struct sc_kvs_range range = { .lower = sc_slice_str("b"), .upper = sc_slice_str("d") };
    MUST(sc_kvs_txn_begin(w.kvs, &txn));
    MUST(sc_kvs_txn_delete_range(txn, &range));
    MUST(put_one(w.kvs, "c", "new", false, &diag));
    assert_int_equal(sc_kvs_txn_commit(txn, false, &diag), SC_E_CONFLICT);
    MUST(sc_kvs_get(w.kvs, NULL, sc_slice_str("c"), NULL, &diag));
    struct sc_kvs_txn *writer;
    MUST(sc_kvs_txn_begin(w.kvs, &writer));
    MUST(sc_kvs_txn_put(writer, sc_slice_str("bb"), sc_slice_str("x")));
    MUST(sc_kvs_txn_begin(w.kvs, &txn));
    MUST(sc_kvs_txn_delete_range(txn, &range));
    MUST(sc_kvs_txn_commit(txn, false, &diag));
    assert_int_equal(sc_kvs_txn_commit(writer, false, &diag), SC_E_CONFLICT);
    assert_int_equal(sc_kvs_get(w.kvs, NULL, sc_slice_str("c"), NULL, &diag), SC_E_NOT_FOUND);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_range_deletions_answer_as_the_model_does),
        cmocka_unit_test(a_transaction_that_tracks_its_reads_does_not_outlive_a_write_to_them),
        cmocka_unit_test(a_range_deletion_conflicts_with_a_write_in_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
