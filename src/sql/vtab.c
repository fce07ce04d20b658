/* A table of ours as SQLite sees it: a virtual table over a range of keys.
 *
 * Plan (idxNum, idxStr), agreed between xBestIndex and xFilter: idxStr has one letter for each argument, in the order
 * of the primary key's columns: e  column = value           i  column IN (values), at most one, read through
 * sqlite3_vtab_in_first() g  >   G  >=   l  <   L  <= on the column behind the last e or i idxNum: bit 0 = descending.
 * xFilter turns it into key ranges: prefix (e...) x one of the IN values, then bounds.
 *
 * What the key's order cannot decide is left to SQLite: a column with TEXT or BLOB affinity compared with a number
 * compares as text or as numbers, depending on the *declared* affinity of the other side, which is not told to us.  So
 * such a constraint, and all behind it, is dropped in xFilter; SQLite checks each row again (omit = 0), and neither
 * uniqueness nor order is promised where that may happen. */
#include "sql/internal.h"

#include <math.h>
#include <strings.h>

struct vtab {
    sqlite3_vtab base;
    struct sc_sql_session *session;
    struct sql_table *table;
};

struct key_range { /* offsets into cursor.bounds */
    uint32_t lower, lower_size, upper, upper_size;
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct sc_kvs_iter *iter; /* NULL: a single row by its whole key, or nothing */
    bool valid, descending;
    struct sc_buf bounds;
    struct key_range *ranges;
    size_t range_count, range_index;
    struct sc_buf point;        /* value of a row found by its whole key */
    struct sc_slice key, value; /* of the current row */
    bool row_open;
    struct sql_row row;
    struct sc_buf scratch;
};

static struct sc_sql_session *session_of(sqlite3_vtab *base)
{
    return ((struct vtab *)base)->session;
}

/* The session keeps the story; SQLite needs only a code. */
static int rc_of(sc_err err)
{
    return err == SC_OK ? SQLITE_OK : err == SC_E_NOMEM ? SQLITE_NOMEM : SQLITE_ERROR;
}

/* ---- values ---- */
void sql_value_from(sqlite3_value *v, struct sc_sql_value *out)
{
    const void *p;
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        *out = sc_sql_integer(sqlite3_value_int64(v));
        break;
    case SQLITE_FLOAT:
        *out = sc_sql_real(sqlite3_value_double(v));
        break;
    case SQLITE_TEXT:
        p = sqlite3_value_text(v);
        *out = sc_sql_text(sc_slice_of(p, (size_t)sqlite3_value_bytes(v)));
        break;
    case SQLITE_BLOB:
        p = sqlite3_value_blob(v);
        *out = sc_sql_blob(sc_slice_of(p, (size_t)sqlite3_value_bytes(v)));
        break;
    default:
        *out = sc_sql_null();
    }
}

void sql_value_result(sqlite3_context *ctx, const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_INTEGER:
        sqlite3_result_int64(ctx, v->integer);
        break;
    case SC_SQL_REAL:
        sqlite3_result_double(ctx, v->real);
        break;
    case SC_SQL_TEXT: /* copied: an aggregate keeps values while the cursor moves on */
        sqlite3_result_text64(ctx, (const char *)v->bytes.ptr, v->bytes.size, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case SC_SQL_BLOB:
        sqlite3_result_blob64(ctx, v->bytes.ptr, v->bytes.size, SQLITE_TRANSIENT);
        break;
    case SC_SQL_NULL:
        sqlite3_result_null(ctx);
        break;
    }
}

/* ---- declaration ---- */
static char *declaration(const struct sql_table *t)
{
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendall(sql, "CREATE TABLE x(");
    for (size_t i = 0; i < t->column_count; i++)
        sqlite3_str_appendf(sql, "%s\"%w\" %s", i != 0 ? ", " : "", t->columns[i].name, t->columns[i].type);
    sqlite3_str_appendall(sql, ")");
    return sqlite3_str_finish(sql);
}

static int vtab_connect(sqlite3 *sqlite, void *arg, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
    (void)error;
    struct sc_sql_session *s = arg;
    struct sql_table *t = argc == 4 ? sql_schema_find_id(s, (uint32_t)strtoul(argv[3], NULL, 10)) : NULL;
    if (t == NULL)
        return SQLITE_ERROR;
    char *sql = declaration(t);
    const int rc = sql != NULL ? sqlite3_declare_vtab(sqlite, sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_vtab_config(sqlite, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
    struct vtab *v = sqlite3_malloc(sizeof *v);
    if (v == NULL)
        return SQLITE_NOMEM;
    *v = (struct vtab){.session = s, .table = sql_table_ref(t)};
    *out = &v->base;
    return SQLITE_OK;
}

static int vtab_disconnect(sqlite3_vtab *base)
{
    struct vtab *v = (struct vtab *)base;
    sql_table_unref(v->table);
    sqlite3_free(v);
    return SQLITE_OK;
}

/* ---- planning ---- */
struct plan {
    const struct sql_table *table;
    sqlite3_index_info *info;
    int eq[SQL_PK_COUNT_MAX]; /* constraint for each key column, or -1 */
    int lo[SQL_PK_COUNT_MAX];
    int hi[SQL_PK_COUNT_MAX];
    bool certain[SQL_PK_COUNT_MAX]; /* the comparison is the key's own: see above */
    char letters[SQL_PK_COUNT_MAX + 3];
    int letter_count;
    int eq_count;   /* key columns with e or i */
    int in_index;   /* the one with i, or -1 */
    bool low, high; /* a bound behind them */
};

/* Whether comparing the key column's encoded values decides the constraint: always for numbers; for text only when the
 * other side is known to be text. */
static bool comparison_certain(const struct plan *p, int constraint, const struct sql_column *c)
{
    sqlite3_value *rhs = NULL;
    if (sql_affinity_is_numeric(c->affinity))
        return true;
    return sqlite3_vtab_rhs_value(p->info, constraint, &rhs) == SQLITE_OK && rhs != NULL &&
           sqlite3_value_type(rhs) == SQLITE_TEXT;
}

static void collect(struct plan *p)
{
    for (int i = 0; i < SQL_PK_COUNT_MAX; i++)
        p->eq[i] = p->lo[i] = p->hi[i] = -1;
    for (int i = 0; i < p->info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &p->info->aConstraint[i];
        if (!c->usable || c->iColumn < 0 || c->iColumn >= p->table->column_count)
            continue;
        const int k = p->table->columns[c->iColumn].pk_index;
        if (k < 0)
            continue;
        int *slot = NULL;
        if (c->op == SQLITE_INDEX_CONSTRAINT_EQ || c->op == SQLITE_INDEX_CONSTRAINT_IS)
            slot = &p->eq[k];
        else if (c->op == SQLITE_INDEX_CONSTRAINT_GT || c->op == SQLITE_INDEX_CONSTRAINT_GE)
            slot = &p->lo[k];
        else if (c->op == SQLITE_INDEX_CONSTRAINT_LT || c->op == SQLITE_INDEX_CONSTRAINT_LE)
            slot = &p->hi[k];
        if (slot == NULL || *slot >= 0 || strcasecmp(sqlite3_vtab_collation(p->info, i), "BINARY") != 0)
            continue;
        *slot = i;
    }
}

static void use(struct plan *p, int constraint, char letter, bool omit)
{
    p->letters[p->letter_count++] = letter;
    p->info->aConstraintUsage[constraint].argvIndex = p->letter_count;
    p->info->aConstraintUsage[constraint].omit = omit;
}

static void choose(struct plan *p)
{
    const struct sql_table *t = p->table;
    bool certain = true; /* so far */
    p->in_index = -1;
    int k = 0;
    for (; k < t->pk_count && p->eq[k] >= 0; k++) {
        const int c = p->eq[k];
        p->certain[k] = comparison_certain(p, c, &t->columns[t->pk[k]]);
        certain = certain && p->certain[k];
        if (p->in_index < 0 && sqlite3_vtab_in(p->info, c, -1)) {
            sqlite3_vtab_in(p->info, c, 1);
            p->in_index = k;
            use(p, c, 'i', false);
        } else {
            use(p, c, 'e',
                certain && p->info->aConstraint[c].op == SQLITE_INDEX_CONSTRAINT_EQ &&
                    !sqlite3_vtab_in(p->info, c, -1));
        }
    }
    p->eq_count = k;
    if (k == t->pk_count)
        return;
    const int lo = p->lo[k];
    const int hi = p->hi[k];
    const bool numeric = sql_affinity_is_numeric(t->columns[t->pk[k]].affinity);
    if (lo >= 0) {
        p->low = true;
        use(p, lo, p->info->aConstraint[lo].op == SQLITE_INDEX_CONSTRAINT_GT ? 'g' : 'G', certain && numeric);
    }
    if (hi >= 0) {
        p->high = true;
        use(p, hi, p->info->aConstraint[hi].op == SQLITE_INDEX_CONSTRAINT_LT ? 'l' : 'L', certain && numeric);
    }
}

/* Whether reading in key order (or backwards) is the order asked for. */
static bool order_fits(const struct plan *p, bool *descending_out)
{
    const sqlite3_index_info *info = p->info;
    const struct sql_table *t = p->table;
    int k = 0; /* the key column that orders next */
    int direction = -1;
    for (int i = 0; i < info->nOrderBy; i++) {
        const int column = info->aOrderBy[i].iColumn;
        const int pk = column >= 0 && column < t->column_count ? t->columns[column].pk_index : -1;
        if (pk >= 0 && pk < p->eq_count && pk != p->in_index && p->certain[pk])
            continue; /* one value only: orders nothing */
        while (k < p->eq_count && k != p->in_index && p->certain[k])
            k++;
        if (k >= t->pk_count)
            break; /* the whole key is behind us: the rest cannot matter */
        if (pk != k || (direction >= 0 && direction != info->aOrderBy[i].desc))
            return false;
        direction = info->aOrderBy[i].desc;
        k++;
    }
    *descending_out = direction == 1;
    return t->pk_count != 0;
}

static void estimate(struct plan *p, struct sc_sql_session *s, struct sql_table *t)
{
    const double rows = (double)sql_rows_estimate(s, t) + 1;
    sqlite3_index_info *info = p->info;
    double found = rows;
    bool certain = true;
    for (int k = 0; k < p->eq_count; k++)
        certain = certain && p->certain[k];
    if (t->pk_count != 0 && p->eq_count == t->pk_count) {
        found = 1;
        if (p->in_index < 0 && certain)
            info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
    } else if (p->eq_count != 0) {
        found = pow(rows, 1.0 - (double)p->eq_count / t->pk_count);
    }
    found = found / (p->low ? 4 : 1) / (p->high ? 4 : 1);
    double seeks = 1;
    if (p->in_index >= 0) {
        seeks = 10;
        found *= seeks;
    }
    found = found > rows ? rows : found;
    info->estimatedRows = (sqlite3_int64)(found < 1 ? 1 : found);
    info->estimatedCost = 10 * seeks + found;
}

static int vtab_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    struct vtab *v = (struct vtab *)base;
    struct plan p = {.table = v->table, .info = info};
    bool descending = false;
    collect(&p);
    choose(&p);
    estimate(&p, v->session, v->table);
    if (info->nOrderBy != 0 && order_fits(&p, &descending))
        info->orderByConsumed = 1;
    info->idxNum = descending && info->orderByConsumed ? 1 : 0;
    info->idxStr = sqlite3_mprintf("%s", p.letters);
    if (info->idxStr == NULL)
        return SQLITE_NOMEM;
    info->needToFreeIdxStr = 1;
    return SQLITE_OK;
}

/* ---- cursors ---- */
static int vtab_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    (void)base;
    struct cursor *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SQLITE_NOMEM;
    *out = &c->base;
    return SQLITE_OK;
}

static void cursor_reset(struct cursor *c)
{
    sc_kvs_iter_free(c->iter);
    c->iter = NULL;
    free(c->ranges);
    c->ranges = NULL;
    c->range_count = c->range_index = 0;
    c->valid = c->row_open = false;
    sc_buf_reset(&c->bounds);
    sc_buf_reset(&c->point);
}

static int vtab_close(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    cursor_reset(c);
    sc_buf_deinit(&c->bounds);
    sc_buf_deinit(&c->point);
    sc_buf_deinit(&c->scratch);
    free(c);
    return SQLITE_OK;
}

/* ---- xFilter: from arguments to key ranges ---- */
struct filter {
    const struct sql_table *table;
    struct sc_buf prefix;   /* rows prefix and the values before the IN */
    struct sc_buf in;       /* encoded IN values, one after another */
    struct sc_slice *items; /* them, sorted and distinct */
    size_t item_count, item_capacity;
    struct sc_buf suffix;    /* values behind the IN */
    struct sc_buf low, high; /* what is put behind prefix item suffix */
    bool has_in, empty, stop;
    int values; /* key columns fixed by e and i */
};

static void filter_deinit(struct filter *f)
{
    sc_buf_deinit(&f->prefix);
    sc_buf_deinit(&f->in);
    sc_buf_deinit(&f->suffix);
    sc_buf_deinit(&f->low);
    sc_buf_deinit(&f->high);
    free(f->items);
}

enum usable { USABLE, NEVER_TRUE, UNDECIDED };

/* The value as the comparison sees it, after the column's affinity. */
static enum usable comparand(const struct sql_column *c, sqlite3_value *from, struct sc_sql_value *out)
{
    char unused[SQL_NUMBER_TEXT_SIZE];
    sql_value_from(from, out);
    if (out->type == SC_SQL_NULL)
        return NEVER_TRUE; /* key columns are never NULL */
    if (sql_affinity_is_numeric(c->affinity))
        sql_affinity_apply(SQL_AFFINITY_NUMERIC, out, unused);
    else if (out->type == SC_SQL_INTEGER || out->type == SC_SQL_REAL)
        return UNDECIDED;
    return USABLE;
}

static int compare_items(const void *a, const void *b)
{
    return sc_slice_cmp(*(const struct sc_slice *)a, *(const struct sc_slice *)b);
}

static sc_err add_item(struct filter *f, const struct sc_sql_value *v)
{
    if (f->item_count == f->item_capacity) {
        const size_t capacity = f->item_capacity == 0 ? 16 : f->item_capacity * 2;
        struct sc_slice *grown = realloc(f->items, capacity * sizeof *grown);
        if (grown == NULL)
            return SC_E_NOMEM;
        f->items = grown;
        f->item_capacity = capacity;
    }
    const size_t from = f->in.size;
    sql_tuple_put(&f->in, v);
    /* the buffer still moves: sizes now, places at the end */
    f->items[f->item_count++] = (struct sc_slice){(const uint8_t *)"", f->in.size - from};
    return sc_buf_status(&f->in);
}

static void sort_items(struct filter *f)
{
    size_t at = 0;
    size_t kept = 0;
    for (size_t i = 0; i < f->item_count; i++) {
        f->items[i].ptr = f->in.ptr + at;
        at += f->items[i].size;
    }
    if (f->item_count != 0)
        qsort(f->items, f->item_count, sizeof *f->items, compare_items);
    for (size_t i = 0; i < f->item_count; i++)
        if (kept == 0 || !sc_slice_eq(f->items[kept - 1], f->items[i]))
            f->items[kept++] = f->items[i];
    f->item_count = kept;
}

static sc_err filter_in(struct filter *f, const struct sql_column *c, sqlite3_value *list)
{
    sqlite3_value *v = NULL;
    struct sc_sql_value value;
    f->has_in = true;
    int rc = sqlite3_vtab_in_first(list, &v);
    for (; rc == SQLITE_OK && v != NULL; rc = sqlite3_vtab_in_next(list, &v)) {
        const enum usable usable = comparand(c, v, &value);
        if (usable == UNDECIDED) { /* forget the list: all values of the column are read */
            f->has_in = false;
            f->stop = true;
            return SC_OK;
        }
        if (usable == USABLE)
            SC_TRY(add_item(f, &value));
    }
    if (rc != SQLITE_DONE && rc != SQLITE_OK)
        return SC_E_NOMEM;
    sort_items(f);
    f->empty = f->empty || f->item_count == 0;
    return SC_OK;
}

static sc_err filter_argument(struct filter *f, char letter, sqlite3_value *arg)
{
    const struct sql_column *c = &f->table->columns[f->table->pk[f->values]];
    struct sc_sql_value value;
    if (letter == 'i') {
        SC_TRY(filter_in(f, c, arg));
        f->values++;
        return SC_OK;
    }
    const enum usable usable = comparand(c, arg, &value);
    if (usable != USABLE) {
        f->empty = f->empty || usable == NEVER_TRUE;
        f->stop = f->stop || (usable == UNDECIDED && letter == 'e');
        return SC_OK;
    }
    switch (letter) {
    case 'e':
        sql_tuple_put(f->has_in ? &f->suffix : &f->prefix, &value);
        f->values++;
        break;
    case 'g':
    case 'G':
        sql_tuple_put(&f->low, &value);
        if (letter == 'g')
            sc_buf_put_u8(&f->low, SQL_TUPLE_AFTER);
        break;
    default:
        sql_tuple_put(&f->high, &value);
        if (letter == 'L')
            sc_buf_put_u8(&f->high, SQL_TUPLE_AFTER);
    }
    return SC_OK;
}

static void put_bound(struct cursor *c, const struct filter *f, struct sc_slice item, struct sc_slice tail,
                      uint32_t *at_out, uint32_t *size_out)
{
    const size_t at = c->bounds.size;
    sc_buf_put_bytes(&c->bounds, sc_buf_slice(&f->prefix));
    sc_buf_put_bytes(&c->bounds, item);
    sc_buf_put_bytes(&c->bounds, sc_buf_slice(&f->suffix));
    sc_buf_put_bytes(&c->bounds, tail);
    *at_out = (uint32_t)at;
    *size_out = (uint32_t)(c->bounds.size - at);
}

static sc_err make_ranges(struct cursor *c, const struct filter *f)
{
    static const uint8_t after[1] = {SQL_TUPLE_AFTER};
    const size_t count = f->empty ? 0 : f->has_in ? f->item_count : 1;
    const struct sc_slice high = f->high.size != 0 ? sc_buf_slice(&f->high) : sc_slice_of(after, 1);
    c->ranges = calloc(count + 1, sizeof *c->ranges);
    if (c->ranges == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct sc_slice item = f->has_in ? f->items[i] : SC_SLICE_EMPTY;
        put_bound(c, f, item, sc_buf_slice(&f->low), &c->ranges[i].lower, &c->ranges[i].lower_size);
        put_bound(c, f, item, high, &c->ranges[i].upper, &c->ranges[i].upper_size);
    }
    c->range_count = count;
    return sc_buf_status(&c->bounds);
}

static struct sc_slice range_lower(const struct cursor *c, size_t i)
{
    return sc_slice_of(c->bounds.ptr + c->ranges[i].lower, c->ranges[i].lower_size);
}

static struct sc_slice range_upper(const struct cursor *c, size_t i)
{
    return sc_slice_of(c->bounds.ptr + c->ranges[i].upper, c->ranges[i].upper_size);
}

/* ---- moving ---- */
static void take_row(struct cursor *c)
{
    c->row_open = false;
    if (!c->valid)
        return;
    c->key = sc_kvs_iter_key(c->iter);
    c->value = sc_kvs_iter_value(c->iter);
}

/* Range number i in reading order. */
static size_t range_at(const struct cursor *c, size_t i)
{
    return c->descending ? c->range_count - 1 - i : i;
}

/* Whether the iterator's entry lies in the current range (the iterator itself keeps to the outer bounds). */
static bool in_range(const struct cursor *c)
{
    const size_t i = range_at(c, c->range_index);
    const struct sc_slice key = sc_kvs_iter_key(c->iter);
    return c->descending ? sc_slice_cmp(key, range_lower(c, i)) >= 0 : sc_slice_cmp(key, range_upper(c, i)) < 0;
}

static sc_err enter_range(struct cursor *c, struct sc_diag *diag)
{
    const size_t i = range_at(c, c->range_index);
    if (!c->descending)
        return sc_kvs_iter_seek(c->iter, range_lower(c, i), &c->valid, diag);
    const struct sc_slice upper = range_upper(c, i);
    SC_TRY(sc_kvs_iter_seek_back(c->iter, upper, &c->valid, diag));
    if (c->valid && sc_slice_eq(sc_kvs_iter_key(c->iter), upper)) /* exclusive */
        SC_TRY(sc_kvs_iter_prev(c->iter, &c->valid, diag));
    return SC_OK;
}

/* From range to range until an entry is found. */
static sc_err settle(struct cursor *c, struct sc_diag *diag)
{
    while (!c->valid || (c->range_count > 1 && !in_range(c))) {
        if (++c->range_index >= c->range_count) {
            c->valid = false;
            return SC_OK;
        }
        SC_TRY(enter_range(c, diag));
    }
    return SC_OK;
}

static sc_err scan(struct cursor *c, struct sc_sql_session *s)
{
    struct sc_diag diag = {0};
    if (c->range_count == 0)
        return SC_OK;
    const struct sc_kvs_range outer = {range_lower(c, 0), range_upper(c, c->range_count - 1)};
    if (c->range_count == 1 && sc_slice_cmp(outer.lower, outer.upper) >= 0)
        return SC_OK; /* x > 5 AND x < 3 */
    SC_TRY(sql_range(s, &outer, &c->iter));
    sc_err err = c->range_count > 1 ? enter_range(c, &diag)
                 : c->descending    ? sc_kvs_iter_last(c->iter, &c->valid, &diag)
                                    : sc_kvs_iter_first(c->iter, &c->valid, &diag);
    if (err == SC_OK)
        err = settle(c, &diag);
    take_row(c);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, &diag, "read");
}

static sc_err look_up(struct cursor *c, const struct filter *f, struct sc_sql_session *s)
{
    put_bound(c, f, SC_SLICE_EMPTY, SC_SLICE_EMPTY, &(uint32_t){0}, &(uint32_t){0});
    SC_TRY(sc_buf_status(&c->bounds));
    const sc_err err = sql_read(s, sc_buf_slice(&c->bounds), &c->point);
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    SC_TRY(err);
    c->valid = true;
    c->key = sc_buf_slice(&c->bounds);
    c->value = sc_buf_slice(&c->point);
    return SC_OK;
}

static sc_err filter(struct cursor *c, struct vtab *v, struct filter *f, const char *letters, sqlite3_value **argv)
{
    sql_key_rows(&f->prefix, v->table->id);
    for (int i = 0; letters[i] != '\0' && !f->stop; i++)
        SC_TRY(filter_argument(f, letters[i], argv[i]));
    SC_TRY(sc_buf_status(&f->prefix));
    SC_TRY(sc_buf_status(&f->suffix));
    SC_TRY(sc_buf_status(&f->low));
    SC_TRY(sc_buf_status(&f->high));
    if (!f->empty && !f->stop && !f->has_in && v->table->pk_count != 0 && f->values == v->table->pk_count)
        return look_up(c, f, v->session);
    SC_TRY(make_ranges(c, f));
    return scan(c, v->session);
}

static int vtab_filter(sqlite3_vtab_cursor *base, int number, const char *letters, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct cursor *c = (struct cursor *)base;
    struct vtab *v = (struct vtab *)base->pVtab;
    SC_CLEANUP(filter_deinit) struct filter f = {.table = v->table};
    cursor_reset(c);
    c->descending = number & 1;
    const sc_err err = filter(c, v, &f, letters != NULL ? letters : "", argv);
    if (err != SC_OK)
        sql_fail_storage(v->session, err, NULL, v->table->name); /* no-op where the story is told already */
    return rc_of(err);
}

static int vtab_next(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    struct sc_diag diag = {0};
    if (c->iter == NULL) {
        c->valid = false;
        return SQLITE_OK;
    }
    sc_err err =
        c->descending ? sc_kvs_iter_prev(c->iter, &c->valid, &diag) : sc_kvs_iter_next(c->iter, &c->valid, &diag);
    if (err == SC_OK)
        err = settle(c, &diag);
    take_row(c);
    if (err != SC_OK)
        sql_fail_storage(session_of(base->pVtab), err, &diag, "read");
    return rc_of(err);
}

static int vtab_eof(sqlite3_vtab_cursor *base)
{
    return !((struct cursor *)base)->valid;
}

static sc_err column(struct cursor *c, const struct sql_table *t, int i, struct sc_sql_value *out, struct sc_diag *diag)
{
    const struct sql_column *col = &t->columns[i];
    if (col->stored_index < 0)
        return sql_table_key_column(t, c->key, col->pk_index, &c->scratch, out);
    if (!c->row_open) {
        SC_TRY(sql_row_open(&c->row, c->value, t->id, c->key, diag));
        c->row_open = true;
    }
    const sc_err err = sql_row_get(&c->row, (size_t)col->stored_index, out);
    if (err == SC_E_NOT_FOUND) {
        *out = col->default_value;
        return SC_OK;
    }
    SC_TRY(err);
    return SC_OK;
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i)
{
    struct cursor *c = (struct cursor *)base;
    struct vtab *v = (struct vtab *)base->pVtab;
    struct sc_sql_value value;
    struct sc_diag diag = {0};
    const sc_err err = column(c, v->table, i, &value, &diag);
    if (err != SC_OK) {
        sql_fail_storage(v->session, err, &diag, v->table->name);
        return SQLITE_CORRUPT_VTAB;
    }
    sql_value_result(ctx, &value);
    return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    struct cursor *c = (struct cursor *)base;
    struct sc_sql_session *s = session_of(base->pVtab);
    int64_t rowid = 0;
    const sc_err err = sql_rowids_of(&s->rowids, c->key, &rowid);
    if (err != SC_OK) {
        sql_fail(s, "54000", "statement touches too many rows at once");
        return SQLITE_ERROR;
    }
    *out = rowid;
    return SQLITE_OK;
}

/* ---- writing ---- */
static void fetch_values(const struct sql_table *t, sqlite3_value **argv, const uint8_t *omitted,
                         struct sc_sql_value *out)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (omitted != NULL && (omitted[i / 8] >> i % 8 & 1) != 0)
            out[i] = t->columns[i].default_value;
        else
            sql_value_from(argv[i], &out[i]);
    }
}

static sc_err update(struct vtab *v, int argc, sqlite3_value **argv, sqlite3_int64 *rowid_out,
                     enum sql_conflict conflict)
{
    struct sc_sql_session *s = v->session;
    struct sc_sql_value values[SQL_COLUMN_COUNT_MAX];
    struct sc_slice old_key;
    SC_TRY(sql_tx_need(s));
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
        const struct sql_insert *in = s->running != NULL ? &s->running->insert : NULL;
        int64_t number = 0;
        fetch_values(v->table, argv + 2, in != NULL && in->table == v->table ? in->omitted : NULL, values);
        SC_TRY(sql_row_insert(s, v->table, values, conflict, &number));
        *rowid_out = number;
        return SC_OK;
    }
    if (sql_rowids_key(&s->rowids, sqlite3_value_int64(argv[0]), &old_key) != SC_OK)
        return sql_fail(s, "0A000", "row numbers are not stable in \"%s\": use the primary key", v->table->name);
    if (argc == 1)
        return sql_row_delete(s, v->table, old_key);
    fetch_values(v->table, argv + 2, NULL, values);
    return sql_row_update(s, v->table, old_key, values, conflict);
}

static int vtab_update(sqlite3_vtab *base, int argc, sqlite3_value **argv, sqlite3_int64 *rowid_out)
{
    struct vtab *v = (struct vtab *)base;
    struct sc_sql_session *s = v->session;
    const int on_conflict = argc > 1 ? sqlite3_vtab_on_conflict(s->sqlite) : SQLITE_ABORT;
    const bool do_nothing = s->running != NULL && s->running->do_nothing;
    const sc_err err =
        update(v, argc, argv, rowid_out, on_conflict == SQLITE_REPLACE ? SQL_CONFLICT_REPLACE : SQL_CONFLICT_FAIL);
    if (err == SC_OK)
        return SQLITE_OK;
    const bool duplicate = strcmp(s->error.sqlstate, "23505") == 0;
    const bool constraint = duplicate || (strcmp(s->error.sqlstate, "23502") == 0 && !do_nothing);
    if (!constraint)
        return rc_of(err);
    if (on_conflict == SQLITE_IGNORE)
        s->failed = false; /* SQLite will step over the row */
    return SQLITE_CONSTRAINT;
}

/* ---- statement boundaries ---- */
static int vtab_begin(sqlite3_vtab *base)
{
    return rc_of(sql_tx_need(session_of(base)));
}

static int vtab_nothing(sqlite3_vtab *base)
{
    (void)base;
    return SQLITE_OK;
}

static int vtab_rollback(sqlite3_vtab *base)
{
    struct sc_sql_session *s = session_of(base);
    if (s->txn != NULL)
        sc_kvs_txn_rollback_to(s->txn, s->statement_mark);
    return SQLITE_OK;
}

const sqlite3_module sql_table_module = {
    .iVersion = 1,
    .xCreate = vtab_connect,
    .xConnect = vtab_connect,
    .xBestIndex = vtab_best_index,
    .xDisconnect = vtab_disconnect,
    .xDestroy = vtab_disconnect,
    .xOpen = vtab_open,
    .xClose = vtab_close,
    .xFilter = vtab_filter,
    .xNext = vtab_next,
    .xEof = vtab_eof,
    .xColumn = vtab_column,
    .xRowid = vtab_rowid,
    .xUpdate = vtab_update,
    .xBegin = vtab_begin,
    .xSync = vtab_nothing,
    .xCommit = vtab_nothing,
    .xRollback = vtab_rollback,
};
