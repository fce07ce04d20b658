#include "base/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char letters[] = "KMGTPE";

/* *end_out is where the digits end. */
static sc_err digits_parse(const char *text, uint64_t *out, const char **end_out)
{
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return SC_E_LIMIT;
    *out = v;
    *end_out = p;
    return p != text ? SC_OK : SC_E_USAGE;
}

sc_err sc_number_parse(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t v;
    const char *end;
    SC_TRY(digits_parse(text, &v, &end));
    if (*end != '\0')
        return SC_E_USAGE;
    if (v > max)
        return SC_E_LIMIT;
    *out = v;
    return SC_OK;
}

static sc_err unit_parse(const char *text, unsigned *shift_out)
{
    *shift_out = 0;
    if (*text == '\0')
        return SC_OK;
    const char *letter = strchr(letters, toupper((unsigned char)*text));
    if (letter == NULL || letter > strchr(letters, 'T'))
        return SC_E_USAGE;
    *shift_out = 10 * (unsigned)(letter - letters + 1);
    return text[1] == '\0' || strcmp(text + 1, "iB") == 0 ? SC_OK : SC_E_USAGE;
}

sc_err sc_size_parse(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t v;
    const char *end;
    unsigned shift;
    SC_TRY(digits_parse(text, &v, &end));
    SC_TRY(unit_parse(end, &shift));
    if (v > UINT64_MAX >> shift || v << shift > max)
        return SC_E_LIMIT;
    *out = v << shift;
    return SC_OK;
}

const char *sc_size_text(uint64_t bytes, char text[static SC_UNITS_TEXT_SIZE])
{
    double v = (double)bytes;
    size_t unit = 0;
    while (v >= 1023.95 && letters[unit] != '\0') { /* what would be printed as 1024.0 is the next unit's 1.0 */
        v /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(text, SC_UNITS_TEXT_SIZE, "%" PRIu64 " B", bytes);
    else
        snprintf(text, SC_UNITS_TEXT_SIZE, "%.1f %ciB", v, letters[unit - 1]);
    return text;
}

const char *sc_duration_text(uint64_t seconds, char text[static SC_UNITS_TEXT_SIZE])
{
    const uint64_t hours = seconds / 3600, minutes = seconds / 60 % 60;
    if (hours != 0)
        snprintf(text, SC_UNITS_TEXT_SIZE, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, hours, minutes, seconds % 60);
    else
        snprintf(text, SC_UNITS_TEXT_SIZE, "%" PRIu64 ":%02" PRIu64, minutes, seconds % 60);
    return text;
}
