#include "billing/decimal.h"

#include <inttypes.h>
#include <stdio.h>

typedef __int128 wide;

sc_err sc_decimal_parse(const char *text, int64_t *nano_out)
{
    int64_t value = 0;
    const char *p = text;
    if (*p < '0' || *p > '9')
        return SC_E_MALFORMED;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value))
            return SC_E_LIMIT;
    int64_t scale = SC_NANO;
    int64_t fraction = 0;
    if (*p == '.') {
        p++;
        if (*p == '\0')
            return SC_E_MALFORMED;
        for (; *p >= '0' && *p <= '9' && scale > 1; p++) {
            fraction = fraction * 10 + (*p - '0');
            scale /= 10;
        }
    }
    if (*p != '\0')
        return SC_E_MALFORMED;
    if (__builtin_mul_overflow(value, SC_NANO, &value) || __builtin_add_overflow(value, fraction * scale, &value))
        return SC_E_LIMIT;
    *nano_out = value;
    return SC_OK;
}

const char *sc_decimal_text(int64_t nano, unsigned decimals_min, char text[static SC_DECIMAL_TEXT_SIZE])
{
    SC_ASSERT(nano >= 0 && decimals_min <= 9);
    unsigned decimals = 9;
    int64_t fraction = nano % SC_NANO;
    while (decimals > decimals_min && fraction % 10 == 0) {
        fraction /= 10;
        decimals--;
    }
    if (decimals == 0)
        snprintf(text, SC_DECIMAL_TEXT_SIZE, "%" PRId64, nano / SC_NANO);
    else
        snprintf(text, SC_DECIMAL_TEXT_SIZE, "%" PRId64 ".%0*" PRId64, nano / SC_NANO, (int)decimals, fraction);
    return text;
}

const char *sc_money_text(int64_t cents, char text[static SC_DECIMAL_TEXT_SIZE])
{
    SC_ASSERT(cents >= 0);
    snprintf(text, SC_DECIMAL_TEXT_SIZE, "%" PRId64 ".%02" PRId64, cents / 100, cents % 100);
    return text;
}

/* num / den, half up, within the bound of money. */
static sc_err round_half_up(wide num, wide den, int64_t *cents_out)
{
    const wide cents = num / den + (num % den >= den - num % den);
    if (cents > SC_CENTS_MAX)
        return SC_E_LIMIT;
    *cents_out = (int64_t)cents;
    return SC_OK;
}

sc_err sc_money_mul(int64_t quantity_nano, int64_t price_nano, int64_t *cents_out)
{
    SC_ASSERT(quantity_nano >= 0 && price_nano >= 0);
    return round_half_up((wide)quantity_nano * price_nano, (wide)SC_NANO * (SC_NANO / 100), cents_out);
}

sc_err sc_money_rate(int64_t cents, int64_t rate, int64_t *cents_out)
{
    SC_ASSERT(cents >= 0 && rate >= 0 && rate <= SC_RATE_ONE);
    return round_half_up((wide)cents * rate, SC_RATE_ONE, cents_out);
}

sc_err sc_money_gross(int64_t cents, int64_t share_a, int64_t share_b, int64_t *cents_out)
{
    SC_ASSERT(cents >= 0 && share_a > 0 && share_a <= SC_RATE_ONE && share_b > 0 && share_b <= SC_RATE_ONE);
    if (cents > SC_CENTS_MAX) /* keeps the product below 2^127 */
        return SC_E_LIMIT;
    return round_half_up((wide)cents * SC_RATE_ONE * SC_RATE_ONE, (wide)share_a * share_b, cents_out);
}
