#include "generate.h"

#include "expression.h"

#include <stdio.h>

unsigned gen_below(struct gen *g, unsigned n)
{
    return (unsigned)sc_prng_below(&g->prng, n);
}

void gen_init(struct gen *g, uint64_t seed)
{
    *g = (struct gen){0};
    sc_prng_init(&g->prng, seed);
}

/* ---- tables, indexes, views ---- */
static void table_scope(struct gen *g, const struct gen_table *t)
{
    g->scope_count = 0;
    for (size_t c = 0; c < t->column_count; c++) {
        struct gen_column *column = &g->scope[g->scope_count++];
        snprintf(column->name, sizeof column->name, "c%zu", c);
        column->kind = t->kinds[c];
    }
}

void gen_create_table(struct gen *g, struct sc_buf *out)
{
    static const char *const types[][3] = {
        {"INTEGER", "INT", "BIGINT"}, {"REAL", "DOUBLE PRECISION", "FLOAT"}, {"TEXT", "VARCHAR(20)", "TEXT"}};
    struct gen_table *t = &g->tables[g->table_count];
    *t = (struct gen_table){.column_count = 3 + gen_below(g, COLUMNS_MAX - 2), .key_count = 1 + gen_below(g, 3)};
    t->key_count = t->key_count > 2 ? 1 : t->key_count;
    snprintf(t->name, sizeof t->name, "t%zu", g->table_count++);
    sc_buf_put_fmt(out, "CREATE TABLE %s(", t->name);
    for (size_t c = 0; c < t->column_count; c++) {
        /* Each table has each kind: the first three columns are a permutation of them. */
        t->kinds[c] = c < 3 ? (enum kind)((c + g->table_count) % 3) : (enum kind)gen_below(g, KIND_COUNT);
        const char *type = types[t->kinds[c]][gen_below(g, 3)];
        if (c == 0)
            t->key_never_null = t->key_count == 1 && strcmp(type, "INTEGER") == 0;
        sc_buf_put_fmt(out, "c%zu %s%s", c, type, c < t->key_count ? " NOT NULL" : "");
        if (c >= t->key_count && gen_below(g, 4) == 0) {
            sc_buf_put_str(out, " DEFAULT ");
            expr_literal(g, out, t->kinds[c]);
        }
        sc_buf_put_str(out, ", ");
    }
    if (gen_below(g, 3) == 0) {
        const size_t last = t->column_count - 1, other = gen_below(g, (unsigned)last);
        t->unique[last] = t->unique[other] = true;
        sc_buf_put_fmt(out, "UNIQUE(c%zu, c%zu), ", last, other);
    }
    if (gen_below(g, 3) == 0) {
        table_scope(g, t);
        sc_buf_put_str(out, "CHECK(");
        expr_simple_condition(g, out);
        sc_buf_put_str(out, " OR ");
        expr_simple_condition(g, out);
        sc_buf_put_str(out, "), ");
    }
    sc_buf_put_str(out, t->key_count == 1 ? "PRIMARY KEY(c0))"
                        : gen_below(g, 2) ? "PRIMARY KEY(c0, c1))"
                                          : "PRIMARY KEY(c1, c0))");
    if (gen_below(g, 2))
        sc_buf_put_str(out, " WITHOUT ROWID");
}

void gen_create_index(struct gen *g, struct sc_buf *out)
{
    const struct gen_table *t = &g->tables[gen_below(g, (unsigned)g->table_count)];
    const unsigned count = 1 + gen_below(g, 3), first = gen_below(g, (unsigned)t->column_count);
    sc_buf_put_fmt(out, "CREATE INDEX i%zu ON %s(", g->index_count++, t->name);
    for (unsigned i = 0; i < count; i++)
        sc_buf_put_fmt(out, "%sc%zu%s", i == 0 ? "" : ", ", (first + i) % t->column_count,
                       gen_below(g, 4) ? "" : " DESC");
    sc_buf_put_str(out, ")");
    if (gen_below(g, 6) == 0)
        sc_buf_put_fmt(out, " WHERE c%u IS NOT NULL", gen_below(g, (unsigned)t->column_count));
}

void gen_create_view(struct gen *g, struct sc_buf *out)
{
    const struct gen_table *t = &g->tables[gen_below(g, (unsigned)g->table_count)];
    struct gen_table *v = &g->view_tables[g->view_count];
    *v = *t;
    snprintf(v->name, sizeof v->name, "v%zu", g->view_count);
    g->scope_count = 0;
    for (size_t c = 0; c < t->column_count; c++) {
        struct gen_column *column = &g->scope[g->scope_count++];
        snprintf(column->name, sizeof column->name, "c%zu", c);
        column->kind = t->kinds[c];
    }
    sc_buf_put_fmt(out, "CREATE VIEW %s AS SELECT * FROM %s WHERE ", v->name, t->name);
    const size_t views = g->view_count, tables = g->table_count;
    g->view_count = 0; /* no views of views of themselves */
    expr_condition(g, out, 1);
    g->view_count = views;
    g->table_count = tables;
}

void gen_view_known(struct gen *g, bool worked)
{
    g->view_count += worked;
}

/* ---- changes ---- */
static void values_row(struct gen *g, struct sc_buf *out, const struct gen_table *t)
{
    for (size_t c = 0; c < t->column_count; c++) {
        sc_buf_put_str(out, c == 0 ? "(" : ", ");
        if (c == 0 && t->key_never_null)
            sc_buf_put_fmt(out, "%u", gen_below(g, 20));
        else
            expr_literal(g, out, t->kinds[c]);
    }
    sc_buf_put_str(out, ")");
}

static void insert(struct gen *g, struct sc_buf *out, const struct gen_table *t)
{
    static const char *const verbs[] = {"INSERT", "INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE"};
    sc_buf_put_fmt(out, "%s INTO %s VALUES", verbs[gen_below(g, 5)], t->name);
    for (unsigned i = 0, n = 1 + gen_below(g, 5); i < n; i++) {
        sc_buf_put_str(out, i == 0 ? "" : ", ");
        values_row(g, out, t);
    }
}

/* One row: what the second of two conflicts would do depends on the first. */
static void upsert(struct gen *g, struct sc_buf *out, const struct gen_table *t)
{
    const size_t c = t->key_count + gen_below(g, (unsigned)(t->column_count - t->key_count));
    sc_buf_put_fmt(out, "INSERT INTO %s VALUES", t->name);
    values_row(g, out, t);
    sc_buf_put_str(out, t->key_count == 1 ? " ON CONFLICT(c0) DO " : " ON CONFLICT(c0, c1) DO ");
    if (gen_below(g, 3) == 0) {
        sc_buf_put_str(out, "NOTHING");
        return;
    }
    table_scope(g, t);
    sc_buf_put_fmt(out, "UPDATE SET c%zu = ", c);
    if (gen_below(g, 2))
        sc_buf_put_fmt(out, "excluded.c%zu", c);
    else
        expr_value(g, out, t->kinds[c], 1);
    if (gen_below(g, 2)) {
        sc_buf_put_str(out, " WHERE ");
        expr_simple_condition(g, out);
    }
}

/* From another table, in an order that decides who wins. */
static void insert_select(struct gen *g, struct sc_buf *out, const struct gen_table *t)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    g->scope_count = 0;
    expr_from(g, &from);
    sc_buf_put_fmt(out, "INSERT OR IGNORE INTO %s SELECT ", t->name);
    for (size_t c = 0; c < t->column_count; c++) {
        const bool never_null = c == 0 && t->key_never_null;
        sc_buf_put_fmt(out, "%s%s", c == 0 ? "" : ", ", never_null ? "coalesce(" : "");
        expr_value(g, out, t->kinds[c], 1);
        sc_buf_put_str(out, never_null ? ", 7)" : "");
    }
    sc_buf_put_fmt(out, " FROM %s WHERE ", sc_buf_cstr(&from));
    expr_condition(g, out, 1);
    sc_buf_put_str(out, " ORDER BY 1");
    for (size_t c = 2; c <= t->column_count; c++)
        sc_buf_put_fmt(out, ", %zu", c);
    if (gen_below(g, 2))
        sc_buf_put_fmt(out, " LIMIT %u", gen_below(g, 12));
}

static void update(struct gen *g, struct sc_buf *out, const struct gen_table *t)
{
    const size_t c = t->key_count + gen_below(g, (unsigned)(t->column_count - t->key_count));
    table_scope(g, t);
    sc_buf_put_fmt(out, "UPDATE %s SET c%zu = ", t->name, c);
    /* Depth 0: a subquery on the table that is being changed would see it half changed in stock SQLite as well. */
    expr_value(g, out, t->kinds[c], 0);
    sc_buf_put_str(out, " WHERE ");
    if (!t->unique[c]) {
        expr_condition(g, out, 0);
        return;
    }
    /* One row: whether several get in each other's way depends on the order in which they are visited. */
    for (size_t k = 0; k < t->key_count; k++) {
        sc_buf_put_fmt(out, "%sc%zu = ", k == 0 ? "" : " AND ", k);
        expr_literal(g, out, t->kinds[k]);
    }
}

static void delete_rows(struct gen *g, struct sc_buf *out, const struct gen_table *t)
{
    table_scope(g, t);
    sc_buf_put_fmt(out, "DELETE FROM %s WHERE (", t->name);
    expr_condition(g, out, 1);
    sc_buf_put_str(out, ") AND ");
    expr_condition(g, out, 0);
}

void gen_change(struct gen *g, struct sc_buf *out)
{
    static void (*const changes[])(struct gen *, struct sc_buf *, const struct gen_table *) = {
        update, delete_rows, insert_select, insert_select, upsert, upsert,
        insert, insert,      insert,        insert,        insert, insert,
    };
    g->alias = 0;
    g->scope_count = 0;
    changes[gen_below(g, sizeof changes / sizeof changes[0])](g, out,
                                                              &g->tables[gen_below(g, (unsigned)g->table_count)]);
    if (gen_below(g, 4) == 0)
        sc_buf_put_str(out, " RETURNING *, c0 IS NULL");
}

/* ---- queries ---- */
static void select_list(struct gen *g, struct sc_buf *out, const enum kind *kinds, size_t count, unsigned depth)
{
    for (size_t i = 0; i < count; i++) {
        sc_buf_put_str(out, i == 0 ? "" : ", ");
        expr_value(g, out, kinds[i], depth);
    }
}

/* FROM with 1..3 tables. */
static void from_joined(struct gen *g, struct sc_buf *out, unsigned tables)
{
    static const char *const joins[] = {" JOIN ", " JOIN ", " LEFT JOIN ", " CROSS JOIN ", ", "};
    expr_from(g, out);
    for (unsigned i = 1; i < tables; i++) {
        const unsigned join = gen_below(g, 5);
        const size_t before = g->scope_count;
        sc_buf_put_str(out, joins[join]);
        expr_from(g, out);
        if (join >= 3)
            continue;
        sc_buf_put_str(out, " ON ");
        /* Mostly an equality of columns of both sides: what joins are made for. */
        const enum kind kind = (enum kind)gen_below(g, KIND_COUNT);
        const size_t all = g->scope_count;
        g->scope_count = before;
        const char *left = expr_column(g, kind);
        g->scope_count = all;
        const char *right = NULL;
        for (size_t c = before; c < all && right == NULL; c++)
            right = g->scope[c].kind == kind ? g->scope[c].name : NULL;
        if (left != NULL && right != NULL && gen_below(g, 5) != 0)
            sc_buf_put_fmt(out, "%s = %s", left, right);
        else
            expr_condition(g, out, 0);
    }
}

static void where(struct gen *g, struct sc_buf *out, unsigned depth)
{
    if (gen_below(g, 5) == 0)
        return;
    sc_buf_put_str(out, " WHERE ");
    expr_condition(g, out, depth);
    if (gen_below(g, 2)) {
        sc_buf_put_str(out, " AND ");
        expr_condition(g, out, 0);
    }
}

/* All output columns, so that the rows that a LIMIT takes are the same whatever the plan. */
static void order_by_all(struct gen *g, struct sc_buf *out, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        sc_buf_put_fmt(out, "%s%zu%s", i == 1 ? " ORDER BY " : ", ", i, gen_below(g, 3) == 0 ? " DESC" : "");
    if (gen_below(g, 2))
        sc_buf_put_fmt(out, " LIMIT %u OFFSET %u", gen_below(g, 12), gen_below(g, 4));
}

static size_t random_kinds(struct gen *g, enum kind kinds[static 4])
{
    const size_t n = 1 + gen_below(g, 4);
    for (size_t i = 0; i < n; i++)
        kinds[i] = (enum kind)gen_below(g, KIND_COUNT);
    return n;
}

static void query_plain(struct gen *g, struct sc_buf *out, bool *ordered)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    enum kind kinds[4];
    const size_t n = random_kinds(g, kinds);
    from_joined(g, &from, gen_below(g, 2) ? 1 : 2 + gen_below(g, 2));
    sc_buf_put_str(out, gen_below(g, 5) ? "SELECT " : "SELECT DISTINCT ");
    select_list(g, out, kinds, n, 2);
    sc_buf_put_fmt(out, " FROM %s", sc_buf_cstr(&from));
    where(g, out, 2);
    *ordered = gen_below(g, 2);
    if (*ordered)
        order_by_all(g, out, n);
}

static void query_whole_rows(struct gen *g, struct sc_buf *out, bool *ordered)
{
    const struct gen_table *t = &g->tables[gen_below(g, (unsigned)g->table_count)];
    table_scope(g, t);
    sc_buf_put_fmt(out, "SELECT * FROM %s", t->name);
    where(g, out, 1);
    /* By a prefix of something, then the key: the order that a key or an index may give for nothing. */
    *ordered = true;
    sc_buf_put_fmt(out, " ORDER BY c%u%s", gen_below(g, (unsigned)t->column_count), gen_below(g, 2) ? " DESC" : "");
    const char *direction = gen_below(g, 2) ? " DESC" : "";
    for (size_t c = 0; c < t->key_count; c++)
        sc_buf_put_fmt(out, ", c%zu%s", c, direction);
    if (gen_below(g, 3) == 0)
        sc_buf_put_fmt(out, " LIMIT %u OFFSET %u", gen_below(g, 12), gen_below(g, 4));
}

static void query_grouped(struct gen *g, struct sc_buf *out, bool *ordered)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf group = {0};
    enum kind kinds[4], unused;
    const size_t n = gen_below(g, 4) ? 1 + gen_below(g, 2) : 0;
    from_joined(g, &from, 1 + gen_below(g, 2));
    for (size_t i = 0; i < n; i++) {
        const char *column = NULL;
        while (column == NULL)
            column = expr_column(g, kinds[i] = (enum kind)gen_below(g, KIND_COUNT));
        sc_buf_put_fmt(&group, "%s%s", i == 0 ? "" : ", ", column);
    }
    sc_buf_put_fmt(out, "SELECT %s%s", sc_buf_cstr(&group), n != 0 ? ", " : "");
    expr_aggregate(g, out, &unused);
    sc_buf_put_str(out, ", ");
    expr_aggregate(g, out, &unused);
    sc_buf_put_fmt(out, " FROM %s", sc_buf_cstr(&from));
    where(g, out, 1);
    if (n != 0) {
        sc_buf_put_fmt(out, " GROUP BY %s", sc_buf_cstr(&group));
        if (gen_below(g, 3) == 0) {
            sc_buf_put_str(out, " HAVING ");
            expr_aggregate(g, out, &unused);
            sc_buf_put_str(out, " > ");
            expr_literal(g, out, unused);
        }
    }
    *ordered = gen_below(g, 2);
    if (*ordered)
        order_by_all(g, out, n + 2);
}

static void query_compound(struct gen *g, struct sc_buf *out, bool *ordered)
{
    static const char *const ops[] = {" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "};
    enum kind kinds[4];
    const size_t n = random_kinds(g, kinds);
    for (unsigned i = 0, parts = 2 + gen_below(g, 2); i < parts; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
        g->scope_count = 0;
        from_joined(g, &from, 1);
        sc_buf_put_str(out, i == 0 ? "SELECT " : ops[gen_below(g, 4)]);
        if (i != 0)
            sc_buf_put_str(out, "SELECT ");
        select_list(g, out, kinds, n, 1);
        sc_buf_put_fmt(out, " FROM %s", sc_buf_cstr(&from));
        where(g, out, 1);
    }
    *ordered = true;
    order_by_all(g, out, n);
}

/* A query inside FROM or WITH, joined with a table. */
static void query_nested(struct gen *g, struct sc_buf *out, bool *ordered)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf inner = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    enum kind kinds[4], outer[4];
    const size_t n = random_kinds(g, kinds);
    const bool with = gen_below(g, 2);
    from_joined(g, &from, 1 + gen_below(g, 2));
    sc_buf_put_str(&inner, "SELECT ");
    for (size_t i = 0; i < n; i++) {
        sc_buf_put_str(&inner, i == 0 ? "" : ", ");
        expr_value(g, &inner, kinds[i], 1);
        sc_buf_put_fmt(&inner, " AS q%zu", i);
    }
    sc_buf_put_fmt(&inner, " FROM %s", sc_buf_cstr(&from));
    where(g, &inner, 1);
    if (gen_below(g, 3) == 0)
        order_by_all(g, &inner, n);
    g->scope_count = 0;
    for (size_t i = 0; i < n; i++) {
        struct gen_column *column = &g->scope[g->scope_count++];
        snprintf(column->name, sizeof column->name, "q.q%zu", i);
        column->kind = kinds[i];
    }
    sc_buf_reset(&from);
    if (with)
        sc_buf_put_str(&from, "q");
    else
        sc_buf_put_fmt(&from, "(%s) AS q", sc_buf_cstr(&inner));
    if (gen_below(g, 2)) {
        sc_buf_put_str(&from, gen_below(g, 2) ? " JOIN " : " LEFT JOIN ");
        expr_from(g, &from);
        sc_buf_put_str(&from, " ON ");
        expr_condition(g, &from, 0);
    }
    if (with)
        sc_buf_put_fmt(out, "WITH q AS (%s) ", sc_buf_cstr(&inner));
    const size_t m = random_kinds(g, outer);
    sc_buf_put_str(out, "SELECT ");
    select_list(g, out, outer, m, 1);
    sc_buf_put_fmt(out, " FROM %s", sc_buf_cstr(&from));
    where(g, out, 1);
    *ordered = gen_below(g, 2);
    if (*ordered)
        order_by_all(g, out, m);
}

/* Over the whole key, so that no two rows are equal in the window's order. */
static void query_window(struct gen *g, struct sc_buf *out, bool *ordered)
{
    static const char *const functions[] = {"row_number()", "rank()", "dense_rank()", "count(*)", "ntile(3)"};
    const struct gen_table *t = &g->tables[gen_below(g, (unsigned)g->table_count)];
    table_scope(g, t);
    sc_buf_put_str(out, "SELECT c0, c1, ");
    switch (gen_below(g, 3)) {
    case 0:
        sc_buf_put_str(out, functions[gen_below(g, 5)]);
        break;
    case 1:
        sc_buf_put_fmt(out, "%s(c%zu)", gen_below(g, 2) ? "lag" : "first_value", t->column_count - 1);
        break;
    default:
        sc_buf_put_fmt(out, "%s(c%zu)", gen_below(g, 2) ? "max" : "count", t->column_count - 1);
    }
    sc_buf_put_str(out, " OVER (");
    if (gen_below(g, 2))
        sc_buf_put_fmt(out, "PARTITION BY c%u ", gen_below(g, (unsigned)t->column_count));
    sc_buf_put_fmt(out, "ORDER BY c%u%s", gen_below(g, (unsigned)t->column_count), gen_below(g, 2) ? " DESC" : "");
    for (size_t c = 0; c < t->key_count; c++)
        sc_buf_put_fmt(out, ", c%zu", c);
    sc_buf_put_fmt(out, ") FROM %s", t->name);
    where(g, out, 1);
    *ordered = false;
}

static void query_recursive(struct gen *g, struct sc_buf *out, bool *ordered)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    enum kind unused;
    expr_from(g, &from);
    struct gen_column *n = &g->scope[g->scope_count++];
    *n = (struct gen_column){"n.i", KIND_INT};
    sc_buf_put_fmt(out, "WITH RECURSIVE n(i) AS (VALUES(%d) UNION ALL SELECT i + 1 FROM n WHERE i < %u) SELECT n.i, ",
                   (int)gen_below(g, 4) - 2, gen_below(g, 12));
    expr_aggregate(g, out, &unused);
    sc_buf_put_fmt(out, " FROM n LEFT JOIN %s ON ", sc_buf_cstr(&from));
    const char *column = expr_column(g, KIND_INT);
    sc_buf_put_fmt(out, "%s = n.i GROUP BY n.i", column);
    *ordered = true;
    sc_buf_put_str(out, " ORDER BY n.i");
}

void gen_query(struct gen *g, struct sc_buf *out, bool *ordered_out)
{
    static void (*const queries[])(struct gen *, struct sc_buf *, bool *) = {
        query_plain,   query_plain,    query_plain,  query_whole_rows, query_whole_rows, query_grouped,
        query_grouped, query_compound, query_nested, query_window,     query_recursive,
    };
    g->scope_count = 0;
    g->alias = 0;
    queries[gen_below(g, sizeof queries / sizeof queries[0])](g, out, ordered_out);
}
