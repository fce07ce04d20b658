/* A log group after decryption. */
#include "kvs/wal.h"

static sc_err each(void *arg, const struct kvs_entry *e)
{
    uint64_t *sum = arg;
    for (size_t i = 0; i < e->key.size; i++)
        *sum += e->key.ptr[i];
    for (size_t i = 0; i < e->value.size; i++)
        *sum += e->value.ptr[i];
    return SC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kvs_wal_group g;
    uint64_t sum = 0;
    sc_ignore(kvs_wal_group_parse(sc_slice_of(data, size), &g, each, &sum)); /* any verdict will do */
    return sum == UINT64_MAX;
}
