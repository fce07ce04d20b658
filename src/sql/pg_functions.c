/* Functions that PostgreSQL's clients call by themselves, and those that src/cascadb writes for operators and casts
 * that SQLite does not have. */
#include "base/clock.h"
#include "sql/pg_internal.h"

#include <regex.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define PATTERN_SIZE_MAX 256
#define SLEEP_STEP_NS    20000000L

struct functions {
    struct sc_sql_session *session;
    struct sc_sql_pg_host host;
};

static struct functions *functions_of(sqlite3_context *ctx)
{
    return sqlite3_user_data(ctx);
}

static const char *text_of(sqlite3_value *v)
{
    return (const char *)sqlite3_value_text(v);
}

static void result_made(sqlite3_context *ctx, char *text)
{
    if (text == NULL)
        sqlite3_result_error_nomem(ctx);
    else
        sqlite3_result_text(ctx, text, -1, sqlite3_free);
}

/* ---- constants, and what passes its argument through ---- */
static void f_null(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_null(ctx);
}

static void f_true(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int(ctx, 1);
}

static void f_zero(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int(ctx, 0);
}

static void f_first(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (argc > 0)
        sqlite3_result_value(ctx, argv[0]);
}

static void f_owner(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, "cascadb", -1, SQLITE_STATIC);
}

static void f_encoding(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, "UTF8", -1, SQLITE_STATIC);
}

static void f_schema(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argv;
    sqlite3_result_text(ctx, argc == 0 ? "public" : "{public}", -1, SQLITE_STATIC);
}

/* ---- the session ---- */
static void f_user(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, functions_of(ctx)->host.user, -1, SQLITE_TRANSIENT);
}

static void f_process(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int64(ctx, functions_of(ctx)->host.process);
}

static void f_setting(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const struct functions *f = functions_of(ctx);
    const char *name = text_of(argv[0]);
    const char *value = name != NULL ? f->host.setting(f->host.arg, name) : NULL;
    if (value != NULL)
        sqlite3_result_text(ctx, value, -1, SQLITE_TRANSIENT);
    else if (name != NULL && (argc < 2 || sqlite3_value_int(argv[1]) == 0))
        sqlite3_result_error(ctx, "unrecognized configuration parameter", -1);
}

static void f_sleep(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct sc_sql_session *s = functions_of(ctx)->session;
    (void)argc;
    const double seconds = sqlite3_value_double(argv[0]);
    const int64_t until_us = sc_mono_us(&sc_clock_system) + (int64_t)((seconds < 0       ? 0
                                                                       : seconds > 86400 ? 86400
                                                                                         : seconds) *
                                                                      1e6);
    while (sc_mono_us(&sc_clock_system) < until_us) {
        if (sql_progress(s)) {
            sqlite3_result_error_code(ctx, SQLITE_INTERRUPT);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = SLEEP_STEP_NS}, NULL);
    }
    sqlite3_result_text(ctx, "", 0, SQLITE_STATIC);
}

static void f_now(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    (void)argv;
    const int64_t ms = sc_wall_ms(&sc_clock_system);
    const time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    result_made(ctx, sqlite3_mprintf("%04d-%02d-%02d %02d:%02d:%02d.%03d+00", tm.tm_year + 1900, tm.tm_mon + 1,
                                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000)));
}

/* ---- the catalogue ---- */
static void f_format_type(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return;
    const char *name = pg_type_name(sqlite3_value_int64(argv[0]));
    sqlite3_result_text(ctx, name != NULL ? name : "???", -1, SQLITE_STATIC);
}

/* pg_get_indexdef(oid [, column, pretty]): the statement, or the n-th column. */
static void indexdef(sqlite3_context *ctx, const struct sql_table *t, const struct sql_index *i, int column)
{
    if (column > 0) {
        if (column > i->part_count)
            return;
        const struct sql_part *p = &i->parts[column - 1];
        result_made(ctx, sqlite3_mprintf("%s", p->column >= 0    ? t->columns[p->column].name
                                               : p->expr != NULL ? p->expr
                                                                 : ""));
        return;
    }
    char *name = pg_index_name(t, i);
    char *columns = pg_index_columns(t, i);
    if (name == NULL || columns == NULL)
        sqlite3_result_error_nomem(ctx);
    else
        result_made(ctx, sqlite3_mprintf("CREATE %sINDEX %s ON public.%s USING kvs (%s)%s%s",
                                         i == &t->primary || i->unique ? "UNIQUE " : "", name, t->name, columns,
                                         i != &t->primary && i->where != NULL ? " WHERE " : "",
                                         i != &t->primary && i->where != NULL ? i->where : ""));
    sqlite3_free(name);
    sqlite3_free(columns);
}

static void f_indexdef(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const struct sc_sql_session *s = functions_of(ctx)->session;
    const int64_t oid = sqlite3_value_int64(argv[0]);
    const int column = argc > 1 ? sqlite3_value_int(argv[1]) : 0;
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        if (!t->hidden && pg_primary_oid(t->id) == oid)
            indexdef(ctx, t, &t->primary, column);
        for (size_t i = 0; i < t->index_count; i++)
            if (pg_oid(t->indexes[i].id) == oid)
                indexdef(ctx, t, &t->indexes[i], column);
    }
}

static void f_constraintdef(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const struct sc_sql_session *s = functions_of(ctx)->session;
    const int64_t oid = sqlite3_value_int64(argv[0]);
    (void)argc;
    for (size_t k = 0; k < s->table_count; k++) {
        const struct sql_table *t = s->tables[k];
        if (!t->hidden && pg_primary_oid(t->id) == oid) {
            char *columns = pg_index_columns(t, &t->primary);
            result_made(ctx, columns != NULL ? sqlite3_mprintf("PRIMARY KEY (%s)", columns) : NULL);
            sqlite3_free(columns);
        }
        for (size_t i = 0; i < t->fk_count; i++)
            if (pg_fk_oid(t, i) == oid)
                result_made(ctx, pg_fk_definition(t, &t->fks[i]));
        for (size_t i = 0; i < t->check_count; i++)
            if (pg_check_oid(t, i) == oid)
                result_made(ctx, sqlite3_mprintf("CHECK (%s)", t->checks[i].sql));
    }
}

/* The statement behind its AS. */
static void f_viewdef(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const struct sc_sql_session *s = functions_of(ctx)->session;
    const int64_t oid = sqlite3_value_int64(argv[0]);
    (void)argc;
    for (size_t k = 0; k < s->view_count; k++) {
        const struct sql_view *v = s->views[k];
        if (v->type != SQL_OBJECT_VIEW || pg_oid(v->id) != oid)
            continue;
        const char *as = v->sql;
        struct sql_lexer lx = sql_lexer_of(sc_slice_str(v->sql));
        for (struct sql_token t = sql_lex(&lx); t.kind != SQL_TOKEN_END; t = sql_lex(&lx))
            if (sql_token_is(t, "AS")) {
                as = (const char *)lx.cur;
                break;
            }
        result_made(ctx, sqlite3_mprintf(" %s;", as + strspn(as, " \n\t")));
    }
}

/* An object's name to its id and back: text that is digits stays a number. */
static void f_regclass(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const struct sc_sql_session *s = functions_of(ctx)->session;
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_INTEGER) {
        const int64_t oid = sqlite3_value_int64(argv[0]);
        const struct sql_table *t = pg_table_of_oid(s, oid);
        for (size_t k = 0; k < s->view_count; k++)
            if (pg_oid(s->views[k]->id) == oid)
                sqlite3_result_text(ctx, s->views[k]->name, -1, SQLITE_TRANSIENT);
        if (t != NULL)
            sqlite3_result_text(ctx, t->name, -1, SQLITE_TRANSIENT);
        return;
    }
    const char *name = text_of(argv[0]);
    if (name == NULL)
        return;
    if (name[0] != '\0' && strspn(name, "0123456789") == strlen(name)) {
        sqlite3_result_int64(ctx, sqlite3_value_int64(argv[0]));
        return;
    }
    if (strncasecmp(name, "public.", 7) == 0)
        name += 7;
    char plain[SQL_NAME_SIZE_MAX];
    const size_t size = strlen(name);
    const bool quoted = size >= 2 && name[0] == '"' && name[size - 1] == '"';
    if (size >= sizeof plain)
        return;
    memcpy(plain, name + (quoted ? 1 : 0), size - (quoted ? 2 : 0));
    plain[size - (quoted ? 2 : 0)] = '\0';
    const struct sql_table *t = pg_table_find(s, plain);
    if (t != NULL)
        sqlite3_result_int64(ctx, pg_oid(t->id));
    for (size_t k = 0; k < s->view_count; k++)
        if (s->views[k]->type == SQL_OBJECT_VIEW && strcasecmp(s->views[k]->name, plain) == 0)
            sqlite3_result_int64(ctx, pg_oid(s->views[k]->id));
}

/* ---- operators and casts ---- */
static void regex_free(void *re)
{
    regfree(re);
    sqlite3_free(re);
}

/* a REGEXP b calls regexp(b, a).  POSIX extended expressions, as PostgreSQL's are in the main. */
static void f_regexp(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const char *pattern = text_of(argv[0]);
    const char *text = text_of(argv[1]);
    (void)argc;
    if (pattern == NULL || text == NULL)
        return;
    regex_t *re = sqlite3_get_auxdata(ctx, 0);
    if (re == NULL) {
        re = sqlite3_malloc(sizeof *re);
        if (re == NULL) {
            sqlite3_result_error_nomem(ctx);
            return;
        }
        /* what repeats what repeats takes glibc memory without end: no bounds in braces here */
        if (strlen(pattern) > PATTERN_SIZE_MAX || strchr(pattern, '{') != NULL ||
            regcomp(re, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
            sqlite3_free(re);
            sqlite3_result_error(ctx, "invalid regular expression", -1);
            return;
        }
        sqlite3_set_auxdata(ctx, 0, re, regex_free);
        re = sqlite3_get_auxdata(ctx, 0);
        if (re == NULL) {
            sqlite3_result_error_nomem(ctx);
            return;
        }
    }
    sqlite3_result_int(ctx, regexec(re, text, 0, NULL, 0) == 0);
}

static void f_bool(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    static const char *const words[] = {"f", "false", "n", "no", "off", "0", "t", "true", "y", "yes", "on", "1"};
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
        return;
    if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
        sqlite3_result_int(ctx, sqlite3_value_double(argv[0]) != 0);
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text_of(argv[0]), words[i]) == 0) {
            sqlite3_result_int(ctx, i >= 6);
            return;
        }
    sqlite3_result_error(ctx, "invalid input syntax for type boolean", -1);
}

static void f_bytea(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    const char *text = text_of(argv[0]);
    if (sqlite3_value_type(argv[0]) == SQLITE_BLOB || text == NULL) {
        sqlite3_result_value(ctx, argv[0]);
        return;
    }
    if (strncmp(text, "\\x", 2) != 0) {
        if (strchr(text, '\\') != NULL)
            sqlite3_result_error(ctx, "invalid input syntax for type bytea: write \\x and hexadecimal digits", -1);
        else
            sqlite3_result_blob(ctx, text, (int)strlen(text), SQLITE_TRANSIENT);
        return;
    }
    const size_t size = (strlen(text) - 2) / 2;
    uint8_t *bytes = sqlite3_malloc64(size + 1);
    if (bytes == NULL) {
        sqlite3_result_error_nomem(ctx);
    } else if (strlen(text) % 2 != 0 || (size != 0 && sc_hex_decode(text + 2, bytes, size) != SC_OK)) {
        sqlite3_free(bytes);
        sqlite3_result_error(ctx, "invalid input syntax for type bytea", -1);
    } else {
        sqlite3_result_blob64(ctx, bytes, size, sqlite3_free);
    }
}

static void f_quote_ident(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    const char *text = text_of(argv[0]);
    (void)argc;
    if (text == NULL)
        return;
    const bool plain = text[0] != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(text) &&
                       (text[0] < '0' || text[0] > '9');
    result_made(ctx, sqlite3_mprintf(plain ? "%s" : "\"%w\"", text));
}

static void f_quote_literal(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    if (text_of(argv[0]) != NULL)
        result_made(ctx, sqlite3_mprintf("%Q", text_of(argv[0])));
}

/* Sides: 1 leading, 2 trailing. */
static void trim(sqlite3_context *ctx, sqlite3_value **argv, int sides)
{
    const char *characters = text_of(argv[0]);
    const char *text = text_of(argv[1]);
    if (characters == NULL || text == NULL)
        return;
    size_t from = (sides & 1) != 0 ? strspn(text, characters) : 0;
    size_t to = strlen(text);
    while ((sides & 2) != 0 && to > from && strchr(characters, text[to - 1]) != NULL)
        to--;
    sqlite3_result_text(ctx, text + from, (int)(to - from), SQLITE_TRANSIENT);
}

static void f_ltrim(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    trim(ctx, argv, 1);
}

static void f_rtrim(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    trim(ctx, argv, 2);
}

static void f_btrim(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    trim(ctx, argv, 3);
}

static void f_size_pretty(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
        result_made(ctx, sqlite3_mprintf("%lld bytes", sqlite3_value_int64(argv[0])));
}

static const struct {
    const char *name;
    int argc;
    int flags;
    void (*call)(sqlite3_context *ctx, int argc, sqlite3_value **argv);
} all[] = {
    {"array_length", 2, 0, f_null},
    {"array_lower", 2, 0, f_null},
    {"array_to_string", 2, 0, f_first},
    {"array_upper", 2, 0, f_null},
    {"clock_timestamp", 0, 0, f_now},
    {"col_description", 2, 0, f_null},
    {"current_schema", 0, 0, f_schema},
    {"current_schemas", 1, 0, f_schema},
    {"current_setting", 1, 0, f_setting},
    {"current_setting", 2, 0, f_setting},
    {"current_user", 0, 0, f_user},
    {"format_type", 2, 0, f_format_type},
    {"has_any_column_privilege", -1, 0, f_true},
    {"has_database_privilege", -1, 0, f_true},
    {"has_schema_privilege", -1, 0, f_true},
    {"has_table_privilege", -1, 0, f_true},
    {"now", 0, 0, f_now},
    {"obj_description", -1, 0, f_null},
    {"pg_backend_pid", 0, 0, f_process},
    {"pg_btrim", 2, SQLITE_DETERMINISTIC, f_btrim},
    {"pg_ltrim", 2, SQLITE_DETERMINISTIC, f_ltrim},
    {"pg_rtrim", 2, SQLITE_DETERMINISTIC, f_rtrim},
    {"pg_bool", 1, SQLITE_DETERMINISTIC, f_bool},
    {"pg_bytea", 1, SQLITE_DETERMINISTIC, f_bytea},
    {"pg_encoding_to_char", 1, 0, f_encoding},
    {"pg_function_is_visible", 1, 0, f_true},
    {"pg_get_constraintdef", -1, 0, f_constraintdef},
    {"pg_get_expr", -1, 0, f_first},
    {"pg_get_function_arguments", 1, 0, f_null},
    {"pg_get_function_result", 1, 0, f_null},
    {"pg_get_indexdef", -1, 0, f_indexdef},
    {"pg_get_ruledef", -1, 0, f_null},
    {"pg_get_statisticsobjdef_columns", 1, 0, f_null},
    {"pg_get_triggerdef", -1, 0, f_null},
    {"pg_get_userbyid", 1, 0, f_owner},
    {"pg_get_viewdef", -1, 0, f_viewdef},
    {"pg_is_in_recovery", 0, 0, f_zero},
    {"pg_partition_ancestors", 1, 0, f_null},
    {"pg_regclass", 1, 0, f_regclass},
    {"pg_relation_is_publishable", 1, 0, f_true},
    {"pg_relation_size", -1, 0, f_null},
    {"pg_size_pretty", 1, 0, f_size_pretty},
    {"pg_sleep", 1, 0, f_sleep},
    {"pg_table_is_visible", 1, 0, f_true},
    {"pg_table_size", 1, 0, f_null},
    {"pg_tablespace_location", 1, 0, f_null},
    {"pg_total_relation_size", 1, 0, f_null},
    {"pg_type_is_visible", 1, 0, f_true},
    {"quote_ident", 1, SQLITE_DETERMINISTIC, f_quote_ident},
    {"quote_literal", 1, SQLITE_DETERMINISTIC, f_quote_literal},
    {"regexp", 2, SQLITE_DETERMINISTIC, f_regexp},
    {"session_user", 0, 0, f_user},
    {"shobj_description", 2, 0, f_null},
    {"statement_timestamp", 0, 0, f_now},
    {"to_regclass", 1, 0, f_regclass},
    {"transaction_timestamp", 0, 0, f_now},
};

int pg_functions_register(struct sc_sql_session *s, const struct sc_sql_pg_host *host)
{
    struct functions *f = sqlite3_malloc(sizeof *f);
    if (f == NULL)
        return SQLITE_NOMEM;
    *f = (struct functions){s, *host};
    /* the first one owns f, and is the last to go: it cannot be replaced, for nobody may define functions */
    int rc =
        sqlite3_create_function_v2(s->sqlite, "pg_catalog_host", 0, SQLITE_UTF8, f, f_null, NULL, NULL, sqlite3_free);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof all / sizeof all[0]; i++) {
        const int innocuous = all[i].call != f_sleep ? SQLITE_INNOCUOUS : 0; /* views and defaults may use it */
        rc = sqlite3_create_function(s->sqlite, all[i].name, all[i].argc, SQLITE_UTF8 | innocuous | all[i].flags, f,
                                     all[i].call, NULL, NULL);
    }
    return rc;
}
