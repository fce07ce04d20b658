#include "test_metering.h"

#include "metering/envelope.h"

#define NOW    INT64_C(1720000800000)
#define SERIAL 17

struct world {
    struct sc_key meter_key, headend_key, ephemeral;
    struct sc_dh_public meter_pub, headend_pub;
    struct sc_session *meter, *headend;
};

static struct sc_session *headend_open(struct world *w, uint64_t instance)
{
    struct sc_envelope_header seen = {.meter = sc_session_meter(w->meter),
                                      .ephemeral = *sc_session_ephemeral(w->meter),
                                      .opened_ms = sc_session_opened_ms(w->meter)};
    const struct sc_session_headend_options opt = {.headend_key = &w->headend_key,
                                                   .meter_agreement = &w->meter_pub,
                                                   .seen = &seen,
                                                   .instance = instance};
    struct sc_session *s = NULL;
    assert_ok(sc_session_headend_open(&opt, &s));
    return s;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->meter_key = key_of(0x11);
    w->headend_key = key_of(0x22);
    w->ephemeral = key_of(0x33);
    assert_ok(sc_dh_public_of(&w->meter_key, &w->meter_pub));
    assert_ok(sc_dh_public_of(&w->headend_key, &w->headend_pub));
    const struct sc_session_meter_options opt = {.meter = SERIAL,
                                                 .agreement_key = &w->meter_key,
                                                 .headend = &w->headend_pub,
                                                 .opened_ms = NOW,
                                                 .ephemeral_key = &w->ephemeral};
    assert_ok(sc_session_meter_open(&opt, &w->meter));
    w->headend = headend_open(w, 5);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sc_session_free(w->meter);
    sc_session_free(w->headend);
    free(w);
    return 0;
}

static struct sc_buf sealed(struct sc_session *s, const char *text)
{
    struct sc_buf b = {0};
    assert_ok(sc_envelope_seal(s, SC_ENVELOPE_NOTIFY, 7, 3, sc_slice_str(text), &b));
    return b;
}

static sc_err open_it(struct sc_session *s, struct sc_slice wire, const char *expected)
{
    struct sc_buf plain = {0};
    struct sc_envelope_header h;
    sc_buf_put_str(&plain, "before");
    const sc_err err = sc_envelope_open(s, wire, &h, &plain);
    if (err == SC_OK) {
        sc_buf_cstr(&plain);
        assert_int_equal(plain.size, 6 + strlen(expected));
        assert_memory_equal(plain.ptr + 6, expected, strlen(expected));
    } else {
        assert_int_equal(plain.size, 6); /* nothing half-done */
    }
    sc_buf_deinit(&plain);
    return err;
}

static void messages_pass_both_ways(void **state)
{
    struct world *w = *state;
    struct sc_buf up = sealed(w->meter, "31 Wh");
    struct sc_buf down = sealed(w->headend, "");
    assert_ok(open_it(w->headend, sc_buf_slice(&up), "31 Wh"));
    assert_ok(open_it(w->meter, sc_buf_slice(&down), ""));
    assert_int_equal(up.size, SC_ENVELOPE_HEADER_SIZE + 5 + SC_TAG_SIZE);
    assert_null(memmem(up.ptr, up.size, "31 Wh", 5));
    struct sc_envelope_header h;
    assert_ok(sc_envelope_peek(sc_buf_slice(&up), &h));
    assert_int_equal(h.type, SC_ENVELOPE_NOTIFY);
    assert_false(h.to_meter);
    assert_int_equal(h.meter, SERIAL);
    assert_int_equal(h.counter, 1);
    assert_int_equal(h.message_id, 7);
    assert_int_equal(h.correlation_id, 3);
    assert_int_equal(h.payload_size, 5);
    sc_buf_deinit(&up);
    sc_buf_deinit(&down);
}

/* The header's bytes are a format: pinned, so that no change of code changes them unseen. */
static void the_header_lies_as_documented(void **state)
{
    struct world *w = *state;
    struct sc_buf b = sealed(w->headend, "x");
    static const uint8_t begin[] = {'S', 'M', 1, 3, 1, 0, 0, 0, 0, 17};
    assert_memory_equal(b.ptr, begin, sizeof begin);
    assert_memory_equal(b.ptr + 10, sc_session_ephemeral(w->meter)->bytes, 32);
    assert_int_equal(sc_load_u64be(b.ptr + 42), NOW);
    assert_int_equal(sc_load_u64be(b.ptr + 50), 5);
    assert_int_equal(sc_load_u64be(b.ptr + 58), 1);
    assert_int_equal(sc_load_u32be(b.ptr + 66), 7);
    assert_int_equal(sc_load_u32be(b.ptr + 70), 3);
    assert_int_equal(sc_load_u32be(b.ptr + 74), 1);
    sc_buf_deinit(&b);
}

static void every_flipped_bit_is_refused(void **state)
{
    struct world *w = *state;
    struct sc_buf b = sealed(w->meter, "a reading");
    FOR_EACH_FLIP(b.ptr, b.size, { assert_int_not_equal(open_it(w->headend, sc_buf_slice(&b), ""), SC_OK); })
    assert_ok(
        open_it(w->headend, sc_buf_slice(&b), "a reading")); /* and none of them spoilt the replay window */
    sc_buf_deinit(&b);
}

static void every_truncation_and_one_byte_more_are_refused(void **state)
{
    struct world *w = *state;
    struct sc_buf b = sealed(w->meter, "a reading");
    for (size_t n = 0; n < b.size; n++)
        assert_int_equal(open_it(w->headend, sc_slice_of(b.ptr, n), ""), SC_E_MALFORMED);
    sc_buf_put_u8(&b, 0);
    assert_int_equal(open_it(w->headend, sc_buf_slice(&b), ""), SC_E_MALFORMED);
    sc_buf_deinit(&b);
}

static void a_replay_is_told_from_a_late_message(void **state)
{
    struct world *w = *state;
    struct sc_buf b[100];
    for (unsigned i = 0; i < 100; i++)
        b[i] = sealed(w->meter, "x");
    assert_ok(open_it(w->headend, sc_buf_slice(&b[99]), "x")); /* counter 100 */
    assert_int_equal(open_it(w->headend, sc_buf_slice(&b[99]), ""), SC_E_EXISTS);
    assert_ok(open_it(w->headend, sc_buf_slice(&b[36]), "x")); /* 37 = the last inside the window */
    assert_int_equal(open_it(w->headend, sc_buf_slice(&b[36]), ""), SC_E_EXISTS);
    assert_int_equal(open_it(w->headend, sc_buf_slice(&b[35]), ""), SC_E_LIMIT);
    for (unsigned i = 0; i < 100; i++)
        sc_buf_deinit(&b[i]);
}

static void the_replay_window_agrees_with_a_model(void **state)
{
    (void)state;
    const uint64_t seed = 11;
    struct sc_prng prng;
    sc_prng_init(&prng, seed);
    struct sc_replay_window w = {0};
    static bool model[3000];
    uint64_t newest = 0;
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t lo = newest > 80 ? newest - 80 : 0;
        const uint64_t c = lo + sc_prng_below(&prng, 90 + (i % 97 == 0 ? 100 : 0));
        if (c >= 3000)
            break;
        const sc_err want = c == 0 || (c <= newest && newest - c >= SC_REPLAY_WINDOW) ? SC_E_LIMIT
                            : model[c]                                                ? SC_E_EXISTS
                                                                                      : SC_OK;
        if (sc_replay_check(&w, c) != want || sc_replay_check_and_set(&w, c) != want)
            fail_msg("seed %llu, step %u, counter %llu", (unsigned long long)seed, i, (unsigned long long)c);
        if (want == SC_OK) {
            model[c] = true;
            newest = c > newest ? c : newest;
        }
    }
    assert_true(newest > 200);
}

static void a_message_cannot_be_reflected(void **state)
{
    struct world *w = *state;
    struct sc_buf up = sealed(w->meter, "x");
    assert_int_equal(open_it(w->meter, sc_buf_slice(&up), ""), SC_E_AUTH);
    /* with the direction bit and an instance forged as well */
    up.ptr[4] ^= 1;
    sc_store_u64be(up.ptr + 50, 5);
    assert_int_equal(open_it(w->meter, sc_buf_slice(&up), ""), SC_E_AUTH);
    struct sc_buf down = sealed(w->headend, "x");
    assert_int_equal(open_it(w->headend, sc_buf_slice(&down), ""), SC_E_AUTH);
    down.ptr[4] ^= 1;
    sc_store_u64be(down.ptr + 50, 0);
    assert_int_equal(open_it(w->headend, sc_buf_slice(&down), ""), SC_E_AUTH);
    sc_buf_deinit(&up);
    sc_buf_deinit(&down);
}

static void another_meters_number_or_key_does_not_open(void **state)
{
    struct world *w = *state;
    struct sc_buf up = sealed(w->meter, "x");
    struct sc_envelope_header h;
    /* the serial is changed in flight: the head-end takes the other meter's registered key and the tag fails
     */
    sc_store_u32be(up.ptr + 6, SERIAL + 1);
    assert_int_equal(open_it(w->headend, sc_buf_slice(&up), ""), SC_E_CONFLICT);
    assert_ok(sc_envelope_peek(sc_buf_slice(&up), &h));
    struct sc_session_headend_options opt = {
        .headend_key = &w->headend_key, .meter_agreement = &w->meter_pub, .seen = &h};
    struct sc_session *s = NULL;
    assert_ok(sc_session_headend_open(&opt, &s));
    assert_int_equal(open_it(s, sc_buf_slice(&up), ""), SC_E_AUTH);
    sc_session_free(s);
    sc_store_u32be(up.ptr + 6, SERIAL);

    /* a stranger with an own key claims to be meter 17 */
    const struct sc_key stranger = key_of(0x44);
    const struct sc_session_meter_options forged = {
        .meter = SERIAL, .agreement_key = &stranger, .headend = &w->headend_pub, .opened_ms = NOW};
    struct sc_session *liar = NULL;
    assert_ok(sc_session_meter_open(&forged, &liar));
    struct sc_buf lie = sealed(liar, "0 Wh");
    assert_ok(sc_envelope_peek(sc_buf_slice(&lie), &h));
    assert_ok(sc_session_headend_open(&opt, &s));
    assert_int_equal(open_it(s, sc_buf_slice(&lie), ""), SC_E_AUTH);
    sc_session_free(s);
    sc_session_free(liar);

    /* a false head-end */
    const struct sc_key false_headend = key_of(0x55);
    assert_ok(sc_envelope_peek(sc_buf_slice(&up), &h));
    opt.headend_key = &false_headend;
    assert_ok(sc_session_headend_open(&opt, &s));
    assert_int_equal(open_it(s, sc_buf_slice(&up), ""), SC_E_AUTH);
    struct sc_buf order = sealed(s, "off");
    assert_int_equal(open_it(w->meter, sc_buf_slice(&order), ""), SC_E_AUTH);
    sc_session_free(s);

    /* an old session passed off as a new one: the opening time is in the keys */
    sc_store_u64be(up.ptr + 42, NOW + 1);
    assert_ok(sc_envelope_peek(sc_buf_slice(&up), &h));
    opt.headend_key = &w->headend_key;
    assert_ok(sc_session_headend_open(&opt, &s));
    assert_int_equal(open_it(s, sc_buf_slice(&up), ""), SC_E_AUTH);
    sc_session_free(s);
    sc_buf_deinit(&up);
    sc_buf_deinit(&lie);
    sc_buf_deinit(&order);
}

/* Failover: a second authenticator joins in the middle, both send with counter 1, and nothing is sealed twice
 * under one key and nonce. */
static void a_second_authenticator_takes_over_without_shared_state(void **state)
{
    struct world *w = *state;
    struct sc_buf up1 = sealed(w->meter, "1");
    struct sc_buf up2 = sealed(w->meter, "2");
    struct sc_session *second = headend_open(w, 0);
    assert_ok(open_it(w->headend, sc_buf_slice(&up1), "1"));
    assert_ok(open_it(second, sc_buf_slice(&up2), "2"));
    struct sc_buf a = sealed(w->headend, "same plaintext");
    struct sc_buf b = sealed(second, "same plaintext");
    assert_int_equal(sc_load_u64be(a.ptr + 58),
                     sc_load_u64be(b.ptr + 58)); /* the same counter, hence nonce */
    assert_memory_not_equal(a.ptr + SC_ENVELOPE_HEADER_SIZE, b.ptr + SC_ENVELOPE_HEADER_SIZE, 14);
    assert_ok(open_it(w->meter, sc_buf_slice(&a), "same plaintext"));
    assert_ok(open_it(w->meter, sc_buf_slice(&b), "same plaintext"));
    assert_int_equal(open_it(w->meter, sc_buf_slice(&a), ""), SC_E_EXISTS); /* each sender has its window */
    assert_int_equal(open_it(w->meter, sc_buf_slice(&b), ""), SC_E_EXISTS);
    sc_session_free(second);
    sc_buf_deinit(&up1);
    sc_buf_deinit(&up2);
    sc_buf_deinit(&a);
    sc_buf_deinit(&b);
}

static void one_sender_too_many_asks_for_a_new_session(void **state)
{
    struct world *w = *state;
    for (uint64_t i = 1; i <= SC_SESSION_INSTANCES_MAX + 1; i++) {
        struct sc_session *s = headend_open(w, 100 + i);
        struct sc_buf b = sealed(s, "x");
        assert_false(sc_session_expired(w->meter, NOW));
        b.ptr[b.size - 1] ^= 1; /* a forged sender costs nothing */
        assert_int_equal(open_it(w->meter, sc_buf_slice(&b), ""), SC_E_AUTH);
        b.ptr[b.size - 1] ^= 1;
        assert_int_equal(open_it(w->meter, sc_buf_slice(&b), "x"),
                         i <= SC_SESSION_INSTANCES_MAX ? SC_OK : SC_E_LIMIT);
        sc_session_free(s);
        sc_buf_deinit(&b);
    }
    assert_true(sc_session_expired(w->meter, NOW));
}

static void a_session_ends_after_a_day(void **state)
{
    struct world *w = *state;
    assert_false(sc_session_expired(w->meter, NOW + SC_SESSION_AGE_MAX_MS - 1));
    assert_true(sc_session_expired(w->meter, NOW + SC_SESSION_AGE_MAX_MS));
}

static void low_order_keys_are_refused(void **state)
{
    struct world *w = *state;
    const struct sc_dh_public zero = {{0}};
    struct sc_session *s = NULL;
    const struct sc_session_meter_options opt = {
        .meter = SERIAL, .agreement_key = &w->meter_key, .headend = &zero};
    assert_int_equal(sc_session_meter_open(&opt, &s), SC_E_AUTH);
    const struct sc_envelope_header seen = {.meter = SERIAL};
    const struct sc_session_headend_options h = {
        .headend_key = &w->headend_key, .meter_agreement = &w->meter_pub, .seen = &seen};
    assert_int_equal(sc_session_headend_open(&h, &s), SC_E_AUTH);
}

static void a_payload_has_a_greatest_size(void **state)
{
    struct world *w = *state;
    struct sc_buf big = {0};
    struct sc_buf out = {0};
    memset(sc_buf_extend(&big, SC_ENVELOPE_PAYLOAD_MAX + 1), 0, SC_ENVELOPE_PAYLOAD_MAX + 1);
    assert_int_equal(sc_envelope_seal(w->meter, SC_ENVELOPE_REPLY, 1, 1, sc_buf_slice(&big), &out),
                     SC_E_LIMIT);
    assert_int_equal(out.size, 0);
    big.size--;
    assert_ok(sc_envelope_seal(w->meter, SC_ENVELOPE_REPLY, 1, 1, sc_buf_slice(&big), &out));
    size_t size;
    assert_ok(sc_envelope_size(sc_slice_of(out.ptr, SC_ENVELOPE_HEADER_SIZE), &size));
    assert_int_equal(size, SC_ENVELOPE_SIZE_MAX);
    assert_int_equal(sc_envelope_size(sc_slice_of(out.ptr, SC_ENVELOPE_HEADER_SIZE - 1), &size), SC_E_AGAIN);
    sc_store_u32be(out.ptr + 74, SC_ENVELOPE_PAYLOAD_MAX + 1);
    assert_int_equal(sc_envelope_size(sc_buf_slice(&out), &size), SC_E_LIMIT);
    out.ptr[2] = 2;
    assert_int_equal(sc_envelope_size(sc_buf_slice(&out), &size), SC_E_UNSUPPORTED);
    sc_buf_deinit(&big);
    sc_buf_deinit(&out);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(messages_pass_both_ways),
        T(the_header_lies_as_documented),
        T(every_flipped_bit_is_refused),
        T(every_truncation_and_one_byte_more_are_refused),
        T(a_replay_is_told_from_a_late_message),
        T(the_replay_window_agrees_with_a_model),
        T(a_message_cannot_be_reflected),
        T(another_meters_number_or_key_does_not_open),
        T(a_second_authenticator_takes_over_without_shared_state),
        T(one_sender_too_many_asks_for_a_new_session),
        T(a_session_ends_after_a_day),
        T(low_order_keys_are_refused),
        T(a_payload_has_a_greatest_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
