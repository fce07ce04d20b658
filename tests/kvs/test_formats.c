/* The parsers behind decryption: round trip, every truncation, one byte too many, disorder. */
#include "model.h"

#include "base/clock.h"
#include "kvs/manifest.h"
#include "kvs/series.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct kvs_entry entry(const char *key, uint64_t seq, const char *value)
{
    return (struct kvs_entry){ .key = sc_slice_str(key),
                               .value = sc_slice_str(value != NULL ? value : ""),
                               .seq = seq,
                               .is_put = value != NULL };
}

static struct sc_buf copy_of(struct sc_slice s)
{
    struct sc_buf b = { 0 };
    sc_buf_put_bytes(&b, s);
    assert_int_equal(sc_buf_status(&b), SC_OK);
    return b;
}

static sc_err block_parse(struct sc_slice s)
{
    struct sc_buf copy = copy_of(s);
    struct kvs_block *b;
    const sc_err err = kvs_rows_parse(&copy, &b);
    if (err == SC_OK)
        kvs_block_unref(b);
    return err;
}

static const struct {
    const char *key;
    uint64_t seq;
    const char *value;
} rows[] = {
    { "a", 9, "first" }, { "ab", 7, "x" }, { "ab", 3, NULL }, { "ab", 1, "" }, { "abc/longer", 2, "y" }, { "b", 5, "z" },
};
#define ROWS (sizeof rows / sizeof rows[0])

static void a_block_returns_its_entries_and_refuses_anything_cut_or_longer(void **state)
{
    struct kvs_rows_builder builder = { 0 };
    struct kvs_block *b;
    struct kvs_entry e;
    (void)state;
    size_t ends[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        e = entry(rows[i].key, rows[i].seq, rows[i].value);
        kvs_rows_builder_add(&builder, &e);
        ends[i] = builder.body.size;
    }
    const struct sc_slice plain = sc_buf_slice(&builder.body);
    struct sc_buf copy = copy_of(plain);
    assert_int_equal(kvs_rows_parse(&copy, &b), SC_OK);
    assert_int_equal((int)b->count, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const struct kvs_entry expected = entry(rows[i].key, rows[i].seq, rows[i].value);
        b->ops->head(b, i, NULL, &e);
        e.value = b->ops->value(b, i, NULL);
        assert_true(sc_slice_eq(e.key, expected.key) && sc_slice_eq(e.value, expected.value));
        assert_true(e.seq == expected.seq && e.is_put == expected.is_put);
        assert_int_equal(b->ops->seek(b, e.key, e.seq), i);
    }
    assert_int_equal(b->ops->seek(b, sc_slice_str("ab"), 6), 2);
    assert_int_equal(b->ops->seek(b, sc_slice_str("c"), 6), ROWS);
    kvs_block_unref(b);
    for (size_t size = 0, border = 0; size < plain.size; size++) {
        if (border < ROWS && size == ends[border]) { /* whole entries are a block; the seal keeps them from being fewer */
            border++;
            continue;
        }
        assert_int_equal(block_parse(sc_slice_of(plain.ptr, size)), SC_E_MALFORMED);
    }
    sc_buf_put_u8(&builder.body, 0);
    assert_int_equal(block_parse(sc_buf_slice(&builder.body)), SC_E_MALFORMED);
    kvs_rows_builder_deinit(&builder);
}

/* ---- columns ---- */

/* A load profile: constants, a register that climbs, decimals, noise, now and then a deletion or a second version. */
struct profile {
    size_t count;
    uint8_t bytes[KVS_COLUMNS_ROWS_MAX * 200];
    struct kvs_entry entries[KVS_COLUMNS_ROWS_MAX];
};

static void profile_make(struct profile *p, struct sc_prng *prng, size_t count, bool tails, bool long_keys)
{
    uint8_t *at = p->bytes;
    uint64_t timestamp = 1700000000;
    int64_t reg = (int64_t)sc_prng_below(prng, 1000000);
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        struct kvs_entry *e = &p->entries[i];
        const bool version = i != 0 && sc_prng_below(prng, 16) == 0;
        timestamp += version ? 0 : 900;
        reg += (int64_t)sc_prng_below(prng, 50);
        e->key = (struct sc_slice){ at, 0 };
        memcpy(at, "reading|7|", 10);
        sc_store_u64be(at + 10, timestamp);
        e->key.size = 18;
        if (long_keys && timestamp % 1800 == 0)
            memcpy(at + e->key.size, "0123456789", 10), e->key.size += 10;
        at += e->key.size;
        e->seq = version ? p->entries[i - 1].seq - 1 : 1000000 + i;
        e->is_put = sc_prng_below(prng, 20) != 0 || i == 0;
        e->value = (struct sc_slice){ at, 0 };
        if (!e->is_put)
            continue;
        const double decimals = (double)reg / 1000, odd = -0.0, noise = (double)sc_prng_u64(prng) * 0x1p-70;
        const int64_t words[] = { 5, reg, -reg, (int64_t)sc_prng_below(prng, 3) };
        memcpy(at, words, sizeof words);
        memcpy(at + 32, &decimals, 8);
        memcpy(at + 40, sc_prng_below(prng, 2) != 0 ? &odd : &decimals, 8);
        memcpy(at + 48, &noise, 8);
        const uint64_t last = i % 3;
        memcpy(at + 56, &last, 8);
        e->value.size = 64;
        for (size_t n = tails ? sc_prng_below(prng, 40) : 0; n != 0; n--)
            at[e->value.size++] = (uint8_t)('a' + sc_prng_below(prng, 4));
        at += e->value.size;
    }
}

static void assert_block_equals(const struct kvs_block *b, const struct profile *p)
{
    struct kvs_scratch s = { 0 };
    assert_int_equal((int)b->count, (int)p->count);
    assert_int_equal(b->ops->enter(b, &s), SC_OK);
    for (size_t i = 0; i < p->count; i++) {
        const struct kvs_entry *expected = &p->entries[i];
        struct kvs_entry e;
        uint64_t seq;
        bool is_put;
        b->ops->head(b, i, &s, &e);
        assert_true(sc_slice_eq(e.key, expected->key) && e.seq == expected->seq && e.is_put == expected->is_put);
        assert_int_equal((int)b->ops->seek(b, e.key, e.seq), (int)i);
        assert_true(b->ops->match(b, i, expected->key, &seq, &is_put) && seq == e.seq);
        assert_int_equal((int)b->ops->value_size(b, i), (int)expected->value.size);
        if (!e.is_put)
            continue;
        assert_true(sc_slice_eq(b->ops->value(b, i, &s), expected->value));
        uint8_t copy[256];
        b->ops->value_copy(b, i, copy);
        assert_memory_equal(copy, expected->value.ptr, expected->value.size);
        for (size_t from = 0; from < expected->value.size; from += 5) {
            const size_t size = expected->value.size - from < 11 ? expected->value.size - from : 11;
            assert_memory_equal(b->ops->value_part(b, i, from, size, &s).ptr, expected->value.ptr + from, size);
        }
    }
    kvs_scratch_deinit(&s);
}

static void a_block_of_columns_returns_every_bit_whatever_stands_in_it(void **state)
{
    const uint64_t seed = 20261125;
    struct sc_prng prng;
    struct kvs_columns_builder *builder;
    struct profile *p = calloc(1, sizeof *p);
    struct sc_buf out = { 0 };
    unsigned done_count = 0;
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    sc_prng_init(&prng, seed);
    assert_int_equal(kvs_columns_builder_new(&builder), SC_OK);
    for (unsigned round = 0; round < 200; round++) {
        bool done;
        struct kvs_block *b;
        profile_make(p, &prng, 8 + sc_prng_below(&prng, 300), round % 2 != 0, round % 4 >= 2);
        sc_buf_reset(&out);
        assert_int_equal(kvs_columns_encode(builder, p->entries, p->count, &out, &done), SC_OK);
        if (!done)
            continue;
        done_count++;
        assert_int_equal(kvs_columns_parse(sc_buf_slice(&out), &b), SC_OK);
        assert_block_equals(b, p);
        kvs_block_unref(b);
        if (round >= 8)
            continue;
        for (size_t size = 0; size < out.size; size++)
            assert_int_equal(kvs_columns_parse(sc_slice_of(out.ptr, size), &b), SC_E_MALFORMED);
        sc_buf_put_u8(&out, 0);
        assert_int_equal(kvs_columns_parse(sc_buf_slice(&out), &b), SC_E_MALFORMED);
    }
    assert_in_range(done_count, 150, 200);
    sc_buf_deinit(&out);
    kvs_columns_builder_free(builder);
    free(p);
}

/* Words that are no numbers at all, and every special double. */
static void a_series_returns_every_word(void **state)
{
    static const double specials[] = { 0.0, -0.0, 1.0 / 0.0, -1.0 / 0.0, 0.1, 0.3, 1e300, 4.9e-324, 0.1 + 0.2, -2.5, 1e15, 99.999 };
    const uint64_t seed = 7;
    struct sc_prng prng;
    uint64_t words[64], residuals[64];
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    sc_prng_init(&prng, seed);
    for (unsigned round = 0; round < 20000; round++) {
        const size_t n = 1 + sc_prng_below(&prng, 64);
        const uint64_t kind = sc_prng_below(&prng, 5), base = sc_prng_u64(&prng);
        for (size_t i = 0; i < n; i++) {
            double d = specials[sc_prng_below(&prng, sizeof specials / sizeof specials[0])];
            if (kind == 1)
                d = (double)(int64_t)sc_prng_below(&prng, 100000) / 1000 - 50;
            memcpy(&words[i], &d, 8);
            if (kind == 2)
                words[i] = sc_prng_u64(&prng);
            if (kind == 3)
                words[i] = base + i * 900 + sc_prng_below(&prng, 10);
            if (kind == 4)
                words[i] = (uint64_t)((int64_t)sc_prng_below(&prng, 3) - 1) << 63;
        }
        struct kvs_series s;
        kvs_series_fit(words, n, &s, residuals);
        for (size_t i = 0; i < n; i++) {
            assert_true(s.width == 64 || residuals[i] >> s.width == 0);
            assert_true(kvs_series_word(&s, i, residuals[i]) == words[i]);
        }
        struct sc_buf b = { 0 };
        struct kvs_series back;
        kvs_series_put(&b, &s);
        struct sc_reader r = sc_reader_of(sc_buf_slice(&b));
        assert_int_equal(kvs_series_get(&r, &back), SC_OK);
        assert_true(back.base == s.base && back.slope == s.slope && back.width == s.width && back.form == s.form);
        sc_buf_deinit(&b);
    }
}

static void a_block_out_of_order_is_refused(void **state)
{
    (void)state;
    struct sc_buf b = { 0 };
    for (int i = 0; i < 2; i++) { /* the same entry twice */
        sc_buf_put_varint(&b, 0);
        sc_buf_put_lvar(&b, sc_slice_str("key"));
        sc_buf_put_varint(&b, kvs_entry_word(4, true));
        sc_buf_put_lvar(&b, sc_slice_str("v"));
    }
    assert_int_equal(block_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
    sc_buf_reset(&b);
    sc_buf_put_varint(&b, 1); /* shares a byte with nothing */
    sc_buf_put_lvar(&b, sc_slice_str("key"));
    sc_buf_put_varint(&b, kvs_entry_word(4, true));
    sc_buf_put_lvar(&b, sc_slice_str("v"));
    assert_int_equal(block_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
    sc_buf_deinit(&b);
}

static sc_err manifest_parse(struct sc_slice s)
{
    struct kvs_manifest m;
    const sc_err err = kvs_manifest_parse(s, &m);
    if (err == SC_OK)
        kvs_manifest_deinit(&m);
    return err;
}

static void table_put(struct sc_buf *b, uint8_t level, const char *smallest, const char *largest)
{
    struct kvs_table_meta m = { .size = 1000, .index_size = 100, .entry_count = 5, .seq_max = 40 };
    kvs_id_random(&m.id);
    m.smallest = sc_slice_str(smallest);
    m.largest = sc_slice_str(largest);
    kvs_manifest_table_put(b, level, &m);
}

static void ranges_put(struct sc_buf *b, uint64_t seq)
{
    struct kvs_range_list l = { 0 };
    assert_int_equal(
        kvs_range_list_add(&l, &(struct kvs_range_del){ .lower = sc_slice_str("b"), .upper = SC_SLICE_EMPTY, .seq = seq }), SC_OK);
    kvs_manifest_ranges_put(b, &l);
    kvs_range_list_deinit(&l);
}

static void a_manifest_refuses_cuts_tails_overlaps_and_tables_newer_than_itself(void **state)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    (void)state;
    kvs_manifest_begin(&b, 50, 3);
    table_put(&b, 0, "a", "z");
    table_put(&b, 1, "a", "c");
    table_put(&b, 1, "d", "f");
    ranges_put(&b, 50);
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_OK);
    for (size_t size = 0; size < b.size; size++)
        assert_int_equal(manifest_parse(sc_slice_of(b.ptr, size)), SC_E_MALFORMED);
    sc_buf_put_u8(&b, 0);
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
    sc_buf_reset(&b);
    kvs_manifest_begin(&b, 50, 2);
    table_put(&b, 1, "a", "d");
    table_put(&b, 1, "d", "f");
    ranges_put(&b, 50);
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
    sc_buf_reset(&b);
    kvs_manifest_begin(&b, 50, 0);
    ranges_put(&b, 51);
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
    sc_buf_reset(&b);
    kvs_manifest_begin(&b, 39, 1);
    table_put(&b, 1, "a", "d");
    ranges_put(&b, 1);
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
}

static sc_err count_records(void *arg, const struct kvs_wal_commit *c)
{
    *(unsigned *)arg += (unsigned)c->record_count;
    return c->seq >= 5 && c->seq <= 6 ? SC_OK : SC_E_AUTH;
}

static void a_log_group_refuses_cuts_and_tails(void **state)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct kvs_wal_group g = { .fresh = 3, .generation = 4, .first_seq = 5, .commit_count = 2 };
    unsigned records = 0;
    (void)state;
    kvs_wal_group_begin(&b, &g);
    for (unsigned commit = 0; commit < 2; commit++) {
        sc_buf_put_varint(&b, ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            const struct kvs_entry e = entry(rows[i].key, 0, rows[i].value);
            kvs_wal_record_put(&b, &e);
        }
    }
    g = (struct kvs_wal_group){ 0 };
    assert_int_equal(kvs_wal_group_parse(sc_buf_slice(&b), &g, count_records, &records), SC_OK);
    assert_int_equal(records, 2 * ROWS);
    assert_true(g.fresh == 3 && g.generation == 4 && g.first_seq == 5 && g.commit_count == 2);
    for (size_t size = 0; size < b.size; size++)
        assert_int_equal(kvs_wal_group_parse(sc_slice_of(b.ptr, size), &g, NULL, NULL), SC_E_MALFORMED);
    sc_buf_put_u8(&b, 0);
    assert_int_equal(kvs_wal_group_parse(sc_buf_slice(&b), &g, NULL, NULL), SC_E_MALFORMED);
}

/* Every key is found through filter and index; keys that are not there are mostly filtered out. */
static void a_table_finds_its_keys_and_its_filter_spares_most_others(void **state)
{
    struct sc_store *store;
    struct kvs_table_builder *builder;
    struct kvs_table_meta meta;
    struct kvs_cache *cache;
    struct kvs_table *table;
    struct kvs_table_index *index;
    struct sc_diag diag = { 0 };
    char key[32];
    unsigned passed = 0;
    (void)state;
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    struct kvs_keys keys = { .data_count = 1, .data = { { .id = 1, .key = test_root_key } } };
    struct kvs_io io = { .store = store, .keys = &keys, .keys_lock = PTHREAD_MUTEX_INITIALIZER };
    assert_int_equal(kvs_cache_new(64 << 10, &cache), SC_OK);
    assert_int_equal(kvs_table_builder_new(&io, 512, &builder), SC_OK);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k/%06u", i * 2);
        const struct kvs_entry e = entry(key, i + 1, "value");
        assert_int_equal(kvs_table_builder_add(builder, &e), SC_OK);
    }
    assert_int_equal(kvs_table_builder_finish(builder, &meta, &diag), SC_OK);
    assert_int_equal(kvs_table_new(&io, &meta, cache, NULL, &table), SC_OK);
    kvs_table_builder_free(builder);
    assert_int_equal(kvs_table_index(table, &index, &diag), SC_OK);
    for (unsigned i = 0; i < 4000; i++) {
        struct kvs_found found;
        snprintf(key, sizeof key, "k/%06u", i);
        assert_int_equal(kvs_table_get(table, sc_slice_str(key), KVS_SEQ_MAX, &found, NULL, &diag), SC_OK);
        assert_int_equal(found.any, i % 2 == 0);
        if (i % 2 != 0)
            passed += kvs_table_index_may_have(index, sc_slice_str(key));
    }
    assert_in_range(passed, 0, 60); /* 10 bits a key promise 1 %: 20 of 2000 */
    assert_int_equal(kvs_table_verify(table, &diag), SC_OK);
    assert_true(kvs_cache_size(cache) <= 64 << 10);
    kvs_table_index_unref(index);
    kvs_table_unref(table);
    kvs_cache_free(cache);
    sc_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_returns_its_entries_and_refuses_anything_cut_or_longer),
        cmocka_unit_test(a_block_of_columns_returns_every_bit_whatever_stands_in_it),
        cmocka_unit_test(a_series_returns_every_word),
        cmocka_unit_test(a_block_out_of_order_is_refused),
        cmocka_unit_test(a_manifest_refuses_cuts_tails_overlaps_and_tables_newer_than_itself),
        cmocka_unit_test(a_log_group_refuses_cuts_and_tails),
        cmocka_unit_test(a_table_finds_its_keys_and_its_filter_spares_most_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
