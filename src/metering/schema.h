/* metering/schema.h - the tables beside `reading`: who is a customer, which meter is whose.
 * Constant text; thread-safe. */
#ifndef SC_METERING_SCHEMA_H
#define SC_METERING_SCHEMA_H

#include "base/err.h"

#include <stdint.h>

enum sc_customer_class { SC_CLASS_RESIDENTIAL, SC_CLASS_COMMERCIAL, SC_CLASS_INDUSTRIAL, SC_CLASS_PUBLIC, SC_CLASS_COUNT };
enum sc_modality { SC_MODALITY_CONVENTIONAL, SC_MODALITY_BRANCA, SC_MODALITY_AZUL, SC_MODALITY_VERDE, SC_MODALITY_COUNT };

/* "residential", "commercial", "industrial", "public"; never NULL. */
const char *sc_customer_class_name(enum sc_customer_class c);
sc_err sc_customer_class_parse(const char *name, enum sc_customer_class *out) SC_MUST_CHECK; /* else SC_E_USAGE */
/* "conventional", "branca", "azul", "verde"; never NULL. */
const char *sc_modality_name(enum sc_modality m);
sc_err sc_modality_parse(const char *name, enum sc_modality *out) SC_MUST_CHECK;

/* customer(client_id, name, class, modality, phases, nominal_v, contracted_peak_kw, contracted_kw, meter) */
extern const char sc_customer_create_table[];
/* meter(serial, client_id, certificate, agreement_key, interval_s, installed_ms): certificate is the X.509 DER issued
 * by the metrology institute, agreement_key the 32 bytes of the meter's static X25519 public key. */
extern const char sc_meter_create_table[];

/* The subject alternative name (URI) of a meter's certificate: "urn:securecloud:meter:00000017:customer:4711". */
#define SC_METER_URN_SIZE 72
const char *sc_meter_urn_format(uint32_t serial, uint64_t client_id, char text[static SC_METER_URN_SIZE]);
/* Exactly that form: 8 digits, a customer number in decimal without leading zeros below 2^63; SC_E_MALFORMED. */
sc_err sc_meter_urn_parse(const char *text, uint32_t *serial_out, uint64_t *client_id_out) SC_MUST_CHECK;

#endif
