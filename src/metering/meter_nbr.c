/* How the meter answers the commands of ABNT NBR 14522 from its state. */
#include "metering/meter_internal.h"

#include <math.h>

#define WORDS_MAX ((uint64_t)SC_NBR_BLOCK_MAX * SC_NBR_BLOCK_WORDS)
#define CHANNELS  3

static int64_t local_ms(const struct sc_meter *m, int64_t now_ms)
{
    return now_ms + m->clock_offset_ms + (int64_t)m->opt.utc_offset_min * 60000;
}

static uint64_t pulses(const struct sc_meter *m, uint64_t units)
{
    return (uint64_t)floor((double)units / m->ke + 1e-9); /* whole units over a Ke in hundredths: the rest is no dust */
}

static uint8_t *reply_extend(struct sc_buf *out)
{
    return sc_buf_extend(out, SC_NBR_REPLY_SIZE);
}

/* ---- mass memory ---- */
struct range {
    uint64_t first, last; /* sequences; empty when first > last */
};

/* What the memory still tells: an interval's pulses are the difference of two readings' registers, so the
 * oldest reading only serves as the base, unless it is the first of all. */
static struct range memory_range(const struct sc_meter *m, uint64_t after, uint64_t to)
{
    const uint64_t oldest = meter_oldest(m);
    const uint64_t tellable = oldest > 1 ? oldest + 1 : 1;
    struct range r = {after + 1 > tellable ? after + 1 : tellable, to < m->newest ? to : m->newest};
    if (r.first <= r.last && r.last - r.first >= WORDS_MAX / CHANNELS) /* more than 999 blocks hold: the newest */
        r.first = r.last - WORDS_MAX / CHANNELS + 1;
    return r;
}

static uint32_t range_words(struct range r)
{
    return r.first > r.last ? 0 : (uint32_t)((r.last - r.first + 1) * CHANNELS);
}

static struct range range_of(const struct sc_meter *m, uint8_t code)
{
    if (code == SC_NBR_MEMORY_CURRENT)
        return memory_range(m, m->sequence_at_reset, m->newest);
    if (code == SC_NBR_MEMORY_PREVIOUS)
        return memory_range(m, m->sequence_at_previous_reset, m->sequence_at_reset);
    return memory_range(m, 0, m->newest);
}

/* The three registers at the end of the reading's interval: the last 24 bytes of its statement. */
static void registers_at(const struct sc_meter *m, uint64_t sequence, uint64_t reg[static CHANNELS])
{
    const struct meter_entry *e = sequence != 0 ? meter_entry_find(m, sequence) : NULL;
    for (size_t i = 0; i < CHANNELS; i++)
        reg[i] = e == NULL ? 0 : sc_load_u64be(e->statement + SC_READING_STATEMENT_SIZE - 8 * (CHANNELS - i));
}

/* Word `index` of the range: channels 1 2 3 of the oldest interval, then of the next. */
static uint16_t word_at(const struct sc_meter *m, struct range r, uint32_t index)
{
    uint64_t before[CHANNELS];
    uint64_t after[CHANNELS];
    const uint64_t sequence = r.first + index / CHANNELS;
    const unsigned channel = index % CHANNELS;
    registers_at(m, sequence - 1, before);
    registers_at(m, sequence, after);
    const uint64_t n = pulses(m, after[channel]) - pulses(m, before[channel]);
    return (uint16_t)(n < SC_NBR_WORD_MAX ? n : SC_NBR_WORD_MAX);
}

static sc_err memory_answer(const struct sc_meter *m, uint8_t code, struct sc_buf *out)
{
    const struct range r = range_of(m, code);
    const uint32_t words = range_words(r);
    const uint32_t blocks = words == 0 ? 1 : (words + SC_NBR_BLOCK_WORDS - 1) / SC_NBR_BLOCK_WORDS;
    for (uint32_t b = 0; b < blocks; b++) {
        struct sc_nbr_block block = {
            .code = code, .meter = m->opt.serial, .number = (uint16_t)(b + 1), .last = b + 1 == blocks};
        for (uint32_t i = 0; i < SC_NBR_BLOCK_WORDS && b * SC_NBR_BLOCK_WORDS + i < words; i++)
            block.words[i] = word_at(m, r, b * SC_NBR_BLOCK_WORDS + i);
        uint8_t *p = reply_extend(out);
        if (p == NULL)
            return out->failed;
        SC_TRY(sc_nbr_block_encode(&block, SC_NBR_PACKING_BIG_ENDIAN, p));
    }
    return SC_OK;
}

/* ---- 20 21 22 51 ---- */
static void demand_reset(struct sc_meter *m, int64_t local_now_ms)
{
    m->reg_at_reset = m->reg;
    m->sequence_at_previous_reset = m->sequence_at_reset;
    m->sequence_at_reset = m->newest;
    m->previous_reset_ms = m->last_reset_ms;
    m->last_reset_ms = local_now_ms - local_now_ms % 1000;
    m->reset_count = (m->reset_count + 1) % 100;
    memset(m->reg.max_demand, 0, sizeof m->reg.max_demand); /* a new period looks for its own maximum */
}

static void parameters_fill(const struct sc_meter *m, uint8_t code, int64_t local_now_ms, struct sc_nbr_parameters *p)
{
    const unsigned minutes = m->opt.interval_s / 60;
    struct sc_civil c;
    sc_civil_from_ms(local_now_ms, &c);
    *p = (struct sc_nbr_parameters){
        .code = code,
        .meter = m->opt.serial,
        .now_ms = local_now_ms,
        .weekday = (uint8_t)(c.weekday + 1),
        .last_reset_ms = m->last_reset_ms,
        .previous_reset_ms = m->previous_reset_ms,
        .words_current =
            range_words(range_of(m, code == SC_NBR_PARAMETERS_ALL ? SC_NBR_MEMORY_ALL : SC_NBR_MEMORY_CURRENT)),
        .words_at_reset = range_words(range_of(m, SC_NBR_MEMORY_PREVIOUS)),
        .reset_count = (uint8_t)m->reset_count,
        .demand_interval_min = (uint8_t)(minutes < 99 ? minutes : 99),
        .previous_demand_interval_min = (uint8_t)(minutes < 99 ? minutes : 99),
        .software_version = 1,
        .model = 1,
        .quantity = {1, 10, 11},
        .memory_minutes = (uint8_t)(minutes < 99 ? minutes : 99),
        .memory_seconds = (uint8_t)(m->opt.interval_s % 60),
        .reference_pf_inductive = 92,
        .reference_pf_capacitive = 92,
        .period_count = 3,
        .instantaneous_available = 1,
        .group_count = 1,
    };
    p->starts[0][0].hour = p->starts[0][1].hour = 18; /* meter_period() */
    p->starts[1][0].hour = p->starts[1][1].hour = 21;
    if (m->newest != 0)
        p->last_interval_end_ms =
            m->newest_start_ms + (int64_t)m->opt.interval_s * 1000 + (int64_t)m->opt.utc_offset_min * 60000;
    for (size_t i = 0; i < CHANNELS; i++) { /* pulses * numerator / denominator = kWh, kvarh */
        p->constant[i].numerator = (uint32_t)lround(m->ke * 100);
        p->constant[i].denominator = 100000;
    }
}

static sc_err parameters_answer(struct sc_meter *m, const struct sc_nbr_command *c, int64_t local_now_ms,
                                struct sc_buf *out)
{
    struct sc_nbr_parameters p;
    uint8_t *frame = reply_extend(out);
    if (frame == NULL)
        return out->failed;
    if (c->code == SC_NBR_PARAMETERS_RESET)
        demand_reset(m, local_now_ms);
    parameters_fill(m, c->code, local_now_ms, &p);
    return sc_nbr_parameters_encode(&p, frame);
}

/* ---- 23 24 ---- */
static sc_err registers_answer(const struct sc_meter *m, uint8_t code, struct sc_buf *out)
{
    const struct meter_registers *g = code == SC_NBR_REGISTERS_PREVIOUS ? &m->reg_at_reset : &m->reg;
    struct sc_nbr_registers v = {.code = code, .meter = m->opt.serial};
    for (size_t i = 0; i < CHANNELS; i++) {
        v.channel[i].total = pulses(m, g->total[i]);
        v.channel[i].last_demand = (uint32_t)(pulses(m, g->last_demand[i]) % 1000000);
        for (size_t k = 0; k < SC_NBR_PERIOD_COUNT; k++) {
            v.channel[i].energy[k] = pulses(m, g->period[i][k]);
            v.channel[i].max_demand[k] = (uint32_t)(pulses(m, g->max_demand[i][k]) % 1000000);
        }
    }
    uint8_t *frame = reply_extend(out);
    return frame == NULL ? out->failed : sc_nbr_registers_encode(&v, frame);
}

/* ---- 14 ---- */
static sc_err instantaneous_answer(const struct sc_meter *m, int64_t local_now_ms, struct sc_buf *out)
{
    const struct sc_nbr_scale scale = {
        .ke = m->ke, .demand_interval_s = m->opt.interval_s, .utc_offset_min = m->opt.utc_offset_min};
    struct sc_nbr_instantaneous v;
    struct sc_nbr_registers unused;
    struct sc_reading r = m->last; /* means of the last measured interval: this meter has no shorter window */
    r.meter = m->opt.serial;
    SC_TRY(sc_nbr_from_reading(&r, &scale, &v, &unused));
    v.local_ms = local_now_ms;
    uint8_t *frame = reply_extend(out);
    return frame == NULL ? out->failed : sc_nbr_instantaneous_encode(&v, frame);
}

/* ---- writes and exceptions ---- */
static sc_err exception_answer(const struct sc_meter *m, uint8_t code, uint8_t what, struct sc_buf *out)
{
    const struct sc_nbr_exception e = {.code = code, .meter = m->opt.serial, .what = what};
    uint8_t *frame = reply_extend(out);
    if (frame == NULL)
        return out->failed;
    sc_nbr_exception_encode(&e, frame);
    return SC_OK;
}

static sc_err session_required(const struct sc_meter *m, struct sc_buf *out)
{
    return exception_answer(m, SC_NBR_OCCURRENCE, SC_NBR_OCCURRENCE_SESSION_REQUIRED, out);
}

static sc_err clock_answer(struct sc_meter *m, const struct sc_nbr_command *c, int64_t now_ms, struct sc_buf *out)
{
    struct sc_civil civil;
    sc_civil_from_ms(local_ms(m, now_ms), &civil);
    if (c->code == SC_NBR_SET_DATE) {
        civil.year = 2000 + c->date.year;
        civil.month = c->date.month;
        civil.day = c->date.day;
    } else {
        civil.hour = c->time.hour;
        civil.minute = c->time.minute;
        civil.second = c->time.second;
        civil.ms = 0;
    }
    const int64_t clock_ms = sc_civil_to_ms(&civil) - (int64_t)m->opt.utc_offset_min * 60000;
    if (meter_clock_set(m, now_ms, clock_ms) != SC_OK)
        return exception_answer(m, SC_NBR_OCCURRENCE, SC_NBR_OCCURRENCE_SESSION_REQUIRED, out);
    uint8_t *frame = reply_extend(out);
    if (frame == NULL)
        return out->failed;
    sc_nbr_plain_reply_encode(c->code, m->opt.serial, frame);
    return SC_OK;
}

static sc_err vendor_answer(struct sc_meter *m, const struct sc_nbr_command *c, bool authenticated, struct sc_buf *out)
{
    if (c->vendor.sub_code != SC_NBR_VENDOR_LOAD)
        return exception_answer(m, SC_NBR_NOT_IMPLEMENTED, c->code, out);
    if (c->vendor.action == SC_NBR_LOAD_DISCONNECT || c->vendor.action == SC_NBR_LOAD_RECONNECT) {
        if (!authenticated || !m->opt.plain_load_control)
            return session_required(m, out);
        meter_switch(m, c->vendor.action == SC_NBR_LOAD_DISCONNECT ? SC_LOAD_DISCONNECT : SC_LOAD_RECONNECT);
    } else if (c->vendor.action != SC_NBR_LOAD_READ) {
        return exception_answer(m, SC_NBR_NOT_IMPLEMENTED, c->code, out);
    }
    uint8_t *frame = reply_extend(out);
    if (frame == NULL)
        return out->failed;
    sc_nbr_load_reply_encode(&(struct sc_nbr_load_reply){m->opt.serial, m->load == SC_LOAD_CONNECTED}, frame);
    return SC_OK;
}

static sc_err answer(struct sc_meter *m, const struct sc_nbr_command *c, int64_t now_ms, bool authenticated,
                     struct sc_buf *out)
{
    const int64_t local_now_ms = local_ms(m, now_ms);
    switch (c->code) {
    case SC_NBR_INSTANTANEOUS:
        return instantaneous_answer(m, local_now_ms, out);
    case SC_NBR_PARAMETERS_RESET:
    case SC_NBR_PARAMETERS_CURRENT:
    case SC_NBR_PARAMETERS_PREVIOUS:
    case SC_NBR_PARAMETERS_ALL:
        if (c->group != 0) /* one group of three channels is all there is */
            return exception_answer(m, SC_NBR_NOT_IMPLEMENTED, c->code, out);
        return parameters_answer(m, c, local_now_ms, out);
    case SC_NBR_REGISTERS_CURRENT:
    case SC_NBR_REGISTERS_PREVIOUS:
        return registers_answer(m, c->code, out);
    case SC_NBR_MEMORY_CURRENT:
    case SC_NBR_MEMORY_PREVIOUS:
    case SC_NBR_MEMORY_ALL:
        return memory_answer(m, c->code, out);
    case SC_NBR_SET_DATE:
    case SC_NBR_SET_TIME:
        return authenticated ? clock_answer(m, c, now_ms, out) : session_required(m, out);
    case SC_NBR_VENDOR:
        return vendor_answer(m, c, authenticated, out);
    default:
        return exception_answer(m, SC_NBR_NOT_IMPLEMENTED, c->code, out);
    }
}

sc_err meter_nbr_answer(struct sc_meter *m, int64_t now_ms, struct sc_slice command, bool authenticated,
                        struct sc_buf *replies_out)
{
    struct sc_nbr_command c;
    const size_t begin = replies_out->size;
    SC_TRY(sc_nbr_command_decode(command, &c));
    const sc_err err = answer(m, &c, now_ms, authenticated, replies_out);
    if (err != SC_OK)
        replies_out->size = begin;
    return err;
}
