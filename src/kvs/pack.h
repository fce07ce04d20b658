/* kvs/pack.h - general compression: zstd. */
#ifndef SC_KVS_PACK_H
#define SC_KVS_PACK_H

#include "base/bytes.h"

struct kvs_packer; /* a compression context; one thread at a time */
sc_err kvs_packer_new(struct kvs_packer **out) SC_MUST_CHECK;
void kvs_packer_free(struct kvs_packer *p); /* NULL is fine */
/* Fills packed_out (reset first) if that saves at least an eighth; else *done_out = false. */
sc_err kvs_pack(struct kvs_packer *p, struct sc_slice plain, struct sc_buf *packed_out, bool *done_out) SC_MUST_CHECK;
/* To exactly plain_size bytes.  SC_E_MALFORMED.  Thread-safe. */
sc_err kvs_unpack(struct sc_slice packed, uint8_t *plain_out, size_t plain_size) SC_MUST_CHECK;

#endif
