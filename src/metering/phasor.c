/* Reply 14 + reply 23 <-> the 30 values of a reading (sheet 7.10).  Declared in nbr14522.h. */
#include "metering/nbr14522.h"

#include <math.h>

#define ENERGY_MODULUS UINT64_C(10000000000) /* 10 digits */
#define DEMAND_MAX     999999.0              /* 6 digits */

static float wrap_deg(double deg)
{
    double v = fmod(deg, 360.0);
    if (v < 0)
        v += 360.0;
    const float f = (float)v;
    return f >= 360.0f ? 0.0f : f; /* rounding may reach the end */
}

static void set_value(struct sc_reading *r, enum sc_reading_attr attr, float v)
{
    if (!isfinite(v))
        return;
    r->value[attr] = v;
    r->validity |= UINT32_C(1) << attr;
}

static void set_phases(struct sc_reading *r, enum sc_reading_attr first, const float v[static 3])
{
    for (unsigned i = 0; i < 3; i++)
        set_value(r, first + i, v[i]);
}

static bool scale_makes_sense(const struct sc_nbr_scale *s)
{
    return s->ke > 0 && s->ke <= 1e6 && s->demand_interval_s >= 60 && s->demand_interval_s <= 86400 &&
           abs(s->utc_offset_min) <= 14 * 60;
}

static int64_t grid_floor(int64_t ms, int64_t step_ms)
{
    const int64_t rest = ms % step_ms;
    return ms - (rest < 0 ? rest + step_ms : rest);
}

sc_err sc_nbr_to_reading(const struct sc_nbr_instantaneous *inst, const struct sc_nbr_registers *regs,
                         const struct sc_nbr_scale *scale, struct sc_reading *out)
{
    struct sc_reading r = {.meter = inst->meter, .interval_s = scale->demand_interval_s};
    if (!scale_makes_sense(scale) || inst->meter != regs->meter)
        return SC_E_USAGE;
    const int64_t step_ms = (int64_t)scale->demand_interval_s * 1000;
    const int64_t day_ms = INT64_C(86400000);
    if (day_ms % step_ms != 0 || inst->local_ms == 0)
        return SC_E_USAGE;
    r.start_ms = grid_floor(inst->local_ms - (int64_t)scale->utc_offset_min * 60000, step_ms) - step_ms;

    set_phases(&r, SC_ATTR_VOLTAGE_A_V, inst->voltage_v);
    set_phases(&r, SC_ATTR_CURRENT_A_A, inst->current_a);
    for (unsigned i = 0; i < 3; i++) {
        if (isfinite(inst->voltage_angle_deg[i])) {
            set_value(&r, SC_ATTR_VOLTAGE_ANGLE_A_DEG + i, wrap_deg((double)inst->voltage_angle_deg[i]));
            if (isfinite(inst->shift_deg[i])) /* reply 14's shift has the opposite sign of phi */
                set_value(&r, SC_ATTR_CURRENT_ANGLE_A_DEG + i,
                          wrap_deg((double)inst->voltage_angle_deg[i] + (double)inst->shift_deg[i]));
        }
    }
    set_value(&r, SC_ATTR_ACTIVE_POWER_W, inst->active_w[3]);
    set_value(&r, SC_ATTR_REACTIVE_POWER_VAR, inst->reactive_var[3]);
    set_value(&r, SC_ATTR_APPARENT_POWER_VA, inst->apparent_va[3]);
    set_phases(&r, SC_ATTR_POWER_FACTOR_A, inst->power_factor);
    set_value(&r, SC_ATTR_POWER_FACTOR, inst->power_factor[3]);
    set_phases(&r, SC_ATTR_VOLTAGE_THD_A_PCT, inst->voltage_thd_pct);
    set_phases(&r, SC_ATTR_CURRENT_THD_A_PCT, inst->current_thd_pct);
    set_value(&r, SC_ATTR_FREQUENCY_HZ, inst->frequency_hz);
    const double demand_wh = (double)regs->channel[0].last_demand * scale->ke;
    set_value(&r, SC_ATTR_DEMAND_KW, (float)(demand_wh * 3.6 / (double)scale->demand_interval_s));
    for (unsigned i = 0; i < SC_READING_REGISTER_COUNT; i++) {
        r.reg[i] = (uint64_t)llround((double)regs->channel[i].total * scale->ke);
        r.validity |= UINT32_C(1) << (SC_READING_FLOAT_COUNT + i);
    }
    *out = r;
    return SC_OK;
}

static float value_or_nan(const struct sc_reading *r, enum sc_reading_attr attr)
{
    return (r->validity >> attr & 1) != 0 ? r->value[attr] : NAN;
}

static void get_phases(const struct sc_reading *r, enum sc_reading_attr first, float v[static 3])
{
    for (unsigned i = 0; i < 3; i++)
        v[i] = value_or_nan(r, first + i);
}

static void nan_fill(float *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = NAN;
}

static void instantaneous_unknown(struct sc_nbr_instantaneous *v)
{
    memset(v, 0, sizeof *v);
    nan_fill(v->line_voltage_v, 3);
    nan_fill(v->current_a, 4);
    nan_fill(v->active_w, 4);
    nan_fill(v->reactive_var, 4);
    nan_fill(v->apparent_va, 4);
    nan_fill(v->apparent_vector_va, 4);
    nan_fill(v->distortion, 4);
    nan_fill(v->cos_phi, 4);
    nan_fill(v->shift_deg, 3);
    nan_fill(v->phase_angle_deg, 3);
    v->temperature_c = NAN;
    v->connection = 0xff;
    memset(v->position, 0xff, sizeof v->position);
    v->version = 0xff;
}

/* What follows from voltages, angles and power factors alone: line voltages, per-phase powers, angles between
 * phases. */
static void instantaneous_derive(struct sc_nbr_instantaneous *v)
{
    const double rad = M_PI / 180.0;
    for (unsigned i = 0; i < 3; i++) {
        const unsigned k = (i + 1) % 3;
        const double between = (double)v->voltage_angle_deg[i] - (double)v->voltage_angle_deg[k];
        const double a = (double)v->voltage_v[i];
        const double b = (double)v->voltage_v[k];
        v->phase_angle_deg[i] = (float)between;
        v->line_voltage_v[i] = (float)sqrt(a * a + b * b - 2 * a * b * cos(between * rad));
        v->apparent_va[i] = v->voltage_v[i] * v->current_a[i];
        v->active_w[i] = v->apparent_va[i] * v->power_factor[i];
        v->cos_phi[i] = (float)cos((double)v->shift_deg[i] * rad);
        v->reactive_var[i] = (float)((double)v->active_w[i] * tan(-(double)v->shift_deg[i] * rad));
        v->apparent_vector_va[i] = (float)hypot((double)v->active_w[i], (double)v->reactive_var[i]);
        v->character[i] = v->reactive_var[i] > 0 ? 'L' : v->reactive_var[i] < 0 ? 'C' : 0;
    }
    v->character[3] = v->reactive_var[3] > 0 ? 'L' : v->reactive_var[3] < 0 ? 'C' : 0;
    v->apparent_vector_va[3] = (float)hypot((double)v->active_w[3], (double)v->reactive_var[3]);
    v->cos_phi[3] = v->apparent_vector_va[3] > 0 ? v->active_w[3] / v->apparent_vector_va[3] : NAN;
}

static uint64_t pulses_of(uint64_t units, double ke)
{
    return (uint64_t)floor((double)units / ke + 1e-9) % ENERGY_MODULUS;
}

sc_err sc_nbr_from_reading(const struct sc_reading *r, const struct sc_nbr_scale *scale,
                           struct sc_nbr_instantaneous *inst_out, struct sc_nbr_registers *regs_out)
{
    struct sc_nbr_instantaneous v;
    if (!scale_makes_sense(scale))
        return SC_E_USAGE;
    const double demand_pulses = (double)sc_reading_energy_wh(r) / scale->ke;
    if (demand_pulses > DEMAND_MAX)
        return SC_E_LIMIT;
    instantaneous_unknown(&v);
    v.meter = r->meter;
    v.local_ms = r->start_ms + (int64_t)r->interval_s * 1000 + (int64_t)scale->utc_offset_min * 60000;
    get_phases(r, SC_ATTR_VOLTAGE_A_V, v.voltage_v);
    get_phases(r, SC_ATTR_CURRENT_A_A, v.current_a);
    get_phases(r, SC_ATTR_VOLTAGE_ANGLE_A_DEG, v.voltage_angle_deg);
    for (unsigned i = 0; i < 3; i++) {
        const double shift = (double)value_or_nan(r, SC_ATTR_CURRENT_ANGLE_A_DEG + i) - (double)v.voltage_angle_deg[i];
        v.shift_deg[i] = isfinite(shift) ? (float)remainder(shift, 360.0) : NAN;
    }
    v.active_w[3] = value_or_nan(r, SC_ATTR_ACTIVE_POWER_W);
    v.reactive_var[3] = value_or_nan(r, SC_ATTR_REACTIVE_POWER_VAR);
    v.apparent_va[3] = value_or_nan(r, SC_ATTR_APPARENT_POWER_VA);
    get_phases(r, SC_ATTR_POWER_FACTOR_A, v.power_factor);
    v.power_factor[3] = value_or_nan(r, SC_ATTR_POWER_FACTOR);
    get_phases(r, SC_ATTR_VOLTAGE_THD_A_PCT, v.voltage_thd_pct);
    get_phases(r, SC_ATTR_CURRENT_THD_A_PCT, v.current_thd_pct);
    v.frequency_hz = value_or_nan(r, SC_ATTR_FREQUENCY_HZ);
    instantaneous_derive(&v);

    struct sc_nbr_registers regs = {.code = SC_NBR_REGISTERS_CURRENT, .meter = r->meter};
    regs.channel[0].last_demand = (uint32_t)lround(demand_pulses);
    for (unsigned i = 0; i < SC_READING_REGISTER_COUNT; i++)
        regs.channel[i].total = pulses_of(r->reg[i], scale->ke);
    *inst_out = v;
    *regs_out = regs;
    return SC_OK;
}
