#include "metering/electrical.h"

#include <math.h>

/* Typical values of a class: displacement factor and distortion of the current at full load.  Orders of
 * magnitude from measurements of low-voltage customers (ANEEL PRODIST, module 8, asks for PF >= 0.92;
 * industry with motors lies below before compensation, electronics in homes and offices distort most). */
static const struct class_model {
    double cos_phi, cos_phi_sd;
    double current_thd_pct, current_thd_sd;
} class_models[SC_CLASS_COUNT] = {
    [SC_CLASS_RESIDENTIAL] = {0.95, 0.015, 12.0, 3.0},
    [SC_CLASS_COMMERCIAL] = {0.93, 0.015, 15.0, 3.0},
    [SC_CLASS_INDUSTRIAL] = {0.88, 0.020, 6.0, 1.5},
    [SC_CLASS_PUBLIC] = {0.94, 0.015, 14.0, 3.0},
};

#define FEEDER_DROP      0.04 /* of nominal at rated load */
#define SUPPLY_SD        0.010
#define SUPPLY_LIMIT     0.030
#define FREQUENCY_SD_HZ  0.015
#define VOLTAGE_THD_BASE 1.8
#define VOLTAGE_THD_LOAD 1.4
#define COS_PHI_MIN      0.60
#define COS_PHI_MAX      0.999

static const double phase_angle_deg[3] = {0.0, 240.0, 120.0};

/* One step of an AR(1) with unit variance. */
static double ar_step(double x, double rho, struct sc_prng *prng)
{
    return rho * x + sqrt(1.0 - rho * rho) * sc_prng_normal(prng);
}

static double clamp(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

void sc_electrical_suggest(enum sc_customer_class customer_class, double peak_kw, struct sc_electrical_config *out)
{
    const bool home = customer_class == SC_CLASS_RESIDENTIAL;
    *out = (struct sc_electrical_config){
        .customer_class = customer_class,
        .phases = home && peak_kw <= 8    ? 1
                  : home && peak_kw <= 15 ? 2
                                          : 3,
        .nominal_v = peak_kw > 75 ? 7967 : 127,
        .rated_kw = fmax(peak_kw * 1.2, 1.0),
    };
}

sc_err sc_electrical_init(struct sc_electrical *m, const struct sc_electrical_config *cfg)
{
    if (cfg->phases < 1 || cfg->phases > 3 || (unsigned)cfg->customer_class >= SC_CLASS_COUNT ||
        !(cfg->nominal_v >= 50 && cfg->nominal_v <= 500000) || !(cfg->rated_kw > 0 && cfg->rated_kw <= 1e6))
        return SC_E_USAGE;
    const struct class_model *c = &class_models[cfg->customer_class];
    *m = (struct sc_electrical){.cfg = *cfg};
    sc_prng_init_stream(&m->prng, cfg->seed, cfg->stream);
    m->base_cos_phi = clamp(c->cos_phi + c->cos_phi_sd * sc_prng_normal(&m->prng), 0.75, 0.99);
    m->base_thd_pct = clamp(c->current_thd_pct + c->current_thd_sd * sc_prng_normal(&m->prng), 1.0, 40.0);
    double sum = 0;
    for (unsigned i = 0; i < cfg->phases; i++) {
        m->share[i] = 0.7 + 0.6 * sc_prng_uniform(&m->prng); /* who wired which circuit to which phase */
        sum += m->share[i];
    }
    for (unsigned i = 0; i < cfg->phases; i++)
        m->share[i] /= sum;
    m->voltage_ar = sc_prng_normal(&m->prng);
    m->frequency_ar = sc_prng_normal(&m->prng);
    m->cos_ar = sc_prng_normal(&m->prng);
    m->thd_ar = sc_prng_normal(&m->prng);
    for (unsigned i = 0; i < 3; i++)
        m->share_ar[i] = sc_prng_normal(&m->prng);
    return SC_OK;
}

static void slow_state_step(struct sc_electrical *m)
{
    m->voltage_ar = ar_step(m->voltage_ar, 0.95, &m->prng);
    m->frequency_ar = ar_step(m->frequency_ar, 0.80, &m->prng);
    m->cos_ar = ar_step(m->cos_ar, 0.90, &m->prng);
    m->thd_ar = ar_step(m->thd_ar, 0.90, &m->prng);
    for (unsigned i = 0; i < 3; i++)
        m->share_ar[i] = ar_step(m->share_ar[i], 0.90, &m->prng);
}

struct phase {
    double share;
    double p_w, q_var, v;
};

static void phases_split(const struct sc_electrical *m, double p_w, struct phase ph[static 3])
{
    double sum = 0;
    for (unsigned i = 0; i < m->cfg.phases; i++) {
        ph[i].share = m->share[i] * clamp(1.0 + 0.10 * m->share_ar[i], 0.5, 1.5);
        sum += ph[i].share;
    }
    const double loading = clamp(p_w / (m->cfg.rated_kw * 1000.0), 0.0, 1.5);
    const double supply = clamp(SUPPLY_SD * m->voltage_ar, -SUPPLY_LIMIT, SUPPLY_LIMIT);
    for (unsigned i = 0; i < m->cfg.phases; i++) {
        ph[i].share /= sum;
        ph[i].p_w = p_w * ph[i].share;
        ph[i].v = m->cfg.nominal_v * (1.0 + supply - FEEDER_DROP * loading * ph[i].share * m->cfg.phases);
    }
}

/* The reactive power of the phases: of the data, or tan phi of the class; always whole varh over the
 * interval. */
static void reactive_make(const struct sc_electrical *m, const struct sc_electrical_interval *in, double p_w,
                          struct phase ph[static 3], uint64_t *inductive_out, uint64_t *capacitive_out)
{
    const double varh_to_var = 3600.0 / in->interval_s;
    double model_var = 0;
    for (unsigned i = 0; i < m->cfg.phases; i++) {
        const double loading = p_w / (m->cfg.rated_kw * 1000.0);
        const double light = loading < 0.1 ? 0.10 * (1.0 - loading / 0.1) : 0.0; /* idle electronics and motors */
        const double cos_phi =
            clamp(m->base_cos_phi + 0.015 * m->cos_ar + 0.01 * (i - 1.0) - light, COS_PHI_MIN, COS_PHI_MAX);
        ph[i].q_var = ph[i].p_w * tan(acos(cos_phi));
        model_var += ph[i].q_var;
    }
    *inductive_out = in->inductive_varh;
    *capacitive_out = in->capacitive_varh;
    if (!in->has_reactive) {
        *inductive_out = (uint64_t)llround(model_var / varh_to_var);
        *capacitive_out = 0;
    }
    const double total_var = ((double)*inductive_out - (double)*capacitive_out) * varh_to_var;
    for (unsigned i = 0; i < m->cfg.phases; i++)
        ph[i].q_var =
            in->has_reactive || model_var <= 0 ? total_var * ph[i].share : ph[i].q_var * total_var / model_var;
}

static void value_set(struct sc_reading *r, unsigned attr, double v)
{
    r->value[attr] = (float)v;
    r->validity |= UINT32_C(1) << attr;
}

static double wrap_deg(double deg)
{
    const double v = fmod(deg + 720.0, 360.0);
    return (float)v >= 360.0f ? 0.0 : v;
}

static void phase_report(const struct sc_electrical *m, const struct phase *ph, unsigned i, double loading,
                         struct sc_reading *r)
{
    const double s_va = hypot(ph->p_w, ph->q_var);
    value_set(r, SC_ATTR_VOLTAGE_A_V + i, ph->v);
    value_set(r, SC_ATTR_CURRENT_A_A + i, s_va / ph->v);
    value_set(r, SC_ATTR_VOLTAGE_ANGLE_A_DEG + i, phase_angle_deg[i]);
    value_set(r, SC_ATTR_VOLTAGE_THD_A_PCT + i, VOLTAGE_THD_BASE + VOLTAGE_THD_LOAD * loading + 0.1 * i);
    if (s_va <= 0)
        return;
    const double phi_deg = atan2(ph->q_var, ph->p_w) * 180.0 / M_PI;
    /* harmonics are nearly constant currents, so their share grows as the load shrinks */
    const double thd =
        clamp((m->base_thd_pct + 1.0 * m->thd_ar + 0.5 * i) * (1.0 + 0.5 * (1.0 - fmin(loading, 1.0))), 0.5, 80.0);
    value_set(r, SC_ATTR_CURRENT_ANGLE_A_DEG + i, wrap_deg(phase_angle_deg[i] - phi_deg));
    value_set(r, SC_ATTR_POWER_FACTOR_A + i, ph->p_w / s_va);
    value_set(r, SC_ATTR_CURRENT_THD_A_PCT + i, thd);
}

void sc_electrical_step(struct sc_electrical *m, const struct sc_electrical_interval *in, struct sc_reading *r,
                        uint64_t *inductive_out, uint64_t *capacitive_out)
{
    struct phase ph[3] = {{0}};
    SC_ASSERT(in->interval_s > 0);
    const double p_w = (double)in->energy_wh * 3600.0 / in->interval_s;
    double q_var = 0;
    slow_state_step(m);
    phases_split(m, p_w, ph);
    reactive_make(m, in, p_w, ph, inductive_out, capacitive_out);
    const double loading = clamp(p_w / (m->cfg.rated_kw * 1000.0), 0.0, 1.5);

    memset(r->value, 0, sizeof r->value);
    r->validity &= ~((UINT32_C(1) << SC_READING_FLOAT_COUNT) - 1);
    for (unsigned i = 0; i < m->cfg.phases; i++) {
        phase_report(m, &ph[i], i, loading, r);
        q_var += ph[i].q_var;
    }
    const double s_va = hypot(p_w, q_var);
    value_set(r, SC_ATTR_ACTIVE_POWER_W, p_w);
    value_set(r, SC_ATTR_REACTIVE_POWER_VAR, q_var);
    value_set(r, SC_ATTR_APPARENT_POWER_VA, s_va);
    if (s_va > 0)
        value_set(r, SC_ATTR_POWER_FACTOR, p_w / s_va);
    value_set(r, SC_ATTR_FREQUENCY_HZ, 60.0 + FREQUENCY_SD_HZ * m->frequency_ar);
    value_set(r, SC_ATTR_DEMAND_KW, p_w / 1000.0);
}
