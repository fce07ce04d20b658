/* cascadb/server_internal.h - what the listeners (server.c) and one client's thread (client.c) share. */
#ifndef SC_CASCADB_SERVER_INTERNAL_H
#define SC_CASCADB_SERVER_INTERNAL_H

#include "base/log.h"
#include "cascadb/auth.h"
#include "cascadb/connection.h"
#include "cascadb/server.h"

#include <pthread.h>

#define STARTUP_MS_MAX     10000
#define WRITE_MS_MAX       30000
#define LISTENER_COUNT_MAX 3

enum transport { OVER_TLS, OVER_UNIX, OVER_HTTPS };
struct listener {
    int fd; /* -1: none */
    enum transport transport;
};

struct client {
    struct client *next;
    struct pg_server *server;
    pthread_t thread;
    enum transport transport;
    bool done;    /* its thread is past all else: to be joined */
    int fd;       /* -1: closed, or closing */
    bool refused; /* over the limit */
    uint32_t process, key;
    struct sc_sql_session *session; /* NULL: nothing to cancel */
};

struct pg_server {
    struct pg_server_options opt;
    struct pg_auth *auth;
    struct listener listeners[LISTENER_COUNT_MAX];
    size_t listener_count;
    bool unix_bound; /* its file is ours to remove */
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

/* ---- client.c ---- */
void *client_thread(void *client);

#endif
