#include "fraud/som.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

#define SIDE_MAX       64
#define DIMENSION_MAX  1024
#define EPOCHS_DEFAULT 30
#define SIGMA_END      0.5

struct sc_som {
    struct sc_som_options opt;
    size_t unit_count;
    float *codebook; /* unit_count * dimension */
};

/* What one epoch gathers for each unit: sums and weights per component, since components may be missing. */
struct gathering {
    double *sum;    /* unit_count * dimension: of the vectors the unit won */
    double *weight; /* the same shape: how many had the component */
    double *kernel; /* unit_count * unit_count */
};

void sc_som_free(struct sc_som *som)
{
    if (som == NULL)
        return;
    free(som->codebook);
    free(som);
}

void sc_som_freep(struct sc_som **som)
{
    sc_som_free(*som);
}

size_t sc_som_columns(const struct sc_som *som)
{
    return som->opt.columns;
}

size_t sc_som_rows(const struct sc_som *som)
{
    return som->opt.rows;
}

enum sc_som_grid sc_som_grid(const struct sc_som *som)
{
    return som->opt.grid;
}

size_t sc_som_dimension(const struct sc_som *som)
{
    return som->opt.dimension;
}

size_t sc_som_unit_count(const struct sc_som *som)
{
    return som->unit_count;
}

const float *sc_som_codebook(const struct sc_som *som, size_t unit)
{
    SC_ASSERT(unit < som->unit_count);
    return som->codebook + unit * som->opt.dimension;
}

double sc_som_unit_distance(const struct sc_som *som, size_t a, size_t b)
{
    const size_t columns = som->opt.columns;
    double ax = (double)(a % columns), ay = (double)(a / columns);
    double bx = (double)(b % columns), by = (double)(b / columns);
    if (som->opt.grid == SC_SOM_HEXAGONAL) { /* odd rows stand half a unit to the right, rows are closer */
        ax += (double)(a / columns % 2) * 0.5;
        bx += (double)(b / columns % 2) * 0.5;
        ay *= sqrt(0.75);
        by *= sqrt(0.75);
    }
    return hypot(ax - bx, ay - by);
}

/* Squared distance over the components that v has, scaled to all; NAN when it has none. */
static double distance2(const float *unit, const float *v, size_t dimension)
{
    double sum = 0.0;
    size_t present = 0;
    for (size_t i = 0; i < dimension; i++) {
        if (isnan(v[i]))
            continue;
        const double d = (double)unit[i] - (double)v[i];
        sum += d * d;
        present++;
    }
    return present == 0 ? NAN : sum * (double)dimension / (double)present;
}

struct sc_som_match sc_som_match(const struct sc_som *som, const float *vector)
{
    struct sc_som_match m = {SC_SOM_NO_UNIT, SC_SOM_NO_UNIT, NAN};
    double best = INFINITY, second = INFINITY;
    for (size_t u = 0; u < som->unit_count; u++) {
        const double d = distance2(sc_som_codebook(som, u), vector, som->opt.dimension);
        if (isnan(d))
            return m;
        if (d < best) {
            second = best;
            m.second = m.best;
            best = d;
            m.best = u;
        } else if (d < second) {
            second = d;
            m.second = u;
        }
    }
    m.distance = sqrt(best);
    return m;
}

struct sc_som_quality sc_som_quality(const struct sc_som *som, const float *vectors, size_t count)
{
    struct sc_som_quality q = {0.0, 0.0};
    size_t matched = 0, torn = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sc_som_match m = sc_som_match(som, vectors + i * som->opt.dimension);
        if (m.best == SC_SOM_NO_UNIT)
            continue;
        matched++;
        q.quantisation += m.distance;
        /* On a square grid the diagonal neighbour counts as one. */
        const double reach = som->opt.grid == SC_SOM_HEXAGONAL ? 1.01 : 1.42;
        if (m.second != SC_SOM_NO_UNIT && sc_som_unit_distance(som, m.best, m.second) > reach)
            torn++;
    }
    if (matched != 0) {
        q.quantisation /= (double)matched;
        q.topographic = (double)torn / (double)matched;
    }
    return q;
}

static bool is_present(const float *v, size_t dimension)
{
    for (size_t i = 0; i < dimension; i++)
        if (!isnan(v[i]))
            return true;
    return false;
}

/* The codebook starts as vectors drawn at random; gaps in them are filled with the mean of the component. */
static sc_err codebook_init(struct sc_som *som, const float *vectors, size_t count)
{
    const size_t dimension = som->opt.dimension;
    SC_CLEANUP(sc_freep) double *mean = calloc(2 * dimension, sizeof *mean);
    SC_CLEANUP(sc_freep) size_t *usable = calloc(count == 0 ? 1 : count, sizeof *usable);
    if (mean == NULL || usable == NULL)
        return SC_E_NOMEM;
    size_t usable_count = 0;
    for (size_t i = 0; i < count; i++) {
        const float *v = vectors + i * dimension;
        if (is_present(v, dimension))
            usable[usable_count++] = i;
        for (size_t k = 0; k < dimension; k++) {
            if (!isnan(v[k])) {
                mean[k] += (double)v[k];
                mean[dimension + k] += 1.0;
            }
        }
    }
    if (usable_count == 0)
        return SC_E_USAGE;
    struct sc_prng prng;
    sc_prng_init(&prng, som->opt.seed);
    for (size_t u = 0; u < som->unit_count; u++) {
        const float *v = vectors + usable[sc_prng_below(&prng, usable_count)] * dimension;
        for (size_t k = 0; k < dimension; k++) {
            const double filled = mean[dimension + k] > 0.0 ? mean[k] / mean[dimension + k] : 0.0;
            som->codebook[u * dimension + k] = isnan(v[k]) ? (float)filled : v[k];
        }
    }
    return SC_OK;
}

static void kernel_fill(const struct sc_som *som, double sigma, double *kernel)
{
    for (size_t a = 0; a < som->unit_count; a++) {
        for (size_t b = 0; b < som->unit_count; b++) {
            const double d = sc_som_unit_distance(som, a, b);
            kernel[a * som->unit_count + b] = exp(-d * d / (2.0 * sigma * sigma));
        }
    }
}

static void gather(const struct sc_som *som, const float *vectors, size_t count, struct gathering *g)
{
    const size_t dimension = som->opt.dimension;
    memset(g->sum, 0, som->unit_count * dimension * sizeof *g->sum);
    memset(g->weight, 0, som->unit_count * dimension * sizeof *g->weight);
    for (size_t i = 0; i < count; i++) {
        const float *v = vectors + i * dimension;
        const size_t unit = sc_som_match(som, v).best;
        if (unit == SC_SOM_NO_UNIT)
            continue;
        for (size_t k = 0; k < dimension; k++) {
            if (!isnan(v[k])) {
                g->sum[unit * dimension + k] += (double)v[k];
                g->weight[unit * dimension + k] += 1.0;
            }
        }
    }
}

/* Each unit becomes the mean of all vectors, weighted by how near their winners are to it on the grid. */
static void codebook_move(struct sc_som *som, const struct gathering *g)
{
    const size_t dimension = som->opt.dimension;
    for (size_t u = 0; u < som->unit_count; u++) {
        for (size_t k = 0; k < dimension; k++) {
            double sum = 0.0, weight = 0.0;
            for (size_t w = 0; w < som->unit_count; w++) {
                const double h = g->kernel[u * som->unit_count + w];
                sum += h * g->sum[w * dimension + k];
                weight += h * g->weight[w * dimension + k];
            }
            if (weight > 1e-12) /* nobody near: the unit stays where it is */
                som->codebook[u * dimension + k] = (float)(sum / weight);
        }
    }
}

static sc_err train(struct sc_som *som, const float *vectors, size_t count)
{
    const size_t cells = som->unit_count * som->opt.dimension;
    SC_CLEANUP(sc_freep) double *sum = calloc(cells, sizeof *sum);
    SC_CLEANUP(sc_freep) double *weight = calloc(cells, sizeof *weight);
    SC_CLEANUP(sc_freep) double *kernel = calloc(som->unit_count * som->unit_count, sizeof *kernel);
    if (sum == NULL || weight == NULL || kernel == NULL)
        return SC_E_NOMEM;
    struct gathering g = {sum, weight, kernel};
    const size_t longest = som->opt.columns > som->opt.rows ? som->opt.columns : som->opt.rows;
    const double sigma_start = fmax((double)longest / 2.0, SIGMA_END);
    for (size_t epoch = 0; epoch < som->opt.epochs; epoch++) {
        const double progress = som->opt.epochs > 1 ? (double)epoch / (double)(som->opt.epochs - 1) : 1.0;
        kernel_fill(som, sigma_start * pow(SIGMA_END / sigma_start, progress), kernel);
        gather(som, vectors, count, &g);
        codebook_move(som, &g);
    }
    return SC_OK;
}

sc_err sc_som_train(const struct sc_som_options *opt, const float *vectors, size_t count, struct sc_som **out)
{
    if (opt->columns == 0 || opt->columns > SIDE_MAX || opt->rows == 0 || opt->rows > SIDE_MAX || opt->dimension == 0 ||
        opt->dimension > DIMENSION_MAX)
        return SC_E_USAGE;
    SC_CLEANUP(sc_som_freep) struct sc_som *som = calloc(1, sizeof *som);
    if (som == NULL)
        return SC_E_NOMEM;
    som->opt = *opt;
    if (som->opt.epochs == 0)
        som->opt.epochs = EPOCHS_DEFAULT;
    som->unit_count = opt->columns * opt->rows;
    som->codebook = calloc(som->unit_count * opt->dimension, sizeof *som->codebook);
    if (som->codebook == NULL)
        return SC_E_NOMEM;
    SC_TRY(codebook_init(som, vectors, count));
    SC_TRY(train(som, vectors, count));
    *out = SC_TAKE(som);
    return SC_OK;
}
