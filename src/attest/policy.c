/* Reading a policy. */
#include "attest/policy_internal.h"
#include "base/yaml_doc.h"

#define LIST_MAX 256

const struct policy_bit_name policy_sgx_bits[] = {{"DEBUG", SC_SGX_ATTR_DEBUG},
                                                  {"MODE64BIT", SC_SGX_ATTR_MODE64},
                                                  {"PROVISIONKEY", SC_SGX_ATTR_PROVISION_KEY},
                                                  {"EINITTOKEN_KEY", SC_SGX_ATTR_INIT_TOKEN_KEY},
                                                  {"KSS", SC_SGX_ATTR_KSS},
                                                  {"AEXNOTIFY", SC_SGX_ATTR_AEX_NOTIFY},
                                                  {NULL, 0}};
const struct policy_bit_name policy_td_bits[] = {
    {"DEBUG", SC_TD_ATTR_DEBUG},     {"SEPT_VE_DISABLE", SC_TD_ATTR_SEPT_VE_DISABLE},
    {"PKS", SC_TD_ATTR_PKS},         {"KL", SC_TD_ATTR_KL},
    {"PERFMON", SC_TD_ATTR_PERFMON}, {NULL, 0}};
const struct policy_bit_name policy_snp_bits[] = {{"SMT", SC_SNP_POLICY_SMT},
                                                  {"MIGRATION", SC_SNP_POLICY_MIGRATION},
                                                  {"DEBUG", SC_SNP_POLICY_DEBUG},
                                                  {"SINGLE_SOCKET", SC_SNP_POLICY_SINGLE_SOCKET},
                                                  {"CXL", SC_SNP_POLICY_CXL},
                                                  {"MEM_AES_256_XTS", SC_SNP_POLICY_AES_XTS},
                                                  {"RAPL_OFF", SC_SNP_POLICY_RAPL_OFF},
                                                  {"CIPHERTEXT_HIDING", SC_SNP_POLICY_CIPHERTEXT_HIDING},
                                                  {"PAGE_SWAP_OFF", SC_SNP_POLICY_PAGE_SWAP_OFF},
                                                  {NULL, 0}};
const struct policy_bit_name policy_platform_bits[] = {{"SMT", 1u << 0},
                                                       {"TSME", 1u << 1},
                                                       {"ECC", 1u << 2},
                                                       {"RAPL_OFF", 1u << 3},
                                                       {"CIPHERTEXT_HIDING", 1u << 4},
                                                       {"ALIAS_CHECK_COMPLETE", 1u << 5},
                                                       {"TIO", 1u << 7},
                                                       {NULL, 0}};

static void values_deinit(struct policy_values *v)
{
    free(v->list);
}

void sc_policy_free(struct sc_policy *p)
{
    if (p == NULL)
        return;
    struct policy_values *const values[] = {&p->report_data,     &p->config_id, &p->mr_seam,  &p->mr_owner,
                                            &p->mr_owner_config, &p->family_id, &p->image_id, &p->author_key};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        values_deinit(values[i]);
    for (size_t i = 0; i < POLICY_RTMRS; i++)
        values_deinit(&p->rtmr[i]);
    free(p->codes);
    free(p->advisories);
    free(p);
}

void sc_policy_freep(struct sc_policy **p)
{
    sc_policy_free(*p);
}

static sc_err policy_new(struct sc_policy **out)
{
    struct sc_policy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return SC_E_NOMEM;
    p->statuses[SC_TCB_UP_TO_DATE] = true;
    p->allow_vlek = true;
    *out = p;
    return SC_OK;
}

sc_err sc_policy_default(struct sc_policy **out)
{
    SC_TRY(policy_new(out));
    (*out)->kinds[SC_ATTEST_SGX] = (*out)->kinds[SC_ATTEST_TDX] = (*out)->kinds[SC_ATTEST_SNP] = true;
    return SC_OK;
}

/* ---- parts ---- */
/* A list (or one value) with the number of its elements; at least one, at most LIST_MAX. */
static sc_err get_list(const struct sc_yaml_node *node, const struct sc_yaml_node **first, size_t *count,
                       struct sc_diag *diag)
{
    if (node->kind == SC_YAML_SCALAR) {
        *first = node;
        *count = 1;
        return SC_OK;
    }
    SC_TRY(sc_yaml_expect(node, SC_YAML_SEQUENCE, diag));
    if (node->count == 0 || node->count > LIST_MAX)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "a list of 1 to %d elements expected", LIST_MAX);
    *first = node->first;
    *count = node->count;
    return SC_OK;
}

/* Hexadecimal of one of two sizes (0: no second one), or of any number of bytes up to `size` where `prefix`. */
struct hex_form {
    size_t size, other_size;
    bool prefix;
};

static sc_err get_value(const struct sc_yaml_node *node, struct hex_form form, struct policy_value *out,
                        struct sc_diag *diag)
{
    const char *text = NULL;
    SC_TRY(sc_yaml_get_text(node, &text, diag));
    const size_t size = strlen(text) / 2;
    const bool fits = form.prefix ? size != 0 && size <= form.size : size == form.size || size == form.other_size;
    if (size == 0 || !fits || sc_hex_decode(text, out->bytes, size) != SC_OK) {
        if (form.other_size != 0)
            return sc_yaml_fail(node, diag, SC_E_MALFORMED, "%zu or %zu hexadecimal digits expected", 2 * form.size,
                                2 * form.other_size);
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "%s%zu hexadecimal digits expected",
                            form.prefix ? "at most " : "", 2 * form.size);
    }
    out->size = size;
    return SC_OK;
}

static sc_err get_values(const struct sc_yaml_node *node, struct hex_form form, struct policy_values *out,
                         struct sc_diag *diag)
{
    const struct sc_yaml_node *n = NULL;
    size_t count = 0;
    if (node == NULL)
        return SC_OK;
    SC_TRY(get_list(node, &n, &count, diag));
    out->list = calloc(count, sizeof *out->list);
    if (out->list == NULL)
        return sc_fail(diag, SC_E_NOMEM, "policy");
    for (; out->count < count; n = n->next) /* a single value may have neighbours that are not of the list */
        SC_TRY(get_value(n, form, &out->list[out->count++], diag));
    return SC_OK;
}

static sc_err get_bit(const struct sc_yaml_node *node, const struct policy_bit_name *names, uint64_t *bits,
                      struct sc_diag *diag)
{
    const char *text = NULL;
    SC_TRY(sc_yaml_get_text(node, &text, diag));
    for (; names->name != NULL; names++) {
        if (strcmp(names->name, text) == 0) {
            *bits |= names->bit;
            return SC_OK;
        }
    }
    return sc_yaml_fail(node, diag, SC_E_MALFORMED, "unknown bit \"%.60s\"", text);
}

static sc_err get_bit_list(const struct sc_yaml_node *node, const struct policy_bit_name *names, uint64_t *bits,
                           struct sc_diag *diag)
{
    if (node == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect(node, SC_YAML_SEQUENCE, diag));
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next)
        SC_TRY(get_bit(n, names, bits, diag));
    return SC_OK;
}

/* {require: [...], forbid: [...]} */
static sc_err get_bits(const struct sc_yaml_node *node, const struct policy_bit_name *names, struct policy_bits *out,
                       struct sc_diag *diag)
{
    static const char *const members[] = {"require", "forbid", NULL};
    if (node == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect_members(node, members, diag));
    SC_TRY(get_bit_list(sc_yaml_get(node, "require"), names, &out->required, diag));
    SC_TRY(get_bit_list(sc_yaml_get(node, "forbid"), names, &out->forbidden, diag));
    if ((out->required & out->forbidden) != 0)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "a bit is both required and forbidden");
    return SC_OK;
}

static sc_err opt_u32(const struct sc_yaml_node *node, uint32_t *out, struct sc_diag *diag)
{
    uint64_t v;
    if (node == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_get_uint(node, UINT32_MAX, &v, diag));
    *out = (uint32_t)v;
    return SC_OK;
}

static sc_err opt_u8(const struct sc_yaml_node *node, uint8_t *out, struct sc_diag *diag)
{
    uint64_t v;
    if (node == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_get_uint(node, UINT8_MAX, &v, diag));
    *out = (uint8_t)v;
    return SC_OK;
}

static sc_err opt_bool(const struct sc_yaml_node *node, bool *out, struct sc_diag *diag)
{
    return node == NULL ? SC_OK : sc_yaml_get_bool(node, out, diag);
}

/* ---- sections ---- */
static sc_err read_kinds(const struct sc_yaml_node *root, struct sc_policy *p, struct sc_diag *diag)
{
    const struct sc_yaml_node *kinds = sc_yaml_get(root, "kinds");
    const char *text = NULL;
    enum sc_attest_kind kind;
    if (kinds == NULL)
        return sc_yaml_fail(root, diag, SC_E_MALFORMED, "member \"kinds\" is missing");
    SC_TRY(sc_yaml_expect(kinds, SC_YAML_SEQUENCE, diag));
    for (const struct sc_yaml_node *n = kinds->first; n != NULL; n = n->next) {
        SC_TRY(sc_yaml_get_text(n, &text, diag));
        if (sc_attest_kind_parse(text, &kind) != SC_OK)
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "sgx, tdx, snp or software expected");
        p->kinds[kind] = true;
    }
    return kinds->count != 0 ? SC_OK : sc_yaml_fail(kinds, diag, SC_E_MALFORMED, "no kind is accepted");
}

static sc_err read_code(const struct sc_yaml_node *node, struct policy_code *c, struct sc_diag *diag)
{
    static const char *const members[] = {"name", "measurement", "signer", "product", "min_svn", NULL};
    const struct hex_form form = {32, 48, false};
    const char *name = "";
    SC_TRY(sc_yaml_expect_members(node, members, diag));
    const struct sc_yaml_node *measurement = sc_yaml_get(node, "measurement");
    const struct sc_yaml_node *signer = sc_yaml_get(node, "signer");
    const struct sc_yaml_node *product = sc_yaml_get(node, "product");
    if (measurement == NULL && signer == NULL)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "measurement or signer expected");
    if (sc_yaml_get(node, "name") != NULL)
        SC_TRY(sc_yaml_get_text(sc_yaml_get(node, "name"), &name, diag));
    snprintf(c->name, sizeof c->name, "%s", name);
    if (measurement != NULL)
        SC_TRY(get_value(measurement, form, &c->measurement, diag));
    if (signer != NULL)
        SC_TRY(get_value(signer, form, &c->signer, diag));
    c->has_product = product != NULL;
    SC_TRY(opt_u32(product, &c->product, diag));
    return opt_u32(sc_yaml_get(node, "min_svn"), &c->svn_min, diag);
}

/* "any", or a list of identities: one must fit. */
static sc_err read_codes(const struct sc_yaml_node *root, struct sc_policy *p, struct sc_diag *diag)
{
    const struct sc_yaml_node *code = sc_yaml_get(root, "code");
    if (code == NULL)
        return sc_yaml_fail(root, diag, SC_E_MALFORMED, "member \"code\" is missing (a list of identities, or any)");
    if (code->kind == SC_YAML_SCALAR && strcmp(code->text, "any") == 0)
        return SC_OK;
    SC_TRY(sc_yaml_expect(code, SC_YAML_SEQUENCE, diag));
    if (code->count == 0 || code->count > LIST_MAX)
        return sc_yaml_fail(code, diag, SC_E_MALFORMED, "1 to %d identities expected", LIST_MAX);
    p->codes = calloc(code->count, sizeof *p->codes);
    if (p->codes == NULL)
        return sc_fail(diag, SC_E_NOMEM, "policy");
    for (const struct sc_yaml_node *n = code->first; n != NULL; n = n->next)
        SC_TRY(read_code(n, &p->codes[p->code_count++], diag));
    return SC_OK;
}

static sc_err read_statuses(const struct sc_yaml_node *node, struct sc_policy *p, struct sc_diag *diag)
{
    const char *text = NULL;
    enum sc_tcb_status status;
    if (node == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect(node, SC_YAML_SEQUENCE, diag));
    memset(p->statuses, 0, sizeof p->statuses);
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next) {
        SC_TRY(sc_yaml_get_text(n, &text, diag));
        if (sc_tcb_status_parse(text, &status) != SC_OK)
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "\"%.60s\" is no TCB status", text);
        if (status == SC_TCB_REVOKED || status == SC_TCB_NOT_SUPPORTED)
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "%s cannot be tolerated", text);
        p->statuses[status] = true;
    }
    return node->count != 0 ? SC_OK : sc_yaml_fail(node, diag, SC_E_MALFORMED, "no status is tolerated");
}

/* An empty list tolerates none. */
static sc_err read_advisories(const struct sc_yaml_node *node, struct sc_policy *p, struct sc_diag *diag)
{
    const char *text = NULL;
    if (node == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect(node, SC_YAML_SEQUENCE, diag));
    p->limit_advisories = true;
    p->advisories = calloc(node->count + 1, sizeof *p->advisories);
    if (p->advisories == NULL)
        return sc_fail(diag, SC_E_NOMEM, "policy");
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next) {
        SC_TRY(sc_yaml_get_text(n, &text, diag));
        if (text[0] == '\0' || strlen(text) >= SC_TCB_ADVISORY_SIZE)
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "an advisory's identifier expected");
        memcpy(p->advisories[p->advisory_count++], text, strlen(text) + 1);
    }
    return SC_OK;
}

static sc_err read_tcb(const struct sc_yaml_node *tcb, struct sc_policy *p, struct sc_diag *diag)
{
    static const char *const members[] = {"statuses", "advisories", "min_evaluation_number", NULL};
    if (tcb == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect_members(tcb, members, diag));
    SC_TRY(read_statuses(sc_yaml_get(tcb, "statuses"), p, diag));
    SC_TRY(read_advisories(sc_yaml_get(tcb, "advisories"), p, diag));
    return opt_u32(sc_yaml_get(tcb, "min_evaluation_number"), &p->evaluation_number_min, diag);
}

static sc_err read_collateral(const struct sc_yaml_node *collateral, struct sc_policy *p, struct sc_diag *diag)
{
    static const char *const members[] = {"max_age", NULL};
    if (collateral == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect_members(collateral, members, diag));
    const struct sc_yaml_node *age = sc_yaml_get(collateral, "max_age");
    if (age == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_get_duration_s(age, &p->collateral_age_max_s, diag));
    return p->collateral_age_max_s > 0 ? SC_OK : sc_yaml_fail(age, diag, SC_E_MALFORMED, "more than 0 expected");
}

static sc_err read_sgx(const struct sc_yaml_node *sgx, struct sc_policy *p, struct sc_diag *diag)
{
    static const char *const members[] = {"attributes", NULL};
    if (sgx == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect_members(sgx, members, diag));
    return get_bits(sc_yaml_get(sgx, "attributes"), policy_sgx_bits, &p->sgx_attributes, diag);
}

static sc_err read_tdx(const struct sc_yaml_node *tdx, struct sc_policy *p, struct sc_diag *diag)
{
    static const char *const members[] = {"attributes", "mr_seam", "mr_owner", "mr_owner_config", "rtmr0", "rtmr1",
                                          "rtmr2",      "rtmr3",   NULL};
    static const char *const rtmrs[POLICY_RTMRS] = {"rtmr0", "rtmr1", "rtmr2", "rtmr3"};
    const struct hex_form form = {48, 0, false};
    if (tdx == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect_members(tdx, members, diag));
    SC_TRY(get_bits(sc_yaml_get(tdx, "attributes"), policy_td_bits, &p->td_attributes, diag));
    SC_TRY(get_values(sc_yaml_get(tdx, "mr_seam"), form, &p->mr_seam, diag));
    SC_TRY(get_values(sc_yaml_get(tdx, "mr_owner"), form, &p->mr_owner, diag));
    SC_TRY(get_values(sc_yaml_get(tdx, "mr_owner_config"), form, &p->mr_owner_config, diag));
    for (size_t i = 0; i < POLICY_RTMRS; i++)
        SC_TRY(get_values(sc_yaml_get(tdx, rtmrs[i]), form, &p->rtmr[i], diag));
    return SC_OK;
}

static sc_err read_snp_tcb(const struct sc_yaml_node *node, struct sc_policy *p, struct sc_diag *diag)
{
    static const char *const members[] = {"fmc", "boot_loader", "tee", "snp", "microcode", NULL};
    if (node == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect_members(node, members, diag));
    p->has_tcb_min = true;
    SC_TRY(opt_u8(sc_yaml_get(node, "fmc"), &p->tcb_min.fmc, diag));
    SC_TRY(opt_u8(sc_yaml_get(node, "boot_loader"), &p->tcb_min.boot_loader, diag));
    SC_TRY(opt_u8(sc_yaml_get(node, "tee"), &p->tcb_min.tee, diag));
    SC_TRY(opt_u8(sc_yaml_get(node, "snp"), &p->tcb_min.snp, diag));
    return opt_u8(sc_yaml_get(node, "microcode"), &p->tcb_min.microcode, diag);
}

static sc_err read_snp(const struct sc_yaml_node *snp, struct sc_policy *p, struct sc_diag *diag)
{
    static const char *const members[] = {"policy",    "platform", "max_vmpl",   "min_tcb", "allow_vlek",
                                          "family_id", "image_id", "author_key", NULL};
    if (snp == NULL)
        return SC_OK;
    SC_TRY(sc_yaml_expect_members(snp, members, diag));
    SC_TRY(get_bits(sc_yaml_get(snp, "policy"), policy_snp_bits, &p->snp_policy, diag));
    SC_TRY(get_bits(sc_yaml_get(snp, "platform"), policy_platform_bits, &p->snp_platform, diag));
    SC_TRY(opt_u32(sc_yaml_get(snp, "max_vmpl"), &p->vmpl_max, diag));
    SC_TRY(read_snp_tcb(sc_yaml_get(snp, "min_tcb"), p, diag));
    SC_TRY(opt_bool(sc_yaml_get(snp, "allow_vlek"), &p->allow_vlek, diag));
    SC_TRY(get_values(sc_yaml_get(snp, "family_id"), (struct hex_form){16, 0, false}, &p->family_id, diag));
    SC_TRY(get_values(sc_yaml_get(snp, "image_id"), (struct hex_form){16, 0, false}, &p->image_id, diag));
    return get_values(sc_yaml_get(snp, "author_key"), (struct hex_form){48, 0, false}, &p->author_key, diag);
}

/* 32 bytes of host data, 48 of MRCONFIGID or 64 of CONFIGID: the kind decides which can be equal. */
static sc_err read_config_id(const struct sc_yaml_node *node, struct sc_policy *p, struct sc_diag *diag)
{
    SC_TRY(get_values(node, (struct hex_form){64, 0, true}, &p->config_id, diag));
    for (size_t i = 0; i < p->config_id.count; i++)
        if (p->config_id.list[i].size != 32 && p->config_id.list[i].size != 48 && p->config_id.list[i].size != 64)
            return sc_yaml_fail(node, diag, SC_E_MALFORMED, "64, 96 or 128 hexadecimal digits expected");
    return SC_OK;
}

static sc_err read_policy(const struct sc_yaml_node *root, struct sc_policy *p, struct sc_diag *diag)
{
    static const char *const members[] = {"version",    "kinds", "code", "tcb", "insecure_allow_debug",
                                          "collateral", "sgx",   "tdx",  "snp", "report_data",
                                          "config_id",  NULL};
    uint64_t version;
    SC_TRY(sc_yaml_expect_members(root, members, diag));
    const struct sc_yaml_node *v = sc_yaml_get(root, "version");
    if (v == NULL)
        return sc_yaml_fail(root, diag, SC_E_MALFORMED, "member \"version\" is missing");
    SC_TRY(sc_yaml_get_uint(v, UINT32_MAX, &version, diag));
    if (version != 1)
        return sc_yaml_fail(v, diag, SC_E_UNSUPPORTED, "version 1 expected");
    SC_TRY(read_kinds(root, p, diag));
    SC_TRY(read_codes(root, p, diag));
    SC_TRY(read_tcb(sc_yaml_get(root, "tcb"), p, diag));
    SC_TRY(opt_bool(sc_yaml_get(root, "insecure_allow_debug"), &p->allow_debug, diag));
    SC_TRY(read_collateral(sc_yaml_get(root, "collateral"), p, diag));
    SC_TRY(read_sgx(sc_yaml_get(root, "sgx"), p, diag));
    SC_TRY(read_tdx(sc_yaml_get(root, "tdx"), p, diag));
    SC_TRY(read_snp(sc_yaml_get(root, "snp"), p, diag));
    SC_TRY(get_values(sc_yaml_get(root, "report_data"), (struct hex_form){64, 0, true}, &p->report_data, diag));
    return read_config_id(sc_yaml_get(root, "config_id"), p, diag);
}

static sc_err policy_of(const struct sc_yaml *y, struct sc_policy **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_policy_freep) struct sc_policy *p = NULL;
    SC_TRY(policy_new(&p));
    SC_TRY(read_policy(sc_yaml_root(y), p, diag));
    *out = SC_TAKE(p);
    return SC_OK;
}

sc_err sc_policy_parse(struct sc_slice text, struct sc_policy **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = NULL;
    SC_TRY(sc_yaml_parse(text, &y, diag));
    return policy_of(y, out, diag);
}

sc_err sc_policy_read(const char *path, struct sc_policy **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = NULL;
    SC_TRY(sc_yaml_read(path, &y, diag));
    return sc_context(diag, policy_of(y, out, diag), "%s", path);
}
