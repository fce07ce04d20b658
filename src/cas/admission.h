/* cas/admission.h - evidence in, identity and secrets out.
 *
 *   service                                         CAS
 *   asks                                       ->   a challenge, good once and for a minute
 *   makes a key pair for its certificate and one for the answer; evidence over
 *   SHA-256("securecloud admission v1\0" | challenge | certificate key | answer key) and 32 zero bytes
 *   evidence, both public keys, challenge      ->   appraises; issues; collects
 *   opens the answer                           <-   sealed to the answer key
 *
 * The answer is for the holder of a key that the evidence vouches for, whatever the connection: evidence that somebody
 * passes on gives him nothing.  An admission belongs to one thread. */
#ifndef SC_CAS_ADMISSION_H
#define SC_CAS_ADMISSION_H

#include "base/json.h"
#include "cas/secrets.h"
#include "crypto/x509.h"

#define SC_CHALLENGE_SIZE ((size_t)32)
#define SC_CHALLENGE_LIFE_MS INT64_C(60000)

struct sc_admission_options { /* all borrowed */
    struct sc_registry *registry;
    const struct sc_roots *roots;
    /* The collateral for this evidence; *out stays the callee's. */
    sc_err (*collateral)(void *arg, struct sc_slice evidence, struct sc_collateral **out, struct sc_diag *diag);
    void *collateral_arg;
    const struct sc_cert *ca;
    const struct sc_signer *ca_key;
    const char *trust_domain; /* "spiffe://securecloud.local" */
};
struct sc_admission;
sc_err sc_admission_new(const struct sc_admission_options *opt, struct sc_admission **out) SC_MUST_CHECK;
void sc_admission_free(struct sc_admission *a); /* NULL is fine */
void sc_admission_freep(struct sc_admission **a);

void sc_admission_challenge(struct sc_admission *a, uint8_t out[static SC_CHALLENGE_SIZE]);

struct sc_admission_request {
    const char *session, *service;
    uint8_t challenge[SC_CHALLENGE_SIZE];
    struct sc_slice spki; /* the certificate's public key */
    struct sc_dh_public answer_key;
    struct sc_slice evidence;
};
void sc_admission_report_data(const struct sc_admission_request *req, uint8_t out[static 64]);
/* Appends the sealed answer.  Refusals are SC_E_AUTH, and diag says which condition failed: it is for the log and for the
 * session's owners; to a stranger, tell no more than that it was refused.  *id_out: the SPIFFE ID that was given. */
sc_err sc_admission_admit(struct sc_admission *a, const struct sc_admission_request *req, struct sc_buf *out,
                          char id_out[static 256], struct sc_diag *diag) SC_MUST_CHECK;

/* The service's side: opens the answer.  A JSON document (docs/services/cas.md). */
sc_err sc_admission_open(const struct sc_admission_request *req, const struct sc_key *answer_private,
                         struct sc_slice answer, json_t **out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
