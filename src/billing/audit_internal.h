/* billing/audit_internal.h - what the steps of an audit share: audit.c reads and verifies rows, audit_place.c says what
 * each of them means for the intervals. */
#ifndef SC_BILLING_AUDIT_INTERNAL_H
#define SC_BILLING_AUDIT_INTERNAL_H

#include "billing/audit.h"

enum row_state {
    ROW_PENDING, /* does not verify at the time where it stands; to be tried at the time that its sequence implies */
    ROW_GENUINE, /* a reading of this meter; reading.start_ms is the signed time, which may not be stands_ms */
    ROW_ALTERED,
    ROW_FOREIGN,
};
struct audit_row {
    enum row_state state;
    bool has_time;
    int64_t stands_ms;
    const char *why;           /* ROW_ALTERED: constant text, or NULL */
    struct sc_reading reading;
    size_t signature_offset, signature_size; /* in audit.signatures, while pending */
};

struct audit {
    const struct sc_audit_options *opt;
    struct sc_verdict *verdict;
    struct sc_verifier *verifier; /* the meter's certified key; NULL: none that could be trusted */
    int64_t step_ms;
    bool t0_known;
    int64_t t0_ms;                /* start of the meter's interval number 1 */
    struct audit_row *rows;
    size_t row_count, row_capacity;
    bool opening_known;
    struct sc_reading opening;    /* genuine, just before the period */
    struct sc_buf signatures, statement;
};

static inline bool audit_is_home(const struct audit_row *row)
{
    return row->state == ROW_GENUINE && row->stands_ms == row->reading.start_ms;
}
/* The start that the meter's numbering gives to a sequence; false when it lies beyond all time. */
static inline bool audit_start_of(const struct audit *a, uint64_t sequence, int64_t *start_ms_out)
{
    int64_t since;
    return a->t0_known && sequence != 0 && sequence <= INT64_MAX &&
           !__builtin_mul_overflow((int64_t)(sequence - 1), a->step_ms, &since) &&
           !__builtin_add_overflow(a->t0_ms, since, start_ms_out);
}
/* The sequence that the interval at start_ms must have; 0 = unknown, or before the meter's first. */
static inline uint64_t audit_sequence_of(const struct audit *a, int64_t start_ms)
{
    return a->t0_known && start_ms >= a->t0_ms ? (uint64_t)((start_ms - a->t0_ms) / a->step_ms) + 1 : 0;
}

void audit_result(struct audit *a, enum sc_audit_check_id id, bool pass, const char *fmt, ...) SC_PRINTF(4, 5);

/* Names every offending interval, and gives the genuine readings of the period in order of time, wherever they stand:
 * ordered_out[*ordered_count_out], owned by the caller, points into a->rows. */
sc_err audit_place(struct audit *a, const struct sc_reading ***ordered_out, size_t *ordered_count_out) SC_MUST_CHECK;

#endif
