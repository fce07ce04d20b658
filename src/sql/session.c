/* Databases, sessions and statements: the front end over SQLite. */
#include "sql/internal.h"

#include "base/clock.h"

#include <stdio.h>

#define TRANSACTION_SIZE_MAX ((size_t)256 << 20)
#define SQL_TEXT_SIZE_MAX    ((size_t)4 << 20)
#define PARAM_NUMBER_MAX     32766
#define PROGRESS_STEPS       2000 /* virtual machine instructions between two looks at the clock: about 0.1 ms */

/* ---- database ---- */
sc_err sc_sql_db_open(struct sc_kvs *kvs, struct sc_sql_db **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_sql_db_closep) struct sc_sql_db *db = calloc(1, sizeof *db);
    if (db == NULL || pthread_rwlock_init(&db->lock, NULL) != 0)
        return sc_fail(diag, SC_E_NOMEM, "sql database");
    db->kvs = kvs;
    SC_TRY(sql_schema_load(db, diag));
    *out = SC_TAKE(db);
    return SC_OK;
}

void sc_sql_db_close(struct sc_sql_db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < db->table_count; i++)
        sql_table_unref(db->tables[i]);
    free(db->tables);
    pthread_rwlock_destroy(&db->lock);
    free(db);
}

void sc_sql_db_closep(struct sc_sql_db **db)
{
    sc_sql_db_close(*db);
}

size_t sc_sql_db_table_count(struct sc_sql_db *db)
{
    pthread_rwlock_rdlock(&db->lock);
    const size_t n = db->table_count;
    pthread_rwlock_unlock(&db->lock);
    return n;
}

void sc_sql_heap_limit_set(int64_t bytes)
{
    sqlite3_hard_heap_limit64(bytes);
}

/* ---- sessions ---- */
/* What reaches SQLite may read, write rows and call functions; its own schema is ours alone. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *dbname, const char *trigger)
{
    static const char *const refused[] = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"};
    const struct sc_sql_session *s = arg;
    (void)a;
    (void)dbname;
    (void)trigger;
    if (s->internal)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
            if (b != NULL && sqlite3_stricmp(b, refused[i]) == 0)
                return SQLITE_DENY;
        return SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

static int progress(void *arg)
{
    const struct sc_sql_session *s = arg;
    return s->cancelled || (s->deadline_us != 0 && sc_mono_us(&sc_clock_system) > s->deadline_us);
}

static void version_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx,
                        "CascaDB " SC_VERSION " (SecureCloud; SQLite " SQLITE_VERSION "; PostgreSQL wire protocol 3)",
                        -1, SQLITE_STATIC);
}

static void database_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, "securecloud", -1, SQLITE_STATIC);
}

static sc_err connection_open(struct sc_sql_session *s)
{
    static const int limits[][2] = {
        {SQLITE_LIMIT_SQL_LENGTH, (int)SQL_TEXT_SIZE_MAX}, {SQLITE_LIMIT_LENGTH, (int)SC_KVS_VALUE_SIZE_MAX},
        {SQLITE_LIMIT_VARIABLE_NUMBER, PARAM_NUMBER_MAX},  {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},          {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_MEMORY;
    if (sqlite3_open_v2(":memory:", &s->sqlite, flags, NULL) != SQLITE_OK)
        return sql_fail(s, "53200", "out of memory");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(s->sqlite, limits[i][0], limits[i][1]);
    /* Sorters and materialised views would spill plaintext into files otherwise. */
    int rc = sqlite3_exec(s->sqlite, "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_module(s->sqlite, "cascadb", &sql_table_module, s);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(s->sqlite, "version", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                     version_function, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(s->sqlite, "current_database", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                     database_function, NULL, NULL);
    if (rc != SQLITE_OK)
        return sql_fail_sqlite(s, rc);
    SC_TRY(sql_catalog_register(s));
    sqlite3_set_authorizer(s->sqlite, authorize, s);
    sqlite3_progress_handler(s->sqlite, PROGRESS_STEPS, progress, s);
    return sql_schema_refresh(s);
}

sc_err sc_sql_session_new(struct sc_sql_db *db, const struct sc_sql_session_options *opt, struct sc_sql_session **out,
                          struct sc_diag *diag)
{
    SC_CLEANUP(sc_sql_session_freep) struct sc_sql_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "sql session");
    s->db = db;
    s->opt = *opt;
    if (s->opt.transaction_size_max == 0)
        s->opt.transaction_size_max = TRANSACTION_SIZE_MAX;
    sc_buf_init(&s->key, 2 * SC_KVS_KEY_SIZE_MAX);
    sc_buf_init(&s->row, 2 * SC_KVS_VALUE_SIZE_MAX);
    sql_rowids_init(&s->rowids);
    const sc_err err = connection_open(s);
    if (err != SC_OK)
        return sc_fail(diag, err, "sql session: %s", s->error.message);
    *out = SC_TAKE(s);
    return SC_OK;
}

void sc_sql_session_free(struct sc_sql_session *s)
{
    if (s == NULL)
        return;
    sql_tx_abort(s);
    sc_kvs_snapshot_free(s->snapshot);
    const int rc = sqlite3_close(s->sqlite);
    SC_ASSERT(rc == SQLITE_OK); /* a statement was left open */
    for (size_t i = 0; i < s->table_count; i++)
        sql_table_unref(s->tables[i]);
    free(s->tables);
    free(s->written);
    free(s->savepoints);
    sql_rowids_deinit(&s->rowids);
    sc_buf_deinit(&s->key);
    sc_buf_deinit(&s->row);
    free(s);
}

void sc_sql_session_freep(struct sc_sql_session **s)
{
    sc_sql_session_free(*s);
}

const struct sc_sql_error *sc_sql_session_error(const struct sc_sql_session *s)
{
    return &s->error;
}

void sc_sql_session_cancel(struct sc_sql_session *s)
{
    s->cancelled = true;
}

enum sc_sql_tx sc_sql_session_tx(const struct sc_sql_session *s)
{
    return s->tx != SQL_TX_EXPLICIT ? SC_SQL_TX_NONE : s->tx_failed ? SC_SQL_TX_FAILED : SC_SQL_TX_OPEN;
}

void sc_sql_session_spoil(struct sc_sql_session *s)
{
    if (s->tx == SQL_TX_EXPLICIT)
        s->tx_failed = true;
}

sc_err sc_sql_session_settle(struct sc_sql_session *s, bool commit)
{
    s->failed = false;
    if (s->tx != SQL_TX_DEFERRED)
        return SC_OK;
    if (s->active != 0)
        return sql_fail(s, "55006", "cannot end the transaction while a query's rows are being read");
    if (commit)
        return sql_tx_commit(s);
    sql_tx_abort(s);
    return SC_OK;
}

/* ---- preparing ---- */
/* n of $n and ?n; others take the next place, as SQLite numbers them. */
static size_t param_number(sqlite3_stmt *st, int index)
{
    const char *name = sqlite3_bind_parameter_name(st, index);
    if (name == NULL || (name[0] != '$' && name[0] != '?'))
        return (size_t)index;
    char *end = NULL;
    const unsigned long n = strtoul(name + 1, &end, 10);
    return *end == '\0' && n >= 1 && n <= PARAM_NUMBER_MAX ? (size_t)n : 0;
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
        return sql_fail(st->session, "53200", "out of memory");
    for (int i = 1; i <= count; i++) {
        /* "?3" leaves SQLite's 1 and 2 without a name: they come back as places nobody wrote */
        int *place = &st->params[param_number(st->sqlite, i) - 1];
        if (*place == 0 || sqlite3_bind_parameter_name(st->sqlite, i) != NULL)
            *place = i;
    }
    return SC_OK;
}

static sc_err prepare_sqlite(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf rewritten = {0};
    struct sc_slice text = sc_slice_of(st->text, st->text_size);
    if (st->kind == SQL_KIND_INSERT && sql_insert_do_nothing(text, &rewritten)) {
        SC_TRY(sc_buf_status(&rewritten));
        st->do_nothing = true;
        text = sc_buf_slice(&rewritten);
    }
    const char *tail = NULL;
    const int rc = sqlite3_prepare_v3(s->sqlite, (const char *)text.ptr, (int)text.size, SQLITE_PREPARE_PERSISTENT,
                                      &st->sqlite, &tail);
    if (rc != SQLITE_OK) {
        const sc_err err = sql_fail_sqlite(s, rc);
        if (st->do_nothing)
            s->error.position = 0; /* it would point into the rewritten text */
        return err;
    }
    if (st->sqlite == NULL) { /* only comments, which the tokens did not tell */
        st->kind = SQL_KIND_EMPTY;
        return SC_OK;
    }
    st->read_only = sqlite3_stmt_readonly(st->sqlite);
    st->schema_version = s->schema_version;
    if (st->kind == SQL_KIND_INSERT)
        SC_TRY(sql_insert_look(s, sc_slice_of(st->text, st->text_size), &st->insert));
    return map_params(st);
}

/* SQLite's opcodes name addresses inside the process, which nobody outside an enclave should learn. */
static sc_err explain_judge(const struct sc_sql_stmt *st)
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_of(st->text, st->text_size));
    sql_lex(&lx);
    const struct sql_token second = sql_lex(&lx);
    if (sql_token_is(second, "QUERY"))
        return SC_OK;
    return sql_fail(st->session, "0A000", "not supported: EXPLAIN of opcodes; EXPLAIN QUERY PLAN is there");
}

static sc_err prepare(struct sc_sql_stmt *st)
{
    struct sc_sql_session *s = st->session;
    st->read_only = true;
    switch (st->kind) {
    case SQL_KIND_EXPLAIN:
        SC_TRY(explain_judge(st));
        __attribute__((fallthrough));
    case SQL_KIND_SELECT:
    case SQL_KIND_INSERT:
    case SQL_KIND_UPDATE:
    case SQL_KIND_DELETE:
    case SQL_KIND_OTHER:
        if (s->active == 0 && s->tx != SQL_TX_EXPLICIT)
            SC_TRY(sql_schema_refresh(s));
        return prepare_sqlite(st);
    case SQL_KIND_UNSUPPORTED: {
        const struct sc_slice text = sc_slice_of(st->text, st->text_size);
        struct sql_lexer lx = sql_lexer_of(text);
        const struct sql_token first = sql_lex(&lx);
        const struct sql_token second = sql_lex(&lx);
        return sql_fail(s, "0A000", "not supported: %.*s %.*s", (int)first.text.size, (const char *)first.text.ptr,
                        (int)(second.text.size < 64 ? second.text.size : 64), (const char *)second.text.ptr);
    }
    case SQL_KIND_CREATE_TABLE:
    case SQL_KIND_DROP_TABLE:
        st->read_only = false;
        return SC_OK;
    default:
        return SC_OK;
    }
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
    SC_CLEANUP(sc_sql_stmt_freep) struct sc_sql_stmt *st = calloc(1, sizeof *st);
    if (st == NULL || (st->text = malloc(first.size + 1)) == NULL) {
        if (st != NULL)
            st->session = s;
        return sql_fail(s, "53200", "out of memory");
    }
    memcpy(st->text, first.ptr, first.size);
    st->text[first.size] = '\0';
    st->text_size = first.size;
    st->session = s;
    st->kind = sql_kind_of(first);
    const sc_err err = prepare(st);
    if (err != SC_OK) {
        sc_sql_session_spoil(s);
        return err;
    }
    *out = SC_TAKE(st);
    *used_out = used;
    return SC_OK;
}

void sc_sql_stmt_free(struct sc_sql_stmt *st)
{
    if (st == NULL)
        return;
    if (st->executing)
        sc_ignore(sc_sql_reset(st)); /* a commit that fails here has nobody to tell: reset() first to know */
    sqlite3_finalize(st->sqlite);
    sql_insert_deinit(&st->insert);
    free(st->params);
    free(st->text);
    free(st);
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
    const struct sql_insert *in = &st->insert;
    if (in->table == NULL || n == 0 || n > in->param_count || in->param_column[n - 1] == 0)
        return NULL;
    return in->table->columns[in->param_column[n - 1] - 1].type;
}

size_t sc_sql_column_count(const struct sc_sql_stmt *st)
{
    return st->sqlite != NULL ? (size_t)sqlite3_column_count(st->sqlite) : 0;
}

const char *sc_sql_column_name(const struct sc_sql_stmt *st, size_t i)
{
    const char *name = sqlite3_column_name(st->sqlite, (int)i);
    return name != NULL ? name : "";
}

const char *sc_sql_column_type(const struct sc_sql_stmt *st, size_t i)
{
    return sqlite3_column_decltype(st->sqlite, (int)i);
}

struct sc_sql_value sc_sql_column(const struct sc_sql_stmt *st, size_t i)
{
    struct sc_sql_value v;
    const void *p;
    const int c = (int)i;
    switch (sqlite3_column_type(st->sqlite, c)) {
    case SQLITE_INTEGER:
        return sc_sql_integer(sqlite3_column_int64(st->sqlite, c));
    case SQLITE_FLOAT:
        return sc_sql_real(sqlite3_column_double(st->sqlite, c));
    case SQLITE_TEXT:
        p = sqlite3_column_text(st->sqlite, c);
        v = sc_sql_text(sc_slice_of(p, (size_t)sqlite3_column_bytes(st->sqlite, c)));
        return v;
    case SQLITE_BLOB:
        p = sqlite3_column_blob(st->sqlite, c);
        v = sc_sql_blob(sc_slice_of(p, (size_t)sqlite3_column_bytes(st->sqlite, c)));
        return v;
    default:
        return sc_sql_null();
    }
}

int64_t sc_sql_changes(const struct sc_sql_stmt *st)
{
    return st->changes;
}

/* ---- running ---- */
sc_err sc_sql_bind(struct sc_sql_stmt *st, size_t n, const struct sc_sql_value *v)
{
    struct sc_sql_session *s = st->session;
    s->failed = false;
    if (n == 0 || n > st->param_count)
        return sql_fail(s, "08P01", "statement has %zu parameters, not %zu", st->param_count, n);
    const int i = st->params[n - 1];
    if (i == 0)
        return SC_OK; /* $1 of "SELECT $2" */
    int rc = SQLITE_OK;
    switch (v->type) {
    case SC_SQL_NULL:
        rc = sqlite3_bind_null(st->sqlite, i);
        break;
    case SC_SQL_INTEGER:
        rc = sqlite3_bind_int64(st->sqlite, i, v->integer);
        break;
    case SC_SQL_REAL:
        rc = sqlite3_bind_double(st->sqlite, i, v->real);
        break;
    case SC_SQL_TEXT:
        rc = sqlite3_bind_text64(st->sqlite, i, (const char *)v->bytes.ptr, v->bytes.size, SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
        break;
    case SC_SQL_BLOB:
        rc = sqlite3_bind_blob64(st->sqlite, i, v->bytes.ptr, v->bytes.size, SQLITE_TRANSIENT);
        break;
    }
    return rc == SQLITE_OK ? SC_OK : sql_fail_sqlite(s, rc);
}

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
    return SC_OK;
}

/* What every execution begins with, statements of our own and bulk loads too. */
static sc_err begin(struct sc_sql_session *s, enum sql_kind kind, bool read_only)
{
    SC_TRY(check_may_run(s, kind, read_only));
    if (s->active == 0 && s->tx != SQL_TX_EXPLICIT)
        SC_TRY(sql_schema_refresh(s));
    s->cancelled = false;
    s->deadline_us = s->opt.statement_ms_max != 0 ? sc_mono_us(&sc_clock_system) + s->opt.statement_ms_max * 1000 : 0;
    s->statement_mark = s->txn != NULL ? sc_kvs_txn_mark(s->txn) : 0;
    return SC_OK;
}

/* ... and ends with.  err is what the work itself said. */
static sc_err finish(struct sc_sql_session *s, sc_err err)
{
    s->deadline_us = 0;
    if (s->active == 0) {
        sql_rowids_reset(&s->rowids);
        sc_kvs_snapshot_free(SC_TAKE(s->snapshot));
        if (s->tx == SQL_TX_STATEMENT && err == SC_OK)
            err = sql_tx_commit(s);
        else if (s->tx == SQL_TX_STATEMENT)
            sql_tx_abort(s);
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
        return sql_tx_control(s, st);
    case SQL_KIND_CREATE_TABLE:
        return sql_schema_create(s, st);
    case SQL_KIND_DROP_TABLE:
        return sql_schema_drop(s, st);
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
    SC_TRY(begin(s, st->kind, st->read_only));
    if (st->kind == SQL_KIND_INSERT && st->schema_version != s->schema_version) {
        sql_insert_deinit(&st->insert);
        SC_TRY(sql_insert_look(s, sc_slice_of(st->text, st->text_size), &st->insert));
        st->schema_version = s->schema_version;
    }
    st->executing = true;
    s->active++;
    return SC_OK;
}

static sc_err end_sqlite(struct sc_sql_stmt *st, int rc)
{
    struct sc_sql_session *s = st->session;
    sc_err err = SC_OK;
    if (rc == SQLITE_DONE)
        st->changes = st->read_only ? 0 : sqlite3_changes64(s->sqlite);
    else if (rc != SQLITE_OK)
        err = sql_fail_sqlite(s, rc);
    const int reset = sqlite3_reset(st->sqlite);
    if (rc == SQLITE_OK && reset != SQLITE_OK)
        err = sql_fail_sqlite(s, reset);
    st->executing = false;
    s->active--;
    return finish(s, err);
}

sc_err sc_sql_step(struct sc_sql_stmt *st, bool *row_out)
{
    struct sc_sql_session *s = st->session;
    s->failed = false;
    if (st->sqlite == NULL) {
        sc_err err = begin(s, st->kind, st->read_only);
        if (err == SC_OK)
            err = run_own(st);
        *row_out = false;
        return finish(s, err);
    }
    if (!st->executing) {
        const sc_err err = begin_sqlite(st);
        if (err != SC_OK)
            return finish(s, err);
    }
    s->running = st;
    const int rc = sqlite3_step(st->sqlite);
    s->running = NULL;
    *row_out = rc == SQLITE_ROW;
    return rc == SQLITE_ROW ? SC_OK : end_sqlite(st, rc);
}

sc_err sc_sql_reset(struct sc_sql_stmt *st)
{
    st->session->failed = false;
    return st->executing ? end_sqlite(st, SQLITE_OK) : SC_OK;
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

/* ---- bulk loading ---- */
struct sc_sql_bulk {
    struct sc_sql_session *session;
    struct sql_table *table;
    size_t column_count;
    uint16_t columns[SQL_COLUMN_COUNT_MAX];
    size_t mark;
    int64_t rows;
    bool failed;
    struct sc_sql_value defaults[SQL_COLUMN_COUNT_MAX];
};

static sc_err bulk_columns(struct sc_sql_bulk *b, const char *const *columns, size_t column_count)
{
    struct sc_sql_session *s = b->session;
    bool named[SQL_COLUMN_COUNT_MAX] = {false};
    b->column_count = columns != NULL ? column_count : b->table->column_count;
    if (b->column_count > SQL_COLUMN_COUNT_MAX)
        return sql_fail(s, "54011", "too many columns");
    for (size_t i = 0; i < b->column_count; i++) {
        const int c = columns != NULL ? sql_table_column(b->table, columns[i]) : (int)i;
        if (c < 0)
            return sql_fail(s, "42703", "table \"%s\" has no column named \"%s\"", b->table->name, columns[i]);
        if (named[c])
            return sql_fail(s, "42701", "column \"%s\" is named twice", columns[i]);
        named[c] = true;
        b->columns[i] = (uint16_t)c;
    }
    for (size_t i = 0; i < b->table->column_count; i++)
        b->defaults[i] = b->table->columns[i].default_value;
    return SC_OK;
}

static void bulk_free(struct sc_sql_bulk *b)
{
    sql_table_unref(b->table);
    free(b);
}

sc_err sc_sql_bulk_begin(struct sc_sql_session *s, const char *table, const char *const *columns, size_t column_count,
                         struct sc_sql_bulk **out)
{
    s->failed = false;
    sc_err err = begin(s, SQL_KIND_COPY, false);
    if (err != SC_OK)
        return finish(s, err);
    struct sql_table *t = sql_schema_find(s, table);
    if (t == NULL)
        return finish(s, sql_fail(s, "42P01", "no such table: %s", table));
    struct sc_sql_bulk *b = calloc(1, sizeof *b);
    if (b == NULL)
        return finish(s, sql_fail(s, "53200", "out of memory"));
    b->session = s;
    b->table = sql_table_ref(t);
    err = bulk_columns(b, columns, column_count);
    if (err == SC_OK)
        err = sql_tx_need(s);
    if (err != SC_OK) {
        bulk_free(b);
        return finish(s, err);
    }
    b->mark = sc_kvs_txn_mark(s->txn);
    s->active++;
    *out = b;
    return SC_OK;
}

size_t sc_sql_bulk_column_count(const struct sc_sql_bulk *b)
{
    return b->column_count;
}

const char *sc_sql_bulk_column_type(const struct sc_sql_bulk *b, size_t i)
{
    return b->table->columns[b->columns[i]].type;
}

sc_err sc_sql_bulk_row(struct sc_sql_bulk *b, const struct sc_sql_value *values)
{
    struct sc_sql_session *s = b->session;
    struct sc_sql_value row[SQL_COLUMN_COUNT_MAX];
    s->failed = false;
    memcpy(row, b->defaults, b->table->column_count * sizeof *row);
    for (size_t i = 0; i < b->column_count; i++)
        row[b->columns[i]] = values[i];
    const sc_err err =
        progress(s) ? sql_fail_sqlite(s, SQLITE_INTERRUPT) : sql_row_insert(s, b->table, row, SQL_CONFLICT_FAIL, NULL);
    b->failed = b->failed || err != SC_OK;
    b->rows += err == SC_OK;
    return err;
}

sc_err sc_sql_bulk_end(struct sc_sql_bulk *b, bool commit, int64_t *rows_out)
{
    struct sc_sql_session *s = b->session;
    sc_err err = SC_OK;
    s->failed = false;
    s->active--;
    if (b->failed || !commit) {
        if (s->txn != NULL)
            sc_kvs_txn_rollback_to(s->txn, b->mark);
        const sc_err rolled_back = finish(s, SC_E_USAGE);
        err = commit ? rolled_back : SC_OK;
    } else {
        *rows_out = b->rows;
        err = finish(s, SC_OK);
    }
    bulk_free(b);
    return err;
}
