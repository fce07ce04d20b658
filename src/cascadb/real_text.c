/* For the usual magnitudes, 1e-4 <= |v| < 1e15, exact integer arithmetic does what printf and strtod do in turns, some
 * twenty times as fast.  With v = m * 2^-s (m < 2^53, 0 < s <= 66) and k such that v * 10^k has 17 digits (k <= 20):
 *   1. m * 10^k < 2^53 * 2^67 fits into 128 bits; divided by 2^s and rounded it is the 17 digits;
 *   2. a decimal D / 10^k reads back as v when |D - v * 10^k| < half the distance to v's neighbours, in the units of
 *      1. |D * 2^s - m * 10^k| < 10^k / 2, where D * 2^s < 2^57 * 2^66 fits as well.  Below a power of two the
 * neighbour is only half as far: there a quarter is asked for, which at worst gives a digit too many. */
#include "cascadb/real_text.h"

#include <math.h>

typedef unsigned __int128 u128;

#define DIGITS_MAX 17
#define TEN_15     UINT64_C(1000000000000000)
#define TEN_16     (TEN_15 * 10)
#define TEN_17     (TEN_15 * 100)

static u128 ten_to(int k)
{
    u128 p = 1;
    while (k-- > 0)
        p *= 10;
    return p;
}

/* x / 2^s to the nearest multiple of unit, halves to the even one: from x itself, for rounding twice would be wrong. */
static uint64_t rounded(u128 x, int s, uint64_t unit)
{
    const uint64_t whole = (uint64_t)(x >> s);
    const u128 below = x & (((u128)1 << s) - 1);
    const uint64_t count = whole / unit;
    const u128 rest_twice = (((u128)(whole % unit) << s) | below) * 2;
    const u128 step = (u128)unit << s;
    return (count + (rest_twice > step || (rest_twice == step && count % 2 != 0))) * unit;
}

static bool reads_back(uint64_t d, uint64_t m, u128 mk, int s, u128 ten_k)
{
    const u128 ds = (u128)d << s;
    const u128 distance = ds > mk ? ds - mk : mk - ds;
    return distance < ten_k / (m == UINT64_C(1) << 52 ? 4 : 2);
}

/* d / 10^k without trailing zeros. */
static size_t put_fixed(char *text, uint64_t d, int k)
{
    char digits[24];
    size_t n = 0;
    while (k > 0 && d % 10 == 0) {
        d /= 10;
        k--;
    }
    for (; d != 0; d /= 10)
        digits[n++] = (char)('0' + d % 10); /* the last first */
    while (n <= (size_t)k)
        digits[n++] = '0'; /* 0.00... */
    char *to = text;
    while (n > 0) {
        if (n == (size_t)k)
            *to++ = '.';
        *to++ = digits[--n];
    }
    return (size_t)(to - text);
}

/* v in [1e-4, 1e15) */
static size_t usual(double v, char *text)
{
    int exponent;
    const uint64_t m = (uint64_t)ldexp(frexp(v, &exponent), 53);
    const int s = 53 - exponent;
    int k = DIGITS_MAX - 1 - (int)floor(log10(v));
    u128 ten_k = ten_to(k);
    uint64_t d = rounded(m * ten_k, s, 1);
    if (d >= TEN_17) /* log10 was off at a power of ten, or rounding made one */
        k--;
    else if (d < TEN_16)
        k++;
    ten_k = ten_to(k);
    const u128 mk = m * ten_k;
    for (uint64_t unit = 100; unit >= 1; unit /= 10) {
        d = rounded(mk, s, unit);
        if (reads_back(d, m, mk, s, ten_k))
            break;
    }
    return put_fixed(text, d, k); /* 17 digits always read back */
}

size_t pg_real_text(double v, char text[static SQL_NUMBER_TEXT_SIZE])
{
    const double magnitude = fabs(v);
    if (magnitude >= 1e-4 && magnitude < 1e15) {
        text[0] = '-';
        return v < 0 ? 1 + usual(magnitude, text + 1) : usual(magnitude, text);
    }
    size_t n = sql_real_text(v, text);
    if (n > 2 && text[n - 1] == '0' && text[n - 2] == '.')
        n -= 2;
    return n;
}
