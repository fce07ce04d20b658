#include "collection/spool.h"
#include "test.h"

#define MESSAGE_MAX 500u

struct world {
    char *dir, *path;
    struct sc_spool *spool;
    uint64_t cut;
};

static void reopen(struct world *w, uint64_t size_max)
{
    struct sc_diag diag = { 0 };
    sc_spool_free(SC_TAKE(w->spool));
    assert_ok_diag(sc_spool_open(w->path, size_max, MESSAGE_MAX, &w->spool, &w->cut, &diag), &diag);
}

static struct sc_slice message_of(uint64_t n, uint8_t bytes[static MESSAGE_MAX])
{
    const size_t size = 8 + (size_t)(n * 37 % (MESSAGE_MAX - 8));
    memset(bytes, (int)(n & 0xff), size);
    sc_store_u64be(bytes, n);
    return sc_slice_of(bytes, size);
}

static void expect(struct sc_spool *s, uint64_t n)
{
    uint8_t bytes[MESSAGE_MAX];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    sc_buf_put_str(&out, "left over");
    assert_ok(sc_spool_peek(s, &out, NULL));
    assert_true(sc_slice_eq(sc_buf_slice(&out), message_of(n, bytes)));
}

static void push(struct sc_spool *s, uint64_t n)
{
    uint8_t bytes[MESSAGE_MAX];
    assert_ok(sc_spool_push(s, message_of(n, bytes), NULL));
}

static void messages_come_out_as_they_went_in_also_after_a_restart(void **state)
{
    struct world *w = *state;
    reopen(w, 1 << 20);
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(31));
    uint64_t in = 0;
    uint64_t out = 0;
    uint64_t forwarded_in_file = 0; /* since the file was last empty: a restart repeats them */
    for (unsigned i = 0; i < 4000; i++) {
        switch (sc_prng_below(&prng, i < 2000 ? 4 : 3)) {
        case 0:
        case 3:
            push(w->spool, in++);
            break;
        case 1:
            if (out < in) {
                expect(w->spool, out++);
                assert_ok(sc_spool_pop(w->spool, NULL));
                forwarded_in_file++;
            }
            break;
        default:
            if (sc_prng_below(&prng, 50) == 0) {
                reopen(w, 1 << 20);
                assert_true(w->cut == 0);
                out -= forwarded_in_file;
                forwarded_in_file = 0;
            }
            break;
        }
        if (out == in)
            forwarded_in_file = 0;
        assert_true(sc_spool_count(w->spool) == in - out);
        assert_true((sc_spool_size(w->spool) == 0) == (in == out));
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    while (out < in) {
        expect(w->spool, out++);
        assert_ok(sc_spool_pop(w->spool, NULL));
    }
    assert_err(sc_spool_peek(w->spool, &b, NULL), SC_E_NOT_FOUND);
    assert_true(sc_spool_size(w->spool) == 0); /* the disk is given back */
}

static void it_never_grows_beyond_its_bound(void **state)
{
    struct world *w = *state;
    reopen(w, 1000);
    uint8_t bytes[MESSAGE_MAX + 1] = { 0 };
    assert_ok(sc_spool_push(w->spool, sc_slice_of(bytes, 496), NULL));
    assert_ok(sc_spool_push(w->spool, sc_slice_of(bytes, 496), NULL)); /* exactly 1000 */
    struct sc_diag diag = { 0 };
    assert_err(sc_spool_push(w->spool, sc_slice_of(bytes, 1), &diag), SC_E_LIMIT);
    assert_contains(diag.text, "full");
    assert_true(sc_spool_size(w->spool) == 1000 && sc_spool_count(w->spool) == 2);
    assert_err(sc_spool_push(w->spool, sc_slice_of(bytes, MESSAGE_MAX + 1), NULL), SC_E_USAGE);
    assert_err(sc_spool_push(w->spool, SC_SLICE_EMPTY, NULL), SC_E_USAGE);
}

static void every_torn_tail_is_cut_off_and_told(void **state)
{
    struct world *w = *state;
    reopen(w, 1 << 20);
    for (uint64_t n = 0; n < 4; n++)
        push(w->spool, n);
    sc_spool_free(SC_TAKE(w->spool));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf whole = { 0 };
    assert_ok(sc_file_read(w->path, 1 << 20, &whole, NULL));
    uint8_t bytes[MESSAGE_MAX];
    for (size_t size = 0; size <= whole.size; size++) {
        assert_ok(sc_file_write(w->path, sc_slice_of(whole.ptr, size), 0600, NULL));
        reopen(w, 1 << 20);
        uint64_t records = 0;
        uint64_t end = 0;
        for (; records < 4 && end + 4 + message_of(records, bytes).size <= size; records++)
            end += 4 + message_of(records, bytes).size;
        assert_true(sc_spool_count(w->spool) == records);
        assert_true(w->cut == size - end);
        if (size % 50 == 0) { /* and what comes next is readable */
            push(w->spool, 99);
            reopen(w, 1 << 20);
            assert_true(w->cut == 0 && sc_spool_count(w->spool) == records + 1);
            for (uint64_t n = 0; n < records; n++) {
                expect(w->spool, n);
                assert_ok(sc_spool_pop(w->spool, NULL));
            }
            expect(w->spool, 99);
        }
    }
}

static void garbage_is_not_forwarded_without_end(void **state)
{
    struct world *w = *state;
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(32));
    for (unsigned round = 0; round < 200; round++) {
        uint8_t bytes[700];
        const size_t size = (size_t)sc_prng_below(&prng, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(sc_prng_below(&prng, 3) != 0 ? 0 : sc_prng_u64(&prng));
        assert_ok(sc_file_write(w->path, sc_slice_of(bytes, size), 0600, NULL));
        reopen(w, 1 << 20);
        assert_true(sc_spool_size(w->spool) + w->cut == size);
        SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
        for (uint64_t n = sc_spool_count(w->spool); n != 0; n--) {
            assert_ok(sc_spool_peek(w->spool, &out, NULL));
            assert_in_range(out.size, 1, MESSAGE_MAX);
            assert_ok(sc_spool_pop(w->spool, NULL));
        }
        assert_err(sc_spool_peek(w->spool, &out, NULL), SC_E_NOT_FOUND);
    }
}

static void a_file_changed_behind_our_back_is_an_error(void **state)
{
    struct world *w = *state;
    reopen(w, 1 << 20);
    push(w->spool, 1);
    push(w->spool, 2);
    FILE *f = fopen(w->path, "r+");
    assert_non_null(f);
    assert_int_equal(fwrite("\xff\xff\xff\xff", 1, 4, f), 4);
    fclose(f);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = { 0 };
    struct sc_diag diag = { 0 };
    assert_err(sc_spool_peek(w->spool, &out, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "changed on disk");
    assert_int_equal(truncate(w->path, 0), 0);
    diag = (struct sc_diag){ 0 };
    assert_err(sc_spool_peek(w->spool, &out, &diag), SC_E_MALFORMED);
    assert_contains(diag.text, "cut on disk");
}

static void a_place_that_cannot_be_written_is_told(void **state)
{
    const struct world *w = *state;
    struct sc_spool *s = NULL;
    uint64_t cut;
    struct sc_diag diag = { 0 };
    assert_err(sc_spool_open(w->dir, 1000, 100, &s, &cut, &diag), SC_E_IO);
    assert_contains(diag.text, w->dir);
    assert_null(s);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->dir = test_dir_new();
    w->path = test_path(w->dir, "spool");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sc_spool_free(w->spool);
    test_dir_free(w->dir);
    free(w->path);
    free(w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_out_as_they_went_in_also_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(it_never_grows_beyond_its_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(every_torn_tail_is_cut_off_and_told, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_is_not_forwarded_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_changed_behind_our_back_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
