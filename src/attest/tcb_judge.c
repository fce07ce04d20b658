/* Which TCB level does a platform reach, and what follows from it together with the TDX module's and the QE's level.
 *
 * The algorithms are Intel's ("Intel TDX DCAP: Quote Generation Library and Quote Verification Library", and the quote
 * verification library's TcbStatus checks): take the first level that is reached; then converge. */
#include "attest/tcb.h"

static bool all_reach(const uint8_t *have, const uint8_t *want, size_t from)
{
    for (size_t i = from; i < 16; i++)
        if (have[i] < want[i])
            return false;
    return true;
}

static bool sgx_reaches(const struct sc_pck *pck, const struct sc_tcb_level *level)
{
    return all_reach(pck->svn, level->sgx, 0) && pck->pce_svn >= level->pce_svn;
}

/* From generation 1 on the module is judged by its identity, and its SVN and generation are no components any more. */
static bool td_reaches(const uint8_t *tee_tcb_svn, const struct sc_tcb_level *level)
{
    return all_reach(tee_tcb_svn, level->tdx, tee_tcb_svn[1] > 0 ? 2 : 0);
}

const struct sc_tcb_svn_level *sc_tcb_svn_level_of(const struct sc_tcb_svn_levels *levels, unsigned svn)
{
    for (size_t i = 0; i < levels->count; i++)
        if (levels->list[i].isv_svn <= svn)
            return &levels->list[i];
    return NULL;
}

const struct sc_tdx_module *sc_tcb_module_of(const struct sc_tcb_info *info, unsigned generation)
{
    for (size_t i = 0; i < info->module_count; i++)
        if (info->modules[i].generation == generation)
            return &info->modules[i];
    return NULL;
}

/* What an outdated part (TDX module or QE) makes of the status of the whole. */
static enum sc_tcb_status outdated_by_part(enum sc_tcb_status s)
{
    switch (s) {
    case SC_TCB_UP_TO_DATE:
    case SC_TCB_SW_HARDENING_NEEDED:
        return SC_TCB_OUT_OF_DATE;
    case SC_TCB_CONFIGURATION_NEEDED:
    case SC_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    default:
        return s;
    }
}

static enum sc_tcb_status converge(enum sc_tcb_status whole, enum sc_tcb_status part)
{
    if (whole == SC_TCB_NOT_SUPPORTED || part == SC_TCB_NOT_SUPPORTED)
        return SC_TCB_NOT_SUPPORTED;
    if (part == SC_TCB_REVOKED)
        return SC_TCB_REVOKED;
    return part == SC_TCB_OUT_OF_DATE ? outdated_by_part(whole) : whole;
}

static bool asks_for_configuration(enum sc_tcb_status s)
{
    return s == SC_TCB_CONFIGURATION_NEEDED || s == SC_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           s == SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

static bool sgx_is_current(enum sc_tcb_status s)
{
    return s == SC_TCB_UP_TO_DATE || s == SC_TCB_SW_HARDENING_NEEDED || s == SC_TCB_CONFIGURATION_NEEDED ||
           s == SC_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

/* A TD that started under an old module: is the rest current, so that a newer module could help? */
static bool relaunch_could_help(const struct sc_tcb_judgement *j)
{
    if (j->qe_status == SC_TCB_OUT_OF_DATE || j->qe_status == SC_TCB_REVOKED || j->qe_status == SC_TCB_NOT_SUPPORTED)
        return false;
    if (j->status != SC_TCB_OUT_OF_DATE && j->status != SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED)
        return false;
    return sgx_is_current(j->sgx_status) && j->module_status == SC_TCB_OUT_OF_DATE;
}

/* Looks at the module that is loaded *now* (4.1.2.4.17.4.3): where it is the newest, starting the TD again is enough.
 */
static void consider_relaunch(const struct sc_tcb_info *info, const uint8_t *svn_2, struct sc_tcb_judgement *j)
{
    const struct sc_tcb_level *newest = &info->levels[0];
    unsigned want = newest->tdx[0];
    if (svn_2[1] != 0) {
        const struct sc_tdx_module *module = sc_tcb_module_of(info, svn_2[1]);
        if (module == NULL) {
            j->loaded_module_unknown = true;
            return;
        }
        if (module->levels.count == 0) {
            j->status = SC_TCB_NOT_SUPPORTED;
            return;
        }
        want = module->levels.list[0].isv_svn;
    }
    if (svn_2[0] >= want && svn_2[2] >= newest->tdx[2])
        j->status = asks_for_configuration(j->sgx_status) || asks_for_configuration(j->status)
                        ? SC_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                        : SC_TCB_TD_RELAUNCH_ADVISED;
}

static enum sc_tcb_status status_of(const struct sc_tcb_fact *fact)
{
    return fact != NULL ? fact->status : SC_TCB_NOT_SUPPORTED;
}

static void find_levels(const struct sc_tcb_info *info, const struct sc_pck *pck, const struct sc_td_report *td,
                        struct sc_tcb_judgement *j)
{
    for (size_t i = 0; i < info->level_count && j->level == NULL; i++) {
        const struct sc_tcb_level *level = &info->levels[i];
        if (!sgx_reaches(pck, level))
            continue;
        if (j->sgx_level == NULL)
            j->sgx_level = level;
        if (td == NULL || td_reaches(td->tee_tcb_svn, level))
            j->level = level;
    }
}

void sc_tcb_judge(const struct sc_tcb_info *info, const struct sc_pck *pck, const struct sc_td_report *td,
                  enum sc_quote_body body, const struct sc_tcb_svn_level *qe, struct sc_tcb_judgement *out)
{
    struct sc_tcb_judgement j = {.qe = qe, .module_judged = td != NULL && td->tee_tcb_svn[1] > 0};
    find_levels(info, pck, td, &j);
    j.platform_status = status_of(j.level != NULL ? &j.level->fact : NULL);
    j.sgx_status = status_of(j.sgx_level != NULL ? &j.sgx_level->fact : NULL);
    j.qe_status = status_of(qe != NULL ? &qe->fact : NULL);
    j.status = j.platform_status;
    if (j.module_judged) {
        const struct sc_tdx_module *module = sc_tcb_module_of(info, td->tee_tcb_svn[1]);
        j.module = module != NULL ? sc_tcb_svn_level_of(&module->levels, td->tee_tcb_svn[0]) : NULL;
        j.module_status = status_of(j.module != NULL ? &j.module->fact : NULL);
        j.status = converge(j.status, j.module_status);
    }
    if (body == SC_BODY_TD15 && td != NULL && relaunch_could_help(&j))
        consider_relaunch(info, td->tee_tcb_svn_2, &j);
    j.status = converge(j.status, j.qe_status);
    *out = j;
}
