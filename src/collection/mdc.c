#include "collection/mdc.h"

#include "base/u32map.h"
#include "collection/seqset.h"

#define GAP_WAIT_US     ((int64_t)400000) /* messages overtake each other; a hole must stand this long to count */
#define GAP_RETRY_US    ((int64_t)2000000)
#define GAP_REQUEST_MAX SC_READINGS_COUNT_MAX

struct meter {
    uint32_t serial;
    uint64_t client_id;
    void *route;
    struct sc_seqset known;  /* stored or being written */
    struct sc_seqset stored; /* and what the meter has lost: both need not be asked for or repeated any more */
    bool ack_due;
    struct sc_seq_range gap; /* the hole being watched; from 0: none */
    int64_t gap_since_us;
    int64_t gap_asked_us;    /* 0: not yet */
    uint32_t gap_request_id; /* of the last request; 0: none */
    uint64_t gap_request_to;
    struct meter *next_due; /* list of those with something to say */
    bool in_due;
};

struct sc_mdc {
    struct sc_u32map meters;
    struct meter *due;
    uint32_t last_message_id;
    struct sc_buf payload;
    struct sc_mdc_stats stats;
};

sc_err sc_mdc_new(struct sc_mdc **out)
{
    struct sc_mdc *mdc = calloc(1, sizeof *mdc);
    if (mdc == NULL)
        return SC_E_NOMEM;
    uint32_t seed;
    sc_random(&seed, sizeof seed);
    sc_u32map_init(&mdc->meters, seed);
    *out = mdc;
    return SC_OK;
}

void sc_mdc_free(struct sc_mdc *mdc)
{
    if (mdc == NULL)
        return;
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&mdc->meters, &i)) != NULL;) {
        struct meter *m = slot->value;
        sc_seqset_deinit(&m->known);
        sc_seqset_deinit(&m->stored);
        free(m);
    }
    sc_u32map_deinit(&mdc->meters);
    sc_buf_deinit(&mdc->payload);
    free(mdc);
}

void sc_mdc_freep(struct sc_mdc **mdc)
{
    sc_mdc_free(*mdc);
}

static struct meter *meter_of(struct sc_mdc *mdc, uint32_t serial, uint64_t client_id)
{
    struct meter *m = sc_u32map_get(&mdc->meters, serial);
    if (m == NULL) {
        m = calloc(1, sizeof *m);
        if (m == NULL || sc_u32map_put(&mdc->meters, serial, m) != SC_OK) {
            free(m);
            return NULL;
        }
        m->serial = serial;
        mdc->stats.meter_count++;
    }
    m->client_id = client_id;
    return m;
}

static void mark_due(struct sc_mdc *mdc, struct meter *m)
{
    if (m->in_due)
        return;
    m->in_due = true;
    m->next_due = mdc->due;
    mdc->due = m;
}

/* Watches the first hole; a new one starts its own clock. */
static void gap_watch(struct sc_mdc *mdc, struct meter *m, int64_t now_us)
{
    struct sc_seq_range gap;
    if (!sc_seqset_gap(&m->stored, &gap)) {
        m->gap = (struct sc_seq_range){0};
        return;
    }
    if (m->gap.from != gap.from) {
        m->gap_since_us = now_us;
        m->gap_asked_us = 0;
    }
    m->gap = gap;
    mark_due(mdc, m);
}

sc_err sc_mdc_restore_prefix(struct sc_mdc *mdc, uint32_t meter, uint64_t client_id, uint64_t sequence)
{
    struct meter *m = meter_of(mdc, meter, client_id);
    if (m == NULL)
        return SC_E_NOMEM;
    m->known.prefix = sequence;
    m->stored.prefix = sequence;
    mdc->stats.stored_count += sequence;
    return SC_OK;
}

sc_err sc_mdc_restore(struct sc_mdc *mdc, uint32_t meter, uint64_t client_id, uint64_t sequence)
{
    struct meter *m = meter_of(mdc, meter, client_id);
    if (m == NULL)
        return SC_E_NOMEM;
    SC_TRY(sc_seqset_add(&m->known, sequence));
    SC_TRY(sc_seqset_add(&m->stored, sequence));
    mdc->stats.stored_count++;
    gap_watch(mdc, m, 0);
    return SC_OK;
}

/* ---- in ---- */
static sc_err reading_in(struct sc_mdc *mdc, struct meter *m, const struct sc_signed_reading *item, bool was_asked,
                         const struct sc_mdc_sink *sink)
{
    struct sc_mdc_row row = {.client_id = m->client_id};
    if (sc_reading_decode(item->statement, &row.reading) != SC_OK || row.reading.meter != m->serial ||
        item->signature.size > sizeof row.signature) {
        mdc->stats.malformed_count++;
        return SC_OK;
    }
    const sc_err err = sc_seqset_add(&m->known, row.reading.sequence);
    if (err == SC_E_EXISTS) {
        mdc->stats.duplicate_count++;
        m->ack_due = true; /* the meter repeats because it did not hear us */
        return SC_OK;
    }
    if (err == SC_E_USAGE) { /* no number that a meter can have reached */
        mdc->stats.malformed_count++;
        return SC_OK;
    }
    if (err == SC_E_LIMIT) {
        mdc->stats.overflow_count++;
        return SC_OK;
    }
    SC_TRY(err);
    memcpy(row.signature, item->signature.ptr, item->signature.size);
    row.signature_size = item->signature.size;
    mdc->stats.new_count++;
    mdc->stats.gap_filled_count += was_asked;
    return sink->row(sink->arg, &row);
}

/* The meter answered the request of a hole with nothing: its memory has been written over.  Without this the hole would
 * be asked for for ever, and everything beyond the reach of an acknowledgement repeated for ever. */
static void gap_lost(struct sc_mdc *mdc, struct meter *m, int64_t now_us)
{
    m->gap_request_id = 0;
    mdc->stats.lost_count += sc_seqset_fill(&m->stored, m->gap_request_to);
    m->ack_due = true;
    gap_watch(mdc, m, now_us);
}

static sc_err readings_in(struct sc_mdc *mdc, struct meter *m, const struct sc_headend_frame *f,
                          const struct sc_message_readings *readings, int64_t now_us, const struct sc_mdc_sink *sink)
{
    struct sc_reader r = sc_reader_of(readings->items);
    struct sc_signed_reading item;
    const bool was_asked = f->type == SC_ENVELOPE_REPLY;
    if (was_asked && readings->count == 0 && f->correlation_id != 0 && f->correlation_id == m->gap_request_id)
        gap_lost(mdc, m, now_us);
    while (sc_readings_next(&r, &item) == SC_OK)
        SC_TRY(reading_in(mdc, m, &item, was_asked, sink));
    return SC_OK;
}

sc_err sc_mdc_receive(struct sc_mdc *mdc, struct sc_slice wire, void *route, int64_t now_us,
                      const struct sc_mdc_sink *sink)
{
    struct sc_headend_frame f;
    struct sc_message msg;
    sc_err err = sc_headend_decode(wire, &f);
    if (err == SC_OK && f.to_meter)
        err = SC_E_MALFORMED;
    if (err == SC_OK)
        err = sc_message_decode(f.type, false, f.payload, &msg);
    if (err != SC_OK) {
        mdc->stats.malformed_count++;
        return err;
    }
    struct meter *m = meter_of(mdc, f.meter, f.client_id);
    if (m == NULL)
        return SC_E_NOMEM;
    m->route = route;
    switch (msg.kind) {
    case SC_MESSAGE_READINGS:
        SC_TRY(readings_in(mdc, m, &f, &msg.readings, now_us, sink));
        break;
    case SC_MESSAGE_HELLO:
        m->ack_due = true; /* tells the meter where to go on */
        break;
    default:
        if (sink->other != NULL)
            sink->other(sink->arg, &f, &msg);
        break;
    }
    if (m->ack_due || m->gap.from != 0)
        mark_due(mdc, m);
    return SC_OK;
}

void sc_mdc_stored(struct sc_mdc *mdc, uint32_t serial, uint64_t sequence, int64_t now_us)
{
    struct meter *m = sc_u32map_get(&mdc->meters, serial);
    SC_ASSERT(m != NULL);
    if (sc_seqset_add(&m->stored, sequence) != SC_OK)
        return; /* twice, or beyond the holes we keep: then the meter repeats it and is acknowledged later */
    mdc->stats.stored_count++;
    m->ack_due = true;
    mark_due(mdc, m);
    gap_watch(mdc, m, now_us);
}

/* ---- out ---- */
static bool send_message(struct sc_mdc *mdc, const struct meter *m, enum sc_envelope_type type,
                         const struct sc_message *msg, const struct sc_mdc_sink *sink, uint32_t *message_id_out)
{
    if (m->route == NULL)
        return false;
    sc_buf_reset(&mdc->payload);
    sc_message_encode(msg, &mdc->payload);
    if (sc_buf_status(&mdc->payload) != SC_OK)
        return false;
    const struct sc_headend_frame f = {.to_meter = true,
                                       .meter = m->serial,
                                       .type = type,
                                       .message_id = ++mdc->last_message_id,
                                       .payload = sc_buf_slice(&mdc->payload)};
    *message_id_out = f.message_id;
    return sink->send(sink->arg, m->route, &f);
}

static void send_ack(struct sc_mdc *mdc, struct meter *m, const struct sc_mdc_sink *sink)
{
    struct sc_message msg = {.kind = SC_MESSAGE_ACK, .ack = {.up_to = m->stored.prefix}};
    for (size_t i = 0; i < m->stored.range_count; i++)
        for (uint64_t seq = m->stored.range[i].from;
             seq <= m->stored.range[i].to && msg.ack.extra_count < SC_ACK_EXTRA_MAX; seq++)
            msg.ack.extra[msg.ack.extra_count++] = seq;
    uint32_t id;
    if (send_message(mdc, m, SC_ENVELOPE_ACK, &msg, sink, &id))
        m->ack_due = false;
}

static void ask_gap(struct sc_mdc *mdc, struct meter *m, int64_t now_us, const struct sc_mdc_sink *sink)
{
    const bool due =
        m->gap_asked_us == 0 ? now_us - m->gap_since_us >= GAP_WAIT_US : now_us - m->gap_asked_us >= GAP_RETRY_US;
    if (m->gap.from == 0 || !due)
        return;
    struct sc_message msg = {.kind = SC_MESSAGE_GAP_REQUEST, .gap_request = {m->gap.from, m->gap.to}};
    if (msg.gap_request.to - msg.gap_request.from >= GAP_REQUEST_MAX)
        msg.gap_request.to = msg.gap_request.from + GAP_REQUEST_MAX - 1;
    uint32_t id;
    if (send_message(mdc, m, SC_ENVELOPE_REQUEST, &msg, sink, &id)) {
        mdc->stats.gap_count += m->gap_asked_us == 0;
        m->gap_asked_us = now_us;
        m->gap_request_id = id;
        m->gap_request_to = msg.gap_request.to;
        mdc->stats.gap_request_count++;
    }
}

void sc_mdc_speak(struct sc_mdc *mdc, int64_t now_us, const struct sc_mdc_sink *sink)
{
    struct meter *list = mdc->due;
    mdc->due = NULL;
    while (list != NULL) {
        struct meter *m = list;
        list = m->next_due;
        m->in_due = false;
        if (m->ack_due)
            send_ack(mdc, m, sink);
        ask_gap(mdc, m, now_us, sink);
        if (m->gap.from != 0 && m->route != NULL)
            mark_due(mdc, m);
    }
}

void sc_mdc_route_gone(struct sc_mdc *mdc, const void *route)
{
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&mdc->meters, &i)) != NULL;) {
        struct meter *m = slot->value;
        if (m->route == route)
            m->route = NULL;
    }
}

sc_err sc_mdc_send(struct sc_mdc *mdc, uint32_t meter, enum sc_envelope_type type, const struct sc_message *msg,
                   const struct sc_mdc_sink *sink, uint32_t *message_id_out)
{
    const struct meter *m = sc_u32map_get(&mdc->meters, meter);
    if (m == NULL || !send_message(mdc, m, type, msg, sink, message_id_out))
        return SC_E_AGAIN;
    return SC_OK;
}

void sc_mdc_stats(const struct sc_mdc *mdc, struct sc_mdc_stats *out)
{
    *out = mdc->stats;
}
