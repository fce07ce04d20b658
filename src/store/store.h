/* store/store.h - untrusted stores of named objects: all that the key-value engine sees of the outside.
 *
 * A store is the enemy's: it may return anything.  It promises only this when it is honest:
 *   - put() creates or replaces a whole object, all or nothing; it is durable when put() has returned SC_OK;
 *   - append_open() has made the (empty) object exist durably when it has returned SC_OK;
 *   - an append handle's bytes are durable once a sync() that began after the append has returned SC_OK; what get()
 *     gives of bytes not yet synced is undefined, and an object that is or was being appended to may end in zeros that
 *     nobody appended;
 *   - root_cas() atomically replaces the one small root record if it still equals `expected`, durably.
 * Names are [a-z0-9.-]{1,64}, chosen by the engine, telling nothing.  Implementations are thread-safe across objects;
 * one append handle belongs to one thread at a time. */
#ifndef SC_STORE_STORE_H
#define SC_STORE_STORE_H

#include "base/bytes.h"

#define SC_STORE_ROOT_SIZE_MAX ((size_t)4096)

struct sc_store;        /* opaque to callers; implementations begin with it */
struct sc_store_append; /* an object being appended to */

struct sc_store_ops {
    sc_err (*put)(struct sc_store *s, const char *name, struct sc_slice content, struct sc_diag *diag);
    /* Reads size bytes at offset; fewer means SC_E_MALFORMED (the object is shorter than it must be). */
    sc_err (*get)(struct sc_store *s, const char *name, uint64_t offset, size_t size, uint8_t *out, struct sc_diag *diag);
    sc_err (*size)(struct sc_store *s, const char *name, uint64_t *size_out, struct sc_diag *diag);
    sc_err (*remove)(struct sc_store *s, const char *name, struct sc_diag *diag); /* absent is SC_OK */
    /* Calls each(name) for every object, in no order; a failure of each ends the listing and is returned. */
    sc_err (*list)(struct sc_store *s, sc_err (*each)(void *arg, const char *name), void *arg, struct sc_diag *diag);
    /* Creates name (SC_E_EXISTS if there) for appending. */
    sc_err (*append_open)(struct sc_store *s, const char *name, struct sc_store_append **out, struct sc_diag *diag);
    sc_err (*append)(struct sc_store_append *a, struct sc_slice bytes, struct sc_diag *diag);
    sc_err (*append_sync)(struct sc_store_append *a, struct sc_diag *diag);
    void (*append_close)(struct sc_store_append *a); /* NULL is fine; does not sync */
    /* The root record: *size_out = 0 when there is none yet. */
    sc_err (*root_get)(struct sc_store *s, uint8_t out[static SC_STORE_ROOT_SIZE_MAX], size_t *size_out, struct sc_diag *diag);
    /* SC_E_CONFLICT when the record is no longer `expected` (empty slice: must not exist). */
    sc_err (*root_cas)(struct sc_store *s, struct sc_slice expected, struct sc_slice next, struct sc_diag *diag);
    /* Optional (may be NULL): makes the finished object of s known to `to` under the same name without copying it, durably;
     * any failure: copy it. */
    sc_err (*share)(struct sc_store *s, struct sc_store *to, const char *name);
    void (*free)(struct sc_store *s);
};
struct sc_store {
    const struct sc_store_ops *ops;
};

void sc_store_free(struct sc_store *s); /* NULL is fine */
void sc_store_freep(struct sc_store **s);

/* A local directory (created if absent), locked against a second process (SC_E_CONFLICT). */
sc_err sc_store_dir_open(const char *path, struct sc_store **out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
