#include "fraud/evaluate.h"
#include "fraud/labelled.h"
#include "fraud/output.h"
#include "base/file.h"
#include "fraud/synthetic.h"

#include <stdarg.h>
#include <setjmp.h>
#include <unistd.h>
#include <cmocka.h>

static const char *const hostile_names[] = {
    "<script>alert(1)</script>", "a,\"b\"\r\nc", "=HYPERLINK(\"http://x\")", "\xff\xfe broken", "",
};
#define HOSTILE_COUNT (sizeof hostile_names / sizeof *hostile_names)

static void hostile_customers(struct sc_load_table *t)
{
    synthetic_customers(t, 12, 14, 48, 1);
    for (size_t i = 0; i < HOSTILE_COUNT; i++)
        snprintf(t->customer[i].name, SC_LOAD_NAME_SIZE, "%s", hostile_names[i]);
    for (size_t s = 0; s < 48 * 14; s++)
        sc_load_curve(t, 11, 0)[s] = NAN;
    for (size_t s = 0; s < 48 * 7; s++)
        sc_load_curve(t, 2, 7)[s] *= 0.2f;
}

static void csv_text_is_quoted_and_never_a_formula(void **state)
{
    (void)state;
    const struct {
        const char *text, *expected;
    } cases[] = {
        { "plain", "\"plain\"" },        { "", "\"\"" },         { "a\"b", "\"a\"\"b\"" }, { "a,b\r\nc", "\"a,b\r\nc\"" },
        { "=1+1", "\"'=1+1\"" },         { "-x", "\"'-x\"" },    { "@x", "\"'@x\"" },      { "+x", "\"'+x\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
        sc_fraud_csv_text(&out, cases[i].text);
        assert_string_equal(sc_buf_cstr(&out), cases[i].expected);
    }
}

/* Counts records and fields as RFC 4180 reads them. */
static void csv_count(const char *text, size_t *records_out, size_t *fields_out)
{
    size_t records = 0, fields = 1, header = 0;
    bool quoted = false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (!quoted && *p == ',')
            fields++;
        else if (!quoted && *p == '\n') {
            assert_true(p[-1] == '\r');
            if (records++ == 0)
                header = fields;
            assert_int_equal(fields, header);
            fields = 1;
        }
    }
    assert_false(quoted);
    *records_out = records;
    *fields_out = header;
}

static void every_csv_record_has_the_headers_fields(void **state)
{
    (void)state;
    struct sc_load_table t;
    hostile_customers(&t);
    struct sc_fraud *f = NULL;
    assert_int_equal(sc_fraud_analyse(&t, &(struct sc_fraud_options){ .seed = 1 }, &f, NULL), SC_OK);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf csv = { 0 };
    sc_fraud_csv(f, &csv);
    size_t records, fields;
    csv_count(sc_buf_cstr(&csv), &records, &fields);
    assert_int_equal(records, 13);
    assert_int_equal(fields, 13 + SC_FRAUD_FEATURE_COUNT + 1);
    assert_non_null(strstr(sc_buf_cstr(&csv), "too little to judge: 0 days with data, 4 needed"));
    sc_fraud_free(f);
    sc_load_deinit(&t);
}

static void json_tells_all_customers_and_the_curves_of_the_first(void **state)
{
    (void)state;
    struct sc_load_table t;
    hostile_customers(&t);
    struct sc_fraud *f = NULL;
    assert_int_equal(sc_fraud_analyse(&t, &(struct sc_fraud_options){ .seed = 1 }, &f, NULL), SC_OK);
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    assert_int_equal(sc_fraud_json(f, 3, 1, &doc), SC_OK);
    SC_CLEANUP(sc_freep) char *text = json_dumps(doc, JSON_COMPACT);
    SC_CLEANUP(sc_json_freep) json_t *again = NULL;
    assert_int_equal(sc_json_parse(sc_slice_str(text), &again, NULL), SC_OK);
    const json_t *customers = json_object_get(again, "customers");
    assert_int_equal(json_array_size(customers), 12);
    const json_t *top = json_array_get(customers, 0);
    assert_int_equal(json_integer_value(json_object_get(top, "client_id")), 102);
    assert_string_equal(json_string_value(json_object_get(top, "grade")), "strong");
    assert_string_equal(json_string_value(json_object_get(top, "change_day")), "2017-11-13");
    const json_t *days = json_object_get(top, "suspicious_days");
    assert_int_equal(json_array_size(days), SC_FRAUD_DAYS_SHOWN);
    const char *const curves[] = { "curve_kw", "regular_kw", "group_kw" };
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(json_array_size(json_object_get(json_array_get(days, 0), curves[i])), 48);
    assert_null(json_object_get(json_array_get(customers, 5), "suspicious_days"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(customers, 11), "grade")), "unjudged");
    const json_t *map = json_object_get(again, "map");
    const json_int_t unit_count =
        json_integer_value(json_object_get(map, "columns")) * json_integer_value(json_object_get(map, "rows"));
    assert_int_equal(json_array_size(json_object_get(map, "units")), unit_count);
    json_int_t hits = 0;
    size_t i;
    const json_t *unit;
    json_array_foreach(json_object_get(map, "units"), i, unit)
        hits += json_integer_value(json_object_get(unit, "hits"));
    assert_int_equal(hits, 11 * 14);
    sc_fraud_free(f);
    sc_load_deinit(&t);
}

static void reasons_name_day_size_and_hours(void **state)
{
    (void)state;
    struct sc_load_table t;
    synthetic_customers(&t, 40, 21, 48, 2);
    for (size_t d = 10; d < 21; d++)
        for (size_t s = 36; s < 48; s++)
            sc_load_curve(&t, 6, d)[s] *= 0.1f;
    struct sc_fraud *f = NULL;
    assert_int_equal(sc_fraud_analyse(&t, &(struct sc_fraud_options){ .seed = 1 }, &f, NULL), SC_OK);
    assert_int_equal(sc_fraud_finding(f, 0)->customer, 6);
    SC_CLEANUP(sc_json_freep) json_t *reasons = sc_fraud_reasons(f, sc_fraud_finding(f, 0));
    SC_CLEANUP(sc_freep) char *text = json_dumps(reasons, 0);
    assert_non_null(strstr(text, "18 to 24 h fell by"));
    assert_non_null(strstr(text, "from 2017-11-16 on, use is"));
    sc_fraud_free(f);
    sc_load_deinit(&t);
}

static sc_err labelled_from(const char *text, struct sc_labelled *out)
{
    char path[] = "/tmp/sc-labelled-XXXXXX";
    SC_CLEANUP(sc_fd_closep) int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(sc_fd_write_all(fd, sc_slice_str(text), NULL), SC_OK);
    struct sc_diag diag = { 0 };
    const sc_err err = sc_labelled_load(path, 0, out, &diag);
    assert_true(err == SC_OK || diag.text[0] != '\0');
    unlink(path);
    return err;
}

static void labelled_files_are_read_exactly(void **state)
{
    (void)state;
    struct sc_labelled l;
    assert_int_equal(labelled_from("customer,flag,d20140101,d20140102\nA,1,24,\nB,0,0,48\n", &l), SC_OK);
    assert_int_equal(l.table.customer_count, 2);
    assert_true(l.thief[0] && !l.thief[1]);
    assert_true(*sc_load_curve(&l.table, 0, 0) == 1.0f && isnan(*sc_load_curve(&l.table, 0, 1)));
    assert_true(*sc_load_curve(&l.table, 1, 1) == 2.0f);
    sc_labelled_deinit(&l);
    const char *const wrong[] = {
        "", "customer,date\n", "customer,flag,d20140101,d20140103\n", "customer,flag,d2014010x\n",
        "customer,flag,d20140101\nA,2,1\n", "customer,flag,d20140101\nA,1,x\n", "customer,flag,d20140101\nA,1\n",
        "customer,flag,d20140101\nA,1,1,1\n", "customer,flag,d20140101\nA,1,-1\n", "customer,flag,d20140101\nA,1,inf\n",
        "customer,flag,d20140101\nA\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(labelled_from(wrong[i], &l), SC_E_MALFORMED);
}

/* Labelled thefts, in daily figures only: little can be seen, but more than by looking at who uses most. */
static void labelled_thieves_rank_above_mean_use(void **state)
{
    (void)state;
    const char *shared = getenv("SC_SHARED");
    char path[512]; /* skip() jumps past cleanups: nothing owned before it */
    snprintf(path, sizeof path, "%s/data/sgcc_jan2014_train.csv.gz", shared != NULL ? shared : "");
    if (shared == NULL || access(path, R_OK) != 0) {
        print_message("skipped: no labelled data under SC_SHARED\n");
        skip();
    }
    struct sc_labelled l;
    assert_int_equal(sc_labelled_load(path, 0, &l, NULL), SC_OK);
    const size_t n = l.table.customer_count;
    struct sc_fraud *f = NULL;
    assert_int_equal(sc_fraud_analyse(&l.table, &(struct sc_fraud_options){ .seed = 1 }, &f, NULL), SC_OK);
    SC_CLEANUP(sc_freep) double *score = calloc(2 * n, sizeof *score);
    for (size_t r = 0; r < n; r++) {
        const struct sc_fraud_finding *v = sc_fraud_finding(f, r);
        score[v->customer] = v->judged ? v->score : -1.0;
        score[n + v->customer] = v->mean_kw;
    }
    double ours, mean;
    assert_int_equal(sc_ranking_auc(score, l.thief, n, &ours), SC_OK);
    assert_int_equal(sc_ranking_auc(score + n, l.thief, n, &mean), SC_OK);
    print_message("AUC %.3f, mean use %.3f\n", ours, mean);
    assert_true(ours > mean);
    sc_fraud_free(f);
    sc_labelled_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_text_is_quoted_and_never_a_formula),
        cmocka_unit_test(every_csv_record_has_the_headers_fields),
        cmocka_unit_test(json_tells_all_customers_and_the_curves_of_the_first),
        cmocka_unit_test(reasons_name_day_size_and_hours),
        cmocka_unit_test(labelled_files_are_read_exactly),
        cmocka_unit_test(labelled_thieves_rank_above_mean_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
