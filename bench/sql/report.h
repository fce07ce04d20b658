/* bench/sql/report.h - the figures, as a table. */
#ifndef BENCH_SQL_REPORT_H
#define BENCH_SQL_REPORT_H

#include "phases.h"

#include <stdio.h>

void report_machine(FILE *out, const struct data *data);
/* One or two contenders; with two, the ratio of the first to the second. */
void report_print(FILE *out, struct contender *contenders, size_t count);

#endif
