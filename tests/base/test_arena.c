#include "test.h"

#include "base/arena.h"

#include <stdalign.h>

static void memory_is_zeroed_and_aligned_for_any_type(void **state)
{
    (void)state;
    struct sc_arena a;
    sc_arena_init(&a, 0);
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(2));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2000; i++) {
            const size_t size = 1 + (size_t)sc_prng_below(&prng, i % 100 == 0 ? 100000 : 200);
            uint8_t *p = sc_arena_alloc(&a, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
            for (size_t k = 0; k < size; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xa5, size); /* the next round sees it zeroed again */
        }
        sc_arena_reset(&a);
        assert_int_equal(a.size, 0);
    }
    sc_arena_deinit(&a);
    sc_arena_deinit(NULL);
}

static void the_cap_holds_also_for_many_tiny_pieces(void **state)
{
    (void)state;
    struct sc_arena a;
    sc_arena_init(&a, 4096);
    assert_null(sc_arena_alloc(&a, 4097));
    assert_null(sc_arena_alloc(&a, SIZE_MAX));
    size_t got = 0;
    while (sc_arena_alloc(&a, 1) != NULL)
        got++;
    assert_true(got * alignof(max_align_t) <= 4096); /* what it costs, not what was asked for */
    assert_true(got > 100);
    sc_arena_reset(&a);
    assert_non_null(sc_arena_alloc(&a, 4096));
    assert_null(sc_arena_alloc(&a, 1));
    sc_arena_deinit(&a);
}

static void copies_are_independent_of_their_source(void **state)
{
    (void)state;
    struct sc_arena a = { 0 }; /* zeroed is usable: the default cap */
    char text[] = "meter";
    char *copy = sc_arena_strdup(&a, text);
    const struct sc_slice bytes = sc_arena_copy(&a, sc_slice_of(text, 3));
    const struct sc_slice none = sc_arena_copy(&a, SC_SLICE_EMPTY);
    text[0] = 'x';
    assert_string_equal(copy, "meter");
    assert_true(sc_slice_eq(bytes, sc_slice_str("met")));
    assert_int_equal(none.size, 0);
    assert_non_null(none.ptr);
    sc_arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned_for_any_type),
        cmocka_unit_test(the_cap_holds_also_for_many_tiny_pieces),
        cmocka_unit_test(copies_are_independent_of_their_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
