#include "report/page.h"

#include "base/clock.h"
#include "report/html.h"

#include <inttypes.h>
#include <stdio.h>

#define FINDINGS_SHOWN 500 /* an audit may name a hundred thousand; the file has them all */

static void row(struct sc_buf *out, const char *label, const char *value)
{
    sc_buf_put_fmt(out, "<tr><td>%s</td><td>", label); /* labels are ours */
    sc_html_text(out, value);
    sc_buf_put_str(out, "</td></tr>");
}

static void row_count(struct sc_buf *out, const char *label, double value)
{
    sc_buf_put_fmt(out, "<tr><td>%s</td><td>", label);
    sc_html_number(out, value, 0);
    sc_buf_put_str(out, "</td></tr>");
}

static void head(struct sc_buf *out, const struct report_bill *b, const json_t *ranked)
{
    report_page_open(out, b->name);
    sc_buf_put_str(out, "<header><nav><a href=\"../index.html\">All customers</a><a href=\"#bill\">Bill</a>"
                        "<a href=\"#audit\">Audit</a><a href=\"#consumption\">Consumption</a><a "
                        "href=\"#fraud\">Suspicion</a></nav><h1>");
    sc_html_text(out, b->name);
    sc_buf_put_fmt(out, "</h1><p class=\"soft\">Customer %" PRId64 ", meter ", b->customer);
    sc_html_text(out, b->meter);
    if (ranked != NULL) {
        sc_buf_put_str(out, ", ");
        sc_html_text(out, report_text(ranked, "class"));
    }
    sc_buf_put_str(out, "; ");
    report_period(out, b->from, b->to);
    sc_buf_put_str(out, "</p></header>\n<main>\n");
}

/* "reactive_demand" -> "reactive demand" */
static void code_text(struct sc_buf *out, const char *code)
{
    char text[64];
    snprintf(text, sizeof text, "%s", code);
    for (char *p = text; *p != '\0'; p++)
        if (*p == '_')
            *p = ' ';
    sc_html_text(out, text);
}

static void bill_line(struct sc_buf *out, const json_t *line)
{
    static const char *const details[] = {"slot", "flag", "month"};
    sc_buf_put_str(out, "<tr><td>");
    code_text(out, report_text(line, "code"));
    for (size_t i = 0; i < 3; i++) {
        if (*report_text(line, details[i]) != '\0') {
            sc_buf_put_str(out, ", ");
            code_text(out, report_text(line, details[i]));
        }
    }
    sc_buf_put_str(out, "</td><td class=\"n\">");
    sc_html_decimal(out, report_text(line, "quantity"));
    sc_buf_put_u8(out, ' ');
    sc_html_text(out, report_text(line, "unit"));
    sc_buf_put_str(out, "</td><td class=\"n\">");
    sc_html_decimal(out, report_text(line, "unit_price"));
    sc_buf_put_str(out, "</td><td class=\"n\">");
    sc_html_decimal(out, report_text(line, "amount"));
    sc_buf_put_str(out, "</td></tr>");
}

static void amount_row(struct sc_buf *out, const char *class, const char *label, const char *amount)
{
    sc_buf_put_fmt(out, "<tr class=\"%s\"><td colspan=\"3\">", class);
    sc_html_text(out, label);
    sc_buf_put_str(out, "</td><td class=\"n\">");
    sc_html_decimal(out, amount);
    sc_buf_put_str(out, "</td></tr>");
}

static void bill_table(struct sc_buf *out, const struct report_bill *b)
{
    size_t i;
    const json_t *element;
    sc_buf_put_str(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>Item</th><th class=\"n\">Quantity</th><th class=\"n\">Price</th>"
        "<th class=\"n\">Amount, ");
    sc_html_text(out, b->currency);
    sc_buf_put_str(out, "</th></tr></thead><tbody>");
    json_array_foreach(b->lines, i, element) bill_line(out, element);
    const bool taxed = json_array_size(b->taxes) != 0;
    if (taxed)
        amount_row(out, "sub", "before taxes", b->subtotal);
    json_array_foreach(b->taxes, i, element)
    {
        char label[80];
        snprintf(label, sizeof label, "%.32s, %.16s %%", report_text(element, "name"), report_text(element, "percent"));
        amount_row(out, "sub", label, report_text(element, "amount"));
    }
    if (taxed)
        amount_row(out, "sub", "with taxes", b->taxed);
    if (strcmp(b->cosip, "0.00") != 0)
        amount_row(out, "sub", "public lighting (COSIP)", b->cosip);
    amount_row(out, "sum", "Total", b->total);
    sc_buf_put_str(out, "</tbody></table></div>\n");
}

static void bill_section(struct sc_buf *out, const struct report_bill *b)
{
    sc_buf_put_str(out, "<h2 id=\"bill\">Bill</h2>\n");
    if (!b->complete)
        sc_buf_put_str(
            out, "<p class=\"note bad\">The readings of this period are not complete or their registers disagree; "
                 "the bill says so itself.</p>");
    bill_table(out, b);
    sc_buf_put_str(out, "<table><tbody>");
    row(out, "Tariff", b->tariff_id);
    row(out, "Modality", b->modality);
    sc_buf_put_str(out, "<tr><td>Energy</td><td>");
    sc_html_decimal(out, b->energy_kwh);
    sc_buf_put_str(out, " kWh</td></tr>");
    row_count(out, "Readings", (double)b->reading_count);
    row_count(out, "of these without a measurement", (double)b->not_measured_count);
    row_count(out, "missing", (double)b->missing_count);
    sc_buf_put_str(out, "<tr><td>Measurement hash</td><td class=\"hash\">");
    sc_html_text(out, b->hash);
    sc_buf_put_str(
        out,
        "</td></tr></tbody></table>\n<p class=\"soft\">The hash is the root of a Merkle tree over the meter's signed "
        "statements; with an inclusion proof anybody can check one reading against it.</p>\n");
}

static void finding_row(struct sc_buf *out, const json_t *finding)
{
    const json_t *sequence = json_object_get(finding, "sequence");
    const char *start = report_text(finding, "start");
    sc_buf_put_str(out, "<tr><td class=\"fail\">");
    sc_html_text(out, report_text(finding, "kind"));
    sc_buf_put_str(out, "</td><td>");
    sc_html_text(out, *start != '\0' ? start : "\xE2\x80\x93");
    sc_buf_put_str(out, "</td><td class=\"n\">");
    if (json_is_integer(sequence))
        sc_buf_put_fmt(out, "%" PRId64, (int64_t)json_integer_value(sequence));
    sc_buf_put_str(out, "</td><td>");
    sc_html_text(out, report_text(finding, "explanation"));
    sc_buf_put_str(out, "</td></tr>");
}

static void findings(struct sc_buf *out, const struct report_audit *a)
{
    size_t i;
    const json_t *finding;
    const size_t count = json_array_size(a->findings);
    if (count == 0)
        return;
    sc_buf_put_fmt(
        out,
        "<h3>Offending intervals (%zu)</h3>\n<div class=\"scroll\"><table><thead><tr><th>Kind</th><th>Interval</th>"
        "<th class=\"n\">Sequence</th><th>What was found</th></tr></thead><tbody>",
        count);
    json_array_foreach(a->findings, i, finding) if (i < FINDINGS_SHOWN) finding_row(out, finding);
    sc_buf_put_str(out, "</tbody></table></div>\n");
    if (count > FINDINGS_SHOWN)
        sc_buf_put_fmt(out, "<p class=\"soft\">The first %d are shown; the verdict's file has all.</p>\n",
                       FINDINGS_SHOWN);
}

static void checks(struct sc_buf *out, const struct report_audit *a)
{
    size_t i;
    const json_t *check;
    sc_buf_put_str(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>Check</th><th>Result</th><th>What was compared</th></tr></thead>"
        "<tbody>");
    json_array_foreach(a->checks, i, check)
    {
        const char *result = report_text(check, "result");
        const char *class = strcmp(result, "pass") == 0 ? "pass" : strcmp(result, "fail") == 0 ? "fail" : "skipped";
        sc_buf_put_str(out, "<tr><td>");
        code_text(out, report_text(check, "check"));
        sc_buf_put_fmt(out, "</td><td class=\"%s\">", class);
        sc_html_text(out, result);
        sc_buf_put_str(out, "</td><td>");
        sc_html_text(out, report_text(check, "detail"));
        sc_buf_put_str(out, "</td></tr>");
    }
    sc_buf_put_str(out, "</tbody></table></div>\n");
}

static void audit_section(struct sc_buf *out, const struct report_audit *a)
{
    sc_buf_put_str(out, "<h2 id=\"audit\">Audit</h2>\n");
    if (a == NULL) {
        sc_buf_put_str(out, "<p class=\"soft\">This bill was not audited.</p>\n");
        return;
    }
    sc_buf_put_str(out, a->passed ? "<p class=\"note\">" : "<p class=\"note bad\">");
    report_verdict(out, a->passed ? REPORT_PASSED : REPORT_FAILED);
    sc_buf_put_str(out, ", judged at ");
    sc_html_text(out, a->audited_at);
    if (a->auditor != NULL) {
        sc_buf_put_str(out, " by <code>");
        sc_html_text(out, a->auditor);
        sc_buf_put_str(out, "</code>");
    }
    sc_buf_put_str(
        out, " from the signed readings, the metrology institute's certificate and the auditor's own tariff.</p>\n");
    findings(out, a);
    checks(out, a);
}

static void features(struct sc_buf *out, const json_t *entry, const struct report_ranking *r)
{
    size_t i;
    const json_t *feature;
    const json_t *measured = json_object_get(entry, "features");
    if (json_object_size(measured) == 0)
        return;
    sc_buf_put_str(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>Feature</th><th class=\"n\">Before</th><th class=\"n\">After</th>"
        "<th class=\"n\">z</th><th class=\"n\">Weight</th><th>Unit</th></tr></thead><tbody>");
    json_array_foreach(json_object_get(r->doc, "features"), i, feature)
    {
        static const char *const columns[] = {"before", "after", "z"};
        const json_t *m = json_object_get(measured, report_text(feature, "name"));
        if (m == NULL)
            continue;
        sc_buf_put_str(out, "<tr><td>");
        code_text(out, report_text(feature, "name"));
        for (size_t k = 0; k < 3; k++) {
            sc_buf_put_str(out, "</td><td class=\"n\">");
            sc_html_number(out, json_number_value(json_object_get(m, columns[k])), 2);
        }
        sc_buf_put_str(out, "</td><td class=\"n\">");
        sc_html_number(out, json_number_value(json_object_get(feature, "weight")), 2);
        sc_buf_put_str(out, "</td><td>");
        sc_html_text(out, report_text(feature, "unit"));
        sc_buf_put_str(out, "</td></tr>");
    }
    sc_buf_put_str(out, "</tbody></table></div>\n");
}

static void fraud_section(struct sc_buf *out, const struct report_ranking *r, const json_t *entry)
{
    sc_buf_put_str(out, "<h2 id=\"fraud\">Suspicion of fraud</h2>\n");
    if (entry == NULL) {
        sc_buf_put_str(out, "<p class=\"soft\">This customer was not ranked.</p>\n");
        return;
    }
    sc_buf_put_fmt(out, "<p>Rank %" PRId64 " of %zu, score ",
                   (int64_t)json_integer_value(json_object_get(entry, "rank")), json_array_size(r->customers));
    sc_html_number(out, json_number_value(json_object_get(entry, "score")), 1);
    sc_buf_put_str(out, ", evidence ");
    report_grade(out, report_text(entry, "grade"));
    sc_buf_put_str(out, ". A rank tells where to look first; it proves nothing.</p>\n");
    report_reasons(out, entry);
    report_suspicious_days(out, entry, 6);
    features(out, entry, r);
}

void report_page_customer(struct sc_buf *out, const struct report_pages *pages, const struct report_bill *bill,
                          const struct report_audit *audit)
{
    const json_t *entry = report_ranking_find(pages->ranking, bill->customer);
    int64_t first_ms = 0;
    sc_ignore(sc_civil_parse(bill->first_day, &first_ms)); /* checked when read */
    SC_CLEANUP(sc_freep) char(*days)[16] = report_days(first_ms, bill->daily_kwh.count);
    SC_CLEANUP(sc_freep) const char **labels = calloc(bill->daily_kwh.count + 1, sizeof *labels);
    if (days == NULL || labels == NULL) {
        out->failed = SC_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < bill->daily_kwh.count; i++)
        labels[i] = days[i];
    const size_t slots = bill->weekday_kw.count == bill->weekend_kw.count ? bill->weekday_kw.count : 0;
    head(out, bill, entry);
    bill_section(out, bill);
    audit_section(out, audit);
    sc_buf_put_str(out, "<h2 id=\"consumption\">Consumption</h2>\n");
    report_consumption(out, labels, bill->daily_kwh.v, bill->daily_kwh.count, bill->weekday_kw.v, bill->weekend_kw.v,
                       slots);
    fraud_section(out, pages->ranking, entry);
    report_page_close(out, pages->run);
}
