/* metering/reading.h - one reading: what a meter reports for one interval, the bytes it signs, the row it becomes.
 *
 * The signed bytes ("statement") are a pure function of struct sc_reading, and every field of it is a column of the
 * table `reading`; so whoever holds the row and the signature can check the meter's word without trusting the database
 * (docs/formats/reading.md). */
#ifndef SC_METERING_READING_H
#define SC_METERING_READING_H

#include "base/bytes.h"

/* The 30 attributes, in the order of the statement and of the columns.  Units in the name. */
enum sc_reading_attr {
    SC_ATTR_VOLTAGE_A_V, SC_ATTR_VOLTAGE_B_V, SC_ATTR_VOLTAGE_C_V,
    SC_ATTR_CURRENT_A_A, SC_ATTR_CURRENT_B_A, SC_ATTR_CURRENT_C_A,
    SC_ATTR_VOLTAGE_ANGLE_A_DEG, SC_ATTR_VOLTAGE_ANGLE_B_DEG, SC_ATTR_VOLTAGE_ANGLE_C_DEG,
    SC_ATTR_CURRENT_ANGLE_A_DEG, SC_ATTR_CURRENT_ANGLE_B_DEG, SC_ATTR_CURRENT_ANGLE_C_DEG,
    SC_ATTR_ACTIVE_POWER_W, SC_ATTR_REACTIVE_POWER_VAR, SC_ATTR_APPARENT_POWER_VA,
    SC_ATTR_POWER_FACTOR_A, SC_ATTR_POWER_FACTOR_B, SC_ATTR_POWER_FACTOR_C, SC_ATTR_POWER_FACTOR,
    SC_ATTR_VOLTAGE_THD_A_PCT, SC_ATTR_VOLTAGE_THD_B_PCT, SC_ATTR_VOLTAGE_THD_C_PCT,
    SC_ATTR_CURRENT_THD_A_PCT, SC_ATTR_CURRENT_THD_B_PCT, SC_ATTR_CURRENT_THD_C_PCT,
    SC_ATTR_FREQUENCY_HZ,
    SC_ATTR_DEMAND_KW,                 /* mean active power of the interval */
    SC_READING_FLOAT_COUNT,            /* 27 floats so far; then 3 registers */
    SC_ATTR_ENERGY_IMPORT_WH = SC_READING_FLOAT_COUNT, /* cumulative registers since installation */
    SC_ATTR_ENERGY_INDUCTIVE_VARH, SC_ATTR_ENERGY_CAPACITIVE_VARH,
    SC_READING_ATTR_COUNT              /* 30 */
};
#define SC_READING_REGISTER_COUNT (SC_READING_ATTR_COUNT - SC_READING_FLOAT_COUNT)

/* Column names, index = enum sc_reading_attr ("voltage_a_v", ..., "energy_import_wh", ...). */
extern const char *const sc_reading_attr_names[SC_READING_ATTR_COUNT];

/* status bits: set by the meter */
#define SC_READING_STATUS_NOT_MEASURED (1u << 0) /* no measurement for this interval (registers did not move) */
#define SC_READING_STATUS_DISCONNECTED (1u << 1) /* load switched off by command during the interval */
#define SC_READING_STATUS_CLOCK_SET    (1u << 2)
#define SC_READING_STATUS_TAMPER       (1u << 3) /* cover or terminal opened */

struct sc_reading {
    uint32_t meter;          /* serial number, 8 decimal digits */
    uint64_t sequence;       /* 1, 2, 3 ... since installation; one number an interval, none left out */
    int64_t start_ms;        /* wall clock at the start of the interval, ms since 1970 UTC: the column `timestamp` */
    uint32_t interval_s;     /* length of the interval */
    uint32_t status;         /* SC_READING_STATUS_* */
    uint32_t validity;       /* bit i set: attribute i is valid; an invalid attribute is 0 here and NULL in the row */
    float value[SC_READING_FLOAT_COUNT];
    uint64_t reg[SC_READING_REGISTER_COUNT];
};

/* "SCRD" magic, u8 version, u32 meter, u64 sequence, i64 start_ms, u32 interval_s, u32 status, u32 validity,
 * 27 * f32, 3 * u64; big-endian. */
#define SC_READING_VERSION ((uint8_t)1)
#define SC_READING_STATEMENT_SIZE ((size_t)(4 + 1 + 4 + 8 + 8 + 4 + 4 + 4 + 27 * 4 + 3 * 8))

/* Appends the statement. */
void sc_reading_encode(const struct sc_reading *r, struct sc_buf *out);
/* Exact size, known version, finite floats, invalid attributes zero, interval 60..86400 s, start on the interval's grid
 * of the day, serial <= 99999999, sequence > 0: SC_E_MALFORMED otherwise. */
sc_err sc_reading_decode(struct sc_slice statement, struct sc_reading *out) SC_MUST_CHECK;
/* The energy of the interval: llround(demand_kw * 1000 * interval_s / 3600), exact up to 2^23 Wh because a meter
 * computes its demand from whole Wh.  0 when not measured or when the demand is not valid. */
uint64_t sc_reading_energy_wh(const struct sc_reading *r);

/* ---- the table ---- */
/* "CREATE TABLE IF NOT EXISTS reading(client_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, <30 attributes>, meter INTEGER, sequence
 * INTEGER, interval_s INTEGER, status INTEGER, signature BLOB, PRIMARY KEY(client_id, timestamp))".  timestamp is
 * start_ms. */
extern const char sc_reading_create_table[];
/* All column names in table order, comma separated. */
extern const char sc_reading_columns[];
#define SC_READING_COLUMN_COUNT (2 + SC_READING_ATTR_COUNT + 5)

#endif
