/* One client's thread: what comes before the protocol proper, and who is let in. */
#include "cascadb/http.h"
#include "cascadb/message.h"
#include "cascadb/server_internal.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- plain reads and writes before TLS ---- */
static sc_err wait_for(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
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
        if (left <= 0 || wait_for(fd, POLLIN, (int)left) != SC_OK)
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

/* ---- streams ---- */
static sc_err tls_read(void *self, uint8_t *out, size_t size, int timeout_ms, size_t *size_out, struct sc_diag *diag)
{
    return sc_tls_stream_read(self, out, size, timeout_ms, size_out, diag);
}

static sc_err tls_write(void *self, struct sc_slice bytes, int timeout_ms, struct sc_diag *diag)
{
    return sc_tls_stream_write(self, bytes, timeout_ms, diag);
}

static sc_err unix_read(void *self, uint8_t *out, size_t size, int timeout_ms, size_t *size_out, struct sc_diag *diag)
{
    const struct client *c = self;
    const int64_t until = timeout_ms >= 0 ? mono_ms() + timeout_ms : -1;
    for (;;) {
        const int64_t left = until >= 0 ? until - mono_ms() : -1;
        if ((until >= 0 && left < 0) || wait_for(c->fd, POLLIN, (int)left) != SC_OK)
            return SC_E_AGAIN;
        const ssize_t n = recv(c->fd, out, size, MSG_DONTWAIT);
        if (n >= 0) {
            *size_out = (size_t)n;
            return SC_OK;
        }
        if (errno != EAGAIN && errno != EINTR)
            return sc_fail_errno(diag, SC_E_IO, "read from the Unix socket");
    }
}

static sc_err unix_write(void *self, struct sc_slice bytes, int timeout_ms, struct sc_diag *diag)
{
    const struct client *c = self;
    const int64_t until = mono_ms() + timeout_ms;
    while (bytes.size != 0) {
        const ssize_t n = send(c->fd, bytes.ptr, bytes.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            bytes = (struct sc_slice){bytes.ptr + n, bytes.size - (size_t)n};
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return sc_fail_errno(diag, SC_E_IO, "write to the Unix socket");
        const int64_t left = until - mono_ms();
        if (left < 0 || wait_for(c->fd, POLLOUT, (int)left) != SC_OK)
            return sc_fail(diag, SC_E_IO, "write to the Unix socket: the client does not read");
    }
    return SC_OK;
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
static void refuse(struct client *c, const struct pg_stream *stream, const char *peer, const char *sqlstate,
                   const char *why)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    uint8_t startup[PG_STARTUP_SIZE_MAX];
    size_t n = 0;
    struct sc_diag diag = {0};
    log_refused(c->server, peer, why);
    pg_refusal(&out, sqlstate, why);
    if (stream->read(stream->self, startup, sizeof startup, STARTUP_MS_MAX, &n, &diag) == SC_OK)
        sc_ignore(stream->write(stream->self, sc_buf_slice(&out), WRITE_MS_MAX, &diag)); /* it is gone anyway */
}

/* principal NULL: the client has to log in, where auth is not NULL. */
static void serve_client(struct client *c, const struct pg_stream *stream, const struct pg_principal *principal,
                         const struct pg_auth *auth, struct sc_slice end_point)
{
    struct pg_server *s = c->server;
    struct sc_diag diag = {0};
    const char *peer = principal != NULL ? principal->name : "password";
    const struct pg_connection_options opt = {
        .stream = *stream,
        .db = s->opt.db,
        .principal = principal,
        .auth = auth,
        .end_point = end_point,
        .process = c->process,
        .key = c->key,
        .metrics = &s->counters,
        .journal = s->opt.journal,
        .result_size_max = s->opt.result_size_max,
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
    sc_log(SC_LOG_DEBUG, "connection opened peer=%s", peer);
    const sc_err err =
        c->transport == OVER_HTTPS ? pg_http_run(&opt, c->refused, &diag) : pg_connection_run(&opt, &diag);
    sc_metric_add(s->connections, -1);
    if (err != SC_OK && !atomic_load(&s->stopping)) {
        pthread_mutex_lock(&s->lock);
        sc_log_limited(&s->limiter, SC_LOG_INFO, "connection closed peer=%s why=\"%s\"", peer,
                       sc_diag_text(&diag, err));
        pthread_mutex_unlock(&s->lock);
    }
}

/* A certificate decides alone: one without a right is answered with 401 whatever password comes with the requests. */
static void serve_https(struct client *c, struct sc_tls_stream *tls)
{
    const struct pg_stream stream = {tls_read, tls_write, tls};
    const char *peer = sc_tls_stream_peer(tls);
    struct pg_principal who;
    const bool certified = peer[0] != '\0' && pg_auth_certificate(c->server->auth, peer, &who) == SC_OK;
    if (peer[0] != '\0' && !certified)
        log_refused(c->server, peer, "no right to use this database");
    serve_client(c, &stream, certified ? &who : NULL, peer[0] == '\0' ? c->server->auth : NULL, SC_SLICE_EMPTY);
}

static void serve_tls(struct client *c, struct sc_tls_stream *tls)
{
    struct pg_server *s = c->server;
    const struct pg_stream stream = {tls_read, tls_write, tls};
    const char *peer = sc_tls_stream_peer(tls);
    const bool certified = peer[0] != '\0';
    struct pg_principal who;
    uint8_t end_point[SC_TLS_END_POINT_SIZE_MAX];
    size_t end_point_size = 0;
    if (c->transport == OVER_HTTPS) {
        serve_https(c, tls);
        return;
    }
    if (certified && pg_auth_certificate(s->auth, peer, &who) != SC_OK) {
        char why[400];
        snprintf(why, sizeof why, "\"%s\" has no right to use this database", peer);
        refuse(c, &stream, peer, "28000", why);
        return;
    }
    if (c->refused) {
        refuse(c, &stream, certified ? peer : "unknown", "53300", "too many connections");
        return;
    }
    if (sc_tls_stream_end_point(tls, end_point, &end_point_size) != SC_OK)
        end_point_size = 0; /* no hash to bind to: SCRAM without PLUS */
    serve_client(c, &stream, certified ? &who : NULL, s->auth, sc_slice_of(end_point, end_point_size));
}

static void serve_unix(struct client *c)
{
    const struct pg_stream stream = {unix_read, unix_write, c};
    if (c->refused)
        refuse(c, &stream, "unix", "53300", "too many connections");
    else
        serve_client(c, &stream, NULL, c->server->auth, SC_SLICE_EMPTY);
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
            pg_refusal(&out, "28000", "this server takes TLS connections only (sslmode=verify-full)");
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

static struct sc_tls_stream *tls_accept(struct client *c)
{
    struct pg_server *s = c->server;
    struct sc_tls_stream *tls = NULL;
    struct sc_diag diag = {0};
    const sc_err err = pg_auth_has_users(s->auth)
                           ? sc_tls_accept_optional(s->opt.tls, c->fd, STARTUP_MS_MAX, &tls, &diag)
                           : sc_tls_accept(s->opt.tls, c->fd, STARTUP_MS_MAX, &tls, &diag);
    if (err != SC_OK)
        log_refused(s, "unknown", sc_diag_text(&diag, err));
    return tls;
}

void *client_thread(void *arg)
{
    struct client *c = arg;
    struct pg_server *s = c->server;
    struct sc_tls_stream *tls = NULL;
    if (c->transport == OVER_UNIX) {
        serve_unix(c);
    } else if (c->transport == OVER_HTTPS || negotiate(c)) {
        tls = tls_accept(c);
        if (tls != NULL)
            serve_tls(c, tls);
    }
    client_close_fd(c, tls);
    pthread_mutex_lock(&s->lock);
    c->done = true;
    s->client_count--;
    pthread_cond_signal(&s->gone);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
