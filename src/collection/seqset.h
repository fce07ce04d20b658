/* collection/seqset.h - a set of sequence numbers 1, 2, 3 ... that is nearly a prefix: what the MDC knows of a meter.
 * Everything up to `prefix` plus a bounded, sorted list of ranges beyond it.  Not thread-safe. */
#ifndef SC_COLLECTION_SEQSET_H
#define SC_COLLECTION_SEQSET_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SC_SEQSET_RANGE_MAX 4096

struct sc_seq_range {
    uint64_t from, to; /* inclusive */
};
struct sc_seqset {
    uint64_t prefix;            /* 1..prefix are in */
    struct sc_seq_range *range; /* sorted, apart from each other and from the prefix */
    size_t range_count, range_capacity;
};

void sc_seqset_deinit(struct sc_seqset *s); /* zeroed is fine */
bool sc_seqset_has(const struct sc_seqset *s, uint64_t seq);
/* SC_E_EXISTS: was in; SC_E_LIMIT: too many holes, not added; SC_E_USAGE: 0 and UINT64_MAX are no sequence
 * numbers. */
sc_err sc_seqset_add(struct sc_seqset *s, uint64_t seq) SC_MUST_CHECK;
/* Adds all of 1..to; returns how many were not in before. */
uint64_t sc_seqset_fill(struct sc_seqset *s, uint64_t to);
/* The first hole: false when there is none (nothing beyond the prefix). */
bool sc_seqset_gap(const struct sc_seqset *s, struct sc_seq_range *out);
uint64_t sc_seqset_count(const struct sc_seqset *s);

#endif
