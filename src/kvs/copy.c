/* A volume's present state as a volume of its own in another store: backup, checkpoint and restore are all this.
 *
 * Tables are immutable, so a running volume is copied by holding on to one version of it; what is in the memtable is
 * flushed first.  A table that the target has already (an earlier copy) is not copied again.  The copy keeps volume id
 * and data keys: ids of objects are random, so nothing that the two volumes write later shares a key. */
#include "kvs/engine.h"

#include <inttypes.h>

#define CHUNK_SIZE ((size_t)1 << 20)

struct copy {
    struct sc_kvs *kvs;
    struct sc_store *to;
    const struct sc_kvs_copy_options *opt;
    struct kvs_view *view;
    bool counted; /* in kvs->copies */
    uint64_t done, total;
};

static void copy_deinit(struct copy *c)
{
    kvs_view_unref(c->view);
    if (c->counted)
        atomic_fetch_sub(&c->kvs->copies, 1);
}

/* From now on no data key is forgotten. */
static void keys_hold(struct copy *c)
{
    pthread_mutex_lock(&c->kvs->anchor.lock);
    atomic_fetch_add(&c->kvs->copies, 1);
    pthread_mutex_unlock(&c->kvs->anchor.lock);
    c->counted = true;
}

static bool key_is_known(const struct kvs_keys *keys, uint32_t id)
{
    for (uint32_t i = 0; i < keys->data_count; i++)
        if (keys->data[i].id == id)
            return true;
    return false;
}

/* False: an edit that is being made so has just forgotten a key of v's, and will replace v at once. */
static bool keys_are_known(struct sc_kvs *kvs, const struct kvs_version *v)
{
    bool known = true;
    pthread_mutex_lock(&kvs->io.keys_lock);
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        for (size_t i = 0; i < v->levels[l].count && known; i++)
            known = key_is_known(kvs->io.keys, kvs_table_meta(v->levels[l].tables[i])->key_id);
    pthread_mutex_unlock(&kvs->io.keys_lock);
    return known;
}

/* Everything committed so far into tables, and a view of them. */
static sc_err state_hold(struct copy *c, struct sc_diag *diag)
{
    struct sc_kvs *kvs = c->kvs;
    if (kvs->read_only) {
        c->view = kvs_view_now(kvs, NULL);
        if (!kvs_memtable_is_empty(c->view->mem))
            return sc_fail(diag, SC_E_USAGE, "the volume's log is not empty: open it to write once, then copy");
        return SC_OK;
    }
    keys_hold(c);
    SC_TRY(kvs_memtable_seal(kvs, diag));
    pthread_mutex_lock(&kvs->lock);
    sc_err err;
    while ((err = kvs_writable(kvs, diag)) == SC_OK &&
           (kvs->view->imm != NULL || !keys_are_known(kvs, kvs->view->version)))
        pthread_cond_wait(&kvs->change, &kvs->lock);
    if (err == SC_OK) {
        c->view = kvs->view;
        atomic_fetch_add_explicit(&c->view->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&kvs->lock);
    return err;
}

static void progress(struct copy *c, uint64_t bytes)
{
    c->done += bytes;
    if (c->opt->progress != NULL)
        c->opt->progress(c->opt->progress_arg, c->done, c->total);
}

static sc_err bytes_copy(struct copy *c, const char *name, uint64_t size, struct sc_diag *diag)
{
    struct sc_store *from = c->kvs->io.store;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf content = {0};
    uint8_t *p = size <= SC_BUF_SIZE_MAX ? sc_buf_extend(&content, (size_t)size) : NULL;
    if (p == NULL)
        return sc_fail(diag, SC_E_NOMEM, "object %s of %" PRIu64 " bytes", name, size);
    for (size_t at = 0; at < content.size; at += CHUNK_SIZE) {
        const size_t n = content.size - at < CHUNK_SIZE ? content.size - at : CHUNK_SIZE;
        SC_TRY(from->ops->get(from, name, at, n, p + at, diag));
        progress(c, n);
    }
    return c->to->ops->put(c->to, name, sc_buf_slice(&content), diag);
}

static sc_err table_copy(struct copy *c, const struct kvs_table_meta *m, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    uint64_t size;
    struct sc_store *from = c->kvs->io.store;
    kvs_id_name(&m->id, name);
    if (c->to->ops->size(c->to, name, &size, NULL) == SC_OK && size == m->size) {
        progress(c, size); /* of an earlier copy; what it holds is checked when it is verified */
        return SC_OK;
    }
    if (from->ops->share != NULL && from->ops->share(from, c->to, name) == SC_OK) {
        progress(c, m->size);
        return SC_OK;
    }
    return bytes_copy(c, name, m->size, diag);
}

static sc_err tables_copy(struct copy *c, struct sc_diag *diag)
{
    const struct kvs_version *v = c->view->version;
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        c->total += v->levels[l].size;
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        for (size_t i = 0; i < v->levels[l].count; i++)
            SC_TRY(table_copy(c, kvs_table_meta(v->levels[l].tables[i]), diag));
    return SC_OK;
}

/* The copy's log: an empty object. */
static sc_err log_make(struct copy *c, struct kvs_root_log *out, struct sc_diag *diag)
{
    char name[KVS_NAME_SIZE];
    struct sc_store_append *append;
    *out = (struct kvs_root_log){.key_id = kvs_io_newest_key(&c->kvs->io)};
    kvs_id_random(&out->id);
    SC_TRY(c->to->ops->append_open(c->to, kvs_id_name(&out->id, name), &append, diag));
    c->to->ops->append_close(append);
    return SC_OK;
}

/* The copy counts as the newest that its counter allows: a copy is put to use because somebody wants that state. */
static sc_err fresh_choose(const struct copy *c, uint64_t *fresh, struct sc_diag *diag)
{
    uint64_t counted = 0;
    if (c->opt->counter != NULL && c->opt->counter->read != NULL)
        SC_TRY(c->opt->counter->read(c->opt->counter->self, &counted, diag));
    if (counted > *fresh)
        *fresh = counted;
    return SC_OK;
}

struct sweep {
    struct copy *copy;
    const struct kvs_root *root;
};

static bool is_wanted(const struct sweep *s, const struct kvs_id *id)
{
    const struct kvs_version *v = s->copy->view->version;
    if (kvs_id_eq(id, &s->root->manifest.id) || kvs_id_eq(id, &s->root->logs[0].id))
        return true;
    for (size_t l = 0; l < KVS_LEVEL_COUNT; l++)
        for (size_t i = 0; i < v->levels[l].count; i++)
            if (kvs_id_eq(id, &kvs_table_meta(v->levels[l].tables[i])->id))
                return true;
    return false;
}

static sc_err sweep_one(void *arg, const char *name)
{
    const struct sweep *s = arg;
    struct kvs_id id;
    if (!kvs_name_is_id(name) || sc_hex_decode(name, id.bytes, sizeof id.bytes) != SC_OK || is_wanted(s, &id))
        return SC_OK;
    return s->copy->to->ops->remove(s->copy->to, name, NULL);
}

/* The record that makes it a volume; what an earlier copy had besides goes. */
static sc_err root_write(struct copy *c, struct sc_diag *diag)
{
    struct sc_kvs *kvs = c->kvs;
    uint8_t old[SC_STORE_ROOT_SIZE_MAX];
    size_t old_size = 0;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    pthread_mutex_lock(&kvs->anchor.lock);
    struct kvs_root root = {.generation = kvs->anchor.root.generation + 1,
                            .epoch = kvs->anchor.root.epoch,
                            .fresh = kvs->anchor.fresh,
                            .log_count = 1};
    pthread_mutex_unlock(&kvs->anchor.lock);
    SC_TRY(fresh_choose(c, &root.fresh, diag));
    kvs_version_to_manifest(c->view->version, &plain);
    SC_TRY(sc_buf_status(&plain));
    SC_TRY(kvs_io_put_sealed(&kvs->io, c->to, KVS_MAGIC_MANIFEST, KVS_MANIFEST_PURPOSE, sc_buf_slice(&plain),
                             &root.manifest, diag));
    SC_TRY(log_make(c, &root.logs[0], diag));
    SC_TRY(kvs_root_seal(&kvs->io, &root, &record));
    SC_TRY(c->to->ops->root_get(c->to, old, &old_size, diag));
    SC_TRY(c->to->ops->root_cas(c->to, sc_slice_of(old, old_size), sc_buf_slice(&record), diag));
    struct sweep sweep = {.copy = c, .root = &root};
    return c->to->ops->list(c->to, sweep_one, &sweep, diag);
}

/* A copy may replace an older copy of this volume, and nothing else. */
static sc_err target_check(struct copy *c, struct sc_diag *diag)
{
    uint8_t record[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 0;
    SC_TRY(c->to->ops->root_get(c->to, record, &size, diag));
    if (size != 0 &&
        (size < KVS_HEADER_SIZE + 16 || memcmp(record + KVS_HEADER_SIZE, c->kvs->io.volume.bytes, 16) != 0))
        return sc_fail(diag, SC_E_EXISTS, "the target holds another volume");
    return SC_OK;
}

sc_err sc_kvs_copy(struct sc_kvs *kvs, struct sc_store *to, const struct sc_kvs_copy_options *opt, struct sc_diag *diag)
{
    static const struct sc_kvs_copy_options defaults = {0};
    SC_CLEANUP(copy_deinit) struct copy c = {.kvs = kvs, .to = to, .opt = opt != NULL ? opt : &defaults};
    SC_TRY(target_check(&c, diag));
    SC_TRY(state_hold(&c, diag));
    SC_TRY(tables_copy(&c, diag));
    return root_write(&c, diag);
}
