#include "measure.h"

#include "peer.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

double measure_now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static volatile sig_atomic_t interrupted;
static void interrupt_handler(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void measure_interruptible(void)
{
    signal(SIGINT, interrupt_handler);
    signal(SIGTERM, interrupt_handler);
}

void measure_add(struct measure *m, double us)
{
    if (interrupted)
        bench_die("interrupted");
    if (m->count == m->capacity) {
        m->capacity = 2 * m->capacity + 1024;
        m->us = reallocarray(m->us, m->capacity, sizeof *m->us);
        if (m->us == NULL)
            bench_die("out of memory");
    }
    m->us[m->count++] = us;
    m->total_us += us;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double measure_quantile(struct measure *m, double q)
{
    if (m->count == 0)
        return 0;
    qsort(m->us, m->count, sizeof *m->us, compare);
    return m->us[(size_t)(q * (double)(m->count - 1) + 0.5)];
}

void measure_deinit(struct measure *m)
{
    free(m->us);
    *m = (struct measure){0};
}
