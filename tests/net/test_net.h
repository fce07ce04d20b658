/* tests/net/test_net.h - identities of the network tests, and waiting on a loop. */
#ifndef TESTS_NET_TEST_NET_H
#define TESTS_NET_TEST_NET_H

#include "net/loop.h"
#include "net/tls.h"
#include "pki.h"

#define ID_SERVER   "spiffe://securecloud.local/server"
#define ID_CLIENT   "spiffe://securecloud.local/client"
#define ID_INTRUDER "spiffe://securecloud.local/intruder"
#define HOST        "127.0.0.1"

struct pki {
    char *dir;
    struct sc_tls *server, *client, *intruder; /* one CA */
    struct sc_tls *foreign;                    /* client of another CA, trusts ours */
    struct sc_tls *nameless;                   /* ours, but without a SPIFFE ID */
};

static inline struct sc_tls *pki_tls(const char *dir, const char *name, const char *uri, const struct test_ca *ca,
                                     const struct test_ca *trusted)
{
    SC_CLEANUP(sc_freep) char *sub = test_path(dir, name);
    test_identity_write(sub, uri, ca, trusted);
    SC_CLEANUP(sc_freep) char *cert = test_path(sub, "cert.pem");
    SC_CLEANUP(sc_freep) char *key = test_path(sub, "key.pem");
    SC_CLEANUP(sc_freep) char *trust = test_path(sub, "ca.pem");
    const struct sc_tls_files files = { cert, key, trust };
    struct sc_tls *tls = NULL;
    struct sc_diag diag = { 0 };
    assert_ok_diag(sc_tls_new(&files, &tls, &diag), &diag);
    return tls;
}

static inline void pki_new(struct pki *p)
{
    struct test_ca ours;
    struct test_ca other;
    test_ca_new(&ours, "ours");
    test_ca_new(&other, "other");
    p->dir = test_dir_new();
    p->server = pki_tls(p->dir, "server", ID_SERVER, &ours, &ours);
    p->client = pki_tls(p->dir, "client", ID_CLIENT, &ours, &ours);
    p->intruder = pki_tls(p->dir, "intruder", ID_INTRUDER, &ours, &ours);
    p->foreign = pki_tls(p->dir, "foreign", ID_CLIENT, &other, &ours);
    p->nameless = pki_tls(p->dir, "nameless", NULL, &ours, &ours);
    test_ca_free(&ours);
    test_ca_free(&other);
}

static inline void pki_free(struct pki *p)
{
    sc_tls_free(p->server);
    sc_tls_free(p->client);
    sc_tls_free(p->intruder);
    sc_tls_free(p->foreign);
    sc_tls_free(p->nameless);
    test_dir_free(p->dir);
}

/* ---- running the loop until something holds ---- */
struct wait {
    struct sc_loop *loop;
    struct sc_timer *timer;
    bool (*holds)(void *arg);
    void *arg;
    int64_t until_us;
    bool held;
};

static inline void wait_tick(void *arg)
{
    struct wait *w = arg;
    w->held = w->holds(w->arg);
    if (w->held || sc_mono_us(&sc_clock_system) >= w->until_us)
        sc_loop_stop(w->loop);
    else
        sc_timer_start(w->timer, 1);
}

/* False when it does not hold within ms. */
static inline bool loop_until(struct sc_loop *loop, bool (*holds)(void *arg), void *arg, int64_t ms)
{
    struct wait w = { .loop = loop, .holds = holds, .arg = arg, .until_us = sc_mono_us(&sc_clock_system) + ms * 1000 };
    assert_ok(sc_timer_new(loop, wait_tick, &w, &w.timer));
    sc_timer_start(w.timer, 0);
    sc_loop_run(loop);
    sc_timer_free(w.timer);
    return w.held;
}

static inline bool never(void *arg)
{
    (void)arg;
    return false;
}

static inline void loop_for(struct sc_loop *loop, int64_t ms)
{
    loop_until(loop, never, NULL, ms);
}

#endif
