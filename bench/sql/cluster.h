/* bench/sql/cluster.h - a PostgreSQL cluster that lives as long as this program, on a Unix socket only. */
#ifndef BENCH_SQL_CLUSTER_H
#define BENCH_SQL_CLUSTER_H

/* Makes and starts a cluster below dir (PostgreSQL refuses to run as root: then as user postgres), waits until it
 * answers, and returns the directory of its socket.  settings: "-c name=value" words ended by NULL. */
const char *cluster_start(const char *bin, const char *dir, const char *const *settings);
void cluster_stop(void); /* also at exit */

#endif
