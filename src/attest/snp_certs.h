/* attest/snp_certs.h - what AMD's VCEK and VLEK certificates say in their extensions (OIDs under 1.3.6.1.4.1.3704.1).
 * Source: AMD, "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification", and its VLEK twin. */
#ifndef SC_ATTEST_SNP_CERTS_H
#define SC_ATTEST_SNP_CERTS_H

#include "attest/snp_report.h"
#include "crypto/pki.h"

enum sc_snp_product { SC_SNP_PRODUCT_UNKNOWN, SC_SNP_MILAN, SC_SNP_GENOA, SC_SNP_TURIN };
const char *sc_snp_product_name(enum sc_snp_product product); /* "Milan"; "" for UNKNOWN */
/* From a name that contains a product's: "Milan-B0", "SEV-VLEK-Milan".  UNKNOWN: none does. */
enum sc_snp_product sc_snp_product_of_name(const char *name);
/* From CPUID's combined family and model. */
enum sc_snp_product sc_snp_product_of_cpuid(uint8_t family, uint8_t model);

struct sc_snp_vek {
    bool is_vlek;
    enum sc_snp_product product;
    struct sc_snp_tcb tcb;
    uint8_t hardware_id[64]; /* VCEK only */
    size_t hardware_id_size; /* 64; Turin 8 */
};
/* SC_E_MALFORMED: an extension is missing or malformed, or the certificate is neither VCEK nor VLEK. */
sc_err sc_snp_vek_parse(const struct sc_cert *cert, struct sc_snp_vek *out, struct sc_diag *diag) SC_MUST_CHECK;
/* The value of an AMD integer extension: DER INTEGER, 0 to 255.  For the fuzz target, too. */
sc_err sc_snp_extension_u8(struct sc_slice value, uint8_t *out) SC_MUST_CHECK;
/* Raw, or wrapped in an OCTET STRING. */
sc_err sc_snp_extension_hardware_id(struct sc_slice value, struct sc_snp_vek *out) SC_MUST_CHECK;

#endif
