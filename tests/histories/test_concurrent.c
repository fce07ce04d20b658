/* Sessions side by side in one process: what the checker of histories and the books of the bank say afterwards.
 * SC_HISTORY_TXNS: transactions of each kind (default 4000). */
#include "test.h"
#include "workload.h"

static uint32_t txns(void)
{
    const char *env = getenv("SC_HISTORY_TXNS");
    return env != NULL ? (uint32_t)strtoul(env, NULL, 10) : 4000;
}

static void run_and_check(const char *begin, enum isolation level, uint64_t seed)
{
    SC_CLEANUP(sc_local_closep) struct sc_local *local = NULL;
    SC_CLEANUP(sc_freep) struct final_list *finals = NULL;
    struct history *h = history_new(txns());
    struct ledger *ledger = ledger_new(txns());
    struct sc_diag diag = {0};
    struct verdict v;
    /* A small memtable, so that flushes and compactions go on beneath. */
    const struct sc_local_options opt = {.memtable_size_max = 64 << 10};
    assert_ok_diag(sc_local_open(&opt, &local, &diag), &diag);
    workload_tables(local);
    struct workload w = {
        .local = local, .history = h, .ledger = ledger, .begin = begin, .thread_count = 6, .seed = seed};
    workload_run(&w);
    if (ledger->problem_told)
        fail_msg("seed %" PRIu64 ": %s", seed, ledger->problem);
    const size_t count = workload_finals(local, &finals);
    history_check(h, finals, count, level, &v);
    if (v.problem[0] != '\0')
        fail_msg("seed %" PRIu64 ": %s", seed, v.problem);
    const int64_t transfers = workload_audit(local, ledger);
    const int64_t entries = workload_indexes(local);
    print_message("%s: lists: %u committed, %u not, %u reads, %u dependencies, %u groups with write skew; "
                  "bank: %" PRId64 " transfers, %u conflicts, %u looks by readers, %" PRId64
                  " index entries compared\n",
                  begin, v.committed, v.aborted, v.reads, v.edges, v.skew_components, transfers,
                  (unsigned)ledger->conflicts, (unsigned)ledger->audits, entries);
    /* A run in which nobody met anybody would prove nothing. */
    assert_true(v.committed > txns() / 4 && v.aborted > txns() / 8 && v.reads > txns() / 4);
    assert_true(transfers > txns() / 4 && ledger->conflicts > 0 && ledger->audits > 0);
    assert_true(level == ISOLATION_SERIALIZABLE || v.skew_components > 0); /* which snapshots allow */
    history_free(h);
    ledger_free(ledger);
}

static void sessions_side_by_side_see_snapshots(void **state)
{
    (void)state;
    run_and_check("BEGIN", ISOLATION_SNAPSHOT, test_seed(41));
}

static void serialisable_sessions_have_a_serial_order(void **state)
{
    (void)state;
    run_and_check("BEGIN ISOLATION LEVEL SERIALIZABLE", ISOLATION_SERIALIZABLE, test_seed(42));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_side_by_side_see_snapshots),
        cmocka_unit_test(serialisable_sessions_have_a_serial_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
