/* metering/envelope.h - the asynchronous, end-to-end encrypted envelope between a meter and the head-end.
 *
 * One session = one ephemeral X25519 key of the meter.  Keys (Noise pattern K: both statics known beforehand):
 *   ikm  = DH(ephemeral, headend) || DH(meter_static, headend)
 *   64 bytes = HKDF-SHA256(salt "securecloud meter session v1", ikm,
 *                          info = ephemeral_pub || headend_pub || meter_pub || u32 serial || i64 opened_ms)
 *   up   = the first 32; down = HKDF-Expand(the last 32, "securecloud meter down v1" || u64 instance)
 * so every authenticator that holds the head-end's static key opens any message of any session with nothing but the
 * meter's registered public key: no state is shared between authenticators, and one takes over from another for free.
 * Several authenticators may therefore *send* in one session at once; each has a random `instance` and with it a key of
 * its own, or two of them would seal under one nonce.
 *
 * Wire format, big-endian (docs/formats/envelope.md):
 *   "SM", u8 version, u8 type, u8 flags, u8 0, u32 serial, 32 ephemeral, i64 opened_ms, u64 instance, u64 counter,
 *   u32 message_id, u32 correlation_id, u32 payload_size, payload, 16 tag.     All before the payload is authenticated.
 *
 * A session belongs to one thread at a time. */
#ifndef SC_METERING_ENVELOPE_H
#define SC_METERING_ENVELOPE_H

#include "crypto/crypto.h"

#define SC_ENVELOPE_VERSION     ((uint8_t)1)
#define SC_ENVELOPE_HEADER_SIZE ((size_t)78)
#define SC_ENVELOPE_PAYLOAD_MAX ((size_t)1 << 18)
#define SC_ENVELOPE_SIZE_MAX    (SC_ENVELOPE_HEADER_SIZE + SC_ENVELOPE_PAYLOAD_MAX + SC_TAG_SIZE)
#define SC_METER_SERIAL_MAX     UINT32_C(99999999)

enum sc_envelope_type {
    SC_ENVELOPE_REQUEST = 1,
    SC_ENVELOPE_REPLY = 2,
    SC_ENVELOPE_NOTIFY = 3, /* unsolicited */
    SC_ENVELOPE_ACK = 4,
    SC_ENVELOPE_ERROR = 5,
    SC_ENVELOPE_HELLO = 6,
    SC_ENVELOPE_LOAD_COMMAND = 7,
    SC_ENVELOPE_LOAD_RESULT = 8
};
const char *sc_envelope_type_name(enum sc_envelope_type type); /* "request", ... */

struct sc_envelope_header {
    enum sc_envelope_type type;
    bool to_meter;                 /* flags bit 0; all other flags are 0 */
    uint32_t meter;                /* serial number */
    struct sc_dh_public ephemeral; /* names the session */
    int64_t opened_ms;             /* when the meter opened the session, its clock */
    uint64_t instance;             /* the sender's, towards the meter; 0 from the meter */
    uint64_t counter;              /* 1, 2, ... per key */
    uint32_t message_id;
    uint32_t correlation_id;       /* the message_id this one answers; 0 = none */
    uint32_t payload_size;         /* bytes, without the tag */
};

/* Reads the header without any key and checks that wire is exactly one envelope: for who only routes.  What it tells is
 * not authenticated.  SC_E_MALFORMED; SC_E_LIMIT for a payload beyond the maximum; SC_E_UNSUPPORTED for another version. */
sc_err sc_envelope_peek(struct sc_slice wire, struct sc_envelope_header *out) SC_MUST_CHECK;
/* The whole size of the envelope that begins with these bytes: for who reads from a stream.
 * SC_E_AGAIN: fewer than SC_ENVELOPE_HEADER_SIZE bytes so far. */
sc_err sc_envelope_size(struct sc_slice begin, size_t *out) SC_MUST_CHECK;

/* ---- replay ---- */
#define SC_REPLAY_WINDOW 64
struct sc_replay_window {
    uint64_t newest; /* highest counter accepted; 0: none yet */
    uint64_t seen;   /* bit i: newest - i was accepted */
};
/* SC_OK, SC_E_EXISTS (seen before) or SC_E_LIMIT (older than the window, or 0); changes nothing. */
sc_err sc_replay_check(const struct sc_replay_window *w, uint64_t counter) SC_MUST_CHECK;
/* The same, and marks an accepted counter.  Only for counters whose tag verified. */
sc_err sc_replay_check_and_set(struct sc_replay_window *w, uint64_t counter) SC_MUST_CHECK;

/* ---- session ---- */
#define SC_SESSION_MESSAGES_MAX ((uint64_t)1 << 40)
#define SC_SESSION_AGE_MAX_MS   ((int64_t)86400000)
/* How many senders a meter listens to in one session; then it opens a new one (its replay windows are bounded). */
#define SC_SESSION_INSTANCES_MAX 8

struct sc_session; /* keys and counters; wiped when freed */

struct sc_session_meter_options {
    uint32_t meter;
    const struct sc_key *agreement_key;    /* the meter's static X25519 private key */
    const struct sc_dh_public *headend;
    int64_t opened_ms;
    const struct sc_key *ephemeral_key;    /* NULL: fresh from the system; given only by a simulation that must repeat */
};
/* Both open functions copy what they are given.  SC_E_AUTH: a public key is of low order. */
sc_err sc_session_meter_open(const struct sc_session_meter_options *opt, struct sc_session **out) SC_MUST_CHECK;

struct sc_session_headend_options {
    const struct sc_key *headend_key;              /* the head-end's static X25519 private key */
    const struct sc_dh_public *meter_agreement;    /* registered for the serial in `seen` */
    const struct sc_envelope_header *seen;         /* of any envelope of the session, peeked */
    uint64_t instance;                             /* 0: random.  Given only by tests. */
};
/* Cheap enough for every first message (two X25519), but proves nothing yet: the first sc_envelope_open() does. */
sc_err sc_session_headend_open(const struct sc_session_headend_options *opt, struct sc_session **out) SC_MUST_CHECK;
void sc_session_free(struct sc_session *s); /* NULL is fine */
void sc_session_freep(struct sc_session **s);

uint32_t sc_session_meter(const struct sc_session *s);
const struct sc_dh_public *sc_session_ephemeral(const struct sc_session *s);
int64_t sc_session_opened_ms(const struct sc_session *s);
/* Time for a new session: too old at now_ms, too many messages, or (meter) too many senders. */
bool sc_session_expired(const struct sc_session *s, int64_t now_ms);
/* Is the header of this session?  (serial, ephemeral key, opening time) */
bool sc_session_matches(const struct sc_session *s, const struct sc_envelope_header *h);

/* Appends one envelope to out.  SC_E_LIMIT: payload too large, or the session's messages are used up. */
sc_err sc_envelope_seal(struct sc_session *s, enum sc_envelope_type type, uint32_t message_id, uint32_t correlation_id,
                        struct sc_slice payload, struct sc_buf *out) SC_MUST_CHECK;
/* Opens one envelope and appends its plaintext to payload_out (untouched on failure).
 *   SC_E_MALFORMED, SC_E_UNSUPPORTED, SC_E_LIMIT  as peek;
 *   SC_E_CONFLICT  not of this session (other meter, other ephemeral key);
 *   SC_E_AUTH      a wrong tag, or a message going the wrong way;
 *   SC_E_EXISTS    a replay;   SC_E_LIMIT  older than the replay window, or one sender too many. */
sc_err sc_envelope_open(struct sc_session *s, struct sc_slice wire, struct sc_envelope_header *header_out,
                        struct sc_buf *payload_out) SC_MUST_CHECK;

#endif
