/* base/status_line.h - how far long work is, on one line of a terminal that is redrawn in place.
 * Redrawn at most ten times a second, so it may be called for every row.  Not thread-safe. */
#ifndef SC_BASE_STATUS_LINE_H
#define SC_BASE_STATUS_LINE_H

#include "base/clock.h"

#include <stdio.h>

struct sc_status_line {
    FILE *out; /* NULL: nothing is shown */
    int64_t next_us;
    int width; /* characters now on the line */
};
/* Shows on `out` if that is a terminal. */
void sc_status_line_init(struct sc_status_line *p, FILE *out);
/* Whether it is time to redraw: saves making the text. */
bool sc_status_line_due(const struct sc_status_line *p);
/* Draws, when due: a bar of done/total (total 0: no bar), and the text. */
void sc_status_line_show(struct sc_status_line *p, uint64_t done, uint64_t total, const char *fmt, ...) SC_PRINTF(4, 5);
/* Takes the line away, before other output and at the end. */
void sc_status_line_clear(struct sc_status_line *p);

#endif
