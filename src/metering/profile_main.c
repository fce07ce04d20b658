/* securecloud-profile: typical-day figures from measured data, for drawing synthetic customers. */
#include "metering/profile.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>

static const char usage[] =
    "usage: securecloud-profile derive FILE --out JSON [--source TEXT] [--annual-mwh N] [--first-day "
    "YYYY-MM-DD] [--days N]\n"
    "       securecloud-profile show JSON\n"
    "\n"
    "derive  measures the typical-day figures of FILE's customers: how consumption is distributed between "
    "them, the shape\n"
    "        of weekdays, Saturdays and Sundays, how much it varies.  Aggregates only; no customer's own "
    "values.\n"
    "show    prints the figures as a table.\n"
    "\n"
    "FILE is CSV, plain or gzip, told by its header:\n"
    "  meter,date,v00..v47               kWh per half hour: one kind, \"household\"\n"
    "  meter,date,v00..v95               mean W per MWh/a: one kind for each site\n"
    "  date,start,kwh,kvarh_lag,kvarh_lead,...  one site with reactive energy\n"
    "\n"
    "  --out JSON        the file to write (required)\n"
    "  --source TEXT     data set and licence, kept in the figures; default: the file's name\n"
    "  --annual-mwh N    yearly use of each site of a normalised file; default: typical of the site's kind\n"
    "  --first-day DAY   --days N    use a part of the file\n"
    "  --version         --help\n";

static int complain(const struct sc_diag *diag, sc_err err)
{
    fprintf(stderr, "securecloud-profile: %s\n", sc_diag_text(diag, err));
    return 1;
}

static int wrong_usage(const char *why)
{
    fprintf(stderr, "securecloud-profile: %s\n\n%s", why, usage);
    return 2;
}

struct arguments {
    const char *file, *out, *source;
    struct sc_dataset_options data;
};

static sc_err derive(const struct arguments *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_dataset_freep) struct sc_dataset *d = NULL;
    SC_CLEANUP(sc_profile_freep) struct sc_profile *p = NULL;
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_TRY(sc_dataset_load(a->file, &a->data, &d, diag));
    SC_TRY(sc_context(diag, sc_profile_derive(d, a->source != NULL ? a->source : a->file, &p, diag), "%s", a->file));
    SC_TRY(sc_profile_to_json(p, &doc));
    SC_TRY(sc_json_write(a->out, doc, diag));
    printf("%s: %zu kind%s of customer from %zu customers over %zu days\n", a->out, p->kind_count,
           p->kind_count == 1 ? "" : "s", sc_dataset_customer_count(d), sc_dataset_day_count(d));
    return SC_OK;
}

/* The slot with the largest share, as a clock time. */
static void peak_of(const struct sc_profile_kind *k, enum sc_day_type t, uint32_t interval_s, char text[static 8])
{
    const size_t slots = 86400 / interval_s;
    size_t best = 0;
    for (size_t s = 1; s < slots; s++)
        best = k->shape[t][s] > k->shape[t][best] ? s : best;
    const unsigned minute = (unsigned)(best * interval_s / 60);
    snprintf(text, 8, "%02u:%02u", minute / 60 % 24, minute % 60);
}

static sc_err show(const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_profile_freep) struct sc_profile *p = NULL;
    SC_TRY(sc_profile_read(path, &p, diag));
    printf("source:   %s\ninterval: %u s\n\n", p->source, p->interval_s);
    printf("%-16s %-11s %9s %28s %17s %20s %6s %6s %5s\n", "kind", "class", "customers", "kWh/day 10%  median  90%",
           "weekday/Sat/Sun", "peak at wd/Sat/Sun", "day sd", "corr", "zero");
    for (size_t i = 0; i < p->kind_count; i++) {
        const struct sc_profile_kind *k = &p->kind[i];
        char peak[SC_DAY_TYPE_COUNT][8];
        for (int t = 0; t < SC_DAY_TYPE_COUNT; t++)
            peak_of(k, (enum sc_day_type)t, p->interval_s, peak[t]);
        printf("%-16s %-11s %9u %12.2f %7.2f %7.2f %6.2f/%.2f/%.2f %8s/%s/%s %6.2f %6.2f %4.1f%%\n", k->name,
               sc_customer_class_name(k->customer_class), k->customers, k->level_wh[2] / 1000,
               k->level_wh[SC_PROFILE_QUANTILES / 2] / 1000, k->level_wh[SC_PROFILE_QUANTILES - 3] / 1000,
               k->day_factor[0], k->day_factor[1], k->day_factor[2], peak[0], peak[1], peak[2], k->day_spread,
               k->day_correlation[0], k->zero_share * 100);
    }
    return SC_OK;
}

static bool number_option(const char *text, double max, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out > 0 && *out <= max;
}

int main(int argc, char **argv)
{
    enum { OUT = 1, SOURCE, ANNUAL, FIRST_DAY, DAYS, HELP, VERSION };
    static const struct option options[] = {
        {"out", required_argument, NULL, OUT},           {"source", required_argument, NULL, SOURCE},
        {"annual-mwh", required_argument, NULL, ANNUAL}, {"first-day", required_argument, NULL, FIRST_DAY},
        {"days", required_argument, NULL, DAYS},         {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},         {0},
    };
    struct arguments a = {0};
    double number;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case OUT:
            a.out = optarg;
            break;
        case SOURCE:
            a.source = optarg;
            break;
        case ANNUAL:
            if (!number_option(optarg, 1e6, &a.data.annual_mwh))
                return wrong_usage("--annual-mwh: a number of MWh a year expected");
            break;
        case FIRST_DAY:
            a.data.first_day = optarg;
            break;
        case DAYS:
            if (!number_option(optarg, SC_DATASET_DAYS_MAX, &number) || number != floor(number))
                return wrong_usage("--days: a number of days expected");
            a.data.days = (size_t)number;
            break;
        case HELP:
            fputs(usage, stdout);
            return 0;
        case VERSION:
            puts("securecloud-profile " SC_VERSION);
            return 0;
        default:
            return wrong_usage("see the usage");
        }
    }
    struct sc_diag diag = {0};
    sc_err err;
    if (argc - optind != 2)
        return wrong_usage("a verb and a file expected");
    a.file = argv[optind + 1];
    if (strcmp(argv[optind], "derive") == 0) {
        if (a.out == NULL)
            return wrong_usage("derive: --out JSON expected");
        err = derive(&a, &diag);
    } else if (strcmp(argv[optind], "show") == 0) {
        err = show(a.file, &diag);
    } else {
        return wrong_usage("derive or show expected");
    }
    return err == SC_OK ? 0 : complain(&diag, err);
}
