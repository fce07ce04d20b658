#include "billing/bill.h"

#include <inttypes.h>

struct sc_biller {
    const struct sc_tariff *tariff;
    struct sc_bill *bill; /* being built */
    struct sc_usage_meter usage;
    struct sc_merkle merkle;
    struct sc_buf statement;
    sc_err (*observe)(void *self, const struct sc_reading *r, const struct sc_hash *leaf);
    void *observer;
    bool any; /* `last` holds the last reading billed */
    struct sc_reading last;
};

void sc_bill_free(struct sc_bill *bill)
{
    free(bill);
}

void sc_bill_freep(struct sc_bill **bill)
{
    sc_bill_free(*bill);
}

void sc_biller_free(struct sc_biller *b)
{
    if (b == NULL)
        return;
    sc_bill_free(b->bill);
    sc_buf_deinit(&b->statement);
    free(b);
}

void sc_biller_freep(struct sc_biller **b)
{
    sc_biller_free(*b);
}

#define TIME_MAX_MS INT64_C(253402300800000) /* 10000-01-01 */

sc_err sc_bill_period_check(const struct sc_bill_period *p, struct sc_diag *diag)
{
    if (p->interval_s < 60 || p->interval_s > 86400 || 86400 % p->interval_s != 0)
        return sc_fail(diag, SC_E_USAGE, "interval of %" PRIu32 " s", p->interval_s);
    if (p->from_ms < 0 || p->from_ms >= p->to_ms || p->to_ms >= TIME_MAX_MS)
        return sc_fail(diag, SC_E_USAGE, "a period must start in 1970 or later and end after its start");
    if (p->to_ms - p->from_ms > (SC_BILL_DAYS_MAX - 1) * SC_DAY_MS)
        return sc_fail(diag, SC_E_USAGE, "a period of more than %d days", SC_BILL_DAYS_MAX - 1);
    const int64_t step_ms = (int64_t)p->interval_s * 1000;
    if (p->from_ms % step_ms != 0 || p->to_ms % step_ms != 0)
        return sc_fail(diag, SC_E_USAGE, "the period does not lie on the grid of %" PRIu32 " s", p->interval_s);
    return SC_OK;
}

sc_err sc_biller_new(const struct sc_tariff *tariff, const struct sc_contract *contract,
                     const struct sc_bill_period *period, struct sc_biller **out, struct sc_diag *diag)
{
    SC_TRY(sc_bill_period_check(period, diag));
    SC_CLEANUP(sc_biller_freep) struct sc_biller *b = calloc(1, sizeof *b);
    if (b == NULL || (b->bill = calloc(1, sizeof *b->bill)) == NULL)
        return sc_fail(diag, SC_E_NOMEM, "bill");
    b->tariff = tariff;
    sc_buf_init(&b->statement, 4096);
    sc_usage_init(&b->usage, tariff);
    sc_merkle_init(&b->merkle);
    struct sc_bill *bill = b->bill;
    bill->contract = *contract;
    bill->requested = *period;
    memcpy(bill->tariff_id, tariff->id, sizeof bill->tariff_id);
    bill->tariff_hash = tariff->hash;
    bill->modality = tariff->modality;
    bill->utc_offset_min = tariff->utc_offset_min;
    bill->slot_count = 86400 / period->interval_s;
    bill->first_day = sc_day_of_ms(sc_tariff_local_ms(tariff, period->from_ms));
    *out = SC_TAKE(b);
    return SC_OK;
}

void sc_biller_refuse(struct sc_biller *b)
{
    b->bill->refused_count++;
}

void sc_biller_observe(struct sc_biller *b,
                       sc_err (*each)(void *self, const struct sc_reading *r, const struct sc_hash *leaf), void *self)
{
    b->observe = each;
    b->observer = self;
}

static bool reading_fits(const struct sc_biller *b, const struct sc_reading *r)
{
    const struct sc_bill_period *p = &b->bill->requested;
    const int64_t step_ms = (int64_t)p->interval_s * 1000;
    return r->meter == b->bill->contract.meter && r->interval_s == p->interval_s && r->sequence != 0 &&
           r->start_ms < p->to_ms && r->start_ms >= p->from_ms - step_ms && r->start_ms % step_ms == 0 &&
           (!b->any || r->start_ms > b->last.start_ms);
}

static bool register_valid(const struct sc_reading *r, size_t reg)
{
    return (r->validity >> (SC_READING_FLOAT_COUNT + reg) & 1) != 0;
}

/* The registers as they stood when r's interval began; false when nobody knows. */
static bool registers_before(const struct sc_biller *b, const struct sc_reading *r, size_t reg, uint64_t *value_out)
{
    if (!b->any) {
        *value_out = b->bill->opening.reg[reg];
        return b->bill->opening.known && b->bill->opening.sequence + 1 == r->sequence;
    }
    *value_out = b->last.reg[reg];
    return b->last.sequence + 1 == r->sequence && register_valid(&b->last, reg);
}

/* The interval's energy in a register; 0 when unknown (a gap before it): that is in the customer's favour. */
static int64_t register_step(const struct sc_biller *b, const struct sc_reading *r, size_t reg, bool *known_out)
{
    uint64_t before;
    *known_out = register_valid(r, reg) && registers_before(b, r, reg, &before);
    if (!*known_out)
        return 0;
    if (r->reg[reg] < before || r->reg[reg] - before > (uint64_t)SC_USAGE_HOUR_WH_MAX)
        return -1; /* backwards, or absurd */
    return (int64_t)(r->reg[reg] - before);
}

static void check_registers(struct sc_biller *b, const struct sc_reading *r, int64_t energy_wh)
{
    struct sc_bill *bill = b->bill;
    bool known;
    const int64_t step = register_step(b, r, SC_ATTR_ENERGY_IMPORT_WH - SC_READING_FLOAT_COUNT, &known);
    if (!known)
        return;
    bill->register_checks++;
    if (step != energy_wh && bill->register_mismatches++ == 0)
        bill->register_mismatch_ms = r->start_ms;
}

static void open_registers(struct sc_biller *b, const struct sc_reading *before)
{
    struct sc_bill_opening *o = &b->bill->opening;
    o->known = true;
    for (size_t i = 0; i < SC_READING_REGISTER_COUNT; i++)
        o->known = o->known && register_valid(before, i);
    o->sequence = before->sequence;
    memcpy(o->reg, before->reg, sizeof o->reg);
}

static void add_to_curve(struct sc_biller *b, const struct sc_reading *r, int64_t energy_wh)
{
    struct sc_bill *bill = b->bill;
    const int64_t local = sc_tariff_local_ms(b->tariff, r->start_ms);
    const int32_t day = sc_day_of_ms(local);
    const size_t index = (size_t)(day - bill->first_day);
    SC_ASSERT(index < SC_BILL_DAYS_MAX); /* the period was checked */
    bill->day_wh[index] += energy_wh;
    bill->day_count = index + 1;
    const int weekday = sc_day_weekday(day);
    const size_t slot = (size_t)((local - day * SC_DAY_MS) / ((int64_t)r->interval_s * 1000));
    bill->curve[weekday == 0 || weekday == 6][slot].wh += energy_wh;
    bill->curve[weekday == 0 || weekday == 6][slot].measured++;
}

static void count_reading(struct sc_biller *b, const struct sc_reading *r)
{
    struct sc_bill *bill = b->bill;
    const int64_t step_ms = (int64_t)r->interval_s * 1000;
    if (bill->reading_count == 0) {
        bill->from_ms = r->start_ms;
        bill->first_sequence = r->sequence;
    } else {
        bill->missing_count += (uint64_t)((r->start_ms - bill->to_ms) / step_ms);
    }
    bill->reading_count++;
    bill->to_ms = r->start_ms + step_ms;
    bill->last_sequence = r->sequence;
    bill->not_measured_count += (r->status & SC_READING_STATUS_NOT_MEASURED) != 0;
}

static sc_err add_to_hash(struct sc_biller *b, const struct sc_reading *r)
{
    struct sc_hash leaf;
    sc_buf_reset(&b->statement);
    sc_reading_encode(r, &b->statement);
    SC_TRY(sc_buf_status(&b->statement));
    sc_merkle_leaf_hash(sc_buf_slice(&b->statement), &leaf);
    sc_merkle_add(&b->merkle, &leaf);
    return b->observe != NULL ? b->observe(b->observer, r, &leaf) : SC_OK;
}

sc_err sc_biller_add(struct sc_biller *b, const struct sc_reading *r, struct sc_diag *diag)
{
    struct sc_bill *bill = b->bill;
    if (!reading_fits(b, r)) {
        bill->refused_count++;
        return SC_OK;
    }
    if (r->start_ms < bill->requested.from_ms) {
        open_registers(b, r);
        return SC_OK;
    }
    if (bill->reading_count == 0 && r->sequence == 1)
        bill->opening = (struct sc_bill_opening){.known = true};
    else if (bill->reading_count == 0 && bill->opening.known && bill->opening.sequence + 1 != r->sequence)
        bill->opening = (struct sc_bill_opening){0}; /* not the neighbour of the first reading billed */
    const uint64_t wh = sc_reading_energy_wh(r);
    bool known;
    int64_t varh[2];
    for (size_t i = 0; i < 2; i++) {
        const int64_t step =
            register_step(b, r, (size_t)SC_ATTR_ENERGY_INDUCTIVE_VARH - SC_READING_FLOAT_COUNT + i, &known);
        varh[i] = step > 0 ? step : 0;
    }
    char text[SC_TIME_TEXT_SIZE];
    const struct sc_usage_interval in = {.start_ms = r->start_ms,
                                         .interval_s = r->interval_s,
                                         .energy_wh = wh > INT64_MAX ? INT64_MAX : (int64_t)wh,
                                         .inductive_varh = varh[0],
                                         .capacitive_varh = varh[1]};
    const sc_err err = sc_usage_add(&b->usage, &in);
    if (err != SC_OK)
        return sc_fail(diag, err, "customer %" PRId64 ", %s: %" PRIu64 " Wh in one interval", bill->contract.client_id,
                       sc_time_text(r->start_ms, text), wh);
    check_registers(b, r, in.energy_wh);
    bill->energy_wh += in.energy_wh;
    if ((r->status & SC_READING_STATUS_NOT_MEASURED) == 0)
        add_to_curve(b, r, in.energy_wh);
    SC_TRY(add_to_hash(b, r));
    count_reading(b, r);
    b->last = *r;
    b->any = true;
    return SC_OK;
}

sc_err sc_biller_finish(struct sc_biller *b, struct sc_bill **out, struct sc_diag *diag)
{
    struct sc_bill *bill = b->bill;
    if (bill->reading_count == 0) {
        char from[SC_TIME_TEXT_SIZE], to[SC_TIME_TEXT_SIZE];
        return sc_fail(diag, SC_E_NOT_FOUND, "customer %" PRId64 ": no reading of meter %08" PRIu32 " from %s to %s",
                       bill->contract.client_id, bill->contract.meter, sc_time_text(bill->requested.from_ms, from),
                       sc_time_text(bill->requested.to_ms, to));
    }
    sc_usage_finish(&b->usage);
    bill->usage = b->usage.usage;
    sc_merkle_root(&b->merkle, &bill->measurement_hash);
    SC_TRY(sc_charges_compute(b->tariff, &bill->contract, &bill->usage, &bill->charges, diag));
    *out = SC_TAKE(b->bill);
    return SC_OK;
}
