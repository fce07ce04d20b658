#include "collection/headend.h"
#include "test.h"

static void assert_frames_equal(const struct sc_headend_frame *a, const struct sc_headend_frame *b)
{
    assert_true(a->to_meter == b->to_meter && a->meter == b->meter && a->client_id == b->client_id && a->type == b->type &&
                a->message_id == b->message_id && a->correlation_id == b->correlation_id && sc_slice_eq(a->payload, b->payload));
}

static void a_frame_survives_the_wire(void **state)
{
    (void)state;
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(33));
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t payload[100];
        const struct sc_headend_frame f = {
            .to_meter = sc_prng_below(&prng, 2) != 0,
            .meter = (uint32_t)(1 + sc_prng_below(&prng, SC_METER_SERIAL_MAX)),
            .client_id = sc_prng_u64(&prng),
            .type = (enum sc_envelope_type)(1 + sc_prng_below(&prng, 8)),
            .message_id = (uint32_t)sc_prng_u64(&prng),
            .correlation_id = (uint32_t)sc_prng_u64(&prng),
            .payload = sc_slice_of(payload, (size_t)sc_prng_below(&prng, sizeof payload)),
        };
        memset(payload, (int)i & 0xff, sizeof payload);
        SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = { 0 };
        sc_headend_encode(&f, &wire);
        assert_int_equal(wire.size, SC_HEADEND_HEADER_SIZE + f.payload.size);
        struct sc_headend_frame back;
        assert_ok(sc_headend_decode(sc_buf_slice(&wire), &back));
        assert_frames_equal(&f, &back);
    }
}

static struct sc_buf sample(void)
{
    struct sc_buf wire = { 0 };
    const struct sc_headend_frame f = { .meter = 10000001, .client_id = 7, .type = SC_ENVELOPE_NOTIFY, .message_id = 1,
                                        .payload = sc_slice_str("payload") };
    sc_headend_encode(&f, &wire);
    return wire;
}

static void every_cut_header_is_refused(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = sample();
    for (size_t size = 0; size < SC_HEADEND_HEADER_SIZE; size++) {
        struct sc_headend_frame out;
        memset(&out, 0x55, sizeof out);
        struct sc_headend_frame before = out;
        uint8_t *exact = malloc(size != 0 ? size : 1);
        memcpy(exact, wire.ptr, size);
        assert_err(sc_headend_decode(sc_slice_of(exact, size), &out), SC_E_MALFORMED);
        assert_memory_equal(&out, &before, sizeof out);
        free(exact);
    }
}

/* There is no redundancy to detect a flip (TLS does that), but what is accepted is a frame, and exactly that one. */
static void a_flipped_bit_is_refused_or_read_as_what_it_says(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = sample();
    unsigned refused = 0;
    for (size_t bit = 0; bit < wire.size * 8; bit++) {
        wire.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct sc_headend_frame f;
        if (sc_headend_decode(sc_buf_slice(&wire), &f) == SC_OK) {
            SC_CLEANUP(sc_buf_deinit) struct sc_buf again = { 0 };
            sc_headend_encode(&f, &again);
            assert_true(sc_slice_eq(sc_buf_slice(&again), sc_buf_slice(&wire)));
        } else {
            refused++;
        }
        wire.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(refused > 20); /* version, direction, type, serial range */
}

static void values_outside_their_range_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        sc_err err;
    } cases[] = {
        { 0, 2, SC_E_UNSUPPORTED }, { 1, 0, SC_E_MALFORMED }, { 1, 3, SC_E_MALFORMED },
        { 2, 0xff, SC_E_MALFORMED }, { 14, 0, SC_E_MALFORMED }, { 14, 9, SC_E_MALFORMED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = sample();
        struct sc_headend_frame f;
        wire.ptr[cases[i].at] = cases[i].value;
        assert_err(sc_headend_decode(sc_buf_slice(&wire), &f), cases[i].err);
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf big = sample();
    memset(sc_buf_extend(&big, SC_ENVELOPE_PAYLOAD_MAX - 7), 1, SC_ENVELOPE_PAYLOAD_MAX - 7);
    struct sc_headend_frame f;
    assert_int_equal(big.size, SC_HEADEND_SIZE_MAX);
    assert_ok(sc_headend_decode(sc_buf_slice(&big), &f));
    sc_buf_put_u8(&big, 1);
    assert_err(sc_headend_decode(sc_buf_slice(&big), &f), SC_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_survives_the_wire),
        cmocka_unit_test(every_cut_header_is_refused),
        cmocka_unit_test(a_flipped_bit_is_refused_or_read_as_what_it_says),
        cmocka_unit_test(values_outside_their_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
