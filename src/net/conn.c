#include "net/conn.h"

#include "base/clock.h"
#include "net/internal.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH_SIZE        ((size_t)4)
#define HANDSHAKE_S        10
#define REDIAL_MS_MIN      50
#define REDIAL_MS_MAX      2000
#define ACCEPT_PAUSE_MS    100 /* after accept() failed, e.g. for want of file descriptors */
#define DRAINED_BELOW(max) ((max) / 2)

struct sc_conn {
    struct bufferevent *bev;
    const struct sc_conn_events *events;
    void *arg;
    void *user;
    struct sc_listener *listener; /* one of the two made it */
    struct sc_dialer *dialer;
    struct sc_conn *prev, *next; /* listener's list */
    size_t message_size_max, output_size_max;
    bool open; /* `opened` was told */
    bool paused;
    bool ended; /* the peer has closed, but what it said before is still paused */
    bool full;  /* a send was refused: tell when drained */
    bool told;  /* its owner knows of the end */
    int64_t opened_us;
    unsigned depth; /* callbacks running: freeing waits for them */
    bool closing;
    char why[200];
    char peer[SC_SPIFFE_ID_SIZE_MAX];
};

struct sc_listener {
    struct sc_loop *loop;
    struct sc_listener_options opt;
    struct evconnlistener *evl;
    struct sc_timer *accept_again;
    struct sc_conn *conns;
    size_t conn_count;
    uint16_t port;
};

struct sc_dialer {
    struct sc_loop *loop;
    struct sc_conn_options opt;
    char host[64];
    char expected_id[SC_SPIFFE_ID_SIZE_MAX];
    struct sc_conn *conn;
    struct sc_timer *redial;
    int64_t redial_ms;
};

/* ---- life and death of a connection ---- */
static void on_readable(struct bufferevent *bev, void *arg);
static void on_written(struct bufferevent *bev, void *arg);
static void on_event(struct bufferevent *bev, short what, void *arg);

static void conn_unlink(struct sc_conn *c)
{
    struct sc_listener *l = c->listener;
    if (l == NULL)
        return;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->prev = NULL;
    c->next = NULL;
    c->listener = NULL;
    l->conn_count--;
}

static void dialer_conn_gone(struct sc_dialer *d, int64_t open_us);

/* Takes c from its owner and tells that one.  The owner may be freed by what it is told, so it is let go of before. */
static void conn_tell_end(struct sc_conn *c, bool owner_stays)
{
    if (c->told)
        return;
    c->told = true;
    void (*came_to_nothing)(void *arg, const char *peer, const char *why) = NULL;
    struct sc_dialer *d = c->dialer;
    if (c->listener != NULL)
        came_to_nothing = c->listener->opt.refused;
    conn_unlink(c);
    if (d != NULL) {
        came_to_nothing = d->opt.failed;
        c->dialer = NULL;
        d->conn = NULL;
        if (owner_stays)
            dialer_conn_gone(d, c->open ? sc_mono_us(&sc_clock_system) - c->opened_us : 0);
    }
    if (c->open)
        c->events->closed(c->arg, c, c->why);
    else if (came_to_nothing != NULL)
        came_to_nothing(c->arg, c->peer, c->why);
}

static void conn_destroy(struct sc_conn *c)
{
    conn_tell_end(c, true);
    bufferevent_free(c->bev);
    free(c);
}

static void conn_shut(struct sc_conn *c, const char *why)
{
    c->closing = true;
    snprintf(c->why, sizeof c->why, "%s", why);
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
}

/* The owner is being freed, perhaps in a callback of c itself: it hears of the end now, c's memory goes when it can. */
static void conn_abandon(struct sc_conn *c, const char *why)
{
    if (!c->closing)
        conn_shut(c, why);
    c->depth++;
    conn_tell_end(c, false);
    c->depth--;
    if (c->depth == 0)
        conn_destroy(c);
}

void sc_conn_close(struct sc_conn *c, const char *why)
{
    if (c->closing)
        return;
    conn_shut(c, why);
    if (c->depth == 0)
        conn_destroy(c);
}

static void enter(struct sc_conn *c)
{
    c->depth++;
}

/* True while c is still alive. */
static bool leave(struct sc_conn *c)
{
    c->depth--;
    if (!c->closing)
        return true;
    if (c->depth == 0)
        conn_destroy(c);
    return false;
}

/* Callbacks are deferred for their order: libevent tells of a TLS peer's end before it hands over what came just before
 * it (conn_closed() in bufferevent_openssl.c runs ahead of evbuffer_commit_space()); deferred, reading comes first. */
#define BEV_OPTIONS (BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)

static struct sc_conn *conn_new(const struct sc_conn_options *opt, struct sc_loop *loop, int fd, bool server)
{
    struct sc_conn *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->events = opt->events;
    c->arg = opt->arg;
    c->message_size_max = opt->message_size_max != 0 ? opt->message_size_max : (size_t)1 << 20;
    c->output_size_max = opt->output_size_max != 0 ? opt->output_size_max : (size_t)4 << 20;
    if (opt->tls != NULL) {
        SSL *ssl = SSL_new(net_tls_ssl_ctx(opt->tls));
        if (ssl != NULL)
            c->bev = bufferevent_openssl_socket_new(net_loop_base(loop), fd, ssl,
                                                    server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
                                                    BEV_OPTIONS);
        if (c->bev == NULL)
            SSL_free(ssl);
        else
            bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1); /* our messages carry their own length */
    } else {
        c->bev = bufferevent_socket_new(net_loop_base(loop), fd, BEV_OPTIONS);
    }
    if (c->bev == NULL) {
        free(c);
        return NULL;
    }
    bufferevent_setcb(c->bev, on_readable, on_written, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, c->message_size_max + LENGTH_SIZE);
    bufferevent_setwatermark(c->bev, EV_WRITE, DRAINED_BELOW(c->output_size_max), 0);
    return c;
}

static void set_nodelay(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* The connection stands: know the peer, check its rights, tell the owner. */
static void conn_opened(struct sc_conn *c)
{
    struct sc_diag diag = {0};
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
    set_nodelay(bufferevent_getfd(c->bev));
    if (ssl != NULL && net_peer_spiffe_id(ssl, c->peer, &diag) != SC_OK) {
        sc_conn_close(c, diag.text);
        return;
    }
    if (c->dialer != NULL && ssl != NULL && strcmp(c->peer, c->dialer->expected_id) != 0) {
        char why[sizeof c->why];
        snprintf(why, sizeof why, "peer is %.80s, expected %.80s", c->peer, c->dialer->expected_id);
        sc_conn_close(c, why);
        return;
    }
    if (c->listener != NULL && c->listener->opt.allow != NULL &&
        !c->listener->opt.allow(c->listener->opt.conn.arg, c->peer)) {
        sc_conn_close(c, "this identity has no right to connect");
        return;
    }
    if (c->closing) /* allow() freed the listener */
        return;
    bufferevent_set_timeouts(c->bev, NULL, NULL);
    c->open = true;
    c->opened_us = sc_mono_us(&sc_clock_system);
    if (c->events->opened != NULL)
        c->events->opened(c->arg, c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct sc_conn *c = arg;
    enter(c);
    if (what & BEV_EVENT_CONNECTED) {
        conn_opened(c);
    } else if (what & BEV_EVENT_TIMEOUT) {
        sc_conn_close(c, "handshake timed out");
    } else if (what & BEV_EVENT_EOF && c->open && c->paused) {
        c->ended = true; /* what it said before is still to be heard */
    } else if (what & BEV_EVENT_EOF) {
        sc_conn_close(c, c->open ? "closed by peer" : "closed by peer during the handshake");
    } else if (what & BEV_EVENT_ERROR) {
        struct sc_diag diag = {0};
        SSL *ssl = bufferevent_openssl_get_ssl(bev);
        const unsigned long e = bufferevent_get_openssl_error(bev);
        if (ssl != NULL && e != 0) {
            const char *reason = ERR_reason_error_string(e);
            const long verdict = SSL_get_verify_result(ssl);
            if (verdict != X509_V_OK)
                sc_ignore(net_handshake_failure(ssl, &diag)); /* fills diag */
            else
                sc_ignore(sc_fail(&diag, SC_E_AUTH, "TLS: %s", reason != NULL ? reason : "error")); /* ditto */
            sc_conn_close(c, diag.text);
        } else {
            sc_conn_close(c, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
        }
    }
    leave(c);
}

/* ---- messages ---- */
/* Hands over one message if a whole one is there. */
static bool take_message(struct sc_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    uint8_t length[LENGTH_SIZE];
    if (evbuffer_copyout(in, length, LENGTH_SIZE) < (ev_ssize_t)LENGTH_SIZE)
        return false;
    const size_t size = sc_load_u32be(length);
    if (size > c->message_size_max) {
        char why[sizeof c->why];
        snprintf(why, sizeof why, "message of %zu bytes, at most %zu are accepted", size, c->message_size_max);
        sc_conn_close(c, why);
        return false;
    }
    if (evbuffer_get_length(in) < LENGTH_SIZE + size)
        return false;
    const uint8_t *bytes = evbuffer_pullup(in, (ev_ssize_t)(LENGTH_SIZE + size));
    if (bytes == NULL) {
        sc_conn_close(c, "out of memory");
        return false;
    }
    c->events->message(c->arg, c, sc_slice_of(bytes + LENGTH_SIZE, size));
    if (!c->closing)
        evbuffer_drain(in, LENGTH_SIZE + size);
    return !c->closing;
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct sc_conn *c = arg;
    if (!c->open)
        return;
    enter(c);
    while (!c->paused && take_message(c)) {
    }
    if (c->ended && !c->paused)
        sc_conn_close(c, "closed by peer");
    leave(c);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct sc_conn *c = arg;
    if (!c->open || !c->full)
        return;
    c->full = false;
    enter(c);
    if (c->events->drained != NULL)
        c->events->drained(c->arg, c);
    leave(c);
}

sc_err sc_conn_send(struct sc_conn *c, struct sc_slice bytes)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    uint8_t length[LENGTH_SIZE];
    if (c->closing || !c->open)
        return SC_E_AGAIN;
    if (bytes.size > UINT32_MAX || bytes.size > c->output_size_max)
        return SC_E_LIMIT;
    if (evbuffer_get_length(out) + bytes.size > c->output_size_max) {
        c->full = true;
        return SC_E_AGAIN;
    }
    sc_store_u32be(length, (uint32_t)bytes.size);
    if (evbuffer_expand(out, LENGTH_SIZE + bytes.size) != 0) /* so that neither half can fail alone */
        return SC_E_NOMEM;
    SC_ASSERT(evbuffer_add(out, length, LENGTH_SIZE) == 0 && evbuffer_add(out, bytes.ptr, bytes.size) == 0);
    return SC_OK;
}

size_t sc_conn_output_pending(const struct sc_conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void sc_conn_read_pause(struct sc_conn *c)
{
    c->paused = true;
    bufferevent_disable(c->bev, EV_READ);
}

void sc_conn_read_resume(struct sc_conn *c)
{
    if (!c->paused || c->closing)
        return;
    c->paused = false;
    if (!c->ended)
        bufferevent_enable(c->bev, EV_READ);
    bufferevent_trigger(c->bev, EV_READ,
                        BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS); /* what is buffered already */
}

const char *sc_conn_peer(const struct sc_conn *c)
{
    return c->peer;
}

void sc_conn_set_user(struct sc_conn *c, void *user)
{
    c->user = user;
}

void *sc_conn_user(const struct sc_conn *c)
{
    return c->user;
}

/* ---- listener ---- */
static void address_text(const struct sockaddr *addr, char *out, size_t size)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)addr;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(out, size, "%s:%u", ip, ntohs(in->sin_port));
    } else {
        snprintf(out, size, "?");
    }
}

static void on_accept(struct evconnlistener *evl, evutil_socket_t fd, struct sockaddr *addr, int addr_size, void *arg)
{
    (void)evl;
    (void)addr_size;
    struct sc_listener *l = arg;
    char peer[64];
    address_text(addr, peer, sizeof peer);
    const size_t max = l->opt.conn_count_max != 0 ? l->opt.conn_count_max : 1024;
    struct sc_conn *c = l->conn_count < max ? conn_new(&l->opt.conn, l->loop, fd, true) : NULL;
    if (c == NULL) {
        close(fd);
        if (l->opt.refused != NULL)
            l->opt.refused(l->opt.conn.arg, peer, "too many connections");
        return;
    }
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    c->listener = l;
    c->next = l->conns;
    if (l->conns != NULL)
        l->conns->prev = c;
    l->conns = c;
    l->conn_count++;
    const struct timeval handshake = {HANDSHAKE_S, 0};
    bufferevent_set_timeouts(c->bev, &handshake, &handshake);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    if (l->opt.conn.tls == NULL) {
        enter(c);
        conn_opened(c);
        leave(c);
    }
}

/* Out of descriptors, most likely.  The listening socket stays readable, so trying on would only burn the processor. */
static void on_accept_error(struct evconnlistener *evl, void *arg)
{
    struct sc_listener *l = arg;
    evconnlistener_disable(evl);
    sc_timer_start(l->accept_again, ACCEPT_PAUSE_MS);
}

static void accept_again(void *arg)
{
    struct sc_listener *l = arg;
    evconnlistener_enable(l->evl);
}

static sc_err parse_address(const char *host, uint16_t port, struct sockaddr_in *out, struct sc_diag *diag)
{
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &out->sin_addr) != 1)
        return sc_fail(diag, SC_E_USAGE, "\"%s\" is not a numeric IPv4 address", host);
    return SC_OK;
}

sc_err sc_listener_new(struct sc_loop *loop, const struct sc_listener_options *opt, struct sc_listener **out,
                       struct sc_diag *diag)
{
    struct sockaddr_in addr;
    SC_TRY(parse_address(opt->conn.host, opt->conn.port, &addr, diag));
    struct sc_listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return sc_fail(diag, SC_E_NOMEM, "listener");
    l->loop = loop;
    l->opt = *opt;
    if (sc_timer_new(loop, accept_again, l, &l->accept_again) != SC_OK) {
        free(l);
        return sc_fail(diag, SC_E_NOMEM, "listener");
    }
    l->evl = evconnlistener_new_bind(net_loop_base(loop), on_accept, l,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, 512,
                                     (struct sockaddr *)(void *)&addr, sizeof addr);
    if (l->evl == NULL) {
        const sc_err err = sc_fail_errno(diag, SC_E_IO, "listening on %s:%u", opt->conn.host, opt->conn.port);
        sc_timer_free(l->accept_again);
        free(l);
        return err;
    }
    evconnlistener_set_error_cb(l->evl, on_accept_error);
    socklen_t size = sizeof addr;
    getsockname(evconnlistener_get_fd(l->evl), (struct sockaddr *)(void *)&addr, &size);
    l->port = ntohs(addr.sin_port);
    *out = l;
    return SC_OK;
}

void sc_listener_free(struct sc_listener *l)
{
    if (l == NULL)
        return;
    evconnlistener_free(l->evl);
    sc_timer_free(l->accept_again);
    while (l->conns != NULL)
        conn_abandon(l->conns, "service stops");
    free(l);
}

uint16_t sc_listener_port(const struct sc_listener *l)
{
    return l->port;
}

size_t sc_listener_conn_count(const struct sc_listener *l)
{
    return l->conn_count;
}

/* ---- dialer ---- */
static void dial(void *arg)
{
    struct sc_dialer *d = arg;
    struct sockaddr_in addr;
    if (parse_address(d->host, d->opt.port, &addr, NULL) != SC_OK)
        return; /* was checked when the dialer was made */
    struct sc_conn *c = conn_new(&d->opt, d->loop, -1, false);
    if (c == NULL) {
        dialer_conn_gone(d, 0);
        return;
    }
    c->dialer = d;
    d->conn = c;
    snprintf(c->peer, sizeof c->peer, "%s:%u", d->host, d->opt.port);
    const struct timeval handshake = {HANDSHAKE_S, 0};
    bufferevent_set_timeouts(c->bev, &handshake, &handshake);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    enter(c); /* a refused connection may call back at once */
    if (bufferevent_socket_connect(c->bev, (struct sockaddr *)(void *)&addr, sizeof addr) != 0)
        sc_conn_close(c, "connect failed");
    leave(c);
}

/* open_us: how long it stood.  One that was accepted only to be thrown out at once (a TLS 1.3 server judges our
 * certificate after we have finished) is no success, and the pauses go on growing. */
static void dialer_conn_gone(struct sc_dialer *d, int64_t open_us)
{
    if (open_us >= REDIAL_MS_MAX * INT64_C(1000))
        d->redial_ms = REDIAL_MS_MIN;
    sc_timer_start(d->redial, d->redial_ms);
    d->redial_ms = d->redial_ms * 2 > REDIAL_MS_MAX ? REDIAL_MS_MAX : d->redial_ms * 2;
}

sc_err sc_dialer_new(struct sc_loop *loop, const struct sc_conn_options *opt, const char *expected_id,
                     struct sc_dialer **out, struct sc_diag *diag)
{
    struct sockaddr_in addr;
    SC_TRY(parse_address(opt->host, opt->port, &addr, diag));
    if (opt->tls != NULL && expected_id == NULL)
        return sc_fail(diag, SC_E_USAGE, "dialling over TLS needs the peer's SPIFFE ID");
    struct sc_dialer *d = calloc(1, sizeof *d);
    if (d == NULL)
        return sc_fail(diag, SC_E_NOMEM, "dialer");
    d->loop = loop;
    d->opt = *opt;
    d->redial_ms = REDIAL_MS_MIN;
    snprintf(d->host, sizeof d->host, "%s", opt->host);
    snprintf(d->expected_id, sizeof d->expected_id, "%s", expected_id != NULL ? expected_id : "");
    const sc_err err = sc_timer_new(loop, dial, d, &d->redial);
    if (err != SC_OK) {
        free(d);
        return sc_fail(diag, err, "dialer");
    }
    sc_timer_start(d->redial, 0);
    *out = d;
    return SC_OK;
}

void sc_dialer_free(struct sc_dialer *d)
{
    if (d == NULL)
        return;
    if (d->conn != NULL)
        conn_abandon(d->conn, "service stops");
    sc_timer_free(d->redial);
    free(d);
}

struct sc_conn *sc_dialer_conn(const struct sc_dialer *d)
{
    return d->conn != NULL && d->conn->open && !d->conn->closing ? d->conn : NULL;
}
