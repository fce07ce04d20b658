#include "net/http.h"
#include "test_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

struct server {
    struct sc_loop *loop;
    struct sc_http *http;
    pthread_t thread;
    char url[64];
};

static void answer(void *arg, const struct sc_http_request *req, struct sc_http_response *res)
{
    (void)arg;
    if (strcmp(req->path, "/hello") == 0) {
        sc_buf_put_fmt(&res->body, "%s %zu", req->method, req->body.size);
    } else if (strcmp(req->path, "/a b") == 0) {
        sc_buf_put_str(&res->body, "decoded");
    } else if (strcmp(req->path, "/big") == 0) {
        uint8_t *p = sc_buf_extend(&res->body, 1000000);
        memset(p, 'b', 1000000);
    } else if (strcmp(req->path, "/busy") == 0) {
        res->status = 503;
        sc_buf_put_str(&res->body, "not now");
    } else if (strcmp(req->path, "/broken") == 0) {
        res->body.size_max = 10;
        sc_buf_put_str(&res->body, "more than ten bytes");
    } else {
        res->status = 404;
        sc_buf_put_str(&res->body, "no such page");
    }
}

static void *run(void *arg)
{
    struct server *s = arg;
    sc_loop_run(s->loop);
    return NULL;
}

static sc_err get(const struct server *s, const char *path, struct sc_buf *out, struct sc_diag *diag)
{
    char url[256];
    snprintf(url, sizeof url, "%s%s", s->url, path);
    return sc_http_get(url, 5000, out, diag);
}

static void a_page_is_got_and_appended(void **state)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    sc_buf_put_str(&b, ">");
    assert_ok(get(*state, "/hello?x=1", &b, NULL));
    assert_string_equal(sc_buf_cstr(&b), ">GET 0");
    sc_buf_reset(&b);
    assert_ok(get(*state, "/a%20b", &b, NULL));
    assert_string_equal(sc_buf_cstr(&b), "decoded");
    sc_buf_reset(&b);
    assert_ok(get(*state, "/big", &b, NULL));
    assert_int_equal(b.size, 1000000);
}

static void failures_are_told_apart_and_append_nothing(void **state)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    struct sc_diag diag = { 0 };
    assert_err(get(*state, "/nothing", &b, &diag), SC_E_IO);
    assert_contains(diag.text, "404");
    assert_err(get(*state, "/busy", &b, NULL), SC_E_AGAIN);
    assert_err(get(*state, "/broken", &b, NULL), SC_E_IO);
    assert_err(get(*state, "/hello%00x", &b, NULL), SC_E_IO);
    assert_int_equal(b.size, 0);
    assert_err(sc_http_get("file:///etc/passwd", 1000, &b, NULL), SC_E_USAGE);
    assert_err(sc_http_get("http://127.0.0.1:1/", 1000, &b, NULL), SC_E_AGAIN);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf small = { .size_max = 1000 };
    assert_err(get(*state, "/big", &small, NULL), SC_E_LIMIT);
}

/* Sends bytes as they are; the status line of the answer into out. */
static void raw(const struct server *s, struct sc_slice request, char out[static 64])
{
    SC_CLEANUP(sc_fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(sc_http_port(s->http)),
                                .sin_addr = { htonl(INADDR_LOOPBACK) } };
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&addr, sizeof addr), 0);
    sc_ignore(sc_fd_write_all(fd, request, NULL)); /* a server that refuses may close before all is written */
    const ssize_t n = recv(fd, out, 63, 0);
    out[n > 0 ? n : 0] = '\0';
}

static void a_body_is_received_and_one_too_large_is_refused(void **state)
{
    char line[64];
    raw(*state, sc_slice_str("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"), line);
    assert_contains(line, " 200 ");
    raw(*state, sc_slice_str("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"), line);
    assert_null(strstr(line, " 200 "));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf big = { 0 };
    sc_buf_put_str(&big, "GET /hello HTTP/1.1\r\nX: ");
    memset(sc_buf_extend(&big, 20000), 'x', 20000);
    sc_buf_put_str(&big, "\r\n\r\n");
    raw(*state, sc_buf_slice(&big), line);
    assert_null(strstr(line, " 200 "));
    raw(*state, sc_slice_str("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n"), line);
    assert_null(strstr(line, " 200 "));
    raw(*state, sc_slice_str("\x01\x02\x03\r\n\r\n"), line);
    assert_null(strstr(line, " 200 "));
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    assert_ok(get(*state, "/hello", &b, NULL)); /* it lives on */
}

static void a_taken_port_is_told(void **state)
{
    const struct server *s = *state;
    struct sc_loop *loop = NULL;
    struct sc_http *second = NULL;
    struct sc_diag diag = { 0 };
    assert_ok(sc_loop_new(&loop, NULL));
    assert_err(sc_http_new(loop, HOST, sc_http_port(s->http), answer, NULL, &second, &diag), SC_E_IO);
    assert_contains(diag.text, "Address already in use");
    sc_loop_free(loop);
    sc_http_free(NULL);
}

static int setup(void **state)
{
    struct server *s = calloc(1, sizeof *s);
    *state = s;
    if (sc_loop_new(&s->loop, NULL) != SC_OK || sc_http_new(s->loop, HOST, 0, answer, NULL, &s->http, NULL) != SC_OK)
        return -1;
    snprintf(s->url, sizeof s->url, "http://" HOST ":%u", sc_http_port(s->http));
    return pthread_create(&s->thread, NULL, run, s);
}

static int teardown(void **state)
{
    struct server *s = *state;
    sc_loop_stop(s->loop);
    pthread_join(s->thread, NULL);
    sc_http_free(s->http);
    sc_loop_free(s->loop);
    free(s);
    return 0;
}

static void headers_of_an_answer_are_told(void **state)
{
    const struct server *s = *state;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf body = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf type = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf absent = { 0 };
    SC_CLEANUP(sc_buf_deinit) struct sc_buf tiny = { .size_max = 3 };
    const struct sc_http_header headers[] = { { "content-TYPE", &type }, { "Content", &absent } };
    const struct sc_http_header too_long[] = { { "Content-Type", &tiny } };
    char url[256];
    snprintf(url, sizeof url, "%s/hello", s->url);
    assert_ok(sc_http_fetch(url, 5000, headers, 2, &body, NULL));
    assert_string_equal(sc_buf_cstr(&type), "text/plain; charset=utf-8");
    assert_int_equal(absent.size, 0); /* a part of a name is not the name */
    assert_string_equal(sc_buf_cstr(&body), "GET 0");
    sc_buf_reset(&body);
    assert_err(sc_http_fetch(url, 5000, too_long, 1, &body, NULL), SC_E_LIMIT);
    snprintf(url, sizeof url, "%s/nothing", s->url);
    assert_err(sc_http_fetch(url, 5000, NULL, 0, &body, NULL), SC_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_got_and_appended),
        cmocka_unit_test(failures_are_told_apart_and_append_nothing),
        cmocka_unit_test(headers_of_an_answer_are_told),
        cmocka_unit_test(a_body_is_received_and_one_too_large_is_refused),
        cmocka_unit_test(a_taken_port_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
