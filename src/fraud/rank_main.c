/* securecloud-fraud rank: all customers' readings from CascaDB -> ranking.csv, ranking.json. */
#include "fraud/commands.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "fraud/output.h"
#include "metering/reading.h"
#include "service/db.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: securecloud-fraud rank --identity DIR --from DATE --to DATE --out-dir DIR [options]\n"
    "\n"
    "Ranks all customers by how much their consumption in [from, to) looks like theft; writes OUT/ranking.csv and\n"
    "OUT/ranking.json.  DATE is 2017-11-05, in the clock of the readings; the day of --to is not included.\n"
    "\n"
    "  --detail N       customers whose curves are written out (default 50)\n"
    "  --slots K        slots per day that readings are gathered into (default 48)\n"
    "  --grid GRID      of the map: hexagonal (default) or rectangular\n"
    "  --seed S         of the map's first codebook (default 1)\n"
    "  --memory-max M   MiB for the curves (default 512)\n";

#define WAIT_MS 10000

struct options {
    const char *identity, *from, *to, *out_dir;
    size_t detail, slots, memory_mib;
    enum sc_som_grid grid;
    uint64_t seed;
};

static sc_err grid_parse(const char *text, enum sc_som_grid *out)
{
    *out = strcmp(text, "rectangular") == 0 ? SC_SOM_RECTANGULAR : SC_SOM_HEXAGONAL;
    return *out == SC_SOM_RECTANGULAR || strcmp(text, "hexagonal") == 0 ? SC_OK : SC_E_USAGE;
}

static sc_err options_parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"identity", 1, NULL, 'i'},   {"from", 1, NULL, 'f'},  {"to", 1, NULL, 't'},   {"out-dir", 1, NULL, 'o'},
        {"detail", 1, NULL, 'd'},     {"slots", 1, NULL, 'l'}, {"grid", 1, NULL, 'g'}, {"seed", 1, NULL, 's'},
        {"memory-max", 1, NULL, 'm'}, {NULL, 0, NULL, 0}};
    *o = (struct options){.detail = 50, .slots = 48, .memory_mib = 512, .grid = SC_SOM_HEXAGONAL, .seed = 1};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        uint64_t n = 0;
        if (strchr("dlsm", c) != NULL && fraud_number_parse(optarg, &n) != SC_OK)
            return SC_E_USAGE;
        switch (c) {
        case 'i':
            o->identity = optarg;
            break;
        case 'f':
            o->from = optarg;
            break;
        case 't':
            o->to = optarg;
            break;
        case 'o':
            o->out_dir = optarg;
            break;
        case 'd':
            o->detail = (size_t)n;
            break;
        case 'l':
            o->slots = (size_t)n;
            break;
        case 's':
            o->seed = n;
            break;
        case 'm':
            o->memory_mib = (size_t)n;
            break;
        case 'g':
            SC_TRY(grid_parse(optarg, &o->grid));
            break;
        default:
            return SC_E_USAGE;
        }
    }
    const bool complete = o->identity != NULL && o->from != NULL && o->to != NULL && o->out_dir != NULL;
    return complete && optind == argc && o->memory_mib > 0 && o->memory_mib < (1u << 20) ? SC_OK : SC_E_USAGE;
}

static sc_err table_init(const struct options *o, struct sc_load_table *t, struct sc_diag *diag)
{
    int64_t from_ms, to_ms;
    if (sc_civil_parse(o->from, &from_ms) != SC_OK || sc_civil_parse(o->to, &to_ms) != SC_OK ||
        from_ms % SC_LOAD_DAY_MS != 0 || to_ms % SC_LOAD_DAY_MS != 0 || from_ms >= to_ms)
        return sc_fail(diag, SC_E_USAGE, "--from %s --to %s: two days, the first before the second", o->from, o->to);
    const int64_t days = (to_ms - from_ms) / SC_LOAD_DAY_MS;
    if (days > SC_LOAD_DAYS_MAX)
        return sc_fail(diag, SC_E_LIMIT, "%" PRId64 " days: at most %d", days, SC_LOAD_DAYS_MAX);
    if (sc_load_init(t, from_ms, (size_t)days, o->slots, o->memory_mib << 20) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "--slots %zu: a divisor of 86400 up to %d", o->slots, SC_LOAD_SLOTS_MAX);
    return SC_OK;
}

static bool field_int(const PGresult *res, int row, int column, int64_t *out)
{
    if (PQgetisnull(res, row, column))
        return false;
    char *end;
    const char *text = PQgetvalue(res, row, column);
    *out = strtoll(text, &end, 10);
    return end != text && *end == '\0';
}

static sc_err customers_read(PGconn *db, struct sc_load_table *t, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res = PQexec(db, "SELECT client_id, name, class FROM customer ORDER BY client_id");
    SC_TRY(sc_db_check(db, res, "table customer", diag));
    for (int row = 0; row < PQntuples(res); row++) {
        int64_t client_id;
        if (!field_int(res, row, 0, &client_id))
            return sc_fail(diag, SC_E_MALFORMED, "table customer: client_id \"%.40s\"", PQgetvalue(res, row, 0));
        enum sc_customer_class class;
        if (sc_customer_class_parse(PQgetvalue(res, row, 2), &class) != SC_OK)
            return sc_fail(diag, SC_E_MALFORMED, "customer %" PRId64 ": class \"%.40s\"", client_id,
                           PQgetvalue(res, row, 2));
        size_t index;
        const sc_err err = sc_load_add(t, client_id, PQgetvalue(res, row, 1), class, &index);
        if (err != SC_OK)
            return sc_fail(diag, err, "customer %" PRId64 ": %zu customers fill the memory of --memory-max", client_id,
                           t->customer_count);
    }
    return SC_OK;
}

/* What the meter did not measure, or what was switched off by the utility's own order, says nothing about a theft. */
static bool is_usable(const PGresult *res, int row)
{
    int64_t status;
    return field_int(res, row, 3, &status) && !PQgetisnull(res, row, 1) &&
           (status & (SC_READING_STATUS_NOT_MEASURED | SC_READING_STATUS_DISCONNECTED)) == 0;
}

static sc_err rows_gather(const PGresult *res, struct sc_load_gather *g, struct sc_diag *diag)
{
    for (int row = 0; row < PQntuples(res); row++) {
        if (!is_usable(res, row))
            continue;
        int64_t start_ms, interval_s;
        char *end;
        const char *text = PQgetvalue(res, row, 1);
        const double kw = strtod(text, &end);
        if (!field_int(res, row, 0, &start_ms) || !field_int(res, row, 2, &interval_s) || interval_s < 1 ||
            interval_s > 86400 || end == text || *end != '\0')
            return sc_fail(diag, SC_E_MALFORMED, "timestamp \"%.30s\", demand_kw \"%.30s\", interval_s \"%.30s\"",
                           PQgetvalue(res, row, 0), text, PQgetvalue(res, row, 2));
        sc_load_gather_add(g, start_ms, (uint32_t)interval_s, kw);
    }
    return SC_OK;
}

/* One range of the primary key per customer: memory stays that of one customer's rows. */
static sc_err readings_read(PGconn *db, struct sc_load_table *t, struct sc_diag *diag)
{
    SC_CLEANUP(sc_load_gather_deinit) struct sc_load_gather g = {0};
    SC_TRY(sc_load_gather_init(&g, t));
    char id[24], from[24], to[24];
    const char *const params[] = {id, from, to};
    snprintf(from, sizeof from, "%" PRId64, t->first_ms);
    snprintf(to, sizeof to, "%" PRId64, t->first_ms + (int64_t)t->day_count * SC_LOAD_DAY_MS);
    for (size_t c = 0; c < t->customer_count; c++) {
        snprintf(id, sizeof id, "%" PRId64, t->customer[c].client_id);
        SC_CLEANUP(sc_db_result_freep)
        PGresult *res = PQexecParams(db,
                                     "SELECT timestamp, demand_kw, interval_s, status FROM reading "
                                     "WHERE client_id = $1 AND timestamp >= $2 AND timestamp < $3",
                                     3, NULL, params, NULL, NULL, 0);
        SC_TRY(sc_db_check(db, res, "table reading", diag));
        SC_TRY(sc_context(diag, rows_gather(res, &g, diag), "reading of customer %s", id));
        sc_load_gather_finish(&g, t, c);
        fraud_progress("readings", c + 1, t->customer_count);
    }
    return SC_OK;
}

static sc_err table_read(const struct options *o, struct sc_load_table *t, struct sc_diag *diag)
{
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    SC_CLEANUP(sc_db_freep) PGconn *db = NULL;
    SC_TRY(sc_identity_load(o->identity, &id, diag));
    SC_TRY(sc_db_connect_wait(id, WAIT_MS, &db, diag));
    SC_TRY(customers_read(db, t, diag));
    return readings_read(db, t, diag);
}

static sc_err file_write(const char *dir, const char *name, struct sc_slice content, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, name);
    return path == NULL ? sc_fail(diag, SC_E_NOMEM, "%s", name) : sc_file_write(path, content, 0640, diag);
}

/* 0640: these files tell about people's lives. */
static sc_err files_write(const struct options *o, const struct sc_fraud *f, struct sc_diag *diag)
{
    SC_TRY(sc_dir_make(o->out_dir, 0750, diag));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf csv = {0};
    sc_fraud_csv(f, &csv);
    sc_err err = sc_buf_status(&csv);
    if (err != SC_OK)
        return sc_fail(diag, err, "ranking.csv");
    SC_TRY(file_write(o->out_dir, "ranking.csv", sc_buf_slice(&csv), diag));
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    err = sc_fraud_json(f, o->detail, o->seed, &doc);
    if (err != SC_OK)
        return sc_fail(diag, err, "ranking.json");
    SC_CLEANUP(sc_freep) char *text = json_dumps(doc, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
    if (text == NULL)
        return sc_fail(diag, SC_E_NOMEM, "ranking.json");
    return file_write(o->out_dir, "ranking.json", sc_slice_str(text), diag);
}

static void progress(void *self, size_t done, size_t total)
{
    (void)self;
    fraud_progress("ranking", done, total);
}

static sc_err rank(const struct options *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_load_deinit) struct sc_load_table t = {0};
    SC_TRY(table_init(o, &t, diag));
    SC_TRY(table_read(o, &t, diag));
    SC_CLEANUP(sc_fraud_freep) struct sc_fraud *f = NULL;
    const struct sc_fraud_options opt = {.seed = o->seed, .grid = o->grid, .progress = progress};
    SC_TRY(sc_fraud_analyse(&t, &opt, &f, diag));
    SC_TRY(files_write(o, f, diag));
    size_t judged = 0, strong = 0;
    for (size_t r = 0; r < t.customer_count; r++) {
        judged += sc_fraud_finding(f, r)->judged;
        strong += sc_fraud_grade(sc_fraud_finding(f, r)) == SC_FRAUD_STRONG;
    }
    sc_log(SC_LOG_INFO, "ranked customers=%zu judged=%zu strong=%zu days=%zu out=\"%s\"", t.customer_count, judged,
           strong, t.day_count, o->out_dir);
    return SC_OK;
}

int fraud_rank_main(int argc, char **argv)
{
    struct options o;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (options_parse(argc, argv, &o) != SC_OK) {
        fputs(usage, stderr);
        return 2;
    }
    struct sc_diag diag = {0};
    const sc_err err = rank(&o, &diag);
    if (err != SC_OK)
        sc_log(SC_LOG_ERROR, "%s", sc_diag_text(&diag, err));
    return err == SC_OK ? 0 : 1;
}
