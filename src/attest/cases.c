#include "attest/cases.h"

#include "base/file.h"

#include <errno.h>
#include <libgen.h>

#define LIST_SIZE_MAX ((size_t)16 << 20)
#define FIELD_COUNT   8

enum field { ID, KIND, CHECK, ROOT, EVIDENCE, COLLATERAL, TIME, EXPECT };

struct run {
    const char *dir;
    sc_case_fn fn;
    void *arg;
    struct sc_cases_outcome outcome;
};

/* Further fields are remarks. */
static sc_err split(char *line, char *fields[static FIELD_COUNT], struct sc_diag *diag)
{
    size_t count = 0;
    for (char *rest = line; rest != NULL && count < FIELD_COUNT; count++)
        fields[count] = strsep(&rest, "\t");
    return count == FIELD_COUNT ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "%zu fields instead of %d", count, FIELD_COUNT);
}

/* Paths are relative to the list's folder. */
static char *place_of(const struct run *run, const char *name)
{
    return name[0] == '/' ? strdup(name) : sc_path_join(run->dir, name);
}

static sc_err parse_request(char *const fields[static FIELD_COUNT], struct sc_attest_request *req, struct sc_diag *diag)
{
    char *end;
    if (sc_attest_kind_parse(fields[KIND], &req->kind) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "kind \"%s\"", fields[KIND]);
    if (strcmp(fields[CHECK], "full") != 0 && strcmp(fields[CHECK], "sig") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "check \"%s\"", fields[CHECK]);
    req->depth = fields[CHECK][0] == 'f' ? SC_ATTEST_FULL : SC_ATTEST_SIGNATURES;
    errno = 0;
    req->now_s = strtoll(fields[TIME], &end, 10);
    if (errno != 0 || end == fields[TIME] || *end != '\0')
        return sc_fail(diag, SC_E_MALFORMED, "time \"%s\"", fields[TIME]);
    return SC_OK;
}

static bool is_expected(const char *expected, const char *got)
{
    const size_t size = strlen(got);
    for (const char *p = expected; p != NULL; p = strchr(p, '|')) {
        p += *p == '|';
        if (strncmp(p, got, size) == 0 && (p[size] == '\0' || p[size] == '|'))
            return true;
    }
    return false;
}

static sc_err read_roots(const struct run *run, const char *name, enum sc_attest_kind kind, struct sc_roots *roots,
                         struct sc_diag *diag)
{
    const enum sc_root_kind root = kind == SC_ATTEST_SNP        ? SC_ROOT_AMD
                                   : kind == SC_ATTEST_SOFTWARE ? SC_ROOT_SIMULATION
                                                                : SC_ROOT_INTEL;
    SC_CLEANUP(sc_freep) char *path = place_of(run, name);
    if (path == NULL)
        return sc_fail(diag, SC_E_NOMEM, "roots");
    return sc_roots_add_files(roots, root, path, diag);
}

static sc_err read_evidence(const struct run *run, const char *name, struct sc_buf *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = place_of(run, name);
    if (path == NULL)
        return sc_fail(diag, SC_E_NOMEM, "evidence");
    return sc_file_read(path, SC_QUOTE_SIZE_MAX, out, diag);
}

static sc_err read_collateral(const struct run *run, const char *name, struct sc_collateral **out, struct sc_diag *diag)
{
    if (strcmp(name, "-") == 0)
        return SC_OK;
    SC_CLEANUP(sc_freep) char *path = place_of(run, name);
    if (path == NULL)
        return sc_fail(diag, SC_E_NOMEM, "collateral");
    return sc_collateral_read(path, out, diag);
}

static sc_err run_case(struct run *run, char *const fields[static FIELD_COUNT], struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf evidence = {0};
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *collateral = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    SC_CLEANUP(sc_freep) struct sc_roots *roots = calloc(1, sizeof *roots);
    SC_CLEANUP(sc_freep) struct sc_attest_result *result = calloc(1, sizeof *result);
    struct sc_attest_request req = {0};
    if (roots == NULL || result == NULL)
        return sc_fail(diag, SC_E_NOMEM, "case");
    SC_TRY(parse_request(fields, &req, diag));
    SC_TRY(read_roots(run, fields[ROOT], req.kind, roots, diag));
    SC_TRY(read_evidence(run, fields[EVIDENCE], &evidence, diag));
    SC_TRY(read_collateral(run, fields[COLLATERAL], &collateral, diag));
    SC_TRY(sc_attest_verifier_new(roots, &v));
    req.evidence = sc_buf_slice(&evidence);
    req.collateral = collateral;
    SC_TRY(sc_attest_verify(v, &req, result));
    const struct sc_case c = {.id = fields[ID],
                              .expected = fields[EXPECT],
                              .got = sc_attest_verdict(result),
                              .passed = is_expected(fields[EXPECT], sc_attest_verdict(result)),
                              .result = result};
    run->outcome.passed += c.passed;
    run->outcome.failed += !c.passed;
    if (run->fn != NULL)
        run->fn(run->arg, &c);
    return SC_OK;
}

/* A case that cannot be run has failed: nothing is skipped, and the others are still told. */
static sc_err run_line(struct run *run, char *line, unsigned number, struct sc_diag *diag)
{
    char *fields[FIELD_COUNT] = {NULL};
    struct sc_diag why = {0};
    line[strcspn(line, "\r")] = '\0';
    if (line[0] == '\0' || line[0] == '#')
        return SC_OK;
    sc_err err = split(line, fields, &why);
    if (err == SC_OK)
        err = run_case(run, fields, &why);
    if (err == SC_E_NOMEM)
        return sc_fail(diag, err, "%s", sc_diag_text(&why, err));
    if (err == SC_OK)
        return SC_OK;
    sc_ignore(sc_context(&why, err, "line %u", number)); /* told by the callback */
    const struct sc_case c = {.id = fields[ID] != NULL ? fields[ID] : "", .expected = "", .got = why.text};
    run->outcome.failed++;
    if (run->fn != NULL)
        run->fn(run->arg, &c);
    return SC_OK;
}

sc_err sc_cases_run(const char *path, sc_case_fn fn, void *arg, struct sc_cases_outcome *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf list = {0};
    SC_CLEANUP(sc_freep) char *copy = strdup(path);
    if (copy == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    SC_TRY(sc_file_read(path, LIST_SIZE_MAX, &list, diag));
    const size_t size = list.size;
    sc_buf_put_u8(&list, 0);
    SC_TRY(sc_buf_status(&list));
    if (memchr(list.ptr, 0, size) != NULL)
        return sc_fail(diag, SC_E_MALFORMED, "%s: a zero byte", path);
    struct run run = {.dir = dirname(copy), .fn = fn, .arg = arg};
    char *rest = (char *)list.ptr;
    for (unsigned number = 1; rest != NULL; number++) {
        char *line = strsep(&rest, "\n");
        SC_TRY(sc_context(diag, run_line(&run, line, number, diag), "%s:%u", path, number));
    }
    if (run.outcome.passed + run.outcome.failed == 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s: no cases", path);
    *out = run.outcome;
    return SC_OK;
}
