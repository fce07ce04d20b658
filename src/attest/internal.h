/* attest/internal.h - what the judging files of this room share. */
#ifndef SC_ATTEST_INTERNAL_H
#define SC_ATTEST_INTERNAL_H

#include "attest/attest.h"

/* A certificate with what is judged of it. */
struct attest_cert {
    struct sc_cert *cert;
    struct sc_cert_facts facts;
    struct sc_pubkey *key;
};
void attest_cert_deinit(struct attest_cert *c);
/* Takes cert over, also when it fails. */
sc_err attest_cert_init(struct attest_cert *c, struct sc_cert *cert, struct sc_diag *diag);
/* SC_ATTEST_OK, SC_ATTEST_CERT_EXPIRED or SC_ATTEST_CERT_NOT_YET; both ends count. */
enum sc_attest_reason attest_cert_dates(const struct attest_cert *c, int64_t now_s, struct sc_diag *diag);
/* Does issuer's key sign cert, and do names, constraints and key usage allow it?  `below` CAs stand between them. */
sc_err attest_cert_issued_by(const struct attest_cert *cert, const struct attest_cert *issuer, long below,
                             struct sc_diag *diag);

/* leaf, CA, root: a path that was built by names and whose signatures hold. */
enum { PATH_LEAF, PATH_CA, PATH_ROOT, PATH_SIZE };
struct attest_path {
    struct attest_cert cert[PATH_SIZE];
};
void attest_path_deinit(struct attest_path *p);
/* From three certificates in any order; takes them over, also when it fails.  key_kind: what all keys must be, before
 * any signature is verified (a stranger's chain must not cost more than it has to); SC_PUBKEY_OTHER: whatever they are.
 * SC_E_AUTH: a signature, name or right is wrong; SC_E_MALFORMED: they make no path. */
sc_err attest_path_build(struct attest_path *p, struct sc_cert *certs[static PATH_SIZE], enum sc_pubkey_kind key_kind,
                         struct sc_diag *diag);
enum sc_attest_reason attest_path_dates(const struct attest_path *p, int64_t now_s, struct sc_diag *diag);

/* A PCK chain, verified but for its dates; kept by the verifier under the bytes it came from. */
struct attest_pck_chain {
    struct sc_buf bytes;
    struct attest_path path;
    struct sc_pck pck;
    uint64_t used; /* for eviction */
};

/* What of a collateral was found under one root and one PCK CA: the parts in the order in which they are judged. */
enum attest_part { PART_ROOT_CRL, PART_PCK_CRL, PART_SIGNER, PART_TCB_INFO, PART_QE_IDENTITY, PART_COUNT };
struct attest_finding {
    enum sc_attest_reason reason;
    struct sc_diag diag;
};

struct sc_collateral {
    struct sc_buf tcb_info_bytes, qe_identity_bytes;
    bool has_root_crl, has_pck_crl; /* given, whether or not they could be parsed */
    struct attest_finding parsed[PART_COUNT]; /* flaws of form */
    struct sc_crl *root_crl, *pck_crl;
    struct attest_cert signer, signer_root;
    bool tcb_info_parsed, qe_identity_parsed; /* after their signatures */
    struct sc_tcb_info tcb_info;
    struct sc_qe_identity qe_identity;
    /* AMD */
    struct attest_finding vek_parsed, amd_crl_parsed;
    struct attest_path amd_path;
    struct sc_crl *amd_crl;
    /* what was found when it was last judged */
    bool judged;
    struct sc_hash judged_root, judged_ca;
    struct attest_finding found[PART_COUNT];
};

/* ---- judging ---- */
struct sc_attest_verifier {
    const struct sc_roots *roots;
    struct attest_pck_chain *chains;
    size_t chain_count;
    uint64_t clock;
};
#define ATTEST_CHAINS_MAX ((size_t)64)

/* Writes a refusal into r and returns it.  Appends diag's text to the detail where there is one. */
enum sc_attest_reason attest_refuse(struct sc_attest_result *r, enum sc_attest_reason reason,
                                    const struct sc_diag *diag);
static inline void attest_pass(struct sc_attest_result *r, enum sc_attest_check check)
{
    r->passed |= UINT32_C(1) << check;
}
/* Narrows the times for which the verdict holds. */
void attest_note_validity(struct sc_attest_result *r, int64_t issued_s, int64_t expires_s, bool is_collateral);

/* Each fills r; r->reason tells.  SC_E_NOMEM: no verdict. */
sc_err attest_verify_quote(struct sc_attest_verifier *v, const struct sc_attest_request *req,
                           struct sc_attest_result *r);
sc_err attest_verify_snp(struct sc_attest_verifier *v, const struct sc_attest_request *req, struct sc_attest_result *r);
/* CRLs, TCB info and QE identity under the chain's root and CA: signatures remembered, dates at now_s. */
sc_err attest_judge_collateral(struct sc_collateral *c, const struct sc_roots *roots, enum sc_root_kind kind,
                               const struct attest_pck_chain *chain, int64_t now_s, struct sc_attest_result *r);
/* What a verifier remembers, and what a collateral does. */
void attest_chains_free(struct sc_attest_verifier *v);
void attest_collateral_forget(struct sc_collateral *c);

#endif
