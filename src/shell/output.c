#include "shell/output.h"

#include <inttypes.h>

/* Rows that a table waits for to know its widths: later ones are shown in those, so that any number fits into memory.
 */
#define HELD_ROWS_MAX ((size_t)1000)
#define HELD_SIZE_MAX ((size_t)8 << 20)
#define WIDTH_MAX     ((size_t)200) /* of a column: a long text does not push all others away */

const char *const shell_format_names[SHELL_FORMAT_COUNT] = {"table", "csv",   "tsv",     "json",
                                                            "jsonl", "lines", "markdown"};

bool shell_format_parse(const char *name, enum shell_format *out)
{
    for (int i = 0; i < SHELL_FORMAT_COUNT; i++) {
        if (strcmp(shell_format_names[i], name) == 0) {
            *out = (enum shell_format)i;
            return true;
        }
    }
    return false;
}

/* ---- text for terminals ---- */
/* Characters as a terminal shows them; control characters are shown as \x1b, so that data cannot command it. */
static size_t text_width(const char *s)
{
    size_t width = 0;
    for (; *s != '\0'; s++) {
        const uint8_t c = (uint8_t)*s;
        width += c < 0x20 || c == 0x7f ? 4 : (c & 0xc0) != 0x80 ? 1 : 0;
    }
    return width;
}

static void put_text(FILE *out, const char *s)
{
    for (; *s != '\0'; s++) {
        const uint8_t c = (uint8_t)*s;
        if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            putc(c, out);
    }
}

static void put_padding(FILE *out, size_t n)
{
    while (n-- > 0)
        putc(' ', out);
}

/* ---- table ---- */
static void put_cell(FILE *out, const char *s, size_t width, bool right, bool last)
{
    const size_t own = text_width(s);
    const size_t pad = width > own ? width - own : 0;
    putc(' ', out);
    if (right)
        put_padding(out, pad);
    put_text(out, s);
    if (!right && !last)
        put_padding(out, pad);
    fputs(last ? "\n" : " |", out);
}

static void table_row(const struct shell_output *o, const char *const *values)
{
    for (size_t c = 0; c < o->column_count; c++)
        put_cell(o->file, values[c] != NULL ? values[c] : "", o->widths[c], o->columns[c].number,
                 c + 1 == o->column_count);
}

static void widths_learn(struct shell_output *o, const char *const *values)
{
    for (size_t c = 0; c < o->column_count; c++) {
        const size_t w = values[c] != NULL ? text_width(values[c]) : 0;
        if (w > o->widths[c])
            o->widths[c] = w < WIDTH_MAX ? w : WIDTH_MAX;
    }
}

static void table_head(const struct shell_output *o)
{
    for (size_t c = 0; c < o->column_count; c++)
        put_cell(o->file, o->columns[c].name, o->widths[c], false, c + 1 == o->column_count);
    for (size_t c = 0; c < o->column_count; c++) {
        for (size_t i = 0; i < o->widths[c] + 2; i++)
            putc('-', o->file);
        putc(c + 1 == o->column_count ? '\n' : '+', o->file);
    }
}

static void held_flow(struct shell_output *o)
{
    const char **values = calloc(o->column_count + 1, sizeof *values);
    const char *at = (const char *)o->held.ptr;
    if (o->flowing || values == NULL) {
        free(values);
        return;
    }
    table_head(o);
    for (size_t r = 0; r < o->held_count; r++) {
        for (size_t c = 0; c < o->column_count; c++) {
            values[c] = *at++ != '\0' ? at : NULL;
            at += values[c] != NULL ? strlen(at) + 1 : 0;
        }
        table_row(o, values);
    }
    free(values);
    sc_buf_reset(&o->held);
    o->held_count = 0;
    o->flowing = true;
}

static void table_take(struct shell_output *o, const char *const *values)
{
    if (o->flowing) {
        table_row(o, values);
        return;
    }
    widths_learn(o, values);
    for (size_t c = 0; c < o->column_count; c++) {
        sc_buf_put_u8(&o->held, values[c] != NULL);
        if (values[c] != NULL)
            sc_buf_put_bytes(&o->held, sc_slice_of(values[c], strlen(values[c]) + 1));
    }
    o->held_count++;
    if (o->held_count == HELD_ROWS_MAX || o->held.size > HELD_SIZE_MAX)
        held_flow(o);
}

/* ---- CSV, TSV ---- */
static void put_separated(FILE *out, const char *s, char separator)
{
    const char special[] = {separator, '"', '\r', '\n', '\0'};
    if (s == NULL) /* nothing, while an empty text is "" */
        return;
    if (*s != '\0' && strpbrk(s, special) == NULL) {
        fputs(s, out);
        return;
    }
    putc('"', out);
    for (; *s != '\0'; s++) {
        if (*s == '"')
            putc('"', out);
        putc(*s, out);
    }
    putc('"', out);
}

static void separated_row(const struct shell_output *o, const char *const *values)
{
    const char separator = o->format == SHELL_CSV ? ',' : '\t';
    for (size_t c = 0; c < o->column_count; c++) {
        put_separated(o->file, values[c], separator);
        putc(c + 1 == o->column_count ? '\n' : separator, o->file);
    }
}

/* ---- JSON ---- */
static void put_json_string(FILE *out, const char *s)
{
    putc('"', out);
    for (; *s != '\0'; s++) {
        const uint8_t c = (uint8_t)*s;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            putc(c, out);
    }
    putc('"', out);
}

/* A value of a number's column is a number unless it is Infinity or the text that SQLite lets any column hold. */
static bool json_number(const char *s)
{
    const size_t n = strspn(s, "+-.0123456789eE");
    return n != 0 && s[n] == '\0';
}

static void json_row(const struct shell_output *o, const char *const *values)
{
    if (o->format == SHELL_JSON)
        fputs(o->row_count == 0 ? "[\n  " : ",\n  ", o->file);
    putc('{', o->file);
    for (size_t c = 0; c < o->column_count; c++) {
        fputs(c != 0 ? ", " : "", o->file);
        put_json_string(o->file, o->columns[c].name);
        fputs(": ", o->file);
        if (values[c] == NULL)
            fputs("null", o->file);
        else if (o->columns[c].number && json_number(values[c]))
            fputs(values[c], o->file);
        else
            put_json_string(o->file, values[c]);
    }
    fputs(o->format == SHELL_JSON ? "}" : "}\n", o->file);
}

/* ---- lines, Markdown ---- */
static void lines_row(const struct shell_output *o, const char *const *values)
{
    size_t width = 0;
    for (size_t c = 0; c < o->column_count; c++) {
        const size_t w = text_width(o->columns[c].name);
        width = w > width ? w : width;
    }
    if (o->row_count != 0)
        putc('\n', o->file);
    for (size_t c = 0; c < o->column_count; c++) {
        put_padding(o->file, width - text_width(o->columns[c].name));
        put_text(o->file, o->columns[c].name);
        fputs(" = ", o->file);
        put_text(o->file, values[c] != NULL ? values[c] : "");
        putc('\n', o->file);
    }
}

static void put_markdown(FILE *out, const char *s)
{
    putc(' ', out);
    for (; *s != '\0'; s++) {
        if (*s == '\n')
            fputs("<br>", out);
        else if (*s == '|' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if ((uint8_t)*s >= 0x20)
            putc(*s, out);
    }
    fputs(" |", out);
}

static void markdown_row(const struct shell_output *o, const char *const *values)
{
    putc('|', o->file);
    for (size_t c = 0; c < o->column_count; c++)
        put_markdown(o->file, values[c] != NULL ? values[c] : "");
    putc('\n', o->file);
}

static void markdown_head(const struct shell_output *o)
{
    putc('|', o->file);
    for (size_t c = 0; c < o->column_count; c++)
        put_markdown(o->file, o->columns[c].name);
    fputs("\n|", o->file);
    for (size_t c = 0; c < o->column_count; c++)
        fputs(o->columns[c].number ? "---:|" : "---|", o->file);
    putc('\n', o->file);
}

/* ---- results ---- */
static void result_free(struct shell_output *o)
{
    for (size_t c = 0; c < o->column_count; c++)
        free((char *)o->columns[c].name);
    free(o->columns);
    free(o->widths);
    o->columns = NULL;
    o->widths = NULL;
    o->column_count = 0;
}

void shell_output_deinit(struct shell_output *o)
{
    result_free(o);
    sc_buf_deinit(&o->held);
}

static bool columns_keep(struct shell_output *o, const struct shell_column *columns, size_t count)
{
    result_free(o);
    o->columns = calloc(count + 1, sizeof *o->columns);
    o->widths = calloc(count + 1, sizeof *o->widths);
    if (o->columns == NULL || o->widths == NULL)
        return false;
    for (; o->column_count < count; o->column_count++) {
        const size_t c = o->column_count;
        o->columns[c] = (struct shell_column){strdup(columns[c].name), columns[c].number};
        if (o->columns[c].name == NULL)
            return false;
        o->widths[c] = text_width(columns[c].name);
    }
    return true;
}

void shell_output_begin(struct shell_output *o, const struct shell_column *columns, size_t count)
{
    const char **names = calloc(count + 1, sizeof *names);
    o->row_count = 0;
    o->held_count = 0;
    o->flowing = false;
    sc_buf_reset(&o->held);
    if (names == NULL || !columns_keep(o, columns, count)) {
        fputs("out of memory\n", stderr);
        result_free(o);
    }
    for (size_t c = 0; c < o->column_count; c++)
        names[c] = o->columns[c].name;
    if (o->headers && o->column_count != 0 && (o->format == SHELL_CSV || o->format == SHELL_TSV))
        separated_row(o, names);
    else if (o->format == SHELL_MARKDOWN && o->column_count != 0)
        markdown_head(o);
    free(names);
}

void shell_output_row(struct shell_output *o, const char *const *values)
{
    switch (o->format) {
    case SHELL_TABLE:
        table_take(o, values);
        break;
    case SHELL_CSV:
    case SHELL_TSV:
        separated_row(o, values);
        break;
    case SHELL_JSON:
    case SHELL_JSONL:
        json_row(o, values);
        break;
    case SHELL_LINES:
        lines_row(o, values);
        break;
    case SHELL_MARKDOWN:
        markdown_row(o, values);
        break;
    case SHELL_FORMAT_COUNT:
        break;
    }
    o->row_count++;
}

void shell_output_done(struct shell_output *o, const char *tag)
{
    if (o->column_count == 0) {
        if (o->format == SHELL_TABLE)
            fprintf(o->file, "%s\n", tag);
        return;
    }
    if (o->format == SHELL_TABLE) {
        held_flow(o);
        fprintf(o->file, "(%" PRIu64 " row%s)\n\n", o->row_count, o->row_count == 1 ? "" : "s");
    } else if (o->format == SHELL_JSON) {
        fputs(o->row_count == 0 ? "[]\n" : "\n]\n", o->file);
    }
    result_free(o);
}

void shell_output_abort(struct shell_output *o)
{
    if (o->column_count != 0 && o->format == SHELL_TABLE && o->row_count != 0)
        held_flow(o);
    result_free(o);
}

/* ---- errors ---- */
/* The byte of the character-th character (from 1). */
static const char *character_at(const char *s, size_t character)
{
    for (; *s != '\0'; s++)
        if (((uint8_t)*s & 0xc0) != 0x80 && --character == 0)
            break;
    return s;
}

static void print_caret(FILE *out, const char *statement, size_t position)
{
    const char *at = character_at(statement, position);
    const char *line = at;
    while (line > statement && line[-1] != '\n')
        line--;
    const int size = (int)strcspn(line, "\n");
    fprintf(out, "  %.*s\n  ", size, line);
    for (const char *p = line; p < at; p++)
        if (((uint8_t)*p & 0xc0) != 0x80)
            putc(*p == '\t' ? '\t' : ' ', out);
    fputs("^\n", out);
}

void shell_error_print(FILE *out, const struct shell_error *e, const char *statement)
{
    fputs("ERROR:  ", out);
    put_text(out, e->message);
    fprintf(out, " (SQLSTATE %s)\n", e->sqlstate);
    if (e->context[0] != '\0') {
        fputs("  ", out);
        put_text(out, e->context);
        putc('\n', out);
    }
    if (e->position != 0)
        print_caret(out, statement, e->position);
}
