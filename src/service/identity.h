/* service/identity.h - who a process is and how it is configured: certificate, key, trusted CA, configuration, secrets.
 *
 * Services read all of this through this interface only.  Today it is filled from a directory that `securecloud init`
 * made; the attestation service will stand behind the same calls.  Read-only after loading, so shareable. */
#ifndef SC_SERVICE_IDENTITY_H
#define SC_SERVICE_IDENTITY_H

#include "base/json.h"
#include "crypto/x509.h"

#define SC_TRUST_DOMAIN "spiffe://securecloud.local"

struct sc_identity;
/* dir holds cert.pem, key.pem, ca.pem, config.json and secrets. */
sc_err sc_identity_load(const char *dir, struct sc_identity **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_identity_free(struct sc_identity *id); /* NULL is fine */
void sc_identity_freep(struct sc_identity **id);

const char *sc_identity_spiffe_id(const struct sc_identity *id); /* "spiffe://securecloud.local/mdc" */
const json_t *sc_identity_config(const struct sc_identity *id);  /* a JSON object */
/* PEM paths, for libraries that want files (TLS contexts, libpq). */
const char *sc_identity_cert_path(const struct sc_identity *id);
const char *sc_identity_key_path(const struct sc_identity *id);
const char *sc_identity_ca_path(const struct sc_identity *id);
/* dir/name in id's own storage; valid as long as id.  For further files that came with the identity. */
sc_err sc_identity_file(struct sc_identity *id, const char *name, const char **path_out) SC_MUST_CHECK;
/* A 32-byte secret by name ("kvs-root"); SC_E_NOT_FOUND without it.  Wipe it after use. */
sc_err sc_identity_secret(const struct sc_identity *id, const char *name, struct sc_key *out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* The private key of the certificate, for signing documents (verdicts, orders). */
sc_err sc_identity_signer(const struct sc_identity *id, struct sc_signer **out, struct sc_diag *diag) SC_MUST_CHECK;

/* An address in the configuration: member `name` = {"host": "127.0.0.1", "port": 4711}. */
struct sc_endpoint {
    char host[64];
    uint16_t port;
    char id[256]; /* optional member "id": the SPIFFE ID to expect there; "" without */
};
sc_err sc_endpoint_parse(const json_t *value, struct sc_endpoint *out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_identity_endpoint(const struct sc_identity *id, const char *name, struct sc_endpoint *out, struct sc_diag *diag)
    SC_MUST_CHECK;

#endif
