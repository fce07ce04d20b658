/* cas/state.h - where a CAS keeps its sessions and secrets: a Secure KVS whose key is sealed by the enclave and whose
 * freshness counter is the enclave's.
 *   DIR/root.sealed   the KVS's root key, sealed to the code or its signer
 *   DIR/volume/       the KVS (untrusted: whoever has it can read nothing and put nothing back unnoticed)
 * One process has it open at a time (SC_E_CONFLICT for the second, until the first is gone).  Of two copies of the
 * directory, the one that writes first goes on; the other gets SC_E_CONFLICT, and is an old state from then on. */
#ifndef SC_CAS_STATE_H
#define SC_CAS_STATE_H

#include "kvs/kvs.h"
#include "tee/tee.h"

struct sc_cas_state_options {
    struct sc_tee *tee; /* borrowed; must offer sealing and counters */
    const char *dir;
    enum sc_tee_bind bind; /* SIGNER: a newer version of the CAS opens it, too */
    bool create;
};
struct sc_cas_state;
/* SC_E_AUTH: sealed by other code or on another machine, changed, or an older copy put back.
 * SC_E_NOT_FOUND: nothing there, and not told to create. */
sc_err sc_cas_state_open(const struct sc_cas_state_options *opt, struct sc_cas_state **out, struct sc_diag *diag)
    SC_MUST_CHECK;
void sc_cas_state_free(struct sc_cas_state *s); /* NULL is fine */
void sc_cas_state_freep(struct sc_cas_state **s);
struct sc_kvs *sc_cas_state_kvs(struct sc_cas_state *s);

#endif
