#include "kvs/pack.h"

#include <pthread.h>
#include <zstd.h>

#define ZSTD_LEVEL 1

struct kvs_packer {
    ZSTD_CCtx *zstd;
};

sc_err kvs_packer_new(struct kvs_packer **out)
{
    struct kvs_packer *p = calloc(1, sizeof *p);
    if (p == NULL || (p->zstd = ZSTD_createCCtx()) == NULL) {
        free(p);
        return SC_E_NOMEM;
    }
    *out = p;
    return SC_OK;
}

void kvs_packer_free(struct kvs_packer *p)
{
    if (p == NULL)
        return;
    ZSTD_freeCCtx(p->zstd);
    free(p);
}

sc_err kvs_pack(struct kvs_packer *p, struct sc_slice plain, struct sc_buf *packed_out, bool *done_out)
{
    const size_t bound = ZSTD_compressBound(plain.size);
    sc_buf_reset(packed_out);
    uint8_t *to = sc_buf_extend(packed_out, bound);
    if (to == NULL)
        return sc_buf_status(packed_out);
    const size_t n = ZSTD_compressCCtx(p->zstd, to, bound, plain.ptr, plain.size, ZSTD_LEVEL);
    *done_out = !ZSTD_isError(n) && n < plain.size - plain.size / 8;
    packed_out->size = *done_out ? n : 0;
    return SC_OK;
}

/* A decompression context weighs 160 KiB: making one for each 8 KiB block costs more than the block.  So a few idle
 * ones are kept for the life of the process, shared by all volumes. */
#define IDLE_MAX 8
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static ZSTD_DCtx *idle[IDLE_MAX];
static size_t idle_count;

static ZSTD_DCtx *dctx_take(void)
{
    pthread_mutex_lock(&idle_lock);
    ZSTD_DCtx *dctx = idle_count != 0 ? idle[--idle_count] : NULL;
    pthread_mutex_unlock(&idle_lock);
    return dctx != NULL ? dctx : ZSTD_createDCtx();
}

static void dctx_give(ZSTD_DCtx *dctx)
{
    pthread_mutex_lock(&idle_lock);
    if (idle_count < IDLE_MAX)
        idle[idle_count++] = SC_TAKE(dctx);
    pthread_mutex_unlock(&idle_lock);
    ZSTD_freeDCtx(dctx); /* NULL is fine */
}

sc_err kvs_unpack(struct sc_slice packed, uint8_t *plain_out, size_t plain_size)
{
    ZSTD_DCtx *dctx = dctx_take();
    if (dctx == NULL)
        return SC_E_NOMEM;
    const size_t n = ZSTD_decompressDCtx(dctx, plain_out, plain_size, packed.ptr, packed.size);
    dctx_give(dctx);
    return ZSTD_isError(n) || n != plain_size ? SC_E_MALFORMED : SC_OK;
}
