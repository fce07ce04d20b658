/* metering/meter_internal.h - the meter's state, shared by meter.c (measuring, talking) and meter_nbr.c (NBR answers). */
#ifndef SC_METERING_METER_INTERNAL_H
#define SC_METERING_METER_INTERNAL_H

#include "metering/meter.h"

/* One reading in memory.  The ring is one block; entry of sequence s lies at slot (s - 1) % entry_count. */
struct meter_entry {
    int64_t sent_ms; /* METER_NEVER: not yet */
    bool acked;
    uint16_t signature_size;
    uint8_t statement[SC_READING_STATEMENT_SIZE];
    uint8_t signature[]; /* signature_size_max of the meter's algorithm */
};
#define METER_NEVER INT64_MIN

/* Cumulative registers of the three channels (imported Wh, inductive and capacitive varh) by tariff period. */
struct meter_registers {
    uint64_t total[3];
    uint64_t period[3][SC_NBR_PERIOD_COUNT];
    uint64_t last_demand[3];                     /* units in the last interval */
    uint64_t max_demand[3][SC_NBR_PERIOD_COUNT]; /* since the last demand reset */
};

/* A repeated request (its answer was lost) gets the same answer and acts once. */
#define METER_ANSWERS 4
struct meter_answer {
    uint64_t instance;
    uint32_t message_id; /* 0: empty */
    struct sc_hash request;
    enum sc_envelope_type type;
    struct sc_buf payload;
};

struct sc_meter {
    struct sc_meter_options opt; /* certificate points to certificate below */
    struct sc_buf certificate;
    struct sc_key ephemeral_seed;
    struct sc_electrical electrical;
    double ke;

    uint8_t *ring;
    size_t entry_size, entry_count;
    uint64_t newest;         /* sequence of the newest reading; 0: none */
    int64_t newest_start_ms;
    uint64_t acked;          /* all up to here acknowledged (or lost) */
    uint64_t lost;
    bool clock_was_set;      /* tell it in the next reading */
    int64_t clock_offset_ms;

    struct meter_registers reg, reg_at_reset;
    struct sc_reading last;  /* the newest measured reading: what command 14 shows */
    int64_t last_reset_ms, previous_reset_ms; /* local; 0: never */
    uint64_t sequence_at_reset, sequence_at_previous_reset;
    unsigned reset_count;

    enum sc_load_state load;
    float load_current_a;
    uint64_t last_order_id;
    struct sc_hash last_order;
    struct sc_message_load_result last_result;

    struct sc_session *session;
    uint64_t session_count;
    uint32_t message_id;
    struct meter_answer answer[METER_ANSWERS];
    size_t answer_next;
    struct sc_buf scratch;
};

/* NULL: not in memory. */
struct meter_entry *meter_entry_find(const struct sc_meter *m, uint64_t sequence);
uint64_t meter_oldest(const struct sc_meter *m);
/* The tariff period of an interval: peak from 18 to 21 h local time on weekdays, else off-peak. */
enum sc_nbr_period meter_period(const struct sc_meter *m, int64_t start_ms);
/* Moves the switch; the new state. */
enum sc_load_state meter_switch(struct sc_meter *m, enum sc_load_action action);
/* Sets the meter's clock so that it shows clock_ms at now_ms.  SC_E_CONFLICT: before the newest reading. */
sc_err meter_clock_set(struct sc_meter *m, int64_t now_ms, int64_t clock_ms) SC_MUST_CHECK;
/* Appends 1..n reply blocks.  authenticated: the command came through the session, not a bare serial port. */
sc_err meter_nbr_answer(struct sc_meter *m, int64_t now_ms, struct sc_slice command, bool authenticated,
                        struct sc_buf *replies_out) SC_MUST_CHECK;

#endif
