#include "billing/command.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static sc_err add_file(struct sc_tariffs *t, const char *path, struct sc_diag *diag)
{
    if (t->count == SC_TARIFFS_MAX)
        return sc_fail(diag, SC_E_USAGE, "at most %d tariffs", SC_TARIFFS_MAX);
    SC_CLEANUP(sc_freep) struct sc_tariff *tariff = malloc(sizeof *tariff);
    if (tariff == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    SC_TRY(sc_tariff_read(path, tariff, diag));
    t->list[t->count++] = SC_TAKE(tariff);
    return SC_OK;
}

int sc_is_json_entry(const struct dirent *entry)
{
    const size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0;
}

static sc_err add_entry(struct sc_tariffs *t, const char *dir, const char *name, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, name);
    if (path == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", name);
    return add_file(t, path, diag);
}

sc_err sc_tariffs_add(struct sc_tariffs *t, const char *path, struct sc_diag *diag)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return add_file(t, path, diag);
    struct dirent **names = NULL;
    const int count = scandir(path, &names, sc_is_json_entry, versionsort);
    if (count < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    sc_err err = count == 0 ? sc_fail(diag, SC_E_NOT_FOUND, "%s: no tariff there", path) : SC_OK;
    for (int i = 0; i < count; i++) {
        if (err == SC_OK)
            err = add_entry(t, path, names[i]->d_name, diag);
        free(names[i]);
    }
    free(names);
    return err;
}

void sc_tariffs_deinit(struct sc_tariffs *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->list[i]);
}

void sc_progress(const char *what, size_t done, size_t total)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s %zu of %zu%s", what, done, total, done == total ? "\n" : "");
}

int sc_command_failed(const char *name, sc_err err, const struct sc_diag *diag)
{
    fprintf(stderr, "%s: %s\n", name, sc_diag_text(diag, err));
    return err == SC_E_USAGE ? SC_EXIT_USAGE : SC_EXIT_FAILED;
}

sc_err sc_number_parse(const char *text, int64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return SC_E_USAGE;
    errno = 0;
    const long long v = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0)
        return SC_E_USAGE;
    *out = v;
    return SC_OK;
}
