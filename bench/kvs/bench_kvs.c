/* Our engine beside RocksDB: same rows, same choices, same cache, durable at every sync, in one process, repetition by
 * repetition in turn.  bench/README.md says what the phases are and how to read the table. */
#include "peers_engine.h"

#include "base/file.h"
#include "base/progress.h"
#include "base/units.h"
#include "kvs/workload.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct peers_engine peers_engine;
#ifdef HAVE_ROCKSDB
extern const struct peers_engine rocksdb_engine;
#endif

static const struct peers_engine *const engines[] = {
    &peers_engine,
#ifdef HAVE_ROCKSDB
    &rocksdb_engine,
#endif
};
#define ENGINE_COUNT    (sizeof engines / sizeof engines[0])
#define REPS_MAX        15
#define BATCH_MAX       1000
#define TICKS_LOADED    1000 /* of each client */
#define CHECK_MASK      15   /* every 16th value is compared whole, of all others the size and the first words */
#define YCSB_BATCH_ROWS 100

enum phase_id {
    LOAD,
    SETTLE,
    GET,
    GETZIPF,
    SCAN96,
    SCANALL,
    INS100,
    INS1000,
    YCSB_A,
    YCSB_B,
    YCSB_E,
    PUT1,
    PHASE_COUNT
};
static const char *const phase_names[PHASE_COUNT] = {"load1000", "settle",  "get",   "getzipf", "scan96", "scanall",
                                                     "ins100",   "ins1000", "ycsbA", "ycsbB",   "ycsbE",  "put1"};

struct sample {
    double ops_s, cpu_us, p50_us, p99_us;
};
struct result {
    struct sample phases[PHASE_COUNT][REPS_MAX];
    double disk_bytes[REPS_MAX];
};
struct settings {
    uint64_t rows, cache_mib, reps, seed;
    const char *scratch;
};

/* One engine in one repetition. */
struct run {
    const struct peers_engine *engine;
    const struct settings *settings;
    struct workload workload;
    struct workload_zipf zipf;
    struct sc_prng random;
    void *db, *thread;
    uint64_t row_count; /* written so far */
    uint64_t values_read;
    struct workload_latency latency;
    uint8_t keys[BATCH_MAX][WORKLOAD_KEY_SIZE], values[BATCH_MAX][WORKLOAD_VALUE_SIZE];
    struct kv_row batch[BATCH_MAX];
    int batch_count;
};

static _Noreturn void die(const char *engine, const char *what)
{
    fprintf(stderr, "bench_kvs: %s: %s\n", engine, what);
    exit(1);
}

/* ---- operations ---- */

static void batch_add(struct run *r, uint64_t row)
{
    const int i = r->batch_count++;
    workload_key(&r->workload, row, r->keys[i]);
    workload_value(&r->workload, row, r->values[i]);
    r->batch[i] = (struct kv_row){r->keys[i], r->values[i], (uint32_t)WORKLOAD_KEY_SIZE, (uint32_t)WORKLOAD_VALUE_SIZE};
}

static void batch_write(struct run *r)
{
    if (r->batch_count != 0 && r->engine->write(r->thread, r->batch, r->batch_count, 1) != 0)
        die(r->engine->name, "write failed");
    r->batch_count = 0;
}

static void insert(struct run *r, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        batch_add(r, r->row_count++);
    batch_write(r);
}

static void value_check(struct run *r, uint64_t row, const uint8_t *value, uint32_t size)
{
    uint8_t expected[WORKLOAD_VALUE_SIZE];
    if (size != WORKLOAD_VALUE_SIZE)
        die(r->engine->name, "a value of another size");
    if ((r->values_read++ & CHECK_MASK) != 0)
        return;
    workload_value(&r->workload, row, expected);
    if (memcmp(value, expected, sizeof expected) != 0)
        die(r->engine->name, "a value that nobody wrote");
}

static void get_row(struct run *r, uint64_t row)
{
    uint8_t key[WORKLOAD_KEY_SIZE], value[WORKLOAD_VALUE_SIZE];
    uint32_t size = 0;
    workload_key(&r->workload, row, key);
    if (r->engine->get(r->thread, key, sizeof key, value, sizeof value, &size) != 1)
        die(r->engine->name, "a row is missing");
    value_check(r, row, value, size);
}

struct scan {
    struct run *run;
    uint64_t client, tick;
    uint64_t sum; /* every word is read */
};

static void scan_row(void *arg, const void *k, uint32_t klen, const void *v, uint32_t vlen)
{
    struct scan *s = arg;
    (void)k;
    (void)klen;
    value_check(s->run, workload_row(&s->run->workload, s->client, s->tick++), v, vlen);
    for (size_t i = 0; i < WORKLOAD_WORD_COUNT; i++) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)v + 8 * i, sizeof word);
        s->sum ^= word;
    }
}

static volatile uint64_t sink; /* what was read is used */

/* A client's rows from `tick` on, at most limit; there must be at least `least`. */
static void scan_client(struct run *r, uint64_t client, uint64_t tick, uint64_t limit, uint64_t least)
{
    struct scan s = {.run = r, .client = client, .tick = tick};
    uint8_t key[WORKLOAD_KEY_SIZE];
    workload_key(&r->workload, workload_row(&r->workload, client, tick), key);
    const long n =
        r->engine->scan(r->thread, key, sizeof key, (uint32_t)WORKLOAD_CLIENT_PREFIX, (long)limit, scan_row, &s);
    if (n < 0 || (uint64_t)n < least)
        die(r->engine->name, "a scan is too short");
    sink = s.sum;
}

static uint64_t any_row(struct run *r)
{
    return sc_prng_below(&r->random, r->settings->rows);
}

static uint64_t any_client(struct run *r)
{
    return sc_prng_below(&r->random, r->workload.client_count);
}

static void op_get(struct run *r)
{
    get_row(r, any_row(r));
}

static void op_getzipf(struct run *r)
{
    get_row(r, workload_zipf_next(&r->zipf, &r->random));
}

static void op_scan96(struct run *r)
{
    const uint64_t client = any_client(r);
    scan_client(r, client, sc_prng_below(&r->random, TICKS_LOADED - WORKLOAD_DAY_ROWS + 1), WORKLOAD_DAY_ROWS,
                WORKLOAD_DAY_ROWS);
}

static void op_scanall(struct run *r)
{
    scan_client(r, any_client(r), 0, TICKS_LOADED, TICKS_LOADED);
}

static void op_ins100(struct run *r)
{
    insert(r, 100);
}

static void op_ins1000(struct run *r)
{
    insert(r, 1000);
}

static void op_put1(struct run *r)
{
    insert(r, 1);
}

/* An update writes the row's value again: what it costs does not depend on what is in it, and readers can check. */
static void read_or_update(struct run *r, unsigned reads_percent)
{
    const uint64_t row = workload_zipf_next(&r->zipf, &r->random);
    if (sc_prng_below(&r->random, 100) < reads_percent) {
        get_row(r, row);
        return;
    }
    batch_add(r, row);
    if (r->batch_count == YCSB_BATCH_ROWS)
        batch_write(r);
}

static void op_ycsb_a(struct run *r)
{
    read_or_update(r, 50);
}

static void op_ycsb_b(struct run *r)
{
    read_or_update(r, 95);
}

static void op_ycsb_e(struct run *r)
{
    if (sc_prng_below(&r->random, 100) < 95) {
        const uint64_t row = workload_zipf_next(&r->zipf, &r->random), limit = 1 + sc_prng_below(&r->random, 96);
        scan_client(r, row % r->workload.client_count, row / r->workload.client_count, limit, 1);
        return;
    }
    batch_add(r, r->row_count++);
    if (r->batch_count == YCSB_BATCH_ROWS)
        batch_write(r);
}

/* ---- phases ---- */

/* rows_per_op: `ops` counts rows where rows are written, as the yardstick harness does. */
static void phase_run(struct run *r, enum phase_id phase, uint64_t count, uint64_t rows_per_op,
                      void (*op)(struct run *), struct sample *out)
{
    r->latency = (struct workload_latency){0};
    sc_prng_init_stream(&r->random, r->settings->seed, phase); /* the same choices for every engine */
    const uint64_t cpu = workload_cpu_ns(), wall = workload_now_ns();
    uint64_t before = wall;
    for (uint64_t i = 0; i < count; i++) {
        op(r);
        const uint64_t now = workload_now_ns();
        workload_latency_add(&r->latency, now - before);
        before = now;
    }
    batch_write(r);
    const double wall_s = (double)(workload_now_ns() - wall) / 1e9, ops = (double)(count * rows_per_op);
    *out = (struct sample){.ops_s = ops / wall_s,
                           .cpu_us = (double)(workload_cpu_ns() - cpu) / 1e3 / ops,
                           .p50_us = (double)workload_latency_ns(&r->latency, 50) / 1e3,
                           .p99_us = (double)workload_latency_ns(&r->latency, 99) / 1e3};
}

static void op_settle(struct run *r)
{
    r->engine->settle(r->db);
}

static double disk_bytes(const char *path)
{
    double sum = 0;
    DIR *dir = opendir(path);
    if (dir == NULL)
        die(path, "cannot be listed");
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (double)st.st_blocks * 512; /* what is taken, not what is promised */
    }
    closedir(dir);
    return sum;
}

static const struct plan {
    enum phase_id phase;
    uint64_t rows_per_op;
    uint64_t divisor; /* operations: rows loaded / divisor; 0: one */
    void (*op)(struct run *);
} plans[] = {
    {LOAD, 1000, 1000, op_ins1000}, {SETTLE, 1, 0, op_settle},         {GET, 1, 1, op_get},
    {GETZIPF, 1, 1, op_getzipf},    {SCAN96, 1, 40, op_scan96},        {SCANALL, 1, 400, op_scanall},
    {INS100, 100, 1000, op_ins100}, {INS1000, 1000, 5000, op_ins1000}, {YCSB_A, 1, 4, op_ycsb_a},
    {YCSB_B, 1, 2, op_ycsb_b},      {YCSB_E, 1, 40, op_ycsb_e},        {PUT1, 1, 1000, op_put1},
};
#define PLAN_COUNT (sizeof plans / sizeof plans[0])

static void rep_run(const struct peers_engine *engine, const struct settings *settings, uint64_t rep,
                    struct result *out)
{
    struct sc_diag diag = {0};
    struct run *r = calloc(1, sizeof *r);
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/bench-kvs.XXXXXX", settings->scratch);
    if (r == NULL || mkdtemp(dir) == NULL)
        die(settings->scratch, "no scratch directory");
    r->engine = engine;
    r->settings = settings;
    workload_init(&r->workload, settings->seed, settings->rows / TICKS_LOADED);
    workload_zipf_init(&r->zipf, settings->rows);
    r->db = engine->open(dir, settings->cache_mib, "");
    r->thread = engine->thread_begin(r->db);
    struct sc_progress progress;
    sc_progress_begin(&progress, engine->name, SC_PROGRESS_STEPS);
    for (size_t i = 0; i < PLAN_COUNT; i++) {
        const struct plan *p = &plans[i];
        const uint64_t count = p->divisor != 0 ? settings->rows / p->divisor : 1;
        sc_progress_set(&progress, i, PLAN_COUNT);
        phase_run(r, p->phase, count != 0 ? count : 1, p->rows_per_op, p->op, &out->phases[p->phase][rep]);
        if (p->phase == SETTLE)
            out->disk_bytes[rep] = disk_bytes(dir);
        else if (p->phase == INS1000)
            engine->settle(r->db); /* so that the mixed phases do not pay for what came before; not counted */
    }
    sc_progress_set(&progress, PLAN_COUNT, PLAN_COUNT);
    sc_progress_end(&progress);
    engine->thread_end(r->thread);
    engine->close(r->db);
    free(r);
    if (sc_dir_remove(dir, &diag) != SC_OK)
        die(dir, sc_diag_text(&diag, diag.code));
}

/* ---- results ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, size_t count)
{
    double sorted[REPS_MAX];
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_value);
    return count % 2 != 0 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static double median_of(const struct sample *samples, size_t count, size_t offset)
{
    double values[REPS_MAX];
    for (size_t i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&samples[i] + offset, sizeof values[i]);
    return median(values, count);
}
#define MEDIAN(samples, count, member) median_of((samples), (count), offsetof(struct sample, member))

/* Ratios are taken within a repetition, where both saw the same machine, and their median is given. */
static double ratio_of(const struct sample *ours, const struct sample *theirs, size_t count, bool cpu)
{
    double values[REPS_MAX];
    for (size_t i = 0; i < count; i++)
        values[i] = cpu ? theirs[i].cpu_us / ours[i].cpu_us : ours[i].ops_s / theirs[i].ops_s;
    return median(values, count);
}

static void print_results(const struct result *results, const struct settings *s)
{
    printf("%-9s", "phase");
    for (size_t e = 0; e < ENGINE_COUNT; e++)
        printf(" | %-12s ops/s  CPU us   p50 us   p99 us", engines[e]->name);
    printf(ENGINE_COUNT > 1 ? " | ratio ops/s  CPU\n" : "\n");
    for (size_t p = 0; p < PHASE_COUNT; p++) {
        if (p == SETTLE)
            continue;
        printf("%-9s", phase_names[p]);
        for (size_t e = 0; e < ENGINE_COUNT; e++) {
            const struct sample *x = results[e].phases[p];
            printf(" | %18.0f %7.2f %8.1f %8.1f", MEDIAN(x, s->reps, ops_s), MEDIAN(x, s->reps, cpu_us),
                   MEDIAN(x, s->reps, p50_us), MEDIAN(x, s->reps, p99_us));
        }
        if (ENGINE_COUNT > 1)
            printf(" | %11.2f %4.2f",
                   ratio_of(results[0].phases[p], results[ENGINE_COUNT - 1].phases[p], s->reps, false),
                   ratio_of(results[0].phases[p], results[ENGINE_COUNT - 1].phases[p], s->reps, true));
        putchar('\n');
    }
    for (size_t e = 0; e < ENGINE_COUNT; e++) {
        char size[SC_UNITS_TEXT_SIZE];
        printf("%s: on disk when settled after the load: %s\n", engines[e]->name,
               sc_size_text((uint64_t)median(results[e].disk_bytes, s->reps), size));
    }
}

/* ---- the program ---- */

static const char help[] = "usage: bench_kvs --scratch DIR [--rows N] [--cache SIZE] [--reps N] [--seed N]\n"
                           "\n"
                           "Our key-value engine beside RocksDB on a meter's workload: medians of the repetitions, and "
                           "the medians of the ratios\n"
                           "within them (ours to theirs; above 1 is better for ours, for CPU as well).\n"
                           "  --scratch DIR  on the disk to be measured, not tmpfs\n"
                           "  --rows N       rows loaded, whole thousands (500000)\n"
                           "  --cache SIZE   block cache of each engine (32M)\n"
                           "  --reps N       repetitions (3)\n"
                           "  --seed N       of data and choices (1)\n";

static bool settings_take(struct settings *s, int code, const char *text)
{
    switch (code) {
    case 's':
        s->scratch = text;
        return true;
    case 'n':
        return sc_number_parse(text, 100000000, &s->rows) == SC_OK && s->rows >= 1000 && s->rows % 1000 == 0;
    case 'c':
        if (sc_size_parse(text, UINT64_C(1) << 40, &s->cache_mib) != SC_OK || s->cache_mib < 1 << 20)
            return false;
        s->cache_mib >>= 20;
        return true;
    case 'r':
        return sc_number_parse(text, REPS_MAX, &s->reps) == SC_OK && s->reps >= 1;
    case 'e':
        return sc_number_parse(text, UINT64_MAX, &s->seed) == SC_OK;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"scratch", required_argument, NULL, 's'},
                                            {"rows", required_argument, NULL, 'n'},
                                            {"cache", required_argument, NULL, 'c'},
                                            {"reps", required_argument, NULL, 'r'},
                                            {"seed", required_argument, NULL, 'e'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct result results[ENGINE_COUNT];
    struct settings s = {.rows = 500000, .cache_mib = 32, .reps = 3, .seed = 1};
    for (int code; (code = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (code == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (!settings_take(&s, code, optarg)) {
            fprintf(stderr, "bench_kvs: %s is not understood; see --help\n", code == '?' ? "the line" : optarg);
            return 2;
        }
    }
    if (s.scratch == NULL || optind != argc) {
        fputs(help, stderr);
        return 2;
    }
    struct sc_diag diag = {0};
    if (sc_dir_make(s.scratch, 0700, &diag) != SC_OK)
        die(s.scratch, sc_diag_text(&diag, diag.code));
    printf("%" PRIu64 " rows of %zu bytes, cache %" PRIu64 " MiB, %" PRIu64 " repetitions, seed %" PRIu64 "\n", s.rows,
           WORKLOAD_KEY_SIZE + WORKLOAD_VALUE_SIZE, s.cache_mib, s.reps, s.seed);
    for (size_t e = 0; e < ENGINE_COUNT; e++)
        printf("%s: %s\n", engines[e]->name, engines[e]->settings);
    if (ENGINE_COUNT == 1)
        printf("built without RocksDB (Debian: librocksdb-dev): our figures alone\n");
    fflush(stdout);
    for (uint64_t rep = 0; rep < s.reps; rep++)
        for (size_t e = 0; e < ENGINE_COUNT; e++) { /* who begins changes from time to time */
            const size_t turn = (e + rep) % ENGINE_COUNT;
            rep_run(engines[turn], &s, rep, &results[turn]);
        }
    print_results(results, &s);
    return fflush(stdout) == 0 ? 0 : 1;
}
