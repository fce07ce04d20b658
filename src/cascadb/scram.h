/* cascadb/scram.h - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 5929), the server's side, as bytes.
 *
 * The server never sees a password: it keeps a verifier, from which logging in as that user is not possible, and proves
 * that it has it.  No I/O; an exchange belongs to one thread.  Failures to authenticate all look alike (SC_E_AUTH);
 * SC_E_MALFORMED is a message that is none. */
#ifndef SC_CASCADB_SCRAM_H
#define SC_CASCADB_SCRAM_H

#include "crypto/password.h"

#define SCRAM_SALT_SIZE_MAX       ((size_t)64)
#define SCRAM_NONCE_SIZE          ((size_t)18)  /* bytes of ours, before base64 */
#define SCRAM_CLIENT_NONCE_SIZE_MAX ((size_t)128)
#define SCRAM_MESSAGE_SIZE_MAX    ((size_t)1024)
#define SCRAM_ITERATIONS_MIN      4096u /* RFC 7677 */
#define SCRAM_ITERATIONS_MAX      1000000u

/* "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", base64: as PostgreSQL writes it in pg_authid. */
struct scram_verifier {
    unsigned iterations;
    uint8_t salt[SCRAM_SALT_SIZE_MAX];
    size_t salt_size;
    struct sc_key stored_key, server_key;
};
sc_err scram_verifier_parse(struct sc_slice text, struct scram_verifier *out) SC_MUST_CHECK;
void scram_verifier_write(const struct scram_verifier *v, struct sc_buf *out);
/* Of a password in SASLprep's form, which for printable ASCII is the password itself. */
sc_err scram_verifier_make(struct sc_slice password, struct sc_slice salt, unsigned iterations,
                           struct scram_verifier *out) SC_MUST_CHECK;
/* Is this the password?  For logins that send it (HTTP Basic over TLS).  SC_E_AUTH if not. */
sc_err scram_verifier_check(const struct scram_verifier *v, struct sc_slice password) SC_MUST_CHECK;
void scram_verifier_wipe(struct scram_verifier *v);

/* One login: first message in, first out; final in, final out. */
struct scram_exchange {
    const struct scram_verifier *verifier; /* borrowed */
    struct sc_slice end_point;             /* tls-server-end-point of the channel; empty: PLUS is not offered */
    bool plus;                             /* the mechanism that the client chose */
    const uint8_t *nonce;                  /* SCRAM_NONCE_SIZE bytes, fresh for each exchange */
    /* its own: */
    struct sc_buf auth_message;   /* client-first-message-bare "," server-first-message */
    struct sc_buf nonce_text;     /* client's and ours */
    struct sc_buf binding;        /* gs2-header and channel binding, as c= must bring it back */
    bool begun, failed;
};
/* SC_E_AUTH also for a client that was made to believe that we know no channel binding (downgrade). */
sc_err scram_first(struct scram_exchange *x, struct sc_slice message, struct sc_buf *out) SC_MUST_CHECK;
/* SC_OK: it is the user.  An exchange answers one final message only. */
sc_err scram_final(struct scram_exchange *x, struct sc_slice message, struct sc_buf *out) SC_MUST_CHECK;
void scram_exchange_deinit(struct scram_exchange *x);

#endif
