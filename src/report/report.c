#include "report/report.h"

#include "base/file.h"
#include "report/page.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define CUSTOMERS_MAX 1000000

struct names {
    char **name;
    size_t count;
};

static void names_deinit(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->name[i]);
    free(n->name);
}

static void dir_closep(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

/* The file names in dir that end in .json. */
static sc_err names_read(const char *dir, struct names *out, struct sc_diag *diag)
{
    SC_CLEANUP(dir_closep) DIR *d = opendir(dir);
    if (d == NULL)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s", dir);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        const size_t size = strlen(e->d_name);
        if (size <= 5 || strcmp(e->d_name + size - 5, ".json") != 0 || e->d_name[0] == '.')
            continue;
        if (out->count == CUSTOMERS_MAX)
            return sc_fail(diag, SC_E_LIMIT, "%s: more than %d files", dir, CUSTOMERS_MAX);
        char **name = reallocarray(out->name, out->count + 1, sizeof *name);
        if (name == NULL)
            return sc_fail(diag, SC_E_NOMEM, "%s", dir);
        out->name = name;
        name[out->count] = strdup(e->d_name);
        if (name[out->count] == NULL)
            return sc_fail(diag, SC_E_NOMEM, "%s", dir);
        out->count++;
    }
    return SC_OK;
}

static sc_err path_make(const char *dir, const char *folder, const char *name, char **out, struct sc_diag *diag)
{
    if (asprintf(out, "%s/%s%s%s", dir, folder, *folder != '\0' && *name != '\0' ? "/" : "", name) < 0) {
        *out = NULL;
        return sc_fail(diag, SC_E_NOMEM, "%s", dir);
    }
    return SC_OK;
}

static sc_err page_write(const char *dir, const char *folder, const char *name, const struct sc_buf *page,
                         struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = NULL;
    SC_TRY(path_make(dir, folder, name, &path, diag));
    const sc_err err = sc_buf_status(page);
    if (err != SC_OK)
        return sc_fail(diag, err, "%s: page too large or out of memory", path);
    return sc_file_write(path, sc_buf_slice(page), 0640, diag);
}

/* The audit of the same file name; none is fine. */
static sc_err audit_find(const char *dir, const char *name, const struct report_bill *bill, struct report_audit *out,
                         bool *found_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = NULL;
    SC_TRY(path_make(dir, "audits", name, &path, diag));
    struct sc_diag why = {0};
    const sc_err err = report_audit_read(path, out, &why);
    *found_out = err == SC_OK;
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    if (err != SC_OK)
        return sc_fail(diag, err, "%s", sc_diag_text(&why, err));
    if (out->customer != bill->customer)
        return sc_fail(diag, SC_E_MALFORMED,
                       "%s: judges customer %" PRId64 ", the bill of that name is customer %" PRId64 "'s", path,
                       out->customer, bill->customer);
    return SC_OK;
}

static sc_err customer_write(const char *dir, const char *name, const struct report_pages *pages,
                             struct report_totals *totals, struct report_summary *summary, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = NULL;
    SC_CLEANUP(report_bill_deinit) struct report_bill bill = {0};
    SC_CLEANUP(report_audit_deinit) struct report_audit audit = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf page = {0};
    bool audited;
    char file[40];
    SC_TRY(path_make(dir, "bills", name, &path, diag));
    SC_TRY(report_bill_read(path, &bill, diag));
    SC_TRY(audit_find(dir, name, &bill, &audit, &audited, diag));
    SC_TRY(sc_context(diag, report_totals_add(totals, &bill, diag), "%s", path));
    report_summary_fill(summary, &bill, audited ? &audit : NULL);
    report_page_customer(&page, pages, &bill, audited ? &audit : NULL);
    snprintf(file, sizeof file, "%" PRId64 ".html", bill.customer);
    return page_write(dir, "customers", file, &page, diag);
}

static int by_customer(const void *a, const void *b)
{
    const int64_t x = ((const struct report_summary *)a)->customer, y = ((const struct report_summary *)b)->customer;
    return (x > y) - (x < y);
}

/* Two bills of one customer would silently overwrite each other's page. */
static sc_err summaries_check(const struct report_summary *s, size_t count, struct sc_diag *diag)
{
    for (size_t i = 1; i < count; i++)
        if (s[i].customer == s[i - 1].customer)
            return sc_fail(diag, SC_E_MALFORMED, "bills: two files are of customer %" PRId64, s[i].customer);
    return SC_OK;
}

static sc_err ranking_find(const char *dir, struct report_ranking *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = NULL;
    SC_TRY(path_make(dir, "fraud", "ranking.json", &path, diag));
    struct sc_diag why = {0};
    const sc_err err = report_ranking_read(path, out, &why);
    return err == SC_OK || err == SC_E_NOT_FOUND ? SC_OK : sc_fail(diag, err, "%s", sc_diag_text(&why, err));
}

static sc_err pages_write(const char *dir, const struct names *names, struct report_pages *pages,
                          struct report_totals *totals, void (*progress)(size_t, size_t), struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) struct report_summary *summary = calloc(names->count + 1, sizeof *summary);
    SC_CLEANUP(sc_freep) char *customers = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf page = {0};
    if (summary == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%zu customers", names->count);
    SC_TRY(path_make(dir, "customers", "", &customers, diag));
    SC_TRY(sc_dir_make(customers, 0750, diag));
    for (size_t i = 0; i < names->count; i++) {
        SC_TRY(customer_write(dir, names->name[i], pages, totals, &summary[i], diag));
        if (progress != NULL)
            progress(i + 1, names->count);
    }
    qsort(summary, names->count, sizeof *summary, by_customer);
    SC_TRY(summaries_check(summary, names->count, diag));
    pages->customers = summary;
    pages->customer_count = names->count;
    report_page_index(&page, pages);
    return page_write(dir, "", "index.html", &page, diag);
}

sc_err sc_report_write(const char *dir, void (*progress)(size_t done, size_t total), size_t *customers_out,
                       struct sc_diag *diag)
{
    SC_CLEANUP(report_run_deinit) struct report_run run = {0};
    SC_CLEANUP(report_ranking_deinit) struct report_ranking ranking = {0};
    SC_CLEANUP(names_deinit) struct names names = {0};
    SC_CLEANUP(sc_freep) char *run_path = NULL;
    SC_CLEANUP(sc_freep) char *bills = NULL;
    SC_CLEANUP(sc_freep) struct report_totals *totals = calloc(1, sizeof *totals);
    if (totals == NULL)
        return sc_fail(diag, SC_E_NOMEM, "totals");
    SC_TRY(path_make(dir, "", "run.json", &run_path, diag));
    SC_TRY(report_run_read(run_path, &run, diag));
    SC_TRY(ranking_find(dir, &ranking, diag));
    SC_TRY(path_make(dir, "bills", "", &bills, diag));
    SC_TRY(names_read(bills, &names, diag));
    struct report_pages pages = {.run = &run, .ranking = &ranking, .totals = totals};
    SC_TRY(pages_write(dir, &names, &pages, totals, progress, diag));
    *customers_out = names.count;
    return SC_OK;
}
