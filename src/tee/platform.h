/* tee/platform.h - the simulated platform: a root, a platform CA, a PCK certificate, a TCB signer, and a quoting enclave's
 * attestation key, made once; quotes under them, and the collateral that Intel's service would publish.
 * Every name says SIMULATED; nobody trusts the root who was not told to by name. */
#ifndef SC_TEE_PLATFORM_H
#define SC_TEE_PLATFORM_H

#include "crypto/x509.h"

#define TEE_COLLATERAL_DAYS 30

struct tee_platform;
sc_err tee_platform_new(int64_t now_ms, struct tee_platform **out, struct sc_diag *diag) SC_MUST_CHECK;
void tee_platform_free(struct tee_platform *p); /* NULL is fine */
void tee_platform_freep(struct tee_platform **p);
/* All of it, private keys included: to be sealed, then wiped. */
sc_err tee_platform_encode(const struct tee_platform *p, struct sc_buf *out) SC_MUST_CHECK;
sc_err tee_platform_decode(struct sc_slice bytes, struct tee_platform **out, struct sc_diag *diag) SC_MUST_CHECK;

struct tee_report {
    struct sc_hash measurement, signer;
    uint16_t product_id, svn;
    bool debug;
    uint8_t report_data[64];
};
/* Appends a quote of version 3. */
sc_err tee_platform_quote(const struct tee_platform *p, const struct tee_report *report, struct sc_buf *out,
                          struct sc_diag *diag) SC_MUST_CHECK;
/* Writes root.pem and collateral/ (in the files of attest/collateral.h) below dir, good for TEE_COLLATERAL_DAYS. */
sc_err tee_platform_publish(const struct tee_platform *p, int64_t now_ms, const char *dir, struct sc_diag *diag)
    SC_MUST_CHECK;

#endif
