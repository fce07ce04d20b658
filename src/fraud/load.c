#include "fraud/load.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

#define SIZE_MAX_DEFAULT ((size_t)1 << 30)

sc_err sc_load_init(struct sc_load_table *t, int64_t first_ms, size_t day_count, size_t slot_count, size_t size_max)
{
    if (day_count == 0 || day_count > SC_LOAD_DAYS_MAX || slot_count == 0 || slot_count > SC_LOAD_SLOTS_MAX ||
        86400 % slot_count != 0)
        return SC_E_USAGE;
    *t = (struct sc_load_table){.first_ms = first_ms,
                                .day_count = day_count,
                                .slot_count = slot_count,
                                .size_max = size_max != 0 ? size_max : SIZE_MAX_DEFAULT};
    return SC_OK;
}

void sc_load_deinit(struct sc_load_table *t)
{
    if (t == NULL)
        return;
    free(t->customer);
    free(t->kw);
    *t = (struct sc_load_table){0};
}

static sc_err grow(struct sc_load_table *t)
{
    const size_t curve_size = t->day_count * t->slot_count * sizeof *t->kw;
    const size_t capacity_max = t->size_max / curve_size;
    if (t->customer_count >= capacity_max)
        return SC_E_LIMIT;
    size_t capacity = t->customer_capacity == 0 ? 64 : 2 * t->customer_capacity;
    capacity = capacity < capacity_max ? capacity : capacity_max;
    struct sc_load_customer *customer = realloc(t->customer, capacity * sizeof *customer);
    if (customer == NULL)
        return SC_E_NOMEM;
    t->customer = customer;
    float *kw = realloc(t->kw, capacity * curve_size);
    if (kw == NULL)
        return SC_E_NOMEM;
    t->kw = kw;
    t->customer_capacity = capacity;
    return SC_OK;
}

/* Cuts between characters: never leaves half of a UTF-8 sequence. */
static void name_copy(char to[static SC_LOAD_NAME_SIZE], const char *name)
{
    size_t size = strnlen(name, SC_LOAD_NAME_SIZE);
    if (size == SC_LOAD_NAME_SIZE) {
        size--;
        while (size > 0 && ((unsigned char)name[size] & 0xC0) == 0x80)
            size--;
    }
    memcpy(to, name, size);
    to[size] = '\0';
}

sc_err sc_load_add(struct sc_load_table *t, int64_t client_id, const char *name, enum sc_customer_class c,
                   size_t *customer_out)
{
    if (t->customer_count == t->customer_capacity)
        SC_TRY(grow(t));
    const size_t index = t->customer_count++;
    t->customer[index] = (struct sc_load_customer){.client_id = client_id, .customer_class = c};
    name_copy(t->customer[index].name, name);
    float *kw = sc_load_curve(t, index, 0);
    for (size_t i = 0; i < t->day_count * t->slot_count; i++)
        kw[i] = NAN;
    *customer_out = index;
    return SC_OK;
}

sc_err sc_load_gather_init(struct sc_load_gather *g, const struct sc_load_table *t)
{
    const size_t cells = t->day_count * t->slot_count;
    *g = (struct sc_load_gather){.table = t};
    g->energy_kws = calloc(cells, sizeof *g->energy_kws);
    g->covered_s = calloc(cells, sizeof *g->covered_s);
    if (g->energy_kws == NULL || g->covered_s == NULL) {
        sc_load_gather_deinit(g);
        return SC_E_NOMEM;
    }
    return SC_OK;
}

void sc_load_gather_deinit(struct sc_load_gather *g)
{
    if (g == NULL)
        return;
    free(g->energy_kws);
    free(g->covered_s);
    *g = (struct sc_load_gather){0};
}

void sc_load_gather_add(struct sc_load_gather *g, int64_t start_ms, uint32_t interval_s, double kw)
{
    const struct sc_load_table *t = g->table;
    const int64_t table_ms = (int64_t)t->day_count * SC_LOAD_DAY_MS;
    const int64_t slot_ms = SC_LOAD_DAY_MS / (int64_t)t->slot_count;
    if (!isfinite(kw) || kw < 0.0 || interval_s > 86400 || start_ms < t->first_ms - SC_LOAD_DAY_MS ||
        start_ms >= t->first_ms + table_ms)
        return;
    int64_t from = start_ms - t->first_ms;
    const int64_t end = from + (int64_t)interval_s * 1000;
    from = from > 0 ? from : 0;
    while (from < end && from < table_ms) {
        const int64_t slot = from / slot_ms;
        const int64_t slot_end = (slot + 1) * slot_ms;
        const double part_s = (double)((end < slot_end ? end : slot_end) - from) / 1000.0;
        g->energy_kws[slot] += kw * part_s;
        g->covered_s[slot] += part_s;
        from = slot_end;
    }
}

void sc_load_gather_finish(struct sc_load_gather *g, struct sc_load_table *t, size_t customer)
{
    SC_ASSERT(customer < t->customer_count);
    const double slot_s = 86400.0 / (double)t->slot_count;
    float *kw = sc_load_curve(t, customer, 0);
    for (size_t i = 0; i < t->day_count * t->slot_count; i++) {
        kw[i] = g->covered_s[i] * 2.0 >= slot_s ? (float)(g->energy_kws[i] / g->covered_s[i]) : NAN;
        g->energy_kws[i] = 0.0;
        g->covered_s[i] = 0.0;
    }
}
