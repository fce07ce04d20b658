/* The SGX extension of PCK certificates. */
#include "fixture.h"

static struct sc_pck sample(void)
{
    struct sc_pck p = { .pce_svn = 0x8001, .sgx_type = 2, .has_instance = true, .smt_enabled = true };
    for (uint8_t i = 0; i < 16; i++) {
        p.svn[i] = (uint8_t)(i * 17);
        p.ppid[i] = (uint8_t)(0xf0 | i);
        p.cpu_svn[i] = (uint8_t)(i + 1);
        p.instance_id[i] = (uint8_t)(255 - i);
    }
    memcpy(p.fmspc, "\x00\x90\x6e\xd5\x00\x01", 6);
    memcpy(p.pce_id, "\x01\x02", 2);
    return p;
}

static void what_was_encoded_is_read_again(void **state)
{
    (void)state;
    static const uint16_t pce_svns[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff };
    for (size_t i = 0; i < sizeof pce_svns / sizeof pce_svns[0]; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
        struct sc_pck p = sample();
        struct sc_pck back;
        struct sc_diag diag = { 0 };
        p.pce_svn = pce_svns[i];
        forge_pck_extension(&p, &der);
        memset(&back, 0, sizeof back);
        assert_ok_diag(sc_pck_parse(sc_buf_slice(&der), &back, &diag), &diag);
        assert_int_equal(back.pce_svn, p.pce_svn);
        assert_memory_equal(back.svn, p.svn, 16);
        assert_memory_equal(back.ppid, p.ppid, 16);
        assert_memory_equal(back.cpu_svn, p.cpu_svn, 16);
        assert_memory_equal(back.fmspc, p.fmspc, 6);
        assert_memory_equal(back.pce_id, p.pce_id, 2);
        assert_memory_equal(back.instance_id, p.instance_id, 16);
        assert_true(back.smt_enabled && !back.cached_keys && !back.dynamic_platform && back.has_instance);
        assert_int_equal(back.sgx_type, 2);
    }
}

static void every_cut_and_every_further_byte_is_refused(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
    const struct sc_pck p = sample();
    struct sc_pck back;
    forge_pck_extension(&p, &der);
    for (size_t size = 0; size < der.size; size++)
        assert_err(sc_pck_parse(sc_slice_of(der.ptr, size), &back, NULL), SC_E_MALFORMED);
    sc_buf_put_u8(&der, 0);
    assert_err(sc_pck_parse(sc_buf_slice(&der), &back, NULL), SC_E_MALFORMED);
}

/* Changing any byte of an identifier, a tag or a length must be noticed; of a value, it must be told. */
static void no_changed_byte_goes_unnoticed(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = { 0 };
    const struct sc_pck p = sample();
    struct sc_pck want;
    memset(&want, 0, sizeof want);
    forge_pck_extension(&p, &der);
    assert_ok(sc_pck_parse(sc_buf_slice(&der), &want, NULL));
    for (size_t i = 0; i < der.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct sc_pck got;
            memset(&got, 0, sizeof got);
            der.ptr[i] ^= (uint8_t)(1 << bit);
            const sc_err err = sc_pck_parse(sc_buf_slice(&der), &got, NULL);
            der.ptr[i] ^= (uint8_t)(1 << bit);
            if (err == SC_OK && memcmp(&got, &want, sizeof got) == 0)
                fail_msg("bit %d of byte %zu makes no difference", bit, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_read_again),
        cmocka_unit_test(every_cut_and_every_further_byte_is_refused),
        cmocka_unit_test(no_changed_byte_goes_unnoticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
