/* No key seals two messages under one nonce, through crashes, failures, take-overs and clones; no plaintext reaches the
 * store (design D14).  The linker puts the functions below in place of the engine's sc_aead_new, _seal and _free. */
#include "suite.h"

#include "store/fault.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

sc_err __real_sc_aead_new(struct sc_aead **out, const struct sc_key *key);
sc_err __wrap_sc_aead_new(struct sc_aead **out, const struct sc_key *key);
sc_err __real_sc_aead_seal(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice plain, uint8_t *out, uint8_t tag_out[static 16]);
sc_err __wrap_sc_aead_seal(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice plain, uint8_t *out, uint8_t tag_out[static 16]);
void __real_sc_aead_free(struct sc_aead *aead);
void __wrap_sc_aead_free(struct sc_aead *aead);
void __wrap_sc_aead_freep(struct sc_aead **aead);

/* ---- who has which key, and what was sealed ---- */

#define AEADS_MAX 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static struct {
    const struct sc_aead *aead; /* NULL: free */
    struct sc_key key;
} aeads[AEADS_MAX];
struct mark {
    uint8_t bytes[16]; /* the first of SHA-256(key || nonce) */
};
static struct mark *sealed; /* one a seal; open addressing */
static size_t slots;
static struct {
    uint64_t seals, bytes, keys, repeats, unknown_keys;
} counts;

static size_t aead_find(const struct sc_aead *aead)
{
    size_t i = 0;
    while (i < AEADS_MAX && aeads[i].aead != aead)
        i++;
    return i;
}

sc_err __wrap_sc_aead_new(struct sc_aead **out, const struct sc_key *key)
{
    const sc_err err = __real_sc_aead_new(out, key);
    if (err != SC_OK)
        return err;
    pthread_mutex_lock(&lock);
    const size_t i = aead_find(NULL);
    SC_ASSERT(i < AEADS_MAX);
    aeads[i].aead = *out;
    aeads[i].key = *key;
    counts.keys++;
    pthread_mutex_unlock(&lock);
    return SC_OK;
}

void __wrap_sc_aead_free(struct sc_aead *aead)
{
    pthread_mutex_lock(&lock);
    const size_t i = aead != NULL ? aead_find(aead) : AEADS_MAX;
    if (i < AEADS_MAX)
        aeads[i].aead = NULL;
    pthread_mutex_unlock(&lock);
    __real_sc_aead_free(aead);
}

void __wrap_sc_aead_freep(struct sc_aead **aead)
{
    __wrap_sc_aead_free(*aead);
}

static void seal_note(const struct sc_aead *aead, const uint8_t nonce[static 12], size_t size)
{
    uint8_t both[sizeof(struct sc_key) + 12];
    struct sc_hash h;
    const size_t who = aead_find(aead);
    if (who == AEADS_MAX) {
        counts.unknown_keys++;
        return;
    }
    memcpy(both, aeads[who].key.bytes, sizeof(struct sc_key));
    memcpy(both + sizeof(struct sc_key), nonce, 12);
    sc_hash_of(sc_slice_of(both, sizeof both), &h);
    counts.seals++;
    counts.bytes += size;
    SC_ASSERT(counts.seals < slots / 2);
    static const struct mark empty;
    struct mark m;
    memcpy(m.bytes, h.bytes, sizeof m.bytes);
    size_t i = (size_t)sc_load_u64be(h.bytes) % slots;
    for (; memcmp(&sealed[i], &empty, sizeof empty) != 0; i = (i + 1) % slots)
        if (memcmp(&sealed[i], &m, sizeof m) == 0) {
            counts.repeats++;
            return;
        }
    sealed[i] = m;
}

sc_err __wrap_sc_aead_seal(struct sc_aead *aead, const uint8_t nonce[static 12], struct sc_slice aad,
                           struct sc_slice plain, uint8_t *out, uint8_t tag_out[static 16])
{
    pthread_mutex_lock(&lock);
    seal_note(aead, nonce, plain.size);
    pthread_mutex_unlock(&lock);
    return __real_sc_aead_seal(aead, nonce, aad, plain, out, tag_out);
}

/* ---- canaries ---- */

#define CANARY_KEY   "CANARY-key-5f1d"
#define CANARY_VALUE "CANARY-value-93b7-in-the-clear"
static uint64_t bytes_searched, objects_searched;

static void expect_no_canary(const char *name, struct sc_slice bytes)
{
    static const char *const words[] = {"CANARY", "5f1d", "93b7-in", "key/0", "the-clear"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t size = strlen(words[i]);
        if (size > 4 && memmem(bytes.ptr, bytes.size, words[i], size) != NULL)
            fail_msg("object %s holds \"%s\" in the clear", name, words[i]);
    }
    if (strcmp(name, "root") != 0 && (strlen(name) != 32 || strspn(name, "0123456789abcdef") != 32))
        fail_msg("object %s: its name tells something", name);
    bytes_searched += bytes.size;
    objects_searched++;
}

/* All objects, and all that ever were. */
static void search(struct sc_store *disk)
{
    char(*names)[65];
    size_t count;
    assert_int_equal(sc_store_memory_names(disk, &names, &count), SC_OK);
    snprintf(names[count++], 65, "root");
    for (size_t i = 0; i < count; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
        if (sc_store_memory_content(disk, names[i], &bytes) == SC_OK)
            expect_no_canary(names[i], sc_buf_slice(&bytes));
    }
    free(names);
    for (size_t i = 0; i < sc_store_memory_history_count(disk); i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
        char name[65];
        assert_int_equal(sc_store_memory_history(disk, i, name, &bytes), SC_OK);
        expect_no_canary(name, sc_buf_slice(&bytes));
    }
}

static void canary_put(const struct volume_options *o)
{
    struct sc_kvs *kvs;
    assert_int_equal(volume_open_with(o, &kvs, NULL), SC_OK);
    for (unsigned i = 0; i < 40; i++) {
        char key[48], value[120];
        snprintf(key, sizeof key, "%s/%u", CANARY_KEY, i);
        snprintf(value, sizeof value, "%s%s%s", CANARY_VALUE, i % 2 != 0 ? CANARY_VALUE : "", CANARY_VALUE);
        assert_int_equal(put_one(kvs, key, value, i % 4 == 0, NULL), SC_OK);
    }
    sc_kvs_close(kvs);
}

/* ---- the runs ---- */

static void expect_unique(const char *what)
{
    if (counts.repeats != 0)
        fail_msg("%s: a key sealed twice under one nonce", what);
    if (counts.unknown_keys != 0)
        fail_msg("%s: sealed with a key from nowhere", what);
}

static uint64_t faults;

static bool fault_at(const struct trace *t, uint64_t nth, enum sc_store_fault fault, bool searches)
{
    struct sc_store *disk, *store;
    struct test_counter counter = {0};
    struct trace_outcome out;
    struct sc_prng prng;
    char what[80];
    snprintf(what, sizeof what, "seed %" PRIu64 ", fault at call %" PRIu64, t->seed, nth);
    sc_prng_init_stream(&prng, t->seed, nth);
    assert_int_equal(sc_store_memory_new(&disk), SC_OK);
    sc_store_memory_keep_history(disk);
    assert_int_equal(sc_store_fault_new(&(struct sc_store_fault_options){.below = disk, .seed = nth}, &store), SC_OK);
    const struct volume_options o = {.store = store, .counter = &counter};
    if (searches)
        canary_put(&o);
    sc_store_fault_arm(store, nth, fault);
    trace_run(t, &o, 0, t->steps, &out);
    const bool fired = sc_store_fault_fired(store) != 0;
    faults += fired;
    sc_store_memory_power_cycle(disk, (enum sc_store_cut)(nth % SC_STORE_CUT_COUNT), &prng);
    sc_store_fault_arm(store, 0, fault);
    trace_run(t, &o, 0, t->steps, &out); /* whatever is there: on and over */
    expect_unique(what);
    if (searches)
        search(disk);
    sc_store_free(store);
    sc_store_free(disk);
    return fired;
}

/* One picture of a machine's disk and counter, started twice; both go the same way. */
static void clones_run(const struct trace *t)
{
    struct test_counter counters[3] = {{0}, {0}, {0}};
    struct sc_store *stores[3];
    struct trace_outcome out;
    assert_int_equal(sc_store_memory_new(&stores[0]), SC_OK);
    struct volume_options o = {.store = stores[0], .counter = &counters[0]};
    trace_run(t, &o, 0, t->steps / 2, &out);
    assert_false(out.failed);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(sc_store_memory_clone(stores[0], &stores[i]), SC_OK);
        counters[i] = counters[0];
    }
    for (size_t i = 0; i < 3; i++) {
        o = (struct volume_options){.store = stores[i], .counter = &counters[i]};
        trace_run(t, &o, t->steps / 2, t->steps, &out);
        assert_false(out.failed);
    }
    expect_unique("clones");
    for (size_t i = 0; i < 3; i++)
        sc_store_free(stores[i]);
}

static void no_nonce_is_used_twice_and_nothing_is_stored_in_the_clear(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(89);
    const uint64_t seeds = suite_size(2, 40);
    uint64_t clones = 0;
    slots = (size_t)1 << (suite_soak() ? 25 : 20);
    sealed = calloc(slots, sizeof *sealed);
    assert_non_null(sealed);
    for (uint64_t s = 0; s < seeds; s++) {
        struct trace t;
        if (!suite_mine(s))
            continue;
        trace_init(&t, seed + s, 50);
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            fired = fault_at(&t, nth, SC_STORE_FAULT_OFF, nth % 8 == 0);
            fired |= fault_at(&t, nth, nth % 2 != 0 ? SC_STORE_FAULT_DONE : SC_STORE_FAULT_SHORT, nth % 8 == 4);
        }
        for (unsigned i = 0; i < 20; i++, clones++)
            clones_run(&t);
        trace_deinit(&t);
        suite_progress("nonces, seeds", s + 1, seeds);
    }
    free(sealed);
    printf("%" PRIu64 " seals of %" PRIu64 " bytes under %" PRIu64 " keys, %" PRIu64 " repeated; %" PRIu64
           " objects of %" PRIu64 " bytes searched\n",
           counts.seals, counts.bytes, counts.keys, counts.repeats, objects_searched, bytes_searched);
    const struct suite_count c = {.injected_what = "crashes, failures and clones",
                                  .detected_what = "seals compared",
                                  .injected = faults + clones,
                                  .detected = counts.seals};
    suite_report("nonces", &c, 20000);
    assert_true(objects_searched > 1000 && counts.keys > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_nonce_is_used_twice_and_nothing_is_stored_in_the_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
