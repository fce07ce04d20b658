/* tee/tpm.h - what the quoting daemon wants of a TPM 2.0 (libtss2, ESAPI): bytes that only this TPM gives back, and a
 * counter that goes up only.  The owner hierarchy must have the empty password, as it has on a machine that nobody set up
 * otherwise.  The connection to the TPM is not encrypted: whoever taps the bus of a discrete TPM sees the sealing root. */
#ifndef SC_TEE_TPM_H
#define SC_TEE_TPM_H

#include "crypto/crypto.h"

struct tee_tpm;
/* tcti: "device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321".  nv_index: of the counter (0x01500000 ..). */
sc_err tee_tpm_open(const char *tcti, uint32_t nv_index, struct tee_tpm **out, struct sc_diag *diag) SC_MUST_CHECK;
void tee_tpm_free(struct tee_tpm *t); /* NULL is fine */
void tee_tpm_freep(struct tee_tpm **t);
/* Appends a blob that tee_tpm_unseal() takes on this TPM alone.  SC_E_AUTH: of another TPM, or changed. */
sc_err tee_tpm_seal(struct tee_tpm *t, const struct sc_key *secret, struct sc_buf *blob_out, struct sc_diag *diag)
    SC_MUST_CHECK;
sc_err tee_tpm_unseal(struct tee_tpm *t, struct sc_slice blob, struct sc_key *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Makes the counter where there is none.  A counter that was deleted and made again starts above all that the TPM ever
 * counted (TPM 2.0 part 1, 37.2.4), so deleting it turns nothing back. */
sc_err tee_tpm_counter_define(struct tee_tpm *t, struct sc_diag *diag) SC_MUST_CHECK;
sc_err tee_tpm_counter_read(struct tee_tpm *t, uint64_t *out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err tee_tpm_counter_increment(struct tee_tpm *t, struct sc_diag *diag) SC_MUST_CHECK;

#endif
