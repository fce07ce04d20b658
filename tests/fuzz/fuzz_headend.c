/* Head-end frames: what is accepted is encoded back to the very same bytes. */
#include "collection/headend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_headend_frame f;
    const struct sc_slice wire = sc_slice_of(data, size);
    if (sc_headend_decode(wire, &f) != SC_OK)
        return 0;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf again = { 0 };
    sc_headend_encode(&f, &again);
    SC_ASSERT(sc_buf_status(&again) == SC_OK && sc_slice_eq(sc_buf_slice(&again), wire));
    return 0;
}
