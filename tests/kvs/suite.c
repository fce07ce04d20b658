#include "suite.h"

#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

bool suite_soak(void)
{
    const char *text = getenv("SC_SOAK");
    return text != NULL && strcmp(text, "") != 0 && strcmp(text, "0") != 0;
}

uint64_t suite_size(uint64_t quick, uint64_t soak)
{
    if (suite_soak())
        return soak;
    return SANITIZED ? (quick + 2) / 3 : quick;
}

bool suite_mine(uint64_t i)
{
    const char *text = getenv("SC_SOAK_SHARD");
    unsigned shard, count;
    if (text == NULL || sscanf(text, "%u/%u", &shard, &count) != 2 || count == 0)
        return true;
    return i % count == shard;
}

void suite_progress(const char *what, uint64_t done, uint64_t total)
{
    static time_t last; /* soaks only; one thread reports */
    const time_t now = time(NULL);
    if (!suite_soak() || (now - last < 5 && done != total))
        return;
    last = now;
    fprintf(stderr, "%s: %" PRIu64 " of %" PRIu64 " (%u %%)\n", what, done, total,
            (unsigned)(total != 0 ? done * 100 / total : 100));
}

void suite_report(const char *name, const struct suite_count *c, uint64_t detected_min)
{
    printf("%s: %" PRIu64 " %s, %" PRIu64 " %s", name, c->injected, c->injected_what, c->detected, c->detected_what);
    if (c->harmless != 0)
        printf(", %" PRIu64 " without effect", c->harmless);
    printf("\n");
    fflush(stdout);
    if (c->injected == 0)
        fail_msg("%s injected nothing: it proves nothing", name);
    if (c->detected < detected_min)
        fail_msg("%s: only %" PRIu64 " %s, expected at least %" PRIu64, name, c->detected, c->detected_what,
                 detected_min);
}

static size_t or_default(size_t value, size_t fallback)
{
    return value != 0 ? value : fallback;
}

sc_err volume_open_with(const struct volume_options *o, struct sc_kvs **out, struct sc_diag *diag)
{
    const struct sc_kvs_options opt = {
        .store = o->store,
        .root_key = &test_root_key,
        .counter = o->counter != NULL ? test_counter_of(o->counter) : (struct sc_kvs_counter){0},
        .create = !o->no_create && !o->read_only,
        .read_only = o->read_only,
        .memtable_size_max = or_default(o->memtable_size_max, 4 << 10),
        .block_cache_size_max = or_default(o->block_cache_size_max, 16 << 10),
        .block_size = or_default(o->block_size, 256),
    };
    return sc_kvs_open(&opt, out, diag);
}

/* ---- traces ---- */

void trace_init(struct trace *t, uint64_t seed, unsigned steps)
{
    *t = (struct trace){.seed = seed, .steps = steps, .states = calloc(steps + 1, sizeof *t->states)};
    SC_ASSERT(t->states != NULL);
    for (unsigned i = 0; i < steps; i++) {
        struct trace_step step;
        trace_step_make(seed, i, &step);
        model_copy(&t->states[i], &t->states[i + 1]);
        trace_step_apply(&step, &t->states[i + 1]);
    }
}

void trace_deinit(struct trace *t)
{
    for (unsigned i = 0; i <= t->steps; i++)
        model_deinit(&t->states[i]);
    free(t->states);
}

/* Whether the step is in: at once, or (told by *again) on a later try that the volume must be able to refuse. */
static bool step_try(const struct trace *t, unsigned i, struct sc_kvs *kvs, struct trace_outcome *out)
{
    struct trace_step step;
    trace_step_make(t->seed, i, &step);
    out->attempted = i + 1;
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        if (trace_step_commit(&step, kvs, NULL) == SC_OK) {
            out->acknowledged_after_failure += attempt != 0;
            out->committed = i + 1;
            if (step.sync)
                out->synced = i + 1;
            return true;
        }
        out->failed = true;
    }
    return false;
}

static bool is_at(const struct trace *t, unsigned i, unsigned part)
{
    return i == t->steps * part / 6;
}

void trace_run(const struct trace *t, const struct volume_options *o, unsigned from, unsigned to,
               struct trace_outcome *out)
{
    struct sc_kvs *kvs = NULL;
    *out = (struct trace_outcome){.synced = from, .committed = from, .attempted = from};
    sc_err err = volume_open_with(o, &kvs, NULL);
    for (unsigned i = from; i < to && err == SC_OK; i++) {
        if (!step_try(t, i, kvs, out))
            break;
        if (is_at(t, i, 1)) /* a new data key; the old ones are in use until a compaction */
            err = sc_kvs_rotate(kvs, NULL, NULL);
        if (err == SC_OK && (is_at(t, i, 2) || is_at(t, i, 5)))
            err = sc_kvs_compact(kvs, NULL);
        if (err == SC_OK && (is_at(t, i, 3) || is_at(t, i, 4))) {
            sc_kvs_close(kvs);
            kvs = NULL;
            err = volume_open_with(o, &kvs, NULL);
        }
    }
    out->failed |= err != SC_OK;
    sc_kvs_close(kvs);
}

unsigned trace_find(const struct trace *t, const struct model *seen, unsigned from, unsigned to)
{
    for (unsigned i = to + 1; i-- > from;)
        if (model_equal(seen, &t->states[i]))
            return i;
    return UINT_MAX;
}

static void must_(sc_err err, const struct sc_diag *diag, const char *what, const char *doing)
{
    if (err != SC_OK)
        fail_msg("%s: %s: %s", what, doing, sc_diag_text(diag, err));
}

unsigned trace_check(const struct trace *t, const struct volume_options *o, unsigned from, unsigned to,
                     const char *what)
{
    struct sc_diag diag = {0};
    struct sc_kvs *kvs;
    SC_CLEANUP(model_deinit) struct model seen = {0};
    must_(volume_open_with(o, &kvs, &diag), &diag, what, "open");
    must_(model_read(kvs, NULL, &seen, &diag), &diag, what, "read");
    const unsigned at = trace_find(t, &seen, from, to);
    if (at == UINT_MAX) {
        const unsigned other = trace_find(t, &seen, 0, t->steps);
        fail_msg("%s: %zu pairs are none of the states %u..%u, but %s %u", what, seen.count, from, to,
                 other == UINT_MAX ? "no state at all:" : "state", other);
    }
    must_(put_one(kvs, "zz/afterwards", "it works", true, &diag), &diag, what, "write");
    must_(sc_kvs_verify(kvs, NULL, NULL, &diag), &diag, what, "verify");
    must_(put_one(kvs, "zz/afterwards", NULL, true, &diag), &diag, what, "delete");
    sc_kvs_close(kvs);
    must_(volume_open_with(o, &kvs, &diag), &diag, what, "second open");
    must_(model_read(kvs, NULL, &seen, &diag), &diag, what, "second read");
    if (!model_equal(&seen, &t->states[at]))
        fail_msg("%s: state %u was there after the first open, another one after the second", what, at);
    sc_kvs_close(kvs);
    return at;
}
