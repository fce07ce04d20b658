/* Measured consumption from data files: rows in any order become customers x contiguous intervals.
 *
 * The whole file is checked before anything of it is used.  Energies become whole Wh as a register would
 * count them: the fraction is carried to the next interval, so a customer's sum over any stretch is within
 * half a Wh of the file's. */
#include "metering/profile.h"

#include "base/file.h"

#include <inttypes.h>
#include <math.h>
#include <zlib.h>

#define DAY_MS          INT64_C(86400000)
#define FILE_SIZE_MAX   ((size_t)256 << 20)
#define CSV_SIZE_MAX    ((size_t)1 << 30)
#define CELLS_MAX       ((size_t)1 << 25)
#define NAME_SIZE       32
#define COVERED         0.90 /* of a window's intervals measured: the customer covers the window */
#define INTERVAL_WH_MAX 4.0e9

enum format { FORMAT_HALF_HOUR_KWH, FORMAT_QUARTER_NORMALISED, FORMAT_STEEL };

struct cell {
    double wh, inductive_varh, capacitive_varh; /* wh NAN: missing */
};

struct row { /* one customer's day */
    uint32_t customer;
    int32_t day; /* since 1970 */
    uint32_t line;
    size_t first_cell;
};

struct sc_dataset {
    enum format format;
    uint32_t interval_s;
    size_t slots; /* intervals a day */
    int64_t first_day;
    size_t day_count;
    size_t customer_count;
    char (*names)[NAME_SIZE];
    uint32_t *wh, *inductive, *capacitive; /* customer_count * day_count * slots; the last two NULL without */
};

/* What parsing builds; all of it is freed at the end. */
#define NAME_SLOTS ((size_t)1 << 18) /* > 2 * SC_DATASET_CUSTOMERS_MAX */
struct parse {
    const char *name;
    struct sc_diag *diag;
    const struct sc_dataset_options *opt;
    enum format format;
    size_t columns, slots;
    uint32_t line;
    const char *line_begin;
    struct row *rows;
    size_t row_count, row_capacity;
    struct cell *cells;
    size_t cell_count, cell_capacity;
    char (*names)[NAME_SIZE];
    size_t name_count, name_capacity;
    uint32_t *name_table; /* index + 1, or 0 */
};

static void parse_deinit(struct parse *p)
{
    free(p->rows);
    free(p->cells);
    free(p->names);
    free(p->name_table);
}

static sc_err grow(void **array, size_t *capacity, size_t need, size_t item_size)
{
    if (need <= *capacity)
        return SC_OK;
    size_t more = *capacity < 256 ? 256 : *capacity * 2;
    if (more < need)
        more = need;
    void *fresh = reallocarray(*array, more, item_size);
    if (fresh == NULL)
        return SC_E_NOMEM;
    *array = fresh;
    *capacity = more;
    return SC_OK;
}

/* ---- fields ---- */
struct field {
    const char *ptr;
    size_t size;
};

static sc_err bad(const struct parse *p, const char *at, const char *what)
{
    return sc_fail(p->diag, SC_E_MALFORMED, "%s:%" PRIu32 ":%zu: %s", p->name, p->line,
                   (size_t)(at - p->line_begin) + 1, what);
}

/* Splits off the next field of [*at, end); *at moves behind the comma, or to NULL after the last field. */
static struct field field_next(const char **at, const char *end)
{
    const char *comma = memchr(*at, ',', (size_t)(end - *at));
    const struct field f = {*at, (size_t)((comma != NULL ? comma : end) - *at)};
    *at = comma != NULL ? comma + 1 : NULL;
    return f;
}

/* digits[.digits], at most 17 of them: no sign, no exponent, no locale.  An empty field is NAN. */
static sc_err number_parse(const struct parse *p, struct field f, double *out)
{
    static const double power[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                   1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};
    uint64_t digits = 0;
    size_t digit_count = 0;
    size_t decimals = 0;
    bool point = false;
    if (f.size == 0) {
        *out = NAN;
        return SC_OK;
    }
    for (size_t i = 0; i < f.size; i++) {
        const char c = f.ptr[i];
        if (c == '.' && !point && digit_count != 0) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return bad(p, f.ptr + i, c == '-' && i == 0 ? "negative energy" : "not a number");
        if (++digit_count > 17)
            return bad(p, f.ptr, "number too long");
        digits = digits * 10 + (uint64_t)(c - '0');
        decimals += point;
    }
    if (point && decimals == 0)
        return bad(p, f.ptr, "not a number");
    *out = (double)digits / power[decimals];
    return SC_OK;
}

static sc_err date_parse(const struct parse *p, struct field f, int32_t *day_out)
{
    char text[11];
    int64_t ms;
    if (f.size == 10) {
        memcpy(text, f.ptr, 10);
        text[10] = '\0';
        if (sc_civil_parse(text, &ms) == SC_OK) {
            *day_out = (int32_t)(ms / DAY_MS - (ms % DAY_MS < 0));
            return SC_OK;
        }
    }
    return bad(p, f.ptr, "not a date (YYYY-MM-DD)");
}

static sc_err customer_of(struct parse *p, struct field f, uint32_t *out)
{
    if (f.size == 0 || f.size >= NAME_SIZE)
        return bad(p, f.ptr, "meter name of 1 to 31 characters expected");
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < f.size; i++) {
        if (f.ptr[i] <= ' ' || f.ptr[i] > '~')
            return bad(p, f.ptr + i, "meter name: printable ASCII expected");
        hash = (hash ^ (uint8_t)f.ptr[i]) * UINT64_C(0x100000001b3);
    }
    size_t slot = (size_t)(hash ^ hash >> 32) % NAME_SLOTS;
    for (; p->name_table[slot] != 0; slot = (slot + 1) % NAME_SLOTS) {
        const char *known = p->names[p->name_table[slot] - 1];
        if (strlen(known) == f.size && memcmp(known, f.ptr, f.size) == 0) {
            *out = p->name_table[slot] - 1;
            return SC_OK;
        }
    }
    if (p->name_count == SC_DATASET_CUSTOMERS_MAX)
        return sc_fail(p->diag, SC_E_LIMIT, "%s:%" PRIu32 ": more than %d meters", p->name, p->line,
                       SC_DATASET_CUSTOMERS_MAX);
    SC_TRY(grow((void **)&p->names, &p->name_capacity, p->name_count + 1, NAME_SIZE));
    memset(p->names[p->name_count], 0, NAME_SIZE);
    memcpy(p->names[p->name_count], f.ptr, f.size);
    *out = (uint32_t)p->name_count++;
    p->name_table[slot] = *out + 1;
    return SC_OK;
}

static sc_err row_add(struct parse *p, uint32_t customer, int32_t day, struct row **out)
{
    if (p->cell_count + p->slots > CELLS_MAX)
        return sc_fail(p->diag, SC_E_LIMIT, "%s:%" PRIu32 ": more than %zu intervals", p->name, p->line, CELLS_MAX);
    SC_TRY(grow((void **)&p->rows, &p->row_capacity, p->row_count + 1, sizeof *p->rows));
    SC_TRY(grow((void **)&p->cells, &p->cell_capacity, p->cell_count + p->slots, sizeof *p->cells));
    p->rows[p->row_count] = (struct row){customer, day, p->line, p->cell_count};
    for (size_t i = 0; i < p->slots; i++)
        p->cells[p->cell_count + i] = (struct cell){.wh = NAN};
    p->cell_count += p->slots;
    *out = &p->rows[p->row_count++];
    return SC_OK;
}

/* ---- what a site is ---- */
static const struct site {
    const char *word; /* part of the name */
    enum sc_customer_class customer_class;
    double annual_mwh; /* the middle of the sizes VDI 4657-3, table 6, gives for the profile */
} sites[] = {
    {"metal", SC_CLASS_INDUSTRIAL, 500},     {"electroplating", SC_CLASS_INDUSTRIAL, 500},
    {"furniture", SC_CLASS_INDUSTRIAL, 400}, {"steel", SC_CLASS_INDUSTRIAL, 1000},
    {"school_small", SC_CLASS_PUBLIC, 60},   {"school_medium", SC_CLASS_PUBLIC, 200},
    {"school", SC_CLASS_PUBLIC, 500},        {"office_small", SC_CLASS_COMMERCIAL, 60},
    {"office", SC_CLASS_COMMERCIAL, 200},    {"flat", SC_CLASS_RESIDENTIAL, 1.5},
    {"house", SC_CLASS_RESIDENTIAL, 4},
};

static const struct site *site_find(const char *name)
{
    static const struct site other = {"", SC_CLASS_RESIDENTIAL, 4};
    for (size_t i = 0; i < sizeof sites / sizeof sites[0]; i++) {
        if (strstr(name, sites[i].word) != NULL)
            return &sites[i];
    }
    return &other;
}

/* ---- rows ---- */
static double to_wh(const struct parse *p, uint32_t customer, double value)
{
    if (p->format != FORMAT_QUARTER_NORMALISED)
        return value * 1000.0; /* kWh */
    const double annual = p->opt->annual_mwh > 0 ? p->opt->annual_mwh : site_find(p->names[customer])->annual_mwh;
    return value * annual * 0.25; /* mean W per MWh/a over a quarter of an hour */
}

static sc_err row_ended(const struct parse *p, const char *at, const char *end)
{
    return at != NULL ? bad(p, at, "too many fields") : bad(p, end, "row ends early");
}

static sc_err day_row_parse(struct parse *p, const char *at, const char *end)
{
    uint32_t customer;
    int32_t day;
    struct row *row;
    SC_TRY(customer_of(p, field_next(&at, end), &customer));
    if (at == NULL)
        return row_ended(p, at, end);
    SC_TRY(date_parse(p, field_next(&at, end), &day));
    SC_TRY(row_add(p, customer, day, &row));
    for (size_t i = 0; i < p->slots; i++) {
        double value;
        if (at == NULL)
            return row_ended(p, at, end);
        const struct field f = field_next(&at, end);
        SC_TRY(number_parse(p, f, &value));
        const double wh = to_wh(p, customer, value);
        if (wh >= INTERVAL_WH_MAX)
            return bad(p, f.ptr, "energy of an interval beyond 4 GWh");
        p->cells[row->first_cell + i].wh = wh;
    }
    return at == NULL ? SC_OK : row_ended(p, at, end);
}

static sc_err start_parse(const struct parse *p, struct field f, size_t *slot_out)
{
    const char *t = f.ptr;
    const bool ok = f.size == 5 && t[2] == ':' && t[0] >= '0' && t[0] <= '2' && t[1] >= '0' && t[1] <= '9' &&
                    t[3] >= '0' && t[3] <= '5' && t[4] >= '0' && t[4] <= '9';
    const int hour = ok ? (t[0] - '0') * 10 + t[1] - '0' : 24;
    const int minute = ok ? (t[3] - '0') * 10 + t[4] - '0' : 0;
    if (hour > 23 || minute % 15 != 0)
        return bad(p, f.ptr, "not the start of a quarter hour (HH:MM)");
    *slot_out = (size_t)(hour * 4 + minute / 15);
    return SC_OK;
}

/* date,start,kwh,kvarh_lag,kvarh_lead, then columns that follow from these */
static sc_err steel_row_parse(struct parse *p, const char *at, const char *end)
{
    struct field f[5];
    int32_t day;
    size_t slot = 0;
    double v[3];
    size_t columns = 0;
    for (; at != NULL; columns++) {
        const struct field next = field_next(&at, end);
        if (columns < 5)
            f[columns] = next;
    }
    if (columns != p->columns)
        return bad(p, end, columns < p->columns ? "row ends early" : "too many fields");
    SC_TRY(date_parse(p, f[0], &day));
    SC_TRY(start_parse(p, f[1], &slot));
    for (size_t i = 0; i < 3; i++) {
        SC_TRY(number_parse(p, f[2 + i], &v[i]));
        if (v[i] >= INTERVAL_WH_MAX / 1000)
            return bad(p, f[2 + i].ptr, "energy of an interval beyond 4 GWh");
    }
    struct row *row = p->row_count != 0 ? &p->rows[p->row_count - 1] : NULL;
    if (row == NULL || row->day != day)
        SC_TRY(row_add(p, 0, day, &row));
    struct cell *c = &p->cells[row->first_cell + slot];
    if (!isnan(c->wh))
        return bad(p, f[1].ptr, "this quarter hour was there before");
    *c = (struct cell){v[0] * 1000, isnan(v[1]) ? 0 : v[1] * 1000, isnan(v[2]) ? 0 : v[2] * 1000};
    return SC_OK;
}

static bool starts_with(struct field f, const char *text)
{
    return f.size >= strlen(text) && memcmp(f.ptr, text, strlen(text)) == 0;
}

static sc_err header_parse(struct parse *p, const char *begin, const char *end)
{
    const struct field line = {begin, (size_t)(end - begin)};
    size_t columns = 1;
    for (const char *c = begin; c < end; c++)
        columns += *c == ',';
    p->columns = columns;
    if (starts_with(line, "meter,date,v00,") && columns == 50) {
        p->format = FORMAT_HALF_HOUR_KWH;
        p->slots = 48;
    } else if (starts_with(line, "meter,date,v00,") && columns == 98) {
        p->format = FORMAT_QUARTER_NORMALISED;
        p->slots = 96;
    } else if (starts_with(line, "date,start,kwh,kvarh_lag,kvarh_lead") && columns >= 5) {
        uint32_t steel;
        p->format = FORMAT_STEEL;
        p->slots = 96;
        return customer_of(p, (struct field){"steel", 5}, &steel);
    } else {
        return bad(p, begin,
                   "unknown header: \"meter,date,v00..v47\", \"meter,date,v00..v95\" or \"date,start,kwh,kvarh_lag,"
                   "kvarh_lead\" expected");
    }
    return SC_OK;
}

static sc_err lines_parse(struct parse *p, struct sc_slice csv)
{
    const char *at = (const char *)csv.ptr;
    const char *const file_end = at + csv.size;
    for (; at < file_end; at++) {
        p->line++;
        p->line_begin = at;
        const char *end = memchr(at, '\n', (size_t)(file_end - at));
        if (end == NULL)
            return bad(p, file_end, "file ends within a line");
        const char *trimmed = end > at && end[-1] == '\r' ? end - 1 : end;
        if (p->line == 1)
            SC_TRY(header_parse(p, at, trimmed));
        else
            SC_TRY(p->format == FORMAT_STEEL ? steel_row_parse(p, at, trimmed) : day_row_parse(p, at, trimmed));
        at = end;
    }
    if (p->row_count == 0)
        return sc_fail(p->diag, SC_E_MALFORMED, "%s: no data", p->name);
    return SC_OK;
}

/* ---- one calendar ---- */
struct own_span {
    int32_t first, last; /* days; first > last: no row */
};

/* Meters measured in other years than the file's first one are moved beside it by whole weeks, so that weekdays stay.
 */
static sc_err calendars_join(struct parse *p)
{
    SC_CLEANUP(sc_freep) struct own_span *span = calloc(p->name_count, sizeof *span);
    if (span == NULL)
        return SC_E_NOMEM;
    for (size_t c = 0; c < p->name_count; c++)
        span[c] = (struct own_span){INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < p->row_count; i++) {
        struct own_span *own = &span[p->rows[i].customer];
        own->first = p->rows[i].day < own->first ? p->rows[i].day : own->first;
        own->last = p->rows[i].day > own->last ? p->rows[i].day : own->last;
    }
    for (size_t i = 0; i < p->row_count; i++) {
        const struct own_span *own = &span[p->rows[i].customer];
        if (own->first <= span[0].last && own->last >= span[0].first)
            continue;
        const int32_t apart = span[0].first - own->first;
        const int32_t weeks = apart >= 0 ? (apart + 6) / 7 : -(-apart / 7); /* begins 0..6 days after the first one */
        p->rows[i].day += weeks * 7;
    }
    return SC_OK;
}

/* ---- the window ---- */
struct window {
    int64_t first_day;
    size_t days;
};

static void span_of(const struct parse *p, int64_t *first, int64_t *last)
{
    *first = *last = p->rows[0].day;
    for (size_t i = 1; i < p->row_count; i++) {
        *first = p->rows[i].day < *first ? p->rows[i].day : *first;
        *last = p->rows[i].day > *last ? p->rows[i].day : *last;
    }
}

static uint32_t row_measured(const struct parse *p, const struct row *r)
{
    uint32_t n = 0;
    for (size_t i = 0; i < p->slots; i++)
        n += !isnan(p->cells[r->first_cell + i].wh);
    return n;
}

/* For each possible start: how many customers cover the window.  counts has span - days + 1 entries. */
static sc_err coverage_count(const struct parse *p, int64_t first, size_t span, size_t days, uint32_t *counts)
{
    if (p->name_count * span > CELLS_MAX)
        return sc_fail(p->diag, SC_E_LIMIT, "%s: %zu meters over %zu days: name the first day", p->name, p->name_count,
                       span);
    SC_CLEANUP(sc_freep) uint32_t *day_cells = calloc(p->name_count * span, sizeof *day_cells);
    if (day_cells == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < p->row_count; i++)
        day_cells[p->rows[i].customer * span + (size_t)(p->rows[i].day - first)] = row_measured(p, &p->rows[i]);
    const double need = COVERED * (double)(days * p->slots);
    for (size_t c = 0; c < p->name_count; c++) {
        uint64_t sum = 0;
        for (size_t d = 0; d < span; d++) {
            sum += day_cells[c * span + d];
            if (d >= days)
                sum -= day_cells[c * span + d - days];
            if (d + 1 >= days && (double)sum >= need)
                counts[d + 1 - days]++;
        }
    }
    return SC_OK;
}

static bool starts_a_month(int64_t day)
{
    struct sc_civil c;
    sc_civil_from_ms(day * DAY_MS, &c);
    return c.day == 1;
}

/* The start most customers cover; a first of a month that nearly as many (95 %) cover is preferred; then the
 * earliest. */
static sc_err window_choose(const struct parse *p, int64_t first, size_t span, size_t days, int64_t *out)
{
    const size_t start_count = span - days + 1;
    SC_CLEANUP(sc_freep) uint32_t *counts = calloc(start_count, sizeof *counts);
    if (counts == NULL)
        return SC_E_NOMEM;
    SC_TRY(coverage_count(p, first, span, days, counts));
    size_t best = 0;
    for (size_t i = 1; i < start_count; i++)
        best = counts[i] > counts[best] ? i : best;
    size_t month = start_count;
    for (size_t i = 0; i < start_count; i++) {
        if (starts_a_month(first + (int64_t)i) && counts[i] * 100 >= counts[best] * 95 && counts[i] > 0 &&
            (month == start_count || counts[i] > counts[month]))
            month = i;
    }
    *out = first + (int64_t)(month < start_count ? month : best);
    return SC_OK;
}

static sc_err window_make(const struct parse *p, struct window *w)
{
    int64_t first;
    int64_t last;
    span_of(p, &first, &last);
    size_t span = (size_t)(last - first + 1);
    if (span > SC_DATASET_DAYS_MAX)
        return sc_fail(p->diag, SC_E_LIMIT, "%s: %zu days from first to last (at most %d)", p->name, span,
                       SC_DATASET_DAYS_MAX);
    if (p->opt->first_day != NULL) {
        int64_t ms;
        if (strlen(p->opt->first_day) != 10 || sc_civil_parse(p->opt->first_day, &ms) != SC_OK)
            return sc_fail(p->diag, SC_E_USAGE, "first day \"%s\": YYYY-MM-DD expected", p->opt->first_day);
        const int64_t day = ms / DAY_MS - (ms % DAY_MS < 0);
        if (day < first || day > last)
            return sc_fail(p->diag, SC_E_USAGE, "%s: no data on %s", p->name, p->opt->first_day);
        span = (size_t)(last - day + 1);
        first = day;
    }
    w->first_day = first;
    w->days = p->opt->days != 0 ? p->opt->days : span;
    if (w->days > span)
        return sc_fail(p->diag, SC_E_USAGE, "%s: %zu days asked for, %zu there", p->name, w->days, span);
    if (p->opt->days != 0 && p->opt->first_day == NULL && w->days < span)
        return window_choose(p, first, span, w->days, &w->first_day);
    return SC_OK;
}

/* ---- the matrix ---- */
/* Which customers of the file stay, in file order: index_out[file customer] = index or UINT32_MAX. */
static sc_err customers_choose(const struct parse *p, const struct window *w, uint32_t *index_out, size_t *count_out)
{
    SC_CLEANUP(sc_freep) uint64_t *measured = calloc(p->name_count, sizeof *measured);
    if (measured == NULL)
        return SC_E_NOMEM;
    for (size_t i = 0; i < p->row_count; i++) {
        const struct row *r = &p->rows[i];
        if (r->day >= w->first_day && r->day < w->first_day + (int64_t)w->days)
            measured[r->customer] += row_measured(p, r);
    }
    const double need = p->opt->days != 0 ? COVERED * (double)(w->days * p->slots) : 1;
    const size_t max = p->opt->customers_max != 0 ? p->opt->customers_max : SIZE_MAX;
    size_t count = 0;
    for (size_t c = 0; c < p->name_count; c++)
        index_out[c] = (double)measured[c] >= need && count < max ? (uint32_t)count++ : UINT32_MAX;
    if (count == 0)
        return sc_fail(p->diag, SC_E_NOT_FOUND, "%s: no customer covers the %zu days", p->name, w->days);
    *count_out = count;
    return SC_OK;
}

struct carry {
    double wh, inductive, capacitive; /* what the file says so far */
    double wh_counted, inductive_counted, capacitive_counted;
};

static uint32_t count_up(double *sum, double *counted, double more)
{
    *sum += more;
    const double now = round(*sum);
    const double step = now - *counted;
    *counted = now;
    return (uint32_t)step;
}

static sc_err cells_place(const struct parse *p, const struct sc_dataset *d, const uint32_t *index,
                          const struct row **place)
{
    for (size_t i = 0; i < p->row_count; i++) {
        const struct row *r = &p->rows[i];
        if (index[r->customer] == UINT32_MAX || r->day < d->first_day || r->day >= d->first_day + (int64_t)d->day_count)
            continue;
        const struct row **at = &place[index[r->customer] * d->day_count + (size_t)(r->day - d->first_day)];
        if (*at != NULL)
            return sc_fail(p->diag, SC_E_MALFORMED, "%s:%" PRIu32 ":1: the same meter and day as line %" PRIu32,
                           p->name, r->line, (*at)->line);
        *at = r;
    }
    return SC_OK;
}

static void cells_convert(const struct parse *p, struct sc_dataset *d, const struct row *const *place)
{
    for (size_t c = 0; c < d->customer_count; c++) {
        struct carry sum = {0};
        for (size_t k = 0; k < d->day_count * d->slots; k++) {
            const struct row *r = place[c * d->day_count + k / d->slots];
            const struct cell *cell = r != NULL ? &p->cells[r->first_cell + k % d->slots] : NULL;
            const size_t at = c * d->day_count * d->slots + k;
            const bool missing = cell == NULL || isnan(cell->wh);
            d->wh[at] = missing ? SC_WH_MISSING : count_up(&sum.wh, &sum.wh_counted, cell->wh);
            if (d->inductive != NULL && !missing) {
                d->inductive[at] = count_up(&sum.inductive, &sum.inductive_counted, cell->inductive_varh);
                d->capacitive[at] = count_up(&sum.capacitive, &sum.capacitive_counted, cell->capacitive_varh);
            }
        }
    }
}

static sc_err matrix_build(struct parse *p, struct sc_dataset *d)
{
    struct window w = {0};
    SC_CLEANUP(sc_freep) uint32_t *index = calloc(p->name_count, sizeof *index);
    if (index == NULL)
        return SC_E_NOMEM;
    if (p->opt->one_calendar)
        SC_TRY(calendars_join(p));
    SC_TRY(window_make(p, &w));
    SC_TRY(customers_choose(p, &w, index, &d->customer_count));
    d->first_day = w.first_day;
    d->day_count = w.days;
    d->slots = p->slots;
    d->interval_s = (uint32_t)(86400 / p->slots);
    d->format = p->format;
    const size_t days = d->customer_count * d->day_count;
    if (days * d->slots > CELLS_MAX)
        return sc_fail(p->diag, SC_E_LIMIT, "%s: %zu customers over %zu days", p->name, d->customer_count,
                       d->day_count);
    SC_CLEANUP(sc_freep) const struct row **place = calloc(days, sizeof *place);
    d->names = calloc(d->customer_count, NAME_SIZE);
    d->wh = calloc(days * d->slots, sizeof *d->wh);
    if (p->format == FORMAT_STEEL) {
        d->inductive = calloc(days * d->slots, sizeof *d->inductive);
        d->capacitive = calloc(days * d->slots, sizeof *d->capacitive);
    }
    if (place == NULL || d->names == NULL || d->wh == NULL ||
        (p->format == FORMAT_STEEL && (d->inductive == NULL || d->capacitive == NULL)))
        return SC_E_NOMEM;
    for (size_t c = 0; c < p->name_count; c++) {
        if (index[c] != UINT32_MAX)
            memcpy(d->names[index[c]], p->names[c], NAME_SIZE);
    }
    SC_TRY(cells_place(p, d, index, place));
    cells_convert(p, d, place);
    return SC_OK;
}

sc_err sc_dataset_parse(struct sc_slice csv, const char *name, const struct sc_dataset_options *opt,
                        struct sc_dataset **out, struct sc_diag *diag)
{
    static const struct sc_dataset_options defaults = {0};
    SC_CLEANUP(parse_deinit)
    struct parse p = {.name = name, .diag = diag, .opt = opt != NULL ? opt : &defaults};
    SC_CLEANUP(sc_dataset_freep) struct sc_dataset *d = calloc(1, sizeof *d);
    p.name_table = calloc(NAME_SLOTS, sizeof *p.name_table);
    if (d == NULL || p.name_table == NULL)
        return SC_E_NOMEM;
    if (!(p.opt->annual_mwh >= 0 && p.opt->annual_mwh <= 1e6))
        return sc_fail(diag, SC_E_USAGE, "%g MWh a year", p.opt->annual_mwh);
    SC_TRY(lines_parse(&p, csv));
    SC_TRY(matrix_build(&p, d));
    *out = SC_TAKE(d);
    return SC_OK;
}

/* ---- files ---- */
static void inflate_endp(z_stream *z)
{
    inflateEnd(z);
}

/* Unpacks gzip, one member after another, into out. */
static sc_err gunzip(struct sc_slice packed, const char *path, struct sc_buf *out, struct sc_diag *diag)
{
    SC_CLEANUP(inflate_endp)
    z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.ptr, .avail_in = (uInt)packed.size};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return SC_E_NOMEM;
    for (int status = Z_OK; z.avail_in != 0 || status != Z_STREAM_END;) {
        if (status == Z_STREAM_END && inflateReset(&z) != Z_OK)
            return SC_E_NOMEM;
        const size_t step = (size_t)1 << 20;
        z.next_out = sc_buf_extend(out, step);
        if (z.next_out == NULL)
            return sc_fail(diag, out->failed, "%s: unpacks to more than %zu bytes", path, out->size_max);
        z.avail_out = (uInt)step;
        status = inflate(&z, Z_NO_FLUSH);
        out->size -= z.avail_out;
        if (status == Z_BUF_ERROR || (status == Z_OK && z.avail_in == 0 && z.avail_out != 0))
            return sc_fail(diag, SC_E_MALFORMED, "%s: gzip data end early", path);
        if (status != Z_OK && status != Z_STREAM_END)
            return sc_fail(diag, SC_E_MALFORMED, "%s: gzip data are damaged (%s)", path,
                           z.msg != NULL ? z.msg : "zlib");
    }
    return SC_OK;
}

sc_err sc_dataset_load(const char *path, const struct sc_dataset_options *opt, struct sc_dataset **out,
                       struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf file = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf csv = {.size_max = CSV_SIZE_MAX};
    SC_TRY(sc_file_read(path, FILE_SIZE_MAX, &file, diag));
    const bool packed = file.size >= 2 && file.ptr[0] == 0x1f && file.ptr[1] == 0x8b;
    if (packed)
        SC_TRY(gunzip(sc_buf_slice(&file), path, &csv, diag));
    return sc_dataset_parse(sc_buf_slice(packed ? &csv : &file), path, opt, out, diag);
}

void sc_dataset_free(struct sc_dataset *d)
{
    if (d == NULL)
        return;
    free(d->names);
    free(d->wh);
    free(d->inductive);
    free(d->capacitive);
    free(d);
}

void sc_dataset_freep(struct sc_dataset **d)
{
    sc_dataset_free(*d);
}

/* ---- access ---- */
size_t sc_dataset_customer_count(const struct sc_dataset *d)
{
    return d->customer_count;
}

size_t sc_dataset_day_count(const struct sc_dataset *d)
{
    return d->day_count;
}

uint32_t sc_dataset_interval_s(const struct sc_dataset *d)
{
    return d->interval_s;
}

size_t sc_dataset_interval_count(const struct sc_dataset *d)
{
    return d->day_count * d->slots;
}

int64_t sc_dataset_first_ms(const struct sc_dataset *d)
{
    return d->first_day * DAY_MS;
}

bool sc_dataset_has_reactive(const struct sc_dataset *d)
{
    return d->inductive != NULL;
}

bool sc_dataset_has_sites(const struct sc_dataset *d)
{
    return d->format != FORMAT_HALF_HOUR_KWH;
}

const char *sc_dataset_customer_name(const struct sc_dataset *d, size_t customer)
{
    SC_ASSERT(customer < d->customer_count);
    return d->names[customer];
}

enum sc_customer_class sc_dataset_customer_class(const struct sc_dataset *d, size_t customer)
{
    return site_find(sc_dataset_customer_name(d, customer))->customer_class;
}

static size_t cell_index(const struct sc_dataset *d, size_t customer, size_t interval)
{
    SC_ASSERT(customer < d->customer_count && interval < d->day_count * d->slots);
    return customer * d->day_count * d->slots + interval;
}

uint32_t sc_dataset_wh(const struct sc_dataset *d, size_t customer, size_t interval)
{
    return d->wh[cell_index(d, customer, interval)];
}

uint32_t sc_dataset_inductive_varh(const struct sc_dataset *d, size_t customer, size_t interval)
{
    const size_t at = cell_index(d, customer, interval);
    return d->inductive != NULL ? d->inductive[at] : 0;
}

uint32_t sc_dataset_capacitive_varh(const struct sc_dataset *d, size_t customer, size_t interval)
{
    const size_t at = cell_index(d, customer, interval);
    return d->capacitive != NULL ? d->capacitive[at] : 0;
}

double sc_dataset_peak_kw(const struct sc_dataset *d, size_t customer)
{
    uint32_t peak = 0;
    for (size_t i = 0; i < sc_dataset_interval_count(d); i++) {
        const uint32_t wh = sc_dataset_wh(d, customer, i);
        if (wh != SC_WH_MISSING && wh > peak)
            peak = wh;
    }
    return (double)peak * 3.6 / d->interval_s;
}
