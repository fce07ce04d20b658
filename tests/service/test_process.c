/* A real process of a tiny service: how it starts, serves, fails and ends. */
#include "net/http.h"
#include "pki.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define ARGS(...) (const char *const[]){ "tiny", __VA_ARGS__, NULL }

struct process {
    pid_t pid;
    char *log_path;
};

static void process_start(struct process *p, const char *dir, const char *const *args)
{
    p->log_path = test_path(dir, "log");
    unlink(p->log_path); /* the last process's must not be taken for this one's */
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        const int fd = open(p->log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(getenv("SC_TINY_SERVICE"), (char *const *)(uintptr_t)args);
        _exit(127);
    }
}

static char *process_log(const struct process *p)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    sc_ignore(sc_file_read(p->log_path, 1 << 20, &b, NULL)); /* not there yet: empty */
    return strdup(sc_buf_cstr(&b));
}

/* Waits for the end; its exit code, or -1 after ms. */
static int process_end(struct process *p, int64_t ms)
{
    int status = 0;
    for (; ms > 0; ms -= 5) {
        if (waitpid(p->pid, &status, WNOHANG) == p->pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
        usleep(5000);
    }
    kill(p->pid, SIGKILL);
    waitpid(p->pid, &status, 0);
    return -1;
}

static void process_drop(struct process *p)
{
    free(p->log_path);
}

/* The port in "ready ... http_port=N", 0 when it does not come. */
static unsigned ready_port(const struct process *p)
{
    for (int i = 0; i < 2000; i++) {
        SC_CLEANUP(sc_freep) char *log = process_log(p);
        const char *at = strstr(log, "http_port=");
        unsigned port = 0;
        if (at != NULL && strstr(at, " pid=") != NULL && sscanf(at, "http_port=%u", &port) == 1)
            return port;
        usleep(5000);
    }
    return 0;
}

static void config(const char *dir, const char *text)
{
    test_write(dir, "config.json", sc_slice_str(text));
}

static void it_serves_until_it_is_told_to_stop(void **state)
{
    const char *dir = *state;
    struct process p;
    config(dir, "{\"http\":{\"host\":\"127.0.0.1\",\"port\":0}}");
    process_start(&p, dir, ARGS("--identity", dir));
    const unsigned port = ready_port(&p);
    assert_true(port != 0);
    char url[64];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    snprintf(url, sizeof url, "http://127.0.0.1:%u/healthz", port);
    assert_ok(sc_http_get(url, 3000, &b, NULL));
    assert_string_equal(sc_buf_cstr(&b), "ok\n");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/metrics", port);
    for (int i = 1; i <= 2; i++) {
        char line[64];
        sc_buf_reset(&b);
        assert_ok(sc_http_get(url, 3000, &b, NULL));
        snprintf(line, sizeof line, "\ntiny_samples_total %d\n", i);
        assert_contains(sc_buf_cstr(&b), line);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%u/secret", port);
    assert_err(sc_http_get(url, 3000, &b, NULL), SC_E_IO);
    kill(p.pid, SIGTERM);
    const int64_t before = sc_mono_us(&sc_clock_system);
    assert_int_equal(process_end(&p, 5000), 0);
    assert_in_range(sc_mono_us(&sc_clock_system) - before, 0, 2000000);
    process_drop(&p);
}

static void sickness_is_told_with_503(void **state)
{
    const char *dir = *state;
    struct process p;
    config(dir, "{\"http\":{\"host\":\"127.0.0.1\",\"port\":0},\"mode\":\"sick\"}");
    process_start(&p, dir, ARGS("--identity", dir));
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/healthz", ready_port(&p));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct sc_diag diag = { 0 };
    assert_err(sc_http_get(url, 3000, &b, &diag), SC_E_AGAIN);
    assert_contains(diag.text, "503");
    kill(p.pid, SIGINT);
    assert_int_equal(process_end(&p, 5000), 0);
    process_drop(&p);
}

static void what_cannot_start_ends_with_1_and_says_why(void **state)
{
    const char *dir = *state;
    static const struct {
        const char *config, *says;
    } cases[] = {
        { "{\"http\":", "line 1" },
        { "[]", "not a JSON object" },
        { "{}", "\"http\"" },
        { "{\"http\":{\"host\":\"127.0.0.1\",\"port\":70000}}", "70000 is outside" },
        { "{\"http\":{\"host\":\"127.0.0.1\",\"port\":0},\"mode\":\"refuse\"}", "told to refuse" },
        { "{\"http\":{\"host\":\"127.0.0.1\",\"port\":0},\"mode\":\"break\"}", "broken: told to break" },
        { "{\"http\":{\"host\":\"192.0.2.1\",\"port\":0}}", "HTTP on 192.0.2.1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct process p;
        config(dir, cases[i].config);
        process_start(&p, dir, ARGS("--identity", dir));
        assert_int_equal(process_end(&p, 8000), 1);
        SC_CLEANUP(sc_freep) char *log = process_log(&p);
        assert_contains(log, cases[i].says);
        assert_contains(log, "error");
        process_drop(&p);
    }
}

static void wrong_usage_ends_with_2_and_help_with_0(void **state)
{
    const char *dir = *state;
    config(dir, "{}");
    const struct {
        const char *const *args;
        int code;
        const char *says;
    } cases[] = {
        { ARGS("--help"), 0, "--identity DIR" },        { ARGS("--version"), 0, "tiny " },
        { ARGS("--nonsense"), 2, "nonsense" },          { ARGS("--log-level", "loud"), 2, "loud" },
        { ARGS("--identity", dir, "more"), 2, "--identity" },
        { (const char *const[]){ "tiny", NULL }, 2, "--identity" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct process p;
        process_start(&p, dir, cases[i].args);
        assert_int_equal(process_end(&p, 8000), cases[i].code);
        SC_CLEANUP(sc_freep) char *log = process_log(&p);
        assert_contains(log, cases[i].says);
        process_drop(&p);
    }
}

static int setup(void **state)
{
    struct test_ca ca;
    test_ca_new(&ca, "ours");
    *state = test_dir_new();
    test_identity_write(*state, "spiffe://securecloud.local/tiny", &ca, &ca);
    test_ca_free(&ca);
    return 0;
}

static int teardown(void **state)
{
    test_dir_free(*state);
    return 0;
}

int main(void)
{
    if (getenv("SC_TINY_SERVICE") == NULL) {
        printf("SC_TINY_SERVICE names no executable\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_until_it_is_told_to_stop),
        cmocka_unit_test(sickness_is_told_with_503),
        cmocka_unit_test(what_cannot_start_ends_with_1_and_says_why),
        cmocka_unit_test(wrong_usage_ends_with_2_and_help_with_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
