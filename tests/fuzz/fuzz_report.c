/* Result files of a run are somebody else's: byte 0 chooses the kind, the rest is the file; what parses is drawn. */
#include "report/page.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bill(const char *path, const struct report_pages *pages)
{
    struct report_bill b = { 0 };
    struct report_totals *totals = calloc(1, sizeof *totals);
    if (totals != NULL && report_bill_read(path, &b, NULL) == SC_OK && report_totals_add(totals, &b, NULL) == SC_OK) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf page = { .size_max = (size_t)1 << 22 };
        struct report_summary summary;
        report_summary_fill(&summary, &b, NULL);
        report_page_customer(&page, pages, &b, NULL);
        struct report_pages all = *pages;
        all.customers = &summary;
        all.customer_count = 1;
        all.totals = totals;
        report_page_index(&page, &all);
    }
    report_bill_deinit(&b);
    free(totals);
}

static void others(const char *path, uint8_t kind, struct report_pages *pages)
{
    struct report_run run = { 0 };
    struct report_ranking ranking = { 0 };
    struct report_audit audit = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf page = { .size_max = (size_t)1 << 22 };
    if (kind == 1 && report_run_read(path, &run, NULL) == SC_OK)
        pages->run = &run;
    else if (kind == 2 && report_ranking_read(path, &ranking, NULL) == SC_OK)
        pages->ranking = &ranking;
    else if (kind == 3)
        sc_ignore(report_audit_read(path, &audit, NULL)); /* refused or not: only memory is at stake */
    if (kind == 1 || kind == 2)
        report_page_index(&page, pages);
    report_run_deinit(&run);
    report_ranking_deinit(&ranking);
    report_audit_deinit(&audit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[40];
    static struct report_totals nothing;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (size == 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data + 1, size - 1, 0) != (ssize_t)(size - 1))
        return 0;
    const struct report_run run = { .title = "t", .data_source = "s", .data_name = "n", .from = "f", .to = "t", .backend = "b" };
    const struct report_ranking ranking = { 0 };
    struct report_pages pages = { .run = &run, .ranking = &ranking, .totals = &nothing };
    if (data[0] % 4 == 0)
        bill(path, &pages);
    else
        others(path, data[0] % 4, &pages);
    return 0;
}
