/* service/metrics.h - counters and gauges, shown in Prometheus' text format at /metrics.
 * Registration belongs to start-up (one thread); changing and reading values is lock-free from any thread. */
#ifndef SC_SERVICE_METRICS_H
#define SC_SERVICE_METRICS_H

#include "base/bytes.h"

#include <stdatomic.h>

struct sc_metric {
    _Atomic int64_t value;
    const char *name;   /* "securecloud_frames_total": borrowed, as are labels and help */
    const char *labels; /* "" or "reason=\"crc\"" */
    const char *help;
    const char *type;   /* "counter" or "gauge" */
};
struct sc_metrics;
sc_err sc_metrics_new(struct sc_metrics **out) SC_MUST_CHECK;
void sc_metrics_free(struct sc_metrics *m);
/* Never NULL: aborts when memory is spent at start-up.  Metrics of one name are registered one after another. */
struct sc_metric *sc_metrics_counter(struct sc_metrics *m, const char *name, const char *labels, const char *help);
struct sc_metric *sc_metrics_gauge(struct sc_metrics *m, const char *name, const char *labels, const char *help);
/* Has write(arg, out) append whole families of its own whenever the metrics are shown: for labels that are not known at
 * start.  At most 8. */
void sc_metrics_extra(struct sc_metrics *m, void (*write)(void *arg, struct sc_buf *out), void *arg);
void sc_metrics_write(const struct sc_metrics *m, struct sc_buf *out);

static inline void sc_metric_add(struct sc_metric *metric, int64_t n)
{
    atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}
static inline void sc_metric_set(struct sc_metric *metric, int64_t v)
{
    atomic_store_explicit(&metric->value, v, memory_order_relaxed);
}
static inline int64_t sc_metric_get(const struct sc_metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

#endif
