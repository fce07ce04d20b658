/* shell/backend.h - what the shell runs statements on: a server over libpq, or a database in this process.
 * A backend belongs to one thread, except cancel(). */
#ifndef SC_SHELL_BACKEND_H
#define SC_SHELL_BACKEND_H

#include "cascadb/copy.h"
#include "cascadb/local.h"

struct shell_error {
    char sqlstate[6];
    char message[1000];
    char context[200];   /* where in COPY's data; empty: nowhere */
    size_t position;     /* character of the statement, from 1; 0: unknown */
    uint64_t line;       /* of the data, from 1; 0: unknown */
    char column[128];    /* of the table; empty: unknown */
};
struct shell_column {
    const char *name;
    bool number;
};
/* Where results go.  All is borrowed until the call returns. */
struct shell_sink {
    void (*begin)(void *arg, const struct shell_column *columns, size_t count); /* of rows, of which there may be none */
    void (*row)(void *arg, const char *const *values);                          /* NULL: a NULL */
    void (*done)(void *arg, const char *tag); /* "SELECT 3", "INSERT 0 1", "CREATE TABLE" ... */
    bool (*copy_line)(void *arg, struct sc_slice *line_out); /* the next line of COPY's data; false: the end */
    void (*copy_data)(void *arg, struct sc_slice data);      /* of COPY TO */
    void *arg;
};

struct shell_backend;
struct shell_backend_ops {
    /* Runs one statement; false: it failed, e says why. */
    bool (*run)(struct shell_backend *b, const char *statement, const struct shell_sink *sink, struct shell_error *e);
    /* Makes the running statement fail; safe in a signal handler. */
    void (*cancel)(struct shell_backend *b);
    bool (*lost)(const struct shell_backend *b); /* the connection: nothing works any more */
    /* COPY FROM with data that the shell reads; feed takes any bytes, end frees.  After a failure only end(commit false). */
    bool (*import_begin)(struct shell_backend *b, const struct pg_copy_statement *st, struct shell_error *e);
    bool (*import_feed)(struct shell_backend *b, struct sc_slice bytes, struct shell_error *e);
    bool (*import_end)(struct shell_backend *b, bool commit, int64_t *rows_out, struct shell_error *e);
    void (*free)(struct shell_backend *b);
};
struct shell_backend { /* implementations begin with it */
    const struct shell_backend_ops *ops;
};

/* identity: a directory as service/identity.h has it, with the member "database" in its config.json. */
sc_err shell_backend_server(const char *identity, struct shell_backend **out, struct sc_diag *diag) SC_MUST_CHECK;
/* Owns local from success on. */
sc_err shell_backend_local(struct sc_local *local, bool read_only, struct shell_backend **out, struct sc_diag *diag)
    SC_MUST_CHECK;

#endif
