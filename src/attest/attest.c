#include "attest/attest.h"

#include "attest/internal.h"

sc_err sc_attest_verifier_new(const struct sc_roots *roots, struct sc_attest_verifier **out)
{
    struct sc_attest_verifier *v = calloc(1, sizeof *v);
    if (v == NULL)
        return SC_E_NOMEM;
    v->roots = roots;
    v->chains = calloc(ATTEST_CHAINS_MAX, sizeof *v->chains);
    if (v->chains == NULL) {
        free(v);
        return SC_E_NOMEM;
    }
    *out = v;
    return SC_OK;
}

void sc_attest_verifier_free(struct sc_attest_verifier *v)
{
    if (v == NULL)
        return;
    attest_chains_free(v);
    free(v);
}

void sc_attest_verifier_freep(struct sc_attest_verifier **v)
{
    sc_attest_verifier_free(*v);
}

enum sc_attest_reason attest_refuse(struct sc_attest_result *r, enum sc_attest_reason reason,
                                    const struct sc_diag *diag)
{
    r->reason = reason;
    snprintf(r->detail, sizeof r->detail, "%s", diag != NULL ? diag->text : "");
    for (char *p = r->detail; *p != '\0'; p++) /* a parser's story may quote what it stumbled over */
        if (*p < ' ' || *p == 0x7f)
            *p = '?';
    return reason;
}

void attest_note_validity(struct sc_attest_result *r, int64_t issued_s, int64_t expires_s, bool is_collateral)
{
    if (is_collateral && (r->collateral_issued_s == 0 || issued_s < r->collateral_issued_s))
        r->collateral_issued_s = issued_s;
    if (r->collateral_expires_s == 0 || expires_s < r->collateral_expires_s)
        r->collateral_expires_s = expires_s;
}

static bool is_snp(const struct sc_attest_request *req)
{
    if (req->kind != SC_ATTEST_UNKNOWN)
        return req->kind == SC_ATTEST_SNP;
    return sc_snp_looks_like(req->evidence) ||
           (req->evidence.size == SC_SNP_REPORT_SIZE && !sc_quote_looks_like(req->evidence));
}

sc_err sc_attest_verify(struct sc_attest_verifier *v, const struct sc_attest_request *req, struct sc_attest_result *out)
{
    memset(out, 0, sizeof *out);
    out->depth = req->depth;
    out->verified_at_s = req->now_s;
    return is_snp(req) ? attest_verify_snp(v, req, out) : attest_verify_quote(v, req, out);
}
