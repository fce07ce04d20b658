#include "report/page.h"

#include "base/clock.h"
#include "report/html.h"
#include "report/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void report_page_open(struct sc_buf *out, const char *title)
{
    /* The policy backs the escaping up: even markup that slipped in could neither run nor load anything. */
    sc_buf_put_str(
        out, "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"utf-8\"/>"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><meta name=\"referrer\" "
             "content=\"no-referrer\"/><title>");
    sc_html_text(out, title);
    sc_buf_put_str(out, "</title><style>");
    sc_buf_put_str(out, report_style);
    sc_buf_put_str(out, "</style></head><body>\n");
}

void report_page_close(struct sc_buf *out, const struct report_run *run)
{
    sc_buf_put_str(out, "</main>\n<footer><p>SecureCloud " SC_VERSION ". Backend: ");
    sc_html_text(out, run->backend);
    sc_buf_put_fmt(out, ". Seed %" PRId64 ".</p></footer></body></html>\n", run->seed);
}

char (*report_days(int64_t first_ms, size_t count))[16]
{
    char(*days)[16] = calloc(count == 0 ? 1 : count, sizeof *days);
    for (size_t i = 0; days != NULL && i < count; i++) {
        struct sc_civil c;
        sc_civil_from_ms(first_ms + (int64_t)i * 86400000, &c);
        snprintf(days[i], sizeof days[i], "%02d-%02d", c.month, c.day);
    }
    return days;
}

static void figure_open(struct sc_buf *out, const char *title, const char *unit)
{
    sc_buf_put_str(out, "<figure><figcaption><b>");
    sc_html_text(out, title);
    sc_buf_put_str(out, "</b>, ");
    sc_html_text(out, unit);
    sc_buf_put_str(out, "</figcaption>");
}

void report_consumption(struct sc_buf *out, const char *const *day, const double *daily_kwh, size_t day_count,
                        const double *weekday_kw, const double *weekend_kw, size_t slot_count)
{
    sc_buf_put_str(out, "<div class=\"charts\">");
    if (day_count != 0) {
        const struct sc_svg_chart chart = {.title = "Energy per day", .unit = "kWh", .x = day, .count = day_count};
        const struct sc_svg_series bars = {.name = "energy", .y = daily_kwh};
        figure_open(out, "Energy per day", "kWh");
        sc_svg_bars(out, &chart, &bars);
        sc_buf_put_str(out, "</figure>");
    }
    if (slot_count != 0) {
        const struct sc_svg_chart chart = {.title = "Mean day", .unit = "kW", .count = slot_count};
        const struct sc_svg_series lines[] = {{.name = "weekdays", .y = weekday_kw, .style = 0},
                                              {.name = "weekends", .y = weekend_kw, .style = 1, .dashed = true}};
        figure_open(out, "Mean day", "kW by the hour");
        sc_svg_lines(out, &chart, lines, 2);
        sc_buf_put_str(out, "</figure>");
    }
    sc_buf_put_str(out, "</div>\n");
}

void report_period(struct sc_buf *out, const char *from, const char *to)
{
    const char *const ends[] = {from, to};
    for (size_t i = 0; i < 2; i++) {
        char text[40];
        snprintf(text, sizeof text, "%s", ends[i]);
        char *midnight = strstr(text, "T00:00:00Z");
        if (midnight != NULL)
            *midnight = '\0';
        sc_html_text(out, text);
        sc_buf_put_str(out, i == 0 ? " to " : " (not included)");
    }
}

void report_grade(struct sc_buf *out, const char *grade)
{
    static const char *const known[] = {"strong", "weak", "nothing", "unjudged"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(grade, known[i]) == 0)
            sc_buf_put_fmt(out, "<span class=\"%s\">%s</span>", known[i], known[i]);
}

void report_verdict(struct sc_buf *out, enum report_verdict verdict)
{
    static const char *const text[] = {
        [REPORT_NOT_AUDITED] = "<span class=\"skipped\">not audited</span>",
        [REPORT_PASSED] = "<span class=\"pass\">passed</span>",
        [REPORT_FAILED] = "<span class=\"fail\">FAILED</span>",
    };
    sc_buf_put_str(out, text[verdict]);
}

void report_reasons(struct sc_buf *out, const json_t *entry)
{
    size_t i;
    const json_t *reason;
    sc_buf_put_str(out, "<ul>");
    json_array_foreach(json_object_get(entry, "reasons"), i, reason)
    {
        sc_buf_put_str(out, "<li>");
        sc_html_text(out, json_string_value(reason));
        sc_buf_put_str(out, "</li>");
    }
    if (json_array_size(json_object_get(entry, "reasons")) == 0)
        sc_buf_put_str(out, "<li>none told</li>");
    sc_buf_put_str(out, "</ul>");
}

static void suspicious_day(struct sc_buf *out, const json_t *day)
{
    SC_CLEANUP(report_curve_deinit) struct report_curve own = {0};
    SC_CLEANUP(report_curve_deinit) struct report_curve regular = {0};
    SC_CLEANUP(report_curve_deinit) struct report_curve group = {0};
    if (report_curve_get(day, "curve_kw", &own, NULL) != SC_OK ||
        report_curve_get(day, "regular_kw", &regular, NULL) != SC_OK ||
        report_curve_get(day, "group_kw", &group, NULL) != SC_OK || own.count == 0) {
        out->failed = SC_E_NOMEM; /* they were checked when read: only memory can be missing */
        return;
    }
    const char *date = report_text(day, "date");
    const struct sc_svg_chart chart = {.title = date, .unit = "kW", .count = own.count, .width = 360, .height = 190};
    const struct sc_svg_series lines[] = {{.name = "its group", .y = group.v, .style = 2, .dashed = true},
                                          {.name = "own regular", .y = regular.v, .style = 0},
                                          {.name = "this day", .y = own.v, .style = 3}};
    figure_open(out, date, "kW by the hour");
    sc_svg_lines(out, &chart, lines, 3);
    sc_buf_put_str(out, "</figure>");
}

void report_suspicious_days(struct sc_buf *out, const json_t *entry, size_t max)
{
    size_t i;
    const json_t *day;
    if (json_array_size(json_object_get(entry, "suspicious_days")) == 0 ||
        strcmp(report_text(entry, "grade"), "nothing") == 0)
        return; /* of somebody whom nothing speaks against, no day is suspicious */
    sc_buf_put_str(out, "<div class=\"charts\">");
    json_array_foreach(json_object_get(entry, "suspicious_days"), i, day) if (i < max) suspicious_day(out, day);
    sc_buf_put_str(out, "</div>\n");
}

void report_map(struct sc_buf *out, const json_t *map, const bool *unit_marked)
{
    const json_t *units = json_object_get(map, "units");
    const size_t count = json_array_size(units);
    const size_t dimension = json_array_size(json_object_get(json_array_get(units, 0), "codebook"));
    SC_CLEANUP(sc_freep) double *curve = calloc(count * dimension, sizeof *curve);
    SC_CLEANUP(sc_freep) double *weight = calloc(count, sizeof *weight);
    if (curve == NULL || weight == NULL) {
        out->failed = SC_E_NOMEM;
        return;
    }
    for (size_t u = 0; u < count; u++) {
        const json_t *unit = json_array_get(units, u), *codebook = json_object_get(unit, "codebook");
        weight[u] = json_number_value(json_object_get(unit, "hits"));
        for (size_t i = 0; i < dimension; i++) {
            const double root = json_number_value(json_array_get(codebook, i)); /* the map learns square roots */
            curve[u * dimension + i] = root * root;
        }
    }
    sc_svg_map(out, &(struct sc_svg_map){.title = "Self-organising map of daily curves",
                                         .hexagonal = strcmp(report_text(map, "grid"), "hexagonal") == 0,
                                         .columns = (size_t)json_integer_value(json_object_get(map, "columns")),
                                         .rows = (size_t)json_integer_value(json_object_get(map, "rows")),
                                         .dimension = dimension,
                                         .curve = curve,
                                         .weight = weight,
                                         .marked = unit_marked});
}
