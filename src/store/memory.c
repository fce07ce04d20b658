#include "store/memory.h"

#include <pthread.h>
#include <stdio.h>

#define SECTOR ((size_t)512)

struct object {
    struct object *next;
    char name[65];
    struct sc_buf content;
    size_t synced;      /* content[0, synced) survives a power cut */
    struct sc_buf ends; /* u64be each: where the single appends end */
};
struct past {
    char name[65];
    bool removed; /* since the last power cycle: may come back */
    struct sc_buf content;
};
struct memory_store {
    struct sc_store base;
    pthread_mutex_t lock; /* guards all below */
    struct object *objects;
    struct sc_buf root;
    uint64_t calls;
    uint64_t fail_at; /* absolute call number; 0 = disarmed */
    bool fail_once, fail_with_effect, failed;
    bool keeps_history;
    struct past *past; /* oldest first */
    size_t past_count;
};
struct sc_store_append {
    struct memory_store *store;
    char name[65];
};

static struct object *find(struct memory_store *m, const char *name)
{
    for (struct object *o = m->objects; o != NULL; o = o->next)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static struct object *add(struct memory_store *m, const char *name)
{
    struct object *o = calloc(1, sizeof *o);
    if (o == NULL)
        return NULL;
    snprintf(o->name, sizeof o->name, "%s", name);
    o->next = m->objects;
    m->objects = o;
    return o;
}

/* Takes over *content. */
static sc_err past_add(struct memory_store *m, const char *name, bool removed, struct sc_buf *content)
{
    struct past *more = realloc(m->past, (m->past_count + 1) * sizeof *more);
    if (more == NULL)
        return SC_E_NOMEM;
    m->past = more;
    struct past *p = &m->past[m->past_count++];
    *p = (struct past){.removed = removed, .content = *content};
    snprintf(p->name, sizeof p->name, "%s", name);
    *content = (struct sc_buf){0};
    return SC_OK;
}

static void object_free(struct object *o)
{
    sc_buf_deinit(&o->content);
    sc_buf_deinit(&o->ends);
    free(o);
}

static void drop(struct memory_store *m, const char *name, bool removed)
{
    for (struct object **p = &m->objects; *p != NULL; p = &(*p)->next) {
        if (strcmp((*p)->name, name) != 0)
            continue;
        struct object *gone = *p;
        *p = gone->next;
        if (m->keeps_history)
            SC_ASSERT(past_add(m, name, removed, &gone->content) == SC_OK); /* tests only */
        object_free(gone);
        return;
    }
}

/* Enters a call: counts it and says whether the armed fault fires. */
static bool enter(struct memory_store *m)
{
    pthread_mutex_lock(&m->lock);
    m->calls++;
    const bool fires = m->fail_at != 0 && (m->fail_once ? m->calls == m->fail_at : m->calls >= m->fail_at);
    m->failed |= fires;
    return fires;
}

/* Only the first failing call may still have had its effect: afterwards the machine is off. */
static bool effective(const struct memory_store *m, bool fires)
{
    return !fires || (m->fail_with_effect && m->calls == m->fail_at);
}

static sc_err leave(struct memory_store *m, bool fires, sc_err err, const char *what, struct sc_diag *diag)
{
    pthread_mutex_unlock(&m->lock);
    return fires ? sc_fail(diag, SC_E_IO, "%s: injected fault", what) : err;
}

static sc_err memory_put(struct sc_store *s, const char *name, struct sc_slice content, struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    const bool fires = enter(m);
    sc_err err = SC_OK;
    if (effective(m, fires)) {
        drop(m, name, false);
        struct object *o = add(m, name);
        if (o != NULL) {
            sc_buf_put_bytes(&o->content, content);
            o->synced = content.size;
        }
        err = o != NULL ? sc_buf_status(&o->content) : SC_E_NOMEM;
    }
    return leave(m, fires, err, name, diag);
}

static sc_err memory_get(struct sc_store *s, const char *name, uint64_t offset, size_t size, uint8_t *out,
                         struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    const bool fires = enter(m);
    sc_err err = SC_OK;
    const struct object *o = find(m, name);
    if (fires)
        err = SC_E_IO;
    else if (o == NULL)
        err = sc_fail(diag, SC_E_NOT_FOUND, "%s: no such object", name);
    else if (offset > o->content.size || size > o->content.size - offset)
        err = sc_fail(diag, SC_E_MALFORMED, "%s: ends at byte %zu", name, o->content.size);
    else if (size != 0)
        memcpy(out, o->content.ptr + offset, size);
    return leave(m, fires, err, name, diag);
}

static sc_err memory_size(struct sc_store *s, const char *name, uint64_t *size_out, struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    const bool fires = enter(m);
    const struct object *o = find(m, name);
    sc_err err = SC_OK;
    if (o == NULL && !fires)
        err = sc_fail(diag, SC_E_NOT_FOUND, "%s: no such object", name);
    else if (o != NULL)
        *size_out = o->content.size;
    return leave(m, fires, err, name, diag);
}

static sc_err memory_remove(struct sc_store *s, const char *name, struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    const bool fires = enter(m);
    if (effective(m, fires))
        drop(m, name, true);
    return leave(m, fires, SC_OK, name, diag);
}

sc_err sc_store_memory_names(struct sc_store *s, char (**names_out)[65], size_t *count_out)
{
    struct memory_store *m = (struct memory_store *)s;
    pthread_mutex_lock(&m->lock);
    size_t count = 0;
    for (const struct object *o = m->objects; o != NULL; o = o->next)
        count++;
    char(*names)[65] = calloc(count + 1, sizeof *names);
    if (names != NULL) {
        size_t i = 0;
        for (const struct object *o = m->objects; o != NULL; o = o->next)
            memcpy(names[i++], o->name, sizeof o->name);
    }
    pthread_mutex_unlock(&m->lock);
    if (names == NULL)
        return SC_E_NOMEM;
    *names_out = names;
    *count_out = count;
    return SC_OK;
}

static sc_err memory_list(struct sc_store *s, sc_err (*each)(void *arg, const char *name), void *arg,
                          struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    const bool fires = enter(m);
    SC_TRY(leave(m, fires, SC_OK, "list", diag));
    char(*names)[65] = NULL; /* a copy: each() may call the store */
    size_t count = 0;
    SC_TRY(sc_store_memory_names(s, &names, &count));
    sc_err err = SC_OK;
    for (size_t i = 0; i < count && err == SC_OK; i++)
        err = each(arg, names[i]);
    free(names);
    return err;
}

static sc_err memory_append_open(struct sc_store *s, const char *name, struct sc_store_append **out,
                                 struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    struct sc_store_append *a = calloc(1, sizeof *a);
    if (a == NULL)
        return SC_E_NOMEM;
    a->store = m;
    snprintf(a->name, sizeof a->name, "%s", name);
    const bool fires = enter(m);
    sc_err err = SC_OK;
    if (!fires && find(m, name) != NULL)
        err = sc_fail(diag, SC_E_EXISTS, "%s: exists", name);
    else if (effective(m, fires) && add(m, name) == NULL)
        err = SC_E_NOMEM;
    err = leave(m, fires, err, name, diag);
    if (err != SC_OK)
        free(a);
    else
        *out = a;
    return err;
}

static sc_err memory_append(struct sc_store_append *a, struct sc_slice bytes, struct sc_diag *diag)
{
    struct memory_store *m = a->store;
    const bool fires = enter(m);
    sc_err err = SC_OK;
    struct object *o = find(m, a->name);
    if (o == NULL)
        err = sc_fail(diag, SC_E_IO, "%s: removed", a->name);
    else if (effective(m, fires)) {
        sc_buf_put_bytes(&o->content, bytes);
        sc_buf_put_u64be(&o->ends, o->content.size);
        err = sc_buf_status(&o->content);
    }
    return leave(m, fires, err, a->name, diag);
}

static sc_err memory_append_sync(struct sc_store_append *a, struct sc_diag *diag)
{
    struct memory_store *m = a->store;
    const bool fires = enter(m);
    struct object *o = find(m, a->name);
    if (o != NULL && effective(m, fires))
        o->synced = o->content.size;
    return leave(m, fires, o != NULL ? SC_OK : SC_E_IO, a->name, diag);
}

static void memory_append_close(struct sc_store_append *a)
{
    free(a);
}

static sc_err memory_root_get(struct sc_store *s, uint8_t out[static SC_STORE_ROOT_SIZE_MAX], size_t *size_out,
                              struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    const bool fires = enter(m);
    sc_err err = SC_OK;
    if (!fires && m->root.size > SC_STORE_ROOT_SIZE_MAX) /* a test's tampering */
        err = sc_fail(diag, SC_E_MALFORMED, "root: wrong size");
    else if (!fires && m->root.size != 0)
        memcpy(out, m->root.ptr, m->root.size);
    if (!fires && err == SC_OK)
        *size_out = m->root.size;
    return leave(m, fires, err, "root", diag);
}

static sc_err memory_root_cas(struct sc_store *s, struct sc_slice expected, struct sc_slice next, struct sc_diag *diag)
{
    struct memory_store *m = (struct memory_store *)s;
    SC_ASSERT(next.size != 0 && next.size <= SC_STORE_ROOT_SIZE_MAX);
    const bool fires = enter(m);
    sc_err err = SC_OK;
    if (!sc_slice_eq(sc_buf_slice(&m->root), expected)) {
        if (!fires)
            err = sc_fail(diag, SC_E_CONFLICT, "root: changed by somebody else");
    } else if (effective(m, fires)) {
        if (m->keeps_history && m->root.size != 0)
            err = past_add(m, "root", false, &m->root);
        sc_buf_reset(&m->root);
        sc_buf_put_bytes(&m->root, next);
        err = err == SC_OK ? sc_buf_status(&m->root) : err;
    }
    return leave(m, fires, err, "root", diag);
}

static void memory_free(struct sc_store *s)
{
    struct memory_store *m = (struct memory_store *)s;
    for (struct object *o; (o = m->objects) != NULL;) {
        m->objects = o->next;
        object_free(o);
    }
    for (size_t i = 0; i < m->past_count; i++)
        sc_buf_deinit(&m->past[i].content);
    free(m->past);
    sc_buf_deinit(&m->root);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct sc_store_ops memory_ops = {
    .put = memory_put,
    .get = memory_get,
    .size = memory_size,
    .remove = memory_remove,
    .list = memory_list,
    .append_open = memory_append_open,
    .append = memory_append,
    .append_sync = memory_append_sync,
    .append_close = memory_append_close,
    .root_get = memory_root_get,
    .root_cas = memory_root_cas,
    .free = memory_free,
};

sc_err sc_store_memory_new(struct sc_store **out)
{
    struct memory_store *m = calloc(1, sizeof *m);
    if (m == NULL)
        return SC_E_NOMEM;
    m->base.ops = &memory_ops;
    pthread_mutex_init(&m->lock, NULL);
    *out = &m->base;
    return SC_OK;
}

/* ---- faults ---- */

uint64_t sc_store_memory_calls(struct sc_store *s)
{
    struct memory_store *m = (struct memory_store *)s;
    pthread_mutex_lock(&m->lock);
    const uint64_t n = m->calls;
    pthread_mutex_unlock(&m->lock);
    return n;
}

void sc_store_memory_fail_at(struct sc_store *s, uint64_t nth, bool once, bool with_effect)
{
    struct memory_store *m = (struct memory_store *)s;
    pthread_mutex_lock(&m->lock);
    m->fail_at = nth != 0 ? m->calls + nth : 0;
    m->fail_once = once;
    m->fail_with_effect = with_effect;
    m->failed = false;
    pthread_mutex_unlock(&m->lock);
}

bool sc_store_memory_failed(struct sc_store *s)
{
    struct memory_store *m = (struct memory_store *)s;
    pthread_mutex_lock(&m->lock);
    const bool failed = m->failed;
    pthread_mutex_unlock(&m->lock);
    return failed;
}

/* Bytes [at, end) of o never reached the disk: what stands there instead. */
static void lose(const struct memory_store *m, struct object *o, size_t at, size_t end, struct sc_prng *prng)
{
    const struct sc_buf *old = NULL;
    const uint64_t fate = sc_prng_below(prng, 3);
    if (fate == 2 && m->past_count != 0)
        old = &m->past[sc_prng_below(prng, m->past_count)].content;
    for (; at < end; at++)
        o->content.ptr[at] = fate == 0 ? 0 : old != NULL && at < old->size ? old->ptr[at] : (uint8_t)sc_prng_u64(prng);
}

static void tear(const struct memory_store *m, struct object *o, struct sc_prng *prng)
{
    const size_t loose = o->content.size - o->synced;
    if (sc_prng_below(prng, 2) == 0) {
        o->content.size = o->synced + (size_t)sc_prng_below(prng, loose + 1);
        return;
    }
    for (size_t at = o->synced; at < o->content.size;) {
        const size_t sector_end = (at / SECTOR + 1) * SECTOR;
        const size_t end = sector_end < o->content.size ? sector_end : o->content.size;
        if (sc_prng_below(prng, 3) != 0)
            lose(m, o, at, end, prng);
        at = end;
    }
}

static void reorder(const struct memory_store *m, struct object *o, struct sc_prng *prng)
{
    size_t last = o->synced; /* the object's size is that of the last append that is there */
    for (size_t i = 0, at = 0; i + 8 <= o->ends.size; i += 8) {
        const size_t end = (size_t)sc_load_u64be(o->ends.ptr + i);
        if (end > o->synced && end <= o->content.size) {
            if (sc_prng_below(prng, 2) == 0)
                last = end;
            else
                lose(m, o, at > o->synced ? at : o->synced, end, prng);
        }
        at = end;
    }
    o->content.size = last;
}

/* Space made ready for appends that never came: the contract allows zeros behind. */
static void zeros_behind(struct object *o, struct sc_prng *prng)
{
    const size_t more = (size_t)sc_prng_below(prng, 3 * SECTOR * 8);
    uint8_t *p = sc_buf_extend(&o->content, more);
    SC_ASSERT(p != NULL || more == 0); /* tests only */
    if (more != 0)
        memset(p, 0, more);
}

/* A removal that did not reach the disk. */
static void resurrect(struct memory_store *m, const struct past *p)
{
    if (find(m, p->name) != NULL)
        return;
    struct object *o = add(m, p->name);
    SC_ASSERT(o != NULL);
    sc_buf_put_bytes(&o->content, sc_buf_slice(&p->content));
    SC_ASSERT(sc_buf_status(&o->content) == SC_OK);
    o->synced = o->content.size;
}

void sc_store_memory_power_cycle(struct sc_store *s, enum sc_store_cut cut, struct sc_prng *prng)
{
    struct memory_store *m = (struct memory_store *)s;
    pthread_mutex_lock(&m->lock);
    m->fail_at = 0;
    for (struct object *o = m->objects; o != NULL; o = o->next) {
        if (o->content.size > o->synced && cut == SC_STORE_CUT_DROP)
            o->content.size = o->synced;
        else if (o->content.size > o->synced && cut == SC_STORE_CUT_TORN)
            tear(m, o, prng);
        else if (o->content.size > o->synced && cut == SC_STORE_CUT_REORDER)
            reorder(m, o, prng);
        if (o->ends.size != 0 && (cut == SC_STORE_CUT_TORN || cut == SC_STORE_CUT_REORDER) &&
            sc_prng_below(prng, 3) == 0)
            zeros_behind(o, prng);
        o->synced = o->content.size;
        sc_buf_reset(&o->ends);
    }
    for (size_t i = 0; i < m->past_count; i++) {
        if (m->past[i].removed &&
            (cut == SC_STORE_CUT_DROP || (cut == SC_STORE_CUT_REORDER && sc_prng_below(prng, 2) == 0)))
            resurrect(m, &m->past[i]);
        m->past[i].removed = false;
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- history ---- */

void sc_store_memory_keep_history(struct sc_store *s)
{
    ((struct memory_store *)s)->keeps_history = true;
}

size_t sc_store_memory_history_count(struct sc_store *s)
{
    return ((struct memory_store *)s)->past_count;
}

sc_err sc_store_memory_history(struct sc_store *s, size_t i, char name_out[static 65], struct sc_buf *out)
{
    const struct memory_store *m = (const struct memory_store *)s;
    SC_ASSERT(i < m->past_count);
    memcpy(name_out, m->past[i].name, sizeof m->past[i].name);
    sc_buf_put_bytes(out, sc_buf_slice(&m->past[i].content));
    return sc_buf_status(out);
}

size_t sc_store_memory_appends(struct sc_store *s, const char *name, size_t *ends_out, size_t max)
{
    const struct object *o = find((struct memory_store *)s, name);
    const size_t count = o != NULL ? o->ends.size / 8 : 0;
    for (size_t i = 0; i < count && i < max; i++)
        ends_out[i] = (size_t)sc_load_u64be(o->ends.ptr + i * 8);
    return count;
}

/* ---- tampering ---- */

static struct sc_buf *content_of(struct memory_store *m, const char *name)
{
    if (strcmp(name, "root") == 0)
        return &m->root;
    struct object *o = find(m, name);
    return o != NULL ? &o->content : NULL;
}

sc_err sc_store_memory_content(struct sc_store *s, const char *name, struct sc_buf *out)
{
    struct memory_store *m = (struct memory_store *)s;
    const struct sc_buf *b = content_of(m, name);
    if (b == NULL)
        return SC_E_NOT_FOUND;
    sc_buf_put_bytes(out, sc_buf_slice(b));
    return sc_buf_status(out);
}

void sc_store_memory_flip(struct sc_store *s, const char *name, size_t offset, uint8_t mask)
{
    struct sc_buf *b = content_of((struct memory_store *)s, name);
    SC_ASSERT(b != NULL && offset < b->size);
    b->ptr[offset] ^= mask;
}

void sc_store_memory_truncate(struct sc_store *s, const char *name, size_t size)
{
    struct memory_store *m = (struct memory_store *)s;
    struct sc_buf *b = content_of(m, name);
    SC_ASSERT(b != NULL && size <= b->size);
    b->size = size;
    struct object *o = find(m, name);
    if (o != NULL && o->synced > size)
        o->synced = size;
}

void sc_store_memory_swap(struct sc_store *s, const char *a, const char *b)
{
    struct object *x = find((struct memory_store *)s, a);
    struct object *y = find((struct memory_store *)s, b);
    SC_ASSERT(x != NULL && y != NULL);
    const struct sc_buf content = x->content;
    const size_t synced = x->synced;
    x->content = y->content;
    x->synced = y->synced;
    y->content = content;
    y->synced = synced;
}

void sc_store_memory_replace(struct sc_store *s, const char *name, struct sc_slice content)
{
    struct memory_store *m = (struct memory_store *)s;
    struct sc_buf *b = content_of(m, name);
    if (b == NULL) {
        struct object *o = add(m, name);
        SC_ASSERT(o != NULL);
        b = &o->content;
    }
    sc_buf_reset(b);
    sc_buf_put_bytes(b, content);
    SC_ASSERT(sc_buf_status(b) == SC_OK);
    struct object *o = find(m, name);
    if (o != NULL)
        o->synced = content.size;
}

sc_err sc_store_memory_clone(struct sc_store *s, struct sc_store **out)
{
    struct memory_store *m = (struct memory_store *)s;
    SC_CLEANUP(sc_store_freep) struct sc_store *copy = NULL;
    SC_TRY(sc_store_memory_new(&copy));
    struct memory_store *to = (struct memory_store *)copy;
    sc_buf_put_bytes(&to->root, sc_buf_slice(&m->root));
    SC_TRY(sc_buf_status(&to->root));
    for (const struct object *o = m->objects; o != NULL; o = o->next) {
        struct object *n = add(to, o->name);
        if (n == NULL)
            return SC_E_NOMEM;
        sc_buf_put_bytes(&n->content, sc_buf_slice(&o->content));
        SC_TRY(sc_buf_status(&n->content));
        n->synced = o->synced;
    }
    *out = SC_TAKE(copy);
    return SC_OK;
}
