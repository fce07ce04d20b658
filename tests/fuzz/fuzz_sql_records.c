/* What CascaDB finds in the key-value store: tuples, rows, table definitions.  The first byte chooses. */
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
    if (in.size < 8)
        return;
    const struct sc_slice key = {in.ptr, 8};
    const struct sc_slice bytes = {in.ptr + 8, in.size - 8};
    struct sql_row row;
    if (sql_row_open(&row, bytes, 7, key, NULL) != SC_OK)
        return;
    struct sc_sql_value v;
    for (size_t i = 0; i <= row.count; i++)
        sc_ignore(sql_row_get(&row, i, &v)); /* any column may be damaged: it must only be told */
    sc_ignore(sql_row_check(&row));
}

/* A definition that is accepted encodes to the same bytes. */
static void fuzz_definition(struct sc_slice in)
{
    struct sql_table *t = NULL;
    if (sql_table_decode(3, in, &t, NULL) != SC_OK)
        return;
    struct sc_buf again = {0};
    sql_table_encode(t, &again);
    SC_ASSERT(sc_buf_status(&again) == SC_OK);
    struct sql_table *twice = NULL;
    SC_ASSERT(sql_table_decode(3, sc_buf_slice(&again), &twice, NULL) == SC_OK);
    sql_table_unref(twice);
    sql_table_unref(t);
    sc_buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct sc_slice in = sc_slice_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        fuzz_tuple(in);
        break;
    case 1:
        fuzz_row(in);
        break;
    default:
        fuzz_definition(in);
        break;
    }
    return 0;
}
