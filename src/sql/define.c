/* CREATE TABLE, understood by SQLite itself: the statement runs in an empty scratch database, whose catalogue then says
 * what was meant.  What we would not honour is refused rather than forgotten. */
#include "sql/internal.h"

#include <stdio.h>
#include <strings.h>

struct definition {
    struct sc_sql_session *session;
    struct sc_arena arena;
    sqlite3 *scratch;
    bool running; /* the statement itself, not our questions afterwards */
    const char *table;
    struct sql_column columns[SQL_COLUMN_COUNT_MAX];
    size_t column_count;
    uint16_t pk[SQL_COLUMN_COUNT_MAX];
    size_t pk_count;
};

/* One table and its indexes, nothing read from anywhere: no CREATE TABLE AS SELECT, no functions in defaults. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *db, const char *trigger)
{
    const struct definition *d = arg;
    (void)a;
    (void)db;
    (void)trigger;
    switch (action) {
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_READ:
    case SQLITE_PRAGMA:
    case SQLITE_TRANSACTION:
    case SQLITE_REINDEX:
        return SQLITE_OK;
    case SQLITE_SELECT:
        return d->running ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_FUNCTION: /* SQLite's own, when it writes its catalogue */
        return b != NULL && strncmp(b, "sqlite_", 7) == 0 ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

static sc_err fail_scratch(struct definition *d)
{
    const int rc = sqlite3_extended_errcode(d->scratch);
    const char *text = sqlite3_errmsg(d->scratch);
    const int offset = sqlite3_error_offset(d->scratch);
    const bool unsupported = (rc & 0xff) == SQLITE_AUTH;
    const sc_err err = sql_fail(d->session,
                                unsupported                         ? "0A000"
                                : strstr(text, "duplicate") != NULL ? "42701"
                                                                    : "42601",
                                "%s%s", unsupported ? "not supported in CREATE TABLE: " : "", text);
    d->session->error.position = offset >= 0 ? (size_t)offset + 1 : 0;
    return err;
}

static void finalizep(sqlite3_stmt **st)
{
    sqlite3_finalize(*st);
}

/* First column of the first row of a query about the table, as integer; -1 without a row. */
static sc_err ask(struct definition *d, const char *sql, sqlite3_int64 *out)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(d->scratch, sql, -1, &st, NULL) != SQLITE_OK ||
        (d->table != NULL && sqlite3_bind_text(st, 1, d->table, -1, SQLITE_STATIC) != SQLITE_OK))
        return fail_scratch(d);
    const int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail_scratch(d);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    return SC_OK;
}

static sc_err copy_text(struct definition *d, const unsigned char *text, const char **out)
{
    *out = sc_arena_strdup(&d->arena, text != NULL ? (const char *)text : "");
    return *out != NULL ? SC_OK : sql_fail(d->session, "53200", "out of memory");
}

/* The default's value, computed once: literals and arithmetic of literals. */
static sc_err default_value(struct definition *d, struct sql_column *c)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    char *sql = sqlite3_mprintf("SELECT (%s)", c->default_sql);
    if (sql == NULL)
        return sql_fail(d->session, "53200", "out of memory");
    const int rc = sqlite3_prepare_v2(d->scratch, sql, -1, &st, NULL);
    sqlite3_free(sql);
    if (rc != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
        return sql_fail(d->session, "0A000", "default of column \"%s\" is not a constant: %s", c->name, c->default_sql);
    char text[SQL_NUMBER_TEXT_SIZE];
    sql_value_from(sqlite3_column_value(st, 0), &c->default_value);
    sql_affinity_apply(c->affinity, &c->default_value, text);
    if (c->default_value.type == SC_SQL_TEXT || c->default_value.type == SC_SQL_BLOB) {
        c->default_value.bytes = sc_arena_copy(&d->arena, c->default_value.bytes);
        if (c->default_value.bytes.ptr == NULL)
            return sql_fail(d->session, "53200", "out of memory");
    }
    return SC_OK;
}

static sc_err check_column(struct definition *d, const struct sql_column *c, bool hidden)
{
    const char *collation = "BINARY";
    int autoincrement = 0;
    if (sqlite3_table_column_metadata(d->scratch, NULL, d->table, c->name, NULL, &collation, NULL, NULL,
                                      &autoincrement) != SQLITE_OK)
        return fail_scratch(d);
    if (hidden)
        return sql_fail(d->session, "0A000", "generated column \"%s\" is not supported", c->name);
    if (strcasecmp(collation, "BINARY") != 0)
        return sql_fail(d->session, "0A000", "column \"%s\": collation %s is not supported, only BINARY", c->name,
                        collation);
    if (autoincrement)
        return sql_fail(d->session, "0A000", "AUTOINCREMENT is not supported");
    return SC_OK;
}

/* Columns of pragma table_xinfo: cid, name, type, notnull, dflt_value, pk, hidden */
static sc_err read_column(struct definition *d, sqlite3_stmt *st)
{
    if (d->column_count == SQL_COLUMN_COUNT_MAX)
        return sql_fail(d->session, "54011", "a table has at most %d columns", SQL_COLUMN_COUNT_MAX);
    struct sql_column *c = &d->columns[d->column_count];
    SC_TRY(copy_text(d, sqlite3_column_text(st, 1), &c->name));
    SC_TRY(copy_text(d, sqlite3_column_text(st, 2), &c->type));
    c->affinity = sql_affinity_of(c->type);
    c->not_null = sqlite3_column_int(st, 3) != 0;
    const int pk = sqlite3_column_int(st, 5);
    SC_TRY(check_column(d, c, sqlite3_column_int(st, 6) != 0));
    if (sqlite3_column_type(st, 4) != SQLITE_NULL) {
        SC_TRY(copy_text(d, sqlite3_column_text(st, 4), &c->default_sql));
        SC_TRY(default_value(d, c));
    }
    if (pk > 0) {
        d->pk[pk - 1] = (uint16_t)d->column_count;
        d->pk_count++;
    }
    d->column_count++;
    return SC_OK;
}

static sc_err read_columns(struct definition *d)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(d->scratch, "SELECT * FROM pragma_table_xinfo(?1)", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_bind_text(st, 1, d->table, -1, SQLITE_STATIC) != SQLITE_OK)
        return fail_scratch(d);
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        SC_TRY(read_column(d, st));
    return rc == SQLITE_DONE ? SC_OK : fail_scratch(d);
}

static sc_err find_table(struct definition *d)
{
    SC_CLEANUP(finalizep) sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(d->scratch, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1, &st, NULL) !=
            SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW)
        return fail_scratch(d);
    return copy_text(d, sqlite3_column_text(st, 0), &d->table);
}

/* CHECK is a reserved word: as a name it would be quoted. */
static bool has_check(struct sc_slice statement)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    for (struct sql_token t = sql_lex(&lx); t.kind != SQL_TOKEN_END && t.kind != SQL_TOKEN_BROKEN; t = sql_lex(&lx))
        if (sql_token_is(t, "CHECK"))
            return true;
    return false;
}

static sc_err check_constraints(struct definition *d, struct sc_slice statement)
{
    static const struct {
        const char *sql;
        const char *what;
    } questions[] = {
        {"SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'u'", "UNIQUE beyond the primary key"},
        {"SELECT 1 FROM pragma_foreign_key_list(?1)", "FOREIGN KEY"},
        {"SELECT 1 FROM pragma_table_list(?1) WHERE strict", "STRICT"},
    };
    sqlite3_int64 answer = -1;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        SC_TRY(ask(d, questions[i].sql, &answer));
        if (answer != -1)
            return sql_fail(d->session, "0A000", "%s is not supported", questions[i].what);
    }
    return has_check(statement) ? sql_fail(d->session, "0A000", "CHECK is not supported") : SC_OK;
}

static sc_err define(struct definition *d, struct sc_slice statement, struct sql_table **out)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_open_v2(":memory:", &d->scratch, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return sql_fail(d->session, "53200", "out of memory");
    sqlite3_set_authorizer(d->scratch, authorize, d);
    d->running = true;
    int rc = sqlite3_prepare_v2(d->scratch, (const char *)statement.ptr, (int)statement.size, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    d->running = false;
    if (rc != SQLITE_DONE)
        return fail_scratch(d);
    SC_TRY(find_table(d));
    SC_TRY(read_columns(d));
    SC_TRY(check_constraints(d, statement));
    if (strncasecmp(d->table, "cascadb_", 8) == 0)
        return sql_fail(d->session, "42939", "names beginning with \"cascadb_\" are reserved");
    const bool autonumber = d->pk_count == 1 && strcasecmp(d->columns[d->pk[0]].type, "INTEGER") == 0;
    for (size_t k = 0; k < d->pk_count; k++)
        d->columns[d->pk[k]].not_null = !autonumber;
    const struct sql_table_spec spec = {0, d->table, d->columns, d->column_count, d->pk, d->pk_count};
    struct sc_diag diag = {0};
    const sc_err err = sql_table_new(&spec, out, &diag);
    return err == SC_OK ? SC_OK
                        : sql_fail(d->session, err == SC_E_NOMEM ? "53200" : "54011", "%s", sc_diag_text(&diag, err));
}

sc_err sql_define(struct sc_sql_session *s, struct sc_slice statement, struct sql_table **out)
{
    struct definition *d = calloc(1, sizeof *d);
    if (d == NULL)
        return sql_fail(s, "53200", "out of memory");
    d->session = s;
    sc_arena_init(&d->arena, (size_t)16 << 20);
    const sc_err err = define(d, statement, out);
    sqlite3_close(d->scratch);
    sc_arena_deinit(&d->arena);
    free(d);
    return err;
}
