/* HTTP requests from bytes, however they are cut; and gzip. */
#include "net/gzip.h"
#include "net/http_request.h"
#include "test.h"

#include <zlib.h>

struct judge {
    unsigned calls;
    sc_err verdict;
};

static sc_err judge(void *arg, struct sc_http_reader *r)
{
    struct judge *j = arg;
    j->calls++;
    assert_int_equal(sc_http_reader_body(r).size, 0); /* asked before any of it is kept */
    return j->verdict;
}

static const char request[] = "POST /sql?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-TYPE: application/json\r\n"
                              "Content-Length: 11\r\n\r\nhello world";
static const char chunked[] = "POST /sql HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

static void check_request(struct sc_http_reader *r)
{
    struct sc_slice value;
    assert_string_equal(sc_http_reader_method(r), "POST");
    assert_true(sc_slice_eq(sc_http_reader_path(r), sc_slice_str("/sql")));
    assert_true(sc_slice_eq(sc_http_reader_body(r), sc_slice_str("hello world")));
    assert_false(sc_http_reader_header(r, "Trailer", &value));
    assert_true(sc_http_reader_keep_alive(r));
    assert_false(sc_http_reader_is_1_0(r));
}

/* All of text in pieces of `piece` bytes; how feeding ended. */
static sc_err feed(struct sc_http_reader *r, struct sc_slice text, size_t piece, size_t *used_out)
{
    size_t at = 0;
    sc_err err = SC_E_AGAIN;
    while (err == SC_E_AGAIN && at < text.size) {
        size_t used = 0;
        const size_t n = text.size - at < piece ? text.size - at : piece;
        err = sc_http_reader_feed(r, (struct sc_slice){ text.ptr + at, n }, &used);
        at += used;
    }
    *used_out = at;
    return err;
}

static void requests_are_read_however_they_are_cut(void **state)
{
    (void)state;
    const struct sc_slice texts[] = { sc_slice_str(request), sc_slice_str(chunked) };
    for (size_t t = 0; t < 2; t++) {
        for (size_t piece = 1; piece <= texts[t].size; piece++) {
            struct judge j = { 0 };
            struct sc_slice value;
            size_t used = 0;
            SC_CLEANUP(sc_http_reader_freep) struct sc_http_reader *r = NULL;
            assert_ok(sc_http_reader_new(100, judge, &j, &r));
            assert_false(sc_http_reader_begun(r));
            for (int round = 1; round <= 3; round++) { /* one after another on one connection */
                assert_ok(feed(r, texts[t], piece, &used));
                assert_int_equal(used, texts[t].size);
                assert_int_equal(j.calls, round);
                check_request(r);
                if (t == 0) {
                    assert_true(sc_http_reader_header(r, "content-type", &value));
                    assert_true(sc_slice_eq(value, sc_slice_str("application/json")));
                }
                sc_http_reader_next(r);
            }
        }
    }
}

static void a_pipelined_request_waits(void **state)
{
    (void)state;
    struct judge j = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf two = { 0 };
    SC_CLEANUP(sc_http_reader_freep) struct sc_http_reader *r = NULL;
    size_t used = 0;
    sc_buf_put_str(&two, request);
    sc_buf_put_str(&two, chunked);
    assert_ok(sc_http_reader_new(100, judge, &j, &r));
    assert_ok(sc_http_reader_feed(r, sc_buf_slice(&two), &used));
    assert_int_equal(used, strlen(request));
    check_request(r);
    sc_http_reader_next(r);
    assert_ok(sc_http_reader_feed(r, (struct sc_slice){ two.ptr + used, two.size - used }, &used));
    check_request(r);
}

static void what_is_wrong_or_too_large_is_refused(void **state)
{
    (void)state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf headers = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf long_header = { 0 };
    sc_buf_put_str(&headers, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 65; i++)
        sc_buf_put_fmt(&headers, "X%d: y\r\n", i);
    sc_buf_put_str(&headers, "\r\n");
    sc_buf_put_str(&long_header, "GET / HTTP/1.1\r\nX: ");
    memset(sc_buf_extend(&long_header, SC_HTTP_HEAD_SIZE_MAX), 'x', SC_HTTP_HEAD_SIZE_MAX);
    const struct {
        const char *text;
        sc_err err;
    } bad[] = {
        { "\r\n\r\nnonsense\r\n\r\n", SC_E_MALFORMED },
        { "GET / HTTP/1.1\r\nA: b\r\n c\x01\r\n: x\r\n\r\n", SC_E_MALFORMED },
        { "GET / HTTP/9\r\n\r\n", SC_E_MALFORMED },
        { "CONNECT a:1 HTTP/1.1\r\n\r\n", SC_E_MALFORMED },
        { "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", SC_E_MALFORMED },
        { "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", SC_E_MALFORMED },
        { "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", SC_E_MALFORMED },
        { "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", SC_E_MALFORMED },
        { "POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", SC_E_LIMIT },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", SC_E_MALFORMED },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
          "46\r\n0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
          "46\r\n0123456789012345678901234567890123456789012345678901234567890123456789\r\n0\r\n\r\n", SC_E_LIMIT },
        { sc_buf_cstr(&headers), SC_E_LIMIT },
        { sc_buf_cstr(&long_header), SC_E_LIMIT },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct judge j = { 0 };
        size_t used = 0;
        SC_CLEANUP(sc_http_reader_freep) struct sc_http_reader *r = NULL;
        assert_ok(sc_http_reader_new(100, judge, &j, &r));
        const sc_err err = feed(r, sc_slice_str(bad[i].text), 7, &used);
        if (err != bad[i].err)
            fail_msg("%.60s: %s", bad[i].text, sc_err_name(err));
        assert_err(feed(r, sc_slice_str(request), 1000, &used), bad[i].err); /* and stays so */
    }
}

static void who_may_not_sends_no_body(void **state)
{
    (void)state;
    struct judge j = { .verdict = SC_E_AUTH };
    size_t used = 0;
    SC_CLEANUP(sc_http_reader_freep) struct sc_http_reader *r = NULL;
    assert_ok(sc_http_reader_new(100, judge, &j, &r));
    assert_err(feed(r, sc_slice_str(request), 1000, &used), SC_E_AUTH);
    assert_int_equal(sc_http_reader_body(r).size, 0);
}

static void what_is_packed_comes_out_again(void **state)
{
    (void)state;
    struct sc_prng p;
    sc_prng_init(&p, test_seed(3));
    for (int round = 0; round < 30; round++) {
        struct sc_gzip *z = NULL;
        SC_CLEANUP(sc_buf_deinit) struct sc_buf plain = { 0 };
        SC_CLEANUP(sc_buf_deinit) struct sc_buf packed = { 0 };
        assert_ok(sc_gzip_new(&z));
        for (uint64_t pieces = sc_prng_below(&p, 8); pieces > 0; pieces--) {
            const size_t before = plain.size;
            for (uint64_t n = sc_prng_below(&p, 20000); n > 0; n--)
                sc_buf_put_u8(&plain, (uint8_t)sc_prng_below(&p, round % 2 == 0 ? 256 : 4));
            const struct sc_slice piece = sc_slice_of(plain.ptr != NULL ? plain.ptr + before : NULL, plain.size - before);
            assert_ok(sc_gzip_put(z, piece, false, &packed));
        }
        assert_ok(sc_gzip_put(z, SC_SLICE_EMPTY, true, &packed));
        sc_gzip_free(z);
        uint8_t *out = malloc(plain.size + 1);
        z_stream in = { .next_in = packed.ptr, .avail_in = (uInt)packed.size, .next_out = out, .avail_out = (uInt)plain.size + 1 };
        assert_int_equal(inflateInit2(&in, MAX_WBITS + 16), Z_OK);
        assert_int_equal(inflate(&in, Z_FINISH), Z_STREAM_END);
        assert_int_equal(in.total_out, plain.size);
        assert_int_equal(in.avail_in, 0);
        if (plain.size != 0)
            assert_memory_equal(out, plain.ptr, plain.size);
        inflateEnd(&in);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_however_they_are_cut),
        cmocka_unit_test(a_pipelined_request_waits),
        cmocka_unit_test(what_is_wrong_or_too_large_is_refused),
        cmocka_unit_test(who_may_not_sends_no_body),
        cmocka_unit_test(what_is_packed_comes_out_again),
    };
    return cmocka_run_group_tests_name("net/http_request", tests, NULL, NULL);
}
