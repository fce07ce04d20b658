/* cli/options.h - numbers on the command line: all of the text or an error that names the option.  Thread-safe. */
#ifndef SC_CLI_OPTIONS_H
#define SC_CLI_OPTIONS_H

#include "base/err.h"

#include <stdint.h>

/* SC_E_USAGE: not a decimal number from 0 to max. */
sc_err sc_option_number(const char *name, const char *text, uint64_t max, uint64_t *out, struct sc_diag *diag) SC_MUST_CHECK;
/* SC_E_USAGE: not a number from min to max. */
sc_err sc_option_real(const char *name, const char *text, double min, double max, double *out, struct sc_diag *diag)
    SC_MUST_CHECK;

#endif
