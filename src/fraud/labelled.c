#include "fraud/labelled.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define LINE_MAX_SIZE 16384
static const char header_start[] = "customer,flag,d";

static void gz_closep(gzFile *f)
{
    if (*f != NULL)
        gzclose(*f);
}

/* One line without its end; *end_out at the end of the file. */
static sc_err line_read(gzFile f, char *line, const char *path, size_t line_number, bool *end_out, struct sc_diag *diag)
{
    *end_out = false;
    if (gzgets(f, line, LINE_MAX_SIZE) == NULL) {
        int code;
        const char *why = gzerror(f, &code);
        if (code != Z_OK && code != Z_STREAM_END)
            return sc_fail(diag, SC_E_MALFORMED, "%s:%zu: %s", path, line_number, why);
        *end_out = true;
        return SC_OK;
    }
    const size_t size = strlen(line);
    if (size == LINE_MAX_SIZE - 1)
        return sc_fail(diag, SC_E_MALFORMED, "%s:%zu: line too long", path, line_number);
    line[strcspn(line, "\r\n")] = '\0';
    return SC_OK;
}

static sc_err file_open(const char *path, gzFile *out, struct sc_diag *diag)
{
    *out = gzopen(path, "rbe");
    return *out != NULL ? SC_OK : sc_fail_errno(diag, SC_E_IO, "%s", path);
}

sc_err sc_labelled_recognise(const char *path, bool *is_out, struct sc_diag *diag)
{
    SC_CLEANUP(gz_closep) gzFile f = NULL;
    SC_TRY(file_open(path, &f, diag));
    char line[LINE_MAX_SIZE];
    bool end;
    SC_TRY(line_read(f, line, path, 1, &end, diag));
    *is_out = !end && strncmp(line, header_start, sizeof header_start - 1) == 0;
    return SC_OK;
}

static sc_err header_parse(char *line, struct sc_load_table *t, const char *path, struct sc_diag *diag)
{
    int64_t first_ms = 0;
    size_t days = 0;
    char *rest = line + strlen("customer,flag,");
    for (char *cell; (cell = strsep(&rest, ",")) != NULL; days++) {
        struct sc_civil day = {0};
        int used = 0;
        if (sscanf(cell, "d%4d%2d%2d%n", &day.year, &day.month, &day.day, &used) != 3 || cell[used] != '\0')
            return sc_fail(diag, SC_E_MALFORMED, "%s:1: column \"%.20s\"", path, cell);
        const int64_t ms = sc_civil_to_ms(&day);
        if (days == 0)
            first_ms = ms;
        if (ms != first_ms + (int64_t)days * SC_LOAD_DAY_MS)
            return sc_fail(diag, SC_E_MALFORMED, "%s:1: column \"%.20s\" is not the day after the one before", path,
                           cell);
    }
    const sc_err err = sc_load_init(t, first_ms, days, 1, 0);
    return err == SC_OK ? SC_OK : sc_fail(diag, err, "%s:1: %zu days", path, days);
}

static sc_err row_parse(char *line, struct sc_labelled *l, const char *path, size_t line_number, struct sc_diag *diag)
{
    char *rest = line;
    const char *name = strsep(&rest, ","), *flag = strsep(&rest, ",");
    if (flag == NULL || (strcmp(flag, "0") != 0 && strcmp(flag, "1") != 0))
        return sc_fail(diag, SC_E_MALFORMED, "%s:%zu: flag 0 or 1 expected", path, line_number);
    size_t customer;
    const sc_err err = sc_load_add(&l->table, (int64_t)line_number - 1, name, SC_CLASS_RESIDENTIAL, &customer);
    if (err != SC_OK)
        return sc_fail(diag, err, "%s:%zu: %s", path, line_number, sc_err_name(err));
    for (size_t d = 0; d < l->table.day_count; d++) {
        const char *cell = strsep(&rest, ",");
        char *end = NULL;
        const double kwh = cell == NULL ? NAN : *cell == '\0' ? 0.0 : strtod(cell, &end);
        if (cell == NULL || (*cell != '\0' && (*end != '\0' || !isfinite(kwh) || kwh < 0.0)))
            return sc_fail(diag, SC_E_MALFORMED, "%s:%zu: day %zu: energy expected", path, line_number, d + 1);
        *sc_load_curve(&l->table, customer, d) = *cell == '\0' ? NAN : (float)(kwh / 24.0);
    }
    if (rest != NULL)
        return sc_fail(diag, SC_E_MALFORMED, "%s:%zu: more cells than the header", path, line_number);
    bool *thief = reallocarray(l->thief, l->table.customer_count, sizeof *thief);
    if (thief == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s:%zu", path, line_number);
    l->thief = thief;
    thief[customer] = *flag == '1';
    return SC_OK;
}

static sc_err load(gzFile f, const char *path, size_t customers_max, struct sc_labelled *l, struct sc_diag *diag)
{
    char line[LINE_MAX_SIZE];
    bool end;
    SC_TRY(line_read(f, line, path, 1, &end, diag));
    if (end || strncmp(line, header_start, sizeof header_start - 1) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s:1: header \"%s...\" expected", path, header_start);
    SC_TRY(header_parse(line, &l->table, path, diag));
    for (size_t number = 2; customers_max == 0 || l->table.customer_count < customers_max; number++) {
        SC_TRY(line_read(f, line, path, number, &end, diag));
        if (end)
            break;
        SC_TRY(row_parse(line, l, path, number, diag));
    }
    return SC_OK;
}

sc_err sc_labelled_load(const char *path, size_t customers_max, struct sc_labelled *out, struct sc_diag *diag)
{
    SC_CLEANUP(gz_closep) gzFile f = NULL;
    SC_TRY(file_open(path, &f, diag));
    SC_CLEANUP(sc_labelled_deinit) struct sc_labelled l = {0};
    SC_TRY(load(f, path, customers_max, &l, diag));
    *out = l;
    l = (struct sc_labelled){0};
    return SC_OK;
}

void sc_labelled_deinit(struct sc_labelled *l)
{
    if (l == NULL)
        return;
    sc_load_deinit(&l->table);
    free(l->thief);
    *l = (struct sc_labelled){0};
}
