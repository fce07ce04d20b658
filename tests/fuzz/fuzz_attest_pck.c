/* The SGX extension of a PCK certificate. */
#include "attest/pck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_pck pck;
    struct sc_pck before;
    memset(&pck, 0xa5, sizeof pck);
    memcpy(&before, &pck, sizeof pck);
    if (sc_pck_parse(sc_slice_of(data, size), &pck, NULL) != SC_OK && memcmp(&before, &pck, sizeof pck) != 0)
        abort(); /* a refusal leaves the output alone */
    return 0;
}
