/* sql/define.h - from the mirror (a native SQLite database with the same schema and no rows, see mirror.h) and SQL text
 * to struct sql_table.  SQLite says what it understood; what its catalogue does not tell is found by tokens in a text
 * that it has accepted. */
#ifndef SC_SQL_DEFINE_H
#define SC_SQL_DEFINE_H

#include "sql/dict.h"

#include <sqlite3.h>

/* o: the table; objects: all, of which the indexes and triggers of o are taken.
 * SC_E_UNSUPPORTED, SC_E_LIMIT: diag says what we do not offer. */
sc_err sql_define_table(sqlite3 *mirror, const struct sql_object *o, struct sql_object *const *objects,
                        size_t object_count, struct sql_table **out, struct sc_diag *diag) SC_MUST_CHECK;

/* Column names of a table in the mirror, for giving slots: calls each(arg, i, name). */
sc_err sql_define_columns(sqlite3 *mirror, const char *table, sc_err (*each)(void *arg, size_t i, const char *name),
                          void *arg, struct sc_diag *diag) SC_MUST_CHECK;

#endif
