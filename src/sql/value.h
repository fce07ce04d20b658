/* sql/value.h - one SQL value and the type affinities of SQLite (https://sqlite.org/datatype3.html, section 3).
 * A value borrows its bytes.  Nothing here keeps state. */
#ifndef SC_SQL_VALUE_H
#define SC_SQL_VALUE_H

#include "base/bytes.h"

enum sc_sql_type { SC_SQL_NULL, SC_SQL_INTEGER, SC_SQL_REAL, SC_SQL_TEXT, SC_SQL_BLOB };

struct sc_sql_value {
    enum sc_sql_type type;
    union {
        int64_t integer;
        double real;           /* never NaN: that is NULL */
        struct sc_slice bytes; /* TEXT (UTF-8, no terminator) and BLOB */
    };
};

static inline struct sc_sql_value sc_sql_null(void)
{
    return (struct sc_sql_value){.type = SC_SQL_NULL};
}
static inline struct sc_sql_value sc_sql_integer(int64_t v)
{
    return (struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = v};
}
static inline struct sc_sql_value sc_sql_real(double v)
{
    return v == v ? (struct sc_sql_value){.type = SC_SQL_REAL, .real = v} : sc_sql_null();
}
static inline struct sc_sql_value sc_sql_text(struct sc_slice s)
{
    return (struct sc_sql_value){.type = SC_SQL_TEXT, .bytes = s};
}
static inline struct sc_sql_value sc_sql_blob(struct sc_slice s)
{
    return (struct sc_sql_value){.type = SC_SQL_BLOB, .bytes = s};
}

enum sql_affinity {
    SQL_AFFINITY_BLOB = 1, /* none: values stay as they are */
    SQL_AFFINITY_TEXT = 2,
    SQL_AFFINITY_NUMERIC = 3,
    SQL_AFFINITY_INTEGER = 4,
    SQL_AFFINITY_REAL = 5,
};
/* The affinity of a declared type ("" or NULL: BLOB), by SQLite's five rules. */
enum sql_affinity sql_affinity_of(const char *declared_type);
static inline bool sql_affinity_is_numeric(enum sql_affinity a)
{
    return a >= SQL_AFFINITY_NUMERIC;
}
/* Space for a number turned into text. */
#define SQL_NUMBER_TEXT_SIZE 32
/* Converts *v as storing it into a column of affinity a does; text made from a number is put into text. */
void sql_affinity_apply(enum sql_affinity a, struct sc_sql_value *v, char text[static SQL_NUMBER_TEXT_SIZE]);
/* The number that the whole text s spells (blanks around it allowed), as SQLite reads it; false if it is none. */
bool sql_number_of_text(struct sc_slice s, struct sc_sql_value *out);
/* Shortest of 15..17 significant digits that reads back as v, always with a point or exponent: "1.0", "0.1", "1e+300".
 */
size_t sql_real_text(double v, char text[static SQL_NUMBER_TEXT_SIZE]);

#endif
