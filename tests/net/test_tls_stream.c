/* Blocking TLS streams: a server thread and a client over a socket pair. */
#include "test_net.h"

#include <pthread.h>
#include <sys/socket.h>

static struct pki shared;

struct side {
    const struct sc_tls *tls;
    int fd;
    sc_err err;
    struct sc_diag diag;
    char peer[300];
    size_t received;
};

/* Accepts, echoes until the end. */
static void *serve(void *arg)
{
    struct side *s = arg;
    struct sc_tls_stream *t = NULL;
    s->err = sc_tls_accept(s->tls, s->fd, 5000, &t, &s->diag);
    if (s->err != SC_OK) {
        close(s->fd);
        return NULL;
    }
    snprintf(s->peer, sizeof s->peer, "%s", sc_tls_stream_peer(t));
    uint8_t buf[5000];
    size_t n = 1;
    while (s->err == SC_OK && n != 0) {
        s->err = sc_tls_stream_read(t, buf, sizeof buf, 5000, &n, &s->diag);
        if (s->err == SC_OK && n != 0)
            s->err = sc_tls_stream_write(t, sc_slice_of(buf, n), 5000, &s->diag);
        s->received += s->err == SC_OK ? n : 0;
    }
    sc_tls_stream_free(t);
    return NULL;
}

struct pair {
    struct side server;
    pthread_t thread;
    int fd;
};

static void pair_start(struct pair *p, const struct sc_tls *server)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    *p = (struct pair){ .server = { .tls = server, .fd = fd[0] }, .fd = fd[1] };
    assert_int_equal(pthread_create(&p->thread, NULL, serve, &p->server), 0);
}

static void bytes_come_back_and_the_end_is_orderly(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, shared.server);
    struct sc_tls_stream *t = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_tls_connect(shared.client, p.fd, ID_SERVER, 5000, &t, &diag), &diag);
    assert_string_equal(sc_tls_stream_peer(t), ID_SERVER);
    assert_int_equal(sc_tls_stream_fd(t), p.fd);
    uint8_t out[40000];
    uint8_t in[40000];
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 7);
    for (size_t size = 1; size <= sizeof out; size = size * 3 + 1) {
        assert_ok(sc_tls_stream_write(t, sc_slice_of(out, size), 5000, NULL));
        size_t got = 0;
        while (got < size) {
            size_t n = 0;
            assert_ok(sc_tls_stream_read(t, in + got, size - got, 5000, &n, NULL));
            assert_true(n != 0);
            got += n;
        }
        assert_memory_equal(in, out, size);
    }
    size_t n = 77;
    assert_err(sc_tls_stream_read(t, in, 1, 20, &n, NULL), SC_E_AGAIN); /* nobody speaks */
    assert_int_equal(n, 77);
    assert_int_equal(sc_tls_stream_pending(t), 0);
    sc_tls_stream_free(t);
    pthread_join(p.thread, NULL);
    assert_ok_diag(p.server.err, &p.server.diag);
    assert_string_equal(p.server.peer, ID_CLIENT);
    assert_true(p.server.received > 40000 / 3);
}

static void wrong_peers_are_refused_on_both_sides(void **state)
{
    (void)state;
    const struct {
        const struct sc_tls *server, *client;
        const char *expected;
        const char *server_says; /* NULL: no failure is promised there */
        const char *client_says;
    } cases[] = {
        { shared.server, shared.client, ID_INTRUDER, NULL, "peer is " ID_SERVER },
        { shared.server, shared.foreign, ID_SERVER, "certificate", NULL },
        { shared.foreign, shared.client, ID_CLIENT, "TLS handshake", "certificate" },
        { shared.server, shared.nameless, ID_SERVER, "no SPIFFE ID", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair p;
        pair_start(&p, cases[i].server);
        struct sc_tls_stream *t = NULL;
        struct sc_diag diag = { 0 };
        const sc_err err = sc_tls_connect(cases[i].client, p.fd, cases[i].expected, 5000, &t, &diag);
        if (cases[i].client_says != NULL) {
            assert_err(err, SC_E_AUTH);
            assert_contains(diag.text, cases[i].client_says);
        }
        if (err == SC_OK)
            sc_tls_stream_free(t);
        else
            assert_int_equal(close(p.fd), 0); /* the caller's until we succeed */
        pthread_join(p.thread, NULL);
        if (cases[i].server_says != NULL) {
            assert_err(p.server.err, SC_E_AUTH);
            assert_contains(p.server.diag.text, cases[i].server_says);
        }
    }
}

static void a_silent_peer_times_out(void **state)
{
    (void)state;
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    struct sc_tls_stream *t = NULL;
    const int64_t before = sc_mono_us(&sc_clock_system);
    assert_err(sc_tls_accept(shared.server, fd[0], 100, &t, NULL), SC_E_AGAIN);
    assert_in_range(sc_mono_us(&sc_clock_system) - before, 90000, 3000000);
    close(fd[0]);
    close(fd[1]);
}

static void garbage_is_no_handshake(void **state)
{
    (void)state;
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_ok(sc_fd_write_all(fd[1], sc_slice_str("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), NULL));
    struct sc_tls_stream *t = NULL;
    assert_err(sc_tls_accept(shared.server, fd[0], 1000, &t, NULL), SC_E_AUTH);
    close(fd[0]);
    close(fd[1]);
}

static void contexts_name_the_file_that_is_wrong(void **state)
{
    (void)state;
    SC_CLEANUP(sc_freep) char *cert = test_path(shared.dir, "server/cert.pem");
    SC_CLEANUP(sc_freep) char *key = test_path(shared.dir, "server/key.pem");
    SC_CLEANUP(sc_freep) char *other_key = test_path(shared.dir, "client/key.pem");
    SC_CLEANUP(sc_freep) char *ca = test_path(shared.dir, "server/ca.pem");
    SC_CLEANUP(sc_freep) char *encrypted = test_path(shared.dir, "encrypted.pem");
    /* an encrypted key must not make a service ask the terminal */
    test_write(shared.dir, "encrypted.pem",
               sc_slice_str("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                            "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
                            "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAAAAAAAAAAAAAAAAAAAAAAEQAAA\n"
                            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                            "AAAAAAAAAAAAAAAAAAAAAAA=\n"
                            "-----END ENCRYPTED PRIVATE KEY-----\n"));
    const struct {
        struct sc_tls_files files;
        const char *named;
    } cases[] = {
        { { "/nowhere", key, ca }, "/nowhere" },      { { cert, "/nowhere", ca }, "/nowhere" },
        { { cert, key, "/nowhere" }, "/nowhere" },    { { cert, other_key, ca }, "private key" },
        { { cert, encrypted, ca }, "encrypted.pem" }, { { key, key, ca }, "key.pem" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sc_tls *tls = NULL;
        struct sc_diag diag = { 0 };
        assert_int_not_equal(sc_tls_new(&cases[i].files, &tls, &diag), SC_OK);
        assert_null(tls);
        assert_contains(diag.text, cases[i].named);
    }
}

static int setup(void **state)
{
    (void)state;
    struct sc_loop *loop = NULL; /* as every service has one: without it SIGPIPE ends us */
    if (sc_loop_new(&loop, NULL) != SC_OK)
        return -1;
    sc_loop_free(loop);
    pki_new(&shared);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pki_free(&shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_and_the_end_is_orderly),
        cmocka_unit_test(wrong_peers_are_refused_on_both_sides),
        cmocka_unit_test(a_silent_peer_times_out),
        cmocka_unit_test(garbage_is_no_handshake),
        cmocka_unit_test(contexts_name_the_file_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
