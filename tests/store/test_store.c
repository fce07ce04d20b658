/* What store.h promises, kept by both stores; what only the directory does; and the faults of the one in memory. */
#include "base/file.h"
#include "store/fault.h"
#include "store/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[80];

static void dir_make(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.50s/sc-store-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static void dir_drop(void)
{
    assert_int_equal(sc_dir_remove(dir, NULL), SC_OK);
}

static sc_err count_name(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
    return SC_OK;
}

static void expect_content(struct sc_store *s, const char *name, const char *text)
{
    uint8_t out[64];
    uint64_t size = 0;
    assert_int_equal(s->ops->size(s, name, &size, NULL), SC_OK);
    assert_int_equal(size, strlen(text));
    assert_int_equal(s->ops->get(s, name, 0, (size_t)size, out, NULL), SC_OK);
    assert_memory_equal(out, text, (size_t)size);
}

static void expect_contract(struct sc_store *s)
{
    uint8_t out[64];
    uint64_t size;
    struct sc_store_append *a;
    assert_int_equal(s->ops->get(s, "none", 0, 1, out, NULL), SC_E_NOT_FOUND);
    assert_int_equal(s->ops->size(s, "none", &size, NULL), SC_E_NOT_FOUND);
    assert_int_equal(s->ops->remove(s, "none", NULL), SC_OK);
    assert_int_equal(s->ops->put(s, "a", sc_slice_str("one"), NULL), SC_OK);
    assert_int_equal(s->ops->put(s, "a", sc_slice_str("another"), NULL), SC_OK);
    expect_content(s, "a", "another");
    assert_int_equal(s->ops->get(s, "a", 2, 3, out, NULL), SC_OK);
    assert_memory_equal(out, "oth", 3);
    assert_int_equal(s->ops->get(s, "a", 5, 3, out, NULL), SC_E_MALFORMED);
    assert_int_equal(s->ops->get(s, "a", UINT64_MAX - 1, 3, out, NULL), SC_E_MALFORMED);
    assert_int_equal(s->ops->append_open(s, "log", &a, NULL), SC_OK);
    expect_content(s, "log", "");
    assert_int_equal(s->ops->append(a, sc_slice_str("to"), NULL), SC_OK);
    assert_int_equal(s->ops->append(a, sc_slice_str("gether"), NULL), SC_OK);
    assert_int_equal(s->ops->append_sync(a, NULL), SC_OK);
    s->ops->append_close(a);
    expect_content(s, "log", "together");
    assert_int_equal(s->ops->append_open(s, "log", &a, NULL), SC_E_EXISTS);
    unsigned count = 0;
    assert_int_equal(s->ops->list(s, count_name, &count, NULL), SC_OK);
    assert_int_equal(count, 2);
    assert_int_equal(s->ops->remove(s, "a", NULL), SC_OK);
    assert_int_equal(s->ops->get(s, "a", 0, 1, out, NULL), SC_E_NOT_FOUND);
}

static void expect_root_contract(struct sc_store *s)
{
    uint8_t out[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 1;
    assert_int_equal(s->ops->root_get(s, out, &size, NULL), SC_OK);
    assert_int_equal(size, 0);
    assert_int_equal(s->ops->root_cas(s, sc_slice_str("x"), sc_slice_str("r1"), NULL), SC_E_CONFLICT);
    assert_int_equal(s->ops->root_cas(s, SC_SLICE_EMPTY, sc_slice_str("r1"), NULL), SC_OK);
    assert_int_equal(s->ops->root_cas(s, SC_SLICE_EMPTY, sc_slice_str("r2"), NULL), SC_E_CONFLICT);
    assert_int_equal(s->ops->root_cas(s, sc_slice_str("r1"), sc_slice_str("r2"), NULL), SC_OK);
    assert_int_equal(s->ops->root_get(s, out, &size, NULL), SC_OK);
    assert_true(sc_slice_eq(sc_slice_of(out, size), sc_slice_str("r2")));
}

static void a_directory_keeps_the_contract_and_what_it_was_given(void **state)
{
    struct sc_store *s;
    uint8_t out[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 0;
    (void)state;
    dir_make();
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    expect_contract(s);
    expect_root_contract(s);
    sc_store_free(s);
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    expect_content(s, "log", "together");
    assert_int_equal(s->ops->root_get(s, out, &size, NULL), SC_OK);
    assert_int_equal(size, 2);
    sc_store_free(s);
    dir_drop();
}

static void a_directory_in_use_is_refused(void **state)
{
    struct sc_store *first, *second;
    struct sc_diag diag = {0};
    (void)state;
    dir_make();
    assert_int_equal(sc_store_dir_open(dir, &first, NULL), SC_OK);
    assert_int_equal(sc_store_dir_open(dir, &second, &diag), SC_E_CONFLICT);
    assert_non_null(strstr(diag.text, "in use"));
    sc_store_free(first);
    assert_int_equal(sc_store_dir_open(dir, &second, NULL), SC_OK);
    sc_store_free(second);
    dir_drop();
}

static void a_half_put_object_is_gone_after_the_next_open(void **state)
{
    struct sc_store *s;
    char path[120];
    (void)state;
    dir_make();
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    sc_store_free(s);
    snprintf(path, sizeof path, "%s/t.half", dir);
    assert_int_equal(sc_file_write(path, sc_slice_str("ha"), 0600, NULL), SC_OK);
    assert_int_equal(sc_store_dir_open(dir, &s, NULL), SC_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    sc_store_free(s);
    dir_drop();
}

static void memory_keeps_the_contract(void **state)
{
    struct sc_store *s;
    (void)state;
    assert_int_equal(sc_store_memory_new(&s), SC_OK);
    expect_contract(s);
    expect_root_contract(s);
    sc_store_free(s);
}

#define ZEROS_MAX 12288 /* space made ready behind the end */

static void a_power_cut_takes_what_was_not_synced(void **state)
{
    struct sc_store *s;
    struct sc_store_append *a;
    struct sc_prng prng;
    unsigned shorter = 0, changed = 0, whole = 0, zeros = 0;
    (void)state;
    sc_prng_init(&prng, 3);
    for (unsigned i = 0; i < 200; i++) {
        uint8_t tail[600], out[605 + ZEROS_MAX];
        uint64_t size;
        memset(tail, 'x', sizeof tail);
        assert_int_equal(sc_store_memory_new(&s), SC_OK);
        assert_int_equal(s->ops->append_open(s, "log", &a, NULL), SC_OK);
        assert_int_equal(s->ops->append(a, sc_slice_str("firm,"), NULL), SC_OK);
        assert_int_equal(s->ops->append_sync(a, NULL), SC_OK);
        assert_int_equal(s->ops->append(a, sc_slice_of(tail, sizeof tail), NULL), SC_OK);
        s->ops->append_close(a);
        sc_store_memory_power_cycle(s,
                                    i == 0   ? SC_STORE_CUT_DROP
                                    : i == 1 ? SC_STORE_CUT_KEEP
                                             : SC_STORE_CUT_TORN,
                                    &prng);
        assert_int_equal(s->ops->size(s, "log", &size, NULL), SC_OK);
        assert_in_range(size, i == 1 ? 605 : 5, i == 0 ? 5 : 605 + (i > 1 ? ZEROS_MAX : 0));
        assert_int_equal(s->ops->get(s, "log", 0, (size_t)size, out, NULL), SC_OK);
        assert_memory_equal(out, "firm,", 5);
        zeros += size > 605;
        if (size < 605)
            shorter++;
        else if (memcmp(out + 5, tail, sizeof tail) != 0)
            changed++;
        else
            whole++;
        sc_store_free(s);
    }
    assert_true(shorter > 10 && changed > 10 && whole > 1 && zeros > 10);
}

static void the_nth_call_fails_with_or_without_effect(void **state)
{
    struct sc_store *s;
    (void)state;
    for (unsigned with_effect = 0; with_effect < 2; with_effect++) {
        uint64_t size;
        assert_int_equal(sc_store_memory_new(&s), SC_OK);
        sc_store_memory_fail_at(s, 2, true, with_effect != 0);
        assert_int_equal(s->ops->put(s, "a", sc_slice_str("1"), NULL), SC_OK);
        assert_false(sc_store_memory_failed(s));
        assert_int_equal(s->ops->put(s, "b", sc_slice_str("2"), NULL), SC_E_IO);
        assert_true(sc_store_memory_failed(s));
        assert_int_equal(s->ops->size(s, "b", &size, NULL), with_effect != 0 ? SC_OK : SC_E_NOT_FOUND);
        assert_int_equal(sc_store_memory_calls(s), 3);
        sc_store_free(s);
    }
}

static void log_of_three(struct sc_store *s, struct sc_store_append **out)
{
    assert_int_equal(s->ops->append_open(s, "log", out, NULL), SC_OK);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(s->ops->append(*out, sc_slice_str(i == 0 ? "one," : i == 1 ? "two," : "three"), NULL), SC_OK);
}

static void a_power_cut_may_keep_a_later_write_and_lose_the_one_before(void **state)
{
    struct sc_prng prng;
    unsigned holes = 0, back = 0, whole = 0;
    (void)state;
    sc_prng_init(&prng, 4);
    for (unsigned i = 0; i < 100; i++) {
        struct sc_store *s;
        struct sc_store_append *a;
        uint8_t out[13 + ZEROS_MAX];
        uint64_t size = 0;
        assert_int_equal(sc_store_memory_new(&s), SC_OK);
        sc_store_memory_keep_history(s);
        assert_int_equal(s->ops->put(s, "gone", sc_slice_str("x"), NULL), SC_OK);
        assert_int_equal(s->ops->remove(s, "gone", NULL), SC_OK);
        log_of_three(s, &a);
        s->ops->append_close(a);
        sc_store_memory_power_cycle(s, SC_STORE_CUT_REORDER, &prng);
        assert_int_equal(s->ops->size(s, "log", &size, NULL), SC_OK);
        assert_true(size <= sizeof out);
        assert_int_equal(s->ops->get(s, "log", 0, (size_t)size, out, NULL), SC_OK);
        if (size >= 13 && memcmp(out + 8, "three", 5) == 0 && memcmp(out + 4, "two,", 4) != 0)
            holes++;
        whole += size >= 13 && memcmp(out, "one,two,three", 13) == 0;
        back += s->ops->size(s, "gone", &size, NULL) == SC_OK;
        sc_store_free(s);
    }
    printf("%u holes, %u whole, %u removals undone, of 100\n", holes, whole, back);
    assert_true(holes > 5 && whole > 3 && back > 20 && back < 80);
}

static void history_keeps_what_was_replaced_and_removed(void **state)
{
    struct sc_store *s;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf old = {0};
    char name[65];
    struct sc_store_append *a;
    size_t ends[4];
    (void)state;
    assert_int_equal(sc_store_memory_new(&s), SC_OK);
    sc_store_memory_keep_history(s);
    assert_int_equal(s->ops->root_cas(s, SC_SLICE_EMPTY, sc_slice_str("r1"), NULL), SC_OK);
    assert_int_equal(s->ops->root_cas(s, sc_slice_str("r1"), sc_slice_str("r2"), NULL), SC_OK);
    assert_int_equal(s->ops->put(s, "a", sc_slice_str("first"), NULL), SC_OK);
    assert_int_equal(s->ops->remove(s, "a", NULL), SC_OK);
    assert_int_equal(sc_store_memory_history_count(s), 2);
    assert_int_equal(sc_store_memory_history(s, 0, name, &old), SC_OK);
    assert_string_equal(name, "root");
    assert_true(sc_slice_eq(sc_buf_slice(&old), sc_slice_str("r1")));
    sc_buf_reset(&old);
    assert_int_equal(sc_store_memory_history(s, 1, name, &old), SC_OK);
    assert_string_equal(name, "a");
    assert_true(sc_slice_eq(sc_buf_slice(&old), sc_slice_str("first")));
    log_of_three(s, &a);
    s->ops->append_close(a);
    assert_int_equal(sc_store_memory_appends(s, "log", ends, 4), 3);
    assert_true(ends[0] == 4 && ends[1] == 8 && ends[2] == 13);
    sc_store_free(s);
}

/* ---- the store of faults ---- */

struct pair {
    struct sc_store *below, *fault;
    uint64_t slept_us;
    unsigned begun, ended;
};

static void pair_sleep(void *arg, uint64_t us)
{
    ((struct pair *)arg)->slept_us += us;
}

static void pair_watch(void *arg, enum sc_store_call call, bool done)
{
    struct pair *p = arg;
    (void)call;
    *(done ? &p->ended : &p->begun) += 1;
}

static void pair_make(struct pair *p)
{
    *p = (struct pair){0};
    assert_int_equal(sc_store_memory_new(&p->below), SC_OK);
    const struct sc_store_fault_options opt = {
        .below = p->below, .seed = 11, .sleep = pair_sleep, .watch = pair_watch, .arg = p};
    assert_int_equal(sc_store_fault_new(&opt, &p->fault), SC_OK);
}

static void pair_free(struct pair *p)
{
    sc_store_free(p->fault);
    sc_store_free(p->below);
}

static void without_faults_the_store_of_faults_keeps_the_contract(void **state)
{
    struct pair p;
    (void)state;
    pair_make(&p);
    expect_contract(p.fault);
    expect_root_contract(p.fault);
    assert_true(sc_store_fault_calls(p.fault) == p.begun && p.begun == p.ended && p.begun > 20);
    assert_int_equal(sc_store_fault_fired(p.fault), 0);
    pair_free(&p);
}

static void each_fault_does_to_a_call_what_it_says_once(void **state)
{
    static const struct {
        enum sc_store_fault fault;
        sc_err append, get;
        int size; /* of four bytes appended; -1: by chance */
    } expected[] = {
        {SC_STORE_FAULT_EIO, SC_E_IO, SC_E_IO, 0},
        {SC_STORE_FAULT_ENOSPC, SC_E_IO, SC_E_IO, 0},
        {SC_STORE_FAULT_SHORT, SC_E_IO, SC_E_MALFORMED, 2},
        {SC_STORE_FAULT_TIMEOUT, SC_E_IO, SC_E_IO, -1},
        {SC_STORE_FAULT_DONE, SC_E_IO, SC_E_IO, 4},
        {SC_STORE_FAULT_FLIP, SC_OK, SC_OK, 4},
        {SC_STORE_FAULT_LOST, SC_OK, SC_OK, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct pair p;
        struct sc_store_append *a;
        uint64_t size = 0;
        uint8_t out[6];
        pair_make(&p);
        assert_int_equal(p.fault->ops->put(p.fault, "o", sc_slice_str("object"), NULL), SC_OK);
        assert_int_equal(p.fault->ops->append_open(p.fault, "log", &a, NULL), SC_OK);
        sc_store_fault_arm(p.fault, 1, expected[i].fault);
        assert_int_equal(p.fault->ops->append(a, sc_slice_str("1234"), NULL), expected[i].append);
        assert_int_equal(p.below->ops->size(p.below, "log", &size, NULL), SC_OK);
        assert_true(expected[i].size < 0 || (uint64_t)expected[i].size == size);
        sc_store_fault_arm(p.fault, 1, expected[i].fault);
        assert_int_equal(p.fault->ops->get(p.fault, "o", 0, 6, out, NULL), expected[i].get);
        assert_true(expected[i].get != SC_OK || memcmp(out, "object", 6) != 0);
        assert_int_equal(p.fault->ops->get(p.fault, "o", 0, 6, out, NULL), SC_OK); /* once */
        assert_memory_equal(out, "object", 6);
        assert_int_equal(sc_store_fault_fired(p.fault), 2);
        assert_int_equal(sc_store_fault_last(p.fault), SC_STORE_CALL_GET);
        assert_true((p.slept_us != 0) == (expected[i].fault == SC_STORE_FAULT_TIMEOUT));
        p.fault->ops->append_close(a);
        pair_free(&p);
    }
}

static void a_sync_that_failed_once_never_makes_durable_what_it_then_says_it_did(void **state)
{
    struct pair p;
    struct sc_store_append *a;
    uint64_t size = 1;
    (void)state;
    pair_make(&p);
    log_of_three(p.fault, &a);
    sc_store_fault_arm(p.fault, 1, SC_STORE_FAULT_SYNC_ONCE);
    assert_int_equal(p.fault->ops->append_sync(a, NULL), SC_E_IO);
    assert_int_equal(p.fault->ops->append_sync(a, NULL), SC_OK);
    p.fault->ops->append_close(a);
    sc_store_memory_power_cycle(p.below, SC_STORE_CUT_DROP, NULL);
    assert_int_equal(p.below->ops->size(p.below, "log", &size, NULL), SC_OK);
    assert_int_equal(size, 0);
    pair_free(&p);
}

static void with_the_power_off_nothing_answers_and_storms_and_delays_can_be_ended(void **state)
{
    struct pair p;
    uint64_t size;
    (void)state;
    pair_make(&p);
    assert_int_equal(p.fault->ops->put(p.fault, "o", sc_slice_str("object"), NULL), SC_OK);
    sc_store_fault_arm(p.fault, 2, SC_STORE_FAULT_OFF);
    assert_int_equal(p.fault->ops->size(p.fault, "o", &size, NULL), SC_OK);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(p.fault->ops->size(p.fault, "o", &size, NULL), SC_E_IO);
    sc_store_fault_arm(p.fault, 0, SC_STORE_FAULT_OFF);
    assert_int_equal(p.fault->ops->size(p.fault, "o", &size, NULL), SC_OK);
    sc_store_fault_storm(p.fault, 1u << SC_STORE_FAULT_EIO | 1u << SC_STORE_FAULT_ENOSPC, 3);
    sc_store_fault_delay(p.fault, 1000);
    unsigned failed = 0;
    for (unsigned i = 0; i < 300; i++)
        failed += p.fault->ops->size(p.fault, "o", &size, NULL) == SC_E_IO;
    assert_in_range(failed, 60, 140);
    assert_in_range(p.slept_us, 100000, 200000);
    assert_true(p.slept_us == sc_store_fault_delayed_us(p.fault));
    sc_store_fault_arm(p.fault, 0, SC_STORE_FAULT_EIO);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(p.fault->ops->size(p.fault, "o", &size, NULL), SC_OK);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_keeps_the_contract_and_what_it_was_given),
        cmocka_unit_test(a_directory_in_use_is_refused),
        cmocka_unit_test(a_half_put_object_is_gone_after_the_next_open),
        cmocka_unit_test(memory_keeps_the_contract),
        cmocka_unit_test(a_power_cut_takes_what_was_not_synced),
        cmocka_unit_test(the_nth_call_fails_with_or_without_effect),
        cmocka_unit_test(a_power_cut_may_keep_a_later_write_and_lose_the_one_before),
        cmocka_unit_test(history_keeps_what_was_replaced_and_removed),
        cmocka_unit_test(without_faults_the_store_of_faults_keeps_the_contract),
        cmocka_unit_test(each_fault_does_to_a_call_what_it_says_once),
        cmocka_unit_test(a_sync_that_failed_once_never_makes_durable_what_it_then_says_it_did),
        cmocka_unit_test(with_the_power_off_nothing_answers_and_storms_and_delays_can_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
