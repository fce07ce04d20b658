/* kvs/kvs.h - the Secure KVS: an ordered, transactional key-value engine on an untrusted store.
 *
 * All that leaves the process is encrypted and authenticated (docs/formats/kvs.md).  Keys are ordered bytewise,
 * 1 B .. 64 KiB; values 0 B .. 64 MiB.  A sc_kvs is thread-safe; a snapshot is immutable and may be shared; an iterator
 * and a transaction belong to one thread at a time.  One process writes a volume at a time (fenced by an epoch).
 *
 * Errors beyond the usual: SC_E_AUTH - the store returned something that is not ours, not whole or not current; diag
 * names the object.  SC_E_IO on a write - what reached the store is unknown: the volume is read-only until reopened. */
#ifndef SC_KVS_KVS_H
#define SC_KVS_KVS_H

#include "crypto/crypto.h"
#include "store/store.h"

#define SC_KVS_KEY_SIZE_MAX   ((size_t)64 << 10)
#define SC_KVS_VALUE_SIZE_MAX ((size_t)64 << 20)

/* The trusted counter that makes a rolled-back volume visible.  read() of a counter never used gives 0. */
struct sc_kvs_counter {
    sc_err (*read)(void *self, uint64_t *value_out, struct sc_diag *diag);
    /* Compare-and-set: SC_E_CONFLICT unless it stands at `from` (< to).  So two writers on two copies of a volume, each with
     * a whole and genuine store, cannot both acknowledge. */
    sc_err (*advance)(void *self, uint64_t from, uint64_t to, struct sc_diag *diag);
    void *self;
};
/* A counter in a file outside the volume.  Insecure: whoever restores both is not noticed.  Free with
 * sc_kvs_counter_file_close(). */
sc_err sc_kvs_counter_insecure_file(const char *path, struct sc_kvs_counter *out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_kvs_counter_file_close(struct sc_kvs_counter *counter);

struct sc_kvs_options {
    struct sc_store *store;               /* borrowed; must outlive the volume */
    const struct sc_key *root_key;        /* copied into secret memory */
    struct sc_kvs_counter counter;        /* borrowed; .read NULL: no rollback protection (tests, scratch volumes) */
    bool create;                          /* create when the store has no root */
    bool read_only;
    size_t memtable_size_max;             /* bytes; 0 = 8 MiB */
    size_t block_cache_size_max;          /* bytes; 0 = 32 MiB */
    size_t block_size;                    /* plaintext bytes; 0 = 8 KiB */
    size_t commit_size_max;               /* bytes of one batch or transaction; 0 = 256 MiB, which is the most */
};

struct sc_kvs;
/* SC_E_NOT_FOUND: no volume here and not told to create one; SC_E_AUTH: see above, also when the counter shows that the
 * state is old.  Opening to write takes the volume over from a writer that still has it open (who gets SC_E_CONFLICT). */
sc_err sc_kvs_open(const struct sc_kvs_options *opt, struct sc_kvs **out, struct sc_diag *diag) SC_MUST_CHECK;
/* Flushes nothing: what was synced is in the log.  Waits for the background thread.  NULL is fine.
 * Snapshots, iterators and transactions of the volume must have been freed. */
void sc_kvs_close(struct sc_kvs *kvs);
void sc_kvs_closep(struct sc_kvs **kvs);

/* ---- snapshots and iterators ---- */
struct sc_kvs_snapshot;
sc_err sc_kvs_snapshot_new(struct sc_kvs *kvs, struct sc_kvs_snapshot **out) SC_MUST_CHECK;
void sc_kvs_snapshot_free(struct sc_kvs_snapshot *snap);

/* Appends the value to value_out (may be NULL: existence only); SC_E_NOT_FOUND.  snap NULL: the newest state.
 * Everywhere: SC_E_USAGE for an empty key, SC_E_LIMIT for one too large. */
sc_err sc_kvs_get(struct sc_kvs *kvs, const struct sc_kvs_snapshot *snap, struct sc_slice key, struct sc_buf *value_out,
                  struct sc_diag *diag) SC_MUST_CHECK;

struct sc_kvs_range {
    struct sc_slice lower; /* inclusive; size 0: from the start */
    struct sc_slice upper; /* exclusive; size 0: to the end */
};
struct sc_kvs_iter;
/* Copies the bounds.  The iterator sees the snapshot (NULL: the state now). */
sc_err sc_kvs_iter_new(struct sc_kvs *kvs, const struct sc_kvs_snapshot *snap, const struct sc_kvs_range *range,
                       struct sc_kvs_iter **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_kvs_iter_free(struct sc_kvs_iter *it);
/* Each positions the iterator; *valid_out = false past either end.  seek: first key >= key (seek_back: last <= key). */
sc_err sc_kvs_iter_first(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_kvs_iter_last(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_kvs_iter_seek(struct sc_kvs_iter *it, struct sc_slice key, bool *valid_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_kvs_iter_seek_back(struct sc_kvs_iter *it, struct sc_slice key, bool *valid_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_kvs_iter_next(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_kvs_iter_prev(struct sc_kvs_iter *it, bool *valid_out, struct sc_diag *diag) SC_MUST_CHECK;
/* Of the current entry; borrowed until the iterator moves.  The iterator must be valid. */
struct sc_slice sc_kvs_iter_key(const struct sc_kvs_iter *it);
struct sc_slice sc_kvs_iter_value(struct sc_kvs_iter *it);
/* Bytes [offset, offset + size) of the current value, which must have them; borrowed until the iterator moves or is
 * asked for another part.  Of a block that is stored column-wise only the 8-byte words concerned are decoded. */
struct sc_slice sc_kvs_iter_value_part(struct sc_kvs_iter *it, size_t offset, size_t size);
size_t sc_kvs_iter_value_size(struct sc_kvs_iter *it);

/* ---- batches ----
 * Blind atomic writes, the quickest way in: no snapshot, no conflicts; of two writes of one key in a batch the later one
 * counts.  A batch belongs to one thread; reset keeps its memory.  Failures of put and delete are sticky and told by
 * sc_kvs_write() too. */
struct sc_kvs_batch;
sc_err sc_kvs_batch_new(struct sc_kvs_batch **out) SC_MUST_CHECK;
void sc_kvs_batch_free(struct sc_kvs_batch *b); /* NULL is fine */
void sc_kvs_batch_freep(struct sc_kvs_batch **b);
void sc_kvs_batch_reset(struct sc_kvs_batch *b);
sc_err sc_kvs_batch_put(struct sc_kvs_batch *b, struct sc_slice key, struct sc_slice value);
sc_err sc_kvs_batch_delete(struct sc_kvs_batch *b, struct sc_slice key);
/* Deletes every key of the range that is there before this batch's own later writes. */
sc_err sc_kvs_batch_delete_range(struct sc_kvs_batch *b, const struct sc_kvs_range *range);
/* The batch stays as it is.  sync: as sc_kvs_txn_commit(). */
sc_err sc_kvs_write(struct sc_kvs *kvs, const struct sc_kvs_batch *b, bool sync, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- transactions ----
 * A transaction reads its own writes over one snapshot.  It is atomic; commit fails with SC_E_CONFLICT (and changes
 * nothing) when another transaction that committed since its snapshot wrote a key that this one writes (snapshot
 * isolation, first committer wins).  An aborted or failed transaction leaves nothing, but for one whose commit() says
 * SC_E_IO: whether it is there shows after the next open.  At most commit_size_max bytes (SC_E_LIMIT). */
struct sc_kvs_txn;
sc_err sc_kvs_txn_begin(struct sc_kvs *kvs, struct sc_kvs_txn **out) SC_MUST_CHECK;
/* Serialisable from here on: commit also fails with SC_E_CONFLICT when another transaction that committed since the
 * snapshot wrote a key that this one has read (found or not), or any key within a range that its iterators have passed.
 * Reads before the call do not count.  What was read is noted in memory, at most 128 MiB: commit says SC_E_LIMIT beyond. */
void sc_kvs_txn_track_reads(struct sc_kvs_txn *txn);
sc_err sc_kvs_txn_put(struct sc_kvs_txn *txn, struct sc_slice key, struct sc_slice value) SC_MUST_CHECK;
sc_err sc_kvs_txn_delete(struct sc_kvs_txn *txn, struct sc_slice key) SC_MUST_CHECK; /* absent is SC_OK */
/* Deletes every key of the range that the transaction sees.  Conflicts with any write in the range. */
sc_err sc_kvs_txn_delete_range(struct sc_kvs_txn *txn, const struct sc_kvs_range *range) SC_MUST_CHECK;
sc_err sc_kvs_txn_get(struct sc_kvs_txn *txn, struct sc_slice key, struct sc_buf *value_out, struct sc_diag *diag) SC_MUST_CHECK;
/* Sees the transaction's writes made before the iterator moves; free it before commit or abort. */
sc_err sc_kvs_txn_iter(struct sc_kvs_txn *txn, const struct sc_kvs_range *range, struct sc_kvs_iter **out,
                       struct sc_diag *diag) SC_MUST_CHECK;
/* Marks for savepoints: rollback undoes the writes made since the mark was taken. */
size_t sc_kvs_txn_mark(const struct sc_kvs_txn *txn);
void sc_kvs_txn_rollback_to(struct sc_kvs_txn *txn, size_t mark);
/* Ends and frees txn whatever the result.  sync: durable on return, with all commits before it (concurrent committers
 * share one sync); not sync: a crash may lose it, together with what followed it, unless something after it was synced. */
sc_err sc_kvs_txn_commit(struct sc_kvs_txn *txn, bool sync, struct sc_diag *diag) SC_MUST_CHECK;
void sc_kvs_txn_abort(struct sc_kvs_txn *txn); /* NULL is fine */

/* ---- maintenance ---- */
struct sc_kvs_stats {
    /* cache_bytes: blocks, indexes and filters; block_reads: of those, reads from the store by readers */
    uint64_t data_key_count; /* in use */
    uint64_t range_count; /* deleted ranges that still hide something */
    uint64_t table_count, table_bytes, log_bytes, memtable_bytes, cache_bytes;
    uint64_t commit_count, sync_count, flush_count, compaction_count;
    uint64_t block_reads, cache_hits, bytes_written;
    uint64_t epoch, counter;
    uint64_t fresh;        /* number of the newest log group or root record: of two copies, the newer has the larger */
    uint8_t volume_id[16]; /* the same in all copies of a volume */
};
void sc_kvs_stats(struct sc_kvs *kvs, struct sc_kvs_stats *out);
/* Reads and checks every byte reachable from the root, past all caches; an error names object and byte range.
 * progress(arg, done, total) may be NULL. */
sc_err sc_kvs_verify(struct sc_kvs *kvs, void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                     struct sc_diag *diag) SC_MUST_CHECK;
/* Copies the present state to another store, as a volume that the same root key opens: a backup, a checkpoint, or, from a
 * backup that was opened read-only, a restore.  Online: readers and writers go on; what is committed before the call is in
 * it.  Into an older copy only what is new is copied.  Between two directories of one file system tables are shared (hard
 * links).  SC_E_EXISTS: the target holds another volume.  Verify the copy by opening it and sc_kvs_verify(). */
struct sc_kvs_copy_options {
    const struct sc_kvs_counter *counter; /* that will guard the copy, when it has been used: the copy then counts as
                                             its newest state.  NULL: it will have none, or a new one */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* bytes; may be NULL */
    void *progress_arg;
};
sc_err sc_kvs_copy(struct sc_kvs *kvs, struct sc_store *to, const struct sc_kvs_copy_options *opt, struct sc_diag *diag)
    SC_MUST_CHECK;
/* New keys: a data key for all that is written from now on and, unless root_key is NULL, another root key, which alone
 * opens the volume from now on.  What was written before stays under its data keys until it is merged; sc_kvs_compact()
 * does that at once, after which the old data keys are forgotten.  SC_E_LIMIT: too many old data keys in use. */
sc_err sc_kvs_rotate(struct sc_kvs *kvs, const struct sc_key *root_key, struct sc_diag *diag) SC_MUST_CHECK;
/* Flushes the memtable and waits until no background work is left: then reads are at their quickest. */
sc_err sc_kvs_settle(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;
/* Flushes the memtable and compacts everything into one run (offline shrink, tests). */
sc_err sc_kvs_compact(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;

#endif
