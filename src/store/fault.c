#include "store/fault.h"

#include <assert.h>
#include <pthread.h>

struct fault_store {
    struct sc_store base;
    struct sc_store_fault_options opt;
    pthread_mutex_t lock; /* guards all below */
    struct sc_prng prng;
    uint64_t calls, fired, delayed_us;
    uint64_t armed_at; /* call number; 0: none */
    enum sc_store_fault armed;
    unsigned storm_set;
    uint64_t storm_one_in;
    uint64_t delay_us_max;
    bool off;
    enum sc_store_call last;
};
struct sc_store_append {
    struct fault_store *store;
    struct sc_store_append *below;
    bool undurable; /* after SYNC_ONCE */
};

/* What one call is to suffer, decided when it begins. */
struct fate {
    bool suffers;
    enum sc_store_fault fault;
    bool done;       /* OFF, TIMEOUT: by chance */
    uint64_t random; /* which bit */
    enum sc_store_call call;
};

const char *sc_store_fault_name(enum sc_store_fault f)
{
    static const char *const names[] = {"EIO",       "ENOSPC",    "short",       "timeout", "done but answered EIO",
                                        "sync once", "power off", "bit flipped", "lost"};
    static_assert(sizeof names / sizeof names[0] == SC_STORE_FAULT_COUNT, "a name each");
    return names[f];
}

const char *sc_store_call_name(enum sc_store_call c)
{
    static const char *const names[] = {"put",         "get",    "size", "remove",   "list",
                                        "append_open", "append", "sync", "root_get", "root_cas"};
    static_assert(sizeof names / sizeof names[0] == SC_STORE_CALL_COUNT, "a name each");
    return names[c];
}

/* ---- the fate of a call ---- */

static enum sc_store_fault storm_pick(struct fault_store *f)
{
    for (;;) {
        const unsigned pick = (unsigned)sc_prng_below(&f->prng, SC_STORE_FAULT_COUNT);
        if (f->storm_set & 1u << pick)
            return (enum sc_store_fault)pick;
    }
}

static struct fate fate_of(struct fault_store *f, enum sc_store_call call)
{
    struct fate fate = {.call = call};
    f->calls++;
    fate.random = sc_prng_u64(&f->prng);
    fate.done = sc_prng_below(&f->prng, 2) == 0;
    if (f->off) {
        fate.suffers = true;
        fate.fault = SC_STORE_FAULT_OFF;
        fate.done = false;
    } else if (f->armed_at == f->calls) {
        fate.suffers = true;
        fate.fault = f->armed;
    } else if (f->storm_set != 0 && f->storm_one_in != 0 && sc_prng_below(&f->prng, f->storm_one_in) == 0) {
        fate.suffers = true;
        fate.fault = storm_pick(f);
    }
    f->off |= fate.suffers && fate.fault == SC_STORE_FAULT_OFF;
    f->fired += fate.suffers;
    if (fate.suffers)
        f->last = call;
    return fate;
}

static struct fate begin(struct fault_store *f, enum sc_store_call call)
{
    pthread_mutex_lock(&f->lock);
    const struct fate fate = fate_of(f, call);
    uint64_t delay_us = f->delay_us_max != 0 ? sc_prng_below(&f->prng, f->delay_us_max) : 0;
    if (fate.suffers && fate.fault == SC_STORE_FAULT_TIMEOUT)
        delay_us += SC_STORE_FAULT_TIMEOUT_US;
    f->delayed_us += delay_us;
    pthread_mutex_unlock(&f->lock);
    if (delay_us != 0 && f->opt.sleep != NULL)
        f->opt.sleep(f->opt.arg, delay_us);
    if (f->opt.watch != NULL)
        f->opt.watch(f->opt.arg, call, false);
    return fate;
}

static bool is_done(const struct fate *fate)
{
    if (!fate->suffers)
        return true;
    switch (fate->fault) {
    case SC_STORE_FAULT_DONE:
    case SC_STORE_FAULT_FLIP:
        return true;
    case SC_STORE_FAULT_TIMEOUT:
    case SC_STORE_FAULT_OFF:
        return fate->done;
    default:
        return false;
    }
}

static bool is_lie(const struct fate *fate)
{
    return fate->suffers && fate->fault >= SC_STORE_FAULT_FLIP;
}

/* err: what the store below said, SC_OK where it was not asked. */
static sc_err end(struct fault_store *f, const struct fate *fate, sc_err err, struct sc_diag *diag)
{
    if (f->opt.watch != NULL)
        f->opt.watch(f->opt.arg, fate->call, true);
    if (!fate->suffers || is_lie(fate))
        return err;
    const char *what = fate->fault == SC_STORE_FAULT_ENOSPC    ? "no space left"
                       : fate->fault == SC_STORE_FAULT_TIMEOUT ? "no answer in time"
                       : fate->fault == SC_STORE_FAULT_OFF     ? "power is off"
                                                               : "input/output error";
    return sc_fail(diag, SC_E_IO, "%s: injected fault: %s", sc_store_call_name(fate->call), what);
}

static bool flips(const struct fate *fate)
{
    return fate->suffers && fate->fault == SC_STORE_FAULT_FLIP;
}

static void flip(const struct fate *fate, uint8_t *bytes, size_t size)
{
    if (size != 0)
        bytes[fate->random / 8 % size] ^= (uint8_t)(1u << fate->random % 8);
}

/* The bytes as they will be written: a copy with one bit flipped, or the original. */
static sc_err bytes_to_write(const struct fate *fate, struct sc_slice bytes, struct sc_buf *copy, struct sc_slice *out)
{
    *out = bytes;
    if (!flips(fate))
        return SC_OK;
    sc_buf_put_bytes(copy, bytes);
    SC_TRY(sc_buf_status(copy));
    flip(fate, copy->ptr, copy->size);
    *out = sc_buf_slice(copy);
    return SC_OK;
}

/* ---- the calls ---- */

static sc_err fault_put(struct sc_store *s, const char *name, struct sc_slice content, struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf copy = {0};
    const struct fate fate = begin(f, SC_STORE_CALL_PUT);
    struct sc_slice bytes;
    sc_err err = bytes_to_write(&fate, content, &copy, &bytes);
    if (err == SC_OK && is_done(&fate))
        err = below->ops->put(below, name, bytes, diag);
    return end(f, &fate, err, diag);
}

static sc_err fault_get(struct sc_store *s, const char *name, uint64_t offset, size_t size, uint8_t *out,
                        struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    const struct fate fate = begin(f, SC_STORE_CALL_GET);
    sc_err err = SC_OK;
    const bool is_short = fate.suffers && fate.fault == SC_STORE_FAULT_SHORT;
    if (is_done(&fate) || is_short)
        err = below->ops->get(below, name, offset, is_short ? size / 2 : size, out, diag);
    else if (is_lie(&fate))
        memset(out, 0, size);
    if (err == SC_OK && flips(&fate))
        flip(&fate, out, size);
    if (is_short) {
        if (f->opt.watch != NULL)
            f->opt.watch(f->opt.arg, fate.call, true);
        return sc_fail(diag, SC_E_MALFORMED, "get: injected fault: short read");
    }
    return end(f, &fate, err, diag);
}

static sc_err fault_size(struct sc_store *s, const char *name, uint64_t *size_out, struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    const struct fate fate = begin(f, SC_STORE_CALL_SIZE);
    const sc_err err = below->ops->size(below, name, size_out, diag);
    if (err == SC_OK && is_lie(&fate))
        *size_out = flips(&fate) ? *size_out ^ 1 : 0;
    return end(f, &fate, err, diag);
}

static sc_err fault_remove(struct sc_store *s, const char *name, struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    const struct fate fate = begin(f, SC_STORE_CALL_REMOVE);
    sc_err err = SC_OK;
    if (is_done(&fate))
        err = below->ops->remove(below, name, diag);
    return end(f, &fate, err, diag);
}

static sc_err fault_list(struct sc_store *s, sc_err (*each)(void *arg, const char *name), void *arg,
                         struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    const struct fate fate = begin(f, SC_STORE_CALL_LIST);
    sc_err err = SC_OK;
    if (is_done(&fate))
        err = below->ops->list(below, each, arg, diag);
    return end(f, &fate, err, diag);
}

static sc_err fault_append_open(struct sc_store *s, const char *name, struct sc_store_append **out,
                                struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    struct sc_store_append *a = calloc(1, sizeof *a);
    if (a == NULL)
        return SC_E_NOMEM;
    a->store = f;
    const struct fate fate = begin(f, SC_STORE_CALL_APPEND_OPEN);
    sc_err err = SC_OK;
    if (is_done(&fate))
        err = below->ops->append_open(below, name, &a->below, diag);
    err = end(f, &fate, err, diag);
    if (err == SC_OK) {
        *out = a; /* LOST: a handle to nothing */
        return SC_OK;
    }
    if (a->below != NULL)
        below->ops->append_close(a->below);
    free(a);
    return err;
}

static sc_err fault_append(struct sc_store_append *a, struct sc_slice bytes, struct sc_diag *diag)
{
    struct fault_store *f = a->store;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf copy = {0};
    const struct fate fate = begin(f, SC_STORE_CALL_APPEND);
    struct sc_slice written;
    sc_err err = bytes_to_write(&fate, bytes, &copy, &written);
    const bool is_short = fate.suffers && fate.fault == SC_STORE_FAULT_SHORT;
    if (is_short)
        written.size /= 2;
    if (err == SC_OK && (is_done(&fate) || is_short) && a->below != NULL)
        err = f->opt.below->ops->append(a->below, written, diag);
    return end(f, &fate, err, diag);
}

static sc_err fault_append_sync(struct sc_store_append *a, struct sc_diag *diag)
{
    struct fault_store *f = a->store;
    const struct fate fate = begin(f, SC_STORE_CALL_SYNC);
    sc_err err = SC_OK;
    if (fate.suffers && fate.fault == SC_STORE_FAULT_SYNC_ONCE)
        a->undurable = true;
    else if (is_done(&fate) && !a->undurable && a->below != NULL)
        err = f->opt.below->ops->append_sync(a->below, diag);
    return end(f, &fate, err, diag);
}

static void fault_append_close(struct sc_store_append *a)
{
    if (a == NULL)
        return;
    if (a->below != NULL)
        a->store->opt.below->ops->append_close(a->below);
    free(a);
}

static sc_err fault_root_get(struct sc_store *s, uint8_t out[static SC_STORE_ROOT_SIZE_MAX], size_t *size_out,
                             struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    const struct fate fate = begin(f, SC_STORE_CALL_ROOT_GET);
    sc_err err = SC_OK;
    if (is_done(&fate))
        err = below->ops->root_get(below, out, size_out, diag);
    else if (is_lie(&fate))
        *size_out = 0;
    if (err == SC_OK && flips(&fate))
        flip(&fate, out, *size_out);
    return end(f, &fate, err, diag);
}

static sc_err fault_root_cas(struct sc_store *s, struct sc_slice expected, struct sc_slice next, struct sc_diag *diag)
{
    struct fault_store *f = (struct fault_store *)s;
    struct sc_store *below = f->opt.below;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf copy = {0};
    const struct fate fate = begin(f, SC_STORE_CALL_ROOT_CAS);
    struct sc_slice record;
    sc_err err = bytes_to_write(&fate, next, &copy, &record);
    if (err == SC_OK && is_done(&fate))
        err = below->ops->root_cas(below, expected, record, diag);
    return end(f, &fate, err, diag);
}

static void fault_free(struct sc_store *s)
{
    struct fault_store *f = (struct fault_store *)s;
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static const struct sc_store_ops fault_ops = {
    .put = fault_put,
    .get = fault_get,
    .size = fault_size,
    .remove = fault_remove,
    .list = fault_list,
    .append_open = fault_append_open,
    .append = fault_append,
    .append_sync = fault_append_sync,
    .append_close = fault_append_close,
    .root_get = fault_root_get,
    .root_cas = fault_root_cas,
    .free = fault_free,
};

sc_err sc_store_fault_new(const struct sc_store_fault_options *opt, struct sc_store **out)
{
    struct fault_store *f = calloc(1, sizeof *f);
    if (f == NULL)
        return SC_E_NOMEM;
    f->base.ops = &fault_ops;
    f->opt = *opt;
    sc_prng_init(&f->prng, opt->seed);
    pthread_mutex_init(&f->lock, NULL);
    *out = &f->base;
    return SC_OK;
}

/* ---- what a test says and asks ---- */

void sc_store_fault_arm(struct sc_store *s, uint64_t nth, enum sc_store_fault fault)
{
    struct fault_store *f = (struct fault_store *)s;
    pthread_mutex_lock(&f->lock);
    f->armed_at = nth != 0 ? f->calls + nth : 0;
    f->armed = fault;
    if (nth == 0) {
        f->off = false;
        f->storm_set = 0;
        f->delay_us_max = 0;
    }
    pthread_mutex_unlock(&f->lock);
}

void sc_store_fault_storm(struct sc_store *s, unsigned set, uint64_t one_in)
{
    struct fault_store *f = (struct fault_store *)s;
    pthread_mutex_lock(&f->lock);
    f->storm_set = set & ((1u << SC_STORE_FAULT_COUNT) - 1);
    f->storm_one_in = one_in;
    pthread_mutex_unlock(&f->lock);
}

void sc_store_fault_delay(struct sc_store *s, uint64_t us_max)
{
    struct fault_store *f = (struct fault_store *)s;
    pthread_mutex_lock(&f->lock);
    f->delay_us_max = us_max;
    pthread_mutex_unlock(&f->lock);
}

static uint64_t read_locked(struct fault_store *f, const uint64_t *field)
{
    pthread_mutex_lock(&f->lock);
    const uint64_t value = *field;
    pthread_mutex_unlock(&f->lock);
    return value;
}

uint64_t sc_store_fault_calls(struct sc_store *s)
{
    struct fault_store *f = (struct fault_store *)s;
    return read_locked(f, &f->calls);
}

uint64_t sc_store_fault_fired(struct sc_store *s)
{
    struct fault_store *f = (struct fault_store *)s;
    return read_locked(f, &f->fired);
}

uint64_t sc_store_fault_delayed_us(struct sc_store *s)
{
    struct fault_store *f = (struct fault_store *)s;
    return read_locked(f, &f->delayed_us);
}

enum sc_store_call sc_store_fault_last(struct sc_store *s)
{
    struct fault_store *f = (struct fault_store *)s;
    pthread_mutex_lock(&f->lock);
    const enum sc_store_call last = f->last;
    pthread_mutex_unlock(&f->lock);
    return last;
}
