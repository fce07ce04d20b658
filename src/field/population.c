#include "field/population.h"

#include <math.h>
#include <stdio.h>

#define FIRST_SERIAL    UINT32_C(10000001)
#define GROUP_A_KW      75.0 /* above it the supply is medium voltage: demand is contracted (ANEEL's usual limit) */
#define CONTRACT_MARGIN 0.92 /* contracted / highest demand: tight enough that some month overshoots */

struct sc_population {
    struct sc_population_options opt;
    struct sc_dataset *dataset;
    struct sc_profile *profile;
    struct sc_customer *customers;
    size_t count;
    uint32_t interval_s;
    size_t interval_count;
    int64_t first_ms;
    struct sc_theft theft;
    char source[320];
};

struct sc_population_stream {
    const struct sc_population *p;
    size_t index;
    size_t interval;
    struct sc_profile_draw *draw; /* when drawn */
    struct sc_theft theft;
};

void sc_population_free(struct sc_population *p)
{
    if (p == NULL)
        return;
    sc_dataset_free(p->dataset);
    sc_profile_free(p->profile);
    free(p->customers);
    free(p);
}

void sc_population_freep(struct sc_population **p)
{
    sc_population_free(*p);
}

/* ---- options <-> JSON ---- */
sc_err sc_population_options_to_json(const struct sc_population_options *opt, json_t **out)
{
    json_t *obj =
        json_pack("{s:s*, s:s*, s:f, s:I, s:I, s:s*, s:I, s:I}", "data", opt->data_path, "profile", opt->profile_path,
                  "annual_mwh", opt->annual_mwh, "customers", (json_int_t)opt->customers, "days", (json_int_t)opt->days,
                  "first_day", opt->first_day, "seed", (json_int_t)opt->seed, "thief", (json_int_t)opt->thief);
    if (obj == NULL)
        return SC_E_NOMEM;
    *out = obj;
    return SC_OK;
}

sc_err sc_population_options_parse(const json_t *obj, struct sc_population_options *out, struct sc_diag *diag)
{
    struct sc_population_options o = {0};
    int64_t customers = 0;
    int64_t days = 0;
    int64_t seed = 0;
    int64_t thief = 0;
    if (!json_is_object(obj))
        return sc_fail(diag, SC_E_MALFORMED, "population: an object expected");
    SC_TRY(sc_json_opt_str(obj, "data", &o.data_path, diag));
    SC_TRY(sc_json_opt_str(obj, "profile", &o.profile_path, diag));
    SC_TRY(sc_json_opt_str(obj, "first_day", &o.first_day, diag));
    SC_TRY(sc_json_opt_int(obj, "customers", 0, SC_DATASET_CUSTOMERS_MAX, &customers, diag));
    SC_TRY(sc_json_opt_int(obj, "days", 0, SC_DATASET_DAYS_MAX, &days, diag));
    SC_TRY(sc_json_opt_int(obj, "seed", 0, INT64_MAX, &seed, diag));
    SC_TRY(sc_json_opt_int(obj, "thief", 0, INT64_MAX, &thief, diag));
    if (json_object_get(obj, "annual_mwh") != NULL)
        SC_TRY(sc_json_get_num(obj, "annual_mwh", &o.annual_mwh, diag));
    o.customers = (size_t)customers;
    o.days = (size_t)days;
    o.seed = (uint64_t)seed;
    o.thief = (uint64_t)thief;
    *out = o;
    return SC_OK;
}

/* ---- making ---- */
/* The kinds of the figures take turns. */
static size_t kind_of(const struct sc_population *p, size_t index)
{
    return index % p->profile->kind_count;
}

static void customer_fill(struct sc_population *p, size_t index, const char *name,
                          enum sc_customer_class customer_class)
{
    struct sc_customer *c = &p->customers[index];
    c->client_id = index + 1;
    c->meter = FIRST_SERIAL + (uint32_t)index;
    snprintf(c->name, sizeof c->name, "%s", name);
    c->customer_class = customer_class;
}

/* Tariff follows size and class: medium voltage is billed for demand; of the others every second chose time of use. */
static void customer_contract(struct sc_customer *c)
{
    if (c->peak_kw > GROUP_A_KW) {
        c->modality = c->client_id % 2 != 0 ? SC_MODALITY_AZUL : SC_MODALITY_VERDE;
        c->contracted_kw = ceil(c->peak_kw * CONTRACT_MARGIN / 5) * 5;
        c->contracted_peak_kw =
            c->modality == SC_MODALITY_AZUL ? ceil(c->contracted_kw * 0.9 / 5) * 5 : c->contracted_kw;
    } else {
        c->modality = c->client_id % 2 != 0 ? SC_MODALITY_BRANCA : SC_MODALITY_CONVENTIONAL;
    }
}

static sc_err peak_find(struct sc_population *p, size_t index)
{
    struct sc_population_stream *s = NULL;
    SC_TRY(sc_population_stream_new(p, index, &s));
    uint64_t peak_wh = 0;
    for (size_t i = 0; i < p->interval_count; i++) {
        struct sc_population_load load;
        sc_population_stream_next(s, &load);
        if (load.measured && load.wh > peak_wh)
            peak_wh = load.wh;
    }
    sc_population_stream_free(s);
    p->customers[index].peak_kw = (double)peak_wh * 3.6 / p->interval_s;
    return SC_OK;
}

static sc_err from_dataset(struct sc_population *p, struct sc_diag *diag)
{
    const struct sc_dataset_options o = {p->opt.annual_mwh, p->opt.customers, p->opt.days, p->opt.first_day, true};
    SC_TRY(sc_dataset_load(p->opt.data_path, &o, &p->dataset, diag));
    p->count = sc_dataset_customer_count(p->dataset);
    p->interval_s = sc_dataset_interval_s(p->dataset);
    p->interval_count = sc_dataset_interval_count(p->dataset);
    p->first_ms = sc_dataset_first_ms(p->dataset);
    snprintf(p->source, sizeof p->source, "%s", p->opt.data_path);
    if (p->count == 0)
        return sc_fail(diag, SC_E_USAGE, "%s: no customers", p->opt.data_path);
    return SC_OK;
}

static sc_err from_profile(struct sc_population *p, struct sc_diag *diag)
{
    if (p->opt.profile_path == NULL || p->opt.customers == 0 || p->opt.days == 0 || p->opt.first_day == NULL)
        return sc_fail(diag, SC_E_USAGE, "drawn customers need figures, a number of customers, days and a first day");
    SC_TRY(sc_profile_read(p->opt.profile_path, &p->profile, diag));
    if (p->profile->kind_count == 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s: no kind of customer", p->opt.profile_path);
    p->count = p->opt.customers;
    p->interval_s = p->profile->interval_s;
    p->interval_count = p->opt.days * (86400 / p->interval_s);
    SC_TRY(sc_context(diag, sc_civil_parse(p->opt.first_day, &p->first_ms), "first day \"%s\"", p->opt.first_day));
    snprintf(p->source, sizeof p->source, "%s", p->profile->source);
    return SC_OK;
}

static sc_err customers_make(struct sc_population *p)
{
    p->customers = calloc(p->count, sizeof *p->customers);
    if (p->customers == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < p->count; i++) {
        char name[40];
        if (p->dataset != NULL) {
            customer_fill(p, i, sc_dataset_customer_name(p->dataset, i), sc_dataset_customer_class(p->dataset, i));
        } else {
            const struct sc_profile_kind *kind = &p->profile->kind[kind_of(p, i)];
            snprintf(name, sizeof name, "%s %zu", kind->name, i + 1);
            customer_fill(p, i, name, kind->customer_class);
        }
        SC_TRY(peak_find(p, i));
        customer_contract(&p->customers[i]);
    }
    return SC_OK;
}

sc_err sc_population_new(const struct sc_population_options *opt, struct sc_population **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_population_freep) struct sc_population *p = calloc(1, sizeof *p);
    if (p == NULL)
        return sc_fail(diag, SC_E_NOMEM, "population");
    p->opt = *opt;
    SC_TRY(opt->data_path != NULL ? from_dataset(p, diag) : from_profile(p, diag));
    SC_TRY(customers_make(p)); /* before the theft: contracts follow what customers draw, not what is metered */
    if (opt->thief > p->count)
        return sc_fail(diag, SC_E_USAGE, "there is no customer %llu, only %zu", (unsigned long long)opt->thief,
                       p->count);
    if (opt->thief != 0)
        sc_theft_draw(opt->seed, opt->thief, p->first_ms,
                      p->first_ms + (int64_t)p->interval_count * p->interval_s * 1000, &p->theft);
    *out = SC_TAKE(p);
    return SC_OK;
}

size_t sc_population_count(const struct sc_population *p)
{
    return p->count;
}

const struct sc_customer *sc_population_customer(const struct sc_population *p, size_t index)
{
    return &p->customers[index];
}

uint32_t sc_population_interval_s(const struct sc_population *p)
{
    return p->interval_s;
}

size_t sc_population_interval_count(const struct sc_population *p)
{
    return p->interval_count;
}

int64_t sc_population_first_ms(const struct sc_population *p)
{
    return p->first_ms;
}

const char *sc_population_source(const struct sc_population *p)
{
    return p->source;
}

const struct sc_theft *sc_population_theft(const struct sc_population *p, size_t index)
{
    static const struct sc_theft none = {SC_THEFT_NONE, 0, 0};
    return p->customers[index].client_id == p->opt.thief ? &p->theft : &none;
}

/* ---- streams ---- */
sc_err sc_population_stream_new(const struct sc_population *p, size_t index, struct sc_population_stream **out)
{
    struct sc_population_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return SC_E_NOMEM;
    s->p = p;
    s->index = index;
    s->theft = *sc_population_theft(p, index);
    if (p->profile != NULL) {
        const struct sc_profile_draw_options o = {kind_of(p, index), p->opt.seed, index + 1, p->first_ms, 0};
        const sc_err err = sc_profile_draw_new(p->profile, &o, &s->draw);
        if (err != SC_OK) {
            free(s);
            return err;
        }
    }
    *out = s;
    return SC_OK;
}

void sc_population_stream_free(struct sc_population_stream *s)
{
    if (s == NULL)
        return;
    sc_profile_draw_free(s->draw);
    free(s);
}

void sc_population_stream_next(struct sc_population_stream *s, struct sc_population_load *out)
{
    const struct sc_population *p = s->p;
    SC_ASSERT(s->interval < p->interval_count);
    const size_t i = s->interval++;
    *out = (struct sc_population_load){.measured = true};
    uint32_t wh;
    if (s->draw != NULL) {
        wh = sc_profile_draw_next(s->draw);
    } else {
        wh = sc_dataset_wh(p->dataset, s->index, i);
        out->measured = wh != SC_WH_MISSING;
        out->has_reactive = sc_dataset_has_reactive(p->dataset);
        out->inductive_varh = sc_dataset_inductive_varh(p->dataset, s->index, i);
        out->capacitive_varh = sc_dataset_capacitive_varh(p->dataset, s->index, i);
    }
    if (out->measured)
        out->wh = sc_theft_metered_wh(&s->theft, p->first_ms + (int64_t)i * p->interval_s * 1000, wh);
}
