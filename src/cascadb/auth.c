#include "cascadb/auth.h"

#include <stdio.h>

#define USERS_SIZE_MAX ((size_t)4 << 20)

struct pg_auth {
    const json_t *rights;
    char *users_path;
    struct sc_key mock_key; /* of this process: invented salts */
};

static sc_err right_parse(const char *text, bool *read_only_out)
{
    if (text == NULL || (strcmp(text, "read") != 0 && strcmp(text, "write") != 0))
        return SC_E_MALFORMED;
    *read_only_out = text[0] == 'r';
    return SC_OK;
}

static sc_err rights_check(const json_t *rights, struct sc_diag *diag)
{
    const char *id;
    json_t *value;
    bool read_only;
    if (!json_is_object(rights))
        return sc_fail(diag, SC_E_MALFORMED,
                       "config.json: \"rights\" is missing: {\"spiffe://...\": \"read\" or \"write\"}");
    json_object_foreach((json_t *)rights, id, value)
    {
        if (right_parse(json_string_value(value), &read_only) != SC_OK)
            return sc_fail(diag, SC_E_MALFORMED, "config.json: rights of \"%s\" are neither \"read\" nor \"write\"",
                           id);
    }
    return SC_OK;
}

static sc_err user_parse(const char *name, const json_t *value, struct scram_verifier *verifier_out,
                         bool *read_only_out, struct sc_diag *diag)
{
    const char *text = NULL;
    const char *right = NULL;
    SC_TRY(sc_json_get_str(value, "verifier", &text, diag));
    SC_TRY(sc_json_get_str(value, "right", &right, diag));
    if (right_parse(right, read_only_out) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "user \"%s\": the right is neither \"read\" nor \"write\"", name);
    if (scram_verifier_parse(sc_slice_str(text), verifier_out) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "user \"%s\": the verifier is not SCRAM-SHA-256$iterations:salt$key:key",
                       name); /* the text itself is a secret */
    return SC_OK;
}

static sc_err users_read(const struct pg_auth *a, json_t **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_TRY(sc_json_read(a->users_path, USERS_SIZE_MAX, &doc, diag));
    if (!json_is_object(doc))
        return sc_fail(diag, SC_E_MALFORMED, "%s is not an object of users", a->users_path);
    *out = SC_TAKE(doc);
    return SC_OK;
}

static sc_err users_check(const struct pg_auth *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *users = NULL;
    SC_CLEANUP(scram_verifier_wipe) struct scram_verifier v = {0};
    const char *name;
    json_t *value;
    bool read_only;
    SC_TRY(users_read(a, &users, diag));
    json_object_foreach(users, name, value)
    {
        if (strlen(name) >= PG_NAME_SIZE_MAX || strncmp(name, "spiffe:", 7) == 0)
            return sc_fail(diag, SC_E_MALFORMED, "%s: a user's name is too long, or looks like a SPIFFE ID",
                           a->users_path);
        SC_TRY(user_parse(name, value, &v, &read_only, diag));
    }
    return SC_OK;
}

sc_err pg_auth_new(const json_t *rights, const char *users_path, struct pg_auth **out, struct sc_diag *diag)
{
    SC_TRY(rights_check(rights, diag));
    SC_CLEANUP(pg_auth_freep) struct pg_auth *a = calloc(1, sizeof *a);
    if (a == NULL)
        return sc_fail(diag, SC_E_NOMEM, "rights");
    a->rights = rights;
    sc_key_random(&a->mock_key);
    if (users_path != NULL) {
        a->users_path = strdup(users_path);
        if (a->users_path == NULL)
            return sc_fail(diag, SC_E_NOMEM, "users");
        SC_TRY(users_check(a, diag));
    }
    *out = SC_TAKE(a);
    return SC_OK;
}

void pg_auth_free(struct pg_auth *a)
{
    if (a == NULL)
        return;
    sc_key_wipe(&a->mock_key);
    free(a->users_path);
    free(a);
}

void pg_auth_freep(struct pg_auth **a)
{
    pg_auth_free(*a);
}

bool pg_auth_has_users(const struct pg_auth *a)
{
    return a->users_path != NULL;
}

sc_err pg_auth_certificate(const struct pg_auth *a, const char *spiffe_id, struct pg_principal *out)
{
    bool read_only = true;
    if (strlen(spiffe_id) >= sizeof out->name ||
        right_parse(json_string_value(json_object_get(a->rights, spiffe_id)), &read_only) != SC_OK)
        return SC_E_AUTH;
    snprintf(out->name, sizeof out->name, "%s", spiffe_id);
    out->read_only = read_only;
    return SC_OK;
}

static void verifier_invent(const struct pg_auth *a, struct sc_slice user, struct scram_verifier *out)
{
    uint8_t mac[32];
    sc_hmac(&a->mock_key, user, mac);
    *out = (struct scram_verifier){.iterations = SCRAM_ITERATIONS_MIN, .salt_size = 16};
    memcpy(out->salt, mac, out->salt_size);
    sc_key_random(&out->stored_key); /* nobody knows what hashes to it */
    sc_key_random(&out->server_key);
}

sc_err pg_auth_user(const struct pg_auth *a, struct sc_slice user, struct scram_verifier *verifier_out,
                    struct pg_principal *principal_out, bool *known_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *users = NULL;
    struct pg_principal p = {.read_only = true};
    *known_out = false;
    verifier_invent(a, user, verifier_out);
    if (a->users_path == NULL || user.size == 0 || user.size >= sizeof p.name || memchr(user.ptr, 0, user.size) != NULL)
        return SC_OK;
    memcpy(p.name, user.ptr, user.size);
    SC_TRY(users_read(a, &users, diag));
    const json_t *value = json_object_get(users, p.name);
    if (value == NULL)
        return SC_OK;
    SC_TRY(user_parse(p.name, value, verifier_out, &p.read_only, diag));
    *principal_out = p;
    *known_out = true;
    return SC_OK;
}

sc_err pg_auth_password(const struct pg_auth *a, struct sc_slice user, struct sc_slice password,
                        struct pg_principal *out, struct sc_diag *diag)
{
    SC_CLEANUP(scram_verifier_wipe) struct scram_verifier v = {0};
    struct pg_principal p;
    bool known = false;
    SC_TRY(pg_auth_user(a, user, &v, &p, &known, diag));
    const sc_err err = scram_verifier_check(&v, password); /* takes as long for a user who does not exist */
    if (err != SC_OK || !known)
        return sc_fail(diag, err != SC_OK ? err : SC_E_AUTH, "wrong user or password");
    *out = p;
    return SC_OK;
}
