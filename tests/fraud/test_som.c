#include "fraud/som.h"

#include "base/clock.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

#define DIMENSION 4
#define CLUSTERS  4
#define COUNT     400

/* Four clusters at the corners of a square, far apart. */
static void clusters(float *v, uint64_t seed)
{
    struct sc_prng p;
    sc_prng_init(&p, seed);
    for (size_t i = 0; i < COUNT; i++) {
        const size_t c = i % CLUSTERS;
        for (size_t k = 0; k < DIMENSION; k++)
            v[i * DIMENSION + k] = (float)((k % 2 == 0 ? 10.0 * (double)(c & 1) : 10.0 * (double)(c >> 1)) +
                                           0.3 * sc_prng_normal(&p));
    }
}

static struct sc_som *trained(enum sc_som_grid grid, size_t side, const float *v, size_t count, uint64_t seed)
{
    struct sc_som *som = NULL;
    const struct sc_som_options opt = { .grid = grid, .columns = side, .rows = side, .dimension = DIMENSION, .seed = seed };
    assert_int_equal(sc_som_train(&opt, v, count, &som), SC_OK);
    return som;
}

static void separable_clusters_get_neurons_of_their_own(void **state)
{
    (void)state;
    static float v[COUNT * DIMENSION];
    clusters(v, 5);
    for (int grid = SC_SOM_RECTANGULAR; grid <= SC_SOM_HEXAGONAL; grid++) {
        struct sc_som *som = trained((enum sc_som_grid)grid, 6, v, COUNT, 1);
        size_t owner[36];
        for (size_t u = 0; u < 36; u++)
            owner[u] = SIZE_MAX;
        for (size_t i = 0; i < COUNT; i++) {
            const struct sc_som_match m = sc_som_match(som, v + i * DIMENSION);
            assert_true(owner[m.best] == SIZE_MAX || owner[m.best] == i % CLUSTERS);
            owner[m.best] = i % CLUSTERS;
            assert_true(m.best != m.second);
        }
        const struct sc_som_quality q = sc_som_quality(som, v, COUNT);
        assert_true(q.quantisation < 1.0); /* spread of a cluster is 0.6; clusters are 14 apart */
        assert_true(q.topographic < 0.3);
        sc_som_free(som);
    }
}

static void training_lowers_the_quantisation_error(void **state)
{
    (void)state;
    static float v[COUNT * DIMENSION];
    clusters(v, 6);
    struct sc_som *one = trained(SC_SOM_HEXAGONAL, 1, v, COUNT, 1), *many = trained(SC_SOM_HEXAGONAL, 8, v, COUNT, 1);
    assert_true(sc_som_quality(many, v, COUNT).quantisation < 0.2 * sc_som_quality(one, v, COUNT).quantisation);
    sc_som_free(one);
    sc_som_free(many);
}

static void the_seed_decides_the_map(void **state)
{
    (void)state;
    static float v[COUNT * DIMENSION];
    clusters(v, 7);
    struct sc_som *a = trained(SC_SOM_HEXAGONAL, 5, v, COUNT, 11), *b = trained(SC_SOM_HEXAGONAL, 5, v, COUNT, 11),
                  *c = trained(SC_SOM_HEXAGONAL, 5, v, COUNT, 12);
    bool differs = false;
    for (size_t u = 0; u < 25; u++) {
        assert_memory_equal(sc_som_codebook(a, u), sc_som_codebook(b, u), DIMENSION * sizeof(float));
        for (size_t k = 0; k < DIMENSION; k++)
            differs = differs || sc_som_codebook(a, u)[k] != sc_som_codebook(c, u)[k];
    }
    assert_true(differs);
    sc_som_free(a);
    sc_som_free(b);
    sc_som_free(c);
}

static void missing_components_do_not_matter(void **state)
{
    (void)state;
    static float v[COUNT * DIMENSION];
    clusters(v, 8);
    struct sc_som *som = trained(SC_SOM_RECTANGULAR, 4, v, COUNT, 1);
    for (size_t i = 0; i < CLUSTERS; i++) {
        float half[DIMENSION] = { v[i * DIMENSION], v[i * DIMENSION + 1], NAN, NAN };
        const struct sc_som_match m = sc_som_match(som, half);
        const float *unit = sc_som_codebook(som, m.best);
        for (size_t k = 0; k < DIMENSION; k++)
            assert_true(fabs((double)unit[k] - (double)v[i * DIMENSION + k]) < 2.0);
    }
    const float none[DIMENSION] = { NAN, NAN, NAN, NAN };
    assert_true(sc_som_match(som, none).best == SC_SOM_NO_UNIT);
    sc_som_free(som);
    for (size_t i = 0; i < COUNT * DIMENSION; i += 3)
        v[i] = NAN; /* training with gaps works, too */
    som = trained(SC_SOM_RECTANGULAR, 4, v, COUNT, 1);
    for (size_t u = 0; u < 16; u++)
        for (size_t k = 0; k < DIMENSION; k++)
            assert_true(isfinite(sc_som_codebook(som, u)[k]));
    sc_som_free(som);
}

static void neighbours_on_the_grid_are_one_apart(void **state)
{
    (void)state;
    static float v[COUNT * DIMENSION];
    clusters(v, 9);
    struct sc_som *hex = trained(SC_SOM_HEXAGONAL, 4, v, COUNT, 1);
    size_t neighbours = 0;
    for (size_t u = 0; u < 16; u++)
        neighbours += fabs(sc_som_unit_distance(hex, 5, u) - 1.0) < 1e-9;
    assert_int_equal(neighbours, 6);
    assert_true(sc_som_unit_distance(hex, 3, 3) == 0.0);
    sc_som_free(hex);
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    const float v[DIMENSION] = { 1, 2, 3, 4 }, none[DIMENSION] = { NAN, NAN, NAN, NAN };
    struct sc_som *som = NULL;
    struct sc_som_options opt = { .columns = 0, .rows = 3, .dimension = DIMENSION };
    assert_int_equal(sc_som_train(&opt, v, 1, &som), SC_E_USAGE);
    opt.columns = 65;
    assert_int_equal(sc_som_train(&opt, v, 1, &som), SC_E_USAGE);
    opt.columns = 3;
    assert_int_equal(sc_som_train(&opt, v, 0, &som), SC_E_USAGE);
    assert_int_equal(sc_som_train(&opt, none, 1, &som), SC_E_USAGE);
    opt.dimension = 0;
    assert_int_equal(sc_som_train(&opt, v, 1, &som), SC_E_USAGE);
    assert_null(som);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separable_clusters_get_neurons_of_their_own),
        cmocka_unit_test(training_lowers_the_quantisation_error),
        cmocka_unit_test(the_seed_decides_the_map),
        cmocka_unit_test(missing_components_do_not_matter),
        cmocka_unit_test(neighbours_on_the_grid_are_one_apart),
        cmocka_unit_test(impossible_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
