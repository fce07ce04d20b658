/* sql/filter.h - from xFilter's arguments to key ranges, and the readable form of them. */
#ifndef SC_SQL_FILTER_H
#define SC_SQL_FILTER_H

#include "sql/internal.h"

struct sql_key_range { /* offsets into bounds */
    uint32_t lower, lower_size, upper, upper_size;
};
struct sql_ranges { /* in key order, not overlapping */
    struct sc_buf bounds;
    struct sql_key_range *ranges;
    size_t count, capacity;
    bool all;                        /* one range, the whole index */
    struct sc_buf prefix, low, high; /* scratch of sql_filter() */
};
void sql_ranges_deinit(struct sql_ranges *r);
static inline struct sc_slice sql_range_lower(const struct sql_ranges *rs, const struct sql_key_range *r)
{
    return (struct sc_slice){rs->bounds.ptr + r->lower, r->lower_size};
}
static inline struct sc_slice sql_range_upper(const struct sql_ranges *rs, const struct sql_key_range *r)
{
    return (struct sc_slice){rs->bounds.ptr + r->upper, r->upper_size};
}
/* letters: of plan.c, behind the first.  *whole_key_out: the one range's lower bound is the key of the only entry there
 * can be. */
sc_err sql_filter(const struct sql_index *ix, uint8_t kind, const char *letters, sqlite3_value **argv,
                  struct sql_ranges *out, bool *whole_key_out) SC_MUST_CHECK;

/* EXPLAIN KEYS: notes an access as text, e.g. "get reading|42|2026-01-01T00:15". */
struct sql_trace {
    struct sc_buf lines; /* "\n" between */
    size_t line_count;
};
sc_err sql_trace_ranges(struct sc_sql_session *s, const struct sql_table *t, const struct sql_index *ix,
                        const struct sql_ranges *ranges, bool whole_key) SC_MUST_CHECK;

#endif
