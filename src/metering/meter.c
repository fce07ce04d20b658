#include "metering/meter_internal.h"

#include <math.h>

#define DAY_MS          INT64_C(86400000)
#define MEMORY_DAYS     40
#define REPORT_MAX      32
#define RETRANSMIT_MS   30000
#define SKIP_MAX_MS     (366 * DAY_MS)
#define ANSWER_SIZE_MAX ((size_t)1024) /* larger answers only read; repeating the request costs nothing but work */
#define KE_MIN          0.01
#define KE_MAX          9999.99

/* ---- making ---- */
static size_t signature_size_max(enum sc_sign_alg alg)
{
    return alg == SC_SIGN_RSA2048 ? 256 : 72; /* Ed25519 64, P-256 in DER at most 72 */
}

static sc_err options_check(const struct sc_meter_options *opt, struct sc_diag *diag)
{
    if (opt->serial == 0 || opt->serial > SC_METER_SERIAL_MAX)
        return sc_fail(diag, SC_E_USAGE, "meter serial %u: 1..99999999", opt->serial);
    if (opt->signer == NULL)
        return sc_fail(diag, SC_E_USAGE, "meter %08u: no metrology key", opt->serial);
    if (opt->interval_s < 60 || opt->interval_s > 86400 || 86400 % opt->interval_s != 0)
        return sc_fail(diag, SC_E_USAGE, "meter %08u: interval of %u s (60..86400, dividing the day)", opt->serial,
                       opt->interval_s);
    if (opt->memory_readings > SC_METER_MEMORY_MAX || opt->report_max > SC_READINGS_COUNT_MAX)
        return sc_fail(diag, SC_E_USAGE, "meter %08u: memory of %zu readings, %zu a report", opt->serial,
                       opt->memory_readings, opt->report_max);
    if (opt->certificate.size > SC_CERTIFICATE_MAX)
        return sc_fail(diag, SC_E_USAGE, "meter %08u: certificate of %zu bytes", opt->serial, opt->certificate.size);
    if (opt->ke != 0 && !(opt->ke >= KE_MIN && opt->ke <= KE_MAX))
        return sc_fail(diag, SC_E_USAGE, "meter %08u: Ke %g Wh per pulse", opt->serial, opt->ke);
    return SC_OK;
}

static void defaults_set(struct sc_meter *m)
{
    struct sc_meter_options *o = &m->opt;
    if (o->memory_readings == 0)
        o->memory_readings = (size_t)MEMORY_DAYS * 86400 / o->interval_s;
    if (o->memory_readings > SC_METER_MEMORY_MAX)
        o->memory_readings = SC_METER_MEMORY_MAX;
    if (o->report_max == 0)
        o->report_max = REPORT_MAX;
    if (o->retransmit_ms == 0)
        o->retransmit_ms = RETRANSMIT_MS;
    /* 12 bits hold an interval at half more than the rated load */
    const double interval_wh_max = 1.5 * o->electrical.rated_kw * 1000.0 * o->interval_s / 3600.0;
    m->ke = o->ke != 0 ? o->ke : fmin(fmax(ceil(interval_wh_max / SC_NBR_WORD_MAX), 1.0), floor(KE_MAX));
}

sc_err sc_meter_new(const struct sc_meter_options *opt, struct sc_meter **out, struct sc_diag *diag)
{
    SC_TRY(options_check(opt, diag));
    SC_CLEANUP(sc_meter_freep) struct sc_meter *m = calloc(1, sizeof *m);
    if (m == NULL)
        return SC_E_NOMEM;
    m->opt = *opt;
    defaults_set(m);
    if (opt->ephemeral_seed != NULL) {
        m->ephemeral_seed = *opt->ephemeral_seed;
        m->opt.ephemeral_seed = &m->ephemeral_seed;
    }
    sc_buf_put_bytes(&m->certificate, opt->certificate);
    SC_TRY(sc_buf_status(&m->certificate));
    m->opt.certificate = sc_buf_slice(&m->certificate);
    if (sc_electrical_init(&m->electrical, &opt->electrical) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "meter %08u: electrical configuration", opt->serial);
    const size_t raw = sizeof(struct meter_entry) + signature_size_max(sc_signer_alg(opt->signer));
    m->entry_size = (raw + 7) & ~(size_t)7;
    m->entry_count = m->opt.memory_readings;
    m->ring = calloc(m->entry_count, m->entry_size);
    if (m->ring == NULL)
        return sc_fail(diag, SC_E_NOMEM, "meter %08u: memory of %zu readings", opt->serial, m->entry_count);
    m->load = SC_LOAD_CONNECTED;
    *out = SC_TAKE(m);
    return SC_OK;
}

void sc_meter_free(struct sc_meter *m)
{
    if (m == NULL)
        return;
    sc_session_free(m->session);
    for (size_t i = 0; i < METER_ANSWERS; i++)
        sc_buf_deinit(&m->answer[i].payload);
    sc_buf_deinit(&m->certificate);
    sc_buf_wipe(&m->scratch);
    free(m->ring);
    explicit_bzero(m, sizeof *m);
    free(m);
}

void sc_meter_freep(struct sc_meter **m)
{
    sc_meter_free(*m);
}

uint32_t sc_meter_serial(const struct sc_meter *m)
{
    return m->opt.serial;
}

double sc_meter_ke(const struct sc_meter *m)
{
    return m->ke;
}

/* ---- memory ---- */
uint64_t meter_oldest(const struct sc_meter *m)
{
    return m->newest > m->entry_count ? m->newest - m->entry_count + 1 : m->newest != 0 ? 1 : 0;
}

static struct meter_entry *entry_slot(const struct sc_meter *m, uint64_t sequence)
{
    return (struct meter_entry *)(void *)(m->ring + (sequence - 1) % m->entry_count * m->entry_size);
}

struct meter_entry *meter_entry_find(const struct sc_meter *m, uint64_t sequence)
{
    return m->newest == 0 || sequence < meter_oldest(m) || sequence > m->newest ? NULL : entry_slot(m, sequence);
}

/* Moves the "all acknowledged" mark over what is acknowledged or gone. */
static void acked_advance(struct sc_meter *m)
{
    const uint64_t oldest = meter_oldest(m);
    if (oldest != 0 && m->acked + 1 < oldest)
        m->acked = oldest - 1;
    while (m->acked < m->newest && entry_slot(m, m->acked + 1)->acked)
        m->acked++;
}

static sc_err reading_store(struct sc_meter *m, const struct sc_reading *r)
{
    sc_buf_reset(&m->scratch);
    sc_reading_encode(r, &m->scratch);
    SC_TRY(sc_buf_status(&m->scratch));
    SC_ASSERT(m->scratch.size == SC_READING_STATEMENT_SIZE);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    SC_TRY(sc_signer_sign(m->opt.signer, sc_buf_slice(&m->scratch), &signature));
    SC_ASSERT(signature.size <= m->entry_size - sizeof(struct meter_entry));

    struct meter_entry *e = entry_slot(m, r->sequence);
    if (r->sequence > m->entry_count && !e->acked) /* the slot still holds the reading that is pushed out */
        m->lost++;
    *e = (struct meter_entry){.sent_ms = METER_NEVER, .signature_size = (uint16_t)signature.size};
    memcpy(e->statement, m->scratch.ptr, SC_READING_STATEMENT_SIZE);
    memcpy(e->signature, signature.ptr, signature.size);
    m->newest = r->sequence;
    m->newest_start_ms = r->start_ms;
    acked_advance(m);
    return SC_OK;
}

/* ---- measuring ---- */
enum sc_nbr_period meter_period(const struct sc_meter *m, int64_t start_ms)
{
    struct sc_civil c;
    sc_civil_from_ms(start_ms + (int64_t)m->opt.utc_offset_min * 60000, &c);
    const bool weekday = c.weekday >= 1 && c.weekday <= 5;
    return weekday && c.hour >= 18 && c.hour < 21 ? SC_NBR_PEAK : SC_NBR_OFF_PEAK;
}

static void registers_add(struct meter_registers *g, enum sc_nbr_period period, const uint64_t units[static 3])
{
    for (size_t i = 0; i < 3; i++) {
        g->total[i] += units[i];
        g->period[i][period] += units[i];
        g->last_demand[i] = units[i];
        if (units[i] > g->max_demand[i][period])
            g->max_demand[i][period] = units[i];
    }
}

static void measure(struct sc_meter *m, const struct sc_meter_load *load, struct sc_reading *r)
{
    const bool connected = m->load == SC_LOAD_CONNECTED;
    const struct sc_electrical_interval in = {
        .energy_wh = connected ? load->demand_wh : 0,
        .interval_s = m->opt.interval_s,
        .has_reactive = connected && load->has_reactive,
        .inductive_varh = load->inductive_varh,
        .capacitive_varh = load->capacitive_varh,
    };
    uint64_t units[3] = {in.energy_wh, 0, 0};
    sc_electrical_step(&m->electrical, &in, r, &units[1], &units[2]);
    if (!connected)
        units[1] = units[2] = 0;
    registers_add(&m->reg, meter_period(m, r->start_ms), units);
    m->load_current_a = 0;
    for (unsigned i = 0; i < 3; i++)
        m->load_current_a += r->value[SC_ATTR_CURRENT_A_A + i];
}

static sc_err interval_end(struct sc_meter *m, int64_t start_ms, const struct sc_meter_load *load,
                           struct sc_reading *out)
{
    const struct meter_registers before = m->reg;
    struct sc_reading r = {
        .meter = m->opt.serial, .sequence = m->newest + 1, .start_ms = start_ms, .interval_s = m->opt.interval_s};
    if (load != NULL)
        measure(m, load, &r);
    else
        r.status |= SC_READING_STATUS_NOT_MEASURED;
    if (load != NULL && load->tamper)
        r.status |= SC_READING_STATUS_TAMPER;
    if (m->load != SC_LOAD_CONNECTED)
        r.status |= SC_READING_STATUS_DISCONNECTED;
    if (m->clock_was_set)
        r.status |= SC_READING_STATUS_CLOCK_SET;
    for (unsigned i = 0; i < SC_READING_REGISTER_COUNT; i++) {
        r.reg[i] = m->reg.total[i];
        r.validity |= UINT32_C(1) << (SC_READING_FLOAT_COUNT + i);
    }
    const sc_err err = reading_store(m, &r);
    if (err != SC_OK) {
        m->reg = before; /* nothing was counted that no reading tells of */
        return err;
    }
    m->clock_was_set = false;
    if (load != NULL)
        m->last = r;
    *out = r;
    return SC_OK;
}

sc_err sc_meter_interval(struct sc_meter *m, const struct sc_meter_load *load, struct sc_reading *reading_out)
{
    const int64_t step_ms = (int64_t)m->opt.interval_s * 1000;
    const int64_t due_ms = m->newest != 0 ? m->newest_start_ms + step_ms : load->start_ms;
    struct sc_reading r;
    if ((load->start_ms % DAY_MS + DAY_MS) % DAY_MS % step_ms != 0 || load->start_ms < due_ms ||
        load->start_ms - due_ms > SKIP_MAX_MS)
        return SC_E_USAGE;
    for (int64_t skipped_ms = due_ms; skipped_ms < load->start_ms; skipped_ms += step_ms)
        SC_TRY(interval_end(m, skipped_ms, NULL, &r));
    SC_TRY(interval_end(m, load->start_ms, load->measured ? load : NULL, &r));
    if (reading_out != NULL)
        *reading_out = r;
    return SC_OK;
}

static struct sc_signed_reading entry_reading(const struct meter_entry *e)
{
    return (struct sc_signed_reading){sc_slice_of(e->statement, SC_READING_STATEMENT_SIZE),
                                      sc_slice_of(e->signature, e->signature_size)};
}

sc_err sc_meter_stored(const struct sc_meter *m, uint64_t sequence, struct sc_signed_reading *out)
{
    const struct meter_entry *e = meter_entry_find(m, sequence);
    if (e == NULL)
        return SC_E_NOT_FOUND;
    *out = entry_reading(e);
    return SC_OK;
}

void sc_meter_status(const struct sc_meter *m, struct sc_meter_status *out)
{
    struct sc_meter_status s = {
        .oldest = meter_oldest(m),
        .newest = m->newest,
        .acked = m->acked,
        .lost = m->lost,
        .load = m->load,
        .energy_import_wh = m->reg.total[0],
        .energy_inductive_varh = m->reg.total[1],
        .energy_capacitive_varh = m->reg.total[2],
        .in_session = m->session != NULL,
        .clock_offset_ms = m->clock_offset_ms,
    };
    for (uint64_t i = m->acked + 1; i <= m->newest; i++)
        s.unacked += entry_slot(m, i)->acked ? 0 : 1;
    *out = s;
}

/* ---- clock and switch ---- */
sc_err meter_clock_set(struct sc_meter *m, int64_t now_ms, int64_t clock_ms)
{
    /* A clock that could be wound back would let a stale load order or a second reading of one interval look
     * valid. */
    if (clock_ms < 0 || clock_ms > INT64_C(4102444800000) /* 2100 */ ||
        (m->newest != 0 && clock_ms < m->newest_start_ms))
        return SC_E_CONFLICT;
    m->clock_offset_ms = clock_ms - now_ms;
    m->clock_was_set = true;
    return SC_OK;
}

enum sc_load_state meter_switch(struct sc_meter *m, enum sc_load_action action)
{
    if (action == SC_LOAD_DISCONNECT)
        m->load = SC_LOAD_DISCONNECTED;
    else if (action == SC_LOAD_RECONNECT)
        m->load = SC_LOAD_CONNECTED;
    else if (action == SC_LOAD_ARM && m->load == SC_LOAD_DISCONNECTED)
        m->load = SC_LOAD_ARMED;
    return m->load;
}

void sc_meter_button(struct sc_meter *m)
{
    if (m->load == SC_LOAD_ARMED)
        m->load = SC_LOAD_CONNECTED;
}

/* Judges an order; *repeated_out: it is the last one again, already carried out. */
static enum sc_load_code order_judge(const struct sc_meter *m, const struct sc_message_load_command *c,
                                     const struct sc_load_order *order, int64_t clock_ms, bool *repeated_out)
{
    struct sc_hash hash;
    *repeated_out = false;
    if (m->opt.operator_key == NULL || order->meter != m->opt.serial ||
        sc_verifier_check(m->opt.operator_key, c->statement, c->signature) != SC_OK)
        return SC_LOAD_REFUSED_SIGNATURE;
    sc_hash_of(c->statement, &hash);
    if (order->order_id == m->last_order_id && memcmp(&hash, &m->last_order, sizeof hash) == 0) {
        *repeated_out = true;
        return SC_LOAD_DONE;
    }
    if (order->order_id <= m->last_order_id)
        return SC_LOAD_REFUSED_ORDER;
    if (clock_ms < order->not_before_ms)
        return SC_LOAD_REFUSED_EARLY;
    return clock_ms > order->not_after_ms ? SC_LOAD_REFUSED_EXPIRED : SC_LOAD_DONE;
}

static void load_command_handle(struct sc_meter *m, int64_t clock_ms, const struct sc_message_load_command *c,
                                struct sc_message_load_result *out)
{
    struct sc_load_order order;
    bool repeated;
    SC_ASSERT(sc_load_order_decode(c->statement, &order) == SC_OK); /* sc_message_decode() did it before */
    struct sc_message_load_result res = {
        .order_id = order.order_id, .action = order.action, .before = m->load, .after = m->load, .done_ms = clock_ms};
    res.code = order_judge(m, c, &order, clock_ms, &repeated);
    if (repeated) {
        *out = m->last_result;
        return;
    }
    if (res.code == SC_LOAD_DONE) {
        res.after = meter_switch(m, order.action);
        m->last_order_id = order.order_id;
        sc_hash_of(c->statement, &m->last_order);
    }
    res.current_a = res.after == SC_LOAD_CONNECTED ? m->load_current_a : 0;
    if (res.code == SC_LOAD_DONE)
        m->last_result = res;
    *out = res;
}

/* ---- answering ---- */
static void ack_handle(struct sc_meter *m, const struct sc_message_ack *ack)
{
    const uint64_t oldest = meter_oldest(m);
    const uint64_t last =
        ack->up_to < m->newest ? ack->up_to : m->newest; /* nobody acknowledges what is not made yet */
    uint64_t first = m->acked + 1 > oldest ? m->acked + 1 : oldest;
    for (; first != 0 && first <= last; first++)
        entry_slot(m, first)->acked = true;
    for (unsigned i = 0; i < ack->extra_count; i++) {
        struct meter_entry *e = meter_entry_find(m, ack->extra[i]);
        if (e != NULL)
            e->acked = true;
    }
    acked_advance(m);
}

static void gap_collect(struct sc_meter *m, int64_t now_ms, const struct sc_message_gap_request *g,
                        struct sc_message_readings *out, struct sc_buf *items)
{
    const uint64_t oldest = meter_oldest(m);
    const uint64_t to = g->to < m->newest ? g->to : m->newest;
    if (m->newest == 0)
        return;
    for (uint64_t s = g->from > oldest ? g->from : oldest; s <= to && out->count < SC_READINGS_COUNT_MAX; s++) {
        struct meter_entry *e = entry_slot(m, s);
        const struct sc_signed_reading item = entry_reading(e);
        sc_readings_put(item.statement, item.signature, items);
        e->sent_ms = now_ms;
        out->count++;
    }
}

static sc_err gap_handle(struct sc_meter *m, int64_t now_ms, const struct sc_message_gap_request *g,
                         struct sc_buf *payload)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf items = {0};
    struct sc_message reply = {.kind = SC_MESSAGE_READINGS};
    gap_collect(m, now_ms, g, &reply.readings, &items);
    SC_TRY(sc_buf_status(&items));
    reply.readings.items = sc_buf_slice(&items);
    sc_message_encode(&reply, payload);
    return SC_OK;
}

static sc_err nbr_handle(struct sc_meter *m, int64_t now_ms, const struct sc_message_nbr_command *c,
                         struct sc_buf *payload)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf blocks = {0};
    SC_TRY(meter_nbr_answer(m, now_ms, sc_slice_of(c->frame, sizeof c->frame), true, &blocks));
    const struct sc_message reply = {
        .kind = SC_MESSAGE_NBR_REPLY,
        .nbr_reply = {.block_count = (uint16_t)(blocks.size / SC_NBR_REPLY_SIZE), .blocks = sc_buf_slice(&blocks)},
    };
    sc_message_encode(&reply, payload);
    return SC_OK;
}

static sc_err clock_handle(struct sc_meter *m, int64_t now_ms, const struct sc_message_clock *c, struct sc_buf *payload)
{
    if (c->set)
        SC_TRY(meter_clock_set(m, now_ms, c->clock_ms));
    const struct sc_message reply = {.kind = SC_MESSAGE_CLOCK_REPLY,
                                     .clock = {.set = c->set, .clock_ms = now_ms + m->clock_offset_ms}};
    sc_message_encode(&reply, payload);
    return SC_OK;
}

static sc_err request_handle(struct sc_meter *m, int64_t now_ms, const struct sc_message *msg,
                             enum sc_envelope_type *type, struct sc_buf *payload)
{
    struct sc_message result = {.kind = SC_MESSAGE_LOAD_RESULT};
    *type = SC_ENVELOPE_REPLY;
    switch (msg->kind) {
    case SC_MESSAGE_GAP_REQUEST:
        return gap_handle(m, now_ms, &msg->gap_request, payload);
    case SC_MESSAGE_NBR_COMMAND:
        return nbr_handle(m, now_ms, &msg->nbr_command, payload);
    case SC_MESSAGE_CLOCK_REQUEST:
        return clock_handle(m, now_ms, &msg->clock, payload);
    case SC_MESSAGE_LOAD_COMMAND:
        load_command_handle(m, now_ms + m->clock_offset_ms, &msg->load_command, &result.load_result);
        *type = SC_ENVELOPE_LOAD_RESULT;
        sc_message_encode(&result, payload);
        return SC_OK;
    default:
        return SC_E_USAGE; /* a meter's own kind */
    }
}

static void error_answer(sc_err code, const char *text, enum sc_envelope_type *type, struct sc_buf *payload)
{
    const struct sc_message reply = {.kind = SC_MESSAGE_ERROR, .error = {.code = code, .text = sc_slice_str(text)}};
    *type = SC_ENVELOPE_ERROR;
    sc_message_encode(&reply, payload);
}

sc_err sc_meter_handle(struct sc_meter *m, int64_t now_ms, const struct sc_message *msg, bool *answered_out,
                       enum sc_envelope_type *type_out, struct sc_buf *payload_out)
{
    *answered_out = false;
    if (msg->kind == SC_MESSAGE_ACK) {
        ack_handle(m, &msg->ack);
        return SC_OK;
    }
    if (msg->kind == SC_MESSAGE_ERROR) /* an answer to an error could be an answer for ever */
        return SC_OK;
    const size_t begin = payload_out->size;
    const sc_err err = request_handle(m, now_ms, msg, type_out, payload_out);
    if (err == SC_E_NOMEM)
        return err;
    if (err != SC_OK) {
        payload_out->size = begin;
        error_answer(err, sc_err_name(err), type_out, payload_out);
    }
    *answered_out = true;
    return sc_buf_status(payload_out);
}

/* ---- session ---- */
static sc_err session_renew(struct sc_meter *m, int64_t now_ms)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key ephemeral = {0};
    struct sc_session *fresh = NULL;
    struct sc_session_meter_options opt = {.meter = m->opt.serial,
                                           .agreement_key = &m->opt.agreement_key,
                                           .headend = &m->opt.headend,
                                           .opened_ms = now_ms};
    if (m->opt.ephemeral_seed != NULL) {
        uint8_t context[12];
        sc_store_u32be(context, m->opt.serial);
        sc_store_u64be(context + 4, m->session_count);
        SC_TRY(sc_key_derive(&ephemeral, m->opt.ephemeral_seed, "securecloud simulated ephemeral v1",
                             sc_slice_of(context, sizeof context)));
        opt.ephemeral_key = &ephemeral;
    }
    SC_TRY(sc_session_meter_open(&opt, &fresh));
    sc_session_free(m->session);
    m->session = fresh;
    m->session_count++;
    return SC_OK;
}

static uint32_t message_id_next(struct sc_meter *m)
{
    if (++m->message_id == 0)
        m->message_id = 1;
    return m->message_id;
}

sc_err sc_meter_hello(struct sc_meter *m, int64_t now_ms, struct sc_buf *wire_out)
{
    if (m->session == NULL || sc_session_expired(m->session, now_ms))
        SC_TRY(session_renew(m, now_ms));
    const struct sc_message hello = {
        .kind = SC_MESSAGE_HELLO,
        .hello = {.oldest_sequence = meter_oldest(m),
                  .newest_sequence = m->newest,
                  .acked_sequence = m->acked,
                  .clock_ms = now_ms + m->clock_offset_ms,
                  .interval_s = m->opt.interval_s,
                  .certificate = m->opt.certificate},
    };
    sc_buf_reset(&m->scratch);
    sc_message_encode(&hello, &m->scratch);
    SC_TRY(sc_buf_status(&m->scratch));
    return sc_envelope_seal(m->session, SC_ENVELOPE_HELLO, message_id_next(m), 0, sc_buf_slice(&m->scratch), wire_out);
}

static bool entry_is_due(const struct sc_meter *m, const struct meter_entry *e, int64_t now_ms)
{
    return !e->acked &&
           (e->sent_ms == METER_NEVER || now_ms - e->sent_ms >= m->opt.retransmit_ms || now_ms < e->sent_ms);
}

sc_err sc_meter_report(struct sc_meter *m, int64_t now_ms, struct sc_buf *wire_out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf items = {0};
    struct sc_message msg = {.kind = SC_MESSAGE_READINGS};
    uint64_t last = 0;
    if (m->session == NULL)
        return SC_E_USAGE;
    if (sc_session_expired(m->session, now_ms))
        return SC_E_AGAIN;
    for (uint64_t s = m->acked + 1; s <= m->newest && msg.readings.count < m->opt.report_max; s++) {
        const struct meter_entry *e = entry_slot(m, s);
        if (!entry_is_due(m, e, now_ms))
            continue;
        const struct sc_signed_reading item = entry_reading(e);
        sc_readings_put(item.statement, item.signature, &items);
        msg.readings.count++;
        last = s;
    }
    if (msg.readings.count == 0)
        return SC_E_NOT_FOUND;
    SC_TRY(sc_buf_status(&items));
    msg.readings.items = sc_buf_slice(&items);
    sc_buf_reset(&m->scratch);
    sc_message_encode(&msg, &m->scratch);
    SC_TRY(sc_buf_status(&m->scratch));
    SC_TRY(
        sc_envelope_seal(m->session, SC_ENVELOPE_NOTIFY, message_id_next(m), 0, sc_buf_slice(&m->scratch), wire_out));
    for (uint64_t s = m->acked + 1; s <= last; s++) { /* sealed: now they count as sent */
        struct meter_entry *e = entry_slot(m, s);
        if (entry_is_due(m, e, now_ms))
            e->sent_ms = now_ms;
    }
    return SC_OK;
}

void sc_meter_reconnected(struct sc_meter *m)
{
    for (uint64_t s = m->acked + 1; s <= m->newest; s++)
        entry_slot(m, s)->sent_ms = METER_NEVER;
}

/* ---- receiving ---- */
static struct meter_answer *answer_find(struct sc_meter *m, const struct sc_envelope_header *h,
                                        const struct sc_hash *request)
{
    for (size_t i = 0; i < METER_ANSWERS; i++) {
        struct meter_answer *a = &m->answer[i];
        if (a->message_id != 0 && a->message_id == h->message_id && a->instance == h->instance &&
            memcmp(&a->request, request, sizeof *request) == 0)
            return a;
    }
    return NULL;
}

static void answer_keep(struct sc_meter *m, const struct sc_envelope_header *h, const struct sc_hash *request,
                        enum sc_envelope_type type, struct sc_slice payload)
{
    if (h->message_id == 0 || payload.size > ANSWER_SIZE_MAX)
        return;
    struct meter_answer *a = &m->answer[m->answer_next];
    m->answer_next = (m->answer_next + 1) % METER_ANSWERS;
    a->instance = h->instance;
    a->request = *request;
    a->type = type;
    sc_buf_reset(&a->payload);
    sc_buf_put_bytes(&a->payload, payload);
    a->message_id = sc_buf_status(&a->payload) == SC_OK ? h->message_id : 0;
}

static sc_err opened_handle(struct sc_meter *m, int64_t now_ms, const struct sc_envelope_header *h,
                            struct sc_slice plain, struct sc_buf *wire_out)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf payload = {.size_max = SC_ENVELOPE_PAYLOAD_MAX};
    struct sc_message msg;
    struct sc_hash request;
    enum sc_envelope_type type = SC_ENVELOPE_ERROR;
    bool answered = true;
    sc_hash_of(plain, &request);
    const struct meter_answer *kept = answer_find(m, h, &request);
    if (kept != NULL)
        return sc_envelope_seal(m->session, kept->type, message_id_next(m), h->message_id, sc_buf_slice(&kept->payload),
                                wire_out);
    const sc_err err = sc_message_decode(h->type, h->to_meter, plain, &msg);
    if (err != SC_OK && h->type == SC_ENVELOPE_ERROR)
        return SC_OK; /* errors are never answered */
    if (err != SC_OK)
        error_answer(err, "message not understood", &type, &payload);
    else
        SC_TRY(sc_meter_handle(m, now_ms, &msg, &answered, &type, &payload));
    if (!answered)
        return SC_OK;
    answer_keep(m, h, &request, type, sc_buf_slice(&payload));
    return sc_envelope_seal(m->session, type, message_id_next(m), h->message_id, sc_buf_slice(&payload), wire_out);
}

sc_err sc_meter_receive(struct sc_meter *m, int64_t now_ms, struct sc_slice wire, struct sc_buf *wire_out)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {.size_max = SC_ENVELOPE_PAYLOAD_MAX};
    struct sc_envelope_header h;
    if (m->session == NULL)
        return SC_E_CONFLICT;
    SC_TRY(sc_envelope_open(m->session, wire, &h, &plain));
    return opened_handle(m, now_ms, &h, sc_buf_slice(&plain), wire_out);
}

sc_err sc_meter_nbr(struct sc_meter *m, int64_t now_ms, struct sc_slice command, struct sc_buf *replies_out)
{
    return meter_nbr_answer(m, now_ms, command, false, replies_out);
}
