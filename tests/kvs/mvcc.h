/* tests/kvs/mvcc.h - the engine's twin for millions of operations: a fixed universe of keys, each with the numbers of
 * the values it has held.  A value's bytes follow from its number, a snapshot is a point in time, so nothing is ever
 * copied. */
#ifndef SC_TESTS_KVS_MVCC_H
#define SC_TESTS_KVS_MVCC_H

#include "base/bytes.h"
#include "base/clock.h"

#define MVCC_KEY_SIZE_MAX   ((size_t)400)
#define MVCC_VALUE_SIZE_MAX ((size_t)6000)

struct mvcc_version {
    uint64_t time;
    uint64_t value; /* 0: deleted */
    bool surely;    /* a write of this key itself, not a range deletion that found nothing here */
};
struct mvcc_key {
    uint8_t *bytes;
    size_t size;
    size_t version_count, version_capacity;
    struct mvcc_version *versions; /* oldest first */
};
struct mvcc {
    size_t key_count;
    struct mvcc_key *keys; /* ascending */
    uint64_t now;          /* counts commits */
    uint64_t next_value;
};

void mvcc_init(struct mvcc *m, struct sc_prng *prng, size_t key_count);
void mvcc_deinit(struct mvcc *m);
struct sc_slice mvcc_key_of(const struct mvcc *m, size_t i);
/* Index of the first key of the universe >= key. */
size_t mvcc_lower(const struct mvcc *m, struct sc_slice key);

/* The number of key i's value at a time; 0: none. */
uint64_t mvcc_at(const struct mvcc *m, size_t i, uint64_t time);
void mvcc_write(struct mvcc *m, size_t i, uint64_t time, uint64_t value, bool surely);
/* Time of the newest write of key i; surely: only of those. */
uint64_t mvcc_written(const struct mvcc *m, size_t i, bool surely);
/* Versions that no time >= oldest can see are dropped. */
void mvcc_forget(struct mvcc *m, uint64_t oldest);

/* A new value number for key i, and its bytes: of several kinds, from a meter's row of slowly changing words to noise.
 */
uint64_t mvcc_value_new(struct mvcc *m, struct sc_prng *prng);
struct sc_slice mvcc_value_bytes(size_t key_index, uint64_t value, uint8_t out[static MVCC_VALUE_SIZE_MAX]);

#endif
