/* The smallest service there can be: what the skeleton does by itself, and one configured way to fail. */
#include "service/service.h"

static struct sc_metric *samples;

static void sample(void *state)
{
    (void)state;
    sc_metric_add(samples, 1);
}

static sc_err start(struct sc_service *s, void **state_out, struct sc_diag *diag)
{
    const char *mode = "good";
    SC_TRY(sc_json_opt_str(sc_identity_config(sc_service_identity(s)), "mode", &mode, diag));
    samples = sc_metrics_counter(sc_service_metrics(s), "tiny_samples_total", "", "How often anybody looked.");
    if (strcmp(mode, "refuse") == 0)
        return sc_fail(diag, SC_E_USAGE, "told to refuse");
    if (strcmp(mode, "break") == 0)
        sc_service_fail(s, "told to break"); /* before the loop runs */
    if (strcmp(mode, "sick") == 0)
        sc_service_set_unhealthy(s, "told to be sick");
    *state_out = s;
    return SC_OK;
}

static void stop(void *state)
{
    (void)state;
}

int main(int argc, char **argv)
{
    static const struct sc_service_definition def = { .name = "tiny", .summary = "A test.", .config = "  mode  how to behave\n",
                                                      .start = start, .sample = sample, .stop = stop };
    return sc_service_main(argc, argv, &def);
}
