/* PRAGMA integrity_check: each row readable, each index entry has its row and the reverse, counters right. */
#include "sql/eval.h"

#define TOLD_MAX 20 /* errors told; the rest is counted */

struct check {
    struct sc_sql_session *s;
    struct sql_table *t;
    struct sc_buf *out;
    size_t errors;
    int64_t rows;
    int64_t entries[64]; /* that the rows should have, by index */
    int64_t found;       /* entries there */
    struct sc_arena arena;
};

static void tell(struct check *c, const char *what, const char *name)
{
    if (c->errors++ < TOLD_MAX)
        sc_buf_put_fmt(c->out, "%s%s: %s", c->out->size != 0 ? "\n" : "", name, what);
}

static sc_err check_entry(struct check *c, size_t i, const struct sc_sql_value *values, struct sc_slice key)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf entry = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf there = {0};
    struct sc_slice value = SC_SLICE_EMPTY;
    bool in = false;
    SC_TRY(sql_entry(c->s, c->t, i, values, key, &entry, &value, &in));
    if (!in)
        return SC_OK;
    c->entries[i]++;
    const sc_err err = sql_read(c->s, sc_buf_slice(&entry), &there);
    if (err == SC_E_NOT_FOUND)
        tell(c, "a row has no entry", c->t->indexes[i].name);
    else if (err != SC_OK)
        return err;
    else if (!sc_slice_eq(sc_buf_slice(&there), value))
        tell(c, "an entry names another row", c->t->indexes[i].name);
    return SC_OK;
}

static sc_err check_row(void *arg, struct sc_slice key, struct sc_slice value, bool *done)
{
    struct check *c = arg;
    struct sc_sql_value values[SQL_COLUMN_COUNT_MAX];
    struct sql_row row;
    struct sc_diag diag = {0};
    *done = false;
    c->rows++;
    if (sql_row_open(&row, value, c->t->id, &diag) != SC_OK || sql_row_check(&row) != SC_OK) {
        tell(c, "a row is damaged", c->t->name);
        return SC_OK;
    }
    if (sql_progress(c->s))
        return sql_fail_sqlite(c->s, SQLITE_INTERRUPT);
    sc_arena_reset(&c->arena);
    SC_TRY(sql_row_values(c->s, c->t, key, value, &c->arena, values));
    for (size_t i = 0; i < c->t->index_count; i++)
        if (c->t->indexes[i].ready)
            SC_TRY(check_entry(c, i, values, key));
    return SC_OK;
}

static sc_err count_entry(void *arg, struct sc_slice key, struct sc_slice value, bool *done)
{
    struct check *c = arg;
    (void)key;
    (void)value;
    *done = false;
    c->found++;
    return SC_OK;
}

static sc_err scan_all(struct check *c, uint8_t kind, uint32_t id,
                       sc_err (*each)(void *arg, struct sc_slice key, struct sc_slice value, bool *done))
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bounds = {0};
    sql_key_prefix(&bounds, kind, id);
    sql_key_prefix(&bounds, kind, id);
    sc_buf_put_u8(&bounds, SQL_TUPLE_AFTER);
    if (sc_buf_status(&bounds) != SC_OK)
        return sql_no_memory(c->s);
    return sql_scan(c->s, sc_slice_of(bounds.ptr, SQL_KEY_PREFIX_SIZE),
                    sc_slice_of(bounds.ptr + SQL_KEY_PREFIX_SIZE, SQL_KEY_PREFIX_SIZE + 1), each, c);
}

static sc_err check_table(struct check *c)
{
    int64_t counted = 0;
    c->rows = 0;
    memset(c->entries, 0, sizeof c->entries);
    SC_TRY(scan_all(c, SQL_KEY_ROWS, c->t->id, check_row));
    for (size_t i = 0; i < c->t->index_count; i++) {
        if (!c->t->indexes[i].ready)
            continue;
        c->found = 0;
        SC_TRY(scan_all(c, SQL_KEY_INDEX, c->t->indexes[i].id, count_entry));
        if (c->found != c->entries[i])
            tell(c, "entries without a row", c->t->indexes[i].name);
    }
    SC_TRY(sql_count(c->s, c->t, &counted));
    if (counted != c->rows)
        tell(c, "the count of rows is wrong", c->t->name);
    return SC_OK;
}

static void integrity_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct sc_sql_session *s = sqlite3_user_data(ctx);
    const char *name = argc != 0 ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    struct check c = {.s = s, .out = &out};
    sc_err err = SC_OK;
    sc_arena_init(&c.arena, 4 * SQL_KV_VALUE_SIZE_MAX);
    for (size_t i = 0; i < s->table_count && err == SC_OK; i++) {
        c.t = s->tables[i];
        if (name == NULL || sqlite3_stricmp(c.t->name, name) == 0)
            err = check_table(&c);
    }
    sc_arena_deinit(&c.arena);
    if (c.errors > TOLD_MAX)
        sc_buf_put_fmt(&out, "\nand %zu more", c.errors - TOLD_MAX);
    if (err != SC_OK || sc_buf_status(&out) != SC_OK)
        sqlite3_result_error(ctx, "integrity_check", -1);
    else
        sqlite3_result_text(ctx, out.size != 0 ? sc_buf_cstr(&out) : "ok", -1, SQLITE_TRANSIENT);
}

sc_err sql_check_register(struct sc_sql_session *s)
{
    return sqlite3_create_function(s->sqlite, "cascadb_integrity", -1, SQLITE_UTF8, s, integrity_function, NULL,
                                   NULL) == SQLITE_OK
               ? SC_OK
               : sql_no_memory(s);
}

bool sql_check_rewrite(struct sc_slice statement, struct sc_buf *out)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    char name[SQL_NAME_SIZE_MAX];
    if (!sql_token_is(sql_lex(&lx), "PRAGMA") || !sql_token_is(sql_lex(&lx), "integrity_check"))
        return false;
    struct sql_token t = sql_lex(&lx);
    if (t.kind == SQL_TOKEN_END) {
        sc_buf_put_str(out, "SELECT cascadb_integrity() AS integrity_check");
        return true;
    }
    if (!sql_token_is_punct(t, '(') || sql_token_name(sql_lex(&lx), name, sizeof name) != SC_OK)
        return false;
    char *sql = sqlite3_mprintf("SELECT cascadb_integrity(%Q) AS integrity_check", name);
    sc_buf_put_str(out, sql != NULL ? sql : "");
    sqlite3_free(sql);
    return sql != NULL;
}
