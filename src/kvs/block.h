/* kvs/block.h - a run of sorted entries: the unit that is compressed, sealed, read and cached.  Two layouts:
 *
 *   rows (rows.c)       entries one after another, for anything
 *   columns (columns.c) for values that look alike: each 8-byte word of the values is a series (series.h), any row
 *                       decodes by itself, and the block stays packed in memory
 *
 * Blocks are immutable, reference-counted and thread-safe.  What an entry is decoded into belongs to the reader. */
#ifndef SC_KVS_BLOCK_H
#define SC_KVS_BLOCK_H

#include "kvs/cache.h"
#include "kvs/entry.h"

/* Decoded keys of one block, so that a few bytes cannot unfold to gigabytes. */
#define KVS_BLOCK_KEYS_SIZE_MAX ((size_t)8 << 20)

/* Where a reader's entries are decoded to: one for each place that is looked at, good for one block at a time. */
struct kvs_scratch {
    struct sc_buf key, value;
};
void kvs_scratch_deinit(struct kvs_scratch *s);

struct kvs_block;
struct kvs_block_ops {
    /* Key, seq and kind of entry index; the value is not set. */
    void (*head)(const struct kvs_block *b, size_t index, struct kvs_scratch *s, struct kvs_entry *out);
    struct sc_slice (*value)(const struct kvs_block *b, size_t index, struct kvs_scratch *s);
    struct sc_slice (*value_part)(const struct kvs_block *b, size_t index, size_t offset, size_t size,
                                  struct kvs_scratch *s);
    size_t (*value_size)(const struct kvs_block *b, size_t index);
    /* Index of the first entry >= (key, seq); count when there is none. */
    size_t (*seek)(const struct kvs_block *b, struct sc_slice key, uint64_t seq);
    /* Point reads, without a scratch: whether entry index has this key, and if so its seq and kind. */
    bool (*match)(const struct kvs_block *b, size_t index, struct sc_slice key, uint64_t *seq_out, bool *is_put_out);
    void (*value_copy)(const struct kvs_block *b, size_t index, uint8_t *out); /* value_size() bytes */
    /* Makes s large enough for every entry, and fit for this block. */
    sc_err (*enter)(const struct kvs_block *b, struct kvs_scratch *s);
};
struct kvs_block {
    struct kvs_cached cached;
    const struct kvs_block_ops *ops;
    size_t count;
    bool distinct;    /* no two entries have the same key */
    uint64_t seq_max; /* no entry is newer */
};
static inline void kvs_block_unref(struct kvs_block *b) /* NULL is fine */
{
    if (b != NULL)
        kvs_cached_unref(&b->cached);
}

/* ---- rows ----
 * Plaintext = entry*, entry = varint shared key bytes with the entry before, lvar rest of key,
 *             varint seq << 1 | is_put, lvar value.  Decoded whole and checked whole when it is read. */
struct kvs_rows_builder {
    struct sc_buf body;
    struct sc_buf last_key;
    uint64_t last_seq;
    size_t count;
    size_t keys_size; /* of all keys, not compressed */
};
void kvs_rows_builder_reset(struct kvs_rows_builder *b);
void kvs_rows_builder_deinit(struct kvs_rows_builder *b);
/* Entries come in order.  A failure is sticky in body. */
void kvs_rows_builder_add(struct kvs_rows_builder *b, const struct kvs_entry *e);
/* Takes over *plain (also when it fails).  SC_E_MALFORMED: not sorted entries and nothing else; never empty. */
sc_err kvs_rows_parse(struct sc_buf *plain, struct kvs_block **out) SC_MUST_CHECK;

/* ---- columns ----
 * docs/formats/kvs.md has the bytes.  At most KVS_COLUMNS_ROWS_MAX entries. */
#define KVS_COLUMNS_ROWS_MAX  1024
#define KVS_COLUMNS_WORDS_MAX 512

struct kvs_columns_builder; /* scratch memory, reused block by block */
sc_err kvs_columns_builder_new(struct kvs_columns_builder **out) SC_MUST_CHECK;
void kvs_columns_builder_free(struct kvs_columns_builder *b); /* NULL is fine */
/* Appends the block of entries (in order, 1 .. KVS_COLUMNS_ROWS_MAX) to out.  *done_out = false and out untouched when
 * the layout does not fit them: keys or values too unlike. */
sc_err kvs_columns_encode(struct kvs_columns_builder *b, const struct kvs_entry *entries, size_t count,
                          struct sc_buf *out, bool *done_out) SC_MUST_CHECK;
/* Copies what it needs of plain. */
sc_err kvs_columns_parse(struct sc_slice plain, struct kvs_block **out) SC_MUST_CHECK;

#endif
