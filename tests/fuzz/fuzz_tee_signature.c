/* Code signatures come from the caller. */
#include "tee/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tee_signature s = {.product_id = 77};
    struct sc_diag diag = {0};
    if (tee_signature_check(sc_slice_of(data, size), &s, &diag) != SC_OK)
        SC_ASSERT(s.product_id == 77 && diag.text[0] != '\0');
    else
        SC_ASSERT(size >= 48 && memcmp(s.measurement.bytes, data + 8, 32) == 0);
    return 0;
}
