#include "report/page.h"

#include "base/clock.h"
#include "report/html.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define RANKS_SHOWN     20 /* in the front page's table */
#define SUSPECTS_SHOWN  3  /* with curves */
#define CUSTOMERS_SHOWN 2000

void report_summary_fill(struct report_summary *s, const struct report_bill *bill, const struct report_audit *audit)
{
    *s = (struct report_summary){.customer = bill->customer,
                                 .reading_count = bill->reading_count,
                                 .complete = bill->complete,
                                 .verdict = REPORT_NOT_AUDITED};
    snprintf(s->name, sizeof s->name, "%s", bill->name); /* cut within a character: shown as U+FFFD */
    snprintf(s->energy_kwh, sizeof s->energy_kwh, "%s", bill->energy_kwh);
    snprintf(s->total, sizeof s->total, "%s", bill->total);
    snprintf(s->currency, sizeof s->currency, "%s", bill->currency);
    if (audit != NULL) {
        s->verdict = audit->passed ? REPORT_PASSED : REPORT_FAILED;
        s->finding_count = json_array_size(audit->findings);
    }
}

/* Makes room for days [first, first + count): the bills need not begin on the same one. */
static sc_err days_cover(struct report_totals *t, int64_t first_ms, size_t count, struct sc_diag *diag)
{
    const int64_t day_ms = 86400000;
    if (t->day_count == 0)
        t->first_day_ms = first_ms;
    const int64_t earlier = first_ms < t->first_day_ms ? (t->first_day_ms - first_ms) / day_ms : 0;
    const int64_t end = (first_ms - t->first_day_ms) / day_ms + (int64_t)count;
    const int64_t days = earlier + (end > (int64_t)t->day_count ? end : (int64_t)t->day_count);
    if (days > REPORT_DAYS_MAX || earlier > REPORT_DAYS_MAX)
        return sc_fail(diag, SC_E_LIMIT, "the bills' days spread over more than %d", REPORT_DAYS_MAX);
    memmove(t->daily_kwh + earlier, t->daily_kwh, t->day_count * sizeof *t->daily_kwh);
    for (int64_t i = 0; i < earlier; i++)
        t->daily_kwh[i] = 0.0;
    t->first_day_ms -= earlier * day_ms;
    t->day_count = (size_t)days;
    return SC_OK;
}

static void curve_add(double *sum, const struct report_curve *c)
{
    for (size_t i = 0; i < c->count; i++)
        sum[i] += isfinite(c->v[i]) ? c->v[i] : 0.0;
}

sc_err report_totals_add(struct report_totals *t, const struct report_bill *bill, struct sc_diag *diag)
{
    int64_t first_ms;
    SC_TRY(sc_civil_parse(bill->first_day, &first_ms));
    SC_TRY(days_cover(t, first_ms, bill->daily_kwh.count, diag));
    const size_t at = (size_t)((first_ms - t->first_day_ms) / 86400000);
    curve_add(t->daily_kwh + at, &bill->daily_kwh);
    t->reading_count += bill->reading_count;
    if (t->slot_count == 0 && bill->weekday_kw.count <= REPORT_SLOTS_MAX)
        t->slot_count = bill->weekday_kw.count;
    if (bill->weekday_kw.count == t->slot_count && bill->weekend_kw.count == t->slot_count) {
        curve_add(t->weekday_kw, &bill->weekday_kw);
        curve_add(t->weekend_kw, &bill->weekend_kw);
    }
    return SC_OK;
}

/* ---- head ---- */

static double energy_total(const struct report_totals *t)
{
    double sum = 0.0;
    for (size_t i = 0; i < t->day_count; i++)
        sum += t->daily_kwh[i];
    return sum;
}

static size_t verdict_count(const struct report_pages *p, enum report_verdict verdict)
{
    size_t n = 0;
    for (size_t i = 0; i < p->customer_count; i++)
        n += p->customers[i].verdict == verdict;
    return n;
}

static void fact(struct sc_buf *out, const char *label, double value, int decimals)
{
    sc_buf_put_fmt(out, "<div><dt>%s</dt><dd>", label);
    sc_html_number(out, value, decimals);
    sc_buf_put_str(out, "</dd></div>");
}

static void facts(struct sc_buf *out, const struct report_pages *p)
{
    double total = 0.0;
    for (size_t i = 0; i < p->customer_count; i++)
        total += strtod(p->customers[i].total, NULL); /* a headline, not an amount that anybody pays */
    sc_buf_put_str(out, "<dl class=\"facts\">");
    fact(out, "customers billed", (double)p->customer_count, 0);
    fact(out, "signed readings", (double)p->totals->reading_count, 0);
    fact(out, "kWh", energy_total(p->totals), 0);
    sc_buf_put_str(out, "<div><dt>billed, ");
    sc_html_text(out, p->customer_count != 0 ? p->customers[0].currency : "");
    sc_buf_put_str(out, "</dt><dd>");
    sc_html_number(out, total, 2);
    sc_buf_put_str(out, "</dd></div>");
    fact(out, "audits passed", (double)verdict_count(p, REPORT_PASSED), 0);
    fact(out, "audits failed", (double)verdict_count(p, REPORT_FAILED), 0);
    sc_buf_put_str(out, "</dl>\n");
}

static void head(struct sc_buf *out, const struct report_pages *p)
{
    const struct report_run *r = p->run;
    report_page_open(out, r->title);
    sc_buf_put_str(out,
                   "<header><nav><a href=\"#flow\">The way of a reading</a><a href=\"#consumption\">Consumption</a>"
                   "<a href=\"#bills\">Bills and audits</a><a href=\"#fraud\">Fraud</a></nav><h1>");
    sc_html_text(out, r->title);
    sc_buf_put_str(out, "</h1><p class=\"soft\">");
    report_period(out, r->from, r->to);
    sc_buf_put_fmt(out, ", %" PRId64 " days, a reading every %" PRId64 " minutes. Data: ", r->days, r->interval_s / 60);
    sc_html_text(out, r->data_source);
    sc_buf_put_str(out, ", ");
    sc_html_text(out, r->data_name);
    if (r->licence != NULL) {
        sc_buf_put_str(out, ", ");
        sc_html_text(out, r->licence);
    }
    sc_buf_put_str(out, ". The run took ");
    sc_html_number(out, r->duration_s, 1);
    sc_buf_put_str(out, " s");
    if (r->restarts != 0)
        sc_buf_put_fmt(out, ", in which %" PRId64 " service%s had to be started again", r->restarts,
                       r->restarts == 1 ? "" : "s");
    sc_buf_put_str(out, ".</p><p class=\"note\"><b>Backend:</b> ");
    sc_html_text(out, r->backend);
    sc_buf_put_str(out, "</p>");
    if (r->attack_kind != NULL) {
        sc_buf_put_str(out, "<p class=\"note bad\"><b>An attack was staged in this run: ");
        sc_html_text(out, r->attack_kind);
        sc_buf_put_fmt(out, "</b>, customer %" PRId64 ". ", r->attack_customer);
        sc_html_text(out, r->attack_description);
        sc_buf_put_str(out, "</p>");
    }
    facts(out, p);
    sc_buf_put_str(out, "</header>\n<main>\n");
}

/* ---- the flow ---- */

static const struct station {
    const char *id, *title, *role;
    bool sealed; /* sees ciphertext only */
} stations[] = {
    {"meters", "Meters", "measure, sign and seal every reading", false},
    {"aggregator", "Aggregator", "forwards sealed bytes, cannot read them", true},
    {"authenticator", "Authenticators", "open the seal, verify every signature", false},
    {"mdc", "MDC", "collects, drops duplicates, asks for what is missing", false},
    {"cascadb", "CascaDB", "SQL over keys and values", false},
    {"kvs", "Secure key-value store", "encrypts and chains all that is stored; the disk sees ciphertext only", false},
};
static const struct station ends[] = {
    {"billing", "Billing", "one bill per customer, with a hash over the signed readings", false},
    {"audit", "Audit", "another party checks each bill from the signed readings", false},
    {"fraud", "Fraud", "ranks whose consumption changed as theft would", false},
};

static const json_t *station_find(const struct report_run *r, const char *id)
{
    size_t i;
    const json_t *station;
    json_array_foreach(r->stations, i, station) if (strcmp(report_text(station, "id"), id) == 0) return station;
    return NULL;
}

static void station_count(struct sc_buf *out, const char *label, double value)
{
    sc_buf_put_str(out, "<tr><td>");
    sc_html_text(out, label);
    sc_buf_put_str(out, "</td><td class=\"n\">");
    sc_html_number(out, value, value == floor(value) ? 0 : 2);
    sc_buf_put_str(out, "</td></tr>");
}

/* For the ends of the line, what the result files themselves tell. */
static void own_counts(struct sc_buf *out, const struct report_pages *p, const char *id)
{
    if (strcmp(id, "billing") == 0) {
        station_count(out, "bills", (double)p->customer_count);
        station_count(out, "readings billed", (double)p->totals->reading_count);
    } else if (strcmp(id, "audit") == 0) {
        station_count(out, "passed", (double)verdict_count(p, REPORT_PASSED));
        station_count(out, "failed", (double)verdict_count(p, REPORT_FAILED));
        if (verdict_count(p, REPORT_NOT_AUDITED) != 0)
            station_count(out, "not audited", (double)verdict_count(p, REPORT_NOT_AUDITED));
    } else if (strcmp(id, "fraud") == 0 && p->ranking->doc != NULL) {
        station_count(out, "ranked", (double)json_array_size(p->ranking->customers));
        station_count(out, "strong evidence", (double)p->ranking->strong_count);
        station_count(out, "weak evidence", (double)p->ranking->weak_count);
    }
}

static void station_card(struct sc_buf *out, const struct report_pages *p, const struct station *s)
{
    const json_t *told = station_find(p->run, s->id);
    sc_buf_put_str(out, s->sealed ? "<li class=\"sealed\"><b>" : "<li><b>");
    sc_html_text(out, told != NULL ? report_text(told, "title") : s->title);
    const int64_t instances = json_integer_value(json_object_get(told, "instances"));
    if (instances > 1)
        sc_buf_put_fmt(out, " \xC3\x97 %" PRId64, instances);
    sc_buf_put_fmt(out, "</b><div class=\"role\">%s</div>", s->role);
    const json_t *counts = json_object_get(told, "counts");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf rows = {0};
    const char *label;
    json_t *count;
    json_object_foreach((json_t *)counts, label, count) station_count(&rows, label, json_number_value(count));
    if (json_object_size(counts) == 0)
        own_counts(&rows, p, s->id);
    if (rows.size != 0) {
        sc_buf_put_str(out, "<table><tbody>");
        sc_buf_put_bytes(out, sc_buf_slice(&rows));
        sc_buf_put_str(out, "</tbody></table>");
    }
    sc_buf_put_str(out, "</li>");
}

static void flow(struct sc_buf *out, const struct report_pages *p)
{
    sc_buf_put_str(out, "<h2 id=\"flow\">The way of a reading</h2>\n<ol class=\"flow\">");
    for (size_t i = 0; i < sizeof stations / sizeof *stations; i++)
        station_card(out, p, &stations[i]);
    sc_buf_put_str(out, "</ol>\n<p class=\"down\" aria-hidden=\"true\">\xE2\x86\x93</p>\n<ul class=\"flow ends\">");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        station_card(out, p, &ends[i]);
    sc_buf_put_str(out, "</ul>\n");
}

/* ---- consumption ---- */

static void consumption(struct sc_buf *out, const struct report_totals *t)
{
    SC_CLEANUP(sc_freep) char(*days)[16] = report_days(t->first_day_ms, t->day_count);
    const char *labels[REPORT_DAYS_MAX];
    if (days == NULL) {
        out->failed = SC_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < t->day_count; i++)
        labels[i] = days[i];
    sc_buf_put_str(out, "<h2 id=\"consumption\">Consumption of all customers</h2>\n");
    report_consumption(out, labels, t->daily_kwh, t->day_count, t->weekday_kw, t->weekend_kw, t->slot_count);
}

/* ---- bills and audits ---- */

static void customer_link(struct sc_buf *out, int64_t customer, const char *name)
{
    sc_buf_put_fmt(out, "<a href=\"customers/%" PRId64 ".html\">", customer);
    sc_html_text(out, *name != '\0' ? name : "(no name)");
    sc_buf_put_str(out, "</a>");
}

static void customer_row(struct sc_buf *out, const struct report_summary *s, const struct report_ranking *ranking)
{
    const json_t *entry = report_ranking_find(ranking, s->customer);
    sc_buf_put_fmt(out, "<tr><td class=\"n\">%" PRId64 "</td><td>", s->customer);
    customer_link(out, s->customer, s->name);
    sc_buf_put_str(out, "</td><td class=\"n\">");
    sc_html_decimal(out, s->energy_kwh);
    sc_buf_put_str(out, "</td><td class=\"n\">");
    sc_html_decimal(out, s->total);
    sc_buf_put_str(out, "</td><td>");
    report_verdict(out, s->verdict);
    if (s->finding_count != 0)
        sc_buf_put_fmt(out, ", %zu interval%s", s->finding_count, s->finding_count == 1 ? "" : "s");
    if (!s->complete)
        sc_buf_put_str(out, ", incomplete");
    sc_buf_put_str(out, "</td><td class=\"n\">");
    if (entry != NULL)
        sc_buf_put_fmt(out, "%" PRId64, (int64_t)json_integer_value(json_object_get(entry, "rank")));
    sc_buf_put_str(out, "</td></tr>\n");
}

static void bills(struct sc_buf *out, const struct report_pages *p)
{
    const size_t failed = verdict_count(p, REPORT_FAILED);
    sc_buf_put_str(out, "<h2 id=\"bills\">Bills and audits</h2>\n");
    if (failed == 0 && verdict_count(p, REPORT_PASSED) != 0)
        sc_buf_put_str(out,
                       "<p>Every audited bill rests on genuine, complete readings, and its amount is right.</p>\n");
    if (failed != 0)
        sc_buf_put_fmt(
            out,
            "<p class=\"note bad\"><b>%zu audit%s failed.</b> The customer's page names each offending interval.</p>\n",
            failed, failed == 1 ? "" : "s");
    if (p->customer_count == 0) {
        sc_buf_put_str(out, "<p class=\"soft\">No bills were made.</p>\n");
        return;
    }
    sc_buf_put_str(
        out, "<div class=\"scroll\"><table><thead><tr><th class=\"n\">No.</th><th>Customer</th><th class=\"n\">kWh</th>"
             "<th class=\"n\">Total, ");
    sc_html_text(out, p->customers[0].currency);
    sc_buf_put_str(out, "</th><th>Audit</th><th class=\"n\">Fraud rank</th></tr></thead><tbody>\n");
    /* What failed comes first and is never cut; the rest in order. */
    size_t shown = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < p->customer_count; i++)
            if ((p->customers[i].verdict == REPORT_FAILED) == (pass == 0) && (pass == 0 || shown < CUSTOMERS_SHOWN)) {
                customer_row(out, &p->customers[i], p->ranking);
                shown++;
            }
    sc_buf_put_str(out, "</tbody></table></div>\n");
    if (shown < p->customer_count)
        sc_buf_put_fmt(
            out, "<p class=\"soft\">%zu of %zu customers are listed; every one has a page customers/NUMBER.html.</p>\n",
            shown, p->customer_count);
}

/* ---- fraud ---- */

static bool has_page(const struct report_pages *p, int64_t customer)
{
    size_t from = 0, to = p->customer_count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (p->customers[middle].customer == customer)
            return true;
        if (p->customers[middle].customer < customer)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

static void ranked_name(struct sc_buf *out, const struct report_pages *p, const json_t *entry)
{
    const int64_t customer = json_integer_value(json_object_get(entry, "client_id"));
    if (has_page(p, customer))
        customer_link(out, customer, report_text(entry, "name"));
    else
        sc_html_text(out, report_text(entry, "name"));
}

static void rank_table(struct sc_buf *out, const struct report_pages *p)
{
    size_t i;
    const json_t *entry;
    sc_buf_put_str(out,
                   "<div class=\"scroll\"><table><thead><tr><th class=\"n\">Rank</th><th>Customer</th><th>Class</th>"
                   "<th class=\"n\">Score</th><th>Evidence</th><th>Why</th></tr></thead><tbody>\n");
    json_array_foreach(p->ranking->customers, i, entry)
    {
        if (i >= RANKS_SHOWN)
            break;
        sc_buf_put_fmt(out, "<tr><td class=\"n\">%" PRId64 "</td><td class=\"name\">",
                       (int64_t)json_integer_value(json_object_get(entry, "rank")));
        ranked_name(out, p, entry);
        sc_buf_put_str(out, "</td><td>");
        sc_html_text(out, report_text(entry, "class"));
        sc_buf_put_str(out, "</td><td class=\"n\">");
        sc_html_number(out, json_number_value(json_object_get(entry, "score")), 1);
        sc_buf_put_str(out, "</td><td>");
        report_grade(out, report_text(entry, "grade"));
        sc_buf_put_str(out, "</td><td>");
        report_reasons(out, entry);
        sc_buf_put_str(out, "</td></tr>\n");
    }
    sc_buf_put_str(out, "</tbody></table></div>\n");
}

/* The neurons of the suspects' shown days. */
static void units_mark(const struct report_ranking *r, bool *marked, size_t count)
{
    for (size_t i = 0; i < SUSPECTS_SHOWN; i++) {
        size_t k;
        const json_t *day;
        const json_t *entry = json_array_get(r->customers, i);
        if (strcmp(report_text(entry, "grade"), "nothing") == 0)
            continue;
        json_array_foreach(json_object_get(entry, "suspicious_days"), k, day)
        {
            const json_t *unit = json_object_get(day, "unit");
            if (json_is_integer(unit) && json_integer_value(unit) >= 0 && (uint64_t)json_integer_value(unit) < count)
                marked[json_integer_value(unit)] = true;
        }
    }
}

static void map(struct sc_buf *out, const struct report_ranking *r)
{
    if (r->map == NULL)
        return;
    bool marked[64 * 64] = {false};
    units_mark(r, marked, json_array_size(json_object_get(r->map, "units")));
    sc_buf_put_str(out, "<h3>The map of daily curves</h3>\n<p class=\"soft\">Each neuron of the self-organising map "
                        "stands for one course "
                        "of a day (midnight to midnight, scaled to its mean); neighbours are alike, darker ones match "
                        "more days. Outlined in "
                        "red: where the suspicious days of the first ranks fall. Quantisation error ");
    sc_html_number(out, json_number_value(json_object_get(r->map, "quantisation_error")), 2);
    sc_buf_put_str(out, ", topographic error ");
    sc_html_number(out, 100.0 * json_number_value(json_object_get(r->map, "topographic_error")), 1);
    sc_buf_put_str(out, "\xC2\xA0%.</p>\n<figure>");
    report_map(out, r->map, marked);
    sc_buf_put_str(out, "</figure>\n");
}

static void fraud(struct sc_buf *out, const struct report_pages *p)
{
    size_t i;
    const json_t *entry;
    const struct report_ranking *r = p->ranking;
    sc_buf_put_str(out, "<h2 id=\"fraud\">Suspicion of fraud</h2>\n");
    if (r->doc == NULL) {
        sc_buf_put_str(out, "<p class=\"soft\">No ranking was made.</p>\n");
        return;
    }
    sc_buf_put_str(
        out,
        "<p>Customers whose days changed as theft would change them, against their own days before and against their "
        "group. A rank tells where to look first; it proves nothing.</p>\n");
    if (r->unjudged_count != 0)
        sc_buf_put_fmt(out, "<p class=\"soft\">%zu of %zu customers have too little data to be judged.</p>\n",
                       r->unjudged_count, json_array_size(r->customers));
    if (r->strong_count + r->weak_count == 0)
        sc_buf_put_str(out,
                       "<p>Nobody stands out: the first ranks below are within what honest customers reach.</p>\n");
    rank_table(out, p);
    json_array_foreach(r->customers, i, entry)
    {
        if (i >= SUSPECTS_SHOWN)
            break;
        if (strcmp(report_text(entry, "grade"), "nothing") == 0 || json_object_get(entry, "suspicious_days") == NULL)
            continue;
        sc_buf_put_fmt(out, "<h3>Rank %" PRId64 ": ", (int64_t)json_integer_value(json_object_get(entry, "rank")));
        ranked_name(out, p, entry);
        sc_buf_put_str(out, "</h3>\n");
        report_suspicious_days(out, entry, 3);
    }
    map(out, r);
}

void report_page_index(struct sc_buf *out, const struct report_pages *pages)
{
    head(out, pages);
    flow(out, pages);
    consumption(out, pages->totals);
    bills(out, pages);
    fraud(out, pages);
    report_page_close(out, pages->run);
}
