/* cas/registry.h - the sessions of a CAS, in a Secure KVS: current versions, pending changes, history, namespaces.
 *
 * A change names its predecessor's hash and needs the signatures of k of n owners of that predecessor.  Until enough have
 * signed it is pending, one for each session.  The first session of a namespace claims it: later sessions in it are let in
 * by the owners of that one (its current ones), so that nobody else can put anything there.
 *
 * Several threads may use a registry.  SC_E_CONFLICT: somebody changed it at the same time, or the predecessor is not the
 * current version: look again. */
#ifndef SC_CAS_REGISTRY_H
#define SC_CAS_REGISTRY_H

#include "base/clock.h"
#include "cas/history.h"
#include "kvs/kvs.h"

struct sc_registry {
    struct sc_kvs *kvs; /* borrowed, as is the clock */
    const struct sc_clock *clock;
};

enum sc_change_state { SC_CHANGE_PENDING, SC_CHANGE_CURRENT };
struct sc_change {
    enum sc_change_state state;
    char session[SC_SESSION_NAME_MAX + 1];
    struct sc_hash hash;
    size_t threshold;
    size_t signed_count, missing_count; /* owners; missing_count are those of whom threshold - signed_count must follow */
    char signers[SC_SESSION_LIST_MAX][64];
    char missing[SC_SESSION_LIST_MAX][64];
};
/* A new session, or a change, with its first signature.
 *   SC_E_AUTH    a stranger's, or not his signature: nothing changed;
 *   SC_E_EXISTS  another change is pending: sign that one, or withdraw it. */
sc_err sc_registry_propose(struct sc_registry *r, struct sc_slice text, const struct sc_signature *signature,
                           struct sc_change *out, struct sc_diag *diag) SC_MUST_CHECK;
/* A further signature for what is pending; hash: what the signer has seen. */
sc_err sc_registry_sign(struct sc_registry *r, const char *session, const struct sc_hash *hash,
                        const struct sc_signature *signature, struct sc_change *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Any one of the owners who could sign may withdraw. */
sc_err sc_registry_withdraw(struct sc_registry *r, const char *session, const struct sc_hash *hash,
                            const struct sc_signature *signature, struct sc_diag *diag) SC_MUST_CHECK;
/* SC_E_NOT_FOUND: nothing is pending. */
sc_err sc_registry_pending(struct sc_registry *r, const char *session, struct sc_change *out, struct sc_diag *diag)
    SC_MUST_CHECK;

sc_err sc_registry_current(struct sc_registry *r, const char *session, const struct sc_session **out,
                           struct sc_diag *diag) SC_MUST_CHECK;
/* Every version from the first; `each` returning an error ends the walk with it. */
typedef sc_err (*sc_history_fn)(void *arg, const struct sc_history_entry *e);
sc_err sc_registry_history(struct sc_registry *r, const char *session, sc_history_fn each, void *arg,
                           struct sc_diag *diag) SC_MUST_CHECK;

/* Freshness counters of volumes, for services: compare-and-set as in kvs/kvs.h. */
sc_err sc_registry_counter_read(struct sc_registry *r, const char *session, const char *volume, uint64_t *out,
                                struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_registry_counter_advance(struct sc_registry *r, const char *session, const char *volume, uint64_t from,
                                   uint64_t to, struct sc_diag *diag) SC_MUST_CHECK;

#endif
