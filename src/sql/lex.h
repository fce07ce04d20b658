/* sql/lex.h - SQL text as tokens, by SQLite's lexical rules, for the little that the front end itself must understand:
 * where a statement ends, of which kind it is, and what an INSERT names.  Everything else is SQLite's to parse. */
#ifndef SC_SQL_LEX_H
#define SC_SQL_LEX_H

#include "base/bytes.h"

enum sql_token_kind {
    SQL_TOKEN_END,
    SQL_TOKEN_WORD,   /* bare identifier or keyword */
    SQL_TOKEN_QUOTED, /* "x", `x` or [x], quotes included */
    SQL_TOKEN_STRING, /* 'x' or x'00', quotes included */
    SQL_TOKEN_NUMBER,
    SQL_TOKEN_PARAM,  /* ?, ?1, $1, :name, @name */
    SQL_TOKEN_PUNCT,  /* one byte */
    SQL_TOKEN_BROKEN, /* a quote or comment without its end: runs to the end of the text */
};
struct sql_token {
    enum sql_token_kind kind;
    struct sc_slice text;
};
struct sql_lexer {
    const uint8_t *cur;
    const uint8_t *end;
};
static inline struct sql_lexer sql_lexer_of(struct sc_slice s)
{
    return (struct sql_lexer){s.ptr, s.ptr + s.size};
}
/* The next token; blanks and comments are stepped over. */
struct sql_token sql_lex(struct sql_lexer *lx);
bool sql_token_is(struct sql_token t, const char *keyword); /* a bare word, whatever its case */
bool sql_token_is_punct(struct sql_token t, char c);
/* Name of an identifier token without its quotes, as a NUL-terminated string in out; SC_E_LIMIT if it does not fit,
 * SC_E_MALFORMED if t is no identifier. */
sc_err sql_token_name(struct sql_token t, char *out, size_t out_size) SC_MUST_CHECK;

/* The first statement of text without its semicolon; *used_out counts the bytes up to and including the semicolon. */
struct sc_slice sql_statement_first(struct sc_slice text, size_t *used_out);

enum sql_kind {
    SQL_KIND_EMPTY,
    SQL_KIND_SELECT, /* also VALUES, and WITH ... SELECT */
    SQL_KIND_INSERT, /* also REPLACE */
    SQL_KIND_UPDATE,
    SQL_KIND_DELETE,
    SQL_KIND_EXPLAIN,
    SQL_KIND_CREATE_TABLE,
    SQL_KIND_DROP_TABLE,
    SQL_KIND_DDL,      /* CREATE, DROP and ALTER of anything else; REINDEX */
    SQL_KIND_TEMP_DDL, /* CREATE TEMP ...: the session's own */
    SQL_KIND_ANALYZE,
    SQL_KIND_SET_TRANSACTION,
    SQL_KIND_BEGIN,
    SQL_KIND_COMMIT,
    SQL_KIND_ROLLBACK,
    SQL_KIND_SAVEPOINT,
    SQL_KIND_RELEASE,
    SQL_KIND_ROLLBACK_TO,
    SQL_KIND_SET,
    SQL_KIND_SHOW,
    SQL_KIND_COPY,
    SQL_KIND_NOTHING, /* accepted, does nothing: VACUUM, DISCARD, RESET, DEALLOCATE ALL, CHECKPOINT */
    SQL_KIND_PRAGMA,
    SQL_KIND_UNSUPPORTED, /* ATTACH ... */
    SQL_KIND_OTHER,       /* left to SQLite, which will call it a syntax error */
};
/* Looks at the first words. */
enum sql_kind sql_kind_of(struct sc_slice statement);

#endif
