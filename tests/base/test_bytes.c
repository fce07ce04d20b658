#include "test.h"

/* ---- readers ---- */
static sc_err read_all(struct sc_reader *r, unsigned field)
{
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    struct sc_slice s;
    switch (field) {
    case 0:
        return sc_reader_get_u8(r, &u8);
    case 1:
        return sc_reader_get_u16be(r, &u16);
    case 2:
        return sc_reader_get_u32be(r, &u32);
    case 3:
        return sc_reader_get_u64be(r, &u64);
    case 4:
        return sc_reader_get_f32be(r, &f32);
    case 5:
        return sc_reader_get_f64be(r, &f64);
    case 6:
        return sc_reader_get_varint(r, &u64);
    case 7:
        return sc_reader_get_lv16(r, &s);
    case 8:
        return sc_reader_get_lv32(r, &s);
    case 9:
        return sc_reader_get_lvar(r, &s);
    default:
        return sc_reader_get_bytes(r, 7, &s);
    }
}
#define FIELD_COUNT 11u

static void write_all(struct sc_buf *b, unsigned field)
{
    const struct sc_slice five = sc_slice_str("abcde");
    switch (field) {
    case 0:
        sc_buf_put_u8(b, 0x81);
        break;
    case 1:
        sc_buf_put_u16be(b, 0x8182);
        break;
    case 2:
        sc_buf_put_u32be(b, 0x81828384);
        break;
    case 3:
        sc_buf_put_u64be(b, 0x8182838485868788);
        break;
    case 4:
        sc_buf_put_f32be(b, -1.5f);
        break;
    case 5:
        sc_buf_put_f64be(b, 1e300);
        break;
    case 6:
        sc_buf_put_varint(b, UINT64_MAX);
        break;
    case 7:
        sc_buf_put_lv16(b, five);
        break;
    case 8:
        sc_buf_put_lv32(b, five);
        break;
    case 9:
        sc_buf_put_lvar(b, five);
        break;
    default:
        sc_buf_put_str(b, "1234567");
        break;
    }
}

static void every_truncation_is_refused_and_moves_nothing(void **state)
{
    (void)state;
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
        write_all(&b, field);
        assert_ok(sc_buf_status(&b));
        struct sc_reader whole = sc_reader_of(sc_buf_slice(&b));
        assert_ok(read_all(&whole, field));
        assert_ok(sc_reader_expect_end(&whole));
        for (size_t size = 0; size < b.size; size++) {
            uint8_t *exact = malloc(size + 1); /* so that a sanitizer sees a read beyond */
            memcpy(exact, b.ptr, size);
            uint8_t *cut = realloc(exact, size != 0 ? size : 1);
            struct sc_reader r = sc_reader_of(sc_slice_of(cut, size));
            const uint8_t *before = r.cur;
            assert_err(read_all(&r, field), SC_E_MALFORMED);
            assert_ptr_equal(r.cur, before);
            free(cut);
        }
    }
}

static void what_was_written_is_read_big_endian(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    for (unsigned field = 0; field < FIELD_COUNT; field++)
        write_all(&b, field);
    assert_ok(sc_buf_status(&b));
    assert_memory_equal(b.ptr, "\x81\x81\x82\x81\x82\x83\x84\x81\x82\x83\x84\x85\x86\x87\x88", 15);
    struct sc_reader r = sc_reader_of(sc_buf_slice(&b));
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    struct sc_slice s;
    assert_ok(sc_reader_get_u8(&r, &u8));
    assert_int_equal(u8, 0x81);
    assert_ok(sc_reader_get_u16be(&r, &u16));
    assert_int_equal(u16, 0x8182);
    assert_ok(sc_reader_get_u32be(&r, &u32));
    assert_true(u32 == 0x81828384);
    assert_ok(sc_reader_get_u64be(&r, &u64));
    assert_true(u64 == 0x8182838485868788);
    assert_ok(sc_reader_get_f32be(&r, &f32));
    assert_true(f32 == -1.5f);
    assert_ok(sc_reader_get_f64be(&r, &f64));
    assert_true(f64 == 1e300);
    assert_ok(sc_reader_get_varint(&r, &u64));
    assert_true(u64 == UINT64_MAX);
    assert_ok(sc_reader_get_lv16(&r, &s));
    assert_true(sc_slice_eq(s, sc_slice_str("abcde")));
    assert_ok(sc_reader_get_lv32(&r, &s));
    assert_true(sc_slice_eq(s, sc_slice_str("abcde")));
    assert_err(sc_reader_expect_end(&r), SC_E_MALFORMED); /* trailing bytes */
}

static void a_length_beyond_the_end_is_refused(void **state)
{
    (void)state;
    static const uint8_t lv32[] = { 0xff, 0xff, 0xff, 0xff, 'a' };
    static const uint8_t lvar[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'a' };
    struct sc_reader r = sc_reader_of(sc_slice_of(lv32, sizeof lv32));
    struct sc_slice s;
    assert_err(sc_reader_get_lv32(&r, &s), SC_E_MALFORMED);
    assert_err(sc_reader_get_bytes(&r, SIZE_MAX, &s), SC_E_MALFORMED);
    assert_ptr_equal(r.cur, lv32);
    r = sc_reader_of(sc_slice_of(lvar, sizeof lvar));
    assert_err(sc_reader_get_lvar(&r, &s), SC_E_MALFORMED);
    assert_ptr_equal(r.cur, lvar);
}

static void a_varint_has_exactly_one_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } refused[] = {
        { "\x80\x00", 2 },                                     /* 0 in two bytes */
        { "\xff\x80\x00", 3 },                                 /* 127 in three */
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },    /* bit 64 */
        { "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11 } /* eleven bytes */
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct sc_reader r = sc_reader_of(sc_slice_of(refused[i].bytes, refused[i].size));
        uint64_t v;
        assert_err(sc_reader_get_varint(&r, &v), SC_E_MALFORMED);
    }
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(1));
    for (unsigned i = 0; i < 10000; i++) {
        const uint64_t v = sc_prng_u64(&prng) >> sc_prng_below(&prng, 64);
        SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
        sc_buf_put_varint(&b, v);
        size_t size = 1;
        for (uint64_t rest = v >> 7; rest != 0; rest >>= 7)
            size++;
        assert_int_equal(b.size, size);
        struct sc_reader r = sc_reader_of(sc_buf_slice(&b));
        uint64_t back;
        assert_ok(sc_reader_get_varint(&r, &back));
        assert_true(back == v);
        assert_ok(sc_reader_expect_end(&r));
    }
}

/* ---- buffers ---- */
static void a_buffer_takes_exactly_its_cap(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b;
    sc_buf_init(&b, 100);
    sc_buf_put_bytes(&b, sc_slice_of("0123456789012345678901234567890123456789012345678901234567890123456789"
                                     "012345678901234567890123456789",
                                     100));
    assert_ok(sc_buf_status(&b));
    assert_int_equal(strlen(sc_buf_cstr(&b)), 100); /* the NUL does not count */
    sc_buf_put_u8(&b, 1);
    assert_err(sc_buf_status(&b), SC_E_LIMIT);
    assert_int_equal(b.size, 100);
}

static void the_first_failure_sticks_until_reset(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b;
    sc_buf_init(&b, 4);
    sc_buf_put_u64be(&b, 1);
    sc_buf_put_u8(&b, 7); /* would fit, but something before it is missing */
    sc_buf_put_fmt(&b, "%d", 1);
    assert_err(sc_buf_status(&b), SC_E_LIMIT);
    assert_int_equal(b.size, 0);
    assert_null(sc_buf_extend(&b, 1));
    assert_string_equal(sc_buf_cstr(&b), "");
    sc_buf_reset(&b);
    sc_buf_put_u8(&b, 7);
    assert_ok(sc_buf_status(&b));
    assert_int_equal(b.size, 1);
}

static void growth_never_wraps(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    sc_buf_put_u8(&b, 1);
    assert_null(sc_buf_extend(&b, SIZE_MAX));
    assert_err(sc_buf_status(&b), SC_E_LIMIT);
    size_t out;
    assert_err(sc_size_add(SIZE_MAX, 1, &out), SC_E_LIMIT);
    assert_err(sc_size_mul(SIZE_MAX / 2, 3, &out), SC_E_LIMIT);
}

static void text_is_formatted_and_terminated_at_every_size(void **state)
{
    (void)state;
    for (int width = 0; width < 300; width++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
        sc_buf_put_fmt(&b, "%0*d", width, 5);
        const char *text = sc_buf_cstr(&b);
        assert_int_equal(strlen(text), width < 1 ? 1 : width);
        assert_int_equal(b.size, strlen(text));
    }
}

static void a_length_that_does_not_fit_its_field_fails(void **state)
{
    (void)state;
    uint8_t *big = calloc(1, 65536);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    sc_buf_put_lv16(&b, sc_slice_of(big, 65535));
    assert_ok(sc_buf_status(&b));
    sc_buf_put_lv16(&b, sc_slice_of(big, 65536));
    assert_err(sc_buf_status(&b), SC_E_LIMIT);
    free(big);
}

static void wiping_leaves_no_byte_in_the_buffer(void **state)
{
    (void)state;
    struct sc_buf b = { .size_max = 10 };
    sc_buf_put_str(&b, "secret");
    sc_buf_wipe(&b);
    assert_null(b.ptr);
    assert_int_equal(b.size, 0);
    assert_int_equal(b.size_max, 10); /* still capped */
    sc_buf_wipe(&b);
    sc_buf_wipe(NULL);
    sc_buf_deinit(NULL);
}

/* ---- slices, hex ---- */
static void slices_order_as_text_does(void **state)
{
    (void)state;
    assert_true(sc_slice_cmp(sc_slice_str("a"), sc_slice_str("b")) < 0);
    assert_true(sc_slice_cmp(sc_slice_str("ab"), sc_slice_str("a")) > 0);
    assert_true(sc_slice_cmp(SC_SLICE_EMPTY, sc_slice_str("a")) < 0);
    assert_true(sc_slice_cmp(sc_slice_str("\xff"), sc_slice_str("a")) > 0); /* unsigned */
    assert_int_equal(sc_slice_cmp(SC_SLICE_EMPTY, sc_slice_of(NULL, 5)), 0);
    assert_non_null(sc_slice_of(NULL, 5).ptr);
}

static void hex_takes_exactly_what_it_is_told(void **state)
{
    (void)state;
    uint8_t out[3];
    char text[7];
    assert_ok(sc_hex_decode("00fFa5", out, 3));
    sc_hex_encode(sc_slice_of(out, 3), text);
    assert_string_equal(text, "00ffa5");
    static const char *const refused[] = { "", "00ffa", "00ffa50", "00ffag", "0x00ff", " 0ffa5" };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_err(sc_hex_decode(refused[i], out, 3), SC_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_refused_and_moves_nothing),
        cmocka_unit_test(what_was_written_is_read_big_endian),
        cmocka_unit_test(a_length_beyond_the_end_is_refused),
        cmocka_unit_test(a_varint_has_exactly_one_encoding),
        cmocka_unit_test(a_buffer_takes_exactly_its_cap),
        cmocka_unit_test(the_first_failure_sticks_until_reset),
        cmocka_unit_test(growth_never_wraps),
        cmocka_unit_test(text_is_formatted_and_terminated_at_every_size),
        cmocka_unit_test(a_length_that_does_not_fit_its_field_fails),
        cmocka_unit_test(wiping_leaves_no_byte_in_the_buffer),
        cmocka_unit_test(slices_order_as_text_does),
        cmocka_unit_test(hex_takes_exactly_what_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
