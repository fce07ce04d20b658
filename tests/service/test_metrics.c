#include "service/metrics.h"
#include "test.h"

static void metrics_are_written_in_prometheus_text_format(void **state)
{
    (void)state;
    struct sc_metrics *m = NULL;
    assert_ok(sc_metrics_new(&m));
    struct sc_metric *crc = sc_metrics_counter(m, "frames_total", "reason=\"crc\"", "Frames.");
    struct sc_metric *size = sc_metrics_counter(m, "frames_total", "reason=\"size\"", "Frames.");
    struct sc_metric *meters = sc_metrics_gauge(m, "meters", "", "Meters known.");
    sc_metric_add(crc, 2);
    sc_metric_add(crc, 3);
    sc_metric_add(size, 1);
    sc_metric_set(meters, -4);
    assert_true(sc_metric_get(crc) == 5);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = { 0 };
    sc_metrics_write(m, &b);
    assert_string_equal(sc_buf_cstr(&b), "# HELP frames_total Frames.\n# TYPE frames_total counter\n"
                                         "frames_total{reason=\"crc\"} 5\nframes_total{reason=\"size\"} 1\n"
                                         "# HELP meters Meters known.\n# TYPE meters gauge\nmeters -4\n");
    sc_metrics_free(m);
    sc_metrics_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_written_in_prometheus_text_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
