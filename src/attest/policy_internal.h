/* attest/policy_internal.h - a policy as it was read: policy.c fills it, appraise.c judges by it. */
#ifndef SC_ATTEST_POLICY_INTERNAL_H
#define SC_ATTEST_POLICY_INTERNAL_H

#include "attest/policy.h"
#include "attest/snp_certs.h"

/* Hexadecimal values of one size (or of two: a measurement has 32 or 48 bytes).  count 0: not asked about. */
struct policy_value {
    uint8_t bytes[64];
    size_t size;
};
struct policy_values {
    struct policy_value *list;
    size_t count;
};
/* One accepted identity of code. */
struct policy_code {
    char name[64]; /* for the findings; may be empty */
    struct policy_value measurement, signer; /* size 0: any */
    bool has_product;
    uint32_t product;
    uint32_t svn_min;
};
struct policy_bits {
    uint64_t required, forbidden;
};
enum { POLICY_RTMRS = 4 };
struct sc_policy {
    bool kinds[SC_ATTEST_SOFTWARE + 1];
    struct policy_code *codes;
    size_t code_count; /* 0: any code */
    bool statuses[SC_TCB_STATUS_COUNT];
    bool limit_advisories; /* then only those listed are tolerated */
    char (*advisories)[SC_TCB_ADVISORY_SIZE];
    size_t advisory_count;
    uint32_t evaluation_number_min;
    bool allow_debug;
    int64_t collateral_age_max_s; /* 0: not asked about */
    struct policy_values report_data; /* each a prefix */
    struct policy_values config_id;
    /* SGX and software */
    struct policy_bits sgx_attributes;
    /* TDX */
    struct policy_bits td_attributes;
    struct policy_values mr_seam, mr_owner, mr_owner_config, rtmr[POLICY_RTMRS];
    /* SNP */
    struct policy_bits snp_policy, snp_platform;
    uint32_t vmpl_max;
    bool has_tcb_min;
    struct sc_snp_tcb tcb_min;
    bool allow_vlek;
    struct policy_values family_id, image_id, author_key;
};

/* Names of attribute and policy bits, ended by a NULL name. */
struct policy_bit_name {
    const char *name;
    uint64_t bit;
};
extern const struct policy_bit_name policy_sgx_bits[], policy_td_bits[], policy_snp_bits[], policy_platform_bits[];

#endif
