/* Opening: from a root record to a volume that serves.
 *
 *   load the root (and the counter) -> take over (epoch + 1) -> read the manifest -> replay the logs -> judge freshness
 * -> write what the logs held as tables -> a new log -> the new root -> remove what no root names.
 *
 * Nothing is removed before everything has been judged. */
#include "kvs/engine.h"

#include <inttypes.h>

/* ---- replay ---- */

struct replay {
    struct kvs_memtable *mem;
    struct kvs_apply *apply;
    uint64_t generation; /* of the root as found */
    uint64_t next_seq;
    uint64_t fresh; /* of the last group */
    const struct kvs_id *log;
};

static sc_err replay_commit(void *arg, const struct kvs_wal_commit *c)
{
    struct replay *r = arg;
    return kvs_apply_commit(r->apply, c, r->mem);
}

static sc_err replay_group(void *arg, struct sc_slice body, struct sc_diag *diag)
{
    struct replay *r = arg;
    struct kvs_wal_group g;
    char name[KVS_NAME_SIZE];
    const sc_err err = kvs_wal_group_parse(body, &g, replay_commit, r);
    if (err != SC_OK)
        return sc_context(diag, err, "object %s: log group", kvs_id_name(r->log, name));
    if (g.first_seq != r->next_seq || g.fresh <= r->fresh)
        return sc_fail(diag, SC_E_AUTH, "object %s: log group %" PRIu64 " out of order", kvs_id_name(r->log, name),
                       g.fresh);
    if (g.generation > r->generation)
        return sc_fail(diag, SC_E_AUTH, "root record: older (%" PRIu64 ") than log %s (%" PRIu64 ")", r->generation,
                       kvs_id_name(r->log, name), g.generation);
    r->next_seq += g.commit_count;
    r->fresh = g.fresh;
    return SC_OK;
}

/* What follows the genuine groups.  Sealed: nothing may.  Live: an incomplete group may; garbage only where a counter
 * vouches that nothing acknowledged stood there (kvs_recover() compares): a power cut leaves anything behind the last
 * sync. */
static sc_err log_judge(const struct sc_kvs *kvs, const struct kvs_root_log *log, const struct kvs_wal_found *found,
                        struct sc_diag *diag)
{
    const uint64_t at = found->end.size;
    const uint64_t left = found->object_size - at;
    if (found->end.group_count < log->end.group_count)
        return kvs_io_not_ours(diag, &log->id, at, left,
                               found->tail == KVS_WAL_TAIL_BAD ? "not authentic"
                                                               : "acknowledged log groups are missing");
    if (!log->sealed) {
        if (found->tail == KVS_WAL_TAIL_BAD && kvs->counter.read == NULL)
            return kvs_io_not_ours(diag, &log->id, at, left, "not authentic");
        return SC_OK;
    }
    if ((found->tail != KVS_WAL_TAIL_CLEAN && found->tail != KVS_WAL_TAIL_ZEROS) || found->end.size != log->end.size ||
        found->end.group_count != log->end.group_count || !sc_ct_equal(found->end.tag, log->end.tag, SC_TAG_SIZE))
        return kvs_io_not_ours(diag, &log->id, at, left, "differs from the log's sealed end");
    return SC_OK;
}

static sc_err logs_replay(struct sc_kvs *kvs, struct replay *r, struct kvs_wal_found *live_out, struct sc_diag *diag)
{
    const struct kvs_root *root = &kvs->anchor.root;
    for (size_t i = 0; i < root->log_count; i++) {
        r->log = &root->logs[i].id;
        SC_TRY(kvs_wal_read(&kvs->io, r->log, root->logs[i].key_id, UINT64_MAX, replay_group, r, live_out, diag));
        SC_TRY(log_judge(kvs, &root->logs[i], live_out, diag));
    }
    return SC_OK;
}

static sc_err manifest_load(struct sc_kvs *kvs, struct kvs_version **out, struct sc_diag *diag)
{
    const struct kvs_root *root = &kvs->anchor.root;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    SC_TRY(kvs_io_get_sealed(&kvs->io, KVS_MAGIC_MANIFEST, KVS_MANIFEST_PURPOSE, &root->manifest, &plain, diag));
    SC_CLEANUP(kvs_manifest_deinit) struct kvs_manifest m = {0};
    char name[KVS_NAME_SIZE];
    const sc_err err = kvs_manifest_parse(sc_buf_slice(&plain), &m);
    if (err != SC_OK)
        return sc_context(diag, err, "object %s: manifest", kvs_id_name(&root->manifest.id, name));
    kvs->seq_flushed = m.seq_flushed;
    return kvs_version_from_manifest(&m, &kvs->io, kvs->cache, kvs->garbage, out);
}

/* ---- freshness ---- */

static sc_err fresh_judge(struct sc_kvs *kvs, const struct replay *r, const struct kvs_wal_found *live,
                          struct sc_diag *diag)
{
    struct kvs_anchor *a = &kvs->anchor;
    if (kvs->counter.read != NULL && !kvs->read_only) /* the writer before may have counted until it was fenced */
        SC_TRY(kvs->counter.read(kvs->counter.self, &a->counted, diag));
    a->fresh = r->fresh > a->root.fresh ? r->fresh : a->root.fresh;
    if (a->fresh >= a->counted)
        return SC_OK;
    char name[KVS_NAME_SIZE];
    const struct kvs_root_log *log = &a->root.logs[a->root.log_count - 1];
    return sc_fail(diag, SC_E_AUTH,
                   "object %s, bytes [%" PRIu64 ", %" PRIu64 "): %s; the volume ends at %" PRIu64
                   ", the counter stands at %" PRIu64,
                   kvs_id_name(&log->id, name), live->end.size, live->object_size,
                   live->tail == KVS_WAL_TAIL_BAD ? "not authentic"
                                                  : "acknowledged writes are missing or an old state was put back",
                   a->fresh, a->counted);
}

/* ---- the writer's part ---- */

static sc_err take_over(struct sc_kvs *kvs, struct sc_diag *diag)
{
    struct kvs_root root = kvs->anchor.root;
    root.epoch++;
    SC_TRY(kvs_anchor_swap(&kvs->anchor, &root, diag));
    return SC_OK;
}

/* What was replayed becomes tables, so that an old log is never appended to nor kept. */
static sc_err settle(struct sc_kvs *kvs, const struct kvs_memtable *mem, uint64_t seq, struct kvs_version **version,
                     struct sc_diag *diag)
{
    struct kvs_root root = kvs->anchor.root;
    if (!kvs_memtable_is_empty(mem)) {
        struct kvs_version *next;
        SC_CLEANUP(kvs_table_list_deinit) struct kvs_table_list tables = {0};
        SC_TRY(kvs_tables_from_memtable(kvs, mem, &tables, diag));
        const struct kvs_edit edit = {.add = tables.tables,
                                      .add_count = tables.count,
                                      .add_ranges = kvs_memtable_ranges(mem),
                                      .seq_flushed = seq};
        SC_TRY(kvs_version_apply(*version, &edit, &next));
        kvs_version_unref(*version);
        *version = next;
        SC_TRY(kvs_manifest_write(kvs, *version, &root, diag));
        kvs->seq_flushed = seq;
    }
    SC_TRY(kvs_wal_create(&kvs->io, &kvs->wal, diag));
    root.log_count = 1;
    root.logs[0] = (struct kvs_root_log){.id = *kvs_wal_id(kvs->wal), .key_id = kvs_wal_key_id(kvs->wal)};
    return kvs_anchor_swap_fresh(&kvs->anchor, &root, diag);
}

struct orphans {
    struct sc_kvs *kvs;
    const struct kvs_version *version;
};

static bool is_named(const struct orphans *o, const struct kvs_id *id)
{
    const struct kvs_root *root = &o->kvs->anchor.root;
    if (kvs_id_eq(id, &root->manifest.id))
        return true;
    for (size_t i = 0; i < root->log_count; i++)
        if (kvs_id_eq(id, &root->logs[i].id))
            return true;
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        for (size_t i = 0; i < o->version->levels[l].count; i++)
            if (kvs_id_eq(id, &kvs_table_meta(o->version->levels[l].tables[i])->id))
                return true;
    return false;
}

static sc_err orphan_note(void *arg, const char *name)
{
    const struct orphans *o = arg;
    struct kvs_id id;
    if (kvs_name_is_id(name) && sc_hex_decode(name, id.bytes, sizeof id.bytes) == SC_OK && !is_named(o, &id))
        kvs_garbage_add(o->kvs->garbage, &id);
    return SC_OK;
}

static sc_err orphans_remove(struct sc_kvs *kvs, const struct kvs_version *version, struct sc_diag *diag)
{
    struct orphans o = {.kvs = kvs, .version = version};
    SC_TRY(kvs->io.store->ops->list(kvs->io.store, orphan_note, &o, diag));
    return kvs_garbage_collect(kvs->garbage, &kvs->io, diag);
}

sc_err kvs_recover(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_version_unrefp) struct kvs_version *version = NULL;
    SC_CLEANUP(kvs_memtable_unrefp) struct kvs_memtable *mem = NULL;
    struct kvs_wal_found live = {0};
    const uint64_t generation = kvs->anchor.root.generation;
    if (kvs->anchor.root.log_count == 0)
        return sc_fail(diag, SC_E_MALFORMED, "root record: names no log");
    if (!kvs->read_only)
        SC_TRY(take_over(kvs, diag));
    SC_TRY(manifest_load(kvs, &version, diag));
    SC_TRY(kvs_memtable_new(&mem));
    struct replay r = {.mem = mem, .apply = kvs->apply, .generation = generation, .next_seq = kvs->seq_flushed + 1};
    SC_TRY(logs_replay(kvs, &r, &live, diag));
    SC_TRY(fresh_judge(kvs, &r, &live, diag));
    kvs->seq_visible = r.next_seq - 1;
    if (kvs->read_only)
        return kvs_view_new(mem, NULL, version, &kvs->view);
    SC_TRY(settle(kvs, mem, kvs->seq_visible, &version, diag));
    SC_TRY(orphans_remove(kvs, version, diag));
    SC_CLEANUP(kvs_memtable_unrefp) struct kvs_memtable *empty = NULL;
    SC_TRY(kvs_memtable_new(&empty));
    return kvs_view_new(empty, NULL, version, &kvs->view);
}

/* ---- a new volume ----
 * A creation that was cut short leaves an empty manifest and an empty log without a root.  Anything larger under our
 * kind of name is a volume whose root is gone: to create over it would destroy what may still be saved. */
#define LEFTOVER_SIZE_MAX (KVS_HEADER_SIZE + 16)

static sc_err leftover_note(void *arg, const char *name)
{
    struct sc_kvs *kvs = arg;
    struct kvs_id id;
    uint64_t size;
    if (!kvs_name_is_id(name) || sc_hex_decode(name, id.bytes, sizeof id.bytes) != SC_OK)
        return SC_OK;
    SC_TRY(kvs->io.store->ops->size(kvs->io.store, name, &size, NULL));
    if (size > LEFTOVER_SIZE_MAX)
        return SC_E_AUTH;
    kvs_garbage_add(kvs->garbage, &id);
    return SC_OK;
}

static sc_err leftovers_remove(struct sc_kvs *kvs, struct sc_diag *diag)
{
    const sc_err err = kvs->io.store->ops->list(kvs->io.store, leftover_note, kvs, diag);
    if (err == SC_E_AUTH)
        return sc_fail(diag, err, "root record: missing, though the store holds a volume's objects");
    SC_TRY(err);
    return kvs_garbage_collect(kvs->garbage, &kvs->io, diag);
}

sc_err kvs_create(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_version_unrefp) struct kvs_version *version = NULL;
    SC_CLEANUP(kvs_memtable_unrefp) struct kvs_memtable *mem = NULL;
    struct kvs_root root = {.epoch = 1, .log_count = 1};
    SC_TRY(leftovers_remove(kvs, diag));
    kvs_id_random(&kvs->io.volume);
    kvs->io.keys->data_count = 1;
    kvs->io.keys->data[0].id = KVS_KEY_ROOT + 1;
    sc_key_random(&kvs->io.keys->data[0].key);
    SC_TRY(kvs_version_apply(NULL, &(struct kvs_edit){0}, &version));
    SC_TRY(kvs_memtable_new(&mem));
    SC_TRY(kvs_view_new(mem, NULL, version, &kvs->view));
    SC_TRY(kvs_manifest_write(kvs, version, &root, diag));
    SC_TRY(kvs_wal_create(&kvs->io, &kvs->wal, diag));
    root.logs[0] = (struct kvs_root_log){.id = *kvs_wal_id(kvs->wal), .key_id = kvs_wal_key_id(kvs->wal)};
    return kvs_anchor_swap_fresh(&kvs->anchor, &root, diag);
}
