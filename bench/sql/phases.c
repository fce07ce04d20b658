#include "phases.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <math.h>

const char *const query_texts[QUERY_COUNT] = {
    [QUERY_POINT] = "SELECT active_kwh, voltage_a FROM reading WHERE client_id = $1 AND ts = $2",
    [QUERY_DAY] = "SELECT ts, active_kwh, voltage_a FROM reading WHERE client_id = $1 AND ts >= $2 AND ts < $3 "
                  "ORDER BY ts",
    [QUERY_DAY_ALL] = "SELECT * FROM reading WHERE client_id = $1 AND ts >= $2 AND ts < $3 ORDER BY ts",
    [QUERY_GROUP] = "SELECT client_id, sum(active_kwh) FROM reading GROUP BY client_id",
    [QUERY_JOIN] = "SELECT c.region, sum(r.active_kwh) FROM customer c JOIN reading r ON r.client_id = c.client_id "
                   "GROUP BY c.region",
};
const int query_param_counts[QUERY_COUNT] = {2, 3, 3, 0, 0};

/* ---- writing ---- */
static void tables_make(struct contender *c, const struct data *data)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    sc_buf_put_str(&sql, "CREATE TABLE reading(client_id BIGINT NOT NULL, ts BIGINT NOT NULL");
    for (int i = 0; i < VALUE_COUNT; i++)
        sc_buf_put_fmt(&sql, ", %s DOUBLE PRECISION", data_value_names[i]);
    sc_buf_put_str(&sql, ", PRIMARY KEY(client_id, ts))");
    c->ops->exec(c->peer, sc_buf_cstr(&sql));
    c->ops->exec(c->peer, "CREATE TABLE customer(client_id BIGINT PRIMARY KEY, name TEXT, region TEXT)");
    sc_buf_reset(&sql);
    for (int64_t i = 0; i < data->customer_count; i++)
        sc_buf_put_fmt(&sql, "%s(%lld, 'customer %lld', '%s')", i == 0 ? "INSERT INTO customer VALUES" : ", ",
                       (long long)data_customer_id(i), (long long)i, data_region(i));
    c->ops->exec(c->peer, sc_buf_cstr(&sql));
}

/* Rows [from, to) in arrival order, `step` to a transaction.  Making them is not part of what is measured. */
static void rows_write(struct contender *c, const struct data *data, int64_t from, int64_t to, int64_t step,
                       void (*write)(struct peer *, const struct row *, size_t), struct measure *m)
{
    struct row *rows = calloc((size_t)step, sizeof *rows);
    if (rows == NULL)
        bench_die("out of memory");
    for (int64_t i = from; i < to; i += step) {
        const int64_t n = to - i < step ? to - i : step;
        for (int64_t r = 0; r < n; r++)
            data_arrival(data, i + r, &rows[r]);
        const double start = measure_now_us();
        write(c->peer, rows, (size_t)n);
        measure_add(m, measure_now_us() - start);
    }
    free(rows);
}

void phases_write(struct contender *c, const struct data *data)
{
    const int64_t total = data_rows(data), loaded = total - total / 10;
    tables_make(c, data);
    rows_write(c, data, 0, loaded, LOAD_ROWS, c->ops->load, &c->load);
    c->load_rows = loaded;
    rows_write(c, data, loaded, total, INSERT_ROWS, c->ops->insert, &c->insert);
    c->insert_rows = total - loaded;
    const double start = measure_now_us();
    c->ops->settle(c->peer);
    c->settle_us = measure_now_us() - start;
    c->disk_bytes = c->ops->disk_bytes(c->peer);
}

/* ---- reading ---- */
static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b) + 1);
}

static void must_equal(const struct contender *c, enum query q, const struct answer *got, const struct answer *expected)
{
    if (got->rows != expected->rows || !is_near(got->sum, expected->sum) || got->text != expected->text)
        bench_die("%s: %s: %lld rows with sum %.9g, expected %lld with %.9g", c->ops->name, query_texts[q],
                  (long long)got->rows, got->sum, (long long)expected->rows, expected->sum);
}

/* What a query of one client must give, from the generated rows. */
static void expect_client(enum query q, int64_t client, int64_t time, struct answer *out)
{
    struct row row;
    *out = (struct answer){0};
    for (int64_t t = time; t < time + (q == QUERY_POINT ? 1 : DAY_ROWS); t++) {
        data_row(client, t, &row);
        out->rows++;
        if (q == QUERY_DAY_ALL) {
            out->sum += (double)row.client_id;
            for (int v = 0; v < VALUE_COUNT; v++)
                out->sum += row.values[v];
        } else {
            out->sum += row.values[0] + row.values[4];
        }
        if (q != QUERY_POINT)
            out->sum += (double)row.ts;
    }
}

static void client_query(struct contender *c, const struct data *data, enum query q, struct sc_prng *prng)
{
    struct answer got, expected;
    const int64_t client = (int64_t)sc_prng_below(prng, (uint64_t)data->client_count);
    const int64_t times = q == QUERY_POINT ? data->time_count : data->time_count / DAY_ROWS;
    int64_t time = (int64_t)sc_prng_below(prng, (uint64_t)times);
    if (q != QUERY_POINT)
        time *= DAY_ROWS;
    const int64_t params[3] = {data_client_id(client), data_ts(time), data_ts(time + DAY_ROWS)};
    const double start = measure_now_us();
    c->ops->query(c->peer, q, params, &got);
    measure_add(&c->query[q], measure_now_us() - start);
    expect_client(q, client, time, &expected);
    must_equal(c, q, &got, &expected);
}

static void whole_query(struct contender *c, enum query q, struct answer *expected)
{
    struct answer got;
    const double start = measure_now_us();
    c->ops->query(c->peer, q, NULL, &got);
    measure_add(&c->query[q], measure_now_us() - start);
    if (expected->rows == 0)
        *expected = got;
    must_equal(c, q, &got, expected);
}

void phases_query(struct contender *c, const struct data *data, enum query q, double seconds, uint64_t seed,
                  struct answer *expected)
{
    struct sc_prng prng;
    const double end = measure_now_us() + seconds * 1e6;
    sc_prng_init(&prng, seed);
    do {
        if (q == QUERY_GROUP || q == QUERY_JOIN)
            whole_query(c, q, expected);
        else
            client_query(c, data, q, &prng);
    } while (measure_now_us() < end);
}
