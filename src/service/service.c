#include "service/service.h"

#include "base/log.h"
#include "net/http.h"

#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

struct sc_service {
    const struct sc_service_definition *def;
    struct sc_identity *identity;
    struct sc_loop *loop;
    struct sc_tls *tls;
    struct sc_metrics *metrics;
    struct sc_http *http;
    void *state;
    bool started;
    _Atomic(const char *) unhealthy;
    _Atomic(const char *) broken;
};

struct sc_identity *sc_service_identity(struct sc_service *s)
{
    return s->identity;
}

struct sc_loop *sc_service_loop(struct sc_service *s)
{
    return s->loop;
}

const struct sc_tls *sc_service_tls(struct sc_service *s)
{
    return s->tls;
}

struct sc_metrics *sc_service_metrics(struct sc_service *s)
{
    return s->metrics;
}

void sc_service_set_unhealthy(struct sc_service *s, const char *why)
{
    atomic_store(&s->unhealthy, why);
}

void sc_service_fail(struct sc_service *s, const char *why)
{
    atomic_store(&s->broken, why);
    sc_loop_stop(s->loop);
}

static void answer_http(void *arg, const struct sc_http_request *req, struct sc_http_response *res)
{
    struct sc_service *s = arg;
    if (strcmp(req->path, "/healthz") == 0) {
        const char *why = atomic_load(&s->unhealthy);
        res->status = why == NULL ? 200 : 503;
        sc_buf_put_fmt(&res->body, "%s\n", why == NULL ? "ok" : why);
    } else if (strcmp(req->path, "/metrics") == 0) {
        if (s->def->sample != NULL)
            s->def->sample(s->state);
        res->content_type = "text/plain; version=0.0.4; charset=utf-8";
        sc_metrics_write(s->metrics, &res->body);
    } else {
        res->status = 404;
        sc_buf_put_str(&res->body, "not found: this service has /healthz and /metrics\n");
    }
}

static void terminate(void *arg)
{
    struct sc_service *s = arg;
    sc_log(SC_LOG_INFO, "stopping on request");
    sc_loop_stop(s->loop);
}

static sc_err service_start(struct sc_service *s, const char *identity_dir, struct sc_diag *diag)
{
    SC_TRY(sc_identity_load(identity_dir, &s->identity, diag));
    const struct sc_tls_files files = {sc_identity_cert_path(s->identity), sc_identity_key_path(s->identity),
                                       sc_identity_ca_path(s->identity)};
    SC_TRY(sc_tls_new(&files, &s->tls, diag));
    SC_TRY(sc_loop_new(&s->loop, diag));
    SC_TRY(sc_metrics_new(&s->metrics));
    SC_TRY(sc_loop_on_terminate(s->loop, terminate, s, diag));
    struct sc_endpoint http;
    SC_TRY(sc_identity_endpoint(s->identity, "http", &http, diag));
    SC_TRY(s->def->start(s, &s->state, diag));
    s->started = true;
    SC_TRY(sc_http_new(s->loop, http.host, http.port, answer_http, s, &s->http, diag)); /* last: healthy = serving */
    return SC_OK;
}

static void service_free(struct sc_service *s)
{
    sc_http_free(s->http);
    if (s->started)
        s->def->stop(s->state);
    sc_metrics_free(s->metrics);
    sc_loop_free(s->loop);
    sc_tls_free(s->tls);
    sc_identity_free(s->identity);
}

static void print_help(const struct sc_service_definition *def)
{
    printf("Usage: %s --identity DIR [--log-level debug|info|warn|error]\n\n%s\n\n"
           "DIR holds cert.pem, key.pem, ca.pem, config.json and secrets; `securecloud init` makes it.\n\n"
           "config.json:\n  http       {\"host\", \"port\"}: /healthz and /metrics\n%s\n"
           "Exit codes: 0 stopped on request, 1 failed, 2 wrong usage.\n",
           def->name, def->summary, def->config);
}

int sc_service_main(int argc, char **argv, const struct sc_service_definition *def)
{
    static const struct option options[] = {
        {"identity", required_argument, NULL, 'i'},
        {"log-level", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const char *identity_dir = NULL;
    enum sc_log_level level = SC_LOG_INFO;
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'h') {
            print_help(def);
            return 0;
        }
        if (o == 'V') {
            printf("%s %s\n", def->name, SC_VERSION);
            return 0;
        }
        if (o == 'i')
            identity_dir = optarg;
        else if (o != 'l')
            return 2; /* getopt_long() has said what is wrong */
        else if (sc_log_level_parse(optarg, &level) != SC_OK) {
            fprintf(stderr, "%s: \"%s\" is no log level; see --help\n", def->name, optarg);
            return 2;
        }
    }
    if (identity_dir == NULL || optind != argc) {
        fprintf(stderr, "%s: --identity DIR is required, nothing else; see --help\n", def->name);
        return 2;
    }
    sc_process_harden();
    sc_log_init(def->name, level);
    struct sc_service s = {.def = def};
    struct sc_diag diag = {0};
    const sc_err err = service_start(&s, identity_dir, &diag);
    if (err == SC_OK) {
        sc_log(SC_LOG_INFO, "ready id=%s http_port=%u pid=%ld", sc_identity_spiffe_id(s.identity), sc_http_port(s.http),
               (long)getpid());
        sc_loop_run(s.loop);
    } else {
        sc_log(SC_LOG_ERROR, "cannot start: %s", sc_diag_text(&diag, err));
    }
    const char *broken = atomic_load(&s.broken);
    if (broken != NULL)
        sc_log(SC_LOG_ERROR, "broken: %s", broken);
    service_free(&s);
    return err == SC_OK && broken == NULL ? 0 : 1;
}
