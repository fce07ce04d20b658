#include "cascadb/server_internal.h"

#include "crypto/crypto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REFUSAL_COUNT_MAX 16 /* connections beyond the limit that are still told so */
#define STOP_KIND_ROUNDS  40 /* of STOP_ROUND_MS: clients get what is under way */
#define STOP_ROUNDS       90
#define STOP_ROUND_MS     50
#define LISTEN_BACKLOG    64

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

static void client_add(struct pg_server *s, int fd, enum transport transport)
{
    const int on = 1;
    if (transport != OVER_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* best effort, as is the next */
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    struct client *c = calloc(1, sizeof *c);
    pthread_mutex_lock(&s->lock);
    clients_reap(s);
    const bool room = c != NULL && s->client_count < s->opt.connections_max + REFUSAL_COUNT_MAX;
    if (room) {
        *c = (struct client){
            .next = s->clients, .server = s, .transport = transport, .fd = fd, .process = ++s->process_next};
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
    struct pollfd p[LISTENER_COUNT_MAX + 1] = {{.fd = s->wake_fd, .events = POLLIN}};
    for (size_t i = 0; i < s->listener_count; i++)
        p[i + 1] = (struct pollfd){.fd = s->listeners[i].fd, .events = POLLIN};
    while (!atomic_load(&s->stopping)) {
        if (poll(p, (nfds_t)s->listener_count + 1, -1) < 0 && errno != EINTR)
            break;
        for (size_t i = 0; i < s->listener_count; i++) {
            const int fd = accept4(s->listeners[i].fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                client_add(s, fd, s->listeners[i].transport);
            else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* others must close first */
        }
    }
    return NULL;
}

/* ---- start and stop ---- */
/* The socket is the listener's as soon as it exists, so that it is closed whatever follows. */
static int listener_add(struct pg_server *s, int family, enum transport transport)
{
    SC_ASSERT(s->listener_count < LISTENER_COUNT_MAX);
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    s->listeners[s->listener_count++] = (struct listener){fd, transport};
    return fd;
}

static sc_err listen_tcp(struct pg_server *s, const char *host, uint16_t port, enum transport transport,
                         struct sc_diag *diag)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int on = 1;
    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
        return sc_fail(diag, SC_E_USAGE, "listen: \"%s\" is not a numeric IPv4 address", host);
    const int fd = listener_add(s, AF_INET, transport);
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "listen");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* a restart must not wait for old connections */
    if (bind(fd, (struct sockaddr *)(void *)&addr, sizeof addr) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
        return sc_fail_errno(diag, SC_E_IO, "listen on %s:%u", host, port);
    return SC_OK;
}

/* A socket that a crashed server left; one that somebody serves is not ours to take. */
static void stale_remove(const struct sockaddr_un *addr)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0 && connect(probe, (const struct sockaddr *)(const void *)addr, sizeof *addr) != 0 &&
        errno == ECONNREFUSED)
        unlink(addr->sun_path);
    if (probe >= 0)
        close(probe);
}

static sc_err listen_unix(struct pg_server *s, struct sc_diag *diag)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *path = s->opt.unix_path;
    if (strlen(path) >= sizeof addr.sun_path)
        return sc_fail(diag, SC_E_LIMIT, "Unix socket: the path is longer than %zu bytes: %s", sizeof addr.sun_path - 1,
                       path);
    memcpy(addr.sun_path, path, strlen(path));
    stale_remove(&addr);
    const int fd = listener_add(s, AF_UNIX, OVER_UNIX);
    if (fd < 0 || bind(fd, (struct sockaddr *)(void *)&addr, sizeof addr) != 0)
        return sc_fail_errno(diag, SC_E_IO, "Unix socket %s", path);
    s->unix_bound = true;
    if (chmod(path, 0666) != 0 || listen(fd, LISTEN_BACKLOG) != 0) /* the directory and the passwords guard it */
        return sc_fail_errno(diag, SC_E_IO, "Unix socket %s", path);
    return SC_OK;
}

static sc_err listen_all(struct pg_server *s, struct sc_diag *diag)
{
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "eventfd");
    SC_TRY(listen_tcp(s, s->opt.host, s->opt.port, OVER_TLS, diag));
    if (s->opt.https_host != NULL)
        SC_TRY(listen_tcp(s, s->opt.https_host, s->opt.https_port, OVER_HTTPS, diag));
    if (s->opt.unix_path == NULL)
        return SC_OK;
    if (!pg_auth_has_users(s->auth))
        return sc_fail(diag, SC_E_USAGE, "a Unix socket needs \"users\": there are no certificates on it");
    return listen_unix(s, diag);
}

static void server_free(struct pg_server *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].fd >= 0)
            close(s->listeners[i].fd);
    if (s->unix_bound)
        unlink(s->opt.unix_path);
    pg_auth_free(s->auth);
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
    SC_CLEANUP(server_freep) struct pg_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "server");
    s->opt = *opt;
    s->wake_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->gone, NULL);
    SC_TRY(pg_auth_new(opt->rights, opt->users_path, &s->auth, diag));
    metrics_register(s);
    SC_TRY(listen_all(s, diag));
    if (pthread_create(&s->thread, NULL, accept_thread, s) != 0)
        return sc_fail(diag, SC_E_NOMEM, "server thread");
    *out = SC_TAKE(s);
    return SC_OK;
}

uint16_t pg_server_port(const struct pg_server *s)
{
    struct sockaddr_in addr = {0};
    socklen_t size = sizeof addr;
    return getsockname(s->listeners[0].fd, (struct sockaddr *)(void *)&addr, &size) == 0 ? ntohs(addr.sin_port) : 0;
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
