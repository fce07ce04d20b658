/* Known answers: FIPS 180-4 (SHA-256), RFC 1321 (MD5), RFC 4231 (HMAC), RFC 5869 (HKDF), the GCM specification's AES-256 cases. */
#include "crypto/crypto.h"
#include "test.h"

#define HEX(out, text) assert_ok(sc_hex_decode((text), (out), strlen(text) / 2))

static void assert_hex(const void *bytes, size_t size, const char *hex)
{
    char text[1025];
    assert_true(size <= 512);
    sc_hex_encode(sc_slice_of(bytes, size), text);
    assert_string_equal(text, hex);
}

static void sha256_gives_the_standards_answers(void **state)
{
    (void)state;
    struct sc_hash h;
    sc_hash_of(sc_slice_str("abc"), &h);
    assert_hex(h.bytes, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sc_hash_of(SC_SLICE_EMPTY, &h);
    assert_hex(h.bytes, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sc_hash_of(sc_slice_str("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), &h);
    assert_hex(h.bytes, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void md5_gives_the_answers_of_rfc_1321(void **state)
{
    (void)state;
    uint8_t md5[SC_MD5_SIZE];
    assert_ok(sc_md5(SC_SLICE_EMPTY, md5));
    assert_hex(md5, sizeof md5, "d41d8cd98f00b204e9800998ecf8427e");
    assert_ok(sc_md5(sc_slice_str("message digest"), md5));
    assert_hex(md5, sizeof md5, "f96b697d7cb7938d525a2f31aaf161d0");
}

static void a_hash_in_parts_is_the_hash_of_the_whole(void **state)
{
    (void)state;
    const struct sc_slice parts[] = { sc_slice_str("a"), SC_SLICE_EMPTY, sc_slice_str("bc") };
    struct sc_hash h;
    sc_hash_of_parts(parts, 3, &h);
    assert_hex(h.bytes, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    SC_CLEANUP(sc_hash_ctx_freep) struct sc_hash_ctx *ctx = NULL;
    assert_ok(sc_hash_ctx_new(&ctx));
    for (int round = 0; round < 2; round++) { /* final starts over */
        for (size_t i = 0; i < 3; i++)
            sc_hash_ctx_update(ctx, parts[i]);
        sc_hash_ctx_final(ctx, &h);
        assert_hex(h.bytes, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

/* RFC 4231; our keys have 32 bytes, and HMAC pads a shorter key with zeros (RFC 2104, section 2). */
static void hmac_gives_the_answers_of_rfc_4231(void **state)
{
    (void)state;
    struct sc_key key = { 0 };
    uint8_t mac[32];
    memset(key.bytes, 0x0b, 20); /* case 1 */
    sc_hmac(&key, sc_slice_str("Hi There"), mac);
    assert_hex(mac, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    memset(&key, 0, sizeof key); /* case 2 */
    memcpy(key.bytes, "Jefe", 4);
    sc_hmac(&key, sc_slice_str("what do ya want for nothing?"), mac);
    assert_hex(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t data[50]; /* case 3 */
    memset(data, 0xdd, sizeof data);
    memset(&key, 0, sizeof key);
    memset(key.bytes, 0xaa, 20);
    sc_hmac(&key, sc_slice_of(data, sizeof data), mac);
    assert_hex(mac, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}

static void hkdf_gives_the_answers_of_rfc_5869(void **state)
{
    (void)state;
    uint8_t ikm[22];
    uint8_t salt[13];
    uint8_t info[10];
    uint8_t okm[42];
    memset(ikm, 0x0b, sizeof ikm);
    HEX(salt, "000102030405060708090a0b0c");
    HEX(info, "f0f1f2f3f4f5f6f7f8f9");
    assert_ok(sc_hkdf(sc_slice_of(salt, 13), sc_slice_of(ikm, 22), sc_slice_of(info, 10), okm, 42)); /* A.1 */
    assert_hex(okm, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assert_ok(sc_hkdf(SC_SLICE_EMPTY, sc_slice_of(ikm, 22), SC_SLICE_EMPTY, okm, 42)); /* A.3 */
    assert_hex(okm, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    uint8_t big[255 * 32 + 1];
    assert_ok(sc_hkdf(SC_SLICE_EMPTY, sc_slice_of(ikm, 22), SC_SLICE_EMPTY, big, 255 * 32));
    assert_err(sc_hkdf(SC_SLICE_EMPTY, sc_slice_of(ikm, 22), SC_SLICE_EMPTY, big, 255 * 32 + 1), SC_E_LIMIT);
}

static void a_derived_key_belongs_to_its_purpose_and_context(void **state)
{
    (void)state;
    struct sc_key root = { .bytes = { 1 } };
    struct sc_key k[6];
    assert_ok(sc_key_derive(&k[0], &root, "a", SC_SLICE_EMPTY));
    assert_ok(sc_key_derive(&k[1], &root, "b", SC_SLICE_EMPTY));
    assert_ok(sc_key_derive(&k[2], &root, "a", sc_slice_str("b")));
    assert_ok(sc_key_derive(&k[3], &root, "ab", SC_SLICE_EMPTY)); /* no purpose is another's prefix */
    root.bytes[31] ^= 1;
    assert_ok(sc_key_derive(&k[4], &root, "a", SC_SLICE_EMPTY));
    root.bytes[31] ^= 1;
    assert_ok(sc_key_derive(&k[5], &root, "a", SC_SLICE_EMPTY));
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(k[i].bytes, k[j].bytes, 32);
    assert_memory_equal(k[5].bytes, k[0].bytes, 32);
}

/* McGrew & Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16. */
static void aes_256_gcm_gives_the_specifications_answers(void **state)
{
    (void)state;
    struct sc_key key = { 0 };
    uint8_t nonce[12] = { 0 };
    uint8_t out[64];
    uint8_t tag[16];
    SC_CLEANUP(sc_aead_freep) struct sc_aead *zero = NULL;
    assert_ok(sc_aead_new(&zero, &key));
    assert_ok(sc_aead_seal(zero, nonce, SC_SLICE_EMPTY, SC_SLICE_EMPTY, out, tag));
    assert_hex(tag, 16, "530f8afbc74536b9a963b4f1c4cb738b");
    uint8_t plain[64] = { 0 };
    assert_ok(sc_aead_seal(zero, nonce, SC_SLICE_EMPTY, sc_slice_of(plain, 16), out, tag));
    assert_hex(out, 16, "cea7403d4d606b6e074ec5d3baf39d18");
    assert_hex(tag, 16, "d0d1c8a799996bf0265b98b5d48ab919");

    uint8_t aad[20];
    SC_CLEANUP(sc_aead_freep) struct sc_aead *a = NULL;
    HEX(key.bytes, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    HEX(nonce, "cafebabefacedbaddecaf888");
    HEX(aad, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
    HEX(plain, "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
               "b16aedf5aa0de657ba637b39");
    assert_ok(sc_aead_new(&a, &key));
    assert_ok(sc_aead_seal(a, nonce, sc_slice_of(aad, 20), sc_slice_of(plain, 60), out, tag));
    assert_hex(out, 60, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                        "c5f61e6393ba7a0abcc9f662");
    assert_hex(tag, 16, "76fc6ece0f4e1768cddf8853bb2d551b");
    assert_ok(sc_aead_open(a, nonce, sc_slice_of(aad, 20), sc_slice_of(out, 60), tag, out)); /* in place */
    assert_memory_equal(out, plain, 60);
}

static void every_flipped_bit_is_refused_and_the_output_zeroed(void **state)
{
    (void)state;
    struct sc_key key;
    sc_key_random(&key);
    SC_CLEANUP(sc_aead_freep) struct sc_aead *a = NULL;
    assert_ok(sc_aead_new(&a, &key));
    struct {
        uint8_t nonce[12], aad[9], sealed[37], tag[16];
    } wire;
    uint8_t plain[37];
    memset(plain, 'p', sizeof plain);
    sc_random(&wire, sizeof wire);
    assert_ok(sc_aead_seal(a, wire.nonce, sc_slice_of(wire.aad, 9), sc_slice_of(plain, 37), wire.sealed, wire.tag));
    static const uint8_t zeros[37];
    uint8_t *bytes = (uint8_t *)&wire;
    for (size_t bit = 0; bit < sizeof wire * 8; bit++) {
        uint8_t out[37];
        memset(out, 0x55, sizeof out);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_err(sc_aead_open(a, wire.nonce, sc_slice_of(wire.aad, 9), sc_slice_of(wire.sealed, 37), wire.tag, out), SC_E_AUTH);
        assert_memory_equal(out, zeros, sizeof out);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    uint8_t out[37];
    assert_err(sc_aead_open(a, wire.nonce, sc_slice_of(wire.aad, 8), sc_slice_of(wire.sealed, 37), wire.tag, out), SC_E_AUTH);
    assert_err(sc_aead_open(a, wire.nonce, sc_slice_of(wire.aad, 9), sc_slice_of(wire.sealed, 36), wire.tag, out), SC_E_AUTH);
    assert_ok(sc_aead_open(a, wire.nonce, sc_slice_of(wire.aad, 9), sc_slice_of(wire.sealed, 37), wire.tag, out));
    assert_memory_equal(out, plain, sizeof plain); /* a refusal spoils nothing for the next */
}

static void random_bytes_differ_and_comparison_compares(void **state)
{
    (void)state;
    uint8_t a[64] = { 0 };
    uint8_t b[64] = { 0 };
    sc_random(a, sizeof a);
    sc_random(b, sizeof b);
    assert_false(sc_ct_equal(a, b, sizeof a));
    memcpy(b, a, sizeof b);
    assert_true(sc_ct_equal(a, b, sizeof a));
    b[63] ^= 0x80;
    assert_false(sc_ct_equal(a, b, sizeof a));
    assert_true(sc_ct_equal(a, b, 0));
    uint8_t nonce[12];
    sc_nonce_make(nonce, 0x01020304, 0x05060708090a0b0c);
    assert_hex(nonce, 12, "0102030405060708090a0b0c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_standards_answers),
        cmocka_unit_test(md5_gives_the_answers_of_rfc_1321),
        cmocka_unit_test(a_hash_in_parts_is_the_hash_of_the_whole),
        cmocka_unit_test(hmac_gives_the_answers_of_rfc_4231),
        cmocka_unit_test(hkdf_gives_the_answers_of_rfc_5869),
        cmocka_unit_test(a_derived_key_belongs_to_its_purpose_and_context),
        cmocka_unit_test(aes_256_gcm_gives_the_specifications_answers),
        cmocka_unit_test(every_flipped_bit_is_refused_and_the_output_zeroed),
        cmocka_unit_test(random_bytes_differ_and_comparison_compares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
