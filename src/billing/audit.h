/* billing/audit.h - the other party's judgement of a bill: from the rows of an untrusted database and nothing trusted but
 * the metrology institute's root certificate and the auditor's own tariff (docs/services/audit.md).
 *
 * The core knows no database: rows come through an iterator, in any order, well formed or not.  Whatever they say, the
 * result is a verdict; an error means that the audit could not be held (no memory, iterator failed, bill unreadable).
 * Not thread-safe; memory is about 300 bytes a row, at most sc_audit_rows_max() of them. */
#ifndef SC_BILLING_AUDIT_H
#define SC_BILLING_AUDIT_H

#include "billing/bill.h"
#include "crypto/x509.h"

/* One row of the table `reading`, as the database tells it. */
struct sc_audit_row {
    const char *broken;         /* NULL, or why its columns make no reading (NULL, wrong type...); a constant text */
    bool has_timestamp;
    int64_t timestamp_ms;       /* where the row stands */
    struct sc_reading reading;  /* rebuilt from the columns, start_ms = timestamp_ms; meaningless if broken */
    struct sc_slice signature;  /* borrowed until the next call */
};
struct sc_audit_rows {
    /* *end_out = true after the last row. */
    sc_err (*next)(void *self, struct sc_audit_row *row_out, bool *end_out, struct sc_diag *diag);
    void *self;
};

struct sc_audit_options {
    const struct sc_bill_claim *claim;
    struct sc_hash bill_hash;            /* of the file as read: which bill was judged */
    const struct sc_tariff *tariff;      /* the auditor's own */
    const struct sc_contract *contract;  /* phases and contracted demand as the database has them; NULL: it has none,
                                          which fails the audit and judges the amount by the bill's own terms */
    struct sc_slice certificate;         /* DER, of the meter, as the database has it; may be empty */
    const struct sc_cert *institute;     /* the one root */
};

enum sc_audit_kind {
    SC_AUDIT_DROPPED,    /* the interval's slot is empty */
    SC_AUDIT_DUPLICATED, /* the interval's reading stands a second time */
    SC_AUDIT_ALTERED,    /* the row in the slot verifies under no time */
    SC_AUDIT_REPLAYED,   /* the slot holds a genuine reading of another interval, its own is gone */
    SC_AUDIT_REORDERED,  /* the interval's genuine reading stands at another time, and nothing else was lost */
    SC_AUDIT_FOREIGN,    /* the row is another meter's */
    SC_AUDIT_KIND_COUNT
};
const char *sc_audit_kind_name(enum sc_audit_kind kind); /* "dropped", ... */

struct sc_audit_finding {
    enum sc_audit_kind kind;
    bool has_start;            /* false: the row has no usable time */
    int64_t start_ms;          /* of the offending interval */
    uint64_t sequence;         /* the number that the meter gave, or must have given, to it; 0 = unknown */
    bool has_found;            /* a row is concerned: where it stands and the sequence it carries */
    int64_t found_ms;
    uint64_t found_sequence;
    char why[160];
};
#define SC_AUDIT_FINDINGS_MAX 100000 /* beyond, only counted */

enum sc_audit_check_id {
    SC_AUDIT_CHECK_CERTIFICATE, /* chain to the institute at the time of the readings, names this meter and customer */
    SC_AUDIT_CHECK_TARIFF,      /* the bill was made with the auditor's tariff */
    SC_AUDIT_CHECK_CONTRACT,    /* the bill's contract terms are the database's */
    SC_AUDIT_CHECK_SIGNATURES,  /* every row is a genuine reading of this meter, in its place */
    SC_AUDIT_CHECK_COMPLETE,    /* no interval missing, none twice */
    SC_AUDIT_CHECK_SEQUENCE,    /* start = t0 + (sequence - 1) * interval for every genuine reading */
    SC_AUDIT_CHECK_REGISTERS,   /* register differences equal the intervals' energy */
    SC_AUDIT_CHECK_BILLED,      /* period, reading count and sequences of the bill are those of the readings */
    SC_AUDIT_CHECK_HASH,        /* measurement hash */
    SC_AUDIT_CHECK_AMOUNT,      /* every line, tax and the total, recomputed */
    SC_AUDIT_CHECK_COUNT
};
enum sc_audit_result { SC_AUDIT_SKIPPED, SC_AUDIT_PASS, SC_AUDIT_FAIL };
const char *sc_audit_check_name(enum sc_audit_check_id id);       /* "certificate", ... */
const char *sc_audit_result_name(enum sc_audit_result result);    /* "skipped", "pass", "fail" */

struct sc_verdict {
    bool passed; /* every check passed */
    struct {
        enum sc_audit_result result;
        char detail[240];
    } checks[SC_AUDIT_CHECK_COUNT];
    size_t finding_count; /* in rising order of start_ms */
    struct sc_audit_finding *findings;
    uint64_t kind_count[SC_AUDIT_KIND_COUNT]; /* all, also those beyond SC_AUDIT_FINDINGS_MAX */

    int64_t client_id;
    uint32_t meter;
    struct sc_bill_period period; /* what was audited: the period that was requested for the bill */
    struct sc_hash bill_hash, tariff_hash;
    int64_t expected_from_ms, expected_to_ms; /* where readings must exist */
    uint64_t expected_count;      /* intervals there */
    uint64_t row_count;           /* rows of the period read */
    uint64_t rows_unread;         /* beyond sc_audit_rows_max(): not looked at; the audit fails */
    uint64_t genuine_count;       /* intervals whose reading stands in its place */
    uint64_t not_measured_count;  /* of these, without a measurement (no fault) */
    uint64_t signature_checks;    /* verifications made */
    bool recomputed;              /* the next two hold */
    struct sc_hash measurement_hash;
    int64_t total_cents;
};
void sc_verdict_free(struct sc_verdict *v); /* NULL is fine */
void sc_verdict_freep(struct sc_verdict **v);

size_t sc_audit_rows_max(const struct sc_bill_period *period);
sc_err sc_audit_run(const struct sc_audit_options *opt, const struct sc_audit_rows *rows, struct sc_verdict **out,
                    struct sc_diag *diag) SC_MUST_CHECK;

/* ---- the verdict as a signed document (docs/formats/verdict.md) ---- */
/* auditor_uri may be NULL; audited_ms is the wall clock. */
sc_err sc_verdict_to_json(const struct sc_verdict *v, const char *auditor_uri, int64_t audited_ms, json_t **out)
    SC_MUST_CHECK;
/* Wraps a verdict member (borrowed) with the auditor's signature over its canonical bytes (sc_json_canonical). */
sc_err sc_verdict_sign(json_t *verdict, const struct sc_signer *signer, json_t **doc_out) SC_MUST_CHECK;
/* SC_OK: the signature is the auditor's; SC_E_AUTH: it is not; SC_E_MALFORMED: not a verdict.  *passed_out as stated. */
sc_err sc_verdict_check(const json_t *doc, const struct sc_verifier *auditor, bool *passed_out, struct sc_diag *diag)
    SC_MUST_CHECK;

#endif
