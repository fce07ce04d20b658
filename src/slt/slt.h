/* slt/slt.h - runs sqllogictest scripts: statements and queries with the answers that they must give.
 *
 * The format is that of SQLite's sqllogictest (docs/services/cascadb.md, "sqllogictest"); the dialect's name is
 * `sqlite`. Each script runs on an empty database of its own.  Thread-safe as long as the engine is. */
#ifndef SC_SLT_SLT_H
#define SC_SLT_SLT_H

#include "slt/engine.h"

#include <stdio.h>

struct sc_slt_options {
    const struct sc_slt_engine_ops *engine;
    struct sc_slt_engine_options engine_options;
    size_t job_count; /* scripts run at once; 0: one per processor */
    bool progress;    /* on stderr, redrawn in place: for a terminal */
    bool verbose;     /* a line for each script, also for those that pass */
    FILE *out;        /* what failed */
};
struct sc_slt_totals {
    uint64_t passed, failed; /* records; a script that cannot be read or parsed is one failed record */
    uint64_t skipped;        /* records guarded by skipif or onlyif */
    uint64_t scripts;
};
/* Runs the files at paths; of a directory all files below it that end in ".test" or ".slt", by name.  What fails is
 * printed as it is found, in the order of the files, each as `file:line: what`.
 *   SC_E_NOT_FOUND  a path that is not there, or a directory without scripts: nothing was run. */
sc_err sc_slt_run(const char *const *paths, size_t path_count, const struct sc_slt_options *opt,
                  struct sc_slt_totals *totals_out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
