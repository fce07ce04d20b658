/* billing/proof.h - a proof that one reading is in a bill: the signed statement, the meter's certificate, the audit path
 * to the measurement hash (docs/formats/bill.md).  Checked offline with nothing but the hash and the institute's root. */
#ifndef SC_BILLING_PROOF_H
#define SC_BILLING_PROOF_H

#include "billing/bill.h"
#include "crypto/x509.h"

#define SC_PROOF_SIZE_MAX ((size_t)1 << 20)

struct sc_proof {
    int64_t client_id;
    struct sc_reading reading;
    struct sc_slice signature, certificate; /* borrowed; DER */
    uint64_t index, tree_size;
    size_t path_count;
    struct sc_hash path[SC_MERKLE_DEPTH_MAX]; /* nearest sibling first */
    struct sc_hash measurement_hash;
};
sc_err sc_proof_to_json(const struct sc_proof *proof, json_t **out) SC_MUST_CHECK;

struct sc_proven {
    int64_t client_id;
    struct sc_reading reading;
    uint64_t index, tree_size;
};
/* SC_OK: the institute certified the meter for this customer at the time of the reading, the meter signed it, and it is
 * one of the leaves under `hash`.  SC_E_AUTH: one of these does not hold, diag says which; SC_E_MALFORMED names the
 * member. */
sc_err sc_proof_check(const json_t *doc, const struct sc_hash *hash, const struct sc_cert *institute,
                      struct sc_proven *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
