/* The MDC's thinking part, with a test as its whole world: meters, network, writer and time. */
#include "collection/mdc.h"
#include "test.h"

#define METER    UINT32_C(10000001)
#define CLIENT   UINT64_C(7)
#define SECOND   INT64_C(1000000)
#define SEQ_MAX  600u

static int route_a;
static int route_b;

struct world {
    struct sc_mdc *mdc;
    struct sc_mdc_sink sink;
    int64_t now_us;
    struct sc_mdc_row rows[4 * SEQ_MAX]; /* handed out for writing, not yet stored */
    size_t row_count;
    unsigned times_written[SEQ_MAX + 1];
    /* what the meter heard */
    bool link_down;
    void *last_route;
    unsigned ack_count, request_count, other_count;
    struct sc_message_ack ack;
    struct sc_message_gap_request request;
    uint32_t request_id;
};

static sc_err take_row(void *arg, const struct sc_mdc_row *row)
{
    struct world *w = arg;
    assert_true(row->client_id == CLIENT && row->reading.meter == METER && row->signature_size == 64);
    assert_true(w->row_count < sizeof w->rows / sizeof w->rows[0]);
    w->times_written[row->reading.sequence]++;
    w->rows[w->row_count++] = *row;
    return SC_OK;
}

static void take_other(void *arg, const struct sc_headend_frame *frame, const struct sc_message *msg)
{
    struct world *w = arg;
    (void)frame;
    assert_int_equal(msg->kind, SC_MESSAGE_CLOCK_REPLY);
    w->other_count++;
}

static bool take_send(void *arg, void *route, const struct sc_headend_frame *f)
{
    struct world *w = arg;
    struct sc_message msg;
    if (w->link_down)
        return false;
    w->last_route = route;
    assert_true(f->to_meter && f->meter == METER && f->message_id != 0);
    assert_ok(sc_message_decode(f->type, true, f->payload, &msg)); /* a meter understands it */
    if (msg.kind == SC_MESSAGE_ACK) {
        w->ack = msg.ack;
        w->ack_count++;
    } else if (msg.kind == SC_MESSAGE_GAP_REQUEST) {
        w->request = msg.gap_request;
        w->request_id = f->message_id;
        w->request_count++;
    }
    return true;
}

static void put_reading(struct sc_buf *items, uint32_t meter, uint64_t sequence)
{
    const struct sc_reading r = { .meter = meter, .sequence = sequence, .interval_s = 900,
                                  .start_ms = INT64_C(1767225600000) + (int64_t)(sequence % 100000) * 900000 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf statement = { 0 };
    static const uint8_t signature[64] = { 5 };
    sc_reading_encode(&r, &statement);
    sc_readings_put(sc_buf_slice(&statement), sc_slice_of(signature, 64), items);
}

static sc_err receive_message(struct world *w, void *route, enum sc_envelope_type type, uint32_t correlation_id,
                              const struct sc_message *msg)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf payload = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = { 0 };
    sc_message_encode(msg, &payload);
    assert_ok(sc_buf_status(&payload));
    const struct sc_headend_frame f = { false, METER, CLIENT, type, 1, correlation_id, sc_buf_slice(&payload) };
    sc_headend_encode(&f, &wire);
    return sc_mdc_receive(w->mdc, sc_buf_slice(&wire), route, w->now_us, &w->sink);
}

/* Readings from..to in one message. */
static void say(struct world *w, enum sc_envelope_type type, uint32_t correlation_id, uint64_t from, uint64_t to)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf items = { 0 };
    struct sc_message msg = { .kind = SC_MESSAGE_READINGS };
    for (uint64_t seq = from; seq <= to; seq++, msg.readings.count++)
        put_reading(&items, METER, seq);
    msg.readings.items = sc_buf_slice(&items);
    assert_ok(receive_message(w, &route_a, type, correlation_id, &msg));
}

static void notify(struct world *w, uint64_t from, uint64_t to)
{
    say(w, SC_ENVELOPE_NOTIFY, 0, from, to);
}

static void store_all(struct world *w)
{
    for (size_t i = 0; i < w->row_count; i++)
        sc_mdc_stored(w->mdc, METER, w->rows[i].reading.sequence, w->now_us);
    w->row_count = 0;
}

static void speak(struct world *w)
{
    sc_mdc_speak(w->mdc, w->now_us, &w->sink);
}

static struct sc_mdc_stats stats(const struct world *w)
{
    struct sc_mdc_stats s;
    sc_mdc_stats(w->mdc, &s);
    return s;
}

static void only_what_is_stored_is_acknowledged(void **state)
{
    struct world *w = *state;
    notify(w, 1, 3);
    speak(w);
    assert_int_equal(w->ack_count, 0); /* handed to the writer, no more */
    assert_int_equal(w->row_count, 3);
    sc_mdc_stored(w->mdc, METER, 1, w->now_us);
    sc_mdc_stored(w->mdc, METER, 3, w->now_us);
    speak(w);
    assert_int_equal(w->ack_count, 1);
    assert_true(w->ack.up_to == 1 && w->ack.extra_count == 1 && w->ack.extra[0] == 3);
    speak(w);
    assert_int_equal(w->ack_count, 1); /* told once */
    sc_mdc_stored(w->mdc, METER, 2, w->now_us);
    speak(w);
    assert_true(w->ack.up_to == 3 && w->ack.extra_count == 0);
    assert_true(stats(w).stored_count == 3 && stats(w).meter_count == 1);
}

static void a_duplicate_is_dropped_and_acknowledged_again(void **state)
{
    struct world *w = *state;
    notify(w, 1, 2);
    notify(w, 1, 2); /* while the writer is still busy */
    assert_int_equal(w->row_count, 2);
    speak(w);
    assert_true(w->ack.up_to == 0); /* not stored yet, so nothing is promised */
    store_all(w);
    speak(w);
    const unsigned acks = w->ack_count;
    notify(w, 2, 2); /* the meter did not hear us */
    speak(w);
    assert_int_equal(w->ack_count, acks + 1);
    assert_true(w->ack.up_to == 2);
    assert_int_equal(w->row_count, 0);
    assert_true(stats(w).duplicate_count == 3 && stats(w).new_count == 2);
}

static void a_hole_is_asked_for_once_per_retry_time(void **state)
{
    struct world *w = *state;
    notify(w, 1, 2);
    notify(w, 6, 9);
    store_all(w);
    speak(w);
    assert_int_equal(w->request_count, 0); /* it may only have been overtaken */
    assert_true(stats(w).gap_count == 0);
    w->now_us += SECOND / 2;
    speak(w);
    assert_int_equal(w->request_count, 1);
    assert_true(stats(w).gap_count == 1);
    assert_true(w->request.from == 3 && w->request.to == 5);
    for (int i = 0; i < 19; i++, w->now_us += SECOND / 10)
        speak(w);
    assert_int_equal(w->request_count, 1);
    w->now_us += SECOND;
    speak(w);
    assert_int_equal(w->request_count, 2);
    assert_true(stats(w).gap_count == 1); /* one hole, asked for twice */
    say(w, SC_ENVELOPE_REPLY, w->request_id, 3, 5);
    store_all(w);
    w->now_us += 10 * SECOND;
    speak(w);
    assert_int_equal(w->request_count, 2);
    assert_true(w->ack.up_to == 9);
    assert_true(stats(w).gap_filled_count == 3);
}

static void a_long_hole_is_asked_for_in_pieces(void **state)
{
    struct world *w = *state;
    notify(w, 500, 500);
    store_all(w);
    w->now_us += SECOND;
    speak(w);
    assert_true(w->request.from == 1 && w->request.to == SC_READINGS_COUNT_MAX);
}

static void what_the_meter_has_lost_is_given_up(void **state)
{
    struct world *w = *state;
    notify(w, 10, 12);
    store_all(w);
    w->now_us += SECOND;
    speak(w);
    assert_int_equal(w->request_count, 1);
    say(w, SC_ENVELOPE_REPLY, w->request_id + 1, 1, 0); /* an answer to something else */
    w->now_us += 3 * SECOND;
    speak(w);
    assert_int_equal(w->request_count, 2);
    say(w, SC_ENVELOPE_REPLY, w->request_id, 1, 0); /* nothing left in memory */
    w->now_us += 10 * SECOND;
    speak(w);
    assert_int_equal(w->request_count, 2);
    assert_true(w->ack.up_to == 12); /* or the meter would repeat what lies beyond the reach of an ack */
    assert_true(stats(w).lost_count == 9);
    notify(w, 4, 4); /* it was only held up somewhere: it is written all the same */
    assert_int_equal(w->row_count, 1);
    store_all(w);
}

static void nothing_is_sent_where_no_route_leads(void **state)
{
    struct world *w = *state;
    notify(w, 1, 1);
    sc_mdc_route_gone(w->mdc, &route_b); /* another one's */
    sc_mdc_route_gone(w->mdc, &route_a);
    store_all(w);
    speak(w);
    assert_int_equal(w->ack_count, 0);
    uint32_t id = 0;
    const struct sc_message msg = { .kind = SC_MESSAGE_CLOCK_REQUEST };
    assert_err(sc_mdc_send(w->mdc, METER, SC_ENVELOPE_REQUEST, &msg, &w->sink, &id), SC_E_AGAIN);
    assert_err(sc_mdc_send(w->mdc, METER + 1, SC_ENVELOPE_REQUEST, &msg, &w->sink, &id), SC_E_AGAIN);
    const struct sc_message hello = { .kind = SC_MESSAGE_HELLO, .hello = { 1, 1, 0, 0, 900, SC_SLICE_EMPTY } };
    assert_ok(receive_message(w, &route_b, SC_ENVELOPE_HELLO, 0, &hello)); /* by another way */
    speak(w);
    assert_int_equal(w->ack_count, 1);
    assert_ptr_equal(w->last_route, &route_b);
    assert_true(w->ack.up_to == 1);
    assert_ok(sc_mdc_send(w->mdc, METER, SC_ENVELOPE_REQUEST, &msg, &w->sink, &id));
    assert_true(id != 0);
}

static void an_ack_that_could_not_be_sent_is_sent_later(void **state)
{
    struct world *w = *state;
    notify(w, 1, 1);
    store_all(w);
    w->link_down = true;
    speak(w);
    w->link_down = false;
    notify(w, 1, 1); /* the meter repeats */
    speak(w);
    assert_int_equal(w->ack_count, 1);
    assert_true(w->ack.up_to == 1);
}

static void what_the_database_held_is_known(void **state)
{
    struct world *w = *state;
    assert_ok(sc_mdc_restore_prefix(w->mdc, METER, CLIENT, 5));
    assert_ok(sc_mdc_restore(w->mdc, METER, CLIENT, 8));
    notify(w, 1, 8);
    assert_int_equal(w->row_count, 2); /* 6 and 7 */
    store_all(w);
    speak(w);
    assert_true(w->ack.up_to == 8);
    assert_true(stats(w).stored_count == 8);
}

static void a_restored_hole_is_asked_for_when_the_meter_is_heard(void **state)
{
    struct world *w = *state;
    assert_ok(sc_mdc_restore(w->mdc, METER, CLIENT, 3));
    w->now_us += 10 * SECOND;
    speak(w);
    assert_int_equal(w->request_count, 0); /* no way to it yet */
    const struct sc_message hello = { .kind = SC_MESSAGE_HELLO, .hello = { 1, 3, 0, 0, 900, SC_SLICE_EMPTY } };
    assert_ok(receive_message(w, &route_a, SC_ENVELOPE_HELLO, 0, &hello));
    speak(w);
    assert_int_equal(w->request_count, 1);
    assert_true(w->request.from == 1 && w->request.to == 2);
}

static void senseless_frames_are_counted_and_change_nothing(void **state)
{
    struct world *w = *state;
    assert_err(sc_mdc_receive(w->mdc, sc_slice_str("garbage"), &route_a, 0, &w->sink), SC_E_UNSUPPORTED);
    assert_err(sc_mdc_receive(w->mdc, SC_SLICE_EMPTY, &route_a, 0, &w->sink), SC_E_MALFORMED);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = { 0 };
    const struct sc_headend_frame down = { true, METER, CLIENT, SC_ENVELOPE_ACK, 1, 0, SC_SLICE_EMPTY };
    sc_headend_encode(&down, &wire);
    assert_err(sc_mdc_receive(w->mdc, sc_buf_slice(&wire), &route_a, 0, &w->sink), SC_E_MALFORMED);
    assert_true(stats(w).malformed_count == 3 && stats(w).meter_count == 0);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf items = { 0 }; /* genuine frame, senseless readings */
    put_reading(&items, METER + 1, 1);
    put_reading(&items, METER, UINT64_MAX);
    const struct sc_message msg = { .kind = SC_MESSAGE_READINGS, .readings = { 2, sc_buf_slice(&items) } };
    assert_ok(receive_message(w, &route_a, SC_ENVELOPE_NOTIFY, 0, &msg));
    assert_int_equal(w->row_count, 0);
    assert_true(stats(w).malformed_count == 5);
}

static void answers_of_other_kinds_go_to_who_waits_for_them(void **state)
{
    struct world *w = *state;
    const struct sc_message msg = { .kind = SC_MESSAGE_CLOCK_REPLY, .clock = { false, 5 } };
    assert_ok(receive_message(w, &route_a, SC_ENVELOPE_REPLY, 9, &msg));
    assert_int_equal(w->other_count, 1);
}

/* A meter behind a network that loses, repeats and reorders: in the end all is stored, each reading exactly once, and
 * acknowledged. */
static void any_schedule_ends_with_everything_stored_once(void **state)
{
    const uint64_t seed = test_seed(34);
    for (unsigned round = 0; round < 40; round++) {
        struct world *w = *state;
        struct sc_prng prng;
        sc_prng_init_stream(&prng, seed, round);
        sc_mdc_free(w->mdc);
        assert_ok(sc_mdc_new(&w->mdc));
        const struct sc_mdc_sink sink = w->sink;
        memset(w->times_written, 0, sizeof w->times_written);
        *w = (struct world){ .mdc = w->mdc, .sink = sink, .now_us = SECOND };
        const uint64_t loss_percent = sc_prng_below(&prng, 70);
        const uint64_t total = 100 + sc_prng_below(&prng, SEQ_MAX - 100);
        uint64_t made = 0;
        uint64_t delayed[64]; /* messages under way: their first reading; each carries 1..4 */
        size_t delayed_count = 0;
        unsigned requests = 0;
        for (unsigned step = 0; step < 60000 && !(made == total && w->ack.up_to == total); step++) {
            w->now_us += SECOND / 20;
            w->link_down = sc_prng_below(&prng, 100) < loss_percent; /* downwards */
            if (made < total && sc_prng_below(&prng, 2) == 0)
                delayed[delayed_count++ % 64] = ++made;
            if (w->ack.up_to < made && sc_prng_below(&prng, 10) == 0) /* the meter repeats what nobody acknowledged */
                delayed[delayed_count++ % 64] = w->ack.up_to + 1 + sc_prng_below(&prng, made - w->ack.up_to);
            if (delayed_count != 0) {
                const size_t n = delayed_count < 64 ? delayed_count : 64;
                const size_t pick = (size_t)sc_prng_below(&prng, n);
                if (sc_prng_below(&prng, 100) >= loss_percent)
                    notify(w, delayed[pick], delayed[pick] + 3 < made ? delayed[pick] + 3 : made);
                if (sc_prng_below(&prng, 4) != 0 && delayed_count <= 64) /* else it comes again */
                    delayed[pick] = delayed[--delayed_count];
            }
            if (w->request_count != requests) { /* the meter answers what it is asked */
                requests = w->request_count;
                if (sc_prng_below(&prng, 100) >= loss_percent)
                    say(w, SC_ENVELOPE_REPLY, w->request_id, w->request.from, w->request.to);
            }
            if (sc_prng_below(&prng, 5) == 0) {
                for (uint64_t i = sc_prng_below(&prng, w->row_count + 1); i != 0; i--) { /* any order */
                    const size_t k = (size_t)sc_prng_below(&prng, w->row_count);
                    sc_mdc_stored(w->mdc, METER, w->rows[k].reading.sequence, w->now_us);
                    w->rows[k] = w->rows[--w->row_count];
                }
            }
            if (sc_prng_below(&prng, 300) == 0)
                sc_mdc_route_gone(w->mdc, &route_a);
            speak(w);
        }
        if (w->ack.up_to != total)
            fail_msg("round %u: acknowledged %" PRIu64 " of %" PRIu64, round, w->ack.up_to, total);
        for (uint64_t seq = 1; seq <= total; seq++)
            assert_int_equal(w->times_written[seq], 1);
        assert_true(stats(w).stored_count == total && stats(w).new_count == total && stats(w).lost_count == 0);
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->sink = (struct sc_mdc_sink){ take_row, take_other, take_send, w };
    w->now_us = SECOND;
    *state = w;
    return sc_mdc_new(&w->mdc) == SC_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sc_mdc_free(w->mdc);
    free(w);
    return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(only_what_is_stored_is_acknowledged),
        T(a_duplicate_is_dropped_and_acknowledged_again),
        T(a_hole_is_asked_for_once_per_retry_time),
        T(a_long_hole_is_asked_for_in_pieces),
        T(what_the_meter_has_lost_is_given_up),
        T(nothing_is_sent_where_no_route_leads),
        T(an_ack_that_could_not_be_sent_is_sent_later),
        T(what_the_database_held_is_known),
        T(a_restored_hole_is_asked_for_when_the_meter_is_heard),
        T(senseless_frames_are_counted_and_change_nothing),
        T(answers_of_other_kinds_go_to_who_waits_for_them),
        T(any_schedule_ends_with_everything_stored_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
