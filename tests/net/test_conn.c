/* Message connections: server and clients on one loop in one process, each test once plain and once over TLS. */
#include "net/conn.h"
#include "test_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define MESSAGE_MAX ((size_t)300000)
#define OUTPUT_MAX  ((size_t)1 << 20)
#define WAIT_MS     8000

struct world;

/* One end, as its owner sees it. */
struct end {
    struct world *world;
    struct sc_dialer *dialer; /* a client's */
    struct sc_conn *conn;     /* the latest */
    unsigned opened, closed, messages, drained, refused;
    size_t bytes;
    uint64_t hash;            /* of all message bytes, FNV-1a over sizes and content */
    char why[300], peer[300];
    bool echo;                /* send back what comes */
    bool pause;               /* pause after each message */
    void (*on_message)(struct end *e, struct sc_conn *c, struct sc_slice bytes); /* further mischief */
    void (*on_closed)(struct end *e);
};

struct world {
    bool tls;
    struct pki pki;
    struct sc_loop *loop;
    struct sc_listener *listener;
    uint16_t port;
    struct end server;
    struct end client[4];
};

static uint64_t fnv(uint64_t h, const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t hash_message(uint64_t h, struct sc_slice s)
{
    const uint64_t size = s.size;
    return fnv(fnv(h, (const uint8_t *)&size, sizeof size), s.ptr, s.size);
}

static void on_opened(void *arg, struct sc_conn *c)
{
    struct end *e = arg;
    e->opened++;
    e->conn = c;
    snprintf(e->peer, sizeof e->peer, "%s", sc_conn_peer(c));
}

static void on_message(void *arg, struct sc_conn *c, struct sc_slice bytes)
{
    struct end *e = arg;
    e->messages++;
    e->bytes += bytes.size;
    e->hash = hash_message(e->hash, bytes);
    if (e->echo)
        assert_ok(sc_conn_send(c, bytes));
    if (e->pause)
        sc_conn_read_pause(c);
    if (e->on_message != NULL)
        e->on_message(e, c, bytes);
}

static void on_drained(void *arg, struct sc_conn *c)
{
    struct end *e = arg;
    (void)c;
    e->drained++;
}

static void on_closed(void *arg, struct sc_conn *c, const char *why)
{
    struct end *e = arg;
    e->closed++;
    if (e->conn == c)
        e->conn = NULL;
    snprintf(e->why, sizeof e->why, "%s", why);
    if (e->on_closed != NULL)
        e->on_closed(e);
}

static void on_refused(void *arg, const char *peer, const char *why)
{
    struct end *e = arg;
    (void)peer;
    e->refused++;
    snprintf(e->why, sizeof e->why, "%s", why);
}

static const struct sc_conn_events events = { on_opened, on_message, on_drained, on_closed };

static bool allow_not_intruder(void *arg, const char *id)
{
    (void)arg;
    return strcmp(id, ID_INTRUDER) != 0;
}

static void listen_on(struct world *w, uint16_t port)
{
    const struct sc_listener_options opt = {
        .conn = { .host = HOST, .port = port, .tls = w->tls ? w->pki.server : NULL, .message_size_max = MESSAGE_MAX,
                  .output_size_max = OUTPUT_MAX, .events = &events, .arg = &w->server },
        .conn_count_max = 3, .allow = allow_not_intruder, .refused = on_refused };
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_listener_new(w->loop, &opt, &w->listener, &diag), &diag);
    w->port = sc_listener_port(w->listener);
}

static void dial_as(struct world *w, struct end *e, const struct sc_tls *tls, const char *expected_id)
{
    const struct sc_conn_options opt = { .host = HOST, .port = w->port, .tls = w->tls ? tls : NULL,
                                         .message_size_max = MESSAGE_MAX, .output_size_max = OUTPUT_MAX,
                                         .events = &events, .arg = e, .failed = on_refused };
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_dialer_new(w->loop, &opt, expected_id, &e->dialer, &diag), &diag);
}

static void dial(struct world *w, struct end *e)
{
    dial_as(w, e, w->pki.client, ID_SERVER);
}

#define HOLDS(name, expr)                                                                                              \
    static bool name(void *arg)                                                                                        \
    {                                                                                                                  \
        const struct world *w = arg;                                                                                   \
        return expr;                                                                                                   \
    }
HOLDS(first_open, w->client[0].conn != NULL && w->server.conn != NULL)
HOLDS(all_open, w->client[0].conn != NULL && w->client[1].conn != NULL && w->client[2].conn != NULL && w->server.opened == 3)
HOLDS(client_closed, w->client[0].closed > 0)
HOLDS(server_closed, w->server.closed > 0)
HOLDS(client_refused, w->client[0].refused > 0)
HOLDS(server_refused, w->server.refused > 0)

static struct world *open_pair(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    dial(w, &w->client[0]);
    assert_true(loop_until(w->loop, first_open, w, WAIT_MS));
    return w;
}

/* ---- echo ---- */
static void messages_of_every_size_come_back_unchanged(void **state)
{
    struct world *w = open_pair(state);
    assert_string_equal(w->client[0].peer, w->tls ? ID_SERVER : sc_conn_peer(w->client[0].conn));
    if (w->tls)
        assert_string_equal(w->server.peer, ID_CLIENT);
    w->server.echo = true;
    static const size_t sizes[] = { 0, 1, 2, 3, 4, 5, 1000, 4096, 16383, 16384, 16385, 65536, 131071, MESSAGE_MAX - 1, MESSAGE_MAX };
    uint8_t *bytes = malloc(MESSAGE_MAX);
    struct sc_prng prng;
    sc_prng_init(&prng, test_seed(20));
    uint64_t hash = 0;
    unsigned sent = 0;
    for (unsigned round = 0; round < 60; round++) {
        const size_t size = round < 15 ? sizes[round] : (size_t)sc_prng_below(&prng, round % 3 == 0 ? 100000 : 300);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(i * 31 + round);
        sc_err err;
        while ((err = sc_conn_send(w->client[0].conn, sc_slice_of(bytes, size))) == SC_E_AGAIN)
            loop_for(w->loop, 5);
        assert_ok(err);
        hash = hash_message(hash, sc_slice_of(bytes, size));
        sent++;
        const int64_t until = sc_mono_us(&sc_clock_system) + WAIT_MS * 1000;
        while (round % 4 == 3 && w->client[0].messages < sent && sc_mono_us(&sc_clock_system) < until)
            loop_for(w->loop, 1);
    }
    const int64_t until = sc_mono_us(&sc_clock_system) + WAIT_MS * 1000;
    while (w->client[0].messages < sent && sc_mono_us(&sc_clock_system) < until)
        loop_for(w->loop, 1);
    free(bytes);
    assert_int_equal(w->client[0].messages, sent);
    assert_true(w->client[0].hash == hash); /* order, sizes and content */
    assert_true(w->server.hash == hash);
}

static void an_oversize_message_ends_only_its_own_connection(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    w->server.echo = true;
    for (int i = 0; i < 3; i++)
        dial(w, &w->client[i]);
    assert_true(loop_until(w->loop, all_open, w, WAIT_MS));
    uint8_t *big = calloc(1, MESSAGE_MAX + 1);
    assert_ok(sc_conn_send(w->client[0].conn, sc_slice_of(big, MESSAGE_MAX + 1)));
    free(big);
    assert_true(loop_until(w->loop, server_closed, w, WAIT_MS));
    assert_contains(w->server.why, "at most 300000 are accepted");
    assert_int_equal(w->server.messages, 0);
    assert_ok(sc_conn_send(w->client[1].conn, sc_slice_str("still here")));
    assert_ok(sc_conn_send(w->client[2].conn, sc_slice_str("me too")));
    loop_for(w->loop, 100);
    assert_int_equal(w->client[1].messages, 1);
    assert_int_equal(w->client[2].messages, 1);
    assert_int_equal(w->client[1].closed + w->client[2].closed, 0);
}

/* ---- bounds ---- */
static void a_full_output_says_again_and_tells_when_drained(void **state)
{
    struct world *w = open_pair(state);
    sc_conn_read_pause(w->server.conn);
    uint8_t block[50000] = { 1 };
    unsigned sent = 0;
    bool full = false;
    for (int i = 0; i < 1000 && !full; i++) { /* the kernel's buffers fill, then ours */
        const sc_err err = sc_conn_send(w->client[0].conn, sc_slice_of(block, sizeof block));
        assert_true(err == SC_OK || err == SC_E_AGAIN);
        sent += err == SC_OK;
        if (err == SC_E_AGAIN) {
            loop_for(w->loop, 20);
            full = w->client[0].drained == 0;
        }
        if (err == SC_E_AGAIN && !full)
            w->client[0].drained = 0;
        assert_true(sc_conn_output_pending(w->client[0].conn) <= OUTPUT_MAX + 4);
    }
    assert_true(full);
    assert_int_equal(w->server.messages, 0);
    sc_conn_read_resume(w->server.conn);
    for (int i = 0; i < 800 && (w->server.messages < sent || w->client[0].drained == 0); i++)
        loop_for(w->loop, 10);
    assert_int_equal(w->server.messages, sent); /* nothing that was refused was half sent */
    assert_int_equal(w->client[0].drained, 1);
    assert_ok(sc_conn_send(w->client[0].conn, sc_slice_str("room again")));
    assert_err(sc_conn_send(w->client[0].conn, sc_slice_of(block, OUTPUT_MAX + 1)), SC_E_LIMIT);
}

static void a_paused_connection_hands_over_one_message_a_resume(void **state)
{
    struct world *w = open_pair(state);
    w->server.pause = true;
    for (int i = 0; i < 10; i++)
        assert_ok(sc_conn_send(w->client[0].conn, sc_slice_str("buffered together")));
    for (unsigned i = 1; i <= 10; i++) {
        loop_for(w->loop, 20);
        assert_int_equal(w->server.messages, i);
        sc_conn_read_resume(w->server.conn);
    }
    loop_for(w->loop, 20);
    assert_int_equal(w->server.messages, 10);
}

static void what_was_said_before_the_end_is_heard(void **state)
{
    struct world *w = open_pair(state);
    uint8_t block[7000] = { 9 };
    for (int i = 0; i < 40; i++)
        assert_ok(sc_conn_send(w->client[0].conn, sc_slice_of(block, sizeof block)));
    while (sc_conn_output_pending(w->client[0].conn) != 0 && w->server.messages < 40)
        loop_for(w->loop, 0);
    sc_conn_close(w->client[0].conn, "enough");
    assert_true(loop_until(w->loop, server_closed, w, WAIT_MS));
    assert_int_equal(w->server.messages, 40);
    assert_string_equal(w->server.why, "closed by peer");
}

/* All of it, and the end behind it, wait in the kernel when reading begins. */
static void what_arrives_together_with_the_end_is_heard(void **state)
{
    struct world *w = *state;
    uint8_t block[3000] = { 7 };
    listen_on(w, 0);
    for (unsigned round = 1; round <= 40; round++) {
        dial(w, &w->client[0]);
        assert_true(loop_until(w->loop, first_open, w, WAIT_MS));
        struct sc_conn *conn = w->server.conn;
        w->server.messages = 0;
        w->server.closed = 0;
        sc_conn_read_pause(conn);
        for (unsigned i = 0; i < round; i++)
            assert_ok(sc_conn_send(w->client[0].conn, sc_slice_of(block, round * 67)));
        for (int i = 0; i < 1000 && sc_conn_output_pending(w->client[0].conn) != 0; i++)
            loop_for(w->loop, 0);
        sc_dialer_free(SC_TAKE(w->client[0].dialer));
        loop_for(w->loop, 1);
        sc_conn_read_resume(conn);
        assert_true(loop_until(w->loop, server_closed, w, WAIT_MS));
        assert_int_equal(w->server.messages, round);
    }
}

static void a_pause_delays_the_end_until_all_is_heard(void **state)
{
    struct world *w = open_pair(state);
    w->server.pause = true;
    for (int i = 0; i < 5; i++)
        assert_ok(sc_conn_send(w->client[0].conn, sc_slice_str("last words")));
    loop_for(w->loop, 50);
    struct sc_conn *conn = w->server.conn;
    sc_dialer_free(SC_TAKE(w->client[0].dialer));
    for (unsigned i = 2; i <= 5; i++) {
        sc_conn_read_resume(conn);
        loop_for(w->loop, 30);
        assert_int_equal(w->server.messages, i);
        assert_int_equal(w->server.closed, 0);
    }
    sc_conn_read_resume(conn);
    assert_true(loop_until(w->loop, server_closed, w, WAIT_MS));
}

/* ---- rights (TLS) ---- */
static void a_client_of_another_ca_is_refused(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    dial_as(w, &w->client[0], w->pki.foreign, ID_SERVER);
    assert_true(loop_until(w->loop, server_refused, w, WAIT_MS));
    assert_contains(w->server.why, "certificate");
    assert_int_equal(w->server.opened, 0);
}

static void a_server_of_another_ca_is_refused_by_the_dialer(void **state)
{
    struct world *w = *state;
    struct sc_tls *ours = w->pki.server;
    w->pki.server = w->pki.foreign; /* its certificate is not of the CA that the client trusts */
    listen_on(w, 0);
    w->pki.server = ours;
    dial(w, &w->client[0]);
    assert_true(loop_until(w->loop, client_refused, w, WAIT_MS));
    assert_contains(w->client[0].why, "certificate");
    assert_int_equal(w->client[0].opened, 0);
    assert_int_equal(w->server.opened, 0);
}

static void a_server_with_another_name_is_refused_by_the_dialer(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    dial_as(w, &w->client[0], w->pki.client, ID_INTRUDER);
    assert_true(loop_until(w->loop, client_refused, w, WAIT_MS));
    assert_contains(w->client[0].why, "peer is " ID_SERVER ", expected " ID_INTRUDER);
    assert_int_equal(w->client[0].opened, 0);
}

static void an_identity_without_the_right_is_refused_by_the_listener(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    dial_as(w, &w->client[0], w->pki.intruder, ID_SERVER);
    assert_true(loop_until(w->loop, server_refused, w, WAIT_MS));
    assert_contains(w->server.why, "no right");
    assert_int_equal(w->server.opened, 0);
    assert_int_equal(sc_listener_conn_count(w->listener), 0);
}

static void a_certificate_without_a_spiffe_id_is_refused(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    dial_as(w, &w->client[0], w->pki.nameless, ID_SERVER);
    assert_true(loop_until(w->loop, server_refused, w, WAIT_MS));
    assert_contains(w->server.why, "no SPIFFE ID");
    assert_int_equal(w->server.opened, 0);
}

static int raw_connect(uint16_t port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&addr, sizeof addr), 0);
    return fd;
}

static void a_peer_that_speaks_no_tls_is_refused(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    SC_CLEANUP(sc_fd_closep) int fd = raw_connect(w->port);
    assert_ok(sc_fd_write_all(fd, sc_slice_str("GET / HTTP/1.0\r\n\r\n"), NULL));
    assert_true(loop_until(w->loop, server_refused, w, WAIT_MS));
    assert_int_equal(w->server.opened, 0);
}

static void a_refused_dialer_does_not_dial_in_a_tight_circle(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    dial_as(w, &w->client[0], w->pki.intruder, ID_SERVER);
    loop_for(w->loop, 1500);
    assert_in_range(w->server.refused, 2, 7); /* after 0, 50, 150, 350, 750, 1550 ms */
}

/* ---- coming and going ---- */
static void more_connections_than_allowed_are_refused(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    for (int i = 0; i < 3; i++)
        dial(w, &w->client[i]);
    assert_true(loop_until(w->loop, all_open, w, WAIT_MS));
    dial(w, &w->client[3]);
    assert_true(loop_until(w->loop, server_refused, w, WAIT_MS));
    assert_contains(w->server.why, "too many");
    assert_int_equal(sc_listener_conn_count(w->listener), 3);
    sc_dialer_free(SC_TAKE(w->client[0].dialer)); /* makes room: the fourth comes in on a later attempt */
    for (int i = 0; i < 300 && w->client[3].conn == NULL; i++)
        loop_for(w->loop, 10);
    assert_non_null(w->client[3].conn);
}

static void a_dialer_comes_back_when_the_server_does(void **state)
{
    struct world *w = open_pair(state);
    const uint16_t port = w->port;
    struct sc_conn *first = sc_dialer_conn(w->client[0].dialer);
    assert_non_null(first);
    sc_listener_free(SC_TAKE(w->listener));
    assert_int_equal(w->server.closed, 1); /* told before free returned */
    assert_true(loop_until(w->loop, client_closed, w, WAIT_MS));
    assert_null(sc_dialer_conn(w->client[0].dialer));
    loop_for(w->loop, 200);
    assert_true(w->client[0].refused > 0); /* nobody there */
    listen_on(w, port);
    assert_true(loop_until(w->loop, first_open, w, WAIT_MS));
    assert_non_null(sc_dialer_conn(w->client[0].dialer));
    assert_ok(sc_conn_send(w->client[0].conn, sc_slice_str("again")));
    loop_for(w->loop, 100);
    assert_int_equal(w->server.messages, 1);
}

/* ---- owners that go in the midst of a callback ---- */
static void close_from_message(struct end *e, struct sc_conn *c, struct sc_slice bytes)
{
    const unsigned before = e->closed;
    sc_conn_close(c, "had enough");
    sc_conn_close(c, "twice does nothing");
    assert_int_equal(e->closed, before);                /* told after the callback ... */
    assert_err(sc_conn_send(c, bytes), SC_E_AGAIN);     /* ... and nothing more can be sent */
    sc_conn_read_resume(c);
}

static void a_callback_may_close_its_connection(void **state)
{
    struct world *w = open_pair(state);
    w->server.on_message = close_from_message;
    for (int i = 0; i < 3; i++)
        assert_ok(sc_conn_send(w->client[0].conn, sc_slice_str("x")));
    assert_true(loop_until(w->loop, server_closed, w, WAIT_MS));
    assert_int_equal(w->server.messages, 1); /* nothing is handed over after the close */
    assert_string_equal(w->server.why, "had enough");
}

static void free_listener_from_message(struct end *e, struct sc_conn *c, struct sc_slice bytes)
{
    (void)c;
    const uint8_t first = bytes.ptr[0];
    sc_listener_free(SC_TAKE(e->world->listener));
    assert_int_equal(e->closed, 3);          /* all were told */
    assert_int_equal(bytes.ptr[0], first);   /* the message stays readable to the end of the callback */
}

static void a_callback_may_free_the_listener(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    for (int i = 0; i < 3; i++)
        dial(w, &w->client[i]);
    assert_true(loop_until(w->loop, all_open, w, WAIT_MS));
    w->server.on_message = free_listener_from_message;
    assert_ok(sc_conn_send(w->client[1].conn, sc_slice_str("go")));
    assert_ok(sc_conn_send(w->client[1].conn, sc_slice_str("go")));
    assert_true(loop_until(w->loop, server_closed, w, WAIT_MS));
    loop_for(w->loop, 50);
    assert_int_equal(w->server.closed, 3);
    assert_int_equal(w->server.messages, 1);
}

static void free_dialer_from_message(struct end *e, struct sc_conn *c, struct sc_slice bytes)
{
    (void)c;
    (void)bytes;
    sc_dialer_free(SC_TAKE(e->dialer));
    assert_int_equal(e->closed, 1);
}

static void a_callback_may_free_the_dialer(void **state)
{
    struct world *w = open_pair(state);
    w->client[0].on_message = free_dialer_from_message;
    assert_ok(sc_conn_send(w->server.conn, sc_slice_str("go")));
    assert_ok(sc_conn_send(w->server.conn, sc_slice_str("go")));
    assert_true(loop_until(w->loop, client_closed, w, WAIT_MS));
    loop_for(w->loop, 200);
    assert_int_equal(w->client[0].messages, 1);
    assert_int_equal(w->client[0].opened, 1); /* it does not come back */
}

static void free_dialer_from_closed(struct end *e)
{
    sc_dialer_free(SC_TAKE(e->dialer));
}

static void the_end_of_a_connection_may_free_its_dialer(void **state)
{
    struct world *w = open_pair(state);
    w->client[0].on_closed = free_dialer_from_closed;
    sc_conn_close(w->server.conn, "go");
    assert_true(loop_until(w->loop, client_closed, w, WAIT_MS));
    loop_for(w->loop, 200);
    assert_int_equal(w->client[0].opened, 1);
}

static void free_listener_from_closed(struct end *e)
{
    if (e->world->listener != NULL)
        sc_listener_free(SC_TAKE(e->world->listener));
}

static void the_end_of_a_connection_may_free_its_listener(void **state)
{
    struct world *w = *state;
    listen_on(w, 0);
    for (int i = 0; i < 3; i++)
        dial(w, &w->client[i]);
    assert_true(loop_until(w->loop, all_open, w, WAIT_MS));
    w->server.on_closed = free_listener_from_closed;
    sc_dialer_free(SC_TAKE(w->client[1].dialer));
    assert_true(loop_until(w->loop, server_closed, w, WAIT_MS));
    assert_int_equal(w->server.closed, 3);
}

static void bad_addresses_are_told_at_once(void **state)
{
    struct world *w = *state;
    struct sc_diag diag = { 0 };
    const struct sc_conn_options opt = { .host = "localhost", .port = 1, .events = &events };
    struct sc_dialer *d = NULL;
    assert_err(sc_dialer_new(w->loop, &opt, NULL, &d, &diag), SC_E_USAGE);
    assert_contains(diag.text, "not a numeric");
    listen_on(w, 0);
    struct sc_listener *second = NULL;
    const struct sc_listener_options taken = { .conn = { .host = HOST, .port = w->port, .events = &events } };
    diag = (struct sc_diag){ 0 };
    assert_err(sc_listener_new(w->loop, &taken, &second, &diag), SC_E_IO);
    assert_contains(diag.text, "Address already in use");
    const struct sc_conn_options tls = { .host = HOST, .port = 1, .tls = w->pki.client, .events = &events };
    assert_err(sc_dialer_new(w->loop, &tls, NULL, &d, NULL), SC_E_USAGE); /* whom do we expect? */
}

/* ---- ---- */
static struct pki shared_pki; /* keys are slow to make; the contexts are immutable */

static int setup(void **state, bool tls)
{
    struct world *w = calloc(1, sizeof *w);
    w->tls = tls;
    w->pki = shared_pki;
    w->server.world = w;
    for (int i = 0; i < 4; i++)
        w->client[i].world = w;
    *state = w;
    return sc_loop_new(&w->loop, NULL) == SC_OK ? 0 : -1;
}

static int setup_plain(void **state)
{
    return setup(state, false);
}

static int setup_tls(void **state)
{
    return setup(state, true);
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        sc_dialer_free(w->client[i].dialer);
    sc_listener_free(w->listener);
    loop_for(w->loop, 0);
    sc_loop_free(w->loop);
    free(w);
    return 0;
}

static int make_pki(void **state)
{
    (void)state;
    pki_new(&shared_pki);
    return 0;
}

static int drop_pki(void **state)
{
    (void)state;
    pki_free(&shared_pki);
    return 0;
}

#define PLAIN(f) cmocka_unit_test_setup_teardown(f, setup_plain, teardown)
#define TLS(f)   { #f " (TLS)", f, setup_tls, teardown, NULL }
#define BOTH(f)  PLAIN(f), TLS(f)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(messages_of_every_size_come_back_unchanged),
        BOTH(an_oversize_message_ends_only_its_own_connection),
        BOTH(a_full_output_says_again_and_tells_when_drained),
        BOTH(a_paused_connection_hands_over_one_message_a_resume),
        BOTH(what_was_said_before_the_end_is_heard),
        BOTH(what_arrives_together_with_the_end_is_heard),
        BOTH(a_pause_delays_the_end_until_all_is_heard),
        TLS(a_client_of_another_ca_is_refused),
        TLS(a_server_of_another_ca_is_refused_by_the_dialer),
        TLS(a_server_with_another_name_is_refused_by_the_dialer),
        TLS(an_identity_without_the_right_is_refused_by_the_listener),
        TLS(a_certificate_without_a_spiffe_id_is_refused),
        TLS(a_peer_that_speaks_no_tls_is_refused),
        TLS(a_refused_dialer_does_not_dial_in_a_tight_circle),
        BOTH(more_connections_than_allowed_are_refused),
        BOTH(a_dialer_comes_back_when_the_server_does),
        BOTH(a_callback_may_close_its_connection),
        BOTH(a_callback_may_free_the_listener),
        BOTH(a_callback_may_free_the_dialer),
        BOTH(the_end_of_a_connection_may_free_its_dialer),
        BOTH(the_end_of_a_connection_may_free_its_listener),
        TLS(bad_addresses_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
