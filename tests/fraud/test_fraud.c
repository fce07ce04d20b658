#include "fraud/evaluate.h"
#include "fraud/robust.h"
#include "fraud/synthetic.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static struct sc_fraud *analysed(const struct sc_load_table *t)
{
    struct sc_fraud *f = NULL;
    struct sc_diag diag = { 0 };
    const struct sc_fraud_options opt = { .seed = 1, .grid = SC_SOM_HEXAGONAL };
    assert_int_equal(sc_fraud_analyse(t, &opt, &f, &diag), SC_OK);
    return f;
}

static double auc_of(size_t customers, size_t days, size_t thefts, enum sc_theft_sort sort, uint64_t seed)
{
    struct sc_load_table t;
    synthetic_customers(&t, customers, days, 48, seed);
    struct sc_theft_truth truth[200];
    assert_true(customers <= 200);
    assert_int_equal(sc_theft_inject(&t, thefts, sort, seed, truth), thefts);
    struct sc_fraud *f = analysed(&t);
    const struct sc_ranking_quality q = sc_ranking_judge(f, truth, SC_THEFT_SORT_COUNT);
    sc_fraud_free(f);
    sc_load_deinit(&t);
    return q.auc;
}

static void thieves_rise_to_the_top_whatever_they_do(void **state)
{
    (void)state;
    for (int sort = 0; sort < SC_THEFT_SORT_COUNT; sort++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            const double auc = auc_of(100, 28, 8, (enum sc_theft_sort)sort, seed);
            print_message("%s, seed %d: AUC %.3f\n", sc_theft_sort_names[sort], (int)seed, auc);
            assert_true(auc > 0.95);
        }
    }
}

/* The check of the check: without any theft, "thieves" stand anywhere. */
static void without_a_theft_nobody_in_particular_rises(void **state)
{
    (void)state;
    double sum = 0.0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sc_load_table t;
        synthetic_customers(&t, 100, 28, 48, seed);
        struct sc_theft_truth truth[100] = { 0 };
        for (size_t c = 0; c < 30; c++)
            truth[c].thief = true;
        struct sc_fraud *f = analysed(&t);
        sum += sc_ranking_judge(f, truth, SC_THEFT_SORT_COUNT).auc;
        sc_fraud_free(f);
        sc_load_deinit(&t);
    }
    assert_true(fabs(sum / 5.0 - 0.5) < 0.1);
}

static void one_thief_among_ten_within_a_week_comes_first(void **state)
{
    (void)state;
    size_t first = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct sc_load_table t;
        synthetic_customers(&t, 10, 7, 48, seed);
        for (size_t d = 2; d < 7; d++)
            for (size_t s = 0; s < 48; s++)
                sc_load_curve(&t, 4, d)[s] *= 0.3f;
        struct sc_fraud *f = analysed(&t);
        first += sc_fraud_finding(f, 0)->customer == 4 && sc_fraud_finding(f, 0)->change_day == 2;
        sc_fraud_free(f);
        sc_load_deinit(&t);
    }
    print_message("first, with the right day, in %zu of 10\n", first);
    assert_true(first >= 9);
}

static void a_change_that_the_whole_group_shows_is_nobodys_theft(void **state)
{
    (void)state;
    struct sc_load_table t;
    synthetic_customers(&t, 60, 21, 48, 3);
    for (size_t c = 0; c < 60; c++) /* a warm spell halves everybody's use */
        for (size_t d = 10; d < 21; d++)
            for (size_t s = 0; s < 48; s++)
                sc_load_curve(&t, c, d)[s] *= 0.5f;
    for (size_t d = 10; d < 21; d++) /* and one falls further */
        for (size_t s = 0; s < 48; s++)
            sc_load_curve(&t, 7, d)[s] *= 0.3f;
    struct sc_fraud *f = analysed(&t);
    const struct sc_fraud_finding *top = sc_fraud_finding(f, 0);
    assert_int_equal(top->customer, 7);
    assert_int_equal(top->change_day, 10);
    assert_true(fabs(expm1(top->group_level) + 0.5) < 0.12);
    const struct sc_fraud_measure *level = &top->feature[SC_FRAUD_LEVEL];
    assert_true(fabs(expm1(level->after - level->before) + 0.7) < 0.12);
    assert_true(top->score > 2.0 * sc_fraud_finding(f, 1)->score);
    sc_fraud_free(f);
    sc_load_deinit(&t);
}

static void the_same_input_gives_the_same_ranking(void **state)
{
    (void)state;
    struct sc_load_table t;
    synthetic_customers(&t, 40, 14, 48, 9);
    struct sc_fraud *a = analysed(&t), *b = analysed(&t);
    for (size_t r = 0; r < 40; r++) {
        assert_int_equal(sc_fraud_finding(a, r)->customer, sc_fraud_finding(b, r)->customer);
        assert_true(sc_fraud_finding(a, r)->score == sc_fraud_finding(b, r)->score);
    }
    sc_fraud_free(a);
    sc_fraud_free(b);
    sc_load_deinit(&t);
}

static void too_little_to_judge_is_said(void **state)
{
    (void)state;
    const struct {
        size_t customers, days;
    } cases[] = { { 1, 1 }, { 1, 3 }, { 5, 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sc_load_table t;
        synthetic_customers(&t, cases[i].customers, cases[i].days, 48, 1);
        struct sc_fraud *f = analysed(&t);
        for (size_t r = 0; r < cases[i].customers; r++) {
            assert_false(sc_fraud_finding(f, r)->judged);
            assert_true(sc_fraud_finding(f, r)->score == 0.0);
        }
        sc_fraud_free(f);
        sc_load_deinit(&t);
    }
}

static void one_customer_alone_is_judged_by_its_own_days(void **state)
{
    (void)state;
    struct sc_load_table t;
    synthetic_customers(&t, 1, 21, 48, 2);
    for (size_t d = 12; d < 21; d++)
        for (size_t s = 0; s < 48; s++)
            sc_load_curve(&t, 0, d)[s] *= 0.3f;
    struct sc_fraud *f = analysed(&t);
    assert_true(sc_fraud_finding(f, 0)->judged);
    assert_int_equal(sc_fraud_finding(f, 0)->change_day, 12);
    sc_fraud_free(f);
    sc_load_deinit(&t);
}

/* Zeros, gaps and constants everywhere: figures stay finite, those without data rank last. */
static void degenerate_curves_do_no_harm(void **state)
{
    (void)state;
    struct sc_load_table t;
    synthetic_customers(&t, 20, 14, 48, 4);
    for (size_t d = 0; d < 14; d++) {
        for (size_t s = 0; s < 48; s++) {
            sc_load_curve(&t, 0, d)[s] = 0.0f;                                  /* never anything */
            sc_load_curve(&t, 1, d)[s] = NAN;                                   /* never measured */
            sc_load_curve(&t, 2, d)[s] = 1.0f;                                  /* a lamp */
            sc_load_curve(&t, 3, d)[s] = d < 7 ? 1.0f : 0.0f;                   /* dead from the middle on */
            sc_load_curve(&t, 4, d)[s] = s % 2 == 0 ? NAN : 1.0f;               /* half of each day is missing */
            sc_load_curve(&t, 5, d)[s] = d % 2 == 0 ? NAN : (float)s;           /* each other day */
            sc_load_curve(&t, 6, d)[s] = 1e30f;
        }
    }
    struct sc_fraud *f = analysed(&t);
    for (size_t r = 0; r < 20; r++) {
        const struct sc_fraud_finding *v = sc_fraud_finding(f, r);
        assert_true(isfinite(v->score) && v->score >= 0.0);
        if (v->customer == 0 || v->customer == 1 || v->customer == 4)
            assert_false(v->judged);
        if (v->customer == 3)
            assert_int_equal(r, 0);
        if (!v->judged)
            assert_true(r >= 17);
        for (size_t i = 0; i < v->shown_count; i++) {
            float curve[48];
            sc_fraud_regular_curve(f, v, v->shown_day[i], curve);
            sc_fraud_group_curve(f, v, v->shown_day[i], curve);
            assert_true(v->shown_day[i] >= v->change_day && (i == 0 || v->shown_day[i] > v->shown_day[i - 1]));
        }
    }
    sc_fraud_free(f);
    for (size_t i = 0; i < 20 * 14 * 48; i++)
        t.kw[i] = 0.0f;
    f = analysed(&t); /* all zero: nobody to judge, no map */
    assert_null(sc_fraud_map(f));
    assert_false(sc_fraud_finding(f, 0)->judged);
    sc_fraud_free(f);
    t.customer_count = 0;
    struct sc_diag diag = { 0 };
    assert_int_equal(sc_fraud_analyse(&t, &(struct sc_fraud_options){ 0 }, &f, &diag), SC_E_USAGE);
    sc_load_deinit(&t);
}

static void daily_energy_alone_is_enough_for_the_level(void **state)
{
    (void)state;
    struct sc_load_table t;
    synthetic_customers(&t, 50, 26, 1, 5);
    for (size_t d = 13; d < 26; d++)
        *sc_load_curve(&t, 9, d) *= 0.3f;
    struct sc_fraud *f = analysed(&t);
    assert_int_equal(sc_fraud_finding(f, 0)->customer, 9);
    assert_true(isnan(sc_fraud_finding(f, 0)->feature[SC_FRAUD_BASE].statistic));
    assert_null(sc_fraud_map(f));
    sc_fraud_free(f);
    sc_load_deinit(&t);
}

static void readings_of_any_length_fill_the_slots(void **state)
{
    (void)state;
    struct sc_load_table t;
    size_t c;
    assert_int_equal(sc_load_init(&t, MONDAY_MS, 2, 24, 0), SC_OK);
    assert_int_equal(sc_load_add(&t, 1, "a", SC_CLASS_PUBLIC, &c), SC_OK);
    struct sc_load_gather g;
    assert_int_equal(sc_load_gather_init(&g, &t), SC_OK);
    for (int q = 0; q < 4; q++) /* quarter hours: 1, 2, 3, 4 kW from 0 h */
        sc_load_gather_add(&g, MONDAY_MS + q * 900000, 900, 1.0 + q);
    sc_load_gather_add(&g, MONDAY_MS + 3600000, 7200, 5.0);       /* two hours at once */
    sc_load_gather_add(&g, MONDAY_MS + 4 * 3600000, 900, 9.0);    /* a quarter alone is too little */
    sc_load_gather_add(&g, MONDAY_MS - 1800000, 3600, 7.0);       /* reaches in from the day before: adds to 0 h */
    sc_load_gather_add(&g, MONDAY_MS + 2 * SC_LOAD_DAY_MS, 3600, 7.0);
    sc_load_gather_add(&g, INT64_MIN, 3600, 7.0);
    sc_load_gather_add(&g, MONDAY_MS + 5 * 3600000, 3600, NAN);
    sc_load_gather_add(&g, MONDAY_MS + 6 * 3600000, 3600, -1.0);
    sc_load_gather_finish(&g, &t, c);
    const float *kw = sc_load_curve(&t, c, 0);
    assert_true(fabs((double)kw[0] - (2.5 * 3600 + 7.0 * 1800) / 5400.0) < 1e-6);
    assert_true(kw[1] == 5.0f && kw[2] == 5.0f);
    assert_true(isnan(kw[3]) && isnan(kw[4]) && isnan(kw[5]) && isnan(kw[6]));
    assert_true(isnan(sc_load_curve(&t, c, 1)[0]));
    sc_load_gather_deinit(&g);
    sc_load_deinit(&t);
}

static void the_table_keeps_to_its_memory(void **state)
{
    (void)state;
    struct sc_load_table t;
    size_t c;
    assert_int_equal(sc_load_init(&t, MONDAY_MS, 10, 48, 3 * 10 * 48 * sizeof(float)), SC_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sc_load_add(&t, i, "x", SC_CLASS_PUBLIC, &c), SC_OK);
    assert_int_equal(sc_load_add(&t, 3, "x", SC_CLASS_PUBLIC, &c), SC_E_LIMIT);
    assert_int_equal(t.customer_count, 3);
    sc_load_deinit(&t);
    assert_int_equal(sc_load_init(&t, MONDAY_MS, 0, 48, 0), SC_E_USAGE);
    assert_int_equal(sc_load_init(&t, MONDAY_MS, 401, 48, 0), SC_E_USAGE);
    assert_int_equal(sc_load_init(&t, MONDAY_MS, 1, 97, 0), SC_E_USAGE);
    assert_int_equal(sc_load_init(&t, MONDAY_MS, 1, 7, 0), SC_E_USAGE);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void medians_equal_those_of_sorting(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, 77);
    for (size_t n = 1; n < 120; n++) {
        double a[120], b[120];
        for (size_t i = 0; i < n; i++)
            a[i] = b[i] = (double)sc_prng_below(&p, n); /* with ties */
        qsort(b, n, sizeof *b, ascending);
        const double expected = n % 2 == 1 ? b[n / 2] : 0.5 * (b[n / 2 - 1] + b[n / 2]);
        assert_true(fraud_median(a, n) == expected);
    }
    assert_true(isnan(fraud_median(NULL, 0)));
}

static void correlation_is_that_of_pearson(void **state)
{
    (void)state;
    const double a[] = { 1, 2, 3, NAN, 5, 6 }, b[] = { 2, 4, 6, 8, 10, NAN }, c[] = { -1, -2, -3, -4, -5, -6 },
                 flat[] = { 1, 1, 1, 1, 1, 1 };
    assert_true(fabs(fraud_correlation(a, b, 6) - 1.0) < 1e-12);
    assert_true(fabs(fraud_correlation(a, c, 6) + 1.0) < 1e-12);
    assert_true(isnan(fraud_correlation(a, flat, 6)));
    assert_true(isnan(fraud_correlation(a, b, 3)));
}

static void a_weekend_is_not_a_change(void **state)
{
    (void)state;
    double y[14];
    uint8_t stratum[14];
    for (size_t d = 0; d < 14; d++) {
        stratum[d] = d % 7 < 5 ? 0 : d % 7 == 5 ? 1 : 2;
        y[d] = stratum[d] == 0 ? 1.0 : 0.0;
    }
    const struct fraud_change at_weekend = fraud_change_at(y, stratum, 0, 5, 14, 0.01);
    assert_true(fabs(at_weekend.drop) < 1e-12);
    const struct fraud_change weekend_only = fraud_change_at(y, stratum, 0, 5, 7, 0.01);
    assert_true(weekend_only.weight == 0.0); /* nothing to compare with */
    assert_true(isnan(fraud_change_statistic(&weekend_only, 0.1)));
    for (size_t d = 7; d < 14; d++)
        y[d] -= 1.0;
    const struct fraud_change real = fraud_change_at(y, stratum, 0, 7, 14, 0.01);
    assert_true(fabs(real.drop - 1.0) < 1e-12);
    assert_true(fabs(real.weight - (2.5 + 0.5 + 0.5)) < 1e-12);
}

static void area_under_the_curve_counts_ties_half(void **state)
{
    (void)state;
    const double score[] = { 1, 2, 3, 4 };
    const double tied[] = { 1, 1, 1, 1 };
    const bool upper[] = { false, false, true, true }, lower[] = { true, true, false, false }, nobody[4] = { 0 };
    double auc = -1.0;
    assert_int_equal(sc_ranking_auc(score, upper, 4, &auc), SC_OK);
    assert_true(auc == 1.0);
    assert_int_equal(sc_ranking_auc(score, lower, 4, &auc), SC_OK);
    assert_true(auc == 0.0);
    assert_int_equal(sc_ranking_auc(tied, lower, 4, &auc), SC_OK);
    assert_true(auc == 0.5);
    assert_int_equal(sc_ranking_auc(score, nobody, 4, &auc), SC_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thieves_rise_to_the_top_whatever_they_do),
        cmocka_unit_test(without_a_theft_nobody_in_particular_rises),
        cmocka_unit_test(one_thief_among_ten_within_a_week_comes_first),
        cmocka_unit_test(a_change_that_the_whole_group_shows_is_nobodys_theft),
        cmocka_unit_test(the_same_input_gives_the_same_ranking),
        cmocka_unit_test(too_little_to_judge_is_said),
        cmocka_unit_test(one_customer_alone_is_judged_by_its_own_days),
        cmocka_unit_test(degenerate_curves_do_no_harm),
        cmocka_unit_test(daily_energy_alone_is_enough_for_the_level),
        cmocka_unit_test(readings_of_any_length_fill_the_slots),
        cmocka_unit_test(the_table_keeps_to_its_memory),
        cmocka_unit_test(medians_equal_those_of_sorting),
        cmocka_unit_test(correlation_is_that_of_pearson),
        cmocka_unit_test(a_weekend_is_not_a_change),
        cmocka_unit_test(area_under_the_curve_counts_ties_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
