/* What CascaDB finds in the key-value store: tuples, rows, index entries, definitions.  The first byte chooses. */
#include "sql/dict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A tuple that is accepted is the one encoding of its value. */
static void fuzz_tuple(struct sc_slice in)
{
    struct sc_reader r = sc_reader_of(in);
    struct sc_buf scratch = {0};
    struct sc_buf again = {0};
    struct sc_sql_value v;
    const uint8_t *begin = r.cur;
    while (sql_tuple_get(&r, &scratch, &v) == SC_OK) {
        sc_buf_reset(&again);
        sql_tuple_put(&again, &v);
        SC_ASSERT(sc_slice_eq(sc_buf_slice(&again), sc_slice_of(begin, (size_t)(r.cur - begin))));
        begin = r.cur;
    }
    SC_ASSERT(r.cur == begin); /* a refused value moves nothing */
    sc_buf_deinit(&scratch);
    sc_buf_deinit(&again);
}

static void fuzz_row(struct sc_slice in)
{
    struct sql_row row;
    if (sql_row_open(&row, in, 7, NULL) != SC_OK)
        return;
    struct sc_sql_value v;
    for (size_t i = 0; i <= row.count; i++)
        sc_ignore(sql_row_get(&row, i, &v)); /* any column may be damaged: it must only be told */
    sc_ignore(sql_row_check(&row));
}

/* A definition that is accepted encodes to the same bytes. */
static void fuzz_definition(struct sc_slice in)
{
    struct sql_object *o = NULL;
    if (sql_object_decode(3, in, &o, NULL) != SC_OK)
        return;
    struct sc_buf again = {0};
    sql_object_encode(o, &again);
    SC_ASSERT(sc_slice_eq(sc_buf_slice(&again), in));
    sql_object_free(o);
    sc_buf_deinit(&again);
}

/* Entries of an index with parts in both directions. */
static void fuzz_entry(struct sc_slice in)
{
    const struct sql_index ix = {
        .id = 5, .part_count = 3, .parts = {{.column = 0}, {.column = 1, .descending = true}, {.column = 2}}};
    struct sc_buf key = {0};
    struct sc_buf scratch = {0};
    struct sc_sql_value v;
    struct sc_slice pk;
    sql_key_prefix(&key, SQL_KEY_INDEX, 5);
    sc_buf_put_bytes(&key, in);
    SC_ASSERT(sc_buf_status(&key) == SC_OK);
    for (size_t k = 0; k < 3; k++)
        sc_ignore(sql_index_key_value(&ix, SQL_KEY_INDEX, sc_buf_slice(&key), k, &scratch, &v));
    sc_ignore(sql_index_entry_pk(&ix, sc_buf_slice(&key), SC_SLICE_EMPTY, &scratch, &pk));
    sc_buf_deinit(&key);
    sc_buf_deinit(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct sc_slice in = sc_slice_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        fuzz_tuple(in);
        break;
    case 1:
        fuzz_row(in);
        break;
    case 2:
        fuzz_entry(in);
        break;
    default:
        fuzz_definition(in);
        break;
    }
    return 0;
}
