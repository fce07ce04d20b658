/* cascadb/copy_load.h - rows in one of COPY's formats into a table: what COPY FROM STDIN and the shell's import share.
 * Belongs to its session's thread. */
#ifndef SC_CASCADB_COPY_LOAD_H
#define SC_CASCADB_COPY_LOAD_H

#include "cascadb/copy.h"

struct pg_copy_load;
/* Begins a bulk load of st's table and columns; st must outlive it. */
sc_err pg_copy_load_begin(struct sc_sql_session *session, const struct pg_copy_statement *st, struct pg_copy_load **out,
                          struct sc_sql_error *e) SC_MUST_CHECK;
const char *pg_copy_load_table(const struct pg_copy_load *l);
size_t pg_copy_load_column_count(const struct pg_copy_load *l);
/* Takes bytes and stores the rows that are whole; final: no more will come.  After a failure only pg_copy_load_end(). */
sc_err pg_copy_load_feed(struct pg_copy_load *l, struct sc_slice bytes, bool final, struct sc_sql_error *e) SC_MUST_CHECK;
/* Of the row last read, from 1; and the column that did not fit, NULL when it was the row or the format. */
uint64_t pg_copy_load_line(const struct pg_copy_load *l);
const char *pg_copy_load_column(const struct pg_copy_load *l);
/* Frees l.  Unless commit, or after a failure, nothing of it stays. */
sc_err pg_copy_load_end(struct pg_copy_load *l, bool commit, int64_t *rows_out, struct sc_sql_error *e) SC_MUST_CHECK;

#endif
