#include "net/gzip.h"

#include <limits.h>
#include <zlib.h>

#define LEVEL     4 /* rows are repetitive: more effort gains little */
#define STEP_SIZE ((size_t)16 << 10)
#define GZIP_WRAP 16

struct sc_gzip {
    z_stream stream;
};

sc_err sc_gzip_new(struct sc_gzip **out)
{
    struct sc_gzip *z = calloc(1, sizeof *z);
    if (z == NULL ||
        deflateInit2(&z->stream, LEVEL, Z_DEFLATED, MAX_WBITS + GZIP_WRAP, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        return SC_E_NOMEM;
    }
    *out = z;
    return SC_OK;
}

void sc_gzip_free(struct sc_gzip *z)
{
    if (z == NULL)
        return;
    deflateEnd(&z->stream);
    free(z);
}

sc_err sc_gzip_put(struct sc_gzip *z, struct sc_slice bytes, bool last, struct sc_buf *out)
{
    if (bytes.size > UINT_MAX)
        return SC_E_LIMIT;
    z->stream.next_in = (Bytef *)bytes.ptr;
    z->stream.avail_in = (uInt)bytes.size;
    for (;;) {
        uint8_t *to = sc_buf_extend(out, STEP_SIZE);
        if (to == NULL)
            return sc_buf_status(out);
        z->stream.next_out = to;
        z->stream.avail_out = (uInt)STEP_SIZE;
        const int rc = deflate(&z->stream, last ? Z_FINISH : Z_NO_FLUSH);
        out->size -= z->stream.avail_out;
        if (rc == Z_STREAM_END || (!last && z->stream.avail_in == 0 && z->stream.avail_out != 0))
            return SC_OK;
        SC_ASSERT(rc == Z_OK || rc == Z_BUF_ERROR);
    }
}
