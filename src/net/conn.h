/* net/conn.h - message connections on a loop: each message is a 4-byte big-endian length and that many bytes.
 *
 * Over TLS (mutual, peers known by SPIFFE ID) or plain TCP.  All memory is bounded: incoming messages by
 * message_size_max, outgoing data by output_size_max (then sc_conn_send() says SC_E_AGAIN and `drained` tells when to
 * go on).  Everything runs on the loop's thread. */
#ifndef SC_NET_CONN_H
#define SC_NET_CONN_H

#include "base/bytes.h"
#include "net/loop.h"
#include "net/tls.h"

struct sc_conn;
struct sc_conn_events {
    void (*opened)(void *arg, struct sc_conn *conn);                         /* may be NULL; handshake done, peer known */
    void (*message)(void *arg, struct sc_conn *conn, struct sc_slice bytes); /* bytes borrowed for the call */
    void (*drained)(void *arg, struct sc_conn *conn);                        /* may be NULL; room to send again */
    void (*closed)(void *arg, struct sc_conn *conn, const char *why);        /* conn is gone afterwards */
};

/* Queues one message; SC_E_AGAIN when the output bound is reached (nothing queued). */
sc_err sc_conn_send(struct sc_conn *conn, struct sc_slice bytes) SC_MUST_CHECK;
size_t sc_conn_output_pending(const struct sc_conn *conn);
void sc_conn_read_pause(struct sc_conn *conn); /* back pressure: the peer's TCP window fills */
void sc_conn_read_resume(struct sc_conn *conn);
/* Ends it; `closed` is called with why, at once or after the running callback.  What is queued is not sent any more. */
void sc_conn_close(struct sc_conn *conn, const char *why);
const char *sc_conn_peer(const struct sc_conn *conn); /* SPIFFE ID, or address for plain TCP */
void sc_conn_set_user(struct sc_conn *conn, void *user);
void *sc_conn_user(const struct sc_conn *conn);

struct sc_conn_options {
    const char *host;            /* numeric address */
    uint16_t port;               /* a listener takes 0 for any free one */
    const struct sc_tls *tls;    /* NULL: plain TCP */
    size_t message_size_max;     /* 0 = 1 MiB */
    size_t output_size_max;      /* 0 = 4 MiB */
    const struct sc_conn_events *events;
    void *arg;
    /* Dialers: told of each attempt that did not come about (nobody there, wrong certificate or name).  May be NULL. */
    void (*failed)(void *arg, const char *peer, const char *why);
};

/* ---- server ---- */
struct sc_listener;
struct sc_listener_options {
    struct sc_conn_options conn;
    size_t conn_count_max;       /* 0 = 1024; more are refused */
    /* Rights: may this SPIFFE ID connect?  NULL: whoever our CA knows. */
    bool (*allow)(void *arg, const char *spiffe_id);
    /* Told of each connection that did not come about (bad certificate, refused, too many).  May be NULL. */
    void (*refused)(void *arg, const char *peer, const char *why);
};
sc_err sc_listener_new(struct sc_loop *loop, const struct sc_listener_options *opt, struct sc_listener **out,
                       struct sc_diag *diag) SC_MUST_CHECK;
/* Also closes its connections: `closed` is called for each before it returns.  NULL is fine; so is a call from any of
 * its own or its connections' callbacks. */
void sc_listener_free(struct sc_listener *l);
uint16_t sc_listener_port(const struct sc_listener *l);
size_t sc_listener_conn_count(const struct sc_listener *l);

/* ---- client: one connection, dialled again for ever with growing pauses (50 ms .. 2 s).
 * The pauses shrink again once a connection has stood for as long as the longest of them. ---- */
struct sc_dialer;
/* expected_id: the server's SPIFFE ID (NULL only with plain TCP). */
sc_err sc_dialer_new(struct sc_loop *loop, const struct sc_conn_options *opt, const char *expected_id,
                     struct sc_dialer **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_dialer_free(struct sc_dialer *d); /* as sc_listener_free() */
struct sc_conn *sc_dialer_conn(const struct sc_dialer *d); /* NULL while not open */

#endif
