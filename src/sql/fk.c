/* Foreign keys.  A child written without its parent, or a parent gone with NO ACTION, is noted and judged at the end of
 * the statement (deferred: of the transaction): does the parent exist by then?  If not, does a child still have the
 * key? The questions and actions are statements of our own, so that they use whatever index there is.
 *
 * A transaction that relies on a foreign key tracks its reads: the parent it saw, or the children it did not see,
 * cannot change before it commits. */
#include "sql/eval.h"

#include <strings.h>

bool sql_fk_is_parent(const struct sc_sql_session *s, const struct sql_table *t)
{
    for (size_t i = 0; i < s->table_count; i++)
        for (size_t k = 0; k < s->tables[i]->fk_count; k++)
            if (strcasecmp(s->tables[i]->fks[k].parent, t->name) == 0)
                return true;
    return false;
}

/* The parent's column that column number i of fk refers to; NULL: there is none. */
static const struct sql_column *parent_column(const struct sql_table *parent, const struct sql_fk *fk, size_t i)
{
    if (fk->parent_columns[0] == NULL)
        return !parent->hidden && fk->column_count == parent->primary.part_count
                   ? &parent->columns[parent->primary.parts[i].column]
                   : NULL;
    const int c = sql_table_column(parent, fk->parent_columns[i]);
    return c >= 0 ? &parent->columns[c] : NULL;
}

static bool covers(const struct sql_table *parent, const struct sql_fk *fk, const struct sql_index *ix)
{
    if (!ix->unique || !ix->ready || ix->where != NULL || ix->part_count != fk->column_count)
        return false;
    for (size_t k = 0; k < ix->part_count; k++) {
        bool named = false;
        for (size_t i = 0; i < fk->column_count && !named; i++)
            named = ix->parts[k].column >= 0 && parent_column(parent, fk, i) == &parent->columns[ix->parts[k].column];
        if (!named)
            return false;
    }
    return true;
}

static sc_err find_parent(struct sc_sql_session *s, const struct sql_table *child, const struct sql_fk *fk,
                          struct sql_table **out)
{
    struct sql_table *parent = sql_schema_find(s, fk->parent);
    if (parent == NULL)
        return sql_fail(s, "42P01", "no such table: %s (referenced by \"%s\")", fk->parent, child->name);
    bool found = covers(parent, fk, &parent->primary);
    for (size_t i = 0; i < parent->index_count && !found; i++)
        found = covers(parent, fk, &parent->indexes[i]);
    if (!found)
        return sql_fail(s, "42830", "foreign key mismatch - \"%s\" referencing \"%s\"", child->name, fk->parent);
    *out = parent;
    return SC_OK;
}

/* ---- statements ---- */
static void put_name(struct sc_buf *sql, const char *before, const char *name)
{
    char *quoted = sqlite3_mprintf("%s\"%w\"", before, name);
    sc_buf_put_str(sql, quoted != NULL ? quoted : "");
    sqlite3_free(quoted);
}

static void put_where(struct sc_buf *sql, const struct sql_table *child, const struct sql_fk *fk,
                      const struct sql_table *parent)
{
    for (size_t i = 0; i < fk->column_count; i++) {
        put_name(sql, i == 0 ? " WHERE " : " AND ",
                 parent != NULL ? parent_column(parent, fk, i)->name : child->columns[fk->columns[i]].name);
        sc_buf_put_fmt(sql, " = ?%zu", i + 1);
    }
}

/* SET child columns: to the parent's new values (?n+1 ...), to NULL or to their defaults. */
static void put_set(struct sc_buf *sql, const struct sql_table *child, const struct sql_fk *fk, enum sql_action action)
{
    for (size_t i = 0; i < fk->column_count; i++) {
        const struct sql_column *c = &child->columns[fk->columns[i]];
        put_name(sql, i == 0 ? " SET " : ", ", c->name);
        if (action == SQL_CASCADE)
            sc_buf_put_fmt(sql, " = ?%zu", fk->column_count + i + 1u);
        else if (action == SQL_SET_DEFAULT && c->default_sql != NULL)
            sc_buf_put_fmt(sql, " = (%s)", c->default_sql);
        else
            sc_buf_put_str(sql, " = NULL");
    }
}

static sc_err statement(struct sc_sql_session *s, struct sql_table *child, size_t f, enum sql_fk_statement which,
                        enum sql_action action, struct sc_sql_stmt **out)
{
    const struct sql_fk *fk = &child->fks[f];
    struct sc_sql_stmt **all = NULL;
    struct sql_table *parent = NULL;
    SC_TRY(sql_eval_fk(s, child, f, &all));
    if (all[which] != NULL) {
        *out = all[which];
        return SC_OK;
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    switch (which) {
    case SQL_FK_PARENT:
        SC_TRY(find_parent(s, child, fk, &parent));
        put_name(&sql, "SELECT 1 FROM main.", parent->name);
        put_where(&sql, child, fk, parent);
        break;
    case SQL_FK_CHILD:
        put_name(&sql, "SELECT 1 FROM main.", child->name);
        put_where(&sql, child, fk, NULL);
        break;
    case SQL_FK_DELETE:
        if (action == SQL_CASCADE) {
            put_name(&sql, "DELETE FROM main.", child->name);
        } else {
            put_name(&sql, "UPDATE main.", child->name);
            put_set(&sql, child, fk, action);
        }
        put_where(&sql, child, fk, NULL);
        break;
    default:
        put_name(&sql, "UPDATE main.", child->name);
        put_set(&sql, child, fk, action);
        put_where(&sql, child, fk, NULL);
    }
    if (sc_buf_status(&sql) != SC_OK)
        return sql_no_memory(s);
    SC_TRY(sql_nested_prepare(s, sc_buf_slice(&sql), &all[which]));
    *out = all[which];
    return SC_OK;
}

static sc_err run(struct sc_sql_session *s, struct sc_sql_stmt *st, const struct sc_sql_value *values,
                  const struct sc_sql_value *more, size_t count, bool *row_out)
{
    for (size_t i = 0; i < count; i++) {
        SC_TRY(sc_sql_bind(st, i + 1, &values[i]));
        if (more != NULL && i + count < sc_sql_param_count(st))
            SC_TRY(sc_sql_bind(st, count + i + 1, &more[i]));
    }
    const bool ignored = s->ignore_row;
    bool row = false;
    sc_err err = sql_nested_step(st, &row);
    *row_out = row;
    const sc_err reset = sql_nested_reset(st);
    s->ignore_row = ignored;
    return err != SC_OK ? err : reset;
}

static sc_err exists(struct sc_sql_session *s, struct sql_table *child, size_t f, enum sql_fk_statement which,
                     const struct sc_sql_value *values, bool *out)
{
    struct sc_sql_stmt *st = NULL;
    SC_TRY(statement(s, child, f, which, SQL_NO_ACTION, &st));
    return run(s, st, values, NULL, child->fks[f].column_count, out);
}

static sc_err fail_violation(struct sc_sql_session *s, const struct sql_table *child, const struct sql_fk *fk)
{
    return sql_fail(s, "23503", "FOREIGN KEY constraint failed: \"%s\" references \"%s\"", child->name, fk->parent);
}

/* ---- checks to be made later ---- */
static sc_err note(struct sc_sql_session *s, struct sql_table *child, size_t f, const struct sc_sql_value *values)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    for (size_t i = 0; i < child->fks[f].column_count; i++)
        sql_tuple_put(&key, &values[i]);
    if (sc_buf_status(&key) != SC_OK)
        return sql_no_memory(s);
    SC_TRY(sql_tx_wrote(s, child, key.size, 0)); /* it takes memory until the end: under the same limit */
    struct sql_fk_check *grown = realloc(s->fk_checks, (s->fk_check_count + 1) * sizeof *grown);
    if (grown == NULL)
        return sql_no_memory(s);
    s->fk_checks = grown;
    s->fk_checks[s->fk_check_count++] =
        (struct sql_fk_check){.child = sql_table_ref(child), .fk = (uint16_t)f, .key = {key.ptr, key.size}};
    key = (struct sc_buf){0};
    return SC_OK;
}

static void check_free(struct sql_fk_check *c)
{
    sql_table_unref(c->child);
    free((void *)(uintptr_t)c->key.ptr);
}

void sql_fk_forget(struct sc_sql_session *s, size_t from)
{
    while (s->fk_check_count > from)
        check_free(&s->fk_checks[--s->fk_check_count]);
    if (from == 0)
        free(SC_TAKE(s->fk_checks));
    if (s->fk_statement > s->fk_check_count)
        s->fk_statement = s->fk_check_count;
}

static sc_err judge(struct sc_sql_session *s, struct sql_fk_check *c)
{
    struct sc_sql_value values[SQL_PK_COUNT_MAX] = {{0}};
    struct sc_buf scratch[SQL_PK_COUNT_MAX] = {{0}};
    struct sc_reader r = sc_reader_of(c->key);
    const size_t count = c->child->fks[c->fk].column_count;
    bool there = false;
    sc_err err = SC_OK;
    for (size_t i = 0; i < count && err == SC_OK; i++)
        err = sql_tuple_get(&r, &scratch[i], &values[i]);
    if (err == SC_OK)
        err = exists(s, c->child, c->fk, SQL_FK_PARENT, values, &there);
    if (err == SC_OK && !there) {
        err = exists(s, c->child, c->fk, SQL_FK_CHILD, values, &there);
        if (err == SC_OK && there)
            err = fail_violation(s, c->child, &c->child->fks[c->fk]);
    }
    for (size_t i = 0; i < count; i++)
        sc_buf_deinit(&scratch[i]);
    return err;
}

sc_err sql_fk_judge(struct sc_sql_session *s, bool commit)
{
    size_t kept = commit ? 0 : s->fk_statement;
    sc_err err = SC_OK;
    if (s->fk_check_count == kept)
        return SC_OK;
    s->active++; /* the statements below are part of this one */
    for (size_t i = kept; i < s->fk_check_count; i++) {
        struct sql_fk_check *c = &s->fk_checks[i];
        if (err == SC_OK && !commit && c->child->fks[c->fk].deferred) {
            s->fk_checks[kept++] = *c;
            continue;
        }
        if (err == SC_OK)
            err = judge(s, c);
        check_free(c);
    }
    s->active--;
    s->fk_check_count = kept;
    return err;
}

/* ---- rows ---- */
static bool gather(const struct sql_fk *fk, const struct sc_sql_value *from, struct sc_sql_value *out)
{
    for (size_t i = 0; i < fk->column_count; i++) {
        out[i] = from[fk->columns[i]];
        if (out[i].type == SC_SQL_NULL)
            return false;
    }
    return true;
}

sc_err sql_fk_inserted(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *values)
{
    for (size_t f = 0; f < t->fk_count; f++) {
        struct sc_sql_value key[SQL_PK_COUNT_MAX];
        bool there = false;
        if (!gather(&t->fks[f], values, key))
            continue;
        sql_tx_track(s);
        SC_TRY(exists(s, t, f, SQL_FK_PARENT, key, &there));
        if (!there)
            SC_TRY(note(s, t, f, key));
    }
    return SC_OK;
}

static bool same(const struct sc_sql_value *a, const struct sc_sql_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case SC_SQL_INTEGER:
        return a->integer == b->integer;
    case SC_SQL_REAL:
        return a->real == b->real;
    case SC_SQL_TEXT:
    case SC_SQL_BLOB:
        return sc_slice_eq(a->bytes, b->bytes);
    default:
        return true;
    }
}

static sc_err parent_changed(struct sc_sql_session *s, struct sql_table *parent, struct sql_table *child, size_t f,
                             const struct sc_sql_value *old_values, const struct sc_sql_value *new_values)
{
    const struct sql_fk *fk = &child->fks[f];
    const enum sql_action action = new_values != NULL ? fk->on_update : fk->on_delete;
    struct sc_sql_value was[SQL_PK_COUNT_MAX];
    struct sc_sql_value now[SQL_PK_COUNT_MAX];
    struct sql_table *checked = NULL;
    struct sc_sql_stmt *st = NULL;
    bool moved = new_values == NULL;
    bool row = false;
    SC_TRY(find_parent(s, child, fk, &checked));
    for (size_t i = 0; i < fk->column_count; i++) {
        const size_t c = (size_t)(parent_column(parent, fk, i) - parent->columns);
        was[i] = old_values[c];
        now[i] = new_values != NULL ? new_values[c] : sc_sql_null();
        if (was[i].type == SC_SQL_NULL)
            return SC_OK;
        moved = moved || !same(&was[i], &now[i]);
    }
    if (!moved)
        return SC_OK;
    sql_tx_track(s);
    if (action == SQL_NO_ACTION)
        return note(s, child, f, was);
    if (action == SQL_RESTRICT) {
        SC_TRY(exists(s, child, f, SQL_FK_CHILD, was, &row));
        return row ? fail_violation(s, child, fk) : SC_OK;
    }
    if (s->trigger_depth >= 32)
        return sql_fail(s, "54001", "too many levels of foreign key actions and triggers");
    SC_TRY(statement(s, child, f, new_values != NULL ? SQL_FK_UPDATE : SQL_FK_DELETE, action, &st));
    if (st->executing) { /* a self-referencing table cascades into itself: a statement for each level */
        struct sc_sql_stmt *fresh = NULL;
        SC_TRY(sql_nested_prepare(s, sc_slice_of(st->text, st->text_size), &fresh));
        s->trigger_depth++;
        const sc_err err = run(s, fresh, was, now, fk->column_count, &row);
        s->trigger_depth--;
        sc_sql_stmt_free(fresh);
        return err;
    }
    s->trigger_depth++;
    const sc_err err = run(s, st, was, now, fk->column_count, &row);
    s->trigger_depth--;
    return err;
}

sc_err sql_fk_changed(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *old_values,
                      const struct sc_sql_value *new_values)
{
    for (size_t i = 0; i < s->table_count; i++)
        for (size_t f = 0; f < s->tables[i]->fk_count; f++)
            if (strcasecmp(s->tables[i]->fks[f].parent, t->name) == 0)
                SC_TRY(parent_changed(s, t, s->tables[i], f, old_values, new_values));
    return SC_OK;
}
