/* The parsers behind decryption: round trip, every truncation, one byte too many, disorder. */
#include "model.h"

#include "kvs/manifest.h"

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
    const sc_err err = kvs_block_parse(&copy, &b);
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
    struct kvs_block_builder builder = { 0 };
    struct kvs_block *b;
    struct kvs_entry e;
    (void)state;
    size_t ends[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        e = entry(rows[i].key, rows[i].seq, rows[i].value);
        kvs_block_builder_add(&builder, &e);
        ends[i] = builder.body.size;
    }
    const struct sc_slice plain = sc_buf_slice(&builder.body);
    struct sc_buf copy = copy_of(plain);
    assert_int_equal(kvs_block_parse(&copy, &b), SC_OK);
    assert_int_equal(kvs_block_count(b), ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const struct kvs_entry expected = entry(rows[i].key, rows[i].seq, rows[i].value);
        kvs_block_entry(b, i, &e);
        assert_true(sc_slice_eq(e.key, expected.key) && sc_slice_eq(e.value, expected.value));
        assert_true(e.seq == expected.seq && e.is_put == expected.is_put);
        assert_int_equal(kvs_block_seek(b, e.key, e.seq), i);
    }
    assert_int_equal(kvs_block_seek(b, sc_slice_str("ab"), 6), 2);
    assert_int_equal(kvs_block_seek(b, sc_slice_str("c"), 6), ROWS);
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
    kvs_block_builder_deinit(&builder);
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

static void a_manifest_refuses_cuts_tails_overlaps_and_tables_newer_than_itself(void **state)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    (void)state;
    kvs_manifest_begin(&b, 50, 3);
    table_put(&b, 0, "a", "z");
    table_put(&b, 1, "a", "c");
    table_put(&b, 1, "d", "f");
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_OK);
    for (size_t size = 0; size < b.size; size++)
        assert_int_equal(manifest_parse(sc_slice_of(b.ptr, size)), SC_E_MALFORMED);
    sc_buf_put_u8(&b, 0);
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
    sc_buf_reset(&b);
    kvs_manifest_begin(&b, 50, 2);
    table_put(&b, 1, "a", "d");
    table_put(&b, 1, "d", "f");
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
    sc_buf_reset(&b);
    kvs_manifest_begin(&b, 39, 1);
    table_put(&b, 1, "a", "d");
    assert_int_equal(manifest_parse(sc_buf_slice(&b)), SC_E_MALFORMED);
}

static sc_err count_record(void *arg, const struct kvs_entry *e)
{
    (void)e;
    ++*(unsigned *)arg;
    return SC_OK;
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
    assert_int_equal(kvs_wal_group_parse(sc_buf_slice(&b), &g, count_record, &records), SC_OK);
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
    const struct kvs_table_index *index;
    struct sc_diag diag = { 0 };
    char key[32];
    unsigned passed = 0;
    (void)state;
    assert_int_equal(sc_store_memory_new(&store), SC_OK);
    struct kvs_io io = { .store = store, .root_key = &test_root_key };
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
        bool found, is_put;
        uint64_t seq;
        snprintf(key, sizeof key, "k/%06u", i);
        assert_int_equal(kvs_table_get(table, sc_slice_str(key), KVS_SEQ_MAX, &found, &is_put, &seq, NULL, &diag), SC_OK);
        assert_int_equal(found, i % 2 == 0);
        if (i % 2 != 0)
            passed += kvs_table_index_may_have(index, sc_slice_str(key));
    }
    assert_in_range(passed, 0, 60); /* 10 bits a key promise 1 %: 20 of 2000 */
    assert_int_equal(kvs_table_verify(table, &diag), SC_OK);
    assert_true(kvs_cache_size(cache) <= 64 << 10);
    kvs_table_unref(table);
    kvs_cache_free(cache);
    sc_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_returns_its_entries_and_refuses_anything_cut_or_longer),
        cmocka_unit_test(a_block_out_of_order_is_refused),
        cmocka_unit_test(a_manifest_refuses_cuts_tails_overlaps_and_tables_newer_than_itself),
        cmocka_unit_test(a_log_group_refuses_cuts_and_tails),
        cmocka_unit_test(a_table_finds_its_keys_and_its_filter_spares_most_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
