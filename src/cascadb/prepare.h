/* cascadb/prepare.h - statements as PostgreSQL's clients write them, into the session. */
#ifndef SC_CASCADB_PREPARE_H
#define SC_CASCADB_PREPARE_H

#include "cascadb/rewrite.h"
#include "sql/pg_catalog.h"

/* As sc_sql_prepare(), for the first statement of text.  A failure fills error, with a position in text. */
sc_err pg_prepare(struct sc_sql_session *s, struct sc_slice text, struct sc_sql_stmt **out, size_t *used_out,
                  struct sc_sql_error *error) SC_MUST_CHECK;

#endif
