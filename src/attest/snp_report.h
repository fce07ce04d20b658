/* attest/snp_report.h - AMD SEV-SNP attestation reports: what they say, before anything is believed.
 * Layout: SEV-SNP firmware ABI, table ATTESTATION_REPORT; versions 2, 3 (adds the CPUID), 4 (read as 3), 5 (adds
 * mitigation vectors).  Integers are little-endian. */
#ifndef SC_ATTEST_SNP_REPORT_H
#define SC_ATTEST_SNP_REPORT_H

#include "base/bytes.h"

#define SC_SNP_REPORT_SIZE ((size_t)1184)
#define SC_SNP_SIGNED_SIZE ((size_t)0x2a0)

#define SC_SNP_POLICY_SMT           (UINT64_C(1) << 16)
#define SC_SNP_POLICY_RESERVED_ONE  (UINT64_C(1) << 17)
#define SC_SNP_POLICY_MIGRATION     (UINT64_C(1) << 18)
#define SC_SNP_POLICY_DEBUG         (UINT64_C(1) << 19)
#define SC_SNP_POLICY_SINGLE_SOCKET (UINT64_C(1) << 20)
#define SC_SNP_POLICY_CXL           (UINT64_C(1) << 21)
#define SC_SNP_POLICY_AES_XTS       (UINT64_C(1) << 22)
#define SC_SNP_POLICY_RAPL_OFF      (UINT64_C(1) << 23)
#define SC_SNP_POLICY_CIPHERTEXT_HIDING (UINT64_C(1) << 24)
#define SC_SNP_POLICY_PAGE_SWAP_OFF (UINT64_C(1) << 25)

enum sc_snp_signing_key { SC_SNP_VCEK = 0, SC_SNP_VLEK = 1, SC_SNP_UNSIGNED = 7 };

/* A TCB version's components; which byte is which depends on the product. */
struct sc_snp_tcb {
    uint8_t fmc, boot_loader, tee, snp, microcode; /* fmc: Turin only */
};

struct sc_snp_report {
    uint32_t version, guest_svn, vmpl, algorithm;
    uint64_t policy, platform_info;
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint8_t current_tcb[8], reported_tcb[8], committed_tcb[8], launch_tcb[8];
    bool author_key_present, chip_id_masked;
    uint8_t signing_key; /* of enum sc_snp_signing_key; others are reserved */
    uint8_t report_data[64];
    uint8_t measurement[48];
    uint8_t host_data[32];
    uint8_t id_key_digest[48];
    uint8_t author_key_digest[48];
    uint8_t report_id[32];
    uint8_t report_id_ma[32];
    uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* version 3 and later; the combined values */
    uint8_t chip_id[64];
    uint8_t current_build, current_minor, current_major;
    uint8_t committed_build, committed_minor, committed_major;
    uint64_t launch_mitigations, current_mitigations; /* version 5 */
    uint8_t signature[96]; /* r || s, big-endian, 48 each */
};

enum sc_snp_flaw { SC_SNP_FINE, SC_SNP_BAD_SIZE, SC_SNP_BAD_VERSION, SC_SNP_BAD_ALGORITHM, SC_SNP_BAD_SIGNATURE };
/* Parses and judges the form alone.  With BAD_SIZE nothing is filled in, else everything is. */
enum sc_snp_flaw sc_snp_report_parse(struct sc_slice bytes, struct sc_snp_report *out, struct sc_diag *diag);
/* Could these bytes be a report at all?  For telling kinds apart, not for judging. */
bool sc_snp_looks_like(struct sc_slice bytes);
/* The components of a TCB version as this product orders them: Turin's order, or that of Milan and Genoa. */
void sc_snp_tcb_parse(const uint8_t bytes[static 8], bool is_turin, struct sc_snp_tcb *out);

#endif
