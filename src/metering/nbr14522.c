#include "metering/nbr14522.h"

#include "base/clock.h"

#include <math.h>

#define REPLY_CRC_OFFSET   (SC_NBR_REPLY_SIZE - 2)
#define COMMAND_CRC_OFFSET (SC_NBR_COMMAND_SIZE - 2)
#define READER_MAX         UINT32_C(999999)
#define METER_MAX          UINT32_C(99999999)

/* ---- CRC-16, reflected polynomial A001 (sheet 2.4) ---- */
/* Four bits at a time: entry i is i shifted through the register. */
static uint16_t crc16(uint16_t crc, struct sc_slice s)
{
    static const uint16_t table[16] = {0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401,
                                       0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01, 0x8801, 0x4400};
    for (size_t i = 0; i < s.size; i++) {
        crc = (uint16_t)(crc >> 4 ^ table[(crc ^ s.ptr[i]) & 15]);
        crc = (uint16_t)(crc >> 4 ^ table[(crc ^ s.ptr[i] >> 4) & 15]);
    }
    return crc;
}

uint16_t sc_nbr_crc(struct sc_slice s)
{
    return crc16(0, s);
}

void sc_nbr_crc_put(uint8_t *frame, size_t frame_size)
{
    const uint16_t crc = sc_nbr_crc(sc_slice_of(frame, frame_size - 2));
    frame[frame_size - 2] = (uint8_t)crc;
    frame[frame_size - 1] = (uint8_t)(crc >> 8);
}

static bool crc_is_right(struct sc_slice frame)
{
    return sc_nbr_crc(frame) == 0; /* over itself and its CRC */
}

/* ---- numbers ---- */
sc_err sc_nbr_bcd_get(const uint8_t *octets, size_t size, uint64_t *out)
{
    uint64_t v = 0;
    SC_ASSERT(size <= 9);
    for (size_t i = 0; i < size; i++) {
        const unsigned hi = octets[i] >> 4;
        const unsigned lo = octets[i] & 15;
        if (hi > 9 || lo > 9)
            return SC_E_MALFORMED;
        v = v * 100 + hi * 10 + lo;
    }
    *out = v;
    return SC_OK;
}

void sc_nbr_bcd_put(uint8_t *octets, size_t size, uint64_t value)
{
    for (size_t i = size; i-- > 0; value /= 100)
        octets[i] = (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static sc_err bcd_u8(uint8_t octet, uint8_t max, uint8_t *out)
{
    uint64_t v;
    SC_TRY(sc_nbr_bcd_get(&octet, 1, &v));
    if (v > max)
        return SC_E_MALFORMED;
    *out = (uint8_t)v;
    return SC_OK;
}

static sc_err bcd_u16(const uint8_t *octets, uint16_t *out)
{
    uint64_t v;
    SC_TRY(sc_nbr_bcd_get(octets, 2, &v));
    *out = (uint16_t)v;
    return SC_OK;
}

/* Three or four octets. */
static sc_err bcd_u32(const uint8_t *octets, size_t size, uint32_t *out)
{
    uint64_t v;
    SC_ASSERT(size <= 4);
    SC_TRY(sc_nbr_bcd_get(octets, size, &v));
    *out = (uint32_t)v;
    return SC_OK;
}

static uint8_t bcd_of(unsigned v)
{
    return (uint8_t)(v / 10 % 10 << 4 | v % 10);
}

static bool is_zero(const uint8_t *octets, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++)
        any |= octets[i];
    return any == 0;
}

sc_err sc_nbr_time_get(const uint8_t octets[static 6], int64_t *local_ms_out)
{
    uint8_t v[6];
    static const uint8_t max[6] = {23, 59, 59, 31, 12, 99};
    if (is_zero(octets, 6)) {
        *local_ms_out = 0;
        return SC_OK;
    }
    for (size_t i = 0; i < 6; i++)
        SC_TRY(bcd_u8(octets[i], max[i], &v[i]));
    const struct sc_civil c = {
        .year = 2000 + v[5], .month = v[4], .day = v[3], .hour = v[0], .minute = v[1], .second = v[2]};
    if (c.month == 0 || c.day == 0)
        return SC_E_MALFORMED;
    const int64_t ms = sc_civil_to_ms(&c);
    struct sc_civil again;
    sc_civil_from_ms(ms, &again);
    if (again.day != c.day || again.month != c.month) /* 31 April */
        return SC_E_MALFORMED;
    *local_ms_out = ms;
    return SC_OK;
}

sc_err sc_nbr_time_put(uint8_t octets[static 6], int64_t local_ms)
{
    struct sc_civil c;
    if (local_ms == 0) {
        memset(octets, 0, 6);
        return SC_OK;
    }
    sc_civil_from_ms(local_ms, &c);
    if (c.year < 2000 || c.year > 2099)
        return SC_E_LIMIT;
    const int v[6] = {c.hour, c.minute, c.second, c.day, c.month, c.year - 2000};
    for (size_t i = 0; i < 6; i++)
        octets[i] = bcd_of((unsigned)v[i]);
    return SC_OK;
}

float sc_nbr_f32_get(const uint8_t octets[static 4])
{
    float v;
    memcpy(&v, octets, sizeof v);
    return isfinite(v) ? v : NAN;
}

void sc_nbr_f32_put(uint8_t octets[static 4], float v)
{
    if (isfinite(v))
        memcpy(octets, &v, sizeof v);
    else
        memset(octets, 0xff, sizeof v);
}

/* ---- commands ---- */
static bool is_signal(uint8_t code)
{
    return code == SC_NBR_ENQ || code == SC_NBR_ACK || code == SC_NBR_WAIT || code == SC_NBR_NAK;
}

static bool is_parameters(uint8_t code)
{
    return code == SC_NBR_PARAMETERS_RESET || code == SC_NBR_PARAMETERS_CURRENT || code == SC_NBR_PARAMETERS_PREVIOUS ||
           code == SC_NBR_PARAMETERS_ALL;
}

static bool is_registers(uint8_t code)
{
    return code == SC_NBR_REGISTERS_CURRENT || code == SC_NBR_REGISTERS_PREVIOUS;
}

static bool is_memory(uint8_t code)
{
    return code == SC_NBR_MEMORY_CURRENT || code == SC_NBR_MEMORY_PREVIOUS || code == SC_NBR_MEMORY_ALL;
}

sc_err sc_nbr_command_encode(const struct sc_nbr_command *c, uint8_t out[static 66])
{
    uint8_t *p = out + SC_NBR_OCTET(5);
    if (is_signal(c->code) || c->reader > READER_MAX)
        return SC_E_USAGE;
    memset(out, 0, SC_NBR_COMMAND_SIZE);
    out[0] = c->code;
    sc_nbr_bcd_put(out + SC_NBR_OCTET(2), 3, c->reader);
    if (is_parameters(c->code)) {
        p[1] = bcd_of(c->group);
    } else if (c->code == SC_NBR_SET_DATE) {
        const uint8_t v[] = {c->date.day, c->date.month, c->date.year, c->date.weekday};
        for (size_t i = 0; i < sizeof v; i++)
            p[i] = bcd_of(v[i]);
    } else if (c->code == SC_NBR_SET_TIME) {
        const uint8_t v[] = {c->time.hour, c->time.minute, c->time.second};
        for (size_t i = 0; i < sizeof v; i++)
            p[i] = bcd_of(v[i]);
    } else if (c->code == SC_NBR_VENDOR) {
        p[0] = c->vendor.sub_code;
        p[1] = c->vendor.action;
    } else if (c->code == SC_NBR_OPEN_SESSION) {
        memcpy(p, c->session.token, 10);
        memcpy(p + 10, c->session.read_token, 10);
        p[20] = c->session.user;
    }
    sc_nbr_crc_put(out, SC_NBR_COMMAND_SIZE);
    struct sc_nbr_command again; /* the decoder is the judge of ranges: one place */
    return sc_nbr_command_decode(sc_slice_of(out, SC_NBR_COMMAND_SIZE), &again) == SC_OK ? SC_OK : SC_E_USAGE;
}

static sc_err date_get(const uint8_t *p, struct sc_nbr_command *c)
{
    SC_TRY(bcd_u8(p[0], 31, &c->date.day));
    SC_TRY(bcd_u8(p[1], 12, &c->date.month));
    SC_TRY(bcd_u8(p[2], 99, &c->date.year));
    SC_TRY(bcd_u8(p[3], 7, &c->date.weekday));
    return c->date.day == 0 || c->date.month == 0 || c->date.weekday == 0 ? SC_E_MALFORMED : SC_OK;
}

static sc_err time_of_day_get(const uint8_t *p, struct sc_nbr_command *c)
{
    SC_TRY(bcd_u8(p[0], 23, &c->time.hour));
    SC_TRY(bcd_u8(p[1], 59, &c->time.minute));
    return bcd_u8(p[2], 59, &c->time.second);
}

static sc_err command_parameters_get(const uint8_t *p, struct sc_nbr_command *c)
{
    if (is_parameters(c->code))
        return bcd_u8(p[1], 32, &c->group);
    if (c->code == SC_NBR_SET_DATE)
        return date_get(p, c);
    if (c->code == SC_NBR_SET_TIME)
        return time_of_day_get(p, c);
    if (c->code == SC_NBR_VENDOR) {
        c->vendor.sub_code = p[0];
        c->vendor.action = p[1];
    } else if (c->code == SC_NBR_OPEN_SESSION) {
        memcpy(c->session.token, p, 10);
        memcpy(c->session.read_token, p + 10, 10);
        c->session.user = p[20];
    }
    return SC_OK;
}

sc_err sc_nbr_command_decode(struct sc_slice frame, struct sc_nbr_command *out)
{
    struct sc_nbr_command c = {0};
    if (frame.size != SC_NBR_COMMAND_SIZE || !crc_is_right(frame) || is_signal(frame.ptr[0]))
        return SC_E_MALFORMED;
    c.code = frame.ptr[0];
    SC_TRY(bcd_u32(frame.ptr + SC_NBR_OCTET(2), 3, &c.reader));
    SC_TRY(command_parameters_get(frame.ptr + SC_NBR_OCTET(5), &c));
    *out = c;
    return SC_OK;
}

/* ---- carriers ---- */
void sc_nbr_addressed_encode(uint32_t meter, const uint8_t command[static 66], uint8_t out[static 71])
{
    out[0] = 0x99;
    sc_nbr_bcd_put(out + 1, 4, meter);
    memcpy(out + 5, command, SC_NBR_COMMAND_SIZE);
}

sc_err sc_nbr_addressed_decode(struct sc_slice frame, uint32_t *meter_out, struct sc_slice *command_out)
{
    if (frame.size != SC_NBR_ADDRESSED_SIZE || frame.ptr[0] != 0x99)
        return SC_E_MALFORMED;
    SC_TRY(bcd_u32(frame.ptr + 1, 4, meter_out));
    *command_out = sc_slice_of(frame.ptr + 5, SC_NBR_COMMAND_SIZE);
    return SC_OK;
}

void sc_nbr_wrapped_encode(const uint8_t command[static 66], uint8_t out[static 68])
{
    out[0] = 0x01;
    out[1] = 0x99;
    memcpy(out + 2, command, COMMAND_CRC_OFFSET);
    const uint16_t crc = crc16(0xffff, sc_slice_of(out, SC_NBR_WRAPPED_SIZE - 2));
    out[SC_NBR_WRAPPED_SIZE - 2] = (uint8_t)crc;
    out[SC_NBR_WRAPPED_SIZE - 1] = (uint8_t)(crc >> 8);
}

sc_err sc_nbr_wrapped_decode(struct sc_slice frame, uint8_t command_out[static 66])
{
    if (frame.size != SC_NBR_WRAPPED_SIZE || frame.ptr[0] != 0x01 || frame.ptr[1] != 0x99 || crc16(0xffff, frame) != 0)
        return SC_E_MALFORMED;
    memcpy(command_out, frame.ptr + 2, COMMAND_CRC_OFFSET);
    sc_nbr_crc_put(command_out, SC_NBR_COMMAND_SIZE);
    return SC_OK;
}

void sc_nbr_complement(uint8_t *octets, size_t size)
{
    for (size_t i = 0; i < size; i++)
        octets[i] = (uint8_t)~octets[i];
}

/* ---- replies ---- */
sc_err sc_nbr_reply_decode_head(struct sc_slice frame, struct sc_nbr_reply_head *out)
{
    struct sc_nbr_reply_head head;
    if (frame.size != SC_NBR_REPLY_SIZE || !crc_is_right(frame) || is_signal(frame.ptr[0]))
        return SC_E_MALFORMED;
    head.code = frame.ptr[0];
    SC_TRY(bcd_u32(frame.ptr + SC_NBR_OCTET(2), 4, &head.meter));
    *out = head;
    return SC_OK;
}

void sc_nbr_reply_begin(uint8_t frame[static 258], uint8_t code, uint32_t meter)
{
    memset(frame, 0, SC_NBR_REPLY_SIZE);
    frame[0] = code;
    sc_nbr_bcd_put(frame + SC_NBR_OCTET(2), 4, meter);
}

static sc_err reply_of_code(struct sc_slice frame, uint8_t code, uint32_t *meter_out)
{
    struct sc_nbr_reply_head head;
    SC_TRY(sc_nbr_reply_decode_head(frame, &head));
    if (head.code != code)
        return SC_E_MALFORMED;
    *meter_out = head.meter;
    return SC_OK;
}

void sc_nbr_exception_encode(const struct sc_nbr_exception *e, uint8_t out[static 258])
{
    SC_ASSERT(e->code == SC_NBR_NOT_IMPLEMENTED || e->code == SC_NBR_OCCURRENCE);
    sc_nbr_reply_begin(out, e->code, e->meter);
    out[SC_NBR_OCTET(6)] = e->what;
    out[SC_NBR_OCTET(7)] = e->sub_code;
    sc_nbr_crc_put(out, SC_NBR_REPLY_SIZE);
}

sc_err sc_nbr_exception_decode(struct sc_slice frame, struct sc_nbr_exception *out)
{
    struct sc_nbr_reply_head head;
    SC_TRY(sc_nbr_reply_decode_head(frame, &head));
    if (head.code != SC_NBR_NOT_IMPLEMENTED && head.code != SC_NBR_OCCURRENCE)
        return SC_E_MALFORMED;
    *out = (struct sc_nbr_exception){.code = head.code,
                                     .meter = head.meter,
                                     .what = frame.ptr[SC_NBR_OCTET(6)],
                                     .sub_code = frame.ptr[SC_NBR_OCTET(7)]};
    return SC_OK;
}

/* ---- 14 ---- */
/* The float fields of reply 14: runs of consecutive quantities (sheet 3.2). */
#define RUN(first_octet, member)                                                                                       \
    {                                                                                                                  \
        first_octet, offsetof(struct sc_nbr_instantaneous, member),                                                    \
            sizeof(((struct sc_nbr_instantaneous *)0)->member) / sizeof(float)                                         \
    }
static const struct float_run {
    unsigned octet;
    size_t offset;
    size_t count;
} float_runs[] = {
    RUN(12, voltage_v),        RUN(24, line_voltage_v),     RUN(36, current_a),           RUN(52, active_w),
    RUN(68, reactive_var),     RUN(84, apparent_va),        RUN(100, apparent_vector_va), RUN(116, distortion),
    RUN(132, cos_phi),         RUN(152, power_factor),      RUN(168, shift_deg),          RUN(180, temperature_c),
    RUN(184, frequency_hz),    RUN(198, voltage_angle_deg), RUN(210, phase_angle_deg),    RUN(222, voltage_thd_pct),
    RUN(234, current_thd_pct),
};
#define FLOAT_RUN_COUNT (sizeof float_runs / sizeof float_runs[0])

sc_err sc_nbr_instantaneous_encode(const struct sc_nbr_instantaneous *v, uint8_t out[static 258])
{
    if (v->meter > METER_MAX)
        return SC_E_USAGE;
    sc_nbr_reply_begin(out, SC_NBR_INSTANTANEOUS, v->meter);
    SC_TRY(sc_nbr_time_put(out + SC_NBR_OCTET(6), v->local_ms));
    for (size_t i = 0; i < FLOAT_RUN_COUNT; i++) {
        float value[4];
        memcpy(value, (const char *)v + float_runs[i].offset, float_runs[i].count * sizeof(float));
        for (size_t k = 0; k < float_runs[i].count; k++)
            sc_nbr_f32_put(out + SC_NBR_OCTET(float_runs[i].octet) + 4 * k, value[k]);
    }
    memcpy(out + SC_NBR_OCTET(148), v->character, 4);
    out[SC_NBR_OCTET(188)] = v->connection;
    memcpy(out + SC_NBR_OCTET(189), v->position, 8);
    out[SC_NBR_OCTET(197)] = v->version;
    out[SC_NBR_OCTET(246)] = v->conversion;
    sc_nbr_crc_put(out, SC_NBR_REPLY_SIZE);
    return SC_OK;
}

sc_err sc_nbr_instantaneous_decode(struct sc_slice frame, struct sc_nbr_instantaneous *out)
{
    struct sc_nbr_instantaneous v;
    memset(&v, 0, sizeof v);
    SC_TRY(reply_of_code(frame, SC_NBR_INSTANTANEOUS, &v.meter));
    SC_TRY(sc_nbr_time_get(frame.ptr + SC_NBR_OCTET(6), &v.local_ms));
    for (size_t i = 0; i < FLOAT_RUN_COUNT; i++) {
        float value[4];
        for (size_t k = 0; k < float_runs[i].count; k++)
            value[k] = sc_nbr_f32_get(frame.ptr + SC_NBR_OCTET(float_runs[i].octet) + 4 * k);
        memcpy((char *)&v + float_runs[i].offset, value, float_runs[i].count * sizeof(float));
    }
    for (size_t i = 0; i < 4; i++) {
        const char c = (char)frame.ptr[SC_NBR_OCTET(148) + i];
        v.character[i] = c == 'L' || c == 'C' ? c : 0;
    }
    v.connection = frame.ptr[SC_NBR_OCTET(188)];
    memcpy(v.position, frame.ptr + SC_NBR_OCTET(189), 8);
    v.version = frame.ptr[SC_NBR_OCTET(197)];
    v.conversion = frame.ptr[SC_NBR_OCTET(246)];
    *out = v;
    return SC_OK;
}

/* ---- 20, 21, 22, 51 ---- */
static void small_fields_put(const struct sc_nbr_parameters *v, uint8_t *out)
{
    const struct {
        unsigned octet, value;
    } fields[] = {
        {12, v->weekday},
        {81, v->reset_count},
        {82, v->demand_interval_min},
        {83, v->previous_demand_interval_min},
        {147, v->battery},
        {196, v->quantity[0]},
        {197, v->quantity[1]},
        {198, v->quantity[2]},
        {204, v->memory_minutes},
        {205, v->memory_seconds},
        {206, v->memory_hundredths},
        {213, v->tariff_type},
        {218, v->reference_pf_inductive},
        {219, v->reference_pf_capacitive},
        {238, v->period_count},
        {246, v->instantaneous_available},
        {247, v->group_count},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        out[SC_NBR_OCTET(fields[i].octet)] = bcd_of(fields[i].value);
}

static sc_err small_fields_get(const uint8_t *p, struct sc_nbr_parameters *v)
{
    const struct {
        unsigned octet;
        uint8_t *value;
    } fields[] = {
        {12, &v->weekday},
        {81, &v->reset_count},
        {82, &v->demand_interval_min},
        {83, &v->previous_demand_interval_min},
        {147, &v->battery},
        {196, &v->quantity[0]},
        {197, &v->quantity[1]},
        {198, &v->quantity[2]},
        {204, &v->memory_minutes},
        {205, &v->memory_seconds},
        {206, &v->memory_hundredths},
        {213, &v->tariff_type},
        {218, &v->reference_pf_inductive},
        {219, &v->reference_pf_capacitive},
        {238, &v->period_count},
        {246, &v->instantaneous_available},
        {247, &v->group_count},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        SC_TRY(bcd_u8(p[SC_NBR_OCTET(fields[i].octet)], 99, fields[i].value));
    return SC_OK;
}

static sc_err times_put(const struct sc_nbr_parameters *v, uint8_t *out)
{
    SC_TRY(sc_nbr_time_put(out + SC_NBR_OCTET(6), v->now_ms));
    SC_TRY(sc_nbr_time_put(out + SC_NBR_OCTET(13), v->last_interval_end_ms));
    SC_TRY(sc_nbr_time_put(out + SC_NBR_OCTET(19), v->last_reset_ms));
    return sc_nbr_time_put(out + SC_NBR_OCTET(25), v->previous_reset_ms);
}

sc_err sc_nbr_parameters_encode(const struct sc_nbr_parameters *v, uint8_t out[static 258])
{
    if (!is_parameters(v->code) || v->meter > METER_MAX)
        return SC_E_USAGE;
    sc_nbr_reply_begin(out, v->code, v->meter);
    SC_TRY(times_put(v, out));
    for (size_t i = 0; i < 12; i++) {
        out[SC_NBR_OCTET(51) + 2 * i] = bcd_of(v->starts[i / 4][i % 4].hour);
        out[SC_NBR_OCTET(52) + 2 * i] = bcd_of(v->starts[i / 4][i % 4].minute);
    }
    sc_nbr_bcd_put(out + SC_NBR_OCTET(75), 3, v->words_current);
    sc_nbr_bcd_put(out + SC_NBR_OCTET(78), 3, v->words_at_reset);
    for (size_t i = 0; i < SC_NBR_HOLIDAYS; i++) {
        uint8_t *p = out + SC_NBR_OCTET(84) + 3 * i;
        p[0] = bcd_of(v->holidays[i].day);
        p[1] = bcd_of(v->holidays[i].month);
        p[2] = bcd_of(v->holidays[i].year);
    }
    for (size_t i = 0; i < 3; i++) {
        sc_nbr_bcd_put(out + SC_NBR_OCTET(129) + 6 * i, 3, v->constant[i].numerator);
        sc_nbr_bcd_put(out + SC_NBR_OCTET(132) + 6 * i, 3, v->constant[i].denominator);
    }
    sc_nbr_bcd_put(out + SC_NBR_OCTET(148), 2, v->software_version);
    sc_nbr_bcd_put(out + SC_NBR_OCTET(153), 2, v->model);
    small_fields_put(v, out);
    sc_nbr_crc_put(out, SC_NBR_REPLY_SIZE);
    return SC_OK;
}

static sc_err times_get(const uint8_t *p, struct sc_nbr_parameters *v)
{
    SC_TRY(sc_nbr_time_get(p + SC_NBR_OCTET(6), &v->now_ms));
    SC_TRY(sc_nbr_time_get(p + SC_NBR_OCTET(13), &v->last_interval_end_ms));
    SC_TRY(sc_nbr_time_get(p + SC_NBR_OCTET(19), &v->last_reset_ms));
    SC_TRY(sc_nbr_time_get(p + SC_NBR_OCTET(25), &v->previous_reset_ms));
    for (size_t i = 0; i < 12; i++) {
        SC_TRY(bcd_u8(p[SC_NBR_OCTET(51) + 2 * i], 24, &v->starts[i / 4][i % 4].hour));
        SC_TRY(bcd_u8(p[SC_NBR_OCTET(52) + 2 * i], 59, &v->starts[i / 4][i % 4].minute));
    }
    return SC_OK;
}

static sc_err holidays_get(const uint8_t *p, struct sc_nbr_parameters *v)
{
    for (size_t i = 0; i < SC_NBR_HOLIDAYS; i++, p += 3) {
        SC_TRY(bcd_u8(p[0], 31, &v->holidays[i].day));
        SC_TRY(bcd_u8(p[1], 12, &v->holidays[i].month));
        SC_TRY(bcd_u8(p[2], 99, &v->holidays[i].year));
    }
    return SC_OK;
}

sc_err sc_nbr_parameters_decode(struct sc_slice frame, struct sc_nbr_parameters *out)
{
    struct sc_nbr_parameters v;
    struct sc_nbr_reply_head head;
    memset(&v, 0, sizeof v);
    SC_TRY(sc_nbr_reply_decode_head(frame, &head));
    if (!is_parameters(head.code))
        return SC_E_MALFORMED;
    const uint8_t *p = frame.ptr;
    v.code = head.code;
    v.meter = head.meter;
    SC_TRY(times_get(p, &v));
    SC_TRY(bcd_u32(p + SC_NBR_OCTET(75), 3, &v.words_current));
    SC_TRY(bcd_u32(p + SC_NBR_OCTET(78), 3, &v.words_at_reset));
    SC_TRY(holidays_get(p + SC_NBR_OCTET(84), &v));
    for (size_t i = 0; i < 3; i++) {
        SC_TRY(bcd_u32(p + SC_NBR_OCTET(129) + 6 * i, 3, &v.constant[i].numerator));
        SC_TRY(bcd_u32(p + SC_NBR_OCTET(132) + 6 * i, 3, &v.constant[i].denominator));
    }
    SC_TRY(bcd_u16(p + SC_NBR_OCTET(148), &v.software_version));
    SC_TRY(bcd_u16(p + SC_NBR_OCTET(153), &v.model));
    SC_TRY(small_fields_get(p, &v));
    *out = v;
    return SC_OK;
}

/* ---- 23, 24 ---- */
static const unsigned channel_octet[3] = {6, 80, 154};

static void channel_put(const struct sc_nbr_channel_registers *c, uint8_t *p)
{
    sc_nbr_bcd_put(p, 5, c->total);
    for (size_t i = 0; i < SC_NBR_PERIOD_COUNT; i++) {
        sc_nbr_bcd_put(p + 5 + 10 * i, 5, c->energy[i]);
        sc_nbr_bcd_put(p + 10 + 10 * i, 5, c->extra_energy[i]);
        sc_nbr_bcd_put(p + 38 + 6 * i, 3, c->max_demand[i]);
        sc_nbr_bcd_put(p + 41 + 6 * i, 3, c->extra_demand[i]);
    }
    sc_nbr_bcd_put(p + 35, 3, c->last_demand);
    for (size_t i = 0; i < 6; i++)
        sc_nbr_bcd_put(p + 56 + 3 * i, 3, c->accumulated[i]);
}

static sc_err channel_get(const uint8_t *p, struct sc_nbr_channel_registers *c)
{
    SC_TRY(sc_nbr_bcd_get(p, 5, &c->total));
    for (size_t i = 0; i < SC_NBR_PERIOD_COUNT; i++) {
        SC_TRY(sc_nbr_bcd_get(p + 5 + 10 * i, 5, &c->energy[i]));
        SC_TRY(sc_nbr_bcd_get(p + 10 + 10 * i, 5, &c->extra_energy[i]));
        SC_TRY(bcd_u32(p + 38 + 6 * i, 3, &c->max_demand[i]));
        SC_TRY(bcd_u32(p + 41 + 6 * i, 3, &c->extra_demand[i]));
    }
    SC_TRY(bcd_u32(p + 35, 3, &c->last_demand));
    for (size_t i = 0; i < 6; i++)
        SC_TRY(bcd_u32(p + 56 + 3 * i, 3, &c->accumulated[i]));
    return SC_OK;
}

sc_err sc_nbr_registers_encode(const struct sc_nbr_registers *v, uint8_t out[static 258])
{
    if (!is_registers(v->code) || v->meter > METER_MAX)
        return SC_E_USAGE;
    sc_nbr_reply_begin(out, v->code, v->meter);
    for (size_t i = 0; i < 3; i++)
        channel_put(&v->channel[i], out + SC_NBR_OCTET(channel_octet[i]));
    sc_nbr_crc_put(out, SC_NBR_REPLY_SIZE);
    return SC_OK;
}

sc_err sc_nbr_registers_decode(struct sc_slice frame, struct sc_nbr_registers *out)
{
    struct sc_nbr_registers v;
    struct sc_nbr_reply_head head;
    memset(&v, 0, sizeof v);
    SC_TRY(sc_nbr_reply_decode_head(frame, &head));
    if (!is_registers(head.code))
        return SC_E_MALFORMED;
    v.code = head.code;
    v.meter = head.meter;
    for (size_t i = 0; i < 3; i++)
        SC_TRY(channel_get(frame.ptr + SC_NBR_OCTET(channel_octet[i]), &v.channel[i]));
    *out = v;
    return SC_OK;
}

/* ---- 26, 27, 52 ---- */
void sc_nbr_words_pack(enum sc_nbr_packing packing, const uint16_t *words, size_t count, uint8_t *octets)
{
    SC_ASSERT(count % 2 == 0);
    for (size_t i = 0; i < count; i += 2, octets += 3) {
        const unsigned a = words[i];
        const unsigned b = words[i + 1];
        SC_ASSERT(a <= SC_NBR_WORD_MAX && b <= SC_NBR_WORD_MAX);
        if (packing == SC_NBR_PACKING_BIG_ENDIAN) {
            octets[0] = (uint8_t)(a >> 4);
            octets[1] = (uint8_t)(a << 4 | b >> 8);
            octets[2] = (uint8_t)b;
        } else {
            octets[0] = (uint8_t)a;
            octets[1] = (uint8_t)(b << 4 | a >> 8);
            octets[2] = (uint8_t)(b >> 4);
        }
    }
}

void sc_nbr_words_unpack(enum sc_nbr_packing packing, const uint8_t *octets, size_t count, uint16_t *words)
{
    SC_ASSERT(count % 2 == 0);
    for (size_t i = 0; i < count; i += 2, octets += 3) {
        if (packing == SC_NBR_PACKING_BIG_ENDIAN) {
            words[i] = (uint16_t)(octets[0] << 4 | octets[1] >> 4);
            words[i + 1] = (uint16_t)((octets[1] & 15) << 8 | octets[2]);
        } else {
            words[i] = (uint16_t)((octets[1] & 15) << 8 | octets[0]);
            words[i + 1] = (uint16_t)(octets[2] << 4 | octets[1] >> 4);
        }
    }
}

sc_err sc_nbr_block_encode(const struct sc_nbr_block *v, enum sc_nbr_packing packing, uint8_t out[static 258])
{
    if (!is_memory(v->code) || v->meter > METER_MAX || v->number == 0 || v->number > SC_NBR_BLOCK_MAX)
        return SC_E_USAGE;
    sc_nbr_reply_begin(out, v->code, v->meter);
    out[SC_NBR_OCTET(6)] = (uint8_t)((v->last ? 0x10 : 0) | v->number / 100);
    out[SC_NBR_OCTET(7)] = bcd_of(v->number % 100);
    sc_nbr_words_pack(packing, v->words, SC_NBR_BLOCK_WORDS, out + SC_NBR_OCTET(8));
    sc_nbr_crc_put(out, SC_NBR_REPLY_SIZE);
    return SC_OK;
}

sc_err sc_nbr_block_decode(struct sc_slice frame, enum sc_nbr_packing packing, struct sc_nbr_block *out)
{
    struct sc_nbr_block v = {0};
    struct sc_nbr_reply_head head;
    uint8_t tens;
    SC_TRY(sc_nbr_reply_decode_head(frame, &head));
    if (!is_memory(head.code))
        return SC_E_MALFORMED;
    const uint8_t flags = frame.ptr[SC_NBR_OCTET(6)];
    SC_TRY(bcd_u8(frame.ptr[SC_NBR_OCTET(7)], 99, &tens));
    if ((flags & 0xe0) != 0 || (flags & 15) > 9)
        return SC_E_MALFORMED;
    v.code = head.code;
    v.meter = head.meter;
    v.number = (uint16_t)((flags & 15) * 100 + tens);
    v.last = (flags & 0x10) != 0;
    if (v.number == 0)
        return SC_E_MALFORMED;
    sc_nbr_words_unpack(packing, frame.ptr + SC_NBR_OCTET(8), SC_NBR_BLOCK_WORDS, v.words);
    *out = v;
    return SC_OK;
}

sc_err sc_nbr_memory_decode(struct sc_slice blocks, enum sc_nbr_packing packing, size_t word_count, uint16_t *words_out)
{
    const size_t block_count = blocks.size / SC_NBR_REPLY_SIZE;
    const size_t expected = word_count == 0 ? 1 : (word_count + SC_NBR_BLOCK_WORDS - 1) / SC_NBR_BLOCK_WORDS;
    struct sc_nbr_block first = {0};
    if (blocks.size % SC_NBR_REPLY_SIZE != 0 || block_count != expected)
        return SC_E_MALFORMED;
    for (size_t i = 0; i < block_count; i++) {
        struct sc_nbr_block b;
        SC_TRY(sc_nbr_block_decode(sc_slice_of(blocks.ptr + i * SC_NBR_REPLY_SIZE, SC_NBR_REPLY_SIZE), packing, &b));
        if (i == 0)
            first = b;
        if (b.number != i + 1 || b.code != first.code || b.meter != first.meter || b.last != (i + 1 == block_count))
            return SC_E_MALFORMED;
        const size_t done = i * SC_NBR_BLOCK_WORDS;
        const size_t left = word_count - done;
        memcpy(words_out + done, b.words, (left < SC_NBR_BLOCK_WORDS ? left : SC_NBR_BLOCK_WORDS) * sizeof b.words[0]);
    }
    return SC_OK;
}

/* ---- E2 90 and plain replies ---- */
void sc_nbr_load_reply_encode(const struct sc_nbr_load_reply *v, uint8_t out[static 258])
{
    sc_nbr_reply_begin(out, SC_NBR_VENDOR, v->meter);
    out[SC_NBR_OCTET(6)] = SC_NBR_VENDOR_LOAD;
    out[SC_NBR_OCTET(7)] = v->connected ? SC_NBR_LOAD_RECONNECT : SC_NBR_LOAD_DISCONNECT;
    sc_nbr_crc_put(out, SC_NBR_REPLY_SIZE);
}

sc_err sc_nbr_load_reply_decode(struct sc_slice frame, struct sc_nbr_load_reply *out)
{
    uint32_t meter;
    SC_TRY(reply_of_code(frame, SC_NBR_VENDOR, &meter));
    const uint8_t state = frame.ptr[SC_NBR_OCTET(7)];
    if (frame.ptr[SC_NBR_OCTET(6)] != SC_NBR_VENDOR_LOAD ||
        (state != SC_NBR_LOAD_RECONNECT && state != SC_NBR_LOAD_DISCONNECT))
        return SC_E_MALFORMED;
    *out = (struct sc_nbr_load_reply){.meter = meter, .connected = state == SC_NBR_LOAD_RECONNECT};
    return SC_OK;
}

void sc_nbr_plain_reply_encode(uint8_t code, uint32_t meter, uint8_t out[static 258])
{
    sc_nbr_reply_begin(out, code, meter);
    sc_nbr_crc_put(out, SC_NBR_REPLY_SIZE);
}
