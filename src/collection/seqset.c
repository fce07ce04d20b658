#include "collection/seqset.h"

#include <string.h>

void sc_seqset_deinit(struct sc_seqset *s)
{
    free(s->range);
    *s = (struct sc_seqset){0};
}

/* Index of the first range that ends at or after seq. */
static size_t find(const struct sc_seqset *s, uint64_t seq)
{
    size_t lo = 0;
    size_t hi = s->range_count;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (s->range[mid].to < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool sc_seqset_has(const struct sc_seqset *s, uint64_t seq)
{
    if (seq <= s->prefix)
        return seq != 0;
    const size_t i = find(s, seq);
    return i < s->range_count && s->range[i].from <= seq;
}

static void remove_at(struct sc_seqset *s, size_t i)
{
    memmove(&s->range[i], &s->range[i + 1], (s->range_count - i - 1) * sizeof s->range[0]);
    s->range_count--;
}

static sc_err insert_at(struct sc_seqset *s, size_t i, uint64_t seq)
{
    if (s->range_count == SC_SEQSET_RANGE_MAX)
        return SC_E_LIMIT;
    if (s->range_count == s->range_capacity) {
        const size_t capacity = s->range_capacity != 0 ? s->range_capacity * 2 : 8;
        struct sc_seq_range *p = realloc(s->range, capacity * sizeof *p);
        if (p == NULL)
            return SC_E_NOMEM;
        s->range = p;
        s->range_capacity = capacity;
    }
    memmove(&s->range[i + 1], &s->range[i], (s->range_count - i) * sizeof s->range[0]);
    s->range[i] = (struct sc_seq_range){seq, seq};
    s->range_count++;
    return SC_OK;
}

sc_err sc_seqset_add(struct sc_seqset *s, uint64_t seq)
{
    if (seq == 0 || seq == UINT64_MAX)
        return SC_E_USAGE;
    if (sc_seqset_has(s, seq))
        return SC_E_EXISTS;
    if (seq == s->prefix + 1) {
        s->prefix = seq;
        if (s->range_count != 0 && s->range[0].from == seq + 1) {
            s->prefix = s->range[0].to;
            remove_at(s, 0);
        }
        return SC_OK;
    }
    const size_t i = find(s, seq);
    const bool joins_next = i < s->range_count && s->range[i].from == seq + 1;
    const bool joins_last = i > 0 && s->range[i - 1].to == seq - 1;
    if (joins_last && joins_next) {
        s->range[i - 1].to = s->range[i].to;
        remove_at(s, i);
    } else if (joins_last) {
        s->range[i - 1].to = seq;
    } else if (joins_next) {
        s->range[i].from = seq;
    } else {
        return insert_at(s, i, seq);
    }
    return SC_OK;
}

uint64_t sc_seqset_fill(struct sc_seqset *s, uint64_t to)
{
    const uint64_t before = sc_seqset_count(s);
    if (to > s->prefix && to != UINT64_MAX)
        s->prefix = to;
    while (s->range_count != 0 && s->range[0].from <= s->prefix + 1) {
        if (s->range[0].to > s->prefix)
            s->prefix = s->range[0].to;
        remove_at(s, 0);
    }
    return sc_seqset_count(s) - before;
}

bool sc_seqset_gap(const struct sc_seqset *s, struct sc_seq_range *out)
{
    if (s->range_count == 0)
        return false;
    *out = (struct sc_seq_range){s->prefix + 1, s->range[0].from - 1};
    return true;
}

uint64_t sc_seqset_count(const struct sc_seqset *s)
{
    uint64_t n = s->prefix;
    for (size_t i = 0; i < s->range_count; i++)
        n += s->range[i].to - s->range[i].from + 1;
    return n;
}
