/* kill -9 against a child that writes to the directory store and tells through a pipe what was acknowledged. */
#include "model.h"

#include "base/file.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS       12
#define ROUND_MS_MAX 120

struct place {
    char dir[64];
    char store[80];
    char counter[80];
};

static sc_err place_open(const struct place *p, struct sc_store **store, struct sc_kvs_counter *counter,
                         struct sc_kvs **kvs, struct sc_diag *diag)
{
    SC_TRY(sc_store_dir_open(p->store, store, diag));
    SC_TRY(sc_kvs_counter_insecure_file(p->counter, counter, diag));
    const struct sc_kvs_options opt = {
        .store = *store,
        .root_key = &test_root_key,
        .counter = *counter,
        .create = true,
        .memtable_size_max = 16 << 10, /* so that flushes and compactions are killed, too */
    };
    return sc_kvs_open(&opt, kvs, diag);
}

/* Transaction i writes a/<i>, b/<i> and "last". */
static sc_err commit_number(struct sc_kvs *kvs, uint64_t i)
{
    struct sc_kvs_txn *txn;
    char key[32], value[400];
    SC_TRY(sc_kvs_txn_begin(kvs, &txn));
    snprintf(value, sizeof value, "%" PRIu64 "%0300d", i, 0);
    sc_err err = sc_kvs_txn_put(txn, sc_slice_str("last"), sc_slice_of(&i, sizeof i));
    for (char table = 'a'; table <= 'b' && err == SC_OK; table++) {
        snprintf(key, sizeof key, "%c/%08" PRIu64, table, i);
        err = sc_kvs_txn_put(txn, sc_slice_str(key), sc_slice_str(value));
    }
    if (err != SC_OK) {
        sc_kvs_txn_abort(txn);
        return err;
    }
    return sc_kvs_txn_commit(txn, true, NULL);
}

static _Noreturn void child_run(const struct place *p, uint64_t first, int ledger)
{
    struct sc_store *store = NULL;
    struct sc_kvs_counter counter = { 0 };
    struct sc_kvs *kvs = NULL;
    if (place_open(p, &store, &counter, &kvs, NULL) != SC_OK)
        _exit(2);
    for (uint64_t i = first;; i++) {
        if (commit_number(kvs, i) != SC_OK)
            _exit(3);
        if (write(ledger, &i, sizeof i) != (ssize_t)sizeof i)
            _exit(4);
    }
}

/* Returns the last number acknowledged (or `before`, if none). */
static uint64_t child_kill(const struct place *p, uint64_t first, unsigned after_ms)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_run(p, first, fds[1]);
    }
    close(fds[1]);
    const struct timespec wait = { .tv_nsec = (long)after_ms * 1000000 };
    nanosleep(&wait, NULL);
    kill(pid, SIGKILL);
    uint64_t acknowledged = first - 1;
    for (uint64_t i; read(fds[0], &i, sizeof i) == (ssize_t)sizeof i;)
        acknowledged = i;
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return acknowledged;
}

/* All numbers 1..last are whole, last >= acknowledged.  Returns last. */
static uint64_t check(const struct place *p, uint64_t acknowledged)
{
    struct sc_store *store = NULL;
    struct sc_kvs_counter counter = { 0 };
    struct sc_kvs *kvs = NULL;
    struct sc_diag diag = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = { 0 };
    sc_err err = place_open(p, &store, &counter, &kvs, &diag);
    if (err != SC_OK)
        fail_msg("after %" PRIu64 " acknowledged commits: %s", acknowledged, sc_diag_text(&diag, err));
    uint64_t last = 0;
    err = sc_kvs_get(kvs, NULL, sc_slice_str("last"), &value, &diag);
    if (err == SC_OK && value.size == sizeof last)
        memcpy(&last, value.ptr, sizeof last);
    assert_true(last >= acknowledged);
    for (uint64_t i = 1; i <= last; i++) {
        for (char table = 'a'; table <= 'b'; table++) {
            char key[32];
            snprintf(key, sizeof key, "%c/%08" PRIu64, table, i);
            assert_int_equal(sc_kvs_get(kvs, NULL, sc_slice_str(key), NULL, &diag), SC_OK);
        }
    }
    char beyond[32];
    snprintf(beyond, sizeof beyond, "b/%08" PRIu64, last + 1);
    assert_int_equal(sc_kvs_get(kvs, NULL, sc_slice_str(beyond), NULL, &diag), SC_E_NOT_FOUND);
    assert_int_equal(sc_kvs_verify(kvs, NULL, NULL, &diag), SC_OK);
    sc_kvs_close(kvs);
    sc_kvs_counter_file_close(&counter);
    sc_store_free(store);
    return last;
}

static void a_killed_writer_loses_nothing_it_acknowledged(void **state)
{
    (void)state;
    struct place p = { 0 };
    const char *tmp = getenv("TMPDIR");
    snprintf(p.dir, sizeof p.dir, "%.40s/sc-kill-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(p.dir));
    snprintf(p.store, sizeof p.store, "%s/store", p.dir);
    snprintf(p.counter, sizeof p.counter, "%s/counter", p.dir);
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(9));
    uint64_t last = 0, acknowledged_count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint64_t acknowledged = child_kill(&p, last + 1, 5 + (unsigned)sc_prng_below(&prng, ROUND_MS_MAX));
        acknowledged_count += acknowledged - last;
        last = check(&p, acknowledged);
    }
    printf("%u kills, %" PRIu64 " acknowledged commits, %" PRIu64 " found\n", ROUNDS, acknowledged_count, last);
    assert_true(acknowledged_count > 0);
    assert_int_equal(sc_dir_remove(p.dir, NULL), SC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_writer_loses_nothing_it_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
