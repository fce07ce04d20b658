/* net/internal.h - libevent's and OpenSSL's types, shared by the files of this folder only. */
#ifndef SC_NET_INTERNAL_H
#define SC_NET_INTERNAL_H

#include "net/loop.h"
#include "net/tls.h"

#include <event2/event.h>
#include <openssl/ssl.h>

struct event_base *net_loop_base(struct sc_loop *loop);
SSL_CTX *net_tls_ssl_ctx(const struct sc_tls *tls);
/* SPIFFE ID of the verified peer certificate. */
sc_err net_peer_spiffe_id(SSL *ssl, char out[static SC_SPIFFE_ID_SIZE_MAX], struct sc_diag *diag);
/* The reason of a failed handshake, certificate trouble first. */
sc_err net_handshake_failure(SSL *ssl, struct sc_diag *diag);

#endif
