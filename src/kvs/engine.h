/* kvs/engine.h - what the engine's parts share: the volume itself.
 *
 * Threads: callers; one background thread (flush, compaction).  Among committers one leads at a time.
 * Lock order: anchor.lock, then kvs->lock.  No store call under kvs->lock. */
#ifndef SC_KVS_ENGINE_H
#define SC_KVS_ENGINE_H

#include "kvs/anchor.h"
#include "kvs/batch.h"
#include "kvs/garbage.h"
#include "kvs/kvs.h"
#include "kvs/memtable.h"
#include "kvs/version.h"

#include <stdatomic.h>

/* What a reader needs, at one moment; immutable, reference-counted. */
struct kvs_view {
    atomic_uint refs;
    struct kvs_memtable *mem;
    struct kvs_memtable *imm; /* full, being flushed; or NULL */
    struct kvs_version *version;
};

struct sc_kvs_snapshot {
    struct sc_kvs *kvs;
    struct sc_kvs_snapshot *next, *prev; /* in kvs->snapshots */
    uint64_t seq;
};

struct kvs_committer; /* commit.c */
struct kvs_apply;

struct sc_kvs {
    struct kvs_io io;
    struct sc_secmem *key_memory;
    struct sc_kvs_counter counter;
    bool read_only;
    size_t memtable_size_max, block_size, commit_size_max;
    struct kvs_cache *cache;
    struct kvs_garbage *garbage;
    struct kvs_anchor anchor; /* its lock also guards wal */
    struct kvs_wal *wal;

    pthread_mutex_t lock; /* guards everything from here to the statistics */
    pthread_cond_t work;   /* for the background thread: something to do, or stop */
    pthread_cond_t change; /* for everybody else: a flush, a compaction, a group or an error has come */
    struct kvs_view *view;
    uint64_t seq_visible; /* newest commit readers see */
    struct sc_kvs_snapshot snapshots; /* ring; head */
    struct kvs_committer *committers, **committers_end;
    struct kvs_apply *apply; /* the leader's scratch memory */
    sc_err poison; /* SC_OK, or why nothing can be written any more */
    struct sc_diag poison_diag;
    bool stop;
    bool busy; /* the background thread is at work */
    atomic_uint copies; /* under way: no data key is forgotten meanwhile; grows under anchor.lock */
    uint64_t compact_wanted, compact_done; /* requests of sc_kvs_compact() */

    /* the background thread's own (and open's) */
    pthread_t thread;
    bool thread_runs;
    uint64_t seq_flushed;
    struct sc_buf compact_at[KVS_LEVEL_COUNT]; /* where the last compaction of a level ended */

    struct {
        _Atomic uint64_t commits, syncs, flushes, compactions, bytes_written;
    } stats;
};

/* ---- view.c ---- */
sc_err kvs_view_new(struct kvs_memtable *mem, struct kvs_memtable *imm, struct kvs_version *version,
                    struct kvs_view **out) SC_MUST_CHECK; /* takes references */
void kvs_view_unref(struct kvs_view *v); /* NULL is fine */
void kvs_view_unrefp(struct kvs_view **v);
/* The present view (a reference) and what is visible in it, at one moment.  seq_out may be NULL. */
struct kvs_view *kvs_view_now(struct sc_kvs *kvs, uint64_t *seq_out);
/* The newest version of key not newer than seq.  value_out may be NULL; appended to if found and a put. */
sc_err kvs_view_get(struct kvs_view *v, struct sc_slice key, uint64_t seq, struct kvs_found *found,
                    struct sc_buf *value_out, struct sc_diag *diag) SC_MUST_CHECK;
/* The newest range tombstone <= seq over key; 0: none. */
uint64_t kvs_view_cover(const struct kvs_view *v, struct sc_slice key, uint64_t seq);
/* Whether anything in the range is newer than seq. */
sc_err kvs_view_range_changed_since(struct kvs_view *v, const struct sc_kvs_range *range, uint64_t seq, bool *changed_out,
                                    struct sc_diag *diag) SC_MUST_CHECK;
/* Whether a version of key newer than seq exists: what first-committer-wins asks. */
sc_err kvs_view_changed_since(struct kvs_view *v, struct sc_slice key, uint64_t seq, bool *changed_out,
                              struct sc_diag *diag) SC_MUST_CHECK;

/* ---- engine.c ---- */
/* Remembers why the volume is read-only from now on; first failure wins.  Returns err. */
sc_err kvs_poison(struct sc_kvs *kvs, sc_err err, const struct sc_diag *diag);
/* SC_OK, or the reason told again.  Caller holds kvs->lock. */
sc_err kvs_writable(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;
#define KVS_COMMIT_SIZE_MAX ((size_t)256 << 20) /* a log group must hold it */
sc_err kvs_key_check(struct sc_slice key) SC_MUST_CHECK;
/* Makes next the present view and wakes everybody.  Caller holds kvs->lock. */
void kvs_view_replace(struct sc_kvs *kvs, struct kvs_view *next);

/* ---- iter.c ---- */
/* own: a transaction's writes, reads: where it notes what it has read; or NULL; borrowed. */
sc_err kvs_iter_make(uint64_t seq, struct kvs_view *view, struct kvs_memtable *own, struct kvs_reads *reads,
                     const struct sc_kvs_range *range, struct sc_kvs_iter **out) SC_MUST_CHECK;

/* ---- commit.c ---- */
sc_err kvs_apply_new(struct kvs_apply **out) SC_MUST_CHECK;
void kvs_apply_free(struct kvs_apply *a); /* NULL is fine */
/* Adds a commit's records to mem.  A record that a later range deletion of the same commit covers is left out. */
sc_err kvs_apply_commit(struct kvs_apply *a, const struct kvs_wal_commit *c, struct kvs_memtable *mem) SC_MUST_CHECK;
/* What a transaction relied on: it may commit if none of it was written since its snapshot. */
struct kvs_claims {
    const struct kvs_memtable *writes; /* the keys it writes, the ranges it deletes */
    const struct kvs_reads *reads;     /* NULL: its reads do not matter */
    uint64_t snapshot_seq;
};
struct kvs_write_set {
    const struct sc_kvs_batch *batch;
    const struct kvs_claims *claims; /* NULL: blind writes, which conflict with nothing */
};
sc_err kvs_commit(struct sc_kvs *kvs, const struct kvs_write_set *set, bool sync, struct sc_diag *diag) SC_MUST_CHECK;
/* Hands a memtable that is not empty to the background thread, full or not. */
sc_err kvs_memtable_seal(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;
/* ---- compact.c ---- */
/* Makes a table of level 0 of view->imm; by the background thread. */
sc_err kvs_flush(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;
sc_err kvs_flush_if_pending(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;
struct kvs_table_list {
    size_t count, capacity;
    struct kvs_table **tables;
};
void kvs_table_list_deinit(struct kvs_table_list *l);
sc_err kvs_table_list_add(struct kvs_table_list *l, struct kvs_table *t) SC_MUST_CHECK; /* takes the reference */
sc_err kvs_tables_from_memtable(struct sc_kvs *kvs, const struct kvs_memtable *mt, struct kvs_table_list *out,
                                struct sc_diag *diag) SC_MUST_CHECK;
bool kvs_compaction_needed(const struct sc_kvs *kvs, const struct kvs_version *v);
sc_err kvs_compact_step(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;
sc_err kvs_compact_all(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- install.c ---- */
/* Seals and puts v's manifest; fills root's reference to it. */
sc_err kvs_manifest_write(struct sc_kvs *kvs, const struct kvs_version *v, struct kvs_root *root,
                          struct sc_diag *diag) SC_MUST_CHECK;
/* Makes edit of the present version so, durably and for readers.  flushed: it is view->imm that was added. */
sc_err kvs_install(struct sc_kvs *kvs, const struct kvs_edit *edit, bool flushed, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- background.c ---- */
void *kvs_background(void *kvs); /* the thread */
bool kvs_background_has_work(const struct sc_kvs *kvs); /* caller holds kvs->lock */

/* ---- recover.c ---- */
sc_err kvs_create(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;
sc_err kvs_recover(struct sc_kvs *kvs, struct sc_diag *diag) SC_MUST_CHECK;

#endif
