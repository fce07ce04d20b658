/* base/progress.h - one line on the terminal that tells how far long work has come: percent, rate, time left.
 *
 * Silent unless standard error is a terminal.  Begin, set as often as you like (drawn ten times a second at most), end
 * on every way out, before an error is printed.  Not thread-safe; a callback of an engine may set it from one thread. */
#ifndef SC_BASE_PROGRESS_H
#define SC_BASE_PROGRESS_H

#include "base/clock.h"

#include <stdbool.h>

enum sc_progress_unit { SC_PROGRESS_BYTES, SC_PROGRESS_ROWS, SC_PROGRESS_STEPS /* without a rate */ };
struct sc_progress {
    const char *what; /* borrowed: "verify"; may be changed between calls */
    enum sc_progress_unit unit;
    const struct sc_clock *clock;
    bool shown; /* is there a terminal? */
    uint64_t done, total;
    int64_t begun_us, drawn_us;
};

void sc_progress_begin(struct sc_progress *p, const char *what, enum sc_progress_unit unit);
/* total may change from call to call; 0: nobody knows. */
void sc_progress_set(struct sc_progress *p, uint64_t done, uint64_t total);
/* The same, as a callback: arg is the struct sc_progress. */
void sc_progress_report(void *arg, uint64_t done, uint64_t total);
/* Takes the line away, before other output; the next set draws it again. */
void sc_progress_clear(struct sc_progress *p);
/* Leaves the last line standing, with the time taken.  Zeroed or ended twice is fine. */
void sc_progress_end(struct sc_progress *p);

#define SC_PROGRESS_LINE_SIZE 512
/* The line at now_us, at most `columns` wide, without an end of line; returns text.  ended: time taken, not left. */
const char *sc_progress_line(const struct sc_progress *p, int64_t now_us, bool ended, size_t columns,
                             char text[static SC_PROGRESS_LINE_SIZE]);

#endif
