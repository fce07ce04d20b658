/* COPY's statement, which SQLite does not know. */
#include "cascadb/copy.h"

#include <strings.h>

#define NAME_SIZE_MAX    ((size_t)128)
#define COLUMN_COUNT_MAX 1024

struct parser {
    struct sc_slice text;
    struct sql_lexer lx;
    struct sql_token token; /* the one looked at */
    struct pg_copy_statement *st;
    struct sc_sql_error *e;
    bool delimiter_given, null_given, escape_given;
};

static void advance(struct parser *p)
{
    p->token = sql_lex(&p->lx);
}

static sc_err fail_here(struct parser *p, const char *expected)
{
    const sc_err err = pg_fail(p->e, SC_E_USAGE, "42601", "syntax error in COPY: %s expected", expected);
    p->e->position = (size_t)(p->token.text.ptr - p->text.ptr) + 1;
    if (p->token.kind == SQL_TOKEN_END || p->e->position > p->text.size)
        p->e->position = p->text.size != 0 ? p->text.size : 1;
    return err;
}

static bool accept_word(struct parser *p, const char *word)
{
    const bool is = sql_token_is(p->token, word);
    if (is)
        advance(p);
    return is;
}

static bool accept_punct(struct parser *p, char c)
{
    const bool is = sql_token_is_punct(p->token, c);
    if (is)
        advance(p);
    return is;
}

static sc_err name(struct parser *p, const char **out)
{
    char text[NAME_SIZE_MAX];
    if (p->token.kind == SQL_TOKEN_STRING || sql_token_name(p->token, text, sizeof text) != SC_OK)
        return fail_here(p, "a name");
    char *kept = sc_arena_strdup(&p->st->arena, text);
    if (kept == NULL)
        return pg_fail(p->e, SC_E_NOMEM, "53200", "out of memory");
    *out = kept;
    advance(p);
    return SC_OK;
}

/* 'x' or E'\t', at most size - 1 bytes. */
static sc_err string(struct parser *p, char *out, size_t size)
{
    const bool escapes = accept_word(p, "E");
    if (p->token.kind != SQL_TOKEN_STRING || sql_token_name(p->token, out, size) != SC_OK)
        return fail_here(p, "a short string");
    if (escapes && strcmp(out, "\\t") == 0)
        memcpy(out, "\t", 2);
    else if (escapes && out[0] == '\\')
        return fail_here(p, "a plain string or E'\\t'");
    advance(p);
    return SC_OK;
}

static sc_err one_char(struct parser *p, uint8_t *out)
{
    char text[32];
    const struct sql_token at = p->token;
    SC_TRY(string(p, text, sizeof text));
    if (text[0] == '\0' || text[1] != '\0' || text[0] == '\n' || text[0] == '\r') {
        p->token = at;
        return fail_here(p, "a single one-byte character");
    }
    *out = (uint8_t)text[0];
    return SC_OK;
}

static sc_err format(struct parser *p)
{
    char text[32];
    if (sql_token_name(p->token, text, sizeof text) == SC_OK) {
        static const char *const names[] = {"text", "csv", "binary"};
        for (int i = 0; i < 3; i++) {
            if (strcasecmp(text, names[i]) == 0) {
                p->st->format = (enum pg_copy_format)i;
                advance(p);
                return SC_OK;
            }
        }
    }
    return fail_here(p, "text, csv or binary");
}

static bool at_list_end(const struct parser *p)
{
    return sql_token_is_punct(p->token, ',') || sql_token_is_punct(p->token, ')') || p->token.kind == SQL_TOKEN_END;
}

/* In parentheses HEADER may have a value, outside it has none. */
static sc_err header(struct parser *p, bool in_parentheses)
{
    static const char *const no[] = {"false", "off", "0"};
    char text[16] = "true";
    p->st->header = true;
    if (!in_parentheses || at_list_end(p))
        return SC_OK;
    if (p->token.kind == SQL_TOKEN_NUMBER && p->token.text.size == 1)
        text[0] = (char)p->token.text.ptr[0], text[1] = '\0';
    else if (sql_token_name(p->token, text, sizeof text) != SC_OK)
        return fail_here(p, "true or false");
    for (size_t i = 0; i < 3; i++)
        if (strcasecmp(text, no[i]) == 0)
            p->st->header = false;
    advance(p);
    return SC_OK;
}

static sc_err option(struct parser *p, bool in_parentheses)
{
    if (in_parentheses && accept_word(p, "FORMAT"))
        return format(p);
    if (!in_parentheses && (sql_token_is(p->token, "CSV") || sql_token_is(p->token, "BINARY")))
        return format(p);
    if (accept_word(p, "HEADER"))
        return header(p, in_parentheses);
    if (accept_word(p, "DELIMITER") || accept_word(p, "DELIMITERS")) {
        accept_word(p, "AS");
        p->delimiter_given = true;
        return one_char(p, &p->st->delimiter);
    }
    if (accept_word(p, "NULL")) {
        accept_word(p, "AS");
        p->null_given = true;
        return string(p, p->st->null_text, sizeof p->st->null_text);
    }
    if (accept_word(p, "QUOTE")) {
        accept_word(p, "AS");
        return one_char(p, &p->st->quote);
    }
    if (accept_word(p, "ESCAPE")) {
        accept_word(p, "AS");
        p->escape_given = true;
        return one_char(p, &p->st->escape);
    }
    if (in_parentheses && accept_word(p, "ENCODING")) {
        char text[32];
        SC_TRY(string(p, text, sizeof text));
        if (strcasecmp(text, "utf8") != 0 && strcasecmp(text, "utf-8") != 0)
            return pg_fail(p->e, SC_E_UNSUPPORTED, "0A000", "the only encoding is UTF8");
        return SC_OK;
    }
    return fail_here(p, "FORMAT, HEADER, DELIMITER, NULL, QUOTE, ESCAPE or ENCODING");
}

static sc_err options(struct parser *p)
{
    accept_word(p, "WITH");
    if (!accept_punct(p, '(')) {
        while (p->token.kind != SQL_TOKEN_END && !sql_token_is_punct(p->token, ';'))
            SC_TRY(option(p, false));
        return SC_OK;
    }
    do {
        SC_TRY(option(p, true));
    } while (accept_punct(p, ','));
    return accept_punct(p, ')') ? SC_OK : fail_here(p, "\",\" or \")\"");
}

static sc_err columns(struct parser *p)
{
    struct pg_copy_statement *st = p->st;
    st->columns = sc_arena_alloc(&st->arena, COLUMN_COUNT_MAX * sizeof *st->columns);
    if (st->columns == NULL)
        return pg_fail(p->e, SC_E_NOMEM, "53200", "out of memory");
    do {
        if (st->column_count == COLUMN_COUNT_MAX)
            return pg_fail(p->e, SC_E_LIMIT, "54011", "more than %d columns", COLUMN_COUNT_MAX);
        SC_TRY(name(p, &st->columns[st->column_count]));
        st->column_count++;
    } while (accept_punct(p, ','));
    return accept_punct(p, ')') ? SC_OK : fail_here(p, "\",\" or \")\"");
}

static sc_err query(struct parser *p)
{
    const uint8_t *start = p->token.text.ptr;
    for (int depth = 1; depth > 0;) {
        if (p->token.kind == SQL_TOKEN_END || p->token.kind == SQL_TOKEN_BROKEN)
            return fail_here(p, "\")\"");
        depth += sql_token_is_punct(p->token, '(') - sql_token_is_punct(p->token, ')');
        p->st->query = sc_slice_of(start, (size_t)(p->token.text.ptr - start));
        advance(p);
    }
    return SC_OK;
}

static sc_err source(struct parser *p)
{
    if (accept_punct(p, '('))
        return query(p);
    SC_TRY(name(p, &p->st->table));
    if (accept_punct(p, '.')) /* public.reading: there is one schema */
        SC_TRY(name(p, &p->st->table));
    return accept_punct(p, '(') ? columns(p) : SC_OK;
}

static sc_err direction(struct parser *p)
{
    p->st->from = accept_word(p, "FROM");
    if (!p->st->from && !accept_word(p, "TO"))
        return fail_here(p, "FROM or TO");
    if (accept_word(p, p->st->from ? "STDIN" : "STDOUT"))
        return p->st->from && p->st->table == NULL ? fail_here(p, "a table, not a query,") : SC_OK;
    if (p->token.kind == SQL_TOKEN_STRING || sql_token_is(p->token, "PROGRAM"))
        return pg_fail(p->e, SC_E_UNSUPPORTED, "0A000", "the server has no files: use STDIN and STDOUT (psql: \\copy)");
    return fail_here(p, p->st->from ? "STDIN" : "STDOUT");
}

static sc_err judge(struct parser *p)
{
    struct pg_copy_statement *st = p->st;
    const bool csv = st->format == PG_COPY_CSV;
    if (!p->delimiter_given)
        st->delimiter = csv ? ',' : '\t';
    if (!p->null_given)
        memcpy(st->null_text, csv ? "" : "\\N", csv ? 1 : 3);
    if (!p->escape_given)
        st->escape = st->quote;
    if (st->delimiter == st->quote && csv)
        return pg_fail(p->e, SC_E_USAGE, "22023", "COPY delimiter and quote must be different");
    if (!csv && (st->delimiter == '\\' || (st->delimiter >= '0' && st->delimiter <= '9') ||
                 (st->delimiter >= 'a' && st->delimiter <= 'z') || st->delimiter == '.'))
        return pg_fail(p->e, SC_E_USAGE, "22023", "COPY delimiter cannot be \"%c\"", st->delimiter);
    if (strchr(st->null_text, st->delimiter) != NULL || strpbrk(st->null_text, "\r\n") != NULL)
        return pg_fail(p->e, SC_E_USAGE, "22023", "COPY null representation holds the delimiter or a line end");
    return SC_OK;
}

sc_err pg_copy_statement_parse(struct sc_slice text, struct pg_copy_statement *out, struct sc_sql_error *e)
{
    *out = (struct pg_copy_statement){.query = SC_SLICE_EMPTY, .quote = '"'};
    sc_arena_init(&out->arena, (size_t)1 << 20);
    struct parser p = {.text = text, .lx = sql_lexer_of(text), .st = out, .e = e};
    advance(&p);
    if (!accept_word(&p, "COPY"))
        return fail_here(&p, "COPY");
    SC_TRY(source(&p));
    SC_TRY(direction(&p));
    SC_TRY(options(&p));
    accept_punct(&p, ';');
    if (p.token.kind != SQL_TOKEN_END)
        return fail_here(&p, "the end of the statement");
    return judge(&p);
}

void pg_copy_statement_deinit(struct pg_copy_statement *st)
{
    sc_arena_deinit(&st->arena);
}
