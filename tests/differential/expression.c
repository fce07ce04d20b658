#include "expression.h"

#include <stdio.h>

void expr_literal(struct gen *g, struct sc_buf *out, enum kind kind)
{
    static const char *const texts[] = {"''", "'a'", "'b'", "'ab'", "'B'", "'abc'", "'10'", "'9'", "' x'", "'zz'"};
    if (gen_below(g, 12) == 0)
        sc_buf_put_str(out, "NULL");
    else if (kind == KIND_INT)
        sc_buf_put_fmt(out, "%d", (int)gen_below(g, 24) - 4);
    else if (kind == KIND_REAL)
        sc_buf_put_fmt(out, "%.2f", ((int)gen_below(g, 96) - 16) / 4.0);
    else
        sc_buf_put_str(out, texts[gen_below(g, sizeof texts / sizeof texts[0])]);
}

const char *expr_column(struct gen *g, enum kind kind)
{
    size_t n = 0;
    for (size_t i = g->scope_first; i < g->scope_count; i++)
        n += g->scope[i].kind == kind;
    if (n == 0)
        return NULL;
    size_t chosen = gen_below(g, (unsigned)n);
    for (size_t i = g->scope_first;; i++)
        if (g->scope[i].kind == kind && chosen-- == 0)
            return g->scope[i].name;
}

static void leaf(struct gen *g, struct sc_buf *out, enum kind kind)
{
    const char *column = gen_below(g, 4) != 0 ? expr_column(g, kind) : NULL;
    if (column != NULL)
        sc_buf_put_str(out, column);
    else
        expr_literal(g, out, kind);
}

/* ---- subqueries: what is outside stays in scope, so that they are correlated now and then ---- */
void expr_from(struct gen *g, struct sc_buf *out)
{
    const size_t all = g->table_count + g->view_count;
    const unsigned i = gen_below(g, (unsigned)all);
    const struct gen_table *t = i < g->table_count ? &g->tables[i] : &g->view_tables[i - g->table_count];
    sc_buf_put_fmt(out, "%s AS x%u", t->name, g->alias);
    for (size_t c = 0; c < t->column_count && g->scope_count < SCOPE_MAX; c++) {
        struct gen_column *column = &g->scope[g->scope_count++];
        snprintf(column->name, sizeof column->name, "x%u.c%zu", g->alias, c);
        column->kind = t->kinds[c];
    }
    g->alias++;
}

/* Takes its table's columns out of scope again at the end: the caller keeps scope_count. */
static void subquery(struct gen *g, struct sc_buf *out, const char *what_before, enum kind kind, const char *what_after)
{
    const size_t outer = g->scope_count, first = g->scope_first;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf where = {0};
    expr_from(g, &from);
    /* An aggregate of an outer column would be the outer query's, and make that one group. */
    g->scope_first = *what_before != '\0' ? outer : first;
    leaf(g, &value, kind);
    g->scope_first = first;
    expr_condition(g, &where, 0);
    sc_buf_put_fmt(out, "(SELECT %s%s%s FROM %s WHERE %s)", what_before, sc_buf_cstr(&value), what_after,
                   sc_buf_cstr(&from), sc_buf_cstr(&where));
    g->scope_count = outer;
}

static void scalar_subquery(struct gen *g, struct sc_buf *out, enum kind kind)
{
    if (kind == KIND_INT && gen_below(g, 2) == 0)
        subquery(g, out, "count(", (enum kind)gen_below(g, KIND_COUNT), ")");
    else
        subquery(g, out, gen_below(g, 2) ? "max(" : "min(", kind, ")");
}

/* ---- values ---- */
static void call1(struct gen *g, struct sc_buf *out, const char *before, enum kind kind, unsigned depth,
                  const char *after)
{
    sc_buf_put_str(out, before);
    expr_value(g, out, kind, depth);
    sc_buf_put_str(out, after);
}

static void call2(struct gen *g, struct sc_buf *out, const char *before, enum kind kind, unsigned depth,
                  const char *middle)
{
    call1(g, out, before, kind, depth, middle);
    call1(g, out, "", kind, depth, ")");
}

static void any_kind(struct gen *g, struct sc_buf *out, enum kind kind, unsigned depth)
{
    switch (gen_below(g, 4)) {
    case 0:
        sc_buf_put_str(out, "CASE WHEN ");
        expr_condition(g, out, depth);
        call1(g, out, " THEN ", kind, depth, " ELSE ");
        call1(g, out, "", kind, depth, " END");
        break;
    case 1:
        call2(g, out, "coalesce(", kind, depth, ", ");
        break;
    case 2:
        call2(g, out, "nullif(", kind, depth, ", ");
        break;
    default:
        scalar_subquery(g, out, kind);
    }
}

static void value_int(struct gen *g, struct sc_buf *out, unsigned depth)
{
    static const char *const ops[] = {" + ", " - ", " * ", " / ", " % ", " & ", " | "};
    switch (gen_below(g, 8)) {
    case 0:
        call1(g, out, "length(", KIND_TEXT, depth, ")");
        break;
    case 1:
        call1(g, out, "abs(", KIND_INT, depth, ")");
        break;
    case 2:
        call1(g, out, "CAST(", KIND_REAL, depth, " AS INTEGER)");
        break;
    case 3:
        sc_buf_put_str(out, "(");
        expr_condition(g, out, depth);
        sc_buf_put_str(out, ")");
        break;
    case 4:
        call2(g, out, "instr(", KIND_TEXT, depth, ", ");
        break;
    default:
        call2(g, out, "(", KIND_INT, depth, ops[gen_below(g, 7)]);
    }
}

static void value_real(struct gen *g, struct sc_buf *out, unsigned depth)
{
    switch (gen_below(g, 4)) {
    case 0:
        call1(g, out, "abs(", KIND_REAL, depth, ")");
        break;
    case 1:
        call1(g, out, "CAST(", KIND_INT, depth, " AS REAL)");
        break;
    default:
        call2(g, out, "(", KIND_REAL, depth, gen_below(g, 2) ? " + " : " - ");
    }
}

static void value_text(struct gen *g, struct sc_buf *out, unsigned depth)
{
    switch (gen_below(g, 6)) {
    case 0:
        call1(g, out, "upper(", KIND_TEXT, depth, ")");
        break;
    case 1:
        call1(g, out, "substr(", KIND_TEXT, depth, ", 1, 2)");
        break;
    case 2:
        call1(g, out, "trim(", KIND_TEXT, depth, ")");
        break;
    case 3:
        call1(g, out, "CAST(", KIND_INT, depth, " AS TEXT)");
        break;
    case 4:
        call1(g, out, "replace(", KIND_TEXT, depth, ", 'a', 'q')");
        break;
    default:
        call2(g, out, "(", KIND_TEXT, depth, " || ");
    }
}

void expr_value(struct gen *g, struct sc_buf *out, enum kind kind, unsigned depth)
{
    if (depth == 0 || gen_below(g, 3) == 0)
        leaf(g, out, kind);
    else if (gen_below(g, 4) == 0)
        any_kind(g, out, kind, depth - 1);
    else if (kind == KIND_INT)
        value_int(g, out, depth - 1);
    else if (kind == KIND_REAL)
        value_real(g, out, depth - 1);
    else
        value_text(g, out, depth - 1);
}

/* ---- conditions ---- */
static void in_list(struct gen *g, struct sc_buf *out, enum kind kind, unsigned depth)
{
    expr_value(g, out, kind, depth);
    sc_buf_put_str(out, gen_below(g, 4) ? " IN (" : " NOT IN (");
    for (unsigned i = 0, n = 1 + gen_below(g, 4); i < n; i++) {
        sc_buf_put_str(out, i == 0 ? "" : ", ");
        expr_literal(g, out, kind);
    }
    sc_buf_put_str(out, ")");
}

static void pattern(struct gen *g, struct sc_buf *out, unsigned depth)
{
    static const char *const patterns[] = {"LIKE 'a%'", "LIKE '%b%'", "LIKE '_'",  "LIKE 'AB%'",
                                           "GLOB 'a*'", "GLOB '*b'",  "GLOB '?b'", "NOT LIKE 'a%'"};
    expr_value(g, out, KIND_TEXT, depth);
    sc_buf_put_fmt(out, " %s", patterns[gen_below(g, 8)]);
}

static void comparison(struct gen *g, struct sc_buf *out, enum kind kind, unsigned depth)
{
    static const char *const ops[] = {" = ", " < ", " <= ", " > ", " >= ", " <> ", " IS ", " IS NOT ", " = ", " = "};
    enum kind other = kind;
    if (gen_below(g, 10) == 0)
        other = (enum kind)gen_below(g, KIND_COUNT); /* types that do not fit have an answer, too */
    expr_value(g, out, kind, depth);
    sc_buf_put_str(out, ops[gen_below(g, 10)]);
    expr_value(g, out, other, depth);
}

void expr_condition(struct gen *g, struct sc_buf *out, unsigned depth)
{
    const enum kind kind = (enum kind)gen_below(g, KIND_COUNT);
    const unsigned next = depth != 0 ? depth - 1 : 0;
    switch (gen_below(g, depth != 0 ? 14 : 8)) {
    case 0:
        in_list(g, out, kind, next);
        break;
    case 1:
        call1(g, out, "", kind, next, " BETWEEN ");
        expr_literal(g, out, kind);
        sc_buf_put_str(out, " AND ");
        expr_literal(g, out, kind);
        break;
    case 2:
        call1(g, out, "", kind, next, gen_below(g, 2) ? " IS NULL" : " IS NOT NULL");
        break;
    case 3:
        pattern(g, out, next);
        break;
    case 8:
        sc_buf_put_str(out, "NOT (");
        expr_condition(g, out, next);
        sc_buf_put_str(out, ")");
        break;
    case 9:
    case 10:
        sc_buf_put_str(out, "(");
        expr_condition(g, out, next);
        sc_buf_put_str(out, gen_below(g, 2) ? " AND " : " OR ");
        expr_condition(g, out, next);
        sc_buf_put_str(out, ")");
        break;
    case 11:
        sc_buf_put_str(out, gen_below(g, 2) ? "EXISTS " : "NOT EXISTS ");
        subquery(g, out, "", kind, "");
        break;
    case 12:
        call1(g, out, "", kind, next, gen_below(g, 3) ? " IN " : " NOT IN ");
        subquery(g, out, "", kind, "");
        break;
    default:
        comparison(g, out, kind, next);
    }
}

void expr_simple_condition(struct gen *g, struct sc_buf *out)
{
    const enum kind kind = (enum kind)gen_below(g, KIND_COUNT);
    if (gen_below(g, 4) == 0)
        in_list(g, out, kind, 0);
    else
        comparison(g, out, kind, 0);
}

/* ---- aggregates ---- */
void expr_aggregate(struct gen *g, struct sc_buf *out, enum kind *kind_out)
{
    const enum kind kind = (enum kind)gen_below(g, KIND_COUNT);
    *kind_out = KIND_INT;
    switch (gen_below(g, 7)) {
    case 0:
        sc_buf_put_str(out, "count(*)");
        return;
    case 1:
        call1(g, out, gen_below(g, 2) ? "count(DISTINCT " : "count(", kind, 1, ")");
        return;
    case 2:
        *kind_out = KIND_REAL;
        call1(g, out, "total(", KIND_REAL, 0, ")");
        return;
    case 3:
        *kind_out = KIND_REAL;
        call1(g, out, gen_below(g, 3) ? "sum(" : "sum(DISTINCT ", KIND_REAL, 0, ")");
        return;
    case 4:
        call1(g, out, gen_below(g, 3) ? "sum(" : "sum(DISTINCT ", KIND_INT, 0, ")");
        return;
    default:
        *kind_out = kind;
        call1(g, out, gen_below(g, 2) ? "min(" : "max(", kind, 1, ")");
    }
    if (gen_below(g, 6) == 0) {
        sc_buf_put_str(out, " FILTER (WHERE ");
        expr_condition(g, out, 0);
        sc_buf_put_str(out, ")");
    }
}
