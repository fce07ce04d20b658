/* Reading a session. */
#include "cas/session.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/yaml_doc.h"

#include <stdio.h>

#define CERTIFICATE_S_DEFAULT INT64_C(3600)
#define CERTIFICATE_S_MIN     INT64_C(2) /* tests of renewal want short lives */
#define CERTIFICATE_S_MAX     INT64_C(604800)
#define DAYS_MAX              7300

struct session_box {     /* the session with what it borrows from */
    struct sc_session s; /* first: freed through it */
    struct sc_arena arena;
    struct sc_yaml *doc;
    struct sc_buf text;
};
static struct session_box *box_of(const struct sc_session *s)
{
    return (struct session_box *)(uintptr_t)s;
}

void sc_session_free(const struct sc_session *s)
{
    if (s == NULL)
        return;
    struct session_box *box = box_of(s);
    for (size_t i = 0; i < s->owner_count; i++)
        sc_verifier_free((struct sc_verifier *)(uintptr_t)s->owners[i].key);
    sc_arena_deinit(&box->arena);
    sc_yaml_free(box->doc);
    sc_buf_wipe(&box->text); /* explicit values are secrets */
    free(box);
}

void sc_session_freep(const struct sc_session **s)
{
    sc_session_free(*s);
}

static void box_freep(struct session_box **box)
{
    if (*box != NULL)
        sc_session_free(&(*box)->s);
}

const struct sc_session_service *sc_session_service_find(const struct sc_session *s, const char *name)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (strcmp(s->services[i].name, name) == 0)
            return &s->services[i];
    return NULL;
}

const struct sc_session_secret *sc_session_secret_find(const struct sc_session *s, const char *name)
{
    for (size_t i = 0; i < s->secret_count; i++)
        if (strcmp(s->secrets[i].name, name) == 0)
            return &s->secrets[i];
    return NULL;
}

/* ---- names ---- */
static size_t word_size(const char *text)
{
    size_t n = 0;
    if (text[0] < 'a' || text[0] > 'z')
        return 0;
    while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= '0' && text[n] <= '9') || text[n] == '-')
        n++;
    return n;
}

static bool word_valid(const char *text)
{
    const size_t n = word_size(text);
    return n != 0 && n <= 63 && text[n] == '\0';
}

bool sc_session_name_valid(const char *name)
{
    const size_t n = word_size(name);
    return n != 0 && n <= 63 && name[n] == '/' && word_valid(name + n + 1);
}

/* The key of a mapping's member, as a word. */
static sc_err get_word_key(const struct sc_yaml_node *member, const char *what, const char **out, struct sc_diag *diag)
{
    *out = member->key->text;
    if (!word_valid(*out))
        return sc_yaml_fail(member->key, diag, SC_E_MALFORMED,
                            "\"%.80s\" is no name of %s: small letters, digits and '-', 63 at most", *out, what);
    return SC_OK;
}

static const struct sc_yaml_node *required(const struct sc_yaml_node *mapping, const char *name, sc_err *err,
                                           struct sc_diag *diag)
{
    const struct sc_yaml_node *node = sc_yaml_get(mapping, name);
    *err = node != NULL ? SC_OK : sc_yaml_fail(mapping, diag, SC_E_MALFORMED, "\"%s\" is missing", name);
    return node;
}

static sc_err bounded(const struct sc_yaml_node *node, enum sc_yaml_kind kind, struct sc_diag *diag)
{
    SC_TRY(sc_yaml_expect(node, kind, diag));
    if (node->count > SC_SESSION_LIST_MAX)
        return sc_yaml_fail(node, diag, SC_E_LIMIT, "more than %zu elements", SC_SESSION_LIST_MAX);
    return SC_OK;
}

static void *many(struct session_box *box, size_t count, size_t size)
{
    return sc_arena_alloc(&box->arena, (count + 1) * size);
}

/* node NULL: an empty list. */
static sc_err get_texts(struct session_box *box, const struct sc_yaml_node *node, const char ***out, size_t *count,
                        struct sc_diag *diag)
{
    *count = 0;
    if (node == NULL)
        return SC_OK;
    SC_TRY(bounded(node, SC_YAML_SEQUENCE, diag));
    *out = many(box, node->count, sizeof **out);
    if (*out == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next)
        SC_TRY(sc_yaml_get_text(n, &(*out)[(*count)++], diag));
    return SC_OK;
}

/* ---- owners ---- */
static sc_err get_owner(const struct sc_yaml_node *member, struct sc_session *s, struct sc_diag *diag)
{
    struct sc_session_owner o = {0};
    const char *pem = NULL;
    struct sc_verifier *key = NULL;
    struct sc_diag why = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf spki = {0};
    SC_TRY(get_word_key(member, "an owner", &o.name, diag));
    SC_TRY(sc_yaml_get_text(member, &pem, diag));
    const sc_err err = sc_verifier_from_pem(sc_slice_str(pem), &key, &why);
    if (err != SC_OK)
        return sc_yaml_fail(member, diag, err, "key of %s: %s", o.name, sc_diag_text(&why, err));
    o.key = key;
    s->owners[s->owner_count++] = o; /* freed with the session from here on */
    SC_TRY(sc_verifier_to_spki(key, &spki));
    sc_hash_of(sc_buf_slice(&spki), &s->owners[s->owner_count - 1].id);
    for (size_t i = 0; i + 1 < s->owner_count; i++)
        if (memcmp(s->owners[i].id.bytes, s->owners[s->owner_count - 1].id.bytes, 32) == 0)
            return sc_yaml_fail(member, diag, SC_E_MALFORMED, "%s and %s have one key: k of n would count it twice",
                                s->owners[i].name, o.name);
    return SC_OK;
}

static sc_err get_owners(struct session_box *box, const struct sc_yaml_node *node, struct sc_diag *diag)
{
    static const char *const names[] = {"keys", "threshold", NULL};
    struct sc_session *s = &box->s;
    uint64_t threshold = 1;
    sc_err err;
    SC_TRY(sc_yaml_expect(node, SC_YAML_MAPPING, diag));
    SC_TRY(sc_yaml_expect_members(node, names, diag));
    const struct sc_yaml_node *keys = required(node, "keys", &err, diag);
    SC_TRY(err);
    SC_TRY(bounded(keys, SC_YAML_MAPPING, diag));
    if (keys->count == 0)
        return sc_yaml_fail(keys, diag, SC_E_MALFORMED, "a session without owners could never be changed");
    s->owners = many(box, keys->count, sizeof *s->owners);
    if (s->owners == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = keys->first; n != NULL; n = n->next)
        SC_TRY(get_owner(n, s, diag));
    const struct sc_yaml_node *t = sc_yaml_get(node, "threshold");
    if (t != NULL)
        SC_TRY(sc_yaml_get_uint(t, SC_SESSION_LIST_MAX, &threshold, diag));
    if (threshold == 0 || threshold > s->owner_count)
        return sc_yaml_fail(t != NULL ? t : node, diag, SC_E_MALFORMED, "threshold %llu of %zu owners",
                            (unsigned long long)threshold, s->owner_count);
    s->threshold = (size_t)threshold;
    return SC_OK;
}

/* ---- attestation ---- */
static sc_err get_kinds(const struct sc_yaml_node *node, struct sc_session *s, struct sc_diag *diag)
{
    SC_TRY(bounded(node, SC_YAML_SEQUENCE, diag));
    if (node->count == 0)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "no kind of evidence is accepted");
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next) {
        enum sc_attest_kind kind;
        const char *text = NULL;
        SC_TRY(sc_yaml_get_text(n, &text, diag));
        if (sc_attest_kind_parse(text, &kind) != SC_OK || kind == SC_ATTEST_UNKNOWN)
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "\"%.40s\" is neither sgx, tdx, snp nor software", text);
        s->kinds[kind] = true;
    }
    return SC_OK;
}

static sc_err get_statuses(const struct sc_yaml_node *node, struct sc_session *s, struct sc_diag *diag)
{
    SC_TRY(bounded(node, SC_YAML_SEQUENCE, diag));
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next) {
        enum sc_tcb_status status;
        const char *text = NULL;
        SC_TRY(sc_yaml_get_text(n, &text, diag));
        if (sc_tcb_status_parse(text, &status) != SC_OK || status == SC_TCB_REVOKED || status == SC_TCB_NOT_SUPPORTED)
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "\"%.40s\" is no status that can be tolerated", text);
        s->statuses[status] = true;
    }
    return SC_OK;
}

static sc_err get_attestation(const struct sc_yaml_node *node, struct sc_session *s, struct sc_diag *diag)
{
    static const char *const names[] = {"accept", "tolerate", "insecure_allow_debug", NULL};
    sc_err err;
    SC_TRY(sc_yaml_expect(node, SC_YAML_MAPPING, diag));
    SC_TRY(sc_yaml_expect_members(node, names, diag));
    const struct sc_yaml_node *accept = required(node, "accept", &err, diag);
    SC_TRY(err);
    SC_TRY(get_kinds(accept, s, diag));
    s->statuses[SC_TCB_UP_TO_DATE] = true;
    const struct sc_yaml_node *tolerate = sc_yaml_get(node, "tolerate");
    if (tolerate != NULL)
        SC_TRY(get_statuses(tolerate, s, diag));
    const struct sc_yaml_node *debug = sc_yaml_get(node, "insecure_allow_debug");
    return debug != NULL ? sc_yaml_get_bool(debug, &s->allow_debug, diag) : SC_OK;
}

/* ---- secrets ---- */
static const char *const secret_kinds[] = {
    [SC_SECRET_RANDOM] = "random", [SC_SECRET_PASSWORD] = "password", [SC_SECRET_KEY] = "private-key",
    [SC_SECRET_CA] = "x509-ca",    [SC_SECRET_CERT] = "x509",         [SC_SECRET_VALUE] = "value",
    [SC_SECRET_IMPORT] = "import"};
const char *sc_secret_kind_name(enum sc_secret_kind kind)
{
    return secret_kinds[kind];
}

static sc_err get_secret_kind(const struct sc_yaml_node *node, struct sc_session_secret *x, struct sc_diag *diag)
{
    sc_err err;
    const char *text = NULL;
    const struct sc_yaml_node *kind = required(node, "kind", &err, diag);
    SC_TRY(err);
    SC_TRY(sc_yaml_get_text(kind, &text, diag));
    for (size_t i = 0; i < sizeof secret_kinds / sizeof secret_kinds[0]; i++) {
        if (strcmp(text, secret_kinds[i]) == 0) {
            x->kind = (enum sc_secret_kind)i;
            return SC_OK;
        }
    }
    return sc_yaml_fail(kind, diag, SC_E_MALFORMED,
                        "\"%.40s\" is none of random, password, private-key, x509-ca, x509, value, import", text);
}

static sc_err get_secret_members(const struct sc_yaml_node *node, const struct sc_session_secret *x,
                                 struct sc_diag *diag)
{
    static const char *const random_names[] = {"kind", "size", "export", NULL};
    static const char *const key_names[] = {"kind", "algorithm", "export", NULL};
    static const char *const ca_names[] = {"kind", "algorithm", "common_name", "days", "export", NULL};
    static const char *const cert_names[] = {"kind", "algorithm", "common_name", "dns",
                                             "days", "issuer",    "export",      NULL};
    static const char *const value_names[] = {"kind", "value", "export", NULL};
    static const char *const import_names[] = {"kind", "session", "secret", NULL};
    static const char *const *const names[] = {
        [SC_SECRET_RANDOM] = random_names, [SC_SECRET_PASSWORD] = random_names, [SC_SECRET_KEY] = key_names,
        [SC_SECRET_CA] = ca_names,         [SC_SECRET_CERT] = cert_names,       [SC_SECRET_VALUE] = value_names,
        [SC_SECRET_IMPORT] = import_names};
    return sc_yaml_expect_members(node, names[x->kind], diag);
}

static sc_err get_key_members(const struct sc_yaml_node *node, struct sc_session_secret *x, struct sc_diag *diag)
{
    const struct sc_yaml_node *algorithm = sc_yaml_get(node, "algorithm");
    const struct sc_yaml_node *days = sc_yaml_get(node, "days");
    const struct sc_yaml_node *dns = sc_yaml_get(node, "dns");
    const char *text = "p256";
    uint64_t n = x->kind == SC_SECRET_CA ? 3650 : 90;
    sc_err err;
    if (algorithm != NULL)
        SC_TRY(sc_yaml_get_text(algorithm, &text, diag));
    if (sc_sign_alg_parse(text, &x->algorithm) != SC_OK)
        return sc_yaml_fail(algorithm, diag, SC_E_MALFORMED, "\"%.40s\" is neither ed25519, p256 nor rsa2048", text);
    if (x->kind == SC_SECRET_KEY)
        return SC_OK;
    const struct sc_yaml_node *cn = required(node, "common_name", &err, diag);
    SC_TRY(err);
    SC_TRY(sc_yaml_get_text(cn, &x->common_name, diag));
    if (x->common_name[0] == '\0' || strlen(x->common_name) > 64)
        return sc_yaml_fail(cn, diag, SC_E_MALFORMED, "a common name has 1 to 64 bytes");
    if (dns != NULL)
        SC_TRY(sc_yaml_get_text(dns, &x->dns, diag));
    if (x->dns != NULL && (strlen(x->dns) > 200 || strpbrk(x->dns, ",\n\r \t") != NULL))
        return sc_yaml_fail(dns, diag, SC_E_MALFORMED, "no DNS name");
    if (days != NULL)
        SC_TRY(sc_yaml_get_uint(days, DAYS_MAX, &n, diag));
    if (n == 0)
        return sc_yaml_fail(days, diag, SC_E_MALFORMED, "valid for no day");
    x->days = (int64_t)n;
    return SC_OK;
}

static sc_err get_import(const struct sc_yaml_node *node, struct sc_session_secret *x, struct sc_diag *diag)
{
    sc_err err;
    const struct sc_yaml_node *session = required(node, "session", &err, diag);
    SC_TRY(err);
    SC_TRY(sc_yaml_get_text(session, &x->from_session, diag));
    if (!sc_session_name_valid(x->from_session))
        return sc_yaml_fail(session, diag, SC_E_MALFORMED, "\"%.80s\" is no session (namespace/name)", x->from_session);
    x->from_secret = x->name;
    const struct sc_yaml_node *secret = sc_yaml_get(node, "secret");
    if (secret != NULL)
        SC_TRY(sc_yaml_get_text(secret, &x->from_secret, diag));
    return word_valid(x->from_secret)
               ? SC_OK
               : sc_yaml_fail(secret, diag, SC_E_MALFORMED, "\"%.80s\" is no name of a secret", x->from_secret);
}

static sc_err get_export(struct session_box *box, const struct sc_yaml_node *node, struct sc_session_secret *x,
                         struct sc_diag *diag)
{
    const char *text = NULL;
    if (node == NULL)
        return SC_OK;
    if (node->kind == SC_YAML_SCALAR) {
        SC_TRY(sc_yaml_get_text(node, &text, diag));
        x->is_public = strcmp(text, "public") == 0;
        return x->is_public ? SC_OK
                            : sc_yaml_fail(node, diag, SC_E_MALFORMED, "\"public\" or a list of sessions expected");
    }
    SC_TRY(get_texts(box, node, &x->exports, &x->export_count, diag));
    size_t i = 0;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next, i++)
        if (!sc_session_name_valid(x->exports[i]))
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "\"%.80s\" is no session (namespace/name)", x->exports[i]);
    return SC_OK;
}

static sc_err get_size(const struct sc_yaml_node *node, struct sc_session_secret *x, struct sc_diag *diag)
{
    uint64_t size = x->kind == SC_SECRET_PASSWORD ? 24 : 32;
    if (node != NULL)
        SC_TRY(sc_yaml_get_uint(node, 4096, &size, diag));
    const uint64_t min = x->kind == SC_SECRET_PASSWORD ? 12 : 16;
    if (size < min) /* 12 of 62 characters are 71 bits */
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "%llu is too short to be secret: %llu at least",
                            (unsigned long long)size, (unsigned long long)min);
    x->size = (size_t)size;
    return SC_OK;
}

static sc_err get_secret(struct session_box *box, const struct sc_yaml_node *member, struct sc_session_secret *x,
                         struct sc_diag *diag)
{
    sc_err err;
    x->line = member->key->line;
    SC_TRY(get_word_key(member, "a secret", &x->name, diag));
    SC_TRY(sc_yaml_expect(member, SC_YAML_MAPPING, diag));
    SC_TRY(get_secret_kind(member, x, diag));
    SC_TRY(get_secret_members(member, x, diag));
    SC_TRY(get_export(box, sc_yaml_get(member, "export"), x, diag));
    switch (x->kind) {
    case SC_SECRET_RANDOM:
    case SC_SECRET_PASSWORD:
        return get_size(sc_yaml_get(member, "size"), x, diag);
    case SC_SECRET_KEY:
    case SC_SECRET_CA:
    case SC_SECRET_CERT:
        return get_key_members(member, x, diag);
    case SC_SECRET_IMPORT:
        return get_import(member, x, diag);
    case SC_SECRET_VALUE:
        break;
    }
    const struct sc_yaml_node *value = required(member, "value", &err, diag);
    SC_TRY(err);
    return sc_yaml_get_text(value, &x->value, diag);
}

static sc_err link_issuer(const struct sc_yaml_node *member, struct sc_session *s, struct sc_session_secret *x,
                          struct sc_diag *diag)
{
    sc_err err;
    const char *name = NULL;
    const struct sc_yaml_node *issuer = required(member, "issuer", &err, diag);
    SC_TRY(err);
    SC_TRY(sc_yaml_get_text(issuer, &name, diag));
    x->issuer = sc_session_secret_find(s, name);
    if (x->issuer == NULL || x->issuer->kind != SC_SECRET_CA)
        return sc_yaml_fail(issuer, diag, SC_E_MALFORMED, "\"%.80s\" is no x509-ca of this session", name);
    return SC_OK;
}

static sc_err get_secrets(struct session_box *box, const struct sc_yaml_node *node, struct sc_diag *diag)
{
    struct sc_session *s = &box->s;
    if (node == NULL)
        return SC_OK;
    SC_TRY(bounded(node, SC_YAML_MAPPING, diag));
    s->secrets = many(box, node->count, sizeof *s->secrets);
    if (s->secrets == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next)
        SC_TRY(get_secret(box, n, &s->secrets[s->secret_count++], diag));
    size_t i = 0;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next, i++)
        if (s->secrets[i].kind == SC_SECRET_CERT)
            SC_TRY(link_issuer(n, s, &s->secrets[i], diag));
    return SC_OK;
}

static sc_err find_secret(const struct sc_yaml_node *node, const struct sc_session *s, const char *name,
                          const struct sc_session_secret **out, struct sc_diag *diag)
{
    *out = sc_session_secret_find(s, name);
    return *out != NULL ? SC_OK : sc_yaml_fail(node, diag, SC_E_MALFORMED, "there is no secret \"%.80s\"", name);
}

/* ---- services ---- */
static sc_err get_measurements(struct session_box *box, const struct sc_yaml_node *node, struct sc_session_service *v,
                               struct sc_diag *diag)
{
    SC_TRY(bounded(node, SC_YAML_SEQUENCE, diag));
    if (node->count == 0)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "no measurement: nothing could ever be this service");
    v->measurements = many(box, node->count, sizeof *v->measurements);
    v->measurement_sizes = many(box, node->count, 1);
    if (v->measurements == NULL || v->measurement_sizes == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next) {
        const char *text = NULL;
        SC_TRY(sc_yaml_get_text(n, &text, diag));
        const size_t size = strlen(text) == 96 ? 48 : 32;
        SC_TRY(sc_yaml_get_hex(n, v->measurements[v->measurement_count], size, diag));
        v->measurement_sizes[v->measurement_count++] = (uint8_t)size;
    }
    return SC_OK;
}

static sc_err get_signer(const struct sc_yaml_node *node, struct sc_session_service *v, struct sc_diag *diag)
{
    const char *text = NULL;
    uint64_t number = 0;
    sc_err err;
    static const uint8_t nobody[48];
    const struct sc_yaml_node *signer = sc_yaml_get(node, "signer");
    const struct sc_yaml_node *svn = sc_yaml_get(node, "minimum_svn");
    SC_TRY(sc_yaml_get_text(signer, &text, diag));
    v->signer_size = strlen(text) == 96 ? 48 : 32;
    SC_TRY(sc_yaml_get_hex(signer, v->signer, v->signer_size, diag));
    if (memcmp(v->signer, nobody, v->signer_size) == 0)
        return sc_yaml_fail(signer, diag, SC_E_MALFORMED, "zeros are the signer of all unsigned code");
    const struct sc_yaml_node *product = required(node, "product", &err, diag);
    SC_TRY(err);
    SC_TRY(sc_yaml_get_uint(product, UINT32_MAX, &number, diag));
    v->product_id = (uint32_t)number;
    number = 0;
    if (svn != NULL)
        SC_TRY(sc_yaml_get_uint(svn, UINT32_MAX, &number, diag));
    v->svn_min = (uint32_t)number;
    return SC_OK;
}

static sc_err get_identity(struct session_box *box, const struct sc_yaml_node *node, struct sc_session_service *v,
                           struct sc_diag *diag)
{
    const struct sc_yaml_node *measurements = sc_yaml_get(node, "measurements");
    const bool by_signer = sc_yaml_get(node, "signer") != NULL;
    if ((measurements != NULL) == by_signer)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED,
                            "a service is known either by \"measurements\" or by \"signer\" and \"product\"");
    if (!by_signer && (sc_yaml_get(node, "product") != NULL || sc_yaml_get(node, "minimum_svn") != NULL))
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "\"product\" and \"minimum_svn\" belong to \"signer\"");
    return by_signer ? get_signer(node, v, diag) : get_measurements(box, measurements, v, diag);
}

static sc_err get_environment(struct session_box *box, const struct sc_yaml_node *node, struct sc_session_service *v,
                              struct sc_diag *diag)
{
    if (node == NULL)
        return SC_OK;
    SC_TRY(bounded(node, SC_YAML_MAPPING, diag));
    v->environment = many(box, 2 * node->count, sizeof *v->environment);
    if (v->environment == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next, v->environment_count++) {
        const char *name = n->key->text;
        if (name[0] == '\0' || strchr(name, '=') != NULL)
            return sc_yaml_fail(n->key, diag, SC_E_MALFORMED, "no name of a variable");
        v->environment[2 * v->environment_count] = name;
        SC_TRY(sc_yaml_get_text(n, &v->environment[2 * v->environment_count + 1], diag));
    }
    return SC_OK;
}

static bool path_valid(const char *path)
{
    if (path[0] != '/' || path[1] == '\0' || strlen(path) > 1024 || strstr(path, "//") != NULL)
        return false;
    for (const char *p = path; (p = strchr(p, '/')) != NULL; p++)
        if (p[1] == '\0' ||
            (p[1] == '.' && (p[2] == '/' || p[2] == '\0' || (p[2] == '.' && (p[3] == '/' || p[3] == '\0')))))
            return false;
    return true;
}

static sc_err check_part(const struct sc_yaml_node *node, const struct sc_session *s,
                         const struct sc_template_part *part, struct sc_diag *diag)
{
    const struct sc_session_secret *x = NULL;
    SC_TRY(find_secret(node, s, part->secret, &x, diag));
    const bool has_parts = x->kind == SC_SECRET_CA || x->kind == SC_SECRET_CERT;
    const bool is_part =
        strcmp(part->part, "key") == 0 || strcmp(part->part, "cert") == 0 || strcmp(part->part, "ca") == 0;
    if (x->kind == SC_SECRET_IMPORT) /* known when it is resolved only */
        return SC_OK;
    if (has_parts != is_part || (x->kind == SC_SECRET_CA && strcmp(part->part, "ca") == 0))
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "{{secret.%s%s%s}}: the secret is of kind %s, %s", part->secret,
                            part->part[0] != '\0' ? "." : "", part->part, secret_kinds[x->kind],
                            x->kind == SC_SECRET_CA ? "with the parts key and cert"
                            : has_parts             ? "with the parts key, cert and ca"
                                                    : "which has no such part");
    return SC_OK;
}

static sc_err check_template(const struct sc_yaml_node *node, const struct sc_session *s, const char *content,
                             struct sc_diag *diag)
{
    struct sc_slice rest = sc_slice_str(content);
    for (;;) {
        struct sc_template_part part;
        struct sc_diag why = {0};
        const sc_err err = sc_template_next(&rest, &part, &why);
        if (err == SC_E_NOT_FOUND)
            return SC_OK;
        if (err != SC_OK)
            return sc_yaml_fail(node, diag, err, "%s", sc_diag_text(&why, err));
        if (part.kind == SC_PART_SECRET)
            SC_TRY(check_part(node, s, &part, diag));
    }
}

static sc_err get_files(struct session_box *box, const struct sc_yaml_node *node, struct sc_session_service *v,
                        struct sc_diag *diag)
{
    if (node == NULL)
        return SC_OK;
    SC_TRY(bounded(node, SC_YAML_MAPPING, diag));
    v->files = many(box, node->count, sizeof *v->files);
    if (v->files == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next) {
        struct sc_session_file *f = &v->files[v->file_count++];
        f->path = n->key->text;
        f->line = n->key->line;
        if (!path_valid(f->path))
            return sc_yaml_fail(n->key, diag, SC_E_MALFORMED, "\"%.80s\" is no absolute path without . and ..",
                                f->path);
        SC_TRY(sc_yaml_get_text(n, &f->content, diag));
        SC_TRY(check_template(n, &box->s, f->content, diag));
    }
    return SC_OK;
}

static sc_err get_volumes(struct session_box *box, const struct sc_yaml_node *node, struct sc_session_service *v,
                          struct sc_diag *diag)
{
    static const char *const names[] = {"key", "counter", NULL};
    if (node == NULL)
        return SC_OK;
    SC_TRY(bounded(node, SC_YAML_MAPPING, diag));
    v->volumes = many(box, node->count, sizeof *v->volumes);
    if (v->volumes == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next) {
        struct sc_session_volume *volume = &v->volumes[v->volume_count++];
        const char *key = NULL;
        sc_err err;
        volume->counter = true;
        SC_TRY(get_word_key(n, "a volume", &volume->name, diag));
        SC_TRY(sc_yaml_expect(n, SC_YAML_MAPPING, diag));
        SC_TRY(sc_yaml_expect_members(n, names, diag));
        const struct sc_yaml_node *key_node = required(n, "key", &err, diag);
        SC_TRY(err);
        SC_TRY(sc_yaml_get_text(key_node, &key, diag));
        SC_TRY(find_secret(key_node, &box->s, key, &volume->key, diag));
        if (volume->key->kind != SC_SECRET_IMPORT &&
            (volume->key->kind != SC_SECRET_RANDOM || volume->key->size != SC_KEY_SIZE))
            return sc_yaml_fail(key_node, diag, SC_E_MALFORMED, "a volume's key is a random secret of 32 bytes");
        const struct sc_yaml_node *counter = sc_yaml_get(n, "counter");
        if (counter != NULL)
            SC_TRY(sc_yaml_get_bool(counter, &volume->counter, diag));
    }
    return SC_OK;
}

static sc_err get_service_secrets(struct session_box *box, const struct sc_yaml_node *node,
                                  struct sc_session_service *v, struct sc_diag *diag)
{
    const char **names = NULL;
    size_t count = 0;
    SC_TRY(get_texts(box, node, &names, &count, diag));
    v->secrets = many(box, count, sizeof *v->secrets);
    if (v->secrets == NULL)
        return SC_E_NOMEM;
    const struct sc_yaml_node *n = node != NULL ? node->first : NULL;
    for (; n != NULL; n = n->next, v->secret_count++)
        SC_TRY(find_secret(n, &box->s, names[v->secret_count], &v->secrets[v->secret_count], diag));
    return SC_OK;
}

static sc_err get_service(struct session_box *box, const struct sc_yaml_node *member, struct sc_session_service *v,
                          struct sc_diag *diag)
{
    static const char *const names[] = {
        "measurements", "signer",  "product", "minimum_svn", "working_directory",    "arguments", "environment",
        "files",        "volumes", "secrets", "talks_to",    "certificate_lifetime", NULL};
    v->line = member->key->line;
    v->certificate_s = CERTIFICATE_S_DEFAULT;
    SC_TRY(get_word_key(member, "a service", &v->name, diag));
    SC_TRY(sc_yaml_expect(member, SC_YAML_MAPPING, diag));
    SC_TRY(sc_yaml_expect_members(member, names, diag));
    SC_TRY(get_identity(box, member, v, diag));
    const struct sc_yaml_node *directory = sc_yaml_get(member, "working_directory");
    if (directory != NULL)
        SC_TRY(sc_yaml_get_text(directory, &v->working_directory, diag));
    if (v->working_directory != NULL && v->working_directory[0] != '/')
        return sc_yaml_fail(directory, diag, SC_E_MALFORMED, "an absolute path expected");
    SC_TRY(get_texts(box, sc_yaml_get(member, "arguments"), &v->arguments, &v->argument_count, diag));
    SC_TRY(get_environment(box, sc_yaml_get(member, "environment"), v, diag));
    SC_TRY(get_files(box, sc_yaml_get(member, "files"), v, diag));
    SC_TRY(get_volumes(box, sc_yaml_get(member, "volumes"), v, diag));
    SC_TRY(get_service_secrets(box, sc_yaml_get(member, "secrets"), v, diag));
    SC_TRY(get_texts(box, sc_yaml_get(member, "talks_to"), &v->talks_to, &v->talk_count, diag));
    const struct sc_yaml_node *life = sc_yaml_get(member, "certificate_lifetime");
    if (life != NULL)
        SC_TRY(sc_yaml_get_duration_s(life, &v->certificate_s, diag));
    if (v->certificate_s < CERTIFICATE_S_MIN || v->certificate_s > CERTIFICATE_S_MAX)
        return sc_yaml_fail(life, diag, SC_E_MALFORMED, "a certificate lives 2 seconds to 7 days");
    return SC_OK;
}

/* After all services are read: those that may be named later in the document. */
static sc_err check_talks(const struct sc_yaml_node *node, const struct sc_session *s, struct sc_diag *diag)
{
    size_t i = 0;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next, i++) {
        const struct sc_yaml_node *list = sc_yaml_get(n, "talks_to");
        size_t k = 0;
        for (const struct sc_yaml_node *t = list != NULL ? list->first : NULL; t != NULL; t = t->next, k++) {
            const char *peer = s->services[i].talks_to[k];
            if (strncmp(peer, "spiffe://", 9) != 0 && sc_session_service_find(s, peer) == NULL)
                return sc_yaml_fail(t, diag, SC_E_MALFORMED,
                                    "\"%.80s\" is neither a service of this session nor a "
                                    "SPIFFE ID",
                                    peer);
        }
    }
    return SC_OK;
}

static sc_err get_services(struct session_box *box, const struct sc_yaml_node *node, struct sc_diag *diag)
{
    struct sc_session *s = &box->s;
    if (node == NULL)
        return SC_OK;
    SC_TRY(bounded(node, SC_YAML_MAPPING, diag));
    s->services = many(box, node->count, sizeof *s->services);
    if (s->services == NULL)
        return SC_E_NOMEM;
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next)
        SC_TRY(get_service(box, n, &s->services[s->service_count++], diag));
    return check_talks(node, s, diag);
}

/* ---- the document ---- */
static sc_err get_name(struct session_box *box, const struct sc_yaml_node *node, struct sc_diag *diag)
{
    SC_TRY(sc_yaml_get_text(node, &box->s.name, diag));
    if (!sc_session_name_valid(box->s.name))
        return sc_yaml_fail(node, diag, SC_E_MALFORMED,
                            "\"%.80s\" is no name: namespace/name, small letters, digits and '-'", box->s.name);
    char *space = sc_arena_strdup(&box->arena, box->s.name);
    if (space == NULL)
        return SC_E_NOMEM;
    *strchr(space, '/') = '\0';
    box->s.space = space;
    return SC_OK;
}

static sc_err get_readers(struct session_box *box, const struct sc_yaml_node *node, struct sc_diag *diag)
{
    struct sc_session *s = &box->s;
    SC_TRY(get_texts(box, node, &s->readers, &s->reader_count, diag));
    size_t i = 0;
    for (const struct sc_yaml_node *n = node != NULL ? node->first : NULL; n != NULL; n = n->next, i++)
        if (strncmp(s->readers[i], "spiffe://", 9) != 0)
            return sc_yaml_fail(n, diag, SC_E_MALFORMED, "\"%.80s\" is no SPIFFE ID (owners read without being named)",
                                s->readers[i]);
    return SC_OK;
}

static sc_err get_document(struct session_box *box, const struct sc_yaml_node *root, struct sc_diag *diag)
{
    static const char *const names[] = {"name",        "predecessor", "owners",  "readers",
                                        "attestation", "services",    "secrets", NULL};
    sc_err err;
    SC_TRY(sc_yaml_expect(root, SC_YAML_MAPPING, diag));
    SC_TRY(sc_yaml_expect_members(root, names, diag));
    const struct sc_yaml_node *name = required(root, "name", &err, diag);
    SC_TRY(err);
    SC_TRY(get_name(box, name, diag));
    const struct sc_yaml_node *predecessor = sc_yaml_get(root, "predecessor");
    box->s.has_predecessor = predecessor != NULL;
    if (predecessor != NULL)
        SC_TRY(sc_yaml_get_hex(predecessor, box->s.predecessor.bytes, 32, diag));
    const struct sc_yaml_node *owners = required(root, "owners", &err, diag);
    SC_TRY(err);
    SC_TRY(get_owners(box, owners, diag));
    SC_TRY(get_readers(box, sc_yaml_get(root, "readers"), diag));
    const struct sc_yaml_node *attestation = required(root, "attestation", &err, diag);
    SC_TRY(err);
    SC_TRY(get_attestation(attestation, &box->s, diag));
    SC_TRY(get_secrets(box, sc_yaml_get(root, "secrets"), diag));
    return get_services(box, sc_yaml_get(root, "services"), diag);
}

sc_err sc_session_parse(struct sc_slice yaml, const struct sc_session **out, struct sc_diag *diag)
{
    if (yaml.size > SC_SESSION_SIZE_MAX)
        return sc_fail(diag, SC_E_LIMIT, "a session of more than %zu bytes", SC_SESSION_SIZE_MAX);
    struct session_box *made = calloc(1, sizeof *made);
    if (made == NULL)
        return sc_fail(diag, SC_E_NOMEM, "session");
    SC_CLEANUP(box_freep) struct session_box *box = made;
    sc_arena_init(&box->arena, (size_t)16 << 20);
    sc_buf_put_bytes(&box->text, yaml);
    SC_TRY(sc_buf_status(&box->text));
    box->s.text = sc_buf_slice(&box->text);
    sc_hash_of(box->s.text, &box->s.hash);
    SC_TRY(sc_yaml_parse(box->s.text, &box->doc, diag));
    SC_TRY(get_document(box, sc_yaml_root(box->doc), diag));
    *out = &SC_TAKE(box)->s;
    return SC_OK;
}

sc_err sc_session_read(const char *path, const struct sc_session **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf text = {0};
    SC_TRY(sc_file_read(path, SC_SESSION_SIZE_MAX, &text, diag));
    return sc_context(diag, sc_session_parse(sc_buf_slice(&text), out, diag), "%s", path);
}
