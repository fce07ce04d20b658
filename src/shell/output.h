/* shell/output.h - how the shell shows rows: as a table, as CSV (RFC 4180) or as JSON. */
#ifndef SC_SHELL_OUTPUT_H
#define SC_SHELL_OUTPUT_H

#include "base/bytes.h"

#include <libpq-fe.h>
#include <stdio.h>

enum shell_format { SHELL_TABLE, SHELL_CSV, SHELL_JSON };
/* Prints the rows of res.  first: they begin a result; CSV and JSON results may come in parts. */
void shell_print_rows(FILE *out, enum shell_format format, const PGresult *res, bool first);
/* Ends a result of row_count rows. */
void shell_print_end(FILE *out, enum shell_format format, uint64_t row_count);
/* "ERROR:  text (SQLSTATE 42601)", and the line it is about with a caret under the place. */
void shell_print_error(FILE *out, const PGresult *res, const char *statement);

#endif
