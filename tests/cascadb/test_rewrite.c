/* PostgreSQL's spellings in SQLite's words. */
#include "base/clock.h"
#include "cascadb/rewrite.h"
#include "test.h"

static void becomes(const char *from, const char *to)
{
    struct pg_rewrite r = { .text = { 0 } };
    bool changed = false;
    assert_ok(pg_rewrite(&r, sc_slice_str(from), &changed));
    if (to == NULL)
        assert_false(changed);
    else if (!changed)
        fail_msg("%s: was left as it is", from);
    else {
        assert_string_equal(sc_buf_cstr(&r.text), to);
    }
    pg_rewrite_deinit(&r);
}

static void casts_find_what_they_cast(void **state)
{
    (void)state;
    becomes("SELECT '5'::int", "SELECT CAST('5' AS INTEGER)");
    becomes("SELECT a.b::text, c", "SELECT CAST(a.b AS TEXT), c");
    becomes("SELECT $1::bigint + 1", "SELECT CAST($1 AS INTEGER) + 1");
    becomes("SELECT f(a, (b))::double precision", "SELECT CAST(f(a, (b)) AS REAL)");
    becomes("SELECT x IN (1)::bool", "SELECT x IN pg_bool((1))"); /* a bracket is not IN's call */
    becomes("SELECT (1 + 2)::varchar(10)", "SELECT CAST((1 + 2) AS TEXT)");
    becomes("SELECT a::int::text", "SELECT CAST(CAST(a AS INTEGER) AS TEXT)");
    becomes("SELECT a::pg_catalog.regclass::pg_catalog.text", "SELECT CAST(pg_regclass(a) AS TEXT)");
    becomes("SELECT '\\x00'::bytea", "SELECT pg_bytea('\\x00')");
    becomes("SELECT a :: text", "SELECT CAST(a AS TEXT)");
    becomes("SELECT \"a b\".\"c\"::\"char\"", "SELECT CAST(\"a b\".\"c\" AS TEXT)");
    becomes("SELECT a::timestamp with time zone", "SELECT CAST(a AS TEXT)");
    becomes("SELECT a::nonsense", NULL); /* an error is SQLite's to make */
    becomes("::text", NULL);
    becomes("SELECT )::text", NULL);
}

static void names_lose_their_schema(void **state)
{
    (void)state;
    becomes("SELECT pg_catalog.f(c.oid) FROM pg_catalog.pg_class c", "SELECT f(c.oid) FROM pg_class c");
    becomes("SELECT * FROM public.t, \"public\".\"u\"", "SELECT * FROM t, \"u\"");
    becomes("SELECT * FROM information_schema.tables", "SELECT * FROM information_schema_tables");
    becomes("SELECT a.public, public FROM a", NULL);
}

static void operators_have_other_names(void **state)
{
    (void)state;
    becomes("SELECT a ~ 'x' AND b !~ 'y'", "SELECT a  REGEXP  'x' AND b  NOT REGEXP  'y'");
    becomes("SELECT a OPERATOR(pg_catalog.~) '^x$' COLLATE pg_catalog.default", "SELECT a REGEXP '^x$'");
    becomes("SELECT a OPERATOR(pg_catalog.+) b", "SELECT a + b");
    becomes("SELECT ~5", NULL); /* SQLite's own */
    becomes("SELECT a ILIKE 'x'", "SELECT a LIKE 'x'");
    becomes("SELECT a = ANY(ARRAY[1, 2])", "SELECT a  IN (1, 2)");
    becomes("SELECT a = ANY($1)", NULL);
    becomes("SELECT current_user, x.current_user", "SELECT current_user(), x.current_user");
    becomes("SELECT E'a\\n''b'", "SELECT 'a\n''b'");
    becomes("SELECT string_agg(a, ',')", "SELECT group_concat(a, ',')");
}

static void what_only_looks_so_stays(void **state)
{
    (void)state;
    becomes("SELECT 'a::text', \"b::int\" -- c::text\n", NULL);
    becomes("SELECT 1", NULL);
    becomes("", NULL);
    becomes("INSERT INTO t VALUES('pg_catalog.x')", NULL);
}

static void positions_are_those_of_the_text_that_was_sent(void **state)
{
    (void)state;
    static const char from[] = "SELECT pg_catalog.f(a)::text, b::int::text FRM y";
    struct pg_rewrite r = { .text = { 0 } };
    bool changed = false;
    assert_ok(pg_rewrite(&r, sc_slice_str(from), &changed));
    const char *to = sc_buf_cstr(&r.text);
    static const char *const words[] = { "SELECT", "f(", "b", "FRM", "y" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t at = (size_t)(strstr(to, words[i]) - to) + 1;
        const size_t expected = (size_t)(strstr(from, words[i]) - from) + 1;
        assert_int_equal(pg_rewrite_position(&r, at), expected);
    }
    assert_int_equal(pg_rewrite_position(&r, 0), 0);
    pg_rewrite_deinit(&r);
}

static void nothing_makes_it_read_astray(void **state)
{
    (void)state;
    static const char *const pieces[] = { "::", ":", "text", "int", "(", ")", "a", ".", "pg_catalog", "public", "OPERATOR", "~", "!", "*", "=",
                                          "ANY", "ARRAY", "[1]", "SELECT", "trim", "trailing", "';'", "from", "E'", "'", "\\", "COLLATE", "default",
                                          "generate_series", "pg_partition_ancestors", "WITH", "ORDINALITY", "AS", "information_schema", "$1", "\"" };
    struct sc_prng p;
    sc_prng_init(&p, test_seed(9));
    for (int round = 0; round < 20000; round++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf text = { 0 };
        struct pg_rewrite r = { .text = { 0 } };
        bool changed = false;
        for (uint64_t n = sc_prng_below(&p, 14); n > 0; n--)
            sc_buf_put_fmt(&text, "%s%s", pieces[sc_prng_below(&p, sizeof pieces / sizeof pieces[0])], sc_prng_below(&p, 2) != 0 ? " " : "");
        assert_ok(pg_rewrite(&r, sc_buf_slice(&text), &changed));
        for (size_t at = 0; changed && at <= r.text.size + 1; at++)
            assert_true(pg_rewrite_position(&r, at) <= text.size + r.text.size + 1);
        pg_rewrite_deinit(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(casts_find_what_they_cast),
        cmocka_unit_test(names_lose_their_schema),
        cmocka_unit_test(operators_have_other_names),
        cmocka_unit_test(what_only_looks_so_stays),
        cmocka_unit_test(positions_are_those_of_the_text_that_was_sent),
        cmocka_unit_test(nothing_makes_it_read_astray),
    };
    return cmocka_run_group_tests_name("cascadb/rewrite", tests, NULL, NULL);
}
