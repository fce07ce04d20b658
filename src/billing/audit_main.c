/* securecloud-audit: the other party's judgement of bills. */
#include "base/file.h"
#include "base/log.h"
#include "billing/command.h"
#include "billing/database.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

static const char name[] = "securecloud-audit";
static const char usage[] =
    "Usage: securecloud-audit --identity DIR --institute FILE --tariff FILE... --bill FILE --out FILE\n"
    "       securecloud-audit --identity DIR --institute FILE --tariff FILE... --all --bills DIR --out-dir DIR\n"
    "       securecloud-audit check FILE --auditor FILE\n"
    "\n"
    "Judges bills from the rows of the database, trusting nothing but the metrology institute's root certificate and "
    "the\n"
    "auditor's own tariff: meter certificate, every signature, completeness, registers, measurement hash, amount.\n"
    "\n"
    "  --identity DIR     the auditor's certificate and key (the verdict is signed with it), and where the database "
    "is\n"
    "  --institute FILE   the institute's root certificate (PEM)\n"
    "  --tariff FILE      the auditor's own tariff, or a directory of them; several may be given\n"
    "  --bill FILE        one bill;  --all --bills DIR  every *.json of a directory\n"
    "  --out FILE         the verdict;  --out-dir DIR  one for each bill, under the bill's file name\n"
    "  --strict           exit with 3 when a verdict is a failed one\n"
    "  --help, --version\n"
    "\n"
    "check: is FILE a verdict signed by the auditor whose certificate (PEM) this is?\n"
    "\n"
    "Exit codes: 0 the audit was held, whatever the verdict; 1 it could not be held; 2 wrong usage; 3 see --strict.\n";

struct options {
    const char *identity, *institute, *bill, *bills, *out, *out_dir, *auditor, *file;
    bool all, strict, help, version;
    struct sc_tariffs tariffs;
};

static void options_deinit(struct options *o)
{
    sc_tariffs_deinit(&o->tariffs);
}

enum option_id {
    O_ALL = 256,
    O_AUDITOR,
    O_BILL,
    O_BILLS,
    O_HELP,
    O_IDENTITY,
    O_INSTITUTE,
    O_OUT,
    O_OUT_DIR,
    O_STRICT,
    O_TARIFF,
    O_VERSION
};
static const struct option long_options[] = {{"all", no_argument, NULL, O_ALL},
                                             {"auditor", required_argument, NULL, O_AUDITOR},
                                             {"bill", required_argument, NULL, O_BILL},
                                             {"bills", required_argument, NULL, O_BILLS},
                                             {"help", no_argument, NULL, O_HELP},
                                             {"identity", required_argument, NULL, O_IDENTITY},
                                             {"institute", required_argument, NULL, O_INSTITUTE},
                                             {"out", required_argument, NULL, O_OUT},
                                             {"out-dir", required_argument, NULL, O_OUT_DIR},
                                             {"strict", no_argument, NULL, O_STRICT},
                                             {"tariff", required_argument, NULL, O_TARIFF},
                                             {"version", no_argument, NULL, O_VERSION},
                                             {NULL, 0, NULL, 0}};

static sc_err take_option(struct options *o, int option, const char *value, struct sc_diag *diag)
{
    const struct {
        int option;
        bool *flag;
        const char **text;
    } places[] = {{O_ALL, &o->all, NULL},         {O_STRICT, &o->strict, NULL},     {O_HELP, &o->help, NULL},
                  {O_VERSION, &o->version, NULL}, {O_AUDITOR, NULL, &o->auditor},   {O_BILL, NULL, &o->bill},
                  {O_BILLS, NULL, &o->bills},     {O_IDENTITY, NULL, &o->identity}, {O_INSTITUTE, NULL, &o->institute},
                  {O_OUT, NULL, &o->out},         {O_OUT_DIR, NULL, &o->out_dir}};
    if (option == O_TARIFF)
        return sc_tariffs_add(&o->tariffs, value, diag);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].option != option)
            continue;
        if (places[i].flag != NULL)
            *places[i].flag = true;
        else
            *places[i].text = value;
        return SC_OK;
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

/* ---- one audit ---- */

struct auditor {
    const struct options *o;
    struct sc_identity *id;
    struct sc_signer *signer;
    struct sc_cert *institute;
    PGconn *db;
    size_t failed_verdicts;
};

static void auditor_deinit(struct auditor *a)
{
    sc_db_freep(&a->db);
    sc_cert_free(a->institute);
    sc_signer_free(a->signer);
    sc_identity_free(a->id);
}

/* The auditor's tariff that the bill was made with, or the nearest to it; the audit tells when it is not the same. */
static const struct sc_tariff *tariff_of(const struct sc_tariffs *t, const struct sc_bill_claim *claim)
{
    for (size_t i = 0; i < t->count; i++)
        if (memcmp(t->list[i]->hash.bytes, claim->tariff_hash.bytes, SC_HASH_SIZE) == 0)
            return t->list[i];
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->list[i]->id, claim->tariff_id) == 0)
            return t->list[i];
    return t->list[0];
}

static sc_err judge(const struct auditor *a, const struct sc_bill_claim *claim, const struct sc_hash *bill_hash,
                    struct sc_verdict **out, struct sc_diag *diag)
{
    struct sc_billing_customer c;
    SC_CLEANUP(sc_billing_meter_deinit) struct sc_billing_meter meter = {0};
    SC_CLEANUP(sc_row_stream_freep) struct sc_row_stream *stream = NULL;
    /* an operator who deletes or spoils the customer's row must not escape the audit by it */
    const sc_err known = sc_billing_customer_load(a->db, claim->client_id, &c, NULL);
    if (known != SC_OK && known != SC_E_NOT_FOUND && known != SC_E_MALFORMED)
        return sc_fail(diag, known, "database: customer %" PRId64, claim->client_id);
    SC_TRY(sc_billing_meter_load(a->db, claim->meter, &meter, diag));
    const struct sc_audit_options opt = {.claim = claim,
                                         .bill_hash = *bill_hash,
                                         .tariff = tariff_of(&a->o->tariffs, claim),
                                         .contract = known == SC_OK ? &c.contract : NULL,
                                         .certificate = sc_buf_slice(&meter.certificate),
                                         .institute = a->institute};
    const int64_t before_ms = (int64_t)claim->requested.interval_s * 1000;
    SC_TRY(sc_row_stream_new(a->db, claim->client_id, claim->requested.from_ms - before_ms, claim->requested.to_ms,
                             &stream, diag));
    const struct sc_audit_rows rows = {sc_row_stream_next, stream};
    return sc_audit_run(&opt, &rows, out, diag);
}

static void tell(const struct sc_verdict *v)
{
    printf("customer %" PRId64 ": %s, %" PRIu64 " of %" PRIu64 " intervals genuine", v->client_id,
           v->passed ? "pass" : "FAIL", v->genuine_count, v->expected_count);
    for (size_t i = 0; i < SC_AUDIT_KIND_COUNT; i++)
        if (v->kind_count[i] != 0)
            printf(", %" PRIu64 " %s", v->kind_count[i], sc_audit_kind_name((enum sc_audit_kind)i));
    printf("\n");
    for (size_t i = 0; i < SC_AUDIT_CHECK_COUNT; i++)
        if (v->checks[i].result == SC_AUDIT_FAIL)
            printf("  %s: %s\n", sc_audit_check_name((enum sc_audit_check_id)i), v->checks[i].detail);
}

static sc_err write_verdict(const struct auditor *a, const struct sc_verdict *v, const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *verdict = NULL;
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_TRY(sc_verdict_to_json(v, sc_identity_spiffe_id(a->id), sc_wall_ms(&sc_clock_system), &verdict));
    SC_TRY(sc_verdict_sign(verdict, a->signer, &doc));
    return sc_json_write(path, doc, diag);
}

static sc_err audit_bill(struct auditor *a, const char *bill_path, const char *out_path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {.size_max = SC_BILL_SIZE_MAX};
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_CLEANUP(sc_verdict_freep) struct sc_verdict *v = NULL;
    struct sc_bill_claim claim;
    struct sc_hash hash;
    SC_TRY(sc_file_read(bill_path, SC_BILL_SIZE_MAX, &text, diag));
    sc_hash_of(sc_buf_slice(&text), &hash);
    SC_TRY(sc_context(diag, sc_json_parse(sc_buf_slice(&text), &doc, diag), "%s", bill_path));
    SC_TRY(sc_context(diag, sc_bill_claim_parse(doc, &claim, diag), "%s", bill_path));
    SC_TRY(judge(a, &claim, &hash, &v, diag));
    SC_TRY(write_verdict(a, v, out_path, diag));
    a->failed_verdicts += !v->passed;
    tell(v);
    return SC_OK;
}

/* ---- all ---- */

static void names_free(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static sc_err audit_named(struct auditor *a, const char *file, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *from = sc_path_join(a->o->bills, file);
    SC_CLEANUP(sc_freep) char *to = sc_path_join(a->o->out_dir, file);
    if (from == NULL || to == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", file);
    return audit_bill(a, from, to, diag);
}

/* Every bill gets its audit; what cannot be audited is told, and the first failure that ends everything returned. */
static sc_err audit_all(struct auditor *a, struct sc_diag *diag)
{
    struct dirent **names = NULL;
    SC_TRY(sc_dir_make(a->o->out_dir, 0755, diag));
    const int count = scandir(a->o->bills, &names, sc_is_json_entry, versionsort);
    if (count < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", a->o->bills);
    int failed = 0;
    sc_err err = SC_OK;
    for (int i = 0; i < count && err == SC_OK; i++) {
        struct sc_diag why = {0};
        const sc_err one = audit_named(a, names[i]->d_name, &why);
        if (one == SC_E_AGAIN || one == SC_E_NOMEM)
            err = sc_fail(diag, one, "%s", sc_diag_text(&why, one));
        else if (one != SC_OK)
            fprintf(stderr, "%s: %s: %s\n", name, names[i]->d_name, sc_diag_text(&why, one));
        failed += one != SC_OK;
        sc_progress("audits", (size_t)i + 1, (size_t)count);
    }
    names_free(names, count);
    if (err == SC_OK && failed != 0)
        err = sc_fail(diag, SC_E_MALFORMED, "%d of %d bills could not be audited", failed, count);
    return err;
}

static sc_err auditor_open(struct auditor *a, struct sc_diag *diag)
{
    SC_TRY(sc_identity_load(a->o->identity, &a->id, diag));
    SC_TRY(sc_identity_signer(a->id, &a->signer, diag));
    SC_TRY(sc_cert_read_pem(a->o->institute, &a->institute, diag));
    return sc_db_connect(a->id, &a->db, diag);
}

static sc_err run_audit(const struct options *o, bool *all_passed_out, struct sc_diag *diag)
{
    SC_TRY(need(o->identity, "--identity", diag));
    SC_TRY(need(o->institute, "--institute", diag));
    SC_TRY(need(o->tariffs.count != 0 ? "" : NULL, "--tariff", diag));
    SC_TRY(need(o->all ? o->bills : o->bill, o->all ? "--bills" : "--bill", diag));
    SC_TRY(need(o->all ? o->out_dir : o->out, o->all ? "--out-dir" : "--out", diag));
    if (o->file != NULL)
        return sc_fail(diag, SC_E_USAGE, "\"%s\" is not a command; see --help", o->file);
    SC_CLEANUP(auditor_deinit) struct auditor a = {.o = o};
    SC_TRY(auditor_open(&a, diag));
    SC_TRY(o->all ? audit_all(&a, diag) : audit_bill(&a, o->bill, o->out, diag));
    *all_passed_out = a.failed_verdicts == 0;
    return SC_OK;
}

/* ---- check ---- */

static sc_err run_check(const struct options *o, bool *passed_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *key = NULL;
    SC_TRY(need(o->file, "a verdict", diag));
    SC_TRY(need(o->auditor, "--auditor", diag));
    SC_TRY(sc_cert_read_pem(o->auditor, &cert, diag));
    SC_TRY(sc_cert_verifier(cert, &key, diag));
    SC_TRY(sc_json_read(o->file, (size_t)64 << 20, &doc, diag));
    SC_TRY(sc_context(diag, sc_verdict_check(doc, key, passed_out, diag), "%s", o->file));
    printf("%s: signed by the auditor; the verdict is %s\n", o->file, *passed_out ? "pass" : "fail");
    return SC_OK;
}

int main(int argc, char **argv)
{
    SC_CLEANUP(options_deinit) struct options o = {0};
    struct sc_diag diag = {0};
    bool passed = true;
    sc_log_init(name, SC_LOG_INFO);
    const bool check = argc > 1 && strcmp(argv[1], "check") == 0;
    if (check) {
        argv[1] = argv[0];
        argv++;
        argc--;
    }
    sc_err err = parse_options(argc, argv, &o, &diag);
    if (err == SC_OK && (o.help || o.version)) {
        printf("%s", o.help ? usage : "securecloud-audit " SC_VERSION "\n");
        return SC_EXIT_OK;
    }
    if (err == SC_OK)
        err = check ? run_check(&o, &passed, &diag) : run_audit(&o, &passed, &diag);
    if (err != SC_OK)
        return sc_command_failed(name, err, &diag);
    return o.strict && !passed ? SC_EXIT_STRICT : SC_EXIT_OK;
}
