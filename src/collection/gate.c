#include "collection/gate.h"

#include "base/u32map.h"
#include "metering/schema.h"

#define SESSION_COUNT    2 /* the meter's present one, and the one before it while messages are still under way */
#define UNKNOWN_RETRY_MS 5000

struct meter {
    uint32_t serial;
    uint64_t client_id;
    struct sc_verifier *metrology_key; /* NULL: the meter is not known, or its certificate is not acceptable */
    struct sc_dh_public agreement;
    int64_t unknown_until_ms;                  /* do not ask the register again before */
    struct sc_session *session[SESSION_COUNT]; /* newest first */
    void *via;
};

struct sc_gate {
    struct sc_gate_options opt;
    struct sc_u32map meters; /* serial -> struct meter */
    struct sc_buf plain, items, payload;
    size_t known_count;
    uint64_t verified_count;
};

const char *sc_gate_refusal_name(enum sc_gate_refusal why)
{
    static const char *const names[SC_GATE_REFUSAL_COUNT] = {"malformed", "unknown_meter", "not_authentic",
                                                             "replay",    "signature",     "other_meters_number"};
    return names[why];
}

sc_err sc_gate_new(const struct sc_gate_options *opt, struct sc_gate **out)
{
    struct sc_gate *g = calloc(1, sizeof *g);
    if (g == NULL)
        return SC_E_NOMEM;
    g->opt = *opt;
    uint32_t seed;
    sc_random(&seed, sizeof seed);
    sc_u32map_init(&g->meters, seed);
    *out = g;
    return SC_OK;
}

void sc_gate_free(struct sc_gate *g)
{
    if (g == NULL)
        return;
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&g->meters, &i)) != NULL;) {
        struct meter *m = slot->value;
        for (size_t k = 0; k < SESSION_COUNT; k++)
            sc_session_free(m->session[k]);
        sc_verifier_free(m->metrology_key);
        free(m);
    }
    sc_u32map_deinit(&g->meters);
    sc_buf_wipe(&g->plain);
    sc_buf_wipe(&g->items);
    sc_buf_wipe(&g->payload);
    free(g);
}

void sc_gate_freep(struct sc_gate **g)
{
    sc_gate_free(*g);
}

static sc_err refuse(struct sc_gate *g, enum sc_gate_refusal why, uint32_t serial, const char *detail)
{
    g->opt.refused(g->opt.arg, why, serial, detail);
    return SC_E_AUTH;
}

/* ---- the register of meters ---- */
static sc_err meter_accept(struct sc_gate *g, struct meter *m, const struct sc_gate_entry *entry, struct sc_diag *diag)
{
    char urn[SC_METER_URN_SIZE];
    uint32_t serial = 0;
    uint64_t client_id = 0;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    if (entry->agreement.size != sizeof m->agreement.bytes)
        return sc_fail(diag, SC_E_MALFORMED, "agreement key of %zu bytes", entry->agreement.size);
    SC_TRY(sc_cert_from_der(entry->certificate, &cert, diag));
    SC_TRY(sc_cert_verify(cert, g->opt.institute, sc_wall_ms(g->opt.clock), diag));
    SC_TRY(sc_cert_uri(cert, urn, sizeof urn, diag));
    SC_TRY(sc_context(diag, sc_meter_urn_parse(urn, &serial, &client_id), "name \"%s\"", urn));
    if (serial != m->serial)
        return sc_fail(diag, SC_E_AUTH, "its certificate is another meter's: %s", urn);
    SC_TRY(sc_cert_verifier(cert, &m->metrology_key, diag));
    memcpy(m->agreement.bytes, entry->agreement.ptr, sizeof m->agreement.bytes);
    m->client_id = client_id;
    g->known_count++;
    return SC_OK;
}

/* The record of a serial number, made if need be; NULL when there is no room. */
static struct meter *meter_record(struct sc_gate *g, uint32_t serial)
{
    struct meter *m = sc_u32map_get(&g->meters, serial);
    if (m != NULL || g->meters.count >= SC_GATE_METERS_MAX) /* anybody may send any number: bounded */
        return m;
    m = calloc(1, sizeof *m);
    if (m == NULL || sc_u32map_put(&g->meters, serial, m) != SC_OK) {
        free(m);
        return NULL;
    }
    m->serial = serial;
    return m;
}

static sc_err meter_know(struct sc_gate *g, uint32_t serial, struct meter **out)
{
    struct meter *m = meter_record(g, serial);
    struct sc_diag diag = {0};
    if (m == NULL)
        return refuse(g, SC_GATE_UNKNOWN_METER, serial, "too many numbers to remember");
    *out = m;
    if (m->metrology_key != NULL)
        return SC_OK;
    const int64_t now_ms = sc_wall_ms(g->opt.clock);
    if (now_ms < m->unknown_until_ms)
        return refuse(g, SC_GATE_UNKNOWN_METER, serial, "not registered (asked a moment ago)");
    struct sc_gate_entry entry;
    sc_err err = g->opt.find(g->opt.arg, serial, &entry, &diag);
    if (err == SC_OK)
        err = meter_accept(g, m, &entry, &diag);
    if (err == SC_OK)
        return SC_OK;
    if (err != SC_E_AGAIN)
        m->unknown_until_ms = now_ms + UNKNOWN_RETRY_MS;
    return refuse(g, SC_GATE_UNKNOWN_METER, serial, sc_diag_text(&diag, err));
}

/* ---- opening ---- */
static struct sc_session *session_known(struct meter *m, const struct sc_envelope_header *h)
{
    for (size_t i = 0; i < SESSION_COUNT; i++)
        if (m->session[i] != NULL && sc_session_matches(m->session[i], h))
            return m->session[i];
    return NULL;
}

static void session_keep(struct meter *m, struct sc_session *s)
{
    sc_session_free(m->session[SESSION_COUNT - 1]);
    memmove(&m->session[1], &m->session[0], (SESSION_COUNT - 1) * sizeof m->session[0]);
    m->session[0] = s;
}

/* Opens one envelope into g->plain; a new session is kept only after its first message proved genuine. */
static sc_err envelope_open(struct sc_gate *g, struct meter *m, struct sc_slice wire, struct sc_envelope_header *h)
{
    SC_CLEANUP(sc_session_freep) struct sc_session *fresh = NULL;
    struct sc_session *s = session_known(m, h);
    if (s == NULL) {
        const struct sc_session_headend_options opt = {g->opt.headend_key, &m->agreement, h, 0};
        SC_TRY(sc_session_headend_open(&opt, &fresh));
        s = fresh;
    }
    sc_buf_reset(&g->plain);
    SC_TRY(sc_envelope_open(s, wire, h, &g->plain));
    if (sc_session_expired(s, sc_wall_ms(g->opt.clock)))
        return SC_E_LIMIT; /* a recording: its replay window may have been another authenticator's */
    if (fresh != NULL)
        session_keep(m, SC_TAKE(fresh));
    return SC_OK;
}

static sc_err envelope_refused(struct sc_gate *g, uint32_t serial, sc_err why)
{
    if (why == SC_E_EXISTS)
        return refuse(g, SC_GATE_REPLAY, serial, "its counter was seen before");
    if (why == SC_E_LIMIT)
        return refuse(g, SC_GATE_REPLAY, serial, "its counter or its session is too old");
    return refuse(g, SC_GATE_NOT_AUTHENTIC, serial, "it was not sealed by this meter for us");
}

/* SC_OK when the reading is this meter's and signed by it. */
static sc_err reading_judge(struct sc_gate *g, const struct meter *m, const struct sc_signed_reading *item)
{
    struct sc_reading reading;
    if (sc_reading_decode(item->statement, &reading) != SC_OK)
        return refuse(g, SC_GATE_MALFORMED, m->serial, "a reading that is none");
    if (reading.meter != m->serial)
        return refuse(g, SC_GATE_FOREIGN, m->serial, "a reading names another meter");
    if (sc_verifier_check(m->metrology_key, item->statement, item->signature) != SC_OK)
        return refuse(g, SC_GATE_SIGNATURE, m->serial, "a reading's signature is wrong");
    return SC_OK;
}

/* The payload with the genuine readings only; empty when there were some and none is genuine. */
static sc_err readings_filter(struct sc_gate *g, const struct meter *m, const struct sc_message_readings *readings,
                              struct sc_slice *payload_out)
{
    struct sc_message genuine = {.kind = SC_MESSAGE_READINGS};
    struct sc_reader r = sc_reader_of(readings->items);
    struct sc_signed_reading item;
    sc_buf_reset(&g->items);
    sc_buf_reset(&g->payload);
    while (sc_readings_next(&r, &item) == SC_OK) {
        if (reading_judge(g, m, &item) != SC_OK)
            continue;
        sc_readings_put(item.statement, item.signature, &g->items);
        genuine.readings.count++;
    }
    g->verified_count += genuine.readings.count;
    SC_TRY(sc_buf_status(&g->items));
    *payload_out = SC_SLICE_EMPTY;
    if (genuine.readings.count == 0 && readings->count != 0)
        return SC_OK;
    genuine.readings.items = sc_buf_slice(&g->items);
    sc_message_encode(&genuine, &g->payload);
    SC_TRY(sc_buf_status(&g->payload));
    *payload_out = sc_buf_slice(&g->payload);
    return SC_OK;
}

sc_err sc_gate_open(struct sc_gate *g, struct sc_slice wire, struct sc_headend_frame *frame_out)
{
    struct sc_envelope_header h;
    struct sc_message msg;
    struct meter *m = NULL;
    sc_err err = sc_envelope_peek(wire, &h);
    if (err != SC_OK || h.to_meter)
        return refuse(g, SC_GATE_MALFORMED, 0, err != SC_OK ? sc_err_name(err) : "addressed to a meter");
    SC_TRY(meter_know(g, h.meter, &m));
    err = envelope_open(g, m, wire, &h);
    if (err != SC_OK)
        return err == SC_E_NOMEM ? err : envelope_refused(g, h.meter, err);
    if (sc_message_decode(h.type, false, sc_buf_slice(&g->plain), &msg) != SC_OK)
        return refuse(g, SC_GATE_MALFORMED, h.meter, "a genuine envelope with a senseless message");
    struct sc_slice payload = sc_buf_slice(&g->plain);
    if (msg.kind == SC_MESSAGE_READINGS)
        SC_TRY(readings_filter(g, m, &msg.readings, &payload));
    *frame_out = (struct sc_headend_frame){.meter = m->serial,
                                           .client_id = m->client_id,
                                           .type = h.type,
                                           .message_id = h.message_id,
                                           .correlation_id = h.correlation_id,
                                           .payload = payload};
    return SC_OK;
}

/* ---- sealing, and where meters are ---- */
sc_err sc_gate_seal(struct sc_gate *g, const struct sc_headend_frame *f, struct sc_buf *out)
{
    const struct meter *m = sc_u32map_get(&g->meters, f->meter);
    if (m == NULL || m->session[0] == NULL)
        return SC_E_AGAIN;
    return sc_envelope_seal(m->session[0], f->type, f->message_id, f->correlation_id, f->payload, out);
}

void sc_gate_via_set(struct sc_gate *g, uint32_t serial, void *via)
{
    struct meter *m = sc_u32map_get(&g->meters, serial);
    SC_ASSERT(m != NULL);
    m->via = via;
}

void *sc_gate_via(const struct sc_gate *g, uint32_t serial)
{
    const struct meter *m = sc_u32map_get(&g->meters, serial);
    return m != NULL ? m->via : NULL;
}

void sc_gate_via_gone(struct sc_gate *g, const void *via)
{
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&g->meters, &i)) != NULL;) {
        struct meter *m = slot->value;
        if (m->via == via)
            m->via = NULL;
    }
}

size_t sc_gate_known_count(const struct sc_gate *g)
{
    return g->known_count;
}

uint64_t sc_gate_verified_count(const struct sc_gate *g)
{
    return g->verified_count;
}
