/* metering/meter.h - the meter: identity, registers, sequence numbers, memory, load switch; a pure state machine.
 *
 * No sockets, no threads, no clock of its own: time comes in as now_ms, bytes come in and go out.  Every interval makes
 * one signed reading (also "not measured" ones, so that sequence numbers have no holes); readings stay in a bounded ring
 * until they are pushed out by newer ones, acknowledged or not.  With seed and ephemeral_seed given, and a deterministic
 * signature algorithm (Ed25519, RSA), the same calls give the same bytes.
 *
 * Belongs to one thread at a time. */
#ifndef SC_METERING_METER_H
#define SC_METERING_METER_H

#include "crypto/x509.h"
#include "metering/electrical.h"
#include "metering/messages.h"

struct sc_meter;

#define SC_METER_MEMORY_MAX 100000

struct sc_meter_options {
    uint32_t serial;                       /* 1..99999999 */
    const struct sc_signer *signer;        /* metrology key; borrowed, must outlive the meter */
    struct sc_key agreement_key;           /* static X25519 private key; copied */
    struct sc_dh_public headend;
    const struct sc_verifier *operator_key;/* who may order load control; borrowed; NULL: nobody */
    struct sc_slice certificate;           /* DER sent with hello, may be empty; copied */
    uint32_t interval_s;                   /* 60..86400, divides the day */
    size_t memory_readings;                /* size of the ring; 0 = 40 days */
    size_t report_max;                     /* readings in one notify at most; 0 = 32 */
    int64_t retransmit_ms;                 /* an unacknowledged reading is sent again after this; 0 = 30 s */
    int32_t utc_offset_min;                /* local time of the NBR replies; Brazil: -180 */
    double ke;                             /* Wh per pulse; 0: chosen so that the rated load fits in 12 bits */
    struct sc_electrical_config electrical;
    bool plain_load_control;               /* E2-90 on the encrypted NBR channel acts without an operator's signature:
                                              insecure, for a gateway's legacy meters; otherwise answered 40/43 */
    const struct sc_key *ephemeral_seed;   /* NULL: fresh session keys from the system; set only by a simulation */
};
/* SC_E_USAGE with the reason. */
sc_err sc_meter_new(const struct sc_meter_options *opt, struct sc_meter **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_meter_free(struct sc_meter *m); /* NULL is fine */
void sc_meter_freep(struct sc_meter **m);

uint32_t sc_meter_serial(const struct sc_meter *m);
double sc_meter_ke(const struct sc_meter *m);

/* ---- measuring ---- */
struct sc_meter_load {
    int64_t start_ms;       /* on the grid, after the last one's start; skipped intervals become not measured */
    bool measured;          /* false: the meter had no measurement (no power, a gap of the data) */
    bool tamper;            /* cover opened */
    uint64_t demand_wh;     /* what the customer draws through the meter if the switch is closed */
    bool has_reactive;
    uint64_t inductive_varh, capacitive_varh;
};
/* Ends the interval: steps registers and model, makes, signs and stores the reading.  reading_out may be NULL.
 * SC_E_USAGE: off the grid, not after the last, or more than a year skipped. */
sc_err sc_meter_interval(struct sc_meter *m, const struct sc_meter_load *load, struct sc_reading *reading_out)
    SC_MUST_CHECK;
/* A stored reading: statement and signature borrow from the meter until the next interval.  SC_E_NOT_FOUND. */
sc_err sc_meter_stored(const struct sc_meter *m, uint64_t sequence, struct sc_signed_reading *out) SC_MUST_CHECK;

struct sc_meter_status {
    uint64_t oldest, newest, acked; /* sequences; 0: none */
    uint64_t unacked;               /* stored and not acknowledged */
    uint64_t lost;                  /* pushed out of memory unacknowledged */
    enum sc_load_state load;
    uint64_t energy_import_wh, energy_inductive_varh, energy_capacitive_varh;
    bool in_session;
    int64_t clock_offset_ms;        /* as set by the head-end: added to now_ms in the meter's own clock */
};
void sc_meter_status(const struct sc_meter *m, struct sc_meter_status *out);

/* ---- talking ---- */
/* Opens a session if there is none or it has expired, and appends one sealed HELLO.  After every (re)connection. */
sc_err sc_meter_hello(struct sc_meter *m, int64_t now_ms, struct sc_buf *wire_out) SC_MUST_CHECK;
/* Appends one sealed NOTIFY with the oldest readings that are due (never sent, or unacknowledged for retransmit_ms).
 * SC_E_NOT_FOUND: nothing is due; SC_E_USAGE: no session, say hello first; SC_E_AGAIN: the session expired, say hello. */
sc_err sc_meter_report(struct sc_meter *m, int64_t now_ms, struct sc_buf *wire_out) SC_MUST_CHECK;
/* The link was lost: everything unacknowledged is due at once. */
void sc_meter_reconnected(struct sc_meter *m);
/* Takes one envelope, acts, and appends the sealed answer, if there is one.  Envelopes that do not open change nothing
 * and answer nothing (errors as sc_envelope_open()); a well sealed but senseless message is answered by ERROR. */
sc_err sc_meter_receive(struct sc_meter *m, int64_t now_ms, struct sc_slice wire, struct sc_buf *wire_out) SC_MUST_CHECK;
/* The heart of receive, without cryptography: acts on an opened message; *answered_out tells whether type_out and
 * payload_out hold an answer. */
sc_err sc_meter_handle(struct sc_meter *m, int64_t now_ms, const struct sc_message *msg, bool *answered_out,
                       enum sc_envelope_type *type_out, struct sc_buf *payload_out) SC_MUST_CHECK;
/* Answers one NBR command, for a serial port or a gateway: appends 1..n replies of 258 octets.  SC_E_MALFORMED: not a
 * command frame (on a serial line: NAK). */
sc_err sc_meter_nbr(struct sc_meter *m, int64_t now_ms, struct sc_slice command, struct sc_buf *replies_out) SC_MUST_CHECK;
/* The customer presses the button of an armed switch. */
void sc_meter_button(struct sc_meter *m);

#endif
