/* Customers drawn from the figures that come with the source (data/profiles). */
#include "field/population.h"
#include "test.h"

#define DAYS      40u
#define CUSTOMERS 12u
#define THIEF     UINT64_C(5)

static struct sc_population *population(uint64_t seed, uint64_t thief)
{
    char path[4096];
    const char *root = getenv("SC_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/data/profiles/households.json", root != NULL ? root : ".");
    const struct sc_population_options opt = { .profile_path = path, .customers = CUSTOMERS, .days = DAYS,
                                               .first_day = "2026-03-01", .seed = seed, .thief = thief };
    struct sc_population *p = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_population_new(&opt, &p, &diag), &diag);
    return p;
}

static struct sc_population_stream *stream(const struct sc_population *p, size_t index)
{
    struct sc_population_stream *s = NULL;
    assert_ok(sc_population_stream_new(p, index, &s));
    return s;
}

static void the_same_options_make_the_same_customers(void **state)
{
    (void)state;
    SC_CLEANUP(sc_population_freep) struct sc_population *a = population(7, THIEF);
    SC_CLEANUP(sc_population_freep) struct sc_population *b = population(7, THIEF);
    assert_int_equal(sc_population_count(a), CUSTOMERS);
    assert_int_equal(sc_population_interval_count(a), DAYS * 86400 / sc_population_interval_s(a));
    assert_true(sc_population_first_ms(a) == INT64_C(1772323200000));
    for (size_t i = 0; i < CUSTOMERS; i++) {
        const struct sc_customer *x = sc_population_customer(a, i);
        const struct sc_customer *y = sc_population_customer(b, i);
        assert_true(x->client_id == y->client_id && x->meter == y->meter && x->customer_class == y->customer_class &&
                    x->modality == y->modality && x->peak_kw == y->peak_kw && x->contracted_kw == y->contracted_kw);
        assert_string_equal(x->name, y->name);
        assert_true(x->client_id == i + 1 && x->peak_kw > 0);
        struct sc_population_stream *s = stream(a, i);
        struct sc_population_stream *t = stream(b, i);
        for (size_t k = 0; k < sc_population_interval_count(a); k++) {
            struct sc_population_load u;
            struct sc_population_load v;
            sc_population_stream_next(s, &u);
            sc_population_stream_next(t, &v);
            assert_true(u.measured == v.measured && u.wh == v.wh);
        }
        sc_population_stream_free(s);
        sc_population_stream_free(t);
    }
}

static uint64_t total_wh(const struct sc_population *p, size_t index)
{
    struct sc_population_stream *s = stream(p, index);
    uint64_t sum = 0;
    for (size_t k = 0; k < sc_population_interval_count(p); k++) {
        struct sc_population_load load;
        sc_population_stream_next(s, &load);
        sum += load.wh;
    }
    sc_population_stream_free(s);
    return sum;
}

static void another_seed_makes_other_customers(void **state)
{
    (void)state;
    SC_CLEANUP(sc_population_freep) struct sc_population *a = population(7, 0);
    SC_CLEANUP(sc_population_freep) struct sc_population *b = population(8, 0);
    unsigned differ = 0;
    for (size_t i = 0; i < CUSTOMERS; i++)
        differ += total_wh(a, i) != total_wh(b, i);
    assert_true(differ >= CUSTOMERS - 1);
}

static void a_thief_is_metered_less_from_the_first_day_on_and_nobody_else(void **state)
{
    (void)state;
    SC_CLEANUP(sc_population_freep) struct sc_population *honest = population(7, 0);
    SC_CLEANUP(sc_population_freep) struct sc_population *stolen = population(7, THIEF);
    for (size_t i = 0; i < CUSTOMERS; i++) {
        const struct sc_theft *theft = sc_population_theft(stolen, i);
        assert_int_equal(theft->kind != SC_THEFT_NONE, i + 1 == THIEF);
        assert_int_equal(sc_population_theft(honest, i)->kind, SC_THEFT_NONE);
        struct sc_population_stream *s = stream(honest, i);
        struct sc_population_stream *t = stream(stolen, i);
        uint64_t drawn_after = 0;
        uint64_t metered_after = 0;
        for (size_t k = 0; k < sc_population_interval_count(honest); k++) {
            const int64_t at = sc_population_first_ms(honest) + (int64_t)k * sc_population_interval_s(honest) * 1000;
            struct sc_population_load u;
            struct sc_population_load v;
            sc_population_stream_next(s, &u);
            sc_population_stream_next(t, &v);
            if (i + 1 == THIEF && at >= theft->from_ms) {
                assert_true(v.wh <= u.wh);
                drawn_after += u.wh;
                metered_after += v.wh;
            } else {
                assert_true(v.wh == u.wh);
            }
        }
        if (i + 1 == THIEF) {
            assert_true(drawn_after > 0 && metered_after < drawn_after);
            if (theft->kind == SC_THEFT_BYPASS) /* 60..75 % pass by, always */
                assert_in_range(metered_after * 100 / drawn_after, 24, 41);
        }
        sc_population_stream_free(s);
        sc_population_stream_free(t);
    }
    /* contracts follow what is drawn, so they do not give the thief away */
    assert_true(sc_population_customer(honest, THIEF - 1)->peak_kw == sc_population_customer(stolen, THIEF - 1)->peak_kw);
}

static void options_survive_json(void **state)
{
    (void)state;
    const struct sc_population_options opt = { .profile_path = "p.json", .annual_mwh = 12.5, .customers = 30, .days = 60,
                                               .first_day = "2026-03-01", .seed = UINT64_C(1) << 40, .thief = 3 };
    SC_CLEANUP(sc_json_freep) json_t *obj = NULL;
    struct sc_population_options back;
    assert_ok(sc_population_options_to_json(&opt, &obj));
    assert_ok(sc_population_options_parse(obj, &back, NULL));
    assert_null(back.data_path);
    assert_string_equal(back.profile_path, "p.json");
    assert_string_equal(back.first_day, "2026-03-01");
    assert_true(back.annual_mwh == 12.5 && back.customers == 30 && back.days == 60 && back.seed == opt.seed && back.thief == 3);
    struct sc_diag diag = { 0 };
    json_object_set_new(obj, "days", json_integer(-1));
    assert_err(sc_population_options_parse(obj, &back, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "\"days\"");
    assert_err(sc_population_options_parse(NULL, &back, NULL), SC_E_MALFORMED);
}

static void incomplete_options_are_told(void **state)
{
    (void)state;
    struct sc_population *p = NULL;
    struct sc_diag diag = { 0 };
    const struct sc_population_options nothing = { 0 };
    assert_err(sc_population_new(&nothing, &p, &diag), SC_E_USAGE);
    assert_contains(diag.text, "drawn customers need");
    char path[4096];
    snprintf(path, sizeof path, "%s/data/profiles/households.json", getenv("SC_SOURCE_ROOT") != NULL ? getenv("SC_SOURCE_ROOT") : ".");
    struct sc_population_options opt = { .profile_path = path, .customers = 2, .days = 1, .first_day = "2026-03-01", .thief = 3 };
    diag = (struct sc_diag){ 0 };
    assert_err(sc_population_new(&opt, &p, &diag), SC_E_USAGE);
    assert_contains(diag.text, "no customer 3");
    opt.first_day = "2026-02-30";
    diag = (struct sc_diag){ 0 };
    assert_err(sc_population_new(&opt, &p, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "2026-02-30");
    opt.profile_path = "/nowhere.json";
    assert_err(sc_population_new(&opt, &p, NULL), SC_E_NOT_FOUND);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_options_make_the_same_customers),
        cmocka_unit_test(another_seed_makes_other_customers),
        cmocka_unit_test(a_thief_is_metered_less_from_the_first_day_on_and_nobody_else),
        cmocka_unit_test(options_survive_json),
        cmocka_unit_test(incomplete_options_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
