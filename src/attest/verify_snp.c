/* Judging an AMD SEV-SNP report.  The steps stand here in their order (docs/attestation.md). */
#include "attest/internal.h"
#include "attest/snp_certs.h"
#include "base/clock.h"

static void tell_claims(const struct sc_snp_report *s, struct sc_attest_result *r)
{
    memcpy(r->measurement, s->measurement, sizeof s->measurement);
    r->measurement_size = sizeof s->measurement;
    memcpy(r->signer, s->id_key_digest, sizeof s->id_key_digest);
    r->signer_size = sizeof s->id_key_digest;
    memcpy(r->config_id, s->host_data, sizeof s->host_data);
    r->config_id_size = sizeof s->host_data;
    memcpy(r->report_data, s->report_data, sizeof s->report_data);
    r->svn = s->guest_svn;
    r->debug = (s->policy & SC_SNP_POLICY_DEBUG) != 0;
}

static bool judge_form(enum sc_snp_flaw flaw, const struct sc_diag *diag, struct sc_attest_result *r)
{
    switch (flaw) {
    case SC_SNP_BAD_SIZE:
        attest_refuse(r, SC_ATTEST_MALFORMED, diag);
        return false;
    case SC_SNP_BAD_VERSION:
        attest_refuse(r, SC_ATTEST_VERSION, diag);
        return false;
    case SC_SNP_BAD_ALGORITHM:
        attest_refuse(r, SC_ATTEST_ALGORITHM, diag);
        return false;
    case SC_SNP_FINE:
    case SC_SNP_BAD_SIGNATURE: /* told where the signature is checked */
        break;
    }
    attest_pass(r, SC_CHECK_FORMAT);
    return true;
}

/* Is the root's common name that of this product's ARK? */
static bool root_is_of(const struct attest_cert *root, enum sc_snp_product product)
{
    char cn[SC_CERT_CN_SIZE_MAX];
    sc_cert_subject_cn(root->cert, cn);
    return sc_snp_product_of_name(cn) == product;
}

static bool judge_path(const struct sc_attest_verifier *v, const struct sc_collateral *c, int64_t now_s,
                       struct sc_attest_result *r)
{
    const struct attest_path *path = &c->amd_path;
    struct sc_diag diag = {0};
    if (c->vek_parsed.reason != SC_ATTEST_OK) {
        attest_refuse(r, c->vek_parsed.reason, &c->vek_parsed.diag);
        return false;
    }
    sc_cert_issuer_cn(path->cert[PATH_LEAF].cert, r->issuer_cn);
    if (sc_pubkey_kind(path->cert[PATH_LEAF].key) != SC_PUBKEY_P384) {
        attest_refuse(r, SC_ATTEST_SNP_CHAIN, NULL);
        return false;
    }
    if (!sc_roots_trust(v->roots, SC_ROOT_AMD, &path->cert[PATH_ROOT].facts.spki)) {
        attest_refuse(r, SC_ATTEST_UNTRUSTED_ROOT, NULL);
        return false;
    }
    for (size_t i = 0; i < PATH_SIZE; i++)
        attest_note_validity(r, path->cert[i].facts.not_before_s, path->cert[i].facts.not_after_s, false);
    const enum sc_attest_reason dates = attest_path_dates(path, now_s, &diag);
    if (dates != SC_ATTEST_OK) {
        attest_refuse(r, dates, &diag);
        return false;
    }
    attest_pass(r, SC_CHECK_CHAIN);
    return true;
}

static bool judge_crl_dates(const struct sc_crl *crl, int64_t now_s, struct sc_attest_result *r)
{
    const int64_t from_s = sc_crl_this_update_s(crl);
    const int64_t until_s = sc_crl_next_update_s(crl);
    attest_note_validity(r, from_s, until_s, true);
    if (now_s < from_s)
        attest_refuse(r, SC_ATTEST_CRL_NOT_YET, NULL);
    else if (now_s > until_s)
        attest_refuse(r, SC_ATTEST_CRL_EXPIRED, NULL);
    return r->reason == SC_ATTEST_OK;
}

/* The ARK's list names ASKs and ASVKs.  It is used where one is given: AMD's evidence is often judged without. */
static bool judge_crl(const struct sc_collateral *c, int64_t now_s, struct sc_attest_result *r)
{
    const struct attest_cert *root = &c->amd_path.cert[PATH_ROOT];
    if (c->amd_crl_parsed.reason != SC_ATTEST_OK) {
        attest_refuse(r, c->amd_crl_parsed.reason, &c->amd_crl_parsed.diag);
        return false;
    }
    if (c->amd_crl == NULL)
        return true;
    if (!sc_crl_names_issuer(c->amd_crl, root->cert))
        attest_refuse(r, SC_ATTEST_CRL_MISMATCH, NULL);
    else if (sc_crl_signed_by(c->amd_crl, root->key) != SC_OK)
        attest_refuse(r, SC_ATTEST_CRL_SIGNATURE, NULL);
    else if (!judge_crl_dates(c->amd_crl, now_s, r))
        return false;
    else if (sc_crl_lists(c->amd_crl, c->amd_path.cert[PATH_CA].facts.serial))
        attest_refuse(r, SC_ATTEST_CA_REVOKED, NULL);
    else
        attest_pass(r, SC_CHECK_AMD_CRL);
    return r->reason == SC_ATTEST_OK;
}

static bool judge_signature(const struct sc_collateral *c, struct sc_slice evidence, enum sc_snp_flaw flaw,
                            struct sc_attest_result *r)
{
    const struct sc_slice covered = sc_slice_of(evidence.ptr, SC_SNP_SIGNED_SIZE);
    const struct sc_slice rs = sc_slice_of(r->evidence.snp.signature, sizeof r->evidence.snp.signature);
    if (flaw != SC_SNP_FINE || sc_pubkey_check_raw(c->amd_path.cert[PATH_LEAF].key, covered, rs) != SC_OK) {
        attest_refuse(r, SC_ATTEST_REPORT_SIGNATURE, NULL);
        return false;
    }
    attest_pass(r, SC_CHECK_REPORT);
    return true;
}

static bool judge_key_kind(const struct sc_snp_report *s, bool is_vlek, struct sc_attest_result *r)
{
    if (s->signing_key == SC_SNP_UNSIGNED)
        attest_refuse(r, SC_ATTEST_UNSIGNED, NULL);
    else if (s->signing_key != (is_vlek ? SC_SNP_VLEK : SC_SNP_VCEK))
        attest_refuse(r, SC_ATTEST_SNP_KEY_KIND, NULL);
    return r->reason == SC_ATTEST_OK;
}

static bool judge_tcb(const struct sc_snp_report *s, const struct sc_snp_vek *vek, struct sc_attest_result *r)
{
    struct sc_snp_tcb reported;
    sc_snp_tcb_parse(s->reported_tcb, vek->product == SC_SNP_TURIN, &reported);
    if (reported.fmc != vek->tcb.fmc || reported.boot_loader != vek->tcb.boot_loader || reported.tee != vek->tcb.tee ||
        reported.snp != vek->tcb.snp || reported.microcode != vek->tcb.microcode) {
        attest_refuse(r, SC_ATTEST_SNP_TCB, NULL);
        return false;
    }
    attest_pass(r, SC_CHECK_SNP_TCB);
    return true;
}

/* A VLEK is a cloud provider's, not a chip's; and a guest may be refused the chip's number. */
static bool judge_chip(const struct sc_snp_report *s, const struct sc_snp_vek *vek, struct sc_attest_result *r)
{
    uint8_t id[64] = {0};
    if (vek->is_vlek || s->chip_id_masked)
        return true;
    memcpy(id, vek->hardware_id, vek->hardware_id_size);
    if (memcmp(id, s->chip_id, sizeof id) != 0) {
        attest_refuse(r, SC_ATTEST_SNP_CHIP, NULL);
        return false;
    }
    attest_pass(r, SC_CHECK_SNP_CHIP);
    return true;
}

static void judge_product(const struct sc_snp_report *s, const struct sc_snp_vek *vek, struct sc_attest_result *r)
{
    if (s->version >= 3 && sc_snp_product_of_cpuid(s->cpuid_family, s->cpuid_model) != vek->product)
        attest_refuse(r, SC_ATTEST_SNP_PRODUCT, NULL);
    else
        attest_pass(r, SC_CHECK_SNP_PRODUCT);
}

static bool read_vek(const struct sc_collateral *c, struct sc_snp_vek *vek, struct sc_attest_result *r)
{
    struct sc_diag diag = {0};
    const sc_err err = sc_snp_vek_parse(c->amd_path.cert[PATH_LEAF].cert, vek, &diag);
    if (err == SC_E_AUTH)
        attest_refuse(r, SC_ATTEST_SNP_PRODUCT, &diag);
    else if (err != SC_OK)
        attest_refuse(r, SC_ATTEST_SNP_EXTENSION, &diag);
    else if (!root_is_of(&c->amd_path.cert[PATH_ROOT], vek->product))
        attest_refuse(r, SC_ATTEST_SNP_PRODUCT, NULL);
    else
        snprintf(r->snp_product, sizeof r->snp_product, "%s", sc_snp_product_name(vek->product));
    return r->reason == SC_ATTEST_OK;
}

sc_err attest_verify_snp(struct sc_attest_verifier *v, const struct sc_attest_request *req, struct sc_attest_result *r)
{
    struct sc_diag diag = {0};
    struct sc_snp_vek vek;
    struct sc_snp_report *s = &r->evidence.snp;
    const struct sc_collateral *c = req->collateral;
    const enum sc_snp_flaw flaw = sc_snp_report_parse(req->evidence, s, &diag);
    r->kind = SC_ATTEST_SNP;
    if (flaw != SC_SNP_BAD_SIZE)
        tell_claims(s, r);
    if (!judge_form(flaw, &diag, r))
        return SC_OK;
    if (c == NULL) {
        attest_refuse(r, SC_ATTEST_SNP_CHAIN, NULL);
        return SC_OK;
    }
    if (!judge_path(v, c, req->now_s, r) || !read_vek(c, &vek, r))
        return SC_OK;
    if (req->depth == SC_ATTEST_FULL && !judge_crl(c, req->now_s, r))
        return SC_OK;
    if (!judge_signature(c, req->evidence, flaw, r) || req->depth != SC_ATTEST_FULL)
        return SC_OK;
    if (judge_key_kind(s, vek.is_vlek, r) && judge_tcb(s, &vek, r) && judge_chip(s, &vek, r))
        judge_product(s, &vek, r);
    return SC_OK;
}
