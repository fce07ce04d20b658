/* cascadb/types.h - SQL values as the PostgreSQL protocol writes them: type OIDs, text and binary formats.
 * No state, no I/O; thread-safe.  Values read from the wire borrow from it or from the scratch buffer. */
#ifndef SC_CASCADB_TYPES_H
#define SC_CASCADB_TYPES_H

#include "sql/sql.h"

/* OIDs of pg_type.dat; others are known to clients only and travel as text. */
enum pg_oid {
    PG_OID_NONE = 0,
    PG_OID_BOOL = 16,
    PG_OID_BYTEA = 17,
    PG_OID_INT8 = 20,
    PG_OID_INT2 = 21,
    PG_OID_INT4 = 23,
    PG_OID_TEXT = 25,
    PG_OID_JSON = 114,
    PG_OID_FLOAT4 = 700,
    PG_OID_FLOAT8 = 701,
    PG_OID_UNKNOWN = 705,
    PG_OID_BPCHAR = 1042,
    PG_OID_VARCHAR = 1043,
    PG_OID_NUMERIC = 1700,
};

/* Fills e and returns code. */
sc_err pg_fail(struct sc_sql_error *e, sc_err code, const char *sqlstate, const char *fmt, ...) SC_PRINTF(4, 5);

/* OID of a declared column type; PG_OID_NONE for NULL and "". */
uint32_t pg_oid_of_declared(const char *type);
/* OID that shows a value whole; PG_OID_NONE for NULL. */
uint32_t pg_oid_of_value(const struct sc_sql_value *v);
/* OID of a result's column: as declared, else by the value of the current row, else a guess from its name (portal.c). */
uint32_t pg_column_oid(const struct sc_sql_stmt *st, size_t i, bool have_row);
/* Size in bytes of the binary form, -1: variable. */
int16_t pg_oid_size(uint32_t oid);

/* Reads a value of type oid (PG_OID_NONE: as text says).  scratch (emptied first) holds what had to be decoded; out
 * borrows from it or from wire.  SC_E_MALFORMED (22P02, 22P03, 22021), SC_E_LIMIT (22003), SC_E_UNSUPPORTED (0A000). */
sc_err pg_value_parse(uint32_t oid, bool binary, struct sc_slice wire, struct sc_buf *scratch, struct sc_sql_value *out,
                      struct sc_sql_error *e) SC_MUST_CHECK;
/* Appends the text form of a value that is not NULL, without a length. */
void pg_value_put_text(struct sc_buf *out, uint32_t oid, const struct sc_sql_value *v);
/* Appends length and bytes.  A binary form may be impossible because SQLite's columns hold values of any type:
 * SC_E_MALFORMED (22P03), SC_E_UNSUPPORTED (0A000); out is then unchanged. */
sc_err pg_value_put(struct sc_buf *out, uint32_t oid, bool binary, const struct sc_sql_value *v, struct sc_sql_error *e)
    SC_MUST_CHECK;

bool pg_utf8_valid(struct sc_slice s); /* RFC 3629, and without NUL, as PostgreSQL demands */

#endif
