/* sql/tuple.h - values as key bytes whose bytewise order is SQL's order: NULL < numbers < text < blob, integers and
 * reals in one numeric order, text and blobs bytewise (collation BINARY).  docs/formats/cascadb.md has the format.
 *
 * An encoding tells its own end, given that what follows is a tag or nothing.  SQL_TUPLE_AFTER sorts behind whatever
 * may follow a complete value: `prefix SQL_TUPLE_AFTER` is the exclusive upper bound of all keys that begin with the
 * values in prefix. */
#ifndef SC_SQL_TUPLE_H
#define SC_SQL_TUPLE_H

#include "sql/value.h"

#define SQL_TUPLE_AFTER  ((uint8_t)0xff)
/* Sorts before whatever may follow a complete value in a key that something does follow, also a descending one. */
#define SQL_TUPLE_BEFORE ((uint8_t)0x01)

enum sql_collation { SQL_COLLATION_BINARY, SQL_COLLATION_NOCASE, SQL_COLLATION_RTRIM };

void sql_tuple_put(struct sc_buf *key, const struct sc_sql_value *v);
/* As a key column of that collation: NOCASE folds A-Z, RTRIM drops blanks at the end (what cannot be read back from the
 * key is in the row).  descending complements all bytes. */
void sql_tuple_put_ordered(struct sc_buf *key, const struct sc_sql_value *v, enum sql_collation collation,
                           bool descending);
/* Reads one value; SC_E_MALFORMED for anything that sql_tuple_put() does not write.  Bytes with escaped NULs are
 * unescaped into scratch (emptied first), others are borrowed from the reader. */
sc_err sql_tuple_get(struct sc_reader *r, struct sc_buf *scratch, struct sc_sql_value *out) SC_MUST_CHECK;
/* Steps over one value, checking its frame only. */
sc_err sql_tuple_skip(struct sc_reader *r) SC_MUST_CHECK;

#endif
