/* tests/tee/quotingd.h - a quoting daemon for a test, and enclaves that ask it.  Needs root. */
#ifndef TESTS_TEE_QUOTINGD_H
#define TESTS_TEE_QUOTINGD_H

#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define QUOTING_USER "64123" /* nobody's */

struct quotingd {
    char *dir;         /* holds state/ and run/socket, unless other places are given */
    char *state, *socket;
    const char *tpm;   /* NULL: none */
    pid_t pid;
};

static inline pid_t spawn(const char *const *argv, int *out_fd, uid_t uid)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        if (uid != 0 && (setgid(uid) != 0 || setuid(uid) != 0))
            _exit(126);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

/* Runs to the end; its output (cut) into out; its exit code. */
static inline int run_as(uid_t uid, const char *const *argv, char *out, size_t out_size)
{
    int fd = -1;
    int status = 0;
    size_t used = 0;
    const pid_t pid = spawn(argv, &fd, uid);
    for (ssize_t n; used + 1 < out_size && (n = read(fd, out + used, out_size - 1 - used)) > 0;)
        used += (size_t)n;
    out[used] = '\0';
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Started and answering, or its exit code.  Its log goes to stderr. */
static inline int quotingd_start(struct quotingd *q)
{
    const char *argv[] = {getenv("SC_QUOTINGD"), "--state", q->state, "--socket", q->socket, "--user", QUOTING_USER,
                          q->tpm != NULL ? "--tpm" : NULL, q->tpm, NULL};
    assert_non_null(argv[0]);
    int status = 0;
    unlink(q->socket);
    q->pid = fork();
    assert_true(q->pid >= 0);
    if (q->pid == 0) {
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* the leak check traces the process, which this one forbids */
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    const char *probe[] = {getenv("SC_TEE_PROBE"), q->socket, "identity", NULL};
    char out[512];
    for (int i = 0; i < 600; i++) { /* patience, not a limit: a daemon that fails ends */
        if (waitpid(q->pid, &status, WNOHANG) == q->pid) {
            q->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
        }
        if (access(q->socket, F_OK) == 0 && run_as(0, probe, out, sizeof out) == 0)
            return 0;
        usleep(50000);
    }
    fail_msg("the quoting daemon neither answers nor ends: %s", out);
    return -1;
}

static inline void quotingd_stop(struct quotingd *q)
{
    int status = 0;
    if (q->pid == 0)
        return;
    kill(q->pid, SIGTERM);
    assert_int_equal(waitpid(q->pid, &status, 0), q->pid);
    q->pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline struct quotingd *quotingd_new(void)
{
    struct quotingd *q = calloc(1, sizeof *q);
    assert_non_null(q);
    q->dir = test_dir_new();
    assert_int_equal(chmod(q->dir, 0755), 0);
    q->state = test_path(q->dir, "state");
    q->socket = test_path(q->dir, "run/socket");
    return q;
}

static inline void quotingd_free(struct quotingd *q)
{
    quotingd_stop(q);
    test_dir_free(q->dir);
    free(q->state);
    free(q->socket);
    free(q);
}

/* A copy of the probe under this name: with `extra` bytes behind its end it is other code that behaves the same. */
static inline char *probe_copy(const char *dir, const char *name, const char *extra)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    assert_ok(sc_file_read(getenv("SC_TEE_PROBE"), (size_t)64 << 20, &bytes, NULL));
    sc_buf_put_str(&bytes, extra);
    char *path = test_path(dir, name);
    assert_ok(sc_file_write(path, sc_buf_slice(&bytes), 0755, NULL));
    return path;
}

#define PROBE_RUN(q, uid, path, out, ...)                                                                              \
    run_as((uid), (const char *const[]){(path), (q)->socket, __VA_ARGS__, NULL}, (out), sizeof(out))

#endif
