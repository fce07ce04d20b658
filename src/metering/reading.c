#include "metering/reading.h"

#include <math.h>

const char *const sc_reading_attr_names[SC_READING_ATTR_COUNT] = {
    [SC_ATTR_VOLTAGE_A_V] = "voltage_a_v",
    [SC_ATTR_VOLTAGE_B_V] = "voltage_b_v",
    [SC_ATTR_VOLTAGE_C_V] = "voltage_c_v",
    [SC_ATTR_CURRENT_A_A] = "current_a_a",
    [SC_ATTR_CURRENT_B_A] = "current_b_a",
    [SC_ATTR_CURRENT_C_A] = "current_c_a",
    [SC_ATTR_VOLTAGE_ANGLE_A_DEG] = "voltage_angle_a_deg",
    [SC_ATTR_VOLTAGE_ANGLE_B_DEG] = "voltage_angle_b_deg",
    [SC_ATTR_VOLTAGE_ANGLE_C_DEG] = "voltage_angle_c_deg",
    [SC_ATTR_CURRENT_ANGLE_A_DEG] = "current_angle_a_deg",
    [SC_ATTR_CURRENT_ANGLE_B_DEG] = "current_angle_b_deg",
    [SC_ATTR_CURRENT_ANGLE_C_DEG] = "current_angle_c_deg",
    [SC_ATTR_ACTIVE_POWER_W] = "active_power_w",
    [SC_ATTR_REACTIVE_POWER_VAR] = "reactive_power_var",
    [SC_ATTR_APPARENT_POWER_VA] = "apparent_power_va",
    [SC_ATTR_POWER_FACTOR_A] = "power_factor_a",
    [SC_ATTR_POWER_FACTOR_B] = "power_factor_b",
    [SC_ATTR_POWER_FACTOR_C] = "power_factor_c",
    [SC_ATTR_POWER_FACTOR] = "power_factor",
    [SC_ATTR_VOLTAGE_THD_A_PCT] = "voltage_thd_a_pct",
    [SC_ATTR_VOLTAGE_THD_B_PCT] = "voltage_thd_b_pct",
    [SC_ATTR_VOLTAGE_THD_C_PCT] = "voltage_thd_c_pct",
    [SC_ATTR_CURRENT_THD_A_PCT] = "current_thd_a_pct",
    [SC_ATTR_CURRENT_THD_B_PCT] = "current_thd_b_pct",
    [SC_ATTR_CURRENT_THD_C_PCT] = "current_thd_c_pct",
    [SC_ATTR_FREQUENCY_HZ] = "frequency_hz",
    [SC_ATTR_DEMAND_KW] = "demand_kw",
    [SC_ATTR_ENERGY_IMPORT_WH] = "energy_import_wh",
    [SC_ATTR_ENERGY_INDUCTIVE_VARH] = "energy_inductive_varh",
    [SC_ATTR_ENERGY_CAPACITIVE_VARH] = "energy_capacitive_varh",
};

_Static_assert(SC_READING_FLOAT_COUNT == 27 && SC_READING_ATTR_COUNT == 30, "the statement's layout is fixed");

static const uint8_t magic[4] = {'S', 'C', 'R', 'D'};
#define VALIDITY_MASK ((UINT32_C(1) << SC_READING_ATTR_COUNT) - 1)
#define DAY_MS        INT64_C(86400000)

void sc_reading_encode(const struct sc_reading *r, struct sc_buf *out)
{
    sc_buf_put_bytes(out, sc_slice_of(magic, sizeof magic));
    sc_buf_put_u8(out, SC_READING_VERSION);
    sc_buf_put_u32be(out, r->meter);
    sc_buf_put_u64be(out, r->sequence);
    sc_buf_put_u64be(out, (uint64_t)r->start_ms);
    sc_buf_put_u32be(out, r->interval_s);
    sc_buf_put_u32be(out, r->status);
    sc_buf_put_u32be(out, r->validity);
    for (size_t i = 0; i < SC_READING_FLOAT_COUNT; i++)
        sc_buf_put_f32be(out, r->value[i]);
    for (size_t i = 0; i < SC_READING_REGISTER_COUNT; i++)
        sc_buf_put_u64be(out, r->reg[i]);
}

static sc_err fields_get(struct sc_reader *r, struct sc_reading *v)
{
    struct sc_slice head;
    uint64_t start;
    SC_TRY(sc_reader_get_bytes(r, sizeof magic + 1, &head));
    if (memcmp(head.ptr, magic, sizeof magic) != 0 || head.ptr[sizeof magic] != SC_READING_VERSION)
        return SC_E_MALFORMED;
    SC_TRY(sc_reader_get_u32be(r, &v->meter));
    SC_TRY(sc_reader_get_u64be(r, &v->sequence));
    SC_TRY(sc_reader_get_u64be(r, &start));
    v->start_ms = (int64_t)start;
    SC_TRY(sc_reader_get_u32be(r, &v->interval_s));
    SC_TRY(sc_reader_get_u32be(r, &v->status));
    SC_TRY(sc_reader_get_u32be(r, &v->validity));
    for (size_t i = 0; i < SC_READING_FLOAT_COUNT; i++)
        SC_TRY(sc_reader_get_f32be(r, &v->value[i]));
    for (size_t i = 0; i < SC_READING_REGISTER_COUNT; i++)
        SC_TRY(sc_reader_get_u64be(r, &v->reg[i]));
    return sc_reader_expect_end(r);
}

/* An invalid attribute is +0.0 and nothing else: the row holds NULL there, and the statement must follow from
 * the row. */
static bool values_fit_validity(const struct sc_reading *v)
{
    static const float zero = 0.0f;
    for (size_t i = 0; i < SC_READING_FLOAT_COUNT; i++) {
        if (!isfinite(v->value[i]))
            return false;
        if ((v->validity >> i & 1) == 0 && memcmp(&v->value[i], &zero, sizeof zero) != 0)
            return false;
    }
    for (size_t i = 0; i < SC_READING_REGISTER_COUNT; i++) {
        if ((v->validity >> (SC_READING_FLOAT_COUNT + i) & 1) == 0 && v->reg[i] != 0)
            return false;
    }
    return true;
}

sc_err sc_reading_decode(struct sc_slice statement, struct sc_reading *out)
{
    struct sc_reader r = sc_reader_of(statement);
    struct sc_reading v = {0};
    SC_TRY(fields_get(&r, &v));
    if (v.meter > 99999999 || v.sequence == 0 || v.interval_s < 60 || v.interval_s > 86400 ||
        (v.validity & ~VALIDITY_MASK) != 0)
        return SC_E_MALFORMED;
    int64_t in_day_ms = v.start_ms % DAY_MS;
    if (in_day_ms < 0)
        in_day_ms += DAY_MS;
    if (in_day_ms % ((int64_t)v.interval_s * 1000) != 0 || !values_fit_validity(&v))
        return SC_E_MALFORMED;
    *out = v;
    return SC_OK;
}

uint64_t sc_reading_energy_wh(const struct sc_reading *r)
{
    const double kw = (double)r->value[SC_ATTR_DEMAND_KW];
    if ((r->status & SC_READING_STATUS_NOT_MEASURED) != 0 || (r->validity >> SC_ATTR_DEMAND_KW & 1) == 0 || kw <= 0)
        return 0;
    const double wh = kw * 1000.0 * (double)r->interval_s / 3600.0;
    return wh < 9.0e18 ? (uint64_t)llround(wh) : UINT64_MAX; /* llround is undefined beyond */
}

/* In the order of enum sc_reading_attr; the test compares with sc_reading_attr_names. */
#define ATTR_COLUMNS(type_f, type_r, sep)                                                                              \
    "voltage_a_v" type_f sep "voltage_b_v" type_f sep "voltage_c_v" type_f sep "current_a_a" type_f sep                \
    "current_b_a" type_f sep "current_c_a" type_f sep "voltage_angle_a_deg" type_f sep                                 \
    "voltage_angle_b_deg" type_f sep "voltage_angle_c_deg" type_f sep "current_angle_a_deg" type_f sep                 \
    "current_angle_b_deg" type_f sep "current_angle_c_deg" type_f sep "active_power_w" type_f sep                      \
    "reactive_power_var" type_f sep "apparent_power_va" type_f sep "power_factor_a" type_f sep                         \
    "power_factor_b" type_f sep "power_factor_c" type_f sep "power_factor" type_f sep "voltage_thd_a_pct" type_f sep   \
    "voltage_thd_b_pct" type_f sep "voltage_thd_c_pct" type_f sep "current_thd_a_pct" type_f sep                       \
    "current_thd_b_pct" type_f sep "current_thd_c_pct" type_f sep "frequency_hz" type_f sep "demand_kw" type_f sep     \
    "energy_import_wh" type_r sep "energy_inductive_varh" type_r sep "energy_capacitive_varh" type_r

const char sc_reading_create_table[] =
    "CREATE TABLE IF NOT EXISTS reading(client_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, " ATTR_COLUMNS(
        " REAL", " INTEGER",
        ", ") ", meter INTEGER, sequence INTEGER, interval_s INTEGER, status INTEGER, signature BLOB, "
              "PRIMARY KEY(client_id, timestamp))";

const char sc_reading_columns[] =
    "client_id,timestamp," ATTR_COLUMNS("", "", ",") ",meter,sequence,interval_s,status,signature";
