/* xBestIndex: which index, how much of it, in which order, at what cost.
 *
 * The plan goes to xFilter as idxNum = index number * 2 + (1: backwards), index 0 being the primary key; and idxStr = a
 * letter for what of the row is needed (c: the entry's key tells all; p: a few columns; w: most) and one for each
 * argument: e  column = value     n  column IS value     i  column IN (values), at most one, by sqlite3_vtab_in_first()
 *   g  >   G  >=   l  <   L  <=   on the column behind the last e, n or i.
 *
 * What the key's order cannot decide is left to SQLite: a column with TEXT or BLOB affinity compared with a number
 * compares as text or as numbers, depending on the *declared* affinity of the other side, which is not told to us.  So
 * such a constraint, and all behind it, is dropped in xFilter; SQLite checks each row again (omit = 0), and neither
 * uniqueness nor order is promised where that may happen. */
#include "sql/internal.h"

#include <math.h>
#include <strings.h>

#define COST_SEEK      10.0
#define COST_ROW       1.0
#define COST_ROW_FAR   5.0 /* found through an index, then read by its key */
#define IN_LIST_GUESS  10.0
#define SCAN_INDEX_MIN 1000.0 /* rows from which a whole index is read instead of the table, because it is smaller */

struct plan {
    struct sc_sql_session *session;
    struct sql_table *table;
    const struct sql_index *index;
    sqlite3_index_info *info;
    int eq[SQL_PK_COUNT_MAX]; /* constraint for each part, or -1 */
    int lo[SQL_PK_COUNT_MAX];
    int hi[SQL_PK_COUNT_MAX];
    bool certain[SQL_PK_COUNT_MAX]; /* the comparison is the key's own: see above */
    int eq_count;                   /* parts with e, n or i */
    int in_part;                    /* the one with i, or -1 */
    bool ordered, descending, unique, covering;
    double rows, cost;
};

static enum sql_collation collation_of(const char *name)
{
    return strcasecmp(name, "NOCASE") == 0  ? SQL_COLLATION_NOCASE
           : strcasecmp(name, "RTRIM") == 0 ? SQL_COLLATION_RTRIM
                                            : SQL_COLLATION_BINARY;
}

/* The table's column that SQLite's number means: -1 is the row number, which some tables have as a column. */
static int column_of(const struct sql_table *t, int column)
{
    return column < 0 && t->autonumber ? t->primary.parts[0].column : column < 0 ? SQL_COLUMN_HIDDEN : column;
}

/* Whether comparing encoded values decides the constraint: always for numbers; for text only when the other side is
 * known to be text. */
static bool comparison_certain(const struct plan *p, int constraint, const struct sql_part *part)
{
    sqlite3_value *rhs = NULL;
    if (sql_affinity_is_numeric(part->affinity))
        return true;
    return sqlite3_vtab_rhs_value(p->info, constraint, &rhs) == SQLITE_OK && rhs != NULL &&
           sqlite3_value_type(rhs) == SQLITE_TEXT;
}

static int *slot_for(struct plan *p, int k, unsigned char op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
    case SQLITE_INDEX_CONSTRAINT_IS:
    case SQLITE_INDEX_CONSTRAINT_ISNULL:
        return &p->eq[k];
    case SQLITE_INDEX_CONSTRAINT_GT:
    case SQLITE_INDEX_CONSTRAINT_GE:
        return &p->lo[k];
    case SQLITE_INDEX_CONSTRAINT_LT:
    case SQLITE_INDEX_CONSTRAINT_LE:
        return &p->hi[k];
    default:
        return NULL;
    }
}

static void collect(struct plan *p)
{
    const struct sql_index *ix = p->index;
    for (int i = 0; i < ix->part_count; i++)
        p->eq[i] = p->lo[i] = p->hi[i] = -1;
    for (int i = 0; i < p->info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &p->info->aConstraint[i];
        if (!c->usable)
            continue;
        const int column = column_of(p->table, c->iColumn);
        for (int k = 0; k < ix->part_count; k++) {
            if (ix->parts[k].column != column || ix->parts[k].column == SQL_COLUMN_EXPR)
                continue;
            int *slot = slot_for(p, k, c->op);
            if (slot == NULL || *slot >= 0)
                continue;
            if (collation_of(sqlite3_vtab_collation(p->info, i)) == ix->parts[k].collation ||
                sql_affinity_is_numeric(ix->parts[k].affinity) || c->op == SQLITE_INDEX_CONSTRAINT_ISNULL)
                *slot = i;
        }
    }
}

/* A partial index serves where the condition follows from a constraint. */
static bool condition_holds(const struct plan *p)
{
    if (p->index->where == NULL)
        return true;
    for (int i = 0; i < p->info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &p->info->aConstraint[i];
        if (!c->usable || c->iColumn < 0 || c->iColumn != p->index->where_not_null)
            continue;
        if (c->op == SQLITE_INDEX_CONSTRAINT_EQ || c->op == SQLITE_INDEX_CONSTRAINT_GT ||
            c->op == SQLITE_INDEX_CONSTRAINT_GE || c->op == SQLITE_INDEX_CONSTRAINT_LT ||
            c->op == SQLITE_INDEX_CONSTRAINT_LE || c->op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL)
            return true;
    }
    return false;
}

/* Whether reading in key order (or backwards) is the order asked for. */
static bool order_fits(const struct plan *p, bool *descending_out)
{
    const sqlite3_index_info *info = p->info;
    const struct sql_index *ix = p->index;
    int k = 0; /* the part that orders next */
    int direction = -1;
    for (int i = 0; i < info->nOrderBy; i++) {
        const int column = column_of(p->table, info->aOrderBy[i].iColumn);
        bool fixed = false; /* one value only: orders nothing */
        for (int e = 0; e < p->eq_count; e++)
            fixed = fixed || (ix->parts[e].column == column && e != p->in_part && p->certain[e]);
        if (fixed)
            continue;
        while (k < p->eq_count && k != p->in_part && p->certain[k])
            k++;
        if (k >= ix->part_count) { /* the whole key is behind us: what follows orders nothing */
            *descending_out = direction == 1;
            return ix == &p->table->primary || p->unique;
        }
        if (ix->parts[k].column != column ||
            (column >= 0 && ix->parts[k].collation != p->table->columns[column].collation))
            return false;
        const int wanted = info->aOrderBy[i].desc != ix->parts[k].descending;
        if (direction >= 0 && direction != wanted)
            return false;
        direction = wanted;
        k++;
    }
    *descending_out = direction == 1;
    return true;
}

static bool entry_tells(const struct plan *p, int column)
{
    const struct sql_table *t = p->table;
    for (int k = 0; k < p->index->part_count; k++)
        if (p->index->parts[k].column == column && p->index->parts[k].readable)
            return true;
    for (int k = 0; k < t->primary.part_count; k++)
        if (t->primary.parts[k].column == column && t->primary.parts[k].readable)
            return true;
    return false;
}

static bool is_used(const sqlite3_index_info *info, int column)
{
    return (info->colUsed >> (column < 63 ? column : 63) & 1) != 0;
}

static bool is_covering(const struct plan *p)
{
    for (int i = 0; i < p->table->column_count; i++)
        if (is_used(p->info, i) && !entry_tells(p, i))
            return false;
    return true;
}

static double limit_of(const sqlite3_index_info *info)
{
    for (int i = 0; i < info->nConstraint; i++) {
        sqlite3_value *rhs = NULL;
        if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT &&
            sqlite3_vtab_rhs_value((sqlite3_index_info *)(uintptr_t)info, i, &rhs) == SQLITE_OK && rhs != NULL &&
            sqlite3_value_int64(rhs) >= 0)
            return (double)sqlite3_value_int64(rhs);
    }
    return HUGE_VAL;
}

/* Rows that agree in the first n parts: by ANALYZE, else by guess. */
static double rows_per(const struct plan *p, int n, double rows)
{
    const struct sql_index *ix = p->index;
    const int64_t known = n > 0 ? atomic_load_explicit(&ix->rows_per[n - 1], memory_order_relaxed) : 0;
    if (n == 0)
        return rows;
    if (ix->unique && n == ix->part_count)
        return 1;
    if (known > 0)
        return (double)known < rows ? (double)known : rows;
    if (ix->unique)
        return pow(rows, 1.0 - (double)n / ix->part_count);
    const double guess = rows / (n == 1 ? 20 : 100); /* many values, but who knows */
    return guess < 1 ? 1 : guess;
}

static void estimate(struct plan *p)
{
    const double rows = (double)sql_rows_estimate(p->session, p->table) + 1;
    const int k = p->eq_count;
    bool certain = true;
    bool equal = true;
    for (int i = 0; i < k; i++) {
        certain = certain && p->certain[i];
        equal = equal && p->info->aConstraint[p->eq[i]].op == SQLITE_INDEX_CONSTRAINT_EQ;
    }
    double found = rows_per(p, k, rows);
    if (p->index->where != NULL && k == 0)
        found /= 2;
    if (k < p->index->part_count)
        found = found / (p->lo[k] >= 0 ? 4 : 1) / (p->hi[k] >= 0 ? 4 : 1);
    p->unique = p->index->unique && k == p->index->part_count && p->in_part < 0 && certain && equal;
    double seeks = 1;
    if (p->in_part >= 0) {
        seeks = IN_LIST_GUESS;
        found *= seeks;
    }
    found = found > rows ? rows : found < 1 ? 1 : found;
    p->rows = found;
    p->covering = is_covering(p);
    p->ordered = p->info->nOrderBy != 0 && order_fits(p, &p->descending);
    const double limit = p->info->nOrderBy == 0 || p->ordered ? limit_of(p->info) : HUGE_VAL;
    const double read = found < limit ? found : limit;
    const bool far = p->index != &p->table->primary && !p->covering;
    p->cost = COST_SEEK * seeks + read * (far                                    ? COST_ROW_FAR
                                          : p->covering && rows > SCAN_INDEX_MIN ? COST_ROW * 0.7
                                                                                 : COST_ROW);
    if (p->info->nOrderBy != 0 && !p->ordered)
        p->cost += found * log2(found + 1) * 0.3;
}

static void consider(struct plan *p)
{
    const struct sql_index *ix = p->index;
    int k = 0;
    collect(p);
    p->in_part = -1;
    for (; k < ix->part_count && p->eq[k] >= 0; k++) {
        p->certain[k] = comparison_certain(p, p->eq[k], &ix->parts[k]);
        if (p->in_part < 0 && sqlite3_vtab_in(p->info, p->eq[k], -1))
            p->in_part = k;
    }
    p->eq_count = k;
    estimate(p);
}

/* ---- telling SQLite ---- */
struct letters {
    char text[SQL_PK_COUNT_MAX + 4];
    int count; /* of arguments */
};

static void use(struct plan *p, struct letters *l, int constraint, char letter, bool omit)
{
    l->text[1 + l->count++] = letter;
    p->info->aConstraintUsage[constraint].argvIndex = l->count;
    p->info->aConstraintUsage[constraint].omit = omit;
}

static void use_all(struct plan *p, struct letters *l)
{
    const struct sql_index *ix = p->index;
    bool certain = true; /* so far */
    int k = 0;
    for (; k < p->eq_count; k++) {
        const int c = p->eq[k];
        const bool in = sqlite3_vtab_in(p->info, c, -1);
        const bool equal = p->info->aConstraint[c].op == SQLITE_INDEX_CONSTRAINT_EQ;
        certain = certain && p->certain[k];
        if (k == p->in_part) {
            sqlite3_vtab_in(p->info, c, 1);
            use(p, l, c, 'i', false);
        } else {
            use(p, l, c, equal ? 'e' : 'n', certain && equal && !in);
        }
    }
    if (k == ix->part_count)
        return;
    const bool numeric = sql_affinity_is_numeric(ix->parts[k].affinity);
    if (p->lo[k] >= 0)
        use(p, l, p->lo[k], p->info->aConstraint[p->lo[k]].op == SQLITE_INDEX_CONSTRAINT_GT ? 'g' : 'G',
            certain && numeric);
    if (p->hi[k] >= 0)
        use(p, l, p->hi[k], p->info->aConstraint[p->hi[k]].op == SQLITE_INDEX_CONSTRAINT_LT ? 'l' : 'L',
            certain && numeric);
}

/* Whole rows are quicker when most columns are needed. */
static char row_need(const struct plan *p)
{
    int used = 0;
    if (p->covering)
        return 'c';
    for (int i = 0; i < p->table->column_count; i++)
        used += is_used(p->info, i);
    return used * 3 < p->table->column_count * 2 ? 'p' : 'w';
}

static int tell(struct plan *p, int number)
{
    struct letters l = {{0}, 0};
    sqlite3_index_info *info = p->info;
    l.text[0] = row_need(p);
    use_all(p, &l);
    info->orderByConsumed = p->ordered;
    info->idxNum = number * 2 + (p->ordered && p->descending);
    info->estimatedRows = (sqlite3_int64)p->rows;
    info->estimatedCost = p->cost;
    if (p->unique)
        info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
    info->idxStr = sqlite3_mprintf("%s", l.text);
    if (info->idxStr == NULL)
        return SQLITE_NOMEM;
    info->needToFreeIdxStr = 1;
    return SQLITE_OK;
}

int sql_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    struct sql_vtab *v = (struct sql_vtab *)base;
    struct sql_table *t = v->table;
    struct plan best = {.session = v->session, .table = t, .info = info, .index = &t->primary};
    int number = 0;
    consider(&best);
    for (int i = 0; i < t->index_count; i++) {
        struct plan p = {.session = v->session, .table = t, .info = info, .index = &t->indexes[i]};
        if (!p.index->ready || !p.index->readable || !condition_holds(&p))
            continue;
        consider(&p);
        /* an index must pay: something to seek by, an order, or less to read */
        if (p.cost >= best.cost)
            continue;
        best = p;
        number = i + 1;
    }
    return tell(&best, number);
}
