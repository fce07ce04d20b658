/* The quoting daemon's state under a TPM: a software TPM (swtpm) of Debian, started here on free ports. */
#include "quotingd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

struct tpm {
    char *dir;
    char tcti[64];
    pid_t pid;
};

static uint16_t two_free_ports(void)
{
    for (uint16_t port = (uint16_t)(20000 + getpid() % 20000);; port = (uint16_t)(port + 2)) {
        int ok = 1;
        for (uint16_t i = 0; i < 2; i++) {
            const struct sockaddr_in at = {.sin_family = AF_INET,
                                           .sin_port = htons((uint16_t)(port + i)),
                                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            const int fd = socket(AF_INET, SOCK_STREAM, 0);
            ok = ok && bind(fd, (const struct sockaddr *)(const void *)&at, sizeof at) == 0;
            close(fd);
        }
        if (ok)
            return port;
    }
}

static bool answers(uint16_t port)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const bool ok = connect(fd, (const struct sockaddr *)(const void *)&at, sizeof at) == 0;
    close(fd);
    return ok;
}

static void tpm_start(struct tpm *t)
{
    char state[128];
    char server[64];
    char control[64];
    t->dir = test_dir_new();
    const uint16_t port = two_free_ports();
    snprintf(state, sizeof state, "dir=%s", t->dir);
    snprintf(server, sizeof server, "type=tcp,port=%u,bindaddr=127.0.0.1", port);
    snprintf(control, sizeof control, "type=tcp,port=%u,bindaddr=127.0.0.1", port + 1);
    snprintf(t->tcti, sizeof t->tcti, "swtpm:host=127.0.0.1,port=%u", port);
    t->pid = fork();
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none behind */
        execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control,
               "--flags", "not-need-init,startup-clear", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 600 && !answers((uint16_t)(port + 1)); i++)
        usleep(50000);
}

static void tpm_stop(struct tpm *t)
{
    kill(t->pid, SIGTERM);
    waitpid(t->pid, NULL, 0);
    test_dir_free(t->dir);
}

static bool usable(void)
{
    if (geteuid() == 0 && (access("/usr/bin/swtpm", X_OK) == 0))
        return true;
    print_message("SKIPPED: needs root and swtpm\n");
    return false;
}

static void copy_dir(const char *from, const char *to)
{
    char out[256];
    const char *const argv[] = {"/bin/cp", "-a", "-T", from, to, NULL};
    assert_int_equal(run_as(0, argv, out, sizeof out), 0);
}

static void state_copied_to_another_machines_tpm_does_not_open(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct tpm mine;
    struct tpm other;
    char out[1024];
    tpm_start(&mine);
    tpm_start(&other);
    struct quotingd *q = quotingd_new();
    q->tpm = mine.tcti;
    assert_int_equal(quotingd_start(q), 0);
    SC_CLEANUP(sc_freep) char *sealed = test_path(q->dir, "sealed");
    SC_CLEANUP(sc_freep) char *clear = test_path(q->state, "root.key");
    const char *probe = getenv("SC_TEE_PROBE");
    assert_int_equal(access(clear, F_OK), -1); /* no key in clear on the disk */
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "seal", "code", sealed, "kept"), 0);
    quotingd_stop(q);
    q->tpm = other.tcti;
    assert_int_equal(quotingd_start(q), 1); /* the disk in another machine */
    q->tpm = NULL;
    assert_int_equal(quotingd_start(q), 1); /* or without a TPM */
    q->tpm = mine.tcti;
    assert_int_equal(quotingd_start(q), 0);
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "unseal", sealed), 0);
    assert_string_equal(out, "kept\n");
    quotingd_free(q);
    tpm_stop(&other);
    tpm_stop(&mine);
}

static void an_older_copy_of_the_state_is_refused(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct tpm tpm;
    char out[1024];
    const char *probe = getenv("SC_TEE_PROBE");
    tpm_start(&tpm);
    struct quotingd *q = quotingd_new();
    q->tpm = tpm.tcti;
    SC_CLEANUP(sc_freep) char *backup = test_path(q->dir, "backup");
    SC_CLEANUP(sc_freep) char *newest = test_path(q->dir, "newest");
    assert_int_equal(quotingd_start(q), 0);
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume", "0", "1"), 0);
    quotingd_stop(q);
    copy_dir(q->state, backup);
    assert_int_equal(quotingd_start(q), 0);
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume", "1", "2"), 0);
    quotingd_stop(q);
    copy_dir(q->state, newest);
    assert_ok(sc_dir_remove(q->state, NULL));
    copy_dir(backup, q->state);
    assert_int_equal(quotingd_start(q), 1);
    assert_ok(sc_dir_remove(q->state, NULL));
    copy_dir(newest, q->state);
    assert_int_equal(quotingd_start(q), 0);
    assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume"), 0);
    assert_string_equal(out, "2\n");
    quotingd_free(q);
    tpm_stop(&tpm);
}

static void a_daemon_that_is_killed_comes_back(void **state)
{
    (void)state;
    if (!usable())
        skip();
    struct tpm tpm;
    char out[1024];
    const char *probe = getenv("SC_TEE_PROBE");
    tpm_start(&tpm);
    struct quotingd *q = quotingd_new();
    q->tpm = tpm.tcti;
    for (int i = 0; i < 4; i++) {
        char from[8];
        char to[8];
        snprintf(from, sizeof from, "%d", i);
        snprintf(to, sizeof to, "%d", i + 1);
        assert_int_equal(quotingd_start(q), 0);
        assert_int_equal(PROBE_RUN(q, 0, probe, out, "counter", "code", "volume", from, to), 0);
        kill(q->pid, SIGKILL);
        waitpid(q->pid, NULL, 0);
        q->pid = 0;
    }
    quotingd_free(q);
    tpm_stop(&tpm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_copied_to_another_machines_tpm_does_not_open),
        cmocka_unit_test(an_older_copy_of_the_state_is_refused),
        cmocka_unit_test(a_daemon_that_is_killed_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
