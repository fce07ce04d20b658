#include "cascadb/server.h"

#include "base/log.h"
#include "cascadb/connection.h"
#include "cascadb/message.h"
#include "crypto/crypto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STARTUP_MS_MAX    10000
#define WRITE_MS_MAX      30000
#define REFUSAL_COUNT_MAX 16 /* connections beyond the limit that are still told so */
#define STOP_KIND_ROUNDS  40 /* of STOP_ROUND_MS: clients get what is under way */
#define STOP_ROUNDS       90
#define STOP_ROUND_MS     50
#define LISTEN_BACKLOG    64

struct client {
    struct client *next;
    struct pg_server *server;
    pthread_t thread;
    bool done;    /* its thread is past all else: to be joined */
    int fd;       /* -1: closed, or closing */
    bool refused; /* over the limit */
    uint32_t process, key;
    struct sc_sql_session *session; /* NULL: nothing to cancel */
};

struct pg_server {
    struct pg_server_options opt;
    int listen_fd;
    int wake_fd;
    pthread_t thread;
    _Atomic bool stopping;
    pthread_mutex_t lock;   /* guards what follows, and the clients' fd, session and done */
    pthread_cond_t gone;    /* a client is done */
    struct client *clients; /* taken off by accept_thread, or when that has ended */
    size_t client_count;    /* not done */
    uint32_t process_next;
    struct sc_log_limiter limiter;
    struct sc_metric *connections, *connections_total, *refused_total;
    struct pg_metrics counters;
};

/* ---- plain reads and writes before TLS ---- */
static sc_err wait_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        const int n = poll(&p, 1, timeout_ms);
        if (n > 0)
            return SC_OK;
        if (n == 0 || errno != EINTR)
            return SC_E_AGAIN;
    }
}

static int64_t mono_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Exactly size bytes, not one more: what follows an SSLRequest is TLS's to read. */
static sc_err read_exactly(int fd, uint8_t *out, size_t size, int64_t deadline_ms)
{
    while (size != 0) {
        const int64_t left = deadline_ms - mono_ms();
        if (left <= 0 || wait_readable(fd, (int)left) != SC_OK)
            return SC_E_AGAIN;
        const ssize_t n = recv(fd, out, size, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return SC_E_IO;
        if (n > 0) {
            out += n;
            size -= (size_t)n;
        }
    }
    return SC_OK;
}

static void write_small(int fd, struct sc_slice bytes)
{
    /* a fresh socket has room for it; a client that cannot take it is closed anyway */
    const ssize_t n = send(fd, bytes.ptr, bytes.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)n;
}

/* ---- what connections call back ---- */
static void session_changed(void *arg, struct sc_sql_session *session)
{
    struct client *c = arg;
    pthread_mutex_lock(&c->server->lock);
    c->session = session;
    pthread_mutex_unlock(&c->server->lock);
}

static void cancel(struct pg_server *s, uint32_t process, uint32_t key)
{
    pthread_mutex_lock(&s->lock);
    for (struct client *c = s->clients; c != NULL; c = c->next)
        if (c->process == process && sc_ct_equal(&c->key, &key, sizeof key) && c->session != NULL)
            sc_sql_session_cancel(c->session);
    pthread_mutex_unlock(&s->lock);
}

static void cancel_asked(void *arg, uint32_t process, uint32_t key)
{
    const struct client *c = arg;
    cancel(c->server, process, key);
}

static sc_err tls_read(void *self, uint8_t *out, size_t size, int timeout_ms, size_t *size_out, struct sc_diag *diag)
{
    return sc_tls_stream_read(self, out, size, timeout_ms, size_out, diag);
}

static sc_err tls_write(void *self, struct sc_slice bytes, int timeout_ms, struct sc_diag *diag)
{
    return sc_tls_stream_write(self, bytes, timeout_ms, diag);
}

/* ---- one client ---- */
static void log_refused(struct pg_server *s, const char *who, const char *why)
{
    sc_metric_add(s->refused_total, 1);
    pthread_mutex_lock(&s->lock);
    sc_log_limited(&s->limiter, SC_LOG_WARN, "connection refused peer=%s why=\"%s\"", who, why);
    pthread_mutex_unlock(&s->lock);
}

/* After the client has said its first words: closing on unread bytes would reset the connection under our answer. */
static void refuse(struct client *c, struct sc_tls_stream *tls, const char *sqlstate, const char *why)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    uint8_t startup[PG_STARTUP_SIZE_MAX];
    size_t n = 0;
    struct sc_diag diag = {0};
    log_refused(c->server, sc_tls_stream_peer(tls), why);
    pg_refusal(&out, sqlstate, why);
    if (sc_tls_stream_read(tls, startup, sizeof startup, STARTUP_MS_MAX, &n, &diag) == SC_OK)
        sc_ignore(sc_tls_stream_write(tls, sc_buf_slice(&out), WRITE_MS_MAX, &diag)); /* it is gone anyway */
}

static void serve_tls(struct client *c, struct sc_tls_stream *tls)
{
    struct pg_server *s = c->server;
    struct sc_diag diag = {0};
    const char *peer = sc_tls_stream_peer(tls);
    const char *right = json_string_value(json_object_get(s->opt.rights, peer));
    char why[400];
    if (right == NULL) {
        snprintf(why, sizeof why, "\"%s\" has no right to use this database", peer);
        refuse(c, tls, "28000", why);
        return;
    }
    if (c->refused) {
        refuse(c, tls, "53300", "too many connections");
        return;
    }
    const struct pg_connection_options opt = {
        .stream = {tls_read, tls_write, tls},
        .db = s->opt.db,
        .user = peer,
        .read_only = strcmp(right, "write") != 0,
        .process = c->process,
        .key = c->key,
        .metrics = &s->counters,
        .stopping = &s->stopping,
        .startup_ms_max = STARTUP_MS_MAX,
        .idle_ms_max = s->opt.idle_ms_max,
        .write_ms_max = WRITE_MS_MAX,
        .statement_ms_max = s->opt.statement_ms_max,
        .session_changed = session_changed,
        .cancel = cancel_asked,
        .arg = c,
    };
    sc_metric_add(s->connections, 1);
    sc_metric_add(s->connections_total, 1);
    sc_log(SC_LOG_DEBUG, "connection opened peer=%s right=%s", peer, right);
    const sc_err err = pg_connection_run(&opt, &diag);
    sc_metric_add(s->connections, -1);
    if (err != SC_OK && !atomic_load(&s->stopping)) {
        pthread_mutex_lock(&s->lock);
        sc_log_limited(&s->limiter, SC_LOG_INFO, "connection closed peer=%s why=\"%s\"", peer,
                       sc_diag_text(&diag, err));
        pthread_mutex_unlock(&s->lock);
    }
}

/* The packets before TLS.  true: go on with the TLS handshake. */
static bool negotiate(struct client *c)
{
    const int64_t deadline = mono_ms() + STARTUP_MS_MAX;
    for (int packets = 0; packets < 3; packets++) { /* GSSENCRequest, SSLRequest, no more */
        uint8_t packet[PG_STARTUP_SIZE_MAX + 4];
        struct pg_frame f;
        struct pg_startup st;
        size_t used = 0;
        if (read_exactly(c->fd, packet, 4, deadline) != SC_OK)
            return false;
        const uint32_t size = sc_load_u32be(packet);
        if (size < 8 || size > sizeof packet || read_exactly(c->fd, packet + 4, size - 4, deadline) != SC_OK)
            return false;
        if (pg_frame_first(sc_slice_of(packet, size), &f, &used) != SC_OK || pg_startup_parse(f.body, &st) != SC_OK)
            return false;
        if (st.kind == PG_STARTUP_CANCEL) {
            cancel(c->server, st.cancel_process, st.cancel_key);
            return false;
        }
        if (st.kind == PG_STARTUP_SESSION) {
            SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
            log_refused(c->server, "unknown", "no TLS");
            pg_refusal(&out, "28000",
                       "this server takes TLS connections with client certificates only (sslmode=verify-full)");
            write_small(c->fd, sc_buf_slice(&out));
            return false;
        }
        write_small(c->fd, sc_slice_str(st.kind == PG_STARTUP_SSL ? "S" : "N"));
        if (st.kind == PG_STARTUP_SSL)
            return true;
    }
    return false;
}

static void client_close_fd(struct client *c, struct sc_tls_stream *tls)
{
    struct pg_server *s = c->server;
    pthread_mutex_lock(&s->lock);
    const int fd = c->fd;
    c->fd = -1; /* nobody shuts down a number that may soon be another's */
    pthread_mutex_unlock(&s->lock);
    if (tls != NULL)
        sc_tls_stream_free(tls);
    else
        close(fd);
}

static void *client_thread(void *arg)
{
    struct client *c = arg;
    struct pg_server *s = c->server;
    struct sc_tls_stream *tls = NULL;
    struct sc_diag diag = {0};
    if (negotiate(c)) {
        const sc_err err = sc_tls_accept(s->opt.tls, c->fd, STARTUP_MS_MAX, &tls, &diag);
        if (err == SC_OK)
            serve_tls(c, tls);
        else
            log_refused(s, "unknown", sc_diag_text(&diag, err));
    }
    client_close_fd(c, tls);
    pthread_mutex_lock(&s->lock);
    c->done = true;
    s->client_count--;
    pthread_cond_signal(&s->gone);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- accepting ---- */
/* Joins the threads that are done.  The lock is held, which they do not need any more. */
static void clients_reap(struct pg_server *s)
{
    for (struct client **at = &s->clients; *at != NULL;) {
        struct client *c = *at;
        if (!c->done) {
            at = &c->next;
            continue;
        }
        pthread_join(c->thread, NULL);
        *at = c->next;
        free(c);
    }
}

static void client_add(struct pg_server *s, int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* best effort, as is the next */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    struct client *c = calloc(1, sizeof *c);
    pthread_mutex_lock(&s->lock);
    clients_reap(s);
    const bool room = c != NULL && s->client_count < s->opt.connections_max + REFUSAL_COUNT_MAX;
    if (room) {
        *c = (struct client){.next = s->clients, .server = s, .fd = fd, .process = ++s->process_next};
        c->refused = s->client_count >= s->opt.connections_max;
        sc_random(&c->key, sizeof c->key);
        if (pthread_create(&c->thread, NULL, client_thread, c) == 0) { /* it cannot be done before we leave the lock */
            s->clients = c;
            s->client_count++;
            c = NULL;
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (c != NULL || !room) {
        close(fd);
        free(c);
    }
}

static void *accept_thread(void *arg)
{
    struct pg_server *s = arg;
    struct pollfd p[2] = {{.fd = s->listen_fd, .events = POLLIN}, {.fd = s->wake_fd, .events = POLLIN}};
    while (!atomic_load(&s->stopping)) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        const int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            client_add(s, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* others must close first */
    }
    return NULL;
}

/* ---- start and stop ---- */
static sc_err rights_check(const json_t *rights, struct sc_diag *diag)
{
    const char *id;
    json_t *value;
    if (!json_is_object(rights))
        return sc_fail(diag, SC_E_MALFORMED,
                       "config.json: \"rights\" is missing: {\"spiffe://...\": \"read\" or \"write\"}");
    json_object_foreach((json_t *)rights, id, value)
    {
        const char *right = json_string_value(value);
        if (right == NULL || (strcmp(right, "read") != 0 && strcmp(right, "write") != 0))
            return sc_fail(diag, SC_E_MALFORMED, "config.json: rights of \"%s\" are neither \"read\" nor \"write\"",
                           id);
    }
    return SC_OK;
}

static sc_err listen_open(struct pg_server *s, struct sc_diag *diag)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(s->opt.port)};
    const int on = 1;
    if (inet_pton(AF_INET, s->opt.host, &addr.sin_addr) != 1)
        return sc_fail(diag, SC_E_USAGE, "listen: \"%s\" is not a numeric IPv4 address", s->opt.host);
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->listen_fd < 0 || s->wake_fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "listen");
    setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on,
               sizeof on); /* a restart must not wait for old connections */
    if (bind(s->listen_fd, (struct sockaddr *)(void *)&addr, sizeof addr) != 0 ||
        listen(s->listen_fd, LISTEN_BACKLOG) != 0)
        return sc_fail_errno(diag, SC_E_IO, "listen on %s:%u", s->opt.host, s->opt.port);
    return SC_OK;
}

static void server_free(struct pg_server *s)
{
    if (s == NULL)
        return;
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    pthread_cond_destroy(&s->gone);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void server_freep(struct pg_server **s)
{
    server_free(*s);
}

static void metrics_register(struct pg_server *s)
{
    struct sc_metrics *m = s->opt.metrics;
    s->connections = sc_metrics_gauge(m, "securecloud_cascadb_connections", "", "Open connections");
    s->connections_total = sc_metrics_counter(m, "securecloud_cascadb_connections_total", "", "Connections accepted");
    s->refused_total = sc_metrics_counter(m, "securecloud_cascadb_refused_total", "", "Connections refused");
    s->counters.statements = sc_metrics_counter(m, "securecloud_cascadb_statements_total", "", "Statements run");
    s->counters.errors = sc_metrics_counter(m, "securecloud_cascadb_errors_total", "", "Errors sent to clients");
    s->counters.rows_in =
        sc_metrics_counter(m, "securecloud_cascadb_rows_written_total", "", "Rows inserted, updated or deleted");
    s->counters.rows_out = sc_metrics_counter(m, "securecloud_cascadb_rows_read_total", "", "Rows sent to clients");
}

sc_err pg_server_start(const struct pg_server_options *opt, struct pg_server **out, struct sc_diag *diag)
{
    SC_TRY(rights_check(opt->rights, diag));
    SC_CLEANUP(server_freep) struct pg_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "server");
    s->opt = *opt;
    s->listen_fd = -1;
    s->wake_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->gone, NULL);
    metrics_register(s);
    SC_TRY(listen_open(s, diag));
    if (pthread_create(&s->thread, NULL, accept_thread, s) != 0)
        return sc_fail(diag, SC_E_NOMEM, "server thread");
    *out = SC_TAKE(s);
    return SC_OK;
}

uint16_t pg_server_port(const struct pg_server *s)
{
    struct sockaddr_in addr = {0};
    socklen_t size = sizeof addr;
    return getsockname(s->listen_fd, (struct sockaddr *)(void *)&addr, &size) == 0 ? ntohs(addr.sin_port) : 0;
}

/* First no more is read, and running statements are cancelled; those whose clients do not take the answer are cut. */
static void clients_urge(struct pg_server *s, bool cut)
{
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->fd >= 0)
            shutdown(c->fd, cut ? SHUT_RDWR : SHUT_RD);
        if (c->session != NULL)
            sc_sql_session_cancel(c->session);
    }
}

bool pg_server_stop(struct pg_server *s)
{
    const uint64_t one = 1;
    atomic_store(&s->stopping, true);
    const ssize_t n = write(s->wake_fd, &one, sizeof one); /* an eventfd that is full wakes as well */
    (void)n;
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    for (int round = 0; s->client_count != 0 && round < STOP_ROUNDS; round++) {
        clients_urge(s, round >= STOP_KIND_ROUNDS);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += STOP_ROUND_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&s->gone, &s->lock, &until);
    }
    const bool all_gone = s->client_count == 0;
    if (all_gone)
        clients_reap(s);
    pthread_mutex_unlock(&s->lock);
    if (all_gone)
        server_free(s);
    return all_gone;
}
