#include "billing/charges.h"

typedef unsigned __int128 uwide;

#define QUARTER_MS ((int64_t)900000)
#define HOUR_MS    ((int64_t)3600000)

void sc_usage_init(struct sc_usage_meter *m, const struct sc_tariff *tariff)
{
    *m = (struct sc_usage_meter){.tariff = tariff, .quarter_start_ms = INT64_MIN, .hour_start_ms = INT64_MIN};
}

/* Floor of the square root, bit by bit. */
static uint64_t root_of(uwide x)
{
    uwide rest = x, root = 0;
    uwide bit = (uwide)1 << 126;
    while (bit > rest)
        bit >>= 2;
    for (; bit != 0; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint64_t)root;
}

/* fr * sqrt(E^2 + Q^2) in millionths of a Wh, to the nearest. */
static int64_t reference_uwh(int32_t factor_milli, int64_t wh, int64_t varh)
{
    /* E, Q <= SC_USAGE_HOUR_WH_MAX < 2^29: the product stays below 2^101 */
    const uwide square =
        ((uwide)wh * (uwide)wh + (uwide)varh * (uwide)varh) * ((uwide)factor_milli * (uwide)factor_milli) * 1000000 * 4;
    return (int64_t)((root_of(square) + 1) / 2);
}

static void end_hour(struct sc_usage_meter *m)
{
    const struct sc_tariff *t = m->tariff;
    struct sc_usage *u = &m->usage;
    if (m->hour_start_ms == INT64_MIN || t->reference_factor_milli == 0)
        return;
    struct sc_civil local;
    sc_civil_from_ms(sc_tariff_local_ms(t, m->hour_start_ms), &local);
    const bool capacitive = sc_tariff_hour_is_capacitive(t, local.hour);
    const int64_t reference = reference_uwh(t->reference_factor_milli, m->hour_wh, m->hour_varh[capacitive]);
    const int64_t active = m->hour_wh * 1000000;
    if (reference > active) { /* the same as f < fr */
        u->reactive_excess_uwh += reference - active;
        *(capacitive ? &u->capacitive_hours : &u->inductive_hours) += 1;
    }
    const enum sc_slot slot = sc_tariff_slot(t, m->hour_start_ms);
    const int64_t demand = reference > active ? reference : active;
    if (demand > u->reactive_demand_uw[slot])
        u->reactive_demand_uw[slot] = demand;
}

static sc_err add_to_hour(struct sc_usage_meter *m, const struct sc_usage_interval *in)
{
    const int64_t offset = (int64_t)m->tariff->utc_offset_min * 60000;
    const int64_t hour = (in->start_ms + offset) / HOUR_MS * HOUR_MS - offset;
    if (hour != m->hour_start_ms) {
        end_hour(m);
        m->hour_start_ms = hour;
        m->hour_wh = m->hour_varh[0] = m->hour_varh[1] = 0;
    }
    m->hour_wh += in->energy_wh;
    m->hour_varh[0] += in->inductive_varh;
    m->hour_varh[1] += in->capacitive_varh;
    return m->hour_wh > SC_USAGE_HOUR_WH_MAX || m->hour_varh[0] > SC_USAGE_HOUR_WH_MAX ||
                   m->hour_varh[1] > SC_USAGE_HOUR_WH_MAX
               ? SC_E_LIMIT
               : SC_OK;
}

/* Demand is integrated over 15 minutes; a meter with longer intervals gives what it has. */
static void add_to_demand(struct sc_usage_meter *m, const struct sc_usage_interval *in)
{
    const int64_t span_s = in->interval_s > 900 ? in->interval_s : 900;
    const int64_t start = in->interval_s > 900 ? in->start_ms : in->start_ms / QUARTER_MS * QUARTER_MS;
    if (start != m->quarter_start_ms) {
        m->quarter_start_ms = start;
        m->quarter_wh = 0;
    }
    m->quarter_wh += in->energy_wh;
    const int64_t w = (m->quarter_wh * 3600 + span_s / 2) / span_s;
    int64_t *highest = &m->usage.demand_w[sc_tariff_slot(m->tariff, start)];
    if (w > *highest)
        *highest = w;
}

static sc_err add_to_month(struct sc_usage *u, int32_t month, int64_t wh)
{
    if (u->month_count == 0 || u->months[u->month_count - 1].month != month) {
        if (u->month_count == SC_USAGE_MONTHS_MAX)
            return SC_E_LIMIT;
        u->months[u->month_count].month = month;
        u->months[u->month_count++].wh = 0;
    }
    u->months[u->month_count - 1].wh += wh;
    return SC_OK;
}

sc_err sc_usage_add(struct sc_usage_meter *m, const struct sc_usage_interval *in)
{
    SC_ASSERT(in->energy_wh >= 0 && in->inductive_varh >= 0 && in->capacitive_varh >= 0 && in->interval_s > 0);
    if (in->energy_wh > SC_USAGE_HOUR_WH_MAX || in->inductive_varh > SC_USAGE_HOUR_WH_MAX ||
        in->capacitive_varh > SC_USAGE_HOUR_WH_MAX)
        return SC_E_LIMIT;
    struct sc_civil local;
    sc_civil_from_ms(sc_tariff_local_ms(m->tariff, in->start_ms), &local);
    SC_TRY(add_to_month(&m->usage, local.year * 12 + local.month - 1, in->energy_wh));
    m->usage.energy_wh[m->tariff->one_price ? SC_SLOT_OFF_PEAK : sc_tariff_slot(m->tariff, in->start_ms)] +=
        in->energy_wh;
    add_to_demand(m, in);
    return add_to_hour(m, in);
}

void sc_usage_finish(struct sc_usage_meter *m)
{
    end_hour(m);
    m->hour_start_ms = INT64_MIN;
}
