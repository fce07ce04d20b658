/* information_schema, whose tables SQLite knows as information_schema_<name>. */
#include "sql/pg_internal.h"

static const char catalog[] = "securecloud";

static void put_name(struct pg_rows *r, const char *name)
{
    pg_put_text(r, catalog);
    pg_put_text(r, "public");
    pg_put_text(r, name);
}

static void fill_schemata(const struct sc_sql_session *s, struct pg_rows *r)
{
    static const char *const names[] = {"information_schema", "pg_catalog", "public"};
    (void)s;
    for (size_t i = 0; i < 3; i++) {
        pg_put_text(r, catalog);
        pg_put_text(r, names[i]);
        pg_put_text(r, "cascadb");
    }
}

static void fill_tables(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t i = 0; i < s->table_count; i++) {
        put_name(r, s->tables[i]->name);
        pg_put_text(r, "BASE TABLE");
        pg_put_text(r, "YES");
    }
    for (size_t i = 0; i < s->view_count; i++) {
        if (s->views[i]->type != SQL_OBJECT_VIEW)
            continue;
        put_name(r, s->views[i]->name);
        pg_put_text(r, "VIEW");
        pg_put_text(r, "NO");
    }
}

static void put_column(struct pg_rows *r, const char *table, const char *name, int64_t position,
                       const struct sql_column *c)
{
    const int type = pg_type_of(c);
    put_name(r, table);
    pg_put_text(r, name);
    pg_put_int(r, position);
    pg_put_text(r, c->default_sql);
    pg_put_text(r, c->not_null || c->pk_index >= 0 ? "NO" : "YES");
    pg_put_text(r, pg_type_name(type));
    pg_put_null(r); /* character_maximum_length */
    if (type == 20)
        pg_put_int(r, 64);
    else if (type == 701)
        pg_put_int(r, 53);
    else
        pg_put_null(r);
    if (type == 20)
        pg_put_int(r, 0);
    else
        pg_put_null(r);
    pg_put_text(r, type == 16     ? "bool"
                   : type == 17   ? "bytea"
                   : type == 20   ? "int8"
                   : type == 701  ? "float8"
                   : type == 1700 ? "numeric"
                                  : "text");
    pg_put_text(r, c->generated_sql != NULL ? "ALWAYS" : "NEVER");
    pg_put_text(r, "NO"); /* is_identity */
}

static void put_view_columns(const struct sc_sql_session *s, const struct sql_view *v, struct pg_rows *r)
{
    sqlite3_stmt *st = NULL;
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", v->name);
    if (sql == NULL)
        r->failed = true;
    else if (sqlite3_prepare_v2(s->sqlite, sql, -1, &st, NULL) == SQLITE_OK) {
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const char *type = sqlite3_column_decltype(st, i);
            const struct sql_column c = {.type = type != NULL ? type : "",
                                         .affinity = sql_affinity_of(type != NULL ? type : ""),
                                         .pk_index = -1};
            put_column(r, v->name, sqlite3_column_name(st, i), i + 1, &c);
        }
    } /* a view of what is no more has no columns */
    sqlite3_finalize(st);
    sqlite3_free(sql);
}

static void fill_columns(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++)
        for (size_t i = 0; i < s->tables[k]->column_count; i++)
            put_column(r, s->tables[k]->name, s->tables[k]->columns[i].name, (int64_t)i + 1, &s->tables[k]->columns[i]);
    for (size_t k = 0; k < s->view_count; k++)
        if (s->views[k]->type == SQL_OBJECT_VIEW)
            put_view_columns(s, s->views[k], r);
}

static void fill_views(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t i = 0; i < s->view_count; i++) {
        if (s->views[i]->type != SQL_OBJECT_VIEW)
            continue;
        put_name(r, s->views[i]->name);
        pg_put_text(r, s->views[i]->sql);
    }
}

static void put_constraint_name(struct pg_rows *r, char *name)
{
    if (name == NULL)
        r->failed = true;
    put_name(r, name != NULL ? name : "");
    sqlite3_free(name);
}

static void fill_constraints(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        for (size_t i = 0; i < t->fk_count + (t->hidden ? 0u : 1u); i++) {
            put_constraint_name(r, i < t->fk_count ? pg_fk_name(t, i) : pg_index_name(t, &t->primary));
            put_name(r, t->name);
            pg_put_text(r, i < t->fk_count ? "FOREIGN KEY" : "PRIMARY KEY");
        }
    }
}

static void fill_key_usage(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        for (size_t i = 0; !t->hidden && i < t->primary.part_count; i++) {
            put_constraint_name(r, pg_index_name(t, &t->primary));
            put_name(r, t->name);
            pg_put_text(r, t->columns[t->primary.parts[i].column].name);
            pg_put_int(r, (int64_t)i + 1);
        }
        for (size_t f = 0; f < t->fk_count; f++)
            for (size_t i = 0; i < t->fks[f].column_count; i++) {
                put_constraint_name(r, pg_fk_name(t, f));
                put_name(r, t->name);
                pg_put_text(r, t->columns[t->fks[f].columns[i]].name);
                pg_put_int(r, (int64_t)i + 1);
            }
    }
}

#define CONSTRAINT_COLUMNS                                                                                             \
    "constraint_catalog TEXT, constraint_schema TEXT, constraint_name TEXT, table_catalog TEXT, table_schema TEXT, "   \
    "table_name TEXT"
#define TABLE_COLUMNS "table_catalog TEXT, table_schema TEXT, table_name TEXT"

const struct pg_table pg_information_tables[] = {
    {"information_schema_schemata", "catalog_name TEXT, schema_name TEXT, schema_owner TEXT", fill_schemata},
    {"information_schema_tables", TABLE_COLUMNS ", table_type TEXT, is_insertable_into TEXT", fill_tables},
    {"information_schema_columns",
     TABLE_COLUMNS
     ", column_name TEXT, ordinal_position INTEGER, column_default TEXT, is_nullable TEXT, data_type TEXT, "
     "character_maximum_length INTEGER, numeric_precision INTEGER, numeric_scale INTEGER, udt_name TEXT, is_generated "
     "TEXT, is_identity TEXT",
     fill_columns},
    {"information_schema_views", TABLE_COLUMNS ", view_definition TEXT", fill_views},
    {"information_schema_table_constraints", CONSTRAINT_COLUMNS ", constraint_type TEXT", fill_constraints},
    {"information_schema_key_column_usage", CONSTRAINT_COLUMNS ", column_name TEXT, ordinal_position INTEGER",
     fill_key_usage},
    {NULL, NULL, NULL},
};
