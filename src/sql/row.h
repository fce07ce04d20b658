/* sql/row.h - the value half of a row: the columns that are not in its key.  docs/formats/cascadb.md has the format.
 * Reading is lazy: only columns up to the last one asked for are looked at. */
#ifndef SC_SQL_ROW_H
#define SC_SQL_ROW_H

#include "sql/value.h"

#define SQL_COLUMN_COUNT_MAX 256
#define SQL_ROW_VERSION      ((uint8_t)1)

/* Appends the row of table_id stored under key. */
void sql_row_encode(struct sc_buf *out, uint32_t table_id, struct sc_slice key, const struct sc_sql_value *values,
                    size_t value_count);

struct sql_row {
    struct sc_slice bytes;
    const uint8_t *types; /* one nibble a column */
    size_t count;         /* columns in this row */
    size_t known;         /* columns whose place is known */
    uint32_t offset[SQL_COLUMN_COUNT_MAX + 1];
};
/* Checks the head: version, table, key.  SC_E_MALFORMED names in diag what is wrong.  row borrows bytes. */
sc_err sql_row_open(struct sql_row *row, struct sc_slice bytes, uint32_t table_id, struct sc_slice key,
                    struct sc_diag *diag) SC_MUST_CHECK;
/* Column i; SC_E_NOT_FOUND when the row was written before the table had that column. */
sc_err sql_row_get(struct sql_row *row, size_t i, struct sc_sql_value *out) SC_MUST_CHECK;
/* Checks all columns and that nothing follows. */
sc_err sql_row_check(struct sql_row *row) SC_MUST_CHECK;

#endif
