#include "sql/lex.h"

#include <strings.h>

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' || c >= 0x80;
}

/* Skips blanks and comments; false when a comment has no end. */
static bool skip_blanks(struct sql_lexer *lx)
{
    while (lx->cur < lx->end) {
        const size_t left = (size_t)(lx->end - lx->cur);
        if (is_space(*lx->cur)) {
            lx->cur++;
        } else if (left >= 2 && memcmp(lx->cur, "--", 2) == 0) {
            const uint8_t *eol = memchr(lx->cur, '\n', left);
            lx->cur = eol != NULL ? eol + 1 : lx->end;
        } else if (left >= 2 && memcmp(lx->cur, "/*", 2) == 0) {
            const uint8_t *close = left > 2 ? memmem(lx->cur + 2, left - 2, "*/", 2) : NULL;
            if (close == NULL)
                return false;
            lx->cur = close + 2;
        } else {
            return true;
        }
    }
    return true;
}

static struct sql_token token(enum sql_token_kind kind, const uint8_t *from, struct sql_lexer *lx)
{
    return (struct sql_token){kind, sc_slice_of(from, (size_t)(lx->cur - from))};
}

/* cur is behind the opening quote; a doubled closing quote stands for itself (not for ']'). */
static struct sql_token quoted(struct sql_lexer *lx, const uint8_t *from, uint8_t close, enum sql_token_kind kind)
{
    while (lx->cur < lx->end) {
        if (*lx->cur++ != close)
            continue;
        if (close == ']' || lx->cur == lx->end || *lx->cur != close)
            return token(kind, from, lx);
        lx->cur++;
    }
    return token(SQL_TOKEN_BROKEN, from, lx);
}

static struct sql_token number(struct sql_lexer *lx, const uint8_t *from)
{
    while (lx->cur < lx->end) {
        const uint8_t c = *lx->cur;
        const bool sign = (c == '+' || c == '-') && (lx->cur[-1] == 'e' || lx->cur[-1] == 'E') &&
                          !(lx->cur - from > 1 && (from[1] == 'x' || from[1] == 'X'));
        if (!is_word(c) && c != '.' && !sign)
            break;
        lx->cur++;
    }
    return token(SQL_TOKEN_NUMBER, from, lx);
}

struct sql_token sql_lex(struct sql_lexer *lx)
{
    const uint8_t *from = lx->cur;
    if (!skip_blanks(lx)) {
        lx->cur = lx->end;
        return token(SQL_TOKEN_BROKEN, from, lx);
    }
    from = lx->cur;
    if (from == lx->end)
        return token(SQL_TOKEN_END, from, lx);
    const uint8_t c = *lx->cur++;
    const bool more = lx->cur < lx->end;
    if (c == '\'')
        return quoted(lx, from, '\'', SQL_TOKEN_STRING);
    if ((c == 'x' || c == 'X') && more && *lx->cur == '\'') {
        lx->cur++;
        return quoted(lx, from, '\'', SQL_TOKEN_STRING);
    }
    if (c == '"' || c == '`')
        return quoted(lx, from, c, SQL_TOKEN_QUOTED);
    if (c == '[')
        return quoted(lx, from, ']', SQL_TOKEN_QUOTED);
    if (is_digit(c) || (c == '.' && more && is_digit(*lx->cur)))
        return number(lx, from);
    if (c == '?' || (strchr("$:@", c) != NULL && more && is_word(*lx->cur))) {
        while (lx->cur < lx->end && (c == '?' ? is_digit(*lx->cur) : is_word(*lx->cur)))
            lx->cur++;
        return token(SQL_TOKEN_PARAM, from, lx);
    }
    if (!is_word(c))
        return token(SQL_TOKEN_PUNCT, from, lx);
    while (lx->cur < lx->end && is_word(*lx->cur))
        lx->cur++;
    return token(SQL_TOKEN_WORD, from, lx);
}

bool sql_token_is(struct sql_token t, const char *keyword)
{
    return t.kind == SQL_TOKEN_WORD && t.text.size == strlen(keyword) &&
           strncasecmp((const char *)t.text.ptr, keyword, t.text.size) == 0;
}

bool sql_token_is_punct(struct sql_token t, char c)
{
    return t.kind == SQL_TOKEN_PUNCT && t.text.ptr[0] == (uint8_t)c;
}

sc_err sql_token_name(struct sql_token t, char *out, size_t out_size)
{
    size_t n = 0;
    if (t.kind == SQL_TOKEN_WORD) {
        if (t.text.size >= out_size)
            return SC_E_LIMIT;
        memcpy(out, t.text.ptr, t.text.size);
        out[t.text.size] = '\0';
        return SC_OK;
    }
    if (t.kind != SQL_TOKEN_QUOTED && (t.kind != SQL_TOKEN_STRING || t.text.ptr[0] != '\''))
        return SC_E_MALFORMED;
    const uint8_t quote = t.text.ptr[t.text.size - 1];
    for (size_t i = 1; i + 1 < t.text.size; i++) {
        if (n + 1 >= out_size)
            return SC_E_LIMIT;
        out[n++] = (char)t.text.ptr[i];
        if (t.text.ptr[i] == quote && quote != ']')
            i++; /* the second of a doubled quote */
    }
    out[n] = '\0';
    return memchr(out, 0, n) == NULL ? SC_OK : SC_E_MALFORMED;
}

/* CREATE [TEMP] TRIGGER: the semicolons of its body do not end it. */
static bool is_trigger(struct sc_slice text)
{
    struct sql_lexer lx = sql_lexer_of(text);
    if (!sql_token_is(sql_lex(&lx), "CREATE"))
        return false;
    struct sql_token t = sql_lex(&lx);
    if (sql_token_is(t, "TEMP") || sql_token_is(t, "TEMPORARY"))
        t = sql_lex(&lx);
    return sql_token_is(t, "TRIGGER");
}

struct sc_slice sql_statement_first(struct sc_slice text, size_t *used_out)
{
    struct sql_lexer lx = sql_lexer_of(text);
    const bool trigger = is_trigger(text);
    bool step_ended = false; /* the token before the last was ";" */
    struct sql_token last = {.kind = SQL_TOKEN_END};
    for (;;) {
        const struct sql_token t = sql_lex(&lx);
        const bool semicolon = sql_token_is_punct(t, ';');
        const bool ends = semicolon && (!trigger || (step_ended && sql_token_is(last, "END"))); /* "; END ;" */
        if (t.kind == SQL_TOKEN_END || t.kind == SQL_TOKEN_BROKEN || ends) {
            *used_out = (size_t)(lx.cur - text.ptr);
            return sc_slice_of(text.ptr, *used_out - (ends ? 1 : 0));
        }
        step_ended = sql_token_is_punct(last, ';');
        last = t;
    }
}

/* WITH a AS (...), b AS (...) VERB: the first verb outside parentheses. */
static enum sql_kind kind_of_with(struct sql_lexer *lx)
{
    static const struct {
        const char *word;
        enum sql_kind kind;
    } verbs[] = {{"SELECT", SQL_KIND_SELECT},  {"VALUES", SQL_KIND_SELECT}, {"INSERT", SQL_KIND_INSERT},
                 {"REPLACE", SQL_KIND_INSERT}, {"UPDATE", SQL_KIND_UPDATE}, {"DELETE", SQL_KIND_DELETE}};
    int depth = 0;
    for (struct sql_token t = sql_lex(lx); t.kind != SQL_TOKEN_END && t.kind != SQL_TOKEN_BROKEN; t = sql_lex(lx)) {
        depth += sql_token_is_punct(t, '(') - sql_token_is_punct(t, ')');
        for (size_t i = 0; depth == 0 && i < sizeof verbs / sizeof verbs[0]; i++)
            if (sql_token_is(t, verbs[i].word))
                return verbs[i].kind;
    }
    return SQL_KIND_OTHER;
}

static enum sql_kind kind_of_rollback(struct sql_lexer *lx)
{
    struct sql_token t = sql_lex(lx);
    if (sql_token_is(t, "TRANSACTION") || sql_token_is(t, "WORK"))
        t = sql_lex(lx);
    return sql_token_is(t, "TO") ? SQL_KIND_ROLLBACK_TO : SQL_KIND_ROLLBACK;
}

/* verb: 1 CREATE, 2 DROP, 0 something else. */
static enum sql_kind kind_of_ddl(struct sql_lexer *lx, int verb)
{
    const struct sql_token t = sql_lex(lx);
    if (verb == 0 || t.kind == SQL_TOKEN_END)
        return SQL_KIND_OTHER;
    if (sql_token_is(t, "TABLE"))
        return verb == 1 ? SQL_KIND_CREATE_TABLE : SQL_KIND_DROP_TABLE;
    if (verb == 1 && (sql_token_is(t, "TEMP") || sql_token_is(t, "TEMPORARY")))
        return SQL_KIND_TEMP_DDL;
    return SQL_KIND_DDL;
}

static bool is_set_transaction(struct sql_lexer *lx)
{
    struct sql_token t = sql_lex(lx);
    if (sql_token_is(t, "SESSION"))
        return sql_token_is(sql_lex(lx), "CHARACTERISTICS");
    return sql_token_is(t, "TRANSACTION");
}

enum sql_kind sql_kind_of(struct sc_slice statement)
{
    static const struct {
        const char *word;
        enum sql_kind kind;
    } firsts[] = {
        {"SELECT", SQL_KIND_SELECT},       {"VALUES", SQL_KIND_SELECT},   {"INSERT", SQL_KIND_INSERT},
        {"REPLACE", SQL_KIND_INSERT},      {"UPDATE", SQL_KIND_UPDATE},   {"DELETE", SQL_KIND_DELETE},
        {"EXPLAIN", SQL_KIND_EXPLAIN},     {"BEGIN", SQL_KIND_BEGIN},     {"START", SQL_KIND_BEGIN},
        {"COMMIT", SQL_KIND_COMMIT},       {"END", SQL_KIND_COMMIT},      {"ABORT", SQL_KIND_ROLLBACK},
        {"SAVEPOINT", SQL_KIND_SAVEPOINT}, {"RELEASE", SQL_KIND_RELEASE}, {"SHOW", SQL_KIND_SHOW},
        {"COPY", SQL_KIND_COPY},           {"ANALYZE", SQL_KIND_ANALYZE}, {"VACUUM", SQL_KIND_NOTHING},
        {"DISCARD", SQL_KIND_NOTHING},     {"RESET", SQL_KIND_NOTHING},   {"CHECKPOINT", SQL_KIND_NOTHING},
        {"ALTER", SQL_KIND_DDL},           {"PRAGMA", SQL_KIND_PRAGMA},   {"ATTACH", SQL_KIND_UNSUPPORTED},
        {"DETACH", SQL_KIND_UNSUPPORTED},  {"REINDEX", SQL_KIND_DDL},
    };
    struct sql_lexer lx = sql_lexer_of(statement);
    struct sql_token t = sql_lex(&lx);
    if (t.kind == SQL_TOKEN_END)
        return SQL_KIND_EMPTY;
    if (sql_token_is(t, "SET")) {
        struct sql_lexer ahead = lx;
        return is_set_transaction(&ahead) ? SQL_KIND_SET_TRANSACTION : SQL_KIND_SET;
    }
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++)
        if (sql_token_is(t, firsts[i].word))
            return firsts[i].kind;
    if (sql_token_is(t, "WITH"))
        return kind_of_with(&lx);
    if (sql_token_is(t, "ROLLBACK"))
        return kind_of_rollback(&lx);
    return kind_of_ddl(&lx, sql_token_is(t, "CREATE") ? 1 : sql_token_is(t, "DROP") ? 2 : 0);
}
