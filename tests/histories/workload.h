/* Sessions that run side by side on one database and keep a history, or transfer money. */
#ifndef TEST_HISTORIES_WORKLOAD_H
#define TEST_HISTORIES_WORKLOAD_H

#include "cascadb/local.h"
#include "history.h"

#define ACCOUNT_COUNT   24 /* transfers carry a tag, so that there is a unique index, too */
#define ACCOUNT_BALANCE 100

/* Outlives the process, as the history does. */
struct ledger {
    _Atomic uint32_t acknowledged;   /* transfers whose COMMIT returned */
    _Atomic uint32_t conflicts;
    _Atomic uint32_t audits;
    _Atomic uint32_t next_id;
    char problem[300];               /* set by the first session that sees what must not be */
    _Atomic bool problem_told;
    uint32_t max;
    _Atomic uint8_t known[];         /* by transfer's id: 1 when acknowledged, 2 when rolled back on purpose */
};
struct ledger *ledger_new(uint32_t max);
void ledger_free(struct ledger *l);

struct workload {
    struct sc_local *local;
    struct history *history; /* NULL: no lists */
    struct ledger *ledger;   /* NULL: no bank */
    const char *begin;       /* "BEGIN", or with an isolation level */
    unsigned thread_count;
    uint64_t seed;
    _Atomic bool stop;       /* set by the owner */
};
void workload_tables(struct sc_local *local); /* makes them if they are not there */
/* Runs until all transactions of the history and the ledger are used up, or stop. */
void workload_run(struct workload *w);
/* Reads all lists; free(*out). */
size_t workload_finals(struct sc_local *local, struct final_list **out);
/* The books: money is neither made nor lost, each balance is what the transfers make it, acknowledged transfers are there,
 * undone ones are not.  Fails the test otherwise.  Returns the number of transfers. */
int64_t workload_audit(struct sc_local *local, const struct ledger *ledger);
/* Each secondary index has an entry for each row and for nothing else: what is read through it is what a scan gives.  Fails
 * the test otherwise.  Returns the number of entries compared. */
int64_t workload_indexes(struct sc_local *local);
/* One number of a query; fails the test. */
int64_t workload_number(struct sc_sql_session *s, const char *sql);

#endif
