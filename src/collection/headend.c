#include "collection/headend.h"

#define VERSION 1u
#define UP      1u
#define DOWN    2u

void sc_headend_encode(const struct sc_headend_frame *f, struct sc_buf *out)
{
    sc_buf_put_u8(out, VERSION);
    sc_buf_put_u8(out, f->to_meter ? DOWN : UP);
    sc_buf_put_u32be(out, f->meter);
    sc_buf_put_u64be(out, f->client_id);
    sc_buf_put_u8(out, (uint8_t)f->type);
    sc_buf_put_u32be(out, f->message_id);
    sc_buf_put_u32be(out, f->correlation_id);
    sc_buf_put_bytes(out, f->payload);
}

sc_err sc_headend_decode(struct sc_slice wire, struct sc_headend_frame *out)
{
    struct sc_reader r = sc_reader_of(wire);
    struct sc_headend_frame f = {0};
    uint8_t version;
    uint8_t direction;
    uint8_t type;
    SC_TRY(sc_reader_get_u8(&r, &version));
    if (version != VERSION)
        return SC_E_UNSUPPORTED;
    SC_TRY(sc_reader_get_u8(&r, &direction));
    SC_TRY(sc_reader_get_u32be(&r, &f.meter));
    SC_TRY(sc_reader_get_u64be(&r, &f.client_id));
    SC_TRY(sc_reader_get_u8(&r, &type));
    SC_TRY(sc_reader_get_u32be(&r, &f.message_id));
    SC_TRY(sc_reader_get_u32be(&r, &f.correlation_id));
    SC_TRY(sc_reader_get_bytes(&r, sc_reader_left(&r), &f.payload));
    if ((direction != UP && direction != DOWN) || type < SC_ENVELOPE_REQUEST || type > SC_ENVELOPE_LOAD_RESULT ||
        f.meter == 0 || f.meter > SC_METER_SERIAL_MAX)
        return SC_E_MALFORMED;
    if (f.payload.size > SC_ENVELOPE_PAYLOAD_MAX)
        return SC_E_LIMIT;
    f.to_meter = direction == DOWN;
    f.type = (enum sc_envelope_type)type;
    *out = f;
    return SC_OK;
}
