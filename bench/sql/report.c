#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void report_machine(FILE *out, const struct data *data)
{
    double load[3] = {0};
    char date[40] = "";
    const time_t now = time(NULL);
    struct tm tm;
    if (gmtime_r(&now, &tm) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%MZ", &tm);
    if (getloadavg(load, 3) < 1)
        load[0] = -1;
    fprintf(out,
            "bench-sql %s: %" PRId64 " readings (%" PRId64 " clients x %" PRId64 " times, 30 numbers each), %" PRId64
            " customers; %ld processors, load %.2f before the start\n\n",
            date, data_rows(data), data->client_count, data->time_count, data->customer_count,
            sysconf(_SC_NPROCESSORS_ONLN), load[0]);
}

/* "12.3 us", "4.56 ms", "7.89 s" */
static void put_duration(FILE *out, double us)
{
    if (us < 1000)
        fprintf(out, "%7.1f us", us);
    else if (us < 1e6)
        fprintf(out, "%7.2f ms", us / 1e3);
    else
        fprintf(out, "%7.2f s ", us / 1e6);
}

static void put_times(FILE *out, struct measure *m)
{
    fputs("  p50 ", out);
    put_duration(out, measure_quantile(m, 0.5));
    fputs("  p99 ", out);
    put_duration(out, measure_quantile(m, 0.99));
}

static void put_ratio(FILE *out, double ratio, const char *aim)
{
    fprintf(out, "  %6.2f x  (aim %s)", ratio, aim);
}

/* Rows a second, and the time of a transaction. */
static void print_writes(FILE *out, const char *what, struct contender *c, size_t count, bool loads)
{
    double rate[2] = {0};
    for (size_t i = 0; i < count; i++) {
        struct measure *m = loads ? &c[i].load : &c[i].insert;
        rate[i] = (double)(loads ? c[i].load_rows : c[i].insert_rows) / m->total_us * 1e6;
        fprintf(out, "%-34s %-10s %9.0f rows/s", i == 0 ? what : "", c[i].ops->name, rate[i]);
        put_times(out, m);
        if (count == 2 && i == 0)
            fputc('\n', out);
    }
    if (count == 2)
        put_ratio(out, rate[0] / rate[1], "3");
    fputc('\n', out);
}

static void print_query(FILE *out, const char *what, const char *aim, struct contender *c, size_t count, enum query q)
{
    double median[2] = {0};
    for (size_t i = 0; i < count; i++) {
        struct measure *m = &c[i].query[q];
        median[i] = measure_quantile(m, 0.5);
        fprintf(out, "%-34s %-10s %11.2f /s  ", i == 0 ? what : "", c[i].ops->name,
                (double)m->count / m->total_us * 1e6);
        put_times(out, m);
        if (count == 2 && i == 0)
            fputc('\n', out);
    }
    if (count == 2)
        put_ratio(out, median[1] / median[0], aim);
    fputc('\n', out);
}

static void print_rest(FILE *out, struct contender *c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%-34s %-10s %9.2f s\n", i == 0 ? "settling (see above)" : "", c[i].ops->name,
                c[i].settle_us / 1e6);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%-34s %-10s %9.1f MB%s", i == 0 ? "disk, tables and keys" : "", c[i].ops->name,
                (double)c[i].disk_bytes / 1e6, i + 1 < count ? "\n" : "");
    if (count == 2)
        fprintf(out, "  %40.3f x  (aim 0.3)", (double)c[0].disk_bytes / (double)c[1].disk_bytes);
    fputc('\n', out);
}

void report_print(FILE *out, struct contender *c, size_t count)
{
    print_writes(out, "bulk load, 100,000 rows a commit", c, count, true);
    print_writes(out, "prepared INSERT, 1,000 a commit", c, count, false);
    print_query(out, "point select, 2 columns", "5", c, count, QUERY_POINT);
    print_query(out, "a client's day, 96 rows x 3", "5", c, count, QUERY_DAY);
    print_query(out, "a client's day, 96 rows x 32", "5", c, count, QUERY_DAY_ALL);
    print_query(out, "GROUP BY client_id over all", "2", c, count, QUERY_GROUP);
    print_query(out, "join with customers over all", "2", c, count, QUERY_JOIN);
    print_rest(out, c, count);
    if (count == 2)
        fputs("\nRatios: rows/s for writes, medians for queries (more than 1: CascaDB is faster); bytes for disk.\n",
              out);
}
