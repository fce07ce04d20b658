/* bench/sql/phases.h - what is done with each peer. */
#ifndef BENCH_SQL_PHASES_H
#define BENCH_SQL_PHASES_H

#include "measure.h"
#include "peer.h"

#define LOAD_ROWS   100000 /* of a bulk load's transaction */
#define INSERT_ROWS 1000   /* of a transaction of prepared INSERTs */

struct contender {
    const struct peer_ops *ops;
    struct peer *peer;
    struct measure load, insert; /* a transaction each */
    int64_t load_rows, insert_rows;
    double settle_us;
    struct measure query[QUERY_COUNT];
    uint64_t disk_bytes;
};
/* Makes the tables; bulk-loads nine tenths of the readings, inserts the rest; settles; measures the disk. */
void phases_write(struct contender *c, const struct data *data);
/* One round of queries of q for at least `seconds`, at least one.  Every answer is checked: points and days against the
 * generated rows; the others must equal *expected when .rows is not 0, else they become it. */
void phases_query(struct contender *c, const struct data *data, enum query q, double seconds, uint64_t seed,
                  struct answer *expected);

#endif
