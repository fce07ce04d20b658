/* securecloud-report: the results of a run as pages for people. */
#include "base/log.h"
#include "report/report.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: securecloud-report --out DIR\n"
    "\n"
    "Reads DIR/run.json, DIR/bills/*.json, DIR/audits/*.json and DIR/fraud/ranking.json; writes DIR/index.html and\n"
    "DIR/customers/NUMBER.html.  The pages need neither network nor scripts.\n";

static void progress(size_t done, size_t total)
{
    if (isatty(STDERR_FILENO) && (done % 50 == 0 || done == total))
        fprintf(stderr, "\rreport %zu of %zu customers%s", done, total, done == total ? "\n" : "");
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"out", 1, NULL, 'o'}, {"help", 0, NULL, 'h'}, {"version", 0, NULL, 'v'}, {NULL, 0, NULL, 0}};
    const char *dir = NULL;
    sc_log_init("report", SC_LOG_INFO);
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'o':
            dir = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'v':
            puts(SC_VERSION);
            return 0;
        default:
            dir = NULL;
            optind = argc + 1; /* makes the check below fail */
        }
        if (optind > argc)
            break;
    }
    if (dir == NULL || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    struct sc_diag diag = {0};
    size_t customers = 0;
    const sc_err err = sc_report_write(dir, progress, &customers, &diag);
    if (err != SC_OK) {
        sc_log(SC_LOG_ERROR, "%s", sc_diag_text(&diag, err));
        return 1;
    }
    sc_log(SC_LOG_INFO, "written customers=%zu page=\"%s/index.html\"", customers, dir);
    return 0;
}
