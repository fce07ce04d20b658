#include "test_metering.h"

#include "metering/meter.h"

#include <math.h>

#define START   INT64_C(1719964800000) /* 2024-07-03T00:00Z, a Wednesday */
#define STEP_MS INT64_C(900000)
#define SERIAL  4711u

struct world {
    struct sc_signer *metrology, *operator_signer;
    struct sc_verifier *metrology_pub, *operator_pub;
    struct sc_key headend_key, meter_key, seed;
    struct sc_dh_public headend_pub, meter_pub;
    struct sc_meter_options opt;
    struct sc_meter *meter;
    struct sc_session *headend;
    int64_t now_ms;
    uint32_t message_id;
    uint64_t fed;
};

static void meter_make(struct world *w)
{
    struct sc_diag diag = {0};
    sc_meter_free(w->meter);
    w->meter = NULL;
    if (sc_meter_new(&w->opt, &w->meter, &diag) != SC_OK)
        fail_msg("%s", diag.text);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const struct sc_key metrology_seed = key_of(1);
    const struct sc_key operator_seed = key_of(2);
    assert_ok(sc_signer_from_ed25519_seed(&metrology_seed, &w->metrology));
    assert_ok(sc_signer_from_ed25519_seed(&operator_seed, &w->operator_signer));
    assert_ok(sc_verifier_of_signer(w->metrology, &w->metrology_pub));
    assert_ok(sc_verifier_of_signer(w->operator_signer, &w->operator_pub));
    w->headend_key = key_of(3);
    w->meter_key = key_of(4);
    w->seed = key_of(5);
    assert_ok(sc_dh_public_of(&w->headend_key, &w->headend_pub));
    assert_ok(sc_dh_public_of(&w->meter_key, &w->meter_pub));
    w->now_ms = START;
    w->opt = (struct sc_meter_options){
        .serial = SERIAL,
        .signer = w->metrology,
        .agreement_key = w->meter_key,
        .headend = w->headend_pub,
        .operator_key = w->operator_pub,
        .certificate = sc_slice_str("not a certificate, carried as it is"),
        .interval_s = 900,
        .memory_readings = 200,
        .report_max = 8,
        .utc_offset_min = -180,
        .ephemeral_seed = &w->seed,
    };
    sc_electrical_suggest(SC_CLASS_RESIDENTIAL, 6.0, &w->opt.electrical);
    meter_make(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sc_meter_free(w->meter);
    sc_session_free(w->headend);
    sc_signer_free(w->metrology);
    sc_signer_free(w->operator_signer);
    sc_verifier_free(w->metrology_pub);
    sc_verifier_free(w->operator_pub);
    free(w);
    return 0;
}

static struct sc_reading feed(struct world *w, uint64_t wh)
{
    const struct sc_meter_load load = {
        .start_ms = START + (int64_t)w->fed * STEP_MS, .measured = true, .demand_wh = wh};
    struct sc_reading r;
    assert_ok(sc_meter_interval(w->meter, &load, &r));
    w->fed++;
    w->now_ms = load.start_ms + STEP_MS;
    return r;
}

/* Everything the head-end does with a wire: session on first sight, open, decode.  Payload lives in *plain.
 */
static struct sc_message headend_open(struct world *w, const struct sc_buf *wire, struct sc_buf *plain,
                                      struct sc_envelope_header *h)
{
    struct sc_message m;
    assert_ok(sc_envelope_peek(sc_buf_slice(wire), h));
    if (w->headend == NULL || !sc_session_matches(w->headend, h)) {
        const struct sc_session_headend_options opt = {
            .headend_key = &w->headend_key, .meter_agreement = &w->meter_pub, .seen = h};
        sc_session_free(w->headend);
        assert_ok(sc_session_headend_open(&opt, &w->headend));
    }
    assert_ok(sc_envelope_open(w->headend, sc_buf_slice(wire), h, plain));
    assert_ok(sc_message_decode(h->type, h->to_meter, sc_buf_slice(plain), &m));
    return m;
}

static void hello(struct world *w)
{
    struct sc_buf wire = {0};
    struct sc_buf plain = {0};
    struct sc_envelope_header h;
    assert_ok(sc_meter_hello(w->meter, w->now_ms, &wire));
    const struct sc_message m = headend_open(w, &wire, &plain, &h);
    assert_int_equal(m.kind, SC_MESSAGE_HELLO);
    assert_int_equal(m.hello.interval_s, 900);
    assert_true(sc_slice_eq(m.hello.certificate, w->opt.certificate));
    sc_buf_deinit(&wire);
    sc_buf_deinit(&plain);
}

static enum sc_envelope_type type_of(const struct sc_message *m)
{
    return m->kind == SC_MESSAGE_ACK            ? SC_ENVELOPE_ACK
           : m->kind == SC_MESSAGE_LOAD_COMMAND ? SC_ENVELOPE_LOAD_COMMAND
           : m->kind == SC_MESSAGE_ERROR        ? SC_ENVELOPE_ERROR
                                                : SC_ENVELOPE_REQUEST;
}

static struct sc_buf headend_seal(struct world *w, const struct sc_message *m, uint32_t message_id)
{
    struct sc_buf payload = {0};
    struct sc_buf wire = {0};
    sc_message_encode(m, &payload);
    assert_ok(sc_envelope_seal(w->headend, type_of(m), message_id, 0, sc_buf_slice(&payload), &wire));
    sc_buf_deinit(&payload);
    return wire;
}

/* Sends m, returns the answer (kind 0: none). */
static struct sc_message ask_as(struct world *w, const struct sc_message *m, uint32_t message_id,
                                struct sc_buf *plain)
{
    struct sc_buf wire = headend_seal(w, m, message_id);
    struct sc_buf answer = {0};
    struct sc_message reply = {0};
    assert_ok(sc_meter_receive(w->meter, w->now_ms, sc_buf_slice(&wire), &answer));
    if (answer.size != 0) {
        struct sc_envelope_header h;
        sc_buf_reset(plain);
        reply = headend_open(w, &answer, plain, &h);
        assert_int_equal(h.correlation_id, message_id);
    }
    sc_buf_deinit(&wire);
    sc_buf_deinit(&answer);
    return reply;
}

static struct sc_message ask(struct world *w, const struct sc_message *m, struct sc_buf *plain)
{
    return ask_as(w, m, ++w->message_id, plain);
}

/* Receives one report; first and count of its sequences, every signature checked. */
static sc_err report(struct world *w, uint64_t *first, unsigned *count)
{
    struct sc_buf wire = {0};
    struct sc_buf plain = {0};
    struct sc_envelope_header h;
    const sc_err err = sc_meter_report(w->meter, w->now_ms, &wire);
    if (err != SC_OK)
        return err;
    const struct sc_message m = headend_open(w, &wire, &plain, &h);
    struct sc_reader r = sc_reader_of(m.readings.items);
    struct sc_signed_reading item;
    assert_int_equal(m.kind, SC_MESSAGE_READINGS);
    for (*count = 0; sc_readings_next(&r, &item) == SC_OK; ++*count) {
        struct sc_reading v;
        assert_ok(sc_reading_decode(item.statement, &v));
        assert_ok(sc_verifier_check(w->metrology_pub, item.statement, item.signature));
        assert_int_equal(v.meter, SERIAL);
        if (*count == 0)
            *first = v.sequence;
    }
    assert_int_equal(*count, m.readings.count);
    sc_buf_deinit(&wire);
    sc_buf_deinit(&plain);
    return SC_OK;
}

static void ack(struct world *w, uint64_t up_to, uint64_t extra)
{
    struct sc_buf plain = {0};
    struct sc_message m = {.kind = SC_MESSAGE_ACK,
                           .ack = {.up_to = up_to, .extra_count = extra != 0, .extra = {extra}}};
    assert_int_equal(ask(w, &m, &plain).kind, 0);
    sc_buf_deinit(&plain);
}

static struct sc_meter_status status(const struct world *w)
{
    struct sc_meter_status s;
    sc_meter_status(w->meter, &s);
    return s;
}

/* ---- measuring ---- */
static void every_interval_makes_one_signed_reading(void **state)
{
    struct world *w = *state;
    uint64_t sum = 0;
    for (unsigned i = 0; i < 50; i++) {
        const struct sc_reading r = feed(w, 100 + i * 7);
        sum += 100 + i * 7;
        assert_int_equal(r.sequence, i + 1);
        assert_int_equal(sc_reading_energy_wh(&r), 100 + i * 7);
        assert_int_equal(r.reg[0], sum);
        struct sc_signed_reading stored;
        assert_ok(sc_meter_stored(w->meter, r.sequence, &stored));
        assert_ok(sc_verifier_check(w->metrology_pub, stored.statement, stored.signature));
        uint8_t changed[SC_READING_STATEMENT_SIZE];
        memcpy(changed, stored.statement.ptr, sizeof changed);
        changed[60] ^= 1;
        assert_int_equal(
            sc_verifier_check(w->metrology_pub, sc_slice_of(changed, sizeof changed), stored.signature),
            SC_E_AUTH);
    }
}

static void a_gap_of_the_data_becomes_readings_that_say_so(void **state)
{
    struct world *w = *state;
    feed(w, 500);
    w->fed += 3; /* three intervals nobody measured */
    const struct sc_reading r = feed(w, 250);
    assert_int_equal(r.sequence, 5);
    assert_int_equal(r.reg[0], 750);
    for (uint64_t s = 2; s <= 4; s++) {
        struct sc_signed_reading stored;
        struct sc_reading v;
        assert_ok(sc_meter_stored(w->meter, s, &stored));
        assert_ok(sc_reading_decode(stored.statement, &v));
        assert_int_equal(v.status, SC_READING_STATUS_NOT_MEASURED);
        assert_int_equal(v.validity, 7u << SC_READING_FLOAT_COUNT);
        assert_int_equal(v.reg[0], 500);
        assert_int_equal(v.start_ms, START + (int64_t)(s - 1) * STEP_MS);
    }
    struct sc_meter_load load = {.start_ms = r.start_ms, .measured = true};
    assert_int_equal(sc_meter_interval(w->meter, &load, NULL), SC_E_USAGE); /* the same interval again */
    load.start_ms = r.start_ms + STEP_MS + 1;
    assert_int_equal(sc_meter_interval(w->meter, &load, NULL), SC_E_USAGE);
    load.start_ms = r.start_ms + INT64_C(2000) * 86400000;
    assert_int_equal(sc_meter_interval(w->meter, &load, NULL), SC_E_USAGE);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    struct world *w = *state;
    struct sc_buf first = {0};
    struct sc_buf second = {0};
    for (unsigned run = 0; run < 2; run++) {
        struct sc_buf *out = run == 0 ? &first : &second;
        meter_make(w);
        w->fed = 0;
        w->now_ms = START;
        assert_ok(sc_meter_hello(w->meter, START, out));
        for (unsigned i = 0; i < 5; i++)
            feed(w, 31 * i);
        assert_ok(sc_meter_report(w->meter, w->now_ms, out));
    }
    assert_true(sc_slice_eq(sc_buf_slice(&first), sc_buf_slice(&second)));
    sc_buf_deinit(&first);
    sc_buf_deinit(&second);
}

static void tampering_shows_in_the_signed_reading(void **state)
{
    struct world *w = *state;
    const struct sc_meter_load load = {.start_ms = START, .measured = true, .tamper = true, .demand_wh = 5};
    struct sc_reading r;
    assert_ok(sc_meter_interval(w->meter, &load, &r));
    assert_int_equal(r.status, SC_READING_STATUS_TAMPER);
}

/* ---- delivering ---- */
static void readings_are_sent_until_they_are_acknowledged(void **state)
{
    struct world *w = *state;
    uint64_t first;
    unsigned count;
    struct sc_buf none = {0};
    assert_int_equal(sc_meter_report(w->meter, w->now_ms, &none), SC_E_USAGE); /* hello first */
    hello(w);
    for (unsigned i = 0; i < 12; i++)
        feed(w, 10);
    assert_ok(report(w, &first, &count));
    assert_int_equal(first, 1);
    assert_int_equal(count, 8);
    assert_ok(report(w, &first, &count));
    assert_int_equal(first, 9);
    assert_int_equal(count, 4);
    assert_int_equal(report(w, &first, &count), SC_E_NOT_FOUND);
    ack(w, 5, 7);
    assert_int_equal(status(w).acked, 5);
    assert_int_equal(status(w).unacked, 6);
    assert_int_equal(report(w, &first, &count), SC_E_NOT_FOUND);
    w->now_ms += 30000;
    assert_ok(report(w, &first, &count)); /* 6, 8, 9..12 again */
    assert_int_equal(first, 6);
    assert_int_equal(count, 6);
    ack(w, 6, 0);
    assert_int_equal(status(w).acked, 7); /* the single one joins */
    sc_meter_reconnected(w->meter);
    assert_ok(report(w, &first, &count));
    assert_int_equal(first, 8);
    assert_int_equal(count, 5);
    ack(w, UINT64_MAX, 0); /* nobody acknowledges the future */
    assert_int_equal(status(w).acked, 12);
    feed(w, 10);
    assert_ok(report(w, &first, &count));
    assert_int_equal(first, 13);
    sc_buf_deinit(&none);
}

static void memory_is_a_ring_and_what_fell_out_is_counted(void **state)
{
    struct world *w = *state;
    hello(w);
    for (unsigned i = 0; i < 100; i++)
        feed(w, 10);
    ack(w, 50, 0);
    for (unsigned i = 0; i < 160; i++)
        feed(w, 10);
    const struct sc_meter_status s = status(w);
    assert_int_equal(s.oldest, 61);
    assert_int_equal(s.newest, 260);
    assert_int_equal(s.lost, 10); /* 51..60 */
    assert_int_equal(s.acked, 60);
    assert_int_equal(s.unacked, 200);
    struct sc_signed_reading r;
    assert_int_equal(sc_meter_stored(w->meter, 60, &r), SC_E_NOT_FOUND);
    assert_ok(sc_meter_stored(w->meter, 61, &r));
}

static void a_gap_is_filled_on_request(void **state)
{
    struct world *w = *state;
    struct sc_buf plain = {0};
    hello(w);
    for (unsigned i = 0; i < 260; i++)
        feed(w, 10);
    struct sc_message m = {.kind = SC_MESSAGE_GAP_REQUEST, .gap_request = {50, 70}};
    struct sc_message reply = ask(w, &m, &plain);
    assert_int_equal(reply.kind, SC_MESSAGE_READINGS);
    assert_int_equal(reply.readings.count, 10); /* 61..70; the others are gone */
    struct sc_reader r = sc_reader_of(reply.readings.items);
    struct sc_signed_reading item;
    assert_ok(sc_readings_next(&r, &item));
    assert_int_equal(sc_load_u64be(item.statement.ptr + 9), 61);
    m.gap_request = (struct sc_message_gap_request){5000, UINT64_MAX};
    reply = ask(w, &m, &plain);
    assert_int_equal(reply.readings.count, 0);
    m.gap_request = (struct sc_message_gap_request){1, UINT64_MAX};
    reply = ask(w, &m, &plain);
    assert_int_equal(reply.readings.count, 200);
    sc_buf_deinit(&plain);
}

static void an_expired_session_is_renewed_and_delivery_goes_on(void **state)
{
    struct world *w = *state;
    uint64_t first;
    unsigned count;
    hello(w);
    feed(w, 10);
    w->now_ms += SC_SESSION_AGE_MAX_MS;
    assert_int_equal(report(w, &first, &count), SC_E_AGAIN);
    struct sc_session *old = w->headend;
    struct sc_message m = {.kind = SC_MESSAGE_CLOCK_REQUEST};
    struct sc_buf late = headend_seal(w, &m, 99);
    assert_non_null(old);
    hello(w);
    assert_ok(report(w, &first, &count));
    assert_int_equal(first, 1);
    struct sc_buf out = {0};
    assert_int_equal(sc_meter_receive(w->meter, w->now_ms, sc_buf_slice(&late), &out), SC_E_CONFLICT);
    assert_int_equal(out.size, 0);
    sc_buf_deinit(&late);
}

static void nonsense_is_answered_by_an_error_and_changes_nothing(void **state)
{
    struct world *w = *state;
    hello(w);
    feed(w, 10);
    struct sc_buf wire = {0};
    struct sc_buf answer = {0};
    struct sc_buf plain = {0};
    struct sc_envelope_header h;
    assert_ok(sc_envelope_seal(w->headend, SC_ENVELOPE_REQUEST, 9, 0, sc_slice_str("\x04nonsense"), &wire));
    assert_ok(sc_meter_receive(w->meter, w->now_ms, sc_buf_slice(&wire), &answer));
    const struct sc_message m = headend_open(w, &answer, &plain, &h);
    assert_int_equal(m.kind, SC_MESSAGE_ERROR);
    assert_int_equal(m.error.code, SC_E_MALFORMED);
    /* the same wire again is a replay, and a flipped one is nothing at all */
    const size_t before = answer.size;
    assert_int_equal(sc_meter_receive(w->meter, w->now_ms, sc_buf_slice(&wire), &answer), SC_E_EXISTS);
    wire.ptr[wire.size - 1] ^= 1;
    sc_store_u64be(wire.ptr + 58, 2);
    assert_int_equal(sc_meter_receive(w->meter, w->now_ms, sc_buf_slice(&wire), &answer), SC_E_AUTH);
    assert_int_equal(answer.size, before);
    /* an error is not answered, or two parties could answer each other for ever */
    struct sc_message e = {.kind = SC_MESSAGE_ERROR, .error = {SC_E_IO, sc_slice_str("disk full")}};
    assert_int_equal(ask(w, &e, &plain).kind, 0);
    sc_buf_deinit(&wire);
    sc_buf_deinit(&answer);
    sc_buf_deinit(&plain);
}

/* ---- clock ---- */
static void the_clock_is_set_forward_but_never_behind_a_reading(void **state)
{
    struct world *w = *state;
    struct sc_buf plain = {0};
    hello(w);
    feed(w, 10);
    struct sc_message m = {.kind = SC_MESSAGE_CLOCK_REQUEST, .clock = {true, w->now_ms + 5000}};
    struct sc_message reply = ask(w, &m, &plain);
    assert_int_equal(reply.kind, SC_MESSAGE_CLOCK_REPLY);
    assert_true(reply.clock.set && reply.clock.clock_ms == w->now_ms + 5000);
    const struct sc_reading r = feed(w, 10);
    assert_int_equal(r.status, SC_READING_STATUS_CLOCK_SET);
    m.clock.clock_ms = r.start_ms - 1;
    reply = ask(w, &m, &plain);
    assert_int_equal(reply.kind, SC_MESSAGE_ERROR);
    assert_int_equal(reply.error.code, SC_E_CONFLICT);
    m.clock = (struct sc_message_clock){false, 0};
    reply = ask(w, &m, &plain);
    assert_true(!reply.clock.set && reply.clock.clock_ms == w->now_ms + 5000);
    assert_int_equal(feed(w, 10).status, 0);
    sc_buf_deinit(&plain);
}

/* ---- load control ---- */
static struct sc_message_load_result order_as(struct world *w, const struct sc_signer *signer,
                                              struct sc_load_order o, bool flip)
{
    struct sc_buf statement = {0};
    struct sc_buf signature = {0};
    struct sc_buf plain = {0};
    sc_load_order_encode(&o, &statement);
    assert_ok(sc_signer_sign(signer, sc_buf_slice(&statement), &signature));
    if (flip)
        statement.ptr[16] ^= 1; /* inside the order number */
    const struct sc_message m = {.kind = SC_MESSAGE_LOAD_COMMAND,
                                 .load_command = {sc_buf_slice(&statement), sc_buf_slice(&signature)}};
    const struct sc_message reply = ask(w, &m, &plain);
    assert_int_equal(reply.kind, SC_MESSAGE_LOAD_RESULT);
    sc_buf_deinit(&statement);
    sc_buf_deinit(&signature);
    sc_buf_deinit(&plain);
    return reply.load_result;
}

static struct sc_load_order order_of(const struct world *w, uint64_t id, enum sc_load_action action)
{
    return (struct sc_load_order){.meter = SERIAL,
                                  .order_id = id,
                                  .action = action,
                                  .reason = SC_LOAD_REASON_NON_PAYMENT,
                                  .not_before_ms = w->now_ms - 1000,
                                  .not_after_ms = w->now_ms + 1000,
                                  .operator_id = "ana"};
}

static void the_operator_disconnects_arms_and_the_customer_reconnects(void **state)
{
    struct world *w = *state;
    hello(w);
    feed(w, 1000);
    struct sc_message_load_result res = order_as(w, w->operator_signer, order_of(w, 1, SC_LOAD_QUERY), false);
    assert_int_equal(res.code, SC_LOAD_DONE);
    assert_int_equal(res.after, SC_LOAD_CONNECTED);
    assert_true(res.current_a > 30 && res.current_a < 45); /* 4 kW at about 127 V */
    res = order_as(w, w->operator_signer, order_of(w, 2, SC_LOAD_DISCONNECT), false);
    assert_int_equal(res.code, SC_LOAD_DONE);
    assert_int_equal(res.before, SC_LOAD_CONNECTED);
    assert_int_equal(res.after, SC_LOAD_DISCONNECTED);
    assert_near(res.current_a, 0, 0);
    const struct sc_reading off = feed(w, 1000);
    assert_int_equal(off.status, SC_READING_STATUS_DISCONNECTED);
    assert_int_equal(sc_reading_energy_wh(&off), 0);
    assert_int_equal(off.reg[0], 1000);
    assert_true(off.value[SC_ATTR_VOLTAGE_A_V] > 100); /* the supply side is still alive */
    res = order_as(w, w->operator_signer, order_of(w, 3, SC_LOAD_ARM), false);
    assert_int_equal(res.after, SC_LOAD_ARMED);
    assert_int_equal(sc_reading_energy_wh(&(struct sc_reading){0}), 0);
    sc_meter_button(w->meter);
    assert_int_equal(status(w).load, SC_LOAD_CONNECTED);
    const struct sc_reading on = feed(w, 1000);
    assert_int_equal(sc_reading_energy_wh(&on), 1000);
    res = order_as(w, w->operator_signer, order_of(w, 4, SC_LOAD_DISCONNECT), false);
    sc_meter_button(w->meter); /* not armed: the button does nothing */
    assert_int_equal(status(w).load, SC_LOAD_DISCONNECTED);
    res = order_as(w, w->operator_signer, order_of(w, 5, SC_LOAD_RECONNECT), false);
    assert_int_equal(res.after, SC_LOAD_CONNECTED);
}

static void refused(struct world *w, const struct sc_signer *signer, struct sc_load_order o, bool flip,
                    enum sc_load_code code)
{
    const struct sc_message_load_result res = order_as(w, signer, o, flip);
    assert_int_equal(res.code, code);
    assert_int_equal(res.before, res.after);
    assert_int_equal(status(w).load, SC_LOAD_CONNECTED);
}

static void forged_stale_and_misdirected_orders_are_refused(void **state)
{
    struct world *w = *state;
    hello(w);
    feed(w, 10);
    struct sc_load_order o = order_of(w, 10, SC_LOAD_DISCONNECT);
    refused(w, w->metrology, o, false,
            SC_LOAD_REFUSED_SIGNATURE); /* a key of the system, but not the operator's */
    refused(w, w->operator_signer, o, true, SC_LOAD_REFUSED_SIGNATURE);
    o.meter = SERIAL + 1;
    refused(w, w->operator_signer, o, false, SC_LOAD_REFUSED_SIGNATURE);
    o = order_of(w, 10, SC_LOAD_DISCONNECT);
    o.not_before_ms = w->now_ms + 1;
    refused(w, w->operator_signer, o, false, SC_LOAD_REFUSED_EARLY);
    o = order_of(w, 10, SC_LOAD_DISCONNECT);
    o.not_after_ms = w->now_ms - 1;
    refused(w, w->operator_signer, o, false, SC_LOAD_REFUSED_EXPIRED);
    /* refusals do not use the number up */
    assert_int_equal(order_as(w, w->operator_signer, order_of(w, 10, SC_LOAD_DISCONNECT), false).code,
                     SC_LOAD_DONE);
}

static void an_order_acts_once_however_often_it_arrives(void **state)
{
    struct world *w = *state;
    hello(w);
    feed(w, 10);
    const struct sc_load_order off = order_of(w, 10, SC_LOAD_DISCONNECT);
    const struct sc_load_order on = order_of(w, 11, SC_LOAD_RECONNECT);
    const struct sc_message_load_result first = order_as(w, w->operator_signer, off, false);
    const struct sc_message_load_result again =
        order_as(w, w->operator_signer, off, false); /* its result was lost */
    assert_int_equal(again.code, SC_LOAD_DONE);
    assert_int_equal(again.before, first.before);
    assert_int_equal(again.done_ms, first.done_ms);
    assert_int_equal(order_as(w, w->operator_signer, on, false).code, SC_LOAD_DONE);
    refused(w, w->operator_signer, off, false, SC_LOAD_REFUSED_ORDER); /* replayed after the reconnection */
    refused(w, w->operator_signer, order_of(w, 11, SC_LOAD_DISCONNECT), false, SC_LOAD_REFUSED_ORDER);
}

static void without_an_operator_key_nobody_switches(void **state)
{
    struct world *w = *state;
    w->opt.operator_key = NULL;
    meter_make(w);
    hello(w);
    refused(w, w->operator_signer, order_of(w, 1, SC_LOAD_DISCONNECT), false, SC_LOAD_REFUSED_SIGNATURE);
}

/* ---- NBR commands ---- */
static struct sc_buf nbr(struct world *w, struct sc_nbr_command c, bool serial_port)
{
    uint8_t frame[SC_NBR_COMMAND_SIZE];
    struct sc_buf blocks = {0};
    c.reader = 123456;
    assert_ok(sc_nbr_command_encode(&c, frame));
    if (serial_port) {
        assert_ok(sc_meter_nbr(w->meter, w->now_ms, sc_slice_of(frame, sizeof frame), &blocks));
        return blocks;
    }
    struct sc_buf plain = {0};
    struct sc_message m = {.kind = SC_MESSAGE_NBR_COMMAND};
    memcpy(m.nbr_command.frame, frame, sizeof frame);
    const struct sc_message reply = ask(w, &m, &plain);
    assert_int_equal(reply.kind, SC_MESSAGE_NBR_REPLY);
    sc_buf_put_bytes(&blocks, reply.nbr_reply.blocks);
    sc_buf_deinit(&plain);
    return blocks;
}

static struct sc_nbr_parameters parameters(struct world *w, uint8_t code)
{
    struct sc_nbr_parameters p;
    struct sc_buf b = nbr(w, (struct sc_nbr_command){.code = code}, false);
    assert_ok(sc_nbr_parameters_decode(sc_buf_slice(&b), &p));
    sc_buf_deinit(&b);
    return p;
}

static struct sc_nbr_registers registers(struct world *w, uint8_t code)
{
    struct sc_nbr_registers v;
    struct sc_buf b = nbr(w, (struct sc_nbr_command){.code = code}, false);
    assert_ok(sc_nbr_registers_decode(sc_buf_slice(&b), &v));
    sc_buf_deinit(&b);
    return v;
}

static uint64_t memory_sum(struct world *w, uint8_t code, size_t word_count, unsigned channel)
{
    struct sc_buf b = nbr(w, (struct sc_nbr_command){.code = code}, false);
    uint16_t *words = calloc(word_count + 1, sizeof *words);
    uint64_t sum = 0;
    assert_ok(sc_nbr_memory_decode(sc_buf_slice(&b), SC_NBR_PACKING_BIG_ENDIAN, word_count, words));
    for (size_t i = channel; i < word_count; i += 3)
        sum += words[i];
    free(words);
    sc_buf_deinit(&b);
    return sum;
}

/* The same numbers reach a reader through parameters, registers and mass memory: a head-end that knows only
 * the standard can check the profile against the registers, which is also how the packing is decided on a
 * real meter. */
static void parameters_registers_and_mass_memory_tell_the_same_story(void **state)
{
    struct world *w = *state;
    w->opt.ke = 2.0;
    meter_make(w);
    hello(w);
    uint64_t first = 0;
    uint64_t second = 0;
    for (unsigned i = 0; i < 90; i++)
        first += sc_reading_energy_wh(&(struct sc_reading[]){feed(w, 100 + i * 13 % 700)}[0]);
    struct sc_nbr_parameters p = parameters(w, SC_NBR_PARAMETERS_RESET);
    assert_int_equal(p.reset_count, 1);
    assert_int_equal(p.words_current, 0);
    assert_int_equal(p.words_at_reset, 270);
    assert_int_equal(p.constant[0].numerator, 200);
    assert_int_equal(p.constant[0].denominator, 100000);
    assert_int_equal(p.now_ms, w->now_ms - 180 * 60000);
    assert_int_equal(p.last_reset_ms, p.now_ms);
    for (unsigned i = 0; i < 60; i++)
        second += sc_reading_energy_wh(&(struct sc_reading[]){feed(w, 50 + i * 17 % 900)}[0]);
    p = parameters(w, SC_NBR_PARAMETERS_CURRENT);
    assert_int_equal(p.words_current, 180);
    assert_int_equal(p.words_at_reset, 270);
    assert_int_equal(p.last_interval_end_ms, p.now_ms);
    const struct sc_nbr_registers now = registers(w, SC_NBR_REGISTERS_CURRENT);
    const struct sc_nbr_registers then = registers(w, SC_NBR_REGISTERS_PREVIOUS);
    assert_int_equal(then.channel[0].total, first / 2);
    assert_int_equal(now.channel[0].total, (first + second) / 2);
    assert_int_equal(memory_sum(w, SC_NBR_MEMORY_PREVIOUS, 270, 0), then.channel[0].total);
    for (unsigned c = 0; c < 3; c++)
        assert_int_equal(memory_sum(w, SC_NBR_MEMORY_CURRENT, 180, c),
                         now.channel[c].total - then.channel[c].total);
    p = parameters(w, SC_NBR_PARAMETERS_ALL);
    assert_int_equal(p.words_current, 450);
    assert_int_equal(memory_sum(w, SC_NBR_MEMORY_ALL, 450, 0), now.channel[0].total);
    const uint64_t by_period = now.channel[0].energy[SC_NBR_PEAK] + now.channel[0].energy[SC_NBR_OFF_PEAK];
    assert_true(by_period <= now.channel[0].total &&
                by_period + 1 >= now.channel[0].total); /* two roundings */
    assert_true(now.channel[0].energy[SC_NBR_PEAK] > 0);
}

static void instantaneous_quantities_are_those_of_the_last_interval(void **state)
{
    struct world *w = *state;
    hello(w);
    feed(w, 700);
    const struct sc_reading r = feed(w, 900);
    struct sc_buf b = nbr(w, (struct sc_nbr_command){.code = SC_NBR_INSTANTANEOUS}, false);
    struct sc_nbr_instantaneous v;
    assert_ok(sc_nbr_instantaneous_decode(sc_buf_slice(&b), &v));
    assert_int_equal(v.meter, SERIAL);
    assert_near(v.active_w[3], 3600, 0.01);
    assert_near(v.voltage_v[0], r.value[SC_ATTR_VOLTAGE_A_V], 0);
    assert_true(isnan(v.voltage_v[1])); /* one phase */
    assert_near(v.active_w[0], 3600, 1);
    sc_buf_deinit(&b);
}

static void unknown_commands_and_unauthenticated_writes_are_refused_politely(void **state)
{
    struct world *w = *state;
    struct sc_nbr_exception e;
    struct sc_nbr_load_reply load;
    hello(w);
    feed(w, 10);
    struct sc_buf b = nbr(w, (struct sc_nbr_command){.code = 0x87}, false);
    assert_ok(sc_nbr_exception_decode(sc_buf_slice(&b), &e));
    assert_int_equal(e.code, 0x39);
    assert_int_equal(e.what, 0x87);
    sc_buf_deinit(&b);
    const struct sc_nbr_command cut = {.code = SC_NBR_VENDOR,
                                       .vendor = {SC_NBR_VENDOR_LOAD, SC_NBR_LOAD_DISCONNECT}};
    const struct sc_nbr_command time = {.code = SC_NBR_SET_TIME, .time = {23, 59, 0}};
    const struct sc_nbr_command refused_ones[] = {cut, time};
    for (unsigned i = 0; i < 2; i++) {
        b = nbr(w, refused_ones[i], true);
        assert_ok(sc_nbr_exception_decode(sc_buf_slice(&b), &e));
        assert_int_equal(e.code, 0x40);
        assert_int_equal(e.what, 0x43);
        sc_buf_deinit(&b);
    }
    b = nbr(w, cut, false); /* nor through the session, unless the meter was told to */
    assert_ok(sc_nbr_exception_decode(sc_buf_slice(&b), &e));
    sc_buf_deinit(&b);
    assert_int_equal(status(w).load, SC_LOAD_CONNECTED);
    b = nbr(w, time, false);
    assert_int_equal(b.ptr[0], SC_NBR_SET_TIME);
    sc_buf_deinit(&b);
    b = nbr(w,
            (struct sc_nbr_command){.code = SC_NBR_VENDOR, .vendor = {SC_NBR_VENDOR_LOAD, SC_NBR_LOAD_READ}},
            true);
    assert_ok(sc_nbr_load_reply_decode(sc_buf_slice(&b), &load));
    assert_true(load.connected);
    sc_buf_deinit(&b);

    w->opt.plain_load_control = true;
    meter_make(w);
    sc_session_free(w->headend);
    w->headend = NULL;
    hello(w);
    b = nbr(w, cut, false);
    assert_ok(sc_nbr_load_reply_decode(sc_buf_slice(&b), &load));
    assert_false(load.connected);
    assert_int_equal(status(w).load, SC_LOAD_DISCONNECTED);
    sc_buf_deinit(&b);
}

static void a_repeated_demand_reset_closes_one_period(void **state)
{
    struct world *w = *state;
    struct sc_buf plain = {0};
    uint8_t frame[SC_NBR_COMMAND_SIZE];
    struct sc_message m = {.kind = SC_MESSAGE_NBR_COMMAND};
    hello(w);
    feed(w, 10);
    assert_ok(sc_nbr_command_encode(&(struct sc_nbr_command){.code = SC_NBR_PARAMETERS_RESET}, frame));
    memcpy(m.nbr_command.frame, frame, sizeof frame);
    for (unsigned i = 0; i < 3; i++) { /* the requester got no answer and asks again, sealed anew */
        const struct sc_message reply = ask_as(w, &m, 77, &plain);
        assert_int_equal(reply.kind, SC_MESSAGE_NBR_REPLY);
    }
    assert_int_equal(parameters(w, SC_NBR_PARAMETERS_CURRENT).reset_count, 1);
    assert_int_equal(ask_as(w, &m, 78, &plain).kind, SC_MESSAGE_NBR_REPLY);
    assert_int_equal(parameters(w, SC_NBR_PARAMETERS_CURRENT).reset_count, 2);
    sc_buf_deinit(&plain);
}

static void meters_sign_with_p256_and_rsa_too(void **state)
{
    struct world *w = *state;
    static const enum sc_sign_alg algs[] = {SC_SIGN_P256, SC_SIGN_RSA2048};
    for (unsigned a = 0; a < 2; a++) {
        struct sc_signer *signer = NULL;
        struct sc_verifier *v = NULL;
        struct sc_signed_reading stored;
        assert_ok(sc_signer_generate(algs[a], &signer, NULL));
        assert_ok(sc_verifier_of_signer(signer, &v));
        w->opt.signer = signer;
        meter_make(w);
        w->fed = 0;
        for (unsigned i = 1; i <= 20; i++) {
            feed(w, 10 * i);
            assert_ok(sc_meter_stored(w->meter, i, &stored));
            assert_ok(sc_verifier_check(v, stored.statement, stored.signature));
        }
        sc_meter_free(SC_TAKE(w->meter));
        sc_signer_free(signer);
        sc_verifier_free(v);
    }
}

static void senseless_options_are_refused_with_a_reason(void **state)
{
    struct world *w = *state;
    struct sc_meter *m = NULL;
    struct sc_meter_options o;
#define BAD(change)                                                                                          \
    {                                                                                                        \
        struct sc_diag diag = {0};                                                                           \
        o = w->opt;                                                                                          \
        change;                                                                                              \
        assert_int_equal(sc_meter_new(&o, &m, &diag), SC_E_USAGE);                                           \
        assert_true(diag.text[0] != '\0');                                                                   \
    }
    BAD(o.serial = 0)
    BAD(o.serial = 100000000)
    BAD(o.signer = NULL)
    BAD(o.interval_s = 0)
    BAD(o.interval_s = 7000)
    BAD(o.memory_readings = SC_METER_MEMORY_MAX + 1)
    BAD(o.ke = -1)
    BAD(o.electrical.phases = 4)
#undef BAD
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_interval_makes_one_signed_reading),
        T(a_gap_of_the_data_becomes_readings_that_say_so),
        T(the_same_seed_gives_the_same_bytes),
        T(tampering_shows_in_the_signed_reading),
        T(readings_are_sent_until_they_are_acknowledged),
        T(memory_is_a_ring_and_what_fell_out_is_counted),
        T(a_gap_is_filled_on_request),
        T(an_expired_session_is_renewed_and_delivery_goes_on),
        T(nonsense_is_answered_by_an_error_and_changes_nothing),
        T(the_clock_is_set_forward_but_never_behind_a_reading),
        T(the_operator_disconnects_arms_and_the_customer_reconnects),
        T(forged_stale_and_misdirected_orders_are_refused),
        T(an_order_acts_once_however_often_it_arrives),
        T(without_an_operator_key_nobody_switches),
        T(parameters_registers_and_mass_memory_tell_the_same_story),
        T(instantaneous_quantities_are_those_of_the_last_interval),
        T(unknown_commands_and_unauthenticated_writes_are_refused_politely),
        T(a_repeated_demand_reset_closes_one_period),
        T(meters_sign_with_p256_and_rsa_too),
        T(senseless_options_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
