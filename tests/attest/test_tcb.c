/* TCB levels, convergence and relaunch; and the documents they come from. */
#include "fixture.h"

#include "base/json.h"

static enum sc_tcb_status status_of(struct fixture *f, const struct forge_spec *s)
{
    assert_reason(fixture_judge(f, s), SC_ATTEST_OK);
    return f->r.tcb_status;
}

#define assert_status(f, s, want)                                                                                      \
    do {                                                                                                               \
        const enum sc_tcb_status got_ = status_of(f, s);                                                               \
        if (got_ != (want))                                                                                            \
            fail_msg("%s, not %s", sc_tcb_status_name(got_), sc_tcb_status_name(want));                                \
    } while (0)

static void the_first_level_that_is_reached_counts(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 3, SC_BODY_SGX);
    s.levels[2] = (struct forge_level){ .pce_svn = 1, .status = "ConfigurationNeeded" };
    s.level_count = 3;
    assert_status(f, &s, SC_TCB_UP_TO_DATE);
    s.pck.svn[7] = 2; /* one component behind both of the first levels */
    assert_status(f, &s, SC_TCB_CONFIGURATION_NEEDED);
    s.pck.svn[7] = 3;
    s.pck.pce_svn = 10;
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
    assert_int_equal(f->r.advisories.count, 1);
    assert_string_equal(f->r.advisories.id[0], "INTEL-SA-00001");
    s.pck.pce_svn = 0;
    assert_status(f, &s, SC_TCB_NOT_SUPPORTED);
}

static void version_2_of_the_tcb_info_serves_sgx_and_never_tdx(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 4, SC_BODY_SGX);
    s.tcb_version = 2;
    assert_status(f, &s, SC_TCB_UP_TO_DATE);
    forge_spec_default(&s, 4, SC_BODY_TD10);
    s.tcb_version = 2;
    s.collateral_tdx = false;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_TCBINFO_TEE);
}

static void the_qe_converges_with_every_status(void **state)
{
    static const struct {
        const char *platform;
        unsigned qe;
        enum sc_tcb_status want;
    } cases[] = {
        { "UpToDate", 6, SC_TCB_OUT_OF_DATE },
        { "SWHardeningNeeded", 6, SC_TCB_OUT_OF_DATE },
        { "ConfigurationNeeded", 6, SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "ConfigurationAndSWHardeningNeeded", 6, SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "OutOfDate", 6, SC_TCB_OUT_OF_DATE },
        { "OutOfDateConfigurationNeeded", 6, SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "Revoked", 6, SC_TCB_REVOKED },
        { "UpToDate", 4, SC_TCB_REVOKED },
        { "OutOfDate", 4, SC_TCB_REVOKED },
        { "UpToDate", 1, SC_TCB_NOT_SUPPORTED },
        { "Revoked", 1, SC_TCB_NOT_SUPPORTED },
        { "SWHardeningNeeded", 9, SC_TCB_SW_HARDENING_NEEDED },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct forge_spec s;
        forge_spec_default(&s, 3, SC_BODY_SGX);
        s.levels[0].status = cases[i].platform;
        s.qe_levels[2] = (struct forge_svn_level){ 4, "Revoked", NULL };
        s.qe_level_count = 3;
        s.qe.svn = (uint16_t)cases[i].qe;
        assert_status(f, &s, cases[i].want);
    }
}

static void the_tdx_module_is_judged_by_its_generation(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 4, SC_BODY_TD10);
    s.td.tee_tcb_svn[0] = 3;
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
    assert_int_equal(f->r.module_status, SC_TCB_OUT_OF_DATE);
    assert_int_equal(f->r.platform_status, SC_TCB_UP_TO_DATE);
    assert_string_equal(f->r.advisories.id[0], "INTEL-SA-00003");
    s.levels[0].status = "ConfigurationNeeded";
    assert_status(f, &s, SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED);
    s.td.tee_tcb_svn[0] = 2;
    assert_status(f, &s, SC_TCB_REVOKED);
    s.td.tee_tcb_svn[0] = 0;
    assert_status(f, &s, SC_TCB_NOT_SUPPORTED);
    s.td.tee_tcb_svn[1] = 2;
    assert_reason(fixture_judge(f, &s), SC_ATTEST_TDX_MODULE_UNKNOWN);
}

static void generation_0_compares_all_components_and_has_no_module_status(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 4, SC_BODY_TD10);
    s.td.tee_tcb_svn[1] = 0;
    assert_status(f, &s, SC_TCB_UP_TO_DATE);
    assert_int_equal(f->r.module_status, SC_TCB_NONE);
    s.td.tee_tcb_svn[0] = 4;
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
    s.td.tee_tcb_svn[0] = 1;
    assert_status(f, &s, SC_TCB_NOT_SUPPORTED);
}

static void the_module_must_be_the_known_one(void **state)
{
    struct fixture *f = *state;
    for (unsigned generation = 0; generation < 2; generation++) {
        struct forge_spec s;
        forge_spec_default(&s, 5, SC_BODY_TD15);
        s.td.tee_tcb_svn[1] = (uint8_t)generation;
        s.td.mr_signer_seam[47] = 1;
        assert_reason(fixture_judge(f, &s), SC_ATTEST_TDX_MODULE_SIGNER);
        s.td.mr_signer_seam[47] = 0;
        s.td.seam_attributes[7] = 0x80;
        assert_reason(fixture_judge(f, &s), SC_ATTEST_TDX_MODULE_ATTRIBUTES);
    }
}

static void a_td_is_advised_to_relaunch_when_only_its_module_was_old(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 5, SC_BODY_TD15);
    s.td.tee_tcb_svn[0] = 3;
    assert_status(f, &s, SC_TCB_TD_RELAUNCH_ADVISED);
    s.levels[0].status = "ConfigurationAndSWHardeningNeeded";
    assert_status(f, &s, SC_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
    s.levels[0].status = "UpToDate";
    s.td.tee_tcb_svn_2[0] = 4; /* the loaded module is not the newest */
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
    s.td.tee_tcb_svn_2[0] = 5;
    s.td.tee_tcb_svn_2[2] = 5; /* nor its loader */
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
    s.td.tee_tcb_svn_2[2] = 6;
    s.td.tee_tcb_svn_2[1] = 9; /* of a generation that is not known */
    assert_reason(fixture_judge(f, &s), SC_ATTEST_TDX_MODULE_UNKNOWN);
    s.td.tee_tcb_svn_2[1] = 0; /* generation 0: components 0 and 2 of the newest level */
    assert_status(f, &s, SC_TCB_TD_RELAUNCH_ADVISED);
    s.td.tee_tcb_svn_2[0] = 4;
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
    s.td.tee_tcb_svn_2[0] = 5;
    s.qe.svn = 6; /* the QE is old as well: starting again would not help */
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
}

static void relaunch_is_no_way_out_for_report_10_or_an_old_platform(void **state)
{
    struct fixture *f = *state;
    struct forge_spec s;
    forge_spec_default(&s, 5, SC_BODY_TD10);
    s.td.tee_tcb_svn[0] = 3;
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
    forge_spec_default(&s, 5, SC_BODY_TD15);
    s.td.tee_tcb_svn[0] = 3;
    s.pck.svn[0] = 4; /* SGX part: second level */
    assert_status(f, &s, SC_TCB_OUT_OF_DATE);
}

/* ---- documents ---- */
static void signed_json_keeps_the_bytes_as_they_stand(void **state)
{
    (void)state;
    char document[400];
    uint8_t signature[64];
    struct sc_slice inner;
    static const char text[] = "{ \"a\" : [ 1, {\"}\":\"\\\"}\"} ],\n\t\"b\":\"]\" }";
    char hex[129];
    memset(hex, 'A', 128);
    hex[128] = '\0';
    snprintf(document, sizeof document, " {\n\"tcbInfo\" : %s , \"signature\":\"%s\"}\r\n", text, hex);
    assert_ok(sc_signed_json_split(sc_slice_str(document), "tcbInfo", &inner, signature, NULL));
    assert_true(sc_slice_eq(inner, sc_slice_str(text)));
    assert_int_equal(signature[63], 0xaa);
    snprintf(document, sizeof document, "{\"signature\":\"%s\",\"tcbInfo\":%s}", hex, text); /* either order */
    assert_ok(sc_signed_json_split(sc_slice_str(document), "tcbInfo", &inner, signature, NULL));
    for (size_t size = 0; size < strlen(document); size++)
        assert_err(sc_signed_json_split(sc_slice_of(document, size), "tcbInfo", &inner, signature, NULL), SC_E_MALFORMED);
}

static void signed_json_refuses_what_is_not_of_its_form(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "{}", "[]", "{\"tcbInfo\":{}}", "{\"tcbInfo\":[],\"signature\":\"\"}", "{\"tcbInfo\":{]},\"signature\":\"\"}",
        "{\"tcbInfo\":{},\"tcbInfo\":{}}", "{\"other\":{},\"signature\":\"\"}", "{\"tcbInfo\":{},\"signature\":\"00\"}",
        "{\"tcbInfo\":{},\"signature\":\"\"} x",
    };
    uint8_t signature[64];
    struct sc_slice inner;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_err(sc_signed_json_split(sc_slice_str(wrong[i]), "tcbInfo", &inner, signature, NULL), SC_E_MALFORMED);
    char deep[200] = "{\"tcbInfo\":{\"a\":";
    memset(deep + strlen(deep), '[', 100);
    assert_err(sc_signed_json_split(sc_slice_str(deep), "tcbInfo", &inner, signature, NULL), SC_E_MALFORMED);
}

/* Takes each member of a good document away, and then gives it a wrong type: neither may be accepted. */
static void no_member_of_the_documents_can_be_missing_or_of_another_type(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(forge_set_deinit) struct forge_set set;
    struct forge_spec s;
    struct sc_slice inner;
    uint8_t signature[64];
    forge_spec_default(&s, 4, SC_BODY_TD10);
    forge_make(f->forge, &s, &set);
    for (int which = 0; which < 2; which++) {
        SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
        assert_ok(sc_signed_json_split(sc_buf_slice(which == 0 ? &set.tcb_info : &set.qe_identity),
                                       which == 0 ? "tcbInfo" : "enclaveIdentity", &inner, signature, NULL));
        assert_ok(sc_json_parse(inner, &doc, NULL));
        const char *name;
        json_t *value;
        json_object_foreach(doc, name, value) {
            for (int wrong_type = 0; wrong_type < 2; wrong_type++) {
                if (strcmp(name, "tdxModuleIdentities") == 0 && !wrong_type)
                    continue; /* may be absent: then generation 0 alone is known */
                SC_CLEANUP(sc_json_freep) json_t *copy = json_deep_copy(doc);
                if (wrong_type)
                    json_object_set_new(copy, name, json_true());
                else
                    json_object_del(copy, name);
                SC_CLEANUP(sc_freep) char *text = json_dumps(copy, 0);
                struct sc_tcb_info info = { 0 };
                struct sc_qe_identity id = { 0 };
                const sc_err err = which == 0 ? sc_tcb_info_parse(sc_slice_str(text), &info, NULL)
                                              : sc_qe_identity_parse(sc_slice_str(text), &id, NULL);
                sc_tcb_info_deinit(&info);
                sc_qe_identity_deinit(&id);
                if (err != SC_E_MALFORMED)
                    fail_msg("member %s, %s: %s", name, wrong_type ? "of another type" : "missing", sc_err_name(err));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_level_that_is_reached_counts),
        cmocka_unit_test(version_2_of_the_tcb_info_serves_sgx_and_never_tdx),
        cmocka_unit_test(the_qe_converges_with_every_status),
        cmocka_unit_test(the_tdx_module_is_judged_by_its_generation),
        cmocka_unit_test(generation_0_compares_all_components_and_has_no_module_status),
        cmocka_unit_test(the_module_must_be_the_known_one),
        cmocka_unit_test(a_td_is_advised_to_relaunch_when_only_its_module_was_old),
        cmocka_unit_test(relaunch_is_no_way_out_for_report_10_or_an_old_platform),
        cmocka_unit_test(signed_json_keeps_the_bytes_as_they_stand),
        cmocka_unit_test(signed_json_refuses_what_is_not_of_its_form),
        cmocka_unit_test(no_member_of_the_documents_can_be_missing_or_of_another_type),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_drop);
}
