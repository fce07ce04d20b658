#include "metering/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const class_names[SC_CLASS_COUNT] = {
    [SC_CLASS_RESIDENTIAL] = "residential",
    [SC_CLASS_COMMERCIAL] = "commercial",
    [SC_CLASS_INDUSTRIAL] = "industrial",
    [SC_CLASS_PUBLIC] = "public",
};
static const char *const modality_names[SC_MODALITY_COUNT] = {
    [SC_MODALITY_CONVENTIONAL] = "conventional",
    [SC_MODALITY_BRANCA] = "branca",
    [SC_MODALITY_AZUL] = "azul",
    [SC_MODALITY_VERDE] = "verde",
};

static sc_err name_find(const char *const *names, int count, const char *name, int *out)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return SC_OK;
        }
    }
    return SC_E_USAGE;
}

const char *sc_customer_class_name(enum sc_customer_class c)
{
    SC_ASSERT((unsigned)c < SC_CLASS_COUNT);
    return class_names[c];
}

sc_err sc_customer_class_parse(const char *name, enum sc_customer_class *out)
{
    int i;
    SC_TRY(name_find(class_names, SC_CLASS_COUNT, name, &i));
    *out = (enum sc_customer_class)i;
    return SC_OK;
}

const char *sc_modality_name(enum sc_modality m)
{
    SC_ASSERT((unsigned)m < SC_MODALITY_COUNT);
    return modality_names[m];
}

sc_err sc_modality_parse(const char *name, enum sc_modality *out)
{
    int i;
    SC_TRY(name_find(modality_names, SC_MODALITY_COUNT, name, &i));
    *out = (enum sc_modality)i;
    return SC_OK;
}

const char sc_customer_create_table[] =
    "CREATE TABLE IF NOT EXISTS customer(client_id INTEGER PRIMARY KEY, name TEXT, class TEXT, modality TEXT, phases "
    "INTEGER, "
    "nominal_v REAL, contracted_peak_kw REAL, contracted_kw REAL, meter INTEGER)";
const char sc_meter_create_table[] =
    "CREATE TABLE IF NOT EXISTS meter(serial INTEGER PRIMARY KEY, client_id INTEGER, certificate BLOB, agreement_key BLOB, "
    "interval_s INTEGER, installed_ms INTEGER)";

#define URN_PREFIX "urn:securecloud:meter:"
#define URN_MIDDLE ":customer:"

const char *sc_meter_urn_format(uint32_t serial, uint64_t client_id, char text[static SC_METER_URN_SIZE])
{
    SC_ASSERT(serial <= 99999999 && client_id <= INT64_MAX);
    snprintf(text, SC_METER_URN_SIZE, URN_PREFIX "%08" PRIu32 URN_MIDDLE "%" PRIu64, serial, client_id);
    return text;
}

sc_err sc_meter_urn_parse(const char *text, uint32_t *serial_out, uint64_t *client_id_out)
{
    if (strnlen(text, SC_METER_URN_SIZE) >= SC_METER_URN_SIZE)
        return SC_E_MALFORMED;
    uint32_t serial;
    uint64_t client;
    if (sscanf(text, URN_PREFIX "%8" SCNu32 URN_MIDDLE "%19" SCNu64, &serial, &client) != 2 || serial > 99999999 ||
        client > INT64_MAX)
        return SC_E_MALFORMED;
    /* sscanf takes signs, blanks and leading zeros; one name has one spelling */
    char again[SC_METER_URN_SIZE];
    if (strcmp(text, sc_meter_urn_format(serial, client, again)) != 0)
        return SC_E_MALFORMED;
    *serial_out = serial;
    *client_id_out = client;
    return SC_OK;
}
