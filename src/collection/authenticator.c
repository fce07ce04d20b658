/* securecloud-authenticator: who speaks?  Opens the meters' envelopes, verifies every reading's signature under the
 * certificate of the metrology institute, hands what is genuine to the MDC, and seals the MDC's answers.  What it
 * thinks is in collection/gate.h; here are its sockets and its register of meters.
 *
 * It keeps nothing that another authenticator would need: session keys follow from the head-end's key and what the
 * envelope shows (metering/envelope.h), meters are looked up in CascaDB.  So any number run in parallel, and one takes
 * over from another at any moment. */
#include "base/log.h"
#include "collection/gate.h"
#include "net/conn.h"
#include "service/db.h"
#include "service/service.h"

#include <inttypes.h>
#include <stdio.h>

#define LINK_OUTPUT_MAX ((size_t)16 << 20)

struct authenticator {
    struct sc_service *service;
    struct sc_listener *listener;
    struct sc_dialer *mdc;
    struct sc_endpoint listen, mdc_endpoint;
    struct sc_gate *gate;
    PGconn *db;
    PGresult *found; /* what the register said last: the gate borrows from it */
    struct sc_cert *institute;
    struct sc_secmem *secret; /* holds the head-end's static key */
    struct sc_buf out;
    struct sc_log_limiter limiter;
    struct {
        struct sc_metric *messages, *readings, *sealed, *dropped, *refused[SC_GATE_REFUSAL_COUNT], *known;
    } metric;
};

/* ---- the register of meters ---- */
static sc_err db_ensure(struct authenticator *a, struct sc_diag *diag)
{
    if (a->db != NULL && PQstatus(a->db) == CONNECTION_OK)
        return SC_OK;
    if (a->db != NULL)
        PQfinish(SC_TAKE(a->db));
    return sc_db_connect(sc_service_identity(a->service), &a->db, diag);
}

static sc_err register_find(void *arg, uint32_t serial, struct sc_gate_entry *out, struct sc_diag *diag)
{
    struct authenticator *a = arg;
    char text[16];
    SC_TRY(db_ensure(a, diag));
    snprintf(text, sizeof text, "%" PRIu32, serial);
    const char *const values[] = {text};
    PQclear(a->found);
    a->found = PQexecParams(a->db, "SELECT certificate, agreement_key FROM meter WHERE serial = $1", 1, NULL, values,
                            NULL, NULL, 1);
    SC_TRY(sc_db_check(a->db, a->found, "register of meters", diag));
    if (PQntuples(a->found) == 0)
        return sc_fail(diag, SC_E_NOT_FOUND, "not in the register of meters");
    out->certificate = sc_slice_of(PQgetvalue(a->found, 0, 0), (size_t)PQgetlength(a->found, 0, 0));
    out->agreement = sc_slice_of(PQgetvalue(a->found, 0, 1), (size_t)PQgetlength(a->found, 0, 1));
    return SC_OK;
}

static void told_refused(void *arg, enum sc_gate_refusal why, uint32_t serial, const char *detail)
{
    struct authenticator *a = arg;
    sc_metric_add(a->metric.refused[why], 1);
    sc_log_limited(&a->limiter, SC_LOG_WARN, "message refused meter=%08" PRIu32 " reason=%s detail=\"%s\"", serial,
                   sc_gate_refusal_name(why), detail);
}

/* ---- what meters say ---- */
static void field_message(void *arg, struct sc_conn *conn, struct sc_slice wire)
{
    struct authenticator *a = arg;
    struct sc_headend_frame f;
    sc_metric_add(a->metric.messages, 1);
    if (sc_gate_open(a->gate, wire, &f) != SC_OK)
        return;
    sc_gate_via_set(a->gate, f.meter, conn); /* only genuine messages tell where a meter is */
    if (f.payload.size == 0)
        return;
    struct sc_conn *up = sc_dialer_conn(a->mdc);
    sc_buf_reset(&a->out);
    sc_headend_encode(&f, &a->out);
    if (up == NULL || sc_buf_status(&a->out) != SC_OK || sc_conn_send(up, sc_buf_slice(&a->out)) != SC_OK)
        sc_metric_add(a->metric.dropped, 1); /* not acknowledged, so the meter repeats it */
}

static void field_closed(void *arg, struct sc_conn *conn, const char *why)
{
    struct authenticator *a = arg;
    sc_gate_via_gone(a->gate, conn);
    sc_log(SC_LOG_INFO, "aggregator gone peer=%s why=\"%s\"", sc_conn_peer(conn), why);
}

static void field_refused(void *arg, const char *peer, const char *why)
{
    struct authenticator *a = arg;
    sc_log_limited(&a->limiter, SC_LOG_WARN, "connection refused peer=%s why=\"%s\"", peer, why);
}

/* ---- what the MDC says ---- */
static void mdc_message(void *arg, struct sc_conn *conn, struct sc_slice wire)
{
    struct authenticator *a = arg;
    struct sc_headend_frame f;
    if (sc_headend_decode(wire, &f) != SC_OK || !f.to_meter) {
        sc_log_limited(&a->limiter, SC_LOG_ERROR, "malformed frame peer=%s", sc_conn_peer(conn));
        return;
    }
    struct sc_conn *via = sc_gate_via(a->gate, f.meter);
    sc_buf_reset(&a->out);
    if (via != NULL && sc_gate_seal(a->gate, &f, &a->out) == SC_OK && sc_conn_send(via, sc_buf_slice(&a->out)) == SC_OK)
        sc_metric_add(a->metric.sealed, 1);
    else
        sc_metric_add(a->metric.dropped, 1); /* no way to it: the MDC repeats what matters */
}

static void mdc_opened(void *arg, struct sc_conn *conn)
{
    (void)arg;
    sc_log(SC_LOG_INFO, "MDC connected peer=%s", sc_conn_peer(conn));
}

static void mdc_failed(void *arg, const char *peer, const char *why)
{
    struct authenticator *a = arg;
    sc_log_limited(&a->limiter, SC_LOG_WARN, "MDC not reached peer=%s why=\"%s\"", peer, why);
}

static void mdc_closed(void *arg, struct sc_conn *conn, const char *why)
{
    (void)arg;
    sc_log(SC_LOG_WARN, "MDC lost peer=%s why=\"%s\"", sc_conn_peer(conn), why);
}

/* ---- life ---- */
static bool field_allowed(void *arg, const char *spiffe_id)
{
    (void)arg;
    return strncmp(spiffe_id, SC_TRUST_DOMAIN "/aggregator", sizeof SC_TRUST_DOMAIN "/aggregator" - 1) == 0;
}

static void authenticator_stop(void *state)
{
    struct authenticator *a = state;
    if (a == NULL)
        return;
    sc_listener_free(a->listener);
    sc_dialer_free(a->mdc);
    sc_gate_free(a->gate);
    PQclear(a->found);
    if (a->db != NULL)
        PQfinish(a->db);
    sc_cert_free(a->institute);
    sc_secmem_free(a->secret);
    sc_buf_wipe(&a->out);
    free(a);
}

static void authenticator_stopp(struct authenticator **a)
{
    authenticator_stop(*a);
}

static void authenticator_sample(void *state)
{
    struct authenticator *a = state;
    sc_metric_set(a->metric.readings, (int64_t)sc_gate_verified_count(a->gate));
    sc_metric_set(a->metric.known, (int64_t)sc_gate_known_count(a->gate));
}

static void register_metrics(struct authenticator *a)
{
    struct sc_metrics *m = sc_service_metrics(a->service);
    a->metric.messages = sc_metrics_counter(m, "securecloud_authenticator_messages_total", "", "Envelopes received.");
    a->metric.readings =
        sc_metrics_counter(m, "securecloud_authenticator_readings_total", "", "Readings whose signature was verified.");
    a->metric.sealed =
        sc_metrics_counter(m, "securecloud_authenticator_sealed_total", "", "Envelopes sealed for meters.");
    a->metric.dropped = sc_metrics_counter(m, "securecloud_authenticator_dropped_total", "",
                                           "Messages with no way on; they are repeated.");
    static const char *const reasons[SC_GATE_REFUSAL_COUNT] = {
        "reason=\"malformed\"", "reason=\"unknown_meter\"", "reason=\"not_authentic\"",
        "reason=\"replay\"",    "reason=\"signature\"",     "reason=\"other_meters_number\"",
    };
    for (int i = 0; i < SC_GATE_REFUSAL_COUNT; i++)
        a->metric.refused[i] = sc_metrics_counter(m, "securecloud_authenticator_refused_total", reasons[i],
                                                  "Messages and readings refused.");
    a->metric.known =
        sc_metrics_gauge(m, "securecloud_authenticator_meters", "", "Meters with a verified certificate.");
}

static sc_err secrets_load(struct authenticator *a, struct sc_identity *id, struct sc_diag *diag)
{
    const char *institute_path = NULL;
    SC_TRY(sc_identity_file(id, "institute.pem", &institute_path));
    SC_TRY(sc_cert_read_pem(institute_path, &a->institute, diag));
    SC_TRY(sc_secmem_new(&a->secret, sizeof(struct sc_key), diag));
    if (strcmp(sc_secmem_kind(a->secret), "memfd_secret") != 0)
        sc_log(SC_LOG_WARN, "memfd_secret is not available: the head-end's key is in %s memory",
               sc_secmem_kind(a->secret));
    return sc_identity_secret(id, "headend", (struct sc_key *)(void *)sc_secmem_ptr(a->secret), diag);
}

static sc_err authenticator_start(struct sc_service *s, void **state_out, struct sc_diag *diag)
{
    static const struct sc_conn_events field_events = {NULL, field_message, NULL, field_closed};
    static const struct sc_conn_events mdc_events = {mdc_opened, mdc_message, NULL, mdc_closed};
    SC_CLEANUP(authenticator_stopp) struct authenticator *a = calloc(1, sizeof *a);
    if (a == NULL)
        return sc_fail(diag, SC_E_NOMEM, "authenticator");
    a->service = s;
    register_metrics(a);
    struct sc_identity *id = sc_service_identity(s);
    SC_TRY(secrets_load(a, id, diag));
    const struct sc_gate_options gate = {(const struct sc_key *)(const void *)sc_secmem_ptr(a->secret),
                                         a->institute,
                                         &sc_clock_system,
                                         register_find,
                                         told_refused,
                                         a};
    SC_TRY(sc_gate_new(&gate, &a->gate));
    SC_TRY(sc_identity_endpoint(id, "listen", &a->listen, diag));
    SC_TRY(sc_identity_endpoint(id, "mdc", &a->mdc_endpoint, diag));

    const struct sc_conn_options up = {.host = a->mdc_endpoint.host,
                                       .port = a->mdc_endpoint.port,
                                       .tls = sc_service_tls(s),
                                       .message_size_max = SC_HEADEND_SIZE_MAX,
                                       .output_size_max = LINK_OUTPUT_MAX,
                                       .events = &mdc_events,
                                       .arg = a,
                                       .failed = mdc_failed};
    SC_TRY(sc_dialer_new(sc_service_loop(s), &up, a->mdc_endpoint.id, &a->mdc, diag));
    const struct sc_listener_options down = {.conn = {.host = a->listen.host,
                                                      .port = a->listen.port,
                                                      .tls = sc_service_tls(s),
                                                      .message_size_max = SC_ENVELOPE_SIZE_MAX,
                                                      .output_size_max = LINK_OUTPUT_MAX,
                                                      .events = &field_events,
                                                      .arg = a},
                                             .conn_count_max = 256,
                                             .allow = field_allowed,
                                             .refused = field_refused};
    SC_TRY(sc_listener_new(sc_service_loop(s), &down, &a->listener, diag));
    *state_out = SC_TAKE(a);
    return SC_OK;
}

int main(int argc, char **argv)
{
    static const struct sc_service_definition def = {
        .name = "securecloud-authenticator",
        .summary = "Opens the meters' sealed messages, verifies every reading's signature, and hands what is genuine "
                   "to the MDC.\n"
                   "Several run in parallel; one takes over from another at any moment.",
        .config = "  listen     {\"host\", \"port\"}: where aggregators connect (mutual TLS)\n"
                  "  mdc        {\"host\", \"port\", \"id\"}: the Metering Data Collection\n"
                  "  database   {\"host\", \"port\"}: CascaDB, for the register of meters\n"
                  "Further files: institute.pem (the metrology institute's root), headend.key (32 bytes, X25519)\n",
        .start = authenticator_start,
        .sample = authenticator_sample,
        .stop = authenticator_stop,
    };
    return sc_service_main(argc, argv, &def);
}
