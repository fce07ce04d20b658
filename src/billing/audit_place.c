/* What each row means for the intervals.
 *
 * Every slot of the period's grid either holds its own genuine reading ("home") or not; every other row is explained by
 * the first rule that fits:
 *   another meter's                                                       foreign, at the slot where it stands
 *   no signature at any time                                              altered, at the slot where it stands
 *   genuine, but standing where no reading of its own is missing
 *     (off the grid, in a slot whose own reading is there, or in one
 *     that the meter never had):   its own slot is empty                  reordered, at its own slot (it was moved)
 *                                  else                                   duplicated, at its own slot
 *   genuine, in the slot of a reading that is not there:
 *     that reading stands in another slot, and its own slot lacks it      reordered, at the slot where it stands
 *     else                                                                replayed, at the slot where it stands
 * and an empty slot in which a reading must have been is dropped. */
#include "billing/audit_internal.h"

#include <inttypes.h>
#include <stdio.h>

struct slot {
    const struct audit_row *home;    /* its own reading, in its place */
    const struct audit_row *strayed; /* its own reading, elsewhere; one in a slot is preferred to one off the grid */
    bool occupied;                   /* some row stands here */
    bool moved;                      /* explained by the reading that was moved away */
};

struct place {
    struct audit *a;
    const struct sc_bill_period *period;
    struct slot *slots;
    size_t slot_count;
    size_t expected_from, expected_to; /* slots in which a reading must be */
    uint64_t missing;                  /* expected intervals whose reading is nowhere */
};

/* The slot that begins at ms; NULL off the grid or outside the period. */
static struct slot *slot_at(const struct place *p, int64_t ms)
{
    if (ms < p->period->from_ms || ms >= p->period->to_ms || (ms - p->period->from_ms) % p->a->step_ms != 0)
        return NULL;
    return &p->slots[(ms - p->period->from_ms) / p->a->step_ms];
}

static int64_t slot_start(const struct place *p, size_t index)
{
    return p->period->from_ms + (int64_t)index * p->a->step_ms;
}

static sc_err add_finding(struct place *p, const struct sc_audit_finding *f)
{
    struct sc_verdict *v = p->a->verdict;
    if (v->kind_count[f->kind]++ >= SC_AUDIT_FINDINGS_MAX || v->finding_count == SC_AUDIT_FINDINGS_MAX)
        return SC_OK;
    if ((v->finding_count & (v->finding_count - 1)) == 0) { /* room for 1, 2, 4, ... */
        struct sc_audit_finding *more =
            reallocarray(v->findings, v->finding_count == 0 ? 1 : v->finding_count * 2, sizeof *more);
        if (more == NULL)
            return SC_E_NOMEM;
        v->findings = more;
    }
    v->findings[v->finding_count++] = *f;
    return SC_OK;
}

/* A finding about the interval where the row stands. */
static sc_err find_here(struct place *p, enum sc_audit_kind kind, const struct audit_row *row, const char *why)
{
    struct sc_audit_finding f = {.kind = kind,
                                 .has_start = row->has_time,
                                 .start_ms = row->stands_ms,
                                 .has_found = row->has_time,
                                 .found_ms = row->stands_ms,
                                 .found_sequence = row->reading.sequence};
    if (row->has_time)
        f.sequence = audit_sequence_of(p->a, row->stands_ms);
    snprintf(f.why, sizeof f.why, "%s", why);
    return add_finding(p, &f);
}

/* A finding about the interval that the row's reading belongs to. */
static sc_err find_own(struct place *p, enum sc_audit_kind kind, const struct audit_row *row, const char *what)
{
    struct sc_audit_finding f = {.kind = kind,
                                 .has_start = true,
                                 .start_ms = row->reading.start_ms,
                                 .sequence = row->reading.sequence,
                                 .has_found = true,
                                 .found_ms = row->stands_ms,
                                 .found_sequence = row->reading.sequence};
    char text[SC_TIME_TEXT_SIZE];
    snprintf(f.why, sizeof f.why, "%s %s", what, sc_time_text(row->stands_ms, text));
    return add_finding(p, &f);
}

static void fill_slots(struct place *p)
{
    for (size_t i = 0; i < p->a->row_count; i++) {
        const struct audit_row *row = &p->a->rows[i];
        struct slot *here = row->has_time ? slot_at(p, row->stands_ms) : NULL;
        if (here != NULL)
            here->occupied = true;
        if (row->state != ROW_GENUINE)
            continue;
        struct slot *own = slot_at(p, row->reading.start_ms);
        if (own == NULL)
            continue;
        if (audit_is_home(row))
            own->home = own->home == NULL ? row : own->home;
        else if (own->strayed == NULL || here != NULL)
            own->strayed = row;
    }
}

/* Readings must exist from the meter's first interval on, up to where the bill ends or a genuine reading is known. */
static void find_expected(struct place *p)
{
    const struct audit *a = p->a;
    const struct sc_bill_claim *claim = a->opt->claim;
    int64_t from = a->t0_known ? a->t0_ms : claim->from_ms;
    int64_t to = claim->to_ms;
    if (from < p->period->from_ms)
        from = p->period->from_ms;
    for (size_t i = 0; i < p->slot_count; i++)
        if ((p->slots[i].home != NULL || p->slots[i].strayed != NULL) && slot_start(p, i) + a->step_ms > to)
            to = slot_start(p, i) + a->step_ms;
    if (from > to)
        from = to;
    p->expected_from = (size_t)((from - p->period->from_ms + a->step_ms - 1) / a->step_ms);
    p->expected_to = (size_t)((to - p->period->from_ms) / a->step_ms);
    a->verdict->expected_from_ms = slot_start(p, p->expected_from);
    a->verdict->expected_to_ms = slot_start(p, p->expected_to);
    a->verdict->expected_count = p->expected_to > p->expected_from ? p->expected_to - p->expected_from : 0;
}

static bool is_expected(const struct place *p, const struct slot *s)
{
    const size_t index = (size_t)(s - p->slots);
    return index >= p->expected_from && index < p->expected_to;
}

/* A genuine reading that is not in its place. */
static sc_err place_strayed(struct place *p, const struct audit_row *row)
{
    struct slot *here = slot_at(p, row->stands_ms);
    struct slot *own = slot_at(p, row->reading.start_ms);
    if (here == NULL || here->home != NULL || !is_expected(p, here)) {
        if (own != NULL && !own->occupied && !own->moved) {
            own->moved = true;
            return find_own(p, SC_AUDIT_REORDERED, row, "the reading of this interval was moved to");
        }
        return find_own(p, SC_AUDIT_DUPLICATED, row, "the reading of this interval stands a second time, at");
    }
    char why[sizeof((struct sc_audit_finding *)0)->why];
    char text[SC_TIME_TEXT_SIZE];
    const bool own_elsewhere = here->strayed != NULL && slot_at(p, here->strayed->stands_ms) != NULL;
    const bool reordered = own_elsewhere && own != NULL && own->home == NULL;
    sc_time_text(row->reading.start_ms, text);
    if (reordered)
        snprintf(why, sizeof why, "holds the reading of %s; its own stands in another interval", text);
    else
        snprintf(why, sizeof why, "holds the genuine reading of %s (sequence %" PRIu64 ") in place of its own", text,
                 row->reading.sequence);
    return find_here(p, reordered ? SC_AUDIT_REORDERED : SC_AUDIT_REPLAYED, row, why);
}

static sc_err place_row(struct place *p, const struct audit_row *row)
{
    char why[sizeof((struct sc_audit_finding *)0)->why];
    switch (row->state) {
    case ROW_FOREIGN:
        snprintf(why, sizeof why, "the row is meter %08" PRIu32 "'s, sequence %" PRIu64, row->reading.meter,
                 row->reading.sequence);
        return find_here(p, SC_AUDIT_FOREIGN, row, why);
    case ROW_ALTERED:
    case ROW_PENDING:
        return find_here(p, SC_AUDIT_ALTERED, row,
                         row->why != NULL ? row->why : "the meter's signature does not fit the row, at no time");
    case ROW_GENUINE:
        break;
    }
    if (!audit_is_home(row))
        return place_strayed(p, row);
    const struct slot *own = slot_at(p, row->reading.start_ms);
    if (own != NULL && own->home != row)
        return find_own(p, SC_AUDIT_DUPLICATED, row, "the reading of this interval stands a second time, at");
    if (own == NULL) /* signed at a time off the grid: the meter's clock */
        return find_here(p, SC_AUDIT_DUPLICATED, row, "a genuine reading that overlaps the intervals of the period");
    return SC_OK;
}

static sc_err place_slot(struct place *p, size_t index)
{
    const struct slot *s = &p->slots[index];
    struct sc_verdict *v = p->a->verdict;
    if (s->home != NULL) {
        v->genuine_count++;
        v->not_measured_count += (s->home->reading.status & SC_READING_STATUS_NOT_MEASURED) != 0;
        return SC_OK;
    }
    p->missing += s->strayed == NULL;
    if (s->occupied || s->moved)
        return SC_OK;
    struct sc_audit_finding f = {.kind = SC_AUDIT_DROPPED, .has_start = true, .start_ms = slot_start(p, index)};
    char text[SC_TIME_TEXT_SIZE];
    f.sequence = audit_sequence_of(p->a, f.start_ms);
    if (s->strayed != NULL)
        snprintf(f.why, sizeof f.why, "no row; the reading of this interval stands at %s",
                 sc_time_text(s->strayed->stands_ms, text));
    else
        snprintf(f.why, sizeof f.why, "no row; the meter's reading of this interval is missing");
    return add_finding(p, &f);
}

static int finding_order(const void *x, const void *y)
{
    const struct sc_audit_finding *a = x, *b = y;
    if (a->start_ms != b->start_ms)
        return a->start_ms < b->start_ms ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return (a->found_ms > b->found_ms) - (a->found_ms < b->found_ms);
}

static void check_places(struct place *p)
{
    const struct sc_verdict *v = p->a->verdict;
    const uint64_t *n = v->kind_count;
    const uint64_t untrue = n[SC_AUDIT_ALTERED] + n[SC_AUDIT_FOREIGN] + n[SC_AUDIT_REPLAYED] + n[SC_AUDIT_REORDERED];
    if (v->rows_unread != 0)
        audit_result(p->a, SC_AUDIT_CHECK_SIGNATURES, false, "%" PRIu64 " rows, more than %zu: the rest was not read",
                     v->row_count, sc_audit_rows_max(p->period));
    else
        audit_result(
            p->a, SC_AUDIT_CHECK_SIGNATURES, untrue == 0,
            "%" PRIu64 " rows: %" PRIu64 " altered, %" PRIu64 " foreign, %" PRIu64 " replayed, %" PRIu64 " reordered",
            v->row_count, n[SC_AUDIT_ALTERED], n[SC_AUDIT_FOREIGN], n[SC_AUDIT_REPLAYED], n[SC_AUDIT_REORDERED]);
    const bool complete = p->missing == 0 && n[SC_AUDIT_DROPPED] == 0 && n[SC_AUDIT_DUPLICATED] == 0;
    audit_result(p->a, SC_AUDIT_CHECK_COMPLETE, complete,
                 "%" PRIu64 " intervals expected: %" PRIu64 " in place, %" PRIu64 " lost, %" PRIu64 " twice",
                 v->expected_count, v->genuine_count, p->missing, n[SC_AUDIT_DUPLICATED]);
}

static sc_err collect_ordered(const struct place *p, const struct sc_reading ***ordered_out, size_t *count_out)
{
    const struct sc_reading **ordered = calloc(p->slot_count, sizeof(struct sc_reading *));
    if (ordered == NULL)
        return SC_E_NOMEM;
    size_t count = 0;
    for (size_t i = 0; i < p->slot_count; i++) {
        const struct audit_row *row = p->slots[i].home != NULL ? p->slots[i].home : p->slots[i].strayed;
        if (row != NULL)
            ordered[count++] = &row->reading;
    }
    *ordered_out = ordered;
    *count_out = count;
    return SC_OK;
}

static sc_err place_all(struct place *p)
{
    fill_slots(p);
    find_expected(p);
    for (size_t i = 0; i < p->a->row_count; i++)
        SC_TRY(place_row(p, &p->a->rows[i]));
    for (size_t i = p->expected_from; i < p->expected_to; i++)
        SC_TRY(place_slot(p, i));
    struct sc_verdict *v = p->a->verdict;
    if (v->finding_count != 0)
        qsort(v->findings, v->finding_count, sizeof *v->findings, finding_order);
    check_places(p);
    return SC_OK;
}

sc_err audit_place(struct audit *a, const struct sc_reading ***ordered_out, size_t *ordered_count_out)
{
    struct place p = {.a = a, .period = &a->opt->claim->requested};
    p.slot_count = (size_t)((p.period->to_ms - p.period->from_ms) / a->step_ms);
    SC_CLEANUP(sc_freep) struct slot *slots = calloc(p.slot_count, sizeof *slots);
    if (slots == NULL)
        return SC_E_NOMEM;
    p.slots = slots;
    SC_TRY(place_all(&p));
    return collect_ordered(&p, ordered_out, ordered_count_out);
}
