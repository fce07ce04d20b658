/* Millions of random operations, every answer compared with a twin in memory: puts, deletes, range deletes, batches,
 * reads, iterators both ways, snapshots, savepoints, transactions that conflict, compactions, reopening (design D1). */
#include "mvcc.h"
#include "suite.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SNAPSHOTS  5
#define TXNS       3
#define WRITES_MAX 48
#define READS_MAX  64

/* One write of a transaction or batch: keys [lo, hi) of the universe get value (0: deleted). */
struct write {
    size_t lo, hi;
    uint64_t value;
};
struct span {
    size_t lo, hi;
};
struct txn {
    struct sc_kvs_txn *txn;
    uint64_t time; /* of its snapshot */
    size_t write_count;
    struct write writes[WRITES_MAX];
    bool have_mark;
    size_t mark, mark_count; /* the engine's, and ours at that moment */
    bool tracks;
    size_t read_count; /* what it has surely read, since it tracks */
    struct span reads[READS_MAX];
    size_t maybe_count; /* what it may count as read: up to the next key or the bound */
    struct span maybes[READS_MAX];
    bool reads_forgotten; /* too many to remember: any verdict will do */
};
struct world {
    struct sc_store *store;
    struct sc_store *copy; /* or NULL: another store that a copy was made to */
    struct test_counter counter;
    struct sc_kvs *kvs;
    struct mvcc m;
    struct sc_prng prng;
    struct volume_options options;
    struct {
        struct sc_kvs_snapshot *snap;
        uint64_t time;
    } snaps[SNAPSHOTS];
    struct txn txns[TXNS];
    size_t dense; /* of 10 writes so many are puts */
    uint8_t value[MVCC_VALUE_SIZE_MAX];
    struct sc_buf read;
};
static struct {
    uint64_t puts, deletes, range_deletes, batches, gets, moves, parts, snapshots, commits, conflicts, reopens,
        compactions, flushes, verifies, copies, rotations;
} counts;

static uint64_t operations(void)
{
    return counts.puts + counts.deletes + counts.range_deletes + counts.gets + counts.moves + counts.snapshots;
}

static const char *context = ""; /* which seed */
static void must_(const char *what, sc_err err, const struct sc_diag *diag)
{
    if (err != SC_OK)
        fail_msg("%s: %s: %s", context, what, sc_diag_text(diag, err));
}
#define MUST(expr) must_(#expr, (expr), &diag)
static void check_(bool ok, const char *what, int line)
{
    if (!ok)
        fail_msg("%s, line %d: not so: %s", context, line, what);
}
#define CHECK(cond) check_((cond), #cond, __LINE__)

static size_t below(struct world *w, uint64_t bound)
{
    return (size_t)sc_prng_below(&w->prng, bound);
}

static size_t any_key(struct world *w)
{
    const size_t n = w->m.key_count;
    return below(w, 4) == 0 ? below(w, n < 16 ? n : 16) : below(w, n); /* a few are hot */
}

/* A key to seek or to bound with: of the universe, or just beside one. */
static struct sc_slice any_probe(struct world *w, uint8_t out[static MVCC_KEY_SIZE_MAX + 1])
{
    const struct sc_slice k = mvcc_key_of(&w->m, any_key(w));
    size_t size = k.size;
    memcpy(out, k.ptr, size);
    switch (below(w, 4)) {
    case 0:
        out[size++] = 0;
        break;
    case 1:
        size -= size > 1;
        break;
    default:
        break;
    }
    return sc_slice_of(out, size);
}

/* ---- what is seen: a time, and a transaction's own writes over it ---- */

struct sight {
    uint64_t time;
    const struct txn *txn; /* or NULL */
};

static uint64_t seen_at(const struct world *w, const struct sight *s, size_t i)
{
    for (size_t n = s->txn != NULL ? s->txn->write_count : 0; n-- > 0;)
        if (i >= s->txn->writes[n].lo && i < s->txn->writes[n].hi)
            return s->txn->writes[n].value;
    return mvcc_at(&w->m, i, s->time);
}

static size_t seen_next(const struct world *w, const struct sight *s, size_t from, size_t hi)
{
    while (from < hi && seen_at(w, s, from) == 0)
        from++;
    return from;
}

/* The last one seen in [lo, below); SIZE_MAX: none. */
static size_t seen_before(const struct world *w, const struct sight *s, size_t lo, size_t before)
{
    while (before > lo)
        if (seen_at(w, s, --before) != 0)
            return before;
    return SIZE_MAX;
}

static void compare_value(struct world *w, size_t i, uint64_t value, struct sc_slice got)
{
    CHECK(sc_slice_eq(got, mvcc_value_bytes(i, value, w->value)));
}

static void compare_get(struct world *w, const struct sight *s, size_t i, sc_err err)
{
    const uint64_t value = seen_at(w, s, i);
    CHECK(err == (value != 0 ? SC_OK : SC_E_NOT_FOUND));
    if (value != 0)
        compare_value(w, i, value, sc_buf_slice(&w->read));
    counts.gets++;
}

/* ---- writing ---- */

static bool key_is_written(const struct world *w, size_t i, uint64_t since, bool surely)
{
    return mvcc_written(&w->m, i, surely) > since;
}

static bool span_is_written(const struct world *w, size_t lo, size_t hi, uint64_t since, bool surely)
{
    for (size_t i = lo; i < hi; i++)
        if (key_is_written(w, i, since, surely))
            return true;
    return false;
}

static void apply(struct world *w, const struct write *writes, size_t count)
{
    if (count == 0)
        return;
    const uint64_t time = ++w->m.now;
    for (size_t n = 0; n < count; n++)
        for (size_t i = writes[n].lo; i < writes[n].hi; i++) {
            const bool is_range = writes[n].hi - writes[n].lo != 1;
            const bool surely = !is_range || mvcc_at(&w->m, i, time) != 0;
            mvcc_write(&w->m, i, time, writes[n].value, surely);
        }
}

static struct write any_write(struct world *w)
{
    struct write one;
    one.lo = any_key(w);
    one.hi = one.lo + 1;
    one.value = below(w, 10) < w->dense ? mvcc_value_new(&w->m, &w->prng) : 0;
    if (below(w, 60) == 0) {
        one.hi = one.lo + 2 + below(w, below(w, 8) == 0 ? w->m.key_count : 12);
        one.value = 0;
    }
    if (one.hi > w->m.key_count)
        one.hi = w->m.key_count;
    if (one.hi - one.lo != 1)
        counts.range_deletes++;
    else
        *(one.value != 0 ? &counts.puts : &counts.deletes) += 1;
    return one;
}

static struct sc_kvs_range range_of(const struct world *w, const struct write *one)
{
    return (struct sc_kvs_range){.lower = mvcc_key_of(&w->m, one->lo),
                                 .upper = one->hi < w->m.key_count ? mvcc_key_of(&w->m, one->hi) : SC_SLICE_EMPTY};
}

static bool txn_is_full(const struct txn *t)
{
    return t->write_count == WRITES_MAX;
}

static void txn_write(struct world *w, struct txn *t)
{
    struct sc_diag diag = {0};
    if (txn_is_full(t))
        return;
    const struct write one = any_write(w);
    const struct sc_slice key = mvcc_key_of(&w->m, one.lo);
    if (one.hi - one.lo == 1) {
        if (one.value != 0)
            MUST(sc_kvs_txn_put(t->txn, key, mvcc_value_bytes(one.lo, one.value, w->value)));
        else
            MUST(sc_kvs_txn_delete(t->txn, key));
    } else {
        const struct sc_kvs_range range = range_of(w, &one);
        MUST(sc_kvs_txn_delete_range(t->txn, &range));
    }
    t->writes[t->write_count++] = one;
}

static void txn_remember_read(struct txn *t, struct span surely, struct span maybe)
{
    if (!t->tracks)
        return;
    if (t->read_count == READS_MAX || t->maybe_count == READS_MAX) {
        t->reads_forgotten = true;
        return;
    }
    t->reads[t->read_count++] = surely;
    t->maybes[t->maybe_count++] = maybe;
}

static void txn_get(struct world *w, struct txn *t)
{
    struct sc_diag diag = {0};
    const size_t i = any_key(w);
    const struct sight s = {t->time, t};
    sc_buf_reset(&w->read);
    compare_get(w, &s, i, sc_kvs_txn_get(t->txn, mvcc_key_of(&w->m, i), &w->read, &diag));
    /* what it finds in its own writes need not count as read */
    bool own = false;
    for (size_t n = 0; n < t->write_count; n++)
        own |= i >= t->writes[n].lo && i < t->writes[n].hi;
    const struct span one = {i, i + 1};
    txn_remember_read(t, own ? (struct span){0, 0} : one, one);
}

static void txn_begin(struct world *w, struct txn *t)
{
    struct sc_diag diag = {0};
    *t = (struct txn){.time = w->m.now};
    MUST(sc_kvs_txn_begin(w->kvs, &t->txn));
    if (below(w, 3) == 0) {
        sc_kvs_txn_track_reads(t->txn);
        t->tracks = true;
    }
}

static bool txn_conflicts(const struct world *w, const struct txn *t, bool surely)
{
    for (size_t n = 0; n < t->write_count; n++)
        if (span_is_written(w, t->writes[n].lo, t->writes[n].hi, t->time, surely))
            return true;
    const struct span *reads = surely ? t->reads : t->maybes;
    const size_t count = surely ? t->read_count : t->maybe_count;
    for (size_t n = 0; n < count; n++)
        if (span_is_written(w, reads[n].lo, reads[n].hi, t->time, surely))
            return true;
    return false;
}

static void txn_commit(struct world *w, struct txn *t)
{
    struct sc_diag diag = {0};
    const bool must_fail = t->write_count != 0 && txn_conflicts(w, t, true);
    const bool may_fail = t->reads_forgotten || txn_conflicts(w, t, false);
    const sc_err err = sc_kvs_txn_commit(SC_TAKE(t->txn), below(w, 3) == 0, &diag);
    if (err != SC_OK && err != SC_E_CONFLICT)
        MUST(err);
    if (err == SC_OK && must_fail)
        fail_msg("%s: a commit succeeded that conflicts", context);
    if (err == SC_E_CONFLICT && !may_fail)
        fail_msg("%s: a commit failed that conflicts with nothing: %s", context, diag.text);
    if (err == SC_OK)
        apply(w, t->writes, t->write_count);
    *(err == SC_OK ? &counts.commits : &counts.conflicts) += 1;
}

static void txn_abort(struct txn *t)
{
    sc_kvs_txn_abort(SC_TAKE(t->txn));
}

/* A transaction by itself, begun and ended at once. */
static void do_transaction(struct world *w)
{
    struct txn t;
    txn_begin(w, &t);
    for (size_t i = 1 + below(w, 8); i-- > 0;) {
        txn_write(w, &t);
        if (below(w, 3) == 0)
            txn_get(w, &t);
    }
    if (below(w, 20) == 0)
        txn_abort(&t);
    else
        txn_commit(w, &t);
}

static void do_batch(struct world *w)
{
    struct sc_diag diag = {0};
    struct sc_kvs_batch *b;
    struct write writes[WRITES_MAX];
    size_t count = 0;
    MUST(sc_kvs_batch_new(&b));
    if (below(w, 8) == 0) { /* what is reset is not written */
        MUST(sc_kvs_batch_put(b, mvcc_key_of(&w->m, any_key(w)), sc_slice_str("never")));
        sc_kvs_batch_reset(b);
    }
    for (size_t i = 1 + below(w, below(w, 6) == 0 ? WRITES_MAX - 1 : 8); i-- > 0;) {
        const struct write one = any_write(w);
        const struct sc_slice key = mvcc_key_of(&w->m, one.lo);
        if (one.hi - one.lo != 1) {
            const struct sc_kvs_range range = range_of(w, &one);
            MUST(sc_kvs_batch_delete_range(b, &range));
        } else if (one.value != 0) {
            MUST(sc_kvs_batch_put(b, key, mvcc_value_bytes(one.lo, one.value, w->value)));
        } else {
            MUST(sc_kvs_batch_delete(b, key));
        }
        writes[count++] = one;
    }
    MUST(sc_kvs_write(w->kvs, b, below(w, 3) == 0, &diag));
    apply(w, writes, count);
    sc_kvs_batch_free(b);
    counts.batches++;
}

/* ---- iterators ---- */

struct walk {
    struct sc_kvs_iter *it;
    struct sight sight;
    size_t lo, hi; /* of the universe */
    size_t at;     /* where the twin's stands, if valid */
    bool valid;
};

static void walk_move(struct world *w, struct walk *k)
{
    struct sc_diag diag = {0};
    uint8_t bytes[MVCC_KEY_SIZE_MAX + 1];
    const struct sc_slice probe = any_probe(w, bytes);
    size_t i;
    switch (below(w, k->valid ? 16 : 4)) {
    case 0:
        MUST(sc_kvs_iter_first(k->it, &k->valid, &diag));
        i = seen_next(w, &k->sight, k->lo, k->hi);
        break;
    case 1:
        MUST(sc_kvs_iter_last(k->it, &k->valid, &diag));
        i = seen_before(w, &k->sight, k->lo, k->hi);
        break;
    case 2:
        MUST(sc_kvs_iter_seek(k->it, probe, &k->valid, &diag));
        i = mvcc_lower(&w->m, probe);
        i = seen_next(w, &k->sight, i < k->lo ? k->lo : i, k->hi);
        break;
    case 3:
        MUST(sc_kvs_iter_seek_back(k->it, probe, &k->valid, &diag));
        i = mvcc_lower(&w->m, probe);
        if (i < w->m.key_count && sc_slice_eq(mvcc_key_of(&w->m, i), probe))
            i++;
        i = seen_before(w, &k->sight, k->lo, i > k->hi ? k->hi : i);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        MUST(sc_kvs_iter_prev(k->it, &k->valid, &diag));
        i = seen_before(w, &k->sight, k->lo, k->at);
        break;
    default:
        MUST(sc_kvs_iter_next(k->it, &k->valid, &diag));
        i = seen_next(w, &k->sight, k->at + 1, k->hi);
    }
    CHECK(k->valid == (i < k->hi));
    k->at = i;
    counts.moves++;
}

static void walk_compare(struct world *w, struct walk *k)
{
    if (!k->valid)
        return;
    CHECK(sc_slice_eq(sc_kvs_iter_key(k->it), mvcc_key_of(&w->m, k->at)));
    const uint64_t value = seen_at(w, &k->sight, k->at);
    const struct sc_slice whole = mvcc_value_bytes(k->at, value, w->value);
    if (below(w, 3) == 0)
        CHECK(sc_kvs_iter_value_size(k->it) == whole.size);
    for (size_t n = below(w, 3); n-- > 0;) {
        const size_t offset =
            whole.size >= 8 && below(w, 2) == 0 ? below(w, whole.size / 8) * 8 : below(w, whole.size + 1);
        const size_t size = whole.size - offset >= 8 && below(w, 2) == 0 ? 8 : below(w, whole.size - offset + 1);
        CHECK(sc_slice_eq(sc_kvs_iter_value_part(k->it, offset, size), sc_slice_of(whole.ptr + offset, size)));
        counts.parts++;
    }
    if (below(w, 4) == 0)
        return; /* only parts of it */
    compare_value(w, k->at, value, sc_kvs_iter_value(k->it));
}

/* t: over its writes, else over snapshot s (or now). */
static void do_iterate(struct world *w, struct txn *t)
{
    struct sc_diag diag = {0};
    struct walk k = {.hi = w->m.key_count, .sight = {.time = w->m.now, .txn = t}};
    uint8_t lower[MVCC_KEY_SIZE_MAX + 1], upper[MVCC_KEY_SIZE_MAX + 1];
    struct sc_kvs_range range = {SC_SLICE_EMPTY, SC_SLICE_EMPTY};
    if (below(w, 2) == 0) {
        range.lower = any_probe(w, lower);
        k.lo = mvcc_lower(&w->m, range.lower);
    }
    if (below(w, 2) == 0) {
        range.upper = any_probe(w, upper);
        k.hi = mvcc_lower(&w->m, range.upper);
    }
    if (k.hi < k.lo)
        k.hi = k.lo;
    const size_t s = below(w, SNAPSHOTS * 2);
    const bool old = t == NULL && s < SNAPSHOTS && w->snaps[s].snap != NULL;
    if (old)
        k.sight.time = w->snaps[s].time;
    if (t != NULL) {
        k.sight.time = t->time;
        MUST(sc_kvs_txn_iter(t->txn, &range, &k.it, &diag));
    } else {
        MUST(sc_kvs_iter_new(w->kvs, old ? w->snaps[s].snap : NULL, &range, &k.it, &diag));
    }
    for (size_t n = 1 + below(w, 30); n-- > 0;) {
        walk_move(w, &k);
        walk_compare(w, &k);
        if (t != NULL && k.valid)
            txn_remember_read(t, (struct span){k.at, k.at + (t->tracks && t->write_count == 0)},
                              (struct span){k.lo, k.hi});
        else if (t != NULL)
            txn_remember_read(t, (struct span){0, 0}, (struct span){k.lo, k.hi});
        if (t != NULL && below(w, 5) == 0)
            txn_write(w, t); /* is seen from the next move on */
        else if (t == NULL && below(w, 40) == 0)
            do_transaction(w); /* is not */
    }
    sc_kvs_iter_free(k.it);
}

/* ---- everything else ---- */

static void do_get(struct world *w)
{
    struct sc_diag diag = {0};
    const size_t s = below(w, SNAPSHOTS * 2);
    const bool old = s < SNAPSHOTS && w->snaps[s].snap != NULL;
    const struct sight sight = {old ? w->snaps[s].time : w->m.now, NULL};
    const size_t i = any_key(w);
    sc_buf_reset(&w->read);
    compare_get(w, &sight, i,
                sc_kvs_get(w->kvs, old ? w->snaps[s].snap : NULL, mvcc_key_of(&w->m, i), &w->read, &diag));
}

static void do_snapshot(struct world *w)
{
    struct sc_diag diag = {0};
    const size_t s = below(w, SNAPSHOTS);
    sc_kvs_snapshot_free(w->snaps[s].snap);
    w->snaps[s].snap = NULL;
    if (below(w, 3) == 0)
        return;
    MUST(sc_kvs_snapshot_new(w->kvs, &w->snaps[s].snap));
    w->snaps[s].time = w->m.now;
    counts.snapshots++;
}

/* A step in one of the transactions that stay open while others commit. */
static void do_open_transaction(struct world *w)
{
    struct txn *t = &w->txns[below(w, TXNS)];
    if (t->txn == NULL) {
        txn_begin(w, t);
        return;
    }
    switch (below(w, 16)) {
    case 0:
    case 1:
        txn_commit(w, t);
        break;
    case 2:
        txn_abort(t);
        break;
    case 3:
        t->mark = sc_kvs_txn_mark(t->txn);
        t->mark_count = t->write_count;
        t->have_mark = true;
        break;
    case 4:
        if (t->have_mark) {
            sc_kvs_txn_rollback_to(t->txn, t->mark);
            t->write_count = t->mark_count;
        }
        break;
    case 5:
    case 6:
        do_iterate(w, t);
        break;
    case 7:
    case 8:
    case 9:
        txn_get(w, t);
        break;
    default:
        txn_write(w, t);
    }
}

static void world_open(struct world *w)
{
    struct sc_diag diag = {0};
    MUST(volume_open_with(&w->options, &w->kvs, &diag));
}

static void world_close(struct world *w)
{
    struct sc_kvs_stats stats;
    sc_kvs_stats(w->kvs, &stats);
    CHECK(stats.cache_bytes <= w->options.block_cache_size_max);
    counts.flushes += stats.flush_count;
    counts.compactions += stats.compaction_count;
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        sc_kvs_snapshot_free(w->snaps[i].snap);
        w->snaps[i].snap = NULL;
    }
    for (size_t i = 0; i < TXNS; i++)
        if (w->txns[i].txn != NULL)
            txn_abort(&w->txns[i]);
    sc_kvs_close(SC_TAKE(w->kvs));
}

static void compare_all(struct world *w)
{
    struct sc_diag diag = {0};
    struct sc_kvs_iter *it;
    bool valid;
    const struct sight s = {w->m.now, NULL};
    size_t i = seen_next(w, &s, 0, w->m.key_count);
    MUST(sc_kvs_iter_new(w->kvs, NULL, NULL, &it, &diag));
    for (MUST(sc_kvs_iter_first(it, &valid, &diag)); valid; MUST(sc_kvs_iter_next(it, &valid, &diag))) {
        CHECK(i < w->m.key_count && sc_slice_eq(sc_kvs_iter_key(it), mvcc_key_of(&w->m, i)));
        compare_value(w, i, seen_at(w, &s, i), sc_kvs_iter_value(it));
        i = seen_next(w, &s, i + 1, w->m.key_count);
        counts.moves++;
    }
    CHECK(i == w->m.key_count);
    sc_kvs_iter_free(it);
    MUST(sc_kvs_verify(w->kvs, NULL, NULL, &diag));
    counts.verifies++;
}

static void do_reopen(struct world *w)
{
    struct sc_diag diag = {0};
    world_close(w);
    if (below(w, 3) == 0) { /* by a reader first */
        struct volume_options o = w->options;
        o.read_only = true;
        MUST(volume_open_with(&o, &w->kvs, &diag));
        compare_all(w);
        sc_kvs_close(SC_TAKE(w->kvs));
    }
    world_open(w);
    counts.reopens++;
}

/* To a new store, or again to one that holds an older copy. */
static void do_copy(struct world *w)
{
    struct sc_diag diag = {0};
    struct sc_kvs *original = w->kvs;
    if (w->copy != NULL && below(w, 3) == 0) {
        sc_store_free(w->copy);
        w->copy = NULL;
    }
    if (w->copy == NULL)
        assert_int_equal(sc_store_memory_new(&w->copy), SC_OK);
    MUST(sc_kvs_copy(w->kvs, w->copy, &(struct sc_kvs_copy_options){0}, &diag));
    const struct volume_options o = {.store = w->copy, .read_only = true};
    w->kvs = NULL;
    MUST(volume_open_with(&o, &w->kvs, &diag));
    compare_all(w);
    sc_kvs_close(w->kvs);
    w->kvs = original;
    counts.copies++;
}

static void do_rotate(struct world *w)
{
    struct sc_diag diag = {0};
    const sc_err err = sc_kvs_rotate(w->kvs, NULL, &diag);
    if (err == SC_E_LIMIT) { /* too many keys still in use: merge what they seal */
        MUST(sc_kvs_compact(w->kvs, NULL));
        return;
    }
    MUST(err);
    counts.rotations++;
}

static void forget(struct world *w)
{
    uint64_t oldest = w->m.now;
    for (size_t i = 0; i < SNAPSHOTS; i++)
        if (w->snaps[i].snap != NULL && w->snaps[i].time < oldest)
            oldest = w->snaps[i].time;
    for (size_t i = 0; i < TXNS; i++)
        if (w->txns[i].txn != NULL && w->txns[i].time < oldest)
            oldest = w->txns[i].time;
    mvcc_forget(&w->m, oldest);
}

static void do_one(struct world *w)
{
    struct sc_diag diag = {0};
    const size_t op = below(w, 10000);
    if (op < 2500)
        do_transaction(w);
    else if (op < 4000)
        do_batch(w);
    else if (op < 6000)
        do_get(w);
    else if (op < 7000)
        do_iterate(w, NULL);
    else if (op < 9500)
        do_open_transaction(w);
    else if (op < 9960)
        do_snapshot(w);
    else if (op < 9980)
        MUST(sc_kvs_compact(w->kvs, &diag));
    else if (op < 9990)
        do_reopen(w);
    else if (op < 9992)
        do_copy(w);
    else if (op < 9994)
        do_rotate(w);
    else if (op < 9996)
        compare_all(w);
    else
        forget(w);
}

static void options_draw(struct world *w)
{
    static const size_t memtables[] = {1 << 10, 4 << 10, 16 << 10, 64 << 10};
    static const size_t caches[] = {1, 8 << 10, 64 << 10, 1 << 20};
    static const size_t blocks[] = {256, 512, 1024, 4096};
    w->options = (struct volume_options){
        .store = w->store,
        .counter = below(w, 4) != 0 ? &w->counter : NULL,
        .memtable_size_max = memtables[below(w, 4)],
        .block_cache_size_max = caches[below(w, 4)],
        .block_size = blocks[below(w, 4)],
    };
    w->dense = 5 + below(w, 5);
}

static void run(uint64_t seed, uint64_t until)
{
    static const size_t universes[] = {20, 150, 800, 3000};
    char name[40];
    struct world w = {0};
    snprintf(name, sizeof name, "seed %" PRIu64, seed);
    context = name;
    sc_prng_init(&w.prng, seed);
    mvcc_init(&w.m, &w.prng, universes[below(&w, 4)]);
    assert_int_equal(sc_store_memory_new(&w.store), SC_OK);
    options_draw(&w);
    world_open(&w);
    while (operations() < until)
        do_one(&w);
    compare_all(&w);
    do_reopen(&w);
    compare_all(&w);
    world_close(&w);
    mvcc_deinit(&w.m);
    sc_buf_deinit(&w.read);
    sc_store_free(w.copy);
    sc_store_free(w.store);
    context = "";
}

static void random_operations_answer_as_the_twin_does(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(1);
    const uint64_t total = suite_size(1200000, 20000000);
    const uint64_t each = suite_soak() ? 20000 : 6000;
    const uint64_t seeds = total / each;
    uint64_t mine = 0;
    for (uint64_t i = 0; i < seeds; i++) {
        if (suite_mine(i)) {
            run(seed + i, operations() + each);
            mine++;
        }
        suite_progress("random operations, seeds", i + 1, seeds);
    }
    printf("%" PRIu64 " operations over %" PRIu64 " seeds: %" PRIu64 " puts, %" PRIu64 " deletes, %" PRIu64
           " range deletes, %" PRIu64 " gets, %" PRIu64 " moves of iterators, %" PRIu64 " parts of values\n",
           operations(), mine, counts.puts, counts.deletes, counts.range_deletes, counts.gets, counts.moves,
           counts.parts);
    printf("%" PRIu64 " commits, %" PRIu64 " conflicts, %" PRIu64 " batches, %" PRIu64 " snapshots, %" PRIu64
           " reopens, %" PRIu64 " flushes, %" PRIu64 " compactions, %" PRIu64 " verifications, %" PRIu64
           " copies, %" PRIu64 " new keys\n",
           counts.commits, counts.conflicts, counts.batches, counts.snapshots, counts.reopens, counts.flushes,
           counts.compactions, counts.verifies, counts.copies, counts.rotations);
    assert_true(counts.conflicts > mine && counts.reopens > mine / 4 && counts.flushes > mine &&
                counts.compactions > mine / 2 && counts.copies > mine / 16 && counts.rotations > mine / 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_answer_as_the_twin_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
