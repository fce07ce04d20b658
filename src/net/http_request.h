/* net/http_request.h - HTTP/1.1 requests from a stream of bytes, for servers with a thread a connection (http_parser).
 * Bounded: the head by SC_HTTP_HEAD_SIZE_MAX, the body by what the reader is told.  No I/O; one thread at a time. */
#ifndef SC_NET_HTTP_REQUEST_H
#define SC_NET_HTTP_REQUEST_H

#include "base/bytes.h"

#define SC_HTTP_HEAD_SIZE_MAX    ((size_t)16 << 10)
#define SC_HTTP_HEADER_COUNT_MAX ((size_t)64)

struct sc_http_reader;
/* judge(arg, r) is called when the head is there and before a byte of the body is kept: what it returns but SC_OK, feed()
 * returns, and the reader is of no more use. */
sc_err sc_http_reader_new(size_t body_size_max, sc_err (*judge)(void *arg, struct sc_http_reader *r), void *arg,
                          struct sc_http_reader **out) SC_MUST_CHECK;
void sc_http_reader_free(struct sc_http_reader *r); /* NULL is fine */
void sc_http_reader_freep(struct sc_http_reader **r);
/* Takes bytes up to the end of one request.  SC_OK: it is whole, what is behind *used_out belongs to the next one;
 * SC_E_AGAIN: more is needed; SC_E_MALFORMED: not HTTP; SC_E_LIMIT: head or body too large. */
sc_err sc_http_reader_feed(struct sc_http_reader *r, struct sc_slice bytes, size_t *used_out) SC_MUST_CHECK;
/* Forgets the request, ready for the next one of the connection. */
void sc_http_reader_next(struct sc_http_reader *r);

/* Of the request read (from judge on); borrowed until sc_http_reader_next(). */
const char *sc_http_reader_method(const struct sc_http_reader *r);
struct sc_slice sc_http_reader_path(const struct sc_http_reader *r); /* without the query; not decoded */
/* The first header of that name, whatever its case; false: there is none. */
bool sc_http_reader_header(const struct sc_http_reader *r, const char *name, struct sc_slice *out);
struct sc_slice sc_http_reader_body(const struct sc_http_reader *r);
bool sc_http_reader_keep_alive(const struct sc_http_reader *r);
bool sc_http_reader_is_1_0(const struct sc_http_reader *r);
bool sc_http_reader_begun(const struct sc_http_reader *r); /* some of a request is here */

#endif
