/* Judging a DCAP quote: SGX, TDX, and software evidence.  The steps stand here in their order (docs/attestation.md). */
#include "attest/internal.h"
#include "base/clock.h"

static enum sc_attest_reason reason_of(enum sc_quote_flaw flaw)
{
    switch (flaw) {
    case SC_QUOTE_FINE:
        return SC_ATTEST_OK;
    case SC_QUOTE_BAD_VERSION:
        return SC_ATTEST_VERSION;
    case SC_QUOTE_BAD_TEE:
        return SC_ATTEST_TEE_TYPE;
    case SC_QUOTE_BAD_KEY_TYPE:
        return SC_ATTEST_KEY_TYPE;
    case SC_QUOTE_BAD_CERT_DATA:
        return SC_ATTEST_CERT_DATA;
    case SC_QUOTE_TRUNCATED:
    case SC_QUOTE_BAD_BODY:
        break;
    }
    return SC_ATTEST_MALFORMED;
}

static void tell(uint8_t *to, size_t *size, const uint8_t *from, size_t from_size)
{
    memcpy(to, from, from_size);
    *size = from_size;
}

/* The questions that are the same for all kinds. */
static void tell_claims(const struct sc_quote *q, struct sc_attest_result *r)
{
    if (q->body == SC_BODY_SGX) {
        const struct sc_sgx_report *s = &q->report.sgx;
        tell(r->measurement, &r->measurement_size, s->mr_enclave, sizeof s->mr_enclave);
        tell(r->signer, &r->signer_size, s->mr_signer, sizeof s->mr_signer);
        tell(r->config_id, &r->config_id_size, s->config_id, sizeof s->config_id);
        memcpy(r->report_data, s->report_data, sizeof r->report_data);
        r->product_id = s->prod_id;
        r->svn = s->svn;
        r->debug = (s->attributes & SC_SGX_ATTR_DEBUG) != 0;
        return;
    }
    const struct sc_td_report *t = &q->report.td;
    tell(r->measurement, &r->measurement_size, t->mr_td, sizeof t->mr_td);
    tell(r->signer, &r->signer_size, t->mr_owner, sizeof t->mr_owner);
    tell(r->config_id, &r->config_id_size, t->mr_config_id, sizeof t->mr_config_id);
    memcpy(r->report_data, t->report_data, sizeof r->report_data);
    r->debug = (t->attributes & SC_TD_ATTR_DEBUG) != 0;
}

/* Whose quoting enclave it is decides whose root must stand above it: simulated evidence can never end in Intel's root,
 * nor hardware's in a simulation root. */
static bool judge_vendor(const struct sc_quote *q, enum sc_root_kind *root_out, struct sc_attest_result *r)
{
    const bool simulated = memcmp(q->vendor, sc_quote_vendor_simulation, sizeof q->vendor) == 0;
    if (!simulated && memcmp(q->vendor, sc_quote_vendor_intel, sizeof q->vendor) != 0) {
        attest_refuse(r, SC_ATTEST_VENDOR, NULL);
        return false;
    }
    *root_out = simulated ? SC_ROOT_SIMULATION : SC_ROOT_INTEL;
    r->simulated = simulated;
    r->kind = simulated ? SC_ATTEST_SOFTWARE : q->body == SC_BODY_SGX ? SC_ATTEST_SGX : SC_ATTEST_TDX;
    return true;
}

/* ---- the PCK chain ---- */
static void chain_deinit(struct attest_pck_chain *c)
{
    sc_buf_deinit(&c->bytes);
    attest_path_deinit(&c->path);
    *c = (struct attest_pck_chain){0};
}

static struct attest_pck_chain *chain_find(struct sc_attest_verifier *v, struct sc_slice bytes)
{
    for (size_t i = 0; i < v->chain_count; i++) {
        if (sc_slice_eq(sc_buf_slice(&v->chains[i].bytes), bytes)) {
            v->chains[i].used = ++v->clock;
            return &v->chains[i];
        }
    }
    return NULL;
}

/* Takes chain over, in the place of the one that was not used for longest. */
static struct attest_pck_chain *chain_keep(struct sc_attest_verifier *v, struct attest_pck_chain *chain)
{
    size_t at = v->chain_count;
    if (at < ATTEST_CHAINS_MAX) {
        v->chain_count++;
    } else {
        at = 0;
        for (size_t i = 1; i < v->chain_count; i++)
            at = v->chains[i].used < v->chains[at].used ? i : at;
        chain_deinit(&v->chains[at]);
    }
    v->chains[at] = *chain;
    v->chains[at].used = ++v->clock;
    *chain = (struct attest_pck_chain){0};
    return &v->chains[at];
}

static sc_err chain_build(struct attest_pck_chain *c, struct sc_slice pem, struct sc_attest_result *r,
                          struct sc_diag *diag)
{
    struct sc_cert *certs[PATH_SIZE] = {NULL};
    struct sc_slice extension;
    size_t count = 0;
    sc_err err = sc_certs_from_pem(pem, certs, PATH_SIZE, &count, diag);
    if (err == SC_OK && count != PATH_SIZE) {
        for (size_t i = 0; i < count; i++)
            sc_cert_free(certs[i]);
        err = sc_fail(diag, SC_E_MALFORMED, "%zu certificates where leaf, CA and root belong", count);
    }
    if (err == SC_OK)
        err = attest_path_build(&c->path, certs, SC_PUBKEY_P256, diag);
    if (err != SC_OK) {
        attest_refuse(r, SC_ATTEST_PCK_CHAIN, diag);
        return err == SC_E_NOMEM ? err : SC_OK;
    }
    if (sc_cert_extension(c->path.cert[PATH_LEAF].cert, SC_PCK_EXTENSION_OID, &extension) != SC_OK ||
        sc_pck_parse(extension, &c->pck, diag) != SC_OK)
        attest_refuse(r, SC_ATTEST_PCK_EXTENSION, diag);
    return SC_OK;
}

/* The verified chain of these bytes, from the cache or built now; *out stays NULL where r refuses it. */
static sc_err chain_get(struct sc_attest_verifier *v, enum sc_root_kind kind, struct sc_slice bytes,
                        const struct attest_pck_chain **out, struct sc_attest_result *r)
{
    const struct attest_pck_chain *known = chain_find(v, bytes);
    if (known == NULL) {
        SC_CLEANUP(chain_deinit) struct attest_pck_chain c = {0};
        struct sc_diag diag = {0};
        SC_TRY(chain_build(&c, bytes, r, &diag));
        if (r->reason != SC_ATTEST_OK)
            return SC_OK;
        sc_buf_put_bytes(&c.bytes, bytes);
        SC_TRY(sc_buf_status(&c.bytes));
        if (sc_roots_trust(v->roots, kind, &c.path.cert[PATH_ROOT].facts.spki))
            known = chain_keep(v, &c);
    }
    /* asked again for a known chain: it may be trusted as another kind of root only */
    if (known == NULL || !sc_roots_trust(v->roots, kind, &known->path.cert[PATH_ROOT].facts.spki)) {
        attest_refuse(r, SC_ATTEST_UNTRUSTED_ROOT, NULL);
        return SC_OK;
    }
    *out = known;
    return SC_OK;
}

static void tell_platform(const struct attest_pck_chain *c, struct sc_attest_result *r)
{
    memcpy(r->fmspc, c->pck.fmspc, sizeof r->fmspc);
    memcpy(r->pce_id, c->pck.pce_id, sizeof r->pce_id);
    memcpy(r->pck_svn, c->pck.svn, sizeof r->pck_svn);
    r->pce_svn = c->pck.pce_svn;
    sc_cert_issuer_cn(c->path.cert[PATH_LEAF].cert, r->issuer_cn);
}

static bool judge_chain_dates(const struct attest_pck_chain *c, int64_t now_s, struct sc_attest_result *r)
{
    struct sc_diag diag = {0};
    for (size_t i = 0; i < PATH_SIZE; i++)
        attest_note_validity(r, c->path.cert[i].facts.not_before_s, c->path.cert[i].facts.not_after_s, false);
    const enum sc_attest_reason reason = attest_path_dates(&c->path, now_s, &diag);
    if (reason != SC_ATTEST_OK)
        attest_refuse(r, reason, &diag);
    return reason == SC_ATTEST_OK;
}

/* ---- signatures ---- */
static bool judge_qe_report(const struct sc_quote *q, const struct attest_pck_chain *c, struct sc_attest_result *r)
{
    if (sc_pubkey_check_raw(c->path.cert[PATH_LEAF].key, q->qe_report_bytes, q->qe_report_signature) != SC_OK) {
        attest_refuse(r, SC_ATTEST_QE_REPORT_SIGNATURE, NULL);
        return false;
    }
    attest_pass(r, SC_CHECK_QE_REPORT);
    const struct sc_slice parts[] = {q->attestation_key, q->auth_data};
    struct sc_hash hash;
    static const uint8_t zeros[32];
    sc_hash_of_parts(parts, 2, &hash);
    if (memcmp(q->qe_report.report_data, hash.bytes, 32) != 0 ||
        memcmp(q->qe_report.report_data + 32, zeros, 32) != 0) {
        attest_refuse(r, SC_ATTEST_KEY_UNBOUND, NULL);
        return false;
    }
    attest_pass(r, SC_CHECK_KEY_BINDING);
    return true;
}

static sc_err judge_quote_signature(const struct sc_quote *q, struct sc_attest_result *r)
{
    SC_CLEANUP(sc_pubkey_freep) struct sc_pubkey *key = NULL;
    const sc_err err = sc_pubkey_from_point(SC_PUBKEY_P256, q->attestation_key, &key);
    if (err == SC_E_NOMEM)
        return err;
    if (err != SC_OK)
        attest_refuse(r, SC_ATTEST_KEY_INVALID, NULL);
    else if (sc_pubkey_check_raw(key, q->signed_part, q->signature) != SC_OK)
        attest_refuse(r, SC_ATTEST_QUOTE_SIGNATURE, NULL);
    else if (q->version == 3 && q->tee != SC_TEE_SGX) /* signed, but reserved bytes are not zero */
        attest_refuse(r, SC_ATTEST_TEE_TYPE, NULL);
    else
        attest_pass(r, SC_CHECK_QUOTE);
    return SC_OK;
}

/* ---- the platform ---- */
static bool judge_fit(const struct sc_tcb_info *info, const struct sc_pck *pck, bool is_tdx, struct sc_attest_result *r)
{
    enum sc_attest_reason reason = SC_ATTEST_OK;
    if (info->is_tdx != is_tdx)
        reason = SC_ATTEST_TCBINFO_TEE;
    else if (memcmp(info->fmspc, pck->fmspc, sizeof pck->fmspc) != 0)
        reason = SC_ATTEST_TCBINFO_FMSPC;
    else if (memcmp(info->pce_id, pck->pce_id, sizeof pck->pce_id) != 0)
        reason = SC_ATTEST_TCBINFO_PCEID;
    if (reason != SC_ATTEST_OK)
        attest_refuse(r, reason, NULL);
    else
        attest_pass(r, SC_CHECK_PLATFORM_FIT);
    return reason == SC_ATTEST_OK;
}

static bool judge_qe(const struct sc_qe_identity *id, const struct sc_sgx_report *qe, bool is_tdx,
                     struct sc_attest_result *r)
{
    enum sc_attest_reason reason = SC_ATTEST_OK;
    if (is_tdx ? !id->is_tdx : !id->is_sgx)
        reason = SC_ATTEST_QEID_TEE;
    else if (memcmp(id->mr_signer, qe->mr_signer, sizeof id->mr_signer) != 0)
        reason = SC_ATTEST_QEID_SIGNER;
    else if (id->prod_id != qe->prod_id)
        reason = SC_ATTEST_QEID_PRODUCT;
    else if (((id->misc_select ^ qe->misc_select) & id->misc_select_mask) != 0)
        reason = SC_ATTEST_QEID_MISCSELECT;
    else if (((id->attributes ^ qe->attributes) & id->attributes_mask) != 0 ||
             ((id->xfrm ^ qe->xfrm) & id->xfrm_mask) != 0)
        reason = SC_ATTEST_QEID_ATTRIBUTES;
    if (reason != SC_ATTEST_OK)
        attest_refuse(r, reason, NULL);
    else
        attest_pass(r, SC_CHECK_QE_JUDGED);
    return reason == SC_ATTEST_OK;
}

static bool judge_module(const struct sc_tcb_info *info, const struct sc_td_report *td, struct sc_attest_result *r)
{
    const unsigned generation = td->tee_tcb_svn[1];
    const struct sc_tdx_module *m = generation == 0 ? &info->module : sc_tcb_module_of(info, generation);
    enum sc_attest_reason reason = SC_ATTEST_OK;
    if (m == NULL)
        reason = SC_ATTEST_TDX_MODULE_UNKNOWN;
    else if (memcmp(m->mr_signer, td->mr_signer_seam, sizeof m->mr_signer) != 0)
        reason = SC_ATTEST_TDX_MODULE_SIGNER;
    for (size_t i = 0; reason == SC_ATTEST_OK && i < sizeof m->attributes; i++)
        if (td->seam_attributes[i] != 0 || m->attributes[i] != 0) /* 4.1.2.4.11.2: equal, and zero */
            reason = SC_ATTEST_TDX_MODULE_ATTRIBUTES;
    if (reason != SC_ATTEST_OK)
        attest_refuse(r, reason, NULL);
    else
        attest_pass(r, SC_CHECK_TDX_MODULE);
    return reason == SC_ATTEST_OK;
}

static void add_advisories(struct sc_attest_advisories *to, const struct sc_tcb_fact *fact)
{
    for (size_t i = 0; fact != NULL && i < fact->advisory_count; i++) {
        bool known = false;
        for (size_t k = 0; k < to->count && !known; k++)
            known = strcmp(to->id[k], fact->advisories[i]) == 0;
        if (!known && to->count < SC_ATTEST_ADVISORIES_MAX) /* three levels of at most 64 always fit */
            memcpy(to->id[to->count++], fact->advisories[i], SC_TCB_ADVISORY_SIZE);
    }
}

static void judge_tcb(const struct sc_collateral *c, const struct sc_pck *pck, const struct sc_quote *q,
                      struct sc_attest_result *r)
{
    struct sc_tcb_judgement j;
    const struct sc_td_report *td = q->body == SC_BODY_SGX ? NULL : &q->report.td;
    sc_tcb_judge(&c->tcb_info, pck, td, q->body, sc_tcb_svn_level_of(&c->qe_identity.levels, q->qe_report.svn), &j);
    r->tcb_status = j.status;
    r->platform_status = j.platform_status;
    r->sgx_status = j.sgx_status;
    r->module_status = j.module_status;
    r->qe_status = j.qe_status;
    r->tcb_date_s = j.level != NULL ? j.level->fact.date_s : 0;
    add_advisories(&r->advisories, j.level != NULL ? &j.level->fact : NULL);
    add_advisories(&r->advisories, j.module != NULL ? &j.module->fact : NULL);
    add_advisories(&r->advisories, j.qe != NULL ? &j.qe->fact : NULL);
    if (j.loaded_module_unknown)
        attest_refuse(r, SC_ATTEST_TDX_MODULE_UNKNOWN, NULL);
    else
        attest_pass(r, SC_CHECK_TCB_LEVEL);
}

static void judge_platform(const struct sc_collateral *c, const struct sc_pck *pck, const struct sc_quote *q,
                           struct sc_attest_result *r)
{
    const bool is_tdx = q->body != SC_BODY_SGX;
    if (judge_qe(&c->qe_identity, &q->qe_report, is_tdx, r) &&
        (!is_tdx || judge_module(&c->tcb_info, &q->report.td, r)))
        judge_tcb(c, pck, q, r);
}

/* ---- all of it ---- */
static sc_err judge(struct sc_attest_verifier *v, const struct sc_attest_request *req, const struct sc_quote *q,
                    struct sc_attest_result *r)
{
    const struct attest_pck_chain *chain = NULL;
    enum sc_root_kind root;
    if (!judge_vendor(q, &root, r))
        return SC_OK;
    SC_TRY(chain_get(v, root, q->cert_data, &chain, r));
    if (chain == NULL)
        return SC_OK;
    tell_platform(chain, r);
    if (!judge_chain_dates(chain, req->now_s, r))
        return SC_OK;
    attest_pass(r, SC_CHECK_CHAIN);
    if (req->depth == SC_ATTEST_FULL) {
        if (req->collateral == NULL) {
            attest_refuse(r, SC_ATTEST_CRL_MISSING, NULL);
            return SC_OK;
        }
        SC_TRY(attest_judge_collateral(req->collateral, v->roots, root, chain, req->now_s, r));
        if (r->reason != SC_ATTEST_OK || !judge_fit(&req->collateral->tcb_info, &chain->pck, q->body != SC_BODY_SGX, r))
            return SC_OK;
    }
    if (!judge_qe_report(q, chain, r))
        return SC_OK;
    SC_TRY(judge_quote_signature(q, r));
    if (r->reason == SC_ATTEST_OK && req->depth == SC_ATTEST_FULL)
        judge_platform(req->collateral, &chain->pck, q, r);
    return SC_OK;
}

/* A result outlives the bytes it was made from. */
static void forget_slices(struct sc_quote *q)
{
    q->signed_part = q->signature = q->attestation_key = q->qe_report_bytes = q->qe_report_signature = q->auth_data =
        q->cert_data = SC_SLICE_EMPTY;
}

sc_err attest_verify_quote(struct sc_attest_verifier *v, const struct sc_attest_request *req,
                           struct sc_attest_result *r)
{
    struct sc_diag diag = {0};
    struct sc_quote *q = &r->evidence.quote;
    const enum sc_quote_flaw flaw = sc_quote_parse(req->evidence, q, &diag);
    sc_err err = SC_OK;
    if (flaw == SC_QUOTE_FINE || q->qe_report_bytes.size != 0)
        tell_claims(q, r);
    r->kind = q->body == 0 ? SC_ATTEST_UNKNOWN : q->body == SC_BODY_SGX ? SC_ATTEST_SGX : SC_ATTEST_TDX;
    if (flaw != SC_QUOTE_FINE) {
        attest_refuse(r, reason_of(flaw), &diag);
    } else {
        attest_pass(r, SC_CHECK_FORMAT);
        err = judge(v, req, q, r);
    }
    forget_slices(q);
    return err;
}

void attest_chains_free(struct sc_attest_verifier *v)
{
    for (size_t i = 0; i < v->chain_count; i++)
        chain_deinit(&v->chains[i]);
    free(v->chains);
}
