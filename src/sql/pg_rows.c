/* The virtual tables of PostgreSQL's catalogue: one module for all, rows made by the table's own function. */
#include "sql/pg_internal.h"

#define CELL_COUNT_MAX ((size_t)1 << 22)

struct catalog_vtab {
    sqlite3_vtab base;
    const struct sc_sql_session *session;
    const struct pg_table *table;
    int column_count;
};
struct catalog_cursor {
    sqlite3_vtab_cursor base;
    struct pg_rows rows;
    bool filled;
    size_t row;
};
struct module_arg {
    const struct sc_sql_session *session;
    const struct pg_table *table;
};

/* ---- cells ---- */
static struct pg_cell *cell_new(struct pg_rows *r)
{
    static struct pg_cell dropped;
    if (r->count == r->capacity && !r->failed) {
        const size_t capacity = r->capacity != 0 ? 2 * r->capacity : 64;
        struct pg_cell *cells =
            capacity <= CELL_COUNT_MAX ? sqlite3_realloc64(r->cells, capacity * sizeof *cells) : NULL;
        if (cells == NULL) {
            r->failed = true;
        } else {
            r->cells = cells;
            r->capacity = capacity;
        }
    }
    if (r->failed)
        return &dropped;
    r->cells[r->count] = (struct pg_cell){.kind = PG_NULL};
    return &r->cells[r->count++];
}

void pg_put_null(struct pg_rows *r)
{
    cell_new(r);
}

void pg_put_int(struct pg_rows *r, int64_t v)
{
    struct pg_cell *c = cell_new(r);
    if (!r->failed)
        *c = (struct pg_cell){.kind = PG_INT, .integer = v};
}

void pg_put_text(struct pg_rows *r, const char *text)
{
    struct pg_cell *c = cell_new(r);
    if (text == NULL || r->failed)
        return;
    *c = (struct pg_cell){.kind = PG_TEXT, .text = sqlite3_mprintf("%s", text)};
    if (c->text == NULL) {
        c->kind = PG_NULL;
        r->failed = true;
    }
}

static void rows_free(struct pg_rows *r)
{
    for (size_t i = 0; i < r->count; i++)
        sqlite3_free(r->cells[i].text);
    sqlite3_free(r->cells);
}

/* ---- the module ---- */
static int count_columns(const char *columns)
{
    int n = 1;
    for (; *columns != '\0'; columns++)
        n += *columns == ',';
    return n;
}

static int connect_table(sqlite3 *sqlite, void *arg, int argc, const char *const *argv, sqlite3_vtab **out,
                         char **error)
{
    const struct module_arg *m = arg;
    (void)argc;
    (void)argv;
    (void)error;
    char *sql = sqlite3_mprintf("CREATE TABLE x(%s)", m->table->columns);
    struct catalog_vtab *v = sqlite3_malloc(sizeof *v);
    int rc = sql != NULL && v != NULL ? sqlite3_declare_vtab(sqlite, sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(sqlite, SQLITE_VTAB_INNOCUOUS);
    if (rc != SQLITE_OK) {
        sqlite3_free(v);
        return rc;
    }
    *v = (struct catalog_vtab){
        .session = m->session, .table = m->table, .column_count = count_columns(m->table->columns)};
    *out = &v->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *base)
{
    sqlite3_free(base);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    info->estimatedCost = 1000;
    info->estimatedRows = 100;
    return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    (void)base;
    struct catalog_cursor *c = sqlite3_malloc(sizeof *c);
    if (c == NULL)
        return SQLITE_NOMEM;
    *c = (struct catalog_cursor){0};
    *out = &c->base;
    return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *base)
{
    rows_free(&((struct catalog_cursor *)base)->rows);
    sqlite3_free(base);
    return SQLITE_OK;
}

static int cursor_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
    struct catalog_cursor *c = (struct catalog_cursor *)base;
    const struct catalog_vtab *v = (const struct catalog_vtab *)base->pVtab;
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    c->row = 0;
    if (!c->filled && v->table->fill != NULL)
        v->table->fill(v->session, &c->rows);
    c->filled = true;
    if (c->rows.failed)
        return SQLITE_NOMEM;
    SC_ASSERT(c->rows.count % (size_t)v->column_count == 0);
    return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
    ((struct catalog_cursor *)base)->row++;
    return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base)
{
    const struct catalog_cursor *c = (const struct catalog_cursor *)base;
    return c->row * (size_t)((const struct catalog_vtab *)base->pVtab)->column_count >= c->rows.count;
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i)
{
    const struct catalog_cursor *c = (const struct catalog_cursor *)base;
    const struct catalog_vtab *v = (const struct catalog_vtab *)base->pVtab;
    const struct pg_cell *cell = &c->rows.cells[c->row * (size_t)v->column_count + (size_t)i];
    if (cell->kind == PG_INT)
        sqlite3_result_int64(ctx, cell->integer);
    else if (cell->kind == PG_TEXT)
        sqlite3_result_text(ctx, cell->text, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((const struct catalog_cursor *)base)->row;
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .xConnect = connect_table, /* no xCreate: they exist by themselves */
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = cursor_filter,
    .xNext = cursor_next,
    .xEof = cursor_eof,
    .xColumn = cursor_column,
    .xRowid = cursor_rowid,
};

static int register_all(struct sc_sql_session *s, const struct pg_table *tables)
{
    for (const struct pg_table *t = tables; t->name != NULL; t++) {
        struct module_arg *arg = sqlite3_malloc(sizeof *arg);
        if (arg == NULL)
            return SQLITE_NOMEM;
        *arg = (struct module_arg){s, t};
        const int rc =
            sqlite3_create_module_v2(s->sqlite, t->name, &module, arg, sqlite3_free); /* frees also on failure */
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

sc_err sc_sql_pg_catalog_attach(struct sc_sql_session *s, const struct sc_sql_pg_host *host)
{
    int rc = pg_functions_register(s, host);
    if (rc == SQLITE_OK)
        rc = register_all(s, pg_catalog_tables);
    if (rc == SQLITE_OK)
        rc = register_all(s, pg_information_tables);
    return rc == SQLITE_OK ? SC_OK : sql_fail(s, "53200", "out of memory");
}
