/* bench/sql/peer.h - what is measured: a database with the tables reading and customer, in an own directory.
 * A failure ends the program: a bench that goes on after an error measures something else. */
#ifndef BENCH_SQL_PEER_H
#define BENCH_SQL_PEER_H

#include "data.h"

#include <stdbool.h>

_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

enum query { QUERY_POINT, QUERY_DAY, QUERY_DAY_ALL, QUERY_GROUP, QUERY_JOIN, QUERY_COUNT };
extern const char *const query_texts[QUERY_COUNT]; /* parameters $1, $2, $3: integers */
extern const int query_param_counts[QUERY_COUNT];

/* What a query gave, so that peers can be held against each other. */
struct answer {
    int64_t rows;
    double sum;    /* of all integers and reals */
    uint64_t text; /* of all bytes of texts */
};
struct peer;
struct peer_ops {
    const char *name;
    /* Begins in the empty directory dir. */
    struct peer *(*open)(const char *dir);
    const char *(*settings)(struct peer *p); /* what a reader must know to judge the figures */
    /* Runs one statement and drops its rows. */
    void (*exec)(struct peer *p, const char *sql);
    /* The fastest way in for many rows at once; one durable transaction. */
    void (*load)(struct peer *p, const struct row *rows, size_t count);
    /* A prepared INSERT per row; one durable transaction. */
    void (*insert)(struct peer *p, const struct row *rows, size_t count);
    /* Prepared; reads every value of every row. */
    void (*query)(struct peer *p, enum query q, const int64_t *params, struct answer *out);
    /* What an operator would do after a load: statistics, compaction or vacuum. */
    void (*settle)(struct peer *p);
    uint64_t (*disk_bytes)(struct peer *p); /* of the two tables with their keys */
    void (*close)(struct peer *p);
};
extern const struct peer_ops peer_cascadb;
extern const struct peer_ops peer_postgres;
/* Whether PostgreSQL is here; bin is the directory of its programs. */
bool peer_postgres_there(const char **bin_out);

#endif
