/* cli/stations.h - counts at each station of a reading's way, read from the services' /metrics.  Single-threaded. */
#ifndef SC_CLI_STATIONS_H
#define SC_CLI_STATIONS_H

#include "cli/system.h"

/* What a service's /metrics said. */
struct sc_metrics_page {
    struct sc_buf text;
};
/* SC_E_AGAIN when the service does not answer. */
sc_err sc_metrics_fetch(const struct sc_system_service *service, struct sc_metrics_page *page, struct sc_diag *diag) SC_MUST_CHECK;
/* The sum of all samples of metric `name` whose labels are `labels` (NULL: any). */
int64_t sc_metrics_value(struct sc_metrics_page *page, const char *name, const char *labels);
void sc_metrics_page_deinit(struct sc_metrics_page *page);

/* Waits until every service in [from, to) of s is healthy. */
sc_err sc_stations_wait(const struct sc_system *s, size_t from, size_t to, int timeout_ms, struct sc_diag *diag) SC_MUST_CHECK;

struct sc_field_progress {
    int64_t acked, total;
    bool done;
};
/* What the simulator says; SC_E_AGAIN while it does not answer. */
sc_err sc_stations_progress(const struct sc_system *s, struct sc_field_progress *out) SC_MUST_CHECK;
/* run.json's "stations": an array of {id, title, instances, counts}.  A service that does not answer shows no counts. */
json_t *sc_stations_json(const struct sc_system *s);

#endif
