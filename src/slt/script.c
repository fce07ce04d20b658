#include "slt/script.h"

#include <ctype.h>

bool slt_line_next(struct sc_reader *text, struct sc_slice *line_out)
{
    if (text->cur == text->end)
        return false;
    const uint8_t *begin = text->cur;
    const uint8_t *end = memchr(begin, '\n', sc_reader_left(text));
    text->cur = end != NULL ? end + 1 : text->end;
    if (end == NULL)
        end = text->end;
    if (end > begin && end[-1] == '\r')
        end--;
    *line_out = sc_slice_of(begin, (size_t)(end - begin));
    return true;
}

static bool line_next(struct slt_script *s, struct sc_slice *line_out)
{
    const bool there = slt_line_next(&s->rest, line_out);
    s->line += there;
    return there;
}

static bool is_blank(struct sc_slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (!isspace(line.ptr[i]))
            return false;
    return true;
}

static struct sc_slice word_next(struct sc_slice *line)
{
    size_t begin = 0;
    while (begin < line->size && isspace(line->ptr[begin]))
        begin++;
    size_t end = begin;
    while (end < line->size && !isspace(line->ptr[end]))
        end++;
    const struct sc_slice word = sc_slice_of(line->ptr + begin, end - begin);
    *line = sc_slice_of(line->ptr + end, line->size - end);
    return word;
}

static bool word_is(struct sc_slice word, const char *text)
{
    return sc_slice_eq(word, sc_slice_str(text));
}

static sc_err malformed(const struct slt_script *s, const char *what, struct sc_slice word, struct sc_diag *diag)
{
    return sc_fail(diag, SC_E_MALFORMED, "line %zu: %s \"%.*s\"", s->line, what, (int)(word.size < 80 ? word.size : 80),
                   (const char *)word.ptr);
}

/* Lines up to a blank one or the end, or up to `stop` (NULL: none), which is taken off as well. */
static struct sc_slice block_read(struct slt_script *s, const char *stop, bool *stopped_out)
{
    const uint8_t *begin = s->rest.cur;
    const uint8_t *end = begin;
    struct sc_slice line;
    bool stopped = false;
    while (!stopped && line_next(s, &line) && !is_blank(line)) {
        stopped = stop != NULL && word_is(line, stop);
        if (!stopped)
            end = line.ptr + line.size;
    }
    if (stopped_out != NULL)
        *stopped_out = stopped;
    return sc_slice_of(begin, (size_t)(end - begin));
}

static sc_err statement_read(struct slt_script *s, struct sc_slice line, struct slt_record *r, struct sc_diag *diag)
{
    const struct sc_slice word = word_next(&line);
    r->action = SLT_STATEMENT;
    r->error_expected = word_is(word, "error");
    if (!r->error_expected && !word_is(word, "ok"))
        return malformed(s, "a statement is \"ok\" or \"error\", not", word, diag);
    r->sql = block_read(s, NULL, NULL);
    return SC_OK;
}

static bool sort_parse(struct sc_slice word, enum slt_sort *out)
{
    static const char *const names[] = {"nosort", "rowsort", "valuesort"};
    for (int i = 0; i < 3; i++) {
        if (word_is(word, names[i])) {
            *out = (enum slt_sort)i;
            return true;
        }
    }
    return false;
}

static sc_err query_read(struct slt_script *s, struct sc_slice line, struct slt_record *r, struct sc_diag *diag)
{
    bool answered = false;
    r->action = SLT_QUERY;
    r->types = word_next(&line);
    if (r->types.size == 0 || r->types.size > SLT_TYPES_MAX)
        return malformed(s, "a query names the types of its columns, not", r->types, diag);
    for (size_t i = 0; i < r->types.size; i++)
        if (memchr("TIR", r->types.ptr[i], 3) == NULL)
            return malformed(s, "types of columns are T, I and R, not", r->types, diag);
    struct sc_slice word = word_next(&line);
    if (word.size != 0 && sort_parse(word, &r->sort))
        word = word_next(&line);
    if (word.size != 0 && word.ptr[0] != '#')
        r->label = word;
    r->sql = block_read(s, "----", &answered);
    if (!answered)
        return malformed(s, "a query without", sc_slice_str("----"), diag);
    r->expected = block_read(s, NULL, NULL);
    return SC_OK;
}

static sc_err threshold_read(struct slt_script *s, struct sc_slice line, struct slt_record *r, struct sc_diag *diag)
{
    const struct sc_slice word = word_next(&line);
    uint64_t v = 0;
    r->action = SLT_HASH_THRESHOLD;
    if (word.size == 0 || word.size > 9)
        return malformed(s, "hash-threshold takes a number, not", word, diag);
    for (size_t i = 0; i < word.size; i++) {
        if (!isdigit(word.ptr[i]))
            return malformed(s, "hash-threshold takes a number, not", word, diag);
        v = 10 * v + (uint64_t)(word.ptr[i] - '0');
    }
    r->hash_threshold = v;
    return SC_OK;
}

static sc_err action_read(struct slt_script *s, struct sc_slice word, struct sc_slice line, struct slt_record *r,
                          struct sc_diag *diag)
{
    r->line = s->line;
    if (word_is(word, "statement"))
        return statement_read(s, line, r, diag);
    if (word_is(word, "query"))
        return query_read(s, line, r, diag);
    if (word_is(word, "hash-threshold"))
        return threshold_read(s, line, r, diag);
    if (!word_is(word, "halt"))
        return malformed(s, "no record begins with", word, diag);
    r->action = SLT_HALT;
    return SC_OK;
}

sc_err slt_script_next(struct slt_script *s, struct slt_record *out, struct sc_diag *diag)
{
    struct slt_record r = {.action = SLT_END,
                           .types = SC_SLICE_EMPTY,
                           .label = SC_SLICE_EMPTY,
                           .sql = SC_SLICE_EMPTY,
                           .expected = SC_SLICE_EMPTY};
    struct sc_slice line;
    bool guarded = false;
    while (line_next(s, &line)) {
        struct sc_slice word = word_next(&line);
        if (word.size == 0 || word.ptr[0] == '#')
            continue;
        const bool skip = word_is(word, "skipif");
        if (skip || word_is(word, "onlyif")) {
            word = word_next(&line);
            if (word.size == 0)
                return malformed(s, "skipif and onlyif name a dialect, not", word, diag);
            r.skipped |= word_is(word, SLT_DIALECT) == skip;
            guarded = true;
            continue;
        }
        SC_TRY(action_read(s, word, line, &r, diag));
        *out = r;
        return SC_OK;
    }
    if (guarded)
        return malformed(s, "skipif or onlyif without a record at", sc_slice_str("the end"), diag);
    r.line = s->line;
    *out = r;
    return SC_OK;
}
