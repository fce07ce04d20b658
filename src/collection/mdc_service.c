/* securecloud-mdc: the Metering Data Collection.  Takes genuine readings from the authenticators, writes them into
 * CascaDB, acknowledges what is stored, drops duplicates, and asks the meters again for what is missing. */
#include "base/clock.h"
#include "base/log.h"
#include "collection/mdc.h"
#include "collection/orders.h"
#include "collection/writer.h"
#include "metering/schema.h"
#include "net/conn.h"
#include "service/db.h"
#include "service/service.h"

#include <inttypes.h>
#include <stdio.h>

#define SPEAK_MS        200
#define LINK_OUTPUT_MAX ((size_t)16 << 20)
#define START_WAIT_MS   30000

struct link {
    struct sc_conn *conn;
    struct link *prev, *next;
};

struct mdc_service {
    struct sc_service *service;
    struct sc_mdc *mdc;
    struct sc_mdc_sink sink;
    struct sc_writer *writer;
    struct sc_orders *orders;
    struct sc_batch batch[2]; /* one fills while the other is written */
    struct sc_batch *filling;
    struct sc_listener *listener;
    struct sc_endpoint listen;
    struct link *links;
    bool paused;
    struct sc_timer *speak;
    struct sc_buf out;
    struct sc_log_limiter limiter;
    struct {
        struct sc_metric *accepted, *stored, *duplicate, *malformed, *overflow, *gaps, *gap_requests, *gap_filled,
            *lost, *meters, *retries;
    } metric;
};

static int64_t now_us(void)
{
    return sc_mono_us(&sc_clock_system);
}

/* ---- writing ---- */
static void links_pause(struct mdc_service *s, bool pause)
{
    if (s->paused == pause)
        return;
    s->paused = pause;
    for (struct link *l = s->links; l != NULL; l = l->next) {
        if (pause)
            sc_conn_read_pause(l->conn);
        else
            sc_conn_read_resume(l->conn);
    }
}

static void submit_if_idle(struct mdc_service *s)
{
    if (s->filling->count == 0 || sc_writer_busy(s->writer))
        return;
    struct sc_batch *full = s->filling;
    s->filling = full == &s->batch[0] ? &s->batch[1] : &s->batch[0];
    sc_writer_submit(s->writer, full);
    links_pause(s, false);
}

static sc_err row_in(void *arg, const struct sc_mdc_row *row)
{
    struct mdc_service *s = arg;
    const sc_err err = sc_batch_add(s->filling, row);
    if (s->filling->count >= SC_BATCH_ROWS_MAX / 2) /* room left for what a message under way still brings */
        links_pause(s, true);
    return err;
}

static void batch_stored(void *arg, struct sc_batch *b)
{
    struct mdc_service *s = arg;
    for (size_t i = 0; i < b->count; i++)
        sc_mdc_stored(s->mdc, b->rows[i].reading.meter, b->rows[i].reading.sequence, now_us());
    b->count = 0;
    submit_if_idle(s);
    sc_mdc_speak(s->mdc, now_us(), &s->sink);
}

/* ---- talking ---- */
static bool send_down(void *arg, void *route, const struct sc_headend_frame *f)
{
    struct mdc_service *s = arg;
    sc_buf_reset(&s->out);
    sc_headend_encode(f, &s->out);
    return sc_buf_status(&s->out) == SC_OK &&
           sc_conn_send(((struct link *)route)->conn, sc_buf_slice(&s->out)) == SC_OK;
}

static void other_in(void *arg, const struct sc_headend_frame *f, const struct sc_message *msg)
{
    struct mdc_service *s = arg;
    if (msg->kind == SC_MESSAGE_LOAD_RESULT)
        sc_orders_result(s->orders, f->meter, &msg->load_result);
    else if (msg->kind == SC_MESSAGE_ERROR)
        sc_log_limited(&s->limiter, SC_LOG_WARN, "meter reports an error meter=%08" PRIu32 " text=\"%.*s\"", f->meter,
                       (int)msg->error.text.size, (const char *)msg->error.text.ptr);
}

static void order_due(void *arg, uint32_t meter, struct sc_slice statement, struct sc_slice signature)
{
    struct mdc_service *s = arg;
    const struct sc_message msg = {.kind = SC_MESSAGE_LOAD_COMMAND, .load_command = {statement, signature}};
    uint32_t id;
    sc_ignore(
        sc_mdc_send(s->mdc, meter, SC_ENVELOPE_LOAD_COMMAND, &msg, &s->sink, &id)); /* stays pending, tried again */
}

static void speak(void *arg)
{
    struct mdc_service *s = arg;
    submit_if_idle(s);
    sc_mdc_speak(s->mdc, now_us(), &s->sink);
    sc_orders_take(s->orders, order_due, s);
    sc_timer_start(s->speak, SPEAK_MS);
}

static void link_opened(void *arg, struct sc_conn *conn)
{
    struct mdc_service *s = arg;
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL) {
        sc_conn_close(conn, "out of memory");
        return;
    }
    l->conn = conn;
    l->next = s->links;
    if (s->links != NULL)
        s->links->prev = l;
    s->links = l;
    sc_conn_set_user(conn, l);
    if (s->paused)
        sc_conn_read_pause(conn);
    sc_log(SC_LOG_INFO, "authenticator connected peer=%s", sc_conn_peer(conn));
}

static void link_closed(void *arg, struct sc_conn *conn, const char *why)
{
    struct mdc_service *s = arg;
    struct link *l = sc_conn_user(conn);
    if (l == NULL)
        return;
    sc_mdc_route_gone(s->mdc, l);
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        s->links = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    free(l);
    sc_log(SC_LOG_WARN, "authenticator gone peer=%s why=\"%s\"", sc_conn_peer(conn), why);
}

static void link_message(void *arg, struct sc_conn *conn, struct sc_slice wire)
{
    struct mdc_service *s = arg;
    const sc_err err = sc_mdc_receive(s->mdc, wire, sc_conn_user(conn), now_us(), &s->sink);
    if (err == SC_E_NOMEM || err == SC_E_LIMIT)
        sc_service_fail(s->service, "no memory for readings under way"); /* a restart knows what is stored */
    else if (err != SC_OK)
        sc_log_limited(&s->limiter, SC_LOG_WARN, "frame refused peer=%s why=\"%s\"", sc_conn_peer(conn),
                       sc_err_name(err));
    submit_if_idle(s);
}

static void link_refused(void *arg, const char *peer, const char *why)
{
    struct mdc_service *s = arg;
    sc_log_limited(&s->limiter, SC_LOG_WARN, "connection refused peer=%s why=\"%s\"", peer, why);
}

static bool link_allowed(void *arg, const char *spiffe_id)
{
    (void)arg;
    return strncmp(spiffe_id, SC_TRUST_DOMAIN "/authenticator", sizeof SC_TRUST_DOMAIN "/authenticator" - 1) == 0;
}

/* ---- what is stored already ---- */
static uint64_t field_u64(const PGresult *res, int row, int column)
{
    return strtoull(PQgetvalue(res, row, column), NULL, 10);
}

static sc_err restore_with_holes(struct mdc_service *s, PGconn *db, const char *meter, const char *client,
                                 struct sc_diag *diag)
{
    const char *const values[] = {client, meter};
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res =
        PQexecParams(db, "SELECT sequence FROM reading WHERE client_id = $1 AND meter = $2 ORDER BY timestamp", 2,
                     (const Oid[]){20, 20}, values, NULL, NULL, 0);
    SC_TRY(sc_db_check(db, res, "stored readings", diag));
    for (int i = 0; i < PQntuples(res); i++) {
        const sc_err err = sc_mdc_restore(s->mdc, (uint32_t)strtoul(meter, NULL, 10), strtoull(client, NULL, 10),
                                          field_u64(res, i, 0));
        if (err == SC_E_EXISTS)
            sc_log(SC_LOG_ERROR, "the database holds a sequence number twice meter=%s sequence=%s", meter,
                   PQgetvalue(res, i, 0));
        else if (err != SC_OK)
            return sc_fail(diag, err, "stored readings of meter %s: %s", meter, sc_err_name(err));
    }
    return SC_OK;
}

static sc_err restore(struct mdc_service *s, struct sc_diag *diag)
{
    SC_CLEANUP(sc_db_freep) PGconn *db = NULL;
    SC_TRY(sc_db_connect_wait(sc_service_identity(s->service), START_WAIT_MS, &db, diag));
    SC_TRY(sc_db_exec(db, sc_customer_create_table, diag)); /* a new installation has none yet */
    SC_TRY(sc_db_exec(db, sc_meter_create_table, diag));
    SC_TRY(sc_db_exec(db, sc_reading_create_table, diag));
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res =
        PQexec(db, "SELECT client_id, meter, count(*), max(sequence) FROM reading GROUP BY client_id, meter");
    SC_TRY(sc_db_check(db, res, "stored readings", diag));
    for (int i = 0; i < PQntuples(res); i++) {
        const uint64_t count = field_u64(res, i, 2);
        if (count == field_u64(res, i, 3))
            SC_TRY(sc_mdc_restore_prefix(s->mdc, (uint32_t)field_u64(res, i, 1), field_u64(res, i, 0), count));
        else
            SC_TRY(restore_with_holes(s, db, PQgetvalue(res, i, 1), PQgetvalue(res, i, 0), diag));
    }
    struct sc_mdc_stats stats;
    sc_mdc_stats(s->mdc, &stats);
    sc_log(SC_LOG_INFO, "database holds readings=%" PRIu64 " meters=%" PRIu64, stats.stored_count, stats.meter_count);
    return SC_OK;
}

/* ---- life ---- */
static void mdc_sample(void *state)
{
    struct mdc_service *s = state;
    struct sc_mdc_stats x;
    sc_mdc_stats(s->mdc, &x);
    sc_metric_set(s->metric.accepted, (int64_t)x.new_count);
    sc_metric_set(s->metric.stored, (int64_t)x.stored_count);
    sc_metric_set(s->metric.duplicate, (int64_t)x.duplicate_count);
    sc_metric_set(s->metric.malformed, (int64_t)x.malformed_count);
    sc_metric_set(s->metric.overflow, (int64_t)x.overflow_count);
    sc_metric_set(s->metric.gaps, (int64_t)x.gap_count);
    sc_metric_set(s->metric.gap_requests, (int64_t)x.gap_request_count);
    sc_metric_set(s->metric.gap_filled, (int64_t)x.gap_filled_count);
    sc_metric_set(s->metric.lost, (int64_t)x.lost_count);
    sc_metric_set(s->metric.meters, (int64_t)x.meter_count);
    sc_metric_set(s->metric.retries, (int64_t)sc_writer_retries(s->writer));
}

static void register_metrics(struct mdc_service *s)
{
    struct sc_metrics *m = sc_service_metrics(s->service);
    const char *readings = "securecloud_mdc_readings_total";
    const char *help = "Readings by what became of them.";
    s->metric.accepted = sc_metrics_counter(m, readings, "result=\"accepted\"", help);
    s->metric.duplicate = sc_metrics_counter(m, readings, "result=\"duplicate\"", help);
    s->metric.malformed = sc_metrics_counter(m, readings, "result=\"malformed\"", help);
    s->metric.overflow = sc_metrics_counter(m, readings, "result=\"overflow\"", help);
    s->metric.gap_filled = sc_metrics_counter(m, readings, "result=\"gap_filled\"", help);
    s->metric.lost = sc_metrics_counter(m, readings, "result=\"lost\"", help);
    s->metric.stored = sc_metrics_gauge(m, "securecloud_mdc_stored_readings", "", "Readings in the database.");
    s->metric.gaps =
        sc_metrics_counter(m, "securecloud_mdc_gaps_total", "", "Holes noticed in the sequence of a meter.");
    s->metric.gap_requests =
        sc_metrics_counter(m, "securecloud_mdc_gap_requests_total", "", "Requests for missing readings.");
    s->metric.meters = sc_metrics_gauge(m, "securecloud_mdc_meters", "", "Meters heard of.");
    s->metric.retries = sc_metrics_counter(m, "securecloud_mdc_write_retries_total", "", "Batches written again.");
}

static void mdc_stop(void *state)
{
    struct mdc_service *s = state;
    if (s == NULL)
        return;
    sc_listener_free(s->listener);
    sc_timer_free(s->speak);
    sc_writer_free(s->writer);
    sc_orders_free(s->orders);
    sc_mdc_free(s->mdc);
    sc_batch_deinit(&s->batch[0]);
    sc_batch_deinit(&s->batch[1]);
    sc_buf_deinit(&s->out);
    free(s);
}

static void mdc_stopp(struct mdc_service **s)
{
    mdc_stop(*s);
}

static sc_err mdc_start(struct sc_service *service, void **state_out, struct sc_diag *diag)
{
    static const struct sc_conn_events events = {link_opened, link_message, NULL, link_closed};
    SC_CLEANUP(mdc_stopp) struct mdc_service *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sc_fail(diag, SC_E_NOMEM, "MDC");
    s->service = service;
    s->filling = &s->batch[0];
    s->sink = (struct sc_mdc_sink){row_in, other_in, send_down, s};
    register_metrics(s);
    const struct sc_identity *id = sc_service_identity(service);
    SC_TRY(sc_mdc_new(&s->mdc));
    SC_TRY(restore(s, diag));
    const struct sc_writer_options w = {id, sc_service_loop(service), batch_stored, s};
    SC_TRY(sc_writer_new(&w, &s->writer, diag));
    SC_TRY(sc_orders_new(id, &s->orders, diag));
    SC_TRY(sc_timer_new(sc_service_loop(service), speak, s, &s->speak));
    SC_TRY(sc_identity_endpoint(id, "listen", &s->listen, diag));
    const struct sc_listener_options opt = {.conn = {.host = s->listen.host,
                                                     .port = s->listen.port,
                                                     .tls = sc_service_tls(service),
                                                     .message_size_max = SC_HEADEND_SIZE_MAX,
                                                     .output_size_max = LINK_OUTPUT_MAX,
                                                     .events = &events,
                                                     .arg = s},
                                            .conn_count_max = 64,
                                            .allow = link_allowed,
                                            .refused = link_refused};
    SC_TRY(sc_listener_new(sc_service_loop(service), &opt, &s->listener, diag));
    sc_timer_start(s->speak, SPEAK_MS);
    *state_out = SC_TAKE(s);
    return SC_OK;
}

int main(int argc, char **argv)
{
    static const struct sc_service_definition def = {
        .name = "securecloud-mdc",
        .summary =
            "Metering Data Collection: writes genuine readings into CascaDB, acknowledges what is stored, drops\n"
            "duplicates, asks meters again for missing intervals, and passes load orders on to them.",
        .config = "  listen     {\"host\", \"port\"}: where authenticators connect (mutual TLS)\n"
                  "  database   {\"host\", \"port\"}: CascaDB\n",
        .start = mdc_start,
        .sample = mdc_sample,
        .stop = mdc_stop,
    };
    return sc_service_main(argc, argv, &def);
}
