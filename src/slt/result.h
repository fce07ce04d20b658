/* slt/result.h - what a query answered, printed value by value as the scripts have it. */
#ifndef SC_SLT_RESULT_H
#define SC_SLT_RESULT_H

#include "slt/script.h"
#include "sql/value.h"

#define SLT_MD5_TEXT_SIZE   33
/* Values of one result together: bounded, so that a wrong join cannot eat the machine. */
#define SLT_RESULT_SIZE_MAX ((size_t)512 << 20)

struct slt_result {
    struct sc_buf text; /* the values, each ended by NUL */
    uint32_t *offsets;  /* of each value in text */
    size_t count, capacity;
    size_t column_count; /* of the rows */
};
void slt_result_reset(struct slt_result *r);
void slt_result_deinit(struct slt_result *r);
/* Prints a row: T as text, I as a whole number, R with three decimals; NULL, (empty), and @ for a byte outside
 * 0x20..0x7e.  SC_E_USAGE: types is of another size than the row. */
sc_err slt_result_add(struct slt_result *r, struct sc_slice types, const struct sc_sql_value *values,
                      size_t count) SC_MUST_CHECK;
static inline const char *slt_result_value(const struct slt_result *r, size_t i)
{
    return (const char *)r->text.ptr + r->offsets[i];
}
sc_err slt_result_sort(struct slt_result *r, enum slt_sort sort) SC_MUST_CHECK;
/* MD5 over all values, a line feed behind each, in hex. */
sc_err slt_result_md5(const struct slt_result *r, char md5_out[static SLT_MD5_TEXT_SIZE]) SC_MUST_CHECK;
/* Whether it is what `expected` says: its lines are the values, or one line "N values hashing to MD5". */
sc_err slt_result_matches(const struct slt_result *r, struct sc_slice expected, bool *out) SC_MUST_CHECK;
/* Appends it as the script would have it: values as lines, or the line with the MD5 above the threshold (0: never). */
sc_err slt_result_put(const struct slt_result *r, uint64_t hash_threshold, struct sc_buf *out) SC_MUST_CHECK;

#endif
