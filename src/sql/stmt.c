/* Statements: prepared, bound, run.  What SQLite runs goes through end_sqlite(); what the front end does itself through
 * run_own(). */
#include "sql/eval.h"
#include "sql/filter.h"

#include "base/clock.h"

#include <stdio.h>

#define CACHE_TEXT_SIZE_MAX 4096
#define CACHE_COUNT         (sizeof((struct sc_sql_session *)0)->cache / sizeof((struct sc_sql_session *)0)->cache[0])

/* ---- preparing ---- */
/* n of $n and ?n; others take the next place, as SQLite numbers them. */
static size_t param_number(sqlite3_stmt *st, int index)
{
    const char *name = sqlite3_bind_parameter_name(st, index);
    if (name == NULL || (name[0] != '$' && name[0] != '?'))
        return (size_t)index;
    char *end = NULL;
    const unsigned long n = strtoul(name + 1, &end, 10);
    return *end == '\0' && n >= 1 && n <= SQL_PARAM_NUMBER_MAX ? (size_t)n : 0;
}

static sc_err map_params(struct sc_sql_stmt *st)
{
    const int count = sqlite3_bind_parameter_count(st->sqlite);
    for (int i = 1; i <= count; i++) {
        const size_t n = param_number(st->sqlite, i);
        if (n == 0)
            return sql_fail(st->session, "42P02", "parameters are called $1, $2 ...");
        if (n > st->param_count)
            st->param_count = n;
    }
    st->params = calloc(st->param_count + 1, sizeof *st->params);
    if (st->params == NULL)
        return sql_no_memory(st->session);
    for (int i = 1; i <= count; i++) {
        /* "?3" leaves SQLite's 1 and 2 without a name: they come back as places nobody wrote */
        int *place = &st->params[param_number(st->sqlite, i) - 1];
        if (*place == 0 || sqlite3_bind_parameter_name(st->sqlite, i) != NULL)
            *place = i;
    }
    return SC_OK;
}

/* Parameters that only RETURNING or DO UPDATE has count too. */
static sc_err count_more_params(struct sc_sql_stmt *st)
{
    size_t most = st->param_count;
    if (st->dml.returning != NULL && st->dml.returning->param_count > most)
        most = st->dml.returning->param_count;
    for (size_t i = 0; i < st->dml.upsert_count; i++)
        if (st->dml.upserts[i].program != NULL && st->dml.upserts[i].program->param_count > most)
            most = st->dml.upserts[i].program->param_count;
    if (most == st->param_count)
        return SC_OK;
    int *grown = realloc(st->params, (most + 1) * sizeof *grown);
    if (grown == NULL)
        return sql_no_memory(st->session);
    memset(grown + st->param_count, 0, (most + 1 - st->param_count) * sizeof *grown);
    st->params = grown;
    st->param_count = most;
    return SC_OK;
}

static bool is_dml(enum sql_kind kind)
{
    return kind == SQL_KIND_INSERT || kind == SQL_KIND_UPDATE || kind == SQL_KIND_DELETE;
}

/* What SQLite is to prepare for st: its text, or another one in rewritten. */
static sc_err look_at_text(struct sc_sql_stmt *st, struct sc_buf *rewritten, struct sc_slice *text_out)
{
    *text_out = sc_slice_of(st->text, st->text_size);
    if (is_dml(st->kind)) {
        SC_TRY(sql_dml_look(st, rewritten, text_out));
        st->bound_to_schema = true;
        if (st->kind == SQL_KIND_INSERT && !st->nested && !st->session->no_fast)
            SC_TRY(sql_fast_look(st));
    } else if (st->kind == SQL_KIND_SELECT && sql_count_rewrite(st->session, *text_out, rewritten)) {
        *text_out = sc_buf_slice(rewritten);
        st->bound_to_schema = true;
    } else if (st->kind == SQL_KIND_PRAGMA && sql_check_rewrite(*text_out, rewritten))
        *text_out = sc_buf_slice(rewritten);
    st->rewritten = rewritten->size != 0;
    return sc_buf_status(rewritten) == SC_OK ? SC_OK : sql_no_memory(st->session);
}

static sc_err prepare_sqlite(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf rewritten = {0};
    struct sc_slice text;
    const char *tail = NULL;
    SC_TRY(look_at_text(st, &rewritten, &text));
    st->schema_version = s->schema_version;
    if (st->dml.fast != NULL) {
        st->read_only = false;
        return SC_OK;
    }
    const int rc = sqlite3_prepare_v3(s->sqlite, (const char *)text.ptr, (int)text.size, SQLITE_PREPARE_PERSISTENT,
                                      &st->sqlite, &tail);
    if (rc != SQLITE_OK) {
        const sc_err err = sql_fail_sqlite(s, rc);
        if (st->rewritten)
            s->error.position = 0; /* it would point into the rewritten text */
        return err;
    }
    if (st->sqlite == NULL) { /* only comments, which the tokens did not tell */
        st->kind = SQL_KIND_EMPTY;
        return SC_OK;
    }
    st->answer = st->dml.returning;
    st->read_only = sqlite3_stmt_readonly(st->sqlite);
    SC_TRY(map_params(st));
    return count_more_params(st);
}

static struct sc_slice behind_words(struct sc_slice text, size_t words)
{
    struct sql_lexer lx = sql_lexer_of(text);
    for (size_t i = 0; i < words; i++)
        sql_lex(&lx);
    return sc_slice_of(lx.cur, (size_t)(lx.end - lx.cur));
}

/* EXPLAIN KEYS statement: it is run, and what it read is told; one row of json_each() for each access. */
static sc_err prepare_explain_keys(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    const struct sc_slice inner = behind_words(sc_slice_of(st->text, st->text_size), 2);
    if (sql_kind_of(inner) != SQL_KIND_SELECT)
        return sql_fail(s, "0A000", "not supported: EXPLAIN KEYS of anything but SELECT, as the statement is run");
    SC_TRY(sql_nested_prepare(s, inner, &st->explained));
    SC_TRY(sql_nested_prepare(s, sc_slice_str("SELECT value AS \"keys\" FROM json_each(?1)"), &st->answer));
    st->param_count = st->explained->param_count;
    return SC_OK;
}

/* SQLite's opcodes name addresses inside the process, which nobody outside an enclave should learn. */
static sc_err prepare_explain(struct sc_sql_stmt *st)
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    sql_lex(&lx);
    const struct sql_token second = sql_lex(&lx);
    if (sql_token_is(second, "KEYS"))
        return prepare_explain_keys(st);
    if (sql_token_is(second, "QUERY"))
        return prepare_sqlite(st);
    return sql_fail(st->session, "0A000",
                    "not supported: EXPLAIN of opcodes; EXPLAIN QUERY PLAN and EXPLAIN KEYS are there");
}

static sc_err fail_unsupported(struct sc_sql_stmt *st)
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    const struct sql_token first = sql_lex(&lx);
    const struct sql_token second = sql_lex(&lx);
    return sql_fail(st->session, "0A000", "not supported: %.*s %.*s", (int)first.text.size,
                    (const char *)first.text.ptr, (int)(second.text.size < 64 ? second.text.size : 64),
                    (const char *)second.text.ptr);
}

static sc_err prepare_pragma(struct sc_sql_stmt *st)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf rewritten = {0};
    if (!sql_check_rewrite(sc_slice_of(st->text, st->text_size), &rewritten))
        return fail_unsupported(st);
    return prepare_sqlite(st);
}

static sc_err prepare(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    st->read_only = true;
    switch (st->kind) {
    case SQL_KIND_EXPLAIN:
    case SQL_KIND_SELECT:
    case SQL_KIND_INSERT:
    case SQL_KIND_UPDATE:
    case SQL_KIND_DELETE:
    case SQL_KIND_OTHER:
    case SQL_KIND_TEMP_DDL:
        if (!st->nested && s->active == 0 && s->tx != SQL_TX_EXPLICIT)
            SC_TRY(sql_schema_refresh(s));
        return st->kind == SQL_KIND_EXPLAIN ? prepare_explain(st) : prepare_sqlite(st);
    case SQL_KIND_PRAGMA:
        return prepare_pragma(st);
    case SQL_KIND_UNSUPPORTED:
        return fail_unsupported(st);
    case SQL_KIND_CREATE_TABLE:
    case SQL_KIND_DROP_TABLE:
    case SQL_KIND_DDL:
        st->read_only = false;
        return SC_OK;
    default:
        return SC_OK;
    }
}

static void stmt_delete(struct sc_sql_stmt *st)
{
    sqlite3_finalize(st->sqlite);
    if (st->answer != st->dml.returning)
        sc_sql_stmt_free(st->answer);
    sc_sql_stmt_free(st->explained);
    sql_dml_deinit(&st->dml);
    free(st->params);
    free(st->text);
    free(st);
}

static sc_err stmt_new(struct sc_sql_session *s, struct sc_slice text, bool nested, struct sc_sql_stmt **out)
{
    struct sc_sql_stmt *st = calloc(1, sizeof *st);
    if (st == NULL || (st->text = malloc(text.size + 1)) == NULL) {
        free(st);
        return sql_no_memory(s);
    }
    memcpy(st->text, text.ptr, text.size);
    st->text[text.size] = '\0';
    st->text_size = text.size;
    st->session = s;
    st->nested = nested;
    st->kind = sql_kind_of(text);
    const sc_err err = prepare(st);
    if (err != SC_OK) {
        stmt_delete(st);
        return err;
    }
    *out = st;
    return SC_OK;
}

/* ---- statements that may be prepared again ---- */
void sql_stmt_cache_clear(struct sc_sql_session *s)
{
    for (size_t i = 0; i < CACHE_COUNT; i++) {
        if (s->cache[i] != NULL)
            stmt_delete(s->cache[i]);
        s->cache[i] = NULL;
    }
}

static struct sc_sql_stmt *cache_take(struct sc_sql_session *s, struct sc_slice text)
{
    for (size_t i = 0; i < CACHE_COUNT && s->cache[i] != NULL; i++) {
        struct sc_sql_stmt *st = s->cache[i];
        if (st->text_size != text.size || memcmp(st->text, text.ptr, text.size) != 0)
            continue;
        memmove(&s->cache[i], &s->cache[i + 1], (CACHE_COUNT - 1 - i) * sizeof(struct sc_sql_stmt *));
        s->cache[CACHE_COUNT - 1] = NULL;
        st->changes = 0;
        return st;
    }
    return NULL;
}

static bool cache_put(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    if (st->nested || st->text_size > CACHE_TEXT_SIZE_MAX || st->schema_version != s->schema_version ||
        (!is_dml(st->kind) && st->kind != SQL_KIND_SELECT) || (st->sqlite == NULL && st->dml.fast == NULL))
        return false;
    const struct sc_sql_value null = sc_sql_null();
    for (size_t n = 1; n <= st->param_count; n++)
        if (sc_sql_bind(st, n, &null) != SC_OK)
            return false;
    if (s->cache[CACHE_COUNT - 1] != NULL)
        stmt_delete(s->cache[CACHE_COUNT - 1]);
    memmove(&s->cache[1], &s->cache[0], (CACHE_COUNT - 1) * sizeof(struct sc_sql_stmt *));
    s->cache[0] = st;
    return true;
}

sc_err sc_sql_prepare(struct sc_sql_session *s, struct sc_slice text, struct sc_sql_stmt **out, size_t *used_out)
{
    s->failed = false;
    if (memchr(text.ptr, 0, text.size) != NULL)
        return sql_fail(s, "42601", "statement contains a NUL byte");
    if (text.size > SQL_TEXT_SIZE_MAX)
        return sql_fail(s, "54000", "statement text of more than %zu bytes", SQL_TEXT_SIZE_MAX);
    size_t used = 0;
    const struct sc_slice first = sql_statement_first(text, &used);
    if (s->active == 0 && s->tx != SQL_TX_EXPLICIT) {
        const sc_err err = sql_schema_refresh(s);
        if (err != SC_OK)
            return err;
    }
    struct sc_sql_stmt *st = cache_take(s, first);
    if (st == NULL) {
        const sc_err err = stmt_new(s, first, false, &st);
        if (err != SC_OK) {
            sc_sql_session_spoil(s);
            return err;
        }
    }
    *out = st;
    *used_out = used;
    return SC_OK;
}

void sc_sql_stmt_free(struct sc_sql_stmt *st)
{
    if (st == NULL)
        return;
    if (st->executing && !st->nested)
        sc_ignore(sc_sql_reset(st)); /* a commit that fails here has nobody to tell: reset() first to know */
    if (!cache_put(st))
        stmt_delete(st);
}

void sc_sql_stmt_freep(struct sc_sql_stmt **st)
{
    sc_sql_stmt_free(*st);
}

/* ---- looking at a statement ---- */
enum sql_kind sc_sql_stmt_kind(const struct sc_sql_stmt *st)
{
    return st->kind;
}

bool sc_sql_stmt_read_only(const struct sc_sql_stmt *st)
{
    return st->read_only;
}

struct sc_slice sc_sql_stmt_text(const struct sc_sql_stmt *st)
{
    return sc_slice_of(st->text, st->text_size);
}

size_t sc_sql_param_count(const struct sc_sql_stmt *st)
{
    return st->param_count;
}

const char *sc_sql_param_type(const struct sc_sql_stmt *st, size_t n)
{
    const struct sql_dml *d = &st->dml;
    if (d->table == NULL || n == 0 || n > d->param_count || d->param_column[n - 1] == 0)
        return NULL;
    return d->table->columns[d->param_column[n - 1] - 1].type;
}

static sqlite3_stmt *rows_of(const struct sc_sql_stmt *st)
{
    return st->answer != NULL ? st->answer->sqlite : st->sqlite;
}

size_t sc_sql_column_count(const struct sc_sql_stmt *st)
{
    return rows_of(st) != NULL ? (size_t)sqlite3_column_count(rows_of(st)) : 0;
}

const char *sc_sql_column_name(const struct sc_sql_stmt *st, size_t i)
{
    const char *name = sqlite3_column_name(rows_of(st), (int)i);
    return name != NULL ? name : "";
}

const char *sc_sql_column_type(const struct sc_sql_stmt *st, size_t i)
{
    return sqlite3_column_decltype(rows_of(st), (int)i);
}

struct sc_sql_value sc_sql_column(const struct sc_sql_stmt *st, size_t i)
{
    sqlite3_stmt *rows = rows_of(st);
    const void *p;
    const int c = (int)i;
    switch (sqlite3_column_type(rows, c)) {
    case SQLITE_INTEGER:
        return sc_sql_integer(sqlite3_column_int64(rows, c));
    case SQLITE_FLOAT:
        return sc_sql_real(sqlite3_column_double(rows, c));
    case SQLITE_TEXT:
        p = sqlite3_column_text(rows, c);
        return sc_sql_text(sc_slice_of(p, (size_t)sqlite3_column_bytes(rows, c)));
    case SQLITE_BLOB:
        p = sqlite3_column_blob(rows, c);
        return sc_sql_blob(sc_slice_of(p, (size_t)sqlite3_column_bytes(rows, c)));
    default:
        return sc_sql_null();
    }
}

int64_t sc_sql_changes(const struct sc_sql_stmt *st)
{
    return st->changes;
}

/* ---- binding ---- */
sc_err sc_sql_bind(struct sc_sql_stmt *st, size_t n, const struct sc_sql_value *v)
{
    struct sc_sql_session *s = st->session;
    if (!st->nested)
        s->failed = false;
    if (n == 0 || n > st->param_count)
        return sql_fail(s, "08P01", "statement has %zu parameters, not %zu", st->param_count, n);
    if (st->dml.fast != NULL)
        return sql_fast_bind(st, n, v);
    if (st->explained != NULL)
        return sc_sql_bind(st->explained, n, v);
    if (st->dml.returning != NULL && n <= st->dml.returning->param_count)
        SC_TRY(sc_sql_bind(st->dml.returning, n, v));
    for (size_t i = 0; i < st->dml.upsert_count; i++)
        if (st->dml.upserts[i].program != NULL && n <= st->dml.upserts[i].program->param_count)
            SC_TRY(sc_sql_bind(st->dml.upserts[i].program, n, v));
    const int i = st->params[n - 1];
    if (i == 0)
        return SC_OK; /* $1 of "SELECT $2" */
    const int rc = sql_value_bind(st->sqlite, i, v);
    return rc == SQLITE_OK ? SC_OK : sql_fail_sqlite(s, rc);
}

static void move_bindings(struct sc_sql_stmt *from, struct sc_sql_stmt *to)
{
    if (from == NULL || to == NULL || from->sqlite == NULL || to->sqlite == NULL)
        return;
    /* the same text: the same parameters.  Not for new code, says SQLite, because re-preparing is its own business
     * since prepare_v2; here it is ours */
    sqlite3_transfer_bindings(from->sqlite, to->sqlite);
}

/* The schema changed: the statement is prepared anew, its bindings stay. */
static sc_err prepare_again(struct sc_sql_stmt *st)
{
    struct sc_sql_stmt *fresh = NULL;
    st->session->no_fast = st->dml.fast == NULL; /* SQLite does not tell the bindings it has */
    sc_err err = stmt_new(st->session, sc_slice_of(st->text, st->text_size), st->nested, &fresh);
    st->session->no_fast = false;
    SC_TRY(err);
    if (st->dml.fast != NULL) {
        for (size_t n = 1; n <= st->param_count && err == SC_OK; n++)
            err = sc_sql_bind(fresh, n, sql_fast_value(st->dml.fast, n));
    } else {
        move_bindings(st, fresh);
        move_bindings(st->dml.returning, fresh->dml.returning);
        for (size_t i = 0; i < st->dml.upsert_count && i < fresh->dml.upsert_count; i++)
            move_bindings(st->dml.upserts[i].program, fresh->dml.upserts[i].program);
    }
    if (err == SC_OK) {
        const struct sc_sql_stmt was = *st;
        *st = *fresh;
        *fresh = was;
    }
    stmt_delete(fresh);
    return err;
}

/* ---- running ---- */
static bool allowed_when_failed(enum sql_kind kind)
{
    return kind == SQL_KIND_ROLLBACK || kind == SQL_KIND_ROLLBACK_TO || kind == SQL_KIND_COMMIT ||
           kind == SQL_KIND_EMPTY;
}

static sc_err check_may_run(struct sc_sql_session *s, enum sql_kind kind, bool read_only)
{
    if (s->tx == SQL_TX_EXPLICIT && s->tx_failed && !allowed_when_failed(kind))
        return sql_fail(s, "25P02", "current transaction is aborted, commands ignored until end of transaction block");
    if (s->opt.read_only && !read_only)
        return sql_fail(s, "25006", "cannot write in a read-only session");
    if (s->tx_read_only && !read_only)
        return sql_fail(s, "25006", "cannot write in a read-only transaction");
    return SC_OK;
}

/* What every execution begins with, statements of our own and bulk loads too. */
sc_err sql_execution_begin(struct sc_sql_session *s, enum sql_kind kind, bool read_only)
{
    SC_TRY(check_may_run(s, kind, read_only));
    if (s->active == 0 && s->tx != SQL_TX_EXPLICIT)
        SC_TRY(sql_schema_refresh(s));
    s->cancelled = false;
    s->deadline_us = s->opt.statement_ms_max != 0 ? sc_mono_us(&sc_clock_system) + s->opt.statement_ms_max * 1000 : 0;
    if (s->active == 0)
        sql_tx_statement_begin(s);
    return SC_OK;
}

/* ... and ends with.  err is what the work itself said. */
sc_err sql_execution_end(struct sc_sql_session *s, sc_err err, bool keep_partial)
{
    s->deadline_us = 0;
    if (err == SC_OK && s->fk_check_count != s->fk_statement)
        err = sql_fk_judge(s, false);
    if (err != SC_OK && !keep_partial)
        sql_tx_statement_undo(s);
    if (s->active == 0) {
        sql_rowids_reset(&s->rowids);
        if (s->snapshot != NULL)
            s->kv.ops->snapshot_free(SC_TAKE(s->snapshot));
        if (s->tx == SQL_TX_STATEMENT && (err == SC_OK || keep_partial)) {
            const sc_err committed = sql_tx_commit(s);
            err = err != SC_OK ? err : committed;
        } else if (s->tx == SQL_TX_STATEMENT) {
            sql_tx_abort(s);
        }
    }
    if (err != SC_OK && s->tx == SQL_TX_EXPLICIT)
        s->tx_failed = true;
    return err;
}

static sc_err run_own(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    switch (st->kind) {
    case SQL_KIND_BEGIN:
    case SQL_KIND_COMMIT:
    case SQL_KIND_ROLLBACK:
    case SQL_KIND_SAVEPOINT:
    case SQL_KIND_RELEASE:
    case SQL_KIND_ROLLBACK_TO:
    case SQL_KIND_SET_TRANSACTION:
        return sql_tx_control(s, st);
    case SQL_KIND_CREATE_TABLE:
    case SQL_KIND_DROP_TABLE:
    case SQL_KIND_DDL:
        return sql_ddl(s, st);
    case SQL_KIND_ANALYZE:
        return sql_analyze(s, st);
    case SQL_KIND_INSERT:
        st->changes = 0;
        return sql_fast_run(st);
    case SQL_KIND_SHOW:
    case SQL_KIND_COPY:
        return sql_fail(s, "0A000", "this statement needs the server");
    default: /* EMPTY, NOTHING, SET */
        return SC_OK;
    }
}

static sc_err begin_sqlite(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    SC_TRY(sql_execution_begin(s, st->kind, st->read_only));
    if (st->bound_to_schema && st->schema_version != s->schema_version)
        SC_TRY(prepare_again(st));
    st->changes = 0;
    st->executing = true;
    st->answering = st->keep_partial = false;
    st->dml.row_count = 0;
    if (st->dml.rows != NULL)
        sc_arena_reset(st->dml.rows);
    s->active++;
    return SC_OK;
}

static sc_err end_sqlite(struct sc_sql_stmt *st, int rc)
{
    struct sc_sql_session *s = st->session;
    sc_err err = SC_OK;
    if (rc == SQLITE_DONE && st->dml.table == NULL)
        st->changes = st->read_only ? 0 : sqlite3_changes64(s->sqlite);
    else if (rc != SQLITE_OK && rc != SQLITE_DONE)
        err = sql_fail_sqlite(s, rc);
    if (st->answer != NULL)
        sqlite3_reset(st->answer->sqlite);
    const int reset = sqlite3_reset(st->sqlite);
    if (rc == SQLITE_OK && reset != SQLITE_OK)
        err = sql_fail_sqlite(s, reset);
    st->executing = st->answering = false;
    s->active--;
    return sql_execution_end(s, err, st->keep_partial);
}

/* A row of the answer, or its end. */
static sc_err step_answer(struct sc_sql_stmt *st, bool *row_out)
{
    struct sc_sql_session *s = st->session;
    s->answering = &st->dml;
    const int rc = sqlite3_step(st->answer->sqlite);
    *row_out = rc == SQLITE_ROW;
    return rc == SQLITE_ROW ? SC_OK : end_sqlite(st, rc);
}

static sc_err step_own(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    sc_err err = sql_execution_begin(s, st->kind, st->read_only);
    if (err == SC_OK && st->bound_to_schema && st->schema_version != s->schema_version)
        err = prepare_again(st);
    if (err == SC_OK && st->sqlite != NULL) { /* not simple any more: the table got a trigger, say */
        bool row = false;
        return sc_sql_step(st, &row);
    }
    if (err == SC_OK)
        err = run_own(st);
    return sql_execution_end(s, err, false);
}

static void put_json(struct sc_buf *out, struct sc_slice text)
{
    sc_buf_put_str(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\' || text.ptr[i] < 0x20)
            sc_buf_put_fmt(out, "\\u%04x", text.ptr[i]);
        else
            sc_buf_put_u8(out, text.ptr[i]);
    }
    sc_buf_put_str(out, "\"");
}

static sc_err explain_keys(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    struct sql_trace trace = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf json = {0};
    bool row = true;
    sc_err err = SC_OK;
    s->trace = &trace;
    while (row && err == SC_OK)
        err = sql_nested_step(st->explained, &row);
    s->trace = NULL;
    const sc_err reset = sql_nested_reset(st->explained);
    struct sc_slice rest = sc_buf_slice(&trace.lines);
    while (rest.size != 0) {
        const uint8_t *eol = memchr(rest.ptr, '\n', rest.size);
        const size_t n = eol != NULL ? (size_t)(eol - rest.ptr) : rest.size;
        sc_buf_put_str(&json, json.size == 0 ? "[" : ",");
        put_json(&json, sc_slice_of(rest.ptr, n));
        rest = sc_slice_of(rest.ptr + n + (eol != NULL), rest.size - n - (eol != NULL));
    }
    sc_buf_put_str(&json, json.size == 0 ? "[]" : "]");
    sc_buf_deinit(&trace.lines);
    SC_TRY(err);
    SC_TRY(reset);
    if (sc_buf_status(&json) != SC_OK)
        return sql_no_memory(s);
    const struct sc_sql_value v = sc_sql_text(sc_buf_slice(&json));
    return sc_sql_bind(st->answer, 1, &v);
}

static sc_err step_explain_keys(struct sc_sql_stmt *st, bool *row_out)
{
    struct sc_sql_session *s = st->session;
    *row_out = false;
    if (!st->executing) {
        sc_err err = sql_execution_begin(s, st->kind, true);
        if (err != SC_OK)
            return sql_execution_end(s, err, false);
        s->active++;
        st->executing = true;
        err = explain_keys(st);
        if (err != SC_OK) {
            s->active--;
            st->executing = false;
            return sql_execution_end(s, err, false);
        }
    }
    const int rc = sqlite3_step(st->answer->sqlite);
    *row_out = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return SC_OK;
    const sc_err err = rc == SQLITE_DONE ? SC_OK : sql_fail_sqlite(s, rc);
    sqlite3_reset(st->answer->sqlite);
    st->executing = false;
    s->active--;
    return sql_execution_end(s, err, false);
}

sc_err sc_sql_step(struct sc_sql_stmt *st, bool *row_out)
{
    struct sc_sql_session *s = st->session;
    s->failed = false;
    if (st->explained != NULL)
        return step_explain_keys(st, row_out);
    if (st->sqlite == NULL) {
        *row_out = false;
        return step_own(st);
    }
    if (!st->executing) {
        const sc_err err = begin_sqlite(st);
        if (err != SC_OK)
            return sql_execution_end(s, err, false);
        if (st->sqlite == NULL) {
            s->active--;
            st->executing = false;
            *row_out = false;
            return sql_execution_end(s, run_own(st), false);
        }
    }
    if (st->answering)
        return step_answer(st, row_out);
    struct sc_sql_stmt *outer = s->running;
    s->running = st;
    int rc = sqlite3_step(st->sqlite);
    s->running = outer;
    *row_out = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return SC_OK;
    if (rc != SQLITE_DONE || st->answer == NULL)
        return end_sqlite(st, rc);
    st->answering = true;
    return step_answer(st, row_out);
}

sc_err sc_sql_reset(struct sc_sql_stmt *st)
{
    st->session->failed = false;
    if (!st->executing)
        return SC_OK;
    if (st->explained == NULL)
        return end_sqlite(st, SQLITE_OK);
    sqlite3_reset(st->answer->sqlite);
    st->executing = false;
    st->session->active--;
    return sql_execution_end(st->session, SC_OK, false);
}

/* ---- statements within statements ---- */
sc_err sql_nested_prepare(struct sc_sql_session *s, struct sc_slice text, struct sc_sql_stmt **out)
{
    struct sc_sql_stmt *st = NULL;
    SC_TRY(stmt_new(s, text, true, &st));
    if (st->sqlite == NULL) {
        stmt_delete(st);
        return sql_fail(s, "0A000", "not supported inside another statement: %.*s",
                        (int)(text.size < 100 ? text.size : 100), (const char *)text.ptr);
    }
    *out = st;
    return SC_OK;
}

sc_err sql_nested_step(struct sc_sql_stmt *st, bool *row_out)
{
    struct sc_sql_session *s = st->session;
    struct sc_sql_stmt *outer = s->running;
    st->executing = true;
    s->running = st;
    const int rc = sqlite3_step(st->sqlite);
    s->running = outer;
    *row_out = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SC_OK : sql_fail_sqlite(s, rc);
}

sc_err sql_nested_reset(struct sc_sql_stmt *st)
{
    st->executing = false;
    sqlite3_reset(st->sqlite); /* its error was told by step */
    return SC_OK;
}

sc_err sc_sql_exec(struct sc_sql_session *s, const char *text)
{
    struct sc_slice rest = sc_slice_str(text);
    while (rest.size != 0) {
        SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = NULL;
        size_t used = 0;
        bool row = true;
        SC_TRY(sc_sql_prepare(s, rest, &st, &used));
        while (row)
            SC_TRY(sc_sql_step(st, &row));
        rest = (struct sc_slice){rest.ptr + used, rest.size - used};
    }
    return SC_OK;
}
