/* cascadb/shape.h - a statement without its literals: what may be kept in logs and metrics.
 * No state; thread-safe. */
#ifndef SC_CASCADB_SHAPE_H
#define SC_CASCADB_SHAPE_H

#include "base/bytes.h"

#define PG_SHAPE_SIZE_MAX ((size_t)500)

/* Writes the statement with `?` for each string, number, and text that is broken; blanks and comments become one blank,
 * lists of values `(?, ...)`.  Names stay: "x" is a name, as in standard SQL.  Cut at PG_SHAPE_SIZE_MAX, at a character,
 * and always UTF-8 without control characters.  Returns the length; out is NUL-terminated. */
size_t pg_shape(struct sc_slice statement, char out[static PG_SHAPE_SIZE_MAX + 1]);

#endif
