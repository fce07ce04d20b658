/* Commands of the shell itself: \name or .name. */
#include "shell/shell.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

const char shell_command_help[] =
    "  \\dt, \\d            tables\n"
    "  \\d TABLE           columns of a table\n"
    "  \\schema [TABLE]    tables as CREATE TABLE\n"
    "  \\format NAME       table, csv, tsv, json, jsonl, lines or markdown\n"
    "  \\headers on|off    names of columns in csv and tsv\n"
    "  \\timing [on|off]   how long each statement takes\n"
    "  \\import [--header] [--delimiter C] [--null TEXT] [--batch ROWS] FILE TABLE\n"
    "                     load a CSV file: all rows or none; with --batch a transaction each so many rows\n"
    "  \\output [FILE]     results to a file; back to the screen\n"
    "  \\read FILE         run the statements of a file\n"
    "  \\help, \\?          this\n"
    "  \\q                 leave\n"
    "A command may begin with a dot instead.  All else is SQL, ended by ;  EXPLAIN KEYS shows a statement's key-value "
    "accesses.\n";

const char *const shell_command_names[] = {"d",      "dt", "exit", "format", "headers", "help",   "import", "mode",
                                           "output", "q",  "quit", "read",   "schema",  "tables", "timing", NULL};

#define WORDS_MAX 16

/* Splits at blanks; 'a b' and "a b" are one word.  Returns the number of words, 0 with too many. */
static size_t words_split(char *line, char *words[static WORDS_MAX])
{
    size_t n = 0;
    for (char *p = line; *p != '\0';) {
        while (isspace((unsigned char)*p))
            p++;
        if (*p == '\0')
            break;
        if (n == WORDS_MAX)
            return 0;
        const char quote = *p == '\'' || *p == '"' ? *p++ : '\0';
        words[n++] = p;
        while (*p != '\0' && (quote != '\0' ? *p != quote : !isspace((unsigned char)*p)))
            p++;
        if (*p != '\0')
            *p++ = '\0';
    }
    return n;
}

static void wrong(struct shell *sh, const char *what)
{
    fprintf(stderr, "%s; \\help lists the commands\n", what);
    sh->failed = true;
}

static void put_literal(struct sc_buf *sql, const char *text)
{
    sc_buf_put_u8(sql, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            sc_buf_put_u8(sql, '\'');
        sc_buf_put_u8(sql, (uint8_t)*text);
    }
    sc_buf_put_u8(sql, '\'');
}

/* ---- the dictionary ---- */
static void describe(struct shell *sh, const char *table)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    if (table == NULL) {
        shell_run(sh, "SELECT table_name, column_count, primary_key FROM cascadb_tables ORDER BY table_name");
        return;
    }
    sc_buf_put_str(&sql, "SELECT column_name, data_type, not_null, column_default, primary_key FROM cascadb_columns"
                         " WHERE lower(table_name) = lower(");
    put_literal(&sql, table);
    sc_buf_put_str(&sql, ") ORDER BY position");
    shell_run(sh, sc_buf_cstr(&sql));
}

/* CREATE TABLE, from what the dictionary says of each column. */
struct schema {
    FILE *out;
    struct sc_buf table;    /* the one being printed */
    struct sc_buf keys[32]; /* key columns in the order of the key */
};

static void schema_end(struct schema *s)
{
    if (s->table.size == 0)
        return;
    for (size_t k = 0; k < 32 && s->keys[k].size != 0; k++)
        fprintf(s->out, "%s\"%s\"", k == 0 ? ",\n    PRIMARY KEY(" : ", ", sc_buf_cstr(&s->keys[k]));
    fprintf(s->out, "%s\n);\n", s->keys[0].size != 0 ? ")" : "");
    for (size_t k = 0; k < 32; k++)
        sc_buf_reset(&s->keys[k]);
}

static void schema_row(void *arg, const char *const *v)
{
    struct schema *s = arg;
    const bool first = v[0] != NULL && strcmp(sc_buf_cstr(&s->table), v[0]) != 0;
    if (v[0] == NULL || v[1] == NULL)
        return;
    if (first) {
        schema_end(s);
        sc_buf_reset(&s->table);
        sc_buf_put_str(&s->table, v[0]);
        fprintf(s->out, "CREATE TABLE \"%s\"(", v[0]);
    }
    fprintf(s->out, "%s\n    \"%s\"", first ? "" : ",", v[1]);
    if (v[2] != NULL && *v[2] != '\0')
        fprintf(s->out, " %s", v[2]);
    if (v[3] != NULL && strcmp(v[3], "0") != 0)
        fputs(" NOT NULL", s->out);
    if (v[4] != NULL)
        fprintf(s->out, " DEFAULT %s", v[4]);
    const unsigned long key = v[5] != NULL ? strtoul(v[5], NULL, 10) : 0;
    if (key >= 1 && key <= 32)
        sc_buf_put_str(&s->keys[key - 1], v[1]);
}

static void view_row(void *arg, const char *const *v)
{
    if (v[0] != NULL)
        fprintf(((struct schema *)arg)->out, "%s;\n", v[0]);
}

static void schema(struct shell *sh, const char *table)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    struct schema s = {.out = sh->output.file};
    struct shell_error e;
    sc_buf_put_str(&sql, "SELECT table_name, column_name, data_type, not_null, column_default, primary_key"
                         " FROM cascadb_columns");
    if (table != NULL) {
        sc_buf_put_str(&sql, " WHERE lower(table_name) = lower(");
        put_literal(&sql, table);
        sc_buf_put_str(&sql, ")");
    }
    sc_buf_put_str(&sql, " ORDER BY table_name, position");
    if (!shell_query(sh, sc_buf_cstr(&sql), schema_row, &s, &e)) {
        shell_error_print(stderr, &e, sc_buf_cstr(&sql));
        sh->failed = true;
    }
    schema_end(&s);
    sc_buf_reset(&sql);
    sc_buf_put_str(&sql, "SELECT sql FROM sqlite_schema WHERE type = 'view'");
    if (table != NULL) {
        sc_buf_put_str(&sql, " AND lower(name) = lower(");
        put_literal(&sql, table);
        sc_buf_put_str(&sql, ")");
    }
    if (!shell_query(sh, sc_buf_cstr(&sql), view_row, &s, &e)) {
        shell_error_print(stderr, &e, sc_buf_cstr(&sql));
        sh->failed = true;
    }
    fflush(s.out);
    sc_buf_deinit(&s.table);
    for (size_t k = 0; k < 32; k++)
        sc_buf_deinit(&s.keys[k]);
}

/* ---- settings ---- */
static void flag_set(struct shell *sh, const char *word, bool *flag, const char *name)
{
    if (word == NULL)
        *flag = !*flag;
    else if (strcasecmp(word, "on") == 0 || strcasecmp(word, "off") == 0)
        *flag = strcasecmp(word, "on") == 0;
    else {
        wrong(sh, "on or off");
        return;
    }
    fprintf(stderr, "%s is %s.\n", name, *flag ? "on" : "off");
}

static void format_set(struct shell *sh, const char *word)
{
    if (word == NULL)
        fprintf(stderr, "Format is %s.\n", shell_format_names[sh->output.format]);
    else if (!shell_format_parse(word, &sh->output.format))
        wrong(sh, "formats are table, csv, tsv, json, jsonl, lines and markdown");
}

/* ---- files ---- */
static void output_set(struct shell *sh, const char *path)
{
    FILE *f = path != NULL ? fopen(path, "we") : NULL;
    if (path != NULL && f == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        sh->failed = true;
        return;
    }
    if (sh->output_file != NULL && fclose(sh->output_file) != 0) {
        fprintf(stderr, "the output is not whole: %s\n", strerror(errno));
        sh->failed = true;
    }
    sh->output_file = f;
    sh->output.file = f != NULL ? f : stdout;
}

static void file_read(struct shell *sh, const char *path)
{
    FILE *f = path != NULL && sh->read_depth < SHELL_READ_DEPTH_MAX ? fopen(path, "re") : NULL;
    struct shell_input *outer = sh->input;
    const bool interactive = sh->interactive;
    if (f == NULL) {
        fprintf(stderr, "%s: %s\n", path != NULL ? path : "\\read",
                path == NULL                             ? "which file?"
                : sh->read_depth >= SHELL_READ_DEPTH_MAX ? "files that read files that read files ..."
                                                         : strerror(errno));
        sh->failed = true;
        return;
    }
    sh->input = shell_input_new(sh, f);
    sh->interactive = false; /* the file ends at its first failure, the shell of a human does not */
    sh->failed = sh->failed && !interactive;
    sh->read_depth++;
    if (sh->input != NULL)
        shell_run_input(sh);
    sh->text.size = 0;
    sh->read_depth--;
    shell_input_free(sh->input);
    sh->input = outer;
    sh->interactive = interactive;
    fclose(f);
}

/* ---- import ---- */
static bool import_option(struct shell_import *im, const char *name, const char *value, size_t *used)
{
    char *end = NULL;
    *used = 2;
    if (strcmp(name, "--header") == 0) {
        im->header = true;
        *used = 1;
        return true;
    }
    if (value == NULL)
        return false;
    if (strcmp(name, "--null") == 0) {
        im->null_text = value;
        return true;
    }
    if (strcmp(name, "--delimiter") == 0) {
        im->delimiter = strcmp(value, "\\t") == 0 ? '\t' : value[0];
        return (value[0] != '\0' && value[1] == '\0') || im->delimiter == '\t';
    }
    if (strcmp(name, "--batch") == 0) {
        im->batch_rows = strtoull(value, &end, 10);
        return value[0] >= '0' && value[0] <= '9' && *end == '\0';
    }
    return false;
}

static void import(struct shell *sh, char **words, size_t count)
{
    struct shell_import im = {.delimiter = ',', .null_text = ""};
    size_t i = 1, used;
    while (i < count && strncmp(words[i], "--", 2) == 0) {
        if (!import_option(&im, words[i], i + 1 < count ? words[i + 1] : NULL, &used)) {
            wrong(sh, "\\import [--header] [--delimiter C] [--null TEXT] [--batch ROWS] FILE TABLE");
            return;
        }
        i += used;
    }
    if (count - i != 2) {
        wrong(sh, "\\import wants a file and a table");
        return;
    }
    im.path = words[i];
    im.table = words[i + 1];
    sh->failed = !shell_import_run(sh, &im) || sh->failed;
}

void shell_command(struct shell *sh, char *line)
{
    char *words[WORDS_MAX + 1] = {NULL};
    size_t count = words_split(line, words);
    if (count == 0) {
        wrong(sh, "too many words");
        return;
    }
    char *last = words[count - 1] + strlen(words[count - 1]);
    if (count > 1 && last > words[count - 1] && last[-1] == ';') /* as hands are used to */
        last[-1] = '\0';
    words[0][strcspn(words[0], ";")] = '\0';
    const char *name = words[0] + 1;
    if (strcmp(name, "q") == 0 || strcmp(name, "quit") == 0 || strcmp(name, "exit") == 0)
        sh->leave = true;
    else if (strcmp(name, "dt") == 0 || strcmp(name, "tables") == 0)
        describe(sh, NULL);
    else if (strcmp(name, "d") == 0)
        describe(sh, words[1]);
    else if (strcmp(name, "schema") == 0)
        schema(sh, words[1]);
    else if (strcmp(name, "timing") == 0)
        flag_set(sh, words[1], &sh->timing, "Timing");
    else if (strcmp(name, "headers") == 0)
        flag_set(sh, words[1], &sh->output.headers, "Headers");
    else if (strcmp(name, "format") == 0 || strcmp(name, "mode") == 0)
        format_set(sh, words[1]);
    else if (strcmp(name, "output") == 0)
        output_set(sh, words[1]);
    else if (strcmp(name, "read") == 0)
        file_read(sh, words[1]);
    else if (strcmp(name, "import") == 0)
        import(sh, words, count);
    else if (strcmp(name, "help") == 0 || strcmp(name, "?") == 0)
        fputs(shell_command_help, stderr);
    else
        wrong(sh, "there is no such command");
}
