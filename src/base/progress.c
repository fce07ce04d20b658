#include "base/progress.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_EVERY_US INT64_C(100000)
#define COLUMNS_USUAL ((size_t)80)
#define BAR_MAX       ((size_t)40)
#define BAR_MIN       ((size_t)8)

/* ---- the line ---- */

/* Rounded; what no u64 can hold becomes a very large one. */
static uint64_t whole(double v)
{
    return v < 1e18 ? (uint64_t)(v + 0.5) : UINT64_C(1000000000000000000);
}

static unsigned percent(const struct sc_progress *p)
{
    if (p->total == 0)
        return p->done == 0 ? 0 : 100;
    const double share = (double)p->done / (double)p->total;
    return share >= 1 ? 100 : (unsigned)(share * 100); /* 100 only when it is done */
}

static void amount_text(const struct sc_progress *p, double per_s, char *out, size_t size)
{
    char done[SC_UNITS_TEXT_SIZE], total[SC_UNITS_TEXT_SIZE], rate[SC_UNITS_TEXT_SIZE];
    if (p->total == 0 && p->unit == SC_PROGRESS_BYTES)
        snprintf(out, size, "%s  %s/s", sc_size_text(p->done, done), sc_size_text(whole(per_s), rate));
    else if (p->unit == SC_PROGRESS_STEPS)
        snprintf(out, size, "%" PRIu64 " of %" PRIu64, p->done, p->total);
    else if (p->unit == SC_PROGRESS_ROWS)
        snprintf(out, size, "%" PRIu64 " of %" PRIu64 " rows  %.0f/s", p->done, p->total, per_s);
    else
        snprintf(out, size, "%s of %s  %s/s", sc_size_text(p->done, done), sc_size_text(p->total, total),
                 sc_size_text(whole(per_s), rate));
}

static void time_text(const struct sc_progress *p, double elapsed_s, double per_s, bool ended, char *out, size_t size)
{
    char text[SC_UNITS_TEXT_SIZE];
    if (ended || p->total == 0)
        snprintf(out, size, "in %s", sc_duration_text(whole(elapsed_s), text));
    else if (per_s > 0 && p->total >= p->done)
        snprintf(out, size, "%s left", sc_duration_text(whole((double)(p->total - p->done) / per_s), text));
    else
        snprintf(out, size, "--:-- left");
}

static void bar_text(unsigned share, size_t width, char *out)
{
    const size_t full = width * share / 100;
    *out++ = '[';
    memset(out, '#', full);
    memset(out + full, '.', width - full);
    memcpy(out + width, "] ", sizeof "] ");
}

const char *sc_progress_line(const struct sc_progress *p, int64_t now_us, bool ended, size_t columns,
                             char text[static SC_PROGRESS_LINE_SIZE])
{
    char amount[128], time[64], bar[BAR_MAX + 4] = "";
    const double elapsed_s = (double)(now_us - p->begun_us) / 1e6;
    const double per_s = elapsed_s > 0 ? (double)p->done / elapsed_s : 0;
    const unsigned share = percent(p);
    amount_text(p, per_s, amount, sizeof amount);
    time_text(p, elapsed_s, per_s, ended, time, sizeof time);
    if (p->total == 0) {
        snprintf(text, SC_PROGRESS_LINE_SIZE, "%s  %s  %s", p->what, amount, time);
        if (columns < strlen(text))
            text[columns] = '\0';
        return text;
    }
    const size_t rest = strlen(p->what) + strlen(amount) + strlen(time) + sizeof "  100 %    " + sizeof "[] ";
    if (columns >= rest + BAR_MIN)
        bar_text(share, columns - rest < BAR_MAX ? columns - rest : BAR_MAX, bar);
    snprintf(text, SC_PROGRESS_LINE_SIZE, "%s  %s%3u %%  %s  %s", p->what, bar, share, amount, time);
    if (columns < strlen(text))
        text[columns] = '\0';
    return text;
}

/* ---- the terminal ---- */

static size_t columns_of_terminal(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
        return COLUMNS_USUAL;
    return (size_t)size.ws_col - 1; /* a full last column makes some terminals wrap */
}

static void draw(struct sc_progress *p, int64_t now_us, bool ended)
{
    char text[SC_PROGRESS_LINE_SIZE];
    sc_progress_line(p, now_us, ended, columns_of_terminal(), text);
    fprintf(stderr, "\r%s\x1b[K%s", text, ended ? "\n" : "");
    fflush(stderr);
    p->drawn_us = now_us;
}

void sc_progress_begin(struct sc_progress *p, const char *what, enum sc_progress_unit unit)
{
    *p = (struct sc_progress){.what = what, .unit = unit, .clock = &sc_clock_system};
    p->shown = isatty(STDERR_FILENO) != 0;
    p->begun_us = sc_mono_us(p->clock);
    p->drawn_us = p->begun_us - DRAW_EVERY_US;
}

void sc_progress_set(struct sc_progress *p, uint64_t done, uint64_t total)
{
    p->done = done;
    p->total = total;
    if (!p->shown)
        return;
    const int64_t now_us = sc_mono_us(p->clock);
    if (now_us - p->drawn_us >= DRAW_EVERY_US)
        draw(p, now_us, false);
}

void sc_progress_report(void *arg, uint64_t done, uint64_t total)
{
    sc_progress_set(arg, done, total);
}

void sc_progress_clear(struct sc_progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
    p->drawn_us = sc_mono_us(p->clock) - DRAW_EVERY_US;
}

void sc_progress_end(struct sc_progress *p)
{
    if (!p->shown)
        return;
    p->shown = false;
    draw(p, sc_mono_us(p->clock), true);
}
