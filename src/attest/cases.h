/* attest/cases.h - running a list of cases with expected verdicts: the form of the attestation vectors.
 *
 * Tab-separated, a line each, '#' starts a comment line:
 *   id  kind (sgx, tdx, snp)  check (full, sig)  trusted roots (a file or a pattern)  evidence  collateral folder or -
 *   time (seconds since 1970)  verdicts that are right, separated by |
 * Further fields are remarks.  Paths are relative to the list's own folder. */
#ifndef SC_ATTEST_CASES_H
#define SC_ATTEST_CASES_H

#include "attest/attest.h"

struct sc_case {
    const char *id;
    const char *expected;
    const char *got;
    bool passed;
    const struct sc_attest_result *result; /* NULL: the case could not be run; then `got` tells why */
};
typedef void (*sc_case_fn)(void *arg, const struct sc_case *c); /* after each case; lives for the call only */
struct sc_cases_outcome {
    size_t passed, failed;
};
/* Runs all.  A case whose files cannot be read or whose line is malformed counts as failed: nothing is skipped. */
sc_err sc_cases_run(const char *path, sc_case_fn fn, void *arg, struct sc_cases_outcome *out,
                    struct sc_diag *diag) SC_MUST_CHECK;

#endif
