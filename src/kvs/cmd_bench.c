/* `bench`: what this engine does on this machine's disk, with a meter's workload.  Every value read is looked at; what
 * is returned is compared with what was written, every 16th value whole. */
#include "kvs/cmd.h"
#include "kvs/workload.h"

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

#define TICKS_PER_CLIENT 1000
#define LOAD_BATCH       1000
#define CHECK_MASK       15
#define PHASES_MAX       8

struct phase {
    const char *name;
    uint64_t ops, rows, wall_ns, cpu_ns;
    struct workload_latency latency;
};
struct bench {
    const struct cmd_args *args;
    struct workload workload;
    struct workload_zipf zipf;
    struct sc_prng random;
    struct sc_kvs *kvs;
    struct sc_kvs_batch *batch;
    struct sc_buf value;
    uint64_t row_count; /* written so far */
    uint64_t values_read;
    struct phase phases[PHASES_MAX];
    size_t phase_count;
    uint64_t disk_bytes, loaded_disk_bytes;
};

static void bench_deinit(struct bench *b)
{
    sc_kvs_batch_free(b->batch);
    sc_buf_deinit(&b->value);
    sc_kvs_close(b->kvs);
}

/* ---- single operations ---- */

static sc_err insert(struct bench *b, uint64_t count, struct sc_diag *diag)
{
    uint8_t key[WORKLOAD_KEY_SIZE], value[WORKLOAD_VALUE_SIZE];
    sc_kvs_batch_reset(b->batch);
    for (uint64_t i = 0; i < count; i++) {
        workload_key(&b->workload, b->row_count + i, key);
        workload_value(&b->workload, b->row_count + i, value);
        SC_TRY(sc_kvs_batch_put(b->batch, sc_slice_of(key, sizeof key), sc_slice_of(value, sizeof value)));
    }
    SC_TRY(sc_kvs_write(b->kvs, b->batch, true, diag));
    b->row_count += count;
    return SC_OK;
}

static sc_err value_check(struct bench *b, uint64_t row, struct sc_slice found, struct sc_diag *diag)
{
    uint8_t expected[WORKLOAD_VALUE_SIZE];
    if (found.size == sizeof expected && (b->values_read++ & CHECK_MASK) != 0)
        return SC_OK;
    workload_value(&b->workload, row, expected);
    if (sc_slice_eq(found, sc_slice_of(expected, sizeof expected)))
        return SC_OK;
    return sc_fail(diag, SC_E_MALFORMED, "row %" PRIu64 " came back as something else", row);
}

static sc_err get_row(struct bench *b, uint64_t row, struct sc_diag *diag)
{
    uint8_t key[WORKLOAD_KEY_SIZE];
    workload_key(&b->workload, row, key);
    sc_buf_reset(&b->value);
    SC_TRY(sc_kvs_get(b->kvs, NULL, sc_slice_of(key, sizeof key), &b->value, diag));
    return value_check(b, row, sc_buf_slice(&b->value), diag);
}

/* A client's `count` rows from `tick` on. */
static sc_err scan_rows(struct bench *b, uint64_t client, uint64_t tick, uint64_t count, struct sc_diag *diag)
{
    uint8_t from[WORKLOAD_KEY_SIZE], to[WORKLOAD_KEY_SIZE];
    struct sc_kvs_iter *it;
    bool valid;
    workload_key(&b->workload, workload_row(&b->workload, client, tick), from);
    workload_key(&b->workload, workload_row(&b->workload, client, tick + count), to);
    const struct sc_kvs_range range = {sc_slice_of(from, sizeof from), sc_slice_of(to, sizeof to)};
    SC_TRY(sc_kvs_iter_new(b->kvs, NULL, &range, &it, diag));
    uint64_t n = 0;
    sc_err err = sc_kvs_iter_first(it, &valid, diag);
    while (err == SC_OK && valid) {
        err = value_check(b, workload_row(&b->workload, client, tick + n++), sc_kvs_iter_value(it), diag);
        if (err == SC_OK)
            err = sc_kvs_iter_next(it, &valid, diag);
    }
    sc_kvs_iter_free(it);
    if (err == SC_OK && n != count)
        return sc_fail(diag, SC_E_MALFORMED, "a scan gave %" PRIu64 " rows instead of %" PRIu64, n, count);
    return err;
}

static sc_err op_ins100(struct bench *b, struct sc_diag *diag)
{
    return insert(b, 100, diag);
}

static sc_err op_put1(struct bench *b, struct sc_diag *diag)
{
    return insert(b, 1, diag);
}

static sc_err op_get(struct bench *b, struct sc_diag *diag)
{
    return get_row(b, sc_prng_below(&b->random, b->args->rows), diag);
}

static sc_err op_getzipf(struct bench *b, struct sc_diag *diag)
{
    return get_row(b, workload_zipf_next(&b->zipf, &b->random), diag);
}

static uint64_t loaded_ticks(const struct bench *b)
{
    return b->args->rows / b->workload.client_count;
}

static sc_err op_scan96(struct bench *b, struct sc_diag *diag)
{
    const uint64_t client = sc_prng_below(&b->random, b->workload.client_count);
    return scan_rows(b, client, sc_prng_below(&b->random, loaded_ticks(b) - WORKLOAD_DAY_ROWS + 1), WORKLOAD_DAY_ROWS,
                     diag);
}

/* ---- phases ---- */

static struct phase *phase_begin(struct bench *b, const char *name)
{
    SC_ASSERT(b->phase_count < PHASES_MAX);
    struct phase *p = &b->phases[b->phase_count++];
    *p = (struct phase){.name = name, .wall_ns = workload_now_ns(), .cpu_ns = workload_cpu_ns()};
    return p;
}

static void phase_end(struct phase *p)
{
    p->wall_ns = workload_now_ns() - p->wall_ns;
    p->cpu_ns = workload_cpu_ns() - p->cpu_ns;
}

static sc_err load(struct bench *b, struct sc_diag *diag)
{
    SC_CLEANUP(sc_progress_end) struct sc_progress progress;
    sc_progress_begin(&progress, "load", SC_PROGRESS_ROWS);
    struct phase *p = phase_begin(b, "load");
    while (b->row_count < b->args->rows) {
        const uint64_t left = b->args->rows - b->row_count, n = left < LOAD_BATCH ? left : LOAD_BATCH;
        const uint64_t start = workload_now_ns();
        SC_TRY(insert(b, n, diag));
        workload_latency_add(&p->latency, workload_now_ns() - start);
        p->ops++;
        p->rows += n;
        sc_progress_set(&progress, b->row_count, b->args->rows);
    }
    phase_end(p);
    return SC_OK;
}

/* One kind of operation for the time that the user gave; how many are needed shows on the way. */
static sc_err run_for(struct bench *b, const char *name, uint64_t rows_per_op,
                      sc_err (*op)(struct bench *b, struct sc_diag *diag), struct sc_diag *diag)
{
    const uint64_t limit_ns = b->args->seconds * UINT64_C(1000000000);
    SC_CLEANUP(sc_progress_end) struct sc_progress progress;
    sc_progress_begin(&progress, name, SC_PROGRESS_ROWS);
    struct phase *p = phase_begin(b, name);
    const uint64_t begun = p->wall_ns;
    for (uint64_t now = begun; now - begun < limit_ns;) {
        SC_TRY(op(b, diag));
        const uint64_t then = workload_now_ns();
        workload_latency_add(&p->latency, then - now);
        now = then;
        p->rows += rows_per_op;
        if ((p->ops++ & 63) == 0)
            sc_progress_set(&progress, p->rows, p->rows * limit_ns / (now - begun + 1) + 1);
    }
    phase_end(p);
    sc_progress_set(&progress, p->rows, p->rows);
    return SC_OK;
}

struct sizes {
    struct sc_store *store;
    uint64_t bytes;
};

static sc_err size_add(void *arg, const char *name)
{
    struct sizes *s = arg;
    uint64_t size;
    SC_TRY(s->store->ops->size(s->store, name, &size, NULL));
    s->bytes += size;
    return SC_OK;
}

static sc_err disk_bytes(struct sc_store *store, uint64_t *out, struct sc_diag *diag)
{
    struct sizes s = {.store = store};
    SC_TRY(store->ops->list(store, size_add, &s, diag));
    *out = s.bytes;
    return SC_OK;
}

static sc_err phases_run(struct bench *b, struct sc_store *store, struct sc_diag *diag)
{
    SC_TRY(load(b, diag));
    SC_TRY(sc_kvs_settle(b->kvs, diag));
    SC_TRY(disk_bytes(store, &b->loaded_disk_bytes, diag));
    SC_TRY(run_for(b, "ins100", 100, op_ins100, diag));
    SC_TRY(run_for(b, "put1", 1, op_put1, diag));
    SC_TRY(sc_kvs_settle(b->kvs, diag));
    SC_TRY(run_for(b, "get", 1, op_get, diag));
    SC_TRY(run_for(b, "getzipf", 1, op_getzipf, diag));
    if (loaded_ticks(b) >= WORKLOAD_DAY_ROWS)
        SC_TRY(run_for(b, "scan96", WORKLOAD_DAY_ROWS, op_scan96, diag));
    return disk_bytes(store, &b->disk_bytes, diag);
}

/* ---- results ---- */

static double per(uint64_t count, double of)
{
    return count != 0 ? of / (double)count : 0;
}

static double ops_per_s(const struct phase *p)
{
    return p->wall_ns != 0 ? (double)p->ops * 1e9 / (double)p->wall_ns : 0;
}

static void print_table(const struct bench *b)
{
    char loaded[SC_UNITS_TEXT_SIZE], raw[SC_UNITS_TEXT_SIZE], end[SC_UNITS_TEXT_SIZE];
    const uint64_t row_size = WORKLOAD_KEY_SIZE + WORKLOAD_VALUE_SIZE;
    printf("%-8s %10s %11s %11s %10s %10s %10s %10s\n", "phase", "ops", "ops/s", "rows/s", "p50 us", "p99 us",
           "CPU us/op", "/row");
    for (size_t i = 0; i < b->phase_count; i++) {
        const struct phase *p = &b->phases[i];
        printf("%-8s %10" PRIu64 " %11.0f %11.0f %10.1f %10.1f %10.2f %10.3f\n", p->name, p->ops, ops_per_s(p),
               ops_per_s(p) * per(p->ops, (double)p->rows), (double)workload_latency_ns(&p->latency, 50) / 1e3,
               (double)workload_latency_ns(&p->latency, 99) / 1e3, per(p->ops, (double)p->cpu_ns / 1e3),
               per(p->rows, (double)p->cpu_ns / 1e3));
    }
    printf("\n%" PRIu64 " rows loaded: %s on disk of %s of keys and values; at the end %" PRIu64 " rows, %s\n",
           b->args->rows, sc_size_text(b->loaded_disk_bytes, loaded), sc_size_text(b->args->rows * row_size, raw),
           b->row_count, sc_size_text(b->disk_bytes, end));
    printf("load, ins100 and put1 are durable after each batch of 1000, 100 and 1; seed %" PRIu64 "\n", b->args->seed);
}

static sc_err print_json(const struct bench *b)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = json_object();
    json_t *phases = json_array();
    for (size_t i = 0; i < b->phase_count; i++) {
        const struct phase *p = &b->phases[i];
        json_array_append_new(phases, json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "phase", p->name, "ops",
                                                (json_int_t)p->ops, "rows", (json_int_t)p->rows, "seconds",
                                                (double)p->wall_ns / 1e9, "ops_s", ops_per_s(p), "p50_us",
                                                (double)workload_latency_ns(&p->latency, 50) / 1e3, "p99_us",
                                                (double)workload_latency_ns(&p->latency, 99) / 1e3, "cpu_us_op",
                                                per(p->ops, (double)p->cpu_ns / 1e3)));
    }
    json_object_set_new(doc, "seed", json_integer((json_int_t)b->args->seed));
    json_object_set_new(doc, "rows_loaded", json_integer((json_int_t)b->args->rows));
    json_object_set_new(doc, "rows", json_integer((json_int_t)b->row_count));
    json_object_set_new(doc, "disk_bytes_loaded", json_integer((json_int_t)b->loaded_disk_bytes));
    json_object_set_new(doc, "disk_bytes", json_integer((json_int_t)b->disk_bytes));
    if (json_object_set_new(doc, "phases", phases) != 0)
        return SC_E_NOMEM;
    if (json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) != 0)
        return SC_E_IO;
    putchar('\n');
    return SC_OK;
}

/* ---- the scratch volume ---- */

static sc_err bench_run(const struct cmd_args *a, const char *dir, struct sc_diag *diag)
{
    SC_CLEANUP(sc_store_freep) struct sc_store *store = NULL;
    SC_CLEANUP(sc_key_wipe) struct sc_key key;
    SC_CLEANUP(sc_freep) struct bench *b = calloc(1, sizeof *b);
    SC_CLEANUP(sc_freep) char *counter_path = sc_path_join(dir, "counter");
    if (b == NULL || counter_path == NULL)
        return SC_E_NOMEM;
    struct sc_kvs_counter counter = {0};
    sc_key_random(&key);
    SC_TRY(sc_store_dir_open(dir, &store, diag));
    SC_TRY(sc_kvs_counter_insecure_file(counter_path, &counter, diag));
    b->args = a;
    workload_init(&b->workload, a->seed, (a->rows + TICKS_PER_CLIENT - 1) / TICKS_PER_CLIENT);
    workload_zipf_init(&b->zipf, a->rows);
    sc_prng_init(&b->random, a->seed);
    const struct sc_kvs_options opt = {
        .store = store,
        .root_key = &key,
        .counter = counter,
        .create = true,
        .memtable_size_max = a->memtable_size,
        .block_cache_size_max = a->cache_size,
        .block_size = a->block_size,
    };
    sc_err err = sc_kvs_open(&opt, &b->kvs, diag);
    if (err == SC_OK)
        err = sc_kvs_batch_new(&b->batch);
    if (err == SC_OK)
        err = phases_run(b, store, diag);
    if (err == SC_OK && a->json)
        err = print_json(b);
    else if (err == SC_OK)
        print_table(b);
    bench_deinit(b);
    sc_kvs_counter_file_close(&counter);
    return err;
}

sc_err cmd_bench(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_TRY(sc_dir_make(a->dir, 0700, diag));
    SC_CLEANUP(sc_freep) char *dir = sc_path_join(a->dir, "securecloud-kvs-bench.XXXXXX");
    if (dir == NULL)
        return SC_E_NOMEM;
    if (mkdtemp(dir) == NULL)
        return sc_fail_errno(diag, SC_E_IO, "%s", dir);
    const sc_err err = bench_run(a, dir, diag);
    const sc_err removed = sc_dir_remove(dir, diag);
    return err != SC_OK ? err : removed;
}
