#include "test_metering.h"

#include "metering/messages.h"

#include <math.h>

struct example {
    enum sc_envelope_type type;
    bool to_meter;
    struct sc_message message;
};

/* One of each kind, with lists that are not empty. */
#define EXAMPLE_COUNT 12
static struct example examples[EXAMPLE_COUNT];
static struct sc_buf items, order, blocks;

static int make_examples(void **state)
{
    (void)state;
    uint8_t statement[SC_READING_STATEMENT_SIZE];
    memset(statement, 0x5a, sizeof statement);
    sc_readings_put(sc_slice_of(statement, sizeof statement), sc_slice_str("signature one"), &items);
    sc_readings_put(sc_slice_of(statement, sizeof statement), sc_slice_str("two"), &items);
    sc_load_order_encode(&(struct sc_load_order){.meter = 17,
                                                 .order_id = 9,
                                                 .action = SC_LOAD_DISCONNECT,
                                                 .reason = SC_LOAD_REASON_FRAUD,
                                                 .not_before_ms = 1000,
                                                 .not_after_ms = 2000,
                                                 .operator_id = "ana.souza"},
                         &order);
    memset(sc_buf_extend(&blocks, 2 * SC_NBR_REPLY_SIZE), 0x33, 2 * SC_NBR_REPLY_SIZE);
    size_t n = 0;
    examples[n++] = (struct example){
        SC_ENVELOPE_HELLO,
        false,
        {.kind = SC_MESSAGE_HELLO, .hello = {3, 9, 4, 1720000800000, 900, sc_slice_str("DER")}}};
    examples[n++] = (struct example){
        SC_ENVELOPE_NOTIFY, false, {.kind = SC_MESSAGE_READINGS, .readings = {2, sc_buf_slice(&items)}}};
    examples[n++] = (struct example){
        SC_ENVELOPE_REPLY, false, {.kind = SC_MESSAGE_READINGS, .readings = {0, SC_SLICE_EMPTY}}};
    examples[n++] = (struct example){SC_ENVELOPE_ACK, true, {.kind = SC_MESSAGE_ACK, .ack = {7, 2, {9, 12}}}};
    examples[n++] =
        (struct example){SC_ENVELOPE_REQUEST, true, {.kind = SC_MESSAGE_GAP_REQUEST, .gap_request = {3, 5}}};
    examples[n++] = (struct example){
        SC_ENVELOPE_REQUEST, true, {.kind = SC_MESSAGE_NBR_COMMAND, .nbr_command = {{0x14, 1, 2}}}};
    examples[n++] = (struct example){
        SC_ENVELOPE_REPLY, false, {.kind = SC_MESSAGE_NBR_REPLY, .nbr_reply = {2, sc_buf_slice(&blocks)}}};
    examples[n++] = (struct example){
        SC_ENVELOPE_REQUEST, true, {.kind = SC_MESSAGE_CLOCK_REQUEST, .clock = {true, 1720000800000}}};
    examples[n++] =
        (struct example){SC_ENVELOPE_REPLY, false, {.kind = SC_MESSAGE_CLOCK_REPLY, .clock = {false, -5}}};
    examples[n++] =
        (struct example){SC_ENVELOPE_LOAD_COMMAND,
                         true,
                         {.kind = SC_MESSAGE_LOAD_COMMAND,
                          .load_command = {sc_buf_slice(&order), sc_slice_str("by the operator")}}};
    examples[n++] = (struct example){SC_ENVELOPE_LOAD_RESULT,
                                     false,
                                     {.kind = SC_MESSAGE_LOAD_RESULT,
                                      .load_result = {9, SC_LOAD_DISCONNECT, SC_LOAD_DONE, SC_LOAD_CONNECTED,
                                                      SC_LOAD_DISCONNECTED, 1.5f, 1720000800000}}};
    examples[n++] = (struct example){
        SC_ENVELOPE_ERROR, true, {.kind = SC_MESSAGE_ERROR, .error = {SC_E_LIMIT, sc_slice_str("too many")}}};
    return n == EXAMPLE_COUNT ? 0 : -1;
}

static int drop_examples(void **state)
{
    (void)state;
    sc_buf_deinit(&items);
    sc_buf_deinit(&order);
    sc_buf_deinit(&blocks);
    return 0;
}

static struct sc_buf encoded(const struct sc_message *m)
{
    struct sc_buf b = {0};
    sc_message_encode(m, &b);
    assert_ok(sc_buf_status(&b));
    return b;
}

static void every_kind_survives_encoding_and_decoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        struct sc_buf b = encoded(&examples[i].message);
        struct sc_message back;
        assert_ok(sc_message_decode(examples[i].type, examples[i].to_meter, sc_buf_slice(&b), &back));
        assert_int_equal(back.kind, examples[i].message.kind);
        struct sc_buf again = encoded(&back);
        assert_true(sc_slice_eq(sc_buf_slice(&b), sc_buf_slice(&again)));
        sc_buf_deinit(&b);
        sc_buf_deinit(&again);
    }
}

static void every_truncation_and_one_byte_more_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        const struct example *e = &examples[i];
        struct sc_buf b = encoded(&e->message);
        struct sc_message back;
        for (size_t n = 0; n < b.size; n++)
            assert_int_equal(sc_message_decode(e->type, e->to_meter, sc_slice_of(b.ptr, n), &back),
                             SC_E_MALFORMED);
        sc_buf_put_u8(&b, 0);
        assert_int_equal(sc_message_decode(e->type, e->to_meter, sc_buf_slice(&b), &back), SC_E_MALFORMED);
        sc_buf_deinit(&b);
    }
}

/* What decodes in spite of a flip encodes to exactly the flipped bytes: there are no two ways to say one
 * thing. */
static void every_flipped_bit_is_refused_or_means_something_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        const struct example *e = &examples[i];
        struct sc_buf b = encoded(&e->message);
        FOR_EACH_FLIP(b.ptr, b.size, {
            struct sc_message back;
            if (sc_message_decode(e->type, e->to_meter, sc_buf_slice(&b), &back) == SC_OK) {
                struct sc_buf again = encoded(&back);
                assert_true(sc_slice_eq(sc_buf_slice(&b), sc_buf_slice(&again)));
                sc_buf_deinit(&again);
            }
        })
        sc_buf_deinit(&b);
    }
}

static void a_kind_travels_only_in_its_envelope_and_direction(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLE_COUNT; i++) {
        struct sc_buf b = encoded(&examples[i].message);
        const enum sc_message_kind kind = examples[i].message.kind;
        for (unsigned type = 0; type <= SC_ENVELOPE_LOAD_RESULT + 1; type++) {
            for (unsigned way = 0; way < 2; way++) {
                struct sc_message back;
                const sc_err err =
                    sc_message_decode((enum sc_envelope_type)type, way == 1, sc_buf_slice(&b), &back);
                const bool own = type == examples[i].type && (way == 1) == examples[i].to_meter;
                const bool readings_twice = kind == SC_MESSAGE_READINGS && way == 0 &&
                                            (type == SC_ENVELOPE_REPLY || type == SC_ENVELOPE_NOTIFY);
                const bool error_both = kind == SC_MESSAGE_ERROR && type == SC_ENVELOPE_ERROR;
                if (own || error_both || (readings_twice && examples[i].message.readings.count != 0))
                    assert_ok(err);
                else
                    assert_int_equal(err, SC_E_MALFORMED);
            }
        }
        sc_buf_deinit(&b);
    }
}

static void readings_are_walked_one_by_one(void **state)
{
    (void)state;
    struct sc_reader r = sc_reader_of(sc_buf_slice(&items));
    struct sc_signed_reading item;
    assert_ok(sc_readings_next(&r, &item));
    assert_true(sc_slice_eq(item.signature, sc_slice_str("signature one")));
    assert_ok(sc_readings_next(&r, &item));
    assert_true(sc_slice_eq(item.signature, sc_slice_str("two")));
    assert_int_equal(item.statement.size, SC_READING_STATEMENT_SIZE);
    assert_int_equal(sc_readings_next(&r, &item), SC_E_NOT_FOUND);
}

static void bounds_are_enforced(void **state)
{
    (void)state;
    struct sc_message back;
    struct sc_buf b = {0};
    sc_buf_put_u8(&b, SC_MESSAGE_ACK);
    sc_buf_put_u64be(&b, 1);
    sc_buf_put_u16be(&b, SC_ACK_EXTRA_MAX + 1);
    for (unsigned i = 0; i <= SC_ACK_EXTRA_MAX; i++)
        sc_buf_put_u64be(&b, i);
    assert_int_equal(sc_message_decode(SC_ENVELOPE_ACK, true, sc_buf_slice(&b), &back), SC_E_LIMIT);
    sc_buf_reset(&b);
    sc_buf_put_u8(&b, SC_MESSAGE_READINGS);
    sc_buf_put_u16be(&b, SC_READINGS_COUNT_MAX + 1);
    assert_int_equal(sc_message_decode(SC_ENVELOPE_NOTIFY, false, sc_buf_slice(&b), &back), SC_E_LIMIT);
    sc_buf_reset(&b);
    sc_buf_put_u8(&b, SC_MESSAGE_LOAD_RESULT);
    sc_buf_put_u64be(&b, 1);
    sc_buf_put_u32be(&b, 0x01000101);
    sc_buf_put_f32be(&b, NAN);
    sc_buf_put_u64be(&b, 1);
    assert_int_equal(sc_message_decode(SC_ENVELOPE_LOAD_RESULT, false, sc_buf_slice(&b), &back),
                     SC_E_MALFORMED);
    sc_buf_deinit(&b);
}

static void a_load_order_is_exact(void **state)
{
    (void)state;
    struct sc_load_order o;
    assert_ok(sc_load_order_decode(sc_buf_slice(&order), &o));
    assert_string_equal(o.operator_id, "ana.souza");
    assert_int_equal(o.reason, SC_LOAD_REASON_FRAUD);
    for (size_t n = 0; n < order.size; n++)
        assert_int_equal(sc_load_order_decode(sc_slice_of(order.ptr, n), &o), SC_E_MALFORMED);
    struct sc_load_order bad = o;
    struct sc_buf b = {0};
    bad.not_before_ms = bad.not_after_ms + 1;
    sc_load_order_encode(&bad, &b);
    assert_int_equal(sc_load_order_decode(sc_buf_slice(&b), &o), SC_E_MALFORMED);
    sc_buf_reset(&b);
    bad = o;
    bad.operator_id[0] = '\n'; /* would forge a line of a log */
    sc_load_order_encode(&bad, &b);
    assert_int_equal(sc_load_order_decode(sc_buf_slice(&b), &o), SC_E_MALFORMED);
    sc_buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_survives_encoding_and_decoding),
        cmocka_unit_test(every_truncation_and_one_byte_more_are_refused),
        cmocka_unit_test(every_flipped_bit_is_refused_or_means_something_else),
        cmocka_unit_test(a_kind_travels_only_in_its_envelope_and_direction),
        cmocka_unit_test(readings_are_walked_one_by_one),
        cmocka_unit_test(bounds_are_enforced),
        cmocka_unit_test(a_load_order_is_exact),
    };
    return cmocka_run_group_tests(tests, make_examples, drop_examples);
}
