#include "fixture.h"

#define LEAVES 70

static struct sc_hash leaves[LEAVES];

static int make_leaves(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEAVES; i++) {
        const uint8_t data[] = { (uint8_t)i, (uint8_t)(i >> 8), 0x5c };
        sc_merkle_leaf_hash(sc_slice_of(data, i % 4 == 3 ? 0 : 3 - i % 2), &leaves[i]);
    }
    return 0;
}

/* MTH of RFC 6962, 2.1, word by word. */
static void mth(const struct sc_hash *d, size_t n, struct sc_hash *out)
{
    if (n == 1) {
        *out = d[0];
        return;
    }
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    struct sc_hash sub[2];
    mth(d, k, &sub[0]);
    mth(d + k, n - k, &sub[1]);
    const uint8_t one = 1;
    const struct sc_slice parts[] = { { &one, 1 }, { sub[0].bytes, 32 }, { sub[1].bytes, 32 } };
    sc_hash_of_parts(parts, 3, out);
}

static void assert_hash(const struct sc_hash *h, const char *hex)
{
    char text[65];
    sc_hex_encode(sc_slice_of(h->bytes, 32), text);
    assert_string_equal(text, hex);
}

/* The test vectors of the Certificate Transparency code for its eight inputs. */
static void roots_are_those_of_certificate_transparency(void **state)
{
    (void)state;
    static const char *const inputs[] = { "", "\x00", "\x10", "\x20\x21", "\x30\x31", "\x40\x41\x42\x43",
                                          "\x50\x51\x52\x53\x54\x55\x56\x57",
                                          "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f" };
    static const size_t sizes[] = { 0, 1, 1, 2, 2, 4, 8, 16 };
    static const char *const roots[] = { "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" };
    struct sc_merkle m;
    struct sc_hash h;
    sc_merkle_init(&m);
    sc_merkle_root(&m, &h);
    assert_hash(&h, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < 8; i++) {
        sc_merkle_leaf_hash(sc_slice_of(inputs[i], sizes[i]), &h);
        sc_merkle_add(&m, &h);
        sc_merkle_root(&m, &h);
        assert_hash(&h, roots[i]);
    }
}

static void roots_are_those_of_the_plain_recursion(void **state)
{
    (void)state;
    struct sc_merkle m;
    sc_merkle_init(&m);
    for (size_t n = 1; n <= LEAVES; n++) {
        struct sc_hash own, naive;
        sc_merkle_add(&m, &leaves[n - 1]);
        sc_merkle_root(&m, &own);
        mth(leaves, n, &naive);
        assert_memory_equal(own.bytes, naive.bytes, 32);
    }
}

static void every_path_leads_to_the_root_and_to_no_other(void **state)
{
    (void)state;
    for (size_t n = 1; n <= LEAVES; n++) {
        struct sc_hash root;
        mth(leaves, n, &root);
        for (size_t i = 0; i < n; i++) {
            struct sc_hash path[SC_MERKLE_DEPTH_MAX];
            size_t depth;
            sc_merkle_path(leaves, n, i, path, &depth);
            assert_ok(sc_merkle_path_check(&leaves[i], i, n, path, depth, &root));
            assert_int_equal(sc_merkle_path_check(&leaves[i], n, n, path, depth, &root), SC_E_AUTH);
            assert_int_equal(sc_merkle_path_check(&leaves[(i + 1) % LEAVES], i, n, path, depth, &root), SC_E_AUTH);
            if (n > 1)
                assert_int_equal(sc_merkle_path_check(&leaves[i], i ^ 1, n, path, depth, &root), SC_E_AUTH);
        }
    }
}

static void a_changed_path_is_refused(void **state)
{
    (void)state;
    struct sc_hash root, path[SC_MERKLE_DEPTH_MAX];
    size_t depth;
    mth(leaves, 37, &root);
    sc_merkle_path(leaves, 37, 20, path, &depth);
    assert_int_equal(depth, 6);
    for (size_t bit = 0; bit < depth * 256; bit++) {
        path[bit / 256].bytes[bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(sc_merkle_path_check(&leaves[20], 20, 37, path, depth, &root), SC_E_AUTH);
        path[bit / 256].bytes[bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t shorter = 0; shorter < depth; shorter++)
        assert_int_equal(sc_merkle_path_check(&leaves[20], 20, 37, path, shorter, &root), SC_E_AUTH);
    path[depth] = root;
    assert_int_equal(sc_merkle_path_check(&leaves[20], 20, 37, path, depth + 1, &root), SC_E_AUTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_certificate_transparency),
        cmocka_unit_test(roots_are_those_of_the_plain_recursion),
        cmocka_unit_test(every_path_leads_to_the_root_and_to_no_other),
        cmocka_unit_test(a_changed_path_is_refused),
    };
    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
