/* billing/decimal.h - money and prices as fixed-point integers: exact, no binary floats.
 *
 * A price or quantity is a whole number of nanos (1e-9 of its unit, 0 .. 9.2e9); money is a whole number of centavos.
 * Products and quotients are formed in 128 bits and rounded once, half up, to the centavo: the convention of the bill.
 * Nothing is negative.  Thread-safe. */
#ifndef SC_BILLING_DECIMAL_H
#define SC_BILLING_DECIMAL_H

#include "base/err.h"

#include <stdint.h>

#define SC_NANO ((int64_t)1000000000)
/* Beyond this many centavos (ten billion reais) a bill is a mistake: SC_E_LIMIT. */
#define SC_CENTS_MAX ((int64_t)1000000000000)

/* "12", "0.01885": digits, optionally a point and 1..9 digits; no sign, no exponent.  SC_E_MALFORMED otherwise,
 * SC_E_LIMIT beyond 9.2e9. */
sc_err sc_decimal_parse(const char *text, int64_t *nano_out) SC_MUST_CHECK;

#define SC_DECIMAL_TEXT_SIZE 32
/* As short as exact, but with at least decimals_min (0..9) decimals: (804500000, 2) is "0.8045". */
const char *sc_decimal_text(int64_t nano, unsigned decimals_min, char text[static SC_DECIMAL_TEXT_SIZE]);
const char *sc_money_text(int64_t cents, char text[static SC_DECIMAL_TEXT_SIZE]); /* "1234.05" */

/* quantity * price, rounded half up to the centavo. */
sc_err sc_money_mul(int64_t quantity_nano, int64_t price_nano, int64_t *cents_out) SC_MUST_CHECK;

/* Rates of tax, in nanos of a per cent: 18 % is 18 * SC_NANO; SC_RATE_ONE is 100 %. */
#define SC_RATE_ONE INT64_C(100000000000)
/* rate * cents, half up; 0 <= rate <= SC_RATE_ONE. */
sc_err sc_money_rate(int64_t cents, int64_t rate, int64_t *cents_out) SC_MUST_CHECK;
/* cents / (share_a * share_b), half up; both 0 < share <= SC_RATE_ONE: the tax-in price of a base. */
sc_err sc_money_gross(int64_t cents, int64_t share_a, int64_t share_b, int64_t *cents_out) SC_MUST_CHECK;

#endif
