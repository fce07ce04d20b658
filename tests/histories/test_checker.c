/* The checker itself: each anomaly in its smallest form is found, and what is allowed is not. */
#include "history.h"
#include "test.h"

static struct history *h;
static struct final_list finals[4];
static size_t final_count;

static int setup(void **state)
{
    (void)state;
    h = history_new(16);
    final_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    history_free(h);
    return 0;
}

static void append(struct txn *t, uint32_t key, uint32_t value)
{
    txn_op(t, true, key)->value = value;
}

/* list ends with 0 */
static void read_list(struct txn *t, uint32_t key, const uint32_t *list)
{
    struct op *op = txn_op(t, false, key);
    while (list[op->list_count] != 0) {
        op->list[op->list_count] = list[op->list_count];
        op->list_count++;
    }
}
#define READ(t, key, ...) read_list(t, key, (const uint32_t[]){__VA_ARGS__})
#define FINAL(k, ...)     final_is(k, (const uint32_t[]){__VA_ARGS__})

static void final_is(uint32_t key, const uint32_t *list)
{
    struct final_list *f = &finals[final_count++];
    *f = (struct final_list){.key = key};
    for (; list[f->count] != 0; f->count++)
        f->list[f->count] = list[f->count];
}

static void commit(struct txn *t)
{
    history_end(h, t, TXN_COMMITTED);
}

static struct verdict check(enum isolation level)
{
    struct verdict v;
    history_check(h, finals, final_count, level, &v);
    return v;
}

static void found(const char *what)
{
    const struct verdict v = check(ISOLATION_SNAPSHOT);
    assert_contains(v.problem, what);
}

static void one_after_the_other_is_fine(void **state)
{
    (void)state;
    struct txn *a = history_begin(h);
    append(a, 1, 10);
    append(a, 1, 11);
    READ(a, 1, 10, 11, 0);
    commit(a);
    struct txn *b = history_begin(h);
    READ(b, 1, 10, 11, 0);
    append(b, 1, 12);
    READ(b, 1, 10, 11, 12, 0);
    commit(b);
    FINAL(1, 10, 11, 12, 0);
    const struct verdict v = check(ISOLATION_SERIALIZABLE);
    assert_string_equal(v.problem, "");
    assert_int_equal(v.committed, 2);
    assert_int_equal(v.reads, 3);
}

static void a_lost_update_is_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h), *b = history_begin(h);
    append(a, 1, 10);
    append(b, 1, 20);
    commit(a);
    commit(b);
    FINAL(1, 20, 0);
    found("lost update: transaction 0");
}

/* Both read the empty list and both appended: snapshot isolation lets only one of them commit. */
static void two_writers_of_one_version_are_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h), *b = history_begin(h);
    READ(a, 1, 0);
    READ(b, 1, 0);
    append(a, 1, 10);
    append(b, 1, 20);
    commit(a);
    commit(b);
    FINAL(1, 10, 20, 0);
    found("a cycle that snapshot isolation forbids");
}

static void a_dirty_read_is_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h), *b = history_begin(h);
    append(a, 1, 10);
    READ(b, 1, 10, 0);
    commit(b);
    history_end(h, a, TXN_ABORTED);
    found("dirty read");
}

static void an_aborted_append_that_stays_is_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h);
    append(a, 1, 10);
    history_end(h, a, TXN_ABORTED);
    FINAL(1, 10, 0);
    found("was not committed, but its appends are there");
}

static void what_ran_at_the_crash_must_be_gone_what_committed_may_be_there(void **state)
{
    (void)state;
    struct txn *a = history_begin(h), *b = history_begin(h);
    append(a, 1, 10);
    append(b, 2, 20);
    atomic_store(&a->state, TXN_COMMITTING);
    atomic_store(&b->state, TXN_COMMITTING);
    FINAL(1, 10, 0);
    const struct verdict v = check(ISOLATION_SNAPSHOT);
    assert_string_equal(v.problem, "");
    assert_int_equal(v.unknown_there, 1);
    assert_int_equal(v.unknown_lost, 1);
    atomic_store(&a->state, TXN_RUNNING);
    found("was not committed, but its appends are there");
}

static void half_a_transaction_is_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h);
    append(a, 1, 10);
    append(a, 2, 11);
    atomic_store(&a->state, TXN_COMMITTING);
    FINAL(2, 11, 0);
    found("is there by half: 1 of 2");
}

static void a_read_in_the_middle_of_a_transaction_is_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h), *b = history_begin(h);
    append(a, 1, 10);
    READ(b, 1, 10, 0);
    append(a, 1, 11);
    commit(a);
    commit(b);
    FINAL(1, 10, 11, 0);
    found("in the middle of a transaction");
}

/* b sees a's append to one key, but not that to the other. */
static void a_snapshot_of_two_times_is_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h), *b = history_begin(h);
    append(a, 1, 10);
    append(a, 2, 11);
    commit(a);
    READ(b, 1, 10, 0);
    READ(b, 2, 0);
    commit(b);
    FINAL(1, 10, 0);
    FINAL(2, 11, 0);
    found("a cycle that snapshot isolation forbids");
}

static void a_stale_read_is_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h);
    append(a, 1, 10);
    commit(a);
    struct txn *b = history_begin(h);
    READ(b, 1, 0);
    commit(b);
    FINAL(1, 10, 0);
    found("a cycle that snapshot isolation forbids");
}

static void own_appends_that_are_not_seen_are_found(void **state)
{
    (void)state;
    struct txn *a = history_begin(h);
    append(a, 1, 10);
    READ(a, 1, 0);
    commit(a);
    FINAL(1, 10, 0);
    found("does not see its own appends");
}

static void write_skew_is_allowed_by_snapshots_and_found_where_serialisable_was_promised(void **state)
{
    (void)state;
    struct txn *a = history_begin(h), *b = history_begin(h);
    READ(a, 1, 0);
    READ(b, 2, 0);
    append(a, 2, 10);
    append(b, 1, 20);
    commit(a);
    commit(b);
    FINAL(1, 20, 0);
    FINAL(2, 10, 0);
    struct verdict v = check(ISOLATION_SNAPSHOT);
    assert_string_equal(v.problem, "");
    assert_int_equal(v.skew_components, 1);
    v = check(ISOLATION_SERIALIZABLE);
    assert_contains(v.problem, "no serial order");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_after_the_other_is_fine, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_update_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(two_writers_of_one_version_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dirty_read_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(an_aborted_append_that_stays_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(what_ran_at_the_crash_must_be_gone_what_committed_may_be_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_a_transaction_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_in_the_middle_of_a_transaction_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_of_two_times_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_read_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(own_appends_that_are_not_seen_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(write_skew_is_allowed_by_snapshots_and_found_where_serialisable_was_promised,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
