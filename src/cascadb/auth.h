/* cascadb/auth.h - who may do what: SPIFFE IDs of certificates and users with passwords.
 *
 * Rights of SPIFFE IDs are in config.json.  Users are in a file of their own, which is read again at each login, so that a
 * new password counts at once:
 *   {"grafana": {"verifier": "SCRAM-SHA-256$4096:...", "right": "read"}}
 * Immutable once made and thread-safe. */
#ifndef SC_CASCADB_AUTH_H
#define SC_CASCADB_AUTH_H

#include "base/json.h"
#include "cascadb/scram.h"

#define PG_NAME_SIZE_MAX ((size_t)256)

struct pg_principal {
    char name[PG_NAME_SIZE_MAX]; /* a SPIFFE ID, or a user's name */
    bool read_only;
};
struct pg_auth;
/* rights: borrowed; users_path: NULL without users (copied).  Reads the file once, to tell mistakes at start. */
sc_err pg_auth_new(const json_t *rights, const char *users_path, struct pg_auth **out, struct sc_diag *diag) SC_MUST_CHECK;
void pg_auth_free(struct pg_auth *a); /* NULL is fine */
void pg_auth_freep(struct pg_auth **a);
bool pg_auth_has_users(const struct pg_auth *a);
/* SC_E_AUTH: the ID has no right. */
sc_err pg_auth_certificate(const struct pg_auth *a, const char *spiffe_id, struct pg_principal *out) SC_MUST_CHECK;
/* The verifier to judge user by.  One who does not exist gets an invented one that nothing passes, always the same for
 * the same name: whether a user exists is not to be learned.  *known_out is for after a proof that was right. */
sc_err pg_auth_user(const struct pg_auth *a, struct sc_slice user, struct scram_verifier *verifier_out,
                    struct pg_principal *principal_out, bool *known_out, struct sc_diag *diag) SC_MUST_CHECK;
/* For logins that send the password (over TLS).  SC_E_AUTH if user or password are wrong. */
sc_err pg_auth_password(const struct pg_auth *a, struct sc_slice user, struct sc_slice password,
                        struct pg_principal *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
