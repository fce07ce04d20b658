/* cascadb/journal.h - what is remembered of each statement, never with its literals: latencies by shape for /metrics,
 * the log of slow ones, the audit log.  Thread-safe. */
#ifndef SC_CASCADB_JOURNAL_H
#define SC_CASCADB_JOURNAL_H

#include "cascadb/audit_log.h"
#include "service/metrics.h"

struct pg_journal_options {
    struct sc_metrics *metrics; /* borrowed */
    int64_t slow_us_min;        /* 0: no log of slow statements */
    struct audit_log *audit;    /* borrowed; NULL: none is kept */
};
struct pg_journal;
sc_err pg_journal_new(const struct pg_journal_options *opt, struct pg_journal **out, struct sc_diag *diag) SC_MUST_CHECK;
void pg_journal_free(struct pg_journal *j); /* only when the metrics are not shown any more; NULL is fine */
/* false: the audit log cannot be written, so no statement may run. */
bool pg_journal_ready(const struct pg_journal *j); /* NULL is ready */

struct pg_event {
    const char *who;
    struct sc_slice statement; /* as sent */
    const char *sqlstate;      /* "00000": it worked */
    int64_t rows, duration_us;
};
void pg_journal_note(struct pg_journal *j, const struct pg_event *e); /* NULL notes nothing */

#endif
