#include "base/log.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BURST_PER_SECOND 10u

static const char *log_component = "securecloud";
static _Atomic int log_min_level = SC_LOG_INFO;

void sc_log_init(const char *component, enum sc_log_level min_level)
{
    log_component = component;
    atomic_store(&log_min_level, (int)min_level);
}

sc_err sc_log_level_parse(const char *text, enum sc_log_level *out)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum sc_log_level)i;
            return SC_OK;
        }
    }
    return SC_E_USAGE;
}

static void log_va(enum sc_log_level level, const char *fmt, va_list ap)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char line[1400];
    char when[SC_TIME_TEXT_SIZE];
    int n = snprintf(line, sizeof line, "%s %-5s %s: ", sc_time_text(sc_wall_ms(&sc_clock_system), when), names[level],
                     log_component);
    const int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    n = m < 0 ? n : n + m;
    if ((size_t)n > sizeof line - 2)
        n = (int)sizeof line - 2;
    for (int i = 0; i < n; i++) /* a peer's text must not forge a record of ours */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0) {
        /* nowhere left to say so */
    }
}

void sc_log(enum sc_log_level level, const char *fmt, ...)
{
    if ((int)level < atomic_load_explicit(&log_min_level, memory_order_relaxed))
        return;
    va_list ap;
    va_start(ap, fmt);
    log_va(level, fmt, ap);
    va_end(ap);
}

void sc_log_limited(struct sc_log_limiter *lim, enum sc_log_level level, const char *fmt, ...)
{
    const int64_t second = sc_mono_us(&sc_clock_system) / 1000000;
    if (second != lim->second) {
        if (lim->suppressed != 0)
            sc_log(level, "%u similar records suppressed", lim->suppressed);
        *lim = (struct sc_log_limiter){.second = second};
    }
    if (lim->used >= BURST_PER_SECOND) {
        lim->suppressed++;
        return;
    }
    lim->used++;
    if ((int)level < atomic_load_explicit(&log_min_level, memory_order_relaxed))
        return;
    va_list ap;
    va_start(ap, fmt);
    log_va(level, fmt, ap);
    va_end(ap);
}
