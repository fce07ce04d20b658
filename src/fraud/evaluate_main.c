/* securecloud-fraud evaluate: thefts put into measured curves, or curves whose thieves are known. */
#include "fraud/commands.h"

#include "base/log.h"
#include "fraud/evaluate.h"
#include "fraud/labelled.h"
#include "metering/profile.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: securecloud-fraud evaluate --data FILE [options]\n"
    "\n"
    "How well does the ranking find thefts whose truth is known?\n"
    "FILE holds honest curves (the data files that securecloud-profile reads): thefts are put into them; or one day's\n"
    "energy per customer and day with a label (header customer,flag,dYYYYMMDD...): the labels are the truth.\n"
    "\n"
    "  --thefts N      thieves per round (default: a tenth of the customers, at least 1)\n"
    "  --seed S        of the first round; round r uses S + r (default 1)\n"
    "  --rounds R      (default 10)\n"
    "  --days D        length of the window, its place is drawn (default 28, or all there are)\n"
    "  --kind KIND     under-report, evening, zero-hours or any (default any)\n"
    "  --slots K       slots per day (default 48)\n"
    "  --customers N   only the first N (default all)\n";

struct options {
    const char *data;
    size_t thefts, rounds, days, slots, customers;
    enum sc_theft_sort sort;
    uint64_t seed;
};

static sc_err sort_parse(const char *text, enum sc_theft_sort *out)
{
    for (size_t i = 0; i < SC_THEFT_SORT_COUNT; i++) {
        if (strcmp(text, sc_theft_sort_names[i]) == 0) {
            *out = (enum sc_theft_sort)i;
            return SC_OK;
        }
    }
    *out = SC_THEFT_SORT_COUNT;
    return strcmp(text, "any") == 0 ? SC_OK : SC_E_USAGE;
}

static sc_err options_parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"data", 1, NULL, 'd'},   {"thefts", 1, NULL, 't'},    {"seed", 1, NULL, 's'},
                                          {"rounds", 1, NULL, 'r'}, {"days", 1, NULL, 'y'},      {"kind", 1, NULL, 'k'},
                                          {"slots", 1, NULL, 'l'},  {"customers", 1, NULL, 'c'}, {NULL, 0, NULL, 0}};
    *o = (struct options){.seed = 1, .rounds = 10, .slots = 48, .days = 28, .sort = SC_THEFT_SORT_COUNT};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        uint64_t n = 0;
        if (c != 'd' && c != 'k' && c != '?' && fraud_number_parse(optarg, &n) != SC_OK)
            return SC_E_USAGE;
        switch (c) {
        case 'd':
            o->data = optarg;
            break;
        case 't':
            o->thefts = (size_t)n;
            break;
        case 's':
            o->seed = n;
            break;
        case 'r':
            o->rounds = (size_t)n;
            break;
        case 'y':
            o->days = (size_t)n;
            break;
        case 'l':
            o->slots = (size_t)n;
            break;
        case 'c':
            o->customers = (size_t)n;
            break;
        case 'k':
            SC_TRY(sort_parse(optarg, &o->sort));
            break;
        default:
            return SC_E_USAGE;
        }
    }
    return o->data != NULL && optind == argc && o->rounds > 0 && o->days > 0 ? SC_OK : SC_E_USAGE;
}

/* ---- measured curves, thefts put in ---- */

static sc_err table_make(const struct sc_dataset *d, size_t first_day, size_t days, size_t slots,
                         struct sc_load_table *t, struct sc_diag *diag)
{
    const uint32_t interval_s = sc_dataset_interval_s(d);
    const size_t per_day = 86400 / interval_s;
    const int64_t first_ms = sc_dataset_first_ms(d) + (int64_t)first_day * SC_LOAD_DAY_MS;
    if (sc_load_init(t, first_ms, days, slots, 0) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "%zu days of %zu slots", days, slots);
    SC_CLEANUP(sc_load_gather_deinit) struct sc_load_gather g = {0};
    SC_TRY(sc_load_gather_init(&g, t));
    for (size_t c = 0; c < sc_dataset_customer_count(d); c++) {
        size_t index;
        SC_TRY(sc_load_add(t, (int64_t)c + 1, sc_dataset_customer_name(d, c), sc_dataset_customer_class(d, c), &index));
        for (size_t i = 0; i < days * per_day; i++) {
            const uint32_t wh = sc_dataset_wh(d, c, first_day * per_day + i);
            if (wh != SC_WH_MISSING)
                sc_load_gather_add(&g, first_ms + (int64_t)i * interval_s * 1000, interval_s,
                                   (double)wh * 3.6 / (double)interval_s);
        }
        sc_load_gather_finish(&g, t, index);
    }
    return SC_OK;
}

struct tally {
    double auc, mean_rank;
    size_t rounds, thieves, top10;
};

static void tally_add(struct tally *t, const struct sc_ranking_quality *q)
{
    if (isnan(q->auc))
        return;
    t->auc += q->auc;
    t->mean_rank += q->mean_rank;
    t->thieves += q->thieves;
    t->top10 += q->top10;
    t->rounds++;
}

static void tally_print(const char *what, const struct tally *t)
{
    if (t->rounds != 0)
        printf("%-13s AUC %.3f   mean rank %6.1f   top-10 hits %zu of %zu thieves in %zu rounds\n", what,
               t->auc / (double)t->rounds, t->mean_rank / (double)t->rounds, t->top10, t->thieves, t->rounds);
}

static sc_err round_run(const struct sc_dataset *d, const struct options *o, size_t days, uint64_t seed,
                        struct tally tally[SC_THEFT_SORT_COUNT + 1], struct sc_diag *diag)
{
    SC_CLEANUP(sc_load_deinit) struct sc_load_table t = {0};
    struct sc_prng prng;
    sc_prng_init_stream(&prng, seed, 7);
    const size_t first_day = (size_t)sc_prng_below(&prng, sc_dataset_day_count(d) - days + 1);
    SC_TRY(table_make(d, first_day, days, o->slots, &t, diag));
    SC_CLEANUP(sc_freep) struct sc_theft_truth *truth = calloc(t.customer_count, sizeof *truth);
    if (truth == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%zu customers", t.customer_count);
    const size_t tenth = t.customer_count / 10;
    sc_theft_inject(&t, o->thefts != 0 ? o->thefts : tenth != 0 ? tenth : 1, o->sort, seed, truth);
    SC_CLEANUP(sc_fraud_freep) struct sc_fraud *f = NULL;
    SC_TRY(sc_fraud_analyse(&t, &(struct sc_fraud_options){.seed = seed, .grid = SC_SOM_HEXAGONAL}, &f, diag));
    for (size_t s = 0; s <= SC_THEFT_SORT_COUNT; s++) {
        const struct sc_ranking_quality q = sc_ranking_judge(f, truth, (enum sc_theft_sort)s);
        tally_add(&tally[s], &q);
    }
    return SC_OK;
}

static sc_err injected_run(const struct options *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_dataset_freep) struct sc_dataset *d = NULL;
    const struct sc_dataset_options opt = {.customers_max = o->customers, .one_calendar = true};
    SC_TRY(sc_dataset_load(o->data, &opt, &d, diag));
    const size_t have = sc_dataset_day_count(d), days = o->days < have ? o->days : have;
    printf("%s: %zu customers, windows of %zu of %zu days, %zu slots, seeds %" PRIu64 "..%" PRIu64 "\n", o->data,
           sc_dataset_customer_count(d), days, have, o->slots, o->seed, o->seed + o->rounds - 1);
    struct tally tally[SC_THEFT_SORT_COUNT + 1] = {0};
    for (size_t r = 0; r < o->rounds; r++) {
        SC_TRY(sc_context(diag, round_run(d, o, days, o->seed + r, tally, diag), "round %zu", r));
        fraud_progress("evaluate", r + 1, o->rounds);
    }
    for (size_t s = 0; s < SC_THEFT_SORT_COUNT; s++)
        tally_print(sc_theft_sort_names[s], &tally[s]);
    tally_print("all", &tally[SC_THEFT_SORT_COUNT]);
    return SC_OK;
}

/* ---- labelled days ---- */

static sc_err labelled_run(const struct options *o, struct sc_diag *diag)
{
    SC_CLEANUP(sc_labelled_deinit) struct sc_labelled l = {0};
    SC_TRY(sc_labelled_load(o->data, o->customers, &l, diag));
    const size_t n = l.table.customer_count;
    SC_CLEANUP(sc_fraud_freep) struct sc_fraud *f = NULL;
    SC_TRY(sc_fraud_analyse(&l.table, &(struct sc_fraud_options){.seed = o->seed}, &f, diag));
    SC_CLEANUP(sc_freep) double *score = calloc(2 * n, sizeof *score);
    if (score == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%zu customers", n);
    double *mean = score + n;
    size_t judged = 0, thieves = 0, thieves_top = 0;
    for (size_t r = 0; r < n; r++) {
        const struct sc_fraud_finding *finding = sc_fraud_finding(f, r);
        score[finding->customer] = finding->judged ? finding->score : -1.0;
        mean[finding->customer] = finding->mean_kw;
        judged += finding->judged;
        thieves += l.thief[finding->customer];
        thieves_top += r < n / 10 && l.thief[finding->customer];
    }
    double auc, auc_mean;
    if (sc_ranking_auc(score, l.thief, n, &auc) != SC_OK || sc_ranking_auc(mean, l.thief, n, &auc_mean) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "%s: thieves and honest customers are both needed", o->data);
    printf("%s: %zu customers, %zu days, %zu labelled thieves, %zu judged\n", o->data, n, l.table.day_count, thieves,
           judged);
    printf("ranking       AUC %.3f   %.1f %% thieves in the first tenth\n", auc,
           100.0 * (double)thieves_top / fmax(1.0, (double)(n / 10)));
    printf("mean use      AUC %.3f\n", auc_mean);
    return SC_OK;
}

int fraud_evaluate_main(int argc, char **argv)
{
    struct options o;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (options_parse(argc, argv, &o) != SC_OK) {
        fputs(usage, stderr);
        return 2;
    }
    struct sc_diag diag = {0};
    bool labelled = false;
    sc_err err = sc_labelled_recognise(o.data, &labelled, &diag);
    if (err == SC_OK)
        err = labelled ? labelled_run(&o, &diag) : injected_run(&o, &diag);
    if (err != SC_OK) {
        sc_log(SC_LOG_ERROR, "%s", sc_diag_text(&diag, err));
        return 1;
    }
    return 0;
}
