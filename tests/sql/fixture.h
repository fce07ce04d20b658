/* A database on a volume in memory, and the short words that tests use. */
#ifndef SC_TEST_SQL_FIXTURE_H
#define SC_TEST_SQL_FIXTURE_H

#include "sql/sql.h"
#include "store/memory.h"

struct fixture {
    struct sc_store *store;
    struct sc_key root;
    struct sc_kvs *kvs;
    struct sc_sql_db *db;
    uint64_t counter; /* guards the volume; not lost with the power */
};
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Closes and opens the volume: what was committed must be there. */
void fixture_reopen(struct fixture *f);
/* As above, after a power cut: what was not synced is lost. */
void fixture_power_cycle(struct fixture *f);
/* As above, with what the cut leaves of it; prng for SC_STORE_CUT_TORN. */
void fixture_crash(struct fixture *f, enum sc_store_cut cut, struct sc_prng *prng);

struct sc_sql_session *session_new(struct fixture *f);
/* Runs text; fails the test with the session's message if it fails. */
void run(struct sc_sql_session *s, const char *text);
/* Runs text, which must fail with this SQLSTATE. */
void run_fails(struct sc_sql_session *s, const char *text, const char *sqlstate);
/* All rows as text: columns by "|", rows by "\n", NULL as "-", reals as %.15g, blobs as x'hex'.  Borrowed until the
 * next call. */
const char *query(struct sc_sql_session *s, const char *text);

#endif
