/* slt/script.h - the records of a script, one after another.
 *
 * script    = { blank | "#" comment | record }
 * record    = { ("skipif" | "onlyif") DIALECT } action
 * action    = "statement" ("ok" | "error") LF sql
 *           | "query" TYPES ["nosort" | "rowsort" | "valuesort"] [LABEL] LF sql "----" LF { value LF }
 *           | "hash-threshold" N | "halt"
 * sql and values end at a blank line; words behind those above, as comments, are not looked at. */
#ifndef SC_SLT_SCRIPT_H
#define SC_SLT_SCRIPT_H

#include "base/bytes.h"

#define SLT_DIALECT   "sqlite"
#define SLT_TYPES_MAX 256

enum slt_action { SLT_STATEMENT, SLT_QUERY, SLT_HASH_THRESHOLD, SLT_HALT, SLT_END };
enum slt_sort { SLT_NOSORT, SLT_ROWSORT, SLT_VALUESORT };
struct slt_record {
    enum slt_action action;
    size_t line;         /* of the action's word, from 1 */
    bool skipped;        /* guarded for another dialect */
    bool error_expected; /* of a statement */
    enum slt_sort sort;
    struct sc_slice types;    /* of a query: a letter of T, I, R per column */
    struct sc_slice label;    /* empty: none */
    struct sc_slice sql;      /* borrowed from the script, line ends as they are */
    struct sc_slice expected; /* lines of values */
    uint64_t hash_threshold;
};
struct slt_script {
    struct sc_reader rest;
    size_t line; /* read so far */
};
static inline struct slt_script slt_script_of(struct sc_slice text)
{
    return (struct slt_script){{text.ptr, text.ptr + text.size}, 0};
}
/* SC_E_MALFORMED: diag says in which line. */
sc_err slt_script_next(struct slt_script *s, struct slt_record *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Takes the next line off *text, without its end; false when there is none. */
bool slt_line_next(struct sc_reader *text, struct sc_slice *line_out);

#endif
