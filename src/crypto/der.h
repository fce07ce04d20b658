/* crypto/der.h - DER, one element after another: for the extensions of other people's certificates.
 * Definite, minimal lengths and one-byte tags only; nothing recurses: the caller opens what he knows to be nested. */
#ifndef SC_CRYPTO_DER_H
#define SC_CRYPTO_DER_H

#include "base/bytes.h"

enum sc_der_tag {
    SC_DER_BOOLEAN = 0x01,
    SC_DER_INTEGER = 0x02,
    SC_DER_OCTET_STRING = 0x04,
    SC_DER_OID = 0x06,
    SC_DER_ENUMERATED = 0x0a,
    SC_DER_IA5_STRING = 0x16,
    SC_DER_SEQUENCE = 0x30
};

/* The next element, whatever it is.  SC_E_MALFORMED moves nothing. */
sc_err sc_der_get(struct sc_reader *r, uint8_t *tag_out, struct sc_slice *value_out) SC_MUST_CHECK;
/* The next element, which must have this tag. */
sc_err sc_der_expect(struct sc_reader *r, uint8_t tag, struct sc_slice *value_out) SC_MUST_CHECK;
/* The value of an INTEGER or ENUMERATED: minimal, not negative, at most max. */
sc_err sc_der_uint(struct sc_slice value, uint64_t max, uint64_t *out) SC_MUST_CHECK;

#endif
