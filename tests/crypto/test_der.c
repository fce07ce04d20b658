#include "crypto/der.h"
#include "test.h"

#define BYTES(...) sc_slice_of((const uint8_t[]){ __VA_ARGS__ }, sizeof(const uint8_t[]){ __VA_ARGS__ })

static void elements_are_read_one_after_another(void **state)
{
    (void)state;
    const struct sc_slice s = BYTES(0x02, 0x01, 0x05, 0x30, 0x02, 0x05, 0x00, 0x04, 0x00);
    struct sc_reader r = sc_reader_of(s);
    struct sc_slice v;
    uint8_t tag;
    assert_ok(sc_der_get(&r, &tag, &v));
    assert_int_equal(tag, SC_DER_INTEGER);
    assert_int_equal(v.size, 1);
    assert_err(sc_der_expect(&r, SC_DER_OCTET_STRING, &v), SC_E_MALFORMED); /* moves nothing */
    assert_ok(sc_der_expect(&r, SC_DER_SEQUENCE, &v));
    assert_int_equal(v.size, 2);
    assert_ok(sc_der_expect(&r, SC_DER_OCTET_STRING, &v));
    assert_int_equal(v.size, 0);
    assert_ok(sc_reader_expect_end(&r));
    assert_err(sc_der_get(&r, &tag, &v), SC_E_MALFORMED);
}

static void long_lengths_are_read_and_only_the_shortest_form(void **state)
{
    (void)state;
    uint8_t bytes[300] = { 0x04, 0x81, 0x80 };
    struct sc_slice v;
    uint8_t tag;
    struct sc_reader r = sc_reader_of(sc_slice_of(bytes, 3 + 128));
    assert_ok(sc_der_get(&r, &tag, &v));
    assert_int_equal(v.size, 128);
    memcpy(bytes, "\x04\x82\x01\x00", 4);
    r = sc_reader_of(sc_slice_of(bytes, 4 + 256));
    assert_ok(sc_der_get(&r, &tag, &v));
    assert_int_equal(v.size, 256);
    const struct sc_slice wrong[] = {
        BYTES(0x04, 0x81, 0x7f),                         /* fits the short form */
        BYTES(0x04, 0x82, 0x00, 0x80),                   /* a zero in front */
        BYTES(0x04, 0x80, 0x00, 0x00),                   /* indefinite */
        BYTES(0x04, 0x85, 0x01, 0x00, 0x00, 0x00, 0x00), /* more than four bytes */
        BYTES(0x04, 0x84, 0xff, 0xff, 0xff, 0xff),       /* far past the end */
        BYTES(0x1f, 0x01, 0x00),                         /* a tag of more bytes */
        BYTES(0x04, 0x02, 0x00),                         /* cut short */
        BYTES(0x04),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        r = sc_reader_of(wrong[i]);
        assert_err(sc_der_get(&r, &tag, &v), SC_E_MALFORMED);
        assert_ptr_equal(r.cur, wrong[i].ptr);
    }
}

static void numbers_are_small_positive_and_minimal(void **state)
{
    (void)state;
    uint64_t v;
    assert_ok(sc_der_uint(BYTES(0x00), 0, &v));
    assert_ok(sc_der_uint(BYTES(0x00, 0x80), 255, &v));
    assert_int_equal(v, 128);
    assert_ok(sc_der_uint(BYTES(0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_err(sc_der_uint(SC_SLICE_EMPTY, 255, &v), SC_E_MALFORMED);
    assert_err(sc_der_uint(BYTES(0x80), 255, &v), SC_E_MALFORMED);
    assert_err(sc_der_uint(BYTES(0x00, 0x7f), 255, &v), SC_E_MALFORMED);
    assert_err(sc_der_uint(BYTES(0x01, 0x00), 255, &v), SC_E_MALFORMED);
    assert_err(sc_der_uint(BYTES(0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0), UINT64_MAX, &v), SC_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_read_one_after_another),
        cmocka_unit_test(long_lengths_are_read_and_only_the_shortest_form),
        cmocka_unit_test(numbers_are_small_positive_and_minimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
