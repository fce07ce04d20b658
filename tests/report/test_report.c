#include "report/report.h"
#include "sample.h"

#include <ctype.h>
#include <stdarg.h>
#include <setjmp.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    char dir[32];
};

static int setup(void **state)
{
    static struct fixture f;
    snprintf(f.dir, sizeof f.dir, "/tmp/sc-report-XXXXXX");
    *state = &f;
    return mkdtemp(f.dir) == NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    return sc_dir_remove(f->dir, NULL) != SC_OK;
}

static void page_read(const struct fixture *f, const char *name, struct sc_buf *out)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(f->dir, name);
    assert_int_equal(sc_file_read(path, (size_t)64 << 20, out, NULL), SC_OK);
}

static sc_err report(const struct fixture *f, struct sc_diag *diag)
{
    size_t customers = 0;
    *diag = (struct sc_diag){ 0 };
    return sc_report_write(f->dir, NULL, &customers, diag);
}

static void put_text(const struct fixture *f, const char *name, const char *text)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(f->dir, name);
    assert_int_equal(sc_file_write(path, sc_slice_str(text), 0644, NULL), SC_OK);
}

/* ---- a strict reader of the XML that we write: tags balance, attributes are quoted, no stray < or & ---- */

#define DEPTH_MAX 64

static const char *reference_skip(const char *p)
{
    static const char *const known[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(p, known[i], strlen(known[i])) == 0)
            return p + strlen(known[i]);
    fail_msg("stray & at: %.40s", p);
    return NULL;
}

static const char *name_read(const char *p, char name[static 32])
{
    size_t n = 0;
    while (isalnum((unsigned char)*p) || *p == '-' || *p == ':') {
        assert_true(n < 31);
        name[n++] = *p++;
    }
    assert_true(n > 0);
    name[n] = '\0';
    return p;
}

/* Behind the tag; *closed_out for <x/>. */
static const char *attributes_skip(const char *p, bool *closed_out)
{
    char name[32];
    for (;;) {
        const char *before = p;
        while (isspace((unsigned char)*p))
            p++;
        *closed_out = *p == '/';
        if (*p == '/')
            p++;
        if (*p == '>')
            return p + 1;
        assert_true(p > before && !*closed_out);
        p = name_read(p, name);
        assert_true(p[0] == '=' && p[1] == '"');
        for (p += 2; *p != '"';) {
            assert_true(*p != '\0' && *p != '<');
            p = *p == '&' ? reference_skip(p) : p + 1;
        }
        p++;
    }
}

static size_t tags_check(const char *p)
{
    char open[DEPTH_MAX][32], name[32];
    size_t depth = 0, elements = 0;
    assert_int_equal(strncmp(p, "<!DOCTYPE html>\n", 16), 0);
    for (p += 16; *p != '\0';) {
        if (*p == '&') {
            p = reference_skip(p);
        } else if (*p != '<') {
            assert_true(*p != '>' || depth > 0);
            p++;
        } else if (p[1] == '/') {
            p = name_read(p + 2, name);
            assert_true(*p == '>' && depth > 0);
            assert_string_equal(open[--depth], name);
            p++;
        } else {
            bool closed;
            p = name_read(p + 1, name);
            p = attributes_skip(p, &closed);
            elements++;
            if (!closed) {
                assert_true(depth < DEPTH_MAX);
                memcpy(open[depth++], name, sizeof name);
            }
        }
    }
    assert_int_equal(depth, 0);
    return elements;
}

static void every_page_is_well_formed(void **state)
{
    const struct fixture *f = *state;
    struct sc_diag diag;
    sample_write(f->dir, "A run", NULL);
    assert_int_equal(report(f, &diag), SC_OK);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf page = { 0 };
    page_read(f, "index.html", &page);
    assert_true(tags_check(sc_buf_cstr(&page)) > 500);
    for (int c = 100; c < 100 + SAMPLE_CUSTOMERS; c++) {
        char name[40];
        snprintf(name, sizeof name, "customers/%d.html", c);
        sc_buf_reset(&page);
        page_read(f, name, &page);
        assert_true(tags_check(sc_buf_cstr(&page)) > 100);
    }
}

static void pages_tell_what_the_files_tell(void **state)
{
    const struct fixture *f = *state;
    struct sc_diag diag;
    sample_write(f->dir, "A run", NULL);
    assert_int_equal(report(f, &diag), SC_OK);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf index = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf failed = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf thief = { 0 };
    page_read(f, "index.html", &index);
    page_read(f, "customers/104.html", &failed);
    page_read(f, "customers/102.html", &thief);
    const char *const on_index[] = { "SIMULATED enclave", "deleted one reading of customer 104", "1 audit failed.", "4\xE2\x80\xAF" "181\xE2\x80\xAF" "093",
                                     "Self-organising map of daily curves", "Authenticators \xC3\x97 3" };
    for (size_t i = 0; i < sizeof on_index / sizeof *on_index; i++)
        if (strstr(sc_buf_cstr(&index), on_index[i]) == NULL)
            fail_msg("index lacks %s", on_index[i]);
    assert_non_null(strstr(sc_buf_cstr(&failed), "FAILED"));
    assert_non_null(strstr(sc_buf_cstr(&failed), "2017-11-15T18:30:00Z"));
    assert_non_null(strstr(sc_buf_cstr(&failed), "no row stands here, though the meter counted 470"));
    assert_non_null(strstr(sc_buf_cstr(&failed), SAMPLE_HASH));
    assert_non_null(strstr(sc_buf_cstr(&thief), "class=\"strong\""));
    assert_non_null(strstr(sc_buf_cstr(&thief), "own regular"));
    assert_null(strstr(sc_buf_cstr(&thief), "FAILED"));
}

static void hostile_names_and_titles_stay_text(void **state)
{
    const struct fixture *f = *state;
    static const char *const names[SAMPLE_CUSTOMERS] = {
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title></head><b>", "&lt;already&gt;", "'", "",
        "]]><!--", "javascript:alert(1)", "\\u003cscript\\u003e", "a b", "-->", "\xE2\x80\xAEgnitset",
    };
    struct sc_diag diag;
    sample_write(f->dir, "</style><script>alert(2)</script>", names);
    assert_int_equal(report(f, &diag), SC_OK);
    const char *const pages[] = { "index.html", "customers/100.html", "customers/101.html", "customers/102.html" };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf page = { 0 };
        page_read(f, pages[i], &page);
        tags_check(sc_buf_cstr(&page));
        assert_null(strstr(sc_buf_cstr(&page), "<script"));
        assert_null(strstr(sc_buf_cstr(&page), "<img"));
        assert_null(strstr(sc_buf_cstr(&page), "\xE2\x80\xAE"));
        assert_non_null(strstr(sc_buf_cstr(&page), "default-src 'none'"));
    }
}

static void missing_files_are_named_or_shown_as_not_made(void **state)
{
    const struct fixture *f = *state;
    struct sc_diag diag;
    assert_int_equal(report(f, &diag), SC_E_NOT_FOUND);
    assert_non_null(strstr(diag.text, "run.json"));
    sample_write(f->dir, "A run", NULL);
    SC_CLEANUP(sc_freep) char *ranking = sc_path_join(f->dir, "fraud/ranking.json");
    SC_CLEANUP(sc_freep) char *audit = sc_path_join(f->dir, "audits/103.json");
    SC_CLEANUP(sc_freep) char *bills = sc_path_join(f->dir, "bills");
    assert_int_equal(unlink(ranking) | unlink(audit), 0);
    assert_int_equal(report(f, &diag), SC_OK);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf index = { 0 };
    page_read(f, "index.html", &index);
    assert_non_null(strstr(sc_buf_cstr(&index), "No ranking was made."));
    assert_non_null(strstr(sc_buf_cstr(&index), "not audited"));
    assert_int_equal(sc_dir_remove(bills, NULL), SC_OK);
    assert_int_equal(report(f, &diag), SC_E_NOT_FOUND);
    assert_non_null(strstr(diag.text, "bills"));
}

/* One member of one file replaced by nonsense: the report is refused, naming file and member. */
static void malformed_files_are_refused_by_name(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *file, *member, *value, *told;
    } cases[] = {
        { "run.json", "version", "2", "version" },
        { "run.json", "stations", "[{\"id\":\"x\",\"title\":7}]", "stations" },
        { "run.json", "stations", "[{\"id\":\"x\",\"title\":\"t\",\"instances\":1,\"counts\":{\"a\":\"b\"}}]", "number expected" },
        { "run.json", "attack", "{\"kind\":1}", "kind" },
        { "bills/103.json", "customer", "\"x\"", "customer" },
        { "bills/103.json", "customer", "102", "audits/103.json" },
        { "bills/103.json", "lines", "[{\"code\":\"energy\"}]", "lines" },
        { "bills/103.json", "total", "12.5", "total" },
        { "bills/103.json", "curve", "{\"first_day\":\"2017-99-99\"}", "first_day" },
        { "bills/103.json", "curve", "{\"first_day\":\"1017-01-01\",\"daily_kwh\":[1],\"weekday_mean_kw\":[],\"weekend_mean_kw\":[]}", "days spread" },
        { "bills/103.json", "curve", "{\"first_day\":\"2017-11-06\",\"daily_kwh\":[1e300],\"weekday_mean_kw\":[],\"weekend_mean_kw\":[]}", "out of range" },
        { "audits/103.json", "verdict", "{\"passed\":\"perhaps\"}", "true or false" },
        { "fraud/ranking.json", "customers", "[7]", "customers" },
        { "fraud/ranking.json", "slots", "24", "slots" },
        { "fraud/ranking.json", "map", "{\"grid\":\"hexagonal\",\"columns\":3,\"rows\":3,\"quantisation_error\":0,"
                                       "\"topographic_error\":0,\"units\":[]}", "units" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sc_diag diag;
        SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
        SC_CLEANUP(sc_freep) char *path = sc_path_join(f->dir, cases[i].file);
        sample_write(f->dir, "A run", NULL);
        assert_int_equal(sc_json_read(path, (size_t)64 << 20, &doc, NULL), SC_OK);
        json_object_set_new(doc, cases[i].member, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(sc_json_write(path, doc, NULL), SC_OK);
        const sc_err err = report(f, &diag);
        if (err == SC_OK || strstr(diag.text, cases[i].told) == NULL || strstr(diag.text, ".json") == NULL)
            fail_msg("case %zu: %s: \"%s\"", i, sc_err_name(err), diag.text);
    }
    struct sc_diag diag;
    sample_write(f->dir, "A run", NULL);
    put_text(f, "bills/105.json", "{\"version\":1,");
    assert_int_equal(report(f, &diag), SC_E_MALFORMED);
    assert_non_null(strstr(diag.text, "bills/105.json"));
}

static void no_bills_make_a_page_all_the_same(void **state)
{
    const struct fixture *f = *state;
    struct sc_diag diag;
    sample_dir(f->dir, "bills");
    sample_put(f->dir, "run.json", sample_run("Nothing"));
    assert_int_equal(report(f, &diag), SC_OK);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf index = { 0 };
    page_read(f, "index.html", &index);
    tags_check(sc_buf_cstr(&index));
    assert_non_null(strstr(sc_buf_cstr(&index), "No bills were made."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_page_is_well_formed, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_tell_what_the_files_tell, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_names_and_titles_stay_text, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_files_are_named_or_shown_as_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_files_are_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(no_bills_make_a_page_all_the_same, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
