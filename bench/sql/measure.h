/* bench/sql/measure.h - durations of one kind of operation of one peer. */
#ifndef BENCH_SQL_MEASURE_H
#define BENCH_SQL_MEASURE_H

#include <stddef.h>
#include <stdint.h>

struct measure {
    double *us; /* one duration an operation */
    size_t count, capacity;
    double total_us;
};
double measure_now_us(void);
/* From now on SIGINT and SIGTERM end the program at the next measure_add(), so that cluster and files go away. */
void measure_interruptible(void);
void measure_add(struct measure *m, double us);
/* Sorts. */
double measure_quantile(struct measure *m, double q);
void measure_deinit(struct measure *m);

#endif
