#include "test.h"

#include "base/log.h"

#include <fcntl.h>

/* What body() writes to stderr. */
static char *captured(void (*body)(void))
{
    int pipe_fd[2];
    assert_int_equal(pipe(pipe_fd), 0);
    fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
    const int saved = dup(STDERR_FILENO);
    dup2(pipe_fd[1], STDERR_FILENO);
    body();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fd[1]);
    char *text = calloc(1, 65536);
    size_t size = 0;
    ssize_t n;
    while ((n = read(pipe_fd[0], text + size, 65535 - size)) > 0)
        size += (size_t)n;
    close(pipe_fd[0]);
    return text;
}

static void log_hostile(void)
{
    sc_log_init("test", SC_LOG_INFO);
    sc_log(SC_LOG_WARN, "peer=\"%s\"", "a\n2026 error test: forged\r\t\x1b[31m\x7f");
}

static void a_peer_cannot_forge_a_record(void **state)
{
    (void)state;
    SC_CLEANUP(sc_freep) char *text = captured(log_hostile);
    assert_contains(text, "warn  test: peer=\"a?2026 error test: forged???[31m?\"\n");
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one record, one line */
}

static void log_levels(void)
{
    sc_log_init("test", SC_LOG_WARN);
    sc_log(SC_LOG_DEBUG, "d");
    sc_log(SC_LOG_INFO, "i");
    sc_log(SC_LOG_WARN, "w");
    sc_log(SC_LOG_ERROR, "e");
}

static void records_below_the_level_are_dropped(void **state)
{
    (void)state;
    SC_CLEANUP(sc_freep) char *text = captured(log_levels);
    assert_null(strstr(text, "test: d"));
    assert_null(strstr(text, "test: i"));
    assert_contains(text, "test: w\n");
    assert_contains(text, "test: e\n");
    enum sc_log_level level = SC_LOG_ERROR;
    assert_ok(sc_log_level_parse("debug", &level));
    assert_int_equal(level, SC_LOG_DEBUG);
    assert_err(sc_log_level_parse("loud", &level), SC_E_USAGE);
}

static void log_long(void)
{
    char big[5000];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    sc_log_init("test", SC_LOG_INFO);
    sc_log(SC_LOG_INFO, "%s", big);
    sc_log(SC_LOG_INFO, "next");
}

static void a_long_record_is_cut_to_one_line(void **state)
{
    (void)state;
    SC_CLEANUP(sc_freep) char *text = captured(log_long);
    const char *end = strchr(text, '\n');
    assert_non_null(end);
    assert_in_range(end - text, 1000, 1400);
    assert_contains(end, "test: next\n");
}

static void log_flood(void)
{
    static struct sc_log_limiter lim;
    sc_log_init("test", SC_LOG_INFO);
    for (int i = 0; i < 1000; i++)
        sc_log_limited(&lim, SC_LOG_WARN, "flood");
}

static void a_flood_is_limited(void **state)
{
    (void)state;
    SC_CLEANUP(sc_freep) char *text = captured(log_flood);
    unsigned lines = 0;
    for (const char *p = text; (p = strstr(p, "flood")) != NULL; p++)
        lines++;
    assert_in_range(lines, 1, 20); /* ten a second; the loop may touch two seconds */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_cannot_forge_a_record),
        cmocka_unit_test(records_below_the_level_are_dropped),
        cmocka_unit_test(a_long_record_is_cut_to_one_line),
        cmocka_unit_test(a_flood_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
