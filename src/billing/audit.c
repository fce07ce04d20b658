#include "billing/audit_internal.h"

#include "metering/schema.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const check_names[SC_AUDIT_CHECK_COUNT] = {
    [SC_AUDIT_CHECK_CERTIFICATE] = "certificate", [SC_AUDIT_CHECK_TARIFF] = "tariff",
    [SC_AUDIT_CHECK_CONTRACT] = "contract",       [SC_AUDIT_CHECK_SIGNATURES] = "signatures",
    [SC_AUDIT_CHECK_COMPLETE] = "completeness",   [SC_AUDIT_CHECK_SEQUENCE] = "sequence",
    [SC_AUDIT_CHECK_REGISTERS] = "registers",     [SC_AUDIT_CHECK_BILLED] = "billed_readings",
    [SC_AUDIT_CHECK_HASH] = "measurement_hash",   [SC_AUDIT_CHECK_AMOUNT] = "amount",
};
static const char *const kind_names[SC_AUDIT_KIND_COUNT] = {
    [SC_AUDIT_DROPPED] = "dropped",   [SC_AUDIT_DUPLICATED] = "duplicated", [SC_AUDIT_ALTERED] = "altered",
    [SC_AUDIT_REPLAYED] = "replayed", [SC_AUDIT_REORDERED] = "reordered",   [SC_AUDIT_FOREIGN] = "foreign",
};

const char *sc_audit_check_name(enum sc_audit_check_id id)
{
    return check_names[id];
}

const char *sc_audit_kind_name(enum sc_audit_kind kind)
{
    return kind_names[kind];
}

const char *sc_audit_result_name(enum sc_audit_result result)
{
    return result == SC_AUDIT_PASS ? "pass" : result == SC_AUDIT_FAIL ? "fail" : "skipped";
}

void sc_verdict_free(struct sc_verdict *v)
{
    if (v == NULL)
        return;
    free(v->findings);
    free(v);
}

void sc_verdict_freep(struct sc_verdict **v)
{
    sc_verdict_free(*v);
}

size_t sc_audit_rows_max(const struct sc_bill_period *period)
{
    const int64_t intervals = (period->to_ms - period->from_ms) / ((int64_t)period->interval_s * 1000);
    return (size_t)intervals * 2 + 4096;
}

void audit_result(struct audit *a, enum sc_audit_check_id id, bool pass, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    a->verdict->checks[id].result = pass ? SC_AUDIT_PASS : SC_AUDIT_FAIL;
    vsnprintf(a->verdict->checks[id].detail, sizeof a->verdict->checks[id].detail, fmt, args);
    va_end(args);
}

static void audit_deinit(struct audit *a)
{
    sc_verdict_free(a->verdict);
    sc_verifier_free(a->verifier);
    free(a->rows);
    sc_buf_deinit(&a->signatures);
    sc_buf_deinit(&a->statement);
}

/* ---- what can be judged before the rows ---- */

/* The meter's key, if the institute vouches for it at the time of the readings. */
static sc_err certified_key(const struct audit *a, struct sc_verifier **out, struct sc_diag *why)
{
    const struct sc_bill_claim *claim = a->opt->claim;
    if (a->opt->certificate.size == 0)
        return sc_fail(why, SC_E_AUTH, "the database holds no certificate for meter %08" PRIu32, claim->meter);
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    char uri[128];
    uint32_t serial;
    uint64_t client_id;
    SC_TRY(sc_cert_from_der(a->opt->certificate, &cert, why));
    SC_TRY(sc_cert_verify(cert, a->opt->institute, claim->from_ms, why));
    SC_TRY(sc_cert_verify(cert, a->opt->institute, claim->to_ms - a->step_ms, why));
    SC_TRY(sc_cert_uri(cert, uri, sizeof uri, why));
    if (sc_meter_urn_parse(uri, &serial, &client_id) != SC_OK || serial != claim->meter ||
        client_id != (uint64_t)claim->client_id)
        return sc_fail(why, SC_E_AUTH, "the certificate is for %s, the bill for meter %08" PRIu32 ", customer %" PRId64,
                       uri, claim->meter, claim->client_id);
    return sc_cert_verifier(cert, out, why);
}

static sc_err check_certificate(struct audit *a, struct sc_diag *diag)
{
    struct sc_diag why = {0};
    const sc_err err = certified_key(a, &a->verifier, &why);
    if (err == SC_E_NOMEM)
        return sc_fail(diag, err, "%s", sc_diag_text(&why, err));
    if (err != SC_OK)
        audit_result(a, SC_AUDIT_CHECK_CERTIFICATE, false, "%s", sc_diag_text(&why, err));
    else
        audit_result(a, SC_AUDIT_CHECK_CERTIFICATE, true,
                     "%s key certified by the institute for meter %08" PRIu32 " of customer %" PRId64,
                     sc_sign_alg_name(sc_verifier_alg(a->verifier)), a->opt->claim->meter, a->opt->claim->client_id);
    return SC_OK;
}

static void check_tariff(struct audit *a)
{
    const struct sc_bill_claim *claim = a->opt->claim;
    const struct sc_tariff *t = a->opt->tariff;
    const bool same = memcmp(claim->tariff_hash.bytes, t->hash.bytes, sizeof t->hash.bytes) == 0;
    if (same)
        audit_result(a, SC_AUDIT_CHECK_TARIFF, true, "tariff %s is the auditor's", t->id);
    else
        audit_result(a, SC_AUDIT_CHECK_TARIFF, false, "the bill was made with tariff %s, which is not the auditor's %s",
                     claim->tariff_id, t->id);
}

/* Are members of the bill those of another document?  Names the first that is not. */
static const char *member_differs(const json_t *claimed, const json_t *own, const char *const *members)
{
    for (size_t i = 0; members[i] != NULL; i++)
        if (!json_equal(json_object_get(claimed, members[i]), json_object_get(own, members[i])))
            return members[i];
    return NULL;
}

/* ---- rows ---- */

/* SC_OK: the meter signed this reading at start_ms. */
static sc_err verify_at(struct audit *a, const struct sc_reading *r, int64_t start_ms, struct sc_slice signature)
{
    struct sc_reading at = *r;
    at.start_ms = start_ms;
    at.meter = a->opt->claim->meter;
    sc_buf_reset(&a->statement);
    sc_reading_encode(&at, &a->statement);
    SC_TRY(sc_buf_status(&a->statement));
    a->verdict->signature_checks++;
    return sc_verifier_check(a->verifier, sc_buf_slice(&a->statement), signature);
}

static sc_err judge_in_place(struct audit *a, const struct sc_audit_row *in, struct audit_row *row)
{
    row->state = ROW_ALTERED;
    row->why = in->broken != NULL ? in->broken : in->has_timestamp ? NULL : "the row has no time";
    if (row->why != NULL)
        return SC_OK;
    row->reading = in->reading;
    const sc_err err = verify_at(a, &in->reading, in->timestamp_ms, in->signature);
    if (err != SC_OK && err != SC_E_AUTH)
        return err;
    if (in->reading.meter != a->opt->claim->meter) {
        row->state = err == SC_OK ? ROW_ALTERED : ROW_FOREIGN;
        row->why = "the number of the meter was changed";
        return SC_OK;
    }
    if (err == SC_OK) {
        row->state = ROW_GENUINE;
        return SC_OK;
    }
    row->state = ROW_PENDING;
    row->signature_offset = a->signatures.size;
    row->signature_size = in->signature.size;
    sc_buf_put_bytes(&a->signatures, in->signature);
    return sc_buf_status(&a->signatures);
}

static sc_err append_row(struct audit *a, const struct audit_row *row)
{
    if (a->row_count == a->row_capacity) {
        const size_t capacity = a->row_capacity == 0 ? 1024 : a->row_capacity * 2;
        struct audit_row *rows = reallocarray(a->rows, capacity, sizeof *rows);
        if (rows == NULL)
            return SC_E_NOMEM;
        a->rows = rows;
        a->row_capacity = capacity;
    }
    a->rows[a->row_count++] = *row;
    return SC_OK;
}

static sc_err take_row(struct audit *a, const struct sc_audit_row *in)
{
    const struct sc_bill_period *p = &a->opt->claim->requested;
    struct sc_verdict *v = a->verdict;
    struct audit_row row = {.has_time = in->has_timestamp, .stands_ms = in->timestamp_ms};
    if (in->has_timestamp && in->timestamp_ms < p->from_ms) {
        if (in->timestamp_ms != p->from_ms - a->step_ms || in->broken != NULL)
            return SC_OK; /* not of this period */
        SC_TRY(judge_in_place(a, in, &row));
        if (row.state == ROW_GENUINE) {
            a->opening_known = true;
            a->opening = row.reading;
        }
        return SC_OK;
    }
    if (in->has_timestamp && in->timestamp_ms >= p->to_ms)
        return SC_OK;
    v->row_count++;
    if (a->row_count == sc_audit_rows_max(p)) {
        v->rows_unread++;
        return SC_OK;
    }
    SC_TRY(judge_in_place(a, in, &row));
    return append_row(a, &row);
}

static sc_err take_rows(struct audit *a, const struct sc_audit_rows *rows, struct sc_diag *diag)
{
    for (;;) {
        struct sc_audit_row row = {0};
        bool end = false;
        SC_TRY(rows->next(rows->self, &row, &end, diag));
        if (end)
            return SC_OK;
        const sc_err err = take_row(a, &row);
        if (err != SC_OK)
            return sc_fail(diag, err, "audit of customer %" PRId64, a->opt->claim->client_id);
    }
}

/* ---- time and sequence ---- */

static bool t0_of(const struct audit *a, uint64_t sequence, int64_t start_ms, int64_t *t0_out)
{
    int64_t since;
    return sequence != 0 && sequence <= INT64_MAX &&
           !__builtin_mul_overflow((int64_t)(sequence - 1), a->step_ms, &since) &&
           !__builtin_sub_overflow(start_ms, since, t0_out);
}

/* Every genuine reading tells when the meter began to count.  They agree unless the meter is at fault; the majority is
 * found as Boyer and Moore do (MJRTY, 1981).  Without any, the bill's word is a hint that signatures will prove. */
static void find_t0(struct audit *a)
{
    size_t votes = 0;
    int64_t t0;
    for (size_t i = 0; i < a->row_count; i++) {
        if (a->rows[i].state != ROW_GENUINE || !t0_of(a, a->rows[i].reading.sequence, a->rows[i].reading.start_ms, &t0))
            continue;
        if (votes == 0) {
            a->t0_ms = t0;
            a->t0_known = true;
        }
        votes = votes == 0 || t0 == a->t0_ms ? votes + 1 : votes - 1;
    }
    const struct sc_bill_claim *claim = a->opt->claim;
    if (!a->t0_known)
        a->t0_known = t0_of(a, claim->first_sequence, claim->from_ms, &a->t0_ms);
}

/* The time is a signed field: a genuine reading that stands elsewhere verifies at the time its sequence implies. */
static sc_err judge_pending(struct audit *a)
{
    for (size_t i = 0; i < a->row_count; i++) {
        struct audit_row *row = &a->rows[i];
        if (row->state != ROW_PENDING)
            continue;
        int64_t start;
        const struct sc_slice signature = sc_slice_of(a->signatures.ptr + row->signature_offset, row->signature_size);
        row->state = ROW_ALTERED;
        if (!audit_start_of(a, row->reading.sequence, &start) || start == row->stands_ms)
            continue;
        const sc_err err = verify_at(a, &row->reading, start, signature);
        if (err == SC_OK) {
            row->state = ROW_GENUINE;
            row->reading.start_ms = start;
        } else if (err != SC_E_AUTH) {
            return err;
        }
    }
    return SC_OK;
}

static void check_sequence(struct audit *a)
{
    uint64_t genuine = 0, wrong = 0;
    int64_t first_wrong = 0;
    for (size_t i = 0; i < a->row_count; i++) {
        const struct sc_reading *r = &a->rows[i].reading;
        int64_t start;
        if (a->rows[i].state != ROW_GENUINE)
            continue;
        genuine++;
        if ((!audit_start_of(a, r->sequence, &start) || start != r->start_ms) && wrong++ == 0)
            first_wrong = r->start_ms;
    }
    char text[SC_TIME_TEXT_SIZE];
    if (wrong == 0)
        audit_result(a, SC_AUDIT_CHECK_SEQUENCE, true, "%" PRIu64 " genuine readings, one number an interval", genuine);
    else
        audit_result(a, SC_AUDIT_CHECK_SEQUENCE, false,
                     "%" PRIu64 " of %" PRIu64 " genuine readings break the meter's numbering, the first at %s", wrong,
                     genuine, sc_time_text(first_wrong, text));
}

/* ---- the bill again ---- */

static sc_err recompute(const struct audit *a, const struct sc_reading *const *ordered, size_t count,
                        struct sc_bill **bill_out, struct sc_diag *why)
{
    struct sc_contract contract = a->opt->contract != NULL ? *a->opt->contract : a->opt->claim->contract;
    contract.client_id = a->opt->claim->client_id;
    contract.meter = a->opt->claim->meter;
    SC_CLEANUP(sc_biller_freep) struct sc_biller *biller = NULL;
    SC_TRY(sc_biller_new(a->opt->tariff, &contract, &a->opt->claim->requested, &biller, why));
    if (a->opening_known)
        SC_TRY(sc_biller_add(biller, &a->opening, why));
    for (size_t i = 0; i < count; i++)
        SC_TRY(sc_biller_add(biller, ordered[i], why));
    return sc_biller_finish(biller, bill_out, why);
}

static void check_billed(struct audit *a, const struct sc_bill *bill)
{
    const struct sc_bill_claim *c = a->opt->claim;
    const bool same = bill->from_ms == c->from_ms && bill->to_ms == c->to_ms &&
                      bill->reading_count == c->reading_count && bill->first_sequence == c->first_sequence &&
                      bill->last_sequence == c->last_sequence;
    if (same)
        audit_result(a, SC_AUDIT_CHECK_BILLED, true, "%" PRIu64 " readings, sequences %" PRIu64 " to %" PRIu64,
                     bill->reading_count, bill->first_sequence, bill->last_sequence);
    else
        audit_result(a, SC_AUDIT_CHECK_BILLED, false,
                     "the bill counts %" PRIu64 " readings, sequences %" PRIu64 " to %" PRIu64 "; genuine are %" PRIu64
                     ", %" PRIu64 " to %" PRIu64,
                     c->reading_count, c->first_sequence, c->last_sequence, bill->reading_count, bill->first_sequence,
                     bill->last_sequence);
}

static void check_hash(struct audit *a, const struct sc_bill *bill)
{
    const bool same = memcmp(bill->measurement_hash.bytes, a->opt->claim->measurement_hash.bytes, SC_HASH_SIZE) == 0;
    audit_result(a, SC_AUDIT_CHECK_HASH, same, "%s",
                 same ? "the bill's measurement hash is that of the genuine readings"
                      : "the bill's measurement hash is not that of the genuine readings in the database");
}

static void check_registers(struct audit *a, const struct sc_bill *bill)
{
    char text[SC_TIME_TEXT_SIZE];
    if (bill->register_mismatches == 0)
        audit_result(a, SC_AUDIT_CHECK_REGISTERS, true, "%" PRIu64 " register differences equal the intervals' energy",
                     bill->register_checks);
    else
        audit_result(a, SC_AUDIT_CHECK_REGISTERS, false,
                     "%" PRIu64 " of %" PRIu64 " register differences are not the interval's energy, the first at %s",
                     bill->register_mismatches, bill->register_checks, sc_time_text(bill->register_mismatch_ms, text));
}

static const char *member_text(const json_t *doc, const char *member)
{
    const char *s = json_string_value(json_object_get(doc, member));
    return s != NULL ? s : "nothing";
}

static sc_err check_amount(struct audit *a, const struct sc_bill *bill)
{
    static const char *const amounts[] = {"total", "energy_kwh", "lines",    "subtotal", "taxes",
                                          "taxed", "cosip",      "currency", NULL};
    static const char *const terms[] = {"contract", NULL};
    SC_CLEANUP(sc_json_freep) json_t *own = NULL;
    SC_TRY(sc_bill_to_json(bill, NULL, &own));
    const json_t *claimed = a->opt->claim->doc;
    const char *other = member_differs(claimed, own, amounts);
    if (other == NULL)
        audit_result(a, SC_AUDIT_CHECK_AMOUNT, true, "R$ %s, every line and tax recomputed", member_text(own, "total"));
    else
        audit_result(a, SC_AUDIT_CHECK_AMOUNT, false, "\"%s\" differs; the bill's total is R$ %.32s, recomputed R$ %s",
                     other, member_text(claimed, "total"), member_text(own, "total"));
    const bool same_terms = a->opt->contract != NULL && member_differs(claimed, own, terms) == NULL;
    audit_result(a, SC_AUDIT_CHECK_CONTRACT, same_terms, "%s",
                 a->opt->contract == NULL
                     ? "the database holds no contract of this customer; the bill's terms were used"
                 : same_terms ? "phases and contracted demand are the database's"
                              : "phases or contracted demand are not the database's");
    return SC_OK;
}

static sc_err check_bill(struct audit *a, const struct sc_reading *const *ordered, size_t count)
{
    static const enum sc_audit_check_id ids[] = {SC_AUDIT_CHECK_BILLED, SC_AUDIT_CHECK_HASH, SC_AUDIT_CHECK_AMOUNT,
                                                 SC_AUDIT_CHECK_REGISTERS, SC_AUDIT_CHECK_CONTRACT};
    struct sc_diag why = {0};
    SC_CLEANUP(sc_bill_freep) struct sc_bill *bill = NULL;
    const sc_err err = recompute(a, ordered, count, &bill, &why);
    if (err == SC_E_NOMEM)
        return err;
    for (size_t i = 0; err != SC_OK && i < sizeof ids / sizeof ids[0]; i++)
        audit_result(a, ids[i], false, "the bill cannot be computed again: %.180s", sc_diag_text(&why, err));
    if (err != SC_OK)
        return SC_OK;
    a->verdict->recomputed = true;
    a->verdict->measurement_hash = bill->measurement_hash;
    a->verdict->total_cents = bill->charges.total_cents;
    check_billed(a, bill);
    check_hash(a, bill);
    check_registers(a, bill);
    return check_amount(a, bill);
}

static void sum_up(struct audit *a)
{
    struct sc_verdict *v = a->verdict;
    v->passed = v->rows_unread == 0;
    for (size_t i = 0; i < SC_AUDIT_CHECK_COUNT; i++)
        v->passed = v->passed && v->checks[i].result == SC_AUDIT_PASS;
    for (size_t i = 0; i < SC_AUDIT_KIND_COUNT; i++)
        v->passed = v->passed && v->kind_count[i] == 0;
}

static sc_err audit_rows(struct audit *a, const struct sc_audit_rows *rows, struct sc_diag *diag)
{
    SC_TRY(take_rows(a, rows, diag));
    find_t0(a);
    SC_TRY(judge_pending(a));
    check_sequence(a);
    SC_CLEANUP(sc_freep) const struct sc_reading **ordered = NULL;
    size_t count = 0;
    SC_TRY(audit_place(a, &ordered, &count));
    return check_bill(a, ordered, count);
}

sc_err sc_audit_run(const struct sc_audit_options *opt, const struct sc_audit_rows *rows, struct sc_verdict **out,
                    struct sc_diag *diag)
{
    const struct sc_bill_claim *claim = opt->claim;
    SC_CLEANUP(audit_deinit) struct audit a = {.opt = opt, .step_ms = (int64_t)claim->requested.interval_s * 1000};
    SC_TRY(sc_bill_period_check(&claim->requested, diag));
    a.verdict = calloc(1, sizeof *a.verdict);
    if (a.verdict == NULL)
        return sc_fail(diag, SC_E_NOMEM, "audit");
    a.verdict->client_id = claim->client_id;
    a.verdict->meter = claim->meter;
    a.verdict->period = claim->requested;
    a.verdict->bill_hash = opt->bill_hash;
    a.verdict->tariff_hash = opt->tariff->hash;
    for (size_t i = 0; i < SC_AUDIT_CHECK_COUNT; i++)
        snprintf(a.verdict->checks[i].detail, sizeof a.verdict->checks[i].detail, "no key of the meter can be trusted");
    SC_TRY(check_certificate(&a, diag));
    check_tariff(&a);
    if (a.verifier != NULL)
        SC_TRY(sc_context(diag, audit_rows(&a, rows, diag), "audit"));
    sum_up(&a);
    *out = SC_TAKE(a.verdict);
    return SC_OK;
}
