#include "shell/output.h"

#include <inttypes.h>

#define OID_INT8    20
#define OID_FLOAT8  701
#define OID_NUMERIC 1700

static bool is_number(const PGresult *res, int column)
{
    const Oid type = PQftype(res, column);
    return type == OID_INT8 || type == OID_FLOAT8 || type == OID_NUMERIC;
}

/* ---- table ---- */
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

static void put_cell(FILE *out, const char *s, size_t width, bool right, bool last)
{
    const size_t pad = width - text_width(s);
    putc(' ', out);
    if (right)
        put_padding(out, pad);
    put_text(out, s);
    if (!right && !last)
        put_padding(out, pad);
    fputs(last ? "\n" : " |", out);
}

static void print_table(FILE *out, const PGresult *res)
{
    const int columns = PQnfields(res);
    const int rows = PQntuples(res);
    size_t *width = calloc((size_t)columns + 1, sizeof *width);
    if (width == NULL)
        return;
    for (int c = 0; c < columns; c++) {
        width[c] = text_width(PQfname(res, c));
        for (int r = 0; r < rows; r++) {
            const size_t w = text_width(PQgetvalue(res, r, c));
            width[c] = w > width[c] ? w : width[c];
        }
    }
    for (int c = 0; c < columns; c++)
        put_cell(out, PQfname(res, c), width[c], false, c == columns - 1);
    for (int c = 0; c < columns; c++) {
        for (size_t i = 0; i < width[c] + 2; i++)
            putc('-', out);
        putc(c == columns - 1 ? '\n' : '+', out);
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            put_cell(out, PQgetvalue(res, r, c), width[c], is_number(res, c), c == columns - 1);
    free(width);
}

/* ---- CSV ---- */
static void put_csv(FILE *out, const char *s, bool null)
{
    if (null) /* nothing, while an empty text is "" */
        return;
    if (*s != '\0' && strpbrk(s, ",\"\r\n") == NULL) {
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

static void print_csv(FILE *out, const PGresult *res, bool head)
{
    const int columns = PQnfields(res);
    for (int r = head ? -1 : 0; r < PQntuples(res); r++) {
        for (int c = 0; c < columns; c++) {
            put_csv(out, r < 0 ? PQfname(res, c) : PQgetvalue(res, r, c), r >= 0 && PQgetisnull(res, r, c));
            putc(c == columns - 1 ? '\n' : ',', out);
        }
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

static void print_json(FILE *out, const PGresult *res, bool first)
{
    for (int r = 0; r < PQntuples(res); r++) {
        fputs(first && r == 0 ? "[\n  {" : ",\n  {", out);
        for (int c = 0; c < PQnfields(res); c++) {
            const char *v = PQgetvalue(res, r, c);
            fputs(c != 0 ? ", " : "", out);
            put_json_string(out, PQfname(res, c));
            fputs(": ", out);
            if (PQgetisnull(res, r, c))
                fputs("null", out);
            else if (is_number(res, c) && json_number(v))
                fputs(v, out);
            else
                put_json_string(out, v);
        }
        putc('}', out);
    }
}

void shell_print_rows(FILE *out, enum shell_format format, const PGresult *res, bool first)
{
    switch (format) {
    case SHELL_TABLE:
        print_table(out, res);
        break;
    case SHELL_CSV:
        print_csv(out, res, first);
        break;
    case SHELL_JSON:
        print_json(out, res, first);
        break;
    }
}

void shell_print_end(FILE *out, enum shell_format format, uint64_t row_count)
{
    if (format == SHELL_TABLE)
        fprintf(out, "(%" PRIu64 " row%s)\n\n", row_count, row_count == 1 ? "" : "s");
    else if (format == SHELL_JSON)
        fputs(row_count == 0 ? "[]\n" : "\n]\n", out);
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

void shell_print_error(FILE *out, const PGresult *res, const char *statement)
{
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *context = PQresultErrorField(res, PG_DIAG_CONTEXT);
    const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
    fputs("ERROR:  ", out);
    put_text(out, text != NULL ? text : "connection lost");
    fprintf(out, " (SQLSTATE %s)\n", state != NULL ? state : "08006");
    if (context != NULL)
        fprintf(out, "  %s\n", context);
    if (position != NULL && strtoul(position, NULL, 10) != 0)
        print_caret(out, statement, strtoul(position, NULL, 10));
}
