#include "data.h"

#include <math.h>
#include <stdbool.h>

#define CLIENTS_MAX   2000
#define CUSTOMERS_MAX 1000
#define TS_FIRST      1767225600 /* 2026-01-01 */

const char *const data_value_names[VALUE_COUNT] = {
    "active_kwh",
    "exported_kwh",
    "inductive_kvarh",
    "capacitive_kvarh",
    "voltage_a",
    "voltage_b",
    "voltage_c",
    "current_a",
    "current_b",
    "current_c",
    "factor_a",
    "factor_b",
    "factor_c",
    "power_a",
    "power_b",
    "power_c",
    "frequency",
    "register_active",
    "register_exported",
    "register_inductive",
    "register_peak",
    "outage_s",
    "interruptions",
    "demand_max_kw",
    "temperature",
    "thd_voltage",
    "flags",
    "battery_v",
    "relay",
    "signal_dbm",
};

struct data data_of(int64_t rows)
{
    struct data d = {.client_count = CLIENTS_MAX};
    if (rows / DAY_ROWS < CLIENTS_MAX)
        d.client_count = rows >= 2 * DAY_ROWS ? rows / DAY_ROWS : 2;
    d.time_count = rows / d.client_count > DAY_ROWS ? rows / d.client_count : DAY_ROWS;
    d.customer_count = d.client_count / 2 < CUSTOMERS_MAX ? d.client_count / 2 : CUSTOMERS_MAX;
    return d;
}

int64_t data_client_id(int64_t client)
{
    return 5000000 + 13 * client;
}

int64_t data_ts(int64_t time)
{
    return TS_FIRST + 900 * time;
}

int64_t data_customer_id(int64_t customer)
{
    return data_client_id(2 * customer);
}

const char *data_region(int64_t customer)
{
    static const char *const regions[] = {"north", "north-east", "centre", "south", "south-east"};
    return regions[customer % 5];
}

/* ---- values ---- */
/* SplitMix64's finaliser: noise that depends on its argument only. */
static uint64_t noise(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static double part(uint64_t client, uint64_t time, uint64_t what)
{
    return (double)(noise(client * 1000003 + time * 97 + what * 0x9e3779b97f4a7c15ull) >> 11) * 0x1p-53;
}

/* As a meter sends it: a whole number of 1/steps. */
static double stepped(double v, double steps)
{
    return nearbyint(v * steps) / steps;
}

/* Share of the day's peak: low at night, a hump in the morning, a higher one in the evening. */
static double load_shape(int64_t quarter)
{
    const double hour = (double)quarter / 4;
    const double morning = (hour - 8) / 2, evening = (hour - 19.5) / 1.8;
    return 0.3 + 0.25 * exp(-morning * morning) + 0.6 * exp(-evening * evening);
}

static double sun(int64_t quarter)
{
    return quarter > 24 && quarter < 72 ? sin((double)(quarter - 24) * M_PI / 48) : 0;
}

static void phase_values(uint64_t c, uint64_t t, double load_kw, int phases, double *v)
{
    for (int p = 0; p < phases; p++) {
        const double volt = 216 + 8 * part(c, t, 10 + (uint64_t)p);
        const double factor = 0.88 + 0.12 * part(c, t, 20 + (uint64_t)p);
        v[4 + p] = stepped(volt, 10);
        v[7 + p] = stepped(load_kw * 1000 / phases / volt / factor, 100);
        v[10 + p] = stepped(factor, 1000);
        v[13 + p] = stepped(load_kw / phases, 1000);
    }
}

static void register_values(uint64_t c, int64_t t, double mean_kwh, bool panels, double *v)
{
    v[17] = stepped((double)(noise(c) % 90000) + mean_kwh * (double)t + mean_kwh * part(c, (uint64_t)t, 3), 1000);
    v[18] = panels ? stepped(0.17 * (double)t, 1000) : 0;
    v[19] = stepped(v[17] * 0.4, 1000);
    v[20] = c % 4 == 0 ? stepped(v[17] * 0.28, 1000) : 0;
}

void data_row(int64_t client, int64_t time, struct row *out)
{
    const uint64_t c = (uint64_t)client, t = (uint64_t)time;
    const int64_t quarter = time % DAY_ROWS;
    const double size_kw = 0.2 + 2.5 * part(c, 0, 1) * part(c, 0, 2);
    const bool panels = c % 9 == 0;
    const double used_kw = size_kw * load_shape(quarter) * (0.6 + 0.8 * part(c, t, 1));
    const double net_kw = used_kw - (panels ? 3 * sun(quarter) * (0.3 + 0.7 * part(c, t, 2)) : 0);
    const double load_kw = net_kw > 0 ? net_kw : 0;
    *out = (struct row){.client_id = data_client_id(client), .ts = data_ts(time)};
    double *v = out->values;
    v[0] = stepped(load_kw / 4, 1000);
    v[1] = net_kw < 0 ? stepped(-net_kw / 4, 1000) : 0;
    v[2] = stepped(load_kw * 0.07, 1000);
    v[3] = c % 6 == 0 ? stepped(load_kw * 0.012, 1000) : 0;
    phase_values(c, t, load_kw, c % 3 == 0 ? 3 : c % 3 == 1 ? 2 : 1, v);
    v[16] = stepped(59.95 + 0.1 * part(0, t, 4), 100);
    register_values(c, time, size_kw * 0.1, panels, v);
    v[23] = stepped(size_kw * 1.3, 1000);
    v[24] = stepped(20 + 8 * load_shape(quarter) + 2 * part(c % 16, t / 4, 5), 10);
    v[25] = stepped(1.5 + part(c, t, 6), 10);
    v[26] = noise(c * 31 + t) % 256 == 0 ? 4 : 0;
    v[27] = 3.6;
    v[29] = -105 + (double)(noise(c) % 30) + (double)(noise(c + 7 * t) % 12);
}

void data_arrival(const struct data *d, int64_t i, struct row *out)
{
    const int64_t time = i / d->client_count;
    /* 7919 is prime and larger than the number of clients: a permutation. */
    const int64_t client = ((i % d->client_count) * 7919 + time * 613) % d->client_count;
    data_row(client, time, out);
}
