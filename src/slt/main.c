#include "slt/main.h"

#include "slt/slt.h"

#include <getopt.h>
#include <inttypes.h>
#include <unistd.h>

static const char help[] =
    "Usage: securecloud sql --slt [OPTIONS] FILE|DIRECTORY...\n"
    "\n"
    "Runs sqllogictest scripts: each on an empty database of its own, in memory or in a scratch directory.\n"
    "Of a directory all files below it that end in .test or .slt.\n"
    "\n"
    "  --engine NAME      cascadb (default), or sqlite: SQLite with its own tables, as a reference\n"
    "  --scratch DIR      keep the databases in new directories below DIR while they are used (default: in memory)\n"
    "  --jobs N           run N scripts at once (default: one per processor)\n"
    "  --timeout SECONDS  a statement that takes longer fails (default 300; 0: no limit)\n"
    "  --verbose          a line for each script\n"
    "\n"
    "Prints each record that failed as FILE:LINE: what, and at the end \"N passed, M failed\".\n"
    "Exit codes: 0 all passed, 1 some failed, 2 wrong usage or nothing to run.\n";

enum { OPT_ENGINE = 256, OPT_SCRATCH, OPT_JOBS, OPT_TIMEOUT, OPT_VERBOSE };

static bool number_parse(const char *name, const char *text, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    const unsigned long long v = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && v <= max) {
        *out = v;
        return true;
    }
    fprintf(stderr, "securecloud-sql: --%s: \"%s\" is not a number from 0 to %" PRIu64 "\n", name, text, max);
    return false;
}

static bool option_take(int o, struct sc_slt_options *opt)
{
    uint64_t n = 0;
    switch (o) {
    case OPT_ENGINE:
        opt->engine = sc_slt_engine_find(optarg);
        if (opt->engine == NULL)
            fprintf(stderr, "securecloud-sql: --engine: there is no \"%s\", but cascadb and sqlite\n", optarg);
        return opt->engine != NULL;
    case OPT_SCRATCH:
        opt->engine_options.scratch = optarg;
        return true;
    case OPT_JOBS:
        if (!number_parse("jobs", optarg, 64, &n))
            return false;
        opt->job_count = n;
        return true;
    case OPT_TIMEOUT:
        if (!number_parse("timeout", optarg, 1000000, &n))
            return false;
        opt->engine_options.statement_ms_max = (int64_t)n * 1000;
        return true;
    case OPT_VERBOSE:
        opt->verbose = true;
        return true;
    default:
        return false;
    }
}

static int run(const char *const *paths, size_t path_count, const struct sc_slt_options *opt)
{
    struct sc_slt_totals totals = {0};
    struct sc_diag diag = {0};
    const sc_err err = sc_slt_run(paths, path_count, opt, &totals, &diag);
    if (err != SC_OK) {
        fprintf(stderr, "securecloud-sql: %s\n", sc_diag_text(&diag, err));
        return 2;
    }
    if (totals.skipped != 0)
        printf("%" PRIu64 " scripts, %" PRIu64 " records for other dialects skipped\n", totals.scripts, totals.skipped);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", totals.passed, totals.failed);
    return totals.failed == 0 ? 0 : 1;
}

int sc_slt_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"engine", required_argument, NULL, OPT_ENGINE},
        {"scratch", required_argument, NULL, OPT_SCRATCH},
        {"jobs", required_argument, NULL, OPT_JOBS},
        {"timeout", required_argument, NULL, OPT_TIMEOUT},
        {"verbose", no_argument, NULL, OPT_VERBOSE},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct sc_slt_options opt = {
        .engine = &sc_slt_engine_cascadb, .progress = true, .out = stdout, .engine_options.statement_ms_max = 300000};
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (!option_take(o, &opt))
            return 2;
    }
    if (optind < argc)
        return run((const char *const *)argv + optind, (size_t)(argc - optind), &opt);
    fprintf(stderr, "securecloud-sql: --slt needs a file or a directory; see --slt --help\n");
    return 2;
}
