#include "test_metering.h"

#include "metering/profile.h"

#include <math.h>
#include <zlib.h>

#define DAY_MS INT64_C(86400000)

static struct sc_dataset *parsed(const char *csv, const struct sc_dataset_options *opt)
{
    struct sc_dataset *d = NULL;
    struct sc_diag diag = {0};
    if (sc_dataset_parse(sc_slice_str(csv), "test.csv", opt, &d, &diag) != SC_OK)
        fail_msg("%s", diag.text);
    return d;
}

/* "meter,date,v00..", and rows whose cells all hold `cell`. */
static void header(struct sc_buf *b, unsigned slots)
{
    sc_buf_put_str(b, "meter,date");
    for (unsigned i = 0; i < slots; i++)
        sc_buf_put_fmt(b, ",v%02u", i);
    sc_buf_put_str(b, "\n");
}

static void row(struct sc_buf *b, const char *meter, const char *date, unsigned slots, const char *cell)
{
    sc_buf_put_fmt(b, "%s,%s", meter, date);
    for (unsigned i = 0; i < slots; i++)
        sc_buf_put_fmt(b, ",%s", cell);
    sc_buf_put_str(b, "\n");
}

static struct sc_buf small(void)
{
    struct sc_buf b = {0};
    header(&b, 48);
    row(&b, "A1", "2024-02-28", 48, "0.1003");
    row(&b, "B2", "2024-03-01", 48, "1");
    row(&b, "A1", "2024-03-01", 48, "");
    return b;
}

static void meters_of_other_years_are_moved_beside_the_first_by_whole_weeks(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = {0};
    header(&b, 48);
    row(&b, "A", "2018-01-01", 48, "1");  /* a Monday */
    row(&b, "A", "2018-01-20", 48, "1");
    row(&b, "B", "2014-01-01", 48, "2");  /* a Wednesday, years before */
    row(&b, "C", "2019-03-07", 48, "3");  /* a Thursday, a year after */
    row(&b, "D", "2018-01-15", 48, "4");  /* overlaps the first: stays */
    struct sc_dataset *d = parsed(sc_buf_cstr(&b), &(struct sc_dataset_options){.one_calendar = true});
    assert_int_equal(sc_dataset_day_count(d), 20);
    assert_int_equal(sc_dataset_wh(d, 1, 2 * 48), 2000); /* Wednesday 2018-01-03 */
    assert_int_equal(sc_dataset_wh(d, 2, 3 * 48), 3000); /* Thursday 2018-01-04 */
    assert_int_equal(sc_dataset_wh(d, 3, 14 * 48), 4000);
    sc_dataset_free(d);
}

static void rows_in_any_order_become_contiguous_intervals(void **state)
{
    (void)state;
    struct sc_buf b = small();
    struct sc_dataset *d = parsed(sc_buf_cstr(&b), NULL);
    assert_int_equal(sc_dataset_customer_count(d), 2);
    assert_int_equal(sc_dataset_day_count(d), 3); /* the 29th is there, unmeasured */
    assert_int_equal(sc_dataset_interval_s(d), 1800);
    assert_int_equal(sc_dataset_interval_count(d), 144);
    char when[SC_TIME_TEXT_SIZE];
    assert_string_equal(sc_time_text(sc_dataset_first_ms(d), when), "2024-02-28T00:00:00Z");
    assert_string_equal(sc_dataset_customer_name(d, 0), "A1");
    uint64_t sum = 0;
    for (unsigned i = 0; i < 48; i++) {
        const uint32_t wh = sc_dataset_wh(d, 0, i);
        assert_true(wh == 100 || wh == 101);
        sum += wh;
    }
    assert_int_equal(sum, 4814); /* 48 * 100.3 = 4814.4: the fraction is carried, not dropped 48 times */
    assert_true(sc_dataset_wh(d, 0, 48) == SC_WH_MISSING && sc_dataset_wh(d, 0, 143) == SC_WH_MISSING);
    assert_int_equal(sc_dataset_wh(d, 1, 96), 1000);
    assert_near(sc_dataset_peak_kw(d, 1), 2.0, 1e-9);
    sc_dataset_free(d);
    sc_buf_deinit(&b);
}

static void refused(const char *csv, sc_err code, const char *where)
{
    struct sc_dataset *d = NULL;
    struct sc_diag diag = {0};
    assert_int_equal(sc_dataset_parse(sc_slice_str(csv), "x.csv", NULL, &d, &diag), code);
    if (strncmp(diag.text, where, strlen(where)) != 0)
        fail_msg("\"%s\" should begin with \"%s\"", diag.text, where);
}

static void a_bad_cell_is_named_by_line_and_column(void **state)
{
    (void)state;
    struct sc_buf b = {0};
    static const struct {
        const char *cell, *where;
    } bad[] = {
        {"-1", "x.csv:2:15: negative"},       {"1e3", "x.csv:2:16: not a number"},
        {"1..2", "x.csv:2:17: not a number"}, {".5", "x.csv:2:15: not a number"},
        {"5.", "x.csv:2:15: not a number"},   {" 1", "x.csv:2:15: not a number"},
        {"nan", "x.csv:2:15: not a number"},  {"123456789012345678", "x.csv:2:15: number too long"},
        {"5000000", "x.csv:2:15: energy"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sc_buf_reset(&b);
        header(&b, 48);
        row(&b, "A1", "2024-02-28", 48, bad[i].cell);
        refused(sc_buf_cstr(&b), SC_E_MALFORMED, bad[i].where);
    }
    sc_buf_reset(&b);
    header(&b, 48);
    row(&b, "A1", "2024-02-30", 48, "1");
    refused(sc_buf_cstr(&b), SC_E_MALFORMED, "x.csv:2:4: not a date");
    sc_buf_reset(&b);
    header(&b, 48);
    row(&b, "A1", "2024-02-28", 49, "1");
    refused(sc_buf_cstr(&b), SC_E_MALFORMED, "x.csv:2:111: too many fields");
    sc_buf_reset(&b);
    header(&b, 48);
    row(&b, "A1", "2024-02-28", 47, "1");
    refused(sc_buf_cstr(&b), SC_E_MALFORMED, "x.csv:2:108: row ends early");
    sc_buf_reset(&b);
    header(&b, 48);
    row(&b, "A1", "2024-02-28", 48, "1");
    row(&b, "A1", "2024-02-28", 48, "2");
    refused(sc_buf_cstr(&b), SC_E_MALFORMED, "x.csv:3:1: the same meter and day as line 2");
    refused("what,is,this\n", SC_E_MALFORMED, "x.csv:1:1: unknown header");
    refused("", SC_E_MALFORMED, "x.csv: no data");
    sc_buf_deinit(&b);
}

/* Cut anywhere but between rows, a file is refused: a lost tail never passes for a short file. */
static void every_truncation_inside_a_row_is_refused(void **state)
{
    (void)state;
    struct sc_buf b = small();
    for (size_t n = 0; n < b.size; n++) {
        struct sc_dataset *d = NULL;
        struct sc_diag diag = {0};
        const bool between = n > 0 && b.ptr[n - 1] == '\n';
        const sc_err err = sc_dataset_parse(sc_slice_of(b.ptr, n), "x.csv", NULL, &d, &diag);
        if (!between)
            assert_int_equal(err, SC_E_MALFORMED);
        sc_dataset_free(d);
    }
    sc_buf_deinit(&b);
}

static void write_file(const char *path, struct sc_slice s)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(s.ptr, 1, s.size, f), s.size);
    assert_int_equal(fclose(f), 0);
}

static void a_truncated_or_damaged_gzip_file_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/securecloud-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct sc_buf b = small();
    gzFile z = gzdopen(fd, "wb");
    assert_int_equal(gzwrite(z, b.ptr, (unsigned)b.size), b.size);
    gzclose(z);
    struct sc_dataset *d = NULL;
    assert_ok(sc_dataset_load(path, NULL, &d, NULL));
    assert_int_equal(sc_dataset_customer_count(d), 2);
    sc_dataset_free(SC_TAKE(d));

    uint8_t packed[4096];
    FILE *f = fopen(path, "rb");
    const size_t size = fread(packed, 1, sizeof packed, f);
    fclose(f);
    for (size_t n = 3; n < size; n++) {
        struct sc_diag diag = {0};
        write_file(path, sc_slice_of(packed, n));
        assert_int_equal(sc_dataset_load(path, NULL, &d, &diag), SC_E_MALFORMED);
        assert_non_null(strstr(diag.text, "end early"));
    }
    packed[size / 2] ^= 1;
    write_file(path, sc_slice_of(packed, size));
    assert_int_equal(sc_dataset_load(path, NULL, &d, NULL), SC_E_MALFORMED);
    unlink(path);
    assert_int_equal(sc_dataset_load(path, NULL, &d, NULL), SC_E_NOT_FOUND);
    sc_buf_deinit(&b);
}

static void the_window_is_the_one_most_customers_cover_from_a_month_start(void **state)
{
    (void)state;
    struct sc_buf b = {0};
    char date[16];
    header(&b, 48);
    for (int day = 20; day < 60;
         day++) { /* 20 January to 28 February; P from the start, Q from 30 January, R only January */
        struct sc_civil c;
        sc_civil_from_ms(INT64_C(1704067200000) + (day - 1) * DAY_MS, &c);
        snprintf(date, sizeof date, "%04d-%02d-%02d", c.year, c.month, c.day);
        row(&b, "P", date, 48, "1");
        if (day >= 30)
            row(&b, "Q", date, 48, "1");
        if (day <= 31)
            row(&b, "R", date, 48, "1");
    }
    char when[SC_TIME_TEXT_SIZE];
    struct sc_dataset *d = parsed(sc_buf_cstr(&b), &(struct sc_dataset_options){.days = 20});
    assert_string_equal(sc_time_text(sc_dataset_first_ms(d), when), "2024-02-01T00:00:00Z");
    assert_int_equal(sc_dataset_customer_count(d), 2);
    assert_int_equal(sc_dataset_day_count(d), 20);
    sc_dataset_free(d);
    d = parsed(sc_buf_cstr(&b), &(struct sc_dataset_options){.days = 5, .first_day = "2024-01-21"});
    assert_int_equal(sc_dataset_customer_count(d), 2); /* P and R */
    assert_string_equal(sc_dataset_customer_name(d, 1), "R");
    sc_dataset_free(d);
    d = parsed(sc_buf_cstr(&b), &(struct sc_dataset_options){.customers_max = 1});
    assert_int_equal(sc_dataset_customer_count(d), 1);
    assert_int_equal(sc_dataset_day_count(d), 40);
    sc_dataset_free(d);
    struct sc_diag diag = {0};
    assert_int_equal(
        sc_dataset_parse(sc_buf_slice(&b), "x", &(struct sc_dataset_options){.days = 41}, &d, &diag),
        SC_E_USAGE);
    assert_int_equal(sc_dataset_parse(sc_buf_slice(&b), "x",
                                      &(struct sc_dataset_options){.first_day = "2023-01-01"}, &d, &diag),
                     SC_E_USAGE);
    assert_int_equal(
        sc_dataset_parse(sc_buf_slice(&b), "x", &(struct sc_dataset_options){.first_day = "soon"}, &d, &diag),
        SC_E_USAGE);
    sc_buf_deinit(&b);
}

/* ---- the real files ---- */
static size_t customer_named(const struct sc_dataset *d, const char *name)
{
    for (size_t i = 0; i < sc_dataset_customer_count(d); i++) {
        if (strcmp(sc_dataset_customer_name(d, i), name) == 0)
            return i;
    }
    fail_msg("no customer %s", name);
    return 0;
}

static void the_household_files_give_the_known_sums(void **state)
{
    (void)state;
    const char *path = shared_path("data/edrp_halfhour_train.csv.gz");
    if (path == NULL)
        skip();
    struct sc_dataset *d = NULL;
    assert_ok(sc_dataset_load(path, &(struct sc_dataset_options){.days = 31}, &d, NULL));
    char when[SC_TIME_TEXT_SIZE];
    assert_string_equal(sc_time_text(sc_dataset_first_ms(d), when), "2009-03-01T00:00:00Z");
    assert_int_equal(sc_dataset_customer_count(d), 311);
    static const struct {
        const char *name;
        uint64_t wh; /* March 2009, tariffs-br.md, E10 */
    } known[] = {{"E0001", 240207}, {"E0004", 169447}, {"E0006", 233950}};
    for (size_t k = 0; k < 3; k++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < sc_dataset_interval_count(d); i++)
            sum += sc_dataset_wh(d, customer_named(d, known[k].name), i);
        assert_int_equal(sum, known[k].wh);
    }
    assert_int_equal(sc_dataset_wh(d, customer_named(d, "E0001"), 15), 776);
    assert_int_equal(sc_dataset_customer_class(d, 0), SC_CLASS_RESIDENTIAL);
    sc_dataset_free(d);
}

static void the_site_files_scale_and_carry_reactive_energy(void **state)
{
    (void)state;
    struct sc_dataset *d = NULL;
    const char *path = shared_path("data/large_15min_train.csv.gz");
    if (path == NULL)
        skip();
    assert_ok(sc_dataset_load(
        path, &(struct sc_dataset_options){.annual_mwh = 500, .days = 30, .first_day = "2018-01-01"}, &d,
        NULL));
    assert_int_equal(sc_dataset_customer_count(d),
                     1); /* the sites' years differ; in January 2018 there is the metal works */
    assert_int_equal(sc_dataset_customer_class(d, 0), SC_CLASS_INDUSTRIAL);
    assert_int_equal(sc_dataset_wh(d, 0, 0), 3923); /* 31.387 W per MWh/a * 500 MWh/a * 0.25 h */
    sc_dataset_free(SC_TAKE(d));
    path = shared_path("data/steel_15min_train.csv.gz");
    assert_ok(sc_dataset_load(path, NULL, &d, NULL));
    assert_true(sc_dataset_has_reactive(d));
    assert_int_equal(sc_dataset_day_count(d), 273);
    assert_int_equal(sc_dataset_wh(d, 0, 0), 3170);
    assert_int_equal(sc_dataset_inductive_varh(d, 0, 0), 2950);
    assert_int_equal(sc_dataset_capacitive_varh(d, 0, 0), 0);
    sc_dataset_free(d);
}

/* ---- figures ---- */
static struct sc_profile *synthetic_profile(void)
{
    struct sc_profile *p = calloc(1, sizeof *p);
    struct sc_profile_kind *k = &p->kind[0];
    snprintf(p->source, sizeof p->source, "made up for a test");
    p->interval_s = 1800;
    p->kind_count = 1;
    *k = (struct sc_profile_kind){.name = "household",
                                  .customer_class = SC_CLASS_RESIDENTIAL,
                                  .customers = 100,
                                  .day_factor = {0.96, 1.08, 1.12},
                                  .customer_spread = 0.3,
                                  .day_spread = 0.25,
                                  .day_correlation = {0.5, 0.5, 0.5},
                                  .slot_correlation = 0.4,
                                  .zero_share = 0.01};
    for (unsigned q = 0; q < SC_PROFILE_QUANTILES; q++)
        k->level_wh[q] = 4000 + 800 * q;
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++) {
        double sum = 0;
        for (unsigned s = 0; s < 48; s++)
            sum += k->shape[t][s] = 1 + (s >= 36 && s < 44 ? 2 : 0) + (t != 0 && s > 20 && s < 30 ? 1 : 0);
        for (unsigned s = 0; s < 48; s++) {
            k->shape[t][s] /= sum;
            k->spread[t][s] = 0.4;
        }
    }
    return p;
}

static void figures_come_back_from_what_was_drawn_from_them(void **state)
{
    (void)state;
    struct sc_profile *p = synthetic_profile();
    struct sc_profile *back = NULL;
    struct sc_dataset *d = NULL;
    struct sc_buf csv = {0};
    header(&csv, 48);
    for (unsigned c = 0; c < 250; c++) {
        struct sc_profile_draw *draw = NULL;
        const int64_t first = INT64_C(1704067200000);
        const struct sc_profile_draw_options opt = {.seed = 99, .customer = c, .first_day_ms = first};
        assert_ok(sc_profile_draw_new(p, &opt, &draw));
        for (unsigned day = 0; day < 70; day++) {
            struct sc_civil date;
            sc_civil_from_ms(first + day * DAY_MS, &date);
            sc_buf_put_fmt(&csv, "C%u,%04d-%02d-%02d", c, date.year, date.month, date.day);
            for (unsigned s = 0; s < 48; s++) {
                const uint32_t wh = sc_profile_draw_next(draw);
                sc_buf_put_fmt(&csv, ",%u.%03u", wh / 1000, wh % 1000);
            }
            sc_buf_put_str(&csv, "\n");
        }
        sc_profile_draw_free(draw);
    }
    assert_ok(sc_dataset_parse(sc_buf_slice(&csv), "drawn", NULL, &d, NULL));
    assert_ok(sc_profile_derive(d, "drawn", &back, NULL));
    const struct sc_profile_kind *a = &p->kind[0];
    const struct sc_profile_kind *b = &back->kind[0];
    assert_int_equal(b->customers, 250);
    assert_near(b->level_wh[10], a->level_wh[10], 0.08 * a->level_wh[10]);
    assert_near(b->level_wh[4], a->level_wh[4], 0.10 * a->level_wh[4]);
    assert_near(b->level_wh[16], a->level_wh[16], 0.08 * a->level_wh[16]);
    double worst = 0;
    double spread = 0;
    for (int t = 0; t < SC_DAY_TYPE_COUNT; t++) {
        assert_near(b->day_factor[t], a->day_factor[t], 0.03);
        assert_near(b->day_correlation[t], a->day_correlation[t], 0.10);
        for (unsigned s = 0; s < 48; s++) {
            worst = fmax(worst, fabs(b->shape[t][s] / a->shape[t][s] - 1));
            spread += b->spread[t][s] / (48 * SC_DAY_TYPE_COUNT);
        }
    }
    if (worst > 0.15)
        fail_msg("shape: %.3f off", worst);
    assert_near(spread, 0.4, 0.06);
    assert_near(b->day_spread, a->day_spread, 0.04);
    assert_near(b->customer_spread, a->customer_spread, 0.08);
    assert_near(b->slot_correlation, a->slot_correlation, 0.10);
    assert_near(b->zero_share, a->zero_share, 0.003);
    sc_profile_free(p);
    sc_profile_free(back);
    sc_dataset_free(d);
    sc_buf_deinit(&csv);
}

static void figures_survive_json(void **state)
{
    (void)state;
    struct sc_profile *p = synthetic_profile();
    struct sc_profile *back = NULL;
    json_t *doc = NULL;
    struct sc_diag diag = {0};
    assert_ok(sc_profile_to_json(p, &doc));
    assert_ok(sc_profile_from_json(doc, &back, &diag));
    assert_string_equal(back->source, p->source);
    assert_near(back->kind[0].shape[2][40], p->kind[0].shape[2][40], 1e-6);
    assert_near(back->kind[0].level_wh[20], p->kind[0].level_wh[20], 0.1);
    json_t *kind = json_array_get(json_object_get(doc, "kinds"), 0);
    json_array_set_new(json_object_get(json_object_get(kind, "shape"), "sunday"), 3, json_real(0.9));
    sc_profile_free(SC_TAKE(back));
    assert_int_equal(sc_profile_from_json(doc, &back, &diag), SC_E_MALFORMED);
    assert_non_null(strstr(diag.text, "kinds[0]: shape of sunday"));
    json_decref(doc);
    sc_profile_free(p);
}

static void the_shipped_figures_load_and_draw(void **state)
{
    (void)state;
    static const char *const names[] = {"households", "sites"};
    const char *root = getenv("SC_SOURCE_ROOT");
    if (root == NULL)
        skip();
    for (unsigned n = 0; n < 2; n++) {
        char path[4096];
        struct sc_profile *p = NULL;
        struct sc_diag diag = {0};
        snprintf(path, sizeof path, "%s/data/profiles/%s.json", root, names[n]);
        if (sc_profile_read(path, &p, &diag) != SC_OK)
            fail_msg("%s", diag.text);
        assert_non_null(strstr(p->source, n == 0 ? "MIT" : "CC BY"));
        for (size_t k = 0; k < p->kind_count; k++) {
            struct sc_profile_draw *d = NULL;
            const struct sc_profile_draw_options opt = {
                .kind = k, .seed = 1, .customer = 5, .mean_wh_per_day = 100000};
            assert_ok(sc_profile_draw_new(p, &opt, &d));
            double sum = 0;
            for (unsigned i = 0; i < 364 * 86400 / p->interval_s; i++)
                sum += sc_profile_draw_next(d);
            assert_near(sum / 364, 100000, 25000); /* a school's good and bad weeks last long */
            sc_profile_draw_free(d);
        }
        sc_profile_free(p);
    }
}

static void a_customers_series_does_not_depend_on_the_others(void **state)
{
    (void)state;
    struct sc_profile *p = synthetic_profile();
    struct sc_profile_draw *a = NULL;
    struct sc_profile_draw *b = NULL;
    struct sc_profile_draw *other = NULL;
    struct sc_profile_draw_options opt = {.seed = 4, .customer = 7};
    assert_ok(sc_profile_draw_new(p, &opt, &a));
    assert_ok(sc_profile_draw_new(p, &opt, &b));
    opt.customer = 8;
    assert_ok(sc_profile_draw_new(p, &opt, &other));
    unsigned differ = 0;
    for (unsigned i = 0; i < 480; i++) {
        const uint32_t wh = sc_profile_draw_next(a);
        assert_int_equal(sc_profile_draw_next(b), wh);
        differ += sc_profile_draw_next(other) != wh;
    }
    assert_true(differ > 400);
    opt.kind = 1;
    struct sc_profile_draw *none = NULL;
    assert_int_equal(sc_profile_draw_new(p, &opt, &none), SC_E_USAGE);
    sc_profile_draw_free(a);
    sc_profile_draw_free(b);
    sc_profile_draw_free(other);
    sc_profile_free(p);
}

static void theft_begins_on_its_day_and_takes_its_share(void **state)
{
    (void)state;
    const int64_t first = INT64_C(1704067200000);
    unsigned evening = 0;
    for (uint64_t c = 0; c < 200; c++) {
        struct sc_theft t;
        struct sc_theft again;
        sc_theft_draw(1, c, first, first + 60 * DAY_MS, &t);
        sc_theft_draw(1, c, first, first + 60 * DAY_MS, &again);
        assert_true(t.kind == again.kind && t.from_ms == again.from_ms);
        assert_true(t.from_ms >= first + 15 * DAY_MS && t.from_ms < first + 30 * DAY_MS &&
                    (t.from_ms - first) % DAY_MS == 0);
        assert_true(t.fraction >= 0.60 && t.fraction <= 0.75);
        evening += t.kind == SC_THEFT_BYPASS_EVENING;
        assert_int_equal(sc_theft_metered_wh(&t, t.from_ms - 1, 1000), 1000);
        const uint64_t seen = sc_theft_metered_wh(&t, t.from_ms + 18 * 3600000, 1000);
        assert_true(seen >= 250 && seen <= 400);
        assert_int_equal(sc_theft_metered_wh(&t, t.from_ms + 23 * 3600000, 1000),
                         t.kind == SC_THEFT_BYPASS ? seen : 1000);
        assert_int_equal(sc_theft_metered_wh(&t, t.from_ms + 18 * 3600000, 0), 0);
    }
    assert_true(evening > 20 && evening < 90);
    assert_int_equal(sc_theft_metered_wh(&(struct sc_theft){SC_THEFT_NONE, 0, 0.7}, first, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_any_order_become_contiguous_intervals),
        cmocka_unit_test(a_bad_cell_is_named_by_line_and_column),
        cmocka_unit_test(every_truncation_inside_a_row_is_refused),
        cmocka_unit_test(a_truncated_or_damaged_gzip_file_is_refused),
        cmocka_unit_test(the_window_is_the_one_most_customers_cover_from_a_month_start),
        cmocka_unit_test(the_household_files_give_the_known_sums),
        cmocka_unit_test(the_site_files_scale_and_carry_reactive_energy),
        cmocka_unit_test(figures_come_back_from_what_was_drawn_from_them),
        cmocka_unit_test(figures_survive_json),
        cmocka_unit_test(meters_of_other_years_are_moved_beside_the_first_by_whole_weeks),
        cmocka_unit_test(the_shipped_figures_load_and_draw),
        cmocka_unit_test(a_customers_series_does_not_depend_on_the_others),
        cmocka_unit_test(theft_begins_on_its_day_and_takes_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
