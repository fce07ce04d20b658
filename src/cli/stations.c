#include "cli/stations.h"

#include "base/clock.h"
#include "net/http.h"

#include <stdio.h>
#include <time.h>

sc_err sc_metrics_fetch(const struct sc_system_service *service, struct sc_metrics_page *page, struct sc_diag *diag)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/metrics", service->http_port);
    sc_buf_reset(&page->text);
    page->text.size_max = (size_t)1 << 20;
    return sc_http_get(url, 2000, &page->text, diag);
}

void sc_metrics_page_deinit(struct sc_metrics_page *page)
{
    sc_buf_deinit(&page->text);
}

int64_t sc_metrics_value(struct sc_metrics_page *page, const char *name, const char *labels)
{
    const size_t name_size = strlen(name);
    int64_t sum = 0;
    for (const char *line = sc_buf_cstr(&page->text); *line != '\0';
         line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, name, name_size) != 0 || (line[name_size] != ' ' && line[name_size] != '{'))
            continue;
        const char *value = line + name_size;
        if (*value == '{') {
            const size_t n = strcspn(value + 1, "}\n");
            if (labels != NULL && (strlen(labels) != n || strncmp(value + 1, labels, n) != 0))
                continue;
            value += n + 2;
        }
        sum += strtoll(value, NULL, 10);
    }
    return sum;
}

sc_err sc_stations_wait(const struct sc_system *s, size_t from, size_t to, int timeout_ms, struct sc_diag *diag)
{
    SC_CLEANUP(sc_metrics_page_deinit) struct sc_metrics_page page = {0};
    const int64_t until_us = sc_mono_us(&sc_clock_system) + (int64_t)timeout_ms * 1000;
    for (size_t i = from; i < to;) {
        if (sc_metrics_fetch(&s->service[i], &page, NULL) == SC_OK) {
            i++;
            continue;
        }
        if (sc_mono_us(&sc_clock_system) > until_us)
            return sc_fail(diag, SC_E_IO, "%s did not become ready within %d ms; its log is in %s/logs",
                           s->service[i].name, timeout_ms, s->dir);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return SC_OK;
}

sc_err sc_stations_progress(const struct sc_system *s, struct sc_field_progress *out)
{
    SC_CLEANUP(sc_metrics_page_deinit) struct sc_metrics_page page = {0};
    SC_TRY(sc_metrics_fetch(sc_system_find(s, "simulator"), &page, NULL));
    *out = (struct sc_field_progress){
        .acked = sc_metrics_value(&page, "securecloud_simulator_acked", NULL),
        .total = sc_metrics_value(&page, "securecloud_simulator_total", NULL),
        .done = sc_metrics_value(&page, "securecloud_simulator_done", NULL) != 0,
    };
    return SC_OK;
}

/* ---- run.json ---- */
struct count {
    const char *label, *metric, *labels;
};
static const struct station {
    const char *id, *title, *program;
    struct count counts[8];
} stations[] = {
    {"meters",
     "Meters",
     "simulator",
     {{"readings signed", "securecloud_simulator_signed_total", NULL},
      {"messages sent", "securecloud_simulator_messages_total", NULL},
      {"lost on the air", "securecloud_simulator_lost_total", NULL}}},
    {"aggregator",
     "Aggregator",
     "aggregator",
     {{"forwarded up", "securecloud_aggregator_messages_total", "result=\"forwarded_up\""},
      {"stored meanwhile", "securecloud_aggregator_messages_total", "result=\"spooled\""},
      {"forwarded down", "securecloud_aggregator_messages_total", "result=\"forwarded_down\""},
      {"malformed", "securecloud_aggregator_messages_total", "result=\"malformed\""}}},
    {"authenticator",
     "Authenticators",
     "authenticator",
     {{"messages opened", "securecloud_authenticator_messages_total", NULL},
      {"signatures verified", "securecloud_authenticator_readings_total", NULL},
      {"refused", "securecloud_authenticator_refused_total", NULL}}},
    {"mdc",
     "MDC",
     "mdc",
     {{"readings stored", "securecloud_mdc_stored_readings", NULL},
      {"duplicates dropped", "securecloud_mdc_readings_total", "result=\"duplicate\""},
      {"gaps noticed", "securecloud_mdc_gaps_total", NULL},
      {"filled on request", "securecloud_mdc_readings_total", "result=\"gap_filled\""}}},
    {"cascadb",
     "CascaDB",
     "cascadb",
     {{"statements", "securecloud_cascadb_statements_total", NULL},
      {"rows written", "securecloud_cascadb_rows_written_total", NULL}}},
    {"kvs",
     "Secure KVS",
     "cascadb",
     {{"commits", "securecloud_kvs_commit_count", NULL},
      {"syncs", "securecloud_kvs_sync_count", NULL},
      {"bytes written", "securecloud_kvs_bytes_written", NULL}}},
};

static json_t *station_json(const struct sc_system *s, const struct station *st)
{
    json_t *counts = json_object();
    int instances = 0;
    for (size_t i = 0; i < s->service_count; i++) {
        SC_CLEANUP(sc_metrics_page_deinit) struct sc_metrics_page page = {0};
        if (strcmp(s->service[i].program, st->program) != 0)
            continue;
        instances++;
        if (sc_metrics_fetch(&s->service[i], &page, NULL) != SC_OK)
            continue;
        for (const struct count *c = st->counts; c->label != NULL; c++) {
            const int64_t before = json_integer_value(json_object_get(counts, c->label));
            json_object_set_new(counts, c->label, json_integer(before + sc_metrics_value(&page, c->metric, c->labels)));
        }
    }
    return json_pack("{s:s, s:s, s:i, s:o}", "id", st->id, "title", st->title, "instances", instances, "counts",
                     counts);
}

json_t *sc_stations_json(const struct sc_system *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof stations / sizeof stations[0]; i++)
        json_array_append_new(list, station_json(s, &stations[i]));
    return list;
}
