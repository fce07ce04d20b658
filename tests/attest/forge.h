/* tests/attest/forge.h - makes evidence of every kind, with its collateral, under roots that live as long as the test.
 *
 * A test takes forge_spec_default(), changes what it is about, and gets a set of bytes as the real services would hand
 * them out; every statement is signed *after* the change, so that what is judged is the content, not a broken signature.
 * Aborts where OpenSSL fails: a test cannot go on. */
#ifndef TESTS_ATTEST_FORGE_H
#define TESTS_ATTEST_FORGE_H

#include "attest/attest.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#define FORGE_NOW_S INT64_C(1738368000) /* 2025-02-01 */
#define FORGE_DAY_S INT64_C(86400)

struct forge_level {
    uint8_t sgx[16], tdx[16];
    uint16_t pce_svn;
    const char *status;
    const char *advisories; /* members of a JSON array, or NULL */
};
struct forge_svn_level {
    uint16_t svn;
    const char *status;
    const char *advisories;
};
struct forge_dates {
    int64_t from_s, until_s;
};

struct forge_spec {
    /* the quote */
    uint16_t version;
    uint16_t key_type;
    uint32_t tee;
    enum sc_quote_body body;
    bool simulated;
    const uint8_t *vendor; /* NULL: by `simulated` */
    struct sc_sgx_report sgx;
    struct sc_td_report td;
    struct sc_sgx_report qe;
    uint16_t cert_type;
    size_t padding;
    bool chain_reordered, chain_zero_ended, chain_without_root;
    bool wrong_key_binding, report_data_tail; /* in the QE report */
    /* the platform */
    struct sc_pck pck;
    struct sc_slice pck_extension; /* empty: made from pck */
    /* collateral */
    int tcb_version;
    bool collateral_tdx;  /* kind of the TCB info and QE identity */
    uint8_t collateral_fmspc[6], collateral_pce_id[2];
    struct forge_level levels[4];
    size_t level_count;
    struct forge_svn_level qe_levels[4];
    size_t qe_level_count;
    struct {
        unsigned generation;
        struct forge_svn_level levels[3];
        size_t level_count;
    } modules[3];
    size_t module_count;
    struct sc_sgx_report qe_expected;
    uint8_t module_signer[48], module_attributes[8];
    const char *tcb_info_text, *qe_identity_text; /* NULL: made from the above; the inner objects */
    /* dates and revocation */
    struct forge_dates cert, ca_cert, root_cert, signer_cert, pck_crl, root_crl, tcb_info, qe_identity;
    bool pck_revoked, ca_revoked, signer_revoked;
    bool pck_crl_by_root, root_crl_by_ca; /* lists of the wrong authority */
    bool signer_by_ca, signer_is_ca, ca_is_leaf, pck_may_not_sign;
};

struct forge; /* the keys: made once, used for many specs */
struct forge *forge_new(void);
void forge_free(struct forge *f);

struct forge_set {
    struct sc_buf quote, tcb_info, qe_identity, pck_crl, root_crl, signing_chain, root_pem;
};
void forge_set_deinit(struct forge_set *s);
void forge_spec_default(struct forge_spec *spec, uint16_t version, enum sc_quote_body body);
void forge_make(struct forge *f, const struct forge_spec *spec, struct forge_set *out);
void forge_collateral_bytes(const struct forge_set *s, struct sc_collateral_bytes *out);
/* {"name":inner,"signature":"..."} under the TCB signing key */
void forge_sign_json(struct forge *f, const char *name, const char *inner, struct sc_buf *out);
/* The SGX extension of a PCK certificate. */
void forge_pck_extension(const struct sc_pck *pck, struct sc_buf *out);

/* ---- AMD ---- */
struct forge_snp_spec {
    uint32_t version, guest_svn, vmpl, algorithm;
    uint64_t policy;
    uint8_t family, model;
    const char *product; /* "Milan", "Genoa", "Turin" */
    const char *ca_product, *root_product; /* NULL: product */
    const char *product_extension; /* NULL: product; "": none */
    bool vlek, masked, hardware_id_wrapped;
    int signing_key; /* -1: by vlek */
    uint8_t reported_tcb[8], current_tcb[8];
    uint8_t certified_tcb[8]; /* in the certificate, in the report's order */
    uint8_t chip_id[64], hardware_id[64];
    struct forge_dates cert, ca_cert, crl;
    bool ca_for_other_kind; /* ASK for a VLEK, ASVK for a VCEK */
    bool with_crl, ca_revoked, crl_by_ca;
};
struct forge_snp_set {
    struct sc_buf report, vek, chain, crl, root_pem;
};
void forge_snp_set_deinit(struct forge_snp_set *s);
void forge_snp_spec_default(struct forge_snp_spec *spec, const char *product, bool vlek);
void forge_snp_make(struct forge *f, const struct forge_snp_spec *spec, struct forge_snp_set *out);

#endif
