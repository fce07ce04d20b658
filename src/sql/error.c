#include "sql/internal.h"

#include <stdio.h>
#include <strings.h>

sc_err sql_err_of_state(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        sc_err err;
    } map[] = {
        {"40001", SC_E_CONFLICT},  {"23505", SC_E_EXISTS},    {"42P07", SC_E_EXISTS},   {"42P01", SC_E_NOT_FOUND},
        {"42703", SC_E_NOT_FOUND}, {"42883", SC_E_NOT_FOUND}, {"0A", SC_E_UNSUPPORTED}, {"53200", SC_E_NOMEM},
        {"53", SC_E_LIMIT},        {"54", SC_E_LIMIT},        {"57014", SC_E_LIMIT},    {"25006", SC_E_AUTH},
        {"42501", SC_E_AUTH},      {"28", SC_E_AUTH},         {"XX001", SC_E_AUTH},     {"58", SC_E_IO},
        {"XX000", SC_E_IO},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (strncmp(sqlstate, map[i].prefix, strlen(map[i].prefix)) == 0)
            return map[i].err;
    return SC_E_USAGE;
}

sc_err sql_fail(struct sc_sql_session *s, const char *sqlstate, const char *fmt, ...)
{
    const sc_err err = sql_err_of_state(sqlstate);
    if (s->failed)
        return err; /* the first failure wins */
    s->failed = true;
    s->error.position = 0;
    snprintf(s->error.sqlstate, sizeof s->error.sqlstate, "%s", sqlstate);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->error.message, sizeof s->error.message, fmt, ap);
    va_end(ap);
    return err;
}

sc_err sql_fail_storage(struct sc_sql_session *s, sc_err err, const struct sc_diag *diag, const char *what)
{
    const char *state = "XX000";
    switch (err) {
    case SC_E_CONFLICT:
        state = "40001";
        break;
    case SC_E_NOMEM:
        state = "53200";
        break;
    case SC_E_LIMIT:
        state = "54000";
        break;
    case SC_E_AUTH:
    case SC_E_MALFORMED:
        state = "XX001";
        break;
    case SC_E_IO:
        state = "58030";
        break;
    default:
        break;
    }
    sql_fail(s, state, "%s: %s", what, sc_diag_text(diag, err));
    return err;
}

/* SQLite has one code for most mistakes in a statement; its texts are stable enough to tell them apart. */
static const char *state_of_text(const char *text)
{
    static const struct {
        const char *part;
        const char *state;
    } map[] = {
        {"error in ", "2BP01"}, /* ... index i after drop column: something depends on it */
        {"no such table", "42P01"},
        {"no such view", "42P01"},
        {"no such index", "42704"},
        {"no such trigger", "42704"},
        {"no such savepoint", "3B001"},
        {"cannot modify", "0A000"},
        {"already another table or index", "42P07"},
        {"no such column", "42703"},
        {"has no column named", "42703"},
        {"no such function", "42883"},
        {"wrong number of arguments", "42883"},
        {"syntax error", "42601"},
        {"incomplete input", "42601"},
        {"unrecognized token", "42601"},
        {"ambiguous column name", "42702"},
        {"already exists", "42P07"},
        {"values were supplied", "42601"},
        {"values for", "42601"},
        {"duplicate column name", "42701"},
        {"misuse of aggregate", "42803"},
        {"misuse of window", "42P20"},
        {"may not be modified", "42501"},
        {"UPSERT not implemented", "0A000"},
        {"integer overflow", "22003"},
        {"no query solution", "0A000"},
        {"not available on virtual", "0A000"},
        {"do not have the same number", "42601"},
        {"may not be", "0A000"},
        {"too many", "54000"},
        {"too large", "54000"},
        {"not authorized", "42501"},
        {"prohibited", "42501"},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (strstr(text, map[i].part) != NULL)
            return map[i].state;
    return "42000";
}

sc_err sql_fail_sqlite(struct sc_sql_session *s, int rc)
{
    return sql_fail_sqlite_of(s, s->sqlite, rc);
}

sc_err sql_fail_sqlite_of(struct sc_sql_session *s, sqlite3 *sqlite, int rc)
{
    if (s->failed)
        return sql_err_of_state(s->error.sqlstate);
    const char *text = sqlite3_errmsg(sqlite);
    const int offset = sqlite3_error_offset(sqlite);
    const char *state;
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return sql_fail(s, "53200", "out of memory: the limit for SQL statements is reached");
    case SQLITE_INTERRUPT:
        return sql_fail(s, "57014", "%s",
                        s->cancelled ? "canceling statement due to user request"
                                     : "canceling statement due to statement timeout");
    case SQLITE_TOOBIG:
        state = "54000";
        break;
    case SQLITE_CONSTRAINT:
        state = "23000";
        break;
    case SQLITE_AUTH:
        state = "42501";
        break;
    case SQLITE_MISMATCH:
        state = "42804";
        break;
    case SQLITE_ERROR:
        state = state_of_text(text);
        break;
    default:
        state = "XX000";
    }
    const sc_err err = sql_fail(s, state, "%s", text);
    s->error.position = offset >= 0 ? (size_t)offset + 1 : 0;
    return err;
}
