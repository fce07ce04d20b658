/* Many committers and readers at once: money moves between accounts, and its sum never changes. */
#include "model.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

#define ACCOUNTS   40
#define START      1000
#define WRITERS    4
#define READERS    2
#define TRANSFERS  250

struct bank {
    struct sc_kvs *kvs;
    atomic_uint writers_left;
    _Atomic uint64_t transfers, conflicts, sums;
    _Atomic int wrong; /* asserts belong to the test's own thread */
};
struct worker {
    struct bank *bank;
    unsigned number;
};

static struct sc_slice account_key(unsigned n, char out[32])
{
    snprintf(out, 32, "account/%04u", n);
    return sc_slice_str(out);
}

static sc_err account_add(struct sc_kvs_txn *txn, unsigned account, int64_t amount)
{
    char key[32];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = { 0 };
    uint8_t wire[8];
    SC_TRY(sc_kvs_txn_get(txn, account_key(account, key), &value, NULL));
    if (value.size != sizeof wire)
        return SC_E_MALFORMED;
    sc_store_u64be(wire, sc_load_u64be(value.ptr) + (uint64_t)amount);
    return sc_kvs_txn_put(txn, account_key(account, key), sc_slice_of(wire, sizeof wire));
}

static sc_err transfer(struct bank *b, struct sc_prng *p)
{
    struct sc_kvs_txn *txn;
    const unsigned from = (unsigned)sc_prng_below(p, ACCOUNTS);
    const unsigned to = (unsigned)sc_prng_below(p, ACCOUNTS);
    const int64_t amount = (int64_t)sc_prng_below(p, 10);
    SC_TRY(sc_kvs_txn_begin(b->kvs, &txn));
    sc_err err = account_add(txn, from, -amount);
    if (err == SC_OK)
        err = account_add(txn, to, amount);
    if (err != SC_OK) {
        sc_kvs_txn_abort(txn);
        return err;
    }
    return sc_kvs_txn_commit(txn, sc_prng_below(p, 2) == 0, NULL);
}

static void *writer(void *arg)
{
    const struct worker *w = arg;
    struct sc_prng p;
    sc_prng_init_stream(&p, 5, w->number);
    for (unsigned done = 0; done < TRANSFERS;) {
        const sc_err err = transfer(w->bank, &p);
        if (err == SC_OK)
            done++;
        atomic_fetch_add(err == SC_OK ? &w->bank->transfers : &w->bank->conflicts, 1);
        if (err != SC_OK && err != SC_E_CONFLICT) {
            atomic_store(&w->bank->wrong, 1);
            break;
        }
    }
    atomic_fetch_sub(&w->bank->writers_left, 1);
    return NULL;
}

static uint64_t sum(struct sc_kvs *kvs, bool backward)
{
    struct sc_kvs_iter *it;
    bool valid = false;
    uint64_t total = 0;
    if (sc_kvs_iter_new(kvs, NULL, NULL, &it, NULL) != SC_OK)
        return 0;
    sc_err err = backward ? sc_kvs_iter_last(it, &valid, NULL) : sc_kvs_iter_first(it, &valid, NULL);
    while (err == SC_OK && valid) {
        total += sc_load_u64be(sc_kvs_iter_value(it).ptr);
        err = backward ? sc_kvs_iter_prev(it, &valid, NULL) : sc_kvs_iter_next(it, &valid, NULL);
    }
    sc_kvs_iter_free(it);
    return total;
}

static void *reader(void *arg)
{
    const struct worker *w = arg;
    do {
        if (sum(w->bank->kvs, w->number % 2 == 0) != (uint64_t)ACCOUNTS * START)
            atomic_store(&w->bank->wrong, 2);
        atomic_fetch_add(&w->bank->sums, 1);
    } while (atomic_load(&w->bank->writers_left) != 0);
    return NULL;
}

static void *compactor(void *arg)
{
    const struct worker *w = arg;
    do {
        if (sc_kvs_compact(w->bank->kvs, NULL) != SC_OK || sc_kvs_verify(w->bank->kvs, NULL, NULL, NULL) != SC_OK)
            atomic_store(&w->bank->wrong, 3);
    } while (atomic_load(&w->bank->writers_left) != 0);
    return NULL;
}

static void money_is_neither_made_nor_lost_by_concurrent_transfers(void **state)
{
    struct sc_store *store;
    struct test_counter counter = { 0 };
    struct bank bank = { .writers_left = WRITERS };
    (void)state;
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    const struct sc_kvs_options opt = {
        .store = store, .root_key = &test_root_key, .counter = test_counter_of(&counter), .create = true,
        .memtable_size_max = 8 << 10, .block_cache_size_max = 32 << 10, .block_size = 256,
    };
    assert_int_equal(sc_kvs_open(&opt, &bank.kvs, NULL), SC_OK);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char key[32];
        uint8_t wire[8];
        struct sc_kvs_txn *txn;
        sc_store_u64be(wire, START);
        assert_int_equal(sc_kvs_txn_begin(bank.kvs, &txn), SC_OK);
        assert_int_equal(sc_kvs_txn_put(txn, account_key(i, key), sc_slice_of(wire, sizeof wire)), SC_OK);
        assert_int_equal(sc_kvs_txn_commit(txn, false, NULL), SC_OK);
    }
    pthread_t threads[WRITERS + READERS + 1];
    struct worker workers[WRITERS + READERS + 1];
    for (unsigned i = 0; i < WRITERS + READERS + 1; i++) {
        workers[i] = (struct worker){ &bank, i };
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < WRITERS ? writer : i < WRITERS + READERS ? reader : compactor, &workers[i]),
                         0);
    }
    for (unsigned i = 0; i < WRITERS + READERS + 1; i++)
        pthread_join(threads[i], NULL);
    struct sc_kvs_stats stats;
    sc_kvs_stats(bank.kvs, &stats);
    printf("%" PRIu64 " transfers, %" PRIu64 " conflicts, %" PRIu64 " sums, %" PRIu64 " flushes, %" PRIu64
           " compactions, %" PRIu64 " syncs\n",
           bank.transfers, bank.conflicts, bank.sums, stats.flush_count, stats.compaction_count, stats.sync_count);
    assert_int_equal(bank.wrong, 0);
    assert_int_equal(bank.transfers, WRITERS * TRANSFERS);
    assert_true(bank.sums != 0 && stats.flush_count != 0 && stats.compaction_count != 0);
    sc_kvs_close(bank.kvs);
    assert_int_equal(sc_kvs_open(&opt, &bank.kvs, NULL), SC_OK);
    assert_int_equal(sum(bank.kvs, false), (uint64_t)ACCOUNTS * START);
    sc_kvs_close(bank.kvs);
    sc_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_neither_made_nor_lost_by_concurrent_transfers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
