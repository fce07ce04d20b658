#include "cascadb/journal.h"

#include "base/log.h"
#include "cascadb/shape.h"

#include <inttypes.h>
#include <pthread.h>

#define SHAPE_COUNT_MAX 100 /* shapes with latencies of their own; further ones are counted together */
#define SLOT_COUNT      256 /* of the hash table: power of two, never full */

static const int64_t bounds_us[] = {100, 1000, 10000, 100000, 1000000, 10000000};
static const char *const bound_names[] = {"0.0001", "0.001", "0.01", "0.1", "1", "10"};
#define BOUND_COUNT (sizeof bounds_us / sizeof bounds_us[0])

struct shape {
    char *text; /* NULL: the slot is free; else never changed again */
    uint64_t buckets[BOUND_COUNT + 1];
    int64_t sum_us;
};
struct pg_journal {
    struct pg_journal_options opt;
    pthread_mutex_t lock; /* guards what follows */
    struct shape slots[SLOT_COUNT];
    struct shape other;
    size_t shape_count;
    struct sc_log_limiter limiter;
};

static uint64_t hash(const char *text) /* FNV-1a; an enemy who makes them collide slows the table, which is bounded */
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return h;
}

static struct shape *shape_find(struct pg_journal *j, const char *text)
{
    size_t at = (size_t)hash(text) & (SLOT_COUNT - 1);
    while (j->slots[at].text != NULL && strcmp(j->slots[at].text, text) != 0)
        at = (at + 1) & (SLOT_COUNT - 1);
    struct shape *s = &j->slots[at];
    if (s->text != NULL)
        return s;
    if (j->shape_count >= SHAPE_COUNT_MAX || (s->text = strdup(text)) == NULL)
        return &j->other;
    j->shape_count++;
    return s;
}

/* ---- /metrics ---- */
static void put_label(struct sc_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            sc_buf_put_u8(out, '\\');
        sc_buf_put_u8(out, (uint8_t)*text); /* shapes have no line ends */
    }
}

static void put_shape(struct sc_buf *out, const struct shape *s, const char *text)
{
    static const char name[] = "securecloud_cascadb_statement_seconds";
    uint64_t count = 0;
    for (size_t i = 0; i <= BOUND_COUNT; i++) {
        count += s->buckets[i];
        sc_buf_put_fmt(out, "%s_bucket{statement=\"", name);
        put_label(out, text);
        sc_buf_put_fmt(out, "\",le=\"%s\"} %" PRIu64 "\n", i < BOUND_COUNT ? bound_names[i] : "+Inf", count);
    }
    sc_buf_put_fmt(out, "%s_sum{statement=\"", name);
    put_label(out, text);
    sc_buf_put_fmt(out, "\"} %" PRId64 ".%06" PRId64 "\n%s_count{statement=\"", s->sum_us / 1000000,
                   s->sum_us % 1000000, name);
    put_label(out, text);
    sc_buf_put_fmt(out, "\"} %" PRIu64 "\n", count);
}

static void metrics_write(void *arg, struct sc_buf *out)
{
    struct pg_journal *j = arg;
    sc_buf_put_str(out,
                   "# HELP securecloud_cascadb_statement_seconds Time of statements by their text without literals\n"
                   "# TYPE securecloud_cascadb_statement_seconds histogram\n");
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < SLOT_COUNT; i++)
        if (j->slots[i].text != NULL)
            put_shape(out, &j->slots[i], j->slots[i].text);
    put_shape(out, &j->other, "(other)");
    pthread_mutex_unlock(&j->lock);
    if (j->opt.audit == NULL)
        return;
    uint64_t count = 0;
    char head[2 * SC_HASH_SIZE + 1];
    audit_log_head(j->opt.audit, &count, head);
    sc_buf_put_fmt(out,
                   "# HELP securecloud_cascadb_audit_records Lines in the audit log; head is the hash of the last\n"
                   "# TYPE securecloud_cascadb_audit_records gauge\n"
                   "securecloud_cascadb_audit_records{head=\"%s\"} %" PRIu64 "\n",
                   head, count);
}

/* ---- noting ---- */
static void measure(struct pg_journal *j, const char *shape, const struct pg_event *e)
{
    size_t bucket = 0;
    while (bucket < BOUND_COUNT && e->duration_us > bounds_us[bucket])
        bucket++;
    pthread_mutex_lock(&j->lock);
    struct shape *s = shape_find(j, shape);
    s->buckets[bucket]++;
    s->sum_us += e->duration_us;
    if (j->opt.slow_us_min != 0 && e->duration_us >= j->opt.slow_us_min)
        sc_log_limited(&j->limiter, SC_LOG_WARN,
                       "slow statement who=%s ms=%" PRId64 " rows=%" PRId64 " state=%s statement=\"%s\"", e->who,
                       e->duration_us / 1000, e->rows, e->sqlstate, shape);
    pthread_mutex_unlock(&j->lock);
}

void pg_journal_note(struct pg_journal *j, const struct pg_event *e)
{
    char shape[PG_SHAPE_SIZE_MAX + 1];
    if (j == NULL)
        return;
    pg_shape(e->statement, shape);
    measure(j, shape, e);
    if (j->opt.audit == NULL)
        return;
    const struct audit_record r = {
        .who = e->who, .statement = shape, .sqlstate = e->sqlstate, .rows = e->rows, .duration_us = e->duration_us};
    if (audit_log_put(j->opt.audit, &r) != SC_OK)
        sc_log(SC_LOG_ERROR, "the audit log cannot be written: no more statements are run");
}

bool pg_journal_ready(const struct pg_journal *j)
{
    return j == NULL || j->opt.audit == NULL || !audit_log_broken(j->opt.audit);
}

sc_err pg_journal_new(const struct pg_journal_options *opt, struct pg_journal **out, struct sc_diag *diag)
{
    struct pg_journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return sc_fail(diag, SC_E_NOMEM, "journal");
    j->opt = *opt;
    pthread_mutex_init(&j->lock, NULL);
    sc_metrics_extra(opt->metrics, metrics_write, j);
    *out = j;
    return SC_OK;
}

void pg_journal_free(struct pg_journal *j)
{
    if (j == NULL)
        return;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        free(j->slots[i].text);
    pthread_mutex_destroy(&j->lock);
    free(j);
}
