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
        struct kvs_keys keys = { 0 };
        if (kvs_root_parse(s, &root, &keys) == SC_OK)
            SC_ASSERT(root.log_count <= KVS_ROOT_LOGS_MAX && keys.data_count <= KVS_DATA_KEYS_MAX);
        return 0;
    }
    struct kvs_manifest m;
    if (kvs_manifest_parse(s, &m) == SC_OK)
        kvs_manifest_deinit(&m);
    return 0;
}
