/* A history comes from a CAS that its reader does not trust. */
#include "cas/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_history_entry e = {0};
    struct sc_diag diag = {0};
    struct sc_history_judge judge = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf again = {0};
    if (sc_history_entry_decode(sc_slice_of(data, size), &e, &diag) != SC_OK) {
        SC_ASSERT(e.signatures == NULL && diag.text[0] != '\0');
        return 0;
    }
    sc_history_entry_encode(&e, &again);
    SC_ASSERT(sc_slice_eq(sc_buf_slice(&again), sc_slice_of(data, size))); /* one form for one entry */
    if (sc_history_judge_next(&judge, NULL, &e, NULL) == SC_OK)
        SC_ASSERT(judge.version == 1 && judge.newest != NULL);
    sc_history_judge_deinit(&judge);
    sc_history_entry_deinit(&e);
    return 0;
}
