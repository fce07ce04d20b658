#include "model.h"

#include <inttypes.h>
#include <stdio.h>

const struct sc_key test_root_key = {"an unusually dull root key......"};

static void *must(void *p)
{
    SC_ASSERT(p != NULL);
    return p;
}

void model_deinit(struct model *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->pairs[i].value);
    free(m->pairs);
    *m = (struct model){0};
}

size_t model_lower(const struct model *m, struct sc_slice key)
{
    size_t lo = 0, hi = m->count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (sc_slice_cmp(model_key(&m->pairs[mid]), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct model_pair *model_get(const struct model *m, struct sc_slice key)
{
    const size_t i = model_lower(m, key);
    return i < m->count && sc_slice_eq(model_key(&m->pairs[i]), key) ? &m->pairs[i] : NULL;
}

void model_delete(struct model *m, struct sc_slice key)
{
    struct model_pair *p = (struct model_pair *)model_get(m, key);
    if (p == NULL)
        return;
    free(p->value);
    memmove(p, p + 1, (size_t)(m->pairs + m->count - (p + 1)) * sizeof *p);
    m->count--;
}

void model_put(struct model *m, struct sc_slice key, struct sc_slice value)
{
    model_delete(m, key);
    if (m->count == m->capacity) {
        m->capacity = m->capacity != 0 ? m->capacity * 2 : 64;
        m->pairs = must(realloc(m->pairs, m->capacity * sizeof *m->pairs));
    }
    const size_t i = model_lower(m, key);
    memmove(&m->pairs[i + 1], &m->pairs[i], (m->count - i) * sizeof *m->pairs);
    struct model_pair *p = &m->pairs[i];
    SC_ASSERT(key.size <= sizeof p->key);
    memcpy(p->key, key.ptr, key.size);
    p->key_size = key.size;
    p->value = must(malloc(value.size + 1));
    memcpy(p->value, value.ptr, value.size);
    p->value_size = value.size;
    m->count++;
}

void model_copy(const struct model *from, struct model *to)
{
    model_deinit(to);
    to->count = to->capacity = from->count;
    to->pairs = must(malloc((from->count + 1) * sizeof *to->pairs));
    for (size_t i = 0; i < from->count; i++) {
        to->pairs[i] = from->pairs[i];
        to->pairs[i].value = must(malloc(from->pairs[i].value_size + 1));
        memcpy(to->pairs[i].value, from->pairs[i].value, from->pairs[i].value_size);
    }
}

bool model_equal(const struct model *a, const struct model *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!sc_slice_eq(model_key(&a->pairs[i]), model_key(&b->pairs[i])) ||
            !sc_slice_eq(model_value(&a->pairs[i]), model_value(&b->pairs[i])))
            return false;
    return true;
}

static sc_err test_counter_read(void *self, uint64_t *value_out, struct sc_diag *diag)
{
    (void)diag;
    *value_out = ((struct test_counter *)self)->value;
    return SC_OK;
}

static sc_err test_counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    struct test_counter *c = self;
    if (c->fail_after != 0 && --c->fail_after == 0)
        return sc_fail(diag, SC_E_IO, "counter: injected fault");
    if (from != c->value || to <= from)
        return sc_fail(diag, SC_E_CONFLICT, "counter");
    c->value = to;
    return SC_OK;
}

struct sc_kvs_counter test_counter_of(struct test_counter *c)
{
    return (struct sc_kvs_counter){.read = test_counter_read, .advance = test_counter_advance, .self = c};
}

sc_err model_read(struct sc_kvs *kvs, const struct sc_kvs_snapshot *snap, struct model *m, struct sc_diag *diag)
{
    struct sc_kvs_iter *it;
    bool valid;
    model_deinit(m);
    SC_TRY(sc_kvs_iter_new(kvs, snap, NULL, &it, diag));
    sc_err err = sc_kvs_iter_first(it, &valid, diag);
    while (err == SC_OK && valid) {
        model_put(m, sc_kvs_iter_key(it), sc_kvs_iter_value(it));
        err = sc_kvs_iter_next(it, &valid, diag);
    }
    sc_kvs_iter_free(it);
    return err;
}

sc_err put_one(struct sc_kvs *kvs, const char *key, const char *value, bool sync, struct sc_diag *diag)
{
    struct sc_kvs_txn *txn;
    SC_TRY(sc_kvs_txn_begin(kvs, &txn));
    const sc_err err = value != NULL ? sc_kvs_txn_put(txn, sc_slice_str(key), sc_slice_str(value))
                                     : sc_kvs_txn_delete(txn, sc_slice_str(key));
    if (err != SC_OK) {
        sc_kvs_txn_abort(txn);
        return err;
    }
    return sc_kvs_txn_commit(txn, sync, diag);
}

uint64_t test_seed(uint64_t fallback)
{
    const char *text = getenv("SC_TEST_SEED");
    const uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : fallback;
    printf("seed %" PRIu64 "\n", seed);
    return seed;
}

void trace_step_make(uint64_t seed, unsigned i, struct trace_step *out)
{
    struct sc_prng p;
    sc_prng_init_stream(&p, seed, i);
    *out = (struct trace_step){.write_count = 1 + (size_t)sc_prng_below(&p, TRACE_WRITES_MAX),
                               .sync = sc_prng_below(&p, 2) == 0};
    for (size_t w = 0; w < out->write_count; w++) {
        snprintf(out->writes[w].key, sizeof out->writes[w].key, "key/%03u", (unsigned)sc_prng_below(&p, 60));
        const int size = (int)sc_prng_below(&p, 150);
        snprintf(out->writes[w].value, sizeof out->writes[w].value, "%u:%016" PRIx64 "%-*s", i, sc_prng_u64(&p), size,
                 "");
        out->writes[w].is_put = sc_prng_below(&p, 5) != 0;
    }
    out->by_batch = sc_prng_below(&p, 2) == 0;
    if (sc_prng_below(&p, 6) == 0) {
        out->writes[0].is_put = false;
        snprintf(out->writes[0].upper, sizeof out->writes[0].upper, "%s~", out->writes[0].key);
        out->writes[0].upper[6] = '\0'; /* "key/12" reaches up to, not into, "key/13" */
        out->writes[0].upper[5]++;
        out->writes[0].key[6] = '\0';
    }
}

static void model_delete_range(struct model *m, struct sc_slice lower, struct sc_slice upper)
{
    for (size_t i = model_lower(m, lower); i < m->count && sc_slice_cmp(model_key(&m->pairs[i]), upper) < 0;)
        model_delete(m, model_key(&m->pairs[i]));
}

void trace_step_apply(const struct trace_step *s, struct model *m)
{
    for (size_t w = 0; w < s->write_count; w++) {
        if (s->writes[w].is_put)
            model_put(m, sc_slice_str(s->writes[w].key), sc_slice_str(s->writes[w].value));
        else if (s->writes[w].upper[0] != '\0')
            model_delete_range(m, sc_slice_str(s->writes[w].key), sc_slice_str(s->writes[w].upper));
        else
            model_delete(m, sc_slice_str(s->writes[w].key));
    }
}

static sc_err trace_step_write(const struct trace_step *s, struct sc_kvs *kvs, struct sc_diag *diag)
{
    SC_CLEANUP(sc_kvs_batch_freep) struct sc_kvs_batch *b = NULL;
    SC_TRY(sc_kvs_batch_new(&b));
    for (size_t w = 0; w < s->write_count; w++) {
        const struct sc_slice key = sc_slice_str(s->writes[w].key);
        if (s->writes[w].is_put) {
            SC_TRY(sc_kvs_batch_put(b, key, sc_slice_str(s->writes[w].value)));
        } else if (s->writes[w].upper[0] != '\0') {
            const struct sc_kvs_range range = {key, sc_slice_str(s->writes[w].upper)};
            SC_TRY(sc_kvs_batch_delete_range(b, &range));
        } else {
            SC_TRY(sc_kvs_batch_delete(b, key));
        }
    }
    return sc_kvs_write(kvs, b, s->sync, diag);
}

static sc_err trace_step_fill(const struct trace_step *s, struct sc_kvs_txn *txn)
{
    for (size_t w = 0; w < s->write_count; w++) {
        const struct sc_slice key = sc_slice_str(s->writes[w].key);
        if (s->writes[w].is_put) {
            SC_TRY(sc_kvs_txn_put(txn, key, sc_slice_str(s->writes[w].value)));
        } else if (s->writes[w].upper[0] != '\0') {
            const struct sc_kvs_range range = {key, sc_slice_str(s->writes[w].upper)};
            SC_TRY(sc_kvs_txn_delete_range(txn, &range));
        } else {
            SC_TRY(sc_kvs_txn_delete(txn, key));
        }
    }
    return SC_OK;
}

sc_err trace_step_commit(const struct trace_step *s, struct sc_kvs *kvs, struct sc_diag *diag)
{
    struct sc_kvs_txn *txn;
    if (s->by_batch)
        return trace_step_write(s, kvs, diag);
    SC_TRY(sc_kvs_txn_begin(kvs, &txn));
    const sc_err err = trace_step_fill(s, txn);
    if (err != SC_OK) {
        sc_kvs_txn_abort(txn);
        return err;
    }
    return sc_kvs_txn_commit(txn, s->sync, diag);
}
