/* tests/billing/fixture.h - what the tests of billing share: tariffs as text, a small honest meter, an institute. */
#ifndef SC_TESTS_BILLING_FIXTURE_H
#define SC_TESTS_BILLING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "billing/audit.h"

#define assert_ok(expr) assert_int_equal(expr, SC_OK)

/* Parses JSON in which ' stands for ". */
json_t *fixture_json(const char *text);
void fixture_tariff(const char *text, struct sc_tariff *out);
int64_t fixture_ms(const char *time);
/* name in $SC_SHARED, or in ../shared beside the source, or NULL where that file is not there. */
const char *fixture_shared(const char *name);

/* A meter that counts: gives well-formed readings without electrical detail, registers in step. */
struct fixture_meter {
    uint32_t serial, interval_s;
    int64_t t0_ms;
    uint64_t sequence; /* of the last reading */
    uint64_t reg[SC_READING_REGISTER_COUNT];
};
void fixture_meter_read(struct fixture_meter *m, uint64_t wh, uint64_t inductive_varh, uint64_t capacitive_varh,
                        struct sc_reading *out);
void fixture_meter_skip(struct fixture_meter *m, struct sc_reading *out); /* not measured */
void fixture_statement_hash(const struct sc_reading *r, struct sc_hash *leaf_out);

extern const char fixture_branca[];  /* Enel hours and prices, no tax */
extern const char fixture_azul[];    /* CEMIG-D, peak 18-21, with reactive excess */

#endif
