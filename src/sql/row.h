/* sql/row.h - the value half of a row: its columns in fixed 8-byte words, so that a block of neighbouring rows is
 * stored column by column and one column is read without the others.  docs/formats/cascadb.md has the format.
 *
 * A table's columns have *slots* in the row; a slot that a dropped column left stays empty for ever.  Table and key are
 * bound to the bytes by the engine (a value is authenticated together with its key); the table's id in the head finds
 * rows that *we* filed under a wrong name. */
#ifndef SC_SQL_ROW_H
#define SC_SQL_ROW_H

#include "sql/kv.h"
#include "sql/value.h"

#define SQL_COLUMN_COUNT_MAX 256 /* also of slots */
#define SQL_ROW_VERSION      ((uint8_t)2)

/* Appends the row of table_id.  numeric[i]: slot i has affinity NUMERIC, where a whole real is an integer anyway. */
void sql_row_encode(struct sc_buf *out, uint32_t table_id, const struct sc_sql_value *slots, const bool *numeric,
                    size_t slot_count);

struct sql_row {
    const uint8_t *bytes; /* NULL: parts are asked of iter */
    struct sql_kv_iter *iter;
    const struct sql_kv_ops *ops;
    size_t size;
    size_t count;                              /* slots in this row */
    uint64_t types[SQL_COLUMN_COUNT_MAX / 16]; /* one nibble a slot, low first */
};
/* Checks the head: version, table, sizes.  SC_E_MALFORMED names in diag what is wrong.  row borrows bytes. */
sc_err sql_row_open(struct sql_row *row, struct sc_slice bytes, uint32_t table_id, struct sc_diag *diag) SC_MUST_CHECK;
/* The current value of it, read part by part; valid until it moves. */
sc_err sql_row_open_iter(struct sql_row *row, const struct sql_kv_ops *ops, struct sql_kv_iter *it, uint32_t table_id,
                         struct sc_diag *diag) SC_MUST_CHECK;
/* Slot i; SC_E_NOT_FOUND when the row was written before the table had it.  Bytes are borrowed from the row; those of a
 * row read by parts until the next call. */
sc_err sql_row_get(const struct sql_row *row, size_t i, struct sc_sql_value *out) SC_MUST_CHECK;
/* Checks all slots and that nothing follows. */
sc_err sql_row_check(const struct sql_row *row) SC_MUST_CHECK;

#endif
