#include "cascadb/message.h"
#include "test.h"

static struct sc_slice bytes_of(const struct sc_buf *b)
{
    assert_ok(sc_buf_status(b));
    return sc_buf_slice(b);
}

/* Each proper prefix of body must be refused, and so must one byte too many. */
#define EACH_CUT_IS_REFUSED(parse, type, body)                                                                         \
    do {                                                                                                               \
        type out_;                                                                                                     \
        for (size_t n_ = 0; n_ < (body).size; n_++) {                                                                  \
            uint8_t *copy_ = malloc(n_ + 1); /* exact, so that the sanitizer sees a step too far */                    \
            memcpy(copy_, (body).ptr, n_);                                                                             \
            uint8_t *exact_ = realloc(copy_, n_ != 0 ? n_ : 1);                                                        \
            assert_err(parse((struct sc_slice){ exact_, n_ }, &out_), SC_E_MALFORMED);                                 \
            free(exact_);                                                                                              \
        }                                                                                                              \
        sc_buf_put_u8(&(body), 0);                                                                                     \
        assert_err(parse(sc_buf_slice(&(body)), &out_), SC_E_MALFORMED);                                               \
    } while (0)

static void a_frame_is_whole_or_not_yet(void **state)
{
    (void)state;
    static const uint8_t wire[] = { 'Q', 0, 0, 0, 6, 'x', 0, 'S' };
    struct pg_frame f;
    size_t used = 99;
    for (size_t n = 0; n < 7; n++)
        assert_err(pg_frame_next(sc_slice_of(wire, n), 100, &f, &used), SC_E_AGAIN);
    assert_ok(pg_frame_next(sc_slice_of(wire, sizeof wire), 100, &f, &used));
    assert_int_equal(used, 7);
    assert_int_equal(f.type, 'Q');
    assert_int_equal(f.body.size, 2);
}

static void an_impossible_length_is_refused_before_its_bytes_come(void **state)
{
    (void)state;
    struct pg_frame f;
    size_t used;
    static const uint8_t small[] = { 'Q', 0, 0, 0, 3 };
    static const uint8_t large[] = { 'Q', 0, 0, 0, 105 };
    static const uint8_t largest[] = { 'Q', 0xff, 0xff, 0xff, 0xff };
    static const uint8_t first[] = { 0x7f, 0xff, 0xff, 0xff };
    assert_err(pg_frame_next(sc_slice_of(small, 5), 100, &f, &used), SC_E_MALFORMED);
    assert_err(pg_frame_next(sc_slice_of(large, 5), 100, &f, &used), SC_E_LIMIT);
    assert_err(pg_frame_next(sc_slice_of(largest, 5), PG_MESSAGE_SIZE_MAX, &f, &used), SC_E_LIMIT);
    assert_err(pg_frame_first(sc_slice_of(first, 4), &f, &used), SC_E_LIMIT);
}

static void put_options(struct sc_buf *b, uint32_t version)
{
    sc_buf_put_u32be(b, version);
    static const char options[] = "user\0meter\0database\0db\0application_name\0app\0extra\0x\0_pq_.new\0001\0";
    sc_buf_put_bytes(b, sc_slice_of(options, sizeof options)); /* with its last NUL: the list's end */
}

static void a_startup_message_tells_its_options(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct pg_startup s;
    put_options(&b, 3u << 16 | 2);
    assert_ok(pg_startup_parse(bytes_of(&b), &s));
    assert_int_equal(s.kind, PG_STARTUP_SESSION);
    assert_int_equal(s.minor, 2);
    assert_true(sc_slice_eq(s.user, sc_slice_str("meter")));
    assert_true(sc_slice_eq(s.database, sc_slice_str("db")));
    assert_true(sc_slice_eq(s.application_name, sc_slice_str("app")));
    assert_int_equal(s.unknown_count, 1);
    EACH_CUT_IS_REFUSED(pg_startup_parse, struct pg_startup, b);
}

static void requests_before_startup_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        enum pg_startup_kind kind;
    } codes[] = { { 80877103, PG_STARTUP_SSL }, { 80877104, PG_STARTUP_GSS } };
    struct pg_startup s;
    for (size_t i = 0; i < 2; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
        sc_buf_put_u32be(&b, codes[i].code);
        assert_ok(pg_startup_parse(bytes_of(&b), &s));
        assert_int_equal(s.kind, codes[i].kind);
        EACH_CUT_IS_REFUSED(pg_startup_parse, struct pg_startup, b);
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    sc_buf_put_u32be(&b, 80877102);
    sc_buf_put_u32be(&b, 7);
    sc_buf_put_u32be(&b, 0xdeadbeef);
    assert_ok(pg_startup_parse(bytes_of(&b), &s));
    assert_int_equal(s.kind, PG_STARTUP_CANCEL);
    assert_int_equal(s.cancel_process, 7);
    assert_int_equal(s.cancel_key, 0xdeadbeef);
    EACH_CUT_IS_REFUSED(pg_startup_parse, struct pg_startup, b);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf old = { 0 };
    put_options(&old, 2u << 16);
    assert_err(pg_startup_parse(bytes_of(&old), &s), SC_E_UNSUPPORTED);
}

static void a_parse_message_is_read_whole(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct pg_parse p;
    pg_put_cstr(&b, "name");
    pg_put_cstr(&b, "SELECT $1");
    sc_buf_put_u16be(&b, 2);
    sc_buf_put_u32be(&b, 20);
    sc_buf_put_u32be(&b, 0);
    assert_ok(pg_parse_parse(bytes_of(&b), &p));
    assert_true(sc_slice_eq(p.name, sc_slice_str("name")));
    assert_true(sc_slice_eq(p.text, sc_slice_str("SELECT $1")));
    assert_int_equal(p.type_oids.size, 8);
    EACH_CUT_IS_REFUSED(pg_parse_parse, struct pg_parse, b);
}

static void put_bind(struct sc_buf *b, uint16_t format_count)
{
    pg_put_cstr(b, "");
    pg_put_cstr(b, "st");
    sc_buf_put_u16be(b, format_count);
    for (int i = 0; i < format_count; i++)
        sc_buf_put_u16be(b, (uint16_t)(i % 2));
    sc_buf_put_u16be(b, 3);
    sc_buf_put_lv32(b, sc_slice_str("42"));
    sc_buf_put_u32be(b, UINT32_MAX);
    sc_buf_put_lv32(b, SC_SLICE_EMPTY);
    sc_buf_put_u16be(b, 1);
    sc_buf_put_u16be(b, 1);
}

static void a_bind_message_is_read_whole(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct pg_bind m;
    struct sc_slice v;
    bool null;
    put_bind(&b, 3);
    assert_ok(pg_bind_parse(bytes_of(&b), &m));
    assert_true(sc_slice_eq(m.statement, sc_slice_str("st")));
    assert_int_equal(m.param_count, 3);
    assert_int_equal(pg_format_of(m.formats, 1), 1);
    assert_int_equal(pg_format_of(m.formats, 2), 0);
    assert_int_equal(pg_format_of(m.result_formats, 17), 1);
    struct sc_reader r = sc_reader_of(m.params);
    assert_ok(pg_param_next(&r, &null, &v));
    assert_true(!null && sc_slice_eq(v, sc_slice_str("42")));
    assert_ok(pg_param_next(&r, &null, &v));
    assert_true(null);
    assert_ok(pg_param_next(&r, &null, &v));
    assert_true(!null && v.size == 0);
    assert_ok(sc_reader_expect_end(&r));
    EACH_CUT_IS_REFUSED(pg_bind_parse, struct pg_bind, b);
}

static void formats_must_be_none_one_or_one_each(void **state)
{
    (void)state;
    static const sc_err expected[] = { SC_OK, SC_OK, SC_E_MALFORMED, SC_OK, SC_E_MALFORMED };
    for (uint16_t n = 0; n < 5; n++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
        struct pg_bind m;
        put_bind(&b, n);
        assert_err(pg_bind_parse(bytes_of(&b), &m), expected[n]);
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct pg_bind m;
    put_bind(&b, 1);
    b.ptr[7] = 2; /* the format's low byte, behind "", "st" and the count: an unknown format */
    assert_int_equal(b.ptr[5], 1);
    assert_err(pg_bind_parse(bytes_of(&b), &m), SC_E_MALFORMED);
}

static void small_messages_are_read_whole(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf q = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf t = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf e = { 0 };
    struct sc_slice text;
    struct pg_target target;
    struct pg_execute execute;
    pg_put_cstr(&q, "SELECT 1");
    assert_ok(pg_query_parse(bytes_of(&q), &text));
    assert_int_equal(text.size, 8);
    EACH_CUT_IS_REFUSED(pg_query_parse, struct sc_slice, q);
    sc_buf_put_u8(&t, 'P');
    pg_put_cstr(&t, "portal");
    assert_ok(pg_target_parse(bytes_of(&t), &target));
    assert_true(target.portal && target.name.size == 6);
    t.ptr[0] = 'X';
    assert_err(pg_target_parse(bytes_of(&t), &target), SC_E_MALFORMED);
    t.ptr[0] = 'S';
    EACH_CUT_IS_REFUSED(pg_target_parse, struct pg_target, t);
    pg_put_cstr(&e, "p");
    sc_buf_put_u32be(&e, 17);
    assert_ok(pg_execute_parse(bytes_of(&e), &execute));
    assert_int_equal(execute.row_count_max, 17);
    EACH_CUT_IS_REFUSED(pg_execute_parse, struct pg_execute, e);
}

static void random_bytes_never_lead_a_parser_astray(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, test_seed(17));
    for (int round = 0; round < 20000; round++) {
        const size_t size = sc_prng_below(&p, 64);
        uint8_t *bytes = malloc(size != 0 ? size : 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(sc_prng_below(&p, 3) != 0 ? sc_prng_below(&p, 4) : sc_prng_u64(&p));
        const struct sc_slice s = { bytes, size };
        struct pg_startup st;
        struct pg_parse pa;
        struct pg_bind b;
        if (pg_startup_parse(s, &st) == SC_OK && st.user.size != 0)
            assert_true(st.user.ptr >= bytes && st.user.ptr + st.user.size < bytes + size);
        if (pg_parse_parse(s, &pa) == SC_OK)
            assert_true(pa.text.ptr + pa.text.size < bytes + size);
        if (pg_bind_parse(s, &b) == SC_OK) {
            struct sc_reader r = sc_reader_of(b.params);
            for (unsigned i = 0; i < b.param_count; i++) {
                bool null;
                struct sc_slice v;
                assert_ok(pg_param_next(&r, &null, &v));
            }
            assert_ok(sc_reader_expect_end(&r));
        }
        free(bytes);
    }
}

static void what_the_server_sends_has_its_length(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    pg_put_notice(&out, &(struct pg_notice){ .severity = "ERROR", .sqlstate = "42601", .message = "no", .position = 12 });
    pg_put_ready(&out, 'E');
    static const char expected[] = "SERROR\0VERROR\0C42601\0Mno\0P12\0"; /* and the list's end, the literal's own NUL */
    struct pg_frame f;
    size_t used;
    assert_ok(pg_frame_next(bytes_of(&out), 1000, &f, &used));
    assert_int_equal(f.type, 'E');
    assert_int_equal(f.body.size, sizeof expected);
    assert_memory_equal(f.body.ptr, expected, sizeof expected);
    assert_ok(pg_frame_next(sc_slice_of(out.ptr + used, out.size - used), 1000, &f, &used));
    assert_int_equal(f.type, 'Z');
    assert_memory_equal(f.body.ptr, "E", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_whole_or_not_yet),
        cmocka_unit_test(an_impossible_length_is_refused_before_its_bytes_come),
        cmocka_unit_test(a_startup_message_tells_its_options),
        cmocka_unit_test(requests_before_startup_are_told_apart),
        cmocka_unit_test(a_parse_message_is_read_whole),
        cmocka_unit_test(a_bind_message_is_read_whole),
        cmocka_unit_test(formats_must_be_none_one_or_one_each),
        cmocka_unit_test(small_messages_are_read_whole),
        cmocka_unit_test(random_bytes_never_lead_a_parser_astray),
        cmocka_unit_test(what_the_server_sends_has_its_length),
    };
    return cmocka_run_group_tests_name("cascadb/message", tests, NULL, NULL);
}
