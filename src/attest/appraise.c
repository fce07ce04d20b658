/* Judging genuine evidence by a policy: every objection is found, not the first alone. */
#include "attest/policy_internal.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>

static void object(struct sc_appraisal *a, const char *name, const char *fmt, ...) SC_PRINTF(3, 4);
static void object(struct sc_appraisal *a, const char *name, const char *fmt, ...)
{
    if (a->count == SC_POLICY_FINDINGS_MAX) /* it is refused already */
        return;
    struct sc_policy_finding *f = &a->findings[a->count++];
    va_list args;
    va_start(args, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, args);
    va_end(args);
    f->name = name;
}

static bool value_is(const struct policy_value *v, const uint8_t *bytes, size_t size)
{
    return v->size == size && memcmp(v->bytes, bytes, size) == 0;
}

static bool values_have(const struct policy_values *values, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < values->count; i++)
        if (value_is(&values->list[i], bytes, size))
            return true;
    return values->count == 0;
}

static bool code_fits(const struct policy_code *c, const struct sc_attest_result *r)
{
    if (c->measurement.size != 0 && !value_is(&c->measurement, r->measurement, r->measurement_size))
        return false;
    if (c->signer.size != 0 && !value_is(&c->signer, r->signer, r->signer_size))
        return false;
    return (!c->has_product || c->product == r->product_id) && r->svn >= c->svn_min;
}

static void appraise_code(const struct sc_policy *p, const struct sc_attest_result *r, struct sc_appraisal *a)
{
    bool fits = p->code_count == 0;
    for (size_t i = 0; i < p->code_count && !fits; i++)
        fits = code_fits(&p->codes[i], r);
    if (!fits)
        object(a, "code", "no identity of the policy fits measurement, signer, product and version");
    if (r->debug && !p->allow_debug)
        object(a, "debug", "the host can read it: the debug attribute is set");
    if (!values_have(&p->config_id, r->config_id, r->config_id_size))
        object(a, "config-id", "the configuration id is none of the policy's");
    bool starts = p->report_data.count == 0;
    for (size_t i = 0; i < p->report_data.count && !starts; i++)
        starts = memcmp(p->report_data.list[i].bytes, r->report_data, p->report_data.list[i].size) == 0;
    if (!starts)
        object(a, "report-data", "the report data start with none of the policy's values");
}

static void appraise_advisories(const struct sc_policy *p, const struct sc_attest_result *r, struct sc_appraisal *a)
{
    for (size_t i = 0; p->limit_advisories && i < r->advisories.count; i++) {
        bool tolerated = false;
        for (size_t k = 0; k < p->advisory_count && !tolerated; k++)
            tolerated = strcmp(p->advisories[k], r->advisories.id[i]) == 0;
        if (!tolerated)
            object(a, "advisory", "%s applies and is not tolerated", r->advisories.id[i]);
    }
}

static void appraise_platform(const struct sc_policy *p, const struct sc_attest_result *r, struct sc_appraisal *a)
{
    if (r->kind != SC_ATTEST_SNP) {
        if (!p->statuses[r->tcb_status])
            object(a, "tcb-status", "TCB status %s is not tolerated", sc_tcb_status_name(r->tcb_status));
        appraise_advisories(p, r, a);
        if (r->tcb_evaluation_number < p->evaluation_number_min)
            object(a, "evaluation-number", "the TCB info is number %u, the policy asks for %u",
                   r->tcb_evaluation_number, p->evaluation_number_min);
    }
    const int64_t age_s = r->verified_at_s - r->collateral_issued_s;
    if (p->collateral_age_max_s != 0 && r->collateral_issued_s != 0 && age_s > p->collateral_age_max_s)
        object(a, "collateral-age", "the oldest collateral is %" PRId64 " hours old", age_s / 3600);
    /* AMD's certificates have no issue date that ages; its list has, where one is given */
}

static void appraise_bits(const struct policy_bits *b, const struct policy_bit_name *names, uint64_t have,
                          const char *what, struct sc_appraisal *a)
{
    for (; names->name != NULL; names++) {
        if ((b->required & names->bit) != 0 && (have & names->bit) == 0)
            object(a, what, "%s is not set", names->name);
        if ((b->forbidden & names->bit) != 0 && (have & names->bit) != 0)
            object(a, what, "%s is set", names->name);
    }
}

static void appraise_td(const struct sc_policy *p, const struct sc_td_report *td, struct sc_appraisal *a)
{
    static const char *const names[POLICY_RTMRS] = {"rtmr0", "rtmr1", "rtmr2", "rtmr3"};
    appraise_bits(&p->td_attributes, policy_td_bits, td->attributes, "tdx-attributes", a);
    if (!values_have(&p->mr_seam, td->mr_seam, sizeof td->mr_seam))
        object(a, "mr-seam", "the TDX module's measurement is none of the policy's");
    if (!values_have(&p->mr_owner, td->mr_owner, sizeof td->mr_owner))
        object(a, "mr-owner", "MROWNER is none of the policy's");
    if (!values_have(&p->mr_owner_config, td->mr_owner_config, sizeof td->mr_owner_config))
        object(a, "mr-owner-config", "MROWNERCONFIG is none of the policy's");
    for (size_t i = 0; i < POLICY_RTMRS; i++)
        if (!values_have(&p->rtmr[i], td->rtmr[i], sizeof td->rtmr[i]))
            object(a, names[i], "%s is none of the policy's", names[i]);
}

static void appraise_snp_tcb(const struct sc_policy *p, const struct sc_attest_result *r, struct sc_appraisal *a)
{
    struct sc_snp_tcb tcb;
    sc_snp_tcb_parse(r->evidence.snp.reported_tcb, strcmp(r->snp_product, "Turin") == 0, &tcb);
    const struct {
        const char *name;
        uint8_t have, want;
    } parts[] = {{"fmc", tcb.fmc, p->tcb_min.fmc},
                 {"boot_loader", tcb.boot_loader, p->tcb_min.boot_loader},
                 {"tee", tcb.tee, p->tcb_min.tee},
                 {"snp", tcb.snp, p->tcb_min.snp},
                 {"microcode", tcb.microcode, p->tcb_min.microcode}};
    for (size_t i = 0; p->has_tcb_min && i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].have < parts[i].want)
            object(a, "snp-tcb", "reported TCB: %s is %u, the policy asks for %u", parts[i].name, parts[i].have,
                   parts[i].want);
}

static void appraise_snp(const struct sc_policy *p, const struct sc_attest_result *r, struct sc_appraisal *a)
{
    const struct sc_snp_report *s = &r->evidence.snp;
    appraise_bits(&p->snp_policy, policy_snp_bits, s->policy, "snp-policy", a);
    appraise_bits(&p->snp_platform, policy_platform_bits, s->platform_info, "snp-platform", a);
    if (s->vmpl > p->vmpl_max)
        object(a, "vmpl", "the report was asked for at VMPL %u, the policy accepts up to %u", s->vmpl, p->vmpl_max);
    if (s->signing_key == SC_SNP_VLEK && !p->allow_vlek)
        object(a, "vlek", "signed by a cloud provider's key (VLEK), not by a chip's");
    if (!values_have(&p->family_id, s->family_id, sizeof s->family_id))
        object(a, "family-id", "the family id is none of the policy's");
    if (!values_have(&p->image_id, s->image_id, sizeof s->image_id))
        object(a, "image-id", "the image id is none of the policy's");
    if (!values_have(&p->author_key, s->author_key_digest, sizeof s->author_key_digest))
        object(a, "author-key", "the author key is none of the policy's");
    appraise_snp_tcb(p, r, a);
}

void sc_policy_appraise(const struct sc_policy *p, const struct sc_attest_result *r, struct sc_appraisal *out)
{
    memset(out, 0, sizeof *out);
    if (r->reason != SC_ATTEST_OK) {
        object(out, "not-genuine", "%s", sc_attest_reason_text(r->reason));
        return;
    }
    if (r->depth != SC_ATTEST_FULL) {
        object(out, "not-checked", "only the signatures were checked, not revocation and TCB");
        return;
    }
    if (!p->kinds[r->kind])
        object(out, "kind", "%s evidence is not accepted", sc_attest_kind_name(r->kind));
    appraise_code(p, r, out);
    appraise_platform(p, r, out);
    if (r->kind == SC_ATTEST_SNP)
        appraise_snp(p, r, out);
    else if (r->evidence.quote.body != SC_BODY_SGX) /* software evidence may take either form */
        appraise_td(p, &r->evidence.quote.report.td, out);
    else
        appraise_bits(&p->sgx_attributes, policy_sgx_bits, r->evidence.quote.report.sgx.attributes, "sgx-attributes",
                      out);
    out->accepted = out->count == 0;
}

sc_err sc_appraisal_to_json(const struct sc_appraisal *a, json_t **out)
{
    SC_CLEANUP(sc_json_freep) json_t *list = json_array();
    for (size_t i = 0; i < a->count; i++)
        if (json_array_append_new(
                list, json_pack("{s:s, s:s}", "name", a->findings[i].name, "text", a->findings[i].text)) != 0)
            return SC_E_NOMEM;
    json_t *o = json_pack("{s:b, s:O}", "accepted", a->accepted, "findings", list);
    if (o == NULL)
        return SC_E_NOMEM;
    *out = o;
    return SC_OK;
}
