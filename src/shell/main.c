/* securecloud-sql: CascaDB's own shell, with an identity instead of a user name and password. */
#include "service/db.h"
#include "shell/output.h"
#include "slt/main.h"
#include "sql/lex.h"

#include <getopt.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define STATEMENT_SIZE_MAX ((size_t)64 << 20)
#define HISTORY_LINES_MAX  1000
#define COMMAND_COUNT_MAX  64

struct shell {
    PGconn *db;
    enum shell_format format;
    bool interactive, timing;
    bool failed;
    struct sc_buf text; /* input not yet run */
    char *history_path;
};

/* ---- input ---- */
/* One line without its end; NULL at the end.  Owned by the caller. */
static char *line_read(struct shell *sh, const char *prompt)
{
    if (sh->interactive)
        return readline(prompt);
    char *line = NULL;
    size_t capacity = 0;
    const ssize_t n = getline(&line, &capacity, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n > 0 && line[n - 1] == '\n')
        line[n - 1] = '\0';
    return line;
}

/* ---- COPY ---- */
static void copy_in(struct shell *sh)
{
    if (sh->interactive)
        puts("Rows, one a line; a line with \\. ends them.");
    for (;;) {
        char *line = line_read(sh, "");
        const bool end = line == NULL || strcmp(line, "\\.") == 0;
        const bool sent =
            end || (PQputCopyData(sh->db, line, (int)strlen(line)) == 1 && PQputCopyData(sh->db, "\n", 1) == 1);
        free(line);
        if (end || !sent)
            break;
    }
    if (PQputCopyEnd(sh->db, NULL) != 1)
        fprintf(stderr, "COPY: %s", PQerrorMessage(sh->db));
}

static void copy_out(struct shell *sh)
{
    char *data = NULL;
    for (int n; (n = PQgetCopyData(sh->db, &data, 0)) > 0; PQfreemem(data))
        fwrite(data, 1, (size_t)n, stdout);
}

/* ---- statements ---- */
static PGcancel *volatile cancel_handle;
static void interrupt_handler(int signal_number)
{
    char why[128];
    (void)signal_number;
    if (cancel_handle != NULL)
        PQcancel(cancel_handle, why, sizeof why); /* safe in a signal handler, says libpq's documentation */
}

/* One result; *row_count counts over the parts of a result that comes in parts. */
static void result_show(struct shell *sh, const PGresult *res, const char *statement, uint64_t *row_count)
{
    switch (PQresultStatus(res)) {
    case PGRES_SINGLE_TUPLE:
        shell_print_rows(stdout, sh->format, res, *row_count == 0);
        *row_count += (uint64_t)PQntuples(res);
        break;
    case PGRES_TUPLES_OK:
        if (sh->format == SHELL_TABLE || *row_count == 0)
            shell_print_rows(stdout, sh->format, res, true);
        *row_count += (uint64_t)PQntuples(res);
        shell_print_end(stdout, sh->format, *row_count);
        *row_count = 0;
        break;
    case PGRES_COMMAND_OK:
        if (sh->format == SHELL_TABLE)
            printf("%s\n", PQcmdStatus((PGresult *)res));
        break;
    case PGRES_COPY_IN:
        copy_in(sh);
        break;
    case PGRES_COPY_OUT:
        copy_out(sh);
        break;
    case PGRES_EMPTY_QUERY:
        break;
    default:
        fflush(stdout);
        shell_print_error(stderr, res, statement);
        sh->failed = true;
    }
}

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void run(struct shell *sh, const char *statement)
{
    const double start = now_ms();
    uint64_t row_count = 0;
    if (PQsendQuery(sh->db, statement) != 1) {
        fprintf(stderr, "%s", PQerrorMessage(sh->db));
        sh->failed = true;
        return;
    }
    if (sh->format != SHELL_TABLE) /* a table needs all rows to know its widths; others stream */
        PQsetSingleRowMode(sh->db);
    cancel_handle = PQgetCancel(sh->db);
    for (PGresult *res; (res = PQgetResult(sh->db)) != NULL; PQclear(res)) {
        result_show(sh, res, statement, &row_count);
        if (PQstatus(sh->db) != CONNECTION_OK) {
            PQclear(res);
            break;
        }
    }
    PGcancel *cancel = cancel_handle;
    cancel_handle = NULL;
    PQfreeCancel(cancel);
    fflush(stdout);
    if (sh->timing)
        fprintf(stderr, "Time: %.3f ms\n", now_ms() - start);
}

static bool broken(const struct shell *sh)
{
    return PQstatus(sh->db) != CONNECTION_OK;
}

/* Runs the whole statements at the front of the text; last: what is left is one as well. */
static void run_text(struct shell *sh, bool last)
{
    size_t at = 0;
    while (!broken(sh) && (sh->interactive || !sh->failed)) {
        size_t used = 0;
        const struct sc_slice rest = sc_slice_of(sh->text.ptr + at, sh->text.size - at);
        const struct sc_slice first = sql_statement_first(rest, &used);
        if (first.size == used && !last) /* no semicolon yet */
            break;
        if (used == 0)
            break;
        if (sql_kind_of(first) != SQL_KIND_EMPTY) {
            char *statement = strndup((const char *)first.ptr, first.size);
            if (statement == NULL)
                break;
            run(sh, statement);
            free(statement);
        }
        at += used;
    }
    if (at != 0)
        memmove(sh->text.ptr, sh->text.ptr + at, sh->text.size - at);
    sh->text.size -= at;
    if (sql_kind_of(sc_buf_slice(&sh->text)) == SQL_KIND_EMPTY && memchr(sh->text.ptr, '/', sh->text.size) == NULL)
        sh->text.size = 0; /* blanks and line comments do not make a statement begin */
}

/* ---- commands of the shell itself ---- */
static void describe_table(struct shell *sh, const char *table)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    char *quoted = PQescapeLiteral(sh->db, table, strlen(table));
    if (quoted == NULL)
        return;
    sc_buf_put_fmt(&sql,
                   "SELECT column_name, data_type, not_null, column_default, primary_key FROM cascadb_columns"
                   " WHERE lower(table_name) = lower(%s) ORDER BY position",
                   quoted);
    PQfreemem(quoted);
    run(sh, sc_buf_cstr(&sql));
}

/* false: leave the shell. */
static bool command_run(struct shell *sh, char *line)
{
    char *save = NULL;
    const char *name = strtok_r(line, " \t;", &save);
    const char *argument = strtok_r(NULL, " \t;", &save);
    if (strcmp(name, "\\q") == 0)
        return false;
    if (strcmp(name, "\\dt") == 0 || (strcmp(name, "\\d") == 0 && argument == NULL))
        run(sh, "SELECT table_name, column_count, primary_key FROM cascadb_tables ORDER BY table_name");
    else if (strcmp(name, "\\d") == 0)
        describe_table(sh, argument);
    else if (strcmp(name, "\\timing") == 0)
        fprintf(stderr, "Timing is %s.\n", (sh->timing = !sh->timing) ? "on" : "off");
    else {
        fprintf(stderr, "Commands: \\dt (tables), \\d TABLE (columns), \\timing, \\q; all else is SQL, ended by ;\n");
        sh->failed = sh->failed || strcmp(name, "\\?") != 0;
    }
    return true;
}

static void history_load(struct shell *sh)
{
    const char *home = getenv("HOME");
    if (home == NULL || asprintf(&sh->history_path, "%s/.securecloud_sql_history", home) < 0) {
        sh->history_path = NULL;
        return;
    }
    using_history();
    stifle_history(HISTORY_LINES_MAX);
    read_history(sh->history_path);
}

static void read_and_run(struct shell *sh)
{
    char *line;
    if (sh->interactive)
        history_load(sh);
    while (!broken(sh) && (sh->interactive || !sh->failed) &&
           (line = line_read(sh, sh->text.size == 0 ? "securecloud=> " : "securecloud-> ")) != NULL) {
        bool go_on = true;
        if (sh->interactive && *line != '\0')
            add_history(line);
        if (sh->text.size == 0 && *line == '\\') {
            go_on = command_run(sh, line);
        } else {
            sc_buf_put_str(&sh->text, line);
            sc_buf_put_u8(&sh->text, '\n');
            if (sc_buf_status(&sh->text) != SC_OK) {
                fprintf(stderr, "a statement of more than %zu bytes\n", STATEMENT_SIZE_MAX);
                sh->failed = true;
                go_on = false;
            } else {
                run_text(sh, false);
            }
        }
        free(line);
        if (!go_on)
            break;
    }
    if (!sh->interactive)
        run_text(sh, true);
    if (sh->history_path != NULL)
        write_history(sh->history_path);
}

/* ---- main ---- */
static void print_help(void)
{
    printf("Usage: securecloud sql --identity DIR [-c SQL]... [--format table|json|csv]\n\n"
           "Runs SQL on CascaDB: the statements of -c, or a file on standard input, or what you type.\n\n"
           "  --identity DIR    who you are: cert.pem, key.pem, ca.pem and config.json with \"database\"\n"
           "  -c, --command SQL run this and leave; may be given several times\n"
           "  --format FORMAT   table (default on a terminal), csv (default elsewhere) or json\n\n"
           "Commands when typing: \\dt (tables), \\d TABLE (columns), \\timing, \\q.\n"
           "Exit codes: 0 all worked, 1 a statement failed (those behind it are not run), 2 wrong usage.\n");
}

struct arguments {
    const char *identity;
    const char *format;
    const char *commands[COMMAND_COUNT_MAX];
    size_t command_count;
};

static bool format_parse(const char *name, enum shell_format *out)
{
    static const char *const names[] = {"table", "csv", "json"};
    for (int i = 0; name != NULL && i < 3; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum shell_format)i;
            return true;
        }
    }
    return name == NULL;
}

/* -1: go on; else the exit code. */
static int arguments_parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"identity", required_argument, NULL, 'i'}, {"command", required_argument, NULL, 'c'},
        {"format", required_argument, NULL, 'f'},   {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (o == 'h' || o == 'V') {
            if (o == 'h')
                print_help();
            else
                printf("securecloud-sql %s\n", SC_VERSION);
            return 0;
        }
        if (o == 'i')
            a->identity = optarg;
        else if (o == 'f')
            a->format = optarg;
        else if (o == 'c' && a->command_count < COMMAND_COUNT_MAX)
            a->commands[a->command_count++] = optarg;
        else
            return 2;
    }
    if (a->identity != NULL && optind == argc)
        return -1;
    fprintf(stderr, "securecloud-sql: --identity DIR is required; see --help\n");
    return 2;
}

static void commands_run(struct shell *sh, const struct arguments *a)
{
    for (size_t i = 0; i < a->command_count && !sh->failed && !broken(sh); i++) {
        if (a->commands[i][0] == '\\') {
            SC_CLEANUP(sc_freep) char *line = strdup(a->commands[i]);
            if (line == NULL || !command_run(sh, line))
                return;
        } else {
            sc_buf_reset(&sh->text);
            sc_buf_put_str(&sh->text, a->commands[i]);
            run_text(sh, true);
        }
    }
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    struct shell sh = {0};
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    if (argc > 1 && strcmp(argv[1], "--slt") == 0)
        return sc_slt_main(argc - 1, argv + 1);
    const int code = arguments_parse(argc, argv, &a);
    if (code >= 0)
        return code;
    sh.format = isatty(STDOUT_FILENO) ? SHELL_TABLE : SHELL_CSV;
    if (!format_parse(a.format, &sh.format)) {
        fprintf(stderr, "securecloud-sql: --format is table, json or csv\n");
        return 2;
    }
    sh.interactive = a.command_count == 0 && isatty(STDIN_FILENO);
    sc_err err = sc_identity_load(a.identity, &id, &diag);
    if (err == SC_OK)
        err = sc_db_connect(id, &sh.db, &diag);
    if (err != SC_OK) {
        fprintf(stderr, "securecloud-sql: %s\n", sc_diag_text(&diag, err));
        return 1;
    }
    sc_buf_init(&sh.text, STATEMENT_SIZE_MAX);
    signal(SIGINT, interrupt_handler);
    if (a.command_count != 0)
        commands_run(&sh, &a);
    else
        read_and_run(&sh);
    const bool lost = broken(&sh);
    PQfinish(sh.db);
    sc_buf_deinit(&sh.text);
    free(sh.history_path);
    if (lost)
        fprintf(stderr, "securecloud-sql: connection lost\n");
    return lost || (sh.failed && !sh.interactive) ? 1 : 0;
}
