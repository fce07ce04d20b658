/* Writers, readers and compactions at once, and what each saw held against what it may see: snapshots whole and
 * unchanging, never going back, no lost update, one order of all transactions.  Under ThreadSanitizer in a soak. */
#include "suite.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

#define WRITERS  3
#define READERS  2
#define PLACES   24 /* each commit writes its number at all of them */
#define LISTS    6
#define LIST_MAX ((size_t)512)

static struct {
    struct sc_kvs *kvs;
    uint64_t rounds; /* of each writer */
    atomic_uint writers_left;
    _Atomic uint64_t commits, conflicts, snapshots, appends;
    _Atomic(const char *) wrong; /* asserts belong to the test's own thread */
} w;

static void wrong(const char *what)
{
    atomic_store(&w.wrong, what);
}

/* ---- (1) each commit is seen as a whole: writer n puts number i at PLACES keys spread over the volume ---- */

static struct sc_slice place_key(unsigned writer, unsigned place, char out[32])
{
    snprintf(out, 32, "%02u/writer/%u", place, writer);
    return sc_slice_str(out);
}

static sc_err numbers_commit(unsigned writer, uint64_t i)
{
    char key[32];
    uint8_t value[64] = {0};
    struct sc_kvs_txn *txn;
    sc_store_u64be(value, i);
    SC_TRY(sc_kvs_txn_begin(w.kvs, &txn));
    for (unsigned place = 0; place < PLACES; place++) {
        const sc_err err = sc_kvs_txn_put(txn, place_key(writer, place, key), sc_slice_of(value, sizeof value));
        if (err != SC_OK) {
            sc_kvs_txn_abort(txn);
            return err;
        }
    }
    return sc_kvs_txn_commit(txn, i % 8 == 0, NULL);
}

/* ---- (2) appends to lists by reading and writing them: nothing is lost, and all lists agree on the order ---- */

static sc_err list_append(struct sc_kvs_txn *txn, unsigned list, uint64_t number)
{
    char key[32];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    snprintf(key, sizeof key, "list/%u", list);
    const sc_err err = sc_kvs_txn_get(txn, sc_slice_str(key), &value, NULL);
    if (err != SC_OK && err != SC_E_NOT_FOUND)
        return err;
    if (value.size / 8 < LIST_MAX)
        sc_buf_put_u64be(&value, number);
    SC_TRY(sc_buf_status(&value));
    return sc_kvs_txn_put(txn, sc_slice_str(key), sc_buf_slice(&value));
}

static sc_err lists_append(struct sc_prng *p, uint64_t number)
{
    struct sc_kvs_txn *txn;
    SC_TRY(sc_kvs_txn_begin(w.kvs, &txn));
    const unsigned first = (unsigned)sc_prng_below(p, LISTS);
    sc_err err = list_append(txn, first, number);
    if (err == SC_OK)
        err = list_append(txn, (first + 1 + (unsigned)sc_prng_below(p, LISTS - 1)) % LISTS, number);
    if (err != SC_OK) {
        sc_kvs_txn_abort(txn);
        return err;
    }
    return sc_kvs_txn_commit(txn, false, NULL);
}

static void *writer(void *arg)
{
    const unsigned number = (unsigned)(uintptr_t)arg;
    struct sc_prng p;
    sc_prng_init_stream(&p, 3, number);
    for (uint64_t i = 1; i <= w.rounds && atomic_load(&w.wrong) == NULL; i++) {
        if (numbers_commit(number, i) != SC_OK) /* nobody else writes these keys */
            wrong("a commit without a rival failed");
        atomic_fetch_add(&w.commits, 1);
        const sc_err err = i % 4 == 0 ? lists_append(&p, i * WRITERS + number) : SC_OK;
        if (err == SC_E_CONFLICT)
            atomic_fetch_add(&w.conflicts, 1);
        else if (err != SC_OK)
            wrong("an append failed");
        else
            atomic_fetch_add(&w.appends, i % 4 == 0);
    }
    atomic_fetch_sub(&w.writers_left, 1);
    return NULL;
}

/* All numbers that a scan of the snapshot sees; false: an error. */
static bool numbers_scan(const struct sc_kvs_snapshot *snap, bool backward, uint64_t out[WRITERS][PLACES])
{
    struct sc_kvs_iter *it;
    bool valid = false;
    const struct sc_kvs_range range = {SC_SLICE_EMPTY, sc_slice_str("list/")};
    if (sc_kvs_iter_new(w.kvs, snap, &range, &it, NULL) != SC_OK)
        return false;
    sc_err err = backward ? sc_kvs_iter_last(it, &valid, NULL) : sc_kvs_iter_first(it, &valid, NULL);
    while (err == SC_OK && valid) {
        unsigned place = PLACES, number = WRITERS;
        char text[32] = {0};
        const struct sc_slice key = sc_kvs_iter_key(it);
        memcpy(text, key.ptr, key.size < 31 ? key.size : 31);
        if (sscanf(text, "%u/writer/%u", &place, &number) != 2 || place >= PLACES || number >= WRITERS)
            err = SC_E_MALFORMED;
        else
            out[number][place] = sc_load_u64be(sc_kvs_iter_value(it).ptr);
        if (err == SC_OK)
            err = backward ? sc_kvs_iter_prev(it, &valid, NULL) : sc_kvs_iter_next(it, &valid, NULL);
    }
    sc_kvs_iter_free(it);
    return err == SC_OK;
}

static bool numbers_agree(uint64_t seen[WRITERS][PLACES], uint64_t newest[WRITERS])
{
    for (unsigned n = 0; n < WRITERS; n++) {
        for (unsigned place = 1; place < PLACES; place++)
            if (seen[n][place] != seen[n][0]) {
                wrong("half a commit was seen");
                return false;
            }
        if (seen[n][0] < newest[n]) {
            wrong("a later snapshot saw an earlier state");
            return false;
        }
        newest[n] = seen[n][0];
    }
    return true;
}

static bool gets_agree(const struct sc_kvs_snapshot *snap, const uint64_t newest[WRITERS], struct sc_buf *value)
{
    char key[32];
    for (unsigned n = 0; n < WRITERS; n++) {
        sc_buf_reset(value);
        const sc_err err = sc_kvs_get(w.kvs, snap, place_key(n, 5, key), value, NULL);
        if (err != (newest[n] != 0 ? SC_OK : SC_E_NOT_FOUND) ||
            (err == SC_OK && sc_load_u64be(value->ptr) != newest[n]))
            return false;
    }
    return true;
}

static void *reader(void *arg)
{
    uint64_t newest[WRITERS] = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    bool backward = (uintptr_t)arg % 2 != 0;
    do {
        struct sc_kvs_snapshot *snap;
        uint64_t seen[WRITERS][PLACES] = {{0}}, again[WRITERS][PLACES] = {{0}};
        if (sc_kvs_snapshot_new(w.kvs, &snap) != SC_OK) {
            wrong("no snapshot");
            break;
        }
        if (!numbers_scan(snap, backward, seen) || !numbers_scan(snap, !backward, again))
            wrong("a scan failed");
        else if (memcmp(seen, again, sizeof seen) != 0)
            wrong("a snapshot changed");
        else if (numbers_agree(seen, newest) && !gets_agree(snap, newest, &value))
            wrong("a get and a scan of one snapshot differ");
        sc_kvs_snapshot_free(snap);
        atomic_fetch_add(&w.snapshots, 1);
        backward = !backward;
    } while (atomic_load(&w.writers_left) != 0 && atomic_load(&w.wrong) == NULL);
    return NULL;
}

static void *compactor(void *arg)
{
    (void)arg;
    do {
        if (sc_kvs_compact(w.kvs, NULL) != SC_OK || sc_kvs_verify(w.kvs, NULL, NULL, NULL) != SC_OK)
            wrong("compaction or verification failed");
    } while (atomic_load(&w.writers_left) != 0 && atomic_load(&w.wrong) == NULL);
    return NULL;
}

/* Each number stands in exactly two lists, and where two lists share two numbers they have them in one order. */
static void lists_check(uint64_t appends)
{
    static uint64_t lists[LISTS][LIST_MAX];
    size_t sizes[LISTS], total = 0, pairs = 0;
    bool full = false;
    for (unsigned l = 0; l < LISTS; l++) {
        char key[32];
        SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
        snprintf(key, sizeof key, "list/%u", l);
        const sc_err err = sc_kvs_get(w.kvs, NULL, sc_slice_str(key), &value, NULL);
        assert_true(err == SC_OK || err == SC_E_NOT_FOUND);
        sizes[l] = value.size / 8;
        full |= sizes[l] == LIST_MAX;
        total += sizes[l];
        for (size_t i = 0; i < sizes[l]; i++)
            lists[l][i] = sc_load_u64be(value.ptr + i * 8);
    }
    if (!full)
        assert_int_equal(total, appends * 2); /* else an update was lost */
    for (unsigned a = 0; a < LISTS; a++) {
        for (unsigned b = 0; b < LISTS; b++) {
            size_t at = 0; /* in b: shared numbers come in a's order */
            for (size_t i = 0; i < sizes[a] && a != b; i++) {
                size_t j = 0;
                while (j < sizes[b] && lists[b][j] != lists[a][i])
                    j++;
                if (j == sizes[b])
                    continue;
                if (j < at)
                    fail_msg("lists %u and %u disagree on the order of transactions", a, b);
                at = j;
                pairs++;
            }
        }
    }
    printf("%zu entries of lists, %zu shared by two\n", total, pairs);
}

static void what_each_thread_sees_is_one_history(void **state)
{
    (void)state;
    struct sc_store *store;
    struct test_counter counter = {0};
    pthread_t threads[WRITERS + READERS + 1];
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    const struct volume_options o = {
        .store = store, .counter = &counter, .memtable_size_max = 16 << 10, .block_cache_size_max = 32 << 10};
    w.rounds = suite_size(1500, 60000);
    w.writers_left = WRITERS;
    assert_int_equal(volume_open_with(&o, &w.kvs, NULL), SC_OK);
    for (uintptr_t i = 0; i < WRITERS + READERS + 1; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < WRITERS             ? writer
                                        : i < WRITERS + READERS ? reader
                                                                : compactor,
                                        (void *)i),
                         0);
    for (unsigned i = 0; i < WRITERS + READERS + 1; i++)
        pthread_join(threads[i], NULL);
    if (w.wrong != NULL)
        fail_msg("%s", w.wrong);
    struct sc_kvs_stats stats;
    sc_kvs_stats(w.kvs, &stats);
    printf("%" PRIu64 " commits, %" PRIu64 " conflicts, %" PRIu64 " flushes, %" PRIu64 " compactions, %" PRIu64
           " syncs\n",
           w.commits, w.conflicts, stats.flush_count, stats.compaction_count, stats.sync_count);
    assert_true(w.commits == WRITERS * w.rounds && stats.flush_count > 3 && stats.compaction_count > 3);
    lists_check(w.appends);
    sc_kvs_close(w.kvs);
    assert_int_equal(volume_open_with(&o, &w.kvs, NULL), SC_OK); /* and the same after another open */
    lists_check(w.appends);
    sc_kvs_close(w.kvs);
    sc_store_free(store);
    const struct suite_count c = {.injected_what = "concurrent commits",
                                  .detected_what = "snapshots compared",
                                  .injected = w.commits,
                                  .detected = w.snapshots};
    suite_report("history", &c, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_thread_sees_is_one_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
