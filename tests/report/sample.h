/* tests/report/sample.h - a small made-up run: writes run.json, bills, audits and a ranking as the programs do. */
#ifndef SC_TESTS_REPORT_SAMPLE_H
#define SC_TESTS_REPORT_SAMPLE_H

#include "base/file.h"
#include "base/json.h"
#include "fraud/output.h"
#include "fraud/synthetic.h"

#include <stdio.h>

#define SAMPLE_CUSTOMERS 12
#define SAMPLE_DAYS      18
#define SAMPLE_HASH      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static inline void sample_put(const char *dir, const char *name, json_t *doc)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, name);
    SC_ASSERT(doc != NULL && path != NULL);
    SC_ASSERT(sc_json_write(path, doc, NULL) == SC_OK);
    json_decref(doc);
}

static inline void sample_dir(const char *dir, const char *name)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, name);
    SC_ASSERT(path != NULL && sc_dir_make(path, 0755, NULL) == SC_OK);
}

static inline json_t *sample_run(const char *title)
{
    return json_pack(
        "{s:i, s:s, s:{s:s, s:s, s:s}, s:i, s:i, s:i, s:i, s:{s:s, s:s}, s:f, s:["
        "{s:s, s:s, s:i, s:{s:i, s:i}}, {s:s, s:s, s:i, s:{s:i}}, {s:s, s:s, s:i, s:{s:i, s:i, s:i}},"
        "{s:s, s:s, s:i, s:{s:i, s:i, s:i}}, {s:s, s:s, s:i, s:{s:i}}, {s:s, s:s, s:i, s:{s:i, s:i}}], s:{s:s, s:i, s:s}, s:s}",
        "version", 1, "title", title, "data", "source", "typical-day figures", "name", "households of Great Britain", "licence",
        "CC BY 4.0", "seed", 7, "customers", SAMPLE_CUSTOMERS, "days", SAMPLE_DAYS, "interval_s", 1800, "period", "from",
        "2017-11-06", "to", "2017-11-24", "duration_s", 31.4, "stations", "id", "meters", "title", "Meters", "instances",
        SAMPLE_CUSTOMERS, "counts", "readings signed", 10368, "lost on the air", 41, "id", "aggregator", "title", "Aggregator",
        "instances", 2, "counts", "forwarded up", 1297, "id", "authenticator", "title", "Authenticators", "instances", 3,
        "counts", "messages opened", 1297, "signatures verified", 10368, "refused", 0, "id", "mdc", "title", "MDC",
        "instances", 1, "counts", "readings stored", 10368, "duplicates dropped", 12, "gaps noticed", 3, "id", "cascadb",
        "title", "CascaDB", "instances", 1, "counts", "rows", 10392, "id", "kvs", "title", "Secure key-value store",
        "instances", 1, "counts", "blocks written", 214, "bytes sealed", 4181093, "attack", "kind", "drop", "customer", 104,
        "description", "The operator of the database deleted one reading of customer 104.", "backend",
        "software (SIMULATED enclave: no TEE hardware)");
}

static inline json_t *sample_means(const struct sc_load_table *t, size_t c, bool weekend)
{
    json_t *list = json_array();
    for (size_t s = 0; s < t->slot_count; s++) {
        double sum = 0.0, n = 0.0;
        for (size_t d = 0; d < t->day_count; d++) {
            if ((d % 7 >= 5) == weekend) {
                sum += (double)sc_load_curve(t, c, d)[s];
                n += 1.0;
            }
        }
        json_array_append_new(list, json_real(sum / n));
    }
    return list;
}

static inline json_t *sample_bill(const struct sc_load_table *t, size_t c)
{
    char energy[32], amount[32], taxes[32], total[32];
    double kwh = 0.0;
    json_t *daily = json_array();
    for (size_t d = 0; d < t->day_count; d++) {
        double day = 0.0;
        for (size_t s = 0; s < t->slot_count; s++)
            day += (double)sc_load_curve(t, c, d)[s] * 24.0 / (double)t->slot_count;
        kwh += day;
        json_array_append_new(daily, json_real(day));
    }
    snprintf(energy, sizeof energy, "%.3f", kwh);
    snprintf(amount, sizeof amount, "%.2f", kwh * 0.7);
    snprintf(taxes, sizeof taxes, "%.2f", kwh * 0.2);
    snprintf(total, sizeof total, "%.2f", kwh * 0.9 + 12.5);
    json_t *bill = json_pack(
        "{s:s, s:i, s:I, s:s, s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s}, s:i, s:b, s:{s:i, s:i, s:i}, s:s, s:[{s:s, s:s, s:s, s:s, s:s}], "
        "s:s, s:[{s:s, s:s, s:s}], s:s, s:s, s:s, s:s, s:s, s:i}",
        "format", "securecloud-bill", "version", 1, "customer", (json_int_t)t->customer[c].client_id, "name",
        t->customer[c].name, "meter", "00000017", "tariff", "id", "b1-2024", "hash", SAMPLE_HASH, "modality", "conventional",
        "period", "from", "2017-11-06T00:00:00Z", "to", "2017-11-24T00:00:00Z", "interval_s", 1800, "complete", c != 4,
        "readings", "count", 864, "not_measured", 2, "missing", c == 4 ? 1 : 0, "energy_kwh", energy, "lines", "code", "energy",
        "quantity", energy, "unit", "kWh", "unit_price", "0.70", "amount", amount, "subtotal", amount, "taxes", "name", "icms",
        "percent", "18.00", "amount", taxes, "taxed", amount, "cosip", "12.50", "total", total, "currency", "BRL",
        "measurement_hash", SAMPLE_HASH, "tree_size", 864);
    json_object_set_new(bill, "curve", json_pack("{s:s, s:o, s:o, s:o}", "first_day", "2017-11-06", "daily_kwh", daily,
                                                 "weekday_mean_kw", sample_means(t, c, false), "weekend_mean_kw",
                                                 sample_means(t, c, true)));
    return bill;
}

static inline json_t *sample_audit(const struct sc_load_table *t, size_t c)
{
    const bool passed = c != 4;
    json_t *findings = json_array();
    if (!passed)
        json_array_append_new(findings, json_pack("{s:s, s:s, s:i, s:s}", "kind", "dropped", "start", "2017-11-15T18:30:00Z",
                                                  "sequence", 470, "explanation",
                                                  "no row stands here, though the meter counted 470"));
    return json_pack("{s:s, s:i, s:{s:b, s:I, s:s, s:s, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}], s:{s:i}, s:o}}",
                     "format", "securecloud-verdict", "version", 1, "verdict", "passed", passed, "customer",
                     (json_int_t)t->customer[c].client_id, "auditor", "spiffe://securecloud.local/auditor", "audited_at",
                     "2017-11-25T09:00:00Z", "checks", "check", "certificate", "result", "pass", "detail",
                     "chain to the institute, names this meter and customer", "check", "complete", "result",
                     passed ? "pass" : "fail", "detail", passed ? "864 of 864 intervals" : "863 of 864 intervals", "check", "amount",
                     "result", passed ? "pass" : "skipped", "detail", "", "counts", "rows", passed ? 864 : 863, "findings", findings);
}

/* names: NULL or SAMPLE_CUSTOMERS names instead of "customer N". */
static inline void sample_write(const char *dir, const char *title, const char *const *names)
{
    struct sc_load_table t;
    synthetic_customers(&t, SAMPLE_CUSTOMERS, SAMPLE_DAYS, 48, 3);
    for (size_t c = 0; c < SAMPLE_CUSTOMERS && names != NULL; c++)
        snprintf(t.customer[c].name, sizeof t.customer[c].name, "%s", names[c]);
    for (size_t d = 8; d < SAMPLE_DAYS; d++)
        for (size_t s = 0; s < 48; s++) {
            sc_load_curve(&t, 2, d)[s] *= 0.3f;
            sc_load_curve(&t, 9, d)[s] *= s >= 34 && s < 46 ? 0.2f : 1.0f;
        }
    sample_dir(dir, "bills");
    sample_dir(dir, "audits");
    sample_dir(dir, "fraud");
    sample_put(dir, "run.json", sample_run(title));
    for (size_t c = 0; c < SAMPLE_CUSTOMERS; c++) {
        char name[64];
        snprintf(name, sizeof name, "bills/%lld.json", (long long)t.customer[c].client_id);
        sample_put(dir, name, sample_bill(&t, c));
        snprintf(name, sizeof name, "audits/%lld.json", (long long)t.customer[c].client_id);
        sample_put(dir, name, sample_audit(&t, c));
    }
    struct sc_fraud *f = NULL;
    json_t *ranking = NULL;
    SC_ASSERT(sc_fraud_analyse(&t, &(struct sc_fraud_options){ .seed = 1, .grid = SC_SOM_HEXAGONAL }, &f, NULL) == SC_OK);
    SC_ASSERT(sc_fraud_json(f, 50, 1, &ranking) == SC_OK);
    sample_put(dir, "fraud/ranking.json", ranking);
    sc_fraud_free(f);
    sc_load_deinit(&t);
}

#endif
