/* tee/state.h - what the quoting daemon keeps: the sealing root, the simulated platform, everybody's counters.
 *
 *   DIR/root.key          the sealing root in the clear (mode 0600): no TPM, whoever copies the disk has it
 *   DIR/root.tpm          the sealing root, sealed by the TPM
 *   DIR/platform.sealed   the simulated platform's keys and certificates, sealed under the root
 *   DIR/counters.0, .1    the counters, written in turn; the newer whole one counts
 *   DIR/public/           root.pem and collateral/: for those who judge quotes
 *
 * With a TPM the counters' epoch is the TPM's counter: a file is written for the next value, then the TPM counts.  A file
 * of another value is an older copy put back (or another machine's) and is refused.  Each start counts once, so that a
 * file that was written before a crash and never acknowledged cannot come back later. */
#ifndef SC_TEE_STATE_H
#define SC_TEE_STATE_H

#include "tee/platform.h"
#include "tee/tee.h"

#define TEE_COUNTERS_MAX        ((size_t)16384)
#define TEE_COUNTERS_OWNER_MAX  ((size_t)256)
#define TEE_NV_INDEX_DEFAULT    UINT32_C(0x01500020)

struct tee_state_options {
    const char *dir;
    const char *tpm_tcti; /* NULL: no TPM */
    uint32_t nv_index;    /* 0: the default */
};
struct tee_state;
/* Makes what is not there.  SC_E_AUTH: another machine's, or an older copy. */
sc_err tee_state_open(const struct tee_state_options *opt, int64_t now_ms, struct tee_state **out, struct sc_diag *diag)
    SC_MUST_CHECK;
void tee_state_free(struct tee_state *s); /* NULL is fine */
void tee_state_freep(struct tee_state **s);
const char *tee_state_memory_kind(const struct tee_state *s); /* where the root is held: "memfd_secret", ... */
const struct tee_platform *tee_state_platform(const struct tee_state *s);

/* Whose key or counter: the code, or its signer and product.  Debuggable code is somebody else. */
struct tee_owner {
    struct sc_hash id;
};
void tee_owner_make(enum sc_tee_bind bind, const struct sc_hash *code_or_signer, uint32_t product_id, bool debug,
                    struct tee_owner *out);
sc_err tee_state_seal_key(struct tee_state *s, const struct tee_owner *owner, struct sc_key *out) SC_MUST_CHECK;
sc_err tee_state_counter_read(struct tee_state *s, const struct tee_owner *owner, struct sc_slice name, uint64_t *out,
                              struct sc_diag *diag) SC_MUST_CHECK;
sc_err tee_state_counter_advance(struct tee_state *s, const struct tee_owner *owner, struct sc_slice name,
                                 uint64_t from, uint64_t to, struct sc_diag *diag) SC_MUST_CHECK;

#endif
