/* fraud/commands.h - the sub-commands of securecloud-fraud: each takes its own argc/argv, returns the exit code
 * (0 done, 1 failed, 2 wrong usage). */
#ifndef SC_FRAUD_COMMANDS_H
#define SC_FRAUD_COMMANDS_H

#include "base/err.h"

#include <stdint.h>

int fraud_rank_main(int argc, char **argv);
int fraud_evaluate_main(int argc, char **argv);

/* A decimal number and nothing else: SC_E_USAGE. */
sc_err fraud_number_parse(const char *text, uint64_t *out) SC_MUST_CHECK;
/* One line on stderr that renews itself; silent unless stderr is a terminal. */
void fraud_progress(const char *what, size_t done, size_t total);

#endif
