/* Evidence in, identity and secrets out: what is given to the right code, and each reason to refuse. */
#include "test.h"

#include "cas/admission.h"
#include "forge.h"
#include "store/memory.h"

#define DOMAIN "spiffe://test.local"

struct fixture {
    struct sc_store *store;
    struct sc_kvs *kvs;
    struct sc_key root;
    struct sc_clock_manual time;
    struct sc_clock clock;
    struct sc_registry registry;
    struct sc_signer *owner, *ca_key;
    struct sc_cert *ca;
    char owner_pem[512];
    struct forge *forge;
    struct forge_spec spec;
    struct forge_set set;
    struct sc_collateral *collateral;
    struct sc_roots roots;
    struct sc_admission *admission;
    /* the service */
    struct sc_signer *service_key;
    struct sc_buf spki;
    struct sc_key answer_private;
    struct sc_admission_request req;
};

static sc_err give_collateral(void *arg, struct sc_slice evidence, struct sc_collateral **out, struct sc_diag *diag)
{
    struct fixture *f = arg;
    (void)evidence;
    (void)diag;
    *out = f->collateral;
    return SC_OK;
}

static void make_owner(struct fixture *f)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf spki = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    assert_ok(sc_signer_generate(SC_SIGN_ED25519, &f->owner, NULL));
    assert_ok(sc_verifier_of_signer(f->owner, &v));
    assert_ok(sc_verifier_to_spki(v, &spki));
    sc_base64_put(&text, sc_buf_slice(&spki));
    snprintf(f->owner_pem, sizeof f->owner_pem,
             "    owner: |\n      -----BEGIN PUBLIC KEY-----\n      %s\n      -----END PUBLIC KEY-----\n",
             sc_buf_cstr(&text));
}

static void make_ca(struct fixture *f)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    assert_ok(sc_signer_generate(SC_SIGN_P256, &f->ca_key, NULL));
    assert_ok(sc_verifier_of_signer(f->ca_key, &v));
    const struct sc_cert_request req = {.common_name = "CAS",
                                        .subject_key = v,
                                        .not_before_ms = f->time.wall_ms - 1000,
                                        .not_after_ms = f->time.wall_ms + INT64_C(31536000000),
                                        .is_ca = true};
    assert_ok(sc_cert_issue(&req, NULL, f->ca_key, &f->ca, NULL));
}

#define ATTESTATION "attestation: {accept: [software]}\n"
#define SECRETS                                                                                                        \
    "secrets:\n"                                                                                                       \
    "  volume-key: {kind: random}\n"                                                                                   \
    "  password: {kind: password, size: 20}\n"                                                                         \
    "  authority: {kind: x509-ca, common_name: Test, export: public}\n"                                                \
    "  web: {kind: x509, issuer: authority, common_name: web, dns: localhost, days: 30}\n"                             \
    "  signing: {kind: private-key, algorithm: ed25519}\n"                                                             \
    "  shared: {kind: value, value: \"to others\", export: [other/reader]}\n"
#define SERVICES                                                                                                       \
    "services:\n"                                                                                                      \
    "  mdc:\n"                                                                                                         \
    "    measurements: [e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1]\n"                           \
    "    arguments: [--quiet]\n"                                                                                       \
    "    environment: {TZ: UTC}\n"                                                                                     \
    "    files:\n"                                                                                                     \
    "      /run/config.json: '{\"id\": \"{{service.id}}\", \"password\": \"{{secret.password}}\"}'\n"                  \
    "      /run/key.pem: \"{{secret.web.key}}\"\n"                                                                     \
    "    volumes: {data: {key: volume-key}}\n"                                                                         \
    "    secrets: [signing, web]\n"                                                                                    \
    "    talks_to: [signed, \"spiffe://elsewhere/x\"]\n"                                                               \
    "    certificate_lifetime: 10m\n"                                                                                  \
    "  signed:\n"                                                                                                      \
    "    signer: 5151515151515151515151515151515151515151515151515151515151515151\n"                                   \
    "    product: 7\n"                                                                                                 \
    "    minimum_svn: 3\n"

static void let_in(struct fixture *f, const char *name, const struct sc_hash *predecessor, const char *rest)
{
    SC_CLEANUP(sc_freep) char *text = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf message = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bytes = {0};
    struct sc_signature s = {.owner = "owner"};
    SC_CLEANUP(sc_freep) struct sc_change *c = calloc(1, sizeof *c);
    struct sc_hash hash;
    struct sc_diag diag = {0};
    char line[96] = "";
    if (predecessor != NULL) {
        char hex[65];
        sc_hex_encode(sc_slice_of(predecessor->bytes, 32), hex);
        snprintf(line, sizeof line, "predecessor: %s\n", hex);
    }
    assert_true(asprintf(&text, "name: %s\n%sowners:\n  keys:\n%s%s", name, line, f->owner_pem, rest) > 0);
    sc_hash_of(sc_slice_str(text), &hash);
    sc_session_act_message(SC_ACT_APPROVE, &hash, &message);
    assert_ok(sc_signer_sign(f->owner, sc_buf_slice(&message), &bytes));
    s.bytes = sc_buf_slice(&bytes);
    assert_ok_diag(sc_registry_propose(&f->registry, sc_slice_str(text), &s, c, &diag), &diag);
    assert_int_equal(c->state, SC_CHANGE_CURRENT);
}

static void replace(struct fixture *f, const char *rest)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    assert_ok(sc_registry_current(&f->registry, "utility/mdc", &s, NULL));
    let_in(f, "utility/mdc", &s->hash, rest);
}

static struct forge *forge; /* one for all tests: its keys take their time */

static int make_forge(void **state)
{
    (void)state;
    forge = forge_new();
    return 0;
}

static int free_forge(void **state)
{
    (void)state;
    forge_free(forge);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->time.wall_ms = FORGE_NOW_S * 1000;
    f->clock = sc_clock_of_manual(&f->time);
    assert_ok(sc_store_memory_new(&f->store));
    const struct sc_kvs_options kvs = {.store = f->store, .root_key = &f->root, .create = true};
    assert_ok(sc_kvs_open(&kvs, &f->kvs, NULL));
    f->registry = (struct sc_registry){f->kvs, &f->clock};
    f->forge = forge;
    forge_spec_default(&f->spec, 3, SC_BODY_SGX);
    f->spec.simulated = true;
    make_owner(f);
    make_ca(f);
    const struct sc_admission_options opt = {.registry = &f->registry,
                                             .roots = &f->roots,
                                             .collateral = give_collateral,
                                             .collateral_arg = f,
                                             .ca = f->ca,
                                             .ca_key = f->ca_key,
                                             .trust_domain = DOMAIN};
    assert_ok(sc_admission_new(&opt, &f->admission));
    let_in(f, "utility/mdc", NULL, ATTESTATION SECRETS SERVICES);
    *state = f;
    return 0;
}

static void forget_service(struct fixture *f)
{
    sc_signer_free(f->service_key);
    f->service_key = NULL;
    sc_buf_deinit(&f->spki);
    f->spki = (struct sc_buf){0};
    forge_set_deinit(&f->set);
    f->set = (struct forge_set){0};
    sc_collateral_free(f->collateral);
    f->collateral = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    forget_service(f);
    sc_admission_free(f->admission);
    sc_cert_free(f->ca);
    sc_signer_free(f->ca_key);
    sc_signer_free(f->owner);
    sc_kvs_close(f->kvs);
    sc_store_free(f->store);
    free(f);
    return 0;
}

/* A service with keys and a challenge, ready to make evidence. */
static void prepare(struct fixture *f, const char *service)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    forget_service(f);
    assert_ok(sc_signer_generate(SC_SIGN_P256, &f->service_key, NULL));
    assert_ok(sc_verifier_of_signer(f->service_key, &v));
    assert_ok(sc_verifier_to_spki(v, &f->spki));
    f->req = (struct sc_admission_request){.session = "utility/mdc", .service = service};
    f->req.spki = sc_buf_slice(&f->spki);
    sc_dh_generate(&f->answer_private, &f->req.answer_key);
    sc_admission_challenge(f->admission, f->req.challenge);
    sc_admission_report_data(&f->req, f->spec.sgx.report_data);
}

/* Evidence by f->spec, under roots that are trusted. */
static void attest(struct fixture *f)
{
    struct sc_collateral_bytes bytes;
    struct sc_diag diag = {0};
    forge_make(f->forge, &f->spec, &f->set);
    forge_collateral_bytes(&f->set, &bytes);
    assert_ok_diag(sc_collateral_new(&bytes, &f->collateral, &diag), &diag);
    f->roots.count = 0;
    assert_ok(sc_roots_add_pem(&f->roots, SC_ROOT_SIMULATION, sc_buf_slice(&f->set.root_pem), NULL));
    f->req.evidence = sc_buf_slice(&f->set.quote);
}

static json_t *admitted(struct fixture *f, const char *service)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    json_t *answer = NULL;
    char id[256];
    struct sc_diag diag = {0};
    prepare(f, service);
    attest(f);
    assert_ok_diag(sc_admission_admit(f->admission, &f->req, &sealed, id, &diag), &diag);
    assert_ok_diag(sc_admission_open(&f->req, &f->answer_private, sc_buf_slice(&sealed), &answer, &diag), &diag);
    return answer;
}

static void refused(struct fixture *f, const char *says)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    char id[256];
    struct sc_diag diag = {0};
    const sc_err err = sc_admission_admit(f->admission, &f->req, &sealed, id, &diag);
    if (err != SC_E_AUTH)
        fail_msg("%s: %s", sc_err_name(err), diag.text);
    assert_int_equal(sealed.size, 0);
    assert_contains(diag.text, says);
}

static const char *text_at(const json_t *doc, const char *a, const char *b, const char *c)
{
    const json_t *at = json_object_get(doc, a);
    at = b != NULL ? json_object_get(at, b) : at;
    at = c != NULL ? json_object_get(at, c) : at;
    assert_true(json_is_string(at));
    return json_string_value(at);
}

static void the_right_code_gets_identity_configuration_and_secrets(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_json_freep) json_t *answer = admitted(f, "mdc");
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *web = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *authority = NULL;
    SC_CLEANUP(sc_signer_freep) struct sc_signer *key = NULL;
    char uri[256];
    assert_string_equal(text_at(answer, "id", NULL, NULL), DOMAIN "/utility/mdc/mdc");
    assert_ok(sc_cert_from_pem(sc_slice_str(text_at(answer, "certificate", NULL, NULL)), &cert, NULL));
    assert_ok(sc_cert_uri(cert, uri, sizeof uri, NULL));
    assert_string_equal(uri, DOMAIN "/utility/mdc/mdc");
    assert_ok(sc_cert_verify(cert, f->ca, f->time.wall_ms + 599000, NULL));
    assert_err(sc_cert_verify(cert, f->ca, f->time.wall_ms + 601000, NULL), SC_E_AUTH); /* short-lived */
    assert_ok(sc_signer_from_pem(sc_slice_str(text_at(answer, "secrets", "signing", "key")), &key, NULL));
    assert_int_equal(sc_signer_alg(key), SC_SIGN_ED25519);
    assert_ok(sc_cert_from_pem(sc_slice_str(text_at(answer, "secrets", "web", "cert")), &web, NULL));
    assert_ok(sc_cert_from_pem(sc_slice_str(text_at(answer, "secrets", "web", "ca")), &authority, NULL));
    assert_ok(sc_cert_verify(web, authority, f->time.wall_ms, NULL));
    assert_string_equal(text_at(answer, "files", "/run/key.pem", NULL), text_at(answer, "secrets", "web", "key"));
    const char *config = text_at(answer, "files", "/run/config.json", NULL);
    assert_contains(config, "{\"id\": \"" DOMAIN "/utility/mdc/mdc\", \"password\": \"");
    assert_int_equal(strlen(config), strlen("{\"id\": \"" DOMAIN "/utility/mdc/mdc\", \"password\": \"\"}") + 20);
    assert_int_equal(strlen(text_at(answer, "volumes", "data", "key")), 44);
    assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "talks_to"), 0)),
                        DOMAIN "/utility/mdc/signed");
    assert_string_equal(text_at(answer, "environment", "TZ", NULL), "UTC");
}

static void a_restart_gets_the_same_secrets_and_another_certificate(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_json_freep) json_t *first = admitted(f, "mdc");
    SC_CLEANUP(sc_json_freep) json_t *second = admitted(f, "mdc");
    assert_true(json_equal(json_object_get(first, "secrets"), json_object_get(second, "secrets")));
    assert_true(json_equal(json_object_get(first, "volumes"), json_object_get(second, "volumes")));
    assert_true(json_equal(json_object_get(first, "files"), json_object_get(second, "files")));
    assert_string_not_equal(text_at(first, "certificate", NULL, NULL), text_at(second, "certificate", NULL, NULL));
}

static void certificates_among_the_secrets_are_renewed_before_they_end(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_json_freep) json_t *first = admitted(f, "mdc");
    f->time.wall_ms += INT64_C(10) * 86400000; /* of 30 days: not yet two thirds */
    SC_CLEANUP(sc_json_freep) json_t *same = admitted(f, "mdc");
    assert_string_equal(text_at(first, "secrets", "web", "cert"), text_at(same, "secrets", "web", "cert"));
    f->time.wall_ms += INT64_C(11) * 86400000;
    f->spec.pck_crl.until_s += 86400 * 60; /* collateral that is good then */
    f->spec.root_crl.until_s += 86400 * 60;
    f->spec.tcb_info.until_s += 86400 * 60;
    f->spec.qe_identity.until_s += 86400 * 60;
    SC_CLEANUP(sc_json_freep) json_t *renewed = admitted(f, "mdc");
    assert_string_not_equal(text_at(first, "secrets", "web", "cert"), text_at(renewed, "secrets", "web", "cert"));
    assert_string_equal(text_at(first, "secrets", "web", "ca"), text_at(renewed, "secrets", "web", "ca"));
    assert_string_equal(text_at(first, "volumes", "data", "key"), text_at(renewed, "volumes", "data", "key"));
}

/* ---- refusals ---- */
static void a_wrong_measurement_is_refused(void **state)
{
    struct fixture *f = *state;
    f->spec.sgx.mr_enclave[31] ^= 1;
    prepare(f, "mdc");
    attest(f);
    refused(f, "the measurement e1e1");
}

static void another_signer_product_or_an_old_version_is_refused(void **state)
{
    struct fixture *f = *state;
    json_decref(admitted(f, "signed"));
    f->spec.sgx.svn = 2;
    prepare(f, "signed");
    attest(f);
    refused(f, "version 2 is older than 3");
    f->spec.sgx.svn = 9;
    f->spec.sgx.prod_id = 8;
    prepare(f, "signed");
    attest(f);
    refused(f, "product 8, where 7");
    f->spec.sgx.prod_id = 7;
    f->spec.sgx.mr_signer[0] ^= 1;
    prepare(f, "signed");
    attest(f);
    refused(f, "another signer");
}

static void a_debug_enclave_is_refused(void **state)
{
    struct fixture *f = *state;
    f->spec.sgx.attributes |= SC_SGX_ATTR_DEBUG;
    prepare(f, "mdc");
    attest(f);
    refused(f, "debuggable");
}

static void an_out_of_date_platform_is_refused_unless_tolerated(void **state)
{
    struct fixture *f = *state;
    f->spec.pck.svn[0] = 4;
    f->spec.pck.svn[1] = 4;
    f->spec.pck.pce_svn = 10;
    prepare(f, "mdc");
    attest(f);
    refused(f, "TCB is OutOfDate");
    replace(f, "attestation: {accept: [software], tolerate: [OutOfDate]}\n" SECRETS SERVICES);
    json_decref(admitted(f, "mdc"));
}

static void a_revoked_certificate_is_refused(void **state)
{
    struct fixture *f = *state;
    f->spec.pck_revoked = true;
    prepare(f, "mdc");
    attest(f);
    refused(f, "revo");
    f->spec.pck_revoked = false;
    f->spec.ca_revoked = true;
    prepare(f, "mdc");
    attest(f);
    refused(f, "revo");
}

static void expired_collateral_is_refused(void **state)
{
    struct fixture *f = *state;
    f->spec.tcb_info.until_s = FORGE_NOW_S - 1;
    prepare(f, "mdc");
    attest(f);
    refused(f, "TCB info");
}

static void evidence_of_a_kind_that_was_not_named_is_refused(void **state)
{
    struct fixture *f = *state;
    replace(f, "attestation: {accept: [sgx, tdx, snp]}\n" SECRETS SERVICES);
    prepare(f, "mdc");
    attest(f);
    refused(f, "software evidence is not accepted");
}

static void evidence_under_a_strangers_root_is_refused(void **state)
{
    struct fixture *f = *state;
    prepare(f, "mdc");
    attest(f);
    f->roots.count = 0;
    refused(f, "evidence: ");
}

static void evidence_replayed_from_another_handshake_is_refused(void **state)
{
    struct fixture *f = *state;
    json_decref(admitted(f, "mdc"));
    refused(f, "was used"); /* the very same request again */
    struct sc_admission_request old = f->req;
    sc_admission_challenge(f->admission, f->req.challenge); /* a fresh challenge, the old evidence */
    refused(f, "does not vouch");
    f->req = old;
    sc_random(f->req.challenge, sizeof f->req.challenge); /* a challenge of somebody else's making */
    refused(f, "none of ours");
}

static void a_challenge_is_good_for_a_minute(void **state)
{
    struct fixture *f = *state;
    prepare(f, "mdc");
    attest(f);
    f->time.wall_ms += SC_CHALLENGE_LIFE_MS + 1;
    refused(f, "expired");
}

static void report_data_that_does_not_bind_the_keys_is_refused(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_signer_freep) struct sc_signer *thief = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *v = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf spki = {0};
    assert_ok(sc_signer_generate(SC_SIGN_P256, &thief, NULL));
    assert_ok(sc_verifier_of_signer(thief, &v));
    assert_ok(sc_verifier_to_spki(v, &spki));
    prepare(f, "mdc");
    attest(f);
    f->req.spki = sc_buf_slice(&spki); /* somebody passes the evidence on and asks for a certificate of his own */
    refused(f, "does not vouch");
    struct sc_key mine;
    prepare(f, "mdc");
    attest(f);
    sc_dh_generate(&mine, &f->req.answer_key); /* or wants to read the answer */
    refused(f, "does not vouch");
    prepare(f, "mdc");
    f->spec.sgx.report_data[63] ^= 1; /* the zeros count, too */
    attest(f);
    refused(f, "does not vouch");
}

static void an_answer_opens_with_the_key_of_the_evidence_only(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_CLEANUP(sc_json_freep) json_t *answer = NULL;
    char id[256];
    struct sc_key other;
    prepare(f, "mdc");
    attest(f);
    assert_ok(sc_admission_admit(f->admission, &f->req, &sealed, id, NULL));
    sc_key_random(&other);
    assert_err(sc_admission_open(&f->req, &other, sc_buf_slice(&sealed), &answer, NULL), SC_E_AUTH);
    for (size_t i = 0; i < sealed.size; i += i < 40 ? 1 : 97) {
        sealed.ptr[i] ^= 1;
        assert_int_not_equal(sc_admission_open(&f->req, &f->answer_private, sc_buf_slice(&sealed), &answer, NULL),
                             SC_OK);
        sealed.ptr[i] ^= 1;
    }
    for (size_t size = 0; size < 60; size++)
        assert_int_not_equal(
            sc_admission_open(&f->req, &f->answer_private, sc_slice_of(sealed.ptr, size), &answer, NULL), SC_OK);
    assert_ok(sc_admission_open(&f->req, &f->answer_private, sc_buf_slice(&sealed), &answer, NULL));
}

static void unknown_sessions_and_services_are_refused(void **state)
{
    struct fixture *f = *state;
    prepare(f, "nobody");
    attest(f);
    refused(f, "no service of that name");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    char id[256];
    prepare(f, "mdc");
    attest(f);
    f->req.session = "utility/nothing";
    assert_err(sc_admission_admit(f->admission, &f->req, &sealed, id, NULL), SC_E_NOT_FOUND);
    prepare(f, "mdc");
    attest(f);
    f->req.session = "../../etc";
    assert_err(sc_admission_admit(f->admission, &f->req, &sealed, id, NULL), SC_E_USAGE);
}

/* ---- imports ---- */
#define READER(session, secret, part)                                                                                  \
    ATTESTATION                                                                                                        \
    "secrets: {theirs: {kind: import, session: " session ", secret: " secret "}}\n"                                    \
    "services:\n  mdc:\n    measurements: [e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1]\n"        \
    "    files: {/run/x: \"{{secret.theirs" part "}}\"}\n"

static void exported_secrets_reach_the_named_session_and_nobody_else(void **state)
{
    struct fixture *f = *state;
    let_in(f, "other/reader", NULL, READER("utility/mdc", "shared", ""));
    let_in(f, "third/reader", NULL, READER("utility/mdc", "shared", ""));
    let_in(f, "third/thief", NULL, READER("utility/mdc", "password", ""));
    prepare(f, "mdc");
    f->req.session = "other/reader";
    attest(f);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_CLEANUP(sc_json_freep) json_t *answer = NULL;
    char id[256];
    struct sc_diag diag = {0};
    assert_ok_diag(sc_admission_admit(f->admission, &f->req, &sealed, id, &diag), &diag);
    assert_ok(sc_admission_open(&f->req, &f->answer_private, sc_buf_slice(&sealed), &answer, NULL));
    assert_string_equal(text_at(answer, "files", "/run/x", NULL), "to others");
    prepare(f, "mdc");
    f->req.session = "third/reader";
    attest(f);
    refused(f, "exports no secret shared");
    prepare(f, "mdc");
    f->req.session = "third/thief";
    attest(f);
    refused(f, "exports no secret password");
}

static void of_a_public_authority_the_certificate_alone_is_public(void **state)
{
    struct fixture *f = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sealed = {0};
    SC_CLEANUP(sc_json_freep) json_t *answer = NULL;
    char id[256];
    let_in(f, "other/certificate", NULL, READER("utility/mdc", "authority", ".cert"));
    let_in(f, "other/key", NULL, READER("utility/mdc", "authority", ".key"));
    prepare(f, "mdc");
    f->req.session = "other/certificate";
    attest(f);
    assert_ok(sc_admission_admit(f->admission, &f->req, &sealed, id, NULL));
    assert_ok(sc_admission_open(&f->req, &f->answer_private, sc_buf_slice(&sealed), &answer, NULL));
    assert_contains(text_at(answer, "files", "/run/x", NULL), "BEGIN CERTIFICATE");
    prepare(f, "mdc");
    f->req.session = "other/key";
    attest(f);
    struct sc_diag diag = {0};
    assert_err(sc_admission_admit(f->admission, &f->req, &sealed, id, &diag), SC_E_USAGE);
    assert_contains(diag.text, "no part \"key\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_right_code_gets_identity_configuration_and_secrets),
        TEST(a_restart_gets_the_same_secrets_and_another_certificate),
        TEST(certificates_among_the_secrets_are_renewed_before_they_end),
        TEST(a_wrong_measurement_is_refused),
        TEST(another_signer_product_or_an_old_version_is_refused),
        TEST(a_debug_enclave_is_refused),
        TEST(an_out_of_date_platform_is_refused_unless_tolerated),
        TEST(a_revoked_certificate_is_refused),
        TEST(expired_collateral_is_refused),
        TEST(evidence_of_a_kind_that_was_not_named_is_refused),
        TEST(evidence_under_a_strangers_root_is_refused),
        TEST(evidence_replayed_from_another_handshake_is_refused),
        TEST(a_challenge_is_good_for_a_minute),
        TEST(report_data_that_does_not_bind_the_keys_is_refused),
        TEST(an_answer_opens_with_the_key_of_the_evidence_only),
        TEST(unknown_sessions_and_services_are_refused),
        TEST(exported_secrets_reach_the_named_session_and_nobody_else),
        TEST(of_a_public_authority_the_certificate_alone_is_public),
    };
    return cmocka_run_group_tests(tests, make_forge, free_forge);
}
