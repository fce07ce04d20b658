/* cas/secrets.h - the secrets of a session: made when first needed, kept in the registry's KVS, renewed.
 *
 * A secret is made anew when its description in the session changes, and a certificate when two thirds of its life are
 * over (or when its issuer's is another one).  Several threads may ask; one makes it, all get the same. */
#ifndef SC_CAS_SECRETS_H
#define SC_CAS_SECRETS_H

#include "cas/registry.h"

struct sc_secret {
    enum sc_secret_kind kind; /* never IMPORT: that of what was imported */
    struct sc_buf value;      /* bytes, text, or a private key (PEM); empty where only certificates are given */
    struct sc_buf cert, ca;   /* PEM */
};
void sc_secret_deinit(struct sc_secret *s); /* wipes */
/* SC_E_AUTH: an import that the other session does not export to this one; SC_E_NOT_FOUND: it is not there. */
sc_err sc_secrets_get(struct sc_registry *r, const struct sc_session *s, const struct sc_session_secret *x,
                      struct sc_secret *out, struct sc_diag *diag) SC_MUST_CHECK;
/* A part for a template: "", "key", "cert", "ca", "hex", "base64". */
sc_err sc_secret_put_part(const struct sc_secret *s, const char *part, struct sc_buf *out, struct sc_diag *diag)
    SC_MUST_CHECK;

#endif
