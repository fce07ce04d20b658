/* crypto/password.h - what password logins need: PBKDF2 and base64.  Thread-safe. */
#ifndef SC_CRYPTO_PASSWORD_H
#define SC_CRYPTO_PASSWORD_H

#include "crypto/crypto.h"

/* PBKDF2-HMAC-SHA-256 (RFC 8018) of one block: Hi() of SCRAM (RFC 5802).  Takes time in proportion to iterations. */
sc_err sc_pbkdf2(struct sc_slice password, struct sc_slice salt, unsigned iterations, struct sc_key *out) SC_MUST_CHECK;

/* Appends s in base64 (RFC 4648, padded, no line breaks). */
void sc_base64_encode(struct sc_slice s, struct sc_buf *out);
/* Decodes the one canonical form only: SC_E_MALFORMED else, SC_E_LIMIT when more than out_size_max bytes. */
sc_err sc_base64_decode(struct sc_slice text, uint8_t *out, size_t out_size_max, size_t *size_out) SC_MUST_CHECK;

#endif
