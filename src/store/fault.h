/* store/fault.h - a store around any other that fails, lies and dawdles on demand.
 *
 * Every operation that reaches the store (all of sc_store_ops but append_close and free) is one *call*, counted from 1.
 * One seed decides whatever is left to chance.  Thread-safe: faults may be armed while an engine runs.  Power cuts are
 * the memory store's (store/memory.h): switch this one off at a call, then cycle the one below. */
#ifndef SC_STORE_FAULT_H
#define SC_STORE_FAULT_H

#include "base/clock.h"
#include "store/store.h"

/* What happens to a call.  Of reading calls (get, size, list, root_get) those that are about writing only fail. */
enum sc_store_fault {
    /* honest trouble: the caller is told */
    SC_STORE_FAULT_EIO,       /* not done, SC_E_IO */
    SC_STORE_FAULT_ENOSPC,    /* not done, SC_E_IO "no space left" */
    SC_STORE_FAULT_SHORT,     /* get: half the bytes, SC_E_MALFORMED; append: half of it is done, SC_E_IO; else as EIO */
    SC_STORE_FAULT_TIMEOUT,   /* after TIMEOUT_US of delay SC_E_IO; done or not by chance */
    SC_STORE_FAULT_DONE,      /* done, yet SC_E_IO */
    SC_STORE_FAULT_SYNC_ONCE, /* append_sync: SC_E_IO, and the handle's bytes never become durable although its later
                                 syncs say SC_OK (what Linux did before 2018); else as EIO */
    SC_STORE_FAULT_OFF,       /* the power goes: this call (done or not by chance) and all after it fail */
    /* lies: the caller is told SC_OK */
    SC_STORE_FAULT_FLIP,      /* one bit of what is read or written differs (size: off by one) */
    SC_STORE_FAULT_LOST,      /* a writing call does nothing; a get gives zeros; list: nothing; root_get: no root */
    SC_STORE_FAULT_COUNT
};
#define SC_STORE_FAULT_TIMEOUT_US 30000000
const char *sc_store_fault_name(enum sc_store_fault f);

enum sc_store_call {
    SC_STORE_CALL_PUT, SC_STORE_CALL_GET, SC_STORE_CALL_SIZE, SC_STORE_CALL_REMOVE, SC_STORE_CALL_LIST,
    SC_STORE_CALL_APPEND_OPEN, SC_STORE_CALL_APPEND, SC_STORE_CALL_SYNC, SC_STORE_CALL_ROOT_GET, SC_STORE_CALL_ROOT_CAS,
    SC_STORE_CALL_COUNT
};
const char *sc_store_call_name(enum sc_store_call c);

struct sc_store_fault_options {
    struct sc_store *below; /* borrowed; must outlive this one */
    uint64_t seed;
    /* Called for every delay, in whatever thread calls the store; NULL: delays take no time. */
    void (*sleep)(void *arg, uint64_t us);
    /* Called before (done = false) and after each call; may be NULL. */
    void (*watch)(void *arg, enum sc_store_call call, bool done);
    void *arg;
};
sc_err sc_store_fault_new(const struct sc_store_fault_options *opt, struct sc_store **out) SC_MUST_CHECK;

/* The nth call from now on (1: the next) suffers f, once (OFF: for good).  0 disarms everything below, too. */
void sc_store_fault_arm(struct sc_store *s, uint64_t nth, enum sc_store_fault f);
/* From now on each call suffers one of the faults in `set` (bits 1 << f) with odds 1 : one_in.  one_in 0: none. */
void sc_store_fault_storm(struct sc_store *s, unsigned set, uint64_t one_in);
/* From now on each call is delayed by less than us_max. */
void sc_store_fault_delay(struct sc_store *s, uint64_t us_max);

uint64_t sc_store_fault_calls(struct sc_store *s);
uint64_t sc_store_fault_fired(struct sc_store *s);               /* calls that suffered something */
enum sc_store_call sc_store_fault_last(struct sc_store *s);      /* the last one that did */
uint64_t sc_store_fault_delayed_us(struct sc_store *s);          /* sum of all delays */

#endif
