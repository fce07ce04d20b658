/* service/service.h - the skeleton of every service, written once:
 * arguments -> harden -> identity and configuration -> TLS -> /healthz and /metrics -> start -> serve -> SIGTERM -> stop.
 *
 *   int main(int argc, char **argv) { return sc_service_main(argc, argv, &mdc_definition); }
 *
 * Arguments: --identity DIR (required), --log-level LEVEL, --help, --version.  Exit codes: 0 clean stop, 1 failed to
 * start or broke, 2 wrong usage. */
#ifndef SC_SERVICE_SERVICE_H
#define SC_SERVICE_SERVICE_H

#include "net/loop.h"
#include "net/tls.h"
#include "service/identity.h"
#include "service/metrics.h"

struct sc_service; /* what a running service may use */
struct sc_identity *sc_service_identity(struct sc_service *s);
struct sc_loop *sc_service_loop(struct sc_service *s);
const struct sc_tls *sc_service_tls(struct sc_service *s);
struct sc_metrics *sc_service_metrics(struct sc_service *s);
/* What /healthz answers: NULL = ok (200), else the reason (503).  why is borrowed; call it from any thread. */
void sc_service_set_unhealthy(struct sc_service *s, const char *why);
/* Ends the service as broken (exit code 1), from any thread. */
void sc_service_fail(struct sc_service *s, const char *why);

struct sc_service_definition {
    const char *name;    /* executable's name: "securecloud-mdc" */
    const char *summary; /* for --help: one paragraph */
    const char *config;  /* for --help: the members of config.json */
    /* Builds the service's state; runs before the loop.  On failure nothing may remain. */
    sc_err (*start)(struct sc_service *s, void **state_out, struct sc_diag *diag);
    /* Brings gauges up to date before they are shown.  May be NULL. */
    void (*sample)(void *state);
    void (*stop)(void *state); /* after the loop ended; frees state */
};
int sc_service_main(int argc, char **argv, const struct sc_service_definition *def);

#endif
