/* Each test hardens a child of its own, which then tries what it may and what it may not. */
#include "test.h"

#include "tee/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* What tries() ends with, or 128 + the signal that ended it. */
static int in_child(const struct sc_harden_options *opt, int (*tries)(void))
{
    int status = 0;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sc_harden_report report;
        struct sc_diag diag = {0};
        if (sc_harden(opt, &report, &diag) != SC_OK) {
            fprintf(stderr, "%s\n", diag.text);
            _exit(99);
        }
        _exit(tries());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const struct sc_harden_options service = {.profile = SC_HARDEN_SERVICE};

static void *thread_main(void *arg)
{
    *(int *)arg = 7;
    return NULL;
}

static int ordinary_work(void)
{
    pthread_t thread;
    int value = 0;
    int pair[2];
    char path[] = "/tmp/sc-harden-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || unlink(path) != 0)
        return 1;
    if (pthread_create(&thread, NULL, thread_main, &value) != 0 || pthread_join(thread, NULL) != 0 || value != 7)
        return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || socket(AF_INET, SOCK_STREAM, 0) < 0)
        return 3;
    return prctl(PR_GET_DUMPABLE) == -1 ? 0 : 4; /* not even asking is among its calls */
}

static void a_service_does_its_work_under_the_filter(void **state)
{
    (void)state;
    assert_int_equal(in_child(&service, ordinary_work), SANITIZED ? 4 : 0);
}

static int makes_code(void)
{
    if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED || errno != EPERM)
        return 1;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 || errno != EPERM)
        return 2;
    return 0;
}

static void no_further_code_can_be_mapped(void **state)
{
    (void)state;
    assert_int_equal(in_child(&service, makes_code), 0);
}

static int forks(void)
{
    const pid_t pid = fork();
    if (pid == 0)
        _exit(1);
    return pid == -1 && errno == EPERM ? 0 : 2;
}

static void a_service_makes_threads_but_no_processes(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* the leak check of sanitizers needs clone() */
    assert_int_equal(in_child(&service, forks), 0);
}

static int executes(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 0;
}

static int traces(void)
{
    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    return 0;
}

static void what_only_an_attacker_does_ends_the_process(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_int_equal(in_child(&service, executes), 128 + SIGSYS);
    assert_int_equal(in_child(&service, traces), 128 + SIGSYS);
}

static int makes_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM ? 0 : 1;
}

static void the_quoting_daemon_makes_no_sockets_unless_it_has_a_tpm(void **state)
{
    (void)state;
    const struct sc_harden_options quoting = {.profile = SC_HARDEN_QUOTING};
    const struct sc_harden_options with_tpm = {.profile = SC_HARDEN_QUOTING, .connects_out = true};
    assert_int_equal(in_child(&quoting, makes_socket), 0);
    assert_int_equal(in_child(&with_tpm, makes_socket), 1);
}

static const char *dirs[3]; /* read only, read and write, neither */

static bool can_write(const char *dir)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, "new");
    const int fd = path != NULL ? open(path, O_WRONLY | O_CREAT, 0600) : -1;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool can_read(const char *dir)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, "file");
    const int fd = path != NULL ? open(path, O_RDONLY) : -1;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int uses_files(void)
{
    if (!can_read(dirs[0]) || can_write(dirs[0]))
        return 1;
    if (!can_read(dirs[1]) || !can_write(dirs[1]))
        return 2;
    return can_read(dirs[2]) || can_write(dirs[2]) ? 3 : 0;
}

static void landlock_leaves_only_the_paths_that_were_named(void **state)
{
    (void)state;
    char *made[3];
    for (int i = 0; i < 3; i++) {
        dirs[i] = made[i] = test_dir_new();
        test_write(made[i], "file", sc_slice_str("x"));
    }
    const char *const read_only[] = {dirs[0], NULL};
    const char *const read_write[] = {dirs[1], NULL};
    const struct sc_harden_options opt = {
        .profile = SC_HARDEN_SERVICE, .read_only = read_only, .read_write = read_write};
    const int rc = in_child(&opt, uses_files);
    for (int i = 0; i < 3; i++)
        test_dir_free(made[i]);
    if (rc == 1 && access("/sys/kernel/security/landlock", F_OK) != 0)
        print_message("(a kernel without Landlock lets everything through)\n");
    assert_int_equal(rc, 0);
}

static void a_path_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    const char *const read_only[] = {"/nonexistent", NULL};
    const struct sc_harden_options opt = {.profile = SC_HARDEN_SERVICE, .read_only = read_only};
    assert_int_equal(in_child(&opt, ordinary_work), 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_does_its_work_under_the_filter),
        cmocka_unit_test(no_further_code_can_be_mapped),
        cmocka_unit_test(a_service_makes_threads_but_no_processes),
        cmocka_unit_test(what_only_an_attacker_does_ends_the_process),
        cmocka_unit_test(the_quoting_daemon_makes_no_sockets_unless_it_has_a_tpm),
        cmocka_unit_test(landlock_leaves_only_the_paths_that_were_named),
        cmocka_unit_test(a_path_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
