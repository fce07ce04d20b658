/* kvs/table.h - immutable sorted tables of sealed blocks.
 *
 *   object = header (KVS_HEADER_SIZE), sealed block*, sealed index
 *   block i: AES-256-GCM under the table's key, nonce (0, i), AAD = header; its tag, place, codec and last key stand in
 *   the index; the index: nonce (1, 0), AAD = header; its tag and place stand in the manifest.
 *
 * So a block is genuine if the manifest is: a Merkle tree by tags.  Tables are reference-counted and thread-safe; their
 * index is read at first use and stays in memory. */
#ifndef SC_KVS_TABLE_H
#define SC_KVS_TABLE_H

#include "kvs/cache.h"
#include "kvs/format.h"

#define KVS_TABLE_PURPOSE   "kvs/table v1"
enum { KVS_TABLE_NONCE_BLOCK = 0, KVS_TABLE_NONCE_INDEX = 1 };
enum { KVS_CODEC_PLAIN = 0, KVS_CODEC_ZSTD = 1 };
#define KVS_BLOCK_SIZE_MIN  ((size_t)256)
#define KVS_BLOCK_SIZE_MAX  ((size_t)1 << 20)

/* What the manifest says about a table. */
struct kvs_table_meta {
    struct kvs_id id;
    uint64_t size;         /* of the object, bytes */
    uint32_t index_size;   /* sealed index, the object's last bytes */
    uint8_t index_tag[SC_TAG_SIZE];
    uint64_t entry_count;
    uint64_t seq_max;
    struct sc_slice smallest, largest; /* user keys; owned by whoever owns the meta (table: keys buffer) */
};

/* ---- building ---- */
struct kvs_table_builder;
/* block_size: plaintext bytes after which a block is closed. */
sc_err kvs_table_builder_new(const struct kvs_io *io, size_t block_size, struct kvs_table_builder **out) SC_MUST_CHECK;
void kvs_table_builder_free(struct kvs_table_builder *b); /* NULL is fine */
void kvs_table_builder_freep(struct kvs_table_builder **b);
/* Entries come in order. */
sc_err kvs_table_builder_add(struct kvs_table_builder *b, const struct kvs_entry *e) SC_MUST_CHECK;
size_t kvs_table_builder_size(const struct kvs_table_builder *b); /* bytes so far */
/* Puts the object, durably.  meta_out's keys borrow from the builder.  At least one entry must have been added. */
sc_err kvs_table_builder_finish(struct kvs_table_builder *b, struct kvs_table_meta *meta_out, struct sc_diag *diag)
    SC_MUST_CHECK;

/* ---- the index, parsed ---- */
struct kvs_block_ref {
    uint64_t offset;
    uint32_t stored_size;
    uint32_t plain_size;
    uint8_t codec; /* KVS_CODEC_ */
    uint8_t tag[SC_TAG_SIZE];
    struct sc_slice last_key; /* into the index */
};
struct kvs_table_index {
    struct sc_buf plain;
    uint64_t filter_seed;
    uint32_t filter_probes;
    struct sc_slice filter;
    uint32_t block_count;
    struct kvs_block_ref *blocks;
};
/* Takes over *plain.  blocks_size: where the index begins in the object; the blocks must fill [header, there) exactly. */
sc_err kvs_table_index_parse(struct sc_buf *plain, uint64_t blocks_size, struct kvs_table_index *out) SC_MUST_CHECK;
void kvs_table_index_deinit(struct kvs_table_index *index);
/* Undoes the block's codec: plain_out takes over or is filled from *stored. */
sc_err kvs_table_block_decode(const struct kvs_block_ref *ref, struct sc_buf *stored, struct sc_buf *plain_out)
    SC_MUST_CHECK;

/* ---- reading ---- */
struct kvs_garbage; /* garbage.h */
struct kvs_table;
/* Copies meta.  cache and garbage are borrowed and outlive the table. */
sc_err kvs_table_new(const struct kvs_io *io, const struct kvs_table_meta *meta, struct kvs_cache *cache,
                     struct kvs_garbage *garbage, struct kvs_table **out) SC_MUST_CHECK;
struct kvs_table *kvs_table_ref(struct kvs_table *t);
void kvs_table_unref(struct kvs_table *t); /* NULL is fine */
const struct kvs_table_meta *kvs_table_meta(const struct kvs_table *t);
/* No root names it any more: with its last reference its object becomes garbage. */
void kvs_table_obsolete(struct kvs_table *t);
size_t kvs_table_index_memory(struct kvs_table *t);

/* Loads the index if need be. */
sc_err kvs_table_index(struct kvs_table *t, const struct kvs_table_index **out, struct sc_diag *diag) SC_MUST_CHECK;
/* A reference to block block_index.  fill: keep it in the cache (point reads and scans do, compactions do not). */
sc_err kvs_table_block(struct kvs_table *t, uint32_t block_index, bool fill, struct kvs_block **out,
                       struct sc_diag *diag) SC_MUST_CHECK;
/* First block whose last key is >= key; block_count when none. */
uint32_t kvs_table_index_seek(const struct kvs_table_index *index, struct sc_slice key);
/* False: key is surely absent. */
bool kvs_table_index_may_have(const struct kvs_table_index *index, struct sc_slice key);
/* The newest version of key with seq <= seq: *found_out; value is appended to value_out (may be NULL). */
sc_err kvs_table_get(struct kvs_table *t, struct sc_slice key, uint64_t seq, bool *found_out, bool *is_put_out,
                     uint64_t *seq_out, struct sc_buf *value_out, struct sc_diag *diag) SC_MUST_CHECK;
/* Re-reads header, index and every block from the store, past the cache, and checks all that the meta says. */
sc_err kvs_table_verify(struct kvs_table *t, struct sc_diag *diag) SC_MUST_CHECK;

#endif
