/* base/units.h - numbers and sizes as operators write and read them.  Whole or refused; thread-safe. */
#ifndef SC_BASE_UNITS_H
#define SC_BASE_UNITS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Decimal digits and nothing else.  SC_E_USAGE; SC_E_LIMIT beyond max. */
sc_err sc_number_parse(const char *text, uint64_t max, uint64_t *out) SC_MUST_CHECK;

/* Bytes: digits, then nothing or one of K M G T (also KiB, k, ...), powers of 1024: "4096", "64K", "8MiB". */
sc_err sc_size_parse(const char *text, uint64_t max, uint64_t *out) SC_MUST_CHECK;

#define SC_UNITS_TEXT_SIZE 24
/* "312 B", "1.5 KiB", "27.0 GiB"; returns text. */
const char *sc_size_text(uint64_t bytes, char text[static SC_UNITS_TEXT_SIZE]);
/* "0:07", "12:30", "3:05:00"; returns text. */
const char *sc_duration_text(uint64_t seconds, char text[static SC_UNITS_TEXT_SIZE]);

#endif
