/* shell/shell.h - what the parts of the shell share.  One thread. */
#ifndef SC_SHELL_SHELL_H
#define SC_SHELL_SHELL_H

#include "shell/output.h"

#define SHELL_STATEMENT_SIZE_MAX ((size_t)64 << 20)
#define SHELL_READ_DEPTH_MAX     8 /* of files that read files */

struct shell_input; /* where lines come from */
struct shell {
    struct shell_backend *backend;
    struct shell_output output;
    struct shell_input *input;
    FILE *output_file;   /* of \output; NULL: standard output */
    bool interactive;    /* a human types: prompts, history, and an error ends nothing */
    bool timing;
    bool failed;         /* a statement did */
    bool leave;          /* \q */
    bool progress;
    unsigned read_depth;
    struct sc_buf text;  /* input not yet run */
    const char *statement; /* being run; NULL: none */
};

/* ---- run.c ---- */
/* Runs one statement and shows what comes of it; false: it failed, and was told. */
bool shell_run(struct shell *sh, const char *statement);
/* As above, but hands the rows to the caller and shows nothing; e says why it failed. */
bool shell_query(struct shell *sh, const char *statement, void (*row)(void *arg, const char *const *values), void *arg,
                 struct shell_error *e);
/* Takes a line of SQL or a command of the shell; runs the statements that are whole. */
void shell_line(struct shell *sh, char *line);
/* Runs what is left in sh->text, whole or not. */
void shell_finish(struct shell *sh);
/* All lines of the input, to its end, to \q, or to the first failure when nobody types. */
void shell_run_input(struct shell *sh);
/* -c: SQL text, or one command. */
void shell_run_text(struct shell *sh, const char *text);

/* ---- input.c ---- */
/* Lines of f; f NULL: of a human, with history and completion.  f is borrowed. */
struct shell_input *shell_input_new(struct shell *sh, FILE *f);
void shell_input_free(struct shell_input *in); /* writes the history */
/* One line without its end, owned by the caller; NULL at the end. */
char *shell_input_line(struct shell_input *in, const char *prompt);

/* ---- complete.c ---- */
/* Readline's completion from now on: keywords, commands, tables and columns. */
void shell_complete_init(struct shell *sh);
void shell_complete_forget(void); /* names may have changed */

/* ---- command.c ---- */
/* A line that begins with \ or . ; changes it. */
void shell_command(struct shell *sh, char *line);
extern const char shell_command_help[];
extern const char *const shell_command_names[]; /* NULL at the end */

/* ---- import.c ---- */
struct shell_import {
    const char *path;         /* "-": standard input */
    const char *table;
    bool header;              /* the first line names the columns */
    char delimiter;
    const char *null_text;
    uint64_t batch_rows;      /* 0: all or nothing; else a transaction each so many rows */
};
/* Loads a CSV file; tells what it did or what is wrong, with line and column. */
bool shell_import_run(struct shell *sh, const struct shell_import *im);

#endif
