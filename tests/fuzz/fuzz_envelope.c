/* Envelopes from a hostile network against an open session: only genuine ones open, whatever the bytes. */
#include "metering/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sc_session *session_make(void)
{
    struct sc_key meter_key;
    struct sc_key headend_key;
    struct sc_dh_public headend;
    struct sc_session *s = NULL;
    memset(&meter_key, 1, sizeof meter_key);
    memset(&headend_key, 2, sizeof headend_key);
    SC_ASSERT(sc_dh_public_of(&headend_key, &headend) == SC_OK);
    const struct sc_session_meter_options opt = {.meter = 17,
                                                 .agreement_key = &meter_key,
                                                 .headend = &headend,
                                                 .opened_ms = 5,
                                                 .ephemeral_key = &meter_key};
    SC_ASSERT(sc_session_meter_open(&opt, &s) == SC_OK);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sc_session *s;
    if (s == NULL)
        s = session_make();
    struct sc_envelope_header h;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    size_t whole;
    const struct sc_slice wire = sc_slice_of(data, size);
    if (sc_envelope_size(wire, &whole) == SC_OK)
        SC_ASSERT(whole <= SC_ENVELOPE_SIZE_MAX && (whole == size) == (sc_envelope_peek(wire, &h) == SC_OK));
    else
        SC_ASSERT(sc_envelope_peek(wire, &h) != SC_OK);
    SC_ASSERT(sc_envelope_open(s, wire, &h, &plain) != SC_OK && plain.size == 0);

    /* the session's own name put in front, so that the tag is reached */
    if (size >= SC_ENVELOPE_HEADER_SIZE) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf named = {0};
        sc_buf_put_bytes(&named, wire);
        sc_store_u32be(named.ptr + 6, 17);
        memcpy(named.ptr + 10, sc_session_ephemeral(s)->bytes, 32);
        sc_store_u64be(named.ptr + 42, 5);
        SC_ASSERT(sc_envelope_open(s, sc_buf_slice(&named), &h, &plain) != SC_OK && plain.size == 0);
    }
    return 0;
}
