/* report/model.h - the results of a run as the report needs them: run.json, bills, audits and the fraud ranking, read from
 * files that somebody else wrote, checked whole before anything is drawn.
 *
 * Parsed structs borrow their texts from the JSON document they came from.  Errors name file and member. */
#ifndef SC_REPORT_MODEL_H
#define SC_REPORT_MODEL_H

#include "base/json.h"

#define REPORT_FILE_SIZE_MAX ((size_t)64 << 20)
#define REPORT_POINTS_MAX    4000

/* ---- run.json ---- */
struct report_run {
    json_t *doc; /* owned */
    const char *title, *data_source, *data_name, *licence; /* licence may be NULL */
    const char *from, *to, *backend;
    int64_t seed, customers, days, interval_s, restarts;
    double duration_s;
    const json_t *stations; /* array of {id, title, instances, counts} */
    const char *attack_kind, *attack_description; /* NULL without an attack */
    int64_t attack_customer;
};
sc_err report_run_read(const char *path, struct report_run *out, struct sc_diag *diag) SC_MUST_CHECK;
void report_run_deinit(struct report_run *run);

/* ---- curves ---- */
/* Numbers or nulls (NAN); at most REPORT_POINTS_MAX; v is owned. */
struct report_curve {
    double *v;
    size_t count;
};
/* Of member `name` of obj, which must be such an array: SC_E_MALFORMED otherwise. */
sc_err report_curve_get(const json_t *obj, const char *name, struct report_curve *out, struct sc_diag *diag) SC_MUST_CHECK;
void report_curve_deinit(struct report_curve *c);

/* ---- a bill (docs/formats/bill.md) ---- */
struct report_bill {
    json_t *doc; /* owned */
    int64_t customer;
    const char *name; /* never NULL: "customer 17" without one */
    char name_storage[40];
    const char *meter, *from, *to, *tariff_id, *modality, *energy_kwh, *subtotal, *taxed, *cosip, *total, *currency, *hash;
    int64_t reading_count, not_measured_count, missing_count, tree_size, interval_s;
    bool complete;
    const json_t *lines, *taxes; /* arrays, checked */
    const char *first_day;
    struct report_curve daily_kwh, weekday_kw, weekend_kw;
};
sc_err report_bill_read(const char *path, struct report_bill *out, struct sc_diag *diag) SC_MUST_CHECK;
void report_bill_deinit(struct report_bill *b);

/* ---- a verdict (docs/formats/verdict.md) ---- */
struct report_audit {
    json_t *doc; /* owned */
    bool passed;
    int64_t customer;
    const char *auditor, *audited_at; /* auditor may be NULL */
    const json_t *checks, *findings;  /* arrays, checked */
    const json_t *counts;             /* object */
};
/* SC_E_NOT_FOUND without the file. */
sc_err report_audit_read(const char *path, struct report_audit *out, struct sc_diag *diag) SC_MUST_CHECK;
void report_audit_deinit(struct report_audit *a);

/* ---- fraud/ranking.json (docs/formats/ranking.md) ---- */
struct report_ranking {
    json_t *doc; /* owned; NULL: no ranking was made */
    const char *from, *to;
    int64_t slots;
    const json_t *customers; /* array, checked */
    const json_t *map;       /* object, checked; NULL without a map */
    size_t strong_count, weak_count, unjudged_count;
    const json_t **by_customer; /* owned: the entries in order of client_id */
};
/* SC_E_NOT_FOUND without the file. */
sc_err report_ranking_read(const char *path, struct report_ranking *out, struct sc_diag *diag) SC_MUST_CHECK;
void report_ranking_deinit(struct report_ranking *r);
/* The ranking's entry of a customer, or NULL. */
const json_t *report_ranking_find(const struct report_ranking *r, int64_t customer);

/* Texts of members that were checked when read; "" when absent. */
const char *report_text(const json_t *obj, const char *name);

#endif
