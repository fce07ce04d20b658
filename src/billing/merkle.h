/* billing/merkle.h - the Merkle tree hash of RFC 6962, section 2.1, over SHA-256: leaf = H(0x00 || data),
 * node = H(0x01 || left || right), left subtree the largest power of two below the size; of nothing, H("").
 *
 * The accumulator takes leaves one by one and holds one hash per level: 2 KiB whatever the size. */
#ifndef SC_BILLING_MERKLE_H
#define SC_BILLING_MERKLE_H

#include "crypto/crypto.h"

#define SC_MERKLE_DEPTH_MAX 64

struct sc_merkle {
    uint64_t leaf_count;
    struct sc_hash level[SC_MERKLE_DEPTH_MAX]; /* level[k]: the complete subtree of 2^k leaves, if bit k of leaf_count */
};

static inline void sc_merkle_init(struct sc_merkle *m)
{
    m->leaf_count = 0;
}
void sc_merkle_leaf_hash(struct sc_slice data, struct sc_hash *out);
void sc_merkle_add(struct sc_merkle *m, const struct sc_hash *leaf);
/* The root over the leaves so far; more may be added afterwards. */
void sc_merkle_root(const struct sc_merkle *m, struct sc_hash *root_out);

/* The audit path of leaf `index` among leaf hashes leaves[count] (RFC 6962, 2.1.1), nearest sibling first. */
void sc_merkle_path(const struct sc_hash *leaves, size_t count, size_t index,
                    struct sc_hash path_out[static SC_MERKLE_DEPTH_MAX], size_t *path_count_out);
/* SC_OK when the path leads from `leaf` at `index` of `leaf_count` to root (RFC 9162, 2.1.3.2); SC_E_AUTH otherwise. */
sc_err sc_merkle_path_check(const struct sc_hash *leaf, uint64_t index, uint64_t leaf_count, const struct sc_hash *path,
                            size_t path_count, const struct sc_hash *root) SC_MUST_CHECK;

#endif
