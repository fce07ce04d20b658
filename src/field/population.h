/* field/population.h - the customers of a simulated field: who they are and what they consume, interval by interval.
 *
 * Either a data set of measured loads or customers drawn from typical-day figures; plus, on request, one thief.  Two
 * processes that make a population from the same options see the same customers (the demo provisions, the simulator
 * measures).  Immutable once made; a stream belongs to one thread. */
#ifndef SC_FIELD_POPULATION_H
#define SC_FIELD_POPULATION_H

#include "metering/profile.h"

struct sc_population_options {
    const char *data_path;       /* a data file, or NULL: drawn from figures */
    const char *profile_path;    /* figures (JSON), when drawn */
    double annual_mwh;           /* for normalised data files; 0 = default by site */
    size_t customers;            /* 0: all of the file; drawn: must be given */
    size_t days;                 /* 0: all of the file; drawn: must be given */
    const char *first_day;       /* "2026-03-01"; NULL: of the file; drawn: must be given */
    uint64_t seed;
    uint64_t thief;              /* client_id of the customer who steals; 0: nobody */
};

struct sc_population;
sc_err sc_population_new(const struct sc_population_options *opt, struct sc_population **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_population_free(struct sc_population *p); /* NULL is fine */
void sc_population_freep(struct sc_population **p);
/* The options as a JSON object (owned by the caller) and back; strings borrow from the object. */
sc_err sc_population_options_to_json(const struct sc_population_options *opt, json_t **out) SC_MUST_CHECK;
sc_err sc_population_options_parse(const json_t *obj, struct sc_population_options *out, struct sc_diag *diag) SC_MUST_CHECK;

struct sc_customer {
    uint64_t client_id;        /* 1, 2, ... */
    uint32_t meter;            /* serial number */
    char name[40];
    enum sc_customer_class customer_class;
    enum sc_modality modality;
    double peak_kw;            /* highest interval of the window */
    double contracted_peak_kw; /* group A; 0 otherwise */
    double contracted_kw;
};
size_t sc_population_count(const struct sc_population *p);
const struct sc_customer *sc_population_customer(const struct sc_population *p, size_t index);
uint32_t sc_population_interval_s(const struct sc_population *p);
size_t sc_population_interval_count(const struct sc_population *p);
int64_t sc_population_first_ms(const struct sc_population *p);
const char *sc_population_source(const struct sc_population *p); /* the data file, or where the typical-day figures come from */
const struct sc_theft *sc_population_theft(const struct sc_population *p, size_t index); /* kind SC_THEFT_NONE mostly */

struct sc_population_load {
    bool measured;
    uint64_t wh;             /* through the meter: after theft */
    bool has_reactive;
    uint64_t inductive_varh, capacitive_varh;
};
struct sc_population_stream;
/* p is borrowed. */
sc_err sc_population_stream_new(const struct sc_population *p, size_t index, struct sc_population_stream **out) SC_MUST_CHECK;
void sc_population_stream_free(struct sc_population_stream *s);
/* The next interval; at most sc_population_interval_count() calls. */
void sc_population_stream_next(struct sc_population_stream *s, struct sc_population_load *out);

#endif
