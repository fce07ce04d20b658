#include "billing/command.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

sc_err sc_tariffs_add(struct sc_tariffs *t, const char *path, struct sc_diag *diag)
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
