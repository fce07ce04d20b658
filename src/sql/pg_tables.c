/* pg_catalog: the tables that clients ask, as far as they apply.  What there is none of here is empty. */
#include "sql/pg_internal.h"

#include <string.h>
#include <strings.h>

#define OWNER     10
#define CATALOG   11
#define PUBLIC    2200
#define INFO      13000
#define HEAP      2
#define BTREE     403
#define COLLATION 100

static void put_many_null(struct pg_rows *r, int n)
{
    while (n-- > 0)
        pg_put_null(r);
}

/* Text that sqlite3_mprintf() made. */
static void put_made(struct pg_rows *r, char *text)
{
    if (text == NULL)
        r->failed = true;
    pg_put_text(r, text);
    sqlite3_free(text);
}

static void fill_namespace(const struct sc_sql_session *s, struct pg_rows *r)
{
    static const struct {
        int oid;
        const char *name;
    } all[] = {{CATALOG, "pg_catalog"}, {PUBLIC, "public"}, {INFO, "information_schema"}};
    (void)s;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        pg_put_int(r, all[i].oid);
        pg_put_text(r, all[i].name);
        pg_put_int(r, OWNER);
        pg_put_null(r);
    }
}

/* ---- pg_class ---- */
struct relation {
    int64_t oid, am;
    const char *kind;
    int64_t column_count, check_count, row_count;
    bool has_index, has_triggers;
};

static void put_relation(struct pg_rows *r, const struct relation *c)
{
    pg_put_int(r, PUBLIC);
    pg_put_int(r, 0); /* reltype */
    pg_put_int(r, 0); /* reloftype */
    pg_put_int(r, OWNER);
    pg_put_int(r, c->am);
    pg_put_int(r, c->oid); /* relfilenode */
    pg_put_int(r, 0);      /* reltablespace */
    pg_put_int(r, 0);      /* relpages */
    pg_put_int(r, c->row_count);
    pg_put_int(r, 0); /* reltoastrelid */
    pg_put_int(r, c->has_index);
    pg_put_int(r, 0); /* relisshared */
    pg_put_text(r, "p");
    pg_put_text(r, c->kind);
    pg_put_int(r, c->column_count);
    pg_put_int(r, c->check_count);
    pg_put_int(r, c->kind[0] == 'v'); /* relhasrules: PostgreSQL's views are rules */
    pg_put_int(r, c->has_triggers);
    for (int i = 0; i < 3; i++)
        pg_put_int(r, 0); /* relhassubclass, relrowsecurity, relforcerowsecurity */
    pg_put_int(r, 1);     /* relispopulated */
    pg_put_text(r, c->kind[0] == 'r' ? "d" : "n");
    pg_put_int(r, 0);    /* relispartition */
    put_many_null(r, 3); /* relacl, reloptions, relpartbound */
}

static void put_index_relation(struct pg_rows *r, const struct sql_table *t, const struct sql_index *i, int64_t oid)
{
    pg_put_int(r, oid);
    put_made(r, pg_index_name(t, i));
    put_relation(r, &(struct relation){.oid = oid, .am = BTREE, .kind = "i", .column_count = i->part_count});
}

/* In PostgreSQL triggers keep foreign keys, on both sides; psql asks for them only where there are triggers. */
static bool has_triggers(const struct sc_sql_session *s, const struct sql_table *t)
{
    bool any = t->trigger_count != 0 || t->fk_count != 0;
    for (size_t k = 0; !any && k < s->table_count; k++)
        for (size_t i = 0; i < s->tables[k]->fk_count; i++)
            any = any || strcasecmp(s->tables[k]->fks[i].parent, t->name) == 0;
    return any;
}

static void fill_class(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        struct sql_table *t = s->tables[k];
        pg_put_int(r, pg_oid(t->id));
        pg_put_text(r, t->name);
        put_relation(r, &(struct relation){.oid = pg_oid(t->id),
                                           .am = HEAP,
                                           .kind = "r",
                                           .column_count = t->column_count,
                                           .check_count = t->check_count,
                                           .row_count = t->rows_estimate,
                                           .has_index = !t->hidden || t->index_count != 0,
                                           .has_triggers = has_triggers(s, t)});
        if (!t->hidden)
            put_index_relation(r, t, &t->primary, pg_primary_oid(t->id));
        for (size_t i = 0; i < t->index_count; i++)
            put_index_relation(r, t, &t->indexes[i], pg_oid(t->indexes[i].id));
    }
    for (size_t k = 0; k < s->view_count; k++) {
        if (s->views[k]->type != SQL_OBJECT_VIEW)
            continue;
        pg_put_int(r, pg_oid(s->views[k]->id));
        pg_put_text(r, s->views[k]->name);
        put_relation(r, &(struct relation){.oid = pg_oid(s->views[k]->id), .kind = "v", .row_count = -1});
    }
}

/* ---- pg_attribute, pg_attrdef ---- */
struct attribute {
    int64_t relation, type, number;
    bool not_null, has_default, generated;
};

static void put_attribute(struct pg_rows *r, const char *name, const struct attribute *a)
{
    pg_put_int(r, a->relation);
    pg_put_text(r, name);
    pg_put_int(r, a->type);
    pg_put_int(r, a->type == 16 ? 1 : a->type == 20 || a->type == 701 ? 8 : -1);
    pg_put_int(r, a->number);
    pg_put_int(r, -1); /* atttypmod */
    pg_put_int(r, 0);  /* attndims */
    pg_put_int(r, a->not_null);
    pg_put_int(r, a->has_default);
    pg_put_int(r, 0);   /* atthasmissing */
    pg_put_text(r, ""); /* attidentity */
    pg_put_text(r, a->generated ? "s" : "");
    pg_put_int(r, 0); /* attisdropped */
    pg_put_int(r, 1); /* attislocal */
    pg_put_int(r, 0); /* attinhcount */
    pg_put_int(r, a->type == 25 ? COLLATION : 0);
    pg_put_text(r, "p");
    pg_put_int(r, -1);   /* attstattarget */
    put_many_null(r, 3); /* attacl, attoptions, attfdwoptions */
    pg_put_text(r, "");  /* attcompression */
}

/* A view's columns are what SQLite makes of it. */
static void put_view_attributes(const struct sc_sql_session *s, const struct sql_view *v, struct pg_rows *r)
{
    sqlite3_stmt *st = NULL;
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", v->name);
    if (sql == NULL)
        r->failed = true;
    else if (sqlite3_prepare_v2(s->sqlite, sql, -1, &st, NULL) == SQLITE_OK) {
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const char *type = sqlite3_column_decltype(st, i);
            const struct sql_column c = {.type = type != NULL ? type : "",
                                         .affinity = sql_affinity_of(type != NULL ? type : "")};
            put_attribute(r, sqlite3_column_name(st, i),
                          &(struct attribute){.relation = pg_oid(v->id), .type = pg_type_of(&c), .number = i + 1});
        }
    } /* a view of what is no more has no columns */
    sqlite3_finalize(st);
    sqlite3_free(sql);
}

static void put_index_attributes(const struct sql_table *t, const struct sql_index *i, int64_t oid, struct pg_rows *r)
{
    for (size_t k = 0; k < i->part_count; k++) {
        const int column = i->parts[k].column;
        put_attribute(r, column >= 0 ? t->columns[column].name : "expr",
                      &(struct attribute){.relation = oid,
                                          .type = column >= 0 ? pg_type_of(&t->columns[column]) : 25,
                                          .number = (int64_t)k + 1});
    }
}

static void fill_attribute(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        for (size_t i = 0; i < t->column_count; i++) {
            const struct sql_column *c = &t->columns[i];
            put_attribute(r, c->name,
                          &(struct attribute){.relation = pg_oid(t->id),
                                              .type = pg_type_of(c),
                                              .number = (int64_t)i + 1,
                                              .not_null = c->not_null || c->pk_index >= 0,
                                              .has_default = c->default_sql != NULL || c->generated_sql != NULL,
                                              .generated = c->generated_sql != NULL});
        }
        if (!t->hidden)
            put_index_attributes(t, &t->primary, pg_primary_oid(t->id), r);
        for (size_t i = 0; i < t->index_count; i++)
            put_index_attributes(t, &t->indexes[i], pg_oid(t->indexes[i].id), r);
    }
    for (size_t k = 0; k < s->view_count; k++)
        if (s->views[k]->type == SQL_OBJECT_VIEW)
            put_view_attributes(s, s->views[k], r);
}

static void fill_attrdef(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        for (size_t i = 0; i < t->column_count; i++) {
            const struct sql_column *c = &t->columns[i];
            if (c->default_sql == NULL && c->generated_sql == NULL)
                continue;
            pg_put_int(r, pg_oid(t->id) + ((int64_t)(i + 1) << 48));
            pg_put_int(r, pg_oid(t->id));
            pg_put_int(r, (int64_t)i + 1);
            pg_put_text(r, c->generated_sql != NULL ? c->generated_sql : c->default_sql);
        }
    }
}

/* ---- pg_index ---- */
static void put_key(struct pg_rows *r, const struct sql_index *i)
{
    sqlite3_str *key = sqlite3_str_new(NULL);
    for (size_t k = 0; k < i->part_count; k++)
        sqlite3_str_appendf(key, "%s%d", k != 0 ? " " : "", i->parts[k].column >= 0 ? i->parts[k].column + 1 : 0);
    put_made(r, sqlite3_str_finish(key));
}

static void put_index(struct pg_rows *r, const struct sql_table *t, const struct sql_index *i, int64_t oid)
{
    const bool primary = i == &t->primary;
    pg_put_int(r, oid);
    pg_put_int(r, pg_oid(t->id));
    pg_put_int(r, i->part_count);
    pg_put_int(r, i->part_count);
    pg_put_int(r, primary || i->unique);
    pg_put_int(r, primary);
    pg_put_int(r, 1); /* indimmediate */
    pg_put_int(r, 0); /* indisclustered */
    pg_put_int(r, primary || i->ready);
    pg_put_int(r, 0); /* indisreplident */
    put_key(r, i);
    pg_put_text(r, "");
    pg_put_null(r); /* indexprs */
    pg_put_text(r, primary ? NULL : i->where);
    pg_put_int(r, 0); /* indnullsnotdistinct */
}

static void fill_index(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        if (!t->hidden)
            put_index(r, t, &t->primary, pg_primary_oid(t->id));
        for (size_t i = 0; i < t->index_count; i++)
            put_index(r, t, &t->indexes[i], pg_oid(t->indexes[i].id));
    }
}

/* ---- pg_constraint ---- */
struct constraint {
    int64_t oid, relation, index, parent;
    const char *type;
    bool deferred;
};

static void put_constraint(struct pg_rows *r, char *name, const struct constraint *c, const struct sql_table *t,
                           const struct sql_fk *fk)
{
    char update[2] = "a", delete[2] = "a";
    static const char actions[] = {'a', 'r', 'c', 'n', 'd'};
    sqlite3_str *key = sqlite3_str_new(NULL);
    if (fk != NULL) {
        update[0] = actions[fk->on_update];
        delete[0] = actions[fk->on_delete];
        for (size_t i = 0; i < fk->column_count; i++)
            sqlite3_str_appendf(key, "%s%d", i != 0 ? "," : "{", fk->columns[i] + 1);
        sqlite3_str_appendall(key, "}");
    } else if (c->type[0] == 'p') {
        for (size_t i = 0; i < t->primary.part_count; i++)
            sqlite3_str_appendf(key, "%s%d", i != 0 ? "," : "{", t->primary.parts[i].column + 1);
        sqlite3_str_appendall(key, "}");
    }
    pg_put_int(r, c->oid);
    put_made(r, name);
    pg_put_int(r, PUBLIC);
    pg_put_text(r, c->type);
    pg_put_int(r, c->deferred);
    pg_put_int(r, c->deferred);
    pg_put_int(r, 1); /* convalidated */
    pg_put_int(r, c->relation);
    pg_put_int(r, 0); /* contypid */
    pg_put_int(r, c->index);
    pg_put_int(r, 0); /* conparentid */
    pg_put_int(r, c->parent);
    pg_put_text(r, fk != NULL ? update : "");
    pg_put_text(r, fk != NULL ? delete : "");
    pg_put_text(r, fk != NULL ? "s" : "");
    char *text = sqlite3_str_finish(key);
    pg_put_text(r, text);
    sqlite3_free(text);
    put_many_null(r, 2); /* confkey, conbin */
}

static void fill_constraint(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        const int64_t oid = pg_oid(t->id);
        if (!t->hidden)
            put_constraint(
                r, pg_index_name(t, &t->primary),
                &(struct constraint){
                    .oid = pg_primary_oid(t->id), .relation = oid, .index = pg_primary_oid(t->id), .type = "p"},
                t, NULL);
        for (size_t i = 0; i < t->fk_count; i++) {
            const struct sql_table *parent = pg_table_find(s, t->fks[i].parent);
            put_constraint(r, pg_fk_name(t, i),
                           &(struct constraint){.oid = pg_fk_oid(t, i),
                                                .relation = oid,
                                                .type = "f",
                                                .deferred = t->fks[i].deferred,
                                                .parent = parent != NULL ? pg_oid(parent->id) : 0},
                           t, &t->fks[i]);
        }
        for (size_t i = 0; i < t->check_count; i++)
            put_constraint(r,
                           t->checks[i].name[0] != '\0' ? sqlite3_mprintf("%s", t->checks[i].name)
                                                        : sqlite3_mprintf("%s_check%d", t->name, (int)i + 1),
                           &(struct constraint){.oid = pg_check_oid(t, i), .relation = oid, .type = "c"}, t, NULL);
    }
}

/* ---- what is always the same ---- */
static void fill_type(const struct sc_sql_session *s, struct pg_rows *r)
{
    static const struct {
        int oid;
        const char *name;
        int size;
        const char *category;
    } types[] = {{16, "bool", 1, "B"},       {17, "bytea", -1, "U"},      {18, "char", 1, "S"},
                 {19, "name", 64, "S"},      {20, "int8", 8, "N"},        {21, "int2", 2, "N"},
                 {23, "int4", 4, "N"},       {25, "text", -1, "S"},       {26, "oid", 4, "N"},
                 {114, "json", -1, "U"},     {700, "float4", 4, "N"},     {701, "float8", 8, "N"},
                 {705, "unknown", -2, "X"},  {1042, "bpchar", -1, "S"},   {1043, "varchar", -1, "S"},
                 {1082, "date", 4, "D"},     {1114, "timestamp", 8, "D"}, {1184, "timestamptz", 8, "D"},
                 {1700, "numeric", -1, "N"}, {2205, "regclass", 4, "N"}};
    (void)s;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        pg_put_int(r, types[i].oid);
        pg_put_text(r, types[i].name);
        pg_put_int(r, CATALOG);
        pg_put_int(r, OWNER);
        pg_put_int(r, types[i].size);
        pg_put_text(r, "b");
        pg_put_text(r, types[i].category);
        pg_put_int(r, 1); /* typisdefined */
        pg_put_text(r, ",");
        for (int k = 0; k < 4; k++)
            pg_put_int(r, 0); /* typrelid, typelem, typarray, typbasetype */
        pg_put_int(r, -1);    /* typtypmod */
        pg_put_int(r, 0);     /* typnotnull */
        pg_put_int(r, types[i].category[0] == 'S' ? COLLATION : 0);
        put_many_null(r, 2); /* typinput, typdefault */
    }
}

static void fill_database(const struct sc_sql_session *s, struct pg_rows *r)
{
    (void)s;
    pg_put_int(r, 1);
    pg_put_text(r, "securecloud");
    pg_put_int(r, OWNER);
    pg_put_int(r, 6); /* UTF8 */
    pg_put_text(r, "c");
    pg_put_text(r, "C");
    pg_put_text(r, "C");
    pg_put_null(r);
    pg_put_int(r, 0); /* datistemplate */
    pg_put_int(r, 1);
    pg_put_int(r, -1);
    pg_put_int(r, 0);
    pg_put_null(r);
}

static void fill_roles(const struct sc_sql_session *s, struct pg_rows *r)
{
    (void)s;
    pg_put_int(r, OWNER);
    pg_put_text(r, "cascadb");
    for (int i = 0; i < 5; i++)
        pg_put_int(r, i == 1 || i == 4); /* super, inherit, createrole, createdb, canlogin */
    pg_put_int(r, 0);
    pg_put_int(r, -1);
    put_many_null(r, 2);
    pg_put_int(r, 0);
}

static void fill_am(const struct sc_sql_session *s, struct pg_rows *r)
{
    (void)s;
    pg_put_int(r, HEAP);
    pg_put_text(r, "cascadb");
    pg_put_text(r, "t");
    pg_put_int(r, BTREE);
    pg_put_text(r, "kvs");
    pg_put_text(r, "i");
}

static void fill_collation(const struct sc_sql_session *s, struct pg_rows *r)
{
    (void)s;
    pg_put_int(r, COLLATION);
    pg_put_text(r, "default");
    pg_put_int(r, CATALOG);
}

static void fill_tables(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        pg_put_text(r, "public");
        pg_put_text(r, t->name);
        pg_put_text(r, "cascadb");
        pg_put_null(r);
        pg_put_int(r, !t->hidden || t->index_count != 0);
        pg_put_int(r, 0);
        pg_put_int(r, t->trigger_count != 0);
        pg_put_int(r, 0);
    }
}

static void fill_views(const struct sc_sql_session *s, struct pg_rows *r)
{
    for (size_t k = 0; k < s->view_count; k++) {
        if (s->views[k]->type != SQL_OBJECT_VIEW)
            continue;
        pg_put_text(r, "public");
        pg_put_text(r, s->views[k]->name);
        pg_put_text(r, "cascadb");
        pg_put_text(r, s->views[k]->sql);
    }
}

const struct pg_table pg_catalog_tables[] = {
    {"pg_namespace", "oid INTEGER, nspname TEXT, nspowner INTEGER, nspacl TEXT", fill_namespace},
    {"pg_class",
     "oid INTEGER, relname TEXT, relnamespace INTEGER, reltype INTEGER, reloftype INTEGER, relowner INTEGER, relam "
     "INTEGER, "
     "relfilenode INTEGER, reltablespace INTEGER, relpages INTEGER, reltuples INTEGER, reltoastrelid INTEGER, "
     "relhasindex BOOLEAN, "
     "relisshared BOOLEAN, relpersistence TEXT, relkind TEXT, relnatts INTEGER, relchecks INTEGER, relhasrules "
     "BOOLEAN, "
     "relhastriggers BOOLEAN, relhassubclass BOOLEAN, relrowsecurity BOOLEAN, relforcerowsecurity BOOLEAN, "
     "relispopulated BOOLEAN, "
     "relreplident TEXT, relispartition BOOLEAN, relacl TEXT, reloptions TEXT, relpartbound TEXT",
     fill_class},
    {"pg_attribute",
     "attrelid INTEGER, attname TEXT, atttypid INTEGER, attlen INTEGER, attnum INTEGER, atttypmod INTEGER, attndims "
     "INTEGER, "
     "attnotnull BOOLEAN, atthasdef BOOLEAN, atthasmissing BOOLEAN, attidentity TEXT, attgenerated TEXT, attisdropped "
     "BOOLEAN, "
     "attislocal BOOLEAN, attinhcount INTEGER, attcollation INTEGER, attstorage TEXT, attstattarget INTEGER, attacl "
     "TEXT, "
     "attoptions TEXT, attfdwoptions TEXT, attcompression TEXT",
     fill_attribute},
    {"pg_attrdef", "oid INTEGER, adrelid INTEGER, adnum INTEGER, adbin TEXT", fill_attrdef},
    {"pg_index",
     "indexrelid INTEGER, indrelid INTEGER, indnatts INTEGER, indnkeyatts INTEGER, indisunique BOOLEAN, indisprimary "
     "BOOLEAN, "
     "indimmediate BOOLEAN, indisclustered BOOLEAN, indisvalid BOOLEAN, indisreplident BOOLEAN, indkey TEXT, indoption "
     "TEXT, "
     "indexprs TEXT, indpred TEXT, indnullsnotdistinct BOOLEAN",
     fill_index},
    {"pg_constraint",
     "oid INTEGER, conname TEXT, connamespace INTEGER, contype TEXT, condeferrable BOOLEAN, condeferred BOOLEAN, "
     "convalidated "
     "BOOLEAN, conrelid INTEGER, contypid INTEGER, conindid INTEGER, conparentid INTEGER, confrelid INTEGER, "
     "confupdtype TEXT, "
     "confdeltype TEXT, confmatchtype TEXT, conkey TEXT, confkey TEXT, conbin TEXT",
     fill_constraint},
    {"pg_type",
     "oid INTEGER, typname TEXT, typnamespace INTEGER, typowner INTEGER, typlen INTEGER, typtype TEXT, typcategory "
     "TEXT, "
     "typisdefined BOOLEAN, typdelim TEXT, typrelid INTEGER, typelem INTEGER, typarray INTEGER, typbasetype INTEGER, "
     "typtypmod "
     "INTEGER, typnotnull BOOLEAN, typcollation INTEGER, typinput TEXT, typdefault TEXT",
     fill_type},
    {"pg_database",
     "oid INTEGER, datname TEXT, datdba INTEGER, encoding INTEGER, datlocprovider TEXT, datcollate TEXT, datctype "
     "TEXT, "
     "daticulocale TEXT, datistemplate BOOLEAN, datallowconn BOOLEAN, datconnlimit INTEGER, dattablespace INTEGER, "
     "datacl TEXT",
     fill_database},
    {"pg_roles",
     "oid INTEGER, rolname TEXT, rolsuper BOOLEAN, rolinherit BOOLEAN, rolcreaterole BOOLEAN, rolcreatedb BOOLEAN, "
     "rolcanlogin "
     "BOOLEAN, rolreplication BOOLEAN, rolconnlimit INTEGER, rolvaliduntil TEXT, rolconfig TEXT, rolbypassrls BOOLEAN",
     fill_roles},
    {"pg_am", "oid INTEGER, amname TEXT, amtype TEXT", fill_am},
    {"pg_collation", "oid INTEGER, collname TEXT, collnamespace INTEGER", fill_collation},
    {"pg_tables",
     "schemaname TEXT, tablename TEXT, tableowner TEXT, tablespace TEXT, hasindexes BOOLEAN, hasrules BOOLEAN, "
     "hastriggers BOOLEAN, "
     "rowsecurity BOOLEAN",
     fill_tables},
    {"pg_views", "schemaname TEXT, viewname TEXT, viewowner TEXT, definition TEXT", fill_views},
    {"pg_auth_members", "roleid INTEGER, member INTEGER, grantor INTEGER, admin_option BOOLEAN", NULL},
    {"pg_description", "objoid INTEGER, classoid INTEGER, objsubid INTEGER, description TEXT", NULL},
    {"pg_depend",
     "classid INTEGER, objid INTEGER, objsubid INTEGER, refclassid INTEGER, refobjid INTEGER, refobjsubid INTEGER, "
     "deptype TEXT",
     NULL},
    {"pg_enum", "oid INTEGER, enumtypid INTEGER, enumsortorder REAL, enumlabel TEXT", NULL},
    {"pg_inherits", "inhrelid INTEGER, inhparent INTEGER, inhseqno INTEGER, inhdetachpending BOOLEAN", NULL},
    {"pg_policy",
     "oid INTEGER, polname TEXT, polrelid INTEGER, polcmd TEXT, polpermissive BOOLEAN, polroles TEXT, polqual TEXT, "
     "polwithcheck TEXT",
     NULL},
    {"pg_proc",
     "oid INTEGER, proname TEXT, pronamespace INTEGER, proowner INTEGER, prokind TEXT, prorettype INTEGER, proargtypes "
     "TEXT",
     NULL},
    {"pg_publication", "oid INTEGER, pubname TEXT, puballtables BOOLEAN", NULL},
    {"pg_publication_namespace", "oid INTEGER, pnpubid INTEGER, pnnspid INTEGER", NULL},
    {"pg_publication_rel", "oid INTEGER, prpubid INTEGER, prrelid INTEGER, prqual TEXT, prattrs TEXT", NULL},
    {"pg_range", "rngtypid INTEGER, rngsubtype INTEGER", NULL},
    {"pg_rewrite", "oid INTEGER, rulename TEXT, ev_class INTEGER, ev_type TEXT, ev_enabled TEXT", NULL},
    {"pg_sequence", "seqrelid INTEGER, seqtypid INTEGER", NULL},
    {"pg_statistic_ext",
     "oid INTEGER, stxrelid INTEGER, stxname TEXT, stxnamespace INTEGER, stxstattarget INTEGER, stxkind TEXT", NULL},
    {"pg_tablespace", "oid INTEGER, spcname TEXT, spcowner INTEGER, spcacl TEXT, spcoptions TEXT", NULL},
    {"pg_trigger",
     "oid INTEGER, tgrelid INTEGER, tgparentid INTEGER, tgname TEXT, tgenabled TEXT, tgisinternal BOOLEAN, "
     "tgconstraint INTEGER, tgdeferrable BOOLEAN, tginitdeferred BOOLEAN",
     NULL},
    {"pg_extension", "oid INTEGER, extname TEXT, extversion TEXT, extnamespace INTEGER", NULL},
    {"pg_foreign_table", "ftrelid INTEGER, ftserver INTEGER, ftoptions TEXT", NULL},
    {"pg_foreign_server", "oid INTEGER, srvname TEXT", NULL},
    {NULL, NULL, NULL},
};
