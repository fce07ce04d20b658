/* The authenticator's gate: each kind of lie is refused under its own name, and the truth beside it goes through. */
#include "pki.h"

#include "collection/gate.h"
#include "metering/meter.h"
#include "metering/schema.h"

#define START   INT64_C(1719964800000) /* 2024-07-03T00:00Z */
#define STEP_MS INT64_C(900000)
#define SERIAL  10000001u
#define OTHER   10000002u

struct meter_parts {
    uint32_t serial;
    struct sc_signer *signer;
    struct sc_key agreement;
    struct sc_dh_public agreement_pub;
    struct sc_buf certificate;
    struct sc_meter *meter;
    int64_t next_ms;
};

struct world {
    struct test_ca institute, impostor;
    struct sc_key headend_key;
    struct sc_dh_public headend_pub;
    struct sc_clock_manual time;
    struct sc_clock clock;
    struct meter_parts one, two;
    struct sc_gate *gate;
    unsigned refused[SC_GATE_REFUSAL_COUNT];
    uint32_t last_refused;
    unsigned asked;
    bool register_away;
};

static sc_err find(void *arg, uint32_t serial, struct sc_gate_entry *out, struct sc_diag *diag)
{
    struct world *w = arg;
    w->asked++;
    if (w->register_away)
        return sc_fail(diag, SC_E_AGAIN, "away");
    const struct meter_parts *m = serial == w->one.serial ? &w->one : serial == w->two.serial ? &w->two : NULL;
    if (m == NULL)
        return sc_fail(diag, SC_E_NOT_FOUND, "not registered");
    out->certificate = sc_buf_slice(&m->certificate);
    out->agreement = sc_slice_of(m->agreement_pub.bytes, sizeof m->agreement_pub.bytes);
    return SC_OK;
}

static void refused(void *arg, enum sc_gate_refusal why, uint32_t serial, const char *detail)
{
    struct world *w = arg;
    assert_true(detail[0] != '\0');
    w->refused[why]++;
    w->last_refused = serial;
}

static void certify(struct meter_parts *m, const struct test_ca *by, uint32_t serial, uint64_t client_id)
{
    char urn[SC_METER_URN_SIZE];
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    assert_ok(sc_verifier_of_signer(m->signer, &v));
    const struct sc_cert_request req = {.common_name = "Meter",
                                        .uri = sc_meter_urn_format(serial, client_id, urn),
                                        .subject_key = v,
                                        .not_before_ms = INT64_C(946684800000),
                                        .not_after_ms = INT64_C(2524608000000)};
    assert_ok(sc_cert_issue(&req, by->cert, by->key, &cert, NULL));
    sc_buf_reset(&m->certificate);
    assert_ok(sc_cert_to_der(cert, &m->certificate));
}

static void meter_make(struct world *w, struct meter_parts *m, uint32_t serial)
{
    struct sc_diag diag = {0};
    m->serial = serial;
    m->next_ms = START;
    assert_ok(sc_signer_generate(SC_SIGN_P256, &m->signer, NULL));
    sc_dh_generate(&m->agreement, &m->agreement_pub);
    certify(m, &w->institute, serial, serial - 10000000u);
    struct sc_meter_options opt = {.serial = serial,
                                   .signer = m->signer,
                                   .agreement_key = m->agreement,
                                   .headend = w->headend_pub,
                                   .certificate = sc_buf_slice(&m->certificate),
                                   .interval_s = 900,
                                   .memory_readings = 100};
    sc_electrical_suggest(SC_CLASS_RESIDENTIAL, 5, &opt.electrical);
    if (sc_meter_new(&opt, &m->meter, &diag) != SC_OK)
        fail_msg("%s", diag.text);
}

static void meter_free(struct meter_parts *m)
{
    sc_meter_free(m->meter);
    sc_signer_free(m->signer);
    sc_buf_deinit(&m->certificate);
}

static void gate_again(struct world *w)
{
    const struct sc_gate_options opt = {&w->headend_key, w->institute.cert, &w->clock, find, refused, w};
    sc_gate_free(w->gate);
    w->gate = NULL;
    assert_ok(sc_gate_new(&opt, &w->gate));
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    test_ca_new(&w->institute, "institute");
    test_ca_new(&w->impostor, "institute");
    sc_dh_generate(&w->headend_key, &w->headend_pub);
    w->time.wall_ms = sc_wall_ms(&sc_clock_system); /* the CA's certificate is of now */
    w->clock = sc_clock_of_manual(&w->time);
    meter_make(w, &w->one, SERIAL);
    meter_make(w, &w->two, OTHER);
    gate_again(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sc_gate_free(w->gate);
    meter_free(&w->one);
    meter_free(&w->two);
    test_ca_free(&w->institute);
    test_ca_free(&w->impostor);
    free(w);
    return 0;
}

static void measure(struct meter_parts *m, unsigned count)
{
    for (unsigned i = 0; i < count; i++, m->next_ms += STEP_MS) {
        const struct sc_meter_load load = {.start_ms = m->next_ms, .measured = true, .demand_wh = 100 + i};
        assert_ok(sc_meter_interval(m->meter, &load, NULL));
    }
}

static void hello(struct world *w, struct meter_parts *m, struct sc_buf *wire)
{
    assert_ok(sc_meter_hello(m->meter, w->time.wall_ms, wire));
}

/* A session of our own on the meter's side, to say what an honest meter would not. */
static struct sc_session *forged_session(struct world *w, const struct meter_parts *m, uint32_t serial)
{
    struct sc_session *s = NULL;
    const struct sc_session_meter_options opt = {.meter = serial,
                                                 .agreement_key = &m->agreement,
                                                 .headend = &w->headend_pub,
                                                 .opened_ms = w->time.wall_ms};
    assert_ok(sc_session_meter_open(&opt, &s));
    return s;
}

static unsigned refusals(const struct world *w)
{
    unsigned n = 0;
    for (int i = 0; i < SC_GATE_REFUSAL_COUNT; i++)
        n += w->refused[i];
    return n;
}

static unsigned readings_of(const struct sc_headend_frame *f)
{
    struct sc_message msg;
    assert_ok(sc_message_decode(f->type, false, f->payload, &msg));
    assert_int_equal(msg.kind, SC_MESSAGE_READINGS);
    return msg.readings.count;
}

/* ---- the truth ---- */
static void what_a_meter_says_goes_up_and_what_the_mdc_says_comes_down(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf down = {0};
    struct sc_headend_frame f;
    measure(&w->one, 3);
    hello(w, &w->one, &wire);
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
    assert_int_equal(f.type, SC_ENVELOPE_HELLO);
    assert_int_equal(f.meter, SERIAL);
    assert_int_equal(f.client_id, 1);
    sc_buf_reset(&wire);
    assert_ok(sc_meter_report(w->one.meter, w->time.wall_ms, &wire));
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
    assert_int_equal(readings_of(&f), 3);
    assert_int_equal(sc_gate_verified_count(w->gate), 3);
    assert_int_equal(sc_gate_known_count(w->gate), 1);

    SC_CLEANUP(sc_buf_deinit) struct sc_buf payload = {0};
    const struct sc_message ack = {.kind = SC_MESSAGE_ACK, .ack = {.up_to = 3}};
    sc_message_encode(&ack, &payload);
    const struct sc_headend_frame answer = {
        .to_meter = true, .meter = SERIAL, .type = SC_ENVELOPE_ACK, .message_id = 1, .payload = sc_buf_slice(&payload)};
    assert_ok(sc_gate_seal(w->gate, &answer, &down));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf nothing = {0};
    assert_ok(sc_meter_receive(w->one.meter, w->time.wall_ms, sc_buf_slice(&down), &nothing));
    struct sc_meter_status status;
    sc_meter_status(w->one.meter, &status);
    assert_int_equal(status.acked, 3);
    assert_int_equal(refusals(w), 0);
}

static void another_authenticator_takes_over_in_the_middle_of_a_session(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    struct sc_headend_frame f;
    measure(&w->one, 2);
    hello(w, &w->one, &wire);
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
    gate_again(w); /* knows nothing of the session */
    sc_buf_reset(&wire);
    assert_ok(sc_meter_report(w->one.meter, w->time.wall_ms, &wire));
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
    assert_int_equal(readings_of(&f), 2);
}

static void a_meter_that_has_not_spoken_cannot_be_answered(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf down = {0};
    const struct sc_headend_frame answer = {.to_meter = true, .meter = SERIAL, .type = SC_ENVELOPE_ACK};
    assert_int_equal(sc_gate_seal(w->gate, &answer, &down), SC_E_AGAIN);
    assert_null(sc_gate_via(w->gate, SERIAL));
}

/* ---- the lies ---- */
static void expect_refused(struct world *w, struct sc_slice wire, enum sc_gate_refusal why)
{
    struct sc_headend_frame f;
    const unsigned before = w->refused[why];
    const unsigned all = refusals(w);
    assert_int_equal(sc_gate_open(w->gate, wire, &f), SC_E_AUTH);
    assert_int_equal(w->refused[why], before + 1);
    assert_int_equal(refusals(w), all + 1); /* under its own name and no other */
}

static void bytes_that_are_no_envelope_are_malformed(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    hello(w, &w->one, &wire);
    expect_refused(w, SC_SLICE_EMPTY, SC_GATE_MALFORMED);
    for (size_t cut = 1; cut < wire.size; cut += 7)
        expect_refused(w, sc_slice_of(wire.ptr, cut), SC_GATE_MALFORMED);
}

static void a_number_that_is_not_registered_is_unknown_and_not_asked_for_again_at_once(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_session_freep) struct sc_session *s = forged_session(w, &w->one, 77777777u);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    assert_ok(sc_envelope_seal(s, SC_ENVELOPE_HELLO, 1, 0, SC_SLICE_EMPTY, &wire));
    for (int i = 0; i < 5; i++)
        expect_refused(w, sc_buf_slice(&wire), SC_GATE_UNKNOWN_METER);
    assert_int_equal(w->last_refused, 77777777u);
    assert_int_equal(w->asked, 1);
    w->time.wall_ms += 6000;
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_UNKNOWN_METER);
    assert_int_equal(w->asked, 2);
}

static void a_register_that_is_away_is_asked_again_at_once(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    struct sc_headend_frame f;
    hello(w, &w->one, &wire);
    w->register_away = true;
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_UNKNOWN_METER);
    w->register_away = false;
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
}

static void a_certificate_of_another_institute_or_for_another_meter_is_not_accepted(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    hello(w, &w->one, &wire);
    certify(&w->one, &w->impostor, SERIAL, 1);
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_UNKNOWN_METER);
    certify(&w->one, &w->institute, OTHER, 1);
    w->time.wall_ms += 6000;
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_UNKNOWN_METER);
}

static void a_flipped_bit_is_not_authentic(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    struct sc_headend_frame f;
    hello(w, &w->one, &wire);
    for (size_t i = SC_ENVELOPE_HEADER_SIZE; i < wire.size; i += 5) {
        wire.ptr[i] ^= 1;
        expect_refused(w, sc_buf_slice(&wire), SC_GATE_NOT_AUTHENTIC);
        wire.ptr[i] ^= 1;
    }
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f)); /* the attempts did no harm */
}

static void a_meter_that_claims_anothers_number_is_not_authentic(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_session_freep) struct sc_session *s = forged_session(w, &w->two, SERIAL);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    assert_ok(sc_envelope_seal(s, SC_ENVELOPE_HELLO, 1, 0, sc_slice_str("x"), &wire));
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_NOT_AUTHENTIC);
}

static void a_repeated_envelope_is_a_replay(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    struct sc_headend_frame f;
    hello(w, &w->one, &wire);
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_REPLAY);
}

static void a_recording_of_an_old_session_is_a_replay_even_where_nobody_saw_it(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_session_freep) struct sc_session *old = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    const struct sc_session_meter_options session = {.meter = SERIAL,
                                                     .agreement_key = &w->one.agreement,
                                                     .headend = &w->headend_pub,
                                                     .opened_ms = w->time.wall_ms - SC_SESSION_AGE_MAX_MS - 60000};
    assert_ok(sc_session_meter_open(&session, &old));
    assert_ok(sc_envelope_seal(old, SC_ENVELOPE_HELLO, 1, 0, sc_slice_str("x"), &wire));
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_REPLAY);
}

static void a_genuine_envelope_with_a_senseless_message_is_malformed(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_session_freep) struct sc_session *s = forged_session(w, &w->one, SERIAL);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    assert_ok(sc_envelope_seal(s, SC_ENVELOPE_NOTIFY, 1, 0, sc_slice_str("\x02nonsense"), &wire));
    expect_refused(w, sc_buf_slice(&wire), SC_GATE_MALFORMED);
}

/* A notify with reading `sequence` of `from`, its statement or signature changed at will, in a session of meter one. */
static void notify_make(struct world *w, const struct meter_parts *from, size_t flip_statement, size_t flip_signature,
                        struct sc_buf *wire)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf items = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf payload = {0};
    uint8_t statement[SC_READING_STATEMENT_SIZE];
    uint8_t signature[SC_SIGNATURE_SIZE_MAX];
    struct sc_signed_reading good;
    assert_ok(sc_meter_stored(w->one.meter, 1, &good));
    sc_readings_put(good.statement, good.signature, &items);
    struct sc_signed_reading r;
    assert_ok(sc_meter_stored(from->meter, 2, &r));
    memcpy(statement, r.statement.ptr, r.statement.size);
    memcpy(signature, r.signature.ptr, r.signature.size);
    if (flip_statement != 0)
        statement[flip_statement] ^= 1;
    if (flip_signature != 0)
        signature[flip_signature] ^= 1;
    sc_readings_put(sc_slice_of(statement, r.statement.size), sc_slice_of(signature, r.signature.size), &items);
    const struct sc_message msg = {.kind = SC_MESSAGE_READINGS,
                                   .readings = {.count = 2, .items = sc_buf_slice(&items)}};
    sc_message_encode(&msg, &payload);
    SC_CLEANUP(sc_session_freep) struct sc_session *s = forged_session(w, &w->one, SERIAL);
    assert_ok(sc_envelope_seal(s, SC_ENVELOPE_NOTIFY, 1, 0, sc_buf_slice(&payload), wire));
}

static void a_bad_reading_is_left_out_and_the_good_one_beside_it_goes_up(void **state)
{
    struct world *w = *state;
    static const struct {
        bool foreign;
        size_t flip_statement, flip_signature;
        enum sc_gate_refusal why;
    } cases[] = {
        {false, 40, 0, SC_GATE_SIGNATURE}, /* the voltage of phase A, by its last bit */
        {false, 0, 9, SC_GATE_SIGNATURE},
        {true, 0, 0, SC_GATE_FOREIGN},
        {false, 1, 0, SC_GATE_MALFORMED}, /* the statement's magic */
    };
    measure(&w->one, 2);
    measure(&w->two, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
        struct sc_headend_frame f;
        const unsigned before = w->refused[cases[i].why];
        const unsigned all = refusals(w);
        notify_make(w, cases[i].foreign ? &w->two : &w->one, cases[i].flip_statement, cases[i].flip_signature, &wire);
        assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
        assert_int_equal(readings_of(&f), 1);
        assert_int_equal(w->refused[cases[i].why], before + 1);
        assert_int_equal(refusals(w), all + 1);
    }
}

static void ways_are_remembered_until_they_are_gone(void **state)
{
    struct world *w = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = {0};
    struct sc_headend_frame f;
    int here;
    hello(w, &w->one, &wire);
    assert_ok(sc_gate_open(w->gate, sc_buf_slice(&wire), &f));
    sc_gate_via_set(w->gate, SERIAL, &here);
    assert_ptr_equal(sc_gate_via(w->gate, SERIAL), &here);
    sc_gate_via_gone(w->gate, &here);
    assert_null(sc_gate_via(w->gate, SERIAL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_meter_says_goes_up_and_what_the_mdc_says_comes_down),
        TEST(another_authenticator_takes_over_in_the_middle_of_a_session),
        TEST(a_meter_that_has_not_spoken_cannot_be_answered),
        TEST(bytes_that_are_no_envelope_are_malformed),
        TEST(a_number_that_is_not_registered_is_unknown_and_not_asked_for_again_at_once),
        TEST(a_register_that_is_away_is_asked_again_at_once),
        TEST(a_certificate_of_another_institute_or_for_another_meter_is_not_accepted),
        TEST(a_flipped_bit_is_not_authentic),
        TEST(a_meter_that_claims_anothers_number_is_not_authentic),
        TEST(a_repeated_envelope_is_a_replay),
        TEST(a_recording_of_an_old_session_is_a_replay_even_where_nobody_saw_it),
        TEST(a_genuine_envelope_with_a_senseless_message_is_malformed),
        TEST(a_bad_reading_is_left_out_and_the_good_one_beside_it_goes_up),
        TEST(ways_are_remembered_until_they_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
