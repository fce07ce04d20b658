#include "metering/messages.h"

#include <math.h>

/* Which kind travels in which envelope, and which way (docs/formats/envelope.md, table 2). */
enum { TO_METER = 1, FROM_METER = 2 };
static const struct place {
    enum sc_message_kind kind;
    enum sc_envelope_type type;
    unsigned way;
} places[] = {
    {SC_MESSAGE_HELLO, SC_ENVELOPE_HELLO, FROM_METER},
    {SC_MESSAGE_READINGS, SC_ENVELOPE_NOTIFY, FROM_METER},
    {SC_MESSAGE_READINGS, SC_ENVELOPE_REPLY, FROM_METER},
    {SC_MESSAGE_ACK, SC_ENVELOPE_ACK, TO_METER},
    {SC_MESSAGE_GAP_REQUEST, SC_ENVELOPE_REQUEST, TO_METER},
    {SC_MESSAGE_NBR_COMMAND, SC_ENVELOPE_REQUEST, TO_METER},
    {SC_MESSAGE_NBR_REPLY, SC_ENVELOPE_REPLY, FROM_METER},
    {SC_MESSAGE_CLOCK_REQUEST, SC_ENVELOPE_REQUEST, TO_METER},
    {SC_MESSAGE_CLOCK_REPLY, SC_ENVELOPE_REPLY, FROM_METER},
    {SC_MESSAGE_LOAD_COMMAND, SC_ENVELOPE_LOAD_COMMAND, TO_METER},
    {SC_MESSAGE_LOAD_RESULT, SC_ENVELOPE_LOAD_RESULT, FROM_METER},
    {SC_MESSAGE_ERROR, SC_ENVELOPE_ERROR, TO_METER | FROM_METER},
};

static bool kind_fits(enum sc_message_kind kind, enum sc_envelope_type type, bool to_meter)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].kind == kind && places[i].type == type)
            return (places[i].way & (to_meter ? TO_METER : FROM_METER)) != 0;
    }
    return false;
}

/* ---- names ---- */
const char *sc_load_action_name(enum sc_load_action action)
{
    static const char *const names[] = {"?", "disconnect", "reconnect", "arm", "query"};
    return (size_t)action < sizeof names / sizeof names[0] ? names[action] : names[0];
}

const char *sc_load_state_name(enum sc_load_state state)
{
    static const char *const names[] = {"?", "connected", "disconnected", "armed"};
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : names[0];
}

const char *sc_load_code_name(enum sc_load_code code)
{
    static const char *const names[] = {"done", "refused: signature", "refused: too early", "refused: expired",
                                        "refused: order number used"};
    return (size_t)code < sizeof names / sizeof names[0] ? names[code] : "?";
}

/* ---- small fields ---- */
static sc_err get_i64(struct sc_reader *r, int64_t *out)
{
    uint64_t v;
    SC_TRY(sc_reader_get_u64be(r, &v));
    *out = (int64_t)v;
    return SC_OK;
}

/* One octet inside [min, max]. */
static sc_err get_ranged(struct sc_reader *r, unsigned min, unsigned max, unsigned *out)
{
    uint8_t v;
    SC_TRY(sc_reader_get_u8(r, &v));
    if (v < min || v > max)
        return SC_E_MALFORMED;
    *out = v;
    return SC_OK;
}

static sc_err get_signature(struct sc_reader *r, struct sc_slice *out)
{
    SC_TRY(sc_reader_get_lv16(r, out));
    return out->size == 0 || out->size > SC_SIGNATURE_SIZE_MAX ? SC_E_MALFORMED : SC_OK;
}

/* ---- readings ---- */
void sc_readings_put(struct sc_slice statement, struct sc_slice signature, struct sc_buf *items)
{
    SC_ASSERT(statement.size == SC_READING_STATEMENT_SIZE && signature.size <= SC_SIGNATURE_SIZE_MAX);
    sc_buf_put_bytes(items, statement);
    sc_buf_put_lv16(items, signature);
}

sc_err sc_readings_next(struct sc_reader *r, struct sc_signed_reading *out)
{
    struct sc_reader ahead = *r;
    struct sc_signed_reading v;
    if (sc_reader_left(&ahead) == 0)
        return SC_E_NOT_FOUND;
    SC_TRY(sc_reader_get_bytes(&ahead, SC_READING_STATEMENT_SIZE, &v.statement));
    SC_TRY(get_signature(&ahead, &v.signature));
    *r = ahead;
    *out = v;
    return SC_OK;
}

static sc_err readings_get(struct sc_reader *r, struct sc_message_readings *out)
{
    SC_TRY(sc_reader_get_u16be(r, &out->count));
    if (out->count > SC_READINGS_COUNT_MAX)
        return SC_E_LIMIT;
    out->items = sc_slice_of(r->cur, sc_reader_left(r));
    for (unsigned i = 0; i < out->count; i++) {
        struct sc_signed_reading item;
        const sc_err err = sc_readings_next(r, &item);
        if (err != SC_OK)
            return SC_E_MALFORMED; /* also "no more": the count said otherwise */
    }
    return SC_OK;
}

/* ---- load control ---- */
static const uint8_t order_magic[5] = {'S', 'C', 'L', 'O', 1};

void sc_load_order_encode(const struct sc_load_order *order, struct sc_buf *out)
{
    const size_t operator_size = strnlen(order->operator_id, SC_OPERATOR_ID_SIZE);
    SC_ASSERT(operator_size < SC_OPERATOR_ID_SIZE);
    sc_buf_put_bytes(out, sc_slice_of(order_magic, sizeof order_magic));
    sc_buf_put_u32be(out, order->meter);
    sc_buf_put_u64be(out, order->order_id);
    sc_buf_put_u8(out, (uint8_t)order->action);
    sc_buf_put_u8(out, (uint8_t)order->reason);
    sc_buf_put_u64be(out, (uint64_t)order->not_before_ms);
    sc_buf_put_u64be(out, (uint64_t)order->not_after_ms);
    sc_buf_put_u8(out, (uint8_t)operator_size);
    sc_buf_put_bytes(out, sc_slice_of(order->operator_id, operator_size));
}

static sc_err operator_get(struct sc_reader *r, char out[static SC_OPERATOR_ID_SIZE])
{
    uint8_t size;
    SC_TRY(sc_reader_get_u8(r, &size));
    if (size >= SC_OPERATOR_ID_SIZE)
        return SC_E_LIMIT;
    SC_TRY(sc_reader_copy(r, out, size));
    out[size] = '\0';
    for (size_t i = 0; i < size; i++) {
        if (out[i] < 0x20 || out[i] > 0x7e)
            return SC_E_MALFORMED;
    }
    return SC_OK;
}

sc_err sc_load_order_decode(struct sc_slice statement, struct sc_load_order *out)
{
    struct sc_reader r = sc_reader_of(statement);
    struct sc_load_order v = {0};
    struct sc_slice head;
    unsigned action;
    unsigned reason;
    SC_TRY(sc_reader_get_bytes(&r, sizeof order_magic, &head));
    if (memcmp(head.ptr, order_magic, sizeof order_magic) != 0)
        return SC_E_MALFORMED;
    SC_TRY(sc_reader_get_u32be(&r, &v.meter));
    SC_TRY(sc_reader_get_u64be(&r, &v.order_id));
    SC_TRY(get_ranged(&r, SC_LOAD_DISCONNECT, SC_LOAD_QUERY, &action));
    SC_TRY(get_ranged(&r, SC_LOAD_REASON_OTHER, SC_LOAD_REASON_COUNT - 1, &reason));
    SC_TRY(get_i64(&r, &v.not_before_ms));
    SC_TRY(get_i64(&r, &v.not_after_ms));
    SC_TRY(operator_get(&r, v.operator_id));
    SC_TRY(sc_reader_expect_end(&r));
    if (v.meter > SC_METER_SERIAL_MAX || v.order_id == 0 || v.not_before_ms > v.not_after_ms)
        return SC_E_MALFORMED;
    v.action = (enum sc_load_action)action;
    v.reason = (enum sc_load_reason)reason;
    *out = v;
    return SC_OK;
}

static sc_err load_command_get(struct sc_reader *r, struct sc_message_load_command *out)
{
    struct sc_load_order order;
    SC_TRY(sc_reader_get_lv16(r, &out->statement));
    SC_TRY(get_signature(r, &out->signature));
    return sc_load_order_decode(out->statement, &order);
}

static sc_err load_result_get(struct sc_reader *r, struct sc_message_load_result *out)
{
    unsigned action;
    unsigned code;
    unsigned before;
    unsigned after;
    SC_TRY(sc_reader_get_u64be(r, &out->order_id));
    SC_TRY(get_ranged(r, SC_LOAD_DISCONNECT, SC_LOAD_QUERY, &action));
    SC_TRY(get_ranged(r, SC_LOAD_DONE, SC_LOAD_REFUSED_ORDER, &code));
    SC_TRY(get_ranged(r, SC_LOAD_CONNECTED, SC_LOAD_ARMED, &before));
    SC_TRY(get_ranged(r, SC_LOAD_CONNECTED, SC_LOAD_ARMED, &after));
    SC_TRY(sc_reader_get_f32be(r, &out->current_a));
    SC_TRY(get_i64(r, &out->done_ms));
    out->action = (enum sc_load_action)action;
    out->code = (enum sc_load_code)code;
    out->before = (enum sc_load_state)before;
    out->after = (enum sc_load_state)after;
    return isfinite(out->current_a) ? SC_OK : SC_E_MALFORMED;
}

/* ---- the other kinds ---- */
static sc_err hello_get(struct sc_reader *r, struct sc_message_hello *out)
{
    SC_TRY(sc_reader_get_u64be(r, &out->oldest_sequence));
    SC_TRY(sc_reader_get_u64be(r, &out->newest_sequence));
    SC_TRY(sc_reader_get_u64be(r, &out->acked_sequence));
    SC_TRY(get_i64(r, &out->clock_ms));
    SC_TRY(sc_reader_get_u32be(r, &out->interval_s));
    SC_TRY(sc_reader_get_lv16(r, &out->certificate));
    if (out->certificate.size > SC_CERTIFICATE_MAX)
        return SC_E_LIMIT;
    if (out->oldest_sequence > out->newest_sequence || out->acked_sequence > out->newest_sequence ||
        out->interval_s < 60 || out->interval_s > 86400)
        return SC_E_MALFORMED;
    return SC_OK;
}

static sc_err ack_get(struct sc_reader *r, struct sc_message_ack *out)
{
    SC_TRY(sc_reader_get_u64be(r, &out->up_to));
    SC_TRY(sc_reader_get_u16be(r, &out->extra_count));
    if (out->extra_count > SC_ACK_EXTRA_MAX)
        return SC_E_LIMIT;
    for (unsigned i = 0; i < out->extra_count; i++)
        SC_TRY(sc_reader_get_u64be(r, &out->extra[i]));
    return SC_OK;
}

static sc_err gap_request_get(struct sc_reader *r, struct sc_message_gap_request *out)
{
    SC_TRY(sc_reader_get_u64be(r, &out->from));
    SC_TRY(sc_reader_get_u64be(r, &out->to));
    return out->from == 0 || out->from > out->to ? SC_E_MALFORMED : SC_OK;
}

static sc_err nbr_reply_get(struct sc_reader *r, struct sc_message_nbr_reply *out)
{
    SC_TRY(sc_reader_get_u16be(r, &out->block_count));
    if (out->block_count == 0)
        return SC_E_MALFORMED;
    if (out->block_count > SC_NBR_BLOCKS_MAX)
        return SC_E_LIMIT;
    return sc_reader_get_bytes(r, out->block_count * SC_NBR_REPLY_SIZE, &out->blocks);
}

static sc_err clock_get(struct sc_reader *r, struct sc_message_clock *out)
{
    unsigned set;
    SC_TRY(get_ranged(r, 0, 1, &set));
    SC_TRY(get_i64(r, &out->clock_ms));
    out->set = set != 0;
    return SC_OK;
}

static sc_err error_get(struct sc_reader *r, struct sc_message_error *out)
{
    unsigned code;
    SC_TRY(get_ranged(r, 1, -SC_E_UNSUPPORTED, &code));
    SC_TRY(sc_reader_get_lv16(r, &out->text));
    out->code = (sc_err)(-(int)code);
    return out->text.size > SC_ERROR_TEXT_MAX ? SC_E_LIMIT : SC_OK;
}

static sc_err body_get(struct sc_reader *r, struct sc_message *m)
{
    switch (m->kind) {
    case SC_MESSAGE_HELLO:
        return hello_get(r, &m->hello);
    case SC_MESSAGE_READINGS:
        return readings_get(r, &m->readings);
    case SC_MESSAGE_ACK:
        return ack_get(r, &m->ack);
    case SC_MESSAGE_GAP_REQUEST:
        return gap_request_get(r, &m->gap_request);
    case SC_MESSAGE_NBR_COMMAND:
        return sc_reader_copy(r, m->nbr_command.frame, sizeof m->nbr_command.frame);
    case SC_MESSAGE_NBR_REPLY:
        return nbr_reply_get(r, &m->nbr_reply);
    case SC_MESSAGE_CLOCK_REQUEST:
    case SC_MESSAGE_CLOCK_REPLY:
        return clock_get(r, &m->clock);
    case SC_MESSAGE_LOAD_COMMAND:
        return load_command_get(r, &m->load_command);
    case SC_MESSAGE_LOAD_RESULT:
        return load_result_get(r, &m->load_result);
    case SC_MESSAGE_ERROR:
        return error_get(r, &m->error);
    }
    return SC_E_MALFORMED;
}

sc_err sc_message_decode(enum sc_envelope_type type, bool to_meter, struct sc_slice payload, struct sc_message *out)
{
    struct sc_reader r = sc_reader_of(payload);
    struct sc_message m = {0};
    uint8_t kind;
    SC_TRY(sc_reader_get_u8(&r, &kind));
    if (!kind_fits((enum sc_message_kind)kind, type, to_meter))
        return SC_E_MALFORMED;
    m.kind = (enum sc_message_kind)kind;
    SC_TRY(body_get(&r, &m));
    SC_TRY(sc_reader_expect_end(&r));
    if (m.kind == SC_MESSAGE_READINGS && type == SC_ENVELOPE_NOTIFY && m.readings.count == 0)
        return SC_E_MALFORMED; /* only an answer may be empty */
    *out = m;
    return SC_OK;
}

/* ---- encoding ---- */
static void hello_put(const struct sc_message_hello *v, struct sc_buf *out)
{
    sc_buf_put_u64be(out, v->oldest_sequence);
    sc_buf_put_u64be(out, v->newest_sequence);
    sc_buf_put_u64be(out, v->acked_sequence);
    sc_buf_put_u64be(out, (uint64_t)v->clock_ms);
    sc_buf_put_u32be(out, v->interval_s);
    sc_buf_put_lv16(out, v->certificate);
}

static void ack_put(const struct sc_message_ack *v, struct sc_buf *out)
{
    SC_ASSERT(v->extra_count <= SC_ACK_EXTRA_MAX);
    sc_buf_put_u64be(out, v->up_to);
    sc_buf_put_u16be(out, v->extra_count);
    for (unsigned i = 0; i < v->extra_count; i++)
        sc_buf_put_u64be(out, v->extra[i]);
}

static void load_result_put(const struct sc_message_load_result *v, struct sc_buf *out)
{
    sc_buf_put_u64be(out, v->order_id);
    sc_buf_put_u8(out, (uint8_t)v->action);
    sc_buf_put_u8(out, (uint8_t)v->code);
    sc_buf_put_u8(out, (uint8_t)v->before);
    sc_buf_put_u8(out, (uint8_t)v->after);
    sc_buf_put_f32be(out, v->current_a);
    sc_buf_put_u64be(out, (uint64_t)v->done_ms);
}

static void error_put(const struct sc_message_error *v, struct sc_buf *out)
{
    SC_ASSERT(v->code < 0 && v->code >= SC_E_UNSUPPORTED);
    sc_buf_put_u8(out, (uint8_t)-v->code);
    sc_buf_put_lv16(out, sc_slice_of(v->text.ptr, v->text.size < SC_ERROR_TEXT_MAX ? v->text.size : SC_ERROR_TEXT_MAX));
}

void sc_message_encode(const struct sc_message *m, struct sc_buf *out)
{
    sc_buf_put_u8(out, (uint8_t)m->kind);
    switch (m->kind) {
    case SC_MESSAGE_HELLO:
        hello_put(&m->hello, out);
        break;
    case SC_MESSAGE_READINGS:
        sc_buf_put_u16be(out, m->readings.count);
        sc_buf_put_bytes(out, m->readings.items);
        break;
    case SC_MESSAGE_ACK:
        ack_put(&m->ack, out);
        break;
    case SC_MESSAGE_GAP_REQUEST:
        sc_buf_put_u64be(out, m->gap_request.from);
        sc_buf_put_u64be(out, m->gap_request.to);
        break;
    case SC_MESSAGE_NBR_COMMAND:
        sc_buf_put_bytes(out, sc_slice_of(m->nbr_command.frame, sizeof m->nbr_command.frame));
        break;
    case SC_MESSAGE_NBR_REPLY:
        SC_ASSERT(m->nbr_reply.blocks.size == m->nbr_reply.block_count * SC_NBR_REPLY_SIZE);
        sc_buf_put_u16be(out, m->nbr_reply.block_count);
        sc_buf_put_bytes(out, m->nbr_reply.blocks);
        break;
    case SC_MESSAGE_CLOCK_REQUEST:
    case SC_MESSAGE_CLOCK_REPLY:
        sc_buf_put_u8(out, m->clock.set ? 1 : 0);
        sc_buf_put_u64be(out, (uint64_t)m->clock.clock_ms);
        break;
    case SC_MESSAGE_LOAD_COMMAND:
        sc_buf_put_lv16(out, m->load_command.statement);
        sc_buf_put_lv16(out, m->load_command.signature);
        break;
    case SC_MESSAGE_LOAD_RESULT:
        load_result_put(&m->load_result, out);
        break;
    case SC_MESSAGE_ERROR:
        error_put(&m->error, out);
        break;
    }
}
