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
#define SCRATCH_SIZE_MAX   ((size_t)4 << 20)

struct kvs_committer {
    struct kvs_committer *next;
    const struct kvs_write_set *set;
    bool sync, done;
    bool seal; /* wants the memtable handed to the background thread; always leads */
    sc_err err;
    struct sc_diag *diag;
};

/* The leader's memory, kept from group to group. */
struct kvs_apply {
    struct sc_buf body;        /* of the log group */
    struct kvs_entry *entries; /* of a batch, as written */
    struct kvs_entry **order;  /* by key */
    size_t capacity;           /* of both */
};

sc_err kvs_apply_new(struct kvs_apply **out)
{
    struct kvs_apply *a = calloc(1, sizeof *a);
    if (a == NULL)
        return SC_E_NOMEM;
    a->body.size_max = KVS_WAL_BODY_SIZE_MAX;
    *out = a;
    return SC_OK;
}

void kvs_apply_free(struct kvs_apply *a)
{
    if (a == NULL)
        return;
    sc_buf_deinit(&a->body);
    free(a->entries);
    free(a->order);
    free(a);
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
        root.logs[root.log_count++] = (struct kvs_root_log){.id = *kvs_wal_id(wal), .key_id = kvs_wal_key_id(wal)};
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
        const bool wanted = seal && !kvs_memtable_is_empty(kvs->view->mem);
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

/* A transaction is judged against those before it in the group, whose keys must be at hand: so none follows a blind
 * batch, which is not sorted. */
static void group_form(struct group *g, struct kvs_committer *first)
{
    size_t size = 0;
    bool blind = false;
    g->count = 0;
    for (struct kvs_committer *c = first; c != NULL && g->count < GROUP_COUNT_MAX; c = c->next) {
        const size_t more = c->set->batch->records.size;
        if (g->count != 0 && (c->seal || size + more > GROUP_SIZE_MAX || (blind && c->set->claims != NULL)))
            break;
        blind |= c->set->claims == NULL && c->set->batch->count != 0;
        size += more;
        g->members[g->count++] = c;
    }
}

static bool writes_something(const struct kvs_committer *c)
{
    return c->err == SC_OK && c->set->batch->count != 0;
}

/* ---- 2. judge ---- */

static bool written_by(const struct kvs_committer *c, struct sc_slice key)
{
    struct kvs_entry e;
    if (c->set->claims == NULL)
        return false; /* none of those has written anything: see group_form */
    if (kvs_memtable_cover(c->set->claims->writes, key, KVS_SEQ_MAX) != 0)
        return true;
    const struct kvs_node *n = kvs_memtable_seek(c->set->claims->writes, key, KVS_SEQ_MAX);
    if (n == NULL)
        return false;
    kvs_node_entry(n, &e);
    return sc_slice_eq(e.key, key);
}

static sc_err key_judge(struct kvs_view *view, const struct group *g, size_t self, struct sc_slice key,
                        bool *conflict_out)
{
    struct kvs_committer *c = g->members[self];
    for (size_t i = 0; i < self; i++) {
        if (g->members[i]->err == SC_OK && written_by(g->members[i], key)) {
            *conflict_out = true;
            return SC_OK;
        }
    }
    return kvs_view_changed_since(view, key, c->set->claims->snapshot_seq, conflict_out, c->diag);
}

/* Whether one before it in the group wrote anything in the range. */
static bool range_written_by(const struct kvs_committer *c, const struct sc_kvs_range *range)
{
    struct kvs_entry e;
    if (c->set->claims == NULL)
        return false; /* none of those has written anything: see group_form */
    const struct kvs_memtable *writes = c->set->claims->writes;
    for (const struct kvs_memtable_range *r = kvs_memtable_ranges(writes); r != NULL; r = r->next)
        if (kvs_ranges_meet(r->del.lower, r->del.upper, range->lower, range->upper))
            return true;
    const struct kvs_node *n = kvs_memtable_seek(writes, range->lower, KVS_SEQ_MAX);
    if (n == NULL)
        return false;
    kvs_node_entry(n, &e);
    return kvs_range_has(range->lower, range->upper, e.key);
}

static sc_err range_judge(struct kvs_view *view, const struct group *g, size_t self, const struct sc_kvs_range *range,
                          bool *conflict_out)
{
    struct kvs_committer *c = g->members[self];
    for (size_t i = 0; i < self; i++) {
        if (g->members[i]->err == SC_OK && range_written_by(g->members[i], range)) {
            *conflict_out = true;
            return SC_OK;
        }
    }
    return kvs_view_range_changed_since(view, range, c->set->claims->snapshot_seq, conflict_out, c->diag);
}

static sc_err writes_judge(struct kvs_view *view, const struct group *g, size_t self, bool *conflict_out)
{
    const struct kvs_memtable *writes = g->members[self]->set->claims->writes;
    for (const struct kvs_memtable_range *r = kvs_memtable_ranges(writes); r != NULL && !*conflict_out; r = r->next) {
        const struct sc_kvs_range range = {.lower = r->del.lower, .upper = r->del.upper};
        SC_TRY(range_judge(view, g, self, &range, conflict_out));
    }
    for (const struct kvs_node *n = kvs_memtable_first(writes); n != NULL && !*conflict_out; n = kvs_memtable_next(n)) {
        struct kvs_entry e;
        kvs_node_entry(n, &e);
        SC_TRY(key_judge(view, g, self, e.key, conflict_out));
    }
    return SC_OK;
}

static sc_err reads_judge(struct kvs_view *view, const struct group *g, size_t self, bool *conflict_out)
{
    const struct kvs_reads *reads = g->members[self]->set->claims->reads;
    struct sc_reader r = sc_reader_of(sc_buf_slice(&reads->keys));
    while (sc_reader_left(&r) != 0 && !*conflict_out) {
        struct sc_slice key;
        SC_TRY(sc_reader_get_lvar(&r, &key));
        SC_TRY(key_judge(view, g, self, key, conflict_out));
    }
    r = sc_reader_of(sc_buf_slice(&reads->ranges));
    while (sc_reader_left(&r) != 0 && !*conflict_out) {
        struct sc_kvs_range range;
        SC_TRY(sc_reader_get_lvar(&r, &range.lower));
        SC_TRY(sc_reader_get_lvar(&r, &range.upper));
        SC_TRY(range_judge(view, g, self, &range, conflict_out));
    }
    return SC_OK;
}

static sc_err member_judge(struct kvs_view *view, uint64_t seq_visible, const struct group *g, size_t self)
{
    struct kvs_committer *c = g->members[self];
    const struct kvs_claims *claims = c->set->claims;
    if (claims == NULL || (self == 0 && claims->snapshot_seq == seq_visible)) /* nothing was written since */
        return SC_OK;
    bool conflict = false;
    SC_TRY(writes_judge(view, g, self, &conflict));
    if (conflict)
        return sc_fail(c->diag, SC_E_CONFLICT, "a key was written by a transaction that committed first");
    if (claims->reads != NULL)
        SC_TRY(reads_judge(view, g, self, &conflict));
    if (conflict)
        return sc_fail(c->diag, SC_E_CONFLICT,
                       "something that was read was written by a transaction that committed first");
    return SC_OK;
}

static void group_judge(struct sc_kvs *kvs, struct group *g)
{
    uint64_t seq_visible;
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, &seq_visible);
    g->first_seq = seq_visible + 1; /* only leaders move it, and we lead */
    for (size_t i = 0; i < g->count; i++) {
        struct kvs_committer *c = g->members[i];
        c->err = member_judge(view, seq_visible, g, i);
        if (c->err == SC_OK) {
            g->commit_count += c->set->batch->count != 0;
            g->sync |= c->sync;
        }
    }
}

/* ---- 3. log ---- */

static sc_err group_encode(const struct sc_kvs *kvs, const struct group *g, struct sc_buf *body)
{
    const struct kvs_wal_group head = {
        .fresh = kvs->anchor.fresh + 1,
        .generation = kvs->anchor.root.generation,
        .first_seq = g->first_seq,
        .commit_count = g->commit_count,
    };
    sc_buf_reset(body);
    kvs_wal_group_begin(body, &head);
    for (size_t i = 0; i < g->count; i++) {
        const struct kvs_committer *c = g->members[i];
        if (!writes_something(c))
            continue;
        sc_buf_put_varint(body, c->set->batch->count);
        sc_buf_put_bytes(body, sc_buf_slice(&c->set->batch->records));
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
    struct sc_buf *body = &kvs->apply->body;
    SC_TRY(group_encode(kvs, g, body)); /* until here nothing has happened */
    sc_err err = group_append(kvs, sc_buf_slice(body), diag);
    if (err == SC_OK && g->sync)
        err = group_sync(kvs, diag);
    *unknown_out = err != SC_OK;
    return cause_of(kvs, err, diag);
}

/* ---- 4. apply ---- */

static sc_err entries_reserve(struct kvs_apply *a, size_t count)
{
    if (count <= a->capacity)
        return SC_OK;
    free(a->entries);
    free(a->order);
    a->entries = malloc(count * sizeof *a->entries);
    a->order = malloc(count * sizeof *a->order);
    a->capacity = a->entries != NULL && a->order != NULL ? count : 0;
    return a->capacity != 0 ? SC_OK : SC_E_NOMEM;
}

static int by_key(const void *a, const void *b)
{
    const struct kvs_entry *x = *(const struct kvs_entry *const *)a, *y = *(const struct kvs_entry *const *)b;
    const int c = sc_slice_cmp(x->key, y->key);
    return c != 0 ? c : (x > y) - (x < y); /* of one key: in order of writing */
}

/* What a later range deletion of the same commit covers is left out: it has the same seq and would survive it. */
static size_t range_apply(struct kvs_apply *a, size_t kept, const struct kvs_entry *range)
{
    size_t stay = 0;
    for (size_t i = 0; i < kept; i++)
        if (!kvs_range_has(range->key, range->value, a->order[i]->key))
            a->order[stay++] = a->order[i];
    return stay;
}

/* In key order, so that each finds its place in the memtable from the one before. */
sc_err kvs_apply_commit(struct kvs_apply *a, const struct kvs_wal_commit *c, struct kvs_memtable *mem)
{
    struct sc_reader r = sc_reader_of(c->records);
    bool sorted = true;
    size_t kept = 0;
    SC_TRY(entries_reserve(a, c->record_count));
    for (size_t i = 0; i < c->record_count; i++) {
        struct kvs_entry *e = &a->entries[i];
        SC_TRY(kvs_wal_record_get(&r, e));
        e->seq = c->seq;
        if (e->is_range) {
            const struct kvs_range_del d = {.lower = e->key, .upper = e->value, .seq = c->seq};
            SC_TRY(kvs_memtable_add_range(mem, &d));
            kept = range_apply(a, kept, e);
            continue;
        }
        sorted = sorted && (kept == 0 || sc_slice_cmp(a->order[kept - 1]->key, e->key) <= 0);
        a->order[kept++] = e;
    }
    if (!sorted)
        qsort(a->order, kept, sizeof *a->order, by_key);
    struct kvs_memtable_hint hint = {0};
    for (size_t i = 0; i < kept; i++)
        SC_TRY(kvs_memtable_add(mem, a->order[i], &hint, NULL));
    return SC_OK;
}

static sc_err group_apply(struct sc_kvs *kvs, const struct group *g)
{
    SC_CLEANUP(kvs_view_unrefp) struct kvs_view *view = kvs_view_now(kvs, NULL);
    uint64_t seq = g->first_seq;
    for (size_t i = 0; i < g->count; i++) {
        const struct kvs_committer *c = g->members[i];
        if (!writes_something(c))
            continue;
        const struct kvs_wal_commit commit = {
            .seq = seq++, .record_count = c->set->batch->count, .records = sc_buf_slice(&c->set->batch->records)};
        SC_TRY(kvs_apply_commit(kvs->apply, &commit, view->mem));
        atomic_fetch_add(&kvs->stats.commits, 1);
    }
    if (kvs->apply->body.capacity > SCRATCH_SIZE_MAX) { /* one giant commit must not hold its memory for ever */
        sc_buf_deinit(&kvs->apply->body);
        kvs->apply->body.size_max = KVS_WAL_BODY_SIZE_MAX;
    }
    return SC_OK;
}

static sc_err group_commit(struct sc_kvs *kvs, struct group *g, struct sc_diag *diag)
{
    bool unknown;
    group_judge(kvs, g);
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
    const struct sc_kvs_batch nothing = {0};
    const struct kvs_write_set set = {.batch = &nothing};
    struct kvs_committer me = {.set = &set, .seal = true, .diag = diag};
    return queue_up(kvs, &me);
}
