/* Root reads a service's memory through every usual door: what lies in secret memory is not found, what does not, is
 * (so that the search itself is known to work).  A malicious kernel is another matter: it maps what it likes
 * (docs/tee.md). */
#include "quotingd.h"

#include "crypto/crypto.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define SECRET_SIZE 32
struct victim {
    pid_t pid;
    uintptr_t secret_at, plain_at;
    uint8_t secret[SECRET_SIZE], plain[SECRET_SIZE];
    bool is_memfd;
};

static void victim_main(int out, int in, bool dumpable)
{
    struct sc_secmem *mem = NULL;
    struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    if (!dumpable)
        sc_process_harden();
    else
        setrlimit(RLIMIT_CORE, &core);
    uint8_t *plain = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (plain == MAP_FAILED || sc_secmem_new(&mem, SECRET_SIZE, NULL) != SC_OK)
        _exit(9);
    /* straight from the pipe to where they live: no copy of them anywhere else in this process */
    if (read(in, sc_secmem_ptr(mem), SECRET_SIZE) != SECRET_SIZE || read(in, plain, SECRET_SIZE) != SECRET_SIZE)
        _exit(9);
    const uintptr_t told[3] = {(uintptr_t)sc_secmem_ptr(mem), (uintptr_t)plain,
                               strcmp(sc_secmem_kind(mem), "memfd_secret") == 0};
    char go;
    if (write(out, told, sizeof told) != (ssize_t)sizeof told || read(in, &go, 1) != 1)
        _exit(9);
    if (go == 'c')
        abort();
    _exit(0);
}

static void victim_start(struct victim *v, int *go, bool dumpable)
{
    int up[2];
    int down[2];
    uintptr_t told[3];
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    v->pid = fork();
    assert_true(v->pid >= 0);
    if (v->pid == 0) {
        close(up[0]);
        close(down[1]);
        victim_main(up[1], down[0], dumpable);
    }
    close(up[1]);
    close(down[0]);
    sc_random(v->secret, SECRET_SIZE);
    sc_random(v->plain, SECRET_SIZE);
    assert_int_equal(write(down[1], v->secret, SECRET_SIZE), SECRET_SIZE);
    assert_int_equal(write(down[1], v->plain, SECRET_SIZE), SECRET_SIZE);
    assert_int_equal(read(up[0], told, sizeof told), (ssize_t)sizeof told);
    close(up[0]);
    v->secret_at = told[0];
    v->plain_at = told[1];
    v->is_memfd = told[2] != 0;
    *go = down[1];
}

static bool contains(const uint8_t *hay, size_t size, const uint8_t *what, size_t what_size)
{
    return memmem(hay, size, what, what_size) != NULL;
}

/* Every readable byte of every mapping. */
static bool found_through_proc_mem(pid_t pid, const uint8_t *what, size_t what_size)
{
    char path[64];
    char line[512];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    const int mem = open(path, O_RDONLY);
    assert_true(maps != NULL && mem >= 0);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start;
        unsigned long end;
        if (sscanf(line, "%lx-%lx", &start, &end) != 2 || end - start > (1ul << 30))
            continue;
        uint8_t *bytes = malloc(end - start);
        assert_non_null(bytes);
        size_t got = 0;
        for (unsigned long at = start; at < end; at += 4096) /* page by page: one that cannot be read hides none else */
            got += pread(mem, bytes + got, 4096, (off_t)at) == 4096 ? 4096 : 0;
        found = found || contains(bytes, got, what, what_size);
        free(bytes);
    }
    fclose(maps);
    close(mem);
    return found;
}

static ssize_t vm_read(pid_t pid, uintptr_t at, uint8_t *out)
{
    struct iovec local = {out, SECRET_SIZE};
    struct iovec remote = {(void *)at, SECRET_SIZE};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

static bool usable(void)
{
    if (geteuid() == 0)
        return true;
    print_message("SKIPPED: the attacker of this test is root\n");
    return false;
}

static void root_does_not_find_secrets_in_the_memory_of_a_process(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct victim v;
    int go;
    uint8_t got[SECRET_SIZE] = {0};
    victim_start(&v, &go, false);
    if (!v.is_memfd) {
        print_message("SKIPPED: this kernel has no memfd_secret: locked memory hides nothing from root\n");
        kill(v.pid, SIGKILL);
        waitpid(v.pid, NULL, 0);
        skip();
    }
    assert_true(found_through_proc_mem(v.pid, v.plain, SECRET_SIZE)); /* the search works */
    assert_false(found_through_proc_mem(v.pid, v.secret, SECRET_SIZE));
    assert_int_equal(vm_read(v.pid, v.plain_at, got), SECRET_SIZE);
    assert_memory_equal(got, v.plain, SECRET_SIZE);
    assert_int_equal(vm_read(v.pid, v.secret_at, got), -1);
    assert_int_equal(errno, EFAULT);
    assert_int_equal(ptrace(PTRACE_ATTACH, v.pid, NULL, NULL), 0);
    assert_int_equal(waitpid(v.pid, NULL, 0), v.pid);
    errno = 0;
    const long word = ptrace(PTRACE_PEEKDATA, v.pid, (void *)v.plain_at, NULL);
    assert_int_equal(errno, 0);
    assert_memory_equal(&word, v.plain, sizeof word);
    assert_int_equal(ptrace(PTRACE_PEEKDATA, v.pid, (void *)v.secret_at, NULL), -1);
    assert_int_not_equal(errno, 0);
    ptrace(PTRACE_DETACH, v.pid, NULL, NULL);
    kill(v.pid, SIGKILL);
    waitpid(v.pid, NULL, 0);
    close(go);
}

static bool core_goes_into_a_file(void)
{
    const int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    char text[64] = "";
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    close(fd);
    return n > 0 && text[0] != '|' && text[0] != '/' && strcmp(text, "core\n") == 0;
}

/* dumpable: does the process allow a dump at all?  Then the secret pages are left out of it all the same. */
static void dump(bool dumpable, struct victim *v, struct sc_buf *out)
{
    int go;
    int status = 0;
    char *dir = test_dir_new();
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(dir), 0);
    victim_start(v, &go, dumpable);
    assert_int_equal(write(go, "c", 1), 1);
    assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
    assert_true(WIFSIGNALED(status));
    close(go);
    char with_pid[32];
    snprintf(with_pid, sizeof with_pid, "core.%d", (int)v->pid);
    const char *name = access("core", F_OK) == 0 ? "core" : with_pid;
    if (access(name, F_OK) == 0)
        assert_ok(sc_file_read(name, (size_t)256 << 20, out, NULL));
    assert_int_equal(chdir(before), 0);
    free(before);
    test_dir_free(dir);
}

static void a_core_dump_holds_no_secret(void **state)
{
    (void)state;
    if (!usable())
        skip();
    if (!core_goes_into_a_file()) {
        print_message("SKIPPED: core_pattern of this machine is not \"core\"\n");
        skip();
    }
    struct victim v;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf hardened = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf careless = {0};
    dump(false, &v, &hardened);
    assert_int_equal(hardened.size, 0); /* a hardened process leaves none */
    dump(true, &v, &careless);
    if (careless.size == 0) {
        print_message("SKIPPED in part: no core file appears here even for a process that allows it\n");
        return;
    }
    assert_true(contains(careless.ptr, careless.size, v.plain, SECRET_SIZE));
    assert_false(contains(careless.ptr, careless.size, v.secret, SECRET_SIZE));
}

static void root_does_not_find_the_sealing_root_in_the_quoting_daemon(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct quotingd *q = quotingd_new();
    char out[1024];
    SC_CLEANUP(sc_buf_wipe) struct sc_buf root = {0};
    SC_CLEANUP(sc_freep) char *path = test_path(q->state, "root.key");
    SC_CLEANUP(sc_freep) char *sealed = test_path(q->dir, "sealed");
    const char *probe = getenv("SC_TEE_PROBE");
    for (int life = 0; life < 2; life++) { /* it made the root; it read the root */
        assert_int_equal(quotingd_start(q), 0);
        assert_int_equal(PROBE_RUN(q, 0, probe, out, "seal", "code", sealed, "x"), 0);
        assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", life == 0 ? "a" : "b", "0", "1"), 0);
        sc_buf_reset(&root);
        assert_ok(sc_file_read(path, 32, &root, NULL));
        assert_true(found_through_proc_mem(q->pid, (const uint8_t *)"SecureCloud SIM", 15)); /* the search works */
        assert_false(found_through_proc_mem(q->pid, root.ptr, root.size));
        quotingd_stop(q);
    }
    quotingd_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_does_not_find_secrets_in_the_memory_of_a_process),
        cmocka_unit_test(a_core_dump_holds_no_secret),
        cmocka_unit_test(root_does_not_find_the_sealing_root_in_the_quoting_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
