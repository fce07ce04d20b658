/* The evidence extension comes from whoever claims to be a CAS. */
#include "cas/evidence_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_carried_evidence e = {.form = SC_EVIDENCE_LEGACY};
    struct sc_diag diag = {0};
    if (sc_evidence_dice_parse(sc_slice_of(data, size), &e, &diag) != SC_OK) {
        SC_ASSERT(e.form == SC_EVIDENCE_LEGACY && diag.text[0] != '\0');
        return 0;
    }
    SC_ASSERT(e.evidence.ptr >= data && e.evidence.ptr + e.evidence.size <= data + size);
    for (size_t i = 32; i < 64; i++)
        SC_ASSERT(e.report_data[i] == 0);
    return 0;
}
