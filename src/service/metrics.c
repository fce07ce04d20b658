#include "service/metrics.h"

#include <inttypes.h>

#define METRIC_COUNT_MAX 128
#define EXTRA_COUNT_MAX  8

struct extra {
    void (*write)(void *arg, struct sc_buf *out);
    void *arg;
};
struct sc_metrics {
    size_t count, extra_count;
    struct extra extra[EXTRA_COUNT_MAX];
    struct sc_metric metric[METRIC_COUNT_MAX];
};

sc_err sc_metrics_new(struct sc_metrics **out)
{
    struct sc_metrics *m = calloc(1, sizeof *m);
    if (m == NULL)
        return SC_E_NOMEM;
    *out = m;
    return SC_OK;
}

void sc_metrics_free(struct sc_metrics *m)
{
    free(m);
}

static struct sc_metric *add(struct sc_metrics *m, const char *type, const char *name, const char *labels,
                             const char *help)
{
    SC_ASSERT(m->count < METRIC_COUNT_MAX);
    struct sc_metric *metric = &m->metric[m->count++];
    metric->name = name;
    metric->labels = labels;
    metric->help = help;
    metric->type = type;
    return metric;
}

struct sc_metric *sc_metrics_counter(struct sc_metrics *m, const char *name, const char *labels, const char *help)
{
    return add(m, "counter", name, labels, help);
}

struct sc_metric *sc_metrics_gauge(struct sc_metrics *m, const char *name, const char *labels, const char *help)
{
    return add(m, "gauge", name, labels, help);
}

void sc_metrics_extra(struct sc_metrics *m, void (*write)(void *arg, struct sc_buf *out), void *arg)
{
    SC_ASSERT(m->extra_count < EXTRA_COUNT_MAX);
    m->extra[m->extra_count++] = (struct extra){write, arg};
}

void sc_metrics_write(const struct sc_metrics *m, struct sc_buf *out)
{
    const char *before = "";
    for (size_t i = 0; i < m->count; i++) {
        const struct sc_metric *x = &m->metric[i];
        if (strcmp(before, x->name) != 0)
            sc_buf_put_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", x->name, x->help, x->name, x->type);
        before = x->name;
        if (x->labels[0] != '\0')
            sc_buf_put_fmt(out, "%s{%s} %" PRId64 "\n", x->name, x->labels, sc_metric_get(x));
        else
            sc_buf_put_fmt(out, "%s %" PRId64 "\n", x->name, sc_metric_get(x));
    }
    for (size_t i = 0; i < m->extra_count; i++)
        m->extra[i].write(m->extra[i].arg, out);
}
