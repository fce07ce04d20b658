/* report/report.h - the report of a run: DIR/run.json, DIR/bills, DIR/audits, DIR/fraud/ranking.json ->
 * DIR/index.html and DIR/customers/<number>.html. */
#ifndef SC_REPORT_REPORT_H
#define SC_REPORT_REPORT_H

#include "base/err.h"

#include <stddef.h>

/* run.json and the folder bills must be there; an audit or the ranking may be missing and is then shown as not made.
 * Whatever is there must be well formed: SC_E_MALFORMED names file and member, and index.html is not written.
 * One customer is in memory at a time, beside the ranking.  progress may be NULL. */
sc_err sc_report_write(const char *dir, void (*progress)(size_t done, size_t total), size_t *customers_out,
                       struct sc_diag *diag) SC_MUST_CHECK;

#endif
