/* Statements: split, run, shown. */
#include "shell/shell.h"

#include "base/clock.h"

static void on_begin(void *arg, const struct shell_column *columns, size_t count)
{
    shell_output_begin(&((struct shell *)arg)->output, columns, count);
}

static void on_row(void *arg, const char *const *values)
{
    shell_output_row(&((struct shell *)arg)->output, values);
}

static void on_done(void *arg, const char *tag)
{
    shell_output_done(&((struct shell *)arg)->output, tag);
}

static bool on_copy_line(void *arg, struct sc_slice *line_out)
{
    struct shell *sh = arg;
    static char *line; /* until the next one */
    free(line);
    line = sh->input != NULL ? shell_input_line(sh->input, "") : NULL;
    if (line == NULL || strcmp(line, "\\.") == 0) {
        free(SC_TAKE(line));
        return false;
    }
    *line_out = sc_slice_str(line);
    return true;
}

static void on_copy_data(void *arg, struct sc_slice data)
{
    fwrite(data.ptr, 1, data.size, ((struct shell *)arg)->output.file);
}

/* What may change names: then completion asks again. */
static bool defines(const char *statement)
{
    struct sql_lexer lx = sql_lexer_of(sc_slice_str(statement));
    const struct sql_token t = sql_lex(&lx);
    return sql_token_is(t, "CREATE") || sql_token_is(t, "DROP") || sql_token_is(t, "ALTER");
}

bool shell_run(struct shell *sh, const char *statement)
{
    const struct shell_sink sink = {on_begin, on_row, on_done, on_copy_line, on_copy_data, sh};
    const int64_t start_us = sc_mono_us(&sc_clock_system);
    struct shell_error e = {0};
    sh->statement = statement;
    if (sh->interactive && sql_kind_of(sc_slice_str(statement)) == SQL_KIND_COPY)
        puts("Rows, one a line; a line with \\. ends them.");
    const bool good = sh->backend->ops->run(sh->backend, statement, &sink, &e);
    sh->statement = NULL;
    if (!good)
        shell_output_abort(&sh->output);
    fflush(sh->output.file);
    if (!good) {
        shell_error_print(stderr, &e, statement);
        sh->failed = true;
    }
    if (sh->timing)
        fprintf(stderr, "Time: %.3f ms\n", (double)(sc_mono_us(&sc_clock_system) - start_us) / 1e3);
    if (defines(statement))
        shell_complete_forget();
    return good;
}

/* ---- rows for the shell itself ---- */
struct query {
    void (*row)(void *arg, const char *const *values);
    void *arg;
};

static void query_begin(void *arg, const struct shell_column *columns, size_t count)
{
    (void)arg, (void)columns, (void)count;
}

static void query_row(void *arg, const char *const *values)
{
    const struct query *q = arg;
    q->row(q->arg, values);
}

static void query_done(void *arg, const char *tag)
{
    (void)arg, (void)tag;
}

bool shell_query(struct shell *sh, const char *statement, void (*row)(void *arg, const char *const *values), void *arg,
                 struct shell_error *e)
{
    struct query q = {row, arg};
    const struct shell_sink sink = {query_begin, query_row, query_done, NULL, NULL, &q};
    return sh->backend->ops->run(sh->backend, statement, &sink, e);
}

/* ---- text ---- */
static bool lost(const struct shell *sh)
{
    return sh->backend->ops->lost(sh->backend);
}

static bool goes_on(const struct shell *sh)
{
    return !lost(sh) && !sh->leave && (sh->interactive || !sh->failed);
}

/* Runs the whole statements at the front of the text; last: what is left is one as well. */
static void text_run(struct shell *sh, bool last)
{
    size_t at = 0;
    while (goes_on(sh)) {
        size_t used = 0;
        const struct sc_slice rest = sc_slice_of(sh->text.ptr + at, sh->text.size - at);
        const struct sc_slice first = sql_statement_first(rest, &used);
        if ((first.size == used && !last) || used == 0) /* no semicolon yet, or nothing */
            break;
        if (sql_kind_of(first) != SQL_KIND_EMPTY) {
            SC_CLEANUP(sc_freep) char *statement = strndup((const char *)first.ptr, first.size);
            if (statement == NULL)
                break;
            shell_run(sh, statement);
        }
        at += used;
    }
    if (at != 0)
        memmove(sh->text.ptr, sh->text.ptr + at, sh->text.size - at);
    sh->text.size -= at;
    if (sql_kind_of(sc_buf_slice(&sh->text)) == SQL_KIND_EMPTY && memchr(sh->text.ptr, '/', sh->text.size) == NULL)
        sh->text.size = 0; /* blanks and line comments do not make a statement begin */
}

void shell_line(struct shell *sh, char *line)
{
    if (sh->text.size == 0 && (*line == '\\' || *line == '.')) {
        shell_command(sh, line);
        return;
    }
    sc_buf_put_str(&sh->text, line);
    sc_buf_put_u8(&sh->text, '\n');
    if (sc_buf_status(&sh->text) == SC_OK) {
        text_run(sh, false);
        return;
    }
    fprintf(stderr, "a statement of more than %zu bytes\n", SHELL_STATEMENT_SIZE_MAX);
    sc_buf_reset(&sh->text);
    sh->failed = true;
}

void shell_finish(struct shell *sh)
{
    if (sh->text.size != 0)
        text_run(sh, true);
    sh->text.size = 0;
}

void shell_run_input(struct shell *sh)
{
    char *line;
    while (goes_on(sh) &&
           (line = shell_input_line(sh->input, sh->text.size == 0 ? "securecloud=> " : "securecloud-> ")) != NULL) {
        shell_line(sh, line);
        free(line);
    }
    if (!sh->interactive)
        shell_finish(sh);
}

void shell_run_text(struct shell *sh, const char *text)
{
    SC_CLEANUP(sc_freep) char *line = strdup(text);
    if (line == NULL)
        return;
    if (*line == '\\' || *line == '.') {
        shell_command(sh, line);
        return;
    }
    sc_buf_put_str(&sh->text, text);
    shell_finish(sh);
}
