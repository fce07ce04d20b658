/* Random tables, changes and queries whose answers follow from the SQL alone: no order that is not asked for, no sums whose
 * rounding depends on the order (reals are multiples of 1/4), no columns outside of GROUP BY. */
#ifndef TEST_DIFFERENTIAL_GENERATE_H
#define TEST_DIFFERENTIAL_GENERATE_H

#include "base/bytes.h"
#include "base/clock.h"

#define TABLES_MAX  4
#define COLUMNS_MAX 6
#define SCOPE_MAX   24

enum kind { KIND_INT, KIND_REAL, KIND_TEXT, KIND_COUNT };
struct gen_table {
    char name[8];
    size_t column_count, key_count; /* the key: the first columns, NOT NULL */
    /* NULL into an INTEGER key asks for a new number: which one is the engine's own business.
     * NEEDSWORK: SQLite refuses it WITHOUT ROWID, ours gives a number. */
    bool key_never_null;
    bool unique[COLUMNS_MAX]; /* part of a UNIQUE constraint */
    enum kind kinds[COLUMNS_MAX];
};
struct gen_column {
    char name[24]; /* with its table's alias */
    enum kind kind;
};
struct gen {
    struct sc_prng prng;
    struct gen_table tables[TABLES_MAX];
    size_t table_count;
    bool views, indexes; /* whether there are some; views are called v0, v1 ... with the columns of a table */
    size_t index_count, view_count;
    struct gen_table view_tables[TABLES_MAX];
    /* What can be named where we are in a query. */
    struct gen_column scope[SCOPE_MAX];
    size_t scope_first, scope_count; /* those before scope_first cannot */
    unsigned alias; /* next to give */
};
void gen_init(struct gen *g, uint64_t seed);
unsigned gen_below(struct gen *g, unsigned n);
/* Each appends one statement. */
void gen_create_table(struct gen *g, struct sc_buf *out); /* and knows it */
void gen_create_index(struct gen *g, struct sc_buf *out);
void gen_create_view(struct gen *g, struct sc_buf *out);
void gen_view_known(struct gen *g, bool worked);
void gen_change(struct gen *g, struct sc_buf *out);
/* *ordered_out: the order of the rows is part of the answer. */
void gen_query(struct gen *g, struct sc_buf *out, bool *ordered_out);

#endif
