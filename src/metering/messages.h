/* metering/messages.h - what travels inside an envelope: payload = u8 kind, then the kind's fields, big-endian.
 *
 * Decoding judges form only (whole, bounded, nothing trailing; the kind fits the envelope's type) and borrows slices
 * from the payload.  Pure functions, thread-safe. */
#ifndef SC_METERING_MESSAGES_H
#define SC_METERING_MESSAGES_H

#include "metering/envelope.h"
#include "metering/nbr14522.h"
#include "metering/reading.h"

enum sc_message_kind {             /* envelope type it travels in; M = meter, H = head-end */
    SC_MESSAGE_HELLO = 1,          /* HELLO, M: opens a session */
    SC_MESSAGE_READINGS = 2,       /* NOTIFY, M; REPLY, M: to GAP_REQUEST */
    SC_MESSAGE_ACK = 3,            /* ACK, H */
    SC_MESSAGE_GAP_REQUEST = 4,    /* REQUEST, H */
    SC_MESSAGE_NBR_COMMAND = 5,    /* REQUEST, H */
    SC_MESSAGE_NBR_REPLY = 6,      /* REPLY, M */
    SC_MESSAGE_CLOCK_REQUEST = 7,  /* REQUEST, H: read or set */
    SC_MESSAGE_CLOCK_REPLY = 8,    /* REPLY, M */
    SC_MESSAGE_LOAD_COMMAND = 9,   /* LOAD_COMMAND, H */
    SC_MESSAGE_LOAD_RESULT = 10,   /* LOAD_RESULT, M */
    SC_MESSAGE_ERROR = 11          /* ERROR, both */
};

#define SC_READINGS_COUNT_MAX 256
#define SC_ACK_EXTRA_MAX      64
#define SC_NBR_BLOCKS_MAX     999
#define SC_ERROR_TEXT_MAX     200
#define SC_OPERATOR_ID_SIZE   33 /* with NUL */
#define SC_CERTIFICATE_MAX    4096

struct sc_signed_reading {
    struct sc_slice statement; /* SC_READING_STATEMENT_SIZE bytes */
    struct sc_slice signature;
};

struct sc_message_hello {
    uint64_t oldest_sequence; /* still in the meter's memory; 0: none */
    uint64_t newest_sequence; /* 0: none yet */
    uint64_t acked_sequence;  /* all up to here were acknowledged */
    int64_t clock_ms;
    uint32_t interval_s;
    struct sc_slice certificate; /* DER, or empty */
};
struct sc_message_readings {
    uint16_t count;        /* at least 1 in a notify, 0 in a reply when nothing is left in memory */
    struct sc_slice items; /* walk with sc_readings_next() */
};
struct sc_message_ack {
    uint64_t up_to;         /* every sequence up to here is stored durably */
    uint16_t extra_count;   /* and these beyond it */
    uint64_t extra[SC_ACK_EXTRA_MAX];
};
struct sc_message_gap_request {
    uint64_t from, to; /* inclusive, from <= to; the reply holds those still in memory, at most SC_READINGS_COUNT_MAX */
};
struct sc_message_nbr_command {
    uint8_t frame[SC_NBR_COMMAND_SIZE]; /* unchanged, with its CRC */
};
struct sc_message_nbr_reply {
    uint16_t block_count;   /* 1, or more for a composed reply */
    struct sc_slice blocks; /* block_count * SC_NBR_REPLY_SIZE bytes */
};
struct sc_message_clock {
    bool set;         /* request: set it; reply: it was set */
    int64_t clock_ms; /* request: the new time (0 when only reading); reply: the meter's time, after setting */
};

/* ---- load control ----
 * Signed by the utility's operator key, so that a head-end process alone cannot cut customers off, and bound to one
 * meter, a time window and a growing order number, so that an order acts once. */
enum sc_load_action { SC_LOAD_DISCONNECT = 1, SC_LOAD_RECONNECT = 2, SC_LOAD_ARM = 3, SC_LOAD_QUERY = 4 };
enum sc_load_state { SC_LOAD_CONNECTED = 1, SC_LOAD_DISCONNECTED = 2, SC_LOAD_ARMED = 3 /* waits for the customer's button */ };
enum sc_load_reason { SC_LOAD_REASON_OTHER = 0, SC_LOAD_REASON_NON_PAYMENT, SC_LOAD_REASON_CUSTOMER_REQUEST,
                      SC_LOAD_REASON_SAFETY, SC_LOAD_REASON_SHEDDING, SC_LOAD_REASON_FRAUD, SC_LOAD_REASON_COUNT };
enum sc_load_code {
    SC_LOAD_DONE = 0,
    SC_LOAD_REFUSED_SIGNATURE = 1, /* not signed by the operator, or for another meter */
    SC_LOAD_REFUSED_EARLY = 2,
    SC_LOAD_REFUSED_EXPIRED = 3,
    SC_LOAD_REFUSED_ORDER = 4      /* an order with this or a higher number was carried out before */
};
const char *sc_load_action_name(enum sc_load_action action);
const char *sc_load_state_name(enum sc_load_state state);
const char *sc_load_code_name(enum sc_load_code code);

struct sc_load_order {
    uint32_t meter;
    uint64_t order_id; /* grows with each order to this meter */
    enum sc_load_action action;
    enum sc_load_reason reason;
    int64_t not_before_ms, not_after_ms; /* wall clock; the meter acts inside [not_before, not_after] */
    char operator_id[SC_OPERATOR_ID_SIZE]; /* printable ASCII, for the record */
};
/* "SCLO", u8 version 1, u32 meter, u64 order, u8 action, u8 reason, i64, i64, u8 length + operator: what is signed. */
void sc_load_order_encode(const struct sc_load_order *order, struct sc_buf *out);
sc_err sc_load_order_decode(struct sc_slice statement, struct sc_load_order *out) SC_MUST_CHECK;

struct sc_message_load_command {
    struct sc_slice statement; /* sc_load_order_encode() */
    struct sc_slice signature; /* by the operator's key over statement */
};
struct sc_message_load_result {
    uint64_t order_id;
    enum sc_load_action action;
    enum sc_load_code code;
    enum sc_load_state before, after;
    float current_a;  /* sum of the phases, measured after the switch; NaN is refused */
    int64_t done_ms;
};
struct sc_message_error {
    sc_err code;          /* as in base/err.h */
    struct sc_slice text; /* UTF-8, for a human */
};

struct sc_message {
    enum sc_message_kind kind;
    union {
        struct sc_message_hello hello;
        struct sc_message_readings readings;
        struct sc_message_ack ack;
        struct sc_message_gap_request gap_request;
        struct sc_message_nbr_command nbr_command;
        struct sc_message_nbr_reply nbr_reply;
        struct sc_message_clock clock;
        struct sc_message_load_command load_command;
        struct sc_message_load_result load_result;
        struct sc_message_error error;
    };
};

/* Appends the payload; failures are the buffer's sticky ones. */
void sc_message_encode(const struct sc_message *m, struct sc_buf *out);
/* type and to_meter from the envelope: a kind in the wrong envelope or direction is SC_E_MALFORMED. */
sc_err sc_message_decode(enum sc_envelope_type type, bool to_meter, struct sc_slice payload, struct sc_message *out)
    SC_MUST_CHECK;

/* One (statement, signature) pair: what READINGS.items is made of. */
void sc_readings_put(struct sc_slice statement, struct sc_slice signature, struct sc_buf *items);
/* SC_E_NOT_FOUND after the last. */
sc_err sc_readings_next(struct sc_reader *r, struct sc_signed_reading *out) SC_MUST_CHECK;

#endif
