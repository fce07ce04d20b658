/* cascadb/json_text.h - SQL values as JSON text, written straight into a buffer.  No state; thread-safe. */
#ifndef SC_CASCADB_JSON_TEXT_H
#define SC_CASCADB_JSON_TEXT_H

#include "cascadb/types.h"

/* A string with its quotes.  Bytes that are not UTF-8 become U+FFFD. */
void json_put_string(struct sc_buf *out, struct sc_slice s);
/* oid: of the column.  Integers and finite reals are numbers, BOOLEAN's 0 and 1 false and true, other reals and bytes
 * ("\x0aff") strings. */
void json_put_value(struct sc_buf *out, uint32_t oid, const struct sc_sql_value *v);

#endif
