/* billing/rows.h - a row of the table `reading`, as text fields of an untrusted database, read back into the reading that
 * the meter signed.  A NULL attribute is an attribute that the meter marked invalid; nothing else may be NULL.
 * Thread-safe. */
#ifndef SC_BILLING_ROWS_H
#define SC_BILLING_ROWS_H

#include "billing/audit.h"

struct sc_field {
    bool is_null;
    struct sc_slice text; /* PostgreSQL text format; bytea as \x and hexadecimal digits */
};
#define SC_ROW_SIGNATURE_SIZE_MAX ((size_t)512)

/* fields[SC_READING_COLUMN_COUNT] in the order of sc_reading_columns.  Never fails: what is wrong is told in
 * out->broken.  signature_store holds the signature that out borrows. */
void sc_row_parse(const struct sc_field *fields, uint8_t signature_store[static SC_ROW_SIGNATURE_SIZE_MAX],
                  struct sc_audit_row *out);

/* Single fields.  SC_E_MALFORMED. */
sc_err sc_field_i64(struct sc_field f, int64_t *out) SC_MUST_CHECK;
sc_err sc_field_f64(struct sc_field f, double *out) SC_MUST_CHECK; /* finite */
/* Appends the bytes of "\x0a0b..." to out. */
sc_err sc_field_bytes(struct sc_field f, size_t size_max, struct sc_buf *out) SC_MUST_CHECK;

#endif
