#include "sql/schema.h"

#include <stdio.h>
#include <strings.h>

static void finalizep(sqlite3_stmt **st)
{
    sqlite3_finalize(*st);
}

static sc_err fail(sqlite3 *mirror, struct sc_diag *diag)
{
    return sc_fail(diag, sqlite3_errcode(mirror) == SQLITE_NOMEM ? SC_E_NOMEM : SC_E_MALFORMED, "%s",
                   sqlite3_errmsg(mirror));
}

static void nothing(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)ctx, (void)argc, (void)argv;
}

void sql_names_only_in_double_quotes(sqlite3 *db)
{
    SC_ASSERT(sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL) == SQLITE_OK);
    SC_ASSERT(sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL) == SQLITE_OK);
}

sc_err sql_mirror_open(sqlite3 **out, struct sc_diag *diag)
{
    static const char *const ours[] = {"version", "current_database"};
    sqlite3 *mirror = NULL;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_MEMORY;
    int rc = sqlite3_open_v2(":memory:", &mirror, flags, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof ours / sizeof ours[0]; i++)
        rc = sqlite3_create_function(mirror, ours[i], 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, nothing, NULL, NULL);
    if (rc != SQLITE_OK) {
        sqlite3_close(mirror);
        return sc_fail(diag, SC_E_NOMEM, "sql schema");
    }
    sql_names_only_in_double_quotes(mirror);
    sqlite3_limit(mirror, SQLITE_LIMIT_SQL_LENGTH, (int)SQL_TEXT_SIZE_MAX);
    sqlite3_limit(mirror, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(mirror, SQLITE_LIMIT_COLUMN, SQL_COLUMN_COUNT_MAX);
    sqlite3_exec(mirror, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    *out = mirror;
    return SC_OK;
}

/* The catalogue; "pk" marks the index that a primary key makes by itself: ours are clustered. */
static const char catalogue[] =
    "SELECT type, name, tbl_name, rootpage, coalesce(sql, ''), sql IS NULL AND type = 'index' AND EXISTS "
    "(SELECT 1 FROM pragma_index_list(m.tbl_name) l WHERE l.name = m.name AND l.origin = 'pk') AS pk "
    "FROM sqlite_schema m WHERE name <> 'sqlite_sequence' AND name NOT LIKE 'sqlite_stat%' AND NOT pk ORDER BY rowid";

static const char *text(sqlite3_stmt *st, int i)
{
    const char *t = (const char *)sqlite3_column_text(st, i);
    return t != NULL ? t : "";
}

static enum sql_object_type type_of(const char *t)
{
    return strcmp(t, "table") == 0   ? SQL_OBJECT_TABLE
           : strcmp(t, "index") == 0 ? SQL_OBJECT_INDEX
           : strcmp(t, "view") == 0  ? SQL_OBJECT_VIEW
                                     : SQL_OBJECT_TRIGGER;
}

/* ---- loading ---- */
static sc_err set_roots(sqlite3 *mirror, struct sql_schema_lists *l, struct sc_diag *diag)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    size_t found = 0;
    int rc;
    if (sqlite3_prepare_v2(mirror, catalogue, -1, &st, NULL) != SQLITE_OK)
        return fail(mirror, diag);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct sql_object *o = sql_schema_object(l, type_of(text(st, 0)), text(st, 1));
        if (o == NULL)
            return sc_fail(diag, SC_E_MALFORMED, "dictionary: %s has no record", text(st, 1));
        o->root = sqlite3_column_int64(st, 3);
        found++;
    }
    if (rc != SQLITE_DONE)
        return fail(mirror, diag);
    return found == l->object_count ? SC_OK
                                    : sc_fail(diag, SC_E_MALFORMED, "dictionary: records contradict each other");
}

/* Only what our own records can be: one statement that creates. */
static int authorize_load(void *arg, int action, const char *a, const char *b, const char *c, const char *e)
{
    (void)arg, (void)a, (void)b, (void)c, (void)e;
    return action == SQLITE_ATTACH || action == SQLITE_DETACH || action == SQLITE_PRAGMA ||
                   action == SQLITE_CREATE_VTABLE
               ? SQLITE_DENY
               : SQLITE_OK;
}

static sc_err create_all(sqlite3 *mirror, const struct sql_schema_lists *l, struct sc_diag *diag)
{
    for (size_t i = 0; i < l->object_count; i++) {
        const struct sql_object *o = l->objects[i];
        SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
        if (o->sql[0] == '\0')
            continue;
        if (strncasecmp(o->sql, "CREATE ", 7) != 0)
            return sc_fail(diag, SC_E_MALFORMED, "dictionary: record of %s", o->name);
        if (sqlite3_prepare_v2(mirror, o->sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_DONE)
            return sc_fail(diag, SC_E_MALFORMED, "dictionary: record of %s: %s", o->name, sqlite3_errmsg(mirror));
    }
    return SC_OK;
}

sc_err sql_mirror_load(sqlite3 *mirror, struct sql_schema_lists *l, struct sc_diag *diag)
{
    sqlite3_set_authorizer(mirror, authorize_load, NULL);
    const sc_err err = create_all(mirror, l, diag);
    sqlite3_set_authorizer(mirror, NULL, NULL);
    SC_TRY(err);
    return set_roots(mirror, l, diag);
}

/* ---- reading back after a change ---- */
static const struct sql_object *known_as(const struct sql_schema_lists *known, const struct sql_object *o)
{
    for (size_t i = 0; i < known->object_count; i++) {
        const struct sql_object *k = known->objects[i];
        if (k->type == o->type && (o->root != 0 ? k->root == o->root : strcasecmp(k->name, o->name) == 0))
            return k;
    }
    return NULL;
}

struct slots {
    const struct sql_object *was; /* NULL: a new table */
    struct sql_object *o;
    char (*old_names)[SQL_NAME_SIZE_MAX];
    char (*names)[SQL_NAME_SIZE_MAX];
    size_t name_count;
};

static sc_err collect_name(void *arg, size_t i, const char *name)
{
    struct slots *x = arg;
    if (i >= SQL_COLUMN_COUNT_MAX)
        return SC_E_LIMIT;
    snprintf(x->names[i], SQL_NAME_SIZE_MAX, "%s", name);
    x->name_count = i + 1;
    return SC_OK;
}

/* Column names of a CREATE TABLE text, asked of a scratch database: what the mirror had before an ALTER. */
static sc_err old_names(const struct sql_object *was, struct slots *x, struct sc_diag *diag)
{
    sqlite3 *scratch = NULL;
    SC_TRY(sql_mirror_open(&scratch, diag));
    sc_err err = sqlite3_exec(scratch, was->sql, NULL, NULL, NULL) == SQLITE_OK ? SC_OK : fail(scratch, diag);
    if (err == SC_OK)
        err = sql_define_columns(scratch, was->name, collect_name, x, diag);
    sqlite3_close(scratch);
    return err;
}

/* Same number of columns: renamed at most, each keeps its slot.  Otherwise a name keeps its slot, a new one gets a new
 * one. */
static sc_err give_slots(struct slots *x, const char (*old)[SQL_NAME_SIZE_MAX], size_t old_count, struct sc_diag *diag)
{
    struct sql_object *o = x->o;
    o->column_count = (uint16_t)x->name_count;
    o->slot_count = x->was != NULL ? x->was->slot_count : 0;
    for (size_t i = 0; i < x->name_count; i++) {
        int slot = -1;
        for (size_t k = 0; x->was != NULL && k < old_count && slot < 0; k++)
            if (x->name_count == old_count ? k == i : strcasecmp(old[k], x->names[i]) == 0)
                slot = x->was->slots[k];
        if (slot < 0 && o->slot_count == SQL_COLUMN_COUNT_MAX)
            return sc_fail(diag, SC_E_LIMIT, "a table has at most %d columns, dropped ones included",
                           SQL_COLUMN_COUNT_MAX);
        o->slots[i] = slot >= 0 ? (uint16_t)slot : o->slot_count++;
    }
    return SC_OK;
}

static sc_err table_slots(sqlite3 *mirror, const struct sql_object *was, struct sql_object *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char(*names)[SQL_NAME_SIZE_MAX] = calloc(2 * SQL_COLUMN_COUNT_MAX, sizeof *names);
    struct slots x = {.was = was, .o = o, .names = names};
    size_t old_count = 0;
    if (names == NULL)
        return SC_E_NOMEM;
    if (was != NULL && strcmp(was->sql, o->sql) == 0) {
        memcpy(o->slots, was->slots, sizeof o->slots);
        o->slot_count = was->slot_count;
        o->column_count = was->column_count;
        return SC_OK;
    }
    if (was != NULL) {
        SC_TRY(old_names(was, &x, diag));
        old_count = x.name_count;
        x.names = names + SQL_COLUMN_COUNT_MAX;
        x.name_count = 0;
    }
    const sc_err err = sql_define_columns(mirror, o->name, collect_name, &x, diag);
    if (err == SC_E_LIMIT)
        return sc_fail(diag, err, "a table has at most %d columns", SQL_COLUMN_COUNT_MAX);
    SC_TRY(err);
    return give_slots(&x, (const char(*)[SQL_NAME_SIZE_MAX])names, old_count, diag);
}

static sc_err read_object(sqlite3 *mirror, sqlite3_stmt *st, const struct sql_schema_lists *known, uint32_t *id_next,
                          struct sql_object **out, struct sc_diag *diag)
{
    SC_CLEANUP(sql_object_freep) struct sql_object *o = calloc(1, sizeof *o);
    if (o == NULL)
        return SC_E_NOMEM;
    o->type = type_of(text(st, 0));
    o->root = sqlite3_column_int64(st, 3);
    o->name = strdup(text(st, 1));
    o->table_name = strdup(o->type == SQL_OBJECT_INDEX || o->type == SQL_OBJECT_TRIGGER ? text(st, 2) : "");
    o->sql = strdup(text(st, 4));
    if (o->name == NULL || o->table_name == NULL || o->sql == NULL)
        return SC_E_NOMEM;
    const struct sql_object *was = known_as(known, o);
    o->ready = was != NULL ? was->ready : o->type != SQL_OBJECT_INDEX;
    o->id = was != NULL ? was->id : (*id_next)++;
    if (was == NULL && strncasecmp(o->name, "cascadb_", 8) == 0)
        return sc_fail(diag, SC_E_USAGE, "names beginning with \"cascadb_\" are reserved");
    if (strlen(o->name) >= SQL_NAME_SIZE_MAX + (o->sql[0] == '\0' ? 32 : 0))
        return sc_fail(diag, SC_E_LIMIT, "a name has 1..%zu bytes", SQL_NAME_SIZE_MAX - 1);
    if (o->type == SQL_OBJECT_TABLE)
        SC_TRY(table_slots(mirror, was, o, diag));
    *out = SC_TAKE(o);
    return SC_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct sql_object *x = *(struct sql_object *const *)a;
    const struct sql_object *y = *(struct sql_object *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

sc_err sql_mirror_read(sqlite3 *mirror, const struct sql_schema_lists *known, uint32_t *id_next,
                       struct sql_schema_lists *out, struct sc_diag *diag)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    int rc;
    if (sqlite3_prepare_v2(mirror, catalogue, -1, &st, NULL) != SQLITE_OK)
        return fail(mirror, diag);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct sql_object **grown = realloc(out->objects, (out->object_count + 1) * sizeof *grown);
        if (grown == NULL)
            return SC_E_NOMEM;
        out->objects = grown;
        SC_TRY(read_object(mirror, st, known, id_next, &out->objects[out->object_count], diag));
        out->object_count++;
    }
    if (rc != SQLITE_DONE)
        return fail(mirror, diag);
    if (out->object_count != 0)
        qsort(out->objects, out->object_count, sizeof *out->objects, by_id);
    return SC_OK;
}
