/* Commit: callers queue up; the first in the queue leads, takes those behind it along, and writes one log group with
 * one sync for all of them.
 *
 *   1. room: a full memtable is handed to the background thread and a new log begins (stalls while the one before is
 *      still being flushed, or too many tables wait for compaction)
 *   2. judge: first committer wins, also among the group itself
 *   3. log, under the anchor's lock (see anchor.h for the order of sync, fence and count)
 *   4. apply to the memtable, then publish the sequence number */
#include "kvs/engine.h"

#define GROUP_SIZE_MAX     ((size_t)1 << 20)
#define GROUP_COUNT_MAX    128
#define STALL_LEVEL0_COUNT 24

struct kvs_committer {
    struct kvs_committer *next;
    const struct kvs_write_set *set;
    bool sync, done;
    bool seal;            /* wants the memtable handed to the background thread; always leads */
    uint64_t write_count; /* keys */
    sc_err err;
    struct sc_diag *diag;
};

sc_err kvs_write_set_each(const struct kvs_memtable *writes, sc_err (*each)(void *arg, const struct kvs_entry *e),
                          void *arg)
{
    struct sc_slice last = SC_SLICE_EMPTY;
    for (const struct kvs_node *n = kvs_memtable_first(writes); n != NULL; n = kvs_memtable_next(n)) {
        struct kvs_entry e;
        kvs_node_entry(n, &e);
        if (sc_slice_eq(e.key, last)) /* an older write of the same key; no key is empty */
            continue;
        SC_TRY(each(arg, &e));
        last = e.key;
    }
    return SC_OK;
}

/* ---- 1. room ---- */

/* Begins a new log and memtable.  Only the leader calls it, with no view->imm pending. */
static sc_err log_switch(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_memtable_unrefp) struct kvs_memtable *fresh = NULL;
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *now = kvs_view_now(kvs, NULL);
    struct kvs_view *next = NULL;
    struct kvs_wal *wal = NULL;
    SC_TRY(kvs_memtable_new(&fresh));
    SC_TRY(kvs_wal_create(&kvs->io, &wal, diag));
    pthread_mutex_lock(&kvs->anchor.lock);
    sc_err err = kvs_wal_sync(kvs->wal, diag); /* its sealed end promises every group */
    struct kvs_root root = kvs->anchor.root;
    if (err == SC_OK) {
        SC_ASSERT(root.log_count != 0 && root.log_count < KVS_ROOT_LOGS_MAX);
        root.logs[root.log_count - 1].sealed = true;
        root.logs[root.log_count - 1].end = kvs_wal_end(kvs->wal);
        root.logs[root.log_count++] = (struct kvs_root_log){.id = *kvs_wal_id(wal)};
        err = kvs_anchor_swap_fresh(&kvs->anchor, &root, diag);
    }
    if (err == SC_OK) {
        struct kvs_wal *old = kvs->wal;
        kvs->wal = wal;
        wal = old;
    }
    pthread_mutex_unlock(&kvs->anchor.lock);
    kvs_wal_free(wal);
    SC_TRY(err);
    pthread_mutex_lock(&kvs->lock); /* the version may have changed meanwhile: take the present one */
    err = kvs_view_new(fresh, now->mem, kvs->view->version, &next);
    if (err == SC_OK)
        kvs_view_replace(kvs, next);
    pthread_mutex_unlock(&kvs->lock);
    return err;
}

/* Caller holds kvs->lock, which is let go meanwhile. */
static sc_err room_make(struct sc_kvs *kvs, bool seal, struct sc_diag *diag)
{
    for (;;) {
        SC_TRY(kvs_writable(kvs, diag));
        const bool wanted = seal && kvs_memtable_count(kvs->view->mem) != 0;
        if (!wanted && kvs_memtable_size(kvs->view->mem) < kvs->memtable_size_max)
            return SC_OK;
        if (kvs->view->imm != NULL || kvs->view->version->levels[0].count >= STALL_LEVEL0_COUNT) {
            pthread_cond_wait(&kvs->change, &kvs->lock);
            continue;
        }
        pthread_mutex_unlock(&kvs->lock);
        struct sc_diag why = {0};
        const sc_err err = log_switch(kvs, &why);
        if (err != SC_OK) /* the root may name a log that we do not write */
            sc_ignore(kvs_poison(kvs, err, &why));
        pthread_mutex_lock(&kvs->lock);
    }
}

/* ---- the group ---- */

/* Members are copied out under kvs->lock: newcomers hang themselves on the last one's next meanwhile. */
struct group {
    struct kvs_committer *members[GROUP_COUNT_MAX];
    size_t count;
    uint64_t commit_count; /* of those that write something and may */
    uint64_t first_seq;
    bool sync;
};

static void group_form(struct group *g, struct kvs_committer *first)
{
    size_t size = 0;
    g->count = 0;
    for (struct kvs_committer *c = first; c != NULL && g->count < GROUP_COUNT_MAX; c = c->next) {
        if (g->count != 0 && (c->seal || size + c->set->size > GROUP_SIZE_MAX))
            break;
        size += c->set->size;
        g->members[g->count++] = c;
    }
}

static bool writes_something(const struct kvs_committer *c)
{
    return c->err == SC_OK && c->write_count != 0;
}

/* ---- 2. judge ---- */

struct judge {
    struct kvs_view *view;
    const struct group *group;
    size_t self;
    bool conflict;
};

static bool written_by(const struct kvs_committer *c, struct sc_slice key)
{
    const struct kvs_node *n = kvs_memtable_seek(c->set->writes, key, KVS_SEQ_MAX);
    struct kvs_entry e;
    if (n == NULL)
        return false;
    kvs_node_entry(n, &e);
    return sc_slice_eq(e.key, key);
}

static sc_err judge_write(void *arg, const struct kvs_entry *e)
{
    struct judge *j = arg;
    struct kvs_committer *self = j->group->members[j->self];
    self->write_count++;
    for (size_t i = 0; i < j->self; i++)
        if (j->group->members[i]->err == SC_OK && written_by(j->group->members[i], e->key))
            j->conflict = true;
    if (!j->conflict)
        SC_TRY(kvs_view_changed_since(j->view, e->key, self->set->snapshot_seq, &j->conflict, self->diag));
    return j->conflict ? SC_E_CONFLICT : SC_OK;
}

static void group_judge(struct sc_kvs *kvs, struct group *g)
{
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    for (size_t i = 0; i < g->count; i++) {
        struct kvs_committer *c = g->members[i];
        struct judge j = {.view = view, .group = g, .self = i};
        c->err = kvs_write_set_each(c->set->writes, judge_write, &j);
        if (j.conflict)
            sc_ignore(sc_fail(c->diag, SC_E_CONFLICT, "a key was written by a transaction that committed first"));
        if (c->err == SC_OK) {
            g->commit_count += c->write_count != 0;
            g->sync |= c->sync;
        }
    }
}

/* ---- 3. log ---- */

static sc_err record_put(void *arg, const struct kvs_entry *e)
{
    kvs_wal_record_put(arg, e);
    return SC_OK;
}

static sc_err group_encode(const struct sc_kvs *kvs, const struct group *g, struct sc_buf *body)
{
    const struct kvs_wal_group head = {
        .fresh = kvs->anchor.fresh + 1,
        .generation = kvs->anchor.root.generation,
        .first_seq = g->first_seq,
        .commit_count = g->commit_count,
    };
    kvs_wal_group_begin(body, &head);
    for (size_t i = 0; i < g->count; i++) {
        const struct kvs_committer *c = g->members[i];
        if (!writes_something(c))
            continue;
        sc_buf_put_varint(body, c->write_count);
        SC_TRY(kvs_write_set_each(c->set->writes, record_put, body));
    }
    return sc_buf_status(body);
}

static sc_err group_append(struct sc_kvs *kvs, struct sc_slice body, struct sc_diag *diag)
{
    SC_TRY(kvs_wal_append(kvs->wal, body, diag));
    atomic_fetch_add(&kvs->stats.bytes_written, body.size + KVS_WAL_HEAD_SIZE + SC_TAG_SIZE);
    kvs->anchor.fresh++;
    return SC_OK;
}

static sc_err group_sync(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_TRY(kvs_wal_sync(kvs->wal, diag));
    atomic_fetch_add(&kvs->stats.syncs, 1);
    SC_TRY(kvs_anchor_fence(&kvs->anchor, diag));
    return kvs_anchor_count(&kvs->anchor, kvs->anchor.fresh, diag);
}

/* A writer that was taken over may find its log gone before it finds its root changed: tell the cause, not the symptom.
 */
static sc_err cause_of(struct sc_kvs *kvs, sc_err err, struct sc_diag *diag)
{
    struct sc_diag why = {0};
    if (err != SC_E_IO || kvs_anchor_fence(&kvs->anchor, &why) != SC_E_CONFLICT)
        return err;
    if (diag != NULL)
        *diag = why;
    return SC_E_CONFLICT;
}

/* *unknown_out: what reached the store is unknown. */
static sc_err group_log(struct sc_kvs *kvs, const struct group *g, bool *unknown_out, struct sc_diag *diag)
{
    const bool unsynced = kvs_wal_synced(kvs->wal) != kvs_wal_end(kvs->wal).group_count;
    *unknown_out = false;
    if (g->commit_count == 0 && !(g->sync && unsynced))
        return SC_OK;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf body = {.size_max = KVS_WAL_BODY_SIZE_MAX};
    SC_TRY(group_encode(kvs, g, &body)); /* until here nothing has happened */
    sc_err err = group_append(kvs, sc_buf_slice(&body), diag);
    if (err == SC_OK && g->sync)
        err = group_sync(kvs, diag);
    *unknown_out = err != SC_OK;
    return cause_of(kvs, err, diag);
}

/* ---- 4. apply ---- */

struct apply {
    struct kvs_memtable *mem;
    uint64_t seq;
};

static sc_err apply_write(void *arg, const struct kvs_entry *e)
{
    const struct apply *a = arg;
    struct kvs_entry mine = *e;
    mine.seq = a->seq;
    return kvs_memtable_add(a->mem, &mine, NULL);
}

static sc_err group_apply(struct sc_kvs *kvs, const struct group *g)
{
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    struct apply a = {.mem = view->mem, .seq = g->first_seq};
    for (size_t i = 0; i < g->count; i++) {
        const struct kvs_committer *c = g->members[i];
        if (!writes_something(c))
            continue;
        SC_TRY(kvs_write_set_each(c->set->writes, apply_write, &a));
        a.seq++;
        atomic_fetch_add(&kvs->stats.commits, 1);
    }
    return SC_OK;
}

static sc_err group_commit(struct sc_kvs *kvs, struct group *g, struct sc_diag *diag)
{
    bool unknown;
    group_judge(kvs, g);
    pthread_mutex_lock(&kvs->lock); /* only leaders move it, and we lead */
    g->first_seq = kvs->seq_visible + 1;
    pthread_mutex_unlock(&kvs->lock);
    pthread_mutex_lock(&kvs->anchor.lock);
    sc_err err = group_log(kvs, g, &unknown, diag);
    pthread_mutex_unlock(&kvs->anchor.lock);
    if (err == SC_OK) {
        err = group_apply(kvs, g);
        unknown = err != SC_OK; /* logged, yet not to be seen before a reopen */
    }
    if (unknown)
        return kvs_poison(kvs, err, diag);
    SC_TRY(err);
    pthread_mutex_lock(&kvs->lock);
    kvs->seq_visible += g->commit_count;
    pthread_mutex_unlock(&kvs->lock);
    return SC_OK;
}

/* Caller holds kvs->lock and is first in the queue. */
static void lead(struct sc_kvs *kvs, struct kvs_committer *me)
{
    struct sc_diag diag = {0};
    struct group g = {0};
    sc_err err = room_make(kvs, me->seal, &diag);
    group_form(&g, me);
    if (err == SC_OK) {
        pthread_mutex_unlock(&kvs->lock);
        err = group_commit(kvs, &g, &diag);
        pthread_mutex_lock(&kvs->lock);
    }
    kvs->committers = g.members[g.count - 1]->next;
    if (kvs->committers == NULL)
        kvs->committers_end = &kvs->committers;
    for (size_t i = 0; i < g.count; i++) {
        struct kvs_committer *c = g.members[i];
        if (err != SC_OK && c->err == SC_OK) {
            c->err = err;
            sc_ignore(sc_fail(c->diag, err, "%s", sc_diag_text(&diag, err)));
        }
        c->done = true; /* its thread may be gone with it once the lock is let go */
    }
    pthread_cond_broadcast(&kvs->change);
}

static sc_err queue_up(struct sc_kvs *kvs, struct kvs_committer *me)
{
    pthread_mutex_lock(&kvs->lock);
    *kvs->committers_end = me;
    kvs->committers_end = &me->next;
    while (!me->done && kvs->committers != me)
        pthread_cond_wait(&kvs->change, &kvs->lock);
    if (!me->done)
        lead(kvs, me);
    pthread_mutex_unlock(&kvs->lock);
    return me->err;
}

sc_err kvs_commit(struct sc_kvs *kvs, const struct kvs_write_set *set, bool sync, struct sc_diag *diag)
{
    struct kvs_committer me = {.set = set, .sync = sync, .diag = diag};
    return queue_up(kvs, &me);
}

sc_err kvs_memtable_seal(struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(kvs_memtable_unrefp) struct kvs_memtable *nothing = NULL;
    SC_TRY(kvs_memtable_new(&nothing));
    const struct kvs_write_set set = {.writes = nothing};
    struct kvs_committer me = {.set = &set, .seal = true, .diag = diag};
    return queue_up(kvs, &me);
}
