/* tests/kvs/suite.h - what the long suites share: two sizes, progress, a count of what was injected and what was
 * noticed.
 *
 * `make test` runs each suite in seconds; with SC_SOAK=1 (`make soak`) it runs at the size named in
 * docs/testing-kvs.md. SC_TEST_SEED sets the seed of either.  SC_SOAK_SHARD="i/n" runs every n-th case from i on, so
 * that n processes share the work. */
#ifndef SC_TESTS_KVS_SUITE_H
#define SC_TESTS_KVS_SUITE_H

#include "model.h"

bool suite_soak(void);
/* quick, or a third of it under a sanitizer, or soak. */
uint64_t suite_size(uint64_t quick, uint64_t soak);
/* Whether case i belongs to this process. */
bool suite_mine(uint64_t i);

/* Prints to standard error every few seconds of a soak; done of total. */
void suite_progress(const char *what, uint64_t done, uint64_t total);

/* One line "name: ...injected, ...detected, ...", and a failure of the test if nothing was injected or less than
 * `detected_min` was detected. */
struct suite_count {
    const char *injected_what; /* "power cuts" */
    const char *detected_what; /* "refused" */
    uint64_t injected, detected, harmless;
};
void suite_report(const char *name, const struct suite_count *c, uint64_t detected_min);

/* The engine with everything small, so that flushes and compactions happen all the time. */
struct volume_options {
    struct sc_store *store;
    struct test_counter *counter; /* NULL: none */
    bool read_only, no_create;
    size_t memtable_size_max, block_cache_size_max, block_size; /* 0: 4 KiB, 16 KiB, 256 B */
};
sc_err volume_open_with(const struct volume_options *o, struct sc_kvs **out, struct sc_diag *diag);

/* ---- a trace of a seed: `steps` transactions, the states after each, run on any store ---- */
struct trace {
    uint64_t seed;
    unsigned steps;
    struct model *states; /* steps + 1 */
};
void trace_init(struct trace *t, uint64_t seed, unsigned steps);
void trace_deinit(struct trace *t);

struct trace_outcome {
    unsigned synced;    /* steps known durable */
    unsigned committed; /* steps that returned SC_OK */
    unsigned attempted; /* steps that may be there */
    bool failed;        /* something returned an error */
    unsigned acknowledged_after_failure;
};
/* Steps [from, to) with compactions, reopens and a change of keys on the way, until the first failure.  A failed step is tried again a
 * few times: a volume that is read-only must stay so. */
void trace_run(const struct trace *t, const struct volume_options *o, unsigned from, unsigned to,
               struct trace_outcome *out);
/* Opens, reads all: fails the test unless it equals one of the states [from, to]; then writes, verifies, opens again.
 * Returns the index of the state. */
unsigned trace_check(const struct trace *t, const struct volume_options *o, unsigned from, unsigned to,
                     const char *what);
/* The state that seen equals within [from, to]; UINT_MAX: none. */
unsigned trace_find(const struct trace *t, const struct model *seen, unsigned from, unsigned to);

#endif
