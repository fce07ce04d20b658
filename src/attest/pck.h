/* attest/pck.h - the SGX extension of a PCK certificate (OID 1.2.840.113741.1.13.1): which platform, at which TCB.
 * Source: Intel, "SGX PCK Certificate and CRL Profile Specification". */
#ifndef SC_ATTEST_PCK_H
#define SC_ATTEST_PCK_H

#include "base/bytes.h"

#define SC_PCK_EXTENSION_OID "1.2.840.113741.1.13.1"

struct sc_pck {
    uint8_t ppid[16];
    uint8_t svn[16]; /* the 16 TCB components: what levels are compared with */
    uint16_t pce_svn;
    uint8_t cpu_svn[16];
    uint8_t pce_id[2];
    uint8_t fmspc[6];
    uint8_t sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
    bool has_instance; /* the rest: certificates of the Platform CA only */
    uint8_t instance_id[16];
    bool dynamic_platform, cached_keys, smt_enabled;
};
/* value: the extension's value, DER.  SC_E_MALFORMED: a member is missing, double, of another type or size. */
sc_err sc_pck_parse(struct sc_slice value, struct sc_pck *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
