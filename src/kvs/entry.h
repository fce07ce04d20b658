/* kvs/entry.h - one version of one key, as it stands in memtable and tables.
 *
 * Order everywhere: key ascending (bytewise), then seq descending: the newest version of a key comes first. */
#ifndef SC_KVS_ENTRY_H
#define SC_KVS_ENTRY_H

#include "base/bytes.h"

#define KVS_SEQ_MAX (UINT64_MAX >> 1) /* a seq shares its word with one bit */

struct kvs_entry {
    struct sc_slice key;
    struct sc_slice value; /* empty for a deletion */
    uint64_t seq;          /* of the commit that wrote it */
    bool is_put;           /* false: a deletion */
    bool is_range;         /* in logs and batches only: deletes [key, value), value empty: to the end */
};

static inline int kvs_entry_cmp(struct sc_slice key_a, uint64_t seq_a, struct sc_slice key_b, uint64_t seq_b)
{
    const int c = sc_slice_cmp(key_a, key_b);
    return c != 0 ? c : (seq_a < seq_b) - (seq_a > seq_b);
}
static inline uint64_t kvs_entry_word(uint64_t seq, bool is_put)
{
    return seq << 1 | is_put;
}

#endif
