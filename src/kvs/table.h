/* kvs/table.h - immutable sorted tables of sealed blocks.
 *
 *   object = header (KVS_HEADER_SIZE), sealed block*, sealed index
 *   block i: AES-256-GCM under the table's key, nonce (0, i), AAD = header; its tag, place, codec and last key stand in
 *   the index; the index: nonce (1, 0), AAD = header; its tag and place stand in the manifest.
 *
 * So a block is genuine if the manifest is: a Merkle tree by tags.  Tables are reference-counted and thread-safe; index
 * and blocks are read when they are needed and kept in the cache, whose bound holds for both. */
#ifndef SC_KVS_TABLE_H
#define SC_KVS_TABLE_H

#include "kvs/block.h"
#include "kvs/format.h"

#define KVS_TABLE_PURPOSE   "kvs/table v2"
enum { KVS_TABLE_NONCE_BLOCK = 0, KVS_TABLE_NONCE_INDEX = 1 };
enum { KVS_CODEC_ROWS = 0, KVS_CODEC_ROWS_ZSTD = 1, KVS_CODEC_COLUMNS = 2 };
#define KVS_BLOCK_SIZE_MIN  ((size_t)256)
#define KVS_BLOCK_SIZE_MAX  ((size_t)1 << 20)

/* What the manifest says about a table. */
struct kvs_table_meta {
    struct kvs_id id;
    uint32_t key_id;       /* of the data key */
    uint64_t size;         /* of the object, bytes */
    uint32_t index_size;   /* sealed index, the object's last bytes */
    uint8_t index_tag[SC_TAG_SIZE];
    uint64_t entry_count;
    uint64_t seq_min, seq_max;
    struct sc_slice smallest, largest; /* user keys; owned by whoever owns the meta (table: keys buffer) */
};

/* ---- building ---- */
struct kvs_table_builder;
/* block_size: plaintext bytes after which a block is closed. */
sc_err kvs_table_builder_new(struct kvs_io *io, size_t block_size, struct kvs_table_builder **out) SC_MUST_CHECK;
void kvs_table_builder_free(struct kvs_table_builder *b); /* NULL is fine */
void kvs_table_builder_freep(struct kvs_table_builder **b);
/* Entries come in order; SC_E_MALFORMED when they do not: what a merge reads is genuine, yet may be nonsense. */
sc_err kvs_table_builder_add(struct kvs_table_builder *b, const struct kvs_entry *e) SC_MUST_CHECK;
size_t kvs_table_builder_size(const struct kvs_table_builder *b); /* bytes of closed blocks */
struct sc_slice kvs_table_builder_last_key(const struct kvs_table_builder *b); /* of the last entry added */
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
    struct kvs_cached cached;
    struct sc_buf plain;
    uint64_t filter_seed;
    uint32_t filter_probes;
    struct sc_slice filter;
    uint32_t block_count;
    struct kvs_block_ref *blocks;
    size_t shared_size; /* bytes that all last keys begin with */
    uint64_t *digests;  /* the 8 bytes behind those, per block: what a search looks at first */
};
/* Takes over *plain.  blocks_size: where the index begins in the object; the blocks must fill [header, there) exactly. */
sc_err kvs_table_index_parse(struct sc_buf *plain, uint64_t blocks_size, struct kvs_table_index **out) SC_MUST_CHECK;
static inline void kvs_table_index_unref(struct kvs_table_index *index) /* NULL is fine */
{
    if (index != NULL)
        kvs_cached_unref(&index->cached);
}
static inline void kvs_table_index_unrefp(struct kvs_table_index **index)
{
    kvs_table_index_unref(*index);
}
/* The block from its decrypted bytes; takes over *stored. */
sc_err kvs_table_block_parse(const struct kvs_block_ref *ref, struct sc_buf *stored, struct kvs_block **out)
    SC_MUST_CHECK;

/* ---- reading ---- */
struct kvs_garbage; /* garbage.h */
struct kvs_table;
/* Copies meta.  cache and garbage are borrowed and outlive the table. */
sc_err kvs_table_new(struct kvs_io *io, const struct kvs_table_meta *meta, struct kvs_cache *cache,
                     struct kvs_garbage *garbage, struct kvs_table **out) SC_MUST_CHECK;
struct kvs_table *kvs_table_ref(struct kvs_table *t);
void kvs_table_unref(struct kvs_table *t); /* NULL is fine */
const struct kvs_table_meta *kvs_table_meta(const struct kvs_table *t);
/* Of disjoint tables in key order: index of the first whose largest key is >= key; count when none. */
size_t kvs_tables_seek(struct kvs_table *const *tables, size_t count, struct sc_slice key);
/* No root names it any more: with its last reference its object becomes garbage. */
void kvs_table_obsolete(struct kvs_table *t);

/* A reference to the index, from the cache or the store. */
sc_err kvs_table_index(struct kvs_table *t, struct kvs_table_index **out, struct sc_diag *diag) SC_MUST_CHECK;
/* A reference to block block_index.  fill: keep it in the cache (point reads and scans do, compactions do not). */
sc_err kvs_table_block(struct kvs_table *t, const struct kvs_table_index *index, uint32_t block_index, bool fill,
                       struct kvs_block **out, struct sc_diag *diag) SC_MUST_CHECK;
/* First block whose last key is >= key; block_count when none. */
uint32_t kvs_table_index_seek(const struct kvs_table_index *index, struct sc_slice key);
/* False: key is surely absent. */
bool kvs_table_index_may_have(const struct kvs_table_index *index, struct sc_slice key);
/* What a point read has found: the newest version of the key not newer than the reader's seq. */
struct kvs_found {
    bool any, is_put;
    uint64_t seq;
};
/* A put's value is appended to value_out (may be NULL). */
sc_err kvs_table_get(struct kvs_table *t, struct sc_slice key, uint64_t seq, struct kvs_found *found,
                     struct sc_buf *value_out, struct sc_diag *diag) SC_MUST_CHECK;
/* Re-reads header, index and every block from the store, past the cache, and checks all that the meta says. */
sc_err kvs_table_verify(struct kvs_table *t, struct sc_diag *diag) SC_MUST_CHECK;

#endif
