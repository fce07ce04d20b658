/* A table of ours as SQLite sees it: a virtual table over ranges of keys.  plan.c has the agreement between xBestIndex
 * and xFilter, which turns it into key ranges: prefix (e...) x one of the IN values, then bounds.
 *
 * A cursor keeps its iterator from one xFilter to the next: asked for a key just ahead (the inner side of a join in key
 * order) it steps there instead of seeking. */
#include "sql/filter.h"

#include <strings.h>

#define STEPS_BEFORE_SEEK 4
#define SPARE_SIZE_MAX    ((size_t)64 << 10)

struct cursor {
    sqlite3_vtab_cursor base;
    const struct sql_index *index;
    char need;                /* of the row: see plan.c */
    struct sql_kv_iter *iter; /* over iter_index; NULL: none yet */
    const struct sql_index *iter_index;
    const void *iter_view; /* the transaction or snapshot it reads */
    size_t iter_mark;      /* writes of the transaction when it last moved */
    bool iter_valid;
    struct sc_buf passed; /* no entry lies between it and the iterator's (forward only; empty: unknown) */
    bool point;           /* a single row found by its whole key */
    bool valid, descending;
    struct sql_ranges ranges;
    size_t range_index;
    struct sc_buf point_key, point_value; /* of an entry found by its whole key */
    struct sc_slice key;                  /* of the current entry */
    bool row_open, row_key_known;
    struct sc_buf row_key, row_value; /* of a row found through an index */
    struct sql_row row;
    struct sc_buf scratch;
};

static struct sc_sql_session *session_of(sqlite3_vtab *base)
{
    return ((struct sql_vtab *)base)->session;
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

int sql_value_bind(sqlite3_stmt *st, int i, const struct sc_sql_value *v)
{
    switch (v->type) {
    case SC_SQL_INTEGER:
        return sqlite3_bind_int64(st, i, v->integer);
    case SC_SQL_REAL:
        return sqlite3_bind_double(st, i, v->real);
    case SC_SQL_TEXT:
        return sqlite3_bind_text64(st, i, (const char *)v->bytes.ptr, v->bytes.size, SQLITE_TRANSIENT, SQLITE_UTF8);
    case SC_SQL_BLOB:
        return sqlite3_bind_blob64(st, i, v->bytes.ptr, v->bytes.size, SQLITE_TRANSIENT);
    default:
        return sqlite3_bind_null(st, i);
    }
}

/* ---- declaration ---- */
char *sql_declaration(const struct sql_table *t, const char *more)
{
    static const char *const collations[] = {"", " COLLATE NOCASE", " COLLATE RTRIM"};
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendall(sql, "CREATE TABLE x(");
    for (size_t i = 0; i < t->column_count; i++)
        sqlite3_str_appendf(sql, "%s\"%w\" %s%s", i != 0 ? ", " : "", t->columns[i].name, t->columns[i].type,
                            collations[t->columns[i].collation]);
    sqlite3_str_appendall(sql, more);
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
    char *sql = sql_declaration(t, "");
    const int rc = sql != NULL ? sqlite3_declare_vtab(sqlite, sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_vtab_config(sqlite, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
    sqlite3_vtab_config(sqlite, SQLITE_VTAB_INNOCUOUS); /* views may use it: its schema is our own dictionary */
    struct sql_vtab *v = sqlite3_malloc(sizeof *v);
    if (v == NULL)
        return SQLITE_NOMEM;
    *v = (struct sql_vtab){.session = s, .table = sql_table_ref(t)};
    *out = &v->base;
    return SQLITE_OK;
}

static int vtab_disconnect(sqlite3_vtab *base)
{
    struct sql_vtab *v = (struct sql_vtab *)base;
    sql_table_unref(v->table);
    sqlite3_free(v);
    return SQLITE_OK;
}

/* ---- cursors ---- */
static int vtab_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    struct sc_sql_session *s = session_of(base);
    struct cursor *c = s->spare_count != 0 ? s->spare_cursors[--s->spare_count] : calloc(1, sizeof *c);
    if (c == NULL)
        return SQLITE_NOMEM;
    c->iter = NULL;
    c->iter_index = NULL;
    sc_buf_reset(&c->passed);
    *out = &c->base;
    return SQLITE_OK;
}

static void cursor_free(struct cursor *c)
{
    sql_ranges_deinit(&c->ranges);
    sc_buf_deinit(&c->passed);
    sc_buf_deinit(&c->point_key);
    sc_buf_deinit(&c->point_value);
    sc_buf_deinit(&c->row_key);
    sc_buf_deinit(&c->row_value);
    sc_buf_deinit(&c->scratch);
    free(c);
}

/* A closed cursor waits with its buffers for the next one to be opened: a point select then allocates nothing here. */
static int vtab_close(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    struct sc_sql_session *s = session_of(base->pVtab);
    const size_t kept = c->point_value.capacity + c->row_value.capacity + c->ranges.bounds.capacity;
    s->kv.ops->iter_free(c->iter);
    if (s->spare_count < sizeof s->spare_cursors / sizeof s->spare_cursors[0] && kept < SPARE_SIZE_MAX)
        s->spare_cursors[s->spare_count++] = c;
    else
        cursor_free(c);
    return SQLITE_OK;
}

void sql_cursors_free(struct sc_sql_session *s)
{
    while (s->spare_count > 0)
        cursor_free(s->spare_cursors[--s->spare_count]);
}

/* ---- moving ---- */
static void take_entry(struct cursor *c, const struct sc_sql_session *s)
{
    c->row_open = c->row_key_known = false;
    if (c->valid)
        c->key = s->kv.ops->iter_key(c->iter);
}

static uint8_t kind_of(const struct cursor *c, const struct sql_table *t)
{
    return c->index == &t->primary ? SQL_KEY_ROWS : SQL_KEY_INDEX;
}

/* An iterator over the whole index, kept while what it reads stays the same. */
static sc_err need_iter(struct cursor *c, const struct sql_table *t, struct sc_sql_session *s)
{
    SC_TRY(sql_snapshot_need(s));
    const void *view = s->txn != NULL ? (const void *)s->txn : (const void *)s->snapshot;
    const size_t mark = s->txn != NULL ? s->kv.ops->txn_mark(s->txn) : 0;
    if (c->iter != NULL && c->iter_index == c->index && c->iter_view == view) {
        if (c->iter_mark != mark)
            sc_buf_reset(&c->passed); /* a write of ours may lie in between */
        c->iter_mark = mark;
        return SC_OK;
    }
    uint8_t bounds[2 * SQL_KEY_PREFIX_SIZE + 1] = {kind_of(c, t)};
    sc_store_u32be(bounds + 1, c->index->id);
    memcpy(bounds + SQL_KEY_PREFIX_SIZE, bounds, SQL_KEY_PREFIX_SIZE);
    bounds[2 * SQL_KEY_PREFIX_SIZE] = SQL_TUPLE_AFTER;
    const struct sql_kv_range range = {{bounds, SQL_KEY_PREFIX_SIZE},
                                       {bounds + SQL_KEY_PREFIX_SIZE, SQL_KEY_PREFIX_SIZE + 1}};
    s->kv.ops->iter_free(c->iter);
    c->iter = NULL;
    sc_buf_reset(&c->passed);
    SC_TRY(sql_range(s, &range, &c->iter));
    c->iter_index = c->index;
    c->iter_view = view;
    c->iter_mark = mark;
    return SC_OK;
}

static sc_err move(struct cursor *c, struct sc_sql_session *s, enum sql_kv_move move, struct sc_slice key)
{
    struct sc_diag *diag = sql_diag(s);
    const sc_err err = s->kv.ops->iter_move(c->iter, move, key, &c->iter_valid, diag);
    return err == SC_OK ? SC_OK : sql_fail_storage(s, err, diag, "read");
}

/* To the first entry >= target, from where the iterator stands if that is near. */
static sc_err go_to(struct cursor *c, struct sc_sql_session *s, struct sc_slice target)
{
    if (c->passed.size != 0 && sc_slice_cmp(sc_buf_slice(&c->passed), target) <= 0) {
        for (int i = 0; i <= STEPS_BEFORE_SEEK; i++) {
            if (!c->iter_valid || sc_slice_cmp(s->kv.ops->iter_key(c->iter), target) >= 0)
                return SC_OK;
            if (i < STEPS_BEFORE_SEEK)
                SC_TRY(move(c, s, SQL_KV_NEXT, SC_SLICE_EMPTY));
        }
    }
    return move(c, s, SQL_KV_SEEK, target);
}

static sc_err enter_range(struct cursor *c, struct sc_sql_session *s)
{
    const struct sql_key_range *r =
        &c->ranges.ranges[c->descending ? c->ranges.count - 1 - c->range_index : c->range_index];
    const struct sc_slice lower = sql_range_lower(&c->ranges, r);
    const struct sc_slice upper = sql_range_upper(&c->ranges, r);
    if (!c->descending) {
        SC_TRY(go_to(c, s, lower));
        sc_buf_reset(&c->passed); /* until the range is read to its end */
        c->valid = c->iter_valid && sc_slice_cmp(s->kv.ops->iter_key(c->iter), upper) < 0;
        return SC_OK;
    }
    sc_buf_reset(&c->passed);
    SC_TRY(move(c, s, SQL_KV_SEEK_BACK, upper));
    if (c->iter_valid && sc_slice_eq(s->kv.ops->iter_key(c->iter), upper)) /* exclusive */
        SC_TRY(move(c, s, SQL_KV_PREV, SC_SLICE_EMPTY));
    c->valid = c->iter_valid && sc_slice_cmp(s->kv.ops->iter_key(c->iter), lower) >= 0;
    return SC_OK;
}

/* From range to range until an entry is found. */
static sc_err settle(struct cursor *c, struct sc_sql_session *s)
{
    while (!c->valid) {
        if (!c->descending && c->ranges.count != 0) { /* nothing lies between this range's end and the iterator */
            sc_buf_reset(&c->passed);
            sc_buf_put_bytes(&c->passed, sql_range_upper(&c->ranges, &c->ranges.ranges[c->range_index]));
            SC_TRY(sc_buf_status(&c->passed));
        }
        if (++c->range_index >= c->ranges.count)
            return SC_OK;
        SC_TRY(enter_range(c, s));
    }
    return SC_OK;
}

static sc_err scan(struct cursor *c, const struct sql_table *t, struct sc_sql_session *s)
{
    if (c->ranges.count == 0)
        return SC_OK;
    if (c->ranges.count == 1 &&
        sc_slice_cmp(sql_range_lower(&c->ranges, c->ranges.ranges), sql_range_upper(&c->ranges, c->ranges.ranges)) >= 0)
        return SC_OK; /* x > 5 AND x < 3 */
    SC_TRY(need_iter(c, t, s));
    SC_TRY(enter_range(c, s));
    SC_TRY(settle(c, s));
    take_entry(c, s);
    return SC_OK;
}

static sc_err look_up(struct cursor *c, struct sc_sql_session *s)
{
    const struct sql_key_range *r = c->ranges.ranges;
    c->point = true;
    sc_buf_reset(&c->point_key);
    sc_buf_reset(&c->point_value);
    sc_buf_put_bytes(&c->point_key, sql_range_lower(&c->ranges, r));
    SC_TRY(sc_buf_status(&c->point_key));
    const sc_err err = sql_read(s, sc_buf_slice(&c->point_key), &c->point_value);
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    SC_TRY(err);
    c->valid = true;
    c->key = sc_buf_slice(&c->point_key);
    return SC_OK;
}

static int vtab_filter(sqlite3_vtab_cursor *base, int number, const char *letters, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct cursor *c = (struct cursor *)base;
    struct sql_vtab *v = (struct sql_vtab *)base->pVtab;
    struct sc_sql_session *s = v->session;
    struct sql_table *t = v->table;
    const size_t index = (size_t)number / 2;
    bool whole_key = false;
    if (index > t->index_count || letters == NULL || letters[0] == '\0')
        return SQLITE_ERROR;
    c->index = index == 0 ? &t->primary : &t->indexes[index - 1];
    c->descending = number & 1;
    c->need = letters[0];
    c->valid = c->point = c->row_open = c->row_key_known = false;
    c->range_index = 0;
    sc_err err = sql_filter(c->index, kind_of(c, t), letters + 1, argv, &c->ranges, &whole_key);
    if (err == SC_OK && s->trace != NULL)
        err = sql_trace_ranges(s, t, c->index, &c->ranges, whole_key);
    if (err == SC_OK)
        err = whole_key ? look_up(c, s) : scan(c, t, s);
    if (err != SC_OK)
        sql_fail_storage(s, err, NULL, t->name); /* no-op where the story is told already */
    return rc_of(err);
}

static int vtab_next(sqlite3_vtab_cursor *base)
{
    struct cursor *c = (struct cursor *)base;
    struct sc_sql_session *s = session_of(base->pVtab);
    if (c->point) {
        c->valid = false;
        return SQLITE_OK;
    }
    sc_err err = move(c, s, c->descending ? SQL_KV_PREV : SQL_KV_NEXT, SC_SLICE_EMPTY);
    if (err != SC_OK)
        return rc_of(err);
    const struct sql_ranges *rs = &c->ranges;
    const struct sql_key_range *r = &rs->ranges[c->descending ? rs->count - 1 - c->range_index : c->range_index];
    if (!c->iter_valid)
        c->valid = false;
    else if (c->descending)
        c->valid = sc_slice_cmp(s->kv.ops->iter_key(c->iter), sql_range_lower(rs, r)) >= 0;
    else
        c->valid = rs->all || sc_slice_cmp(s->kv.ops->iter_key(c->iter), sql_range_upper(rs, r)) < 0;
    if (!c->valid)
        err = settle(c, s);
    take_entry(c, s);
    return rc_of(err);
}

static int vtab_eof(sqlite3_vtab_cursor *base)
{
    return !((struct cursor *)base)->valid;
}

/* ---- the row behind the entry ---- */
static struct sc_slice entry_value(struct cursor *c, const struct sc_sql_session *s)
{
    return c->point ? sc_buf_slice(&c->point_value) : s->kv.ops->iter_value(c->iter);
}

/* The row's whole key, whichever index the entry is of. */
static sc_err need_row_key(struct cursor *c, const struct sql_table *t, const struct sc_sql_session *s,
                           struct sc_slice *out)
{
    struct sc_slice pk;
    if (c->index == &t->primary) {
        *out = c->key;
        return SC_OK;
    }
    if (!c->row_key_known) {
        SC_TRY(sql_index_entry_pk(c->index, c->key, c->index->unique ? entry_value(c, s) : SC_SLICE_EMPTY, &c->scratch,
                                  &pk));
        sc_buf_reset(&c->row_key);
        sql_key_prefix(&c->row_key, SQL_KEY_ROWS, t->id);
        sc_buf_put_bytes(&c->row_key, pk);
        SC_TRY(sc_buf_status(&c->row_key));
        c->row_key_known = true;
    }
    *out = sc_buf_slice(&c->row_key);
    return SC_OK;
}

static sc_err open_row(struct cursor *c, const struct sql_table *t, struct sc_sql_session *s, struct sc_diag *diag)
{
    struct sc_slice key;
    if (c->index == &t->primary) {
        if (c->need == 'p' && !c->point)
            return sql_row_open_iter(&c->row, s->kv.ops, c->iter, t->id, diag);
        return sql_row_open(&c->row, entry_value(c, s), t->id, diag);
    }
    SC_TRY(need_row_key(c, t, s, &key));
    sc_buf_reset(&c->row_value);
    const sc_err err = sql_read(s, key, &c->row_value);
    if (err == SC_E_NOT_FOUND)
        return sc_fail(diag, SC_E_MALFORMED, "index \"%s\" names a row that is not there", c->index->name);
    SC_TRY(err);
    return sql_row_open(&c->row, sc_buf_slice(&c->row_value), t->id, diag);
}

/* A column that a key tells; false: it does not. */
static sc_err column_of_key(struct cursor *c, const struct sql_table *t, const struct sc_sql_session *s, int i,
                            struct sc_sql_value *out, bool *told_out)
{
    const struct sql_index *ix = c->index;
    struct sc_slice key;
    *told_out = true;
    for (size_t k = 0; ix != &t->primary && k < ix->part_count; k++)
        if (ix->parts[k].column == i && ix->parts[k].readable)
            return sql_index_key_value(ix, SQL_KEY_INDEX, c->key, k, &c->scratch, out);
    if (!t->columns[i].in_row) {
        SC_TRY(need_row_key(c, t, s, &key));
        return sql_index_key_value(&t->primary, SQL_KEY_ROWS, key, (size_t)t->columns[i].pk_index, &c->scratch, out);
    }
    *told_out = false;
    return SC_OK;
}

static sc_err column(struct cursor *c, const struct sql_table *t, struct sc_sql_session *s, int i,
                     struct sc_sql_value *out, struct sc_diag *diag)
{
    const struct sql_column *col = &t->columns[i];
    if (!col->in_row || c->index != &t->primary) {
        bool told = false;
        SC_TRY(column_of_key(c, t, s, i, out, &told));
        if (told)
            return SC_OK;
    }
    if (!c->row_open) {
        SC_TRY(open_row(c, t, s, diag));
        c->row_open = true;
    }
    const sc_err err = sql_row_get(&c->row, (size_t)col->slot, out);
    if (err == SC_E_NOT_FOUND) {
        *out = col->default_value;
        return SC_OK;
    }
    return err;
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i)
{
    struct cursor *c = (struct cursor *)base;
    struct sql_vtab *v = (struct sql_vtab *)base->pVtab;
    struct sc_sql_session *s = v->session;
    struct sc_sql_value value;
    if (s->running != NULL && s->running->kind == SQL_KIND_UPDATE && sqlite3_vtab_nochange(ctx))
        return SQLITE_OK; /* an UPDATE that leaves it as it is: the row is read again when it is written */
    struct sc_diag *diag = sql_diag(s);
    const sc_err err = column(c, v->table, s, i, &value, diag);
    if (err != SC_OK) {
        sql_fail_storage(s, err, diag, v->table->name);
        return SQLITE_CORRUPT_VTAB;
    }
    sql_value_result(ctx, &value);
    return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    struct cursor *c = (struct cursor *)base;
    const struct sql_vtab *v = (const struct sql_vtab *)base->pVtab;
    struct sc_sql_session *s = v->session;
    struct sc_slice key;
    int64_t rowid = 0;
    sc_err err = need_row_key(c, v->table, s, &key);
    if (err == SC_OK && (v->table->hidden || v->table->autonumber))
        err = sql_table_key_number(v->table, key, &rowid);
    else if (err == SC_OK && sql_rowids_of(&s->rowids, key, &rowid) != SC_OK)
        err = sql_fail(s, "54000", "statement touches too many rows at once");
    if (err != SC_OK) {
        sql_fail_storage(s, err, NULL, v->table->name);
        return SQLITE_ERROR;
    }
    *out = rowid;
    return SQLITE_OK;
}

/* ---- writing ---- */
static sc_err key_of_rowid(struct sql_vtab *v, sqlite3_int64 rowid, struct sc_buf *key)
{
    struct sc_slice known;
    if (v->table->hidden || v->table->autonumber) {
        sql_key_prefix(key, SQL_KEY_ROWS, v->table->id);
        sql_tuple_put(key, &(struct sc_sql_value){.type = SC_SQL_INTEGER, .integer = rowid});
        return sc_buf_status(key);
    }
    if (sql_rowids_key(&v->session->rowids, rowid, &known) != SC_OK)
        return sql_fail(v->session, "0A000", "row numbers are not stable in \"%s\": use the primary key",
                        v->table->name);
    sc_buf_put_bytes(key, known);
    return sc_buf_status(key);
}

static sc_err insert(struct sql_vtab *v, sqlite3_value **argv, enum sql_conflict conflict, struct sql_dml *dml,
                     sqlite3_int64 *rowid_out)
{
    struct sc_sql_session *s = v->session;
    struct sql_table *t = v->table;
    struct sc_sql_value values[SQL_COLUMN_COUNT_MAX];
    const bool mine = dml != NULL && dml->table == t;
    const bool numbered = sqlite3_value_type(argv[1]) == SQLITE_INTEGER;
    const int64_t asked = numbered ? sqlite3_value_int64(argv[1]) : 0;
    int64_t number = 0;
    for (size_t i = 0; i < t->column_count; i++)
        sql_value_from(argv[2 + i], &values[i]);
    SC_TRY(sql_row_insert(s, t, values, mine ? dml->omitted : NULL, numbered ? &asked : NULL, conflict,
                          mine ? dml : NULL, &number));
    *rowid_out = number;
    return SC_OK;
}

static sc_err update(struct sql_vtab *v, sqlite3_value **argv, enum sql_conflict conflict, struct sql_dml *dml)
{
    struct sql_table *t = v->table;
    struct sc_sql_value values[SQL_COLUMN_COUNT_MAX];
    bool set[SQL_COLUMN_COUNT_MAX];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_TRY(key_of_rowid(v, sqlite3_value_int64(argv[0]), &key));
    if (sqlite3_value_int64(argv[0]) != sqlite3_value_int64(argv[1]))
        return sql_fail(v->session, "0A000", "row numbers of \"%s\" cannot be changed: change the primary key",
                        t->name);
    for (size_t i = 0; i < t->column_count; i++) {
        set[i] = !sqlite3_value_nochange(argv[2 + i]);
        if (set[i])
            sql_value_from(argv[2 + i], &values[i]);
    }
    return sql_row_update(v->session, t, sc_buf_slice(&key), values, set, conflict, dml);
}

static sc_err write_row(struct sql_vtab *v, int argc, sqlite3_value **argv, enum sql_conflict conflict,
                        sqlite3_int64 *rowid_out)
{
    struct sc_sql_session *s = v->session;
    struct sql_dml *dml = s->running != NULL && s->running->dml.table == v->table ? &s->running->dml : NULL;
    SC_TRY(sql_tx_need(s));
    if (argc == 1) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
        SC_TRY(key_of_rowid(v, sqlite3_value_int64(argv[0]), &key));
        return sql_row_delete(s, v->table, sc_buf_slice(&key), dml);
    }
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return insert(v, argv, conflict, dml, rowid_out);
    return update(v, argv, conflict, dml);
}

static int vtab_update(sqlite3_vtab *base, int argc, sqlite3_value **argv, sqlite3_int64 *rowid_out)
{
    struct sql_vtab *v = (struct sql_vtab *)base;
    struct sc_sql_session *s = v->session;
    const int on_conflict = argc > 1 ? sqlite3_vtab_on_conflict(s->sqlite) : SQLITE_ABORT;
    const enum sql_conflict conflict = on_conflict == SQLITE_REPLACE  ? SQL_CONFLICT_REPLACE
                                       : on_conflict == SQLITE_IGNORE ? SQL_CONFLICT_IGNORE
                                                                      : SQL_CONFLICT_FAIL;
    struct sc_sql_stmt *running = s->running;
    const bool ignored = s->ignore_row;
    s->ignore_row = false;
    const sc_err err = write_row(v, argc, argv, conflict, rowid_out);
    if (err == SC_OK && !s->ignore_row && running != NULL)
        running->changes++;
    s->ignore_row = ignored;
    if (err != SC_OK && running != NULL)
        running->keep_partial = on_conflict == SQLITE_FAIL;
    return rc_of(err);
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

/* SQLite undoes a failed statement: a nested one takes the whole of it along (see end_sqlite). */
static int vtab_rollback(sqlite3_vtab *base)
{
    (void)base;
    return SQLITE_OK;
}

const sqlite3_module sql_table_module = {
    .iVersion = 1,
    .xCreate = vtab_connect,
    .xConnect = vtab_connect,
    .xBestIndex = sql_best_index,
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
