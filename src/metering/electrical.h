/* metering/electrical.h - the electrical quantities of an interval, from its energy, by a stated physical model.
 *
 * Real data sets hold energy alone; a smart meter reports voltages, currents, angles, power factors, distortion and
 * frequency as well.  The model, per interval:
 *   - mean power P = E / interval, exactly; the phases' shares are unequal, drifting slowly (AR(1));
 *   - displacement angle phi per phase from the class's typical cos phi, drifting; light load is worse;
 *   - phase voltage = nominal * (1 + slow supply variation - feeder drop * loading);
 *   - per phase Q = P tan phi; the sum is rounded to whole varh of the interval, as a register counts;
 *   - current = sqrt(P^2 + Q^2) / V: voltages and currents are the phasors of the fundamental; the total harmonic
 *     distortions, in percent of it, follow class and loading;
 *   - S = sqrt(P^2 + Q^2), PF = P / S; without load power factors, current angles and THD are not valid;
 *   - frequency 60 Hz with an AR(1) of 15 mHz.
 * Angles lie in [0, 360): voltages A 0, B 240, C 120; current angle = voltage angle - phi.
 * So P = sum V I cos phi and S^2 = P^2 + Q^2 hold within float rounding, and demand_kw is E / interval of whole Wh.
 * Where the data have reactive energy, Q is that instead.  Deterministic for (seed, stream).  Not thread-safe. */
#ifndef SC_METERING_ELECTRICAL_H
#define SC_METERING_ELECTRICAL_H

#include "base/clock.h"
#include "metering/reading.h"
#include "metering/schema.h"

struct sc_electrical_config {
    enum sc_customer_class customer_class;
    unsigned phases;      /* 1, 2 or 3 */
    double nominal_v;     /* phase to neutral: 127 (127/220 V), 220 (220/380 V), 7967 (13.8 kV side) */
    double rated_kw;      /* what makes the feeder drop its full 4 %; also the loading of the THD model */
    uint64_t seed, stream;
};
/* What suits a class and its peak: residential to 8 kW 1 phase, to 15 kW 2, else 3; 127 V; above 75 kW the 13.8 kV side. */
void sc_electrical_suggest(enum sc_customer_class customer_class, double peak_kw, struct sc_electrical_config *out);

struct sc_electrical { /* plain data: the model's slow state */
    struct sc_electrical_config cfg;
    struct sc_prng prng;
    double base_cos_phi, base_thd_pct;
    double share[3];      /* typical share of each phase, sum 1 */
    double voltage_ar, frequency_ar, cos_ar, share_ar[3], thd_ar;
};
/* SC_E_USAGE: phases, voltage or rating make no sense. */
sc_err sc_electrical_init(struct sc_electrical *m, const struct sc_electrical_config *cfg) SC_MUST_CHECK;

struct sc_electrical_interval {
    uint64_t energy_wh;
    uint32_t interval_s;
    bool has_reactive;        /* else the model makes it */
    uint64_t inductive_varh, capacitive_varh;
};
/* Steps the model by one interval and fills r's 27 floats and their validity bits (absent phases are invalid); the
 * reactive energies of the interval, whole varh, go to *inductive_out and *capacitive_out.  r's registers are the
 * caller's. */
void sc_electrical_step(struct sc_electrical *m, const struct sc_electrical_interval *in, struct sc_reading *r,
                        uint64_t *inductive_out, uint64_t *capacitive_out);

#endif
