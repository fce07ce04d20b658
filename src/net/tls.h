/* net/tls.h - TLS 1.3 with mutual authentication under one CA; peers are known by their SPIFFE ID.
 * A sc_tls is immutable once made and shared by threads; a sc_tls_stream belongs to one thread. */
#ifndef SC_NET_TLS_H
#define SC_NET_TLS_H

#include "base/bytes.h"

#define SC_SPIFFE_ID_SIZE_MAX ((size_t)256)

struct sc_tls;
struct sc_tls_files {
    const char *cert; /* PEM paths */
    const char *key;
    const char *ca;   /* the only CA whose certificates are accepted */
};
sc_err sc_tls_new(const struct sc_tls_files *files, struct sc_tls **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_tls_free(struct sc_tls *tls); /* NULL is fine */
void sc_tls_freep(struct sc_tls **tls);

/* ---- blocking streams, for servers with a thread per connection ---- */
struct sc_tls_stream;
/* Server side over a connected socket; takes fd only on success.  Completes the handshake within timeout_ms and demands
 * the client's certificate.  SC_E_AUTH with the reason when it is not acceptable. */
sc_err sc_tls_accept(const struct sc_tls *tls, int fd, int timeout_ms, struct sc_tls_stream **out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* As above, but a client without a certificate is let in: its peer name is "".  For protocols with a login of their own. */
sc_err sc_tls_accept_optional(const struct sc_tls *tls, int fd, int timeout_ms, struct sc_tls_stream **out,
                              struct sc_diag *diag) SC_MUST_CHECK;
/* Client side; the server's certificate must bear the SPIFFE ID expected_id. */
sc_err sc_tls_connect(const struct sc_tls *tls, int fd, const char *expected_id, int timeout_ms,
                      struct sc_tls_stream **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_tls_stream_free(struct sc_tls_stream *s); /* closes the socket; NULL is fine */
void sc_tls_stream_freep(struct sc_tls_stream **s);
const char *sc_tls_stream_peer(const struct sc_tls_stream *s); /* SPIFFE ID */
int sc_tls_stream_fd(const struct sc_tls_stream *s);
/* The channel binding "tls-server-end-point" (RFC 5929) of the server's side: a hash of its certificate.
 * SC_E_UNSUPPORTED where the certificate's signature has no single hash (Ed25519), for which there is none. */
#define SC_TLS_END_POINT_SIZE_MAX ((size_t)64)
sc_err sc_tls_stream_end_point(const struct sc_tls_stream *s, uint8_t out[static SC_TLS_END_POINT_SIZE_MAX],
                               size_t *size_out) SC_MUST_CHECK;
/* At least one byte into out; *size_out = 0 at the peer's orderly end.  timeout_ms < 0 waits for ever (SC_E_AGAIN on
 * time-out, nothing read). */
sc_err sc_tls_stream_read(struct sc_tls_stream *s, uint8_t *out, size_t size, int timeout_ms, size_t *size_out,
                          struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_tls_stream_write(struct sc_tls_stream *s, struct sc_slice bytes, int timeout_ms, struct sc_diag *diag)
    SC_MUST_CHECK;
/* Bytes decrypted and waiting: read without blocking. */
size_t sc_tls_stream_pending(const struct sc_tls_stream *s);

#endif
