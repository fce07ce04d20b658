#include "billing/rows.h"

#include <errno.h>
#include <float.h>
#include <math.h>

#define NUMBER_TEXT_MAX ((size_t)400) /* DBL_MAX written out has 309 digits */

/* A terminated copy of the text without leading space, which strtod and strtoll would skip. */
static sc_err number_text(struct sc_field f, char out[static NUMBER_TEXT_MAX + 1])
{
    if (f.is_null || f.text.size == 0 || f.text.size > NUMBER_TEXT_MAX || memchr(f.text.ptr, 0, f.text.size) != NULL)
        return SC_E_MALFORMED;
    const uint8_t c = f.text.ptr[0];
    if (!(c == '-' || c == '.' || (c >= '0' && c <= '9')))
        return SC_E_MALFORMED;
    memcpy(out, f.text.ptr, f.text.size);
    out[f.text.size] = '\0';
    return SC_OK;
}

sc_err sc_field_i64(struct sc_field f, int64_t *out)
{
    char text[NUMBER_TEXT_MAX + 1], *end;
    SC_TRY(number_text(f, text));
    errno = 0;
    const long long v = strtoll(text, &end, 10);
    if (*end != '\0' || end == text || errno != 0)
        return SC_E_MALFORMED;
    *out = v;
    return SC_OK;
}

sc_err sc_field_f64(struct sc_field f, double *out)
{
    char text[NUMBER_TEXT_MAX + 1], *end;
    SC_TRY(number_text(f, text));
    if (strspn(text, "0123456789+-.eE") != f.text.size) /* neither hexadecimal nor "nan" */
        return SC_E_MALFORMED;
    const double v = strtod(text, &end);
    if (*end != '\0' || end == text || !isfinite(v))
        return SC_E_MALFORMED;
    *out = v;
    return SC_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

sc_err sc_field_bytes(struct sc_field f, size_t size_max, struct sc_buf *out)
{
    if (f.is_null || f.text.size < 2 || f.text.size % 2 != 0 || f.text.ptr[0] != '\\' || f.text.ptr[1] != 'x')
        return SC_E_MALFORMED;
    if (f.text.size / 2 - 1 > size_max)
        return SC_E_LIMIT;
    for (size_t i = 2; i < f.text.size; i += 2) {
        const int high = hex_digit(f.text.ptr[i]), low = hex_digit(f.text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return SC_E_MALFORMED;
        sc_buf_put_u8(out, (uint8_t)(high << 4 | low));
    }
    return sc_buf_status(out);
}

static const char *parse_attributes(const struct sc_field *fields, struct sc_reading *r)
{
    for (size_t i = 0; i < SC_READING_FLOAT_COUNT; i++) {
        double v;
        if (fields[i].is_null)
            continue;
        if (sc_field_f64(fields[i], &v) != SC_OK || fabs(v) > (double)FLT_MAX)
            return "an attribute is no number";
        /* a meter's floats were widened to be stored, so this is exact; a change below a float's precision is none */
        r->value[i] = (float)v;
        r->validity |= UINT32_C(1) << i;
    }
    for (size_t i = 0; i < SC_READING_REGISTER_COUNT; i++) {
        const size_t attr = SC_READING_FLOAT_COUNT + i;
        int64_t v;
        if (fields[attr].is_null)
            continue;
        if (sc_field_i64(fields[attr], &v) != SC_OK || v < 0)
            return "a register is no number";
        r->reg[i] = (uint64_t)v;
        r->validity |= UINT32_C(1) << attr;
    }
    return NULL;
}

static const char *parse_rest(const struct sc_field *fields, struct sc_reading *r)
{
    int64_t meter, sequence, interval_s, status;
    if (sc_field_i64(fields[0], &meter) != SC_OK || meter < 0 || meter > 99999999)
        return "the number of the meter is no meter's";
    if (sc_field_i64(fields[1], &sequence) != SC_OK || sequence <= 0)
        return "the sequence is no number of a reading";
    if (sc_field_i64(fields[2], &interval_s) != SC_OK || interval_s < 60 || interval_s > 86400)
        return "the length of the interval is absurd";
    if (sc_field_i64(fields[3], &status) != SC_OK || status < 0 || status > UINT32_MAX)
        return "the status is no status";
    r->meter = (uint32_t)meter;
    r->sequence = (uint64_t)sequence;
    r->interval_s = (uint32_t)interval_s;
    r->status = (uint32_t)status;
    return NULL;
}

void sc_row_parse(const struct sc_field *fields, uint8_t signature_store[static SC_ROW_SIGNATURE_SIZE_MAX],
                  struct sc_audit_row *out)
{
    const struct sc_field *rest = fields + 2 + SC_READING_ATTR_COUNT;
    struct sc_audit_row row = {.signature = SC_SLICE_EMPTY};
    row.has_timestamp = sc_field_i64(fields[1], &row.timestamp_ms) == SC_OK;
    row.reading.start_ms = row.timestamp_ms;
    row.broken = row.has_timestamp ? NULL : "the row has no time";
    if (row.broken == NULL)
        row.broken = parse_rest(rest, &row.reading);
    if (row.broken == NULL)
        row.broken = parse_attributes(fields + 2, &row.reading);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {.size_max = SC_ROW_SIGNATURE_SIZE_MAX};
    if (sc_field_bytes(rest[4], SC_ROW_SIGNATURE_SIZE_MAX, &signature) == SC_OK) {
        memcpy(signature_store, sc_buf_slice(&signature).ptr, signature.size);
        row.signature = sc_slice_of(signature_store, signature.size);
    } else if (row.broken == NULL) {
        row.broken = "the signature is no signature";
    }
    *out = row;
}
