/* net/gzip.h - gzip (RFC 1952) of a stream, for HTTP's Content-Encoding.  One thread at a time. */
#ifndef SC_NET_GZIP_H
#define SC_NET_GZIP_H

#include "base/bytes.h"

struct sc_gzip;
sc_err sc_gzip_new(struct sc_gzip **out) SC_MUST_CHECK;
void sc_gzip_free(struct sc_gzip *z); /* NULL is fine */
/* Appends what comes of bytes to out, which may be nothing yet; with last, all of it. */
sc_err sc_gzip_put(struct sc_gzip *z, struct sc_slice bytes, bool last, struct sc_buf *out) SC_MUST_CHECK;

#endif
