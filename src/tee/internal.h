/* tee/internal.h - what a backend is. */
#ifndef SC_TEE_INTERNAL_H
#define SC_TEE_INTERNAL_H

#include "tee/tee.h"

struct tee_backend {
    /* self_out is handed to the rest; freed by free(). */
    sc_err (*open)(const struct sc_tee_options *opt, void **self_out, struct sc_diag *diag);
    void (*free)(void *self);
    sc_err (*identity)(void *self, struct sc_tee_identity *out, struct sc_diag *diag);
    sc_err (*evidence)(void *self, const uint8_t report_data[static 64], struct sc_buf *out, struct sc_buf *extra_out,
                       struct sc_diag *diag);
    /* The rest may be NULL: not offered.  key: the same one for the same identity, on this machine only. */
    sc_err (*seal_key)(void *self, enum sc_tee_bind bind, struct sc_key *out, struct sc_diag *diag);
    sc_err (*counter_read)(void *self, enum sc_tee_bind bind, const char *name, uint64_t *out, struct sc_diag *diag);
    sc_err (*counter_advance)(void *self, enum sc_tee_bind bind, const char *name, uint64_t from, uint64_t to,
                              struct sc_diag *diag);
};
extern const struct tee_backend tee_backend_software, tee_backend_sgx, tee_backend_tsm;

/* Reads a whole pseudo-file (whose size stat() does not tell), at most size_max bytes. */
sc_err tee_file_read(const char *dir, const char *name, size_t size_max, struct sc_buf *out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* Writes it with one write(2), as such files demand. */
sc_err tee_file_write(const char *dir, const char *name, struct sc_slice bytes, struct sc_diag *diag) SC_MUST_CHECK;

#endif
