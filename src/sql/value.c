#include "sql/value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

static bool contains(const char *haystack, const char *needle)
{
    return strcasestr(haystack, needle) != NULL;
}

enum sql_affinity sql_affinity_of(const char *type)
{
    if (type == NULL || type[0] == '\0')
        return SQL_AFFINITY_BLOB;
    if (contains(type, "INT"))
        return SQL_AFFINITY_INTEGER;
    if (contains(type, "CHAR") || contains(type, "CLOB") || contains(type, "TEXT"))
        return SQL_AFFINITY_TEXT;
    if (contains(type, "BLOB"))
        return SQL_AFFINITY_BLOB;
    if (contains(type, "REAL") || contains(type, "FLOA") || contains(type, "DOUB"))
        return SQL_AFFINITY_REAL;
    return SQL_AFFINITY_NUMERIC;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Only what SQLite calls a numeric literal reaches strtod(): no "inf", "nan" or hexadecimal. */
static bool looks_numeric(struct sc_slice s)
{
    bool digit = false;
    for (size_t i = 0; i < s.size; i++) {
        const uint8_t c = s.ptr[i];
        if (c >= '0' && c <= '9')
            digit = true;
        else if (c != '+' && c != '-' && c != '.' && !(digit && (c == 'e' || c == 'E')))
            return false;
    }
    return digit;
}

bool sql_number_of_text(struct sc_slice s, struct sc_sql_value *out)
{
    char copy[400]; /* longer spellings of a number exist and stay text */
    while (s.size != 0 && is_blank(s.ptr[0]))
        s = (struct sc_slice){s.ptr + 1, s.size - 1};
    while (s.size != 0 && is_blank(s.ptr[s.size - 1]))
        s.size--;
    if (s.size == 0 || s.size >= sizeof copy || !looks_numeric(s))
        return false;
    memcpy(copy, s.ptr, s.size);
    copy[s.size] = '\0';
    char *end = NULL;
    errno = 0;
    const long long i = strtoll(copy, &end, 10);
    if (*end == '\0' && errno == 0) {
        *out = sc_sql_integer(i);
        return true;
    }
    const double r = strtod(copy, &end);
    if (*end != '\0')
        return false;
    *out = sc_sql_real(r);
    return true;
}

size_t sql_real_text(double v, char text[static SQL_NUMBER_TEXT_SIZE])
{
    if (isinf(v))
        return (size_t)snprintf(text, SQL_NUMBER_TEXT_SIZE, "%s", v > 0 ? "Infinity" : "-Infinity");
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(text, SQL_NUMBER_TEXT_SIZE, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    if (strpbrk(text, ".e") == NULL)
        n += snprintf(text + n, SQL_NUMBER_TEXT_SIZE - (size_t)n, ".0");
    return (size_t)n;
}

/* A real that is a whole number becomes an integer where nothing is lost; the limits are SQLite's, which keeps the two
 * extremes of int64 real. */
static void make_integer(struct sc_sql_value *v)
{
    if (v->type != SC_SQL_REAL || !(v->real > -0x1p63 && v->real < 0x1p63))
        return;
    const int64_t i = (int64_t)v->real;
    if ((double)i == v->real)
        *v = sc_sql_integer(i);
}

void sql_affinity_apply(enum sql_affinity a, struct sc_sql_value *v, char text[static SQL_NUMBER_TEXT_SIZE])
{
    if (sql_affinity_is_numeric(a)) {
        if (v->type == SC_SQL_TEXT && !sql_number_of_text(v->bytes, v))
            return;
        if (a == SQL_AFFINITY_REAL && v->type == SC_SQL_INTEGER)
            *v = sc_sql_real((double)v->integer);
        else if (a != SQL_AFFINITY_REAL)
            make_integer(v);
    } else if (a == SQL_AFFINITY_TEXT) {
        if (v->type == SC_SQL_INTEGER) {
            const int n = snprintf(text, SQL_NUMBER_TEXT_SIZE, "%lld", (long long)v->integer);
            *v = sc_sql_text(sc_slice_of(text, (size_t)n));
        } else if (v->type == SC_SQL_REAL) {
            *v = sc_sql_text(sc_slice_of(text, sql_real_text(v->real, text)));
        }
    }
}
