/* attest/policy.h - appraisal: is genuine evidence what we want?  A policy is a YAML file (docs/attestation.md).
 *
 * Nothing is accepted that the policy does not allow: kinds must be listed, "UpToDate" alone is tolerated unless more is,
 * a debuggable enclave is refused unless insecure_allow_debug is true.  A mistake in the file is an error that says line
 * and column; a member that is not known is a mistake. */
#ifndef SC_ATTEST_POLICY_H
#define SC_ATTEST_POLICY_H

#include "attest/attest.h"

#define SC_POLICY_FINDINGS_MAX ((size_t)32)

struct sc_policy;
void sc_policy_free(struct sc_policy *p);
void sc_policy_freep(struct sc_policy **p);
sc_err sc_policy_parse(struct sc_slice yaml, struct sc_policy **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_policy_read(const char *path, struct sc_policy **out, struct sc_diag *diag) SC_MUST_CHECK;
/* The policy without a file: any code on real hardware whose TCB is up to date, no debug, VMPL 0. */
sc_err sc_policy_default(struct sc_policy **out) SC_MUST_CHECK;

/* What the policy objects to: a short name for programs ("debug", "tcb-status", "code") and a sentence. */
struct sc_policy_finding {
    const char *name;
    char text[160];
};
struct sc_appraisal {
    bool accepted; /* genuine, fully checked, and no finding */
    size_t count;
    struct sc_policy_finding findings[SC_POLICY_FINDINGS_MAX];
};
/* Evidence that is not genuine, or was checked by its signatures only, is never accepted. */
void sc_policy_appraise(const struct sc_policy *p, const struct sc_attest_result *r, struct sc_appraisal *out);
/* {"accepted": false, "findings": [{"name": ..., "text": ...}]} */
sc_err sc_appraisal_to_json(const struct sc_appraisal *a, json_t **out) SC_MUST_CHECK;

#endif
