/* Judging collateral: revocation lists, the TCB signer, TCB info and QE identity.
 *
 * Signatures do not change with time, so what was found under one root and one PCK CA is remembered in the collateral;
 * dates and the revocation of this chain's certificates are looked at each time. */
#include "attest/internal.h"
#include "base/clock.h"

static void found(struct attest_finding *f, enum sc_attest_reason reason, const char *what)
{
    f->reason = reason;
    sc_ignore(sc_fail(&f->diag, SC_E_AUTH, "%s", what)); /* the reason tells */
}

static void judge_crl(const struct sc_crl *crl, const struct attest_cert *issuer, const char *name,
                      struct attest_finding *f)
{
    if (f->reason != SC_ATTEST_OK)
        return;
    if (!sc_crl_names_issuer(crl, issuer->cert))
        found(f, SC_ATTEST_CRL_MISMATCH, name);
    else if ((issuer->facts.usages & SC_CERT_SIGNS_CRLS) == 0 || sc_crl_signed_by(crl, issuer->key) != SC_OK)
        found(f, SC_ATTEST_CRL_SIGNATURE, name);
}

/* Issued by the trusted root itself, for signing data: no PCK certificate and no authority can take its place. */
static void judge_signer(const struct sc_collateral *c, const struct sc_roots *roots, enum sc_root_kind kind,
                         const struct attest_cert *root, struct attest_finding *f)
{
    struct sc_slice ignored;
    if (f->reason != SC_ATTEST_OK)
        return;
    if (attest_cert_issued_by(&c->signer_root, &c->signer_root, 0, &f->diag) != SC_OK) {
        f->reason = SC_ATTEST_TCB_SIGNER;
        return;
    }
    if (!sc_roots_trust(roots, kind, &c->signer_root.facts.spki)) {
        found(f, SC_ATTEST_UNTRUSTED_ROOT, "TCB signing chain");
        return;
    }
    if (attest_cert_issued_by(&c->signer, root, 0, &f->diag) != SC_OK)
        f->reason = SC_ATTEST_TCB_SIGNER;
    else if (c->signer.facts.is_ca || (c->signer.facts.usages & SC_CERT_SIGNS_DATA) == 0 ||
             sc_cert_extension(c->signer.cert, SC_PCK_EXTENSION_OID, &ignored) != SC_E_NOT_FOUND)
        found(f, SC_ATTEST_TCB_SIGNER, "the certificate is not one for signing TCB data");
    else if (c->root_crl != NULL && sc_crl_lists(c->root_crl, c->signer.facts.serial))
        found(f, SC_ATTEST_TCB_SIGNER_REVOKED, "in the root's revocation list");
}

/* The signed bytes inside a document, once its signature has been checked. */
static bool check_signed(const struct sc_collateral *c, struct sc_slice document, const char *name,
                         enum sc_attest_reason missing, struct sc_slice *inner, struct attest_finding *f)
{
    /* the reasons of one document stand in one order: missing, format, signature */
    const enum sc_attest_reason format = missing + 1;
    const enum sc_attest_reason signature = missing + 2;
    uint8_t rs[64];
    if (document.size == 0)
        f->reason = missing;
    else if (sc_signed_json_split(document, name, inner, rs, &f->diag) != SC_OK)
        f->reason = format;
    else if (c->signer.key == NULL || sc_pubkey_check_raw(c->signer.key, *inner, sc_slice_of(rs, sizeof rs)) != SC_OK)
        f->reason = signature;
    return f->reason == SC_ATTEST_OK;
}

static sc_err judge_tcb_info(struct sc_collateral *c, struct attest_finding *f)
{
    struct sc_slice inner;
    if (!check_signed(c, sc_buf_slice(&c->tcb_info_bytes), "tcbInfo", SC_ATTEST_TCBINFO_MISSING, &inner, f))
        return SC_OK;
    c->tcb_info_parsed = true;
    const sc_err err = sc_tcb_info_parse(inner, &c->tcb_info, &f->diag);
    if (err != SC_OK)
        f->reason = SC_ATTEST_TCBINFO_FORMAT;
    return err == SC_E_NOMEM ? err : SC_OK;
}

static sc_err judge_qe_identity(struct sc_collateral *c, struct attest_finding *f)
{
    struct sc_slice inner;
    if (!check_signed(c, sc_buf_slice(&c->qe_identity_bytes), "enclaveIdentity", SC_ATTEST_QEID_MISSING, &inner, f))
        return SC_OK;
    c->qe_identity_parsed = true;
    const sc_err err = sc_qe_identity_parse(inner, &c->qe_identity, &f->diag);
    if (err != SC_OK)
        f->reason = SC_ATTEST_QEID_FORMAT;
    return err == SC_E_NOMEM ? err : SC_OK;
}

static sc_err judge_static(struct sc_collateral *c, const struct sc_roots *roots, enum sc_root_kind kind,
                           const struct attest_path *path)
{
    const struct attest_cert *root = &path->cert[PATH_ROOT];
    const struct attest_cert *ca = &path->cert[PATH_CA];
    if (c->judged && memcmp(&c->judged_root, &root->facts.spki, sizeof c->judged_root) == 0 &&
        memcmp(&c->judged_ca, &ca->facts.spki, sizeof c->judged_ca) == 0)
        return SC_OK;
    attest_collateral_forget(c);
    memcpy(c->found, c->parsed, sizeof c->found);
    judge_crl(c->root_crl, root, "root CRL", &c->found[PART_ROOT_CRL]);
    judge_crl(c->pck_crl, ca, "PCK CRL", &c->found[PART_PCK_CRL]);
    judge_signer(c, roots, kind, root, &c->found[PART_SIGNER]);
    SC_TRY(judge_tcb_info(c, &c->found[PART_TCB_INFO]));
    SC_TRY(judge_qe_identity(c, &c->found[PART_QE_IDENTITY]));
    c->judged_root = root->facts.spki;
    c->judged_ca = ca->facts.spki;
    c->judged = true;
    return SC_OK;
}

/* from <= now <= until, or one of two reasons that stand one after the other: expired, not yet.  ages: its age counts
 * as the collateral's (the root's list is made once a year and tells nothing of how current the rest is). */
static bool in_time(struct sc_attest_result *r, int64_t now_s, int64_t from_s, int64_t until_s, bool ages,
                    enum sc_attest_reason expired, const char *name)
{
    struct sc_diag diag = {0};
    char at[SC_TIME_TEXT_SIZE];
    attest_note_validity(r, from_s, until_s, ages);
    if (from_s <= now_s && now_s <= until_s)
        return true;
    const bool early = now_s < from_s;
    sc_time_text((early ? from_s : until_s) * 1000, at);
    sc_ignore(sc_fail(&diag, SC_E_AUTH, "%s: valid %s %s", name, early ? "from" : "until", at)); /* the reason tells */
    attest_refuse(r, early ? expired + 1 : expired, &diag);
    return false;
}

static bool passed(struct sc_attest_result *r, const struct attest_finding *f)
{
    if (f->reason != SC_ATTEST_OK)
        attest_refuse(r, f->reason, &f->diag);
    return f->reason == SC_ATTEST_OK;
}

static bool certificate_in_time(struct sc_attest_result *r, const struct attest_cert *c, int64_t now_s)
{
    struct sc_diag diag = {0};
    const enum sc_attest_reason reason = attest_cert_dates(c, now_s, &diag);
    attest_note_validity(r, c->facts.not_before_s, c->facts.not_after_s, false);
    if (reason != SC_ATTEST_OK)
        attest_refuse(r, reason, &diag);
    return reason == SC_ATTEST_OK;
}

static bool not_revoked(struct sc_attest_result *r, const struct sc_crl *crl, const struct attest_cert *c,
                        enum sc_attest_reason reason)
{
    if (!sc_crl_lists(crl, c->facts.serial))
        return true;
    attest_refuse(r, reason, NULL);
    return false;
}

static bool judge_lists(const struct sc_collateral *c, const struct attest_path *path, int64_t now_s,
                        struct sc_attest_result *r)
{
    if (!passed(r, &c->found[PART_ROOT_CRL]) ||
        !in_time(r, now_s, sc_crl_this_update_s(c->root_crl), sc_crl_next_update_s(c->root_crl), false,
                 SC_ATTEST_CRL_EXPIRED, "root CRL") ||
        !not_revoked(r, c->root_crl, &path->cert[PATH_CA], SC_ATTEST_CA_REVOKED))
        return false;
    attest_pass(r, SC_CHECK_ROOT_CRL);
    if (!passed(r, &c->found[PART_PCK_CRL]) ||
        !in_time(r, now_s, sc_crl_this_update_s(c->pck_crl), sc_crl_next_update_s(c->pck_crl), true,
                 SC_ATTEST_CRL_EXPIRED, "PCK CRL") ||
        !not_revoked(r, c->pck_crl, &path->cert[PATH_LEAF], SC_ATTEST_PCK_REVOKED))
        return false;
    attest_pass(r, SC_CHECK_PCK_CRL);
    return true;
}

static bool judge_documents(const struct sc_collateral *c, int64_t now_s, struct sc_attest_result *r)
{
    if (!passed(r, &c->found[PART_SIGNER]) || !certificate_in_time(r, &c->signer, now_s) ||
        !certificate_in_time(r, &c->signer_root, now_s))
        return false;
    if (!passed(r, &c->found[PART_TCB_INFO]) || !in_time(r, now_s, c->tcb_info.issued_s, c->tcb_info.next_update_s,
                                                         true, SC_ATTEST_TCBINFO_EXPIRED, "TCB info"))
        return false;
    attest_pass(r, SC_CHECK_TCB_INFO);
    if (!passed(r, &c->found[PART_QE_IDENTITY]) ||
        !in_time(r, now_s, c->qe_identity.issued_s, c->qe_identity.next_update_s, true, SC_ATTEST_QEID_EXPIRED,
                 "QE identity"))
        return false;
    attest_pass(r, SC_CHECK_QE_IDENTITY);
    return true;
}

sc_err attest_judge_collateral(struct sc_collateral *c, const struct sc_roots *roots, enum sc_root_kind kind,
                               const struct attest_pck_chain *chain, int64_t now_s, struct sc_attest_result *r)
{
    SC_TRY(judge_static(c, roots, kind, &chain->path));
    if (judge_lists(c, &chain->path, now_s, r) && judge_documents(c, now_s, r))
        r->tcb_evaluation_number = c->tcb_info.evaluation_number;
    return SC_OK;
}
