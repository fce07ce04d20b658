/* sql/rowids.h - row numbers for a statement.
 *
 * SQLite names a row by a 64-bit number that is unique and stable during a statement; our rows are named by their keys.
 * So a key gets a number when SQLite asks for it, the same one when it asks again (a multi-index OR does), and all is
 * forgotten when the statement ends. */
#ifndef SC_SQL_ROWIDS_H
#define SC_SQL_ROWIDS_H

#include "base/arena.h"

struct sql_rowids {
    struct sc_arena arena;
    struct sc_slice *keys; /* [rowid - 1] */
    size_t count, capacity;
    uint32_t *slots;   /* open addressing; rowid, 0 = free */
    size_t slot_count; /* a power of two */
};
void sql_rowids_init(struct sql_rowids *r);
void sql_rowids_deinit(struct sql_rowids *r);
void sql_rowids_reset(struct sql_rowids *r);
sc_err sql_rowids_of(struct sql_rowids *r, struct sc_slice key, int64_t *rowid_out) SC_MUST_CHECK;
/* SC_E_NOT_FOUND for a number never given. */
sc_err sql_rowids_key(const struct sql_rowids *r, int64_t rowid, struct sc_slice *key_out) SC_MUST_CHECK;

#endif
