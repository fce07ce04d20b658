/* The vocabulary: every reason with its code, its name and its sentence. */
#include "attest/attest.h"

static const struct {
    const char *code, *name, *text;
} reasons[SC_ATTEST_REASON_COUNT] = {
    [SC_ATTEST_OK] = {"OK", "ok", "the evidence is genuine"},
    [SC_ATTEST_MALFORMED] = {"E_FORMAT", "malformed", "the evidence is malformed"},
    [SC_ATTEST_VERSION] = {"E_FORMAT", "unknown-version", "the evidence is of a version that is not known"},
    [SC_ATTEST_TEE_TYPE] = {"E_FORMAT", "unknown-tee", "the TEE's type is not known or does not fit the body"},
    [SC_ATTEST_KEY_TYPE] = {"E_UNSUPPORTED", "attestation-key-type",
                            "the attestation key is of a type that is not accepted (ECDSA P-256 is)"},
    [SC_ATTEST_VENDOR] = {"E_UNSUPPORTED", "unknown-vendor",
                          "the quoting enclave is neither Intel's nor that of simulated evidence"},
    [SC_ATTEST_CERT_DATA] = {"E_UNSUPPORTED", "certification-data",
                             "the certification data are not a PCK certificate chain"},
    [SC_ATTEST_ALGORITHM] = {"E_UNSUPPORTED", "signature-algorithm",
                             "the signature algorithm is not accepted (ECDSA P-384 with SHA-384 is)"},
    [SC_ATTEST_UNSIGNED] = {"E_UNSUPPORTED", "unsigned", "the report says that no key signed it"},
    [SC_ATTEST_PCK_CHAIN] = {"E_PCK_CHAIN", "pck-chain", "the PCK certificate chain is broken"},
    [SC_ATTEST_PCK_EXTENSION] = {"E_PCK_CHAIN", "pck-extension",
                                 "the PCK certificate's SGX extension is missing or malformed"},
    [SC_ATTEST_SNP_CHAIN] = {"E_CHAIN", "amd-chain", "the chain from VCEK or VLEK to the ARK is missing or broken"},
    [SC_ATTEST_SNP_EXTENSION] = {"E_CHAIN", "amd-extension",
                                 "an extension of the VCEK or VLEK is missing or malformed"},
    [SC_ATTEST_SNP_PRODUCT] = {"E_CHAIN", "amd-product", "certificates and report are of different products"},
    [SC_ATTEST_SNP_KEY_KIND] = {"E_CHAIN", "amd-key-kind",
                                "the report names another kind of signing key than the certificate is for"},
    [SC_ATTEST_UNTRUSTED_ROOT] = {"E_UNTRUSTED_ROOT", "untrusted-root", "the chain ends in a root that is not trusted"},
    [SC_ATTEST_CERT_EXPIRED] = {"E_CERT_EXPIRED", "certificate-expired", "a certificate has expired"},
    [SC_ATTEST_CERT_NOT_YET] = {"E_CERT_EXPIRED", "certificate-not-yet-valid", "a certificate is not valid yet"},
    [SC_ATTEST_CRL_MISSING] = {"E_CRL_FORMAT", "crl-missing", "a revocation list is missing"},
    [SC_ATTEST_CRL_FORMAT] = {"E_CRL_FORMAT", "crl-malformed", "a revocation list is malformed"},
    [SC_ATTEST_CRL_MISMATCH] = {"E_CRL_MISMATCH", "crl-issuer", "a revocation list is of another authority"},
    [SC_ATTEST_CRL_SIGNATURE] = {"E_CRL_SIG", "crl-signature", "a revocation list's signature is wrong"},
    [SC_ATTEST_CRL_EXPIRED] = {"E_CRL_EXPIRED", "crl-expired", "a revocation list is past its next update"},
    [SC_ATTEST_CRL_NOT_YET] = {"E_CRL_EXPIRED", "crl-not-yet-valid", "a revocation list is from the future"},
    [SC_ATTEST_PCK_REVOKED] = {"E_PCK_REVOKED", "pck-revoked", "the platform's PCK certificate is revoked"},
    [SC_ATTEST_CA_REVOKED] = {"E_CA_REVOKED", "ca-revoked", "the certificate authority in the chain is revoked"},
    [SC_ATTEST_TCB_SIGNER_REVOKED] = {"E_CA_REVOKED", "tcb-signer-revoked", "the TCB signing certificate is revoked"},
    [SC_ATTEST_TCB_SIGNER] = {"E_TCBINFO_SIG", "tcb-signer",
                              "the TCB signing chain is missing, malformed, or not issued by the root"},
    [SC_ATTEST_TCBINFO_MISSING] = {"E_TCBINFO_FORMAT", "tcb-info-missing", "the TCB info is missing"},
    [SC_ATTEST_TCBINFO_FORMAT] = {"E_TCBINFO_FORMAT", "tcb-info-malformed", "the TCB info is malformed"},
    [SC_ATTEST_TCBINFO_SIGNATURE] = {"E_TCBINFO_SIG", "tcb-info-signature", "the TCB info's signature is wrong"},
    [SC_ATTEST_TCBINFO_EXPIRED] = {"E_TCBINFO_EXPIRED", "tcb-info-expired", "the TCB info is past its next update"},
    [SC_ATTEST_TCBINFO_NOT_YET] = {"E_TCBINFO_EXPIRED", "tcb-info-not-yet-valid", "the TCB info is from the future"},
    [SC_ATTEST_TCBINFO_TEE] = {"E_TCBINFO_MISMATCH", "tcb-info-tee", "the TCB info is for another kind of TEE"},
    [SC_ATTEST_TCBINFO_FMSPC] = {"E_TCBINFO_MISMATCH", "tcb-info-fmspc",
                                 "the TCB info is for another family of processors (FMSPC)"},
    [SC_ATTEST_TCBINFO_PCEID] = {"E_TCBINFO_MISMATCH", "tcb-info-pce-id", "the TCB info is for another PCE"},
    [SC_ATTEST_QEID_MISSING] = {"E_QEID_FORMAT", "qe-identity-missing", "the QE identity is missing"},
    [SC_ATTEST_QEID_FORMAT] = {"E_QEID_FORMAT", "qe-identity-malformed", "the QE identity is malformed"},
    [SC_ATTEST_QEID_SIGNATURE] = {"E_QEID_SIG", "qe-identity-signature", "the QE identity's signature is wrong"},
    [SC_ATTEST_QEID_EXPIRED] = {"E_QEID_EXPIRED", "qe-identity-expired", "the QE identity is past its next update"},
    [SC_ATTEST_QEID_NOT_YET] = {"E_QEID_EXPIRED", "qe-identity-not-yet-valid", "the QE identity is from the future"},
    [SC_ATTEST_QEID_TEE] = {"E_QEID_MISMATCH", "qe-identity-tee", "the QE identity is for another kind of TEE"},
    [SC_ATTEST_QEID_SIGNER] = {"E_QEID_MISMATCH", "qe-signer", "the quoting enclave has another signer"},
    [SC_ATTEST_QEID_PRODUCT] = {"E_QEID_MISMATCH", "qe-product", "the quoting enclave is another product"},
    [SC_ATTEST_QEID_MISCSELECT] = {"E_QEID_MISMATCH", "qe-miscselect", "the quoting enclave's MISCSELECT differs"},
    [SC_ATTEST_QEID_ATTRIBUTES] = {"E_QEID_MISMATCH", "qe-attributes", "the quoting enclave's attributes differ"},
    [SC_ATTEST_QE_REPORT_SIGNATURE] = {"E_QE_REPORT_SIG", "qe-report-signature",
                                       "the quoting enclave's report is not signed by the PCK"},
    [SC_ATTEST_KEY_UNBOUND] = {"E_QE_REPORT_DATA", "attestation-key-unbound",
                               "the attestation key is not the one that the quoting enclave vouches for"},
    [SC_ATTEST_KEY_INVALID] = {"E_FORMAT", "attestation-key-invalid", "the attestation key is no point of the curve"},
    [SC_ATTEST_QUOTE_SIGNATURE] = {"E_QUOTE_SIG", "quote-signature", "the quote's signature is wrong"},
    [SC_ATTEST_TDX_MODULE_UNKNOWN] = {"E_TDX_MODULE_MISMATCH", "tdx-module-unknown",
                                      "the TDX module is of a generation that has no identity"},
    [SC_ATTEST_TDX_MODULE_SIGNER] = {"E_TDX_MODULE_MISMATCH", "tdx-module-signer", "the TDX module has another signer"},
    [SC_ATTEST_TDX_MODULE_ATTRIBUTES] = {"E_TDX_MODULE_MISMATCH", "tdx-module-attributes",
                                         "the TDX module's attributes differ"},
    [SC_ATTEST_REPORT_SIGNATURE] = {"E_REPORT_SIG", "report-signature", "the SNP report's signature is wrong"},
    [SC_ATTEST_SNP_TCB] = {"E_TCB_MISMATCH", "reported-tcb",
                           "the certificate is for another TCB than the report states"},
    [SC_ATTEST_SNP_CHIP] = {"E_CHIPID_MISMATCH", "chip-id", "the certificate is for another chip"},
};

static const char *const checks[SC_CHECK_COUNT] = {
    [SC_CHECK_FORMAT] = "form and lengths",
    [SC_CHECK_CHAIN] = "certificate chain to a trusted root, dates",
    [SC_CHECK_ROOT_CRL] = "root revocation list",
    [SC_CHECK_PCK_CRL] = "PCK revocation list",
    [SC_CHECK_TCB_INFO] = "TCB info: signer, signature, dates",
    [SC_CHECK_QE_IDENTITY] = "QE identity: signature, dates",
    [SC_CHECK_PLATFORM_FIT] = "TCB info fits the platform",
    [SC_CHECK_QE_REPORT] = "QE report signed by the PCK",
    [SC_CHECK_KEY_BINDING] = "attestation key bound to the QE",
    [SC_CHECK_QUOTE] = "quote signed by the attestation key",
    [SC_CHECK_QE_JUDGED] = "quoting enclave is the one of the QE identity",
    [SC_CHECK_TDX_MODULE] = "TDX module is a known one",
    [SC_CHECK_TCB_LEVEL] = "TCB level evaluated",
    [SC_CHECK_AMD_CRL] = "AMD revocation list",
    [SC_CHECK_REPORT] = "report signed by VCEK or VLEK",
    [SC_CHECK_SNP_TCB] = "certificate is for the reported TCB",
    [SC_CHECK_SNP_CHIP] = "certificate is for this chip",
    [SC_CHECK_SNP_PRODUCT] = "product fits",
};

static const char *const kinds[] = {[SC_ATTEST_UNKNOWN] = "unknown",
                                    [SC_ATTEST_SGX] = "sgx",
                                    [SC_ATTEST_TDX] = "tdx",
                                    [SC_ATTEST_SNP] = "snp",
                                    [SC_ATTEST_SOFTWARE] = "software"};

const char *sc_attest_reason_code(enum sc_attest_reason reason)
{
    return reasons[reason].code;
}

const char *sc_attest_reason_name(enum sc_attest_reason reason)
{
    return reasons[reason].name;
}

const char *sc_attest_reason_text(enum sc_attest_reason reason)
{
    return reasons[reason].text;
}

const char *sc_attest_check_name(enum sc_attest_check check)
{
    return checks[check];
}

const char *sc_attest_kind_name(enum sc_attest_kind kind)
{
    return kinds[kind];
}

sc_err sc_attest_kind_parse(const char *name, enum sc_attest_kind *out)
{
    for (int i = SC_ATTEST_SGX; i <= SC_ATTEST_SOFTWARE; i++) {
        if (strcmp(name, kinds[i]) == 0) {
            *out = (enum sc_attest_kind)i;
            return SC_OK;
        }
    }
    return SC_E_USAGE;
}

const char *sc_attest_verdict(const struct sc_attest_result *r)
{
    if (r->reason != SC_ATTEST_OK)
        return sc_attest_reason_code(r->reason);
    if (r->depth == SC_ATTEST_SIGNATURES)
        return "SigOK";
    return r->kind == SC_ATTEST_SNP ? "OK" : sc_tcb_status_name(r->tcb_status);
}
