#include "billing/audit.h"

#include <inttypes.h>
#include <stdio.h>

static void put(json_t *obj, bool *ok, const char *name, json_t *value)
{
    if (json_object_set_new(obj, name, value) != 0)
        *ok = false;
}

static json_t *time_of(int64_t ms)
{
    char text[SC_TIME_TEXT_SIZE];
    if (ms < -62135596800000 || ms >= 253402300800000)
        return json_integer(ms); /* an absurd time that a row carried: beyond the years 1..9999 */
    return json_string(sc_time_text(ms, text));
}

static json_t *hash_of(const struct sc_hash *hash)
{
    char text[2 * SC_HASH_SIZE + 1];
    sc_hex_encode(sc_slice_of(hash->bytes, sizeof hash->bytes), text);
    return json_string(text);
}

static json_t *count_of(uint64_t n)
{
    return n <= INT64_MAX ? json_integer((json_int_t)n) : json_string("beyond 2^63");
}

/* Text that may hold a database's bytes: what is not UTF-8 is told so, not written. */
static json_t *text_of(const char *s)
{
    json_t *v = json_string(s);
    return v != NULL ? v : json_string("(not UTF-8)");
}

static json_t *checks_json(const struct sc_verdict *v, bool *ok)
{
    json_t *list = json_array();
    for (size_t i = 0; i < SC_AUDIT_CHECK_COUNT; i++) {
        json_t *o = json_object();
        put(o, ok, "check", json_string(sc_audit_check_name((enum sc_audit_check_id)i)));
        put(o, ok, "result", json_string(sc_audit_result_name(v->checks[i].result)));
        put(o, ok, "detail", text_of(v->checks[i].detail));
        *ok = json_array_append_new(list, o) == 0 && *ok;
    }
    return list;
}

static json_t *finding_json(const struct sc_audit_finding *f, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "kind", json_string(sc_audit_kind_name(f->kind)));
    put(o, ok, "start", f->has_start ? time_of(f->start_ms) : json_null());
    put(o, ok, "sequence", f->sequence != 0 ? count_of(f->sequence) : json_null());
    if (f->has_found) {
        put(o, ok, "found_at", time_of(f->found_ms));
        put(o, ok, "found_sequence", count_of(f->found_sequence));
    }
    put(o, ok, "explanation", text_of(f->why));
    return o;
}

static json_t *findings_json(const struct sc_verdict *v, bool *ok)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->finding_count; i++)
        *ok = json_array_append_new(list, finding_json(&v->findings[i], ok)) == 0 && *ok;
    return list;
}

static json_t *counts_json(const struct sc_verdict *v, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "rows", count_of(v->row_count));
    put(o, ok, "rows_unread", count_of(v->rows_unread));
    put(o, ok, "intervals_expected", count_of(v->expected_count));
    put(o, ok, "intervals_genuine", count_of(v->genuine_count));
    put(o, ok, "not_measured", count_of(v->not_measured_count));
    put(o, ok, "signatures_checked", count_of(v->signature_checks));
    for (size_t i = 0; i < SC_AUDIT_KIND_COUNT; i++)
        put(o, ok, sc_audit_kind_name((enum sc_audit_kind)i), count_of(v->kind_count[i]));
    return o;
}

static json_t *period_json(const struct sc_verdict *v, bool *ok)
{
    json_t *o = json_object();
    put(o, ok, "from", time_of(v->period.from_ms));
    put(o, ok, "to", time_of(v->period.to_ms));
    put(o, ok, "interval_s", json_integer(v->period.interval_s));
    if (v->expected_count != 0) {
        put(o, ok, "readings_from", time_of(v->expected_from_ms));
        put(o, ok, "readings_to", time_of(v->expected_to_ms));
    }
    return o;
}

sc_err sc_verdict_to_json(const struct sc_verdict *v, const char *auditor_uri, int64_t audited_ms, json_t **out)
{
    bool ok = true;
    SC_CLEANUP(sc_json_freep) json_t *o = json_object();
    char text[SC_DECIMAL_TEXT_SIZE];
    snprintf(text, sizeof text, "%08" PRIu32, v->meter);
    put(o, &ok, "verdict", json_string(v->passed ? "pass" : "fail"));
    put(o, &ok, "passed", json_boolean(v->passed));
    put(o, &ok, "customer", json_integer(v->client_id));
    put(o, &ok, "meter", json_string(text));
    put(o, &ok, "period", period_json(v, &ok));
    put(o, &ok, "bill_hash", hash_of(&v->bill_hash));
    put(o, &ok, "tariff_hash", hash_of(&v->tariff_hash));
    put(o, &ok, "checks", checks_json(v, &ok));
    put(o, &ok, "counts", counts_json(v, &ok));
    put(o, &ok, "findings", findings_json(v, &ok));
    if (v->recomputed) {
        put(o, &ok, "measurement_hash", hash_of(&v->measurement_hash));
        put(o, &ok, "total", json_string(sc_money_text(v->total_cents, text)));
    }
    put(o, &ok, "audited_at", time_of(audited_ms));
    if (auditor_uri != NULL)
        put(o, &ok, "auditor", text_of(auditor_uri));
    if (!ok)
        return SC_E_NOMEM;
    *out = SC_TAKE(o);
    return SC_OK;
}

/* ---- signature ---- */

static sc_err hex_json(struct sc_slice s, json_t **out)
{
    SC_CLEANUP(sc_freep) char *text = malloc(2 * s.size + 1);
    if (text == NULL)
        return SC_E_NOMEM;
    sc_hex_encode(s, text);
    *out = json_string(text);
    return *out != NULL ? SC_OK : SC_E_NOMEM;
}

sc_err sc_verdict_sign(json_t *verdict, const struct sc_signer *signer, json_t **doc_out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf canonical = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    SC_CLEANUP(sc_json_freep) json_t *doc = json_object();
    json_t *value = NULL;
    bool ok = true;
    SC_TRY(sc_json_canonical(verdict, &canonical));
    SC_TRY(sc_signer_sign(signer, sc_buf_slice(&canonical), &signature));
    SC_TRY(hex_json(sc_buf_slice(&signature), &value));
    json_t *sign = json_object();
    put(sign, &ok, "algorithm", json_string(sc_sign_alg_name(sc_signer_alg(signer))));
    put(sign, &ok, "value", value);
    put(doc, &ok, "format", json_string("securecloud-verdict"));
    put(doc, &ok, "version", json_integer(1));
    put(doc, &ok, "verdict", json_incref(verdict));
    put(doc, &ok, "signature", sign);
    if (!ok)
        return SC_E_NOMEM;
    *doc_out = SC_TAKE(doc);
    return SC_OK;
}

sc_err sc_verdict_check(const json_t *doc, const struct sc_verifier *auditor, bool *passed_out, struct sc_diag *diag)
{
    const char *format, *alg, *hex;
    int64_t version;
    SC_TRY(sc_json_get_str(doc, "format", &format, diag));
    SC_TRY(sc_json_get_int(doc, "version", 1, 1, &version, diag));
    const json_t *member = json_object_get(doc, "verdict");
    const json_t *sign = json_object_get(doc, "signature");
    SC_TRY(sc_json_get_str(sign, "algorithm", &alg, diag));
    SC_TRY(sc_json_get_str(sign, "value", &hex, diag));
    uint8_t signature[SC_SIGNATURE_SIZE_MAX];
    const size_t size = strlen(hex) / 2;
    if (strcmp(format, "securecloud-verdict") != 0 || size > sizeof signature ||
        sc_hex_decode(hex, signature, size) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "not a verdict, or its signature is not hexadecimal");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf canonical = {0};
    SC_TRY(sc_json_canonical(member, &canonical));
    if (strcmp(alg, sc_sign_alg_name(sc_verifier_alg(auditor))) != 0 ||
        sc_verifier_check(auditor, sc_buf_slice(&canonical), sc_slice_of(signature, size)) != SC_OK)
        return sc_fail(diag, SC_E_AUTH, "the verdict was not signed by this auditor, or was changed since");
    const json_t *passed = json_object_get(member, "passed");
    if (!json_is_boolean(passed))
        return sc_fail(diag, SC_E_MALFORMED, "member \"passed\": true or false expected");
    *passed_out = json_is_true(passed);
    return SC_OK;
}
