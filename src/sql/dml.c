/* INSERT, UPDATE and DELETE by tokens: what they name, and what of them SQLite cannot do on a virtual table.
 *
 *   INSERT ... VALUES (...) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE c RETURNING x
 *
 * goes to SQLite as INSERT ... VALUES (...).  The conflict is met where the row is written (write.c) and computed by
 *   SELECT (SELECT c FROM row(0) AS t), (SELECT excluded.b FROM row(0) AS t) FROM row(1) AS excluded
 * and when all is written, the answer is SELECT x FROM row(2) AS t (eval.h has row()). */
#include "sql/eval.h"

#include <stdio.h>
#include <strings.h>

static bool is_end(struct sql_token t)
{
    return t.kind == SQL_TOKEN_END || t.kind == SQL_TOKEN_BROKEN;
}

/* n of ?n or $n; 0 for other parameters. */
static size_t param_number(struct sql_token t)
{
    size_t n = 0;
    if (t.kind != SQL_TOKEN_PARAM || t.text.size < 2 || t.text.size > 6 ||
        (t.text.ptr[0] != '?' && t.text.ptr[0] != '$'))
        return 0;
    for (size_t i = 1; i < t.text.size; i++) {
        if (t.text.ptr[i] < '0' || t.text.ptr[i] > '9')
            return 0;
        n = n * 10 + (size_t)(t.text.ptr[i] - '0');
    }
    return n <= SQL_PARAM_NUMBER_MAX ? n : 0;
}

struct look {
    struct sc_sql_stmt *st;
    struct sql_dml dml; /* being made */
    struct sc_slice text;
    struct sql_lexer lx;
    struct sql_token verb;
    char alias[SQL_NAME_SIZE_MAX];
    uint16_t columns[SQL_COLUMN_COUNT_MAX]; /* of the list, or all */
    size_t column_count;
    const uint8_t *list_at;      /* where a column list is to be put; NULL: none */
    const uint8_t *conflict_at;  /* ON CONFLICT */
    const uint8_t *returning_at; /* RETURNING */
};

/* ---- the head ---- */
static bool find_verb(struct look *k)
{
    int depth = 0;
    for (struct sql_token t = sql_lex(&k->lx); !is_end(t); t = sql_lex(&k->lx)) {
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (depth == 0 && (sql_token_is(t, "INSERT") || sql_token_is(t, "REPLACE") || sql_token_is(t, "UPDATE") ||
                           sql_token_is(t, "DELETE"))) {
            k->verb = t;
            return true;
        }
    }
    return false;
}

static bool is_insert(const struct look *k)
{
    return sql_token_is(k->verb, "INSERT") || sql_token_is(k->verb, "REPLACE");
}

/* Moves behind [OR x] [INTO|FROM] [main.]name [AS alias]; false: not understood, or no table of ours. */
static bool find_target(struct look *k)
{
    char name[SQL_NAME_SIZE_MAX];
    struct sql_token t = sql_lex(&k->lx);
    if (sql_token_is(t, "OR")) {
        sql_lex(&k->lx);
        t = sql_lex(&k->lx);
    }
    if (sql_token_is(t, "INTO") || sql_token_is(t, "FROM"))
        t = sql_lex(&k->lx);
    if (sql_token_name(t, name, sizeof name) != SC_OK)
        return false;
    struct sql_lexer ahead = k->lx;
    if (sql_token_is_punct(sql_lex(&ahead), '.')) {
        if (strcasecmp(name, "main") != 0 || sql_token_name(sql_lex(&ahead), name, sizeof name) != SC_OK)
            return false;
        k->lx = ahead;
    }
    ahead = k->lx;
    k->dml.table = sql_schema_find(k->st->session, name);
    if (k->dml.table == NULL)
        return false;
    snprintf(k->alias, sizeof k->alias, "%s", k->dml.table->name);
    if (!sql_token_is(sql_lex(&ahead), "AS"))
        return true;
    if (sql_token_name(sql_lex(&ahead), k->alias, sizeof k->alias) != SC_OK)
        return false;
    k->lx = ahead;
    return true;
}

/* ---- INSERT's columns ---- */
static void omit(struct sql_dml *d, size_t column, bool omitted)
{
    if (omitted)
        d->omitted[column / 8] |= (uint8_t)(1u << column % 8);
    else
        d->omitted[column / 8] &= (uint8_t) ~(1u << column % 8);
}

static sc_err fail_generated(const struct look *k, const struct sql_column *c)
{
    return sql_fail(k->st->session, "428C9", "cannot INSERT into generated column \"%s\"", c->name);
}

/* "(a, b, c)", the parenthesis already read; *understood = false for an unknown name: SQLite will say so itself. */
static sc_err column_list(struct look *k, bool *understood)
{
    char name[SQL_NAME_SIZE_MAX];
    const struct sql_table *t = k->dml.table;
    *understood = false;
    for (size_t i = 0; i < t->column_count; i++)
        omit(&k->dml, i, true);
    for (;;) {
        if (sql_token_name(sql_lex(&k->lx), name, sizeof name) != SC_OK)
            return SC_OK;
        const int c = sql_table_column(t, name);
        if (k->column_count == SQL_COLUMN_COUNT_MAX)
            return SC_OK;
        if (c >= 0) { /* else rowid, or a mistake */
            if (t->columns[c].generated_sql != NULL)
                return fail_generated(k, &t->columns[c]);
            omit(&k->dml, (size_t)c, false);
        }
        k->columns[k->column_count++] = c >= 0 ? (uint16_t)c : UINT16_MAX;
        const struct sql_token end = sql_lex(&k->lx);
        if (sql_token_is_punct(end, ')'))
            break;
        if (!sql_token_is_punct(end, ','))
            return SC_OK;
    }
    *understood = true;
    return SC_OK;
}

static sc_err insert_columns(struct look *k, bool *understood)
{
    const struct sql_table *t = k->dml.table;
    const uint8_t *here = k->lx.cur;
    struct sql_lexer ahead = k->lx;
    const struct sql_token next = sql_lex(&ahead);
    *understood = true;
    if (sql_token_is_punct(next, '(')) {
        k->lx = ahead;
        return column_list(k, understood);
    }
    if (sql_token_is(next, "DEFAULT")) {
        for (size_t i = 0; i < t->column_count; i++)
            omit(&k->dml, i, true);
        return SC_OK;
    }
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].generated_sql == NULL)
            k->columns[k->column_count++] = (uint16_t)i;
    if (t->generated)
        k->list_at = here;
    return SC_OK;
}

static sc_err note_param(struct look *k, size_t n, size_t column)
{
    struct sql_dml *d = &k->dml;
    if (column >= k->dml.table->column_count)
        return SC_OK;
    if (n > d->param_count) {
        uint16_t *grown = realloc(d->param_column, n * sizeof *grown);
        if (grown == NULL)
            return sql_no_memory(k->st->session);
        memset(grown + d->param_count, 0, (n - d->param_count) * sizeof *grown);
        d->param_column = grown;
        d->param_count = n;
    }
    d->param_column[n - 1] = (uint16_t)(column + 1);
    return SC_OK;
}

/* ---- the rest ---- */
struct values { /* where in VALUES (...) a token stands: which parameter alone is at which place */
    bool in;
    size_t place, tokens, param;
};

static sc_err values_token(struct look *k, struct values *v, struct sql_token t, int depth_before, int depth)
{
    const bool ends = depth_before == 1 && (sql_token_is_punct(t, ',') || sql_token_is_punct(t, ')'));
    if (ends && v->tokens == 1 && v->param != 0 && v->place < k->column_count)
        SC_TRY(note_param(k, v->param, k->columns[v->place]));
    if (ends || (depth == 1 && sql_token_is_punct(t, '('))) {
        v->place = depth_before == 1 && sql_token_is_punct(t, ',') ? v->place + 1 : 0;
        v->tokens = v->param = 0;
    } else {
        v->tokens++;
        v->param = param_number(t);
    }
    return SC_OK;
}

static sc_err scan_rest(struct look *k)
{
    struct values v = {0};
    struct sql_token before = {0};
    int depth = 0;
    for (struct sql_token t = sql_lex(&k->lx); !is_end(t); before = t, t = sql_lex(&k->lx)) {
        const int depth_before = depth;
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        if (v.in)
            SC_TRY(values_token(k, &v, t, depth_before, depth));
        if (depth != 0)
            continue;
        if (sql_token_is(t, "VALUES") && is_insert(k))
            v.in = true;
        if (sql_token_is(t, "CONFLICT") && sql_token_is(before, "ON") && is_insert(k) && k->conflict_at == NULL) {
            k->conflict_at = before.text.ptr;
            v.in = false;
        }
        if (sql_token_is(t, "RETURNING") && !sql_token_is_punct(before, '.') && !sql_token_is_punct(before, ',') &&
            !sql_token_is(before, "AS") && !sql_token_is(before, "SET")) {
            k->returning_at = t.text.ptr;
            return SC_OK;
        }
    }
    return SC_OK;
}

/* ---- ON CONFLICT ---- */
static bool same_columns(const struct sql_index *ix, const bool *named, size_t named_count)
{
    if (!ix->unique || ix->part_count != named_count)
        return false;
    for (size_t i = 0; i < ix->part_count; i++)
        if (ix->parts[i].column < 0 || !named[ix->parts[i].column])
            return false;
    return true;
}

/* The target's columns, "(" being read: to behind ")". */
static sc_err conflict_target(struct look *k, struct sql_lexer *lx, const struct sql_index **out)
{
    const struct sql_table *t = k->dml.table;
    bool named[SQL_COLUMN_COUNT_MAX] = {false};
    char name[SQL_NAME_SIZE_MAX];
    size_t count = 0;
    for (struct sql_token x = sql_lex(lx); !is_end(x); x = sql_lex(lx)) {
        if (sql_token_is_punct(x, ')'))
            break;
        if (sql_token_is_punct(x, ','))
            continue;
        const int c = sql_token_name(x, name, sizeof name) == SC_OK ? sql_table_column(t, name) : -1;
        if (c < 0)
            return sql_fail(k->st->session, "0A000", "not supported: ON CONFLICT (expression), or no such column: %.*s",
                            (int)(x.text.size < 64 ? x.text.size : 64), (const char *)x.text.ptr);
        count += !named[c];
        named[c] = true;
    }
    *out = same_columns(&t->primary, named, count) ? &t->primary : NULL;
    for (size_t i = 0; i < t->index_count && *out == NULL; i++)
        if (same_columns(&t->indexes[i], named, count))
            *out = &t->indexes[i];
    return *out != NULL ? SC_OK
                        : sql_fail(k->st->session, "42P10",
                                   "ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint");
}

/* Text up to one of the words (or the end) outside parentheses; the lexer stops before it. */
static struct sc_slice until(struct sql_lexer *lx, const char *const *words, char punct)
{
    const uint8_t *from = lx->cur;
    int depth = 0;
    int cases = 0;
    for (;;) {
        struct sql_lexer ahead = *lx;
        const struct sql_token t = sql_lex(&ahead);
        bool stop = is_end(t);
        for (size_t i = 0; words[i] != NULL; i++)
            stop = stop || (depth == 0 && sql_token_is(t, words[i]));
        stop = stop || (depth == 0 && punct != 0 && sql_token_is_punct(t, punct)) ||
               (depth == 0 && sql_token_is_punct(t, ')'));
        if (stop && cases == 0)
            return sc_slice_of(from, (size_t)((is_end(t) ? lx->end : t.text.ptr) - from));
        if (is_end(t))
            return sc_slice_of(from, (size_t)(lx->end - from));
        cases += sql_token_is(t, "CASE") - (cases > 0 && sql_token_is(t, "END"));
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        *lx = ahead;
    }
}

static void put_row_source(struct look *k, struct sc_buf *out, int which, const char *alias)
{
    char *text = sqlite3_mprintf(" FROM main.cascadb_row_%u(%d) AS \"%w\"", (unsigned)k->dml.table->id, which, alias);
    sc_buf_put_str(out, text != NULL ? text : "");
    sqlite3_free(text);
}

static void put_expression(struct look *k, struct sc_buf *out, struct sc_slice expr)
{
    sc_buf_put_str(out, "(SELECT ");
    sc_buf_put_bytes(out, expr);
    put_row_source(k, out, 0, k->alias);
    sc_buf_put_str(out, ")");
}

static sc_err set_column(struct look *k, struct sql_upsert *u, struct sql_token t)
{
    char name[SQL_NAME_SIZE_MAX];
    const int c = sql_token_name(t, name, sizeof name) == SC_OK ? sql_table_column(k->dml.table, name) : -1;
    if (c < 0)
        return sql_fail(k->st->session, "42703", "no such column: %.*s", (int)(t.text.size < 64 ? t.text.size : 64),
                        (const char *)t.text.ptr);
    if (u->set_count == SQL_COLUMN_COUNT_MAX)
        return sql_fail(k->st->session, "42601", "too many columns in SET");
    u->set_columns[u->set_count++] = (uint16_t)c;
    return SC_OK;
}

static sc_err fail_set(struct look *k)
{
    return sql_fail(k->st->session, "42601", "syntax error in ON CONFLICT DO UPDATE SET");
}

/* column = expr, or (a, b) = (x, y): appends ", (expr)" for each. */
static sc_err assignment(struct look *k, struct sql_lexer *lx, struct sql_upsert *u, struct sc_buf *exprs)
{
    static const char *const ends[] = {"WHERE", "RETURNING", "ON", NULL};
    static const char *const none[] = {NULL};
    struct sql_token t = sql_lex(lx);
    if (!sql_token_is_punct(t, '(')) {
        SC_TRY(set_column(k, u, t));
        if (!sql_token_is_punct(sql_lex(lx), '='))
            return fail_set(k);
        sc_buf_put_str(exprs, ", ");
        put_expression(k, exprs, until(lx, ends, ','));
        return SC_OK;
    }
    size_t count = 0;
    for (t = sql_lex(lx); !is_end(t) && !sql_token_is_punct(t, ')'); t = sql_lex(lx))
        if (!sql_token_is_punct(t, ',')) {
            SC_TRY(set_column(k, u, t));
            count++;
        }
    if (!sql_token_is_punct(sql_lex(lx), '=') || !sql_token_is_punct(sql_lex(lx), '('))
        return fail_set(k);
    for (size_t i = 0; i < count; i++) {
        sc_buf_put_str(exprs, ", ");
        put_expression(k, exprs, until(lx, none, ','));
        if (!sql_token_is_punct(sql_lex(lx), i + 1 < count ? ',' : ')'))
            return fail_set(k);
    }
    return SC_OK;
}

static sc_err do_update(struct look *k, struct sql_lexer *lx, struct sql_upsert *u)
{
    static const char *const ends[] = {"RETURNING", "ON", NULL};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf exprs = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    struct sql_lexer ahead;
    struct sql_token t;
    u->update = true;
    if (!sql_token_is(sql_lex(lx), "SET"))
        return fail_set(k);
    do {
        SC_TRY(assignment(k, lx, u, &exprs));
        ahead = *lx;
        t = sql_lex(&ahead);
        if (sql_token_is_punct(t, ','))
            *lx = ahead;
    } while (sql_token_is_punct(t, ','));
    sc_buf_put_str(&sql, "SELECT ");
    if (sql_token_is(t, "WHERE")) {
        *lx = ahead;
        put_expression(k, &sql, until(lx, ends, 0));
    } else {
        sc_buf_put_str(&sql, "1");
    }
    sc_buf_put_bytes(&sql, sc_buf_slice(&exprs));
    put_row_source(k, &sql, 1, "excluded");
    if (sc_buf_status(&exprs) != SC_OK || sc_buf_status(&sql) != SC_OK)
        return sql_no_memory(k->st->session);
    SC_TRY(sql_eval_declare(k->st->session, k->dml.table));
    return sql_nested_prepare(k->st->session, sc_buf_slice(&sql), &u->program);
}

/* All ON CONFLICT clauses. */
static sc_err upserts(struct look *k)
{
    static const char *const ends[] = {"DO", NULL};
    const uint8_t *end = k->returning_at != NULL ? k->returning_at : k->text.ptr + k->text.size;
    struct sql_lexer lx = {k->conflict_at, end};
    while (sql_token_is(sql_lex(&lx), "ON")) {
        struct sql_upsert *grown = realloc(k->dml.upserts, (k->dml.upsert_count + 1) * sizeof *grown);
        if (grown == NULL)
            return sql_no_memory(k->st->session);
        k->dml.upserts = grown;
        struct sql_upsert *u = &grown[k->dml.upsert_count++];
        *u = (struct sql_upsert){0};
        sql_lex(&lx); /* CONFLICT */
        struct sql_token t = sql_lex(&lx);
        if (sql_token_is_punct(t, '(')) {
            SC_TRY(conflict_target(k, &lx, &u->target));
            t = sql_lex(&lx);
            if (sql_token_is(t, "WHERE")) {
                until(&lx, ends, 0);
                t = sql_lex(&lx);
            }
        }
        if (!sql_token_is(t, "DO"))
            return sql_fail(k->st->session, "42601", "syntax error in ON CONFLICT");
        t = sql_lex(&lx);
        if (sql_token_is(t, "UPDATE"))
            SC_TRY(do_update(k, &lx, u));
        else if (!sql_token_is(t, "NOTHING"))
            return sql_fail(k->st->session, "42601", "syntax error in ON CONFLICT");
    }
    return SC_OK;
}

static sc_err returning(struct look *k)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    const uint8_t *from = k->returning_at + strlen("RETURNING");
    sc_buf_put_str(&sql, "SELECT ");
    sc_buf_put_bytes(&sql, sc_slice_of(from, (size_t)(k->text.ptr + k->text.size - from)));
    put_row_source(k, &sql, 2, k->dml.table->name);
    if (sc_buf_status(&sql) != SC_OK)
        return sql_no_memory(k->st->session);
    SC_TRY(sql_eval_declare(k->st->session, k->dml.table));
    k->dml.rows = calloc(1, sizeof *k->dml.rows);
    if (k->dml.rows == NULL)
        return sql_no_memory(k->st->session);
    sc_arena_init(k->dml.rows, (size_t)256 << 20);
    return sql_nested_prepare(k->st->session, sc_buf_slice(&sql), &k->dml.returning);
}

/* "?" gets its number, so that it keeps its meaning when the text is taken apart. */
static void number_params(struct sc_slice text, struct sc_buf *out)
{
    struct sql_lexer lx = sql_lexer_of(text);
    const uint8_t *from = text.ptr;
    size_t last = 0;
    for (struct sql_token t = sql_lex(&lx); !is_end(t); t = sql_lex(&lx)) {
        if (t.kind != SQL_TOKEN_PARAM)
            continue;
        const size_t n = param_number(t);
        if (n > last)
            last = n;
        if (t.text.size != 1)
            continue;
        sc_buf_put_bytes(out, sc_slice_of(from, (size_t)(t.text.ptr - from)));
        sc_buf_put_fmt(out, "?%zu", ++last);
        from = lx.cur;
    }
    sc_buf_put_bytes(out, sc_slice_of(from, (size_t)(text.ptr + text.size - from)));
}

static void compose(const struct look *k, struct sc_buf *out)
{
    const uint8_t *end = k->text.ptr + k->text.size;
    const uint8_t *at = k->text.ptr;
    if (k->returning_at != NULL)
        end = k->returning_at;
    if (k->conflict_at != NULL)
        end = k->conflict_at;
    if (k->list_at != NULL) {
        sc_buf_put_bytes(out, sc_slice_of(at, (size_t)(k->list_at - at)));
        for (size_t i = 0; i < k->column_count; i++) {
            char *name = sqlite3_mprintf("%s\"%w\"", i == 0 ? " (" : ", ", k->dml.table->columns[k->columns[i]].name);
            sc_buf_put_str(out, name != NULL ? name : "");
            sqlite3_free(name);
        }
        sc_buf_put_str(out, ") ");
        at = k->list_at;
    }
    sc_buf_put_bytes(out, sc_slice_of(at, (size_t)(end - at)));
}

/* Looks at k->text; SC_OK with k->dml.table == NULL: nothing to do. */
static sc_err look_at(struct look *k)
{
    bool understood = true;
    k->lx = sql_lexer_of(k->text);
    if (!find_verb(k) || !find_target(k)) {
        k->dml.table = NULL;
        return SC_OK;
    }
    if (is_insert(k))
        SC_TRY(insert_columns(k, &understood));
    if (!understood) {
        k->dml.table = NULL;
        return SC_OK;
    }
    return scan_rest(k);
}

static sc_err look_twice(struct look *k, struct sc_buf *numbered, struct sc_buf *out, struct sc_slice *text_out)
{
    SC_TRY(look_at(k));
    if (k->dml.table == NULL || (k->list_at == NULL && k->conflict_at == NULL && k->returning_at == NULL))
        return SC_OK;
    if (k->conflict_at != NULL || k->returning_at != NULL) {
        struct look again = {.st = k->st};
        number_params(k->text, numbered);
        if (sc_buf_status(numbered) != SC_OK)
            return sql_no_memory(k->st->session);
        again.text = sc_buf_slice(numbered);
        free(k->dml.param_column);
        *k = again;
        SC_TRY(look_at(k));
    }
    if (k->conflict_at != NULL)
        SC_TRY(upserts(k));
    if (k->returning_at != NULL)
        SC_TRY(returning(k));
    compose(k, out);
    *text_out = sc_buf_slice(out);
    return sc_buf_status(out) == SC_OK ? SC_OK : sql_no_memory(k->st->session);
}

sc_err sql_dml_look(struct sc_sql_stmt *st, struct sc_buf *out, struct sc_slice *text_out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf numbered = {0};
    struct look k = {.st = st, .text = sc_slice_of(st->text, st->text_size)};
    *text_out = k.text;
    const sc_err err = look_twice(&k, &numbered, out, text_out);
    if (k.dml.table != NULL)
        sql_table_ref(k.dml.table);
    if (err == SC_OK && k.dml.table != NULL) {
        st->dml = k.dml;
        return SC_OK;
    }
    sql_dml_deinit(&k.dml);
    return err;
}

void sql_dml_deinit(struct sql_dml *d)
{
    for (size_t i = 0; i < d->upsert_count; i++)
        sc_sql_stmt_free(d->upserts[i].program);
    free(d->upserts);
    sc_sql_stmt_free(d->returning);
    if (d->rows != NULL)
        sc_arena_deinit(d->rows);
    free(d->rows);
    free(d->row_values);
    free(d->param_column);
    sql_fast_free(d->fast);
    sql_table_unref(d->table);
    *d = (struct sql_dml){0};
}

sc_err sql_dml_keep_row(struct sc_sql_session *s, struct sql_dml *d, const struct sc_sql_value *values)
{
    const size_t count = d->table->column_count;
    if (d->row_count == d->row_capacity) {
        const size_t capacity = d->row_capacity == 0 ? 16 : d->row_capacity * 2;
        struct sc_sql_value **grown = realloc(d->row_values, capacity * sizeof *grown);
        if (grown == NULL)
            return sql_no_memory(s);
        d->row_values = grown;
        d->row_capacity = capacity;
    }
    struct sc_sql_value *row = sc_arena_alloc(d->rows, count * sizeof *row);
    if (row == NULL)
        return sql_fail(s, "54000", "RETURNING gives too much");
    for (size_t i = 0; i < count; i++) {
        row[i] = values[i];
        if ((row[i].type != SC_SQL_TEXT && row[i].type != SC_SQL_BLOB) || row[i].bytes.size == 0)
            continue;
        row[i].bytes = sc_arena_copy(d->rows, row[i].bytes);
        if (row[i].bytes.ptr == NULL)
            return sql_fail(s, "54000", "RETURNING gives too much");
    }
    d->row_values[d->row_count++] = row;
    return SC_OK;
}
