/* Appraisal policies: the YAML reader, the policy's own rules, and an appraisal by what was accepted. */
#include "attest/policy.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sc_attest_result r;
    static struct sc_appraisal a;
    SC_CLEANUP(sc_policy_freep) struct sc_policy *p = NULL;
    struct sc_diag diag = { 0 };
    const sc_err err = sc_policy_parse(sc_slice_of(data, size), &p, &diag);
    if (err != SC_OK) {
        unsigned line;
        unsigned column;
        if (err != SC_E_NOMEM && (sscanf(diag.text, "line %u, column %u", &line, &column) != 2 || line == 0))
            abort(); /* a mistake is told with its place */
        return 0;
    }
    for (int kind = SC_ATTEST_SGX; kind <= SC_ATTEST_SOFTWARE; kind++) {
        memset(&r, 0, sizeof r);
        r.kind = (enum sc_attest_kind)kind;
        r.tcb_status = SC_TCB_REVOKED;
        if (kind != SC_ATTEST_SNP)
            r.evidence.quote.body = kind == SC_ATTEST_TDX ? SC_BODY_TD10 : SC_BODY_SGX;
        r.measurement_size = kind == SC_ATTEST_SGX ? 32 : 48;
        sc_policy_appraise(p, &r, &a);
        if (kind != SC_ATTEST_SNP && a.accepted) /* a revoked platform is never tolerated */
            abort();
    }
    return 0;
}
