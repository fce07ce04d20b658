#include "attest/describe.h"

#include "attest/pck.h"
#include "base/clock.h"
#include "crypto/pki.h"

#include <inttypes.h>
#include <stdio.h>

/* Where fields go, and the group they belong to. */
struct sink {
    sc_describe_fn fn;
    void *arg;
    const char *group;
};

static void text(const struct sink *s, const char *name, const char *value)
{
    s->fn(s->arg, s->group, name, value);
}

static void number(const struct sink *s, const char *name, uint64_t v)
{
    char value[24];
    snprintf(value, sizeof value, "%" PRIu64, v);
    text(s, name, value);
}

static void hex(const struct sink *s, const char *name, const void *bytes, size_t size)
{
    char value[2 * 64 + 1];
    SC_ASSERT(size <= 64);
    sc_hex_encode(sc_slice_of(bytes, size), value);
    text(s, name, value);
}

struct bit {
    uint64_t bit;
    const char *name;
};

/* "0x0000000000000007 INIT MODE64BIT" */
static void bits(const struct sink *s, const char *name, uint64_t v, const struct bit *names, size_t count)
{
    char value[256];
    int at = snprintf(value, sizeof value, "0x%016" PRIx64, v);
    for (size_t i = 0; i < count; i++)
        if ((v & names[i].bit) != 0 && at >= 0 && (size_t)at < sizeof value)
            at += snprintf(value + at, sizeof value - (size_t)at, " %s", names[i].name);
    text(s, name, value);
}

static const struct bit sgx_attributes[] = {{SC_SGX_ATTR_INIT, "INIT"},
                                            {SC_SGX_ATTR_DEBUG, "DEBUG"},
                                            {SC_SGX_ATTR_MODE64, "MODE64BIT"},
                                            {SC_SGX_ATTR_PROVISION_KEY, "PROVISIONKEY"},
                                            {SC_SGX_ATTR_INIT_TOKEN_KEY, "EINITTOKEN_KEY"},
                                            {SC_SGX_ATTR_KSS, "KSS"},
                                            {SC_SGX_ATTR_AEX_NOTIFY, "AEXNOTIFY"}};
static const struct bit td_attributes[] = {{SC_TD_ATTR_DEBUG, "DEBUG"},
                                           {SC_TD_ATTR_SEPT_VE_DISABLE, "SEPT_VE_DISABLE"},
                                           {SC_TD_ATTR_PKS, "PKS"},
                                           {SC_TD_ATTR_KL, "KL"},
                                           {SC_TD_ATTR_PERFMON, "PERFMON"}};
static const struct bit snp_policy[] = {{SC_SNP_POLICY_SMT, "SMT"},
                                        {SC_SNP_POLICY_MIGRATION, "MIGRATION"},
                                        {SC_SNP_POLICY_DEBUG, "DEBUG"},
                                        {SC_SNP_POLICY_SINGLE_SOCKET, "SINGLE_SOCKET"},
                                        {SC_SNP_POLICY_CXL, "CXL"},
                                        {SC_SNP_POLICY_AES_XTS, "MEM_AES_256_XTS"},
                                        {SC_SNP_POLICY_RAPL_OFF, "RAPL_OFF"},
                                        {SC_SNP_POLICY_CIPHERTEXT_HIDING, "CIPHERTEXT_HIDING"},
                                        {SC_SNP_POLICY_PAGE_SWAP_OFF, "PAGE_SWAP_OFF"}};
static const struct bit snp_platform[] = {{1u << 0, "SMT"},
                                          {1u << 1, "TSME"},
                                          {1u << 2, "ECC"},
                                          {1u << 3, "RAPL_OFF"},
                                          {1u << 4, "CIPHERTEXT_HIDING"},
                                          {1u << 5, "ALIAS_CHECK_COMPLETE"},
                                          {1u << 7, "TIO"}};
#define BITS(list) (list), sizeof(list) / sizeof(list)[0]

static void describe_sgx(const struct sink *s, const struct sc_sgx_report *r)
{
    char misc[16];
    hex(s, "cpu_svn", r->cpu_svn, sizeof r->cpu_svn);
    snprintf(misc, sizeof misc, "0x%08x", r->misc_select);
    text(s, "misc_select", misc);
    hex(s, "isv_ext_prod_id", r->ext_prod_id, sizeof r->ext_prod_id);
    bits(s, "attributes", r->attributes, BITS(sgx_attributes));
    bits(s, "xfrm", r->xfrm, NULL, 0);
    hex(s, "mr_enclave", r->mr_enclave, sizeof r->mr_enclave);
    hex(s, "mr_signer", r->mr_signer, sizeof r->mr_signer);
    hex(s, "config_id", r->config_id, sizeof r->config_id);
    number(s, "isv_prod_id", r->prod_id);
    number(s, "isv_svn", r->svn);
    number(s, "config_svn", r->config_svn);
    hex(s, "isv_family_id", r->family_id, sizeof r->family_id);
    hex(s, "report_data", r->report_data, sizeof r->report_data);
}

static void describe_td(const struct sink *s, const struct sc_td_report *r, bool is_15)
{
    static const char *const rtmr[] = {"rtmr0", "rtmr1", "rtmr2", "rtmr3"};
    hex(s, "tee_tcb_svn", r->tee_tcb_svn, sizeof r->tee_tcb_svn);
    hex(s, "mr_seam", r->mr_seam, sizeof r->mr_seam);
    hex(s, "mr_signer_seam", r->mr_signer_seam, sizeof r->mr_signer_seam);
    hex(s, "seam_attributes", r->seam_attributes, sizeof r->seam_attributes);
    bits(s, "td_attributes", r->attributes, BITS(td_attributes));
    bits(s, "xfam", r->xfam, NULL, 0);
    hex(s, "mr_td", r->mr_td, sizeof r->mr_td);
    hex(s, "mr_config_id", r->mr_config_id, sizeof r->mr_config_id);
    hex(s, "mr_owner", r->mr_owner, sizeof r->mr_owner);
    hex(s, "mr_owner_config", r->mr_owner_config, sizeof r->mr_owner_config);
    for (size_t i = 0; i < 4; i++)
        hex(s, rtmr[i], r->rtmr[i], sizeof r->rtmr[i]);
    hex(s, "report_data", r->report_data, sizeof r->report_data);
    if (is_15) {
        hex(s, "tee_tcb_svn_2", r->tee_tcb_svn_2, sizeof r->tee_tcb_svn_2);
        hex(s, "mr_service_td", r->mr_service_td, sizeof r->mr_service_td);
    }
}

static const char *vendor_name(const struct sc_quote *q)
{
    if (memcmp(q->vendor, sc_quote_vendor_intel, sizeof q->vendor) == 0)
        return "Intel";
    return memcmp(q->vendor, sc_quote_vendor_simulation, sizeof q->vendor) == 0 ? "SecureCloud, SIMULATED" : "unknown";
}

static const char *tee_name(uint32_t tee)
{
    return tee == SC_TEE_SGX ? "SGX" : tee == SC_TEE_TDX ? "TDX" : "unknown";
}

void sc_describe_quote(const struct sc_quote *q, sc_describe_fn fn, void *arg)
{
    static const char *const bodies[] = {"none", "SGX enclave report", "TD report 1.0", "TD report 1.5"};
    const struct sink header = {fn, arg, "header"};
    const struct sink body = {fn, arg, "body"};
    const struct sink qe = {fn, arg, "qe_report"};
    const struct sink signature = {fn, arg, "signature"};
    number(&header, "version", q->version);
    number(&header, "attestation_key_type", q->key_type);
    text(&header, "tee", tee_name(q->tee));
    number(&header, "qe_svn", q->qe_svn);
    number(&header, "pce_svn", q->pce_svn);
    hex(&header, "qe_vendor_id", q->vendor, sizeof q->vendor);
    text(&header, "qe_vendor", vendor_name(q));
    hex(&header, "user_data", q->user_data, sizeof q->user_data);
    if (q->body == 0)
        return;
    text(&body, "kind", bodies[q->body]);
    if (q->body == SC_BODY_SGX)
        describe_sgx(&body, &q->report.sgx);
    else
        describe_td(&body, &q->report.td, q->body == SC_BODY_TD15);
    describe_sgx(&qe, &q->qe_report);
    if (q->cert_data.size == 0) /* a flaw came first, or the slices are gone */
        return;
    hex(&signature, "quote_signature", q->signature.ptr, q->signature.size);
    hex(&signature, "attestation_key", q->attestation_key.ptr, q->attestation_key.size);
    hex(&signature, "qe_report_signature", q->qe_report_signature.ptr, q->qe_report_signature.size);
    number(&signature, "qe_authentication_data_size", q->auth_data.size);
    number(&signature, "certification_data_type", q->cert_type);
    number(&signature, "certification_data_size", q->cert_data.size);
    number(&signature, "quote_size", q->size);
}

static void describe_pck(const struct sink *s, const struct sc_cert *cert)
{
    struct sc_slice value;
    struct sc_pck pck;
    if (sc_cert_extension(cert, SC_PCK_EXTENSION_OID, &value) != SC_OK)
        return;
    if (sc_pck_parse(value, &pck, NULL) != SC_OK) {
        text(s, "sgx_extension", "malformed");
        return;
    }
    hex(s, "ppid", pck.ppid, sizeof pck.ppid);
    hex(s, "fmspc", pck.fmspc, sizeof pck.fmspc);
    hex(s, "pce_id", pck.pce_id, sizeof pck.pce_id);
    hex(s, "tcb_components", pck.svn, sizeof pck.svn);
    number(s, "pce_svn", pck.pce_svn);
    hex(s, "cpu_svn", pck.cpu_svn, sizeof pck.cpu_svn);
    number(s, "sgx_type", pck.sgx_type);
    if (!pck.has_instance)
        return;
    hex(s, "platform_instance_id", pck.instance_id, sizeof pck.instance_id);
    text(s, "dynamic_platform", pck.dynamic_platform ? "yes" : "no");
    text(s, "cached_keys", pck.cached_keys ? "yes" : "no");
    text(s, "smt_enabled", pck.smt_enabled ? "yes" : "no");
}

static void describe_certificate(const struct sink *s, const struct sc_cert *cert)
{
    char cn[SC_CERT_CN_SIZE_MAX];
    char at[SC_TIME_TEXT_SIZE];
    char serial[2 * 64 + 1] = "";
    struct sc_cert_facts facts;
    sc_cert_subject_cn(cert, cn);
    text(s, "subject", cn);
    sc_cert_issuer_cn(cert, cn);
    text(s, "issuer", cn);
    if (sc_cert_facts(cert, &facts, NULL) != SC_OK) {
        text(s, "extensions", "malformed");
        return;
    }
    if (facts.serial.size <= 64)
        sc_hex_encode(facts.serial, serial);
    text(s, "serial", serial);
    text(s, "not_before", sc_time_text(facts.not_before_s * 1000, at));
    text(s, "not_after", sc_time_text(facts.not_after_s * 1000, at));
    describe_pck(s, cert);
}

void sc_describe_certificates(struct sc_slice pem, sc_describe_fn fn, void *arg)
{
    enum { MAX = 8 };
    static const char *const groups[MAX] = {"certificate_1", "certificate_2", "certificate_3", "certificate_4",
                                            "certificate_5", "certificate_6", "certificate_7", "certificate_8"};
    struct sc_cert *certs[MAX] = {NULL};
    struct sc_diag diag = {0};
    size_t count = 0;
    const sc_err err = sc_certs_from_pem(pem, certs, MAX, &count, &diag);
    if (err != SC_OK)
        fn(arg, "certificates", "unreadable", sc_diag_text(&diag, err));
    for (size_t i = 0; i < count; i++) {
        const struct sink s = {fn, arg, groups[i]};
        describe_certificate(&s, certs[i]);
        sc_cert_free(certs[i]);
    }
}

static void version(const struct sink *s, const char *name, uint8_t major, uint8_t minor, uint8_t build)
{
    char value[32];
    snprintf(value, sizeof value, "%u.%u.%u", major, minor, build);
    text(s, name, value);
}

static void describe_snp_guest(const struct sink *s, const struct sc_snp_report *r)
{
    number(s, "guest_svn", r->guest_svn);
    bits(s, "policy", r->policy, BITS(snp_policy));
    version(s, "policy_abi_minimum", (uint8_t)(r->policy >> 8), (uint8_t)r->policy, 0);
    number(s, "vmpl", r->vmpl);
    hex(s, "measurement", r->measurement, sizeof r->measurement);
    hex(s, "host_data", r->host_data, sizeof r->host_data);
    hex(s, "report_data", r->report_data, sizeof r->report_data);
    hex(s, "family_id", r->family_id, sizeof r->family_id);
    hex(s, "image_id", r->image_id, sizeof r->image_id);
    hex(s, "id_key_digest", r->id_key_digest, sizeof r->id_key_digest);
    text(s, "author_key_present", r->author_key_present ? "yes" : "no");
    hex(s, "author_key_digest", r->author_key_digest, sizeof r->author_key_digest);
    hex(s, "report_id", r->report_id, sizeof r->report_id);
    hex(s, "report_id_ma", r->report_id_ma, sizeof r->report_id_ma);
}

static void describe_snp_platform(const struct sink *s, const struct sc_snp_report *r)
{
    char cpuid[40];
    bits(s, "platform_info", r->platform_info, BITS(snp_platform));
    hex(s, "current_tcb", r->current_tcb, sizeof r->current_tcb);
    hex(s, "reported_tcb", r->reported_tcb, sizeof r->reported_tcb);
    hex(s, "committed_tcb", r->committed_tcb, sizeof r->committed_tcb);
    hex(s, "launch_tcb", r->launch_tcb, sizeof r->launch_tcb);
    hex(s, "chip_id", r->chip_id, sizeof r->chip_id);
    text(s, "chip_id_masked", r->chip_id_masked ? "yes" : "no");
    if (r->version >= 3) {
        snprintf(cpuid, sizeof cpuid, "family 0x%02x model 0x%02x stepping %u", r->cpuid_family, r->cpuid_model,
                 r->cpuid_stepping);
        text(s, "cpuid", cpuid);
    }
    version(s, "current_firmware", r->current_major, r->current_minor, r->current_build);
    version(s, "committed_firmware", r->committed_major, r->committed_minor, r->committed_build);
    if (r->version >= 5) {
        bits(s, "launch_mitigations", r->launch_mitigations, NULL, 0);
        bits(s, "current_mitigations", r->current_mitigations, NULL, 0);
    }
}

void sc_describe_snp(const struct sc_snp_report *r, sc_describe_fn fn, void *arg)
{
    const struct sink header = {fn, arg, "header"};
    const struct sink guest = {fn, arg, "guest"};
    const struct sink platform = {fn, arg, "platform"};
    number(&header, "version", r->version);
    number(&header, "signature_algorithm", r->algorithm);
    text(&header, "signing_key",
         r->signing_key == SC_SNP_VCEK       ? "VCEK"
         : r->signing_key == SC_SNP_VLEK     ? "VLEK"
         : r->signing_key == SC_SNP_UNSIGNED ? "none"
                                             : "unknown");
    describe_snp_guest(&guest, r);
    describe_snp_platform(&platform, r);
}

/* ---- as lines ---- */
struct lines {
    struct sc_buf *out;
    char group[32];
};

static void line(void *arg, const char *group, const char *name, const char *value)
{
    struct lines *l = arg;
    if (strcmp(l->group, group) != 0) {
        sc_buf_put_fmt(l->out, "%s%s\n", l->out->size != 0 ? "\n" : "", group);
        snprintf(l->group, sizeof l->group, "%s", group);
    }
    sc_buf_put_fmt(l->out, "  %-28s %s\n", name, value);
}

sc_err sc_describe_evidence(struct sc_slice evidence, struct sc_buf *out, struct sc_diag *diag)
{
    struct lines l = {.out = out};
    struct sc_snp_report snp;
    struct sc_quote quote;
    if (sc_snp_looks_like(evidence)) {
        const enum sc_snp_flaw flaw = sc_snp_report_parse(evidence, &snp, diag);
        sc_describe_snp(&snp, line, &l);
        SC_TRY(sc_buf_status(out));
        return flaw == SC_SNP_FINE ? SC_OK : SC_E_MALFORMED;
    }
    const enum sc_quote_flaw flaw = sc_quote_parse(evidence, &quote, diag);
    if (evidence.size >= SC_QUOTE_HEADER_SIZE)
        sc_describe_quote(&quote, line, &l);
    if (flaw == SC_QUOTE_FINE)
        sc_describe_certificates(quote.cert_data, line, &l);
    SC_TRY(sc_buf_status(out));
    return flaw == SC_QUOTE_FINE ? SC_OK : SC_E_MALFORMED;
}
