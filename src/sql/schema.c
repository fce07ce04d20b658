/* The dictionary of the database, shared by all sessions of the process, and each session's view of it. */
#include "sql/schema.h"

#include <stdio.h>
#include <strings.h>

/* ---- views ---- */
void sql_view_unref(struct sql_view *v)
{
    if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(v->name);
    free(v->sql);
    free(v);
}

static struct sql_view *view_new(const struct sql_object *o)
{
    struct sql_view *v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    v->refs = 1;
    v->id = o->id;
    v->type = o->type;
    v->name = strdup(o->name);
    v->sql = strdup(o->sql);
    if (v->name == NULL || v->sql == NULL) {
        sql_view_unref(v);
        return NULL;
    }
    return v;
}

/* ---- a schema: objects and what is made of them ---- */
void sql_schema_lists_deinit(struct sql_schema_lists *l)
{
    for (size_t i = 0; i < l->object_count; i++)
        sql_object_free(l->objects[i]);
    for (size_t i = 0; i < l->table_count; i++)
        sql_table_unref(l->tables[i]);
    for (size_t i = 0; i < l->view_count; i++)
        sql_view_unref(l->views[i]);
    free(l->objects);
    free(l->tables);
    free(l->views);
    *l = (struct sql_schema_lists){0};
}

struct sql_object *sql_schema_object(const struct sql_schema_lists *l, enum sql_object_type type, const char *name)
{
    for (size_t i = 0; i < l->object_count; i++)
        if (l->objects[i]->type == type && strcasecmp(l->objects[i]->name, name) == 0)
            return l->objects[i];
    return NULL;
}

static const struct sql_object *object_by_id(const struct sql_schema_lists *l, uint32_t id)
{
    size_t low = 0;
    size_t high = l->object_count;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (l->objects[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->object_count && l->objects[low]->id == id ? l->objects[low] : NULL;
}

static bool same(const struct sql_object *a, const struct sql_object *b)
{
    return a != NULL && b != NULL && a->ready == b->ready && strcmp(a->name, b->name) == 0 &&
           strcmp(a->table_name, b->table_name) == 0 && strcmp(a->sql, b->sql) == 0;
}

/* Whether what is made of table o must be made anew: itself, or an index or trigger of it, changed, came or went. */
static bool table_changed(const struct sql_schema_lists *old, const struct sql_schema_lists *now,
                          const struct sql_object *o)
{
    const struct sql_object *was = object_by_id(old, o->id);
    if (!same(was, o))
        return true;
    for (size_t i = 0; i < now->object_count; i++) {
        const struct sql_object *x = now->objects[i];
        if ((x->type == SQL_OBJECT_INDEX || x->type == SQL_OBJECT_TRIGGER) && strcasecmp(x->table_name, o->name) == 0 &&
            !same(object_by_id(old, x->id), x))
            return true;
    }
    for (size_t i = 0; i < old->object_count; i++) {
        const struct sql_object *x = old->objects[i];
        if ((x->type == SQL_OBJECT_INDEX || x->type == SQL_OBJECT_TRIGGER) &&
            strcasecmp(x->table_name, was->name) == 0 && object_by_id(now, x->id) == NULL)
            return true;
    }
    return false;
}

static struct sql_table *table_by_id(const struct sql_schema_lists *l, uint32_t id)
{
    for (size_t i = 0; i < l->table_count; i++)
        if (l->tables[i]->id == id)
            return l->tables[i];
    return NULL;
}

static struct sql_view *view_by_id(const struct sql_schema_lists *l, uint32_t id)
{
    for (size_t i = 0; i < l->view_count; i++)
        if (l->views[i]->id == id)
            return l->views[i];
    return NULL;
}

static sc_err add_table(sqlite3 *mirror, const struct sql_schema_lists *old, struct sql_schema_lists *now,
                        const struct sql_object *o, struct sc_diag *diag)
{
    struct sql_table *t = old != NULL ? table_by_id(old, o->id) : NULL;
    if (t != NULL && !table_changed(old, now, o)) {
        now->tables[now->table_count++] = sql_table_ref(t);
        return SC_OK;
    }
    struct sql_table *fresh = NULL;
    SC_TRY(sql_define_table(mirror, o, now->objects, now->object_count, &fresh, diag));
    if (t != NULL) {
        fresh->rows_estimate = atomic_load(&t->rows_estimate);
        memcpy(fresh->primary.rows_per, t->primary.rows_per, sizeof t->primary.rows_per);
        for (size_t i = 0; i < fresh->index_count; i++)
            for (size_t k = 0; k < t->index_count; k++)
                if (t->indexes[k].id == fresh->indexes[i].id)
                    memcpy(fresh->indexes[i].rows_per, t->indexes[k].rows_per, sizeof t->indexes[k].rows_per);
    }
    now->tables[now->table_count++] = fresh;
    return SC_OK;
}

static sc_err add_view(const struct sql_schema_lists *old, struct sql_schema_lists *now, const struct sql_object *o)
{
    struct sql_view *v = old != NULL ? view_by_id(old, o->id) : NULL;
    if (v != NULL && same(object_by_id(old, o->id), o)) {
        atomic_fetch_add(&v->refs, 1);
    } else if ((v = view_new(o)) == NULL) {
        return SC_E_NOMEM;
    }
    now->views[now->view_count++] = v;
    return SC_OK;
}

sc_err sql_schema_compile(sqlite3 *mirror, const struct sql_schema_lists *old, struct sql_schema_lists *now,
                          struct sc_diag *diag)
{
    now->tables = calloc(now->object_count + 1, sizeof *now->tables);
    now->views = calloc(now->object_count + 1, sizeof *now->views);
    if (now->tables == NULL || now->views == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < now->object_count; i++) {
        const struct sql_object *o = now->objects[i];
        if (o->type == SQL_OBJECT_TABLE)
            SC_TRY(add_table(mirror, old, now, o, diag));
        else if (o->type == SQL_OBJECT_VIEW ||
                 (o->type == SQL_OBJECT_TRIGGER && sql_schema_object(now, SQL_OBJECT_VIEW, o->table_name) != NULL))
            SC_TRY(add_view(old, now, o));
    }
    return SC_OK;
}

/* ---- loading ---- */
void sql_schema_encode_state(uint64_t version, uint32_t next, struct sc_buf *out)
{
    sc_buf_put_u8(out, SQL_DICTIONARY_VERSION);
    sc_buf_put_u64be(out, version);
    sc_buf_put_u32be(out, next);
}

static sc_err load_state(struct sc_sql_db *db, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    uint8_t format;
    uint64_t version;
    db->id_next = 1;
    db->schema_version = 1;
    sql_key_state(&key);
    SC_TRY(sc_buf_status(&key));
    const sc_err err = db->kv.ops->get(db->kv.self, NULL, sc_buf_slice(&key), &value, diag);
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    SC_TRY(err);
    struct sc_reader r = sc_reader_of(sc_buf_slice(&value));
    if (value.size == 12)
        return sc_fail(
            diag, SC_E_UNSUPPORTED,
            "the tables of this volume are in format 1, which this version does not read: export them with the "
            "version that wrote them, and load them into a new volume");
    if (sc_reader_get_u8(&r, &format) != SC_OK || format != SQL_DICTIONARY_VERSION ||
        sc_reader_get_u64be(&r, &version) != SC_OK || sc_reader_get_u32be(&r, &db->id_next) != SC_OK ||
        sc_reader_expect_end(&r) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "dictionary state is malformed, or of a version not known");
    db->schema_version = version;
    return SC_OK;
}

/* Calls each(key, value) for all dictionary records of one kind. */
static sc_err each_record(struct sc_sql_db *db, void (*key_of)(struct sc_buf *, uint32_t),
                          sc_err (*each)(struct sc_sql_db *, uint32_t, struct sc_slice, void *, struct sc_diag *),
                          void *arg, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    key_of(&bounds, 0);
    const size_t size = bounds.size;
    key_of(&bounds, UINT32_MAX);
    sc_buf_put_u8(&bounds, 0xff);
    SC_TRY(sc_buf_status(&bounds));
    const struct sql_kv_range range = {sc_slice_of(bounds.ptr, size), sc_slice_of(bounds.ptr + size, size + 1)};
    const struct sql_kv_ops *ops = db->kv.ops;
    struct sql_kv_iter *it = NULL;
    bool valid = false;
    SC_TRY(ops->iter_new(db->kv.self, NULL, &range, &it, diag));
    sc_err err = ops->iter_move(it, SQL_KV_SEEK, range.lower, &valid, diag);
    while (err == SC_OK && valid) {
        uint32_t id = 0;
        err = sql_key_dictionary_id(ops->iter_key(it), &id);
        if (err == SC_OK)
            err = each(db, id, ops->iter_value(it), arg, diag);
        if (err == SC_OK)
            err = ops->iter_move(it, SQL_KV_NEXT, SC_SLICE_EMPTY, &valid, diag);
    }
    ops->iter_free(it);
    return err;
}

static sc_err load_object(struct sc_sql_db *db, uint32_t id, struct sc_slice record, void *arg, struct sc_diag *diag)
{
    struct sql_schema_lists *l = arg;
    SC_CLEANUP(sql_object_freep) struct sql_object *o = NULL;
    SC_TRY(sql_object_decode(id, record, &o, diag));
    if (id >= db->id_next || sql_schema_object(l, o->type, o->name) != NULL)
        return sc_fail(diag, SC_E_MALFORMED, "dictionary: %s appears twice or too early", o->name);
    struct sql_object **grown = realloc(l->objects, (l->object_count + 1) * sizeof *grown);
    if (grown == NULL)
        return SC_E_NOMEM;
    l->objects = grown;
    l->objects[l->object_count++] = SC_TAKE(o);
    return SC_OK;
}

/* An index whose building a crash interrupted is dropped; what a crash left of dropped objects goes. */
static sc_err clear_dropped(struct sc_sql_db *db, uint32_t id, struct sc_slice record, void *arg, struct sc_diag *diag)
{
    (void)record;
    (void)arg;
    return sql_clear_object(db, id, diag);
}

static sc_err load_lists(struct sc_sql_db *db, struct sql_schema_lists *l, struct sc_diag *diag)
{
    SC_TRY(each_record(db, sql_key_object, load_object, l, diag));
    SC_TRY(sql_mirror_load(db->mirror, l, diag));
    SC_TRY(sql_schema_compile(db->mirror, NULL, l, diag));
    for (size_t i = 0; i < l->table_count; i++)
        SC_TRY(sql_statistics_load(db, l->tables[i], diag));
    return SC_OK;
}

void sql_schema_install(struct sc_sql_db *db, struct sql_schema_lists *l)
{
    struct sql_schema_lists old = {db->objects,     db->object_count, db->tables,
                                   db->table_count, db->views,        db->view_count};
    db->objects = l->objects;
    db->object_count = l->object_count;
    db->tables = l->tables;
    db->table_count = l->table_count;
    db->views = l->views;
    db->view_count = l->view_count;
    *l = old;
}

sc_err sql_schema_load(struct sc_sql_db *db, struct sc_diag *diag)
{
    struct sql_schema_lists l = {0};
    SC_TRY(load_state(db, diag));
    SC_TRY(sql_mirror_open(&db->mirror, diag));
    const sc_err err = load_lists(db, &l, diag);
    sql_schema_install(db, &l);
    sql_schema_lists_deinit(&l);
    SC_TRY(err);
    SC_TRY(each_record(db, sql_key_dropped, clear_dropped, NULL, diag));
    return sql_ddl_drop_unready(db, diag);
}

void sql_schema_free(struct sc_sql_db *db)
{
    struct sql_schema_lists l = {0};
    sql_schema_install(db, &l);
    sql_schema_lists_deinit(&l);
    sqlite3_close(db->mirror);
}

/* ---- a session's view ---- */
struct sql_table *sql_schema_find(struct sc_sql_session *s, const char *name)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (strcasecmp(s->tables[i]->name, name) == 0)
            return s->tables[i];
    return NULL;
}

struct sql_table *sql_schema_find_id(struct sc_sql_session *s, uint32_t id)
{
    for (size_t i = 0; i < s->table_count; i++)
        if (s->tables[i]->id == id)
            return s->tables[i];
    return NULL;
}

sc_err sql_run_internal(struct sc_sql_session *s, char *sql)
{
    if (sql == NULL)
        return sql_no_memory(s);
    const bool was = s->internal;
    s->internal = true;
    const int rc = sqlite3_exec(s->sqlite, sql, NULL, NULL, NULL);
    s->internal = was;
    sqlite3_free(sql);
    return rc == SQLITE_OK ? SC_OK : sql_fail_sqlite(s, rc);
}

struct view_lists { /* of a session: what it has declared, or is to declare */
    struct sql_table **tables;
    size_t table_count;
    struct sql_view **views;
    size_t view_count;
};

static bool has_table(const struct view_lists *l, const struct sql_table *t)
{
    for (size_t i = 0; i < l->table_count; i++)
        if (l->tables[i] == t)
            return true;
    return false;
}

static bool has_view(const struct view_lists *l, const struct sql_view *v)
{
    for (size_t i = 0; i < l->view_count; i++)
        if (l->views[i] == v)
            return true;
    return false;
}

static void view_lists_free(struct view_lists *l)
{
    for (size_t i = 0; i < l->table_count; i++)
        sql_table_unref(l->tables[i]);
    for (size_t i = 0; i < l->view_count; i++)
        sql_view_unref(l->views[i]);
    free(l->tables);
    free(l->views);
}

static sc_err copy_lists(struct sc_sql_session *s, struct view_lists *out, uint64_t *version_out)
{
    struct sc_sql_db *db = s->db;
    pthread_rwlock_rdlock(&db->lock);
    struct view_lists l = {.tables = calloc(db->table_count + 1, sizeof *l.tables),
                           .views = calloc(db->view_count + 1, sizeof *l.views)};
    const bool whole = l.tables != NULL && l.views != NULL;
    for (size_t i = 0; whole && i < db->table_count; i++)
        l.tables[l.table_count++] = sql_table_ref(db->tables[i]);
    for (size_t i = 0; whole && i < db->view_count; i++) {
        atomic_fetch_add(&db->views[i]->refs, 1);
        l.views[l.view_count++] = db->views[i];
    }
    *version_out = db->schema_version;
    pthread_rwlock_unlock(&db->lock);
    *out = l;
    if (whole)
        return SC_OK;
    view_lists_free(out);
    return sql_no_memory(s);
}

static sc_err undeclare(struct sc_sql_session *s, const struct view_lists *old, const struct view_lists *now)
{
    for (size_t i = old->view_count; i-- > 0;) /* triggers came after their views */
        if (!has_view(now, old->views[i]))
            SC_TRY(sql_run_internal(s, sqlite3_mprintf(old->views[i]->type == SQL_OBJECT_VIEW
                                                           ? "DROP VIEW IF EXISTS main.\"%w\""
                                                           : "DROP TRIGGER IF EXISTS main.\"%w\"",
                                                       old->views[i]->name)));
    for (size_t i = 0; i < old->table_count; i++)
        if (!has_table(now, old->tables[i])) {
            sql_eval_forget(s, old->tables[i]);
            SC_TRY(sql_run_internal(s, sqlite3_mprintf("DROP TABLE IF EXISTS main.\"%w\"", old->tables[i]->name)));
        }
    return SC_OK;
}

static sc_err declare(struct sc_sql_session *s, const struct view_lists *old, const struct view_lists *now)
{
    bool triggers = false;
    for (size_t i = 0; i < now->table_count; i++)
        triggers = triggers || now->tables[i]->trigger_count != 0;
    for (size_t i = 0; i < now->table_count; i++)
        if (!has_table(old, now->tables[i]))
            SC_TRY(
                sql_run_internal(s, sqlite3_mprintf("CREATE VIRTUAL TABLE IF NOT EXISTS main.\"%w\" USING cascadb(%u)",
                                                    now->tables[i]->name, (unsigned)now->tables[i]->id)));
    for (size_t i = 0; i < now->view_count; i++)
        if (!has_view(old, now->views[i]))
            SC_TRY(sql_run_internal(s, sqlite3_mprintf("%s", now->views[i]->sql)));
    /* Row tables that statements will need while they run: declared then, they would go with a statement that fails. */
    for (size_t i = 0; i < now->table_count; i++)
        if ((now->tables[i]->expressions || triggers) && !(has_table(old, now->tables[i]) && !triggers))
            SC_TRY(sql_eval_declare(s, now->tables[i]));
    return SC_OK;
}

sc_err sql_schema_refresh(struct sc_sql_session *s)
{
    if (s->schema_version == s->db->schema_version)
        return SC_OK;
    struct view_lists old = {s->tables, s->table_count, s->views, s->view_count};
    struct view_lists now = {0};
    uint64_t version = 0;
    SC_TRY(copy_lists(s, &now, &version));
    sql_stmt_cache_clear(s);
    s->tables = now.tables; /* xConnect looks here */
    s->table_count = now.table_count;
    s->views = now.views;
    s->view_count = now.view_count;
    sc_err err = undeclare(s, &old, &now);
    if (err == SC_OK)
        err = declare(s, &old, &now);
    view_lists_free(&old);
    s->schema_version = err == SC_OK ? version : 0; /* half-declared: tried again at the next statement */
    return err;
}

void sql_schema_forget(struct sc_sql_session *s)
{
    struct view_lists l = {s->tables, s->table_count, s->views, s->view_count};
    view_lists_free(&l);
}
