/* cascadb/real_text.h - reals as text, fast: what costs most when rows full of measurements are sent as text. */
#ifndef SC_CASCADB_REAL_TEXT_H
#define SC_CASCADB_REAL_TEXT_H

#include "sql/value.h"

/* The shortest of 15, 16 and 17 significant digits that reads back as v, without a needless point: "22", "0.1", "1e+300",
 * "-Infinity".  Returns the length; text is not terminated. */
size_t pg_real_text(double v, char text[static SQL_NUMBER_TEXT_SIZE]);

#endif
