/* billing/command.h - what securecloud-bill and securecloud-audit share: tariffs given on the command line, progress. */
#ifndef SC_BILLING_COMMAND_H
#define SC_BILLING_COMMAND_H

#include "billing/tariff.h"

#include <dirent.h>

#define SC_EXIT_OK     0
#define SC_EXIT_FAILED 1 /* it could not be done */
#define SC_EXIT_USAGE  2
#define SC_EXIT_STRICT 3 /* it was done, and the verdict is a failed one (--strict) */

#define SC_TARIFFS_MAX 64
struct sc_tariffs {
    size_t count;
    struct sc_tariff *list[SC_TARIFFS_MAX];
};
/* Adds a tariff, or every *.json of a directory in the order of names.  SC_E_NOT_FOUND: a directory without one. */
sc_err sc_tariffs_add(struct sc_tariffs *t, const char *path, struct sc_diag *diag) SC_MUST_CHECK;
void sc_tariffs_deinit(struct sc_tariffs *t);

int sc_is_json_entry(const struct dirent *entry); /* a filter for scandir(): visible files that end in .json */

/* One line on a terminal, rewritten; nothing where stderr is not a terminal. */
void sc_progress(const char *what, size_t done, size_t total);

/* "error: ..." on stderr; the exit code that fits err. */
int sc_command_failed(const char *name, sc_err err, const struct sc_diag *diag);

/* A customer number: decimal, 0 .. 2^63-1.  SC_E_USAGE. */
sc_err sc_number_parse(const char *text, int64_t *out) SC_MUST_CHECK;

#endif
