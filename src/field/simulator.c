/* securecloud-simulator: a field of meters.  Each meter measures its customer's load, signs, seals and sends; time runs
 * as fast as the head-end acknowledges.  What is simulated is the customers and the radio (which loses messages); the
 * meters' keys, signatures, sessions and memory are the real thing (metering/meter.h). */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "field/population.h"
#include "metering/meter.h"
#include "net/conn.h"
#include "service/service.h"

#include <inttypes.h>
#include <stdio.h>

#define CONNECTION_COUNT_MAX 64
#define TICK_MS              50
#define HELLO_AGAIN_MS       1500
#define PROGRESS_FILE_MS     1000
#define RETRANSMIT_MS        3000
#define REPORT_READINGS      32

struct sim_meter {
    struct sc_meter *meter;
    struct sc_signer *signer;
    struct sc_population_stream *stream;
    size_t next_interval;
    size_t line;
    int64_t hello_ms; /* when it last said hello; 0: must say it */
    bool heard;       /* the head-end has answered since */
};

struct line {
    struct simulator *owner;
    struct sc_dialer *dialer;
    size_t index;
};

struct simulator {
    struct sc_service *service;
    struct sc_population *population;
    struct sim_meter *meters;
    size_t meter_count;
    struct line lines[CONNECTION_COUNT_MAX];
    size_t line_count;
    struct sc_endpoint aggregator;
    struct sc_verifier *operator_key;
    struct sc_timer *tick;
    struct sc_prng radio;
    double loss;
    uint64_t window;
    const char *progress_path;
    int64_t progress_written_ms;
    struct sc_buf wire;
    bool done;
    struct {
        struct sc_metric *signed_readings, *messages, *lost, *refused, *acked, *total, *done, *disconnected;
    } metric;
};

static int64_t wall_ms(void)
{
    return sc_wall_ms(&sc_clock_system);
}

/* ---- the radio ---- */
/* True when the message is on its way or lost in the air; false when the line cannot take it now. */
static bool transmit(struct simulator *s, const struct sim_meter *m)
{
    struct sc_conn *conn = sc_dialer_conn(s->lines[m->line].dialer);
    if (conn == NULL)
        return false;
    if (s->loss > 0 && sc_prng_uniform(&s->radio) < s->loss) {
        sc_metric_add(s->metric.lost, 1);
        return true;
    }
    if (sc_conn_send(conn, sc_buf_slice(&s->wire)) != SC_OK)
        return false;
    sc_metric_add(s->metric.messages, 1);
    return true;
}

/* ---- one meter's life ---- */
static sc_err measure_next(struct simulator *s, struct sim_meter *m)
{
    struct sc_population_load load;
    sc_population_stream_next(m->stream, &load);
    const struct sc_meter_load interval = {
        .start_ms = sc_population_first_ms(s->population) +
                    (int64_t)m->next_interval * sc_population_interval_s(s->population) * 1000,
        .measured = load.measured,
        .demand_wh = load.wh,
        .has_reactive = load.has_reactive,
        .inductive_varh = load.inductive_varh,
        .capacitive_varh = load.capacitive_varh,
    };
    SC_TRY(sc_meter_interval(m->meter, &interval, NULL));
    m->next_interval++;
    sc_metric_add(s->metric.signed_readings, 1);
    return SC_OK;
}

static sc_err say_hello(struct simulator *s, struct sim_meter *m)
{
    sc_buf_reset(&s->wire);
    SC_TRY(sc_meter_hello(m->meter, wall_ms(), &s->wire));
    if (transmit(s, m)) {
        m->hello_ms = wall_ms();
        m->heard = false;
    }
    return SC_OK;
}

/* Measures and reports as far as window and line allow.  True while there is something left to do. */
static sc_err meter_run(struct simulator *s, struct sim_meter *m, bool *busy_out)
{
    struct sc_meter_status status;
    sc_meter_status(m->meter, &status);
    const size_t total = sc_population_interval_count(s->population);
    *busy_out = m->next_interval < total || status.unacked != 0;
    if (!*busy_out || sc_dialer_conn(s->lines[m->line].dialer) == NULL)
        return SC_OK;
    if (!m->heard) {
        if (m->hello_ms == 0 || wall_ms() - m->hello_ms > HELLO_AGAIN_MS)
            SC_TRY(say_hello(s, m));
        return SC_OK;
    }
    for (; m->next_interval < total && status.unacked < s->window; status.unacked++)
        SC_TRY(measure_next(s, m));
    for (;;) {
        sc_buf_reset(&s->wire);
        const sc_err err = sc_meter_report(m->meter, wall_ms(), &s->wire);
        if (err == SC_E_NOT_FOUND)
            return SC_OK;
        if (err == SC_E_AGAIN || err == SC_E_USAGE) { /* the session is used up */
            m->hello_ms = 0;
            m->heard = false;
            return SC_OK;
        }
        SC_TRY(err);
        if (!transmit(s, m))
            return SC_OK; /* as lost: it is due again after the retransmission time */
    }
}

static void progress_save(struct simulator *s, uint64_t acked_total)
{
    struct sc_buf text = {0};
    for (size_t i = 0; i < s->meter_count; i++) {
        struct sc_meter_status status;
        sc_meter_status(s->meters[i].meter, &status);
        sc_buf_put_u64be(&text, status.acked);
    }
    struct sc_diag diag = {0};
    sc_err err = sc_buf_status(&text);
    if (err == SC_OK)
        err = sc_file_write(s->progress_path, sc_buf_slice(&text), 0600, &diag);
    if (err != SC_OK)
        sc_log(SC_LOG_WARN, "progress not saved: %s", sc_diag_text(&diag, err));
    sc_buf_deinit(&text);
    s->progress_written_ms = wall_ms();
    sc_metric_set(s->metric.acked, (int64_t)acked_total);
}

static void progress_show(struct simulator *s, bool busy)
{
    uint64_t acked = 0;
    int64_t disconnected = 0;
    for (size_t i = 0; i < s->meter_count; i++) {
        struct sc_meter_status status;
        sc_meter_status(s->meters[i].meter, &status);
        acked += status.newest - status.unacked;
        disconnected += status.load == SC_LOAD_DISCONNECTED;
    }
    sc_metric_set(s->metric.acked, (int64_t)acked);
    sc_metric_set(s->metric.disconnected, disconnected);
    if (wall_ms() - s->progress_written_ms > PROGRESS_FILE_MS || (!busy && !s->done))
        progress_save(s, acked);
    if (!busy && !s->done)
        sc_log(SC_LOG_INFO, "all readings are acknowledged readings=%" PRIu64, acked);
    s->done = !busy;
    sc_metric_set(s->metric.done, s->done);
}

static void tick(void *arg)
{
    struct simulator *s = arg;
    bool any = false;
    for (size_t i = 0; i < s->meter_count; i++) {
        bool busy = false;
        if (meter_run(s, &s->meters[i], &busy) != SC_OK) {
            sc_service_fail(s->service, "a meter cannot measure or report");
            return;
        }
        any = any || busy;
    }
    progress_show(s, any);
    sc_timer_start(s->tick, TICK_MS);
}

/* ---- the lines ---- */
static void line_opened(void *arg, struct sc_conn *conn)
{
    const struct line *l = arg;
    for (size_t i = l->index; i < l->owner->meter_count; i += l->owner->line_count) {
        sc_meter_reconnected(l->owner->meters[i].meter);
        l->owner->meters[i].hello_ms = 0;
        l->owner->meters[i].heard = false;
    }
    sc_log(SC_LOG_INFO, "line open peer=%s", sc_conn_peer(conn));
}

static void line_closed(void *arg, struct sc_conn *conn, const char *why)
{
    (void)arg;
    sc_log(SC_LOG_WARN, "line lost peer=%s why=\"%s\"", sc_conn_peer(conn), why);
}

static void line_message(void *arg, struct sc_conn *conn, struct sc_slice wire)
{
    const struct line *l = arg;
    struct simulator *s = l->owner;
    struct sc_envelope_header h;
    (void)conn;
    const uint32_t first = sc_population_customer(s->population, 0)->meter;
    if (sc_envelope_peek(wire, &h) != SC_OK || h.meter < first || h.meter - first >= s->meter_count) {
        sc_metric_add(s->metric.refused, 1);
        return;
    }
    struct sim_meter *m = &s->meters[h.meter - first];
    sc_buf_reset(&s->wire);
    if (sc_meter_receive(m->meter, wall_ms(), wire, &s->wire) != SC_OK) {
        sc_metric_add(s->metric.refused, 1);
        return;
    }
    m->heard = true;
    if (s->wire.size != 0)
        transmit(s, m);
    bool busy;
    if (meter_run(s, m, &busy) != SC_OK)
        sc_service_fail(s->service, "a meter cannot measure or report");
}

/* ---- life ---- */
static void simulator_stop(void *state)
{
    struct simulator *s = state;
    if (s == NULL)
        return;
    sc_timer_free(s->tick);
    for (size_t i = 0; i < s->line_count; i++)
        sc_dialer_free(s->lines[i].dialer);
    for (size_t i = 0; i < s->meter_count && s->meters != NULL; i++) {
        sc_meter_free(s->meters[i].meter);
        sc_signer_free(s->meters[i].signer);
        sc_population_stream_free(s->meters[i].stream);
    }
    free(s->meters);
    sc_verifier_free(s->operator_key);
    sc_population_free(s->population);
    sc_buf_wipe(&s->wire);
    free(s);
}

static void simulator_stopp(struct simulator **s)
{
    simulator_stop(*s);
}

static void register_metrics(struct simulator *s)
{
    struct sc_metrics *m = sc_service_metrics(s->service);
    s->metric.signed_readings =
        sc_metrics_counter(m, "securecloud_simulator_signed_total", "", "Readings measured and signed.");
    s->metric.messages = sc_metrics_counter(m, "securecloud_simulator_messages_total", "", "Sealed messages sent.");
    s->metric.lost =
        sc_metrics_counter(m, "securecloud_simulator_lost_total", "", "Messages lost by the simulated radio.");
    s->metric.refused =
        sc_metrics_counter(m, "securecloud_simulator_refused_total", "", "Messages that meters refused.");
    s->metric.acked = sc_metrics_gauge(m, "securecloud_simulator_acked", "", "Readings acknowledged by the head-end.");
    s->metric.total = sc_metrics_gauge(m, "securecloud_simulator_total", "", "Readings there will be.");
    s->metric.done = sc_metrics_gauge(m, "securecloud_simulator_done", "", "1 when all are acknowledged.");
    s->metric.disconnected =
        sc_metrics_gauge(m, "securecloud_simulator_disconnected", "", "Meters whose load is switched off.");
}

static sc_err key_parse(const json_t *obj, const char *name, struct sc_key *out, struct sc_diag *diag)
{
    const char *hex = NULL;
    SC_TRY(sc_json_get_str(obj, name, &hex, diag));
    return sc_context(diag, sc_hex_decode(hex, out->bytes, sizeof out->bytes), "member \"%s\"", name);
}

static sc_err meter_make(struct simulator *s, size_t i, const json_t *entry, const struct sc_dh_public *headend,
                         struct sc_diag *diag)
{
    struct sim_meter *m = &s->meters[i];
    const struct sc_customer *c = sc_population_customer(s->population, i);
    const char *key_pem = NULL;
    const char *cert_pem = NULL;
    int64_t serial;
    SC_TRY(sc_json_get_int(entry, "serial", 1, SC_METER_SERIAL_MAX, &serial, diag));
    if (serial != c->meter)
        return sc_fail(diag, SC_E_MALFORMED, "entry %zu is meter %08" PRId64 ", the population says %08" PRIu32, i,
                       serial, c->meter);
    SC_TRY(sc_json_get_str(entry, "key", &key_pem, diag));
    SC_TRY(sc_json_get_str(entry, "certificate", &cert_pem, diag));
    SC_TRY(sc_signer_from_pem(sc_slice_str(key_pem), &m->signer, diag));
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    SC_TRY(sc_cert_from_pem(sc_slice_str(cert_pem), &cert, diag));
    SC_TRY(sc_cert_to_der(cert, &der));
    struct sc_meter_options opt = {
        .serial = c->meter,
        .signer = m->signer,
        .headend = *headend,
        .operator_key = s->operator_key,
        .certificate = sc_buf_slice(&der),
        .interval_s = sc_population_interval_s(s->population),
        .report_max = REPORT_READINGS,
        .retransmit_ms = RETRANSMIT_MS,
    };
    sc_electrical_suggest(c->customer_class, c->peak_kw, &opt.electrical);
    SC_TRY(sc_json_opt_int(sc_identity_config(sc_service_identity(s->service)), "seed", 0, INT64_MAX,
                           (int64_t *)&opt.electrical.seed, diag));
    opt.electrical.stream = c->client_id;
    SC_TRY(key_parse(entry, "agreement", &opt.agreement_key, diag));
    const sc_err err = sc_meter_new(&opt, &m->meter, diag);
    sc_key_wipe(&opt.agreement_key);
    SC_TRY(err);
    m->line = i % s->line_count;
    return sc_population_stream_new(s->population, i, &m->stream);
}

/* After a restart: measure again, in no time, what had been acknowledged before. */
static sc_err fast_forward(struct simulator *s, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf saved = {0};
    const sc_err err = sc_file_read(s->progress_path, s->meter_count * 8, &saved, NULL);
    if (err == SC_E_NOT_FOUND)
        return SC_OK;
    if (err != SC_OK || saved.size != s->meter_count * 8)
        return sc_fail(diag, SC_E_MALFORMED, "%s: not the progress of this field", s->progress_path);
    uint64_t sum = 0;
    for (size_t i = 0; i < s->meter_count; i++) {
        const uint64_t acked = sc_load_u64be(saved.ptr + 8 * i);
        if (acked > sc_population_interval_count(s->population))
            return sc_fail(diag, SC_E_MALFORMED, "%s: meter %zu has more readings than intervals", s->progress_path, i);
        while (s->meters[i].next_interval < acked)
            SC_TRY(measure_next(s, &s->meters[i]));
        sum += acked;
    }
    sc_log(SC_LOG_INFO, "going on after a restart readings=%" PRIu64, sum);
    return SC_OK;
}

static sc_err meters_load(struct simulator *s, struct sc_identity *id, struct sc_diag *diag)
{
    const char *path = NULL;
    const char *operator_path = NULL;
    struct sc_key bytes;
    struct sc_dh_public headend;
    SC_TRY(sc_identity_file(id, "operator.pem", &operator_path));
    SC_CLEANUP(sc_cert_freep) struct sc_cert *operator_cert = NULL;
    SC_TRY(sc_cert_read_pem(operator_path, &operator_cert, diag));
    SC_TRY(sc_cert_verifier(operator_cert, &s->operator_key, diag));
    SC_TRY(key_parse(sc_identity_config(id), "headend", &bytes, diag));
    memcpy(headend.bytes, bytes.bytes, sizeof headend.bytes);
    SC_TRY(sc_identity_file(id, "meters.json", &path));
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_TRY(sc_json_read(path, (size_t)256 << 20, &doc, diag));
    if (json_array_size(doc) != sc_population_count(s->population))
        return sc_fail(diag, SC_E_MALFORMED, "%s: %zu meters for %zu customers", path, json_array_size(doc),
                       sc_population_count(s->population));
    s->meters = calloc(json_array_size(doc), sizeof *s->meters);
    if (s->meters == NULL)
        return sc_fail(diag, SC_E_NOMEM, "meters");
    s->meter_count = json_array_size(doc);
    for (size_t i = 0; i < s->meter_count; i++)
        SC_TRY(sc_context(diag, meter_make(s, i, json_array_get(doc, i), &headend, diag), "%s", path));
    return SC_OK;
}

static sc_err lines_start(struct simulator *s, struct sc_diag *diag)
{
    static const struct sc_conn_events events = {line_opened, line_message, NULL, line_closed};
    for (size_t i = 0; i < s->line_count; i++) {
        s->lines[i] = (struct line){.owner = s, .index = i};
        const struct sc_conn_options opt = {.host = s->aggregator.host,
                                            .port = s->aggregator.port,
                                            .message_size_max = SC_ENVELOPE_SIZE_MAX,
                                            .output_size_max = (size_t)1 << 20,
                                            .events = &events,
                                            .arg = &s->lines[i]};
        SC_TRY(sc_dialer_new(sc_service_loop(s->service), &opt, NULL, &s->lines[i].dialer, diag));
    }
    return SC_OK;
}

static sc_err simulator_start(struct sc_service *service, void **state_out, struct sc_diag *diag)
{
    SC_CLEANUP(simulator_stopp) struct simulator *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "simulator");
    s->service = service;
    register_metrics(s);
    struct sc_identity *id = sc_service_identity(service);
    const json_t *config = sc_identity_config(id);
    struct sc_population_options field;
    int64_t connections = 4;
    int64_t window = 128;
    int64_t seed = 1;
    SC_TRY(sc_population_options_parse(json_object_get(config, "population"), &field, diag));
    SC_TRY(sc_population_new(&field, &s->population, diag));
    SC_TRY(sc_json_opt_int(config, "connections", 1, CONNECTION_COUNT_MAX, &connections, diag));
    SC_TRY(sc_json_opt_int(config, "window", 1, 4096, &window, diag));
    SC_TRY(sc_json_opt_int(config, "seed", 0, INT64_MAX, &seed, diag));
    if (json_object_get(config, "loss") != NULL)
        SC_TRY(sc_json_get_num(config, "loss", &s->loss, diag));
    if (s->loss < 0 || s->loss > 0.5)
        return sc_fail(diag, SC_E_USAGE, "config.json: \"loss\" is outside 0..0.5");
    sc_prng_init_stream(&s->radio, (uint64_t)seed, 0);
    s->line_count = (size_t)connections;
    s->window = (uint64_t)window;
    SC_TRY(sc_json_get_str(config, "progress", &s->progress_path, diag));
    SC_TRY(sc_identity_endpoint(id, "aggregator", &s->aggregator, diag));
    SC_TRY(meters_load(s, id, diag));
    SC_TRY(fast_forward(s, diag));
    SC_TRY(lines_start(s, diag));
    SC_TRY(sc_timer_new(sc_service_loop(service), tick, s, &s->tick));
    sc_timer_start(s->tick, 0);
    sc_metric_set(s->metric.total, (int64_t)(s->meter_count * sc_population_interval_count(s->population)));
    *state_out = SC_TAKE(s);
    return SC_OK;
}

int main(int argc, char **argv)
{
    static const struct sc_service_definition def = {
        .name = "securecloud-simulator",
        .summary =
            "A field of meters: each measures its customer's load from a data file or from typical-day figures, signs "
            "every\n"
            "reading, seals it and sends it over a radio that loses messages, as fast as the head-end acknowledges.",
        .config = "  aggregator {\"host\", \"port\"}: where the messages go\n"
                  "  population {\"data\" or \"profile\", \"customers\", \"days\", \"first_day\", \"annual_mwh\", "
                  "\"seed\", \"thief\"}\n"
                  "  headend    the head-end's public key, hex\n"
                  "  connections, window (unacknowledged readings a meter), loss (0..0.5), seed\n"
                  "  progress   path of the file that lets it go on after a restart\n"
                  "Further files: meters.json (the meters' keys and certificates), operator.pem (who may order load "
                  "control)\n",
        .start = simulator_start,
        .stop = simulator_stop,
    };
    return sc_service_main(argc, argv, &def);
}
