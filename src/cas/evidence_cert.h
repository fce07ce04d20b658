/* cas/evidence_cert.h - certificates that carry evidence (RA-TLS): the key of a TLS endpoint, vouched for by an enclave.
 *
 * TCG DICE: extension 2.23.133.5.4.9 with CBOR 60000([evidence, claims]); claims is the CBOR map
 * {"pubkey-hash": bytes of [1, SHA-256 of the SubjectPublicKeyInfo]}, and the report data is SHA-256 of claims and zeros.
 * Legacy: extension 1.2.840.113741.1337.6 (also under the object identifier that came of encoding it twice, which is the
 * one that is found in the field) with the bare quote, whose report data is SHA-256 of the SubjectPublicKeyInfo and zeros.
 *
 * The chain and the dates of such a certificate say nothing; the evidence does, and the handshake proves the key. */
#ifndef SC_CAS_EVIDENCE_CERT_H
#define SC_CAS_EVIDENCE_CERT_H

#include "attest/attest.h"
#include "crypto/x509.h"

enum sc_evidence_form { SC_EVIDENCE_DICE, SC_EVIDENCE_LEGACY };

/* Evidence over report data: sc_tee_evidence() behind it, or a test. */
typedef sc_err (*sc_evidence_fn)(void *arg, const uint8_t report_data[static 64], struct sc_buf *out,
                                 struct sc_diag *diag);
struct sc_evidence_cert_options {
    struct sc_cert_request request; /* subject_key is set from key; extensions are added to */
    const struct sc_cert *issuer_cert; /* NULL: self-signed */
    const struct sc_signer *issuer_key;
    enum sc_evidence_form form;
    sc_evidence_fn evidence;
    void *evidence_arg;
};
sc_err sc_evidence_cert_issue(const struct sc_evidence_cert_options *opt, const struct sc_signer *key,
                              struct sc_cert **out, struct sc_diag *diag) SC_MUST_CHECK;

/* What a certificate carries, before anything is believed.  Slices borrow from the certificate. */
struct sc_carried_evidence {
    enum sc_evidence_form form;
    struct sc_slice evidence;
    uint8_t report_data[64];  /* that the evidence must have */
    uint8_t key_hash[32];     /* of the certificate's key, as the claims have it; LEGACY: as the certificate has it */
};
/* SC_E_NOT_FOUND: it carries none.  SC_E_MALFORMED, SC_E_UNSUPPORTED (another hash than SHA-256). */
sc_err sc_evidence_cert_read(const struct sc_cert *cert, struct sc_carried_evidence *out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* The same for the DICE extension's value alone. */
sc_err sc_evidence_dice_parse(struct sc_slice value, struct sc_carried_evidence *out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* Judges: the evidence is genuine (result->reason), and vouches for this certificate's key.  SC_E_AUTH with the reason
 * otherwise.  Whether it is *wanted* evidence is the caller's policy to say. */
sc_err sc_evidence_cert_verify(const struct sc_cert *cert, struct sc_attest_verifier *v,
                               struct sc_collateral *collateral, int64_t now_s, struct sc_attest_result *result,
                               struct sc_diag *diag) SC_MUST_CHECK;

#endif
