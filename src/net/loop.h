/* net/loop.h - one event loop per thread (libevent), timers and signals.
 * Everything created on a loop belongs to the thread that runs it, except sc_loop_stop() and sc_loop_call(). */
#ifndef SC_NET_LOOP_H
#define SC_NET_LOOP_H

#include "base/err.h"

#include <stdint.h>

struct sc_loop;
sc_err sc_loop_new(struct sc_loop **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_loop_free(struct sc_loop *loop); /* NULL is fine; everything on it must be gone */
void sc_loop_freep(struct sc_loop **loop);
void sc_loop_run(struct sc_loop *loop);  /* until sc_loop_stop() */
void sc_loop_stop(struct sc_loop *loop); /* from any thread or a callback; before sc_loop_run() that returns at once */
/* Runs call(arg) on the loop's thread soon; from any thread. */
sc_err sc_loop_call(struct sc_loop *loop, void (*call)(void *arg), void *arg) SC_MUST_CHECK;
/* Calls back on SIGTERM and SIGINT. */
sc_err sc_loop_on_terminate(struct sc_loop *loop, void (*call)(void *arg), void *arg, struct sc_diag *diag) SC_MUST_CHECK;

struct sc_timer;
sc_err sc_timer_new(struct sc_loop *loop, void (*call)(void *arg), void *arg, struct sc_timer **out) SC_MUST_CHECK;
void sc_timer_free(struct sc_timer *timer); /* also from its own callback; NULL is fine */
void sc_timer_start(struct sc_timer *timer, int64_t delay_ms); /* once; restarts a running one */
void sc_timer_stop(struct sc_timer *timer);

#endif
