/* cli/system.h - the files of one SecureCloud installation: its authorities, one identity per service, the meters.
 *
 *   DIR/ca/{ca.pem,ca.key.pem}                       issues the services' certificates
 *   DIR/institute/{institute.pem,institute.key.pem}  the metrology institute: certifies meters (elsewhere in real life)
 *   DIR/services/NAME/{cert,key,ca}.pem, config.json and what else the service needs
 *   DIR/volume, DIR/counter, DIR/spool               state of CascaDB and of the aggregator
 * Single-threaded. */
#ifndef SC_CLI_SYSTEM_H
#define SC_CLI_SYSTEM_H

#include "crypto/x509.h"
#include "field/population.h"

#define SC_SYSTEM_AUTHENTICATORS_MAX 8

struct sc_system_options {
    const char *dir;
    size_t authenticators;         /* 1..8 */
    uint16_t base_port;            /* consecutive ports from here; 0: free ones are looked for */
    double radio_loss;             /* of the simulator, 0..0.5 */
    const struct sc_population_options *population; /* of the simulator; NULL: no simulator */
};

struct sc_system_service {
    char name[32];      /* "authenticator-1": folder and SPIFFE ID's end */
    char program[32];   /* "authenticator": securecloud-<program> */
    uint16_t port;      /* 0: serves nothing but HTTP */
    uint16_t http_port;
};
struct sc_system {
    const char *dir;
    struct sc_system_service service[SC_SYSTEM_AUTHENTICATORS_MAX + 8];
    size_t service_count; /* in the order of starting */
};

/* Makes everything; refuses (SC_E_EXISTS) a directory that holds an installation. */
sc_err sc_system_create(const struct sc_system_options *opt, struct sc_system *out, struct sc_diag *diag) SC_MUST_CHECK;
const struct sc_system_service *sc_system_find(const struct sc_system *s, const char *name);

/* ---- meters ---- */
enum sc_meter_keys { SC_METER_KEYS_MIXED, SC_METER_KEYS_ED25519, SC_METER_KEYS_P256, SC_METER_KEYS_RSA2048 };
sc_err sc_meter_keys_parse(const char *name, enum sc_meter_keys *out) SC_MUST_CHECK;
/* The institute certifies a meter for every customer; the simulator gets their private keys, the database the customers
 * and the public side (tables customer, meter, reading, load_order).  CascaDB must be running. */
sc_err sc_system_provision(const struct sc_system *s, const struct sc_population *p, enum sc_meter_keys keys,
                           void (*progress)(void *arg, size_t done, size_t total), void *arg, struct sc_diag *diag) SC_MUST_CHECK;

#endif
