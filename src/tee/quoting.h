/* tee/quoting.h - the quoting daemon: answers over a listening Unix socket (tee/protocol.h), until told to stop.
 * One thread; who the caller is comes from the kernel alone. */
#ifndef SC_TEE_QUOTING_H
#define SC_TEE_QUOTING_H

#include "tee/state.h"

struct tee_quoting_options {
    int listen_fd; /* SOCK_SEQPACKET */
    int stop_fd;   /* readable: end */
    struct tee_state *state;
    const char *public_dir; /* the collateral there is renewed when it gets old */
};
sc_err tee_quoting_run(const struct tee_quoting_options *opt, struct sc_diag *diag) SC_MUST_CHECK;

#endif
