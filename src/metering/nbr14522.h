/* metering/nbr14522.h - the frames of ABNT NBR 14522: what Brazilian meters speak on their serial and optical ports.
 *
 * Only the frames: 66-octet commands, 258-octet replies, both sides.  Octets are numbered from 1 as in the standard
 * (macro NBR_OCTET(n) = index n - 1).  docs/formats/nbr14522.md tells what is standard, what is proven by captures and
 * what is our inference.  Pure functions on hostile bytes; thread-safe. */
#ifndef SC_METERING_NBR14522_H
#define SC_METERING_NBR14522_H

#include "metering/reading.h"

#define SC_NBR_COMMAND_SIZE ((size_t)66)
#define SC_NBR_REPLY_SIZE   ((size_t)258)
#define SC_NBR_OCTET(n)     ((n) - 1)

/* Signals: one octet, never the first octet of a frame. */
enum { SC_NBR_ENQ = 0x05, SC_NBR_ACK = 0x06, SC_NBR_WAIT = 0x10, SC_NBR_NAK = 0x15, SC_NBR_ALO = 0xff };

enum sc_nbr_code {
    SC_NBR_OPEN_SESSION = 0x11, SC_NBR_SEED = 0x13, SC_NBR_INSTANTANEOUS = 0x14,
    SC_NBR_PARAMETERS_RESET = 0x20, /* and closes the billing period! */
    SC_NBR_PARAMETERS_CURRENT = 0x21, SC_NBR_PARAMETERS_PREVIOUS = 0x22, SC_NBR_PARAMETERS_ALL = 0x51,
    SC_NBR_REGISTERS_CURRENT = 0x23, SC_NBR_REGISTERS_PREVIOUS = 0x24,
    SC_NBR_MEMORY_CURRENT = 0x26, SC_NBR_MEMORY_PREVIOUS = 0x27, SC_NBR_MEMORY_ALL = 0x52,
    SC_NBR_SET_DATE = 0x29, SC_NBR_SET_TIME = 0x30,
    SC_NBR_NOT_IMPLEMENTED = 0x39, SC_NBR_OCCURRENCE = 0x40, /* replies only */
    SC_NBR_VENDOR = 0xe2
};
enum { SC_NBR_VENDOR_LOAD = 0x90 };
enum { SC_NBR_LOAD_READ = 0x00, SC_NBR_LOAD_DISCONNECT = 0xde, SC_NBR_LOAD_RECONNECT = 0xc0 };
enum { SC_NBR_OCCURRENCE_SESSION_REQUIRED = 0x43 };

/* CRC-16/ARC (x^16+x^15+x^2+1, reflected, initial value 0); low octet first on the wire. */
uint16_t sc_nbr_crc(struct sc_slice s);
/* Writes the CRC into the last two octets. */
void sc_nbr_crc_put(uint8_t *frame, size_t frame_size);

/* ---- numbers ---- */
/* size octets of BCD, most significant first; a nibble above 9 is SC_E_MALFORMED. */
sc_err sc_nbr_bcd_get(const uint8_t *octets, size_t size, uint64_t *out) SC_MUST_CHECK;
/* value modulo 10^(2 size): registers roll over as a meter's do. */
void sc_nbr_bcd_put(uint8_t *octets, size_t size, uint64_t value);
/* h m s d m y in BCD, 2000..2099, the meter's local time as if it were UTC.  All zero = no time: *out = 0. */
sc_err sc_nbr_time_get(const uint8_t octets[static 6], int64_t *local_ms_out) SC_MUST_CHECK;
/* SC_E_LIMIT outside 2000..2099. */
sc_err sc_nbr_time_put(uint8_t octets[static 6], int64_t local_ms) SC_MUST_CHECK;
/* IEEE 754 single, least significant octet first; FF FF FF FF, any NaN and any infinity = not available = NaN. */
float sc_nbr_f32_get(const uint8_t octets[static 4]);
void sc_nbr_f32_put(uint8_t octets[static 4], float v);

/* ---- commands ---- */
struct sc_nbr_command {
    uint8_t code;
    uint32_t reader; /* 6 digits */
    union {
        uint8_t group;            /* 20 21 22 51: channels 3*group+1.. */
        struct { uint8_t day, month, year /* 0..99 */, weekday /* 1 = Sunday */; } date;  /* 29 */
        struct { uint8_t hour, minute, second; } time;                                     /* 30 */
        struct { uint8_t sub_code, action; } vendor;                                       /* E2 */
        struct { uint8_t token[10], read_token[10], user; } session;                       /* 11 */
    };
};
/* A code whose parameters we do not know is encoded bare.  SC_E_USAGE: values out of range, or a signal as code. */
sc_err sc_nbr_command_encode(const struct sc_nbr_command *c, uint8_t out[static 66]) SC_MUST_CHECK;
/* Exactly 66 octets, CRC right, reader BCD, parameters in range; a code we do not know decodes with its code alone.
 * SC_E_MALFORMED otherwise. */
sc_err sc_nbr_command_decode(struct sc_slice frame, struct sc_nbr_command *out) SC_MUST_CHECK;

/* ---- ways a command is carried (sheet 1.6) ---- */
#define SC_NBR_ADDRESSED_SIZE ((size_t)71)
#define SC_NBR_WRAPPED_SIZE   ((size_t)68)
/* Multi-drop: 99, serial, the command unchanged. */
void sc_nbr_addressed_encode(uint32_t meter, const uint8_t command[static 66], uint8_t out[static 71]);
/* command_out borrows the inner 66 octets, still to be decoded. */
sc_err sc_nbr_addressed_decode(struct sc_slice frame, uint32_t *meter_out, struct sc_slice *command_out) SC_MUST_CHECK;
/* A gateway product's wrapper: 01 99, the command without its CRC, CRC-16/Modbus over all. */
void sc_nbr_wrapped_encode(const uint8_t command[static 66], uint8_t out[static 68]);
/* command_out gets the ordinary 66-octet command. */
sc_err sc_nbr_wrapped_decode(struct sc_slice frame, uint8_t command_out[static 66]) SC_MUST_CHECK;
/* The directional optical port sends every octet complemented. */
void sc_nbr_complement(uint8_t *octets, size_t size);

/* ---- replies ---- */
struct sc_nbr_reply_head {
    uint8_t code;
    uint32_t meter; /* 8 digits */
};
/* Exactly 258 octets, CRC right, serial BCD. */
sc_err sc_nbr_reply_decode_head(struct sc_slice frame, struct sc_nbr_reply_head *out) SC_MUST_CHECK;
/* Zeroes the frame, writes code and serial; finish with sc_nbr_crc_put(). */
void sc_nbr_reply_begin(uint8_t frame[static 258], uint8_t code, uint32_t meter);

/* 39 and 40 */
struct sc_nbr_exception {
    uint8_t code;     /* SC_NBR_NOT_IMPLEMENTED or SC_NBR_OCCURRENCE */
    uint32_t meter;
    uint8_t what;     /* 39: the refused command; 40: the occurrence */
    uint8_t sub_code; /* 40 */
};
void sc_nbr_exception_encode(const struct sc_nbr_exception *e, uint8_t out[static 258]);
sc_err sc_nbr_exception_decode(struct sc_slice frame, struct sc_nbr_exception *out) SC_MUST_CHECK;

/* 14, sheet 3.2.  NaN = not available.  Powers in W, var, VA; arrays are phases A B C (then total or neutral). */
struct sc_nbr_instantaneous {
    uint32_t meter;
    int64_t local_ms;
    float voltage_v[3], line_voltage_v[3], current_a[4];
    float active_w[4], reactive_var[4], apparent_va[4], apparent_vector_va[4], distortion[4];
    float cos_phi[4];
    char character[4];         /* 'L', 'C' or 0 */
    float power_factor[4];
    float shift_deg[3];        /* voltage angle + shift = current angle */
    float temperature_c, frequency_hz;
    uint8_t connection;        /* ff = not available, as are the next two */
    uint8_t position[8];
    uint8_t version;
    float voltage_angle_deg[3], phase_angle_deg[3];
    float voltage_thd_pct[3], current_thd_pct[3];
    uint8_t conversion;
};
sc_err sc_nbr_instantaneous_encode(const struct sc_nbr_instantaneous *v, uint8_t out[static 258]) SC_MUST_CHECK;
sc_err sc_nbr_instantaneous_decode(struct sc_slice frame, struct sc_nbr_instantaneous *out) SC_MUST_CHECK;

/* 20, 21, 22, 51, sheet 3.3: the fields we understand; what we do not is zero when encoded and ignored when decoded. */
#define SC_NBR_HOLIDAYS 15
struct sc_nbr_parameters {
    uint8_t code;
    uint32_t meter;
    int64_t now_ms, last_interval_end_ms, last_reset_ms, previous_reset_ms; /* local */
    uint8_t weekday;                    /* 1 = Sunday */
    struct { uint8_t hour, minute; } starts[3][4]; /* peak, off-peak, reserved */
    uint32_t words_current, words_at_reset;
    uint8_t reset_count;
    uint8_t demand_interval_min, previous_demand_interval_min;
    struct { uint8_t day, month, year; } holidays[SC_NBR_HOLIDAYS]; /* zero = none */
    struct { uint32_t numerator, denominator; } constant[3];
    uint8_t battery;                    /* 0 good, 1 bad */
    uint16_t software_version, model;   /* 4 digits */
    uint8_t quantity[3];                /* codes of sheet section 5: 1 kWh, 10 kvarh inductive, 11 kvarh capacitive */
    uint8_t memory_minutes, memory_seconds, memory_hundredths; /* interval of the mass memory */
    uint8_t tariff_type;
    uint8_t reference_pf_inductive, reference_pf_capacitive; /* 92 = 0.92 */
    uint8_t period_count;
    uint8_t instantaneous_available;    /* octet 246 */
    uint8_t group_count;
};
sc_err sc_nbr_parameters_encode(const struct sc_nbr_parameters *v, uint8_t out[static 258]) SC_MUST_CHECK;
sc_err sc_nbr_parameters_decode(struct sc_slice frame, struct sc_nbr_parameters *out) SC_MUST_CHECK;

/* 23, 24, sheet 3.4; unit: pulses. */
enum sc_nbr_period { SC_NBR_PEAK, SC_NBR_OFF_PEAK, SC_NBR_RESERVED, SC_NBR_PERIOD_COUNT };
struct sc_nbr_channel_registers {
    uint64_t total;                              /* 10 digits */
    uint64_t energy[SC_NBR_PERIOD_COUNT];        /* 10 digits */
    uint64_t extra_energy[SC_NBR_PERIOD_COUNT];  /* channel 1: UFER; 2 and 3: reverse flow */
    uint32_t last_demand;                        /* 6 digits, pulses in the last demand interval */
    uint32_t max_demand[SC_NBR_PERIOD_COUNT];
    uint32_t extra_demand[SC_NBR_PERIOD_COUNT];  /* channel 1: DMCR */
    uint32_t accumulated[6];
};
struct sc_nbr_registers {
    uint8_t code;
    uint32_t meter;
    struct sc_nbr_channel_registers channel[3];
};
sc_err sc_nbr_registers_encode(const struct sc_nbr_registers *v, uint8_t out[static 258]) SC_MUST_CHECK;
sc_err sc_nbr_registers_decode(struct sc_slice frame, struct sc_nbr_registers *out) SC_MUST_CHECK;

/* 26, 27, 52: composed replies of 166 12-bit words each. */
#define SC_NBR_BLOCK_WORDS 166
#define SC_NBR_BLOCK_MAX   999
#define SC_NBR_WORD_MAX    4095
/* How two words lie in three octets is not proven by any source: a switch, decided on a real meter by comparing a
 * channel's sum with its register difference. */
enum sc_nbr_packing { SC_NBR_PACKING_BIG_ENDIAN /* 123 456 -> 12 34 56 */, SC_NBR_PACKING_LITTLE_ENDIAN /* -> 23 61 45 */ };
/* count words, even count; octets holds count / 2 * 3. */
void sc_nbr_words_pack(enum sc_nbr_packing packing, const uint16_t *words, size_t count, uint8_t *octets);
void sc_nbr_words_unpack(enum sc_nbr_packing packing, const uint8_t *octets, size_t count, uint16_t *words);
struct sc_nbr_block {
    uint8_t code;
    uint32_t meter;
    uint16_t number; /* from 1 */
    bool last;
    uint16_t words[SC_NBR_BLOCK_WORDS];
};
sc_err sc_nbr_block_encode(const struct sc_nbr_block *v, enum sc_nbr_packing packing, uint8_t out[static 258])
    SC_MUST_CHECK;
sc_err sc_nbr_block_decode(struct sc_slice frame, enum sc_nbr_packing packing, struct sc_nbr_block *out) SC_MUST_CHECK;
/* A whole composed reply: blocks in order from 1, one meter and code, only the last marked so; appends word_count words
 * (u16 each, host order, from the parameter reply) to words_out, which has room for word_count. */
sc_err sc_nbr_memory_decode(struct sc_slice blocks, enum sc_nbr_packing packing, size_t word_count, uint16_t *words_out)
    SC_MUST_CHECK;

/* E2 90.  The state octet of the reply (7) is our choice: no source decodes it. */
struct sc_nbr_load_reply {
    uint32_t meter;
    bool connected;
};
void sc_nbr_load_reply_encode(const struct sc_nbr_load_reply *v, uint8_t out[static 258]);
sc_err sc_nbr_load_reply_decode(struct sc_slice frame, struct sc_nbr_load_reply *out) SC_MUST_CHECK;

/* A write command's reply: code and serial, nothing else (29, 30, 11; 13 with a seed of 10 octets). */
void sc_nbr_plain_reply_encode(uint8_t code, uint32_t meter, uint8_t out[static 258]);

/* ---- a gateway to real meters: reply 14 + reply 23 <-> a reading's 30 values (sheet 7.10) ---- */
struct sc_nbr_scale {
    double ke;                /* Wh or varh per pulse, all three channels */
    uint32_t demand_interval_s;
    int32_t utc_offset_min;   /* of the meter's local clock */
};
/* start_ms of the reading is the 14 reply's time, taken down to the grid of interval_s, minus one interval: the interval
 * that has just ended.  sequence and status stay 0 (a real meter numbers nothing).  Not available -> validity bit off. */
sc_err sc_nbr_to_reading(const struct sc_nbr_instantaneous *inst, const struct sc_nbr_registers *regs,
                         const struct sc_nbr_scale *scale, struct sc_reading *out) SC_MUST_CHECK;
/* The other way, as of the end of the reading's interval.  Fields of 14 and 23 that a reading does not tell are "not
 * available" and 0. */
sc_err sc_nbr_from_reading(const struct sc_reading *r, const struct sc_nbr_scale *scale,
                           struct sc_nbr_instantaneous *inst_out, struct sc_nbr_registers *regs_out) SC_MUST_CHECK;

#endif
