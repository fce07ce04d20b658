#include "service/identity.h"

#include "base/arena.h"
#include "base/file.h"
#include "net/tls.h"

#include <stdio.h>

struct sc_identity {
    struct sc_arena arena; /* all strings */
    const char *dir;
    const char *cert_path, *key_path, *ca_path;
    char spiffe_id[SC_SPIFFE_ID_SIZE_MAX];
    json_t *config;
};

void sc_identity_free(struct sc_identity *id)
{
    if (id == NULL)
        return;
    json_decref(id->config);
    sc_arena_deinit(&id->arena);
    free(id);
}

void sc_identity_freep(struct sc_identity **id)
{
    sc_identity_free(*id);
}

sc_err sc_identity_file(struct sc_identity *id, const char *name, const char **path_out)
{
    SC_CLEANUP(sc_freep) char *joined = sc_path_join(id->dir, name);
    const char *kept = joined != NULL ? sc_arena_strdup(&id->arena, joined) : NULL;
    if (kept == NULL)
        return SC_E_NOMEM;
    *path_out = kept;
    return SC_OK;
}

sc_err sc_identity_load(const char *dir, struct sc_identity **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_identity_freep) struct sc_identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return sc_fail(diag, SC_E_NOMEM, "identity %s", dir);
    sc_arena_init(&id->arena, 0);
    id->dir = sc_arena_strdup(&id->arena, dir);
    if (id->dir == NULL)
        return sc_fail(diag, SC_E_NOMEM, "identity %s", dir);
    const char *config_path = NULL;
    SC_TRY(sc_identity_file(id, "cert.pem", &id->cert_path));
    SC_TRY(sc_identity_file(id, "key.pem", &id->key_path));
    SC_TRY(sc_identity_file(id, "ca.pem", &id->ca_path));
    SC_TRY(sc_identity_file(id, "config.json", &config_path));
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_TRY(sc_context(diag, sc_cert_read_pem(id->cert_path, &cert, diag), "identity"));
    SC_TRY(sc_context(diag, sc_cert_uri(cert, id->spiffe_id, sizeof id->spiffe_id, diag), "%s", id->cert_path));
    if (strncmp(id->spiffe_id, "spiffe://", 9) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s: \"%s\" is not a SPIFFE ID", id->cert_path, id->spiffe_id);
    SC_TRY(sc_json_read(config_path, (size_t)1 << 20, &id->config, diag));
    if (!json_is_object(id->config))
        return sc_fail(diag, SC_E_MALFORMED, "%s: not a JSON object", config_path);
    *out = SC_TAKE(id);
    return SC_OK;
}

const char *sc_identity_spiffe_id(const struct sc_identity *id)
{
    return id->spiffe_id;
}

const json_t *sc_identity_config(const struct sc_identity *id)
{
    return id->config;
}

const char *sc_identity_cert_path(const struct sc_identity *id)
{
    return id->cert_path;
}

const char *sc_identity_key_path(const struct sc_identity *id)
{
    return id->key_path;
}

const char *sc_identity_ca_path(const struct sc_identity *id)
{
    return id->ca_path;
}

sc_err sc_identity_secret(const struct sc_identity *id, const char *name, struct sc_key *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = NULL;
    if (asprintf(&path, "%s/%s.key", id->dir, name) < 0) {
        path = NULL;
        return sc_fail(diag, SC_E_NOMEM, "secret %s", name);
    }
    SC_CLEANUP(sc_buf_wipe) struct sc_buf bytes = {0};
    SC_TRY(sc_context(diag, sc_file_read(path, sizeof out->bytes, &bytes, diag), "secret %s", name));
    if (bytes.size != sizeof out->bytes)
        return sc_fail(diag, SC_E_MALFORMED, "secret %s: %s: %zu bytes instead of %zu", name, path, bytes.size,
                       sizeof out->bytes);
    memcpy(out->bytes, bytes.ptr, sizeof out->bytes);
    return SC_OK;
}

sc_err sc_identity_signer(const struct sc_identity *id, struct sc_signer **out, struct sc_diag *diag)
{
    return sc_signer_read_pem(id->key_path, out, diag);
}

sc_err sc_endpoint_parse(const json_t *value, struct sc_endpoint *out, struct sc_diag *diag)
{
    const char *host = NULL;
    const char *id = "";
    int64_t port = 0;
    if (!json_is_object(value))
        return sc_fail(diag, SC_E_MALFORMED, "an address {\"host\", \"port\"} is missing");
    SC_TRY(sc_json_get_str(value, "host", &host, diag));
    SC_TRY(sc_json_get_int(value, "port", 0, 65535, &port, diag));
    SC_TRY(sc_json_opt_str(value, "id", &id, diag));
    if (strlen(host) >= sizeof out->host || strlen(id) >= sizeof out->id)
        return sc_fail(diag, SC_E_LIMIT, "address: host or id too long");
    out->port = (uint16_t)port;
    memcpy(out->host, host, strlen(host) + 1);
    memcpy(out->id, id, strlen(id) + 1);
    return SC_OK;
}

sc_err sc_identity_endpoint(const struct sc_identity *id, const char *name, struct sc_endpoint *out,
                            struct sc_diag *diag)
{
    return sc_context(diag, sc_endpoint_parse(json_object_get(id->config, name), out, diag), "%s/config.json: \"%s\"",
                      id->dir, name);
}
