/* kvs/version.h - which tables make up the volume at a moment.  Immutable and reference-counted: a reader that holds a
 * version keeps its tables alive while flush and compaction go on making new ones. */
#ifndef SC_KVS_VERSION_H
#define SC_KVS_VERSION_H

#include "kvs/manifest.h"
#include "kvs/memtable.h"

struct kvs_level {
    size_t count;
    struct kvs_table **tables; /* level 0: oldest first; others: by key, disjoint */
    uint64_t size;             /* bytes of all objects */
};
struct kvs_version {
    unsigned refs; /* atomic */
    uint64_t seq_flushed; /* all commits up to this one are in tables */
    struct kvs_range_list ranges; /* deleted ranges that still hide something in tables */
    struct kvs_level levels[KVS_LEVEL_COUNT];
};
struct kvs_version *kvs_version_ref(struct kvs_version *v);
void kvs_version_unref(struct kvs_version *v); /* NULL is fine */
void kvs_version_unrefp(struct kvs_version **v);

/* v plus and minus tables. */
struct kvs_edit {
    struct kvs_table **remove;
    size_t remove_count;
    struct kvs_table **add; /* by key if level > 0 */
    size_t add_count;
    uint8_t add_level;
    uint64_t seq_flushed;
    const struct kvs_memtable_range *add_ranges; /* of the memtable that was flushed; or NULL */
    uint64_t snapshot_min; /* no reader is older: ranges up to it go once they hide nothing */
};
/* v may be NULL (empty); v stays as it is. */
sc_err kvs_version_apply(const struct kvs_version *v, const struct kvs_edit *edit, struct kvs_version **out)
    SC_MUST_CHECK;
sc_err kvs_version_from_manifest(const struct kvs_manifest *m, struct kvs_io *io, struct kvs_cache *cache,
                                 struct kvs_garbage *garbage, struct kvs_version **out) SC_MUST_CHECK;
void kvs_version_to_manifest(const struct kvs_version *v, struct sc_buf *plain_out);

/* Tables of level (> 0) whose range meets [smallest, largest]: *first_out and their count. */
size_t kvs_level_overlap(const struct kvs_level *level, struct sc_slice smallest, struct sc_slice largest,
                         size_t *first_out);
uint32_t kvs_version_table_count(const struct kvs_version *v);

#endif
