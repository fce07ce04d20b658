/* kvs/format.h - what all stored objects share: random names, one key an object, a plain header, honest errors.
 *
 * Every object (table, log, manifest, root record) has a random 128-bit id, which is its name and the context of its own
 * key: no key ever seals two objects, whatever crashes, so nonces can be plain counters.  Root records are sealed under
 * keys derived from the root key, all else from a data key that the root record holds: so the root key is changed by
 * writing one record, and data keys by and by, as tables are merged.  Byte formats:
 * docs/formats/kvs.md.  Thread-safe. */
#ifndef SC_KVS_FORMAT_H
#define SC_KVS_FORMAT_H

#include "crypto/crypto.h"
#include "store/store.h"

#include <pthread.h>

#define KVS_FORMAT_VERSION 2
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

#define KVS_KEY_ROOT      UINT32_C(0) /* the root key's id; data keys count from 1 */
#define KVS_DATA_KEYS_MAX 8
/* A volume's keys; lives in secret memory. */
struct kvs_keys {
    struct sc_key root;
    uint32_t data_count;
    struct kvs_data_key {
        uint32_t id;
        struct sc_key key;
    } data[KVS_DATA_KEYS_MAX]; /* by id; the last one seals what is new */
};

/* Where a volume lives and what opens it; borrowed by all parts, outlives them. */
struct kvs_io {
    struct sc_store *store;
    struct kvs_id volume;
    pthread_mutex_t keys_lock; /* guards what keys points to */
    struct kvs_keys *keys;
};
uint32_t kvs_io_newest_key(struct kvs_io *io);
/* The AEAD of one object, keyed HKDF(root or data key, purpose, volume id || object id).  SC_E_AUTH: no such key. */
sc_err kvs_io_aead(struct kvs_io *io, const char *purpose, uint32_t key_id, const struct kvs_id *id,
                   struct sc_aead **out) SC_MUST_CHECK;
/* Reads exactly size bytes.  An object that is absent or short is the store's lie: SC_E_AUTH naming object and range. */
sc_err kvs_io_get(struct kvs_io *io, const struct kvs_id *id, uint64_t offset, size_t size, uint8_t *out,
                  struct sc_diag *diag) SC_MUST_CHECK;
sc_err kvs_io_size(struct kvs_io *io, const struct kvs_id *id, uint64_t *size_out, struct sc_diag *diag)
    SC_MUST_CHECK;
/* SC_E_AUTH with "object <name>, bytes [offset, offset+size): <what>". */
sc_err kvs_io_not_ours(struct sc_diag *diag, const struct kvs_id *id, uint64_t offset, uint64_t size, const char *what);

/* ---- whole sealed objects: header || sealed; whoever refers to one keeps its tag ---- */
struct kvs_sealed_ref {
    struct kvs_id id;
    uint32_t key_id;
    uint64_t plain_size;
    uint8_t tag[SC_TAG_SIZE];
};
/* Under a new id and the newest key; fills *ref_out.  to: usually io->store. */
sc_err kvs_io_put_sealed(struct kvs_io *io, struct sc_store *to, uint32_t magic, const char *purpose,
                         struct sc_slice plain, struct kvs_sealed_ref *ref_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err kvs_io_get_sealed(struct kvs_io *io, uint32_t magic, const char *purpose, const struct kvs_sealed_ref *ref,
                         struct sc_buf *plain_out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
