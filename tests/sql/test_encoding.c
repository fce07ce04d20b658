/* Keys sort as SQL values do; rows and definitions come back as they went, and anything else is refused. */
#include "base/clock.h"
#include "fixture.h"
#include "sql/dict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SEED 20240703u

static uint8_t bytes_pool[64][24];

static double random_real(struct sc_prng *p)
{
    static const double edges[] = {0.0,     -0.0,   0.5,     -0.5,     1.0,       -1.0,
                                   1.5,     255.0,  256.0,   255.5,    0x1p53,    0x1p53 - 1,
                                   -0x1p53, 0x1p63, -0x1p63, 0x1p64,   -0x1p64,   1e300,
                                   -1e300,  1e-300, -1e-300, INFINITY, -INFINITY, 9007199254740993.0,
                                   0.1,     1.0 / 3};
    if (sc_prng_below(p, 2) == 0)
        return edges[sc_prng_below(p, sizeof edges / sizeof edges[0])];
    return ldexp(sc_prng_normal(p), (int)sc_prng_below(p, 140) - 70);
}

static int64_t random_integer(struct sc_prng *p)
{
    static const int64_t edges[] = {0,
                                    1,
                                    -1,
                                    127,
                                    128,
                                    -128,
                                    255,
                                    256,
                                    -256,
                                    65535,
                                    65536,
                                    INT64_MAX,
                                    INT64_MIN,
                                    INT64_MIN + 1,
                                    ((int64_t)1 << 53) + 1,
                                    (int64_t)1 << 53,
                                    -((int64_t)1 << 53) - 1};
    if (sc_prng_below(p, 2) == 0)
        return edges[sc_prng_below(p, sizeof edges / sizeof edges[0])];
    return (int64_t)sc_prng_u64(p) >> sc_prng_below(p, 64);
}

static struct sc_sql_value random_value(struct sc_prng *p, size_t slot)
{
    const size_t size = sc_prng_below(p, 6);
    for (size_t i = 0; i < size; i++) /* few letters, so that prefixes and NULs meet */
        bytes_pool[slot][i] = (uint8_t[]){0, 1, 0xff, 'a'}[sc_prng_below(p, 4)];
    const struct sc_slice s = sc_slice_of(bytes_pool[slot], size);
    switch (sc_prng_below(p, 6)) {
    case 0:
        return sc_sql_null();
    case 1:
    case 2:
        return sc_sql_integer(random_integer(p));
    case 3:
        return sc_sql_real(random_real(p));
    case 4:
        return sc_sql_text(s);
    default:
        return sc_sql_blob(s);
    }
}

/* SQL's order, computed another way: long double holds every int64 and every double. */
static int rank(const struct sc_sql_value *v)
{
    return v->type == SC_SQL_NULL ? 0 : v->type == SC_SQL_TEXT ? 2 : v->type == SC_SQL_BLOB ? 3 : 1;
}

static int compare(const struct sc_sql_value *a, const struct sc_sql_value *b)
{
    if (rank(a) != rank(b) || rank(a) == 0)
        return rank(a) - rank(b);
    if (rank(a) >= 2)
        return sc_slice_cmp(a->bytes, b->bytes);
    const long double x = a->type == SC_SQL_INTEGER ? (long double)a->integer : (long double)a->real;
    const long double y = b->type == SC_SQL_INTEGER ? (long double)b->integer : (long double)b->real;
    return (x > y) - (x < y);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void keys_sort_as_sql_values_do(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, SEED);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf a = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = {0};
    for (int round = 0; round < 300000; round++) {
        int expected = 0;
        sc_buf_reset(&a);
        sc_buf_reset(&b);
        const size_t columns = 1 + sc_prng_below(&p, 3);
        for (size_t i = 0; i < columns; i++) {
            const struct sc_sql_value x = random_value(&p, 2 * i);
            const struct sc_sql_value y = sc_prng_below(&p, 2) == 0 ? x : random_value(&p, 2 * i + 1);
            sql_tuple_put(&a, &x);
            sql_tuple_put(&b, &y);
            if (expected == 0)
                expected = compare(&x, &y);
        }
        if (sign(sc_slice_cmp(sc_buf_slice(&a), sc_buf_slice(&b))) != sign(expected))
            fail_msg("seed %u, round %d", SEED, round);
    }
}

static void keys_decode_to_equal_values_and_skip_alike(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, SEED + 1);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = {0};
    for (int round = 0; round < 100000; round++) {
        const struct sc_sql_value v = random_value(&p, 0);
        struct sc_sql_value back;
        sc_buf_reset(&key);
        sql_tuple_put(&key, &v);
        struct sc_reader r = sc_reader_of(sc_buf_slice(&key));
        struct sc_reader skip = r;
        assert_int_equal(sql_tuple_get(&r, &scratch, &back), SC_OK);
        assert_int_equal(sc_reader_left(&r), 0);
        assert_int_equal(compare(&v, &back), 0);
        assert_int_equal(sql_tuple_skip(&skip), SC_OK);
        assert_int_equal(sc_reader_left(&skip), 0);
        for (size_t size = 0; size < key.size; size++) {
            r = sc_reader_of(sc_slice_of(key.ptr, size));
            const uint8_t *from = r.cur;
            if (sql_tuple_get(&r, &scratch, &back) != SC_OK)
                assert_ptr_equal(r.cur, from);
            else /* cut inside an escape: whole by itself, but another value */
                assert_true(rank(&v) >= 2 && key.ptr[size] == 0xff && compare(&v, &back) > 0);
        }
        key.ptr[sc_prng_below(&p, key.size)] ^= (uint8_t)(1u << sc_prng_below(&p, 8));
        r = sc_reader_of(sc_buf_slice(&key));
        if (sql_tuple_get(&r, &scratch, &back) != SC_OK || sc_reader_left(&r) != 0)
            continue;
        SC_CLEANUP(sc_buf_deinit) struct sc_buf again = {0}; /* what is accepted is canonical */
        sql_tuple_put(&again, &back);
        if (!sc_slice_eq(sc_buf_slice(&again), sc_buf_slice(&key)))
            fail_msg("seed %u, round %d: two spellings of one value", SEED + 1, round);
    }
}

static bool same(const struct sc_sql_value *a, const struct sc_sql_value *b)
{
    if (a->type != b->type)
        return false;
    return a->type == SC_SQL_REAL ? memcmp(&a->real, &b->real, 8) == 0 : compare(a, b) == 0;
}

/* What a NUMERIC column may hold: a whole real has become an integer before it is stored. */
static struct sc_sql_value as_numeric(struct sc_sql_value v)
{
    char text[SQL_NUMBER_TEXT_SIZE];
    sql_affinity_apply(SQL_AFFINITY_NUMERIC, &v, text);
    return v;
}

static void rows_come_back_exactly_and_damage_is_refused(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, SEED + 2);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf row = {0};
    struct sql_row view;
    struct sc_sql_value v;
    for (int round = 0; round < 20000; round++) {
        struct sc_sql_value values[40];
        bool numeric[40];
        const size_t count = 1 + sc_prng_below(&p, 39);
        for (size_t i = 0; i < count; i++) {
            numeric[i] = sc_prng_below(&p, 2) != 0;
            values[i] = numeric[i] ? as_numeric(random_value(&p, i)) : random_value(&p, i);
        }
        sc_buf_reset(&row);
        sql_row_encode(&row, 7, values, numeric, count);
        const struct sc_slice bytes = sc_buf_slice(&row);
        assert_int_equal(sql_row_open(&view, bytes, 7, NULL), SC_OK);
        for (size_t n = 0; n < count; n++) {
            const size_t i = sc_prng_below(&p, count);
            assert_int_equal(sql_row_get(&view, i, &v), SC_OK);
            assert_true(same(&v, &values[i]));
        }
        assert_int_equal(sql_row_get(&view, count, &v), SC_E_NOT_FOUND);
        assert_int_equal(sql_row_check(&view), SC_OK);
        assert_int_equal(sql_row_open(&view, bytes, 8, NULL), SC_E_MALFORMED);
        const size_t cut = sc_prng_below(&p, row.size);
        assert_true(sql_row_open(&view, sc_slice_of(row.ptr, cut), 7, NULL) != SC_OK || sql_row_check(&view) != SC_OK);
        row.ptr[sc_prng_below(&p, row.size)] ^= (uint8_t)(1u << sc_prng_below(&p, 8));
        if (sql_row_open(&view, bytes, 7, NULL) == SC_OK)
            sc_ignore(sql_row_check(&view)); /* either answer; the sanitizers watch */
    }
}

static void rows_of_numbers_have_one_word_a_column_at_fixed_places(void **state)
{
    (void)state;
    const struct sc_sql_value a[] = {sc_sql_integer(-1), sc_sql_real(230.25), sc_sql_integer(7), sc_sql_null()};
    const struct sc_sql_value b[] = {sc_sql_integer(1), sc_sql_real(230.1), sc_sql_real(7.5), sc_sql_null()};
    const bool numeric[] = {false, false, true, false};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf x = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf y = {0};
    sql_row_encode(&x, 1, a, numeric, 4);
    sql_row_encode(&y, 1, b, numeric, 4);
    assert_int_equal(x.size, 8 * (2 + 4));
    assert_int_equal(y.size, x.size);
    assert_memory_equal(x.ptr, y.ptr, 16); /* head and types: a whole number in a NUMERIC column is of the same type */
    assert_memory_equal(x.ptr + 16, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    const double seven = 7;
    assert_memory_equal(x.ptr + 32, &seven, 8);
}

static void descending_and_folded_keys_sort_as_they_should(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, SEED + 3);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf a = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = {0};
    for (int round = 0; round < 20000; round++) {
        const struct sc_sql_value x = random_value(&p, 0);
        const struct sc_sql_value y = random_value(&p, 1);
        const int wanted = compare(&y, &x);
        sc_buf_reset(&a);
        sc_buf_reset(&b);
        sql_tuple_put_ordered(&a, &x, SQL_COLLATION_BINARY, true);
        sql_tuple_put_ordered(&b, &y, SQL_COLLATION_BINARY, true);
        sc_buf_put_u8(&a, SQL_TUPLE_BEFORE); /* something always follows */
        sc_buf_put_u8(&b, SQL_TUPLE_BEFORE);
        const int got = sc_slice_cmp(sc_buf_slice(&a), sc_buf_slice(&b));
        assert_true((wanted < 0) == (got < 0) && (wanted > 0) == (got > 0));
    }
    const struct sc_sql_value lower = sc_sql_text(sc_slice_str("strasse "));
    const struct sc_sql_value upper = sc_sql_text(sc_slice_str("StrASSE"));
    sc_buf_reset(&a);
    sc_buf_reset(&b);
    sql_tuple_put_ordered(&a, &upper, SQL_COLLATION_NOCASE, false);
    sql_tuple_put_ordered(&b, &lower, SQL_COLLATION_RTRIM, false);
    assert_true(sc_slice_eq(sc_buf_slice(&a), sc_buf_slice(&b)));
}

static void definitions_come_back_and_damage_is_refused(void **state)
{
    (void)state;
    struct sql_object o = {.type = SQL_OBJECT_TABLE,
                           .id = 9,
                           .ready = true,
                           .name = (char *)(uintptr_t) "reading",
                           .table_name = (char *)(uintptr_t) "",
                           .sql = (char *)(uintptr_t) "CREATE TABLE reading(a, c)",
                           .column_count = 2,
                           .slot_count = 3,
                           .slots = {0, 2}};
    SC_CLEANUP(sql_object_freep) struct sql_object *back = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf again = {0};
    sql_object_encode(&o, &record);
    assert_int_equal(sql_object_decode(9, sc_buf_slice(&record), &back, NULL), SC_OK);
    assert_string_equal(back->name, "reading");
    assert_int_equal(back->slots[1], 2);
    assert_int_equal(back->slot_count, 3);
    sql_object_encode(back, &again);
    assert_true(sc_slice_eq(sc_buf_slice(&record), sc_buf_slice(&again)));
    struct sql_object *damaged = NULL;
    for (size_t size = 0; size < record.size; size++)
        assert_int_not_equal(sql_object_decode(9, sc_slice_of(record.ptr, size), &damaged, NULL), SC_OK);
    for (size_t bit = 0; bit < record.size * 8; bit++) {
        record.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (sql_object_decode(9, sc_buf_slice(&record), &damaged, NULL) == SC_OK)
            sql_object_free(SC_TAKE(damaged));
        record.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    sc_buf_put_u8(&record, 0);
    assert_int_not_equal(sql_object_decode(9, sc_buf_slice(&record), &damaged, NULL), SC_OK);
}

static void statements_are_split_and_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t used;
        enum sql_kind kind;
    } cases[] = {
        {"SELECT ';' ; SELECT 2", 12, SQL_KIND_SELECT},
        {"SELECT \"a;b\", [c;d], `e;f` -- ;\n ; x", 34, SQL_KIND_SELECT},
        {"/* ; */ insert into t values(';');", 34, SQL_KIND_INSERT},
        {"WITH a AS (DELETE) UPDATE t SET x = 1", 37, SQL_KIND_UPDATE},
        {"with a as (select 1) select * from a", 36, SQL_KIND_SELECT},
        {"  ;", 3, SQL_KIND_EMPTY},
        {"START TRANSACTION", 17, SQL_KIND_BEGIN},
        {"rollback work to savepoint x", 28, SQL_KIND_ROLLBACK_TO},
        {"ROLLBACK", 8, SQL_KIND_ROLLBACK},
        {"create table if not exists x(a)", 31, SQL_KIND_CREATE_TABLE},
        {"create index i on x(a)", 22, SQL_KIND_DDL},
        {"create trigger g after insert on t begin select 1; select 2; end; select 3", 65, SQL_KIND_DDL},
        {"create temp table x(a)", 22, SQL_KIND_TEMP_DDL},
        {"set transaction isolation level serializable", 44, SQL_KIND_SET_TRANSACTION},
        {"set datestyle = iso", 19, SQL_KIND_SET},
        {"'unfinished ; ", 14, SQL_KIND_OTHER},
        {"SELECT 1 /* no end ; ", 21, SQL_KIND_SELECT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t used = 0;
        const struct sc_slice first = sql_statement_first(sc_slice_str(cases[i].text), &used);
        if (used != cases[i].used || sql_kind_of(first) != cases[i].kind)
            fail_msg("%s: used %zu, kind %d", cases[i].text, used, (int)sql_kind_of(first));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_sort_as_sql_values_do),
        cmocka_unit_test(keys_decode_to_equal_values_and_skip_alike),
        cmocka_unit_test(rows_come_back_exactly_and_damage_is_refused),
        cmocka_unit_test(rows_of_numbers_have_one_word_a_column_at_fixed_places),
        cmocka_unit_test(descending_and_folded_keys_sort_as_they_should),
        cmocka_unit_test(definitions_come_back_and_damage_is_refused),
        cmocka_unit_test(statements_are_split_and_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
