/* kill -9 against a process that writes to a directory store: it kills itself before and after each kind of call to the
 * store, the counter and the kernel, each many times (white box), and is killed at random while several threads write
 * (black box).  A ledger in shared memory knows what was acknowledged (design D3).
 *
 * No hook in the product: what a killed process leaves behind is what its calls to the kernel have done, so the points
 * between those calls are all that there are.  The linker puts the functions below in place of them. */
#include "suite.h"

#include "base/file.h"
#include "store/fault.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define POINTS_MAX  96
#define WRITERS_MAX 4

/* Shared with the children; survives them. */
struct ledger {
    struct {
        char name[48];
        uint64_t hits;  /* in the last child */
        uint64_t kills; /* in all */
    } points[POINTS_MAX];
    size_t point_count;
    char target[48];
    uint64_t target_hit;
    uint64_t acknowledged[WRITERS_MAX]; /* the number of each writer's last durable commit */
};
static struct ledger *ledger;
static bool armed; /* in the child only */
static pthread_mutex_t point_lock = PTHREAD_MUTEX_INITIALIZER;

static void point(const char *what, const char *kind, bool after)
{
    char name[48];
    if (!armed)
        return;
    pthread_mutex_lock(&point_lock);
    snprintf(name, sizeof name, "%s %s%s%s", after ? "after" : "before", what, kind[0] != '\0' ? " " : "", kind);
    size_t i = 0;
    while (i < ledger->point_count && strcmp(ledger->points[i].name, name) != 0)
        i++;
    if (i == ledger->point_count) {
        SC_ASSERT(i < POINTS_MAX);
        memcpy(ledger->points[ledger->point_count++].name, name, sizeof name);
    }
    if (++ledger->points[i].hits == ledger->target_hit && strcmp(name, ledger->target) == 0) {
        ledger->points[i].kills++;
        kill(getpid(), SIGKILL);
    }
    pthread_mutex_unlock(&point_lock);
}

/* ---- in place of the kernel's doors ---- */

static const char *fd_kinds[1024];

static const char *kind_of(int fd)
{
    return fd >= 0 && fd < 1024 && fd_kinds[fd] != NULL ? fd_kinds[fd] : "a file";
}

static const char *kind_of_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    return strncmp(name, "o.", 2) == 0        ? "object"
           : strncmp(name, "t.", 2) == 0      ? "new object"
           : strncmp(name, "root", 4) == 0    ? "root"
           : strncmp(name, "counter", 7) == 0 ? "counter"
                                              : "a file";
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_openat64(int dir_fd, const char *path, int flags, ...);
int __wrap_openat64(int dir_fd, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __real_pwrite64(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t at);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dir_fd, const char *path, int flags);
int __wrap_unlinkat(int dir_fd, const char *path, int flags);
int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);

int __wrap_openat64(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
        point("create", kind_of_path(path), false);
    }
    const int fd = __real_openat64(dir_fd, path, flags, mode);
    if (fd >= 0 && fd < 1024)
        fd_kinds[fd] = kind_of_path(path);
    if (flags & O_CREAT)
        point("create", kind_of_path(path), true);
    return fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return __wrap_openat64(AT_FDCWD, path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    point("write", kind_of(fd), false);
    const ssize_t n = __real_write(fd, bytes, size);
    point("write", kind_of(fd), true);
    return n;
}

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t at)
{
    point("write", kind_of(fd), false);
    const ssize_t n = __real_pwrite64(fd, bytes, size, at);
    point("write", kind_of(fd), true);
    return n;
}

int __wrap_fsync(int fd)
{
    point("sync", kind_of(fd), false);
    const int result = __real_fsync(fd);
    point("sync", kind_of(fd), true);
    return result;
}

int __wrap_fdatasync(int fd)
{
    point("sync", kind_of(fd), false);
    const int result = __real_fdatasync(fd);
    point("sync", kind_of(fd), true);
    return result;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    point("rename to", kind_of_path(to), false);
    const int result = __real_renameat(from_fd, from, to_fd, to);
    point("rename to", kind_of_path(to), true);
    return result;
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
    point("unlink", kind_of_path(path), false);
    const int result = __real_unlinkat(dir_fd, path, flags);
    point("unlink", kind_of_path(path), true);
    return result;
}

int __wrap_ftruncate64(int fd, off_t size)
{
    point("truncate", kind_of(fd), false);
    const int result = __real_ftruncate64(fd, size);
    point("truncate", kind_of(fd), true);
    return result;
}

/* ---- the volume ---- */

struct place {
    char dir[64], store[80], counter[80];
};
struct volume {
    struct sc_store *dir, *store;
    struct sc_kvs_counter file, counter;
    struct sc_kvs *kvs;
};

static void store_watch(void *arg, enum sc_store_call call, bool done)
{
    (void)arg;
    char what[40];
    snprintf(what, sizeof what, "the store's %s", sc_store_call_name(call));
    if (call != SC_STORE_CALL_GET && call != SC_STORE_CALL_SIZE)
        point(what, "", done);
}

static sc_err counter_read(void *self, uint64_t *value_out, struct sc_diag *diag)
{
    const struct volume *v = self;
    return v->file.read(v->file.self, value_out, diag);
}

static sc_err counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    const struct volume *v = self;
    point("the counter's advance", "", false);
    const sc_err err = v->file.advance(v->file.self, from, to, diag);
    point("the counter's advance", "", true);
    return err;
}

static sc_err volume_open(const struct place *p, struct volume *v, struct sc_diag *diag)
{
    *v = (struct volume){.counter = {.read = counter_read, .advance = counter_advance, .self = v}};
    SC_TRY(sc_store_dir_open(p->store, &v->dir, diag));
    SC_TRY(sc_store_fault_new(&(struct sc_store_fault_options){.below = v->dir, .watch = store_watch}, &v->store));
    SC_TRY(sc_kvs_counter_insecure_file(p->counter, &v->file, diag));
    const struct sc_kvs_options opt = {
        .store = v->store,
        .root_key = &test_root_key,
        .counter = v->counter,
        .create = true,
        .memtable_size_max = 8 << 10, /* so that flushes and compactions are killed, too */
    };
    return sc_kvs_open(&opt, &v->kvs, diag);
}

static void volume_close(struct volume *v)
{
    sc_kvs_close(v->kvs);
    if (v->file.read != NULL)
        sc_kvs_counter_file_close(&v->file);
    sc_store_free(v->store);
    sc_store_free(v->dir);
}

/* Writer w's transaction i: <w>a/<i>, <w>b/<i> and <w>last. */
static sc_err commit_number(struct sc_kvs *kvs, unsigned w, uint64_t i, bool sync)
{
    struct sc_kvs_txn *txn;
    char key[32], value[400];
    SC_TRY(sc_kvs_txn_begin(kvs, &txn));
    snprintf(value, sizeof value, "%" PRIu64 "%0300d", i, 0);
    snprintf(key, sizeof key, "%ulast", w);
    sc_err err = sc_kvs_txn_put(txn, sc_slice_str(key), sc_slice_of(&i, sizeof i));
    for (char table = 'a'; table <= 'b' && err == SC_OK; table++) {
        snprintf(key, sizeof key, "%u%c/%08" PRIu64, w, table, i);
        err = sc_kvs_txn_put(txn, sc_slice_str(key), sc_slice_str(value));
    }
    if (err != SC_OK) {
        sc_kvs_txn_abort(txn);
        return err;
    }
    return sc_kvs_txn_commit(txn, sync, NULL);
}

static sc_err work(struct sc_kvs *kvs, unsigned w, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        const bool sync = i % 3 != 1;
        SC_TRY(commit_number(kvs, w, i, sync));
        if (sync)
            ledger->acknowledged[w] = i;
    }
    return SC_OK;
}

/* All of writer w's numbers 1..last are whole, last >= acknowledged.  Returns last. */
static uint64_t writer_check(struct sc_kvs *kvs, unsigned w, const char *what)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    char key[32];
    uint64_t last = 0;
    snprintf(key, sizeof key, "%ulast", w);
    sc_err err = sc_kvs_get(kvs, NULL, sc_slice_str(key), &value, NULL);
    if (err == SC_OK && value.size == sizeof last)
        memcpy(&last, value.ptr, sizeof last);
    if (last < ledger->acknowledged[w])
        fail_msg("%s: writer %u's commit %" PRIu64 " was acknowledged, %" PRIu64 " is the last there", what, w,
                 ledger->acknowledged[w], last);
    for (uint64_t i = 1; i <= last + 1; i++) {
        for (char table = 'a'; table <= 'b'; table++) {
            snprintf(key, sizeof key, "%u%c/%08" PRIu64, w, table, i);
            err = sc_kvs_get(kvs, NULL, sc_slice_str(key), NULL, NULL);
            if (err != (i <= last ? SC_OK : SC_E_NOT_FOUND))
                fail_msg("%s: %s (last: %" PRIu64 "): %s", what, key, last, sc_err_name(err));
        }
    }
    return last;
}

static int64_t recovery_us_max;

static void check(const struct place *p, unsigned writers, uint64_t last_out[WRITERS_MAX], const char *what)
{
    struct volume v;
    struct sc_diag diag = {0};
    const int64_t before = sc_mono_us(&sc_clock_system);
    sc_err err = volume_open(p, &v, &diag);
    if (err != SC_OK)
        fail_msg("%s: open: %s", what, sc_diag_text(&diag, err));
    const int64_t took = sc_mono_us(&sc_clock_system) - before;
    recovery_us_max = took > recovery_us_max ? took : recovery_us_max; /* reported, not judged */
    for (unsigned w = 0; w < writers; w++)
        last_out[w] = writer_check(v.kvs, w, what);
    err = sc_kvs_verify(v.kvs, NULL, NULL, &diag);
    if (err != SC_OK)
        fail_msg("%s: verify: %s", what, sc_diag_text(&diag, err));
    volume_close(&v);
}

static void place_make(struct place *p)
{
    const char *tmp = getenv("TMPDIR");
    *p = (struct place){0};
    snprintf(p->dir, sizeof p->dir, "%.40s/sc-kill-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->store, sizeof p->store, "%s/store", p->dir);
    snprintf(p->counter, sizeof p->counter, "%s/counter", p->dir);
}

static void place_drop(const struct place *p)
{
    assert_int_equal(sc_dir_remove(p->dir, NULL), SC_OK);
}

/* ---- white box ---- */

#define COMMITS 36 /* a child's, with a compaction and a second open on the way */

static _Noreturn void child_run(const struct place *p, uint64_t first)
{
    struct volume v;
    armed = true;
    if (volume_open(p, &v, NULL) != SC_OK || work(v.kvs, 0, first, first + COMMITS / 2) != SC_OK ||
        sc_kvs_compact(v.kvs, NULL) != SC_OK)
        _exit(2);
    volume_close(&v);
    if (volume_open(p, &v, NULL) != SC_OK || work(v.kvs, 0, first + COMMITS / 2, first + COMMITS) != SC_OK)
        _exit(3);
    volume_close(&v);
    _exit(0);
}

/* Whether it was killed, at its target_hit-th passing of target. */
static bool child_start(const struct place *p, uint64_t first, const char *target, uint64_t target_hit)
{
    int status;
    for (size_t i = 0; i < ledger->point_count; i++)
        ledger->points[i].hits = 0;
    snprintf(ledger->target, sizeof ledger->target, "%s", target);
    ledger->target_hit = target_hit;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_run(p, first);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    if (WEXITSTATUS(status) != 0)
        fail_msg("the child failed by itself: exit code %d", WEXITSTATUS(status));
    return false;
}

/* Kills at one point, again and again, on one volume.  Returns how many. */
static uint64_t point_kill(size_t number, uint64_t hits, uint64_t times, struct sc_prng *prng)
{
    struct place p;
    uint64_t last[WRITERS_MAX] = {0}, kills = 0;
    char target[48];
    memcpy(target, ledger->points[number].name, sizeof target);
    place_make(&p);
    ledger->acknowledged[0] = 0;
    for (uint64_t attempt = 0; attempt < times * 2 && kills < times; attempt++) {
        /* threads: a later child may pass a point less often */
        const uint64_t hit = 1 + sc_prng_below(prng, attempt % 2 == 0 ? hits : (hits + 3) / 4);
        char what[100];
        snprintf(what, sizeof what, "killed %s, passing %" PRIu64, target, hit);
        const bool killed = child_start(&p, last[0] + 1, target, hit);
        check(&p, 1, last, what);
        kills += killed;
        if (!killed) { /* some points are passed by a new volume only */
            place_drop(&p);
            place_make(&p);
            ledger->acknowledged[0] = last[0] = 0;
        }
    }
    place_drop(&p);
    return kills;
}

static void a_process_killed_at_any_point_loses_nothing_it_acknowledged(void **state)
{
    (void)state;
    struct place p;
    struct sc_prng prng;
    uint64_t hits[POINTS_MAX], kills = 0, last[WRITERS_MAX];
    const uint64_t times = suite_size(2, 60);
    sc_prng_init(&prng, test_seed(97));
    place_make(&p); /* a census: which points are passed how often */
    assert_false(child_start(&p, 1, "", 0));
    check(&p, 1, last, "not killed");
    assert_int_equal(last[0], COMMITS);
    place_drop(&p);
    const size_t count = ledger->point_count;
    for (size_t i = 0; i < count; i++)
        hits[i] = ledger->points[i].hits;
    for (size_t i = 0; i < count; i++) {
        const uint64_t here = point_kill(i, hits[i], times, &prng);
        printf("%-38s passed %4" PRIu64 " times a run, %3" PRIu64 " kills\n", ledger->points[i].name, hits[i], here);
        kills += here;
        if (here < (times + 1) / 2)
            fail_msg("only %" PRIu64 " kills %s", here, ledger->points[i].name);
        suite_progress("kill points", i + 1, count);
    }
    printf("%zu points; longest recovery %" PRId64 " us\n", count, recovery_us_max);
    assert_true(count >= 20);
    const struct suite_count c = {
        .injected_what = "kills", .detected_what = "recoveries without a loss", .injected = kills, .detected = kills};
    suite_report("kill points", &c, count * times / 2);
}

/* ---- black box ---- */

struct writer {
    struct sc_kvs *kvs;
    unsigned number;
    uint64_t first;
};

static void *writer_run(void *arg)
{
    const struct writer *w = arg;
    if (work(w->kvs, w->number, w->first, UINT64_MAX) != SC_OK)
        _exit(3);
    return NULL;
}

static _Noreturn void writers_run(const struct place *p, const uint64_t last[WRITERS_MAX])
{
    struct volume v;
    pthread_t threads[WRITERS_MAX];
    static struct writer writers[WRITERS_MAX];
    if (volume_open(p, &v, NULL) != SC_OK)
        _exit(2);
    for (unsigned w = 0; w < WRITERS_MAX; w++) {
        writers[w] = (struct writer){v.kvs, w, last[w] + 1};
        if (pthread_create(&threads[w], NULL, writer_run, &writers[w]) != 0)
            _exit(4);
    }
    for (unsigned w = 0; w < WRITERS_MAX; w++)
        pthread_join(threads[w], NULL);
    _exit(5);
}

static void writers_killed_at_random_lose_nothing_they_acknowledged(void **state)
{
    (void)state;
    struct place p;
    struct sc_prng prng;
    const uint64_t rounds = suite_size(15, 1000);
    uint64_t total = 0, kills = 0;
    sc_prng_init(&prng, test_seed(101));
    while (kills < rounds) {
        uint64_t last[WRITERS_MAX] = {0};
        memset(ledger->acknowledged, 0, sizeof ledger->acknowledged);
        place_make(&p);
        for (unsigned round = 0; round < 12 && kills < rounds; round++, kills++) {
            const struct timespec wait = {.tv_nsec = (long)(2 + sc_prng_below(&prng, 90)) * 1000000};
            int status;
            char what[40];
            snprintf(what, sizeof what, "kill %" PRIu64, kills);
            const pid_t pid = fork();
            assert_true(pid >= 0);
            if (pid == 0)
                writers_run(&p, last);
            nanosleep(&wait, NULL);
            kill(pid, SIGKILL);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            if (!WIFSIGNALED(status))
                fail_msg("the child failed by itself: exit code %d", WEXITSTATUS(status));
            check(&p, WRITERS_MAX, last, what);
            suite_progress("random kills", kills + 1, rounds);
        }
        for (unsigned w = 0; w < WRITERS_MAX; w++)
            total += last[w];
        place_drop(&p);
    }
    printf("%" PRIu64 " commits found; longest recovery %" PRId64 " us\n", total, recovery_us_max);
    assert_true(total > rounds);
    const struct suite_count c = {
        .injected_what = "kills", .detected_what = "recoveries without a loss", .injected = kills, .detected = kills};
    suite_report("random kills", &c, rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_at_any_point_loses_nothing_it_acknowledged),
        cmocka_unit_test(writers_killed_at_random_lose_nothing_they_acknowledged),
    };
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ledger == MAP_FAILED)
        return 99;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
