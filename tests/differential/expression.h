/* Random expressions over what is in scope. */
#ifndef TEST_DIFFERENTIAL_EXPRESSION_H
#define TEST_DIFFERENTIAL_EXPRESSION_H

#include "generate.h"

void expr_value(struct gen *g, struct sc_buf *out, enum kind kind, unsigned depth);
void expr_condition(struct gen *g, struct sc_buf *out, unsigned depth);
void expr_simple_condition(struct gen *g, struct sc_buf *out); /* without subqueries */
void expr_literal(struct gen *g, struct sc_buf *out, enum kind kind);
/* An aggregate over the scope; its kind in *kind_out. */
void expr_aggregate(struct gen *g, struct sc_buf *out, enum kind *kind_out);
/* A column in scope of that kind; NULL: there is none. */
const char *expr_column(struct gen *g, enum kind kind);
/* "FROM t AS a0", which comes into scope. */
void expr_from(struct gen *g, struct sc_buf *out);

#endif
