/* What Tab offers: after a dot the columns of a table, at the line's begin with \ or . the commands, else keywords,
 * tables and columns.  Names are asked of the database when they are first wanted, and again after a definition. */
#include "shell/shell.h"

#include <ctype.h>
#include <readline/readline.h>
#include <strings.h>

#define NAMES_MAX ((size_t)20000)

static const char *const keywords[] = {
    "ABORT",        "ALTER",      "ANALYZE",   "AND",       "AS",        "ASC",       "BEGIN",     "BETWEEN",
    "BY",           "CASCADE",    "CASE",      "CAST",      "CHECK",     "COLLATE",   "COLUMN",    "COMMIT",
    "CONFLICT",     "CONSTRAINT", "COPY",      "CREATE",    "CROSS",     "DEFAULT",   "DEFERRED",  "DELETE",
    "DESC",         "DISTINCT",   "DROP",      "ELSE",      "END",       "ESCAPE",    "EXCEPT",    "EXISTS",
    "EXPLAIN",      "FILTER",     "FOREIGN",   "FROM",      "GENERATED", "GLOB",      "GROUP",     "HAVING",
    "IF",           "IGNORE",     "IN",        "INDEX",     "INNER",     "INSERT",    "INTERSECT", "INTO",
    "IS",           "ISOLATION",  "JOIN",      "KEY",       "KEYS",      "LEFT",      "LEVEL",     "LIKE",
    "LIMIT",        "NATURAL",    "NOT",       "NULL",      "OFFSET",    "ON",        "OR",        "ORDER",
    "OUTER",        "OVER",       "PARTITION", "PLAN",      "PRIMARY",   "QUERY",     "RECURSIVE", "REFERENCES",
    "RELEASE",      "RENAME",     "REPLACE",   "RETURNING", "ROLLBACK",  "ROWID",     "SAVEPOINT", "SELECT",
    "SERIALIZABLE", "SET",        "STDIN",     "STDOUT",    "TABLE",     "THEN",      "TO",        "TRANSACTION",
    "TRIGGER",      "UNION",      "UNIQUE",    "UPDATE",    "USING",     "VALUES",    "VIEW",      "WHEN",
    "WHERE",        "WINDOW",     "WITH",      "WITHOUT",   "avg(",      "coalesce(", "count(",    "group_concat(",
    "length(",      "max(",       "min(",      "printf(",   "random(",   "round(",    "strftime(", "substr(",
    "sum(",         "total(",     "typeof(",   "upper(",    "lower(",
};

struct name {
    char *table, *column; /* column NULL: the table itself */
};
static struct {
    struct shell *shell;
    struct name *names;
    size_t count, capacity;
    bool known;
} state;

void shell_complete_forget(void)
{
    for (size_t i = 0; i < state.count; i++) {
        free(state.names[i].table);
        free(state.names[i].column);
    }
    free(state.names);
    state.names = NULL;
    state.count = state.capacity = 0;
    state.known = false;
}

static void name_add(const char *table, const char *column)
{
    if (state.count == state.capacity) {
        const size_t capacity = 2 * state.capacity + 64;
        struct name *names = state.count < NAMES_MAX ? reallocarray(state.names, capacity, sizeof *names) : NULL;
        if (names == NULL)
            return;
        state.names = names;
        state.capacity = capacity;
    }
    struct name *n = &state.names[state.count];
    n->table = strdup(table);
    n->column = column != NULL ? strdup(column) : NULL;
    if (n->table != NULL && (column == NULL || n->column != NULL))
        state.count++;
}

static void on_row(void *arg, const char *const *values)
{
    const char **last = arg;
    if (values[0] == NULL || values[1] == NULL)
        return;
    if (*last == NULL || strcmp(*last, values[0]) != 0)
        name_add(values[0], NULL);
    name_add(values[0], values[1]);
    *last = state.count != 0 ? state.names[state.count - 1].table : NULL;
}

static void names_learn(void)
{
    struct shell_error ignored; /* no names: no completion */
    const char *last = NULL;
    if (state.known)
        return;
    state.known = true;
    shell_query(state.shell, "SELECT table_name, column_name FROM cascadb_columns ORDER BY table_name, position",
                on_row, &last, &ignored);
}

/* ---- candidates for a word, one a call, as readline wants them ---- */
/* Keywords are offered as they were begun: sel -> select, SEL -> SELECT. */
static char *as_begun(const char *keyword, const char *text)
{
    char *copy = strdup(keyword);
    const bool lower = text[0] != '\0' && islower((unsigned char)text[strlen(text) - 1]);
    for (char *p = copy; p != NULL && *p != '\0'; p++)
        *p = (char)(lower ? tolower((unsigned char)*p) : *p);
    return copy;
}

/* The n-th candidate with that beginning; NULL: there are no more.  *at: where to go on. */
static char *next_word(const char *text, size_t size, size_t *at)
{
    const size_t keyword_count = sizeof keywords / sizeof keywords[0];
    for (; *at < keyword_count; ++*at)
        if (size != 0 && strncasecmp(keywords[*at], text, size) == 0)
            return as_begun(keywords[(*at)++], text);
    for (; *at - keyword_count < state.count; ++*at) {
        const struct name *n = &state.names[*at - keyword_count];
        const char *name = n->column != NULL ? n->column : n->table;
        if (strncasecmp(name, text, size) == 0) {
            ++*at;
            return strdup(name);
        }
    }
    return NULL;
}

/* "table.col": the columns of that table, or of any when it is an alias. */
static char *next_column(const char *text, const char *dot, size_t *at)
{
    bool is_table = false;
    char *full = NULL;
    for (size_t i = 0; i < state.count && !is_table; i++)
        is_table = strncasecmp(state.names[i].table, text, (size_t)(dot - text)) == 0 &&
                   state.names[i].table[dot - text] == '\0';
    while (*at < state.count) {
        const struct name *n = &state.names[(*at)++];
        const bool of_table = strncasecmp(n->table, text, (size_t)(dot - text)) == 0 && n->table[dot - text] == '\0';
        if (n->column == NULL || (is_table && !of_table) || strncasecmp(n->column, dot + 1, strlen(dot + 1)) != 0)
            continue;
        return asprintf(&full, "%.*s.%s", (int)(dot - text), text, n->column) < 0 ? NULL : full;
    }
    return NULL;
}

static char *on_word(const char *text, int again)
{
    static size_t at;
    const char *dot = strchr(text, '.');
    at = again == 0 ? 0 : at;
    return dot != NULL ? next_column(text, dot, &at) : next_word(text, strlen(text), &at);
}

static char *on_command(const char *text, int again)
{
    static size_t at;
    at = again == 0 ? 0 : at;
    while (shell_command_names[at] != NULL) {
        const char *name = shell_command_names[at++];
        char *full = NULL;
        if (strncmp(name, text + 1, strlen(text) - 1) == 0)
            return asprintf(&full, "%c%s", text[0], name) < 0 ? NULL : full;
    }
    return NULL;
}

static char **on_complete(const char *text, int start, int end)
{
    (void)end;
    rl_completion_append_character = ' ';
    if (start == 0 && (*text == '\\' || *text == '.')) {
        rl_attempted_completion_over = 1;
        return rl_completion_matches(text, on_command);
    }
    /* Of a command that takes a file, readline's own completion offers files. */
    const bool takes_file = strncmp(rl_line_buffer + 1, "import", 6) == 0 ||
                            strncmp(rl_line_buffer + 1, "read", 4) == 0 ||
                            strncmp(rl_line_buffer + 1, "output", 6) == 0;
    if ((rl_line_buffer[0] == '\\' || rl_line_buffer[0] == '.') && takes_file)
        return NULL;
    rl_attempted_completion_over = 1;
    names_learn();
    return rl_completion_matches(text, on_word);
}

void shell_complete_init(struct shell *sh)
{
    state.shell = sh;
    rl_readline_name = "securecloud-sql";
    rl_attempted_completion_function = on_complete;
    rl_completer_word_break_characters = (char *)" \t\n\"'`@$><=;|&{(,+-*/%";
}
