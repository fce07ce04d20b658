/* cascadb/copy.h - COPY: its statement, and its three data formats as PostgreSQL 15 reads and writes them (documentation
 * of COPY, "File Formats").  No I/O; nothing here is thread-safe. */
#ifndef SC_CASCADB_COPY_H
#define SC_CASCADB_COPY_H

#include "base/arena.h"
#include "cascadb/types.h"

/* ---- the statement ---- */
enum pg_copy_format { PG_COPY_TEXT, PG_COPY_CSV, PG_COPY_BINARY };
struct pg_copy_statement {
    struct sc_arena arena; /* owns the names */
    bool from;             /* FROM STDIN, else TO STDOUT */
    const char *table;     /* NULL: a query */
    struct sc_slice query; /* borrowed from the text */
    const char **columns;  /* NULL: all */
    size_t column_count;
    enum pg_copy_format format;
    bool header;
    uint8_t delimiter, quote, escape;
    char null_text[32];    /* how NULL is written */
};
/* COPY table [(columns)] FROM STDIN | COPY {table [(columns)] | (query)} TO STDOUT, [WITH] (FORMAT, HEADER, DELIMITER,
 * NULL, QUOTE, ESCAPE, ENCODING), or the older list without parentheses.  42601 with the place, 0A000 for what only a
 * server with files has.  out is to be deinitialised whatever the result. */
sc_err pg_copy_statement_parse(struct sc_slice text, struct pg_copy_statement *out, struct sc_sql_error *e) SC_MUST_CHECK;
void pg_copy_statement_deinit(struct pg_copy_statement *st);

/* ---- reading rows ---- */
#define PG_COPY_ROW_SIZE_MAX ((size_t)64 << 20)
struct pg_copy_field {
    struct sc_slice bytes; /* unescaped; borrowed until the next call */
    bool null;
};
struct pg_copy_reader {
    const struct pg_copy_statement *statement; /* borrowed */
    struct sc_buf in;       /* input not yet consumed begins at `at` */
    size_t at;
    size_t scanned;         /* bytes behind `at` known to hold no end of a row */
    bool in_quotes, escaped; /* of the scan */
    bool begun, ended;      /* the head is behind us; the end mark is */
    uint64_t line;          /* of the row last returned, from 1 (binary: its number) */
    uint64_t line_next;
    struct pg_copy_field *fields;
    size_t field_count, field_capacity;
};
void pg_copy_reader_init(struct pg_copy_reader *r, const struct pg_copy_statement *st);
void pg_copy_reader_deinit(struct pg_copy_reader *r);
/* Takes more input; SC_E_LIMIT (54000): a row without end. */
sc_err pg_copy_reader_feed(struct pg_copy_reader *r, struct sc_slice bytes, struct sc_sql_error *e) SC_MUST_CHECK;
/* The next whole row into r->fields.  final: no more input will come.  SC_E_AGAIN: feed more (or, with final, the end);
 * SC_E_MALFORMED (22P04): what was fed is not of this format. */
sc_err pg_copy_reader_next(struct pg_copy_reader *r, bool final, struct sc_sql_error *e) SC_MUST_CHECK;

/* ---- writing rows ---- */
/* What comes before the first row, which may be nothing; names are of the columns. */
void pg_copy_put_head(struct sc_buf *out, const struct pg_copy_statement *st, const char *const *names, size_t count);
void pg_copy_put_tail(struct sc_buf *out, const struct pg_copy_statement *st);
/* Field `i` of a row of `count`; scratch is overwritten. */
sc_err pg_copy_put_field(struct sc_buf *out, const struct pg_copy_statement *st, size_t i, size_t count, uint32_t oid,
                         const struct sc_sql_value *v, struct sc_buf *scratch, struct sc_sql_error *e) SC_MUST_CHECK;

#endif
