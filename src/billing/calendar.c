#include "billing/calendar.h"

int32_t sc_day_of(int year, int month, int day)
{
    const struct sc_civil c = {.year = year, .month = month, .day = day};
    return (int32_t)(sc_civil_to_ms(&c) / SC_DAY_MS);
}

int32_t sc_day_of_ms(int64_t wall_ms)
{
    return (int32_t)(wall_ms / SC_DAY_MS - (wall_ms % SC_DAY_MS < 0));
}

int sc_day_weekday(int32_t day)
{
    return ((day + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
}

int32_t sc_day_easter(int year)
{
    const int a = year % 19, b = year / 100, c = year % 100;
    const int d = b / 4, e = b % 4, f = (b + 8) / 25, g = (b - f + 1) / 3;
    const int h = (19 * a + b - d - g + 15) % 30;
    const int i = c / 4, k = c % 4;
    const int l = (32 + 2 * e + 2 * i - h - k) % 7;
    const int m = (a + 11 * h + 22 * l) / 451;
    const int n = h + l - 7 * m + 114;
    return sc_day_of(year, n / 31, n % 31 + 1);
}

bool sc_day_is_national_holiday(int32_t day)
{
    static const struct {
        int month, day, since;
    } fixed[] = {{1, 1, 0},  {4, 21, 0},  {5, 1, 0},   {9, 7, 0},     {10, 12, 0},
                 {11, 2, 0}, {11, 15, 0}, {12, 25, 0}, {11, 20, 2024}};
    struct sc_civil c;
    sc_civil_from_ms(day * SC_DAY_MS, &c);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (c.month == fixed[i].month && c.day == fixed[i].day && c.year >= fixed[i].since)
            return true;
    const int32_t from_easter = day - sc_day_easter(c.year);
    return from_easter == -47 || from_easter == -2 || from_easter == 60;
}
