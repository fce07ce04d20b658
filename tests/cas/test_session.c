/* The language of sessions. */
#include "test.h"

#include "cas/session.h"

static int load(void **state)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    assert_ok(sc_file_read(getenv("SC_SESSION"), 65536, &text, NULL));
    *state = strdup(sc_buf_cstr(&text));
    return 0;
}

static int unload(void **state)
{
    free(*state);
    return 0;
}

/* The whole session with one text in it replaced. */
static char *changed(const char *whole, const char *from, const char *to)
{
    const char *at = strstr(whole, from);
    char *out = NULL;
    if (at == NULL)
        fail_msg("\"%s\" is not in the session", from);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from)) > 0);
    return out;
}

static const struct sc_session *parsed(const char *text)
{
    const struct sc_session *s = NULL;
    struct sc_diag diag = {0};
    assert_ok_diag(sc_session_parse(sc_slice_str(text), &s, &diag), &diag);
    return s;
}

static void a_whole_session_is_read(void **state)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = parsed(*state);
    struct sc_hash hash;
    assert_string_equal(s->name, "utility/mdc");
    assert_string_equal(s->space, "utility");
    sc_hash_of(sc_slice_str(*state), &hash);
    assert_memory_equal(s->hash.bytes, hash.bytes, 32);
    assert_false(s->has_predecessor);
    assert_int_equal(s->owner_count, 2);
    assert_int_equal(s->threshold, 1);
    assert_true(s->kinds[SC_ATTEST_SGX] && s->kinds[SC_ATTEST_SOFTWARE] && !s->kinds[SC_ATTEST_TDX]);
    assert_true(s->statuses[SC_TCB_UP_TO_DATE] && s->statuses[SC_TCB_SW_HARDENING_NEEDED]);
    assert_false(s->statuses[SC_TCB_OUT_OF_DATE]);
    const struct sc_session_service *mdc = sc_session_service_find(s, "mdc");
    const struct sc_session_service *store = sc_session_service_find(s, "store");
    assert_non_null(mdc);
    assert_int_equal(mdc->measurement_count, 1);
    assert_int_equal(mdc->measurements[0][31], 0xe1);
    assert_int_equal(mdc->file_count, 2);
    assert_int_equal(mdc->secret_count, 2);
    assert_string_equal(mdc->volumes[0].key->name, "volume-key");
    assert_true(mdc->volumes[0].counter);
    assert_int_equal(mdc->certificate_s, 900);
    assert_string_equal(mdc->environment[1], "UTC");
    assert_int_equal(store->signer_size, 32);
    assert_int_equal(store->product_id, 7);
    assert_int_equal(store->svn_min, 2);
    assert_string_equal(sc_session_secret_find(s, "web")->issuer->name, "authority");
    assert_string_equal(sc_session_secret_find(s, "theirs")->from_secret, "token");
    assert_true(sc_session_secret_find(s, "authority")->is_public);
    assert_null(sc_session_secret_find(s, "nothing"));
}

struct mistake {
    const char *from, *to;
    const char *says;
};
static const struct mistake mistakes[] = {
    {"secrets: [note]", "secretes: [note]", "line 44, column 5: "},
    {"name: utility/mdc", "name: Utility/mdc", "line 1, column 7: "},
    {"name: utility/mdc", "name: utility", "namespace/name"},
    {"threshold: 1", "threshold: 3", "line 3, column 14: threshold 3 of 2 owners"},
    {"threshold: 1", "threshold: 0", "threshold 0"},
    {"accept: [sgx, software]", "accept: []", "no kind of evidence"},
    {"accept: [sgx, software]", "accept: [sgxx]", "\"sgxx\" is neither"},
    {"tolerate: [SWHardeningNeeded]", "tolerate: [Revoked]", "no status that can be tolerated"},
    {"kind: random, size: 32", "kind: randon, size: 32", "\"randon\" is none of"},
    {"kind: random, size: 32", "kind: random, size: 8", "too short to be secret"},
    {"kind: random, size: 32", "kind: random, lenght: 32", "lenght"},
    {"kind: random, size: 32", "kind: random, size: 33", "random secret of 32 bytes"},
    {"issuer: authority", "issuer: db-password", "no x509-ca of this session"},
    {"algorithm: ed25519", "algorithm: ed448", "neither ed25519"},
    {"export: [auditor/audit]", "export: [auditor]", "no session"},
    {"export: public", "export: everybody", "\"public\" or a list"},
    {"session: auditor/audit,", "session: auditor,", "no session"},
    {"{{secret.db-password}}", "{{secret.db-pasword}}", "there is no secret \"db-pasword\""},
    {"{{secret.db-password}}", "{{secret.db-password.key}}", "no such part"},
    {"{{secret.db-password}}", "{{secret.db-password.salt}}", "the parts are"},
    {"{{secret.db-password}}", "{{secrets.db-password}}", "neither secret.NAME nor service.id"},
    {"{{secret.db-password}}", "{{secret.db-password}", "without"},
    {"{{ secret.web.key }}", "{{ secret.web }}", "with the parts key, cert and ca"},
    {"/run/mdc/key.pem", "/run/../key.pem", "no absolute path"},
    {"/run/mdc/key.pem", "run/mdc/key.pem", "no absolute path"},
    {"{key: volume-key}", "{key: db-password}", "random secret of 32 bytes"},
    {"talks_to: [store,", "talks_to: [stor,", "\"stor\" is neither a service"},
    {"certificate_lifetime: 15m", "certificate_lifetime: 30d", "2 seconds to 7 days"},
    {"    product: 7\n", "", "\"product\" is missing"},
    {"signer: 51", "signer: 5z", "line 41"},
    {"signer: 5151515151515151515151515151515151515151515151515151515151515151",
     "signer: 0000000000000000000000000000000000000000000000000000000000000000", "unsigned code"},
    {"    measurements: [e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1]\n", "", "either by"},
    {"[e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1]", "[e1e1]", "line 27"},
    {"readers: [spiffe", "readers: [spife", "no SPIFFE ID"},
    {"    bob: |", "    alice: |", "alice"},
    {"-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEYS-----", "key of alice"},
    {"name: utility/mdc\n", "name: utility/mdc\npredecessor: 00\n", "line 2"},
};

static void a_typo_is_an_error_that_says_where(void **state)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        SC_CLEANUP(sc_freep) char *text = changed(*state, mistakes[i].from, mistakes[i].to);
        const struct sc_session *s = NULL;
        struct sc_diag diag = {0};
        if (sc_session_parse(sc_slice_str(text), &s, &diag) == SC_OK)
            fail_msg("\"%s\" was taken", mistakes[i].to);
        assert_null(s);
        assert_contains(diag.text, "line ");
        assert_contains(diag.text, "column ");
        assert_contains(diag.text, mistakes[i].says);
    }
}

static void one_key_under_two_names_is_refused(void **state)
{
    const char *first = strstr(*state, "BEGIN PUBLIC KEY-----\n      ") + strlen("BEGIN PUBLIC KEY-----\n      ");
    const char *second = strstr(first, "BEGIN PUBLIC KEY-----\n      ") + strlen("BEGIN PUBLIC KEY-----\n      ");
    char a[64] = "";
    char b[64] = "";
    sscanf(first, "%63s", a);
    sscanf(second, "%63s", b);
    SC_CLEANUP(sc_freep) char *text = changed(*state, b, a);
    const struct sc_session *other = NULL;
    struct sc_diag diag = {0};
    assert_err(sc_session_parse(sc_slice_str(text), &other, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "alice and bob have one key");
}

static void every_prefix_is_whole_or_an_error(void **state)
{
    for (size_t size = 0; size < strlen(*state); size++) {
        const struct sc_session *s = NULL;
        struct sc_diag diag = {0};
        if (sc_session_parse(sc_slice_of(*state, size), &s, &diag) != SC_OK)
            assert_true(diag.text[0] != '\0');
        sc_session_free(s);
    }
}

struct heard {
    char text[8192];
};

static void hear(void *arg, unsigned line, const char *text)
{
    struct heard *h = arg;
    const size_t used = strlen(h->text);
    snprintf(h->text + used, sizeof h->text - used, "%u: %s\n", line, text);
}

static void lint_points_at_what_deserves_a_second_look(void **state)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = parsed(*state);
    SC_CLEANUP(sc_freep) struct heard *h = calloc(1, sizeof *h);
    assert_true(sc_session_lint(s, hear, h) >= 4);
    assert_contains(h->text, "SIMULATED");
    assert_contains(h->text, "SWHardeningNeeded");
    assert_contains(h->text, "any one of 2");
    assert_contains(h->text, "secret note: its value stands in the policy");
    SC_CLEANUP(sc_freep) char *text = changed(*state, "    volumes:\n      data: {key: volume-key}\n", "");
    SC_CLEANUP(sc_session_freep) const struct sc_session *without = parsed(text);
    memset(h, 0, sizeof *h);
    sc_session_lint(without, hear, h);
    assert_contains(h->text, "secret volume-key: nobody gets it");
    SC_CLEANUP(sc_freep) char *uncounted = changed(*state, "{key: volume-key}", "{key: volume-key, counter: false}");
    SC_CLEANUP(sc_session_freep) const struct sc_session *u = parsed(uncounted);
    memset(h, 0, sizeof *h);
    sc_session_lint(u, hear, h);
    assert_contains(h->text, "older copy put back is not noticed");
    SC_CLEANUP(sc_freep)
    char *twins = changed(*state,
                          "    signer: 5151515151515151515151515151515151515151515151515151515151515151\n    product: "
                          "7\n    minimum_svn: 2\n",
                          "    measurements: [e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1]\n");
    SC_CLEANUP(sc_session_freep) const struct sc_session *t = parsed(twins);
    memset(h, 0, sizeof *h);
    sc_session_lint(t, hear, h);
    assert_contains(h->text, "service store: the same code may also become mdc");
}

static void explain_tells_who_gets_what(void **state)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = parsed(*state);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    sc_session_explain(s, &out);
    const char *text = sc_buf_cstr(&out);
    assert_contains(text, "1 of 2 owners: alice bob");
    assert_contains(text, "gets           secret db-password, in the file /run/mdc/config.json");
    assert_contains(text, "gets           secret volume-key, as the key of volume data");
    assert_contains(text, "gets           secret signing, by name");
    assert_contains(text, "product 7, version 2 and later");
    assert_contains(text, "the services of session auditor/audit");
    assert_contains(text, "software (SIMULATED)");
}

static void diff_tells_every_change_and_shows_no_secret(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } changes[] = {
        {"threshold: 1", "threshold: 2", "+ session: 2 of 2 owners must sign"},
        {"minimum_svn: 2", "minimum_svn: 3", "+ service store: product 7, version 3 and later"},
        {"    secrets: [note]", "    secrets: [db-password]",
         "+ service store: gets           secret db-password, by name"},
        {"value: hello", "value: hallo", "~ secret note: another value"},
        {"--quiet", "--loud", "- service mdc: argument 1: --quiet"},
        {"TZ: UTC", "TZ: CET", "+ service mdc: environment TZ=CET"},
        {"\"password\"", "\"pass\"", "+ service mdc: content of /run/mdc/config.json"},
        {"export: public", "export: []", "- secret authority: also for       everybody"},
        {"days: 30", "days: 31", "for 31 days"},
        {"accept: [sgx, software]", "accept: [sgx]", "- session: accepts software evidence"},
    };
    SC_CLEANUP(sc_session_freep) const struct sc_session *older = parsed(*state);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        SC_CLEANUP(sc_freep) char *text = changed(*state, changes[i].from, changes[i].to);
        SC_CLEANUP(sc_session_freep) const struct sc_session *newer = parsed(text);
        SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
        assert_true(sc_session_diff(older, newer, &out) > 0);
        assert_contains(sc_buf_cstr(&out), changes[i].says);
        assert_null(strstr(sc_buf_cstr(&out), "hallo"));
    }
}

static void templates_fall_into_their_parts(void **state)
{
    (void)state;
    struct sc_slice rest = sc_slice_str("a{{secret.x}}{{ secret.y.key }}b {{service.id}}{");
    struct sc_template_part p;
    assert_ok(sc_template_next(&rest, &p, NULL));
    assert_true(p.kind == SC_PART_TEXT && sc_slice_eq(p.text, sc_slice_str("a")));
    assert_ok(sc_template_next(&rest, &p, NULL));
    assert_true(p.kind == SC_PART_SECRET);
    assert_string_equal(p.secret, "x");
    assert_ok(sc_template_next(&rest, &p, NULL));
    assert_string_equal(p.secret, "y");
    assert_string_equal(p.part, "key");
    assert_ok(sc_template_next(&rest, &p, NULL));
    assert_true(sc_slice_eq(p.text, sc_slice_str("b ")));
    assert_ok(sc_template_next(&rest, &p, NULL));
    assert_int_equal(p.kind, SC_PART_SERVICE_ID);
    assert_ok(sc_template_next(&rest, &p, NULL));
    assert_true(sc_slice_eq(p.text, sc_slice_str("{")));
    assert_err(sc_template_next(&rest, &p, NULL), SC_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_session_is_read),
        cmocka_unit_test(a_typo_is_an_error_that_says_where),
        cmocka_unit_test(one_key_under_two_names_is_refused),
        cmocka_unit_test(every_prefix_is_whole_or_an_error),
        cmocka_unit_test(lint_points_at_what_deserves_a_second_look),
        cmocka_unit_test(explain_tells_who_gets_what),
        cmocka_unit_test(diff_tells_every_change_and_shows_no_secret),
        cmocka_unit_test(templates_fall_into_their_parts),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
