#include "mvcc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void *must(void *p)
{
    SC_ASSERT(p != NULL);
    return p;
}

/* ---- keys: shared prefixes, several lengths, bytes 0x00 and 0xff, one that is a prefix of the next ---- */

static size_t key_make(struct sc_prng *prng, size_t n, uint8_t out[static MVCC_KEY_SIZE_MAX])
{
    const uint64_t kind = sc_prng_below(prng, 10);
    size_t size;
    if (kind < 5) { /* "reading|", client, time: big-endian */
        memcpy(out, "reading|", 8);
        sc_store_u32be(out + 8, (uint32_t)(n / 16));
        sc_store_u64be(out + 12, 1700000000000 + n % 16 * 900000);
        size = 20;
    } else if (kind < 8) {
        size = (size_t)snprintf((char *)out, MVCC_KEY_SIZE_MAX, "meter/%05zu/%s", n / 3, n % 3 == 0 ? "" : "energy");
    } else if (kind < 9) {
        size = 1 + (size_t)sc_prng_below(prng, 4);
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)(sc_prng_below(prng, 2) == 0 ? 0xff : sc_prng_below(prng, 3));
    } else {
        size = 1 + (size_t)sc_prng_below(prng, MVCC_KEY_SIZE_MAX - 1);
        memset(out, 'L', size);
        sc_store_u32be(out + (size > 4 ? size - 4 : 0), (uint32_t)n);
        size = size < 4 ? 4 : size;
    }
    return size;
}

static int key_order(const void *a, const void *b)
{
    const struct mvcc_key *x = a, *y = b;
    return sc_slice_cmp(sc_slice_of(x->bytes, x->size), sc_slice_of(y->bytes, y->size));
}

void mvcc_init(struct mvcc *m, struct sc_prng *prng, size_t key_count)
{
    *m = (struct mvcc){.keys = must(calloc(key_count, sizeof *m->keys)), .next_value = 1};
    for (size_t n = 0; n < key_count; n++) {
        uint8_t bytes[MVCC_KEY_SIZE_MAX];
        struct mvcc_key *k = &m->keys[n];
        k->size = key_make(prng, n, bytes);
        k->bytes = must(malloc(k->size));
        memcpy(k->bytes, bytes, k->size);
    }
    qsort(m->keys, key_count, sizeof *m->keys, key_order);
    for (size_t n = 0; n < key_count; n++) {
        if (m->key_count != 0 && key_order(&m->keys[m->key_count - 1], &m->keys[n]) == 0)
            free(m->keys[n].bytes);
        else
            m->keys[m->key_count++] = m->keys[n];
    }
}

void mvcc_deinit(struct mvcc *m)
{
    for (size_t i = 0; i < m->key_count; i++) {
        free(m->keys[i].bytes);
        free(m->keys[i].versions);
    }
    free(m->keys);
    *m = (struct mvcc){0};
}

struct sc_slice mvcc_key_of(const struct mvcc *m, size_t i)
{
    return sc_slice_of(m->keys[i].bytes, m->keys[i].size);
}

size_t mvcc_lower(const struct mvcc *m, struct sc_slice key)
{
    size_t lo = 0, hi = m->key_count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (sc_slice_cmp(mvcc_key_of(m, mid), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- versions ---- */

uint64_t mvcc_at(const struct mvcc *m, size_t i, uint64_t time)
{
    const struct mvcc_key *k = &m->keys[i];
    for (size_t v = k->version_count; v-- > 0;)
        if (k->versions[v].time <= time)
            return k->versions[v].value;
    return 0;
}

void mvcc_write(struct mvcc *m, size_t i, uint64_t time, uint64_t value, bool surely)
{
    struct mvcc_key *k = &m->keys[i];
    if (k->version_count == k->version_capacity) {
        k->version_capacity = k->version_capacity != 0 ? k->version_capacity * 2 : 4;
        k->versions = must(realloc(k->versions, k->version_capacity * sizeof *k->versions));
    }
    k->versions[k->version_count++] = (struct mvcc_version){time, value, surely};
}

uint64_t mvcc_written(const struct mvcc *m, size_t i, bool surely)
{
    const struct mvcc_key *k = &m->keys[i];
    for (size_t v = k->version_count; v-- > 0;)
        if (!surely || k->versions[v].surely)
            return k->versions[v].time;
    return 0;
}

void mvcc_forget(struct mvcc *m, uint64_t oldest)
{
    for (size_t i = 0; i < m->key_count; i++) {
        struct mvcc_key *k = &m->keys[i];
        size_t first = 0;
        if (k->version_count == 0)
            continue;
        while (first + 1 < k->version_count && k->versions[first + 1].time <= oldest)
            first++;
        memmove(k->versions, k->versions + first, (k->version_count - first) * sizeof *k->versions);
        k->version_count -= first;
    }
}

/* ---- values ---- */

enum { KIND_ROW, KIND_ROW_WITH_TAIL, KIND_DULL, KIND_NOISE, KIND_EMPTY, KIND_LARGE, KIND_COUNT = 8 };

uint64_t mvcc_value_new(struct mvcc *m, struct sc_prng *prng)
{
    const uint64_t odds = sc_prng_below(prng, 100);
    const uint64_t kind = odds < 45   ? KIND_ROW
                          : odds < 60 ? KIND_ROW_WITH_TAIL
                          : odds < 75 ? KIND_DULL
                          : odds < 93 ? KIND_NOISE
                          : odds < 98 ? KIND_EMPTY
                                      : KIND_LARGE;
    return m->next_value++ * KIND_COUNT + kind;
}

static void u64le(uint8_t *to, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

/* Words as a table of readings has them: constants, counters, decimals, and now and then a surprise. */
static size_t row_make(size_t key_index, struct sc_prng *prng, uint8_t *out)
{
    const size_t words = 6 + (size_t)sc_prng_below(prng, 8) / 7; /* a neighbour may have another size */
    for (size_t w = 0; w < words; w++) {
        uint64_t word;
        double decimal;
        const uint64_t noise = sc_prng_below(prng, 4);
        switch (w) {
        case 0:
            word = UINT64_C(0x0001020304050607);
            break;
        case 1:
            word = 1700000000000 + key_index * 900000;
            break;
        case 2:
            word = 123456 + key_index * 17 + noise;
            break;
        case 3:
            decimal = (double)(int64_t)(2200 + (int64_t)noise * 7 - (int64_t)(key_index % 5)) / 10.0;
            memcpy(&word, &decimal, sizeof word);
            break;
        case 4:
            decimal = noise == 3 ? (double)NAN : -0.0 + (double)noise / 1000.0;
            memcpy(&word, &decimal, sizeof word);
            break;
        default:
            word = noise == 0 ? sc_prng_u64(prng) : noise == 1 ? UINT64_MAX - key_index : (uint64_t) - (int64_t)noise;
        }
        u64le(out + 8 * w, word);
    }
    return 8 * words;
}

struct sc_slice mvcc_value_bytes(size_t key_index, uint64_t value, uint8_t out[static MVCC_VALUE_SIZE_MAX])
{
    struct sc_prng prng;
    size_t size = 0;
    sc_prng_init(&prng, value);
    const unsigned kind = (unsigned)(value % KIND_COUNT);
    if (kind == KIND_ROW || kind == KIND_ROW_WITH_TAIL)
        size = row_make(key_index, &prng, out);
    const size_t more = kind == KIND_ROW || kind == KIND_EMPTY ? 0
                        : kind == KIND_LARGE                   ? 1000 + (size_t)sc_prng_below(&prng, 4900)
                                                               : (size_t)sc_prng_below(&prng, 90);
    const bool dull = kind == KIND_DULL || (value / KIND_COUNT) % 2 == 0;
    for (size_t i = 0; i < more; i++)
        out[size++] = dull ? (uint8_t)("dull text "[i % 10]) : (uint8_t)sc_prng_u64(&prng);
    return sc_slice_of(out, size);
}
