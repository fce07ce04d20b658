/* Columns, constraints and indexes of a table; triggers are in define_trigger.c. */
#include "sql/define.h"

#include "sql/define_text.h"
#include "sql/internal.h"

#include <strings.h>

struct definition {
    sqlite3 *mirror;
    struct sql_table *t; /* being filled */
    struct sc_diag *diag;
};

static void finalizep(sqlite3_stmt **st)
{
    sqlite3_finalize(*st);
}

static sc_err fail_mirror(sqlite3 *mirror, struct sc_diag *diag)
{
    const int rc = sqlite3_errcode(mirror);
    return sc_fail(diag, rc == SQLITE_NOMEM ? SC_E_NOMEM : SC_E_MALFORMED, "%s", sqlite3_errmsg(mirror));
}

/* A question about `name`, bound as ?1. */
static sc_err ask(sqlite3 *mirror, const char *sql, const char *name, sqlite3_stmt **out, struct sc_diag *diag)
{
    if (sqlite3_prepare_v2(mirror, sql, -1, out, NULL) != SQLITE_OK ||
        (sqlite3_bind_parameter_count(*out) != 0 &&
         sqlite3_bind_text(*out, 1, name, -1, SQLITE_TRANSIENT) != SQLITE_OK))
        return fail_mirror(mirror, diag);
    return SC_OK;
}

static sc_err copy(struct definition *d, const void *text, const char **out)
{
    *out = sc_arena_strdup(&d->t->arena, text != NULL ? (const char *)text : "");
    return *out != NULL ? SC_OK : SC_E_NOMEM;
}

static sc_err copy_slice(struct definition *d, struct sc_slice text, const char **out)
{
    char *p = sc_arena_alloc(&d->t->arena, text.size + 1);
    if (p == NULL)
        return SC_E_NOMEM;
    memcpy(p, text.ptr, text.size);
    *out = p;
    return SC_OK;
}

static sc_err collation_of(struct definition *d, const char *name, enum sql_collation *out)
{
    static const char *const names[] = {"BINARY", "NOCASE", "RTRIM"};
    for (size_t i = 0; i < 3; i++)
        if (strcasecmp(name, names[i]) == 0) {
            *out = (enum sql_collation)i;
            return SC_OK;
        }
    return sc_fail(d->diag, SC_E_UNSUPPORTED, "collation %s is not supported", name);
}

/* A constant default is computed once; anything with a function in it once a row. */
static int deny_functions(void *arg, int action, const char *a, const char *b, const char *c, const char *e)
{
    (void)arg, (void)a, (void)b, (void)c, (void)e;
    return action == SQLITE_SELECT ? SQLITE_OK : SQLITE_DENY;
}

static sc_err default_value(struct definition *d, struct sql_column *c)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    char *sql = sqlite3_mprintf("SELECT (%s)", c->default_sql);
    if (sql == NULL)
        return SC_E_NOMEM;
    sqlite3_set_authorizer(d->mirror, deny_functions, NULL);
    const int rc = sqlite3_prepare_v2(d->mirror, sql, -1, &st, NULL);
    sqlite3_set_authorizer(d->mirror, NULL, NULL);
    sqlite3_free(sql);
    c->default_constant = rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
    if (!c->default_constant)
        return SC_OK;
    char text[SQL_NUMBER_TEXT_SIZE];
    sql_value_from(sqlite3_column_value(st, 0), &c->default_value);
    sql_affinity_apply(c->affinity, &c->default_value, text);
    if (c->default_value.type == SC_SQL_TEXT || c->default_value.type == SC_SQL_BLOB) {
        c->default_value.bytes = sc_arena_copy(&d->t->arena, c->default_value.bytes);
        if (c->default_value.bytes.ptr == NULL)
            return SC_E_NOMEM;
    }
    return SC_OK;
}

static sc_err strict_type(struct definition *d, struct sql_column *c)
{
    (void)d;
    c->strict = strcasecmp(c->type, "INT") == 0 || strcasecmp(c->type, "INTEGER") == 0 ? SC_SQL_INTEGER
                : strcasecmp(c->type, "REAL") == 0                                     ? SC_SQL_REAL
                : strcasecmp(c->type, "TEXT") == 0                                     ? SC_SQL_TEXT
                : strcasecmp(c->type, "BLOB") == 0                                     ? SC_SQL_BLOB
                                                                                       : SC_SQL_NULL;
    if (strcasecmp(c->type, "ANY") == 0)
        c->affinity = SQL_AFFINITY_BLOB;
    return SC_OK;
}

/* Columns of pragma table_xinfo: cid, name, type, notnull, dflt_value, pk, hidden (2, 3: generated) */
static sc_err read_column(struct definition *d, sqlite3_stmt *st, const struct sql_object *o, bool strict)
{
    struct sql_table *t = d->t;
    struct sql_column *c = &t->columns[t->column_count];
    const char *collation = "BINARY";
    int autoincrement = 0;
    SC_TRY(copy(d, sqlite3_column_text(st, 1), &c->name));
    SC_TRY(copy(d, sqlite3_column_text(st, 2), &c->type));
    if (strlen(c->name) >= SQL_NAME_SIZE_MAX || c->name[0] == '\0')
        return sc_fail(d->diag, SC_E_LIMIT, "a column's name has 1..%zu bytes", SQL_NAME_SIZE_MAX - 1);
    c->affinity = sql_affinity_of(c->type);
    c->not_null = sqlite3_column_int(st, 3) != 0;
    c->pk_index = sqlite3_column_int(st, 5) - 1;
    c->slot = o->slots[t->column_count];
    c->in_row = true;
    if (sqlite3_table_column_metadata(d->mirror, NULL, t->name, c->name, NULL, &collation, NULL, NULL,
                                      &autoincrement) != SQLITE_OK)
        return fail_mirror(d->mirror, d->diag);
    SC_TRY(collation_of(d, collation, &c->collation));
    t->autoincrement = t->autoincrement || autoincrement;
    if (strict)
        SC_TRY(strict_type(d, c));
    if (sqlite3_column_int(st, 6) >= 2)
        t->generated = true;
    else if (sqlite3_column_type(st, 4) != SQLITE_NULL) {
        SC_TRY(copy(d, sqlite3_column_text(st, 4), &c->default_sql));
        SC_TRY(default_value(d, c));
    }
    if (c->pk_index >= SQL_PK_COUNT_MAX)
        return sc_fail(d->diag, SC_E_LIMIT, "a primary key has at most %d columns", SQL_PK_COUNT_MAX);
    t->numeric[c->slot] = c->affinity == SQL_AFFINITY_NUMERIC;
    t->column_count++;
    return SC_OK;
}

static sc_err ask_strict(struct definition *d, bool *out)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    SC_TRY(ask(d->mirror, "SELECT 1 FROM pragma_table_list(?1) WHERE strict AND schema = 'main'", d->t->name, &st,
               d->diag));
    *out = sqlite3_step(st) == SQLITE_ROW;
    return SC_OK;
}

static sc_err read_columns(struct definition *d, const struct sql_object *o)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    bool strict = false;
    int rc;
    d->t->columns = sc_arena_alloc(&d->t->arena, o->column_count * sizeof *d->t->columns);
    if (d->t->columns == NULL)
        return SC_E_NOMEM;
    SC_TRY(ask_strict(d, &strict));
    SC_TRY(ask(d->mirror, "SELECT * FROM pragma_table_xinfo(?1)", d->t->name, &st, d->diag));
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (d->t->column_count == o->column_count)
            return sc_fail(d->diag, SC_E_MALFORMED, "table %s: columns", d->t->name);
        SC_TRY(read_column(d, st, o, strict));
    }
    if (rc != SQLITE_DONE)
        return fail_mirror(d->mirror, d->diag);
    return d->t->column_count == o->column_count ? SC_OK
                                                 : sc_fail(d->diag, SC_E_MALFORMED, "table %s: columns", d->t->name);
}

sc_err sql_define_columns(sqlite3 *mirror, const char *table, sc_err (*each)(void *arg, size_t i, const char *name),
                          void *arg, struct sc_diag *diag)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    size_t n = 0;
    int rc;
    SC_TRY(ask(mirror, "SELECT name FROM pragma_table_xinfo(?1)", table, &st, diag));
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        SC_TRY(each(arg, n++, (const char *)sqlite3_column_text(st, 0)));
    return rc == SQLITE_DONE ? SC_OK : fail_mirror(mirror, diag);
}

/* Whether a key made of such a column tells the value: numbers, unless 1 and 1.0 may both stand there; text, unless
 * folded. */
static bool key_tells(const struct sql_column *c)
{
    return c->affinity != SQL_AFFINITY_BLOB && c->collation == SQL_COLLATION_BINARY;
}

static void read_primary(struct definition *d)
{
    struct sql_table *t = d->t;
    struct sql_index *ix = &t->primary;
    *ix = (struct sql_index){
        .id = t->id, .name = "primary key", .unique = true, .ready = true, .readable = true, .where_not_null = -1};
    for (size_t i = 0; i < t->column_count; i++) {
        struct sql_column *c = &t->columns[i];
        if (c->pk_index < 0)
            continue;
        ix->parts[c->pk_index] = (struct sql_part){
            .column = (int)i, .affinity = c->affinity, .collation = c->collation, .readable = key_tells(c)};
        ix->part_count++;
        c->in_row = !key_tells(c);
    }
    t->hidden = ix->part_count == 0;
    t->autonumber = ix->part_count == 1 && strcasecmp(t->columns[ix->parts[0].column].type, "INTEGER") == 0;
    for (size_t k = 0; k < ix->part_count; k++)
        t->columns[ix->parts[k].column].not_null = !t->autonumber;
    if (t->hidden) {
        ix->part_count = 1;
        ix->parts[0] =
            (struct sql_part){.column = SQL_COLUMN_HIDDEN, .affinity = SQL_AFFINITY_INTEGER, .readable = true};
    }
}

/* ---- what only the text tells ---- */
static sc_err note_check(void *arg, struct sc_slice name, struct sc_slice expr)
{
    struct definition *d = arg;
    struct sql_check *grown = sc_arena_alloc(&d->t->arena, (d->t->check_count + 1u) * sizeof *grown);
    if (grown == NULL)
        return SC_E_NOMEM;
    if (d->t->check_count != 0)
        memcpy(grown, d->t->checks, d->t->check_count * sizeof *grown);
    SC_TRY(copy_slice(d, name, &grown[d->t->check_count].name));
    SC_TRY(copy_slice(d, expr, &grown[d->t->check_count].sql));
    d->t->checks = grown;
    d->t->check_count++;
    return SC_OK;
}

static sc_err note_generated(void *arg, size_t column, struct sc_slice expr)
{
    struct definition *d = arg;
    return column < d->t->column_count ? copy_slice(d, expr, &d->t->columns[column].generated_sql) : SC_E_MALFORMED;
}

static sc_err note_deferred(void *arg, size_t reference, bool deferred)
{
    struct definition *d = arg;
    /* the catalogue lists foreign keys last first */
    if (reference < d->t->fk_count)
        d->t->fks[d->t->fk_count - 1 - reference].deferred = deferred;
    return SC_OK;
}

static enum sql_action action_of(const char *text)
{
    static const char *const names[] = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"};
    for (size_t i = 0; i < 5; i++)
        if (strcasecmp(text, names[i]) == 0)
            return (enum sql_action)i;
    return SQL_NO_ACTION;
}

/* Columns of pragma foreign_key_list: id, seq, table, from, to, on_update, on_delete, match; rows ordered by id, seq */
static sc_err read_fk_row(struct definition *d, sqlite3_stmt *st)
{
    struct sql_table *t = d->t;
    const int id = sqlite3_column_int(st, 0);
    if (id < 0 || id > UINT16_MAX - 1)
        return SC_E_MALFORMED;
    if (id >= t->fk_count) {
        struct sql_fk *grown = sc_arena_alloc(&t->arena, (size_t)(id + 1) * sizeof *grown);
        if (grown == NULL)
            return SC_E_NOMEM;
        if (t->fk_count != 0)
            memcpy(grown, t->fks, t->fk_count * sizeof *grown);
        t->fks = grown;
        t->fk_count = (uint16_t)(id + 1);
    }
    struct sql_fk *fk = &t->fks[id];
    if (fk->column_count == SQL_PK_COUNT_MAX)
        return sc_fail(d->diag, SC_E_LIMIT, "a foreign key has at most %d columns", SQL_PK_COUNT_MAX);
    const int column = sql_table_column(t, (const char *)sqlite3_column_text(st, 3));
    if (column < 0)
        return SC_E_MALFORMED;
    SC_TRY(copy(d, sqlite3_column_text(st, 2), &fk->parent));
    if (sqlite3_column_type(st, 4) != SQLITE_NULL)
        SC_TRY(copy(d, sqlite3_column_text(st, 4), &fk->parent_columns[fk->column_count]));
    fk->on_update = action_of((const char *)sqlite3_column_text(st, 5));
    fk->on_delete = action_of((const char *)sqlite3_column_text(st, 6));
    fk->columns[fk->column_count++] = (uint16_t)column;
    return SC_OK;
}

static sc_err read_fks(struct definition *d)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    int rc;
    SC_TRY(ask(d->mirror, "SELECT * FROM pragma_foreign_key_list(?1) ORDER BY id, seq", d->t->name, &st, d->diag));
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        SC_TRY(read_fk_row(d, st));
    return rc == SQLITE_DONE ? SC_OK : fail_mirror(d->mirror, d->diag);
}

/* ---- indexes ---- */
/* Columns of pragma index_xinfo: seqno, cid (-1 rowid, -2 expression), name, desc, coll, key */
static sc_err read_part(struct definition *d, struct sql_index *ix, sqlite3_stmt *st)
{
    struct sql_table *t = d->t;
    if (ix->part_count == SQL_PK_COUNT_MAX)
        return sc_fail(d->diag, SC_E_LIMIT, "an index has at most %d columns", SQL_PK_COUNT_MAX);
    struct sql_part *p = &ix->parts[ix->part_count++];
    const int cid = sqlite3_column_int(st, 1);
    p->descending = sqlite3_column_int(st, 3) != 0;
    SC_TRY(collation_of(d, (const char *)sqlite3_column_text(st, 4), &p->collation));
    p->column = cid;
    if (cid >= 0) {
        if (cid >= t->column_count)
            return SC_E_MALFORMED;
        p->affinity = t->columns[cid].affinity;
        p->readable = p->affinity != SQL_AFFINITY_BLOB && p->collation == SQL_COLLATION_BINARY;
    } else {
        p->column = cid == -1 ? SQL_COLUMN_HIDDEN : SQL_COLUMN_EXPR;
        p->affinity = cid == -1 ? SQL_AFFINITY_INTEGER : SQL_AFFINITY_BLOB;
        ix->readable = false;
        t->expressions = t->expressions || cid != -1;
    }
    return SC_OK;
}

static sc_err note_index_expr(void *arg, size_t part, struct sc_slice expr)
{
    void **both = arg;
    struct definition *d = both[0];
    struct sql_index *ix = both[1];
    if (part >= ix->part_count)
        return SC_E_MALFORMED;
    return ix->parts[part].column == SQL_COLUMN_EXPR ? copy_slice(d, expr, &ix->parts[part].expr) : SC_OK;
}

static sc_err note_index_where(void *arg, struct sc_slice expr)
{
    void **both = arg;
    struct definition *d = both[0];
    struct sql_index *ix = both[1];
    char name[SQL_NAME_SIZE_MAX];
    SC_TRY(copy_slice(d, expr, &ix->where));
    d->t->expressions = true;
    ix->where_not_null = sql_text_not_null(expr, name) ? sql_table_column(d->t, name) : -1;
    ix->readable = ix->readable && ix->where_not_null >= 0;
    return SC_OK;
}

static sc_err read_index(struct definition *d, const struct sql_object *o, bool unique, struct sql_index *ix)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    void *both[2] = {d, ix};
    int rc;
    *ix = (struct sql_index){.id = o->id, .unique = unique, .ready = o->ready, .readable = true, .where_not_null = -1};
    SC_TRY(copy(d, o->name, &ix->name));
    SC_TRY(ask(d->mirror, "SELECT * FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno", o->name, &st, d->diag));
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        SC_TRY(read_part(d, ix, st));
    if (rc != SQLITE_DONE)
        return fail_mirror(d->mirror, d->diag);
    return sql_text_index(sc_slice_str(o->sql), note_index_expr, note_index_where, both);
}

static bool belongs(const struct sql_object *o, enum sql_object_type type, const struct sql_table *t)
{
    return o->type == type && strcasecmp(o->table_name, t->name) == 0;
}

static sc_err is_unique(struct definition *d, const char *index, bool *out)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    int rc;
    *out = false;
    SC_TRY(ask(d->mirror, "SELECT name, \"unique\" FROM pragma_index_list(?1)", d->t->name, &st, d->diag));
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        if (strcasecmp((const char *)sqlite3_column_text(st, 0), index) == 0)
            *out = sqlite3_column_int(st, 1) != 0;
    return rc == SQLITE_DONE ? SC_OK : fail_mirror(d->mirror, d->diag);
}

static sc_err read_indexes(struct definition *d, struct sql_object *const *objects, size_t object_count)
{
    struct sql_table *t = d->t;
    size_t count = 0;
    for (size_t i = 0; i < object_count; i++)
        count += belongs(objects[i], SQL_OBJECT_INDEX, t);
    if (count > 64)
        return sc_fail(d->diag, SC_E_LIMIT, "a table has at most 64 indexes");
    t->indexes = sc_arena_alloc(&t->arena, (count + 1) * sizeof *t->indexes);
    if (t->indexes == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < object_count; i++) {
        bool unique = false;
        if (!belongs(objects[i], SQL_OBJECT_INDEX, t))
            continue;
        SC_TRY(is_unique(d, objects[i]->name, &unique));
        SC_TRY(read_index(d, objects[i], unique, &t->indexes[t->index_count]));
        t->index_count++;
    }
    return SC_OK;
}

static sc_err read_triggers(struct definition *d, struct sql_object *const *objects, size_t object_count)
{
    struct sql_table *t = d->t;
    size_t count = 0;
    for (size_t i = 0; i < object_count; i++)
        count += belongs(objects[i], SQL_OBJECT_TRIGGER, t);
    if (count == 0)
        return SC_OK;
    t->triggers = sc_arena_alloc(&t->arena, count * sizeof *t->triggers);
    if (t->triggers == NULL)
        return SC_E_NOMEM;
    for (size_t i = object_count; i-- > 0;) { /* SQLite fires the newest first */
        if (!belongs(objects[i], SQL_OBJECT_TRIGGER, t))
            continue;
        SC_TRY(sql_text_trigger(t, sc_slice_str(objects[i]->sql), &t->triggers[t->trigger_count], d->diag));
        t->trigger_count++;
    }
    return SC_OK;
}

static sc_err define(struct definition *d, const struct sql_object *o, struct sql_object *const *objects,
                     size_t object_count)
{
    struct sql_table *t = d->t;
    const struct sql_text_notes notes = {note_check, note_generated, note_deferred, d};
    t->id = o->id;
    t->slot_count = o->slot_count;
    t->rows_estimate = -1;
    SC_TRY(copy(d, o->name, &t->name));
    SC_TRY(copy(d, o->sql, &t->sql));
    SC_TRY(read_columns(d, o));
    read_primary(d);
    SC_TRY(read_fks(d));
    SC_TRY(sql_text_table(sc_slice_str(o->sql), &notes, d->diag));
    SC_TRY(read_indexes(d, objects, object_count));
    SC_TRY(read_triggers(d, objects, object_count));
    t->expressions = t->expressions || t->generated || t->check_count != 0;
    t->plain = !t->expressions && t->fk_count == 0 && t->trigger_count == 0;
    return SC_OK;
}

sc_err sql_define_table(sqlite3 *mirror, const struct sql_object *o, struct sql_object *const *objects,
                        size_t object_count, struct sql_table **out, struct sc_diag *diag)
{
    SC_CLEANUP(sql_table_unrefp) struct sql_table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return SC_E_NOMEM;
    t->refs = 1;
    sc_arena_init(&t->arena, (size_t)64 << 20);
    if (strlen(o->name) >= SQL_NAME_SIZE_MAX)
        return sc_fail(diag, SC_E_LIMIT, "a table's name has 1..%zu bytes", SQL_NAME_SIZE_MAX - 1);
    struct definition d = {mirror, t, diag};
    const sc_err err = define(&d, o, objects, object_count);
    if (err != SC_OK)
        return sc_fail(diag, err, "table %s: definition", o->name);
    *out = SC_TAKE(t);
    return SC_OK;
}
