/* securecloud-demo: the whole way of a reading on this machine, as separate processes: meters, aggregator,
 * authenticators, MDC, CascaDB; then bills, audits, the fraud ranking, and a report. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/attack.h"
#include "cli/options.h"
#include "cli/processes.h"
#include "cli/stations.h"
#include "cli/system.h"
#include "service/db.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_CUSTOMERS 40
#define DEFAULT_DAYS      31
#define DEFAULT_FIRST_DAY "2026-03-01"
#define DEFAULT_LOSS      0.01
#define STALL_US          ((int64_t)60000000)

#define FAILED_SHOWN_MAX  8
#define RANKING_SHOWN     3

struct totals {
    size_t bills, passed, failed_count;
    int64_t cents;
    size_t failed; /* shown */
    uint64_t failed_ids[FAILED_SHOWN_MAX];
    char failed_why[FAILED_SHOWN_MAX][80];
};

struct demo {
    /* options */
    struct sc_population_options field;
    const char *out;
    const char *share; /* folder of data/ */
    enum sc_attack attack;
    uint64_t attack_customer;
    size_t authenticators;
    enum sc_meter_keys keys;
    double loss;
    bool keep;
    bool quiet;
    /* state */
    char path[512];
    struct sc_population *population;
    struct sc_system system;
    char system_dir[400];
    struct sc_processes processes;
    char attack_story[200];
    json_t *stations;
    struct totals totals;
    int64_t started_us;
    unsigned restarts;
    bool terminal;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    interrupted = sig;
}

static int64_t now_us(void)
{
    return sc_mono_us(&sc_clock_system);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* A path below OUT, valid until the next call. */
static const char *out_path(struct demo *d, const char *name)
{
    snprintf(d->path, sizeof d->path, "%s/%s", d->out, name);
    return d->path;
}

static void say(const struct demo *d, const char *fmt, ...) SC_PRINTF(2, 3);
static void say(const struct demo *d, const char *fmt, ...)
{
    if (d->quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
}

/* ---- options ---- */
static void print_help(void)
{
    printf("Usage: securecloud demo [OPTIONS]\n\n"
           "Starts meters, an aggregator, authenticators, the MDC and CascaDB as local processes on free loopback "
           "ports, plays\n"
           "the data through them, produces bills, audits them, ranks customers by suspicion of fraud, and writes a "
           "report.\n\n"
           "  --data FILE           measured loads (gz CSV; formats: docs/services/profile.md); without it, customers "
           "are drawn\n"
           "                        from the typical-day figures that come with SecureCloud\n"
           "  --annual-mwh E        yearly use of each site, for files of normalised loads\n"
           "  --customers N         how many (default %d, or as many as the file has)\n"
           "  --days N              how many days (default %d, or all of a shorter file)\n"
           "  --first-day DATE      of the period (default %s, or chosen from the file)\n"
           "  --profile FILE        other typical-day figures (securecloud profile derive)\n"
           "  --out DIR             where results go (default ./out); an earlier demo's results there are replaced\n"
           "  --attack KIND[:ID]    drop, duplicate, alter, replay or reorder a reading of customer ID, as a dishonest "
           "operator of\n"
           "                        the database could; or steal, as a dishonest customer could\n"
           "  --seed N              of everything random that is simulated (default 1)\n"
           "  --authenticators N    how many run in parallel (default 2)\n"
           "  --meter-keys KIND     mixed, p256, ed25519 or rsa2048 (default mixed)\n"
           "  --loss P              share of messages that the simulated radio loses (default %.2f)\n"
           "  --keep                leave the services running at the end, for psql and others, until Ctrl-C\n"
           "  --quiet               only errors\n\n"
           "OUT/index.html is the report; OUT/bills, OUT/audits and OUT/fraud hold the results as JSON and CSV.\n"
           "Exit codes: 0 ran to the end (verdicts are in OUT/audits), 1 failed, 2 wrong usage, 130 interrupted.\n",
           DEFAULT_CUSTOMERS, DEFAULT_DAYS, DEFAULT_FIRST_DAY, DEFAULT_LOSS);
}

static sc_err attack_option(struct demo *d, const char *text, struct sc_diag *diag)
{
    char kind[32];
    const char *colon = strchr(text, ':');
    const size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);
    snprintf(kind, sizeof kind, "%.*s", (int)(n < 31 ? n : 31), text);
    if (sc_attack_parse(kind, &d->attack) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "--attack: \"%s\" is not drop, duplicate, alter, replay, reorder or steal",
                       kind);
    return colon != NULL ? sc_option_number("attack", colon + 1, INT32_MAX, &d->attack_customer, diag) : SC_OK;
}

enum {
    OPT_DATA = 1000,
    OPT_MWH,
    OPT_CUSTOMERS,
    OPT_DAYS,
    OPT_FIRST,
    OPT_PROFILE,
    OPT_OUT,
    OPT_ATTACK,
    OPT_SEED,
    OPT_AUTH,
    OPT_KEYS,
    OPT_LOSS,
    OPT_KEEP,
    OPT_QUIET,
    OPT_HELP
};

static sc_err option(struct demo *d, int o, struct sc_diag *diag)
{
    uint64_t v = 0;
    switch (o) {
    case OPT_DATA:
        d->field.data_path = optarg;
        return SC_OK;
    case OPT_MWH:
        return sc_option_real("annual-mwh", optarg, 0.001, 1e6, &d->field.annual_mwh, diag);
    case OPT_CUSTOMERS:
        SC_TRY(sc_option_number("customers", optarg, SC_DATASET_CUSTOMERS_MAX, &v, diag));
        d->field.customers = v;
        return SC_OK;
    case OPT_DAYS:
        SC_TRY(sc_option_number("days", optarg, SC_DATASET_DAYS_MAX, &v, diag));
        d->field.days = v;
        return SC_OK;
    case OPT_FIRST:
        d->field.first_day = optarg;
        return SC_OK;
    case OPT_PROFILE:
        d->field.profile_path = optarg;
        return SC_OK;
    case OPT_OUT:
        d->out = optarg;
        return SC_OK;
    case OPT_ATTACK:
        return attack_option(d, optarg, diag);
    case OPT_SEED:
        return sc_option_number("seed", optarg, INT64_MAX, &d->field.seed, diag);
    case OPT_AUTH:
        SC_TRY(sc_option_number("authenticators", optarg, SC_SYSTEM_AUTHENTICATORS_MAX, &v, diag));
        d->authenticators = v;
        return SC_OK;
    case OPT_KEYS:
        if (sc_meter_keys_parse(optarg, &d->keys) != SC_OK)
            return sc_fail(diag, SC_E_USAGE, "--meter-keys: \"%s\" is not mixed, p256, ed25519 or rsa2048", optarg);
        return SC_OK;
    case OPT_LOSS:
        return sc_option_real("loss", optarg, 0, 0.5, &d->loss, diag);
    case OPT_KEEP:
        d->keep = true;
        return SC_OK;
    case OPT_QUIET:
        d->quiet = true;
        return SC_OK;
    default:
        return sc_fail(diag, SC_E_USAGE, "see --help");
    }
}

static sc_err options_parse(struct demo *d, int argc, char **argv, bool *help_out, struct sc_diag *diag)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, OPT_DATA},
        {"annual-mwh", required_argument, NULL, OPT_MWH},
        {"customers", required_argument, NULL, OPT_CUSTOMERS},
        {"days", required_argument, NULL, OPT_DAYS},
        {"first-day", required_argument, NULL, OPT_FIRST},
        {"profile", required_argument, NULL, OPT_PROFILE},
        {"out", required_argument, NULL, OPT_OUT},
        {"attack", required_argument, NULL, OPT_ATTACK},
        {"seed", required_argument, NULL, OPT_SEED},
        {"authenticators", required_argument, NULL, OPT_AUTH},
        {"meter-keys", required_argument, NULL, OPT_KEYS},
        {"loss", required_argument, NULL, OPT_LOSS},
        {"keep", no_argument, NULL, OPT_KEEP},
        {"quiet", no_argument, NULL, OPT_QUIET},
        {"help", no_argument, NULL, OPT_HELP},
        {NULL, 0, NULL, 0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == OPT_HELP) {
            *help_out = true;
            return SC_OK;
        }
        SC_TRY(option(d, o, diag));
    }
    if (optind != argc)
        return sc_fail(diag, SC_E_USAGE, "\"%s\" is too much; see --help", argv[optind]);
    return SC_OK;
}

/* ---- preparation ---- */
/* data/ lies beside the sources in a build tree and under share/securecloud when installed. */
static sc_err share_find(struct demo *d, char *out, size_t size, const char *name, struct sc_diag *diag)
{
    char program[4096];
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    static const char *const relative[] = {"../../../data", "../share/securecloud", "../../data"};
    (void)d;
    program[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(program, '/');
    for (size_t i = 0; slash != NULL && i < sizeof relative / sizeof relative[0]; i++) {
        *slash = '\0';
        snprintf(out, size, "%s/%s/%s", program, relative[i], name);
        if (access(out, R_OK) == 0)
            return SC_OK;
    }
    return sc_fail(diag, SC_E_NOT_FOUND, "SecureCloud's own data/%s is not beside the program", name);
}

static sc_err out_prepare(struct demo *d, struct sc_diag *diag)
{
    static const char *const ours[] = {"system",    "logs",     "bills",      "audits",       "fraud",
                                       "customers", "run.json", "index.html", "services.json"};
    struct stat st;
    if (stat(d->out, &st) == 0 && S_ISDIR(st.st_mode) && access(out_path(d, "run.json"), F_OK) != 0 &&
        access(out_path(d, "system"), F_OK) != 0 && rmdir(d->out) != 0)
        return sc_fail(diag, SC_E_USAGE, "%s is not empty and holds no earlier demo: give another --out", d->out);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        SC_TRY(sc_dir_remove(out_path(d, ours[i]), diag));
    SC_TRY(sc_dir_make(out_path(d, "logs"), 0755, diag));
    SC_TRY(sc_dir_make(out_path(d, "bills"), 0755, diag));
    SC_TRY(sc_dir_make(out_path(d, "audits"), 0755, diag));
    SC_TRY(sc_dir_make(out_path(d, "fraud"), 0755, diag));
    snprintf(d->system_dir, sizeof d->system_dir, "%s/system", d->out);
    return SC_OK;
}

static sc_err population_again(struct demo *d, struct sc_diag *diag)
{
    sc_population_free(SC_TAKE(d->population));
    return sc_population_new(&d->field, &d->population, diag);
}

static sc_err field_prepare(struct demo *d, char *profile_path, size_t size, struct sc_diag *diag)
{
    if (d->field.data_path == NULL) {
        if (d->field.profile_path == NULL) {
            SC_TRY(share_find(d, profile_path, size, "profiles/households.json", diag));
            d->field.profile_path = profile_path;
        }
        d->field.customers = d->field.customers != 0 ? d->field.customers : DEFAULT_CUSTOMERS;
        d->field.first_day = d->field.first_day != NULL ? d->field.first_day : DEFAULT_FIRST_DAY;
        d->field.days = d->field.days != 0 ? d->field.days : DEFAULT_DAYS;
    }
    SC_TRY(sc_population_new(&d->field, &d->population, diag));
    const size_t day_intervals = 86400 / sc_population_interval_s(d->population);
    if (d->field.days == 0 && sc_population_interval_count(d->population) > DEFAULT_DAYS * day_intervals) {
        d->field.days = DEFAULT_DAYS; /* of a long file, a month */
        SC_TRY(population_again(d, diag));
    }
    const size_t count = sc_population_count(d->population);
    if (d->attack != SC_ATTACK_NONE && d->attack_customer == 0)
        d->attack_customer = 1 + count / 2; /* somebody in the middle */
    if (d->attack_customer > count)
        return sc_fail(diag, SC_E_USAGE, "--attack: there is no customer %" PRIu64 ", only %zu", d->attack_customer,
                       count);
    if (d->attack != SC_ATTACK_STEAL)
        return SC_OK;
    d->field.thief = d->attack_customer;
    return population_again(d, diag);
}

/* ---- running ---- */
static sc_err service_start(struct demo *d, size_t index, struct sc_diag *diag)
{
    const struct sc_system_service *x = &d->system.service[index];
    char identity[512];
    char log[512];
    snprintf(identity, sizeof identity, "%s/services/%s", d->system_dir, x->name);
    snprintf(log, sizeof log, "%s/logs/%s.log", d->out, x->name);
    return sc_processes_start(&d->processes, x->name, x->program, identity, log, diag);
}

static sc_err system_start(struct demo *d, struct sc_diag *diag)
{
    const struct sc_system_options opt = {d->system_dir, d->authenticators, 0, d->loss, &d->field};
    SC_TRY(sc_system_create(&opt, &d->system, diag));
    snprintf(d->processes.pid_file, sizeof d->processes.pid_file, "%s/services.json", d->out);
    SC_TRY(service_start(d, 0, diag)); /* CascaDB */
    SC_TRY(sc_stations_wait(&d->system, 0, 1, 15000, diag));
    SC_TRY(sc_system_provision(&d->system, d->population, d->keys, NULL, NULL, diag));
    for (size_t i = 1; i < d->system.service_count; i++)
        SC_TRY(service_start(d, i, diag));
    return sc_stations_wait(&d->system, 1, d->system.service_count, 30000, diag);
}

static void bar_show(const struct demo *d, const struct sc_field_progress *p)
{
    char bar[41];
    if (!d->terminal || d->quiet || p->total <= 0)
        return;
    const int filled = (int)(p->acked * 40 / p->total);
    for (int i = 0; i < 40; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[40] = '\0';
    const double seconds = (double)(now_us() - d->started_us) / 1e6;
    printf("\r  [%s] %3d %%  %" PRId64 " of %" PRId64 " readings, %.0f a second  ", bar,
           (int)(p->acked * 100 / p->total), p->acked, p->total, (double)p->acked / (seconds > 0.1 ? seconds : 0.1));
    fflush(stdout);
}

/* Waits until every reading is acknowledged, starting dead services again. */
static sc_err field_run(struct demo *d, struct sc_diag *diag)
{
    struct sc_field_progress p = {0};
    int64_t last_acked = -1;
    int64_t moved_us = now_us();
    d->started_us = now_us();
    while (!p.done) {
        if (interrupted)
            return sc_fail(diag, SC_E_AGAIN, "interrupted");
        SC_TRY(sc_processes_tend(&d->processes, diag));
        if (sc_stations_progress(&d->system, &p) == SC_OK && p.acked != last_acked) {
            last_acked = p.acked;
            moved_us = now_us();
        }
        if (now_us() - moved_us > STALL_US)
            return sc_fail(diag, SC_E_IO,
                           "no reading arrived for a minute (%" PRId64 " of %" PRId64 "); the logs are in %s/logs",
                           p.acked, p.total, d->out);
        bar_show(d, &p);
        pause_ms(100);
    }
    if (d->terminal && !d->quiet)
        printf("\n");
    return SC_OK;
}

static sc_err attack_run(struct demo *d, struct sc_diag *diag)
{
    if (d->attack == SC_ATTACK_STEAL) {
        char from[SC_TIME_TEXT_SIZE];
        const struct sc_theft *t = sc_population_theft(d->population, d->attack_customer - 1);
        snprintf(d->attack_story, sizeof d->attack_story, "from %.10s on, %.0f %% of the load bypasses the meter%s",
                 sc_time_text(t->from_ms, from), t->fraction * 100,
                 t->kind == SC_THEFT_BYPASS_EVENING ? " in the evening" : "");
    }
    if (!sc_attack_on_database(d->attack))
        return SC_OK;
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    SC_CLEANUP(sc_db_freep) PGconn *db = NULL;
    SC_TRY(sc_identity_load(out_path(d, "system/services/operator"), &id, diag));
    SC_TRY(sc_db_connect_wait(id, 10000, &db, diag));
    return sc_attack_run(db, d->attack, d->attack_customer, d->field.seed, d->attack_story, sizeof d->attack_story,
                         diag);
}

/* ---- the two applications, the other party, and the report ---- */
static sc_err task(struct demo *d, const char *verb, const char *const *args, struct sc_diag *diag)
{
    char log[512];
    snprintf(log, sizeof log, "%s/logs/%s.log", d->out, verb);
    SC_TRY(sc_processes_tend(&d->processes, diag)); /* CascaDB may have died a moment ago */
    return sc_task_run(verb, args, log, diag);
}

struct period {
    char from[SC_TIME_TEXT_SIZE], to[SC_TIME_TEXT_SIZE];
};

static struct period period_of(const struct demo *d)
{
    struct period p;
    const int64_t first = sc_population_first_ms(d->population);
    sc_time_text(first, p.from);
    sc_time_text(first + (int64_t)sc_population_interval_count(d->population) *
                             sc_population_interval_s(d->population) * 1000,
                 p.to);
    p.from[10] = '\0';
    p.to[10] = '\0';
    return p;
}

static sc_err results_make(struct demo *d, struct sc_diag *diag)
{
    const struct period p = period_of(d);
    char tariffs[512];
    char billing[512];
    char auditor[512];
    char fraud[512];
    char institute[512];
    char bills[512];
    char audits[512];
    char ranking[512];
    SC_TRY(share_find(d, tariffs, sizeof tariffs, "tariffs", diag));
    snprintf(billing, sizeof billing, "%s/services/billing", d->system_dir);
    snprintf(auditor, sizeof auditor, "%s/services/auditor", d->system_dir);
    snprintf(fraud, sizeof fraud, "%s/services/fraud", d->system_dir);
    snprintf(institute, sizeof institute, "%s/institute/institute.pem", d->system_dir);
    snprintf(bills, sizeof bills, "%s/bills", d->out);
    snprintf(audits, sizeof audits, "%s/audits", d->out);
    snprintf(ranking, sizeof ranking, "%s/fraud", d->out);
    say(d, "Billing ...\n");
    SC_TRY(task(d, "bill",
                (const char *const[]){"--identity", billing, "--all", "--from", p.from, "--to", p.to, "--tariff",
                                      tariffs, "--out-dir", bills, NULL},
                diag));
    say(d, "Auditing, as the other party ...\n");
    SC_TRY(task(d, "audit",
                (const char *const[]){"--identity", auditor, "--institute", institute, "--tariff", tariffs, "--all",
                                      "--bills", bills, "--out-dir", audits, NULL},
                diag));
    say(d, "Looking for fraud ...\n");
    return task(
        d, "fraud",
        (const char *const[]){"rank", "--identity", fraud, "--from", p.from, "--to", p.to, "--out-dir", ranking, NULL},
        diag);
}

/* The decimal text "123.45" in cents. */
static int64_t cents_of(const char *text)
{
    const char *dot = strchr(text, '.');
    const bool negative = text[0] == '-';
    int64_t cents = llabs(strtoll(text, NULL, 10)) * 100;
    if (dot != NULL && dot[1] != '\0')
        cents += (dot[1] - '0') * 10 + (dot[2] != '\0' ? dot[2] - '0' : 0);
    return negative ? -cents : cents;
}

/* What billing and audit wrote, customer by customer. */
static void totals_add(struct demo *d, uint64_t id)
{
    struct totals *t = &d->totals;
    char name[64];
    SC_CLEANUP(sc_json_freep) json_t *bill = NULL;
    SC_CLEANUP(sc_json_freep) json_t *audit = NULL;
    snprintf(name, sizeof name, "bills/%" PRIu64 ".json", id);
    if (sc_json_read(out_path(d, name), (size_t)4 << 20, &bill, NULL) == SC_OK) {
        const json_t *total = json_object_get(bill, "total");
        t->bills++;
        t->cents += json_is_string(total) ? cents_of(json_string_value(total)) : 0;
    }
    snprintf(name, sizeof name, "audits/%" PRIu64 ".json", id);
    if (sc_json_read(out_path(d, name), (size_t)64 << 20, &audit, NULL) != SC_OK)
        return;
    const json_t *verdict = json_object_get(audit, "verdict");
    if (json_is_true(json_object_get(verdict, "passed"))) {
        t->passed++;
        return;
    }
    t->failed_count++;
    if (t->failed == FAILED_SHOWN_MAX)
        return;
    const json_t *finding = json_array_get(json_object_get(verdict, "findings"), 0);
    const char *kind = json_string_value(json_object_get(finding, "kind"));
    const char *start = json_string_value(json_object_get(finding, "start"));
    t->failed_ids[t->failed] = id;
    snprintf(t->failed_why[t->failed++], sizeof t->failed_why[0], "%s %s%s", kind != NULL ? kind : "see the verdict",
             start != NULL ? start : "", json_array_size(json_object_get(verdict, "findings")) > 1 ? " and more" : "");
}

static void station_add(struct demo *d, const char *id, const char *title, json_t *counts)
{
    json_array_append_new(
        d->stations, json_pack("{s:s, s:s, s:i, s:o}", "id", id, "title", title, "instances", 1, "counts", counts));
}

static void totals_gather(struct demo *d)
{
    const size_t count = sc_population_count(d->population);
    for (size_t i = 0; i < count; i++)
        totals_add(d, sc_population_customer(d->population, i)->client_id);
    station_add(d, "billing", "Billing",
                json_pack("{s:I, s:I}", "bills", (json_int_t)d->totals.bills, "reais billed",
                          (json_int_t)(d->totals.cents / 100)));
    station_add(
        d, "audit", "Audit",
        json_pack("{s:I, s:I}", "passed", (json_int_t)d->totals.passed, "failed", (json_int_t)d->totals.failed_count));
    station_add(d, "fraud", "Fraud ranking", json_pack("{s:I}", "customers ranked", (json_int_t)count));
}

static sc_err run_write(struct demo *d, struct sc_diag *diag)
{
    const struct period p = period_of(d);
    char title[128];
    snprintf(title, sizeof title, "SecureCloud: %zu customers, %s to %s", sc_population_count(d->population), p.from,
             p.to);
    json_t *attack = d->attack == SC_ATTACK_NONE
                         ? json_null()
                         : json_pack("{s:s, s:I, s:s}", "kind", sc_attack_name(d->attack), "customer",
                                     (json_int_t)d->attack_customer, "description", d->attack_story);
    SC_CLEANUP(sc_json_freep)
    json_t *run = json_pack(
        "{s:i, s:s, s:{s:s, s:s}, s:I, s:I, s:I, s:i, s:{s:s, s:s}, s:f, s:O, s:o, s:s, s:i}", "version", 1, "title",
        title, "data", "source", d->field.data_path != NULL ? "file" : "typical-day figures", "name",
        sc_population_source(d->population), "seed", (json_int_t)d->field.seed, "customers",
        (json_int_t)sc_population_count(d->population), "days",
        (json_int_t)(sc_population_interval_count(d->population) * sc_population_interval_s(d->population) / 86400),
        "interval_s", (int)sc_population_interval_s(d->population), "period", "from", p.from, "to", p.to, "duration_s",
        (double)(now_us() - d->started_us) / 1e6, "stations", d->stations, "attack", attack, "backend",
        "software (SIMULATED enclaves: this machine has no TEE hardware, or none is used)", "restarts",
        (int)d->restarts);
    if (run == NULL)
        return sc_fail(diag, SC_E_NOMEM, "run.json");
    return sc_json_write(out_path(d, "run.json"), run, diag);
}

/* ---- what the user sees at the end ---- */
static void stations_print(const struct demo *d)
{
    say(d, "\n");
    for (size_t i = 0; i < json_array_size(d->stations); i++) {
        const json_t *st = json_array_get(d->stations, i);
        json_t *counts = json_object_get(st, "counts");
        const char *label;
        json_t *value;
        const char *separator = "";
        say(d, "  %-15s", json_string_value(json_object_get(st, "title")));
        json_object_foreach(counts, label, value)
        {
            say(d, "%s%" JSON_INTEGER_FORMAT " %s", separator, json_integer_value(value), label);
            separator = ", ";
        }
        say(d, "\n");
    }
}

static void results_print(struct demo *d)
{
    const struct totals *t = &d->totals;
    for (size_t i = 0; i < t->failed; i++)
        say(d, "  audit of customer %" PRIu64 " FAILED: %s\n", t->failed_ids[i], t->failed_why[i]);
    say(d, "  %zu bills, R$ %" PRId64 ".%02" PRId64 " in all; audits: %zu passed, %zu failed\n", t->bills,
        t->cents / 100, t->cents % 100, t->passed, t->failed_count);
}

static void ranking_print(struct demo *d)
{
    SC_CLEANUP(sc_json_freep) json_t *ranking = NULL;
    if (sc_json_read(out_path(d, "fraud/ranking.json"), (size_t)256 << 20, &ranking, NULL) != SC_OK)
        return;
    const json_t *list = json_object_get(ranking, "customers");
    say(d, "  top of the fraud ranking (%s):\n", out_path(d, "fraud/ranking.csv"));
    for (size_t i = 0; i < json_array_size(list) && i < RANKING_SHOWN; i++) {
        const json_t *c = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(c, "name"));
        const char *why = json_string_value(json_array_get(json_object_get(c, "reasons"), 0));
        say(d, "    %zu. customer %" JSON_INTEGER_FORMAT " %-20s %5.1f  %s\n", i + 1,
            json_integer_value(json_object_get(c, "client_id")), name != NULL ? name : "",
            json_number_value(json_object_get(c, "score")), why != NULL ? why : "");
    }
}

/* ---- the whole ---- */
static sc_err demo_run(struct demo *d, struct sc_diag *diag)
{
    char profile_path[512];
    SC_TRY(field_prepare(d, profile_path, sizeof profile_path, diag));
    SC_TRY(out_prepare(d, diag));
    const struct period p = period_of(d);
    say(d, "SecureCloud %s, software backend: enclaves are SIMULATED (docs/threat-model.md)\n", SC_VERSION);
    say(d, "Data: %s %s\n",
        d->field.data_path != NULL ? "measured loads," : "customers drawn from typical-day figures of",
        sc_population_source(d->population));
    say(d, "%zu customers, %s to %s, one reading every %" PRIu32 " minutes, seed %" PRIu64 "\n",
        sc_population_count(d->population), p.from, p.to, sc_population_interval_s(d->population) / 60, d->field.seed);
    if (d->terminal)
        say(d, "Starting ...\n");
    SC_TRY(system_start(d, diag));
    say(d, "%zu services run as processes of their own; metering ...\n", d->processes.count);
    SC_TRY(field_run(d, diag));
    d->stations = sc_stations_json(&d->system);
    SC_TRY(attack_run(d, diag));
    if (d->attack != SC_ATTACK_NONE)
        say(d, "Attack \"%s\" on customer %" PRIu64 ": %s\n", sc_attack_name(d->attack), d->attack_customer,
            d->attack_story);
    SC_TRY(results_make(d, diag));
    d->restarts = sc_processes_restarts(&d->processes);
    totals_gather(d);
    SC_TRY(run_write(d, diag));
    SC_TRY(task(d, "report", (const char *const[]){"--out", d->out, NULL}, diag));
    stations_print(d);
    results_print(d);
    ranking_print(d);
    if (d->restarts != 0)
        say(d, "  %u services had died and were started again\n", d->restarts);
    say(d, "\nReport: %s\n", out_path(d, "index.html"));
    return SC_OK;
}

/* The services stay up, and are kept up, until the user has seen enough. */
static sc_err keep_running(struct demo *d, struct sc_diag *diag)
{
    const unsigned port = sc_system_find(&d->system, "cascadb")->port;
    const char *id = out_path(d, "system/services/auditor");
    say(d, "\nThe services stay up until Ctrl-C.  For instance:\n  securecloud sql --identity %s\n", id);
    say(d,
        "  psql \"host=localhost hostaddr=127.0.0.1 port=%u dbname=securecloud user=auditor sslmode=verify-full"
        " sslcert=%s/cert.pem sslkey=%s/key.pem sslrootcert=%s/ca.pem\"\n",
        port, id, id, id);
    while (!interrupted) {
        SC_TRY(sc_processes_tend(&d->processes, diag));
        pause_ms(100);
    }
    interrupted = 0;
    return SC_OK;
}

int main(int argc, char **argv)
{
    struct demo d = {.out = "out", .authenticators = 2, .loss = DEFAULT_LOSS, .field = {.seed = 1}};
    struct sc_diag diag = {0};
    bool help = false;
    sc_err err = options_parse(&d, argc, argv, &help, &diag);
    if (help) {
        print_help();
        return 0;
    }
    if (err != SC_OK) {
        fprintf(stderr, "securecloud demo: %s\n", sc_diag_text(&diag, err));
        return 2;
    }
    d.terminal = isatty(STDOUT_FILENO);
    const struct sigaction act = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    d.started_us = now_us();
    err = demo_run(&d, &diag);
    if (err == SC_OK && d.keep)
        err = keep_running(&d, &diag);
    unsigned unclean = 0;
    sc_processes_stop(&d.processes, &unclean);
    if (err == SC_OK && unclean != 0)
        err = sc_fail(&diag, SC_E_IO, "%u services did not stop cleanly; the logs are in %s/logs", unclean, d.out);
    if (err != SC_OK)
        fprintf(stderr, "securecloud demo: %s\n", sc_diag_text(&diag, err));
    json_decref(d.stations);
    sc_population_free(d.population);
    return interrupted ? 130 : err == SC_OK ? 0 : err == SC_E_USAGE ? 2 : 1;
}
