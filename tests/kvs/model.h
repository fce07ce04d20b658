/* tests/kvs/model.h - the engine's plain twin: a sorted array.  And what the tests of this folder share. */
#ifndef SC_TESTS_KVS_MODEL_H
#define SC_TESTS_KVS_MODEL_H

#include "base/clock.h"
#include "kvs/kvs.h"
#include "store/memory.h"

struct model_pair {
    uint8_t key[40];
    size_t key_size;
    uint8_t *value;
    size_t value_size;
};
struct model {
    size_t count, capacity;
    struct model_pair *pairs;
};
void model_deinit(struct model *m);
void model_put(struct model *m, struct sc_slice key, struct sc_slice value);
void model_delete(struct model *m, struct sc_slice key);
const struct model_pair *model_get(const struct model *m, struct sc_slice key);
/* Index of the first pair >= key. */
size_t model_lower(const struct model *m, struct sc_slice key);
void model_copy(const struct model *from, struct model *to);
bool model_equal(const struct model *a, const struct model *b);
static inline struct sc_slice model_key(const struct model_pair *p)
{
    return sc_slice_of(p->key, p->key_size);
}
static inline struct sc_slice model_value(const struct model_pair *p)
{
    return sc_slice_of(p->value, p->value_size);
}

/* A counter in memory: what a TPM would be. */
struct test_counter {
    uint64_t value;
    uint64_t fail_after; /* advances until they fail; 0: never */
};
struct sc_kvs_counter test_counter_of(struct test_counter *c);

extern const struct sc_key test_root_key;

/* Reads the whole volume into m.  The first error ends it. */
sc_err model_read(struct sc_kvs *kvs, const struct sc_kvs_snapshot *snap, struct model *m, struct sc_diag *diag);
/* One put or delete in a transaction of its own. */
sc_err put_one(struct sc_kvs *kvs, const char *key, const char *value, bool sync, struct sc_diag *diag);
/* ---- a trace: step i of seed is always the same transaction ---- */
#define TRACE_WRITES_MAX 6
struct trace_step {
    size_t write_count;
    struct {
        char key[32];
        char value[200];
        bool is_put;
        char upper[32]; /* a deletion of the range from key to here, if not empty */
    } writes[TRACE_WRITES_MAX];
    bool sync;
    bool by_batch; /* not by a transaction */
};
void trace_step_make(uint64_t seed, unsigned i, struct trace_step *out);
void trace_step_apply(const struct trace_step *s, struct model *m);
sc_err trace_step_commit(const struct trace_step *s, struct sc_kvs *kvs, struct sc_diag *diag);

uint64_t test_seed(uint64_t fallback); /* SC_TEST_SEED or fallback; printed */

#endif
