/* slt/run.h - one script, record by record. */
#ifndef SC_SLT_RUN_H
#define SC_SLT_RUN_H

#include "slt/slt.h"

struct slt_run {
    const struct sc_slt_options *opt;
    const char *path;
    FILE *report; /* what fails */
    /* Called after each record with the bytes of the script that are done. */
    void (*progress)(void *arg, const struct sc_slt_totals *totals, size_t done);
    void *progress_arg;
};
/* Runs the script `text`; whatever happens to it is in the totals and in the report. */
void slt_run_script(const struct slt_run *run, struct sc_slice text, struct sc_slt_totals *totals_out);

#endif
