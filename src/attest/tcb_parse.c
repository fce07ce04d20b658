/* TCB info (versions 2 and 3) and QE identity (version 2): Intel PCS API, versions 3 and 4. */
#include "attest/tcb.h"
#include "base/clock.h"
#include "base/json.h"

static const char *const status_names[SC_TCB_STATUS_COUNT] = {
    [SC_TCB_NONE] = "",
    [SC_TCB_UP_TO_DATE] = "UpToDate",
    [SC_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [SC_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [SC_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [SC_TCB_OUT_OF_DATE] = "OutOfDate",
    [SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [SC_TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [SC_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
    [SC_TCB_REVOKED] = "Revoked",
    [SC_TCB_NOT_SUPPORTED] = "NotSupported",
};

const char *sc_tcb_status_name(enum sc_tcb_status status)
{
    return status_names[status];
}

sc_err sc_tcb_status_parse(const char *name, enum sc_tcb_status *out)
{
    for (int i = SC_TCB_UP_TO_DATE; i < SC_TCB_STATUS_COUNT; i++) {
        if (strcmp(name, status_names[i]) == 0) {
            *out = (enum sc_tcb_status)i;
            return SC_OK;
        }
    }
    return SC_E_MALFORMED;
}

/* ---- members ---- */
static sc_err get_hex(const json_t *obj, const char *name, uint8_t *out, size_t size, struct sc_diag *diag)
{
    const char *text;
    SC_TRY(sc_json_get_str(obj, name, &text, diag));
    if (sc_hex_decode(text, out, size) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": %zu hexadecimal digits expected", name, 2 * size);
    return SC_OK;
}

/* "2025-01-01T00:00:00Z" and no other form */
static sc_err get_time(const json_t *obj, const char *name, int64_t *out_s, struct sc_diag *diag)
{
    const char *text;
    int64_t ms;
    SC_TRY(sc_json_get_str(obj, name, &text, diag));
    if (strlen(text) != 20 || text[10] != 'T' || text[19] != 'Z' || sc_civil_parse(text, &ms) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": a time expected", name);
    *out_s = ms / 1000;
    return SC_OK;
}

static sc_err get_array(const json_t *obj, const char *name, size_t min, size_t max, const json_t **out,
                        struct sc_diag *diag)
{
    const json_t *v = json_object_get(obj, name);
    if (!json_is_array(v) || json_array_size(v) < min || json_array_size(v) > max)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": an array of %zu to %zu elements expected", name, min, max);
    *out = v;
    return SC_OK;
}

static sc_err get_object(const json_t *obj, const char *name, const json_t **out, struct sc_diag *diag)
{
    const json_t *v = json_object_get(obj, name);
    if (!json_is_object(v))
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": an object expected", name);
    *out = v;
    return SC_OK;
}

/* ---- levels ---- */
static sc_err parse_advisories(struct sc_arena *arena, const json_t *level, struct sc_tcb_fact *out,
                               struct sc_diag *diag)
{
    const json_t *list = NULL;
    if (json_object_get(level, "advisoryIDs") == NULL)
        return SC_OK;
    SC_TRY(get_array(level, "advisoryIDs", 0, SC_TCB_ADVISORIES_PER_LEVEL_MAX, &list, diag));
    const size_t count = json_array_size(list);
    char(*ids)[SC_TCB_ADVISORY_SIZE] = sc_arena_alloc(arena, (count + 1) * sizeof *ids);
    if (ids == NULL)
        return sc_fail(diag, SC_E_NOMEM, "advisories");
    for (size_t i = 0; i < count; i++) {
        const char *id = json_string_value(json_array_get(list, i));
        if (id == NULL || id[0] == '\0' || strlen(id) >= SC_TCB_ADVISORY_SIZE)
            return sc_fail(diag, SC_E_MALFORMED, "advisoryIDs: element %zu is no identifier", i);
        memcpy(ids[i], id, strlen(id) + 1);
    }
    out->advisories = (const char(*)[SC_TCB_ADVISORY_SIZE])ids;
    out->advisory_count = count;
    return SC_OK;
}

static sc_err parse_fact(struct sc_arena *arena, const json_t *level, struct sc_tcb_fact *out, struct sc_diag *diag)
{
    const char *status;
    SC_TRY(sc_json_get_str(level, "tcbStatus", &status, diag));
    if (sc_tcb_status_parse(status, &out->status) != SC_OK || out->status == SC_TCB_NOT_SUPPORTED ||
        out->status == SC_TCB_TD_RELAUNCH_ADVISED || out->status == SC_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED)
        return sc_fail(diag, SC_E_MALFORMED, "tcbStatus: no status that a level has");
    SC_TRY(get_time(level, "tcbDate", &out->date_s, diag));
    return parse_advisories(arena, level, out, diag);
}

static sc_err parse_components(const json_t *tcb, const char *name, uint8_t out[static 16], struct sc_diag *diag)
{
    const json_t *list = NULL;
    int64_t v;
    SC_TRY(get_array(tcb, name, 16, 16, &list, diag));
    for (size_t i = 0; i < 16; i++) {
        SC_TRY(sc_json_get_int(json_array_get(list, i), "svn", 0, 255, &v, diag));
        out[i] = (uint8_t)v;
    }
    return SC_OK;
}

static sc_err parse_components_v2(const json_t *tcb, uint8_t out[static 16], struct sc_diag *diag)
{
    char name[32];
    int64_t v;
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "sgxtcbcomp%02dsvn", i + 1);
        SC_TRY(sc_json_get_int(tcb, name, 0, 255, &v, diag));
        out[i] = (uint8_t)v;
    }
    return SC_OK;
}

static sc_err parse_level(struct sc_tcb_info *info, const json_t *level, struct sc_tcb_level *out, struct sc_diag *diag)
{
    const json_t *tcb = NULL;
    int64_t pce_svn;
    SC_TRY(get_object(level, "tcb", &tcb, diag));
    SC_TRY(info->version == 2 ? parse_components_v2(tcb, out->sgx, diag)
                              : parse_components(tcb, "sgxtcbcomponents", out->sgx, diag));
    if (info->is_tdx)
        SC_TRY(parse_components(tcb, "tdxtcbcomponents", out->tdx, diag));
    SC_TRY(sc_json_get_int(tcb, "pcesvn", 0, 65535, &pce_svn, diag));
    out->pce_svn = (uint16_t)pce_svn;
    return parse_fact(&info->arena, level, &out->fact, diag);
}

static sc_err parse_levels(struct sc_tcb_info *info, const json_t *doc, struct sc_diag *diag)
{
    const json_t *list = NULL;
    SC_TRY(get_array(doc, "tcbLevels", 1, SC_TCB_LEVELS_MAX, &list, diag));
    info->level_count = json_array_size(list);
    info->levels = sc_arena_alloc(&info->arena, info->level_count * sizeof *info->levels);
    if (info->levels == NULL)
        return sc_fail(diag, SC_E_NOMEM, "TCB levels");
    for (size_t i = 0; i < info->level_count; i++)
        SC_TRY(
            sc_context(diag, parse_level(info, json_array_get(list, i), &info->levels[i], diag), "TCB level %zu", i));
    return SC_OK;
}

static sc_err parse_svn_levels(struct sc_arena *arena, const json_t *doc, struct sc_tcb_svn_levels *out,
                               struct sc_diag *diag)
{
    const json_t *list = NULL;
    const json_t *tcb = NULL;
    int64_t v;
    SC_TRY(get_array(doc, "tcbLevels", 0, SC_TCB_LEVELS_MAX, &list, diag));
    const size_t count = json_array_size(list);
    struct sc_tcb_svn_level *levels = sc_arena_alloc(arena, (count + 1) * sizeof *levels);
    if (levels == NULL)
        return sc_fail(diag, SC_E_NOMEM, "TCB levels");
    for (size_t i = 0; i < count; i++) {
        const json_t *level = json_array_get(list, i);
        SC_TRY(get_object(level, "tcb", &tcb, diag));
        SC_TRY(sc_json_get_int(tcb, "isvsvn", 0, 65535, &v, diag));
        levels[i].isv_svn = (uint16_t)v;
        SC_TRY(parse_fact(arena, level, &levels[i].fact, diag));
    }
    *out = (struct sc_tcb_svn_levels){levels, count};
    return SC_OK;
}

/* ---- TDX modules ---- */
static sc_err parse_module(const json_t *doc, struct sc_tdx_module *out, struct sc_diag *diag)
{
    SC_TRY(get_hex(doc, "mrsigner", out->mr_signer, sizeof out->mr_signer, diag));
    SC_TRY(get_hex(doc, "attributes", out->attributes, sizeof out->attributes, diag));
    return get_hex(doc, "attributesMask", out->attributes_mask, sizeof out->attributes_mask, diag);
}

/* "TDX_03": two hexadecimal digits, without regard to case */
static sc_err parse_generation(const json_t *doc, unsigned *out, struct sc_diag *diag)
{
    const char *id;
    uint8_t generation;
    SC_TRY(sc_json_get_str(doc, "id", &id, diag));
    if (strncasecmp(id, "TDX_", 4) != 0 || sc_hex_decode(id + 4, &generation, 1) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "member \"id\": TDX_ and two digits expected");
    *out = generation;
    return SC_OK;
}

static sc_err parse_modules(struct sc_tcb_info *info, const json_t *doc, struct sc_diag *diag)
{
    const json_t *module = NULL;
    const json_t *list = NULL;
    SC_TRY(get_object(doc, "tdxModule", &module, diag));
    SC_TRY(sc_context(diag, parse_module(module, &info->module, diag), "tdxModule"));
    info->has_module = true;
    if (json_object_get(doc, "tdxModuleIdentities") == NULL)
        return SC_OK;
    SC_TRY(get_array(doc, "tdxModuleIdentities", 0, SC_TCB_MODULES_MAX, &list, diag));
    const size_t count = json_array_size(list);
    info->modules = sc_arena_alloc(&info->arena, (count + 1) * sizeof *info->modules);
    if (info->modules == NULL)
        return sc_fail(diag, SC_E_NOMEM, "TDX modules");
    for (size_t i = 0; i < count; i++) {
        const json_t *m = json_array_get(list, i);
        struct sc_tdx_module *out = &info->modules[i];
        SC_TRY(parse_generation(m, &out->generation, diag));
        SC_TRY(sc_context(diag, parse_module(m, out, diag), "TDX_%02X", out->generation));
        SC_TRY(sc_context(diag, parse_svn_levels(&info->arena, m, &out->levels, diag), "TDX_%02X", out->generation));
    }
    info->module_count = count;
    return SC_OK;
}

/* ---- whole documents ---- */
static sc_err get_tee(const json_t *doc, bool *is_tdx_out, struct sc_diag *diag)
{
    const char *id = NULL;
    SC_TRY(sc_json_get_str(doc, "id", &id, diag));
    if (strcmp(id, "SGX") != 0 && strcmp(id, "TDX") != 0)
        return sc_fail(diag, SC_E_MALFORMED, "member \"id\": neither SGX nor TDX");
    *is_tdx_out = id[0] == 'T';
    return SC_OK;
}

static sc_err parse_head(struct sc_tcb_info *out, const json_t *doc, struct sc_diag *diag)
{
    int64_t v;
    SC_TRY(sc_json_get_int(doc, "version", 2, 3, &v, diag));
    out->version = (int)v;
    if (out->version == 3)
        SC_TRY(get_tee(doc, &out->is_tdx, diag));
    SC_TRY(get_time(doc, "issueDate", &out->issued_s, diag));
    SC_TRY(get_time(doc, "nextUpdate", &out->next_update_s, diag));
    SC_TRY(get_hex(doc, "fmspc", out->fmspc, sizeof out->fmspc, diag));
    SC_TRY(get_hex(doc, "pceId", out->pce_id, sizeof out->pce_id, diag));
    SC_TRY(sc_json_get_int(doc, "tcbType", 0, 0, &v, diag)); /* 0: components are compared as they are */
    SC_TRY(sc_json_get_int(doc, "tcbEvaluationDataNumber", 0, UINT32_MAX, &v, diag));
    out->evaluation_number = (uint32_t)v;
    return SC_OK;
}

sc_err sc_tcb_info_parse(struct sc_slice inner, struct sc_tcb_info *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    *out = (struct sc_tcb_info){0};
    sc_arena_init(&out->arena, (size_t)16 << 20);
    SC_TRY(sc_json_parse(inner, &doc, diag));
    SC_TRY(parse_head(out, doc, diag));
    if (out->is_tdx)
        SC_TRY(parse_modules(out, doc, diag));
    return parse_levels(out, doc, diag);
}

void sc_tcb_info_deinit(struct sc_tcb_info *info)
{
    if (info != NULL)
        sc_arena_deinit(&info->arena);
}

/* Attributes in memory order: 8 bytes of flags, 8 bytes of XFRM */
static sc_err get_attributes(const json_t *doc, const char *name, uint64_t *flags, uint64_t *xfrm, struct sc_diag *diag)
{
    uint8_t bytes[16];
    SC_TRY(get_hex(doc, name, bytes, sizeof bytes, diag));
    *flags = sc_load_u64le(bytes);
    *xfrm = sc_load_u64le(bytes + 8);
    return SC_OK;
}

static sc_err get_misc(const json_t *doc, const char *name, uint32_t *out, struct sc_diag *diag)
{
    uint8_t bytes[4];
    SC_TRY(get_hex(doc, name, bytes, sizeof bytes, diag));
    *out = sc_load_u32le(bytes);
    return SC_OK;
}

sc_err sc_qe_identity_parse(struct sc_slice inner, struct sc_qe_identity *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    const char *id = NULL;
    int64_t v;
    *out = (struct sc_qe_identity){0};
    sc_arena_init(&out->arena, (size_t)4 << 20);
    SC_TRY(sc_json_parse(inner, &doc, diag));
    SC_TRY(sc_json_get_int(doc, "version", 2, 2, &v, diag));
    SC_TRY(sc_json_get_str(doc, "id", &id, diag));
    out->is_sgx = strcmp(id, "QE") == 0;
    out->is_tdx = strcmp(id, "TD_QE") == 0;
    SC_TRY(get_time(doc, "issueDate", &out->issued_s, diag));
    SC_TRY(get_time(doc, "nextUpdate", &out->next_update_s, diag));
    SC_TRY(sc_json_get_int(doc, "tcbEvaluationDataNumber", 0, UINT32_MAX, &v, diag));
    out->evaluation_number = (uint32_t)v;
    SC_TRY(get_misc(doc, "miscselect", &out->misc_select, diag));
    SC_TRY(get_misc(doc, "miscselectMask", &out->misc_select_mask, diag));
    SC_TRY(get_attributes(doc, "attributes", &out->attributes, &out->xfrm, diag));
    SC_TRY(get_attributes(doc, "attributesMask", &out->attributes_mask, &out->xfrm_mask, diag));
    SC_TRY(get_hex(doc, "mrsigner", out->mr_signer, sizeof out->mr_signer, diag));
    SC_TRY(sc_json_get_int(doc, "isvprodid", 0, 65535, &v, diag));
    out->prod_id = (uint16_t)v;
    return parse_svn_levels(&out->arena, doc, &out->levels, diag);
}

void sc_qe_identity_deinit(struct sc_qe_identity *id)
{
    if (id != NULL)
        sc_arena_deinit(&id->arena);
}
