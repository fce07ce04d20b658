/* collection/headend.h - what authenticators and the MDC say to each other, over mutual TLS (net/conn.h).
 *
 * Up: the payload of an envelope that an authenticator opened and, for readings, whose signatures it verified (those
 * that failed are left out).  Down: a payload for a meter, which the authenticator seals.
 *   "u8 version 1, u8 direction (1 up, 2 down), u32 meter, u64 client_id (0 down), u8 envelope type, u32 message_id,
 *    u32 correlation_id, payload to the end", big-endian. */
#ifndef SC_COLLECTION_HEADEND_H
#define SC_COLLECTION_HEADEND_H

#include "metering/messages.h"

#define SC_HEADEND_HEADER_SIZE ((size_t)23)
#define SC_HEADEND_SIZE_MAX    (SC_HEADEND_HEADER_SIZE + SC_ENVELOPE_PAYLOAD_MAX)

struct sc_headend_frame {
    bool to_meter;
    uint32_t meter;
    uint64_t client_id;
    enum sc_envelope_type type;
    uint32_t message_id;
    uint32_t correlation_id;
    struct sc_slice payload; /* borrowed */
};
void sc_headend_encode(const struct sc_headend_frame *f, struct sc_buf *out);
sc_err sc_headend_decode(struct sc_slice wire, struct sc_headend_frame *out) SC_MUST_CHECK;

#endif
