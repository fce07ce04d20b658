#include "cascadb/copy.h"
#include "test.h"

static void statement(const char *text, struct pg_copy_statement *out)
{
    struct sc_sql_error e = { 0 };
    if (pg_copy_statement_parse(sc_slice_str(text), out, &e) != SC_OK)
        fail_msg("%s: %s", text, e.message);
}

/* All rows: fields by "|", rows by "/", NULL as "-"; or "!" and the SQLSTATE of what failed.  piece: bytes a feed. */
static const char *rows_of(const char *text, struct sc_slice data, size_t piece)
{
    static struct sc_buf out;
    SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
    struct pg_copy_reader r;
    struct sc_sql_error e = { 0 };
    sc_err err = SC_OK;
    statement(text, &st);
    sc_buf_reset(&out);
    pg_copy_reader_init(&r, &st);
    for (size_t at = 0; err == SC_OK;) {
        const bool final = at == data.size;
        while ((err = pg_copy_reader_next(&r, final, &e)) == SC_OK) {
            for (size_t i = 0; i < r.field_count; i++) {
                sc_buf_put_str(&out, i != 0 ? "|" : "");
                if (r.fields[i].null)
                    sc_buf_put_str(&out, "-");
                else
                    sc_buf_put_bytes(&out, r.fields[i].bytes);
            }
            sc_buf_put_str(&out, "/");
        }
        if (err != SC_E_AGAIN || final)
            break;
        const size_t n = data.size - at < piece ? data.size - at : piece;
        uint8_t *exact = malloc(n);
        memcpy(exact, data.ptr + at, n);
        err = pg_copy_reader_feed(&r, sc_slice_of(exact, n), &e);
        free(exact);
        at += n;
    }
    if (err != SC_OK && err != SC_E_AGAIN)
        sc_buf_put_fmt(&out, "!%s", e.sqlstate);
    pg_copy_reader_deinit(&r);
    return sc_buf_cstr(&out);
}

static void expect(const char *text, struct sc_slice data, const char *rows)
{
    for (size_t piece = 1; piece <= data.size; piece++) /* wherever the pieces are cut */
        assert_string_equal(rows_of(text, data, piece), rows);
}

static void statements_are_understood(void **state)
{
    (void)state;
    struct pg_copy_statement st;
    statement("COPY reading FROM STDIN", &st);
    assert_true(st.from && st.format == PG_COPY_TEXT && st.columns == NULL && st.delimiter == '\t');
    assert_string_equal(st.table, "reading");
    assert_string_equal(st.null_text, "\\N");
    pg_copy_statement_deinit(&st);
    statement("copy public.\"Two Words\" (a, \"b\"\"c\") to stdout with (format csv, header true, delimiter ';', null 'NULL', "
              "quote '''', escape E'\\t') ;",
              &st);
    assert_true(!st.from && st.format == PG_COPY_CSV && st.header && st.delimiter == ';' && st.quote == '\'' && st.escape == '\t');
    assert_string_equal(st.table, "Two Words");
    assert_int_equal(st.column_count, 2);
    assert_string_equal(st.columns[1], "b\"c");
    assert_string_equal(st.null_text, "NULL");
    pg_copy_statement_deinit(&st);
    statement("COPY (SELECT (1), ')' FROM t) TO STDOUT CSV HEADER", &st);
    assert_null(st.table);
    assert_true(sc_slice_eq(st.query, sc_slice_str("SELECT (1), ')' FROM t")));
    assert_true(st.format == PG_COPY_CSV && st.header);
    pg_copy_statement_deinit(&st);
    statement("COPY t FROM STDIN WITH (FORMAT binary, HEADER off)", &st);
    assert_true(st.format == PG_COPY_BINARY && !st.header);
    pg_copy_statement_deinit(&st);
}

static void wrong_statements_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sqlstate;
    } wrong[] = {
        { "", "42601" },
        { "COPY", "42601" },
        { "COPY t", "42601" },
        { "COPY t FROM", "42601" },
        { "COPY t FROM '/etc/passwd'", "0A000" },
        { "COPY t TO PROGRAM 'rm'", "0A000" },
        { "COPY t FROM STDOUT", "42601" },
        { "COPY (SELECT 1) FROM STDIN", "42601" },
        { "COPY (SELECT 1 TO STDOUT", "42601" },
        { "COPY t() FROM STDIN", "42601" },
        { "COPY t(a,) FROM STDIN", "42601" },
        { "COPY t(a FROM STDIN", "42601" },
        { "COPY t FROM STDIN (FORMAT xml)", "42601" },
        { "COPY t FROM STDIN (FORMAT csv", "42601" },
        { "COPY t FROM STDIN (FORMAT csv) x", "42601" },
        { "COPY t FROM STDIN (DELIMITER 'ab')", "42601" },
        { "COPY t FROM STDIN (DELIMITER '')", "42601" },
        { "COPY t FROM STDIN (DELIMITER 'a')", "22023" },
        { "COPY t FROM STDIN (FORMAT csv, DELIMITER '\"')", "22023" },
        { "COPY t FROM STDIN (NULL 'a\tb')", "22023" },
        { "COPY t FROM STDIN (ENCODING 'latin1')", "0A000" },
        { "COPY t FROM STDIN; DROP TABLE t", "42601" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
        struct sc_sql_error e = { 0 };
        if (pg_copy_statement_parse(sc_slice_str(wrong[i].text), &st, &e) == SC_OK)
            fail_msg("understood: %s", wrong[i].text);
        if (strcmp(e.sqlstate, wrong[i].sqlstate) != 0)
            fail_msg("%s: %s %s", wrong[i].text, e.sqlstate, e.message);
        assert_true(e.position <= strlen(wrong[i].text) + 1);
    }
}

static void text_rows_are_unescaped(void **state)
{
    (void)state;
    expect("COPY t FROM STDIN", sc_slice_str("a\tb\n\\N\t\n"), "a|b/-|/");
    expect("COPY t FROM STDIN", sc_slice_str("\\b\\f\\n\\r\\t\\v\\\\\\x41\\102\\q\n"), "\b\f\n\r\t\v\\ABq/");
    expect("COPY t FROM STDIN", sc_slice_str("one\\\nline\n"), "one\nline/");
    expect("COPY t FROM STDIN", sc_slice_str("a\\\tb\tc\n"), "a\tb|c/");
    expect("COPY t FROM STDIN", sc_slice_str("\\\\N\n"), "\\N/");
    expect("COPY t FROM STDIN", sc_slice_str("crlf\r\nlast"), "crlf/last/");
    expect("COPY t FROM STDIN", sc_slice_str("a\n\\.\nignored"), "a/");
    expect("COPY t FROM STDIN (DELIMITER '|', NULL '')", sc_slice_str("a||b\n"), "a|-|b/");
    expect("COPY t FROM STDIN (HEADER)", sc_slice_str("name\nx\n"), "x/");
    expect("COPY t FROM STDIN", sc_slice_str("\n"), "/");
    expect("COPY t FROM STDIN", sc_slice_str("end\\"), "end\\/");
    assert_string_equal(rows_of("COPY t FROM STDIN", SC_SLICE_EMPTY, 1), "");
}

static void csv_rows_are_unquoted(void **state)
{
    (void)state;
    expect("COPY t FROM STDIN CSV", sc_slice_str("a,b\n,\"\"\n"), "a|b/-|/");
    expect("COPY t FROM STDIN CSV", sc_slice_str("\"x,\"\"y\"\"\nz\",1\r\n"), "x,\"y\"\nz|1/");
    expect("COPY t FROM STDIN CSV", sc_slice_str("a\"b\"c,d"), "abc|d/");
    expect("COPY t FROM STDIN CSV HEADER", sc_slice_str("\"na\nme\",b\n1,2\n"), "1|2/");
    expect("COPY t FROM STDIN CSV", sc_slice_str("1\n\\.\n2"), "1/");
    expect("COPY t FROM STDIN CSV", sc_slice_str("\"\\.\"\n"), "\\./");
    expect("COPY t FROM STDIN (FORMAT csv, ESCAPE '\\')", sc_slice_str("\"a\\\"b\\\\\",c\n"), "a\"b\\|c/");
    expect("COPY t FROM STDIN (FORMAT csv, NULL 'NULL')", sc_slice_str("NULL,\"NULL\",\n"), "-|NULL|/");
    expect("COPY t FROM STDIN CSV", sc_slice_str("1\n\"open\n2\n"), "1/!22P04");
}

static void put_binary_row(struct sc_buf *b)
{
    sc_buf_put_u16be(b, 2);
    sc_buf_put_lv32(b, sc_slice_str("ab"));
    sc_buf_put_u32be(b, UINT32_MAX);
}

static void binary_rows_are_read_and_each_cut_is_noticed(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
    statement("COPY t FROM STDIN BINARY", &st);
    pg_copy_put_head(&b, &st, NULL, 0);
    put_binary_row(&b);
    put_binary_row(&b);
    pg_copy_put_tail(&b, &st);
    expect("COPY t FROM STDIN BINARY", sc_buf_slice(&b), "ab|-/ab|-/");
    for (size_t n = 0; n < b.size; n++)
        assert_contains(rows_of("COPY t FROM STDIN BINARY", sc_slice_of(b.ptr, n), 7), "!22P04");
    for (size_t i = 0; i < 19; i++) { /* the head */
        b.ptr[i] ^= 0x80;
        if (i < 13 || i == 15) /* not: optional flags; an extension's length makes it merely cut short */
            assert_string_equal(rows_of("COPY t FROM STDIN BINARY", sc_buf_slice(&b), 7), "!22P04");
        b.ptr[i] ^= 0x80;
    }
    sc_buf_put_u8(&b, 0);
    expect("COPY t FROM STDIN BINARY", sc_buf_slice(&b), "ab|-/ab|-/!22P04");
}

static void hostile_binary_sizes_are_refused_at_once(void **state)
{
    (void)state;
    SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
    statement("COPY t FROM STDIN BINARY", &st);
    static const uint32_t sizes[] = { 0xfffffffe, 0x80000000, 0x7fffffff };
    for (size_t i = 0; i < 3; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
        struct pg_copy_reader r;
        struct sc_sql_error e = { 0 };
        pg_copy_put_head(&b, &st, NULL, 0);
        sc_buf_put_u16be(&b, 1);
        sc_buf_put_u32be(&b, sizes[i]);
        pg_copy_reader_init(&r, &st);
        assert_ok(pg_copy_reader_feed(&r, sc_buf_slice(&b), &e));
        assert_err(pg_copy_reader_next(&r, false, &e), SC_E_MALFORMED);
        pg_copy_reader_deinit(&r);
    }
}

static void a_row_without_end_is_refused(void **state)
{
    (void)state;
    SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
    struct pg_copy_reader r;
    struct sc_sql_error e = { 0 };
    const size_t size = (size_t)8 << 20;
    char *data = malloc(size);
    sc_err err = SC_OK;
    memset(data, 'x', size);
    statement("COPY t FROM STDIN", &st);
    pg_copy_reader_init(&r, &st);
    size_t fed = 0;
    for (; err == SC_OK && fed < 3 * PG_COPY_ROW_SIZE_MAX; fed += size) {
        err = pg_copy_reader_feed(&r, sc_slice_of(data, size), &e);
        if (err == SC_OK)
            assert_err(pg_copy_reader_next(&r, false, &e), SC_E_AGAIN);
    }
    assert_err(err, SC_E_LIMIT);
    assert_true(fed <= PG_COPY_ROW_SIZE_MAX + 3 * size);
    pg_copy_reader_deinit(&r);
    free(data);
}

/* What we write we read back the same, in each format, whatever the bytes. */
static void rows_make_the_round_trip(void **state)
{
    (void)state;
    static const char *const formats[] = { "COPY t FROM STDIN", "COPY t FROM STDIN CSV",
                                           "COPY t FROM STDIN (FORMAT csv, ESCAPE '\\', DELIMITER ';')", "COPY t FROM STDIN BINARY" };
    static const char alphabet[] = "\\,;\"\n\r\tN.ab0x";
    struct sc_prng p;
    sc_prng_init(&p, test_seed(5));
    for (int round = 0; round < 4000; round++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf wire = { 0 };
        SC_CLEANUP(sc_buf_deinit) struct sc_buf scratch = { 0 };
        SC_CLEANUP(pg_copy_statement_deinit) struct pg_copy_statement st;
        struct sc_sql_error e = { 0 };
        struct pg_copy_reader r;
        char text[3][12];
        struct sc_sql_value values[3];
        statement(formats[round % 4], &st);
        pg_copy_put_head(&wire, &st, NULL, 0);
        for (size_t i = 0; i < 3; i++) {
            const size_t n = sc_prng_below(&p, sizeof text[i]);
            for (size_t k = 0; k < n; k++)
                text[i][k] = alphabet[sc_prng_below(&p, sizeof alphabet - 1)];
            values[i] = sc_prng_below(&p, 5) == 0 ? sc_sql_null() : sc_sql_text(sc_slice_of(text[i], n));
            assert_ok(pg_copy_put_field(&wire, &st, i, 3, PG_OID_TEXT, &values[i], &scratch, &e));
        }
        pg_copy_put_tail(&wire, &st);
        pg_copy_reader_init(&r, &st);
        assert_ok(pg_copy_reader_feed(&r, sc_buf_slice(&wire), &e));
        assert_ok(pg_copy_reader_next(&r, true, &e));
        assert_int_equal(r.field_count, 3);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(r.fields[i].null, values[i].type == SC_SQL_NULL);
            if (!r.fields[i].null)
                assert_true(sc_slice_eq(r.fields[i].bytes, values[i].bytes));
        }
        assert_err(pg_copy_reader_next(&r, true, &e), SC_E_AGAIN);
        pg_copy_reader_deinit(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_understood),
        cmocka_unit_test(wrong_statements_are_refused),
        cmocka_unit_test(text_rows_are_unescaped),
        cmocka_unit_test(csv_rows_are_unquoted),
        cmocka_unit_test(binary_rows_are_read_and_each_cut_is_noticed),
        cmocka_unit_test(hostile_binary_sizes_are_refused_at_once),
        cmocka_unit_test(a_row_without_end_is_refused),
        cmocka_unit_test(rows_make_the_round_trip),
    };
    return cmocka_run_group_tests_name("cascadb/copy", tests, NULL, NULL);
}
