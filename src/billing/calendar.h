/* billing/calendar.h - Brazilian national holidays.  Days are counted from 1970-01-01 (proleptic Gregorian).
 * Constant; thread-safe. */
#ifndef SC_BILLING_CALENDAR_H
#define SC_BILLING_CALENDAR_H

#include "base/clock.h"

#define SC_DAY_MS ((int64_t)86400000)

int32_t sc_day_of(int year, int month, int day);
/* The day that wall_ms (no offset applied) lies in; negative times round down. */
int32_t sc_day_of_ms(int64_t wall_ms);
int sc_day_weekday(int32_t day); /* 0 = Sunday */
/* Easter Sunday of a Gregorian year 1583..9999: the anonymous algorithm (Nature, 1876; J. Meeus, Astronomical
 * Algorithms, ch. 8). */
int32_t sc_day_easter(int year);
/* 1 Jan, 21 Apr, 1 May, 7 Sep, 12 Oct, 2 Nov, 15 Nov, 25 Dec, since 2024 20 Nov (Law 14.759/2023); and, as the rules of
 * the peak hours count them, Carnival Tuesday, Good Friday and Corpus Christi. */
bool sc_day_is_national_holiday(int32_t day);

#endif
