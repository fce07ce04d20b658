/* collection/mdc.h - the MDC's thinking part: what is known of each meter, what is new, what is missing.
 *
 * Knows neither sockets nor database: frames come in, rows to write and frames to send come out.  A reading is `known`
 * from the moment it is handed out for writing and `stored` when the writer says so; only stored readings are
 * acknowledged, and a hole in what is stored is asked for again, until the meter says that it has lost it.  Not thread-safe. */
#ifndef SC_COLLECTION_MDC_H
#define SC_COLLECTION_MDC_H

#include "collection/headend.h"

struct sc_mdc;

struct sc_mdc_row {
    uint64_t client_id;
    struct sc_reading reading;
    uint8_t signature[SC_SIGNATURE_SIZE_MAX];
    size_t signature_size;
};

struct sc_mdc_stats {
    uint64_t new_count;        /* readings accepted for writing */
    uint64_t duplicate_count;  /* known already: dropped, acknowledged again */
    uint64_t malformed_count;
    uint64_t overflow_count;   /* dropped because too many holes stand open; the meter repeats them */
    uint64_t gap_count;        /* holes that stood open long enough to be asked for */
    uint64_t gap_request_count;
    uint64_t gap_filled_count; /* readings that came in answer to a request */
    uint64_t lost_count;       /* asked for, but no longer in the meter's memory: given up */
    uint64_t meter_count;
    uint64_t stored_count;
};

sc_err sc_mdc_new(struct sc_mdc **out) SC_MUST_CHECK;
void sc_mdc_free(struct sc_mdc *mdc); /* NULL is fine */
void sc_mdc_freep(struct sc_mdc **mdc);

/* What the database holds already: one call per stored (meter, sequence) before anything else. */
sc_err sc_mdc_restore(struct sc_mdc *mdc, uint32_t meter, uint64_t client_id, uint64_t sequence) SC_MUST_CHECK;
/* As above for all of 1..sequence. */
sc_err sc_mdc_restore_prefix(struct sc_mdc *mdc, uint32_t meter, uint64_t client_id, uint64_t sequence) SC_MUST_CHECK;

/* Takes one frame from an authenticator.  route: opaque, remembered as the way to this meter (see sc_mdc_send).
 * For each new reading row(arg, ...) is called: the caller must write it or never come back.
 * LOAD_RESULT, NBR and clock replies and errors go to other(arg, ...), if not NULL. */
struct sc_mdc_sink {
    sc_err (*row)(void *arg, const struct sc_mdc_row *row);
    void (*other)(void *arg, const struct sc_headend_frame *frame, const struct sc_message *msg);
    /* Sends a frame to a meter by route; false when it cannot be sent now. */
    bool (*send)(void *arg, void *route, const struct sc_headend_frame *frame);
    void *arg;
};
sc_err sc_mdc_receive(struct sc_mdc *mdc, struct sc_slice wire, void *route, int64_t now_us, const struct sc_mdc_sink *sink)
    SC_MUST_CHECK;
/* The writer stored this reading durably. */
void sc_mdc_stored(struct sc_mdc *mdc, uint32_t meter, uint64_t sequence, int64_t now_us);
/* Acknowledges what became stored since the last call, and asks for holes that have stood open for wait_us; asks again
 * after retry_us.  Call it after each commit and every now and then. */
void sc_mdc_speak(struct sc_mdc *mdc, int64_t now_us, const struct sc_mdc_sink *sink);
/* A route is gone: frames to its meters wait until they are heard again. */
void sc_mdc_route_gone(struct sc_mdc *mdc, const void *route);
/* Sends a payload (a load command, an NBR command) to a meter now; SC_E_AGAIN when there is no way to it.
 * *message_id_out: what the answer's correlation_id will be. */
sc_err sc_mdc_send(struct sc_mdc *mdc, uint32_t meter, enum sc_envelope_type type, const struct sc_message *msg,
                   const struct sc_mdc_sink *sink, uint32_t *message_id_out) SC_MUST_CHECK;
void sc_mdc_stats(const struct sc_mdc *mdc, struct sc_mdc_stats *out);

#endif
