/* base/log.h - structured logging: one line a record, `time level component message key=value...` (logfmt) on stderr.
 * Mains and servers log, libraries return.  Thread-safe.  Neither secrets nor plaintext readings reach a log. */
#ifndef SC_BASE_LOG_H
#define SC_BASE_LOG_H

#include "base/err.h"

#include <stdint.h>

enum sc_log_level { SC_LOG_DEBUG, SC_LOG_INFO, SC_LOG_WARN, SC_LOG_ERROR };

/* component is borrowed and names the process; records below min_level are dropped. */
void sc_log_init(const char *component, enum sc_log_level min_level);
sc_err sc_log_level_parse(const char *text, enum sc_log_level *out) SC_MUST_CHECK;

/* fmt is a message possibly followed by key=value pairs: sc_log(SC_LOG_WARN, "frame refused peer=%s why=\"%s\"", ...) */
void sc_log(enum sc_log_level level, const char *fmt, ...) SC_PRINTF(2, 3);

/* For what a peer can cause: at most `burst` records a second through one limiter, the rest counted and told once.
 * Zero-initialise; one per call site and thread. */
struct sc_log_limiter {
    int64_t second;
    unsigned used;
    unsigned suppressed;
};
void sc_log_limited(struct sc_log_limiter *lim, enum sc_log_level level, const char *fmt, ...) SC_PRINTF(3, 4);

#endif
