/* A manifest (first byte even) or a root record's body (odd) after decryption. */
#include "kvs/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct sc_slice s = sc_slice_of(data + 1, size - 1);
    if (data[0] % 2 != 0) {
        struct kvs_root root;
        if (kvs_root_parse(s, &root) == SC_OK)
            SC_ASSERT(root.log_count <= KVS_ROOT_LOGS_MAX);
        return 0;
    }
    struct kvs_manifest m;
    if (kvs_manifest_parse(s, &m) == SC_OK)
        kvs_manifest_deinit(&m);
    return 0;
}
