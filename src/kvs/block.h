/* kvs/block.h - a run of sorted entries: the unit that is compressed, sealed, read and cached.
 *
 * Plaintext = entry*, entry = varint shared key bytes with the entry before, lvar rest of key,
 *             varint seq << 1 | is_put, lvar value.
 * A block is decoded whole and checked whole when it is read: afterwards moving in it is arithmetic, in both
 * directions.  Decoded blocks are immutable, reference-counted and thread-safe. */
#ifndef SC_KVS_BLOCK_H
#define SC_KVS_BLOCK_H

#include "kvs/entry.h"

/* Decoded keys of one block, so that a few bytes cannot unfold to gigabytes. */
#define KVS_BLOCK_KEYS_SIZE_MAX ((size_t)8 << 20)

struct kvs_block_builder {
    struct sc_buf body;
    struct sc_buf last_key;
    uint64_t last_seq;
    size_t count;
    size_t keys_size; /* of all keys, not compressed */
};
void kvs_block_builder_reset(struct kvs_block_builder *b);
void kvs_block_builder_deinit(struct kvs_block_builder *b);
/* Entries come in order.  A failure is sticky in body. */
void kvs_block_builder_add(struct kvs_block_builder *b, const struct kvs_entry *e);

struct kvs_block;
/* Takes over *plain (also when it fails).  SC_E_MALFORMED: not sorted entries and nothing else; never empty. */
sc_err kvs_block_parse(struct sc_buf *plain, struct kvs_block **out) SC_MUST_CHECK;
struct kvs_block *kvs_block_ref(struct kvs_block *b);
void kvs_block_unref(struct kvs_block *b); /* NULL is fine */
size_t kvs_block_size(const struct kvs_block *b); /* memory held */
size_t kvs_block_count(const struct kvs_block *b);
void kvs_block_entry(const struct kvs_block *b, size_t index, struct kvs_entry *out);
/* Index of the first entry >= (key, seq); count when there is none. */
size_t kvs_block_seek(const struct kvs_block *b, struct sc_slice key, uint64_t seq);

#endif
