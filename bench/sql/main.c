/* bench-sql: CascaDB beside PostgreSQL 15, in one run. */
#include "base/file.h"
#include "base/progress.h"
#include "phases.h"
#include "report.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_SKIPPED 77 /* meson's */

static const char help[] =
    "Usage: bench-sql [OPTIONS]\n"
    "\n"
    "CascaDB (C API, directory, durable commits) beside PostgreSQL 15 (libpq, Unix socket, a cluster of its own, "
    "started\n"
    "and removed by this program) on the table reading(client_id, ts, 30 numbers).  Every answer is checked.\n"
    "\n"
    "  --rows N       readings (default 2000000)\n"
    "  --seconds S    of each kind of select and database, over all rounds (default 10)\n"
    "  --reps N       rounds; the databases take turns (default 5)\n"
    "  --dir DIR      where the databases are made, in a directory of their own (default /var/tmp)\n"
    "  --only NAME    cascadb or postgres alone\n";

struct arguments {
    int64_t rows;
    double seconds;
    int reps;
    const char *dir, *only;
};

static char work_dir[200];

static void work_dir_remove(void)
{
    sc_ignore(sc_dir_remove(work_dir, NULL)); /* at exit: nobody to tell */
}

void bench_die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("\nbench-sql: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1); /* stops the cluster, removes the directory */
}

/* -1: go on; else the exit code. */
static int arguments_parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"rows", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 's'},
        {"reps", required_argument, NULL, 'r'},
        {"dir", required_argument, NULL, 'd'},
        {"only", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'n')
            a->rows = atoll(optarg);
        else if (o == 's')
            a->seconds = atof(optarg);
        else if (o == 'r')
            a->reps = atoi(optarg);
        else if (o == 'd')
            a->dir = optarg;
        else if (o == 'o')
            a->only = optarg;
        else {
            fputs(help, o == 'h' ? stdout : stderr);
            return o == 'h' ? 0 : 2;
        }
    }
    const bool known = a->only == NULL || strcmp(a->only, "cascadb") == 0 || strcmp(a->only, "postgres") == 0;
    if (optind == argc && known && a->rows > 0 && a->rows <= 1000000000 && a->seconds > 0 && a->reps > 0)
        return -1;
    fputs(help, stderr);
    return 2;
}

static void work_dir_make(const char *parent)
{
    snprintf(work_dir, sizeof work_dir, "%s/bench-sql-XXXXXX", parent);
    if (mkdtemp(work_dir) == NULL)
        bench_die("%s: no directory can be made there", parent);
    atexit(work_dir_remove);
    if (chmod(work_dir, 0711) != 0) /* the cluster may run as another user */
        bench_die("chmod failed");
}

static void read_phases(struct contender *contenders, size_t count, const struct data *data, const struct arguments *a)
{
    struct sc_progress progress;
    sc_progress_begin(&progress, "", SC_PROGRESS_STEPS);
    for (enum query q = 0; q < QUERY_COUNT; q++) {
        struct answer expected = {0};
        /* A round for warmth, whose figures are dropped: each runs on what the cache holds. */
        for (size_t i = 0; i < count; i++) {
            phases_query(&contenders[i], data, q, a->seconds / a->reps / 4, 1, &expected);
            measure_deinit(&contenders[i].query[q]);
        }
        for (int round = 0; round < a->reps; round++) {
            for (size_t i = 0; i < count; i++) {
                struct contender *c = &contenders[(i + (size_t)round) % count];
                progress.what = query_texts[q];
                sc_progress_set(&progress, (uint64_t)q * (uint64_t)a->reps + (uint64_t)round,
                                (uint64_t)QUERY_COUNT * (uint64_t)a->reps);
                phases_query(c, data, q, a->seconds / a->reps, 1000 + (uint64_t)round, &expected);
            }
        }
    }
    sc_progress_clear(&progress);
}

int main(int argc, char **argv)
{
    struct arguments a = {.rows = 2000000, .seconds = 10, .reps = 5, .dir = "/var/tmp"};
    struct contender contenders[2] = {{.ops = &peer_cascadb}, {.ops = &peer_postgres}};
    struct contender *first = contenders;
    size_t count = 2;
    const char *bin;
    const int code = arguments_parse(argc, argv, &a);
    if (code >= 0)
        return code;
    if (a.only != NULL) {
        count = 1;
        first = strcmp(a.only, "postgres") == 0 ? &contenders[1] : &contenders[0];
    }
    if (first + count == contenders + 2 && !peer_postgres_there(&bin)) {
        fprintf(stderr, "bench-sql: skipped: no PostgreSQL 15 in %s (tools/bootstrap.sh bench)\n", bin);
        return EXIT_SKIPPED;
    }
    const struct data data = data_of(a.rows);
    measure_interruptible();
    work_dir_make(a.dir);
    report_machine(stdout, &data);
    for (size_t i = 0; i < count; i++) {
        first[i].peer = first[i].ops->open(work_dir);
        printf("%s\n\n", first[i].ops->settings(first[i].peer));
        fflush(stdout);
        phases_write(&first[i], &data);
    }
    read_phases(first, count, &data, &a);
    report_print(stdout, first, count);
    for (size_t i = 0; i < count; i++) {
        first[i].ops->close(first[i].peer);
        measure_deinit(&first[i].load);
        measure_deinit(&first[i].insert);
        for (int q = 0; q < QUERY_COUNT; q++)
            measure_deinit(&first[i].query[q]);
    }
    return 0;
}
