/* The dictionary as two read-only tables: cascadb_tables and cascadb_columns, the session's own view of it. */
#include "sql/internal.h"

struct catalog_vtab {
    sqlite3_vtab base;
    struct sc_sql_session *session;
    bool columns; /* of cascadb_columns */
};
struct catalog_cursor {
    sqlite3_vtab_cursor base;
    size_t table, column;
};

static int connect(sqlite3 *sqlite, struct sc_sql_session *s, bool columns, sqlite3_vtab **out)
{
    const int rc = sqlite3_declare_vtab(
        sqlite, columns ? "CREATE TABLE x(table_name TEXT, position INTEGER, column_name TEXT, data_type TEXT, "
                          "not_null INTEGER, column_default TEXT, primary_key INTEGER)"
                        : "CREATE TABLE x(table_id INTEGER, table_name TEXT, column_count INTEGER, primary_key TEXT)");
    if (rc != SQLITE_OK)
        return rc;
    struct catalog_vtab *v = sqlite3_malloc(sizeof *v);
    if (v == NULL)
        return SQLITE_NOMEM;
    *v = (struct catalog_vtab){.session = s, .columns = columns};
    *out = &v->base;
    return SQLITE_OK;
}

static int connect_tables(sqlite3 *sqlite, void *arg, int argc, const char *const *argv, sqlite3_vtab **out,
                          char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    return connect(sqlite, arg, false, out);
}

static int connect_columns(sqlite3 *sqlite, void *arg, int argc, const char *const *argv, sqlite3_vtab **out,
                           char **error)
{
    (void)argc;
    (void)argv;
    (void)error;
    return connect(sqlite, arg, true, out);
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
    sqlite3_free(base);
    return SQLITE_OK;
}

static int cursor_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    struct catalog_cursor *c = (struct catalog_cursor *)base;
    c->table = c->column = 0;
    return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
    struct catalog_cursor *c = (struct catalog_cursor *)base;
    const struct catalog_vtab *v = (const struct catalog_vtab *)base->pVtab;
    if (!v->columns || ++c->column >= v->session->tables[c->table]->column_count) {
        c->column = 0;
        c->table++;
    }
    return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base)
{
    const struct catalog_vtab *v = (const struct catalog_vtab *)base->pVtab;
    return ((struct catalog_cursor *)base)->table >= v->session->table_count;
}

static void result_text(sqlite3_context *ctx, const char *text)
{
    if (text != NULL)
        sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void table_column(sqlite3_context *ctx, const struct sql_table *t, int i)
{
    switch (i) {
    case 0:
        sqlite3_result_int64(ctx, t->id);
        break;
    case 1:
        result_text(ctx, t->name);
        break;
    case 2:
        sqlite3_result_int(ctx, t->column_count);
        break;
    default: {
        sqlite3_str *names = sqlite3_str_new(NULL);
        for (size_t k = 0; k < t->primary.part_count && !t->hidden; k++)
            sqlite3_str_appendf(names, "%s%s", k != 0 ? ", " : "", t->columns[t->primary.parts[k].column].name);
        char *text = sqlite3_str_finish(names);
        result_text(ctx, text != NULL ? text : "");
        sqlite3_free(text);
    }
    }
}

static void column_column(sqlite3_context *ctx, const struct sql_table *t, size_t position, int i)
{
    const struct sql_column *c = &t->columns[position];
    switch (i) {
    case 0:
        result_text(ctx, t->name);
        break;
    case 1:
        sqlite3_result_int64(ctx, (sqlite3_int64)position + 1);
        break;
    case 2:
        result_text(ctx, c->name);
        break;
    case 3:
        result_text(ctx, c->type);
        break;
    case 4:
        sqlite3_result_int(ctx, c->not_null);
        break;
    case 5:
        result_text(ctx, c->generated_sql != NULL ? c->generated_sql : c->default_sql);
        break;
    default:
        sqlite3_result_int(ctx, c->pk_index + 1);
    }
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i)
{
    const struct catalog_cursor *c = (const struct catalog_cursor *)base;
    const struct catalog_vtab *v = (const struct catalog_vtab *)base->pVtab;
    const struct sql_table *t = v->session->tables[c->table];
    if (v->columns)
        column_column(ctx, t, c->column, i);
    else
        table_column(ctx, t, i);
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    const struct catalog_cursor *c = (const struct catalog_cursor *)base;
    *out = (sqlite3_int64)(c->table * SQL_COLUMN_COUNT_MAX + c->column);
    return SQLITE_OK;
}

#define CATALOG_MODULE(connect_function)                                                                               \
    {                                                                                                                  \
        .xConnect = (connect_function), .xBestIndex = best_index, .xDisconnect = disconnect, .xOpen = cursor_open,     \
        .xClose = cursor_close, .xFilter = cursor_filter, .xNext = cursor_next, .xEof = cursor_eof,                    \
        .xColumn = cursor_column, .xRowid = cursor_rowid                                                               \
    }
static const sqlite3_module tables_module = CATALOG_MODULE(connect_tables); /* no xCreate: they exist by themselves */
static const sqlite3_module columns_module = CATALOG_MODULE(connect_columns);

sc_err sql_catalog_register(struct sc_sql_session *s)
{
    if (sqlite3_create_module(s->sqlite, "cascadb_tables", &tables_module, s) != SQLITE_OK ||
        sqlite3_create_module(s->sqlite, "cascadb_columns", &columns_module, s) != SQLITE_OK)
        return sql_fail(s, "53200", "out of memory");
    return SC_OK;
}
