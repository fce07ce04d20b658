#include "cascadb/rewrite.h"

#include "sql/lex.h"

#include <strings.h>

#define TEXT_SIZE_MAX ((size_t)64 << 20)

/* What was written, a token each: where a cast must find the beginning of what it casts. */
enum item_kind { OPERAND, WORD, OPEN, CLOSE, DOT, OTHER };
struct item {
    size_t at;
    enum item_kind kind;
};
struct rewriter {
    struct pg_rewrite *out;
    struct sc_slice statement;
    const struct sql_token *t; /* ends with one of kind SQL_TOKEN_END */
    size_t i;
    const uint8_t *end; /* of the last token taken */
    struct sc_buf items;
    bool catalogue, changed;
};

void pg_rewrite_deinit(struct pg_rewrite *r)
{
    sc_buf_deinit(&r->text);
    sc_buf_deinit(&r->spans);
}

/* ---- writing ---- */
static struct item *items_of(struct rewriter *w)
{
    return (struct item *)(void *)w->items.ptr;
}

static size_t item_count(const struct rewriter *w)
{
    return w->items.size / sizeof(struct item);
}

static void put_str(struct rewriter *w, const char *s, enum item_kind kind)
{
    const struct item it = {w->out->text.size, kind};
    sc_buf_put_bytes(&w->items, sc_slice_of(&it, sizeof it));
    sc_buf_put_str(&w->out->text, s);
}

static void put_bytes(struct rewriter *w, struct sc_slice s, enum item_kind kind)
{
    put_str(w, "", kind);
    sc_buf_put_bytes(&w->out->text, s);
}

/* The blanks before token i, as they were, and where it comes from. */
static void put_gap(struct rewriter *w, size_t i)
{
    const uint8_t *at = w->t[i].text.ptr;
    if (w->end != NULL && at > w->end)
        sc_buf_put_bytes(&w->out->text, sc_slice_of(w->end, (size_t)(at - w->end)));
    w->end = at;
    const struct pg_span s = {w->out->text.size, (size_t)(at - w->statement.ptr)};
    sc_buf_put_bytes(&w->out->spans, sc_slice_of(&s, sizeof s));
}

/* Tokens up to j, without it, are dealt with. */
static void take(struct rewriter *w, size_t j)
{
    w->end = w->t[j - 1].text.ptr + w->t[j - 1].text.size;
    w->i = j;
    w->changed = true;
}

static enum item_kind kind_of(struct sql_token t)
{
    switch (t.kind) {
    case SQL_TOKEN_WORD:
        return WORD;
    case SQL_TOKEN_QUOTED:
    case SQL_TOKEN_STRING:
    case SQL_TOKEN_NUMBER:
    case SQL_TOKEN_PARAM:
        return OPERAND;
    case SQL_TOKEN_PUNCT:
        return t.text.ptr[0] == '(' ? OPEN : t.text.ptr[0] == ')' ? CLOSE : t.text.ptr[0] == '.' ? DOT : OTHER;
    default:
        return OTHER;
    }
}

static void copy_token(struct rewriter *w)
{
    const struct sql_token t = w->t[w->i];
    put_gap(w, w->i);
    put_bytes(w, t.text, kind_of(t));
    w->end = t.text.ptr + t.text.size;
    w->i++;
}

/* ---- reading ---- */
static bool punct(const struct rewriter *w, size_t i, char c)
{
    return sql_token_is_punct(w->t[i], c);
}

static bool word(const struct rewriter *w, size_t i, const char *name)
{
    return sql_token_is(w->t[i], name);
}

static bool at_end(const struct rewriter *w, size_t i)
{
    return w->t[i].kind == SQL_TOKEN_END;
}

/* A bare or quoted name. */
static bool name_is(struct sql_token t, const char *name)
{
    char text[64];
    return (t.kind == SQL_TOKEN_WORD || t.kind == SQL_TOKEN_QUOTED) && sql_token_name(t, text, sizeof text) == SC_OK &&
           strcasecmp(text, name) == 0;
}

static bool adjacent(const struct rewriter *w, size_t i) /* nothing between i and the token before it */
{
    return w->t[i].text.ptr == w->t[i - 1].text.ptr + w->t[i - 1].text.size;
}

/* The token behind the bracket that closes the one at i; the end's number if none does. */
static size_t behind_bracket(const struct rewriter *w, size_t i)
{
    size_t depth = 0;
    for (; !at_end(w, i); i++) {
        depth += punct(w, i, '(');
        if (punct(w, i, ')') && --depth == 0)
            return i + 1;
    }
    return i;
}

static bool is_keyword(struct sql_token t)
{
    static const char *const words[] = {"SELECT", "WHERE", "AND",    "OR",       "NOT",       "IN",    "ON",  "VALUES",
                                        "FROM",   "WHEN",  "THEN",   "ELSE",     "CASE",      "AS",    "BY",  "HAVING",
                                        "LIMIT",  "LIKE",  "IS",     "BETWEEN",  "UNION",     "ALL",   "ANY", "SET",
                                        "OFFSET", "USING", "REGEXP", "DISTINCT", "RETURNING", "ESCAPE"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (sql_token_is(t, words[i]))
            return true;
    return false;
}

/* ---- casts ---- */
/* Where the last operand that was written begins: a literal, a name, a call, a bracket.  SIZE_MAX: there is none. */
static size_t operand_begin(struct rewriter *w)
{
    const struct item *items = items_of(w);
    size_t k = item_count(w);
    if (k == 0)
        return SIZE_MAX;
    k--;
    if (items[k].kind == CLOSE) {
        size_t depth = 1;
        while (depth != 0 && k-- > 0) {
            depth += items[k].kind == CLOSE;
            depth -= items[k].kind == OPEN;
        }
        if (depth != 0)
            return SIZE_MAX;
        if (k > 0 && items[k - 1].kind == WORD) { /* a call? */
            struct sql_lexer lx =
                sql_lexer_of((struct sc_slice){w->out->text.ptr + items[k - 1].at, items[k].at - items[k - 1].at});
            if (!is_keyword(sql_lex(&lx)))
                k--;
        }
    } else if (items[k].kind != OPERAND && items[k].kind != WORD) {
        return SIZE_MAX;
    }
    while (k >= 2 && items[k - 1].kind == DOT && (items[k - 2].kind == WORD || items[k - 2].kind == OPERAND))
        k -= 2;
    return k;
}

struct cast {
    const char *name, *before, *behind;
};
static const struct cast casts[] = {
    {"text", "CAST(", " AS TEXT)"},        {"varchar", "CAST(", " AS TEXT)"},
    {"character", "CAST(", " AS TEXT)"},   {"char", "CAST(", " AS TEXT)"},
    {"bpchar", "CAST(", " AS TEXT)"},      {"name", "CAST(", " AS TEXT)"},
    {"json", "CAST(", " AS TEXT)"},        {"jsonb", "CAST(", " AS TEXT)"},
    {"uuid", "CAST(", " AS TEXT)"},        {"date", "CAST(", " AS TEXT)"},
    {"time", "CAST(", " AS TEXT)"},        {"timestamp", "CAST(", " AS TEXT)"},
    {"timestamptz", "CAST(", " AS TEXT)"}, {"regtype", "CAST(", " AS TEXT)"},
    {"regproc", "CAST(", " AS TEXT)"},     {"regnamespace", "CAST(", " AS TEXT)"},
    {"int", "CAST(", " AS INTEGER)"},      {"integer", "CAST(", " AS INTEGER)"},
    {"smallint", "CAST(", " AS INTEGER)"}, {"bigint", "CAST(", " AS INTEGER)"},
    {"int2", "CAST(", " AS INTEGER)"},     {"int4", "CAST(", " AS INTEGER)"},
    {"int8", "CAST(", " AS INTEGER)"},     {"oid", "CAST(", " AS INTEGER)"},
    {"real", "CAST(", " AS REAL)"},        {"float", "CAST(", " AS REAL)"},
    {"float4", "CAST(", " AS REAL)"},      {"float8", "CAST(", " AS REAL)"},
    {"double", "CAST(", " AS REAL)"},      {"numeric", "CAST(", " AS NUMERIC)"},
    {"decimal", "CAST(", " AS NUMERIC)"},  {"bool", "pg_bool(", ")"},
    {"boolean", "pg_bool(", ")"},          {"bytea", "pg_bytea(", ")"},
    {"regclass", "pg_regclass(", ")"},
};

static const struct cast *cast_find(struct sc_slice name)
{
    for (size_t i = 0; i < sizeof casts / sizeof casts[0]; i++)
        if (strlen(casts[i].name) == name.size && strncasecmp(casts[i].name, (const char *)name.ptr, name.size) == 0)
            return &casts[i];
    return NULL;
}

/* The type's name at i, in whichever way the lexer parted it from the colons; *j_out is behind all of the type. */
static bool type_read(const struct rewriter *w, size_t i, struct sc_slice *name_out, size_t *j_out)
{
    static const char *const more[] = {"precision", "varying", "with", "without", "time", "zone"};
    struct sc_slice name;
    if (!punct(w, i, ':'))
        return false;
    size_t j = i + 1;
    if (w->t[j].kind == SQL_TOKEN_PARAM && w->t[j].text.ptr[0] == ':' && adjacent(w, j)) {
        name = (struct sc_slice){w->t[j].text.ptr + 1, w->t[j].text.size - 1};
    } else if (punct(w, j, ':') && adjacent(w, j)) {
        name = w->t[++j].text;
        if (w->t[j].kind == SQL_TOKEN_QUOTED && name.size > 2)
            name = (struct sc_slice){name.ptr + 1, name.size - 2};
    } else {
        return false;
    }
    j++;
    if (sc_slice_eq(name, sc_slice_str("pg_catalog")) && punct(w, j, '.')) {
        name = w->t[j + 1].text;
        if (w->t[j + 1].kind == SQL_TOKEN_QUOTED && name.size > 2)
            name = (struct sc_slice){name.ptr + 1, name.size - 2};
        j += at_end(w, j + 1) ? 1 : 2;
    }
    for (size_t k = 0; k < sizeof more / sizeof more[0]; k++) /* "double precision", "timestamp with time zone" */
        j += word(w, j, more[k]);
    if (punct(w, j, '(')) /* varchar(20) */
        j = behind_bracket(w, j);
    *name_out = name;
    *j_out = j;
    return true;
}

static void insert_at(struct rewriter *w, size_t at, const char *s)
{
    struct sc_buf *text = &w->out->text;
    const size_t n = strlen(s);
    if (sc_buf_extend(text, n) == NULL)
        return;
    memmove(text->ptr + at + n, text->ptr + at, text->size - n - at);
    memcpy(text->ptr + at, s, n);
    struct pg_span *spans = (struct pg_span *)(void *)w->out->spans.ptr;
    for (size_t k = w->out->spans.size / sizeof *spans; k-- > 0 && spans[k].to >= at;)
        spans[k].to += n;
}

static bool rule_cast(struct rewriter *w)
{
    struct sc_slice name;
    size_t j = 0;
    if (!type_read(w, w->i, &name, &j))
        return false;
    const struct cast *c = cast_find(name);
    const size_t k = operand_begin(w);
    if (k == SIZE_MAX)
        return false;
    if (w->t[j].kind == SQL_TOKEN_QUOTED && w->catalogue && sc_slice_eq(w->t[j].text, sc_slice_str("[]"))) {
        take(w, j + 1); /* an array's type: there are no arrays, in any type */
        return true;
    }
    if (c == NULL)
        return false;
    insert_at(w, items_of(w)[k].at, c->before);
    sc_buf_put_str(&w->out->text, c->behind);
    w->items.size = (k + 1) * sizeof(struct item); /* all of it is one operand now */
    items_of(w)[k].kind = OPERAND;
    take(w, j);
    return true;
}

/* ---- names ---- */
static bool rule_schema(struct rewriter *w)
{
    const size_t i = w->i;
    const struct item *items = items_of(w);
    const size_t n = item_count(w);
    if (!punct(w, i + 1, '.') || (n != 0 && items[n - 1].kind == DOT))
        return false;
    if (word(w, i, "information_schema") && w->t[i + 2].kind == SQL_TOKEN_WORD) {
        put_gap(w, i);
        put_bytes(w, w->t[i].text, WORD);
        sc_buf_put_u8(&w->out->text, '_');
        sc_buf_put_bytes(&w->out->text, w->t[i + 2].text);
        take(w, i + 3);
        return true;
    }
    if (!name_is(w->t[i], "pg_catalog") && !name_is(w->t[i], "public"))
        return false;
    put_gap(w, i);
    take(w, i + 2);
    return true;
}

static bool rule_user(struct rewriter *w)
{
    static const char *const names[][2] = {{"current_user", "current_user()"},
                                           {"session_user", "session_user()"},
                                           {"current_schema", "current_schema()"},
                                           {"current_catalog", "current_database()"}};
    const struct item *items = items_of(w);
    const size_t n = item_count(w);
    if (punct(w, w->i + 1, '(') || (n != 0 && items[n - 1].kind == DOT))
        return false;
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        if (!word(w, w->i, names[k][0]))
            continue;
        put_gap(w, w->i);
        put_str(w, names[k][1], OPERAND);
        take(w, w->i + 1);
        return true;
    }
    return false;
}

/* ---- operators ---- */
static bool operand_before(struct rewriter *w)
{
    const size_t n = item_count(w);
    if (n == 0)
        return false;
    const struct item last = items_of(w)[n - 1];
    if (last.kind != WORD)
        return last.kind == OPERAND || last.kind == CLOSE;
    struct sql_lexer lx = sql_lexer_of((struct sc_slice){w->out->text.ptr + last.at, w->out->text.size - last.at});
    return !is_keyword(sql_lex(&lx));
}

/* ~ ~* !~ !~* from i on; how many tokens, 0: none. */
static size_t match_operator(const struct rewriter *w, size_t i, bool *not_out)
{
    size_t j = i;
    *not_out = punct(w, j, '!');
    j += *not_out;
    if (!punct(w, j, '~'))
        return 0;
    j++;
    j += punct(w, j, '*') && adjacent(w, j);
    return j - i;
}

static bool rule_match(struct rewriter *w)
{
    bool not = false;
    const size_t n = match_operator(w, w->i, &not );
    if (n == 0 || !operand_before(w))
        return false;
    put_gap(w, w->i);
    put_str(w, not ? " NOT REGEXP " : " REGEXP ", OTHER);
    take(w, w->i + n);
    return true;
}

static bool rule_operator(struct rewriter *w)
{
    size_t i = w->i;
    bool not = false;
    if (!word(w, i, "OPERATOR") || !punct(w, i + 1, '('))
        return false;
    i += 2;
    if (word(w, i, "pg_catalog") && punct(w, i + 1, '.'))
        i += 2;
    const size_t behind = behind_bracket(w, w->i + 1);
    const size_t n = match_operator(w, i, &not );
    if (at_end(w, i) || behind < i + 2 || (n != 0 && i + n + 1 != behind))
        return false;
    put_gap(w, w->i);
    put_str(w, n == 0 ? "" : not ? "NOT REGEXP" : "REGEXP", OTHER);
    for (size_t k = i; n == 0 && k + 1 < behind; k++)
        sc_buf_put_bytes(&w->out->text, w->t[k].text);
    take(w, behind);
    return true;
}

static bool rule_collate(struct rewriter *w)
{
    size_t i = w->i;
    if (!word(w, i, "COLLATE"))
        return false;
    i++;
    if (word(w, i, "pg_catalog") && punct(w, i + 1, '.'))
        i += 2;
    if (!name_is(w->t[i], "default") && !name_is(w->t[i], "C") && !name_is(w->t[i], "POSIX"))
        return false;
    take(w, i + 1);
    return true;
}

static bool rule_ilike(struct rewriter *w)
{
    if (!word(w, w->i, "ILIKE"))
        return false;
    put_gap(w, w->i);
    put_str(w, "LIKE", WORD);
    take(w, w->i + 1);
    return true;
}

/* string_agg(a, b) is group_concat(a, b); trim(trailing a from b) a call of ours. */
static bool rule_call(struct rewriter *w)
{
    static const char *const sides[][2] = {{"LEADING", "pg_ltrim("}, {"TRAILING", "pg_rtrim("}, {"BOTH", "pg_btrim("}};
    const size_t i = w->i;
    if (!punct(w, i + 1, '('))
        return false;
    if (word(w, i, "string_agg")) {
        put_gap(w, i);
        put_str(w, "group_concat", WORD);
        take(w, i + 1);
        return true;
    }
    for (size_t k = 0; word(w, i, "trim") && w->t[i + 3].kind == SQL_TOKEN_STRING && word(w, i + 4, "FROM") && k < 3;
         k++) {
        if (!word(w, i + 2, sides[k][0]))
            continue;
        put_gap(w, i);
        put_str(w, "", WORD);
        put_str(w, sides[k][1], OPEN);
        put_bytes(w, w->t[i + 3].text, OPERAND);
        put_str(w, ",", OTHER);
        take(w, i + 5);
        return true;
    }
    return false;
}

/* ---- arrays: there are none, but for lists to look something up in ---- */
static bool rule_any(struct rewriter *w)
{
    const size_t i = w->i;
    if (!punct(w, i, '=') || !word(w, i + 1, "ANY") || !punct(w, i + 2, '('))
        return false;
    const size_t behind = behind_bracket(w, i + 2);
    const struct sql_token list = at_end(w, i + 3) ? w->t[i + 3] : w->t[i + 4];
    if (word(w, i + 3, "ARRAY") && list.kind == SQL_TOKEN_QUOTED && list.text.ptr[0] == '[' &&
        punct(w, behind - 1, ')')) {
        put_gap(w, i);
        put_str(w, " IN (", OTHER);
        sc_buf_put_bytes(&w->out->text, (struct sc_slice){list.text.ptr + 1, list.text.size - 2});
        put_str(w, ")", OPERAND);
        take(w, behind);
        return true;
    }
    if (!w->catalogue || w->t[i + 3].kind == SQL_TOKEN_PARAM)
        return false; /* a parameter that is an array would be taken for one value: an error is better */
    put_gap(w, i);
    put_str(w, " IN ", WORD);
    put_str(w, "(", OPEN);
    take(w, i + 3);
    return true;
}

static bool rule_array(struct rewriter *w)
{
    const size_t i = w->i;
    if (!w->catalogue)
        return false;
    if (word(w, i, "ARRAY") && punct(w, i + 1, '(') && word(w, i + 2, "SELECT")) {
        put_gap(w, i);
        put_str(w, "NULL", OPERAND);
        take(w, behind_bracket(w, i + 1));
        return true;
    }
    if (i > 0 && w->t[i].kind == SQL_TOKEN_QUOTED && w->t[i].text.ptr[0] == '[' && w->t[i - 1].kind == SQL_TOKEN_WORD &&
        adjacent(w, i)) { /* a subscript */
        take(w, i + 1);
        return true;
    }
    return false;
}

/* Functions as tables, of which psql asks some about what we do not have: nothing comes of them. */
static bool rule_table_function(struct rewriter *w)
{
    const size_t i = w->i;
    if (!w->catalogue || !punct(w, i + 1, '('))
        return false;
    const size_t behind = behind_bracket(w, i + 1);
    if (word(w, i, "pg_partition_ancestors") && word(w, behind, "WITH") && word(w, behind + 1, "ORDINALITY") &&
        word(w, behind + 2, "AS") && punct(w, behind + 4, '(')) {
        put_gap(w, i);
        put_str(w, "(SELECT NULL AS relid, NULL AS depth WHERE 0) AS ", OTHER);
        sc_buf_put_bytes(&w->out->text, w->t[behind + 3].text);
        take(w, behind_bracket(w, behind + 4));
        return true;
    }
    if (word(w, i, "generate_series") && w->t[behind].kind == SQL_TOKEN_WORD && !is_keyword(w->t[behind])) {
        put_gap(w, i);
        put_str(w, "(SELECT NULL AS ", OTHER);
        sc_buf_put_bytes(&w->out->text, w->t[behind].text);
        sc_buf_put_str(&w->out->text, " WHERE 0) AS ");
        sc_buf_put_bytes(&w->out->text, w->t[behind].text);
        take(w, behind + 1);
        return true;
    }
    return false;
}

/* ---- E'...' ---- */
static uint8_t escape_of(uint8_t c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
}

static bool rule_escapes(struct rewriter *w)
{
    const size_t i = w->i;
    const struct sql_token s = at_end(w, i) ? w->t[i] : w->t[i + 1];
    if (!word(w, i, "E") || s.kind != SQL_TOKEN_STRING || s.text.ptr[0] != '\'' || !adjacent(w, i + 1))
        return false;
    if (memmem(s.text.ptr, s.text.size, "\\'", 2) != NULL)
        return false; /* the lexer ended the string too early */
    put_gap(w, i);
    put_str(w, "", OPERAND);
    for (size_t k = 0; k < s.text.size; k++) {
        uint8_t c = s.text.ptr[k];
        if (c == '\\' && k + 1 < s.text.size)
            c = escape_of(s.text.ptr[++k]);
        sc_buf_put_u8(&w->out->text, c);
    }
    take(w, i + 2);
    return true;
}

/* ---- all ---- */
static bool worth_it(struct sql_token t)
{
    static const char *const words[] = {
        "pg_catalog",     "information_schema", "public", "OPERATOR", "ILIKE", "current_user", "session_user",
        "current_schema", "current_catalog",    "E",      "COLLATE",  "ANY",   "string_agg",   "trim"};
    if (t.kind == SQL_TOKEN_PUNCT)
        return t.text.ptr[0] == ':' || t.text.ptr[0] == '~';
    if (t.kind == SQL_TOKEN_QUOTED)
        return name_is(t, "public") || name_is(t, "pg_catalog");
    for (size_t i = 0; t.kind == SQL_TOKEN_WORD && i < sizeof words / sizeof words[0]; i++)
        if (sql_token_is(t, words[i]))
            return true;
    return false;
}

static bool rule(struct rewriter *w)
{
    switch (w->t[w->i].kind) {
    case SQL_TOKEN_WORD:
        return rule_schema(w) || rule_user(w) || rule_operator(w) || rule_collate(w) || rule_ilike(w) || rule_call(w) ||
               rule_array(w) || rule_table_function(w) || rule_escapes(w);
    case SQL_TOKEN_QUOTED:
        return rule_schema(w) || rule_array(w);
    case SQL_TOKEN_PUNCT:
        return rule_cast(w) || rule_match(w) || rule_any(w);
    default:
        return false;
    }
}

/* All tokens, and enough of the end behind them that looking ahead needs no care. */
static sc_err tokens_read(struct sc_slice statement, struct sc_buf *out, bool *worth_out, bool *catalogue_out)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    struct sql_token t;
    do {
        t = sql_lex(&lx);
        *worth_out = *worth_out || worth_it(t);
        *catalogue_out = *catalogue_out || sql_token_is(t, "pg_catalog");
        sc_buf_put_bytes(out, sc_slice_of(&t, sizeof t));
    } while (t.kind != SQL_TOKEN_END);
    for (int i = 0; i < 8; i++)
        sc_buf_put_bytes(out, sc_slice_of(&t, sizeof t));
    return sc_buf_status(out);
}

static bool any_worth(struct sc_slice statement)
{
    struct sql_lexer lx = sql_lexer_of(statement);
    for (struct sql_token t = sql_lex(&lx); t.kind != SQL_TOKEN_END; t = sql_lex(&lx))
        if (worth_it(t))
            return true;
    return false;
}

sc_err pg_rewrite(struct pg_rewrite *r, struct sc_slice statement, bool *changed_out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf tokens = {0};
    struct rewriter w = {.out = r, .statement = statement};
    bool worth = false;
    *changed_out = false;
    sc_buf_reset(&r->text);
    sc_buf_reset(&r->spans);
    if (!any_worth(statement))
        return SC_OK;
    r->text.size_max = TEXT_SIZE_MAX;
    SC_TRY(tokens_read(statement, &tokens, &worth, &w.catalogue));
    w.t = (const struct sql_token *)(const void *)tokens.ptr;
    while (!at_end(&w, w.i))
        if (!rule(&w))
            copy_token(&w);
    sc_err err = sc_buf_status(&w.items);
    sc_buf_deinit(&w.items);
    err = err != SC_OK ? err : sc_buf_status(&r->spans);
    err = err != SC_OK ? err : sc_buf_status(&r->text);
    *changed_out = err == SC_OK && w.changed;
    return err;
}

size_t pg_rewrite_position(const struct pg_rewrite *r, size_t position)
{
    const struct pg_span *spans = (const struct pg_span *)(const void *)r->spans.ptr;
    size_t k = r->spans.size / sizeof *spans;
    if (position == 0)
        return 0;
    while (k > 0 && spans[k - 1].to > position - 1)
        k--;
    return k == 0 ? 1 : spans[k - 1].from + (position - 1 - spans[k - 1].to) + 1;
}
