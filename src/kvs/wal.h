/* kvs/wal.h - the write-ahead log: one append-only chain of sealed groups per memtable.
 *
 * An object that is only ever written by the session that created it: after a reopen a new log begins, with a new id and
 * so a new key, hence no nonce is used twice even where a crash discarded groups.
 *
 *   log   = header (KVS_HEADER_SIZE), group*
 *   group = u32 body size, head tag (16), sealed body, body tag (16)
 *   head tag = GMAC, nonce (0, group index), AAD = header || body tag of the group before (first: zeros) || body size
 *   body     = AES-256-GCM, nonce (1, group index), AAD = head tag
 *
 * The head has a tag of its own so that "the body is cut short" can be told from "somebody changed the size". */
#ifndef SC_KVS_WAL_H
#define SC_KVS_WAL_H

#include "kvs/entry.h"
#include "kvs/format.h"

#define KVS_WAL_HEAD_SIZE       ((size_t)4 + SC_TAG_SIZE)
#define KVS_WAL_BODY_SIZE_MAX   ((size_t)512 << 20)
#define KVS_WAL_RECORD_OVERHEAD ((size_t)24) /* at most, besides key and value */

/* Where a log stands: what a later reader must find. */
struct kvs_wal_end {
    uint64_t group_count;
    uint64_t size; /* bytes */
    uint8_t tag[SC_TAG_SIZE]; /* body tag of the last group; zeros while there is none */
};

/* ---- writing; one thread at a time ---- */
struct kvs_wal;
/* Creates the object. */
sc_err kvs_wal_create(struct kvs_io *io, struct kvs_wal **out, struct sc_diag *diag) SC_MUST_CHECK;
void kvs_wal_free(struct kvs_wal *wal); /* NULL is fine; does not sync */
/* Seals and appends one group.  After any failure but SC_E_LIMIT the log must not be used again. */
sc_err kvs_wal_append(struct kvs_wal *wal, struct sc_slice body, struct sc_diag *diag) SC_MUST_CHECK;
/* All groups appended before are durable on SC_OK.  After a failure the log must not be used again. */
sc_err kvs_wal_sync(struct kvs_wal *wal, struct sc_diag *diag) SC_MUST_CHECK;
const struct kvs_id *kvs_wal_id(const struct kvs_wal *wal);
uint32_t kvs_wal_key_id(const struct kvs_wal *wal);
struct kvs_wal_end kvs_wal_end(const struct kvs_wal *wal);
uint64_t kvs_wal_synced(const struct kvs_wal *wal); /* groups known durable */

/* ---- reading ---- */
enum kvs_wal_tail {
    KVS_WAL_TAIL_CLEAN, /* ends with a group, or is empty */
    KVS_WAL_TAIL_ZEROS, /* zeros to the end: space that was made ready, or grown and lost by a file system */
    KVS_WAL_TAIL_SHORT, /* ends inside a group whose head, if it is there, is genuine */
    KVS_WAL_TAIL_BAD,   /* something that is no group of ours */
};
struct kvs_wal_found {
    struct kvs_wal_end end; /* of the genuine groups */
    enum kvs_wal_tail tail;
    uint64_t object_size;
};
/* Gives each genuine group's body to each() in order (a failure of it ends the reading) and judges what follows them.
 * group_count_max: stop there (verification of a log that is being written). */
sc_err kvs_wal_read(struct kvs_io *io, const struct kvs_id *id, uint32_t key_id, uint64_t group_count_max,
                    sc_err (*each)(void *arg, struct sc_slice body, struct sc_diag *diag), void *arg,
                    struct kvs_wal_found *out, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- what a group says ----
 * body = u64 fresh, u64 root generation, u64 first seq, varint commit count, commit*;
 * commit = varint record count, record*;
 * record = u8 1 (put), lvar key, lvar value | u8 0 (delete), lvar key | u8 2 (delete range), lvar lower, lvar upper */
struct kvs_wal_group {
    uint64_t fresh;      /* this group's number in the order of all groups and roots (freshness, see anchor.h) */
    uint64_t generation; /* of the root record when it was written */
    uint64_t first_seq;  /* of its first commit */
    uint64_t commit_count;
};
void kvs_wal_group_begin(struct sc_buf *body, const struct kvs_wal_group *group);
void kvs_wal_record_put(struct sc_buf *body, const struct kvs_entry *e);
/* The next record of a commit; seq stays as it is, key and value borrow from what r reads. */
sc_err kvs_wal_record_get(struct sc_reader *r, struct kvs_entry *out) SC_MUST_CHECK;
struct kvs_wal_commit {
    uint64_t seq, record_count;
    struct sc_slice records; /* well formed */
};
/* Gives each commit to each(), which may be NULL; records borrow from body. */
sc_err kvs_wal_group_parse(struct sc_slice body, struct kvs_wal_group *group_out,
                           sc_err (*each)(void *arg, const struct kvs_wal_commit *c), void *arg) SC_MUST_CHECK;

#endif
