/* securecloud-attest: judging evidence, and showing what it says. */
#include "attest/cache.h"
#include "attest/cases.h"
#include "attest/describe.h"
#include "attest/policy.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "net/http.h"

#include <getopt.h>
#include <stdio.h>

#define FETCH_TIMEOUT_MS 30000
enum exit_code { EXIT_ACCEPTED = 0, EXIT_CANNOT = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3 };

static const char usage[] =
    "Usage: securecloud-attest verify FILE [--collateral DIR | --cache DIR] [--policy FILE] [--at TIME] [--json]\n"
    "       securecloud-attest verify --cases FILE.tsv\n"
    "       securecloud-attest show FILE\n"
    "\n"
    "verify  judges evidence: an SGX or TDX quote (DCAP, versions 3 to 5), an AMD SEV-SNP report, or software "
    "evidence.\n"
    "show    prints every field of it, believed or not.\n"
    "\n"
    "Collateral (without any, only what stands in FILE is judged, and nothing is accepted):\n"
    "  --collateral DIR       one set: tcb_info.json, qe_identity.json, pck_crl.der, root_ca_crl.der,\n"
    "                         tcb_signing_chain.pem; for AMD vek.der, chain.pem and, if there, crl.der\n"
    "  --cache DIR            sets kept on disk, got and refreshed as below\n"
    "    --from DIR           from folders named like the cache's (see docs/attestation.md)\n"
    "    --pcs URL            from Intel's service or one with its URLs; default " SC_CACHE_PCS_URL "\n"
    "    --root-crl URL       Intel's root revocation list\n"
    "    --kds URL            AMD's; default " SC_CACHE_KDS_URL "\n"
    "    --product NAME       Milan, Genoa or Turin, for reports of version 2, which do not tell\n"
    "    --offline            from no service\n"
    "Whom to trust (default: the makers' own root keys):\n"
    "  --root FILE            an Intel root certificate instead;  --amd-root FILE  an AMD one instead\n"
    "  --simulation-root FILE a root of software evidence, which is then SIMULATED, and which a policy must allow\n"
    "How:\n"
    "  --policy FILE          what to accept (YAML); default: any code, TCB UpToDate, no debug\n"
    "  --at TIME              judge as of then: seconds since 1970 or 2025-06-20T00:00:00Z; default: now\n"
    "  --signatures-only      certificate chain and signatures alone; is never accepted\n"
    "  --json                 the result as JSON\n"
    "  --cases FILE.tsv       run a list of cases with expected verdicts: prints each mismatch, then N passed, M "
    "failed\n"
    "  --help, --version\n"
    "\n"
    "Exit codes: 0 accepted (or all cases as expected), 3 refused (or a case is not), 1 it could not be judged,\n"
    "2 wrong usage.\n";

struct options {
    const char *file, *collateral, *cache, *from, *pcs, *root_crl, *kds, *product, *policy, *at, *cases;
    bool offline, json, signatures_only, help, version;
    bool has_intel_root, has_amd_root;
    struct sc_roots roots;
};

enum option_id {
    O_AMD_ROOT = 256,
    O_AT,
    O_CACHE,
    O_CASES,
    O_COLLATERAL,
    O_FROM,
    O_HELP,
    O_JSON,
    O_KDS,
    O_OFFLINE,
    O_PCS,
    O_POLICY,
    O_PRODUCT,
    O_ROOT,
    O_ROOT_CRL,
    O_SIGNATURES,
    O_SIMULATION_ROOT,
    O_VERSION
};
static const struct option long_options[] = {{"amd-root", required_argument, NULL, O_AMD_ROOT},
                                             {"at", required_argument, NULL, O_AT},
                                             {"cache", required_argument, NULL, O_CACHE},
                                             {"cases", required_argument, NULL, O_CASES},
                                             {"collateral", required_argument, NULL, O_COLLATERAL},
                                             {"from", required_argument, NULL, O_FROM},
                                             {"help", no_argument, NULL, O_HELP},
                                             {"json", no_argument, NULL, O_JSON},
                                             {"kds", required_argument, NULL, O_KDS},
                                             {"offline", no_argument, NULL, O_OFFLINE},
                                             {"pcs", required_argument, NULL, O_PCS},
                                             {"policy", required_argument, NULL, O_POLICY},
                                             {"product", required_argument, NULL, O_PRODUCT},
                                             {"root", required_argument, NULL, O_ROOT},
                                             {"root-crl", required_argument, NULL, O_ROOT_CRL},
                                             {"signatures-only", no_argument, NULL, O_SIGNATURES},
                                             {"simulation-root", required_argument, NULL, O_SIMULATION_ROOT},
                                             {"version", no_argument, NULL, O_VERSION},
                                             {NULL, 0, NULL, 0}};

static sc_err take_root(struct options *o, int option, const char *path, struct sc_diag *diag)
{
    const enum sc_root_kind kind = option == O_ROOT       ? SC_ROOT_INTEL
                                   : option == O_AMD_ROOT ? SC_ROOT_AMD
                                                          : SC_ROOT_SIMULATION;
    o->has_intel_root = o->has_intel_root || option == O_ROOT;
    o->has_amd_root = o->has_amd_root || option == O_AMD_ROOT;
    return sc_roots_add_files(&o->roots, kind, path, diag);
}

static sc_err take_option(struct options *o, int option, const char *value, struct sc_diag *diag)
{
    const struct {
        int option;
        bool *flag;
        const char **text;
    } places[] = {{O_AT, NULL, &o->at},
                  {O_CACHE, NULL, &o->cache},
                  {O_CASES, NULL, &o->cases},
                  {O_COLLATERAL, NULL, &o->collateral},
                  {O_FROM, NULL, &o->from},
                  {O_HELP, &o->help, NULL},
                  {O_JSON, &o->json, NULL},
                  {O_KDS, NULL, &o->kds},
                  {O_OFFLINE, &o->offline, NULL},
                  {O_PCS, NULL, &o->pcs},
                  {O_POLICY, NULL, &o->policy},
                  {O_PRODUCT, NULL, &o->product},
                  {O_ROOT_CRL, NULL, &o->root_crl},
                  {O_SIGNATURES, &o->signatures_only, NULL},
                  {O_VERSION, &o->version, NULL}};
    if (option == O_ROOT || option == O_AMD_ROOT || option == O_SIMULATION_ROOT)
        return take_root(o, option, value, diag);
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

/* Roots that were named replace the makers' own of their kind. */
static sc_err complete_roots(struct options *o, struct sc_diag *diag)
{
    struct sc_roots builtin = {0};
    sc_roots_add_builtin(&builtin);
    for (size_t i = 0; i < builtin.count; i++) {
        if (builtin.list[i].kind == SC_ROOT_INTEL ? o->has_intel_root : o->has_amd_root)
            continue;
        if (o->roots.count == SC_ROOTS_MAX)
            return sc_fail(diag, SC_E_LIMIT, "more than %d trusted roots", SC_ROOTS_MAX);
        o->roots.list[o->roots.count++] = builtin.list[i];
    }
    return SC_OK;
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
    if (o->collateral != NULL && o->cache != NULL)
        return sc_fail(diag, SC_E_USAGE, "--collateral and --cache exclude each other");
    return complete_roots(o, diag);
}

static sc_err parse_time(const char *text, int64_t *out_s, struct sc_diag *diag)
{
    char *end;
    int64_t ms;
    if (text == NULL) {
        *out_s = sc_wall_ms(&sc_clock_system) / 1000;
        return SC_OK;
    }
    const long long s = strtoll(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0') {
        *out_s = s;
        return SC_OK;
    }
    if (sc_civil_parse(text, &ms) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "--at: \"%s\" is no time", text);
    *out_s = ms / 1000;
    return SC_OK;
}

/* ---- collateral ---- */
static sc_err fetch(void *arg, const char *url, const char *const chain_header[2], struct sc_buf *chain_out,
                    struct sc_buf *body_out, struct sc_diag *diag)
{
    (void)arg;
    if (chain_header == NULL)
        return sc_http_fetch(url, FETCH_TIMEOUT_MS, NULL, 0, body_out, diag);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf older = {.size_max = 65536};
    const struct sc_http_header headers[] = {{chain_header[0], chain_out}, {chain_header[1], &older}};
    SC_TRY(sc_http_fetch(url, FETCH_TIMEOUT_MS, headers, 2, body_out, diag));
    if (chain_out->size == 0)
        sc_buf_put_bytes(chain_out, sc_buf_slice(&older));
    return sc_buf_status(chain_out);
}

static sc_err get_collateral(const struct options *o, struct sc_slice evidence, int64_t now_s,
                             struct sc_collateral **out, struct sc_diag *diag)
{
    struct sc_diag note = {0};
    if (o->collateral != NULL)
        return sc_collateral_read(o->collateral, out, diag);
    if (o->cache == NULL || o->signatures_only)
        return SC_OK;
    const struct sc_cache_options cache = {.dir = o->cache,
                                           .source_dir = o->from,
                                           .fetch = o->offline ? NULL : fetch,
                                           .pcs_url = o->pcs,
                                           .root_crl_url = o->root_crl,
                                           .kds_url = o->kds,
                                           .snp_product = o->product};
    char key[SC_CACHE_KEY_SIZE];
    if (sc_cache_key(&cache, evidence, key, NULL) == SC_E_MALFORMED)
        return SC_OK; /* no evidence that could be read: the verdict will say why */
    const sc_err err = sc_cache_get(&cache, evidence, now_s, out, &note, diag);
    if (note.text[0] != '\0')
        fprintf(stderr, "securecloud-attest: not refreshed: %s\n", note.text);
    return err;
}

/* ---- verify ---- */
static sc_err print_json(const struct sc_attest_result *r, const struct sc_appraisal *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    json_t *policy = NULL;
    if (sc_attest_to_json(r, &doc) != SC_OK || sc_appraisal_to_json(a, &policy) != SC_OK ||
        json_object_set_new(doc, "policy", policy) != 0)
        return sc_fail(diag, SC_E_NOMEM, "JSON");
    SC_CLEANUP(sc_freep) char *text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (text == NULL)
        return sc_fail(diag, SC_E_NOMEM, "JSON");
    puts(text);
    return SC_OK;
}

static sc_err print_text(const struct sc_attest_result *r, const struct sc_appraisal *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    sc_buf_put_fmt(&text, "%s%s\n", a->accepted ? "ACCEPTED" : "REFUSED", r->simulated ? " (SIMULATED evidence)" : "");
    for (size_t i = 0; i < a->count; i++)
        sc_buf_put_fmt(&text, "  %-18s %s\n", a->findings[i].name, a->findings[i].text);
    sc_buf_put_str(&text, "\n");
    sc_attest_to_text(r, &text);
    SC_TRY(sc_buf_status(&text));
    return fwrite(text.ptr, 1, text.size, stdout) == text.size ? SC_OK : sc_fail_errno(diag, SC_E_IO, "stdout");
}

static sc_err judge(const struct options *o, struct sc_slice evidence, struct sc_attest_result *r, struct sc_diag *diag)
{
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *collateral = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    struct sc_attest_request req = {.evidence = evidence,
                                    .depth = o->signatures_only ? SC_ATTEST_SIGNATURES : SC_ATTEST_FULL};
    SC_TRY(parse_time(o->at, &req.now_s, diag));
    SC_TRY(get_collateral(o, evidence, req.now_s, &collateral, diag));
    SC_TRY(sc_attest_verifier_new(&o->roots, &v));
    req.collateral = collateral;
    return sc_attest_verify(v, &req, r);
}

static sc_err run_verify(const struct options *o, int *code_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf evidence = {0};
    SC_CLEANUP(sc_policy_freep) struct sc_policy *policy = NULL;
    SC_CLEANUP(sc_freep) struct sc_attest_result *r = calloc(1, sizeof *r);
    struct sc_appraisal a;
    if (r == NULL)
        return sc_fail(diag, SC_E_NOMEM, "result");
    if (o->file == NULL)
        return sc_fail(diag, SC_E_USAGE, "a file with evidence is needed; see --help");
    SC_TRY(o->policy != NULL ? sc_policy_read(o->policy, &policy, diag) : sc_policy_default(&policy));
    SC_TRY(sc_file_read(o->file, SC_QUOTE_SIZE_MAX, &evidence, diag));
    SC_TRY(judge(o, sc_buf_slice(&evidence), r, diag));
    sc_policy_appraise(policy, r, &a);
    SC_TRY(o->json ? print_json(r, &a, diag) : print_text(r, &a, diag));
    *code_out = a.accepted ? EXIT_ACCEPTED : EXIT_REFUSED;
    return SC_OK;
}

static void tell_mismatch(void *arg, const struct sc_case *c)
{
    (void)arg;
    if (c->passed)
        return;
    if (c->result == NULL) {
        printf("%s: cannot be run: %s\n", c->id, c->got);
        return;
    }
    printf("%s: expected %s, got %s (%s%s%s)\n", c->id, c->expected, c->got, sc_attest_reason_text(c->result->reason),
           c->result->detail[0] != '\0' ? ": " : "", c->result->detail);
}

static sc_err run_cases(const struct options *o, int *code_out, struct sc_diag *diag)
{
    struct sc_cases_outcome outcome = {0};
    if (o->file != NULL)
        return sc_fail(diag, SC_E_USAGE, "--cases brings its own evidence; \"%s\" is one argument too many", o->file);
    SC_TRY(sc_cases_run(o->cases, tell_mismatch, NULL, &outcome, diag));
    printf("%zu passed, %zu failed\n", outcome.passed, outcome.failed);
    *code_out = outcome.failed == 0 ? EXIT_ACCEPTED : EXIT_REFUSED;
    return SC_OK;
}

/* ---- show ---- */
static sc_err run_show(const struct options *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf evidence = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    if (o->file == NULL)
        return sc_fail(diag, SC_E_USAGE, "a file with evidence is needed; see --help");
    SC_TRY(sc_file_read(o->file, SC_QUOTE_SIZE_MAX, &evidence, diag));
    const sc_err err = sc_describe_evidence(sc_buf_slice(&evidence), &text, diag);
    if (fwrite(text.ptr, 1, text.size, stdout) != text.size)
        return sc_fail_errno(diag, SC_E_IO, "stdout");
    return sc_context(diag, err, "%s", o->file);
}

static int fail(const struct sc_diag *diag, sc_err err)
{
    fprintf(stderr, "securecloud-attest: %s\n", sc_diag_text(diag, err));
    return err == SC_E_USAGE ? EXIT_USAGE : EXIT_CANNOT;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct sc_diag diag = {0};
    int code = EXIT_ACCEPTED;
    const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    if (verb[0] != '\0') {
        argv[1] = argv[0];
        argv++;
        argc--;
    }
    sc_err err = parse_options(argc, argv, &o, &diag);
    if (err == SC_OK && (o.help || o.version)) {
        fputs(o.help ? usage : "securecloud-attest " SC_VERSION "\n", stdout);
        return EXIT_ACCEPTED;
    }
    if (err == SC_OK && strcmp(verb, "verify") == 0)
        err = o.cases != NULL ? run_cases(&o, &code, &diag) : run_verify(&o, &code, &diag);
    else if (err == SC_OK && strcmp(verb, "show") == 0)
        err = run_show(&o, &diag);
    else if (err == SC_OK)
        err = sc_fail(&diag, SC_E_USAGE, "verify or show expected; see --help");
    return err == SC_OK ? code : fail(&diag, err);
}
