/* Histories of list-append transactions, and what they prove (Adya, Liskov, O'Neil 2000: "Generalized Isolation Level
 * Definitions"; Cerone, Gotsman 2016: "Analysing Snapshot Isolation"; the idea of lists is that of Kingsbury, Alvaro 2020: "Elle").
 *
 * Each key holds a list.  A transaction appends values that nobody else appends, and reads whole lists.  So the last list of a
 * key tells the order of its versions, and each read tells which version it saw; from both follow the dependencies:
 *   ww  its append follows directly on the other's;      wr  it read the other's append;
 *   rw  it read the version that the other's append replaced;
 *   so  the other was committed before it began (in the same session or elsewhere: one process, one clock).
 * Snapshot isolation holds if every cycle of dependencies has two rw edges in a row; serialisability if there is none.
 *
 * A history lies in memory shared with the process that makes it, so that it outlives that process's kill -9. */
#ifndef TEST_HISTORIES_HISTORY_H
#define TEST_HISTORIES_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPS_MAX  4
#define LIST_MAX 200

enum txn_state {
    TXN_NONE,
    TXN_RUNNING,    /* a crash now means: it must not be there */
    TXN_COMMITTING, /* a crash now means: it may be there or not */
    TXN_COMMITTED,
    TXN_ABORTED,
};
struct op {
    bool append;
    uint32_t key;
    uint32_t value;      /* appended */
    uint32_t list_count; /* read */
    uint32_t list[LIST_MAX];
};
struct txn {
    _Atomic uint32_t state;
    uint64_t begin, end; /* of the shared clock; end: when the outcome was known, 0 if never */
    uint32_t op_count;
    struct op ops[OPS_MAX];
};
struct history {
    _Atomic uint64_t clock;
    _Atomic uint32_t txn_count; /* taken */
    uint32_t txn_max;
    struct txn txns[];
};
struct history *history_new(uint32_t txn_max); /* in shared memory */
void history_free(struct history *h);
/* NULL when full. */
struct txn *history_begin(struct history *h);
struct op *txn_op(struct txn *t, bool append, uint32_t key);
void history_end(struct history *h, struct txn *t, enum txn_state outcome);

/* The last list of a key, as read after all has ended. */
struct final_list {
    uint32_t key, count;
    uint32_t list[LIST_MAX];
};
enum isolation { ISOLATION_SNAPSHOT, ISOLATION_SERIALIZABLE };
struct verdict {
    char problem[300];       /* empty: the history is as promised */
    uint32_t committed, aborted, unknown_there, unknown_lost, reads;
    uint32_t edges, skew_components; /* groups of transactions whose cycles snapshot isolation allows */
};
/* finals: one for each key that was ever used. */
void history_check(const struct history *h, const struct final_list *finals, size_t final_count, enum isolation level,
                   struct verdict *out);

#endif
