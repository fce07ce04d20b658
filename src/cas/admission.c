#include "cas/admission.h"

#include <inttypes.h>
#include <stdio.h>

#define CHALLENGES 4096
#define ANSWER_MAX ((size_t)16 << 20)

struct challenge {
    uint8_t bytes[SC_CHALLENGE_SIZE];
    int64_t until_ms; /* 0: used, or none */
};
struct sc_admission {
    struct sc_admission_options opt;
    struct sc_attest_verifier *verifier;
    struct challenge *challenges; /* a ring: the oldest gives way */
    size_t next;
};

sc_err sc_admission_new(const struct sc_admission_options *opt, struct sc_admission **out)
{
    SC_CLEANUP(sc_admission_freep) struct sc_admission *a = calloc(1, sizeof *a);
    if (a == NULL || (a->challenges = calloc(CHALLENGES, sizeof *a->challenges)) == NULL)
        return SC_E_NOMEM;
    a->opt = *opt;
    SC_TRY(sc_attest_verifier_new(opt->roots, &a->verifier));
    *out = SC_TAKE(a);
    return SC_OK;
}

void sc_admission_free(struct sc_admission *a)
{
    if (a == NULL)
        return;
    sc_attest_verifier_free(a->verifier);
    free(a->challenges);
    free(a);
}

void sc_admission_freep(struct sc_admission **a)
{
    sc_admission_free(*a);
}

static int64_t now_ms(const struct sc_admission *a)
{
    return sc_wall_ms(a->opt.registry->clock);
}

void sc_admission_challenge(struct sc_admission *a, uint8_t out[static SC_CHALLENGE_SIZE])
{
    struct challenge *c = &a->challenges[a->next];
    a->next = (a->next + 1) % CHALLENGES;
    sc_random(c->bytes, sizeof c->bytes);
    c->until_ms = now_ms(a) + SC_CHALLENGE_LIFE_MS;
    memcpy(out, c->bytes, sizeof c->bytes);
}

static sc_err challenge_use(struct sc_admission *a, const uint8_t *bytes, struct sc_diag *diag)
{
    for (size_t i = 0; i < CHALLENGES; i++) {
        struct challenge *c = &a->challenges[i];
        if (c->until_ms == 0 || memcmp(c->bytes, bytes, sizeof c->bytes) != 0)
            continue;
        const bool in_time = now_ms(a) <= c->until_ms;
        c->until_ms = 0;
        return in_time ? SC_OK : sc_fail(diag, SC_E_AUTH, "the challenge has expired");
    }
    return sc_fail(diag, SC_E_AUTH, "the challenge is none of ours, or was used: evidence of another handshake");
}

void sc_admission_report_data(const struct sc_admission_request *req, uint8_t out[static 64])
{
    static const char title[] = "securecloud admission v1"; /* with its NUL */
    struct sc_hash spki;
    struct sc_hash all;
    sc_hash_of(req->spki, &spki);
    const struct sc_slice parts[] = {sc_slice_of(title, sizeof title), sc_slice_of(req->challenge, SC_CHALLENGE_SIZE),
                                     sc_slice_of(spki.bytes, 32), sc_slice_of(req->answer_key.bytes, 32)};
    sc_hash_of_parts(parts, 4, &all);
    memset(out, 0, 64);
    memcpy(out, all.bytes, 32);
}

/* ---- appraisal ---- */
static sc_err verify(struct sc_admission *a, struct sc_slice evidence, struct sc_attest_result *r, struct sc_diag *diag)
{
    struct sc_collateral *collateral = NULL;
    SC_TRY(a->opt.collateral(a->opt.collateral_arg, evidence, &collateral, diag));
    const struct sc_attest_request req = {
        .evidence = evidence, .collateral = collateral, .depth = SC_ATTEST_FULL, .now_s = now_ms(a) / 1000};
    SC_TRY(sc_attest_verify(a->verifier, &req, r));
    if (r->reason != SC_ATTEST_OK)
        return sc_fail(diag, SC_E_AUTH, "evidence: %s%s%s", sc_attest_reason_text(r->reason),
                       r->detail[0] != '\0' ? ": " : "", r->detail);
    return SC_OK;
}

static sc_err judge_platform(const struct sc_session *s, const struct sc_attest_result *r, struct sc_diag *diag)
{
    if (!s->kinds[r->kind])
        return sc_fail(diag, SC_E_AUTH, "%s evidence is not accepted by %s", sc_attest_kind_name(r->kind), s->name);
    if (r->debug && !s->allow_debug)
        return sc_fail(diag, SC_E_AUTH, "a debuggable enclave: the host can read it");
    /* SEV-SNP knows no such status: its report is refused unless its TCB is the certified one */
    if (r->kind != SC_ATTEST_SNP && !s->statuses[r->tcb_status])
        return sc_fail(diag, SC_E_AUTH, "the platform's TCB is %s, which %s does not tolerate",
                       sc_tcb_status_name(r->tcb_status), s->name);
    return SC_OK;
}

static sc_err judge_code(const struct sc_session_service *v, const struct sc_attest_result *r, struct sc_diag *diag)
{
    char hex[97];
    if (v->signer_size != 0) {
        if (v->signer_size != r->signer_size || memcmp(v->signer, r->signer, v->signer_size) != 0)
            return sc_fail(diag, SC_E_AUTH, "service %s: the code has another signer", v->name);
        if (v->product_id != r->product_id)
            return sc_fail(diag, SC_E_AUTH, "service %s: product %u, where %u is expected", v->name, r->product_id,
                           v->product_id);
        return r->svn >= v->svn_min
                   ? SC_OK
                   : sc_fail(diag, SC_E_AUTH, "service %s: version %u is older than %u", v->name, r->svn, v->svn_min);
    }
    for (size_t i = 0; i < v->measurement_count; i++)
        if (v->measurement_sizes[i] == r->measurement_size &&
            memcmp(v->measurements[i], r->measurement, r->measurement_size) == 0)
            return SC_OK;
    sc_hex_encode(sc_slice_of(r->measurement, r->measurement_size), hex);
    return sc_fail(diag, SC_E_AUTH, "service %s: the measurement %s is none of its", v->name, hex);
}

static sc_err appraise(struct sc_admission *a, const struct sc_admission_request *req, const struct sc_session *s,
                       const struct sc_session_service *v, struct sc_diag *diag)
{
    uint8_t expected[64];
    SC_CLEANUP(sc_freep) struct sc_attest_result *r = calloc(1, sizeof *r);
    if (r == NULL)
        return SC_E_NOMEM;
    SC_TRY(verify(a, req->evidence, r, diag));
    sc_admission_report_data(req, expected);
    if (!sc_ct_equal(expected, r->report_data, sizeof expected))
        return sc_fail(diag, SC_E_AUTH, "the evidence does not vouch for these keys and this challenge");
    SC_TRY(judge_platform(s, r, diag));
    return judge_code(v, r, diag);
}

/* ---- the answer ---- */
static sc_err put_text(json_t *object, const char *name, struct sc_slice text)
{
    return json_object_set_new(object, name, json_stringn((const char *)text.ptr, text.size)) == 0 ? SC_OK : SC_E_NOMEM;
}

static json_t *put_object(json_t *object, const char *name)
{
    json_t *made = json_object();
    return json_object_set_new(object, name, made) == 0 ? made : NULL;
}

static sc_err render(struct sc_admission *a, const struct sc_session *s, const char *content, const char *id,
                     struct sc_buf *out, struct sc_diag *diag)
{
    struct sc_slice rest = sc_slice_str(content);
    for (;;) {
        struct sc_template_part part;
        const sc_err err = sc_template_next(&rest, &part, diag);
        if (err == SC_E_NOT_FOUND)
            return sc_buf_status(out);
        SC_TRY(err);
        if (part.kind == SC_PART_TEXT) {
            sc_buf_put_bytes(out, part.text);
        } else if (part.kind == SC_PART_SERVICE_ID) {
            sc_buf_put_str(out, id);
        } else {
            SC_CLEANUP(sc_secret_deinit) struct sc_secret secret = {0};
            const struct sc_session_secret *x = sc_session_secret_find(s, part.secret);
            SC_ASSERT(x != NULL); /* checked when the session was read */
            SC_TRY(sc_secrets_get(a->opt.registry, s, x, &secret, diag));
            SC_TRY(sc_secret_put_part(&secret, part.part, out, diag));
        }
    }
}

static sc_err put_files(struct sc_admission *a, const struct sc_session *s, const struct sc_session_service *v,
                        const char *id, json_t *answer, struct sc_diag *diag)
{
    json_t *files = put_object(answer, "files");
    if (files == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < v->file_count; i++) {
        SC_CLEANUP(sc_buf_wipe) struct sc_buf content = {0};
        sc_buf_init(&content, SC_SESSION_SECRET_SIZE_MAX + SC_SESSION_SIZE_MAX);
        SC_TRY(sc_context(diag, render(a, s, v->files[i].content, id, &content, diag), "file %s", v->files[i].path));
        SC_TRY(put_text(files, v->files[i].path, sc_buf_slice(&content)));
    }
    return SC_OK;
}

/* Bytes in base64, texts as they are. */
static sc_err put_secret(const struct sc_secret *secret, json_t *into, const char *name)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf base64 = {0};
    json_t *o = put_object(into, name);
    const bool certified = secret->kind == SC_SECRET_CA || secret->kind == SC_SECRET_CERT;
    if (secret->kind == SC_SECRET_RANDOM) {
        sc_base64_put(&base64, sc_buf_slice(&secret->value));
        SC_TRY(sc_buf_status(&base64));
        return put_text(o, "base64", sc_buf_slice(&base64));
    }
    if (secret->value.size != 0)
        SC_TRY(put_text(o, certified || secret->kind == SC_SECRET_KEY ? "key" : "text", sc_buf_slice(&secret->value)));
    if (certified)
        SC_TRY(put_text(o, "cert", sc_buf_slice(&secret->cert)));
    if (secret->kind == SC_SECRET_CERT)
        SC_TRY(put_text(o, "ca", sc_buf_slice(&secret->ca)));
    return SC_OK;
}

static sc_err put_secrets(struct sc_admission *a, const struct sc_session *s, const struct sc_session_service *v,
                          json_t *answer, struct sc_diag *diag)
{
    json_t *secrets = put_object(answer, "secrets");
    if (secrets == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < v->secret_count; i++) {
        SC_CLEANUP(sc_secret_deinit) struct sc_secret secret = {0};
        SC_TRY(sc_secrets_get(a->opt.registry, s, v->secrets[i], &secret, diag));
        SC_TRY(put_secret(&secret, secrets, v->secrets[i]->name));
    }
    return SC_OK;
}

static sc_err put_volumes(struct sc_admission *a, const struct sc_session *s, const struct sc_session_service *v,
                          json_t *answer, struct sc_diag *diag)
{
    json_t *volumes = put_object(answer, "volumes");
    if (volumes == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < v->volume_count; i++) {
        SC_CLEANUP(sc_secret_deinit) struct sc_secret key = {0};
        SC_CLEANUP(sc_buf_wipe) struct sc_buf base64 = {0};
        json_t *o = put_object(volumes, v->volumes[i].name);
        SC_TRY(sc_secrets_get(a->opt.registry, s, v->volumes[i].key, &key, diag));
        if (key.value.size != SC_KEY_SIZE)
            return sc_fail(diag, SC_E_USAGE, "volume %s: its key has %zu bytes", v->volumes[i].name, key.value.size);
        sc_base64_put(&base64, sc_buf_slice(&key.value));
        SC_TRY(sc_buf_status(&base64));
        SC_TRY(put_text(o, "key", sc_buf_slice(&base64)));
        if (json_object_set_new(o, "counter", json_boolean(v->volumes[i].counter)) != 0)
            return SC_E_NOMEM;
    }
    return SC_OK;
}

static void service_id(const struct sc_admission *a, const struct sc_session *s, const char *service,
                       char out[static 256])
{
    snprintf(out, 256, "%s/%s/%s", a->opt.trust_domain, s->name, service);
}

static sc_err put_configuration(struct sc_admission *a, const struct sc_session *s, const struct sc_session_service *v,
                                json_t *answer)
{
    json_t *arguments = json_array();
    json_t *peers = json_array();
    json_t *environment = put_object(answer, "environment");
    bool ok = json_object_set_new(answer, "arguments", arguments) == 0 &&
              json_object_set_new(answer, "talks_to", peers) == 0 && environment != NULL;
    for (size_t i = 0; ok && i < v->argument_count; i++)
        ok = json_array_append_new(arguments, json_string(v->arguments[i])) == 0;
    for (size_t i = 0; ok && i < v->environment_count; i++)
        ok = json_object_set_new(environment, v->environment[2 * i], json_string(v->environment[2 * i + 1])) == 0;
    for (size_t i = 0; ok && i < v->talk_count; i++) {
        char id[256];
        if (strncmp(v->talks_to[i], "spiffe://", 9) != 0)
            service_id(a, s, v->talks_to[i], id);
        ok = json_array_append_new(
                 peers, json_string(strncmp(v->talks_to[i], "spiffe://", 9) != 0 ? id : v->talks_to[i])) == 0;
    }
    if (ok && v->working_directory != NULL)
        ok = json_object_set_new(answer, "working_directory", json_string(v->working_directory)) == 0;
    return ok ? SC_OK : SC_E_NOMEM;
}

static sc_err put_certificate(struct sc_admission *a, const struct sc_admission_request *req,
                              const struct sc_session_service *v, const char *id, json_t *answer, struct sc_diag *diag)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *key = NULL;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf ca = {0};
    SC_TRY(sc_verifier_from_spki(req->spki, &key, diag));
    const int64_t now = now_ms(a);
    const struct sc_cert_request cert_req = {.common_name = v->name,
                                             .uri = id,
                                             .dns = "localhost",
                                             .subject_key = key,
                                             .not_before_ms = now - 60000, /* clocks differ */
                                             .not_after_ms = now + v->certificate_s * 1000,
                                             .is_tls = true};
    SC_TRY(sc_cert_issue(&cert_req, a->opt.ca, a->opt.ca_key, &cert, diag));
    SC_TRY(sc_cert_to_pem(cert, &pem));
    SC_TRY(sc_cert_to_pem(a->opt.ca, &ca));
    SC_TRY(put_text(answer, "id", sc_slice_str(id)));
    SC_TRY(put_text(answer, "certificate", sc_buf_slice(&pem)));
    SC_TRY(put_text(answer, "ca", sc_buf_slice(&ca)));
    return json_object_set_new(answer, "expires", json_integer(now / 1000 + v->certificate_s)) == 0 ? SC_OK
                                                                                                    : SC_E_NOMEM;
}

/* ---- sealing it: ephemeral public key (32) | ciphertext | tag (16) ---- */
static sc_err answer_aead(const struct sc_admission_request *req, const struct sc_key *mine,
                          const struct sc_dh_public *theirs, const struct sc_dh_public *ephemeral, struct sc_aead **out)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key shared = {0};
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    uint8_t context[96];
    SC_TRY(sc_dh_agree(mine, theirs, &shared));
    sc_admission_report_data(req, context); /* both keys of the service, and the challenge */
    memcpy(context + 64, ephemeral->bytes, 32);
    SC_TRY(sc_key_derive(&key, &shared, "cas/answer v1", sc_slice_of(context, sizeof context)));
    return sc_aead_new(out, &key);
}

static const uint8_t zero_nonce[12]; /* a key seals one answer */

static sc_err seal_answer(const struct sc_admission_request *req, struct sc_slice plain, struct sc_buf *out)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key ephemeral = {0};
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    struct sc_dh_public public_key;
    sc_dh_generate(&ephemeral, &public_key);
    SC_TRY(answer_aead(req, &ephemeral, &req->answer_key, &public_key, &aead));
    uint8_t *to = sc_buf_extend(out, 32 + plain.size + SC_TAG_SIZE);
    if (to == NULL)
        return sc_buf_status(out);
    memcpy(to, public_key.bytes, 32);
    return sc_aead_seal(aead, zero_nonce, SC_SLICE_EMPTY, plain, to + 32, to + 32 + plain.size);
}

static void wiped_free(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
}

sc_err sc_admission_admit(struct sc_admission *a, const struct sc_admission_request *req, struct sc_buf *out,
                          char id_out[static 256], struct sc_diag *diag)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    SC_CLEANUP(sc_json_freep) json_t *answer = json_object();
    if (answer == NULL)
        return SC_E_NOMEM;
    SC_TRY(challenge_use(a, req->challenge, diag)); /* first: whatever happens, it was its only use */
    SC_TRY(sc_registry_current(a->opt.registry, req->session, &s, diag));
    const struct sc_session_service *v = sc_session_service_find(s, req->service);
    if (v == NULL)
        return sc_fail(diag, SC_E_AUTH, "session %s has no service of that name", s->name);
    SC_TRY(appraise(a, req, s, v, diag));
    service_id(a, s, v->name, id_out);
    SC_TRY(put_certificate(a, req, v, id_out, answer, diag));
    SC_TRY(put_configuration(a, s, v, answer));
    SC_TRY(put_files(a, s, v, id_out, answer, diag));
    SC_TRY(put_secrets(a, s, v, answer, diag));
    SC_TRY(put_volumes(a, s, v, answer, diag));
    SC_CLEANUP(wiped_free) char *text = json_dumps(answer, JSON_COMPACT);
    if (text == NULL)
        return SC_E_NOMEM;
    return seal_answer(req, sc_slice_str(text), out);
}

sc_err sc_admission_open(const struct sc_admission_request *req, const struct sc_key *answer_private,
                         struct sc_slice answer, json_t **out, struct sc_diag *diag)
{
    struct sc_dh_public ephemeral;
    SC_CLEANUP(sc_aead_freep) struct sc_aead *aead = NULL;
    SC_CLEANUP(sc_buf_wipe) struct sc_buf plain = {0};
    if (answer.size < 32 + SC_TAG_SIZE || answer.size > ANSWER_MAX)
        return sc_fail(diag, SC_E_MALFORMED, "an answer of %zu bytes", answer.size);
    memcpy(ephemeral.bytes, answer.ptr, 32);
    const struct sc_slice cipher = {answer.ptr + 32, answer.size - 32 - SC_TAG_SIZE};
    uint8_t *to = sc_buf_extend(&plain, cipher.size);
    if (to == NULL)
        return sc_buf_status(&plain);
    if (answer_aead(req, answer_private, &ephemeral, &ephemeral, &aead) != SC_OK ||
        sc_aead_open(aead, zero_nonce, SC_SLICE_EMPTY, cipher, cipher.ptr + cipher.size, to) != SC_OK)
        return sc_fail(diag, SC_E_AUTH, "the answer is not for this request, or was changed");
    return sc_json_parse(sc_buf_slice(&plain), out, diag);
}
