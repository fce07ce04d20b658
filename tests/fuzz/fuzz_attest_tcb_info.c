/* TCB info as the service answers: the split, the parser, and the judge on what was accepted. */
#include "attest/tcb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct sc_tcb_info *info, uint8_t fill)
{
    struct sc_pck pck = {.pce_svn = fill};
    struct sc_td_report td = {0};
    struct sc_tcb_judgement j;
    memset(pck.svn, fill, sizeof pck.svn);
    memset(td.tee_tcb_svn, fill, sizeof td.tee_tcb_svn);
    memset(td.tee_tcb_svn_2, 0xff, sizeof td.tee_tcb_svn_2);
    td.tee_tcb_svn[1] = (uint8_t)(fill & 3);
    td.tee_tcb_svn_2[1] = td.tee_tcb_svn[1];
    sc_tcb_judge(info, &pck, info->is_tdx ? &td : NULL, info->is_tdx ? SC_BODY_TD15 : SC_BODY_SGX, NULL, &j);
    if (j.status != SC_TCB_NOT_SUPPORTED) /* no QE level was given */
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_slice inner;
    uint8_t signature[64];
    struct sc_tcb_info info = {0};
    if (sc_signed_json_split(sc_slice_of(data, size), "tcbInfo", &inner, signature, NULL) != SC_OK)
        inner = sc_slice_of(data, size); /* the parser sees what the split would have refused, too */
    else if (inner.ptr[0] != '{' || inner.ptr[inner.size - 1] != '}')
        abort();
    if (sc_tcb_info_parse(inner, &info, NULL) == SC_OK) {
        if (info.level_count == 0 || (info.is_tdx && !info.has_module))
            abort();
        judge(&info, 0);
        judge(&info, 5);
        judge(&info, 0xff);
    }
    sc_tcb_info_deinit(&info);
    return 0;
}
