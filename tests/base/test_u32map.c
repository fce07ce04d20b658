#include "test.h"

#include "base/u32map.h"

#define KEYS 5000u

static void it_behaves_like_an_array(void **state)
{
    (void)state;
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(6));
    static char values[KEYS];
    static void *model[KEYS];
    memset(model, 0, sizeof model);
    struct sc_u32map m;
    sc_u32map_init(&m, (uint32_t)sc_prng_u64(&prng));
    size_t known = 0;
    static bool put[KEYS];
    memset(put, 0, sizeof put);
    for (unsigned i = 0; i < 50000; i++) {
        const uint32_t k = (uint32_t)sc_prng_below(&prng, KEYS);
        const uint32_t key = k * 0x10001u; /* spread, includes 0 */
        if (sc_prng_below(&prng, 2) == 0) {
            void *v = sc_prng_below(&prng, 8) == 0 ? NULL : &values[sc_prng_below(&prng, KEYS)];
            assert_ok(sc_u32map_put(&m, key, v));
            known += !put[k];
            put[k] = true;
            model[k] = v;
        }
        assert_ptr_equal(sc_u32map_get(&m, key), model[k]);
    }
    assert_int_equal(m.count, known);
    size_t seen = 0;
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&m, &i)) != NULL; seen++)
        assert_ptr_equal(slot->value, model[slot->key / 0x10001u]);
    assert_int_equal(seen, known);
    sc_u32map_deinit(&m);
}

static void an_empty_map_knows_nothing(void **state)
{
    (void)state;
    struct sc_u32map m;
    sc_u32map_init(&m, 1);
    size_t i = 0;
    assert_null(sc_u32map_get(&m, 0));
    assert_null(sc_u32map_next(&m, &i));
    sc_u32map_deinit(&m);
    assert_null(sc_u32map_get(&m, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_behaves_like_an_array),
        cmocka_unit_test(an_empty_map_knows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
