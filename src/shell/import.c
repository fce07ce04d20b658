/* CSV files into a table, in memory of one piece of the file, all or nothing.
 *
 * The file is only split into pieces here; what they hold is read where the rows are stored, by COPY's reader. */
#include "shell/shell.h"

#include "base/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define PIECE_SIZE    ((size_t)256 << 10)
#define HEAD_SIZE_MAX ((size_t)1 << 20)

struct import {
    struct shell *shell;
    const struct shell_import *options;
    FILE *file;
    uint64_t size, done; /* bytes; size 0: unknown */
    struct sc_progress progress;
    struct pg_copy_statement statement;
    struct pg_copy_reader head; /* owns the columns' names */
    const char **columns;
    bool open;                 /* a load is begun */
    bool in_quotes;            /* at the place reached */
    uint64_t line, batch_line; /* lines before the place reached; before the load that is open */
    uint64_t batch_rows;       /* ends of rows seen in it */
    int64_t stored;            /* rows of loads that are committed */
};

static bool told(struct import *im, const struct shell_error *e)
{
    sc_progress_clear(&im->progress);
    fprintf(stderr, "ERROR:  %s", im->options->path);
    if (e->line != 0)
        fprintf(stderr, ":%" PRIu64, im->batch_line + e->line);
    if (e->column[0] != '\0')
        fprintf(stderr, ", column %s", e->column);
    fprintf(stderr, ": %s (SQLSTATE %s)\n", e->message, e->sqlstate);
    return false;
}

static bool told_errno(struct import *im)
{
    sc_progress_clear(&im->progress);
    fprintf(stderr, "ERROR:  %s: %s\n", im->options->path, strerror(errno));
    return false;
}

static bool told_text(struct import *im, const char *text)
{
    sc_progress_clear(&im->progress);
    fprintf(stderr, "ERROR:  %s: %s\n", im->options->path, text);
    return false;
}

/* ---- the head: names of the columns ---- */
static bool head_feed(struct import *im, const char *line, size_t size, bool *whole)
{
    struct sc_sql_error e;
    if (im->head.in.size > HEAD_SIZE_MAX)
        return told_text(im, "no first line that could name the columns");
    sc_err err = pg_copy_reader_feed(&im->head, sc_slice_of(line, size), &e);
    if (err == SC_OK)
        err = pg_copy_reader_next(&im->head, size == 0, &e);
    *whole = err == SC_OK;
    return err == SC_OK || err == SC_E_AGAIN || told_text(im, e.message);
}

static bool columns_take(struct import *im)
{
    const size_t count = im->head.field_count;
    im->columns = calloc(count + 1, sizeof *im->columns);
    for (size_t i = 0; im->columns != NULL && i < count; i++) {
        const struct sc_slice name = im->head.fields[i].bytes;
        im->columns[i] = strndup((const char *)name.ptr, name.size);
        if (im->columns[i] == NULL)
            return told_text(im, "out of memory");
    }
    im->statement.columns = im->columns;
    im->statement.column_count = count;
    return im->columns != NULL || told_text(im, "out of memory");
}

static bool head_read(struct import *im)
{
    SC_CLEANUP(sc_freep) char *line = NULL;
    size_t capacity = 0;
    bool whole = false;
    while (!whole) {
        const ssize_t n = getline(&line, &capacity, im->file);
        if (n < 0 && ferror(im->file))
            return told_errno(im);
        if (!head_feed(im, line, n > 0 ? (size_t)n : 0, &whole))
            return false;
        if (n < 0 && !whole)
            return told_text(im, "it is empty");
        im->done += n > 0 ? (uint64_t)n : 0;
        im->line += n > 0;
    }
    /* A byte order mark is not part of a name. */
    if (im->head.field_count != 0 && im->head.fields[0].bytes.size >= 3 &&
        memcmp(im->head.fields[0].bytes.ptr, "\xef\xbb\xbf", 3) == 0) {
        im->head.fields[0].bytes.ptr += 3;
        im->head.fields[0].bytes.size -= 3;
    }
    return columns_take(im);
}

/* ---- rows ---- */
static bool load_begin(struct import *im)
{
    struct shell_error e = {0};
    im->batch_line = im->line;
    im->batch_rows = 0;
    im->open = im->shell->backend->ops->import_begin(im->shell->backend, &im->statement, &e);
    return im->open || told(im, &e);
}

static bool load_end(struct import *im, bool commit)
{
    struct shell_error e = {0};
    int64_t rows = 0;
    if (!im->open)
        return true;
    im->open = false;
    const bool good = im->shell->backend->ops->import_end(im->shell->backend, commit, &rows, &e);
    if (commit && !good)
        return told(im, &e);
    im->stored += commit ? rows : 0;
    return true;
}

/* Bytes up to and with the end of the row that fills the load; all of them when it does not come. */
static size_t piece_cut(struct import *im, const char *p, size_t size, bool *full)
{
    *full = false;
    for (size_t i = 0; i < size; i++) {
        if (p[i] == '"')
            im->in_quotes = !im->in_quotes; /* a doubled quote closes and opens again */
        if (p[i] != '\n')
            continue;
        im->line++;
        if (im->in_quotes)
            continue;
        im->batch_rows++;
        if (im->options->batch_rows != 0 && im->batch_rows >= im->options->batch_rows) {
            *full = true;
            return i + 1;
        }
    }
    return size;
}

static bool piece_feed(struct import *im, const char *p, size_t size)
{
    while (size != 0) {
        struct shell_error e = {0};
        bool full;
        if (!im->open && !load_begin(im))
            return false;
        const size_t n = piece_cut(im, p, size, &full);
        if (!im->shell->backend->ops->import_feed(im->shell->backend, sc_slice_of(p, n), &e))
            return told(im, &e);
        if (full && !load_end(im, true))
            return false;
        p += n;
        size -= n;
        im->done += n;
        sc_progress_set(&im->progress, im->done, im->size);
    }
    return true;
}

static bool rows_read(struct import *im)
{
    SC_CLEANUP(sc_freep) char *piece = malloc(PIECE_SIZE);
    if (piece == NULL)
        return told_text(im, "out of memory");
    for (;;) {
        const size_t n = fread(piece, 1, PIECE_SIZE, im->file);
        if (n == 0)
            break;
        if (!piece_feed(im, piece, n))
            return false;
    }
    return ferror(im->file) == 0 ? load_end(im, true) : told_errno(im);
}

static bool import_all(struct import *im)
{
    if (im->options->header && !head_read(im))
        return false;
    return load_begin(im) && rows_read(im);
}

static void tell(struct import *im, bool good)
{
    sc_progress_clear(&im->progress);
    if (good)
        fprintf(stderr, "%" PRId64 " rows imported into %s.\n", im->stored, im->options->table);
    else if (im->stored != 0)
        fprintf(stderr, "%" PRId64 " rows are imported, those before line %" PRIu64 "; from there on none.\n",
                im->stored, im->batch_line + 1);
    else
        fprintf(stderr, "Nothing was imported.\n");
}

bool shell_import_run(struct shell *sh, const struct shell_import *options)
{
    struct import im = {.shell = sh, .options = options};
    struct stat st;
    const bool from_stdin = strcmp(options->path, "-") == 0;
    im.file = from_stdin ? stdin : fopen(options->path, "re");
    if (im.file == NULL)
        return told_errno(&im);
    if (sh->progress)
        sc_progress_begin(&im.progress, "import", SC_PROGRESS_BYTES);
    if (fstat(fileno(im.file), &st) == 0 && S_ISREG(st.st_mode))
        im.size = (uint64_t)st.st_size;
    im.statement = (struct pg_copy_statement){.from = true,
                                              .table = options->table,
                                              .format = PG_COPY_CSV,
                                              .delimiter = (uint8_t)options->delimiter,
                                              .quote = '"',
                                              .escape = '"'};
    snprintf(im.statement.null_text, sizeof im.statement.null_text, "%s", options->null_text);
    pg_copy_reader_init(&im.head, &im.statement);
    const bool good = import_all(&im);
    if (!good)
        load_end(&im, false);
    tell(&im, good);
    for (size_t i = 0; im.columns != NULL && i < im.statement.column_count; i++)
        free((char *)im.columns[i]);
    free(im.columns);
    pg_copy_reader_deinit(&im.head);
    if (!from_stdin)
        fclose(im.file);
    return good;
}
