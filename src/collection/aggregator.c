/* securecloud-aggregator: forwards sealed messages between meters and authenticators.
 *
 * It has no key to open anything.  It reads only the header that says which meter a message is from or for.  While no
 * authenticator is reachable it keeps messages in a bounded spool on disk; when that is full it stops reading, and the
 * meters keep their readings themselves. */
#include "base/log.h"
#include "base/u32map.h"
#include "collection/spool.h"
#include "metering/envelope.h"
#include "net/conn.h"
#include "service/service.h"

#include <inttypes.h>
#include <stdio.h>

#define UPLINK_COUNT_MAX   16
#define UPLINK_PENDING_MAX ((size_t)1 << 20) /* beyond it, meters are not read until it drains */
#define RETRY_MS           100
#define ROUTE_COUNT_MAX    ((size_t)1 << 20)

struct uplink {
    struct aggregator *owner;
    struct sc_dialer *dialer;
    struct sc_endpoint endpoint;
    bool connected;
};

struct meter_conn {
    struct sc_conn *conn;
    struct meter_conn *prev, *next;
};

struct aggregator {
    struct sc_service *service;
    struct uplink uplinks[UPLINK_COUNT_MAX];
    size_t uplink_count;
    struct sc_listener *listener;
    struct sc_endpoint listen;
    struct meter_conn *meters; /* open connections from the field */
    struct sc_u32map routes;   /* serial -> struct meter_conn * it last spoke through, or NULL */
    struct sc_spool *spool;
    struct sc_buf spooled;  /* the message being forwarded from the spool */
    struct sc_timer *retry; /* looks again whether paused meters may go on */
    bool paused;
    struct sc_log_limiter limiter;
    struct {
        struct sc_metric *up, *down, *spooled, *refused, *malformed, *unroutable;
        struct sc_metric *waiting, *uplinks, *meters;
    } metric;
};

/* ---- towards the head-end ---- */
/* The authenticator for a meter: always the same one while the set of reachable ones stays the same. */
static struct sc_conn *uplink_for(struct aggregator *a, uint32_t serial)
{
    struct sc_conn *open[UPLINK_COUNT_MAX];
    size_t n = 0;
    for (size_t i = 0; i < a->uplink_count; i++) {
        struct sc_conn *c = a->uplinks[i].connected ? sc_dialer_conn(a->uplinks[i].dialer) : NULL;
        if (c != NULL)
            open[n++] = c;
    }
    return n != 0 ? open[serial % n] : NULL;
}

static bool uplinks_congested(struct aggregator *a)
{
    for (size_t i = 0; i < a->uplink_count; i++) {
        struct sc_conn *c = sc_dialer_conn(a->uplinks[i].dialer);
        if (c != NULL && sc_conn_output_pending(c) > UPLINK_PENDING_MAX)
            return true;
    }
    return false;
}

static void meters_pause(struct aggregator *a)
{
    if (!a->paused)
        for (struct meter_conn *m = a->meters; m != NULL; m = m->next)
            sc_conn_read_pause(m->conn);
    a->paused = true;
    sc_timer_start(a->retry, RETRY_MS);
}

static void meters_resume(struct aggregator *a)
{
    if (!a->paused)
        return;
    a->paused = false;
    for (struct meter_conn *m = a->meters; m != NULL; m = m->next)
        sc_conn_read_resume(m->conn);
}

/* Forwards spooled messages while there is room; what an authenticator cannot take now waits for `drained`. */
static void spool_drain(struct aggregator *a)
{
    struct sc_diag diag = {0};
    sc_err err = SC_OK;
    while (err == SC_OK && sc_spool_count(a->spool) != 0 && !uplinks_congested(a)) {
        struct sc_envelope_header h;
        err = sc_spool_peek(a->spool, &a->spooled, &diag);
        if (err != SC_OK)
            break;
        if (sc_envelope_peek(sc_buf_slice(&a->spooled), &h) == SC_OK) {
            struct sc_conn *up = uplink_for(a, h.meter);
            if (up == NULL || sc_conn_send(up, sc_buf_slice(&a->spooled)) != SC_OK)
                break;
            sc_metric_add(a->metric.up, 1);
        } else { /* changed on the disk of an untrusted machine: the meter will send it again */
            sc_metric_add(a->metric.malformed, 1);
        }
        err = sc_spool_pop(a->spool, &diag);
    }
    if (err != SC_OK)
        sc_service_fail(a->service, "the spool cannot be read or emptied");
    sc_metric_set(a->metric.waiting, (int64_t)sc_spool_count(a->spool));
}

static void retry(void *arg)
{
    struct aggregator *a = arg;
    spool_drain(a);
    if (!a->paused)
        return;
    const bool reachable = uplink_for(a, 0) != NULL;
    if (!uplinks_congested(a) && (reachable || sc_spool_has_room(a->spool)))
        meters_resume(a);
    else
        sc_timer_start(a->retry, RETRY_MS);
}

static void forward_up(struct aggregator *a, uint32_t serial, struct sc_slice bytes)
{
    struct sc_diag diag = {0};
    struct sc_conn *up = uplink_for(a, serial);
    if (up != NULL && sc_conn_send(up, bytes) == SC_OK) {
        sc_metric_add(a->metric.up, 1);
        if (sc_conn_output_pending(up) > UPLINK_PENDING_MAX)
            meters_pause(a);
        return;
    }
    const sc_err err = sc_spool_push(a->spool, bytes, &diag);
    if (err == SC_OK) {
        sc_metric_add(a->metric.spooled, 1);
        sc_metric_set(a->metric.waiting, (int64_t)sc_spool_count(a->spool));
        return;
    }
    sc_metric_add(a->metric.refused, 1); /* not acknowledged, so the meter keeps and repeats it */
    sc_log_limited(&a->limiter, SC_LOG_WARN, "message not accepted meter=%08" PRIu32 " why=\"%s\"", serial,
                   sc_diag_text(&diag, err));
    meters_pause(a);
}

/* ---- from the field ---- */
static void meter_opened(void *arg, struct sc_conn *conn)
{
    struct aggregator *a = arg;
    struct meter_conn *m = calloc(1, sizeof *m);
    if (m == NULL) {
        sc_conn_close(conn, "out of memory");
        return;
    }
    m->conn = conn;
    m->next = a->meters;
    if (a->meters != NULL)
        a->meters->prev = m;
    a->meters = m;
    sc_conn_set_user(conn, m);
    if (a->paused)
        sc_conn_read_pause(conn);
    sc_metric_add(a->metric.meters, 1);
}

static void meter_closed(void *arg, struct sc_conn *conn, const char *why)
{
    struct aggregator *a = arg;
    struct meter_conn *m = sc_conn_user(conn);
    if (m == NULL)
        return;
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&a->routes, &i)) != NULL;)
        if (slot->value == m)
            slot->value = NULL;
    if (m->prev != NULL)
        m->prev->next = m->next;
    else
        a->meters = m->next;
    if (m->next != NULL)
        m->next->prev = m->prev;
    free(m);
    sc_metric_add(a->metric.meters, -1);
    sc_log_limited(&a->limiter, SC_LOG_INFO, "field connection closed peer=%s why=\"%s\"", sc_conn_peer(conn), why);
}

static void meter_message(void *arg, struct sc_conn *conn, struct sc_slice bytes)
{
    struct aggregator *a = arg;
    struct sc_envelope_header h;
    const sc_err err = sc_envelope_peek(bytes, &h);
    if (err != SC_OK || h.to_meter) { /* drop the message, keep the line: other meters may share it */
        sc_metric_add(a->metric.malformed, 1);
        sc_log_limited(&a->limiter, SC_LOG_WARN, "message refused peer=%s size=%zu why=\"%s\"", sc_conn_peer(conn),
                       bytes.size, err != SC_OK ? sc_err_name(err) : "addressed to a meter");
        return;
    }
    const bool new_route = sc_u32map_get(&a->routes, h.meter) != sc_conn_user(conn);
    if (new_route && a->routes.count < ROUTE_COUNT_MAX && /* anybody may send any number: bounded */
        sc_u32map_put(&a->routes, h.meter, sc_conn_user(conn)) != SC_OK)
        return; /* no memory: as if lost on the way */
    forward_up(a, h.meter, bytes);
}

/* ---- from the head-end ---- */
static void uplink_opened(void *arg, struct sc_conn *conn)
{
    struct uplink *u = arg;
    u->connected = true;
    sc_metric_add(u->owner->metric.uplinks, 1);
    sc_log(SC_LOG_INFO, "authenticator connected peer=%s port=%u", sc_conn_peer(conn), u->endpoint.port);
    sc_timer_start(u->owner->retry, 0); /* drain the spool outside this callback */
}

static void uplink_closed(void *arg, struct sc_conn *conn, const char *why)
{
    struct uplink *u = arg;
    u->connected = false;
    sc_metric_add(u->owner->metric.uplinks, -1);
    sc_log(SC_LOG_WARN, "authenticator lost peer=%s port=%u why=\"%s\"", sc_conn_peer(conn), u->endpoint.port, why);
}

static void uplink_drained(void *arg, struct sc_conn *conn)
{
    (void)conn;
    sc_timer_start(((struct uplink *)arg)->owner->retry, 0);
}

static void uplink_message(void *arg, struct sc_conn *conn, struct sc_slice bytes)
{
    struct aggregator *a = ((struct uplink *)arg)->owner;
    struct sc_envelope_header h;
    if (sc_envelope_peek(bytes, &h) != SC_OK || !h.to_meter) {
        sc_metric_add(a->metric.malformed, 1);
        sc_log_limited(&a->limiter, SC_LOG_WARN, "message refused peer=%s", sc_conn_peer(conn));
        return;
    }
    struct meter_conn *m = sc_u32map_get(&a->routes, h.meter);
    if (m == NULL || sc_conn_send(m->conn, bytes) != SC_OK)
        sc_metric_add(a->metric.unroutable, 1); /* the head-end repeats what matters */
    else
        sc_metric_add(a->metric.down, 1);
}

/* ---- life ---- */
static void aggregator_stop(void *state)
{
    struct aggregator *a = state;
    if (a == NULL)
        return;
    sc_listener_free(a->listener);
    for (size_t i = 0; i < a->uplink_count; i++)
        sc_dialer_free(a->uplinks[i].dialer);
    sc_timer_free(a->retry);
    sc_u32map_deinit(&a->routes);
    sc_spool_free(a->spool);
    sc_buf_deinit(&a->spooled);
    free(a);
}

static void aggregator_stopp(struct aggregator **a)
{
    aggregator_stop(*a);
}

static void register_metrics(struct aggregator *a)
{
    struct sc_metrics *m = sc_service_metrics(a->service);
    const char *messages = "securecloud_aggregator_messages_total";
    const char *help = "Messages by what became of them.";
    a->metric.up = sc_metrics_counter(m, messages, "result=\"forwarded_up\"", help);
    a->metric.down = sc_metrics_counter(m, messages, "result=\"forwarded_down\"", help);
    a->metric.spooled = sc_metrics_counter(m, messages, "result=\"spooled\"", help);
    a->metric.refused = sc_metrics_counter(m, messages, "result=\"spool_full\"", help);
    a->metric.malformed = sc_metrics_counter(m, messages, "result=\"malformed\"", help);
    a->metric.unroutable = sc_metrics_counter(m, messages, "result=\"no_route\"", help);
    a->metric.waiting = sc_metrics_gauge(m, "securecloud_aggregator_spool_messages", "", "Messages waiting on disk.");
    a->metric.uplinks = sc_metrics_gauge(m, "securecloud_aggregator_uplinks", "", "Authenticators connected.");
    a->metric.meters =
        sc_metrics_gauge(m, "securecloud_aggregator_field_connections", "", "Connections from the field.");
}

static void uplink_failed(void *arg, const char *peer, const char *why)
{
    const struct uplink *u = arg;
    sc_log_limited(&u->owner->limiter, SC_LOG_WARN, "authenticator not reached peer=%s why=\"%s\"", peer, why);
}

static sc_err uplinks_start(struct aggregator *a, const struct sc_conn_options *shape, struct sc_diag *diag)
{
    static const struct sc_conn_events events = {uplink_opened, uplink_message, uplink_drained, uplink_closed};
    const json_t *list = json_object_get(sc_identity_config(sc_service_identity(a->service)), "authenticators");
    if (json_array_size(list) == 0 || json_array_size(list) > UPLINK_COUNT_MAX)
        return sc_fail(diag, SC_E_USAGE, "config.json: \"authenticators\" needs 1 to %d addresses", UPLINK_COUNT_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct uplink *u = &a->uplinks[i];
        u->owner = a;
        SC_TRY(sc_context(diag, sc_endpoint_parse(json_array_get(list, i), &u->endpoint, diag), "authenticators"));
        struct sc_conn_options opt = *shape;
        opt.host = u->endpoint.host;
        opt.port = u->endpoint.port;
        opt.tls = sc_service_tls(a->service);
        opt.events = &events;
        opt.arg = u;
        opt.failed = uplink_failed;
        SC_TRY(sc_dialer_new(sc_service_loop(a->service), &opt, u->endpoint.id, &u->dialer, diag));
        a->uplink_count++;
    }
    return SC_OK;
}

static sc_err aggregator_start(struct sc_service *s, void **state_out, struct sc_diag *diag)
{
    SC_CLEANUP(aggregator_stopp) struct aggregator *a = calloc(1, sizeof *a);
    if (a == NULL)
        return sc_fail(diag, SC_E_NOMEM, "aggregator");
    const struct sc_identity *id = sc_service_identity(s);
    a->service = s;
    register_metrics(a);
    uint32_t seed;
    sc_random(&seed, sizeof seed);
    sc_u32map_init(&a->routes, seed);

    const char *spool_path = NULL;
    int64_t spool_size_max = (int64_t)64 << 20;
    uint64_t cut = 0;
    SC_TRY(sc_json_get_str(sc_identity_config(id), "spool", &spool_path, diag));
    SC_TRY(sc_json_opt_int(sc_identity_config(id), "spool_bytes_max", 4096, (int64_t)1 << 40, &spool_size_max, diag));
    SC_TRY(sc_spool_open(spool_path, (uint64_t)spool_size_max, SC_ENVELOPE_SIZE_MAX, &a->spool, &cut, diag));
    sc_metric_set(a->metric.waiting, (int64_t)sc_spool_count(a->spool)); /* from before a restart */
    if (cut != 0)
        sc_log(SC_LOG_WARN, "spool: torn tail cut off bytes=%" PRIu64, cut);
    SC_TRY(sc_timer_new(sc_service_loop(s), retry, a, &a->retry));

    static const struct sc_conn_events events = {meter_opened, meter_message, NULL, meter_closed};
    const struct sc_conn_options shape = {.message_size_max = SC_ENVELOPE_SIZE_MAX, .output_size_max = (size_t)4 << 20};
    SC_TRY(uplinks_start(a, &shape, diag));
    SC_TRY(sc_identity_endpoint(id, "listen", &a->listen, diag));
    struct sc_listener_options opt = {.conn = shape, .conn_count_max = 8192};
    opt.conn.host = a->listen.host;
    opt.conn.port = a->listen.port;
    opt.conn.events = &events;
    opt.conn.arg = a;
    SC_TRY(sc_listener_new(sc_service_loop(s), &opt, &a->listener, diag));
    *state_out = SC_TAKE(a);
    return SC_OK;
}

int main(int argc, char **argv)
{
    static const struct sc_service_definition def = {
        .name = "securecloud-aggregator",
        .summary =
            "Forwards sealed messages between meters and authenticators, and keeps them on disk, bounded, while no\n"
            "authenticator is reachable.  It never sees a reading in the clear.",
        .config = "  listen     {\"host\", \"port\"}: where meters connect (TCP; messages are sealed end to end)\n"
                  "  authenticators  [{\"host\", \"port\", \"id\"}, ...]: mutual TLS\n"
                  "  spool      path of the spool file\n"
                  "  spool_bytes_max  its bound (default 67108864)\n",
        .start = aggregator_start,
        .stop = aggregator_stop,
    };
    return sc_service_main(argc, argv, &def);
}
