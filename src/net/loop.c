#include "net/internal.h"

#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

struct sc_loop {
    struct event_base *base;
    struct event *on_term;
    struct event *on_int;
    void (*terminate)(void *arg);
    void *terminate_arg;
};

struct sc_timer {
    struct event *event;
    void (*call)(void *arg);
    void *arg;
};

static void use_threads(void)
{
    SC_ASSERT(evthread_use_pthreads() == 0);
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error code, not a signal */
}

sc_err sc_loop_new(struct sc_loop **out, struct sc_diag *diag)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, use_threads);
    SC_CLEANUP(sc_loop_freep) struct sc_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL || (loop->base = event_base_new()) == NULL)
        return sc_fail(diag, SC_E_NOMEM, "event loop");
    *out = SC_TAKE(loop);
    return SC_OK;
}

void sc_loop_free(struct sc_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->on_term != NULL)
        event_free(loop->on_term);
    if (loop->on_int != NULL)
        event_free(loop->on_int);
    if (loop->base != NULL)
        event_base_free(loop->base);
    free(loop);
}

void sc_loop_freep(struct sc_loop **loop)
{
    sc_loop_free(*loop);
}

void sc_loop_run(struct sc_loop *loop)
{
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void sc_loop_stop(struct sc_loop *loop)
{
    /* Not event_base_loopbreak(): event_base_loop() forgets one that came before it was entered. */
    if (event_base_loopexit(loop->base, NULL) != 0)
        event_base_loopbreak(loop->base); /* no memory left for an event */
}

struct call_once {
    void (*call)(void *arg);
    void *arg;
};

static void run_call_once(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct call_once *c = arg;
    c->call(c->arg);
    free(c);
}

sc_err sc_loop_call(struct sc_loop *loop, void (*call)(void *arg), void *arg)
{
    struct call_once *c = calloc(1, sizeof *c);
    if (c == NULL)
        return SC_E_NOMEM;
    *c = (struct call_once){call, arg};
    const struct timeval now = {0, 0};
    if (event_base_once(loop->base, -1, EV_TIMEOUT, run_call_once, c, &now) != 0) {
        free(c);
        return SC_E_NOMEM;
    }
    return SC_OK;
}

static void run_terminate(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    struct sc_loop *loop = arg;
    loop->terminate(loop->terminate_arg);
}

sc_err sc_loop_on_terminate(struct sc_loop *loop, void (*call)(void *arg), void *arg, struct sc_diag *diag)
{
    loop->terminate = call;
    loop->terminate_arg = arg;
    loop->on_term = evsignal_new(loop->base, SIGTERM, run_terminate, loop);
    loop->on_int = evsignal_new(loop->base, SIGINT, run_terminate, loop);
    if (loop->on_term == NULL || loop->on_int == NULL || event_add(loop->on_term, NULL) != 0 ||
        event_add(loop->on_int, NULL) != 0)
        return sc_fail(diag, SC_E_NOMEM, "signal handlers");
    return SC_OK;
}

struct event_base *net_loop_base(struct sc_loop *loop)
{
    return loop->base;
}

static void run_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct sc_timer *t = arg;
    t->call(t->arg);
}

sc_err sc_timer_new(struct sc_loop *loop, void (*call)(void *arg), void *arg, struct sc_timer **out)
{
    struct sc_timer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return SC_E_NOMEM;
    t->call = call;
    t->arg = arg;
    t->event = evtimer_new(loop->base, run_timer, t);
    if (t->event == NULL) {
        free(t);
        return SC_E_NOMEM;
    }
    *out = t;
    return SC_OK;
}

void sc_timer_free(struct sc_timer *timer)
{
    if (timer == NULL)
        return;
    event_free(timer->event);
    free(timer);
}

void sc_timer_start(struct sc_timer *timer, int64_t delay_ms)
{
    if (delay_ms < 0)
        delay_ms = 0;
    const struct timeval tv = {delay_ms / 1000, delay_ms % 1000 * 1000};
    evtimer_add(timer->event, &tv);
}

void sc_timer_stop(struct sc_timer *timer)
{
    evtimer_del(timer->event);
}
