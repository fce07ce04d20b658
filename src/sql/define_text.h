/* sql/define_text.h - what is only in the text of CREATE statements that SQLite has accepted already: CHECK and
 * generated expressions, deferred foreign keys, expressions and WHERE of indexes, triggers.  By tokens; nothing is
 * kept. */
#ifndef SC_SQL_DEFINE_TEXT_H
#define SC_SQL_DEFINE_TEXT_H

#include "sql/dict.h"
#include "sql/lex.h"

struct sql_text_notes {
    sc_err (*check)(void *arg, struct sc_slice name, struct sc_slice expr);
    sc_err (*generated)(void *arg, size_t column, struct sc_slice expr);
    sc_err (*deferred)(void *arg, size_t reference, bool deferred); /* of the n-th REFERENCES */
    void *arg;
};
/* CREATE TABLE.  SC_E_UNSUPPORTED for a conflict clause of a constraint. */
sc_err sql_text_table(struct sc_slice text, const struct sql_text_notes *notes, struct sc_diag *diag) SC_MUST_CHECK;
/* CREATE INDEX; the text of a UNIQUE constraint's index is empty. */
sc_err sql_text_index(struct sc_slice text, sc_err (*part)(void *arg, size_t part, struct sc_slice expr),
                      sc_err (*where)(void *arg, struct sc_slice expr), void *arg) SC_MUST_CHECK;
/* Whether expr is "name IS NOT NULL" or "name NOTNULL". */
bool sql_text_not_null(struct sc_slice expr, char name[static SQL_NAME_SIZE_MAX]);
/* CREATE TRIGGER on a table; strings go into t's arena. */
sc_err sql_text_trigger(struct sql_table *t, struct sc_slice text, struct sql_trigger *out,
                        struct sc_diag *diag) SC_MUST_CHECK;

#endif
