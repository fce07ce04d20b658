#include "collection/seqset.h"
#include "test.h"

#define N 3000u

/* All that can be asked, against an array of booleans. */
static void check(const struct sc_seqset *s, const bool *in, uint64_t top)
{
    uint64_t prefix = 0;
    while (prefix < top && in[prefix + 1])
        prefix++;
    assert_true(s->prefix == prefix);
    uint64_t count = 0;
    for (uint64_t i = 1; i <= top; i++) {
        count += in[i];
        assert_true(sc_seqset_has(s, i) == in[i]);
    }
    assert_true(sc_seqset_count(s) == count);
    struct sc_seq_range gap = { 0 };
    const bool has_gap = sc_seqset_gap(s, &gap);
    assert_true(has_gap == (count > prefix));
    if (has_gap) {
        uint64_t to = prefix + 1;
        while (!in[to + 1])
            to++;
        assert_true(gap.from == prefix + 1 && gap.to == to);
    }
    for (size_t i = 0; i < s->range_count; i++) { /* sorted, apart */
        assert_true(s->range[i].from <= s->range[i].to);
        assert_true(s->range[i].from > (i != 0 ? s->range[i - 1].to : s->prefix) + 1);
    }
}

static void it_behaves_like_an_array_of_booleans(void **state)
{
    (void)state;
    const uint64_t seed = test_seed(30);
    for (unsigned round = 0; round < 30; round++) {
        struct sc_prng prng;
        sc_prng_init_stream(&prng, seed, round);
        struct sc_seqset s = { 0 };
        bool in[N + 2] = { false };
        const uint64_t top = 10 + sc_prng_below(&prng, round % 3 == 0 ? 40 : N - 10);
        for (unsigned i = 0; i < top * 2; i++) {
            const uint64_t seq = 1 + sc_prng_below(&prng, top);
            if (sc_prng_below(&prng, 200) == 0) {
                uint64_t fresh = 0;
                for (uint64_t k = 1; k <= seq / 4; k++) {
                    fresh += !in[k];
                    in[k] = true;
                }
                assert_true(sc_seqset_fill(&s, seq / 4) == fresh);
            }
            assert_err(sc_seqset_add(&s, seq), in[seq] ? SC_E_EXISTS : SC_OK);
            in[seq] = true;
            if (i % 97 == 0)
                check(&s, in, top);
        }
        check(&s, in, top);
        sc_seqset_deinit(&s);
    }
}

static void too_many_holes_are_refused_and_change_nothing(void **state)
{
    (void)state;
    struct sc_seqset s = { 0 };
    for (uint64_t i = 1; i <= SC_SEQSET_RANGE_MAX; i++)
        assert_ok(sc_seqset_add(&s, i * 2));
    const uint64_t count = sc_seqset_count(&s);
    assert_err(sc_seqset_add(&s, SC_SEQSET_RANGE_MAX * 2 + 2), SC_E_LIMIT);
    assert_true(sc_seqset_count(&s) == count);
    assert_false(sc_seqset_has(&s, SC_SEQSET_RANGE_MAX * 2 + 2));
    assert_ok(sc_seqset_add(&s, 1)); /* closing a hole always works, and makes room */
    assert_ok(sc_seqset_add(&s, SC_SEQSET_RANGE_MAX * 2 + 2));
    sc_seqset_deinit(&s);
}

static void the_ends_of_the_numbers_are_no_sequence(void **state)
{
    (void)state;
    struct sc_seqset s = { 0 };
    assert_err(sc_seqset_add(&s, 0), SC_E_USAGE);
    assert_err(sc_seqset_add(&s, UINT64_MAX), SC_E_USAGE);
    assert_false(sc_seqset_has(&s, 0));
    assert_ok(sc_seqset_add(&s, UINT64_MAX - 1));
    assert_true(sc_seqset_has(&s, UINT64_MAX - 1));
    struct sc_seq_range gap;
    assert_true(sc_seqset_gap(&s, &gap));
    assert_true(gap.from == 1 && gap.to == UINT64_MAX - 2);
    sc_seqset_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_behaves_like_an_array_of_booleans),
        cmocka_unit_test(too_many_holes_are_refused_and_change_nothing),
        cmocka_unit_test(the_ends_of_the_numbers_are_no_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
