/* Message payloads (first byte: envelope type and direction) and reading statements: what decodes encodes to
 * the same. */
#include "metering/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void readings_walk(const struct sc_message_readings *m)
{
    struct sc_reader r = sc_reader_of(m->items);
    struct sc_signed_reading item;
    struct sc_reading v;
    for (unsigned i = 0; i < m->count; i++) {
        SC_ASSERT(sc_readings_next(&r, &item) == SC_OK);
        sc_ignore(sc_reading_decode(item.statement, &v));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_message m;
    struct sc_reading v;
    struct sc_load_order order;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf again = {0};
    if (size == 0)
        return 0;
    const struct sc_slice payload = sc_slice_of(data + 1, size - 1);
    if (sc_message_decode((enum sc_envelope_type)(data[0] & 0x0f), (data[0] & 0x80) != 0, payload, &m) ==
        SC_OK) {
        if (m.kind == SC_MESSAGE_READINGS)
            readings_walk(&m.readings);
        sc_message_encode(&m, &again);
        SC_ASSERT(sc_slice_eq(sc_buf_slice(&again), payload));
    }
    sc_buf_reset(&again);
    if (sc_reading_decode(payload, &v) == SC_OK) {
        sc_reading_encode(&v, &again);
        SC_ASSERT(sc_slice_eq(sc_buf_slice(&again), payload));
        (void)sc_reading_energy_wh(&v);
    }
    sc_buf_reset(&again);
    if (sc_load_order_decode(payload, &order) == SC_OK) {
        sc_load_order_encode(&order, &again);
        SC_ASSERT(sc_slice_eq(sc_buf_slice(&again), payload));
    }
    return 0;
}
