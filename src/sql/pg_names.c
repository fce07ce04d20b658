/* What the dictionary's objects are called in PostgreSQL's catalogue. */
#include "sql/pg_internal.h"

#include <string.h>
#include <strings.h>

int pg_type_of(const struct sql_column *c)
{
    if (strncasecmp(c->type, "bool", 4) == 0)
        return 16;
    if (strcasecmp(c->type, "bytea") == 0)
        return 17;
    switch (c->affinity) {
    case SQL_AFFINITY_INTEGER:
        return 20;
    case SQL_AFFINITY_REAL:
        return 701;
    case SQL_AFFINITY_BLOB:
        return c->type[0] != '\0' ? 17 : 25;
    case SQL_AFFINITY_NUMERIC:
        return strcasestr(c->type, "num") != NULL || strcasestr(c->type, "dec") != NULL ? 1700 : 25;
    case SQL_AFFINITY_TEXT:
        break;
    }
    return 25;
}

const char *pg_type_name(int64_t oid)
{
    static const struct {
        int oid;
        const char *name;
    } names[] = {{16, "boolean"},
                 {17, "bytea"},
                 {18, "\"char\""},
                 {19, "name"},
                 {20, "bigint"},
                 {21, "smallint"},
                 {23, "integer"},
                 {25, "text"},
                 {26, "oid"},
                 {114, "json"},
                 {700, "real"},
                 {701, "double precision"},
                 {705, "unknown"},
                 {1042, "character"},
                 {1043, "character varying"},
                 {1082, "date"},
                 {1114, "timestamp without time zone"},
                 {1184, "timestamp with time zone"},
                 {1700, "numeric"},
                 {2205, "regclass"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].oid == oid)
            return names[i].name;
    return NULL;
}

char *pg_index_name(const struct sql_table *t, const struct sql_index *i)
{
    return i == &t->primary ? sqlite3_mprintf("%s_pkey", t->name) : sqlite3_mprintf("%s", i->name);
}

char *pg_fk_name(const struct sql_table *t, size_t n)
{
    return sqlite3_mprintf("%s_%s_fkey", t->name, t->columns[t->fks[n].columns[0]].name);
}

/* Constraints have no ids in the dictionary: the table's, with their number above it. */
int64_t pg_fk_oid(const struct sql_table *t, size_t n)
{
    return pg_oid(t->id) + ((int64_t)(n + 1) << 32);
}

int64_t pg_check_oid(const struct sql_table *t, size_t n)
{
    return pg_oid(t->id) + ((int64_t)(n + 1) << 40);
}

char *pg_index_columns(const struct sql_table *t, const struct sql_index *i)
{
    sqlite3_str *out = sqlite3_str_new(NULL);
    for (size_t k = 0; k < i->part_count; k++) {
        const struct sql_part *p = &i->parts[k];
        if (p->column >= 0)
            sqlite3_str_appendf(out, "%s%s", k != 0 ? ", " : "", t->columns[p->column].name);
        else if (p->expr != NULL)
            sqlite3_str_appendf(out, "%s(%s)", k != 0 ? ", " : "", p->expr);
        sqlite3_str_appendall(out, p->descending ? " DESC" : "");
    }
    return sqlite3_str_finish(out);
}

char *pg_fk_definition(const struct sql_table *t, const struct sql_fk *fk)
{
    static const char *const actions[] = {[SQL_NO_ACTION] = NULL,
                                          [SQL_RESTRICT] = "RESTRICT",
                                          [SQL_CASCADE] = "CASCADE",
                                          [SQL_SET_NULL] = "SET NULL",
                                          [SQL_SET_DEFAULT] = "SET DEFAULT"};
    sqlite3_str *out = sqlite3_str_new(NULL);
    sqlite3_str_appendall(out, "FOREIGN KEY (");
    for (size_t i = 0; i < fk->column_count; i++)
        sqlite3_str_appendf(out, "%s%s", i != 0 ? ", " : "", t->columns[fk->columns[i]].name);
    sqlite3_str_appendf(out, ") REFERENCES %s", fk->parent);
    for (size_t i = 0; i < fk->column_count && fk->parent_columns[0] != NULL; i++)
        sqlite3_str_appendf(out, "%s%s", i != 0 ? ", " : "(", fk->parent_columns[i]);
    sqlite3_str_appendall(out, fk->parent_columns[0] != NULL ? ")" : "");
    if (actions[fk->on_update] != NULL)
        sqlite3_str_appendf(out, " ON UPDATE %s", actions[fk->on_update]);
    if (actions[fk->on_delete] != NULL)
        sqlite3_str_appendf(out, " ON DELETE %s", actions[fk->on_delete]);
    sqlite3_str_appendall(out, fk->deferred ? " DEFERRABLE INITIALLY DEFERRED" : "");
    return sqlite3_str_finish(out);
}

const struct sql_table *pg_table_find(const struct sc_sql_session *s, const char *name)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (strcasecmp(s->tables[i]->name, name) == 0)
            return s->tables[i];
    return NULL;
}

const struct sql_table *pg_table_of_oid(const struct sc_sql_session *s, int64_t oid)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (pg_oid(s->tables[i]->id) == oid)
            return s->tables[i];
    return NULL;
}
