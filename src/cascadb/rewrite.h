/* cascadb/rewrite.h - PostgreSQL's spellings that SQLite does not know, written in its words: a step before preparing.
 *
 *   pg_catalog.x, public.x          x                      information_schema.x   information_schema_x
 *   a::type                         CAST(a AS TYPE), pg_bool(a), pg_bytea(a), pg_regclass(a)
 *   E'a\n'                          'a<line feed>'         a ILIKE b              a LIKE b
 *   a ~ b, a !~ b, OPERATOR(..~)    a [NOT] REGEXP b       COLLATE "C", default   (nothing)
 *   a = ANY(ARRAY[b, c]), ANY(b)    a IN (b, c), IN (b)    current_user           current_user()
 *   string_agg(a, b)                group_concat(a, b)      trim(trailing a from b)  pg_rtrim(a, b)
 *   ARRAY(SELECT ...)               NULL, in statements about the catalogue only
 *
 * It works on tokens; what it does not know stays as it is, for SQLite to judge.  No state; thread-safe. */
#ifndef SC_CASCADB_REWRITE_H
#define SC_CASCADB_REWRITE_H

#include "base/bytes.h"

/* Where bytes of the new text come from: spans in order, each to the next one's beginning. */
struct pg_span {
    size_t to, from; /* the span's first byte in the new text, and in the old one */
};
struct pg_rewrite {
    struct sc_buf text;
    struct sc_buf spans; /* of struct pg_span */
};
void pg_rewrite_deinit(struct pg_rewrite *r);
/* *changed_out = false: the statement is as SQLite would have it, and r->text is not made.  SC_E_LIMIT, SC_E_NOMEM. */
sc_err pg_rewrite(struct pg_rewrite *r, struct sc_slice statement, bool *changed_out) SC_MUST_CHECK;
/* A position (from 1) in the new text as one in the old. */
size_t pg_rewrite_position(const struct pg_rewrite *r, size_t position);

#endif
