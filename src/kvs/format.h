/* kvs/format.h - what all stored objects share: random names, one key an object, a plain header, honest errors.
 *
 * Every object (table, log, manifest, root record) has a random 128-bit id, which is its name and the context of its own
 * key: no key ever seals two objects, whatever crashes, so nonces can be plain counters.  Byte formats:
 * docs/formats/kvs.md.  Thread-safe. */
#ifndef SC_KVS_FORMAT_H
#define SC_KVS_FORMAT_H

#include "crypto/crypto.h"
#include "store/store.h"

#define KVS_FORMAT_VERSION 1
#define KVS_HEADER_SIZE    ((size_t)8)
#define KVS_NAME_SIZE      ((size_t)33)

#define KVS_MAGIC_ROOT     UINT32_C(0x53434b52) /* "SCKR" */
#define KVS_MAGIC_MANIFEST UINT32_C(0x53434b4d) /* "SCKM" */
#define KVS_MAGIC_TABLE    UINT32_C(0x53434b54) /* "SCKT" */
#define KVS_MAGIC_LOG      UINT32_C(0x53434b4c) /* "SCKL" */

struct kvs_id {
    uint8_t bytes[16];
};
void kvs_id_random(struct kvs_id *out);
bool kvs_id_eq(const struct kvs_id *a, const struct kvs_id *b);
const char *kvs_id_name(const struct kvs_id *id, char name[static KVS_NAME_SIZE]); /* returns name */
/* Whether a listed name could be one of ours. */
bool kvs_name_is_id(const char *name);

/* u32 magic, u16 version, u16 zero */
void kvs_header_make(uint8_t out[static KVS_HEADER_SIZE], uint32_t magic);

/* Where a volume lives and what opens it; borrowed by all parts, outlives them. */
struct kvs_io {
    struct sc_store *store;
    const struct sc_key *root_key; /* in secret memory */
    struct kvs_id volume;
};
/* The AEAD of one object, keyed HKDF(root key, purpose, volume id || object id). */
sc_err kvs_io_aead(const struct kvs_io *io, const char *purpose, const struct kvs_id *id, struct sc_aead **out)
    SC_MUST_CHECK;
/* Reads exactly size bytes.  An object that is absent or short is the store's lie: SC_E_AUTH naming object and range. */
sc_err kvs_io_get(const struct kvs_io *io, const struct kvs_id *id, uint64_t offset, size_t size, uint8_t *out,
                  struct sc_diag *diag) SC_MUST_CHECK;
sc_err kvs_io_size(const struct kvs_io *io, const struct kvs_id *id, uint64_t *size_out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* SC_E_AUTH with "object <name>, bytes [offset, offset+size): <what>". */
sc_err kvs_io_not_ours(struct sc_diag *diag, const struct kvs_id *id, uint64_t offset, uint64_t size, const char *what);

/* ---- whole sealed objects: header || sealed || nothing; the tag is kept by whoever refers to the object ---- */
sc_err kvs_io_put_sealed(const struct kvs_io *io, uint32_t magic, const char *purpose, const struct kvs_id *id,
                         struct sc_slice plain, uint8_t tag_out[static SC_TAG_SIZE], struct sc_diag *diag) SC_MUST_CHECK;
sc_err kvs_io_get_sealed(const struct kvs_io *io, uint32_t magic, const char *purpose, const struct kvs_id *id,
                         uint64_t plain_size, const uint8_t tag[static SC_TAG_SIZE], struct sc_buf *plain_out,
                         struct sc_diag *diag) SC_MUST_CHECK;

#endif
