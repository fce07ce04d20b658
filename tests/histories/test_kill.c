/* The same under kill -9: a process with six sessions is killed, the directory is opened again, the books must be
 * right, and the next process goes on.  SC_KILL_ROUNDS: how often (default 10). */
#include "test.h"
#include "workload.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUND_TXNS_MAX 120 /* begun before the kill */
#define ROUND_WAIT_MS  20000
#define TXNS_MAX       60000

struct place {
    char *dir, *volume, *counter;
    struct sc_key key;
};

static struct sc_local *place_open(const struct place *p)
{
    struct sc_local *local = NULL;
    struct sc_diag diag = {0};
    const struct sc_local_options opt = {
        .dir = p->volume,
        .root_key = &p->key,
        .counter_path = p->counter,
        .create = true,
        .memtable_size_max = 32 << 10, /* so that flushes and compactions are killed, too */
    };
    const sc_err err = sc_local_open(&opt, &local, &diag);
    if (err != SC_OK) {
        fprintf(stderr, "open: %s\n", sc_diag_text(&diag, err));
        return NULL;
    }
    return local;
}

static _Noreturn void child_run(const struct place *p, struct history *h, struct ledger *l, uint64_t seed)
{
    struct sc_local *local = place_open(p);
    if (local == NULL)
        _exit(2);
    struct workload w = {.local = local, .history = h, .ledger = l, .begin = "BEGIN", .thread_count = 6, .seed = seed};
    workload_run(&w);
    _exit(l->problem_told ? 4 : 3); /* a child that ends by itself has not been killed */
}

/* Counted in transactions, not in time, so that a busy machine tests as much; then up to 2 ms more, to hit any place.
 */
static void wait_for_txns(struct history *h, struct ledger *l, uint32_t until, struct sc_prng *prng)
{
    for (int ms = 0; ms < ROUND_WAIT_MS && h->txn_count + l->next_id < until && h->txn_count < h->txn_max; ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = (long)sc_prng_below(prng, 2000000)}, NULL);
}

static void child_kill(const struct place *p, struct history *h, struct ledger *l, uint64_t seed, struct sc_prng *prng)
{
    const uint32_t until = h->txn_count + l->next_id + 1 + (uint32_t)sc_prng_below(prng, ROUND_TXNS_MAX);
    int status = 0;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_run(p, h, l, seed);
    wait_for_txns(h, l, until, prng);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (l->problem_told)
        fail_msg("%s", l->problem);
    if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 3) /* 3: the machine is fast, all is done */
        fail_msg("the child ended with %d", WEXITSTATUS(status));
}

static void acknowledged_transactions_survive_and_others_leave_nothing(void **state)
{
    const char *env = getenv("SC_KILL_ROUNDS");
    const unsigned rounds = env != NULL ? (unsigned)atoi(env) : 10;
    const uint64_t seed = test_seed(43);
    struct place p = {.dir = test_dir_new()};
    struct history *h = history_new(TXNS_MAX);
    struct ledger *l = ledger_new(TXNS_MAX);
    struct sc_prng prng;
    struct verdict v = {0};
    int64_t transfers = 0, entries = 0;
    (void)state;
    p.volume = test_path(p.dir, "volume");
    p.counter = test_path(p.dir, "counter");
    sc_prng_init(&prng, seed);
    sc_key_random(&p.key);
    struct sc_local *local = place_open(&p);
    assert_non_null(local);
    workload_tables(local);
    sc_local_close(local);
    for (unsigned round = 0; round < rounds; round++) {
        SC_CLEANUP(sc_freep) struct final_list *finals = NULL;
        child_kill(&p, h, l, seed + round, &prng);
        local = place_open(&p);
        assert_non_null(local);
        const size_t count = workload_finals(local, &finals);
        history_check(h, finals, count, ISOLATION_SNAPSHOT, &v);
        if (v.problem[0] != '\0')
            fail_msg("seed %" PRIu64 ", round %u: %s", seed, round, v.problem);
        transfers = workload_audit(local, l);
        entries += workload_indexes(local);
        sc_local_close(local);
    }
    print_message("%u kills: lists: %u committed, %u not, cut in COMMIT: %u there, %u gone; bank: %" PRId64
                  " transfers, %u of them acknowledged; %" PRId64 " index entries compared\n",
                  rounds, v.committed, v.aborted, v.unknown_there, v.unknown_lost, transfers, (unsigned)l->acknowledged,
                  entries);
    assert_true(entries > transfers);
    assert_true(transfers >= l->acknowledged && l->acknowledged > rounds && v.committed > rounds);
    history_free(h);
    ledger_free(l);
    test_dir_free(p.dir);
    free(p.volume);
    free(p.counter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_transactions_survive_and_others_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
