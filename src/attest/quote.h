/* attest/quote.h - Intel's DCAP quotes: what they say, before anything is believed.
 *
 * Versions 3, 4 and 5 with an SGX enclave report, a TD report 1.0 or a TD report 1.5.  Integers are little-endian. */
#ifndef SC_ATTEST_QUOTE_H
#define SC_ATTEST_QUOTE_H

#include "base/bytes.h"

#define SC_QUOTE_HEADER_SIZE     ((size_t)48)
#define SC_SGX_REPORT_SIZE       ((size_t)384)
#define SC_TD_REPORT_10_SIZE     ((size_t)584)
#define SC_TD_REPORT_15_SIZE     ((size_t)648)
#define SC_QUOTE_SIZE_MAX        ((size_t)1 << 20)
#define SC_QUOTE_KEY_ECDSA_P256  2
#define SC_QUOTE_CERTS_PCK_CHAIN 5
#define SC_QUOTE_CERTS_QE_REPORT 6

enum sc_quote_tee { SC_TEE_SGX = 0, SC_TEE_TDX = 0x81 };
enum sc_quote_body { SC_BODY_SGX = 1, SC_BODY_TD10 = 2, SC_BODY_TD15 = 3 }; /* the numbers of version 5 */

#define SC_SGX_ATTR_INIT   (UINT64_C(1) << 0)
#define SC_SGX_ATTR_DEBUG  (UINT64_C(1) << 1)
#define SC_SGX_ATTR_MODE64 (UINT64_C(1) << 2)
#define SC_SGX_ATTR_PROVISION_KEY (UINT64_C(1) << 4)
#define SC_SGX_ATTR_INIT_TOKEN_KEY (UINT64_C(1) << 5)
#define SC_SGX_ATTR_KSS    (UINT64_C(1) << 7)
#define SC_SGX_ATTR_AEX_NOTIFY (UINT64_C(1) << 10)
#define SC_TD_ATTR_DEBUG   (UINT64_C(1) << 0)
#define SC_TD_ATTR_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define SC_TD_ATTR_PKS     (UINT64_C(1) << 30)
#define SC_TD_ATTR_KL      (UINT64_C(1) << 31)
#define SC_TD_ATTR_PERFMON (UINT64_C(1) << 63)

/* An SGX enclave report body: of the enclave, or of the quoting enclave (QE). */
struct sc_sgx_report {
    uint8_t cpu_svn[16];
    uint32_t misc_select;
    uint8_t ext_prod_id[16];
    uint64_t attributes, xfrm;
    uint8_t mr_enclave[32];
    uint8_t mr_signer[32];
    uint8_t config_id[64];
    uint16_t prod_id, svn, config_svn;
    uint8_t family_id[16];
    uint8_t report_data[64];
};

struct sc_td_report {
    uint8_t tee_tcb_svn[16];
    uint8_t mr_seam[48];
    uint8_t mr_signer_seam[48];
    uint8_t seam_attributes[8];
    uint64_t attributes, xfam;
    uint8_t mr_td[48];
    uint8_t mr_config_id[48];
    uint8_t mr_owner[48];
    uint8_t mr_owner_config[48];
    uint8_t rtmr[4][48];
    uint8_t report_data[64];
    uint8_t tee_tcb_svn_2[16]; /* report 1.5 only, as the next */
    uint8_t mr_service_td[48];
};

struct sc_quote {
    uint16_t version, key_type;
    uint32_t tee;
    uint16_t qe_svn, pce_svn; /* version 3; reserved later */
    uint8_t vendor[16];
    uint8_t user_data[20];
    enum sc_quote_body body;
    union {
        struct sc_sgx_report sgx;
        struct sc_td_report td;
    } report;
    struct sc_sgx_report qe_report;
    uint16_t cert_type;
    /* borrowed from the bytes that were parsed */
    struct sc_slice signed_part;      /* header and body: what the quote's signature covers */
    struct sc_slice signature;        /* 64 */
    struct sc_slice attestation_key;  /* 64 */
    struct sc_slice qe_report_bytes;  /* 384 */
    struct sc_slice qe_report_signature; /* 64 */
    struct sc_slice auth_data;
    struct sc_slice cert_data;
    size_t size; /* of the quote proper; bytes may follow it (padding of real TDX quotes) */
};

extern const uint8_t sc_quote_vendor_intel[16];
extern const uint8_t sc_quote_vendor_simulation[16]; /* of software evidence: "SecureCloud SIM" and a zero */

/* Why a quote is not readable, finer than an sc_err. */
enum sc_quote_flaw {
    SC_QUOTE_FINE,
    SC_QUOTE_TRUNCATED, /* too short, or a length that does not fit what encloses it */
    SC_QUOTE_BAD_VERSION,
    SC_QUOTE_BAD_TEE,   /* unknown, or not what the body is */
    SC_QUOTE_BAD_KEY_TYPE,
    SC_QUOTE_BAD_BODY,
    SC_QUOTE_BAD_CERT_DATA /* no certification data of a type that can be judged */
};
/* Parses and judges the form alone.  Slices of out borrow from bytes.  On a flaw, what came before it is filled in and
 * diag (may be NULL) says where it is.  Never reads past bytes. */
enum sc_quote_flaw sc_quote_parse(struct sc_slice bytes, struct sc_quote *out, struct sc_diag *diag);
/* Could these bytes be a quote at all (version 3 to 5 and a known key type)?  For telling kinds apart, not for judging. */
bool sc_quote_looks_like(struct sc_slice bytes);
/* 384 bytes. */
void sc_sgx_report_parse(const uint8_t bytes[static 384], struct sc_sgx_report *out);

#endif
