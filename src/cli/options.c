#include "cli/options.h"

#include <inttypes.h>

sc_err sc_option_number(const char *name, const char *text, uint64_t max, uint64_t *out, struct sc_diag *diag)
{
    char *end = NULL;
    const unsigned long long v = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || v > max)
        return sc_fail(diag, SC_E_USAGE, "--%s: \"%s\" is not a number from 0 to %" PRIu64, name, text, max);
    *out = v;
    return SC_OK;
}

sc_err sc_option_real(const char *name, const char *text, double min, double max, double *out, struct sc_diag *diag)
{
    char *end = NULL;
    const double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= min && v <= max))
        return sc_fail(diag, SC_E_USAGE, "--%s: \"%s\" is not a number from %g to %g", name, text, min, max);
    *out = v;
    return SC_OK;
}
