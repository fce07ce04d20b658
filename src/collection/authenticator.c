/* securecloud-authenticator: who speaks?  Opens the meters' envelopes, verifies every reading's signature under the
 * certificate of the metrology institute, hands what is genuine to the MDC, and seals the MDC's answers.
 *
 * It keeps nothing that another authenticator would need: session keys follow from the head-end's key and what the
 * envelope shows (metering/envelope.h), meters are looked up in CascaDB.  So any number run in parallel, and one takes
 * over from another at any moment. */
#include "base/clock.h"
#include "base/log.h"
#include "base/u32map.h"
#include "collection/headend.h"
#include "crypto/x509.h"
#include "metering/schema.h"
#include "net/conn.h"
#include "service/db.h"
#include "service/service.h"

#include <inttypes.h>
#include <stdio.h>

#define SESSION_COUNT    2 /* the meter's present one, and the one before it while messages are still under way */
#define UNKNOWN_RETRY_MS 5000
#define LINK_OUTPUT_MAX  ((size_t)16 << 20)

struct meter {
    uint32_t serial;
    uint64_t client_id;
    struct sc_verifier *metrology_key; /* NULL: the meter is not known, or its certificate is not acceptable */
    struct sc_dh_public agreement;
    int64_t unknown_until_ms;                  /* do not ask the database again before */
    struct sc_session *session[SESSION_COUNT]; /* newest first */
    struct sc_conn *via;                       /* the aggregator it last spoke through; NULL when that is gone */
};

enum refusal {
    REFUSED_FRAME,
    REFUSED_UNKNOWN,
    REFUSED_AUTH,
    REFUSED_REPLAY,
    REFUSED_SIGNATURE,
    REFUSED_FOREIGN,
    REFUSED_COUNT
};
static const char *const refusal_labels[REFUSED_COUNT] = {
    "reason=\"malformed\"", "reason=\"unknown_meter\"", "reason=\"not_authentic\"",
    "reason=\"replay\"",    "reason=\"signature\"",     "reason=\"other_meters_number\"",
};

struct authenticator {
    struct sc_service *service;
    struct sc_listener *listener;
    struct sc_dialer *mdc;
    struct sc_endpoint listen, mdc_endpoint;
    PGconn *db;
    struct sc_cert *institute;
    struct sc_secmem *secret; /* holds the head-end's static key */
    struct sc_u32map meters;  /* serial -> struct meter */
    struct sc_buf plain, out, items;
    struct sc_log_limiter limiter;
    struct {
        struct sc_metric *messages, *readings, *sealed, *dropped, *refused[REFUSED_COUNT], *known;
    } metric;
};

static const struct sc_key *headend_key(const struct authenticator *a)
{
    return (const struct sc_key *)(const void *)sc_secmem_ptr(a->secret);
}

static void refuse(struct authenticator *a, enum refusal why, uint32_t serial, const char *detail)
{
    sc_metric_add(a->metric.refused[why], 1);
    sc_log_limited(&a->limiter, SC_LOG_WARN, "message refused meter=%08" PRIu32 " %s detail=\"%s\"", serial,
                   refusal_labels[why], detail);
}

/* ---- the register of meters ---- */
/* Takes one row (serial, client_id, certificate, agreement_key) in binary format. */
static sc_err meter_accept(struct authenticator *a, struct meter *m, const PGresult *res, int row, struct sc_diag *diag)
{
    char urn[SC_METER_URN_SIZE];
    uint32_t serial = 0;
    uint64_t client_id = 0;
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    if (PQgetlength(res, row, 3) != (int)sizeof m->agreement.bytes)
        return sc_fail(diag, SC_E_MALFORMED, "agreement key of %d bytes", PQgetlength(res, row, 3));
    SC_TRY(sc_cert_from_der(sc_slice_of(PQgetvalue(res, row, 2), (size_t)PQgetlength(res, row, 2)), &cert, diag));
    SC_TRY(sc_cert_verify(cert, a->institute, sc_wall_ms(&sc_clock_system), diag));
    SC_TRY(sc_cert_uri(cert, urn, sizeof urn, diag));
    SC_TRY(sc_context(diag, sc_meter_urn_parse(urn, &serial, &client_id), "name \"%s\"", urn));
    if (serial != m->serial)
        return sc_fail(diag, SC_E_AUTH, "the certificate is for meter %08" PRIu32, serial);
    SC_TRY(sc_cert_verifier(cert, &m->metrology_key, diag));
    memcpy(m->agreement.bytes, PQgetvalue(res, row, 3), sizeof m->agreement.bytes);
    m->client_id = client_id;
    sc_metric_add(a->metric.known, 1);
    return SC_OK;
}

static sc_err db_ensure(struct authenticator *a, struct sc_diag *diag)
{
    if (a->db != NULL && PQstatus(a->db) == CONNECTION_OK)
        return SC_OK;
    if (a->db != NULL)
        PQfinish(SC_TAKE(a->db));
    return sc_db_connect(sc_service_identity(a->service), &a->db, diag);
}

static sc_err meter_query(struct authenticator *a, struct meter *m, struct sc_diag *diag)
{
    SC_TRY(db_ensure(a, diag));
    char serial[16];
    snprintf(serial, sizeof serial, "%" PRIu32, m->serial);
    const char *const values[] = {serial};
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res =
        PQexecParams(a->db, "SELECT serial, client_id, certificate, agreement_key FROM meter WHERE serial = $1", 1,
                     NULL, values, NULL, NULL, 1);
    SC_TRY(sc_db_check(a->db, res, "register of meters", diag));
    if (PQntuples(res) == 0)
        return sc_fail(diag, SC_E_NOT_FOUND, "not in the register of meters");
    return meter_accept(a, m, res, 0, diag);
}

/* The record of a meter whose certificate is good; NULL (refusal told) otherwise. */
static struct meter *meter_of(struct authenticator *a, uint32_t serial)
{
    struct meter *m = sc_u32map_get(&a->meters, serial);
    if (m != NULL && m->metrology_key != NULL)
        return m;
    if (m == NULL) {
        m = calloc(1, sizeof *m);
        if (m == NULL || sc_u32map_put(&a->meters, serial, m) != SC_OK) {
            free(m);
            return NULL;
        }
        m->serial = serial;
    }
    struct sc_diag diag = {0};
    const int64_t now_ms = sc_wall_ms(&sc_clock_system);
    sc_err err = sc_fail(&diag, SC_E_NOT_FOUND, "not in the register of meters (asked a moment ago)");
    if (now_ms >= m->unknown_until_ms) {
        diag = (struct sc_diag){0};
        err = meter_query(a, m, &diag);
        if (err != SC_OK && err != SC_E_AGAIN)
            m->unknown_until_ms = now_ms + UNKNOWN_RETRY_MS;
    }
    if (err == SC_OK)
        return m;
    refuse(a, REFUSED_UNKNOWN, serial, sc_diag_text(&diag, err));
    return NULL;
}

/* ---- opening ---- */
static struct sc_session *session_known(struct meter *m, const struct sc_envelope_header *h)
{
    for (size_t i = 0; i < SESSION_COUNT; i++)
        if (m->session[i] != NULL && sc_session_matches(m->session[i], h))
            return m->session[i];
    return NULL;
}

static void session_keep(struct meter *m, struct sc_session *s)
{
    sc_session_free(m->session[SESSION_COUNT - 1]);
    memmove(&m->session[1], &m->session[0], (SESSION_COUNT - 1) * sizeof m->session[0]);
    m->session[0] = s;
}

/* Opens one envelope into a->plain; a new session is kept only after its first message proved genuine. */
static sc_err open_envelope(struct authenticator *a, struct meter *m, struct sc_slice wire,
                            struct sc_envelope_header *h)
{
    SC_CLEANUP(sc_session_freep) struct sc_session *fresh = NULL;
    struct sc_session *s = session_known(m, h);
    if (s == NULL) {
        const struct sc_session_headend_options opt = {headend_key(a), &m->agreement, h, 0};
        SC_TRY(sc_session_headend_open(&opt, &fresh));
        s = fresh;
    }
    sc_buf_reset(&a->plain);
    SC_TRY(sc_envelope_open(s, wire, h, &a->plain));
    if (sc_session_expired(s, sc_wall_ms(&sc_clock_system)))
        return SC_E_LIMIT; /* a recording: its replay window may have been another authenticator's */
    if (fresh != NULL)
        session_keep(m, SC_TAKE(fresh));
    return SC_OK;
}

/* ---- what meters say ---- */
static void send_up(struct authenticator *a, const struct meter *m, const struct sc_envelope_header *h,
                    struct sc_slice payload)
{
    struct sc_conn *up = sc_dialer_conn(a->mdc);
    const struct sc_headend_frame f = {false,         m->serial,         m->client_id, h->type,
                                       h->message_id, h->correlation_id, payload};
    sc_buf_reset(&a->out);
    sc_headend_encode(&f, &a->out);
    if (up == NULL || sc_buf_status(&a->out) != SC_OK || sc_conn_send(up, sc_buf_slice(&a->out)) != SC_OK)
        sc_metric_add(a->metric.dropped, 1); /* not acknowledged, so the meter repeats it */
}

/* Lets through the readings that this meter signed; the others are told and left out. */
static void readings_up(struct authenticator *a, const struct meter *m, const struct sc_envelope_header *h,
                        const struct sc_message_readings *readings)
{
    struct sc_message genuine = {.kind = SC_MESSAGE_READINGS};
    struct sc_reader r = sc_reader_of(readings->items);
    struct sc_signed_reading item;
    sc_buf_reset(&a->items);
    while (sc_readings_next(&r, &item) == SC_OK) {
        struct sc_reading reading;
        if (sc_reading_decode(item.statement, &reading) != SC_OK) {
            refuse(a, REFUSED_FRAME, m->serial, "reading");
        } else if (reading.meter != m->serial) {
            refuse(a, REFUSED_FOREIGN, m->serial, "a reading names another meter");
        } else if (sc_verifier_check(m->metrology_key, item.statement, item.signature) != SC_OK) {
            refuse(a, REFUSED_SIGNATURE, m->serial, "a reading's signature is wrong");
        } else {
            sc_readings_put(item.statement, item.signature, &a->items);
            genuine.readings.count++;
        }
    }
    sc_metric_add(a->metric.readings, genuine.readings.count);
    if (genuine.readings.count == 0 && readings->count != 0)
        return;
    genuine.readings.items = sc_buf_slice(&a->items);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf payload = {0};
    sc_message_encode(&genuine, &payload);
    if (sc_buf_status(&a->items) == SC_OK && sc_buf_status(&payload) == SC_OK)
        send_up(a, m, h, sc_buf_slice(&payload));
}

static void field_message(void *arg, struct sc_conn *conn, struct sc_slice wire)
{
    struct authenticator *a = arg;
    struct sc_envelope_header h;
    struct sc_message msg;
    sc_metric_add(a->metric.messages, 1);
    sc_err err = sc_envelope_peek(wire, &h);
    if (err != SC_OK || h.to_meter) {
        refuse(a, REFUSED_FRAME, 0, err != SC_OK ? sc_err_name(err) : "addressed to a meter");
        return;
    }
    struct meter *m = meter_of(a, h.meter);
    if (m == NULL)
        return;
    err = open_envelope(a, m, wire, &h);
    if (err != SC_OK) {
        refuse(a, err == SC_E_EXISTS || err == SC_E_LIMIT ? REFUSED_REPLAY : REFUSED_AUTH, h.meter,
               err == SC_E_EXISTS  ? "its counter was seen before"
               : err == SC_E_LIMIT ? "its counter is too old"
                                   : "it was not sealed by this meter for us");
        return;
    }
    m->via = conn; /* only genuine messages tell where a meter is */
    err = sc_message_decode(h.type, false, sc_buf_slice(&a->plain), &msg);
    if (err != SC_OK)
        refuse(a, REFUSED_FRAME, h.meter, "genuine envelope, senseless content");
    else if (msg.kind == SC_MESSAGE_READINGS)
        readings_up(a, m, &h, &msg.readings);
    else
        send_up(a, m, &h, sc_buf_slice(&a->plain));
}

static void field_closed(void *arg, struct sc_conn *conn, const char *why)
{
    struct authenticator *a = arg;
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&a->meters, &i)) != NULL;) {
        struct meter *m = slot->value;
        if (m->via == conn)
            m->via = NULL;
    }
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
    struct meter *m = sc_u32map_get(&a->meters, f.meter);
    if (m == NULL || m->via == NULL || m->session[0] == NULL) {
        sc_metric_add(a->metric.dropped, 1); /* no way to it: the MDC repeats what matters */
        return;
    }
    sc_buf_reset(&a->out);
    const sc_err err = sc_envelope_seal(m->session[0], f.type, f.message_id, f.correlation_id, f.payload, &a->out);
    if (err == SC_OK && sc_conn_send(m->via, sc_buf_slice(&a->out)) == SC_OK)
        sc_metric_add(a->metric.sealed, 1);
    else
        sc_metric_add(a->metric.dropped, 1);
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
    struct sc_u32map_slot *slot;
    for (size_t i = 0; (slot = sc_u32map_next(&a->meters, &i)) != NULL;) {
        struct meter *m = slot->value;
        for (size_t k = 0; k < SESSION_COUNT; k++)
            sc_session_free(m->session[k]);
        sc_verifier_free(m->metrology_key);
        free(m);
    }
    sc_u32map_deinit(&a->meters);
    if (a->db != NULL)
        PQfinish(a->db);
    sc_cert_free(a->institute);
    sc_secmem_free(a->secret);
    sc_buf_wipe(&a->plain);
    sc_buf_wipe(&a->out);
    sc_buf_wipe(&a->items);
    free(a);
}

static void authenticator_stopp(struct authenticator **a)
{
    authenticator_stop(*a);
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
    for (int i = 0; i < REFUSED_COUNT; i++)
        a->metric.refused[i] = sc_metrics_counter(m, "securecloud_authenticator_refused_total", refusal_labels[i],
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
    uint32_t seed;
    sc_random(&seed, sizeof seed);
    sc_u32map_init(&a->meters, seed);
    struct sc_identity *id = sc_service_identity(s);
    SC_TRY(secrets_load(a, id, diag));
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
        .stop = authenticator_stop,
    };
    return sc_service_main(argc, argv, &def);
}
