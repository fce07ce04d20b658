#include "cascadb/types.h"
#include "test.h"

#include <float.h>
#include <math.h>

static sc_err parse(uint32_t oid, bool binary, struct sc_slice wire, struct sc_buf *scratch, struct sc_sql_value *out,
                    const char *expected_state)
{
    struct sc_sql_error e = { 0 };
    const sc_err err = pg_value_parse(oid, binary, wire, scratch, out, &e);
    if (expected_state != NULL)
        assert_string_equal(e.sqlstate, expected_state);
    return err;
}

static const char *text_of(uint32_t oid, struct sc_sql_value v)
{
    static struct sc_buf out;
    sc_buf_reset(&out);
    pg_value_put_text(&out, oid, &v);
    return sc_buf_cstr(&out);
}

static void declared_types_have_their_oids(void **state)
{
    (void)state;
    static const struct {
        const char *declared;
        uint32_t oid;
    } types[] = { { "INTEGER", 20 },  { "bigint", 20 }, { "REAL", 701 }, { "double precision", 701 }, { "TEXT", 25 }, { "VARCHAR(20)", 25 },
                  { "BLOB", 17 },     { "bytea", 17 },  { "BOOLEAN", 16 }, { "NUMERIC(10,2)", 1700 }, { "decimal", 1700 },
                  { "TIMESTAMP", 25 }, { "", 0 },       { NULL, 0 } };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_int_equal(pg_oid_of_declared(types[i].declared), types[i].oid);
}

static void numbers_are_written_as_postgresql_writes_them(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } reals[] = { { 0, "0" },           { -0.0, "-0" },       { 1, "1" },          { -1.5, "-1.5" },      { 0.1, "0.1" },
                  { 0.007, "0.007" },   { 127.05, "127.05" }, { 1e15, "1e+15" },   { 123456789.25, "123456789.25" },
                  { 0.30000000000000004, "0.30000000000000004" },         { INFINITY, "Infinity" }, { -INFINITY, "-Infinity" },
                  { 127.30000305175781, "127.30000305175781" } };
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        assert_string_equal(text_of(PG_OID_FLOAT8, sc_sql_real(reals[i].v)), reals[i].text);
    assert_string_equal(text_of(PG_OID_INT8, sc_sql_integer(INT64_MIN)), "-9223372036854775808");
    assert_string_equal(text_of(PG_OID_INT8, sc_sql_integer(INT64_MAX)), "9223372036854775807");
    assert_string_equal(text_of(PG_OID_INT8, sc_sql_integer(0)), "0");
    assert_string_equal(text_of(PG_OID_BOOL, sc_sql_integer(1)), "t");
    assert_string_equal(text_of(PG_OID_BOOL, sc_sql_integer(7)), "7");
}

/* As printf and strtod find them, digit by digit. */
static void expect_shortest(double v)
{
    char expected[SQL_NUMBER_TEXT_SIZE];
    size_t n = sql_real_text(v, expected);
    if (n > 2 && memcmp(expected + n - 2, ".0", 2) == 0)
        n -= 2;
    expected[n] = '\0';
    const char *text = text_of(PG_OID_FLOAT8, sc_sql_real(v));
    if (strcmp(text, expected) != 0)
        fail_msg("%s instead of %s", text, expected);
}

static void any_real_is_written_shortest_and_survives(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = { 0 };
    struct sc_prng p;
    sc_prng_init(&p, test_seed(3));
    for (int i = 0; i < 60000; i++) {
        uint64_t word = sc_prng_u64(&p);
        double v;
        memcpy(&v, &word, 8);
        if (i % 4 == 1)
            v = (double)(int64_t)sc_prng_below(&p, 2000000) / 1000 - 1000;
        if (i % 4 == 2)
            v = (double)(float)sc_prng_normal(&p);
        if (i % 4 == 3) /* the range of the fast way, and around its ends */
            v = sc_prng_normal(&p) * pow(10, (double)sc_prng_below(&p, 22) - 5);
        if (isnan(v) || isinf(v))
            continue;
        struct sc_sql_value back;
        expect_shortest(v);
        assert_ok(parse(PG_OID_FLOAT8, false, sc_slice_str(text_of(PG_OID_FLOAT8, sc_sql_real(v))), &scratch, &back, NULL));
        assert_int_equal(back.type, SC_SQL_REAL);
        assert_memory_equal(&back.real, &v, 8);
    }
}

static void reals_beside_round_numbers_are_written_right(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = { 0 };
    for (int e = -5; e <= 16; e++) {
        double ten = pow(10, e);
        double two = ldexp(1, e * 3);
        for (int i = -20; i <= 20; i++) {
            double v[2] = { ten, two };
            for (int k = 0; k < 2; k++) {
                struct sc_sql_value back;
                for (int n = 0; n < (i < 0 ? -i : i); n++)
                    v[k] = nextafter(v[k], i < 0 ? 0 : INFINITY);
                /* below a power of two one digit more than needed is allowed */
                assert_ok(parse(PG_OID_FLOAT8, false, sc_slice_str(text_of(PG_OID_FLOAT8, sc_sql_real(v[k]))), &scratch, &back, NULL));
                assert_memory_equal(&back.real, &v[k], 8);
                if (k == 0)
                    expect_shortest(v[k]);
            }
        }
    }
}

static void integers_are_read_exactly_or_refused(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = { 0 };
    struct sc_sql_value v;
    assert_ok(parse(PG_OID_INT8, false, sc_slice_str(" -9223372036854775808 "), &scratch, &v, NULL));
    assert_true(v.integer == INT64_MIN);
    assert_ok(parse(PG_OID_INT4, false, sc_slice_str("+2147483647"), &scratch, &v, NULL));
    assert_err(parse(PG_OID_INT4, false, sc_slice_str("2147483648"), &scratch, &v, "22003"), SC_E_LIMIT);
    assert_err(parse(PG_OID_INT2, false, sc_slice_str("-32769"), &scratch, &v, "22003"), SC_E_LIMIT);
    assert_err(parse(PG_OID_INT8, false, sc_slice_str("9223372036854775808"), &scratch, &v, "22003"), SC_E_LIMIT);
    static const char *const bad[] = { "", " ", "-", "+", "1x", "x", "1 2", "0x10", "1.0", "--1" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(parse(PG_OID_INT8, false, sc_slice_str(bad[i]), &scratch, &v, "22P02"), SC_E_MALFORMED);
}

static void other_texts_are_read_or_refused(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = { 0 };
    struct sc_sql_value v;
    assert_ok(parse(PG_OID_FLOAT8, false, sc_slice_str("-Infinity"), &scratch, &v, NULL));
    assert_true(isinf(v.real));
    assert_ok(parse(PG_OID_FLOAT8, false, sc_slice_str("NaN"), &scratch, &v, NULL));
    assert_int_equal(v.type, SC_SQL_NULL); /* SQLite has no NaN */
    assert_err(parse(PG_OID_FLOAT8, false, sc_slice_str("0x1p3"), &scratch, &v, "22P02"), SC_E_MALFORMED);
    assert_err(parse(PG_OID_FLOAT8, false, sc_slice_str("1,5"), &scratch, &v, "22P02"), SC_E_MALFORMED);
    assert_ok(parse(PG_OID_BOOL, false, sc_slice_str("TRUE"), &scratch, &v, NULL));
    assert_int_equal(v.integer, 1);
    assert_err(parse(PG_OID_BOOL, false, sc_slice_str("maybe"), &scratch, &v, "22P02"), SC_E_MALFORMED);
    assert_ok(parse(PG_OID_BYTEA, false, sc_slice_str("\\x00Ff"), &scratch, &v, NULL));
    assert_int_equal(v.bytes.size, 2);
    assert_memory_equal(v.bytes.ptr, "\x00\xff", 2);
    assert_ok(parse(PG_OID_BYTEA, false, sc_slice_str("a\\\\\\001"), &scratch, &v, NULL));
    assert_int_equal(v.bytes.size, 3);
    assert_memory_equal(v.bytes.ptr, "a\\\x01", 3);
    static const char *const bad[] = { "\\x0", "\\xzz", "\\", "\\9", "\\40", "\\400" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(parse(PG_OID_BYTEA, false, sc_slice_str(bad[i]), &scratch, &v, "22P02"), SC_E_MALFORMED);
    assert_ok(parse(PG_OID_NUMERIC, false, sc_slice_str("12.5"), &scratch, &v, NULL));
    assert_true(v.real == 12.5);
    assert_err(parse(PG_OID_NUMERIC, true, sc_slice_str("12"), &scratch, &v, "0A000"), SC_E_UNSUPPORTED);
}

static void only_utf8_without_nul_is_text(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = { 0 };
    struct sc_sql_value v;
    static const char *const good[] = { "", "a", "é", "€", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_ok(parse(PG_OID_TEXT, i % 2 == 0, sc_slice_str(good[i]), &scratch, &v, NULL));
    static const char *const bad[] = { "\x80",         "\xc3",         "\xc0\x80",         "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                                       "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xff", "\xe2\x82" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(parse(PG_OID_TEXT, i % 2 == 0, sc_slice_str(bad[i]), &scratch, &v, "22021"), SC_E_MALFORMED);
    assert_err(parse(PG_OID_TEXT, true, sc_slice_of("a\0b", 3), &scratch, &v, "22021"), SC_E_MALFORMED);
}

static void binary_values_make_the_round_trip(void **state)
{
    (void)state;
    static const struct {
        uint32_t oid;
        struct sc_sql_value v;
        size_t size;
    } values[] = {
        { PG_OID_BOOL, { .type = SC_SQL_INTEGER, .integer = 1 }, 1 },
        { PG_OID_INT2, { .type = SC_SQL_INTEGER, .integer = -32768 }, 2 },
        { PG_OID_INT4, { .type = SC_SQL_INTEGER, .integer = -2147483648LL }, 4 },
        { PG_OID_INT8, { .type = SC_SQL_INTEGER, .integer = INT64_MIN }, 8 },
        { PG_OID_FLOAT4, { .type = SC_SQL_REAL, .real = -0.5 }, 4 },
        { PG_OID_FLOAT8, { .type = SC_SQL_REAL, .real = DBL_MIN }, 8 },
        { PG_OID_TEXT, { .type = SC_SQL_TEXT, .bytes = { (const uint8_t *)"\xc3\xa9", 2 } }, 2 },
        { PG_OID_VARCHAR, { .type = SC_SQL_TEXT, .bytes = { (const uint8_t *)"", 0 } }, 0 },
        { PG_OID_BYTEA, { .type = SC_SQL_BLOB, .bytes = { (const uint8_t *)"\0\xff", 2 } }, 2 },
    };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = { 0 };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = { 0 };
        struct sc_sql_error e;
        struct sc_sql_value back;
        assert_ok(pg_value_put(&wire, values[i].oid, true, &values[i].v, &e));
        assert_int_equal(wire.size, 4 + values[i].size);
        assert_int_equal(sc_load_u32be(wire.ptr), values[i].size);
        assert_ok(parse(values[i].oid, true, sc_slice_of(wire.ptr + 4, values[i].size), &scratch, &back, NULL));
        assert_int_equal(back.type, values[i].v.type);
        if (back.type == SC_SQL_TEXT || back.type == SC_SQL_BLOB)
            assert_true(sc_slice_eq(back.bytes, values[i].v.bytes));
        else
            assert_memory_equal(&back.integer, &values[i].v.integer, 8);
        if (pg_oid_size(values[i].oid) > 0)
            assert_err(parse(values[i].oid, true, sc_slice_of(wire.ptr + 3, values[i].size + 1), &scratch, &back, "22P03"),
                       SC_E_MALFORMED);
    }
}

static void a_value_that_does_not_fit_its_binary_type_is_an_error_and_leaves_nothing(void **state)
{
    (void)state;
    const struct {
        uint32_t oid;
        struct sc_sql_value v;
        const char *sqlstate;
    } values[] = { { PG_OID_INT8, sc_sql_text(sc_slice_str("abc")), "22P03" }, { PG_OID_INT8, sc_sql_real(1.5), "22P03" },
                   { PG_OID_INT8, sc_sql_real(1e19), "22P03" },                { PG_OID_FLOAT8, sc_sql_blob(SC_SLICE_EMPTY), "22P03" },
                   { PG_OID_INT4, sc_sql_integer(2147483648LL), "22P03" },     { PG_OID_NUMERIC, sc_sql_integer(1), "0A000" } };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = { 0 };
        struct sc_sql_error e = { 0 };
        assert_true(pg_value_put(&wire, values[i].oid, true, &values[i].v, &e) != SC_OK);
        assert_string_equal(e.sqlstate, values[i].sqlstate);
        assert_int_equal(wire.size, 0);
        assert_ok(pg_value_put(&wire, values[i].oid, false, &values[i].v, &e)); /* text always works */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_types_have_their_oids),
        cmocka_unit_test(numbers_are_written_as_postgresql_writes_them),
        cmocka_unit_test(any_real_is_written_shortest_and_survives),
        cmocka_unit_test(reals_beside_round_numbers_are_written_right),
        cmocka_unit_test(integers_are_read_exactly_or_refused),
        cmocka_unit_test(other_texts_are_read_or_refused),
        cmocka_unit_test(only_utf8_without_nul_is_text),
        cmocka_unit_test(binary_values_make_the_round_trip),
        cmocka_unit_test(a_value_that_does_not_fit_its_binary_type_is_an_error_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("cascadb/types", tests, NULL, NULL);
}
