#include "sql/eval.h"

#include <stdio.h>

struct sql_program {
    struct sql_table *t;
    sqlite3_stmt *checks;
    sqlite3_stmt **generated; /* by column */
    sqlite3_stmt **defaults;
    sqlite3_stmt **indexes; /* by index: WHERE (or 1), then expressions */
    struct sc_sql_stmt ***triggers;
    struct sc_sql_stmt **fks;             /* SQL_FK_STATEMENT_COUNT for each */
    uint16_t order[SQL_COLUMN_COUNT_MAX]; /* generated columns, each behind those it needs */
    size_t order_count;
    bool ordered;
};

/* ---- the row table ---- */
#define WHICH_RETURNED 2
struct row_cursor {
    sqlite3_vtab_cursor base;
    int which;
    bool valid;
    size_t index; /* of returned rows */
    const struct sql_dml *dml;
};

static int row_connect(sqlite3 *sqlite, void *arg, int argc, const char *const *argv, sqlite3_vtab **out, char **error)
{
    (void)error;
    struct sc_sql_session *s = arg;
    struct sql_table *t = argc == 4 ? sql_schema_find_id(s, (uint32_t)strtoul(argv[3], NULL, 10)) : NULL;
    if (t == NULL)
        return SQLITE_ERROR;
    char *sql = sql_declaration(t, ", \"cascadb which\" INTEGER HIDDEN");
    const int rc = sql != NULL ? sqlite3_declare_vtab(sqlite, sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return rc;
    struct sql_vtab *v = sqlite3_malloc(sizeof *v);
    if (v == NULL)
        return SQLITE_NOMEM;
    *v = (struct sql_vtab){.session = s, .table = sql_table_ref(t)};
    *out = &v->base;
    return SQLITE_OK;
}

static int row_disconnect(sqlite3_vtab *base)
{
    struct sql_vtab *v = (struct sql_vtab *)base;
    sql_table_unref(v->table);
    sqlite3_free(v);
    return SQLITE_OK;
}

static int row_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct sql_vtab *v = (const struct sql_vtab *)base;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        if (c->iColumn != v->table->column_count || c->op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!c->usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = 1;
        info->aConstraintUsage[i].omit = 1;
        info->estimatedCost = 1;
        info->estimatedRows = 1;
        return SQLITE_OK;
    }
    return SQLITE_CONSTRAINT; /* without its argument it shows nothing */
}

static int row_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    (void)base;
    struct row_cursor *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SQLITE_NOMEM;
    *out = &c->base;
    return SQLITE_OK;
}

static int row_close(sqlite3_vtab_cursor *base)
{
    free(base);
    return SQLITE_OK;
}

static int row_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
    (void)number;
    (void)text;
    struct row_cursor *c = (struct row_cursor *)base;
    const struct sc_sql_session *s = ((struct sql_vtab *)base->pVtab)->session;
    c->which = argc == 1 ? sqlite3_value_int(argv[0]) : -1;
    c->index = 0;
    c->dml = s->answering;
    c->valid = c->which == WHICH_RETURNED ? c->dml != NULL && c->dml->row_count != 0
                                          : c->which >= 0 && c->which < 2 && s->eval_rows[c->which] != NULL;
    return SQLITE_OK;
}

static int row_next(sqlite3_vtab_cursor *base)
{
    struct row_cursor *c = (struct row_cursor *)base;
    c->valid = c->which == WHICH_RETURNED && ++c->index < c->dml->row_count;
    return SQLITE_OK;
}

static int row_eof(sqlite3_vtab_cursor *base)
{
    return !((struct row_cursor *)base)->valid;
}

static int row_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i)
{
    const struct row_cursor *c = (const struct row_cursor *)base;
    const struct sql_vtab *v = (const struct sql_vtab *)base->pVtab;
    if (i >= v->table->column_count)
        sqlite3_result_int(ctx, c->which);
    else
        sql_value_result(ctx, c->which == WHICH_RETURNED ? &c->dml->row_values[c->index][i]
                                                         : &v->session->eval_rows[c->which][i]);
    return SQLITE_OK;
}

static int row_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    const struct row_cursor *c = (const struct row_cursor *)base;
    *out = (sqlite3_int64)c->index;
    return SQLITE_OK;
}

static const sqlite3_module row_module = {
    .xCreate = row_connect,
    .xConnect = row_connect,
    .xBestIndex = row_best_index,
    .xDisconnect = row_disconnect,
    .xDestroy = row_disconnect,
    .xOpen = row_open,
    .xClose = row_close,
    .xFilter = row_filter,
    .xNext = row_next,
    .xEof = row_eof,
    .xColumn = row_column,
    .xRowid = row_rowid,
};

sc_err sql_eval_register(struct sc_sql_session *s)
{
    return sqlite3_create_module(s->sqlite, "cascadb_row", &row_module, s) == SQLITE_OK ? SC_OK : sql_no_memory(s);
}

sc_err sql_eval_declare(struct sc_sql_session *s, const struct sql_table *t)
{
    char name[64];
    snprintf(name, sizeof name, "cascadb_row_%u", (unsigned)t->id);
    if (sqlite3_table_column_metadata(s->sqlite, "main", name, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK)
        return SC_OK;
    return sql_run_internal(
        s, sqlite3_mprintf("CREATE VIRTUAL TABLE main.%s USING cascadb_row(%u)", name, (unsigned)t->id));
}

/* ---- programs ---- */
static void finalize_all(sqlite3_stmt **stmts, size_t count)
{
    for (size_t i = 0; stmts != NULL && i < count; i++)
        sqlite3_finalize(stmts[i]);
    free(stmts);
}

static void program_free(struct sql_program *p)
{
    for (size_t i = 0; p->triggers != NULL && i < p->t->trigger_count; i++) {
        for (size_t k = 0; p->triggers[i] != NULL && k <= p->t->triggers[i].step_count; k++)
            sc_sql_stmt_free(p->triggers[i][k]);
        free(p->triggers[i]);
    }
    free(p->triggers);
    for (size_t i = 0; p->fks != NULL && i < (size_t)p->t->fk_count * SQL_FK_STATEMENT_COUNT; i++)
        sc_sql_stmt_free(p->fks[i]);
    free(p->fks);
    sqlite3_finalize(p->checks);
    finalize_all(p->generated, p->t->column_count);
    finalize_all(p->defaults, p->t->column_count);
    finalize_all(p->indexes, p->t->index_count);
    sql_table_unref(p->t);
    free(p);
}

static sc_err program_of(struct sc_sql_session *s, struct sql_table *t, struct sql_program **out)
{
    for (size_t i = s->program_count; i-- > 0;)
        if (s->programs[i]->t == t) {
            *out = s->programs[i];
            return SC_OK;
        }
    struct sql_program **grown = realloc(s->programs, (s->program_count + 1) * sizeof *grown);
    if (grown == NULL)
        return sql_no_memory(s);
    s->programs = grown;
    struct sql_program *p = calloc(1, sizeof *p);
    if (p == NULL)
        return sql_no_memory(s);
    p->t = sql_table_ref(t);
    p->generated = calloc(t->column_count + 1u, sizeof(sqlite3_stmt *));
    p->defaults = calloc(t->column_count + 1u, sizeof(sqlite3_stmt *));
    p->indexes = calloc(t->index_count + 1u, sizeof(sqlite3_stmt *));
    p->triggers = calloc(t->trigger_count + 1u, sizeof(struct sc_sql_stmt **));
    if (p->generated == NULL || p->defaults == NULL || p->indexes == NULL || p->triggers == NULL) {
        program_free(p);
        return sql_no_memory(s);
    }
    s->programs[s->program_count++] = p;
    *out = p;
    return SC_OK;
}

void sql_eval_forget(struct sc_sql_session *s, const struct sql_table *t)
{
    for (size_t i = 0; i < s->program_count; i++)
        if (s->programs[i]->t == t) {
            program_free(s->programs[i]);
            s->programs[i] = s->programs[--s->program_count];
            break;
        }
    char *sql = sqlite3_mprintf("DROP TABLE IF EXISTS main.cascadb_row_%u", (unsigned)t->id);
    if (sql_run_internal(s, sql) != SC_OK)
        s->failed =
            false; /* a statement somewhere still has it open: its columns are looked at again when it is declared */
}

void sql_eval_forget_all(struct sc_sql_session *s)
{
    while (s->program_count > 0)
        program_free(s->programs[--s->program_count]);
    free(SC_TAKE(s->programs));
}

/* ---- evaluating ---- */
static sc_err prepare(struct sc_sql_session *s, const struct sql_table *t, struct sc_buf *sql, sqlite3_stmt **out)
{
    sc_buf_put_fmt(sql, " FROM main.cascadb_row_%u(0) AS ", (unsigned)t->id);
    char *alias = sqlite3_mprintf("\"%w\"", t->name);
    sc_buf_put_str(sql, alias != NULL ? alias : "");
    sqlite3_free(alias);
    if (sc_buf_status(sql) != SC_OK || alias == NULL)
        return sql_no_memory(s);
    SC_TRY(sql_eval_declare(s, t));
    const int rc =
        sqlite3_prepare_v3(s->sqlite, (const char *)sql->ptr, (int)sql->size, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return rc == SQLITE_OK ? SC_OK : sql_fail_sqlite(s, rc);
}

/* Runs st over values; SC_OK with a row.  The caller reads its columns, then resets. */
static sc_err step(struct sc_sql_session *s, sqlite3_stmt *st, const struct sc_sql_value *values)
{
    const struct sc_sql_value *was = s->eval_rows[0];
    s->eval_rows[0] = values;
    const int rc = sqlite3_step(st);
    s->eval_rows[0] = was;
    if (rc == SQLITE_ROW)
        return SC_OK;
    const sc_err err = rc == SQLITE_DONE ? sql_fail(s, "XX000", "an expression gave no value") : sql_fail_sqlite(s, rc);
    sqlite3_reset(st);
    return err;
}

static sc_err take(struct sc_sql_session *s, sqlite3_stmt *st, int i, struct sc_arena *arena, struct sc_sql_value *out)
{
    sql_value_from(sqlite3_column_value(st, i), out);
    if ((out->type == SC_SQL_TEXT || out->type == SC_SQL_BLOB) && out->bytes.size != 0) {
        out->bytes = sc_arena_copy(arena, out->bytes);
        if (out->bytes.ptr == NULL)
            return sql_no_memory(s);
    } else if (out->type == SC_SQL_TEXT || out->type == SC_SQL_BLOB) {
        out->bytes = SC_SLICE_EMPTY;
    }
    return SC_OK;
}

sc_err sql_eval_checks(struct sc_sql_session *s, struct sql_table *t, const struct sc_sql_value *values)
{
    struct sql_program *p = NULL;
    if (t->check_count == 0)
        return SC_OK;
    SC_TRY(program_of(s, t, &p));
    if (p->checks == NULL) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
        for (size_t i = 0; i < t->check_count; i++)
            sc_buf_put_fmt(&sql, "%s(%s)", i == 0 ? "SELECT " : ", ", t->checks[i].sql);
        SC_TRY(prepare(s, t, &sql, &p->checks));
    }
    SC_TRY(step(s, p->checks, values));
    sc_err err = SC_OK;
    for (int i = 0; i < t->check_count && err == SC_OK; i++)
        if (sqlite3_column_type(p->checks, i) != SQLITE_NULL && sqlite3_column_double(p->checks, i) == 0)
            err = sql_fail(s, "23514", "CHECK constraint failed: %s: %s", t->name,
                           t->checks[i].name[0] != '\0' ? t->checks[i].name : t->checks[i].sql);
    sqlite3_reset(p->checks);
    return err;
}

/* Which columns a generated column reads: SQLite tells its authorizer while preparing. */
struct reads {
    bool columns[SQL_COLUMN_COUNT_MAX];
    const struct sql_table *t;
};

static int note_read(void *arg, int action, const char *a, const char *b, const char *c, const char *d)
{
    (void)a, (void)c, (void)d;
    struct reads *r = arg;
    const int column = action == SQLITE_READ && b != NULL ? sql_table_column(r->t, b) : -1;
    if (column >= 0)
        r->columns[column] = true;
    return SQLITE_OK;
}

static sc_err prepare_generated(struct sc_sql_session *s, struct sql_program *p, size_t column, bool *needs)
{
    struct reads r = {.t = p->t};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    sc_buf_put_fmt(&sql, "SELECT (%s)", p->t->columns[column].generated_sql);
    SC_TRY(sql_eval_declare(s, p->t));
    sqlite3_set_authorizer(s->sqlite, note_read, &r);
    const sc_err err = prepare(s, p->t, &sql, &p->generated[column]);
    sql_session_authorizer(s);
    memcpy(needs, r.columns, sizeof r.columns);
    return err;
}

static sc_err order_generated(struct sc_sql_session *s, struct sql_program *p)
{
    const struct sql_table *t = p->t;
    SC_CLEANUP(sc_freep) bool(*needs)[SQL_COLUMN_COUNT_MAX] = calloc(t->column_count, sizeof *needs);
    bool done[SQL_COLUMN_COUNT_MAX];
    if (needs == NULL)
        return sql_no_memory(s);
    for (size_t i = 0; i < t->column_count; i++) {
        done[i] = t->columns[i].generated_sql == NULL;
        if (!done[i] && p->generated[i] == NULL)
            SC_TRY(prepare_generated(s, p, i, needs[i]));
    }
    p->order_count = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < t->column_count; i++) {
            bool ready = !done[i];
            for (size_t k = 0; ready && k < t->column_count; k++)
                ready = !needs[i][k] || done[k];
            if (!ready)
                continue;
            p->order[p->order_count++] = (uint16_t)i;
            done[i] = moved = true;
        }
    }
    for (size_t i = 0; i < t->column_count; i++)
        if (!done[i])
            return sql_fail(s, "42P17", "generated column loop on \"%s\"", t->columns[i].name);
    p->ordered = true;
    return SC_OK;
}

sc_err sql_eval_generated(struct sc_sql_session *s, struct sql_table *t, struct sc_sql_value *values,
                          struct sc_arena *arena)
{
    struct sql_program *p = NULL;
    if (!t->generated)
        return SC_OK;
    SC_TRY(program_of(s, t, &p));
    if (!p->ordered)
        SC_TRY(order_generated(s, p));
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].generated_sql != NULL)
            values[i] = sc_sql_null();
    for (size_t i = 0; i < p->order_count; i++) {
        sqlite3_stmt *st = p->generated[p->order[i]];
        struct sc_sql_value *v = &values[p->order[i]];
        char text[SQL_NUMBER_TEXT_SIZE];
        SC_TRY(step(s, st, values));
        sc_err err = take(s, st, 0, arena, v);
        sqlite3_reset(st);
        SC_TRY(err);
        sql_affinity_apply(t->columns[p->order[i]].affinity, v, text);
        if (v->type == SC_SQL_TEXT && v->bytes.ptr == (const uint8_t *)text)
            v->bytes = sc_arena_copy(arena, v->bytes);
        if ((v->type == SC_SQL_TEXT || v->type == SC_SQL_BLOB) && v->bytes.ptr == NULL)
            return sql_no_memory(s);
    }
    return SC_OK;
}

sc_err sql_eval_default(struct sc_sql_session *s, struct sql_table *t, size_t column, struct sc_arena *arena,
                        struct sc_sql_value *out)
{
    struct sql_program *p = NULL;
    SC_TRY(program_of(s, t, &p));
    if (p->defaults[column] == NULL) {
        char *sql = sqlite3_mprintf("SELECT (%s)", t->columns[column].default_sql);
        if (sql == NULL)
            return sql_no_memory(s);
        const int rc = sqlite3_prepare_v3(s->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &p->defaults[column], NULL);
        sqlite3_free(sql);
        if (rc != SQLITE_OK)
            return sql_fail_sqlite(s, rc);
    }
    SC_TRY(step(s, p->defaults[column], NULL));
    const sc_err err = take(s, p->defaults[column], 0, arena, out);
    sqlite3_reset(p->defaults[column]);
    return err;
}

static sc_err prepare_index(struct sc_sql_session *s, struct sql_program *p, size_t index)
{
    const struct sql_index *ix = &p->t->indexes[index];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    sc_buf_put_fmt(&sql, "SELECT (%s)", ix->where != NULL ? ix->where : "1");
    for (size_t k = 0; k < ix->part_count; k++)
        if (ix->parts[k].column == SQL_COLUMN_EXPR)
            sc_buf_put_fmt(&sql, ", (%s)", ix->parts[k].expr);
    return prepare(s, p->t, &sql, &p->indexes[index]);
}

sc_err sql_eval_index(struct sc_sql_session *s, struct sql_table *t, size_t index, const struct sc_sql_value *values,
                      struct sc_arena *arena, struct sc_sql_value *out, bool *in_out)
{
    struct sql_program *p = NULL;
    SC_TRY(program_of(s, t, &p));
    if (p->indexes[index] == NULL)
        SC_TRY(prepare_index(s, p, index));
    sqlite3_stmt *st = p->indexes[index];
    SC_TRY(step(s, st, values));
    *in_out = sqlite3_column_type(st, 0) != SQLITE_NULL && sqlite3_column_double(st, 0) != 0;
    sc_err err = SC_OK;
    int at = 1;
    for (size_t k = 0; k < t->indexes[index].part_count && *in_out && err == SC_OK; k++)
        if (t->indexes[index].parts[k].column == SQL_COLUMN_EXPR)
            err = take(s, st, at++, arena, &out[k]);
    sqlite3_reset(st);
    return err;
}

sc_err sql_eval_trigger(struct sc_sql_session *s, struct sql_table *t, size_t trigger, struct sc_sql_stmt ***out)
{
    struct sql_program *p = NULL;
    SC_TRY(program_of(s, t, &p));
    if (p->triggers[trigger] == NULL)
        p->triggers[trigger] = calloc(t->triggers[trigger].step_count + 1, sizeof(struct sc_sql_stmt *));
    if (p->triggers[trigger] == NULL)
        return sql_no_memory(s);
    *out = p->triggers[trigger];
    return SC_OK;
}

sc_err sql_eval_fk(struct sc_sql_session *s, struct sql_table *t, size_t fk, struct sc_sql_stmt ***out)
{
    struct sql_program *p = NULL;
    SC_TRY(program_of(s, t, &p));
    if (p->fks == NULL)
        p->fks = calloc((size_t)t->fk_count * SQL_FK_STATEMENT_COUNT, sizeof(struct sc_sql_stmt *));
    if (p->fks == NULL)
        return sql_no_memory(s);
    *out = p->fks + fk * SQL_FK_STATEMENT_COUNT;
    return SC_OK;
}
