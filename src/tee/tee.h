/* tee/tee.h - being an enclave: who am I, evidence of it, sealing, counters.
 *
 * One interface, three backends:
 *   software  no TEE: a quoting daemon under a uid of its own measures the caller through the kernel and signs quotes in
 *             the SGX DCAP form under a simulation root.  SIMULATED: docs/tee.md says what it protects from and what not.
 *   sgx       inside an SGX enclave: the files of Gramine's /dev/attestation.
 *   tsm       inside a TDX or SEV-SNP guest: the kernel's configfs-tsm reports.  Neither sealing nor counters.
 *
 * Judging evidence is attest/'s business; nothing here needs it.  An object belongs to one thread at a time, except that
 * counters may be used from several threads. */
#ifndef SC_TEE_TEE_H
#define SC_TEE_TEE_H

#include "crypto/crypto.h"

enum sc_tee_backend { SC_TEE_SOFTWARE, SC_TEE_SGX, SC_TEE_TSM };
sc_err sc_tee_backend_parse(const char *name, enum sc_tee_backend *out) SC_MUST_CHECK;

#define SC_TEE_SOCKET_DEFAULT "/run/securecloud/quotingd/socket"
#define SC_TEE_SGX_DEFAULT    "/dev/attestation"
#define SC_TEE_TSM_DEFAULT    "/sys/kernel/config/tsm/report"

struct sc_tee_options {
    enum sc_tee_backend backend;
    const char *root; /* NULL: the backend's default above; software: the daemon's socket; else the directory of files */
    int timeout_ms;   /* of one request to the daemon; 0: 10 s */
};

struct sc_tee;
/* SC_E_IO: no such device or daemon here.  Asks nothing secret of anybody yet. */
sc_err sc_tee_open(const struct sc_tee_options *opt, struct sc_tee **out, struct sc_diag *diag) SC_MUST_CHECK;
/* The backend of this machine: sgx where /dev/attestation says dcap, tsm where configfs-tsm is, else software. */
void sc_tee_options_detect(struct sc_tee_options *out);
void sc_tee_free(struct sc_tee *tee); /* NULL is fine */
void sc_tee_freep(struct sc_tee **tee);
/* "SIMULATED" for the software backend, else the backend's name: for start-up logs and status pages. */
const char *sc_tee_label(const struct sc_tee *tee);

/* Who the running code is, as its evidence will say. */
struct sc_tee_identity {
    uint8_t measurement[48];
    size_t measurement_size; /* 32 (software, SGX) or 48 (TDX, SNP) */
    uint8_t signer[48];      /* zero: unsigned */
    size_t signer_size;
    uint32_t product_id, svn;
    bool debug; /* the host can read its memory */
};
sc_err sc_tee_identity(struct sc_tee *tee, struct sc_tee_identity *out, struct sc_diag *diag) SC_MUST_CHECK;

/* Appends evidence over report_data: a quote, or an SEV-SNP report.  extra_out (may be NULL) gets what came beside it
 * (the certificate table of an SNP report), or nothing. */
#define SC_TEE_REPORT_DATA_SIZE ((size_t)64)
sc_err sc_tee_evidence(struct sc_tee *tee, const uint8_t report_data[static 64], struct sc_buf *out,
                       struct sc_buf *extra_out, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- sealing ----
 * To the code: only this very code on this machine opens it.  To the signer: any code of the same signer and product,
 * so that an update can read what its predecessor wrote. */
enum sc_tee_bind { SC_TEE_BIND_CODE = 1, SC_TEE_BIND_SIGNER = 2 };
#define SC_TEE_SEALED_EXTRA ((size_t)56) /* sealed size = plain size + this */
/* Appends; aad is authenticated, not kept.  SC_E_UNSUPPORTED: the backend has no sealing key; SC_E_USAGE: bound to the
 * signer of unsigned code. */
sc_err sc_tee_seal(struct sc_tee *tee, enum sc_tee_bind bind, struct sc_slice aad, struct sc_slice plain,
                   struct sc_buf *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Appends the plain bytes (wipe them).  SC_E_AUTH: sealed by other code, on another machine, or changed. */
sc_err sc_tee_unseal(struct sc_tee *tee, struct sc_slice aad, struct sc_slice sealed, struct sc_buf *out,
                     struct sc_diag *diag) SC_MUST_CHECK;

/* ---- monotonic counters, by name (1 .. 64 bytes), one set for each code or signer ----
 * Semantics as the Secure KVS wants them: a counter never used stands at 0; advance() is a compare-and-set that is
 * durable when it returns: SC_E_CONFLICT unless it stands at `from` (< to).  Thread-safe. */
#define SC_TEE_COUNTER_NAME_MAX ((size_t)64)
struct sc_tee_counter;
sc_err sc_tee_counter_open(struct sc_tee *tee, enum sc_tee_bind bind, const char *name, struct sc_tee_counter **out,
                           struct sc_diag *diag) SC_MUST_CHECK; /* borrows tee */
void sc_tee_counter_free(struct sc_tee_counter *c);             /* NULL is fine */
void sc_tee_counter_freep(struct sc_tee_counter **c);
/* `self` is the counter: these two go into a struct sc_kvs_counter as they are. */
sc_err sc_tee_counter_read(void *self, uint64_t *value_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_tee_counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag) SC_MUST_CHECK;

#endif
