/* shell/output.h - how the shell shows rows.
 *   table     columns side by side (the widths are those of the first rows), control characters as \x1b
 *   csv, tsv  RFC 4180 with a comma or a tab: NULL is empty, an empty text is ""
 *   json      an array of objects; jsonl: an object a line
 *   lines     name = value, a blank line between rows
 *   markdown  a table for documents */
#ifndef SC_SHELL_OUTPUT_H
#define SC_SHELL_OUTPUT_H

#include "shell/backend.h"

#include <stdio.h>

enum shell_format { SHELL_TABLE, SHELL_CSV, SHELL_TSV, SHELL_JSON, SHELL_JSONL, SHELL_LINES, SHELL_MARKDOWN, SHELL_FORMAT_COUNT };
extern const char *const shell_format_names[SHELL_FORMAT_COUNT];
bool shell_format_parse(const char *name, enum shell_format *out);

struct shell_output {
    FILE *file;
    enum shell_format format;
    bool headers;           /* names of columns in csv and tsv */
    /* of the result being shown */
    struct shell_column *columns; /* names are owned */
    size_t column_count;
    uint64_t row_count;
    struct sc_buf held;     /* a table's first rows: values ended by NUL, \1 before one that is there, \0 for NULL */
    size_t held_count;
    size_t *widths;
    bool flowing;           /* held rows are out */
};
void shell_output_deinit(struct shell_output *o);
void shell_output_begin(struct shell_output *o, const struct shell_column *columns, size_t count);
void shell_output_row(struct shell_output *o, const char *const *values);
/* Ends a result, if one was begun; else shows the tag, in a table. */
void shell_output_done(struct shell_output *o, const char *tag);
/* A result that broke off: what is there is shown, without an end. */
void shell_output_abort(struct shell_output *o);
/* "ERROR:  text (SQLSTATE 42601)", and the line it is about with a caret under the place. */
void shell_error_print(FILE *out, const struct shell_error *e, const char *statement);

#endif
