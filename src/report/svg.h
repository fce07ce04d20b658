/* report/svg.h - small charts as inline SVG: lines, bars, axes with round ticks, legends.
 *
 * Colours come from CSS classes of the page (s0..s4 for series, grid, axis), so that one chart serves light, dark and
 * paper.  Every chart carries <title> and <desc>; bars carry their value as a <title> of their own, which browsers show on
 * hovering and screen readers read.  Texts are escaped here.  Thread-safe. */
#ifndef SC_REPORT_SVG_H
#define SC_REPORT_SVG_H

#include "base/bytes.h"

struct sc_svg_series {
    const char *name;
    const double *y;       /* chart.count values; NAN = gap */
    unsigned style;        /* CSS class s<style> */
    bool dashed;
};

struct sc_svg_chart {
    const char *title;     /* also the accessible name */
    const char *unit;      /* of the values: "kW" */
    const char *const *x;  /* count labels, or NULL: the hours of a day */
    size_t count;          /* points per series, 1..4000 */
    unsigned width, height;/* 0 = 440 x 210 */
};

void sc_svg_lines(struct sc_buf *out, const struct sc_svg_chart *chart, const struct sc_svg_series *series,
                  size_t series_count);
void sc_svg_bars(struct sc_buf *out, const struct sc_svg_chart *chart, const struct sc_svg_series *series);

/* The step between round ticks (1, 2, 2.5 or 5 times a power of ten) that makes at most ticks_max of them up to max. */
double sc_svg_tick_step(double max, unsigned ticks_max);

/* A map of units in rows (hexagonal: odd rows half a unit to the right), each with its curve and a shade by weight. */
struct sc_svg_map {
    const char *title;
    bool hexagonal;
    size_t columns, rows, dimension; /* 1..64, 1..64, 1..1024 */
    const double *curve;             /* [unit][dimension] */
    const double *weight;            /* [unit], >= 0 */
    const bool *marked;              /* [unit] or NULL */
};
void sc_svg_map(struct sc_buf *out, const struct sc_svg_map *map);

#endif
