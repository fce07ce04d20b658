#include "base/status_line.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_US 100000
#define BAR_WIDTH   24

void sc_status_line_init(struct sc_status_line *p, FILE *out)
{
    *p = (struct sc_status_line){.out = isatty(fileno(out)) ? out : NULL};
}

bool sc_status_line_due(const struct sc_status_line *p)
{
    return p->out != NULL && sc_mono_us(&sc_clock_system) >= p->next_us;
}

/* "[#########...............]  38 % " */
static void put_bar(char *text, uint64_t done, uint64_t total)
{
    const double part = done < total ? (double)done / (double)total : 1;
    const int full = (int)(part * BAR_WIDTH);
    *text++ = '[';
    for (int i = 0; i < BAR_WIDTH; i++)
        *text++ = i < full ? '#' : '.';
    snprintf(text, 16, "] %3d %% ", (int)(100 * part));
}

void sc_status_line_show(struct sc_status_line *p, uint64_t done, uint64_t total, const char *fmt, ...)
{
    char bar[BAR_WIDTH + 20] = "";
    char text[160];
    va_list args;
    if (!sc_status_line_due(p))
        return;
    if (total != 0)
        put_bar(bar, done, total);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const int width = (int)(strlen(bar) + strlen(text));
    fprintf(p->out, "\r%s%s%*s", bar, text, p->width > width ? p->width - width : 0, "");
    fflush(p->out);
    p->width = width;
    p->next_us = sc_mono_us(&sc_clock_system) + INTERVAL_US;
}

void sc_status_line_clear(struct sc_status_line *p)
{
    if (p->out == NULL || p->width == 0)
        return;
    fprintf(p->out, "\r%*s\r", p->width, "");
    fflush(p->out);
    p->width = 0;
    p->next_us = 0;
}
