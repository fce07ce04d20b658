/* sql/eval.h - expressions over a row that is not stored (yet): CHECK, generated columns, defaults, expressions and
 * WHERE of indexes, WHEN of triggers, DO UPDATE, RETURNING.
 *
 * SQLite evaluates them: each is a column of a SELECT over a virtual table cascadb_row_<id>, which has the table's
 * columns (with affinity and collation) and shows one row: s->eval_rows[n] for cascadb_row_<id>(n), n = 0 or 1; with n
 * = 2 it shows the rows that the statement s->answering wrote.  Prepared once a session and definition. */
#ifndef SC_SQL_EVAL_H
#define SC_SQL_EVAL_H

#include "sql/internal.h"

sc_err sql_eval_register(struct sc_sql_session *s) SC_MUST_CHECK;
/* Declares the row table of t to the session's SQLite, if it is not. */
sc_err sql_eval_declare(struct sc_sql_session *s, const struct sql_table *t) SC_MUST_CHECK;
/* Forgets all that was prepared for t; only while no statement runs. */
void sql_eval_forget(struct sc_sql_session *s, const struct sql_table *t);
void sql_eval_forget_all(struct sc_sql_session *s);

/* 23514 when a CHECK is false. */
sc_err sql_eval_checks(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *values) SC_MUST_CHECK;
/* Computes generated columns in place; bytes go into arena. */
sc_err sql_eval_generated(struct sc_sql_session *s, struct sql_table *t, struct sc_sql_value *values,
                          struct sc_arena *arena) SC_MUST_CHECK;
sc_err sql_eval_default(struct sc_sql_session *s, struct sql_table *t, size_t column, struct sc_arena *arena,
                        struct sc_sql_value *out) SC_MUST_CHECK;
/* Expressions of index number `index`: values of its SQL_COLUMN_EXPR parts in out[part], and whether its WHERE holds.
 */
sc_err sql_eval_index(struct sc_sql_session *s, struct sql_table *t, size_t index, const struct sc_sql_value *values,
                      struct sc_arena *arena, struct sc_sql_value *out, bool *in_out) SC_MUST_CHECK;

/* Room for what the session prepared for trigger number `trigger` of t: [0] its WHEN, then its steps; made by make().
 */
sc_err sql_eval_trigger(struct sc_sql_session *s, struct sql_table *t, size_t trigger,
                        struct sc_sql_stmt ***out) SC_MUST_CHECK;

/* The same for foreign key number `fk` of t. */
enum sql_fk_statement { SQL_FK_PARENT, SQL_FK_CHILD, SQL_FK_DELETE, SQL_FK_UPDATE, SQL_FK_STATEMENT_COUNT };
sc_err sql_eval_fk(struct sc_sql_session *s, struct sql_table *t, size_t fk, struct sc_sql_stmt ***out) SC_MUST_CHECK;

#endif
