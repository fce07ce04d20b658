#include "report/svg.h"

#include "report/html.h"

#include <math.h>
#include <stdio.h>

#define MARGIN_LEFT   46.0
#define MARGIN_RIGHT  10.0
#define MARGIN_TOP    12.0
#define MARGIN_BOTTOM 24.0
#define LEGEND_HEIGHT 20.0
#define TICKS_MAX     4u

struct frame {
    double left, top, width, height; /* of the plot, inside the margins */
    double y_max, y_step;
    double total_width, total_height;
};

double sc_svg_tick_step(double max, unsigned ticks_max)
{
    static const double round[] = {1.0, 2.0, 2.5, 5.0, 10.0};
    if (!(max > 0.0) || !isfinite(max) || ticks_max == 0)
        return 1.0;
    const double power = pow(10.0, floor(log10(max / ticks_max)));
    for (size_t i = 0; i < sizeof round / sizeof *round; i++)
        if (round[i] * power * ticks_max >= max * (1.0 - 1e-12))
            return round[i] * power;
    return 10.0 * power;
}

static double series_max(const struct sc_svg_series *s, size_t series_count, size_t count)
{
    double max = 0.0;
    for (size_t k = 0; k < series_count; k++)
        for (size_t i = 0; i < count; i++)
            if (isfinite(s[k].y[i]) && s[k].y[i] > max)
                max = s[k].y[i];
    return max;
}

static struct frame frame_of(const struct sc_svg_chart *c, const struct sc_svg_series *s, size_t series_count)
{
    struct frame f = {.total_width = c->width != 0 ? c->width : 440.0,
                      .total_height = c->height != 0 ? c->height : 210.0};
    f.left = MARGIN_LEFT;
    f.top = MARGIN_TOP + (series_count > 1 ? LEGEND_HEIGHT : 0.0);
    f.width = f.total_width - MARGIN_LEFT - MARGIN_RIGHT;
    f.height = f.total_height - f.top - MARGIN_BOTTOM;
    const double max = series_max(s, series_count, c->count);
    f.y_step = sc_svg_tick_step(max, TICKS_MAX);
    f.y_max = max > 0.0 ? f.y_step * ceil(max / f.y_step - 1e-9) : f.y_step;
    return f;
}

static double y_at(const struct frame *f, double v)
{
    return f->top + f->height * (1.0 - fmax(0.0, v) / f->y_max);
}

static void open_svg(struct sc_buf *out, const char *class, double width, double height, const char *title)
{
    sc_buf_put_fmt(
        out, "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>",
        class, width, height);
    sc_html_text(out, title);
    sc_buf_put_str(out, "</title>");
}

/* What a person who cannot see the chart should know: extent and the largest value of each series. */
static void describe(struct sc_buf *out, const struct sc_svg_chart *c, const struct sc_svg_series *s,
                     size_t series_count)
{
    sc_buf_put_str(out, "<desc>");
    for (size_t k = 0; k < series_count; k++) {
        sc_html_text(out, s[k].name);
        sc_buf_put_fmt(out, ": %zu values, at most %.4g ", c->count, series_max(&s[k], 1, c->count));
        sc_html_text(out, c->unit);
        sc_buf_put_str(out, k + 1 < series_count ? "; " : "");
    }
    sc_buf_put_str(out, "</desc>");
}

static int decimals_for(double step)
{
    const int decimals = step >= 1.0 ? 0 : (int)ceil(-log10(step) - 1e-9);
    const double shifted = step * pow(10.0, decimals);
    return fabs(shifted - floor(shifted + 0.5)) > 1e-6 ? decimals + 1 : decimals; /* steps of 2.5 */
}

/* The unit stands in the caption: beside the top tick it would not fit the margin. */
static void axis_y(struct sc_buf *out, const struct frame *f)
{
    const int decimals = decimals_for(f->y_step);
    for (unsigned i = 0; (double)i * f->y_step <= f->y_max * (1.0 + 1e-9); i++) {
        const double y = y_at(f, (double)i * f->y_step);
        sc_buf_put_fmt(out, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                       i == 0 ? "axis" : "grid", f->left, f->left + f->width, y, y);
        sc_buf_put_fmt(out, "<text class=\"tick end\" x=\"%.1f\" y=\"%.1f\">", f->left - 6.0, y + 4.0);
        sc_html_number(out, (double)i * f->y_step, decimals);
        sc_buf_put_str(out, "</text>");
    }
}

static void x_label(struct sc_buf *out, const struct frame *f, double x, const char *anchor, const char *text)
{
    sc_buf_put_fmt(out, "<text class=\"tick %s\" x=\"%.1f\" y=\"%.1f\">", anchor, x, f->top + f->height + 16.0);
    sc_html_text(out, text);
    sc_buf_put_str(out, "</text>");
}

static void axis_hours(struct sc_buf *out, const struct frame *f)
{
    for (int hour = 0; hour <= 24; hour += 6) {
        char text[8];
        snprintf(text, sizeof text, "%d h", hour);
        x_label(out, f, f->left + f->width * hour / 24.0, hour == 24 ? "end" : hour == 0 ? "start" : "mid", text);
    }
}

/* As many labels as fit, evenly; bars stand in the middle of their share. */
static void axis_labels(struct sc_buf *out, const struct sc_svg_chart *c, const struct frame *f)
{
    const size_t every = (size_t)ceil((double)c->count * 54.0 / f->width);
    for (size_t i = 0; i < c->count; i += every)
        x_label(out, f, f->left + f->width * ((double)i + 0.5) / (double)c->count, "mid", c->x[i]);
}

static void axes(struct sc_buf *out, const struct sc_svg_chart *c, const struct frame *f)
{
    axis_y(out, f);
    if (c->x == NULL)
        axis_hours(out, f);
    else
        axis_labels(out, c, f);
}

static void legend(struct sc_buf *out, const struct frame *f, const struct sc_svg_series *s, size_t series_count)
{
    double x = f->left;
    for (size_t k = 0; k < series_count && series_count > 1; k++) {
        sc_buf_put_fmt(out, "<line class=\"s%u line%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"10\" y2=\"10\"/>", s[k].style,
                       s[k].dashed ? " dashed" : "", x, x + 18.0);
        sc_buf_put_fmt(out, "<text class=\"tick start\" x=\"%.1f\" y=\"14\">", x + 23.0);
        sc_html_text(out, s[k].name);
        sc_buf_put_str(out, "</text>");
        x += 40.0 + 6.4 * (double)strlen(s[k].name); /* about the width of the text at 12 px */
    }
}

/* A value holds for its whole share of the axis: curves are drawn as steps, as meters measure. */
static void path(struct sc_buf *out, const struct sc_svg_chart *c, const struct frame *f, const struct sc_svg_series *s)
{
    bool pen_down = false;
    sc_buf_put_fmt(out, "<path class=\"s%u line%s\" d=\"", s->style, s->dashed ? " dashed" : "");
    for (size_t i = 0; i < c->count; i++) {
        if (!isfinite(s->y[i])) {
            pen_down = false;
            continue;
        }
        const double x = f->left + f->width * (double)i / (double)c->count;
        sc_buf_put_fmt(out, "%c%.1f %.1fH%.1f", pen_down ? 'L' : 'M', x, y_at(f, s->y[i]),
                       x + f->width / (double)c->count);
        pen_down = true;
    }
    sc_buf_put_str(out, "\"/>");
}

void sc_svg_lines(struct sc_buf *out, const struct sc_svg_chart *chart, const struct sc_svg_series *series,
                  size_t series_count)
{
    const struct frame f = frame_of(chart, series, series_count);
    open_svg(out, "chart", f.total_width, f.total_height, chart->title);
    describe(out, chart, series, series_count);
    axes(out, chart, &f);
    for (size_t k = 0; k < series_count; k++)
        path(out, chart, &f, &series[k]);
    legend(out, &f, series, series_count);
    sc_buf_put_str(out, "</svg>");
}

void sc_svg_bars(struct sc_buf *out, const struct sc_svg_chart *chart, const struct sc_svg_series *series)
{
    const struct frame f = frame_of(chart, series, 1);
    open_svg(out, "chart", f.total_width, f.total_height, chart->title);
    describe(out, chart, series, 1);
    axes(out, chart, &f);
    const double share = f.width / (double)chart->count, gap = fmin(share * 0.2, 4.0);
    for (size_t i = 0; i < chart->count; i++) {
        if (!isfinite(series->y[i]))
            continue;
        const double y = y_at(&f, series->y[i]);
        sc_buf_put_fmt(out, "<rect class=\"s%u bar\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>",
                       series->style, f.left + share * (double)i + gap / 2.0, y, share - gap, f.top + f.height - y);
        if (chart->x != NULL) {
            sc_html_text(out, chart->x[i]);
            sc_buf_put_str(out, ": ");
        }
        sc_html_number(out, series->y[i], 2);
        sc_buf_put_u8(out, ' ');
        sc_html_text(out, chart->unit);
        sc_buf_put_str(out, "</title></rect>");
    }
    sc_buf_put_str(out, "</svg>");
}

/* ---- map ---- */

#define UNIT_SIZE 56.0

static void unit_outline(struct sc_buf *out, bool hexagonal, double cx, double cy, double shade, bool marked)
{
    const double r = UNIT_SIZE / 2.0;
    const char *class = marked ? "unit marked" : "unit";
    if (!hexagonal) {
        sc_buf_put_fmt(
            out, "<rect class=\"%s\" fill-opacity=\"%.3f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            class, shade, cx - r + 1.0, cy - r + 1.0, 2.0 * r - 2.0, 2.0 * r - 2.0);
        return;
    }
    sc_buf_put_fmt(out, "<polygon class=\"%s\" fill-opacity=\"%.3f\" points=\"", class, shade);
    for (int k = 0; k < 6; k++) {
        const double angle = (60.0 * k + 30.0) * 3.14159265358979 / 180.0, reach = (r - 1.0) / cos(0.523598775598299);
        sc_buf_put_fmt(out, "%.1f,%.1f ", cx + reach * cos(angle), cy + reach * sin(angle));
    }
    sc_buf_put_str(out, "\"/>");
}

static void unit_curve(struct sc_buf *out, const double *curve, size_t dimension, double max, double cx, double cy)
{
    const double width = UNIT_SIZE * 0.66, height = UNIT_SIZE * 0.5;
    sc_buf_put_str(out, "<polyline class=\"codebook\" points=\"");
    for (size_t i = 0; i < dimension; i++) {
        const double at = dimension > 1 ? (double)i / (double)(dimension - 1) : 0.5;
        const double v = isfinite(curve[i]) && max > 0.0 ? curve[i] / max : 0.0;
        sc_buf_put_fmt(out, "%.1f,%.1f ", cx - width / 2.0 + width * at, cy + height / 2.0 - height * fmax(0.0, v));
    }
    sc_buf_put_str(out, "\"/>");
}

static double largest(const double *v, size_t count)
{
    double max = 0.0;
    for (size_t i = 0; i < count; i++)
        max = isfinite(v[i]) ? fmax(max, v[i]) : max;
    return max;
}

void sc_svg_map(struct sc_buf *out, const struct sc_svg_map *map)
{
    const size_t units = map->columns * map->rows;
    const double row_height = map->hexagonal ? UNIT_SIZE * 0.866025403784 : UNIT_SIZE;
    const double curve_max = largest(map->curve, units * map->dimension), weight_max = largest(map->weight, units);
    open_svg(out, "map", UNIT_SIZE * ((double)map->columns + (map->hexagonal && map->rows > 1 ? 0.5 : 0.0)),
             row_height * (double)(map->rows - 1) + UNIT_SIZE * 1.16, map->title);
    sc_buf_put_fmt(out,
                   "<desc>%zu by %zu neurons; each shows the daily curve it stands for, darker the more days it matches"
                   "</desc>",
                   map->columns, map->rows);
    for (size_t u = 0; u < units; u++) {
        const size_t row = u / map->columns;
        const double cx = UNIT_SIZE * ((double)(u % map->columns) + 0.5 + (map->hexagonal && row % 2 == 1 ? 0.5 : 0.0));
        const double cy = UNIT_SIZE * 0.58 + row_height * (double)row;
        const double shade = weight_max > 0.0 ? 0.06 + 0.44 * sqrt(map->weight[u] / weight_max) : 0.06;
        sc_buf_put_fmt(out, "<g><title>neuron %zu: %.0f days</title>", u, map->weight[u]);
        unit_outline(out, map->hexagonal, cx, cy, shade, map->marked != NULL && map->marked[u]);
        unit_curve(out, map->curve + u * map->dimension, map->dimension, curve_max, cx, cy);
        sc_buf_put_str(out, "</g>");
    }
    sc_buf_put_str(out, "</svg>");
}
