/* bench/sql/data.h - readings of an invented field of meters: the same for every peer, a function of (client, time). */
#ifndef BENCH_SQL_DATA_H
#define BENCH_SQL_DATA_H

#include <stddef.h>
#include <stdint.h>

#define VALUE_COUNT  30
#define COLUMN_COUNT (2 + VALUE_COUNT)
#define DAY_ROWS     96 /* of 15 minutes */

struct data {
    int64_t client_count, time_count; /* each client has one reading per time */
    int64_t customer_count;           /* every other client, at most 1,000, is a customer with a name and a region */
};
struct row {
    int64_t client_id, ts; /* ts in seconds since 1970 */
    double values[VALUE_COUNT];
};
extern const char *const data_value_names[VALUE_COUNT];
/* About `rows` rows: 2,000 clients, fewer when there would be less than a day for each. */
struct data data_of(int64_t rows);
static inline int64_t data_rows(const struct data *d)
{
    return d->client_count * d->time_count;
}
int64_t data_client_id(int64_t client);
int64_t data_ts(int64_t time);
void data_row(int64_t client, int64_t time, struct row *out);
/* The i-th row as meters send them: all clients of a time, in an order that changes with the time. */
void data_arrival(const struct data *d, int64_t i, struct row *out);
int64_t data_customer_id(int64_t customer);
const char *data_region(int64_t customer);

#endif
