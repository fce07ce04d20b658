#include "billing/merkle.h"

void sc_merkle_leaf_hash(struct sc_slice data, struct sc_hash *out)
{
    const uint8_t kind = 0x00;
    const struct sc_slice parts[] = {{&kind, 1}, data};
    sc_hash_of_parts(parts, 2, out);
}

static void node_hash(const struct sc_hash *left, const struct sc_hash *right, struct sc_hash *out)
{
    uint8_t bytes[1 + 2 * sizeof left->bytes];
    bytes[0] = 0x01;
    memcpy(bytes + 1, left->bytes, sizeof left->bytes);
    memcpy(bytes + 1 + sizeof left->bytes, right->bytes, sizeof right->bytes);
    sc_hash_of(sc_slice_of(bytes, sizeof bytes), out);
}

void sc_merkle_add(struct sc_merkle *m, const struct sc_hash *leaf)
{
    SC_ASSERT(m->leaf_count < UINT64_MAX);
    struct sc_hash carry = *leaf;
    unsigned k = 0;
    for (; (m->leaf_count >> k & 1) != 0; k++) /* as a binary counter carries */
        node_hash(&m->level[k], &carry, &carry);
    m->level[k] = carry;
    m->leaf_count++;
}

void sc_merkle_root(const struct sc_merkle *m, struct sc_hash *root_out)
{
    bool any = false;
    struct sc_hash root;
    for (unsigned k = 0; k < SC_MERKLE_DEPTH_MAX; k++) {
        if ((m->leaf_count >> k & 1) == 0)
            continue;
        if (any)
            node_hash(&m->level[k], &root, &root);
        else
            root = m->level[k];
        any = true;
    }
    if (!any)
        sc_hash_of(SC_SLICE_EMPTY, &root);
    *root_out = root;
}

static void subtree_root(const struct sc_hash *leaves, size_t count, struct sc_hash *out)
{
    struct sc_merkle m;
    sc_merkle_init(&m);
    for (size_t i = 0; i < count; i++)
        sc_merkle_add(&m, &leaves[i]);
    sc_merkle_root(&m, out);
}

void sc_merkle_path(const struct sc_hash *leaves, size_t count, size_t index,
                    struct sc_hash path_out[static SC_MERKLE_DEPTH_MAX], size_t *path_count_out)
{
    SC_ASSERT(index < count);
    struct sc_hash from_root[SC_MERKLE_DEPTH_MAX];
    size_t depth = 0;
    while (count > 1) {
        size_t split = 1;
        while (split * 2 < count)
            split *= 2;
        if (index < split) {
            subtree_root(leaves + split, count - split, &from_root[depth++]);
            count = split;
        } else {
            subtree_root(leaves, split, &from_root[depth++]);
            leaves += split;
            count -= split;
            index -= split;
        }
    }
    for (size_t i = 0; i < depth; i++)
        path_out[i] = from_root[depth - 1 - i];
    *path_count_out = depth;
}

sc_err sc_merkle_path_check(const struct sc_hash *leaf, uint64_t index, uint64_t leaf_count, const struct sc_hash *path,
                            size_t path_count, const struct sc_hash *root)
{
    if (index >= leaf_count)
        return SC_E_AUTH;
    uint64_t fn = index; /* the names of RFC 9162 */
    uint64_t sn = leaf_count - 1;
    struct sc_hash r = *leaf;
    for (size_t i = 0; i < path_count; i++) {
        if (sn == 0)
            return SC_E_AUTH;
        if ((fn & 1) != 0 || fn == sn) {
            node_hash(&path[i], &r, &r);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            node_hash(&r, &path[i], &r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && sc_ct_equal(r.bytes, root->bytes, sizeof r.bytes) ? SC_OK : SC_E_AUTH;
}
