/* ABNT NBR 14522 frames, with their CRC put right first: otherwise nothing would get past it. */
#include "metering/nbr14522.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void command(uint8_t *frame)
{
    struct sc_nbr_command c;
    uint8_t again[SC_NBR_COMMAND_SIZE];
    sc_nbr_crc_put(frame, SC_NBR_COMMAND_SIZE);
    if (sc_nbr_command_decode(sc_slice_of(frame, SC_NBR_COMMAND_SIZE), &c) == SC_OK)
        SC_ASSERT(sc_nbr_command_encode(&c, again) == SC_OK); /* what we understand we can say */
}

static void reply(uint8_t *frame)
{
    const struct sc_slice s = {frame, SC_NBR_REPLY_SIZE};
    struct sc_nbr_instantaneous inst;
    struct sc_nbr_parameters par;
    struct sc_nbr_registers regs;
    struct sc_nbr_exception exc;
    struct sc_nbr_load_reply load;
    struct sc_nbr_block block;
    struct sc_reading r;
    uint8_t again[SC_NBR_REPLY_SIZE];
    const struct sc_nbr_scale scale = {.ke = 2.0, .demand_interval_s = 900, .utc_offset_min = -180};
    sc_nbr_crc_put(frame, SC_NBR_REPLY_SIZE);
    if (sc_nbr_instantaneous_decode(s, &inst) == SC_OK) {
        regs = (struct sc_nbr_registers){.meter = inst.meter};
        SC_ASSERT(sc_nbr_instantaneous_encode(&inst, again) == SC_OK);
        if (sc_nbr_to_reading(&inst, &regs, &scale, &r) == SC_OK)
            sc_ignore(
                sc_nbr_from_reading(&r, &scale, &inst, &regs)); /* the demand may be beyond six digits */
    }
    if (sc_nbr_parameters_decode(s, &par) == SC_OK)
        SC_ASSERT(sc_nbr_parameters_encode(&par, again) == SC_OK);
    if (sc_nbr_registers_decode(s, &regs) == SC_OK)
        SC_ASSERT(sc_nbr_registers_encode(&regs, again) == SC_OK);
    for (int packing = 0; packing < 2; packing++) {
        if (sc_nbr_block_decode(s, (enum sc_nbr_packing)packing, &block) == SC_OK)
            SC_ASSERT(sc_nbr_block_encode(&block, (enum sc_nbr_packing)packing, again) == SC_OK &&
                      memcmp(again, frame, sizeof again) == 0);
    }
    sc_ignore(sc_nbr_exception_decode(s, &exc)); /* only memory safety is asked */
    sc_ignore(sc_nbr_load_reply_decode(s, &load));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[SC_NBR_REPLY_SIZE] = {0};
    uint16_t words[400];
    struct sc_slice inner;
    struct sc_nbr_command c;
    uint32_t meter;
    memcpy(frame, data, size < sizeof frame ? size : sizeof frame);
    command(frame);
    memcpy(frame, data, size < sizeof frame ? size : sizeof frame);
    reply(frame);
    const struct sc_slice raw = sc_slice_of(data, size);
    sc_ignore(sc_nbr_memory_decode(raw, SC_NBR_PACKING_BIG_ENDIAN, 400, words));
    if (sc_nbr_addressed_decode(raw, &meter, &inner) == SC_OK)
        sc_ignore(sc_nbr_command_decode(inner, &c));
    sc_ignore(sc_nbr_wrapped_decode(raw, frame));
    return 0;
}
