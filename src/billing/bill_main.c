/* securecloud-bill: bills with measurement hashes, and proofs that a reading is in one. */
#include "base/file.h"
#include "base/log.h"
#include "billing/command.h"
#include "billing/database.h"
#include "billing/proof.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

static const char name[] = "securecloud-bill";
static const char usage[] =
    "Usage: securecloud-bill --identity DIR --customer N --tariff FILE (--month YYYY-MM | --from T --to T) --out FILE\n"
    "       securecloud-bill --identity DIR --all --tariff FILE... (--month YYYY-MM | --from T --to T) --out-dir DIR\n"
    "       securecloud-bill prove --identity DIR --customer N --at T [--bill FILE] --out FILE\n"
    "       securecloud-bill check-proof FILE --hash HEX --institute FILE\n"
    "\n"
    "Makes bills from the readings in the database, each with the hash of its measurements.\n"
    "\n"
    "  --identity DIR     who connects to the database, and where it is (config.json)\n"
    "  --customer N       one customer;  --all  every customer of the database\n"
    "  --tariff FILE      a tariff, or a directory of them; several may be given: each customer's modality chooses the "
    "first\n"
    "  --any-modality     bill with the first tariff even where the customer's modality is another\n"
    "  --month YYYY-MM    a month on the tariff's clock;  --from T --to T  any period (2024-07-01T00:00, UTC)\n"
    "  --out FILE         the bill;  --out-dir DIR  DIR/<customer>.json for each\n"
    "  --help, --version\n"
    "\n"
    "prove: makes a proof that the reading of the interval that holds T is in the bill of its period (--bill; without "
    "it,\n"
    "  of its month, UTC).  check-proof: checks one, offline, against a bill's measurement hash and the institute's "
    "root.\n"
    "\n"
    "Exit codes: 0 done, 1 failed (with --all: some customer's bill could not be made), 2 wrong usage.\n";

struct options {
    const char *identity, *month, *from, *to, *out, *out_dir, *at, *bill, *hash, *institute, *file;
    bool has_customer, all, any_modality, help, version;
    int64_t customer;
    struct sc_tariffs tariffs;
};

static void options_deinit(struct options *o)
{
    sc_tariffs_deinit(&o->tariffs);
}

enum option_id {
    O_ALL = 256,
    O_ANY,
    O_AT,
    O_BILL,
    O_CUSTOMER,
    O_FROM,
    O_HASH,
    O_HELP,
    O_IDENTITY,
    O_INSTITUTE,
    O_MONTH,
    O_OUT,
    O_OUT_DIR,
    O_TARIFF,
    O_TO,
    O_VERSION
};
static const struct option long_options[] = {{"all", no_argument, NULL, O_ALL},
                                             {"any-modality", no_argument, NULL, O_ANY},
                                             {"at", required_argument, NULL, O_AT},
                                             {"bill", required_argument, NULL, O_BILL},
                                             {"customer", required_argument, NULL, O_CUSTOMER},
                                             {"from", required_argument, NULL, O_FROM},
                                             {"hash", required_argument, NULL, O_HASH},
                                             {"help", no_argument, NULL, O_HELP},
                                             {"identity", required_argument, NULL, O_IDENTITY},
                                             {"institute", required_argument, NULL, O_INSTITUTE},
                                             {"month", required_argument, NULL, O_MONTH},
                                             {"out", required_argument, NULL, O_OUT},
                                             {"out-dir", required_argument, NULL, O_OUT_DIR},
                                             {"tariff", required_argument, NULL, O_TARIFF},
                                             {"to", required_argument, NULL, O_TO},
                                             {"version", no_argument, NULL, O_VERSION},
                                             {NULL, 0, NULL, 0}};

static sc_err take_option(struct options *o, int option, const char *value, struct sc_diag *diag)
{
    switch (option) {
    case O_ALL:
        o->all = true;
        return SC_OK;
    case O_ANY:
        o->any_modality = true;
        return SC_OK;
    case O_HELP:
        o->help = true;
        return SC_OK;
    case O_VERSION:
        o->version = true;
        return SC_OK;
    case O_CUSTOMER:
        o->has_customer = true;
        if (sc_number_parse(value, &o->customer) != SC_OK)
            return sc_fail(diag, SC_E_USAGE, "--customer %s: a number expected", value);
        return SC_OK;
    case O_TARIFF:
        return sc_tariffs_add(&o->tariffs, value, diag);
    default:
        break;
    }
    const struct {
        int option;
        const char **to;
    } texts[] = {{O_AT, &o->at},       {O_BILL, &o->bill},         {O_FROM, &o->from},
                 {O_HASH, &o->hash},   {O_IDENTITY, &o->identity}, {O_INSTITUTE, &o->institute},
                 {O_MONTH, &o->month}, {O_OUT, &o->out},           {O_OUT_DIR, &o->out_dir},
                 {O_TO, &o->to}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].option == option) {
            *texts[i].to = value;
            return SC_OK;
        }
    }
    return sc_fail(diag, SC_E_USAGE, "unknown option; see --help");
}

static sc_err parse_options(int argc, char **argv, struct options *o, struct sc_diag *diag)
{
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        SC_TRY(take_option(o, option, optarg, diag));
    if (optind < argc)
        o->file = argv[optind++];
    if (optind < argc)
        return sc_fail(diag, SC_E_USAGE, "one argument too many: %s", argv[optind]);
    return SC_OK;
}

static sc_err need(const char *value, const char *option, struct sc_diag *diag)
{
    return value != NULL ? SC_OK : sc_fail(diag, SC_E_USAGE, "%s is needed; see --help", option);
}

static sc_err connect_as(const char *dir, PGconn **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = NULL;
    SC_TRY(sc_identity_load(dir, &id, diag));
    return sc_db_connect(id, out, diag);
}

/* ---- bills ---- */

static sc_err choose_tariff(const struct options *o, const struct sc_billing_customer *c, const struct sc_tariff **out,
                            struct sc_diag *diag)
{
    for (size_t i = 0; i < o->tariffs.count; i++) {
        if (!c->has_modality || c->modality == o->tariffs.list[i]->modality) {
            *out = o->tariffs.list[i];
            return SC_OK;
        }
    }
    *out = o->tariffs.list[0];
    return o->any_modality
               ? SC_OK
               : sc_fail(diag, SC_E_USAGE, "customer %" PRId64 " has modality %s, and no tariff given is for it",
                         c->contract.client_id, sc_modality_name(c->modality));
}

static sc_err choose_period(const struct options *o, const struct sc_tariff *t, uint32_t interval_s,
                            struct sc_bill_period *out, struct sc_diag *diag)
{
    struct sc_bill_period p = {.interval_s = interval_s};
    if (o->month != NULL) {
        if (sc_tariff_month(t, o->month, &p.from_ms, &p.to_ms) != SC_OK)
            return sc_fail(diag, SC_E_USAGE, "--month %s: a month such as 2024-07 expected", o->month);
    } else if (sc_civil_parse(o->from, &p.from_ms) != SC_OK || sc_civil_parse(o->to, &p.to_ms) != SC_OK) {
        return sc_fail(diag, SC_E_USAGE, "--from, --to: times such as 2024-07-01T00:00 expected");
    }
    *out = p;
    return SC_OK;
}

/* Feeds the readings of the period, and the one before it, to the biller. */
static sc_err feed(PGconn *db, struct sc_biller *biller, int64_t client_id, const struct sc_bill_period *p,
                   struct sc_diag *diag)
{
    SC_CLEANUP(sc_row_stream_freep) struct sc_row_stream *rows = NULL;
    SC_TRY(sc_row_stream_new(db, client_id, p->from_ms - (int64_t)p->interval_s * 1000, p->to_ms, &rows, diag));
    for (;;) {
        struct sc_audit_row row;
        bool end = false;
        SC_TRY(sc_row_stream_next(rows, &row, &end, diag));
        if (end)
            return SC_OK;
        if (row.broken != NULL)
            sc_biller_refuse(biller);
        else
            SC_TRY(sc_biller_add(biller, &row.reading, diag));
    }
}

static void tell(const struct sc_bill *b)
{
    char money[SC_DECIMAL_TEXT_SIZE], kwh[SC_DECIMAL_TEXT_SIZE], from[SC_TIME_TEXT_SIZE], to[SC_TIME_TEXT_SIZE];
    printf("customer %" PRId64 ": R$ %s, %s kWh, %" PRIu64 " readings, %s to %s", b->contract.client_id,
           sc_money_text(b->charges.total_cents, money), sc_decimal_text(b->energy_wh * 1000000, 3, kwh),
           b->reading_count, sc_time_text(b->from_ms, from), sc_time_text(b->to_ms, to));
    if (b->not_measured_count != 0)
        printf(", %" PRIu64 " not measured", b->not_measured_count);
    if (b->missing_count != 0)
        printf(", %" PRIu64 " MISSING", b->missing_count);
    if (b->refused_count != 0)
        printf(", %" PRIu64 " rows REFUSED", b->refused_count);
    if (b->register_mismatches != 0)
        printf(", %" PRIu64 " registers DISAGREE", b->register_mismatches);
    printf("\n");
}

static sc_err bill_customer(PGconn *db, const struct options *o, int64_t client_id, const char *path,
                            struct sc_diag *diag)
{
    struct sc_billing_customer c;
    SC_CLEANUP(sc_billing_meter_deinit) struct sc_billing_meter meter = {0};
    SC_CLEANUP(sc_biller_freep) struct sc_biller *biller = NULL;
    SC_CLEANUP(sc_bill_freep) struct sc_bill *bill = NULL;
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    const struct sc_tariff *tariff;
    struct sc_bill_period period;
    SC_TRY(sc_billing_customer_load(db, client_id, &c, diag));
    SC_TRY(sc_billing_meter_load(db, c.contract.meter, &meter, diag));
    if (meter.interval_s == 0)
        return sc_fail(diag, SC_E_NOT_FOUND, "customer %" PRId64 ": meter %08" PRIu32 " is not in the database",
                       client_id, c.contract.meter);
    SC_TRY(choose_tariff(o, &c, &tariff, diag));
    SC_TRY(choose_period(o, tariff, meter.interval_s, &period, diag));
    SC_TRY(sc_biller_new(tariff, &c.contract, &period, &biller, diag));
    SC_TRY(feed(db, biller, client_id, &period, diag));
    SC_TRY(sc_biller_finish(biller, &bill, diag));
    SC_TRY(sc_bill_to_json(bill, c.name[0] != '\0' ? c.name : NULL, &doc));
    SC_TRY(sc_json_write(path, doc, diag));
    tell(bill);
    return SC_OK;
}

/* Every customer gets a chance; the first failure is the one returned, each is told. */
static sc_err bill_all(PGconn *db, const struct options *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) int64_t *ids = NULL;
    size_t count = 0, failed = 0;
    SC_TRY(sc_dir_make(o->out_dir, 0755, diag));
    SC_TRY(sc_billing_customer_ids(db, &ids, &count, diag));
    for (size_t i = 0; i < count; i++) {
        struct sc_diag why = {0};
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%" PRId64 ".json", o->out_dir, ids[i]) >= (int)sizeof path)
            return sc_fail(diag, SC_E_USAGE, "--out-dir: path too long");
        const sc_err err = bill_customer(db, o, ids[i], path, &why);
        if (err == SC_E_AGAIN || err == SC_E_NOMEM) /* the database is gone, or memory: no use in going on */
            return sc_fail(diag, err, "%s", sc_diag_text(&why, err));
        if (err != SC_OK) {
            failed++;
            fprintf(stderr, "%s: %s\n", name, sc_diag_text(&why, err));
        }
        sc_progress("bills", i + 1, count);
    }
    if (failed != 0)
        return sc_fail(diag, SC_E_NOT_FOUND, "%zu of %zu bills could not be made", failed, count);
    return SC_OK;
}

static sc_err run_bill(const struct options *o, struct sc_diag *diag)
{
    SC_TRY(need(o->identity, "--identity", diag));
    SC_TRY(need(o->tariffs.count != 0 ? "" : NULL, "--tariff", diag));
    SC_TRY(need(o->all ? o->out_dir : o->out, o->all ? "--out-dir" : "--out", diag));
    if (o->file != NULL)
        return sc_fail(diag, SC_E_USAGE, "\"%s\" is not a command; see --help", o->file);
    if (o->all == o->has_customer)
        return sc_fail(diag, SC_E_USAGE, "either --customer or --all is needed; see --help");
    if ((o->month == NULL) != (o->from != NULL && o->to != NULL))
        return sc_fail(diag, SC_E_USAGE, "either --month or --from and --to are needed; see --help");
    SC_CLEANUP(sc_db_freep) PGconn *db = NULL;
    SC_TRY(connect_as(o->identity, &db, diag));
    return o->all ? bill_all(db, o, diag) : bill_customer(db, o, o->customer, o->out, diag);
}

/* ---- proofs ---- */

struct proving {
    int64_t at_ms;
    struct sc_hash *leaves;
    size_t count, capacity;
    bool found;
    struct sc_proof proof;
};

static sc_err see_leaf(void *self, const struct sc_reading *r, const struct sc_hash *leaf)
{
    struct proving *p = self;
    if (p->count == p->capacity) {
        const size_t capacity = p->capacity == 0 ? 4096 : p->capacity * 2;
        struct sc_hash *leaves = reallocarray(p->leaves, capacity, sizeof *leaves);
        if (leaves == NULL)
            return SC_E_NOMEM;
        p->leaves = leaves;
        p->capacity = capacity;
    }
    if (r->start_ms == p->at_ms) {
        p->found = true;
        p->proof.index = p->count;
        p->proof.reading = *r;
    }
    p->leaves[p->count++] = *leaf;
    return SC_OK;
}

/* As feed(), and keeps the signature of the reading to be proven. */
static sc_err feed_proof(PGconn *db, const struct sc_contract *contract, const struct sc_bill_period *period,
                         struct proving *p, struct sc_buf *signature, struct sc_diag *diag)
{
    static const struct sc_tariff no_prices = {.one_price = true}; /* only the hash of the bill is wanted */
    SC_CLEANUP(sc_biller_freep) struct sc_biller *biller = NULL;
    SC_CLEANUP(sc_row_stream_freep) struct sc_row_stream *rows = NULL;
    SC_TRY(sc_biller_new(&no_prices, contract, period, &biller, diag));
    sc_biller_observe(biller, see_leaf, p);
    SC_TRY(sc_row_stream_new(db, contract->client_id, period->from_ms, period->to_ms, &rows, diag));
    for (;;) {
        struct sc_audit_row row;
        bool end = false, found_before = p->found;
        SC_TRY(sc_row_stream_next(rows, &row, &end, diag));
        if (end)
            return SC_OK;
        if (row.broken == NULL)
            SC_TRY(sc_biller_add(biller, &row.reading, diag));
        if (p->found && !found_before)
            sc_buf_put_bytes(signature, row.signature);
    }
}

static sc_err period_of_bill(const char *path, int64_t client_id, struct sc_bill_period *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    struct sc_bill_claim claim;
    SC_TRY(sc_json_read(path, SC_BILL_SIZE_MAX, &doc, diag));
    SC_TRY(sc_context(diag, sc_bill_claim_parse(doc, &claim, diag), "%s", path));
    if (claim.client_id != client_id)
        return sc_fail(diag, SC_E_USAGE, "%s is customer %" PRId64 "'s", path, claim.client_id);
    *out = claim.requested;
    return SC_OK;
}

static void month_around(int64_t at_ms, struct sc_bill_period *out)
{
    struct sc_civil c;
    sc_civil_from_ms(at_ms, &c);
    const struct sc_civil first = {.year = c.year, .month = c.month, .day = 1};
    const struct sc_civil next = {.year = c.year + c.month / 12, .month = c.month % 12 + 1, .day = 1};
    out->from_ms = sc_civil_to_ms(&first);
    out->to_ms = sc_civil_to_ms(&next);
}

static sc_err prove_connected(PGconn *db, const struct options *o, int64_t at_ms, struct sc_diag *diag)
{
    struct sc_billing_customer c;
    SC_CLEANUP(sc_billing_meter_deinit) struct sc_billing_meter meter = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_TRY(sc_billing_customer_load(db, o->customer, &c, diag));
    SC_TRY(sc_billing_meter_load(db, c.contract.meter, &meter, diag));
    struct sc_bill_period period = {.interval_s = meter.interval_s};
    month_around(at_ms, &period);
    if (o->bill != NULL)
        SC_TRY(period_of_bill(o->bill, o->customer, &period, diag));
    SC_TRY(sc_bill_period_check(&period, diag));
    const int64_t step_ms = (int64_t)period.interval_s * 1000;
    struct proving p = {.at_ms = at_ms / step_ms * step_ms};
    sc_err err = feed_proof(db, &c.contract, &period, &p, &signature, diag);
    if (err == SC_OK && !p.found)
        err = sc_fail(diag, SC_E_NOT_FOUND, "customer %" PRId64 " has no reading of that interval in the period",
                      o->customer);
    if (err == SC_OK) {
        struct sc_merkle tree;
        sc_merkle_init(&tree);
        for (size_t i = 0; i < p.count; i++)
            sc_merkle_add(&tree, &p.leaves[i]);
        sc_merkle_root(&tree, &p.proof.measurement_hash);
        sc_merkle_path(p.leaves, p.count, p.proof.index, p.proof.path, &p.proof.path_count);
        p.proof.client_id = o->customer;
        p.proof.tree_size = p.count;
        p.proof.signature = sc_buf_slice(&signature);
        p.proof.certificate = sc_buf_slice(&meter.certificate);
        err = sc_proof_to_json(&p.proof, &doc);
    }
    free(p.leaves);
    SC_TRY(err);
    return sc_json_write(o->out, doc, diag);
}

static sc_err run_prove(const struct options *o, struct sc_diag *diag)
{
    int64_t at_ms;
    SC_TRY(need(o->identity, "--identity", diag));
    SC_TRY(need(o->has_customer ? "" : NULL, "--customer", diag));
    SC_TRY(need(o->at, "--at", diag));
    SC_TRY(need(o->out, "--out", diag));
    if (sc_civil_parse(o->at, &at_ms) != SC_OK || at_ms < 0)
        return sc_fail(diag, SC_E_USAGE, "--at: a time such as 2024-07-01T12:30 expected");
    SC_CLEANUP(sc_db_freep) PGconn *db = NULL;
    SC_TRY(connect_as(o->identity, &db, diag));
    return prove_connected(db, o, at_ms, diag);
}

static sc_err run_check_proof(const struct options *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *institute = NULL;
    struct sc_hash hash;
    struct sc_proven proven;
    char time[SC_TIME_TEXT_SIZE];
    SC_TRY(need(o->file, "a proof", diag));
    SC_TRY(need(o->hash, "--hash", diag));
    SC_TRY(need(o->institute, "--institute", diag));
    if (sc_hex_decode(o->hash, hash.bytes, sizeof hash.bytes) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "--hash: 64 hexadecimal digits expected");
    SC_TRY(sc_cert_read_pem(o->institute, &institute, diag));
    SC_TRY(sc_json_read(o->file, SC_PROOF_SIZE_MAX, &doc, diag));
    SC_TRY(sc_context(diag, sc_proof_check(doc, &hash, institute, &proven, diag), "%s", o->file));
    printf("proven: customer %" PRId64 ", meter %08" PRIu32 ", %s, sequence %" PRIu64 ", %" PRIu64
           " Wh is leaf %" PRIu64 " of %" PRIu64 "\n",
           proven.client_id, proven.reading.meter, sc_time_text(proven.reading.start_ms, time), proven.reading.sequence,
           sc_reading_energy_wh(&proven.reading), proven.index, proven.tree_size);
    return SC_OK;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *verb;
        sc_err (*run)(const struct options *o, struct sc_diag *diag);
    } verbs[] = {{"prove", run_prove}, {"check-proof", run_check_proof}};
    SC_CLEANUP(options_deinit) struct options o = {0};
    struct sc_diag diag = {0};
    sc_err (*run)(const struct options *, struct sc_diag *) = run_bill;
    sc_log_init(name, SC_LOG_INFO);
    for (size_t i = 0; i < 2 && argc > 1; i++) {
        if (strcmp(argv[1], verbs[i].verb) == 0) {
            run = verbs[i].run;
            argv[1] = argv[0];
            argv++;
            argc--;
            break;
        }
    }
    sc_err err = parse_options(argc, argv, &o, &diag);
    if (err == SC_OK && (o.help || o.version)) {
        printf("%s", o.help ? usage : "securecloud-bill " SC_VERSION "\n");
        return SC_EXIT_OK;
    }
    if (err == SC_OK)
        err = run(&o, &diag);
    return err == SC_OK ? SC_EXIT_OK : sc_command_failed(name, err, &diag);
}
