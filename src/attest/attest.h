/* attest/attest.h - judging an enclave: is this evidence genuine, what code does it speak of, on what platform?
 *
 * One verifier for every kind: Intel SGX and TDX (DCAP quotes, versions 3, 4 and 5, ECDSA P-256), AMD SEV-SNP (reports of
 * version 2 to 5), and *software* evidence: a DCAP quote under a simulation root, judged by the same code and
 * labelled simulated wherever it is shown.  docs/attestation.md tells every check, its order and its source.
 *
 * Two questions are kept apart.  sc_attest_verify() answers "is it true?": the reason is SC_ATTEST_OK, or why the
 * evidence is refused; the state of the platform's TCB is a fact in the result.  sc_policy_appraise() (attest/policy.h)
 * answers "is it what we want?".  A relying party asks both.
 *
 * Time comes in as an argument.  A verifier and the collateral it is used with belong to one thread at a time. */
#ifndef SC_ATTEST_ATTEST_H
#define SC_ATTEST_ATTEST_H

#include "attest/collateral.h"
#include "attest/quote.h"
#include "attest/roots.h"
#include "attest/snp_report.h"
#include "attest/tcb.h"
#include "base/json.h"

#define SC_ATTEST_DETAIL_SIZE    ((size_t)256)
#define SC_ATTEST_ADVISORIES_MAX ((size_t)192)

enum sc_attest_kind { SC_ATTEST_UNKNOWN, SC_ATTEST_SGX, SC_ATTEST_TDX, SC_ATTEST_SNP, SC_ATTEST_SOFTWARE };
const char *sc_attest_kind_name(enum sc_attest_kind kind); /* "sgx", "tdx", "snp", "software", "unknown" */
sc_err sc_attest_kind_parse(const char *name, enum sc_attest_kind *out) SC_MUST_CHECK;

/* Why evidence is refused; each has a code (several reasons may share one), a short name and a sentence (reasons.c). */
enum sc_attest_reason {
    SC_ATTEST_OK,
    /* the evidence's form */
    SC_ATTEST_MALFORMED,
    SC_ATTEST_VERSION,
    SC_ATTEST_TEE_TYPE,
    SC_ATTEST_KEY_TYPE,
    SC_ATTEST_VENDOR,
    SC_ATTEST_CERT_DATA,
    SC_ATTEST_ALGORITHM,
    SC_ATTEST_UNSIGNED,
    /* certificates */
    SC_ATTEST_PCK_CHAIN,
    SC_ATTEST_PCK_EXTENSION,
    SC_ATTEST_SNP_CHAIN,
    SC_ATTEST_SNP_EXTENSION,
    SC_ATTEST_SNP_PRODUCT,
    SC_ATTEST_SNP_KEY_KIND,
    SC_ATTEST_UNTRUSTED_ROOT,
    SC_ATTEST_CERT_EXPIRED,
    SC_ATTEST_CERT_NOT_YET,
    /* revocation */
    SC_ATTEST_CRL_MISSING,
    SC_ATTEST_CRL_FORMAT,
    SC_ATTEST_CRL_MISMATCH,
    SC_ATTEST_CRL_SIGNATURE,
    SC_ATTEST_CRL_EXPIRED,
    SC_ATTEST_CRL_NOT_YET,
    SC_ATTEST_PCK_REVOKED,
    SC_ATTEST_CA_REVOKED,
    SC_ATTEST_TCB_SIGNER_REVOKED,
    /* collateral */
    SC_ATTEST_TCB_SIGNER,
    SC_ATTEST_TCBINFO_MISSING,
    SC_ATTEST_TCBINFO_FORMAT,
    SC_ATTEST_TCBINFO_SIGNATURE,
    SC_ATTEST_TCBINFO_EXPIRED,
    SC_ATTEST_TCBINFO_NOT_YET,
    SC_ATTEST_TCBINFO_TEE,
    SC_ATTEST_TCBINFO_FMSPC,
    SC_ATTEST_TCBINFO_PCEID,
    SC_ATTEST_QEID_MISSING,
    SC_ATTEST_QEID_FORMAT,
    SC_ATTEST_QEID_SIGNATURE,
    SC_ATTEST_QEID_EXPIRED,
    SC_ATTEST_QEID_NOT_YET,
    SC_ATTEST_QEID_TEE,
    SC_ATTEST_QEID_SIGNER,
    SC_ATTEST_QEID_PRODUCT,
    SC_ATTEST_QEID_MISCSELECT,
    SC_ATTEST_QEID_ATTRIBUTES,
    /* the evidence's signatures and what they bind */
    SC_ATTEST_QE_REPORT_SIGNATURE,
    SC_ATTEST_KEY_UNBOUND,
    SC_ATTEST_KEY_INVALID,
    SC_ATTEST_QUOTE_SIGNATURE,
    SC_ATTEST_TDX_MODULE_UNKNOWN,
    SC_ATTEST_TDX_MODULE_SIGNER,
    SC_ATTEST_TDX_MODULE_ATTRIBUTES,
    SC_ATTEST_REPORT_SIGNATURE,
    SC_ATTEST_SNP_TCB,
    SC_ATTEST_SNP_CHIP,
    SC_ATTEST_REASON_COUNT
};
const char *sc_attest_reason_code(enum sc_attest_reason reason); /* "E_QUOTE_SIG"; "OK" */
const char *sc_attest_reason_name(enum sc_attest_reason reason); /* "quote-signature" */
const char *sc_attest_reason_text(enum sc_attest_reason reason); /* a sentence */

/* What was checked and held, in the order of the checks: bits of sc_attest_result.passed. */
enum sc_attest_check {
    SC_CHECK_FORMAT,
    SC_CHECK_CHAIN,
    SC_CHECK_ROOT_CRL,
    SC_CHECK_PCK_CRL,
    SC_CHECK_TCB_INFO,
    SC_CHECK_QE_IDENTITY,
    SC_CHECK_PLATFORM_FIT,
    SC_CHECK_QE_REPORT,
    SC_CHECK_KEY_BINDING,
    SC_CHECK_QUOTE,
    SC_CHECK_QE_JUDGED,
    SC_CHECK_TDX_MODULE,
    SC_CHECK_TCB_LEVEL,
    SC_CHECK_AMD_CRL,
    SC_CHECK_REPORT,
    SC_CHECK_SNP_TCB,
    SC_CHECK_SNP_CHIP,
    SC_CHECK_SNP_PRODUCT,
    SC_CHECK_COUNT
};
const char *sc_attest_check_name(enum sc_attest_check check);

/* How far to go: Full needs collateral (for AMD: the certificates); Signatures needs the evidence's own chain only and
 * says nothing about revocation or the TCB. */
enum sc_attest_depth { SC_ATTEST_FULL, SC_ATTEST_SIGNATURES };

struct sc_attest_advisories {
    size_t count;
    char id[SC_ATTEST_ADVISORIES_MAX][SC_TCB_ADVISORY_SIZE];
};

/* Everything a relying party decides on.  Plain data: owns nothing, borrows nothing.  Fields of another kind are zero.
 * With a reason other than SC_ATTEST_OK the evidence's fields are what it *claims* (as far as it could be read). */
struct sc_attest_result {
    enum sc_attest_reason reason;
    enum sc_attest_kind kind;
    enum sc_attest_depth depth;
    bool simulated; /* software evidence: protects from nothing that controls the machine */
    uint32_t passed;
    char detail[SC_ATTEST_DETAIL_SIZE]; /* what exactly, for a human; "" with SC_ATTEST_OK */
    int64_t verified_at_s;

    /* what code: the same questions for all kinds */
    uint8_t measurement[48]; /* MRENCLAVE (32), MRTD, launch measurement */
    size_t measurement_size;
    uint8_t signer[48]; /* MRSIGNER (32), MROWNER of a TD, digest of the SNP id key */
    size_t signer_size;
    uint32_t product_id; /* ISVPRODID; 0 for others */
    uint32_t svn;        /* ISVSVN, guest SVN; 0 for TDX */
    uint8_t config_id[64]; /* CONFIGID (64), MRCONFIGID (48), host data (32) */
    size_t config_id_size;
    uint8_t report_data[64];
    bool debug; /* the host can read it */

    /* what platform */
    enum sc_tcb_status tcb_status;      /* the verdict over platform, module and QE together; NONE for SNP */
    enum sc_tcb_status platform_status; /* its parts, where they apply */
    enum sc_tcb_status sgx_status;
    enum sc_tcb_status module_status;
    enum sc_tcb_status qe_status;
    int64_t tcb_date_s;             /* of the platform's level; 0: none */
    uint32_t tcb_evaluation_number; /* of the TCB info; 0: none */
    struct sc_attest_advisories advisories; /* of platform, module and QE, each once */
    uint8_t fmspc[6];
    uint8_t pce_id[2];
    uint8_t pck_svn[16];
    uint16_t pce_svn;
    char issuer_cn[SC_CERT_CN_SIZE_MAX]; /* of the PCK certificate, VCEK or VLEK */
    int64_t collateral_issued_s;  /* of the oldest of PCK CRL, TCB info and QE identity, or of AMD's CRL; 0: none used */
    int64_t collateral_expires_s; /* of the first that runs out; certificates and the root CRL count */
    char snp_product[16];         /* "Milan", "Genoa", "Turin" */

    /* the evidence itself */
    union {
        struct sc_quote quote; /* SGX, TDX, software; its slices are emptied in a result */
        struct sc_snp_report snp;
    } evidence;
};

struct sc_attest_request {
    struct sc_slice evidence;
    struct sc_collateral *collateral; /* borrowed; NULL: none.  For AMD evidence: made from its folder too */
    enum sc_attest_depth depth;
    enum sc_attest_kind kind; /* SC_ATTEST_UNKNOWN: told by the bytes; else only whether they are a quote or an SNP report */
    int64_t now_s; /* seconds since 1970 */
};

struct sc_attest_verifier;
/* Borrows roots, which must outlive it. */
sc_err sc_attest_verifier_new(const struct sc_roots *roots, struct sc_attest_verifier **out) SC_MUST_CHECK;
void sc_attest_verifier_free(struct sc_attest_verifier *v);
void sc_attest_verifier_freep(struct sc_attest_verifier **v);
/* Judges.  SC_OK whatever the verdict: it is out->reason.  SC_E_NOMEM: no verdict. */
sc_err sc_attest_verify(struct sc_attest_verifier *v, const struct sc_attest_request *req,
                        struct sc_attest_result *out) SC_MUST_CHECK;

/* The verdict in one word: a TCB status, "OK" (SNP), "SigOK" (signatures only), or the reason's code. */
const char *sc_attest_verdict(const struct sc_attest_result *r);
/* For people, line by line; for programs, a JSON document (docs/attestation.md has its members). */
void sc_attest_to_text(const struct sc_attest_result *r, struct sc_buf *out);
sc_err sc_attest_to_json(const struct sc_attest_result *r, json_t **out) SC_MUST_CHECK;

#endif
