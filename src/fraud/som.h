/* fraud/som.h - Kohonen's self-organising map, trained in batches.
 *
 * Source: T. Kohonen, "Self-Organizing Maps", 3rd ed., 2001: batch map (3.6), topographic and quantisation error.
 * A vector may miss components (NAN): they take no part in its distances, which are scaled to the full dimension.
 * Deterministic: equal options and vectors give equal maps, bit for bit, on one machine.
 * A trained map is read-only and may be shared between threads. */
#ifndef SC_FRAUD_SOM_H
#define SC_FRAUD_SOM_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct sc_som;

enum sc_som_grid { SC_SOM_RECTANGULAR, SC_SOM_HEXAGONAL };

struct sc_som_options {
    enum sc_som_grid grid;
    size_t columns, rows;  /* 1..64 each */
    size_t dimension;      /* components per vector, 1..1024 */
    size_t epochs;         /* passes over all vectors; 0 = 30 */
    uint64_t seed;         /* of the initial codebook (vectors drawn at random) */
};

/* Trains on `count` vectors, one after another in `vectors` (count * dimension floats; borrowed).
 * SC_E_USAGE: options out of range, or not a single vector with a present component. */
sc_err sc_som_train(const struct sc_som_options *opt, const float *vectors, size_t count, struct sc_som **out)
    SC_MUST_CHECK;
void sc_som_free(struct sc_som *som); /* NULL is fine */
void sc_som_freep(struct sc_som **som);

size_t sc_som_columns(const struct sc_som *som);
size_t sc_som_rows(const struct sc_som *som);
enum sc_som_grid sc_som_grid(const struct sc_som *som);
size_t sc_som_dimension(const struct sc_som *som);
size_t sc_som_unit_count(const struct sc_som *som);            /* columns * rows, row by row */
const float *sc_som_codebook(const struct sc_som *som, size_t unit); /* dimension floats */
/* Distance of two units on the grid: neighbours are 1 apart. */
double sc_som_unit_distance(const struct sc_som *som, size_t a, size_t b);

#define SC_SOM_NO_UNIT SIZE_MAX
struct sc_som_match {
    size_t best, second;   /* units; SC_SOM_NO_UNIT when the vector has no component (or the map one unit) */
    double distance;       /* Euclidean, to the best; NAN without one */
};
struct sc_som_match sc_som_match(const struct sc_som *som, const float *vector);

struct sc_som_quality {
    double quantisation;   /* mean distance to the best-matching unit */
    double topographic;    /* share of vectors whose best two units are not neighbours */
};
struct sc_som_quality sc_som_quality(const struct sc_som *som, const float *vectors, size_t count);

#endif
