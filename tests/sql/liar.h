/* A key-value store that lies: what it returns for some keys is changed on the way.  It stands behind SQL's seam, where
 * no authentication is left, so that the code above meets what only a broken engine could show it. */
#ifndef SC_TEST_SQL_LIAR_H
#define SC_TEST_SQL_LIAR_H

#include "sql/kv.h"

struct liar {
    struct sql_kv honest;
    struct sql_kv_ops ops;
    uint64_t seed;     /* chooses keys and changes */
    unsigned rate;     /* one value in rate is changed; 0: none */
    uint8_t kind;      /* only of keys that begin so; 0: of all */
    struct sc_buf buf; /* of the last changed value */
    uint64_t lies;
};
/* l must stay where it is, and be used by one thread. */
struct sql_kv liar_init(struct liar *l, struct sql_kv honest);
void liar_deinit(struct liar *l);

#endif
