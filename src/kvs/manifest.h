/* kvs/manifest.h - the two records above all tables: the manifest (every table's place, tag and key range) and the root
 * (the manifest's tag and the logs' ends), sealed, small, compared-and-set. */
#ifndef SC_KVS_MANIFEST_H
#define SC_KVS_MANIFEST_H

#include "kvs/ranges.h"
#include "kvs/table.h"
#include "kvs/wal.h"

#define KVS_LEVEL_COUNT      7
#define KVS_ROOT_LOGS_MAX    8
#define KVS_MANIFEST_PURPOSE "kvs/manifest v2"

/* ---- the manifest:
 *      u64 seq flushed, u32 table count, table*;  ordered by level; level 0: oldest first; others: by key
 *      table = u8 level, id (16), u32 key id, u64 size, u32 index size, index tag (16), u64 entry count, u64 oldest seq,
 *              u64 newest seq, lvar smallest key, lvar largest key
 *      u32 range count, range*;  range = u64 seq, lvar lower, lvar upper (empty: to the end): deleted ranges ---- */
struct kvs_manifest_table {
    uint8_t level;
    struct kvs_table_meta meta; /* keys borrow from the plaintext */
};
struct kvs_manifest {
    uint64_t seq_flushed; /* all commits up to this one are in tables */
    uint32_t table_count;
    struct kvs_manifest_table *tables;
    uint32_t range_count;
    struct kvs_range_del *ranges; /* bounds borrow from the plaintext */
};
void kvs_manifest_begin(struct sc_buf *plain, uint64_t seq_flushed, uint32_t table_count);
void kvs_manifest_table_put(struct sc_buf *plain, uint8_t level, const struct kvs_table_meta *meta);
void kvs_manifest_ranges_put(struct sc_buf *plain, const struct kvs_range_list *ranges);
/* SC_E_MALFORMED also when the tables of a level > 0 overlap. */
sc_err kvs_manifest_parse(struct sc_slice plain, struct kvs_manifest *out) SC_MUST_CHECK;
void kvs_manifest_deinit(struct kvs_manifest *m);

/* ---- the root record:
 *      header (8), volume id (16), salt id (16), sealed body, tag (16); key by (volume, salt), nonce 0, AAD = all before
 *      body = u64 generation, u64 epoch, u64 fresh,
 *             u8 data key count, (u32 id, 32 bytes)*           by id
 *             manifest id (16), u32 key id, u64 size, tag (16)
 *             u8 log count, log*;  log = id (16), u32 key id, u8 sealed, u64 group count, u64 size, last tag (16) ---- */
struct kvs_root_log {
    struct kvs_id id;
    uint32_t key_id;
    bool sealed;            /* end is exact; else (the last log only) end.group_count is a minimum, the rest zero */
    struct kvs_wal_end end;
};
struct kvs_root {
    uint64_t generation; /* counts root records */
    uint64_t epoch;      /* counts writers (opens) */
    uint64_t fresh;      /* see anchor.h */
    struct kvs_sealed_ref manifest;
    size_t log_count;
    struct kvs_root_log logs[KVS_ROOT_LOGS_MAX]; /* oldest first */
};
/* Seals under a fresh salt into out, with io's data keys. */
sc_err kvs_root_seal(struct kvs_io *io, const struct kvs_root *root, struct sc_buf *out) SC_MUST_CHECK;
/* Opens; io->volume is set from the record first, io's data keys from its body.  SC_E_AUTH: not a root of this key. */
sc_err kvs_root_open(struct kvs_io *io, struct sc_slice record, struct kvs_root *out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* The body alone, for the fuzzer. */
sc_err kvs_root_parse(struct sc_slice body, struct kvs_root *out, struct kvs_keys *keys_out) SC_MUST_CHECK;

#endif
