/* store/memory.h - a store in memory that fails, loses power and lies on demand: what the tests of the engine stand on.
 *
 * It keeps two pictures: what a reader sees now and what is durable (synced); and, if asked, every object and root record
 * that ever was (failing calls of many kinds, delays and silent lies over any store: store/fault.h).  Thread-safe; the hooks below are for the
 * test's own thread while no engine runs on the store, except where noted.
 * Every operation that reaches the store (all of sc_store_ops but append_close and free) is one *call*, counted from 1. */
#ifndef SC_STORE_MEMORY_H
#define SC_STORE_MEMORY_H

#include "base/clock.h"
#include "store/store.h"

sc_err sc_store_memory_new(struct sc_store **out) SC_MUST_CHECK;

/* ---- faults ---- */
uint64_t sc_store_memory_calls(struct sc_store *s);
/* The nth call from now on fails with SC_E_IO (a writing call with or without effect: both are legal).  0 disarms.
 * once: only that call; else every call after it, too.  May be armed while an engine runs. */
void sc_store_memory_fail_at(struct sc_store *s, uint64_t nth, bool once, bool with_effect);
bool sc_store_memory_failed(struct sc_store *s); /* whether an armed fault has fired */

/* What becomes of bytes that were appended but not synced when the power goes, and, with a history, of objects that
 * were removed since the last power cycle (a directory's entry is not synced after a removal: they may be back). */
enum sc_store_cut {
    SC_STORE_CUT_DROP,    /* all bytes lost, all removals undone */
    SC_STORE_CUT_KEEP,    /* all there */
    SC_STORE_CUT_TORN,    /* by chance: cut anywhere, or of full length with 512-byte sectors lost */
    SC_STORE_CUT_REORDER, /* by chance: any subset of the single appends and removals is done */
    SC_STORE_CUT_COUNT
};
/* What stands where a sector was lost (TORN, REORDER): zeros, garbage, or, with a history, what another object held
 * there before (the disk gave its sectors to the new one).  Zeros may follow any object that was appended to. */
/* The power comes back: the readable picture becomes the durable one plus what `cut` leaves; armed faults are disarmed.
 * prng is used by TORN and REORDER only. */
void sc_store_memory_power_cycle(struct sc_store *s, enum sc_store_cut cut, struct sc_prng *prng);

/* ---- tampering: the provider's hand; names as listed, "root" is the root record ---- */
sc_err sc_store_memory_names(struct sc_store *s, char (**names_out)[65], size_t *count_out); /* free(*names_out) */
sc_err sc_store_memory_content(struct sc_store *s, const char *name, struct sc_buf *out) SC_MUST_CHECK;
void sc_store_memory_flip(struct sc_store *s, const char *name, size_t offset, uint8_t mask);
void sc_store_memory_truncate(struct sc_store *s, const char *name, size_t size);
void sc_store_memory_swap(struct sc_store *s, const char *a, const char *b);
void sc_store_memory_replace(struct sc_store *s, const char *name, struct sc_slice content); /* creates it, too */
/* ---- history: from now on keep what is removed, and every root record that is replaced (unbounded: small volumes) ---- */
void sc_store_memory_keep_history(struct sc_store *s);
size_t sc_store_memory_history_count(struct sc_store *s);
/* i < count, oldest first; the same name again and again for "root".  Appends to out. */
sc_err sc_store_memory_history(struct sc_store *s, size_t i, char name_out[static 65], struct sc_buf *out) SC_MUST_CHECK;
/* Where the single appends to an object end, oldest first (at most max of them); returns how many there are. */
size_t sc_store_memory_appends(struct sc_store *s, const char *name, size_t *ends_out, size_t max);

/* A copy of everything (but the history): to put back later (restore = roll back), or to run on. */
sc_err sc_store_memory_clone(struct sc_store *s, struct sc_store **out) SC_MUST_CHECK;

#endif
