/* A result in words and as JSON. */
#include "attest/attest.h"
#include "attest/describe.h"
#include "base/clock.h"
#include "base/json.h"

static void hex_line(struct sc_buf *out, const char *name, const uint8_t *bytes, size_t size)
{
    char text[2 * 64 + 1];
    if (size == 0)
        return;
    sc_hex_encode(sc_slice_of(bytes, size), text);
    sc_buf_put_fmt(out, "%-14s %s\n", name, text);
}

static void time_line(struct sc_buf *out, const char *name, int64_t at_s)
{
    char text[SC_TIME_TEXT_SIZE];
    if (at_s != 0)
        sc_buf_put_fmt(out, "%-14s %s\n", name, sc_time_text(at_s * 1000, text));
}

static void tcb_lines(const struct sc_attest_result *r, struct sc_buf *out)
{
    if (r->tcb_status == SC_TCB_NONE)
        return;
    sc_buf_put_fmt(out, "%-14s %s (platform %s", "TCB", sc_tcb_status_name(r->tcb_status),
                   sc_tcb_status_name(r->platform_status));
    if (r->module_status != SC_TCB_NONE)
        sc_buf_put_fmt(out, ", TDX module %s", sc_tcb_status_name(r->module_status));
    sc_buf_put_fmt(out, ", QE %s)\n", sc_tcb_status_name(r->qe_status));
    time_line(out, "TCB date", r->tcb_date_s);
    for (size_t i = 0; i < r->advisories.count; i++)
        sc_buf_put_fmt(out, "%-14s %s\n", i == 0 ? "advisories" : "", r->advisories.id[i]);
}

void sc_attest_to_text(const struct sc_attest_result *r, struct sc_buf *out)
{
    sc_buf_put_fmt(out, "%-14s %s\n", "verdict", sc_attest_verdict(r));
    sc_buf_put_fmt(out, "%-14s %s%s%s\n", "reason", sc_attest_reason_text(r->reason), r->detail[0] != '\0' ? ": " : "",
                   r->detail);
    sc_buf_put_fmt(out, "%-14s %s%s\n", "kind", sc_attest_kind_name(r->kind), r->simulated ? " (SIMULATED)" : "");
    if (r->reason != SC_ATTEST_OK && r->measurement_size != 0)
        sc_buf_put_str(out, "-- the evidence was refused; it claims:\n");
    hex_line(out, "measurement", r->measurement, r->measurement_size);
    hex_line(out, "signer", r->signer, r->signer_size);
    if (r->measurement_size != 0)
        sc_buf_put_fmt(out, "%-14s product %u, version %u%s\n", "code", r->product_id, r->svn,
                       r->debug ? ", DEBUG: the host can read it" : "");
    hex_line(out, "config id", r->config_id, r->config_id_size);
    hex_line(out, "report data", r->report_data, r->measurement_size != 0 ? sizeof r->report_data : 0);
    if (r->issuer_cn[0] != '\0')
        sc_buf_put_fmt(out, "%-14s %s\n", "issuer", r->issuer_cn);
    if (r->snp_product[0] != '\0')
        sc_buf_put_fmt(out, "%-14s %s\n", "product", r->snp_product);
    else if (r->issuer_cn[0] != '\0')
        hex_line(out, "FMSPC", r->fmspc, sizeof r->fmspc);
    tcb_lines(r, out);
    time_line(out, "verified at", r->verified_at_s);
    time_line(out, "good until", r->reason == SC_ATTEST_OK ? r->collateral_expires_s : 0);
    for (int i = 0; i < SC_CHECK_COUNT; i++)
        if ((r->passed >> i & 1) != 0)
            sc_buf_put_fmt(out, "%-14s %s\n", "  held", sc_attest_check_name((enum sc_attest_check)i));
}

/* ---- JSON ---- */
/* Steals value; false when memory is spent. */
static bool set(json_t *obj, const char *name, json_t *value)
{
    return json_object_set_new(obj, name, value) == 0;
}

static json_t *hex_json(const uint8_t *bytes, size_t size)
{
    char text[2 * 64 + 1];
    sc_hex_encode(sc_slice_of(bytes, size), text);
    return json_string(text);
}

static json_t *time_json(int64_t at_s)
{
    char text[SC_TIME_TEXT_SIZE];
    return at_s != 0 ? json_string(sc_time_text(at_s * 1000, text)) : json_null();
}

static json_t *status_json(enum sc_tcb_status s)
{
    return s != SC_TCB_NONE ? json_string(sc_tcb_status_name(s)) : json_null();
}

static json_t *reason_json(const struct sc_attest_result *r)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "code", sc_attest_reason_code(r->reason), "name",
                     sc_attest_reason_name(r->reason), "text", sc_attest_reason_text(r->reason), "detail", r->detail);
}

static json_t *code_json(const struct sc_attest_result *r)
{
    json_t *o = json_object();
    if (o == NULL || !set(o, "measurement", hex_json(r->measurement, r->measurement_size)) ||
        !set(o, "signer", hex_json(r->signer, r->signer_size)) || !set(o, "product_id", json_integer(r->product_id)) ||
        !set(o, "svn", json_integer(r->svn)) || !set(o, "config_id", hex_json(r->config_id, r->config_id_size)) ||
        !set(o, "report_data", hex_json(r->report_data, sizeof r->report_data)) ||
        !set(o, "debug", json_boolean(r->debug))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *advisories_json(const struct sc_attest_advisories *a)
{
    json_t *list = json_array();
    for (size_t i = 0; i < a->count; i++)
        json_array_append_new(list, json_string(a->id[i]));
    return list;
}

static json_t *svn_json(const uint8_t svn[static 16])
{
    json_t *list = json_array();
    for (size_t i = 0; i < 16; i++)
        json_array_append_new(list, json_integer(svn[i]));
    return list;
}

static bool set_tcb(json_t *o, const struct sc_attest_result *r)
{
    return set(o, "tcb_status", status_json(r->tcb_status)) &&
           set(o, "platform_status", status_json(r->platform_status)) &&
           set(o, "sgx_status", status_json(r->sgx_status)) && set(o, "module_status", status_json(r->module_status)) &&
           set(o, "qe_status", status_json(r->qe_status)) && set(o, "tcb_date", time_json(r->tcb_date_s)) &&
           set(o, "tcb_evaluation_number", json_integer(r->tcb_evaluation_number)) &&
           set(o, "advisories", advisories_json(&r->advisories));
}

static json_t *platform_json(const struct sc_attest_result *r)
{
    json_t *o = json_object();
    const bool is_intel = r->kind != SC_ATTEST_SNP && r->issuer_cn[0] != '\0';
    bool ok = o != NULL && set_tcb(o, r) && set(o, "issuer", json_string(r->issuer_cn)) &&
              set(o, "collateral_issued", time_json(r->collateral_issued_s)) &&
              set(o, "expires", time_json(r->collateral_expires_s));
    if (ok && is_intel)
        ok = set(o, "fmspc", hex_json(r->fmspc, sizeof r->fmspc)) &&
             set(o, "pce_id", hex_json(r->pce_id, sizeof r->pce_id)) && set(o, "pce_svn", json_integer(r->pce_svn)) &&
             set(o, "pck_svn", svn_json(r->pck_svn));
    if (ok && r->snp_product[0] != '\0')
        ok = set(o, "product", json_string(r->snp_product));
    if (!ok) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *checks_json(const struct sc_attest_result *r)
{
    json_t *list = json_array();
    for (int i = 0; i < SC_CHECK_COUNT; i++)
        if ((r->passed >> i & 1) != 0)
            json_array_append_new(list, json_string(sc_attest_check_name((enum sc_attest_check)i)));
    return list;
}

/* One member for each group, its fields inside; all values are strings as `show` prints them. */
static void collect(void *arg, const char *group, const char *name, const char *value)
{
    json_t *all = arg;
    json_t *o = json_object_get(all, group);
    if (o == NULL && json_object_set_new(all, group, json_object()) == 0)
        o = json_object_get(all, group);
    json_object_set_new(o, name, json_string(value));
}

static json_t *evidence_json(const struct sc_attest_result *r)
{
    json_t *o = json_object();
    if (r->kind == SC_ATTEST_SNP)
        sc_describe_snp(&r->evidence.snp, collect, o);
    else
        sc_describe_quote(&r->evidence.quote, collect, o);
    return o;
}

sc_err sc_attest_to_json(const struct sc_attest_result *r, json_t **out)
{
    SC_CLEANUP(sc_json_freep) json_t *o = json_object();
    if (o == NULL || !set(o, "verdict", json_string(sc_attest_verdict(r))) ||
        !set(o, "genuine", json_boolean(r->reason == SC_ATTEST_OK)) || !set(o, "reason", reason_json(r)) ||
        !set(o, "kind", json_string(sc_attest_kind_name(r->kind))) ||
        !set(o, "simulated", json_boolean(r->simulated)) ||
        !set(o, "checked", json_string(r->depth == SC_ATTEST_FULL ? "full" : "signatures")) ||
        !set(o, "code", code_json(r)) || !set(o, "platform", platform_json(r)) ||
        !set(o, "verified_at", time_json(r->verified_at_s)) || !set(o, "checks", checks_json(r)) ||
        !set(o, "evidence", evidence_json(r)))
        return SC_E_NOMEM;
    *out = SC_TAKE(o);
    return SC_OK;
}
