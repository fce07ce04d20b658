/* A log group after decryption. */
#include "kvs/wal.h"

static sc_err each(void *arg, const struct kvs_wal_commit *c)
{
    uint64_t *sum = arg;
    struct sc_reader r = sc_reader_of(c->records);
    for (uint64_t n = 0; n < c->record_count; n++) {
        struct kvs_entry e;
        SC_ASSERT(kvs_wal_record_get(&r, &e) == SC_OK); /* the group was parsed */
        for (size_t i = 0; i < e.key.size; i++)
            *sum += e.key.ptr[i];
        for (size_t i = 0; i < e.value.size; i++)
            *sum += e.value.ptr[i];
    }
    SC_ASSERT(sc_reader_left(&r) == 0);
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
