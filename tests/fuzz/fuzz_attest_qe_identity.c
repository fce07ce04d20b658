/* QE identity as the service answers. */
#include "attest/tcb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_slice inner;
    uint8_t signature[64];
    struct sc_qe_identity id = {0};
    if (sc_signed_json_split(sc_slice_of(data, size), "enclaveIdentity", &inner, signature, NULL) != SC_OK)
        inner = sc_slice_of(data, size);
    if (sc_qe_identity_parse(inner, &id, NULL) == SC_OK) {
        for (unsigned svn = 0; svn < 20; svn++) {
            const struct sc_tcb_svn_level *level = sc_tcb_svn_level_of(&id.levels, svn);
            if (level != NULL && level->isv_svn > svn)
                abort();
        }
    }
    sc_qe_identity_deinit(&id);
    return 0;
}
