/* CREATE, DROP and ALTER.  The statement runs in the mirror, within a transaction there; what its catalogue then says
 * is compared with what was known, written to the store, and shown to all sessions.
 *
 * A new index on a small table is built while commits wait; on a large one beside the writers: it is published as "not
 * ready", so that every commit that begins afterwards keeps it up (one that began before fails with 40001, because the
 * table changed), then filled in steps, whose transactions conflict with whatever changes the same entry, then
 * published again. */
#include "sql/schema.h"

#include <stdio.h>
#include <strings.h>

#define BUILD_AT_ONCE_MAX 20000 /* rows */

struct change {
    struct sc_sql_session *s;
    struct sql_schema_lists old; /* borrowed from db */
    struct sql_schema_lists now;
    uint32_t id_next;
    uint64_t version;
    struct sc_diag diag;
};

/* DDL stands alone: it ends a deferred transaction and is refused in an explicit one. */
static sc_err ddl_begin(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_EXPLICIT)
        return sql_fail(s, "25001", "CREATE, ALTER and DROP cannot run inside a transaction block");
    if (s->opt.read_only)
        return sql_fail(s, "25006", "cannot change the schema in a read-only session");
    if (s->active != 0)
        return sql_fail(s, "55006", "cannot change the schema while a query's rows are being read");
    return sql_tx_commit(s);
}

static int authorize(void *arg, int action, const char *a, const char *b, const char *db, const char *e)
{
    (void)arg, (void)a, (void)e;
    switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_PRAGMA:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_VTABLE:
        return SQLITE_DENY;
    case SQLITE_FUNCTION:
        return b != NULL && sqlite3_stricmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    default:
        return db != NULL && strcmp(db, "temp") == 0 && (action == SQLITE_INSERT || action == SQLITE_DELETE) &&
                       a != NULL && strncmp(a, "sqlite_", 7) != 0
                   ? SQLITE_DENY
                   : SQLITE_OK;
    }
}

static sc_err run_in_mirror(struct sc_sql_session *s, struct sc_slice text)
{
    sqlite3 *mirror = s->db->mirror;
    sqlite3_stmt *st = NULL;
    sqlite3_set_authorizer(mirror, authorize, NULL);
    int rc = sqlite3_prepare_v2(mirror, (const char *)text.ptr, (int)text.size, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
        rc = SQLITE_OK;
    sc_err err = SC_OK;
    if ((rc & 0xff) == SQLITE_AUTH)
        err = sql_fail(s, "0A000", "not supported: %.*s ...", (int)(text.size < 40 ? text.size : 40),
                       (const char *)text.ptr);
    else if (rc != SQLITE_DONE && rc != SQLITE_OK)
        err = sql_fail_sqlite_of(s, mirror, rc);
    sqlite3_finalize(st);
    sqlite3_set_authorizer(mirror, NULL, NULL);
    return err;
}

static const struct sql_object *find_id(const struct sql_schema_lists *l, uint32_t id)
{
    for (size_t i = 0; i < l->object_count; i++)
        if (l->objects[i]->id == id)
            return l->objects[i];
    return NULL;
}

static struct sql_table *table_named(const struct sql_schema_lists *l, const char *name)
{
    for (size_t i = 0; i < l->table_count; i++)
        if (strcasecmp(l->tables[i]->name, name) == 0)
            return l->tables[i];
    return NULL;
}

static bool differs(const struct sql_object *a, const struct sql_object *b)
{
    return a->ready != b->ready || strcmp(a->name, b->name) != 0 || strcmp(a->table_name, b->table_name) != 0 ||
           strcmp(a->sql, b->sql) != 0;
}

static bool changed(const struct change *c)
{
    if (c->old.object_count != c->now.object_count)
        return true;
    for (size_t i = 0; i < c->now.object_count; i++) {
        const struct sql_object *was = find_id(&c->old, c->now.objects[i]->id);
        if (was == NULL || differs(was, c->now.objects[i]))
            return true;
    }
    return false;
}

/* ---- writing it ---- */
static sc_err put_record(struct change *c, struct sql_kv_txn *txn, const struct sql_object *o)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    sql_key_object(&key, o->id);
    sql_object_encode(o, &record);
    SC_TRY(sc_buf_status(&key));
    SC_TRY(sc_buf_status(&record));
    return c->s->kv.ops->txn_put(txn, sc_buf_slice(&key), sc_buf_slice(&record));
}

static sc_err put_dropped(struct change *c, struct sql_kv_txn *txn, const struct sql_object *o)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf mark = {0};
    sql_key_object(&key, o->id);
    sql_key_dropped(&mark, o->id);
    SC_TRY(sc_buf_status(&key));
    SC_TRY(sc_buf_status(&mark));
    SC_TRY(c->s->kv.ops->txn_delete(txn, sc_buf_slice(&key)));
    if (o->type == SQL_OBJECT_VIEW || o->type == SQL_OBJECT_TRIGGER)
        return SC_OK;
    return c->s->kv.ops->txn_put(txn, sc_buf_slice(&mark), SC_SLICE_EMPTY);
}

static sc_err put_state(struct change *c, struct sql_kv_txn *txn)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf state = {0};
    sql_key_state(&key);
    sql_schema_encode_state(c->version, c->id_next, &state);
    SC_TRY(sc_buf_status(&key));
    SC_TRY(sc_buf_status(&state));
    return c->s->kv.ops->txn_put(txn, sc_buf_slice(&key), sc_buf_slice(&state));
}

static sc_err put_all(struct change *c, struct sql_kv_txn *txn)
{
    SC_TRY(put_state(c, txn));
    for (size_t i = 0; i < c->now.object_count; i++) {
        const struct sql_object *was = find_id(&c->old, c->now.objects[i]->id);
        if (was == NULL || differs(was, c->now.objects[i]))
            SC_TRY(put_record(c, txn, c->now.objects[i]));
    }
    for (size_t i = 0; i < c->old.object_count; i++)
        if (find_id(&c->now, c->old.objects[i]->id) == NULL)
            SC_TRY(put_dropped(c, txn, c->old.objects[i]));
    return SC_OK;
}

static void borrow_old(struct change *c)
{
    const struct sc_sql_db *db = c->s->db;
    c->old = (struct sql_schema_lists){db->objects,     db->object_count, db->tables,
                                       db->table_count, db->views,        db->view_count};
}

/* The new indexes that are filled together with the change: the session's transaction is the change's meanwhile. */
static sc_err build_small(struct change *c, struct sql_kv_txn *txn)
{
    struct sc_sql_session *s = c->s;
    sc_err err = SC_OK;
    SC_ASSERT(s->txn == NULL);
    s->txn = txn;
    s->tx = SQL_TX_STATEMENT;
    for (size_t i = 0; i < c->now.object_count && err == SC_OK; i++) {
        const struct sql_object *o = c->now.objects[i];
        if (o->type != SQL_OBJECT_INDEX || !o->ready || find_id(&c->old, o->id) != NULL)
            continue;
        struct sql_table *t = table_named(&c->now, o->table_name);
        if (find_id(&c->old, t->id) == NULL)
            continue; /* a table without rows yet */
        for (size_t k = 0; k < t->index_count && err == SC_OK; k++)
            if (t->indexes[k].id == o->id)
                err = sql_build_at_once(s, t, k);
    }
    s->txn = NULL;
    s->tx = SQL_TX_NONE;
    return err;
}

/* Writes the change and shows it.  Commits wait meanwhile, so that none sees half of it. */
static sc_err publish(struct change *c, bool build)
{
    struct sc_sql_session *s = c->s;
    struct sql_kv_txn *txn = NULL;
    pthread_rwlock_wrlock(&s->db->lock);
    c->version = s->db->schema_version + 1;
    sc_err err = s->kv.ops->txn_begin(s->kv.self, &txn);
    if (err == SC_OK) {
        err = put_all(c, txn);
        if (err == SC_OK && build)
            err = build_small(c, txn);
        if (err == SC_OK)
            err = s->kv.ops->txn_commit(txn, true, &c->diag);
        else
            s->kv.ops->txn_abort(txn);
    }
    if (err == SC_OK) {
        s->db->id_next = c->id_next;
        sql_schema_install(s->db, &c->now); /* now holds what was before */
        s->db->schema_version = c->version;
    }
    pthread_rwlock_unlock(&s->db->lock);
    if (err != SC_OK && !s->failed)
        sql_fail_storage(s, err, &c->diag, "change of schema");
    return err;
}

/* ---- what SQLite's own rules do not cover ---- */
/* A table that another one references goes only when that one has no rows. */
static sc_err check_drops(struct change *c)
{
    struct sc_sql_session *s = c->s;
    for (size_t i = 0; i < c->old.table_count; i++) {
        struct sql_table *gone = c->old.tables[i];
        if (find_id(&c->now, gone->id) != NULL)
            continue;
        for (size_t k = 0; k < c->now.table_count; k++)
            for (size_t f = 0; f < c->now.tables[k]->fk_count; f++) {
                int64_t rows = 0;
                if (strcasecmp(c->now.tables[k]->fks[f].parent, gone->name) != 0)
                    continue;
                SC_TRY(sql_count(s, c->now.tables[k], &rows));
                if (rows != 0)
                    return sql_fail(s, "2BP01", "cannot drop table \"%s\": table \"%s\" references it", gone->name,
                                    c->now.tables[k]->name);
            }
    }
    return SC_OK;
}

static sc_err check_added(struct change *c)
{
    for (size_t i = 0; i < c->now.table_count; i++) {
        const struct sql_table *t = c->now.tables[i];
        for (size_t k = 0; k < c->old.table_count; k++) {
            const struct sql_table *was = c->old.tables[k];
            int64_t rows = 0;
            if (was->id != t->id || t->column_count <= was->column_count)
                continue;
            const struct sql_column *added = &t->columns[t->column_count - 1];
            SC_TRY(sql_count(c->s, c->old.tables[k], &rows));
            if (rows != 0 && (added->generated_sql != NULL || t->check_count > was->check_count))
                return sql_fail(c->s, "0A000",
                                "not supported: ADD COLUMN of a generated or checked column to a table with rows");
            if (rows != 0 && added->not_null && added->default_value.type == SC_SQL_NULL)
                return sql_fail(c->s, "23502", "Cannot add a NOT NULL column with default value NULL");
            if (rows != 0 && t->fk_count > was->fk_count && added->default_value.type != SC_SQL_NULL)
                return sql_fail(c->s, "0A000", "Cannot add a REFERENCES column with non-NULL default value");
            if (rows != 0 && added->default_sql != NULL && !added->default_constant)
                return sql_fail(c->s, "0A000", "Cannot add a column with non-constant default");
        }
    }
    return SC_OK;
}

/* New indexes: built at once where the table is small. */
static sc_err plan_builds(struct change *c, uint32_t *online_out)
{
    *online_out = 0;
    for (size_t i = 0; i < c->now.object_count; i++) {
        struct sql_object *o = c->now.objects[i];
        if (o->type != SQL_OBJECT_INDEX || find_id(&c->old, o->id) != NULL)
            continue;
        struct sql_table *was = table_named(&c->old, o->table_name);
        int64_t rows = 0;
        if (was != NULL)
            SC_TRY(sql_count(c->s, was, &rows));
        o->ready = rows <= BUILD_AT_ONCE_MAX;
        if (!o->ready)
            *online_out = o->id;
    }
    return SC_OK;
}

static sc_err change_make(struct change *c)
{
    struct sc_sql_session *s = c->s;
    const sc_err err = sql_mirror_read(s->db->mirror, &c->old, &c->id_next, &c->now, &c->diag);
    if (err != SC_OK)
        return sql_fail(s,
                        err == SC_E_NOMEM   ? "53200"
                        : err == SC_E_LIMIT ? "54011"
                                            : "42939",
                        "%s", sc_diag_text(&c->diag, err));
    return SC_OK;
}

static sc_err change_compile(struct change *c)
{
    const sc_err err = sql_schema_compile(c->s->db->mirror, &c->old, &c->now, &c->diag);
    if (err == SC_OK)
        return SC_OK;
    return sql_fail(c->s,
                    err == SC_E_NOMEM         ? "53200"
                    : err == SC_E_LIMIT       ? "54011"
                    : err == SC_E_UNSUPPORTED ? "0A000"
                                              : "42601",
                    "%s", sc_diag_text(&c->diag, err));
}

/* Publishes an index as ready, or takes it away again. */
static sc_err finish_online(struct sc_sql_session *s, uint32_t id, bool keep)
{
    struct change c = {.s = s};
    borrow_old(&c);
    c.id_next = s->db->id_next;
    c.now.objects = calloc(c.old.object_count + 1, sizeof *c.now.objects);
    sc_err err = c.now.objects != NULL ? SC_OK : sql_no_memory(s);
    for (size_t i = 0; i < c.old.object_count && err == SC_OK; i++) {
        if (c.old.objects[i]->id == id && !keep)
            continue;
        struct sql_object *o = sql_object_copy(c.old.objects[i]);
        if (o == NULL) {
            err = sql_no_memory(s);
            break;
        }
        o->ready = o->ready || o->id == id;
        c.now.objects[c.now.object_count++] = o;
    }
    if (err == SC_OK)
        err = change_compile(&c);
    if (err == SC_OK)
        err = publish(&c, false);
    sql_schema_lists_deinit(&c.now);
    return err;
}

static sc_err build_online(struct sc_sql_session *s, uint32_t id)
{
    sc_err err = SC_E_NOT_FOUND;
    struct sc_sql_db *db = s->db; /* its lists change only under ddl, which we hold */
    for (size_t i = 0; i < db->table_count; i++)
        for (size_t k = 0; k < db->tables[i]->index_count; k++)
            if (db->tables[i]->indexes[k].id == id) {
                struct sql_table *t = sql_table_ref(db->tables[i]);
                err = sql_build_online(s, t, k);
                sql_table_unref(t);
                goto built;
            }
built:
    if (err == SC_OK)
        return finish_online(s, id, true);
    const struct sc_sql_error told = s->error;
    char name[SQL_NAME_SIZE_MAX + 64] = "";
    struct sql_schema_lists all = {.objects = db->objects, .object_count = db->object_count};
    const struct sql_object *o = find_id(&all, id);
    if (o != NULL)
        snprintf(name, sizeof name, "%s", o->name);
    s->failed = false;
    sc_err undone = finish_online(s, id, false);
    char *sql = sqlite3_mprintf("DROP INDEX \"%w\"", name);
    if (sql == NULL || sqlite3_exec(db->mirror, sql, NULL, NULL, NULL) != SQLITE_OK)
        undone = SC_E_NOMEM;
    sqlite3_free(sql);
    sc_ignore(undone); /* an index that is not ready is never read, and goes at the next start */
    s->error = told;
    s->failed = true;
    return err;
}

/* ---- after it: rows of dropped objects, CREATE TABLE AS ---- */
static sc_err clear_gone(struct change *c)
{
    /* after publish() the lists have changed places: now is what was */
    for (size_t i = 0; i < c->now.object_count; i++) {
        const struct sql_object *o = c->now.objects[i];
        struct sc_diag diag = {0};
        const struct sc_sql_db *db = c->s->db;
        const struct sql_schema_lists l = {.objects = db->objects, .object_count = db->object_count};
        if (o->type == SQL_OBJECT_VIEW || o->type == SQL_OBJECT_TRIGGER || find_id(&l, o->id) != NULL)
            continue;
        const sc_err err = sql_clear_object(c->s->db, o->id, &diag);
        if (err != SC_OK)
            return sql_fail_storage(c->s, err, &diag, "drop");
    }
    return SC_OK;
}

/* The SELECT of CREATE TABLE name AS SELECT ..., or empty. */
static struct sc_slice as_select(struct sc_slice text)
{
    struct sql_lexer lx = sql_lexer_of(text);
    struct sql_token t = sql_lex(&lx);
    if (!sql_token_is(t, "CREATE"))
        return SC_SLICE_EMPTY;
    for (t = sql_lex(&lx); t.kind != SQL_TOKEN_END && t.kind != SQL_TOKEN_BROKEN; t = sql_lex(&lx)) {
        if (sql_token_is_punct(t, '(') || sql_token_is(t, "VIEW") || sql_token_is(t, "TRIGGER"))
            return SC_SLICE_EMPTY;
        if (sql_token_is(t, "AS"))
            return sc_slice_of(lx.cur, (size_t)(lx.end - lx.cur));
    }
    return SC_SLICE_EMPTY;
}

static sc_err ddl_locked(struct sc_sql_session *s, struct sc_slice text, char filled[static SQL_NAME_SIZE_MAX])
{
    struct change c = {.s = s, .id_next = s->db->id_next};
    uint32_t online = 0;
    bool different = false;
    sqlite3 *mirror = s->db->mirror;
    borrow_old(&c);
    if (sqlite3_exec(mirror, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return sql_no_memory(s);
    sc_err err = run_in_mirror(s, text);
    if (err == SC_OK)
        err = change_make(&c);
    if (err == SC_OK)
        err = plan_builds(&c, &online);
    if (err == SC_OK && (different = changed(&c))) {
        err = change_compile(&c);
        if (err == SC_OK)
            err = check_drops(&c);
        if (err == SC_OK)
            err = check_added(&c);
        if (err == SC_OK)
            err = publish(&c, true);
        if (err == SC_OK && c.now.object_count < s->db->object_count) /* c.now is what was before */
            snprintf(filled, SQL_NAME_SIZE_MAX, "%s", s->db->objects[s->db->object_count - 1]->name);
    }
    sqlite3_exec(mirror, err == SC_OK ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL);
    if (err == SC_OK && different)
        err = clear_gone(&c);
    if (err == SC_OK && online != 0)
        err = build_online(s, online);
    sql_schema_lists_deinit(&c.now);
    return err;
}

static sc_err fill(struct sc_sql_session *s, const char *table, struct sc_slice select)
{
    char *sql = sqlite3_mprintf("INSERT INTO \"%w\" %.*s", table, (int)select.size, (const char *)select.ptr);
    if (sql == NULL)
        return sql_no_memory(s);
    sc_err err = sc_sql_exec(s, sql);
    sqlite3_free(sql);
    if (err == SC_OK)
        return SC_OK;
    const struct sc_sql_error told = s->error;
    if ((sql = sqlite3_mprintf("DROP TABLE \"%w\"", table)) != NULL)
        sc_ignore(sc_sql_exec(s, sql)); /* the first failure is the one to tell */
    sqlite3_free(sql);
    s->error = told;
    s->failed = true;
    return err;
}

/* Whether the statement is about something in the session's own temp schema: it says so, or names what is there. */
static bool is_temp(struct sc_sql_session *s, struct sc_slice text)
{
    struct sql_lexer lx = sql_lexer_of(text);
    char name[SQL_NAME_SIZE_MAX];
    const bool create = sql_token_is(sql_lex(&lx), "CREATE");
    struct sql_token t = sql_lex(&lx);
    while (sql_token_is(t, "TABLE") || sql_token_is(t, "VIEW") || sql_token_is(t, "UNIQUE") ||
           sql_token_is(t, "INDEX") || sql_token_is(t, "TRIGGER") || sql_token_is(t, "IF") || sql_token_is(t, "NOT") ||
           sql_token_is(t, "EXISTS"))
        t = sql_lex(&lx);
    if (sql_token_name(t, name, sizeof name) != SC_OK)
        return false;
    if (sql_token_is_punct(sql_lex(&lx), '.'))
        return strcasecmp(name, "temp") == 0;
    sqlite3_stmt *st = NULL;
    bool there = false;
    const bool was = s->internal;
    s->internal = true;
    if (!create &&
        sqlite3_prepare_v2(s->sqlite, "SELECT 1 FROM sqlite_temp_schema WHERE name = ?1 COLLATE NOCASE", -1, &st,
                           NULL) == SQLITE_OK &&
        sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC) == SQLITE_OK)
        there = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_finalize(st);
    s->internal = was;
    return there;
}

static sc_err ddl_temp(struct sc_sql_session *s, struct sc_slice text)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->sqlite, (const char *)text.ptr, (int)text.size, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const sc_err err = rc == SQLITE_DONE || rc == SQLITE_OK ? SC_OK : sql_fail_sqlite(s, rc);
    sqlite3_finalize(st);
    return err;
}

sc_err sql_ddl(struct sc_sql_session *s, struct sc_sql_stmt *st)
{
    const struct sc_slice text = sc_slice_of(st->text, st->text_size);
    const struct sc_slice select = as_select(text);
    char created[SQL_NAME_SIZE_MAX] = "";
    if (is_temp(s, text))
        return ddl_temp(s, text);
    SC_TRY(ddl_begin(s));
    pthread_mutex_lock(&s->db->ddl);
    const sc_err err = ddl_locked(s, text, created);
    pthread_mutex_unlock(&s->db->ddl);
    SC_TRY(err);
    SC_TRY(sql_schema_refresh(s));
    return select.size != 0 && created[0] != '\0' ? fill(s, created, select) : SC_OK;
}

sc_err sql_ddl_drop_unready(struct sc_sql_db *db, struct sc_diag *diag)
{
    for (size_t i = 0; i < db->object_count;) {
        if (db->objects[i]->ready) {
            i++;
            continue;
        }
        struct sc_sql_session *s = NULL;
        char *sql = sqlite3_mprintf("DROP INDEX \"%w\"", db->objects[i]->name);
        SC_TRY(sc_sql_session_new(db, &(struct sc_sql_session_options){0}, &s, diag));
        sc_err err = sql != NULL ? sc_sql_exec(s, sql) : SC_E_NOMEM;
        if (err != SC_OK)
            err = sc_fail(diag, err, "index %s, half-built: %s", db->objects[i]->name, s->error.message);
        sqlite3_free(sql);
        sc_sql_session_free(s);
        SC_TRY(err);
        i = 0;
    }
    return SC_OK;
}
