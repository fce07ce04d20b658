/* net/http.h - a small HTTP/1.1 server on a loop, for health, metrics and simple JSON services.
 * Handlers run on the loop's thread. */
#ifndef SC_NET_HTTP_H
#define SC_NET_HTTP_H

#include "base/bytes.h"
#include "net/loop.h"

struct sc_http_request {
    const char *method; /* "GET", "POST" */
    const char *path;   /* decoded, without the query */
    struct sc_slice body;
};
struct sc_http_response {
    int status;               /* preset to 200 */
    const char *content_type; /* preset to text/plain */
    struct sc_buf body;
};
struct sc_http;
typedef void (*sc_http_handler)(void *arg, const struct sc_http_request *req, struct sc_http_response *res);
/* host: numeric; port 0: any free one.  Requests of more than 64 KiB are refused. */
sc_err sc_http_new(struct sc_loop *loop, const char *host, uint16_t port, sc_http_handler handler, void *arg,
                   struct sc_http **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_http_free(struct sc_http *http); /* NULL is fine */
uint16_t sc_http_port(const struct sc_http *http);

/* Client: appends the body of a 200 answer.  SC_E_AGAIN: nobody answers, or 503; SC_E_IO: another status (then nothing
 * is appended); SC_E_LIMIT: more than body_out takes; SC_E_USAGE: not an http URL.  Thread-safe. */
sc_err sc_http_get(const char *url, long timeout_ms, struct sc_buf *body_out, struct sc_diag *diag) SC_MUST_CHECK;
/* As sc_http_get(), for services on the Internet: through the proxies of the environment (https_proxy, no_proxy), HTTPS
 * with the system's certificate authorities, and with the values of response headers, each appended to its buffer
 * (whose cap holds).  Header names are compared without regard to case; an absent header leaves its buffer as it is. */
struct sc_http_header {
    const char *name;
    struct sc_buf *value;
};
sc_err sc_http_fetch(const char *url, long timeout_ms, const struct sc_http_header *headers, size_t header_count,
                     struct sc_buf *body_out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
