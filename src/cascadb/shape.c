#include "cascadb/shape.h"

#include "cascadb/types.h"
#include "sql/lex.h"

struct writer {
    char *out;
    size_t size;
    bool full;
    const uint8_t *end; /* of the last token in the statement: what follows at once is written so */
    size_t values;      /* literals in a row, with commas between them */
    size_t comma_at;    /* where the comma behind the last of them was written; 0: none yet */
};

static void put(struct writer *w, struct sc_slice s)
{
    if (w->full || s.size > PG_SHAPE_SIZE_MAX - w->size) {
        w->full = true;
        return;
    }
    memcpy(w->out + w->size, s.ptr, s.size);
    w->size += s.size;
}

static bool clean(struct sc_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    return pg_utf8_valid(s);
}

/* "?, ?, ?" is one shape however many there are: how many rows an INSERT has is not what kind of statement it is. */
static void put_value(struct writer *w, bool gap)
{
    if (w->values == 0 || w->comma_at == 0) {
        put(w, sc_slice_str(gap ? " ?" : "?"));
        w->values = 1;
    } else {
        w->size = w->comma_at;
        if (w->values++ == 1)
            put(w, sc_slice_str(", ..."));
    }
    w->comma_at = 0;
}

static void put_token(struct writer *w, struct sql_token t, bool gap)
{
    const bool comma = t.kind == SQL_TOKEN_PUNCT && t.text.ptr[0] == ',';
    if (comma && w->values != 0 && w->comma_at == 0)
        w->comma_at = w->size;
    else
        w->values = w->comma_at = 0;
    if (gap && !comma)
        put(w, sc_slice_str(" "));
    put(w, clean(t.text) ? t.text : sc_slice_str("?"));
}

size_t pg_shape(struct sc_slice statement, char out[static PG_SHAPE_SIZE_MAX + 1])
{
    struct writer w = {.out = out};
    struct sql_lexer lx = sql_lexer_of(statement);
    for (struct sql_token t = sql_lex(&lx); t.kind != SQL_TOKEN_END && !w.full; t = sql_lex(&lx)) {
        const bool gap = w.end != NULL && t.text.ptr != w.end;
        if (t.kind == SQL_TOKEN_PUNCT && t.text.ptr[0] == ';')
            break; /* one statement, without what ends it */
        if (t.kind == SQL_TOKEN_STRING || t.kind == SQL_TOKEN_NUMBER || t.kind == SQL_TOKEN_BROKEN)
            put_value(&w, gap);
        else
            put_token(&w, t, gap);
        w.end = t.text.ptr + t.text.size;
    }
    out[w.size] = '\0';
    return w.size;
}
