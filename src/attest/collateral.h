/* attest/collateral.h - what a verifier needs beside the evidence: the makers' signed statements about their platforms.
 *
 * A folder holds one set, in these files (all but the evidence's own kind may be absent):
 *   Intel: tcb_info.json, qe_identity.json   as the service answers, signed bytes untouched
 *          pck_crl.der, root_ca_crl.der      DER (or PEM)
 *          tcb_signing_chain.pem             TCB signing certificate, root
 *   AMD:   vek.der                           VCEK or VLEK, DER (or PEM)
 *          chain.pem                         ASK or ASVK, ARK
 *          crl.der                           optional: the ARK's revocation list */
#ifndef SC_ATTEST_COLLATERAL_H
#define SC_ATTEST_COLLATERAL_H

#include "base/bytes.h"

struct sc_collateral_bytes { /* an empty slice: absent */
    struct sc_slice tcb_info, qe_identity, pck_crl, root_ca_crl, tcb_signing_chain;
    struct sc_slice vek, amd_chain, amd_crl;
};

/* Read once, used for many verifications: it remembers what of it has been verified under which root. */
struct sc_collateral;
/* Copies and parses.  A part that is broken or absent is no error here: sc_attest_verify() refuses when it comes to it,
 * with the part's own reason.  Zero a struct sc_collateral_bytes with sc_collateral_bytes_init() first. */
void sc_collateral_bytes_init(struct sc_collateral_bytes *bytes);
sc_err sc_collateral_new(const struct sc_collateral_bytes *bytes, struct sc_collateral **out,
                         struct sc_diag *diag) SC_MUST_CHECK;
/* From a folder; a file that is not there is an absent part.  SC_E_NOT_FOUND: no such folder. */
sc_err sc_collateral_read(const char *dir, struct sc_collateral **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_collateral_free(struct sc_collateral *c);
void sc_collateral_freep(struct sc_collateral **c);

#endif
