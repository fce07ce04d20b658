/* collection/gate.h - the authenticator's thinking part: who speaks, and is every word his?
 *
 * Knows neither sockets nor database: envelopes come in, what is genuine comes out as a frame for the MDC, and every
 * refusal is told with its reason.  Meters are looked up through a function; time comes from a clock.  Memory is bounded:
 * at most SC_GATE_METERS_MAX meters are remembered, known or not.  Not thread-safe. */
#ifndef SC_COLLECTION_GATE_H
#define SC_COLLECTION_GATE_H

#include "base/clock.h"
#include "collection/headend.h"
#include "crypto/x509.h"

#define SC_GATE_METERS_MAX ((size_t)1 << 20)

enum sc_gate_refusal {
    SC_GATE_MALFORMED,     /* no envelope, or a senseless message in a genuine one */
    SC_GATE_UNKNOWN_METER, /* not registered, or its certificate is not acceptable */
    SC_GATE_NOT_AUTHENTIC, /* not sealed by this meter for us */
    SC_GATE_REPLAY,        /* counter seen before, or too old to tell; or a session that is over */
    SC_GATE_SIGNATURE,     /* a reading's signature is wrong */
    SC_GATE_FOREIGN,       /* a reading names another meter */
    SC_GATE_REFUSAL_COUNT
};
const char *sc_gate_refusal_name(enum sc_gate_refusal why); /* "malformed", "unknown_meter", ... */

/* What the register says of a meter; slices are borrowed until find is called again. */
struct sc_gate_entry {
    struct sc_slice certificate; /* DER */
    struct sc_slice agreement;   /* 32 bytes, X25519 */
};
struct sc_gate_options {
    const struct sc_key *headend_key;  /* static X25519; borrowed, must outlive the gate */
    const struct sc_cert *institute;   /* root of all meters' certificates; borrowed */
    const struct sc_clock *clock;      /* borrowed */
    /* SC_E_NOT_FOUND: no such meter; SC_E_AGAIN: cannot be asked now. */
    sc_err (*find)(void *arg, uint32_t serial, struct sc_gate_entry *out, struct sc_diag *diag);
    void (*refused)(void *arg, enum sc_gate_refusal why, uint32_t serial, const char *detail);
    void *arg;
};

struct sc_gate;
sc_err sc_gate_new(const struct sc_gate_options *opt, struct sc_gate **out) SC_MUST_CHECK;
void sc_gate_free(struct sc_gate *g); /* NULL is fine */
void sc_gate_freep(struct sc_gate **g);

/* Opens one envelope.  SC_OK: it is the meter's; *frame_out is what goes up (payload borrowed until the next call), with
 * those readings left out that the meter did not sign; frame_out->payload is empty when none is left.
 * SC_E_AUTH: refused, and told.  SC_E_NOMEM. */
sc_err sc_gate_open(struct sc_gate *g, struct sc_slice wire, struct sc_headend_frame *frame_out) SC_MUST_CHECK;
/* Seals a frame from the MDC for its meter and appends it to out.  SC_E_AGAIN: this meter has not spoken to us yet. */
sc_err sc_gate_seal(struct sc_gate *g, const struct sc_headend_frame *frame, struct sc_buf *out) SC_MUST_CHECK;
/* Which way a meter last spoke (any pointer; NULL: none).  Only for meters that sc_gate_open() let through. */
void sc_gate_via_set(struct sc_gate *g, uint32_t serial, void *via);
void *sc_gate_via(const struct sc_gate *g, uint32_t serial);
void sc_gate_via_gone(struct sc_gate *g, const void *via);

size_t sc_gate_known_count(const struct sc_gate *g);      /* meters with a verified certificate */
uint64_t sc_gate_verified_count(const struct sc_gate *g); /* readings whose signature was right */

#endif
