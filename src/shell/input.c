/* Lines: of a file, or of a human. */
#include "shell/shell.h"

#include <readline/history.h>
#include <readline/readline.h>
#include <unistd.h>

#define HISTORY_LINES_MAX 1000

struct shell_input {
    FILE *file; /* NULL: a human */
    char *history_path;
};

static void history_load(struct shell_input *in)
{
    const char *home = getenv("HOME");
    const char *path = getenv("SECURECLOUD_SQL_HISTORY");
    if (path != NULL)
        in->history_path = *path != '\0' ? strdup(path) : NULL; /* empty: none is kept */
    else if (home == NULL || asprintf(&in->history_path, "%s/.securecloud_sql_history", home) < 0)
        in->history_path = NULL;
    using_history();
    stifle_history(HISTORY_LINES_MAX);
    if (in->history_path != NULL)
        read_history(in->history_path); /* there may be none yet */
}

struct shell_input *shell_input_new(struct shell *sh, FILE *f)
{
    struct shell_input *in = calloc(1, sizeof *in);
    if (in == NULL)
        return NULL;
    in->file = f;
    if (f == NULL) {
        history_load(in);
        shell_complete_init(sh);
    }
    return in;
}

void shell_input_free(struct shell_input *in)
{
    if (in == NULL)
        return;
    if (in->history_path != NULL && write_history(in->history_path) != 0)
        fprintf(stderr, "securecloud-sql: the history cannot be written to %s\n", in->history_path);
    free(in->history_path);
    free(in);
}

char *shell_input_line(struct shell_input *in, const char *prompt)
{
    char *line = NULL;
    size_t capacity = 0;
    if (in->file == NULL) {
        line = readline(prompt);
        if (line != NULL && *line != '\0')
            add_history(line);
        return line;
    }
    const ssize_t n = getline(&line, &capacity, in->file);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n > 0 && line[n - 1] == '\n')
        line[n - 1] = '\0';
    return line;
}
