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

static void rows_come_back_exactly_and_damage_is_refused(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, SEED + 2);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf row = {0};
    const struct sc_slice key = sc_slice_str("the key");
    struct sql_row view;
    struct sc_sql_value v;
    for (int round = 0; round < 20000; round++) {
        struct sc_sql_value values[40];
        const size_t count = sc_prng_below(&p, 40);
        for (size_t i = 0; i < count; i++)
            values[i] = random_value(&p, i);
        sc_buf_reset(&row);
        sql_row_encode(&row, 7, key, values, count);
        const struct sc_slice bytes = sc_buf_slice(&row);
        assert_int_equal(sql_row_open(&view, bytes, 7, key, NULL), SC_OK);
        for (size_t n = 0; n < count; n++) {
            const size_t i = sc_prng_below(&p, count);
            assert_int_equal(sql_row_get(&view, i, &v), SC_OK);
            assert_true(same(&v, &values[i]));
        }
        assert_int_equal(sql_row_get(&view, count, &v), SC_E_NOT_FOUND);
        assert_int_equal(sql_row_check(&view), SC_OK);
        assert_int_equal(sql_row_open(&view, bytes, 8, key, NULL), SC_E_MALFORMED);
        assert_int_equal(sql_row_open(&view, bytes, 7, sc_slice_str("the kez"), NULL), SC_E_MALFORMED);
        const size_t cut = sc_prng_below(&p, row.size);
        assert_true(sql_row_open(&view, sc_slice_of(row.ptr, cut), 7, key, NULL) != SC_OK ||
                    sql_row_check(&view) != SC_OK);
        row.ptr[sc_prng_below(&p, row.size)] ^= (uint8_t)(1u << sc_prng_below(&p, 8));
        if (sql_row_open(&view, bytes, 7, key, NULL) == SC_OK)
            sc_ignore(sql_row_check(&view)); /* either answer; the sanitizers watch */
    }
}

static void small_reals_take_four_bytes_only_when_nothing_is_lost(void **state)
{
    (void)state;
    const struct sc_sql_value exact = sc_sql_real(230.25);
    const struct sc_sql_value inexact = sc_sql_real(230.1);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf a = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = {0};
    sql_row_encode(&a, 1, SC_SLICE_EMPTY, &exact, 1);
    sql_row_encode(&b, 1, SC_SLICE_EMPTY, &inexact, 1);
    assert_int_equal(b.size - a.size, 4);
}

static void definitions_come_back_and_damage_is_refused(void **state)
{
    (void)state;
    const struct sql_column columns[] = {
        {.name = "client", .type = "INTEGER", .affinity = SQL_AFFINITY_INTEGER, .not_null = true},
        {.name = "t", .type = "BIGINT", .affinity = SQL_AFFINITY_INTEGER, .not_null = true},
        {.name = "v",
         .type = "REAL",
         .affinity = SQL_AFFINITY_REAL,
         .default_sql = "1",
         .default_value = {.type = SC_SQL_REAL, .real = 1}},
        {.name = "x",
         .type = "TEXT",
         .affinity = SQL_AFFINITY_TEXT,
         .default_sql = "'a'",
         .default_value = {.type = SC_SQL_TEXT, .bytes = {(const uint8_t *)"a\0b", 3}}},
    };
    const uint16_t pk[] = {1, 0};
    const struct sql_table_spec spec = {9, "reading", columns, 4, pk, 2};
    SC_CLEANUP(sql_table_unrefp) struct sql_table *t = NULL;
    SC_CLEANUP(sql_table_unrefp) struct sql_table *back = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf record = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf again = {0};
    assert_int_equal(sql_table_new(&spec, &t, NULL), SC_OK);
    sql_table_encode(t, &record);
    assert_int_equal(sql_table_decode(9, sc_buf_slice(&record), &back, NULL), SC_OK);
    assert_string_equal(back->name, "reading");
    assert_int_equal(back->pk[0], 1);
    assert_int_equal(back->columns[0].pk_index, 1);
    assert_int_equal(back->stored_count, 2);
    assert_int_equal(back->columns[2].default_value.type, SC_SQL_REAL);
    assert_int_equal(back->columns[3].default_value.bytes.size, 3);
    sql_table_encode(back, &again);
    assert_true(sc_slice_eq(sc_buf_slice(&record), sc_buf_slice(&again)));
    struct sql_table *damaged = NULL;
    for (size_t size = 0; size < record.size; size++)
        assert_int_not_equal(sql_table_decode(9, sc_slice_of(record.ptr, size), &damaged, NULL), SC_OK);
    for (size_t bit = 0; bit < record.size * 8; bit++) {
        record.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (sql_table_decode(9, sc_buf_slice(&record), &damaged, NULL) == SC_OK)
            sql_table_unref(SC_TAKE(damaged));
        record.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    sc_buf_put_u8(&record, 0);
    assert_int_not_equal(sql_table_decode(9, sc_buf_slice(&record), &damaged, NULL), SC_OK);
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
        {"create index i on x(a)", 22, SQL_KIND_UNSUPPORTED},
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
        cmocka_unit_test(small_reals_take_four_bytes_only_when_nothing_is_lost),
        cmocka_unit_test(definitions_come_back_and_damage_is_refused),
        cmocka_unit_test(statements_are_split_and_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
