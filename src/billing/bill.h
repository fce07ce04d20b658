/* billing/bill.h - one customer's bill for one period, from the readings, with the measurement hash.
 *
 * The measurement hash is the Merkle root (billing/merkle.h) over the signed statements (sc_reading_encode) of the
 * period's readings in order of time.  It covers the statements and not the signatures: ECDSA is randomised, and the
 * hash must depend on the measurements alone.
 *
 * A biller belongs to one thread at a time; its memory does not grow with the number of readings.  A bill is plain data. */
#ifndef SC_BILLING_BILL_H
#define SC_BILLING_BILL_H

#include "billing/charges.h"
#include "billing/merkle.h"
#include "metering/reading.h"

#define SC_BILL_DAYS_MAX      400   /* of a period */
#define SC_BILL_DAY_SLOTS_MAX 1440  /* intervals of a day */

struct sc_bill_period {
    int64_t from_ms, to_ms; /* UTC, half-open, on the grid of the readings */
    uint32_t interval_s;    /* 60..86400, divides the day */
};
/* SC_E_USAGE with the reason: empty, off the grid, longer than SC_BILL_DAYS_MAX - 1 days, or outside the years
 * 1970..9999. */
sc_err sc_bill_period_check(const struct sc_bill_period *p, struct sc_diag *diag) SC_MUST_CHECK;

/* The registers of the reading just before the first one billed: without it the first interval's reactive energy and
 * its registers cannot be checked. */
struct sc_bill_opening {
    bool known;
    uint64_t sequence; /* 0: the meter was new, its registers zero */
    uint64_t reg[SC_READING_REGISTER_COUNT];
};

struct sc_bill {
    struct sc_contract contract;
    char tariff_id[64];
    struct sc_hash tariff_hash;
    enum sc_modality modality;
    int32_t utc_offset_min;

    struct sc_bill_period requested;
    int64_t from_ms, to_ms;       /* the part of it that has data: first reading's start .. last reading's end */
    uint64_t reading_count;       /* in the measurement hash */
    uint64_t not_measured_count;  /* of these, without a measurement */
    uint64_t missing_count;       /* intervals within from..to without a reading */
    uint64_t refused_count;       /* rows left out: off the grid, of another meter, out of order, not a reading */
    uint64_t first_sequence, last_sequence;
    struct sc_bill_opening opening;
    int64_t energy_wh;            /* sum of the intervals */
    uint64_t register_checks;     /* neighbouring readings whose registers were compared with the interval's energy */
    uint64_t register_mismatches; /* of these, how many disagree */
    int64_t register_mismatch_ms; /* start of the first that disagrees */

    struct sc_usage usage;
    struct sc_charges charges;
    struct sc_hash measurement_hash; /* over reading_count leaves */

    /* for plots, on the tariff's clock */
    int32_t first_day;            /* day number of day_wh[0] */
    size_t day_count;
    int64_t day_wh[SC_BILL_DAYS_MAX];
    size_t slot_count;            /* intervals of a day */
    struct {
        int64_t wh;
        uint32_t measured;        /* intervals that wh sums */
    } curve[2][SC_BILL_DAY_SLOTS_MAX]; /* [0] Monday to Friday, [1] Saturday and Sunday */
};
void sc_bill_free(struct sc_bill *bill); /* NULL is fine */
void sc_bill_freep(struct sc_bill **bill);

struct sc_biller;
/* Borrows the tariff, which must outlive the biller; copies the rest.  SC_E_USAGE: the period; SC_E_NOMEM. */
sc_err sc_biller_new(const struct sc_tariff *tariff, const struct sc_contract *contract,
                     const struct sc_bill_period *period, struct sc_biller **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_biller_free(struct sc_biller *b); /* NULL is fine */
void sc_biller_freep(struct sc_biller **b);
/* Takes readings in order of time: those of the period, and before them, if there is one, the last before the period.
 * What cannot be billed (see refused_count) is left out and counted.  SC_E_LIMIT: absurd energy. */
sc_err sc_biller_add(struct sc_biller *b, const struct sc_reading *r, struct sc_diag *diag) SC_MUST_CHECK;
/* A row that could not even be read as a reading: counted as refused. */
void sc_biller_refuse(struct sc_biller *b);
/* From now on each(self, ...) is told of every reading that enters the measurement hash, in order: for proofs. */
void sc_biller_observe(struct sc_biller *b, sc_err (*each)(void *self, const struct sc_reading *r, const struct sc_hash *leaf),
                       void *self);
/* Ends the bill.  SC_E_NOT_FOUND: no reading in the period; else as sc_charges_compute(). */
sc_err sc_biller_finish(struct sc_biller *b, struct sc_bill **out, struct sc_diag *diag) SC_MUST_CHECK;

/* The document of docs/formats/bill.md.  customer_name may be NULL.  SC_E_NOMEM. */
sc_err sc_bill_to_json(const struct sc_bill *bill, const char *customer_name, json_t **out) SC_MUST_CHECK;

/* What an audit needs of a bill document, read strictly. */
struct sc_bill_claim {
    int64_t client_id;
    uint32_t meter;
    struct sc_contract contract; /* as the bill states it */
    struct sc_bill_period requested;
    int64_t from_ms, to_ms;
    uint64_t reading_count, first_sequence, last_sequence;
    char tariff_id[64];
    struct sc_hash tariff_hash;
    struct sc_hash measurement_hash;
    const json_t *doc; /* borrowed */
};
/* SC_E_MALFORMED names the member. */
sc_err sc_bill_claim_parse(const json_t *doc, struct sc_bill_claim *out, struct sc_diag *diag) SC_MUST_CHECK;
#define SC_BILL_SIZE_MAX ((size_t)4 << 20)

#endif
